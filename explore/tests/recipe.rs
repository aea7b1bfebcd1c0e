//! Recipes: what their keys mean, and how wrong ones are refused.

use bitmill_explore::Recipe;
use bitmill_model::{Clipping, WeightFormat};

#[test]
fn recipes_say_what_is_wrong_with_them() {
    let whole = "weights: int4\nactivations: int8\nlayers:\n  fc: {weights: int8}\nweight_range: {percentile: 0.1}\n\
                 rounding: learned\nweight_scales: per_tensor\nsymmetric_activations: true\n";
    let config = Recipe::from_yaml(whole).expect("a legal recipe").ptq().expect("legal formats");
    assert_eq!(config.weight_clipping, Clipping::Percentile(0.1));
    assert_eq!(config.activation_clipping, Clipping::Mse);
    assert_eq!(config.layer_weights["fc"], WeightFormat::lane());
    assert!(config.has_symmetric_activations && config.corrects_bias);
    for (text, problem) in [
        ("weights: int4\n", "activations"),
        ("weights: int4\nactivations: int8\nwieght_range: mse\n", "wieght_range"),
        ("weights: int4\nactivations: int8\nrounding: lerned\n", "lerned"),
        ("weights: int99\nactivations: int8\n", "int99"),
        ("weights: int4\nactivations: int8\nlayers: {fc: {weight: int8}}\n", "weight"),
    ] {
        let error = Recipe::from_yaml(text).expect_err(text).to_string();
        assert!(error.contains(problem), "{error}");
    }
    for text in [
        "weights: int4\nactivations: sherry\n",
        "weights: mxfp4\nactivations: int8\n",
        "weights: int4\nactivations: int8\nlayers: {fc: {weights: bitmod_fp4}}\n",
    ] {
        let recipe = Recipe::from_yaml(text).expect("formats that there are");
        let error = recipe.ptq().expect_err(text).to_string();
        assert!(error.contains("int2 to int16"), "{error}");
    }
}

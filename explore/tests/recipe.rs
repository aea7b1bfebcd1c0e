//! Recipes: what their keys mean, and how wrong ones are refused.

use bitmill_explore::{Range, Recipe, Row};
use bitmill_model::{Clipping, Rotation, WeightFormat, WeightMethods};

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
        "weights: ifairy\nactivations: int8\n",
        "weights: int4\nactivations: int8\nlayers: {fc: {weights: bitmod_fp4}}\n",
    ] {
        let recipe = Recipe::from_yaml(text).expect("formats that there are");
        let error = recipe.ptq().expect_err(text).to_string();
        assert!(error.contains("int2 to int16"), "{error}");
    }
}

#[test]
fn methods_are_composed_by_a_recipe() {
    let methods = |keys: &str| {
        let text = format!("weights: int4\nactivations: int8\nmethods: {{{keys}}}\n");
        Recipe::from_yaml(&text).and_then(|recipe| recipe.ptq()).map(|config| config.methods)
    };
    let all = methods("reordering: true, rotation: 64, sparsity: 2:4, master: int8").expect("legal");
    let expected = WeightMethods {
        reorders: true,
        rotation: Some(Rotation::new(64).expect("a power of two")),
        sparsity: Some("2:4".parse().expect("a pattern")),
        compensates: true,
        slices_master: true,
        salient: None,
    };
    assert_eq!(all, expected);
    let salient =
        methods("salient: {percent: 20, weights: int4}").expect("legal").salient.expect("salient channels");
    assert_eq!((salient.percent, salient.format), (20.0, WeightFormat::signed(4).expect("a legal width")));
    for (keys, problem) in [
        ("rotation: 48", "power of two from 2 to 4096, found 48"),
        ("sparsity: 4:2", "such as 2:4; found 4:2"),
        ("master: int6", "a master of slices is int8, found int6"),
        ("rotate: 64", "rotate"),
        ("salient: {percent: 20}", "weights"),
    ] {
        let error = methods(keys).expect_err(keys).to_string();
        assert!(error.contains(problem), "{keys}: {error}");
    }
    for weights in ["ternary", "binary", "dual_binary", "sherry", "matgptq4"] {
        let recipe = Recipe::from_yaml(&format!("weights: {weights}\nactivations: int8\n")).expect(weights);
        assert!(recipe.ptq().is_ok(), "{weights}");
    }
}

#[test]
fn rows_say_what_is_wrong_with_them() {
    let row = |weights: Option<&str>, methods: &str| Row {
        name: "mine".to_owned(),
        weights: weights.map(str::to_owned),
        weight_range: Range::Symmetric,
        methods: serde_saphyr::from_str(methods).expect("keys that there are"),
        int8_activations: false,
        kv_cache: None,
    };
    assert!(row(None, "{}").check().is_ok());
    assert!(row(Some("int3"), "{rotation: 64}").check().is_ok());
    assert_eq!(row(Some("int3"), "{sparsity: 2:4}").needs_inputs(), Ok(true));
    assert_eq!(row(Some("int3"), "{sparsity: 2:4, compensation: false}").needs_inputs(), Ok(false));
    for (weights, methods, problem) in [
        (None, "{rotation: 64}", "row `mine`: methods are done to weights"),
        (Some("int99"), "{}", "int99"),
        (Some("int3"), "{rotation: 63}", "row `mine`: a rotation takes groups"),
    ] {
        let error = row(weights, methods).check().expect_err(problem).to_string();
        assert!(error.contains(problem), "{error}");
    }
}

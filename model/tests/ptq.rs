//! Post-training quantization of the digits network, measured on its held-out images.
//! `cargo test --release -p bitmill-model --test ptq -- --nocapture` prints the table.

mod common;

use bitmill_model::{
    ActivationFormat, Clipping, FloatNetwork, ModelError, PtqConfig, QuantizedNetwork, WeightFormat, import,
    quantize, round_layer,
};
use common::{digits, images, quantized_right_answers};

/// Right answers of the float network, of 450.
const FLOAT_RIGHT: usize = 446;

fn network() -> FloatNetwork {
    import(&digits("digits.onnx")).expect("the embedded model imports").float
}

/// Formats by name: weights, activations.
fn formats(weights: &str, activations: &str) -> PtqConfig {
    PtqConfig::new(
        WeightFormat::new(weights.parse().expect("a legal format")).expect("a legal format"),
        ActivationFormat::new(&activations.parse().expect("a legal format")).expect("a legal format"),
    )
}

fn integers(weight_bits: u8, activation_bits: u8) -> PtqConfig {
    PtqConfig::integers(weight_bits, activation_bits).expect("a legal format")
}

fn quantized(config: &PtqConfig) -> Result<QuantizedNetwork, ModelError> {
    quantize(&network(), &images("calibration_images.npy"), config)
}

#[test]
fn accuracy_on_held_out_digits() {
    // Weight bits, activation bits, and how many right answers may be lost: 4.5 are one point.
    for (weight_bits, activation_bits, may_lose) in [
        (8, 8, 4),
        (12, 12, 0),
        (6, 6, 4),
        (5, 5, 4),
        (8, 4, 6),
        (4, 8, 6),
        (4, 4, 9),
        (3, 3, 60),
        (2, 8, 120),
    ] {
        let network = quantized(&integers(weight_bits, activation_bits)).unwrap();
        let right = quantized_right_answers(&network);
        let percent = 100.0 * right as f64 / 450.0;
        println!("w{weight_bits}a{activation_bits}: {right} of 450 right, {percent:.2} %");
        assert!(right + may_lose >= FLOAT_RIGHT, "w{weight_bits}a{activation_bits}: {right}");
        // Activations of 8 bits and fewer keep the hardware's 32-bit accumulators.
        let layers = 0..network.layers().len();
        let bits = layers.map(|index| network.accumulator_bits(index)).max().unwrap();
        assert!(activation_bits > 8 || bits <= 32, "{bits}");
    }
}

/// Weights in formats that are no grid of integers, with int8 activations: right answers of 450 at least.
#[test]
fn accuracy_in_other_formats() {
    for (weights, activations, least) in [
        ("bitmod_fp4", "int8", 440),
        ("bitmod_fp3", "int8", 425),
        ("bitmod_fp4_g16", "int8", 440),
        ("bitmod_fp3_g16", "int8", 435),
        ("int3_g16", "int8", 425),
        ("fp4_e2m1", "int8", 440),
        ("posit8_0", "int8", 442),
        ("matgptq4", "int8", 430),
        ("dual_binary", "int8", 300),
        ("ternary", "int8", 300),
        ("sherry", "int8", 200),
        ("int8", "uint8", 442),
        ("int4", "uint4", 430),
    ] {
        let network = quantized(&formats(weights, activations)).unwrap();
        let right = quantized_right_answers(&network);
        println!("w {weights} a {activations}: {right} of 450 right, {:.2} %", right as f64 / 4.5);
        assert!(right >= least, "w {weights} a {activations}: {right}");
    }
}

#[test]
fn a_channel_in_bitmod_takes_the_special_value_that_serves_it() {
    let format = WeightFormat::new("bitmod_fp4".parse().unwrap()).unwrap();
    assert_eq!((format.range(), format.nearest(9.2), format.nearest(15.0)), ((-16, 16), 10, 16));
    let network = quantized(&formats("bitmod_fp4", "int8")).unwrap();
    let specials = [10, -10, 16, -16].map(|s| {
        network.layers().iter().any(|layer| !layer.weight_format.is_lane() && layer.weights.contains(&s))
    });
    assert!(specials.iter().filter(|used| **used).count() >= 3, "{specials:?}");
}

#[test]
fn each_option_earns_its_place() {
    let right = |config: PtqConfig| quantized_right_answers(&quantized(&config).unwrap());
    let base = integers(3, 3);
    let best = right(base.clone());
    for (what, worse) in [
        ("without bias correction", PtqConfig { corrects_bias: false, ..base.clone() }),
        ("with symmetric activations", PtqConfig { has_symmetric_activations: true, ..base.clone() }),
        ("without clipping", {
            PtqConfig {
                weight_clipping: Clipping::MinMax,
                activation_clipping: Clipping::MinMax,
                ..base.clone()
            }
        }),
    ] {
        let found = right(worse);
        println!("w3a3: {best} right, {what} {found}");
        assert!(found < best, "{what}: {found}, against {best}");
    }
    let clipped = Clipping::Percentile(0.05);
    let percentile = PtqConfig { weight_clipping: clipped, activation_clipping: clipped, ..integers(8, 8) };
    assert!(right(percentile) + 4 >= FLOAT_RIGHT);
}

#[test]
fn quantization_is_deterministic() {
    let config = integers(4, 4);
    assert_eq!(quantized(&config), quantized(&config));
}

#[test]
fn wrong_settings_and_inputs_are_refused() {
    let base = integers(8, 8);
    for (config, message) in [
        (integers(16, 16), "does not fit 32 bits; use narrower weights or activations"),
        (formats("ifairy", "int8"), "ifairy weights come from training"),
        (
            PtqConfig { weight_clipping: Clipping::Percentile(50.0), ..base.clone() },
            "must lie in 0..50, found 50",
        ),
        (PtqConfig { activation_clipping: Clipping::Percentile(f64::NAN), ..base.clone() }, "found NaN"),
    ] {
        let error = quantized(&config).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    for (inputs, message) in [
        (vec![], "at least one calibration input"),
        (vec![vec![0.0; 63]], "the input has 64 elements, found 63"),
        (vec![vec![f32::NAN; 64]], "they must be finite"),
    ] {
        let error = quantize(&network(), &inputs, &base).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_layer_alone_is_rounded_and_what_comes_before_it_is_kept() {
    let network = network();
    let input = &images("calibration_images.npy")[0];
    let format = WeightFormat::signed(4).unwrap();
    let before = network.run(input).unwrap();
    for index in (0..network.layers().len()).filter(|&i| network.graph().layers()[i].operation.is_matrix()) {
        let rounded = round_layer(&network, index, &format, Clipping::Mse).unwrap();
        for (other, (old, new)) in network.layers().iter().zip(rounded.layers()).enumerate() {
            assert_eq!(old == new, other != index, "{other}");
        }
        let after = rounded.run(input).unwrap();
        assert_eq!(after[..=index], before[..=index]);
        assert_eq!(rounded.resume(index, &before), *after.last().unwrap());
        // Fifteen values and zero a channel.
        let channels = network.layers()[index].bias.len();
        let weights = &rounded.layers()[index].weights;
        let mut row: Vec<u32> =
            weights[..weights.len() / channels].iter().map(|w| (w + 0.0).to_bits()).collect();
        row.sort_unstable();
        row.dedup();
        assert!(row.len() <= 15, "{}", row.len());
    }
}

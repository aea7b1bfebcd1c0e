//! Networks in floating point: minifloats, posits and L-Mul, from calibration to exact sums.
//! `cargo test --release -p bitmill-model --test floating -- --nocapture` prints the table.

mod common;

use bitmill_formats::{BlockSums, LMul, Minifloat, Rule};
use bitmill_model::{
    ActivationFormat, Arithmetic, ModelError, Multiplication, Multiplier, Network, Operation, PtqConfig,
    Quantization, QuantizedLayer, QuantizedNetwork, Requantization, Shape, Tensor, TensorId, WeightFormat,
    WeightRounding, import, quantize,
};
use common::{digits, images, labels};

fn config(weights: &str, activations: &str) -> PtqConfig {
    PtqConfig::new(
        WeightFormat::new(weights.parse().expect("a legal format")).expect("a legal format"),
        ActivationFormat::new(&activations.parse().expect("a legal format")).expect("a legal format"),
    )
}

fn quantized(config: &PtqConfig) -> QuantizedNetwork {
    try_quantized(config).unwrap_or_else(|error| panic!("{error}"))
}

fn try_quantized(config: &PtqConfig) -> Result<QuantizedNetwork, ModelError> {
    let network = import(&digits("digits.onnx")).expect("the embedded model imports").float;
    let calibration: Vec<_> = images("calibration_images.npy").into_iter().take(32).collect();
    quantize(&network, &calibration, config)
}

/// Right answers on the first `count` held-out images.
fn right(network: &QuantizedNetwork, count: usize) -> usize {
    let answer = |image: &Vec<f32>| {
        let tensors = network.run(&network.quantize_input(image)).expect("a legal input");
        let logits = network.dequantize(network.graph().output(), &tensors[tensors.len() - 1]);
        (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0)
    };
    images("test_images.npy")
        .iter()
        .zip(labels())
        .take(count)
        .filter(|(image, label)| answer(image) == *label)
        .count()
}

#[test]
fn accuracy_on_held_out_digits() {
    const IMAGES: usize = 120;
    // Weights, activations, and how many of 120 right answers are asked for.
    for (weights, activations, least) in [
        ("fp8_e4m3", "fp8_e4m3", 117),
        ("fp8_e5m2", "fp8_e5m2", 114),
        ("posit8_0", "posit8_0", 117),
        ("bitmod_fp4", "fp16", 117),
        ("posit16_1", "posit16_1", 118),
        ("fp4_e2m1", "fp4_e2m1", 90),
    ] {
        let right = right(&quantized(&config(weights, activations)), IMAGES);
        println!("{weights} weights, {activations} activations: {right} of {IMAGES} right");
        assert!(right >= least, "{weights} {activations}: {right}");
    }
    let l_mul = LMul::new(Minifloat::new(4, 3).expect("a legal format")).expect("it has a mantissa");
    let multiplication = Multiplication { rule: Rule::LMulWide(l_mul), ..Multiplication::EXACT };
    let right = right(&quantized(&PtqConfig { multiplication, ..config("fp8_e4m3", "fp8_e4m3") }), IMAGES);
    println!("fp8_e4m3 by L-Mul: {right} of {IMAGES} right");
    assert!(right >= 117, "{right}");
}

/// Doubles hold every sum of fp8 products exactly, and one rounding of them is the encoder's.
#[test]
fn sums_and_roundings_are_those_of_doubles() {
    let network = quantized(&config("fp8_e4m3", "fp8_e4m3"));
    let input = network.quantize_input(&images("test_images.npy")[0]);
    let tensors = network.run(&input).expect("a legal input");
    let mut checked = 0;
    for (index, (layer, parameters)) in network.pairs().enumerate() {
        let Operation::Convolution { window, groups: 1, .. } = layer.operation else { continue };
        let (from, to) = (layer.inputs[0], layer.output);
        let [shape, output] = [from, to].map(|id| network.graph().shape(id));
        let number =
            |id: TensorId, at: usize| network.quantization(id).value(tensors[id.index()][at]).to_f64();
        let [low, high] =
            [parameters.low, parameters.high].map(|at| network.quantization(to).value(at).to_f64());
        for (at, _) in tensors[to.index()].iter().enumerate() {
            let (pixel, channel) = (at / output.channels, at % output.channels);
            let (row, column) = (pixel / output.width, pixel % output.width);
            let unit = 2f64.powi(network.sum_exponent(index) + i32::from(parameters.arithmetic.bias_places));
            let mut sum = f64::from(parameters.bias[channel]) * unit;
            for tap in 0..window.kernel.area() {
                let tap_at = (tap / window.kernel.width, tap % window.kernel.width);
                let Some((y, x)) = window.position((row, column), tap_at, shape) else { continue };
                for input_channel in 0..shape.channels {
                    let weight = (channel * window.kernel.area() + tap) * shape.channels + input_channel;
                    let weight = parameters.weight_format.real(parameters.weights[weight]);
                    sum += weight * number(from, shape.offset(y, x, input_channel));
                }
            }
            let scaled = sum * parameters.multipliers[channel].real();
            let real = scaled * network.quantization(to).scale;
            let nearest = network.quantization(to).value(network.quantization(to).quantize(real)).to_f64();
            // The product with the 31-bit factor may be rounded in a double: by less than a thousandth of a step.
            let distance = (number(to, at) - nearest.clamp(low, high)).abs();
            assert!(distance <= scaled.abs() * 0.126, "{}: {} {nearest}", layer.name, number(to, at));
            checked += usize::from(distance == 0.0);
        }
    }
    assert!(checked > 1000, "{checked}");
}

#[test]
fn what_floating_point_cannot_do_is_refused() {
    let refused = |name: &str| {
        let format = name.parse().expect("a legal format");
        ActivationFormat::new(&format).expect_err("an illegal format")
    };
    assert!(
        refused("fp32")
            .contains("and blocks of numbers that are bf16 numbers are legal for activations, found fp32")
    );
    assert!(refused("mxint16").contains("found mxint16"));
    // Whatever stands in no blocks has no sums of blocks, integers least of all.
    let sums = BlockSums { size: 8, lsb_exponent: -8 };
    let of_blocks = Multiplication { blocks: Some(sums), ..Multiplication::EXACT };
    let integers = PtqConfig { multiplication: of_blocks, ..config("int8", "int8") };
    let error = try_quantized(&integers).expect_err("integers in no blocks").to_string();
    assert!(error.contains("sums of blocks need activations in blocks"), "{error}");
    let error = try_quantized(&config("mxfp4", "int8")).expect_err("weights alone in blocks").to_string();
    assert!(error.contains("activations and weights need blocks"), "{error}");
    let learned = PtqConfig { weight_rounding: WeightRounding::Learned, ..config("fp4_e2m1", "int8") };
    let error = try_quantized(&learned).expect_err("no integers to learn").to_string();
    assert!(error.contains("learned rounding is for integers"), "{error}");
    // No integer holds exact sums of bf16.
    let error = try_quantized(&config("bf16", "bf16")).expect_err("sums that no integer holds").to_string();
    assert!(error.contains("cut the products' last places"), "{error}");
}

#[test]
fn weights_off_the_grid_of_their_block_are_refused() {
    let shape = Shape::new(1, 1, 8);
    let tensor = |name: &str| Tensor { name: name.to_owned(), shape };
    let mut graph = Network::new("blocks", tensor("input")).expect("a legal graph");
    let operation = Operation::FullyConnected { out_features: 1 };
    graph.push("layer".to_owned(), operation, vec![TensorId::INPUT]).expect("a legal graph");
    let weight_format = WeightFormat::new("mxfp4_g8".parse().expect("a format")).expect("a legal format");
    let format = ActivationFormat::new(weight_format.format()).expect("a legal format");
    let quantization = Quantization { format, scale: 1.0, zero_point: 0 };
    let sums = BlockSums { size: 8, lsb_exponent: -8 };
    let network = |small: f64| {
        let weights =
            [6.0, small].iter().cycle().take(8).map(|&weight| weight_format.nearest(weight)).collect();
        let layer = QuantizedLayer {
            weight_format: weight_format.clone(),
            weights,
            bias: vec![0],
            multipliers: vec![Multiplier::nearest(0.5).expect("a legal factor")],
            requantization: Requantization::DyadicHalfUp,
            input_multipliers: Vec::new(),
            arithmetic: Arithmetic {
                multiplication: Multiplication { blocks: Some(sums), ..Multiplication::EXACT },
                bias_places: 0,
            },
            offset: 0,
            low: quantization.min(),
            high: quantization.max(),
        };
        QuantizedNetwork::new(graph.clone(), vec![quantization; 2], vec![layer])
    };
    assert!(network(0.5).is_ok(), "E2M1 has 0.5 beside 6");
    let error = network(0.125).expect_err("E2M1 has no 0.125 beside 6").to_string();
    assert!(error.contains("is not one of mxfp4_g8"), "{error}");
}

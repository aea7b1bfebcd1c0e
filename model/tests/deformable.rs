//! Deformable convolution in networks: the integers of a quantized one equal the engine's meaning, whose golden convolves
//! in one go; and they are near the real ones.

use bitmill_formats::deformable::{Channels, Deformation, Image, Sampling, convolve};
use bitmill_model::{
    Bound, FloatLayer, FloatNetwork, ModelError, Network, Offsets, Operation, PtqConfig, QuantizedNetwork,
    Shape, Taps, Tensor, TensorId, Window, quantize,
};

const SHAPE: Shape = Shape { height: 7, width: 9, channels: 6 };

/// Numbers between −1 and 1, other ones for each seed.
fn numbers(seed: u32, count: usize) -> Vec<f32> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let states = std::iter::successors(next(&seed), next);
    states.take(count).map(|state| (state >> 8) as f32 / f32::from(1u16 << 12) / 2048.0 - 1.0).collect()
}

/// Offsets (and masks) from 1 × 1 convolutions, clamped to `low..=high` pixels, and a convolution to so many channels, or
/// a depthwise one.
fn network(taps: Taps, [low, high]: [f32; 2], outputs: Option<usize>) -> FloatNetwork {
    let mut graph = Network::new("n", Tensor { name: "x".to_owned(), shape: SHAPE }).expect("a legal shape");
    let point = |out_channels| Operation::Convolution { window: Window::square(1), out_channels, groups: 1 };
    let mut layers = Vec::new();
    let mut push = |name: &str, operation: Operation, inputs: Vec<TensorId>, scale: f32, channels: usize| {
        let seed = layers.len() as u32 + 1;
        let count = operation.weight_count(SHAPE);
        let weights = numbers(seed, count).into_iter().map(|weight| weight * scale).collect();
        let bias = if count == 0 { Vec::new() } else { numbers(seed + 100, channels) };
        layers.push(FloatLayer::weighted(weights, bias));
        graph.push(name, operation, inputs).expect("a legal layer")
    };
    let values = taps.offsets.values();
    let mut inputs = vec![TensorId::INPUT];
    inputs.push(push("offsets", point(values), vec![TensorId::INPUT], 2.5, values));
    if taps.is_modulated {
        inputs.push(push("masks", point(9), vec![TensorId::INPUT], 0.5, 9));
    }
    let samples = push("samples", Operation::Sample { taps }, inputs, 0.0, 0);
    let window = Taps::window();
    match outputs {
        Some(out_channels) => {
            let operation = Operation::Convolution { window, out_channels, groups: 1 };
            push("sum", operation, vec![samples], 0.3, out_channels)
        }
        None => push("sum", Operation::Depthwise { window }, vec![samples], 0.5, SHAPE.channels),
    };
    layers[0] = layers[0].clone().clamped(low, high);
    if taps.is_modulated {
        layers[1] = layers[1].clone().clamped(0.0, 1.0);
    }
    FloatNetwork::new(graph, layers).expect("legal parameters")
}

fn quantized(float: &FloatNetwork, config: &PtqConfig) -> Result<QuantizedNetwork, ModelError> {
    let inputs: Vec<Vec<f32>> = (0..4).map(|seed| numbers(seed + 50, SHAPE.elements())).collect();
    quantize(float, &inputs, config)
}

/// Integers less their zero point.
fn centred(network: &QuantizedNetwork, id: TensorId, integers: &[i32]) -> Vec<i64> {
    let zero_point = i64::from(network.quantization(id).zero_point);
    integers.iter().map(|&x| i64::from(x) - zero_point).collect()
}

#[test]
fn integers_equal_the_engine_s_golden() {
    let bound = |lowest, highest| Bound::new(lowest, highest).expect("a legal bound");
    for (offsets, bound, clamp, is_modulated, outputs, fraction_bits) in [
        (Offsets::PerTap, Bound::WIDEST, [-3.0, 3.0], false, Some(5), 5),
        (Offsets::PerTap, bound(0, 7), [0.0, 7.0], true, None, 5),
        (Offsets::Square, bound(0, 3), [0.0, 3.0], false, None, 6),
        // Offsets reach beyond the bound, and saturate as integers.
        (Offsets::PerTap, bound(-1, 1), [-8.0, 8.0], true, Some(4), 6),
        (Offsets::Square, bound(-2, 2), [-9.0, 9.0], true, Some(3), 5),
    ] {
        let taps = Taps { offsets, bound, is_modulated };
        let float = network(taps, clamp, outputs);
        let config = PtqConfig::integers(8, 8).expect("legal widths");
        let network = quantized(&float, &config).expect("quantizable");
        let input = numbers(50, SHAPE.elements());
        let tensors = network.run(&network.quantize_input(&input)).expect("it fits");
        let layers = network.graph().layers();
        let [samples, sum] = [&layers[layers.len() - 2], &layers[layers.len() - 1]];
        let quantizations: Vec<_> = samples.inputs.iter().map(|&id| network.quantization(id)).collect();
        let sampling: Sampling = taps.sampling(&quantizations).expect("legal");
        assert_eq!(sampling.fraction_bits, fraction_bits, "{taps:?}");
        assert_eq!(sampling.mask_bits, is_modulated.then_some(7));
        let given: Vec<Vec<i64>> = samples.inputs[1..]
            .iter()
            .map(|&id| centred(&network, id, &tensors[id.index()]))
            .chain([vec![]])
            .collect();
        let deformation = Deformation { offsets: &given[0], masks: &given[1] };
        let Shape { height, width, channels } = SHAPE;
        let values = tensors[0].iter().map(|&x| x.into()).collect();
        let image = Image { height, width, channels, values };
        let parameters = &network.layers()[layers.len() - 1];
        let weights: Vec<i64> = parameters.weights.iter().map(|&w| w.into()).collect();
        let over = outputs.map_or(Channels::Depthwise, Channels::Full);
        let zero_point = quantizations[0].zero_point.into();
        let golden = convolve(&sampling, &image, zero_point, deformation, over, &weights);
        assert!(golden.saturated > 0 || clamp[1] as i32 <= bound.ends()[1], "{taps:?} saturate somewhere");
        let count = parameters.bias.len();
        for (index, (&sum, &found)) in
            golden.image.values.iter().zip(&tensors[sum.output.index()]).enumerate()
        {
            let bias = i64::from(parameters.bias[index % count]);
            let scaled = parameters.requantization.scale(sum + bias, parameters.multipliers[index % count]);
            let expected =
                (scaled + i64::from(parameters.offset)).clamp(parameters.low.into(), parameters.high.into());
            assert_eq!(i64::from(found), expected, "{taps:?}: element {index}");
        }
        if golden.saturated == 0 {
            let real = float.run(&input).expect("it fits").pop().expect("an output");
            let found = network.dequantize(sum.output, &tensors[sum.output.index()]);
            let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
            let error = square(&mut real.iter().zip(&found).map(|(&a, &b)| f64::from(a) - b));
            let power = square(&mut real.iter().map(|&a| a.into()));
            let share = (error / power).sqrt();
            println!("{taps:?}: off by {:.1} % in the mean square", 100.0 * share);
            // An image of noise has no smoothness that would hide the rounding of offsets to 1/32 and 1/64.
            assert!(share < 0.06, "{taps:?}: {share}");
        }
    }
}

#[test]
fn offsets_that_are_no_numbers_are_refused() {
    let taps = Taps { offsets: Offsets::PerTap, bound: Bound::WIDEST, is_modulated: false };
    let float = network(taps, [f32::NEG_INFINITY, f32::INFINITY], None);
    let config = PtqConfig::integers(8, 8).expect("legal widths");
    for (bad, message) in [
        (f32::NAN, "layer `x`: calibration gives values from NaN to"),
        (3e38, "layer `offsets`: calibration gives values from -inf to inf; they must be finite"),
    ] {
        let mut input = numbers(3, SHAPE.elements());
        input[7] = bad;
        // Numbers follow: what came before must not be forgotten.
        let error = quantize(&float, &[input, numbers(4, SHAPE.elements())], &config).expect_err(message);
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn quantizations_that_offsets_cannot_have_are_named() {
    let taps = Taps { offsets: Offsets::PerTap, bound: Bound::WIDEST, is_modulated: true };
    let float = network(taps, [-2.0, 2.0], None);
    let legal = quantized(&float, &PtqConfig::integers(8, 8).expect("legal widths")).expect("quantizable");
    for (tensor, scale, zero_point, message) in [
        (1, 0.1, 0, "layer `samples`: offsets need a scale of 2^-8 to 1, found 0.1"),
        (
            2,
            0.0078125,
            0,
            "layer `samples`: masks need a scale of 2^-8 to 1 and zero point -128, found 0.0078125 and 0",
        ),
    ] {
        let mut quantizations: Vec<_> = (0..5)
            .map(|index| {
                legal.quantization(if index == 0 {
                    TensorId::INPUT
                } else {
                    legal.graph().layers()[index - 1].output
                })
            })
            .collect();
        quantizations[tensor].scale = scale;
        quantizations[tensor].zero_point = zero_point;
        let error = QuantizedNetwork::new(legal.graph().clone(), quantizations, legal.layers().to_vec());
        assert_eq!(error.expect_err("refused").to_string(), message);
    }
}

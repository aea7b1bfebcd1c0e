//! What the constructors of networks refuse, and what the workload graph says about itself.

use bitmill_model::{
    Arithmetic, Extent, FloatLayer, FloatNetwork, ModelError, Multiplication, Multiplier, Network, Operation,
    Padding, Quantization, QuantizedLayer, QuantizedNetwork, QuantizedWeights, Requantization, Shape, Tensor,
    TensorId, WeightFormat, Window,
};

fn input(height: usize, width: usize, channels: usize) -> Tensor {
    Tensor { name: "x".to_owned(), shape: Shape::new(height, width, channels) }
}

fn convolution(kernel: usize, out_channels: usize, groups: usize) -> Operation {
    Operation::Convolution { window: Window::square(kernel), out_channels, groups }
}

/// A network of one layer over a 4×4 map of two channels.
fn single(operation: Operation) -> Result<Network, ModelError> {
    let mut network = Network::new("test", input(4, 4, 2))?;
    network.push("layer", operation, vec![TensorId::INPUT])?;
    Ok(network)
}

#[test]
fn shapes_and_work_are_inferred() {
    let uneven = Window {
        kernel: Extent::new(3, 2),
        stride: Extent::new(2, 1),
        dilation: Extent::new(1, 3),
        padding: Padding { top: 1, left: 0, bottom: 0, right: 1 },
        ..Window::square(1)
    };
    // Rows: (4 + 1 − 3) / 2 + 1 = 2. Columns: (4 + 1 − 4) / 1 + 1 = 2.
    let cases = [
        (
            Operation::Convolution { window: uneven, out_channels: 5, groups: 1 },
            Shape::new(2, 2, 5),
            20 * 12,
            60,
        ),
        (convolution(3, 4, 2), Shape::new(2, 2, 4), 16 * 9, 36),
        (Operation::Depthwise { window: Window::square(3).with_padding(1) }, Shape::new(4, 4, 2), 32 * 9, 18),
        (Operation::FullyConnected { out_features: 7 }, Shape::vector(7), 7 * 32, 224),
        (Operation::MaxPool { window: Window::square(2).with_stride(2) }, Shape::new(2, 2, 2), 0, 0),
        (Operation::AveragePool { window: Window::global(Shape::new(4, 4, 2)) }, Shape::vector(2), 32, 0),
    ];
    for (operation, shape, macs, weights) in cases {
        let network = single(operation).unwrap();
        let layer = &network.layers()[0];
        assert_eq!(network.shape(network.output()), shape, "{operation:?}");
        assert_eq!(network.macs(layer), macs, "{operation:?}");
        assert_eq!(operation.weight_count(network.input_shape(layer)), weights, "{operation:?}");
    }
    let mut network = single(Operation::MaxPool { window: Window::square(1) }).unwrap();
    network.push("sum", Operation::Add, vec![TensorId::INPUT, network.output()]).unwrap();
    assert_eq!(network.last_reader(TensorId::INPUT), Some(1));
    assert_eq!(network.last_reader(network.output()), None);
}

#[test]
fn illegal_layers_are_refused() {
    let padded = Window::square(2).with_padding(1);
    for (operation, message) in [
        (convolution(5, 2, 1), "layer `layer`: the window spans 5x5 positions but the padded input has 4x4"),
        (convolution(0, 2, 1), "must lie in 1..=65535, found 0"),
        (convolution(1, 3, 2), "groups 2 must divide 2 input and 3 output channels"),
        (convolution(1, 2, 0), "groups 0 must divide"),
        (convolution(1, 1 << 40, 1), "more than 2^28 elements"),
        (Operation::AveragePool { window: padded }, "average pooling takes no padding"),
        (Operation::Add, "add takes 2 inputs, found 1"),
    ] {
        let error = single(operation).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let mut network = single(Operation::MaxPool { window: Window::square(2) }).unwrap();
    let unequal = network.push("sum", Operation::Add, vec![TensorId::INPUT, network.output()]);
    assert!(unequal.unwrap_err().to_string().contains("add needs equal shapes, found 4x4x2 and 3x3x2"));
    assert!(Network::new("empty", input(0, 4, 2)).is_err());
}

#[test]
fn float_parameters_are_checked() {
    let graph = || single(convolution(1, 2, 1)).unwrap();
    let good = FloatLayer::weighted(vec![1.0; 4], vec![0.0; 2]);
    assert!(FloatNetwork::new(graph(), vec![good.clone()]).is_ok());
    for (layers, message) in [
        (vec![], "a graph of 1 layers needs as many sets of parameters, found 0"),
        (
            vec![FloatLayer::weighted(vec![1.0; 3], vec![0.0; 2])],
            "needs 4 weights and 2 biases, found 3 and 2",
        ),
        (vec![FloatLayer::weighted(vec![f32::INFINITY; 4], vec![0.0; 2])], "must be finite, found inf"),
        (vec![FloatLayer { low: 1.0, high: 0.0, ..good }], "clamp 1..0 is no range"),
    ] {
        let error = FloatNetwork::new(graph(), layers).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn integer_parameters_are_checked() {
    let graph = single(convolution(1, 2, 1)).unwrap();
    let quantization = Quantization::signed(8, 0.5, 3).unwrap();
    let good = QuantizedLayer {
        weight_format: WeightFormat::signed(4).unwrap(),
        weights: vec![7, -8, 0, 1],
        bias: vec![0; 2],
        multipliers: vec![Multiplier::ONE; 2],
        requantization: Requantization::DyadicHalfUp,
        input_multipliers: Vec::new(),
        arithmetic: Arithmetic::default(),
        offset: 3,
        low: -128,
        high: 127,
    };
    let build = |quantization: Quantization, layer: QuantizedLayer| {
        QuantizedNetwork::new(graph.clone(), vec![quantization; 2], vec![layer])
    };
    let network = build(quantization, good.clone()).unwrap();
    // (7 + 8) · 128 = 1920 needs 11 bits and a sign.
    assert_eq!(network.accumulator_bits(0), 12);
    let wide = Multiplier { multiplier: 1 << 31, shift: 15 };
    let distant = Multiplier { shift: 63, ..Multiplier::ONE };
    for (layer, message) in [
        (QuantizedLayer { weights: vec![8, 0, 0, 0], ..good.clone() }, "weight 8 is not one of int4"),
        (
            QuantizedLayer { weights: vec![0; 3], ..good.clone() },
            "needs 4 weights and 2 biases and multipliers",
        ),
        (QuantizedLayer { multipliers: vec![wide; 2], ..good.clone() }, "is not one of 31 bits"),
        (QuantizedLayer { multipliers: vec![distant; 2], ..good.clone() }, "with shift 0..=62"),
        (
            QuantizedLayer { requantization: Requantization::SinglePrecision, ..good.clone() },
            "is not one of 24 bits",
        ),
        (QuantizedLayer { input_multipliers: vec![wide; 2], ..good.clone() }, "only an addition has"),
        (QuantizedLayer { offset: 128, ..good.clone() }, "offset 128 does not fit int8"),
        (QuantizedLayer { low: -129, ..good.clone() }, "clamp -129..=127 must be a range within int8"),
        (QuantizedLayer { low: 5, high: 4, ..good.clone() }, "clamp 5..=4 must be a range"),
    ] {
        let error = build(quantization, layer).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    for (wrong, message) in [
        (
            Quantization { scale: 0.0, ..quantization },
            "activation scale must be finite and positive, found 0",
        ),
        (Quantization { zero_point: 128, ..quantization }, "zero point must lie in -128..=127, found 128"),
    ] {
        let error = build(wrong, good.clone()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_worked_example_of_the_arithmetic() {
    // Two inputs x = 0.5 · (q − 3), weights 0.25 · {2, −1}, bias 1.0, output step 0.75 with zero point −5.
    let mut graph = Network::new("worked", input(1, 1, 2)).unwrap();
    graph.push("fc", Operation::FullyConnected { out_features: 1 }, vec![TensorId::INPUT]).unwrap();
    let real = FloatLayer::weighted(vec![0.5, -0.25], vec![1.0]).clamped(0.0, f32::INFINITY);
    let float = FloatNetwork::new(graph, vec![real]).unwrap();
    let quantizations =
        vec![Quantization::signed(8, 0.5, 3).unwrap(), Quantization::signed(8, 0.75, -5).unwrap()];
    let weights = QuantizedWeights {
        integers: vec![2, -1],
        scales: vec![0.25],
        format: WeightFormat::signed(4).unwrap(),
        multiplication: Multiplication::EXACT,
    };
    let network = QuantizedNetwork::from_float(&float, quantizations, vec![Some(weights)]).unwrap();
    let layer = &network.layers()[0];
    // 1.0 / (0.5 · 0.25) = 8, less 3 · (2 − 1).
    assert_eq!(layer.bias, [5]);
    // 0.5 · 0.25 / 0.75 = 1/6 = 1431655765.3 / 2^33.
    assert_eq!(layer.multipliers, [Multiplier { multiplier: 1_431_655_765, shift: 33 }]);
    assert_eq!((layer.low, layer.high), (-5, 127));
    // Real: 0.5 · 4.5 − 0.25 · (−1) + 1 = 3.5; 3.5 / 0.75 = 4.67 rounds to 5, and −5 + 5 = 0.
    assert_eq!(network.run(&[12, 1]).unwrap()[1], [0]);
    // Real: 0.5 · (−4) + 1 = −1, below zero: the ReLU's zero point.
    assert_eq!(network.run(&[-5, 3]).unwrap()[1], [-5]);
}

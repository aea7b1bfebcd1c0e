//! Models that must be refused, each with the words that the user sees.

use prost::Message;

use super::import_onnx as import;
use super::proto::*;

fn dims(sizes: &[i64]) -> Option<TensorShapeProto> {
    let dim = |&size: &i64| match size {
        0 => DimensionProto { dim_value: None, dim_param: Some("N".to_owned()) },
        _ => DimensionProto { dim_value: Some(size), dim_param: None },
    };
    Some(TensorShapeProto { dim: sizes.iter().map(dim).collect() })
}

fn value(name: &str, sizes: &[i64]) -> ValueInfoProto {
    let tensor_type = Some(TensorTypeProto { elem_type: 1, shape: dims(sizes) });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

fn node(op_type: &str, inputs: &str, output: &str) -> NodeProto {
    NodeProto {
        input: inputs.split(' ').map(str::to_owned).collect(),
        output: vec![output.to_owned()],
        name: format!("{}_{output}", op_type.to_lowercase()),
        op_type: op_type.to_owned(),
        ..NodeProto::default()
    }
}

/// `node` with an attribute of integers, or of one integer under the same name.
fn with(mut node: NodeProto, name: &str, ints: &[i64]) -> NodeProto {
    let (name, ints) = (name.to_owned(), ints.to_vec());
    node.attribute.push(AttributeProto { name, i: ints.first().copied(), ints, ..AttributeProto::default() });
    node
}

fn with_text(mut node: NodeProto, name: &str, text: &str) -> NodeProto {
    let s = Some(text.as_bytes().to_vec());
    node.attribute.push(AttributeProto { name: name.to_owned(), s, ..AttributeProto::default() });
    node
}

fn floats(name: &str, dims: &[i64], fill: f32) -> TensorProto {
    let count = dims.iter().product::<i64>() as usize;
    let float_data = vec![fill; count];
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data,
        ..TensorProto::default()
    }
}

/// Integers of an ONNX type code: 2 uint8, 3 int8, 6 int32, 7 int64.
fn integers(name: &str, data_type: i32, values: &[i64]) -> TensorProto {
    let (name, dims) = (name.to_owned(), vec![values.len() as i64]);
    let int32_data = values.iter().map(|&value| value as i32).collect();
    TensorProto { name, dims, data_type, int64_data: values.to_vec(), int32_data, ..TensorProto::default() }
}

/// A model from x `[N, 3, 4, 4]` to y, with a 1×1 convolution's weights `w` at hand.
fn model(nodes: Vec<NodeProto>, initializers: Vec<TensorProto>) -> ModelProto {
    let graph = GraphProto {
        node: nodes,
        name: "test".to_owned(),
        initializer: [vec![floats("w", &[2, 3, 1, 1], 0.5)], initializers].concat(),
        input: vec![value("x", &[0, 3, 4, 4])],
        output: vec![value("y", &[])],
    };
    let own = OperatorSetIdProto { domain: String::new(), version: 13 };
    ModelProto { graph: Some(graph), opset_import: vec![own], ..Default::default() }
}

/// The same model after `change`.
fn changed(change: impl FnOnce(&mut ModelProto, &mut GraphProto)) -> ModelProto {
    let mut whole = model(vec![node("Conv", "x w", "c"), node("Relu", "c", "y")], vec![]);
    let mut graph = whole.graph.take().expect("made above");
    change(&mut whole, &mut graph);
    whole.graph = Some(graph);
    whole
}

/// The model of one node must be refused.
fn single(node: NodeProto, tensors: Vec<TensorProto>, message: &str) {
    check(&model(vec![node], tensors), message);
}

fn check(model: &ModelProto, message: &str) {
    let error = import(&model.encode_to_vec()).expect_err(message).to_string();
    assert!(error.contains(message), "expected: {message}\nfound:    {error}");
}

#[test]
fn the_unchanged_model_imports() {
    let imported = import(&changed(|_, _| ()).encode_to_vec()).unwrap();
    assert_eq!(imported.float.layers().len(), 1);
    assert_eq!(imported.float.layers()[0].low, 0.0);
}

/// A deformable convolution over x with offsets from a convolution, after `change`.
fn deformable(
    inputs: &str,
    change: impl Fn(NodeProto) -> NodeProto,
    tensors: Vec<TensorProto>,
) -> ModelProto {
    let regular = with(with(node("DeformConv", inputs, "y"), "kernel_shape", &[3, 3]), "pads", &[1, 1, 1, 1]);
    let offsets = with(node("Conv", "x o", "d"), "pads", &[1, 1, 1, 1]);
    let kernels = [floats("k", &[5, 3, 3, 3], 0.1), floats("o", &[18, 3, 3, 3], 0.1)];
    model(vec![offsets, change(regular)], [kernels.to_vec(), tensors].concat())
}

#[test]
fn deformable_convolutions_that_are_no_engine_s() {
    let same = |node: NodeProto| node;
    import(&deformable("x k d", same, vec![]).encode_to_vec()).expect("as it is");
    let attribute = |name: &'static str, values: &'static [i64]| {
        move |mut node: NodeProto| {
            node.attribute.retain(|attribute| attribute.name != name);
            with(node, name, values)
        }
    };
    let legal = "node `deformconv_y` (DeformConv): a kernel of 3x3 with strides 1, dilations 1 and pads 1 is supported, \
                 found 3x3 with strides ";
    for (name, values, found) in [
        ("strides", &[2, 2][..], "2x2, dilations 1x1 and pads [1, 1, 1, 1]"),
        ("dilations", &[1, 2], "1x1, dilations 1x2 and pads [1, 1, 1, 1]"),
        ("pads", &[0, 1, 0, 1], "1x1, dilations 1x1 and pads [0, 1, 0, 1]"),
    ] {
        check(&deformable("x k d", attribute(name, values), vec![]), &format!("{legal}{found}"));
    }
    check(
        &deformable("x k d", attribute("offset_group", &[3]), vec![]),
        "offset_group 1 is supported, found 3",
    );
    check(&deformable("x k x", same, vec![]), "the offsets of an image of 4x4x3 must be 4x4x18, found 4x4x3");
    check(&deformable("x k d  x", same, vec![]), "the masks of an image of 4x4x3 must be 4x4x9, found 4x4x3");
    let constant = |fill| vec![floats("f", &[1, 18, 4, 4], fill)];
    check(
        &deformable("x k f", same, constant(0.5)),
        "node `deformconv_y` (DeformConv): its offsets must be computed, found a constant",
    );
    for fill in [f32::NAN, f32::INFINITY] {
        let message = format!("tensor `f`: element 0 is {fill}, only finite numbers are legal");
        check(&deformable("x k f", same, constant(fill)), &message);
    }
}

#[test]
fn quantized_offsets_get_a_power_of_two() {
    let numbers = |name: &str, fill| TensorProto { dims: vec![], ..floats(name, &[1], fill) };
    let tensors = vec![
        floats("o", &[18, 3, 3, 3], 0.07),
        floats("k", &[3, 1, 3, 3], 0.2),
        numbers("s", 1.0 / 64.0),
        numbers("t", 0.03),
        numbers("u", 0.05),
        TensorProto { dims: vec![], ..integers("z", 3, &[3]) },
    ];
    let quantized = |from: &str, scale: &str, to: &str| {
        let between = format!("{to}_q");
        [
            node("QuantizeLinear", &format!("{from} {scale} z"), &between),
            node("DequantizeLinear", &format!("{between} {scale} z"), to),
        ]
    };
    let attributes = |node: NodeProto| with(with(node, "kernel_shape", &[3, 3]), "pads", &[1, 1, 1, 1]);
    let nodes = [
        quantized("x", "s", "i").to_vec(),
        vec![with(node("Conv", "i o", "c"), "pads", &[1, 1, 1, 1])],
        quantized("c", "t", "d").to_vec(),
        vec![with(attributes(node("DeformConv", "i k d", "e")), "group", &[3])],
        quantized("e", "u", "y").to_vec(),
    ];
    let imported = import(&model(nodes.concat(), tensors).encode_to_vec()).expect("a QDQ model");
    let network = imported.quantized.expect("everything is quantized");
    let layers = network.graph().layers();
    let names: Vec<&str> = layers.iter().map(|layer| layer.operation.name()).collect();
    assert_eq!(names, ["convolution", "average_pool", "sample", "depthwise"]);
    let scales: Vec<f64> = layers.iter().map(|layer| network.quantization(layer.output).scale).collect();
    // 256 steps of 0.03 fit 8 pixels, of which int8 makes 32nds.
    let single = |scale: f32| f64::from(scale);
    assert_eq!(scales, [single(0.03), 1.0 / 32.0, 1.0 / 64.0, single(0.05)]);
    assert_eq!(network.quantization(layers[2].output).zero_point, 3);
    let input: Vec<f32> = (0..48).map(|i| ((i * 29) % 120) as f32 / 64.0 - 0.9).collect();
    let real = imported.float.run(&input).expect("it fits").pop().expect("an output");
    let integers = network.run(&network.quantize_input(&input)).expect("it fits").pop().expect("an output");
    for (real, found) in real.iter().zip(network.dequantize(network.graph().output(), &integers)) {
        // Two roundings of offsets, each half a step of about 0.03 of a pixel, across steps of up to 1.9 times nine
        // weights of 0.2, and one of the output.
        assert!((f64::from(*real) - found).abs() < 0.1, "{real} {found}");
    }
}

#[test]
fn graphs_that_are_no_network() {
    check(&ModelProto::default(), "names no operator set of ai.onnx");
    check(
        &changed(|model, _| model.opset_import[0].version = 6),
        "operator set 6 is not supported; 7..=27 are",
    );
    let mut empty = changed(|_, _| ());
    empty.graph = None;
    check(&empty, "holds no graph");
    check(
        &changed(|_, graph| graph.input.push(value("z", &[1]))),
        r#"exactly one input is supported, found 2: ["x", "z"]"#,
    );
    check(&changed(|_, graph| graph.output.clear()), "exactly one output is supported, found 0");
    check(&changed(|_, graph| graph.initializer.clear()), "node `conv_c` reads `w`, which nothing makes");
    check(
        &changed(|_, graph| graph.output[0].name = "q".into()),
        "the graph's output reads `q`, which nothing makes",
    );
    check(&changed(|_, graph| graph.node[0].output[0] = "y".into()), "value `y` is made twice");
    check(&changed(|_, graph| graph.node[0].input[0] = "y".into()), "is in or behind a cycle");
    check(&changed(|_, graph| graph.output[0].name = "x".into()), "is not made by the last layer");
    check(&changed(|_, graph| graph.output[0].name = "w".into()), "does not depend on the input");
    check(&changed(|_, graph| graph.input[0] = value("x", &[8, 3, 4, 4])), "has batch 8");
    check(&changed(|_, graph| graph.input[0] = value("x", &[1, 3, 0, 4])), "found N");
    check(&changed(|_, graph| graph.input[0] = value("x", &[1, 3, -4, 4])), "found -4");
    check(&changed(|_, graph| graph.input[0] = value("x", &[1, 3, 4])), "has 3 axes");
    check(
        &changed(|_, graph| graph.input[0] = value("x", &[1, 3, 1 << 40, 1 << 40])),
        "more than 2^28 elements",
    );
    check(&changed(|_, graph| graph.input[0].r#type = None), "has no tensor type");
}

#[test]
fn tensors_that_cannot_be_read() {
    let weights = |change: fn(&mut TensorProto)| changed(|_, graph| change(&mut graph.initializer[0]));
    check(&weights(|w| w.dims[0] = -2), "tensor `w`: dimensions [-2, 3, 1, 1] must not be negative");
    check(&weights(|w| w.dims = vec![1 << 30; 4]), "are too large");
    check(&weights(|w| w.dims[0] = 0), "must not hold a zero");
    check(&weights(|w| w.dims[0] = 3), "dimensions [3, 3, 1, 1] need 9 elements, found 6");
    check(&weights(|w| w.raw_data = Some(vec![0; 23])), "6 elements of 4 bytes expected, found 23 bytes");
    check(&weights(|w| w.float_data[4] = f32::NAN), "element 4 is NaN, only finite numbers are legal");
    check(&weights(|w| w.data_type = 10), "element type 10 is not supported");
    check(&weights(|w| w.data_location = 1), "its data is in another file");
}

#[test]
fn convolutions_used_in_unsupported_ways() {
    single(
        node("Selu", "x", "y"),
        vec![],
        "node `selu_y` (Selu): operator of domain ai.onnx is not supported; supported are Add, ",
    );
    let mut foreign = node("Conv", "x w", "y");
    foreign.domain = "com.example".to_owned();
    single(foreign, vec![], "operator of domain com.example is not supported");
    single(node("Conv", "x", "y"), vec![], "node `conv_y` (Conv): needs an input 1");
    single(node("Conv", "x x", "y"), vec![], "input 1 must be a constant, found a computed tensor");
    single(node("Conv", "w w", "y"), vec![], "input 0 must be a computed tensor, found a constant");
    single(
        with(node("Conv", "x w", "y"), "group", &[3]),
        vec![],
        "3 groups of 3 channels do not make its input's 3 channels",
    );
    single(with(node("Conv", "x w", "y"), "strides", &[0, 1]), vec![], "must lie in 1..=65535");
    single(with(node("Conv", "x w", "y"), "pads", &[0, 0, -1, 0]), vec![], "pads must be four sizes");
    single(with(node("Conv", "x w", "y"), "kernel_shape", &[3, 3]), vec![], "is not that of its weights");
    single(
        with_text(node("Conv", "x w", "y"), "auto_pad", "MOST"),
        vec![],
        "auto_pad \"MOST\" is not one of ONNX's",
    );
    single(
        node("Conv", "x k", "y"),
        vec![floats("k", &[1, 3, 5, 5], 1.0)],
        "the window spans 5x5 positions but the padded input has 4x4",
    );
    single(
        node("Conv", "x k", "y"),
        vec![floats("k", &[1, 3, 5], 1.0)],
        "its weights must have four axes, found [1, 3, 5]",
    );
    single(
        node("Conv", "x w b", "y"),
        vec![floats("b", &[3], 1.0)],
        "needs a bias for each of 2 channels, found 3",
    );
}

#[test]
fn transposed_convolutions_and_resizes_used_in_unsupported_ways() {
    let transposed = || node("ConvTranspose", "x k", "y");
    let kernels = || vec![floats("k", &[3, 2, 2, 2], 1.0)];
    single(
        node("ConvTranspose", "x k", "y"),
        vec![floats("k", &[2, 2, 2, 2], 1.0)],
        "its weights take 2 channels",
    );
    single(with(transposed(), "group", &[3]), kernels(), "3 groups are not supported; 1 is");
    single(
        with(transposed(), "pads", &[2, 0, 0, 0]),
        kernels(),
        "pads cut 2 positions, more than its kernel adds",
    );
    single(with(transposed(), "output_shape", &[9, 9]), kernels(), "give pads and output_padding");
    single(with(transposed(), "strides", &[0, 1]), kernels(), "must lie in 1..=65535");
    let scales = |fill| {
        let mut scales = floats("s", &[4], fill);
        scales.float_data[..2].fill(1.0);
        vec![scales]
    };
    let resize = || node("Resize", "x  s", "y");
    single(resize(), scales(1.5), "by whole factors up to 64 are supported");
    single(resize(), scales(1000.0), "by whole factors up to 64 are supported");
    single(with_text(resize(), "mode", "linear"), scales(2.0), "only the mode nearest is supported");
    single(
        with_text(resize(), "nearest_mode", "ceil"),
        scales(2.0),
        "take other positions than the quotient",
    );
    let gelu = with_text(node("Gelu", "x", "y"), "approximate", "tanh");
    single(gelu, vec![], "only approximate = none is supported");
}

#[test]
fn other_operators_used_in_unsupported_ways() {
    single(
        node("Gemm", "x k", "y"),
        vec![floats("k", &[48, 5], 1.0)],
        "must have two axes, batch and features; flatten it first",
    );
    single(with(node("AveragePool", "x", "y"), "kernel_shape", &[9, 9]), vec![], "the window spans 9x9");
    single(node("MaxPool", "x", "y"), vec![], "needs kernel_shape");
    single(
        with(node("ReduceMean", "x", "y"), "axes", &[1]),
        vec![],
        "only means over height and width are supported, found axes [1]",
    );
    single(
        node("Reshape", "x s", "y"),
        vec![integers("s", 7, &[2, 24])],
        "only flattening behind the batch axis",
    );
    single(
        with(node("Transpose", "x", "y"), "perm", &[0, 1, 3, 2]),
        vec![],
        "none of those between NCHW and NHWC",
    );
    single(with(node("Transpose", "x", "y"), "perm", &[0, 1, 1, 2]), vec![], "perm must name each axis once");
    single(with(node("Flatten", "x", "y"), "axis", &[2]), vec![], "axis must be 1, found 2");
    single(
        node("Slice", "x a b c", "y"),
        vec![integers("a", 7, &[1]), integers("b", 7, &[4]), integers("c", 7, &[2])],
        "only strides over the whole height and width are supported, found 1..4 step 1 on axis 2",
    );
    single(node("Add", "x k", "y"), vec![floats("k", &[4], 1.0)], "is not one number for each of 3 channels");
    let norm = vec![floats("g", &[3], 1.0), floats("v", &[3], -1.0)];
    single(node("BatchNormalization", "x g g g v", "y"), norm, "variance plus epsilon must be positive");
}

#[test]
fn views_that_nothing_takes_in() {
    let pads = integers("p", 7, &[0, 0, 1, 1, 0, 0, 1, 1]);
    let padded = vec![node("Pad", "x p", "z"), node("Relu", "z", "y")];
    check(&model(padded, vec![pads]), "only a convolution may follow zero padding");
    let softmax = vec![node("Softmax", "x", "s"), node("Relu", "s", "y")];
    check(&model(softmax, vec![]), "a softmax may only stand last");
}

#[test]
fn quantization_that_the_hardware_does_not_have() {
    let tensors = || vec![floats("s", &[], 0.5), integers("z", 3, &[0]), floats("s2", &[], 0.25)];
    let dequantized = vec![node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s2 z", "y")];
    check(
        &model(dequantized, tensors()),
        "its scale or zero point is not that of the QuantizeLinear before it",
    );
    let bad_scale = vec![node("QuantizeLinear", "x s z", "y")];
    let negative = vec![floats("s", &[], -0.5), integers("z", 3, &[0])];
    check(&model(bad_scale.clone(), negative), "its scale must be positive, found -0.5");
    let wide = vec![floats("s", &[], 0.5), integers("z", 6, &[0])];
    check(&model(bad_scale, wide), "activations of 32 bits are not supported; use 2 to 16");

    let weights = |values: &[i64], zero_point: i64| {
        let mut integers_4d = integers("i", 3, values);
        integers_4d.dims = vec![2, 3, 1, 1];
        vec![integers_4d, floats("s", &[], 0.5), integers("z", 3, &[zero_point])]
    };
    let nodes = || vec![node("DequantizeLinear", "i s z", "k"), node("Conv", "x k", "y")];
    let shifted = weights(&[-128, 1, 2, 3, 4, 5], 7);
    check(&model(nodes(), shifted), "weight -135 (zero point subtracted) does not fit 8 signed bits");
    let mut along_inputs = weights(&[1, 2, 3, 4, 5, 6], 0);
    along_inputs[1] =
        TensorProto { dims: vec![3], float_data: vec![0.5, 0.25, 1.0], ..along_inputs[1].clone() };
    check(&model(nodes(), along_inputs), "scaled along another axis than the output channels");
}

#[test]
fn what_is_dropped_is_noted() {
    let flat = vec![node("Flatten", "x", "f"), node("Gemm", "f k", "l"), node("Softmax", "l", "y")];
    let imported = import(&model(flat, vec![floats("k", &[48, 5], 1.0)]).encode_to_vec()).unwrap();
    assert!(imported.notes[0].contains("softmax `softmax_y` dropped"), "{:?}", imported.notes);
    let partly = vec![
        node("QuantizeLinear", "x s", "q"),
        node("DequantizeLinear", "q s", "d"),
        node("Conv", "d w", "y"),
    ];
    let imported = import(&model(partly, vec![floats("s", &[], 0.5)]).encode_to_vec()).unwrap();
    assert!(imported.quantized.is_none());
    assert!(imported.notes[0].contains("tensor `conv_y` has no QuantizeLinear"), "{:?}", imported.notes);
}

#[test]
fn rescaling_without_an_operator_becomes_a_layer() {
    let nodes = vec![
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        with(node("MaxPool", "d", "p"), "kernel_shape", &[2, 2]),
        node("QuantizeLinear", "p s2 u", "r"),
        node("DequantizeLinear", "r s2 u", "e"),
        node("Relu", "e", "a"),
        node("QuantizeLinear", "a s2 u", "b"),
        node("DequantizeLinear", "b s2 u", "y"),
    ];
    let tensors = vec![
        floats("s", &[], 0.5),
        integers("z", 3, &[0]),
        floats("s2", &[], 0.25),
        integers("u", 2, &[100]),
    ];
    let network = import(&model(nodes, tensors).encode_to_vec()).unwrap().quantized.unwrap();
    let names: Vec<&str> = network.graph().layers().iter().map(|layer| layer.operation.name()).collect();
    // A max pool hands its integers on, and the ReLU stands behind a quantization: both need a layer.
    assert_eq!(names, ["max_pool", "average_pool", "average_pool"]);
    let outputs = network.graph().layers().iter().map(|layer| network.quantization(layer.output));
    let scales: Vec<(f64, i32)> = outputs.map(|output| (output.scale, output.zero_point)).collect();
    assert_eq!(scales, [(0.5, 0), (0.25, -28), (0.25, -28)]);
    // Real 10 · 0.5 = 5 is 20 steps of 0.25; real −3 is −12 steps, which the ReLU stops at the zero point.
    let tensors = network.run(&[[10; 24], [-6; 24]].concat()).unwrap();
    assert_eq!((tensors[2][0], tensors[2][26]), (-8, -40));
    assert_eq!((tensors[3][0], tensors[3][26]), (-8, -28));
}

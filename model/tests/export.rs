//! Quantized networks as QDQ and QONNX files: what import makes of them, and what onnxruntime and qonnx compute with them.

mod common;

use std::process::Command;

use bitmill_model::{
    ActivationFormat, Clipping, FloatLayer, FloatNetwork, Network, Operation, PtqConfig, QuantizedNetwork,
    Shape, Tensor, TensorId, WeightFormat, WeightMethods, WeightRounding, WeightScales, export_onnx,
    export_qonnx, import, quantize,
};
use common::{digits, images, quantized_right_answers, shared_model};

fn network() -> FloatNetwork {
    import(&digits("digits.onnx")).expect("the embedded model imports").float
}

/// The digits network with weights of `bits`, by whatever else `change` asks for.
fn quantized(bits: u8, change: impl Fn(PtqConfig) -> PtqConfig) -> QuantizedNetwork {
    let config = change(PtqConfig::integers(bits, 8).expect("legal widths"));
    quantize(&network(), &images("calibration_images.npy"), &config).expect("quantizes")
}

fn learned(config: PtqConfig) -> PtqConfig {
    PtqConfig { weight_rounding: WeightRounding::Learned, ..config }
}

fn per_tensor(config: PtqConfig) -> PtqConfig {
    PtqConfig { weight_scales: WeightScales::PerTensor, weight_clipping: Clipping::MinMax, ..config }
}

/// Export and import give the same integers, multipliers and quantizations.
#[test]
fn round_trips_keep_every_integer() {
    for bits in 2..=8 {
        let before = quantized(bits, learned);
        let imported = import(&export_onnx(&before).expect("has a QDQ form")).expect("imports");
        let after = imported.quantized.unwrap_or_else(|| panic!("is quantized: {:?}", imported.notes));
        assert_eq!(before.layers().len(), after.layers().len());
        for ((layer, a), (_, b)) in before.pairs().zip(after.pairs()) {
            assert_eq!(before.quantization(layer.output), after.quantization(layer.output), "{}", layer.name);
            assert_eq!(
                (&a.weights, &a.bias, &a.multipliers),
                (&b.weights, &b.bias, &b.multipliers),
                "{}",
                layer.name
            );
            assert_eq!((a.offset, a.low, a.high), (b.offset, b.low, b.high), "{}", layer.name);
        }
    }
}

/// Right answers of 450, of the float network 446. Printed by `cargo test --release -p bitmill-model --test export --
/// --nocapture`.
#[test]
fn learned_rounding_keeps_the_answers() {
    for (bits, least) in [(8, 444), (6, 444), (4, 444), (3, 440), (2, 425)] {
        let [nearest, better] = [quantized(bits, |config| config), quantized(bits, learned)]
            .map(|network| quantized_right_answers(&network));
        println!("int{bits} weights: {nearest} right by nearest, {better} by learned rounding");
        assert!(better >= least, "int{bits}: {better}");
        assert!(bits > 2 || better > nearest, "int{bits}: {better} against {nearest}");
    }
}

/// Two layers whose channels between them have ranges from 1 to 2^-9: with one step for all weights of a layer, the
/// narrow ones are lost unless they are evened out.
#[test]
fn equalization_saves_narrow_channels() {
    let channels = 8;
    let range = |channel: usize| 2f32.powi(-(channel as i32 * 9 / 7));
    let weight = |row: usize, column: usize| ((row * 5 + column * 3) % 7) as f32 / 3.0 - 1.0;
    let places = || (0..channels * channels).map(|place| (place / channels, place % channels));
    let first: Vec<f32> = places().map(|(row, column)| weight(row, column) * range(row)).collect();
    let second: Vec<f32> = places().map(|(row, column)| weight(column, row) / range(column)).collect();
    let bias = || vec![0.0; channels];
    let input = Tensor { name: "x".to_owned(), shape: Shape::vector(channels) };
    let mut graph = Network::new("narrow", input).expect("a legal input");
    let dense = Operation::FullyConnected { out_features: channels };
    let middle = graph.push("first", dense, vec![TensorId::INPUT]).expect("fits");
    graph.push("second", dense, vec![middle]).expect("fits");
    let relu = FloatLayer::weighted(first, bias()).clamped(0.0, f32::INFINITY);
    let network = FloatNetwork::new(graph, vec![relu, FloatLayer::weighted(second, bias())]).expect("legal");
    let at = |seed: usize, place: usize| ((seed * 31 + place * 17) % 41) as f32 / 20.0 - 1.0;
    let inputs: Vec<Vec<f32>> =
        (0..32).map(|seed| (0..channels).map(|place| at(seed, place)).collect()).collect();
    let error = |equalizes: bool| -> f64 {
        let config = PtqConfig { equalizes, ..per_tensor(PtqConfig::integers(8, 8).expect("legal widths")) };
        let rounded = quantize(&network, &inputs, &config).expect("quantizes");
        let of_input = |input: &Vec<f32>| -> f64 {
            let found = rounded.run(&rounded.quantize_input(input)).expect("fits").pop().expect("an output");
            let found = rounded.dequantize(rounded.graph().output(), &found);
            let wanted = network.run(input).expect("fits").pop().expect("an output");
            found.iter().zip(wanted).map(|(a, b)| (a - f64::from(b)).powi(2)).sum()
        };
        inputs.iter().map(of_input).sum()
    };
    let (plain, even) = (error(false), error(true));
    println!("narrow channels: squared error {plain:.3}, {even:.3} with equalization");
    assert!(even < plain / 10.0, "{even} against {plain}");
}

/// Who runs a file.
struct Oracle {
    name: &'static str,
    script: &'static str,
    export: fn(&QuantizedNetwork) -> Result<Vec<u8>, bitmill_model::ModelError>,
    /// What stands behind the name of a tensor whose integers are written.
    suffix: &'static str,
}

const ONNXRUNTIME: Oracle =
    Oracle { name: "onnxruntime", script: "run_qdq.py", export: export_onnx, suffix: "quantized" };
const QONNX: Oracle =
    Oracle { name: "qonnx", script: "run_qonnx.py", export: export_qonnx, suffix: "dequantized" };

fn check_against_onnxruntime(network: &QuantizedNetwork, inputs: &[Vec<f32>], what: &str) {
    check_against(&ONNXRUNTIME, network, inputs, what);
}

/// Every layer on the oracle's own input of it. Both round one real number to a step: ours the exact sum, halves up;
/// the oracle a sum in single precision, halves to even. The reals differ by far less than a step, so that results
/// differ by one step at most, and only where a tie lies between.
fn check_against(oracle: &Oracle, network: &QuantizedNetwork, inputs: &[Vec<f32>], what: &str) {
    let python = std::env::var("BITMILL_PYTHON").unwrap_or_else(|_| "python3".into());
    let name = oracle.name;
    let folder = std::env::temp_dir().join(format!("bitmill-export-{}-{name}-{what}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = |name: &str| folder.join(name);
    std::fs::write(path("model.onnx"), (oracle.export)(network).expect("has a form")).expect("written");
    let graph = network.graph();
    let shape = graph.tensors()[0].shape;
    // Channels first.
    let area = shape.height * shape.width;
    let raw = inputs.iter().flat_map(|input| {
        (0..shape.elements())
            .flat_map(|place| input[place % area * shape.channels + place / area].to_le_bytes())
    });
    std::fs::write(path("inputs"), raw.collect::<Vec<u8>>()).expect("written");
    let names: Vec<String> =
        graph.tensors().iter().map(|tensor| format!("{}_{}", tensor.name, oracle.suffix)).collect();
    let sizes = [inputs.len(), shape.channels, shape.height, shape.width].map(|size| size.to_string());
    let script = format!("{}/tests/oracles/{}", env!("CARGO_MANIFEST_DIR"), oracle.script);
    let mut command = Command::new(&python);
    command.arg(script).args([path("model.onnx"), path("inputs")]).args([sizes.join(","), names.join(",")]);
    let output = command.arg(path("outputs")).output();
    let code = output.as_ref().ok().and_then(|output| output.status.code());
    if !matches!(code, Some(0)) {
        let missing = matches!(code, None | Some(3));
        assert!(missing, "{}", String::from_utf8_lossy(&output.expect("has run").stderr));
        println!("skipped: files in {name}, since {python} cannot import it (set BITMILL_PYTHON)");
        return;
    }
    let found = std::fs::read(path("outputs")).expect("the oracle's tensors");
    std::fs::remove_dir_all(&folder).expect("removed");
    let found: Vec<i32> = found.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect();
    let mut rest = &found[..];
    let mut tensors = vec![Vec::new(); inputs.len()];
    for tensor in graph.tensors() {
        let (these, others) = rest.split_at(tensor.shape.elements() * inputs.len());
        let of_inputs = these.chunks_exact(tensor.shape.elements());
        tensors.iter_mut().zip(of_inputs).for_each(|(all, one)| all.push(one.to_vec()));
        rest = others;
    }
    assert!(rest.is_empty());
    let (mut differing, mut all) = (0, 0);
    for (tensors, input) in tensors.iter().zip(inputs) {
        // The input too may lie between two steps, but for what single precision makes of the quotient.
        let quantization = network.quantization(TensorId::INPUT);
        for ((&real, ours), theirs) in input.iter().zip(network.quantize_input(input)).zip(&tensors[0]) {
            let is_tie = ((f64::from(real) / quantization.scale).abs().fract() - 0.5).abs() < 1e-4;
            assert!(ours == *theirs || is_tie && ours.abs_diff(*theirs) == 1, "{what}: input {real}");
        }
        for (index, layer) in graph.layers().iter().enumerate() {
            let ours = network.run_layer(index, tensors);
            let theirs = &tensors[layer.output.index()];
            let steps = || ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b));
            assert!(steps().all(|step| step <= 1), "{what}: layer {}", layer.name);
            differing += steps().filter(|&step| step > 0).count();
            all += ours.len();
        }
    }
    println!("{what}: {differing} of {all} integers differ from {name}'s, each by one step");
    assert!(differing * 1000 <= all, "{what}: {differing} of {all} ties are too many");
}

#[test]
fn layers_equal_onnxruntime_but_for_ties() {
    let inputs = &images("test_images.npy")[..64];
    for (bits, what) in [(8, "int8"), (4, "int4"), (2, "int2")] {
        check_against_onnxruntime(&quantized(bits, learned), inputs, what);
    }
    let symmetric = |config| PtqConfig { has_symmetric_activations: true, ..config };
    check_against_onnxruntime(&quantized(8, symmetric), inputs, "symmetric");
    let unsigned = ActivationFormat::new(&"uint8".parse().expect("a format")).expect("integers");
    let unsigned = |config| PtqConfig { activations: unsigned, ..config };
    check_against_onnxruntime(&quantized(8, unsigned), inputs, "uint8");
}

/// Activations of any width.
#[test]
fn layers_equal_qonnx_but_for_ties() {
    let inputs = &images("test_images.npy")[..4];
    for (weights, activations) in [(8, 8), (4, 6), (4, 4), (3, 5), (2, 2)] {
        let config = PtqConfig::integers(weights, activations).expect("legal widths");
        let network = quantize(&network(), &images("calibration_images.npy"), &config).expect("quantizes");
        check_against(&QONNX, &network, inputs, &format!("w{weights}a{activations}"));
    }
    for name in ["binary", "ternary"] {
        let weights = WeightFormat::new(name.parse().expect("a format")).expect("a format of weights");
        let network = quantized(8, |config| PtqConfig { weights: weights.clone(), ..config });
        check_against(&QONNX, &network, inputs, name);
    }
}

/// Import of a QONNX file gives the same weights and the same results.
#[test]
fn qonnx_files_come_back() {
    for (weights, activations) in [(8, 8), (4, 6), (4, 4), (3, 5), (2, 4)] {
        let config = PtqConfig::integers(weights, activations).expect("legal widths");
        let before = quantize(&network(), &images("calibration_images.npy"), &config).expect("quantizes");
        assert_eq!(
            export_onnx(&before).is_ok(),
            activations == 8,
            "QDQ has no activations of {activations} bits"
        );
        let imported = import(&export_qonnx(&before).expect("has a QONNX form")).expect("imports");
        let after = imported.quantized.unwrap_or_else(|| panic!("is quantized: {:?}", imported.notes));
        for ((layer, a), (_, b)) in before.pairs().zip(after.pairs()) {
            assert_eq!(before.quantization(layer.output), after.quantization(layer.output), "{}", layer.name);
            assert_eq!(a.weights, b.weights, "{}", layer.name);
        }
        for input in &images("test_images.npy") {
            let [a, b] = [&before, &after]
                .map(|network| network.run(&network.quantize_input(input)).expect("fits").pop());
            assert_eq!(a, b, "w{weights}a{activations}");
        }
    }
}

/// A network with residual additions and global pooling.
#[test]
fn resnet20_equals_onnxruntime_but_for_ties() {
    let Some(bytes) = shared_model("resnet20_cifar10/resnet20_cifar10_bnfolded.onnx") else { return };
    let float = import(&bytes).expect("imports").float;
    let elements = float.graph().tensors()[0].shape.elements();
    let input =
        |seed: usize| (0..elements).map(|i| ((i * 7919 + seed * 104_729) % 255) as f32 / 255.0).collect();
    let inputs: Vec<Vec<f32>> = (0..4).map(input).collect();
    let config = PtqConfig::integers(8, 8).expect("legal widths");
    let network = quantize(&float, &inputs, &config).expect("quantizes");
    check_against_onnxruntime(&network, &inputs, "resnet20");
}

/// Weights of few levels, and slices, come back as integers of the next wider type with the same numbers.
#[test]
fn few_levels_have_a_qdq_form() {
    for (name, slices_master) in [
        ("ternary", false),
        ("binary", false),
        ("dual_binary", false),
        ("sherry", false),
        ("matgptq4", true),
        ("double_rounding3", true),
    ] {
        let before = quantized(8, |config| PtqConfig {
            weights: WeightFormat::new(name.parse().expect("a format")).expect("a format of weights"),
            methods: WeightMethods { slices_master, ..WeightMethods::default() },
            ..config
        });
        let imported = import(&export_onnx(&before).expect("has a QDQ form")).expect("imports");
        let after = imported.quantized.unwrap_or_else(|| panic!("is quantized: {:?}", imported.notes));
        for ((layer, a), (_, b)) in before.pairs().zip(after.pairs()) {
            let both = [a, b].map(|own| (&own.weights, &own.bias, &own.multipliers, own.low, own.high));
            assert_eq!(both[0], both[1], "{name}: {}", layer.name);
        }
        assert_eq!(quantized_right_answers(&before), quantized_right_answers(&after), "{name}");
    }
}

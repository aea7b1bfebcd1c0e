//! Methods of quantization, composed: what each must leave as it is, and what it is for.

mod common;

use bitmill_model::llama::{KeptFormat, KeptFormats, Llama, RunPrecision, Tokenizer};
use bitmill_model::{
    Clipping, FloatLayer, FloatNetwork, InputMoments, MatrixRecipe, Network, Operation, PtqConfig, Rotation,
    Salient, Shape, Tensor, TensorId, WeightFormat, WeightMethods, WeightRounding, Window, import, quantize,
    round_weights,
};
use common::{digits, images, quantized_right_answers, shared_model};

fn format(name: &str) -> WeightFormat {
    WeightFormat::new(name.parse().expect("a format")).expect("a format of weights")
}

fn recipe(name: &str, methods: WeightMethods) -> MatrixRecipe {
    MatrixRecipe { format: format(name), clipping: Clipping::Mse, methods }
}

fn sparse(pattern: &str) -> WeightMethods {
    WeightMethods { sparsity: Some(pattern.parse().expect("a pattern")), ..WeightMethods::default() }
}

fn rotated(group: usize) -> WeightMethods {
    WeightMethods {
        rotation: Some(Rotation::new(group).expect("a power of two")),
        ..WeightMethods::default()
    }
}

fn reordered() -> WeightMethods {
    WeightMethods { reorders: true, ..WeightMethods::default() }
}

fn network() -> FloatNetwork {
    import(&digits("digits.onnx")).expect("the embedded model imports").float
}

/// Weights of 6 outputs over 40 channels, some far larger than others, always the same.
fn matrix() -> (Vec<f32>, [usize; 2]) {
    let weight = |at: usize| {
        let size = if (at % 40).is_multiple_of(7) { 4.0 } else { 0.5 };
        ((at * 7919 + 13) % 1009) as f32 / 504.5 * size - size
    };
    ((0..240).map(weight).collect(), [6, 40])
}

fn squared_error(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[test]
fn what_moves_channels_changes_nothing_without_rounding() {
    let (real, sizes) = matrix();
    for methods in [rotated(16), reordered(), WeightMethods { reorders: true, ..rotated(32) }] {
        let fine = recipe("int16", methods.clone()).round(&real, sizes, None).expect("integers");
        assert!(!fine.transform.is_none());
        // What the matrix makes of channels that come as it wants them.
        let input: Vec<f32> = (0..40).map(|at| (at % 9) as f32 - 4.0).collect();
        let mut read = input.clone();
        fine.transform.apply(&mut read);
        let product = |rows: &[f32], x: &[f32]| -> Vec<f32> {
            rows.chunks(40).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
        };
        let [wanted, found] = [product(&real, &input), product(&fine.elements, &read)];
        assert!(squared_error(&wanted, &found) < 1e-3, "{methods:?}: {wanted:?} {found:?}");
        assert!(squared_error(&real, &fine.folded(40)) < 1e-4, "{methods:?}");
    }
}

#[test]
fn reordering_gives_blocks_like_values() {
    let (real, sizes) = matrix();
    for name in ["mxfp4", "nvfp4", "int4_g8"] {
        let error = |methods: WeightMethods| {
            squared_error(&real, &recipe(name, methods).round(&real, sizes, None).expect("rounds").folded(40))
        };
        let [as_they_are, sorted] = [error(WeightMethods::default()), error(reordered())];
        assert!(sorted < 0.9 * as_they_are, "{name}: {sorted} against {as_they_are}");
    }
}

#[test]
fn rotation_spreads_what_stands_out() {
    // One large weight a row: alone, it makes the step coarse for all.
    let weight =
        |at: usize| if at.is_multiple_of(41) { 6.0 } else { ((at * 7919 + 13) % 1009) as f32 / 504.5 - 1.0 };
    let real: Vec<f32> = (0..6 * 64).map(weight).collect();
    let error = |methods: WeightMethods| {
        let recipe = MatrixRecipe { clipping: Clipping::MinMax, ..recipe("int4", methods) };
        squared_error(&real, &recipe.round(&real, [6, 64], None).expect("rounds").folded(64))
    };
    let [plain, with] = [error(WeightMethods::default()), error(rotated(64))];
    assert!(with < 0.5 * plain, "{with} against {plain}");
}

#[test]
fn patterns_hold_after_rounding_and_the_rest_makes_up_for_what_goes() {
    let (real, sizes) = matrix();
    let mut moments = InputMoments::new(40);
    // Neighbours are nearly equal.
    for position in 0..200 {
        let channel = |at: usize| ((position * 31 + at / 2 * 17) % 23) as f32 - 11.0 + (at % 2) as f32;
        moments.add(&(0..40).map(channel).collect::<Vec<f32>>());
    }
    // Coarse integers round away much of what is made up: the error is looked at in fine ones.
    for (name, pattern, kept, most) in [
        ("int8", "2:4", 2, 0.7),
        ("int8", "3:4", 3, 0.7),
        ("int4", "3:4", 3, f64::INFINITY),
        ("bitmod_fp4_g8", "2:4", 2, f64::INFINITY),
        ("ternary", "3:4", 3, f64::INFINITY),
    ] {
        let plain = recipe(name, sparse(pattern)).round(&real, sizes, None).expect("rounds").elements;
        let methods = WeightMethods { compensates: true, ..sparse(pattern) };
        let made_up = recipe(name, methods).round(&real, sizes, Some(&moments)).expect("rounds").elements;
        for weights in [&plain, &made_up] {
            assert!(
                weights.chunks(4).all(|four| four.iter().filter(|w| **w != 0.0).count() <= kept),
                "{name}"
            );
        }
        let error = |weights: &[f32]| -> f64 {
            let means = moments.means();
            let of_row = |(row, real): (&[f32], &[f32])| -> f64 {
                let off: Vec<f64> = row.iter().zip(real).map(|(a, b)| f64::from(a - b)).collect();
                let along = |at: usize| -> f64 { (0..40).map(|k| means[at * 40 + k] * off[k]).sum() };
                (0..40).map(|at| off[at] * along(at)).sum()
            };
            weights.chunks(40).zip(real.chunks(40)).map(of_row).sum()
        };
        let [lost, less] = [error(&plain), error(&made_up)];
        assert!(less < most * lost, "{name} {pattern}: {less} against {lost}");
    }
    // Exactly two of four, where no weight rounds to 0.
    let eight = recipe("int16", sparse("2:4")).round(&real, sizes, None).expect("rounds").elements;
    assert!(eight.chunks(4).all(|four| four.iter().filter(|w| **w != 0.0).count() == 2));
}

/// Of int4's codes -8 has no counterpart: where it stands for the largest weight, 1 becomes 7/8.
#[test]
fn symmetric_ranges_hold_what_reaches_both_ways() {
    let real: Vec<f32> = (0..128).map(|at| [1.0, 0.0, -1.0, -1.0, 1.0, 0.0, 1.0][at % 7]).collect();
    let error = |clipping: Clipping| {
        let recipe = MatrixRecipe { clipping, ..recipe("int4_g64", WeightMethods::default()) };
        let rounded = recipe.round(&real, [2, 64], None).expect("rounds").elements;
        rounded.iter().zip(&real).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(error(Clipping::Symmetric) < 1e-5 && error(Clipping::MinMax) < 1e-5);
    assert!(error(Clipping::Mse) > 0.05);
}

#[test]
fn salient_channels_have_a_format_of_their_own() {
    let (real, sizes) = matrix();
    let mut moments = InputMoments::new(40);
    moments.add(&(0..40).map(|at| if at >= 32 { 5.0 } else { 0.1 }).collect::<Vec<f32>>());
    let salient = Salient { percent: 20.0, format: format("int8") };
    let methods = WeightMethods { salient: Some(salient), ..WeightMethods::default() };
    let rounded =
        recipe("binary", methods.clone()).round(&real, sizes, Some(&moments)).expect("rounds").elements;
    for (row, real) in rounded.chunks(40).zip(real.chunks(40)) {
        assert!(row[..32].iter().all(|weight| weight.abs() == row[0].abs()), "{row:?}");
        assert!(row[32..].iter().zip(&real[32..]).all(|(a, b)| (a - b).abs() < 0.05), "{row:?}");
    }
    let error = recipe("binary", methods).round(&real, sizes, None).expect_err("no inputs").to_string();
    assert!(error.contains("calibration inputs; none are given"), "{error}");
}

#[test]
fn methods_that_do_not_go_together_are_refused() {
    let (real, sizes) = matrix();
    let master = WeightMethods { slices_master: true, ..WeightMethods::default() };
    for (name, methods, problem) in [
        ("binary", sparse("2:4"), "needs a format with a zero, found binary"),
        ("sherry", sparse("3:4"), "3:4 sparse by themselves"),
        ("int4", master, "int4 is no slice"),
    ] {
        let error = recipe(name, methods.clone()).round(&real, sizes, None).expect_err(name).to_string();
        assert!(error.contains(problem), "{error}");
        let config =
            PtqConfig { weights: format(name), methods, ..PtqConfig::integers(8, 8).expect("legal") };
        let error =
            quantize(&network(), &images("calibration_images.npy"), &config).expect_err(name).to_string();
        assert!(error.contains(problem), "{error}");
    }
    let salient = Salient { percent: 20.0, format: format("int4") };
    for (methods, problem) in [
        (rotated(16), "rotated on line"),
        (WeightMethods { salient: Some(salient), ..WeightMethods::default() }, "two formats in one layer"),
    ] {
        let config = PtqConfig { methods, ..PtqConfig::integers(4, 8).expect("legal") };
        let error = quantize(&network(), &images("calibration_images.npy"), &config)
            .expect_err("refused")
            .to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn a_network_is_the_same_function_with_its_channels_in_another_order() {
    let network = network();
    let fine = |methods| round_weights(&network, &recipe("int16", methods), &[]).expect("integers");
    // Depthwise layers have int8 in all of them.
    let as_it_is = fine(WeightMethods::default());
    for changed in [fine(reordered()), fine(rotated(16))] {
        for image in &images("test_images.npy")[..8] {
            let run = |network: &FloatNetwork| network.run(image).expect("an image").pop().expect("a layer");
            let (a, b) = (run(&as_it_is), run(&changed));
            assert!(squared_error(&a, &b) < 1e-5 * squared_error(&a, &[0.0; 10]), "{a:?} {b:?}");
        }
    }
}

/// A convolution, a depthwise one and a dense layer, whose channels between them are far from like.
fn chain() -> FloatNetwork {
    let weight = |at: usize| ((at * 7919 + 13) % 1009) as f32 / 504.5 - 1.0;
    let input = Tensor { name: "x".to_owned(), shape: Shape::new(3, 3, 2) };
    let mut graph = Network::new("chain", input).expect("a legal input");
    let window = Window::square(1);
    let wide = Operation::Convolution { window, out_channels: 8, groups: 1 };
    let first = graph.push("first", wide, vec![TensorId::INPUT]).expect("fits");
    let apart = graph.push("apart", Operation::Depthwise { window }, vec![first]).expect("fits");
    graph.push("last", Operation::FullyConnected { out_features: 4 }, vec![apart]).expect("fits");
    let bias = |count: usize| (0..count).map(|at| weight(at + 7) / 4.0).collect::<Vec<f32>>();
    let sizes = [4.0, 0.25, 1.0, 8.0, 0.5, 2.0, 0.1, 16.0];
    let layers = vec![
        FloatLayer::weighted((0..16).map(weight).collect(), bias(8)).clamped(0.0, 2.0),
        FloatLayer::weighted((0..8).map(|at| weight(at + 100)).collect(), bias(8)),
        FloatLayer::weighted((0..288).map(|at| weight(at) * sizes[at % 8]).collect(), bias(4)),
    ];
    FloatNetwork::new(graph, layers).expect("fits")
}

/// The layer before makes channels in the new order, and what lies between follows.
#[test]
fn networks_of_integers_are_reordered_without_a_list() {
    let network = chain();
    let input = |seed: usize| (0..18).map(|at| ((at * 31 + seed * 17) % 23) as f32 / 11.5 - 1.0).collect();
    let inputs: Vec<Vec<f32>> = (0..16).map(input).collect();
    let quantized = |methods: WeightMethods| {
        let config =
            PtqConfig { methods, corrects_bias: false, ..PtqConfig::integers(8, 16).expect("legal") };
        quantize(&network, &inputs, &config).expect("quantizes")
    };
    let [plain, sorted] = [quantized(WeightMethods::default()), quantized(reordered())];
    let of_channel = |layer: usize, channel: usize| {
        let squares = |w: &i16| i64::from(*w).pow(2);
        sorted.layers()[layer].weights.iter().skip(channel).step_by(8).map(squares).sum::<i64>()
    };
    assert!((1..8).all(|channel| of_channel(2, channel - 1) <= of_channel(2, channel)));
    for index in 0..2 {
        let [mut a, mut b] = [&plain, &sorted].map(|network| network.layers()[index].bias.clone());
        assert_ne!(a, b, "{index}");
        a.sort_unstable();
        b.sort_unstable();
        assert_eq!(a, b, "{index}");
    }
    for input in &inputs {
        let [a, b] = [&plain, &sorted].map(|network| {
            network.run(&network.quantize_input(input)).expect("an input").pop().expect("a layer")
        });
        assert_eq!(a, b);
    }
}

/// Right answers of 450 with pruned int8 and int4 weights. Printed by `cargo test -p bitmill-model --test methods -- --nocapture`.
#[test]
fn learned_rounding_makes_up_for_weights_that_go() {
    let right = |bits: u8, pattern: &str, weight_rounding| {
        let config = PtqConfig {
            methods: sparse(pattern),
            weight_rounding,
            ..PtqConfig::integers(bits, 8).expect("legal")
        };
        let quantized = quantize(&network(), &images("calibration_images.npy"), &config).expect("quantizes");
        for (layer, own) in quantized.pairs().filter(|(layer, _)| layer.operation.is_matrix()) {
            let channels = match layer.operation {
                Operation::Convolution { groups, .. } => {
                    quantized.graph().input_shape(layer).channels / groups
                }
                _ => quantized.graph().input_shape(layer).channels,
            };
            let kept = pattern[..1].parse::<usize>().expect("a digit");
            let fours = own.weights.chunks(channels).flat_map(|tap| tap.chunks(4));
            assert!(
                fours.clone().all(|few| few.iter().filter(|w| **w != 0).count() <= kept),
                "{}",
                layer.name
            );
        }
        quantized_right_answers(&quantized)
    };
    for (bits, pattern, least) in [(8, "3:4", 440), (8, "2:4", 430), (4, "2:4", 425)] {
        let [nearest, learned] =
            [WeightRounding::Nearest, WeightRounding::Learned].map(|rounding| right(bits, pattern, rounding));
        println!("int{bits} weights, {pattern}: {nearest} right by nearest, {learned} by learned rounding");
        assert!(learned >= least && learned + 2 >= nearest, "int{bits} {pattern}: {nearest} {learned}");
    }
}

/// A language model and the first of its stories.
fn story() -> Option<(Llama, Vec<Vec<usize>>)> {
    let file = |name: &str| shared_model(&format!("stories260K/{name}"));
    let model = Llama::from_checkpoint(&file("stories260K.bin")?).expect("a checkpoint");
    let tokenizer = Tokenizer::new(&file("tok512.bin")?).expect("a tokenizer");
    let text = String::from_utf8(file("tinystories_sample.txt")?).expect("text");
    let first = text.split("<|endoftext|>").next().expect("a story").trim();
    Some((model, vec![tokenizer.encode(first).expect("tokens")]))
}

#[test]
fn a_language_model_foretells_the_same_with_its_channels_rotated() {
    let Some((model, story)) = story() else { return };
    let perplexity = |name: &str, methods: WeightMethods, has_int8_activations: bool| {
        let recipe = recipe(name, methods);
        let rounded = model.rounded(|_, real, sizes| recipe.round(real, sizes, None)).expect("rounds");
        let precision = RunPrecision { has_int8_activations, kept: None };
        rounded.perplexity(&story, precision).expect("a story that fits")
    };
    let float = model.perplexity(&story, RunPrecision::default()).expect("a story that fits");
    for methods in [rotated(64), reordered()] {
        let [fine, int8] = [false, true].map(|has_int8| perplexity("int16", methods.clone(), has_int8));
        assert!(
            (fine / float - 1.0).abs() < 1e-4 && (int8 / float - 1.0).abs() < 0.02,
            "{fine} {int8} {float}"
        );
    }
}

#[test]
fn fewer_bits_for_keys_and_values_cost_more() {
    let Some((model, story)) = story() else { return };
    let perplexity = |kept: Option<KeptFormats>| {
        let precision = RunPrecision { kept, ..RunPrecision::default() };
        model.perplexity(&story, precision).expect("a story that fits")
    };
    let of = |format: KeptFormat| perplexity(Some(KeptFormats { keys: format, values: format }));
    let float = perplexity(None);
    let [eight, four, two] = [8, 4, 2].map(|bits| of(KeptFormat::Integer(bits)));
    println!("float {float:.3}, int8 {eight:.3}, int4 {four:.3}, int2 {two:.3}");
    assert!(
        (eight / float - 1.0).abs() < 0.005 && four < two && two < of(KeptFormat::Binary),
        "{eight} {four} {two}"
    );
}

//! The deformable convolution engine on whole layers, interpreted.

mod cached;
mod golden;
mod pointwise;

use bitmill_formats::deformable::{Deformation, Image, TAPS, samples};
use bitmill_hdl::unit::{Random, Unit, compare, interpret, pack, to_bits};
use bitmill_hdl::{BigUint, Interpreter};
use bitmill_units::Settings;
use bitmill_units::engine::deformable_convolution::array::Sums;
use bitmill_units::engine::deformable_convolution::convolution::{self, DeformableConvolution};
use bitmill_units::engine::deformable_convolution::sampler;
use bitmill_units::engine::deformable_convolution::shape::Shape;
use bitmill_units::engine::deformable_convolution::timing::LayerSize;

use golden::{Ports, Stage, Streams, split};

/// Every unit of the engine at every example, longer than the walk of the catalogue goes.
#[test]
fn examples_agree_over_many_images() {
    for entry in bitmill_units::engine::deformable_convolution::ENTRIES {
        for (seed, example) in entry.examples.iter().enumerate() {
            let unit = entry.unit(example.split_whitespace()).expect("an example is legal");
            let module = unit.module().expect("legal hardware");
            let stimulus = unit.stimulus(&mut Random::new(seed as u64), 8000);
            let seen = interpret(&module, &stimulus);
            let compared = compare(&module, unit.model().as_mut(), &stimulus, &seen, "the interpreter")
                .unwrap_or_else(|mismatch| panic!("{example}: {mismatch}"));
            println!("{compared} values  {example}");
        }
    }
}

/// Settings of whole engines whose results are compared with the golden of a layer.
const ENGINES: [&str; 6] = [
    "lanes=2 longest_side=16 most_words=4",
    "offsets=per_tap lowest=2 highest=1 taps_at_once=1 lanes=2 longest_side=16 most_words=2 weight=int4 mask_bits=5",
    "channels=full columns=2 most_groups=3 lanes=2 longest_side=8 most_words=2 taps_at_once=3 bank_rows=1",
    "channels=full columns=3 most_groups=2 lanes=1 longest_side=8 most_words=4 offsets=per_tap interpolation=rounded",
    "channels=full columns=1 most_groups=2 lanes=3 longest_side=8 most_words=1 taps_at_once=1 weight=int4",
    "pe=bit_serial lanes=2 longest_side=8 most_words=2 highest=2 interpolation=rounded mask_bits=8",
];

#[test]
fn whole_layers_are_their_golden() {
    let mut images = 0;
    for (seed, settings) in ENGINES.iter().enumerate() {
        let engine = engine(settings);
        let module = engine.module().expect("legal hardware");
        let stimulus = engine.stimulus(&mut Random::new(100 + seed as u64), 7_000);
        let (array, shape, before) = (engine.array(), engine.sampler(), images);
        let (mut stage, mut streams) = (Stage::default(), Streams::default());
        for (inputs, outputs) in stimulus.iter().zip(&interpret(&module, &stimulus)) {
            let ports = Ports { module: &module, inputs, outputs };
            stage.load(&ports, "", array);
            streams.take(&ports, &shape);
            let words = ports.size("last_word_i");
            let results = if array.sums == Sums::Depthwise { words } else { ports.size("last_group_i") };
            if let Some(image) = streams.first(&ports, &shape, [words, results]) {
                let sizes = [words, results * array.outputs() as usize];
                let expected =
                    stage.deformable(&shape, array, &image, &ports, sizes, ports.signed("zero_point_i"));
                assert_eq!(image.results, expected);
                images += 1;
            }
        }
        assert!(images - before >= 5, "only {} images of {settings}", images - before);
    }
    println!("{images} images equal their golden");
}

/// Cycles of a layer in the circuit, interpreted, when nothing outside makes it wait.
fn circuit_cycles(
    unit: &dyn Unit,
    size: LayerSize,
    words_of_result: u32,
    offsets: &dyn Fn(u64) -> Vec<i64>,
) -> u64 {
    let module = unit.module().expect("legal hardware");
    let mut circuit = Interpreter::new(&module);
    let input = |circuit: &Interpreter, name: &str| circuit.input(name).expect("an input");
    let mut settings = vec![("last_row_i", size.height - 1), ("last_column_i", size.width - 1)];
    settings.extend([("last_word_i", size.words - 1), ("ready_i", 1), ("offsets_valid_i", 1)]);
    settings.extend((module.port("last_group_i").is_some()).then_some(("last_group_i", size.groups - 1)));
    for (name, value) in settings {
        let slot = input(&circuit, name);
        circuit.set_big(slot, &value.into());
    }
    let [image_valid, offsets_in, offsets_valid] =
        ["image_valid_i", "offsets_i", "offsets_valid_i"].map(|name| input(&circuit, name));
    let [image_ready, offsets_ready, valid] =
        ["image_ready_o", "offsets_ready_o", "valid_o"].map(|name| circuit.output(name).expect("an output"));
    let pixels = u64::from(size.height * size.width);
    let (mut image, mut pixel, mut results, mut cycles) = (pixels * u64::from(size.words), 0, 0, 0);
    while results < pixels * u64::from(words_of_result) {
        circuit.set_big(image_valid, &u8::from(image > 0).into());
        circuit.set_big(offsets_valid, &u8::from(pixel < pixels).into());
        let bits: Vec<BigUint> = offsets(pixel).iter().map(|offset| to_bits((*offset).into(), 16)).collect();
        circuit.set_big(offsets_in, &pack(&bits, 16));
        let mut is_set = |slot| circuit.get_big(slot).bit(0);
        let (took_image, took_offsets, result) = (is_set(image_ready), is_set(offsets_ready), is_set(valid));
        image -= u64::from(took_image && image > 0);
        pixel += u64::from(took_offsets && pixel < pixels);
        results += u64::from(result);
        cycles += 1;
        circuit.step();
    }
    cycles
}

fn engine(settings: &str) -> DeformableConvolution {
    let settings = Settings::parse("engine", convolution::ENTRY.parameters, settings.split_whitespace());
    DeformableConvolution::from_settings(&settings.expect("parameters")).expect("a legal engine")
}

#[test]
fn layers_take_the_cycles_that_are_said() {
    let full = "channels=full columns=1 most_groups=4 lanes=1 longest_side=16 most_words=4";
    // Settings, and whether taps may meet in a bank.
    let engines = [
        (
            "lanes=1 longest_side=16 most_words=4 interpolation=rounded highest=3 bank_rows=8 bank_columns=8"
                .to_owned(),
            false,
        ),
        ("lanes=1 longest_side=16 most_words=4 taps_at_once=1 bank_rows=2 bank_columns=2".to_owned(), false),
        (
            "lanes=1 longest_side=16 most_words=4 pe=bit_serial highest=1 taps_at_once=1 bank_rows=2"
                .to_owned(),
            false,
        ),
        (
            format!("{full} offsets=per_tap taps_at_once=1 bank_rows=2 bank_columns=2 lowest=2 highest=2"),
            false,
        ),
        ("lanes=1 longest_side=16 most_words=4 offsets=per_tap highest=2 bank_rows=2".to_owned(), true),
        (format!("{full} taps_at_once=3 highest=3 bank_rows=1 bank_columns=2"), true),
    ];
    for (settings, meets) in engines {
        let engine = engine(&settings);
        let values = engine.sampler().sampling.offsets.values();
        let grouped = engine.array().group_bits().is_some();
        for (height, width, words) in [(1, 1, 1), (3, 5, 2), (9, 4, 4), (12, 12, 1), (7, 11, 3)] {
            let size = LayerSize { height, width, words, groups: if grouped { 3 } else { 1 } };
            let offsets = |pixel: u64| {
                let mut random = Random::new(pixel);
                (0..values).map(|_| random.below(130) as i64 - 20).collect()
            };
            let said = engine.layer_cycles(size, offsets);
            let words_of_result = if grouped { size.groups } else { size.words };
            let circuit = circuit_cycles(&engine, size, words_of_result, &offsets);
            assert_eq!(circuit, said, "{settings}: {size:?}");
            let steady = engine.steady_cycles(size);
            // Without a row to spare, a row of the image waits until the last step of the one it replaces was read.
            let [above, below] = engine.sampler().sampling.reach();
            let waits = if engine.sampler().rows() > above + below + 2 { 0 } else { 2 * u64::from(height) };
            let most = if meets { u64::MAX } else { steady + waits };
            assert!(
                (steady..=most).contains(&said),
                "{settings}: {size:?}: {said}, {steady} to {most} expected"
            );
        }
    }
}

/// CoDeNet's claim on its own layer (64 × 64 pixels, 256 channels): bounded, square offsets cost at most 5 % more than a
/// plain depthwise convolution, here even one whose engine knows no farther offsets and needs fewer rows to begin.
#[test]
fn bounded_square_offsets_hardly_cost_anything() {
    let layer = |lanes: u32| LayerSize { height: 64, width: 64, words: 256 / lanes, groups: 1 };
    let wide = "lanes=128 most_words=2 taps_at_once=1 bank_rows=2 bank_columns=2";
    let parallel = "lanes=16 bank_rows=16 bank_columns=16";
    let random = |pixel: u64| vec![Random::new(pixel).below(7 * 16 + 1) as i64];
    let cycles = |settings: &str, highest: u32, offsets: &dyn Fn(u64) -> Vec<i64>| {
        let engine = engine(&format!("{settings} highest={highest}"));
        engine.layer_cycles(layer(engine.sampler().lanes), offsets)
    };
    for (settings, plain_reach) in [(wide, 1), (parallel, 7)] {
        let deformed = cycles(settings, 7, &random);
        let plain = cycles(settings, plain_reach, &|_| vec![16]);
        println!("{settings}: {deformed} cycles, plain {plain}");
        assert!(deformed as f64 <= 1.05 * plain as f64, "{settings}: {deformed} cycles, plain {plain}");
    }
}

/// CoDeNet's own case, which its published circuit misreads: 32 × 32 pixels and every offset at the bound of 7, while the
/// image streams in as fast as it can, around the line buffer twice. And offsets a tap at either bound.
#[test]
fn offsets_at_the_bound_are_read_right() {
    let side = 32;
    for (settings, offsets) in [("offsets=square", vec![7 * 16; 1]), ("offsets=per_tap lowest=7", Vec::new())]
    {
        let settings = format!("{settings} longest_side=32 lanes=1 most_words=1 bank_rows=16 bank_columns=1");
        let unit = sampler::ENTRY.unit(settings.split_whitespace()).expect("a legal sampler");
        let parameters = Settings::parse("sampler", sampler::ENTRY.parameters, settings.split_whitespace());
        let shape = Shape::from_settings(&parameters.expect("parameters")).expect("a legal shape");
        assert!((shape.rows() as usize) < 2 * side, "the image goes around the line buffer");
        let mut random = Random::new(7);
        let values = (0..side * side).map(|_| random.below(256) as i64 - 128).collect();
        let image = Image { height: side, width: side, channels: 1, values };
        let count = shape.sampling.offsets.values();
        let mut at_bound = || if random.one_in(2) { 7 * 16 } else { -7 * 16 };
        let offsets: Vec<i64> = match offsets[..] {
            [one] => vec![one; side * side],
            _ => (0..side * side * count).map(|_| at_bound()).collect(),
        };
        let deformation = Deformation { offsets: &offsets, masks: &[] };

        let module = unit.module().expect("legal hardware");
        let mut circuit = Interpreter::new(&module);
        let slots = |names: [&str; 5]| names.map(|name| circuit.input(name).expect("an input"));
        let [image_valid, image_in, offsets_valid, offsets_in, ready] =
            slots(["image_valid_i", "image_i", "offsets_valid_i", "offsets_i", "ready_i"]);
        let [image_ready, offsets_ready, valid, samples_out] =
            ["image_ready_o", "offsets_ready_o", "valid_o", "samples_o"]
                .map(|name| circuit.output(name).expect("an output"));
        let constants = [("last_row_i", 31u8), ("last_column_i", 31), ("zero_point_i", 5)];
        for (slot, value) in constants.map(|(name, value)| (circuit.input(name).expect("an input"), value)) {
            circuit.set_big(slot, &value.into());
        }
        circuit.set_big(ready, &1u8.into());
        let (mut written, mut asked, mut read) = (0, 0, 0);
        while read < side * side {
            circuit.set_big(image_valid, &u8::from(written < side * side).into());
            let pixel = image.values.get(written).copied().unwrap_or(0);
            circuit.set_big(image_in, &to_bits(pixel.into(), 8));
            circuit.set_big(offsets_valid, &u8::from(asked < side * side).into());
            let own = offsets.get(asked * count..(asked + 1) * count).unwrap_or(&[]);
            let bits: Vec<BigUint> = own.iter().map(|offset| to_bits((*offset).into(), 16)).collect();
            circuit.set_big(offsets_in, &pack(&bits, 16));
            if circuit.get_big(valid).bit(0) {
                let at = [read / side, read % side];
                let (expected, _) = samples(&shape.sampling, &image, 5, at, deformation);
                assert_eq!(split(&circuit.get_big(samples_out), TAPS, 8), expected[0], "pixel {at:?}");
                read += 1;
            }
            written += usize::from(circuit.get_big(image_ready).bit(0) && written < side * side);
            asked += usize::from(circuit.get_big(offsets_ready).bit(0) && asked < side * side);
            circuit.step();
        }
    }
}

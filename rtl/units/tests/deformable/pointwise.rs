//! The fused pipeline of a 1 × 1 convolution and a deformable one, on whole layers, interpreted.

use bitmill_hdl::unit::{Random, Unit, interpret};
use bitmill_units::Settings;
use bitmill_units::engine::deformable_convolution::pointwise::{ENTRY, PointwiseDeformable};
use bitmill_units::engine::deformable_convolution::timing::LayerSize;

use crate::circuit_cycles;
use crate::golden::{Ports, Stage, Streams};

fn pipeline(settings: &str) -> PointwiseDeformable {
    let settings = Settings::parse(ENTRY.name, ENTRY.parameters, settings.split_whitespace());
    PointwiseDeformable::from_settings(&settings.expect("parameters")).expect("a legal pipeline")
}

/// The golden is the golden of the 1 × 1 convolution, and then that of the deformable one.
#[test]
fn whole_layers_are_the_goldens_of_both_convolutions() {
    let mut images = 0;
    for (seed, settings) in ENTRY.examples.iter().enumerate() {
        let unit = pipeline(settings);
        let module = unit.module().expect("legal hardware");
        let stimulus = unit.stimulus(&mut Random::new(200 + seed as u64), 7_000);
        let (array, engine, before) = (unit.pointwise(), unit.deformable(), images);
        let shape = engine.sampler();
        let [mut first, mut second] = [Stage::default(), Stage::default()];
        let mut streams = Streams::default();
        for (inputs, outputs) in stimulus.iter().zip(&interpret(&module, &stimulus)) {
            let ports = Ports { module: &module, inputs, outputs };
            first.load(&ports, "pointwise_", array);
            second.load(&ports, "", engine.array());
            streams.take(&ports, &shape);
            let [words, results] = ["last_word_i", "last_group_i"].map(|port| ports.size(port));
            if let Some(mut image) = streams.first(&ports, &shape, [words, results]) {
                let channels =
                    [words * array.steps.taps_at_once as usize, results * array.outputs() as usize];
                let range = ports.range("pointwise_");
                image.image = first.pointwise(array, &image.image, channels, range);
                let expected = second.deformable(
                    &shape,
                    engine.array(),
                    &image,
                    &ports,
                    [results, channels[1]],
                    range.zero_point,
                );
                assert_eq!(image.results, expected, "{settings}");
                images += 1;
            }
        }
        assert!(images - before >= 5, "only {} images of {settings}", images - before);
    }
    println!("{images} images equal their goldens");
}

#[test]
fn layers_take_the_cycles_that_are_said() {
    // Settings, and whether taps may meet in a bank.
    let pipelines = [
        ("lanes=1 most_words=4 interpolation=rounded highest=3 bank_rows=8 bank_columns=8", false),
        ("lanes=1 most_words=4 taps_at_once=1 bank_rows=2 bank_columns=2", false),
        ("lanes=2 most_words=4 taps_at_once=3 highest=1 bank_rows=2 bank_columns=2 pe=bit_serial", true),
        ("lanes=1 most_words=4 offsets=per_tap highest=2 bank_rows=2", true),
    ];
    for (settings, meets) in pipelines {
        let unit = pipeline(&format!("input_lanes=2 most_input_words=4 longest_side=16 {settings}"));
        let values = unit.deformable().sampler().sampling.offsets.values();
        for (height, width, words, groups) in
            [(1, 1, 1, 1), (3, 5, 2, 3), (9, 4, 4, 2), (12, 12, 1, 1), (7, 11, 3, 4)]
        {
            let size = LayerSize { height, width, words, groups };
            let offsets = |pixel: u64| {
                let mut random = Random::new(pixel);
                (0..values).map(|_| random.below(130) as i64 - 20).collect()
            };
            let said = unit.layer_cycles(size, offsets);
            assert_eq!(circuit_cycles(&unit, size, groups, &offsets), said, "{settings}: {size:?}");
            let steady = unit.steady_cycles(size);
            // Without a row to spare, a row may wait until the last step of the one it replaces was read.
            let [above, below] = unit.deformable().sampler().sampling.reach();
            let spare = unit.deformable().sampler().rows() > above + below + 2;
            let most = match (meets, spare) {
                (true, _) => u64::MAX,
                (false, true) => steady,
                (false, false) => steady + 2 * u64::from(height),
            };
            assert!(
                (steady..=most).contains(&said),
                "{settings}: {size:?}: {said}, {steady} to {most} expected"
            );
        }
    }
}

/// Each stage takes a word a cycle: 32 rows more of CoDeNet's layer of 64 × 64 pixels and 256 channels take a cycle more for
/// each step of the 1 × 1 convolution, and where it makes a word of a step, for each word. The line buffer has no row to
/// spare, so a row may wait a cycle for the one it replaces.
#[test]
fn words_follow_each_other_in_every_cycle() {
    let settings = "interpolation=rounded bank_rows=16 bank_columns=16 lanes=16 input_lanes=16";
    let unit = pipeline(settings);
    let offsets = |pixel: u64| vec![Random::new(pixel).below(7 * 16 + 1) as i64];
    for (words, groups) in [(16, 16), (1, 16)] {
        let size = |height: u32| LayerSize { height, width: 64, words, groups };
        let [short, long] = [32, 64].map(|height| unit.layer_cycles(size(height), offsets));
        let (rows, steps) = (32, 32 * 64 * u64::from(words * groups));
        println!(
            "{words} words in, {groups} out: {long} cycles; {} cycles for {steps} steps more",
            long - short
        );
        assert!((steps..=steps + rows).contains(&(long - short)));
    }
}

//! The sampler without a bound: what comes out is what its offsets say of the image in memory.

use std::collections::BTreeMap;

use bitmill_formats::deformable::{Image, TAPS, samples};
use bitmill_hdl::unit::{Random, Unit, interpret, pack, to_bits};
use bitmill_hdl::{BigUint, Interpreter};
use bitmill_units::Settings;
use bitmill_units::engine::deformable_convolution::array::Sums;
use bitmill_units::engine::deformable_convolution::cached::{CachedSampler, ENTRY};
use bitmill_units::engine::deformable_convolution::cached_convolution::{self, CachedConvolution};
use bitmill_units::engine::deformable_convolution::cached_shape::CachedShape;
use bitmill_units::engine::deformable_convolution::memory_timing::{MemoryCycles, MemoryTiming};
use bitmill_units::engine::deformable_convolution::timing::LayerSize;

use crate::golden::{Ports, Stage, Streams, split};

fn shape(settings: &str) -> CachedShape {
    let settings = Settings::parse(ENTRY.name, ENTRY.parameters, settings.split_whitespace());
    CachedShape::from_settings(&settings.expect("parameters")).expect("a legal sampler")
}

/// What is seen of an image in memory: words by row, column and number; a word always reads the same.
#[derive(Default)]
struct Seen {
    asked: Vec<[usize; 3]>,
    answered: usize,
    words: BTreeMap<[usize; 3], Vec<i64>>,
}

impl Seen {
    fn take(&mut self, ports: &Ports, lanes: usize) {
        if ports.value("data_valid_i").bit(0) {
            let word = split(ports.value("data_i"), lanes, 8);
            let before = self.words.insert(self.asked[self.answered], word.clone());
            assert!(before.is_none_or(|before| before == word), "the image has changed");
            self.answered += 1;
        }
        if ports.value("read_valid_o").bit(0) && ports.value("read_ready_i").bit(0) {
            self.asked.push(["read_row_o", "read_column_o", "read_word_o"].map(|port| ports.number(port)));
        }
    }

    /// The image; what was not asked for cannot matter.
    fn image(&self, [height, width, words]: [usize; 3], lanes: usize) -> Image {
        let mut values = Vec::new();
        for row in 0..height {
            for column in 0..width {
                for word in 0..words {
                    match self.words.get(&[row, column, word]) {
                        Some(word) => values.extend(word),
                        None => values.extend(std::iter::repeat_n(0, lanes)),
                    }
                }
            }
        }
        Image { height, width, channels: words * lanes, values }
    }
}

#[test]
fn samples_are_those_of_the_image_in_memory() {
    let mut images = 0;
    for (seed, settings) in ENTRY.examples.iter().enumerate() {
        let (cached, before) = (shape(settings), images);
        let (shape, lanes) = (cached.shape, cached.shape.lanes as usize);
        let unit = CachedSampler::new(cached);
        let module = unit.module().expect("legal hardware");
        let stimulus = unit.stimulus(&mut Random::new(300 + seed as u64), 40_000);
        let (mut seen, mut streams) = (Seen::default(), Streams::default());
        for (inputs, outputs) in stimulus.iter().zip(&interpret(&module, &stimulus)) {
            let ports = Ports { module: &module, inputs, outputs };
            seen.take(&ports, lanes);
            streams.take(&ports, &shape);
            let size = ["last_row_i", "last_column_i", "last_word_i"].map(|port| ports.size(port));
            let Some(finished) = streams.first(&ports, &shape, [0, size[2] * TAPS]) else { continue };
            let (image, zero_point) = (seen.image(size, lanes), ports.signed("zero_point_i"));
            if !streams.has_begun() {
                // What comes next may be another image.
                seen = Seen::default();
            }
            let expected: Vec<i64> = (0..size[0] * size[1])
                .flat_map(|pixel| {
                    let (at, deformation) = ([pixel / size[1], pixel % size[1]], finished.deformation());
                    let (of_channels, _) = samples(&shape.sampling, &image, zero_point, at, deformation);
                    // A step is a tap of a word.
                    let words = of_channels.chunks(lanes).map(<[_]>::to_vec).collect::<Vec<_>>();
                    words.into_iter().flat_map(|word| {
                        (0..TAPS).flat_map(move |tap| word.clone().into_iter().map(move |taps| taps[tap]))
                    })
                })
                .collect();
            assert_eq!(finished.results, expected, "{settings}");
            images += 1;
        }
        assert!(images - before >= 5, "only {} images of {settings}", images - before);
    }
    println!("{images} images are sampled right");
}

#[test]
fn whole_layers_in_memory_are_their_golden() {
    let entry = cached_convolution::ENTRY;
    let mut images = 0;
    for (seed, settings) in entry.examples.iter().enumerate() {
        let parameters = Settings::parse(entry.name, entry.parameters, settings.split_whitespace());
        let unit =
            CachedConvolution::from_settings(&parameters.expect("parameters")).expect("a legal engine");
        let (shape, array, before) = (unit.sampler().shape, unit.array(), images);
        let module = unit.module().expect("legal hardware");
        let stimulus = unit.stimulus(&mut Random::new(400 + seed as u64), 20_000);
        let (mut seen, mut stage, mut streams) = (Seen::default(), Stage::default(), Streams::default());
        for (inputs, outputs) in stimulus.iter().zip(&interpret(&module, &stimulus)) {
            let ports = Ports { module: &module, inputs, outputs };
            stage.load(&ports, "", array);
            seen.take(&ports, shape.lanes as usize);
            streams.take(&ports, &shape);
            let size = ["last_row_i", "last_column_i", "last_word_i"].map(|port| ports.size(port));
            let results = if array.sums == Sums::Depthwise { size[2] } else { ports.size("last_group_i") };
            let Some(mut image) = streams.first(&ports, &shape, [0, results]) else { continue };
            image.image = seen.image(size, shape.lanes as usize).values;
            if !streams.has_begun() {
                seen = Seen::default();
            }
            let sizes = [size[2], results * array.outputs() as usize];
            let expected =
                stage.deformable(&shape, array, &image, &ports, sizes, ports.signed("zero_point_i"));
            assert_eq!(image.results, expected, "{settings}");
            images += 1;
        }
        assert!(images - before >= 5, "only {} images of {settings}", images - before);
    }
    println!("{images} images in memory equal their golden");
}

/// Cycles of a layer in the circuit, interpreted, before a memory of this timing; from the first offsets in, when all lines
/// are cleared.
fn circuit_cycles(
    unit: &CachedConvolution,
    size: LayerSize,
    memory: MemoryTiming,
    offsets: &dyn Fn(u64) -> Vec<i64>,
) -> MemoryCycles {
    let module = unit.module().expect("legal hardware");
    let mut circuit = Interpreter::new(&module);
    let set = |circuit: &mut Interpreter, name: &str, value: BigUint| {
        let slot = circuit.input(name).expect("an input");
        circuit.set_big(slot, &value);
    };
    let get = |circuit: &mut Interpreter, name: &str| {
        let slot = circuit.output(name).expect("an output");
        circuit.get_big(slot).bit(0)
    };
    let lasts = [("last_row_i", size.height), ("last_column_i", size.width), ("last_word_i", size.words)];
    let group = module.port("last_group_i").map(|_| ("last_group_i", size.groups));
    for (name, size) in lasts.into_iter().chain(group) {
        set(&mut circuit, name, (size - 1).into());
    }
    for name in ["ready_i", "read_ready_i"] {
        set(&mut circuit, name, 1u8.into());
    }
    for _ in 0..unit.sampler().lines() {
        circuit.step();
    }
    let interval = u64::from(unit.sampler().shape.lanes.div_ceil(memory.bytes_a_cycle));
    let pixels = u64::from(size.height * size.width);
    let words = if group.is_some() { size.groups } else { size.words };
    let (mut due, mut pixel, mut results) = (Vec::new(), 0, 0);
    let mut took = MemoryCycles { cycles: 0, reads: 0 };
    while results < pixels * u64::from(words) {
        let bits: Vec<BigUint> = offsets(pixel).iter().map(|offset| to_bits((*offset).into(), 16)).collect();
        set(&mut circuit, "offsets_i", pack(&bits, 16));
        set(&mut circuit, "offsets_valid_i", u8::from(pixel < pixels).into());
        set(&mut circuit, "data_valid_i", u8::from(due.contains(&took.cycles)).into());
        pixel += u64::from(get(&mut circuit, "offsets_ready_o") && pixel < pixels);
        results += u64::from(get(&mut circuit, "valid_o"));
        if get(&mut circuit, "read_valid_o") {
            let after = due.last().map_or(0, |last| last + interval);
            due.push(after.max(took.cycles + memory.latency_cycles));
            took.reads += 1;
        }
        took.cycles += 1;
        circuit.step();
    }
    took
}

#[test]
fn layers_in_memory_take_the_cycles_that_are_said() {
    let entry = cached_convolution::ENTRY;
    for settings in entry.examples {
        let parameters = Settings::parse(entry.name, entry.parameters, settings.split_whitespace());
        let unit =
            CachedConvolution::from_settings(&parameters.expect("parameters")).expect("a legal engine");
        let values = unit.sampler().shape.sampling.offsets.values();
        for (latency_cycles, bytes_a_cycle) in [(1, 8), (9, 1), (30, 2)] {
            let memory = MemoryTiming { latency_cycles, bytes_a_cycle };
            for (height, width, words) in [(1, 1, 1), (3, 5, 2), (8, 6, 2)] {
                let groups = if unit.array().group_bits().is_some() { 2 } else { 1 };
                let size = LayerSize { height, width, words, groups };
                let offsets = |pixel: u64| {
                    let mut random = Random::new(pixel);
                    (0..values).map(|_| random.below(200) as i64 - 100).collect()
                };
                let said = unit.layer_cycles(size, memory, offsets);
                let seen = circuit_cycles(&unit, size, memory, &offsets);
                assert_eq!(said, seen, "{settings}: {size:?}, {memory:?}");
            }
        }
    }
}

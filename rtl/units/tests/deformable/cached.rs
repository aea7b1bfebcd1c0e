//! The sampler without a bound: what comes out is what its offsets say of the image in memory.

use std::collections::BTreeMap;

use bitmill_formats::deformable::{Image, TAPS, samples};
use bitmill_hdl::unit::{Random, Unit, interpret};
use bitmill_units::Settings;
use bitmill_units::engine::deformable_convolution::cached::{CachedSampler, ENTRY};
use bitmill_units::engine::deformable_convolution::cached_shape::CachedShape;

use crate::golden::{Ports, Streams, split};

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
        let stimulus = unit.stimulus(&mut Random::new(300 + seed as u64), 20_000);
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

//! The sampler of a radiance field: what it answers is what the integer specification says of dense factors.

use bitmill_formats::radiance_field::{
    ALPHA_BITS, AXES, AlphaTable, Factors, Grid, Interpolation, MODES, Pixel, Point, TABLE_BITS, Thresholds,
    activation,
};
use bitmill_formats::sparse::{FormRule, SparseLayout};
use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Random, Unit, compare, interpret, lane, number, pack, signed_number, to_bits};
use bitmill_units::engine::radiance_field::sampler::{self, FieldSampler};
use bitmill_units::engine::sparse_search::shape::Store;
use bitmill_units::{Settings, find};

const SIDE: usize = 8;
const COMPONENTS: usize = 4;
const LANES: usize = 2;
const INTERPOLATION: Interpolation = Interpolation { value_bits: 8, fraction_bits: 6, guard_bits: 4 };
const SETTINGS: [&str; 3] = ["pixel_bits=3", "place_address_bits=9", "value_address_bits=10"];

/// Factors of which `percent` are not zero.
fn factors(random: &mut Random, percent: u64) -> Factors {
    let mut values = |count: usize| -> Vec<i32> {
        let value = |random: &mut Random| random.below(256) as i32 - 128;
        (0..count).map(|_| if random.below(100) < percent { value(random) } else { 0 }).collect()
    };
    let planes = values(AXES * SIDE * SIDE * COMPONENTS);
    Factors { components: COMPONENTS, planes, lines: values(AXES * SIDE * COMPONENTS) }
}

/// The tensor of both kinds of factors: `LANES` components a value, at the fetch's positions.
fn tensor(unit: &FieldSampler, kinds: &[Factors; 2]) -> Vec<u32> {
    let mut codes = vec![0; 1 << unit.fetch().position_bits()];
    let value = |components: &[i32]| {
        let bits: Vec<BigUint> = components.iter().map(|value| to_bits((*value).into(), 8)).collect();
        number(&pack(&bits, 8)) as u32
    };
    for (appearance, factors) in [false, true].into_iter().zip(kinds) {
        for mode in 0..AXES {
            for group in 0..COMPONENTS / LANES {
                for row in 0..SIDE {
                    for column in 0..SIDE {
                        let at = ((mode * SIDE + row) * SIDE + column) * COMPONENTS + group * LANES;
                        let position = unit.fetch().plane_position(appearance, mode, row, column, group);
                        codes[position as usize] = value(&factors.planes[at..at + LANES]);
                    }
                    let at = (mode * SIDE + row) * COMPONENTS + group * LANES;
                    let position = unit.fetch().line_position(appearance, mode, row, group);
                    codes[position as usize] = value(&factors.lines[at..at + LANES]);
                }
            }
        }
    }
    codes
}

#[test]
fn points_are_worth_what_the_specification_says() {
    assert_eq!(MODES.len(), AXES);
    let settings =
        Settings::parse(sampler::ENTRY.name, sampler::ENTRY.parameters, SETTINGS).expect("known keys");
    let unit = FieldSampler::from_settings(&settings).expect("legal");
    let grid = Grid::new(3, INTERPOLATION.fraction_bits).expect("legal");
    let mut random = Random::new(11);
    for percent in [3, 30, 100] {
        let kinds = [factors(&mut random, percent), factors(&mut random, percent)];
        let layout = SparseLayout::new(unit.search().positions(), 16, 0).expect("legal");
        let blocks = layout.encode_tensor(&tensor(&unit, &kinds), FormRule::Smaller).expect("legal codes");
        let contents = unit.search().contents(&layout, &blocks).expect("it fits");
        let mut inputs = Vec::new();
        let quiet = |random_port: Option<(usize, Vec<BigUint>)>| {
            let mut values = vec![BigUint::ZERO; 20];
            for (port, value) in [(7, 0b11_u32), (8, 14), (9, 12), (10, 30), (11, 2000), (18, 1), (19, 1)] {
                values[port] = BigUint::from(value);
            }
            if let Some((first, given)) = random_port {
                values[first..first + given.len()].clone_from_slice(&given);
            }
            values
        };
        for store in Store::ALL {
            for (at, data) in contents.words[store as usize].iter().enumerate() {
                inputs
                    .push(quiet(Some((0, vec![1_u8.into(), (store as u8).into(), at.into(), data.clone()]))));
            }
        }
        let alphas: Vec<u16> = (0..1 << TABLE_BITS).map(|_| random.below(1 << ALPHA_BITS) as u16).collect();
        for (at, alpha) in alphas.iter().enumerate() {
            inputs.push(quiet(Some((4, vec![1_u8.into(), at.into(), (*alpha).into()]))));
        }
        inputs.push(quiet(Some((12, vec![1_u8.into()]))));
        inputs.extend((0..8).map(|_| quiet(None)));
        let table = AlphaTable::new(12, |density| f64::from(alphas[(density / 4096.0) as usize]) / 4096.0);
        let thresholds = Thresholds { least_weight: 30, opaque: 2000 };
        let mut pixels = [Pixel::CLEAR; 8];
        let (mut weights, mut activations) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            let (appearance, pixel) = (random.one_in(3), random.below(8) as usize);
            let voxel: [usize; AXES] = std::array::from_fn(|_| random.below(8) as usize);
            let fraction: [i64; AXES] = std::array::from_fn(|_| random.below(64) as i64);
            let products: Vec<i64> = kinds[usize::from(appearance)]
                .products(&grid, &INTERPOLATION, &Point { voxel, fraction })
                .collect();
            if appearance {
                activations.extend(products.iter().map(|product| activation(*product, 14)));
            } else {
                let weight = pixels[pixel].absorb(table.alpha(products.iter().sum()), &thresholds);
                weights.push((pixel, weight.unwrap_or(0), pixels[pixel].transmittance));
            }
            let voxel = pack(&voxel.map(BigUint::from), 3);
            let fraction = pack(&fraction.map(|part| BigUint::from(part as u64)), 6);
            let point = vec![1_u8.into(), u8::from(appearance).into(), pixel.into(), voxel, fraction];
            inputs.push(quiet(Some((13, point))));
            // A point has twelve beats; conflicts and the last point's weight take a little longer.
            inputs.extend((0..60).map(|_| quiet(None)));
        }
        let module = unit.module().expect("a legal circuit");
        let seen = interpret(&module, &inputs);
        compare(&module, unit.model().as_mut(), &inputs, &seen, "the interpreter").expect("they agree");
        let found: Vec<(usize, u32, u32)> = seen
            .iter()
            .filter(|outputs| outputs[1].bit(0))
            .map(|outputs| {
                (number(&outputs[2]) as usize, number(&outputs[3]) as u32, number(&outputs[4]) as u32)
            })
            .collect();
        assert_eq!(found, weights, "{percent} %");
        let found: Vec<i8> = seen
            .iter()
            .filter(|outputs| outputs[5].bit(0))
            .flat_map(|outputs| {
                (0..LANES as u32).map(|index| signed_number(&lane(&outputs[6], index, 8), 8) as i8)
            })
            .collect();
        assert_eq!(found, activations, "{percent} %");
        assert!(weights.iter().any(|(_, weight, _)| *weight > 0), "{percent} %: nothing weighs anything");
    }
}

#[test]
fn circuits_do_what_models_say() {
    for settings in [
        "pixel_bits=3",
        "index_bits=4 components=6 value_bits=4 fraction_bits=3 guard_bits=2 pixel_bits=2 banks=2 queue_words=8",
    ] {
        let unit = find("field_sampler")
            .expect("in the catalogue")
            .unit(settings.split_whitespace())
            .expect("legal");
        let module = unit.module().expect("a legal circuit");
        let stimulus = unit.stimulus(&mut Random::new(3), 4000);
        let seen = interpret(&module, &stimulus);
        compare(&module, unit.model().as_mut(), &stimulus, &seen, "the interpreter").expect("they agree");
        let weights = seen.iter().filter(|outputs| outputs[1].bit(0)).count();
        assert!(weights > 50, "{settings}: only {weights}");
    }
}

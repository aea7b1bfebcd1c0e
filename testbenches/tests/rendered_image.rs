//! A frame of a radiance field on its circuits under Verilator: samples of the walk through the sampler, those that weigh
//! through the sampler once more and through the accelerator, colours through the pixels' sums. Nothing but what the circuits
//! answered goes from one to the next, and the image is the one that `bitmill render` predicts, pixel for pixel.

mod common;

use std::sync::Arc;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_formats::radiance_field::{AXES, Factors, Pixel, Point};
use bitmill_formats::sparse::{FormRule, SparseLayout};
use bitmill_hdl::unit::{Unit, Values, compare, lane, number, pack, signed_number, to_bits};
use bitmill_hdl::{BigUint, Module};
use bitmill_model::radiance_field::{
    Camera, Field, FieldConfig, Order, QuantizedScene, Scene, Step, direction_channels, render,
};
use bitmill_model::{PtqConfig, TensorId, WeightFormat};
use bitmill_sim::{Keep, lower, run, unpack_tensor};
use bitmill_testbenches::Verilator;
use bitmill_testbenches::accelerator::{Conditions, Session, run_once, verilate};
use bitmill_testbenches::cosim::{self, Bench, PowerUp};
use bitmill_units::Settings;
use bitmill_units::engine::radiance_field::pixel_sums::PixelSums;
use bitmill_units::engine::radiance_field::sampler::{self, FieldSampler};
use bitmill_units::engine::sparse_search::shape::Store;

const SHAPES: &[u8] = include_bytes!("../../examples/radiance_field/shapes.npz");
const COLOURS: &str = include_str!("../../examples/radiance_field.yaml");
const SIZE: [usize; 2] = [14, 9];
const PIXEL_BITS: u32 = 7;
/// As the scene's factors ask for, and `FieldConfig`.
const SAMPLER: [&str; 8] = [
    "lanes=4",
    "components=4",
    "side_bits=5",
    "fraction_bits=8",
    "guard_bits=4",
    "pixel_bits=7",
    "place_address_bits=11",
    "value_address_bits=13",
];
/// Components of a stored value.
const LANES: usize = 4;
/// Cycles in which whatever is under way comes out.
const LAST_CYCLES: usize = 200;

/// A unit and what it is driven with; its model tells when something is taken.
struct Driven {
    unit: Box<dyn Unit>,
    module: Arc<Module>,
    model: Box<dyn bitmill_hdl::unit::Model>,
    stimulus: Vec<Values>,
    /// Values of inputs that stay, by name.
    held: Vec<(&'static str, BigUint)>,
}

impl Driven {
    fn new(unit: Box<dyn Unit>, held: Vec<(&'static str, BigUint)>) -> Driven {
        let module = unit.module().expect("a legal circuit");
        let model = unit.model();
        Driven { unit, module, model, stimulus: Vec::new(), held }
    }

    /// A cycle with these inputs beside those that are held; whether `ready_o` was set.
    fn cycle(&mut self, inputs: &[(&str, BigUint)]) -> bool {
        let value = |name: &str| {
            let given = inputs.iter().find(|(given, _)| *given == name).map(|(_, value)| value);
            let held = self.held.iter().find(|(held, _)| *held == name).map(|(_, value)| value);
            given.or(held).cloned().unwrap_or_default()
        };
        let values: Values = self.module.inputs().map(|port| value(&port.name)).collect();
        let ready = self.model.cycle(&values)[self.output("ready_o")].clone();
        self.stimulus.push(values);
        ready == Some(BigUint::from(1_u8))
    }

    /// Offers these inputs until they are taken.
    fn offer(&mut self, inputs: &[(&str, BigUint)]) {
        let offered: Vec<(&str, BigUint)> =
            inputs.iter().cloned().chain([("valid_i", BigUint::from(1_u8))]).collect();
        while !self.cycle(&offered) {}
    }

    fn idle(&mut self, cycles: usize) {
        for _ in 0..cycles {
            self.cycle(&[]);
        }
    }

    fn output(&self, name: &str) -> usize {
        self.module.outputs().position(|port| port.name == name).expect("a port of the unit")
    }

    /// What the circuit answers under Verilator, as its model predicts: outputs in which `valid` is set.
    fn answers(mut self, verilator: &Verilator, valid: &str, wanted: &[&str]) -> Vec<Values> {
        self.idle(LAST_CYCLES);
        let bench = Bench { module: &self.module, stimulus: &self.stimulus };
        let seen = cosim::run(verilator, &[bench], PowerUp::Random(7)).expect("Verilator runs").remove(0);
        compare(&self.module, self.unit.model().as_mut(), &self.stimulus, &seen, "Verilator")
            .unwrap_or_else(|difference| panic!("{difference}"));
        let valid = self.output(valid);
        let places: Vec<usize> = wanted.iter().map(|name| self.output(name)).collect();
        let answers = seen.into_iter().filter(|outputs| outputs[valid].bit(0));
        answers.map(|outputs| places.iter().map(|&place| outputs[place].clone()).collect()).collect()
    }
}

/// The tensor of both kinds of factors: `LANES` components a value, where the sampler fetches them.
fn tensor(unit: &FieldSampler, field: &Field) -> Vec<u32> {
    let mut codes = vec![0; 1 << unit.fetch().position_bits()];
    let value = |components: &[i32]| {
        let bits: Vec<BigUint> = components.iter().map(|value| to_bits((*value).into(), 8)).collect();
        number(&pack(&bits, 8)) as u32
    };
    let side = field.grid.side();
    for (is_appearance, factors) in [(false, &field.density), (true, &field.appearance)] {
        let Factors { components, planes, lines } = factors;
        for (group, first) in (0..*components).step_by(LANES).enumerate() {
            for mode in 0..AXES {
                for row in 0..side {
                    for column in 0..side {
                        let at = ((mode * side + row) * side + column) * components + first;
                        let position = unit.fetch().plane_position(is_appearance, mode, row, column, group);
                        codes[position as usize] = value(&planes[at..][..LANES]);
                    }
                    let at = (mode * side + row) * components + first;
                    let position = unit.fetch().line_position(is_appearance, mode, row, group);
                    codes[position as usize] = value(&lines[at..][..LANES]);
                }
            }
        }
    }
    codes
}

/// A sampler whose memories hold the field, and whose pixels are clear.
fn sampler(field: &Field) -> Driven {
    let settings =
        Settings::parse(sampler::ENTRY.name, sampler::ENTRY.parameters, SAMPLER).expect("known keys");
    let unit = FieldSampler::from_settings(&settings).expect("legal");
    let layout = SparseLayout::new(unit.search().positions(), 8 * LANES as u32, 0).expect("legal");
    let blocks = layout.encode_tensor(&tensor(&unit, field), FormRule::Smaller).expect("legal codes");
    let contents = unit.search().contents(&layout, &blocks).expect("it fits");
    let mut held = vec![
        ("product_shift_i", field.activation_shift.into()),
        ("density_shift_i", field.alphas.shift().into()),
        ("least_weight_i", field.thresholds.least_weight.into()),
        ("opaque_i", field.thresholds.opaque.into()),
    ];
    held.extend(["weight_ready_i", "activations_ready_i"].map(|name| (name, BigUint::from(1_u8))));
    let one = || BigUint::from(1_u8);
    let mut driven = Driven::new(Box::new(unit), held);
    for store in Store::ALL {
        for (address, data) in contents.words[store as usize].iter().enumerate() {
            driven.cycle(&[
                ("write_i", one()),
                ("write_store_i", (store as u8).into()),
                ("write_address_i", address.into()),
                ("write_data_i", data.clone()),
            ]);
        }
    }
    for (address, &alpha) in field.alphas.alphas().iter().enumerate() {
        let entry = [("table_address_i", address.into()), ("table_data_i", alpha.into())];
        driven.cycle(&[entry.to_vec(), vec![("table_write_i", one())]].concat());
    }
    driven.cycle(&[("clear_i", one())]);
    driven.idle(1 << PIXEL_BITS);
    driven
}

fn offer_point(driven: &mut Driven, is_appearance: bool, pixel: usize, point: &Point, field: &Field) {
    let fractions = point.fraction.map(|fraction| BigUint::from(fraction as u64));
    driven.offer(&[
        ("appearance_i", u8::from(is_appearance).into()),
        ("pixel_i", pixel.into()),
        ("voxel_i", pack(&point.voxel.map(BigUint::from), field.grid.side_bits())),
        ("fractions_i", pack(&fractions, field.grid.fraction_bits())),
    ]);
}

/// The colours that the accelerator makes of `samples`, channels by sample.
fn colours(verilator: &Verilator, quantized: &QuantizedScene, samples: &[Vec<i8>]) -> Vec<[u8; 3]> {
    let accelerator =
        Accelerator::new(Configuration::from_yaml(COLOURS).expect("an example")).expect("legal");
    let network = &quantized.network;
    let program = lower(&accelerator, network, Keep::Output).expect("it fits");
    let top = accelerator.module().expect("a checked circuit");
    let shape = network.graph().shape(TensorId::INPUT);
    let mut colours = Vec::new();
    for batch in samples.chunks(shape.width) {
        let mut input: Vec<i32> = batch.iter().flatten().map(|&channel| channel.into()).collect();
        input.resize(shape.elements(), 0);
        let session = Session {
            top: &top,
            port: accelerator.configuration().memory,
            image: &program.memory_image(&accelerator, network, &input).expect("weights with words"),
            script: &run_once(&program),
            conditions: Conditions::default(),
            limit_cycles: run(&accelerator, &program).cycles * 2,
        };
        let execution = verilate(verilator, &session, None).expect("Verilator runs");
        let stored = program.outputs.last().expect("an output");
        let bytes = &execution.memory[stored.address as usize..][..stored.place.bytes(&accelerator)];
        let codes = unpack_tensor(&accelerator, &stored.place, bytes);
        // An int8 of -128 is black.
        let of_sample = |codes: &[i32]| std::array::from_fn(|channel| (codes[channel] + 128) as u8);
        colours.extend(codes.chunks(3).take(batch.len()).map(of_sample));
    }
    colours
}

#[test]
fn a_frame_on_the_circuits_is_the_one_that_is_predicted() {
    let Some(verilator) = common::verilator_for("a frame of a radiance field") else { return };
    let scene = Scene::read(SHAPES).expect("the embedded scene");
    let network = PtqConfig::integers(8, 8).expect("legal widths");
    let int8 = WeightFormat::signed(8).expect("a legal width");
    let config = FieldConfig { batch: 64, ..FieldConfig::new(int8, network) };
    let quantized = QuantizedScene::new(&scene, &config).expect("integers");
    let field = &quantized.field;
    let camera = Camera::orbit([0.0, 0.0, 0.0], [30.0, 25.0, 3.4], 40.0, SIZE);
    let mut walked = Vec::new();
    let mut observe = |step| {
        if let Step::Density { pixel, point } = step {
            walked.push((pixel, point));
        }
    };
    let predicted = render(&scene, &quantized, &camera, Order::Points, &mut observe).expect("an image");

    let mut densities = sampler(field);
    walked.iter().for_each(|(pixel, point)| offer_point(&mut densities, false, *pixel, point, field));
    let weights =
        densities.answers(&verilator, "weight_valid_o", &["pixel_o", "weight_o", "transmittance_o"]);
    assert_eq!(weights.len(), walked.len());
    let mut left = vec![Pixel::CLEAR.transmittance; SIZE[0] * SIZE[1]];
    let mut weighing = Vec::new();
    for (answer, (pixel, point)) in weights.iter().zip(&walked) {
        assert_eq!(number(&answer[0]) as usize, *pixel);
        left[*pixel] = number(&answer[2]) as u32;
        if answer[1] != BigUint::ZERO {
            weighing.push((*pixel, answer[1].clone(), *point));
        }
    }
    assert_eq!(weighing.len() as u64, predicted.work.weighing);

    let mut appearances = sampler(field);
    weighing.iter().for_each(|(pixel, _, point)| offer_point(&mut appearances, true, *pixel, point, field));
    let words = appearances.answers(&verilator, "activations_valid_o", &["activations_o"]);
    let channels = words.iter().flat_map(|answer| {
        (0..LANES as u32).map(|index| signed_number(&lane(&answer[0], index, 8), 8) as i8)
    });
    let channels: Vec<i8> = channels.collect();
    let directions = camera.rays(&scene).expect("a camera that can be").directions;
    let samples: Vec<Vec<i8>> = channels
        .chunks(AXES * field.appearance.components)
        .zip(&weighing)
        .map(|(products, (pixel, ..))| [products, &direction_channels(&scene, directions[*pixel])].concat())
        .collect();
    assert_eq!(samples.len(), weighing.len());
    let colours = colours(&verilator, &quantized, &samples);

    let packed = |colour: [u8; 3]| pack(&colour.map(BigUint::from), 8);
    let one = || BigUint::from(1_u8);
    let sums = PixelSums::new(PIXEL_BITS).expect("legal");
    let mut sums = Driven::new(Box::new(sums), vec![("ready_i", one())]);
    sums.cycle(&[("clear_i", one())]);
    for ((pixel, weight, _), colour) in weighing.iter().zip(&colours) {
        sums.offer(&[
            ("pixel_i", (*pixel).into()),
            ("weight_i", weight.clone()),
            ("colour_i", packed(*colour)),
        ]);
    }
    for (pixel, transmittance) in left.iter().enumerate() {
        sums.offer(&[
            ("finish_i", one()),
            ("pixel_i", pixel.into()),
            ("weight_i", (*transmittance).into()),
            ("colour_i", packed(field.background)),
        ]);
    }
    let pixels = sums.answers(&verilator, "valid_o", &["colour_o"]);
    let image: Vec<[u8; 3]> = pixels
        .iter()
        .map(|answer| std::array::from_fn(|channel| number(&lane(&answer[0], channel as u32, 8)) as u8))
        .collect();
    assert_eq!(image, predicted.image.pixels);
    let distinct: std::collections::BTreeSet<&[u8; 3]> = image.iter().collect();
    println!(
        "{} x {} pixels of {} colours equal after {} samples, {} of which weigh",
        SIZE[0],
        SIZE[1],
        distinct.len(),
        walked.len(),
        weighing.len()
    );
    assert!(distinct.len() > 20, "an image with something in it");
}

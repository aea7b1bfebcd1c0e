//! The sampler of a radiance field: points in, weights and appearance out, from a field stored sparsely.
//!
//! A point of density is fetched ([`fetch`]), searched ([`sparse_search`](crate::engine::sparse_search)), interpolated and summed
//! ([`interpolator`]), and weighed ([`weight`](super::weight)) in one stream; a point of appearance leaves behind the interpolator as the
//! activations of the network that makes its colour, a word a group of components. Both come in the order of their points.
//!
//! Meaning: [`bitmill_formats::radiance_field`], where the factors' nodes stand at [`FetchShape`]'s positions of one sparse tensor,
//! `lanes` components a value, and absent values are zeros. Timing: that of its parts, which wait for each other.

use std::sync::Arc;

use bitmill_formats::radiance_field::{ALPHA_BITS, AXES, TABLE_BITS};
use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, unsigned};

use super::fetch::{self, FetchShape};
use super::interpolator::{self, FactorInterpolator, SHIFT_BITS};
use super::sampler_model::SamplerModel;
use super::sweep::PIXEL_BITS;
use super::weight::{SampleWeight, WEIGHT_BITS};
use crate::engine::deformable_convolution::queue;
use crate::engine::sparse_search::search::SparseSearch;
use crate::engine::sparse_search::shape::Shape;
use crate::engine::sparse_search::stimulus::memories;
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Parameters: those of the interpolator, the pixels, and those of the search.
const PARAMETERS: [Parameter; 13] = {
    let [lanes, components, value_bits, fraction_bits, guard_bits] = interpolator::PARAMETERS;
    let side_bits = Parameter {
        name: "side_bits",
        default: "3",
        help: "log2 of the voxels a side, 3 to 8",
        legal: Legal::Numbers(3, 8),
    };
    let lanes = Parameter { default: "2", ..lanes };
    let components = Parameter { default: "4", ..components };
    let [_, banks, index_bits, leaves, _, _, places, values] =
        crate::engine::sparse_search::shape::PARAMETERS;
    let search = [banks, index_bits, leaves, places, values];
    let [banks, index_bits, leaves, places, values] = search;
    let places = Parameter { default: "7", ..places };
    let values = Parameter { default: "9", ..values };
    let queue_words = Parameter {
        name: "queue_words",
        default: "16",
        help: "beats and points that may be under way, a power of 2",
        legal: Legal::OneOf(&["8", "16", "32"]),
    };
    [
        lanes,
        components,
        value_bits,
        fraction_bits,
        guard_bits,
        side_bits,
        PIXEL_BITS,
        banks,
        index_bits,
        leaves,
        places,
        values,
        queue_words,
    ]
};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "field_sampler",
    summary: "points of a sparse radiance field in, weights and appearance out: fetch, search, interpolation, alpha",
    parameters: &PARAMETERS,
    examples: &[
        "pixel_bits=3",
        "index_bits=4 components=6 value_bits=4 fraction_bits=3 guard_bits=2 pixel_bits=2 banks=2 queue_words=8",
    ],
    build: |settings| Ok(Box::new(FieldSampler::from_settings(settings)?)),
};

/// Parameters of a sampler.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FieldSampler {
    pub(super) fetch: FetchShape,
    pub(super) search: Shape,
    pub(super) interpolator: FactorInterpolator,
    pub(super) weight: SampleWeight,
    pub(super) pixel_bits: u32,
    pub(super) queue_words: u32,
}

impl FieldSampler {
    /// The sampler of `settings`.
    ///
    /// # Errors
    /// What its parts refuse, values of more than 32 bits, or a search of other than 2^5 to 2^16 blocks.
    pub fn from_settings(settings: &Settings) -> Result<FieldSampler, UnitError> {
        let interpolator = FactorInterpolator::from_settings(settings)?;
        let groups = interpolator.groups();
        let fetch = FetchShape {
            side_bits: settings.number("side_bits", 3..=8)?,
            group_bits: groups.next_power_of_two().ilog2().max(1),
            fraction_bits: interpolator.fraction_bits(),
        };
        let value_bits = interpolator.lanes() * interpolator.value_bits();
        if value_bits > 32 {
            let legal = "lanes times value_bits are a stored value, up to 32 bits";
            return Err(UnitError::illegal("lanes", interpolator.lanes(), legal));
        }
        let queue_words = settings.number("queue_words", 8..=32)?;
        if !queue_words.is_power_of_two() {
            return Err(UnitError::illegal("queue_words", queue_words, "8, 16 and 32 are legal"));
        }
        let search = Shape::of_positions(settings, interpolator::NODES, value_bits, fetch.position_bits())?;
        let pixel_bits = settings.number(PIXEL_BITS.name, 2..=16)?;
        let weight = SampleWeight::new(pixel_bits, interpolator.density_bits())?;
        Ok(FieldSampler { fetch, search, interpolator, weight, pixel_bits, queue_words })
    }

    /// Where nodes stand.
    pub fn fetch(&self) -> &FetchShape {
        &self.fetch
    }

    /// The search unit.
    pub fn search(&self) -> &Shape {
        &self.search
    }

    /// Inputs of a cycle in which nothing comes and everything is taken, by port.
    fn quiet(&self) -> Values {
        let mut inputs = vec![BigUint::ZERO; 20];
        inputs[18] = BigUint::from(1_u8);
        inputs[19] = BigUint::from(1_u8);
        inputs
    }
}

impl Unit for FieldSampler {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let &FieldSampler { fetch, search, interpolator, weight, pixel_bits, queue_words } = self;
        let m = ModuleBuilder::new(
            format!(
                "bitmill_field_sampler_{}_{}_p{pixel_bits}_s{}_q{queue_words}",
                interpolator.name(),
                search.name(),
                fetch.side_bits
            ),
            "points of a sparse radiance field in, weights and appearance out.",
        );
        let [write_address_bits, write_data_bits] = search.write_bits();
        m.group("Write of the field, while no point is under way");
        let write = ["write_i", "write_store_i", "write_address_i", "write_data_i"];
        let widths = [1, 2, write_address_bits, write_data_bits];
        let write: Vec<_> =
            write.into_iter().zip(widths).map(|(name, bits)| (name, m.input(name, unsigned(bits)))).collect();
        m.group("Table of alphas");
        let table = [("table_write_i", 1), ("table_address_i", TABLE_BITS), ("table_data_i", ALPHA_BITS)];
        let table = table.map(|(name, bits)| (name, m.input(name, unsigned(bits))));
        m.group("Settings");
        let last_groups = m.input_with_comment(
            "last_groups_i",
            unsigned(2 * fetch.group_bits),
            "of density lowest, of appearance",
        );
        let product_shift = m.input("product_shift_i", unsigned(SHIFT_BITS));
        let density_shift = m.input("density_shift_i", unsigned(SHIFT_BITS));
        let least_weight = m.input("least_weight_i", unsigned(WEIGHT_BITS));
        let opaque = m.input("opaque_i", unsigned(WEIGHT_BITS));
        m.group("Points in");
        let clear = m.input_with_comment("clear_i", unsigned(1), "all pixels, while no point is under way");
        let valid = m.input("valid_i", unsigned(1));
        let appearance = m.input("appearance_i", unsigned(1));
        let pixel = m.input("pixel_i", unsigned(pixel_bits));
        let voxel = m.input_with_comment("voxel_i", unsigned(AXES as u32 * fetch.side_bits), "axis 0 lowest");
        let fractions = m.input("fractions_i", unsigned(AXES as u32 * fetch.fraction_bits));
        m.group("Results out");
        let weight_ready = m.input("weight_ready_i", unsigned(1));
        let activations_ready = m.input("activations_ready_i", unsigned(1));

        m.comment("Positions of nodes; what they are of waits in a queue for what is found.");
        let inputs = [
            ("last_groups_i", last_groups),
            ("appearance_i", appearance),
            ("voxel_i", voxel),
            ("fractions_i", fractions),
        ];
        let nodes = m.instance("i_fetch", &fetch::module(&fetch)?, &inputs);
        let tags = m.instance("i_tags", &queue::module(fetch.tag_bits(), queue_words)?, &[]);
        let found = m.instance("i_search", &SparseSearch::new(search).module()?, &write);
        found.input("valid_i", nodes.output("valid_o").and(tags.output("free_o")));
        found.input("present_i", nodes.output("present_o"));
        found.input("positions_i", nodes.output("positions_o"));
        m.ignore(found.output("present_o"));
        m.ignore(found.output("found_o"));
        let asks = found.output("ready_o").and(tags.output("free_o")).named("asks");
        nodes.input("ready_i", asks);
        tags.input("push_i", nodes.output("valid_o").and(asks));
        tags.input("data_i", nodes.output("tag_o"));

        m.comment("Values between nodes, and their sums.");
        let tag = tags.output("data_o");
        let comes = found.output("valid_o").and(tags.output("valid_o")).named("comes");
        let inputs = [
            ("shift_i", product_shift),
            ("valid_i", comes),
            ("line_i", tag.bit(0)),
            ("appearance_i", tag.bit(1)),
            ("last_i", tag.bit(2)),
            ("nodes_i", found.output("values_o")),
            ("fractions_i", tag.slice(3, 2 * fetch.fraction_bits)),
        ];
        let values = m.instance("i_interpolator", &interpolator.module()?, &inputs);
        found.input("ready_i", values.output("ready_o").and(tags.output("valid_o")));
        tags.input("pop_i", comes.and(values.output("ready_o")));

        m.comment("Weights, for the pixels that waited.");
        let pixels = m.instance("i_pixels", &queue::module(pixel_bits, queue_words)?, &[]);
        let is_appearance = values.output("appearance_o");
        let is_density = values.output("valid_o").and(is_appearance.not());
        let weighs = is_density.and(pixels.output("valid_o")).named("weighs");
        let mut inputs = table.to_vec();
        inputs.extend([("shift_i", density_shift), ("least_weight_i", least_weight), ("opaque_i", opaque)]);
        inputs.extend([("clear_i", clear), ("valid_i", weighs), ("look_i", m.bit(false))]);
        inputs.extend([("pixel_i", pixels.output("data_o")), ("density_i", values.output("density_o"))]);
        inputs.push(("ready_i", weight_ready));
        let weights = m.instance("i_weight", &weight.module()?, &inputs);
        let taken = weights.output("ready_o").and(pixels.output("valid_o"));
        values.input("ready_i", is_appearance.mux(activations_ready, taken));
        pixels.input("pop_i", weighs.and(weights.output("ready_o")));
        let free = nodes.output("ready_o").and(pixels.output("free_o")).named("free");
        nodes.input("valid_i", valid.and(pixels.output("free_o")));
        pixels.input("push_i", valid.and(free).and(appearance.not()));
        pixels.input("data_i", pixel);

        m.output("ready_o", free);
        m.output("weight_valid_o", weights.output("valid_o"));
        m.output("pixel_o", weights.output("pixel_o"));
        m.output("weight_o", weights.output("weight_o"));
        m.output_with_comment("transmittance_o", weights.output("transmittance_o"), "that is left");
        m.output("activations_valid_o", values.output("valid_o").and(is_appearance));
        m.output("activations_o", values.output("activations_o"));
        m.output_with_comment(
            "fault_o",
            found.output("fault_o"),
            "a search was stopped: its block is corrupt",
        );
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(SamplerModel::new(*self))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let mut stimulus: Vec<Values> = Vec::new();
        for write in memories(&self.search, random) {
            let mut inputs = self.quiet();
            inputs[0] = BigUint::from(1_u8);
            inputs[1..4].clone_from_slice(&write);
            stimulus.push(inputs);
        }
        for address in 0..1_u32 << TABLE_BITS {
            let mut inputs = self.quiet();
            inputs[4] = BigUint::from(1_u8);
            inputs[5] = address.into();
            // Small ones, so that pixels stay open for long.
            inputs[6] = random.bits(ALPHA_BITS) >> 5;
            stimulus.push(inputs);
        }
        let mut model = SamplerModel::new(*self);
        stimulus.iter().for_each(|inputs| drop(model.cycle(inputs)));
        let last_group = u64::from(self.interpolator.groups() - 1);
        let last_groups = last_group | last_group << self.fetch.group_bits;
        // Of shifts such that results seldom saturate.
        let shift = |bits: u32, wanted: u32, random: &mut Random| {
            BigUint::from(u64::from(bits.saturating_sub(wanted + 3)) + random.below(3))
        };
        let density_bits = self.interpolator.density_bits();
        let mut settings = vec![BigUint::from(last_groups), shift(density_bits - 4, 8, random)];
        settings.extend([
            shift(density_bits, TABLE_BITS, random),
            BigUint::from(40_u8),
            BigUint::from(500_u16),
        ]);
        let mut drive = |inputs: Values| {
            let taken = inputs[13].bit(0) && model.cycle(&inputs)[0] == Some(BigUint::from(1_u8));
            stimulus.push(inputs);
            taken
        };
        let quiet = || {
            let mut inputs = self.quiet();
            inputs[7..12].clone_from_slice(&settings);
            inputs
        };
        let mut clear = quiet();
        clear[12] = BigUint::from(1_u8);
        drive(clear);
        let mut point: Option<[BigUint; 4]> = None;
        for _ in 0..cycles {
            let mut inputs = quiet();
            let [appearance, pixel, voxel, fractions] = point.take().unwrap_or_else(|| {
                let bits = [
                    self.pixel_bits,
                    AXES as u32 * self.fetch.side_bits,
                    AXES as u32 * self.fetch.fraction_bits,
                ];
                let [pixel, voxel, fractions] = bits.map(|bits| random.corner_bits(bits));
                [BigUint::from(u8::from(random.one_in(3))), pixel, voxel, fractions]
            });
            inputs[13] = BigUint::from(u8::from(!random.one_in(4)));
            inputs[14..18].clone_from_slice(&[
                appearance.clone(),
                pixel.clone(),
                voxel.clone(),
                fractions.clone(),
            ]);
            inputs[18] = BigUint::from(u8::from(!random.one_in(3)));
            inputs[19] = BigUint::from(u8::from(!random.one_in(3)));
            if !drive(inputs) {
                point = Some([appearance, pixel, voxel, fractions]);
            }
        }
        stimulus
    }
}

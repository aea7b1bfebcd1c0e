//! What the engine is made of and what each part did in a frame, for whoever prices it.
//!
//! A set are four search units, one for each parity of row and column, with the words of planes in them, two
//! banks of lines, even and odd places, and an interpolator. A mode's words go to the sets in turn. Of a
//! field that is stored whole, the banks of values are read by address and nothing is searched. One unit
//! intersects rays, one weighs, and one sums colours. Rays stay in a memory where cubes are walked, since a
//! ray is needed for each cube that it may pass; pixel by pixel they come as they are needed. The walk over
//! cubes with its occupancy, their projection, and what sends nodes to units and joins the sets' sums are not
//! circuits: [`UNBUILT`].

use std::iter::Sum;
use std::sync::Arc;

use bitmill_formats::radiance_field::{
    ALPHA_BITS, AXES, Factors, INCREMENT_BITS, MODES, Point, RAY_BITS, TABLE_BITS,
};
use bitmill_formats::sparse::{Form, FormRule, SparseLayout};
use bitmill_hdl::unit::Unit;
use bitmill_hdl::{Memory, Module};
use bitmill_model::radiance_field::{Field, Step};
use bitmill_units::UnitError;
use bitmill_units::engine::radiance_field::interpolator::FactorInterpolator;
use bitmill_units::engine::radiance_field::intersection::Intersection;
use bitmill_units::engine::radiance_field::pixel_sums::{self, PixelSums};
use bitmill_units::engine::radiance_field::projection::CubeProjection;
use bitmill_units::engine::radiance_field::weight::{self, SampleWeight};
use bitmill_units::engine::sparse_search::search::SparseSearch;
use bitmill_units::engine::sparse_search::shape::{Shape, Store};

use super::clock::projection_cycles;
use super::storage::{BLOCK_NODES, components_of_word, is_present, plane_blocks, words_of_mode};
use super::{Engine, Storing};

/// What of the engine has no circuit, and so no price.
pub const UNBUILT: [&str; 2] = ["cube walk and occupancy", "routing between sets"];

/// Search units of a set.
const UNITS: usize = 4;
/// Words of a bank of values, if there are banks enough: as many as the memory macros have that were
/// measured.
const BANK_WORDS: u64 = 1 << 10;
/// Most banks of a search unit.
const MOST_BANKS: u64 = 16;
/// Quotient bits that an intersection makes a stage.
const INTERSECTION_BITS_PER_STAGE: u32 = 2;
/// Coordinates of a word of places.
const LEAVES: u32 = 8;

/// Work of the engine's parts in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineActivity {
    /// Cycles in which cubes were projected.
    pub projection_cycles: u64,
    /// Rays that were intersected with a cube, or with the field.
    pub candidates: u64,
    /// Words of planes' nodes that were asked for; a node that stands for two at the field's edge counts
    /// once.
    pub searches: u64,
    /// Those of them with a component other than zero.
    pub found: u64,
    /// Words of lines' nodes that were read.
    pub line_reads: u64,
    /// Beats that interpolators took.
    pub beats: u64,
    /// Samples that were weighed.
    pub weighed: u64,
    /// Colours that were added.
    pub added: u64,
    /// Pixels that were cleared and finished.
    pub pixels: u64,
}

impl Sum for EngineActivity {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, next| Self {
            projection_cycles: sum.projection_cycles + next.projection_cycles,
            candidates: sum.candidates + next.candidates,
            searches: sum.searches + next.searches,
            found: sum.found + next.found,
            line_reads: sum.line_reads + next.line_reads,
            beats: sum.beats + next.beats,
            weighed: sum.weighed + next.weighed,
            added: sum.added + next.added,
            pixels: sum.pixels + next.pixels,
        })
    }
}

impl EngineActivity {
    /// Counts a step.
    pub(super) fn step(&mut self, field: &Field, step: Step) {
        match step {
            Step::Density { point, .. } => {
                self.fetch(field, &field.density, &point);
                self.weighed += u64::from(field.is_occupied(point.voxel));
            }
            Step::Appearance { point, .. } => {
                self.fetch(field, &field.appearance, &point);
                self.added += 1;
            }
            Step::Candidate { .. } => self.candidates += 1,
            Step::Cube { is_divided } => self.projection_cycles += projection_cycles(is_divided),
            Step::Batch => {}
        }
    }

    fn fetch(&mut self, field: &Field, factors: &Factors, point: &Point) {
        let last = field.grid.side() - 1;
        // At the edge the node behind a point is the one before it.
        let nodes = point.voxel.map(|near| near..=(near + 1).min(last));
        let words = words_of_mode(field, factors.components);
        for (mode, axes) in MODES.iter().enumerate() {
            for word in 0..words {
                for row in nodes[axes.plane[0]].clone() {
                    for column in nodes[axes.plane[1]].clone() {
                        self.searches += 1;
                        self.found += u64::from(is_present(field, factors, [mode, word], [row, column]));
                    }
                }
                self.line_reads += nodes[axes.line].clone().count() as u64;
                self.beats += 2;
            }
        }
    }
}

/// A part of the engine and its work in a frame.
#[derive(Debug, Clone)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// The circuit.
    pub kind: PartKind,
}

/// What a part is.
#[derive(Debug, Clone)]
pub enum PartKind {
    /// Units; their memories are parts of their own.
    Units {
        /// One of them.
        module: Arc<Module>,
        /// How many there are.
        count: u32,
        /// Cycles in which they worked, of all together.
        busy_cycles: u64,
    },
    /// Banks of memory.
    Memories {
        /// One of them.
        bank: Memory,
        /// How many there are.
        count: u32,
        /// Words read from all.
        reads: u64,
        /// Words written, the field's once a frame among them.
        writes: u64,
    },
}

/// Words of a field in the engine's memories, as `directory, places, values`.
#[derive(Debug, Clone, Copy, Default)]
struct Words {
    /// Of the unit that has most.
    most: [u64; 3],
    all: [u64; 3],
}

/// The parts of `engine` with `field` stored so, for images of so many `pixels`, and what they did.
///
/// # Errors
/// What the units refuse: factors other than integers of up to 8 bits, more than 2^16 pixels, or more words
/// than a search unit addresses.
pub fn parts(
    engine: &Engine,
    field: &Field,
    storing: Storing,
    pixels: u64,
    activity: &EngineActivity,
) -> Result<Vec<Part>, UnitError> {
    if field.interpolation.value_bits != field.code_bits {
        let legal = "the engine's circuits take integers, not codes that stand for wider values";
        return Err(UnitError::illegal("bits of a factor", field.code_bits, legal));
    }
    let components = field.density.components.max(field.appearance.components);
    let lanes = components_of_word(field) as u32;
    let interpolator = FactorInterpolator::new(lanes, components as u32, field.interpolation)?;
    let pixel_bits = pixels.next_power_of_two().ilog2().max(2);
    if pixel_bits > 16 {
        return Err(UnitError::illegal("pixels of an image", pixels, "the engine's units keep up to 65536"));
    }
    let weight = SampleWeight::new(pixel_bits, interpolator.density_bits())?;
    let sums = PixelSums::new(pixel_bits)?;
    let units = |name, unit: &dyn Unit, count, busy_cycles| {
        Ok::<_, UnitError>(Part {
            name,
            kind: PartKind::Units { module: unit.module()?, count, busy_cycles },
        })
    };
    let of_weights = activity.weighed * u64::from(weight::LATENCY_CYCLES);
    let of_sums = (activity.added + activity.pixels) * u64::from(pixel_sums::LATENCY_CYCLES);
    let mut parts = rays(field, storing, pixel_bits, activity)?;
    parts.extend(planes(engine, field, storing, lanes * field.code_bits, activity)?);
    parts.extend([
        lines(engine, field, lanes * field.code_bits, activity),
        units("interpolation", &interpolator, engine.search_sets, activity.beats)?,
        units("weights", &weight, 1, of_weights)?,
        units("sums", &sums, 1, of_sums)?,
    ]);
    let EngineActivity { weighed, added, pixels, .. } = *activity;
    let alphas = Memory { width: ALPHA_BITS, depth: 1 << TABLE_BITS };
    let memory = |name, bank, reads, writes| {
        let kind = PartKind::Memories { bank, count: 1, reads, writes };
        Part { name, kind }
    };
    parts.extend([
        memory("memory of alphas", alphas, weighed, 0),
        memory("memory of transmittances", weight.memory(), weighed + pixels, weighed + pixels),
        memory("memory of sums", sums.memory(), added + pixels, added + pixels),
    ]);
    Ok(parts)
}

/// The intersection of rays with cubes of a sparse field, or with a field that is stored whole; and the
/// memory of rays.
fn rays(
    field: &Field,
    storing: Storing,
    pixel_bits: u32,
    activity: &EngineActivity,
) -> Result<Vec<Part>, UnitError> {
    let side_bits = field.grid.side_bits();
    let walks = storing != Storing::Dense;
    let cube_bits = if walks { field.cube_side_bits.min(side_bits) } else { side_bits };
    let unit = Intersection::new(pixel_bits, side_bits, cube_bits, INTERSECTION_BITS_PER_STAGE)?;
    let EngineActivity { candidates, pixels, .. } = *activity;
    let units = PartKind::Units { module: unit.module()?, count: 1, busy_cycles: candidates };
    let mut parts = vec![Part { name: "intersection", kind: units }];
    if walks {
        let bank = Memory { width: AXES as u32 * (RAY_BITS + INCREMENT_BITS), depth: 1 << pixel_bits };
        let kind = PartKind::Memories { bank, count: 1, reads: candidates, writes: pixels };
        parts.push(Part { name: "memory of rays", kind });
        let module = CubeProjection::new(side_bits, cube_bits)?.module()?;
        let kind = PartKind::Units { module, count: 1, busy_cycles: activity.projection_cycles };
        parts.push(Part { name: "projection", kind });
    }
    Ok(parts)
}

/// The search units and their memories, or the banks that are read by address.
fn planes(
    engine: &Engine,
    field: &Field,
    storing: Storing,
    word_bits: u32,
    activity: &EngineActivity,
) -> Result<Vec<Part>, UnitError> {
    let count = UNITS as u32 * engine.search_sets;
    let memory = |name, bank: Memory, banks: u64, reads, writes| {
        let kind = PartKind::Memories { bank, count: count * banks as u32, reads, writes };
        Part { name, kind }
    };
    let Storing::Sparse(rule) = storing else {
        let Words { most: [.., most], all: [.., all] } = words(engine, field, None);
        let banks = most.div_ceil(BANK_WORDS).max(1);
        let bank = Memory { width: word_bits, depth: most.div_ceil(banks) as u32 };
        return Ok(vec![memory("memory of values", bank, banks, activity.searches, all)]);
    };
    let Words { most, all } = words(engine, field, Some(rule));
    let address_bits = most.map(|words| words.next_power_of_two().ilog2().max(5));
    for (store, bits) in ["blocks", "words of places", "values"].into_iter().zip(address_bits) {
        if bits > 16 {
            let legal = "a search unit addresses 2^16; use more search sets";
            return Err(UnitError::illegal(store, format!("2^{bits}"), legal));
        }
    }
    let banks = (1_u64 << address_bits[Store::Values as usize]).div_ceil(BANK_WORDS).min(MOST_BANKS);
    let shape = Shape {
        requests: 1,
        banks: banks as u32,
        index_bits: BLOCK_NODES.ilog2(),
        leaves: LEAVES,
        value_bits: word_bits,
        address_bits,
    };
    let module = SparseSearch::new(shape).module()?;
    let units = PartKind::Units { module, count, busy_cycles: activity.searches };
    let store = |name, store, reads| memory(name, shape.bank(store), banks, reads, all[store as usize]);
    Ok(vec![
        Part { name: "search", kind: units },
        store("memory of directories", Store::Directory, activity.searches),
        store("memory of places", Store::Places, activity.searches),
        store("memory of values", Store::Values, activity.found),
    ])
}

/// The banks of lines, two a set.
fn lines(engine: &Engine, field: &Field, word_bits: u32, activity: &EngineActivity) -> Part {
    let words: usize =
        [&field.density, &field.appearance].map(|kind| words_of_mode(field, kind.components)).iter().sum();
    let all = (AXES * words * field.grid.side()) as u64;
    let count = 2 * engine.search_sets;
    let bank = Memory { width: word_bits, depth: all.div_ceil(count.into()).max(2) as u32 };
    let kind = PartKind::Memories { bank, count, reads: activity.line_reads, writes: all };
    Part { name: "memory of lines", kind }
}

/// What of the field's planes comes to lie in the engine's memories: in sparse blocks, or whole.
fn words(engine: &Engine, field: &Field, rule: Option<FormRule>) -> Words {
    let sets = engine.search_sets as usize;
    let mut units = vec![[0_u64; 3]; UNITS * sets];
    for factors in [&field.density, &field.appearance] {
        for word in 0..words_of_mode(field, factors.components) {
            for (mode, parity) in (0..AXES).flat_map(|mode| (0..UNITS).map(move |parity| (mode, parity))) {
                let unit = &mut units[(word * AXES + mode) % sets * UNITS + parity];
                for count in plane_blocks(field, factors, [mode, word], parity) {
                    let of_block = of_block(field, rule, count);
                    (0..3).for_each(|store| unit[store] += of_block[store]);
                }
            }
        }
    }
    let over = |of: fn(&mut dyn Iterator<Item = u64>) -> u64| {
        std::array::from_fn(|store| of(&mut units.iter().map(|unit| unit[store])))
    };
    Words { most: over(|units| units.max().unwrap_or(0)), all: over(|units| units.sum()) }
}

/// Entries, words of places and values of a block with so many of them.
fn of_block(field: &Field, rule: Option<FormRule>, count: u32) -> [u64; 3] {
    let half = (field.grid.side() / 2).max(1);
    let Some(rule) = rule else { return [0, 0, u64::from(BLOCK_NODES).min((half * half) as u64)] };
    let bits = components_of_word(field) as u32 * field.code_bits;
    let form =
        SparseLayout::new(BLOCK_NODES, bits, 0).map_or(Form::Bitmap, |layout| layout.form(rule, count));
    let places = match form {
        Form::Bitmap => 1,
        Form::Coordinates => count.div_ceil(LEAVES).into(),
    };
    [1, places, count.into()]
}

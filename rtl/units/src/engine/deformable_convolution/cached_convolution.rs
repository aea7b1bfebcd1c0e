//! The engine without a bound: the sampler that reads from memory, replay, and multiply stage.
//!
//! Meaning and multiply stage are those of the bounded engine, a [`DeformableConvolution`](super::convolution). Timing: a
//! full convolution hides what its taps wait for memory as long as a word is not later than its groups take; a
//! depthwise one does not.

use std::sync::Arc;

use bitmill_hdl::unit::{Expected, Model, Random, Unit, Values, number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder};

use super::array::{self, ArrayShape};
use super::array_model::{ArraySettings, output_range};
use super::cached::CachedSampler;
use super::cached_model::{CachedModel, Inputs, Said};
use super::cached_shape::{self, CachedShape};
use super::multiply::{self, MultiplyModel};
use super::ports::{LOADS, connect, inputs};
use super::stimulus::Idle;
use super::{convolution, elements, stimulus};
use crate::{Entry, Parameter, Settings, UnitError};

const ALL: [Parameter; 16] = elements::joined(&cached_shape::PARAMETERS, &convolution::OWN);

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "deformable_cached_convolution",
    summary: "deformable convolution without a bound, of an image in memory, full or depthwise",
    parameters: &ALL,
    examples: &[
        "offsets=per_tap lanes=2 longest_side=8 most_words=2 cache_rows=4 cache_columns=4 queue_steps=4 most_reads=4",
        "channels=full columns=2 most_groups=2 weight=int4 lanes=1 longest_side=8 most_words=2 interpolation=rounded \
         cache_rows=4 cache_columns=4 queue_steps=8 most_reads=4",
    ],
    build: |settings| Ok(Box::new(CachedConvolution::from_settings(settings)?)),
};

/// A deformable convolution engine without a bound.
#[derive(Clone, Debug)]
pub struct CachedConvolution {
    sampler: CachedShape,
    array: ArrayShape,
}

impl CachedConvolution {
    /// The engine that `settings` describe.
    ///
    /// # Errors
    /// As of [`CachedShape::from_settings`], and what does not fit of the multiply stage.
    pub fn from_settings(settings: &Settings) -> Result<CachedConvolution, UnitError> {
        let sampler = CachedShape::from_settings(settings)?;
        let array = elements::array(settings, sampler.shape.steps(), convolution::sums(settings)?)?;
        Ok(CachedConvolution { sampler, array })
    }

    /// The multiply stage.
    pub fn array(&self) -> &ArrayShape {
        &self.array
    }

    /// The sampler.
    pub fn sampler(&self) -> CachedShape {
        self.sampler
    }
}

impl Unit for CachedConvolution {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let m = ModuleBuilder::new(
            format!("bitmill_cached_convolution_{}_{}", self.array.name_without_steps(), self.sampler.name()),
            format!(
                "deformable convolution of an image in memory, {} multipliers.",
                self.array.multipliers()
            ),
        );
        let sampler = CachedSampler::new(self.sampler).module()?;
        let array = array::module(&self.array)?;
        m.group("Offsets in");
        let offsets = inputs(&m, &sampler, "", &["offsets_valid_i", "offsets_i", "masks_i"]);
        m.group("Results out");
        let ready = inputs(&m, &array, "", &["ready_i"]);
        m.group("Memory");
        let memory = inputs(&m, &sampler, "", &["read_ready_i", "data_valid_i", "data_i"]);
        m.group("Settings, held from the first beat in to the last result out");
        let sizes = inputs(&m, &sampler, "", &["last_row_i", "last_column_i", "last_word_i", "zero_point_i"]);
        let range = inputs(&m, &array, "", &["last_group_i", "output_zero_point_i", "low_i", "high_i"]);
        m.group("Weights and scales, while nothing is under way");
        let loads = inputs(&m, &array, "", &LOADS);
        let to_array = [ready, vec![sizes[2]], range, loads].concat();
        let sampler = m.instance("i_sampler", &sampler, &[offsets, memory, sizes].concat());
        let [sink, array] = multiply::instances(&m, &self.array, &array, &to_array)?;
        connect(sampler, sink);
        m.group("Answers");
        m.output("offsets_ready_o", sampler.output("offsets_ready_o"));
        m.output("valid_o", array.output("valid_o"));
        m.output_with_comment("result_o", array.output("result_o"), "the first output channel lowest");
        m.group("Reads of memory");
        for port in ["read_valid_o", "read_row_o", "read_column_o", "read_word_o"] {
            m.output(port, sampler.output(port));
        }
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(CachedEngineModel::new(self, true))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        stimulus::cached_engine(self, random, cycles)
    }
}

/// The same, cycle by cycle.
pub(super) struct CachedEngineModel {
    has_masks: bool,
    has_groups: bool,
    sampler: CachedModel,
    multiply: MultiplyModel,
}

impl CachedEngineModel {
    /// An engine in its state after reset; without data its results are 0, in the same cycles.
    pub fn new(unit: &CachedConvolution, carries_data: bool) -> CachedEngineModel {
        CachedEngineModel {
            has_masks: unit.sampler.shape.mask_width().is_some(),
            has_groups: unit.array.group_bits().is_some(),
            sampler: CachedModel::new(unit.sampler, carries_data),
            multiply: MultiplyModel::new(&unit.array, carries_data),
        }
    }

    /// What is said in a cycle, and the clock edge that ends it; `inputs.ready` tells whether the result is taken.
    pub fn step(&mut self, inputs: Inputs, settings: &ArraySettings) -> Said {
        let (samples, valid, ready) =
            (self.sampler.samples().cloned(), self.multiply.result().is_some(), inputs.ready);
        let said = self.sampler.step(&Inputs { ready: self.multiply.ready(), ..inputs });
        self.multiply.step(samples.as_ref(), ready, settings);
        Said { valid, ..said }
    }
}

impl Idle for CachedEngineModel {
    fn is_idle(&self) -> bool {
        self.sampler.is_idle() && self.multiply.is_idle()
    }
}

impl Model for CachedEngineModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let (inputs, rest) = Inputs::split(inputs, self.has_masks);
        let (group, rest) = rest.split_at(usize::from(self.has_groups));
        let (range, loads) = rest.split_at(3);
        let settings = ArraySettings {
            last_word: number(&inputs.settings[2]) as u32,
            last_group: group.first().map_or(0, number) as u32,
            range: output_range(range),
        };
        let result = self.multiply.result().cloned();
        let said = self.step(inputs, &settings);
        self.multiply.load(loads);
        said.outputs(result)
    }
}

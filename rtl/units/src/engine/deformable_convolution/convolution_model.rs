//! Predicts the engine cycle by cycle: its parts' models, joined as its circuit joins them.

use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Expected, Model, number, signed_number};

use super::array_model::{ArrayModel, ArraySettings};
use super::convolution::DeformableConvolution;
use super::replay::ReplayModel;
use super::sampler_model::{Handshake, Inputs, SamplerModel};
use super::shape::ACTIVATION_BITS;
use crate::common::requantizer::OutputRange;

/// The state of an engine.
pub(super) struct EngineModel {
    unit: DeformableConvolution,
    sampler: SamplerModel,
    replay: Option<ReplayModel>,
    array: ArrayModel,
}

impl EngineModel {
    /// An engine in its state after reset; without data its results are 0, in the same cycles.
    pub fn new(unit: DeformableConvolution, carries_data: bool) -> EngineModel {
        let shape = unit.sampler();
        EngineModel {
            sampler: SamplerModel::new(shape, carries_data),
            replay: unit.array().group_bits().map(|_| ReplayModel::new(shape)),
            array: ArrayModel::new(unit.array().clone(), carries_data),
            unit,
        }
    }

    /// Whether nothing is under way, so that settings, weights and scales may change.
    pub fn is_idle(&self) -> bool {
        self.sampler.is_idle()
            && self.replay.as_ref().is_none_or(ReplayModel::is_idle)
            && self.array.is_idle()
    }

    /// The result that waits to be taken.
    pub fn result(&self) -> Option<&BigUint> {
        self.array.result()
    }

    /// What is said in a cycle, and the clock edge that ends it; `inputs.ready` tells whether the result is taken.
    pub fn step(&mut self, inputs: Inputs, settings: &ArraySettings) -> Handshake {
        let (samples, array_ready) = (self.sampler.samples().cloned(), self.array.ready());
        let valid = self.array.result().is_some();
        let sampled_ready = self.replay.as_ref().map_or(array_ready, ReplayModel::ready);
        let ready = inputs.ready;
        let said = self.sampler.step(&Inputs { ready: sampled_ready, ..inputs });
        let to_array = match &mut self.replay {
            None => samples,
            Some(replay) => {
                let shown = replay.shown().cloned();
                replay.step(samples.as_ref(), array_ready, settings.last_word, settings.last_group);
                shown
            }
        };
        self.array.step(to_array.as_ref(), ready, settings);
        Handshake { valid, ..said }
    }
}

impl Model for EngineModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let has_masks = self.unit.sampler().mask_width().is_some();
        let (streams, rest) = inputs.split_at(4 + usize::from(has_masks));
        let (ready, rest) = rest.split_at(1);
        let (sizes, rest) = rest.split_at(4);
        let (group, rest) = rest.split_at(usize::from(self.replay.is_some()));
        let (range, loads) = rest.split_at(3);
        let signed = |value: &BigUint| signed_number(value, ACTIVATION_BITS);
        let settings = ArraySettings {
            last_word: number(&sizes[2]) as u32,
            last_group: group.first().map_or(0, number) as u32,
            range: OutputRange {
                zero_point: signed(&range[0]),
                low: signed(&range[1]),
                high: signed(&range[2]),
            },
        };
        let given = |valid: usize, data: usize| streams[valid].bit(0).then_some(&streams[data]);
        let (result, saturated) = (self.result().cloned(), self.sampler.saturated());
        let inputs = Inputs {
            image: given(0, 1),
            offsets: given(2, 3),
            masks: streams.get(4),
            ready: ready[0].bit(0),
            settings: sizes,
        };
        let said = self.step(inputs, &settings);
        let small = |index: usize| number(&loads[index]) as u32;
        if loads[0].bit(0) {
            self.array.load_weight(small(1), small(2), loads[3].clone());
        }
        if loads[4].bit(0) {
            self.array.load_scale(small(5), small(6), loads[7].clone());
        }
        let bit = |bit: bool| Some(BigUint::from(u8::from(bit)));
        vec![bit(said.image_ready), bit(said.offsets_ready), bit(said.valid), result, Some(saturated)]
    }
}

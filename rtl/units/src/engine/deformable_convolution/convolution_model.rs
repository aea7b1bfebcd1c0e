//! Predicts the engine cycle by cycle: its parts' models, joined as its circuit joins them.

use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Expected, Model, number};

use super::array_model::{ArraySettings, output_range};
use super::convolution::DeformableConvolution;
use super::multiply::MultiplyModel;
use super::sampler_model::{Handshake, Inputs, Ports, SamplerModel};
use super::stimulus::Idle;

/// The state of an engine.
pub(super) struct EngineModel {
    unit: DeformableConvolution,
    sampler: SamplerModel,
    multiply: MultiplyModel,
}

impl EngineModel {
    /// An engine in its state after reset; without data its results are 0, in the same cycles.
    pub fn new(unit: DeformableConvolution, carries_data: bool) -> EngineModel {
        let shape = unit.sampler();
        EngineModel {
            sampler: SamplerModel::new(shape, carries_data),
            multiply: MultiplyModel::new(unit.array(), carries_data),
            unit,
        }
    }

    /// The result that waits to be taken.
    pub fn result(&self) -> Option<&BigUint> {
        self.multiply.result()
    }

    /// Offsets beyond the bound.
    pub fn saturated(&self) -> BigUint {
        self.sampler.saturated()
    }

    /// What the load ports bring.
    pub fn load(&mut self, ports: &[BigUint]) {
        self.multiply.load(ports);
    }

    /// What is said in a cycle, and the clock edge that ends it; `inputs.ready` tells whether the result is taken.
    pub fn step(&mut self, inputs: Inputs, settings: &ArraySettings) -> Handshake {
        let (samples, valid, ready) =
            (self.sampler.samples().cloned(), self.multiply.result().is_some(), inputs.ready);
        let said = self.sampler.step(&Inputs { ready: self.multiply.ready(), ..inputs });
        self.multiply.step(samples.as_ref(), ready, settings);
        Handshake { valid, ..said }
    }
}

impl Idle for EngineModel {
    fn is_idle(&self) -> bool {
        self.sampler.is_idle() && self.multiply.is_idle()
    }
}

impl Model for EngineModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let ports = Ports::split(inputs, self.unit.sampler().mask_width().is_some());
        let (sizes, rest) = ports.rest.split_at(4);
        let (group, rest) = rest.split_at(usize::from(self.unit.array().group_bits().is_some()));
        let (range, loads) = rest.split_at(3);
        let settings = ArraySettings {
            last_word: number(&sizes[2]) as u32,
            last_group: group.first().map_or(0, number) as u32,
            range: output_range(range),
        };
        let (result, saturated) = (self.result().cloned(), self.saturated());
        let said = self.step(ports.inputs(sizes), &settings);
        self.load(loads);
        said.outputs(result, saturated)
    }
}

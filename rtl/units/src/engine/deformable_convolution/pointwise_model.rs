//! Predicts the fused pipeline cycle by cycle: its parts' models, joined as its circuit joins them.

use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Expected, Model, number};

use super::array_model::{ArraySettings, output_range};
use super::convolution_model::EngineModel;
use super::multiply::MultiplyModel;
use super::pointwise::PointwiseDeformable;
use super::sampler_model::{Handshake, Inputs, Ports};
use super::stimulus::Idle;

/// The state of a pipeline.
pub(super) struct PipelineModel {
    has_masks: bool,
    pointwise: MultiplyModel,
    deformable: EngineModel,
}

impl PipelineModel {
    /// A pipeline in its state after reset; without data its results are 0, in the same cycles.
    pub fn new(unit: PointwiseDeformable, carries_data: bool) -> PipelineModel {
        PipelineModel {
            has_masks: unit.deformable().sampler().mask_width().is_some(),
            pointwise: MultiplyModel::new(unit.pointwise(), carries_data),
            deformable: EngineModel::new(unit.deformable().clone(), carries_data),
        }
    }

    /// What is said in a cycle, and the clock edge that ends it. `inputs` are those of the sampler but for its image,
    /// in whose place come pixels of the input.
    pub fn step(
        &mut self,
        inputs: Inputs,
        pointwise: &ArraySettings,
        depthwise: &ArraySettings,
    ) -> Handshake {
        let (image, image_ready) = (inputs.image, self.pointwise.ready());
        let result = self.pointwise.result().cloned();
        let said = self.deformable.step(Inputs { image: result.as_ref(), ..inputs }, depthwise);
        self.pointwise.step(image, said.image_ready, pointwise);
        Handshake { image_ready, ..said }
    }
}

impl Idle for PipelineModel {
    fn is_idle(&self) -> bool {
        self.pointwise.is_idle() && self.deformable.is_idle()
    }
}

impl Model for PipelineModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let ports = Ports::split(inputs, self.has_masks);
        let (sizes, rest) = ports.rest.split_at(4);
        let (pointwise_range, rest) = rest.split_at(3);
        let (range, rest) = rest.split_at(3);
        let (pointwise_loads, loads) = rest.split_at(8);
        let last = |index: usize| number(&sizes[index]) as u32;
        let (last_word, last_group) = (last(2), last(3));
        let pointwise = ArraySettings { last_word, last_group, range: output_range(pointwise_range) };
        let depthwise = ArraySettings { last_word: last_group, last_group: 0, range: output_range(range) };
        let settings = [&sizes[0], &sizes[1], &sizes[3], &pointwise_range[0]].map(BigUint::clone);
        let (result, saturated) = (self.deformable.result().cloned(), self.deformable.saturated());
        let said = self.step(ports.inputs(&settings), &pointwise, &depthwise);
        self.pointwise.load(pointwise_loads);
        self.deformable.load(loads);
        said.outputs(result, saturated)
    }
}

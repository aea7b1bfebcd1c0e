//! A multiply stage, and before it, where there are groups of output channels, the replay of each pixel for them.

use std::sync::Arc;

use bitmill_hdl::{BigUint, HdlError, InstanceHandle, Module, ModuleBuilder, Signal};

use super::array::ArrayShape;
use super::array_model::{ArrayModel, ArraySettings};
use super::ports::connect;
use super::replay::{self, ReplayModel};

/// Instances in `m`: samples go to the first, results come from the second. `circuit` is the multiply stage's; `inputs`
/// are all that it has besides samples.
pub(super) fn instances<'m>(
    m: &'m ModuleBuilder,
    array: &ArrayShape,
    circuit: &Arc<Module>,
    inputs: &[(&'static str, Signal<'m>)],
) -> Result<[InstanceHandle<'m>; 2], HdlError> {
    let stage = m.instance("i_array", circuit, inputs);
    let Some(group_bits) = array.group_bits() else {
        return Ok([stage, stage]);
    };
    let settings = inputs.iter().filter(|(port, _)| ["last_word_i", "last_group_i"].contains(port));
    let settings: Vec<_> = settings.copied().collect();
    let replay = m.instance("i_replay", &replay::module(&array.steps, group_bits)?, &settings);
    connect(replay, stage);
    Ok([replay, stage])
}

/// The same, cycle by cycle.
pub(super) struct MultiplyModel {
    replay: Option<ReplayModel>,
    array: ArrayModel,
}

impl MultiplyModel {
    /// A stage in its state after reset; without data its results are 0, in the same cycles.
    pub fn new(array: &ArrayShape, carries_data: bool) -> MultiplyModel {
        MultiplyModel {
            replay: array.group_bits().map(|_| ReplayModel::new(array.steps)),
            array: ArrayModel::new(array.clone(), carries_data),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.replay.as_ref().is_none_or(ReplayModel::is_idle) && self.array.is_idle()
    }

    /// Whether samples are taken.
    pub fn ready(&self) -> bool {
        self.replay.as_ref().map_or(self.array.ready(), ReplayModel::ready)
    }

    /// The result that waits to be taken.
    pub fn result(&self) -> Option<&BigUint> {
        self.array.result()
    }

    /// What the load ports bring.
    pub fn load(&mut self, ports: &[BigUint]) {
        self.array.load(ports);
    }

    /// The clock edge after `samples` were offered, while `ready` tells whether the result is taken.
    pub fn step(&mut self, samples: Option<&BigUint>, ready: bool, settings: &ArraySettings) {
        let Some(replay) = &mut self.replay else {
            return self.array.step(samples, ready, settings);
        };
        let shown = replay.shown().cloned();
        replay.step(samples, self.array.ready(), settings.last_word, settings.last_group);
        self.array.step(shown.as_ref(), ready, settings);
    }
}

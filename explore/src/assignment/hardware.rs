//! What layers cost on an accelerator: time and energy from the simulator and the cost model, bytes of weights.

use std::str::FromStr;

use bitmill_accelerator::Accelerator;
use bitmill_cost_model::{DesignCost, Technology, energy, estimate};
use bitmill_formats::Format;
use bitmill_hdl::Design;
use bitmill_model::QuantizedNetwork;
use bitmill_sim::{Effort, activity_by_layer, time};

use crate::ExploreError;

/// What is limited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// Time of one inference in µs.
    Latency,
    /// Energy of one inference in µJ; memory outside the accelerator is not in it.
    Energy,
    /// Bytes of the weights, without biases and the scales of channels.
    Size,
}

impl Resource {
    /// All of them.
    pub const ALL: [Resource; 3] = [Resource::Latency, Resource::Energy, Resource::Size];

    /// Its name, as in `--objective`.
    pub fn name(self) -> &'static str {
        match self {
            Resource::Latency => "latency",
            Resource::Energy => "energy",
            Resource::Size => "size",
        }
    }

    /// What it is counted in.
    pub fn unit(self) -> &'static str {
        match self {
            Resource::Latency => "µs",
            Resource::Energy => "µJ",
            Resource::Size => "bytes",
        }
    }
}

impl FromStr for Resource {
    type Err = String;

    fn from_str(text: &str) -> Result<Resource, String> {
        let found = Resource::ALL.into_iter().find(|resource| resource.name() == text);
        found.ok_or_else(|| {
            format!(
                "no objective is called `{text}`; there are {}",
                Resource::ALL.map(Resource::name).join(", ")
            )
        })
    }
}

/// An accelerator with its prices.
pub struct Hardware<'a> {
    /// The accelerator.
    pub accelerator: &'a Accelerator,
    cost: DesignCost,
    /// The configuration's clock, or the fastest that the estimated longest path allows.
    clock_mhz: f64,
}

impl<'a> Hardware<'a> {
    /// `accelerator` at the prices of `technology`.
    ///
    /// # Errors
    /// Only on our own bugs: the circuits of a legal accelerator are whole.
    pub fn new(accelerator: &'a Accelerator, technology: &Technology) -> Result<Hardware<'a>, ExploreError> {
        let design = accelerator.module().and_then(|top| Design::new(&top));
        let design = design.map_err(|error| ExploreError::Assignment(error.to_string()))?;
        let cost = estimate(&design, technology);
        let clock_mhz = cost.clock_within_mhz(accelerator.configuration().clock_mhz);
        Ok(Hardware { accelerator, cost, clock_mhz })
    }

    /// Time in µs or energy in µJ of every layer of a run of `network`: they add up to the run's.
    ///
    /// # Errors
    /// A network that does not fit the accelerator.
    pub(super) fn layers(
        &self,
        network: &QuantizedNetwork,
        resource: Resource,
    ) -> Result<Vec<f64>, ExploreError> {
        let (program, trace, report) = time(self.accelerator, network, Effort::Search)
            .map_err(|error| ExploreError::Assignment(error.to_string()))?;
        if resource == Resource::Latency {
            return Ok(report.layers.iter().map(|layer| layer.cycles as f64 / self.clock_mhz).collect());
        }
        let layers = activity_by_layer(self.accelerator, &program, &trace, &report);
        let microjoules = |activity| energy(&self.cost, activity, self.clock_mhz).total_pj() * 1e-6;
        Ok(layers.iter().map(microjoules).collect())
    }
}

/// Bytes of so many weights in a format, scales that are part of it included.
pub(super) fn bytes(weights: usize, format: &Format) -> f64 {
    (weights as f64 * format.summary().bits_per_value / 8.0).ceil()
}

//! A sampler cycle by cycle: its parts' models, wired as the circuit is.

use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Expected, Model, lane, number, to_bits};

use super::fetch::{FetchModel, FetchPoint, FetchTag};
use super::interpolator::{InterpolatorModel, Outcome};
use super::sampler::FieldSampler;
use super::weight::WeightModel;
use crate::engine::deformable_convolution::queue::QueueModel;
use crate::engine::sparse_search::model::SearchModel;

/// The state of a sampler.
pub(super) struct SamplerModel {
    unit: FieldSampler,
    fetch: FetchModel,
    tags: QueueModel<FetchTag>,
    search: SearchModel,
    interpolator: InterpolatorModel,
    pixels: QueueModel<u64>,
    weight: WeightModel,
}

impl SamplerModel {
    pub fn new(unit: FieldSampler) -> SamplerModel {
        SamplerModel {
            unit,
            fetch: FetchModel::new(unit.fetch),
            tags: QueueModel::new(unit.queue_words),
            search: SearchModel::new(unit.search),
            interpolator: InterpolatorModel::new(unit.interpolator),
            pixels: QueueModel::new(unit.queue_words),
            weight: WeightModel::new(unit.weight),
        }
    }

    /// The point that the inputs tell.
    fn point(&self, inputs: &[BigUint]) -> FetchPoint {
        let fetch = &self.unit.fetch;
        let axes = |word: &BigUint, bits: u32| [0, 1, 2].map(|axis| number(&lane(word, axis, bits)));
        FetchPoint {
            appearance: inputs[14].bit(0),
            voxel: axes(&inputs[16], fetch.side_bits),
            fraction: axes(&inputs[17], fetch.fraction_bits),
        }
    }
}

fn bit(bit: bool) -> BigUint {
    BigUint::from(u8::from(bit))
}

impl Model for SamplerModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let group_bits = self.unit.fetch.group_bits;
        let last_groups = [0, 1].map(|kind| number(&lane(&inputs[7], kind, group_bits)));
        let [weight_ready, activations_ready] = [18, 19].map(|port| inputs[port].bit(0));

        // From the last part to the first: what takes.
        let pixel = self.pixels.first().copied();
        let density = match self.interpolator.shown() {
            Some(Outcome::Density(density)) => Some(*density),
            _ => None,
        };
        let weight_free = self.weight.is_free(weight_ready);
        let weighs = density.is_some() && pixel.is_some();
        let values_taken = if density.is_some() { weight_free && pixel.is_some() } else { activations_ready };
        let values_free = self.interpolator.is_free(values_taken);
        let tag = self.tags.first().copied();
        let comes = self.search.shows() && tag.is_some();
        let beat = self.fetch.beat(last_groups).filter(|_| self.tags.is_free());

        let mut search_inputs = inputs[..4].to_vec();
        let (present, positions) =
            beat.as_ref().map(|beat| (beat.present.clone(), beat.positions.clone())).unwrap_or_default();
        search_inputs.extend([bit(beat.is_some()), present, positions, bit(values_free && tag.is_some())]);
        let found = self.search.cycle(&search_inputs);
        let asked = beat.filter(|_| found[0] == Some(bit(true)));

        let fetch_free = self.fetch.is_free(asked.is_some(), last_groups);
        let free = fetch_free && self.pixels.is_free();
        let point = (inputs[13].bit(0) && free).then(|| self.point(inputs));
        let pushed_pixel = point.filter(|point| !point.appearance).map(|_| number(&inputs[15]));

        let FetchTag { line, appearance, last, fractions } =
            tag.unwrap_or(FetchTag { line: false, appearance: false, last: false, fractions: 0 });
        let nodes = found[4].clone().unwrap_or_default();
        let mut values_inputs =
            vec![inputs[8].clone(), bit(comes), bit(line), bit(appearance), bit(last), nodes];
        values_inputs.extend([BigUint::from(fractions), bit(values_taken)]);
        let values = self.interpolator.cycle(&values_inputs);

        let mut weight_inputs = inputs[4..7].to_vec();
        weight_inputs.extend_from_slice(&inputs[9..13]);
        let density_bits = self.unit.interpolator.density_bits();
        weight_inputs.extend([bit(weighs), bit(false), BigUint::from(pixel.unwrap_or(0))]);
        weight_inputs.extend([to_bits(density.unwrap_or(0).into(), density_bits), bit(weight_ready)]);
        let weight = self.weight.cycle(&weight_inputs);

        self.fetch.step(asked.is_some(), last_groups, point);
        self.tags.step(asked.map(|beat| beat.tag), comes && values_free);
        self.pixels.step(pushed_pixel, weighs && weight_free);

        let [_, shows, is_appearance, _, activations] = values.try_into().unwrap_or_default();
        let mut outputs = vec![Some(bit(free))];
        outputs.extend_from_slice(&weight[1..]);
        outputs.push(Some(bit(shows == Some(bit(true)) && is_appearance == Some(bit(true)))));
        outputs.push(activations);
        outputs.push(found[5].clone());
        outputs
    }
}

//! What precisions are assigned to: its layers, what they lose and cost in a format, and how good the whole is.

use bitmill_model::WeightFormat;
use rayon::prelude::*;

use super::{Method, Problem, Resource};
use crate::{ExploreError, Goal};

/// A model whose layers may have weights in different formats. Lists by layer are in the order of [`Subject::layers`].
pub trait Subject: Sync {
    /// Names of the layers that choose, with their numbers of weights.
    fn layers(&self) -> Vec<(String, usize)>;

    /// What is lost with the weights of each layer in its format, in real numbers where it has none: 0 for nothing.
    ///
    /// # Errors
    /// A format that the weights cannot be rounded to.
    fn loss(&self, formats: &[Option<&WeightFormat>]) -> Result<f64, ExploreError>;

    /// What every layer costs, with the weights of each in its format.
    ///
    /// # Errors
    /// A model that does not fit the accelerator.
    fn cost(&self, resource: Resource, formats: &[&WeightFormat]) -> Result<Cost, ExploreError>;

    /// What [`Subject::quality`] measures; the last one decides between equals.
    fn measures(&self) -> Vec<Measure>;

    /// How good the model is with the weights of each layer in its format.
    ///
    /// # Errors
    /// A model that cannot be run.
    fn quality(&self, formats: &[&WeightFormat]) -> Result<Vec<f64>, ExploreError>;
}

/// What a model costs.
#[derive(Clone, PartialEq, Debug)]
pub struct Cost {
    /// Of each layer that chooses.
    pub layers: Vec<f64>,
    /// Of all other layers.
    pub rest: f64,
}

impl Cost {
    /// In all.
    pub fn total(&self) -> f64 {
        self.layers.iter().sum::<f64>() + self.rest
    }
}

/// Something that is measured of a model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measure {
    /// What it is, with its unit.
    pub heading: String,
    /// Which way is better.
    pub goal: Goal,
}

/// What layers cost in every format, and once it is measured what they lose.
pub struct Study<'a> {
    subject: &'a dyn Subject,
    resource: Resource,
    formats: &'a [WeightFormat],
    /// What the model costs with all layers in one format, for each format.
    pub uniform: Vec<Cost>,
    /// By layer and format.
    pub sensitivities: Vec<Vec<f64>>,
}

impl<'a> Study<'a> {
    /// Costs with all layers in one format, for each of `formats`; sensitivities come from [`Study::measure`].
    ///
    /// # Errors
    /// A model that does not fit the accelerator.
    pub fn new(
        subject: &'a dyn Subject,
        resource: Resource,
        formats: &'a [WeightFormat],
    ) -> Result<Study<'a>, ExploreError> {
        let layers = subject.layers().len();
        let cost = |format| subject.cost(resource, &vec![format; layers]);
        let uniform = formats.par_iter().map(cost).collect::<Result<_, _>>()?;
        Ok(Study { subject, resource, formats, uniform, sensitivities: Vec::new() })
    }

    /// The least and the most that a model can cost, as far as layers add up.
    pub fn range(&self) -> [f64; 2] {
        let problem = self.problem(0.0);
        let dearest = self.uniform.iter().map(Cost::total).fold(f64::NEG_INFINITY, f64::max);
        [problem.cost(&problem.cheapest()) + self.rest(), dearest]
    }

    /// Measures the sensitivity of every layer in every format. `progress` hears of each, from several threads.
    ///
    /// # Errors
    /// A format that weights cannot be rounded to.
    pub fn measure(&mut self, progress: &(dyn Fn() + Sync)) -> Result<(), ExploreError> {
        let pairs: Vec<(usize, &WeightFormat)> = (0..self.subject.layers().len())
            .flat_map(|layer| self.formats.iter().map(move |format| (layer, format)))
            .collect();
        let sensitivity = |(layer, format): (usize, &WeightFormat)| {
            let mut alone = vec![None; self.subject.layers().len()];
            alone[layer] = Some(format);
            let found = self.subject.loss(&alone);
            progress();
            found
        };
        let all: Vec<f64> = pairs.into_par_iter().map(sensitivity).collect::<Result<_, _>>()?;
        self.sensitivities = all.chunks(self.formats.len()).map(<[f64]>::to_vec).collect();
        Ok(())
    }

    /// The best choice of formats, by position, that costs no more than `budget` as a whole, and what it costs: what `method`
    /// finds, or the best uniform precision within the budget where that loses less with all layers rounded together.
    ///
    /// # Errors
    /// A budget that no choice keeps.
    pub fn choose(&self, budget: f64, method: Method) -> Result<(Vec<usize>, Cost), ExploreError> {
        let uniform = (0..self.formats.len()).filter(|&format| self.uniform[format].total() <= budget);
        let uniform =
            uniform.map(|format| (vec![format; self.subject.layers().len()], &self.uniform[format]));
        let uniform = uniform.min_by(|(a, _), (b, _)| self.sensitivity(a).total_cmp(&self.sensitivity(b)));
        let loss = |choice: &[usize]| {
            self.subject.loss(&self.formats_of(choice).into_iter().map(Some).collect::<Vec<_>>())
        };
        match (self.mixed(budget, method), uniform) {
            (Ok((mixed, _)), Some((uniform, cost))) if loss(&uniform)? < loss(&mixed)? => {
                Ok((uniform, cost.clone()))
            }
            (Err(_), Some((uniform, cost))) => Ok((uniform, cost.clone())),
            (mixed, _) => mixed,
        }
    }

    /// What `method` finds. Where layers do not quite add up, in a run, what they miss by is set aside and the choice is made
    /// again.
    fn mixed(&self, budget: f64, method: Method) -> Result<(Vec<usize>, Cost), ExploreError> {
        let mut allowed = budget;
        loop {
            let problem = self.problem(allowed);
            let choice = problem.solve(method)?;
            let cost = self.subject.cost(self.resource, &self.formats_of(&choice))?;
            let excess = cost.total() - budget;
            if excess <= 1e-9 * budget {
                return Ok((choice, cost));
            }
            // Less than this choice was taken to cost, or it would be made again.
            allowed = allowed.min(problem.cost(&choice) + self.rest()) - excess;
        }
    }

    /// The sum of the sensitivities of a choice.
    pub fn sensitivity(&self, choice: &[usize]) -> f64 {
        choice.iter().zip(&self.sensitivities).map(|(&format, of_layer)| of_layer[format]).sum()
    }

    /// The formats of a choice.
    pub fn formats_of(&self, choice: &[usize]) -> Vec<&'a WeightFormat> {
        choice.iter().map(|&format| &self.formats[format]).collect()
    }

    /// The choice within a budget for the whole model.
    fn problem(&self, budget: f64) -> Problem {
        let layers = self.subject.layers().len();
        let costs =
            (0..layers).map(|layer| self.uniform.iter().map(|cost| cost.layers[layer]).collect()).collect();
        Problem { sensitivities: self.sensitivities_or_zeros(), costs, budget: budget - self.rest() }
    }

    fn sensitivities_or_zeros(&self) -> Vec<Vec<f64>> {
        match self.sensitivities.is_empty() {
            true => vec![vec![0.0; self.formats.len()]; self.subject.layers().len()],
            false => self.sensitivities.clone(),
        }
    }

    /// What layers without a choice cost: the least of all formats, since neighbours have an influence on it.
    fn rest(&self) -> f64 {
        self.uniform.iter().map(|cost| cost.rest).fold(f64::INFINITY, f64::min)
    }
}

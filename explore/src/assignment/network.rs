//! A network with real parameters as what precisions are assigned to.
//!
//! Sensitivity: the noise-to-signal ratio of the network's output, Σ‖y' − y‖² / Σ‖y‖² over the calibration inputs, where y is the
//! float network's output and y' that with the weights of one layer rounded. The noise of layers that are rounded independently
//! adds up in power, which is what lets sensitivities be summed.

use std::collections::BTreeMap;

use bitmill_model::{
    Clipping, Layer, ModelError, PtqConfig, QuantizedNetwork, WeightFormat, quantize, round_layer,
};
use rayon::prelude::*;

use super::hardware::bytes;
use super::{Cost, Hardware, Measure, Resource, Subject};
use crate::workload::{Arithmetic, largest};
use crate::{ExploreError, Goal, Workload};

/// A network on an accelerator.
pub struct NetworkSubject<'a> {
    workload: &'a Workload,
    hardware: &'a Hardware<'a>,
    /// What the answers of the test inputs are to be called.
    answers: &'static str,
    /// Positions of convolutions and fully connected layers.
    layers: Vec<usize>,
    /// Every tensor of the float network, for each calibration input.
    tensors: Vec<Vec<Vec<f32>>>,
    /// The float network's outputs for the inputs on which quality is measured.
    outputs: Vec<Vec<f32>>,
}

impl<'a> NetworkSubject<'a> {
    /// A network with calibration inputs; where it has test inputs, quality is measured on them, and the right answers are
    /// called `answers`.
    ///
    /// # Errors
    /// No calibration inputs, inputs of another shape, or a network without convolutions and fully connected layers.
    pub fn new(
        workload: &'a Workload,
        hardware: &'a Hardware<'a>,
        answers: &'static str,
    ) -> Result<NetworkSubject<'a>, ExploreError> {
        let network = &workload.network;
        let matrix = |(_, layer): &(usize, &Layer)| layer.operation.is_matrix();
        let layers: Vec<usize> =
            network.graph().layers().iter().enumerate().filter(matrix).map(|(index, _)| index).collect();
        if layers.is_empty() || workload.calibration.is_empty() {
            return Err(ExploreError::Assignment(format!(
                "precisions are assigned to convolutions and fully connected layers by what calibration inputs show; found {} \
                 of the former and {} of the latter",
                layers.len(),
                workload.calibration.len()
            )));
        }
        let run = |input: &Vec<f32>| network.run(input);
        let tensors: Vec<Vec<Vec<f32>>> =
            workload.calibration.par_iter().map(run).collect::<Result<_, _>>()?;
        let mut subject =
            NetworkSubject { workload, hardware, answers, layers, tensors, outputs: Vec::new() };
        let output = |input: &&Vec<f32>| Ok(network.run(input)?.pop().unwrap_or_default());
        subject.outputs = subject.inputs().par_iter().map(output).collect::<Result<_, ModelError>>()?;
        Ok(subject)
    }

    /// The inputs on which quality is measured.
    fn inputs(&self) -> Vec<&'a Vec<f32>> {
        match self.workload.test.is_empty() {
            true => self.workload.calibration.iter().collect(),
            false => self.workload.test.iter().map(|(input, _)| input).collect(),
        }
    }

    fn quantized(
        &self,
        inputs: &[Vec<f32>],
        formats: &[&WeightFormat],
    ) -> Result<QuantizedNetwork, ExploreError> {
        let graph = self.workload.network.graph();
        let name = |&layer: &usize| graph.layers()[layer].name.clone();
        let layer_weights: BTreeMap<String, WeightFormat> =
            self.layers.iter().map(name).zip(formats.iter().map(|&format| format.clone())).collect();
        let arithmetic = Arithmetic::of(self.hardware.accelerator);
        let config = PtqConfig { layer_weights, ..arithmetic.ptq()? };
        let network = self.workload.network.clone().with_rows_by(arithmetic.rows);
        Ok(quantize(&network, inputs, &config)?)
    }
}

impl Subject for NetworkSubject<'_> {
    fn layers(&self) -> Vec<(String, usize)> {
        let network = &self.workload.network;
        let entry = |&index: &usize| {
            (network.graph().layers()[index].name.clone(), network.layers()[index].weights.len())
        };
        self.layers.iter().map(entry).collect()
    }

    fn loss(&self, formats: &[Option<&WeightFormat>]) -> Result<f64, ExploreError> {
        let chosen: Vec<(usize, &WeightFormat)> = self
            .layers
            .iter()
            .zip(formats)
            .filter_map(|(&index, format)| Some((index, (*format)?)))
            .collect();
        let Some(&(first, _)) = chosen.first() else { return Ok(0.0) };
        let mut rounded = self.workload.network.clone();
        for (index, format) in chosen {
            rounded = round_layer(&rounded, index, format, Clipping::Mse)?;
        }
        let noise = |tensors: &Vec<Vec<f32>>| {
            let expected = tensors.last().map(Vec::as_slice).unwrap_or_default();
            powers(expected, rounded.resume(first, tensors).into_iter().map(f64::from))
        };
        let all: Vec<[f64; 2]> = self.tensors.par_iter().map(noise).collect();
        Ok(noise_to_signal(all.into_iter()))
    }

    fn cost(&self, resource: Resource, formats: &[&WeightFormat]) -> Result<Cost, ExploreError> {
        let network = &self.workload.network;
        if resource == Resource::Size {
            let weights = |&index: &usize| network.layers()[index].weights.len();
            let layers = self.layers.iter().zip(formats);
            let layers = layers.map(|(index, format)| bytes(weights(index), format.format())).collect();
            // Depthwise layers have int8.
            let others = (0..network.layers().len()).filter(|index| !self.layers.contains(index));
            return Ok(Cost { layers, rest: others.map(|index| weights(&index) as f64).sum() });
        }
        // Neither time nor energy depends on values: one input will do.
        let quantized = self.quantized(&self.workload.calibration[..1], formats)?;
        let all = self.hardware.layers(&quantized, resource)?;
        let layers: Vec<f64> = self.layers.iter().map(|&index| all[index]).collect();
        let rest = all.iter().sum::<f64>() - layers.iter().sum::<f64>();
        Ok(Cost { layers, rest })
    }

    fn measures(&self) -> Vec<Measure> {
        let mut measures = Vec::new();
        if !self.workload.test.is_empty() {
            measures.push(Measure { heading: format!("{} %", self.answers), goal: Goal::Maximise });
        }
        measures.push(Measure { heading: "output SQNR dB".to_owned(), goal: Goal::Maximise });
        measures
    }

    fn quality(&self, formats: &[&WeightFormat]) -> Result<Vec<f64>, ExploreError> {
        let network = self.quantized(&self.workload.calibration, formats)?;
        let output = network.graph().output();
        let run = |(input, expected): (&&Vec<f32>, &Vec<f32>)| -> Result<([f64; 2], usize), ModelError> {
            let integers = network.run(&network.quantize_input(input))?.pop().unwrap_or_default();
            let answer = largest(&integers);
            Ok((powers(expected, network.dequantize(output, &integers).into_iter()), answer))
        };
        let runs: Vec<([f64; 2], usize)> =
            self.inputs().par_iter().zip(&self.outputs).map(run).collect::<Result<_, _>>()?;
        let mut quality = Vec::new();
        if !self.workload.test.is_empty() {
            let right = runs.iter().zip(&self.workload.test).filter(|(run, test)| run.1 == test.1).count();
            quality.push(100.0 * right as f64 / runs.len() as f64);
        }
        quality.push(-10.0 * noise_to_signal(runs.iter().map(|(powers, _)| *powers)).log10());
        Ok(quality)
    }
}

/// Squared difference and squared magnitude of an output.
fn powers(expected: &[f32], found: impl Iterator<Item = f64>) -> [f64; 2] {
    let pairs = expected.iter().map(|&value| f64::from(value)).zip(found);
    pairs.fold([0.0; 2], |[noise, signal], (y, other)| [noise + (y - other).powi(2), signal + y * y])
}

fn noise_to_signal(powers: impl Iterator<Item = [f64; 2]>) -> f64 {
    let [noise, signal] = powers.fold([0.0; 2], |sum, power| [sum[0] + power[0], sum[1] + power[1]]);
    if noise == 0.0 { 0.0 } else { noise / signal }
}

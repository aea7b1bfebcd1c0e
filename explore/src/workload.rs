//! What is run on the hardware: a network, the inputs that quantize it, and inputs whose answers are known.

use bitmill_accelerator::Accelerator;
use bitmill_formats::{Format, Multiplication};
use bitmill_model::{
    ActivationFormat, FloatNetwork, ModelError, PtqConfig, QuantizedNetwork, WeightFormat, quantize,
};

/// A network with data.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The network with real parameters.
    pub network: FloatNetwork,
    /// Inputs for quantization, `[height][width][channels]`.
    pub calibration: Vec<Vec<f32>>,
    /// Inputs with the index of the right output; may be empty.
    pub test: Vec<(Vec<f32>, usize)>,
}

impl Workload {
    /// The network at the first precision of `accelerator`, with the products of its processing elements.
    ///
    /// # Errors
    /// As [`Workload::quantized`].
    pub fn quantized_for(&self, accelerator: &Accelerator) -> Result<QuantizedNetwork, ModelError> {
        let (activation, weight, multiplication) = arithmetic(accelerator);
        self.quantized(activation, weight, multiplication)
    }

    /// The network with activations and weights in these formats, whose products are `multiplication`'s.
    ///
    /// # Errors
    /// A format that activations or weights cannot be rounded to, or calibration inputs that are missing or of
    /// another shape.
    pub fn quantized(
        &self,
        activation: &Format,
        weight: &Format,
        multiplication: Multiplication,
    ) -> Result<QuantizedNetwork, ModelError> {
        let activations = ActivationFormat::new(activation).map_err(ModelError::Input)?;
        let weights = WeightFormat::new(weight.clone()).map_err(ModelError::Input)?;
        let config = PtqConfig { multiplication, ..PtqConfig::new(weights, activations) };
        quantize(&self.network, &self.calibration, &config)
    }

    /// How many percent of the test inputs the float network answers right; `None` without test inputs.
    ///
    /// # Errors
    /// A test input of another shape.
    pub fn float_accuracy_percent(&self) -> Result<Option<f64>, ModelError> {
        self.accuracy_percent(|input| Ok(largest(&self.network.run(input)?.pop().unwrap_or_default())))
    }

    /// How many percent of the test inputs `network` answers right; `None` without test inputs.
    ///
    /// # Errors
    /// A test input of another shape.
    pub fn quantized_accuracy_percent(&self, network: &QuantizedNetwork) -> Result<Option<f64>, ModelError> {
        self.accuracy_percent(|input| {
            let mut tensors = network.run(&network.quantize_input(input))?;
            Ok(largest(&tensors.pop().unwrap_or_default()))
        })
    }

    fn accuracy_percent(
        &self,
        answer: impl Fn(&[f32]) -> Result<usize, ModelError>,
    ) -> Result<Option<f64>, ModelError> {
        let mut right = 0u32;
        for (input, label) in &self.test {
            right += u32::from(answer(input)? == *label);
        }
        Ok((!self.test.is_empty()).then(|| 100.0 * f64::from(right) / self.test.len() as f64))
    }
}

/// The first formats of activations and weights, and what the processing elements make of a pair of them.
pub(crate) fn arithmetic(accelerator: &Accelerator) -> (&Format, &Format, Multiplication) {
    let precision = &accelerator.configuration().precision;
    let (activation, weight) = (precision.activations.first(), precision.weights.first());
    (activation, weight, accelerator.multiplication(activation, weight))
}

/// Position of the largest value, the first of equal ones.
fn largest<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}

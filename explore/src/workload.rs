//! What is run on the hardware: a network, the inputs that quantize it, and inputs whose answers are known.

use bitmill_accelerator::{Accelerator, Nonlinear, RowOperator};
use bitmill_formats::deformable::MOST_FRACTION_BITS;
use bitmill_formats::{Format, Multiplication};
use bitmill_model::{
    ActivationFormat, Exponential, FloatNetwork, ModelError, PtqConfig, QuantizedNetwork, RowArithmetic,
    WeightFormat, quantize,
};
use rayon::prelude::*;

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
        self.quantized(&Arithmetic::of(accelerator))
    }

    /// The network for an arithmetic.
    ///
    /// # Errors
    /// A format that activations or weights cannot be rounded to, or calibration inputs that are missing or of
    /// another shape.
    pub fn quantized(&self, arithmetic: &Arithmetic) -> Result<QuantizedNetwork, ModelError> {
        let network = self.network.clone().with_rows_by(arithmetic.rows);
        quantize(&network, &self.calibration, &arithmetic.ptq()?)
    }

    /// How many percent of the test inputs the float network answers right; `None` without test inputs.
    ///
    /// # Errors
    /// A test input of another shape.
    pub fn float_accuracy_percent(&self) -> Result<Option<f64>, ModelError> {
        self.real_accuracy_percent(&self.network)
    }

    /// The same of another network of real numbers.
    ///
    /// # Errors
    /// A test input of another shape.
    pub fn real_accuracy_percent(&self, network: &FloatNetwork) -> Result<Option<f64>, ModelError> {
        self.accuracy_percent(|input| answer(network, input))
    }

    /// Replaces the right answers of the test inputs by those of the float network, so that accuracies tell how often a network
    /// agrees with it.
    ///
    /// # Errors
    /// A test input of another shape.
    pub fn expect_own_answers(&mut self) -> Result<(), ModelError> {
        let network = &self.network;
        self.test.par_iter_mut().try_for_each(|(input, label)| {
            *label = answer(network, input)?;
            Ok(())
        })
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
        answer: impl Fn(&[f32]) -> Result<usize, ModelError> + Sync,
    ) -> Result<Option<f64>, ModelError> {
        let is_right =
            |(input, label): &(Vec<f32>, usize)| answer(input).map(|answer| u32::from(answer == *label));
        let right: u32 = self.test.par_iter().map(is_right).sum::<Result<u32, ModelError>>()?;
        Ok((!self.test.is_empty()).then(|| 100.0 * f64::from(right) / self.test.len() as f64))
    }
}

/// The output that `network` makes largest.
fn answer(network: &FloatNetwork, input: &[f32]) -> Result<usize, ModelError> {
    Ok(largest(&network.run(input)?.pop().unwrap_or_default()))
}

/// What a network is quantized for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Arithmetic {
    /// Format of the activations.
    pub activation: Format,
    /// Format of the weights.
    pub weight: Format,
    /// Their products.
    pub multiplication: Multiplication,
    /// Most bits of offsets behind the point.
    pub offset_fraction_bits: u32,
    /// Functions of rows.
    pub rows: RowArithmetic,
}

impl Arithmetic {
    /// How networks are quantized for it.
    ///
    /// # Errors
    /// A format that activations or weights cannot be rounded to.
    pub fn ptq(&self) -> Result<PtqConfig, ModelError> {
        let activations = ActivationFormat::new(&self.activation).map_err(ModelError::Input)?;
        let weights = WeightFormat::new(self.weight.clone()).map_err(ModelError::Input)?;
        Ok(PtqConfig {
            multiplication: self.multiplication,
            offset_fraction_bits: self.offset_fraction_bits,
            ..PtqConfig::new(weights, activations)
        })
    }

    /// The first formats of `accelerator`, the products of its processing elements, the points of its sampler, and what
    /// its row units do.
    pub fn of(accelerator: &Accelerator) -> Arithmetic {
        let precision = &accelerator.configuration().precision;
        let (activation, weight) = (precision.activations.first(), precision.weights.first());
        let sampler = accelerator.sampler();
        Arithmetic {
            activation: activation.clone(),
            weight: weight.clone(),
            multiplication: accelerator.multiplication(activation, weight),
            offset_fraction_bits: sampler
                .map_or(MOST_FRACTION_BITS, |sampler| sampler.sampling().fraction_bits),
            rows: accelerator.configuration().nonlinear.as_ref().map(rows).unwrap_or_default(),
        }
    }
}

/// What these row units do; exponentials by shifts where there are both.
fn rows(units: &Nonlinear) -> RowArithmetic {
    let has = |operator| units.operators.contains(&operator);
    let is_by_table = has(RowOperator::SoftmaxByTable) && !has(RowOperator::Softmax);
    let exponential = if is_by_table { Exponential::Table } else { Exponential::Shifts };
    RowArithmetic { exponential, root: units.root.root() }
}

/// Position of the largest value, the first of equal ones.
pub(crate) fn largest<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}

#[cfg(test)]
mod tests {
    use bitmill_accelerator::Configuration;
    use bitmill_model::Root;

    use super::*;

    #[test]
    fn functions_of_rows_are_what_the_row_units_compute() {
        let arithmetic = |nonlinear: &str| {
            let yaml = format!(
                "name: w\nprecision: {{activations: int8, weights: int8}}\npe: {{kind: integer, lanes: 4}}\n\
                 array: {{rows: 4, columns: 8}}\nscratchpads: {{activations_kib: 16, weights_kib: 16}}\n{nonlinear}"
            );
            let configuration = Configuration::from_yaml(&yaml).expect("well-formed");
            Arithmetic::of(&Accelerator::new(configuration).expect("legal")).rows
        };
        let (shifts, table) = (Exponential::Shifts, Exponential::Table);
        for (nonlinear, exponential, root) in [
            ("nonlinear: {operators: [softmax, softmax_by_table]}\n", shifts, Root::Floor),
            (
                "nonlinear: {operators: [softmax_by_table], root: ten_iterations}\n",
                table,
                Root::TenIterations,
            ),
        ] {
            assert_eq!(arithmetic(nonlinear), RowArithmetic { exponential, root }, "{nonlinear}");
        }
        assert_eq!(arithmetic(""), RowArithmetic::default());
    }
}

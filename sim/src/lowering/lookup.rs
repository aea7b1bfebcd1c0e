//! Lookup tables: what each code of a layer's input becomes.

use bitmill_accelerator::Target;

use super::layer::Context;
use crate::layout::Lines;

impl Context<'_> {
    /// The table of a lookup layer: for each code of the accelerator's word, the code of the layer's result.
    pub fn table_line(&self) -> Lines {
        let mut line = Lines::new(self.accelerator, Target::Tables, 1);
        let (input, output) = (&self.input().word, &self.output().word);
        let quantization = self.network.quantization(self.layer.inputs[0]);
        let integers: Vec<i32> = (quantization.min()..=quantization.max()).collect();
        let slot = self.accelerator.table_slot_bits();
        for (&integer, result) in integers.iter().zip(self.network.lookup_results(self.index)) {
            line.put(0, input.code(integer) * slot, output.bits(), output.code(result).into());
        }
        line
    }
}

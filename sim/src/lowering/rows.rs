//! Softmax, GELU and LayerNorm as commands of the row units.

use bitmill_accelerator::{RowOperator, Rows, Tokens};
use bitmill_model::{Exponential, RowOperator as Function};

use super::chunk::{Chunk, ChunkCommand, ChunkWeights, Slice};
use super::layer::Context;
use crate::SimulationError;

impl Context<'_> {
    /// The command of `function` and its parameters.
    pub fn rows(&self, function: Function) -> Result<Chunk, SimulationError> {
        self.check_vector_words()?;
        let (input, output) = (self.input(), self.output());
        let operator = match function {
            Function::Softmax { exponential: Exponential::Shifts } => RowOperator::Softmax,
            Function::Softmax { exponential: Exponential::Table } => RowOperator::SoftmaxByTable,
            Function::Gelu => RowOperator::Gelu,
            Function::LayerNorm { .. } => RowOperator::LayerNorm,
        };
        let length = self.network.graph().shape(self.layer.output).channels as u32;
        self.check_row(function, operator, length)?;
        let setting = function
            .setting(self.network.quantization(self.layer.inputs[0]).scale)
            .map_err(|what| self.unsupported(what))?;
        let rows = Rows {
            tokens: Tokens::default(),
            operator,
            rounding: self.parameters.requantization,
            zero_point: self.parameters.offset,
            low: self.parameters.low,
            high: self.parameters.high,
            input_line: input.line,
            length,
            one: setting.unwrap_or(1),
            pixels: output.pixels(),
            parameter_line: 0,
            output_line: output.line,
            output_format: self.output_format(),
        };
        let blocks = output.blocks();
        Ok(Chunk {
            layer: self.index,
            slice: Slice { source: 0, first_block: 0, output_block: 0, blocks },
            command: ChunkCommand::Rows(rows),
            weights: ChunkWeights::None,
            parameter_lines: blocks,
            lookup: None,
            residual: None,
        })
    }

    /// Checks that there is a row unit for it.
    fn check_row(
        &self,
        function: Function,
        operator: RowOperator,
        length: u32,
    ) -> Result<(), SimulationError> {
        let name = operator.name();
        let Some(units) = self.accelerator.row_units().filter(|units| units.has(operator)) else {
            return Err(self.unsupported(format!("row unit for {name}: add {name} to nonlinear.operators")));
        };
        if length > units.longest_row() {
            let longest = units.longest_row();
            return Err(self.unsupported(format!(
                "room for rows of {length} elements, only for {longest}: raise nonlinear.longest_row"
            )));
        }
        if let Function::LayerNorm { root } = function
            && root != units.root()
        {
            let legal =
                format!("root like that of the layer, {root:?}: change nonlinear.root, {:?}", units.root());
            return Err(self.unsupported(legal));
        }
        let zero_point = self.network.quantization(self.layer.inputs[0]).zero_point;
        if zero_point != 0 {
            return Err(self.unsupported(format!(
                "{name} of activations with zero point {zero_point}: 0 is legal, symmetric activations"
            )));
        }
        Ok(())
    }
}

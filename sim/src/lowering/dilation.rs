//! Inputs whose positions lie apart: transposed convolutions, and nearest resizes as transposed sums of one input each.

use bitmill_model::{Extent, Padding, Window};

use super::layer::Context;
use crate::SimulationError;

/// The window with which a sum makes `factor` of each input position: every output meets one input among its taps.
pub(super) fn resizing(factor: Extent) -> Window {
    let padding = Padding {
        top: factor.height - 1,
        left: factor.width - 1,
        bottom: factor.height - 1,
        right: factor.width - 1,
    };
    Window { kernel: factor, padding, input_dilation: factor, ..Window::square(1) }
}

impl Context<'_> {
    /// log2 of the step between neighbouring positions of the input.
    pub fn input_dilation_log2(&self, window: &Window) -> Result<u32, SimulationError> {
        let Extent { height, width } = window.input_dilation;
        // A single row or column has no neighbours.
        let shape = self.input().shape;
        let dilation = match (shape.height, shape.width) {
            (1, 1) => 1,
            (1, _) => width,
            (_, 1) => height,
            _ if height == width => height,
            _ => {
                return Err(self.unsupported(format!(
                    "input whose rows lie {height} and columns {width} apart: both must be the same"
                )));
            }
        };
        let most = 1 << self.accelerator.most_input_dilation_log2();
        if dilation.is_power_of_two() && dilation <= most {
            return Ok(dilation.ilog2());
        }
        let what = match dilation {
            2 | 4 | 8 => format!("input dilation of {dilation}: set array.input_dilation to {dilation}"),
            _ => format!("input dilation of {dilation}: 1, 2, 4 and 8 are legal"),
        };
        Err(self.unsupported(what))
    }
}

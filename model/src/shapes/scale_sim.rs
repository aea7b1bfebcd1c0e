//! SCALE-Sim: its topology files, and the cycles that its analytical model gives for a systolic array.
//!
//! Source: Samajdar et al., "A Systematic Methodology for Characterizing Scalability of DNN Accelerators using
//! SCALE-Sim", ISPASS 2020, section III-B. A fold of a weight-stationary array fills R rows, streams T columns
//! and drains: 2R + C + T − 2 cycles; an output-stationary one R + C + T − 2. A layer takes ⌈Sr/R⌉·⌈Sc/C⌉ folds;
//! SCALE-Sim counts cycles from 0, so its total is one less.

use super::ShapeLayer;
use crate::ModelError;
use crate::network::Operation;
use crate::shape::{Extent, Padding, Shape, Window};

/// Which operand stays in the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dataflow {
    /// Weights: rows are the elements of a window, columns filters, time output pixels.
    WeightStationary,
    /// Sums: rows are output pixels, columns filters, time the elements of a window.
    OutputStationary,
}

/// Cycles of one layer, all repeats, on an array of `rows` × `columns`, by SCALE-Sim's closed form: no memory.
///
/// # Errors
/// When the layer's shapes do not suit it, or the array has no rows or columns.
pub fn closed_form_cycles(
    layer: &ShapeLayer,
    rows: usize,
    columns: usize,
    dataflow: Dataflow,
) -> Result<u64, ModelError> {
    if rows == 0 || columns == 0 {
        return Err(ModelError::Input(format!("an array of {rows}x{columns} has no PEs")));
    }
    let network = layer.network()?;
    let output = network.shape(network.output());
    let terms = layer.operation.terms(layer.input);
    let groups = match layer.operation {
        Operation::Convolution { groups, .. } => groups,
        Operation::Depthwise { .. } => layer.input.channels,
        _ => 1,
    };
    let (pixels, filters) = (output.height * output.width, output.channels / groups);
    let (spatial_rows, time, fill) = match dataflow {
        Dataflow::WeightStationary => (terms, pixels, 2 * rows),
        Dataflow::OutputStationary => (pixels, terms, rows),
    };
    let folds = (spatial_rows.div_ceil(rows) * filters.div_ceil(columns)) as u64;
    let fold_cycles = (fill + columns + time - 2) as u64;
    Ok((folds * fold_cycles * groups as u64).saturating_sub(1).saturating_mul(layer.repeats as u64))
}

/// Reads a topology file: convolutions (name, input height and width, filter height and width, channels, filters,
/// stride or strides) or matrix products (name, M, N, K), told apart by the header.
///
/// # Errors
/// The line, what was found there, and what would be legal.
pub fn read_topology(text: &str) -> Result<Vec<ShapeLayer>, ModelError> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let error =
        |line: usize, problem: String| ModelError::Input(format!("topology, line {}: {problem}", line + 1));
    let (_, header) = lines.next().ok_or_else(|| ModelError::Input("the topology is empty".to_owned()))?;
    let columns = header.split(',').filter(|cell| !cell.trim().is_empty()).count();
    let is_matrix = columns == 4;
    if !is_matrix && columns < 8 {
        return Err(error(0, format!("a header of 4 (M, N, K) or 8 columns is expected, found {columns}")));
    }
    let mut layers = Vec::new();
    for (number, line) in lines {
        let mut cells = line.split(',').map(str::trim);
        let name = cells.next().unwrap_or_default();
        let sizes = cells.take_while(|cell| !cell.is_empty()).map(|cell| {
            let size = cell.parse::<usize>().ok().filter(|size| (1..=1 << 24).contains(size));
            size.ok_or_else(|| error(number, format!("`{cell}` is not a size in 1..=16777216")))
        });
        let sizes = sizes.collect::<Result<Vec<usize>, _>>()?;
        let layer = match (is_matrix, &sizes[..]) {
            (true, &[rows, columns, inner]) => ShapeLayer::matrix(name, [rows, inner, columns], 1),
            (false, &[height, width, rows, columns, channels, filters, stride]) => convolution(
                name,
                Shape { height, width, channels },
                (rows, columns),
                filters,
                (stride, stride),
            ),
            (false, &[height, width, rows, columns, channels, filters, stride, across]) => convolution(
                name,
                Shape { height, width, channels },
                (rows, columns),
                filters,
                (stride, across),
            ),
            (_, found) => {
                let expected = if is_matrix { "3" } else { "7 or 8" };
                return Err(error(number, format!("{expected} sizes are expected, found {}", found.len())));
            }
        };
        layer.network().map_err(|problem| error(number, problem.to_string()))?;
        layers.push(layer);
    }
    Ok(layers)
}

/// A convolution with SCALE-Sim's ⌈(input − filter + stride) / stride⌉ outputs: the last window may hang over the
/// end of the input, which stands for padding that the file's sizes do not show.
fn convolution(
    name: &str,
    input: Shape,
    (rows, columns): (usize, usize),
    filters: usize,
    (down, across): (usize, usize),
) -> ShapeLayer {
    let missing = |size: usize, kernel: usize, stride: usize| {
        let rest = size.saturating_sub(kernel) % stride;
        if rest == 0 { 0 } else { stride - rest }
    };
    let padding = Padding {
        bottom: missing(input.height, rows, down),
        right: missing(input.width, columns, across),
        ..Padding::default()
    };
    let window = Window {
        kernel: Extent::new(rows, columns),
        stride: Extent::new(down, across),
        padding,
        ..Window::square(1)
    };
    let operation = Operation::Convolution { window, out_channels: filters, groups: 1 };
    ShapeLayer { name: name.to_owned(), input, operation, repeats: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVOLUTIONS: &str = "\
Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
Conv1, 34, 34, 3, 3, 3, 64, 1,
Down,  33, 34, 3, 3, 64, 128, 2,

FC, 1, 1, 1, 1, 512, 10, 1,
";

    #[test]
    fn convolutions_are_read_with_their_outputs() {
        let layers = read_topology(CONVOLUTIONS).unwrap();
        let outputs: Vec<String> = layers
            .iter()
            .map(|layer| {
                let network = layer.network().unwrap();
                network.shape(network.output()).to_string()
            })
            .collect();
        assert_eq!(outputs, ["32x32x64", "16x17x128", "1x1x10"]);
        assert_eq!(layers[0].macs().unwrap(), 32 * 32 * 64 * 27);
    }

    #[test]
    fn the_closed_form_counts_folds() {
        let layers = read_topology(CONVOLUTIONS).unwrap();
        // Conv1 on 8×8: 27 window elements in 4 folds of rows, 64 filters in 8 of columns, 1024 pixels.
        let cycles = |layer, dataflow| closed_form_cycles(layer, 8, 8, dataflow).unwrap();
        assert_eq!(cycles(&layers[0], Dataflow::WeightStationary), 4 * 8 * (16 + 8 + 1024 - 2) - 1);
        assert_eq!(cycles(&layers[0], Dataflow::OutputStationary), 128 * 8 * (8 + 8 + 27 - 2) - 1);
    }

    #[test]
    fn matrix_products_are_told_by_their_header() {
        let layers = read_topology("Layer, M, N, K,\nqkv, 197, 2304, 768,\n").unwrap();
        assert_eq!(layers, [ShapeLayer::matrix("qkv", [197, 768, 2304], 1)]);
        assert_eq!(layers[0].macs().unwrap(), 197 * 768 * 2304);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            ("", "the topology is empty"),
            ("a, b\n", "line 1: a header of 4 (M, N, K) or 8 columns is expected, found 2"),
            ("Layer, M, N, K\nx, 1, 2\n", "line 2: 3 sizes are expected, found 2"),
            ("Layer, M, N, K\nx, 1, 2, many\n", "line 2: `many` is not a size"),
            ("Layer, M, N, K\nx, 1, 0, 2\n", "line 2: `0` is not a size"),
            (
                "n, h, w, r, s, c, k, stride,\nx, 2, 2, 3, 3, 1, 1, 1,\n",
                "line 2: layer `x`: the window spans 3x3 positions but the padded input has 2x2",
            ),
        ] {
            let error = read_topology(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}

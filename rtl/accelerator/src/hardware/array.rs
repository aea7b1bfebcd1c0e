//! The array: rows of PEs that share an activation word, columns that share a weight word.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use crate::Accelerator;

/// One row: a PE for every column.
fn row(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let pe = accelerator.pe();
    let (name, columns) = (&accelerator.configuration().name, accelerator.columns());
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_array_row"),
        format!("one output pixel: {columns} PEs, one output channel each, on one activation word."),
    );
    let element = pe.circuit()?;
    m.group("Control");
    let controls = ["valid_i", "first_i", "last_i"].map(|port| (port, m.input(port, unsigned(1))));
    m.group("Operands");
    let activation = m.input("activation_i", unsigned(pe.activation_bits()));
    let weights: Vec<Signal> =
        (0..columns).map(|c| m.input(&format!("weight_{c}_i"), unsigned(pe.weight_bits()))).collect();
    let mut results = Vec::new();
    for (column, weight) in weights.into_iter().enumerate() {
        let mut inputs = controls.to_vec();
        inputs.extend([("activation_i", activation), ("weight_i", weight)]);
        results.push(m.instance(&format!("i_pe_{column}"), &element, &inputs).output("result_o"));
    }
    m.group("Results");
    for (column, result) in results.into_iter().enumerate() {
        m.output(&format!("result_{column}_o"), result);
    }
    m.finish()
}

/// Name of the result port of a PE.
pub(super) fn result_port(row: u32, column: u32) -> String {
    format!("result_{row}_{column}_o")
}

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let pe = accelerator.pe();
    let (name, rows, columns) =
        (&accelerator.configuration().name, accelerator.rows(), accelerator.columns());
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_array"),
        format!("output-stationary array of {rows} pixels by {columns} channels."),
    );
    let row_module = row(accelerator)?;
    m.group("Control");
    let controls = ["valid_i", "first_i", "last_i"].map(|port| (port, m.input(port, unsigned(1))));
    m.group("Activations, a word for every row");
    let activations: Vec<Signal> =
        (0..rows).map(|r| m.input(&format!("activation_{r}_i"), unsigned(pe.activation_bits()))).collect();
    m.group("Weights, a word for every column");
    let weights: Vec<(String, Signal)> = (0..columns)
        .map(|c| format!("weight_{c}_i"))
        .map(|port| (port.clone(), m.input(&port, unsigned(pe.weight_bits()))))
        .collect();
    let mut results = Vec::new();
    for (row, activation) in (0..rows).zip(activations) {
        let mut inputs = controls.to_vec();
        inputs.push(("activation_i", activation));
        inputs.extend(weights.iter().map(|(port, signal)| (port.as_str(), *signal)));
        let instance = m.instance(&format!("i_row_{row}"), &row_module, &inputs);
        for column in 0..columns {
            results.push((result_port(row, column), instance.output(&format!("result_{column}_o"))));
        }
    }
    m.group("Results, row by row");
    for (port, result) in results {
        m.output(&port, result);
    }
    m.finish()
}

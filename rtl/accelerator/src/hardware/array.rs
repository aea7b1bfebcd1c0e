//! The array: rows of PEs that share an activation word, columns that share a weight word.
//!
//! What all PEs of a row (a column) make of their word alike stands once, in the row's (column's) head, if the
//! kind of PE has one.

use std::sync::Arc;

use bitmill_hdl::{HdlError, InstanceHandle, Module, ModuleBuilder, Signal, unsigned};

use crate::Accelerator;

/// Ports that say what the PEs do in a cycle, by name and width.
fn control_ports(accelerator: &Accelerator) -> Vec<(&'static str, u32)> {
    let pe = accelerator.pe();
    let ports = [
        ("valid_i", 1),
        ("first_i", 1),
        ("last_i", 1),
        ("mode_i", pe.mode_bits()),
        ("phase_i", pe.phase_bits()),
    ];
    ports.into_iter().filter(|(_, width)| *width > 0).collect()
}

/// Those of `controls` that `module` has, then `operands`.
fn connect<'m>(
    m: &'m ModuleBuilder,
    name: &str,
    module: &Arc<Module>,
    controls: &[(&'static str, Signal<'m>)],
    operands: &[(&str, Signal<'m>)],
) -> InstanceHandle<'m> {
    let mut inputs: Vec<(&str, Signal)> =
        controls.iter().filter(|(port, _)| module.port(port).is_some()).copied().collect();
    inputs.extend(operands);
    m.instance(name, module, &inputs)
}

/// One row: its head, and a PE for every column.
fn row(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let pe = accelerator.pe();
    let (name, columns) = (&accelerator.configuration().name, accelerator.columns());
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_array_row"),
        format!("one output pixel: {columns} PEs on one activation word."),
    );
    let (element, head) = (pe.circuit()?, pe.row_head()?);
    let used = |port: &str| {
        element.port(port).is_some() || head.as_ref().is_some_and(|head| head.port(port).is_some())
    };
    m.group("Control");
    let controls: Vec<(&str, Signal)> = control_ports(accelerator)
        .into_iter()
        .filter(|(port, _)| used(port))
        .map(|(port, width)| (port, m.input(port, unsigned(width))))
        .collect();
    m.group("Operands");
    let mut activation = m.input("activation_i", unsigned(pe.activation_bits()));
    let (_, weight) = element.port("weight_i").expect("a PE takes weights");
    let weights: Vec<Signal> =
        (0..columns).map(|c| m.input(&format!("weight_{c}_i"), unsigned(weight.shape.width))).collect();
    if let Some(head) = head {
        let head = connect(&m, "i_head", &head, &controls, &[("activation_i", activation)]);
        activation = head.output("activation_o");
    }
    let mut results = Vec::new();
    for (column, weight) in weights.into_iter().enumerate() {
        let operands = [("activation_i", activation), ("weight_i", weight)];
        let instance = connect(&m, &format!("i_pe_{column}"), &element, &controls, &operands);
        let sums = element.outputs().filter(|port| port.name.starts_with("result"));
        results.extend(sums.map(|port| instance.output(&port.name).as_signed()));
    }
    m.group("Results");
    for (output, result) in results.into_iter().enumerate() {
        m.output(&format!("result_{output}_o"), result);
    }
    m.finish()
}

/// Name of the result port of an output channel of a row.
pub(super) fn result_port(row: u32, output: u32) -> String {
    format!("result_{row}_{output}_o")
}

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let pe = accelerator.pe();
    let (name, rows, columns) =
        (&accelerator.configuration().name, accelerator.rows(), accelerator.columns());
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_array"),
        format!("output-stationary array of {rows} pixels by {columns} columns."),
    );
    let (row_module, head) = (row(accelerator)?, pe.column_head()?);
    m.group("Control");
    let controls: Vec<(&str, Signal)> = control_ports(accelerator)
        .into_iter()
        .map(|(port, width)| (port, m.input(port, unsigned(width))))
        .collect();
    m.group("Activations, a word for every row");
    let activations: Vec<Signal> =
        (0..rows).map(|r| m.input(&format!("activation_{r}_i"), unsigned(pe.activation_bits()))).collect();
    m.group("Weights, a word for every column");
    let ports: Vec<String> = (0..columns).map(|c| format!("weight_{c}_i")).collect();
    let mut weights: Vec<Signal> =
        ports.iter().map(|port| m.input(port, unsigned(pe.weight_bits()))).collect();
    if let Some(head) = head {
        for (column, weight) in weights.iter_mut().enumerate() {
            let instance =
                connect(&m, &format!("i_head_{column}"), &head, &controls, &[("weight_i", *weight)]);
            *weight = instance.output("weight_o");
        }
    }
    let mut results = Vec::new();
    for (row, activation) in (0..rows).zip(activations) {
        let mut operands = vec![("activation_i", activation)];
        operands.extend(ports.iter().map(String::as_str).zip(weights.iter().copied()));
        let instance = connect(&m, &format!("i_row_{row}"), &row_module, &controls, &operands);
        for output in 0..accelerator.outputs() {
            results.push((result_port(row, output), instance.output(&format!("result_{output}_o"))));
        }
    }
    m.group("Results, row by row");
    for (port, result) in results {
        m.output(&port, result);
    }
    m.finish()
}

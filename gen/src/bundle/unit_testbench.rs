//! A self-checking testbench of one unit: its own stimulus, and the outputs that its model predicts.

use bitmill_hdl::unit::{Random, Unit};
use bitmill_hdl::{BigUint, HdlError, Module};

use super::{connections, fill};
use crate::output::Files;

/// Cycles of stimulus that are asked for; an exhaustive stimulus may take more.
const CYCLES: usize = 1000;

/// The same stimulus in every bundle.
const SEED: u64 = 1;

/// The testbench of `unit` with its vectors.
///
/// # Errors
/// Only on our own bugs.
pub fn testbench(unit: &dyn Unit) -> Result<Files, HdlError> {
    let module = unit.module()?;
    let stimulus = unit.stimulus(&mut Random::new(SEED), CYCLES);
    let mut model = unit.model();
    let input_widths: Vec<u32> = module.inputs().map(|port| port.shape.width).collect();
    let output_widths: Vec<u32> = module.outputs().map(|port| port.shape.width).collect();
    let (mut inputs, mut expected, mut defined) = (String::new(), String::new(), String::new());
    for values in &stimulus {
        let outputs = model.cycle(values);
        let known = outputs.iter().map(|value| value.clone().unwrap_or_default());
        let masks = outputs.iter().zip(&output_widths).map(|(value, width)| {
            if value.is_some() { (BigUint::from(1u8) << *width) - 1u8 } else { BigUint::ZERO }
        });
        inputs.push_str(&line(values.iter().cloned(), &input_widths));
        expected.push_str(&line(known, &output_widths));
        defined.push_str(&line(masks, &output_widths));
    }
    let top = &module.name;
    let text = fill(
        include_str!("unit_tb.v"),
        &[
            ("TOP", top.clone()),
            ("CYCLES", stimulus.len().to_string()),
            ("INPUT_BITS", input_widths.iter().sum::<u32>().to_string()),
            ("OUTPUT_BITS", output_widths.iter().sum::<u32>().to_string()),
            ("CONNECTIONS", ports(&module)),
        ],
    );
    let mut files = Files::default();
    files.add(format!("tb/{top}_tb.v"), text);
    files.add("tb/stimulus.hex", inputs);
    files.add("tb/expected.hex", expected);
    files.add("tb/defined.hex", defined);
    Ok(files)
}

/// Values side by side, the first lowest, as a line of hexadecimal.
fn line(values: impl Iterator<Item = BigUint>, widths: &[u32]) -> String {
    let (word, _) = values
        .zip(widths)
        .fold((BigUint::ZERO, 0), |(word, lsb), (value, &width)| (word | (value << lsb), lsb + width));
    let digits = widths.iter().sum::<u32>().div_ceil(4) as usize;
    format!("{word:0digits$x}\n")
}

fn ports(module: &Module) -> String {
    let mut pairs = Vec::new();
    if module.clocked {
        pairs.push(("clk_i".to_owned(), "clk".to_owned()));
        pairs.push(("rst_ni".to_owned(), "rst_n".to_owned()));
    }
    for (bus, ports) in
        [("inputs", module.inputs().collect::<Vec<_>>()), ("outputs", module.outputs().collect())]
    {
        let mut lsb = 0;
        for port in ports {
            let msb = lsb + port.shape.width - 1;
            let range = if msb == lsb { format!("{bus}[{lsb}]") } else { format!("{bus}[{msb}:{lsb}]") };
            pairs.push((port.name.clone(), range));
            lsb = msb + 1;
        }
    }
    connections(&pairs)
}

//! Packs stimulus into the words that the simulation reads, and unpacks its responses.
//!
//! Stimulus file: for each bench its number of cycles (64 bits), then its cycles; response file: the cycles
//! of each bench. A cycle is the bits of the ports, first port lowest, in 32-bit words; all little-endian.

use bitmill_hdl::unit::Values;
use bitmill_hdl::{BigUint, Module};

use super::Bench;
use crate::TestbenchError;

/// Words in Verilator's narrowest array type: with at least as many, every vector has that type.
const LEAST_WORDS: usize = 3;

/// Port widths of a module, by direction.
pub(super) struct Layout {
    inputs: Vec<u32>,
    outputs: Vec<u32>,
}

impl Layout {
    pub(super) fn of(module: &Module) -> Layout {
        Layout {
            inputs: module.inputs().map(|port| port.shape.width).collect(),
            outputs: module.outputs().map(|port| port.shape.width).collect(),
        }
    }

    pub(super) fn input_words(&self) -> usize {
        words(&self.inputs)
    }

    pub(super) fn output_words(&self) -> usize {
        words(&self.outputs)
    }
}

fn words(widths: &[u32]) -> usize {
    (widths.iter().sum::<u32>().div_ceil(32) as usize).max(LEAST_WORDS)
}

pub(super) fn encode(benches: &[Bench], layouts: &[Layout]) -> Result<Vec<u8>, TestbenchError> {
    let mut bytes = Vec::new();
    for (bench, layout) in benches.iter().zip(layouts) {
        bytes.extend((bench.stimulus.len() as u64).to_le_bytes());
        for (cycle, values) in bench.stimulus.iter().enumerate() {
            check(bench.module, layout, cycle, values)?;
            let mut packed = vec![0u32; layout.input_words()];
            let mut lsb = 0;
            for (value, width) in values.iter().zip(&layout.inputs) {
                place(&mut packed, lsb, value);
                lsb += width;
            }
            bytes.extend(packed.iter().flat_map(|word| word.to_le_bytes()));
        }
    }
    Ok(bytes)
}

fn check(module: &Module, layout: &Layout, cycle: usize, values: &Values) -> Result<(), TestbenchError> {
    let refuse =
        |problem: String| Err(TestbenchError::Stimulus { module: module.name.clone(), cycle, problem });
    if values.len() != layout.inputs.len() {
        return refuse(format!("{} values for {} input ports", values.len(), layout.inputs.len()));
    }
    match module.inputs().zip(values).find(|(port, value)| value.bits() > u64::from(port.shape.width)) {
        Some((port, value)) => refuse(format!("{value:#x} does not fit `{}` ({})", port.name, port.shape)),
        None => Ok(()),
    }
}

/// Ors `value` into `words` from bit `lsb` on.
fn place(words: &mut [u32], lsb: u32, value: &BigUint) {
    let (first, shift) = ((lsb / 32) as usize, lsb % 32);
    for (index, digit) in value.iter_u32_digits().enumerate() {
        let wide = u64::from(digit) << shift;
        words[first + index] |= wide as u32;
        if wide >> 32 != 0 {
            words[first + index + 1] |= (wide >> 32) as u32;
        }
    }
}

pub(super) fn decode(
    benches: &[Bench],
    layouts: &[Layout],
    bytes: &[u8],
) -> Result<Vec<Vec<Values>>, TestbenchError> {
    let size = |bench: &Bench, layout: &Layout| 4 * layout.output_words() * bench.stimulus.len();
    let needed = benches.iter().zip(layouts).map(|(bench, layout)| size(bench, layout)).sum();
    if bytes.len() != needed {
        return Err(TestbenchError::Responses { found: bytes.len(), needed });
    }
    let mut rest = bytes;
    let mut seen = Vec::with_capacity(benches.len());
    for (bench, layout) in benches.iter().zip(layouts) {
        let (own, others) = rest.split_at(size(bench, layout));
        rest = others;
        seen.push(own.chunks_exact(4 * layout.output_words()).map(|cycle| unpack(layout, cycle)).collect());
    }
    Ok(seen)
}

fn unpack(layout: &Layout, cycle: &[u8]) -> Values {
    let mut lsb = 0;
    layout
        .outputs
        .iter()
        .map(|&width| {
            let bytes = &cycle[(lsb / 8) as usize..(lsb + width).div_ceil(8) as usize];
            let value = (BigUint::from_bytes_le(bytes) >> (lsb % 8)) & ((BigUint::from(1u8) << width) - 1u8);
            lsb += width;
            value
        })
        .collect()
}

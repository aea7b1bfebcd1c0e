//! Stimulus of combinational units: everything where that is possible, else random codes that meet.

use bitmill_hdl::unit::{Random, Values, lane};
use bitmill_hdl::{BigUint, Module};

/// Most input bits that are counted through.
const EXHAUSTIVE_BITS: u32 = 16;

/// Every combination of inputs if there are at most 2^16 and the caller asks for as many cycles;
/// otherwise random inputs with corners.
pub(super) fn all_or_random(module: &Module, random: &mut Random, cycles: usize) -> Vec<Values> {
    all(module, cycles).unwrap_or_else(|| (0..cycles).map(|_| random.inputs(module)).collect())
}

/// As [`all_or_random`] for operations on two codes of `bits` bits, which come first: random pairs often
/// lie close together or opposite each other, where sums cancel and ties arise.
pub(super) fn all_or_pairs(module: &Module, random: &mut Random, cycles: usize, bits: u32) -> Vec<Values> {
    all(module, cycles).unwrap_or_else(|| {
        (0..cycles)
            .map(|_| {
                let mut values = random.inputs(module);
                [values[0], values[1]] = pair(random, bits);
                values
            })
            .collect()
    })
}

fn all(module: &Module, cycles: usize) -> Option<Vec<Values>> {
    let widths: Vec<u32> = module.inputs().map(|port| port.shape.width).collect();
    let bits: u32 = widths.iter().sum();
    if bits > EXHAUSTIVE_BITS || cycles < 1 << bits {
        return None;
    }
    let split = |word: u32| {
        let word = BigUint::from(word);
        let mut lsb = 0;
        let mut field = |width: &u32| {
            let value = lane(&(&word >> lsb), 0, *width);
            lsb += width;
            value
        };
        widths.iter().map(&mut field).collect()
    };
    Some((0..1u32 << bits).map(split).collect())
}

fn pair(random: &mut Random, bits: u32) -> [BigUint; 2] {
    let a = random.corner_bits(bits);
    let mask = (BigUint::from(1u8) << bits) - 1u8;
    let b = match random.below(6) {
        // Few bits differ: the same binade, or a neighbour.
        0 => &a ^ (BigUint::from(1u8) << random.below(bits.into())),
        // The opposite sign bit, or the two's complement negative, and a little beside it.
        1 => &a ^ (BigUint::from(1u8) << (bits - 1)) ^ random.bits(bits.min(3)),
        2 => (&mask - &a + random.bits(2)) & &mask,
        // The same upper half.
        3 => (&a >> (bits / 2) << (bits / 2)) | random.bits((bits / 2).max(1)),
        _ => random.corner_bits(bits),
    };
    if random.one_in(2) { [a, b & mask] } else { [b & mask, a] }
}

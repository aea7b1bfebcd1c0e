//! Instructions of the flattened graph and what they compute.

use num_bigint::BigUint;
use num_traits::{One, Zero};

use super::{Slot, mask};
use crate::module::Op;

/// One operation on slots.
pub(super) struct Instruction {
    op: Op,
    result: Slot,
    operands: Box<[Slot]>,
    narrow: bool,
}

impl Instruction {
    pub(super) fn new(op: Op, result: Slot, operands: &[Slot]) -> Instruction {
        let narrow = result.shape.width <= 64 && operands.iter().all(|o| o.shape.width <= 64);
        Instruction { op, result, operands: operands.into(), narrow }
    }
}

pub(super) fn run(instructions: &[Instruction], values: &mut [u64]) {
    for instruction in instructions {
        if instruction.narrow {
            let value = narrow(instruction, values);
            values[instruction.result.word as usize] = value & mask(instruction.result.shape.width);
        } else {
            wide(instruction, values);
        }
    }
}

pub(super) fn extend_sign(value: u64, width: u32) -> i64 {
    let unused = 64 - width.min(64);
    ((value << unused) as i64) >> unused
}

/// Every signal fits a machine word. Results may carry bits above their width; the caller masks them.
#[inline(always)]
fn narrow(instruction: &Instruction, values: &[u64]) -> u64 {
    let operands = &instruction.operands;
    let raw = |i: usize| values[operands[i].word as usize];
    let extended = |i: usize| {
        let slot = operands[i];
        if slot.shape.signed { extend_sign(raw(i), slot.shape.width) as u64 } else { raw(i) }
    };
    match instruction.op {
        Op::Not => !raw(0),
        Op::And => raw(0) & raw(1),
        Op::Or => raw(0) | raw(1),
        Op::Xor => raw(0) ^ raw(1),
        Op::Add => extended(0).wrapping_add(extended(1)),
        Op::Sub => extended(0).wrapping_sub(extended(1)),
        Op::Mul => extended(0).wrapping_mul(extended(1)),
        Op::Equal => u64::from(raw(0) == raw(1)),
        Op::Less if operands[0].shape.signed => u64::from((extended(0) as i64) < extended(1) as i64),
        Op::Less => u64::from(raw(0) < raw(1)),
        Op::LessEqual if operands[0].shape.signed => u64::from(extended(0) as i64 <= extended(1) as i64),
        Op::LessEqual => u64::from(raw(0) <= raw(1)),
        Op::Mux => raw(if raw(0) != 0 { 1 } else { 2 }),
        Op::Select => raw(chosen(raw(0), operands.len())),
        Op::Slice { lsb } => raw(0) >> lsb,
        Op::Concat => operands
            .iter()
            .fold(0, |bits, part| (bits << (part.shape.width % 64)) | values[part.word as usize]),
        Op::Replicate => {
            let width = operands[0].shape.width;
            (0..instruction.result.shape.width / width).fold(0, |bits, _| (bits << (width % 64)) | raw(0))
        }
        Op::Extend => extended(0),
        Op::Reinterpret => raw(0),
        Op::ShiftLeft => u32::try_from(raw(1)).ok().and_then(|n| raw(0).checked_shl(n)).unwrap_or(0),
        Op::ShiftRight if operands[0].shape.signed => ((extended(0) as i64) >> raw(1).min(63)) as u64,
        Op::ShiftRight => u32::try_from(raw(1)).ok().and_then(|n| raw(0).checked_shr(n)).unwrap_or(0),
        Op::ReduceOr => u64::from(raw(0) != 0),
        Op::ReduceAnd => u64::from(raw(0) == mask(operands[0].shape.width)),
        Op::ReduceXor => u64::from(raw(0).count_ones() & 1 == 1),
    }
}

/// Operand number of the item that `index` selects; the last operand is the default.
fn chosen(index: u64, operands: usize) -> usize {
    usize::try_from(index).map_or(operands - 1, |i| i.saturating_add(1).min(operands - 1))
}

fn wide(instruction: &Instruction, values: &mut [u64]) {
    let operands = &instruction.operands;
    let result = instruction.result;
    let width = result.shape.width;
    let raw = |i: usize| read_big(values, operands[i]);
    let extended = |i: usize| big_extended(raw(i), operands[i], width);
    let ones = |width: u32| (BigUint::one() << width) - 1u8;
    let bit = |b: bool| BigUint::from(u8::from(b));
    let value = match instruction.op {
        Op::Not => raw(0) ^ ones(width),
        Op::And => raw(0) & raw(1),
        Op::Or => raw(0) | raw(1),
        Op::Xor => raw(0) ^ raw(1),
        Op::Add => extended(0) + extended(1),
        Op::Sub => extended(0) + (BigUint::one() << width) - (extended(1) & ones(width)),
        Op::Mul => extended(0) * extended(1),
        Op::Equal => bit(raw(0) == raw(1)),
        Op::Less => bit(order_key(raw(0), operands[0]) < order_key(raw(1), operands[1])),
        Op::LessEqual => bit(order_key(raw(0), operands[0]) <= order_key(raw(1), operands[1])),
        Op::Mux => raw(if raw(0).is_zero() { 2 } else { 1 }),
        Op::Select => raw(chosen(u64::try_from(raw(0)).unwrap_or(u64::MAX), operands.len())),
        Op::Slice { lsb } => raw(0) >> lsb,
        Op::Concat => operands
            .iter()
            .fold(BigUint::zero(), |bits, &part| (bits << part.shape.width) | read_big(values, part)),
        Op::Replicate => {
            let part = operands[0].shape.width;
            (0..width / part).fold(BigUint::zero(), |bits, _| (bits << part) | raw(0))
        }
        Op::Extend => extended(0),
        Op::Reinterpret => raw(0),
        Op::ShiftLeft => big_shift(raw(1), width).map_or_else(BigUint::zero, |n| raw(0) << n),
        Op::ShiftRight => {
            let amount = big_shift(raw(1), width).unwrap_or(width);
            let value = big_extended(raw(0), operands[0], width + amount);
            value >> amount
        }
        Op::ReduceOr => bit(!raw(0).is_zero()),
        Op::ReduceAnd => bit(raw(0) == ones(operands[0].shape.width)),
        Op::ReduceXor => bit(raw(0).count_ones() & 1 == 1),
    };
    write_big(values, result, value);
}

fn big_shift(amount: BigUint, width: u32) -> Option<u32> {
    u32::try_from(amount).ok().filter(|&n| n < width)
}

fn big_extended(value: BigUint, slot: Slot, width: u32) -> BigUint {
    let own = slot.shape.width;
    if slot.shape.signed && width > own && value.bit(u64::from(own) - 1) {
        value | (((BigUint::one() << (width - own)) - 1u8) << own)
    } else {
        value
    }
}

/// Maps two's complement to an order-preserving unsigned number by flipping the sign bit.
fn order_key(value: BigUint, slot: Slot) -> BigUint {
    if slot.shape.signed { value ^ (BigUint::one() << (slot.shape.width - 1)) } else { value }
}

pub(super) fn read_big(values: &[u64], slot: Slot) -> BigUint {
    let start = slot.word as usize;
    let digits = values[start..start + slot.words()].iter().flat_map(|w| [*w as u32, (*w >> 32) as u32]);
    BigUint::new(digits.collect())
}

/// Writes `value` modulo 2^width.
pub(super) fn write_big(values: &mut [u64], slot: Slot, value: BigUint) {
    let start = slot.word as usize;
    let words = slot.words();
    let mut digits = value.to_u64_digits();
    digits.resize(words, 0);
    digits[words - 1] &= mask(slot.shape.width - 64 * (words as u32 - 1));
    values[start..start + words].copy_from_slice(&digits);
}

//! The nonlinear operators against a second description of them, in Python with numpy: exhaustive over int8
//! where a row has two elements, random rows elsewhere.

mod common;

use std::fmt::Write as _;

use bitmill_formats::nonlinear::{
    FINE_SHARE_BITS, M, PROBABILITY_BITS, Root, ShiftExp, TableExp, layer_norm, shift_gelu, shiftmax,
    softmax_by_table,
};
use bitmill_hdl::unit::Random;

const SHARE_BITS: [u32; 2] = [PROBABILITY_BITS, FINE_SHARE_BITS];
const ROOTS: [(Root, &str); 2] = [(Root::TenIterations, "ten"), (Root::Floor, "floor")];

/// A line for the script: `operation` on rows of `length`, one after the other in `inputs`.
fn case(
    lines: &mut String,
    operation: &str,
    parameters: &str,
    length: usize,
    inputs: &[i64],
    work: impl Fn(&[i64]) -> Vec<i64>,
) {
    let join = |numbers: &[i64]| numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let outputs: Vec<i64> = inputs.chunks(length).flat_map(work).collect();
    writeln!(lines, "{operation} {parameters} {length} {} {}", join(inputs), join(&outputs))
        .expect("a string takes any line");
}

/// `count` rows of `length` signed numbers of `bits`, each row over a range of its own.
fn rows(random: &mut Random, count: usize, length: usize, bits: u32) -> Vec<i64> {
    let half = 1i64 << (bits - 1);
    let mut numbers = Vec::new();
    for _ in 0..count {
        let width = 1 + random.below(2 * half as u64) as i64;
        let low = random.below((2 * half - width + 1) as u64) as i64 - half;
        numbers.extend((0..length).map(|_| low + random.below(width as u64) as i64));
    }
    numbers
}

fn exponentials(lines: &mut String, random: &mut Random) {
    let differences: Vec<i64> = (-255..=128).collect();
    for n in [ShiftExp::SOFTMAX_N, ShiftExp::GELU_N] {
        for one in (1..=255).step_by(2) {
            let exp = ShiftExp::new(one, n).expect("legal");
            case(lines, "shift_exp", &format!("{one},{n}"), differences.len(), &differences, |row| {
                row.iter().map(|x| exp.exp(*x).into()).collect()
            });
        }
    }
    // Every pair of int8 numbers: all differences from the maximum, with every maximum.
    let pairs: Vec<i64> = (-128..128).flat_map(|a| (a..128).flat_map(move |b| [a, b])).collect();
    for one in [1, 7, 30, 255] {
        let (softmax, gelu) =
            (ShiftExp::new(one, 15).expect("legal"), ShiftExp::new(one, 23).expect("legal"));
        for bits in SHARE_BITS {
            case(lines, "shiftmax", &format!("{one},15,{bits}"), 2, &pairs, |row| {
                shiftmax(row, &softmax, bits)
            });
        }
        case(lines, "shift_gelu", &format!("{one},23"), 2, &pairs, |row| shift_gelu(row, &gelu));
    }
    for (length, bits) in [(1, 8), (3, 4), (64, 8), (197, 8), (99, 16)] {
        let one = 1 + random.below(255) as u32;
        let inputs = rows(random, 40, length, bits);
        let (softmax, gelu) =
            (ShiftExp::new(one, 15).expect("legal"), ShiftExp::new(one, 23).expect("legal"));
        for bits in SHARE_BITS {
            case(lines, "shiftmax", &format!("{one},15,{bits}"), length, &inputs, |row| {
                shiftmax(row, &softmax, bits)
            });
        }
        case(lines, "shift_gelu", &format!("{one},23"), length, &inputs, |row| shift_gelu(row, &gelu));
    }
    // Sums beyond 2^31 - 1, which are clamped.
    let wide = ShiftExp::new(M >> 15, 15).expect("legal");
    let inputs = rows(random, 10, 80, 12);
    case(lines, "shiftmax", &format!("{},15,7", wide.one()), 80, &inputs, |row| shiftmax(row, &wide, 7));
}

fn tables(lines: &mut String, random: &mut Random) {
    let pairs: Vec<i64> = (-128..128).flat_map(|a| (a..128).flat_map(move |b| [a, b])).collect();
    for factor in [1, 185, 2954, 65_535] {
        let exp = TableExp::new(factor).expect("legal");
        case(lines, "softmax_by_table", &format!("{factor},15"), 2, &pairs, |row| {
            softmax_by_table(row, &exp, FINE_SHARE_BITS)
        });
    }
    for (length, bits) in [(1, 8), (3, 4), (64, 8), (197, 8), (99, 16)] {
        let inputs = rows(random, 40, length, bits);
        let exp = TableExp::new(1 + random.below(0xffff) as u32).expect("legal");
        for bits in SHARE_BITS {
            case(lines, "softmax_by_table", &format!("{},{bits}", exp.factor()), length, &inputs, |row| {
                softmax_by_table(row, &exp, bits)
            });
        }
    }
}

fn norms(lines: &mut String, random: &mut Random) {
    let pairs: Vec<i64> = (-128..128).flat_map(|a| (-128..128).flat_map(move |b| [a, b])).collect();
    let mut squares: Vec<i64> = (0..70_000).collect();
    squares.extend((0..20_000).map(|_| (random.next_u64() >> (16 + random.below(30))) as i64));
    squares.extend((1..2000).flat_map(|k: i64| [k.pow(4) - 1, k.pow(4), k.pow(4) + 1]));
    for (root, name) in ROOTS {
        case(lines, "root", name, squares.len(), &squares, |row| {
            row.iter().map(|v| root.of(*v as u64) as i64).collect()
        });
        case(lines, "layer_norm", name, 2, &pairs, |row| layer_norm(row, root));
        for (length, bits) in [(1, 8), (3, 4), (64, 8), (192, 8), (384, 16)] {
            let inputs = rows(random, 40, length, bits);
            case(lines, "layer_norm", name, length, &inputs, |row| layer_norm(row, root));
        }
    }
}

#[test]
fn numpy_recomputes_the_nonlinear_operators() {
    let (mut lines, mut random) = (String::new(), Random::new(5));
    exponentials(&mut lines, &mut random);
    tables(&mut lines, &mut random);
    norms(&mut lines, &mut random);
    common::ask("nonlinear_oracle.py", &[], "the nonlinear operators in numpy", &lines);
}

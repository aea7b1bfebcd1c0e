//! The interpreter's operations against big signed integers, at widths around the machine word and above.
//!
//! The reference below knows numbers only: it reads two's complement bits into a `BigInt`, computes, and
//! takes the result modulo 2^width. It shares no code with the interpreter.

use bitmill_hdl::unit::{Random, interpret};
use bitmill_hdl::{BigUint, ModuleBuilder, Shape, Signal, signed, unsigned};
use num_bigint::{BigInt, Sign};

const WIDTHS: [u32; 12] = [1, 2, 7, 31, 32, 33, 63, 64, 65, 127, 128, 200];

/// Random operand pairs for each pair of widths, beside the corners.
const PAIRS: usize = 40;

fn modulus(width: u32) -> BigInt {
    BigInt::from(1) << width
}

/// The number that the bits stand for.
fn number(bits: &BigUint, shape: Shape) -> BigInt {
    let value = BigInt::from(bits.clone());
    let negative = shape.signed && bits.bit(u64::from(shape.width) - 1);
    if negative { value - modulus(shape.width) } else { value }
}

/// The bits of a number, modulo 2^width.
fn bits(number: &BigInt, width: u32) -> BigUint {
    let modulus = modulus(width);
    let residue = ((number % &modulus) + &modulus) % &modulus;
    residue.to_biguint().expect("a residue is not negative")
}

/// Corner values of a shape and random ones between.
fn operands(random: &mut Random, shape: Shape) -> Vec<BigUint> {
    let ones = (BigUint::from(1u8) << shape.width) - 1u8;
    let sign = BigUint::from(1u8) << (shape.width - 1);
    let mut values = vec![BigUint::ZERO, BigUint::from(1u8), ones.clone(), sign.clone(), sign ^ ones];
    values.extend((0..PAIRS).map(|_| random.corner_bits(shape.width)));
    values
}

/// What a circuit of two operands computes, and what it should.
struct Operation {
    name: &'static str,
    circuit: for<'m> fn(Signal<'m>, Signal<'m>) -> Signal<'m>,
    /// From both operands' numbers and the result's width.
    reference: fn(&BigInt, &BigInt, u32) -> BigInt,
}

/// Checks `operations` on all pairs of shapes that `pairs` yields.
fn check(operations: &[Operation], pairs: impl IntoIterator<Item = (Shape, Shape)>) {
    let mut random = Random::new(1);
    for (a_shape, b_shape) in pairs {
        let m = ModuleBuilder::new("bitmill_test", "operations under test.");
        let (a, b) = (m.input("a_i", a_shape), m.input("b_i", b_shape));
        let results: Vec<Signal> = operations.iter().map(|operation| (operation.circuit)(a, b)).collect();
        for (operation, result) in operations.iter().zip(&results) {
            m.output(&format!("{}_o", operation.name), *result);
        }
        let widths: Vec<u32> = results.iter().map(|result| result.width()).collect();
        let module = m.finish().unwrap_or_else(|error| panic!("{a_shape}, {b_shape}: {error}"));
        let (left, right) = (operands(&mut random, a_shape), operands(&mut random, b_shape));
        let stimulus: Vec<Vec<BigUint>> =
            left.iter().flat_map(|a| right.iter().map(move |b| vec![a.clone(), b.clone()])).collect();
        for (inputs, seen) in stimulus.iter().zip(interpret(&module, &stimulus)) {
            let (a, b) = (number(&inputs[0], a_shape), number(&inputs[1], b_shape));
            for ((operation, &width), seen) in operations.iter().zip(&widths).zip(seen) {
                let expected = bits(&(operation.reference)(&a, &b, width), width);
                assert_eq!(seen, expected, "{} of {a} ({a_shape}) and {b} ({b_shape})", operation.name);
            }
        }
    }
}

fn truth(value: bool) -> BigInt {
    BigInt::from(u8::from(value))
}

/// Both operands of one shape, every width, both signednesses.
fn equal_shapes() -> Vec<(Shape, Shape)> {
    WIDTHS.iter().flat_map(|&w| [(unsigned(w), unsigned(w)), (signed(w), signed(w))]).collect()
}

/// All pairs of widths, both operands of one signedness.
fn equal_signs() -> Vec<(Shape, Shape)> {
    let pairs = WIDTHS.iter().flat_map(|&a| WIDTHS.iter().map(move |&b| (a, b)));
    pairs.flat_map(|(a, b)| [(unsigned(a), unsigned(b)), (signed(a), signed(b))]).collect()
}

#[test]
fn sums_differences_and_products_are_exact() {
    let operations = [
        Operation { name: "add", circuit: |a, b| a.add(b), reference: |a, b, _| a + b },
        Operation { name: "sub", circuit: |a, b| a.sub(b), reference: |a, b, _| a - b },
        Operation { name: "mul", circuit: |a, b| a.mul(b), reference: |a, b, _| a * b },
        Operation { name: "neg", circuit: |a, _| a.neg(), reference: |a, _, _| -a },
    ];
    check(&operations, equal_signs());
}

#[test]
fn full_width_results_never_wrap() {
    // Exactness above is modulo the width: here the result, read back as a number, is the number itself.
    let mut random = Random::new(2);
    for (a_shape, b_shape) in equal_signs() {
        let m = ModuleBuilder::new("bitmill_test", "full-width results.");
        let (a, b) = (m.input("a_i", a_shape), m.input("b_i", b_shape));
        let results = [a.add(b), a.sub(b), a.mul(b)];
        let shapes = results.map(|result| result.shape());
        for (name, result) in ["sum_o", "difference_o", "product_o"].into_iter().zip(results) {
            m.output(name, result);
        }
        let module = m.finish().expect("full-width arithmetic is legal");
        let ends = |shape: Shape, random: &mut Random| operands(random, shape).into_iter().take(5);
        let (left, right) = (ends(a_shape, &mut random), ends(b_shape, &mut random).collect::<Vec<_>>());
        let stimulus: Vec<Vec<BigUint>> =
            left.flat_map(|a| right.iter().map(move |b| vec![a.clone(), b.clone()])).collect();
        for (inputs, seen) in stimulus.iter().zip(interpret(&module, &stimulus)) {
            let (a, b) = (number(&inputs[0], a_shape), number(&inputs[1], b_shape));
            let expected = [&a + &b, &a - &b, &a * &b];
            for ((seen, shape), expected) in seen.iter().zip(shapes).zip(expected) {
                assert_eq!(number(seen, shape), expected, "{a} ({a_shape}) and {b} ({b_shape})");
            }
        }
    }
}

#[test]
fn wrapping_arithmetic_is_modulo_the_width() {
    let operations = [
        Operation { name: "add", circuit: |a, b| a.add_wrapping(b), reference: |a, b, _| a + b },
        Operation { name: "sub", circuit: |a, b| a.sub_wrapping(b), reference: |a, b, _| a - b },
        Operation { name: "increment", circuit: |a, _| a.increment(), reference: |a, _, _| a + 1 },
    ];
    check(&operations, equal_shapes());
}

#[test]
fn comparisons_follow_the_sign() {
    let operations = [
        Operation { name: "eq", circuit: |a, b| a.eq(b), reference: |a, b, _| truth(a == b) },
        Operation { name: "ne", circuit: |a, b| a.ne(b), reference: |a, b, _| truth(a != b) },
        Operation { name: "lt", circuit: |a, b| a.lt(b), reference: |a, b, _| truth(a < b) },
        Operation { name: "le", circuit: |a, b| a.le(b), reference: |a, b, _| truth(a <= b) },
        Operation { name: "gt", circuit: |a, b| a.gt(b), reference: |a, b, _| truth(a > b) },
        Operation { name: "ge", circuit: |a, b| a.ge(b), reference: |a, b, _| truth(a >= b) },
        Operation {
            name: "zero",
            circuit: |a, _| a.eq_value(0),
            reference: |a, _, _| truth(a.sign() == Sign::NoSign),
        },
    ];
    check(&operations, equal_shapes());
}

#[test]
fn logic_is_bitwise() {
    let operations = [
        Operation { name: "not_a", circuit: |a, _| a.not(), reference: |a, _, _| -a - 1 },
        Operation { name: "and_ab", circuit: |a, b| a.and(b), reference: |a, b, _| a & b },
        Operation { name: "or_ab", circuit: |a, b| a.or(b), reference: |a, b, _| a | b },
        Operation { name: "xor_ab", circuit: |a, b| a.xor(b), reference: |a, b, _| a ^ b },
    ];
    check(&operations, equal_shapes());
}

#[test]
fn widths_and_signs_change_as_asked() {
    let operations = [
        Operation {
            name: "extend",
            circuit: |a, _| a.extend(a.width() + 70),
            reference: |a, _, _| a.clone(),
        },
        Operation { name: "signed", circuit: |a, _| a.to_signed(), reference: |a, _, _| a.clone() },
        Operation { name: "left", circuit: |a, _| a.shl(3), reference: |a, _, _| a << 3 },
        Operation {
            name: "cast",
            circuit: |a, _| a.as_unsigned().as_signed(),
            reference: |a, _, _| a.clone(),
        },
        Operation { name: "low", circuit: |_, b| b.truncate(1), reference: |_, b, _| b.clone() },
    ];
    check(&operations, equal_shapes());
    let signs = [
        Operation { name: "a_sign", circuit: |a, _| a.msb(), reference: |a, _, _| negative(a) },
        Operation { name: "b_sign", circuit: |_, b| b.msb(), reference: |_, b, _| negative(b) },
    ];
    check(&signs, WIDTHS.map(|width| (signed(width), signed(width))));
}

fn negative(value: &BigInt) -> BigInt {
    truth(value.sign() == Sign::Minus)
}

#[test]
fn shifts_by_a_signal_reach_any_amount() {
    let operations = [
        Operation {
            name: "left",
            circuit: |a, b| a.shift_left(b),
            reference: |a, b, width| a << shift(b, width),
        },
        Operation {
            name: "right",
            circuit: |a, b| a.shift_right(b),
            // Towards minus infinity, as `>>` of a `BigInt` does.
            reference: |a, b, width| a >> shift(b, width),
        },
    ];
    let amounts = [1, 3, 6, 8, 33, 70];
    let pairs = WIDTHS.iter().flat_map(|&width| amounts.map(|bits| (width, bits)));
    check(&operations, pairs.flat_map(|(a, b)| [(unsigned(a), unsigned(b)), (signed(a), unsigned(b))]));
}

/// Shifting by the width or more leaves what shifting by the width leaves.
fn shift(amount: &BigInt, width: u32) -> u32 {
    u32::try_from(amount).map_or(width, |amount| amount.min(width))
}

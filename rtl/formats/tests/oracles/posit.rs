//! The crate `fast-posit`: every posit of 3 to 16 bits and es 0 to 2, and its quire for dot products.

use bitmill_formats::{AccumulatorShape, Family, FixedAccumulator, Rounding, Scalar, arithmetic};
use fast_posit::{Posit, Quire, RoundFrom, RoundInto};
use num_bigint::BigInt;

use crate::Oracle;

macro_rules! agrees {
    ($($test:ident: $int:ty, $unsigned:ty, $($bits:literal)*;)*) => { $(
        #[test]
        fn $test() {
            $( agrees!(@one $int, $unsigned, $bits, 0); )*
            $( agrees!(@one $int, $unsigned, $bits, 1); )*
            $( agrees!(@one $int, $unsigned, $bits, 2); )*
        }
    )* };
    (@one $int:ty, $unsigned:ty, $bits:literal, $es:literal) => {{
        type Theirs = Posit<$bits, $es, $int>;
        let of = |code: u32| Theirs::from_bits(code as $int);
        let code = |posit: Theirs| u32::from(posit.to_bits() as $unsigned) & ((1 << $bits) - 1);
        Oracle {
            format: concat!("posit", $bits, "_", $es),
            rounding: Rounding::NearestEven,
            differs: &|_| false,
            encode: &|x| code(Theirs::round_from(x)),
            decode: &|code| of(code).round_into(),
            add: &|a, b| code(of(a) + of(b)),
            multiply: &|a, b| code(of(a) * of(b)),
        }
        .check();
    }};
}

agrees! {
    three_to_eight_bits: i8, u8, 3 4 5 6 7 8;
    nine_to_sixteen_bits: i16, u16, 9 10 11 12 13 14 15 16;
}

/// Dot products of 32 random pairs against the quire, bit for bit before any rounding. (Rounding its quire directly would not do: version
/// 0.2.0 loses the sticky bits there, and returns 8 for 9.045 in posit8_0.)
#[test]
fn dot_products_agree_with_the_quire() {
    macro_rules! check {
        ($bits:literal, $es:literal, $int:ty, $quire_bytes:literal) => {{
            type Theirs = Posit<$bits, $es, $int>;
            let format: Scalar = concat!("posit", $bits, "_", $es).parse().unwrap();
            let lsb_exponent = 2 * format.extremes().lsb_exponent;
            let shape = AccumulatorShape { lsb_exponent, width_bits: 8 * $quire_bytes };
            for round in 0..2000 {
                // No NaR: it would end the sum.
                let code = |index: u64| match Rounding::draw(round, index) as u32 & format.largest_code() {
                    code if code == 1 << ($bits - 1) => 1,
                    code => code,
                };
                let a: Vec<u32> = (0..32).map(code).collect();
                let b: Vec<u32> = (32..64).map(code).collect();
                let mut quire = Quire::<$bits, $es, $quire_bytes>::ZERO;
                let mut register = FixedAccumulator::new(shape);
                for (a, b) in a.iter().zip(&b) {
                    quire.add_prod(Theirs::from_bits(*a as $int), Theirs::from_bits(*b as $int));
                    register.add_product(&format.decode(*a), &format.decode(*b)).unwrap();
                }
                let theirs = BigInt::from_signed_bytes_le(&quire.to_le_bytes());
                assert_eq!(*register.register(), theirs, "{format}, round {round}");
                let dot = arithmetic::dot((&format, &a), (&format, &b), &format, Rounding::NearestEven);
                assert_eq!(dot.unwrap(), format.encode(&register.value(), Rounding::NearestEven));
            }
        }};
    }
    check!(8, 0, i8, 16);
    check!(8, 2, i8, 16);
    check!(16, 1, i16, 32);
    check!(16, 2, i16, 32);
}

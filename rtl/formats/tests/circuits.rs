//! The parts of the circuits that units only show through many others, and what circuits refuse.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Reduction, Rounder, RoundingMode, Unpacked};
use bitmill_formats::{Codebook, Rounding, Scalar, Ties};
use bitmill_hdl::unit::{interpret, signed_number, to_bits};
use bitmill_hdl::{BigUint, Module, ModuleBuilder, Shape, signed, unsigned};

fn multiplier(a: Shape, b: Shape, reduction: Reduction) -> Arc<Module> {
    let m = ModuleBuilder::new("bitmill_product", "a * b");
    let (a, b) = (m.input("a_i", a), m.input("b_i", b));
    m.output("product_o", circuits::product(&m, a, b, reduction));
    m.finish().expect("a legal module")
}

#[test]
fn products_of_all_narrow_operands_are_exact() {
    for shape in [signed, unsigned] {
        for reduction in [Reduction::Rows, Reduction::Tree] {
            for (a_bits, b_bits) in [(2, 2), (2, 5), (5, 2), (3, 3), (4, 6), (6, 4), (7, 7), (6, 6), (8, 6)] {
                let module = multiplier(shape(a_bits), shape(b_bits), reduction);
                let pairs: Vec<Vec<BigUint>> = (0..1u32 << (a_bits + b_bits))
                    .map(|i| vec![(i >> b_bits).into(), (i & ((1 << b_bits) - 1)).into()])
                    .collect();
                let seen = interpret(&module, &pairs);
                let number = |bits: &BigUint, width: u32| {
                    let raw = signed_number(bits, 64);
                    if shape(1).signed { signed_number(bits, width) } else { raw }
                };
                for (pair, seen) in pairs.iter().zip(seen) {
                    let product = number(&pair[0], a_bits) * number(&pair[1], b_bits);
                    assert_eq!(seen[0], to_bits(product.into(), a_bits + b_bits), "{pair:?} {reduction:?}");
                }
            }
        }
    }
}

/// A sum of two products with two encoders: names must not clash when a module uses circuits twice.
#[test]
fn a_module_can_use_every_circuit_twice() {
    for name in ["fp8_e4m3", "posit8_1", "int8", "ternary", "e8m0", "double_rounding4"] {
        let format: Scalar = name.parse().unwrap();
        let bits = bitmill_formats::Family::bits(&format);
        let m = ModuleBuilder::new("bitmill_twice", "the same circuits twice");
        let rounder = Rounder::new(&m, RoundingMode::NearestEven);
        for lane in ["first", "second"] {
            let code = |port: &str| m.input(&format!("{lane}_{port}_i"), unsigned(bits));
            let (a, b) = (code("a"), code("b"));
            let x = circuits::decode(&m, &format!("{lane}_x"), &format, a);
            let y = circuits::decode(&m, &format!("{lane}_y"), &format, b);
            let product = circuits::multiply(&m, &x, &y);
            let sum = circuits::add(&m, &format!("{lane}_sum"), &x, &y, 1);
            for (what, number) in [("product", product), ("total", sum)] {
                let rounder = rounder.prefixed(&format!("{lane}_{what}"));
                m.output(&format!("{lane}_{what}_o"), circuits::encode(&m, &format, &number, &rounder));
            }
        }
        assert!(m.finish().is_ok(), "{name}");
    }
}

#[test]
fn fixed_point_numbers_tell_their_places() {
    let m = ModuleBuilder::new("bitmill_fixed", "places");
    let x = Unpacked::fixed(m.input("x_i", signed(6)), -3);
    assert_eq!((x.top().low(), x.leading, x.exponent.high()), (1, 5, -3));
    let magnitude = x.to_magnitude();
    assert!(!magnitude.is_signed() && magnitude.to_signed(&m).is_signed());
}

#[test]
fn what_no_circuit_can_do_is_refused() {
    let bitmod: Scalar = "bitmod_fp4".parse().unwrap();
    let error = circuits::check(&bitmod, RoundingMode::Stochastic { random_bits: 8 }).unwrap_err();
    assert!(error.to_string().starts_with("stochastic rounding in hardware needs"), "{error}");
    assert!(circuits::check(&bitmod, RoundingMode::TowardZero).is_ok());
    let wide = Scalar::Codebook(Codebook::new("wide", &[0.0, 1e-12, 1e12], Ties::Lower).unwrap());
    let error = circuits::check(&wide, RoundingMode::NearestEven).unwrap_err();
    assert!(error.to_string().contains("a circuit takes up to 60"), "{error}");
    let error = RoundingMode::parse("up", 8).unwrap_err();
    assert!(error.to_string().contains("nearest_even, nearest_away, toward_zero, stochastic"), "{error}");
    assert!(RoundingMode::parse("stochastic", 0).is_err());
}

#[test]
fn the_draw_of_a_circuit_is_a_fraction() {
    let mode = RoundingMode::parse("stochastic", 4).unwrap();
    assert_eq!(mode.rounding(8), Rounding::Drawn { draw: 1 << 63 });
    assert_eq!((mode.random_bits(), mode.tail_bits(), mode.to_string()), (4, 4, "stochastic4".to_owned()));
}

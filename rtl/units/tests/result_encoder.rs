//! The result encoder: its circuit makes the number that the requantization to floating point means.

use bitmill_formats::{Multiplier, Ordered, requantize};
use bitmill_hdl::unit::{Random, compare, interpret, to_bits};
use bitmill_units::common::result_encoder::ResultEncoder;

fn ordered(name: &str) -> Ordered {
    let scalar = name.parse().expect("a format");
    Ordered::new(&scalar).expect("a minifloat or posit")
}

#[test]
fn the_circuit_rounds_as_the_meaning_does_at_every_width() {
    use bitmill_hdl::unit::Unit;
    for (bits, names) in [
        (128, &["fp8_e4m3", "posit16_1", "bf16", "fp16"][..]),
        (97, &["fp8_e5m2"]),
        (64, &["posit4_1", "fp4_e2m1"]),
        (16, &["fp8_e4m3", "posit8_0"]),
        (8, &["bf16"]),
    ] {
        let formats: Vec<Ordered> = names.iter().map(|name| ordered(name)).collect();
        let unit = ResultEncoder::new(bits, formats).expect("a legal unit");
        let module = unit.module().expect("a legal unit");
        let stimulus = unit.stimulus(&mut Random::new(u64::from(bits)), 4_000);
        let seen = interpret(&module, &stimulus);
        let compared = compare(&module, unit.model().as_mut(), &stimulus, &seen, "the interpreter")
            .unwrap_or_else(|mismatch| panic!("{mismatch}"));
        assert!(compared > 3_900, "{compared}");
    }
}

/// Sums and factors as a layer has them: what the requantizer multiplies is what the encoder is given.
#[test]
fn it_ends_what_a_scaled_sum_begins() {
    use bitmill_hdl::unit::Unit;
    let format = ordered("fp8_e4m3");
    let unit = ResultEncoder::new(64, vec![format]).expect("a legal unit");
    let module = unit.module().expect("a legal unit");
    let mut random = Random::new(3);
    let cases: Vec<(i128, Multiplier)> = (0..5000)
        .map(|_| {
            let sum = (random.next_u64() as i64 >> (32 + random.below(20))) as i128;
            let factor =
                Multiplier { multiplier: random.below(1 << 31) as u32, shift: 20 + random.below(20) as u8 };
            (sum, factor)
        })
        .collect();
    let lsb_exponent = -18;
    let stimulus: Vec<_> = cases
        .iter()
        .map(|(sum, factor)| {
            let shift = i128::from(factor.shift) - i128::from(lsb_exponent);
            vec![to_bits(sum * i128::from(factor.multiplier), 64), to_bits(shift, 8)]
        })
        .collect();
    let seen = interpret(&module, &stimulus);
    let latency = unit.latency_cycles() as usize;
    for ((sum, factor), values) in cases.iter().zip(&seen[latency..]) {
        let expected = requantize::encode(*sum, lsb_exponent, *factor, format);
        assert_eq!(values[0], to_bits(expected.into(), 8), "{sum} {factor:?}");
    }
}

#[test]
fn illegal_settings_name_what_is_legal() {
    let cases = [
        ("product_bits=129", "product_bits = 129: a whole number from 8 to 128 is needed"),
        ("formats=int8", "formats = int8: minifloats and posits of up to 16 bits are legal"),
        ("formats=fp32", "formats = fp32: minifloats and posits of up to 16 bits are legal"),
        ("formats=bf16,bf16", "formats = bf16: it stands there twice; each counts once"),
    ];
    for (setting, expected) in cases {
        let unit = bitmill_units::find("result_encoder").expect("a unit of the catalogue");
        let error = unit.unit([setting]).err().expect("an illegal setting");
        assert_eq!(error.to_string(), expected);
    }
}

//! What the format units refuse, and in which words.

use bitmill_units::find;

fn refusal(unit: &str, settings: &str) -> String {
    let entry = find(unit).unwrap_or_else(|error| panic!("{error}"));
    match entry.unit(settings.split_whitespace()) {
        Ok(_) => panic!("{unit} {settings} was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn illegal_settings_are_told_what_would_be_legal() {
    let table = [
        ("format_multiplier", "format=posit9_7", "N from 3 to 16 and es from 0 to 2"),
        ("format_multiplier", "format=fp8", "after fp<bits> come the fields"),
        ("format_adder", "format=mxfp4", "unknown format"),
        ("format_adder", "format=ternary rounding=stochastic", "needs a format with evenly spaced"),
        ("format_adder", "rounding=up", "nearest_even, nearest_away, toward_zero, stochastic"),
        ("format_adder", "rounding=stochastic random_bits=33", "from 1 to 32"),
        ("format_multiplier", "reduction=wallace", "legal are rows, tree"),
        ("format_encoder", "significand=65", "from 2 to 64"),
        ("format_encoder", "exponent=1", "from 2 to 10"),
        ("format_encoder", "convention=ones_complement", "legal are magnitude, twos_complement"),
        ("format_decoder", "format=own values=1,x", "numbers are needed"),
        ("format_decoder", "format=own values=1,1", "at least two different values"),
        ("format_decoder", "format=own values=0,1e-12,1e12", "a circuit takes up to 60"),
        ("format_converter", "from=fp8_e4m3 to=int0", "2 to 16 bits"),
        ("exact_accumulator", "length=0", "from 1 to 1048576"),
        ("exact_accumulator", "a=sherry", "unknown format"),
        ("l_mul_multiplier", "format=posit8_0", "L-Mul works on minifloats"),
        ("l_mul_multiplier", "format=fp4_e3m0", "a minifloat with a mantissa"),
        ("block_scale", "a=int8", "a block format is needed"),
        ("block_scale", "a=mxfp4 b=nvfp4", "blocks of 32 elements"),
        ("block_scale", "a=mxfp8_e5m2 b=mxfp8_e5m2", "up to 64 are legal"),
        ("matryoshka_slicer", "format=int4", "a slice is one of"),
        ("bitmod_decoder", "bits=5", "legal are 3, 4"),
        ("sherry_encoder", "bits=1", "from 2 to 16"),
    ];
    for (unit, settings, legal) in table {
        let refusal = refusal(unit, settings);
        assert!(refusal.contains(legal), "{unit} {settings}: {refusal}");
    }
}

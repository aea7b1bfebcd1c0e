//! Every unit of the catalogue, at every example: the circuit, interpreted, does what its model says.
//! The Verilator leg of the same walk stands in the testbenches.

use bitmill_hdl::unit::{Random, compare, interpret};

const CYCLES: usize = 2000;

#[test]
fn models_agree_with_interpreted_circuits() {
    for entry in bitmill_units::catalogue() {
        for example in entry.examples {
            let unit = entry.unit(example.split_whitespace()).unwrap();
            let module = unit.module().unwrap();
            let stimulus = unit.stimulus(&mut Random::new(1), CYCLES);
            let seen = interpret(&module, &stimulus);
            let compared =
                compare(&module, unit.model().as_mut(), &stimulus, &seen, "the interpreter").unwrap();
            assert!(compared >= stimulus.len() / 4, "{}: only {compared} values compared", module.name);
        }
    }
}

#[test]
fn illegal_settings_name_what_is_legal() {
    let cases = [
        ("pe_integer", "lanes=0", "lanes = 0: a whole number from 1 to 64 is needed"),
        ("pe_integer", "weight=int1", "weight = s1: 2 to 16 bits are legal"),
        ("pe_integer", "weight=fp4", "weight = fp4: an integer format such as int8 or uint4 is needed"),
        (
            "pe_integer",
            "accumulator=17",
            "accumulator = 17: one step makes up to 18 bits, so 18 to 64 are legal",
        ),
        (
            "pe_integer",
            "depth=3",
            "unit pe_integer has no parameter `depth`; it has activation, weight, lanes, accumulator",
        ),
        ("ram", "width", "setting = width: write it as key=value"),
    ];
    for (unit, setting, expected) in cases {
        let error = bitmill_units::find(unit).unwrap().unit([setting]).err().unwrap();
        assert_eq!(error.to_string(), expected);
    }
    let unknown = bitmill_units::find("pe_float").err().unwrap();
    assert!(unknown.to_string().starts_with("no unit is called `pe_float`; there are pe_integer, "));
}

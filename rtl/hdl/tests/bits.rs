//! Operations that move bits, against strings of `0` and `1`, most significant first.

use bitmill_hdl::unit::{Random, interpret};
use bitmill_hdl::{BigUint, ModuleBuilder, Signal, unsigned};

const WIDTHS: [u32; 8] = [1, 5, 32, 33, 63, 64, 65, 150];

fn text(bits: &BigUint, width: u32) -> String {
    format!("{:0>width$}", bits.to_str_radix(2), width = width as usize)
}

/// What a circuit makes of an `a`, a `b` and a single-bit `c`, and what it should.
struct Operation {
    name: &'static str,
    circuit: for<'m> fn(&'m ModuleBuilder, Signal<'m>, Signal<'m>, Signal<'m>) -> Signal<'m>,
    reference: fn(&str, &str, &str) -> String,
}

fn truth(value: bool) -> String {
    u8::from(value).to_string()
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "concat",
        circuit: |m, a, b, c| m.concat(&[a, b, c, a]),
        reference: |a, b, c| [a, b, c, a].concat(),
    },
    Operation { name: "replicate", circuit: |_, a, _, _| a.replicate(3), reference: |a, _, _| a.repeat(3) },
    Operation {
        name: "slice",
        circuit: |_, a, _, _| a.slice(a.width() / 3, a.width() - a.width() / 3),
        reference: |a, _, _| a[..a.len() - a.len() / 3].to_owned(),
    },
    Operation {
        name: "right",
        circuit: |_, _, b, _| b.shr(b.width() / 2),
        reference: |_, b, _| b[..b.len() - b.len() / 2].to_owned(),
    },
    Operation { name: "left", circuit: |_, a, _, _| a.shl(2), reference: |a, _, _| format!("{a}00") },
    Operation { name: "any", circuit: |_, a, _, _| a.any(), reference: |a, _, _| truth(a.contains('1')) },
    Operation { name: "all", circuit: |_, _, b, _| b.all(), reference: |_, b, _| truth(!b.contains('0')) },
    Operation {
        name: "parity",
        circuit: |_, a, _, _| a.parity(),
        reference: |a, _, _| truth(a.matches('1').count() % 2 == 1),
    },
    Operation {
        name: "mux",
        circuit: |_, a, _, c| c.mux(a, a.not()),
        reference: |a, _, c| if c == "1" { a.to_owned() } else { inverted(a) },
    },
    Operation {
        name: "gate",
        circuit: |_, _, b, c| b.gate(c),
        reference: |_, b, c| if c == "1" { b.to_owned() } else { "0".repeat(b.len()) },
    },
    Operation {
        name: "select",
        circuit: |m, a, _, c| {
            let index = m.concat(&[a.bit(0), c]);
            index.select(
                &[a, a.not(), m.big_constant(a.shape(), 1u8.into())],
                m.big_constant(a.shape(), 0u8.into()),
            )
        },
        reference: |a, _, c| match (a.ends_with('1'), c) {
            (false, "0") => a.to_owned(),
            (false, _) => inverted(a),
            (true, "0") => format!("{:0>width$}", 1, width = a.len()),
            (true, _) => "0".repeat(a.len()),
        },
    },
];

fn inverted(bits: &str) -> String {
    bits.chars().map(|bit| if bit == '0' { '1' } else { '0' }).collect()
}

#[test]
fn bits_go_where_they_should() {
    let mut random = Random::new(3);
    for (a_width, b_width) in WIDTHS.iter().flat_map(|&a| WIDTHS.map(|b| (a, b))) {
        let m = ModuleBuilder::new("bitmill_test", "operations under test.");
        let (a, b) = (m.input("a_i", unsigned(a_width)), m.input("b_i", unsigned(b_width)));
        let c = m.input("c_i", unsigned(1));
        for operation in OPERATIONS {
            m.output(&format!("{}_o", operation.name), (operation.circuit)(&m, a, b, c));
        }
        let module = m.finish().unwrap_or_else(|error| panic!("{a_width}, {b_width}: {error}"));
        let widths: Vec<u32> = module.outputs().map(|port| port.shape.width).collect();
        let stimulus: Vec<Vec<BigUint>> = (0..60).map(|_| random.inputs(&module)).collect();
        for (inputs, seen) in stimulus.iter().zip(interpret(&module, &stimulus)) {
            let [a, b, c] = [(0, a_width), (1, b_width), (2, 1)].map(|(i, width)| text(&inputs[i], width));
            for ((operation, &width), seen) in OPERATIONS.iter().zip(&widths).zip(&seen) {
                let expected = (operation.reference)(&a, &b, &c);
                assert_eq!(text(seen, width), expected, "{} of a={a} b={b} c={c}", operation.name);
            }
        }
    }
}

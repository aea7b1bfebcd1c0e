//! Multipliers of four families proved equal to the truth table that the value side writes.
//!
//! The table has a line for each pair of codes, 2^16 for formats of 8 bits. It is written as a decision diagram
//! (Bryant 1986): a multiplexer for each distinct part of the table. Nothing of it is shared with the circuit.
//! A table with one wrong line, and a circuit that rounds otherwise, must fail. `BITMILL_FULL` proves more
//! formats; the posits of 8 bits are left to the exhaustive simulation in `formats_exhaustive.rs`.

#[path = "common/tools.rs"]
mod tools;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use bitmill_formats::{Family, Rounding, Scalar, arithmetic};
use bitmill_hdl::Design;
use bitmill_testbenches::Sources;
use bitmill_testbenches::formal::{self, Verdict};
use bitmill_units::find;
use tools::unless_missing;

/// A function of two codes of `bits` bits, as a table. The bits of both codes take turns in its index, a's
/// before b's and the highest first: so the decision diagram is small.
struct Table {
    bits: u32,
    results: Vec<u32>,
}

impl Table {
    fn of(format: &Scalar, operation: impl Fn(u32, u32) -> u32) -> Table {
        let bits = format.bits();
        let every_other = |index: u32| (0..bits).map(|k| (index >> (2 * k) & 1) << k).sum();
        let results = (0..1u32 << (2 * bits))
            .map(|index| operation(every_other(index >> 1), every_other(index)))
            .collect();
        Table { bits, results }
    }

    /// A module `name` with the inputs and the output of the format multiplier.
    fn verilog(&self, name: &str) -> Sources {
        let mut diagram = Diagram::default();
        let columns =
            (0..self.bits).rev().map(|bit| self.results.iter().map(move |r| r >> bit & 1 == 1).collect());
        let outputs: Vec<String> =
            columns.map(|column: Vec<bool>| diagram.node(&column, 2 * self.bits)).collect();
        let index: Vec<String> = (0..self.bits).rev().map(|k| format!("a_i[{k}], b_i[{k}]")).collect();
        let (last, highest) = (self.bits - 1, 2 * self.bits - 1);
        let text = format!(
            "// {name}: the table of a function of two codes, as multiplexers.\n\
             module {name} (input wire [{last}:0] a_i, input wire [{last}:0] b_i, output wire [{last}:0] product_o);\n\
             wire [{highest}:0] x = {{{}}};\n{}assign product_o = {{{}}};\nendmodule\n",
            index.join(", "),
            diagram.text,
            outputs.join(", ")
        );
        let verilog = BTreeMap::from([(format!("{name}.v"), text)]);
        Sources { top: name.to_owned(), verilog, ..Sources::default() }
    }
}

/// The multiplexers so far, by what they choose between.
#[derive(Default)]
struct Diagram {
    nodes: HashMap<(u32, String, String), String>,
    text: String,
}

impl Diagram {
    /// The signal that has the value of `column` at the number that the lowest `inputs` bits of `x` make.
    fn node(&mut self, column: &[bool], inputs: u32) -> String {
        if inputs == 0 {
            return format!("1'b{}", u8::from(column[0]));
        }
        let (low, high) = column.split_at(column.len() / 2);
        let (low, high) = (self.node(low, inputs - 1), self.node(high, inputs - 1));
        if low == high {
            return low;
        }
        let next = format!("n{}", self.nodes.len());
        let input = inputs - 1;
        let name = self.nodes.entry((input, low.clone(), high.clone())).or_insert_with(|| {
            writeln!(self.text, "wire {next} = x[{input}] ? {high} : {low};").expect("text grows");
            next
        });
        name.clone()
    }
}

fn circuit(settings: &str) -> Sources {
    let entry = find("format_multiplier").expect("the catalogue has it");
    let unit = entry.unit(settings.split_whitespace()).unwrap_or_else(|error| panic!("{settings}: {error}"));
    let module = unit.module().unwrap_or_else(|error| panic!("{settings}: {error}"));
    Sources::of(&Design::new(&module).expect("one module"))
}

fn products(name: &str) -> Table {
    let format: Scalar = name.parse().unwrap_or_else(|error| panic!("{error}"));
    Table::of(&format, |a, b| arithmetic::multiply(&format, a, b, Rounding::NearestEven))
}

fn prove(what: &str, table: &Table, circuit: &Sources) -> Option<Verdict> {
    unless_missing(what, formal::compare_logic(&table.verilog("value_side"), circuit))
}

#[test]
fn multipliers_equal_the_table_of_the_value_side() {
    let full: &[&str] =
        if std::env::var_os("BITMILL_FULL").is_some() { &["fp8_e5m2", "posit7_1"] } else { &[] };
    for name in ["fp8_e4m3", "posit6_1", "int8", "bitmod_fp4"].iter().chain(full) {
        let what = format!("proof of the {name} multiplier");
        let verdict = prove(&what, &products(name), &circuit(&format!("format={name}")));
        assert!(matches!(verdict, None | Some(Verdict::Equal)), "{what}: {verdict:?}");
        println!("{what}: {verdict:?}");
    }
}

#[test]
fn one_wrong_line_or_another_rounding_is_found() {
    let mut table = products("posit6_1");
    table.results[0x5a5] ^= 1;
    let verdict = prove("refutation of a wrong table", &table, &circuit("format=posit6_1"));
    assert!(matches!(verdict, None | Some(Verdict::Different(_))), "one wrong bit: {verdict:?}");
    let rounded_down = circuit("format=fp6_e2m3 rounding=toward_zero");
    let verdict = prove("refutation of a rounding", &products("fp6_e2m3"), &rounded_down);
    assert!(matches!(verdict, None | Some(Verdict::Different(_))), "another rounding: {verdict:?}");
}

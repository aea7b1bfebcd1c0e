//! `bitmill power` on an inverter, priced by hand.

mod common;

use std::path::PathBuf;

use common::{ROOT, bitmill, fails, files, succeeds, text_of};
use serde_json::Value;

/// A transition of the output takes 1 fJ, the input has 2 fF, the supply is 1 V, and 1 nW leaks.
const LIBERTY: &str = r#"library (one) {
  time_unit : "1ps"; voltage_unit : "1V"; leakage_power_unit : "1nW"; capacitive_load_unit (1, ff);
  nom_voltage : 1.0; nom_temperature : 25;
  lu_table_template (t) { variable_1 : total_output_net_capacitance; index_1 ("0, 10"); }
  cell (inv) {
    area : 2.0; cell_leakage_power : 1;
    pin (A) { direction : input; capacitance : 2.0; }
    pin (Y) {
      direction : output; function : "!A";
      internal_power () { related_pin : "A"; power (t) { values ("1, 1"); } }
      timing () {
        related_pin : "A";
        cell_rise (t) { values ("1, 2"); } cell_fall (t) { values ("1, 2"); }
        rise_transition (t) { values ("1, 2"); } fall_transition (t) { values ("1, 2"); }
      }
    }
  }
}
"#;

/// Two inverters side by side, and a memory that the library does not have.
const NETLIST: &str = r#"{"modules": {"pair": {
  "ports": {"a_i": {"direction": "input", "bits": [2, 3]}, "y_o": {"direction": "output", "bits": [4, 5]}},
  "cells": {
    "u0": {"type": "inv", "connections": {"A": [2], "Y": [4]}},
    "u1": {"type": "inv", "connections": {"A": [3], "Y": [5]}},
    "m": {"type": "memory", "connections": {"D": [4, 5]}}
  },
  "netnames": {"a_i": {"bits": [2, 3]}, "y_o": {"bits": [4, 5]}}
}}}"#;

/// In 100 ns bit 0 of the input changes ten times, bit 1 twice.
fn vcd() -> String {
    let mut text = "$timescale 100ps $end\n$scope module bench $end\n$scope module dut $end\n\
                    $var wire 2 ! a_i [1:0] $end\n$var wire 2 \" y_o [1:0] $end\n\
                    $upscope $end\n$upscope $end\n$enddefinitions $end\n"
        .to_owned();
    for step in 0..=10 {
        let (low, high) = (step % 2, u32::from((4..8).contains(&step)));
        text += &format!("#{}\nb{high}{low} !\nb{}{} \"\n", step * 100, 1 - high, 1 - low);
    }
    text
}

#[test]
fn an_inverter_takes_what_its_tables_say() {
    let here = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("one.lib", LIBERTY),
        ("pair.json", NETLIST),
        ("run.vcd", &vcd()),
        ("wires.spef", "*C_UNIT 1 FF\n*D_NET y_o[0] 8\n*D_NET other 5\n"),
        ("foreign.spef", "*C_UNIT 1 FF\n*D_NET other 5\n"),
        ("text.vcd", "not a waveform"),
        ("damaged.vcd", &vcd().replace("b01 !", "bq1 !")),
    ] {
        std::fs::write(here.path().join(name), text).unwrap();
    }
    let command = ["power", "pair.json", "--liberty", "one.lib"];
    let waves = [&command[..], &["--waves", "run.vcd", "--scope", "bench.dut"]].concat();
    let value: Value =
        serde_json::from_str(&succeeds(here.path(), &[&waves[..], &["--json"]].concat())).unwrap();
    let figure = |value: &Value, key: &str| value["total"][key].as_f64().unwrap();
    // Twelve transitions of the outputs and of 2 fF in 100 ns; 1 fJ in a ns is a µW.
    assert!((figure(&value, "internal_mw") - 12.0 * 1e-3 / 100.0).abs() < 1e-12, "{value}");
    assert!((figure(&value, "switching_mw") - 12.0 * 0.5 * 2e-3 / 100.0).abs() < 1e-12, "{value}");
    assert!((figure(&value, "leakage_mw") - 2e-6).abs() < 1e-15, "{value}");
    assert_eq!((value["cells"].as_u64(), value["area_um2"].as_f64()), (Some(2), Some(4.0)));
    let wired = [&waves[..], &["--spef", "wires.spef", "--json"]].concat();
    let wired: Value = serde_json::from_str(&succeeds(here.path(), &wired)).unwrap();
    let added = figure(&wired, "switching_mw") - figure(&value, "switching_mw");
    assert!((added - 10.0 * 0.5 * 8e-3 / 100.0).abs() < 1e-12, "{added}");

    let page = succeeds(here.path(), &waves);
    for part in ["inv", "(loads of inputs)", "total", "100.000 ns of run.vcd", "1 cells of kind memory"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let random = succeeds(here.path(), &[&command[..], &["--clock-mhz", "200"]].concat());
    assert!(random.contains("random inputs in every cycle at 200 MHz"), "{random}");

    let with = |more: &[&'static str]| [&command[..], more].concat();
    for (arguments, problem) in [
        (with(&["--waves", "run.vcd", "--scope", "bench.other"]), "its scopes are bench, bench.dut"),
        (with(&["--waves", "run.vcd"]), "4 of 4 nets of the netlist are not in it"),
        (with(&["--waves", "text.vcd"]), "text.vcd: "),
        (with(&["--waves", "damaged.vcd", "--scope", "bench.dut"]), "damaged.vcd: it is damaged"),
        (with(&["--waves", "none.vcd"]), "cannot read none.vcd: "),
        (with(&["--spef", "foreign.spef"]), "foreign.spef: none of its 1 nets is in the netlist"),
        (with(&["--spef", "one.lib"]), "one.lib: there is no net (*D_NET) in it"),
        (with(&["--top", "single"]), "pair.json: it has no module single; there are pair"),
        (with(&["--clock-mhz", "0"]), "--clock-mhz 0 is not legal"),
        (vec!["power", "one.lib", "--liberty", "one.lib"], "one.lib: expected"),
        (vec!["power", "pair.json", "--liberty", "pair.json"], "pair.json: "),
        (vec!["power", "pair.json", "--liberty", "none.lib"], "cannot read none.lib"),
    ] {
        let error = fails(here.path(), &arguments);
        assert!(error.contains(problem), "{arguments:?}: {error}");
    }
    let still = succeeds(here.path(), &with(&["--waves", "run.vcd", "--allow-missing"]));
    assert!(still.contains("4 nets are not in the waveform: counted as still"), "{still}");

    assert_eq!(bitmill(here.path(), &["power"]).status.code(), Some(2), "usage");
    assert_eq!(text_of(here.path(), "pair.json"), NETLIST);
    assert_eq!(files(here.path()).len(), 7, "nothing is written");
    assert!(PathBuf::from(ROOT).exists());
}

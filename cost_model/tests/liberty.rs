//! A library of two cells, small enough to price by hand, and what is refused of it.

use bitmill_cost_model::liberty::{Activity, LibertyError, Library, Netlist, NetlistError, Stimulus, power};

/// An inverter and a flip-flop. Energies are 1 + load in fF·V², delays are not read here.
const LIBRARY: &str = r#"
library (two) {
  time_unit : "1ps"; voltage_unit : "1V"; leakage_power_unit : "1pW"; capacitive_load_unit (1, ff);
  nom_voltage : 0.5; nom_temperature : 25;
  lu_table_template (t) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("1, 100"); index_2 ("0, 10");
  }
  cell (inv) {
    area : 2.0;
    leakage_power () { when : "A"; value : 300; }
    leakage_power () { when : "!A"; value : 100; }
    pin (A) { direction : input; capacitance : 2.0; }
    pin (Y) {
      direction : output; function : "!A";
      internal_power () { related_pin : "A"; power (t) { values ("1, 11", "1, 11"); } }
      timing () {
        related_pin : "A";
        cell_rise (t) { values ("1, 2", "1, 2"); } cell_fall (t) { values ("1, 2", "1, 2"); }
        rise_transition (t) { values ("1, 2", "1, 2"); } fall_transition (t) { values ("1, 2", "1, 2"); }
      }
    }
  }
  cell (dff) {
    area : 6.0; cell_leakage_power : 500;
    ff (IQ, IQN) { next_state : "D"; clocked_on : "C"; }
    pin (C) {
      direction : input; capacitance : 1.0;
      internal_power () { power (t) { values ("4, 4", "4, 4"); } }
    }
    pin (D) { direction : input; capacitance : 3.0; }
    pin (Q) {
      direction : output; function : "IQ";
      internal_power () { related_pin : "C"; power (t) { values ("7, 7", "7, 7"); } }
      timing () {
        related_pin : "C";
        cell_rise (t) { values ("1, 2", "1, 2"); } cell_fall (t) { values ("1, 2", "1, 2"); }
        rise_transition (t) { values ("1, 2", "1, 2"); } fall_transition (t) { values ("1, 2", "1, 2"); }
      }
    }
  }
  cell (bare) { cell_leakage_power : 1; }
  cell (mute) {
    area : 1; cell_leakage_power : 1;
    pin (A) { direction : input; capacitance : 1; }
    pin (Y) { direction : output; function : "A"; }
  }
}
"#;

/// A flip-flop that drives itself through an inverter: net 2 is the clock, 3 the state, 4 its complement.
fn divider(library: &Library) -> Netlist<'_> {
    let cells = [("inv", vec![("A", 3), ("Y", 4)]), ("dff", vec![("C", 2), ("D", 4), ("Q", 3)])];
    Netlist::new(library, cells, vec![2], &[]).expect("a legal netlist")
}

#[test]
fn power_is_that_of_a_hand_calculation() {
    let library = Library::read([LIBRARY]).expect("a legal library");
    let netlist = divider(&library);
    assert_eq!(netlist.area_um2(), 8.0);
    let activity = netlist.simulate(|_| Stimulus::Clock, 2, 100, || 0x5555);
    assert_eq!(activity.toggles[2..], [2.0, 1.0, 1.0], "the state toggles in every cycle");
    assert_eq!(activity.ones[2..], [0.5, 0.5, 0.5]);
    let found = power(&netlist, &activity);
    // Loads: clock 1 fF, state 2 fF, complement 3 fF; half of C·V² at 0.5 V.
    let switching = 0.5 * (2.0 * 1.0 + 2.0 + 3.0) * 0.25e-3;
    // The clock pin twice, the state once, the inverter once at 3 fF.
    let internal = (2.0 * 4.0 + 7.0 + (1.0 + 3.0)) * 1e-3;
    assert!((found.switching_pj - switching).abs() < 1e-12, "{found:?}");
    assert!((found.internal_pj - internal).abs() < 1e-12, "{found:?}");
    assert!((found.leakage_nw - (0.2 + 0.5)).abs() < 1e-12, "{found:?}");
    let at_100_mhz = (switching + internal) * 0.1 + 0.7e-6;
    assert!((found.total_mw(100.0) - at_100_mhz).abs() < 1e-12);
}

#[test]
fn wires_load_nets_and_held_inputs_cost_leakage_only() {
    let library = Library::read([LIBRARY]).expect("a legal library");
    let chain = |wire: &[(usize, f64)]| {
        let netlist =
            Netlist::new(&library, [("inv", vec![("A", 2), ("Y", 3)])], vec![2], wire).expect("legal");
        power(&netlist, &Activity { toggles: vec![0.0, 0.0, 1.0, 1.0], ones: vec![0.0, 1.0, 0.5, 0.5] })
    };
    // 4 fF of wire: a quarter of 4 fF·V²/2 more to switch, and 4 fJ more within the inverter.
    let (bare, wired) = (chain(&[]), chain(&[(3, 4e-3)]));
    assert!((wired.switching_pj - bare.switching_pj - 0.5e-3).abs() < 1e-12);
    assert!((wired.internal_pj - bare.internal_pj - 4e-3).abs() < 1e-12);
    let netlist = divider(&library);
    let held = netlist.simulate(|_| Stimulus::Held(true), 1, 4, || 0);
    assert_eq!(held.ones[2], 1.0);
}

#[test]
fn cells_that_cannot_be_priced_are_named() {
    let library = Library::read([LIBRARY]).expect("a legal library");
    let skipped: Vec<String> = library.skipped.iter().map(|s| format!("{}: {}", s.cell, s.reason)).collect();
    assert_eq!(skipped, ["bare: it has no area", "mute: pin Y has no tables of delay"]);
    let netlist = |cell, pin| Netlist::new(&library, [(cell, vec![(pin, 2)])], vec![2], &[]).map(|_| ());
    assert_eq!(netlist("bare", "A"), Err(NetlistError::UnknownCell("bare".to_owned())));
    let pin = NetlistError::UnknownPin { cell: "inv".to_owned(), pin: "Z".to_owned() };
    assert_eq!(netlist("inv", "Z"), Err(pin));
    let ring = [("inv", vec![("A", 2), ("Y", 3)]), ("inv", vec![("A", 3), ("Y", 2)])];
    assert_eq!(Netlist::new(&library, ring, vec![], &[]).map(|_| ()), Err(NetlistError::Loop(2)));
}

#[test]
fn libraries_that_cannot_be_trusted_are_refused() {
    let refused = |from: &str, to: &str| -> String {
        let text = LIBRARY.replacen(from, to, 1);
        assert_ne!(text, LIBRARY, "{from}");
        Library::read([text.as_str()]).map(|_| ()).expect_err(to).to_string()
    };
    let corners = "nom_voltage : 0.5; operating_conditions (slow) { voltage : 0.4; } operating_conditions (fast) { voltage : 0.6; }";
    for (from, to, message) in [
        ("time_unit : \"1ps\";", "", "library two: time_unit is missing"),
        (
            "1pW",
            "1 horse",
            "library two: leakage_power_unit: `1 horse` is not legal; a number with m, u, n, p or f before `w` is",
        ),
        (
            "capacitive_load_unit (1, ff);",
            "",
            "library two: capacitive_load_unit is missing, such as (1, pf)",
        ),
        ("nom_voltage : 0.5;", "", "library two: nom_voltage is missing"),
        (
            "nom_voltage : 0.5",
            "nom_voltage : 0",
            "library two: a supply of 0 V is not legal; it must be positive",
        ),
        (
            "cell (bare)",
            "cell (inv) { area : 1; cell_leakage_power : 1; } cell (bare)",
            "library two: cell inv stands twice",
        ),
        (
            "nom_voltage : 0.5;",
            corners,
            "library two: it has several corners (slow, fast) and no default_operating_conditions among them",
        ),
    ] {
        assert_eq!(refused(from, to), message);
    }
    let other = LIBRARY.replacen("nom_voltage : 0.5", "nom_voltage : 0.6", 1);
    let mixed = Library::read([LIBRARY, other.as_str()]).map(|_| ()).expect_err("two corners").to_string();
    assert!(mixed.ends_with("files of one corner are needed"), "{mixed}");
    let chosen =
        LIBRARY.replacen("nom_voltage : 0.5;", &format!("default_operating_conditions : fast; {corners}"), 1);
    assert_eq!(Library::read([chosen.as_str()]).expect("a default corner").corner.voltage_v, 0.6);
    let none = "library (n) { time_unit : 1ns; voltage_unit : 1V; leakage_power_unit : 1nW; capacitive_load_unit (1, pf); \
                nom_voltage : 1; nom_temperature : 25; cell (a) { } }";
    let error = Library::read([none]).map(|_| ()).expect_err("no cell");
    assert!(
        matches!(&error, LibertyError::Library { problem, .. } if problem == "none of its 1 cells can be priced")
    );
}

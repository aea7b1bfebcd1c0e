//! Netlists as Yosys writes them, in a library of a few cells: what is read, buffered, priced, and given to timing tools.

use bitmill_cost_model::liberty::{LibertyError, Library, MappedNetlist, Roles};

/// A NAND2, an inverter, a small buffer that is slow and a large one that is fast, and a flip-flop.
fn library() -> Library {
    let table = |value: &str| format!("(t) {{ values (\"{value}\"); }}");
    let gate = |name: &str, area: f64, inputs: &[&str], function: &str, delay: &str| {
        let (zero, delay) = (table("1, 1"), table(delay));
        let pins: String = inputs
            .iter()
            .map(|pin| format!("pin ({pin}) {{ direction : input; capacitance : 2.0; }}\n"))
            .collect();
        let arcs: String = inputs
            .iter()
            .map(|pin| {
                format!(
                    "internal_power () {{ related_pin : \"{pin}\"; rise_power {zero} fall_power {zero} }}\n\
                     timing () {{ related_pin : \"{pin}\"; cell_rise {delay} cell_fall {delay}\n\
                     rise_transition {delay} fall_transition {delay} }}\n"
                )
            })
            .collect();
        format!(
            "cell ({name}) {{ area : {area}; cell_leakage_power : 1000; {pins}\
             pin (Y) {{ direction : output; function : \"{function}\"; {arcs} }} }}\n"
        )
    };
    let flip_flop = gate("dff", 6.0, &["C", "D"], "IQ", "30, 60")
        .replace("pin (C)", "ff (IQ, IQN) { next_state : \"D\"; clocked_on : \"C\"; } pin (C)");
    let cells = [
        gate("nand2", 2.0, &["A", "B"], "!(A B)", "10, 20"),
        gate("nand2_large", 3.0, &["A", "B"], "!(A B)", "10, 15"),
        gate("and2", 1.0, &["A", "B"], "A B", "10, 20"),
        gate("inv", 1.0, &["A"], "!A", "10, 20"),
        gate("buf_1", 2.0, &["A"], "A", "20, 200"),
        gate("buf_4", 4.0, &["A"], "A", "20, 60"),
        gate("buf_9", 9.0, &["A"], "A", "20, 55"),
        flip_flop,
    ];
    let text = format!(
        "library (few) {{ time_unit : \"1ps\"; voltage_unit : \"1V\"; leakage_power_unit : \"1pW\";\n\
         capacitive_load_unit (1, ff); nom_voltage : 1.0; nom_temperature : 25;\n\
         power_lut_template (t) {{ variable_1 : total_output_net_capacitance; index_1 (\"0, 32\"); }}\n{}}}",
        cells.concat()
    );
    Library::read([text.as_str()]).expect("a legal library")
}

/// A flip-flop whose output an inverter reads for each of so many outputs.
fn fan(sinks: usize) -> MappedNetlist {
    let cell = |kind: &str, pins: &[(&str, usize)]| {
        let pins: Vec<String> = pins.iter().map(|(pin, net)| format!("\"{pin}\": [{net}]")).collect();
        format!("{{\"type\": \"{kind}\", \"connections\": {{{}}}}}", pins.join(", "))
    };
    let mut cells = vec![format!("\"q\": {}", cell("dff", &[("C", 2), ("D", 4), ("Y", 5)]))];
    let outputs: Vec<String> = (0..sinks).map(|sink| (6 + sink).to_string()).collect();
    for sink in 0..sinks {
        cells.push(format!("\"i{sink}\": {}", cell("inv", &[("A", 5), ("Y", 6 + sink)])));
    }
    let text = format!(
        "{{\"ports\": {{\"clk_i\": {{\"direction\": \"input\", \"bits\": [2]}},\n\
         \"rst_ni\": {{\"direction\": \"input\", \"bits\": [3]}}, \"d_i\": {{\"direction\": \"input\", \"bits\": [4]}},\n\
         \"y_o\": {{\"direction\": \"output\", \"bits\": [{}, \"1\"]}}}}, \"cells\": {{{}}}}}",
        outputs.join(", "),
        cells.join(", ")
    );
    MappedNetlist::from_yosys(&text).expect("a legal netlist")
}

#[test]
fn cells_are_found_by_what_they_do() {
    let roles = Roles::find(&library(), |_| true).expect("every cell that is needed");
    // Area times delay at sixteen inputs: 2 · 200, 4 · 60, 9 · 55.
    assert_eq!(roles.buffer, "buf_4");
    assert_eq!(roles.load_ff, 8.0);
    assert_eq!(roles.reference.nand2_um2, 2.0);
    assert!((roles.reference.flip_flop_ns - 0.030).abs() < 1e-9, "{:?}", roles.reference);
    let without = Roles::find(&library(), |name| !name.starts_with("nand")).expect_err("no NAND2");
    assert!(
        matches!(&without, LibertyError::Library { problem, .. } if problem.contains("no NAND2")),
        "{without}"
    );
}

#[test]
fn nets_of_many_sinks_get_trees() {
    let library = library();
    for (sinks, buffers) in [(16, 0), (17, 2), (256, 16), (257, 17 + 2)] {
        let mut netlist = fan(sinks);
        let before_um2 = netlist.area_um2(&library);
        assert_eq!(before_um2, 6.0 + sinks as f64);
        netlist.insert_buffers(&library, "buf_4").expect("a buffer");
        assert_eq!(netlist.area_um2(&library) - before_um2, 4.0 * f64::from(buffers), "{sinks} sinks");
        let again = netlist.clone();
        netlist.insert_buffers(&library, "buf_4").expect("a buffer");
        assert_eq!(netlist, again, "one tree is enough");
    }
}

#[test]
fn inputs_are_random_but_clock_and_reset() {
    let library = library();
    let [one, more] = [1, 11].map(|sinks| fan(sinks).energies(&library).expect("a legal netlist"));
    assert_eq!(one.clock_pj, more.clock_pj);
    // 1 fJ for each transition of an inverter, which moves in half of all cycles, and 2 fF at 1 V that drive it.
    let each_pj = (more.active_pj - one.active_pj) / 10.0;
    assert!((each_pj - 0.5 * (1e-3 + 0.5 * 2e-3)).abs() < 1e-4, "{each_pj}");
    assert_eq!(more.leakage_nw, 12.0);
}

#[test]
fn timing_tools_get_ports_wires_and_cells() {
    let library = library();
    let netlist = fan(2);
    assert_eq!((netlist.data_inputs(), netlist.clock_and_reset()), (vec![4], [Some(2), Some(3)]));
    let expected = "module mapped (n2, n4, n3, n6, n7);\ninput n2;\ninput n4;\ninput n3;\noutput n6;\noutput n7;\nwire n5;\n";
    let text = netlist.to_verilog(&library);
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("(.A(n5), .Y(n7));"), "{text}");
    assert!(MappedNetlist::from_yosys("{\"ports\": {}}").is_err());
}

//! The power calculator against OpenSTA, on a shift register with feedback in sky130 cells.
//!
//! Both get the same activity for every net, so that the comparison is of tables, slews, loads and weights.

use std::process::Command;

use bitmill_cost_model::liberty::{Activity, Library, Netlist, power};

const LIBERTY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/liberty/sky130hd_tt.lib.gz");
const STAGES: usize = 24;
const CLOCK_NS: f64 = 10.0;

/// OpenSTA 2.0.17, which Debian ships, adds the internal energies of both edges for every single transition. One
/// flip-flop shows it: a cycle of dfxtp_1's clock pin takes 22.7 fJ falling and 17.8 fJ rising, 4.05 µW at 100 MHz;
/// it reports 8.1 µW for that part.
const EDGES_COUNTED: f64 = 2.0;

/// OpenSTA's activity: transitions in a period, and the share of ones.
const ACTIVITY: f64 = 0.25;
const DUTY: f64 = 0.5;

/// Largest relative difference in internal, switching and all energy. Slews differ: OpenSTA takes those of each
/// edge, the calculator the mean of both.
const BOUND: f64 = 0.05;

#[test]
fn power_is_that_of_opensta() {
    let Ok(packed) = std::fs::read(LIBERTY) else {
        return println!("skipped: ../shared/data/liberty/sky130hd_tt.lib.gz is not at hand");
    };
    if Command::new("sta").arg("-version").output().is_err() {
        return println!("skipped: OpenSTA is not installed; on Debian or Ubuntu: apt-get install opensta");
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut text)
        .expect("a compressed text");
    let library = Library::read([text.as_str()]).expect("sky130 is a legal library");
    let cells = circuit();
    let netlist = Netlist::new(&library, cells.clone(), vec![2], &[]).expect("a legal netlist");
    let mut activity = Activity { toggles: vec![ACTIVITY; netlist.nets], ones: vec![DUTY; netlist.nets] };
    activity.toggles[2] = 2.0;
    let ours = power(&netlist, &activity);
    // OpenSTA counts nets by the instance that drives them: not the clock's, which the outside drives.
    let clock_pj = netlist.load_pf[2] * library.corner.voltage_v.powi(2);
    let switching_pj = ours.switching_pj - clock_pj;
    // pJ times GHz is mW.
    let ours_mw = [ours.internal_pj, switching_pj, ours.internal_pj + switching_pj].map(|pj| pj / CLOCK_NS);
    let [internal, switching] = opensta(&text, &cells);
    let internal = internal / EDGES_COUNTED;
    let theirs_mw = [internal, switching, internal + switching];
    for ((name, ours), theirs) in ["internal", "switching", "dynamic"].iter().zip(ours_mw).zip(theirs_mw) {
        let error = ours / theirs - 1.0;
        println!("{name}: {ours:.5} mW, OpenSTA {theirs:.5} mW, {:+.1} %", error * 100.0);
        assert!(error.abs() <= BOUND, "{name}: {ours} mW against {theirs} mW");
    }
}

/// Cells with their pins; net 2 is the clock, 3 … the stages, then gates between them.
fn circuit() -> Vec<(&'static str, Vec<(&'static str, usize)>)> {
    let (stage, gate) = (|k: usize| 3 + k % STAGES, |k: usize| 3 + STAGES + k);
    let mut cells = Vec::new();
    for k in 0..STAGES {
        let (a, b, y) = (stage(k), stage(k + 5), gate(k));
        cells.push(match k % 4 {
            0 => ("sky130_fd_sc_hd__xor2_1", vec![("A", a), ("B", b), ("X", y)]),
            1 => ("sky130_fd_sc_hd__nand2_1", vec![("A", a), ("B", b), ("Y", y)]),
            2 => ("sky130_fd_sc_hd__mux2_1", vec![("A0", a), ("A1", b), ("S", stage(k + 11)), ("X", y)]),
            _ => ("sky130_fd_sc_hd__inv_1", vec![("A", a), ("Y", y)]),
        });
        cells.push(("sky130_fd_sc_hd__dfxtp_1", vec![("CLK", 2), ("D", y), ("Q", stage(k + 1))]));
    }
    cells
}

/// Internal and switching power in mW, as OpenSTA reports them.
fn opensta(liberty: &str, cells: &[(&str, Vec<(&str, usize)>)]) -> [f64; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    // OpenSTA would add the wires of the library's default wire load.
    let liberty = liberty.replace("default_wire_load :", "default_wire_load_of_the_library :");
    std::fs::write(at("cells.lib"), liberty).expect("a file");
    let mut verilog = "module top (n2);\ninput n2;\n".to_owned();
    (3..3 + 2 * STAGES).for_each(|net| verilog += &format!("wire n{net};\n"));
    for (number, (cell, pins)) in cells.iter().enumerate() {
        let pins: Vec<String> = pins.iter().map(|(pin, net)| format!(".{pin}(n{net})")).collect();
        verilog += &format!("{cell} u{number} ({});\n", pins.join(", "));
    }
    std::fs::write(at("top.v"), verilog + "endmodule\n").expect("a file");
    let script = format!(
        "read_liberty {}\nread_verilog {}\nlink_design top\ncreate_clock -name c -period {CLOCK_NS} [get_ports n2]\n\
         set_input_transition 0.05 [all_inputs]\nset_power_activity -global -activity {ACTIVITY} -duty {DUTY}\n\
         report_power -digits 8\nexit\n",
        at("cells.lib"),
        at("top.v")
    );
    std::fs::write(at("run.tcl"), script).expect("a file");
    let ran = Command::new("sta").args(["-exit", "-no_splash", &at("run.tcl")]).output().expect("sta runs");
    let report = String::from_utf8_lossy(&ran.stdout).into_owned();
    let line =
        report.lines().find(|l| l.starts_with("Total")).unwrap_or_else(|| panic!("no total in {report}"));
    let watts: Vec<f64> =
        line.split_whitespace().skip(1).take(2).map(|w| w.parse().expect("a number")).collect();
    [watts[0] * 1e3, watts[1] * 1e3]
}

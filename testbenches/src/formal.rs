//! Proves two circuits equal with Yosys: a miter of both and temporal induction.
//!
//! The claim is that no sequence of inputs, of any length, makes the outputs differ. Induction needs state
//! that shows late (an accumulator, say) to be compared as it goes; [`Circuit::state`] names it on both sides.

mod logic;

use std::fs;

use crate::tool::YOSYS;
use crate::{Sources, TestbenchError};

pub use logic::compare_logic;

/// One side of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Circuit<'a> {
    /// Its Verilog. Port names must be those of the other side.
    pub sources: &'a Sources,
    /// Registers compared beside the outputs: (net in the flattened circuit, name shared by both sides).
    pub state: &'a [(&'a str, &'a str)],
}

/// What is known about the registers when the comparison starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// All are zero.
    Zero,
    /// All are zero, and `rst_ni` is low in the first cycle.
    Reset,
    /// Nothing is known, and `rst_ni` is low in the first cycle; the sides must agree wherever the first
    /// one's value does not depend on the unknown.
    Unknown,
}

/// Outcome of a proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Equal for ever.
    Equal,
    /// Inputs exist that make the sides differ: Yosys's table of them.
    Different(String),
    /// Neither was shown within the depth.
    Undecided,
}

/// Whether `gold` and `gate` are equal, by induction over at most `depth` cycles.
///
/// # Errors
/// Yosys is missing or cannot read the sources.
pub fn compare(gold: Circuit, gate: Circuit, start: Start, depth: u32) -> Result<Verdict, TestbenchError> {
    let directory = tempfile::tempdir().map_err(TestbenchError::io("create", &std::env::temp_dir()))?;
    let mut script = String::new();
    for (side, circuit) in [("gold", gold), ("gate", gate)] {
        let path = directory.path().join(side);
        fs::create_dir(&path).map_err(TestbenchError::io("create", &path))?;
        circuit.sources.write(&path)?;
        script.push_str(&prepare(side, circuit));
    }
    script.push_str(&prove(start, depth));
    let path = directory.path().join("prove.ys");
    fs::write(&path, script).map_err(TestbenchError::io("write", &path))?;
    let mut command = YOSYS.command();
    command.current_dir(directory.path()).args(["-Q", "-T", "prove.ys"]);
    let text = YOSYS.run(&mut command)?;
    Ok(verdict(&text))
}

/// Reads one side, flattens it to word-level logic, and makes the compared registers outputs. What a
/// register is initialised to is [`Start`]'s business, not the text's.
fn prepare(side: &str, circuit: Circuit) -> String {
    let top = &circuit.sources.top;
    let files: Vec<String> = circuit.sources.verilog.keys().map(|name| format!("{side}/{name}")).collect();
    let mut script = format!(
        "read_verilog {}\nhierarchy -check -top {top}\nproc\nflatten\nmemory\nsetattr -unset init w:*\nopt -fast\n",
        files.join(" "),
    );
    for (net, shared) in circuit.state {
        if net != shared {
            script.push_str(&format!("cd {top}\nrename {net} {shared}\ncd\n"));
        }
        script.push_str(&format!("expose w:{shared}\n"));
    }
    script.push_str(&format!("rename -top {side}\ndesign -stash {side}\n"));
    script
}

fn prove(start: Start, depth: u32) -> String {
    let (miter, init) = match start {
        Start::Zero => ("", "-set-init-zero"),
        Start::Reset => ("", "-set-init-zero -set-at 1 in_rst_ni 0"),
        Start::Unknown => ("-ignore_gold_x", "-set-init-undef -set-def-inputs -set-at 1 in_rst_ni 0"),
    };
    format!(
        "design -copy-from gold -as gold gold\ndesign -copy-from gate -as gate gate\n\
         miter -equiv -make_outputs -flatten {miter} gold gate miter\nhierarchy -top miter\n\
         sat -tempinduct -maxsteps {depth} {init} -prove trigger 0 -show-inputs -show-outputs miter\n"
    )
}

fn verdict(text: &str) -> Verdict {
    if text.contains("Induction step proven: SUCCESS!") {
        return Verdict::Equal;
    }
    match text.find("model found for base case: FAIL!") {
        Some(at) => Verdict::Different(text[at..].to_owned()),
        None => Verdict::Undecided,
    }
}

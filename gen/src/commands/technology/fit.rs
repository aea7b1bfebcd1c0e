//! `bitmill technology fit`: measures a cell library on synthesised designs, fits coefficients, and states their errors.

use std::collections::BTreeMap;
use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bitmill_cost_model::liberty::{Library, MappedNetlist, Roles};
use bitmill_cost_model::{
    Fitted, Measurement, Source, Technology, fit_measurements, measurements_from_text, measurements_to_text,
    training_design, training_designs,
};
use bitmill_hdl::verilog;
use clap::Args;
use sha2::{Digest, Sha256};

use super::tools::{Request, SCRIPT, Tools, side_by_side};
use crate::output::{print, write_file};
use crate::table::Table;
use crate::technology::{library, read};

const EXAMPLES: &str = "\
Examples:
  bitmill technology fit --liberty my_cells_tt.lib --python venv/bin/python --out my_cells.toml
  bitmill technology fit --liberty cells_a.lib.gz cells_b.lib.gz --dont-use '*lpflow*' --out two.toml
  bitmill technology fit --measurements my_cells.tsv --base my_cells.toml --out again.toml     fit anew, measure nothing
  bitmill technology fit --liberty my_cells_tt.lib --only pe_integer                           print what these designs measure

About two hundred designs are mapped twice, for area and for speed: five to ten minutes. Netlists stay in --cache, so that a run
that was interrupted goes on where it stopped. NAME.tsv beside NAME.toml gets what was measured.
`bitmill cost my.yaml --technology my_cells.toml` uses the result.";

/// Fits a technology to a cell library: synthesises, measures, and states the error on designs that no fit saw.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct FitArgs {
    /// The library's Liberty files, all of one corner; plain or compressed (.gz)
    #[arg(long, num_args = 1.., value_name = "FILE", required_unless_present = "measurements")]
    liberty: Vec<PathBuf>,
    /// Technology file to write; its name is the technology's
    #[arg(long, value_name = "NAME.toml", required_unless_present = "only")]
    out: Option<PathBuf>,
    /// Process, library and corner, in a line [default: what the Liberty files say]
    #[arg(long)]
    summary: Option<String>,
    /// Where the library comes from, and its licence [default: the names of its files]
    #[arg(long)]
    source: Option<String>,
    /// Take memories from this technology file as they are [default: scaled from sg13g2's macros]
    #[arg(long, value_name = "FILE.toml")]
    memory: Option<PathBuf>,
    /// Cells that are not to be used; * stands for any text
    #[arg(long, num_args = 1.., value_name = "PATTERN")]
    dont_use: Vec<String>,
    /// Folder that keeps netlists
    #[arg(long, default_value = "technology_cache", value_name = "DIR")]
    cache: PathBuf,
    /// A Python that has pyosys
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Longest time for mapping a design once, in seconds; slower ones are left out by name
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Designs that are mapped at once [default: one a processor]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Measure the designs whose name contains this, print, and fit nothing
    #[arg(long, value_name = "TEXT", conflicts_with = "out")]
    only: Option<String>,
    /// Fit to these measurements instead of measuring
    #[arg(long, value_name = "NAME.tsv", requires = "base", conflicts_with_all = ["liberty", "only"])]
    measurements: Option<PathBuf>,
    /// With --measurements: the technology file whose coefficients are fitted anew
    #[arg(long, value_name = "FILE.toml")]
    base: Option<PathBuf>,
}

/// Runs `bitmill technology fit`.
///
/// # Errors
/// Files that cannot be read or are not what they should be, missing tools, and designs that Yosys refuses.
pub fn run(args: &FitArgs) -> Result<(), Box<dyn Error>> {
    if let (Some(measurements), Some(base), Some(out)) = (&args.measurements, &args.base, &args.out) {
        let text = read(measurements)?;
        let found = measurements_from_text(&text).map_err(|e| format!("{}: {e}", measurements.display()))?;
        let base = Technology::from_toml(&read(base)?).map_err(|e| format!("{}: {e}", base.display()))?;
        let fitted = fit_measurements(&found, base.reference.nand2_um2);
        return write(&Technology { calibration: fitted.calibration.clone(), ..base }, &fitted, out, &[]);
    }
    if let Some(out) = args.out.as_ref().filter(|out| out.extension().is_none_or(|end| end != "toml")) {
        return Err(format!("--out {} must end in .toml", out.display()).into());
    }
    let tools = Tools::find(&args.python)?;
    let unpacked = tempfile::tempdir()?;
    let cells = Cells::read(args, unpacked.path())?;
    let only = args.only.as_deref().unwrap_or_default();
    let names: Vec<String> = training_designs().into_iter().filter(|name| name.contains(only)).collect();
    if names.is_empty() {
        return Err(format!(
            "no design has `{only}` in its name; `bitmill units` lists what they are examples of"
        )
        .into());
    }
    std::fs::create_dir_all(&args.cache)
        .map_err(|error| format!("cannot create {}: {error}", args.cache.display()))?;
    let measuring = Measuring { args, tools: &tools, cells: &cells };
    let (measured, slow) = side_by_side(&names, args.jobs, |name| measuring.one(name))?;
    let mut notes = cells.notes.clone();
    notes.extend(
        slow.iter().map(|name| format!("skipped design ({} s were not enough): {name}", args.seconds)),
    );
    let text = measurements_to_text(&measured);
    let Some(out) = &args.out else {
        let notes: String = notes.iter().map(|note| format!("# {note}\n")).collect();
        return Ok(print(&(notes + &text))?);
    };
    // Their text is rounded and in alphabetical order: another fit to it must come to the same.
    let measured = measurements_from_text(&text)?;
    let fitted = fit_measurements(&measured, cells.roles.reference.nand2_um2);
    let technology = cells.technology(args, &tools, out, measured.len(), &fitted)?;
    write_file(&out.with_extension("tsv"), text.as_bytes())?;
    write(&technology, &fitted, out, &notes)
}

/// Writes the technology and prints the errors of its coefficients.
fn write(
    technology: &Technology,
    fitted: &Fitted,
    out: &Path,
    notes: &[String],
) -> Result<(), Box<dyn Error>> {
    write_file(out, technology.to_toml()?.as_bytes())?;
    let text = format!("{}\n{}", super::errors(technology).text(), by_unit(fitted).text());
    let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
    Ok(print(&format!("{text}\n{notes}wrote {}; {}\n", out.display(), technology.limits()))?)
}

/// Medians of held-out designs by unit.
fn by_unit(fitted: &Fitted) -> Table {
    let mut table = Table::new(&["held out", "designs", "area %", "energy %", "longest path %"]);
    for (unit, figures) in fitted.by_unit() {
        let [area, energy, path] = figures.map(|errors| format!("{:.1}", 100.0 * errors.median));
        table.row([unit.to_owned(), figures[0].designs.to_string(), area, energy, path]);
    }
    table
}

/// The library that is measured.
struct Cells {
    library: Library,
    /// Plain Liberty files.
    files: Vec<PathBuf>,
    /// Patterns of cells that are not used, those that cannot be priced among them.
    dont_use: Vec<String>,
    roles: Roles,
    digest: Vec<u8>,
    /// What was read and what was left out, in lines.
    notes: Vec<String>,
}

impl Cells {
    fn read(args: &FitArgs, folder: &Path) -> Result<Cells, Box<dyn Error>> {
        let library = library(&args.liberty)?;
        let mut digest = Sha256::new();
        let mut files = Vec::new();
        for (number, path) in args.liberty.iter().enumerate() {
            let text = read(path)?;
            digest.update(&text);
            files.push(folder.join(format!("{number}.lib")));
            std::fs::write(&files[number], &text)?;
        }
        let mut dont_use = args.dont_use.clone();
        dont_use.extend(library.skipped.iter().map(|skipped| skipped.cell.clone()));
        let roles =
            Roles::find(&library, |name| !args.dont_use.iter().any(|pattern| matches(pattern, name)))?;
        let (buffer, count) = (&roles.buffer, library.cells.len());
        let mut notes =
            vec![format!("{}: {count} cells; {buffer} drives inputs and makes trees", library.name)];
        let mut skipped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for cell in &library.skipped {
            skipped.entry(&cell.reason).or_default().push(&cell.cell);
        }
        for (reason, names) in skipped {
            notes.push(format!("skipped {} cells ({reason}): {}", names.len(), names.join(", ")));
        }
        Ok(Cells { library, files, dont_use, roles, digest: digest.finalize().to_vec(), notes })
    }

    /// The technology with coefficients that are fitted to so many designs.
    fn technology(
        &self,
        args: &FitArgs,
        tools: &Tools,
        out: &Path,
        designs: usize,
        fitted: &Fitted,
    ) -> Result<Technology, Box<dyn Error>> {
        let corner = self.library.corner;
        let names = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (memory, source) = match &args.memory {
            Some(path) => {
                let from =
                    Technology::from_toml(&read(path)?).map_err(|e| format!("{}: {e}", path.display()))?;
                (from.memory, from.source.memory)
            }
            None => {
                let from = Technology::scaling_base()?;
                (from.memory.scaled(&from.reference, &self.roles.reference), SCALED.to_owned())
            }
        };
        Ok(Technology {
            name: out.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            summary: args.summary.clone().unwrap_or_else(|| {
                format!("{}, {} V, {} C", self.library.name, corner.voltage_v, corner.temperature_c)
            }),
            supply_v: corner.voltage_v,
            caveat: None,
            source: Source {
                cells: args
                    .source
                    .clone()
                    .unwrap_or_else(|| args.liberty.iter().map(names).collect::<Vec<_>>().join(", ")),
                method: format!(
                    "{} designs before layout, flattened, mapped with pyosys {} (Yosys and ABC with sizing), trees of buffers \
                     behind nets of more than 16 sinks; delays by OpenSTA, mapped for speed; energies at random inputs \
                     without glitches; memories left out",
                    designs, tools.pyosys
                ),
                memory: source,
            },
            reference: self.roles.reference,
            memory,
            calibration: fitted.calibration.clone(),
        })
    }
}

const SCALED: &str = "scaled from nine IHP SG13 single-port macros of 130 nm (Apache-2.0): area by the ratio of the NAND2 areas, energy \
                      by that of the flip-flops' clock energies, time by that of their clock-to-output delays, leakage by that of \
                      their leakages";

/// Designs on their way through the tools.
struct Measuring<'a> {
    args: &'a FitArgs,
    tools: &'a Tools,
    cells: &'a Cells,
}

impl Measuring<'_> {
    /// Measures a design; `None` if mapping takes too long.
    fn one(&self, name: &str) -> Result<Option<Measurement>, Box<dyn Error>> {
        let design = training_design(name).ok_or("there is no such design")?;
        let folder = tempfile::tempdir()?;
        let (mut verilog, mut black_boxes, mut text) = (Vec::new(), Vec::new(), String::new());
        for module in &design.modules {
            let file = folder.path().join(format!("{}.v", module.name));
            let emitted = verilog::emit(module);
            std::fs::write(&file, &emitted)?;
            text += &emitted;
            if module.memories.is_empty() { verilog.push(file) } else { black_boxes.push(file) }
        }
        let Cells { library, roles, .. } = self.cells;
        let mut netlists = Vec::new();
        for goal in ["area", "speed"] {
            let request = Request {
                top: &design.top.name,
                verilog: verilog.clone(),
                black_boxes: black_boxes.clone(),
                liberty: &self.cells.files,
                dont_use: &self.cells.dont_use,
                driver: &roles.buffer,
                load_ff: roles.load_ff,
                goal,
            };
            let settings = format!(
                "{goal} {} {:?} {roles:?} {}",
                design.top.name, self.cells.dont_use, self.tools.pyosys
            );
            let kept = self.args.cache.join(format!("{}.json", self.key(&[SCRIPT, &settings, &text])));
            let mapped = match std::fs::read_to_string(&kept) {
                Ok(mapped) => mapped,
                Err(_) => {
                    let limit = Duration::from_secs(self.args.seconds);
                    let Some(mapped) = self.tools.synthesise(&request, limit)? else { return Ok(None) };
                    write_file(&kept, mapped.as_bytes())?;
                    mapped
                }
            };
            let mut netlist = MappedNetlist::from_yosys(&mapped)?;
            netlist.insert_buffers(library, &roles.buffer)?;
            netlists.push(netlist);
        }
        let [small, fast] = &netlists[..] else { return Ok(None) };
        let energies = small.energies(library)?;
        Ok(Some(Measurement {
            design: name.to_owned(),
            area_um2: small.area_um2(library),
            speed_um2: fast.area_um2(library),
            delay_ns: self.tools.longest_path_ns(fast, library, &self.cells.files, roles)?,
            active_pj: energies.active_pj,
            clock_pj: energies.clock_pj,
            leakage_nw: energies.leakage_nw,
        }))
    }

    /// What changes when the library or one of the texts does.
    fn key(&self, texts: &[&str]) -> String {
        let mut digest = Sha256::new();
        digest.update(&self.cells.digest);
        for text in texts {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether `name` is of the form `pattern`, in which * stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| matches(rest, &name[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*lpflow*", "sky130_fd_sc_hd__lpflow_bleeder_1", true),
            ("CLKBUF*", "CLKBUF1", true),
            ("CLKBUF*", "BUFX2", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
            ("exact", "exactly", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}

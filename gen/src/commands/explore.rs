//! `bitmill explore`: a space of configurations, and its Pareto front.

mod compare;
mod journal;
mod report;
mod shard;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bitmill_cost_model::Technology;
use bitmill_explore::{
    COLUMNS, Evaluator, Objective, Outcome, Space, Sweep, Thoroughness, csv, objectives, summarize, sweep,
};
use bitmill_sim::Effort;
use clap::{Args, Subcommand, ValueEnum};
use journal::{Header, Journal};
use shard::Shard;

use crate::output::{Files, MANIFEST, check_folder, print};
use crate::plot;
use crate::progress;
use crate::source::in_file;
use crate::table::Table;
use crate::workload::{Model, ModelArgs, read};

const EXAMPLES: &str = "\
Examples:
  bitmill explore examples/digits_space.yaml -o out/front
  bitmill explore my_space.yaml --technology asap7 --model net.onnx --calibration inputs.npy
  bitmill explore examples/mlperf_tiny/resnet8_space.yaml --model resnet8.tflite \
      --timing-only --effort first-cut -o out/resnet8       # ten thousand points in seconds
  bitmill explore my_space.yaml -o out/front --shard 2/4     # on the second of four machines
  bitmill explore merge out/front.shard*of4.jsonl -o out/front
  bitmill explore compare out/before out/after

A space is a configuration under `base:` and, under `vary:`, lists of values for precision, pe, array, pe_lanes,
vector_rows, scratchpads, memory_width_bits, memory_outstanding_reads, memory_latency_cycles,
memory_beat_interval_cycles, technology and clock_mhz; every combination is a point. The folder gets report.html, pareto.svg,
points.csv and points.json.

With -o, what becomes of each point is kept beside the folder as soon as it is known, and a sweep that was stopped
goes on from there when it is started again.";

/// Sweeps array shapes and precisions: latency, energy, area, accuracy, and the Pareto front.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ExploreArgs {
    #[command(subcommand)]
    command: Option<Command>,
    /// The space, YAML
    #[arg(required = true)]
    space: Option<PathBuf>,
    /// Process and cell library [default: the space's, or sky130hd]
    #[arg(long, value_name = "NAME")]
    technology: Option<String>,
    /// Leave out what depends on values: accuracy, and whether weights fit their words. Needs no data
    #[arg(long)]
    timing_only: bool,
    /// How long to look for the best way to cut layers into chunks
    #[arg(long, value_enum, default_value_t = Cut::Search)]
    effort: Cut,
    /// What points are compared by: latency, energy, area, accuracy [default: all that points have]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    objectives: Vec<Objective>,
    /// Evaluate a part of the points only, for `merge`: shard I of N, from 1
    #[arg(long, value_name = "I/N", requires = "output")]
    shard: Option<Shard>,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// How long to look for the best way to cut layers into chunks.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Cut {
    /// Ways to cut are simulated, and the best is kept
    Search,
    /// The way that the search would start from
    FirstCut,
}

/// What becomes of a sweep.
#[derive(Debug, Args)]
struct ReportArgs {
    /// The folder to write
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print every point, not only the front
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Joins the shards of a sweep
    Merge {
        /// What `--shard` wrote, every shard
        #[arg(required = true)]
        shards: Vec<PathBuf>,
        #[command(flatten)]
        report: ReportArgs,
    },
    /// Sets the fronts of two sweeps side by side
    Compare(compare::CompareArgs),
}

/// Runs `bitmill explore`.
///
/// # Errors
/// A space, a network or data that are not legal, or a space without a legal point.
pub fn run(args: &ExploreArgs) -> Result<(), Box<dyn Error>> {
    match &args.command {
        Some(Command::Merge { shards, report }) => return merge(shards, report),
        Some(Command::Compare(args)) => return compare::run(args),
        None => {}
    }
    let path = args.space.as_ref().ok_or("a space is needed")?;
    let text = String::from_utf8(read(path)?)
        .map_err(|_| format!("{}: the file is not UTF-8 text", path.display()))?;
    let mut space = Space::from_yaml(&text).map_err(|error| in_file(path, &error.to_string()))?;
    if let Some(technology) = &args.technology {
        if !space.vary.technology.is_empty() {
            return Err("the space varies the technology: leave --technology out".into());
        }
        space.technology.clone_from(technology);
    }
    // A name that is none is said before the network is read.
    space.technologies().iter().try_for_each(|name| Technology::named(name).map(drop))?;
    let mut model = Model::load(&args.model)?;
    let thoroughness = args.thoroughness();
    if thoroughness.timing_only {
        model.calibrate_for_timing();
    }
    model.check_calibration()?;
    let known = objectives(&model.workload, thoroughness);
    let compared = if args.objectives.is_empty() { known.clone() } else { args.objectives.clone() };
    if compared.iter().any(|objective| !known.contains(objective)) {
        return Err("no point would have accuracy: give --test and --labels, without --timing-only".into());
    }
    if let Some(folder) = &args.report.output {
        check_folder(folder)?;
    }
    let header = Header {
        bitmill: env!("CARGO_PKG_VERSION").to_owned(),
        network: model.name.clone(),
        fingerprint: args.model.fingerprint()?,
        thoroughness,
        objectives: compared,
        shard: args.shard.unwrap_or(Shard::WHOLE),
        space,
    };
    let Some(folder) = &args.report.output else {
        let outcomes = evaluate_missing(&header, &model, BTreeMap::new(), &|_, _| Ok(()))?;
        return finish(&header, outcomes, &args.report);
    };
    let kept = beside(folder, &header.shard.suffix());
    let (journal, outcomes) = resume(&kept, &header, &model)?;
    if !header.shard.is_whole() {
        let (shard, count, kept) = (header.shard, outcomes.len(), kept.display());
        return Ok(print(&format!(
            "shard {shard}: {count} points in {kept}; `bitmill explore merge` joins all shards\n"
        ))?);
    }
    finish(&header, outcomes, &args.report)?;
    Ok(journal.remove()?)
}

impl ExploreArgs {
    fn thoroughness(&self) -> Thoroughness {
        let effort = match self.effort {
            Cut::Search => Effort::Search,
            Cut::FirstCut => Effort::FirstCut,
        };
        Thoroughness { effort, timing_only: self.timing_only }
    }
}

/// The file beside `folder` with its name and `suffix`.
fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or(folder.as_os_str()).to_owned();
    name.push(suffix);
    folder.with_file_name(name)
}

/// Evaluates what the journal at `path` does not hold yet, and returns the outcomes of all its points.
fn resume(
    path: &Path,
    header: &Header,
    model: &Model,
) -> Result<(Journal, BTreeMap<usize, Outcome>), Box<dyn Error>> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|error| format!("cannot write {}: {error}", parent.display()))?;
    }
    let (journal, outcomes) = Journal::open(path, header)?;
    if !outcomes.is_empty() {
        let wanted = header.shard.part_of(header.space.points().count()).len();
        eprintln!("resuming: {} of {wanted} points are in {}", outcomes.len(), path.display());
    }
    let journal = Mutex::new(journal);
    let outcomes = evaluate_missing(header, model, outcomes, &|position, outcome| {
        Ok(journal.lock().unwrap_or_else(PoisonError::into_inner).record(position, outcome.clone())?)
    })?;
    Ok((journal.into_inner().unwrap_or_else(PoisonError::into_inner), outcomes))
}

/// What hears of each outcome, from several threads.
type Record<'a> = dyn Fn(usize, &Outcome) -> Result<(), Box<dyn Error + Send + Sync>> + Sync + 'a;

/// Evaluates the points of the sweep that `outcomes` lack, and returns all.
fn evaluate_missing(
    header: &Header,
    model: &Model,
    outcomes: BTreeMap<usize, Outcome>,
    record: &Record<'_>,
) -> Result<BTreeMap<usize, Outcome>, Box<dyn Error>> {
    let wanted = header.shard.part_of(header.space.points().count());
    let bar = progress::bar("evaluating points", wanted.len() as u64);
    bar.set_position(outcomes.len() as u64);
    let missing: Vec<usize> = wanted.filter(|position| !outcomes.contains_key(position)).collect();
    let outcomes = Mutex::new(outcomes);
    let found = |position: usize, outcome: Outcome| -> Result<(), Box<dyn Error + Send + Sync>> {
        record(position, &outcome)?;
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(position, outcome);
        bar.inc(1);
        Ok(())
    };
    let mut evaluator = Evaluator::new(&header.space, &model.workload, header.thoroughness)?;
    let evaluated = evaluator.evaluate(&missing, &found);
    bar.finish_and_clear();
    evaluated.map_err(|error| -> Box<dyn Error> { error })?;
    Ok(outcomes.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Joins shards, whose points must be all that there are.
fn merge(paths: &[PathBuf], report: &ReportArgs) -> Result<(), Box<dyn Error>> {
    let mut sweep: Option<(&PathBuf, Header)> = None;
    let mut all = BTreeMap::new();
    for path in paths {
        let (header, outcomes) = journal::read(path)?;
        if let Some((first, common)) = &sweep
            && !header.is_part_of_same(common)
        {
            let (first, path) = (first.display(), path.display());
            return Err(format!("{path} and {first} are no shards of one sweep: space, network, data, options or version differ").into());
        }
        for (position, outcome) in outcomes {
            if all.insert(position, outcome.clone()).is_some_and(|other| other != outcome) {
                return Err(format!(
                    "{}: point {position} came out otherwise in another shard",
                    path.display()
                )
                .into());
            }
        }
        sweep.get_or_insert((path, header));
    }
    let Some((_, header)) = sweep else { return Err("no shards to merge".into()) };
    let count = header.space.points().count();
    if let Some(missing) = (0..count).find(|position| !all.contains_key(position)) {
        return Err(format!(
            "{} of {count} points are missing, the first of shard {}: run that shard again, it goes on where it stopped",
            count - all.len(),
            header.shard.of(missing, count)
        )
        .into());
    }
    finish(&header, all, report)
}

/// Reports a sweep that is complete.
fn finish(
    header: &Header,
    outcomes: BTreeMap<usize, Outcome>,
    arguments: &ReportArgs,
) -> Result<(), Box<dyn Error>> {
    let found = summarize(outcomes.into_values(), &header.space, header.objectives.clone())?;
    report(&found, &header.space, &header.network, arguments)
}

fn report(found: &Sweep, space: &Space, network: &str, arguments: &ReportArgs) -> Result<(), Box<dyn Error>> {
    if let Some(folder) = &arguments.output {
        files(found, space, network)?.write(folder)?;
    }
    let text = if arguments.json {
        format!("{}\n", serde_json::to_string_pretty(found)?)
    } else {
        page(found, arguments.all, arguments.output.as_deref())
    };
    Ok(print(&text)?)
}

/// Evaluates the space thoroughly, with a progress bar.
///
/// # Errors
/// A float network without calibration inputs, or no legal point.
pub fn evaluate(space: &Space, model: &Model) -> Result<Sweep, Box<dyn Error>> {
    model.check_calibration()?;
    let bar = progress::bar("evaluating points", space.points().count() as u64);
    let progress = |done, _| bar.set_position(done as u64);
    let found = sweep(space, &model.workload, Thoroughness::default(), &progress);
    bar.finish_and_clear();
    Ok(found?)
}

/// The picture, the points and the space.
///
/// # Errors
/// Only on our own bugs.
pub fn files(found: &Sweep, space: &Space, network: &str) -> Result<Files, Box<dyn Error>> {
    let mut files = Files::default();
    let title = format!("{network}: {} accelerators, {}", found.points.len(), found.technologies.join(", "));
    files.add("pareto.svg", plot::svg(found, &title)?);
    files.add("report.html", report::html(found, &title)?);
    files.add("points.csv", csv(found));
    files.add("points.json", format!("{}\n", serde_json::to_string_pretty(found)?));
    let manifest = serde_json::json!({ "generator": "bitmill", "kind": "exploration", "network": network, "space": space });
    files.add(MANIFEST, format!("{manifest:#}\n"));
    Ok(files)
}

/// The table of points with what was refused.
pub fn page(found: &Sweep, all: bool, folder: Option<&Path>) -> String {
    let headings: Vec<&str> = COLUMNS.iter().map(|c| c.heading).chain(["front"]).collect();
    let mut table = Table::new(&headings);
    for (index, point) in found.points.iter().enumerate() {
        let is_front = found.front.contains(&index);
        if all || is_front {
            let mark = match is_front {
                true if index == found.knee => "knee",
                true => "*",
                false => "",
            };
            table.row(COLUMNS.iter().map(|c| (c.entry)(point)).chain([mark.to_owned()]));
        }
    }
    let mut text = format!(
        "{}\n{} of {} points are on the Pareto front ({}, uncalibrated), which dominates {:.1} % of the space between the \
         best and the worst values\n",
        table.text(),
        found.front.len(),
        found.points.len(),
        found.technologies.join(", "),
        100.0 * found.hypervolume
    );
    if let Some(first) = found.refused.first() {
        text += &format!(
            "{} points are not legal; the first, {}: {}\n",
            found.refused.len(),
            first.name,
            first.reason
        );
    }
    if let Some(folder) = folder {
        let folder = folder.display();
        text += &format!("written: {folder}/report.html, pareto.svg, points.csv and points.json\n");
    }
    text
}

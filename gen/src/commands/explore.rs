//! `bitmill explore`: a space of configurations, and its Pareto front.

mod compare;
mod evaluation;
mod folder;
mod journal;
mod parquet;
mod report;
mod shard;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use bitmill_cost_model::Technology;
use bitmill_explore::{
    COLUMNS, Evaluator, Objective, Outcome, Search, Space, Sweep, Thoroughness, objectives, summarize,
};
use bitmill_sim::Effort;
use clap::{Args, Subcommand, ValueEnum};
use evaluation::{beside, evaluate_missing, resume};
use journal::Header;
use shard::Shard;

use crate::output::{Files, check_folder, print};
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
  bitmill explore large_space.yaml --search nsga2 --budget 500 --seed 7 -o out/front

A space is a configuration under `base:` and, under `vary:`, lists of values for precision, pe (or datapath,
both at once), array, pe_lanes, vector_rows, scratchpads, memory_width_bits, memory_outstanding_reads, memory_latency_cycles,
memory_beat_interval_cycles, technology and clock_mhz; every combination is a point. The folder gets report.html, pareto.svg,
points.csv, points.json, points.parquet, the space, and the configuration of every point of the front.

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
    /// Which points are evaluated
    #[arg(long, value_enum, default_value_t = Choice::Grid)]
    search: Choice,
    /// Most points that a search evaluates
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    budget: Option<u64>,
    /// What a search starts from: the same seed finds the same points [default: 1]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
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

/// Which points are evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Choice {
    /// Every point
    Grid,
    /// Points by chance
    Random,
    /// Points by the genetic algorithm NSGA-II
    Nsga2,
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
        #[command(flatten)]
        model: ModelArgs,
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
        Some(Command::Merge { shards, report, model }) => return merge(shards, report, model),
        Some(Command::Compare(args)) => return compare::run(args),
        None => {}
    }
    let search = args.search()?;
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
        search,
        shard: args.shard.unwrap_or(Shard::WHOLE),
        space,
    };
    let mut evaluator = Evaluator::new(&header.space, &model.workload, thoroughness)?;
    let Some(folder) = &args.report.output else {
        let outcomes = evaluate_missing(&header, &mut evaluator, BTreeMap::new(), &|_, _| Ok(()))?;
        return finish(&header, outcomes, &mut evaluator, &args.model, &args.report);
    };
    let kept = beside(folder, &header.shard.suffix());
    let (journal, outcomes) = resume(&kept, &header, &mut evaluator)?;
    if !header.shard.is_whole() {
        let (shard, count, kept) = (header.shard, outcomes.len(), kept.display());
        return Ok(print(&format!(
            "shard {shard}: {count} points in {kept}; `bitmill explore merge` joins all shards\n"
        ))?);
    }
    finish(&header, outcomes, &mut evaluator, &args.model, &args.report)?;
    Ok(journal.remove()?)
}

impl ExploreArgs {
    fn search(&self) -> Result<Search, &'static str> {
        let seed = self.seed.unwrap_or(1);
        let budget = self.budget.map(|budget| usize::try_from(budget).unwrap_or(usize::MAX));
        match (self.search, budget) {
            (Choice::Grid, None) if self.seed.is_none() => Ok(Search::Grid),
            (Choice::Grid, _) => {
                Err("the grid is every point: --budget and --seed go with --search random or --search nsga2")
            }
            (_, None) => {
                Err("--search random and --search nsga2 need --budget N: how many points may be evaluated")
            }
            (_, Some(_)) if self.shard.is_some() => {
                Err("--shard goes with the grid: which points a search evaluates is not known before it runs")
            }
            (Choice::Random, Some(budget)) => Ok(Search::Random { budget, seed }),
            (Choice::Nsga2, Some(budget)) => Ok(Search::Nsga2 { budget, seed }),
        }
    }

    fn thoroughness(&self) -> Thoroughness {
        let effort = match self.effort {
            Cut::Search => Effort::Search,
            Cut::FirstCut => Effort::FirstCut,
        };
        Thoroughness { effort, timing_only: self.timing_only }
    }
}

/// Joins shards, whose points must be all that there are. The network is needed for the page of the front.
fn merge(paths: &[PathBuf], report: &ReportArgs, args: &ModelArgs) -> Result<(), Box<dyn Error>> {
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
    if args.fingerprint()? != header.fingerprint {
        return Err(format!(
            "the shards are of the network {} and its data: give the same --model, --calibration, --test and --labels",
            header.network
        )
        .into());
    }
    let mut model = Model::load(args)?;
    // Accuracies are known.
    let thoroughness = Thoroughness { timing_only: true, ..header.thoroughness };
    model.calibrate_for_timing();
    let mut evaluator = Evaluator::new(&header.space, &model.workload, thoroughness)?;
    finish(&header, all, &mut evaluator, args, report)
}

/// Reports a sweep that is complete.
fn finish(
    header: &Header,
    outcomes: BTreeMap<usize, Outcome>,
    evaluator: &mut Evaluator<'_>,
    model: &ModelArgs,
    arguments: &ReportArgs,
) -> Result<(), Box<dyn Error>> {
    let found = summarize(outcomes.into_values(), &header.space, header.objectives.clone())?;
    if let Some(folder) = &arguments.output {
        folder::files(&found, evaluator, header, &model.words())?.write(folder)?;
    }
    let text = if arguments.json {
        format!("{}\n", serde_json::to_string_pretty(&found)?)
    } else {
        let all = header.space.points().count();
        let searched = match header.search {
            Search::Grid => String::new(),
            search => format!("{search}: {} of the {all} points of the space\n", search.count(all)),
        };
        searched + &page(&found, arguments.all, arguments.output.as_deref())?
    };
    Ok(print(&text)?)
}

/// Evaluates the space thoroughly, with a progress bar; with the files of its folder.
///
/// # Errors
/// A float network without calibration inputs, or no legal point.
pub fn evaluate(space: Space, args: &ModelArgs) -> Result<(Sweep, Files), Box<dyn Error>> {
    let model = Model::load(args)?;
    model.check_calibration()?;
    let thoroughness = Thoroughness::default();
    let header = Header {
        bitmill: env!("CARGO_PKG_VERSION").to_owned(),
        network: model.name.clone(),
        fingerprint: args.fingerprint()?,
        thoroughness,
        objectives: objectives(&model.workload, thoroughness),
        search: Search::Grid,
        shard: Shard::WHOLE,
        space,
    };
    let mut evaluator = Evaluator::new(&header.space, &model.workload, thoroughness)?;
    let outcomes = evaluate_missing(&header, &mut evaluator, BTreeMap::new(), &|_, _| Ok(()))?;
    let found = summarize(outcomes.into_values(), &header.space, header.objectives.clone())?;
    let files = folder::files(&found, &mut evaluator, &header, &args.words())?;
    Ok((found, files))
}

/// The table of points with what was refused.
///
/// # Errors
/// Only on our own bugs.
pub fn page(found: &Sweep, all: bool, folder: Option<&Path>) -> Result<String, Box<dyn Error>> {
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
            table.row(COLUMNS.iter().map(|c| (c.entry)(point).to_string()).chain([mark.to_owned()]));
        }
    }
    let mut text = format!(
        "{}\n{} of {} points are on the Pareto front, which dominates {:.1} % of the space between the best and the worst \
         values\n{}\n",
        table.text(),
        found.front.len(),
        found.points.len(),
        100.0 * found.hypervolume,
        found.limits()?
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
        text += &format!(
            "written: {folder}/report.html, pareto.svg, points.csv, points.json and points.parquet\n"
        );
    }
    Ok(text)
}

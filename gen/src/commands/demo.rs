//! `bitmill demo`: the whole path on the embedded digits network.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_cost_model::{Technology, energy};
use bitmill_explore::Space;
use bitmill_hdl::Design;
use bitmill_model::QuantizedNetwork;
use bitmill_sim::{Keep, simulate};
use clap::Args;
use serde_json::{Value, json};

use crate::bundle::bundle;
use crate::commands::cost::{self, Priced};
use crate::commands::verify::{Tool, ToolChoice, check, sentence};
use crate::commands::{explore, generate, simulate as report};
use crate::output::{Files, MANIFEST, print};
use crate::source::request;
use crate::workload::{Model, ModelArgs};

const EXAMPLES: &str = "\
Examples:
  bitmill demo
  bitmill demo -o /tmp/demo --json

No other tool is needed; Verilator runs the circuits where it is installed.";

/// Configurations of the demo, also written beside its results.
const CONFIGURATIONS: [(&str, &str); 2] = [
    ("int8", include_str!("../../../examples/digits_int8.yaml")),
    ("int4", include_str!("../../../examples/digits_int4.yaml")),
];
const SPACE: &str = include_str!("../../../examples/digits_space.yaml");
const TECHNOLOGY: &str = "sky130hd";

/// Generates, simulates, verifies, prices and explores on real handwritten digits.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// The folder to write
    #[arg(short, long, value_name = "DIR", default_value = "out/demo")]
    output: PathBuf,
    /// What runs the circuits
    #[arg(long, value_enum, default_value_t = ToolChoice::Auto)]
    tool: ToolChoice,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One precision of the demo.
struct Case {
    name: &'static str,
    accelerator: Accelerator,
    design: Design,
    network: QuantizedNetwork,
}

/// Runs `bitmill demo`.
///
/// # Errors
/// A circuit that differs from its prediction, or a folder that cannot be written.
pub fn run(args: &DemoArgs) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let say = |text: &str| if args.json { Ok(()) } else { print(text) };
    let model = Model::load(&ModelArgs::default())?;
    let technology = Technology::named(TECHNOLOGY)?;
    let tool = args.tool.find()?;
    let cases = CONFIGURATIONS.iter().map(|(name, text)| Case::new(name, text, &model));
    let cases = cases.collect::<Result<Vec<Case>, _>>()?;
    let mut files = Files::default();
    let mut value = json!({ "network": model.name });

    say("1. accuracy on 450 held-out handwritten digits of 8 x 8 pixels\n\n")?;
    value["accuracy_percent"] = accuracies(&model, &cases)?;
    say(&accuracy_text(&value["accuracy_percent"]))?;

    say("\n2. generated: Verilog, file lists, FuseSoC cores, self-checking testbenches\n\n")?;
    for (case, (_, text)) in cases.iter().zip(CONFIGURATIONS) {
        let testbench = generate::inference_testbench(&case.accelerator, &case.design, &model)?;
        files.add_all(case.name, bundle(&case.design, &request(&case.accelerator)?, Some(testbench)));
        files.add(format!("digits_{}.yaml", case.name), text);
        say(&format!(
            "{}  {} modules in {}/{}\n",
            case.name,
            case.design.modules.len(),
            args.output.display(),
            case.name
        ))?;
    }
    files.add("digits_space.yaml", SPACE);

    say("\n3. simulated: the int8 accelerator, layer by layer\n\n")?;
    for case in &cases {
        let (_, _, run) = simulate(&case.accelerator, &case.network)?;
        value["cycles"][case.name] = json!(run.cycles);
        if case.name == "int8" {
            say(&format!(
                "{}\n{}",
                report::layers(&run, None).text(),
                report::totals(&case.accelerator, &run)
            ))?;
        }
    }

    say("\n4. verified: circuit against simulator\n\n")?;
    verify(&cases, &model, &tool, &mut value, &say)?;

    say("\n5. priced: the int8 accelerator\n\n")?;
    price(&cases[0], &technology, &model, &mut value, &say)?;

    say("\n6. explored: which array, at which precision?\n\n")?;
    let mut space = Space::from_yaml(SPACE)?;
    space.technology = technology.name.clone();
    let (found, folder) = explore::evaluate(space, &ModelArgs::default())?;
    value["front"] = found.front.iter().map(|&index| json!(found.points[index].configuration.name)).collect();
    files.add_all("pareto", folder);
    say(&explore::page(&found, false, None)?)?;

    files.add(
        MANIFEST,
        format!("{:#}\n", json!({ "generator": "bitmill", "kind": "demo", "results": value })),
    );
    files.write(&args.output)?;
    if args.json {
        value["folder"] = json!(args.output.display().to_string());
        return Ok(print(&format!("{value:#}\n"))?);
    }
    Ok(print(&epilogue(&args.output.display().to_string(), started.elapsed().as_secs_f64()))?)
}

impl Case {
    fn new(name: &'static str, yaml: &str, model: &Model) -> Result<Case, Box<dyn Error>> {
        let accelerator = Accelerator::new(Configuration::from_yaml(yaml)?)?;
        let design = Design::new(&accelerator.module()?)?;
        let network = model.quantized(&accelerator)?;
        Ok(Case { name, accelerator, design, network })
    }
}

fn accuracies(model: &Model, cases: &[Case]) -> Result<Value, Box<dyn Error>> {
    let mut value = json!({ "float": model.workload.float_accuracy_percent()? });
    for case in cases {
        value[case.name] = json!(model.workload.quantized_accuracy_percent(&case.network)?);
    }
    Ok(value)
}

fn accuracy_text(value: &Value) -> String {
    let line = |name: &str| format!("{name:5}  {:.2} %\n", value[name].as_f64().unwrap_or_default());
    ["float", "int8", "int4"].map(line).concat()
}

fn verify(
    cases: &[Case],
    model: &Model,
    tool: &Tool,
    value: &mut Value,
    say: &dyn Fn(&str) -> Result<(), crate::output::OutputError>,
) -> Result<(), Box<dyn Error>> {
    value["verified_by"] = json!(tool.name());
    let wave = PathBuf::from("bitmill_verify.fst");
    for case in cases {
        let verdict = check(&case.accelerator, &case.network, &model.example(), Keep::Every, tool, &wave)?;
        value["verified"][case.name] =
            json!({ "commands": verdict.commands, "cycles": verdict.cycles, "bytes": verdict.bytes });
        say(&format!("{}  {}\n", case.name, sentence(&verdict, tool)))?;
    }
    Ok(())
}

fn price(
    case: &Case,
    technology: &Technology,
    model: &Model,
    value: &mut Value,
    say: &dyn Fn(&str) -> Result<(), crate::output::OutputError>,
) -> Result<(), Box<dyn Error>> {
    let mut priced = Priced::hardware(&case.design, technology);
    let (_, _, run) = simulate(&case.accelerator, &case.network)?;
    let clock_mhz = priced.cost.clock_within_mhz(case.accelerator.configuration().clock_mhz);
    let breakdown = energy(&priced.cost, &run.activity, clock_mhz);
    value["cost"] = json!({
        "technology": technology.name,
        "cells_um2": priced.cost.total.cells_um2(),
        "cells_median_error": technology.calibration.area.held_out.median,
        "memories_um2": priced.cost.total.memories_um2,
        "energy_pj": breakdown.total_pj(),
        "clock_mhz": priced.cost.clock_mhz(),
    });
    priced.inference = Some((model.name.clone(), breakdown));
    Ok(say(&cost::page(&priced, 1))?)
}

fn epilogue(folder: &str, seconds: f64) -> String {
    format!(
        "\nwritten to {folder} in {seconds:.1} s:\n  int8/, int4/           rtl/*.v, files.f, *.core, tb/, manifest.json\n  \
         pareto/report.html     every point, to look at in a browser; picture and tables beside it\n  \
         digits_*.yaml          the configurations: change one and run\n\
         next: bitmill simulate {folder}/digits_int8.yaml, bitmill verify {folder}/digits_int4.yaml, bitmill --help\n"
    )
}

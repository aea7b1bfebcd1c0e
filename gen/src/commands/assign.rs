//! `bitmill assign`: which precision for which layer, within a budget.

mod budget;
mod report;

use std::error::Error;
use std::path::PathBuf;

use bitmill_accelerator::Accelerator;
use bitmill_explore::assignment::{
    Hardware, LanguageSubject, Method, NetworkSubject, Resource, Study, Subject,
};
use bitmill_model::WeightFormat;
use clap::Args;

use crate::language::{Language, LanguageArgs};
use crate::output::{check_folder, print};
use crate::progress;
use crate::source::accelerator;
use crate::technology;
use crate::workload::{LoadError, Model, ModelArgs, inputs};
use budget::Budget;
use report::{Report, Row};

const EXAMPLES: &str = "\
Examples:
  bitmill assign --config examples/digits_mixed.yaml --objective latency --budget int4     the embedded digits network
  bitmill assign net.onnx --data inputs.npy --config my.yaml --objective energy --budget 60% -o out/mixed
  bitmill assign net.onnx --data inputs.npy --test x.npy --labels y.npy --config my.yaml --objective size --budget 20000
  bitmill assign --llama stories260K.bin --tokenizer tok512.bin --text stories.txt --config my.yaml \\
      --objective size --budget int4
  bitmill simulate my.yaml --model net.onnx --calibration inputs.npy --recipe out/mixed/recipe.yaml

A budget is an amount (µs, µJ, bytes), a share of what the dearest uniform precision costs, or a format: what that costs.
Methods and measured tables: docs/assignment.md.";

/// Assigns a precision to every layer: the least loss within a budget of time, energy or bytes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AssignArgs {
    /// Float network, ONNX [default: the embedded digits network with its data]
    #[arg(conflicts_with = "llama")]
    model: Option<PathBuf>,
    /// Inputs to quantize with and to measure sensitivities on: .npy of u8 or f32, [inputs, height, width, channels]
    #[arg(long, value_name = "FILE", requires = "model")]
    data: Option<PathBuf>,
    /// Other inputs, to measure quality on
    #[arg(long, value_name = "FILE", requires = "model")]
    test: Option<PathBuf>,
    /// Right answers of the test inputs: .npy of u8 [default: the answers of the float network]
    #[arg(long, value_name = "FILE", requires = "test")]
    labels: Option<PathBuf>,
    /// Configuration of the accelerator, YAML: with all formats in `precision.weights`
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Formats of weights to choose from [default: all of the accelerator's]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    formats: Vec<String>,
    /// What is limited: latency, energy or size
    #[arg(long, value_name = "NAME")]
    objective: Resource,
    /// What it is limited to: an amount, a share as in 60%, or a format as in int4
    #[arg(long, value_name = "X")]
    budget: Budget,
    /// How precisions are chosen: ilp, greedy or evolutionary
    #[arg(long, value_name = "NAME", default_value = "ilp")]
    method: Method,
    /// Process and cell library, for energies and the clock
    #[arg(long, value_name = "NAME", default_value = "sky130hd")]
    technology: String,
    /// The folder to write: a recipe for `quantize` and `simulate`, and the tables
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    language: LanguageArgs,
}

/// Runs `bitmill assign`.
///
/// # Errors
/// A model, data, formats or a budget that are not legal.
pub fn run(args: &AssignArgs) -> Result<(), Box<dyn Error>> {
    let accelerator = accelerator(&args.config)?;
    let technology = technology::find(&args.technology)?;
    let formats = args.formats(&accelerator)?;
    if let Some(folder) = &args.output {
        check_folder(folder)?;
    }
    let hardware = Hardware::new(&accelerator, &technology)?;
    if let Some(Language { model, texts, .. }) = args.language.load()? {
        // Sensitivities and quality are measured on different texts where there are several.
        let of_parity = |parity| texts.iter().skip(parity).step_by(2).cloned().collect::<Vec<_>>();
        let (calibration, test) = (of_parity(0), of_parity(usize::from(texts.len() > 1)));
        let tokens =
            |texts: &[Vec<usize>]| texts.iter().map(|text| text.len().saturating_sub(1)).sum::<usize>();
        let data = format!(
            "sensitivities on {} tokens, quality on {}{}",
            tokens(&calibration),
            tokens(&test),
            if texts.len() > 1 { " others" } else { ", the same" }
        );
        let subject = LanguageSubject::new(&model, &hardware, &calibration, &test)?;
        let sensitivity = "divergence of the next token's distribution with one matrix rounded, nats a token";
        return assign(args, &subject, &formats, Report { sensitivity, data, activations: None });
    }
    let (model, answers) = args.network()?;
    if let Some(format) = formats.iter().find(|format| format.signed_bits().is_none()) {
        return Err(format!(
            "{format}: networks are quantized by recipes, whose weights are integers, int2 to int16"
        )
        .into());
    }
    let subject = NetworkSubject::new(&model.workload, &hardware, answers)?;
    let (calibration, test) = (model.workload.calibration.len(), model.workload.test.len());
    let data = match test {
        0 => format!("sensitivities and quality on the same {calibration} inputs"),
        _ => format!("sensitivities on {calibration} inputs, quality on {test} others"),
    };
    let sensitivity = "noise-to-signal ratio of the output with the weights of one layer rounded";
    let activations = Some(accelerator.configuration().precision.activations.first().to_string());
    assign(args, &subject, &formats, Report { sensitivity, data, activations })
}

impl AssignArgs {
    /// The formats to choose from.
    fn formats(&self, accelerator: &Accelerator) -> Result<Vec<WeightFormat>, Box<dyn Error>> {
        let known: Vec<String> =
            accelerator.configuration().precision.weights.iter().map(ToString::to_string).collect();
        let names = if self.formats.is_empty() { &known } else { &self.formats };
        let mut formats: Vec<WeightFormat> = Vec::new();
        for name in names {
            let format = WeightFormat::new(name.parse()?)?;
            if !known.contains(&format.to_string()) {
                let (config, known) = (self.config.display(), known.join(", "));
                return Err(format!(
                    "{name} is no weight format of {config}, which has {known}; add it to precision.weights"
                )
                .into());
            }
            if formats.contains(&format) {
                return Err(format!("--formats: {name} is listed twice; list it once").into());
            }
            formats.push(format);
        }
        if formats.len() < 2 {
            return Err(format!(
                "there is nothing to choose from but {}; list several formats under precision.weights of {}",
                names.join(", "),
                self.config.display()
            )
            .into());
        }
        Ok(formats)
    }

    /// The network with its data, and what its answers are called.
    fn network(&self) -> Result<(Model, &'static str), Box<dyn Error>> {
        let mut model = Model::load(&ModelArgs {
            model: self.model.clone(),
            calibration: self.data.clone(),
            test: self.labels.as_ref().and(self.test.clone()),
            labels: self.labels.clone(),
        })?;
        model.must_be_float()?;
        if model.workload.calibration.is_empty() {
            return Err(
                "sensitivities are measured on calibration inputs: give --data FILE.npy with at least one"
                    .into(),
            );
        }
        let (Some(test), None) = (&self.test, &self.labels) else { return Ok((model, "right")) };
        let network = &model.workload.network;
        let answered = |input: Vec<f32>| -> Result<_, LoadError> {
            let output = network.run(&input)?.pop().unwrap_or_default();
            let first = |best: usize, index: usize| if output[index] > output[best] { index } else { best };
            Ok((input, (0..output.len()).fold(0, first)))
        };
        model.workload.test = inputs(test)?.into_iter().map(answered).collect::<Result<_, _>>()?;
        Ok((model, "as float"))
    }
}

/// Studies the subject, chooses by every method, and measures what comes of it.
fn assign(
    args: &AssignArgs,
    subject: &dyn Subject,
    formats: &[WeightFormat],
    report: Report,
) -> Result<(), Box<dyn Error>> {
    let mut study = Study::new(subject, args.objective, formats)?;
    let budget = args.budget.amount(&study, formats, args.objective)?;
    let layers = subject.layers();
    let bar = progress::bar("sensitivities", (layers.len() * formats.len()) as u64);
    let measured = study.measure(&|| bar.inc(1));
    bar.finish_and_clear();
    measured?;
    let bar = progress::bar("quality", (formats.len() + Method::ALL.len()) as u64);
    let row = |name: String, choice: Vec<usize>, cost: f64| -> Result<Row, Box<dyn Error>> {
        let quality = subject.quality(&study.formats_of(&choice))?;
        bar.inc(1);
        Ok(Row { name, sensitivity: study.sensitivity(&choice), choice, cost, quality })
    };
    let mut uniform = Vec::new();
    for (index, format) in formats.iter().enumerate() {
        uniform.push(row(format.to_string(), vec![index; layers.len()], study.uniform[index].total())?);
    }
    let mut assigned = Vec::new();
    for method in Method::ALL {
        let (choice, cost) = study.choose(budget, method)?;
        assigned.push(row(method.name().to_owned(), choice, cost.total())?);
    }
    bar.finish_and_clear();
    let found = report::Found {
        subject,
        study: &study,
        formats,
        resource: args.objective,
        budget,
        uniform,
        assigned,
    };
    if let Some(folder) = &args.output {
        report.files(&found, args.method)?.write(folder)?;
    }
    Ok(print(&report.page(&found, args.method, args.output.as_deref()))?)
}

//! `bitmill accuracy`: what weights in many formats cost, in one table.

mod suite;

use std::error::Error;
use std::path::PathBuf;

use bitmill_explore::{TABLE, Weights};
use bitmill_model::llama::{Llama, RunPrecision};
use bitmill_model::{Clipping, ModelError, WeightMethods};
use clap::Args;

use crate::language::{Language, LanguageArgs};
use crate::output::print;
use crate::progress;
use crate::table::Table;
use crate::workload::{Model, ModelArgs};

const EXAMPLES: &str = "\
Examples:
  bitmill accuracy                                                the embedded digits network
  bitmill accuracy --formats int8,int4,bitmod_fp4_g64,int3_asymmetric_g64
  bitmill accuracy --model net.onnx --calibration inputs.npy --test x.npy --labels y.npy
  bitmill accuracy --llama stories260K.bin --tokenizer tok512.bin --text stories.txt
  bitmill accuracy --suite examples/accuracy.yaml --data ../shared/data/models      many networks, weights alone
  bitmill accuracy --suite examples/methods.yaml --data ../shared/data/models       methods of quantization, a row each

Formats are those of `bitmill formats`, and intN_asymmetric_gM: a scale and a zero point for each M weights.";

/// Compares weight formats by right answers and, of a small Llama, by perplexity.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AccuracyArgs {
    /// Formats of weights [default: the rows of the suite, or fifteen from int8 to ternary]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    formats: Vec<String>,
    /// Networks with their data, YAML: weights alone are rounded, and two rows of integers stand below
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "llama"])]
    suite: Option<PathBuf>,
    /// The folder that the suite's files lie in [default: that of the suite]
    #[arg(long, value_name = "DIR", requires = "suite")]
    data: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    language: LanguageArgs,
}

impl Language {
    /// What `model` makes of the texts, with real or int8 activations.
    ///
    /// # Errors
    /// A text that is too long for it.
    fn perplexity(&self, model: &Llama, has_int8_activations: bool) -> Result<String, ModelError> {
        let precision = RunPrecision { has_int8_activations, kept: None };
        Ok(format!("{:.3}", model.perplexity(&self.texts, precision)?))
    }
}

/// Runs `bitmill accuracy`.
///
/// # Errors
/// A format, a network, a checkpoint or data that are not legal.
pub fn run(args: &AccuracyArgs) -> Result<(), Box<dyn Error>> {
    let own = args.formats.iter().map(String::as_str);
    let names: Vec<&str> = if args.formats.is_empty() { TABLE.to_vec() } else { own.collect() };
    let formats = names.iter().map(|name| name.parse::<Weights>()).collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = &args.suite {
        return suite::run(path, args.data.as_deref(), &formats, !args.formats.is_empty());
    }
    let model = Model::load(&args.model)?;
    model.check_calibration()?;
    let float =
        model.workload.float_accuracy_percent()?.ok_or("give --test and --labels: inputs with answers")?;
    let language = args.language.load()?;
    let right = format!("{} %", model.name);
    let mut headings = vec!["weights", &right];
    if language.is_some() {
        headings.extend(["perplexity", "perplexity, int8 activations"]);
    }
    let mut table = Table::new(&headings);
    let mut reasons = Vec::new();
    let bar = progress::bar("accuracy", formats.len() as u64);
    let perplexities = |language: &Language, model: &Llama| -> Result<[String; 2], ModelError> {
        Ok([language.perplexity(model, false)?, language.perplexity(model, true)?])
    };
    let mut row = vec!["float".to_owned(), format!("{float:.2}")];
    if let Some(language) = &language {
        row.extend(perplexities(language, &language.model)?);
    }
    table.row(row);
    let plain = WeightMethods::default();
    for format in &formats {
        let percent =
            format.accuracy_percent(&model.workload, &plain, Clipping::Mse).unwrap_or_else(|reason| {
                reasons.push(format!("- {format}: {reason}\n"));
                None
            });
        let mut row =
            vec![format.to_string(), percent.map_or("-".to_owned(), |percent| format!("{percent:.2}"))];
        if let Some(language) = &language {
            row.extend(perplexities(language, &format.round(&language.model, &plain, Clipping::Mse, &[])?)?);
        }
        table.row(row);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let inputs = model.workload.test.len();
    let mut text = format!(
        "{}\n{}: right answers of {inputs} test inputs, int8 activations\n",
        table.text(),
        model.name
    );
    if let Some(Language { texts, .. }) = &language {
        let tokens: usize = texts.iter().map(|text| text.len() - 1).sum();
        text += &format!(
            "perplexity: per token, of {tokens} tokens; embeddings and classifier in single precision\n"
        );
    }
    Ok(print(&format!("{text}{}", reasons.concat()))?)
}

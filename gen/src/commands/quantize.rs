//! `bitmill quantize`: from a float network to a QDQ or QONNX file, by a recipe.

use std::error::Error;
use std::path::{Path, PathBuf};

use bitmill_explore::Recipe;
use bitmill_model::{PtqConfig, QuantizedNetwork, export_onnx, export_qonnx, quantize};
use clap::{Args, ValueEnum};

use crate::commands::simulate::Accuracy;
use crate::output::{print, write_file};
use crate::source::in_file;
use crate::table::{Table, grouped};
use crate::workload::{Model, ModelArgs, read};

const EXAMPLES: &str = "\
Examples:
  bitmill quantize --config examples/quantize_int4.yaml -o digits_int4.onnx     the embedded digits network
  bitmill quantize net.onnx --data inputs.npy --config recipe.yaml -o net_int8.onnx
  bitmill quantize net.onnx --data inputs.npy --config recipe.yaml -o net_int8.onnx --test x.npy --labels y.npy
  bitmill quantize --config int4_activations.yaml --format qonnx -o digits_qonnx.onnx         any width, for qonnx
  bitmill simulate examples/digits_int8.yaml --model net_int8.onnx              runs what was written

Recipes are explained in docs/quantization.md.";

/// Quantizes a float network by a recipe, and writes an ONNX file that onnxruntime or qonnx runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct QuantizeArgs {
    /// Float network, ONNX [default: the embedded digits network with its data]
    model: Option<PathBuf>,
    /// Inputs to quantize with: .npy of u8 or f32, [inputs, height, width, channels]
    #[arg(long, value_name = "FILE", requires = "model")]
    data: Option<PathBuf>,
    /// The recipe, YAML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How numbers are quantized in the file
    #[arg(long, value_enum, default_value_t = Form::Qdq)]
    format: Form,
    /// Inputs whose answers are known, as for --data
    #[arg(long, value_name = "FILE", requires_all = ["model", "labels"])]
    test: Option<PathBuf>,
    /// Right answers of the test inputs: .npy of u8
    #[arg(long, value_name = "FILE", requires = "test")]
    labels: Option<PathBuf>,
}

/// How numbers are quantized in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Form {
    /// QuantizeLinear and DequantizeLinear, for onnxruntime: activations of 8 or 16 bits
    Qdq,
    /// Quant and BipolarQuant, for qonnx and FINN: activations of any width
    Qonnx,
}

/// Runs `bitmill quantize`.
///
/// # Errors
/// A network, data or a recipe that are not legal, or a network that such files have no form for.
pub fn run(args: &QuantizeArgs) -> Result<(), Box<dyn Error>> {
    let config = recipe(&args.config)?;
    let model = Model::load(&ModelArgs {
        model: args.model.clone(),
        calibration: args.data.clone(),
        test: args.test.clone(),
        labels: args.labels.clone(),
    })?;
    model.must_be_float()?;
    if model.workload.calibration.is_empty() {
        return Err("quantization needs calibration inputs: give --data FILE.npy with at least one".into());
    }
    let network = quantize(&model.workload.network, &model.workload.calibration, &config)?;
    let bytes = match args.format {
        Form::Qdq => export_onnx(&network),
        Form::Qonnx => export_qonnx(&network),
    };
    let bytes = bytes.map_err(|error| match args.format {
        // A width that QDQ lacks is the likeliest reason.
        Form::Qdq if export_qonnx(&network).is_ok() => format!("{error}: give --format qonnx"),
        _ => error.to_string(),
    })?;
    write_file(&args.output, &bytes)?;
    let notes: String = model.notes.iter().map(|note| format!("note: {note}\n")).collect();
    let accuracy = Accuracy::of(&model, &network)?.map(|accuracy| accuracy.text()).unwrap_or_default();
    let written = args.output.display();
    Ok(print(&format!("{notes}{}\n{accuracy}written       {written}\n", layers(&network)))?)
}

/// How networks are quantized by the recipe in a file.
///
/// # Errors
/// A file that cannot be read, or a recipe that is not legal.
pub fn recipe(path: &Path) -> Result<PtqConfig, Box<dyn Error>> {
    let text = String::from_utf8(read(path)?)
        .map_err(|_| format!("{}: the file is not UTF-8 text", path.display()))?;
    let config = Recipe::from_yaml(&text).and_then(|recipe| recipe.ptq());
    Ok(config.map_err(|error| in_file(path, &error.to_string()))?)
}

/// The layers that have weights.
fn layers(network: &QuantizedNetwork) -> String {
    let mut table = Table::new(&["layer", "weights", "number", "bytes"]);
    let mut bytes = 0;
    for (layer, parameters) in network.pairs().filter(|(layer, own)| {
        layer.operation.weight_count(network.graph().input_shape(layer)) > 0 && !own.weights.is_empty()
    }) {
        let count = parameters.weights.len();
        let own =
            (count as f64 * parameters.weight_format.format().summary().bits_per_value / 8.0).ceil() as usize;
        bytes += own;
        table.row([
            layer.name.clone(),
            parameters.weight_format.to_string(),
            grouped(count as u64),
            grouped(own as u64),
        ]);
    }
    format!("{}\nweights       {} bytes\n", table.text(), grouped(bytes as u64))
}

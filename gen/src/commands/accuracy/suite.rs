//! A suite: many networks with their data in one file, and the table of all of them.
//!
//! Weights are rounded to each format and all else stays in real numbers, so that block formats stand beside integers; two
//! more rows are networks of integers, activations included. A suite may have rows of its own instead, with methods.

use std::error::Error;
use std::path::{Path, PathBuf};

use bitmill_explore::{ExploreError, Methods, Range, Row, Weights, Workload};
use bitmill_model::{InputMoments, TensorId, npz};
use serde::Deserialize;

use crate::language::Language;
use crate::output::print;
use crate::progress;
use crate::source::in_file;
use crate::table::Table;
use crate::workload::{Model, ModelArgs, read};

/// Rows of integers: the name, and the format of weights. Activations are int8.
const INTEGERS: [(&str, &str); 2] = [("W8A8, integers", "int8"), ("W4A8, integers", "int4")];
/// Inputs that quantize activations, where the network has no others: they are taken from the test inputs and not tested.
const CALIBRATION_INPUTS: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    networks: Vec<Entry>,
    /// What is measured, in place of formats.
    #[serde(default)]
    rows: Vec<Row>,
}

/// A network with its data, or a language model.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Entry {
    /// The embedded network.
    Digits,
    /// A classifier.
    Classifier(Classifier),
    /// A Llama in llama2.c's layout. Methods that look at what matrices read are given the first tokens of another text.
    Llama {
        name: String,
        checkpoint: PathBuf,
        tokenizer: PathBuf,
        text: PathBuf,
        calibration: Option<PathBuf>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Classifier {
    name: String,
    /// ONNX or TFLite.
    model: PathBuf,
    inputs: Inputs,
    /// Without labels, answers are compared with the float network's.
    labels: Option<Inputs>,
}

/// Where arrays come from.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Inputs {
    /// An array of an `.npz` file; inputs are raw int8 in the quantization of the network's file.
    Npz { file: PathBuf, array: String },
    /// A packed file of MNIST's: bytes behind a header, inputs divided by 255.
    Mnist { file: PathBuf, header: usize },
    /// Smooth images of three channels within a range, so many: always the same.
    Smooth { count: usize, range: [f32; 2] },
}

/// A column of the table.
struct Column {
    heading: String,
    note: String,
    subject: Subject,
}

enum Subject {
    Network(Workload),
    /// With what its matrices read.
    Language(Language, Vec<InputMoments>),
}

/// Reads the suite at `path`, whose files lie in `data`, and prints its table.
///
/// # Errors
/// A suite, a network or data that cannot be read or are not legal.
pub(super) fn run(
    path: &Path,
    data: Option<&Path>,
    formats: &[Weights],
    has_own_formats: bool,
) -> Result<(), Box<dyn Error>> {
    let text = String::from_utf8(read(path)?).map_err(|_| in_file(path, "the file is not UTF-8 text"))?;
    let suite: Suite = serde_saphyr::from_str(&text).map_err(|error| in_file(path, &error.to_string()))?;
    let folder = data.or(path.parent()).unwrap_or(Path::new("."));
    let rows: Vec<Row> = match suite.rows.is_empty() || has_own_formats {
        true => formats.iter().map(Row::of_weights).chain(integers()).collect(),
        false => suite.rows,
    };
    for row in &rows {
        row.check().map_err(|error| in_file(path, &error.to_string()))?;
    }
    let needs_inputs = rows.iter().map(Row::needs_inputs).collect::<Result<Vec<_>, _>>()?.contains(&true);
    let columns = suite.networks.iter().map(|entry| entry.column(folder, needs_inputs));
    let columns = columns.collect::<Result<Vec<Column>, Box<dyn Error>>>()?;
    let headings: Vec<&str> =
        std::iter::once("weights").chain(columns.iter().map(|column| column.heading.as_str())).collect();
    let mut table = Table::new(&headings);
    let bar = progress::bar("accuracy", (columns.len() * (1 + rows.len())) as u64);
    let mut reasons = Vec::new();
    let mut add_row = |name: &str, cell: &dyn Fn(&Subject) -> Result<String, ExploreError>| {
        let cells = columns.iter().map(|column| {
            let cell = cell(&column.subject).unwrap_or_else(|reason| {
                let reason = format!("- {name}: {reason}\n");
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
                "-".to_owned()
            });
            bar.inc(1);
            cell
        });
        let cells: Vec<String> = cells.collect();
        table.row(std::iter::once(name.to_owned()).chain(cells));
    };
    add_row("float", &Subject::float);
    for row in &rows {
        add_row(&row.name, &|subject| subject.measured(row));
    }
    bar.finish_and_clear();
    let notes: String =
        columns.iter().map(|column| format!("{}: {}\n", column.heading, column.note)).collect();
    Ok(print(&format!("{}\n{notes}{}", table.text(), reasons.concat()))?)
}

/// Networks of integers, scales for each output channel.
fn integers() -> [Row; 2] {
    INTEGERS.map(|(name, weights)| Row {
        name: name.to_owned(),
        weights: Some(weights.to_owned()),
        weight_range: Range::default(),
        methods: Methods::default(),
        int8_activations: true,
        kv_cache: None,
    })
}

impl Entry {
    /// The network with its data; and, where rows need it, what its matrices read.
    fn column(&self, folder: &Path, needs_inputs: bool) -> Result<Column, Box<dyn Error>> {
        match self {
            Entry::Digits => {
                let workload = Model::load(&ModelArgs::default())?.workload;
                let note = format!("right answers of {} held-out images", workload.test.len());
                Ok(Column { heading: "digits %".to_owned(), note, subject: Subject::Network(workload) })
            }
            Entry::Classifier(classifier) => classifier.column(folder),
            Entry::Llama { name, checkpoint, tokenizer, text, calibration } => {
                let found =
                    Language::load(&folder.join(checkpoint), &folder.join(tokenizer), &folder.join(text))?;
                let tokens: usize = found.texts.iter().map(|text| text.len() - 1).sum();
                let note = format!(
                    "perplexity per token of {tokens} tokens; embeddings and classifier in single precision"
                );
                let moments = match calibration.as_ref().filter(|_| needs_inputs) {
                    Some(calibration) => found.input_moments(&folder.join(calibration))?,
                    None => Vec::new(),
                };
                let heading = format!("{name} perplexity");
                Ok(Column { heading, note, subject: Subject::Language(found, moments) })
            }
        }
    }
}

impl Classifier {
    fn column(&self, folder: &Path) -> Result<Column, Box<dyn Error>> {
        let mut model = Model::of_file(&folder.join(&self.model))?;
        let mut inputs = self.inputs.images(folder, &model)?;
        let labels = self.labels.as_ref().map(|labels| labels.labels(folder)).transpose()?;
        let source = if model.is_quantized() { "the file's dequantized weights" } else { "a float file" };
        let count = inputs.len();
        let labels = labels.unwrap_or_else(|| vec![0; count]);
        if labels.len() != count {
            return Err(format!("{}: {count} inputs but {} labels", self.name, labels.len()).into());
        }
        let tests = inputs.split_off(CALIBRATION_INPUTS.min(count));
        let labels = labels.into_iter().skip(inputs.len());
        model.workload.calibration = inputs;
        model.workload.test = tests.into_iter().zip(labels).collect();
        let count = model.workload.test.len();
        let (heading, what) = match self.labels {
            Some(_) => (format!("{} %", self.name), format!("right answers of {count} inputs")),
            None => {
                model.workload.expect_own_answers()?;
                let images =
                    if matches!(self.inputs, Inputs::Smooth { .. }) { "made-up images" } else { "inputs" };
                (format!("{} agreement %", self.name), format!("answers like float's, of {count} {images}"))
            }
        };
        let note = format!("{what}; float is {source}");
        Ok(Column { heading, note, subject: Subject::Network(model.workload) })
    }
}

impl Inputs {
    fn images(&self, folder: &Path, model: &Model) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
        let elements = model.workload.network.graph().shape(TensorId::INPUT).elements();
        match self {
            Inputs::Npz { file, array } => {
                let path = folder.join(file);
                let archive = npz::Archive::new(&read(&path)?)?;
                let raw = archive.array::<i8>(array)?;
                let real = raw.elements.chunks(elements).map(|row| {
                    let row: Vec<i32> = row.iter().map(|&raw| raw.into()).collect();
                    model.dequantized_input(&row)
                });
                let real: Option<Vec<Vec<f32>>> = real.collect();
                Ok(real.ok_or_else(|| in_file(&path, "raw integers need a network with a quantized input"))?)
            }
            Inputs::Mnist { .. } => {
                let bytes = self.unpacked(folder)?;
                let scaled = |row: &[u8]| row.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
                Ok(bytes.chunks(elements).map(scaled).collect())
            }
            Inputs::Smooth { count, range } => {
                Ok((0..*count).map(|seed| smooth(seed, elements, *range)).collect())
            }
        }
    }

    fn labels(&self, folder: &Path) -> Result<Vec<usize>, Box<dyn Error>> {
        match self {
            Inputs::Npz { file, array } => {
                let labels = npz::Archive::new(&read(&folder.join(file))?)?.array::<i64>(array)?;
                Ok(labels.elements.into_iter().map(usize::try_from).collect::<Result<_, _>>()?)
            }
            Inputs::Mnist { .. } => Ok(self.unpacked(folder)?.into_iter().map(usize::from).collect()),
            Inputs::Smooth { .. } => Err("labels come from a file: npz or mnist".into()),
        }
    }

    /// The bytes of a packed file behind its header.
    fn unpacked(&self, folder: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
        let Inputs::Mnist { file, header } = self else { return Err("only MNIST's files are packed".into()) };
        let path = folder.join(file);
        let packed = read(&path)?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut bytes)
            .map_err(|error| in_file(&path, &error.to_string()))?;
        match bytes.len() >= *header {
            true => Ok(bytes.split_off(*header)),
            false => Err(in_file(&path, "the file is shorter than its header").into()),
        }
    }
}

/// A smooth image of three channels, waves of several lengths, within `range`.
fn smooth(seed: usize, elements: usize, [low, high]: [f32; 2]) -> Vec<f32> {
    /// One over the waves' sum of amplitudes.
    const AMPLITUDE: f32 = 12.0 / 25.0;
    let side = ((elements / 3) as f32).sqrt();
    let phase = |k: usize| ((seed * 7919 + k * 104_729) % 1000) as f32 * 0.001 * std::f32::consts::TAU;
    let value = |index: usize| {
        let (channel, pixel) = (index % 3, index / 3);
        let (x, y) = (pixel as f32 % side / side, (pixel as f32 / side).floor() / side);
        let wave = |k: usize| {
            let (across, down) = (phase(5 * k + 1).sin(), phase(5 * k + 2).cos());
            let turns = std::f32::consts::TAU * (k + 1) as f32;
            (turns * (across * x + down * y) + phase(5 * k + 3 + channel)).sin() / (k + 1) as f32
        };
        f32::midpoint(low, high) + 0.5 * (high - low) * AMPLITUDE * (0..4).map(wave).sum::<f32>()
    };
    (0..elements).map(value).collect()
}

impl Subject {
    fn float(&self) -> Result<String, ExploreError> {
        match self {
            Subject::Network(workload) => Ok(percent(workload.float_accuracy_percent()?)),
            Subject::Language(language, _) => Ok(language.perplexity(&language.model, false)?),
        }
    }

    fn measured(&self, row: &Row) -> Result<String, ExploreError> {
        match self {
            Subject::Network(workload) => Ok(percent(row.accuracy_percent(workload)?)),
            Subject::Language(language, moments) => {
                Ok(format!("{:.3}", row.perplexity(&language.model, moments, &language.texts)?))
            }
        }
    }
}

fn percent(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.2}"))
}

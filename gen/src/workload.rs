//! The network that is run: read from files, or the embedded digits network.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bitmill_accelerator::Accelerator;
use bitmill_explore::{Arithmetic, Workload};
use bitmill_model::{ModelError, Network, PtqConfig, QuantizedNetwork, TensorId, import, npy, quantize};
use bitmill_sim::has_formats;
use clap::Args;
use sha2::{Digest, Sha256};

/// Where the network and its data come from.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct ModelArgs {
    /// ONNX file, float or QDQ, or TFLite file with 8-bit integers [default: the embedded digits network with its data]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Inputs to quantize a float network with: .npy of u8 or f32, [inputs, height, width, channels]
    #[arg(long, value_name = "FILE", requires = "model")]
    pub calibration: Option<PathBuf>,
    /// Inputs whose answers are known, as for --calibration
    #[arg(long, value_name = "FILE", requires_all = ["model", "labels"])]
    pub test: Option<PathBuf>,
    /// Right answers of the test inputs: .npy of u8
    #[arg(long, value_name = "FILE", requires = "test")]
    pub labels: Option<PathBuf>,
}

impl ModelArgs {
    /// The arguments that name the same files, wherever they lie, each with a blank before it.
    pub fn words(&self) -> String {
        let files = [
            ("--model", &self.model),
            ("--calibration", &self.calibration),
            ("--test", &self.test),
            ("--labels", &self.labels),
        ];
        let given = files.iter().filter_map(|(option, path)| Some((option, path.as_ref()?.file_name()?)));
        given.map(|(option, name)| format!(" {option} {}", name.to_string_lossy())).collect()
    }

    /// SHA-256 of the network's file and its data, in hexadecimal.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn fingerprint(&self) -> Result<String, LoadError> {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        if self.model.is_none() {
            DIGITS.into_iter().for_each(&mut add);
        }
        for path in [&self.model, &self.calibration, &self.test, &self.labels] {
            match path {
                Some(path) => add(&read(path)?),
                None => add(b""),
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// A network with its data, as it was read.
pub struct Model {
    /// Name for reports.
    pub name: String,
    /// The float network and its data.
    pub workload: Workload,
    /// What import dropped or changed, in whole sentences.
    pub notes: Vec<String>,
    /// A QDQ file's own integers.
    given: Option<QuantizedNetwork>,
}

/// Why a network cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file's content is not legal.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ModelError,
    },
    /// A float network without calibration inputs.
    #[error("{0} is a float network: give --calibration FILE.npy with some of its inputs to quantize it")]
    NoCalibration(String),
    /// A quantized network where a float one is needed.
    #[error("{0} is quantized already; give the float network that it was made of")]
    Quantized(String),
    /// A quantized network in formats that the accelerator does not have.
    #[error(
        "{name} is quantized to {formats}, and the accelerator's precision has not all of them; add them there, or give \
         --calibration FILE.npy to quantize the network again"
    )]
    Formats {
        /// The network.
        name: String,
        /// Its formats of activations and weights.
        formats: String,
    },
    /// Inputs and answers differ in number.
    #[error("{inputs} test inputs but {labels} labels; there must be one label for each input")]
    Labels {
        /// Inputs.
        inputs: usize,
        /// Labels.
        labels: usize,
    },
    /// The network itself.
    #[error(transparent)]
    Model(#[from] ModelError),
}

const DIGITS: [&[u8]; 4] = [
    include_bytes!("../../examples/digits/digits.onnx"),
    include_bytes!("../../examples/digits/calibration_images.npy"),
    include_bytes!("../../examples/digits/test_images.npy"),
    include_bytes!("../../examples/digits/test_labels.npy"),
];

impl Model {
    /// Reads the network and its data.
    ///
    /// # Errors
    /// A file that cannot be read, or whose content is not legal: the file and what is wrong with it.
    pub fn load(args: &ModelArgs) -> Result<Model, LoadError> {
        let Some(path) = &args.model else { return Model::digits() };
        let name = path.file_stem().map_or("network".into(), |stem| stem.to_string_lossy().into_owned());
        let imported = import(&read(path)?).map_err(in_file(path))?;
        let inputs = |path: &PathBuf| inputs(path);
        let calibration = args.calibration.as_ref().map(inputs).transpose()?.unwrap_or_default();
        let tests = args.test.as_ref().map(inputs).transpose()?.unwrap_or_default();
        let labels = args.labels.as_ref().map(|path| labels(&read(path)?).map_err(in_file(path)));
        let labels = labels.transpose()?.unwrap_or_default();
        if tests.len() != labels.len() {
            return Err(LoadError::Labels { inputs: tests.len(), labels: labels.len() });
        }
        let test = tests.into_iter().zip(labels).collect();
        let workload = Workload { network: imported.float, calibration, test };
        Ok(Model { name, workload, notes: imported.notes, given: imported.quantized })
    }

    /// The network of a file, without data.
    ///
    /// # Errors
    /// A file that cannot be read, or whose content is not legal.
    pub fn of_file(path: &Path) -> Result<Model, LoadError> {
        Model::load(&ModelArgs { model: Some(path.to_owned()), ..ModelArgs::default() })
    }

    /// Real values of raw numbers of the input, by the quantization that the file has for it.
    pub fn dequantized_input(&self, raw: &[i32]) -> Option<Vec<f32>> {
        let real = self.given.as_ref()?.dequantize(TensorId::INPUT, raw);
        Some(real.into_iter().map(|value| value as f32).collect())
    }

    /// The embedded network: digits of 8 × 8 pixels, with calibration and held-out images.
    fn digits() -> Result<Model, LoadError> {
        let [network, calibration, tests, answers] = DIGITS;
        let test = images(tests)?.into_iter().zip(labels(answers)?).collect();
        let workload = Workload { network: import(network)?.float, calibration: images(calibration)?, test };
        Ok(Model { name: "digits".to_owned(), workload, notes: Vec::new(), given: None })
    }

    /// The network at the accelerator's precision: the file's own integers where it holds them, else
    /// quantized with the calibration inputs.
    ///
    /// # Errors
    /// A float network without calibration inputs, or one that cannot be quantized.
    pub fn quantized(&self, accelerator: &Accelerator) -> Result<QuantizedNetwork, LoadError> {
        if let Some(given) = self.given.as_ref().filter(|network| has_formats(accelerator, network)) {
            return Ok(given.clone());
        }
        if let (Some(given), true) = (&self.given, self.workload.calibration.is_empty()) {
            return Err(LoadError::Formats { name: self.name.clone(), formats: formats(given) });
        }
        self.check_calibration()?;
        Ok(self.workload.quantized_for(accelerator)?)
    }

    /// The float network by a recipe of one's own, with the products and row units of the accelerator.
    ///
    /// # Errors
    /// As [`Model::quantized`].
    pub fn quantized_by(
        &self,
        accelerator: &Accelerator,
        recipe: PtqConfig,
    ) -> Result<QuantizedNetwork, LoadError> {
        self.check_calibration()?;
        let Arithmetic { multiplication, offset_fraction_bits, rows, .. } = Arithmetic::of(accelerator);
        let recipe = PtqConfig { multiplication, offset_fraction_bits, ..recipe };
        let network = self.workload.network.clone().with_rows_by(rows);
        Ok(quantize(&network, &self.workload.calibration, &recipe)?)
    }

    /// Gives a network without calibration inputs one that is as good as any where only times are asked for:
    /// they do not depend on values, but there is nothing to simulate without integers.
    pub fn calibrate_for_timing(&mut self) {
        if self.workload.calibration.is_empty() {
            let elements = self.workload.network.graph().shape(TensorId::INPUT).elements();
            self.workload.calibration.push((0..elements).map(|index| (index * 37 % 256) as f32).collect());
        }
    }

    /// Whether the file holds integers of its own.
    pub fn is_quantized(&self) -> bool {
        self.given.is_some()
    }

    /// Whether it is a float network, which alone can be quantized by a recipe.
    ///
    /// # Errors
    /// [`LoadError::Quantized`] if the file holds integers.
    pub fn must_be_float(&self) -> Result<(), LoadError> {
        if self.is_quantized() { Err(LoadError::Quantized(self.name.clone())) } else { Ok(()) }
    }

    /// Whether there are inputs to quantize with.
    ///
    /// # Errors
    /// There are none.
    pub fn check_calibration(&self) -> Result<(), LoadError> {
        match self.workload.calibration.is_empty() {
            true => Err(LoadError::NoCalibration(self.name.clone())),
            false => Ok(()),
        }
    }

    /// An input to run: the first test input, else the first calibration input, else zeros.
    pub fn example(&self) -> Vec<f32> {
        let Workload { network, calibration, test } = &self.workload;
        let known = test.first().map(|(input, _)| input).or(calibration.first()).cloned();
        known.unwrap_or_else(|| vec![0.0; network.graph().shape(TensorId::INPUT).elements()])
    }
}

/// The formats of a network's activations, and those of the weights of its convolutions and fully connected layers.
fn formats(network: &QuantizedNetwork) -> String {
    let graph = network.graph();
    let outputs = graph.layers().iter().map(|layer| layer.output);
    let ids = std::iter::once(TensorId::INPUT).chain(outputs);
    let activations: BTreeSet<String> = ids.map(|id| network.quantization(id).format.to_string()).collect();
    let matrix = network.pairs().filter(|(layer, _)| layer.operation.is_matrix());
    let weights: BTreeSet<String> = matrix.map(|(_, own)| own.weight_format.to_string()).collect();
    let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    format!("activations {} and weights {}", list(activations), list(weights))
}

/// The inputs of a file: u8 or f32, one a row.
///
/// # Errors
/// A file that cannot be read, or that is no such array.
pub fn inputs(path: &Path) -> Result<Vec<Vec<f32>>, LoadError> {
    images(&read(path)?).map_err(in_file(path))
}

/// Inputs of u8 or f32, one a row.
fn images(bytes: &[u8]) -> Result<Vec<Vec<f32>>, ModelError> {
    match npy::read::<f32>(bytes) {
        Ok(array) => match array.rows().enumerate().find_map(|(row, values)| Some((row, foreign(values)?))) {
            Some((row, bad)) => {
                Err(ModelError::Input(format!("input {} holds {bad}; numbers must be finite", row + 1)))
            }
            None => Ok(array.rows().map(<[f32]>::to_vec).collect()),
        },
        Err(_) => {
            let array = npy::read::<u8>(bytes)?;
            Ok(array.rows().map(|row| row.iter().map(|&pixel| f32::from(pixel)).collect()).collect())
        }
    }
}

fn foreign(values: &[f32]) -> Option<f32> {
    values.iter().copied().find(|value| !value.is_finite())
}

fn labels(bytes: &[u8]) -> Result<Vec<usize>, ModelError> {
    Ok(npy::read::<u8>(bytes)?.elements.into_iter().map(usize::from).collect())
}

/// The place of a layer that is named, or numbered from 1.
///
/// # Errors
/// There is none: the layers that there are.
pub fn layer_number(graph: &Network, wanted: &str) -> Result<usize, String> {
    let layers = graph.layers();
    let named = layers.iter().position(|layer| layer.name == wanted);
    let numbered =
        || wanted.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|&n| n < layers.len());
    named.or_else(numbered).ok_or_else(|| {
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        format!("no layer is called `{wanted}`; there are 1 to {}: {}", layers.len(), names.join(", "))
    })
}

/// The bytes of a file.
///
/// # Errors
/// The file, and what the system says.
pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })
}

fn in_file(path: &Path) -> impl FnOnce(ModelError) -> LoadError {
    let path = path.to_owned();
    |source| LoadError::Content { path, source }
}

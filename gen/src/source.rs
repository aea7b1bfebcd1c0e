//! What hardware a command is about: an accelerator's configuration file, or a unit with settings.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_hdl::unit::Unit;
use clap::Args;
use serde_json::json;

use crate::bundle::Request;
use crate::workload::read;

/// An accelerator or a unit.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Hardware")]
pub struct SourceArgs {
    /// Configuration of an accelerator, YAML
    #[arg(value_name = "CONFIG", required_unless_present = "unit", conflicts_with = "unit")]
    pub config: Option<PathBuf>,
    /// Name of a unit instead, see `bitmill units`
    #[arg(long, value_name = "NAME")]
    pub unit: Option<String>,
    /// A parameter of the unit; may be given several times
    #[arg(long, value_name = "KEY=VALUE", requires = "unit", conflicts_with = "config")]
    pub set: Vec<String>,
}

/// Hardware that was asked for.
pub enum Source {
    /// A whole accelerator.
    Accelerator(Box<Accelerator>),
    /// One unit.
    Unit(Box<dyn Unit>),
}

impl SourceArgs {
    /// The hardware, and the request as it stands in a manifest.
    ///
    /// # Errors
    /// A file that cannot be read, a key or a value that is not legal: where it stands and what would be.
    pub fn load(&self) -> Result<(Source, Request), Box<dyn Error>> {
        match (&self.unit, &self.config) {
            (Some(name), _) => self.unit(name),
            (None, Some(path)) => {
                let accelerator = accelerator(path)?;
                let request = request(&accelerator)?;
                Ok((Source::Accelerator(Box::new(accelerator)), request))
            }
            (None, None) => Err("give a configuration file or --unit NAME".into()),
        }
    }

    fn unit(&self, name: &str) -> Result<(Source, Request), Box<dyn Error>> {
        let entry = bitmill_units::find(name)?;
        let unit = entry.unit(self.set.iter().map(String::as_str))?;
        let given: BTreeMap<&str, &str> = self.set.iter().filter_map(|pair| pair.split_once('=')).collect();
        let all = entry.parameters.iter().map(|p| (p.name, given.get(p.name).copied().unwrap_or(p.default)));
        let all: BTreeMap<&str, &str> = all.collect();
        let lines: String = all.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        let request = Request {
            kind: "unit",
            text: format!("unit: {name}\n{lines}"),
            value: json!({ "unit": name, "parameters": all }),
        };
        Ok((Source::Unit(unit), request))
    }
}

/// The request for an accelerator, all defaults spelled out.
///
/// # Errors
/// Only on our own bugs.
pub fn request(accelerator: &Accelerator) -> Result<Request, Box<dyn Error>> {
    let configuration = accelerator.configuration();
    let (text, value) = (configuration.to_yaml()?, serde_json::to_value(configuration)?);
    Ok(Request { kind: "accelerator", text, value })
}

/// The accelerator that a configuration file describes.
///
/// # Errors
/// A file that cannot be read or is not legal, with its name.
pub fn accelerator(path: &Path) -> Result<Accelerator, Box<dyn Error>> {
    let text = String::from_utf8(read(path)?)
        .map_err(|_| format!("{}: the file is not UTF-8 text", path.display()))?;
    accelerator_of(path, &text)
}

/// The accelerator that `text` describes, which stands in the file `path`.
///
/// # Errors
/// A description that is not legal, with the file's name.
pub fn accelerator_of(path: &Path, text: &str) -> Result<Accelerator, Box<dyn Error>> {
    let in_file = |error: bitmill_accelerator::ConfigurationError| in_file(path, &error.to_string());
    Ok(Accelerator::new(Configuration::from_yaml(text).map_err(in_file)?).map_err(in_file)?)
}

/// An error of a file's content. The YAML reader's own words begin with `error: `, as ours do.
pub fn in_file(path: &Path, error: &str) -> String {
    format!("{}: {}", path.display(), error.trim_start_matches("error: ").trim_end())
}

//! Number formats in a configuration: one name, or a list of names.

use std::ops::Deref;

use bitmill_formats::Format;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// One or more different formats, in the order given.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Formats(Vec<Format>);

impl Formats {
    /// Reads names such as `["int8", "bitmod_fp4"]`.
    ///
    /// # Errors
    /// No name, an unknown one, or one given twice; in words.
    pub fn parse<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Formats, String> {
        let mut formats: Vec<Format> = Vec::new();
        for name in names {
            let format: Format =
                name.trim().parse().map_err(|error: bitmill_formats::FormatError| error.to_string())?;
            if formats.contains(&format) {
                return Err(format!("format {format} is given twice; each may be given once"));
            }
            formats.push(format);
        }
        if formats.is_empty() {
            Err("at least one format is needed".to_owned())
        } else {
            Ok(Formats(formats))
        }
    }

    /// The first format: the one that a network is quantized to where nothing else is said.
    pub fn first(&self) -> &Format {
        &self.0[0]
    }

    /// The names, joined by `separator`.
    pub fn join(&self, separator: &str) -> String {
        self.0.iter().map(Format::to_string).collect::<Vec<_>>().join(separator)
    }
}

impl From<Format> for Formats {
    fn from(format: Format) -> Formats {
        Formats(vec![format])
    }
}

impl Deref for Formats {
    type Target = [Format];

    fn deref(&self) -> &[Format] {
        &self.0
    }
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl Serialize for Formats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names: Vec<String> = self.0.iter().map(Format::to_string).collect();
        let names = if let [name] = &names[..] { Names::One(name.clone()) } else { Names::Several(names) };
        names.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Formats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Formats, D::Error> {
        let names = match Names::deserialize(deserializer)? {
            Names::One(name) => vec![name],
            Names::Several(names) => names,
        };
        Formats::parse(names.iter().map(String::as_str)).map_err(D::Error::custom)
    }
}

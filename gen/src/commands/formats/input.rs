//! What the user gives: codebook files, names, and lines of numbers.

use std::error::Error;
use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use bitmill_formats::{Codebook, Format, FormatError, Scalar, Ties, catalogue};
use serde::Deserialize;

/// A codebook file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodebookFile {
    name: String,
    values: Vec<f64>,
    #[serde(default)]
    ties: TiesName,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TiesName {
    #[default]
    Lower,
    Upper,
    TowardZero,
    EvenPlace,
}

/// An error in one line of the input.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(super) struct LineError {
    line: usize,
    problem: String,
}

/// The formats that this run knows: the catalogue, any legal name, and the user's codebooks.
pub(super) struct Known {
    codebooks: Vec<Codebook>,
}

impl Known {
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Box<dyn Error>> {
        let read = |path: &PathBuf| {
            read_codebook(path).map_err(|error| format!("{}: {error}", path.display()).into())
        };
        Ok(Self { codebooks: paths.iter().map(read).collect::<Result<_, Box<dyn Error>>>()? })
    }

    pub(super) fn format(&self, name: &str) -> Result<Format, FormatError> {
        match self.codebooks.iter().find(|codebook| codebook.to_string() == name) {
            Some(codebook) => Ok(Scalar::Codebook(codebook.clone()).into()),
            None => name.parse(),
        }
    }

    pub(super) fn catalogue(&self) -> Vec<Format> {
        let own = self.codebooks.iter().map(|codebook| Scalar::Codebook(codebook.clone()).into());
        catalogue::formats().into_iter().chain(own).collect()
    }
}

fn read_codebook(path: &Path) -> Result<Codebook, Box<dyn Error>> {
    let file: CodebookFile = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    if file.name.parse::<Format>().is_ok() {
        return Err(format!("`{}` already names a format; give the codebook another name", file.name).into());
    }
    let ties = match file.ties {
        TiesName::Lower => Ties::Lower,
        TiesName::Upper => Ties::Upper,
        TiesName::TowardZero => Ties::TowardZero,
        TiesName::EvenPlace => Ties::EvenPlace,
    };
    Ok(Codebook::new(&file.name, &file.values, ties)?)
}

/// Calls `work` on every line that is not blank; its error is told with the line's number.
pub(super) fn for_each_line(
    input: impl BufRead,
    mut work: impl FnMut(&str) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for (line, text) in (1..).zip(input.lines()) {
        let at_line = |problem: String| LineError { line, problem };
        let text = text.map_err(|error| at_line(error.to_string()))?;
        if text.trim().is_empty() {
            continue;
        }
        if let Err(error) = work(text.trim()) {
            // An error of the output has no line in the input.
            return Err(if error.is::<std::io::Error>() { error } else { at_line(error.to_string()).into() });
        }
    }
    Ok(())
}

/// Reads a code, in decimal or as 0x hexadecimal.
pub(super) fn parse_code(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let parsed = match digits {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("`{text}` is not a code; give a decimal (56) or hexadecimal (0x38) number"))
}

/// Splits `a,b`.
pub(super) fn parse_pair(text: &str) -> Result<(&str, &str), String> {
    match text.split_once(',') {
        Some((a, b)) if !b.contains(',') => Ok((a.trim(), b.trim())),
        _ => Err(format!("`{text}` is not a pair; give two numbers as `a,b`")),
    }
}

//! The outcomes of a sweep on disk, a line of JSON each as soon as it is known.
//!
//! The first line says which sweep it is. Lines are only ever appended, so whatever stops the program costs the points
//! that were under way and nothing else: a last line that was cut off is dropped, and the sweep goes on from there.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bitmill_explore::{Objective, Outcome, Search, Space, Thoroughness};
use bitmill_sim::Effort;
use serde::{Deserialize, Serialize};

use super::folder::SPACE;
use super::shard::Shard;

/// Which sweep a journal belongs to. Outcomes depend on nothing else.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Version of the program.
    pub bitmill: String,
    /// The points.
    pub space: Space,
    /// Name of the network.
    pub network: String,
    /// SHA-256 of the network's file and its data.
    pub fingerprint: String,
    /// How points are evaluated.
    pub thoroughness: Thoroughness,
    /// What they are compared by.
    pub objectives: Vec<Objective>,
    /// Which of the points are evaluated.
    pub search: Search,
    /// Which part of them.
    pub shard: Shard,
}

impl Header {
    /// The command that makes the sweep again, beside its space and the files that `model` names.
    pub fn command(&self, model: &str) -> String {
        let mut command = format!("bitmill explore {SPACE}{model}");
        if self.thoroughness.timing_only {
            command += " --timing-only";
        }
        if self.thoroughness.effort == Effort::FirstCut {
            command += " --effort first-cut";
        }
        match self.search {
            Search::Grid => {}
            Search::Random { budget, seed } => {
                command += &format!(" --search random --budget {budget} --seed {seed}");
            }
            Search::Nsga2 { budget, seed } => {
                command += &format!(" --search nsga2 --budget {budget} --seed {seed}");
            }
        }
        let objectives: Vec<&str> = self.objectives.iter().map(|objective| objective.name()).collect();
        format!("{command} --objectives {} -o again", objectives.join(","))
    }

    /// Whether both are parts of one sweep.
    pub fn is_part_of_same(&self, other: &Header) -> bool {
        *self == Header { shard: self.shard, ..other.clone() }
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    position: usize,
    outcome: Outcome,
}

/// A journal that outcomes are written to. It is locked: nobody else writes to it.
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
}

impl Journal {
    /// Opens the journal at `path`, or begins it, and returns what stands in it already.
    ///
    /// # Errors
    /// A journal of another sweep, one that another process writes to, or a line that is none; what the system refuses.
    pub fn open(path: &Path, header: &Header) -> Result<(Journal, BTreeMap<usize, Outcome>), Box<dyn Error>> {
        let failed = |source: io::Error| format!("cannot write {}: {source}", path.display());
        let mut options = File::options();
        let mut file =
            options.read(true).append(true).create(true).truncate(false).open(path).map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                format!(
                    "{}: another process is at work on this sweep; wait for it, or choose another -o",
                    path.display()
                )
            }
            TryLockError::Error(source) => failed(source),
        })?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(failed)?;
        let mut journal = Journal { path: path.to_owned(), file, length: whole as u64 };
        if whole == 0 {
            journal.append(header)?;
            return Ok((journal, BTreeMap::new()));
        }
        let (found, outcomes) = parse(path, &text[..whole])?;
        if found != *header {
            return Err(format!(
                "{}: holds outcomes of another sweep: its space, network, data, options, version or shard differs; \
                 remove it or choose another -o",
                path.display()
            )
            .into());
        }
        Ok((journal, outcomes))
    }

    /// Adds what became of a point.
    ///
    /// # Errors
    /// The system refuses, as it does when the disk is full. What was written of the line is taken back.
    pub fn record(&mut self, position: usize, outcome: Outcome) -> Result<(), String> {
        self.append(&Line { position, outcome })
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), String> {
        let failed = |source: io::Error| format!("cannot write {}: {source}", self.path.display());
        let mut text = serde_json::to_string(line).map_err(|error| error.to_string())?;
        text.push('\n');
        if let Err(source) = self.file.write_all(text.as_bytes()) {
            // A shorter file needs no room. If this fails as well, the next start drops the line.
            let _ = self.file.set_len(self.length);
            return Err(failed(source));
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// Removes the journal, once its outcomes stand elsewhere.
    ///
    /// # Errors
    /// The system refuses.
    pub fn remove(self) -> Result<(), String> {
        std::fs::remove_file(&self.path)
            .map_err(|source| format!("cannot remove {}: {source}", self.path.display()))
    }
}

/// Reads a journal that nobody writes to.
///
/// # Errors
/// A file that is no journal: the line and what is wrong with it.
pub fn read(path: &Path) -> Result<(Header, BTreeMap<usize, Outcome>), Box<dyn Error>> {
    let text = String::from_utf8(crate::workload::read(path)?)
        .map_err(|_| format!("{}: the file is not UTF-8 text", path.display()))?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    parse(path, &text[..whole])
}

fn parse(path: &Path, text: &str) -> Result<(Header, BTreeMap<usize, Outcome>), Box<dyn Error>> {
    let at = |line: usize, problem: serde_json::Error| {
        format!("{}: line {line} is none of `bitmill explore`: {problem}", path.display())
    };
    let mut lines = (1..).zip(text.lines());
    let (number, first) = lines.next().unwrap_or((1, ""));
    let header: Header = serde_json::from_str(first).map_err(|error| at(number, error))?;
    let count = header.space.points().count();
    let mut outcomes = BTreeMap::new();
    for (number, line) in lines {
        let Line { position, outcome } = serde_json::from_str(line).map_err(|error| at(number, error))?;
        if position >= count || !header.shard.part_of(count).contains(&position) {
            let problem =
                format!("point {position} is none of its {count} points and shard {}", header.shard);
            return Err(format!("{}: line {number}: {problem}", path.display()).into());
        }
        outcomes.insert(position, outcome);
    }
    Ok((header, outcomes))
}

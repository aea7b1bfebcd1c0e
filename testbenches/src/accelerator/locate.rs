//! Finds where a simulated circuit first leaves the description: the earliest signal, anywhere in the
//! hierarchy, whose recorded value is not the one that the interpreter computes.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use bitmill_hdl::Slot;
use fst_reader::{FstFilter, FstHierarchyEntry, FstReader, FstSignalValue, ReadSignalsError};

use super::Session;
use super::interpreted::Run;
use crate::TestbenchError;

/// The first signal that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Located {
    pub cycle: u64,
    /// Instance path below the top, such as `i_array.i_row_0`; empty for the top itself.
    pub instance: String,
    pub signal: String,
    pub expected: u64,
    pub seen: u64,
}

/// Compares the recording `waves` (cycle c of the run settles at time 2c) of a session with its description.
///
/// # Errors
/// A recording that cannot be read.
pub(super) fn locate(waves: &Path, session: &Session) -> Result<Option<Located>, TestbenchError> {
    let file = File::open(waves).map_err(TestbenchError::io("read", waves))?;
    let unreadable = |problem: String| TestbenchError::Waves { path: waves.to_owned(), problem };
    let mut reader = FstReader::open(BufReader::new(file)).map_err(|e| unreadable(e.to_string()))?;
    let handles = handles(&mut reader, &session.top.name).map_err(|e| unreadable(e.to_string()))?;
    let mut run = Run::new(session);
    run.settle();
    while !run.started && run.total_cycles < session.limit_cycles {
        run.advance();
        run.settle();
    }
    let mut watched = Vec::new();
    for (name, slot) in run.circuit.names() {
        if let Some(&handle) = handles.get(name.as_str())
            && slot.shape.width <= 64
        {
            watched.push((name.clone(), *slot, handle));
        }
    }
    let largest = watched.iter().map(|(_, _, handle)| *handle).max().unwrap_or(0);
    let mut comparison = Comparison { run, watched, recorded: vec![None; largest + 1] };
    let outcome = reader.read_signals(&FstFilter::all(), |time, handle, value| {
        // All of cycle c has been read when the first change of a later time comes.
        while comparison.run.cycle * 2 < time {
            comparison.cycle()?;
        }
        comparison.record(handle.get_index(), value);
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(comparison.cycle().err()),
        Err(ReadSignalsError::CallbackError(found)) => Ok(Some(found)),
        Err(ReadSignalsError::ReadError(error)) => Err(unreadable(error.to_string())),
    }
}

struct Comparison {
    run: Run,
    watched: Vec<(String, Slot, usize)>,
    /// Last recorded value by handle.
    recorded: Vec<Option<u64>>,
}

impl Comparison {
    fn record(&mut self, handle: usize, value: FstSignalValue) {
        if let (Some(place), FstSignalValue::String(digits)) = (self.recorded.get_mut(handle), value)
            && digits.len() <= 64
        {
            *place = Some(digits.iter().fold(0, |bits, digit| bits << 1 | u64::from(*digit == b'1')));
        }
    }

    /// Compares every signal of the present cycle and goes to the next. Registers come before what is
    /// computed from them only by luck of order, so the deepest signal of the cycle is named: the one in the
    /// longest path.
    fn cycle(&mut self) -> Result<(), Located> {
        let mut found: Option<Located> = None;
        for (name, slot, handle) in &self.watched {
            let expected = self.run.circuit.get(*slot);
            let Some(seen) = self.recorded[*handle].filter(|&seen| seen != expected) else { continue };
            let (instance, signal) = name.rsplit_once('.').unwrap_or(("", name));
            let deeper = |f: &Located| f.instance.matches('.').count() < instance.matches('.').count();
            if found.as_ref().is_none_or(deeper) {
                let (instance, signal) = (instance.to_owned(), signal.to_owned());
                found = Some(Located { cycle: self.run.cycle, instance, signal, expected, seen });
            }
        }
        self.run.advance();
        self.run.settle();
        found.map_or(Ok(()), Err)
    }
}

/// Handle of every recorded signal by its name below the top module, as the interpreter names it.
fn handles(
    reader: &mut FstReader<BufReader<File>>,
    top: &str,
) -> Result<HashMap<String, usize>, fst_reader::ReaderError> {
    let mut scopes: Vec<String> = Vec::new();
    let mut handles = HashMap::new();
    reader.read_hierarchy(|entry| match entry {
        FstHierarchyEntry::Scope { name, .. } => scopes.push(name),
        FstHierarchyEntry::UpScope => {
            scopes.pop();
        }
        FstHierarchyEntry::Var { name, handle, .. } => {
            // A vector's name may carry its range: `acc_q [31:0]`.
            let name = name.split(['[', ' ']).next().unwrap_or_default();
            if let Some(at) = scopes.iter().position(|scope| scope == top) {
                let mut path = scopes[at + 1..].to_vec();
                path.push(name.to_owned());
                handles.insert(path.join("."), handle.get_index());
            }
        }
        _ => {}
    })?;
    Ok(handles)
}

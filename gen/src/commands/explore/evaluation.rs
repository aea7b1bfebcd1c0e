//! The points of a sweep evaluated: what a journal does not hold yet, and what a search asks for next.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bitmill_explore::{Costs, Evaluator, Outcome};

use super::journal::{Header, Journal};
use crate::progress;

/// The file beside `folder` with its name and `suffix`.
pub(super) fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or(folder.as_os_str()).to_owned();
    name.push(suffix);
    folder.with_file_name(name)
}

/// Evaluates what the journal at `path` does not hold yet, and returns the outcomes of all its points.
pub(super) fn resume(
    path: &Path,
    header: &Header,
    evaluator: &mut Evaluator<'_>,
) -> Result<(Journal, BTreeMap<usize, Outcome>), Box<dyn Error>> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|error| format!("cannot write {}: {error}", parent.display()))?;
    }
    let (journal, outcomes) = Journal::open(path, header)?;
    if !outcomes.is_empty() {
        let wanted = header.search.count(header.shard.part_of(header.space.points().count()).len());
        eprintln!("resuming: {} of {wanted} points are in {}", outcomes.len(), path.display());
    }
    let journal = Mutex::new(journal);
    let outcomes = evaluate_missing(header, evaluator, outcomes, &|position, outcome| {
        Ok(journal.lock().unwrap_or_else(PoisonError::into_inner).record(position, outcome.clone())?)
    })?;
    Ok((journal.into_inner().unwrap_or_else(PoisonError::into_inner), outcomes))
}

/// What hears of each outcome, from several threads.
type Record<'a> = dyn Fn(usize, &Outcome) -> Result<(), Failure> + Sync + 'a;

type Failure = Box<dyn Error + Send + Sync>;

/// Evaluates the points of the sweep that `outcomes` lack, and returns all.
pub(super) fn evaluate_missing(
    header: &Header,
    evaluator: &mut Evaluator<'_>,
    outcomes: BTreeMap<usize, Outcome>,
    record: &Record<'_>,
) -> Result<BTreeMap<usize, Outcome>, Box<dyn Error>> {
    let (points, search) = (header.space.points(), header.search);
    let part = header.shard.part_of(points.count());
    let bar = progress::bar("evaluating points", search.count(part.len()) as u64);
    bar.set_position(outcomes.len() as u64);
    let outcomes = Mutex::new(outcomes);
    let known = || outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    let found = |position: usize, outcome: Outcome| -> Result<(), Failure> {
        record(position, &outcome)?;
        known().insert(position, outcome);
        bar.inc(1);
        Ok(())
    };
    let mut evaluate = |positions: &[usize]| -> Result<Vec<Costs>, Failure> {
        let missing: Vec<usize> = positions.iter().copied().filter(|p| !known().contains_key(p)).collect();
        evaluator.evaluate(&missing, &found)?;
        let known = known();
        let costs = |position| {
            let point = known.get(position)?.as_ref().ok()?;
            Some(header.objectives.iter().map(|objective| objective.cost(point)).collect())
        };
        Ok(positions.iter().map(costs).collect())
    };
    let evaluated = match header.shard.is_whole() {
        true => search.run(&points.shape(), &mut evaluate),
        false => evaluate(&part.collect::<Vec<usize>>()).map(drop),
    };
    bar.finish_and_clear();
    evaluated.map_err(|error| -> Box<dyn Error> { error })?;
    Ok(outcomes.into_inner().unwrap_or_else(PoisonError::into_inner))
}

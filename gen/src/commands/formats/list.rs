//! The catalogue as a table or as JSON.

use std::io::{self, Write};

use bitmill_formats::{Format, Summary};
use serde_json::json;

use super::input::Known;

pub(super) fn list(json: bool, known: &Known, output: &mut impl Write) -> io::Result<()> {
    let summaries: Vec<Summary> = known.catalogue().iter().map(Format::summary).collect();
    if json { print_json(&summaries, output) } else { print_table(&summaries, output) }
}

/// Every end of every format is a double, so JSON numbers are exact.
fn print_json(summaries: &[Summary], output: &mut impl Write) -> io::Result<()> {
    let entry = |summary: &Summary| {
        json!({
            "name": summary.name,
            "family": summary.family,
            "bits_per_value": summary.bits_per_value,
            "lowest": summary.lowest.to_f64(),
            "highest": summary.highest.to_f64(),
            "smallest_positive": summary.smallest_positive.to_f64(),
            "smallest_step": summary.smallest_step.to_f64(),
            "dynamic_range_db": summary.dynamic_range_db,
        })
    };
    let entries: Vec<_> = summaries.iter().map(entry).collect();
    writeln!(output, "{:#}", json!(entries))
}

fn print_table(summaries: &[Summary], output: &mut impl Write) -> io::Result<()> {
    writeln!(
        output,
        "{:<20} {:<14} {:>6} {:>12} {:>12} {:>12} {:>12} {:>8}",
        "name", "family", "bits", "lowest", "highest", "smallest > 0", "step", "range dB"
    )?;
    for summary in summaries {
        writeln!(
            output,
            "{:<20} {:<14} {:>6} {:>12} {:>12} {:>12} {:>12} {:>8.1}",
            summary.name,
            summary.family,
            summary.bits_per_value,
            short(summary.lowest.to_f64()),
            short(summary.highest.to_f64()),
            short(summary.smallest_positive.to_f64()),
            short(summary.smallest_step.to_f64()),
            summary.dynamic_range_db
        )?;
    }
    Ok(())
}

/// A number in at most ten characters: exact if it is short, else to five digits, marked by its exponent.
fn short(x: f64) -> String {
    let exact = x.to_string();
    if exact.len() <= 10 { exact } else { format!("{x:.4e}") }
}

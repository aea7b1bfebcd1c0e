//! A sweep as one page of HTML that needs nothing else: points to look at by any two columns, a table to sort, the
//! configuration of every point of the front, and the commands that make it again.

use std::collections::BTreeMap;
use std::error::Error;

use bitmill_explore::{COLUMNS, Objective, Sweep};
use serde_json::{Value, json};

const PAGE: &str = include_str!("report.html");

/// The text of the page.
///
/// # Errors
/// Only on our own bugs.
pub(super) fn html(found: &Sweep, title: &str) -> Result<String, Box<dyn Error>> {
    let rows: Vec<Vec<String>> =
        found.points.iter().map(|point| COLUMNS.iter().map(|c| (c.entry)(point)).collect()).collect();
    // What differs most visibly is the first column after the name that has several values.
    let differs = |c: &usize| rows.iter().any(|row| row[*c] != rows[0][*c]);
    let colour = (1..COLUMNS.len()).find(differs).unwrap_or(1);
    let configurations = found
        .front
        .iter()
        .map(|&index| Ok((index, found.points[index].configuration.to_yaml()?)))
        .collect::<Result<BTreeMap<usize, String>, Box<dyn Error>>>()?;
    let objective = |o: &Objective| json!({ "name": o.name(), "column": o.column() });
    let first = found.refused.first().map(|refusal| format!("{}: {}", refusal.name, refusal.reason));
    let data = json!({
        "title": title,
        "technologies": found.technologies,
        "objectives": found.objectives.iter().map(objective).collect::<Value>(),
        "columns": COLUMNS.iter().map(|c| c.heading).collect::<Vec<&str>>(),
        "rows": rows,
        "colour": colour,
        "front": found.front,
        "knee": found.knee,
        "hypervolume": found.hypervolume,
        "refused": { "count": found.refused.len(), "first": first },
        "configurations": configurations,
        "limits": format!("Cycles are those of the circuits. {}", found.limits()?),
        "commands": [
            "bitmill explore SPACE.yaml -o DIR        # the space stands in manifest.json beside this page",
            "bitmill simulate POINT.yaml              # a point by itself: its configuration from this page",
            "bitmill generate POINT.yaml -o verilog",
        ],
    });
    // A script ends at the first `</`, wherever it stands.
    let data = data.to_string().replace('<', "\\u003c");
    Ok(PAGE.replacen("DATA", &data, 1))
}

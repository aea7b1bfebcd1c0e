//! A sweep as one page of HTML that needs nothing else: points to look at by any two columns, a table to sort,
//! what stands behind each point of the front, and the commands that make it again.

mod point;

use std::collections::BTreeMap;
use std::error::Error;

use bitmill_explore::{COLUMNS, Evaluator, Objective, Point, Sweep};
use serde_json::{Map, Value, json};

use super::journal::Header;

const PAGE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/style.css");
/// What the page does, in the order in which it stands there.
const SCRIPTS: [&str; 6] = [
    include_str!("report/common.js"),
    include_str!("report/plot.js"),
    include_str!("report/charts.js"),
    include_str!("report/point.js"),
    include_str!("report/save.js"),
    include_str!("report/main.js"),
];

/// Room for what stands behind points of the front: the page is to stay a few MB.
const DETAILS_BYTES: usize = 3 << 20;

/// The text of the page.
///
/// # Errors
/// A network that cannot be run, or our own bugs.
pub(super) fn html(
    found: &Sweep,
    evaluator: &mut Evaluator<'_>,
    title: &str,
    header: &Header,
    model: &str,
) -> Result<String, Box<dyn Error>> {
    let rows: Vec<Vec<String>> = found
        .points
        .iter()
        .map(|point| COLUMNS.iter().map(|column| (column.entry)(point).to_string()).collect())
        .collect();
    // What differs most visibly is the first column after the name that has several values.
    let differs = |c: &usize| rows.iter().any(|row| row[*c] != rows[0][*c]);
    let colour = (1..COLUMNS.len()).find(differs).unwrap_or(1);
    let details = details(found, evaluator, header, model)?;
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
        "details": details,
        "limits": format!("Cycles are those of the circuits. {}", found.limits()?),
        "command": header.command(model),
    });
    // A script ends at the first `</`, wherever it stands.
    let data = data.to_string().replace('<', "\\u003c");
    let page = PAGE.replacen("STYLE", STYLE, 1).replacen("SCRIPT", &SCRIPTS.concat(), 1);
    Ok(page.replacen("DATA", &data, 1))
}

/// What stands behind points of the front, by position: as many as there is room for, the knee first.
fn details(
    found: &Sweep,
    evaluator: &mut Evaluator<'_>,
    header: &Header,
    model: &str,
) -> Result<BTreeMap<usize, Map<String, Value>>, Box<dyn Error>> {
    let order = found.front_from_knee();
    let mut details = BTreeMap::new();
    let mut bytes = 0;
    // A few at a time: they are many only where they are small.
    for part in order.chunks(8) {
        let points: Vec<&Point> = part.iter().map(|&index| &found.points[index]).collect();
        for (&index, detail) in part.iter().zip(evaluator.examine(&points)?) {
            let value = point::value(&detail, header, model)?;
            bytes += serde_json::to_string(&value)?.len();
            if bytes > DETAILS_BYTES && !details.is_empty() {
                return Ok(details);
            }
            details.insert(index, value);
        }
    }
    Ok(details)
}

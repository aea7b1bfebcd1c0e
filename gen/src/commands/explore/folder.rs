//! The folder of a sweep: the page, the picture, the points in three formats, and what it takes to make it
//! again.

use std::error::Error;

use bitmill_explore::{Evaluator, Search, Sweep, csv};

use super::journal::Header;
use super::{parquet, report};
use crate::output::{Files, MANIFEST};
use crate::plot;

/// The space within the folder.
pub(super) const SPACE: &str = "space.yaml";

/// The configuration of a point of the front within the folder.
pub(super) fn configuration(name: &str) -> String {
    format!("points/{name}.yaml")
}

/// The files of the sweep `found`, which `header` asked for of the network that the arguments `model` name.
///
/// # Errors
/// A network that cannot be run, or our own bugs.
pub(super) fn files(
    found: &Sweep,
    evaluator: &mut Evaluator<'_>,
    header: &Header,
    model: &str,
) -> Result<Files, Box<dyn Error>> {
    let Header { network, space, search, .. } = header;
    let by = if *search == Search::Grid { String::new() } else { format!(" by {search}") };
    let technologies = found.technologies.join(", ");
    let title = format!("{network}: {} accelerators{by}, {technologies}", found.points.len());
    let mut files = Files::default();
    files.add("pareto.svg", plot::svg(found, &title)?);
    files.add("report.html", report::html(found, evaluator, &title, header, model)?);
    files.add("points.csv", csv(found));
    files.add("points.json", format!("{}\n", serde_json::to_string_pretty(found)?));
    files.add("points.parquet", parquet::bytes(found)?);
    files.add(SPACE, space.to_yaml()?);
    for &index in &found.front {
        let point = &found.points[index].configuration;
        files.add(configuration(&point.name), point.to_yaml()?);
    }
    let manifest = serde_json::json!({
        "generator": "bitmill", "kind": "exploration", "network": network, "space": space, "search": search
    });
    files.add(MANIFEST, format!("{manifest:#}\n"));
    Ok(files)
}

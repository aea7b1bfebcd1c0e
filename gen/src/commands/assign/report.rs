//! What became of an assignment: layers, a comparison with every uniform precision, and a recipe.

use std::collections::BTreeMap;
use std::path::Path;

use bitmill_explore::Goal;
use bitmill_explore::assignment::{Method, Resource, Study, Subject};
use bitmill_model::WeightFormat;
use serde_json::json;

use crate::output::{Files, MANIFEST};
use crate::table::{Table, grouped, short};

/// What a report says about how things were measured.
pub(super) struct Report {
    /// What sensitivities are.
    pub sensitivity: &'static str,
    /// What was measured on what.
    pub data: String,
    /// The format of activations, where a recipe can say how to quantize.
    pub activations: Option<String>,
}

/// A choice of formats with what it costs and how good it is.
pub(super) struct Row {
    /// The uniform format, or the method.
    pub name: String,
    /// The format of each layer, by position.
    pub choice: Vec<usize>,
    /// In the resource's unit, simulated as a whole.
    pub cost: f64,
    /// The sum of its sensitivities.
    pub sensitivity: f64,
    /// As measured, in the order of the subject's measures.
    pub quality: Vec<f64>,
}

/// All that was found.
pub(super) struct Found<'a> {
    pub subject: &'a dyn Subject,
    pub study: &'a Study<'a>,
    pub formats: &'a [WeightFormat],
    pub resource: Resource,
    pub budget: f64,
    pub uniform: Vec<Row>,
    /// One for each method.
    pub assigned: Vec<Row>,
}

impl Found<'_> {
    fn chosen(&self, method: Method) -> &Row {
        let place = Method::ALL.iter().position(|&other| other == method).unwrap_or_default();
        &self.assigned[place]
    }

    fn cost_heading(&self) -> String {
        format!("{} {}", self.resource.name(), self.resource.unit())
    }
}

impl Report {
    /// The tables for people.
    pub fn page(&self, found: &Found<'_>, method: Method, folder: Option<&Path>) -> String {
        let unit = found.resource.unit();
        let written = folder.map_or(String::new(), |folder| {
            let recipe = if self.activations.is_some() { "recipe.yaml, " } else { "" };
            format!("written: {}/{recipe}layers.csv and comparison.csv\n", folder.display())
        });
        format!(
            "{}\n{}\nbudget        {} {unit}; costs of the comparison are those of the whole, simulated\n\
             sensitivity   {}\ndata          {}\n{}\n{written}",
            layers(found, method),
            comparison(found),
            short(found.budget),
            self.sensitivity,
            self.data,
            verdict(found, method)
        )
    }

    /// The recipe and the tables.
    ///
    /// # Errors
    /// Only on our own bugs.
    pub fn files(&self, found: &Found<'_>, method: Method) -> Result<Files, serde_json::Error> {
        let mut files = Files::default();
        if let Some(activations) = &self.activations {
            files.add("recipe.yaml", recipe(found, method, activations)?);
        }
        files.add("layers.csv", layers_csv(found, method));
        files.add("comparison.csv", comparison_csv(found));
        let manifest = json!({
            "generator": "bitmill",
            "kind": "assignment",
            "objective": found.resource.name(),
            "budget": found.budget,
            "unit": found.resource.unit(),
            "method": method.name(),
            "sensitivity": self.sensitivity,
            "data": self.data,
        });
        files.add(MANIFEST, format!("{manifest:#}\n"));
        Ok(files)
    }
}

/// Every layer with its format, and what it loses and costs in it.
fn layers(found: &Found<'_>, method: Method) -> String {
    let mut table = Table::new(&["layer", "weights", "format", "sensitivity", &found.cost_heading()]);
    for (index, (name, weights)) in found.subject.layers().into_iter().enumerate() {
        let format = found.chosen(method).choice[index];
        table.row([
            name,
            grouped(weights as u64),
            found.formats[format].to_string(),
            scientific(found.study.sensitivities[index][format]),
            short(found.study.uniform[format].layers[index]),
        ]);
    }
    table.text()
}

/// Uniform precisions and assignments side by side.
fn comparison(found: &Found<'_>) -> String {
    let cost = found.cost_heading();
    let measures = found.subject.measures();
    let mut headings = vec!["precision", &cost, "sensitivity"];
    headings.extend(measures.iter().map(|measure| measure.heading.as_str()));
    let mut table = Table::new(&headings);
    for row in found.uniform.iter().chain(&found.assigned) {
        let quality = row.quality.iter().map(|&value| short(value));
        table
            .row([row.name.clone(), short(row.cost), scientific(row.sensitivity)].into_iter().chain(quality));
    }
    table.text()
}

/// How the assignment compares with the uniform precisions that cost no more than the budget.
fn verdict(found: &Found<'_>, method: Method) -> String {
    let chosen = found.chosen(method);
    let affordable: Vec<&Row> =
        found.uniform.iter().filter(|row| row.cost <= found.budget * (1.0 + 1e-9)).collect();
    let mut lines = Vec::new();
    for (index, measure) in found.subject.measures().iter().enumerate() {
        let merit =
            |row: &Row| if measure.goal == Goal::Maximise { row.quality[index] } else { -row.quality[index] };
        let Some(best) = affordable.iter().max_by(|a, b| merit(a).total_cmp(&merit(b))) else {
            return "verdict       no uniform precision is within the budget".to_owned();
        };
        let relation = match merit(chosen).total_cmp(&merit(best)) {
            std::cmp::Ordering::Greater => "better than",
            std::cmp::Ordering::Equal => "as good as",
            std::cmp::Ordering::Less => "behind",
        };
        lines.push(format!(
            "{}: {} is {relation} {}, the best uniform precision within the budget ({} against {})",
            measure.heading,
            chosen.name,
            best.name,
            short(chosen.quality[index]),
            short(best.quality[index])
        ));
    }
    format!("verdict       {}", lines.join("\n              "))
}

/// A recipe that `quantize` and `simulate` read: the most frequent format for all, and the layers that differ.
fn recipe(found: &Found<'_>, method: Method, activations: &str) -> Result<String, serde_json::Error> {
    let chosen = found.chosen(method);
    let mut counts = BTreeMap::new();
    chosen.choice.iter().for_each(|&format| *counts.entry(format).or_insert(0usize) += 1);
    let common = counts.into_iter().max_by_key(|&(format, count)| (count, std::cmp::Reverse(format)));
    let common = common.map_or(0, |(format, _)| format);
    let mut text = format!(
        "# bitmill assign: {} of {} {}, budget {}, chosen by {}\nweights: {}\nactivations: {activations}\n",
        found.resource.name(),
        short(chosen.cost),
        found.resource.unit(),
        short(found.budget),
        method.name(),
        found.formats[common]
    );
    let mut others = String::new();
    for ((name, _), &format) in found.subject.layers().iter().zip(&chosen.choice) {
        if format != common {
            // A string of JSON is one of YAML, whatever the name has in it.
            others +=
                &format!("  {}: {{weights: {}}}\n", serde_json::to_string(name)?, found.formats[format]);
        }
    }
    if !others.is_empty() {
        text += &format!("layers:\n{others}");
    }
    Ok(text)
}

/// Every layer in every format.
fn layers_csv(found: &Found<'_>, method: Method) -> String {
    let mut text = format!("layer,weights,format,chosen,sensitivity,{}\n", column(found.resource));
    for (index, (name, weights)) in found.subject.layers().into_iter().enumerate() {
        let name =
            if name.contains([',', '"', '\n']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name };
        for (format, cost) in found.study.uniform.iter().enumerate() {
            let chosen = u8::from(found.chosen(method).choice[index] == format);
            let sensitivity = found.study.sensitivities[index][format];
            let (format, cost) = (&found.formats[format], cost.layers[index]);
            text += &format!("{name},{weights},{format},{chosen},{sensitivity:e},{cost}\n");
        }
    }
    text
}

fn comparison_csv(found: &Found<'_>) -> String {
    let measures: Vec<String> = found
        .subject
        .measures()
        .iter()
        .map(|m| m.heading.replace(' ', "_").replace('%', "percent"))
        .collect();
    let mut text = format!("precision,{},sensitivity,{}\n", column(found.resource), measures.join(","));
    for row in found.uniform.iter().chain(&found.assigned) {
        let quality: Vec<String> = row.quality.iter().map(f64::to_string).collect();
        text += &format!("{},{},{:e},{}\n", row.name, row.cost, row.sensitivity, quality.join(","));
    }
    text
}

/// The resource as the name of a column, its unit last.
fn column(resource: Resource) -> &'static str {
    match resource {
        Resource::Latency => "latency_us",
        Resource::Energy => "energy_uj",
        Resource::Size => "size_bytes",
    }
}

/// Three digits and a power of ten.
fn scientific(value: f64) -> String {
    format!("{value:.2e}")
}

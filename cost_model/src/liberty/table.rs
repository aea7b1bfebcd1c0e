//! A look-up table of the nonlinear delay model: a value by input slew and output load.

use super::LibertyError;
use super::syntax::Group;

/// What an index of a table is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Axis {
    Slew,
    Load,
}

/// A table in the units of this crate: slews in ns, loads in pF, values as its reader scales them.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// Slews of the rows in ns; one that is not read where the value does not depend on it.
    slews_ns: Vec<f64>,
    /// Loads of the columns in pF; likewise.
    loads_pf: Vec<f64>,
    /// Values, row by row.
    values: Vec<f64>,
}

/// How a file's numbers become ns, pF and the unit of the values.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Scale {
    pub time_ns: f64,
    pub load_pf: f64,
    pub value: f64,
}

impl Table {
    /// A table that is `value` everywhere.
    pub fn constant(value: f64) -> Table {
        Table { slews_ns: vec![0.0], loads_pf: vec![0.0], values: vec![value] }
    }

    /// The value at a slew in ns and a load in pF: linear between the table's points, and beyond the outermost.
    pub fn at(&self, slew_ns: f64, load_pf: f64) -> f64 {
        let (row, down) = bracket(&self.slews_ns, slew_ns);
        let (column, along) = bracket(&self.loads_pf, load_pf);
        let columns = self.loads_pf.len();
        let at =
            |r: usize, c: usize| self.values[r.min(self.slews_ns.len() - 1) * columns + c.min(columns - 1)];
        let across = |r: usize| at(r, column) + (at(r, column + 1) - at(r, column)) * along;
        across(row) + (across(row + 1) - across(row)) * down
    }

    /// Reads a table; `templates` are the library's, `place` names it in messages.
    pub(super) fn read(
        group: &Group,
        templates: &[&Group],
        scale: Scale,
        place: &str,
    ) -> Result<Table, LibertyError> {
        let wrong = |problem: String| LibertyError::Table { place: place.to_owned(), problem };
        let template = templates.iter().find(|t| t.name() == group.name());
        let mut values = Vec::new();
        for row in group.list("values").ok_or_else(|| wrong("there are no values".to_owned()))? {
            values.extend(numbers(row).map_err(wrong)?.into_iter().map(|v| v * scale.value));
        }
        let mut axes = Vec::new();
        for (variable, index) in [("variable_1", "index_1"), ("variable_2", "index_2")] {
            let Some(name) = template.and_then(|t| t.attribute(variable)) else { continue };
            let axis = match name {
                "input_net_transition" | "input_transition_time" => Axis::Slew,
                "total_output_net_capacitance" => Axis::Load,
                // The tables of set-up and hold times are not read.
                other => return Err(wrong(format!("`{other}` is not an index of delay or energy"))),
            };
            let list = group.list(index).or_else(|| template.and_then(|t| t.list(index)));
            let list = list.ok_or_else(|| wrong(format!("{index} is missing")))?;
            let mut points = Vec::new();
            for part in list {
                points.extend(numbers(part).map_err(wrong)?);
            }
            if points.is_empty() || points.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(wrong(format!("{index} must rise")));
            }
            axes.push((axis, points));
        }
        Table::new(values, axes, scale).map_err(wrong)
    }

    fn new(values: Vec<f64>, axes: Vec<(Axis, Vec<f64>)>, scale: Scale) -> Result<Table, String> {
        let expected: usize = axes.iter().map(|(_, points)| points.len()).product();
        if values.len() != expected {
            return Err(format!("there are {} values; its indices need {expected}", values.len()));
        }
        let turned = axes.first().is_some_and(|(axis, _)| *axis == Axis::Load) && axes.len() == 2;
        let (mut slews_ns, mut loads_pf) = (vec![0.0], vec![0.0]);
        for (axis, points) in axes {
            match axis {
                Axis::Slew => slews_ns = points.iter().map(|p| p * scale.time_ns).collect(),
                Axis::Load => loads_pf = points.iter().map(|p| p * scale.load_pf).collect(),
            }
        }
        if slews_ns.len() * loads_pf.len() != values.len() {
            return Err("both indices are the same".to_owned());
        }
        let values = if turned {
            let (rows, columns) = (slews_ns.len(), loads_pf.len());
            (0..rows * columns).map(|i| values[i % columns * rows + i / columns]).collect()
        } else {
            values
        };
        Ok(Table { slews_ns, loads_pf, values })
    }
}

/// The numbers of a list in quotes.
pub(super) fn numbers(text: &str) -> Result<Vec<f64>, String> {
    text.split([',', ' ', '\t', '\n', '\r', '\\'])
        .filter(|part| !part.is_empty())
        .map(|part| match part.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("`{part}` is not a number")),
        })
        .collect()
}

/// The interval of `points` in which `x` lies (the first or last beyond them), and the place in it.
fn bracket(points: &[f64], x: f64) -> (usize, f64) {
    if points.len() < 2 {
        return (0, 0.0);
    }
    let low = points.partition_point(|&p| p <= x).saturating_sub(1).min(points.len() - 2);
    (low, (x - points[low]) / (points[low + 1] - points[low]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liberty::syntax::parse;

    const UNIT: Scale = Scale { time_ns: 1.0, load_pf: 1.0, value: 1.0 };

    fn table(template: &str, values: &str) -> Result<Table, LibertyError> {
        let text =
            format!("library (l) {{ lu_table_template (t) {{ {template} }} cell_rise (t) {{ {values} }} }}");
        let library = parse(&text)?;
        let templates: Vec<&Group> = library.children("lu_table_template").collect();
        Table::read(&library.groups[1], &templates, UNIT, "cell a, pin Y")
    }

    const SLEW_LOAD: &str = "variable_1 : input_net_transition; variable_2 : total_output_net_capacitance; \
                             index_1 (\"1, 2\"); index_2 (\"10, 20, 40\");";

    #[test]
    fn values_are_interpolated_and_extrapolated_in_both_directions() {
        // 2 · slew + 3 · load.
        let table = table(SLEW_LOAD, "values (\"32, 62, 122\", \"34, 64, 124\");").expect("a legal table");
        for (slew, load) in [(1.0, 10.0), (2.0, 40.0), (1.25, 33.0), (0.5, 5.0), (4.0, 80.0)] {
            assert!((table.at(slew, load) - (2.0 * slew + 3.0 * load)).abs() < 1e-9, "{slew} {load}");
        }
        assert_eq!(Table::constant(7.0).at(1.0, 2.0), 7.0);
    }

    #[test]
    fn a_template_may_put_the_load_first() {
        let turned = "variable_1 : total_output_net_capacitance; variable_2 : input_net_transition; \
                      index_1 (\"10, 20, 40\"); index_2 (\"1, 2\");";
        let table = table(turned, "values (\"32, 34\", \"62, 64\", \"122, 124\");").expect("a legal table");
        assert_eq!(table.at(1.5, 30.0), 93.0);
    }

    #[test]
    fn ragged_and_falling_tables_are_refused() {
        for (values, problem) in [
            ("values (\"1, 2\");", "there are 2 values; its indices need 6"),
            ("values (\"1, 2, x\", \"3, 4, 5\");", "`x` is not a number"),
            ("", "there are no values"),
            ("index_1 (\"2, 1\"); values (\"1, 2, 3\", \"3, 4, 5\");", "index_1 must rise"),
        ] {
            let message = table(SLEW_LOAD, values).expect_err(values).to_string();
            assert_eq!(message, format!("cell a, pin Y: {problem}"));
        }
    }
}

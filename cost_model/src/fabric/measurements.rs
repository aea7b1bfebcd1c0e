//! What mapped designs measured on an FPGA family, as a table of text.

use super::Resources;
use crate::significant;

/// What one design measured.
#[derive(Clone, PartialEq, Debug)]
pub struct FabricMeasurement {
    /// The design, by its name among [`crate::fabric_designs`].
    pub design: String,
    /// What it takes.
    pub resources: Resources,
    /// The fastest clock in MHz after routing; 0 where none is known.
    pub clock_mhz: f64,
}

const HEADER: &str = "# design; LUTs, flip-flops, DSPs and block RAMs; fastest clock in MHz between flip-flops, 0 where none is known\n";

/// The measurements as text: a line each, columns behind tabs.
pub fn fabric_measurements_to_text(measurements: &[FabricMeasurement]) -> String {
    let line = |m: &FabricMeasurement| {
        let Resources { luts, flip_flops, dsps, block_rams } = m.resources;
        let clock_mhz = significant(m.clock_mhz);
        format!("{}\t{luts}\t{flip_flops}\t{dsps}\t{block_rams}\t{clock_mhz}\n", m.design)
    };
    let mut lines: Vec<String> = measurements.iter().map(line).collect();
    lines.sort_unstable();
    HEADER.to_owned() + &lines.concat()
}

/// Measurements from their text.
///
/// # Errors
/// The line that is not one, and what is wrong with it.
pub fn fabric_measurements_from_text(text: &str) -> Result<Vec<FabricMeasurement>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let wrong = |problem: &str| format!("line {}: {problem}: `{line}`", number + 1);
            let mut columns = line.split('\t');
            let design = columns.next().unwrap_or_default().to_owned();
            let figures = columns.map(str::parse::<f64>).collect::<Result<Vec<f64>, _>>();
            let figures = figures.map_err(|_| wrong("a column is not a number"))?;
            let [luts, flip_flops, dsps, block_rams, clock_mhz] = figures[..] else {
                return Err(wrong("five numbers behind tabs are needed"));
            };
            if figures.iter().any(|figure| !figure.is_finite() || *figure < 0.0) {
                return Err(wrong("figures must be finite and not negative"));
            }
            let resources = Resources { luts, flip_flops, dsps, block_rams };
            Ok(FabricMeasurement { design, resources, clock_mhz })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_back_and_refused_by_line() {
        let resources = Resources { luts: 377.0, flip_flops: 311.0, dsps: 8.0, block_rams: 0.5 };
        let one = FabricMeasurement { design: "pe_integer lanes=8".to_owned(), resources, clock_mhz: 123.4 };
        let text = fabric_measurements_to_text(std::slice::from_ref(&one));
        assert_eq!(fabric_measurements_from_text(&text), Ok(vec![one]));
        for (line, problem) in [
            ("a\t1\t2", "line 2: five numbers behind tabs are needed: `a\t1\t2`"),
            ("a\t1\t2\tx\t1\t1", "line 2: a column is not a number"),
            ("a\t1\t2\t-1\t1\t1", "line 2: figures must be finite and not negative"),
        ] {
            let error = fabric_measurements_from_text(&format!("# head\n{line}\n")).expect_err(line);
            assert!(error.starts_with(problem), "{error}");
        }
    }
}

//! Tables for people: columns under headings that carry the unit, numbers to the right.

/// A table under construction.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Table {
        Table { headings: headings.iter().map(|h| (*h).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row with one entry for each heading.
    pub fn row(&mut self, entries: impl IntoIterator<Item = String>) {
        self.rows.push(entries.into_iter().collect());
    }

    /// The headings.
    pub fn headings(&self) -> &[String] {
        &self.headings
    }

    /// The rows, an entry for each heading.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The text: a line for the headings, a rule, a line a row. Columns whose entries are all numbers (or a
    /// dash) stand to the right.
    pub fn text(&self) -> String {
        let columns = self.headings.len();
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let all = || std::iter::once(&self.headings).chain(&self.rows);
        let widths: Vec<usize> =
            (0..columns).map(|c| all().map(|row| cell(row, c).chars().count()).max().unwrap_or(0)).collect();
        let right: Vec<bool> =
            (0..columns).map(|c| self.rows.iter().all(|row| is_number(&cell(row, c)))).collect();
        let line = |row: &[String]| {
            let cells: Vec<String> = (0..columns)
                .map(|c| {
                    let (text, width) = (cell(row, c), widths[c]);
                    if right[c] { format!("{text:>width$}") } else { format!("{text:<width$}") }
                })
                .collect();
            format!("{}\n", cells.join("  ").trim_end())
        };
        let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}{}\n{rows}", line(&self.headings), rule.join("  "))
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_end_matches('%').trim().replace(',', "");
    text.is_empty() || text == "-" || digits.parse::<f64>().is_ok()
}

/// A whole number with commas between thousands.
///
/// ```text
/// 1234567 is printed as 1,234,567
/// ```
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let lead = digits.len() % 3;
    let mut text = digits[..lead].to_owned();
    for (index, digit) in digits[lead..].chars().enumerate() {
        if index % 3 == 0 && !text.is_empty() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number to about four digits: 12,345, 123.4, 1.234, 0.001234.
pub fn short(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    if magnitude >= 1000.0 && number >= 0.0 {
        return grouped(number.round() as u64);
    }
    let decimals = match magnitude {
        m if m >= 100.0 => 1,
        m if m >= 10.0 => 2,
        m if m >= 1.0 => 3,
        m => (3 - m.log10().floor() as i32).clamp(4, 9) as usize,
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_names_to_the_left() {
        let mut table = Table::new(&["name", "area µm²"]);
        table.row(["array".to_owned(), "12,345".to_owned()]);
        table.row(["i".to_owned(), "-".to_owned()]);
        assert_eq!(table.text(), "name   area µm²\n-----  --------\narray    12,345\ni             -\n");
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (0.001234, "0.001234"),
            (1.0, "1.000"),
            (12.345, "12.35"),
            (999.96, "1000.0"),
            (1234567.0, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(short(number), text);
        }
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1000), "1,000");
    }
}

//! The units of a Liberty file.

use super::LibertyError;
use super::syntax::Group;
use super::table::{Scale, numbers};

/// What the file's units are in those of this crate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Units {
    pub time_ns: f64,
    pub capacitance_pf: f64,
    pub leakage_nw: f64,
    pub voltage_v: f64,
}

impl Units {
    pub fn read(library: &Group) -> Result<Units, LibertyError> {
        let wrong = |problem: String| LibertyError::Library { library: library.name().to_owned(), problem };
        let unit = |name: &str, base: &str, per: f64| {
            let text = library.attribute(name).ok_or_else(|| wrong(format!("{name} is missing")))?;
            Ok(scaled(text, base).map_err(|problem| wrong(format!("{name}: {problem}")))? * per)
        };
        let load = library.list("capacitive_load_unit").unwrap_or_default();
        let [count, unit_of_load] = load else {
            return Err(wrong("capacitive_load_unit is missing, such as (1, pf)".to_owned()));
        };
        let capacitance = scaled(&format!("{}{}", count.trim(), unit_of_load.trim()), "f")
            .map_err(|problem| wrong(format!("capacitive_load_unit: {problem}")))?;
        Ok(Units {
            time_ns: unit("time_unit", "s", 1e9)?,
            capacitance_pf: capacitance * 1e12,
            leakage_nw: unit("leakage_power_unit", "w", 1e9)?,
            voltage_v: unit("voltage_unit", "v", 1.0)?,
        })
    }

    /// Tables of times.
    pub fn times(self) -> Scale {
        Scale { time_ns: self.time_ns, load_pf: self.capacitance_pf, value: self.time_ns }
    }

    /// Tables of internal energy, whose unit is that of capacitance times voltage squared.
    pub fn energies(self) -> Scale {
        Scale { value: self.capacitance_pf * self.voltage_v * self.voltage_v, ..self.times() }
    }
}

/// The value of a text such as `1ns` or `10pW` in its base unit, `s` or `w`.
fn scaled(text: &str, base: &str) -> Result<f64, String> {
    let text = text.trim().to_ascii_lowercase();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (count, unit) = text.split_at(split);
    let prefix = match unit.strip_suffix(base) {
        Some("") => 1.0,
        Some("m") => 1e-3,
        Some("u") => 1e-6,
        Some("n") => 1e-9,
        Some("p") => 1e-12,
        Some("f") => 1e-15,
        _ => return Err(format!("`{text}` is not legal; a number with m, u, n, p or f before `{base}` is")),
    };
    match numbers(count)?[..] {
        [count] if count > 0.0 => Ok(count * prefix),
        _ => Err(format!("`{text}` is not legal; a positive number is needed")),
    }
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn units_are_read_and_odd_ones_refused() {
        for (text, base, value) in
            [("1ns", "s", 1e-9), ("10 pW", "w", 1e-11), ("1V", "v", 1.0), ("1.0ff", "f", 1e-15)]
        {
            assert!((scaled(text, base).expect(text) / value - 1.0).abs() < 1e-12, "{text}");
        }
        for (text, base) in [("1 fortnight", "s"), ("ns", "s"), ("0ns", "s"), ("1ns", "w")] {
            assert!(scaled(text, base).is_err(), "{text}");
        }
    }
}

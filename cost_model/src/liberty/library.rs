//! A library of cells in one corner, from one Liberty file or several.

use std::collections::HashMap;

use super::LibertyError;
use super::cell::Cell;
use super::syntax::{self, Group};
use super::table::numbers;
use super::units::Units;

/// The corner in which a library was characterised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Corner {
    /// Supply in V.
    pub voltage_v: f64,
    /// Temperature in °C.
    pub temperature_c: f64,
}

/// A cell that cannot be priced, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    /// The cell.
    pub cell: String,
    /// What it lacks.
    pub reason: String,
}

/// Cells of one corner.
#[derive(Clone, PartialEq, Debug)]
pub struct Library {
    /// Name of the first file's library.
    pub name: String,
    /// The corner of all files.
    pub corner: Corner,
    /// Cells that can be priced.
    pub cells: Vec<Cell>,
    /// Cells that cannot.
    pub skipped: Vec<Skipped>,
    by_name: HashMap<String, usize>,
}

impl Library {
    /// Reads a library from the texts of its files.
    ///
    /// # Errors
    /// [`LibertyError`]: no Liberty; a unit that is missing or odd; several corners in a file, or files of
    /// different corners; a cell that stands twice; not one cell that can be priced.
    pub fn read<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Library, LibertyError> {
        let mut found: Option<Library> = None;
        for text in texts {
            let next = Library::read_one(text)?;
            match &mut found {
                None => found = Some(next),
                Some(library) => library.join(next)?,
            }
        }
        let wrong = |library: &str, problem: &str| LibertyError::Library {
            library: library.to_owned(),
            problem: problem.to_owned(),
        };
        let library = found.ok_or_else(|| wrong("", "no file is given; at least one is needed"))?;
        if library.cells.is_empty() {
            let skipped = library.skipped.len();
            return Err(wrong(&library.name, &format!("none of its {skipped} cells can be priced")));
        }
        Ok(library)
    }

    /// The cell called `name`, by number.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    fn read_one(text: &str) -> Result<Library, LibertyError> {
        let group = syntax::parse(text)?;
        let units = Units::read(&group)?;
        let corner = corner(&group, units)?;
        let templates: Vec<&Group> =
            group.children("lu_table_template").chain(group.children("power_lut_template")).collect();
        let mut library = Library {
            name: group.name().to_owned(),
            corner,
            cells: Vec::new(),
            skipped: Vec::new(),
            by_name: HashMap::new(),
        };
        for cell in group.children("cell") {
            match Cell::read(cell, units, &templates) {
                Ok(cell) => library.add(cell)?,
                Err(reason) => library.skipped.push(Skipped { cell: cell.name().to_owned(), reason }),
            }
        }
        Ok(library)
    }

    fn add(&mut self, cell: Cell) -> Result<(), LibertyError> {
        if self.by_name.insert(cell.name.clone(), self.cells.len()).is_some() {
            return Err(self.wrong(format!("cell {} stands twice", cell.name)));
        }
        self.cells.push(cell);
        Ok(())
    }

    fn join(&mut self, next: Library) -> Result<(), LibertyError> {
        if next.corner != self.corner {
            return Err(next.wrong(format!(
                "its corner is {} V at {} °C, that of {} is {} V at {} °C; files of one corner are needed",
                next.corner.voltage_v,
                next.corner.temperature_c,
                self.name,
                self.corner.voltage_v,
                self.corner.temperature_c
            )));
        }
        self.skipped.extend(next.skipped);
        next.cells.into_iter().try_for_each(|cell| self.add(cell))
    }

    fn wrong(&self, problem: String) -> LibertyError {
        LibertyError::Library { library: self.name.clone(), problem }
    }
}

/// The one corner of a file: that of its operating conditions, or its nominal one.
fn corner(library: &Group, units: Units) -> Result<Corner, LibertyError> {
    let wrong = |problem: String| LibertyError::Library { library: library.name().to_owned(), problem };
    let conditions: Vec<&Group> = library.children("operating_conditions").collect();
    let default = library.attribute("default_operating_conditions");
    let chosen = match (&conditions[..], default) {
        ([], _) => None,
        ([only], _) => Some(*only),
        (several, Some(name)) if several.iter().any(|c| c.name() == name) => {
            several.iter().find(|c| c.name() == name).copied()
        }
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|c| c.name()).collect();
            return Err(wrong(format!(
                "it has several corners ({}) and no default_operating_conditions among them",
                names.join(", ")
            )));
        }
    };
    let value = |own: &str, nominal: &str| -> Result<f64, LibertyError> {
        let text = chosen.and_then(|c| c.attribute(own)).or_else(|| library.attribute(nominal));
        let text = text.ok_or_else(|| wrong(format!("{nominal} is missing")))?;
        match numbers(text).map_err(wrong)?[..] {
            [number] => Ok(number),
            _ => Err(wrong(format!("{own} `{text}` is not a number"))),
        }
    };
    let voltage_v = value("voltage", "nom_voltage")? * units.voltage_v;
    if voltage_v <= 0.0 {
        return Err(wrong(format!("a supply of {voltage_v} V is not legal; it must be positive")));
    }
    Ok(Corner { voltage_v, temperature_c: value("temperature", "nom_temperature")? })
}

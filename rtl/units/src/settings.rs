//! Parameters of a unit as text: `key=value`, from the command line or from the catalogue's examples.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::{Parameter, UnitError};

/// Values of a unit's parameters; those left out have the default that the catalogue states.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    parameters: &'static [Parameter],
}

impl Settings {
    /// Reads `key=value` pairs for the unit called `unit`.
    ///
    /// # Errors
    /// A pair without `=`, a key given twice, or a key that is not among `parameters`.
    pub fn parse<'t>(
        unit: &'static str,
        parameters: &'static [Parameter],
        pairs: impl IntoIterator<Item = &'t str>,
    ) -> Result<Settings, UnitError> {
        let mut values = BTreeMap::new();
        for pair in pairs {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| UnitError::illegal("setting", pair, "write it as key=value"))?;
            if !parameters.iter().any(|p| p.name == key) {
                let legal: Vec<&str> = parameters.iter().map(|p| p.name).collect();
                let (name, legal) = (key.to_owned(), legal.join(", "));
                return Err(UnitError::UnknownParameter { unit, name, legal });
            }
            if values.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(UnitError::illegal("setting", pair, "this key was given before"));
            }
        }
        Ok(Settings { values, parameters })
    }

    /// The text of parameter `name`: what was given, else its default.
    pub fn text(&self, name: &str) -> &str {
        let default = || self.parameters.iter().find(|p| p.name == name).map_or("", |p| p.default);
        self.values.get(name).map_or_else(default, String::as_str)
    }

    /// The number of parameter `name`.
    ///
    /// # Errors
    /// A value that is not a number within `legal`.
    pub fn number(&self, name: &'static str, legal: RangeInclusive<u32>) -> Result<u32, UnitError> {
        let text = self.text(name);
        text.parse().ok().filter(|n| legal.contains(n)).ok_or_else(|| {
            let (low, high) = (legal.start(), legal.end());
            UnitError::illegal(name, text, format!("a whole number from {low} to {high} is needed"))
        })
    }

    /// The one of `options` that parameter `name` names.
    ///
    /// # Errors
    /// A value that is none of the options.
    pub fn choice<T: Copy>(&self, name: &'static str, options: &[(&str, T)]) -> Result<T, UnitError> {
        let text = self.text(name);
        options.iter().find(|(key, _)| *key == text).map(|(_, value)| *value).ok_or_else(|| {
            let legal: Vec<&str> = options.iter().map(|(key, _)| *key).collect();
            UnitError::illegal(name, text, format!("legal are {}", legal.join(", ")))
        })
    }
}

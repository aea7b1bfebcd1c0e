//! A parameter of a unit and what is legal of it, so that tests and tools can go through them.

/// A parameter of a unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Key, as in `--set key=value`.
    pub name: &'static str,
    /// Value where none is given.
    pub default: &'static str,
    /// Meaning, unit and legal values.
    pub help: &'static str,
    /// Legal values: from them settings can be drawn.
    pub legal: Legal,
}

/// Legal values of a parameter, as far as no other parameter narrows them.
///
/// A word `int2…int16` stands for all words that begin like it and end in a number from 2 to 16.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Legal {
    /// Whole numbers from the first to the second. All others are refused.
    Numbers(u32, u32),
    /// One of these words; of formats, which are endless, these are some of each family.
    OneOf(&'static [&'static str]),
    /// One or more of these words, each at most once, separated by commas.
    SomeOf(&'static [&'static str]),
    /// So many of these words, separated by commas.
    Each(u32, &'static [&'static str]),
}

impl Legal {
    /// All words that `word` stands for: itself, or those from the first to the last around `…`.
    ///
    /// ```
    /// # use bitmill_units::Legal;
    /// assert_eq!(Legal::expand("int2…int4"), ["int2", "int3", "int4"]);
    /// assert_eq!(Legal::expand("bf16"), ["bf16"]);
    /// ```
    pub fn expand(word: &str) -> Vec<String> {
        let range = word.split_once('…').and_then(|(first, last)| {
            let prefix = first.trim_end_matches(|c: char| c.is_ascii_digit());
            let number = |text: &str| text.strip_prefix(prefix)?.parse::<u32>().ok();
            Some((prefix, number(first)?..=number(last)?))
        });
        match range {
            Some((prefix, numbers)) => numbers.map(|number| format!("{prefix}{number}")).collect(),
            None => vec![word.to_owned()],
        }
    }
}

//! Settings drawn from what the parameters of a unit declare legal, and what is never legal.

use bitmill_hdl::unit::{Random, Unit};
use bitmill_hdl::{Module, bits_for};
use bitmill_units::{Entry, Legal, UnitError};

/// Settings are drawn until a unit takes them: parameters narrow each other.
const MOST_DRAWS: u32 = 10_000;

/// Settings that a unit takes.
pub struct Drawn {
    /// Unit and settings.
    pub label: String,
    /// The unit.
    pub unit: Box<dyn Unit>,
}

/// The next settings that the unit takes. All that are refused on the way must be refused in good words.
pub fn legal(entry: &Entry, random: &mut Random) -> Drawn {
    for _ in 0..MOST_DRAWS {
        let pairs = settings(entry, random);
        match make(entry, &pairs) {
            Ok(unit) => return Drawn { label: label(entry, &pairs), unit },
            Err(error) => check_words(&label(entry, &pairs), &error),
        }
    }
    panic!("{}: {MOST_DRAWS} drawn settings are all refused", entry.name);
}

/// A value for each parameter; one in four keeps its default.
pub fn settings(entry: &Entry, random: &mut Random) -> Vec<String> {
    let mut pairs = vec![];
    for parameter in entry.parameters {
        if !random.one_in(4) {
            pairs.push(format!("{}={}", parameter.name, value(parameter.legal, random)));
        }
    }
    pairs
}

/// Unit and settings, as on the command line.
pub fn label(entry: &Entry, pairs: &[String]) -> String {
    format!("{} {}", entry.name, pairs.join(" "))
}

/// Makes the unit.
pub fn make(entry: &Entry, pairs: &[String]) -> Result<Box<dyn Unit>, UnitError> {
    entry.unit(pairs.iter().map(String::as_str))
}

/// A refusal names the parameter, what was given and what would be legal.
pub fn check_words(label: &str, error: &UnitError) {
    let UnitError::IllegalValue { parameter, value: _, legal } = error else {
        panic!("{label}: not a refusal of a value: {error}");
    };
    assert!(!parameter.is_empty() && legal.len() >= 10, "{label}: this names nothing legal: {error}");
}

/// Signals of a module and all its instances: what its simulation costs.
pub fn size(module: &Module) -> usize {
    module.signals.len() + module.instances.iter().map(|instance| size(&instance.module)).sum::<usize>()
}

fn value(legal: Legal, random: &mut Random) -> String {
    match legal {
        Legal::Numbers(low, high) => number(random, low, high).to_string(),
        Legal::OneOf(words) => word(random, words),
        Legal::SomeOf(words) => {
            let mut all: Vec<String> = words.iter().flat_map(|word| Legal::expand(word)).collect();
            let count = number(random, 1, all.len() as u32);
            let some: Vec<String> =
                (0..count).map(|_| all.swap_remove(random.below(all.len() as u64) as usize)).collect();
            some.join(",")
        }
        Legal::Each(count, words) => (0..count).map(|_| word(random, words)).collect::<Vec<_>>().join(","),
    }
}

/// Half of the time all magnitudes are alike: sizes differ by factors.
fn number(random: &mut Random, low: u32, high: u32) -> u32 {
    let all = u64::from(high - low);
    let span = if random.one_in(2) { all } else { all >> random.below(bits_for(all).into()) };
    low + random.below(span + 1) as u32
}

fn word(random: &mut Random, words: &[&str]) -> String {
    let mut words = Legal::expand(words[random.below(words.len() as u64) as usize]);
    words.swap_remove(random.below(words.len() as u64) as usize)
}

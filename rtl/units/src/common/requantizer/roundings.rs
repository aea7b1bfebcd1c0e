//! The set of roundings that a requantizer offers: what an accelerator does not use, it does not pay for.

use bitmill_formats::Requantization;

/// A set of roundings, with at least one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Roundings(u8);

impl Default for Roundings {
    /// What HAWQ-V3 and TFLite need: the three roundings of an exact product, which share one circuit.
    fn default() -> Roundings {
        use Requantization::{DoubleRounding, DyadicHalfUp, HalfAwayFromZero};
        [DyadicHalfUp, DoubleRounding, HalfAwayFromZero].into_iter().fold(Roundings(0), Roundings::with)
    }
}

impl Roundings {
    fn with(self, mode: Requantization) -> Roundings {
        Roundings(self.0 | 1 << mode as u8)
    }

    /// The set of `modes`; `None` for no mode at all.
    pub fn new(modes: impl IntoIterator<Item = Requantization>) -> Option<Roundings> {
        let set = modes.into_iter().fold(Roundings(0), Roundings::with);
        (set.0 != 0).then_some(set)
    }

    /// The set of the modes called `names`.
    ///
    /// # Errors
    /// In words, a name that no mode has, or no name at all.
    pub fn from_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Roundings, String> {
        let legal = Requantization::ALL.map(Requantization::name).join(", ");
        let mode = |name: &str| {
            let found = Requantization::ALL.into_iter().find(|mode| mode.name() == name);
            found.ok_or_else(|| format!("`{name}` is no rounding: legal are {legal}"))
        };
        let modes = names.into_iter().map(mode).collect::<Result<Vec<_>, _>>()?;
        Roundings::new(modes).ok_or_else(|| format!("at least one rounding is needed: legal are {legal}"))
    }

    /// Whether the set holds `mode`.
    pub fn contains(self, mode: Requantization) -> bool {
        self.0 >> mode as u8 & 1 == 1
    }

    /// The modes of the set, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Requantization> {
        Requantization::ALL.into_iter().filter(move |mode| self.contains(*mode))
    }
}

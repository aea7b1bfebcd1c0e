//! Every unit there is, with its parameters and settings worth testing.

use bitmill_hdl::unit::Unit;

use crate::{Parameter, Settings, UnitError, common, engine, format, pe};

/// A unit of the catalogue.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Name, as in `--unit NAME`.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// Settings that the tests walk, `key=value` separated by spaces.
    pub examples: &'static [&'static str],
    /// Makes the unit.
    pub build: fn(&Settings) -> Result<Box<dyn Unit>, UnitError>,
}

impl Entry {
    /// Makes the unit from `key=value` pairs.
    ///
    /// # Errors
    /// An unknown key or an illegal value; the error says what would be legal.
    pub fn unit<'t>(&self, pairs: impl IntoIterator<Item = &'t str>) -> Result<Box<dyn Unit>, UnitError> {
        (self.build)(&Settings::parse(self.name, self.parameters, pairs)?)
    }
}

/// Every unit, processing elements first.
pub fn catalogue() -> Vec<Entry> {
    let mut entries = vec![
        pe::integer::ENTRY,
        pe::lane::ENTRY,
        common::requantizer::ENTRY,
        common::pair::ENTRY,
        common::result_encoder::ENTRY,
        common::block_encoder::ENTRY,
        common::ram::ENTRY,
    ];
    // Serial and multiplier-free.
    entries.extend([
        pe::bit_serial::ENTRY,
        pe::bit_serial::encoder::ENTRY,
        pe::bit_serial::dequantizer::ENTRY,
        pe::bit_serial::grouped::ENTRY,
        pe::matryoshka::ENTRY,
        pe::bit_plane::ENTRY,
        pe::binary::ENTRY,
        pe::ternary::ENTRY,
        pe::sherry::ENTRY,
        pe::dual_binary::ENTRY,
        pe::complex::ENTRY,
    ]);
    entries.extend([pe::float_mac::ENTRY, pe::l_mul::ENTRY, pe::block_dot::ENTRY, pe::rmmec_simd::ENTRY]);
    entries.extend(engine::nonlinear::ENTRIES);
    entries.extend(engine::deformable_convolution::ENTRIES);
    entries.push(engine::hadamard::ENTRY);
    entries.extend(engine::sparse_search::ENTRIES);
    entries.extend(engine::radiance_field::ENTRIES);
    entries.extend(format::ENTRIES);
    entries
}

/// The unit called `name`.
///
/// # Errors
/// [`UnitError::UnknownUnit`], with the names there are.
pub fn find(name: &str) -> Result<Entry, UnitError> {
    let entries = catalogue();
    entries.iter().find(|e| e.name == name).copied().ok_or_else(|| {
        let legal: Vec<&str> = entries.iter().map(|e| e.name).collect();
        UnitError::UnknownUnit { name: name.to_owned(), legal: legal.join(", ") }
    })
}

//! Cell libraries in Liberty format, as far as area, delay and power need them, and the power of a netlist of cells.
//!
//! Numbers are in ns, pF, pJ, nW, V and µm² whatever the units of the file. A library of which a number could not
//! be trusted is refused; cells that cannot be priced are left out and named in [`Library::skipped`].

mod cell;
mod function;
mod library;
mod mapped;
mod netlist;
mod power;
mod roles;
mod spef;
mod syntax;
mod table;
mod units;

pub use cell::{Arc, Cell, Direction, InternalPower, Pin, Sequential};
pub use function::Function;
pub use library::{Corner, Library, Skipped};
pub use mapped::{Energies, MappedNetlist};
pub use netlist::{Activity, MappedCell, Netlist, NetlistError, Stimulus};
pub use power::{Power, power, powers};
pub use roles::Roles;
pub use spef::net_capacitances;
pub use table::Table;

/// Why a Liberty file cannot be used.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum LibertyError {
    /// The text is not Liberty.
    #[error("line {line}: {problem}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// What was expected there.
        problem: String,
    },
    /// A number of the library itself is missing or not legal.
    #[error("library {library}: {problem}")]
    Library {
        /// The library.
        library: String,
        /// What is wrong and what would be legal.
        problem: String,
    },
    /// A table is missing or ragged.
    #[error("{place}: {problem}")]
    Table {
        /// Cell, pin and table.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

//! Why a technology cannot be used.

/// A technology that cannot be used.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum CostError {
    /// No technology of that name is embedded.
    #[error(
        "no technology is called `{name}`; there are {legal}, and for `bitmill cost` the FPGA families {families}"
    )]
    UnknownTechnology {
        /// What was asked for.
        name: String,
        /// Names that are embedded.
        legal: String,
        /// Names of FPGA families.
        families: String,
    },
    /// The name is that of an FPGA family, where areas and energies are asked for.
    #[error(
        "`{name}` is an FPGA family, of which neither areas nor energies are known; `bitmill cost --technology {name}` tells what a \
         design takes of it, and here there are {legal}"
    )]
    IsFabric {
        /// The family.
        name: String,
        /// Names of technologies.
        legal: String,
    },
    /// The text of a technology is not well formed: an unknown or missing key, a wrong type.
    #[error("{0}")]
    Toml(String),
    /// A table of a technology is not legal.
    #[error("technology {technology}: {table}: {problem}")]
    IllegalTable {
        /// The technology.
        technology: String,
        /// The table, such as `operator.add`.
        table: String,
        /// What is wrong and what would be legal.
        problem: String,
    },
}

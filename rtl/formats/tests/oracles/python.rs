//! Python oracles.

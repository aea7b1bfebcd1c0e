//! Shared by the tests: Verilator, or a visible line that says what is skipped.

pub mod tools;

use bitmill_testbenches::Verilator;

/// The installed Verilator, or `None` after a line that says that `what` is skipped.
pub fn verilator_for(what: &str) -> Option<Verilator> {
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/verilator-cache");
    tools::unless_missing(what, Verilator::find()).map(|verilator| verilator.with_default_cache(cache))
}

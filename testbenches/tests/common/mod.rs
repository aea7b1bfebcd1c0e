//! Shared by the tests: the tools, or a visible line that says what is skipped.

use bitmill_testbenches::{TestbenchError, Verilator};

/// The installed Verilator, or `None` after a line that says that `what` is skipped.
pub fn verilator_for(what: &str) -> Option<Verilator> {
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/verilator-cache");
    unless_missing(what, Verilator::find()).map(|verilator| verilator.with_default_cache(cache))
}

/// The result, or `None` after a line that says that `what` is skipped because a tool is missing.
/// With `BITMILL_REQUIRE_TOOLS` set, as `./test` does after it installed them, a missing tool is a failure.
pub fn unless_missing<T>(what: &str, result: Result<T, TestbenchError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.is_missing_tool() && std::env::var_os("BITMILL_REQUIRE_TOOLS").is_none() => {
            // Written past the test harness's capture, so that it shows without --nocapture.
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("skipped: {what}: {error}\n").as_bytes(),
            );
            None
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

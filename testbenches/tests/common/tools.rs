//! Whether a missing tool skips a test or fails it.

use std::io::Write;

use bitmill_testbenches::TestbenchError;

/// The result, or `None` after a line that says that `what` is skipped because a tool is missing.
/// With `BITMILL_REQUIRE_TOOLS` set, as `./test` does after it installed them, a missing tool is a failure.
pub fn unless_missing<T>(what: &str, result: Result<T, TestbenchError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.is_missing_tool() && std::env::var_os("BITMILL_REQUIRE_TOOLS").is_none() => {
            // Written past the test harness's capture, so that it shows without --nocapture.
            let line = format!("skipped: {what}: {error}\n");
            std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
            None
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

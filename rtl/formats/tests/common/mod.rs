//! Asks a script that compares our numbers with another implementation's, in Python.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Gives `lines` to the script called `name` with `arguments`; it ends with 0 if all agree and with 3 if it cannot import what it
/// compares with: then `what` is skipped, visibly. The interpreter is `BITMILL_PYTHON`, or `python3`.
pub fn ask(name: &str, arguments: &[&str], what: &str, lines: &str) {
    let python = std::env::var("BITMILL_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = format!("{}/tests/oracles/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(&python);
    let spawned = command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        eprintln!("skipped: {what}, since {python} does not start (set BITMILL_PYTHON)");
        return;
    };
    // A script that cannot import its oracle ends without reading: writing to it may then fail.
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("the script ends");
    let report = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) if matches!(written, Some(Ok(()))) => eprint!("{report}"),
        Some(3) => eprintln!("skipped: {what}, since {python} cannot import it (set BITMILL_PYTHON)"),
        _ => panic!("{report}"),
    }
}

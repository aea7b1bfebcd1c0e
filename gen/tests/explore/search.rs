//! Searches that are stopped go on as if they had not been.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::common::{ROOT, bitmill, fails, files, succeeds, text_of};

#[test]
fn a_killed_search_goes_on_where_it_stopped() {
    let here = tempfile::tempdir().expect("a folder");
    let space = Path::new(ROOT).join("../examples/digits_space.yaml").display().to_string();
    for search in ["nsga2", "random"] {
        let search = ["explore", &space, "--search", search, "--budget", "30", "--seed", "5", "-o"];
        let whole = succeeds(here.path(), &[&search[..], &["whole"]].concat());
        assert!(whole.contains("(seed 5): 30 of the 48 points of the space"), "{whole}");
        let mut killed = Command::new(env!("CARGO_BIN_EXE_bitmill"))
            .current_dir(here.path())
            .args([&search[..], &["killed"]].concat())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let journal = here.path().join("killed.partial.jsonl");
        // More than a first population has.
        while fs::read_to_string(&journal).unwrap_or_default().matches('\n').count() < 12 {
            assert!(killed.try_wait().expect("a child").is_none(), "it was to be killed before it ends");
            std::thread::sleep(Duration::from_millis(1));
        }
        killed.kill().expect("a child to kill");
        killed.wait().expect("a child");
        // Another seed is another search.
        let error =
            fails(here.path(), &["explore", &space, "--search", "nsga2", "--budget", "30", "-o", "killed"]);
        assert!(error.contains("holds outcomes of another sweep"), "{error}");
        let resumed = bitmill(here.path(), &[&search[..], &["killed"]].concat());
        let message = String::from_utf8_lossy(&resumed.stderr);
        assert!(resumed.status.success() && message.contains("of 30 points are in"), "{message}");
        assert_eq!(files(&here.path().join("killed")), files(&here.path().join("whole")));
        assert!(text_of(here.path(), "whole/manifest.json").contains("\"budget\": 30"));
    }
}

#[test]
fn searches_are_refused_what_goes_with_the_grid_and_the_grid_what_goes_with_them() {
    let here = tempfile::tempdir().expect("a folder");
    for (arguments, problem) in [
        (&["--search", "nsga2"][..], "need --budget N"),
        (&["--budget", "5"], "go with --search random"),
        (&["--seed", "5"], "go with --search random"),
        (
            &["--search", "random", "--budget", "5", "--shard", "1/2", "-o", "out"],
            "--shard goes with the grid",
        ),
    ] {
        // There is no such space: arguments are looked at first.
        let error = fails(here.path(), &[&["explore", "space.yaml"], arguments].concat());
        assert!(error.contains(problem), "{error}");
    }
}

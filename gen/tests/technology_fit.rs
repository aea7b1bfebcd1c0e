//! `bitmill technology fit` on the cells of a Debian package, and what is made of its result.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{ROOT, bitmill, fails, files, succeeds, text_of};

const OSU018: &str = "/usr/share/qflow/tech/osu018/osu018_stdcells.lib";

/// A file of the committed technology.
fn committed(end: &str) -> String {
    format!("{ROOT}/../cost_model/technologies/osu018.{end}")
}

/// A Python with the version of pyosys that the committed measurements are of.
fn python() -> Option<String> {
    let python = std::env::var("BITMILL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let ask = "import importlib.metadata as m, pyosys; print(m.version('pyosys'))";
    let asked = Command::new(&python).args(["-c", ask]).output().ok()?;
    (asked.status.success() && String::from_utf8_lossy(&asked.stdout).trim() == "0.70").then_some(python)
}

#[test]
fn a_library_measures_what_is_committed() {
    let Some(python) = python() else { return println!("skipped: pyosys 0.70 is not installed (pip)") };
    if !Path::new(OSU018).exists() {
        return println!(
            "skipped: {OSU018} is not at hand; on Debian or Ubuntu: apt-get install qflow-tech-osu018"
        );
    }
    if Command::new("sta").arg("-version").output().is_err() {
        return println!("skipped: OpenSTA is not installed; on Debian or Ubuntu: apt-get install opensta");
    }
    let here = tempfile::tempdir().unwrap();
    let fit = ["technology", "fit", "--python", &python, "--dont-use", "CLKBUF*", "--only", "square_root"];
    let found = succeeds(here.path(), &[&fit[..], &["--liberty", OSU018]].concat());
    let committed = std::fs::read_to_string(committed("tsv")).unwrap();
    let rows: Vec<&str> = found.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(rows.len() >= 3, "{found}");
    for row in rows {
        assert!(committed.lines().any(|line| line == row), "{row}");
    }
    let again = succeeds(here.path(), &[&fit[..], &["--liberty", OSU018]].concat());
    assert_eq!(again, found, "netlists come from the cache");

    let broken = std::fs::read_to_string(OSU018).unwrap();
    let not_buffered =
        broken.replace("cell (BUFX", "cell_of_others (BUFX").replace("cell (CLKBUF", "others (CLKBUF");
    for (name, text, problem) in [
        ("text.lib", "not Liberty at all", "text.lib: line 1"),
        ("units.lib", &broken.replacen("capacitive_load_unit", "load_unit", 1)[..], "capacitive_load_unit"),
        ("buffers.lib", &not_buffered[..], "it has no buffer that can be priced and used"),
    ] {
        std::fs::write(here.path().join(name), text).unwrap();
        let error = fails(here.path(), &[&fit[..], &["--liberty", name]].concat());
        assert!(error.contains(problem), "{name}: {error}");
    }
    let error = fails(
        here.path(),
        &["technology", "fit", "--python", &python, "--liberty", OSU018, "--only", "no such"],
    );
    assert!(error.contains("no design has `no such` in its name"), "{error}");
}

#[test]
fn a_fit_to_measurements_can_be_used() {
    let here = tempfile::tempdir().unwrap();
    let (measurements, base) = (committed("tsv"), committed("toml"));
    let fit = ["technology", "fit", "--measurements", &measurements, "--base", &base, "--out"];
    let page = succeeds(here.path(), &[&fit[..], &["again.toml"]].concat());
    assert!(page.contains("pe_integer") && page.contains("held out"), "{page}");
    assert_eq!(text_of(here.path(), "again.toml"), std::fs::read_to_string(&base).unwrap());
    let cost =
        |technology| succeeds(here.path(), &["cost", "--unit", "pe_integer", "--technology", technology]);
    assert_eq!(cost("again.toml"), cost("osu018"));

    std::fs::write(here.path().join("bad.tsv"), "pe_integer\t1\t2\n").unwrap();
    let bad = ["technology", "fit", "--measurements", "bad.tsv", "--base", &base, "--out", "x.toml"];
    assert!(fails(here.path(), &bad).contains("bad.tsv: line 1: six numbers"));
    let error = fails(here.path(), &["cost", "--unit", "pe_integer", "--technology", "missing.toml"]);
    assert!(error.contains("cannot read missing.toml"), "{error}");
    std::fs::write(here.path().join("bad.toml"), "name = 3").unwrap();
    let error = fails(here.path(), &["cost", "--unit", "pe_integer", "--technology", "bad.toml"]);
    assert!(error.contains("bad.toml: "), "{error}");
    let error = fails(
        here.path(),
        &["technology", "fit", "--liberty", "missing.lib", "--python", "no_python", "--out", "a.toml"],
    );
    assert!(error.contains("cannot run no_python"), "{error}");
    let error = fails(here.path(), &["technology", "fit", "--liberty", "missing.lib", "--out", "a.txt"]);
    assert!(error.contains("must end in .toml"), "{error}");
    assert_eq!(bitmill(here.path(), &["technology", "fit"]).status.code(), Some(2), "usage");
    let left: Vec<PathBuf> = files(here.path()).into_keys().collect();
    assert_eq!(left, ["again.toml", "bad.toml", "bad.tsv"].map(PathBuf::from), "failures leave nothing");
}

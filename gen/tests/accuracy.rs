//! `bitmill accuracy`: tables of formats and of methods.

mod common;

use std::fs;

use common::{fails, succeeds};

#[test]
fn a_suite_sets_networks_side_by_side() {
    let here = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(here.path().join("suite.yaml"), text).unwrap();
    let arguments = ["accuracy", "--suite", "suite.yaml", "--formats", "int8,mxfp4,int3_asymmetric_g64"];
    write("networks:\n  - digits\n");
    let table = succeeds(here.path(), &arguments);
    let percent = |name: &str| -> f64 {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{table}"));
        line.split_whitespace().next_back().unwrap().parse().unwrap_or(f64::NAN)
    };
    for name in ["float", "int8", "W8A8, integers"] {
        assert!((percent(name) - 99.11).abs() < 0.5, "{table}");
    }
    assert!(percent("mxfp4") > 95.0 && percent("int3_asymmetric_g64").is_nan(), "{table}");
    assert!(table.contains("- int3_asymmetric_g64: ") && table.contains("zero points"), "{table}");
    write(
        "networks:\n  - classifier: {name: n, model: none.onnx, inputs: {smooth: {count: 9, range: [0, 1]}}}\n",
    );
    assert!(fails(here.path(), &arguments).contains("none.onnx"));
    let rows = "networks:\n  - digits\nrows:\n  - {name: plain, weights: int3}\n  \
                - {name: rotated, weights: int3, methods: {rotation: 64}}\n  \
                - {name: kept, kv_cache: {keys: int4, values: int4}}\n";
    write(rows);
    let table = succeeds(here.path(), &["accuracy", "--suite", "suite.yaml"]);
    let percent = |name: &str| -> Option<f64> {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{table}"));
        line.split_whitespace().next_back().unwrap().parse().ok()
    };
    assert!(percent("rotated") > percent("plain") && percent("kept").is_none(), "{table}");
    assert!(table.contains("- kept: a kv_cache is what language models have"), "{table}");
    write(&rows.replace("rotation: 64", "rotation: 65"));
    let error = fails(here.path(), &["accuracy", "--suite", "suite.yaml"]);
    assert!(
        error.contains("suite.yaml") && error.contains("row `rotated`") && error.contains("found 65"),
        "{error}"
    );
    write("networks:\n  - digit\n");
    let error = fails(here.path(), &arguments);
    assert!(error.contains("suite.yaml") && error.contains("digits"), "{error}");
}

#[test]
fn formats_are_compared_by_right_answers() {
    let here = tempfile::tempdir().unwrap();
    let table = succeeds(here.path(), &["accuracy", "--formats", "int8,int2,int3_asymmetric_g64"]);
    let percent = |name: &str| -> Option<f64> {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().ok()
    };
    assert!(percent("float") > Some(98.0) && percent("int8") > Some(98.0), "{table}");
    assert!(percent("int2 ") < percent("int8") && percent("int3_asymmetric_g64").is_none(), "{table}");
    assert!(table.contains("zero points, which no hardware here has"), "{table}");
    let error = fails(here.path(), &["accuracy", "--formats", "int8,int3_asymmetric_g0"]);
    assert!(error.contains("a group of at least 1"), "{error}");
    fs::write(here.path().join("a.bin"), "short").unwrap();
    let language =
        ["accuracy", "--formats", "int8", "--llama", "a.bin", "--tokenizer", "a.bin", "--text", "a.bin"];
    let error = fails(here.path(), &language);
    assert!(error.contains("a.bin: ") && error.contains("seven 32-bit integers"), "{error}");
}

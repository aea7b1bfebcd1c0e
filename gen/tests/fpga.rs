//! `bitmill cost` and `bitmill technology` on FPGA families.

mod common;

use common::{ROOT, fails, succeeds, text_of};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn configuration(name: &str) -> String {
    format!("{ROOT}/../examples/{name}")
}

#[test]
fn costs_on_a_family_are_resources_and_a_clock() {
    let here = tempfile::tempdir().unwrap();
    let page = succeeds(here.path(), &["cost", "--unit", "pe_integer", "--technology", "ecp5"]);
    for shown in ["LUTs ±", "flip-flops ±", "path ns ±", "MHz", "LFE5U-85F", "no energy and no area"] {
        assert!(page.contains(shown), "{shown} is missing: {page}");
    }
    let page = succeeds(here.path(), &["cost", "--unit", "pe_integer", "--technology", "xcup"]);
    assert!(!page.contains("MHz") && page.contains("no clock"), "{page}");

    let one = configuration("digits_int8.yaml");
    let cost = ["cost", &one, "--technology", "ecp5", "--json", "--csv", "cost.csv"];
    let cost = json(&succeeds(here.path(), &cost));
    assert!(cost["total"]["block_rams"].as_f64() > Some(0.0) && cost["clock_mhz"].as_f64() > Some(0.0));
    assert!(
        text_of(here.path(), "cost.csv").starts_with("path,module,instances,luts,flip_flops,dsps,block_rams")
    );

    let both =
        ["cost", &one, &configuration("digits_int4.yaml"), "--technology", "ecp5", "--csv", "both.csv"];
    let page = succeeds(here.path(), &both);
    assert!(
        page.contains("digits_int8 ") && page.contains("digits_int4 ") && page.contains("fits in"),
        "{page}"
    );
    assert_eq!(text_of(here.path(), "both.csv").lines().count(), 3);
}

#[test]
fn energies_of_a_family_are_refused() {
    let here = tempfile::tempdir().unwrap();
    let one = configuration("digits_int8.yaml");
    let error = fails(here.path(), &["cost", &one, "--technology", "ecp5", "--svg", "cost.svg"]);
    assert!(error.contains("--svg shows energies, and ecp5 is an FPGA family"), "{error}");
    let error = fails(here.path(), &["simulate", &one, "--timing-only", "--technology", "ecp5"]);
    assert!(
        error.contains("`ecp5` is an FPGA family, of which neither areas nor energies are known"),
        "{error}"
    );
}

#[test]
fn families_tell_their_errors_and_are_fitted_anew() {
    let here = tempfile::tempdir().unwrap();
    assert!(succeeds(here.path(), &["technology"]).contains("ecp5"));
    let page = succeeds(here.path(), &["technology", "show", "ecp5"]);
    assert!(page.contains("synth_ecp5") && page.contains("Kendall") && page.contains("dsp"), "{page}");
    let committed = |end: &str| format!("{ROOT}/../cost_model/technologies/xcup.{end}");
    let measurements = committed("tsv");
    let fit = ["technology", "fit-fpga", "xcup", "--measurements", &measurements, "--out", "xcup.toml"];
    assert!(succeeds(here.path(), &fit).contains("held out"));
    assert_eq!(text_of(here.path(), "xcup.toml"), std::fs::read_to_string(committed("toml")).unwrap());
    let error = fails(here.path(), &["technology", "fit-fpga", "ice40", "--out", "ice40.toml"]);
    assert!(error.contains("`ice40` is no FPGA family; there are ecp5 and xcup"), "{error}");
}

//! `bitmill assign`: assignments keep their budgets, beat uniform precisions, and run as they were said to.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{ROOT, bitmill, fails, files, succeeds, text_of};

fn mixed() -> String {
    format!("{ROOT}/../examples/digits_mixed.yaml")
}

/// Rows of `comparison.csv` by their names.
fn comparison(folder: &Path) -> BTreeMap<String, Vec<f64>> {
    let text = text_of(folder, "comparison.csv");
    let row = |line: &str| {
        let mut entries = line.split(',');
        let name = entries.next().expect("a name").to_owned();
        (name, entries.map(|entry| entry.parse().expect("a number")).collect())
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
fn an_assignment_of_the_digits_network_keeps_its_budget_and_runs_as_it_was_said_to() {
    let here = tempfile::tempdir().unwrap();
    for (objective, budget) in [("energy", "75%"), ("size", "int3"), ("latency", "int4")] {
        let page = succeeds(
            here.path(),
            &["assign", "--config", &mixed(), "--objective", objective, "--budget", budget, "-o", "mixed"],
        );
        let rows = comparison(&here.path().join("mixed"));
        let allowed = if budget == "75%" { 0.75 * rows["int8"][0] } else { rows[budget][0] };
        for method in ["ilp", "greedy", "evolutionary"] {
            let [cost, sensitivity, ..] = rows[method][..] else { panic!("costs and sensitivities") };
            assert!(cost <= allowed * (1.0 + 1e-9), "{objective}, {method}: {cost} of {allowed}");
            assert!(rows["ilp"][1] <= sensitivity * (1.0 + 1e-6), "{method}: {page}");
        }
        // Of the uniform precisions within the budget none is better, measured.
        for uniform in ["int8", "int6", "int5", "int4", "int3", "int2"].map(|name| &rows[name]) {
            let sqnr_db = |row: &[f64]| row[3];
            assert!(uniform[0] > allowed || sqnr_db(uniform) <= sqnr_db(&rows["ilp"]), "{page}");
        }
        assert!(page.contains("verdict       right %: ilp is"), "{page}");
    }
    let (rows, first) = (comparison(&here.path().join("mixed")), files(&here.path().join("mixed")));
    succeeds(
        here.path(),
        &["assign", "--config", &mixed(), "--objective", "latency", "--budget", "int4", "-o", "mixed"],
    );
    assert_eq!(files(&here.path().join("mixed")), first, "the same every time");
    let simulated = succeeds(here.path(), &["simulate", &mixed(), "--recipe", "mixed/recipe.yaml", "--json"]);
    let simulated: serde_json::Value = serde_json::from_str(&simulated).expect("JSON");
    let cycles = simulated["cycles"].as_f64().expect("cycles");
    // As fast as the estimated longest path allows, which `simulate` does not ask for.
    let clock_mhz = cycles / rows["ilp"][0];
    assert!(clock_mhz <= 50.0 + 1e-9, "{clock_mhz}");
    assert_eq!(simulated["accuracy_percent"].as_f64(), Some(rows["ilp"][2]));
    let quantized = succeeds(here.path(), &["quantize", "--config", "mixed/recipe.yaml", "-o", "mixed.onnx"]);
    let accuracy = format!("accuracy      {:.2} % of 450", rows["ilp"][2]);
    assert!(quantized.contains(&accuracy), "{quantized}");
}

#[test]
fn what_cannot_be_assigned_is_refused_at_once() {
    let here = tempfile::tempdir().unwrap();
    let digits = format!("{ROOT}/../examples/digits/");
    let (model, data) = (format!("{digits}digits.onnx"), format!("{digits}calibration_images.npy"));
    let int8 = format!("{ROOT}/../examples/digits_int8.yaml");
    let header = format!("{:<117}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (0, 8, 8), }");
    let empty = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    fs::write(here.path().join("empty.npy"), empty).unwrap();
    let sizes = [8i32, 16, 1, 2, 2, 4, 8].iter().flat_map(|size| size.to_le_bytes());
    let nan: Vec<u8> = sizes.chain(f32::NAN.to_le_bytes().repeat(4096)).collect();
    fs::write(here.path().join("nan.bin"), nan).unwrap();
    let mixed = mixed();
    let latency = |budget: &'static str| {
        ["--config", &mixed, "--objective", "latency", "--budget", budget].map(str::to_owned)
    };
    let with = |budget: &'static str, more: &[&str]| -> Vec<String> {
        latency(budget).into_iter().chain(more.iter().map(|&word| word.to_owned())).collect()
    };
    for (arguments, problem) in [
        (with("1", &[]), "is below what the cheapest precisions cost"),
        (with("1e9", &[]), "is above what the dearest uniform precision costs"),
        (with("200%", &[]), "is above what the dearest uniform precision costs"),
        (with("int7", &[]), "--budget int7: neither a number"),
        (with("60%", &["--formats", "int8,int7"]), "int7 is no weight format of"),
        (with("60%", &["--formats", "int8,int4,int8"]), "int8 is listed twice"),
        (with("60%", &["--formats", "int8"]), "nothing to choose from but int8"),
        (with("60%", &["--formats", "int8,int99"]), "int99"),
        (with("60%", &[&model]), "give --data FILE.npy"),
        (with("60%", &[&model, "--data", "empty.npy"]), "give --data FILE.npy with at least one"),
        (with("60%", &["--technology", "asap9", &model, "--data", &data]), "no technology is called `asap9`"),
        (
            with("60%", &["--llama", "nan.bin", "--tokenizer", "t", "--text", "t"]),
            "nan.bin: the checkpoint holds NaN",
        ),
        (
            ["--config", &int8, "--objective", "size", "--budget", "60%"].map(str::to_owned).to_vec(),
            "nothing to choose from but int8",
        ),
    ] {
        let arguments: Vec<&str> =
            ["assign"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let error = fails(here.path(), &arguments);
        assert!(error.contains(problem), "{arguments:?}: {error}");
    }
    for (option, value, problem) in [
        ("--objective", "area", "there are latency, energy, size"),
        ("--method", "sat", "ilp, greedy, evolutionary"),
    ] {
        let output = bitmill(here.path(), &["assign", "--config", &mixed, "--budget", "60%", option, value]);
        assert!(String::from_utf8_lossy(&output.stderr).contains(problem));
    }
}

#[test]
fn an_assignment_of_a_language_model_beats_the_uniform_precision_of_its_size() {
    let folder = Path::new(ROOT).join("../../shared/data/models/stories260K");
    if !folder.exists() {
        println!("skipped: {} is missing", folder.display());
        return;
    }
    let here = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.join(name) };
    // Two beginnings, so that it is soon done.
    let whole = fs::read_to_string(file("tinystories_sample.txt")).expect("text");
    let beginning = |story: &str| story.split_whitespace().take(60).collect::<Vec<_>>().join(" ");
    let short: Vec<String> = whole.split("<|endoftext|>").take(2).map(beginning).collect();
    fs::write(here.path().join("short.txt"), short.join("<|endoftext|>")).unwrap();
    let [llama, tokenizer] = ["stories260K.bin", "tok512.bin"].map(|name| file(name).display().to_string());
    for (objective, has_equal) in [("size", true), ("latency", false)] {
        let page = succeeds(
            here.path(),
            &[
                "assign",
                "--llama",
                &llama,
                "--tokenizer",
                &tokenizer,
                "--text",
                "short.txt",
                "--config",
                &mixed(),
                "--formats",
                "int6,int4,int3",
                "--objective",
                objective,
                "--budget",
                "int4",
                "-o",
                "llama",
            ],
        );
        let rows = comparison(&here.path().join("llama"));
        assert!(rows["ilp"][0] <= rows["int4"][0] * (1.0 + 1e-9), "{page}");
        assert!(rows["ilp"][1] <= rows["int4"][1], "{page}");
        // In time int3 gains nothing over int4 that could be spent elsewhere.
        assert!(!has_equal || rows["ilp"][3] < rows["int4"][3], "{page}");
        assert!(page.contains("0.query") && !here.path().join("llama/recipe.yaml").exists(), "{page}");
    }
}

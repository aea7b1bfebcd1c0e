//! The program as its users meet it: commands, files, errors, exit status.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{ROOT, fails, files, succeeds, text_of};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn configuration(name: &str) -> String {
    format!("{ROOT}/../examples/{name}")
}

#[test]
fn every_command_has_help_with_examples() {
    let here = tempfile::tempdir().unwrap();
    for command in [
        "generate",
        "simulate",
        "plan",
        "quantize",
        "accuracy",
        "assign",
        "render",
        "explain",
        "diff",
        "verify",
        "disassemble",
        "cost",
        "explore",
        "units",
        "formats",
        "demo",
    ] {
        let help = succeeds(here.path(), &[command, "--help"]);
        assert!(help.contains("Examples:"), "{command}");
        assert!(help.contains(&format!("bitmill {command}")), "{command}");
    }
}

#[test]
fn generated_folders_are_complete_and_the_same_every_time() {
    let here = tempfile::tempdir().unwrap();
    let yaml = text_of(Path::new(ROOT), "../examples/digits_int8.yaml");
    // Top-level keys are lines of their own here: reversed, they say the same.
    let reversed: Vec<&str> = yaml.lines().rev().collect();
    fs::write(here.path().join("a.yaml"), &yaml).unwrap();
    fs::write(here.path().join("b.yaml"), reversed.join("\n")).unwrap();
    succeeds(here.path(), &["generate", "a.yaml", "-o", "out/a"]);
    succeeds(here.path(), &["generate", "b.yaml", "-o", "out/b"]);
    let (a, b) = (files(&here.path().join("out/a")), files(&here.path().join("out/b")));
    assert_eq!(a, b);
    let listed = text_of(here.path(), "out/a/files.f");
    let modules: Vec<&str> = listed.lines().collect();
    assert_eq!(modules.len(), a.keys().filter(|path| path.starts_with("rtl")).count());
    assert_eq!(modules.last(), Some(&"rtl/bitmill_digits_int8.v"), "the top is last");
    let manifest = json(&text_of(here.path(), "out/a/manifest.json"));
    assert_eq!(manifest["top"], "bitmill_digits_int8");
    assert_eq!(manifest["configuration"]["vector"]["rows"], 2);
    assert_eq!(manifest["files"].as_array().unwrap().len() + 1, a.len(), "all but the manifest");
    assert_eq!(fs::read_dir(here.path().join("out")).unwrap().count(), 2, "nothing temporary is left");
}

#[test]
fn testbenches_pass_under_icarus_and_catch_a_broken_circuit() {
    if Command::new("iverilog").arg("-V").output().is_err() {
        println!("skipped: iverilog is not installed; on Debian or Ubuntu: apt-get install iverilog");
        return;
    }
    let here = tempfile::tempdir().unwrap();
    let accelerator = configuration("digits_int4.yaml");
    let cases: [(&str, Vec<&str>); 3] = [
        ("bitmill_requantizer_acc32_a8_up_twice_away", vec!["--unit", "requantizer"]),
        ("bitmill_pe_integer_s8s4_l4_acc32", vec!["--unit", "pe_integer", "--set", "weight=int4"]),
        ("bitmill_digits_int4", vec![&accelerator]),
    ];
    for (top, request) in cases {
        let folder = here.path().join(top);
        succeeds(here.path(), &[&["generate"][..], &request, &["-o", top]].concat());
        assert!(icarus(&folder, top), "{top}");
        assert!(break_an_adder(&folder), "{top} adds something");
        assert!(!icarus(&folder, top), "{top} is broken and passes");
    }
}

/// Makes the first adder of the first file that has one subtract.
fn break_an_adder(folder: &Path) -> bool {
    // In an accelerator it is one whose sums leave it: not each counter changes what is computed.
    let files = text_of(folder, "files.f");
    let (elements, others): (Vec<&str>, Vec<&str>) = files.lines().partition(|file| file.contains("_pe_"));
    let broken = elements.into_iter().chain(others).find_map(|file| {
        let text = text_of(folder, file);
        let line = text.lines().find(|line| line.contains(" + ") && !line.starts_with("//"))?;
        fs::write(folder.join(file), text.replacen(line, &line.replacen(" + ", " - ", 1), 1)).ok()
    });
    broken.is_some()
}

/// Whether the testbench passes; a testbench that neither passes nor fails is a bug.
fn icarus(folder: &Path, top: &str) -> bool {
    let bench = format!("tb/{top}_tb.v");
    let built = Command::new("iverilog")
        .current_dir(folder)
        .args(["-g2012", "-f", "files.f", "-o", "tb.vvp", &bench])
        .output()
        .expect("iverilog starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = Command::new("vvp").current_dir(folder).arg("tb.vvp").output().expect("vvp starts");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let passed = said.contains("PASS: ");
    assert!(passed != said.contains("FAIL: ") && passed == run.status.success(), "{said}");
    passed
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let here = tempfile::tempdir().unwrap();
    fs::create_dir(here.path().join("mine")).unwrap();
    fs::write(here.path().join("mine/notes.txt"), "keep").unwrap();
    let error = fails(here.path(), &["generate", "--unit", "ram", "-o", "mine"]);
    assert!(error.contains("mine exists and was not written by bitmill"), "{error}");
    assert_eq!(text_of(here.path(), "mine/notes.txt"), "keep");
}

#[test]
fn simulation_and_verification_count_the_same_cycles() {
    let here = tempfile::tempdir().unwrap();
    let config = configuration("digits_int8.yaml");
    let simulated = json(&succeeds(here.path(), &["simulate", &config, "--json", "--trace", "trace.csv"]));
    let layers = simulated["layers"].as_array().unwrap();
    assert_eq!(layers.iter().map(|l| l["cycles"].as_u64().unwrap()).sum::<u64>(), simulated["cycles"]);
    // Steps and stalls by cause make up every layer.
    const CAUSES: [&str; 9] =
        ["setup", "step", "conflict", "row", "sample", "residual", "drain", "finish", "waiting"];
    for layer in layers {
        let parts = CAUSES.map(|cause| layer[format!("{cause}_cycles")].as_u64().unwrap());
        assert_eq!(parts.iter().sum::<u64>(), layer["cycles"], "{layer}");
    }
    assert!(simulated["accuracy_percent"].as_f64() > Some(98.0));
    let verified = json(&succeeds(
        here.path(),
        &["verify", &config, "--tool", "interpreter", "--every-layer", "--json"],
    ));
    assert_eq!((&verified["differing_bytes"], &verified["differing_commands"]), (&0.into(), &0.into()));
    assert!(verified["tensors"].as_u64() >= Some(11), "every layer is stored");
    let trace = text_of(here.path(), "trace.csv");
    assert_eq!(trace.lines().next(), Some("command,queue,layer,start_cycle,done_cycle"));
    assert!(trace.lines().count() > layers.len());
}

#[test]
fn energies_of_layers_add_up_to_the_run() {
    let here = tempfile::tempdir().unwrap();
    let config = configuration("digits_int8.yaml");
    let arguments = ["simulate", &config, "--timing-only", "--json", "--technology", "asap7"];
    let simulated = json(&succeeds(here.path(), &arguments));
    let layers = simulated["layers"].as_array().unwrap();
    let sum_nj: f64 = layers.iter().map(|layer| layer["energy_nj"].as_f64().unwrap()).sum();
    let cost = json(&succeeds(here.path(), &["cost", &config, "--technology", "asap7", "--json"]));
    let run_nj = cost["inference"]["energy_pj"].as_f64().unwrap() * 1e-3;
    assert!(run_nj > 0.0 && (sum_nj / run_nj - 1.0).abs() < 1e-9, "{sum_nj} {run_nj}");
    let table = succeeds(here.path(), &["simulate", &config, "--timing-only", "--technology", "asap7"]);
    assert!(table.contains("energy nJ") && table.contains("µJ (± "), "{table}");
    let error = fails(here.path(), &["simulate", &config, "--technology", "tsmc1"]);
    assert!(error.contains("no technology is called `tsmc1`; there are sky130hd"), "{error}");
}

#[test]
fn runs_are_explained_compared_and_drawn_over_time() {
    let here = tempfile::tempdir().unwrap();
    let config = configuration("digits_int8.yaml");
    let arguments = ["simulate", &config, "--timing-only", "--json", "--timeline", "run.json"];
    let simulated = json(&succeeds(here.path(), &arguments));
    let (first, cycles) = (&simulated["layers"][0], simulated["cycles"].as_u64().unwrap());

    // Slices of one queue do not overlap, and the last ends with the run or before.
    let timeline = json(&text_of(here.path(), "run.json"));
    let mut ends: std::collections::BTreeMap<u64, u64> = std::collections::BTreeMap::new();
    for event in timeline["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == "X") {
        let number = |key: &str| event["args"][key].as_u64().unwrap();
        let end = ends.entry(event["tid"].as_u64().unwrap()).or_default();
        assert!(number("start_cycle") >= *end && number("done_cycle") <= cycles, "{event}");
        *end = number("done_cycle");
    }
    assert_eq!(ends.len(), 3, "all queues worked");

    // The causes add up to the layer's cycles.
    let name = first["name"].as_str().unwrap();
    let explained = succeeds(here.path(), &["explain", &config, name]);
    let causes = explained.lines().filter(|line| line.starts_with("  "));
    let sum: u64 =
        causes.map(|l| l.split_whitespace().next().unwrap().replace(',', "").parse::<u64>().unwrap()).sum();
    assert_eq!(Some(sum), first["cycles"].as_u64(), "{explained}");
    assert!(explained.contains("limit: "), "{explained}");
    assert_eq!(succeeds(here.path(), &["explain", &config, "1"]), explained, "by number too");
    let error = fails(here.path(), &["explain", &config, "conv99"]);
    assert!(error.contains("`conv99`") && error.contains(name), "{error}");

    fs::write(here.path().join("a.json"), simulated.to_string()).unwrap();
    let other = configuration("digits_int4.yaml");
    let other = json(&succeeds(here.path(), &["simulate", &other, "--timing-only", "--json"]));
    fs::write(here.path().join("b.json"), other.to_string()).unwrap();
    let compared = json(&succeeds(here.path(), &["diff", "a.json", "b.json", "--json"]));
    assert_eq!((&compared["a_cycles"], &compared["b_cycles"]), (&simulated["cycles"], &other["cycles"]));
    assert_eq!(compared["layers"][0]["b_cycles"], other["layers"][0]["cycles"]);
    let error = fails(here.path(), &["diff", "a.json", "run.json"]);
    assert!(error.contains("run.json") && error.contains("simulate --json"), "{error}");
}

#[test]
fn layers_without_numbers_are_timed_beside_scale_sim() {
    let here = tempfile::tempdir().unwrap();
    let config = configuration("digits_int8.yaml");
    let topology = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n\
                    first, 10, 10, 3, 3, 8, 16, 1,\nlast, 1, 1, 1, 1, 64, 10, 1,\n";
    fs::write(here.path().join("net.csv"), topology).unwrap();
    let timed = json(&succeeds(here.path(), &["simulate", &config, "--topology", "net.csv", "--json"]));
    let layers = timed["layers"].as_array().unwrap();
    assert_eq!((layers.len(), &timed["network"]), (2, &"net".into()));
    // 64 pixels in 8 folds, 16 filters in 2, 72 terms: 16 (8 + 8 + 72 - 2) cycles, counted from 0.
    assert_eq!(layers[0]["scale_sim_output_stationary_cycles"], 16 * 86 - 1);
    assert_eq!(layers.iter().map(|l| l["cycles"].as_u64().unwrap()).sum::<u64>(), timed["cycles"]);
    assert!(layers[0]["cycles"].as_u64() >= Some(64 * 16 * 72 / 256), "no faster than the array");
    let error = fails(here.path(), &["simulate", &config, "--layers", "llama2_7b_decode"]);
    assert!(error.contains("q_k_v_o") && error.contains("bytes"), "{error}");
    // Blocks of 32 channels: a step for each block and tap of a pixel.
    let blocks = configuration("mxfp4.yaml");
    let timed = json(&succeeds(here.path(), &["simulate", &blocks, "--topology", "net.csv", "--json"]));
    // 64 pixels on 4 rows, 9 taps of a block each; 8 times as many if the channels came one by one. Memory takes its time.
    let steps = 16 * 9;
    let cycles = timed["layers"][0]["cycles"].as_u64().unwrap();
    assert!((steps..8 * steps).contains(&cycles), "{cycles} of {steps}");
    let error = fails(here.path(), &["simulate", &blocks]);
    assert!(error.contains("depthwise") && error.contains("no meaning in blocks (mxfp4)"), "{error}");
    fs::write(here.path().join("bad.csv"), topology.replace("64, 10", "64, ten")).unwrap();
    let error = fails(here.path(), &["simulate", &config, "--topology", "bad.csv"]);
    assert!(error.contains("bad.csv") && error.contains("line 3") && error.contains("ten"), "{error}");
}

#[test]
fn plans_say_where_things_lie_and_what_streams() {
    let here = tempfile::tempdir().unwrap();
    let config = configuration("digits_int8.yaml");
    let plan = json(&succeeds(here.path(), &["plan", &config, "--json"]));
    let simulated = json(&succeeds(here.path(), &["simulate", &config, "--timing-only", "--json"]));
    let (planned, layers) = (plan["layers"].as_array().unwrap(), simulated["layers"].as_array().unwrap());
    assert_eq!(planned.len(), layers.len());
    let mut next = 0;
    for (planned, layer) in planned.iter().zip(layers) {
        let number = |key: &str| planned[key].as_u64().unwrap();
        assert_eq!(planned["commands"][0], next, "commands follow each other: {planned}");
        next = planned["commands"][1].as_u64().unwrap() + 1;
        let loaded = number("weight_bytes") + number("parameter_bytes");
        assert!(loaded <= layer["read_bytes"].as_u64().unwrap(), "{planned}");
        let lines = plan["activations"]["lines"].as_u64();
        assert!(planned["output_lines"][1].as_u64() < lines, "{planned}");
    }
    let page = succeeds(here.path(), &["plan", &config]);
    assert!(page.contains("tiles a chunk") && page.contains("activations   "), "{page}");
}

#[test]
fn a_layer_or_a_command_is_recorded_on_demand() {
    let here = tempfile::tempdir().unwrap();
    let config = configuration("digits_int8.yaml");
    let arguments = ["verify", &config, "--waves", "run.fst", "--layer", "1"];
    let interpreted = [&arguments[..], &["--tool", "interpreter"]].concat();
    assert!(fails(here.path(), &interpreted).contains("--waves needs Verilator"));
    if bitmill_testbenches::Verilator::find().is_err() {
        return println!("skipped: recordings, since Verilator is missing");
    }
    let page = succeeds(here.path(), &arguments);
    assert!(page.contains("recorded: cycles 1 to ") && page.contains("run.fst"), "{page}");
    assert!(fs::metadata(here.path().join("run.fst")).unwrap().len() > 0);
    let error = fails(here.path(), &["verify", &config, "--waves", "run.fst", "--command", "9999"]);
    assert!(error.contains("no command 9999"), "{error}");
}

#[test]
fn costs_are_labelled_and_add_up() {
    let here = tempfile::tempdir().unwrap();
    let config = configuration("digits_int8.yaml");
    let cost = json(&succeeds(here.path(), &["cost", &config, "--json", "--csv", "cost.csv"]));
    assert!(cost["calibration"]["energy"]["median"].as_f64() > Some(0.0));
    let area = |v: &Value| {
        ["logic_um2", "registers_um2", "memories_um2"].map(|k| v[k].as_f64().unwrap()).iter().sum::<f64>()
    };
    let parts: f64 = cost["components"].as_array().unwrap().iter().map(|c| area(&c["cost"])).sum();
    let whole = area(&cost["total"]);
    assert!((parts + area(&cost["own"]) - whole).abs() < 1e-6 * whole);
    assert!(cost["inference"]["energy_pj"].as_f64() > Some(0.0));
    assert!(text_of(here.path(), "cost.csv").contains("i_array/i_row_*/i_pe_*,"));
    let page = succeeds(here.path(), &["cost", "--unit", "pe_integer", "--technology", "asap7"]);
    assert!(page.contains("path ns ±") && page.contains("cells µm² ±"), "{page}");
    let page = succeeds(here.path(), &["cost", "--unit", "pe_integer", "--technology", "scaled28"]);
    assert!(page.contains("path ns ±") && page.contains("Stillmaker and Baas"), "{page}");
}

#[test]
fn technologies_tell_their_sources_and_errors() {
    let here = tempfile::tempdir().unwrap();
    let table = succeeds(here.path(), &["technology"]);
    assert!(table.contains("asap7") && table.contains("scaled28") && table.contains("± "), "{table}");
    let all = json(&succeeds(here.path(), &["technology", "list", "--json"]));
    let one = json(&succeeds(here.path(), &["technology", "show", "asap7", "--json"]));
    assert!(all.as_array().unwrap().contains(&one));
    let page = succeeds(here.path(), &["technology", "show", "sky130hd"]);
    assert!(page.contains("flip_flop") && page.contains("Kendall") && page.contains("SkyWater"), "{page}");
    let error = fails(here.path(), &["technology", "show", "tsmc1"]);
    assert!(error.contains("there are sky130hd"), "{error}");
}

#[test]
fn costs_are_set_side_by_side() {
    let here = tempfile::tempdir().unwrap();
    let [a, b] = ["digits_int8.yaml", "digits_int4.yaml"].map(configuration);
    let both = ["cost", &a, &b, "--svg", "costs.svg", "--csv", "costs.csv"];
    let page = succeeds(here.path(), &both);
    assert!(page.contains("digits_int8 ") && page.contains("digits_int4 ") && page.contains("±"), "{page}");
    let csv = text_of(here.path(), "costs.csv");
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.lines().all(|line| line.split(',').count() == 9 && !line.contains(",,")), "{csv}");
    let svg = text_of(here.path(), "costs.svg");
    for shown in ["digits_int8", "digits_int4", "i_array", "mm²", "µJ"] {
        assert!(svg.contains(shown), "{shown}");
    }
    let values = json(&succeeds(here.path(), &["cost", &a, &b, "--json"]));
    let one = json(&succeeds(here.path(), &["cost", &b, "--json"]));
    assert_eq!(values[1], one);
    let error = fails(here.path(), &["cost", &a, "nowhere.yaml"]);
    assert!(error.contains("cannot read nowhere.yaml"), "{error}");
}

#[test]
fn a_sweep_writes_picture_and_points() {
    let here = tempfile::tempdir().unwrap();
    let space = text_of(Path::new(ROOT), "../examples/digits_space.yaml");
    let short = space.split("  array:\n").next().unwrap().replacen("vary:", "vary:\n  pe_lanes: [2, 4]", 1);
    fs::write(here.path().join("space.yaml"), short).unwrap();
    let table = succeeds(here.path(), &["explore", "space.yaml", "-o", "front", "--all"]);
    assert!(table.contains("of 8 points are on the Pareto front"), "{table}");
    let first = files(&here.path().join("front"));
    succeeds(here.path(), &["explore", "space.yaml", "-o", "front"]);
    assert_eq!(files(&here.path().join("front")), first, "the same bytes again");
    let svg = text_of(here.path(), "front/pareto.svg");
    assert!(svg.starts_with("<svg") && svg.contains("accuracy, %") && svg.matches("<title>").count() >= 16);
    assert_eq!(text_of(here.path(), "front/points.csv").lines().count(), 9);
}

#[test]
fn bad_input_is_refused_in_one_line_that_says_where() {
    let here = tempfile::tempdir().unwrap();
    let yaml = text_of(Path::new(ROOT), "../examples/digits_int8.yaml");
    let write = |name: &str, content: &[u8]| fs::write(here.path().join(name), content).unwrap();
    write("key.yaml", yaml.replace("lanes:", "lane:").as_bytes());
    write("large.yaml", yaml.replace("activations_kib: 16", "activations_kib: 4096").as_bytes());
    write("odd.yaml", yaml.replace("columns: 8", "columns: 9").as_bytes());
    write("small.yaml", yaml.replace("weights_kib: 16", "weights_kib: 1").as_bytes());
    write("good.yaml", yaml.as_bytes());
    let onnx = fs::read(format!("{ROOT}/../examples/digits/digits.onnx")).unwrap();
    write("cut.onnx", &onnx[..onnx.len() / 2]);
    write("whole.onnx", &onnx);
    let model = |file: &'static str| ["simulate", "good.yaml", "--model", file];
    let cases: [(&[&str], &[&str]); 9] = [
        (&["simulate", "missing.yaml"], &["cannot read missing.yaml"]),
        (&["simulate", "key.yaml"], &["key.yaml", "lane", "lanes"]),
        (&["simulate", "odd.yaml"], &["odd.yaml: array.columns: 9", "must fill words of 4"]),
        (&["generate", "large.yaml", "-o", "out"], &["large.yaml: scratchpads.activations_kib: 4096"]),
        (&["simulate", "small.yaml"], &["weights"]),
        (&model("cut.onnx"), &["cut.onnx"]),
        (&model("whole.onnx"), &["--calibration"]),
        (&["units", "show", "pe_float"], &["no unit is called `pe_float`"]),
        (&["cost", "good.yaml", "--technology", "tsmc3"], &["no technology is called `tsmc3`", "sky130hd"]),
    ];
    for (arguments, expected) in cases {
        let error = fails(here.path(), arguments);
        for part in expected {
            assert!(error.contains(part), "{arguments:?}: {error}");
        }
    }
    assert!(!here.path().join("out").exists());
}

#[test]
fn quantize_writes_what_simulate_runs() {
    let here = tempfile::tempdir().unwrap();
    let recipe = configuration("quantize_int4.yaml");
    let page = succeeds(here.path(), &["quantize", "--config", &recipe, "-o", "int4.onnx"]);
    assert!(
        page.contains("int4") && page.contains("accuracy") && page.contains("written       int4.onnx"),
        "{page}"
    );
    // int8 elements hold int4 weights, int4 ones hold no int8 activations.
    let int4 = configuration("digits_int4.yaml");
    let refused = fails(here.path(), &["simulate", &int4, "--model", "int4.onnx"]);
    assert!(refused.contains("is quantized to activations int8 and weights int4"), "{refused}");
    let yaml =
        text_of(Path::new(ROOT), "../examples/digits_int8.yaml").replace("weights: int8", "weights: int4");
    fs::write(here.path().join("w4a8.yaml"), yaml).unwrap();
    let run = succeeds(here.path(), &["simulate", "w4a8.yaml", "--model", "int4.onnx"]);
    assert!(run.contains("cycles"), "{run}");
    // QONNX holds activations of any width.
    fs::write(here.path().join("w4a4.yaml"), "weights: int4\nactivations: int4\nlayers: {}\n").unwrap();
    let to_qonnx = ["quantize", "--config", "w4a4.yaml", "-o", "w4a4.onnx", "--format", "qonnx"];
    let refused = fails(here.path(), &to_qonnx[..5]);
    assert!(refused.contains("found int4 activations: give --format qonnx"), "{refused}");
    let written = succeeds(here.path(), &to_qonnx);
    let accuracy = |page: &str| page.lines().find(|line| line.starts_with("accuracy")).map(str::to_owned);
    let images = ["x.npy", "y.npy"].map(|file| here.path().join(file));
    for (to, from) in images.iter().zip(["test_images.npy", "test_labels.npy"]) {
        fs::copy(format!("{ROOT}/../examples/digits/{from}"), to).unwrap();
    }
    let data = ["--model", "w4a4.onnx", "--test", "x.npy", "--labels", "y.npy"];
    let run = succeeds(here.path(), &[&["simulate", &int4][..], &data].concat());
    let percent = |line: Option<String>| line.and_then(|line| Some(line.split_once(" (")?.0.to_owned()));
    assert!(accuracy(&written).is_some());
    assert_eq!(percent(accuracy(&run)), percent(accuracy(&written)), "{run}");
}

#[test]
fn quantize_refuses_plainly() {
    let here = tempfile::tempdir().unwrap();
    let float = format!("{ROOT}/../examples/digits/digits.onnx");
    let given = format!("{ROOT}/../examples/digits/digits_qdq_int8.onnx");
    let data = format!("{ROOT}/../examples/digits/calibration_images.npy");
    let npy = |file: &str, elements: &str, inputs: usize, data: &[u8]| {
        let header =
            format!("{{'descr': '{elements}', 'fortran_order': False, 'shape': ({inputs}, 8, 8), }}");
        let padded = format!("{header:<117}\n");
        let head = [b"\x93NUMPY\x01\x00".as_slice(), &(padded.len() as u16).to_le_bytes()].concat();
        fs::write(here.path().join(file), [&head, padded.as_bytes(), data].concat()).unwrap();
    };
    npy("empty.npy", "|u1", 0, &[]);
    npy(
        "nan.npy",
        "<f4",
        2,
        &[[0.0; 64], [f32::NAN; 64]].as_flattened().iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>(),
    );
    let int8 = "weights: int8\nactivations: int8\n";
    for (model, data, recipe, problem) in [
        (&float, "empty.npy", int8.to_owned(), "calibration"),
        (&float, "nan.npy", int8.to_owned(), "nan.npy: input 2 holds NaN"),
        (&given, data.as_str(), int8.to_owned(), "is quantized already"),
        (
            &float,
            data.as_str(),
            format!("{int8}layers: {{conv9: {{weights: int4}}}}\n"),
            "is called `conv9`; there are",
        ),
        (&float, data.as_str(), "weights: int8\nactivations: int99\n".to_owned(), "int99"),
        (&float, data.as_str(), "weights: int8\nactivations: int6\n".to_owned(), "found int6 activations"),
        (
            &float,
            data.as_str(),
            "weights: fp4_e2m1\nactivations: int8\n".to_owned(),
            "fp4_e2m1 are no whole numbers",
        ),
    ] {
        fs::write(here.path().join("recipe.yaml"), &recipe).unwrap();
        let arguments = ["quantize", model, "--data", data, "--config", "recipe.yaml", "-o", "out.onnx"];
        let error = fails(here.path(), &arguments);
        assert!(error.contains(problem), "{recipe}: {error}");
        assert!(!here.path().join("out.onnx").exists(), "{recipe}");
    }
}

//! Sweeps that are stopped, go on, and are shared among machines end in the same bytes as one that runs through.

#[path = "../common/mod.rs"]
mod common;
mod page;
mod search;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{ROOT, bitmill, fails, files, succeeds, text_of};

/// A folder with `space.yaml`, twelve points.
fn folder() -> tempfile::TempDir {
    let here = tempfile::tempdir().expect("a folder");
    let space = text_of(Path::new(ROOT), "../examples/digits_space.yaml");
    let mut short: Vec<&str> = space.lines().filter(|line| !line.contains("int3")).collect();
    short.retain(|line| !["rows: 16", "rows: 2,", "columns: 4}"].iter().any(|large| line.contains(large)));
    fs::write(here.path().join("space.yaml"), short.join("\n") + "\n").expect("a file");
    here
}

#[test]
fn a_killed_sweep_goes_on_where_it_stopped() {
    let here = folder();
    let whole = succeeds(here.path(), &["explore", "space.yaml", "-o", "whole", "--all"]);
    assert!(whole.contains("of 12 points"), "{whole}");
    let mut killed = Command::new(env!("CARGO_BIN_EXE_bitmill"))
        .current_dir(here.path())
        .args(["explore", "space.yaml", "-o", "killed"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let journal = here.path().join("killed.partial.jsonl");
    let lines = || fs::read_to_string(&journal).unwrap_or_default().matches('\n').count();
    while lines() < 4 {
        assert!(killed.try_wait().expect("a child").is_none(), "it was to be killed before it ends");
        std::thread::sleep(Duration::from_millis(1));
    }
    // While one is at work no other may begin.
    let error = fails(here.path(), &["explore", "space.yaml", "-o", "killed"]);
    assert!(error.contains("another process is at work"), "{error}");
    killed.kill().expect("a child to kill");
    killed.wait().expect("a child");
    assert!(!here.path().join("killed").exists(), "nothing half-way");
    let kept = lines() - 1;
    // A line that was cut off, as a full disk leaves it.
    let mut file = fs::File::options().append(true).open(&journal).expect("the journal");
    file.write_all(b"{\"position\":11,\"outc").expect("a file");
    drop(file);
    let resumed = bitmill(here.path(), &["explore", "space.yaml", "-o", "killed"]);
    let message = String::from_utf8_lossy(&resumed.stderr);
    assert!(resumed.status.success() && message.contains(&format!("resuming: {kept} of 12")), "{message}");
    assert_eq!(files(&here.path().join("killed")), files(&here.path().join("whole")));
    assert!(!journal.exists(), "what is complete needs no journal");
    // What a folder says of itself makes it again.
    let page = text_of(here.path(), "whole/report.html");
    let command = page.split("\"command\":\"bitmill ").nth(1).and_then(|rest| rest.split('"').next());
    let words: Vec<&str> = command.expect("a command").split(' ').collect();
    succeeds(&here.path().join("whole"), &words);
    assert_eq!(files(&here.path().join("whole/again")), files(&here.path().join("killed")));
}

#[test]
fn a_full_disk_leaves_a_journal_to_go_on_from() {
    let here = folder();
    succeeds(here.path(), &["explore", "space.yaml", "-o", "whole"]);
    // A file may have 6 KiB: some points, and a part of the next.
    let limited = "ulimit -f 6; trap '' XFSZ; exec \"$0\" explore space.yaml -o full";
    let stopped = Command::new("bash")
        .current_dir(here.path())
        .args(["-c", limited, env!("CARGO_BIN_EXE_bitmill")])
        .output()
        .expect("a shell");
    let message = String::from_utf8_lossy(&stopped.stderr);
    assert!(!stopped.status.success() && message.contains("cannot write full.partial.jsonl"), "{message}");
    let journal = text_of(here.path(), "full.partial.jsonl");
    assert!(journal.lines().count() > 1 && journal.ends_with('\n'), "whole lines only: {journal}");
    let resumed = bitmill(here.path(), &["explore", "space.yaml", "-o", "full"]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert_eq!(files(&here.path().join("full")), files(&here.path().join("whole")));
}

#[test]
fn merged_shards_are_the_whole_sweep() {
    let here = folder();
    succeeds(here.path(), &["explore", "space.yaml", "-o", "whole"]);
    let shard =
        |shard: &str| succeeds(here.path(), &["explore", "space.yaml", "-o", "parts", "--shard", shard]);
    assert!(shard("1/2").contains("6 points in parts.shard1of2.jsonl"));
    let merge = ["explore", "merge", "parts.shard1of2.jsonl", "parts.shard2of2.jsonl", "-o", "parts"];
    let error = fails(here.path(), &[&merge[..3], &merge[4..]].concat());
    assert!(error.contains("6 of 12 points are missing, the first of shard 2/2"), "{error}");
    shard("2/2");
    succeeds(here.path(), &merge);
    assert_eq!(files(&here.path().join("parts")), files(&here.path().join("whole")));

    // A shard of another sweep, and files that are none.
    let other = ["explore", "space.yaml", "-o", "other", "--shard", "2/2", "--technology", "asap7"];
    succeeds(here.path(), &other);
    let error = fails(here.path(), &["explore", "merge", "parts.shard1of2.jsonl", "other.shard2of2.jsonl"]);
    assert!(error.contains("no shards of one sweep"), "{error}");
    let error = fails(
        here.path(),
        &["explore", "space.yaml", "-o", "parts", "--shard", "1/2", "--technology", "asap7"],
    );
    assert!(error.contains("parts.shard1of2.jsonl: holds outcomes of another sweep"), "{error}");
    let error = fails(here.path(), &["explore", "merge", "space.yaml"]);
    assert!(error.contains("space.yaml: line 1 is none of `bitmill explore`"), "{error}");
    // A folder of somebody else is refused before anything is evaluated.
    fs::create_dir(here.path().join("precious")).expect("a folder");
    fs::write(here.path().join("precious/thesis.tex"), "years").expect("a file");
    let error = fails(here.path(), &["explore", "space.yaml", "-o", "precious"]);
    assert!(
        error.contains("was not written by bitmill") && !here.path().join("precious.partial.jsonl").exists()
    );
}

#[test]
fn fronts_are_compared_on_one_scale() {
    let here = folder();
    let space = text_of(here.path(), "space.yaml");
    let int8: String =
        space.lines().filter(|line| !line.contains("int4")).map(|l| format!("{l}\n")).collect();
    fs::write(here.path().join("int8.yaml"), int8).expect("a file");
    let table = succeeds(here.path(), &["explore", "space.yaml", "-o", "all"]);
    assert!(table.contains("knee") && table.contains("% of the space between"), "{table}");
    succeeds(here.path(), &["explore", "int8.yaml", "-o", "int8"]);
    let compared = succeeds(here.path(), &["explore", "compare", "all", "int8/points.json", "--json"]);
    let compared: serde_json::Value = serde_json::from_str(&compared).expect("JSON");
    let number = |side: &str, key: &str| compared[side][key].as_f64().expect("a number");
    assert_eq!((number("a", "points"), number("b", "points")), (12.0, 4.0));
    assert!(number("a", "hypervolume") > number("b", "hypervolume"), "{compared}");
    assert_eq!(
        number("b", "covered_by_other"),
        number("b", "front"),
        "its points are points of the other too"
    );
    assert!(number("a", "covered_by_other") < number("a", "front"), "{compared}");
    let error = fails(here.path(), &["explore", "compare", "all", "space.yaml"]);
    assert!(error.contains("space.yaml: no points of `bitmill explore`"), "{error}");
    succeeds(here.path(), &["explore", "int8.yaml", "-o", "asap7", "--technology", "asap7"]);
    let error = fails(here.path(), &["explore", "compare", "int8", "asap7"]);
    assert!(error.contains("cannot be compared") && error.contains("asap7"), "{error}");
}

#[test]
fn ten_thousand_points_come_out_alike_whole_killed_and_in_shards() {
    let model = Path::new(ROOT).join("../../shared/data/models/mlperf_tiny/pretrainedResnet_quant.tflite");
    if !model.exists() {
        println!("skipped: {} is missing", model.display());
        return;
    }
    let here = tempfile::tempdir().expect("a folder");
    let space = Path::new(ROOT).join("../examples/mlperf_tiny/resnet8_space.yaml");
    let [space, model] = [&space, &model].map(|path| path.display().to_string());
    let sweep = ["explore", &space, "--model", &model, "--timing-only", "--effort", "first-cut", "-o"];
    let started = std::time::Instant::now();
    let table = succeeds(here.path(), &[&sweep[..], &["whole"]].concat());
    println!("{:.0} points/s", 10_800.0 / started.elapsed().as_secs_f64());
    assert!(table.contains("of 10800 points are on the Pareto front"), "{table}");

    let mut killed = Command::new(env!("CARGO_BIN_EXE_bitmill"))
        .current_dir(here.path())
        .args([&sweep[..], &["killed"]].concat())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let journal = here.path().join("killed.partial.jsonl");
    while fs::metadata(&journal).map_or(0, |journal| journal.len()) < 1_000_000 {
        assert!(killed.try_wait().expect("a child").is_none(), "it was to be killed before it ends");
        std::thread::sleep(Duration::from_millis(1));
    }
    killed.kill().expect("a child to kill");
    killed.wait().expect("a child");
    let resumed = bitmill(here.path(), &[&sweep[..], &["killed"]].concat());
    let message = String::from_utf8_lossy(&resumed.stderr);
    assert!(resumed.status.success() && message.contains("of 10800 points are in"), "{message}");
    assert_eq!(files(&here.path().join("killed")), files(&here.path().join("whole")));

    for shard in ["1/2", "2/2"] {
        succeeds(here.path(), &[&sweep[..], &["parts", "--shard", shard]].concat());
    }
    let shards = ["explore", "merge", "parts.shard1of2.jsonl", "parts.shard2of2.jsonl", "-o", "parts"];
    let error = fails(here.path(), &shards);
    assert!(error.contains("the shards are of the network pretrainedResnet_quant"), "{error}");
    succeeds(here.path(), &[&shards[..], &["--model", &model]].concat());
    assert_eq!(files(&here.path().join("parts")), files(&here.path().join("whole")));
}

#[test]
fn an_objective_that_no_point_has_is_refused_at_once() {
    let here = folder();
    let error = fails(
        here.path(),
        &["explore", "space.yaml", "-o", "out", "--timing-only", "--objectives", "area,accuracy"],
    );
    assert!(error.contains("no point would have accuracy: give --test and --labels"), "{error}");
    let unknown = bitmill(here.path(), &["explore", "space.yaml", "--objectives", "speed"]);
    let error = String::from_utf8_lossy(&unknown.stderr);
    assert!(error.contains("no objective is called `speed`; there are latency, energy"), "{error}");
    assert!(!here.path().join("out.partial.jsonl").exists());
}

#[test]
fn a_technology_is_given_or_varied() {
    let here = folder();
    let space = "vary:\n  technology: [sky130hd, asap7]\n";
    let text = text_of(here.path(), "space.yaml").split("vary:").next().expect("a base").to_owned() + space;
    fs::write(here.path().join("space.yaml"), text).expect("a file");
    let table =
        succeeds(here.path(), &["explore", "space.yaml", "--timing-only", "--objectives", "area", "--all"]);
    assert!(table.contains("1 of 2 points") && table.contains("digits_sky130hd"), "{table}");
    let error = fails(here.path(), &["explore", "space.yaml", "--technology", "asap7"]);
    assert!(error.contains("the space varies the technology"), "{error}");
    let text = text_of(here.path(), "space.yaml").replace("asap7", "asap9");
    fs::write(here.path().join("space.yaml"), text).expect("a file");
    let error = fails(here.path(), &["explore", "space.yaml"]);
    assert!(error.contains("no technology is called `asap9`"), "{error}");
}

//! The command as a user meets it: arguments and standard input in, text or an error out.

use std::fs;

use clap::Parser;

use super::{FormatsArgs, run_on};

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    formats: FormatsArgs,
}

fn run(arguments: &str, input: &str) -> Result<String, String> {
    let words = std::iter::once("formats").chain(arguments.split_whitespace());
    let program = Program::try_parse_from(words).map_err(|error| error.to_string())?;
    let mut output = vec![];
    run_on(&program.formats, input.as_bytes(), &mut output).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(output).unwrap())
}

#[test]
fn filters_answer_line_by_line() {
    let table = [
        (
            "encode fp8_e4m3",
            "1\n-0.3\n\n1e9\nnan\n0x1.8p0\n",
            "56,1\n170,-0.3125\n126,448\n127,nan\n60,1.5\n",
        ),
        ("encode fp8_e4m3_nonsat", "465", "127,nan\n"),
        ("encode fp8_e4m3 --hex", "0.1", "29,0x1.ap-4\n"),
        ("encode int4 --rounding toward_zero", "2.9\n-2.9", "2,2\n14,-2\n"),
        ("encode int4 --rounding nearest_away", "2.5\n-2.5", "3,3\n13,-3\n"),
        ("encode posit8_0", "1e-9\n-inf", "1,0.015625\n128,nan\n"),
        ("encode mxfp4_g2", "6\n-3\n1\n0.5", "7,6,127\n13,-3,127\n6,1,125\n4,0.5,125\n"),
        ("encode sherry", "1\n-2\n0.1\n3", "9,1 -1 0 1\n"),
        ("encode ifairy", "0.2,-3", "3,-i\n"),
        ("eval fp8_e4m3 --op mul", "0x38,0x3c\n56, 56", "60\n56\n"),
        ("eval fp8_e4m3 --op lmul", "0x38,0x38", "57\n"),
        ("eval int4 --op add", "7,1\n15,15", "7\n14\n"),
        ("eval ifairy --op mul", "1,1", "2\n"),
    ];
    for (arguments, input, output) in table {
        assert_eq!(run(arguments, input).as_deref(), Ok(output), "{arguments}");
    }
    let once = run("encode int8 --rounding stochastic:7", &"0.5\n".repeat(64)).unwrap();
    assert_eq!(once, run("encode int8 --rounding stochastic:7", &"0.5\n".repeat(64)).unwrap());
    assert!(once.contains("0,0\n") && once.contains("1,1\n"), "both neighbours are drawn");
}

#[test]
fn errors_name_the_line_what_was_found_and_what_is_legal() {
    let table = [
        ("encode int8", "1\n\nx1\n", "line 3: `x1` is not a number; give a decimal"),
        ("eval int4 --op add", "1,1\n1,16", "line 2: code 16 lies outside 0 to 0xf, the 4-bit codes of int4"),
        (
            "eval int4 --op add",
            "1,-1",
            "line 1: `-1` is not a code; give a decimal (56) or hexadecimal (0x38)",
        ),
        ("eval int4 --op add", "1 1", "line 1: `1 1` is not a pair; give two numbers as `a,b`"),
        ("eval int4 --op add", "1,1,1", "is not a pair"),
        ("eval int4 --op lmul", "1,1", "L-Mul needs a minifloat with a mantissa, and int4 is not one"),
        (
            "eval nvfp4 --op add",
            "1,1",
            "addition needs a format of one real number a code, and nvfp4 is not one",
        ),
        ("eval sherry --op mul", "1,1", "and sherry is not one"),
        ("encode sherry", "1\n2\n3", "weights of the last group: 3 given, 4 needed"),
        ("encode ifairy", "1", "is not a pair"),
        (
            "encode int8 --rounding up",
            "1",
            "`up` is not a rounding; give nearest_even, nearest_away, toward_zero, stochastic:<seed>",
        ),
        ("show posit9_7", "", "N from 3 to 16 and es from 0 to 2"),
        ("show fp4_e4m3", "", "fp4 has 3 bits"),
        ("show int0", "", "2 to 16 bits"),
        ("show decimal", "", "unknown format `decimal`; the families are int<2-16>"),
        ("plot fp32 -o never.svg", "", "at most 16 bits"),
        ("plot ifairy -o never.svg", "", "a number line needs"),
        ("plot int4 -o no/such/folder/x.svg", "", "cannot write no/such/folder/x.svg"),
    ];
    for (arguments, input, expected) in table {
        let error = run(arguments, input).unwrap_err();
        assert!(error.contains(expected), "{arguments}: {error}");
    }
}

#[test]
fn show_lists_every_code_exactly() {
    assert_eq!(run("show uint1 --csv", "").unwrap(), "code,value\n0,0\n1,1\n");
    let fp8 = run("show fp8_e4m3 --csv", "").unwrap();
    assert_eq!(fp8.lines().count(), 257);
    assert_eq!(fp8.lines().nth(2), Some("1,0.001953125"));
    assert_eq!(fp8.lines().nth(128), Some("127,nan"));
    assert!(
        run("show e8m0 --csv", "").unwrap().contains("254,1.70141183460469231731687303715884105728e38\n")
    );
    assert!(run("show fp16 --csv --hex", "").unwrap().contains("\n1,0x1p-24\n"));
    assert!(run("show sherry --csv", "").unwrap().contains("0,0 1 1 1\n"));
    assert_eq!(run("show ifairy --csv", "").unwrap(), "code,value\n0,1\n1,i\n2,-1\n3,-i\n");
    let page = run("show fp8_e4m3", "").unwrap();
    for expected in ["448", "NaN", "overflow", "Saturates", "_nonsat", "dynamic range"] {
        assert!(page.contains(expected), "{expected}");
    }
    assert!(run("show fp4_e2m1", "").unwrap().contains("0111  6\n"));
}

#[test]
fn the_list_has_the_catalogue_in_both_forms() {
    let table = run("", "").unwrap();
    assert_eq!(table, run("list", "").unwrap());
    assert_eq!(run("--json", "").unwrap(), run("list --json", "").unwrap());
    let json: serde_json::Value = serde_json::from_str(&run("list --json", "").unwrap()).unwrap();
    let entries = json.as_array().unwrap();
    assert_eq!(entries.len(), bitmill_formats::catalogue::NAMES.len());
    assert_eq!(table.lines().count(), entries.len() + 1);
    let fp8 = entries.iter().find(|entry| entry["name"] == "fp8_e4m3").unwrap();
    assert_eq!((fp8["highest"].as_f64(), fp8["smallest_step"].as_f64()), (Some(448.0), Some(2f64.powi(-9))));
    assert!(table.contains("1.25"), "Sherry's width");
}

#[test]
fn a_codebook_of_ones_own_is_a_format() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let mine = write("mine.yaml", "name: mine\nvalues: [-1, -0.25, 0, 2]\nties: upper\n");
    assert_eq!(run(&format!("--codebook {mine} encode mine"), "1\n-0.6").unwrap(), "3,2\n1,-0.25\n");
    assert!(run(&format!("list --codebook {mine}"), "").unwrap().contains("mine "));
    let table = [
        ("unknown.yaml", "name: mine\nvalues: [0, 1]\nweights: 3\n", "weights"),
        ("taken.yaml", "name: int8\nvalues: [0, 1]\n", "`int8` already names a format"),
        ("short.yaml", "name: mine\nvalues: [1]\n", "2 to 256 values, not 1"),
        ("nan.yaml", "name: mine\nvalues: [0, .nan]\n", "finite numbers"),
        ("ties.yaml", "name: mine\nvalues: [0, 1]\nties: up\n", "even_place"),
    ];
    for (name, text, expected) in table {
        let path = write(name, text);
        let error = run(&format!("--codebook {path} list"), "").unwrap_err();
        assert!(error.contains(expected) && error.contains(name), "{name}: {error}");
    }
    assert!(run("--codebook missing.yaml list", "").unwrap_err().contains("missing.yaml"));
}

#[test]
fn plots_are_whole_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("line.svg");
    for name in ["fp4_e2m1", "bitmod_fp3", "e8m0", "mxfp4", "posit16_1", "binary"] {
        run(&format!("plot {name} -o {}", path.display()), "").unwrap();
        let svg = fs::read_to_string(&path).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains(name), "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    let svg = super::number_line::draw(&"fp4_e2m1".parse().unwrap()).unwrap();
    assert_eq!(svg.matches("v28").count(), 15 + 7, "15 values, 7 of them positive");
}

//! The house rules that a compiler does not check: which crate may know which, who may touch the outside
//! world, and how files look. ARCHITECTURE.md gives the reasons.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a crate may depend on, and whether it may touch files, processes and the environment.
struct Rule {
    folder: &'static str,
    package: &'static str,
    may_know: &'static [&'static str],
    pure: bool,
}

/// One line a crate, bottom first. `sim` and `cost_model` do not know each other: `explore` joins them.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { folder: "rtl/hdl", package: "bitmill-hdl", may_know: &[], pure: true },
    Rule { folder: "rtl/formats", package: "bitmill-formats", may_know: &["hdl"], pure: true },
    Rule { folder: "rtl/units", package: "bitmill-units", may_know: &["hdl", "formats"], pure: true },
    Rule { folder: "rtl/accelerator", package: "bitmill-accelerator", may_know: &["hdl", "formats", "units"], pure: true },
    Rule { folder: "model", package: "bitmill-model", may_know: &["formats"], pure: true },
    Rule { folder: "sim", package: "bitmill-sim", may_know: &["hdl", "formats", "units", "accelerator", "model"], pure: true },
    Rule { folder: "cost_model", package: "bitmill-cost-model", may_know: &["hdl", "formats", "units", "accelerator"], pure: true },
    Rule { folder: "explore", package: "bitmill-explore", may_know: &["hdl", "formats", "units", "accelerator", "model", "sim", "cost-model"], pure: true },
    Rule { folder: "testbenches", package: "bitmill-testbenches", may_know: &["hdl", "formats", "units", "accelerator", "model", "sim"], pure: false },
    Rule { folder: "gen", package: "bitmill", may_know: &["hdl", "formats", "units", "accelerator", "model", "sim", "cost-model", "explore", "testbenches"], pure: false },
    Rule { folder: "xtask", package: "xtask", may_know: &["hdl", "formats", "units", "accelerator", "model", "sim", "cost-model", "explore", "testbenches"], pure: false },
];

/// What reaches outside, or makes a run differ from the next.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::process",
    "std::env",
    "std::net",
    "fs::read",
    "fs::write",
    "File::open",
    "File::create",
    "Command::new",
    "Instant::now",
    "SystemTime",
    "thread_rng",
    "rand::rng()",
    "from_os_rng",
    "println!",
    "eprintln!",
];

/// Longest Rust file. The aim is 300 lines; a file above this one has two ideas in it.
const LONGEST_FILE: usize = 500;

/// Longest function. The aim is 70 lines.
const LONGEST_FUNCTION: usize = 150;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in the workspace").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(folder: &Path) -> toml::Table {
    let path = folder.join("Cargo.toml");
    read(&path).parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files under `folder` that `wanted` accepts by their extension, without build products and hidden folders.
fn files(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut work = vec![folder.to_owned()];
    while let Some(folder) = work.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a readable folder").path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let skipped =
                name.starts_with('.') || ["target", "out", "node_modules", "__pycache__"].contains(&&*name);
            if path.is_dir() && !skipped {
                work.push(path);
            } else if path.extension().is_some_and(|extension| wanted(&extension.to_string_lossy())) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<PathBuf> {
    files(&root(), &|extension| extension == "rs")
}

/// `path` below the workspace, for messages.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Fails with all `complaints`, one a line.
#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_member_of_the_workspace_has_a_rule() {
    let manifest = manifest(&root());
    let members = manifest["workspace"]["members"].as_array().expect("the workspace lists its members");
    for member in members {
        let folder = member.as_str().expect("members are folders");
        assert!(RULES.iter().any(|rule| rule.folder == folder), "{folder} needs a line in RULES");
    }
}

#[test]
fn dependencies_point_one_way() {
    let mut complaints = Vec::new();
    for rule in RULES.iter().filter(|rule| root().join(rule.folder).exists()) {
        let manifest = manifest(&root().join(rule.folder));
        assert_eq!(manifest["package"]["name"].as_str(), Some(rule.package), "{}", rule.folder);
        let none = toml::Table::new();
        let dependencies = manifest.get("dependencies").and_then(|table| table.as_table()).unwrap_or(&none);
        for name in dependencies.keys() {
            if let Some(known) = name.strip_prefix("bitmill-")
                && !rule.may_know.contains(&known)
            {
                complaints.push(format!("{}: must not depend on {name}", rule.folder));
            }
            if ["rust-hdl", "fast-posit"].contains(&&**name) {
                complaints.push(format!("{}: {name} is for tests only", rule.folder));
            }
        }
    }
    none(complaints);
}

#[test]
fn rules_themselves_point_one_way() {
    // A crate may know only those above it in the table, so that the table has no cycle.
    let mut known: Vec<&str> = Vec::new();
    for rule in RULES {
        for name in rule.may_know {
            assert!(known.contains(name), "{} knows {name}, which comes later", rule.folder);
        }
        known.push(rule.package.strip_prefix("bitmill-").unwrap_or(rule.package));
    }
}

#[test]
fn only_programs_touch_the_outside_world() {
    let mut complaints = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.pure) {
        for path in files(&root().join(rule.folder).join("src"), &|extension| extension == "rs") {
            for (number, line) in product_code(&read(&path)) {
                if let Some(reach) = IMPURE.iter().find(|reach| line.contains(**reach)) {
                    complaints.push(format!("{}:{number}: {reach} in a pure crate", shown(&path)));
                }
            }
        }
    }
    none(complaints);
}

/// Lines with their numbers, without comments and without `#[cfg(test)]` modules.
fn product_code(text: &str) -> Vec<(usize, &str)> {
    let mut code = Vec::new();
    let mut in_tests = false;
    for (index, line) in text.lines().enumerate() {
        in_tests |= line.trim() == "#[cfg(test)]";
        if !in_tests && !line.trim_start().starts_with("//") {
            code.push((index + 1, line));
        }
        // A module of tests ends at its closing brace in the first column; a single item at its semicolon.
        in_tests &= line != "}" && !(line.starts_with("mod ") && line.ends_with(';'));
    }
    code
}

#[test]
fn tests_are_told_from_product_code() {
    let text = "a\n// b\n#[cfg(test)]\nmod tests {\n    c\n}\nd\n#[cfg(test)]\nmod tests;\ne";
    let code: Vec<&str> = product_code(text).into_iter().map(|(_, line)| line).collect();
    assert_eq!(code, ["a", "d", "e"]);
}

#[test]
fn files_say_what_they_are_and_are_one_idea() {
    let mut complaints = Vec::new();
    for path in rust_files() {
        let text = read(&path);
        let (name, lines) = (shown(&path), text.lines().count());
        if lines > LONGEST_FILE {
            complaints.push(format!("{name}: {lines} lines, where {LONGEST_FILE} are too many"));
        }
        if !text.starts_with("//!") {
            complaints.push(format!("{name}: the first line is to say what the file is (`//!`)"));
        }
        for (number, length) in functions(&text).into_iter().filter(|(_, length)| *length > LONGEST_FUNCTION)
        {
            complaints
                .push(format!("{name}:{number}: a function of {length} lines does not fit on a screen"));
        }
    }
    none(complaints);
}

/// First line and length of each function, by the indentation that rustfmt gives its closing brace.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = |line: &str| {
        let words = line.trim_start();
        ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "const fn ", "pub const fn "]
            .iter()
            .any(|start| words.starts_with(start))
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate().filter(|(_, line)| starts(line)) {
        let closes = |other: &str| other.trim_end() == format!("{}}}", " ".repeat(indent(line)));
        if !line.ends_with(';')
            && let Some(length) = lines[start..].iter().position(|other| closes(other))
        {
            found.push((start + 1, length + 1));
        }
    }
    found
}

#[test]
fn nothing_is_left_to_do() {
    // Spelled in two parts, so that this file does not complain of itself.
    let marks =
        [["to", "do!("], ["unimpl", "emented!("], ["FIX", "ME"], ["dbg", "!("]].map(|parts| parts.concat());
    let mut complaints = Vec::new();
    for path in rust_files() {
        for (index, line) in read(&path).lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(*mark)) {
                complaints.push(format!("{}:{}: {mark}", shown(&path), index + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn nothing_names_somebodys_machine() {
    let homes = [["/ho", "me/"], ["/ro", "ot/"], ["/Us", "ers/"], ["/wo", "rk/"]].map(|parts| parts.concat());
    let text =
        ["rs", "toml", "md", "yaml", "yml", "py", "sh", "v", "cpp", "h", "tcl", "snap", "json", "txt", "csv"];
    let mut complaints = Vec::new();
    for path in files(&root(), &|extension| text.contains(&extension)) {
        for (index, line) in
            String::from_utf8_lossy(&fs::read(&path).expect("a readable file")).lines().enumerate()
        {
            if let Some(home) = homes.iter().find(|home| line.contains(*home)) {
                complaints.push(format!("{}:{}: a path on one machine: {home}", shown(&path), index + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn snapshots_carry_no_rust_line_numbers() {
    let mut complaints = Vec::new();
    for path in files(&root(), &|extension| extension == "snap") {
        for line in
            read(&path).lines().filter(|line| line.contains(".rs:") || line.contains("assertion_line"))
        {
            complaints.push(format!("{}: {line}", shown(&path)));
        }
    }
    none(complaints);
}

#[test]
fn versions_stand_in_one_place() {
    // Members inherit every dependency from the workspace, so that a version is written once.
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for rule in RULES.iter().filter(|rule| root().join(rule.folder).exists()) {
        let manifest = manifest(&root().join(rule.folder));
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(section).and_then(|table| table.as_table()) else { continue };
            for (name, value) in table {
                let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                if !inherited {
                    places.entry(name.clone()).or_default().push(rule.folder.to_owned());
                }
            }
        }
    }
    none(
        places
            .into_iter()
            .map(|(name, folders)| format!("{name}: its version stands in {folders:?}"))
            .collect(),
    );
}

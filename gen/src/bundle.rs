//! What `generate` writes: Verilog, one module a file, with all that tools and people need beside it.
//!
//! | file | what |
//! |---|---|
//! | `rtl/*.v` | the modules |
//! | `files.f` | their paths, children before parents |
//! | `NAME.core` | the FuseSoC description |
//! | `tb/` | a self-checking testbench with its vectors |
//! | `manifest.json` | what was asked for, its hash, and the hash of every file |

mod accelerator_testbench;
mod unit_testbench;

use bitmill_hdl::{Design, verilog};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::output::{Files, MANIFEST};

pub use accelerator_testbench::{Inference, testbench as accelerator_testbench};
pub use unit_testbench::testbench as unit_testbench;

/// What was asked for: it stands in the manifest, and its text is hashed.
pub struct Request {
    /// `unit` or `accelerator`.
    pub kind: &'static str,
    /// All parameters, those with defaults too, in canonical form.
    pub text: String,
    /// The same as JSON.
    pub value: Value,
}

/// The files of `design`, with the testbench's, if there is one.
pub fn bundle(design: &Design, request: &Request, testbench: Option<Files>) -> Files {
    let mut files = testbench.unwrap_or_default();
    let vectors: Vec<String> = files.iter().map(|(path, _)| path.to_owned()).collect();
    for module in &design.modules {
        files.add(format!("rtl/{}.v", module.name), verilog::emit(module));
    }
    let paths: Vec<String> = design.modules.iter().map(|module| format!("rtl/{}.v", module.name)).collect();
    files.add("files.f", paths.iter().map(|path| format!("{path}\n")).collect::<String>());
    files.add(format!("{}.core", design.top.name), core(design, &paths, &vectors));
    let manifest = manifest(design, request, &files);
    files.add(MANIFEST, format!("{manifest:#}\n"));
    files
}

fn manifest(design: &Design, request: &Request, files: &Files) -> Value {
    let listed: Vec<Value> =
        files.iter().map(|(path, content)| json!({ "path": path, "sha256": sha256(content) })).collect();
    let modules: Vec<Value> = design
        .modules
        .iter()
        .map(|m| json!({ "name": m.name, "described_in": m.described_in.replace('\\', "/") }))
        .collect();
    json!({
        "generator": "bitmill",
        "version": env!("CARGO_PKG_VERSION"),
        "top": design.top.name,
        "kind": request.kind,
        "configuration": request.value,
        "configuration_sha256": sha256(request.text.as_bytes()),
        "modules": modules,
        "files": listed,
    })
}

/// The hash of `bytes`, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// FuseSoC's description, CAPI 2.
fn core(design: &Design, paths: &[String], vectors: &[String]) -> String {
    let top = &design.top.name;
    let purpose = design.top.purpose.lines().next().unwrap_or_default().trim_end_matches('.');
    let list = |paths: &[String], kind: &str| -> String {
        paths.iter().map(|path| format!("      - {path}{kind}\n")).collect()
    };
    let mut text = format!(
        "CAPI=2:\nname: \"::{top}:{}\"\ndescription: \"{}\"\n\nfilesets:\n  rtl:\n    files:\n{}    \
         file_type: verilogSource\n",
        env!("CARGO_PKG_VERSION"),
        purpose.replace(['"', '\\'], "'"),
        list(paths, "")
    );
    let has_testbench = !vectors.is_empty();
    if has_testbench {
        let (sources, data): (Vec<String>, Vec<String>) =
            vectors.iter().cloned().partition(|path| path.ends_with(".v"));
        let data: String = data
            .iter()
            .map(|path| format!("      - {path}: {{file_type: user, copyto: {path}}}\n"))
            .collect();
        text += &format!("  tb:\n    files:\n{}{data}", list(&sources, ": {file_type: systemVerilogSource}"));
    }
    text += &format!("\ntargets:\n  default: &default\n    filesets: [rtl]\n    toplevel: {top}\n");
    text += "  lint:\n    <<: *default\n    default_tool: verilator\n    tools:\n      verilator:\n        mode: lint-only\n        \
             verilator_options: [-Wall]\n";
    if has_testbench {
        text += &format!(
            "  sim:\n    filesets: [rtl, tb]\n    toplevel: {top}_tb\n    default_tool: icarus\n    tools:\n      icarus:\n        \
             iverilog_options: [-g2012]\n"
        );
    }
    text
}

/// Replaces each `@NAME@` of a template.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

/// Port connections of the module under test, one a line.
fn connections(pairs: &[(String, String)]) -> String {
    let width = pairs.iter().map(|(port, _)| port.len()).max().unwrap_or(0);
    let lines: Vec<String> =
        pairs.iter().map(|(port, signal)| format!("    .{port:width$} ({signal})")).collect();
    lines.join(",\n")
}

//! Emits Verilog-2001 that reads as handwritten, in the subset that Verilator 5.006, Yosys 0.23 and
//! Icarus Verilog 11 take, clean under `verilator --lint-only -Wall`.
//!
//! Every width is explicit: operands are extended to the width of the result before the operator, so that
//! nothing leans on context-determined widths. Named signals become wires; unnamed expressions are written
//! in place, and get a name derived from their reader where Verilog needs one.

mod body;
mod expression;
mod names;
mod unused;
mod wrap;

use crate::Module;
use crate::module::{Direction, Port};

/// The Verilog text of one module, without those below it.
pub fn emit(module: &Module) -> String {
    let mut text = String::new();
    header(module, &mut text);
    ports(module, &mut text);
    body::emit(module, &mut text);
    text.push_str("endmodule\n");
    text
}

fn header(module: &Module, text: &mut String) {
    let mut lines = module.purpose.lines();
    let first = lines.next().unwrap_or_default();
    push_comment(text, "", &format!("{}: {first}", module.name));
    for line in lines {
        push_comment(text, "", line);
    }
    push_comment(text, "", &format!("Described in {}", module.described_in.replace('\\', "/")));
}

fn push_comment(text: &mut String, indent: &str, comment: &str) {
    let mut line = format!("{indent}//");
    for word in comment.split(' ') {
        if line.len() + 1 + word.len() > LINE_WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = format!("{indent}//");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

const LINE_WIDTH: usize = 108;

fn ports(module: &Module, text: &mut String) {
    text.push_str(&format!("module {} (\n", module.name));
    let types: Vec<String> = module.ports.iter().map(port_type).collect();
    let width = types.iter().map(String::len).max().unwrap_or(0).max("input  wire".len());
    let mut lines: Vec<(String, String)> = Vec::new();
    if module.clocked {
        lines.push((format!("  {:width$} clk_i", "input  wire"), String::new()));
        lines.push((format!("  {:width$} rst_ni", "input  wire"), "synchronous, active low".to_owned()));
    }
    let mut headings: Vec<(usize, &str)> = Vec::new();
    let mut group = "";
    for (port, kind) in module.ports.iter().zip(&types) {
        if port.group != group {
            group = &port.group;
            headings.push((lines.len(), group));
        }
        lines.push((format!("  {kind:width$} {}", port.name), port.comment.clone()));
    }
    let mut headings = headings.into_iter().peekable();
    let count = lines.len();
    for (index, (line, comment)) in lines.into_iter().enumerate() {
        if let Some((_, heading)) = headings.next_if(|(at, _)| *at == index) {
            text.push_str(&format!("  // {heading}\n"));
        }
        let comma = if index + 1 < count { "," } else { "" };
        let comment = if comment.is_empty() { String::new() } else { format!("  // {comment}") };
        text.push_str(&format!("{line}{comma}{comment}\n"));
    }
    text.push_str(");\n");
}

fn port_type(port: &Port) -> String {
    let direction = if port.direction == Direction::Input { "input " } else { "output" };
    let range = expression::range(port.shape);
    format!("{direction} wire{range}")
}

/// Whether `name` is a simple Verilog identifier.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether `name` is reserved in Verilog-2001 or SystemVerilog.
pub(crate) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// Reserved words that a hardware designer might reach for; IEEE 1364-2005 Annex B and IEEE 1800-2017 Annex B.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "accept_on", "alias", "always", "and", "assert", "assign", "assume", "automatic", "before", "begin",
    "bind", "bins", "bit", "break", "buf", "bufif0", "bufif1", "byte", "case", "casex", "casez", "cell",
    "chandle", "checker", "class", "clocking", "cmos", "config", "const", "constraint", "context",
    "continue", "cover", "covergroup", "coverpoint", "cross", "deassign", "default", "defparam", "design",
    "disable", "dist", "do", "edge", "else", "end", "endcase", "endclass", "endfunction", "endgenerate",
    "endinterface", "endmodule", "endpackage", "endprimitive", "endprogram", "endproperty", "endsequence",
    "endspecify", "endtable", "endtask", "enum", "event", "expect", "export", "extends", "extern", "final",
    "first_match", "for", "force", "foreach", "forever", "fork", "function", "generate", "genvar", "global",
    "highz0", "highz1", "if", "iff", "ifnone", "implies", "import", "include", "initial", "inout", "input",
    "inside", "instance", "int", "integer", "interface", "intersect", "join", "large", "let", "liblist",
    "library", "local", "localparam", "logic", "longint", "macromodule", "matches", "medium", "modport",
    "module", "nand", "negedge", "new", "nmos", "nor", "not", "notif0", "notif1", "null", "or", "output",
    "package", "packed", "parameter", "pmos", "posedge", "primitive", "priority", "program", "property",
    "protected", "pull0", "pull1", "pulldown", "pullup", "pure", "rand", "randc", "randcase", "real",
    "realtime", "ref", "reg", "reject_on", "release", "repeat", "restrict", "return", "scalared",
    "sequence", "shortint", "shortreal", "signed", "small", "solve", "specify", "static", "string",
    "strong", "strong0", "strong1", "struct", "super", "supply0", "supply1", "table", "tagged", "task",
    "this", "throughout", "time", "timeprecision", "timeunit", "tran", "tri", "tri0", "tri1", "triand",
    "trior", "trireg", "type", "typedef", "union", "unique", "unsigned", "until", "use", "var", "vectored",
    "virtual", "void", "wait", "wand", "weak", "while", "wildcard", "wire", "with", "within", "wor", "xnor",
    "xor",
];

//! Breaks long lines the way a person would: after an operator or a comma, as far out of brackets as possible.

use super::LINE_WIDTH;

/// Where a line may be broken: after these.
const OPERATORS: &[&str] = &[
    ", ", " ? ", " : ", " & ", " | ", " ^ ", " + ", " - ", " * ", " << ", " >> ", " >>> ", " == ", " != ",
    " < ",
];

/// How much rather a line is broken elsewhere than after an assignment; a bracket counts 2.
const AFTER_ASSIGNMENT: i32 = 3;

/// A place to break a line, and how bad a place it is.
struct Breakpoint {
    at: usize,
    penalty: i32,
}

/// `line` and its continuation lines, each ended by a newline. Continuation lines stand four columns deeper.
pub(super) fn wrapped(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let margin = " ".repeat(indent + 4);
    let breakpoints = breakpoints(line, indent);
    let (mut text, mut start, mut room) = (String::new(), 0, LINE_WIDTH);
    while line.len() - start > room {
        let reachable = breakpoints.iter().filter(|b| b.at > start && b.at <= start + room);
        let Some(best) = reachable.min_by_key(|b| (b.penalty, std::cmp::Reverse(b.at))) else { break };
        text.push_str(line[start..best.at].trim_end());
        text.push('\n');
        text.push_str(&margin);
        start = best.at;
        room = LINE_WIDTH - margin.len();
    }
    text.push_str(&line[start..]);
    text.push('\n');
    text
}

fn breakpoints(line: &str, indent: usize) -> Vec<Breakpoint> {
    let mut depth = 0;
    let mut found = Vec::new();
    for (at, byte) in line.bytes().enumerate() {
        depth += match byte {
            b'(' | b'[' | b'{' => 1,
            b')' | b']' | b'}' => -1,
            _ => 0,
        };
        let rest = &line[at..];
        let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator)).map(|o| (o.len(), 0));
        let assignment = [" = ", " <= "].iter().find(|a| rest.starts_with(**a));
        let condition = depth == 0 && line[indent..].starts_with("if (") && rest.starts_with(") ");
        let place = operator
            .or(assignment.map(|a| (a.len(), AFTER_ASSIGNMENT)))
            .or(condition.then_some((") ".len(), 0)));
        if let Some((length, extra)) = place {
            found.push(Breakpoint { at: at + length, penalty: 2 * depth + extra });
        }
    }
    found
}

//! One format: its page, or every code with its value.

use std::io::{self, Write};

use bitmill_formats::{Complex, Dyadic, Family, Format, Sherry, Value, text};

/// Formats of at most this many bits have their codes on the page.
const PAGE_CODE_BITS: u32 = 4;

/// `code,value` for every code.
pub(super) fn csv(format: &Format, hex: bool, output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "code,value")?;
    for code in 0..=u32::MAX >> (32 - format.code_bits()) {
        writeln!(output, "{code},{}", value_of(format, code, hex))?;
    }
    Ok(())
}

/// Figures, policies, and the codes if there are few.
pub(super) fn page(format: &Format, hex: bool, output: &mut impl Write) -> io::Result<()> {
    let summary = format.summary();
    let exact = |x: Dyadic| real(&Value::Finite(x), hex);
    writeln!(output, "{} ({})\n", summary.name, summary.family)?;
    let figures = [
        ("bits per value", summary.bits_per_value.to_string()),
        ("lowest", exact(summary.lowest)),
        ("highest", exact(summary.highest)),
        ("smallest above zero", exact(summary.smallest_positive)),
        ("smallest step", exact(summary.smallest_step)),
        ("dynamic range", format!("{:.1} dB", summary.dynamic_range_db)),
    ];
    for (what, figure) in figures {
        writeln!(output, "  {what:<20} {figure}")?;
    }
    writeln!(output)?;
    for policy in format.policies() {
        writeln!(output, "  {:<20} {}", policy.topic, policy.rule)?;
    }
    writeln!(output)?;
    if format.code_bits() > PAGE_CODE_BITS {
        return writeln!(output, "  `bitmill formats show {format} --csv` lists every code.");
    }
    let width = format.code_bits() as usize;
    for code in 0..=u32::MAX >> (32 - format.code_bits()) {
        writeln!(output, "  {code:0width$b}  {}", value_of(format, code, hex))?;
    }
    Ok(())
}

/// The value of a code in words: a number, four weights, or a complex unit.
fn value_of(format: &Format, code: u32, hex: bool) -> String {
    match format {
        Format::Scalar(scalar) => real(&scalar.decode(code), hex),
        Format::Block(block) => real(&block.element().decode(code), hex),
        Format::Grouped(grouped) => real(&grouped.element().decode(code), hex),
        Format::Sherry(sherry) => four(sherry, code),
        Format::Complex(complex) => complex_unit(complex, code).to_owned(),
    }
}

/// A real number without rounding.
pub(super) fn real(value: &Value, hex: bool) -> String {
    if hex { text::hexadecimal(value) } else { text::decimal(value) }
}

/// The four weights of a Sherry code, separated by blanks.
pub(super) fn four(sherry: &Sherry, code: u32) -> String {
    sherry.decode(code).map(|weight| weight.to_string()).join(" ")
}

/// 1, i, -1 or -i.
pub(super) fn complex_unit(complex: &Complex, code: u32) -> &'static str {
    match complex.decode(code) {
        (1, _) => "1",
        (-1, _) => "-1",
        (_, 1) => "i",
        _ => "-i",
    }
}

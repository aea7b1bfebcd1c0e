//! Filters from standard input to standard output: encoding numbers and evaluating pairs of codes.

use std::error::Error;
use std::io::{BufRead, Write};

use bitmill_formats::{
    Block, Complex, Family, Format, FormatError, Grouped, LMul, Rounding, Scalar, Sherry, Value, arithmetic,
    text,
};

use super::Operation;
use super::input::{for_each_line, parse_code, parse_pair};
use super::show::{complex_unit, four, real};

/// Encodes numbers to `code,value` lines.
pub(super) fn encode(
    format: &Format,
    rounding: Rounding,
    hex: bool,
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    match format {
        Format::Scalar(scalar) => encode_scalars(scalar, rounding, hex, input, output),
        Format::Block(block) => encode_block(block, rounding, hex, input, output),
        Format::Grouped(grouped) => encode_row(grouped, hex, input, output),
        Format::Sherry(sherry) => encode_fours(sherry, input, output),
        Format::Complex(complex) => encode_complex(complex, input, output),
    }
}

/// Evaluates an operation on pairs of codes.
pub(super) fn evaluate(
    format: &Format,
    operation: Operation,
    rounding: Rounding,
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let work = work_of(format, operation, rounding)?;
    let largest = u32::MAX >> (32 - format.code_bits());
    let check = |text: &str| -> Result<u32, Box<dyn Error>> {
        let code = parse_code(text)?;
        let legal = u32::try_from(code).ok().filter(|code| *code <= largest);
        let (bits, format) = (format.code_bits(), format.to_string());
        Ok(legal.ok_or(FormatError::CodeOutOfRange { code, largest, bits, format })?)
    };
    for_each_line(input, |line| {
        let (a, b) = parse_pair(line)?;
        writeln!(output, "{}", work(check(a)?, check(b)?))?;
        Ok(())
    })
}

/// The function from two codes to the code of the result, or why there is none.
fn work_of(
    format: &Format,
    operation: Operation,
    rounding: Rounding,
) -> Result<Box<dyn Fn(u32, u32) -> u32>, FormatError> {
    let unsupported =
        |operation, needs| FormatError::Unsupported { operation, needs, format: format.to_string() };
    Ok(match (operation, format) {
        (Operation::Lmul, Format::Scalar(Scalar::Minifloat(minifloat))) => {
            let lmul = LMul::new(*minifloat)?;
            Box::new(move |a, b| lmul.multiply(a, b))
        }
        (Operation::Lmul, _) => return Err(unsupported("L-Mul", "a minifloat with a mantissa")),
        (Operation::Mul, Format::Complex(complex)) => {
            let complex = *complex;
            Box::new(move |a, b| complex.multiply(a, b))
        }
        (Operation::Add, Format::Scalar(scalar)) => {
            let scalar = scalar.clone();
            Box::new(move |a, b| arithmetic::add(&scalar, a, b, rounding))
        }
        (Operation::Mul, Format::Scalar(scalar)) => {
            let scalar = scalar.clone();
            Box::new(move |a, b| arithmetic::multiply(&scalar, a, b, rounding))
        }
        (Operation::Add, _) => return Err(unsupported("addition", "a format of one real number a code")),
        (Operation::Mul, _) => return Err(unsupported("multiplication", "a format of one number a code")),
    })
}

fn encode_scalars(
    scalar: &Scalar,
    rounding: Rounding,
    hex: bool,
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut index = 0;
    for_each_line(input, |line| {
        let code = scalar.encode_at(&text::parse_real(line)?, rounding, index);
        index += 1;
        writeln!(output, "{code},{}", real(&scalar.decode(code), hex))?;
        Ok(())
    })
}

fn encode_block(
    block: &Block,
    rounding: Rounding,
    hex: bool,
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut values = vec![];
    for_each_line(input, |line| {
        values.push(text::parse_real(line)?.to_f32());
        Ok(())
    })?;
    let tensor = block.encode(&values, rounding);
    for (index, code) in tensor.elements.iter().enumerate() {
        let scale = tensor.scales[index / block.size()];
        writeln!(output, "{code},{},{scale}", real(&block.value(&tensor, index), hex))?;
    }
    Ok(())
}

/// A row of weights: code, value and the scale of the group.
fn encode_row(
    grouped: &Grouped,
    hex: bool,
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut weights = vec![];
    for_each_line(input, |line| {
        weights.push(text::parse_real(line)?.to_f64());
        Ok(())
    })?;
    let groups = grouped.groups(1, weights.len());
    let row = grouped.encode(&weights, &groups, &[1.0]);
    for (group, scale) in groups.into_iter().zip(&row.scales) {
        for index in group {
            let units = f64::from(row.integers[index]) * 2f64.powi(grouped.lsb_exponent());
            let value = Value::from_f64(row.step * units);
            writeln!(output, "{},{},{scale}", row.codes[index], real(&value, hex))?;
        }
    }
    Ok(())
}

fn encode_fours(sherry: &Sherry, input: impl BufRead, output: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut group = vec![];
    for_each_line(input, |line| {
        group.push(text::parse_real(line)?.to_f32());
        if let Ok(weights) = <[f32; 4]>::try_from(&group[..]) {
            let code = sherry.encode(weights);
            writeln!(output, "{code},{}", four(sherry, code))?;
            group.clear();
        }
        Ok(())
    })?;
    if group.is_empty() {
        return Ok(());
    }
    let (given, expected) = (group.len(), Sherry::LANES);
    Err(FormatError::Length { what: "weights of the last group", given, expected }.into())
}

fn encode_complex(
    complex: &Complex,
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    for_each_line(input, |line| {
        let (re, im) = parse_pair(line)?;
        let code = complex.encode(text::parse_real(re)?.to_f32(), text::parse_real(im)?.to_f32());
        writeln!(output, "{code},{}", complex_unit(complex, code))?;
        Ok(())
    })
}

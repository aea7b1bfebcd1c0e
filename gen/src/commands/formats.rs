//! `bitmill formats`: the number formats, for people who study them.

mod input;
mod list;
mod number_line;
mod show;
mod stream;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use bitmill_formats::Rounding;
use clap::{Args, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  bitmill formats                                        the catalogue, with range and step
  bitmill formats show fp8_e4m3                          one format and its policies
  bitmill formats show posit8_1 --csv                    code,value for every code, exactly
  echo 0.3 | bitmill formats encode fp4_e2m1             prints 1,0.5: the code and its value
  echo 0x38,0x3c | bitmill formats eval fp8_e4m3 --op mul
  bitmill formats plot bitmod_fp3 -o fp3.svg
  bitmill formats --codebook nf4.yaml show nf4           a codebook of your own

A format that is not in the catalogue is understood by its name too: int5, fp7_e3m3, posit12_2,
mxfp4_g64, bfp6_g8. A codebook file holds `name`, `values` and `ties` (lower, upper, toward_zero or
even_place).";

/// Number formats: list, show, encode, evaluate, plot.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = false)]
pub struct FormatsArgs {
    /// A YAML file with a codebook of your own; may be given several times.
    #[arg(long, global = true, value_name = "FILE")]
    codebook: Vec<PathBuf>,
    /// Print the list as JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the catalogue: bits, range, smallest step, dynamic range.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Describe one format: figures, policies, codes.
    Show {
        /// Name of the format.
        name: String,
        /// Print a header and `code,value` for every code, values as decimals without rounding. Of a block
        /// format, the codes of its elements under a scale of 1.
        #[arg(long)]
        csv: bool,
        /// Print values as hexadecimal floats.
        #[arg(long)]
        hex: bool,
    },
    /// Encode the real numbers on standard input, one a line, to `code,value`.
    ///
    /// Numbers are decimals, hexadecimal floats, inf or nan. A block format takes all lines as one tensor
    /// and adds the code of the scale: `code,value,scale`. `sherry` takes four lines to one code; `ifairy`
    /// takes `re,im` a line.
    Encode {
        /// Name of the format.
        name: String,
        /// nearest_even, nearest_away, toward_zero or stochastic:SEED.
        #[arg(long, default_value_t = Rounding::NearestEven)]
        rounding: Rounding,
        /// Print values as hexadecimal floats.
        #[arg(long)]
        hex: bool,
    },
    /// Evaluate an operation on the pairs of codes on standard input, `a,b` a line, to the result's code.
    Eval {
        /// Name of the format.
        name: String,
        /// The operation.
        #[arg(long, value_enum)]
        op: Operation,
        /// nearest_even, nearest_away, toward_zero or stochastic:SEED; L-Mul does not round.
        #[arg(long, default_value_t = Rounding::NearestEven)]
        rounding: Rounding,
    },
    /// Draw the number line of a format as SVG.
    Plot {
        /// Name of the format.
        name: String,
        /// The file to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

/// What `eval` computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Operation {
    /// a+b, exact and rounded once.
    Add,
    /// a·b, exact and rounded once.
    Mul,
    /// a·b by L-Mul's integer addition (minifloats).
    Lmul,
}

/// Runs `bitmill formats` on the process's standard streams. Errors name the line of the input, what was
/// found there and what would be legal.
pub fn run(args: &FormatsArgs) -> Result<(), Box<dyn Error>> {
    let output = io::BufWriter::new(io::stdout().lock());
    match run_on(args, io::stdin().lock(), output) {
        // Whoever reads our output may stop early, as `head` does.
        Err(error)
            if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(())
        }
        result => result,
    }
}

fn run_on(args: &FormatsArgs, input: impl BufRead, mut output: impl Write) -> Result<(), Box<dyn Error>> {
    let known = input::Known::read(&args.codebook)?;
    match &args.command {
        None => list::list(args.json, &known, &mut output)?,
        Some(Command::List { json }) => list::list(*json || args.json, &known, &mut output)?,
        Some(Command::Show { name, csv: true, hex }) => show::csv(&known.format(name)?, *hex, &mut output)?,
        Some(Command::Show { name, csv: false, hex }) => show::page(&known.format(name)?, *hex, &mut output)?,
        Some(Command::Encode { name, rounding, hex }) => {
            stream::encode(&known.format(name)?, *rounding, *hex, input, &mut output)?;
        }
        Some(Command::Eval { name, op, rounding }) => {
            stream::evaluate(&known.format(name)?, *op, *rounding, input, &mut output)?;
        }
        Some(Command::Plot { name, output: path }) => number_line::write(&known.format(name)?, path)?,
    }
    output.flush()?;
    Ok(())
}

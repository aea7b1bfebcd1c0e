//! `bitmill disassemble`: the commands of an accelerator, back to readable text.

use std::error::Error;
use std::path::PathBuf;

use bitmill_accelerator::{
    Accelerator, COMMAND_BYTES, COMMAND_WORDS, Fault, Opcode, Queue, Target, decode, fields,
};
use clap::Args;
use serde_json::{Value, json};

use crate::output::print;
use crate::source::accelerator;
use crate::workload::read;

const EXAMPLES: &str = "\
Examples:
  bitmill disassemble out/int8/tb/commands.bin
  bitmill disassemble commands.bin --config examples/digits_int8.yaml --json

A line holds the command's number, its queue and its fields; token masks are shown as the queues that they
name. With --config, commands that the accelerator would refuse are marked with their fault.";

/// Shows the commands of a file, one a line, with their fields.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DisassembleArgs {
    /// Commands as they lie in memory: 64 bytes each
    file: PathBuf,
    /// Accelerator that the commands are checked for, YAML
    #[arg(long, value_name = "YAML")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `bitmill disassemble`.
///
/// # Errors
/// A file that cannot be read or does not hold whole commands.
pub fn run(args: &DisassembleArgs) -> Result<(), Box<dyn Error>> {
    let bytes = read(&args.file)?;
    let size = COMMAND_BYTES as usize;
    if !bytes.len().is_multiple_of(size) {
        let (file, length) = (args.file.display(), bytes.len());
        return Err(format!("{file}: {length} bytes are no whole number of commands of {size} bytes").into());
    }
    let accelerator = args.config.as_deref().map(accelerator).transpose()?;
    let commands: Vec<[u64; COMMAND_WORDS]> = bytes.chunks_exact(size).map(words).collect();
    let fault = |words| accelerator.as_ref().and_then(|a: &Accelerator| Fault::of_command(a, words));
    if args.json {
        let listed: Vec<Value> = commands.iter().map(|words| as_json(words, fault(words))).collect();
        return Ok(print(&format!("{:#}\n", json!({ "commands": listed })))?);
    }
    let lines = commands.iter().enumerate().map(|(index, words)| line(index, words, fault(words)));
    Ok(print(&lines.collect::<String>())?)
}

fn words(bytes: &[u8]) -> [u64; COMMAND_WORDS] {
    std::array::from_fn(|word| {
        bytes[word * 8..][..8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    })
}

fn name(opcode: Option<Opcode>) -> &'static str {
    opcode.map_or("unknown", Opcode::name)
}

fn as_json(words: &[u64; COMMAND_WORDS], fault: Option<Fault>) -> Value {
    let (opcode, values) = decode(words);
    let fields: serde_json::Map<String, Value> =
        values.into_iter().map(|(field, value)| (field.name.to_owned(), value.into())).collect();
    json!({
        "queue": opcode.map(|opcode| opcode.queue().name()),
        "command": name(opcode),
        "fields": fields,
        "fault": fault.map(Fault::meaning),
    })
}

fn line(index: usize, words: &[u64; COMMAND_WORDS], fault: Option<Fault>) -> String {
    let (opcode, values) = decode(words);
    let mut text = format!("{index:>5} {:<7}", name(opcode));
    for (field, value) in values {
        let shown = if field == &fields::OPCODE {
            if opcode.is_some() { continue } else { value.to_string() }
        } else if field == &fields::WAIT || field == &fields::POST {
            queues(value)
        } else if field == &fields::TARGET {
            target(value)
        } else if field == &fields::ADDRESS {
            format!("{value:#010x}")
        } else {
            value.to_string()
        };
        text += &format!(" {}={shown}", field.name);
    }
    if let Some(fault) = fault {
        text += &format!("  ! {}", fault.meaning());
    }
    text + "\n"
}

/// The queues of a token mask; bits of no queue stay numbers.
fn queues(mask: i64) -> String {
    let names: Vec<String> = (0..fields::WAIT.shape.width as usize)
        .filter(|bit| mask >> bit & 1 == 1)
        .map(|bit| Queue::ALL.get(bit).map_or(format!("bit{bit}"), |queue| queue.name().to_owned()))
        .collect();
    if names.is_empty() { "-".to_owned() } else { names.join("+") }
}

fn target(code: i64) -> String {
    let named = Target::ALL.into_iter().find(|target| *target as i64 == code);
    named.map_or_else(|| code.to_string(), |target| target.name().to_owned())
}

//! The `bitmill` program.

mod commands {
    pub mod formats;
}

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Turns a precision set into silicon, and tells what it will do before it is built.
#[derive(Debug, Parser)]
#[command(name = "bitmill", version)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Number formats: list, show, encode, evaluate, plot.
    Formats(commands::formats::FormatsArgs),
}

fn main() -> ExitCode {
    let result = match Program::parse().command {
        Command::Formats(args) => commands::formats::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

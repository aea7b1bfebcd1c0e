//! The `bitmill` program: one subcommand a file, under `commands`.

mod bundle;
mod diagram;
mod language;
mod output;
mod plot;
mod progress;
mod source;
mod svg;
mod table;
mod technology;
mod waves;
mod workload;
mod commands {
    pub mod accuracy;
    pub mod assign;
    pub mod cost;
    pub mod demo;
    pub mod diff;
    pub mod disassemble;
    pub mod explain;
    pub mod explore;
    pub mod formats;
    pub mod generate;
    pub mod plan;
    pub mod power;
    pub mod quantize;
    pub mod render;
    pub mod simulate;
    pub mod technology;
    pub mod units;
    pub mod verify;
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
    Generate(commands::generate::GenerateArgs),
    Simulate(commands::simulate::SimulateArgs),
    Plan(commands::plan::PlanArgs),
    Quantize(commands::quantize::QuantizeArgs),
    Accuracy(commands::accuracy::AccuracyArgs),
    Assign(commands::assign::AssignArgs),
    Render(commands::render::RenderArgs),
    Explain(commands::explain::ExplainArgs),
    Diff(commands::diff::DiffArgs),
    Verify(commands::verify::VerifyArgs),
    Disassemble(commands::disassemble::DisassembleArgs),
    Cost(commands::cost::CostArgs),
    Technology(commands::technology::TechnologyArgs),
    Power(commands::power::PowerArgs),
    Explore(commands::explore::ExploreArgs),
    Units(commands::units::UnitsArgs),
    /// Number formats: list, show, encode, evaluate, plot.
    Formats(commands::formats::FormatsArgs),
    Demo(commands::demo::DemoArgs),
}

fn main() -> ExitCode {
    let result = match Program::parse().command {
        Command::Generate(args) => commands::generate::run(&args),
        Command::Simulate(args) => commands::simulate::run(&args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Quantize(args) => commands::quantize::run(&args),
        Command::Accuracy(args) => commands::accuracy::run(&args),
        Command::Assign(args) => commands::assign::run(&args),
        Command::Render(args) => commands::render::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Diff(args) => commands::diff::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Disassemble(args) => commands::disassemble::run(&args),
        Command::Cost(args) => commands::cost::run(&args),
        Command::Technology(args) => commands::technology::run(&args),
        Command::Power(args) => commands::power::run(&args),
        Command::Explore(args) => commands::explore::run(&args),
        Command::Units(args) => commands::units::run(&args),
        Command::Formats(args) => commands::formats::run(&args),
        Command::Demo(args) => commands::demo::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

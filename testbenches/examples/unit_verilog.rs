//! Writes the Verilog of units of the catalogue: one folder of modules, and a line for each unit asked for.
//!
//!     cargo run -p bitmill-testbenches --example unit_verilog -- FOLDER < requests
//!
//! A request is a line `unit key=value …`; after `|` may stand the name of a module within the unit that is
//! wanted alone. The answer is the name of the top module and those of all modules below it, children first.

use std::error::Error;
use std::io::{BufRead, stdin};
use std::path::PathBuf;
use std::sync::Arc;

use bitmill_hdl::{Design, Module, verilog};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: unit_verilog FOLDER < requests")?);
    std::fs::create_dir_all(&folder)?;
    for line in stdin().lock().lines() {
        let line = line?;
        let (request, part) = line.split_once('|').map_or((line.as_str(), ""), |(r, p)| (r, p.trim()));
        let mut words = request.split_whitespace();
        let unit = bitmill_units::find(words.next().ok_or("an empty request")?)?.unit(words)?;
        let design = Design::new(&part_of(&unit.module()?, part)?)?;
        for module in &design.modules {
            std::fs::write(folder.join(format!("{}.v", module.name)), verilog::emit(module))?;
        }
        let names: Vec<&str> = design.modules.iter().map(|module| module.name.as_str()).collect();
        println!("{} {}", design.top.name, names.join(" "));
    }
    Ok(())
}

/// The module below `top` whose name contains `part`; `top` itself for an empty one.
fn part_of(top: &Arc<Module>, part: &str) -> Result<Arc<Module>, Box<dyn Error>> {
    if part.is_empty() {
        return Ok(Arc::clone(top));
    }
    let design = Design::new(top)?;
    let found = design.modules.iter().find(|module| module.name.contains(part));
    Ok(Arc::clone(found.ok_or_else(|| format!("{} has no module with `{part}` in its name", top.name))?))
}

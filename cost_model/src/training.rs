//! Designs that are synthesised to fit a technology, and the half of them that no fit sees.

use std::sync::Arc;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_hdl::{Design, Module};
use bitmill_units::catalogue;

/// So many examples of a unit at most.
const MOST_OF_A_UNIT: usize = 6;

/// A small accelerator: of the first all modules are measured, of the others the array.
struct Small {
    name: &'static str,
    pe: &'static str,
    activations: &'static str,
    weights: &'static str,
    /// Rows and columns of the array, lanes of a PE.
    shape: [u32; 3],
}

const ACCELERATORS: [Small; 9] = [
    small("t_int8_2x4x4", "integer", "int8", "int8", [2, 4, 4]),
    small("t_int8_4x4x4", "integer", "int8", "int8", [4, 4, 4]),
    small("t_int4_2x8x8", "integer", "int8", "int4", [2, 8, 8]),
    small("t_int8_8x2x2", "integer", "int8", "int8", [8, 2, 2]),
    small("t_serial_2x4x4", "bit_serial", "int8", "int8", [2, 4, 4]),
    small("t_int4_2x8x4", "integer", "int4", "int4", [2, 8, 4]),
    small("t_int4_4x4x4", "integer", "int8", "int4", [4, 4, 4]),
    small("t_int8_1x4x4", "integer", "int8", "int8", [1, 4, 4]),
    small("t_int8_8x8x1", "integer", "int8", "int8", [8, 8, 1]),
];

const fn small(
    name: &'static str,
    pe: &'static str,
    activations: &'static str,
    weights: &'static str,
    shape: [u32; 3],
) -> Small {
    Small { name, pe, activations, weights, shape }
}

/// Parts of an accelerator that are too large or no more than wires.
const LEFT_OUT: [&str; 2] = ["array_row", "parameters"];

/// Widths and depths of memories that are mapped to FPGA families, each with each.
const MEMORY_BITS: [u32; 5] = [8, 18, 32, 64, 128];
const MEMORY_WORDS: [u32; 7] = [8, 16, 40, 128, 500, 1024, 3000];

/// Names of all designs: examples of the catalogue of units by their settings, and modules of small accelerators by the
/// accelerator and the module. Modules that hold memories are left out, and so are units that do.
pub fn training_designs() -> Vec<String> {
    let mut names = Vec::new();
    for entry in catalogue() {
        for example in entry.examples.iter().take(MOST_OF_A_UNIT) {
            let name = format!("{} {example}", entry.name).trim_end().to_owned();
            let design = training_design(&name);
            if design.is_some_and(|design| design.modules.iter().all(|module| module.memories.is_empty())) {
                names.push(name);
            }
        }
    }
    for (number, small) in ACCELERATORS.iter().enumerate() {
        let Some(whole) = small.design() else { continue };
        for module in whole.modules.iter().filter(|module| module.memories.is_empty()) {
            let part = module.name.strip_prefix(&format!("bitmill_{}_", small.name)).unwrap_or(&module.name);
            let is_whole = module.name == whole.top.name;
            if part == "array" || number == 0 && !is_whole && !LEFT_OUT.contains(&part) {
                names.push(format!("{} {part}", small.name));
            }
        }
    }
    names
}

/// Names of the designs that are mapped to FPGA families: [`training_designs`], and memories.
pub fn fabric_designs() -> Vec<String> {
    let mut names = training_designs();
    let shapes = MEMORY_BITS.iter().flat_map(|width| MEMORY_WORDS.iter().map(move |depth| (width, depth)));
    names.extend(shapes.map(|(width, depth)| format!("ram width={width} depth={depth}")));
    names
}

/// The design of that name; `None` if there is none.
pub fn training_design(name: &str) -> Option<Design> {
    let (first, rest) = name.split_once(' ').unwrap_or((name, ""));
    let module: Arc<Module> = match ACCELERATORS.iter().find(|small| small.name == first) {
        Some(small) => {
            let own = format!("bitmill_{first}_{rest}");
            small.design()?.modules.into_iter().find(|module| module.name == own || module.name == rest)?
        }
        None => bitmill_units::find(first).ok()?.unit(rest.split_whitespace()).ok()?.module().ok()?,
    };
    Design::new(&module).ok()
}

/// Whether no fit sees the design: whole arrays, and half of all others by a checksum of their name.
pub fn is_held_out(name: &str) -> bool {
    name.ends_with(" array") || checksum(name) >> 32 & 1 == 1
}

/// FNV-1a, so that splits are the same everywhere.
fn checksum(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// The unit that a design is an example of, or `accelerator`.
pub fn unit_of(name: &str) -> &str {
    let first = name.split(' ').next().unwrap_or(name);
    if ACCELERATORS.iter().any(|small| small.name == first) { "accelerator" } else { first }
}

impl Small {
    fn design(&self) -> Option<Design> {
        let [rows, columns, lanes] = self.shape;
        let text = format!(
            "name: {}\nprecision: {{activations: {}, weights: {}}}\npe: {{kind: {}, lanes: {lanes}}}\n\
             array: {{rows: {rows}, columns: {columns}}}\n\
             scratchpads: {{activations_kib: 16, weights_kib: 16}}\nvector: {{rows: 1}}\nclock_mhz: 100\n",
            self.name, self.activations, self.weights, self.pe
        );
        let configuration = Configuration::from_yaml(&text).ok()?;
        Design::new(&Accelerator::new(configuration).ok()?.module().ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_a_design_and_half_are_held_out() {
        let names = training_designs();
        assert!(names.iter().all(|name| training_design(name).is_some()));
        let held_out = names.iter().filter(|name| is_held_out(name)).count();
        assert!(
            (names.len() * 2 / 5..=names.len() * 3 / 5).contains(&held_out),
            "{held_out} of {}",
            names.len()
        );
        assert_eq!(names.iter().filter(|name| name.ends_with(" array")).count(), ACCELERATORS.len());
        assert!(training_design("no_such_unit").is_none());
        assert_eq!(unit_of("t_int8_2x4x4 array"), "accelerator");
    }
}

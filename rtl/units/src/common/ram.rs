//! Scratchpad memory: one write and one read port, inferable as block RAM or replaceable by a macro.
//!
//! Meaning: reads return what was last written; a word that is written in the same cycle reads old.
//! Timing: read data one cycle after the address; they stay while `read_i` is 0.

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Random, Unit, Values, number};
use bitmill_hdl::{BigUint, HdlError, Memory, Module, ModuleBuilder, RamPorts, unsigned};

use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "ram",
    summary: "scratchpad memory with one write and one read port",
    parameters: &[
        Parameter {
            name: "width",
            default: "32",
            help: "bits a word, 1 to 1024",
            legal: Legal::Numbers(1, 1024),
        },
        Parameter {
            name: "depth",
            default: "256",
            help: "words, 2 to 1048576",
            legal: Legal::Numbers(2, 1 << 20),
        },
    ],
    examples: &["", "width=64 depth=16", "width=72 depth=10", "width=1 depth=2"],
    build: |settings| Ok(Box::new(Ram::from_settings(settings)?)),
};

/// Parameters of a scratchpad memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ram {
    size: Memory,
}

impl Ram {
    /// A memory of `depth` words of `width` bits.
    ///
    /// # Errors
    /// A width outside 1 to 1024 or a depth outside 2 to 1048576.
    pub fn new(width: u32, depth: u32) -> Result<Ram, UnitError> {
        if !(1..=1024).contains(&width) {
            return Err(UnitError::illegal("width", width, "1 to 1024 bits are legal"));
        }
        if !(2..=1 << 20).contains(&depth) {
            return Err(UnitError::illegal("depth", depth, "2 to 1048576 words are legal"));
        }
        Ok(Ram { size: Memory { width, depth } })
    }

    fn from_settings(settings: &Settings) -> Result<Ram, UnitError> {
        Ram::new(settings.number("width", 1..=1024)?, settings.number("depth", 2..=1 << 20)?)
    }

    /// Bits of an address.
    pub fn address_bits(&self) -> u32 {
        self.size.address_bits()
    }
}

impl Unit for Ram {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let Memory { width, depth } = self.size;
        let m = ModuleBuilder::new(
            format!("bitmill_ram_w{width}_d{depth}"),
            "scratchpad memory; swap its body for a macro where the technology has one.\nReads take 1 cycle; a word written in the same cycle reads old.",
        );
        m.group("Write");
        let write_enable = m.input("write_i", unsigned(1));
        let write_address = m.input("write_address_i", unsigned(self.address_bits()));
        let write_data = m.input("write_data_i", unsigned(width));
        m.group("Read");
        let read_enable = m.input("read_i", unsigned(1));
        let read_address = m.input("read_address_i", unsigned(self.address_bits()));
        let ports = RamPorts { write_enable, write_address, write_data, read_enable, read_address };
        m.output("read_data_o", m.memory("ram", self.size, ports));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let mut words = vec![None; self.size.depth as usize];
        let mut visible = None;
        Box::new(move |inputs: &[BigUint]| {
            let [write, write_address, write_data, read, read_address] = inputs else {
                unreachable!("five inputs")
            };
            let shown = visible.clone();
            let index = |address: &BigUint| number(address) as usize;
            if read.bit(0) {
                visible = words.get(index(read_address)).cloned().flatten();
            }
            if let (true, Some(word)) = (write.bit(0), words.get_mut(index(write_address))) {
                *word = Some(write_data.clone());
            }
            vec![shown]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        // Few addresses, so that reads meet writes.
        let depth = u64::from(self.size.depth).min(16);
        (0..cycles)
            .map(|_| {
                let mut address = || BigUint::from(random.below(depth));
                let (to, from) = (address(), address());
                vec![random.bits(1), to, random.corner_bits(self.size.width), random.bits(1), from]
            })
            .collect()
    }
}

//! Memories.

use crate::module::{Item, MemoryData, Node};
use crate::{ModuleBuilder, Signal, Source, unsigned};

/// The ports of a memory, see [`ModuleBuilder::memory`].
#[derive(Clone, Copy)]
pub struct RamPorts<'m> {
    /// Write enable, 1 bit.
    pub write_enable: Signal<'m>,
    /// Write address, unsigned, exactly wide enough for the depth.
    pub write_address: Signal<'m>,
    /// Write data.
    pub write_data: Signal<'m>,
    /// Read enable, 1 bit.
    pub read_enable: Signal<'m>,
    /// Read address, as wide as the write address.
    pub read_address: Signal<'m>,
}

/// Size of a memory, see [`ModuleBuilder::memory`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Memory {
    /// Bits a word.
    pub width: u32,
    /// Words.
    pub depth: u32,
}

impl Memory {
    /// Bits of an address.
    pub fn address_bits(self) -> u32 {
        crate::bits_for(u64::from(self.depth.max(2) - 1))
    }
}

impl ModuleBuilder {
    /// A memory with one write and one synchronous read port; returns the registered read data.
    /// Reading the word that is written in the same cycle returns the old word.
    #[track_caller]
    pub fn memory<'m>(&'m self, name: &str, size: Memory, ports: RamPorts<'m>) -> Signal<'m> {
        let at = Source::caller();
        self.state.borrow_mut().claim(&format!("{name}_mem"), at);
        let number = self.state.borrow().memories.len();
        let read = self.declare(&format!("{name}_rdata"), unsigned(size.width), Node::MemoryRead(number), at);
        if size.depth == 0 {
            read.illegal("memory depth", "a memory has at least 1 word".to_owned(), at);
        }
        let address = unsigned(size.address_bits());
        let ports = RamPorts {
            write_enable: ports.write_enable.require_bit("memory write enable", at),
            write_address: ports.write_address.require_to_be("memory write address", address, at),
            write_data: ports.write_data.require_to_be("memory write data", unsigned(size.width), at),
            read_enable: ports.read_enable.require_bit("memory read enable", at),
            read_address: ports.read_address.require_to_be("memory read address", address, at),
        };
        let mut state = self.state.borrow_mut();
        state.memories.push(MemoryData {
            name: format!("{name}_mem"),
            width: size.width,
            depth: size.depth,
            write_enable: ports.write_enable.id,
            write_address: ports.write_address.id,
            write_data: ports.write_data.id,
            read_enable: ports.read_enable.id,
            read_address: ports.read_address.id,
            read_data: read.id,
        });
        state.items.push(Item::Memory(number));
        read
    }
}

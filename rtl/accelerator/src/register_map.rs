//! The registers that the host sees: one table, read by the circuit, the test benches, the documentation
//! and the C header.

use crate::Queue;
use crate::fault::FAULT_BITS;

/// Value of `identity`: `BMIL` in ASCII.
pub const MAGIC: u32 = 0x424d_494c;

/// Value of `version`: of the register map and of the command format, major in bits 31:16, minor below.
pub const VERSION: u32 = 0x0001_0000;

/// Bits of a register's address within the accelerator; registers lie on multiples of 4.
pub const REGISTER_ADDRESS_BITS: u32 = 8;

/// What the host may do with a register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Reads only; a write is answered with SLVERR.
    Read,
    /// Reads and writes; bytes without a strobe keep their value.
    ReadWrite,
    /// Reads; writing 1 clears a bit.
    WriteOneToClear,
    /// Writing 1 triggers; reads 0.
    Trigger,
}

/// Some bits of a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bits {
    /// Name.
    pub name: &'static str,
    /// Lowest bit.
    pub lsb: u32,
    /// Number of bits.
    pub width: u32,
    /// What they say.
    pub help: &'static str,
}

impl Bits {
    /// Their value in the register's.
    pub fn of(&self, register: u32) -> u32 {
        ((u64::from(register) >> self.lsb) & ((1 << self.width) - 1)) as u32
    }

    /// The register with these bits set and no others.
    pub fn mask(&self) -> u32 {
        (((1u64 << self.width) - 1) << self.lsb) as u32
    }
}

/// A register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Register {
    /// Name.
    pub name: &'static str,
    /// Byte address.
    pub offset: u32,
    /// What the host may do.
    pub access: Access,
    /// What it is for.
    pub help: &'static str,
    /// Its parts; bits in none of them read 0.
    pub bits: &'static [Bits],
}

const fn bits(name: &'static str, lsb: u32, width: u32, help: &'static str) -> Bits {
    Bits { name, lsb, width, help }
}

const fn whole(help: &'static str) -> [Bits; 1] {
    [bits("value", 0, 32, help)]
}

/// Every register.
pub mod registers {
    use super::{Access, Bits, FAULT_BITS, REGISTER_ADDRESS_BITS, Register, bits, whole};

    /// `CONTROL`: start.
    pub const START: Bits =
        bits("start", 0, 1, "runs the commands; ignored unless the accelerator is at rest without error");
    /// `CONTROL`: soft reset.
    pub const SOFT_RESET: Bits = bits(
        "soft_reset",
        1,
        1,
        "ends a run when the memory has answered what was asked of it, and clears an error",
    );
    /// `STATUS`: busy.
    pub const BUSY: Bits = bits("busy", 0, 1, "a run is going on, or coming to rest");
    /// `STATUS`: done.
    pub const DONE: Bits = bits("done", 1, 1, "the last run has ended with its last command");
    /// `STATUS`: error.
    pub const ERROR_STOP: Bits =
        bits("error", 2, 1, "the last run has been stopped by a fault; a soft reset clears it");
    /// `INTERRUPT_*`: a run has ended.
    pub const DONE_INTERRUPT: Bits = bits("done", 0, 1, "a run has ended with its last command");
    /// `INTERRUPT_*`: a run was stopped.
    pub const ERROR_INTERRUPT: Bits = bits("error", 1, 1, "a run has been stopped by a fault and is at rest");
    /// `ERROR`: code.
    pub const CODE: Bits = bits("code", 0, FAULT_BITS, "0 none, else a code of the table below");
    /// `ERROR_COMMAND`: index.
    pub const COMMAND: Bits = bits("index", 0, 24, "number of the command in its list, from 0");

    const INTERRUPTS: [Bits; 2] = [DONE_INTERRUPT, ERROR_INTERRUPT];

    const fn register(
        name: &'static str,
        offset: u32,
        access: Access,
        help: &'static str,
        bits: &'static [Bits],
    ) -> Register {
        assert!(offset.is_multiple_of(4) && offset < 1 << REGISTER_ADDRESS_BITS);
        Register { name, offset, access, help, bits }
    }

    const fn counter(name: &'static str, offset: u32, help: &'static str) -> Register {
        register(name, offset, Access::Read, help, &const { whole("count, modulo 2^32") })
    }

    /// Magic number.
    pub const IDENTITY: Register = register(
        "identity",
        0x00,
        Access::Read,
        "tells that this is a Bitmill accelerator",
        &const { whole("`BMIL`: 0x424d494c") },
    );
    /// Version.
    pub const VERSION: Register = register(
        "version",
        0x04,
        Access::Read,
        "version of registers and commands",
        &[
            bits("minor", 0, 16, "what is new can be ignored"),
            bits("major", 16, 16, "what is new cannot be ignored"),
        ],
    );
    /// Configuration hash, first half.
    pub const CONFIGURATION_HIGH: Register = register(
        "configuration_high",
        0x08,
        Access::Read,
        "SHA-256 of the configuration as in manifest.json",
        &const { whole("first 8 hexadecimal digits") },
    );
    /// Configuration hash, second half.
    pub const CONFIGURATION_LOW: Register = register(
        "configuration_low",
        0x0c,
        Access::Read,
        "SHA-256 of the configuration as in manifest.json",
        &const { whole("next 8 hexadecimal digits") },
    );
    /// Control.
    pub const CONTROL: Register =
        register("control", 0x10, Access::Trigger, "starts and stops runs", &[START, SOFT_RESET]);
    /// Status.
    pub const STATUS: Register =
        register("status", 0x14, Access::Read, "what the accelerator is doing", &[BUSY, DONE, ERROR_STOP]);
    /// Interrupt enable.
    pub const INTERRUPT_ENABLE: Register = register(
        "interrupt_enable",
        0x18,
        Access::ReadWrite,
        "which of interrupt_status raise the interrupt output",
        &INTERRUPTS,
    );
    /// Interrupt status.
    pub const INTERRUPT_STATUS: Register = register(
        "interrupt_status",
        0x1c,
        Access::WriteOneToClear,
        "what has happened since it was cleared",
        &INTERRUPTS,
    );
    /// Address of the commands.
    pub const COMMAND_ADDRESS: Register = register(
        "command_address",
        0x20,
        Access::ReadWrite,
        "byte address of the first command",
        &[bits("address", 6, 26, "a multiple of 64: bits 5:0 read 0")],
    );
    /// Number of commands.
    pub const COMMAND_COUNT: Register = register(
        "command_count",
        0x24,
        Access::ReadWrite,
        "commands of a run; leave it alone while the accelerator is busy",
        &[bits("count", 0, 24, "at least 1")],
    );
    /// Fault code.
    pub const ERROR: Register =
        register("error", 0x28, Access::Read, "why the last run was stopped", &[CODE]);
    /// Fault place.
    pub const ERROR_COMMAND: Register = register(
        "error_command",
        0x2c,
        Access::Read,
        "command at which the last run was stopped",
        &[COMMAND],
    );
    /// Cycles of the run.
    pub const CYCLES: Register =
        counter("cycles", 0x40, "cycles of the run, from its start to its last command's end");
    /// Busy cycles.
    pub const LOAD_BUSY: Register = counter("load_busy_cycles", 0x44, "cycles in which a load ran");
    /// Busy cycles.
    pub const COMPUTE_BUSY: Register =
        counter("compute_busy_cycles", 0x48, "cycles in which a compute command ran");
    /// Busy cycles.
    pub const STORE_BUSY: Register = counter("store_busy_cycles", 0x4c, "cycles in which a store ran");
    /// Waiting cycles.
    pub const LOAD_WAIT: Register =
        counter("load_wait_cycles", 0x50, "cycles in which the next load lacked a token");
    /// Waiting cycles.
    pub const COMPUTE_WAIT: Register =
        counter("compute_wait_cycles", 0x54, "cycles in which the next compute command lacked a token");
    /// Waiting cycles.
    pub const STORE_WAIT: Register =
        counter("store_wait_cycles", 0x58, "cycles in which the next store lacked a token");
    /// Beats read.
    pub const BEATS_READ: Register = counter("beats_read", 0x5c, "beats read from memory, commands included");
    /// Beats written.
    pub const BEATS_WRITTEN: Register = counter("beats_written", 0x60, "beats written to memory");
    /// Saturated offsets.
    pub const SATURATED_OFFSETS: Register = counter(
        "saturated_offsets",
        0x64,
        "offsets of deformable convolutions that lay beyond the bound; 0 without a sampler",
    );

    /// All of them, by address.
    pub const ALL: [&Register; 22] = [
        &IDENTITY,
        &VERSION,
        &CONFIGURATION_HIGH,
        &CONFIGURATION_LOW,
        &CONTROL,
        &STATUS,
        &INTERRUPT_ENABLE,
        &INTERRUPT_STATUS,
        &COMMAND_ADDRESS,
        &COMMAND_COUNT,
        &ERROR,
        &ERROR_COMMAND,
        &CYCLES,
        &LOAD_BUSY,
        &COMPUTE_BUSY,
        &STORE_BUSY,
        &LOAD_WAIT,
        &COMPUTE_WAIT,
        &STORE_WAIT,
        &BEATS_READ,
        &BEATS_WRITTEN,
        &SATURATED_OFFSETS,
    ];
}

/// What the performance counters say of a run; the simulator predicts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Cycles from the run's start to its end.
    pub cycles: u64,
    /// Cycles in which each queue's unit ran.
    pub busy_cycles: [u64; Queue::ALL.len()],
    /// Cycles in which each queue's next command lacked a token.
    pub wait_cycles: [u64; Queue::ALL.len()],
    /// Beats read from memory, commands included.
    pub beats_read: u64,
    /// Beats written to memory.
    pub beats_written: u64,
    /// Offsets of deformable convolutions that lay beyond the bound.
    pub saturated_offsets: u64,
}

impl Counters {
    /// The registers of the counters, in the order of [`Counters::values`].
    pub const REGISTERS: [&'static Register; 10] = [
        &registers::CYCLES,
        &registers::LOAD_BUSY,
        &registers::COMPUTE_BUSY,
        &registers::STORE_BUSY,
        &registers::LOAD_WAIT,
        &registers::COMPUTE_WAIT,
        &registers::STORE_WAIT,
        &registers::BEATS_READ,
        &registers::BEATS_WRITTEN,
        &registers::SATURATED_OFFSETS,
    ];

    /// What the registers hold.
    pub fn values(&self) -> [u32; Counters::REGISTERS.len()] {
        let ([load, compute, store], [load_wait, compute_wait, store_wait]) =
            (self.busy_cycles, self.wait_cycles);
        let (read, written, saturated) = (self.beats_read, self.beats_written, self.saturated_offsets);
        [self.cycles, load, compute, store, load_wait, compute_wait, store_wait, read, written, saturated]
            .map(|n| n as u32)
    }
}

//! What the AXI channels share: widths and the address channel.

use bitmill_hdl::{ModuleBuilder, Register, Signal, unsigned};

use super::{ADDRESS_BITS, BURST_BITS};

/// Bits of a burst's ID: read bursts carry the number of their client, write bursts carry 0.
pub(crate) const ID_BITS: u32 = 1;
/// Bits of AxLEN: beats less one.
pub(crate) const LENGTH_BITS: u32 = 8;
/// Bits of AxSIZE: the beat's bytes as a power of two.
pub(crate) const SIZE_BITS: u32 = 3;
/// Bits of AxBURST.
pub(crate) const BURST_TYPE_BITS: u32 = 2;
/// AxBURST of a burst over consecutive addresses.
pub(crate) const INCREMENTING: u64 = 0b01;
/// AxCACHE: modifiable and bufferable, for normal memory.
pub(crate) const CACHE: u64 = 0b0011;
/// Bits of AxCACHE.
pub(crate) const CACHE_BITS: u32 = 4;
/// Bits of AxPROT; 0 is an unprivileged, secure data access.
pub(crate) const PROTECTION_BITS: u32 = 3;
/// Bits of RRESP and BRESP.
pub(crate) const RESPONSE_BITS: u32 = 2;

/// An address channel whose signals come from registers and stay until they are taken.
pub(super) struct AddressChannel<'m> {
    valid: Register<'m>,
    address: Register<'m>,
    length: Register<'m>,
    ready: Signal<'m>,
    /// An address waits to be taken.
    pub blocked: Signal<'m>,
}

impl<'m> AddressChannel<'m> {
    pub fn new(m: &'m ModuleBuilder, ready: Signal<'m>) -> AddressChannel<'m> {
        let valid = m.register("valid_q", unsigned(1));
        AddressChannel {
            valid,
            address: m.register("address_q", unsigned(ADDRESS_BITS)).without_reset(),
            length: m.register("length_q", unsigned(LENGTH_BITS)).without_reset(),
            ready,
            blocked: valid.q().and(ready.not()).named("blocked"),
        }
    }

    /// Takes a burst over when `accept` is set, which it is never while the channel is blocked.
    pub fn take(&self, m: &'m ModuleBuilder, accept: Signal<'m>, address: Signal<'m>, beats: Signal<'m>) {
        self.valid.set_when(accept.or(self.ready), accept);
        self.address.set_when(accept, address);
        let length = beats.sub_wrapping(m.lit(BURST_BITS, 1)).truncate(LENGTH_BITS);
        self.length.set_when(accept, length);
    }

    pub fn output(&self, m: &'m ModuleBuilder, channel: &str) {
        m.output(&format!("{channel}addr_o"), self.address.q());
        m.output(&format!("{channel}len_o"), self.length.q());
        m.output(&format!("{channel}valid_o"), self.valid.q());
    }
}

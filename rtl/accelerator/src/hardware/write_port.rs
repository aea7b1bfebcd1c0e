//! AXI write address and response channels: takes bursts from the store DMA and counts their answers.
//!
//! Addresses leave through registers; the store DMA sends the data itself, from the cycle after the grant.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, bits_for, unsigned};

use super::axi::{self, RESPONSE_BITS};
use super::read_port::fault;
use super::{ADDRESS_BITS, BURST_BITS};
use crate::Fault;

pub(super) fn module(outstanding: u32) -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        format!("bitmill_write_port_n{outstanding}"),
        format!("AXI write addresses and answers: up to {outstanding} bursts under way."),
    );
    m.group("Control");
    let halt = m.input_with_comment("halt_i", unsigned(1), "take no more bursts");
    m.group("Store DMA");
    let wanted = m.input("store_valid_i", unsigned(1));
    let address = m.input("store_address_i", unsigned(ADDRESS_BITS));
    let beats = m.input("store_beats_i", unsigned(BURST_BITS));
    m.group("AXI");
    let address_ready = m.input("awready_i", unsigned(1));
    let answered = m.input("bvalid_i", unsigned(1));
    let response = m.input("bresp_i", unsigned(RESPONSE_BITS));

    m.comment("Bursts under way: from the grant to the answer.");
    let count = m.register("outstanding_q", unsigned(bits_for(outstanding.into())));
    let full = count.q().eq_value(outstanding.into()).named("full");
    let channel = axi::AddressChannel::new(&m, address_ready);
    let grant = m.any(&[halt, full, channel.blocked]).not().and(wanted).named("grant");
    let fewer = count.q().sub_wrapping(m.lit(count.q().width(), 1));
    count.set_when(grant.xor(answered), grant.mux(count.q().increment(), fewer));
    channel.take(&m, grant, address, beats);

    m.group("Answers");
    m.output("store_grant_o", grant);
    m.output("store_error_o", answered.and(response.bit(1)));
    m.output("fault_o", fault(&m, response, [Fault::WriteSlave, Fault::WriteDecode]));
    m.group("AXI addresses");
    channel.output(&m, "aw");
    m.group("Status");
    m.output("idle_o", count.q().any().not());
    m.finish()
}

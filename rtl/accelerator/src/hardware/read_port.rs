//! AXI read channels: takes bursts from the fetch unit and the load DMA, fetch first, and has several under way.
//!
//! Addresses leave through registers. A burst carries the number of its client as ID, so that the memory may
//! answer the clients out of order. Clients ask only for what they have room for: data are always taken.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::axi::{self, RESPONSE_BITS};
use super::{ADDRESS_BITS, BURST_BITS};
use crate::Fault;

/// Clients in order of priority; their position is the ID of their bursts.
pub(super) const CLIENTS: [&str; 2] = ["fetch", "load"];

pub(super) fn module(outstanding: u32) -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        format!("bitmill_read_port_n{outstanding}"),
        format!("AXI read channels: up to {outstanding} bursts under way, fetch before load."),
    );
    m.group("Control");
    let halt = m.input_with_comment("halt_i", unsigned(1), "take no more bursts");
    let requests = CLIENTS.map(|client| {
        m.group(&format!("Client: {client}"));
        let valid = m.input(&format!("{client}_valid_i"), unsigned(1));
        let address = m.input(&format!("{client}_address_i"), unsigned(ADDRESS_BITS));
        (valid, address, m.input(&format!("{client}_beats_i"), unsigned(BURST_BITS)))
    });
    m.group("AXI");
    let address_ready = m.input("arready_i", unsigned(1));
    let data_valid = m.input("rvalid_i", unsigned(1));
    let id = m.input("rid_i", unsigned(axi::ID_BITS));
    let response = m.input("rresp_i", unsigned(RESPONSE_BITS));
    let last = m.input("rlast_i", unsigned(1));

    m.comment("Bursts under way: from the grant to the last beat.");
    let [fetch, load] = requests;
    let count = m.register("outstanding_q", unsigned(bits_for(outstanding.into())));
    let full = count.q().eq_value(outstanding.into()).named("full");
    let channel = axi::AddressChannel::new(&m, address_ready);
    let may_accept = m.any(&[halt, full, channel.blocked]).not().named("may_accept");
    let grants = [may_accept.and(fetch.0), may_accept.and(load.0).and(fetch.0.not())];
    let accept = grants[0].or(grants[1]).named("accept");
    let ends = data_valid.and(last).named("ends");
    let fewer = count.q().sub_wrapping(m.lit(count.q().width(), 1));
    count.set_when(accept.xor(ends), accept.mux(count.q().increment(), fewer));
    let beats = fetch.0.mux(fetch.2, load.2);
    channel.take(&m, accept, fetch.0.mux(fetch.1, load.1), beats);
    let id_q = m.register("arid_q", unsigned(axi::ID_BITS)).without_reset();
    id_q.set_when(accept, fetch.0.not());

    m.comment("Data go to their client; an error is told with its beat.");
    let error = data_valid.and(response.bit(1)).named("error");
    for (index, (client, grant)) in CLIENTS.iter().zip(grants).enumerate() {
        let mine = id.eq_value(index as i128);
        m.group(&format!("Answers: {client}"));
        m.output(&format!("{client}_grant_o"), grant);
        m.output(&format!("{client}_data_valid_o"), data_valid.and(mine));
        m.output(&format!("{client}_error_o"), error.and(mine));
    }
    m.output("fault_o", fault(&m, response, [Fault::ReadSlave, Fault::ReadDecode]));
    m.group("AXI addresses");
    m.output("arid_o", id_q.q());
    channel.output(&m, "ar");
    m.group("Status");
    m.output("idle_o", count.q().any().not());
    m.finish()
}

/// The code of an error response, SLVERR (2) or DECERR (3).
pub(super) fn fault<'m>(
    m: &'m ModuleBuilder,
    response: Signal<'m>,
    [slave, decode]: [Fault; 2],
) -> Signal<'m> {
    let code = |fault: Fault| m.lit(crate::fault::FAULT_BITS, fault.code().into());
    response.bit(0).mux(code(decode), code(slave))
}

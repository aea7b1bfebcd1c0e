//! Shares the memory port: one burst at a time, fetch before load before store.
//!
//! A client holds its request until it is granted; the port is then its own until the burst's last beat
//! (read) or the memory's confirmation (write).

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, unsigned};

use super::{ADDRESS_BITS, BURST_BITS};

/// Clients in order of priority; the last one writes, the others read.
pub(super) const CLIENTS: [&str; 3] = ["fetch", "load", "store"];

pub(super) fn module() -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        "bitmill_arbiter",
        "one burst at a time on the memory port: fetch before load before store.",
    );
    let mut requests = Vec::new();
    for client in CLIENTS {
        m.group(&format!("Client: {client}"));
        let valid = m.input(&format!("{client}_valid_i"), unsigned(1));
        let address = m.input(&format!("{client}_address_i"), unsigned(ADDRESS_BITS));
        let beats = m.input(&format!("{client}_beats_i"), unsigned(BURST_BITS));
        requests.push((client, valid, address, beats));
    }
    m.group("Memory");
    let ready = m.input("mem_request_ready_i", unsigned(1));
    let read_valid = m.input("mem_read_valid_i", unsigned(1));
    let write_done = m.input("mem_write_done_i", unsigned(1));

    m.comment("The burst in flight.");
    let busy_q = m.register("busy_q", unsigned(1));
    let beats_left_q = m.register("beats_left_q", unsigned(BURST_BITS));
    let [fetch, load, store] = [requests[0], requests[1], requests[2]];
    let request = m.any(&[store.1, load.1, fetch.1]).and(busy_q.q().not()).named("request");
    let accept = request.and(ready).named("accept");
    let address = fetch.1.mux(fetch.2, load.1.mux(load.2, store.2));
    let beats = fetch.1.mux(fetch.3, load.1.mux(load.3, store.3)).named("beats");
    let is_write = fetch.1.or(load.1).not().named("is_write");

    m.comment("A read ends with its last beat, a write with the memory's confirmation.");
    let last_read = read_valid.and(beats_left_q.q().eq_value(1));
    let ends = last_read.or(write_done).named("ends");
    busy_q.set_when(accept.or(ends), accept);
    let one = m.lit(BURST_BITS, 1);
    let left = accept.mux(beats, beats_left_q.q().sub_wrapping(one));
    beats_left_q.set_when(accept.or(read_valid), left);
    let mut unclaimed = accept;
    let mut owners = Vec::new();
    for (client, valid, _, _) in &requests {
        let grant = unclaimed.and(*valid).named(&format!("{client}_grant"));
        unclaimed = unclaimed.and(valid.not());
        let owner = m.register(&format!("{client}_owns_q"), unsigned(1));
        owner.set_when(accept, grant);
        owners.push((client, grant, owner.q()));
    }
    for (client, grant, owner) in owners {
        m.group(&format!("Answers: {client}"));
        m.output(&format!("{client}_grant_o"), grant);
        if *client == "store" {
            m.output("store_done_o", owner.and(write_done));
        } else {
            m.output(&format!("{client}_data_valid_o"), owner.and(read_valid));
        }
    }
    m.group("Request to memory");
    m.output("mem_request_valid_o", request);
    m.output("mem_request_write_o", is_write);
    m.output("mem_request_address_o", address);
    m.output("mem_request_beats_o", beats);
    m.finish()
}

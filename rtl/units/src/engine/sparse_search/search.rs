//! The high-density sparse search unit: positions of a sparse tensor in, the values there or their absence out.
//!
//! A beat has up to four requests. Three banked memories hold the tensor ([`Contents`](super::contents::Contents)): a
//! directory of blocks, words of places (bitmaps or coordinates), and values. A beat goes through a stage for each
//! (`reader.rs`): the entries of its blocks; the words of places, round by round (`walk.rs`), each through a
//! tree a request ([`tree`](super::tree)) whose sums add up to the value's rank; the values of what was found. Several beats
//! are under way at once, and answers come in order. The memories are written while no beat is under way.
//!
//! Meaning: the code that [`SparseLayout::decode`](bitmill_formats::sparse::SparseLayout::decode) gives at a
//! position, or that there is none. What a corrupt block answers is what its words say; `fault_o` tells that the
//! watchdog stopped a search, and stays.
//!
//! Timing: a stage takes [`Shape::step_cycles`] for what a beat, or round, reads; a round's sum follows two cycles later. A
//! beat waits where the next stage is not free, and at the end until it is taken.

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{HdlError, InstanceHandle, Module, ModuleBuilder, Signal, unsigned};

use super::model::SearchModel;
use super::shape::{PARAMETERS, Shape, Store};
use super::walk::{SearchTag, WordTag, rounds};
use super::{reader, stimulus};
use crate::Entry;
use crate::engine::deformable_convolution::gather::pack;

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "sparse_search",
    summary: "values at positions of a sparse tensor in bitmap or coordinate blocks, several a cycle (RT-NeRF)",
    parameters: &PARAMETERS,
    examples: &[
        "block_address_bits=5 place_address_bits=7 value_address_bits=8",
        "requests=4 banks=2 index_bits=6 leaves=4 value_bits=5 block_address_bits=5 place_address_bits=8 value_address_bits=9",
        "requests=1 banks=1 index_bits=4 leaves=2 value_bits=12 block_address_bits=5 place_address_bits=8 value_address_bits=7",
    ],
    build: |settings| Ok(Box::new(SparseSearch::new(Shape::from_settings(settings)?))),
};

/// A search unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SparseSearch {
    shape: Shape,
}

impl SparseSearch {
    /// The unit of `shape`.
    pub fn new(shape: Shape) -> SparseSearch {
        SparseSearch { shape }
    }

    /// Its size.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// What the trees found for the beat whose last round they show.
struct Found<'m> {
    valid: Signal<'m>,
    /// By request.
    present: Signal<'m>,
    found: Signal<'m>,
    addresses: Signal<'m>,
    /// Whether the watchdog stops a search in this round.
    stops: Signal<'m>,
}

impl SparseSearch {
    /// The stage of `store` with its write port.
    fn stage<'m>(
        &self,
        m: &'m ModuleBuilder,
        store: Store,
        tag_bits: u32,
        write: &WritePort<'m>,
    ) -> Result<InstanceHandle<'m>, HdlError> {
        let bank = self.shape.bank(store);
        let inputs = [
            ("write_i", write.enable.and(write.store.eq_value(store as i128))),
            ("write_address_i", write.address.truncate(self.shape.address_bits[store as usize])),
            ("write_data_i", write.data.truncate(bank.width)),
        ];
        let module = reader::module(&self.shape, store, tag_bits)?;
        Ok(m.instance(&format!("i_{}", store.name()), &module, &inputs))
    }

    /// Trees and the sums of a beat's rounds; time stands still in them while `advance` is 0.
    fn trees<'m>(
        &self,
        m: &'m ModuleBuilder,
        places: InstanceHandle<'m>,
        advance: Signal<'m>,
    ) -> Result<Found<'m>, HdlError> {
        let shape = &self.shape;
        let tree = shape.tree();
        let delayed = |name: &str, next: Signal<'m>| {
            let hold = |name: String, next: Signal<'m>| {
                let register = m.register(&name, next.shape()).without_reset();
                register.set_when(advance, next);
                register.q()
            };
            hold(format!("{name}_2_q"), hold(format!("{name}_q"), next))
        };
        let valid =
            ["round_valid_q", "round_valid_2_q"].iter().fold(places.output("valid_o"), |valid, name| {
                let register = m.register(name, unsigned(1));
                register.set_when(advance, valid);
                register.q()
            });
        let (words, tags) = (places.output("words_o"), places.output("tag_o"));
        let beat_tag = tags.slice(shape.requests * WordTag::bits(shape), 2);
        let beat_tag = delayed("beat_tag", beat_tag);
        let (is_first, is_last) = (beat_tag.bit(0), beat_tag.bit(1));
        let value_bits = shape.address_bits[Store::Values as usize];
        let (mut present, mut all_found, mut addresses, mut stops) = (vec![], vec![], vec![], vec![]);
        for request in 0..shape.requests {
            m.comment(&format!("Request {request}."));
            let tag = WordTag::split(shape, tags, request);
            let inputs = [
                ("advance_i", advance),
                ("mode_i", m.concat(&[tag.coordinates, tag.coordinates.not()])),
                ("word_i", words.slice(request * tree.word_bits(), tree.word_bits())),
                ("key_i", tag.key),
            ];
            let answer = m.instance(&format!("i_tree_{request}"), &tree.module()?, &inputs);
            let late = |name: &str, signal| delayed(&format!("{name}_{request}"), signal);
            let active = late("active", tag.active);
            let register = |name: &str, width| {
                m.register(&format!("{name}_{request}_q"), unsigned(width)).without_reset()
            };
            let (rank, found) = (register("rank", shape.count_bits()), register("found", 1));
            let sum = answer.output("sum_o").resize(shape.count_bits()).gate(active);
            let rank_now = rank.q().gate(is_first.not()).add_wrapping(sum);
            let found_now = found.q().and(is_first.not()).or(answer.output("found_o").and(active));
            rank.set_when(advance.and(valid), rank_now);
            found.set_when(advance.and(valid), found_now);
            let stopped = late("stopped", tag.stopped);
            present.push(late("present", tag.present));
            all_found.push(found_now.and(stopped.not()));
            addresses.push(late("value", tag.value).add_wrapping(rank_now.resize(value_bits)));
            stops.push(stopped);
        }
        Ok(Found {
            valid: valid.and(is_last).named("found_valid"),
            present: pack(m, &present),
            found: pack(m, &all_found).named("found"),
            addresses: pack(m, &addresses),
            stops: valid.and(m.any(&stops)),
        })
    }
}

/// The port by which the memories are written.
struct WritePort<'m> {
    enable: Signal<'m>,
    store: Signal<'m>,
    address: Signal<'m>,
    data: Signal<'m>,
}

impl Unit for SparseSearch {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let shape = &self.shape;
        let (requests, position_bits) = (shape.requests, shape.position_bits());
        let m = ModuleBuilder::new(
            format!("bitmill_sparse_search_{}", shape.name()),
            format!(
                "{requests} positions of a sparse tensor a beat in, the values there or their absence out, in order."
            ),
        );
        let [write_address_bits, write_data_bits] = shape.write_bits();
        m.group("Write, while no beat is under way");
        let write = WritePort {
            enable: m.input("write_i", unsigned(1)),
            store: m.input_with_comment("write_store_i", unsigned(2), "0 directory, 1 places, 2 values"),
            address: m.input("write_address_i", unsigned(write_address_bits)),
            data: m.input("write_data_i", unsigned(write_data_bits)),
        };
        m.group("Positions in");
        let valid = m.input("valid_i", unsigned(1));
        let present = m.input_with_comment("present_i", unsigned(requests), "request 0 lowest");
        let positions =
            m.input_with_comment("positions_i", unsigned(requests * position_bits), "block and index");
        m.group("Values out");
        let ready = m.input("ready_i", unsigned(1));

        m.comment("The directory: the blocks' entries.");
        let directory = self.stage(&m, Store::Directory, requests * SearchTag::bits(shape), &write)?;
        let block_bits = shape.address_bits[Store::Directory as usize];
        let (mut blocks, mut tags) = (vec![], vec![]);
        for request in 0..requests {
            let position = positions.slice(request * position_bits, position_bits);
            blocks.push(position.slice(shape.index_bits, block_bits));
            let (present, index) = (present.bit(request), position.truncate(shape.index_bits));
            tags.push(SearchTag { present, index }.pack(&m));
        }
        let free = directory.output("free_o");
        directory.input("load_i", valid.and(free));
        directory.input("present_i", present);
        directory.input("addresses_i", pack(&m, &blocks));
        directory.input("tag_i", pack(&m, &tags));

        m.comment("The places: words of the blocks, round by round.");
        let places = self.stage(&m, Store::Places, requests * WordTag::bits(shape) + 2, &write)?;
        let takes = directory.output("valid_o").and(places.output("free_o")).named("takes_round");
        let round = rounds(&m, shape, directory, takes);
        directory.input("ready_i", takes.and(round.is_last));
        places.input("load_i", takes);
        places.input("present_i", round.present);
        places.input("addresses_i", round.addresses);
        places.input("tag_i", m.concat(&[round.is_last, round.is_first, round.tags]));

        m.comment("The trees: ranks of values among those of their blocks.");
        let advance = m.wire("advance", unsigned(1));
        places.input("ready_i", advance.value());
        let found = self.trees(&m, places, advance.value())?;

        m.comment("The values.");
        let values = self.stage(&m, Store::Values, 2 * requests, &write)?;
        advance.drive(found.valid.not().or(values.output("free_o")));
        values.input("load_i", found.valid.and(advance.value()));
        values.input("present_i", found.found);
        values.input("addresses_i", found.addresses);
        values.input("tag_i", m.concat(&[found.found, found.present]));
        values.input("ready_i", ready);
        let fault = m.register("fault_q", unsigned(1));
        fault.set(fault.q().or(found.stops));

        let tag = values.output("tag_o");
        let found = tag.slice(requests, requests);
        let words = values.output("words_o");
        let value =
            |request: u32| words.slice(request * shape.value_bits, shape.value_bits).gate(found.bit(request));
        m.group("Answers");
        m.output("ready_o", free);
        m.output("valid_o", values.output("valid_o"));
        m.output("present_o", tag.slice(0, requests));
        m.output_with_comment("found_o", found, "of the requests that are present");
        m.output_with_comment(
            "values_o",
            pack(&m, &(0..requests).map(value).collect::<Vec<_>>()),
            "0 where none was found",
        );
        m.output_with_comment("fault_o", fault.q(), "a search was stopped: its block is corrupt");
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(SearchModel::new(self.shape))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        stimulus::draw(self.shape, random, cycles)
    }
}

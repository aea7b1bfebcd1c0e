//! A search unit cycle by cycle: a beat's answers are known when its entries are; the stages say when they show.

use std::collections::VecDeque;

use bitmill_formats::sparse::Form;
use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Expected, Model, lane, number, pack};

use super::contents::Entry;
use super::reader::ReaderModel;
use super::shape::{Shape, Store};
use super::tree::{LATENCY_CYCLES, Mode};

/// Places of the inputs among the ports.
pub(super) const WRITE: usize = 0;
pub(super) const VALID: usize = 4;
const PRESENT: usize = 5;
const POSITIONS: usize = 6;
const READY: usize = 7;

/// A search: where it reads places, round by round, and what it finds.
#[derive(Clone, Default, Debug)]
struct Search {
    places: Vec<u64>,
    /// Where the value lies.
    found: Option<u64>,
    stopped: bool,
}

/// A beat of searches, without those that are not present.
#[derive(Clone, Debug)]
struct Beat {
    searches: Vec<Option<Search>>,
}

/// A round of a beat.
struct Round {
    /// The beat, if the round is its last.
    last_of: Option<Beat>,
}

/// The state of a search unit.
pub(in crate::engine) struct SearchModel {
    shape: Shape,
    /// By [`Store`].
    memories: [Vec<BigUint>; 3],
    directory: ReaderModel<Beat>,
    /// Rounds that the beat in front of the places has read.
    round: usize,
    places: ReaderModel<Round>,
    trees: VecDeque<Option<Round>>,
    values: ReaderModel<Beat>,
    fault: bool,
}

impl SearchModel {
    pub fn new(shape: Shape) -> SearchModel {
        SearchModel {
            shape,
            memories: shape.address_bits.map(|bits| vec![BigUint::ZERO; 1 << bits]),
            directory: ReaderModel::new(),
            round: 0,
            places: ReaderModel::new(),
            trees: (0..LATENCY_CYCLES).map(|_| None).collect(),
            values: ReaderModel::new(),
            fault: false,
        }
    }

    /// Whether no beat is under way.
    pub fn is_idle(&self) -> bool {
        let trees_are_idle = self.trees.iter().all(Option::is_none);
        self.directory.is_idle() && self.places.is_idle() && trees_are_idle && self.values.is_idle()
    }

    /// The search for `position`.
    fn search(&self, position: u64) -> Search {
        let shape = &self.shape;
        let (block, index) = (position >> shape.index_bits, position as u32 & (shape.positions() - 1));
        let entry = Entry::of(&self.memories[Store::Directory as usize][block as usize], shape);
        let words = shape.words(entry.form, entry.count, index);
        let wrapped =
            |address: u32, store: Store| u64::from(address) & ((1 << shape.address_bits[store as usize]) - 1);
        let places: Vec<u64> = (0..words.min(shape.most_words()))
            .map(|word| wrapped(entry.place + word, Store::Places))
            .collect();
        let (tree, positions_log2) = (shape.tree(), shape.word_positions_log2());
        let (mut rank, mut found) = (0, false);
        for (number, place) in (1..).zip(&places) {
            let (mode, key) = match entry.form {
                Form::Coordinates => (Mode::Search, index),
                Form::Bitmap if number < words => (Mode::Prefix, 1 << positions_log2),
                Form::Bitmap => (Mode::Prefix, index & ((1 << positions_log2) - 1)),
            };
            let (sum, hit) =
                tree.answer(mode, &self.memories[Store::Places as usize][*place as usize], key.into());
            rank += sum as u32;
            found |= hit;
        }
        let stopped = words > shape.most_words();
        let rank = rank & ((1 << shape.count_bits()) - 1);
        let found = (found && !stopped).then(|| wrapped(entry.value + rank, Store::Values));
        Search { places, found, stopped }
    }

    /// A beat of the requests `present` for `positions`.
    fn beat(&self, present: &BigUint, positions: &BigUint) -> Beat {
        let search = |request: u32| {
            let position = lane(positions, request, self.shape.position_bits());
            present.bit(request.into()).then(|| self.search(number(&position)))
        };
        Beat { searches: (0..self.shape.requests).map(search).collect() }
    }

    /// The round that the beat in front of the places is at, and the cycles that it takes.
    fn next_round(&mut self) -> Option<(u32, Round)> {
        let beat = self.directory.shown()?;
        let searches = || beat.searches.iter().flatten();
        let addresses = searches().filter_map(|search| search.places.get(self.round).copied());
        let cycles = self.shape.step_cycles(addresses);
        let rounds = searches().map(|search| search.places.len()).max().unwrap_or(0);
        let last_of = (self.round + 1 >= rounds).then(|| beat.clone());
        self.round = if last_of.is_some() { 0 } else { self.round + 1 };
        Some((cycles, Round { last_of }))
    }

    /// Whether a beat can come in a cycle with these inputs, and the clock edge that ends it.
    pub fn step(&mut self, inputs: &[BigUint]) -> bool {
        let shape = self.shape;
        let bit = |index: usize| number(&inputs[index]) == 1;
        let ready = bit(READY);
        // From the last stage to the first: what takes, and what is therefore free.
        let at_end = self.trees.back().and_then(Option::as_ref).and_then(|round| round.last_of.as_ref());
        let advance = at_end.is_none() || self.values.is_free(ready);
        self.fault |= at_end.is_some_and(|beat| beat.searches.iter().flatten().any(|search| search.stopped));
        let round = if self.places.is_free(advance) { self.next_round() } else { None };
        let beat_ends = round.as_ref().is_some_and(|(_, round)| round.last_of.is_some());
        let is_free = self.directory.is_free(beat_ends);
        let beat = (bit(VALID) && is_free).then(|| self.beat(&inputs[PRESENT], &inputs[POSITIONS]));
        let entries = beat.as_ref().map(|_| {
            let requests = (0..shape.requests).filter(|request| inputs[PRESENT].bit((*request).into()));
            shape.step_cycles(requests.map(|request| {
                number(&lane(&inputs[POSITIONS], request, shape.position_bits())) >> shape.index_bits
            }))
        });

        self.directory.step(beat_ends, entries.zip(beat));
        let read = self.places.step(advance, round);
        let mut found = None;
        if advance {
            found = self.trees.pop_back().flatten().and_then(|round| round.last_of);
            self.trees.push_front(read);
        }
        let cycles =
            |beat: &Beat| shape.step_cycles(beat.searches.iter().flatten().filter_map(|search| search.found));
        self.values.step(ready, found.map(|beat| (cycles(&beat), beat)));
        if bit(WRITE) {
            let [store, address, data] = [1, 2, 3].map(|part| &inputs[WRITE + part]);
            if let Some(memory) = self.memories.get_mut(number(store) as usize) {
                let address = number(address) as usize % memory.len();
                let store = Store::ALL[number(store) as usize];
                memory[address] = lane(data, 0, shape.bank(store).width);
            }
        }
        is_free
    }

    /// Whether answers wait to be taken.
    pub fn shows(&self) -> bool {
        self.values.shown().is_some()
    }

    /// What the values' stage shows: the requests that are there, those that found a value, and the values.
    fn answers(&self) -> Expected {
        let Some(beat) = self.values.shown() else { return vec![None; 3] };
        let flags = |test: &dyn Fn(&Option<Search>) -> bool| {
            let set = beat.searches.iter().zip(0..).filter(|(search, _)| test(search));
            Some(BigUint::from(set.fold(0_u32, |flags, (_, request)| flags | 1 << request)))
        };
        let value = |search: &Option<Search>| {
            let address = search.as_ref().and_then(|search| search.found);
            address.map_or(BigUint::ZERO, |at| self.memories[Store::Values as usize][at as usize].clone())
        };
        let values: Vec<BigUint> = beat.searches.iter().map(value).collect();
        vec![
            flags(&|search| search.is_some()),
            flags(&|search| search.as_ref().is_some_and(|search| search.found.is_some())),
            Some(pack(&values, self.shape.value_bits)),
        ]
    }
}

impl Model for SearchModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let bit = |bit: bool| Some(BigUint::from(u8::from(bit)));
        let (valid, answers, fault) = (self.values.shown().is_some(), self.answers(), self.fault);
        let mut outputs = vec![bit(self.step(inputs)), bit(valid)];
        outputs.extend(answers);
        outputs.push(bit(fault));
        outputs
    }
}

//! The walk through a block's places: which words a beat's searches read, round by round.
//!
//! A bitmap's search reads the words up to that of its index, a coordinates' search all of them, so that the number is known from the
//! directory and rounds follow each other without waiting for what was read. In a round each search that is not
//! through reads its next word. The watchdog: after [`Shape::most_words`] rounds the beat ends, whatever a corrupt
//! count says, and what is not through by then is stopped: it finds nothing, and a fault is noted.

use bitmill_hdl::{InstanceHandle, ModuleBuilder, Signal, bits_for, unsigned};

use super::shape::{Shape, Store};
use crate::engine::deformable_convolution::gather::pack;

/// What goes along with a request from the directory's stage on, parts lowest first.
pub(super) struct SearchTag<'m> {
    pub present: Signal<'m>,
    pub index: Signal<'m>,
}

impl<'m> SearchTag<'m> {
    pub fn bits(shape: &Shape) -> u32 {
        1 + shape.index_bits
    }

    pub fn pack(&self, m: &'m ModuleBuilder) -> Signal<'m> {
        m.concat(&[self.index, self.present])
    }

    pub fn split(shape: &Shape, tag: Signal<'m>, request: u32) -> SearchTag<'m> {
        let tag = tag.slice(request * Self::bits(shape), Self::bits(shape));
        SearchTag { present: tag.bit(0), index: tag.slice(1, shape.index_bits) }
    }
}

/// What goes along with a request's word of places, parts lowest first.
pub(super) struct WordTag<'m> {
    /// Whether the request is there at all.
    pub present: Signal<'m>,
    /// Whether the search reads in this round.
    pub active: Signal<'m>,
    /// Whether the watchdog stops it here.
    pub stopped: Signal<'m>,
    /// Whether the places are coordinates.
    pub coordinates: Signal<'m>,
    /// The tree's key.
    pub key: Signal<'m>,
    /// Where the block's values begin.
    pub value: Signal<'m>,
}

impl<'m> WordTag<'m> {
    pub fn bits(shape: &Shape) -> u32 {
        4 + shape.tree().key_bits() + shape.address_bits[Store::Values as usize]
    }

    pub fn pack(&self, m: &'m ModuleBuilder) -> Signal<'m> {
        m.concat(&[self.value, self.key, self.coordinates, self.stopped, self.active, self.present])
    }

    pub fn split(shape: &Shape, tag: Signal<'m>, request: u32) -> WordTag<'m> {
        let tag = tag.slice(request * Self::bits(shape), Self::bits(shape));
        let key_bits = shape.tree().key_bits();
        WordTag {
            present: tag.bit(0),
            active: tag.bit(1),
            stopped: tag.bit(2),
            coordinates: tag.bit(3),
            key: tag.slice(4, key_bits),
            value: tag.slice(4 + key_bits, shape.address_bits[Store::Values as usize]),
        }
    }
}

/// A beat's round, as the stage of places takes it.
pub(super) struct Round<'m> {
    pub present: Signal<'m>,
    pub addresses: Signal<'m>,
    /// The requests' [`WordTag`]s.
    pub tags: Signal<'m>,
    pub is_first: Signal<'m>,
    pub is_last: Signal<'m>,
}

/// The rounds of the beat that the directory's stage shows; `takes` where the stage of places takes one.
pub(super) fn rounds<'m>(
    m: &'m ModuleBuilder,
    shape: &Shape,
    directory: InstanceHandle<'m>,
    takes: Signal<'m>,
) -> Round<'m> {
    let bits = shape.word_count_bits();
    let round = m.register("round_q", unsigned(bits));
    let [_, place_bits, value_bits] = shape.address_bits;
    let (count_bits, position_log2) = (shape.count_bits(), shape.word_positions_log2());
    let (entries, tags) = (directory.output("words_o"), directory.output("tag_o"));
    let limit = shape.most_words();
    let is_limit = round.q().eq_value(i128::from(limit - 1)).named("is_limit");

    m.comment("The words that each search reads, of which this round reads one.");
    let searches: Vec<(WordTag, Signal, Signal)> = (0..shape.requests)
        .map(|request| {
            let tag = SearchTag::split(shape, tags, request);
            let entry = entries.slice(request * shape.entry_bits(), shape.entry_bits());
            let value = entry.slice(0, value_bits);
            let place = entry.slice(value_bits, place_bits);
            let count = entry.slice(value_bits + place_bits, count_bits);
            let coordinates = entry.msb();
            let width = count_bits.max(shape.leaves.ilog2()) + 1;
            let rounded = count.extend(width).add_wrapping(m.lit(width, u64::from(shape.leaves) - 1));
            let of_coordinates = rounded.shr(shape.leaves.ilog2()).resize(width);
            let of_bitmap = match position_log2 >= shape.index_bits {
                true => m.lit(width, 1),
                false => tag.index.shr(position_log2).resize(width).increment(),
            };
            let words = coordinates.mux(of_coordinates, of_bitmap).gate(tag.present);
            let words = words.named(&format!("words_of_{request}"));
            let number = round.q().resize(width.max(bits));
            let words = words.resize(width.max(bits));
            let active = words.gt(number).named(&format!("active_{request}"));
            let more = words.gt(number.increment()).named(&format!("more_{request}"));
            let address = place.add_wrapping(round.q().resize(place_bits));
            let tag = WordTag {
                present: tag.present,
                active,
                stopped: more.and(is_limit),
                coordinates,
                key: key(m, shape, &tag, coordinates, more),
                value,
            };
            (tag, more, address)
        })
        .collect();
    let more = m.any(&searches.iter().map(|(_, more, _)| *more).collect::<Vec<_>>());
    let is_last = more.not().or(is_limit).named("is_last_round");
    round.set_when(takes, round.q().increment().gate(is_last.not()));
    let of = |part: &dyn Fn(&(WordTag<'m>, Signal<'m>, Signal<'m>)) -> Signal<'m>| {
        pack(m, &searches.iter().map(part).collect::<Vec<_>>())
    };
    Round {
        present: of(&|(tag, ..)| tag.active),
        addresses: of(&|(.., address)| *address),
        tags: of(&|(tag, ..)| tag.pack(m)),
        is_first: round.q().eq_value(0),
        is_last,
    }
}

/// The tree's key: the index itself, its place in the word, or all positions of a word before its own.
fn key<'m>(
    m: &'m ModuleBuilder,
    shape: &Shape,
    tag: &SearchTag<'m>,
    coordinates: Signal<'m>,
    more: Signal<'m>,
) -> Signal<'m> {
    let (tree, position_log2) = (shape.tree(), shape.word_positions_log2());
    let index = tag.index.resize(tree.key_bits());
    let position = tag.index.resize(position_log2.min(shape.index_bits)).resize(tree.key_bits());
    let all = m.lit(tree.key_bits(), 1 << position_log2);
    debug_assert!(tree.key_bits() >= bits_for(1 << position_log2));
    coordinates.mux(index, more.mux(all, position))
}

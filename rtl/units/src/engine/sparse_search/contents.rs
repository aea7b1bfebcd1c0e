//! What a search unit's memories hold, and how sparse blocks are laid out in them.
//!
//! Positions of a bitmap go on through the words of a block, [`Tree::positions`](super::tree::Tree::positions) a word;
//! coordinates lie a leaf each, and the last of them repeats to the end of its word, so that whatever lies behind the
//! others does not count.

use bitmill_formats::FormatError;
use bitmill_formats::sparse::{Form, SparseBlock, SparseLayout};
use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{number, pack};

use super::shape::{Shape, Store};

/// The words of the three memories, as many as are used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// By [`Store`].
    pub words: [Vec<BigUint>; 3],
}

/// An entry of the directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Form of the block.
    pub form: Form,
    /// Its values.
    pub count: u32,
    /// Where its places begin.
    pub place: u32,
    /// Where its values begin.
    pub value: u32,
}

impl Entry {
    /// As it lies in the directory of `shape`: form (1 for coordinates) highest, then count, place and value.
    pub fn word(&self, shape: &Shape) -> BigUint {
        let [_, place_bits, value_bits] = shape.address_bits;
        let form = u64::from(self.form == Form::Coordinates) << shape.count_bits();
        BigUint::from((form | u64::from(self.count)) << place_bits | u64::from(self.place)) << value_bits
            | BigUint::from(self.value)
    }

    /// The entry that lies in the directory as `word`.
    pub(super) fn of(word: &BigUint, shape: &Shape) -> Entry {
        let [_, place_bits, value_bits] = shape.address_bits;
        let field = |lsb: u32, bits: u32| (number(&(word >> lsb)) & ((1 << bits) - 1)) as u32;
        let count_lsb = place_bits + value_bits;
        let sparse = field(count_lsb + shape.count_bits(), 1) == 1;
        Entry {
            form: if sparse { Form::Coordinates } else { Form::Bitmap },
            count: field(count_lsb, shape.count_bits()),
            place: field(value_bits, place_bits),
            value: field(0, value_bits),
        }
    }
}

impl Shape {
    /// The memories with `blocks`, one behind the other.
    ///
    /// # Errors
    /// A layout of other positions or values than the unit's, a corrupt block, or more than the memories hold.
    pub fn contents(&self, layout: &SparseLayout, blocks: &[SparseBlock]) -> Result<Contents, FormatError> {
        let agree = |parameter, value: u32, needed: u32| match value == needed {
            true => Ok(()),
            false => {
                let legal = format!("this search unit has {needed}");
                Err(FormatError::IllegalValue { parameter, value: value.to_string(), legal })
            }
        };
        agree("positions of a sparse block", layout.positions(), self.positions())?;
        agree("bits of a sparse value", layout.value_bits(), self.value_bits)?;
        let mut contents = Contents::default();
        for block in blocks {
            let entries = layout.read(block)?;
            let [directory, places, values] = &mut contents.words;
            let (place, value) = (places.len() as u32, values.len() as u32);
            let count = block.count;
            directory.push(Entry { form: block.form, count, place, value }.word(self));
            match block.form {
                Form::Bitmap => places.extend(self.bitmap(&entries.indices)),
                Form::Coordinates => places.extend(self.coordinates(&entries.indices)),
            }
            values.extend(entries.values.into_iter().map(BigUint::from));
        }
        for store in Store::ALL {
            let (given, most) =
                (contents.words[store as usize].len(), 1 << self.address_bits[store as usize]);
            if given > most {
                let legal = format!("the search unit holds {most}");
                let parameter = ["blocks", "words of places", "values"][store as usize];
                return Err(FormatError::IllegalValue { parameter, value: given.to_string(), legal });
            }
        }
        Ok(contents)
    }

    fn bitmap(&self, indices: &[u32]) -> Vec<BigUint> {
        let group_log2 = self.word_positions_log2() - self.leaves.ilog2();
        let mut words = vec![BigUint::ZERO; (self.positions() >> self.word_positions_log2()).max(1) as usize];
        for index in indices {
            let (leaf, bit) = (index >> group_log2, index & ((1 << group_log2) - 1));
            let at = (leaf % self.leaves) * self.index_bits + bit;
            words[(leaf / self.leaves) as usize].set_bit(at.into(), true);
        }
        words
    }

    fn coordinates(&self, indices: &[u32]) -> Vec<BigUint> {
        let words = indices.chunks(self.leaves as usize).map(|chunk| {
            let last = chunk.last().copied().unwrap_or_default();
            let leaves = chunk.iter().copied().chain(std::iter::repeat(last)).take(self.leaves as usize);
            pack(&leaves.map(BigUint::from).collect::<Vec<_>>(), self.index_bits)
        });
        words.collect()
    }
}

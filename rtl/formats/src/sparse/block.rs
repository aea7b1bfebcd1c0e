//! One sparse block: what it holds, its bits, and the check that they are what an encoder makes.

use bitvec::field::BitField;
use bitvec::prelude::{BitSlice, BitVec, Lsb0};
use bitvec::view::BitView;

use super::{Form, FormRule, SparseLayout, illegal};
use crate::FormatError;

/// A block with its values packed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SparseBlock {
    /// Its form.
    pub form: Form,
    /// Values that it holds.
    pub count: u32,
    /// Where they stand, then the values.
    pub bytes: Vec<u8>,
}

/// What a block holds, unpacked.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct SparseEntries {
    /// Positions of the values, ascending.
    pub indices: Vec<u32>,
    /// Their codes.
    pub values: Vec<u32>,
}

impl SparseLayout {
    /// What a block of `codes` holds.
    ///
    /// # Errors
    /// Another number of codes than positions, or a code with more bits than a value has.
    pub fn entries(&self, codes: &[u32]) -> Result<SparseEntries, FormatError> {
        let expected = self.positions() as usize;
        if codes.len() != expected {
            return Err(FormatError::Length {
                what: "codes of a sparse block",
                given: codes.len(),
                expected,
            });
        }
        if let Some(code) = codes.iter().find(|code| u64::from(**code) >> self.value_bits() != 0) {
            let legal = format!("a code of {} bits is legal", self.value_bits());
            return Err(illegal("code in a sparse block", *code, legal));
        }
        let present = (0..).zip(codes.iter().copied()).filter(|(_, code)| *code != self.absent());
        let (indices, values) = present.unzip();
        Ok(SparseEntries { indices, values })
    }

    /// The block of `codes`, in the form that `rule` gives it.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub fn encode(&self, codes: &[u32], rule: FormRule) -> Result<SparseBlock, FormatError> {
        let SparseEntries { indices, values } = self.entries(codes)?;
        let count = indices.len() as u32;
        let form = self.form(rule, count);
        let mut stream: BitVec<u8, Lsb0> = BitVec::new();
        let mut append = |codes: &[u32], width: u32| {
            codes
                .iter()
                .for_each(|code| stream.extend_from_bitslice(&code.view_bits::<Lsb0>()[..width as usize]));
        };
        match form {
            Form::Bitmap => {
                append(&codes.iter().map(|code| u32::from(*code != self.absent())).collect::<Vec<_>>(), 1)
            }
            Form::Coordinates => append(&indices, self.index_bits()),
        }
        append(&values, self.value_bits());
        Ok(SparseBlock { form, count, bytes: stream.into_vec() })
    }

    /// Checks a block and tells what it holds.
    ///
    /// # Errors
    /// Anything that [`Self::encode`] does not make: more values than positions, bytes missing or left over, a bitmap
    /// with more or fewer bits than values, indices that do not ascend or lie outside, the absent code as a value.
    pub fn read(&self, block: &SparseBlock) -> Result<SparseEntries, FormatError> {
        let &SparseBlock { form, count, ref bytes } = block;
        if count > self.positions() {
            let legal = format!("a block has {} positions", self.positions());
            return Err(illegal("values of a sparse block", count, legal));
        }
        let expected = self.bits(form, count).div_ceil(8) as usize;
        if bytes.len() != expected {
            return Err(FormatError::Length {
                what: "bytes of a sparse block",
                given: bytes.len(),
                expected,
            });
        }
        let stream: &BitSlice<u8, Lsb0> = BitSlice::from_slice(bytes);
        let (stream, padding) = stream.split_at(self.bits(form, count) as usize);
        if padding.any() {
            return Err(illegal(
                "bits behind a sparse block",
                "not 0",
                "the last byte is filled up with zeros",
            ));
        }
        let (places, fields) = stream.split_at(self.place_bits(form, count) as usize);
        let indices = match form {
            Form::Bitmap => places.iter_ones().map(|index| index as u32).collect(),
            Form::Coordinates => self.ascending(load(places, self.index_bits()))?,
        };
        if indices.len() as u32 != count {
            let legal = format!("the bitmap has {} bits set", indices.len());
            return Err(illegal("values of a sparse block", count, legal));
        }
        let values: Vec<u32> = load(fields, self.value_bits()).collect();
        if values.contains(&self.absent()) {
            return Err(illegal(
                "value in a sparse block",
                self.absent(),
                "this is the code of absent values",
            ));
        }
        Ok(SparseEntries { indices, values })
    }

    /// The indices, if they ascend and lie inside.
    fn ascending(&self, given: impl Iterator<Item = u32>) -> Result<Vec<u32>, FormatError> {
        let mut indices: Vec<u32> = Vec::new();
        for index in given {
            if index >= self.positions() {
                let legal = format!("the last position is {}", self.positions() - 1);
                return Err(illegal("index in a sparse block", index, legal));
            }
            if let Some(before) = indices.last().filter(|before| **before >= index) {
                let legal = format!("indices ascend, and the one before is {before}");
                return Err(illegal("index in a sparse block", index, legal));
            }
            indices.push(index);
        }
        Ok(indices)
    }

    /// The codes of a block.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn decode(&self, block: &SparseBlock) -> Result<Vec<u32>, FormatError> {
        let entries = self.read(block)?;
        let mut codes = vec![self.absent(); self.positions() as usize];
        for (index, value) in entries.indices.iter().zip(entries.values) {
            codes[*index as usize] = value;
        }
        Ok(codes)
    }

    /// The blocks of a tensor; the last is filled up with absent values.
    ///
    /// # Errors
    /// A code with more bits than a value has.
    pub fn encode_tensor(&self, codes: &[u32], rule: FormRule) -> Result<Vec<SparseBlock>, FormatError> {
        let blocks = codes.chunks(self.positions() as usize).map(|chunk| {
            let mut block = chunk.to_vec();
            block.resize(self.positions() as usize, self.absent());
            self.encode(&block, rule)
        });
        blocks.collect()
    }

    /// The first `length` codes of a tensor's blocks.
    ///
    /// # Errors
    /// As [`Self::read`], and another number of blocks than `length` codes take.
    pub fn decode_tensor(&self, blocks: &[SparseBlock], length: usize) -> Result<Vec<u32>, FormatError> {
        let expected = length.div_ceil(self.positions() as usize);
        if blocks.len() != expected {
            return Err(FormatError::Length {
                what: "blocks of a sparse tensor",
                given: blocks.len(),
                expected,
            });
        }
        let mut codes = Vec::with_capacity(expected * self.positions() as usize);
        for block in blocks {
            codes.extend(self.decode(block)?);
        }
        codes.truncate(length);
        Ok(codes)
    }
}

/// Reads codes of `width` bits one behind the other.
fn load(stream: &BitSlice<u8, Lsb0>, width: u32) -> impl Iterator<Item = u32> {
    stream.chunks_exact(width as usize).map(|field| field.load_le())
}

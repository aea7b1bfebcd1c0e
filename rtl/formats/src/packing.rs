//! Tensors at their true width: codes of any number of bits, one behind the other, in bytes.
//!
//! Bit k of code i is bit (i·bits + k) of the stream, and bit j of the stream is bit j mod 8 of byte j / 8:
//! least significant first throughout. `docs/formats/packing.md` shows every layout bit by bit.

use bitvec::field::BitField;
use bitvec::prelude::{BitSlice, BitVec, Lsb0};

use crate::families::block::{Block, BlockTensor};
use crate::family::Family;
use crate::{FormatError, Sherry};

/// Bytes that `count` codes of `bits` bits take.
pub fn packed_bytes(count: usize, bits: u32) -> usize {
    (count * bits as usize).div_ceil(8)
}

/// Packs the low `bits` (1 to 32) of every code. The last byte is filled up with zeros.
pub fn pack(codes: &[u32], bits: u32) -> Vec<u8> {
    let bits = bits as usize;
    let mut stream: BitVec<u8, Lsb0> = BitVec::repeat(false, codes.len() * bits);
    for (field, code) in stream.chunks_exact_mut(bits).zip(codes) {
        field.store_le(*code & (u32::MAX >> (32 - bits)));
    }
    stream.into_vec()
}

/// Reads `count` codes of `bits` bits. Errors if `bytes` is too short.
pub fn unpack(bytes: &[u8], bits: u32, count: usize) -> Result<Vec<u32>, FormatError> {
    let expected = packed_bytes(count, bits);
    if bytes.len() < expected {
        return Err(FormatError::Length { what: "packed bytes", given: bytes.len(), expected });
    }
    let stream: &BitSlice<u8, Lsb0> = BitSlice::from_slice(bytes);
    Ok(stream.chunks_exact(bits as usize).take(count).map(|field| field.load_le()).collect())
}

/// Packs a matrix whose rows each begin on a boundary of `align_bytes`, so that hardware can address them.
pub fn pack_rows(codes: &[u32], bits: u32, row_length: usize, align_bytes: usize) -> Vec<u8> {
    let stride = packed_bytes(row_length, bits).next_multiple_of(align_bytes);
    let mut bytes = Vec::with_capacity(codes.len().div_ceil(row_length) * stride);
    for row in codes.chunks(row_length) {
        let start = bytes.len();
        bytes.extend(pack(row, bits));
        bytes.resize(start + stride, 0);
    }
    bytes
}

/// A block-format tensor in bytes: elements and scales are streams of their own, as in the scratchpads.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedBlocks {
    /// Element codes.
    pub elements: Vec<u8>,
    /// Scale codes, one a block.
    pub scales: Vec<u8>,
    /// FP32 scale of the tensor, 1 for formats without.
    pub tensor_scale: f32,
}

/// Packs a block-format tensor.
pub fn pack_blocks(format: &Block, tensor: &BlockTensor) -> PackedBlocks {
    PackedBlocks {
        elements: pack(&tensor.elements, format.element().bits()),
        scales: pack(&tensor.scales, format.scale().bits()),
        tensor_scale: tensor.tensor_scale,
    }
}

/// Reads `count` elements of a block-format tensor. Errors if a stream is too short.
pub fn unpack_blocks(
    format: &Block,
    packed: &PackedBlocks,
    count: usize,
) -> Result<BlockTensor, FormatError> {
    Ok(BlockTensor {
        elements: unpack(&packed.elements, format.element().bits(), count)?,
        scales: unpack(&packed.scales, format.scale().bits(), count.div_ceil(format.size()))?,
        tensor_scale: packed.tensor_scale,
    })
}

/// Weights in a block of the `STQ1_0` layout.
pub const STQ1_BLOCK: usize = 256;
/// Bytes of a block of the `STQ1_0` layout: 32 of patterns, 8 of signs, an FP16 scale (1.3125 bits a weight).
pub const STQ1_BYTES: usize = 42;

/// Packs 64 Sherry codes and their scale as one block of the released `STQ1_0` layout. Group g covers the
/// weights (g/16)·64 + g%16 + 16·p, p = 0..3. Errors unless there are 64 codes.
pub fn pack_stq1(codes: &[u32], scale_fp16: u16) -> Result<[u8; STQ1_BYTES], FormatError> {
    if codes.len() != STQ1_BLOCK / Sherry::LANES {
        let expected = STQ1_BLOCK / Sherry::LANES;
        return Err(FormatError::Length { what: "Sherry codes of a block", given: codes.len(), expected });
    }
    let mut block = [0; STQ1_BYTES];
    for (group, code) in codes.iter().enumerate() {
        block[group / 2] |= ((code & 15) << (4 * (group & 1))) as u8;
        block[32 + group / 8] |= ((code >> 4 & 1) << (group % 8)) as u8;
    }
    block[40..].copy_from_slice(&scale_fp16.to_le_bytes());
    Ok(block)
}

/// Reads one `STQ1_0` block: 64 Sherry codes and the FP16 scale.
pub fn unpack_stq1(block: &[u8; STQ1_BYTES]) -> (Vec<u32>, u16) {
    let code = |group: usize| {
        let pattern = u32::from(block[group / 2] >> (4 * (group & 1))) & 15;
        let sign = u32::from(block[32 + group / 8] >> (group % 8)) & 1;
        sign << 4 | pattern
    };
    let codes = (0..STQ1_BLOCK / Sherry::LANES).map(code).collect();
    (codes, u16::from_le_bytes([block[40], block[41]]))
}

/// The position in a 256-weight block of lane `lane` of group `group` in the `STQ1_0` layout.
pub fn stq1_weight_index(group: usize, lane: usize) -> usize {
    group / 16 * 64 + group % 16 + 16 * lane
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Rounding};

    #[test]
    fn bits_lie_where_the_layout_says() {
        assert_eq!(pack(&[0x3, 0xa], 4), [0xa3], "the low nibble is the even element");
        assert_eq!(pack(&[1, 2, 3], 3), [0b1101_0001, 0b0000_0000]);
        assert_eq!(pack(&[0b10101, 0b00001], 5), [0b0011_0101, 0]);
        assert_eq!(pack(&[0x12345], 16), [0x45, 0x23], "bits above the width are dropped");
        assert_eq!(pack_rows(&[1, 1, 1, 1], 2, 2, 4), [5, 0, 0, 0, 5, 0, 0, 0]);
        assert_eq!(packed_bytes(4, 5), 3);
    }

    #[test]
    fn every_width_round_trips() {
        for bits in 1..=32 {
            let codes: Vec<u32> = (0..77u64)
                .map(|i| Rounding::draw(bits.into(), i) as u32 & (u32::MAX >> (32 - bits)))
                .collect();
            let bytes = pack(&codes, bits);
            assert_eq!(bytes.len(), packed_bytes(codes.len(), bits));
            assert_eq!(unpack(&bytes, bits, codes.len()).unwrap(), codes);
            // The stream, spelled out bit by bit.
            for (position, bit) in (0..bits as usize * codes.len()).map(|j| (j, bytes[j / 8] >> (j % 8) & 1))
            {
                let (code, k) = (codes[position / bits as usize], position % bits as usize);
                assert_eq!(u32::from(bit), code >> k & 1);
            }
        }
        assert!(unpack(&[0; 2], 5, 4).unwrap_err().to_string().contains("3 needed"));
    }

    #[test]
    fn block_tensors_round_trip() {
        for name in ["mxfp6_e3m2", "nvfp4", "bfp5_g7", "mxint8"] {
            let Format::Block(format) = name.parse().unwrap() else { panic!("{name} is a block format") };
            let values: Vec<f32> = (0..50).map(|i| (i as f32 * 0.7).sin() * 10.0).collect();
            let tensor = format.encode(&values, Rounding::NearestEven);
            let packed = pack_blocks(&format, &tensor);
            assert_eq!(unpack_blocks(&format, &packed, 50).unwrap(), tensor, "{name}");
        }
    }

    #[test]
    fn stq1_blocks_round_trip_and_cover_every_weight() {
        let codes: Vec<u32> = (0..64).map(|g| (g * 7 + 3) % 32).collect();
        let block = pack_stq1(&codes, 0x3c00).unwrap();
        assert_eq!(unpack_stq1(&block), (codes, 0x3c00));
        let mut indices: Vec<usize> =
            (0..64).flat_map(|group| (0..4).map(move |lane| stq1_weight_index(group, lane))).collect();
        indices.sort_unstable();
        assert_eq!(indices, (0..256).collect::<Vec<_>>());
        assert!(pack_stq1(&[0; 63], 0).is_err());
    }
}

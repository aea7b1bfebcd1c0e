//! Sparse blocks: round trips over sizes, densities and forms; sizes and the break-even against counting; corrupt blocks.

use bitmill_formats::sparse::{Form, FormRule, SparseBlock, SparseLayout};
use bitmill_formats::{Codebook, Family, Rounding, Scalar, Ties};

const FORMS: [Form; 2] = [Form::Bitmap, Form::Coordinates];

/// `count` codes, of which `per_mille` in a thousand are drawn from all that are not `absent`.
fn codes(layout: &SparseLayout, per_mille: u64, seed: u64) -> Vec<u32> {
    let mask = (u64::MAX >> (64 - layout.value_bits())) as u32;
    let draw = |index: u64, salt: u64| Rounding::draw(seed.wrapping_mul(97).wrapping_add(salt), index);
    let code = |index: u64| match draw(index, 1) % 1000 < per_mille {
        true => draw(index, 2) as u32 & mask,
        false => layout.absent(),
    };
    (0..layout.positions().into()).map(code).collect()
}

#[test]
fn blocks_round_trip_and_are_as_long_as_said() {
    let mut seed = 0;
    for positions in [2, 3, 31, 32, 33, 64, 100, 256, 4096] {
        for (value_bits, absent) in [(1, 0), (1, 1), (4, 9), (8, 0), (13, 0x1fff), (32, 0)] {
            let layout = SparseLayout::new(positions, value_bits, absent).expect("legal");
            for per_mille in [0, 1, 10, 100, 200, 500, 900, 1000] {
                seed += 1;
                let codes = codes(&layout, per_mille, seed);
                let count = codes.iter().filter(|code| **code != absent).count() as u32;
                for form in FORMS {
                    let block = layout.encode(&codes, FormRule::Always(form)).expect("legal codes");
                    assert_eq!((block.form, block.count), (form, count));
                    assert_eq!(block.bytes.len() as u64, layout.bits(form, count).div_ceil(8));
                    assert_eq!(layout.decode(&block).expect("as encoded"), codes);
                }
                let sizes = FORMS.map(|form| layout.bits(form, count));
                let smaller = layout.encode(&codes, FormRule::Smaller).expect("legal codes");
                assert_eq!(layout.bits(smaller.form, count), sizes[0].min(sizes[1]));
            }
        }
    }
}

#[test]
fn the_break_even_is_where_the_sizes_say() {
    for (positions, break_even) in [(32, 0.8), (512, 1.0 - 1.0 / 9.0), (256, 0.875), (64, 1.0 - 1.0 / 6.0)] {
        let layout = SparseLayout::new(positions, 8, 0).expect("legal");
        assert_eq!(layout.break_even(), break_even);
        for count in 0..=positions {
            let sparsity = 1.0 - f64::from(count) / f64::from(positions);
            // Where N is a multiple of i the sizes meet, and rounding of the quotients could decide.
            let meets = count * layout.index_bits() == positions;
            let sparse = sparsity > break_even && !meets;
            assert_eq!(
                layout.form(FormRule::Smaller, count) == Form::Coordinates,
                sparse,
                "{count} of {positions}"
            );
        }
    }
    let layout = SparseLayout::new(100, 8, 0).expect("legal");
    assert_eq!(
        [19, 20].map(|count| layout.form(FormRule::RT_NERF, count)),
        [Form::Coordinates, Form::Bitmap]
    );
    assert_eq!(layout.header_bits(), 1 + 7);
}

#[test]
fn bits_lie_where_the_layout_says() {
    let layout = SparseLayout::new(8, 4, 0).expect("legal");
    let codes = [0, 0xa, 0, 0, 0, 0x3, 0, 0xf];
    let bytes = |form| layout.encode(&codes, FormRule::Always(form)).expect("legal codes").bytes;
    assert_eq!(bytes(Form::Bitmap), [0b1010_0010, 0x3a, 0x0f]);
    assert_eq!(bytes(Form::Coordinates), [0b1110_1001, 0b0111_0101, 0b1_1110]);
}

#[test]
fn tensors_round_trip_in_every_format_with_a_zero() {
    let named = ["int4", "int8", "uint8", "fp8_e4m3", "posit8_0", "bf16", "dual_binary"];
    let own = Codebook::new("zero_third", &[1.0, -2.0, 0.0, 4.0], Ties::Lower).expect("legal");
    let formats =
        named.map(|name| name.parse().expect("a format")).into_iter().chain([Scalar::Codebook(own)]);
    for format in formats {
        let layout = SparseLayout::of(&format, 32).expect("it has a zero");
        let codes: Vec<u32> = (0..77).map(|at| (at * at) % (format.largest_code() + 1)).collect();
        let blocks = layout.encode_tensor(&codes, FormRule::Smaller).expect("legal codes");
        assert_eq!(blocks.len(), 3);
        assert_eq!(layout.decode_tensor(&blocks, 77).expect("as encoded"), codes, "{format}");
        assert!(layout.decode_tensor(&blocks, 97).is_err());
        assert!(format.bits() == layout.value_bits());
    }
    let e8m0: Scalar = "e8m0".parse().expect("a format");
    let error = SparseLayout::of(&e8m0, 32).expect_err("it has no zero");
    assert_eq!(error.to_string(), "leaving zeros out needs a format with a zero, and e8m0 is not one");
}

#[test]
fn corrupt_blocks_are_refused_in_words() {
    let layout = SparseLayout::new(10, 8, 0).expect("legal");
    let codes = [0, 7, 0, 0, 9, 0, 0, 0, 0, 5];
    let block = |form| layout.encode(&codes, FormRule::Always(form)).expect("legal codes");
    let refused = |form, change: &dyn Fn(&mut SparseBlock), words: &str| {
        let mut block = block(form);
        change(&mut block);
        let error = layout.decode(&block).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    };
    // Coordinates: the indices 1, 4, 9 in the low 12 bits.
    let indices = |low: u8, middle: u8, high: u8| {
        move |block: &mut SparseBlock| {
            block.bytes[0] = low | middle << 4;
            block.bytes[1] = block.bytes[1] & 0xf0 | high;
        }
    };
    refused(
        Form::Coordinates,
        &indices(4, 1, 9),
        "index in a sparse block = 1: indices ascend, and the one before is 4",
    );
    refused(Form::Coordinates, &indices(4, 4, 9), "the one before is 4");
    refused(Form::Coordinates, &indices(1, 4, 10), "= 10: the last position is 9");
    for form in FORMS {
        refused(form, &|block| block.bytes.truncate(block.bytes.len() - 1), "bytes of a sparse block");
        refused(form, &|block| block.bytes.push(0), "bytes of a sparse block");
        refused(form, &|block| block.count = 11, "a block has 10 positions");
        refused(form, &|block| block.bytes[4] |= 0x80, "the last byte is filled up with zeros");
    }
    refused(Form::Bitmap, &|block| block.bytes[0] |= 1, "the bitmap has 4 bits set");
    refused(Form::Bitmap, &|block| block.bytes[0] &= !2, "the bitmap has 2 bits set");
    refused(Form::Bitmap, &|block| block.count = 4, "bytes of a sparse block: 5 given, 6 needed");
    refused(Form::Bitmap, &|block| block.bytes[1..3].copy_from_slice(&[2, 0]), "the code of absent values");
}

#[test]
fn whatever_bytes_say_there_is_no_panic() {
    for seed in 0..3000_u64 {
        let draw = |index| Rounding::draw(seed, index);
        let layout =
            SparseLayout::new(2 + (draw(0) % 60) as u32, 1 + (draw(1) % 9) as u32, 0).expect("legal");
        let form = FORMS[(draw(2) % 2) as usize];
        let count = (draw(3) % 70) as u32;
        let bytes = (0..layout.bits(form, count).div_ceil(8)).map(|at| draw(4 + at) as u8).collect();
        let block = SparseBlock { form, count, bytes };
        // What is accepted is what the encoder makes.
        if let Ok(codes) = layout.decode(&block) {
            assert_eq!(layout.encode(&codes, FormRule::Always(form)).expect("legal codes"), block);
        }
    }
}

#[test]
fn illegal_layouts_and_codes_are_refused_in_words() {
    for (positions, value_bits, absent, words) in [
        (1, 8, 0, "2 to 65536 are legal"),
        (1 << 17, 8, 0, "2 to 65536 are legal"),
        (32, 0, 0, "1 to 32 are legal"),
        (32, 33, 0, "1 to 32 are legal"),
        (32, 4, 16, "a code of 4 bits is legal"),
    ] {
        let error = SparseLayout::new(positions, value_bits, absent).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
    let layout = SparseLayout::new(4, 2, 0).expect("legal");
    assert!(layout.encode(&[0; 3], FormRule::Smaller).is_err());
    assert!(layout.encode(&[0, 4, 0, 0], FormRule::Smaller).is_err());
}

//! The sparse search unit's meaning: what it answers is what the blocks decode to, in either form, in order.

use bitmill_formats::sparse::{Form, FormRule, SparseLayout};
use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Random, Unit, compare, interpret, lane, number, pack};
use bitmill_units::engine::sparse_search::search::SparseSearch;
use bitmill_units::engine::sparse_search::shape::{Shape, Store};
use bitmill_units::engine::sparse_search::tree;

/// Two requests of blocks of 64, where a bitmap takes two words and coordinates up to eight.
const SHAPE: Shape =
    Shape { requests: 2, banks: 4, index_bits: 6, leaves: 8, value_bits: 8, address_bits: [5, 8, 11] };

/// Runs beats of positions through the model; the answers and the cycles to the last of them.
fn answers(
    shape: Shape,
    writes: &[(Store, Vec<BigUint>)],
    beats: &[Vec<u64>],
) -> (Vec<Option<u32>>, u32, bool) {
    let mut model = SparseSearch::new(shape).model();
    let zero = || vec![BigUint::ZERO; 7];
    for (store, words) in writes {
        for (address, data) in words.iter().enumerate() {
            let mut inputs =
                vec![BigUint::from(1_u8), BigUint::from(*store as u8), address.into(), data.clone()];
            inputs.extend(vec![BigUint::ZERO; 4]);
            model.cycle(&inputs);
        }
    }
    let (mut found, mut cycles, mut next, mut fault) = (Vec::new(), 0, 0, false);
    while found.len() < beats.len() * shape.requests as usize && cycles < 100_000 {
        let mut inputs = zero();
        inputs.push(BigUint::from(1_u8));
        if let Some(beat) = beats.get(next) {
            inputs[4] = BigUint::from(1_u8);
            inputs[5] = BigUint::from((1_u32 << shape.requests) - 1);
            inputs[6] =
                pack(&beat.iter().map(|at| BigUint::from(*at)).collect::<Vec<_>>(), shape.position_bits());
        }
        let outputs = model.cycle(&inputs);
        cycles += 1;
        let set = |port: usize| outputs[port] == Some(BigUint::from(1_u8));
        next += usize::from(set(0));
        fault |= set(5);
        if set(1) {
            let [hits, values] = [3, 4].map(|port| outputs[port].clone().expect("an answer is shown"));
            for request in 0..shape.requests {
                let value = number(&lane(&values, request, shape.value_bits)) as u32;
                found.push(hits.bit(request.into()).then_some(value));
            }
        }
    }
    (found, cycles, fault)
}

#[test]
fn answers_are_what_the_blocks_decode_to() {
    let layout = SparseLayout::new(SHAPE.positions(), SHAPE.value_bits, 0).expect("legal");
    let mut random = Random::new(7);
    for density in [0, 2, 20, 100, 300, 1000] {
        let codes: Vec<u32> = (0..24 * 64)
            .map(|_| if random.below(1000) < density { 1 + random.below(255) as u32 } else { 0 })
            .collect();
        let forms = [Form::Bitmap, Form::Coordinates].map(FormRule::Always);
        for rule in [FormRule::Smaller, FormRule::RT_NERF].into_iter().chain(forms) {
            let blocks = layout.encode_tensor(&codes, rule).expect("legal codes");
            let contents = SHAPE.contents(&layout, &blocks).expect("they fit");
            let writes: Vec<_> = Store::ALL.into_iter().zip(contents.words).collect();
            let mut positions: Vec<u64> = (0..codes.len() as u64).collect();
            positions.sort_by_key(|at| (at * 7919) % 1543);
            let beats: Vec<Vec<u64>> = positions.chunks(2).map(<[u64]>::to_vec).collect();
            let (found, _, fault) = answers(SHAPE, &writes, &beats);
            let expected: Vec<Option<u32>> =
                positions.iter().map(|at| Some(codes[*at as usize]).filter(|code| *code != 0)).collect();
            assert_eq!(found, expected, "{density} of 1000, {rule:?}");
            assert!(!fault);
        }
    }
}

#[test]
fn dense_streams_take_a_beat_a_cycle_but_for_conflicts() {
    // A block a word: no search reads twice.
    let shape = Shape { index_bits: 5, ..SHAPE };
    let layout = SparseLayout::new(32, 8, 0).expect("legal");
    let codes: Vec<u32> = (0..32 * 32).map(|at| u32::from(at % 7 == 0)).collect();
    let blocks = layout.encode_tensor(&codes, FormRule::Smaller).expect("legal codes");
    let contents = shape.contents(&layout, &blocks).expect("they fit");
    let writes: Vec<_> = Store::ALL.into_iter().zip(contents.words).collect();
    let cycles = |step: u64| {
        let beats: Vec<Vec<u64>> = (0..300).map(|n| vec![n % 1024, (n + step) % 1024]).collect();
        answers(shape, &writes, &beats).1
    };
    // Three stages take two cycles each, reading and showing.
    let latency = 3 * 2 + tree::LATENCY_CYCLES;
    assert_eq!(cycles(0), 300 + latency);
    assert_eq!(cycles(32), 300 + latency);
    // Blocks four apart lie in one bank, and so do their places: a beat takes two cycles in both stages.
    assert_eq!(cycles(4 * 32), 2 * 300 + 1 + latency);
}

#[test]
fn a_corrupt_count_ends_with_a_fault() {
    let mut directory = vec![BigUint::ZERO; 32];
    // Coordinates, a count of 127 where 64 positions are, places from 3 on.
    directory[5] = (BigUint::from(0b1111_1111_u32) << 19) | (BigUint::from(3_u8) << 11);
    let places = vec![BigUint::from(0x1041_0410_4104_u64); 256];
    let writes =
        [(Store::Directory, directory), (Store::Places, places), (Store::Values, vec![BigUint::ZERO; 2048])];
    let (found, cycles, fault) = answers(SHAPE, &writes, &[vec![5 * 64 + 4, 5 * 64 + 9], vec![0, 1]]);
    assert_eq!(found, [None; 4]);
    assert!(fault);
    assert!(cycles < 30, "{cycles} cycles");
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let layout = SparseLayout::new(64, 8, 0).expect("legal");
    let blocks = layout.encode_tensor(&vec![1; 64 * 33], FormRule::Smaller).expect("legal codes");
    let error = SHAPE.contents(&layout, &blocks).expect_err("33 blocks are too many");
    assert_eq!(error.to_string(), "blocks = 33: the search unit holds 32");
    let other = SparseLayout::new(32, 8, 0).expect("legal");
    let error = SHAPE.contents(&other, &[]).expect_err("blocks of another size");
    assert_eq!(error.to_string(), "positions of a sparse block = 32: this search unit has 64");
}

#[test]
fn circuits_do_what_models_say() {
    let shapes = [
        SHAPE,
        Shape { requests: 3, banks: 2, leaves: 4, ..SHAPE },
        Shape { requests: 1, banks: 1, ..SHAPE },
        Shape { index_bits: 10, address_bits: [16; 3], ..SHAPE },
    ];
    for shape in shapes {
        let unit = SparseSearch::new(shape);
        let module = unit.module().expect("a legal circuit");
        let stimulus = unit.stimulus(&mut Random::new(3), 3000);
        let seen = interpret(&module, &stimulus);
        compare(&module, unit.model().as_mut(), &stimulus, &seen, "the interpreter").expect("they agree");
    }
}

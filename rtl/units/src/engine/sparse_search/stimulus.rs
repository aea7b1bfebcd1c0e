//! Tensors and requests for a search unit: densities from 0.1 % to 100 %, both forms, corrupt entries, hits, misses,
//! duplicates, gaps anywhere.

use bitmill_formats::sparse::{Form, FormRule, SparseLayout};
use bitmill_hdl::unit::{Model, Random, Values, number, pack};
use bitmill_hdl::{BigUint, Module};

use super::contents::{Contents, Entry};
use super::model::{SearchModel, VALID};
use super::shape::{Shape, Store};

/// Requests that were taken: `stimulus` and what was `seen` of a search unit.
pub fn requests(module: &Module, stimulus: &[Values], seen: &[Values]) -> u64 {
    let input = |name: &str| module.inputs().position(|port| port.name == name);
    let output = |name: &str| module.outputs().position(|port| port.name == name);
    let (Some(valid), Some(present), Some(ready)) = (input("valid_i"), input("present_i"), output("ready_o"))
    else {
        return 0;
    };
    let taken =
        stimulus.iter().zip(seen).filter(|(inputs, outputs)| inputs[valid].bit(0) && outputs[ready].bit(0));
    taken.map(|(inputs, _)| u64::from(number(&inputs[present]).count_ones())).sum()
}

/// Shares of positions with a value, in thousandths.
const DENSITIES: [u64; 8] = [1, 10, 50, 125, 200, 500, 900, 1000];
/// Rules for the forms of blocks.
const RULES: [FormRule; 4] = [
    FormRule::Smaller,
    FormRule::RT_NERF,
    FormRule::Always(Form::Bitmap),
    FormRule::Always(Form::Coordinates),
];

/// Most words of a memory that are written, which is all that requests lead to.
const MOST_WORDS: u32 = 1 << 12;
/// Most positions of a tensor, so that a corrupt count does not lead beyond those words.
const MOST_POSITIONS: u64 = 1 << 11;

/// Words of `store` that are written.
fn written_words(shape: &Shape, store: Store) -> u32 {
    (1 << shape.address_bits[store as usize]).min(MOST_WORDS)
}

/// A tensor in the memories, and where its values stand.
struct Scene {
    contents: Contents,
    blocks: u64,
    hits: Vec<u64>,
}

impl Scene {
    /// A tensor that fits; one in eight has some corrupt entries.
    fn draw(shape: &Shape, random: &mut Random) -> Scene {
        let layout =
            SparseLayout::new(shape.positions(), shape.value_bits, 0).expect("the shape was checked");
        let rule = RULES[random.below(RULES.len() as u64) as usize];
        let density = DENSITIES[random.below(DENSITIES.len() as u64) as usize];
        let most = (MOST_POSITIONS >> shape.index_bits).max(1);
        let mut blocks = most.min(1 << shape.address_bits[Store::Directory as usize]);
        let mut codes: Vec<u32> = (0..blocks * u64::from(shape.positions()))
            .map(|_| match random.below(1000) < density {
                true => number(&random.bits(shape.value_bits)) as u32,
                false => 0,
            })
            .collect();
        let mut contents = loop {
            codes.truncate((blocks * u64::from(shape.positions())) as usize);
            let encoded = layout.encode_tensor(&codes, rule).expect("codes of the value's bits");
            match shape.contents(&layout, &encoded) {
                Ok(contents) => break contents,
                Err(_) => blocks = (blocks / 2).max(1),
            }
        };
        let hits = (0..).zip(&codes).filter(|(_, code)| **code != 0).map(|(position, _)| position).collect();
        if random.one_in(8) {
            for entry in &mut contents.words[Store::Directory as usize] {
                if random.one_in(4) {
                    *entry = any_entry(shape, random).word(shape);
                }
            }
        }
        Scene { contents, blocks, hits }
    }

    /// A position of the tensor: often one with a value, sometimes the one before.
    fn position(&self, shape: &Shape, before: u64, random: &mut Random) -> u64 {
        let any = random.below(self.blocks << shape.index_bits);
        match random.below(8) {
            0 => before,
            1..=4 if !self.hits.is_empty() => self.hits[random.below(self.hits.len() as u64) as usize],
            5 => (before + 1).min((self.blocks << shape.index_bits) - 1),
            _ => any,
        }
    }
}

/// The inputs so far, and the unit that takes them.
struct Drive {
    shape: Shape,
    model: SearchModel,
    inputs: Vec<Values>,
}

impl Drive {
    /// A cycle with a write, or a beat of requests, or neither; whether the beat was taken.
    fn cycle(&mut self, write: Option<[BigUint; 3]>, beat: Option<(BigUint, BigUint)>, ready: bool) -> bool {
        let bit = |bit: bool| BigUint::from(u8::from(bit));
        let mut inputs = vec![bit(write.is_some())];
        inputs.extend(write.unwrap_or_default());
        inputs.push(bit(beat.is_some()));
        let (present, positions) = beat.unwrap_or_default();
        inputs.extend([present, positions, bit(ready)]);
        let outputs = self.model.cycle(&inputs);
        let taken = inputs[VALID].bit(0) && outputs[0].as_ref().is_some_and(|ready| ready.bit(0));
        self.inputs.push(inputs);
        taken
    }

    /// Requests of a scene, with gaps on both sides, until all are answered.
    fn search(&mut self, scene: &Scene, beats: u64, random: &mut Random) {
        let gap = |random: &mut Random| if random.one_in(2) { 0 } else { 2 + random.below(3) };
        let [gap_in, gap_out] = [gap(random), gap(random)];
        let flows = |random: &mut Random, gap: u64| gap == 0 || !random.one_in(gap);
        let sparse_beats = random.one_in(3);
        let mut position = 0;
        for _ in 0..beats {
            let positions: Vec<BigUint> = (0..self.shape.requests)
                .map(|_| {
                    position = scene.position(&self.shape, position, random);
                    BigUint::from(position)
                })
                .collect();
            let positions = pack(&positions, self.shape.position_bits());
            let present = if sparse_beats {
                random.bits(self.shape.requests)
            } else {
                BigUint::from((1_u32 << self.shape.requests) - 1)
            };
            loop {
                let beat = flows(random, gap_in).then(|| (present.clone(), positions.clone()));
                if self.cycle(None, beat, flows(random, gap_out)) {
                    break;
                }
            }
        }
        while !self.model.is_idle() {
            self.cycle(None, None, flows(random, gap_out));
        }
    }
}

/// An entry that leads anywhere in the words that are written.
fn any_entry(shape: &Shape, random: &mut Random) -> Entry {
    let reach = |store: Store| match 1 << shape.address_bits[store as usize] {
        words if words > MOST_WORDS => u64::from(MOST_WORDS / 2),
        words => words.into(),
    };
    Entry {
        form: if random.one_in(2) { Form::Bitmap } else { Form::Coordinates },
        count: random.below(2 << shape.index_bits) as u32,
        place: random.below(reach(Store::Places)) as u32,
        value: random.below(reach(Store::Values)) as u32,
    }
}

/// Writes of so many entries and of whatever they lead to: no word is left as it is after power-up.
fn noise(shape: &Shape, entries: u32, random: &mut Random) -> Vec<[BigUint; 3]> {
    let mut writes = Vec::new();
    for store in Store::ALL {
        let words = if store == Store::Directory { entries } else { written_words(shape, store) };
        for at in 0..words {
            let data = match store {
                Store::Directory => any_entry(shape, random).word(shape),
                Store::Places | Store::Values => random.bits(shape.bank(store).width),
            };
            writes.push([BigUint::from(store as u8), at.into(), data]);
        }
    }
    writes
}

/// Writes of a tensor.
fn tensor(contents: &Contents) -> Vec<[BigUint; 3]> {
    let words = |store: Store| contents.words[store as usize].iter().zip(0_u32..);
    let of = |store: Store| {
        words(store).map(move |(data, at)| [BigUint::from(store as u8), at.into(), data.clone()])
    };
    Store::ALL.into_iter().flat_map(of).collect()
}

/// Writes of a tensor drawn at random, in which one position in sixteen or more has a value, over noise.
pub(in crate::engine) fn memories(shape: &Shape, random: &mut Random) -> Vec<[BigUint; 3]> {
    let mut writes = noise(shape, 1 << shape.address_bits[Store::Directory as usize], random);
    let scene = loop {
        let scene = Scene::draw(shape, random);
        if 16 * scene.hits.len() as u64 >= scene.blocks << shape.index_bits {
            break scene;
        }
    };
    writes.extend(tensor(&scene.contents));
    writes
}

/// Scene after scene, for so many cycles besides the writing of the memories.
pub(super) fn draw(shape: Shape, random: &mut Random, cycles: usize) -> Vec<Values> {
    let mut drive = Drive { shape, model: SearchModel::new(shape), inputs: Vec::new() };
    for write in noise(&shape, written_words(&shape, Store::Directory), random) {
        drive.cycle(Some(write), None, true);
    }
    let beats = (cycles as u64 / 8).clamp(32, 2_000);
    let end = drive.inputs.len() + cycles;
    while drive.inputs.len() < end {
        let scene = Scene::draw(&shape, random);
        for write in tensor(&scene.contents) {
            drive.cycle(Some(write), None, true);
        }
        drive.search(&scene, beats, random);
    }
    drive.inputs
}

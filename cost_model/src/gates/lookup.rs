//! Lookup tables: which gates of a circuit each takes in.
//!
//! Every gate has some cuts, sets of at most so many signals that determine it. First the cuts of least depth are taken, then in two
//! rounds those of least area (by the flow of area: that of a cut's leaves, shared among their readers) that keep the longest path
//! as it is. That is what ABC's `if` does (Mishchenko, Cho, Chatterjee and Brayton, "Combinational and sequential mapping with
//! priority cuts", 2007), on the graph as it stands.

use super::circuit::Circuit;
use super::fabric::{MOST_INPUTS, Rules};
use super::{Gate, Literal, Origin, TRUE};

/// Cuts that are kept of each gate.
const CUTS: usize = 8;
/// Rounds that save area behind the one for depth.
const ROUNDS: usize = 3;

/// Depths of what is not a lookup table, in levels of lookup tables.
const CARRY_DEPTH: f32 = 0.05;
const CHAIN_DEPTH: f32 = 1.0;
const PRODUCT_DEPTH: f32 = 3.0;

/// Nodes, lowest first, that determine a gate.
#[derive(Clone, Copy, Debug)]
struct Cut {
    leaves: [u32; MOST_INPUTS],
    len: u8,
    depth: f32,
    area: f32,
}

impl Cut {
    fn own(node: u32) -> Cut {
        let mut leaves = [0; MOST_INPUTS];
        leaves[0] = node;
        Cut { leaves, len: 1, depth: 0.0, area: 0.0 }
    }

    fn leaves(&self) -> &[u32] {
        &self.leaves[..self.len.into()]
    }

    /// Both together, if they are no more than a lookup table has.
    fn with(&self, other: &Cut) -> Option<Cut> {
        let (a, b) = (self.leaves(), other.leaves());
        let (mut i, mut j, mut len) = (0, 0, 0);
        let mut leaves = [0; MOST_INPUTS];
        while i < a.len() || j < b.len() {
            if len == MOST_INPUTS {
                return None;
            }
            let next = match (a.get(i), b.get(j)) {
                (Some(x), Some(y)) => *x.min(y),
                (Some(x), None) => *x,
                (None, Some(y)) => *y,
                (None, None) => break,
            };
            i += usize::from(a.get(i) == Some(&next));
            j += usize::from(b.get(j) == Some(&next));
            leaves[len] = next;
            len += 1;
        }
        Some(Cut { leaves, len: len as u8, depth: 0.0, area: 0.0 })
    }
}

/// The circuit with lookup tables for gates: what each reads stands in [`Circuit::reads`], and gates that are within one are not
/// needed any more.
pub(super) fn covered(mut circuit: Circuit, rules: &Rules) -> Circuit {
    let mut mapping = Mapping::new(&circuit, rules);
    for round in 0..=ROUNDS {
        mapping.choose(round > 0);
        mapping.cover();
    }
    let Mapping { best, uses, is_lut, .. } = mapping;
    for node in 1..circuit.gates.len() {
        if is_lut[node] {
            circuit.is_needed[node] = uses[node] > 0;
            if uses[node] > 0 {
                circuit.reads.insert(node, best[node].leaves().iter().map(|leaf| leaf << 1).collect());
            }
        }
    }
    circuit
}

struct Mapping<'c> {
    circuit: &'c Circuit,
    rules: &'c Rules,
    /// Gates that a lookup table may have at its output.
    is_lut: Vec<bool>,
    cuts: Vec<Vec<Cut>>,
    best: Vec<Cut>,
    /// When each gate is stable, and when it must be.
    depth: Vec<f32>,
    required: Vec<f32>,
    flow: Vec<f32>,
    /// How many lookup tables and others read the gate, in the last cover.
    uses: Vec<u32>,
    /// The same, smoothed over the rounds.
    readers: Vec<f32>,
}

impl<'c> Mapping<'c> {
    fn new(circuit: &'c Circuit, rules: &'c Rules) -> Mapping<'c> {
        let count = circuit.gates.len();
        let is_lut = (0..count).map(|node| {
            let is_gate = matches!(circuit.gates[node].0, Gate::And(..) | Gate::Xor(..) | Gate::Mux(..));
            is_gate && circuit.gates[node].1 != Origin::Chain && circuit.is_needed[node]
        });
        Mapping {
            circuit,
            rules,
            is_lut: is_lut.collect(),
            cuts: vec![Vec::new(); count],
            best: (0..count as u32).map(Cut::own).collect(),
            depth: vec![0.0; count],
            required: vec![f32::INFINITY; count],
            flow: vec![0.0; count],
            uses: vec![0; count],
            readers: circuit.readers().into_iter().map(|n| n.max(1) as f32).collect(),
        }
    }

    /// The best cut of each gate, lowest first: of least depth, or of least area that is early enough.
    fn choose(&mut self, for_area: bool) {
        for node in 1..self.circuit.gates.len() {
            if !self.circuit.is_needed[node] {
                continue;
            }
            if !self.is_lut[node] {
                self.depth[node] = self.fixed_depth(node);
                self.cuts[node] = vec![Cut::own(node as u32)];
                continue;
            }
            let mut found = self.merged(node);
            for cut in &mut found {
                let leaves = cut.leaves().iter().map(|&leaf| leaf as usize);
                let inputs = usize::from(cut.len).saturating_sub(1);
                let (mut depth, mut area) = (0.0f32, self.rules.lut_weights[inputs] as f32);
                for leaf in leaves {
                    depth = depth.max(self.depth[leaf]);
                    area += self.flow[leaf];
                }
                (cut.depth, cut.area) = (depth + self.rules.lut_depths[inputs] as f32, area);
            }
            let required = if for_area { self.required[node] } else { f32::NEG_INFINITY };
            let key = |cut: &Cut| {
                let late = if cut.depth <= required + 1e-3 { 0.0 } else { cut.depth };
                (late, cut.area, f32::from(cut.len))
            };
            found.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal));
            found.dedup_by(|a, b| a.leaves() == b.leaves());
            found.truncate(CUTS);
            let Some(best) = found.first().copied() else { continue };
            self.best[node] = best;
            self.depth[node] = best.depth;
            self.flow[node] = best.area / self.readers[node];
            found.push(Cut::own(node as u32));
            self.cuts[node] = found;
        }
    }

    /// When a gate is stable that is no lookup table.
    fn fixed_depth(&self, node: usize) -> f32 {
        let latest = self.circuit.operands(node).map(|o| self.depth[(o >> 1) as usize]).fold(0.0, f32::max);
        latest + Self::own_depth(self.circuit, node)
    }

    fn own_depth(circuit: &Circuit, node: usize) -> f32 {
        match circuit.gates[node] {
            (Gate::Product(..), _) => PRODUCT_DEPTH,
            (Gate::Mux(..), Origin::Chain) => CARRY_DEPTH,
            (Gate::Xor(..), Origin::Chain) => CHAIN_DEPTH / 2.0,
            _ => 0.0,
        }
    }

    /// Cuts that come of those of a gate's operands.
    fn merged(&self, node: usize) -> Vec<Cut> {
        let mut found: Option<Vec<Cut>> = None;
        for operand in self.circuit.gates[node].0.operands().filter(|operand| *operand > TRUE) {
            let cuts = &self.cuts[(operand >> 1) as usize];
            found = Some(match found {
                None => cuts.clone(),
                Some(before) => {
                    before.iter().flat_map(|a| cuts.iter().filter_map(move |b| a.with(b))).collect()
                }
            });
        }
        found.unwrap_or_default()
    }

    /// Takes the best cuts of what is read, highest first, and finds when each gate must be stable.
    fn cover(&mut self) {
        let circuit = self.circuit;
        let ends: Vec<Literal> = circuit
            .registers
            .iter()
            .flat_map(|step| step.operands())
            .chain(circuit.ends.iter().map(|end| end.0))
            .filter(|literal| *literal > TRUE)
            .collect();
        let latest = ends.iter().map(|end| self.depth[(end >> 1) as usize]).fold(0.0, f32::max);
        self.uses.fill(0);
        self.required.fill(f32::INFINITY);
        for end in ends {
            self.uses[(end >> 1) as usize] += 1;
            self.required[(end >> 1) as usize] = latest;
        }
        for node in (1..circuit.gates.len()).rev().filter(|&node| circuit.is_needed[node]) {
            if self.is_lut[node] {
                if self.uses[node] > 0 {
                    let cut = self.best[node];
                    let inputs = usize::from(cut.len).saturating_sub(1);
                    let before = self.required[node] - self.rules.lut_depths[inputs] as f32;
                    cut.leaves().iter().for_each(|&leaf| self.read(leaf as usize, before));
                }
            } else {
                let before = self.required[node] - Self::own_depth(circuit, node);
                let operands: Vec<Literal> = circuit.operands(node).filter(|o| *o > TRUE).collect();
                operands.into_iter().for_each(|operand| self.read((operand >> 1) as usize, before));
            }
        }
        for (readers, uses) in self.readers.iter_mut().zip(&self.uses) {
            *readers = ((*readers + 2.0 * *uses as f32) / 3.0).max(1.0);
        }
    }

    fn read(&mut self, node: usize, before: f32) {
        self.uses[node] += 1;
        self.required[node] = self.required[node].min(before);
    }
}

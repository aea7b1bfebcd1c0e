//! How often gates toggle when every input is random in every cycle.

use super::circuit::{Circuit, Step};
use super::{Gate, Literal, Random};

/// Cycles before registers have forgotten their random beginning, and cycles that are counted, in each of 64 runs.
const SETTLING: usize = 16;
const CYCLES: usize = 32;

/// Toggles in a cycle of each gate; without delays, and so without glitches.
pub(super) fn toggles(circuit: &Circuit) -> Vec<f64> {
    let Circuit { gates, is_needed, registers, .. } = circuit;
    let mut random = Random::seeded(0);
    let mut values: Vec<u64> = gates.iter().map(|_| random.next()).collect();
    values[0] = 0;
    let mut toggles = vec![0u32; values.len()];
    // Gates stand behind what they read.
    let needed: Vec<usize> = (1..values.len()).filter(|&node| is_needed[node]).collect();
    for cycle in 0..SETTLING + CYCLES {
        let taken: Vec<u64> = registers.iter().map(|register| register.taken(&values)).collect();
        let mut put = |values: &mut [u64], node: usize, now: u64| {
            if cycle >= SETTLING {
                toggles[node] += (values[node] ^ now).count_ones();
            }
            values[node] = now;
        };
        for (register, now) in registers.iter().zip(taken) {
            put(&mut values, register.node, now);
        }
        for &node in &needed {
            let of = |literal| value(&values, literal);
            let now = match gates[node].0 {
                Gate::Leaf | Gate::Product(..) => random.next(),
                Gate::Register(..) => continue,
                Gate::And(a, b) => of(a) & of(b),
                Gate::Xor(a, b) => of(a) ^ of(b),
                Gate::Mux(choice, a, b) => of(choice) & of(a) | !of(choice) & of(b),
            };
            put(&mut values, node, now);
        }
    }
    toggles.into_iter().map(|count| f64::from(count) / (64 * CYCLES) as f64).collect()
}

impl Step {
    fn taken(&self, values: &[u64]) -> u64 {
        let kept = values[self.node];
        let next = self.next.map_or(kept, |next| value(values, next));
        let enable = self.enable.map_or(u64::MAX, |enable| value(values, enable));
        enable & next | !enable & kept
    }
}

fn value(values: &[u64], literal: Literal) -> u64 {
    values[(literal >> 1) as usize] ^ 0u64.wrapping_sub(u64::from(literal & 1))
}

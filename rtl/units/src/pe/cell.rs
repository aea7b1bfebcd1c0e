//! One PE with the heads of its column and its row: an array of one, on which a PE is tested.
//!
//! The cell has the ports of the PE, `mode_i` where there are several modes and `phase_i` where a step takes
//! several cycles. Its meaning is the PE's: a sum of dot products of codes, whatever the heads make of them.

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Pipeline, Random, Values, number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::{Mode, ProcessingElement};

/// The circuit of the cell of `pe`, called `name`.
///
/// # Errors
/// Only on our own bugs.
pub fn module(pe: &dyn ProcessingElement, name: &str, purpose: &str) -> Result<Arc<Module>, HdlError> {
    let circuit = pe.circuit()?;
    let m = ModuleBuilder::new(name, purpose);
    m.group("Control");
    let mut controls = vec![
        ("valid_i", m.input_with_comment("valid_i", unsigned(1), "operands are present")),
        ("first_i", m.input_with_comment("first_i", unsigned(1), "first cycle of a sum")),
        ("last_i", m.input_with_comment("last_i", unsigned(1), "last cycle of a sum")),
    ];
    for (port, width, comment) in [
        ("mode_i", pe.mode_bits(), "formats of the operands; constant within a sum"),
        ("phase_i", pe.phase_bits(), "cycle of the step, from 0"),
    ] {
        if width > 0 {
            controls.push((port, m.input_with_comment(port, unsigned(width), comment)));
        }
    }
    m.group("Data, lane 0 lowest");
    let activation = m.input("activation_i", unsigned(pe.activation_bits()));
    let weight = m.input("weight_i", unsigned(pe.weight_bits()));
    let taken = |module: &Module| -> Vec<(&str, Signal)> {
        controls.iter().filter(|(port, _)| module.port(port).is_some()).copied().collect()
    };
    let mut operands = [activation, weight];
    let heads = [
        (pe.row_head()?, "i_row_head", "activation_i", "activation_o"),
        (pe.column_head()?, "i_column_head", "weight_i", "weight_o"),
    ];
    for (operand, (head, instance, input, output)) in operands.iter_mut().zip(heads) {
        if let Some(head) = head {
            let mut inputs = taken(&head);
            inputs.push((input, *operand));
            *operand = m.instance(instance, &head, &inputs).output(output);
        }
    }
    let mut inputs = taken(&circuit);
    inputs.extend([("activation_i", operands[0]), ("weight_i", operands[1])]);
    let instance = m.instance("i_pe", &circuit, &inputs);
    m.group("Sums");
    for port in circuit.outputs() {
        m.output_with_comment(&port.name, instance.output(&port.name), &port.comment);
    }
    m.finish()
}

/// The operands of one step.
#[derive(Clone, Copy, Debug)]
pub struct Step<'v> {
    /// Code of the mode.
    pub mode: u32,
    /// The activation word.
    pub activation: &'v BigUint,
    /// The weight word.
    pub weight: &'v BigUint,
}

/// The cell's model: `dot` is what a step adds to each of the PE's `SUMS` outputs, modulo 2^result bits.
pub(super) fn model<const SUMS: usize>(
    pe: &dyn ProcessingElement,
    dot: impl Fn(Step) -> [i128; SUMS] + 'static,
) -> Box<dyn Model> {
    let (has_mode, has_phase) = (pe.mode_bits() > 0, pe.phase_bits() > 0);
    let width = pe.result_bits();
    let (mut sums, mut results) = ([0i128; SUMS], vec![None; SUMS]);
    Box::new(Pipeline::new(pe.timing().latency_cycles as usize, SUMS, move |inputs: &[BigUint]| {
        let (controls, operands) = inputs.split_at(inputs.len() - 2);
        let at = |index: usize| number(&controls[index]) as u32;
        if at(0) == 1 {
            let mode = if has_mode { at(3) } else { 0 };
            // A step counts once, whatever its cycles.
            if !has_phase || at(controls.len() - 1) == 0 {
                let step = dot(Step { mode, activation: &operands[0], weight: &operands[1] });
                let keep = i128::from(at(1) == 0);
                sums = std::array::from_fn(|index| keep * sums[index] + step[index]);
            }
            if at(2) == 1 {
                results = sums.iter().map(|&sum| Some(to_bits(sum, width))).collect();
            }
        }
        results.clone()
    }))
}

/// Sums of random length in random modes, with idle cycles anywhere. `operands` draws an activation word and
/// a weight word.
pub(super) fn stimulus(
    pe: &dyn ProcessingElement,
    random: &mut Random,
    cycles: usize,
    mut operands: impl FnMut(&mut Random, &Mode) -> [BigUint; 2],
) -> Vec<Values> {
    let modes = pe.modes();
    let mut all = Vec::with_capacity(cycles);
    while all.len() < cycles {
        let mode = &modes[random.below(modes.len() as u64) as usize];
        let steps = 1 + random.below(8);
        for step in 0..steps {
            let words = operands(random, mode);
            push_step(pe, random, &mut all, mode, [step == 0, step + 1 == steps], words);
        }
    }
    all
}

/// The cycles of a step, with idle ones among them; the step may be the first or the last of its sum.
pub(super) fn push_step(
    pe: &dyn ProcessingElement,
    random: &mut Random,
    all: &mut Vec<Values>,
    mode: &Mode,
    [is_first, is_last]: [bool; 2],
    words: [BigUint; 2],
) {
    for phase in 0..mode.interval_cycles {
        while random.one_in(5) {
            all.push(idle(pe, random));
        }
        let last = is_last && phase + 1 == mode.interval_cycles;
        let mut values: Values = [true, is_first && phase == 0, last].map(|set| u8::from(set).into()).into();
        values.extend((pe.mode_bits() > 0).then(|| mode.code.into()));
        values.extend((pe.phase_bits() > 0).then(|| phase.into()));
        values.extend(words.clone());
        all.push(values);
    }
}

/// A cycle without operands: nothing else on the ports may matter.
fn idle(pe: &dyn ProcessingElement, random: &mut Random) -> Values {
    let mut values = vec![BigUint::ZERO, random.bits(1), random.bits(1)];
    for width in [pe.mode_bits(), pe.phase_bits(), pe.activation_bits(), pe.weight_bits()] {
        if width > 0 {
            values.push(random.bits(width));
        }
    }
    values
}

/// Two words with corners in every lane: `activation` lanes of so many bits, then `weight`.
pub(super) fn corner_words(random: &mut Random, [activation, weight]: [(u32, u32); 2]) -> [BigUint; 2] {
    [activation, weight].map(|(lanes, bits)| {
        // Now and then all lanes alike: the sums reach their ends.
        let alike = random.one_in(6).then(|| random.corner_bits(bits));
        (0..lanes).fold(BigUint::ZERO, |word, lane| {
            let code = alike.clone().unwrap_or_else(|| random.corner_bits(bits));
            word | (code << (lane * bits))
        })
    })
}

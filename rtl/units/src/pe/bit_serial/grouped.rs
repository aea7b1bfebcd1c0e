//! Bit-serial PE with group scales: the sum of each group of weights is scaled by the group's own scale, a bit a cycle,
//! while the next group is summed.
//!
//! BitMoD (Chen et al., HPCA 2025, section IV): a group of 128 weights keeps four lanes busy for 64 cycles or more, so
//! the dequantization unit stays hidden. Here the two of them are one PE. A weight word says itself where its group
//! ends, `{ends, scale, word}`, and the scale in a group's last word counts; so groups may have any length that keeps
//! the PE busy for as many cycles as a scale has bits, and nobody counts them.
//!
//! Meaning: `result = Σ over groups scale · Σ over steps Σ over lanes activation · weight`, in the units of
//! [`super::BitSerialPe`], modulo 2^accumulator bits; a sum is made of whole groups. Timing: a cycle for every term;
//! the sum shows 2 + scale bits + 1 cycles after its last.

use std::sync::Arc;

use bitmill_formats::Format;
use bitmill_hdl::unit::{Model, Random, Unit, Values, number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::activation;
use super::core::step_bits;
use super::dequantizer::BitSerialDequantizer;
use super::encoder::{self, TermEncoder};
use super::{Accumulation, BitSerialPe, Core, SerialActivation};
use crate::pe::sum::Control;
use crate::pe::{GroupEnds, Mode, PeTiming, ProcessingElement, WeightPacker, cell};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "bit_serial_grouped",
    summary: "bit-serial PE with its dequantizer: group sums scaled a scale bit a cycle, behind the next group",
    parameters: &[
        activation::ACTIVATION,
        encoder::LANES,
        encoder::WEIGHTS,
        encoder::FP4_SPECIALS,
        encoder::FP3_SPECIALS,
        Parameter {
            name: "group",
            default: "128",
            help: "weights of a group, a multiple of the lanes; a row may have groups of half as many",
            legal: Legal::Numbers(2, 65536),
        },
        Parameter {
            name: "scale_bits",
            default: "8",
            help: "bits of a group's unsigned scale, 2 to 16; as many cycles must half a group last",
            legal: Legal::Numbers(2, 16),
        },
        Parameter {
            name: "accumulator",
            default: "48",
            help: "bits of the sum, up to 96; a group's sum has less, by the scale",
            legal: Legal::Numbers(8, 96),
        },
    ],
    examples: &[
        "",
        "activation=fp16 accumulator=72 weights=bitmod_fp4,bitmod_fp3",
        "lanes=2 weights=int8 scale_bits=3 accumulator=32",
        "lanes=8 weights=int2,bitmod_fp4 scale_bits=5 accumulator=40",
    ],
    build: |settings| Ok(Box::new(GroupedPe::from_settings(settings)?)),
};

/// Parameters of a bit-serial PE with group scales.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GroupedPe {
    pe: BitSerialPe,
    dequantizer: BitSerialDequantizer,
    group: u32,
    scale_bits: u32,
}

impl GroupedPe {
    /// A PE for the weights that `encoder` encodes, in groups of `group` with scales of `scale_bits`; sums have
    /// `accumulator_bits`.
    ///
    /// # Errors
    /// Groups that are no whole steps, or half of which does not last as long as a sum takes to be scaled. What
    /// [`BitSerialPe::new`] refuses for the sums of groups, which have `accumulator_bits` less `scale_bits`, and
    /// what [`BitSerialDequantizer::new`] refuses.
    pub fn new(
        activation: SerialActivation,
        encoder: TermEncoder,
        group: u32,
        scale_bits: u32,
        accumulator_bits: u32,
    ) -> Result<GroupedPe, UnitError> {
        let (lanes, quickest) =
            (encoder.lanes(), encoder.weights().iter().map(|weight| weight.cycles()).min());
        let least = 2 * lanes * scale_bits.div_ceil(quickest.unwrap_or(1));
        if !group.is_multiple_of(lanes) || group < least {
            let legal = format!(
                "half a group lasts {scale_bits} cycles, so multiples of {lanes} from {least} are legal"
            );
            return Err(UnitError::illegal("group", group, legal));
        }
        let sum_bits = accumulator_bits.saturating_sub(scale_bits);
        let of_groups = |error: UnitError| match error {
            UnitError::IllegalValue { parameter: "accumulator" | "sum_bits", legal, .. } => {
                let legal = format!("sums of groups have {scale_bits} bits less, {sum_bits}, and {legal}");
                UnitError::illegal("accumulator", accumulator_bits, legal)
            }
            other => other,
        };
        let pe = BitSerialPe::new(activation, encoder, Accumulation::Exact(sum_bits)).map_err(of_groups)?;
        if let Core::Exact(core) = pe.core() {
            // A group has half its size more where what is left of a row joins it.
            let least =
                step_bits(group + group / 2, core.activation_bits, pe.encoder.value_bits()) + scale_bits;
            if accumulator_bits < least {
                let legal =
                    format!("a group's sum and its scale take {least} bits, so {least} to 96 are legal");
                return Err(UnitError::illegal("accumulator", accumulator_bits, legal));
            }
        }
        let dequantizer =
            BitSerialDequantizer::new(sum_bits, scale_bits, accumulator_bits).map_err(of_groups)?;
        Ok(GroupedPe { pe, dequantizer, group, scale_bits })
    }

    pub(in crate::pe) fn from_settings(settings: &Settings) -> Result<GroupedPe, UnitError> {
        GroupedPe::new(
            SerialActivation::parse(settings.text("activation"))?,
            TermEncoder::from_settings(settings)?,
            settings.number("group", 2..=65536)?,
            settings.number("scale_bits", 2..=16)?,
            settings.number("accumulator", 8..=96)?,
        )
    }

    /// The format of a mode's weights without their groups.
    fn element(&self, code: u32) -> Format {
        self.pe.encoder.weights()[code as usize].format()
    }

    /// The parts of a weight word (or of what the head makes of it): those of the PE, the scale, and whether the group
    /// ends.
    fn parts<'m>(&self, word: Signal<'m>, own_bits: u32) -> (Signal<'m>, Signal<'m>, Signal<'m>) {
        (word.truncate(own_bits), word.slice(own_bits, self.scale_bits), word.msb())
    }

    fn name(&self, part: &str) -> String {
        format!(
            "bitmill_bit_serial_grouped{part}_{}_l{}_{}_g{}_k{}_acc{}",
            self.pe.activation.format(),
            self.lanes(),
            self.pe.encoder.weights_name(),
            self.group,
            self.scale_bits,
            self.result_bits()
        )
    }
}

impl Unit for GroupedPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let purpose = format!(
            "bit-serial dot-product PE with group scales of {} bits, and its heads.\nLatency {} cycles.",
            self.scale_bits,
            self.timing().latency_cycles
        );
        cell::module(self, &self.name("_cell"), &purpose)
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = self.clone();
        let word_bits = self.pe.weight_bits();
        let group = std::cell::Cell::new(0i128);
        cell::model(self, move |step| {
            let [sum] = unit.pe.dot(step);
            let scale = number(&((step.weight >> word_bits) & BigUint::from((1u32 << unit.scale_bits) - 1)));
            let total = group.get() + sum;
            let ends = step.weight.bit(u64::from(unit.weight_bits()) - 1);
            group.set(if ends { 0 } else { total });
            [if ends { total * i128::from(scale) } else { 0 }]
        })
    }

    /// Sums of one to three groups, each as short as it may be or longer, with idle cycles anywhere.
    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let (modes, word_bits) = (self.modes(), self.pe.weight_bits());
        let mut all = Vec::with_capacity(cycles);
        while all.len() < cycles {
            let mode = modes[random.below(modes.len() as u64) as usize].clone();
            let groups = 1 + random.below(3);
            for group in 0..groups {
                let least = self.scale_bits.div_ceil(mode.interval_cycles);
                let steps = least + if random.one_in(2) { 0 } else { random.below(6) as u32 };
                for step in 0..steps {
                    let [activation, word] = self.pe.operands(random, &mode);
                    let ends = u32::from(step + 1 == steps);
                    // Only the scale of the last word of a group counts.
                    let scale = random.corner_bits(self.scale_bits);
                    let word = word | (scale | BigUint::from(ends) << self.scale_bits) << word_bits;
                    let is_first = group == 0 && step == 0;
                    let is_last = group + 1 == groups && ends == 1;
                    cell::push_step(self, random, &mut all, &mode, [is_first, is_last], [activation, word]);
                }
            }
        }
        all
    }
}

impl ProcessingElement for GroupedPe {
    fn lanes(&self) -> u32 {
        self.pe.lanes()
    }

    fn activation_bits(&self) -> u32 {
        self.pe.activation_bits()
    }

    fn weight_bits(&self) -> u32 {
        self.pe.weight_bits() + self.scale_bits + 1
    }

    fn result_bits(&self) -> u32 {
        self.pe.result_bits() + self.scale_bits
    }

    fn timing(&self) -> PeTiming {
        let own = self.pe.timing();
        PeTiming { latency_cycles: own.latency_cycles + self.dequantizer.latency_cycles(), ..own }
    }

    fn modes(&self) -> Vec<Mode> {
        let grouped = |element: Format| {
            let name = format!("{element}_g{}_s{}", self.group, self.scale_bits);
            name.parse().expect("elements and groups were checked")
        };
        self.pe
            .modes()
            .into_iter()
            .map(|mode| Mode { weight: grouped(mode.weight.clone()), ..mode })
            .collect()
    }

    fn weight_packer(&self, mode: &Mode) -> WeightPacker {
        self.pe.weight_packer(&Mode { weight: self.element(mode.code), ..mode.clone() })
    }

    fn group_ends(&self) -> Option<GroupEnds> {
        let (scale_lsb, least_cycles) = (self.pe.weight_bits(), self.dequantizer.interval_cycles());
        Some(GroupEnds { scale_lsb, scale_bits: self.scale_bits, least_cycles })
    }

    fn column_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        let m = ModuleBuilder::new(
            self.name("_head"),
            "weights to terms; a group ends with the last term of its last word.\nCombinational.",
        );
        let head = self.pe.encoder.module()?;
        let mut inputs: Vec<(&str, Signal)> = Vec::new();
        for (port, width) in [("mode_i", self.mode_bits()), ("phase_i", self.phase_bits())] {
            if width > 0 {
                inputs.push((port, m.input(port, unsigned(width))));
            }
        }
        let comment = "whether the group ends, its scale, select and codes";
        let word = m.input_with_comment("weight_i", unsigned(self.weight_bits()), comment);
        let (codes, scale, ends) = self.parts(word, self.pe.weight_bits());
        let control = |port: &str| inputs.iter().find(|(name, _)| *name == port).map(|(_, signal)| *signal);
        let cycles: Vec<u32> = self.pe.encoder.weights().iter().map(|weight| weight.cycles()).collect();
        let ends = match control("phase_i") {
            None => ends,
            Some(phase) => {
                let last: Vec<Signal> =
                    cycles.iter().map(|&cycles| phase.eq_value(i128::from(cycles - 1))).collect();
                ends.and(control("mode_i").map_or(last[0], |mode| mode.select(&last, last[0])))
            }
        };
        inputs.push(("weight_i", codes));
        let terms = m.instance("i_encoder", &head, &inputs).output("weight_o");
        m.output("weight_o", m.concat(&[ends.named("ends"), scale, terms]));
        m.finish().map(Some)
    }

    fn row_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        self.pe.row_head()
    }

    fn circuit(&self) -> Result<Arc<Module>, HdlError> {
        let core = self.pe.circuit()?;
        let m = ModuleBuilder::new(
            self.name(""),
            format!(
                "bit-serial dot-product PE with its dequantizer: groups scaled behind each other.\nLatency {} cycles, \
                 interval 1.",
                self.timing().latency_cycles
            ),
        );
        let control = Control::inputs(&m);
        m.group("Data, lane 0 lowest");
        let port = |name: &str| core.port(name).expect("a PE has operands").1.shape.width;
        let activation = m.input("activation_i", unsigned(port("activation_i")));
        let own_bits = port("weight_i");
        let comment = "whether the group ends, its scale, significance and terms";
        let word = m.input_with_comment("weight_i", unsigned(own_bits + self.scale_bits + 1), comment);
        let (terms, scale, ends) = self.parts(word, own_bits);

        m.comment("Where groups begin, and whether a group is the first of its sum.");
        let begins_q = m.register("begins_q", unsigned(1)).without_reset();
        begins_q.set_when(control.valid, ends);
        let begins = control.first.or(begins_q.q()).named("begins");
        let opens_q = m.register("opens_q", unsigned(1)).without_reset();
        opens_q.set_when(control.valid, control.first.or(opens_q.q()).and(ends.not()));
        let opens = control.first.or(opens_q.q()).named("opens");
        let sums = [
            ("valid_i", control.valid),
            ("first_i", begins),
            ("last_i", ends),
            ("activation_i", activation),
            ("weight_i", terms),
        ];
        let sum = m.instance("i_group", &core, &sums).output("result_o");

        m.comment("The group's sum comes two cycles later, and its scale with it.");
        let ended = m.delay("ended_2_q", m.delay("ended_1_q", control.valid.and(ends)));
        let groups = [
            ("valid_i", ended),
            ("first_i", later(&m, "opens", opens)),
            ("last_i", later(&m, "last", control.last)),
            ("sum_i", sum.as_signed()),
            ("scale_i", later(&m, "scale", scale)),
        ];
        let total = m.instance("i_dequantizer", &self.dequantizer.module()?, &groups);
        m.ignore(total.output("ready_o"));
        m.ignore(total.output("valid_o"));
        m.output("result_o", total.output("result_o").as_signed());
        m.finish()
    }
}

/// `signal` as it was two cycles ago.
fn later<'m>(m: &'m ModuleBuilder, name: &str, signal: Signal<'m>) -> Signal<'m> {
    let once = m.delay_data(&format!("{name}_1_q"), signal);
    m.delay_data(&format!("{name}_2_q"), once)
}

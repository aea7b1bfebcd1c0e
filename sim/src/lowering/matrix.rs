//! Weights of a matrix layer as the array takes them: a word for each column and step.
//!
//! Lines come in the order of the steps: tile, tap, channel block. A grouped convolution becomes a full one with
//! zeros between the groups. A column that has several results serves as many output channels. Where an input
//! word has channels beyond the tensor's last, they hold a known value; formats without a zero give them a weight
//! all the same, and the bias takes back what it adds.

use std::ops::Range;

use bitmill_accelerator::Target;
use bitmill_formats::GroupScales;
use bitmill_model::Operation;
use bitmill_units::pe::{GroupEnds, Mode, WeightPacker};

use super::layer::{Context, Mapping};
use crate::SimulationError;
use crate::layout::Lines;

pub(super) struct Matrix<'a> {
    context: &'a Context<'a>,
    mapping: &'a Mapping<'a>,
    mode: &'a Mode,
    packer: WeightPacker,
    groups: Option<Groups>,
    /// Input channels of one group.
    per_group: usize,
    /// Output channels of one group.
    outputs_per_group: usize,
    taps: usize,
}

/// Weights with a scale for each group of a row.
struct Groups {
    ends: GroupEnds,
    scales: GroupScales,
    /// In the row of an output channel, channels innermost.
    ranges: Vec<Range<usize>>,
}

/// Scales of a row's groups, by where each ends in the row.
type RowScales = Vec<(usize, u32)>;

impl Groups {
    /// Where each group of a row ends, and its scale; `None` for the row of a channel that is not there.
    fn of_row(&self, row: Option<&[i16]>) -> RowScales {
        const CHECKED: &str = "a network's weights are checked for their scales";
        let scale =
            |range: &Range<usize>| row.map_or(1, |row| self.scales.of(&row[range.clone()]).expect(CHECKED));
        self.ranges.iter().map(|range| (range.end, scale(range))).collect()
    }
}

impl<'a> Matrix<'a> {
    pub fn new(context: &'a Context<'a>, mapping: &'a Mapping<'a>, mode: &'a Mode) -> Matrix<'a> {
        let groups = match context.layer.operation {
            Operation::Convolution { groups, .. } => groups,
            _ => 1,
        };
        let taps = mapping.window.kernel.area();
        let scaled = context.accelerator.pe().group_ends().zip(context.parameters.weight_format.grouped());
        Matrix {
            context,
            mapping,
            mode,
            packer: context.accelerator.pe().weight_packer(mode),
            groups: scaled.map(|(ends, format)| Groups {
                ends,
                scales: GroupScales::new(format),
                ranges: format.groups(taps, context.input().shape.channels),
            }),
            per_group: context.input().shape.channels / groups,
            outputs_per_group: context.output().shape.channels / groups,
            taps,
        }
    }

    /// The lines of `blocks` output blocks. `corrections` receives what the bias of each of their channels must
    /// take back.
    pub fn lines(
        &self,
        first_block: u32,
        blocks: u32,
        corrections: &mut Vec<i64>,
    ) -> Result<Lines, SimulationError> {
        let accelerator = self.context.accelerator;
        let (results, word_bits) = (accelerator.pe().results(), accelerator.weight_word_bits());
        let tiles = blocks.div_ceil(self.mapping.tile_blocks);
        let mut lines = Lines::new(accelerator, Target::Weights, tiles * self.mapping.tile_lines);
        let first = first_block * self.context.output().word.channels;
        *corrections = vec![0; (tiles * accelerator.outputs()) as usize];
        for (tile, column) in (0..tiles).flat_map(|t| (0..accelerator.columns()).map(move |c| (t, c))) {
            let of_chunk = tile * accelerator.outputs() + column * results;
            let outputs = (first + of_chunk) as usize;
            let is_idle = outputs >= self.context.output().shape.channels;
            if is_idle && self.groups.is_none() {
                continue;
            }
            let scales = self.row_scales(outputs);
            for tap in 0..self.taps {
                for block in 0..self.mapping.channel_blocks {
                    let mut weights: Vec<Vec<Option<i64>>> = (0..results as usize)
                        .map(|result| self.weights(outputs + result, tap, block as usize))
                        .collect();
                    let asked = weights.clone();
                    let group = self.group(&scales, tap, block as usize);
                    if let Some((scale, _)) = group {
                        weights.iter_mut().flatten().flatten().for_each(|weight| *weight /= i64::from(scale));
                    }
                    let word = (self.packer)(&mut weights).ok_or_else(|| self.refusal(outputs, &asked))?;
                    let word = match (&self.groups, group) {
                        (Some(Groups { ends, .. }), Some((scale, true))) => ends.word(word, scale),
                        _ => word,
                    };
                    self.correct(&asked, &weights, &mut corrections[of_chunk as usize..], outputs)?;
                    let line =
                        tile * self.mapping.tile_lines + tap as u32 * self.mapping.channel_blocks + block;
                    lines.put_word(line, column * word_bits, word_bits, &word);
                }
            }
        }
        Ok(lines)
    }

    /// Where the groups of an output channel end, and their scales; nothing where weights have none.
    fn row_scales(&self, output: usize) -> RowScales {
        let terms = self.taps * self.per_group;
        let row = self.context.parameters.weights.get(output * terms..(output + 1) * terms);
        self.groups.as_ref().map_or(Vec::new(), |groups| groups.of_row(row))
    }

    /// The scale of the group that a step belongs to, and whether the group ends with it.
    fn group(&self, scales: &RowScales, tap: usize, block: usize) -> Option<(u32, bool)> {
        let place = |block: usize| tap * self.per_group + block * self.mode.channels() as usize;
        let next = place(block + 1).min((tap + 1) * self.per_group);
        let (end, scale) = scales.iter().find(|(end, _)| *end > place(block))?;
        Some((*scale, *end == next))
    }

    /// What an output channel multiplies the channels of an input block by; `None` where there is no channel.
    fn weights(&self, output: usize, tap: usize, block: usize) -> Vec<Option<i64>> {
        let channels = self.mode.channels() as usize;
        let all = self.context.input().shape.channels;
        let group = output / self.outputs_per_group * self.per_group;
        let row = &self.context.parameters.weights;
        let weight = |channel: usize| {
            if channel >= all || output >= self.context.output().shape.channels {
                return None;
            }
            let first = (output * self.taps + tap) * self.per_group;
            let within = channel.checked_sub(group).filter(|within| *within < self.per_group);
            Some(within.map_or(0, |within| row[first + within].into()))
        };
        (block * channels..(block + 1) * channels).map(weight).collect()
    }

    /// Takes back what weights of channels that are not there add to the sums.
    fn correct(
        &self,
        asked: &[Vec<Option<i64>>],
        packed: &[Vec<Option<i64>>],
        corrections: &mut [i64],
        output: usize,
    ) -> Result<(), SimulationError> {
        let (place, padding) = (self.context.input(), self.mapping.window.padding);
        for (result, (asked, packed)) in asked.iter().zip(packed).enumerate() {
            let idle: i64 =
                asked.iter().zip(packed).filter(|(asked, _)| asked.is_none()).filter_map(|(_, w)| *w).sum();
            corrections[result] -= idle * i64::from(place.idle);
            let is_padded = padding.top + padding.bottom + padding.left + padding.right > 0;
            let quantization = self.context.network.quantization(self.context.layer.inputs[0]);
            if idle != 0 && is_padded && quantization.zero_point != place.idle {
                let what = format!(
                    "idle channels hold {} and padding {}: {} weights have no zero for them; use a multiple of {} channels",
                    place.idle, quantization.zero_point, self.mode.weight, place.word.channels
                );
                return Err(SimulationError::Weights {
                    layer: self.context.layer.name.clone(),
                    channel: output,
                    what,
                });
            }
        }
        Ok(())
    }

    fn refusal(&self, channel: usize, weights: &[Vec<Option<i64>>]) -> SimulationError {
        let show = |weight: &Option<i64>| weight.map_or("-".to_owned(), |weight| weight.to_string());
        let rows: Vec<String> =
            weights.iter().map(|row| row.iter().map(show).collect::<Vec<_>>().join(" ")).collect();
        let what = format!("weights {}: no word of {} stands for them", rows.join(" and "), self.mode.weight);
        SimulationError::Weights { layer: self.context.layer.name.clone(), channel, what }
    }
}

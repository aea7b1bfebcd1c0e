//! Weights rounded to formats that are no grid of integers: codebooks, minifloats, posits, slices.
//!
//! Each output channel has a step of its own, the one with the smallest squared error among fractions of the
//! step that spans its largest weight; in wide floating-point formats, among its multiples by powers of two. A channel in BitMoD takes the special value that serves it best, a group with a scale its own; Sherry
//! drops the smallest weight of each group of four input channels.

use bitmill_formats::{ChannelBlock, Format, Grouped, Multiplication, Sherry};

use super::clipping::{BINADES, Clipping, FRACTIONS, best, legal_step};
use crate::network::Operation;
use crate::quantized::{QuantizedWeights, WeightFormat, weight_channel};

/// Rounded weights in `format`, with a step for each output channel.
pub(super) fn weights(
    clipping: Clipping,
    operation: &Operation,
    real: &[f32],
    [channels, input_channels]: [usize; 2],
    format: &WeightFormat,
) -> Result<QuantizedWeights, String> {
    let tables = if format.grouped().is_some() { Vec::new() } else { tables(format, input_channels)? };
    let mut rows = vec![Vec::new(); channels];
    for (index, &weight) in real.iter().enumerate() {
        rows[weight_channel(operation, index, real.len(), channels)].push(f64::from(weight));
    }
    let mut scales = vec![0.0; channels];
    let mut rounded_rows = Vec::with_capacity(channels);
    for (row, scale) in rows.iter().zip(&mut scales) {
        if let Some(grouped) = format.grouped() {
            let groups = grouped.groups(row.len() / input_channels, input_channels);
            let parts: Vec<f64> = parts(clipping, format).collect();
            let encoded = grouped.encode(row, &groups, &parts);
            *scale = encoded.step * 2f64.powi(grouped.lsb_exponent());
            // Products of scale and element have 16 bits, as the format was checked for.
            rounded_rows.push(encoded.integers.iter().map(|&integer| integer as i16).collect());
            continue;
        }
        let most = row.iter().fold(0f64, |most, weight| most.max(weight.abs()));
        if most == 0.0 {
            *scale = 1.0;
            rounded_rows.push(round(&tables[0], row, 1.0));
            continue;
        }
        let candidates = tables.iter().flat_map(|table| {
            let (least, greatest) = table.values.range();
            let largest = table.values.real(greatest).max(-table.values.real(least));
            parts(clipping, &table.values).map(move |part| (table, legal_step(most * part / largest)))
        });
        let (table, step) = best(candidates, |(table, step)| {
            let error =
                |(&weight, rounded): (&f64, i16)| (weight - table.values.real(rounded) * step).powi(2);
            row.iter().zip(round(table, row, step)).map(error).sum()
        });
        *scale = step;
        rounded_rows.push(round(table, row, step));
    }
    let mut next = vec![0; channels];
    let integers = (0..real.len())
        .map(|index| {
            let channel = weight_channel(operation, index, real.len(), channels);
            next[channel] += 1;
            rounded_rows[channel][next[channel] - 1]
        })
        .collect();
    Ok(QuantizedWeights { integers, scales, format: format.clone(), multiplication: Multiplication::EXACT })
}

/// Steps to try, as multiples of the one that spans the largest weight. A wide floating-point format saturates
/// nothing: its numbers are finer in some binades than in others. Blocks have their own binade each.
fn parts(clipping: Clipping, format: &WeightFormat) -> Box<dyn Iterator<Item = f64>> {
    let fraction = |part: usize| part as f64 / FRACTIONS as f64;
    if format.block().is_some() {
        return Box::new(std::iter::once(1.0));
    }
    let spanning = format.grouped().map_or(1.0, Grouped::spanning_part);
    match (format.is_ordered(), clipping) {
        (true, _) => Box::new((0..BINADES).map(|binade| 2f64.powi(binade))),
        (false, Clipping::MinMax) => Box::new(std::iter::once(spanning)),
        (false, Clipping::Symmetric) => Box::new((1..=FRACTIONS).map(move |part| fraction(part) * spanning)),
        (false, _) => Box::new((1..=FRACTIONS).map(fraction)),
    }
}

/// Values that a channel's weights may take.
struct Table {
    values: WeightFormat,
    is_sherry: bool,
    /// The blocks that weights stand in, and the input channels that they run along.
    block: Option<(ChannelBlock, usize)>,
}

fn tables(format: &WeightFormat, input_channels: usize) -> Result<Vec<Table>, String> {
    let block = format.block().map(|block| (block, input_channels));
    let is_sherry = matches!(format.format(), Format::Sherry(_));
    if matches!(format.format(), Format::Complex(_)) {
        return Err(format!("{format} weights come from training; real ones cannot be rounded to them"));
    }
    Ok(format.choices()?.into_iter().map(|values| Table { values, is_sherry, block }).collect())
}

/// The weights of a channel in units of `step`.
fn round(table: &Table, row: &[f64], step: f64) -> Vec<i16> {
    if let Some((block, channels)) = table.block {
        let mut ordinals: Vec<i32> =
            row.iter().map(|weight| table.values.nearest(weight / step).into()).collect();
        block.settle(&mut ordinals, channels);
        // Ordinals of bf16 have 16 bits.
        return ordinals.into_iter().map(|ordinal| ordinal as i16).collect();
    }
    if !table.is_sherry {
        return row.iter().map(|weight| table.values.nearest(weight / step)).collect();
    }
    row.chunks(Sherry::LANES)
        .flat_map(|group| {
            let four: [f32; Sherry::LANES] =
                std::array::from_fn(|lane| group.get(lane).map_or(0.0, |w| *w as f32));
            let codes = Sherry.decode(Sherry.encode(four)).map(i16::from);
            codes.into_iter().take(group.len()).collect::<Vec<_>>()
        })
        .collect()
}

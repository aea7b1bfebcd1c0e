//! Runs the sampler: what the taps of a deformable convolution read of an image, where their offsets tell.
//!
//! As many pixels take a turn as rows are drained at once. Their offsets are read first; then a step for each channel block
//! and tap asks the banks for the pixels around one point of each of them. A bank reads a word a cycle, for all
//! points that ask for it: what a step takes depends on the offsets, see [`timing`]. Samples are written as they come, by way
//! of the drain's port, which rests meanwhile.

mod deformation;
mod point;
mod service;
pub(super) mod timing;

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};
use bitmill_units::engine::deformable_convolution::interpolator;
use bitmill_units::engine::deformable_convolution::shape::ACTIVATION_BITS;

use super::groups::{Groups, block_stride};
use super::later;
use crate::command::fields;
use crate::{Accelerator, Field, Sampler};
use deformation::Deformation;
use point::TAP_BITS;
use service::{Point, Service};

/// Words of the command that it reads.
pub(super) const WORDS: [usize; 6] = [
    fields::OFFSET_SHIFT.word,
    fields::INPUT_LINE.word,
    fields::CHANNEL_BLOCKS.word,
    fields::START_Y.word,
    fields::PIXELS.word,
    fields::OUTPUT_LINE.word,
];

/// Port with the sample of row `row` of its group.
pub(super) fn sample_port(row: u32) -> String {
    format!("sample_{row}_o")
}

/// Bits of the number of offsets that saturate in a turn.
pub(super) fn saturated_bits(accelerator: &Accelerator, sampler: &Sampler) -> u32 {
    let most = accelerator.drain_rows() as usize * sampler.sampling().offsets.values();
    bitmill_hdl::bits_for(most as u64)
}

pub(super) fn module(accelerator: &Accelerator, sampler: &Sampler) -> Result<Arc<Module>, HdlError> {
    let (name, points) = (&accelerator.configuration().name, accelerator.drain_rows());
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_sampler"),
        format!(
            "samples {points} points at once for deformable convolutions.\n\
             A step takes a cycle for each word that the busiest bank reads, one at least."
        ),
    );
    m.group("Command, held until done");
    let start = m.input("start_i", unsigned(1));
    let words = super::command_inputs(&m, &WORDS);
    let word = unsigned(accelerator.word_bits());
    m.group("Line of activations that was read, a word for each row");
    let line: Vec<Signal> =
        (0..accelerator.rows()).map(|row| m.input(&format!("line_word_{row}_i"), word)).collect();
    m.group("Words from the banks");
    let read: Vec<Signal> =
        (0..accelerator.banks()).map(|bank| m.input(&format!("bank_word_{bank}_i"), word)).collect();

    let turn_ends = m.wire("turn_ends", unsigned(1));
    let groups = Groups::new(&m, accelerator, &words, start, turn_ends.value());
    let told = Deformation::new(&m, accelerator, sampler, &words, &groups, start, &line)?;
    let advance = m.wire("advance", unsigned(1));
    let steps = Steps::new(&m, accelerator, &words, &groups, told.ready, advance.value());
    let asked = points_of(&m, accelerator, sampler, &words, &groups, &told, &steps)?;
    let late = steps.late(&m);
    let service = Service::new(&m, accelerator, sampler, &asked, late, &read);
    advance.drive(service.advance);
    turn_ends.drive(service.completes.and(service.is_last));

    let samples = interpolated(&m, accelerator, sampler, &words, &service)?;
    let cycles = 1 + interpolator::latency_cycles(sampler.shape());
    let written: Vec<Signal> =
        (0..points).rev().map(|row| groups.exists(&m, row).and(service.completes)).collect();
    let write = later(&m, "write", m.concat(&written), cycles, true);
    let group = later(&m, "group", groups.group, cycles, false);
    let output_line = later(&m, "written_line", service.output_line, cycles, false);
    let last = later(&m, "final", groups.ends_all, cycles, true);
    m.group("To the activations: read offsets and masks");
    m.output("read_o", told.reads);
    m.output("line_o", told.line);
    m.group("To the activations: read pixels, each bank at an address of its own");
    for (bank, (reads, address)) in service.banks.into_iter().enumerate() {
        m.output(&format!("gather_read_{bank}_o"), reads);
        m.output(&format!("gather_address_{bank}_o"), address);
    }
    m.group("To the activations: write");
    m.output("write_o", write);
    m.output("write_group_o", group);
    m.output("write_line_o", output_line);
    for (row, sample) in (0..).zip(samples) {
        m.output(&sample_port(row), sample.extend(accelerator.word_bits()));
    }
    m.group("Status");
    let done = m.delay("done_q", last);
    let running_q = m.register("running_q", unsigned(1));
    running_q.set_when(start.or(done), start);
    m.output("running_o", running_q.q());
    m.output_with_comment("done_o", done, "one cycle, after the last write");
    let saturated = told.saturated.resize(saturated_bits(accelerator, sampler));
    m.output_with_comment("saturated_o", saturated, "offsets beyond the bound, one cycle");
    m.finish()
}

/// A field of the command, without a sign.
fn setting<'m>(words: &[Signal<'m>], field: &Field) -> Signal<'m> {
    words[field.word].slice(field.lsb, field.shape.width)
}

/// The steps of a turn: by channel block, then tap.
struct Steps<'m> {
    /// The unit's time goes on.
    advance: Signal<'m>,
    valid: Signal<'m>,
    tap: Signal<'m>,
    /// First line of the image's block.
    line: Signal<'m>,
    /// Line of the samples.
    output_line: Signal<'m>,
    /// It is the turn's last.
    is_last: Signal<'m>,
}

impl<'m> Steps<'m> {
    fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        words: &[Signal<'m>],
        groups: &Groups<'m>,
        ready: Signal<'m>,
        advance: Signal<'m>,
    ) -> Steps<'m> {
        m.comment("Steps: by channel block, then tap.");
        let valid_q = m.register("stepping_q", unsigned(1));
        let moves = valid_q.q().and(advance).named("step_moves");
        let begins_or = |moves: Signal<'m>| ready.or(moves);
        let tap_q = m.register("tap_q", unsigned(TAP_BITS)).without_reset();
        let is_last_tap = tap_q.q().eq_value(8).named("is_last_tap");
        tap_q.set_when(begins_or(moves), tap_q.q().increment().gate(ready.or(is_last_tap).not()));
        let next_block = moves.and(is_last_tap).named("next_block");
        let left_q = m.register("blocks_left_q", fields::CHANNEL_BLOCKS.shape).without_reset();
        let one = m.constant(fields::CHANNEL_BLOCKS.shape, 1);
        let fewer = left_q.q().sub_wrapping(one);
        left_q.set_when(begins_or(next_block), ready.mux(fields::CHANNEL_BLOCKS.of(words), fewer));
        let is_last = is_last_tap.and(left_q.q().eq_value(1)).named("is_last_step");
        valid_q.set_when(begins_or(moves.and(is_last)), ready);

        let line_q = m.register("image_line_q", fields::INPUT_LINE.shape).without_reset();
        let block = line_q.q().add_wrapping(setting(words, &fields::CHANNEL_STRIDE));
        line_q.set_when(begins_or(next_block), ready.mux(fields::INPUT_LINE.of(words), block));
        let first_output = groups.line(m, words, "output_line", &fields::OUTPUT_LINE);
        m.ignore(first_output.next);
        let output_q = m.register("output_line_q", fields::OUTPUT_LINE.shape).without_reset();
        let further = output_q.q().add_wrapping(block_stride(m, accelerator, words));
        output_q.set_when(begins_or(moves), ready.mux(first_output.now, further));
        Steps {
            advance,
            valid: valid_q.q(),
            tap: tap_q.q(),
            line: line_q.q(),
            output_line: output_q.q(),
            is_last,
        }
    }

    /// The step whose points ask the banks now, a cycle of the unit's time behind.
    fn late(&self, m: &'m ModuleBuilder) -> service::Step<'m> {
        let valid_q = m.register("asks_q", unsigned(1));
        valid_q.set_when(self.advance, self.valid);
        let hold = |name: &str, next: Signal<'m>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(self.advance, next);
            register.q()
        };
        service::Step {
            valid: valid_q.q(),
            output_line: hold("output_line_2_q", self.output_line),
            is_last: hold("is_last_2_q", self.is_last),
        }
    }
}

/// The points of a step.
fn points_of<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    sampler: &Sampler,
    words: &[Signal<'m>],
    groups: &Groups<'m>,
    told: &Deformation<'m>,
    steps: &Steps<'m>,
) -> Result<Vec<Point<'m>>, HdlError> {
    let module = point::module(accelerator, sampler)?;
    let line_q = m.register("image_line_2_q", steps.line.shape()).without_reset();
    line_q.set_when(steps.advance, steps.line);
    let [height, width] = [&fields::INPUT_HEIGHT, &fields::INPUT_WIDTH].map(|field| setting(words, field));
    let shape = sampler.shape();
    let points = (0..).zip(&told.pixels).map(|(row, pixel)| {
        let mut inputs = vec![
            ("advance_i", steps.advance),
            ("exists_i", groups.exists(m, row)),
            ("row_i", pixel.at[0]),
            ("column_i", pixel.at[1]),
            ("tap_i", steps.tap),
            ("offsets_i", pixel.offsets),
            ("height_i", height),
            ("width_i", width),
            ("line_i", line_q.q()),
        ];
        inputs.extend(pixel.masks.map(|masks| ("masks_i", masks)));
        let point = m.instance(&format!("i_point_{row}"), &module, &inputs);
        Point {
            present: point.output("present_o"),
            banks: point.output("banks_o"),
            addresses: point.output("addresses_o"),
            fractions: shape.interpolates().then(|| point.output("fractions_o")),
            mask: pixel.masks.map(|_| point.output("mask_o")),
        }
    });
    Ok(points.collect())
}

/// The samples of the points whose pixels have been read.
fn interpolated<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    sampler: &Sampler,
    words: &[Signal<'m>],
    service: &Service<'m>,
) -> Result<Vec<Signal<'m>>, HdlError> {
    let module = interpolator::module(sampler.shape())?;
    let zero_point = fields::ZERO_POINT.of(words).as_unsigned().truncate(ACTIVATION_BITS);
    let data_bits = sampler.shape().data_bits();
    debug_assert!(data_bits <= accelerator.word_bits());
    let outside = zero_point.replicate(sampler.shape().lanes);
    let samples = (0..).zip(&service.read).map(|(row, read)| {
        let mut inputs = vec![("advance_i", m.bit(true)), ("corners_i", read.corners(m, outside, data_bits))];
        inputs.extend(read.fractions.map(|fractions| ("fractions_i", fractions)));
        inputs.extend(read.mask.map(|mask| ("mask_i", mask)));
        if inputs.len() > 2 {
            inputs.push(("zero_point_i", zero_point));
        }
        m.instance(&format!("i_interpolator_{row}"), &module, &inputs).output("sample_o")
    });
    Ok(samples.collect())
}

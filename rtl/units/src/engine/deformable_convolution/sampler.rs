//! The sampler of a deformable convolution: an image and the offsets of its pixels in, samples of the taps out.
//!
//! An image streams in, channels first (`image_i`, a word of lanes a beat), and for each of its pixels a beat of
//! offsets. Samples stream out by pixel, word, and group of taps. The settings stay from the first beat in to the last
//! sample out; the next image enters when all pixels of the one before have been read.
//!
//! Meaning: [`bitmill_formats::deformable::samples`]. Timing: the gather takes a step when the rows that its pixel
//! looks at are in; it reads for as many cycles as the busiest bank has pixels to read ([`Shape::step_cycles`]); the
//! samples show [`Shape::latency_cycles`] later. Time stands still between gather and output while samples wait to be
//! taken.

use std::sync::Arc;

use bitmill_formats::deformable::TAPS;
use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::gather::pack;
use super::line_buffer::{Last, Writer};
use super::pixel_slot::PixelSlot;
use super::sampler_model::SamplerModel;
use super::shape::{ACTIVATION_BITS, COUNT_BITS, PARAMETERS, Shape};
use super::{gather, interpolator, stimulus};
use crate::Entry;

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "deformable_sampler",
    summary: "line buffer, banked gather and interpolation of a deformable convolution (CoDeNet)",
    parameters: &PARAMETERS,
    examples: &[
        "lanes=2 longest_side=16 most_words=4",
        "offsets=per_tap lowest=2 highest=2 lanes=1 longest_side=8 most_words=2 bank_rows=2 bank_columns=2",
        "offsets=per_tap lowest=1 highest=3 taps_at_once=3 lanes=2 longest_side=16 most_words=1 mask_bits=4",
        "taps_at_once=1 bank_rows=2 bank_columns=2 lanes=4 longest_side=16 most_words=2",
        "interpolation=rounded bank_rows=8 bank_columns=8 lanes=1 longest_side=16 most_words=2",
        "interpolation=rounded highest=3 mask_bits=8 lanes=2 longest_side=8 most_words=4 bank_rows=1",
        "offsets=per_tap highest=0 fraction_bits=0 lanes=1 longest_side=4 most_words=1 taps_at_once=3",
    ],
    build: |settings| Ok(Box::new(Sampler { shape: Shape::from_settings(settings)? })),
};

/// A sampler.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sampler {
    shape: Shape,
}

impl Sampler {
    /// The sampler of `shape`.
    pub fn new(shape: Shape) -> Sampler {
        Sampler { shape }
    }
}

impl Shape {
    /// Cycles of the unit's time from a step's last reading to its samples.
    pub fn latency_cycles(&self) -> u32 {
        1 + interpolator::latency_cycles(self)
    }
}

impl Unit for Sampler {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let shape = &self.shape;
        let m = ModuleBuilder::new(
            format!("bitmill_deformable_sampler_{}", shape.name()),
            format!(
                "image and offsets in, samples of a deformable convolution's taps out.\n\
                 Samples show {} cycles after a step was read.",
                shape.latency_cycles()
            ),
        );
        m.group("Image in");
        let image_valid = m.input("image_valid_i", unsigned(1));
        let image = m.input_with_comment("image_i", unsigned(shape.data_bits()), "lane 0 lowest");
        m.group("Offsets in");
        let offsets_valid = m.input("offsets_valid_i", unsigned(1));
        let offsets = m.input("offsets_i", unsigned(shape.offsets_bits()));
        let masks = shape.mask_width().map(|width| {
            m.input_with_comment(
                "masks_i",
                unsigned(TAPS as u32 * width),
                "modulation of the taps, tap 0 lowest",
            )
        });
        m.group("Samples out");
        let ready = m.input("ready_i", unsigned(1));
        m.group("Settings, held from the first beat in to the last sample out");
        let last = Last {
            row: m.input("last_row_i", unsigned(shape.side_bits())),
            column: m.input("last_column_i", unsigned(shape.side_bits())),
            word: m.input("last_word_i", unsigned(shape.word_bits())),
        };
        let zero_point = m.input("zero_point_i", unsigned(ACTIVATION_BITS));

        m.comment("Samples that wait hold everything between the banks and the output.");
        let valid = m.wire("samples_valid", unsigned(1));
        let advance = valid.value().not().or(ready).named("advance");
        let oldest_row = m.register("oldest_row_q", unsigned(shape.side_bits()));
        let writer = Writer::new(&m, shape, image_valid, last, oldest_row.q());
        let [free, completes] = ["free", "completes"].map(|name| m.wire(name, unsigned(1)));
        let slot = PixelSlot::new(&m, shape, [offsets_valid, offsets], masks, last, |row| {
            writer.has_window(&m, row).and(free.value())
        })?;
        let requests = slot.place.requests(&m, shape);
        let gather = m.instance(
            "i_gather",
            &gather::module(shape)?,
            &[
                ("advance_i", advance),
                ("write_i", image_valid.and(writer.ready)),
                ("write_row_i", writer.row),
                ("write_column_i", writer.column),
                ("write_word_i", writer.word),
                ("write_data_i", image),
                ("load_i", slot.loads),
                ("present_i", requests.present),
                ("pixels_i", requests.pixels),
                ("word_i", slot.word),
                ("zero_point_i", zero_point),
            ],
        );
        free.drive(gather.output("free_o"));
        completes.drive(gather.output("completes_o"));

        m.comment("What goes with a step, and which rows are done with.");
        let hold = |name: &str, enable: Signal<'_>, next: Signal<'_>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(enable, next);
            register.q()
        };
        let row_ends = hold("row_ends_q", slot.loads, slot.row_ends);
        let image_ends = hold("image_ends_q", slot.loads, slot.image_ends);
        let left = completes.value().and(image_ends).named("left");
        slot.drained.drive(left);
        let passes_row = completes.value().and(row_ends);
        oldest_row.set_when(passes_row, oldest_row.q().increment().gate(image_ends.not()));
        let along = |name: &str, signal: Signal<'_>| {
            let with_step = hold(&format!("{name}_q"), slot.loads, signal);
            hold(&format!("{name}_2_q"), advance, with_step)
        };
        let fractions = requests.fractions.map(|fractions| along("fractions", fractions));
        let masks = slot.step_masks.map(|masks| along("step_masks", masks));

        let image_ready = writer.ready;
        writer.finish(left);
        let interpolator = interpolator::module(shape)?;
        let corners = gather.output("corners_o");
        let mut samples = Vec::new();
        for tap in 0..shape.taps_at_once {
            let width = corners.width() / shape.taps_at_once;
            let mut inputs = vec![("advance_i", advance), ("corners_i", corners.slice(tap * width, width))];
            for (port, signal) in [("fractions_i", fractions), ("mask_i", masks)] {
                if let Some(signal) = signal {
                    let width = signal.width() / shape.taps_at_once;
                    inputs.push((port, signal.slice(tap * width, width)));
                }
            }
            if interpolator.port("zero_point_i").is_some() {
                inputs.push(("zero_point_i", zero_point));
            }
            samples.push(m.instance(&format!("i_tap_{tap}"), &interpolator, &inputs).output("sample_o"));
        }
        let late = interpolator::valid(&m, shape, advance, gather.output("valid_o"));
        valid.drive(late);
        m.group("Answers");
        m.output("image_ready_o", image_ready);
        m.output("offsets_ready_o", slot.ready);
        m.output("valid_o", late);
        m.output_with_comment("samples_o", pack(&m, &samples), "by tap, then lane");
        let saturated = slot.saturated.unwrap_or(m.lit(COUNT_BITS, 0));
        m.output_with_comment("saturated_o", saturated, "offsets beyond the bound since reset");
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(SamplerModel::new(self.shape, true))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        stimulus::sampler(self.shape, random, cycles)
    }
}

//! The sampler without a bound: offsets in, samples out, and the image stays in memory, behind a small cache.
//!
//! The cost of not bounding offsets shows here: no line buffer holds what taps look at, so their pixels are asked for,
//! and memory's latency and pace count. A step is one tap of a word. It is looked up in the cache, waits in a queue
//! until what it misses has come, and is read and interpolated. The settings stay from the first offsets in to the last
//! sample out, and so does the image in memory.
//!
//! Meaning: [`bitmill_formats::deformable::samples`] with [`Bound::NONE`](bitmill_formats::deformable::Bound::NONE).
//! Timing: lookup and reading take a step a cycle, or a word that is missing a cycle, at either end of the queue; samples
//! show [`Shape::latency_cycles`](super::shape::Shape::latency_cycles) after a step was read.

use std::sync::Arc;

use bitmill_formats::deformable::TAPS;
use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::cached_model::CachedModel;
use super::cached_shape::{CachedShape, PARAMETERS};
use super::line_buffer::Last;
use super::pixel_slot::PixelSlot;
use super::shape::ACTIVATION_BITS;
use super::{cache_fill, cache_lookup, interpolator, queue, stimulus};
use crate::Entry;

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "deformable_cached_sampler",
    summary: "samples of a deformable convolution without a bound, read from memory through a cache",
    parameters: &PARAMETERS,
    examples: &[
        "offsets=per_tap lanes=2 longest_side=16 most_words=2 cache_rows=4 cache_columns=4 queue_steps=4 most_reads=4",
        "lanes=1 longest_side=8 most_words=4 cache_rows=2 cache_columns=8 queue_steps=8 most_reads=4 mask_bits=3",
        "offsets=per_tap interpolation=rounded lanes=2 longest_side=16 most_words=1 cache_rows=4 cache_columns=2 \
         queue_steps=2 most_reads=8",
    ],
    build: |settings| Ok(Box::new(CachedSampler::new(CachedShape::from_settings(settings)?))),
};

/// A sampler that reads from memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CachedSampler {
    shape: CachedShape,
}

impl CachedSampler {
    /// The sampler of `shape`.
    pub fn new(shape: CachedShape) -> CachedSampler {
        CachedSampler { shape }
    }
}

/// Signals side by side as they wait in the queue, and apart again.
struct Record<'m> {
    fields: Vec<(&'static str, Signal<'m>)>,
}

impl<'m> Record<'m> {
    fn packed(&self, m: &'m ModuleBuilder) -> Signal<'m> {
        m.concat(&self.fields.iter().map(|(_, signal)| *signal).collect::<Vec<_>>())
    }

    /// The field called `name` of a `packed` record, if there is one.
    fn field(&self, packed: Signal<'m>, name: &str) -> Option<Signal<'m>> {
        let position = self.fields.iter().position(|(field, _)| *field == name)?;
        let below: u32 = self.fields[position + 1..].iter().map(|(_, signal)| signal.width()).sum();
        Some(packed.slice(below, self.fields[position].1.width()))
    }
}

impl Unit for CachedSampler {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (cached, shape) = (&self.shape, &self.shape.shape);
        let m = ModuleBuilder::new(
            format!("bitmill_deformable_cached_sampler_{}", cached.name()),
            format!(
                "offsets in, samples of a deformable convolution's taps out, pixels from memory.\n\
                 Samples show {} cycles after a step was read.",
                shape.latency_cycles()
            ),
        );
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
        m.group("Memory");
        let read_ready = m.input("read_ready_i", unsigned(1));
        let comes = m.input_with_comment("data_valid_i", unsigned(1), "in the order of the reads");
        let data = m.input_with_comment("data_i", unsigned(shape.data_bits()), "lane 0 lowest");
        m.group("Settings, held from the first offsets in to the last sample out");
        let last = Last {
            row: m.input("last_row_i", unsigned(shape.side_bits())),
            column: m.input("last_column_i", unsigned(shape.side_bits())),
            word: m.input("last_word_i", unsigned(shape.word_bits())),
        };
        let zero_point = m.input("zero_point_i", unsigned(ACTIVATION_BITS));

        let free = m.wire("free", unsigned(1));
        let slot = PixelSlot::new(&m, shape, [offsets_valid, offsets], masks, last, |_| free.value())?;
        let requests = slot.place.requests(&m, shape);
        m.ignore(slot.row_ends);
        let lookup = m.instance(
            "i_lookup",
            &cache_lookup::module(cached)?,
            &[
                ("load_i", slot.loads),
                ("present_i", requests.present),
                ("pixels_i", requests.pixels),
                ("word_i", slot.word),
                ("image_ends_i", slot.image_ends),
                ("read_ready_i", read_ready),
            ],
        );
        free.drive(lookup.output("free_o"));
        slot.drained.drive(lookup.output("image_ends_o"));

        m.comment("Steps wait for what they miss; words wait for their steps.");
        let along = |name: &'static str, signal: Signal<'_>| {
            let register = m.register(&format!("step_{name}_q"), signal.shape()).without_reset();
            register.set_when(slot.loads, signal);
            (name, register.q())
        };
        let mut fields: Vec<_> =
            ["present", "misses", "lines"].map(|name| (name, lookup.output(&format!("{name}_o")))).into();
        fields.extend((cached.banks() > 1).then(|| ("parity", lookup.output("parity_o"))));
        fields.extend(requests.fractions.map(|fractions| along("fractions", fractions)));
        fields.extend(slot.step_masks.map(|masks| along("masks", masks)));
        let record = Record { fields };
        let step = record.packed(&m);
        let steps = queue::module(step.width(), cached.queue_steps)?;
        let steps = m.instance("i_steps", &steps, &[("push_i", lookup.output("leaves_o")), ("data_i", step)]);
        lookup.input("queue_free_i", steps.output("free_o"));
        let words = queue::module(shape.data_bits(), cached.most_reads)?;
        let words = m.instance("i_words", &words, &[("push_i", comes), ("data_i", data)]);
        m.ignore(words.output("free_o"));

        m.comment("Samples that wait hold everything between the queues and the output.");
        let valid = m.wire("samples_valid", unsigned(1));
        let advance = valid.value().not().or(ready).named("advance");
        let first = steps.output("data_o");
        let field = |name: &str| record.field(first, name);
        let fill = m.instance(
            "i_fill",
            &cache_fill::module(cached)?,
            &[
                ("advance_i", advance),
                ("valid_i", steps.output("valid_o")),
                ("word_valid_i", words.output("valid_o")),
                ("word_i", words.output("data_o")),
                ("zero_point_i", zero_point),
            ],
        );
        for (name, port) in
            [("present", "present_i"), ("misses", "misses_i"), ("lines", "lines_i"), ("parity", "parity_i")]
        {
            if let Some(signal) = field(name) {
                fill.input(port, signal);
            }
        }
        let completes = fill.output("completes_o");
        steps.input("pop_i", completes);
        words.input("pop_i", fill.output("takes_o"));
        lookup.input("taken_i", fill.output("takes_o"));

        let late = |name: &str, signal: Signal<'_>| {
            let register = m.register(&format!("{name}_of_sample_q"), signal.shape()).without_reset();
            register.set_when(completes, signal);
            register.q()
        };
        let mut inputs = vec![("advance_i", advance), ("corners_i", fill.output("corners_o"))];
        inputs.extend(field("fractions").map(|fractions| ("fractions_i", late("fractions", fractions))));
        inputs.extend(field("masks").map(|masks| ("mask_i", late("masks", masks))));
        let interpolator = interpolator::module(shape)?;
        if interpolator.port("zero_point_i").is_some() {
            inputs.push(("zero_point_i", zero_point));
        }
        let sample = m.instance("i_tap", &interpolator, &inputs).output("sample_o");
        let shown = interpolator::valid(&m, shape, advance, fill.output("valid_o"));
        valid.drive(shown);
        m.group("Answers");
        m.output("offsets_ready_o", slot.ready);
        m.output("valid_o", shown);
        m.output_with_comment("samples_o", sample, "by lane");
        m.group("Reads of memory");
        for port in ["read_valid_o", "read_row_o", "read_column_o", "read_word_o"] {
            m.output(port, lookup.output(port));
        }
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(CachedModel::new(self.shape, true))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        stimulus::cached(self.shape, random, cycles)
    }
}

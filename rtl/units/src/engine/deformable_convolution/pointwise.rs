//! A 1 × 1 convolution whose results stream into a depthwise deformable one, as CoDeNet fuses them.
//!
//! 1 × 1 convolution → quantize → line buffer → depthwise 3 × 3 deformable convolution → quantize: pixels and offsets
//! stream in, results out, and nothing between goes to memory. Meaning: sums over the channels of a pixel through the
//! requantizer's dyadic rounding, then [`DeformableConvolution`]'s, whose zero point is that of the first results.
//! Timing: both stages take a step a cycle where nothing conflicts, so the slower one sets the pace.

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, unsigned};

use super::array::{self, ArrayShape, MOST_PRODUCTS, Sums};
use super::convolution::DeformableConvolution;
use super::pointwise_model::PipelineModel;
use super::ports::{LOADS, inputs};
use super::shape::{PARAMETERS, Shape};
use super::steps::Steps;
use super::{elements, multiply, stimulus};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Parameters of the 1 × 1 convolution; `lanes` and `most_words` are those of its results.
const OWN: [Parameter; 2] = [
    Parameter {
        name: "input_lanes",
        default: "4",
        help: "channels of a word of the input, which a PE of the 1 × 1 convolution multiplies at once, 1 to 64",
        legal: Legal::Numbers(1, 64),
    },
    Parameter {
        name: "most_input_words",
        default: "16",
        help: "words of a pixel of the input: a power of 2 up to 128",
        legal: Legal::OneOf(&["1", "2", "4", "8", "16", "32", "64", "128"]),
    },
];
const BESIDE: [Parameter; 4] = elements::joined(&OWN, &elements::PARAMETERS);
const ALL: [Parameter; 16] = elements::joined(&PARAMETERS, &BESIDE);

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pointwise_deformable",
    summary: "1 × 1 convolution streaming into a depthwise deformable convolution (CoDeNet)",
    parameters: &ALL,
    examples: &[
        "input_lanes=2 most_input_words=2 lanes=2 longest_side=16 most_words=2 interpolation=rounded",
        "input_lanes=3 most_input_words=1 lanes=1 longest_side=8 most_words=4 highest=1 weight=int4 bank_rows=2",
        "input_lanes=1 most_input_words=4 lanes=2 longest_side=8 most_words=1 offsets=per_tap lowest=1 highest=2 \
         taps_at_once=1 mask_bits=3 bank_rows=2 bank_columns=2",
        "input_lanes=2 most_input_words=2 lanes=1 longest_side=8 most_words=2 highest=2 taps_at_once=3 pe=bit_serial",
    ],
    build: |settings| Ok(Box::new(PointwiseDeformable::from_settings(settings)?)),
};

/// A fused pipeline.
#[derive(Clone, Debug)]
pub struct PointwiseDeformable {
    pointwise: ArrayShape,
    deformable: DeformableConvolution,
}

impl PointwiseDeformable {
    /// The pipeline that `settings` describe.
    ///
    /// # Errors
    /// More input channels than a sum takes, or a PE that does not fit.
    pub fn from_settings(settings: &Settings) -> Result<PointwiseDeformable, UnitError> {
        let shape = Shape::from_settings(settings)?;
        let lanes = settings.number("input_lanes", 1..=64)?;
        let most_words = settings.number("most_input_words", 1..=128)?;
        if !most_words.is_power_of_two() || lanes * most_words > MOST_PRODUCTS {
            let legal = format!("powers of 2 are legal with up to {MOST_PRODUCTS} channels in all");
            return Err(UnitError::illegal("most_input_words", most_words, legal));
        }
        // The channels of a word are to a PE what the taps of a step are to one of the deformable convolution.
        let steps = Steps { lanes: 1, taps_at_once: lanes, of_word: 1, most_words };
        let sums = Sums::Full { columns: shape.lanes, most_groups: shape.most_words };
        Ok(PointwiseDeformable {
            pointwise: elements::array(settings, steps, sums)?,
            deformable: DeformableConvolution::depthwise(shape, settings)?,
        })
    }

    /// The multiply stage of the 1 × 1 convolution.
    pub fn pointwise(&self) -> &ArrayShape {
        &self.pointwise
    }

    /// The deformable convolution.
    pub fn deformable(&self) -> &DeformableConvolution {
        &self.deformable
    }
}

impl Unit for PointwiseDeformable {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let deformable = self.deformable.module()?;
        let pointwise = array::module(&self.pointwise)?;
        let m = ModuleBuilder::new(
            format!(
                "bitmill_pointwise_l{}_w{}_{}_{}",
                self.pointwise.steps.taps_at_once,
                self.pointwise.steps.most_words,
                self.pointwise.pe_name,
                self.deformable.sampler().name()
            ),
            format!(
                "1 x 1 convolution, {} multipliers, and depthwise deformable convolution, {}.",
                self.pointwise.multipliers(),
                self.deformable.array().multipliers()
            ),
        );
        m.group("Pixels and offsets in");
        let image_valid = m.input("image_valid_i", unsigned(1));
        let image = m.input_with_comment(
            "image_i",
            unsigned(self.pointwise.steps.samples_bits()),
            "a word of input channels, the first lowest",
        );
        let offsets = inputs(&m, &deformable, "", &["offsets_valid_i", "offsets_i", "masks_i"]);
        m.group("Results out");
        let ready = inputs(&m, &deformable, "", &["ready_i"]);
        m.group("Settings, held from the first beat in to the last result out");
        let sides = inputs(&m, &deformable, "", &["last_row_i", "last_column_i"]);
        let words = inputs(&m, &pointwise, "", &["last_word_i", "last_group_i"]);
        let range = ["output_zero_point_i", "low_i", "high_i"];
        let pointwise_range = inputs(&m, &pointwise, "pointwise_", &range);
        let range = inputs(&m, &deformable, "", &range);
        m.group("Weights and scales of the 1 x 1 convolution, while nothing is under way");
        let pointwise_loads = inputs(&m, &pointwise, "pointwise_", &LOADS);
        m.group("Weights and scales of the deformable convolution");
        let loads = inputs(&m, &deformable, "", &LOADS);

        m.comment("A pixel is played once for each word of output channels.");
        let (_, last_group) = words[1];
        let between = [("last_word_i", last_group), ("zero_point_i", pointwise_range[0].1.as_unsigned())];
        let to_pointwise = [words, pointwise_range, pointwise_loads].concat();
        let [replay, pointwise] = multiply::instances(&m, &self.pointwise, &pointwise, &to_pointwise)?;
        replay.input("valid_i", image_valid);
        replay.input("samples_i", image);
        let outside = [offsets, ready, sides, range, loads, between.to_vec()].concat();
        let deformable = m.instance("i_deformable", &deformable, &outside);
        deformable.input("image_valid_i", pointwise.output("valid_o"));
        deformable.input("image_i", pointwise.output("result_o"));
        pointwise.input("ready_i", deformable.output("image_ready_o"));
        m.group("Answers");
        m.output("image_ready_o", replay.output("ready_o"));
        for (port, comment) in [
            ("offsets_ready_o", ""),
            ("valid_o", ""),
            ("result_o", "the first output channel lowest"),
            ("saturated_o", "offsets beyond the bound since reset"),
        ] {
            m.output_with_comment(port, deformable.output(port), comment);
        }
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(PipelineModel::new(self.clone(), true))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        stimulus::pipeline(self, random, cycles)
    }
}

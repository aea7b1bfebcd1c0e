//! The whole engine: sampler, replay for each group of output channels, and multiply stage.
//!
//! Meaning: [`bitmill_formats::deformable::convolve`], then the requantizer's dyadic rounding. An image and the
//! offsets of its pixels stream in, results stream out by pixel, then output channel. Weights and scales are
//! loaded while nothing is under way. Timing: the slowest part sets the pace; a full convolution gathers a pixel
//! while the samples of the one before are multiplied.

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{HdlError, Module, ModuleBuilder};

use super::array::{self, ArrayShape, Sums};
use super::convolution_model::EngineModel;
use super::ports::{LOADS, connect, inputs};
use super::sampler::Sampler;
use super::shape::{PARAMETERS, Shape};
use super::{elements, multiply, stimulus};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Parameters beside those of the sampler.
const SUMS: [Parameter; 3] = [
    Parameter {
        name: "channels",
        default: "depthwise",
        help: "depthwise or full",
        legal: Legal::OneOf(&["depthwise", "full"]),
    },
    Parameter {
        name: "columns",
        default: "1",
        help: "output channels at once of a full convolution, 1 to 32; 1 where it is depthwise",
        legal: Legal::Numbers(1, 32),
    },
    Parameter {
        name: "most_groups",
        default: "1",
        help: "groups of as many output channels, 1 to 64; 1 where it is depthwise",
        legal: Legal::Numbers(1, 64),
    },
];

pub(super) const OWN: [Parameter; 5] = elements::joined(&SUMS, &elements::PARAMETERS);
const ALL: [Parameter; 17] = elements::joined(&PARAMETERS, &OWN);

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "deformable_convolution",
    summary: "deformable convolution of images that stream through, full or depthwise (CoDeNet)",
    parameters: &ALL,
    examples: &[
        "lanes=2 longest_side=16 most_words=4 interpolation=rounded",
        "offsets=per_tap lowest=1 highest=1 taps_at_once=1 bank_rows=2 bank_columns=2 longest_side=8 most_words=2 weight=int4",
        "channels=full columns=2 most_groups=2 lanes=2 longest_side=8 most_words=2 taps_at_once=3 bank_rows=2",
        "channels=full columns=3 most_groups=1 lanes=1 longest_side=8 most_words=1 offsets=per_tap highest=2 mask_bits=4 interpolation=rounded",
        "pe=bit_serial lanes=2 longest_side=8 most_words=2 taps_at_once=3 highest=2 interpolation=rounded",
        "pe=matryoshka weight=matgptq4 lanes=2 longest_side=8 most_words=2 taps_at_once=3 highest=1",
        "pe=ternary weight=ternary lanes=1 longest_side=8 most_words=2 taps_at_once=9 highest=1 interpolation=rounded",
    ],
    build: |settings| Ok(Box::new(DeformableConvolution::from_settings(settings)?)),
};

/// The sums that `settings` of the first of these parameters describe.
pub(super) fn sums(settings: &Settings) -> Result<Sums, UnitError> {
    let (columns, groups) = (settings.number("columns", 1..=32)?, settings.number("most_groups", 1..=64)?);
    match settings.choice("channels", &[("depthwise", false), ("full", true)])? {
        true => Ok(Sums::Full { columns, most_groups: groups }),
        false if columns > 1 => {
            Err(UnitError::illegal("columns", columns, "1 is legal for a depthwise convolution"))
        }
        false if groups > 1 => {
            let legal = "1 is legal for a depthwise convolution";
            Err(UnitError::illegal("most_groups", groups, legal))
        }
        false => Ok(Sums::Depthwise),
    }
}

/// A deformable convolution engine.
#[derive(Clone, Debug)]
pub struct DeformableConvolution {
    sampler: Shape,
    array: ArrayShape,
}

impl DeformableConvolution {
    /// The engine with this multiply stage and the sampler that it asks for.
    ///
    /// # Errors
    /// Columns or groups where the convolution is depthwise or that are out of range, or a PE that takes no steps of as
    /// many taps or has several modes or results.
    pub fn from_settings(settings: &Settings) -> Result<DeformableConvolution, UnitError> {
        let sampler = Shape::from_settings(settings)?;
        Ok(DeformableConvolution {
            sampler,
            array: elements::array(settings, sampler.steps(), sums(settings)?)?,
        })
    }

    /// The depthwise engine behind the sampler of `shape`, whose PE `settings` choose.
    ///
    /// # Errors
    /// A PE that does not fit.
    pub(super) fn depthwise(shape: Shape, settings: &Settings) -> Result<DeformableConvolution, UnitError> {
        let array = elements::array(settings, shape.steps(), Sums::Depthwise)?;
        Ok(DeformableConvolution { sampler: shape, array })
    }

    /// The multiply stage.
    pub fn array(&self) -> &ArrayShape {
        &self.array
    }

    /// The sampler.
    pub fn sampler(&self) -> Shape {
        self.sampler
    }
}

impl Unit for DeformableConvolution {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let shape = &self.sampler;
        let m = ModuleBuilder::new(
            format!("bitmill_deformable_convolution_{}_{}", self.array.name_without_steps(), shape.name()),
            format!(
                "deformable convolution of images that stream through, {} multipliers.",
                self.array.multipliers()
            ),
        );
        let sampler = Sampler::new(*shape).module()?;
        let array = array::module(&self.array)?;
        m.group("Image and offsets in");
        let streams = inputs(
            &m,
            &sampler,
            "",
            &["image_valid_i", "image_i", "offsets_valid_i", "offsets_i", "masks_i"],
        );
        m.group("Results out");
        let ready = inputs(&m, &array, "", &["ready_i"]);
        m.group("Settings, held from the first beat in to the last result out");
        let sizes = inputs(&m, &sampler, "", &["last_row_i", "last_column_i", "last_word_i", "zero_point_i"]);
        let range = inputs(&m, &array, "", &["last_group_i", "output_zero_point_i", "low_i", "high_i"]);
        m.group("Weights and scales, while nothing is under way");
        let loads = inputs(&m, &array, "", &LOADS);
        let last_word = sizes[2];
        let to_array = [ready, vec![last_word], range, loads].concat();
        let sampler = m.instance("i_sampler", &sampler, &[streams, sizes].concat());
        let [sink, array] = multiply::instances(&m, &self.array, &array, &to_array)?;
        connect(sampler, sink);
        m.group("Answers");
        m.output("image_ready_o", sampler.output("image_ready_o"));
        m.output("offsets_ready_o", sampler.output("offsets_ready_o"));
        m.output("valid_o", array.output("valid_o"));
        m.output_with_comment("result_o", array.output("result_o"), "the first output channel lowest");
        m.output_with_comment(
            "saturated_o",
            sampler.output("saturated_o"),
            "offsets beyond the bound since reset",
        );
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(EngineModel::new(self.clone(), true))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        stimulus::engine(self, random, cycles)
    }
}

//! The whole engine: sampler, replay for each group of output channels, and multiply stage.
//!
//! Meaning: [`bitmill_formats::deformable::convolve`], then the requantizer's dyadic rounding. An image and the
//! offsets of its pixels stream in, results stream out by pixel, then output channel. Weights and scales are
//! loaded while nothing is under way. Timing: the slowest part sets the pace; a full convolution gathers a pixel
//! while the samples of the one before are multiplied.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitmill_formats::Format;
use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{HdlError, InstanceHandle, Module, ModuleBuilder, Signal};

use super::array::{self, ArrayShape, SUM_BITS, Sums};
use super::convolution_model::EngineModel;
use super::sampler::Sampler;
use super::shape::{PARAMETERS, Shape};
use super::{replay, stimulus};
use crate::pe::{Kind, Request};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Parameters beside those of the sampler.
const OWN: [Parameter; 5] = [
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
    Parameter {
        name: "pe",
        default: "integer",
        help: "kind of processing element, with a lane for each tap at once",
        legal: Legal::OneOf(&PE_KINDS),
    },
    Parameter {
        name: "weight",
        default: "int8",
        help: "format of the weights, such as int8 or int4, as the PE takes it",
        legal: Legal::OneOf(&["int4", "int8", "ternary", "matgptq4", "matgptq8"]),
    },
];

const ALL: [Parameter; PARAMETERS.len() + OWN.len()] = {
    let mut all = [OWN[0]; PARAMETERS.len() + OWN.len()];
    let mut index = 0;
    while index < all.len() {
        all[index] = if index < PARAMETERS.len() { PARAMETERS[index] } else { OWN[index - PARAMETERS.len()] };
        index += 1;
    }
    all
};

/// Kinds of PE that the multiply stage may have: a word of weights is all that a step of them takes.
const PE_KINDS: [&str; 4] = ["integer", "bit_serial", "matryoshka", "ternary"];

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

/// A deformable convolution engine.
#[derive(Clone, Debug)]
pub struct DeformableConvolution {
    array: ArrayShape,
}

impl DeformableConvolution {
    /// The engine with this multiply stage and the sampler that it asks for.
    ///
    /// # Errors
    /// Columns or groups where the convolution is depthwise or that are out of range, or a PE that takes no steps of as
    /// many taps or has several modes or results.
    pub fn from_settings(settings: &Settings) -> Result<DeformableConvolution, UnitError> {
        let steps = Shape::from_settings(settings)?;
        let (columns, groups) =
            (settings.number("columns", 1..=32)?, settings.number("most_groups", 1..=64)?);
        let sums = match settings.choice("channels", &[("depthwise", false), ("full", true)])? {
            true => Sums::Full { columns, most_groups: groups },
            false if columns > 1 => {
                return Err(UnitError::illegal("columns", columns, "1 is legal for a depthwise convolution"));
            }
            false if groups > 1 => {
                let legal = "1 is legal for a depthwise convolution";
                return Err(UnitError::illegal("most_groups", groups, legal));
            }
            false => Sums::Depthwise,
        };
        let (kind, weight) = (settings.text("pe"), settings.text("weight"));
        if !PE_KINDS.contains(&kind) {
            return Err(UnitError::illegal("pe", kind, format!("legal are {}", PE_KINDS.join(", "))));
        }
        let format = |name: &str| -> Result<Format, UnitError> {
            name.parse().map_err(|error| UnitError::illegal("weight", name, format!("{error}")))
        };
        let request = Request {
            activations: &[format("int8")?],
            weights: &[format(weight)?],
            lanes: steps.taps_at_once,
            accumulator_bits: SUM_BITS,
            options: &BTreeMap::new(),
        };
        let pe = Kind::find(kind)?.build(&request)?;
        if pe.results() != 1 || pe.mode_bits() > 0 || pe.result_bits() != SUM_BITS {
            return Err(UnitError::illegal("pe", kind, "a PE of one mode and one result is needed"));
        }
        Ok(DeformableConvolution {
            array: ArrayShape { steps, sums, pe, pe_name: format!("{kind}_{weight}") },
        })
    }

    /// The multiply stage.
    pub fn array(&self) -> &ArrayShape {
        &self.array
    }

    /// The sampler.
    pub fn sampler(&self) -> Shape {
        self.array.steps
    }
}

/// The ports of `module` called `ports`, as inputs of the module around it.
fn inputs<'m>(
    m: &'m ModuleBuilder,
    module: &Module,
    ports: &[&'static str],
) -> Vec<(&'static str, Signal<'m>)> {
    let shape =
        |port: &&'static str| module.port(port).map(|(_, found)| (*port, found.shape, &found.comment));
    ports
        .iter()
        .filter_map(shape)
        .map(|(port, shape, comment)| (port, m.input_with_comment(port, shape, comment)))
        .collect()
}

impl Unit for DeformableConvolution {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let shape = &self.array.steps;
        let m = ModuleBuilder::new(
            format!("bitmill_deformable_convolution_{}_{}", self.array.name(), shape.name()),
            format!(
                "deformable convolution of images that stream through, {} multipliers.",
                self.array.multipliers()
            ),
        );
        let sampler = Sampler::new(*shape).module()?;
        let array = array::module(&self.array)?;
        m.group("Image and offsets in");
        let streams =
            inputs(&m, &sampler, &["image_valid_i", "image_i", "offsets_valid_i", "offsets_i", "masks_i"]);
        m.group("Results out");
        let ready = inputs(&m, &array, &["ready_i"]);
        m.group("Settings, held from the first beat in to the last result out");
        let sizes = inputs(&m, &sampler, &["last_row_i", "last_column_i", "last_word_i", "zero_point_i"]);
        let range = inputs(&m, &array, &["last_group_i", "output_zero_point_i", "low_i", "high_i"]);
        m.group("Weights and scales, while nothing is under way");
        let loads = inputs(
            &m,
            &array,
            &[
                "weight_load_i",
                "weight_element_i",
                "weight_address_i",
                "weight_i",
                "scale_load_i",
                "scale_lane_i",
                "scale_address_i",
                "scale_i",
            ],
        );
        let last_word = sizes[2];
        let last_group = range.iter().find(|(port, _)| *port == "last_group_i");

        let sampler = m.instance("i_sampler", &sampler, &[streams, sizes].concat());
        let array = m.instance("i_array", &array, &[ready, vec![last_word], range.clone(), loads].concat());
        let mut source = sampler;
        if let Some(last_group) = last_group {
            let replay = replay::module(shape, last_group.1.width())?;
            let replay = m.instance("i_replay", &replay, &[last_word, *last_group]);
            connect(sampler, replay);
            source = replay;
        }
        connect(source, array);
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

/// Samples flow from `source` to `sink`.
fn connect<'m>(source: InstanceHandle<'m>, sink: InstanceHandle<'m>) {
    sink.input("valid_i", source.output("valid_o"));
    sink.input("samples_i", source.output("samples_o"));
    source.input("ready_i", sink.output("ready_o"));
}

//! The kinds of processing element that an array can be made of: how each is built for a set of precisions.
//!
//! A configuration names the formats of activations and weights, the lanes and the accumulator; what else a
//! kind can be told are the parameters of its catalogue entry, as options. Adding a PE is adding a line here.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitmill_formats::{Format, Grouped};

use super::bit_serial::grouped;
use super::{
    ProcessingElement, binary, bit_plane, bit_serial, block_dot, complex, dual_binary, float_mac, integer,
    l_mul, matryoshka, rmmec_simd, sherry, ternary,
};
use crate::{Entry, Settings, UnitError};

/// A processing element that can be shared between threads.
pub type Element = Arc<dyn ProcessingElement + Send + Sync>;

/// What a configuration asks of a processing element.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Formats of the activations.
    pub activations: &'r [Format],
    /// Formats of the weights.
    pub weights: &'r [Format],
    /// Multiplications a step, in the mode that has most.
    pub lanes: u32,
    /// Bits of the sum.
    pub accumulator_bits: u32,
    /// Other parameters of the catalogue entry.
    pub options: &'r BTreeMap<String, String>,
}

/// A kind of processing element.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Name, as in `pe.kind`.
    pub name: &'static str,
    /// The unit in the catalogue.
    pub entry: Entry,
    /// The entry's parameters, as `key=value`, that follow from the request.
    settings: fn(&Request) -> Result<Vec<String>, UnitError>,
    build: fn(&Settings) -> Result<Element, UnitError>,
}

/// Every kind, simplest first.
pub const KINDS: [Kind; 14] = [
    Kind {
        name: "integer",
        entry: integer::ENTRY,
        settings: |request| {
            let (activation, weight) = request.one_pair()?;
            Ok(vec![set("activation", activation), set("weight", weight), lanes(request), sum(request)])
        },
        build: |settings| Ok(Arc::new(integer::IntegerPe::from_settings(settings)?)),
    },
    Kind {
        name: "bit_serial",
        entry: bit_serial::ENTRY,
        settings: |request| {
            let activation = request.one_activation()?;
            Ok(vec![
                set("activation", activation),
                set("weights", names(request.weights)),
                lanes(request),
                sum(request),
            ])
        },
        build: |settings| {
            let pe = bit_serial::BitSerialPe::from_settings(settings)?;
            pe.array_element()?;
            Ok(Arc::new(pe))
        },
    },
    Kind {
        name: "bit_serial_grouped",
        entry: grouped::ENTRY,
        settings: |request| {
            let activation = request.one_activation()?;
            let groups: Vec<&Grouped> = request.weights.iter().map(groups).collect::<Result<_, _>>()?;
            let of_first = |of: fn(&Grouped) -> u32| groups.first().map_or(0, |group| of(group));
            let elements: Vec<String> = groups.iter().map(|group| group.element().to_string()).collect();
            Ok(vec![
                set("activation", activation),
                set("weights", elements.join(",")),
                set("group", of_first(|group| group.size() as u32)),
                set("scale_bits", of_first(Grouped::scale_bits)),
                lanes(request),
                sum(request),
            ])
        },
        build: |settings| Ok(Arc::new(grouped::GroupedPe::from_settings(settings)?)),
    },
    Kind {
        name: "matryoshka",
        entry: matryoshka::ENTRY,
        settings: |request| {
            let slices: Vec<(String, u32)> =
                request.weights.iter().map(split_digits).collect::<Result<_, _>>()?;
            let rule = slices.first().map_or("", |(rule, _)| rule);
            let bits: Vec<String> = slices.iter().map(|(_, bits)| bits.to_string()).collect();
            Ok(vec![
                set("rule", rule),
                set("bits", bits.join(",")),
                activation_bits(request)?,
                lanes(request),
                sum(request),
            ])
        },
        build: |settings| Ok(Arc::new(matryoshka::MatryoshkaPe::from_settings(settings)?)),
    },
    Kind {
        name: "bit_plane",
        entry: bit_plane::ENTRY,
        settings: |request| {
            let (activations, weights) = (names(request.activations), names(request.weights));
            Ok(vec![set("activations", activations), set("weights", weights), lanes(request), sum(request)])
        },
        build: |settings| Ok(Arc::new(bit_plane::BitPlanePe::from_settings(settings)?)),
    },
    Kind {
        name: "binary",
        entry: binary::ENTRY,
        settings: |request| Ok(vec![lanes(request), sum(request)]),
        build: |settings| Ok(Arc::new(binary::BinaryPe::from_settings(settings)?)),
    },
    Kind {
        name: "ternary",
        entry: ternary::ENTRY,
        settings: adders,
        build: |settings| Ok(Arc::new(ternary::TernaryPe::from_settings(settings)?)),
    },
    Kind {
        name: "sherry",
        entry: sherry::ENTRY,
        settings: adders,
        build: |settings| Ok(Arc::new(sherry::SherryPe::from_settings(settings)?)),
    },
    Kind {
        name: "dual_binary",
        entry: dual_binary::ENTRY,
        settings: adders,
        build: |settings| Ok(Arc::new(dual_binary::DualBinaryPe::from_settings(settings)?)),
    },
    Kind {
        name: "complex",
        entry: complex::ENTRY,
        settings: adders,
        build: |settings| Ok(Arc::new(complex::ComplexPe::from_settings(settings)?)),
    },
    Kind {
        name: "float_mac",
        entry: float_mac::ENTRY,
        settings: |request| {
            let (activation, weight) = request.one_pair()?;
            Ok(vec![set("activation", activation), set("weight", weight), lanes(request), exact(request)])
        },
        build: |settings| Ok(Arc::new(float_mac::FloatMac::of_entry(settings)?)),
    },
    Kind {
        name: "l_mul",
        entry: l_mul::ENTRY,
        settings: |request| {
            let (activation, weight) = request.one_pair()?;
            if activation != weight {
                let legal = format!("L-Mul multiplies codes of one format; {activation} is legal");
                return Err(UnitError::illegal("weights", weight, legal));
            }
            Ok(vec![set("format", activation), lanes(request), exact(request)])
        },
        build: |settings| Ok(Arc::new(l_mul::LMulPe::of_entry(settings)?)),
    },
    Kind {
        name: "block_dot",
        entry: block_dot::ENTRY,
        settings: |request| {
            let (activation, weight) = request.one_pair()?;
            Ok(vec![
                set("activation", activation),
                set("weight", weight),
                lanes(request),
                set("accumulator", "fixed"),
                exact(request),
            ])
        },
        build: |settings| {
            let pe = block_dot::BlockDot::from_settings(settings)?;
            pe.array_element()?;
            Ok(Arc::new(pe))
        },
    },
    Kind {
        name: "rmmec_simd",
        entry: rmmec_simd::ENTRY,
        settings: |request| {
            if request.activations != request.weights {
                let legal = format!(
                    "activations and weights of a mode have one format; {} is legal",
                    names(request.activations)
                );
                return Err(UnitError::illegal("weights", names(request.weights), legal));
            }
            Ok(vec![set("modes", names(request.weights)), set("result_bits", request.accumulator_bits)])
        },
        build: |settings| Ok(Arc::new(rmmec_simd::RmmecSimd::from_settings(settings)?)),
    },
];

impl Kind {
    /// The kind called `name`.
    ///
    /// # Errors
    /// [`UnitError::IllegalValue`], with the names there are.
    pub fn find(name: &str) -> Result<Kind, UnitError> {
        KINDS.iter().find(|kind| kind.name == name).copied().ok_or_else(|| {
            let legal: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            UnitError::illegal("kind", name, format!("legal are {}", legal.join(", ")))
        })
    }

    /// Builds the processing element that `request` asks for.
    ///
    /// # Errors
    /// A format that the kind does not run, or another value that is not legal for it.
    pub fn build(&self, request: &Request) -> Result<Element, UnitError> {
        let derived = (self.settings)(request)?;
        let options = request.options.iter().map(|(key, value)| format!("{key}={value}"));
        let all: Vec<String> = derived.into_iter().chain(options).collect();
        let settings =
            Settings::parse(self.entry.name, self.entry.parameters, all.iter().map(String::as_str))?;
        let element = (self.build)(&settings)?;
        request.check(element.as_ref())?;
        Ok(element)
    }
}

impl Request<'_> {
    /// Whether the PE is what was asked for: a kind takes no part of a request silently for another.
    fn check(&self, element: &dyn ProcessingElement) -> Result<(), UnitError> {
        let modes = element.modes();
        let activations: Vec<&Format> = modes.iter().map(|mode| &mode.activation).collect();
        let weights: Vec<&Format> = modes.iter().map(|mode| &mode.weight).collect();
        for (name, asked, legal) in
            [("activations", self.activations, activations), ("weights", self.weights, weights)]
        {
            if let Some(other) = asked.iter().find(|format| !legal.contains(format)) {
                let mut legal: Vec<String> = legal.iter().map(|format| format.to_string()).collect();
                legal.dedup();
                let legal = format!("this PE runs {}", legal.join(", "));
                return Err(UnitError::illegal(name, other, legal));
            }
        }
        if element.lanes() != self.lanes {
            let legal = format!("this PE has {} with these formats", element.lanes());
            return Err(UnitError::illegal("lanes", self.lanes, legal));
        }
        Ok(())
    }

    fn one_activation(&self) -> Result<&Format, UnitError> {
        one("activations", self.activations)
    }

    fn one_pair(&self) -> Result<(&Format, &Format), UnitError> {
        Ok((self.one_activation()?, one("weights", self.weights)?))
    }
}

fn one<'f>(name: &'static str, formats: &'f [Format]) -> Result<&'f Format, UnitError> {
    match formats {
        [format] => Ok(format),
        _ => Err(UnitError::illegal(name, names(formats), "this PE runs one format; name one")),
    }
}

fn groups(format: &Format) -> Result<&Grouped, UnitError> {
    match format {
        Format::Grouped(grouped) => Ok(grouped),
        other => {
            let legal = "weights in groups are legal, such as bitmod_fp4_g128 and int4_g128";
            Err(UnitError::illegal("weights", other, legal))
        }
    }
}

fn set(name: &str, value: impl ToString) -> String {
    format!("{name}={}", value.to_string())
}

fn names(formats: &[Format]) -> String {
    formats.iter().map(Format::to_string).collect::<Vec<_>>().join(",")
}

fn lanes(request: &Request) -> String {
    set("lanes", request.lanes)
}

fn sum(request: &Request) -> String {
    set("accumulator", request.accumulator_bits)
}

/// Bits of an exact or fixed-point sum.
fn exact(request: &Request) -> String {
    set("accumulator_bits", request.accumulator_bits)
}

/// A PE of adders: signed integers of one width.
fn adders(request: &Request) -> Result<Vec<String>, UnitError> {
    Ok(vec![activation_bits(request)?, lanes(request), sum(request)])
}

fn activation_bits(request: &Request) -> Result<String, UnitError> {
    let activation = request.one_activation()?;
    match split_digits(activation) {
        Ok((name, bits)) if name == "int" => Ok(set("activation_bits", bits)),
        _ => Err(UnitError::illegal("activations", activation, "int2 to int16 are legal")),
    }
}

/// A name such as `matgptq4` as word and number.
fn split_digits(format: &Format) -> Result<(String, u32), UnitError> {
    let name = format.to_string();
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let word = &name[..name.len() - digits.len()];
    let number = digits.parse().map_err(|_| {
        UnitError::illegal("weights", &name, "a name with its bits, such as matgptq4 or int8, is needed")
    })?;
    Ok((word.to_owned(), number))
}

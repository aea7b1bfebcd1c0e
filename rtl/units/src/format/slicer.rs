//! Matryoshka slicer: the top bits of an int8 master weight, rounded by the rule of its training method.
//!
//! Meaning: [`bitmill_formats::Slice::slice`]. Timing: combinational.

use std::sync::Arc;

use bitmill_formats::{Scalar, Slice};
use bitmill_hdl::unit::{Model, Random, Unit, Values, signed_number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, unsigned};

use super::{FORMAT, scalar, stimulus};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "matryoshka_slicer",
    summary: "the top 2 to 8 bits of an int8 master weight, rounded",
    parameters: &[Parameter {
        name: FORMAT.name,
        default: "matgptq4",
        help: "matgptq2…matgptq8 or double_rounding2…double_rounding8",
        legal: Legal::OneOf(&["matgptq2…matgptq8", "double_rounding2…double_rounding8"]),
    }],
    examples: &[
        "",
        "format=matgptq2",
        "format=matgptq8",
        "format=double_rounding2",
        "format=double_rounding4",
        "format=double_rounding6",
    ],
    build: |settings| Ok(Box::new(Slicer::from_settings(settings)?)),
};

/// Parameters of a slicer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slicer {
    slice: Slice,
}

impl Slicer {
    /// The slicer.
    pub fn new(slice: Slice) -> Slicer {
        Slicer { slice }
    }

    fn from_settings(settings: &Settings) -> Result<Slicer, UnitError> {
        match scalar(settings, FORMAT.name)? {
            Scalar::Slice(slice) => Ok(Slicer::new(slice)),
            other => {
                Err(UnitError::illegal(FORMAT.name, other, format!("a slice is one of {}", Slice::GRAMMAR)))
            }
        }
    }
}

impl Unit for Slicer {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let slice = self.slice;
        let m = ModuleBuilder::new(
            format!("bitmill_matryoshka_slicer_{slice}"),
            format!("{slice}: the top bits of an int8 master weight.\nCombinational."),
        );
        let master = m.input("master_i", unsigned(8));
        m.output("code_o", slice.slice_circuit(&m, master));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let slice = self.slice;
        Box::new(move |inputs: &[BigUint]| vec![Some(slice.slice(signed_number(&inputs[0], 8) as i8).into())])
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.module().map_or(vec![], |module| stimulus::all_or_random(&module, random, cycles))
    }
}

//! What a memory macro costs, as a linear function of its width and its bits.

use serde::{Deserialize, Serialize};

use super::Reference;
use crate::significant;

/// A memory macro of a size.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MemoryFigures {
    /// Area in µm².
    pub area_um2: f64,
    /// Energy of a read in pJ.
    pub read_pj: f64,
    /// Energy of a write in pJ.
    pub write_pj: f64,
    /// Leakage in nW.
    pub leakage_nw: f64,
    /// Time from the clock to the read data in ns.
    pub access_ns: f64,
}

/// Coefficients of memory macros.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryModel {
    area_um2: Linear,
    read_pj: Linear,
    write_pj: Linear,
    leakage_nw: Linear,
    access_ns: Depth,
}

/// `fixed + column · width + bit · width · depth`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Linear {
    fixed: f64,
    column: f64,
    bit: f64,
}

/// `fixed + row · depth`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Depth {
    fixed: f64,
    row: f64,
}

impl Linear {
    fn at(self, width: f64, depth: f64) -> f64 {
        self.fixed + self.column * width + self.bit * width * depth
    }

    fn times(self, factor: f64) -> Linear {
        let [fixed, column, bit] = [self.fixed, self.column, self.bit].map(|c| significant(c * factor));
        Linear { fixed, column, bit }
    }

    fn is_legal(self) -> bool {
        [self.fixed, self.column, self.bit].iter().all(|c| c.is_finite() && *c >= 0.0)
    }
}

impl MemoryModel {
    pub(crate) fn check(&self) -> Result<(), String> {
        let time = Linear { fixed: self.access_ns.fixed, column: 0.0, bit: self.access_ns.row };
        let all = [self.area_um2, self.read_pj, self.write_pj, self.leakage_nw, time];
        if all.into_iter().all(Linear::is_legal) {
            return Ok(());
        }
        Err("every coefficient must be finite and not negative".to_owned())
    }

    /// The same macros in another library: area by the ratio of the smallest NAND2, and by those of the smallest flip-flop energy by
    /// that of the clock, time by that from the clock to the output, and leakage.
    pub fn scaled(&self, from: &Reference, to: &Reference) -> MemoryModel {
        let energy = to.flip_flop_pj / from.flip_flop_pj;
        let time = to.flip_flop_ns / from.flip_flop_ns;
        MemoryModel {
            area_um2: self.area_um2.times(to.nand2_um2 / from.nand2_um2),
            read_pj: self.read_pj.times(energy),
            write_pj: self.write_pj.times(energy),
            leakage_nw: self.leakage_nw.times(to.flip_flop_nw / from.flip_flop_nw),
            access_ns: Depth {
                fixed: significant(self.access_ns.fixed * time),
                row: significant(self.access_ns.row * time),
            },
        }
    }

    /// A macro of `depth` words of `width` bits.
    pub fn at(&self, width: u32, depth: u32) -> MemoryFigures {
        let (width, depth) = (f64::from(width), f64::from(depth));
        MemoryFigures {
            area_um2: self.area_um2.at(width, depth),
            read_pj: self.read_pj.at(width, depth),
            write_pj: self.write_pj.at(width, depth),
            leakage_nw: self.leakage_nw.at(width, depth),
            access_ns: self.access_ns.fixed + self.access_ns.row * depth,
        }
    }
}

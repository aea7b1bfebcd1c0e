//! What a design takes of an FPGA.

use std::iter::Sum;
use std::ops::{Add, Mul};

use serde::{Deserialize, Serialize};

use crate::tree::Amount;

/// How much of each resource a part of a design takes.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Lookup tables; carry chains and memories that are made of them included.
    pub luts: f64,
    /// Flip-flops.
    pub flip_flops: f64,
    /// Multipliers.
    pub dsps: f64,
    /// Block memories; halves where they may be split.
    pub block_rams: f64,
}

impl Amount for Resources {
    fn beyond(self, parts: Resources) -> Resources {
        let left = |all: f64, parts: f64| (all - parts).max(0.0);
        Resources {
            luts: left(self.luts, parts.luts),
            flip_flops: left(self.flip_flops, parts.flip_flops),
            dsps: left(self.dsps, parts.dsps),
            block_rams: left(self.block_rams, parts.block_rams),
        }
    }
}

impl Add for Resources {
    type Output = Resources;
    fn add(self, other: Resources) -> Resources {
        Resources {
            luts: self.luts + other.luts,
            flip_flops: self.flip_flops + other.flip_flops,
            dsps: self.dsps + other.dsps,
            block_rams: self.block_rams + other.block_rams,
        }
    }
}

impl Mul<f64> for Resources {
    type Output = Resources;
    fn mul(self, count: f64) -> Resources {
        Resources {
            luts: self.luts * count,
            flip_flops: self.flip_flops * count,
            dsps: self.dsps * count,
            block_rams: self.block_rams * count,
        }
    }
}

impl Mul<u32> for Resources {
    type Output = Resources;
    fn mul(self, count: u32) -> Resources {
        self * f64::from(count)
    }
}

impl Sum for Resources {
    fn sum<I: Iterator<Item = Resources>>(parts: I) -> Resources {
        parts.fold(Resources::default(), Add::add)
    }
}

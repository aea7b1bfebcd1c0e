//! The families of formats, one file each (and one for the names where a family has many).

pub mod bitmod;
pub mod block;
mod block_name;
pub mod codebook;
pub mod complex;
pub mod dual_binary;
pub mod grouped;
pub mod integer;
pub mod minifloat;
mod minifloat_name;
pub mod posit;
pub mod power_of_two;
pub mod sherry;
pub mod slice;

//! The formats that people know by name. Families take any other legal parameters too.
//!
//! A new format of a known family is one line here; even without it, its name is understood.

use crate::Format;

/// The names, by family and width.
pub const NAMES: &[&str] = &[
    // Integers.
    "int2",
    "int3",
    "int4",
    "int5",
    "int6",
    "int7",
    "int8",
    "int10",
    "int12",
    "int16",
    "uint1",
    "uint2",
    "uint3",
    "uint4",
    "uint5",
    "uint6",
    "uint7",
    "uint8",
    "uint12",
    "uint16",
    // Minifloats: OCP MX elements, OCP FP8 with the variants that libraries know, and the wider ones.
    "fp4_e2m1",
    "fp6_e2m3",
    "fp6_e3m2",
    "fp8_e4m3",
    "fp8_e4m3_nonsat",
    "fp8_e4m3_ieee",
    "fp8_e4m3_fnuz",
    "fp8_e4m3_fnuz_b11",
    "fp8_e5m2",
    "fp8_e5m2_sat",
    "fp8_e5m2_fnuz",
    "fp8_e3m4",
    "fp16",
    "bf16",
    "tf32",
    "fp32",
    // Scales.
    "e8m0",
    // Posits.
    "posit4_1",
    "posit8_0",
    "posit8_1",
    "posit8_2",
    "posit16_1",
    "posit16_2",
    // Codebooks.
    "binary",
    "ternary",
    "dual_binary",
    "bitmod_fp3",
    "bitmod_fp3_n3",
    "bitmod_fp3_p6",
    "bitmod_fp3_n6",
    "bitmod_fp4",
    "bitmod_fp4_n5",
    "bitmod_fp4_p8",
    "bitmod_fp4_n8",
    // Matryoshka slices.
    "matgptq2",
    "matgptq3",
    "matgptq4",
    "matgptq6",
    "matgptq8",
    "double_rounding2",
    "double_rounding4",
    "double_rounding6",
    "double_rounding8",
    // Vectors.
    "sherry",
    "ifairy",
    // Blocks.
    "mxfp8_e4m3",
    "mxfp8_e5m2",
    "mxfp6_e2m3",
    "mxfp6_e3m2",
    "mxfp4",
    "mxint8",
    "mxint6",
    "mxint4",
    "nvfp4",
    "nvint4",
    "bfp8_g16",
    "bfp6_g16",
    "bfp4_g16",
    // Groups of weights with integer scales.
    "bitmod_fp4_g128",
    "bitmod_fp3_g128",
    "int4_g128",
    "int3_g128",
];

/// Every format of the catalogue.
pub fn formats() -> Vec<Format> {
    NAMES.iter().map(|name| name.parse().expect("the catalogue holds legal names")).collect()
}

//! The crate `microfloat`, which follows ml_dtypes: overflow never saturates where NaN or infinity exist.

use bitmill_formats::Rounding;

use crate::Oracle;

macro_rules! agrees {
    ($($test:ident: $theirs:ident = $ours:literal, $rounding:ident, $differs:expr;)*) => { $(
        #[test]
        fn $test() {
            use microfloat::$theirs as Theirs;
            let of = |code: u32| Theirs::from_bits(code as u8);
            Oracle {
                format: $ours,
                rounding: Rounding::$rounding,
                differs: &$differs,
                encode: &|x| Theirs::from_f64(x).to_bits().into(),
                decode: &|code| of(code).to_f64(),
                add: &|a, b| (of(a) + of(b)).to_bits().into(),
                multiply: &|a, b| (of(a) * of(b)).to_bits().into(),
            }
            .check();
        }
    )* };
}

agrees! {
    fp4_e2m1: f4e2m1fn = "fp4_e2m1", NearestEven, |_| false;
    fp6_e2m3: f6e2m3fn = "fp6_e2m3", NearestEven, |_| false;
    fp6_e3m2: f6e3m2fn = "fp6_e3m2", NearestEven, |_| false;
    fp8_e3m4: f8e3m4 = "fp8_e3m4", NearestEven, |_| false;
    // It makes NaN of the tie 464, which APFloat and ml_dtypes round to the even neighbour 448, as we do.
    fp8_e4m3: f8e4m3fn = "fp8_e4m3_nonsat", NearestEven, |x| x.abs() == 464.0;
    fp8_e4m3_ieee: f8e4m3 = "fp8_e4m3_ieee", NearestEven, |_| false;
    fp8_e4m3_fnuz: f8e4m3fnuz = "fp8_e4m3_fnuz_nonsat", NearestEven, |_| false;
    fp8_e4m3_b11_fnuz: f8e4m3b11fnuz = "fp8_e4m3_fnuz_b11_nonsat", NearestEven, |_| false;
    fp8_e5m2: f8e5m2 = "fp8_e5m2", NearestEven, |_| false;
    fp8_e5m2_fnuz: f8e5m2fnuz = "fp8_e5m2_fnuz_nonsat", NearestEven, |_| false;
    // Its nearest takes ties between powers of two up. What rounds to 2^128 it saturates (ml_dtypes does
    // not), and products that underflow `f32`, in which it computes, become zero and so NaN.
    e8m0: f8e8m0fnu = "e8m0", NearestAway, |x| x < 2f64.powi(-149) || (1.5 * 2f64.powi(127)..2f64.powi(128)).contains(&x);
}

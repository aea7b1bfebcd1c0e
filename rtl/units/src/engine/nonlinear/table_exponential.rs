//! The exponential by a table as a circuit: a multiplication, a read-only memory, a shift. Meaning:
//! [`bitmill_formats::nonlinear::TableExp`]; latency [`LATENCY_CYCLES`], a value every cycle.

use std::sync::Arc;

use bitmill_formats::nonlinear::TableExp;
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, signed, unsigned};

use super::exponential::LATENCY_CYCLES;

/// Bits of the result.
pub(super) const RESULT_BITS: u32 = TableExp::FRACTION_BITS;

/// The circuit for x of `bits`, not positive: `enable_i`, `x_i`, `factor_i` → `exp_o`.
pub(super) fn module(bits: u32) -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        format!("bitmill_table_exp_x{bits}"),
        format!(
            "exponential of what is not positive, by a table of an octave, in units of 2^-{RESULT_BITS}.\n\
             Latency {LATENCY_CYCLES} cycles, interval 1."
        ),
    );
    let enable = m.input_with_comment("enable_i", unsigned(1), "time stands still where it is 0");
    let x = m.input("x_i", signed(bits));
    let factor = m.input_with_comment(
        "factor_i",
        unsigned(TableExp::FACTOR_BITS),
        "log2(e) times the scale, in units of 2^-15; held",
    );
    let hold = |name: &str, next: Signal<'_>| {
        let register = m.register(name, next.shape()).without_reset();
        register.set_when(enable, next);
        register.q()
    };

    m.comment("The exponent of two, its sign left out.");
    let distance = x.neg().as_unsigned().truncate(bits - 1).named("distance");
    let exponent_q = hold("exponent_q", distance.mul(factor));

    m.comment("Its fraction chooses an entry, its whole part shifts.");
    let point = TableExp::FACTOR_FRACTION_BITS;
    let index = exponent_q.slice(point - TableExp::INDEX_BITS, TableExp::INDEX_BITS);
    let entries: Vec<Signal> =
        TableExp::table().into_iter().map(|entry| m.lit(RESULT_BITS, entry.into())).collect();
    let entry_q = hold("entry_q", index.select(&entries, entries[0]));
    let shift_bits = bits_for(RESULT_BITS.into());
    let whole = exponent_q.slice(point, exponent_q.width() - point).named("whole");
    let most = m.lit(whole.width(), RESULT_BITS.into());
    let halvings_q = hold("halvings_q", whole.gt(most).mux(most, whole).truncate(shift_bits));
    m.output("exp_o", hold("exp_q", entry_q.shift_right(halvings_q)));
    m.finish()
}

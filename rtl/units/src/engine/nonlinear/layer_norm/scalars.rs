//! From the moments of a row to its mean and factor: one divider, used in turn.

use bitmill_formats::nonlinear::{M, NEWTON_ITERATIONS, NEWTON_START, Root};
use bitmill_hdl::unit::Unit as _;
use bitmill_hdl::{HdlError, ModuleBuilder, Signal, bits_for, signed, unsigned};

use super::{LayerNorm, Moments, Rows, norm_bits, squares_bits};

impl LayerNorm {
    /// Mean, factor, and a bit that is set when both are there.
    pub(super) fn scalars<'m>(
        &self,
        m: &'m ModuleBuilder,
        rows: &Rows<'m>,
        moments: Moments<'m>,
    ) -> Result<(Signal<'m>, Signal<'m>, Signal<'m>), HdlError> {
        let (squares_bits, norm_bits) = (squares_bits(self.shape), norm_bits(self.shape));
        let iterations = if self.root == Root::TenIterations { NEWTON_ITERATIONS } else { 0 };
        let factor_turn = iterations + 1;

        m.comment("The divider's turns: 0 the mean, then the steps of the root, last the factor.");
        let turn = m.register("turn_q", unsigned(bits_for(factor_turn.into())));
        let starts_root = m.wire("starts_root", unsigned(1));
        let starts_next = m.wire("starts_next", unsigned(1));
        let starts_mean = rows.flag_after("filled", rows.filled, 2);
        let start = m.any(&[starts_mean, starts_root.value(), starts_next.value()]).named("starts");
        let first = turn.q().eq_value(0).named("is_mean");
        let final_turn = turn.q().eq_value(factor_turn.into()).named("is_factor");
        let dividend_bits = squares_bits.max(31);
        let count = rows.length.extend(rows.length.width() + 1).increment().named("count");
        let negative = moments.sum.msb().named("negative");
        let magnitude = negative.mux(moments.sum.neg(), moments.sum.extend(moments.sum.width() + 1));
        let sum_of_squares = m.register("deviation_q", unsigned(squares_bits)).without_reset();
        let norm = m.register("norm_q", unsigned(norm_bits)).without_reset();
        let largest = m.lit(dividend_bits, M.into());
        let dividend = first.mux(
            magnitude.as_unsigned().resize(dividend_bits),
            final_turn.mux(largest, sum_of_squares.q().extend(dividend_bits)),
        );
        let divisor = first.mux(count.extend(norm_bits), norm.q());
        let inputs =
            [("enable_i", m.bit(true)), ("start_i", start), ("dividend_i", dividend), ("divisor_i", divisor)];
        let divider = m.instance("i_divider", &self.divider.module()?, &inputs);
        let [done, quotient, remainder] =
            ["done_o", "quotient_o", "remainder_o"].map(|port| divider.output(port));
        let mean_done = done.and(first).named("mean_done");
        let factor_done = done.and(final_turn).named("factor_done");
        let root_done = done.and(first.not()).and(final_turn.not());

        let mean = self.mean(m, mean_done, negative, quotient, (remainder, count.extend(norm_bits)));
        m.comment("The sum of (x - mean)^2 is that of x^2, less mean (2 sum - count mean).");
        let twice = moments.sum.shl(1);
        let less = m.delay_data("less_q", twice.sub(count.to_signed().mul(mean)));
        let deviation = moments.squares.to_signed().sub(mean.mul(less));
        let ready = m.delay("mean_ready_q", mean_done);
        let ready = m.delay("less_ready_q", ready);
        sum_of_squares.set_when(ready, deviation.as_unsigned().truncate(squares_bits));
        let root_starts = m.delay("deviation_ready_q", ready);
        let advances = mean_done.or(root_done);
        turn.set_when(advances.or(factor_done), turn.q().increment().gate(factor_done.not()));

        if self.root == Root::TenIterations {
            m.comment("A step of the root: the mean of k and the quotient by k.");
            starts_root.drive(root_starts);
            let mean_of_both = norm.q().add(quotient.truncate(norm_bits)).shr(1);
            let begin = m.lit(norm_bits, NEWTON_START);
            norm.set_when(starts_mean.or(root_done), starts_mean.mux(begin, mean_of_both));
            starts_next.drive(m.delay("root_done_q", root_done));
        } else {
            m.comment("The root, at least 1.");
            m.ignore(root_done);
            starts_root.drive(m.bit(false));
            let inputs = [("start_i", root_starts), ("radicand_i", sum_of_squares.q())];
            let root = m.instance("i_square_root", &self.square_root.module()?, &inputs);
            let (rooted, root) = (root.output("done_o"), root.output("root_o"));
            let at_least_one = root.any().mux(root, m.lit(root.width(), 1));
            norm.set_when(rooted, at_least_one.resize(norm_bits));
            starts_next.drive(m.delay("rooted_q", rooted));
        }
        m.comment("The factor stays in the divider until the next row.");
        Ok((mean, quotient, factor_done))
    }

    /// Σx / N, halves to even, a cycle after its division: on magnitudes, which rounds alike.
    fn mean<'m>(
        &self,
        m: &'m ModuleBuilder,
        done: Signal<'m>,
        negative: Signal<'m>,
        quotient: Signal<'m>,
        (remainder, count): (Signal<'m>, Signal<'m>),
    ) -> Signal<'m> {
        let bits = self.shape.bits;
        m.comment("The mean, rounded to nearest, halves to even.");
        let (twice, count) = (remainder.shl(1), count.extend(remainder.width() + 1));
        let up = twice.gt(count).or(twice.eq(count).and(quotient.bit(0))).named("round_up");
        let rounded = quotient.truncate(bits).add(up).truncate(bits);
        let mean = negative.mux(rounded.as_signed().neg().truncate(bits), rounded.as_signed());
        let mean_q = m.register("mean_q", signed(bits)).without_reset();
        mean_q.set_when(done, mean);
        mean_q.q()
    }
}

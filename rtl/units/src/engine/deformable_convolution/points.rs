//! Where the taps of a step look: requests to the banks, and fractions for the interpolation.

use bitmill_formats::deformable::Offsets;
use bitmill_hdl::{ModuleBuilder, Signal, signed};

use super::shape::Shape;

/// What the step after next asks for.
pub struct Requests<'m> {
    /// Whether there is such a pixel and its weight is not 0, a bit a request, the first lowest.
    pub present: Signal<'m>,
    /// Row and column of each request, side by side, rows in the high bits; the first request lowest.
    pub pixels: Signal<'m>,
    /// Row and column fraction of each tap, if any.
    pub fractions: Option<Signal<'m>>,
}

/// The pixel whose taps look, and the step.
pub struct Place<'m> {
    /// Row and column.
    pub at: [Signal<'m>; 2],
    /// Last row and column of the image.
    pub last: [Signal<'m>; 2],
    /// Number of the step among [`Shape::groups`], if there are several.
    pub group: Option<Signal<'m>>,
    /// The pixel's offsets as the front end leaves them.
    pub offsets: Signal<'m>,
}

impl<'m> Place<'m> {
    /// How far `tap` looks from the pixel along `axis`.
    fn displacement(&self, m: &'m ModuleBuilder, shape: &Shape, tap: u32, axis: usize) -> Signal<'m> {
        let (bits, fraction_bits) = (shape.held_offset_bits(), shape.point_bits());
        let offset = |index: u32| self.offsets.slice(index * bits, bits).as_signed().extend(bits + 1);
        let place = [tap / 3, tap % 3][axis];
        match shape.sampling.offsets {
            Offsets::PerTap => {
                let regular = m.constant(signed(bits + 1), (i128::from(place) - 1) << fraction_bits);
                offset(2 * tap + axis as u32).add_wrapping(regular)
            }
            Offsets::Square => match place {
                0 => offset(0).neg().truncate(bits + 1),
                1 => m.constant(signed(bits + 1), 0),
                _ => offset(0),
            },
        }
    }

    /// The one of `items` that belongs to the step.
    pub fn of_group(&self, items: &[Signal<'m>]) -> Signal<'m> {
        match self.group {
            None => items[0],
            Some(group) => group.select(items, items[0]),
        }
    }

    /// Along one axis: for each corner its index and whether it is read; and the fraction, if any.
    fn axis(
        &self,
        m: &'m ModuleBuilder,
        shape: &Shape,
        slot: u32,
        axis: usize,
    ) -> (Vec<[Signal<'m>; 2]>, Option<Signal<'m>>) {
        let fraction_bits = shape.point_bits();
        let taps: Vec<Signal> = (0..shape.groups())
            .map(|group| self.displacement(m, shape, group * shape.taps_at_once + slot, axis))
            .collect();
        let name = |what: &str| format!("{}_{what}_{slot}", ["row", "column"][axis]);
        let position = self.at[axis].to_signed().shl(fraction_bits).add(self.of_group(&taps));
        let position = position.named(&name("position"));
        let whole = position.shr(fraction_bits);
        let width = whole.width() + 1;
        let fraction = (fraction_bits > 0).then(|| position.as_unsigned().truncate(fraction_bits));
        let corners = (0..if fraction.is_some() { 2 } else { 1 }).map(|corner| {
            let index = whole.extend(width).add_wrapping(m.constant(signed(width), corner));
            let index = index.named(&name(&format!("index_{corner}")));
            let last = self.last[axis].to_signed().extend(width);
            let mut is_read = index.msb().not().and(index.le(last));
            if let (1, Some(fraction)) = (corner, fraction) {
                is_read = is_read.and(fraction.any());
            }
            [
                index.as_unsigned().truncate(shape.side_bits()),
                is_read.named(&name(&format!("is_read_{corner}"))),
            ]
        });
        (corners.collect(), fraction)
    }

    /// The requests of the step.
    pub fn requests(&self, m: &'m ModuleBuilder, shape: &Shape) -> Requests<'m> {
        m.comment("Where the taps look.");
        let (mut present, mut pixels, mut fractions) = (Vec::new(), Vec::new(), Vec::new());
        for slot in 0..shape.taps_at_once {
            let [(rows, row_fraction), (columns, column_fraction)] =
                [0, 1].map(|axis| self.axis(m, shape, slot, axis));
            for ([row, row_is_read], [column, column_is_read]) in rows
                .iter()
                .flat_map(|row| columns.iter().map(move |column| (row, column)))
                .map(|(row, column)| (*row, *column))
            {
                present.insert(0, row_is_read.and(column_is_read));
                pixels.insert(0, m.concat(&[row, column]));
            }
            fractions.splice(0..0, row_fraction.into_iter().chain(column_fraction));
        }
        Requests {
            present: m.concat(&present),
            pixels: m.concat(&pixels),
            fractions: (!fractions.is_empty()).then(|| m.concat(&fractions)),
        }
    }
}

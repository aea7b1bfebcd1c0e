//! The projection of cubes: which pixels may see a cube of a radiance field.
//!
//! Meaning: [`View::candidates`]. Trick: the four edges of the rectangle go one after the other through one
//! multiplier and one divider that makes two bits a cycle. An edge's quotient is a floor; of what is negative
//! the complement is divided, and complemented. Quotients have as many bits as the middle of an image is away
//! from its ends, and what is larger counts as the largest.
//!
//! Timing: [`EDGES_CYCLES`] from a cube to its rectangle, [`WHOLE_CYCLES`] where that is no pixel or all of
//! them; the next cube is taken with the rectangle.

use std::sync::Arc;

use bitmill_formats::radiance_field::projection::{
    AXIS_BITS, AXIS_FRACTION_BITS, EYE_BITS, EYE_FRACTION_BITS, FOCAL_BITS, FOCAL_FRACTION_BITS,
    MARGIN_SHIFT, OFFSET_BITS, Rectangle, SIZE_BITS, View, radius,
};
use bitmill_formats::radiance_field::{AXES, Grid};
use bitmill_hdl::unit::{Expected, Model, Random, Unit, Values, lane, number, pack, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, signed, unsigned};

use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "cube_projection",
    summary: "the pixels that may see a cube of a radiance field",
    parameters: &[
        Parameter {
            name: "side_bits",
            default: "7",
            help: "log2 of the voxels a side of the field, 1 to 8",
            legal: Legal::Numbers(1, 8),
        },
        Parameter {
            name: "cube_bits",
            default: "2",
            help: "log2 of the voxels a side of a cube, below side_bits",
            legal: Legal::Numbers(0, 7),
        },
    ],
    examples: &["", "side_bits=5 cube_bits=0"],
    build: |settings| Ok(Box::new(CubeProjection::from_settings(settings)?)),
};

/// Edges of a rectangle.
const EDGES: u32 = 4;
/// Cycles of the divider for an edge, two bits each.
const DIVISION_CYCLES: u32 = OFFSET_BITS / 2;
/// Cycles of an edge: numerator, product, dividend, division, and what it comes to in the image.
const EDGE_CYCLES: u32 = 4 + DIVISION_CYCLES;
/// Cycles before them: the way to the cube, its places along the axes, one each, and what follows from them.
const PLACES_CYCLES: u32 = AXES as u32 + 2;
/// Cycles from a cube to a rectangle of no or all pixels.
pub const WHOLE_CYCLES: u32 = PLACES_CYCLES + 1;
/// Cycles from a cube to any other.
pub const EDGES_CYCLES: u32 = PLACES_CYCLES + EDGES * EDGE_CYCLES + 1;
/// Bits of a cube's way from the eye on an axis, sign included.
const WAY_BITS: u32 = EYE_BITS + 1;
/// Bits of its place along an axis of the camera, with the radius, sign included.
const PLACE_BITS: u32 = WAY_BITS + 4;
/// Bits of a dividend that is not negative.
const DIVIDEND_BITS: u32 = PLACE_BITS + FOCAL_BITS - FOCAL_FRACTION_BITS;

/// Parameters of the unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CubeProjection {
    side_bits: u32,
    cube_bits: u32,
}

impl CubeProjection {
    /// A unit for cubes of 2^`cube_bits` voxels a side in fields of 2^`side_bits`.
    ///
    /// # Errors
    /// Fields of other than 1 to 8 bits, or cubes that are not smaller.
    pub fn new(side_bits: u32, cube_bits: u32) -> Result<CubeProjection, UnitError> {
        if !(1..=Grid::MOST_SIDE_BITS).contains(&side_bits) {
            return Err(UnitError::illegal("side_bits", side_bits, "1 to 8 are legal"));
        }
        if cube_bits >= side_bits {
            let legal = format!("0 to {}, below side_bits, are legal", side_bits - 1);
            return Err(UnitError::illegal("cube_bits", cube_bits, legal));
        }
        Ok(CubeProjection { side_bits, cube_bits })
    }

    fn from_settings(settings: &Settings) -> Result<CubeProjection, UnitError> {
        CubeProjection::new(settings.number("side_bits", 1..=8)?, settings.number("cube_bits", 0..=7)?)
    }

    /// Bits of a cube's place on an axis.
    fn place_bits(&self) -> u32 {
        self.side_bits - self.cube_bits
    }

    /// A cube's way from the eye on each axis.
    fn ways<'m>(&self, m: &'m ModuleBuilder, cube: Signal<'m>, eye: Signal<'m>) -> Vec<Signal<'m>> {
        let bits = self.place_bits();
        // Twice the place and one more is the centre in half sides.
        (0..AXES as u32)
            .map(|axis| {
                let odd = m.concat(&[cube.slice(axis * bits, bits), m.bit(true)]);
                let centre = odd.shl(self.cube_bits + EYE_FRACTION_BITS - 1).extend(WAY_BITS).as_signed();
                centre.sub_wrapping(eye.slice(axis * EYE_BITS, EYE_BITS).as_signed().extend(WAY_BITS))
            })
            .collect()
    }
}

/// What a rectangle is made of: places along the camera's axes, and the radius.
struct Places<'m> {
    /// To the right and down.
    across: [Signal<'m>; 2],
    radius: Signal<'m>,
    near: Signal<'m>,
    far: Signal<'m>,
}

/// The edge that is worked at, and what of it is made.
struct Edge<'m> {
    /// Columns from and to, rows from and to.
    number: Signal<'m>,
    /// The dividend enters, two cycles after the edge's number came.
    dividend: Signal<'m>,
    /// Quotient bits are made.
    bits: Signal<'m>,
}

impl<'m> Places<'m> {
    /// The floor of an edge's quotient, once all its bits are made.
    fn quotient(&self, m: &'m ModuleBuilder, focal: Signal<'m>, edge: &Edge<'m>) -> Signal<'m> {
        let (is_upper, is_row) = (edge.number.bit(0), edge.number.bit(1));
        let place = is_row.mux(self.across[1], self.across[0]);
        let reach = is_upper.mux(self.radius, self.radius.not().increment());
        let numerator = m.delay_data("numerator_q", place.add_wrapping(reach));
        let product = numerator.mul(focal.to_signed()).resize(PLACE_BITS + FOCAL_BITS);
        // A lower edge is a ceiling: the floor of what is one last place less, and one more.
        let less = m.constant(signed(PLACE_BITS + FOCAL_BITS), -1).gate(is_upper.not()).as_signed();
        let product = m.delay_data("product_q", product.add_wrapping(less).shr(FOCAL_FRACTION_BITS));
        let complement = product.msb();
        let dividend = complement.mux(product.not(), product).as_unsigned().truncate(DIVIDEND_BITS);
        let divisor = numerator.msb().xor(is_upper).mux(self.near, self.far).named("divisor");

        m.comment("The division: bits of the dividend leave at the top, quotient bits enter below.");
        let rest = m.register("rest_q", unsigned(PLACE_BITS)).without_reset();
        let bits = m.register("bits_q", unsigned(OFFSET_BITS)).without_reset();
        let high = dividend.slice(OFFSET_BITS, DIVIDEND_BITS - OFFSET_BITS);
        let too_large = m.delay_data("too_large_q", high.ge(divisor.extend(high.width())));
        let (mut left, mut digits) = (rest.q(), bits.q());
        for _ in 0..2 {
            let widened = m.concat(&[left, digits.msb()]);
            let difference = widened.sub(divisor);
            let fits = difference.msb().not();
            left = fits.mux(difference.as_unsigned().truncate(PLACE_BITS), widened.truncate(PLACE_BITS));
            digits = m.concat(&[digits.truncate(OFFSET_BITS - 1), fits]);
        }
        let moves = edge.dividend.or(edge.bits);
        rest.set_when(moves, edge.dividend.mux(high.truncate(PLACE_BITS), left));
        bits.set_when(moves, edge.dividend.mux(dividend.truncate(OFFSET_BITS), digits));
        let most = m.lit(OFFSET_BITS, (1 << OFFSET_BITS) - 1);
        let magnitude = too_large.mux(most, bits.q()).extend(OFFSET_BITS + 1);
        complement.mux(magnitude.not(), magnitude).as_signed()
    }
}

impl Unit for CubeProjection {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let &CubeProjection { side_bits, cube_bits } = self;
        let m = ModuleBuilder::new(
            format!("bitmill_cube_projection_s{side_bits}_c{cube_bits}"),
            format!("pixels that may see cubes.\nA cube every {EDGES_CYCLES} cycles at most."),
        );
        m.group("Camera, the same while a cube is under way");
        let eye = m.input_with_comment("eye_i", unsigned(AXES as u32 * EYE_BITS), "axis 0 lowest");
        let axes = m.input_with_comment(
            "axes_i",
            unsigned((AXES * AXES) as u32 * AXIS_BITS),
            "to the right lowest, down, forward",
        );
        let focal = m.input("focal_i", unsigned(FOCAL_BITS));
        let size = m.input_with_comment("size_i", unsigned(2 * SIZE_BITS), "columns lowest");
        m.group("Cubes in");
        let valid = m.input("valid_i", unsigned(1));
        let cube = m.input_with_comment(
            "cube_i",
            unsigned(AXES as u32 * self.place_bits()),
            "its place among cubes",
        );
        m.group("Rectangles out");
        let ready = m.input("ready_i", unsigned(1));

        let step = m.register("step_q", unsigned(3));
        let phase = m.register("phase_q", unsigned(4));
        let edge = m.register("edge_q", unsigned(2));
        let at = |number: u32| step.q().eq_value(number.into());
        let divides_edges = at(EDGES_STEP).named("divides_edges");
        let shows = at(SHOWS_STEP).named("shows");
        let free = step.q().any().not().or(shows.and(ready)).named("free");
        let takes = valid.and(free).named("takes");
        let keep = |name: &str, enable: Signal<'_>, next: Signal<'_>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(enable, next);
            register.q()
        };
        let cube = keep("cube_q", takes, cube);

        m.comment("Places along the axes, one a cycle, and the radius.");
        let ways: Vec<Signal> = self
            .ways(&m, cube, eye)
            .into_iter()
            .enumerate()
            .map(|(axis, way)| m.delay_data(&format!("way_{axis}_q"), way))
            .collect();
        let axis_word = AXES as u32 * AXIS_BITS;
        let words: Vec<Signal> =
            (0..AXES as u32).map(|axis| axes.slice(axis * axis_word, axis_word)).collect();
        let axis = at(2).mux(words[0], at(3).mux(words[1], words[2]));
        let products: Vec<Signal> = (0..AXES)
            .map(|index| ways[index].mul(axis.slice(index as u32 * AXIS_BITS, AXIS_BITS).as_signed()))
            .collect();
        let place = m.sum(&products).shr(AXIS_FRACTION_BITS).resize(PLACE_BITS).named("place");
        let absolutes: Vec<Signal> =
            ways.iter().map(|way| way.msb().mux(way.not().increment(), *way).as_unsigned()).collect();
        let margin = m.sum(&absolutes).shr(MARGIN_SHIFT).extend(PLACE_BITS).as_signed();
        let ball = m.constant(signed(PLACE_BITS), radius(1 << cube_bits).into());
        let across = [keep("x_q", at(2), place), keep("y_q", at(3), place)];
        let depth = keep("depth_q", at(4), place);
        let radius = keep("radius_q", at(2), ball.add_wrapping(margin));

        m.comment("No pixel sees what is behind the camera, and all may see what is close to it.");
        let (near, far) = (depth.sub_wrapping(radius), depth.add_wrapping(radius));
        let behind = far.msb().or(far.any().not()).named("behind");
        let voxel = m.constant(signed(PLACE_BITS), 1 << EYE_FRACTION_BITS);
        let short = focal.slice(FOCAL_FRACTION_BITS, FOCAL_BITS - FOCAL_FRACTION_BITS).any().not();
        let close = near.lt(voxel).or(short).named("close");
        let decides = at(PLACES_CYCLES);
        let is_whole = behind.or(close);
        let places = Places {
            across,
            radius,
            near: m.delay_data("near_q", near.as_unsigned()),
            far: m.delay_data("far_q", far.as_unsigned()),
        };
        let made = |number: u32| divides_edges.and(phase.q().eq_value(number.into()));
        let ends = made(EDGE_CYCLES - 1).named("ends");
        let at_work =
            Edge { number: edge.q(), dividend: made(2), bits: divides_edges.and(phase.q().gt(m.lit(4, 2))) };
        m.comment("An edge: numerator, product, dividend, division.");
        let quotient = places.quotient(&m, focal, &at_work);
        let next_phase = ends.mux(m.lit(4, 0), phase.q().increment());
        phase.set(next_phase.gate(divides_edges));
        edge.set_when(ends, edge.q().increment());
        let last = ends.and(edge.q().all()).named("last");
        let shows_step = m.lit(3, SHOWS_STEP.into());
        let counted = decides.and(is_whole).or(last).mux(shows_step, step.q().increment());
        let stays = divides_edges.and(last.not());
        let moved = stays.or(shows).mux(step.q(), counted);
        step.set(free.mux(takes.extend(3), moved));

        m.comment("The rectangle.");
        let is_row = edge.q().bit(1);
        let pixels = is_row.mux(size.slice(SIZE_BITS, SIZE_BITS), size.truncate(SIZE_BITS));
        let half = pixels.shr(1).extend(SIZE_BITS + 2).as_signed();
        let odd = pixels.bit(0).and(edge.q().bit(0)).extend(SIZE_BITS + 2).as_signed();
        let pixel = half.add_wrapping(odd).add_wrapping(quotient.extend(SIZE_BITS + 2)).increment();
        let most = pixels.extend(SIZE_BITS + 2).as_signed();
        let capped =
            pixel.gt(most).mux(most, pixel).as_unsigned().truncate(SIZE_BITS).gate(pixel.msb().not());
        let mut found: Vec<Signal> = Vec::new();
        for (number, name) in
            ["column_from_q", "column_to_q", "row_from_q", "row_to_q"].into_iter().enumerate()
        {
            let of_edge = ends.and(edge.q().eq_value(number as i128));
            let (next, all) = match number % 2 {
                0 => (capped, m.lit(SIZE_BITS, 0)),
                _ => {
                    let from = found[number - 1];
                    (capped.lt(from).mux(from, capped), size.slice(number as u32 / 2 * SIZE_BITS, SIZE_BITS))
                }
            };
            let whole = all.gate(behind.not());
            found.push(keep(name, of_edge.or(decides), decides.mux(whole, next)));
        }
        m.output("ready_o", free);
        m.output("valid_o", shows);
        m.output("column_from_o", found[0]);
        m.output_with_comment("column_to_o", found[1], "the first behind");
        m.output("row_from_o", found[2]);
        m.output("row_to_o", found[3]);
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(ProjectionModel { unit: *self, left_cycles: 0, rectangle: None })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        const SHOT_CYCLES: usize = 300;
        let mut camera = Values::new();
        (0..cycles)
            .map(|cycle| {
                // The camera moves when nothing is under way.
                let drains = cycle % SHOT_CYCLES > SHOT_CYCLES - 2 * EDGES_CYCLES as usize;
                if cycle % SHOT_CYCLES == 0 {
                    camera = shot(self.side_bits, random);
                }
                let bit = |bit: bool| BigUint::from(u8::from(bit));
                let mut inputs = camera.clone();
                inputs.push(bit(!drains && !random.one_in(4)));
                inputs.push(random.bits(AXES as u32 * self.place_bits()));
                inputs.push(bit(drains || !random.one_in(3)));
                inputs
            })
            .collect()
    }
}

/// Steps after those of the places: edges are divided for, and the rectangle shows.
const EDGES_STEP: u32 = PLACES_CYCLES + 1;
const SHOWS_STEP: u32 = PLACES_CYCLES + 2;

/// A camera in or around the field, now and then one of corner cases.
fn shot(side_bits: u32, random: &mut Random) -> Values {
    let axis_bits = (AXES * AXES) as u32 * AXIS_BITS;
    if random.one_in(4) {
        let size = [(); 2].map(|()| BigUint::from(1 + random.below(4096)));
        let [eye, axes] = [AXES as u32 * EYE_BITS, axis_bits].map(|bits| random.corner_bits(bits));
        return vec![eye, axes, random.corner_bits(FOCAL_BITS), pack(&size, SIZE_BITS)];
    }
    let side = 1_i64 << (side_bits + EYE_FRACTION_BITS);
    let eye = [(); AXES].map(|()| to_bits((random.below(3 * side as u64) as i64 - side).into(), EYE_BITS));
    let parts = [(); AXES * AXES].map(|()| random.bits(AXIS_BITS - 1));
    let signs = parts.map(|part| to_bits(signed_number(&part, AXIS_BITS - 1).into(), AXIS_BITS));
    // A whole focal length makes products of which quotients are whole, too.
    let fraction = if random.one_in(2) { 0 } else { random.below(1 << FOCAL_FRACTION_BITS) };
    let focal = BigUint::from((1 + random.below(200)) << FOCAL_FRACTION_BITS | fraction);
    let size = [(); 2].map(|()| BigUint::from(1 + random.below(150)));
    vec![pack(&eye, EYE_BITS), pack(&signs, AXIS_BITS), focal, pack(&size, SIZE_BITS)]
}

/// The unit, cycle by cycle.
struct ProjectionModel {
    unit: CubeProjection,
    /// Until the rectangle shows.
    left_cycles: u32,
    rectangle: Option<Rectangle>,
}

impl ProjectionModel {
    fn take(&mut self, inputs: &[BigUint]) {
        let part =
            |word: &BigUint, index: usize, bits: u32| signed_number(&lane(word, index as u32, bits), bits);
        let axis =
            |axis: usize| std::array::from_fn(|index| part(&inputs[1], AXES * axis + index, AXIS_BITS));
        let view = View {
            eye: std::array::from_fn(|index| part(&inputs[0], index, EYE_BITS)),
            axes: std::array::from_fn(axis),
            focal: number(&inputs[2]) as i64,
            size: [0, 1].map(|side| number(&lane(&inputs[3], side, SIZE_BITS)) as usize),
        };
        let place = |axis| number(&lane(&inputs[5], axis as u32, self.unit.place_bits())) as usize;
        let lowest = std::array::from_fn(|axis| place(axis) << self.unit.cube_bits);
        let side = 1 << self.unit.cube_bits;
        self.left_cycles = if view.is_divided(lowest, side) { EDGES_CYCLES } else { WHOLE_CYCLES } - 1;
        self.rectangle = Some(view.candidates(lowest, side));
    }
}

impl Model for ProjectionModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let bit = |bit: bool| Some(BigUint::from(u8::from(bit)));
        let shown = self.rectangle.clone().filter(|_| self.left_cycles == 0);
        let free = self.rectangle.is_none() || (shown.is_some() && inputs[6].bit(0));
        let mut outputs = vec![bit(free), bit(shown.is_some())];
        outputs.extend(match shown {
            Some(Rectangle { rows, columns }) => {
                [columns.start, columns.end, rows.start, rows.end].map(|pixel| Some(pixel.into()))
            }
            None => [None, None, None, None],
        });
        self.left_cycles = self.left_cycles.saturating_sub(1);
        if free {
            self.rectangle = None;
            if inputs[4].bit(0) {
                self.take(inputs);
            }
        }
        outputs
    }
}

//! The intersection of a ray with a cube: which of the ray's samples stand in it.
//!
//! Meaning: [`Ray::within`]. On each axis, with `low` and `high` the cube's ends less the ray's origin, the
//! samples from `⌊N / |increment|⌋ + 1` on lie beyond an end: N is `low − 1` and `high − 1` on a ray that
//! goes up, `−high` and `−low` on one that goes down, which are the complements of the former, exchanged.
//!
//! Trick: a negative N gives 0, one of `1024 · |increment|` or more gives [`MOST_SAMPLES`], and what is
//! between takes a quotient of ten bits. An increment of 0 needs no case of its own: its quotient is always
//! too large.
//!
//! Timing: a pipeline with `bits_per_stage` quotient bits a stage that takes a ray and a cube every cycle
//! ([`Intersection::latency_cycles`]); time stands still in it while a result waits to be taken.

use std::collections::VecDeque;
use std::sync::Arc;

use bitmill_formats::radiance_field::{AXES, INCREMENT_BITS, MOST_SAMPLES, RAY_BITS, RAY_FRACTION_BITS, Ray};
use bitmill_hdl::unit::{Expected, Model, Random, Unit, Values, lane, number, pack, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::sweep::PIXEL_BITS;
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "ray_intersection",
    summary: "which samples of a ray stand in a cube of a radiance field",
    parameters: &[
        PIXEL_BITS,
        Parameter {
            name: "side_bits",
            default: "7",
            help: "log2 of the voxels a side of the field, 1 to 8",
            legal: Legal::Numbers(1, 8),
        },
        Parameter {
            name: "cube_bits",
            default: "2",
            help: "log2 of the voxels a side of a cube, up to side_bits",
            legal: Legal::Numbers(0, 8),
        },
        Parameter {
            name: "bits_per_stage",
            default: "2",
            help: "quotient bits a stage",
            legal: Legal::OneOf(&["1", "2", "5", "10"]),
        },
    ],
    examples: &["", "pixel_bits=3 side_bits=5 cube_bits=5 bits_per_stage=5"],
    build: |settings| Ok(Box::new(Intersection::from_settings(settings)?)),
};

/// Bits of a quotient.
const QUOTIENT_BITS: u32 = MOST_SAMPLES.ilog2();
/// Bits of a number of samples.
const COUNT_BITS: u32 = QUOTIENT_BITS + 1;
/// Bits of an N that is not negative: an origin and a coordinate within the field apart.
const DIVIDEND_BITS: u32 = RAY_BITS;

/// Parameters of the unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Intersection {
    pixel_bits: u32,
    side_bits: u32,
    cube_bits: u32,
    bits_per_stage: u32,
}

impl Intersection {
    /// A unit for 2^`pixel_bits` pixels and cubes of 2^`cube_bits` voxels a side in fields of 2^`side_bits`.
    ///
    /// # Errors
    /// Fewer than 2 or more than 16 pixel bits, fields of other than 1 to 8 bits, cubes larger than the
    /// field, or quotient bits a stage that do not divide 10.
    pub fn new(
        pixel_bits: u32,
        side_bits: u32,
        cube_bits: u32,
        bits_per_stage: u32,
    ) -> Result<Intersection, UnitError> {
        let legal = [("pixel_bits", pixel_bits, 2, 16), ("side_bits", side_bits, 1, 8)];
        for (name, bits, least, most) in legal {
            if !(least..=most).contains(&bits) {
                return Err(UnitError::illegal(name, bits, format!("{least} to {most} are legal")));
            }
        }
        if cube_bits > side_bits {
            let legal = format!("up to side_bits = {side_bits} are legal");
            return Err(UnitError::illegal("cube_bits", cube_bits, legal));
        }
        if bits_per_stage == 0 || !QUOTIENT_BITS.is_multiple_of(bits_per_stage) {
            return Err(UnitError::illegal("bits_per_stage", bits_per_stage, "1, 2, 5 and 10 are legal"));
        }
        Ok(Intersection { pixel_bits, side_bits, cube_bits, bits_per_stage })
    }

    fn from_settings(settings: &Settings) -> Result<Intersection, UnitError> {
        Intersection::new(
            settings.number("pixel_bits", 2..=16)?,
            settings.number("side_bits", 1..=8)?,
            settings.number("cube_bits", 0..=8)?,
            settings.number("bits_per_stage", 1..=10)?,
        )
    }

    /// Cycles from a ray to its samples: differences, quotients, the narrowest of all axes.
    pub fn latency_cycles(&self) -> u32 {
        2 + QUOTIENT_BITS / self.bits_per_stage
    }

    /// The lowest voxel of a cube, from its place among cubes.
    fn lowest(&self, places: &BigUint) -> [usize; AXES] {
        let bits = self.side_bits - self.cube_bits;
        std::array::from_fn(|axis| (number(&lane(places, axis as u32, bits)) as usize) << self.cube_bits)
    }

    /// N of both ends on an axis: those of the first sample within and of the first behind.
    fn dividends<'m>(&self, place: Signal<'m>, origin: Signal<'m>, down: Signal<'m>) -> [Signal<'m>; 2] {
        let shift = self.cube_bits + RAY_FRACTION_BITS;
        let bits = DIVIDEND_BITS + 1;
        // An end less the origin less one.
        let from_origin = origin.not().as_signed().extend(bits);
        let before = |place: Signal<'m>| {
            place.shl(shift).extend(bits).as_signed().add_wrapping(from_origin).as_unsigned()
        };
        let (low, high) = (before(place), before(place.extend(place.width() + 1).increment()));
        [down.mux(high.not(), low), down.mux(low.not(), high)]
    }
}

/// One quotient under way.
#[derive(Clone, Copy)]
struct Division<'m> {
    /// N is negative; N is too large.
    flags: [Signal<'m>; 2],
    rest: Signal<'m>,
    /// Bits of N to come and, below them, quotient bits so far.
    bits: Signal<'m>,
}

impl<'m> Division<'m> {
    /// Of N by `divisor`.
    fn new(dividend: Signal<'m>, divisor: Signal<'m>) -> Division<'m> {
        let rest = dividend.slice(QUOTIENT_BITS, DIVIDEND_BITS - QUOTIENT_BITS).resize(INCREMENT_BITS);
        let flags = [dividend.msb(), rest.ge(divisor)];
        Division { flags, rest, bits: dividend.truncate(QUOTIENT_BITS) }
    }

    /// A quotient bit further.
    fn step(self, m: &'m ModuleBuilder, divisor: Signal<'m>) -> Division<'m> {
        let widened = m.concat(&[self.rest, self.bits.msb()]);
        let difference = widened.sub(divisor);
        let fits = difference.msb().not();
        let left = difference.as_unsigned().truncate(INCREMENT_BITS);
        let bits = m.concat(&[self.bits.truncate(QUOTIENT_BITS - 1), fits]);
        Division { rest: fits.mux(left, widened.truncate(INCREMENT_BITS)), bits, ..self }
    }

    /// Samples that stand before N's end.
    fn samples(self, m: &'m ModuleBuilder) -> Signal<'m> {
        let [negative, too_large] = self.flags;
        let quotient = too_large.mux(m.lit(QUOTIENT_BITS, u64::from(MOST_SAMPLES) - 1), self.bits);
        quotient.extend(COUNT_BITS).increment().gate(negative.not())
    }

    /// The same in registers that change where `advance` is set; the last rest is not needed.
    fn registered(
        self,
        m: &'m ModuleBuilder,
        name: &str,
        advance: Signal<'m>,
        is_last: bool,
    ) -> Division<'m> {
        let keep = |what: &str, next| held(m, &format!("{name}_{what}_q"), advance, next);
        let [negative, too_large] = self.flags;
        let rest = if is_last {
            m.ignore(self.rest);
            self.rest
        } else {
            keep("rest", self.rest)
        };
        let flags = [keep("negative", negative), keep("too_large", too_large)];
        Division { flags, rest, bits: keep("bits", self.bits) }
    }
}

fn held<'m>(m: &'m ModuleBuilder, name: &str, enable: Signal<'m>, next: Signal<'m>) -> Signal<'m> {
    let register = m.register(name, next.shape()).without_reset();
    register.set_when(enable, next);
    register.q()
}

impl Unit for Intersection {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let &Intersection { pixel_bits, side_bits, cube_bits, bits_per_stage } = self;
        let m = ModuleBuilder::new(
            format!("bitmill_ray_intersection_p{pixel_bits}_s{side_bits}_c{cube_bits}_r{bits_per_stage}"),
            format!(
                "samples of rays that stand in cubes.\nA ray every cycle, latency {} cycles.",
                self.latency_cycles()
            ),
        );
        let place_bits = side_bits - cube_bits;
        m.group("Rays and cubes in");
        let valid = m.input("valid_i", unsigned(1));
        let pixel = m.input("pixel_i", unsigned(pixel_bits));
        let origin = m.input_with_comment("origin_i", unsigned(AXES as u32 * RAY_BITS), "axis 0 lowest");
        let increment = m.input("increment_i", unsigned(AXES as u32 * INCREMENT_BITS));
        let places = (place_bits > 0).then(|| {
            m.input_with_comment("cube_i", unsigned(AXES as u32 * place_bits), "its place among cubes")
        });
        m.group("Samples out");
        let ready = m.input("ready_i", unsigned(1));

        let shown = m.wire("shown", unsigned(1));
        let advance = shown.value().not().or(ready).named("advance");
        let flag = |name: &str, next| {
            let register = m.register(name, unsigned(1));
            register.set_when(advance, next);
            register.q()
        };
        m.comment("Ends of the cube as the ray sees them.");
        let (mut divisors, mut divisions) = (vec![], vec![]);
        for axis in 0..AXES as u32 {
            let increment = increment.slice(axis * INCREMENT_BITS, INCREMENT_BITS);
            let origin = origin.slice(axis * RAY_BITS, RAY_BITS);
            let place = places.map_or(m.bit(false), |places| places.slice(axis * place_bits, place_bits));
            let negated = increment.not().increment();
            divisors.push(held(
                &m,
                &format!("divisor_{axis}_0_q"),
                advance,
                increment.msb().mux(negated, increment),
            ));
            for (end, dividend) in
                ["from", "to"].into_iter().zip(self.dividends(place, origin, increment.msb()))
            {
                divisions
                    .push((format!("{end}_{axis}"), held(&m, &format!("{end}_{axis}_q"), advance, dividend)));
            }
        }
        let mut valid = flag("valid_0_q", valid);
        let mut pixel = held(&m, "pixel_0_q", advance, pixel);
        let mut divisions: Vec<(String, Division)> = divisions
            .into_iter()
            .enumerate()
            .map(|(index, (name, dividend))| (name, Division::new(dividend, divisors[index / 2])))
            .collect();

        let stages = QUOTIENT_BITS / bits_per_stage;
        for stage in 1..=stages {
            m.comment(&format!("Quotient bits, stage {stage}."));
            for (index, (name, division)) in divisions.iter_mut().enumerate() {
                for _ in 0..bits_per_stage {
                    *division = division.step(&m, divisors[index / 2]);
                }
                *division = division.registered(&m, &format!("{name}_{stage}"), advance, stage == stages);
            }
            if stage < stages {
                for (axis, divisor) in divisors.iter_mut().enumerate() {
                    *divisor = held(&m, &format!("divisor_{axis}_{stage}_q"), advance, *divisor);
                }
            }
            valid = flag(&format!("valid_{stage}_q"), valid);
            pixel = held(&m, &format!("pixel_{stage}_q"), advance, pixel);
        }

        m.comment("The last of the first samples, and the first of the last.");
        let ends: Vec<Signal> = divisions.iter().map(|(_, division)| division.samples(&m)).collect();
        let first = ends.iter().step_by(2).copied().reduce(|a, b| a.gt(b).mux(a, b));
        let end = ends.iter().skip(1).step_by(2).copied().reduce(|a, b| a.lt(b).mux(a, b));
        let (Some(first), Some(end)) = (first, end) else { unreachable!("three axes") };
        let any = end.gt(first).named("any");
        let keep = |name: &str, next| held(&m, name, advance, next);
        let count = keep("count_q", end.sub_wrapping(first).gate(any));
        shown.drive(flag("shown_q", valid));
        m.output("ready_o", advance);
        m.output("valid_o", shown.value());
        m.output("pixel_o", keep("pixel_q", pixel));
        m.output("first_o", keep("first_q", first.truncate(QUOTIENT_BITS).gate(any)));
        m.output_with_comment("count_o", count, "0 for none");
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(IntersectionModel::new(*self))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let place_bits = self.side_bits - self.cube_bits;
        (0..cycles)
            .map(|_| {
                let places = random.bits(AXES as u32 * place_bits);
                let ray = aimed(self, random, &places);
                let bit = |bit: bool| BigUint::from(u8::from(bit));
                let mut inputs = vec![bit(!random.one_in(4)), random.bits(self.pixel_bits)];
                inputs.push(pack(&ray.origin.map(|part| to_bits(part.into(), RAY_BITS)), RAY_BITS));
                let increments = ray.increment.map(|part| to_bits(part.into(), INCREMENT_BITS));
                inputs.push(pack(&increments, INCREMENT_BITS));
                inputs.extend((place_bits > 0).then_some(places));
                inputs.push(bit(!random.one_in(3)));
                inputs
            })
            .collect()
    }
}

/// A ray whose way through a cube is told by one or two axes, most often by a sample that stands just within
/// or just before it; now and then one of corner cases.
fn aimed(unit: &Intersection, random: &mut Random, places: &BigUint) -> Ray {
    if random.one_in(6) {
        let mut axes = |bits: u32| [(); AXES].map(|()| signed_number(&random.corner_bits(bits), bits));
        return Ray { origin: axes(RAY_BITS), increment: axes(INCREMENT_BITS) };
    }
    let side = 1_i64 << (unit.cube_bits + RAY_FRACTION_BITS);
    let samples = random.below(u64::from(MOST_SAMPLES)) as i64;
    let lowest = unit.lowest(places).map(|voxel| (voxel as i64) << RAY_FRACTION_BITS);
    let tells = random.below(AXES as u64) as usize;
    let mut ray = Ray { origin: [0; AXES], increment: [0; AXES] };
    for (axis, lowest) in lowest.into_iter().enumerate() {
        let within = lowest + random.below(side as u64) as i64;
        if axis != tells && !random.one_in(3) {
            ray.origin[axis] = within;
            continue;
        }
        let bits = 12 + random.below(11) as u32;
        let increment = signed_number(&random.bits(bits), bits);
        let edge = lowest + if random.one_in(2) { side } else { 0 };
        let target = if random.one_in(4) { within } else { edge + random.below(3) as i64 - 1 };
        ray.increment[axis] = increment;
        ray.origin[axis] = target - samples * increment;
    }
    ray
}

/// What a ray and a cube come to: pixel, first sample, samples.
type Samples = (u64, u64, u64);

/// The unit, cycle by cycle.
pub(super) struct IntersectionModel {
    unit: Intersection,
    /// What shows last in front.
    under_way: VecDeque<Option<Samples>>,
}

impl IntersectionModel {
    pub fn new(unit: Intersection) -> IntersectionModel {
        IntersectionModel { unit, under_way: vec![None; unit.latency_cycles() as usize].into() }
    }

    fn samples(&self, inputs: &[BigUint]) -> Samples {
        let axes = |word: &BigUint, bits: u32| {
            std::array::from_fn(|axis| signed_number(&lane(word, axis as u32, bits), bits))
        };
        let ray = Ray { origin: axes(&inputs[2], RAY_BITS), increment: axes(&inputs[3], INCREMENT_BITS) };
        let lowest = match inputs.len() {
            6 => self.unit.lowest(&inputs[4]),
            _ => [0; AXES],
        };
        let range = ray.within(lowest, lowest.map(|voxel| voxel + (1 << self.unit.cube_bits)));
        let first = if range.is_empty() { 0 } else { range.start };
        (number(&inputs[1]), first.into(), range.len() as u64)
    }
}

impl Model for IntersectionModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let bit = |bit: bool| Some(BigUint::from(u8::from(bit)));
        let shown = self.under_way.front().copied().flatten();
        let advance = shown.is_none() || inputs.last().is_some_and(|ready| ready.bit(0));
        let mut outputs = vec![bit(advance), bit(shown.is_some())];
        outputs.extend(match shown {
            Some((pixel, first, count)) => [pixel, first, count].map(|value| Some(value.into())),
            None => [None, None, None],
        });
        if advance {
            self.under_way.pop_front();
            self.under_way.push_back(inputs[0].bit(0).then(|| self.samples(inputs)));
        }
        outputs
    }
}

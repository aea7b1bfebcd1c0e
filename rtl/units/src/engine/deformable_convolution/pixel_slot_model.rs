//! Predicts the slot of a pixel: its offsets, its steps one after the other, and what they read.

use bitmill_formats::deformable::{Point, TAPS};
use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{lane, number, pack, signed_number, to_bits};

use super::shape::{ACTIVATION_BITS, COUNT_BITS, OFFSET_BITS, Shape};

/// The pixel whose steps are under way.
struct Pixel {
    points: [Point; TAPS],
    masks: Vec<i64>,
}

/// A step as it leaves the slot.
pub(super) struct Step {
    pub points: Vec<Point>,
    /// Masks of its taps, if there is modulation.
    masks: Option<Vec<i64>>,
    pub word: u32,
    pub row_ends: bool,
    pub image_ends: bool,
}

/// The state of a slot.
pub(super) struct SlotModel {
    shape: Shape,
    pixel: Option<Pixel>,
    /// Row and column of the pixel.
    at: [u32; 2],
    word: u32,
    group: u32,
    draining: bool,
    saturated: u64,
}

impl SlotModel {
    pub fn new(shape: Shape) -> SlotModel {
        SlotModel { shape, pixel: None, at: [0, 0], word: 0, group: 0, draining: false, saturated: 0 }
    }

    pub fn is_idle(&self) -> bool {
        self.pixel.is_none()
    }

    /// The row whose taps look.
    pub fn row(&self) -> u32 {
        self.at[0]
    }

    /// Whether there is a step of this image.
    pub fn has_step(&self) -> bool {
        self.pixel.is_some() && !self.draining
    }

    /// Whether offsets are taken in a cycle in which a step leaves or not.
    pub fn ready(&self, loads: bool, last_word: u32) -> bool {
        self.pixel.is_none() || loads && self.is_last(last_word)
    }

    /// Steps of the next image may leave.
    pub fn drain(&mut self) {
        self.draining = false;
    }

    pub fn saturated(&self) -> BigUint {
        to_bits(self.saturated.into(), COUNT_BITS)
    }

    /// Whether the pixel's next step is its last.
    fn is_last(&self, last_word: u32) -> bool {
        self.group + 1 == self.shape.groups() && self.word == last_word
    }

    /// Takes the offsets of the next pixel.
    pub fn take(&mut self, offsets: &BigUint, masks: Option<&BigUint>) {
        let sampling = self.shape.sampling;
        let given: Vec<i64> = (0..sampling.offsets.values() as u32)
            .map(|index| signed_number(&lane(offsets, index, OFFSET_BITS), OFFSET_BITS))
            .collect();
        let held: Vec<i64> = given.iter().map(|offset| sampling.saturate(*offset)).collect();
        self.saturated += given.iter().zip(&held).filter(|(given, held)| given != held).count() as u64;
        let at = self.at.map(i64::from);
        let masks = self.shape.mask_width().zip(masks).map_or_else(Vec::new, |(width, masks)| {
            (0..TAPS as u32).map(|tap| number(&lane(masks, tap, width)) as i64).collect()
        });
        self.pixel = Some(Pixel { points: std::array::from_fn(|tap| sampling.point(at, tap, &held)), masks });
    }

    /// The next step leaves; `last` are the last row, column and word.
    pub fn load(&mut self, [last_row, last_column, last_word]: [u32; 3]) -> Step {
        let pixel = self.pixel.as_ref().expect("only a pixel has steps");
        let at_once = self.shape.taps_at_once as usize;
        let taps = self.group as usize * at_once..(self.group as usize + 1) * at_once;
        let pixel_ends = self.is_last(last_word);
        let row_ends = pixel_ends && self.at[1] == last_column;
        let image_ends = row_ends && self.at[0] == last_row;
        let step = Step {
            points: pixel.points[taps.clone()].to_vec(),
            masks: pixel.masks.get(taps).map(<[i64]>::to_vec),
            word: self.word,
            row_ends,
            image_ends,
        };
        self.group = (self.group + 1) % self.shape.groups();
        if self.group == 0 {
            self.word = if self.word == last_word { 0 } else { self.word + 1 };
        }
        if pixel_ends {
            self.pixel = None;
            self.at = match self.at {
                [row, column] if column < last_column => [row, column + 1],
                [row, _] if row < last_row => [row + 1, 0],
                _ => [0, 0],
            };
            self.draining = image_ends;
        }
        step
    }
}

/// A row and column inside an image of `size`.
fn inside(place: [i64; 2], size: [u32; 2]) -> Option<[u32; 2]> {
    let index = |axis: usize| u32::try_from(place[axis]).ok().filter(|index| *index < size[axis]);
    Some([index(0)?, index(1)?])
}

impl Shape {
    /// The pixels around `points`, the taps of a step, that are read from an image of `size`.
    pub(super) fn pixels_read(&self, points: &[Point], size: [u32; 2]) -> Vec<[u32; 2]> {
        let corners = points.iter().flat_map(|point| {
            let corners = [[0, 0], [0, 1], [1, 0], [1, 1]].into_iter();
            corners
                .filter(|corner| self.sampling.weight(point, *corner) != 0)
                .map(|corner| inside([0, 1].map(|axis| point.whole[axis] + corner[axis] as i64), size))
        });
        corners.flatten().collect()
    }

    /// The samples of a step from an image of `size`, whose words `word` tells.
    pub(super) fn samples<'w>(
        &self,
        step: &Step,
        size: [u32; 2],
        zero_point: i64,
        word: impl Fn([u32; 2]) -> &'w BigUint,
    ) -> BigUint {
        let mut samples = Vec::new();
        for (tap, point) in step.points.iter().enumerate() {
            for index in 0..self.lanes {
                let look = |row: i64, column: i64| {
                    inside([row, column], size).map_or(zero_point, |pixel| {
                        signed_number(&lane(word(pixel), index, ACTIVATION_BITS), ACTIVATION_BITS)
                    })
                };
                let mask = step.masks.as_ref().map(|masks| masks[tap]);
                let sample = self.sampling.sample(point, mask, zero_point, look);
                samples.push(to_bits(sample.into(), ACTIVATION_BITS));
            }
        }
        pack(&samples, ACTIVATION_BITS)
    }
}

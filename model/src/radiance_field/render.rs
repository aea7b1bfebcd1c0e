//! The image as the hardware computes it, and the work that it took.
//!
//! [`Order::Points`] walks the occupied cubes from front to back and, for each, the pixels that may see it;
//! [`Order::Rays`] walks pixel by pixel and looks every sample's voxel up. Both come upon the same samples of a ray in the
//! same order, so that their images are equal. [`Order::Uniform`] does without occupancy and without stopping early: it
//! evaluates every sample of the field and only then leaves out those in empty voxels, for the same image once more.

use std::cell::Cell;
use std::ops::Range;

use bitmill_formats::radiance_field::projection::{EYE_FRACTION_BITS, View};
use bitmill_formats::radiance_field::{AXES, Pixel, Point};

use super::cubes::{Cubes, view};
use super::field::{Field, QuantizedScene, direction_channels};
use super::network::BLACK;
use super::{Camera, Rays, RgbImage, Scene};
use crate::ModelError;
use crate::network::TensorId;

/// In which order samples are come upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Occupied cubes from front to back, then the pixels that may see each.
    Points,
    /// Pixel by pixel, occupied voxels alone.
    Rays,
    /// Pixel by pixel, all voxels.
    Uniform,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Work {
    /// Rows of cubes looked through for occupied ones.
    pub rows: u64,
    /// Occupied cubes.
    pub cubes: u64,
    /// Pixels whose ray was intersected with a cube, or with the field.
    pub candidates: u64,
    /// Samples whose voxel was looked up.
    pub samples: u64,
    /// Samples whose density was evaluated.
    pub densities: u64,
    /// Samples that weigh: their appearance goes to the network.
    pub weighing: u64,
}

/// What is done, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// An occupied cube is projected.
    Cube {
        /// Whether its rectangle takes divisions: it is not all of the image, nor nothing of it.
        is_divided: bool,
    },
    /// The density of a sample is evaluated; those of a candidate come before it.
    Density {
        /// The sample's pixel.
        pixel: usize,
        /// Where it stands.
        point: Point,
    },
    /// The sample before weighs, and its appearance is evaluated.
    Appearance {
        /// The sample's pixel.
        pixel: usize,
        /// Where it stands.
        point: Point,
    },
    /// A ray is intersected with a cube, or with the field, and its samples there are taken.
    Candidate {
        /// Samples whose voxel was looked up.
        samples: u32,
        /// Those whose density was evaluated.
        densities: u32,
        /// Those that weigh.
        weighing: u32,
    },
    /// The candidate before filled a batch for the network; or there is no further one, and the batch goes as it is.
    Batch,
}

/// An image and what it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendering {
    /// The image.
    pub image: RgbImage,
    /// All work.
    pub work: Work,
}

/// A sample that weighs.
pub(super) struct Sample {
    /// Its pixel.
    pub pixel: usize,
    /// Its weight.
    pub weight: u32,
    /// Where it stands.
    pub point: Point,
}

/// A walk through a field along the rays of an image.
pub(super) struct Walk<'w> {
    field: &'w Field,
    rays: &'w Rays,
    /// Pixels under way.
    pub pixels: Vec<Pixel>,
    /// The work so far.
    pub work: Work,
}

impl<'w> Walk<'w> {
    /// A walk that is yet to begin.
    pub fn new(field: &'w Field, rays: &'w Rays) -> Self {
        Self { field, rays, pixels: vec![Pixel::CLEAR; rays.rays.len()], work: Work::default() }
    }

    /// Goes through the field, and hands every sample that weighs to `sink`.
    pub fn go(
        &mut self,
        order: Order,
        cubes: &Cubes,
        view: &View,
        mut sink: impl FnMut(&mut [Pixel], Sample) -> Result<(), ModelError>,
        observe: &mut dyn FnMut(Step),
    ) -> Result<(), ModelError> {
        if order != Order::Points {
            let side = self.field.grid.side();
            for pixel in 0..self.pixels.len() {
                self.interval(pixel, [[0; AXES], [side; AXES]], order, &mut sink, observe)?;
            }
            return Ok(());
        }
        self.work.rows = cubes.rows() as u64;
        let eye_voxel = view.eye.map(|part| part >> EYE_FRACTION_BITS);
        for cube in cubes.front_to_back(eye_voxel) {
            self.work.cubes += 1;
            let voxels = cubes.voxels(cube);
            observe(Step::Cube { is_divided: view.is_divided(voxels[0], cubes.side()) });
            let rectangle = view.candidates(voxels[0], cubes.side());
            for row in rectangle.rows {
                for column in rectangle.columns.clone() {
                    self.interval(row * view.size[0] + column, voxels, order, &mut sink, observe)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the samples of a pixel that stand in a box.
    fn interval(
        &mut self,
        pixel: usize,
        [lowest, highest]: [[usize; AXES]; 2],
        order: Order,
        sink: &mut impl FnMut(&mut [Pixel], Sample) -> Result<(), ModelError>,
        observe: &mut dyn FnMut(Step),
    ) -> Result<(), ModelError> {
        let Field { grid, alphas, thresholds, .. } = self.field;
        let ray = &self.rays.rays[pixel];
        let (mut samples, mut densities, mut weighing) = (0, 0, 0);
        let numbers: Range<u32> = ray.within(lowest, highest);
        for number in numbers {
            if order != Order::Uniform && self.pixels[pixel].is_finished(thresholds) {
                break;
            }
            samples += 1;
            let point = grid.point(ray.position(number)).expect("samples of a box in the field lie in it");
            let is_occupied = self.field.is_occupied(point.voxel);
            if !is_occupied && order != Order::Uniform {
                continue;
            }
            densities += 1;
            observe(Step::Density { pixel, point });
            let density = self.field.products(&self.field.density, &point).sum();
            if !is_occupied {
                continue;
            }
            if let Some(weight) = self.pixels[pixel].absorb(alphas.alpha(density), thresholds) {
                weighing += 1;
                observe(Step::Appearance { pixel, point });
                sink(&mut self.pixels, Sample { pixel, weight, point })?;
            }
        }
        self.work.candidates += 1;
        self.work.samples += u64::from(samples);
        self.work.densities += u64::from(densities);
        self.work.weighing += u64::from(weighing);
        observe(Step::Candidate { samples, densities, weighing });
        Ok(())
    }
}

/// The image of `scene`, whose integers are `quantized`, from `camera`; `observe` is told what is done.
///
/// # Errors
/// A camera that cannot be.
pub fn render(
    scene: &Scene,
    quantized: &QuantizedScene,
    camera: &Camera,
    order: Order,
    observe: &mut dyn FnMut(Step),
) -> Result<Rendering, ModelError> {
    let rays = camera.rays(scene)?;
    let field = &quantized.field;
    let mut walk = Walk::new(field, &rays);
    let mut queue = Queue::new(quantized);
    let full = Cell::new(0);
    let (cubes, view) = (Cubes::of(field), view(camera, scene));
    let sink = |pixels: &mut [Pixel], sample: Sample| {
        let products = field.products(&field.appearance, &sample.point);
        let direction = direction_channels(scene, rays.directions[sample.pixel]);
        queue.push(&sample, &field.channels(products, &direction));
        if queue.is_full() {
            queue.flush(pixels)?;
            full.set(full.get() + 1);
        }
        Ok(())
    };
    walk.go(order, &cubes, &view, sink, &mut |step| {
        observe(step);
        (0..full.take()).for_each(|_| observe(Step::Batch));
    })?;
    if !queue.waiting.is_empty() {
        queue.flush(&mut walk.pixels)?;
        observe(Step::Batch);
    }
    let pixels = walk.pixels.iter().map(|pixel| pixel.finish(field.background)).collect();
    Ok(Rendering { image: RgbImage { size: camera.size, pixels }, work: walk.work })
}

/// Samples on their way to the network.
struct Queue<'q> {
    quantized: &'q QuantizedScene,
    /// Pixels and weights.
    waiting: Vec<(usize, u32)>,
    /// Channels, a sample after the other.
    inputs: Vec<i32>,
    /// Samples of a batch, and channels of a sample.
    shape: [usize; 2],
}

impl<'q> Queue<'q> {
    fn new(quantized: &'q QuantizedScene) -> Self {
        let shape = quantized.network.graph().shape(TensorId::INPUT);
        Self { quantized, waiting: Vec::new(), inputs: Vec::new(), shape: [shape.width, shape.channels] }
    }

    fn push(&mut self, sample: &Sample, channels: &[i8]) {
        self.waiting.push((sample.pixel, sample.weight));
        self.inputs.extend(channels.iter().map(|channel| i32::from(*channel)));
    }

    fn is_full(&self) -> bool {
        self.waiting.len() == self.shape[0]
    }

    /// Adds the colours of what waits to its pixels.
    fn flush(&mut self, pixels: &mut [Pixel]) -> Result<(), ModelError> {
        self.inputs.resize(self.shape[0] * self.shape[1], 0);
        let tensors = self.quantized.network.run(&self.inputs)?;
        let colours = tensors.last().expect("the input at least").chunks(3);
        for ((pixel, weight), colour) in self.waiting.drain(..).zip(colours) {
            pixels[pixel].add(weight, std::array::from_fn(|channel| (colour[channel] - BLACK) as u8));
        }
        self.inputs.clear();
        Ok(())
    }
}

//! A scene's integers: factors rounded to a format, the table of alphas, thresholds, and the quantized network.

use bitmill_formats::radiance_field::{
    AXES, AlphaTable, Factors, Grid, Interpolation, Pixel, Point, TABLE_BITS, Thresholds, activation,
};
use bitmill_formats::{Family, Format};

use super::cubes::{Cubes, view};
use super::network::ColourNetwork;
use super::render::{Order, Sample, Walk};
use super::{Camera, RealFactors, Scene};
use crate::ModelError;
use crate::ptq::PtqConfig;
use crate::quantized::{QuantizedNetwork, WeightFormat};

/// How a scene is brought to integers.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldConfig {
    /// Format of the factors: any scalar one whose values are multiples of one power of two, of no more than some 24 bits.
    pub factors: WeightFormat,
    /// Bits of a point behind the point.
    pub fraction_bits: u32,
    /// Bits of what is interpolated behind the point.
    pub guard_bits: u32,
    /// What is too little to count.
    pub thresholds: Thresholds,
    /// Voxels along a cube's side are 2 to this.
    pub cube_side_bits: u32,
    /// Samples that the network makes colours of at once.
    pub batch: usize,
    /// How the network is quantized. Its activations must be int8.
    pub network: PtqConfig,
}

impl FieldConfig {
    /// The settings that serve best for factors in `factors` and a network quantized as `network` says.
    pub fn new(factors: WeightFormat, network: PtqConfig) -> Self {
        let thresholds = Thresholds { least_weight: 1 << 8, opaque: 1 << 9 };
        Self { factors, fraction_bits: 8, guard_bits: 4, thresholds, cube_side_bits: 2, batch: 256, network }
    }
}

/// A scene in the integers that the hardware works with.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its voxels.
    pub grid: Grid,
    /// Whether there is anything in a voxel; the last axis innermost.
    pub occupancy: Vec<bool>,
    /// Bits of a factor as it is stored.
    pub code_bits: u32,
    /// How factors are interpolated.
    pub interpolation: Interpolation,
    /// Factors of the density.
    pub density: Factors,
    /// Factors of the appearance.
    pub appearance: Factors,
    /// Alphas by density.
    pub alphas: AlphaTable,
    /// What is too little to count.
    pub thresholds: Thresholds,
    /// Right shift from a product of the appearance to a channel of the network.
    pub activation_shift: u32,
    /// Voxels along a cube's side are 2 to this.
    pub cube_side_bits: u32,
    /// What is seen where nothing is.
    pub background: [u8; 3],
}

/// A field with the network that makes its colours.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedScene {
    /// The field.
    pub field: Field,
    /// Samples to colours: its input is a row of as many positions as samples are made colours of at once.
    pub network: QuantizedNetwork,
}

/// Views that the network is calibrated on: azimuth and elevation in degrees, all around.
const CALIBRATION_VIEWS: [[f64; 2]; 6] =
    [[0.0, 30.0], [60.0, 10.0], [120.0, 50.0], [180.0, 30.0], [240.0, 10.0], [300.0, 50.0]];
/// Pixels a side of these views.
const CALIBRATION_PIXELS: usize = 40;
/// A direction's part of 1 as an 8-bit channel; products fit these channels too.
const DIRECTION_ONE: f64 = 127.0;
/// Most bits of what is interpolated, so that sums of products fit 64 bits.
const MOST_RESULT_BITS: u32 = 28;
/// An optical depth whose alpha is full.
const DEEPEST: f64 = 9.0;

impl QuantizedScene {
    /// The integers of `scene`.
    ///
    /// # Errors
    /// A setting that is not legal, or a network that cannot be quantized so.
    pub fn new(scene: &Scene, config: &FieldConfig) -> Result<Self, ModelError> {
        let (mut field, appearance_unit) = Field::new(scene, config)?;
        let observed = observed(&field, scene)?;
        let products = observed.iter().flat_map(|sample| &sample.products);
        let largest = products.map(|product| product.unsigned_abs()).max().unwrap_or(0);
        field.activation_shift = (largest as f64 / DIRECTION_ONE).log2().ceil().max(0.0) as u32;
        let channels = |sample: &Observed| field.channels(sample.products.iter().copied(), &sample.direction);
        let samples: Vec<Vec<i8>> = observed.iter().map(channels).collect();
        let unit = appearance_unit * 2f64.powi(field.activation_shift as i32);
        let network = ColourNetwork { scene, unit, direction_unit: 1.0 / DIRECTION_ONE, batch: config.batch };
        let network = network.quantized(&samples, &config.network)?;
        Ok(Self { field, network })
    }
}

/// A sample that weighs, before its products are rounded to channels.
struct Observed {
    products: Vec<i64>,
    direction: Vec<i8>,
}

/// Samples that weigh, from all around.
fn observed(field: &Field, scene: &Scene) -> Result<Vec<Observed>, ModelError> {
    let centre = scene.cube.lowest.map(|lowest| lowest + scene.cube.length / 2.0);
    let mut observed = Vec::new();
    for [azimuth, elevation] in CALIBRATION_VIEWS {
        let place = [azimuth, elevation, 1.6 * scene.cube.length];
        let camera = Camera::orbit(centre, place, 40.0, [CALIBRATION_PIXELS; 2]);
        let rays = camera.rays(scene)?;
        let mut walk = Walk::new(field, &rays);
        let (cubes, view) = (Cubes::of(field), view(&camera, scene));
        let sink = |_: &mut [Pixel], sample: Sample| {
            observed.push(Observed {
                products: field.products(&field.appearance, &sample.point).collect(),
                direction: direction_channels(scene, rays.directions[sample.pixel]),
            });
            Ok(())
        };
        walk.go(Order::Rays, &cubes, &view, sink, &mut |_| {})?;
    }
    Ok(observed)
}

impl Field {
    /// The integers of `scene`, still without a shift of activations, and the real value of a product of its appearance.
    fn new(scene: &Scene, config: &FieldConfig) -> Result<(Self, f64), ModelError> {
        let grid = Grid::new(scene.side.ilog2(), config.fraction_bits).map_err(ModelError::Input)?;
        if config.guard_bits > config.fraction_bits {
            let [guard, fraction] = [config.guard_bits, config.fraction_bits];
            return Err(ModelError::Input(format!(
                "guard bits are 0 to {fraction}, the fraction's, found {guard}"
            )));
        }
        let format = &config.factors;
        let value_bits = value_bits(format);
        let most_bits = MOST_RESULT_BITS - config.guard_bits;
        let code_bits = match format.format() {
            Format::Scalar(scalar) if value_bits <= most_bits => scalar.bits(),
            other => {
                return Err(ModelError::Input(format!(
                    "factors need a scalar format whose values are multiples of one power of two, of at most {most_bits} bits, found {other}"
                )));
            }
        };
        let (density, density_unit) = rounded(&scene.density, format);
        let (appearance, appearance_unit) = rounded(&scene.appearance, format);
        let guards = 4f64.powi(-(config.guard_bits as i32));
        let density_unit = density_unit * guards;
        let most = (scene.shift + DEEPEST / scene.step).max(1.0);
        let shift = ((most / density_unit).log2() - f64::from(TABLE_BITS)).ceil().max(0.0) as u32;
        let field = Self {
            grid,
            occupancy: scene.occupancy.clone(),
            code_bits,
            interpolation: Interpolation {
                value_bits,
                fraction_bits: config.fraction_bits,
                guard_bits: config.guard_bits,
            },
            density,
            appearance,
            alphas: AlphaTable::new(shift, |density| -(-scene.depth(density * density_unit)).exp_m1()),
            thresholds: config.thresholds,
            activation_shift: 0,
            cube_side_bits: config.cube_side_bits,
            background: scene.background.map(|part| (part * 255.0).round() as u8),
        };
        Ok((field, appearance_unit * guards))
    }

    /// Products of factors at a point.
    pub fn products(&self, factors: &Factors, point: &Point) -> impl Iterator<Item = i64> {
        factors.products(&self.grid, &self.interpolation, point)
    }

    /// What the network sees of a sample: its products, then the direction.
    pub fn channels(&self, products: impl Iterator<Item = i64>, direction: &[i8]) -> Vec<i8> {
        products
            .map(|product| activation(product, self.activation_shift))
            .chain(direction.iter().copied())
            .collect()
    }

    /// Whether there is anything in a voxel.
    pub fn is_occupied(&self, voxel: [usize; AXES]) -> bool {
        let side = self.grid.side();
        self.occupancy[(voxel[0] * side + voxel[1]) * side + voxel[2]]
    }
}

/// A direction as the network sees it, behind the channels of a sample's products.
pub fn direction_channels(scene: &Scene, direction: [f64; AXES]) -> Vec<i8> {
    scene.encode(direction).into_iter().map(|part| (part * DIRECTION_ONE).round() as i8).collect()
}

/// Factors in a format as multiples of its last place, and the real value of a product's last place.
fn rounded(real: &RealFactors, format: &WeightFormat) -> (Factors, f64) {
    let reach = ends(format).into_iter().fold(f64::INFINITY, |reach, end| reach.min(end.abs()));
    let round = |values: &[f32]| -> (Vec<i32>, f64) {
        let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let scale = if largest > 0.0 { f64::from(largest) / reach } else { 1.0 };
        let of_value = |value: &f32| {
            let nearest = format.real(format.nearest(f64::from(*value) / scale));
            (nearest / last_place(format)) as i32
        };
        (values.iter().map(of_value).collect(), scale * last_place(format))
    };
    let ((planes, plane_unit), (lines, line_unit)) = (round(&real.planes), round(&real.lines));
    (Factors { components: real.components, planes, lines }, plane_unit * line_unit)
}

/// What all values of a format are multiples of, as [`WeightFormat::real`] counts.
fn last_place(format: &WeightFormat) -> f64 {
    2f64.powi(if format.is_ordered() { format.format().lsb_exponent() } else { 0 })
}

/// Smallest and largest value of a format.
fn ends(format: &WeightFormat) -> [f64; 2] {
    let (least, most) = format.range();
    [least, most].map(|end| format.real(end))
}

/// Bits of a factor's integer in two's complement.
fn value_bits(format: &WeightFormat) -> u32 {
    let magnitude_bits = |end: f64| {
        let integer = end / last_place(format);
        // -128 takes no more bits than 127.
        let above = if integer < 0.0 { -integer } else { integer + 1.0 };
        above.log2().ceil() as u32
    };
    ends(format).map(magnitude_bits).into_iter().max().unwrap_or(0) + 1
}

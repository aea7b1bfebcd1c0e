//! A scene in real numbers, and its file: a `.npz` archive of named arrays, which a few lines of Python write.
//!
//! | array | elements | shape |
//! |---|---|---|
//! | `version` | i32 | 1: this is version 1 |
//! | `cube` | f32 | 4: lowest corner, length of a side, in the scene's units |
//! | `sampling` | f32 | 2: step in voxels, from 1/4 to 1; what is subtracted from a density before the softplus |
//! | `background` | f32 | 3, from 0 to 1 |
//! | `occupancy` | u8 | N³ / 8: a bit a voxel, lowest first, the last axis innermost |
//! | `density_planes`, `appearance_planes` | f32 | 3 modes, N, N, components |
//! | `density_lines`, `appearance_lines` | f32 | 3 modes, N, components |
//! | `basis` | f32 | features, 3 · components of the appearance |
//! | `direction_frequencies` | i32 | 1: sines and cosines of the view direction that the network sees |
//! | `mlp_layers` | i32 | 1 |
//! | `mlp_0_weight`, `mlp_0_bias`, `mlp_1_weight`, … | f32 | outputs × inputs; outputs |
//!
//! The first layer's inputs are the features, then the direction as [`Scene::encode`] gives it; the last one's outputs
//! are red, green and blue before the sigmoid. Between layers there is a ReLU.

use bitmill_formats::radiance_field::{AXES, Grid};

use crate::ModelError;
use crate::npy::{self, NpyArray, NpyElement};
use crate::npz::{self, Archive};

/// The version that is written, and the only one that is read.
const VERSION: i32 = 1;
/// Most components of a mode.
const MOST_COMPONENTS: usize = 64;
/// Most layers, features, hidden channels and direction frequencies.
const MOST_LAYERS: i32 = 8;
const MOST_CHANNELS: usize = 256;
const MOST_FREQUENCIES: i32 = 8;
/// Steps that are legal, in voxels.
const LEGAL_STEPS: std::ops::RangeInclusive<f64> = 0.25..=1.0;

/// Where a field stands in the scene's coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cube {
    /// Its lowest corner.
    pub lowest: [f64; AXES],
    /// Length of a side.
    pub length: f64,
}

/// Plane and line factors in real numbers, in the order of [`bitmill_formats::radiance_field::Factors`].
#[derive(Debug, Clone, PartialEq)]
pub struct RealFactors {
    /// Components of each mode.
    pub components: usize,
    /// By mode, row, column, component.
    pub planes: Vec<f32>,
    /// By mode, place, component.
    pub lines: Vec<f32>,
}

/// A layer that sums all its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// By output, then input.
    pub weights: Vec<f32>,
    /// One an output.
    pub bias: Vec<f32>,
}

/// A radiance field with the network that makes its colours.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Voxels a side.
    pub side: usize,
    /// Whether there is anything in a voxel; the last axis innermost.
    pub occupancy: Vec<bool>,
    /// Where the field stands.
    pub cube: Cube,
    /// Between samples, in voxels.
    pub step: f64,
    /// What is subtracted from a density before the softplus.
    pub shift: f64,
    /// What is seen where nothing is, from 0 to 1.
    pub background: [f64; 3],
    /// Factors of the density.
    pub density: RealFactors,
    /// Factors of the appearance.
    pub appearance: RealFactors,
    /// Features by row, products of the appearance by column.
    pub basis: Vec<f32>,
    /// Sines and cosines of the view direction.
    pub direction_frequencies: usize,
    /// The network behind the basis.
    pub layers: Vec<Dense>,
}

impl Scene {
    /// Reads the bytes of a scene's file.
    ///
    /// # Errors
    /// Bytes that are no `.npz`, an array that is missing or of another type or shape, a number that is not finite or not
    /// legal: the array, what was found and what would be legal.
    pub fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        let arrays = Arrays(Archive::new(bytes)?);
        let version = arrays.one("version")?;
        if version != VERSION {
            return Err(error(format!("version {version} is not known; {VERSION} is read")));
        }
        let side = arrays.side()?;
        let [x, y, z, length] = arrays.few("cube")?;
        if length <= 0.0 {
            return Err(error(format!("array `cube`: the length must be above 0, found {length}")));
        }
        let [step, shift] = arrays.few("sampling")?;
        if !LEGAL_STEPS.contains(&step) {
            return Err(error(format!("array `sampling`: a step is 0.25 to 1 voxel, found {step}")));
        }
        let background = arrays.few("background")?;
        if let Some(bad) = background.iter().find(|part| !(0.0..=1.0).contains(*part)) {
            return Err(error(format!("array `background`: colours lie in 0..=1, found {bad}")));
        }
        let density = arrays.factors("density", side)?;
        let appearance = arrays.factors("appearance", side)?;
        let (rows, basis) = arrays.matrix("basis", AXES * appearance.components)?;
        let direction_frequencies = arrays.count("direction_frequencies", 0, MOST_FREQUENCIES)?;
        let layers = arrays.layers(rows + direction_channels(direction_frequencies))?;
        Ok(Self {
            side,
            occupancy: arrays.occupancy(side)?,
            cube: Cube { lowest: [x, y, z], length },
            step,
            shift,
            background,
            density,
            appearance,
            basis,
            direction_frequencies,
            layers,
        })
    }

    /// The bytes of the scene's file: what [`Scene::read`] reads.
    ///
    /// # Errors
    /// Only on our own bugs.
    pub fn write(&self) -> Result<Vec<u8>, ModelError> {
        let mut arrays = Vec::new();
        let mut add = |name: &str, bytes: Vec<u8>| arrays.push((name.to_owned(), bytes));
        let one = |value: i32| npy::write(&NpyArray { shape: vec![1], elements: vec![value] });
        let real = |shape: &[usize], elements: &[f32]| {
            npy::write(&NpyArray { shape: shape.to_vec(), elements: elements.to_vec() })
        };
        let few = |values: &[f64]| {
            real(&[values.len()], &values.iter().map(|value| *value as f32).collect::<Vec<_>>())
        };
        let Cube { lowest: [x, y, z], length } = self.cube;
        add("version", one(VERSION));
        add("cube", few(&[x, y, z, length]));
        add("sampling", few(&[self.step, self.shift]));
        add("background", few(&self.background));
        let bits = self.occupancy.chunks(8).map(|bits| {
            bits.iter().enumerate().fold(0u8, |byte, (place, bit)| byte | u8::from(*bit) << place)
        });
        let bits: Vec<u8> = bits.collect();
        add("occupancy", npy::write(&NpyArray { shape: vec![bits.len()], elements: bits }));
        for (kind, factors) in [("density", &self.density), ("appearance", &self.appearance)] {
            let (side, components) = (self.side, factors.components);
            add(&format!("{kind}_planes"), real(&[AXES, side, side, components], &factors.planes));
            add(&format!("{kind}_lines"), real(&[AXES, side, components], &factors.lines));
        }
        let columns = AXES * self.appearance.components;
        add("basis", real(&[self.basis.len() / columns, columns], &self.basis));
        add("direction_frequencies", one(self.direction_frequencies as i32));
        add("mlp_layers", one(self.layers.len() as i32));
        for (index, Dense { weights, bias }) in self.layers.iter().enumerate() {
            let outputs = bias.len();
            add(&format!("mlp_{index}_weight"), real(&[outputs, weights.len() / outputs], weights));
            add(&format!("mlp_{index}_bias"), real(&[outputs], bias));
        }
        npz::write(&arrays)
    }

    /// Length of a voxel's side in the scene's units.
    pub fn voxel(&self) -> f64 {
        self.cube.length / self.side as f64
    }

    /// Optical depth of a sample with the density feature `feature`; its alpha is 1 − exp(−depth).
    pub fn depth(&self, feature: f64) -> f64 {
        softplus(feature - self.shift) * self.step
    }

    /// What the network sees of a unit direction: itself, then for each frequency 2^i the sines and the cosines.
    pub fn encode(&self, direction: [f64; AXES]) -> Vec<f64> {
        let mut encoded = direction.to_vec();
        for power in 0..self.direction_frequencies as i32 {
            let angles = direction.map(|part| part * 2f64.powi(power));
            encoded.extend(angles.map(f64::sin));
            encoded.extend(angles.map(f64::cos));
        }
        encoded
    }

    /// Channels of [`Scene::encode`].
    pub fn direction_channels(&self) -> usize {
        direction_channels(self.direction_frequencies)
    }
}

fn direction_channels(frequencies: usize) -> usize {
    AXES * (1 + 2 * frequencies)
}

/// ln(1 + exp(x)), without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn error(problem: String) -> ModelError {
    ModelError::Input(format!("scene: {problem}"))
}

/// The arrays of a file.
struct Arrays(Archive);

impl Arrays {
    fn array<T: NpyElement>(&self, name: &str) -> Result<NpyArray<T>, ModelError> {
        self.0.array(name).map_err(|problem| error(format!("array `{name}`: {problem}")))
    }

    /// The only number of array `name`.
    fn one(&self, name: &str) -> Result<i32, ModelError> {
        match self.array::<i32>(name)?.elements[..] {
            [one] => Ok(one),
            ref more => Err(error(format!("array `{name}` has one number, found {}", more.len()))),
        }
    }

    fn count(&self, name: &str, least: i32, most: i32) -> Result<usize, ModelError> {
        let count = self.one(name)?;
        match (least..=most).contains(&count) {
            true => Ok(count as usize),
            false => Err(error(format!("array `{name}`: {least} to {most} are legal, found {count}"))),
        }
    }

    /// Array `name` of real numbers, all finite, of the shape `expected`, where a 0 stands for any length.
    fn real(&self, name: &str, expected: &[usize]) -> Result<NpyArray<f32>, ModelError> {
        let array = self.array::<f32>(name)?;
        let fits = |(found, expected): (&usize, &usize)| *expected == 0 || found == expected;
        if array.shape.len() != expected.len() || !array.shape.iter().zip(expected).all(fits) {
            let sizes = expected.iter().map(|size| if *size == 0 { "any".into() } else { size.to_string() });
            let legal = sizes.collect::<Vec<String>>().join(", ");
            return Err(error(format!("array `{name}` has shape [{legal}], found {:?}", array.shape)));
        }
        match array.elements.iter().find(|value| !value.is_finite()) {
            Some(bad) => Err(error(format!("array `{name}`: numbers are finite, found {bad}"))),
            None => Ok(array),
        }
    }

    fn few<const COUNT: usize>(&self, name: &str) -> Result<[f64; COUNT], ModelError> {
        let array = self.real(name, &[COUNT])?;
        Ok(std::array::from_fn(|index| f64::from(array.elements[index])))
    }

    /// Voxels a side, as the planes of the density tell.
    fn side(&self) -> Result<usize, ModelError> {
        let shape = self.real("density_planes", &[AXES, 0, 0, 0])?.shape;
        let most = 1 << Grid::MOST_SIDE_BITS;
        match shape[1].is_power_of_two() && (2..=most).contains(&shape[1]) {
            true => Ok(shape[1]),
            false => {
                let side = shape[1];
                Err(error(format!("a field has 2 to {most} voxels a side, a power of two, found {side}")))
            }
        }
    }

    fn occupancy(&self, side: usize) -> Result<Vec<bool>, ModelError> {
        let (bytes, expected) = (self.array::<u8>("occupancy")?.elements, side.pow(3) / 8);
        if bytes.len() != expected {
            return Err(error(format!("array `occupancy` has {expected} bytes, found {}", bytes.len())));
        }
        Ok(bytes.iter().flat_map(|byte| (0..8).map(move |place| byte >> place & 1 == 1)).collect())
    }

    fn factors(&self, kind: &str, side: usize) -> Result<RealFactors, ModelError> {
        let name = format!("{kind}_planes");
        let planes = self.real(&name, &[AXES, side, side, 0])?;
        let components = planes.shape[AXES];
        if !(1..=MOST_COMPONENTS).contains(&components) {
            let problem = format!("1 to {MOST_COMPONENTS} components are legal, found {components}");
            return Err(error(format!("array `{name}`: {problem}")));
        }
        let lines = self.real(&format!("{kind}_lines"), &[AXES, side, components])?;
        Ok(RealFactors { components, planes: planes.elements, lines: lines.elements })
    }

    /// Rows and numbers of a matrix with `columns`.
    fn matrix(&self, name: &str, columns: usize) -> Result<(usize, Vec<f32>), ModelError> {
        let array = self.real(name, &[0, columns])?;
        match array.shape[0] {
            rows @ 1..=MOST_CHANNELS => Ok((rows, array.elements)),
            rows => Err(error(format!("array `{name}`: 1 to {MOST_CHANNELS} rows are legal, found {rows}"))),
        }
    }

    fn layers(&self, inputs: usize) -> Result<Vec<Dense>, ModelError> {
        let count = self.count("mlp_layers", 1, MOST_LAYERS)?;
        let (mut layers, mut inputs) = (Vec::with_capacity(count), inputs);
        for index in 0..count {
            let name = format!("mlp_{index}_weight");
            let (outputs, weights) = self.matrix(&name, inputs)?;
            if index + 1 == count && outputs != 3 {
                return Err(error(format!("array `{name}`: the last layer has 3 rows, found {outputs}")));
            }
            let bias = self.real(&format!("mlp_{index}_bias"), &[outputs])?.elements;
            layers.push(Dense { weights, bias });
            inputs = outputs;
        }
        Ok(layers)
    }
}

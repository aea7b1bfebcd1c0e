//! `bitmill render`: an image of a radiance field as the hardware computes it, with cycles, frames a second and traffic.

mod compare;
mod energy;
mod picture;
mod report;

use std::error::Error;
use std::path::{Path, PathBuf};

use bitmill_accelerator::Accelerator;
use bitmill_explore::Arithmetic;
use bitmill_formats::sparse::FormRule;
use bitmill_model::WeightFormat;
use bitmill_model::radiance_field::{
    Camera, FieldConfig, Order, QuantizedScene, Rendering, Scene, psnr, render_real,
};
use bitmill_sim::radiance_field::{Engine, FrameReport, Storing, frame, storage};
use clap::{Args, ValueEnum};

use crate::output::{print, write_file};
use crate::source::{accelerator, accelerator_of};
use crate::workload::read;

const EXAMPLES: &str = "\
Examples:
  bitmill render shapes --camera 30,25,3.2 -o shapes.png
  bitmill render lego.npz --camera 45,30,4 --size 100x100 -o lego.png --reference float.png
  bitmill render lego.npz --config my.yaml --turntable 36 -o lego.png     an animated PNG
  bitmill render lego.npz --compare uniform -o lego.png
  bitmill render shapes --factors int6 --technology sky130hd --json -o shapes.png

Scenes are .npz files of arrays that model/src/radiance_field/scene.rs lists; examples/radiance_field holds scripts that
make them. The engine in front of the array is a plan whose cycles are counted; the network's cycles are those of
the generated accelerator. Prices are those of the circuits that the engine has so far.";

/// The accelerator where no configuration is given.
const CONFIGURATION: &str = include_str!("../../../examples/radiance_field.yaml");
/// The embedded scene.
const SHAPES: &[u8] = include_bytes!("../../../examples/radiance_field/shapes.npz");

/// Renders a radiance field as the hardware does: image, cycles, frames a second, memory traffic.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RenderArgs {
    /// Scene, .npz; `shapes` is the embedded one
    scene: PathBuf,
    /// Where the image goes, PNG
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Azimuth and elevation in degrees and distance from the target
    #[arg(long, value_name = "AZIMUTH,ELEVATION,DISTANCE", default_value = "45,30,4", value_parser = numbers, allow_hyphen_values = true)]
    camera: [f64; 3],
    /// What the camera looks at
    #[arg(long, value_name = "X,Y,Z", default_value = "0,0,0", value_parser = numbers, allow_hyphen_values = true)]
    target: [f64; 3],
    /// Horizontal field of view in degrees [default: that of NeRF's synthetic scenes]
    #[arg(long, value_name = "DEGREES", default_value_t = 39.597_752, hide_default_value = true)]
    view: f64,
    /// Columns and rows
    #[arg(long, value_name = "WxH", default_value = "100x100", value_parser = size)]
    size: [usize; 2],
    /// Frames once around the target, as an animated PNG
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=720))]
    turntable: Option<u32>,
    /// Configuration of the accelerator that runs the network, YAML [default: examples/radiance_field.yaml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of the field's factors
    #[arg(long, value_name = "FORMAT", default_value = "int8")]
    factors: String,
    /// Sets of four search units in the engine
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3))]
    search_sets: u32,
    /// An image of the same size to compare with, PNG
    #[arg(long, value_name = "FILE", conflicts_with = "turntable")]
    reference: Option<PathBuf>,
    /// Set the frame beside one made another way, on the same array
    #[arg(long, value_name = "HOW", conflicts_with = "turntable")]
    compare: Option<Comparison>,
    /// Price area and energy of the engine and the accelerator in this technology
    #[arg(long, value_name = "NAME")]
    technology: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a frame is set beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Comparison {
    /// Uniform sampling of all rays, from a field that is stored whole
    Uniform,
}

/// All that was found out of one frame.
struct Frame {
    rendering: Rendering,
    report: FrameReport,
    /// Against real numbers, in decibels.
    psnr_db: f64,
}

/// A scene ready to be rendered on an accelerator.
struct Stage {
    scene: Scene,
    quantized: QuantizedScene,
    accelerator: Accelerator,
    engine: Engine,
}

/// Runs `bitmill render`.
///
/// # Errors
/// A scene, a configuration or a camera that is not legal, or a network that does not fit the accelerator.
pub fn run(args: &RenderArgs) -> Result<(), Box<dyn Error>> {
    let stage = Stage::load(args)?;
    let frames = (0..args.turntable.unwrap_or(1)).map(|index| {
        let turn = 360.0 * f64::from(index) / f64::from(args.turntable.unwrap_or(1));
        let [azimuth, elevation, distance] = args.camera;
        let place = [azimuth + turn, elevation, distance];
        let camera = Camera::orbit(args.target, place, args.view, args.size);
        stage.frame(&camera, Order::Points, Storing::Sparse(FormRule::Smaller))
    });
    let frames = frames.collect::<Result<Vec<Frame>, _>>()?;
    let images: Vec<_> = frames.iter().map(|frame| &frame.rendering.image).collect();
    let picture = picture::write(&images)?;
    let reference = match &args.reference {
        Some(path) => Some(reference_psnr(path, &frames[0])?),
        None => None,
    };
    let comparison = match args.compare {
        Some(Comparison::Uniform) => {
            let camera = Camera::orbit(args.target, args.camera, args.view, args.size);
            Some(compare::Compared::new(&stage, &camera, &frames[0])?)
        }
        None => None,
    };
    let energy = match &args.technology {
        Some(name) => Some(energy::Energies::new(&stage, name, &frames, comparison.as_ref())?),
        None => None,
    };
    write_file(&args.output, &picture)?;
    let summary = report::Summary { stage: &stage, frames: &frames, reference, comparison, energy };
    Ok(print(&if args.json { summary.json() } else { summary.text(&args.output) })?)
}

impl Stage {
    fn load(args: &RenderArgs) -> Result<Stage, Box<dyn Error>> {
        let scene = match args.scene.to_str() {
            Some("shapes") => Scene::read(SHAPES)?,
            _ => Scene::read(&read(&args.scene)?)
                .map_err(|error| format!("{}: {error}", args.scene.display()))?,
        };
        let accelerator = match &args.config {
            Some(path) => accelerator(path)?,
            None => accelerator_of(Path::new("examples/radiance_field.yaml"), CONFIGURATION)?,
        };
        let factors = WeightFormat::new(args.factors.parse()?)?;
        let config = FieldConfig::new(factors, Arithmetic::of(&accelerator).ptq()?);
        let quantized = QuantizedScene::new(&scene, &config)?;
        Ok(Stage { scene, quantized, accelerator, engine: Engine { search_sets: args.search_sets } })
    }

    /// A frame in an order, with the field stored so.
    fn frame(&self, camera: &Camera, order: Order, storing: Storing) -> Result<Frame, Box<dyn Error>> {
        let field_bytes = storage(&self.quantized.field, storing)?.bytes();
        let scene = (&self.scene, &self.quantized);
        let (rendering, report) = frame(&self.accelerator, &self.engine, scene, camera, order, field_bytes)?;
        let psnr_db = psnr(&rendering.image, &render_real(&self.scene, camera)?);
        Ok(Frame { rendering, report, psnr_db })
    }
}

/// PSNR of a frame against the image in a file.
fn reference_psnr(path: &Path, frame: &Frame) -> Result<f64, Box<dyn Error>> {
    let in_file = |problem: String| format!("{}: {problem}", path.display());
    let image = picture::read(&read(path)?).map_err(in_file)?;
    let own = &frame.rendering.image;
    if image.size != own.size {
        let [[width, height], [columns, rows]] = [image.size, own.size];
        return Err(
            in_file(format!("the image has {width}x{height} pixels, the frame {columns}x{rows}")).into()
        );
    }
    Ok(psnr(own, &image))
}

/// Three numbers with commas between.
fn numbers(text: &str) -> Result<[f64; 3], String> {
    let parts: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    parts
        .ok()
        .and_then(|parts| parts.try_into().ok())
        .ok_or_else(|| "three numbers with commas between are legal".to_owned())
}

/// Columns and rows, as in 100x100.
fn size(text: &str) -> Result<[usize; 2], String> {
    let legal = || "columns and rows are legal, as in 100x100".to_owned();
    let (width, height) = text.split_once('x').ok_or_else(legal)?;
    match (width.parse(), height.parse()) {
        (Ok(width), Ok(height)) => Ok([width, height]),
        _ => Err(legal()),
    }
}

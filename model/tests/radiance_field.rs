//! Radiance fields: scene files, the walk by cubes against the walk by rays, and the integers against real numbers.

use bitmill_model::radiance_field::{
    Camera, FieldConfig, Order, QuantizedScene, Scene, Step, psnr, render, render_real,
};
use bitmill_model::{PtqConfig, WeightFormat, npz};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SHAPES: &[u8] = include_bytes!("../../examples/radiance_field/shapes.npz");

fn shapes() -> Scene {
    Scene::read(SHAPES).expect("the embedded scene")
}

fn config() -> FieldConfig {
    let network = PtqConfig::integers(8, 8).expect("legal widths");
    FieldConfig::new(WeightFormat::signed(8).expect("a legal width"), network)
}

fn camera(eye: [f64; 3], size: [usize; 2]) -> Camera {
    Camera { eye, target: [0.0, 0.05, -0.1], view_degrees: 35.0, size }
}

/// From around, from straight above, from within the field, past it, at a wide angle, and from afar.
fn cameras() -> Vec<Camera> {
    let mut cameras: Vec<Camera> = [[2.5, 1.5, 1.4], [-3.0, 0.4, 0.2], [0.0, 0.0, 3.5], [0.9, -0.9, 0.9]]
        .into_iter()
        .map(|eye| camera(eye, [16, 12]))
        .collect();
    cameras.push(Camera { target: [9.0, 9.0, 9.0], ..camera([2.0, 2.0, 2.0], [12, 12]) });
    cameras.push(Camera { view_degrees: 120.0, ..camera([1.6, -1.2, 0.5], [23, 17]) });
    cameras.push(Camera { view_degrees: 2.0, ..camera([25.0, 30.0, 12.0], [17, 9]) });
    cameras
}

#[test]
fn a_scene_is_read_as_it_was_written() {
    let scene = shapes();
    let bytes = scene.write().expect("a file");
    assert_eq!(Scene::read(&bytes).expect("our own file"), scene);
    assert_eq!(bytes, scene.write().expect("the same file"));
}

#[test]
fn cubes_and_rays_give_one_image() {
    let scene = shapes();
    for cube_side_bits in [0, 2, 3] {
        let quantized =
            QuantizedScene::new(&scene, &FieldConfig { cube_side_bits, ..config() }).expect("integers");
        for camera in cameras() {
            let of = |order| render(&scene, &quantized, &camera, order, &mut |_| {}).expect("an image");
            let [points, rays, uniform] = [Order::Points, Order::Rays, Order::Uniform].map(of);
            assert_eq!(points.image, rays.image, "{camera:?}, cubes of 2^{cube_side_bits}");
            assert_eq!(points.image, uniform.image, "{camera:?}");
            let weighing = [&points, &rays, &uniform].map(|rendering| rendering.work.weighing);
            assert_eq!(weighing, [weighing[0]; 3]);
            assert!(points.work.densities <= rays.work.densities);
            let mut batches = 0;
            let count = &mut |step| batches += u64::from(step == Step::Batch);
            render(&scene, &quantized, &camera, Order::Points, count).expect("an image");
            assert_eq!(batches, weighing[0].div_ceil(256));
        }
    }
}

#[test]
fn int8_keeps_the_image_of_real_numbers() {
    let scene = shapes();
    let camera = camera([2.5, 1.5, 1.4], [64, 64]);
    let real = render_real(&scene, &camera).expect("an image");
    let of = |factors: WeightFormat| {
        let quantized = QuantizedScene::new(&scene, &FieldConfig { factors, ..config() }).expect("integers");
        psnr(&render(&scene, &quantized, &camera, Order::Points, &mut |_| {}).expect("an image").image, &real)
    };
    let format = |name: &str| WeightFormat::new(name.parse().expect("a format")).expect("a legal format");
    let [int8, int6, fp8] = ["int8", "int6", "fp8_e4m3"].map(|name| of(format(name)));
    println!(
        "shapes at 64 x 64 against real numbers: int8 {int8:.2} dB, int6 {int6:.2} dB, fp8_e4m3 {fp8:.2} dB"
    );
    assert!(int8 > 44.0 && int6 > 40.0 && fp8 > 40.0);
}

#[test]
fn an_empty_field_and_a_camera_that_looks_away_show_the_background() {
    let mut scene = shapes();
    let away = Camera { target: [9.0, 9.0, 9.0], ..camera([2.0, 2.0, 2.0], [4, 4]) };
    let quantized = QuantizedScene::new(&scene, &config()).expect("integers");
    let image = render(&scene, &quantized, &away, Order::Points, &mut |_| {}).expect("an image").image;
    assert_eq!(image.pixels, vec![[255; 3]; 16]);
    scene.occupancy.fill(false);
    scene.background = [0.0; 3];
    let quantized = QuantizedScene::new(&scene, &config()).expect("integers of nothing");
    let rendering = render(&scene, &quantized, &camera([2.5, 1.5, 1.4], [4, 4]), Order::Points, &mut |_| {})
        .expect("an image");
    assert_eq!(rendering.image.pixels, vec![[0; 3]; 16]);
    assert_eq!((rendering.work.cubes, rendering.work.densities), (0, 0));
    let lost = camera([1e6, 0.0, 0.0], [4, 4]);
    let refused = render(&scene, &quantized, &lost, Order::Points, &mut |_| {}).expect_err("too far away");
    assert!(refused.to_string().contains("voxels from the field; less than 524288 are legal"), "{refused}");
    let far = camera([2500.0, 1500.0, 1400.0], [4, 4]);
    let image = render(&scene, &quantized, &far, Order::Points, &mut |_| {}).expect("an image").image;
    assert_eq!(image.pixels, vec![[0; 3]; 16]);
}

/// The scene's file with array `name` replaced by `bytes`, or left out.
fn with(name: &str, bytes: Option<Vec<u8>>) -> Vec<u8> {
    let archive = npz::Archive::new(SHAPES).expect("an archive");
    let own = |own: &str| archive.bytes(own).expect("an array").to_vec();
    let arrays = archive.names().filter(|own| *own != name).map(|name| (name.to_owned(), own(name)));
    let new = bytes.map(|bytes| (name.to_owned(), bytes));
    npz::write(&arrays.chain(new).collect::<Vec<_>>()).expect("an archive")
}

#[test]
fn corrupt_scenes_are_refused_in_words() {
    use bitmill_model::npy::{NpyArray, write};
    let reals = |shape: &[usize], value: f32| {
        write(&NpyArray { shape: shape.to_vec(), elements: vec![value; shape.iter().product()] })
    };
    let integer = |value: i32| write(&NpyArray { shape: vec![1], elements: vec![value] });
    let cases: [(&str, Option<Vec<u8>>, &str); 11] = [
        ("version", Some(integer(7)), "scene: version 7 is not known; 1 is read"),
        ("basis", None, "scene: array `basis`: npy: npz: no array `basis`"),
        ("cube", Some(reals(&[4], 0.0)), "scene: array `cube`: the length must be above 0, found 0"),
        ("cube", Some(reals(&[3], 1.0)), "scene: array `cube` has shape [4], found [3]"),
        ("sampling", Some(reals(&[2], 3.0)), "a step is 0.25 to 1 voxel, found 3"),
        ("background", Some(reals(&[3], 1.5)), "colours lie in 0..=1, found 1.5"),
        (
            "occupancy",
            Some(write(&NpyArray { shape: vec![2], elements: vec![0u8; 2] })),
            "has 4096 bytes, found 2",
        ),
        (
            "density_planes",
            Some(reals(&[3, 24, 24, 1], 0.0)),
            "2 to 256 voxels a side, a power of two, found 24",
        ),
        ("density_lines", Some(reals(&[3, 32, 4], f32::NAN)), "numbers are finite, found NaN"),
        ("mlp_layers", Some(integer(0)), "scene: array `mlp_layers`: 1 to 8 are legal, found 0"),
        ("mlp_2_weight", Some(reals(&[4, 16], 0.0)), "the last layer has 3 rows, found 4"),
    ];
    for (name, bytes, words) in cases {
        let error = Scene::read(&with(name, bytes)).expect_err(name).to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
    for end in (0..SHAPES.len()).step_by(997) {
        assert!(Scene::read(&SHAPES[..end]).is_err(), "truncated to {end}");
    }
}

#[test]
fn a_damaged_scene_is_refused_or_whole() {
    let archive = npz::Archive::new(SHAPES).expect("an archive");
    let names: Vec<&str> = archive.names().collect();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut refused = 0;
    for turn in 0..300 {
        let name = names[turn % names.len()];
        let mut bytes = archive.bytes(name).expect("an array").to_vec();
        for _ in 0..random.random_range(1..4) {
            // The header takes 128 bytes.
            let end = if turn % 2 == 0 { bytes.len().min(128) } else { bytes.len() };
            bytes[random.random_range(0..end)] = random.random_range(0..=255);
        }
        match Scene::read(&with(name, Some(bytes))) {
            Ok(scene) => {
                assert_eq!(Scene::read(&scene.write().expect("a file")).expect("our own file"), scene)
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!((50..300).contains(&refused), "{refused} of 300 refused");
}

//! `bitmill render`: images, figures and errors.

mod common;

use std::fs;
use std::path::Path;

use common::{ROOT, fails, files, succeeds, text_of};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("a number at {path} of {value}"))
}

#[test]
fn the_embedded_scene_is_rendered_and_set_beside_uniform_sampling() {
    let here = tempfile::tempdir().expect("a folder");
    let shot = ["render", "shapes", "--camera", "30,25,3.4", "--size", "32x24", "-o", "shapes.png"];
    let compared = [&shot[..], &["--compare", "uniform", "--technology", "sky130hd", "--json"]].concat();
    let value = json(&succeeds(here.path(), &compared));
    assert!(number(&value, "/frames/0/psnr_db") > 44.0, "{value}");
    assert!(number(&value, "/frames/0/cycles") >= number(&value, "/frames/0/network_cycles"));
    assert_eq!(number(&value, "/comparison/psnr_change_db"), 0.0);
    assert!(number(&value, "/comparison/speed_up") > 1.0);
    let energy = |order: &str| number(&value, &format!("/energy/{order}/energy_pj"));
    assert!(energy("comparison/uniform") > energy("by_points"));
    let parts = |order: &str| {
        let path = format!("/energy/{order}/parts");
        let parts = value.pointer(&path).and_then(Value::as_array).cloned().unwrap_or_default();
        parts
            .iter()
            .map(|part| (part["part"].as_str().unwrap_or("").to_owned(), number(part, "/energy_pj")))
            .collect::<Vec<_>>()
    };
    let own = parts("by_points");
    assert!(own.iter().all(|(_, energy_pj)| *energy_pj > 0.0), "{own:?}");
    assert!(
        (own.iter().map(|(_, energy_pj)| energy_pj).sum::<f64>() / energy("by_points") - 1.0).abs() < 1e-9
    );
    assert!(own.iter().any(|(part, _)| part == "search"));
    assert!(parts("comparison/uniform").iter().all(|(part, _)| part != "search"), "read by address");
    let stored = |form: &str| number(&value, &format!("/comparison/stored_bytes/{form}"));
    let least = stored("dense").min(stored("bitmap")).min(stored("coordinates"));
    assert!(stored("hybrid") <= least);
    let image = fs::read(here.path().join("shapes.png")).expect("an image");
    let again = [&shot[..], &["--reference", "shapes.png"]].concat();
    let text = succeeds(here.path(), &again);
    assert!(text.contains("inf dB against the reference"), "{text}");
    assert!(text.contains("as planned"), "{text}");
    assert_eq!(fs::read(here.path().join("shapes.png")).expect("an image"), image, "the same every time");
}

#[test]
fn a_turntable_is_an_animation() {
    let here = tempfile::tempdir().expect("a folder");
    let text =
        succeeds(here.path(), &["render", "shapes", "--turntable", "3", "--size", "12x12", "-o", "turn.png"]);
    assert!(text.contains("3 frames; figures are means of them"), "{text}");
    let image = fs::read(here.path().join("turn.png")).expect("an image");
    assert!(image.windows(4).any(|chunk| chunk == b"acTL"));
}

#[test]
fn what_cannot_be_rendered_is_said() {
    let here = tempfile::tempdir().expect("a folder");
    fs::write(here.path().join("bad.npz"), "no archive").expect("a file");
    let error = |more: &[&str]| fails(here.path(), &[&["render"], more, &["-o", "x.png"]].concat());
    assert!(error(&["bad.npz"]).starts_with("error: bad.npz: "));
    assert!(error(&["missing.npz"]).contains("cannot read missing.npz"));
    let on_target = error(&["shapes", "--camera", "0,0,0"]);
    assert!(on_target.contains("the camera stands on its target; give a distance above 0"), "{on_target}");
    let coded = error(&["shapes", "--factors", "fp8_e4m3", "--size", "8x8", "--technology", "sky130hd"]);
    assert!(coded.contains("the engine's circuits take integers"), "{coded}");
    let large = error(&["shapes", "--size", "300x300", "--technology", "sky130hd"]);
    assert!(large.contains("pixels of an image = 90000: the engine's units keep up to 65536"), "{large}");
    let wide = error(&["shapes", "--factors", "fp16"]);
    assert!(wide.contains("factors need"), "{wide}");
    let yaml = text_of(Path::new(ROOT), "../examples/radiance_field.yaml");
    fs::write(here.path().join("int4.yaml"), yaml.replace("activations: int8", "activations: int4"))
        .expect("a file");
    let narrow = error(&["shapes", "--config", "int4.yaml"]);
    assert!(narrow.contains("precision.activations must be int8, found int4"), "{narrow}");
    assert_eq!(files(here.path()).len(), 2, "no image is left behind");
}

/// The distilled scene is not in the repository: `examples/radiance_field/distil_lego.py` makes it.
#[test]
fn lego_at_100_x_100_comes_within_30_db_of_the_float_render() {
    let reference = Path::new(ROOT).join("../../shared/data/models/tiny_nerf/lego_ref_float_100.png");
    let Some(scene) = std::env::var_os("BITMILL_LEGO") else {
        return println!(
            "skipped: BITMILL_LEGO names the scene that examples/radiance_field/distil_lego.py makes"
        );
    };
    if !reference.exists() {
        return println!("skipped: ../shared/data/models/tiny_nerf is not at hand");
    }
    let here = tempfile::tempdir().expect("a folder");
    let [scene, reference] =
        [Path::new(&scene), &reference].map(|path| path.to_str().expect("a path of text"));
    let arguments =
        ["render", scene, "--reference", reference, "--compare", "uniform", "--json", "-o", "lego.png"];
    let value = json(&succeeds(here.path(), &arguments));
    println!("{value:#}");
    assert!(number(&value, "/reference_psnr_db") >= 30.0);
    assert!(number(&value, "/comparison/psnr_change_db").abs() <= 0.1);
}

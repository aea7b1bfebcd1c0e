//! Any bytes as a scene: an error or a scene that is written and read back, never a panic.
#![no_main]

use bitmill_model::radiance_field::Scene;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(scene) = Scene::read(bytes) {
        let written = scene.write().expect("a scene that was read can be written");
        assert_eq!(Scene::read(&written).expect("our own file"), scene);
    }
});

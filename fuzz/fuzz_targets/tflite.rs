//! TFLite files: anything but a network is an error in words.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = bitmill_model::tflite::import_tflite(bytes) {
        assert!(!error.to_string().is_empty());
    }
});

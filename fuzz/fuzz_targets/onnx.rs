//! ONNX files, float, QDQ, QLinear and QONNX: anything but a network is an error in words.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = bitmill_model::import_onnx(bytes) {
        assert!(!error.to_string().is_empty());
    }
});

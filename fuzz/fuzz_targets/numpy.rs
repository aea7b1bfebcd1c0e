//! `.npy` arrays and `.npz` archives: what is read has as many elements as its shape says.
#![no_main]

use bitmill_model::{npy, npz};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let check = |array: npy::NpyArray<f64>| {
        assert_eq!(array.elements.len(), array.shape.iter().product::<usize>());
    };
    if let Ok(array) = npy::read_numbers(bytes) {
        check(array);
    }
    if let Ok(archive) = npz::Archive::new(bytes) {
        for name in archive.names() {
            if let Ok(member) = archive.bytes(name)
                && let Ok(array) = npy::read_numbers(member)
            {
                check(array);
            }
        }
    }
});

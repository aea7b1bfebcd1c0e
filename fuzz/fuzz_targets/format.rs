//! Names of formats: what is understood prints to a name that is the same format.
#![no_main]

use bitmill_formats::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(format) = text.parse::<Format>() {
        assert_eq!(format.to_string().parse::<Format>().expect("its own name"), format);
    }
});

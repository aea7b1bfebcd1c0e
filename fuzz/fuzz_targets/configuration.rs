//! Configurations: what is taken is an accelerator, and reads back from its own text as the same one.
#![no_main]

use bitmill_accelerator::{Accelerator, Configuration};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(configuration) = Configuration::from_yaml(text) else { return };
    if Accelerator::new(configuration.clone()).is_ok() {
        let again = configuration.to_yaml().expect("a legal configuration can be written");
        assert_eq!(Configuration::from_yaml(&again).expect("and read"), configuration);
    }
});

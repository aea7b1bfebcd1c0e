//! Runs the program in a folder and looks at what it leaves there.
#![allow(dead_code)] // Each test binary uses a part.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

pub fn bitmill(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bitmill"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// Standard output of a command that succeeds.
pub fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = bitmill(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    assert_eq!(errors, "", "{arguments:?}: quiet in a pipe");
    String::from_utf8(output.stdout).expect("text")
}

/// Standard error of a command that fails with exit status 1 and says nothing on standard output.
pub fn fails(folder: &Path, arguments: &[&str]) -> String {
    let output = bitmill(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(text.starts_with("error: "), "{arguments:?}: {text}");
    text
}

/// Every file below a folder by its path within it.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut work = vec![folder.to_owned()];
    while let Some(next) = work.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                work.push(path);
            } else {
                let inside = path.strip_prefix(folder).expect("below the folder").to_owned();
                found.insert(inside, fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

pub fn text_of(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).expect("a text file")
}

//! Files that appear whole or not at all.
//!
//! A file or a folder is written under a temporary name beside its place and renamed into it. A folder that
//! exists is replaced only if Bitmill wrote it: if it holds the manifest.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Name of the file that marks a folder as ours.
pub const MANIFEST: &str = "manifest.json";

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The system refused.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder holds something else.
    #[error("{} exists and was not written by bitmill: it has no {MANIFEST}; choose another -o or remove it", .0.display())]
    NotOurs(PathBuf),
}

/// Files of a folder by path within it, in alphabetical order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Adds a file; a later one replaces an earlier one of the same path.
    pub fn add(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.0.insert(path.into(), content.into());
    }

    /// Adds the files of `other` under the folder `prefix`.
    pub fn add_all(&mut self, prefix: &str, other: Files) {
        self.0.extend(other.0.into_iter().map(|(path, content)| (format!("{prefix}/{path}"), content)));
    }

    /// The files.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(path, content)| (path.as_str(), content.as_slice()))
    }

    /// Writes the folder `to`: all of it or, on an error, nothing.
    ///
    /// # Errors
    /// `to` exists and is not ours, or the system refuses.
    pub fn write(&self, to: &Path) -> Result<(), OutputError> {
        let failed = |source| OutputError::Io { path: to.to_owned(), source };
        check_folder(to)?;
        let replaces = to.exists();
        let parent = parent(to);
        fs::create_dir_all(parent).map_err(failed)?;
        let scratch = tempfile::Builder::new()
            .prefix(".bitmill-")
            .permissions(fs::Permissions::from_mode(0o777))
            .tempdir_in(parent)
            .map_err(failed)?;
        let (new, old) = (scratch.path().join("new"), scratch.path().join("old"));
        for (path, content) in self.iter() {
            let file = new.join(path);
            file.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
            fs::write(&file, content).map_err(failed)?;
        }
        if replaces {
            fs::rename(to, &old).map_err(failed)?;
        }
        fs::rename(&new, to).map_err(|source| {
            // Put back what was there.
            let _ = fs::rename(&old, to);
            failed(source)
        })
    }
}

/// Whether the folder `to` may be written: asked before long work whose outcome goes there.
///
/// # Errors
/// `to` exists and is not ours.
pub fn check_folder(to: &Path) -> Result<(), OutputError> {
    if to.exists() && !is_ours(to) { Err(OutputError::NotOurs(to.to_owned())) } else { Ok(()) }
}

/// A folder that is empty or that holds our manifest.
fn is_ours(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join(MANIFEST)).unwrap_or_default();
    let empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    empty || manifest.contains("\"generator\": \"bitmill")
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes the file `to`: all of it or, on an error, nothing.
///
/// # Errors
/// The system refuses.
pub fn write_file(to: &Path, content: &[u8]) -> Result<(), OutputError> {
    let failed = |source| OutputError::Io { path: to.to_owned(), source };
    let mut file = tempfile::Builder::new()
        .prefix(".bitmill-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(parent(to))
        .map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.persist(to).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Prints `text` on standard output. Whoever reads it may stop early, as `head` does.
///
/// # Errors
/// Standard output cannot be written to.
pub fn print(text: &str) -> Result<(), OutputError> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(OutputError::Io { path: "standard output".into(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(content: &str) -> Files {
        let mut files = Files::default();
        files.add(MANIFEST, "{\n  \"generator\": \"bitmill\"\n}\n");
        files.add("rtl/a.v", content);
        files
    }

    #[test]
    fn a_folder_is_replaced_whole_and_only_if_it_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("deep/out");
        files("one").write(&to).unwrap();
        fs::write(to.join("stale.v"), "left behind").unwrap();
        files("two").write(&to).unwrap();
        assert_eq!(fs::read_to_string(to.join("rtl/a.v")).unwrap(), "two");
        assert!(!to.join("stale.v").exists());
        let other = folder.path().join("precious");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("thesis.tex"), "years").unwrap();
        let refused = files("three").write(&other).unwrap_err();
        assert!(matches!(refused, OutputError::NotOurs(_)), "{refused}");
        assert_eq!(fs::read_to_string(other.join("thesis.tex")).unwrap(), "years");
        assert_eq!(fs::read_dir(folder.path().join("deep")).unwrap().count(), 1, "nothing temporary is left");
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // A file stands where a folder is needed.
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(files("one").write(&folder.path().join("file/out")).is_err());
        let mut conflicting = files("one");
        conflicting.add("rtl/a.v/b.v", "below a file");
        assert!(conflicting.write(&folder.path().join("out")).is_err());
        assert!(write_file(&folder.path().join("missing/file"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

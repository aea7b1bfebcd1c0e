//! Reads and writes `.npz` files: zip archives of `.npy` arrays, stored or deflated.

use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::ModelError;
use crate::npy::{self, NpyArray, NpyElement};

/// Most bytes that one array may take once inflated, so that a small file cannot ask for terabytes.
const MOST_BYTES: u64 = 1 << 31;

/// The arrays of a `.npz` file, as `.npy` bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    arrays: Vec<(String, Vec<u8>)>,
}

impl Archive {
    /// Reads the bytes of a `.npz` file.
    ///
    /// # Errors
    /// When they are no zip archive, or an entry is damaged, encrypted, or larger than 2 GiB.
    pub fn new(bytes: &[u8]) -> Result<Self, ModelError> {
        let error = |problem: String| ModelError::Npy(format!("npz: {problem}"));
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|problem| error(problem.to_string()))?;
        let mut arrays = Vec::new();
        for index in 0..zip.len() {
            let file = zip.by_index(index).map_err(|problem| error(format!("entry {index}: {problem}")))?;
            let name = file.name().map_err(|problem| error(format!("entry {index}: {problem}")))?;
            let name = name.trim_end_matches(".npy").to_owned();
            let mut array = Vec::new();
            let read = file.take(MOST_BYTES + 1).read_to_end(&mut array);
            read.map_err(|problem| error(format!("array `{name}`: {problem}")))?;
            if array.len() as u64 > MOST_BYTES {
                return Err(error(format!("array `{name}` has more than {MOST_BYTES} bytes")));
            }
            arrays.push((name, array));
        }
        Ok(Self { arrays })
    }

    /// Names of the arrays, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.iter().map(|(name, _)| name.as_str())
    }

    /// The `.npy` bytes of array `name`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn bytes(&self, name: &str) -> Result<&[u8], ModelError> {
        let found = self.arrays.iter().find(|(own, _)| own == name);
        found.map(|(_, bytes)| &bytes[..]).ok_or_else(|| {
            let names: Vec<&str> = self.names().collect();
            ModelError::Npy(format!("npz: no array `{name}`; there are {}", names.join(", ")))
        })
    }

    /// Array `name`, of elements `T`.
    ///
    /// # Errors
    /// When there is none of that name, or it is of another type.
    pub fn array<T: NpyElement>(&self, name: &str) -> Result<NpyArray<T>, ModelError> {
        npy::read(self.bytes(name)?)
    }
}

/// The bytes of a `.npz` file that holds `arrays`: names, and the bytes of `.npy` files. Entries are deflated and
/// carry no time, so that equal arrays give equal bytes.
///
/// # Errors
/// When two arrays have one name.
pub fn write(arrays: &[(String, Vec<u8>)]) -> Result<Vec<u8>, ModelError> {
    let error = |problem: &dyn std::fmt::Display| ModelError::Npy(format!("npz: {problem}"));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in arrays {
        zip.start_file(format!("{name}.npy"), options).map_err(|problem| error(&problem))?;
        zip.write_all(bytes).map_err(|problem| error(&problem))?;
    }
    Ok(zip.finish().map_err(|problem| error(&problem))?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let whole = NpyArray { shape: vec![300], elements: (0..300).collect::<Vec<i32>>() };
        let half = NpyArray { shape: vec![1, 2], elements: vec![0.5f32, -0.5] };
        let arrays = [("whole".to_owned(), npy::write(&whole)), ("half".to_owned(), npy::write(&half))];
        let bytes = write(&arrays).unwrap();
        assert_eq!(bytes, write(&arrays).unwrap());
        let archive = Archive::new(&bytes).unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), ["whole", "half"]);
        assert_eq!(archive.array::<i32>("whole").unwrap(), whole);
        assert_eq!(archive.array::<f32>("half").unwrap(), half);
        let error = archive.array::<i32>("quarter").unwrap_err().to_string();
        assert_eq!(error, "npy: npz: no array `quarter`; there are whole, half");
        for end in 0..bytes.len() {
            assert!(Archive::new(&bytes[..end]).is_err(), "truncated to {end}");
        }
        assert!(write(&[arrays[0].clone(), arrays[0].clone()]).is_err());
    }
}

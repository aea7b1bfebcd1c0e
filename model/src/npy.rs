//! Reads `.npy` arrays: NumPy's file format, version 1.0 to 3.0, C order, little endian.
//! Source: numpy.lib.format, "NPY format".

use crate::ModelError;

/// An element type of a `.npy` file.
pub trait NpyElement: Sized {
    /// NumPy's name of the type.
    const DESCRIPTION: &'static str;
    /// Bytes of one element.
    const BYTES: usize;
    /// The element in the first [`Self::BYTES`] of `bytes`.
    fn read(bytes: &[u8]) -> Self;
}

impl NpyElement for u8 {
    const DESCRIPTION: &'static str = "|u1";
    const BYTES: usize = 1;
    fn read(bytes: &[u8]) -> Self {
        bytes[0]
    }
}

impl NpyElement for f32 {
    const DESCRIPTION: &'static str = "<f4";
    const BYTES: usize = 4;
    fn read(bytes: &[u8]) -> Self {
        Self::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

/// An array: its dimensions, and its elements with the last dimension innermost.
#[derive(Debug, Clone, PartialEq)]
pub struct NpyArray<T> {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Elements.
    pub elements: Vec<T>,
}

impl<T> NpyArray<T> {
    /// The array's entries along its first dimension.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, T> {
        let row: usize = self.shape.iter().skip(1).product();
        self.elements.chunks_exact(row.max(1))
    }
}

/// Reads an array of `T` from the bytes of a `.npy` file.
///
/// # Errors
/// When the bytes are no `.npy` file, of another element type, in Fortran order, or of another length than
/// the shape asks for.
pub fn read<T: NpyElement>(bytes: &[u8]) -> Result<NpyArray<T>, ModelError> {
    parse(bytes).map_err(ModelError::Npy)
}

fn parse<T: NpyElement>(bytes: &[u8]) -> Result<NpyArray<T>, String> {
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("the bytes do not start with \\x93NUMPY")?;
    let (length, start) = match rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 4),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
        _ => return Err("the version is not 1.0, 2.0 or 3.0".to_owned()),
    };
    let header = rest.get(start..).and_then(|rest| rest.get(..length)).ok_or("the header is truncated")?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;
    let description = field(header, "'descr':").and_then(|rest| rest.strip_prefix('\''));
    let description =
        description.and_then(|rest| rest.split('\'').next()).ok_or("the header has no descr")?;
    if description != T::DESCRIPTION {
        return Err(format!("elements of type {} expected, found {description}", T::DESCRIPTION));
    }
    if !field(header, "'fortran_order':").is_some_and(|rest| rest.starts_with("False")) {
        return Err("fortran_order must be False".to_owned());
    }
    let shape = field(header, "'shape':").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let (shape, _) = shape.ok_or("the header has no shape")?;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape = sizes.map(str::parse).collect::<Result<Vec<usize>, _>>();
    let shape = shape.map_err(|_| "the shape holds something other than sizes")?;
    let count = shape.iter().try_fold(T::BYTES, |count, &size| count.checked_mul(size));
    let data = &rest[start + length..];
    if count != Some(data.len()) {
        return Err(format!(
            "shape {shape:?} of {} does not take {} bytes of data",
            T::DESCRIPTION,
            data.len()
        ));
    }
    Ok(NpyArray { shape, elements: data.chunks_exact(T::BYTES).map(T::read).collect() })
}

/// What follows `key` in the header.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    header.split_once(key).map(|(_, rest)| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn reads_shape_and_elements() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n";
        let array = read::<u8>(&file(header, &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(array.shape, [2, 3]);
        assert_eq!(array.rows().collect::<Vec<_>>(), [[1, 2, 3], [4, 5, 6]]);
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
        assert_eq!(read::<f32>(&file(header, &1.5f32.to_le_bytes())).unwrap().elements, [1.5]);
    }

    #[test]
    fn says_what_is_wrong() {
        let good = file("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", &[1, 2, 3]);
        for end in 0..good.len() {
            assert!(read::<u8>(&good[..end]).is_err(), "truncated to {end}");
        }
        let cases = [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "type |u1 expected, found <f4"),
            ("{'descr': '|u1', 'fortran_order': True, 'shape': (3,), }", "fortran_order must be False"),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }", "does not take 3 bytes"),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (-3,), }", "other than sizes"),
            ("{'descr': '|u1', 'fortran_order': False}", "no shape"),
        ];
        for (header, message) in cases {
            let error = read::<u8>(&file(header, &[1, 2, 3])).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}

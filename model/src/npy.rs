//! Reads and writes `.npy` arrays: NumPy's file format, version 1.0 to 3.0, C order, little endian.
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
    /// Appends the element to `bytes`.
    fn write(&self, bytes: &mut Vec<u8>);
}

macro_rules! npy_elements {
    ($($element:ty: $description:literal),*) => {$(
        impl NpyElement for $element {
            const DESCRIPTION: &'static str = $description;
            const BYTES: usize = size_of::<$element>();
            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$element>()];
                own.copy_from_slice(&bytes[..Self::BYTES]);
                Self::from_le_bytes(own)
            }
            fn write(&self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }
        }
    )*};
}

npy_elements!(u8: "|u1", i8: "|i1", i16: "<i2", i32: "<i4", i64: "<i8", f32: "<f4", f64: "<f8");

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

/// The name of the element type of a `.npy` file, like `|i1` or `<f4`.
///
/// # Errors
/// When the bytes are no `.npy` file.
pub fn element_type(bytes: &[u8]) -> Result<&str, ModelError> {
    header(bytes).and_then(|(header, _)| description(header)).map_err(ModelError::Npy)
}

/// Reads an array of numbers of any type as reals.
///
/// # Errors
/// As [`read`].
pub fn read_numbers(bytes: &[u8]) -> Result<NpyArray<f64>, ModelError> {
    fn widened<T: NpyElement + Copy>(bytes: &[u8], wide: fn(T) -> f64) -> Result<NpyArray<f64>, ModelError> {
        let NpyArray { shape, elements } = read::<T>(bytes)?;
        Ok(NpyArray { shape, elements: elements.into_iter().map(wide).collect() })
    }
    match element_type(bytes)? {
        "|u1" => widened::<u8>(bytes, f64::from),
        "|i1" => widened::<i8>(bytes, f64::from),
        "<i2" => widened::<i16>(bytes, f64::from),
        "<i4" => widened::<i32>(bytes, f64::from),
        "<i8" => widened::<i64>(bytes, |integer| integer as f64),
        "<f4" => widened::<f32>(bytes, f64::from),
        _ => read::<f64>(bytes),
    }
}

/// The bytes of a `.npy` file, version 1.0.
pub fn write<T: NpyElement>(array: &NpyArray<T>) -> Vec<u8> {
    let sizes: String = array.shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!(
        "{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
        T::DESCRIPTION,
        sizes.trim_end()
    );
    // The data starts at a multiple of 64 bytes; the header ends with a line feed.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.push_str(&" ".repeat(length - header.len() - 1));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    array.elements.iter().for_each(|element| element.write(&mut bytes));
    bytes
}

/// The header's text, and the data behind it.
fn header(bytes: &[u8]) -> Result<(&str, &[u8]), String> {
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("the bytes do not start with \\x93NUMPY")?;
    let (length, start) = match rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 4),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
        _ => return Err("the version is not 1.0, 2.0 or 3.0".to_owned()),
    };
    let (header, data) =
        rest.get(start..).and_then(|rest| rest.split_at_checked(length)).ok_or("the header is truncated")?;
    Ok((std::str::from_utf8(header).map_err(|_| "the header is not text")?, data))
}

/// The element type in a header.
fn description(header: &str) -> Result<&str, String> {
    let description = field(header, "'descr':").and_then(|rest| rest.strip_prefix('\''));
    Ok(description.and_then(|rest| rest.split('\'').next()).ok_or("the header has no descr")?)
}

fn parse<T: NpyElement>(bytes: &[u8]) -> Result<NpyArray<T>, String> {
    let (header, data) = header(bytes)?;
    let description = description(header)?;
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
    fn what_is_written_is_read_back() {
        for shape in [vec![6], vec![2, 3], vec![1, 6, 1], vec![3, 2, 1, 1]] {
            let array = NpyArray { shape, elements: vec![-3i16, 1, 4, -1, 5, 9] };
            let bytes = write(&array);
            assert_eq!((bytes.len() - 12) % 64, 0);
            assert_eq!(read::<i16>(&bytes).unwrap(), array);
            assert_eq!(read_numbers(&bytes).unwrap().elements, [-3.0, 1.0, 4.0, -1.0, 5.0, 9.0]);
        }
        let scalar = NpyArray { shape: vec![], elements: vec![2.5f64] };
        assert_eq!(read::<f64>(&write(&scalar)).unwrap(), scalar);
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

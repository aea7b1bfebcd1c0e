//! Reads FlatBuffers, every access checked: a corrupt file gives an error with its byte, never a panic.
//!
//! The wire format (FlatBuffers "Internals"): a table starts with the signed distance back to its vtable,
//! which holds 16-bit offsets of the fields from the table's start, 0 where a field has its default. Strings,
//! vectors and tables are reached by unsigned 32-bit offsets from where the offset stands.

/// What is wrong, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Corrupt {
    pub byte: usize,
    pub problem: String,
}

/// Result of reading.
pub(super) type Read<T> = Result<T, Corrupt>;

fn corrupt<T>(byte: usize, problem: impl Into<String>) -> Read<T> {
    Err(Corrupt { byte, problem: problem.into() })
}

/// `N` bytes at `at`.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Read<[u8; N]> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().map_or_else(|| corrupt(at, format!("{N} bytes lie beyond the end")), Ok)
}

/// Where the offset at `at` leads.
fn follow(bytes: &[u8], at: usize) -> Read<usize> {
    let distance = u32::from_le_bytes(array(bytes, at)?) as usize;
    let target = at.checked_add(distance).filter(|&target| distance > 0 && target < bytes.len());
    target.map_or_else(|| corrupt(at, format!("offset {distance} leads out of the file")), Ok)
}

/// A table: fields by their number in the schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    start: usize,
    vtable: usize,
    vtable_length: usize,
}

impl<'a> Table<'a> {
    /// The root of a file.
    pub fn root(bytes: &'a [u8]) -> Read<Self> {
        Self::at(bytes, follow(bytes, 0)?)
    }

    fn at(bytes: &'a [u8], start: usize) -> Read<Self> {
        let distance = i32::from_le_bytes(array(bytes, start)?) as isize;
        let vtable = start.checked_add_signed(-distance);
        let Some(vtable) = vtable else {
            return corrupt(start, "its vtable would start before the file");
        };
        let vtable_length = usize::from(u16::from_le_bytes(array(bytes, vtable)?));
        if vtable_length < 4 || vtable_length % 2 == 1 || vtable + vtable_length > bytes.len() {
            return corrupt(vtable, format!("a vtable of {vtable_length} bytes is not possible here"));
        }
        Ok(Self { bytes, start, vtable, vtable_length })
    }

    /// Where the table starts, for messages.
    pub fn byte(&self) -> usize {
        self.start
    }

    /// Where `field` stands, or `None` where it has its default.
    fn field(&self, field: usize) -> Read<Option<usize>> {
        let entry = 4 + 2 * field;
        if entry + 2 > self.vtable_length {
            return Ok(None);
        }
        let offset = usize::from(u16::from_le_bytes(array(self.bytes, self.vtable + entry)?));
        Ok((offset > 0).then(|| self.start + offset))
    }

    fn scalar<const N: usize, T>(&self, field: usize, default: T, read: fn([u8; N]) -> T) -> Read<T> {
        match self.field(field)? {
            Some(at) => Ok(read(array(self.bytes, at)?)),
            None => Ok(default),
        }
    }

    /// A byte, or a boolean.
    pub fn u8(&self, field: usize) -> Read<u8> {
        self.scalar(field, 0, u8::from_le_bytes)
    }

    /// A signed integer; `default` is the schema's.
    pub fn i32(&self, field: usize, default: i32) -> Read<i32> {
        self.scalar(field, default, i32::from_le_bytes)
    }

    /// An unsigned integer.
    pub fn u32(&self, field: usize) -> Read<u32> {
        self.scalar(field, 0, u32::from_le_bytes)
    }

    /// A real number.
    pub fn f32(&self, field: usize) -> Read<f32> {
        self.scalar(field, 0.0, f32::from_le_bytes)
    }

    /// A table within; `None` where it is absent.
    pub fn table(&self, field: usize) -> Read<Option<Table<'a>>> {
        self.field(field)?.map(|at| Self::at(self.bytes, follow(self.bytes, at)?)).transpose()
    }

    /// The elements of a vector, `size` bytes each; empty where it is absent.
    fn vector(&self, field: usize, size: usize) -> Read<(usize, &'a [u8])> {
        let Some(at) = self.field(field)? else { return Ok((self.start, &[])) };
        let at = follow(self.bytes, at)?;
        let count = u32::from_le_bytes(array(self.bytes, at)?) as usize;
        let start = at + 4;
        let end = count.checked_mul(size).and_then(|length| start.checked_add(length));
        match end.and_then(|end| self.bytes.get(start..end)) {
            Some(elements) => Ok((start, elements)),
            None => corrupt(at, format!("a vector of {count} elements lies beyond the end")),
        }
    }

    /// A vector of bytes.
    pub fn bytes(&self, field: usize) -> Read<&'a [u8]> {
        Ok(self.vector(field, 1)?.1)
    }

    /// Text; what is not UTF-8 is replaced.
    pub fn text(&self, field: usize) -> Read<String> {
        Ok(String::from_utf8_lossy(self.bytes(field)?).into_owned())
    }

    /// A vector of integers.
    pub fn i32s(&self, field: usize) -> Read<Vec<i32>> {
        Ok(elements(self.vector(field, 4)?.1, i32::from_le_bytes))
    }

    /// A vector of long integers.
    pub fn i64s(&self, field: usize) -> Read<Vec<i64>> {
        Ok(elements(self.vector(field, 8)?.1, i64::from_le_bytes))
    }

    /// A vector of real numbers.
    pub fn f32s(&self, field: usize) -> Read<Vec<f32>> {
        Ok(elements(self.vector(field, 4)?.1, f32::from_le_bytes))
    }

    /// A vector of tables.
    pub fn tables(&self, field: usize) -> Read<Vec<Table<'a>>> {
        let (start, offsets) = self.vector(field, 4)?;
        let at = |index: usize| Self::at(self.bytes, follow(self.bytes, start + 4 * index)?);
        (0..offsets.len() / 4).map(at).collect()
    }
}

/// Little-endian elements of `N` bytes.
pub(super) fn elements<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect()
}

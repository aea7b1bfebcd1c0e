//! The points of a sweep as Apache Parquet: the columns of the CSV with types, numbers not rounded.

use std::error::Error;
use std::sync::Arc;

use bitmill_explore::{COLUMNS, Entry, Point, Sweep};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

/// The file: one group of rows; `front` is true for points that no other point beats.
///
/// # Errors
/// Only on our own bugs.
pub(super) fn bytes(found: &Sweep) -> Result<Vec<u8>, Box<dyn Error>> {
    let first = found.points.first().ok_or("a sweep without points")?;
    let schema = Arc::new(parse_message_type(&schema(first))?);
    let properties = WriterProperties::builder().set_created_by("bitmill".to_owned()).build();
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for column in &COLUMNS {
        let entries: Vec<Entry> = found.points.iter().map(|point| (column.entry)(point)).collect();
        let mut writer = group.next_column()?.ok_or("a column that the schema lacks")?;
        write(&mut writer, &entries)?;
        writer.close()?;
    }
    let is_front: Vec<bool> = (0..found.points.len()).map(|index| found.front.contains(&index)).collect();
    let mut writer = group.next_column()?.ok_or("a column that the schema lacks")?;
    writer.typed::<BoolType>().write_batch(&is_front, None, None)?;
    writer.close()?;
    group.close()?;
    file.close()?;
    Ok(bytes)
}

/// The schema in Parquet's own language; the kinds of columns are those of a point.
fn schema(point: &Point) -> String {
    let column = |column: &bitmill_explore::Column| {
        let kind = match (column.entry)(point) {
            Entry::Text(_) => "required binary",
            Entry::Integer(_) => "required int64",
            Entry::Real(..) => "optional double",
        };
        let meaning = if kind == "required binary" { " (string)" } else { "" };
        format!("{kind} {}{meaning};", column.heading)
    };
    let columns: String = COLUMNS.iter().map(column).collect();
    format!("message points {{{columns}required boolean front;}}")
}

/// Writes the entries of a column, all of one kind.
fn write(writer: &mut SerializedColumnWriter<'_>, entries: &[Entry]) -> Result<(), Box<dyn Error>> {
    match entries.first() {
        None => {}
        Some(Entry::Text(_)) => {
            let texts: Vec<ByteArray> =
                entries.iter().map(|entry| ByteArray::from(entry.to_string().into_bytes())).collect();
            writer.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
        }
        Some(Entry::Integer(_)) => {
            let whole = entries.iter().filter_map(|entry| match entry {
                Entry::Integer(number) => Some(i64::try_from(*number)),
                _ => None,
            });
            let whole = whole.collect::<Result<Vec<i64>, _>>()?;
            writer.typed::<Int64Type>().write_batch(&whole, None, None)?;
        }
        Some(Entry::Real(..)) => {
            let real = |entry: &Entry| if let Entry::Real(number, _) = entry { *number } else { None };
            let is_there: Vec<i16> = entries.iter().map(|entry| i16::from(real(entry).is_some())).collect();
            let numbers: Vec<f64> = entries.iter().filter_map(real).collect();
            writer.typed::<DoubleType>().write_batch(&numbers, Some(&is_there), None)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bitmill_explore::{Space, Thoroughness, sweep};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;
    use crate::workload::{Model, ModelArgs};

    #[test]
    fn points_are_read_back_as_they_were_written() {
        let text = include_str!("../../../../examples/digits_space.yaml");
        let mut space = Space::from_yaml(text).unwrap();
        space.vary.array.truncate(2);
        let model = Model::load(&ModelArgs::default()).unwrap();
        for timing_only in [false, true] {
            let thoroughness = Thoroughness { timing_only, ..Thoroughness::default() };
            let mut found = sweep(&space, &model.workload, thoroughness, &|_, _| {}).unwrap();
            if timing_only {
                found.front.clear();
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes(&found).unwrap()).unwrap();
            let file = SerializedFileReader::new(file).unwrap();
            let rows: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
            assert_eq!(rows.len(), found.points.len());
            for (index, (row, point)) in rows.iter().zip(&found.points).enumerate() {
                let fields: Vec<(&String, &Field)> = row.get_column_iter().collect();
                assert_eq!(fields.len(), COLUMNS.len() + 1);
                for (column, (heading, field)) in COLUMNS.iter().zip(&fields) {
                    assert_eq!(column.heading, heading.as_str());
                    let read = match field {
                        Field::Str(text) => Entry::Text(text.clone()),
                        Field::Long(number) => Entry::Integer(u64::try_from(*number).unwrap()),
                        Field::Double(number) => Entry::Real(Some(*number), None),
                        Field::Null => Entry::Real(None, None),
                        other => panic!("{other}"),
                    };
                    let written = match (column.entry)(point) {
                        Entry::Real(number, _) => Entry::Real(number, None),
                        entry => entry,
                    };
                    assert_eq!(read, written, "{heading}");
                }
                assert_eq!(*fields[COLUMNS.len()].1, Field::Bool(found.front.contains(&index)));
            }
        }
    }
}

//! The part of TFLite's schema that Bitmill reads. Field numbers are those of `tensorflow/lite/schema/schema.fbs`,
//! version 3.

use super::flatbuffer::{Corrupt, Read, Table};
use crate::ModelError;

/// Element type of a tensor that Bitmill knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementType {
    Float32,
    Int32,
    Uint8,
    Int64,
    Int16,
    Int8,
    /// Another, by its number in the schema.
    Other(u8),
}

impl ElementType {
    fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Float32,
            2 => Self::Int32,
            3 => Self::Uint8,
            4 => Self::Int64,
            7 => Self::Int16,
            9 => Self::Int8,
            other => Self::Other(other),
        }
    }
}

/// A tensor as the file describes it.
#[derive(Debug, Clone)]
pub(super) struct TensorInfo<'a> {
    pub name: String,
    pub dims: Vec<i32>,
    pub element: ElementType,
    /// Bytes of a constant; empty for a computed tensor.
    pub data: &'a [u8],
    pub scales: Vec<f32>,
    pub zero_points: Vec<i64>,
    /// Axis of the scales where there are several.
    pub quantized_axis: i32,
}

/// An operator: its kind, its tensors, its options.
#[derive(Debug, Clone)]
pub(super) struct OperatorInfo<'a> {
    /// Number in the schema's `BuiltinOperator`.
    pub code: i32,
    /// Indices of tensors; −1 where an optional one is absent.
    pub inputs: Vec<i32>,
    pub outputs: Vec<i32>,
    pub options: Option<Table<'a>>,
}

/// A model with one graph.
#[derive(Debug, Clone)]
pub(super) struct ModelInfo<'a> {
    pub name: String,
    pub tensors: Vec<TensorInfo<'a>>,
    pub operators: Vec<OperatorInfo<'a>>,
    pub inputs: Vec<i32>,
    pub outputs: Vec<i32>,
}

/// Reads a model's bytes.
pub(super) fn read(bytes: &[u8]) -> Result<ModelInfo<'_>, ModelError> {
    if bytes.get(4..8) != Some(b"TFL3") {
        return Err(ModelError::Model(
            "is no TFLite file: bytes 4 to 8 are not `TFL3`; is it truncated?".to_owned(),
        ));
    }
    read_model(bytes).map_err(|Corrupt { byte, problem }| ModelError::Decode {
        byte,
        length: bytes.len(),
        problem: format!("{problem}; the file is truncated or corrupt"),
    })
}

fn read_model(bytes: &[u8]) -> Read<ModelInfo<'_>> {
    let model = Table::root(bytes)?;
    let graphs = model.tables(2)?;
    let &[graph] = &graphs[..] else {
        let problem = format!("exactly one subgraph is supported, found {}", graphs.len());
        return Err(Corrupt { byte: model.byte(), problem });
    };
    let buffers = model.tables(4)?;
    let codes = model.tables(1)?.into_iter().map(operator_code).collect::<Read<Vec<i32>>>()?;
    let tensor = |table| read_tensor(table, &buffers);
    let operator = |table| read_operator(table, &codes);
    Ok(ModelInfo {
        name: graph.text(4)?,
        tensors: graph.tables(0)?.into_iter().map(tensor).collect::<Read<_>>()?,
        operators: graph.tables(3)?.into_iter().map(operator).collect::<Read<_>>()?,
        inputs: graph.i32s(1)?,
        outputs: graph.i32s(2)?,
    })
}

/// The older field holds codes up to 127, the newer one all.
fn operator_code(table: Table) -> Read<i32> {
    Ok(i32::from(table.u8(0)? as i8).max(table.i32(3, 0)?))
}

fn read_tensor<'a>(table: Table<'a>, buffers: &[Table<'a>]) -> Read<TensorInfo<'a>> {
    let buffer = table.u32(2)? as usize;
    let Some(buffer) = buffers.get(buffer) else {
        let problem = format!("a tensor names buffer {buffer} of {}", buffers.len());
        return Err(Corrupt { byte: table.byte(), problem });
    };
    let quantization = table.table(4)?;
    let (scales, zero_points, quantized_axis) = match quantization {
        Some(quantization) => (quantization.f32s(2)?, quantization.i64s(3)?, quantization.i32(6, 0)?),
        None => (vec![], vec![], 0),
    };
    Ok(TensorInfo {
        name: table.text(3)?,
        dims: table.i32s(0)?,
        element: ElementType::from_code(table.u8(1)?),
        data: buffer.bytes(0)?,
        scales,
        zero_points,
        quantized_axis,
    })
}

fn read_operator<'a>(table: Table<'a>, codes: &[i32]) -> Read<OperatorInfo<'a>> {
    let index = table.u32(0)? as usize;
    let Some(&code) = codes.get(index) else {
        let problem = format!("an operator names code {index} of {}", codes.len());
        return Err(Corrupt { byte: table.byte(), problem });
    };
    Ok(OperatorInfo { code, inputs: table.i32s(1)?, outputs: table.i32s(2)?, options: table.table(4)? })
}

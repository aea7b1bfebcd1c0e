//! Integer operators as quantized float ones: `QLinearConv` and its kin become DequantizeLinear, the float operator
//! and QuantizeLinear, which the other handlers know. Their rounding is kept: see [`Rounding`](super::Rounding).

use super::proto::{GraphProto, NodeProto};

/// Where an operator of kind `integer` has its operands: (value, scale, zero point) of each, then of the output.
struct Shape {
    integer: &'static str,
    float: &'static str,
    operands: &'static [[usize; 3]],
    output: [usize; 2],
    /// 32-bit bias, whose scale is the product of the operands'.
    bias: Option<usize>,
}

const SHAPES: &[Shape] = &[
    Shape {
        integer: "QLinearConv",
        float: "Conv",
        operands: &[[0, 1, 2], [3, 4, 5]],
        output: [6, 7],
        bias: Some(8),
    },
    Shape {
        integer: "QLinearMatMul",
        float: "MatMul",
        operands: &[[0, 1, 2], [3, 4, 5]],
        output: [6, 7],
        bias: None,
    },
    Shape {
        integer: "QGemm",
        float: "Gemm",
        operands: &[[0, 1, 2], [3, 4, 5]],
        output: [7, 8],
        bias: Some(6),
    },
    Shape {
        integer: "QLinearAdd",
        float: "Add",
        operands: &[[0, 1, 2], [3, 4, 5]],
        output: [6, 7],
        bias: None,
    },
    Shape {
        integer: "QLinearMul",
        float: "Mul",
        operands: &[[0, 1, 2], [3, 4, 5]],
        output: [6, 7],
        bias: None,
    },
    Shape {
        integer: "QLinearGlobalAveragePool",
        float: "GlobalAveragePool",
        operands: &[[0, 1, 2]],
        output: [3, 4],
        bias: None,
    },
];

/// Whether the graph has integer operators.
pub(super) fn is_integer(graph: &GraphProto) -> bool {
    graph.node.iter().any(|node| SHAPES.iter().any(|shape| shape.integer == node.op_type))
}

/// The graph with its integer operators replaced.
pub(super) fn expanded(graph: &GraphProto) -> GraphProto {
    let expand = |node: &NodeProto| match SHAPES.iter().find(|shape| shape.integer == node.op_type) {
        Some(shape) => expand(node, shape),
        None => vec![node.clone()],
    };
    GraphProto { node: graph.node.iter().flat_map(expand).collect(), ..graph.clone() }
}

fn expand(node: &NodeProto, shape: &Shape) -> Vec<NodeProto> {
    let own = node.output.first().cloned().unwrap_or_default();
    let at = |index: usize| node.input.get(index).cloned().unwrap_or_default();
    let made = |op_type: &str, input: Vec<String>, output: &str| NodeProto {
        input,
        output: vec![output.to_owned()],
        name: format!("{}_{op_type}", if node.name.is_empty() { &own } else { &node.name }),
        op_type: op_type.to_owned(),
        ..NodeProto::default()
    };
    let mut nodes = Vec::new();
    let mut inputs = Vec::new();
    for (place, &[value, scale, zero_point]) in shape.operands.iter().enumerate() {
        let name = format!("{own}/operand_{place}");
        let mut dequantize = made("DequantizeLinear", vec![at(value), at(scale), at(zero_point)], &name);
        dequantize.name.push_str(&place.to_string());
        // Weights have their scales along their first axis; those of a MatMul, and an untransposed Gemm, along
        // the last.
        let is_transposed =
            node.attribute.iter().any(|attribute| attribute.name == "transB" && attribute.i == Some(1));
        let axis = if shape.float == "Conv" || is_transposed { 0 } else { 1 };
        dequantize.attribute.push(super::proto::AttributeProto {
            name: "axis".to_owned(),
            i: Some(axis),
            ..Default::default()
        });
        nodes.push(dequantize);
        inputs.push(name);
    }
    if let Some(bias) = shape.bias.map(at).filter(|name| !name.is_empty()) {
        let name = format!("{own}/bias");
        let scales = [1, 4].map(at);
        nodes.push(made("Mul", scales.to_vec(), &format!("{name}_scale")));
        let mut dequantize = made("DequantizeLinear", vec![bias, format!("{name}_scale")], &name);
        dequantize.name.push_str("_bias");
        dequantize.attribute.push(super::proto::AttributeProto {
            name: "axis".to_owned(),
            i: Some(0),
            ..Default::default()
        });
        nodes.push(dequantize);
        inputs.push(name);
    }
    let float = format!("{own}/float");
    let operation = made(shape.float, inputs, &float);
    nodes.push(NodeProto { attribute: node.attribute.clone(), name: node.name.clone(), ..operation });
    let [scale, zero_point] = shape.output.map(at);
    nodes.push(made("QuantizeLinear", vec![float, scale, zero_point], &own));
    nodes
}

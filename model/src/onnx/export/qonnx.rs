//! What QONNX writes otherwise than QDQ: one node quantizes and dequantizes, to any width.
//!
//! Source: the operator definitions of github.com/fastmachinelearning/qonnx, docs/qonnx-custom-ops.

use super::{Writer, integer};
use crate::ModelError;
use crate::network::{Layer, TensorId};
use crate::onnx::proto::AttributeProto;
use crate::quantized::{ActivationFormat, QuantizedLayer};

/// The domain of QONNX's operators, and its version.
pub(super) const DOMAIN: (&str, i64) = ("qonnx.custom_op.general", 1);

impl Writer<'_> {
    /// Rounds the real tensor called `real` to the numbers of tensor `id`.
    pub(super) fn quant_activation(&mut self, id: TensorId, real: &str) -> Result<(), ModelError> {
        let quantization = self.network.quantization(id);
        let (name, back) = (self.names[id.index()].clone(), self.dequantized(id));
        let scale = quantization.scale as f32;
        if quantization.is_binary() {
            self.bipolar_quant(real, (&[], &[scale]), &back);
            return Ok(());
        }
        let (least, most) = (quantization.min(), quantization.max());
        let bits = (2..=16).find(|&bits| (least, most) == signed(bits) || (least, most) == unsigned(bits));
        let bits =
            bits.filter(|_| quantization.format.float().is_none() && quantization.format.block().is_none());
        let bits = bits.ok_or_else(|| {
            let found = quantization.format.name();
            ModelError::layer(&name, format!("QONNX holds activations of whole numbers, found {found}"))
        })?;
        self.quant(real, (&[], &[scale]), (quantization.zero_point, bits, least < 0), &back);
        Ok(())
    }

    /// The weights of a layer called `name`, and its biases, which are real numbers; returns the names of what is read.
    pub(super) fn quant_weights(
        &mut self,
        index: usize,
        layer: &Layer,
        parameters: &QuantizedLayer,
        source_scale: f32,
    ) -> Result<[String; 2], String> {
        let name = self.names[layer.output.index()].clone();
        let [weights, rounded, bias] =
            ["weights", "weights_dequantized", "bias"].map(|what| format!("{name}_{what}"));
        let bits = parameters.weight_format.whole_bits().ok_or_else(|| {
            format!("QONNX files hold weights that are whole numbers, found {}", parameters.weight_format)
        })?;
        let (scales, biases) = self.affine(index, layer)?;
        let (dims, ordered) = self.ordered_weights(layer, &parameters.weights);
        let row = ordered.len() / scales.len();
        let reals: Vec<f32> =
            ordered.iter().enumerate().map(|(place, &weight)| weight as f32 * scales[place / row]).collect();
        self.floats(&weights, &dims, &reals);
        // Scales stand along the output channels, the first axis.
        let mut along = vec![1; dims.len()];
        along[0] = scales.len();
        if *parameters.weight_format.format() == ActivationFormat::Binary.name() {
            self.bipolar_quant(&weights, (&along, &scales), &rounded);
        } else {
            self.quant(&weights, (&along, &scales), (0, bits.into(), true), &rounded);
        }
        let real = |(bias, scale): (&i32, &f32)| *bias as f32 * (scale * source_scale);
        let reals: Vec<f32> = biases.iter().zip(&scales).map(real).collect();
        self.floats(&bias, &[reals.len()], &reals);
        Ok([rounded, bias])
    }

    /// `Quant`: a scale for all or along an axis; zero point, bits and whether numbers are signed.
    fn quant(
        &mut self,
        input: &str,
        (dims, scales): (&[usize], &[f32]),
        (zero_point, bits, is_signed): (i32, u32, bool),
        output: &str,
    ) {
        let [scale, zero, width] = ["scale", "zero_point", "bits"].map(|what| format!("{output}_{what}"));
        self.floats(&scale, dims, scales);
        self.floats(&zero, &[], &[zero_point as f32]);
        self.floats(&width, &[], &[bits as f32]);
        let rounding = AttributeProto {
            name: "rounding_mode".to_owned(),
            s: Some(b"ROUND".to_vec()),
            r#type: 3,
            ..Default::default()
        };
        let attributes = vec![integer("signed", is_signed.into()), integer("narrow", 0), rounding];
        self.push_in(DOMAIN.0, "Quant", &[input, &scale, &zero, &width], output, attributes);
    }

    fn bipolar_quant(&mut self, input: &str, (dims, scales): (&[usize], &[f32]), output: &str) {
        let scale = format!("{output}_scale");
        self.floats(&scale, dims, scales);
        self.push_in(DOMAIN.0, "BipolarQuant", &[input, &scale], output, Vec::new());
    }
}

fn signed(bits: u32) -> (i32, i32) {
    (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
}

fn unsigned(bits: u32) -> (i32, i32) {
    (0, (1 << bits) - 1)
}

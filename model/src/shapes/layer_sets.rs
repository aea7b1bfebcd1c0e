//! Built-in sets of layers: the multiply-accumulates of well-known networks, batch 1, weights and attention
//! products. Layers without sums (pooling, normalization, softmax, additions) are left out.

use super::ShapeLayer;
use crate::network::Operation;
use crate::shape::{Padding, Shape, Window};

/// A named set.
#[derive(Debug, Clone, Copy)]
pub struct LayerSet {
    /// Name on the command line.
    pub name: &'static str,
    /// What it is, with its source.
    pub summary: &'static str,
    /// Makes its layers.
    pub layers: fn() -> Vec<ShapeLayer>,
}

/// Every set.
pub const LAYER_SETS: &[LayerSet] = &[
    LayerSet {
        name: "resnet18_cifar",
        summary: "ResNet-18 on 32x32, its first convolution 3x3 without pooling, 10 classes (He et al., 2016)",
        layers: resnet18_cifar,
    },
    LayerSet {
        name: "resnet50",
        summary: "ResNet-50 v1.5 on 224x224 (He et al., 2016; the stride in the 3x3 convolution)",
        layers: resnet50,
    },
    LayerSet {
        name: "mobilenet_v2",
        summary: "MobileNetV2 1.0 on 224x224 (Sandler et al., 2018)",
        layers: mobilenet_v2,
    },
    LayerSet {
        name: "vit_b_16",
        summary: "ViT-B/16 on 224x224, 197 tokens (Dosovitskiy et al., 2021)",
        layers: vit_b_16,
    },
    LayerSet {
        name: "llama2_7b_prefill",
        summary: "Llama-2-7B reading 256 tokens (Touvron et al., 2023)",
        layers: || llama2_7b(256, 256),
    },
    LayerSet {
        name: "llama2_7b_decode",
        summary: "Llama-2-7B writing one token behind 256",
        layers: || llama2_7b(1, 257),
    },
];

/// A square convolution padded so that stride 1 keeps the size.
fn convolution(name: String, input: Shape, kernel: usize, stride: usize, out_channels: usize) -> ShapeLayer {
    let padding = Padding::same(kernel / 2);
    let window = Window { padding, ..Window::square(kernel).with_stride(stride) };
    let operation = Operation::Convolution { window, out_channels, groups: 1 };
    ShapeLayer { name, input, operation, repeats: 1 }
}

fn fully_connected(name: &str, features: usize, out_features: usize) -> ShapeLayer {
    let operation = Operation::FullyConnected { out_features };
    ShapeLayer { name: name.to_owned(), input: Shape::vector(features), operation, repeats: 1 }
}

fn resnet18_cifar() -> Vec<ShapeLayer> {
    let mut layers = vec![convolution("conv1".to_owned(), Shape::new(32, 32, 3), 3, 1, 64)];
    let (mut size, mut channels) = (32, 64);
    for (stage, width) in [64, 128, 256, 512].into_iter().enumerate() {
        for block in 0..2 {
            let name = |part: &str| format!("conv{}_{}_{part}", stage + 2, block + 1);
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            let input = Shape::new(size, size, channels);
            layers.push(convolution(name("a"), input, 3, stride, width));
            if stride > 1 {
                layers.push(convolution(name("shortcut"), input, 1, stride, width));
            }
            size /= stride;
            layers.push(convolution(name("b"), Shape::new(size, size, width), 3, 1, width));
            channels = width;
        }
    }
    layers.push(fully_connected("fc", 512, 10));
    layers
}

fn resnet50() -> Vec<ShapeLayer> {
    let mut layers = vec![convolution("conv1".to_owned(), Shape::new(224, 224, 3), 7, 2, 64)];
    let (mut size, mut channels) = (56, 64);
    for (stage, (blocks, width)) in [(3, 64), (4, 128), (6, 256), (3, 512)].into_iter().enumerate() {
        for block in 0..blocks {
            let name = |part: &str| format!("conv{}_{}_{part}", stage + 2, block + 1);
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            let input = Shape::new(size, size, channels);
            layers.push(convolution(name("1x1a"), input, 1, 1, width));
            layers.push(convolution(name("3x3"), Shape::new(size, size, width), 3, stride, width));
            if block == 0 {
                layers.push(convolution(name("shortcut"), input, 1, stride, 4 * width));
            }
            size /= stride;
            layers.push(convolution(name("1x1b"), Shape::new(size, size, width), 1, 1, 4 * width));
            channels = 4 * width;
        }
    }
    layers.push(fully_connected("fc", 2048, 1000));
    layers
}

fn mobilenet_v2() -> Vec<ShapeLayer> {
    let mut layers = vec![convolution("conv1".to_owned(), Shape::new(224, 224, 3), 3, 2, 32)];
    let (mut size, mut channels) = (112, 32);
    // Expansion, output channels, repeats, stride: table 2 of the paper.
    const BLOCKS: [(usize, usize, usize, usize); 7] = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ];
    for (group, (expansion, outputs, repeats, first_stride)) in BLOCKS.into_iter().enumerate() {
        for repeat in 0..repeats {
            let name = |part: &str| format!("block{}_{}_{part}", group + 1, repeat + 1);
            let stride = if repeat == 0 { first_stride } else { 1 };
            let inner = expansion * channels;
            if expansion > 1 {
                layers.push(convolution(name("expand"), Shape::new(size, size, channels), 1, 1, inner));
            }
            let window = Window::square(3).with_stride(stride).with_padding(1);
            let input = Shape::new(size, size, inner);
            let operation = Operation::Depthwise { window };
            layers.push(ShapeLayer { name: name("depthwise"), input, operation, repeats: 1 });
            size /= stride;
            layers.push(convolution(name("project"), Shape::new(size, size, inner), 1, 1, outputs));
            channels = outputs;
        }
    }
    layers.push(convolution("conv_last".to_owned(), Shape::new(size, size, channels), 1, 1, 1280));
    layers.push(fully_connected("fc", 1280, 1000));
    layers
}

fn vit_b_16() -> Vec<ShapeLayer> {
    const TOKENS: usize = 197;
    const WIDTH: usize = 768;
    let (heads, depth) = (12, 12);
    let patches =
        Operation::Convolution { window: Window::square(16).with_stride(16), out_channels: WIDTH, groups: 1 };
    let input = Shape::new(224, 224, 3);
    vec![
        ShapeLayer { name: "patch_embedding".to_owned(), input, operation: patches, repeats: 1 },
        ShapeLayer::matrix("qkv", [TOKENS, WIDTH, 3 * WIDTH], depth),
        ShapeLayer::matrix("attention_scores", [TOKENS, WIDTH / heads, TOKENS], heads * depth),
        ShapeLayer::matrix("attention_values", [TOKENS, TOKENS, WIDTH / heads], heads * depth),
        ShapeLayer::matrix("attention_output", [TOKENS, WIDTH, WIDTH], depth),
        ShapeLayer::matrix("mlp_up", [TOKENS, WIDTH, 4 * WIDTH], depth),
        ShapeLayer::matrix("mlp_down", [TOKENS, 4 * WIDTH, WIDTH], depth),
        fully_connected("head", WIDTH, 1000),
    ]
}

/// `tokens` new ones that attend to `context` in all. The last token alone is classified.
fn llama2_7b(tokens: usize, context: usize) -> Vec<ShapeLayer> {
    const WIDTH: usize = 4096;
    const HIDDEN: usize = 11_008;
    let (heads, depth) = (32, 32);
    vec![
        ShapeLayer::matrix("q_k_v_o", [tokens, WIDTH, WIDTH], 4 * depth),
        ShapeLayer::matrix("attention_scores", [tokens, WIDTH / heads, context], heads * depth),
        ShapeLayer::matrix("attention_values", [tokens, context, WIDTH / heads], heads * depth),
        ShapeLayer::matrix("gate_up", [tokens, WIDTH, HIDDEN], 2 * depth),
        ShapeLayer::matrix("down", [tokens, HIDDEN, WIDTH], depth),
        ShapeLayer::matrix("lm_head", [1, WIDTH, 32_000], 1),
    ]
}

#[cfg(test)]
mod tests {
    use bitmill_formats::Multiplication;

    use super::*;
    use crate::{ActivationFormat, WeightFormat};

    fn macs(name: &str) -> u64 {
        let set = LAYER_SETS.iter().find(|set| set.name == name).expect("a set");
        (set.layers)().iter().map(|layer| layer.macs().expect("legal shapes")).sum()
    }

    #[test]
    fn the_sets_have_the_published_work() {
        // torchvision's figures, which count convolutions and linear layers: 4.089, 0.301 GMAC; ViT by hand,
        // its attention products being 2·12·197²·768.
        assert_eq!(macs("resnet18_cifar"), 555_422_720);
        assert_eq!(macs("resnet50"), 4_089_184_256);
        assert_eq!(macs("mobilenet_v2"), 300_774_272);
        assert_eq!(macs("vit_b_16"), 16_848_500_736 + 12 * 2 * 197 * 197 * 768);
        // 6.607 G weights are each used once a token, and keys and values of 257 tokens.
        let weights = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11_008) + 32_000 * 4096;
        assert_eq!(macs("llama2_7b_decode"), weights + 32 * 2 * 257 * 4096);
        assert_eq!(
            macs("llama2_7b_prefill"),
            256 * (weights - 32_000 * 4096) + 32_000 * 4096 + 32 * 2 * 256 * 256 * 4096
        );
    }

    #[test]
    fn every_small_layer_becomes_a_network() {
        let int8 = ActivationFormat::signed(8).expect("int8 is legal");
        for set in LAYER_SETS {
            for layer in (set.layers)() {
                if layer.operation.weight_count(layer.input) < 100_000 {
                    let network = layer
                        .placeholder(int8, WeightFormat::lane(), Multiplication::EXACT)
                        .expect("legal parameters");
                    assert_eq!(network.graph().layers().len(), 1);
                }
            }
        }
    }
}

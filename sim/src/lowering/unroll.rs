//! Unrolls the rows of the first convolution's kernel into channels, where a word has room for them.
//!
//! An input of one or three channels leaves most of a word idle. The host, which packs the input anyway, puts the
//! positions that a kernel row covers side by side: at every output column, `kernel width × channels` channels.
//! The kernel is then one column wide, and the order of its weights stays the same:
//! `[output channels][kernel height][kernel width · channels]`.

use bitmill_accelerator::Accelerator;
use bitmill_model::{Extent, Network, Operation, Padding, QuantizedNetwork, Shape, Tensor, TensorId, Window};

use super::allocate::word_that_holds;

/// How the host unrolls an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unrolling {
    source: Shape,
    window: Window,
    output_width: usize,
    /// The integer outside the input.
    pad_value: i32,
}

impl Unrolling {
    /// Shape of the unrolled input.
    pub fn shape(&self) -> Shape {
        let channels = self.window.kernel.width * self.source.channels;
        Shape::new(self.source.height, self.output_width, channels)
    }

    /// The unrolled input.
    pub fn apply(&self, input: &[i32]) -> Vec<i32> {
        let Unrolling { source, window, output_width, pad_value } = *self;
        let mut unrolled = Vec::with_capacity(self.shape().elements());
        for y in 0..source.height {
            for column in 0..output_width {
                for tap in 0..window.kernel.width {
                    let x = (column * window.stride.width + tap * window.dilation.width)
                        .checked_sub(window.padding.left)
                        .filter(|x| *x < source.width);
                    unrolled.extend((0..source.channels).map(|channel| match x {
                        Some(x) => input[(y * source.width + x) * source.channels + channel],
                        None => pad_value,
                    }));
                }
            }
        }
        unrolled
    }
}

/// The same network on an unrolled input; `None` where the first layer is no convolution whose kernel rows fit a
/// word, or where others read the input too.
///
/// # Panics
/// Only on our own bugs: the unrolled network is as legal as `network`.
pub(super) fn unroll(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
) -> Option<(QuantizedNetwork, Unrolling)> {
    const LEGAL: &str = "the unrolled network is as legal as the network";
    let (unrolling, window) = unrolling(accelerator, network)?;
    let graph = network.graph();
    let name = graph.tensor(TensorId::INPUT).name.clone();
    let mut unrolled = Network::new(graph.name(), Tensor { name, shape: unrolling.shape() }).expect(LEGAL);
    for (index, layer) in graph.layers().iter().enumerate() {
        let operation = match index {
            0 => {
                Operation::Convolution { window, out_channels: graph.shape(layer.output).channels, groups: 1 }
            }
            _ => layer.operation,
        };
        unrolled.push(layer.name.clone(), operation, layer.inputs.clone()).expect(LEGAL);
    }
    let tensors = [TensorId::INPUT].into_iter().chain(graph.layers().iter().map(|layer| layer.output));
    let quantizations = tensors.map(|id| network.quantization(id)).collect();
    let network = QuantizedNetwork::new(unrolled, quantizations, network.layers().to_vec()).expect(LEGAL);
    Some((network, unrolling))
}

/// How the input is unrolled, and the window over it.
fn unrolling(accelerator: &Accelerator, network: &QuantizedNetwork) -> Option<(Unrolling, Window)> {
    let graph = network.graph();
    let first = graph.layers().first()?;
    let Operation::Convolution { window, groups: 1, .. } = first.operation else { return None };
    let readers = graph.layers().iter().filter(|layer| layer.inputs.contains(&TensorId::INPUT)).count();
    let source = graph.shape(TensorId::INPUT);
    let quantization = network.quantization(TensorId::INPUT);
    let word = word_that_holds(accelerator, &quantization.format.name())?;
    let pad_value = quantization.zero_point;
    // Blocks and groups are those of the network's channels.
    let is_grouped = network.layers()[0].weight_format.grouped().is_some();
    let fits = word.block.is_none()
        && !is_grouped
        && window.kernel.width * source.channels <= word.channels as usize;
    let pads = window.padding.left + window.padding.right > 0;
    let has_padding = !pads || word.value(word.code(pad_value)) == pad_value;
    let is_plain = window.input_dilation == Extent::square(1);
    if readers != 1 || window.kernel.width == 1 || !fits || !has_padding || !is_plain {
        return None;
    }
    let output_width = graph.shape(first.output).width;
    let column = |extent: Extent| Extent { width: 1, ..extent };
    let unrolled = Window {
        kernel: column(window.kernel),
        stride: column(window.stride),
        dilation: column(window.dilation),
        padding: Padding { left: 0, right: 0, ..window.padding },
        input_dilation: window.input_dilation,
    };
    Some((Unrolling { source, window, output_width, pad_value }, unrolled))
}

#[cfg(test)]
mod tests {
    use bitmill_accelerator::{Accelerator, Configuration};
    use bitmill_model::{
        ActivationFormat, Arithmetic, Extent, Multiplier, Network, Operation, Padding, Quantization,
        QuantizedLayer, QuantizedNetwork, Requantization, Shape, Tensor, TensorId, WeightFormat, Window,
    };

    use super::unroll;

    fn accelerator(lanes: u32) -> Accelerator {
        let yaml = format!(
            "name: t\nprecision: {{activations: int8, weights: int8}}\npe: {{kind: integer, lanes: {lanes}}}\n\
             array: {{rows: 4, columns: 16}}\nscratchpads: {{activations_kib: 16, weights_kib: 16}}\n\
             memory: {{width_bits: 128}}\n"
        );
        Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal")
    }

    /// One convolution over 7 × 9 positions.
    fn network(channels: usize, window: Window) -> QuantizedNetwork {
        let shape = Shape::new(7, 9, channels);
        let mut graph = Network::new("n", Tensor { name: "x".to_owned(), shape }).expect("a legal shape");
        let operation = Operation::Convolution { window, out_channels: 5, groups: 1 };
        graph.push("conv", operation, vec![TensorId::INPUT]).expect("a legal window");
        let format = ActivationFormat::signed(8).expect("a legal width");
        let quantization = |zero_point| Quantization { format, scale: 0.5, zero_point };
        let weights = 5 * window.kernel.area() * channels;
        let layer = QuantizedLayer {
            weight_format: WeightFormat::lane(),
            weights: (0..weights as i16).map(|i| (i * 23 + 7) % 127 - 60).collect(),
            bias: vec![3; 5],
            multipliers: vec![Multiplier::nearest(0.004).expect("a legal factor"); 5],
            requantization: Requantization::DyadicHalfUp,
            input_multipliers: Vec::new(),
            arithmetic: Arithmetic::default(),
            offset: -3,
            low: -128,
            high: 127,
        };
        QuantizedNetwork::new(graph, vec![quantization(11), quantization(-3)], vec![layer]).expect("legal")
    }

    #[test]
    fn an_unrolled_network_has_the_same_output() {
        let wide = Extent { height: 2, width: 3 };
        let padding = Padding { top: 1, bottom: 0, left: 2, right: 1 };
        for (channels, lanes, window) in [
            (1, 4, Window::square(3)),
            (2, 8, Window { kernel: wide, padding, ..Window::square(1) }),
            (1, 4, Window { kernel: wide, stride: Extent::square(2), padding, ..Window::square(1) }),
            (3, 16, Window { kernel: wide, dilation: Extent { height: 1, width: 3 }, ..Window::square(1) }),
        ] {
            let network = network(channels, window);
            let (unrolled, unrolling) = unroll(&accelerator(lanes), &network).expect("it fits a word");
            let input: Vec<i32> = (0..63 * channels as i32).map(|i| i * 37 % 251 - 125).collect();
            let [before, after] = [network.run(&input), unrolled.run(&unrolling.apply(&input))]
                .map(|tensors| tensors.expect("the input fits").pop().expect("an output"));
            assert_eq!(before, after, "{window:?}");
        }
    }

    #[test]
    fn what_does_not_fit_a_word_stays_as_it_is() {
        for (channels, window) in [(3, Window::square(3)), (1, Window::square(1))] {
            assert!(unroll(&accelerator(4), &network(channels, window)).is_none());
        }
    }
}

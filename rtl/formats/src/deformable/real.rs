//! Deformable convolution in real numbers, as the ONNX operator DeformConv (opset 19) defines it: the golden of
//! networks before they are quantized.
//!
//! Tensors are in ONNX's order, channels before rows. Pixels outside the image are 0.

/// Rows and columns.
pub type Pair = [usize; 2];

/// The sizes and attributes of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layer {
    /// Images.
    pub images: usize,
    /// Input channels.
    pub channels: usize,
    /// Output channels.
    pub outputs: usize,
    /// Rows and columns of the input.
    pub size: Pair,
    /// Rows and columns of the kernel.
    pub kernel: Pair,
    /// Attribute `strides`.
    pub strides: Pair,
    /// Attribute `dilations`.
    pub dilations: Pair,
    /// The first two of the attribute `pads`: above, to the left.
    pub pads_before: Pair,
    /// Its last two: below, to the right.
    pub pads_after: Pair,
    /// Attribute `group`.
    pub groups: usize,
    /// Attribute `offset_group`.
    pub offset_groups: usize,
}

/// The inputs of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'i> {
    /// Images, channels, rows, columns.
    pub x: &'i [f64],
    /// Output channels, input channels of a group, rows, columns.
    pub weights: &'i [f64],
    /// Images, then for each offset group and tap a row and a column offset, rows, columns.
    pub offsets: &'i [f64],
    /// A number for each output channel.
    pub bias: Option<&'i [f64]>,
    /// Images, then for each offset group and tap a factor, rows, columns.
    pub mask: Option<&'i [f64]>,
}

impl Layer {
    /// Rows and columns of the output.
    pub fn output_size(&self) -> Pair {
        std::array::from_fn(|axis| {
            let padded = self.size[axis] + self.pads_before[axis] + self.pads_after[axis];
            (padded - self.dilations[axis] * (self.kernel[axis] - 1) - 1) / self.strides[axis] + 1
        })
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// What a tap reads of `channel` of `image` for the output pixel `at`; of the inputs neither weights nor bias count.
    pub fn sample(&self, inputs: &Inputs, image: usize, channel: usize, tap: usize, at: Pair) -> f64 {
        let [height, width] = self.output_size();
        let group = channel / (self.channels / self.offset_groups);
        let place = at[0] * width + at[1];
        let plane = |plane: usize| plane * height * width + place;
        let first = (image * self.offset_groups + group) * self.taps() + tap;
        let kernel = [tap / self.kernel[1], tap % self.kernel[1]];
        let position: [f64; 2] = std::array::from_fn(|axis| {
            let regular = at[axis] * self.strides[axis] + kernel[axis] * self.dilations[axis];
            regular as f64 - self.pads_before[axis] as f64 + inputs.offsets[plane(2 * first + axis)]
        });
        let plane_of_x = &inputs.x[(image * self.channels + channel) * self.size[0] * self.size[1]..];
        let mask = inputs.mask.map_or(1.0, |mask| mask[plane(first)]);
        mask * self.interpolate(plane_of_x, position)
    }

    /// The weighted mean of the four pixels around `position`.
    fn interpolate(&self, plane: &[f64], position: [f64; 2]) -> f64 {
        let whole = position.map(f64::floor);
        let weight = |axis: usize, corner: usize| {
            let fraction = position[axis] - whole[axis];
            if corner == 0 { 1.0 - fraction } else { fraction }
        };
        let inside = |axis: usize, corner: usize| {
            let index = whole[axis] + corner as f64;
            (0.0..self.size[axis] as f64).contains(&index).then_some(index as usize)
        };
        let corners = [[0, 0], [0, 1], [1, 0], [1, 1]].into_iter();
        corners
            .filter_map(|[row, column]| {
                let at = inside(0, row)? * self.size[1] + inside(1, column)?;
                Some(weight(0, row) * weight(1, column) * plane[at])
            })
            .sum()
    }

    /// The output: images, output channels, rows, columns.
    pub fn convolve(&self, inputs: &Inputs) -> Vec<f64> {
        let [height, width] = self.output_size();
        let (inputs_of_group, outputs_of_group) = (self.channels / self.groups, self.outputs / self.groups);
        let mut result = Vec::with_capacity(self.images * self.outputs * height * width);
        for (image, output) in (0..self.images).flat_map(|i| (0..self.outputs).map(move |o| (i, o))) {
            let first = output / outputs_of_group * inputs_of_group;
            let kernels = &inputs.weights[output * inputs_of_group * self.taps()..];
            for at in (0..height).flat_map(|row| (0..width).map(move |column| [row, column])) {
                let products = (0..inputs_of_group * self.taps()).map(|index| {
                    let (channel, tap) = (first + index / self.taps(), index % self.taps());
                    kernels[index] * self.sample(inputs, image, channel, tap, at)
                });
                result.push(inputs.bias.map_or(0.0, |bias| bias[output]) + products.sum::<f64>());
            }
        }
        result
    }
}

//! What becomes of the channels that a matrix reads, before it multiplies them: another order, then a rotation.

use super::Rotation;

/// An order and a rotation of channels; by default neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputTransform {
    /// The channel that stands at each place; empty where channels stay where they are.
    order: Vec<usize>,
    rotation: Option<Rotation>,
}

impl InputTransform {
    /// Puts `order[n]` at place `n`, then rotates. An empty order moves nothing.
    pub(super) fn new(order: Vec<usize>, rotation: Option<Rotation>) -> InputTransform {
        InputTransform { order, rotation }
    }

    /// Whether channels stay what they are.
    pub fn is_none(&self) -> bool {
        *self == InputTransform::default()
    }

    /// The channels of one position, as the matrix multiplies them.
    pub fn apply(&self, channels: &mut [f32]) {
        if !self.order.is_empty() {
            let old = channels.to_vec();
            self.order.iter().zip(&mut *channels).for_each(|(&from, value)| *value = old[from]);
        }
        if let Some(rotation) = self.rotation {
            rotation.apply(channels);
        }
    }

    /// Takes [`InputTransform::apply`] back.
    pub fn undo(&self, channels: &mut [f32]) {
        if let Some(rotation) = self.rotation {
            rotation.apply(channels);
        }
        if !self.order.is_empty() {
            let old = channels.to_vec();
            self.order.iter().zip(old).for_each(|(&to, value)| channels[to] = value);
        }
    }

    /// The second moments of transformed channels, from those of the channels.
    pub(super) fn of_moments(&self, moments: &[f64], channels: usize) -> Vec<f64> {
        if self.is_none() {
            return moments.to_vec();
        }
        let side = |rows: &[f64]| -> Vec<f64> {
            let mut transposed = vec![0.0; rows.len()];
            for (at, row) in rows.chunks_exact(channels).enumerate() {
                let mut row: Vec<f32> = row.iter().map(|&moment| moment as f32).collect();
                self.apply(&mut row);
                row.iter().enumerate().for_each(|(to, &m)| transposed[to * channels + at] = m.into());
            }
            transposed
        };
        side(&side(moments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_can_be_undone() {
        let rotation = Some(Rotation::new(4).unwrap());
        let values = [5.0f32, -1.0, 2.0, 0.5, 8.0];
        for rotation in [None, rotation] {
            for order in [vec![], vec![4, 2, 0, 1, 3]] {
                let transform = InputTransform::new(order.clone(), rotation);
                let mut changed = values;
                transform.apply(&mut changed);
                assert!(rotation.is_some() || order.is_empty() || changed == [8.0, 2.0, 5.0, -1.0, 0.5]);
                transform.undo(&mut changed);
                assert_eq!(changed, values);
            }
        }
    }

    #[test]
    fn moments_follow_the_channels() {
        let transform = InputTransform::new(vec![2, 0, 1], Some(Rotation::new(2).unwrap()));
        let outer = |x: &[f32]| -> Vec<f64> {
            x.iter().flat_map(|a| x.iter().map(move |b| f64::from(a * b))).collect()
        };
        let mut x = [1.0, -2.0, 3.0];
        let moments = transform.of_moments(&outer(&x), 3);
        transform.apply(&mut x);
        for (a, b) in moments.iter().zip(outer(&x)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}

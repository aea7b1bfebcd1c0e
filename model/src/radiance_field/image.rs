//! Images of red, green and blue, and how far apart two of them are.

/// An image, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Columns and rows.
    pub size: [usize; 2],
    /// Red, green and blue.
    pub pixels: Vec<[u8; 3]>,
}

/// Peak signal-to-noise ratio of two images of one size, in decibels: infinite where they are equal.
///
/// # Panics
/// For images of different sizes.
pub fn psnr(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.size, b.size, "images of one size");
    let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let sum: f64 = a.pixels.as_flattened().iter().zip(b.pixels.as_flattened()).map(square).sum();
    10.0 * (255f64.powi(2) * (3 * a.pixels.len()) as f64 / sum).log10()
}

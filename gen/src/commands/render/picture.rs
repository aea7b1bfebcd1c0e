//! PNG files: images written, one or several as an animation, and read.

use std::error::Error;
use std::io::Cursor;

use bitmill_model::radiance_field::RgbImage;

/// Frames of an animation a second.
const FRAMES_A_SECOND: u16 = 12;

/// The bytes of a PNG file: of one image, or of an animation that goes on for ever. Images are of one size.
pub fn write(images: &[&RgbImage]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    let [width, height] = images[0].size;
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    if images.len() > 1 {
        encoder.set_animated(images.len() as u32, 0)?;
        encoder.set_frame_delay(1, FRAMES_A_SECOND)?;
    }
    let mut writer = encoder.write_header()?;
    for image in images {
        writer.write_image_data(image.pixels.as_flattened())?;
    }
    writer.finish()?;
    Ok(bytes)
}

/// The image in a PNG file, transparent parts as they are under it; of an animation the first.
pub fn read(bytes: &[u8]) -> Result<RgbImage, String> {
    let failed = |error: png::DecodingError| error.to_string();
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(failed)?;
    let length = reader.output_buffer_size().ok_or("the image is too large")?;
    let mut data = vec![0; length];
    let frame = reader.next_frame(&mut data).map_err(failed)?;
    let samples = frame.color_type.samples();
    let colour = |pixel: &[u8]| match pixel {
        [red, green, blue, ..] => [*red, *green, *blue],
        grey => [grey[0]; 3],
    };
    let pixels = data[..frame.buffer_size()].chunks(samples).map(colour).collect();
    Ok(RgbImage { size: [frame.width as usize, frame.height as usize], pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_read_as_they_were_written() {
        let image = |first| RgbImage { size: [2, 1], pixels: vec![[first, 2, 3], [4, 5, 6]] };
        let one = write(&[&image(1)]).expect("a file");
        assert_eq!(read(&one), Ok(image(1)));
        let two = write(&[&image(7), &image(1)]).expect("an animation");
        assert_eq!(read(&two), Ok(image(7)));
        assert!(two.windows(4).any(|chunk| chunk == b"acTL"));
        assert!(read(&one[..one.len() / 2]).is_err());
    }
}

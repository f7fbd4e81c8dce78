//! A drawing as PNG, with two dots a pixel.
//!
//! Knows no charts. It is painted on a finer grid and averaged, because plotters smooths text and
//! circles but not the edges of thick lines.

use anyhow::{Context, Result};
use plotters::backend::{BitMapBackend, RGBPixel};
use plotters::prelude::IntoDrawingArea;

use super::drawing::Drawing;
use super::paint::{Medium, grid_size, paint};
use super::{encode, text};

/// plotters gives ab_glyph the size as it is and puts the baseline at half of it.
const MEDIUM: Medium = Medium { em: text::EM, baseline: text::EM / 2.0, pieces: true };

/// The drawing as a whole PNG file.
///
/// # Errors
/// When plotters fails to paint it.
pub fn png(drawing: &Drawing) -> Result<Vec<u8>> {
    let (wide, high) = grid_size(drawing);
    let mut pixels = vec![0; wide as usize * high as usize * 3];
    {
        let backend = BitMapBackend::<RGBPixel>::with_buffer_and_format(&mut pixels, (wide, high));
        paint(&backend.context("no room for the picture")?.into_drawing_area(), drawing, MEDIUM)?;
    }
    Ok(encode::rgb(wide / 2, high / 2, &halved(&pixels, wide as usize)))
}

/// Every two by two pixels averaged into one; `wide` is the width before, in pixels.
fn halved(pixels: &[u8], wide: usize) -> Vec<u8> {
    let row = wide * 3;
    let mut out = Vec::with_capacity(pixels.len() / 4);
    for pair in pixels.chunks_exact(row * 2) {
        let (upper, lower) = pair.split_at(row);
        for (upper, lower) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            if let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (upper, lower) {
                out.extend([average([a, d, g, j]), average([b, e, h, k]), average([c, f, i, l])]);
            }
        }
    }
    out
}

#[expect(clippy::cast_possible_truncation, reason = "the mean of bytes is a byte")]
fn average(four: [&u8; 4]) -> u8 {
    ((four.into_iter().map(|v| u16::from(*v)).sum::<u16>() + 2) / 4) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_pixels_become_their_mean() {
        let pixels = [[0, 0, 0], [4, 8, 255], [4, 8, 255], [8, 16, 255]].concat();
        assert_eq!(halved(&pixels, 2), [4, 8, 191]);
    }

    #[test]
    fn a_picture_has_two_dots_a_pixel() {
        let mut drawing = Drawing::titled(100.0, "t", "");
        drawing.height = 40.0;
        let png = png(&drawing).unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&png[16..24], [0, 0, 0, 200, 0, 0, 0, 80]);
    }
}

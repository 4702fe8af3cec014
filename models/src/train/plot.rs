//! Curves of a run as a picture.

use std::path::Path;

use image::{Rgb, RgbImage};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 420;
const MARGIN: u32 = 20;
const BACKGROUND: Rgb<u8> = Rgb([24, 26, 30]);
const GRID: Rgb<u8> = Rgb([52, 56, 64]);
const COLORS: [Rgb<u8>; 4] =
    [Rgb([86, 156, 214]), Rgb([230, 159, 0]), Rgb([0, 158, 115]), Rgb([204, 121, 167])];

/// Draws curves of values in 0..=1 over the step, one colour each (blue, orange, green, pink); the horizontal lines
/// are tenths. Values above 1 are cut.
pub fn save_curves(path: &Path, curves: &[Vec<(usize, f64)>]) -> Result<(), image::ImageError> {
    let mut picture = RgbImage::from_pixel(WIDTH, HEIGHT, BACKGROUND);
    let last = curves.iter().flatten().map(|(step, _)| *step).max().unwrap_or(1).max(1);
    let place = |step: usize, value: f64| {
        let x = f64::from(MARGIN) + step as f64 / last as f64 * f64::from(WIDTH - 2 * MARGIN);
        let y = f64::from(HEIGHT - MARGIN) - value.clamp(0.0, 1.0) * f64::from(HEIGHT - 2 * MARGIN);
        (x, y)
    };
    for tenth in 0..=10 {
        let height = f64::from(tenth) / 10.0;
        line(&mut picture, place(0, height), place(last, height), GRID);
    }
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        for pair in curve.windows(2) {
            line(&mut picture, place(pair[0].0, pair[0].1), place(pair[1].0, pair[1].1), *color);
        }
    }
    picture.save(path)
}

fn line(picture: &mut RgbImage, from: (f64, f64), to: (f64, f64), color: Rgb<u8>) {
    let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0);
    for i in 0..=steps as u32 {
        let share = f64::from(i) / steps;
        let x = (from.0 + share * (to.0 - from.0)).round() as u32;
        let y = (from.1 + share * (to.1 - from.1)).round() as u32;
        for dy in 0..2 {
            picture.put_pixel(x.min(WIDTH - 1), (y + dy).min(HEIGHT - 1), color);
        }
    }
}

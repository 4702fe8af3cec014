//! Arithmetic on colours of four bytes, two of them at a time.
//!
//! A colour is a number whose bytes are red, green, blue and alpha in the order of memory of a little-endian machine,
//! premultiplied. Every function treats all but alpha alike.

use egui::Color32;

/// Two of the four bytes, with room to multiply.
const EVEN: u32 = 0x00ff_00ff;

/// A colour as a number.
pub(crate) fn packed(color: Color32) -> u32 {
    u32::from_le_bytes(color.to_array())
}

/// Alpha, 0 to 255.
pub(crate) fn alpha(color: u32) -> u32 {
    color >> 24
}

/// `(a × share) / 255`, rounded, for two bytes at once.
fn scaled_pair(pair: u32, share: u32) -> u32 {
    let product = pair * share + 0x0080_0080;
    ((product + ((product >> 8) & EVEN)) >> 8) & EVEN
}

/// A colour times `share` of 255.
pub(crate) fn scaled(color: u32, share: u32) -> u32 {
    scaled_pair(color & EVEN, share) | (scaled_pair((color >> 8) & EVEN, share) << 8)
}

/// What is seen of `above` over `below`.
pub(crate) fn over(below: u32, above: u32) -> u32 {
    // Rounding may carry a byte beyond 255 only where the colour is not premultiplied; then it is cut off, not carried on.
    let rest = scaled(below, 255 - alpha(above));
    let low = (rest & EVEN) + (above & EVEN);
    let high = ((rest >> 8) & EVEN) + ((above >> 8) & EVEN);
    saturated(low) | (saturated(high) << 8)
}

/// Two sums of bytes, each at most 255.
fn saturated(pair: u32) -> u32 {
    let carry = (pair >> 8) & 0x0001_0001;
    (pair & EVEN) | (carry * 255)
}

/// Each byte of one times the same byte of the other.
pub(crate) fn modulated(a: u32, b: u32) -> u32 {
    match (a, b) {
        (u32::MAX, _) => b,
        (_, u32::MAX) => a,
        _ => {
            let [a, b] = [a.to_le_bytes(), b.to_le_bytes()];
            u32::from_le_bytes([0, 1, 2, 3].map(|i| {
                let product = u32::from(a[i]) * u32::from(b[i]) + 128;
                ((product + (product >> 8)) >> 8) as u8
            }))
        }
    }
}

/// Between two colours, `share` of 256 of the second.
pub(crate) fn mixed(a: u32, b: u32, share: u32) -> u32 {
    let pair = |a: u32, b: u32| ((a * (256 - share) + b * share + 0x0080_0080) >> 8) & EVEN;
    pair(a & EVEN, b & EVEN) | (pair((a >> 8) & EVEN, (b >> 8) & EVEN) << 8)
}

/// Draws one colour over a line.
pub(crate) fn lay(line: &mut [u32], color: u32) {
    match alpha(color) {
        255 => line.fill(color),
        _ if color == 0 => {}
        _ => line.iter_mut().for_each(|pixel| *pixel = over(*pixel, color)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_are_mixed_as_shares_of_255(below: [u8; 3], tint: [u8; 3], opacity: u8) {
            let above = Color32::from_rgba_unmultiplied(tint[0], tint[1], tint[2], opacity).to_array();
            let seen = over(u32::from_le_bytes([below[0], below[1], below[2], 255]), u32::from_le_bytes(above)).to_le_bytes();
            for i in 0..3 {
                let wanted = f32::from(above[i]) + f32::from(below[i]) * (1.0 - f32::from(opacity) / 255.0);
                prop_assert!((f32::from(seen[i]) - wanted.min(255.0)).abs() <= 0.51);
            }
            prop_assert_eq!(seen[3], 255);
        }

        #[test]
        fn products_and_means_are_rounded(a: [u8; 4], b: [u8; 4], share in 0u32..=256) {
            let (x, y) = (u32::from_le_bytes(a), u32::from_le_bytes(b));
            let (product, mean) = (modulated(x, y).to_le_bytes(), mixed(x, y, share).to_le_bytes());
            for i in 0..4 {
                let wanted = f32::from(a[i]) * f32::from(b[i]) / 255.0;
                prop_assert!((f32::from(product[i]) - wanted).abs() <= 0.51);
                let t = share as f32 / 256.0;
                let wanted = f32::from(a[i]) * (1.0 - t) + f32::from(b[i]) * t;
                prop_assert!((f32::from(mean[i]) - wanted).abs() <= 0.51);
            }
        }
    }
}

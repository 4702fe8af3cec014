//! Ways to look at a fundus photograph.

use serde::{Deserialize, Serialize};

use super::{ClaheOptions, Picture, clahe};
use crate::volume::luma;

/// A way to look at a photograph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enhancement {
    /// As it is.
    #[default]
    None,
    /// The green channel as grey.
    Green,
    /// The green channel as grey, with local contrast.
    GreenClahe,
    /// In colour, with local contrast of the brightness.
    Clahe,
}

/// The picture as it is to be shown, `[y, x]`. `field` keeps the dark ground out of the local contrast.
pub fn enhance(
    picture: &Picture<'_>,
    field: Option<&[bool]>,
    how: Enhancement,
    options: &ClaheOptions,
) -> Vec<[u8; 3]> {
    let grey = |plane: Vec<u8>| plane.into_iter().map(|v| [v; 3]).collect();
    match how {
        Enhancement::None => picture.pixels().to_vec(),
        Enhancement::Green => grey(picture.green()),
        Enhancement::GreenClahe => grey(clahe(&picture.green(), picture.size(), field, options)),
        Enhancement::Clahe => {
            let brightness: Vec<u8> = picture.pixels().iter().map(|p| luma(*p).round() as u8).collect();
            let wanted = clahe(&brightness, picture.size(), field, options);
            let pixels = picture.pixels().iter().zip(brightness.iter().zip(&wanted));
            pixels.map(|(pixel, (was, want))| relit(*pixel, *was, *want)).collect()
        }
    }
}

/// A colour with another brightness and the same hue: all channels by one factor, which no channel may exceed.
fn relit(pixel: [u8; 3], was: u8, want: u8) -> [u8; 3] {
    let brightest = f32::from(pixel[0].max(pixel[1]).max(pixel[2]).max(1));
    let factor = (f32::from(want) / f32::from(was.max(1))).min(255.0 / brightest);
    pixel.map(|channel| (f32::from(channel) * factor).round() as u8)
}

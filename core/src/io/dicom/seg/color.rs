//! Colours as DICOM keeps them: CIELab in 16 bits (PS3.3 C.10.7.1.1), with the white of D65 as DCMTK, dcmqi and 3D
//! Slicer take it.

/// D65.
const WHITE: [f64; 3] = [0.950_456, 1.0, 1.088_754];

/// sRGB of an encoded CIELab value.
pub(crate) fn rgb_from_cielab([l, a, b]: [u16; 3]) -> [u8; 3] {
    let scale = |v: u16| f64::from(v) / 65_535.0;
    let (l, a, b) = (scale(l) * 100.0, scale(a) * 255.0 - 128.0, scale(b) * 255.0 - 128.0);
    let y = (l + 16.0) / 116.0;
    let cube =
        |t: f64| if t > 6.0 / 29.0 { t.powi(3) } else { 3.0 * (6.0f64 / 29.0).powi(2) * (t - 4.0 / 29.0) };
    let [x, y, z] = [WHITE[0] * cube(y + a / 500.0), WHITE[1] * cube(y), WHITE[2] * cube(y - b / 200.0)];
    let linear = [
        3.240_97 * x - 1.537_383 * y - 0.498_611 * z,
        -0.969_244 * x + 1.875_968 * y + 0.041_555 * z,
        0.055_63 * x - 0.203_977 * y + 1.056_972 * z,
    ];
    linear.map(|v| {
        let v = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (v * 255.0).round().clamp(0.0, 255.0) as u8
    })
}

/// The encoded CIELab value of sRGB.
pub(crate) fn cielab_from_rgb(rgb: [u8; 3]) -> [u16; 3] {
    let [r, g, b] = rgb.map(|v| {
        let v = f64::from(v) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    let x = (0.412_391 * r + 0.357_584 * g + 0.180_481 * b) / WHITE[0];
    let y = (0.212_639 * r + 0.715_169 * g + 0.072_192 * b) / WHITE[1];
    let z = (0.019_331 * r + 0.119_195 * g + 0.950_532 * b) / WHITE[2];
    let root = |t: f64| {
        if t > (6.0f64 / 29.0).powi(3) { t.cbrt() } else { t / (3.0 * (6.0f64 / 29.0).powi(2)) + 4.0 / 29.0 }
    };
    let (x, y, z) = (root(x), root(y), root(z));
    let (l, a, b) = (116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z));
    let word = |share: f64| (share * 65_535.0).round().clamp(0.0, 65_535.0) as u16;
    [word(l / 100.0), word((a + 128.0) / 255.0), word((b + 128.0) / 255.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_survive_to_one_step() {
        for rgb in [[0, 0, 0], [255, 255, 255], [230, 159, 0], [86, 180, 233], [1, 254, 77], [255, 0, 16]] {
            let back = rgb_from_cielab(cielab_from_rgb(rgb));
            assert!(rgb.iter().zip(back).all(|(a, b)| a.abs_diff(b) <= 1), "{rgb:?} {back:?}");
        }
        assert_eq!(cielab_from_rgb([255, 255, 255])[0], 65_535);
    }
}

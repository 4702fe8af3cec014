//! A perceptually uniform colour map for maps of attention.

/// Control points of *viridis* (Nathaniel Smith and Stéfan van der Walt for matplotlib, CC0), at equal distances; between
/// them colours are mixed linearly.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// From blue over light grey to red: straight lines in CIELAB between three colours, at equal distances; ends and quarters
/// are equally light on both sides.
const BLUE_RED: [[u8; 3]; 9] = [
    [15, 74, 148],
    [89, 109, 169],
    [138, 148, 190],
    [185, 189, 211],
    [232, 232, 232],
    [219, 182, 175],
    [201, 132, 121],
    [177, 83, 71],
    [149, 23, 24],
];

/// The colour of a share, 0 to 1, of numbers with a middle: blue below it, red above.
pub fn signed_color(share: f32) -> [u8; 3] {
    mixed(&BLUE_RED, if share.is_nan() { 0.5 } else { share })
}

/// The colour of a value between two ends; with a middle where its numbers are signed.
pub fn color_of(value: f32, range: [f32; 2], is_signed: bool) -> [u8; 3] {
    let share = share(value, range);
    if is_signed { signed_color(share) } else { color(share) }
}

/// The colour of a share, 0 (dark) to 1 (bright); what is beyond gets the colour of the end, NaN that of 0.
pub fn color(share: f32) -> [u8; 3] {
    mixed(&VIRIDIS, share)
}

fn mixed(points: &[[u8; 3]; 9], share: f32) -> [u8; 3] {
    let last = points.len() - 1;
    let at = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) * last as f32 };
    let low = (at as usize).min(last - 1);
    let part = at - low as f32;
    let (from, to) = (points[low], points[low + 1]);
    [0, 1, 2].map(|i| (f32::from(from[i]) * (1.0 - part) + f32::from(to[i]) * part).round() as u8)
}

/// The share of a value between two ends; one half where they are equal.
pub fn share(value: f32, [low, high]: [f32; 2]) -> f32 {
    if high > low { (value - low) / (high - low) } else { 0.5 }
}

/// A number with as many digits as a colour bar has room for.
pub fn bar_number(value: f32) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if (0.001..10_000.0).contains(&size) {
        let digits = if size >= 100.0 {
            0
        } else if size >= 1.0 {
            2
        } else {
            4
        };
        format!("{value:.digits$}")
    } else {
        format!("{value:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lightness L* (CIE 1976) of an sRGB colour.
    fn lightness(color: [u8; 3]) -> f64 {
        let linear = color.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        let y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
        if y > 0.008_856 { 116.0 * y.cbrt() - 16.0 } else { 903.3 * y }
    }

    #[test]
    fn lightness_rises_evenly() {
        let of: Vec<f64> = (0..=100u8).map(|i| lightness(color(f32::from(i) / 100.0))).collect();
        let whole = of[100] - of[0];
        assert!(whole > 70.0, "{whole}");
        for (i, value) in of.iter().enumerate() {
            let even = of[0] + whole * i as f64 / 100.0;
            assert!((value - even).abs() < 4.0, "{i}: {value} instead of {even}");
        }
        assert!(of.windows(2).all(|pair| pair[1] > pair[0] - 0.1));
    }

    #[test]
    fn signed_numbers_are_equally_dark_on_both_sides() {
        for i in 0..=20u8 {
            let away = f32::from(i) / 40.0;
            let [below, above] = [0.5 - away, 0.5 + away].map(|share| lightness(signed_color(share)));
            assert!((below - above).abs() < 2.0, "{away}: {below} and {above}");
            assert!((below - (92.0 - 120.0 * f64::from(away))).abs() < 2.0, "{away}: {below}");
        }
        assert_eq!(signed_color(f32::NAN), BLUE_RED[4]);
    }

    #[test]
    fn ends_and_numbers() {
        assert_eq!((color(-3.0), color(7.0), color(f32::NAN)), (VIRIDIS[0], VIRIDIS[8], VIRIDIS[0]));
        assert_eq!(share(2.0, [1.0, 3.0]), 0.5);
        assert_eq!(share(2.0, [2.0, 2.0]), 0.5);
        assert_eq!(
            [0.0, 0.012_34, 3.5, 1234.5, 0.000_012].map(bar_number),
            ["0", "0.0123", "3.50", "1234", "1.2e-5"]
        );
    }
}

//! The organs of the phantom with typical values of a portal venous CT.

use nalgebra::{Point3, Vector3};

use super::shape::Shape;

/// A shape filled with one value.
pub(super) struct Organ {
    pub shape: Shape,
    pub hu: f32,
}

/// Everything from the table to the canal of the spine, in the order in which it is painted. `build` scales
/// the patient.
pub(super) fn organs(build: f64) -> Vec<Organ> {
    let scaled = Scaled(build);
    let mut organs = trunk(&scaled);
    organs.extend(chest(&scaled));
    organs.extend(abdomen(&scaled));
    organs.extend(spine(&scaled));
    organs
}

struct Scaled(f64);

impl Scaled {
    fn ellipsoid(&self, center: [f64; 3], radii: [f64; 3], hu: f32) -> Organ {
        let center = Point3::from(Vector3::from(center) * self.0);
        Organ { shape: Shape::Ellipsoid { center, radii: Vector3::from(radii) * self.0 }, hu }
    }

    fn column(&self, center: [f64; 2], radii: [f64; 2], z_range: (f64, f64), hu: f32) -> Organ {
        let center = center.map(|c| c * self.0);
        Organ { shape: Shape::Column { center, radii: radii.map(|r| r * self.0), z_range }, hu }
    }
}

/// Far beyond any image.
const THROUGHOUT: (f64, f64) = (-1e4, 1e4);
const FAT: f32 = -100.0;
const MUSCLE: f32 = 55.0;

fn trunk(scaled: &Scaled) -> Vec<Organ> {
    vec![
        // The table: a shallow trough, of which the patient hides the rest.
        scaled.column([0.0, 60.0], [190.0, 66.0], THROUGHOUT, -250.0),
        scaled.column([0.0, 55.0], [186.0, 66.0], THROUGHOUT, -1000.0),
        scaled.column([0.0, 0.0], [152.0, 112.0], THROUGHOUT, FAT),
        scaled.column([0.0, 0.0], [136.0, 97.0], THROUGHOUT, MUSCLE),
        scaled.column([0.0, -8.0], [118.0, 76.0], THROUGHOUT, -95.0),
    ]
}

fn chest(scaled: &Scaled) -> Vec<Organ> {
    let ribs = Shape::Ribs {
        radii: [127.0 * scaled.0, 87.0 * scaled.0],
        half_thickness: 4.5,
        z_range: (-55.0, 1e4),
    };
    vec![
        scaled.ellipsoid([-62.0, 0.0, 88.0], [50.0, 68.0, 92.0], -850.0),
        scaled.ellipsoid([62.0, 0.0, 88.0], [50.0, 68.0, 92.0], -850.0),
        scaled.ellipsoid([20.0, -28.0, 60.0], [50.0, 42.0, 46.0], 135.0),
        Organ { shape: ribs, hu: 380.0 },
        scaled.column([0.0, -84.0], [16.0, 6.0], (0.0, 1e4), 300.0),
    ]
}

fn abdomen(scaled: &Scaled) -> Vec<Organ> {
    let mut organs = vec![
        scaled.ellipsoid([-56.0, -6.0, -36.0], [66.0, 60.0, 52.0], 110.0),
        scaled.ellipsoid([-8.0, -38.0, -22.0], [52.0, 30.0, 26.0], 110.0),
        scaled.ellipsoid([82.0, 30.0, -30.0], [26.0, 32.0, 38.0], 120.0),
        scaled.ellipsoid([52.0, -34.0, -36.0], [40.0, 28.0, 32.0], 30.0),
        scaled.ellipsoid([52.0, -50.0, -34.0], [24.0, 9.0, 18.0], -900.0),
        scaled.ellipsoid([20.0, 0.0, -62.0], [46.0, 12.0, 10.0], 95.0),
    ];
    for side in [-1.0, 1.0] {
        let center = [58.0 * side, 36.0, -84.0];
        organs.push(scaled.ellipsoid(center, [24.0, 26.0, 44.0], 175.0));
        organs.push(scaled.ellipsoid([50.0 * side, 34.0, -84.0], [11.0, 12.0, 24.0], 60.0));
    }
    organs.push(scaled.column([10.0, 30.0], [11.0, 11.0], THROUGHOUT, 160.0));
    organs.push(scaled.column([-18.0, 26.0], [12.0, 10.0], (-1e4, 40.0), 145.0));
    for loops in 0..9 {
        let (x, y) = ((f64::from(loops % 3) - 1.0) * 44.0, f64::from(loops / 3) * 22.0 - 58.0);
        let wall = [x + 6.0 * f64::from(loops / 3), y, -98.0];
        organs.push(scaled.ellipsoid(wall, [17.0, 10.0, 20.0], 70.0));
        let content = if loops % 4 == 1 { -700.0 } else { 15.0 };
        organs.push(scaled.ellipsoid(wall, [13.0, 7.0, 16.0], content));
    }
    organs
}

/// Distance from one vertebra to the next in mm.
const SEGMENT_MM: f64 = 32.0;

fn spine(scaled: &Scaled) -> Vec<Organ> {
    let mut organs = vec![scaled.column([0.0, 60.0], [21.0, 17.0], THROUGHOUT, 90.0)];
    for segment in -6..=6 {
        let middle = f64::from(segment) * SEGMENT_MM;
        organs.push(scaled.column([0.0, 60.0], [22.0, 18.0], (middle - 13.0, middle + 13.0), 480.0));
        organs.push(scaled.column([0.0, 60.0], [19.0, 15.0], (middle - 10.5, middle + 10.5), 190.0));
        let arch = (middle - 9.0, middle + 7.0);
        organs.push(scaled.column([0.0, 84.0], [16.0, 14.0], arch, 420.0));
        organs.push(scaled.column([0.0, 86.0], [48.0, 4.0], (middle - 4.0, middle + 4.0), 350.0));
    }
    organs.push(scaled.column([0.0, 82.0], [9.0, 8.0], THROUGHOUT, 35.0));
    organs
}

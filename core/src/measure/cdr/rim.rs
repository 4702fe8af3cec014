//! Width of the neuroretinal rim around the clock.

use serde::Serialize;

use super::{DiscMask, Motion};
use crate::fundus::Laterality;
use crate::label::BoxMask;

/// Rays of a profile; an even multiple of 12 and 4, so that every hour and quadrant has as many.
pub const RAYS: usize = 360;
/// Rays over which the narrowest place is averaged (10°), so that one pixel's corner does not decide.
const NARROW_RAYS: usize = RAYS / 36;

/// Where disc and cup end along rays from the centre of the disc's area.
///
/// Ray `i` points to `(i + ½)·360°/count`, clockwise as seen from 12 o'clock (up). A radius is where the ray last
/// leaves a pixel of the mask; the cup's is 0 along a ray that does not meet it, so that the whole radius is rim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RimProfile {
    /// Where the rays start, `(x, y)`.
    pub center: [f64; 2],
    /// Distance of the disc's outline in pixels, one a ray.
    pub disc_radius_px: Vec<f64>,
    /// Distance of the cup's outline in pixels, one a ray.
    pub cup_radius_px: Vec<f64>,
}

/// Width of the rim, averaged over some rays, with its interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RimWidth {
    /// Pixels.
    pub px: f64,
    /// Lower end.
    pub px_low: f64,
    /// Upper end.
    pub px_high: f64,
    /// Share of the disc's diameter along the same line.
    pub share: f64,
    /// Lower end.
    pub share_low: f64,
    /// Upper end.
    pub share_high: f64,
}

/// Mean widths of the four quadrants of 90°.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quadrants {
    /// Below.
    pub inferior: RimWidth,
    /// Above.
    pub superior: RimWidth,
    /// On the right of the picture: nasal of a right eye.
    pub right: RimWidth,
    /// On the left of the picture: temporal of a right eye.
    pub left: RimWidth,
}

/// Whether the rim is as of most healthy eyes: inferior ≥ superior ≥ nasal ≥ temporal (Jonas et al. 1988).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Isnt {
    /// Mean widths in pixels: inferior, superior, nasal, temporal.
    pub widths_px: [f64; 4],
    /// Quadrants from the widest to the narrowest as letters, such as `ISNT`; of equals, the one that stands first
    /// in that word.
    pub order: String,
    /// Whether the rule holds.
    pub holds: bool,
    /// The comparisons that fail, such as `S ≥ N`.
    pub broken: Vec<String>,
    /// Whether no movement of the outlines would change any of the three comparisons.
    pub certain: bool,
}

/// The thinnest place of the rim.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Narrowest {
    /// Its direction in degrees, clockwise from 12 o'clock.
    pub angle_deg: f64,
    /// The clock hour it lies in, 1 to 12.
    pub clock_hour: usize,
    /// Its width, averaged over 10°.
    pub width: RimWidth,
}

/// The rim of a disc.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rim {
    /// Mean width of 1 o'clock, 2 o'clock, … 12 o'clock: the clock face as seen in the picture, 15° to either side of
    /// the hour. 3 o'clock is nasal in a right eye and temporal in a left one.
    pub clock_hours: [RimWidth; 12],
    /// The four quadrants.
    pub quadrants: Quadrants,
    /// The thinnest place.
    pub narrowest: Narrowest,
    /// The rule of the four quadrants; `None` while nobody knows which eye it is.
    pub isnt: Option<Isnt>,
    /// Every ray.
    pub profile: RimProfile,
}

impl RimProfile {
    /// Follows `RAYS` rays from a place.
    pub fn of(mask: &DiscMask, center: [f64; 2]) -> Self {
        let (disc, cup) = (Lookup::of(mask.disc()), Lookup::of(mask.cup()));
        let (mut disc_radius_px, mut cup_radius_px) = (Vec::with_capacity(RAYS), Vec::with_capacity(RAYS));
        for ray in 0..RAYS {
            let (sin, cos) = angle_rad(ray).sin_cos();
            let direction = [sin, -cos];
            let outer = disc.last_exit(center, direction, disc.farthest(center, direction));
            let cup_end = cup.farthest(center, direction).min(outer);
            disc_radius_px.push(outer);
            cup_radius_px.push(cup.last_exit(center, direction, cup_end));
        }
        Self { center, disc_radius_px, cup_radius_px }
    }

    /// Width of the rim along a ray in pixels.
    pub fn width_px(&self, ray: usize) -> f64 {
        self.disc_radius_px[ray] - self.cup_radius_px[ray]
    }

    /// Points on the outline of the disc (or cup), every `step`-th ray: handles to drag.
    pub fn outline(&self, radius_px: &[f64], step: usize) -> Vec<[f64; 2]> {
        let point = |ray: usize| {
            let (sin, cos) = angle_rad(ray).sin_cos();
            [self.center[0] + radius_px[ray] * sin, self.center[1] - radius_px[ray] * cos]
        };
        (0..radius_px.len()).step_by(step.max(1)).map(point).collect()
    }

    /// Mean width over rays, which may run past the last one.
    fn mean(&self, rays: impl ExactSizeIterator<Item = usize>, shift_px: f64, motion: Motion) -> RimWidth {
        let count = rays.len().max(1) as f64;
        let (mut width, mut diameter) = (0.0, 0.0);
        for ray in rays {
            width += self.width_px(ray % RAYS);
            diameter += self.disc_radius_px[ray % RAYS] + self.disc_radius_px[(ray + RAYS / 2) % RAYS];
        }
        RimWidth::of(width / count, diameter / count, shift_px, motion)
    }

    fn around(&self, middle: usize, half: usize, shift_px: f64, motion: Motion) -> RimWidth {
        self.mean(middle + RAYS - half..middle + RAYS + half, shift_px, motion)
    }
}

fn angle_rad(ray: usize) -> f64 {
    (ray as f64 + 0.5) * std::f64::consts::TAU / RAYS as f64
}

impl RimWidth {
    fn of(px: f64, diameter_px: f64, shift_px: f64, motion: Motion) -> Self {
        // Outlines that move together leave the width as it is.
        let free = if motion == Motion::Apart { 2.0 * shift_px } else { 0.0 };
        let share = |px: f64, diameter: f64| if diameter > 0.0 { (px / diameter).min(1.0) } else { 0.0 };
        let (px_low, px_high) = ((px - free).max(0.0), px + free);
        let ends = match motion {
            // The rim widens when the disc does.
            Motion::Apart => {
                [share(px_low, diameter_px - 2.0 * shift_px), share(px_high, diameter_px + 2.0 * shift_px)]
            }
            Motion::Together => {
                [share(px, diameter_px + 2.0 * shift_px), share(px, diameter_px - 2.0 * shift_px)]
            }
        };
        let share = share(px, diameter_px);
        let share_low = ends.into_iter().fold(share, f64::min);
        Self { px, px_low, px_high, share, share_low, share_high: ends.into_iter().fold(share, f64::max) }
    }
}

impl Rim {
    pub(super) fn of(
        profile: RimProfile,
        laterality: Option<Laterality>,
        shift_px: f64,
        motion: Motion,
    ) -> Self {
        let at = |degrees: usize, half: usize| {
            profile.around(degrees * RAYS / 360, half * RAYS / 360, shift_px, motion)
        };
        let quadrants =
            Quadrants { superior: at(0, 45), right: at(90, 45), inferior: at(180, 45), left: at(270, 45) };
        Self {
            clock_hours: std::array::from_fn(|i| at((i + 1) * 30, 15)),
            narrowest: Narrowest::of(&profile, shift_px, motion),
            isnt: laterality.map(|eye| Isnt::of(&quadrants, eye, shift_px, motion)),
            quadrants,
            profile,
        }
    }
}

impl Narrowest {
    fn of(profile: &RimProfile, shift_px: f64, motion: Motion) -> Self {
        let width =
            |start: usize| -> f64 { (start..start + NARROW_RAYS).map(|r| profile.width_px(r % RAYS)).sum() };
        let start = (0..RAYS).min_by(|a, b| width(*a).total_cmp(&width(*b))).unwrap_or(0);
        let angle_deg = (start as f64 + NARROW_RAYS as f64 / 2.0) * 360.0 / RAYS as f64 % 360.0;
        let hour = (angle_deg / 30.0).round() as usize % 12;
        Self {
            angle_deg,
            clock_hour: if hour == 0 { 12 } else { hour },
            width: profile.mean(start..start + NARROW_RAYS, shift_px, motion),
        }
    }
}

impl Isnt {
    fn of(quadrants: &Quadrants, eye: Laterality, shift_px: f64, motion: Motion) -> Self {
        let (nasal, temporal) = match eye {
            Laterality::Right => (quadrants.right, quadrants.left),
            Laterality::Left => (quadrants.left, quadrants.right),
        };
        let names = ["I", "S", "N", "T"];
        let widths_px = [quadrants.inferior.px, quadrants.superior.px, nasal.px, temporal.px];
        let mut order = [0, 1, 2, 3];
        order.sort_by(|a, b| widths_px[*b].total_cmp(&widths_px[*a]));
        let broken: Vec<String> = (0..3)
            .filter(|i| widths_px[*i] < widths_px[i + 1])
            .map(|i| format!("{} ≥ {}", names[i], names[i + 1]))
            .collect();
        // Each of two widths may change by both of its outlines.
        let reach = if motion == Motion::Apart { 4.0 * shift_px } else { 0.0 };
        Self {
            widths_px,
            order: order.map(|i| names[i]).concat(),
            holds: broken.is_empty(),
            certain: (0..3).all(|i| (widths_px[i] - widths_px[i + 1]).abs() > reach),
            broken,
        }
    }
}

/// Quick access to the pixels of a mask.
struct Lookup<'a> {
    inside: &'a [bool],
    start: [i64; 2],
    size: [i64; 2],
}

impl<'a> Lookup<'a> {
    fn of(mask: &'a BoxMask) -> Self {
        let (start, size) = (mask.region().start(), mask.region().size());
        Self {
            inside: mask.inside(),
            start: [start[0] as i64, start[1] as i64],
            size: [size[0] as i64, size[1] as i64],
        }
    }

    fn contains(&self, pixel: [i64; 2]) -> bool {
        let [x, y] = [pixel[0] - self.start[0], pixel[1] - self.start[1]];
        x >= 0
            && y >= 0
            && x < self.size[0]
            && y < self.size[1]
            && self.inside[(y * self.size[0] + x) as usize]
    }

    /// How far a ray runs before it has left the box for good; 0 if it only leads away from it.
    fn farthest(&self, from: [f64; 2], direction: [f64; 2]) -> f64 {
        let to_side = |axis: usize| {
            let start = self.start[axis] as f64 - 0.5;
            match direction[axis] {
                0.0 => f64::INFINITY,
                d if d > 0.0 => (start + self.size[axis] as f64 - from[axis]) / d,
                d => (start - from[axis]) / d,
            }
        };
        to_side(0).min(to_side(1)).max(0.0)
    }

    /// The last distance, up to `most`, at which the ray is inside the mask; 0 if it never is. Walks inwards from
    /// pixel to pixel (Amanatides and Woo 1987), since the outline is nearer to `most` than to the centre.
    fn last_exit(&self, from: [f64; 2], direction: [f64; 2], most: f64) -> f64 {
        let mut t = most;
        // Just inside the pixel that ends at `most`.
        let mut pixel = [0, 1].map(|a| (from[a] + (t - 1e-9) * direction[a] + 0.5).floor() as i64);
        let step = direction.map(|d| if d > 0.0 { -1 } else { 1 });
        // Distance at which the ray, going inwards, leaves the pixel across each axis.
        let mut next = [0, 1].map(|a| match direction[a] {
            0.0 => f64::NEG_INFINITY,
            d => (pixel[a] as f64 + 0.5 * f64::from(step[a] as i32) - from[a]) / d,
        });
        while t > 0.0 {
            if self.contains(pixel) {
                return t;
            }
            let axis = usize::from(next[1] > next[0]);
            t = next[axis];
            pixel[axis] += step[axis];
            next[axis] -= 1.0 / direction[axis].abs();
        }
        0.0
    }
}

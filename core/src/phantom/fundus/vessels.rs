//! Trees of retinal arteries and veins.

use super::FundusAnatomy;
use crate::random::SplitMix;

/// What vessels leave of a pixel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pixel {
    /// Share of it that is vessel.
    pub share: f64,
    /// Whether that is a vein.
    pub is_vein: bool,
}

/// A short piece of a vessel.
struct Piece {
    at: [f64; 2],
    radius_px: f64,
    is_vein: bool,
}

/// All vessels of an eye.
pub(super) struct Tree(Vec<Piece>);

/// A vessel while it grows.
struct Shoot {
    at: [f64; 2],
    heading_rad: f64,
    radius: f64,
    /// Turn a unit of length: how the great vessels bend around the macula.
    bend: f64,
    is_vein: bool,
    /// Branchings before it.
    order: usize,
}

/// Length of a step, in radii of the field of view.
const STEP: f64 = 0.006;
/// Radius below which a vessel ends, in radii of the field of view.
const THINNEST: f64 = 0.0022;
/// Pieces after which nothing more grows.
const MOST_PIECES: usize = 40_000;

impl Tree {
    /// Grows an artery and a vein from the disc into each of the four corners, and lets them branch.
    pub fn grow(anatomy: &FundusAnatomy, random: &mut SplitMix) -> Self {
        let mut shoots = Vec::new();
        let temporal = (anatomy.macula[0] - anatomy.disc.center[0]).signum();
        for up in [-1.0, 1.0] {
            for side in [temporal, -temporal] {
                for is_vein in [false, true] {
                    // The temporal vessels start steeply and bend around the macula.
                    let steep: f64 =
                        if side == temporal { random.between(0.95, 1.3) } else { random.between(0.6, 1.0) };
                    let bend =
                        if side == temporal { random.between(0.9, 1.4) } else { random.between(-0.2, 0.4) };
                    shoots.push(Shoot {
                        at: anatomy.disc.center,
                        heading_rad: (up * steep.sin()).atan2(side * steep.cos()),
                        radius: if is_vein {
                            random.between(0.012, 0.015)
                        } else {
                            random.between(0.009, 0.012)
                        },
                        bend: -bend * up * side,
                        is_vein,
                        order: 0,
                    });
                }
            }
        }
        let mut tree = Self(Vec::new());
        while let Some(shoot) = shoots.pop() {
            tree.follow(shoot, anatomy, random, &mut shoots);
        }
        // Veins lie below arteries where both cross.
        tree.0.sort_by_key(|piece| !piece.is_vein);
        tree
    }

    /// Follows one vessel to its end and collects its branches.
    fn follow(
        &mut self,
        mut shoot: Shoot,
        anatomy: &FundusAnatomy,
        random: &mut SplitMix,
        branches: &mut Vec<Shoot>,
    ) {
        let field = anatomy.field;
        let mut to_branch = random.between(0.08, 0.25);
        while shoot.radius > THINNEST && self.0.len() < MOST_PIECES {
            let place = shoot.at;
            if !field.contains(place) {
                return;
            }
            let radius_px = shoot.radius * field.radius_px;
            self.0.push(Piece { at: place, radius_px, is_vein: shoot.is_vein });
            shoot.heading_rad += shoot.bend * STEP + f64::from(random.normal()) * 0.035;
            let length = STEP * field.radius_px;
            shoot.at =
                [place[0] + length * shoot.heading_rad.cos(), place[1] + length * shoot.heading_rad.sin()];
            shoot.radius *= 1.0 - 0.5 * STEP;
            let fovea = (shoot.at[0] - anatomy.macula[0]).hypot(shoot.at[1] - anatomy.macula[1]);
            if fovea < 0.9 * anatomy.disc.semi_axes_px[0] {
                // The fovea has no vessels.
                return;
            }
            to_branch -= STEP;
            if to_branch <= 0.0 && shoot.order < 5 {
                to_branch = random.between(0.07, 0.22);
                let side = if random.between(0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
                let share = random.between(0.5, 0.8);
                branches.push(Shoot {
                    at: shoot.at,
                    heading_rad: shoot.heading_rad + side * random.between(0.5, 1.1),
                    radius: shoot.radius * share,
                    bend: -0.6 * side,
                    is_vein: shoot.is_vein,
                    order: shoot.order + 1,
                });
                // Murray's law: the cubes of the radii add up.
                shoot.radius *= (1.0 - share.powi(3)).cbrt().max(0.9);
            }
        }
    }

    /// What the vessels leave of every pixel of a picture, `[y, x]`.
    pub fn depth(&self, [width, height]: [usize; 2]) -> Vec<Pixel> {
        let mut pixels = vec![Pixel::default(); width * height];
        for piece in &self.0 {
            let reach = piece.radius_px + 1.0;
            let ends = |axis: usize, count: usize| {
                let low = (piece.at[axis] - reach).ceil().max(0.0) as usize;
                low..((piece.at[axis] + reach).floor() + 1.0).clamp(0.0, count as f64) as usize
            };
            for y in ends(1, height) {
                for x in ends(0, width) {
                    let distance = (x as f64 - piece.at[0]).hypot(y as f64 - piece.at[1]);
                    let share = (piece.radius_px - distance + 0.5).clamp(0.0, 1.0);
                    let pixel = &mut pixels[y * width + x];
                    if share >= pixel.share && share > 0.0 {
                        *pixel = Pixel { share, is_vein: piece.is_vein };
                    }
                }
            }
        }
        pixels
    }
}

//! Brings slices that lie anywhere along z, possibly shifted sideways, to the planes of a regular grid.

use super::stack::Slice;

/// Places closer than this share of a voxel are the same, so that values are copied, not mixed.
const SAME_PLACE: f64 = 0.01;

/// A value that can be mixed.
pub(super) trait Mix: Copy {
    /// `Σ weight · value` over four values or fewer; weights sum to 1.
    fn mix(parts: &[(f64, Self)]) -> Self;
    /// Whether `self` is below `other`, for the value outside of slices.
    fn darker(self, other: Self) -> bool;
}

macro_rules! mix_number {
    ($($number:ty => $round:expr),*) => {$(
        impl Mix for $number {
            #[expect(clippy::cast_lossless, reason = "one body for every voxel type")]
            fn mix(parts: &[(f64, Self)]) -> Self {
                let sum: f64 = parts.iter().map(|(weight, value)| weight * *value as f64).sum();
                $round(sum) as Self
            }
            fn darker(self, other: Self) -> bool {
                self < other
            }
        }
    )*};
}
mix_number!(u8 => f64::round, i16 => f64::round, u16 => f64::round, i32 => f64::round, f32 => std::convert::identity);

impl Mix for [u8; 3] {
    fn mix(parts: &[(f64, Self)]) -> Self {
        [0, 1, 2].map(|channel| {
            let sum: f64 = parts.iter().map(|(weight, color)| weight * f64::from(color[channel])).sum();
            sum.round() as u8
        })
    }
    fn darker(self, other: Self) -> bool {
        self.iter().map(|c| u16::from(*c)).sum::<u16>() < other.iter().map(|c| u16::from(*c)).sum()
    }
}

/// Planes of `dims` voxels from slices of `size` pixels, which lie one behind the other in `pixels`; `slices`
/// says where each belongs, in ascending z. Outside of every slice stands the darkest value.
pub(super) fn to_grid<T: Mix>(pixels: &[T], size: [usize; 2], slices: &[Slice], dims: [usize; 3]) -> Vec<T> {
    let Some(outside) = pixels.iter().copied().reduce(|a, b| if b.darker(a) { b } else { a }) else {
        return Vec::new();
    };
    let slice_len = size[0] * size[1];
    let mut out = Vec::with_capacity(dims.iter().product());
    let mut shifted = [Vec::new(), Vec::new()];
    for z in 0..dims[2] {
        let (low, share) = bracket(slices, z as f64);
        let high = if share > 0.0 { low + 1 } else { low };
        for (target, index) in shifted.iter_mut().zip([low, high]) {
            let slice = &pixels[index * slice_len..][..slice_len];
            shift(slice, size, slices[index].first_voxel, [dims[0], dims[1]], outside, target);
        }
        if share > 0.0 {
            let pairs = shifted[0].iter().zip(&shifted[1]);
            out.extend(pairs.map(|(a, b)| T::mix(&[(1.0 - share, *a), (share, *b)])));
        } else {
            out.extend_from_slice(&shifted[0]);
        }
    }
    out
}

/// The last slice at or below `z`, and the share of the one above it.
fn bracket(slices: &[Slice], z: f64) -> (usize, f64) {
    let above = slices.partition_point(|slice| slice.first_voxel[2] <= z + SAME_PLACE);
    let Some(low) = above.checked_sub(1) else { return (0, 0.0) };
    let z_low = slices[low].first_voxel[2];
    match slices.get(above) {
        Some(high) if z - z_low > SAME_PLACE => (low, (z - z_low) / (high.first_voxel[2] - z_low)),
        _ => (low, 0.0),
    }
}

/// A slice whose first pixel lies at `first` of a plane of `dims` voxels.
fn shift<T: Mix>(
    slice: &[T],
    size: [usize; 2],
    first: [f64; 3],
    dims: [usize; 2],
    outside: T,
    out: &mut Vec<T>,
) {
    out.clear();
    let columns: Vec<_> = (0..dims[0]).map(|x| neighbours(x as f64 - first[0], size[0])).collect();
    for y in 0..dims[1] {
        let Some((y0, y1, wy)) = neighbours(y as f64 - first[1], size[1]) else {
            out.resize(out.len() + dims[0], outside);
            continue;
        };
        let (row0, row1) = (&slice[y0 * size[0]..][..size[0]], &slice[y1 * size[0]..][..size[0]]);
        out.extend(columns.iter().map(|column| match *column {
            None => outside,
            Some((x0, _, 0.0)) if wy == 0.0 => row0[x0],
            Some((x0, x1, wx)) => T::mix(&[
                ((1.0 - wx) * (1.0 - wy), row0[x0]),
                (wx * (1.0 - wy), row0[x1]),
                ((1.0 - wx) * wy, row1[x0]),
                (wx * wy, row1[x1]),
            ]),
        }));
    }
}

/// The pixels on both sides of a place and the weight of the second; `None` outside by more than half a pixel.
fn neighbours(at: f64, count: usize) -> Option<(usize, usize, f64)> {
    let last = (count - 1) as f64;
    if at < -0.5 || at > last + 0.5 {
        return None;
    }
    let at = at.clamp(0.0, last);
    let nearest = at.round();
    if (at - nearest).abs() <= SAME_PLACE {
        return Some((nearest as usize, nearest as usize, 0.0));
    }
    let low = at.floor();
    Some((low as usize, low as usize + 1, at - low))
}

//! Rectangles of pixels.

use egui::Rect;

/// A rectangle of pixels, the last column and row excluded; empty if it ends before it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// First column and row.
    pub min: [i32; 2],
    /// Column and row after the last.
    pub max: [i32; 2],
}

impl Region {
    /// From the first column and row to those after the last.
    pub fn new(min: [i32; 2], max: [i32; 2]) -> Self {
        Self { min, max }
    }

    /// All pixels of a picture.
    pub fn of_size([width, height]: [usize; 2]) -> Self {
        Self::new([0; 2], [width as i32, height as i32])
    }

    /// The pixels that a rectangle of points touches.
    pub(crate) fn touched(rect: Rect, pixels_per_point: f32) -> Self {
        let low = |v: f32| (v * pixels_per_point).floor().clamp(-1e6, 1e6) as i32;
        let high = |v: f32| (v * pixels_per_point).ceil().clamp(-1e6, 1e6) as i32;
        Self::new([low(rect.min.x), low(rect.min.y)], [high(rect.max.x), high(rect.max.y)])
    }

    /// The pixels that a graphics device keeps of a clipping rectangle: its edges go to the nearest pixel.
    pub(crate) fn clip(rect: Rect, pixels_per_point: f32) -> Self {
        let near = |v: f32| (v * pixels_per_point).round().clamp(-1e6, 1e6) as i32;
        Self::new([near(rect.min.x), near(rect.min.y)], [near(rect.max.x), near(rect.max.y)])
    }

    /// Whether it has no pixels.
    pub fn is_empty(&self) -> bool {
        self.min[0] >= self.max[0] || self.min[1] >= self.max[1]
    }

    /// Number of pixels.
    pub fn area(&self) -> i64 {
        if self.is_empty() { 0 } else { (0..2).map(|i| i64::from(self.max[i] - self.min[i])).product() }
    }

    /// What both have.
    pub fn intersection(&self, other: &Self) -> Self {
        Self::new(
            [0, 1].map(|i| self.min[i].max(other.min[i])),
            [0, 1].map(|i| self.max[i].min(other.max[i])),
        )
    }

    /// The smallest that holds both.
    pub fn union(&self, other: &Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => *other,
            (_, true) => *self,
            _ => Self::new(
                [0, 1].map(|i| self.min[i].min(other.min[i])),
                [0, 1].map(|i| self.max[i].max(other.max[i])),
            ),
        }
    }

    /// Columns as a range.
    pub fn columns(&self) -> std::ops::Range<usize> {
        self.min[0].max(0) as usize..self.max[0].max(self.min[0]).max(0) as usize
    }

    /// Rows as a range.
    pub fn rows(&self) -> std::ops::Range<usize> {
        self.min[1].max(0) as usize..self.max[1].max(self.min[1]).max(0) as usize
    }
}

/// A few regions that hold all that was added, none of which meets another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Regions(pub(crate) Vec<Region>);

/// More are put together: each is a pass through all shapes.
const MOST: usize = 8;

impl Regions {
    pub(crate) fn add(&mut self, mut region: Region) {
        if region.is_empty() {
            return;
        }
        // What grows may meet what it did not meet before.
        while let Some(i) = self.0.iter().position(|old| !old.intersection(&region).is_empty()) {
            region = region.union(&self.0.swap_remove(i));
        }
        self.0.push(region);
        if self.0.len() > MOST {
            let all = std::mem::take(&mut self.0);
            self.0.push(all.iter().fold(Region::default(), |sum, one| sum.union(one)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_region() -> impl Strategy<Value = Region> {
        ([0..60i32, 0..60i32], [0..20i32, 0..20i32])
            .prop_map(|(min, size)| Region::new(min, [min[0] + size[0], min[1] + size[1]]))
    }

    proptest! {
        #[test]
        fn regions_hold_all_and_do_not_meet(added in prop::collection::vec(any_region(), 0..30)) {
            let mut regions = Regions::default();
            added.iter().for_each(|region| regions.add(*region));
            for region in added.iter().filter(|region| !region.is_empty()) {
                prop_assert!(regions.0.iter().any(|held| held.intersection(region) == *region));
            }
            for (i, a) in regions.0.iter().enumerate() {
                prop_assert!(regions.0[..i].iter().all(|b| a.intersection(b).is_empty()));
            }
            prop_assert!(regions.0.len() <= MOST);
        }
    }
}

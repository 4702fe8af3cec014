//! Distances and angles that a person draws.

use nalgebra::{Point3, Vector3};
use serde::{Deserialize, Serialize};

use crate::geometry::{Grid, WorldPoint};

/// What a person measured by hand. Points are LPS mm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum RulerShape {
    /// A straight line between two points.
    Distance([[f64; 3]; 2]),
    /// The angle at the middle one of three points.
    Angle([[f64; 3]; 3]),
}

/// A value with the interval in which it lies when every point is placed to half a voxel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RulerValue {
    /// Millimetres, or degrees for an angle.
    pub value: f64,
    /// Smallest value.
    pub low: f64,
    /// Largest value.
    pub high: f64,
}

impl RulerShape {
    /// Its points in the order in which they were placed, LPS mm.
    pub fn points(&self) -> Vec<WorldPoint> {
        match self {
            Self::Distance(points) => points.iter().copied().map(Point3::from).collect(),
            Self::Angle(points) => points.iter().copied().map(Point3::from).collect(),
        }
    }

    /// What it is called in the history and in tables.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Distance(_) => "distance",
            Self::Angle(_) => "angle",
        }
    }

    /// Unit of [`RulerShape::value`].
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Distance(_) => "mm",
            Self::Angle(_) => "°",
        }
    }

    /// Length in mm, or angle in degrees from 0 to 180.
    pub fn value(&self) -> f64 {
        match self {
            Self::Distance([a, b]) => (Point3::from(*a) - Point3::from(*b)).norm(),
            Self::Angle([a, vertex, b]) => {
                let arm = |end: &[f64; 3]| Point3::from(*end) - Point3::from(*vertex);
                arm(a).angle(&arm(b)).to_degrees()
            }
        }
    }

    /// The value with its interval on a grid of voxels: each end of a distance may lie half a voxel further along
    /// the line or back; each arm of an angle may turn as far as half a voxel at either end lets it.
    pub fn measured(&self, grid: &Grid) -> RulerValue {
        let value = self.value();
        let points = self.points();
        let (by, most) = match self {
            Self::Distance(_) => (voxel_step_mm(grid, points[1] - points[0]), f64::INFINITY),
            Self::Angle(_) => {
                let turn = |end: usize| {
                    let arm = points[end] - points[1];
                    voxel_step_mm(grid, arm).atan2(arm.norm()).to_degrees()
                };
                (turn(0) + turn(2), 180.0)
            }
        };
        RulerValue { value, low: (value - by).max(0.0), high: (value + by).min(most) }
    }

    /// Whether all points are numbers and none of the lines has the length zero.
    pub fn is_sound(&self) -> bool {
        let points = self.points();
        let finite = points.iter().all(|point| point.coords.iter().all(|c| c.is_finite()));
        finite && points.windows(2).all(|pair| (pair[1] - pair[0]).norm() > 1e-9)
    }
}

/// Millimetres from one voxel to the next along a line: half a voxel at either end of it.
fn voxel_step_mm(grid: &Grid, along: Vector3<f64>) -> f64 {
    let voxels = grid.affine().voxel_vector(along).amax();
    if voxels > 0.0 { along.norm() / voxels } else { 0.0 }
}

/// A distance or angle of a document.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ruler {
    /// Identity among those that are there, from 1.
    pub id: u32,
    /// What was measured.
    pub shape: RulerShape,
}

impl Ruler {
    /// Name in tables: "Distance 3".
    pub fn name(&self) -> String {
        match self.shape {
            RulerShape::Distance(_) => format!("Distance {}", self.id),
            RulerShape::Angle(_) => format!("Angle {}", self.id),
        }
    }
}

/// All distances and angles of a document, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rulers {
    list: Vec<Ruler>,
}

impl Rulers {
    /// All of them, oldest first.
    pub fn list(&self) -> &[Ruler] {
        &self.list
    }

    /// Number of them.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing was measured by hand.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The same with one more.
    pub fn with(&self, shape: RulerShape) -> Self {
        let id = self.list.iter().map(|ruler| ruler.id).max().unwrap_or(0).saturating_add(1);
        let mut list = self.list.clone();
        list.push(Ruler { id, shape });
        Self { list }
    }

    /// The same without one; `None` if there is none of that number.
    pub fn without(&self, id: u32) -> Option<(Ruler, Self)> {
        let removed = *self.list.iter().find(|ruler| ruler.id == id)?;
        let list = self.list.iter().filter(|ruler| ruler.id != id).copied().collect();
        Some((removed, Self { list }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_angles_are_those_of_the_patient() {
        let line = RulerShape::Distance([[1.0, 2.0, 3.0], [1.0, 5.0, 7.0]]);
        assert!((line.value() - 5.0).abs() < 1e-12);
        let right = RulerShape::Angle([[3.0, 0.0, 0.0], [0.0; 3], [0.0, 0.0, 2.0]]);
        assert!((right.value() - 90.0).abs() < 1e-9);
        let straight = RulerShape::Angle([[3.0, 0.0, 0.0], [0.0; 3], [-1.0, 0.0, 0.0]]);
        assert!((straight.value() - 180.0).abs() < 1e-9);
    }

    #[test]
    fn a_distance_is_as_sure_as_the_voxels_along_it() {
        let grid = Grid::from_spacing([50, 50, 50], [0.5, 0.5, 4.0]).unwrap();
        let along_x = RulerShape::Distance([[0.0; 3], [10.0, 0.0, 0.0]]).measured(&grid);
        assert!((along_x.low - 9.5).abs() < 1e-9 && (along_x.high - 10.5).abs() < 1e-9, "{along_x:?}");
        let along_z = RulerShape::Distance([[0.0; 3], [0.0, 0.0, 40.0]]).measured(&grid);
        assert!((along_z.low - 36.0).abs() < 1e-9 && (along_z.high - 44.0).abs() < 1e-9, "{along_z:?}");
        let angle = RulerShape::Angle([[10.0, 0.0, 0.0], [0.0; 3], [0.0, 10.0, 0.0]]).measured(&grid);
        assert!(angle.low < 85.0 && angle.low > 80.0 && (angle.high + angle.low - 180.0).abs() < 1e-9);
        let wide = RulerShape::Angle([[1.0, 0.0, 0.0], [0.0; 3], [-1.0, 0.0, 0.0]]).measured(&grid);
        assert!(wide.high <= 180.0);
    }

    #[test]
    fn rulers_without_length_or_place_are_unsound() {
        assert!(!RulerShape::Distance([[1.0; 3]; 2]).is_sound());
        assert!(!RulerShape::Distance([[f64::NAN; 3], [0.0; 3]]).is_sound());
        assert!(!RulerShape::Angle([[1.0; 3], [1.0; 3], [0.0; 3]]).is_sound());
        assert!(RulerShape::Distance([[1.0; 3], [2.0; 3]]).is_sound());
    }
}

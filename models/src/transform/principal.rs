//! The longest axis of a component by principal component analysis (networks.md D11).

use hilum_core::geometry::{Grid, WorldPoint};
use nalgebra::{Matrix3, SymmetricEigen, Vector3};
use serde::Serialize;

/// Place and extent of a set of voxels in the patient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrincipalAxes {
    /// Centre of mass, LPS mm.
    #[serde(serialize_with = "as_array")]
    pub centroid: WorldPoint,
    /// Full lengths in mm along the principal axes, longest first: 2√(5λ), exact for a solid ellipsoid.
    pub lengths_mm: [f64; 3],
    /// Unit vector of the longest axis, LPS.
    #[serde(serialize_with = "vector_as_array")]
    pub longest: Vector3<f64>,
}

fn as_array<S: serde::Serializer>(p: &WorldPoint, s: S) -> Result<S::Ok, S::Error> {
    [p.x, p.y, p.z].serialize(s)
}

fn vector_as_array<S: serde::Serializer>(v: &Vector3<f64>, s: S) -> Result<S::Ok, S::Error> {
    [v.x, v.y, v.z].serialize(s)
}

/// Principal axes of the voxels of `grid` for which `inside` is set, `[z, y, x]`; `None` without any.
///
/// The covariance of voxel centres (n − 1) is taken in mm, so anisotropic voxels do not bend the axis.
pub fn principal_axes(grid: &Grid, inside: &[bool]) -> Option<PrincipalAxes> {
    let points =
        || inside.iter().enumerate().filter(|(_, v)| **v).map(|(i, _)| grid.world_of(grid.voxel(i)).coords);
    let count = points().count();
    if count == 0 {
        return None;
    }
    let centroid = points().sum::<Vector3<f64>>() / count as f64;
    let mut covariance = Matrix3::zeros();
    for point in points() {
        let d = point - centroid;
        covariance += d * d.transpose();
    }
    covariance /= (count.max(2) - 1) as f64;
    let eigen = SymmetricEigen::new(covariance);
    let mut order = [0, 1, 2];
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    Some(PrincipalAxes {
        centroid: WorldPoint::from(centroid),
        lengths_mm: order.map(|a| 2.0 * (5.0 * eigen.eigenvalues[a].max(0.0)).sqrt()),
        longest: eigen.eigenvectors.column(order[0]).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_equals_the_golden_ellipsoid() {
        let Some(path) = hilum_core::testing::shared_data("golden/clicks.safetensors") else { return };
        let bytes = std::fs::read(path).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mask = tensors.tensor("in.pca.mask").unwrap();
        let [nz, ny, nx] = mask.shape()[..] else { panic!("three axes") };
        let inside: Vec<bool> = mask.data().iter().map(|v| *v != 0).collect();
        let grid = Grid::from_spacing([nx, ny, nz], [0.8, 0.8, 2.5]).unwrap();
        let axes = principal_axes(&grid, &inside).unwrap();
        let golden =
            |name: &str| -> Vec<f32> { bytemuck::pod_collect_to_vec(tensors.tensor(name).unwrap().data()) };
        let length = f64::from(golden("out.pca.length_ellipsoid_mm")[0]);
        assert!((axes.lengths_mm[0] - length).abs() < 1e-3, "{} is not {length}", axes.lengths_mm[0]);
        // The file is ordered z, y, x.
        for (a, want) in golden("out.pca.axis1_abs").iter().enumerate() {
            assert!((axes.longest[2 - a].abs() - f64::from(*want)).abs() < 1e-3);
        }
    }

    #[test]
    fn one_voxel_has_no_length_and_none_has_no_axes() {
        let grid = Grid::from_spacing([3, 3, 3], [1.0; 3]).unwrap();
        let mut inside = vec![false; 27];
        assert!(principal_axes(&grid, &inside).is_none());
        inside[13] = true;
        assert_eq!(principal_axes(&grid, &inside).unwrap().lengths_mm, [0.0; 3]);
    }
}

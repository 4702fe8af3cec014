//! In which units sizes are told to people.

use super::Interval;
use crate::geometry::Grid;
use crate::volume::Volume;

/// The units of an image: mm where its spacing is known, µm of a slide whose resolution is, else pixels; a flat image has
/// areas where a volume has volumes, and outlines where it has surfaces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    kind: Kind,
    /// Units along one unit of the grid's world.
    per_world: f64,
    /// Of a flat image: its thickness in units of the world.
    thickness: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Millimetres,
    Micrometres,
    Pixels,
}

impl Scale {
    /// Of an image.
    pub fn of(image: &Volume) -> Self {
        let meta = image.meta();
        let um = meta.source.world_um().filter(|_| !meta.has_physical_spacing);
        Self::new(image.grid(), meta.has_physical_spacing, um)
    }

    /// Of a grid whose world is in mm, or else in pixels of `pixel_um` µm, if that is known.
    pub fn new(grid: &Grid, has_physical_spacing: bool, pixel_um: Option<f64>) -> Self {
        let (kind, per_world) = match (has_physical_spacing, pixel_um) {
            (true, _) => (Kind::Millimetres, 1.0),
            (false, Some(um)) => (Kind::Micrometres, um),
            (false, None) => (Kind::Pixels, 1.0),
        };
        let thickness = grid.is_flat().then(|| grid.spacing_mm()[2]);
        Self { kind, per_world, thickness }
    }

    /// Unit of lengths.
    pub fn length_unit(&self) -> &'static str {
        match self.kind {
            Kind::Millimetres => "mm",
            Kind::Micrometres => "µm",
            Kind::Pixels => "px",
        }
    }

    /// A length of the world in that unit.
    pub fn length(&self, world: f64) -> f64 {
        world * self.per_world
    }

    /// What the size of an object is called.
    pub fn size_name(&self) -> &'static str {
        if self.thickness.is_some() { "Area" } else { "Volume" }
    }

    /// Unit of that size.
    pub fn size_unit(&self) -> &'static str {
        match (self.thickness.is_some(), self.kind) {
            (true, Kind::Millimetres) => "mm²",
            (true, Kind::Micrometres) => "µm²",
            (true, Kind::Pixels) => "px²",
            (false, Kind::Millimetres) => "ml",
            (false, Kind::Micrometres) => "µm³",
            (false, Kind::Pixels) => "px³",
        }
    }

    /// The size of an object in that unit, of what is measured as ml of a world in mm.
    pub fn size(&self, ml: f64) -> f64 {
        match (self.thickness, self.kind) {
            (None, Kind::Millimetres) => ml,
            (None, _) => ml * 1000.0 * self.per_world.powi(3),
            (Some(thickness), _) => ml * 1000.0 / thickness * self.per_world.powi(2),
        }
    }

    /// What the border of an object is called.
    pub fn border_name(&self) -> &'static str {
        if self.thickness.is_some() { "Outline" } else { "Surface" }
    }

    /// Unit of that border.
    pub fn border_unit(&self) -> &'static str {
        match (self.thickness.is_some(), self.kind) {
            (true, _) => self.length_unit(),
            (false, Kind::Millimetres) => "mm²",
            (false, Kind::Micrometres) => "µm²",
            (false, Kind::Pixels) => "px²",
        }
    }

    /// The border of an object in that unit, of what is measured as mm² of a world in mm.
    pub fn border(&self, mm2: f64) -> f64 {
        match self.thickness {
            Some(thickness) => mm2 / thickness * self.per_world,
            None => mm2 * self.per_world.powi(2),
        }
    }
}

impl Interval {
    /// The same in another unit.
    #[must_use]
    pub fn map(self, unit: impl Fn(f64) -> f64) -> Self {
        Self { value: unit(self.value), low: unit(self.low), high: unit(self.high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Affine;
    use crate::label::BoxMask;
    use crate::measure::measure_object;

    /// A square of 20 × 10 voxels in a flat image.
    fn measured(spacing_mm: [f64; 3]) -> (Grid, crate::measure::ObjectMeasure) {
        let grid = Grid::new([40, 30, 1], Affine::from_spacing(spacing_mm).unwrap()).unwrap();
        let inside = |i: usize| (10..30).contains(&(i % 40)) && (10..20).contains(&(i / 40));
        let mask = BoxMask::new(grid.full_box(), (0..1200).map(inside).collect()).unwrap();
        let object = measure_object(&mask, &grid, None).unwrap().unwrap();
        (grid, object)
    }

    #[test]
    fn a_flat_object_has_an_area_and_an_outline_in_the_units_of_its_image() {
        for (spacing, physical, um, units, per) in [
            ([0.5, 0.5, 5.0], true, None, ["mm", "mm²", "mm"], 0.5),
            ([1.0; 3], false, None, ["px", "px²", "px"], 1.0),
            // Every pixel covers four of the finest resolution, of a quarter of a micrometre each.
            ([4.0, 4.0, 1.0], false, Some(0.25), ["µm", "µm²", "µm"], 1.0),
        ] {
            let (grid, object) = measured(spacing);
            let scale = Scale::new(&grid, physical, um);
            assert_eq!([scale.length_unit(), scale.size_unit(), scale.border_unit()], units);
            assert_eq!((scale.size_name(), scale.border_name()), ("Area", "Outline"));
            let area = object.volume_ml.map(|ml| scale.size(ml));
            assert!((area.value - 200.0 * per * per).abs() < 1e-9, "{area:?}");
            assert!(area.low < area.value && area.value < area.high);
            // Corners are rounded.
            let outline = scale.border(object.surface_mm2.value) / (60.0 * per);
            assert!((0.9..1.02).contains(&outline), "{outline}");
            let long = scale.length(object.long_axis_mm.value) / per;
            assert!((long - 20f64.hypot(10.0)).abs() < 1.5, "{long}");
        }
    }

    #[test]
    fn a_volume_without_spacing_is_not_told_in_millilitres() {
        let grid = Grid::new([3, 4, 5], Affine::from_spacing([1.0; 3]).unwrap()).unwrap();
        let scale = Scale::new(&grid, false, None);
        assert_eq!((scale.size_name(), scale.size_unit(), scale.size(0.002)), ("Volume", "px³", 2.0));
        let scale = Scale::new(&grid, true, None);
        assert_eq!((scale.size_unit(), scale.size(0.002), scale.border_unit()), ("ml", 0.002, "mm²"));
    }
}

//! Which axes of an NRRD file lie in space, and where.

use std::path::Path;

use nalgebra::{Matrix3, Vector3};

use super::header::Header;
use crate::geometry::Affine;
use crate::io::{OpenError, Warning};

/// Axes beyond three in space and one beside it are no image of ours.
const MAX_DIMENSION: usize = 16;

/// The axes as a volume needs them.
#[derive(Clone, Debug)]
pub(super) struct Axes {
    /// Voxels along x, y, z.
    pub dims: [usize; 3],
    /// Voxels to LPS millimetres.
    pub affine: Affine,
    /// Size of the axis beside space; 1 without one, and for colours.
    pub frames: usize,
    /// Whether that axis comes first.
    pub interleaved: bool,
    /// Parts of a colour: 3, 4, or 0 for single values.
    pub colors: usize,
    /// Whether the file says how far voxels are apart.
    pub has_spacing: bool,
}

/// One axis as the header describes it.
#[derive(Clone, Debug)]
struct Axis {
    size: usize,
    /// Step in the file's space, where stated.
    direction: Option<Vector3<f64>>,
    spacing: Option<f64>,
    kind: String,
    in_space: bool,
}

impl Axes {
    pub(super) fn of(header: &Header, path: &Path, warnings: &mut Vec<Warning>) -> Result<Self, OpenError> {
        let axes = axes_of(header, path)?;
        let spatial: Vec<usize> = (0..axes.len()).filter(|a| axes[*a].in_space).collect();
        let mut beside: Vec<usize> = (0..axes.len()).filter(|a| !axes[*a].in_space).collect();
        // An axis of one value holds nothing.
        if beside.len() > 1 {
            beside.retain(|a| axes[*a].size > 1);
        }
        if spatial.is_empty() || spatial.len() > 3 || beside.len() > 1 {
            let what = format!(
                "an image has up to three axes in space and one beside them, this file has {} and {}",
                spatial.len(),
                beside.len()
            );
            return Err(OpenError::unsupported(what, path));
        }
        let mut dims = [1; 3];
        for (x, a) in spatial.iter().enumerate() {
            dims[x] = axes[*a].size;
        }
        let (mut frames, mut interleaved, mut colors) = (1, false, 0);
        if let Some(a) = beside.first() {
            (frames, interleaved) = (axes[*a].size, *a < spatial[0]);
            if !interleaved && *a < *spatial.last().unwrap_or(&0) && frames > 1 {
                let what =
                    "the axis beside space stands between axes in space; permute it to the front or the end";
                return Err(OpenError::unsupported(what, path));
            }
            let is_color =
                matches!(axes[*a].kind.as_str(), "rgb-color" | "rgba-color" | "3-color" | "4-color");
            if is_color && interleaved && matches!(frames, 3 | 4) {
                (colors, frames) = (frames, 1);
            }
        }
        let spatial: Vec<&Axis> = spatial.iter().map(|a| &axes[*a]).collect();
        let (affine, has_spacing) = place(header, &spatial, path, warnings)?;
        Ok(Self { dims, affine, frames, interleaved, colors, has_spacing })
    }
}

fn axes_of(header: &Header, path: &Path) -> Result<Vec<Axis>, OpenError> {
    let dimension = header.needed("dimension", path)?;
    let Some(dimension) = dimension.parse::<usize>().ok().filter(|d| (1..=MAX_DIMENSION).contains(d)) else {
        return Err(OpenError::invalid(
            format!("the dimension is \"{dimension}\", not 1 to {MAX_DIMENSION}"),
            path,
        ));
    };
    let sizes = header.needed("sizes", path)?;
    let parsed: Option<Vec<usize>> =
        sizes.split_whitespace().map(|s| s.parse().ok().filter(|n| *n > 0)).collect();
    let Some(parsed) = parsed.filter(|s| s.len() == dimension) else {
        let what = format!("the sizes are \"{sizes}\", not {dimension} whole numbers above 0");
        return Err(OpenError::invalid(what, path));
    };
    let directions = match header.field("spacedirections") {
        Some(text) => Some(vectors(text, dimension, path)?),
        None => None,
    };
    let kinds: Vec<&str> = header.field("kinds").unwrap_or("").split_whitespace().collect();
    let spacings: Vec<&str> = header.field("spacings").unwrap_or("").split_whitespace().collect();
    let axis = |a: usize| {
        let kind = kinds.get(a).map_or(String::new(), |k| k.to_lowercase());
        let direction = directions.as_ref().and_then(|d| d[a]);
        let is_domain = matches!(kind.as_str(), "" | "domain" | "space" | "???" | "none");
        let in_space = match &directions {
            Some(_) => direction.is_some(),
            None => is_domain,
        };
        let spacing = spacings.get(a).and_then(|s| s.parse().ok()).filter(|s: &f64| s.is_finite());
        Axis { size: parsed[a], direction, spacing, kind, in_space }
    };
    let mut axes: Vec<Axis> = (0..dimension).map(axis).collect();
    // Without directions or kinds, the first three axes are taken for those of space.
    let mut seen = 0;
    for axis in axes.iter_mut().filter(|axis| axis.in_space) {
        seen += 1;
        axis.in_space = seen <= 3 || directions.is_some();
    }
    Ok(axes)
}

/// One vector or `none` an axis. A vector that has parts only beyond the third (time) is none in space.
fn vectors(text: &str, dimension: usize, path: &Path) -> Result<Vec<Option<Vector3<f64>>>, OpenError> {
    let refuse = || {
        let shown: String = text.chars().take(120).collect();
        let what = format!("\"{shown}\" is not {dimension} vectors or \"none\"; repair the space directions");
        OpenError::invalid(what, path)
    };
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('(') {
            let (vector, after) = inner.split_once(')').ok_or_else(refuse)?;
            found.push(Some(vector_of(vector).ok_or_else(refuse)?));
            rest = after.trim_start();
        } else {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            if word != "none" {
                return Err(refuse());
            }
            found.push(None);
            rest = after.trim_start();
        }
    }
    let in_space = |v: Option<Vector3<f64>>| v.filter(|v| *v != Vector3::zeros());
    if found.len() == dimension { Ok(found.into_iter().map(in_space).collect()) } else { Err(refuse()) }
}

/// Up to three parts in space; a fourth is time.
fn vector_of(text: &str) -> Option<Vector3<f64>> {
    let parts: Option<Vec<f64>> = text.split(',').map(|p| p.trim().parse().ok()).collect();
    let parts = parts.filter(|p| (1..=4).contains(&p.len()))?;
    let part = |i: usize| parts.get(i).copied().unwrap_or(0.0);
    Some(Vector3::new(part(0), part(1), part(2)))
}

/// The signs that turn the file's space into LPS, or `None` where it names no patient.
fn signs_to_lps(space: &str) -> Option<Vector3<f64>> {
    let name = space.trim().to_lowercase();
    let name = name.strip_suffix("-time").unwrap_or(&name);
    let name = if name.len() == 4 { name.strip_suffix('t').unwrap_or(name) } else { name };
    match name {
        "left-posterior-superior" | "lps" => Some(Vector3::new(1.0, 1.0, 1.0)),
        "right-anterior-superior" | "ras" => Some(Vector3::new(-1.0, -1.0, 1.0)),
        "left-anterior-superior" | "las" => Some(Vector3::new(1.0, -1.0, 1.0)),
        _ => None,
    }
}

fn place(
    header: &Header,
    axes: &[&Axis],
    path: &Path,
    warnings: &mut Vec<Warning>,
) -> Result<(Affine, bool), OpenError> {
    let mut columns: Vec<Vector3<f64>> = Vec::new();
    let mut has_spacing = true;
    for (a, axis) in axes.iter().enumerate() {
        let step = axis.spacing.filter(|s| *s != 0.0);
        has_spacing &= axis.direction.is_some() || step.is_some();
        let mut along = Vector3::zeros();
        along[a] = step.unwrap_or(1.0);
        columns.push(axis.direction.unwrap_or(along));
    }
    complete(&mut columns);
    let mut linear = Matrix3::from_columns(&[columns[0], columns[1], columns[2]]);
    let mut origin = match header.field("spaceorigin") {
        Some(text) => {
            text.trim().strip_prefix('(').and_then(|t| vector_of(t.strip_suffix(')')?)).ok_or_else(|| {
                OpenError::invalid(format!("the space origin is \"{text}\", not a vector"), path)
            })?
        }
        None => Vector3::zeros(),
    };
    match header.field("space").and_then(signs_to_lps) {
        Some(signs) if axes.iter().any(|axis| axis.direction.is_some()) => {
            linear = Matrix3::from_diagonal(&signs) * linear;
            origin.component_mul_assign(&signs);
        }
        _ => warnings.push(Warning::NoOrientation),
    }
    if !has_spacing {
        warnings.push(Warning::NoSpacing);
    }
    let mm = millimetres(header, path)?;
    let affine =
        Affine::new(linear * mm, origin * mm).map_err(|e| OpenError::invalid(e.to_string(), path))?;
    Ok((affine, has_spacing))
}

/// Adds axes of one voxel, 1 mm thick, at right angles to those at hand.
pub(in crate::io) fn complete(columns: &mut Vec<Vector3<f64>>) {
    if columns.len() == 1 {
        let first = columns[0];
        let mut other = Vector3::zeros();
        other[first.iamin()] = 1.0;
        columns.push(first.cross(&other).try_normalize(0.0).unwrap_or(other));
    }
    if columns.len() == 2 {
        columns.push(columns[0].cross(&columns[1]).try_normalize(0.0).unwrap_or_else(Vector3::zeros));
    }
}

/// Millimetres a unit of the file's space; without units NRRD of medicine is in millimetres.
fn millimetres(header: &Header, path: &Path) -> Result<f64, OpenError> {
    let Some(text) = header.field("spaceunits") else { return Ok(1.0) };
    let units: Vec<&str> = text.split('"').map(str::trim).filter(|u| !u.is_empty()).collect();
    let first = units.first().copied().unwrap_or("mm");
    if units.iter().take(3).any(|u| *u != first) {
        return Err(OpenError::unsupported(format!("the axes have different units ({text})"), path));
    }
    match first.to_lowercase().as_str() {
        "mm" | "millimeter" | "millimetre" | "???" => Ok(1.0),
        "cm" => Ok(10.0),
        "m" => Ok(1000.0),
        "um" | "µm" | "micron" => Ok(1e-3),
        other => Err(OpenError::unsupported(format!("the unit of space is \"{other}\", not a length"), path)),
    }
}

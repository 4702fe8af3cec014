//! Disc and cup out of a label map, and back.

use serde::{Deserialize, Serialize};

use super::CdrError;
use super::extent::next_run;
use crate::geometry::VoxelBox;
use crate::label::BoxMask;
use crate::paint::{Components, Connectivity};

/// Which labels mean rim and cup; the disc is both together, 0 is background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscLabels {
    /// Neuroretinal rim: disc without cup.
    pub rim: u16,
    /// Cup.
    pub cup: u16,
}

impl Default for DiscLabels {
    fn default() -> Self {
        Self { rim: 1, cup: 2 }
    }
}

/// What a mask held beside the one disc and the one cup that are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Leftovers {
    /// Connected parts of the disc, the measured one included.
    pub disc_parts: usize,
    /// Share of the disc's pixels in other parts.
    pub disc_share: f64,
    /// Connected parts of the cup within the disc, the measured one included.
    pub cup_parts: usize,
    /// Share of the cup's pixels in other parts.
    pub cup_share: f64,
    /// Share of the cup's pixels outside the disc.
    pub cup_outside_share: f64,
}

/// One optic disc with its cup, which lies inside it.
#[derive(Clone, Debug, PartialEq)]
pub struct DiscMask {
    size: [usize; 2],
    disc: BoxMask,
    cup: BoxMask,
    leftovers: Leftovers,
}

impl DiscMask {
    /// Takes the largest connected part of the disc (rim and cup) and, in it, of the cup. Parts connect over
    /// edges of pixels, not over corners.
    ///
    /// # Shapes
    /// `labels` is `[y, x]` of a picture of `size` columns and rows.
    ///
    /// # Errors
    /// [`CdrError`] for another number of labels, labels that cannot be told apart, and a mask without disc.
    pub fn from_labels(labels: &[u16], size: [usize; 2], names: DiscLabels) -> Result<Self, CdrError> {
        let [width, height] = size;
        if width.checked_mul(height) != Some(labels.len()) {
            return Err(CdrError::Size { found: labels.len(), width, height });
        }
        let DiscLabels { rim, cup } = names;
        if rim == cup || rim == 0 || cup == 0 {
            return Err(CdrError::SameLabel { label: rim.max(cup) });
        }
        let region = occupied(labels, width, names);
        if region.is_empty() {
            return Err(CdrError::NoDisc { rim, cup });
        }
        let disc = cut(labels, width, region, |v| v == rim || v == cup);
        let cup = cut(labels, width, region, |v| v == cup);
        Self::from_masks(&disc, &cup, size).ok_or(CdrError::NoDisc { rim, cup: names.cup })
    }

    /// Takes the largest connected part of a disc, and the cup inside it: a cup that was drawn beyond the disc is
    /// cut to it. `None` for an empty disc or one outside the picture.
    ///
    /// # Shapes
    /// Both masks lie in slice 0 of a picture of `size` columns and rows.
    pub fn from_masks(disc: &BoxMask, cup: &BoxMask, size: [usize; 2]) -> Option<Self> {
        let [_, _, depth] = disc.region().end();
        let Largest { mask: disc, parts: disc_parts, rest: disc_share } = Largest::of(disc);
        let end = disc.region().end();
        if disc.is_empty() || end[0] > size[0] || end[1] > size[1] || depth > 1 {
            return None;
        }
        let drawn = cup.count();
        let cup = intersection(cup, &disc);
        let kept = cup.count();
        let cup_outside_share = if drawn == 0 { 0.0 } else { 1.0 - kept as f64 / drawn as f64 };
        let Largest { mask: cup, parts: cup_parts, rest: cup_share } = Largest::of(&cup);
        let leftovers = Leftovers { disc_parts, disc_share, cup_parts, cup_share, cup_outside_share };
        Some(Self { size, disc, cup, leftovers })
    }

    /// Columns and rows of the picture.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Rim and cup, in their smallest box, in slice 0.
    pub fn disc(&self) -> &BoxMask {
        &self.disc
    }

    /// The cup, in its smallest box, in slice 0; empty if none is marked.
    pub fn cup(&self) -> &BoxMask {
        &self.cup
    }

    /// What was left out.
    pub fn leftovers(&self) -> Leftovers {
        self.leftovers
    }

    /// The same with the holes of disc and cup filled: a vessel that a network left out is part of both.
    pub fn without_holes(&self) -> Self {
        let mut filled = self.clone();
        filled.disc = fill_holes(&self.disc);
        filled.cup = fill_holes(&self.cup);
        filled
    }

    /// The labels of the whole picture, `[y, x]`: cup over rim over 0.
    pub fn labels(&self, names: DiscLabels) -> Vec<u16> {
        let [width, height] = self.size;
        let mut labels = vec![0; width * height];
        for (part, label) in [(&self.disc, names.rim), (&self.cup, names.cup)] {
            for span in part.spans() {
                labels[span.y * width + span.x_start..span.y * width + span.x_end].fill(label);
            }
        }
        labels
    }
}

/// The largest part of a mask, and how much is in the others.
struct Largest {
    mask: BoxMask,
    parts: usize,
    rest: f64,
}

impl Largest {
    fn of(mask: &BoxMask) -> Self {
        if let Some(bounds) = only_part(mask) {
            return Self { mask: cut_to(mask, bounds), parts: 1, rest: 0.0 };
        }
        let components = Components::of(mask, Connectivity::Six);
        let all: usize = components.all().iter().map(|part| part.voxel_count).sum();
        let Some(index) = components.largest() else {
            return Self { mask: BoxMask::default(), parts: 0, rest: 0.0 };
        };
        let rest = 1.0 - components.all()[index].voxel_count as f64 / all as f64;
        Self { mask: components.mask(index), parts: components.all().len(), rest }
    }
}

/// Smallest box around a mask of one run a row, each touching the one before: the usual disc, for which no search for
/// parts is needed. `None` for everything else, even if it is one part.
fn only_part(mask: &BoxMask) -> Option<VoxelBox> {
    let region = mask.region();
    let mut found: Option<VoxelBox> = None;
    let mut before: Option<(usize, usize, usize)> = None;
    for (row, (y, z)) in region.rows().enumerate() {
        let width = region.size()[0];
        let line = &mask.inside()[row * width..(row + 1) * width];
        let Some((from, to)) = next_run(line, 0) else { continue };
        if next_run(line, to).is_some() {
            return None;
        }
        if before.is_some_and(|(last, start, end)| last + 1 != y || from >= end || start >= to) {
            return None;
        }
        before = Some((y, from, to));
        let left = region.start()[0];
        let run = VoxelBox::new([left + from, y, z], [left + to, y + 1, z + 1]);
        found = Some(found.map_or(run, |all| all.union(&run)));
    }
    found
}

/// Smallest box around rim and cup.
fn occupied(labels: &[u16], width: usize, names: DiscLabels) -> VoxelBox {
    let is_disc = |v: &u16| *v == names.rim || *v == names.cup;
    let mut found: Option<[usize; 4]> = None;
    for (y, row) in labels.chunks_exact(width.max(1)).enumerate() {
        // Without a branch per pixel this runs at the speed of memory; most rows hold nothing.
        if !row.iter().fold(false, |any, v| any | is_disc(v)) {
            continue;
        }
        let first = row.iter().position(is_disc).unwrap_or(0);
        let last = row.iter().rposition(is_disc).unwrap_or(first);
        let [left, top, right, _] = found.unwrap_or([first, y, last, y]);
        found = Some([left.min(first), top, right.max(last), y]);
    }
    found.map_or_else(VoxelBox::default, |[left, top, right, bottom]| {
        VoxelBox::new([left, top, 0], [right + 1, bottom + 1, 1])
    })
}

fn cut(labels: &[u16], width: usize, region: VoxelBox, inside: impl Fn(u16) -> bool) -> BoxMask {
    let mut values = Vec::with_capacity(region.voxel_count());
    for (y, _) in region.rows() {
        let row = &labels[y * width + region.start()[0]..y * width + region.end()[0]];
        values.extend(row.iter().map(|v| inside(*v)));
    }
    BoxMask::new(region, values).unwrap_or_default()
}

/// A mask in another box, row by row; the box lies in that of the mask.
fn cut_to(mask: &BoxMask, region: VoxelBox) -> BoxMask {
    if mask.region() == region {
        return mask.clone();
    }
    let (from, width) = (mask.region().start(), mask.region().size()[0]);
    let mut values = Vec::with_capacity(region.voxel_count());
    for (y, _) in region.rows() {
        let row = (y - from[1]) * width + region.start()[0] - from[0];
        values.extend_from_slice(&mask.inside()[row..row + region.size()[0]]);
    }
    BoxMask::new(region, values).unwrap_or_default()
}

fn intersection(a: &BoxMask, b: &BoxMask) -> BoxMask {
    let region = a.region().intersection(&b.region());
    if region.is_empty() {
        return BoxMask::default();
    }
    let (mut a, b) = (cut_to(a, region).inside().to_vec(), cut_to(b, region));
    a.iter_mut().zip(b.inside()).for_each(|(a, b)| *a &= *b);
    BoxMask::new(region, a).unwrap_or_default()
}

/// Everything that background cannot reach from outside, over edges or corners, becomes part of the mask.
fn fill_holes(mask: &BoxMask) -> BoxMask {
    let region = mask.region();
    if region.is_empty() {
        return mask.clone();
    }
    let background = BoxMask::from_fn(region, |pixel| !mask.contains(pixel));
    let components = Components::of(&background, Connectivity::TwentySix);
    let mut inside = mask.inside().to_vec();
    let (start, end, width) = (region.start(), region.end(), region.size()[0]);
    for (index, part) in components.all().iter().enumerate() {
        let (low, high) = (part.bounds.start(), part.bounds.end());
        if (0..2).any(|a| low[a] == start[a] || high[a] == end[a]) {
            continue;
        }
        for span in components.mask(index).spans() {
            let row = (span.y - start[1]) * width;
            inside[row + span.x_start - start[0]..row + span.x_end - start[0]].fill(true);
        }
    }
    BoxMask::new(region, inside).unwrap_or_default()
}

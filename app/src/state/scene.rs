//! What the 3-D view shows, and the surfaces it has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hilum_core::document::Effects;
use hilum_core::geometry::VoxelBox;
use hilum_core::label::LabelMap;
use hilum_core::surface::{BlockLabels, Blocks, LabelSurface, SurfaceMesh};
use serde::{Deserialize, Serialize};

/// Vertices of all surfaces together; labels as rugged as noise would else fill the memory.
const MAX_VERTICES: usize = 6_000_000;
/// Voxels copied for the thread of the surfaces in one frame, so that no frame is late.
const VOXELS_PER_FRAME: usize = 1 << 20;
/// Voxels looked at in one frame to find blocks that have a surface.
const BLOCKS_PER_FRAME: usize = 256;
/// The label under which the surface of a map of attention is drawn.
pub const OVERLAY: u16 = u16::MAX;
/// Requests under way at once.
const MAX_UNDER_WAY: usize = 4;

/// What the 3-D view draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SceneMode {
    /// Surfaces of the labels.
    #[default]
    Surfaces,
    /// The largest value along every line of sight.
    Mip,
    /// The image as fog that is denser where it is brighter in its window.
    Volume,
}

/// The surface of one label in one block, as the 3-D view holds it.
#[derive(Clone, Debug)]
pub struct SurfacePart {
    /// Its triangles.
    pub mesh: Arc<SurfaceMesh>,
    /// Which version of the block it belongs to; a renderer that has this number has this mesh.
    pub version: u64,
}

/// Surfaces of all labels, kept in step with the labels as long as somebody looks at them.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Opacity of the surfaces of labels that are not opaque.
    opacity: BTreeMap<u16, f32>,
    /// Blocks that have changed and were not meshed since.
    waiting: BTreeSet<usize>,
    under_way: usize,
    parts: BTreeMap<(u16, usize), SurfacePart>,
    /// Around a share of a map of attention.
    overlay: Option<SurfacePart>,
    vertices: usize,
    /// Some surfaces were left out because there were too many vertices.
    pub is_cut: bool,
    /// Changes whenever a part does.
    pub version: u64,
    blocks: Blocks,
}

impl Scene {
    /// Nothing meshed yet; everything waits.
    pub fn new(dims: [usize; 3]) -> Self {
        let blocks = Blocks::new(dims);
        Self {
            opacity: BTreeMap::new(),
            // A flat image has no 3-D view.
            waiting: if dims[2] > 1 { (0..blocks.len()).collect() } else { BTreeSet::new() },
            under_way: 0,
            parts: BTreeMap::new(),
            overlay: None,
            vertices: 0,
            is_cut: false,
            version: 0,
            blocks,
        }
    }

    /// Opacity of a label's surface, 0 to 1.
    pub fn opacity(&self, label: u16) -> f32 {
        self.opacity.get(&label).copied().unwrap_or(1.0)
    }

    /// Labels whose surfaces were given an opacity.
    pub fn opacities(&self) -> impl Iterator<Item = (u16, f32)> + '_ {
        self.opacity.iter().map(|(label, opacity)| (*label, *opacity))
    }

    /// Sets the opacity of a label's surface.
    pub fn set_opacity(&mut self, label: u16, opacity: f32) {
        self.opacity.insert(label, opacity.clamp(0.0, 1.0));
    }

    /// The surfaces, by label and block.
    pub fn parts(&self) -> &BTreeMap<(u16, usize), SurfacePart> {
        &self.parts
    }

    /// The surfaces with that of a map of attention, under the label [`OVERLAY`].
    pub fn drawn_parts(&self) -> BTreeMap<(u16, usize), SurfacePart> {
        let mut parts = self.parts.clone();
        if self.has_overlay() {
            parts.extend(self.overlay.clone().map(|part| ((OVERLAY, 0), part)));
        }
        parts
    }

    /// Whether a map of attention has a surface.
    pub fn has_overlay(&self) -> bool {
        // A person's label of that value comes first.
        self.overlay.is_some() && self.triangles(OVERLAY) == 0
    }

    /// Shows the surface of a map of attention, or none any more.
    pub fn set_overlay(&mut self, mesh: Option<SurfaceMesh>) {
        if mesh.is_some() || self.overlay.is_some() {
            self.version += 1;
            self.overlay = mesh.map(|mesh| SurfacePart { mesh: Arc::new(mesh), version: self.version });
        }
    }

    /// Number of triangles of a label.
    pub fn triangles(&self, label: u16) -> usize {
        let parts = self.parts.range((label, 0)..=(label, usize::MAX));
        parts.map(|(_, part)| part.mesh.triangles.len()).sum()
    }

    /// Whether surfaces are behind the labels.
    pub fn is_behind(&self) -> bool {
        !self.waiting.is_empty() || self.under_way > 0
    }

    /// Whether blocks wait that could be handed over now.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() && self.under_way < MAX_UNDER_WAY
    }

    /// Notes what an edit changed.
    pub fn note(&mut self, effects: &Effects) {
        if effects.labels_changed {
            self.touch(effects.dirty);
        }
    }

    /// Notes that voxels changed.
    pub fn touch(&mut self, changed: VoxelBox) {
        self.waiting.extend(self.blocks.touched(changed));
    }

    /// The next blocks to mesh, as copies; empty when there is nothing to do or enough is under way. Blocks without a
    /// surface are done with at once.
    pub fn next_blocks(&mut self, labels: &LabelMap) -> Vec<BlockLabels> {
        let mut found = Vec::new();
        if self.under_way >= MAX_UNDER_WAY || self.waiting.is_empty() {
            return found;
        }
        if labels.is_blank() {
            self.waiting.clear();
            self.forget_parts();
            return found;
        }
        let mut copied = 0;
        for _ in 0..BLOCKS_PER_FRAME {
            let Some(block) = self.waiting.pop_first() else { break };
            match BlockLabels::cut(labels, block) {
                Some(window) => {
                    copied += window.voxel_count();
                    found.push(window);
                }
                None => self.replace(block, Vec::new()),
            }
            if copied >= VOXELS_PER_FRAME {
                break;
            }
        }
        self.under_way += usize::from(!found.is_empty());
        found
    }

    fn forget_parts(&mut self) {
        if !self.parts.is_empty() {
            self.parts.clear();
            self.vertices = 0;
            self.version += 1;
        }
        self.is_cut = false;
    }

    /// Takes in an answer of the thread that meshes.
    pub fn take(&mut self, meshed: Vec<(usize, Vec<LabelSurface>)>) {
        self.under_way = self.under_way.saturating_sub(1);
        for (block, surfaces) in meshed {
            self.replace(block, surfaces);
        }
    }

    /// A request was lost; its blocks have to wait again.
    pub fn lost(&mut self, blocks: impl IntoIterator<Item = usize>) {
        self.under_way = self.under_way.saturating_sub(1);
        self.waiting.extend(blocks);
    }

    fn replace(&mut self, block: usize, surfaces: Vec<LabelSurface>) {
        let old: Vec<u16> = self.parts.keys().filter(|(_, b)| *b == block).map(|(label, _)| *label).collect();
        if old.is_empty() && surfaces.is_empty() {
            return;
        }
        self.version += 1;
        for label in old {
            if let Some(part) = self.parts.remove(&(label, block)) {
                self.vertices -= part.mesh.positions.len();
            }
        }
        for LabelSurface { label, mesh } in surfaces {
            if self.vertices + mesh.positions.len() > MAX_VERTICES {
                self.is_cut = true;
                continue;
            }
            self.vertices += mesh.positions.len();
            let part = SurfacePart { mesh: Arc::new(mesh), version: self.version };
            self.parts.insert((label, block), part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::geometry::Grid;

    fn labels(grid: Grid, inside: VoxelBox) -> LabelMap {
        let voxels = (0..grid.voxel_count()).map(|i| u16::from(inside.contains(grid.voxel(i)))).collect();
        LabelMap::from_voxels(grid, voxels).unwrap()
    }

    fn work(scene: &mut Scene, labels: &LabelMap) -> usize {
        let mut meshed = 0;
        while scene.is_behind() {
            let blocks = scene.next_blocks(labels);
            meshed += blocks.len();
            let affine = labels.grid().affine();
            scene.take(blocks.iter().map(|b| (b.block, b.surfaces(affine))).collect());
        }
        meshed
    }

    #[test]
    fn only_what_changed_is_meshed_again_and_what_is_erased_disappears() {
        let grid = Grid::from_spacing([130, 90, 40], [1.0; 3]).unwrap();
        let first = labels(grid, VoxelBox::new([5, 5, 5], [120, 80, 30]));
        let mut scene = Scene::new(grid.dims());
        let all = work(&mut scene, &first);
        assert!(scene.triangles(1) > 1000);
        let edit = VoxelBox::new([5, 5, 5], [9, 9, 9]);
        let second = labels(grid, VoxelBox::new([9, 5, 5], [120, 80, 30]));
        scene.touch(edit);
        let again = work(&mut scene, &second);
        assert!(again < all / 2, "{again} of {all} blocks");
        let empty = LabelMap::new(grid);
        scene.touch(grid.full_box());
        assert_eq!(work(&mut scene, &empty), 0);
        assert_eq!((scene.triangles(1), scene.vertices), (0, 0));
    }

    #[test]
    fn a_lost_request_waits_again() {
        let grid = Grid::from_spacing([40, 40, 40], [1.0; 3]).unwrap();
        let map = labels(grid, VoxelBox::new([5, 5, 5], [20, 20, 20]));
        let mut scene = Scene::new(grid.dims());
        let blocks = scene.next_blocks(&map);
        assert!(!blocks.is_empty());
        scene.lost(blocks.iter().map(|block| block.block));
        assert!(scene.is_behind());
        assert!(work(&mut scene, &map) > 0);
        assert!(scene.triangles(1) > 0);
    }
}

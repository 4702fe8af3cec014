//! The thread that makes surfaces of labels.

use hilum_core::geometry::Affine;
use hilum_core::surface::{BlockLabels, LabelSurface};
use rayon::prelude::*;

use super::{Event, Inbox, Numbered};

/// Blocks to mesh.
#[derive(Clone, Debug)]
pub struct SurfaceRequest {
    /// The image.
    pub session: u64,
    /// Where its voxels lie.
    pub affine: Affine,
    /// Copies of the labels, a block each.
    pub blocks: Vec<BlockLabels>,
}

impl Numbered for SurfaceRequest {
    fn number(&self) -> Option<u64> {
        None
    }
}

/// Meshed blocks.
#[derive(Debug)]
pub struct Meshed {
    /// The image.
    pub session: u64,
    /// Every block of the request with its surfaces.
    pub blocks: Vec<(usize, Vec<LabelSurface>)>,
}

/// Meshes all blocks of a request and sends them.
pub fn handle(request: &SurfaceRequest, inbox: &Inbox) {
    let surfaces = |labels: &BlockLabels| (labels.block, labels.surfaces(&request.affine));
    let blocks = request.blocks.par_iter().map(surfaces).collect();
    inbox.send(Event::Meshed(Meshed { session: request.session, blocks }));
}

//! Where a network looked, on the thread that owns its tensors. Only numbers with a place leave it.

mod failure;
mod work;

use std::sync::Arc;

use hilum_core::geometry::WorldPoint;
use hilum_core::job::CancelToken;
use hilum_core::label::LabelMap;
use hilum_core::surface::SurfaceMesh;
use hilum_core::volume::Volume;
use hilum_models::infer::ClickRequest;
use hilum_models::inspect::{ChannelMap, ClassMass, Density, FieldMap, Occlusion, QueryClass};
use hilum_models::nets::HopReading;

use super::{EngineChoice, LabelChoice};

pub(super) use work::Looks;

/// Into which model to look.
#[derive(Clone, Debug)]
pub enum InspectChoice {
    /// The one-click pipeline with these clicks.
    Clicks(EngineChoice, ClickRequest),
    /// A model that labels images.
    Labels(LabelChoice),
}

/// What to do.
#[derive(Clone, Debug)]
pub enum InspectWhat {
    /// Run the networks once and show their maps.
    Open {
        /// Which.
        choice: InspectChoice,
        /// The image.
        volume: Arc<Volume>,
        /// The tile around this point, of a model that works in tiles.
        at: WorldPoint,
        /// For the share of attention on each class.
        labels: Arc<LabelMap>,
        /// State of the labels.
        labels_revision: u64,
    },
    /// What the pixel at a point looks at, from what the pass left behind.
    Rows {
        /// Where.
        at: WorldPoint,
        /// How graphs are read; `None`: as in their network.
        reading: Option<HopReading>,
        /// For the share of attention on each class.
        labels: Arc<LabelMap>,
        /// State of the labels; the maps of the pass are compared with them again where they have changed.
        labels_revision: u64,
    },
    /// The same maps with random weights.
    Random,
    /// The answer without the place that a map points at.
    Occlude {
        /// Number of the network.
        look: usize,
        /// The map.
        map: Arc<FieldMap>,
    },
    /// What all pixels of each class look at in one layer.
    Classes {
        /// Number of the network.
        look: usize,
        /// The layer.
        layer: String,
        /// Whether it is read as plain self-attention.
        is_plain: bool,
        /// How graphs are read; `None`: as in their network.
        reading: Option<HopReading>,
        /// The classes.
        labels: Arc<LabelMap>,
    },
    /// The surface around a share of a map.
    Surface {
        /// The map, of a volume.
        map: Arc<FieldMap>,
        /// Share of it inside, 0 to 1.
        share: f64,
    },
    /// Forget what the pass left behind.
    Close,
}

/// A question about where a network looked.
#[derive(Clone, Debug)]
pub struct InspectRequest {
    /// Number of the request.
    pub request: u64,
    /// What.
    pub what: InspectWhat,
    /// Stops it before it runs.
    pub cancel: CancelToken,
}

/// Where a map comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MapKind {
    /// The pass of the network.
    Pass,
    /// The pixel at the crosshair.
    Row,
    /// The pixel at the crosshair in plain self-attention of the same queries and keys.
    Plain,
    /// The same pass with random weights.
    Random,
}

/// A map as it is shown.
#[derive(Clone, Debug)]
pub struct ShownMap {
    /// Number of the network.
    pub look: usize,
    /// Where it comes from.
    pub kind: MapKind,
    /// The numbers.
    pub map: Arc<FieldMap>,
    /// Share on each class of the labels; empty where that says nothing.
    pub mass: Vec<ClassMass>,
    /// Agreement with the difference between the network's answer and the labels, ½ for none.
    pub error_auc: Option<f64>,
    /// Of a map with random weights: rank correlation with the map of the pass.
    pub spearman: Option<f64>,
}

/// A network that was run.
#[derive(Clone, Debug)]
pub struct LookInfo {
    /// Identity of the model.
    pub model: String,
    /// `coarse`, `fine` or `labels`.
    pub stage: String,
    /// Name of the network.
    pub arch: String,
    /// How the graph of its first layer with one is read.
    pub reading: Option<HopReading>,
    /// Density of that graph for each number of hops.
    pub density: Vec<Density>,
    /// The layers whose pixels look at each other.
    pub layers: Vec<String>,
    /// Of a discriminator: mean over the slices of the probability that a person drew the answer.
    pub drawn_by_a_person: Option<f32>,
}

/// The maps of a pixel.
#[derive(Clone, Debug)]
pub struct RowAnswer {
    /// They, and where the labels have changed those of the pass.
    pub maps: Vec<ShownMap>,
    /// The densities of the graphs as they are read now, one list a network.
    pub densities: Vec<Vec<Density>>,
    /// What channels look at in the slice of the pixel, with the number of the network.
    pub channels: Vec<(usize, ChannelMap)>,
    /// Seconds that it took.
    pub secs: f64,
}

/// An answer.
#[derive(Clone, Debug)]
pub enum InspectAnswer {
    /// The networks with their maps, and what a person should know.
    Opened(Vec<LookInfo>, Vec<ShownMap>, Vec<String>),
    /// The maps of a pixel.
    Rows(RowAnswer),
    /// The maps with random weights.
    Random(Vec<ShownMap>),
    /// The answer without a place.
    Occluded {
        /// Number of the network.
        look: usize,
        /// Name of the map.
        name: String,
        /// What was found.
        found: Occlusion,
    },
    /// What all pixels of each class look at.
    Classes(Vec<QueryClass>),
    /// The surface around a share of a map; empty where it has no depth.
    Surface(SurfaceMesh),
    /// Nothing is kept any more.
    Closed,
}

//! Where a network looked, as it is shown.

use hilum_core::geometry::WorldPoint;
use hilum_core::job::CancelToken;
use hilum_models::inspect::{ChannelMap, Occlusion, QueryClass};
use hilum_models::nets::HopReading;

use crate::jobs::{LookInfo, MapKind, ShownMap};

mod compare;
mod together;
mod whose;

pub use compare::{Against, KeptMap, MapScale, MapView};
pub use together::Together;
pub use whose::LabelledBy;

/// Which map is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapKey {
    /// Number of the network.
    pub look: usize,
    /// Where it comes from.
    pub kind: MapKind,
    /// Its name.
    pub name: String,
}

/// What the pixels of each class of the labels look at, in one layer.
#[derive(Clone, Debug)]
pub struct ClassShares {
    /// Number of the network.
    pub look: usize,
    /// The layer.
    pub layer: String,
    /// Whether it is read as plain self-attention.
    pub is_plain: bool,
    /// How graphs were read.
    pub reading: Option<HopReading>,
    /// State of the labels.
    pub labels_revision: u64,
    /// One for each class that looks; none if it could not be told.
    pub found: Vec<QueryClass>,
}

/// The attention panel of an image.
#[derive(Debug)]
pub struct Inspecting {
    /// The image.
    pub session: u64,
    /// The model looked into; `None`: the one that answers clicks.
    pub model: Option<String>,
    /// The question under way.
    pub running: Option<(u64, CancelToken)>,
    /// What is being done.
    pub what: String,
    /// The networks that were run.
    pub looks: Vec<LookInfo>,
    /// All maps, those of the pass first.
    pub maps: Vec<ShownMap>,
    /// Which is shown.
    pub chosen: Option<MapKey>,
    /// Which was asked for: it is shown as soon as it is there.
    pub wished: Option<MapKey>,
    /// Opacity over the image, 0 to 1.
    pub opacity: f32,
    /// How the map is laid over the image.
    pub view: MapView,
    /// Share of the map inside its contour, 0 to 1.
    pub share: f64,
    /// Which values get the ends of the colours.
    pub scale: MapScale,
    /// What the map is compared with.
    pub against: Against,
    /// Rank correlation of the two maps that are compared.
    pub likeness: Option<f64>,
    /// Maps that stay.
    pub kept: Vec<KeptMap>,
    /// Of blinking: held still, at the compared map or image (`false`) or at the map.
    pub held: Option<bool>,
    /// The layer whose maps the list shows; `None`: all.
    pub layer: Option<(usize, String)>,
    /// What channels look at, by network.
    pub channels: Vec<(usize, ChannelMap)>,
    /// Which of [`Inspecting::channels`] is shown.
    pub channels_shown: usize,
    /// Whether the 3-D view shows a surface around a share of the map.
    pub in_scene: bool,
    /// What that surface was asked for: the map, the share and the state of the maps.
    pub scene_for: Option<(MapKey, f64, u64)>,
    /// Whether histograms over all pixels of each class are wanted.
    pub wants_classes: bool,
    /// The last such histograms.
    pub classes: Option<ClassShares>,
    /// The class and the hop or head whose histogram is shown: positions.
    pub class_shown: (usize, usize),
    /// How graphs are read; `None`: as in their network.
    pub reading: Option<HopReading>,
    /// For what the maps of a pixel were asked last.
    pub rows_for: Option<(WorldPoint, Option<HopReading>, u64)>,
    /// Seconds that the last maps of a pixel took.
    pub rows_secs: Option<f64>,
    /// The last check by occlusion, with the map it is about.
    pub occlusion: Option<(MapKey, Occlusion)>,
    /// Counts answers, so that pictures of maps are made anew.
    pub revision: u64,
}

impl Inspecting {
    /// The panel of an image before the network has run.
    pub fn new(session: u64, model: Option<String>) -> Self {
        Self {
            session,
            model,
            running: None,
            what: "Waiting for the network".into(),
            looks: Vec::new(),
            maps: Vec::new(),
            chosen: None,
            wished: None,
            opacity: 0.55,
            view: MapView::default(),
            share: 0.5,
            scale: MapScale::default(),
            against: Against::default(),
            likeness: None,
            kept: Vec::new(),
            held: None,
            layer: None,
            channels: Vec::new(),
            channels_shown: 0,
            in_scene: false,
            scene_for: None,
            wants_classes: false,
            classes: None,
            class_shown: (0, 0),
            reading: None,
            rows_for: None,
            rows_secs: None,
            occlusion: None,
            revision: 0,
        }
    }

    /// The key of a map.
    pub fn key(map: &ShownMap) -> MapKey {
        MapKey { look: map.look, kind: map.kind, name: map.map.name.clone() }
    }

    /// The map that is shown.
    pub fn shown(&self) -> Option<&ShownMap> {
        let chosen = self.chosen.as_ref()?;
        self.maps.iter().find(|map| Self::key(map) == *chosen)
    }

    /// The panel of another pass of the same image: how maps are shown, and those that were kept, stay.
    #[must_use]
    pub fn following(self, old: Self) -> Self {
        let against = match old.against {
            // Its network will have run anew; the key finds the map of the same name.
            Against::Map(key) if self.model == old.model => Against::Map(key),
            Against::Map(_) => Against::Image,
            other => other,
        };
        Self {
            opacity: old.opacity,
            view: old.view,
            share: old.share,
            scale: old.scale,
            kept: old.kept,
            held: old.held,
            in_scene: old.in_scene,
            wants_classes: old.wants_classes,
            chosen: old.chosen,
            wished: old.wished,
            revision: old.revision + 1,
            against,
            ..self
        }
    }

    /// Exchanges the maps of some kinds for others; the choice stays where its map is still there.
    pub fn replace(&mut self, kinds: &[MapKind], maps: Vec<ShownMap>) {
        self.maps.retain(|map| !kinds.contains(&map.kind));
        self.maps.extend(maps);
        self.maps.sort_by_key(|map| (map.look, map.kind));
        self.revision += 1;
        let is_there = |wished: &MapKey| self.maps.iter().any(|map| Self::key(map) == *wished);
        if let Some(wished) = self.wished.clone().filter(is_there) {
            self.chosen = Some(wished);
        } else if self.shown().is_none() {
            self.chosen = self.maps.first().map(Self::key);
        }
        self.compare();
    }

    /// The layer of the shown map, if its pixels look at each other: number of the network, name, and whether it is read
    /// as plain self-attention.
    pub fn layer_of_shown(&self) -> Option<(usize, String, bool)> {
        let shown = self.shown().filter(|shown| shown.kind != MapKind::Random)?;
        let layers = &self.looks.get(shown.look)?.layers;
        let layer = layers.iter().find(|layer| **layer == shown.map.layer)?;
        Some((shown.look, layer.clone(), shown.kind == MapKind::Plain))
    }

    /// How the graph is read that a map comes from, if its network has one: the pass as it was trained, a pixel as chosen.
    pub fn reading_of(&self, map: &ShownMap) -> Option<HopReading> {
        let own = self.looks.get(map.look)?.reading?;
        Some(match map.kind {
            MapKind::Row | MapKind::Plain => self.reading.unwrap_or(own),
            MapKind::Pass | MapKind::Random => own,
        })
    }

    /// How the first graph is read now.
    pub fn reading_now(&self) -> Option<HopReading> {
        self.reading.or_else(|| self.looks.iter().find_map(|look| look.reading))
    }
}

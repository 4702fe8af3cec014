//! Where a network looked, as it is shown.

use hilum_core::geometry::WorldPoint;
use hilum_core::job::CancelToken;
use hilum_models::inspect::Occlusion;
use hilum_models::nets::HopReading;

use crate::jobs::{LookInfo, MapKind, ShownMap};

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
    /// Opacity over the image, 0 to 1.
    pub opacity: f32,
    /// All maps of one meaning share their colours.
    pub is_scale_shared: bool,
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
            opacity: 0.55,
            is_scale_shared: false,
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

    /// The values that get the ends of the colours: those of the map, or of all maps of its meaning.
    pub fn range(&self, of: &ShownMap) -> [f32; 2] {
        if !self.is_scale_shared {
            return of.map.range();
        }
        let alike =
            self.maps.iter().filter(|map| map.map.meaning == of.map.meaning && map.kind != MapKind::Random);
        let ranges = alike.chain([of]).map(|map| map.map.range());
        ranges.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], [l, h]| [low.min(l), high.max(h)])
    }

    /// Exchanges the maps of some kinds for others; the choice stays where its map is still there.
    pub fn replace(&mut self, kinds: &[MapKind], maps: Vec<ShownMap>) {
        self.maps.retain(|map| !kinds.contains(&map.kind));
        self.maps.extend(maps);
        self.maps.sort_by_key(|map| (map.look, map.kind));
        self.revision += 1;
        if self.shown().is_none() {
            self.chosen = self.maps.first().map(Self::key);
        }
    }

    /// How the first graph is read now.
    pub fn reading_now(&self) -> Option<HopReading> {
        self.reading.or_else(|| self.looks.iter().find_map(|look| look.reading))
    }
}

//! Where a network looked, as it is shown.

use std::sync::Arc;

use hilum_core::geometry::WorldPoint;
use hilum_core::job::CancelToken;
use hilum_models::inspect::{ChannelMap, FieldMap, Occlusion, QueryClass, spearman};
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

/// How a map is laid over the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapView {
    /// In colours over the image.
    #[default]
    Overlay,
    /// A line around a share of it.
    Contour,
    /// Beside the image, or beside another map.
    Beside,
    /// In turn with the image, or with another map.
    Blink,
}

impl MapView {
    /// All, in the order of the panel.
    pub const ALL: [Self; 4] = [Self::Overlay, Self::Contour, Self::Beside, Self::Blink];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overlay => "Overlay",
            Self::Contour => "Contour",
            Self::Beside => "Side by side",
            Self::Blink => "Blink",
        }
    }
}

/// Which values get the ends of the colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapScale {
    /// Those of each map.
    #[default]
    Own,
    /// Those of both maps that are compared.
    Compared,
    /// Those of all maps of one meaning, without those of random weights.
    Meaning,
}

impl MapScale {
    /// All, in the order of the panel.
    pub const ALL: [Self; 3] = [Self::Own, Self::Compared, Self::Meaning];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "each map its own",
            Self::Compared => "one for both compared maps",
            Self::Meaning => "one for all maps of this meaning",
        }
    }
}

/// What a map is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Against {
    /// The image alone.
    #[default]
    Image,
    /// Another map of the list.
    Map(MapKey),
    /// A map that was kept, by its number.
    Kept(u64),
}

/// A map that stays while other models are looked into.
#[derive(Clone, Debug)]
pub struct KeptMap {
    /// Tells it from the others.
    pub number: u64,
    /// Model, name, and the state of the labels it was kept at.
    pub told: String,
    /// The numbers.
    pub map: Arc<FieldMap>,
}

/// Most maps that are kept.
const MAX_KEPT: usize = 8;
/// Most pixels over which two maps are compared.
const MAX_COMPARED: usize = 40_000;

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

    /// The map that the shown one is compared with, and what it is called.
    pub fn compared(&self) -> Option<(&Arc<FieldMap>, String)> {
        match &self.against {
            Against::Image => None,
            Against::Map(key) => {
                let map = self.maps.iter().find(|map| Self::key(map) == *key)?;
                Some((&map.map, self.told(map)))
            }
            Against::Kept(number) => {
                let kept = self.kept.iter().find(|kept| kept.number == *number)?;
                Some((&kept.map, kept.told.clone()))
            }
        }
    }

    /// What a map is called where several networks and origins are compared.
    pub fn told(&self, map: &ShownMap) -> String {
        let model = self.looks.get(map.look).map_or("", |look| look.model.as_str());
        let origin = match map.kind {
            MapKind::Plain => ", plain self-attention",
            MapKind::Random => ", random weights",
            MapKind::Pass | MapKind::Row => "",
        };
        format!("{model}: {}{origin}", map.map.name)
    }

    /// Keeps the map that is shown, with a word on the state of the labels; the oldest gives way.
    pub fn keep(&mut self, state: &str) {
        let Some(shown) = self.shown() else { return };
        let (told, map) = (format!("{} ({state})", self.told(shown)), Arc::clone(&shown.map));
        let number = self.kept.iter().map(|kept| kept.number + 1).max().unwrap_or(1);
        self.kept.push(KeptMap { number, told, map });
        if self.kept.len() > MAX_KEPT {
            self.kept.remove(0);
        }
        self.against = Against::Kept(number);
    }

    /// Counts anew how alike the two maps are that are compared: at the middles of the shown map's pixels, at most 40 000
    /// of them, evenly spread.
    pub fn compare(&mut self) {
        self.likeness = self.shown().zip(self.compared()).and_then(|(shown, (other, _))| {
            let (map, step) = (&shown.map, shown.map.values.len().div_ceil(MAX_COMPARED).max(1));
            let pairs = (step / 2..map.values.len()).step_by(step).filter_map(|pixel| {
                let at = map.grid.world_of(map.grid.voxel(pixel));
                Some((map.values[pixel], other.value_between(at)?))
            });
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.unzip();
            spearman(&a, &b)
        });
    }

    /// The values that get the ends of the colours of a map: its own, or those of the maps that share its scale. Signed
    /// numbers have 0 in the middle.
    pub fn range(&self, of: &FieldMap) -> [f32; 2] {
        let own = of.range();
        let join =
            |[low, high]: [f32; 2], map: &FieldMap| [low.min(map.range()[0]), high.max(map.range()[1])];
        let [low, high] = match self.scale {
            MapScale::Own => own,
            MapScale::Compared => {
                let shown = self.shown().map(|shown| &shown.map);
                let both = shown.into_iter().chain(self.compared().map(|(map, _)| map));
                both.fold(own, |range, map| join(range, map))
            }
            MapScale::Meaning => {
                let alike =
                    self.maps.iter().filter(|m| m.map.meaning == of.meaning && m.kind != MapKind::Random);
                alike.fold(own, |range, m| join(range, &m.map))
            }
        };
        let most = low.abs().max(high.abs());
        if of.meaning.is_signed() { [-most, most] } else { [low, high] }
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

    /// How the first graph is read now.
    pub fn reading_now(&self) -> Option<HopReading> {
        self.reading.or_else(|| self.looks.iter().find_map(|look| look.reading))
    }
}

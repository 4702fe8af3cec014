//! How maps of attention are laid over the image, scaled, kept and compared.

use std::sync::Arc;

use hilum_models::inspect::{FieldMap, spearman};

use super::{Inspecting, MapKey};
use crate::figure::ends;
use crate::jobs::{MapKind, ShownMap};

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
    /// The image and all maps that belong to it, each in a tile of the view.
    All,
}

impl MapView {
    /// All, in the order of the panel.
    pub const ALL: [Self; 5] = [Self::Overlay, Self::Contour, Self::Beside, Self::Blink, Self::All];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overlay => "Overlay",
            Self::Contour => "Contour",
            Self::Beside => "Side by side",
            Self::Blink => "Blink",
            Self::All => "All maps",
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

impl Inspecting {
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
        // The same pixel may be kept in several readings of the graph.
        let read = self.reading.filter(|_| shown.kind == MapKind::Row);
        let read = read.map_or_else(String::new, |read| format!("; {}", read.told()));
        let (told, map) = (format!("{} ({state}{read})", self.told(shown)), Arc::clone(&shown.map));
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
        let own = ends(of);
        let join = |[low, high]: [f32; 2], map: &FieldMap| {
            let [l, h] = ends(map);
            [low.min(l), high.max(h)]
        };
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
}

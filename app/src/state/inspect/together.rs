//! The maps that belong to the shown one, for a view that is tiled with them.

use hilum_models::nets::MapMeaning;

use super::Inspecting;
use crate::figure::{Candidate, together};
use crate::jobs::{MapKind, ShownMap};

/// The maps of one layer, or of one meaning, in the order in which they stand beside each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Together {
    /// Their positions in [`Inspecting::maps`].
    pub maps: Vec<usize>,
    /// How many more belong to them than a view has tiles for.
    pub left_out: usize,
}

impl Inspecting {
    /// The maps that belong to the one that is shown, and it; none where none is shown.
    pub fn together(&self) -> Together {
        let Some(shown) = self.shown() else { return Together::default() };
        let all: Vec<Candidate<'_>> =
            self.maps.iter().map(|of| Candidate { look: of.look, kind: of.kind, map: &of.map }).collect();
        let at = self.maps.iter().position(|map| std::ptr::eq(map, shown)).unwrap_or(0);
        let (choice, left_out) = together(&all, all[at]);
        let position = |of: &Candidate<'_>| all.iter().position(|other| std::ptr::eq(other.map, of.map));
        Together { maps: choice.maps.iter().filter_map(position).collect(), left_out }
    }

    /// What a map is called among those of its layer or meaning.
    pub fn short_name(map: &ShownMap) -> String {
        let channel = if map.map.channel.is_empty() { &map.map.layer } else { &map.map.channel };
        let name = match map.map.meaning {
            _ if map.kind == MapKind::Plain => "plain self-attention".to_owned(),
            MapMeaning::AttentionGiven => channel.clone(),
            MapMeaning::Neighbours => format!("neighbours, {channel}"),
            MapMeaning::AttentionReceived => format!("received, {channel}"),
            MapMeaning::Reach => format!("reach, {channel}"),
            _ => map.map.name.clone(),
        };
        if map.kind == MapKind::Random { format!("{name}, random weights") } else { name }
    }
}

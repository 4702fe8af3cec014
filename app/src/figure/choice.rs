//! Which maps belong beside each other in a figure.

use hilum_models::inspect::FieldMap;
use hilum_models::nets::MapMeaning;

use crate::jobs::MapKind;

/// Most maps of a figure.
const MAX_MAPS: usize = 16;
/// Most maps beside the image in a view: with it four rows of four.
const MAX_TOGETHER: usize = 15;

/// A map with where it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    /// Number of the network.
    pub(crate) look: usize,
    pub(crate) kind: MapKind,
    pub(crate) map: &'a FieldMap,
}

impl Candidate<'_> {
    fn is_of_junction(&self) -> bool {
        matches!(
            self.map.meaning,
            MapMeaning::Divergence
                | MapMeaning::DivergenceUnscaled
                | MapMeaning::PathPrediction
                | MapMeaning::AnswerChange
        )
    }

    /// The layer that pixels look at each other in; the graph of a layer is named apart from it.
    fn layer(&self) -> &str {
        self.map.layer.trim_end_matches(".reach")
    }

    fn is_row(&self) -> bool {
        self.map.meaning == MapMeaning::AttentionGiven && matches!(self.kind, MapKind::Row | MapKind::Plain)
    }
}

/// What a figure shows.
pub(crate) struct Choice<'a> {
    pub(crate) maps: Vec<Candidate<'a>>,
    /// Panels in a row.
    pub(crate) columns: usize,
    /// Each level of the network begins a row.
    pub(crate) is_by_level: bool,
}

/// The maps that are shown with the chosen one, in order: what a pixel looks at in plain self-attention, then over each
/// hop or in each head (as in figure 5 of HANet); of junctions level by level, the coarsest first, both paths, where they
/// differ, and what that changes (as in figure 3 of Div-attention); else all maps of the same meaning and origin.
pub(crate) fn beside<'a>(all: &[Candidate<'a>], chosen: Candidate<'a>) -> Choice<'a> {
    let same_look = || all.iter().copied().filter(|other| other.look == chosen.look);
    if chosen.is_row() {
        let of = |kind| {
            same_look().filter(move |o| o.is_row() && o.kind == kind && o.map.layer == chosen.map.layer)
        };
        let maps: Vec<_> = of(MapKind::Plain).chain(of(MapKind::Row)).take(MAX_MAPS).collect();
        let columns = maps.len() + 2;
        return Choice { maps, columns: if columns > 7 { 6 } else { columns }, is_by_level: false };
    }
    if chosen.is_of_junction() && chosen.kind == MapKind::Pass {
        let mut kept = junctions(all, chosen);
        kept.truncate(MAX_MAPS);
        let widest = kept.chunk_by(|a, b| a.map.level == b.map.level).map(<[_]>::len).max();
        return Choice { columns: widest.unwrap_or(1).max(2), maps: kept, is_by_level: true };
    }
    let alike = same_look().filter(|o| o.kind == chosen.kind && o.map.meaning == chosen.map.meaning);
    let mut maps: Vec<_> = alike.take(MAX_MAPS).collect();
    if !maps.iter().any(|o| std::ptr::eq(o.map, chosen.map)) {
        maps.push(chosen);
    }
    Choice { columns: (maps.len() + 2).min(6), maps, is_by_level: false }
}

/// All maps of the junctions of a network, the coarsest level first.
fn junctions<'a>(all: &[Candidate<'a>], chosen: Candidate<'a>) -> Vec<Candidate<'a>> {
    let of_look = all.iter().copied().filter(|other| other.look == chosen.look);
    let mut maps: Vec<_> = of_look.filter(|o| o.is_of_junction() && o.kind == MapKind::Pass).collect();
    maps.sort_by_key(|o| std::cmp::Reverse(o.map.level));
    // One change of the answer a level: that of the first class.
    let mut kept: Vec<Candidate<'a>> = Vec::new();
    for candidate in maps {
        let is_known = kept.iter().any(|o| {
            o.map.level == candidate.map.level
                && o.map.meaning == MapMeaning::AnswerChange
                && candidate.map.meaning == MapMeaning::AnswerChange
        });
        if !is_known {
            kept.push(candidate);
        }
    }
    kept
}

/// All maps that belong to the chosen one, for a view that is tiled with them, and how many are too many for it. Of a
/// pixel: plain self-attention, attention over each hop or in each head, whom the pixel reaches over each hop. Of all
/// pixels of such a layer: attention received and reach over each hop. Of junctions those of every level; else, as of
/// gates, all maps of the meaning and the origin.
pub(crate) fn together<'a>(all: &[Candidate<'a>], chosen: Candidate<'a>) -> (Choice<'a>, usize) {
    use MapMeaning::{
        AttentionGiven, AttentionReceived, Correlation, Neighbours, NormalisedCorrelation, Reach,
    };
    let same_look = || all.iter().copied().filter(|other| other.look == chosen.look);
    let of = |kind: MapKind, meaning: MapMeaning| {
        same_look().filter(move |o| o.kind == kind && o.map.meaning == meaning && o.layer() == chosen.layer())
    };
    let is_by_level = chosen.is_of_junction() && chosen.kind == MapKind::Pass;
    let mut maps: Vec<_> = match chosen.map.meaning {
        AttentionGiven | Neighbours | Correlation | NormalisedCorrelation => {
            of(MapKind::Plain, AttentionGiven)
                .chain(of(MapKind::Row, AttentionGiven))
                .chain(of(MapKind::Row, Neighbours))
                .collect()
        }
        AttentionReceived | Reach => {
            of(chosen.kind, AttentionReceived).chain(of(chosen.kind, Reach)).collect()
        }
        _ if is_by_level => junctions(all, chosen),
        meaning => same_look().filter(|o| o.kind == chosen.kind && o.map.meaning == meaning).collect(),
    };
    let is_chosen = |o: &Candidate<'_>| std::ptr::eq(o.map, chosen.map);
    if !maps.iter().any(is_chosen) {
        maps.push(chosen);
    }
    let left_out = maps.len().saturating_sub(MAX_TOGETHER);
    if maps.iter().skip(MAX_TOGETHER).any(is_chosen) {
        maps[MAX_TOGETHER - 1] = chosen;
    }
    maps.truncate(MAX_TOGETHER);
    let widest = maps.chunk_by(|a, b| a.map.level == b.map.level).map(<[_]>::len).max();
    let columns = if is_by_level { widest.unwrap_or(1).max(2) } else { (maps.len() + 2).min(6) };
    (Choice { maps, columns, is_by_level }, left_out)
}

/// The map that a figure is made about where nobody chose: what a pixel looks at, else where paths differ, else the first.
pub(crate) fn first<'a>(all: &[Candidate<'a>]) -> Option<Candidate<'a>> {
    let row = all.iter().find(|candidate| candidate.is_row());
    let junction = all.iter().find(|candidate| candidate.map.meaning == MapMeaning::Divergence);
    row.or(junction).or(all.first()).copied()
}

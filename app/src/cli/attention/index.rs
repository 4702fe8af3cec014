//! What `hilum attention` answers and writes as index.json.

use std::path::PathBuf;

use hilum_models::inspect::{ClassMass, Density, FieldMap, Look, Occluded, Occlusion, QueryClass};
use hilum_models::nets::MapMeaning;
use hilum_models::nets::hanet::HaReading;
use serde::Serialize;

use crate::cli::output::{Report, decimals, table};

/// Everything that was written.
#[derive(Serialize)]
pub(super) struct Index {
    pub(super) image: PathBuf,
    pub(super) device: String,
    /// The marked pixel, LPS mm.
    pub(super) at_mm: Option<[f64; 3]>,
    pub(super) mask: Option<PathBuf>,
    /// The figure that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) figure: Option<PathBuf>,
    /// One for each network.
    pub(super) looks: Vec<LookEntry>,
    pub(super) seconds: f64,
    #[serde(skip)]
    pub(super) out: PathBuf,
}

/// One pass of a network.
#[derive(Serialize)]
pub(super) struct LookEntry {
    /// `coarse`, `fine` or `labels`.
    stage: String,
    model: String,
    arch: String,
    /// Samples of the input along x, y, z.
    dims: [usize; 3],
    /// Rows of the map from its voxels to LPS mm.
    affine: [[f64; 4]; 3],
    maps: Vec<MapEntry>,
    layers: Vec<LayerEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    channels: Vec<ChannelEntry>,
    /// Of a discriminator: for each slice the probability that a person drew the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drawn_by_a_person: Vec<f32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    occlusion: Vec<OcclusionEntry>,
}

/// One file.
#[derive(Serialize)]
pub(super) struct MapEntry {
    pub(super) name: String,
    layer: String,
    /// 0 = finest resolution of the network.
    level: usize,
    /// Hop or head.
    channel: String,
    meaning: MapMeaning,
    title: &'static str,
    text: &'static str,
    range: [f32; 2],
    /// Along x, y, z.
    dims: [usize; 3],
    /// Rows of the map from the map's own pixels to LPS mm.
    affine: [[f64; 4]; 3],
    /// The pixel that looks, LPS mm.
    #[serde(skip_serializing_if = "Option::is_none")]
    query_mm: Option<[f64; 3]>,
    file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    figure: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) mass: Vec<ClassMass>,
    /// Probability that a place with an error has a larger value than one without; ½: no relation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_auc: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) random: Option<RandomEntry>,
}

/// The same map with random weights.
#[derive(Serialize)]
pub(super) struct RandomEntry {
    pub(super) file: PathBuf,
    pub(super) range: [f32; 2],
    /// Rank correlation with the map; 1: the same order.
    pub(super) spearman: Option<f64>,
}

/// A layer in which every pixel may look at all pixels.
#[derive(Serialize)]
pub(super) struct LayerEntry {
    pub(super) layer: String,
    /// As given, or without threshold over one hop.
    pub(super) read_as: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hops: Option<usize>,
    /// How the graph is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reading: Option<HaReading>,
    pub(super) density: Vec<Density>,
    pub(super) mass_by_class: Vec<QueryClass>,
}

/// A layer whose channels look at all channels.
#[derive(Serialize)]
pub(super) struct ChannelEntry {
    pub(super) layer: String,
    pub(super) channels: usize,
    /// Over how many channels a row spreads (e to its entropy), mean over the rows.
    pub(super) spread: f64,
    /// Share that a channel keeps for itself, mean.
    pub(super) own_share: f64,
    pub(super) text: &'static str,
    /// Its rows as lines of numbers.
    pub(super) file: PathBuf,
}

/// What the answer loses without a place.
#[derive(Serialize)]
pub(super) struct OcclusionEntry {
    pub(super) layer: String,
    pub(super) meaning: MapMeaning,
    #[serde(flatten)]
    pub(super) found: Occlusion,
}

impl LookEntry {
    pub(super) fn new(
        look: &Look,
        maps: Vec<MapEntry>,
        layers: Vec<LayerEntry>,
        channels: Vec<ChannelEntry>,
        occlusion: Vec<OcclusionEntry>,
    ) -> Self {
        Self {
            stage: look.stage().to_owned(),
            model: look.model().to_owned(),
            arch: look.arch().to_owned(),
            dims: look.grid().dims(),
            affine: look.grid().affine().rows(),
            maps,
            layers,
            channels,
            drawn_by_a_person: look.drawn_by_a_person().to_vec(),
            occlusion,
        }
    }
}

impl MapEntry {
    pub(super) fn new(map: &FieldMap, file: PathBuf, figure: Option<PathBuf>) -> Self {
        Self {
            name: map.name.clone(),
            layer: map.layer.clone(),
            level: map.level,
            channel: map.channel.clone(),
            meaning: map.meaning,
            title: map.meaning.title(),
            text: map.meaning.text(),
            range: map.range(),
            dims: map.grid.dims(),
            affine: map.grid.affine().rows(),
            query_mm: map.query.map(|at| [at.x, at.y, at.z]),
            file,
            figure,
            mass: Vec::new(),
            error_auc: None,
            random: None,
        }
    }
}

impl Report for Index {
    fn text(&self) -> String {
        let mut parts = Vec::new();
        for look in &self.looks {
            parts.push(format!("{} ({}, {})", look.model, look.arch, look.stage));
            for map in &look.channels {
                parts.push(format!(
                    "{}: {} channels; a row spreads over {:.1} of them, a channel keeps {:.1} % for itself",
                    map.layer,
                    map.channels,
                    map.spread,
                    100.0 * map.own_share
                ));
            }
            if let [drawn, ..] = look.drawn_by_a_person[..] {
                parts.push(format!("drawn by a person: {:.1} % likely", 100.0 * drawn));
            }
            if look.maps.is_empty() {
                parts.push("this network has no attention to show".to_owned());
            } else {
                parts.push(maps(&look.maps));
            }
            parts.extend(look.layers.iter().filter_map(layer));
            parts.extend(look.occlusion.iter().map(occlusion));
        }
        let count: usize = self.looks.iter().map(|look| look.maps.len()).sum();
        parts.push(format!(
            "{count} maps in {:.1} s on {}; what each means stands in {}",
            self.seconds,
            self.device,
            self.out.join("index.json").display()
        ));
        parts.join("\n")
    }
}

fn maps(maps: &[MapEntry]) -> String {
    let has_mass = maps.iter().any(|map| !map.mass.is_empty());
    let row = |map: &MapEntry| {
        let mass: Vec<String> =
            map.mass.iter().map(|m| format!("{}: {:.0} %", class(m.class), 100.0 * m.mass)).collect();
        let mut cells = vec![
            map.name.clone(),
            map.title.to_owned(),
            map.dims.map(|n| n.to_string()).join(" × "),
            format!("{:.3e} … {:.3e}", map.range[0], map.range[1]),
            decimals(map.random.as_ref().and_then(|random| random.spearman)),
            decimals(map.error_auc),
        ];
        if has_mass {
            cells.push(mass.join(", "));
        }
        cells
    };
    let mut header = vec!["map", "meaning", "pixels", "range", "random weights (ρ)", "error (AUC)"];
    if has_mass {
        header.push("mass by class");
    }
    table(&header, &maps.iter().map(row).collect::<Vec<_>>())
}

fn class(class: Option<u16>) -> String {
    class.map_or_else(|| "outside".to_owned(), |class| class.to_string())
}

fn layer(entry: &LayerEntry) -> Option<String> {
    let density: Vec<String> =
        entry.density.iter().map(|d| format!("hop {}: {:.1} %", d.hop, 100.0 * d.share)).collect();
    let mut lines = Vec::new();
    if !density.is_empty() {
        lines.push(format!("{} {}: density {}", entry.layer, entry.read_as, density.join(", ")));
    }
    for looks in &entry.mass_by_class {
        for channel in &looks.channels {
            let on = looks.classes.iter().zip(&channel.mean).zip(&channel.sd).zip(&looks.area);
            let on = on.map(|(((of, mean), sd), area)| {
                format!(
                    "{:.1} ± {:.1} % on {} (area {:.1} %)",
                    100.0 * mean,
                    100.0 * sd,
                    class(*of),
                    100.0 * area
                )
            });
            lines.push(format!(
                "{} {}, {}: pixels of class {} ({} of {}) give {}",
                entry.layer,
                entry.read_as,
                channel.channel,
                class(looks.class),
                looks.queries,
                looks.pixels,
                on.collect::<Vec<_>>().join(", ")
            ));
        }
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn occlusion(entry: &OcclusionEntry) -> String {
    let of = |what: fn(&Occluded) -> f64| {
        let all: Vec<f64> = entry.found.random.iter().map(what).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64
    };
    let attended = &entry.found.attended;
    format!(
        "{} ({}): without the {:.0} % it points at, probabilities change by {:.4} and Dice is {:.3} ({:.0} % of the answer \
         lies there); without a random place {:.4} and {:.3} ({:.0} %)",
        entry.layer,
        entry.meaning.title(),
        100.0 * entry.found.share,
        attended.probability_change,
        attended.dice,
        100.0 * attended.answer_inside,
        of(|o| o.probability_change),
        of(|o| o.dice),
        100.0 * of(|o| o.answer_inside),
    )
}

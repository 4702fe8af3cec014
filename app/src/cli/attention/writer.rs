//! What is written of one image.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;
use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::io::replace_file;
use hilum_core::label::LabelEntry;
use hilum_core::volume::Volume;
use hilum_models::inspect::{ChannelMap, FieldMap, Look, Subject, agreement, spearman};
use hilum_models::nets::{AttentionLayer, HopReading, MapMeaning};

use super::super::masks::Mask;
use super::super::output::Progress;
use super::Attention;
use super::index::{ChannelEntry, LayerEntry, LookEntry, MapEntry, OcclusionEntry, RandomEntry};
use crate::figure::{Candidate, Drawn, Figure, beside, first, save_numbers, save_picture};
use crate::jobs::MapKind;

/// Most maps that are checked by occlusion: each needs a pass a draw.
const MAX_OCCLUDED: usize = 8;

/// The maps of a network for a figure.
struct Kept {
    field: Grid,
    told: String,
    /// How its first graph is read in the pass.
    graph: Option<HopReading>,
    maps: Vec<(MapKind, FieldMap)>,
}

/// Writes what is found.
pub(super) struct Writer<'a> {
    command: &'a Attention,
    volume: &'a Volume,
    mask: Option<&'a Mask>,
    at: Option<WorldPoint>,
    progress: &'a Progress,
    /// Of the network whose figure is made: the last one, discriminators apart.
    kept: Option<Kept>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        command: &'a Attention,
        volume: &'a Volume,
        mask: Option<&'a Mask>,
        at: Option<WorldPoint>,
        progress: &'a Progress,
    ) -> Self {
        Self { command, volume, mask, at, progress, kept: None }
    }

    pub(super) fn look(&mut self, subject: Subject) -> anyhow::Result<LookEntry> {
        let look = subject.look()?;
        let maps = look.maps()?;
        let random = if self.command.random { look.random_maps(self.command.seed)? } else { Vec::new() };
        let mut shown: Vec<(MapKind, FieldMap)> =
            maps.iter().map(|map| (MapKind::Pass, map.clone())).collect();
        let mut entries = Vec::new();
        for (number, map) in maps.iter().enumerate() {
            let mut entry = self.map(&look, "", number, map)?;
            if let Some(random) = random.get(number) {
                let (file, _) = self.write(&look, "random_", number, random)?;
                entry.random = Some(RandomEntry {
                    file,
                    range: random.range(),
                    spearman: spearman(&map.values, &random.values),
                });
            }
            entries.push(entry);
        }
        let mut layers = Vec::new();
        for layer in look.layers() {
            let own = layer.hop_reading();
            let read = own.and_then(|own| layer.read_as(self.command.reading(own)));
            let read = read.unwrap_or_else(|| layer.clone());
            if let Some(at) = self.at.filter(|at| look.grid().voxel_at_world(*at).is_some()) {
                for map in look.rows_of(&read, at)? {
                    entries.push(self.map(&look, "row_", entries.len(), &map)?);
                    shown.push((MapKind::Row, map));
                }
            }
            layers.push(self.layer(&look, &layer.layer, "as given", &read)?);
            // Without threshold and with one hop the same queries and keys make plain self-attention.
            let plain = own.map(HopReading::plain).and_then(|plain| layer.read_as(plain));
            if let Some(plain) = plain {
                if let Some(at) = self.at.filter(|at| look.grid().voxel_at_world(*at).is_some()) {
                    let rows = look.rows_of(&plain, at)?.into_iter();
                    for map in rows.filter(|map| map.meaning == MapMeaning::AttentionGiven) {
                        entries.push(self.map(&look, "plain_row_", entries.len(), &map)?);
                        shown.push((MapKind::Plain, map));
                    }
                }
                layers.push(self.layer(&look, &layer.layer, "plain self-attention", &plain)?);
            }
        }
        let occlusion = if self.command.occlude { self.occlusion(&look, &maps)? } else { Vec::new() };
        let channels = look.channel_maps(self.at)?;
        let channels = channels.iter().map(|map| self.channels(&look, map)).collect::<anyhow::Result<_>>()?;
        if look.drawn_by_a_person().is_empty() {
            let told = format!("{} ({})", look.model(), look.arch());
            let graph = look.layers().iter().find_map(AttentionLayer::hop_reading);
            self.kept = Some(Kept { field: *look.grid(), told, graph, maps: shown });
        }
        Ok(LookEntry::new(&look, entries, layers, channels, occlusion))
    }

    /// Writes the figure with the maps that belong together.
    pub(super) fn figure(&self, path: &Path) -> anyhow::Result<()> {
        let kept = self.kept.as_ref();
        let maps = kept.map(|kept| kept.maps.as_slice()).unwrap_or_default();
        let all: Vec<Candidate<'_>> =
            maps.iter().map(|(kind, map)| Candidate { look: 0, kind: *kind, map }).collect();
        let chosen = match &self.command.figure_of {
            None => first(&all),
            Some(name) => {
                let found = all.iter().find(|candidate| candidate.map.name == *name).copied();
                if found.is_none() {
                    let names: Vec<&str> = all.iter().map(|c| c.map.name.as_str()).collect();
                    bail!("there is no map \"{name}\"; there are: {}", names.join(", "));
                }
                found
            }
        };
        let (Some(chosen), Some(kept)) = (chosen, kept) else {
            bail!("this network has no attention to make a figure of");
        };
        let color = |label: u16| LabelEntry::new(label, "").color;
        let drawn = self.mask.map(|mask| Drawn { labels: &mask.labels, grid: &mask.grid, color: &color });
        let at = self.at.unwrap_or_else(|| kept.field.center_world());
        let window = self.volume.central().unwrap_or((0.0, 1.0));
        let mut figure = Figure::new(self.volume, &kept.field, at, window.into(), drawn);
        let note = format!("{}, {}", kept.told, chosen.map.meaning.title());
        figure.fill(&beside(&all, chosen), self.command.one_scale, &note);
        let is_of_pass = chosen.kind == MapKind::Pass;
        let graph = kept.graph.map(|own| if is_of_pass { own } else { self.command.reading(own) });
        graph.iter().for_each(|graph| figure.add_note(format!("graph: {}", graph.told())));
        if let Some(mask) = self.mask {
            let labels: BTreeSet<u16> = mask.labels.iter().copied().filter(|label| *label != 0).collect();
            figure.add_legend(labels.into_iter().map(|label| (color(label), format!("label {label}"))));
        }
        figure.save(path)
    }

    /// Writes what channels look at as a table of numbers.
    fn channels(&self, look: &Look, map: &ChannelMap) -> anyhow::Result<ChannelEntry> {
        let safe: String = map.layer.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let file = PathBuf::from(format!("{}_channels_{safe}.csv", look.stage()));
        let rows = map.values.chunks(map.channels.max(1)).map(|row| {
            let row: Vec<String> = row.iter().map(|value| format!("{value:e}")).collect();
            row.join(",") + "\n"
        });
        let text: String = rows.collect();
        replace_file(&self.command.out.join(&file), |out| std::io::Write::write_all(out, text.as_bytes()))?;
        Ok(ChannelEntry {
            layer: map.layer.clone(),
            channels: map.channels,
            spread: map.spread(),
            own_share: map.own_share(),
            text: ChannelMap::TEXT,
            file,
        })
    }

    fn map(&self, look: &Look, kind: &str, number: usize, map: &FieldMap) -> anyhow::Result<MapEntry> {
        let (file, figure) = self.write(look, kind, number, map)?;
        let mut entry = MapEntry::new(map, file, figure);
        if kind == "plain_row_" {
            entry.name += " (plain self-attention)";
        }
        if let Some(mask) = self.mask {
            entry.mass = map.mass(&mask.labels, &mask.grid)?;
            if map.query.is_none() {
                entry.error_auc = agreement(map, look, &mask.labels, &mask.grid);
            }
        }
        Ok(entry)
    }

    fn layer(
        &self,
        look: &Look,
        name: &str,
        read_as: &str,
        layer: &AttentionLayer,
    ) -> anyhow::Result<LayerEntry> {
        let mass_by_class = match self.mask {
            Some(mask) => look.mass_by_class(layer, &mask.labels, &mask.grid)?,
            None => Vec::new(),
        };
        Ok(LayerEntry {
            layer: name.to_owned(),
            read_as: read_as.to_owned(),
            delta: layer.hop_reading().map(|reading| reading.delta),
            hops: layer.hop_reading().map(|reading| reading.hops),
            reading: layer.hop_reading().map(|reading| reading.reading),
            density: look.density(layer)?,
            mass_by_class,
        })
    }

    /// One check for each map of a pass, over the mean of its hops or heads, the finest levels first.
    fn occlusion(&self, look: &Look, maps: &[FieldMap]) -> anyhow::Result<Vec<OcclusionEntry>> {
        let mut means: Vec<(FieldMap, f32)> = Vec::new();
        for map in maps.iter().filter(|map| map.meaning != MapMeaning::Reach) {
            let same =
                |(mean, _): &&mut (FieldMap, f32)| mean.layer == map.layer && mean.meaning == map.meaning;
            match means.iter_mut().find(same) {
                Some((mean, count)) => {
                    mean.values.iter_mut().zip(&map.values).for_each(|(sum, value)| *sum += value);
                    *count += 1.0;
                }
                None => means.push((map.clone(), 1.0)),
            }
        }
        means.sort_by_key(|(map, _)| map.level);
        let mut entries = Vec::new();
        for (mean, _) in means.iter().take(MAX_OCCLUDED) {
            hilum_core::job::Observer::progress(
                self.progress,
                "occluding",
                entries.len() as u64,
                means.len().min(MAX_OCCLUDED) as u64,
            );
            let Attention { share, draws, seed, .. } = *self.command;
            let found = look.occlude(mean, share, usize::from(draws), seed)?;
            entries.push(OcclusionEntry { layer: mean.layer.clone(), meaning: mean.meaning, found });
        }
        Ok(entries)
    }

    /// Writes a map as numbers, and of a flat image as a picture too; the names of the files.
    fn write(
        &self,
        look: &Look,
        kind: &str,
        number: usize,
        map: &FieldMap,
    ) -> anyhow::Result<(PathBuf, Option<PathBuf>)> {
        let safe: String = map.name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let name = format!("{}_{number:02}_{kind}{safe}", look.stage());
        let file = PathBuf::from(format!("{name}.nii.gz"));
        if self.command.resample {
            save_numbers(
                &self.command.out.join(&file),
                &name,
                self.volume.grid(),
                map.on(self.volume.grid()),
            )?;
        } else {
            save_numbers(&self.command.out.join(&file), &name, &map.grid, map.values.clone())?;
        }
        if !self.volume.grid().is_flat() {
            return Ok((file, None));
        }
        let picture = PathBuf::from(format!("{name}.png"));
        save_picture(&self.command.out.join(&picture), self.volume, look.grid(), map)?;
        Ok((file, Some(picture)))
    }
}

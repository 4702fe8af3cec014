//! The work of looking into networks, on the thread that owns their tensors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::label::LabelMap;
use hilum_core::surface::{SurfaceMesh, SurfaceShape};
use hilum_core::volume::Volume;
use hilum_models::catalog::Catalog;
use hilum_models::device;
use hilum_models::infer::{Dense, DenseError, DeviceChoice};
use hilum_models::inspect::{FieldMap, InspectError, Look, Subject, agreement, spearman};
use hilum_models::nets::{AttentionLayer, HopReading, MapMeaning};

use super::super::super::panic_text;
use super::super::label::catalog_with_versions;
use super::super::{EngineChoice, InferEvent, InferWorker, progress_of};
use super::failure::{Failure, or_on_cpu};
use super::{
    InspectAnswer, InspectChoice, InspectRequest, InspectWhat, LookInfo, MapKind, RowAnswer, ShownMap,
};
use crate::jobs::watcher::Watcher;

/// Share of the input that is taken away in the check by occlusion, and random places to compare with.
const OCCLUDED_SHARE: f64 = 0.1;
const OCCLUSION_DRAWS: usize = 5;
/// Seed of random weights and places.
const SEED: u64 = 1;

/// What a worker keeps of the last pass.
#[derive(Debug, Default)]
pub(in crate::jobs::infer) struct Looks {
    looks: Vec<Look>,
    /// State of the labels that the maps were compared with.
    labels_revision: u64,
    /// The device failed since the program began: the next pass runs on the CPU.
    has_device_failed: bool,
}

impl InspectChoice {
    fn device(&self) -> DeviceChoice {
        match self {
            Self::Clicks(engine, _) => engine.device,
            Self::Labels(choice) => choice.device,
        }
    }
}

impl InferWorker {
    pub(in crate::jobs::infer) fn inspect(&mut self, asked: InspectRequest) {
        let request = asked.request;
        let outcome = if asked.cancel.is_cancelled() {
            Err(Failure::Cancelled)
        } else {
            catch_unwind(AssertUnwindSafe(|| self.look_into(asked))).unwrap_or_else(|panic| {
                let text = panic_text(panic.as_ref());
                Err(Failure::Other(format!("the network stopped unexpectedly: {text}")))
            })
        };
        self.looks.has_device_failed |= matches!(outcome, Err(Failure::Device(_)));
        let result = outcome.map(Box::new).map_err(Failure::told);
        self.tell(InferEvent::Inspected { request, result });
    }

    fn look_into(&mut self, asked: InspectRequest) -> Result<InspectAnswer, Failure> {
        match asked.what {
            InspectWhat::Open { choice, volume, at, labels, labels_revision } => {
                self.looks.looks = Vec::new();
                let asked_for =
                    if self.looks.has_device_failed { DeviceChoice::Cpu } else { choice.device() };
                let watcher = Watcher {
                    told: progress_of(asked.request),
                    cancel: asked.cancel.clone(),
                    inbox: &self.inbox,
                };
                let run = |device| self.looks_on(device, &choice, &volume, at, &watcher);
                let ((looks, mut notes), fallback) = or_on_cpu(asked_for, run)?;
                self.looks.has_device_failed |= fallback.is_some();
                notes.extend(fallback);
                self.looks.looks = looks;
                self.looks.labels_revision = labels_revision;
                Ok(self.opened(&labels, notes)?)
            }
            InspectWhat::Rows { at, reading, labels, labels_revision } => {
                let has_changed =
                    std::mem::replace(&mut self.looks.labels_revision, labels_revision) != labels_revision;
                Ok(self.rows(at, reading, &labels, has_changed)?)
            }
            InspectWhat::Random => Ok(self.random()?),
            InspectWhat::Occlude { look, map } => {
                let Some(of) = self.looks.looks.get(look) else { return Err(Failure::Cancelled) };
                let found = of.occlude(&map, OCCLUDED_SHARE, OCCLUSION_DRAWS, SEED)?;
                Ok(InspectAnswer::Occluded { look, name: map.name.clone(), found })
            }
            InspectWhat::Classes { look, layer, is_plain, reading, labels } => {
                Ok(InspectAnswer::Classes(self.classes(look, &layer, is_plain, reading, &labels)?))
            }
            InspectWhat::Surface { map, share } => Ok(InspectAnswer::Surface(surface(&map, share))),
            InspectWhat::Close => {
                self.looks.looks = Vec::new();
                Ok(InspectAnswer::Closed)
            }
        }
    }

    /// The networks of a choice after one pass on a device, and what a person should know.
    fn looks_on(
        &self,
        device: DeviceChoice,
        choice: &InspectChoice,
        volume: &Volume,
        at: WorldPoint,
        watcher: &Watcher<'_, impl Fn(String, Option<f32>) -> crate::jobs::Event>,
    ) -> Result<(Vec<Look>, Vec<String>), Failure> {
        let other = |error: String| Failure::Other(error);
        let catalog = Catalog::new(self.models.as_deref()).map_err(|e| other(e.to_string()))?;
        let (subjects, notes) = match choice {
            InspectChoice::Clicks(engine, clicks) => {
                let mut pipeline = EngineChoice { device, ..engine.clone() }.pipeline(catalog)?;
                (pipeline.subjects(clicks, watcher)?.1, Vec::new())
            }
            InspectChoice::Labels(choice) => {
                let opened = device::open(device).map_err(|e| other(e.to_string()))?;
                let catalog = catalog_with_versions(catalog, choice)?;
                let dense = Dense::load(&catalog, &choice.model, &opened.device)?;
                // The crosshair may lie where the network does not look; then its own middle is shown.
                let subject = match dense.subject(volume, Some(at), watcher) {
                    Err(DenseError::Unsuitable(_)) => dense.subject(volume, None, watcher),
                    other => other,
                }?;
                with_discriminator(subject, &catalog, &choice.model)
            }
        };
        let looks = subjects.into_iter().map(Subject::look).collect::<Result<_, _>>()?;
        Ok((looks, notes))
    }

    fn opened(&self, labels: &LabelMap, notes: Vec<String>) -> Result<InspectAnswer, InspectError> {
        let mut infos = Vec::new();
        for look in &self.looks.looks {
            let graph = look.layers().iter().find(|layer| layer.hop_reading().is_some());
            let drawn = look.drawn_by_a_person();
            infos.push(LookInfo {
                model: look.model().to_owned(),
                stage: look.stage().to_owned(),
                arch: look.arch().to_owned(),
                reading: graph.and_then(AttentionLayer::hop_reading),
                density: graph.map(|layer| look.density(layer)).transpose()?.unwrap_or_default(),
                layers: look.layers().iter().map(|layer| layer.layer.clone()).collect(),
                drawn_by_a_person: (!drawn.is_empty())
                    .then(|| drawn.iter().sum::<f32>() / drawn.len() as f32),
            });
        }
        Ok(InspectAnswer::Opened(infos, self.pass(&Drawn::of(labels))?, notes))
    }

    /// The maps of the pass, compared with the labels.
    fn pass(&self, labels: &Drawn<'_>) -> Result<Vec<ShownMap>, InspectError> {
        let mut maps = Vec::new();
        for (number, look) in self.looks.looks.iter().enumerate() {
            for map in look.maps()? {
                let mut shown = shown(number, MapKind::Pass, map, labels)?;
                if let Some(voxels) = &labels.voxels {
                    shown.error_auc = agreement(&shown.map, look, voxels, labels.grid);
                }
                maps.push(shown);
            }
        }
        Ok(maps)
    }

    fn rows(
        &self,
        at: WorldPoint,
        reading: Option<HopReading>,
        labels: &LabelMap,
        has_changed: bool,
    ) -> Result<InspectAnswer, InspectError> {
        let begun = Instant::now();
        let labels = &Drawn::of(labels);
        let mut maps = if has_changed { self.pass(labels)? } else { Vec::new() };
        let (mut densities, mut channels) = (Vec::new(), Vec::new());
        for (number, look) in self.looks.looks.iter().enumerate() {
            let mut density = Vec::new();
            let sees = look.grid().voxel_at_world(at).is_some();
            channels.extend(look.channel_maps(Some(at))?.into_iter().map(|map| (number, map)));
            for layer in look.layers() {
                let read = read_as(layer, reading, false);
                if layer.hop_reading().is_some() && density.is_empty() {
                    density = look.density(&read)?;
                }
                if !sees {
                    continue;
                }
                for map in look.rows_of(&read, at)? {
                    maps.push(shown(number, MapKind::Row, map, labels)?);
                }
                let plain = layer.hop_reading().map(|_| read_as(layer, reading, true));
                for map in plain.map(|plain| look.rows_of(&plain, at)).transpose()?.unwrap_or_default() {
                    if map.meaning == MapMeaning::AttentionGiven {
                        maps.push(shown(number, MapKind::Plain, map, labels)?);
                    }
                }
            }
            densities.push(density);
        }
        let secs = begun.elapsed().as_secs_f64();
        Ok(InspectAnswer::Rows(RowAnswer { maps, densities, channels, secs }))
    }

    fn classes(
        &self,
        look: usize,
        layer: &str,
        is_plain: bool,
        reading: Option<HopReading>,
        labels: &LabelMap,
    ) -> Result<Vec<hilum_models::inspect::QueryClass>, InspectError> {
        let Some(look) = self.looks.looks.get(look) else { return Ok(Vec::new()) };
        let Some(layer) = look.layers().iter().find(|known| known.layer == layer) else {
            return Ok(Vec::new());
        };
        look.mass_by_class(&read_as(layer, reading, is_plain), &labels.to_voxels(), labels.grid())
    }

    fn random(&self) -> Result<InspectAnswer, InspectError> {
        let mut maps = Vec::new();
        for (number, look) in self.looks.looks.iter().enumerate() {
            for (map, random) in look.maps()?.into_iter().zip(look.random_maps(SEED)?) {
                maps.push(ShownMap {
                    look: number,
                    kind: MapKind::Random,
                    spearman: spearman(&map.values, &random.values),
                    map: Arc::new(random),
                    mass: Vec::new(),
                    error_auc: None,
                });
            }
        }
        Ok(InspectAnswer::Random(maps))
    }
}

/// A network, and behind it the discriminator that it was taught against, if it has one; a word on one that does not fit.
fn with_discriminator(subject: Subject, catalog: &Catalog, id: &str) -> (Vec<Subject>, Vec<String>) {
    let weights = catalog.find(id).ok().and_then(hilum_models::catalog::Model::discriminator);
    let Some(weights) = weights else { return (vec![subject], Vec::new()) };
    let read = weights.map_err(|e| e.to_string());
    match read.and_then(|weights| subject.with_discriminator(&weights).map_err(|e| e.to_string())) {
        Ok(judged) => (vec![subject, judged], Vec::new()),
        Err(why) => (vec![subject], vec![format!("The discriminator of {id}: {why}")]),
    }
}

/// A layer as its graph is to be read: with another threshold and number of hops, or without threshold over one hop.
fn read_as(layer: &AttentionLayer, reading: Option<HopReading>, is_plain: bool) -> AttentionLayer {
    let own = layer.hop_reading();
    let wanted = match (own, is_plain) {
        (Some(own), true) => Some(own.plain()),
        (Some(_), false) => reading,
        (None, _) => None,
    };
    wanted.and_then(|reading| layer.read_as(reading)).unwrap_or_else(|| layer.clone())
}

/// The closed surface around the pixels that hold a share of a map.
fn surface(map: &FieldMap, share: f64) -> SurfaceMesh {
    let Some(level) = map.level_holding(share) else { return SurfaceMesh::default() };
    let inside = map.values.iter().map(|value| u16::from(*value >= level)).collect();
    let labels = LabelMap::from_voxels(map.grid, inside);
    labels.map_or_else(
        |_| SurfaceMesh::default(),
        |labels| SurfaceMesh::of_label(&labels, 1, SurfaceShape::Smooth),
    )
}

/// Labels in one array, if there are any.
struct Drawn<'a> {
    voxels: Option<Vec<u16>>,
    grid: &'a Grid,
}

impl<'a> Drawn<'a> {
    fn of(labels: &'a LabelMap) -> Self {
        Self { voxels: (!labels.is_blank()).then(|| labels.to_voxels()), grid: labels.grid() }
    }
}

fn shown(look: usize, kind: MapKind, map: FieldMap, labels: &Drawn<'_>) -> Result<ShownMap, InspectError> {
    let mass = labels.voxels.as_ref().map(|voxels| map.mass(voxels, labels.grid)).transpose()?;
    let mass = mass.unwrap_or_default();
    Ok(ShownMap { look, kind, map: Arc::new(map), mass, error_auc: None, spearman: None })
}

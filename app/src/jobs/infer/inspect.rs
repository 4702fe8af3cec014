//! Where a network looked, on the thread that owns its tensors. Only numbers with a place leave it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use hilum_core::geometry::WorldPoint;
use hilum_core::job::CancelToken;
use hilum_core::label::LabelMap;
use hilum_core::volume::Volume;
use hilum_models::catalog::Catalog;
use hilum_models::device;
use hilum_models::infer::{ClickRequest, Dense, DenseError, InferError};
use hilum_models::inspect::{
    ClassMass, Density, FieldMap, InspectError, Look, Occlusion, Subject, agreement, spearman,
};
use hilum_models::nets::{HopReading, MapMeaning};

use super::super::panic_text;
use super::label::catalog_with_versions;
use super::{EngineChoice, InferEvent, InferWorker, LabelChoice, progress_of};
use crate::jobs::watcher::Watcher;

/// Share of the input that is taken away in the check by occlusion, and random places to compare with.
const OCCLUDED_SHARE: f64 = 0.1;
const OCCLUSION_DRAWS: usize = 5;
/// Seed of random weights and places.
const SEED: u64 = 1;

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
}

/// An answer.
#[derive(Clone, Debug)]
pub enum InspectAnswer {
    /// The networks with their maps.
    Opened(Vec<LookInfo>, Vec<ShownMap>),
    /// The maps of a pixel (and those of the pass, where the labels have changed), the densities of the graphs as they are read now (one list a network), and the seconds it took.
    Rows(Vec<ShownMap>, Vec<Vec<Density>>, f64),
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
    /// Nothing is kept any more.
    Closed,
}

impl InferWorker {
    pub(super) fn inspect(&mut self, asked: InspectRequest) {
        let request = asked.request;
        let outcome = if asked.cancel.is_cancelled() {
            Err(None)
        } else {
            catch_unwind(AssertUnwindSafe(|| self.look_into(asked))).unwrap_or_else(|panic| {
                Err(Some(format!("the network stopped unexpectedly: {}", panic_text(panic.as_ref()))))
            })
        };
        self.tell(InferEvent::Inspected { request, result: outcome.map(Box::new) });
    }

    fn look_into(&mut self, asked: InspectRequest) -> Result<InspectAnswer, Option<String>> {
        match asked.what {
            InspectWhat::Open { choice, volume, at, labels, labels_revision } => {
                self.looks = Looks::default();
                let watcher = Watcher {
                    told: progress_of(asked.request),
                    cancel: asked.cancel.clone(),
                    inbox: &self.inbox,
                };
                for subject in self.subjects(choice, &volume, at, &watcher)? {
                    self.looks.looks.push(subject.look().map_err(told)?);
                }
                self.looks.labels_revision = labels_revision;
                self.opened(&labels).map_err(told)
            }
            InspectWhat::Rows { at, reading, labels, labels_revision } => {
                let has_changed =
                    std::mem::replace(&mut self.looks.labels_revision, labels_revision) != labels_revision;
                self.rows(at, reading, &labels, has_changed).map_err(told)
            }
            InspectWhat::Random => self.random().map_err(told),
            InspectWhat::Occlude { look, map } => {
                let Some(of) = self.looks.looks.get(look) else { return Err(None) };
                let found = of.occlude(&map, OCCLUDED_SHARE, OCCLUSION_DRAWS, SEED).map_err(told)?;
                Ok(InspectAnswer::Occluded { look, name: map.name.clone(), found })
            }
            InspectWhat::Close => {
                self.looks = Looks::default();
                Ok(InspectAnswer::Closed)
            }
        }
    }

    fn subjects(
        &self,
        choice: InspectChoice,
        volume: &Volume,
        at: WorldPoint,
        watcher: &Watcher<'_, impl Fn(String, Option<f32>) -> super::Event>,
    ) -> Result<Vec<Subject>, Option<String>> {
        let catalog = Catalog::new(self.models.as_deref()).map_err(|e| Some(e.to_string()))?;
        match choice {
            InspectChoice::Clicks(engine, clicks) => {
                let pipeline = engine.pipeline(catalog);
                match pipeline.and_then(|mut pipeline| pipeline.subjects(&clicks, watcher)) {
                    Ok((_, subjects)) => Ok(subjects),
                    Err(InferError::Cancelled(_)) => Err(None),
                    Err(error) => Err(Some(error.to_string())),
                }
            }
            InspectChoice::Labels(choice) => {
                let opened = device::open(choice.device).map_err(|e| Some(e.to_string()))?;
                let dense = catalog_with_versions(catalog, &choice)
                    .and_then(|catalog| Dense::load(&catalog, &choice.model, &opened.device));
                // The crosshair may lie where the network does not look; then its own middle is shown.
                let subject = dense.and_then(|dense| match dense.subject(volume, Some(at), watcher) {
                    Err(DenseError::Unsuitable(_)) => dense.subject(volume, None, watcher),
                    other => other,
                });
                match subject {
                    Ok(subject) => Ok(vec![subject]),
                    Err(DenseError::Cancelled(_)) => Err(None),
                    Err(error) => Err(Some(error.to_string())),
                }
            }
        }
    }

    fn opened(&self, labels: &LabelMap) -> Result<InspectAnswer, InspectError> {
        let mut infos = Vec::new();
        for look in &self.looks.looks {
            let graph = look.layers().iter().find(|layer| layer.hop_reading().is_some());
            infos.push(LookInfo {
                model: look.model().to_owned(),
                stage: look.stage().to_owned(),
                arch: look.arch().to_owned(),
                reading: graph.and_then(hilum_models::nets::AttentionLayer::hop_reading),
                density: graph.map(|layer| look.density(layer)).transpose()?.unwrap_or_default(),
            });
        }
        Ok(InspectAnswer::Opened(infos, self.pass(labels)?))
    }

    /// The maps of the pass, compared with the labels.
    fn pass(&self, labels: &LabelMap) -> Result<Vec<ShownMap>, InspectError> {
        let mut maps = Vec::new();
        for (number, look) in self.looks.looks.iter().enumerate() {
            for map in look.maps()? {
                let mut shown = shown(number, MapKind::Pass, map, labels)?;
                if !is_empty(labels) {
                    shown.error_auc = agreement(&shown.map, look, labels.voxels(), labels.grid());
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
        let mut maps = if has_changed { self.pass(labels)? } else { Vec::new() };
        let mut densities = Vec::new();
        for (number, look) in self.looks.looks.iter().enumerate() {
            let mut density = Vec::new();
            let sees = look.grid().voxel_at_world(at).is_some();
            for layer in look.layers() {
                let own = layer.hop_reading();
                let read =
                    reading.and_then(|reading| layer.read_as(reading)).unwrap_or_else(|| layer.clone());
                if own.is_some() && density.is_empty() {
                    density = look.density(&read)?;
                }
                if !sees {
                    continue;
                }
                for map in look.rows_of(&read, at)? {
                    maps.push(shown(number, MapKind::Row, map, labels)?);
                }
                let plain = own.and_then(|own| layer.read_as(HopReading { delta: 0.0, hops: 1, ..own }));
                for map in plain.map(|plain| look.rows_of(&plain, at)).transpose()?.unwrap_or_default() {
                    if map.meaning == MapMeaning::AttentionGiven {
                        maps.push(shown(number, MapKind::Plain, map, labels)?);
                    }
                }
            }
            densities.push(density);
        }
        Ok(InspectAnswer::Rows(maps, densities, begun.elapsed().as_secs_f64()))
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

fn shown(look: usize, kind: MapKind, map: FieldMap, labels: &LabelMap) -> Result<ShownMap, InspectError> {
    let mass = if is_empty(labels) { Vec::new() } else { map.mass(labels.voxels(), labels.grid())? };
    Ok(ShownMap { look, kind, map: Arc::new(map), mass, error_auc: None, spearman: None })
}

fn is_empty(labels: &LabelMap) -> bool {
    labels.count(0) == labels.voxels().len()
}

fn told(error: InspectError) -> Option<String> {
    Some(error.to_string())
}

/// What a worker keeps of the last pass.
#[derive(Debug, Default)]
pub(super) struct Looks {
    looks: Vec<Look>,
    /// State of the labels that the maps were compared with.
    labels_revision: u64,
}

//! What the loop works on: cases in memory, a network between two rounds, a device.

use std::collections::BTreeSet;

use burn::tensor::Device;
use hilum_core::job::{Cancelled, Observer};

use super::config::Simulation;
use super::learner::{ClickLearner, DenseLearner, Learner, LoopCase};
use crate::catalog::{AxisOrder, Card, Catalog, Model, Task, sha256_hex};
use crate::checkpoint::{FloatFormat, StateDict};
use crate::device::{self, DeviceChoice, OpenDevice};
use crate::infer::{Dense, FineStage};
use crate::nets::{AnyNetwork, NetError};
use crate::teach::finetune::guarded;
use crate::teach::material::Assembly;
use crate::teach::plan::{recipe_for, replay_for};
use crate::teach::{CaseUse, ReplaySource, TeachError, TeachOptions, TeachingCase};
use crate::train::TrainError;
use crate::train::recipe::{Recipe, TaskRecipe};
use crate::train::trainer::Position;
use crate::train::validation::Quiet;

/// What the network is called between two rounds.
const MODEL: &str = "simulated";

/// The data of a simulation.
pub(super) struct World<'a> {
    simulation: &'a Simulation,
    recipe: Recipe,
    /// Cases that may be labelled.
    pub(super) pool: Vec<LoopCase>,
    /// Cases that every state is measured on; they choose nothing.
    pub(super) held_out: Vec<LoopCase>,
    /// Weights that every seed begins with.
    start: Option<StateDict>,
    device: OpenDevice,
    folder: tempfile::TempDir,
}

impl<'a> World<'a> {
    pub(super) fn load(
        simulation: &'a Simulation,
        choice: DeviceChoice,
        observer: &dyn Observer,
    ) -> Result<Self, TeachError> {
        let recipe = simulation.read_recipe()?;
        let start = match &simulation.start_from {
            Some(path) => {
                let network = AnyNetwork::from_name(&recipe.arch, recipe.config.clone(), &Device::flex())?;
                Some(network.with_weights_file(path)?.weights(FloatFormat::F32)?)
            }
            None => None,
        };
        let names = names(simulation)?;
        let mut cases = Vec::with_capacity(names.len());
        for (nth, name) in names.iter().enumerate() {
            if observer.is_cancelled() {
                return Err(Cancelled.into());
            }
            observer.progress("reading cases", nth as u64, names.len() as u64);
            let image = simulation.images.join(format!("{name}{}", simulation.image_suffix));
            let labels = simulation.labels.join(format!("{name}{}", simulation.label_suffix));
            let opened = TeachingCase::files(name, image, Some(labels), CaseUse::Corrected).open()?;
            cases.push(LoopCase::of(opened, &recipe.task)?);
        }
        let held_out = cases.split_off(simulation.pool);
        let folder = tempfile::tempdir()
            .map_err(|cause| TeachError::Folder { cause, path: "a temporary folder".into() })?;
        Ok(Self { simulation, recipe, pool: cases, held_out, start, device: device::open(choice)?, folder })
    }

    /// The network of a seed before any training.
    pub(super) fn seeded(&self, seed: u64) -> Result<StateDict, TeachError> {
        if let Some(start) = &self.start {
            return Ok(start.clone());
        }
        let network =
            AnyNetwork::seeded(&self.recipe.arch, self.recipe.config.clone(), seed, &Device::flex())?;
        Ok(network.weights(FloatFormat::F32)?)
    }

    /// A catalog with these weights as its one model.
    fn catalog(&self, weights: &StateDict) -> Result<Catalog, TeachError> {
        let bytes = weights.to_bytes(&[]).map_err(NetError::from)?;
        let card = Card {
            id: MODEL.into(),
            title: self.recipe.name.clone(),
            arch: self.recipe.arch.clone(),
            config: self.recipe.config.clone(),
            axes: AxisOrder::Zyx,
            task: match &self.recipe.task {
                TaskRecipe::Dense(task) => Task::Dense(task.task()),
                TaskRecipe::Click(task) => Task::Click(task.task()),
            },
            licence: String::new(),
            data: Vec::new(),
            split: String::new(),
            training: String::new(),
            figures: Vec::new(),
            limits: Vec::new(),
            weights_sha256: sha256_hex(&bytes),
        };
        let write = |name: &str, bytes: &[u8]| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, bytes).map_err(|cause| TeachError::Folder { cause, path })
        };
        write("weights.safetensors", &bytes)?;
        write("card.json", serde_json::to_string(&card).expect("plain data with string keys").as_bytes())?;
        let mut catalog = Catalog::default();
        catalog.add(Model::read(self.folder.path())?);
        Ok(catalog)
    }

    /// A network ready to answer.
    pub(super) fn learner(&self, weights: &StateDict) -> Result<Box<dyn Learner>, TeachError> {
        let catalog = self.catalog(weights)?;
        let (device, name) = (&self.device.device, &self.device.name);
        Ok(match self.simulation.clicks {
            Some(rule) => {
                Box::new(ClickLearner { stage: FineStage::load(&catalog, MODEL, device, name)?, rule })
            }
            None => Box::new(DenseLearner(Dense::load(&catalog, MODEL, device)?)),
        })
    }

    /// Weights after some steps on the cases `new`, while `known` are replayed: the arithmetic of
    /// [`finetune`](crate::teach::finetune), without measuring the machine before and validating meanwhile.
    pub(super) fn teach(
        &self,
        weights: &StateDict,
        new: &BTreeSet<usize>,
        known: &BTreeSet<usize>,
        steps: usize,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<StateDict, TeachError> {
        let mut cases: Vec<TeachingCase> =
            new.iter().map(|i| self.pool[*i].teaching(CaseUse::Corrected)).collect();
        cases.extend(known.iter().map(|i| self.pool[*i].teaching(CaseUse::Earlier)));
        let is_first = known.is_empty();
        let rate = if is_first { 1.0 } else { self.simulation.round_rate };
        let options = TeachOptions {
            steps: Some(steps),
            batch: self.recipe.batch,
            learning_rate: self.recipe.learning_rate * rate,
            replay_share: if is_first { 0.0 } else { self.simulation.replay_share },
            seed,
            ..TeachOptions::default()
        };
        let catalog = self.catalog(weights)?;
        let parent = catalog.find(MODEL)?;
        let recipe = recipe_for(parent, &options)?;
        let replay = match replay_for(&recipe, &cases, &options) {
            // A network that begins with nothing has never seen drawn scenes: they would not be replayed but new.
            (ReplaySource::Earlier, share) if self.start.is_none() => (ReplaySource::EarlierAlone, share),
            other => other,
        };
        guarded(|| {
            let assembly = Assembly {
                catalog: &catalog,
                parent,
                recipe,
                replay,
                options: &options,
                device: &self.device,
                // They lie in memory already.
                memory_limit_bytes: None,
                check: &|_| Ok(()),
            };
            let ready = assembly.of(&cases, &Quiet(observer), &mut |_| ())?;
            let mut trainer = ready.trainer()?;
            for step in 0..steps {
                if observer.is_cancelled() {
                    return Err(Cancelled.into());
                }
                let loss = trainer.step(Position::at(step))?;
                if !loss.is_finite() {
                    return Err(TrainError::Diverged(step + 1).into());
                }
                observer.progress("learning", step as u64 + 1, steps as u64);
            }
            Ok(trainer.network()?.weights(FloatFormat::F32)?)
        })
    }
}

/// The cases of a simulation in name order: those of the pool, then those held out.
fn names(simulation: &Simulation) -> Result<Vec<String>, TeachError> {
    let entries = std::fs::read_dir(&simulation.images).map_err(|cause| {
        let folder = simulation.images.display();
        TeachError::Unsuitable(format!("cannot read the folder of images ({cause}): {folder}"))
    })?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(&simulation.image_suffix).map(str::to_owned))
        .filter(|name| simulation.labels.join(format!("{name}{}", simulation.label_suffix)).is_file())
        .collect();
    names.sort();
    let wanted = simulation.pool.saturating_add(simulation.held_out);
    if names.len() < wanted {
        return Err(TeachError::Unsuitable(format!(
            "pool and held_out ask for {wanted} cases; {} have image and mask: {}",
            names.len(),
            simulation.images.display()
        )));
    }
    names.truncate(wanted);
    Ok(names)
}

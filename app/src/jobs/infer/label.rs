//! Models that label every pixel, on the thread of the network.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use hilum_core::job::{CancelToken, Observer};
use hilum_core::volume::Volume;
use hilum_models::catalog::{Catalog, Region};
use hilum_models::device;
use hilum_models::infer::{Dense, DenseError, DeviceChoice};
use hilum_models::teach::Versions;

use super::super::panic_text;
use super::{InferEvent, InferWorker, progress_of};
use crate::jobs::watcher::Watcher;

/// Models that label images kept ready; the one used longest ago goes first.
const KEPT_LABELLERS: usize = 3;

/// What labels every pixel of an image. The window uses [`network_labeller`]; tests of the window put their own here.
pub trait Labeller {
    /// Name of the device in use.
    fn device(&self) -> String;
    /// The labels of an image.
    ///
    /// # Errors
    /// [`DenseError`] with what to do.
    fn label(&mut self, volume: &Volume, observer: &dyn Observer) -> Result<Labels, DenseError>;
}

/// Labels as a model gives them.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Label of every voxel `[z, y, x]`.
    pub values: Vec<u16>,
    /// What they are.
    pub regions: Vec<Region>,
    /// The models that worked, in turn.
    pub models: Vec<String>,
    /// Why the image is hardly one for the model.
    pub doubts: Vec<String>,
}

/// Which model labels an image, and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelChoice {
    /// Device.
    pub device: DeviceChoice,
    /// Identity of the model.
    pub model: String,
    /// Where versions of it lie that were taught here.
    pub versions: Option<PathBuf>,
}

/// Makes a labeller on the thread that will own it.
pub type LabellerFactory = Arc<dyn Fn(&LabelChoice) -> Result<Box<dyn Labeller>, DenseError> + Send + Sync>;

/// An image to be labelled.
#[derive(Clone, Debug)]
pub struct LabelRequest {
    /// Number of the request.
    pub request: u64,
    /// With what and where.
    pub choice: LabelChoice,
    /// The image.
    pub volume: Arc<Volume>,
    /// Stops it, before or while it runs.
    pub cancel: CancelToken,
}

/// An image's labels, with where and how fast they were made.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelAnswer {
    /// The labels.
    pub labels: Labels,
    /// Name of the device.
    pub device: String,
    /// Seconds without loading.
    pub seconds: f64,
    /// What a person should know, such as that another device was used.
    pub note: Option<String>,
}

/// The labellers with the networks of the program and those in the user's folder of models.
pub fn network_labeller(models: Option<PathBuf>) -> LabellerFactory {
    Arc::new(move |choice| {
        let catalog = Catalog::new(models.as_deref())?;
        let catalog = catalog_with_versions(catalog, choice)?;
        let opened = device::open(choice.device).map_err(|error| DenseError::Device(error.to_string()))?;
        let dense = Dense::load(&catalog, &choice.model, &opened.device)?;
        Ok(Box::new(Network { dense, device: opened.name }))
    })
}

/// The models, among them the version taught here, where there are versions.
pub(super) fn catalog_with_versions(catalog: Catalog, choice: &LabelChoice) -> Result<Catalog, DenseError> {
    match &choice.versions {
        Some(folder) => Versions::new(folder, &choice.model)
            .catalog(&catalog)
            .map_err(|error| DenseError::Unsuitable(error.to_string())),
        None => Ok(catalog),
    }
}

struct Network {
    dense: Dense,
    device: String,
}

impl Labeller for Network {
    fn device(&self) -> String {
        self.device.clone()
    }

    fn label(&mut self, volume: &Volume, observer: &dyn Observer) -> Result<Labels, DenseError> {
        let answer = self.dense.segment(volume, observer)?;
        let doubts = self.dense.task().doubts_about(volume);
        Ok(Labels { values: answer.labels, regions: answer.regions, models: answer.models, doubts })
    }
}

/// Why there are no labels; `None`: cancelled.
type Refusal = Option<String>;

impl InferWorker {
    pub(super) fn label(&mut self, asked: LabelRequest) {
        let request = asked.request;
        let result = self.label_or_on_cpu(asked).map(Box::new);
        self.tell(InferEvent::Labelled { request, result });
    }

    /// A device that fails is left for the CPU, once.
    fn label_or_on_cpu(&mut self, asked: LabelRequest) -> Result<LabelAnswer, Refusal> {
        let LabelRequest { request, choice, volume, cancel } = asked;
        let first = self.try_label(request, &choice, &volume, &cancel);
        let why = match first {
            Ok(answer) => return Ok(answer),
            Err(Failed::Cancelled) => return Err(None),
            Err(Failed::Refused(why)) => return Err(Some(why)),
            Err(Failed::Device(why)) if choice.device == DeviceChoice::Cpu => return Err(Some(why)),
            Err(Failed::Device(why)) => why,
        };
        let choice = LabelChoice { device: DeviceChoice::Cpu, ..choice };
        match self.try_label(request, &choice, &volume, &cancel) {
            Ok(answer) => {
                Ok(LabelAnswer { note: Some(format!("{why}. The CPU was used instead")), ..answer })
            }
            Err(Failed::Cancelled) => Err(None),
            Err(Failed::Refused(why) | Failed::Device(why)) => Err(Some(why)),
        }
    }

    fn try_label(
        &mut self,
        request: u64,
        choice: &LabelChoice,
        volume: &Volume,
        cancel: &CancelToken,
    ) -> Result<LabelAnswer, Failed> {
        if cancel.is_cancelled() {
            return Err(Failed::Cancelled);
        }
        let watcher = Watcher { told: progress_of(request), cancel: cancel.clone(), inbox: &self.inbox };
        let known = self.labellers.iter().position(|(loaded, _)| loaded == choice);
        let mut labeller = match known {
            Some(at) => self.labellers.remove(at).1,
            None => {
                watcher.progress("loading the model", 0, 0);
                let factory = Arc::clone(&self.labeller_factory);
                contained(|| factory(choice))?
            }
        };
        let begun = std::time::Instant::now();
        // After a panic the labeller may be broken; it is loaded anew for the next request.
        let labels = contained(|| labeller.label(volume, &watcher));
        let is_broken = matches!(labels, Err(Failed::Device(_)));
        let device = labeller.device();
        if !is_broken {
            self.labellers.push((choice.clone(), labeller));
            let surplus = self.labellers.len().saturating_sub(KEPT_LABELLERS);
            self.labellers.drain(..surplus);
        }
        Ok(LabelAnswer { labels: labels?, device, seconds: begun.elapsed().as_secs_f64(), note: None })
    }
}

/// Why a labeller did not answer.
enum Failed {
    Cancelled,
    /// Another device would say the same.
    Refused(String),
    /// Another device may help.
    Device(String),
}

/// A panic of the framework is an error like any other.
fn contained<T>(work: impl FnOnce() -> Result<T, DenseError>) -> Result<T, Failed> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(DenseError::Cancelled(_))) => Err(Failed::Cancelled),
        Ok(Err(error @ DenseError::Device(_))) => Err(Failed::Device(error.to_string())),
        Ok(Err(error)) => Err(Failed::Refused(error.to_string())),
        Err(panic) => {
            let why = panic_text(panic.as_ref());
            Err(Failed::Device(format!("the network stopped unexpectedly: {why}")))
        }
    }
}

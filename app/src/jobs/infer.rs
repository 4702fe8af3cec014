//! The thread that owns the network and all its tensors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use hilum_core::job::{CancelToken, Observer};
use hilum_models::catalog::{Card, Catalog, CatalogError, Model};
use hilum_models::infer::{
    ClickRequest, ClickResult, DeviceChoice, DeviceInfo, InferError, OneClick, list_devices,
};
use hilum_models::teach::Versions;

use super::{Event, Inbox, Numbered, panic_text};
use crate::jobs::watcher::Watcher;

mod inspect;
mod label;

pub use inspect::{
    InspectAnswer, InspectChoice, InspectRequest, InspectWhat, LookInfo, MapKind, RowAnswer, ShownMap,
};
pub use label::{
    LabelAnswer, LabelChoice, LabelRequest, Labeller, LabellerFactory, Labels, network_labeller,
};

/// What turns clicks into masks. The window uses [`network_engine`]; tests of the window put their own here.
pub trait Engine {
    /// Name of the device in use.
    fn device(&self) -> String;
    /// Identity of the model in use.
    fn model(&self) -> String;
    /// Prepares for the first request and returns the seconds it took.
    ///
    /// # Errors
    /// [`InferError`] if the network does not run.
    fn warm_up(&mut self) -> Result<f64, InferError>;
    /// The mask for some clicks.
    ///
    /// # Errors
    /// [`InferError`] with what to do.
    fn segment(&mut self, request: &ClickRequest, observer: &dyn Observer)
    -> Result<ClickResult, InferError>;
}

/// Which model answers clicks, and where it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineChoice {
    /// Device.
    pub device: DeviceChoice,
    /// Identity of the model; the program's own choice without one.
    pub model: Option<String>,
    /// Where versions of it lie that were taught here.
    pub versions: Option<PathBuf>,
}

impl EngineChoice {
    /// The pipeline with the models of a catalog, among them the version taught here.
    ///
    /// # Errors
    /// [`InferError`] if a model or the device is not there.
    fn pipeline(&self, catalog: Catalog) -> Result<OneClick, InferError> {
        let catalog = match (&self.versions, &self.model) {
            (Some(folder), Some(model)) => {
                Versions::new(folder, model).catalog(&catalog).map_err(|error| CatalogError::Unsuitable {
                    id: model.clone(),
                    what: format!("has a broken version: {error}"),
                })?
            }
            _ => catalog,
        };
        OneClick::from_catalog(catalog, self.model.as_deref(), self.device)
    }
}

/// A model of the browser.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelInfo {
    /// What it says of itself.
    pub card: Card,
    /// Whether it is inside the program.
    pub is_embedded: bool,
}

/// Makes an engine on the thread that will own it.
pub type EngineFactory = Arc<dyn Fn(&EngineChoice) -> Result<Box<dyn Engine>, InferError> + Send + Sync>;

/// The engine with the networks of the program and those in the user's folder of models.
pub fn network_engine(models: Option<PathBuf>) -> EngineFactory {
    Arc::new(move |choice| Ok(Box::new(choice.pipeline(Catalog::new(models.as_deref())?)?)))
}

impl Engine for OneClick {
    fn device(&self) -> String {
        self.device_name().to_owned()
    }

    fn model(&self) -> String {
        self.model_id().to_owned()
    }

    fn warm_up(&mut self) -> Result<f64, InferError> {
        Self::warm_up(self)
    }

    fn segment(
        &mut self,
        request: &ClickRequest,
        observer: &dyn Observer,
    ) -> Result<ClickResult, InferError> {
        Self::segment(self, request, observer)
    }
}

/// What can be asked of the thread.
#[derive(Debug)]
pub enum InferRequest {
    /// Look for devices.
    ListDevices,
    /// Look for models.
    ListModels,
    /// Load the network on a device, if it is not there already, and warm it up.
    Prepare(EngineChoice),
    /// Segment.
    Segment {
        /// Number of the request.
        request: u64,
        /// With what and where.
        engine: EngineChoice,
        /// What.
        what: ClickRequest,
        /// Stops it, before or while it runs.
        cancel: CancelToken,
    },
    /// Label every pixel of an image.
    Label(LabelRequest),
    /// Say where a network looked.
    Inspect(InspectRequest),
}

impl Numbered for InferRequest {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Segment { request, .. }
            | Self::Label(LabelRequest { request, .. })
            | Self::Inspect(InspectRequest { request, .. }) => Some(*request),
            Self::ListDevices | Self::ListModels | Self::Prepare(_) => None,
        }
    }
}

/// What it answers.
#[derive(Debug)]
pub enum InferEvent {
    /// Devices found.
    Devices(Vec<DeviceInfo>),
    /// Models found; the error is for people.
    Models(Result<Vec<ModelInfo>, String>),
    /// Why one of the user's models is left out, for people.
    BrokenModel(String),
    /// The network is being loaded.
    Loading,
    /// It is ready.
    Ready {
        /// Name of the device.
        device: String,
        /// Identity of the model.
        model: String,
        /// Seconds of the warm-up.
        warm_up_secs: f64,
    },
    /// It cannot be used.
    Unusable {
        /// Why, for people.
        why: String,
        /// Whether another device may help.
        is_device_fault: bool,
    },
    /// How far a request is.
    Progress {
        /// Number of the request.
        request: u64,
        /// What is being done.
        what: String,
        /// Share done, where known.
        share: Option<f32>,
    },
    /// The answer to a request; the error is for people, `None` in it: cancelled.
    Segmented {
        /// Number of the request.
        request: u64,
        /// The mask.
        result: Result<Box<ClickResult>, Option<String>>,
    },
    /// The answer to a request for labels; the error is for people, `None` in it: cancelled.
    Labelled {
        /// Number of the request.
        request: u64,
        /// The labels.
        result: Result<Box<LabelAnswer>, Option<String>>,
    },
    /// Where a network looked; the error is for people, `None` in it: cancelled.
    Inspected {
        /// Number of the request.
        request: u64,
        /// The maps.
        result: Result<Box<InspectAnswer>, Option<String>>,
    },
}

/// Owns the engine on the `infer` thread.
pub struct InferWorker {
    factory: EngineFactory,
    inbox: Inbox,
    models: Option<PathBuf>,
    loaded: Option<(EngineChoice, Box<dyn Engine>)>,
    labeller_factory: LabellerFactory,
    /// Used longest ago first.
    labellers: Vec<(LabelChoice, Box<dyn Labeller>)>,
    /// What the last pass looked into left behind.
    looks: inspect::Looks,
}

impl InferWorker {
    /// A worker that loads its engine when it is first needed.
    pub fn new(
        factory: EngineFactory,
        labeller_factory: LabellerFactory,
        models: Option<PathBuf>,
        inbox: Inbox,
    ) -> Self {
        let (labellers, looks) = (Vec::new(), inspect::Looks::default());
        Self { factory, inbox, models, loaded: None, labeller_factory, labellers, looks }
    }

    /// Handles one request.
    pub fn handle(&mut self, request: InferRequest) {
        match request {
            InferRequest::ListDevices => self.tell(InferEvent::Devices(list_devices())),
            InferRequest::ListModels => self.list_models(),
            InferRequest::Prepare(choice) => {
                if let Err(unusable) = self.prepare(choice) {
                    self.tell(unusable.into_event());
                }
            }
            InferRequest::Segment { request, engine, what, cancel } => {
                let result = self.segment(request, engine, &what, cancel);
                self.tell(InferEvent::Segmented { request, result });
            }
            InferRequest::Label(asked) => self.label(asked),
            InferRequest::Inspect(asked) => self.inspect(asked),
        }
    }

    /// A card that cannot be read hides its own model and no other.
    fn list_models(&self) {
        let info = |model: &Model| ModelInfo { card: model.card.clone(), is_embedded: model.is_embedded() };
        let catalog = Catalog::new(self.models.as_deref());
        let models = catalog.as_ref().map(|catalog| catalog.models().iter().map(info).collect());
        self.tell(InferEvent::Models(models.map_err(ToString::to_string)));
        for problem in catalog.iter().flat_map(Catalog::problems) {
            self.tell(InferEvent::BrokenModel(problem.clone()));
        }
    }

    fn tell(&self, event: InferEvent) {
        self.inbox.send(Event::Infer(event));
    }

    /// Loads and warms up. A panic of the framework is an error like any other, and the engine is dropped.
    fn prepare(&mut self, choice: EngineChoice) -> Result<(), Unusable> {
        if self.loaded.as_ref().is_some_and(|(loaded, _)| *loaded == choice) {
            return Ok(());
        }
        self.loaded = None;
        self.tell(InferEvent::Loading);
        let factory = Arc::clone(&self.factory);
        let wanted = choice.clone();
        let (engine, warm_up_secs) = guarded(move || {
            let mut engine = factory(&wanted)?;
            let secs = engine.warm_up()?;
            Ok((engine, secs))
        })?;
        self.tell(InferEvent::Ready { device: engine.device(), model: engine.model(), warm_up_secs });
        self.loaded = Some((choice, engine));
        Ok(())
    }

    fn segment(
        &mut self,
        request: u64,
        engine: EngineChoice,
        what: &ClickRequest,
        cancel: CancelToken,
    ) -> Result<Box<ClickResult>, Option<String>> {
        if cancel.is_cancelled() {
            return Err(None);
        }
        if let Err(unusable) = self.prepare(engine) {
            self.tell(unusable.into_event());
            return Err(None);
        }
        let Some((choice, mut engine)) = self.loaded.take() else { return Err(None) };
        let watcher = Watcher { told: progress_of(request), cancel: cancel.clone(), inbox: &self.inbox };
        let outcome = catch_unwind(AssertUnwindSafe(|| engine.segment(what, &watcher)));
        match outcome {
            Ok(result) => {
                self.loaded = Some((choice, engine));
                match result {
                    Ok(result) => Ok(Box::new(result)),
                    Err(InferError::Cancelled(_)) => Err(None),
                    Err(error) => Err(Some(error.to_string())),
                }
            }
            // The engine may be broken; it is loaded anew for the next request.
            Err(panic) => {
                Err(Some(format!("the network stopped unexpectedly: {}", panic_text(panic.as_ref()))))
            }
        }
    }
}

/// Why an engine cannot be used.
struct Unusable {
    why: String,
    is_device_fault: bool,
}

impl Unusable {
    fn into_event(self) -> InferEvent {
        InferEvent::Unusable { why: self.why, is_device_fault: self.is_device_fault }
    }
}

/// A missing model is missing on every device; everything else, a panic of the driver included, may be the
/// device's fault.
fn guarded<T>(work: impl FnOnce() -> Result<T, InferError>) -> Result<T, Unusable> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let is_device_fault = matches!(error, InferError::Device(_) | InferError::Failed { .. });
            Err(Unusable { why: error.to_string(), is_device_fault })
        }
        Err(panic) => {
            let why = format!("the network cannot be started: {}", panic_text(panic.as_ref()));
            Err(Unusable { why, is_device_fault: true })
        }
    }
}

/// How a request tells how far it is.
fn progress_of(request: u64) -> impl Fn(String, Option<f32>) -> Event {
    move |what, share| Event::Infer(InferEvent::Progress { request, what, share })
}

#[cfg(test)]
mod tests;

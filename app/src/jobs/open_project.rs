//! Opening a project: its work, and the image that it was made for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hilum_core::document::State;
use hilum_core::io::{OpenError, OpenObserver, OpenOptions, Opened, Warning};
use hilum_core::phantom::{CtPhantomOptions, ct_phantom};
use hilum_core::project::{ImageReference, Saved, Store, StoreError};
use hilum_core::volume::Volume;

/// A project to be opened.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenProject {
    /// Its folder.
    pub folder: PathBuf,
    /// Where a person says that the image lies now.
    pub image_at: Option<PathBuf>,
}

/// An opened project.
#[derive(Debug)]
pub struct OpenedProject {
    /// Its folder.
    pub folder: PathBuf,
    /// The image.
    pub volume: Arc<Volume>,
    /// What is unusual about the image.
    pub image_warnings: Vec<Warning>,
    /// The work.
    pub state: State,
    /// What was looked at.
    pub view: Option<serde_json::Value>,
    /// What was mended, for people.
    pub warnings: Vec<String>,
    /// The project, for the thread that writes.
    pub store: Store,
}

/// The image of a project is not where it was, or not what it was.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageProblem {
    /// The project's folder.
    pub folder: PathBuf,
    /// Where the image lay.
    pub image: Option<PathBuf>,
    /// The image is a folder.
    pub is_folder: bool,
    /// What was found, for people.
    pub why: String,
}

/// Why a project was not opened.
#[derive(Debug)]
pub(super) enum Refusal {
    Image(ImageProblem),
    Failed(String),
    Cancelled,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl OpenProject {
    /// Opens the project with its image.
    pub(super) fn run(&self, observer: &dyn OpenObserver) -> Result<OpenedProject, Refusal> {
        let (mut store, saved) = Store::open(&self.folder)?;
        let found = self.find_image(store.image(), observer)?;
        let Opened { volume, warnings: image_warnings } = found;
        let moved = ImageReference::of(&volume);
        if moved.path != store.image().path {
            // Should this fail, the image is asked for again next time.
            store.relocate(moved).ok();
        }
        let mut warnings: Vec<String> = saved.warnings.iter().map(ToString::to_string).collect();
        let Saved { view, .. } = &saved;
        let view = view.clone();
        let (state, more) = saved.into_state()?;
        warnings.extend(more.iter().map(ToString::to_string));
        let (folder, volume) = (self.folder.clone(), Arc::new(volume));
        Ok(OpenedProject { folder, volume, image_warnings, state, view, warnings, store })
    }

    fn find_image(&self, image: &ImageReference, observer: &dyn OpenObserver) -> Result<Opened, Refusal> {
        let problem = |why: String| {
            Refusal::Image(ImageProblem {
                folder: self.folder.clone(),
                image: image.path.clone(),
                is_folder: image.file_bytes.is_none() && image.path.is_some(),
                why,
            })
        };
        let places = match &self.image_at {
            Some(path) => vec![path.clone()],
            None => image.candidates(&self.folder),
        };
        if places.is_empty() {
            let sample =
                ct_phantom(&CtPhantomOptions::default()).map_err(|e| Refusal::Failed(e.to_string()))?;
            let opened = Opened { volume: sample.volume, warnings: Vec::new() };
            return image.verify(&opened.volume).map(|()| opened).map_err(|why| problem(why.to_string()));
        }
        let mut first = None;
        for place in places {
            match open_as(image, &place, observer) {
                Ok(opened) => match image.verify(&opened.volume) {
                    Ok(()) => return Ok(opened),
                    Err(why) => first = first.or(Some(format!("{why}: {}", place.display()))),
                },
                Err(OpenError::Cancelled(_)) => return Err(Refusal::Cancelled),
                Err(error) => first = first.or(Some(error.to_string())),
            }
        }
        Err(problem(first.unwrap_or_default()))
    }
}

fn open_as(image: &ImageReference, place: &Path, observer: &dyn OpenObserver) -> Result<Opened, OpenError> {
    hilum_core::io::open(place, &OpenOptions::from(image.selection.clone()), observer)
}

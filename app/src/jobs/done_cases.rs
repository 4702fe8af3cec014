//! The cases of a worklist, or of a list in a file, that people are done with, one after the other.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hilum_core::io::{self, LabelName, LabelTarget, OpenOptions};
use hilum_core::label::LabelMap;
use hilum_core::project::{self, is_project};
use hilum_core::volume::Volume;
use hilum_core::worklist::{Case, Role, WorklistStore, is_worklist};
use hilum_models::teach::{CaseImage, CaseLabels, CaseUse};

use super::teach_cases::{is_damage, open_case_image, read_list};

/// A case whose labels are right.
pub struct DoneCase {
    /// Its name.
    pub name: String,
    /// It is set aside: networks are judged with it.
    pub is_set_aside: bool,
    place: Place,
}

enum Place {
    Worklist(PathBuf, Box<Case>),
    Files { image: PathBuf, labels: PathBuf },
}

/// The corrected and reviewed cases of a worklist's folder, or the cases with labels of a list in a file.
///
/// # Errors
/// What cannot be read.
pub fn done_cases(path: &Path) -> anyhow::Result<Vec<DoneCase>> {
    if is_worklist(path) {
        let list = WorklistStore::peek(path)?;
        let done = |case: &&Case| case.state.is_done() && is_project(&case.project_folder(path));
        let case = |case: &Case| DoneCase {
            name: case.name.clone(),
            is_set_aside: case.role == Role::SetAside,
            place: Place::Worklist(path.to_owned(), Box::new(case.clone())),
        };
        return Ok(list.cases().iter().filter(done).map(case).collect());
    }
    let (_, _, cases) = read_list(path)?;
    let case = |case: hilum_models::teach::TeachingCase| match (case.image, case.labels) {
        (CaseImage::File(image), CaseLabels::File(labels)) if case.purpose != CaseUse::Unlabelled => {
            Some(DoneCase {
                name: case.id,
                is_set_aside: case.purpose == CaseUse::SetAside,
                place: Place::Files { image: image.path, labels },
            })
        }
        _ => None,
    };
    Ok(cases.into_iter().filter_map(case).collect())
}

impl DoneCase {
    /// Labels with a voxel, ascending, with the names that the case has for them.
    ///
    /// # Errors
    /// Why its labels cannot be read.
    pub fn names(&self) -> anyhow::Result<Vec<LabelName>> {
        let (used, names) = match &self.place {
            Place::Worklist(folder, case) => {
                let saved = project::read(&case.project_folder(folder)).with_context(|| self.context())?;
                let state = saved.into_state()?.0;
                let name = |entry: &hilum_core::label::LabelEntry| LabelName {
                    value: entry.id,
                    name: entry.name.clone(),
                    color: entry.color,
                };
                (state.labels().used_labels(), state.table().entries().iter().map(name).collect())
            }
            Place::Files { labels, .. } => {
                let labels = io::open_labels(labels).with_context(|| self.context())?;
                (labels.used_labels(), labels.names)
            }
        };
        let name = |value: u16| {
            let given = names.iter().find(|name: &&LabelName| name.value == value).cloned();
            given.unwrap_or_else(|| LabelName {
                value,
                name: format!("Label {value}"),
                color: hilum_core::label::color_of(value),
            })
        };
        Ok(used.into_iter().map(name).collect())
    }

    /// Its image, and its labels on the image's grid; with what a person should know of damage.
    ///
    /// # Errors
    /// Why one of them cannot be read.
    pub fn load(&self) -> anyhow::Result<(Volume, LabelMap, Vec<String>)> {
        match &self.place {
            Place::Worklist(folder, case) => {
                let image = open_case_image(folder, case)?;
                let saved = project::read(&case.project_folder(folder)).with_context(|| self.context())?;
                let (state, warnings) = saved.into_state()?;
                let told = |warning| format!("{}: {warning}", self.context());
                let damage = warnings.iter().filter(|warning| is_damage(warning)).map(told).collect();
                Ok((image, LabelMap::clone(state.labels()), damage))
            }
            Place::Files { image, labels } => {
                let image = io::open(image, &OpenOptions::default(), &()).with_context(|| self.context())?;
                let image = image.volume;
                let target = LabelTarget { grid: image.grid(), source: &image.meta().source };
                let labels = io::open_labels_for(labels, target).with_context(|| self.context())?;
                Ok((image, LabelMap::from_voxels(labels.grid, labels.labels)?, Vec::new()))
            }
        }
    }

    fn context(&self) -> String {
        format!("the case {}", self.name)
    }
}

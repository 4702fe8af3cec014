//! From a worklist, or a list in a file, to the cases that a network is taught with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use hilum_core::io::{self, OpenOptions};
use hilum_core::project::{self, is_project};
use hilum_core::volume::Volume;
use hilum_core::worklist::{Case, Role, WorklistStore, is_worklist};
use hilum_models::teach::{CaseImage, CaseLabels, CaseUse, TeachingCase, Versions};
use serde::Deserialize;

/// Unlabelled images that keep old knowledge alive; all are in memory while a network learns.
const MOST_UNLABELLED: usize = 8;

/// What is taught, with what, and where the versions lie.
pub struct Lesson {
    /// The model that all versions come from.
    pub model: String,
    /// Its versions.
    pub versions: Versions,
    /// Cases set aside that the weights in use have learned earlier: they cannot judge and are left out.
    pub biased: Vec<String>,
    /// The cases; those that the weights in use have learned are marked as earlier ones.
    pub cases: Vec<TeachingCase>,
}

/// A list of cases in a file, for work without a window.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFile {
    model: Option<String>,
    #[serde(default)]
    versions: Option<PathBuf>,
    cases: Vec<ListedCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedCase {
    id: Option<String>,
    image: PathBuf,
    labels: Option<PathBuf>,
    #[serde(rename = "use")]
    purpose: CaseUse,
}

/// Reads a worklist's folder or a list of cases; `model` instead of the one that it names.
///
/// # Errors
/// What cannot be read, and a list that names no model.
pub fn read_lesson(path: &Path, model: Option<&str>) -> anyhow::Result<Lesson> {
    let (named, versions, mut cases) = if is_worklist(path) {
        let list = WorklistStore::peek(path)?;
        let unlabelled = |case: &&Case| !case.state.is_done() && case.role == Role::Teaching;
        let kept: Vec<_> =
            list.cases().iter().filter(unlabelled).take(MOST_UNLABELLED).map(|c| c.id).collect();
        let wanted = list.cases().iter().filter(|case| !unlabelled(case) || kept.contains(&case.id));
        let cases: Vec<Vec<TeachingCase>> =
            wanted.map(|case| case_of(path, case)).collect::<Result<_, _>>()?;
        (list.model.clone(), path.join("versions"), cases.concat())
    } else {
        read_list(path)?
    };
    let model = model.map(str::to_owned).or(named).with_context(|| {
        format!("no model is named; say one with --model (see hilum models list): {}", path.display())
    })?;
    let versions = Versions::new(versions, &model);
    let biased = versions.mark_earlier(&mut cases);
    Ok(Lesson { model: versions.base().to_owned(), versions, biased, cases })
}

/// The model, the folder of versions and the cases that a file lists.
pub(super) fn read_list(path: &Path) -> anyhow::Result<(Option<String>, PathBuf, Vec<TeachingCase>)> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("this is no worklist and no list of cases: {}", path.display()))?;
    let list: ListFile = toml::from_str(&text)
        .with_context(|| format!("the list of cases is not understood: {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let case = |listed: ListedCase| {
        let stem = listed.image.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let id = listed.id.unwrap_or(stem);
        let labels = listed.labels.map(|labels| folder.join(labels));
        TeachingCase::files(&id, folder.join(listed.image), labels, listed.purpose)
    };
    let versions = folder.join(list.versions.unwrap_or_else(|| "versions".into()));
    Ok((list.model, versions, list.cases.into_iter().map(case).collect()))
}

/// A case of a worklist as teaching sees it; none whose labels are still being drawn.
fn case_of(folder: &Path, case: &Case) -> anyhow::Result<Vec<TeachingCase>> {
    let purpose = match (case.state.is_done(), case.role) {
        (true, Role::Teaching) => CaseUse::Corrected,
        (true, Role::SetAside) => CaseUse::SetAside,
        // What is set aside must not be learned from, not even as the network's own answer.
        (false, Role::SetAside) => return Ok(Vec::new()),
        (false, Role::Teaching) => CaseUse::Unlabelled,
    };
    // Read when it is needed, where its path alone says which image it is: a worklist may hold more than memory does.
    let image = if case.image.series_uid.is_none() && case.image.time_point == 0 {
        CaseImage::File(case.image.resolved(folder))
    } else {
        CaseImage::Memory(Arc::new(open_case_image(folder, case)?))
    };
    let project = case.project_folder(folder);
    let labels = match purpose {
        CaseUse::Unlabelled => CaseLabels::None,
        _ if is_project(&project) => {
            // The window may be working on it.
            let saved = project::read(&project).with_context(|| format!("the case {}", case.name))?;
            CaseLabels::Memory(saved.into_state()?.0.labels().clone())
        }
        _ => return Ok(Vec::new()),
    };
    Ok(vec![TeachingCase { id: case.name.clone(), image, labels, purpose }])
}

/// Opens the image of a case.
///
/// # Errors
/// Why it cannot be opened, with the name of the case.
pub fn open_case_image(folder: &Path, case: &Case) -> anyhow::Result<Volume> {
    let options = OpenOptions {
        time_point: case.image.time_point,
        series_uid: case.image.series_uid.clone(),
        ..OpenOptions::default()
    };
    let path = case.image.resolved(folder);
    let opened = io::open(&path, &options, &()).with_context(|| format!("the case {}", case.name))?;
    Ok(opened.volume)
}

//! From a worklist, or a list in a file, to the cases that a network is taught with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hilum_core::io::{self, OpenOptions, read_small_text};
use hilum_core::project::{self, Saved, StoreWarning, is_project};
use hilum_core::volume::Volume;
use hilum_core::worklist::{Case, CaseImage as FileImage, Role, WorklistStore, is_worklist};
use hilum_models::catalog::{Catalog, Task};
use hilum_models::teach::{CaseImage, CaseLabels, CaseUse, TeachingCase, Versions, values_for};
use serde::Deserialize;

/// Unlabelled images that keep old knowledge alive.
const MOST_UNLABELLED: usize = 8;

/// What is taught, with what, and where the versions lie.
pub struct Lesson {
    /// The versions of the model.
    pub versions: Versions,
    /// The models, these versions among them.
    pub catalog: Catalog,
    /// What a person should know: cases that are left out, and why.
    pub notes: Vec<String>,
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

/// The versions of the model that a worklist or a list of cases teaches; `model` instead of the one that it names.
///
/// # Errors
/// What cannot be read, and a list that names no model.
pub fn read_versions(path: &Path, model: Option<&str>) -> anyhow::Result<Versions> {
    let (named, versions) = if is_worklist(path) {
        (WorklistStore::peek(path)?.model, path.join("versions"))
    } else {
        let (named, versions, _) = read_list(path)?;
        (named, versions)
    };
    let model = model.map(str::to_owned).or(named).with_context(|| {
        format!("no model is named; say one with --model (see hilum models list): {}", path.display())
    })?;
    Ok(Versions::new(versions, &model))
}

/// Reads a worklist's folder or a list of cases; `model` instead of the one that it names. Labels and images are read
/// when they are needed; here only whether they can be taught.
///
/// # Errors
/// What cannot be read, and a list that names no model.
pub fn read_lesson(path: &Path, model: Option<&str>, catalog: &Catalog) -> anyhow::Result<Lesson> {
    let versions = read_versions(path, model)?;
    let catalog = versions.catalog(catalog)?;
    let task = catalog.find(versions.base())?.card.task.clone();
    let mut notes = Vec::new();
    let mut cases = if is_worklist(path) {
        let list = WorklistStore::peek(path)?;
        let unlabelled = |case: &&Case| !case.state.is_done() && case.role == Role::Teaching;
        let kept: Vec<_> =
            list.cases().iter().filter(unlabelled).take(MOST_UNLABELLED).map(|c| c.id).collect();
        let wanted = list.cases().iter().filter(|case| !unlabelled(case) || kept.contains(&case.id));
        wanted.filter_map(|case| case_of(path, case, &task, &mut notes)).collect()
    } else {
        read_list(path)?.2
    };
    let biased = versions.mark_earlier(&mut cases);
    if !biased.is_empty() {
        notes.push(format!("set aside, but learned earlier, so they do not judge: {}", biased.join(", ")));
    }
    Ok(Lesson { versions, catalog, notes, cases })
}

/// The model, the folder of versions and the cases that a file lists.
pub(super) fn read_list(path: &Path) -> anyhow::Result<(Option<String>, PathBuf, Vec<TeachingCase>)> {
    let text = read_small_text(path)
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

/// A case of a worklist as teaching sees it; none whose labels are still being drawn, and none that cannot be taught,
/// which is noted.
fn case_of(folder: &Path, case: &Case, task: &Task, notes: &mut Vec<String>) -> Option<TeachingCase> {
    let purpose = match (case.state.is_done(), case.role) {
        (true, Role::Teaching) => CaseUse::Corrected,
        (true, Role::SetAside) => CaseUse::SetAside,
        // What is set aside must not be learned from, not even as the network's own answer.
        (false, Role::SetAside) => return None,
        (false, Role::Teaching) => CaseUse::Unlabelled,
    };
    let image = CaseImage::File(FileImage { path: case.image.resolved(folder), ..case.image.clone() });
    let project = case.project_folder(folder);
    let labels = match purpose {
        CaseUse::Unlabelled => CaseLabels::None,
        _ if is_project(&project) => match taught_values(&project, task) {
            Ok(values) => CaseLabels::Project { folder: project, values },
            Err(why) => {
                notes.push(format!("the case {} is left out: {why}", case.name));
                return None;
            }
        },
        _ => {
            notes.push(format!("the case {} is left out: nobody has drawn in it", case.name));
            return None;
        }
    };
    Some(TeachingCase { id: case.name.clone(), image, labels, purpose })
}

/// The model's value for every label of a project.
///
/// # Errors
/// Why it cannot be taught, for people.
fn taught_values(project: &Path, task: &Task) -> Result<BTreeMap<u16, u16>, String> {
    // The window may be working on it.
    let (state, warnings) =
        project::read(project).and_then(Saved::into_state).map_err(|error| error.to_string())?;
    if let Some(damage) = warnings.iter().find(|warning| is_damage(warning)) {
        return Err(format!("{damage}. Open it, look at its labels and mark it as corrected again"));
    }
    values_for(task, &state.labels().used_labels(), state.table())
}

/// Whether labels may be missing: they are not what a person said is right.
pub(super) fn is_damage(warning: &StoreWarning) -> bool {
    use StoreWarning as W;
    matches!(warning, W::JournalTail { .. } | W::OlderSnapshot | W::NoJournal | W::Replay { .. })
}

/// Opens the image of a case.
///
/// # Errors
/// Why it cannot be opened, with the name of the case.
pub fn open_case_image(folder: &Path, case: &Case) -> anyhow::Result<Volume> {
    let options = OpenOptions::from(case.image.selection.clone());
    let path = case.image.resolved(folder);
    let opened = io::open(&path, &options, &()).with_context(|| format!("the case {}", case.name))?;
    Ok(opened.volume)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::take_mask;
    use hilum_core::io::Selection;
    use hilum_core::io::nifti::{save_labels, save_volume};
    use hilum_core::label::{DIFFERENCES, LabelEntry, LabelTable};
    use hilum_core::phantom::{CtPhantomOptions, ct_phantom};
    use hilum_core::worklist::{CaseChange, CaseState, Worklist};

    /// A worklist of corrected cases, the third one with voxels that nobody has decided on.
    fn with_cases(folder: &Path) -> PathBuf {
        let image =
            ct_phantom(&CtPhantomOptions { dims: [48, 40, 16], ..CtPhantomOptions::default() }).unwrap();
        let (list_folder, grid) = (folder.join("list"), *image.volume.grid());
        let mut labels = LabelTable::default();
        labels = LabelTable::new(vec![labels.entries()[0].clone(), LabelEntry::new(2, DIFFERENCES)]).unwrap();
        let mut list = Worklist::new("l", labels, Some("lesion-div-light".into()));
        for name in ["a", "b", "c"] {
            let path = folder.join(format!("{name}.nii.gz"));
            save_volume(&path, &image.volume).unwrap();
            let id = list.add(&list_folder, FileImage::at(path), 1).unwrap();
            let mut mask = vec![0u16; grid.voxel_count()];
            mask[100..140].fill(1);
            if name == "c" {
                mask[200..203].fill(2);
            }
            let at = folder.join(format!("{name}_mask.nii.gz"));
            save_labels(&at, &mask, &grid, &image.volume.meta().source, &[]).unwrap();
            take_mask(&list_folder, list.case(id).unwrap(), &at, &list.labels).unwrap();
            list.apply(id, CaseChange::State(CaseState::Corrected), 2).unwrap();
        }
        WorklistStore::create(&list_folder, &list).unwrap();
        list_folder
    }

    #[test]
    fn damaged_and_undecided_cases_are_left_out_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let list = with_cases(folder.path());
        let catalog = Catalog::new(None).unwrap();
        let ids = |lesson: &Lesson| lesson.cases.iter().map(|case| case.id.clone()).collect::<Vec<_>>();
        let lesson = read_lesson(&list, None, &catalog).unwrap();
        assert_eq!(ids(&lesson), ["a", "b"]);
        assert!(lesson.notes[0].contains("case c") && lesson.notes[0].contains("note"), "{:?}", lesson.notes);

        let journal = list.join("cases/0002/journal-1.bin");
        let bytes = std::fs::read(&journal).unwrap();
        std::fs::write(&journal, &bytes[..bytes.len() - 5]).unwrap();
        let lesson = read_lesson(&list, None, &catalog).unwrap();
        assert_eq!(ids(&lesson), ["a"]);
        let told = lesson.notes.iter().any(|note| note.contains("case b") && note.contains("journal"));
        assert!(told, "{:?}", lesson.notes);

        // For a model with regions of other names nothing of it fits.
        let lesson = read_lesson(&list, Some("disc-cup"), &catalog).unwrap();
        assert!(lesson.cases.is_empty() && lesson.notes.iter().any(|note| note.contains("case a")));
    }

    #[test]
    fn series_and_time_point_reach_the_case_that_is_taught() {
        let folder = tempfile::tempdir().unwrap();
        let list_folder = with_cases(folder.path());
        let mut list = WorklistStore::peek(&list_folder).unwrap();
        let id = list.cases()[0].id;
        let path = list.cases()[0].image.path.clone();
        let selection = Selection { time_point: 3, ..Selection::series("1.2") };
        let image = FileImage { path, selection: selection.clone() };
        list.apply(id, CaseChange::Image(image), 5).unwrap();
        let task = Catalog::new(None).unwrap().find("lesion-div-light").unwrap().card.task.clone();
        let case = case_of(&list_folder, &list.cases()[0], &task, &mut Vec::new()).unwrap();
        let CaseImage::File(image) = &case.image else { panic!("{case:?}") };
        assert_eq!(image.selection, selection);
    }
}

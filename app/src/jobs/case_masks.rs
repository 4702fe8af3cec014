//! Masks of many cases at once: taking over a folder of them as labels, and writing all that are done.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use hilum_core::document::{Document, EditCommand, NewLabel};
use hilum_core::io::{self, LabelExport, LabelName, LabelTarget, export};
use hilum_core::label::{LabelMap, LabelTable};
use hilum_core::project::{ImageReference, Store, is_project};
use hilum_core::worklist::{Case, CaseId, CaseState, mask_for};
use serde::Serialize;

use super::teach_cases::open_case_image;
use super::{DoneCase, done_cases};

/// A case with the mask that is named like it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MaskPair {
    /// The case.
    pub case: CaseId,
    /// Its name.
    pub name: String,
    /// Its mask; none was found without one.
    pub mask: Option<PathBuf>,
    /// Why it is not taken.
    pub refused: Option<String>,
}

/// The cases of a worklist with the masks of a folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MaskPairs {
    /// Where the masks lie.
    pub from: PathBuf,
    /// Every case.
    pub pairs: Vec<MaskPair>,
    /// Files of the folder that belong to no case.
    pub unused: Vec<PathBuf>,
}

impl MaskPair {
    /// The mask that will be taken.
    pub fn taken(&self) -> Option<&Path> {
        self.mask.as_deref().filter(|_| self.refused.is_none())
    }
}

/// Whether a person's labels would be replaced. What a network has proposed, and nobody touched, may be.
fn has_work(worklist: &Path, case: &Case) -> bool {
    case.state != CaseState::Proposed && is_project(&case.project_folder(worklist))
}

/// Finds the mask of every case in a folder by its name. A case in which somebody has worked keeps its labels.
///
/// # Errors
/// If the folder cannot be read.
pub fn pair_masks(worklist: &Path, cases: &[Case], from: &Path) -> std::io::Result<MaskPairs> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(from)?.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|file| file.is_file() && io::probe(file).is_ok());
    files.sort();
    let pair = |case: &Case| {
        let mask = mask_for(case, &files).map(Path::to_owned);
        let refused = match &mask {
            None => Some("no mask of this name, or two that fit alike"),
            Some(_) if has_work(worklist, case) => Some("somebody has worked on it; its labels stay"),
            Some(_) => None,
        };
        MaskPair { case: case.id, name: case.name.clone(), mask, refused: refused.map(str::to_owned) }
    };
    let pairs: Vec<MaskPair> = cases.iter().map(pair).collect();
    let is_unused = |file: &PathBuf| !pairs.iter().any(|pair| pair.mask.as_ref() == Some(file));
    let unused = files.iter().filter(|file| is_unused(file)).cloned().collect();
    Ok(MaskPairs { from: from.to_owned(), pairs, unused })
}

/// Makes the labels of a case those of a mask: in a new project, or as one more step of the one in which a network made its
/// proposal. `table` are the labels of the worklist; those of the mask without a name there get one.
///
/// # Errors
/// Why it cannot be made; then the case is as it was.
pub fn take_mask(worklist: &Path, case: &Case, mask: &Path, table: &LabelTable) -> anyhow::Result<()> {
    let folder = case.project_folder(worklist);
    ensure!(!has_work(worklist, case), "somebody has worked on the case {}; its labels stay", case.name);
    let image = Arc::new(open_case_image(worklist, case)?);
    let target = LabelTarget { grid: image.grid(), source: &image.meta().source };
    let read = io::open_labels_for(mask, target).with_context(|| format!("the case {}", case.name))?;
    let labels = LabelMap::from_voxels(*image.grid(), read.labels)?;
    let used = labels.used_labels();
    if used.is_empty() {
        bail!("the mask is empty: {}", mask.display());
    }
    let (mut document, mut store) = match is_project(&folder) {
        true => {
            let (store, saved) = Store::open(&folder)?;
            (Document::restore(image, saved.into_state()?.0)?, store)
        }
        false => {
            let blank = LabelMap::new(*image.grid());
            let document = Document::starting_with(image.clone(), table.clone(), blank)?;
            let store = Store::create(&folder, ImageReference::of(&image), &document.snapshot())?;
            (document, store)
        }
    };
    let names = new_names(&used, &read.names, document.table());
    document.start_journal();
    document.apply(EditCommand::ReplaceLabels { name: "Import mask".into(), labels, names })?;
    store.append(&document.take_unsaved())?;
    store.attest(&format!("imported from {}", mask.display()), document.labels());
    Ok(())
}

/// Names and colours for labels that the table does not have.
fn new_names(used: &[u16], named: &[LabelName], table: &LabelTable) -> Vec<NewLabel> {
    let is_new = |value: &&u16| table.get(**value).is_none();
    let name = |value: &u16| {
        let given = named.iter().find(|name| name.value == *value).cloned();
        given.map_or_else(|| NewLabel::named(*value, format!("Label {value}")), NewLabel::from)
    };
    used.iter().filter(is_new).map(name).collect()
}

/// What came of writing masks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WrittenMasks {
    /// The files.
    pub files: Vec<PathBuf>,
    /// What people should know of those written.
    pub notes: Vec<String>,
    /// The cases that were not written, and why.
    pub refused: Vec<String>,
}

/// Writes the masks of all corrected and reviewed cases into a folder, `NAME.nii.gz` each on its image's grid, read back
/// and compared. `on_case` is told how many are done, of how many. No file is written over.
///
/// # Errors
/// If the list cannot be read, or the folder cannot be made.
pub fn write_masks(
    worklist: &Path,
    to: &Path,
    on_case: &mut dyn FnMut(usize, usize),
) -> anyhow::Result<WrittenMasks> {
    let cases = done_cases(worklist)?;
    ensure!(!cases.is_empty(), "no case is corrected or reviewed: {}", worklist.display());
    std::fs::create_dir_all(to).with_context(|| format!("cannot make the folder {}", to.display()))?;
    let mut written = WrittenMasks::default();
    for (done, case) in cases.iter().enumerate() {
        on_case(done, cases.len());
        let path = to.join(format!("{}.nii.gz", file_safe(&case.name)));
        match write_mask(case, &path) {
            Ok(notes) => {
                written.notes.extend(notes);
                written.files.push(path);
            }
            Err(error) => written.refused.push(format!("{}: {error:#}", case.name)),
        }
    }
    Ok(written)
}

fn write_mask(case: &DoneCase, path: &Path) -> anyhow::Result<Vec<String>> {
    ensure!(!path.exists(), "the file exists already; choose an empty folder: {}", path.display());
    let (image, labels, damage) = case.load()?;
    let names = case.names()?;
    let source = &image.meta().source;
    let export =
        LabelExport { labels: &labels.to_voxels(), grid: labels.grid(), source, names: &names, covered: &[] };
    export::save_labels(path, &export, None)?;
    Ok(damage)
}

/// What a file may be called on every system.
fn file_safe(name: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ' | '(' | ')' | '.');
    let safe: String = name.chars().map(|c| if kept(c) { c } else { '_' }).collect();
    safe.trim_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::io::nifti::{save_labels, save_volume};
    use hilum_core::phantom::{CtPhantomOptions, ct_phantom};
    use hilum_core::project;
    use hilum_core::worklist::{CaseChange, CaseImage, Worklist, WorklistStore};

    #[test]
    fn masks_are_taken_by_name_and_all_done_ones_are_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let image =
            ct_phantom(&CtPhantomOptions { dims: [48, 40, 16], ..CtPhantomOptions::default() }).unwrap();
        std::fs::create_dir_all(at("masks")).unwrap();
        let (list_folder, grid) = (at("list"), *image.volume.grid());
        let mut list = Worklist::new("l", LabelTable::default(), None);
        for (nth, name) in ["a", "b", "c"].into_iter().enumerate() {
            save_volume(&at(&format!("{name}.nii.gz")), &image.volume).unwrap();
            list.add(&list_folder, CaseImage::at(at(&format!("{name}.nii.gz"))), 1).unwrap();
            let mut mask = vec![0u16; grid.voxel_count()];
            mask[100..110 + nth].fill(1);
            mask[200..205].fill(7);
            if name != "c" {
                let source = &image.volume.meta().source;
                let names = [LabelName { value: 7, name: "Spleen".into(), color: [12, 34, 56] }];
                save_labels(&at(&format!("masks/{name}_seg.nii.gz")), &mask, &grid, source, &names).unwrap();
            }
        }
        let store = WorklistStore::create(&list_folder, &list).unwrap();
        let pairs = pair_masks(&list_folder, list.cases(), &at("masks")).unwrap();
        let taken: Vec<bool> = pairs.pairs.iter().map(|pair| pair.taken().is_some()).collect();
        assert_eq!((taken, pairs.unused.len()), (vec![true, true, false], 0));
        for pair in pairs.pairs.iter().filter(|pair| pair.taken().is_some()) {
            let case = list.case(pair.case).unwrap();
            take_mask(&list_folder, case, pair.taken().unwrap(), &list.labels).unwrap();
        }
        let case = list.cases()[1].clone();
        let state = project::read(&case.project_folder(&list_folder)).unwrap().into_state().unwrap().0;
        assert_eq!((state.labels().count(1), state.labels().count(7)), (11, 5));
        let spleen = state.table().get(7).unwrap();
        assert_eq!((spleen.name.as_str(), spleen.color), ("Spleen", [12, 34, 56]));
        // Twice is refused, and told before.
        let again = pair_masks(&list_folder, list.cases(), &at("masks")).unwrap();
        assert!(again.pairs[0].taken().is_none() && again.pairs[0].refused.is_some());
        assert!(take_mask(&list_folder, &case, &at("masks/b_seg.nii.gz"), &list.labels).is_err());

        // What a network proposed and nobody touched may be replaced, and is a step that can be taken back.
        list.apply(case.id, CaseChange::State(CaseState::Proposed), 2).unwrap();
        let proposed = list.case(case.id).unwrap().clone();
        take_mask(&list_folder, &proposed, &at("masks/a_seg.nii.gz"), &list.labels).unwrap();
        let replaced = project::read(&case.project_folder(&list_folder)).unwrap().into_state().unwrap().0;
        assert_eq!((replaced.labels().count(1), replaced.history().steps().count()), (10, 2));
        take_mask(&list_folder, &proposed, &at("masks/b_seg.nii.gz"), &list.labels).unwrap();

        list.apply(case.id, CaseChange::State(CaseState::Corrected), 2).unwrap();
        store.save(&list).unwrap();
        let written = write_masks(&list_folder, &at("out"), &mut |_, _| ()).unwrap();
        assert_eq!((written.files.len(), written.notes.len()), (1, 0), "{written:?}");
        let read = io::open_labels(&at("out/b.nii.gz")).unwrap();
        assert_eq!(read.labels, state.labels().to_voxels());
        let twice = write_masks(&list_folder, &at("out"), &mut |_, _| ()).unwrap();
        assert!(twice.files.is_empty() && twice.refused[0].contains("exists"), "{twice:?}");
    }
}

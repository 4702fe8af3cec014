//! What the targets have in common: a folder in memory, limits as small as those of the mutation test, and the doors of the
//! library.

use std::cell::RefCell;
use std::path::Path;

use hilum_core::io::{self, Limits, OpenOptions, open_labels_within};
use hilum_core::provenance::read_chain;
use hilum_core::worklist::WorklistStore;
use tempfile::TempDir;

const LIMITS: Limits =
    Limits { max_voxel_bytes: 16 << 20, max_files: 100, max_depth: 4, max_header_bytes: 4 << 20 };

/// A project as the program wrote it, to be spoilt in one place.
const PROJECT: [(&str, &[u8]); 3] = [
    ("project.json", include_bytes!("../../core/src/project/store/fixtures/v2/project.json")),
    ("journal-3.bin", include_bytes!("../../core/src/project/store/fixtures/v2/journal-3.bin")),
    ("snapshot-3.bin", include_bytes!("../../core/src/project/store/fixtures/v2/snapshot-3.bin")),
];

/// Runs `work` in a folder that is empty, in memory where the system has such a place.
fn in_folder<T>(work: impl FnOnce(&Path) -> T) -> T {
    thread_local! {
        static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
    }
    FOLDER.with_borrow_mut(|folder| {
        let memory = Path::new("/dev/shm");
        let make = || if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let path = folder.get_or_insert_with(|| make().expect("a folder")).path();
        for entry in std::fs::read_dir(path).expect("the folder").flatten() {
            // A folder that the program made is emptied with what is in it.
            let _ = std::fs::remove_file(entry.path()).or_else(|_| std::fs::remove_dir_all(entry.path()));
        }
        work(path)
    })
}

/// Opens bytes as an image of a name.
pub fn open_image(name: &str, bytes: &[u8]) {
    in_folder(|folder| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("a file");
        let options = OpenOptions { limits: LIMITS, ..OpenOptions::default() };
        let _ = io::probe(&path);
        let _ = io::list_series(&path, &options, &());
        if let Ok(opened) = io::open(&path, &options, &()) {
            let volume = &opened.volume;
            assert_eq!(volume.voxels().len(), volume.grid().voxel_count(), "a grid and its voxels");
            assert!(volume.grid().spacing_mm().iter().all(|mm| mm.is_finite() && *mm > 0.0), "a spacing");
        }
    });
}

/// Opens bytes as a label map of the format that a number chooses.
pub fn open_labels(choice: u8, bytes: &[u8]) {
    const NAMES: [&str; 6] = ["a.nii", "a.seg.nrrd", "a.mha", "a.dcm", "a.png", "a.nii.gz"];
    in_folder(|folder| {
        let path = folder.join(NAMES[usize::from(choice) % NAMES.len()]);
        std::fs::write(&path, bytes).expect("a file");
        if let Ok(labels) = open_labels_within(&path, &LIMITS) {
            assert_eq!(labels.labels.len(), labels.grid.voxel_count(), "a grid and its labels");
        }
    });
}

/// Opens a project one of whose files is these bytes.
pub fn open_project(choice: u8, bytes: &[u8]) {
    in_folder(|folder| {
        for (name, content) in PROJECT {
            std::fs::write(folder.join(name), content).expect("a file");
        }
        let names = ["project.json", "journal-3.bin", "snapshot-3.bin", "provenance.jsonl", "view.json"];
        let name = names[usize::from(choice) % names.len()];
        std::fs::write(folder.join(name), bytes).expect("a file");
        if let Ok(saved) = hilum_core::project::read(folder) {
            let _ = saved.into_state();
        }
        let _ = read_chain(folder);
    });
}

/// Opens a worklist whose file is these bytes.
pub fn open_worklist(bytes: &[u8]) {
    in_folder(|folder| {
        std::fs::write(folder.join("worklist.json"), bytes).expect("a file");
        let _ = WorklistStore::open(folder);
    });
}

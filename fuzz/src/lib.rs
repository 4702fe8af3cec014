//! What the targets have in common: a folder in memory, limits as small as those of the mutation test, and the doors of the
//! library.

#[cfg(feature = "models")]
pub mod models;

use std::cell::RefCell;
use std::io::Read as _;
use std::path::Path;

use hilum_core::io::dicom::deidentify::{Deidentify, DeidentifyOptions, PseudonymKey};
use hilum_core::io::{self, Limits, OpenOptions, open_labels_within};
use hilum_core::provenance::read_chain;
use hilum_core::worklist::WorklistStore;
use hilum_dicomweb::ServerList;
use hilum_dicomweb::multipart::{MultipartReader, boundary_of};
use tempfile::TempDir;

const LIMITS: Limits =
    Limits { max_voxel_bytes: 16 << 20, max_files: 100, max_depth: 4, max_header_bytes: 4 << 20 };

/// A project as the program wrote it, to be spoilt in one place.
const PROJECT: [(&str, &[u8]); 3] = [
    ("project.json", include_bytes!("../../core/src/project/store/fixtures/v2/project.json")),
    ("journal-3.bin", include_bytes!("../../core/src/project/store/fixtures/v2/journal-3.bin")),
    ("snapshot-3.bin", include_bytes!("../../core/src/project/store/fixtures/v2/snapshot-3.bin")),
];

/// The same key for every input, so that a failure comes again.
const KEY: &str = r#"{"format": "hilum-pseudonym-key", "version": 1, "note": "",
    "key": "0707070707070707070707070707070707070707070707070707070707070707"}"#;

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

/// De-identifies a DICOM file of these bytes: what can be opened can be opened afterwards.
pub fn deidentify(bytes: &[u8]) {
    in_folder(|folder| {
        let (source, target) = (folder.join("a.dcm"), folder.join("out"));
        std::fs::write(&source, bytes).expect("a file");
        std::fs::write(folder.join("key.json"), KEY).expect("a file");
        let key = PseudonymKey::open_or_create(&folder.join("key.json")).expect("a key");
        let options = DeidentifyOptions::default();
        let work = Deidentify { source: &source, only_series: None, target: &target, key: &key, options };
        let Ok(report) = work.run(&()) else { return };
        let open = |path: &Path| {
            let options = OpenOptions { limits: LIMITS, ..OpenOptions::default() };
            io::open(path, &options, &()).map(|opened| opened.volume.voxels().len())
        };
        if let (1, Ok(voxels)) = (report.written, open(&source)) {
            assert_eq!(open(&target).expect("the copy opens"), voxels, "the copy has all voxels");
        }
    });
}

/// Opens a list of servers.
pub fn open_server_list(bytes: &[u8]) {
    in_folder(|folder| {
        let path = folder.join("servers.toml");
        std::fs::write(&path, bytes).expect("a file");
        let _ = ServerList::load(&path);
    });
}

/// Reads a body of several parts, in pieces: the parts that are found do not depend on how large the pieces are.
pub fn read_parts(bytes: &[u8]) {
    let Some((step, rest)) = bytes.split_first() else { return };
    let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let (kind, body) = (String::from_utf8_lossy(&rest[..end]), &rest[(end + 1).min(rest.len())..]);
    let boundary = boundary_of(&kind).unwrap_or_else(|_| "b".to_owned());
    assert_eq!(parts(body, &boundary, usize::from(*step) + 1), parts(body, &boundary, usize::MAX));
}

/// The parts of a body until its end or its first fault, read in pieces of at most `step` bytes.
fn parts(body: &[u8], boundary: &str, step: usize) -> Vec<(String, Vec<u8>)> {
    let mut reader = MultipartReader::new(Pieces(body, step), boundary);
    let mut found = Vec::new();
    while let Ok(Some(kind)) = reader.next_part() {
        let mut content = Vec::new();
        if reader.read_to_end(&mut content).is_err() {
            break;
        }
        found.push((kind, content));
    }
    found
}

struct Pieces<'a>(&'a [u8], usize);

impl std::io::Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = self.1.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

//! What is read before it is asked for: the next picture of a folder, the next case of a worklist.

use std::path::{Path, PathBuf};

use hilum_core::io::{OpenOptions, Selection};
use hilum_core::job::CancelToken;

use super::io::IoEvent;
use super::photo::{self, OpenedPhoto};

pub(super) fn list_pictures(request: u64, paths: Vec<PathBuf>, store: Option<&Path>) -> IoEvent {
    let mut notes = Vec::new();
    let mut with_record = |path: PathBuf| {
        let found = store.map_or(Ok(None), |store| photo::record(store, &path, &Selection::default()));
        let record = found.unwrap_or_else(|error| {
            notes.push(format!("{error:#}"));
            None
        });
        (path, record)
    };
    let pictures = paths.into_iter().map(&mut with_record).collect();
    IoEvent::Pictures { request, pictures, notes }
}

pub(super) fn prefetch(
    request: u64,
    path: &Path,
    options: &OpenOptions,
    store: Option<&Path>,
    cancel: &CancelToken,
) -> IoEvent {
    let opened = match cancel.is_cancelled() {
        true => None,
        false => hilum_core::io::open(path, options, &()).ok(),
    };
    let found = opened.map(|opened| {
        let photo = OpenedPhoto::of(&opened.volume, Some(path), store);
        Box::new((opened, photo))
    });
    IoEvent::Prefetched { request, found }
}

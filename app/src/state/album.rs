//! Several pictures, one looked at after the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hilum_core::fundus::Enhancement;
use hilum_core::io::Warning;
use hilum_core::job::CancelToken;
use hilum_core::volume::Volume;

use crate::jobs::{LabelAnswer, OpenedPhoto, PhotoRecord};

/// A picture of an album.
#[derive(Clone, Debug, PartialEq)]
pub struct AlbumPicture {
    /// The file.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// What is kept of it.
    pub record: Option<PhotoRecord>,
    /// Why it cannot be opened.
    pub broken: Option<String>,
}

/// A picture that was opened.
#[derive(Debug)]
pub struct Found {
    /// The image.
    pub volume: Arc<Volume>,
    /// What is unusual about it.
    pub warnings: Vec<Warning>,
    /// What it tells.
    pub photo: Option<OpenedPhoto>,
}

/// Labels for the picture that comes next.
#[derive(Debug)]
pub enum NextLabels {
    /// Nobody has asked.
    NotAsked,
    /// A network is at work.
    Running {
        /// Which request.
        request: u64,
        /// The model asked.
        model: String,
        /// Stops it.
        cancel: CancelToken,
    },
    /// It has answered; the error is for people.
    Done(Result<Box<LabelAnswer>, Option<String>>),
}

/// The picture that comes next, opened before it is asked for.
#[derive(Debug)]
pub struct Next {
    /// Place in the album.
    pub at: usize,
    /// The request that opens it.
    pub request: u64,
    /// Stops opening it.
    pub cancel: CancelToken,
    /// The picture, once it is open.
    pub found: Option<Found>,
    /// It cannot be opened this way.
    pub has_failed: bool,
    /// Its labels.
    pub labels: NextLabels,
}

impl Next {
    /// Stops whatever runs for it.
    pub fn stop(&self) {
        self.cancel.cancel();
        if let NextLabels::Running { cancel, .. } = &self.labels {
            cancel.cancel();
        }
    }
}

/// What of each picture fills the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlbumFraming {
    /// Its disc, once that is known.
    Disc,
    /// All of it.
    Whole,
}

/// Several pictures, one looked at after the other.
#[derive(Debug)]
pub struct Album {
    /// All of them.
    pub pictures: Vec<AlbumPicture>,
    /// The one that is looked at.
    pub at: usize,
    /// The one that comes next.
    pub next: Option<Next>,
    /// How the pictures are seen.
    pub enhancement: Enhancement,
    /// What of them fills the view, if a person chose.
    pub framing: Option<AlbumFraming>,
}

impl Album {
    /// Pictures with what is kept of them; the first one is looked at.
    pub fn new(pictures: Vec<(PathBuf, Option<PhotoRecord>)>) -> Self {
        let picture = |(path, record): (PathBuf, Option<PhotoRecord>)| AlbumPicture {
            name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            path,
            record,
            broken: None,
        };
        Self {
            pictures: pictures.into_iter().map(picture).collect(),
            at: 0,
            next: None,
            enhancement: Enhancement::None,
            framing: None,
        }
    }

    /// The picture before or after the one that is looked at, without those that cannot be opened.
    pub fn neighbour(&self, forward: bool) -> Option<usize> {
        let works = |at: &usize| self.pictures[*at].broken.is_none();
        if forward {
            (self.at + 1..self.pictures.len()).find(works)
        } else {
            (0..self.at.min(self.pictures.len())).rev().find(works)
        }
    }

    /// Place of a file.
    pub fn place_of(&self, path: &Path) -> Option<usize> {
        self.pictures.iter().position(|picture| picture.path == path)
    }
}

impl Drop for Album {
    fn drop(&mut self) {
        if let Some(next) = &self.next {
            next.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flipping_leaves_out_what_cannot_be_opened() {
        let mut album = Album::new(["a", "b", "c"].map(|name| (PathBuf::from(name), None)).to_vec());
        assert_eq!((album.neighbour(false), album.neighbour(true)), (None, Some(1)));
        album.pictures[1].broken = Some("damaged".into());
        assert_eq!(album.neighbour(true), Some(2));
        album.at = 2;
        assert_eq!((album.neighbour(false), album.neighbour(true)), (Some(0), None));
    }
}

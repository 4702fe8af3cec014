//! What a person said about the object being segmented.

use serde::{Deserialize, Serialize};

/// A point that belongs to the object, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Click {
    /// Voxel `(x, y, z)` of the image.
    pub voxel: [usize; 3],
    /// Whether the voxel belongs to the object.
    pub positive: bool,
}

/// The clicks of one object, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompts {
    clicks: Vec<Click>,
}

impl Prompts {
    /// All clicks, oldest first.
    pub fn clicks(&self) -> &[Click] {
        &self.clicks
    }

    /// Whether nothing was clicked.
    pub fn is_empty(&self) -> bool {
        self.clicks.is_empty()
    }

    /// Number of clicks.
    pub fn len(&self) -> usize {
        self.clicks.len()
    }

    /// Voxels said to belong to the object.
    pub fn positive(&self) -> impl Iterator<Item = [usize; 3]> + '_ {
        self.clicks.iter().filter(|click| click.positive).map(|click| click.voxel)
    }

    /// Voxels said not to belong to the object.
    pub fn negative(&self) -> impl Iterator<Item = [usize; 3]> + '_ {
        self.clicks.iter().filter(|click| !click.positive).map(|click| click.voxel)
    }

    /// The same with one more click.
    pub fn with(&self, click: Click) -> Self {
        let mut clicks = self.clicks.clone();
        clicks.push(click);
        Self { clicks }
    }

    /// The same without the last click.
    pub fn without_last(&self) -> Self {
        Self { clicks: self.clicks[..self.clicks.len().saturating_sub(1)].to_vec() }
    }
}

impl FromIterator<Click> for Prompts {
    fn from_iter<I: IntoIterator<Item = Click>>(clicks: I) -> Self {
        Self { clicks: clicks.into_iter().collect() }
    }
}

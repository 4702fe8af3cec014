//! One link of the chain.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::calendar::Moment;
use crate::prompt::Click;

/// A model that had a part in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedModel {
    /// Its identity, with the version if it was taught here.
    pub id: String,
    /// SHA-256 of its weights.
    pub weights_sha256: String,
}

/// What a network was asked, and what it answered, when a step was made from its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The models, the one that gave the answer last.
    pub models: Vec<UsedModel>,
    /// Name of the device that computed.
    pub device: String,
    /// The clicks it was given; none for networks that label whole images.
    pub clicks: Vec<Click>,
    /// SHA-256 of the voxels of the answer (see [`BoxMask::sha256`](crate::label::BoxMask::sha256)); none where the
    /// answer has several labels.
    pub mask_sha256: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// The chain begins; what was done before it is not in it.
    Began {
        /// SHA-256 of the image's voxels.
        image_sha256: String,
        /// The program and its version.
        program: String,
    },
    /// A step was made.
    Step {
        /// Its name.
        name: String,
        /// Voxels whose label changed.
        voxels: u64,
        /// SHA-256 of the change as it was journaled.
        change_sha256: String,
    },
    /// The step before came from a network.
    From(Origin),
    /// Steps were undone or redone: so many are applied now, counted from the very first.
    WentTo {
        /// Steps applied.
        step: u64,
    },
    /// The labels were exported.
    Exported,
    /// The labels were these.
    Attested {
        /// Why they were looked at, for example "corrected".
        why: String,
        /// SHA-256 of the labels (see [`LabelMap::sha256`](crate::label::LabelMap::sha256)).
        labels_sha256: String,
    },
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Place in the chain, from 1.
    pub number: u64,
    /// When, in seconds since 1970, by the clock of the computer.
    pub unix_secs: u64,
    /// Name of the person's account; empty where it has none.
    pub user: String,
    /// What happened.
    pub action: Action,
    /// Hash of the entry before; empty for the first.
    pub previous: String,
    /// Hash of this entry.
    pub hash: String,
}

/// An entry without its hash: what is hashed.
#[derive(Serialize)]
struct Unsigned<'a> {
    number: u64,
    unix_secs: u64,
    user: &'a str,
    action: &'a Action,
    previous: &'a str,
}

impl Entry {
    /// The link after `previous`, which is the number and hash of the last one.
    pub(super) fn after(previous: Option<(u64, &str)>, unix_secs: u64, user: &str, action: Action) -> Self {
        let (number, previous) = previous.map_or((1, ""), |(number, hash)| (number + 1, hash));
        let mut entry = Self {
            number,
            unix_secs,
            user: user.to_owned(),
            action,
            previous: previous.to_owned(),
            hash: String::new(),
        };
        entry.hash = entry.expected_hash();
        entry
    }

    /// When, for people.
    pub fn time(&self) -> String {
        Moment::from_unix_secs(self.unix_secs).to_string()
    }

    /// The hash that its contents lead to.
    pub fn expected_hash(&self) -> String {
        let Self { number, unix_secs, user, action, previous, .. } = self;
        let unsigned = Unsigned { number: *number, unix_secs: *unix_secs, user, action, previous };
        // Numbers, texts and lists of them always become JSON.
        let text = serde_json::to_vec(&unsigned).unwrap_or_default();
        hex(&Sha256::digest(&text))
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! The list of work that was kept without a project.

use hilum_core::job::CancelToken;
use hilum_core::project::KeptWork;

/// Kept work as far as it is known, and what is asked about it.
#[derive(Clone, Debug)]
pub struct KeptList {
    /// Number of the listing; answers of an older one are dropped.
    pub listing: u64,
    /// Stops it.
    pub cancel: CancelToken,
    /// What was found so far, the latest first.
    pub found: Vec<KeptWork>,
    /// Whether that is all.
    pub is_complete: bool,
    /// Name of the work that the person is asked about before it is deleted.
    pub asked: Option<String>,
    /// Why the list cannot be read.
    pub problem: Option<String>,
}

impl KeptList {
    /// Takes one in.
    pub fn add(&mut self, work: KeptWork) {
        let later = |other: &KeptWork| {
            (other.changed_unix_secs, &work.folder) > (work.changed_unix_secs, &other.folder)
        };
        let at = self.found.partition_point(later);
        self.found.insert(at, work);
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&KeptWork> {
        self.found.iter().find(|work| work.name() == name)
    }
}

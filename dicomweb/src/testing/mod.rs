//! Help for tests: servers on loopback, and a key ring in memory. Nothing here runs in the program itself.

mod fake;
mod orthanc;
mod pacs;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

pub use fake::{Answer, FakeServer, Received};
pub use orthanc::{Orthanc, OrthancOptions};
pub use pacs::FakePacs;

use crate::{KeyRing, Secret, WebError};

/// Reads what a server might answer to a search or an upload, as each of the kinds there are; whatever it is, nothing panics.
pub fn read_answer(body: &[u8]) {
    crate::query::read_answer(body);
}

/// A key ring that lives as long as the test.
#[derive(Default)]
pub struct MemoryKeyRing(Mutex<BTreeMap<String, Secret>>);

impl KeyRing for MemoryKeyRing {
    fn get(&self, name: &str) -> Result<Option<Secret>, WebError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned())
    }

    fn set(&self, name: &str, secret: &Secret) -> Result<(), WebError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), secret.clone());
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), WebError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }
}

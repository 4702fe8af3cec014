//! One server, ready to be asked.

use ureq::http::header::CONTENT_TYPE;

use crate::http::{Http, Reply};
use crate::server::Services;
use crate::{Patience, Secrets, Server, WebError};

/// Asks one server. Every call waits for its answer, tells its watcher how it goes and stops soon after the watcher wants
/// it to; run it beside the window.
#[derive(Debug)]
pub struct Client {
    pub(crate) services: Services,
    pub(crate) http: Http,
}

impl Client {
    /// A client for a server, with its secret if it wants one. Nothing is sent yet.
    ///
    /// # Errors
    /// [`WebError::Setup`] for settings that cannot be used, [`WebError::SecretMissing`] if the secret must be asked for.
    pub fn new(server: &Server, secrets: &Secrets) -> Result<Self, WebError> {
        Self::with_patience(server, secrets, Patience::default())
    }

    /// The same with other limits of time.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_patience(server: &Server, secrets: &Secrets, patience: Patience) -> Result<Self, WebError> {
        server.check()?;
        let secret = secrets.of(server)?;
        Ok(Self { services: server.services()?, http: Http::new(server, secret.as_ref(), patience)? })
    }
}

impl Reply<'_> {
    /// The content type in lower case, or nothing.
    pub(crate) fn content_type(&self) -> String {
        let value = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        value.unwrap_or("").to_ascii_lowercase()
    }
}

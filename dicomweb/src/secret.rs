//! Passwords and tokens: where they are kept, and what never shows them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use crate::{Auth, Server, WebError};

/// Under which the key ring of the system files secrets.
const SERVICE: &str = "Hilum DICOMweb";
/// A token is a few kilobytes at most.
const MAX_BYTES: usize = 64 << 10;

/// A password or token. Its memory is overwritten when it goes; nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a password or token; line breaks at its end, as files and pipes have them, are dropped.
    ///
    /// # Errors
    /// [`WebError::Setup`] for an empty one, one with control characters, and one of more than 64 KiB.
    pub fn new(text: String) -> Result<Self, WebError> {
        let text = Zeroizing::new(text);
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.is_empty() {
            return Err(WebError::Setup("the password or token is empty".into()));
        }
        if trimmed.len() > MAX_BYTES || trimmed.chars().any(char::is_control) {
            return Err(WebError::Setup(
                "the password or token is too long or has control characters".into(),
            ));
        }
        Ok(Self(Zeroizing::new(trimmed.to_owned())))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A place that keeps secrets from one session to the next.
pub trait KeyRing: Send + Sync {
    /// The secret under a name, if there is one.
    ///
    /// # Errors
    /// [`WebError::KeyRing`] if the place cannot be used.
    fn get(&self, name: &str) -> Result<Option<Secret>, WebError>;

    /// Keeps a secret.
    ///
    /// # Errors
    /// As [`KeyRing::get`].
    fn set(&self, name: &str, secret: &Secret) -> Result<(), WebError>;

    /// Forgets a secret; one that is not there is forgotten already.
    ///
    /// # Errors
    /// As [`KeyRing::get`].
    fn remove(&self, name: &str) -> Result<(), WebError>;
}

/// Secret Service on Linux, key chain on macOS, credential manager on Windows. May ask the user to unlock it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemKeyRing;

impl SystemKeyRing {
    fn entry(name: &str) -> Result<Entry, WebError> {
        if let Err(error) = Entry::store_status() {
            return Err(unusable(error));
        }
        Entry::new(SERVICE, name).map_err(|error| unusable(&error))
    }
}

impl KeyRing for SystemKeyRing {
    fn get(&self, name: &str) -> Result<Option<Secret>, WebError> {
        match Self::entry(name)?.get_password() {
            Ok(text) => Secret::new(text).map(Some),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(unusable(&error)),
        }
    }

    fn set(&self, name: &str, secret: &Secret) -> Result<(), WebError> {
        Self::entry(name)?.set_password(secret.reveal()).map_err(|error| unusable(&error))
    }

    fn remove(&self, name: &str) -> Result<(), WebError> {
        match Self::entry(name)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(unusable(&error)),
        }
    }
}

/// The kind of error only: some carry what was read.
fn unusable(error: &Error) -> WebError {
    let why = match error {
        Error::PlatformFailure(cause) => format!("it failed: {cause}"),
        Error::NoStorageAccess(cause) => format!("it is locked or not running: {cause}"),
        Error::NoDefaultStore => "there is none".to_owned(),
        Error::TooLong(..) => "the password or token is too long for it".to_owned(),
        Error::BadEncoding(_) => "what it holds is no text".to_owned(),
        Error::Ambiguous(_) => "it holds several secrets for this server".to_owned(),
        _ => "it refuses".to_owned(),
    };
    WebError::KeyRing(why)
}

/// No key ring: secrets live as long as the program.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeyRing;

impl KeyRing for NoKeyRing {
    fn get(&self, _: &str) -> Result<Option<Secret>, WebError> {
        Err(WebError::KeyRing("there is none".into()))
    }

    fn set(&self, _: &str, _: &Secret) -> Result<(), WebError> {
        Err(WebError::KeyRing("there is none".into()))
    }

    fn remove(&self, _: &str) -> Result<(), WebError> {
        Ok(())
    }
}

/// The secrets of all servers: in memory for this session, in the key ring for the next.
#[derive(Clone)]
pub struct Secrets {
    ring: Arc<dyn KeyRing>,
    session: Arc<Mutex<BTreeMap<String, Secret>>>,
}

impl Secrets {
    /// Secrets kept by this key ring.
    pub fn new(ring: Arc<dyn KeyRing>) -> Self {
        Self { ring, session: Arc::default() }
    }

    /// The secret of a server: of this session, else of the key ring; `None` if the server wants none.
    ///
    /// # Errors
    /// [`WebError::SecretMissing`] where it must be asked for, also if the key ring cannot be used.
    pub fn of(&self, server: &Server) -> Result<Option<Secret>, WebError> {
        if server.auth == Auth::None {
            return Ok(None);
        }
        let name = server.secret_name()?;
        if let Some(secret) = self.lock().get(&name) {
            return Ok(Some(secret.clone()));
        }
        let kept = self.ring.get(&name).unwrap_or_else(|error| {
            tracing::info!("{error}");
            None
        });
        let secret = kept.ok_or_else(|| WebError::SecretMissing(server.name.clone()))?;
        self.lock().insert(name, secret.clone());
        Ok(Some(secret))
    }

    /// Keeps the secret of a server. `Err` says why only this session remembers it.
    ///
    /// # Errors
    /// [`WebError::KeyRing`]; the secret is known all the same until the program ends.
    pub fn keep(&self, server: &Server, secret: Secret) -> Result<(), WebError> {
        let name = server.secret_name()?;
        self.lock().insert(name.clone(), secret.clone());
        self.ring.set(&name, &secret)
    }

    /// Keeps the secret of a server until the program ends, and nowhere else.
    ///
    /// # Errors
    /// [`WebError::Setup`] if the address of the server cannot be used.
    pub fn keep_for_session(&self, server: &Server, secret: Secret) -> Result<(), WebError> {
        self.lock().insert(server.secret_name()?, secret);
        Ok(())
    }

    /// Forgets the secret of a server everywhere.
    ///
    /// # Errors
    /// [`WebError::KeyRing`] if the key ring cannot be asked to forget it.
    pub fn forget(&self, server: &Server) -> Result<(), WebError> {
        let name = server.secret_name()?;
        self.lock().remove(&name);
        if server.auth == Auth::None { Ok(()) } else { self.ring.remove(&name) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Secret>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryKeyRing;

    fn server() -> Server {
        Server {
            auth: Auth::Basic { user: "eva".into() },
            ..Server::new("archive", "https://pacs.example/dicom-web")
        }
    }

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::new("hunter2\r\n".into()).unwrap();
        assert_eq!(secret.reveal(), "hunter2");
        let secrets = Secrets::new(Arc::new(NoKeyRing));
        secrets.keep(&server(), secret.clone()).unwrap_err();
        assert!(!format!("{secret:?} {secrets:?}").contains("hunter2"));
        for wrong in ["", "\n", "a\nb", "a\u{7}b"] {
            assert!(Secret::new(wrong.into()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn without_a_key_ring_a_secret_lives_as_long_as_the_program() {
        let secrets = Secrets::new(Arc::new(NoKeyRing));
        assert!(matches!(secrets.of(&server()), Err(WebError::SecretMissing(_))));
        let why = secrets.keep(&server(), Secret::new("x".into()).unwrap()).unwrap_err().to_string();
        assert!(why.contains("key ring"), "{why}");
        assert_eq!(secrets.of(&server()).unwrap().unwrap().reveal(), "x");
        assert_eq!(secrets.of(&Server { auth: Auth::None, ..server() }).unwrap(), None);
    }

    /// A settings file that somebody changed must not send a password to another host.
    #[test]
    fn a_secret_belongs_to_the_host_it_was_entered_for() {
        let ring = Arc::new(MemoryKeyRing::default());
        Secrets::new(ring.clone()).keep(&server(), Secret::new("x".into()).unwrap()).unwrap();
        let later = Secrets::new(ring);
        assert!(later.of(&server()).unwrap().is_some());
        let moved = Server { url: "https://elsewhere.example/dicom-web".into(), ..server() };
        assert!(matches!(later.of(&moved), Err(WebError::SecretMissing(_))));
        let split = Server { stow: Some("https://elsewhere.example".into()), ..server() };
        assert!(matches!(later.of(&split), Err(WebError::SecretMissing(_))));
        later.forget(&server()).unwrap();
        assert!(matches!(later.of(&server()), Err(WebError::SecretMissing(_))));
    }
}

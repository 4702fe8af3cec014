//! Servers that a person set up: addresses and how to log in, without secrets.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use hilum_core::io::replace_file;
use serde::{Deserialize, Serialize};

use crate::WebError;
use crate::address::Prefix;

/// A list of servers has a few kilobytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_NAME: usize = 64;

/// How a server knows who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Auth {
    /// It does not ask.
    #[default]
    None,
    /// By user name and password (RFC 7617).
    Basic {
        /// The user name.
        user: String,
    },
    /// By a token (RFC 6750).
    Bearer,
}

/// A DICOMweb server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// What people call it.
    pub name: String,
    /// Prefix of its services, `https://host/dicom-web`; `/studies` follows it.
    pub url: String,
    /// Prefix for searching (QIDO-RS), if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qido: Option<String>,
    /// Prefix for fetching (WADO-RS), if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wado: Option<String>,
    /// Prefix for storing (STOW-RS), if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stow: Option<String>,
    /// The only certificate authorities trusted for this server (PEM); without it those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether the person accepts that everything, patients and passwords too, can be read on the way.
    #[serde(default)]
    pub allow_http: bool,
    /// How to log in.
    #[serde(default)]
    pub auth: Auth,
}

/// The three services.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub qido: Prefix,
    pub wado: Prefix,
    pub stow: Prefix,
}

impl Server {
    /// A server that asks for no login, with all services under one address.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            qido: None,
            wado: None,
            stow: None,
            ca_file: None,
            allow_http: false,
            auth: Auth::None,
        }
    }

    /// Whether all this can be used.
    ///
    /// # Errors
    /// [`WebError::Setup`]: a name or address that is none, plain HTTP to another machine without leave, a user name with
    /// a colon.
    pub fn check(&self) -> Result<(), WebError> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            let what = format!("a server needs a name of 1 to {MAX_NAME} characters");
            return Err(WebError::Setup(what));
        }
        if let Auth::Basic { user } = &self.auth
            && (user.is_empty() || user.contains(':') || user.chars().any(char::is_control))
        {
            return Err(WebError::Setup("a user name must not be empty nor hold a colon".into()));
        }
        self.services().map(drop)
    }

    pub(crate) fn services(&self) -> Result<Services, WebError> {
        let prefix = |own: &Option<String>| {
            let text = own.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or(&self.url);
            let prefix = Prefix::parse(text)?;
            if prefix.is_open() && !self.allow_http {
                let what = format!(
                    "{} is plain HTTP: patients and passwords could be read on the way; use https://, or allow it for this \
                     server",
                    prefix.origin()
                );
                return Err(WebError::Setup(what));
            }
            Ok(prefix)
        };
        Ok(Services { qido: prefix(&self.qido)?, wado: prefix(&self.wado)?, stow: prefix(&self.stow)? })
    }

    /// Under which its secret is kept: name, user and every host that would see it.
    pub(crate) fn secret_name(&self) -> Result<String, WebError> {
        let services = self.services()?;
        let mut origins = [services.qido.origin(), services.wado.origin(), services.stow.origin()].to_vec();
        origins.sort_unstable();
        origins.dedup();
        let user = match &self.auth {
            Auth::Basic { user } => user.as_str(),
            Auth::None | Auth::Bearer => "",
        };
        Ok(format!("{}: {user} @ {}", self.name, origins.join(" ")))
    }
}

/// All servers of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerList {
    /// They, in the order in which they were set up.
    #[serde(default, rename = "server")]
    pub servers: Vec<Server>,
}

impl ServerList {
    /// Reads a file of servers; one that does not exist holds none.
    ///
    /// # Errors
    /// [`WebError::File`] if it cannot be read, [`WebError::Setup`] if it says nonsense.
    pub fn load(path: &Path) -> Result<Self, WebError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(cause) => return Err(WebError::file(cause, path)),
        };
        let mut text = String::new();
        file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|cause| WebError::file(cause, path))?;
        let refuse = |what: String| WebError::Setup(format!("{what}; mend or remove it: {}", path.display()));
        let list: Self = toml::from_str(&text)
            .map_err(|error| refuse(format!("the file of servers is no such one ({})", error.message())))?;
        for (number, server) in list.servers.iter().enumerate() {
            server.check().map_err(|error| refuse(error.to_string()))?;
            if list.servers[..number].iter().any(|other| other.name == server.name) {
                return Err(refuse(format!("two servers are called \"{}\"", server.name)));
            }
        }
        Ok(list)
    }

    /// Writes the file, and its folder if that is missing.
    ///
    /// # Errors
    /// [`WebError::File`] or [`WebError::Save`].
    pub fn save(&self, path: &Path) -> Result<(), WebError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|cause| WebError::file(cause, folder))?;
        }
        let text = toml::to_string_pretty(self).map_err(|error| WebError::Setup(error.to_string()))?;
        Ok(replace_file(path, |out| out.write_all(text.as_bytes()))?)
    }

    /// Adds a server, or replaces the one of that name.
    ///
    /// # Errors
    /// As [`Server::check`].
    pub fn put(&mut self, server: Server) -> Result<(), WebError> {
        server.check()?;
        match self.servers.iter_mut().find(|other| other.name == server.name) {
            Some(other) => *other = server,
            None => self.servers.push(server),
        }
        Ok(())
    }

    /// Takes a server off the list.
    ///
    /// # Errors
    /// As [`ServerList::find`].
    pub fn remove(&mut self, name: &str) -> Result<Server, WebError> {
        let found = self.find(name)?.clone();
        self.servers.retain(|server| server.name != name);
        Ok(found)
    }

    /// The server of a name.
    ///
    /// # Errors
    /// [`WebError::Setup`] with the names there are.
    pub fn find(&self, name: &str) -> Result<&Server, WebError> {
        self.servers.iter().find(|server| server.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.servers.iter().map(|server| server.name.as_str()).collect();
            let what = match names.is_empty() {
                true => format!("no server is called \"{name}\": none has been set up"),
                false => format!("no server is called \"{name}\"; there are: {}", names.join(", ")),
            };
            WebError::Setup(what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_survive_their_file_which_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/servers.toml");
        assert_eq!(ServerList::load(&path).unwrap(), ServerList::default());
        let mut list = ServerList::default();
        list.put(Server::new("a", "http://127.0.0.1:8042/dicom-web")).unwrap();
        list.put(Server {
            auth: Auth::Basic { user: "eva".into() },
            stow: Some("https://store.example/rs/".into()),
            ca_file: Some("/etc/ca.pem".into()),
            ..Server::new("b", "https://pacs.example")
        })
        .unwrap();
        list.put(Server { auth: Auth::Bearer, ..Server::new("c", "https://cloud.example/v1") }).unwrap();
        list.save(&path).unwrap();
        assert_eq!(ServerList::load(&path).unwrap(), list);
        list.put(Server::new("a", "https://other.example")).unwrap();
        assert_eq!((list.servers.len(), list.find("a").unwrap().url.as_str()), (3, "https://other.example"));
        list.remove("b").unwrap();
        let text = list.remove("b").unwrap_err().to_string();
        assert!(text.contains("there are: a, c"), "{text}");
        for nonsense in
            ["password = 1", "[[server]]\nname = \"x\"", "[[server]]\nname=\"x\"\nurl=\"ftp://x\""]
        {
            std::fs::write(&path, nonsense).unwrap();
            let text = ServerList::load(&path).unwrap_err().to_string();
            assert!(text.contains("servers.toml"), "{text}");
        }
    }

    #[test]
    fn plain_http_needs_loopback_or_leave() {
        for fine in ["http://localhost:8042", "http://127.3.2.1/x", "http://[::1]:80", "https://pacs"] {
            Server::new("a", fine).check().unwrap();
        }
        let open = Server::new("a", "http://pacs.example:8042/dicom-web");
        let text = open.check().unwrap_err().to_string();
        assert!(text.contains("plain HTTP") && text.contains("http://pacs.example:8042"), "{text}");
        Server { allow_http: true, ..open.clone() }.check().unwrap();
        let hidden = Server { wado: Some(open.url.clone()), ..Server::new("a", "https://pacs.example") };
        assert!(hidden.check().is_err());
        for wrong in ["http://localhost.evil.example", "http://127.0.0.1.evil.example"] {
            assert!(Server::new("a", wrong).check().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_and_users_that_cannot_be() {
        for server in [
            Server::new(" ", "https://a"),
            Server::new("a\nb", "https://a"),
            Server { auth: Auth::Basic { user: "a:b".into() }, ..Server::new("a", "https://a") },
            Server { auth: Auth::Basic { user: String::new() }, ..Server::new("a", "https://a") },
        ] {
            assert!(server.check().is_err(), "{server:?}");
        }
    }
}

//! Servers, and what was searched for on them.

use std::fmt;

use hilum_core::job::CancelToken;
use hilum_dicomweb::{Auth, Query, Series, Server, ServerList, Study, Uid};
use zeroize::Zeroizing;

use crate::command::RemoteAction;

/// A password or token while it is typed; nothing prints it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Typed(pub Zeroizing<String>);

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed")
    }
}

/// What is being done on a server.
#[derive(Clone, Debug)]
pub struct RunningRemote {
    /// The request.
    pub request: u64,
    /// Stops it.
    pub cancel: CancelToken,
    /// What, for people.
    pub what: String,
    /// Share done, where known.
    pub share: Option<f32>,
    /// What asked for it, to be asked again after a login.
    pub action: RemoteAction,
}

/// A login that a server wants.
#[derive(Clone, Debug)]
pub struct Login {
    /// Why, for people.
    pub why: String,
    /// What is done afterwards.
    pub then: RemoteAction,
    /// What was typed so far.
    pub typed: Typed,
    /// Whether the key ring is to keep it.
    pub keep: bool,
}

/// A server whose settings are being typed.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerDraft {
    /// The settings.
    pub server: Server,
    /// Its name before; `None` for a new one.
    pub before: Option<String>,
    /// Password or token; empty: the one that is kept stays.
    pub secret: Typed,
    /// Addresses of its three services are shown.
    pub shows_services: bool,
}

impl ServerDraft {
    /// A new server.
    pub fn new() -> Self {
        Self {
            server: Server::new("", "https://"),
            before: None,
            secret: Typed::default(),
            shows_services: false,
        }
    }

    /// A server that is there.
    pub fn of(server: &Server) -> Self {
        let shows_services = [&server.qido, &server.wado, &server.stow].iter().any(|url| url.is_some());
        let (server, before) = (server.clone(), Some(server.name.clone()));
        Self { server, before, secret: Typed::default(), shows_services }
    }

    /// The user name, if the server wants one.
    pub fn user(&self) -> &str {
        match &self.server.auth {
            Auth::Basic { user } => user,
            Auth::None | Auth::Bearer => "",
        }
    }
}

impl Default for ServerDraft {
    fn default() -> Self {
        Self::new()
    }
}

/// Everything about servers. Nothing of it goes over a network before a person asks for it.
#[derive(Debug, Default)]
pub struct Remote {
    /// The servers, once somebody looked.
    pub servers: ServerList,
    /// The one that is asked.
    pub chosen: Option<String>,
    /// What to search for.
    pub query: Query,
    /// What was found; `None` before the first search.
    pub studies: Option<Vec<Study>>,
    /// The study whose series are shown.
    pub study: Option<Uid>,
    /// Its series.
    pub series: Vec<Series>,
    /// What is being done.
    pub running: Option<RunningRemote>,
    /// The login that is missing.
    pub login: Option<Login>,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// What went well, for people.
    pub done: Option<String>,
    /// The server whose settings are being typed.
    pub draft: Option<ServerDraft>,
}

impl Remote {
    /// The server that is asked: the chosen one, else the first.
    pub fn server(&self) -> Option<&Server> {
        let chosen = self.chosen.as_deref().and_then(|name| self.servers.find(name).ok());
        chosen.or(self.servers.servers.first())
    }

    /// Forgets what belonged to another server or search.
    pub fn forget_results(&mut self) {
        (self.studies, self.study) = (None, None);
        self.series.clear();
        (self.error, self.done, self.login) = (None, None, None);
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.cancel.cancel();
        }
    }
}

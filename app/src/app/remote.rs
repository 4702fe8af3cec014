//! Searching, fetching and storing on servers.

use hilum_core::io::Selection;
use hilum_core::job::CancelToken;
use hilum_core::volume::Source;
use hilum_dicomweb::{Auth, Secret, Server, ServerList};

use super::HilumApp;
use crate::command::{RemoteAction, UiCommand};
use crate::jobs::{RemoteAnswer, RemoteEvent, RemoteFailure, RemoteRequest, RemoteWhat};
use crate::state::{Dialog, Guarded, Login, RunningRemote, ServerDraft, Severity, Typed};

impl HilumApp {
    /// Commands about servers; `false` if it is none.
    pub(super) fn run_remote(&mut self, command: UiCommand) -> bool {
        self.state.dialog = match command {
            UiCommand::OpenFromServer => Dialog::OpenFromServer,
            UiCommand::StoreOnServer => Dialog::StoreOnServer,
            UiCommand::Servers => Dialog::Servers,
            _ => return false,
        };
        (self.state.remote.error, self.state.remote.done) = (None, None);
        self.read_servers();
        true
    }

    /// A file of a few kilobytes, which another program may have changed.
    fn read_servers(&mut self) {
        let Some(path) = &self.remote_places.servers else { return };
        match ServerList::load(path) {
            Ok(servers) => self.state.remote.servers = servers,
            Err(error) => self.state.remote.error = Some(error.to_string()),
        }
    }

    pub(super) fn remote(&mut self, action: RemoteAction) {
        match action.clone() {
            RemoteAction::Choose(name) => {
                self.state.remote.chosen = Some(name);
                self.stop_remote();
                self.state.remote.forget_results();
            }
            RemoteAction::Query(query) => self.state.remote.query = *query,
            RemoteAction::Search => {
                self.state.remote.forget_results();
                let query = self.state.remote.query.clone();
                self.ask_server("Searching…", RemoteWhat::Search(query), action);
            }
            RemoteAction::ShowStudy(study) => {
                self.state.remote.study = Some(study.clone());
                self.state.remote.series.clear();
                self.ask_server("Asking for the series…", RemoteWhat::ListSeries(study), action);
            }
            RemoteAction::Fetch { study, series } => {
                let Some(cache) = self.remote_places.cache.clone() else {
                    self.state.remote.error = Some("the system names no folder for fetched images".into());
                    return;
                };
                self.ask_server("Fetching…", RemoteWhat::Fetch { study, series, cache }, action);
            }
            RemoteAction::Store => {
                // The name is one for the file that is sent; nobody sees it.
                let Some(request) = self.save_request("labels.dcm".into()) else { return };
                self.ask_server("Storing…", RemoteWhat::Store(request), action);
            }
            RemoteAction::Test => self.ask_server("Asking…", RemoteWhat::Test, action),
            RemoteAction::Stop => self.stop_remote(),
            RemoteAction::Typing(typed, keep) => {
                if let Some(login) = &mut self.state.remote.login {
                    (login.typed, login.keep) = (typed, keep);
                }
            }
            RemoteAction::LogIn => self.log_in(),
            RemoteAction::Draft(draft) => {
                self.state.remote.draft = draft.map(|draft| *draft);
                (self.state.remote.error, self.state.remote.done) = (None, None);
            }
            RemoteAction::SaveServer => {
                if let Err(why) = self.save_server() {
                    self.state.remote.error = Some(why);
                }
            }
            RemoteAction::RemoveServer(name) => self.remove_server(&name),
        }
    }

    fn ask_server(&mut self, what_text: &str, what: RemoteWhat, action: RemoteAction) {
        self.stop_remote();
        let Some(server) = self.state.remote.server().cloned() else {
            self.state.remote.error = Some("no server has been set up".into());
            return;
        };
        let (request, cancel) = (self.number(), CancelToken::default());
        let remote = &mut self.state.remote;
        (remote.error, remote.done, remote.login) = (None, None, None);
        let what_text = what_text.to_owned();
        remote.running =
            Some(RunningRemote { request, cancel: cancel.clone(), what: what_text, share: None, action });
        let secrets = self.secrets.clone();
        self.tell_remote(RemoteRequest::Ask { request, server, secrets, what, cancel });
    }

    fn tell_remote(&mut self, request: RemoteRequest) {
        if self.remotes.ask(request).is_err() {
            self.state.remote.running = None;
            self.state.remote.error = Some("the thread that talks to servers is busy; try again".into());
        }
    }

    pub(super) fn stop_remote(&mut self) {
        if let Some(running) = self.state.remote.running.take() {
            running.cancel.cancel();
        }
    }

    /// Takes what was typed as the secret of the server, and does what was asked for before.
    fn log_in(&mut self) {
        let Some(login) = self.state.remote.login.take() else { return };
        let Some(server) = self.state.remote.server().cloned() else { return };
        let kept = Secret::new(login.typed.0.to_string())
            .and_then(|secret| self.secrets.keep_for_session(&server, secret.clone()).map(|()| secret));
        match kept {
            Ok(secret) => {
                if login.keep {
                    let secrets = self.secrets.clone();
                    self.tell_remote(RemoteRequest::Keep { server, secret, secrets });
                }
                self.actions.send(login.then);
            }
            Err(error) => {
                let why = error.to_string();
                self.state.remote.login = Some(Login { why, typed: Typed::default(), ..login });
            }
        }
    }

    fn save_server(&mut self) -> Result<(), String> {
        let Some(draft) = self.state.remote.draft.clone() else { return Ok(()) };
        let Some(path) = self.remote_places.servers.clone() else {
            return Err("the system names no folder for settings".into());
        };
        let server = trimmed(&draft.server);
        let mut servers = self.state.remote.servers.clone();
        let text = |error: hilum_dicomweb::WebError| error.to_string();
        let is_renamed = draft.before.as_deref().is_some_and(|before| before != server.name);
        if (draft.before.is_none() || is_renamed) && servers.find(&server.name).is_ok() {
            return Err(format!("there is a server called \"{}\" already", server.name));
        }
        let gone = match &draft.before {
            Some(before) if is_renamed => Some(servers.remove(before).map_err(text)?),
            _ => None,
        };
        servers.put(server.clone()).map_err(text)?;
        let secret = match draft.secret.0.is_empty() || server.auth == Auth::None {
            true => None,
            false => Some(Secret::new(draft.secret.0.to_string()).map_err(text)?),
        };
        servers.save(&path).map_err(text)?;
        let remote = &mut self.state.remote;
        remote.servers = servers;
        remote.chosen = Some(server.name.clone());
        remote.forget_results();
        remote.draft = Some(ServerDraft::of(&server));
        remote.done = Some("Saved".into());
        let secrets = self.secrets.clone();
        if let Some(server) = gone {
            self.tell_remote(RemoteRequest::Forget { server, secrets: secrets.clone() });
        }
        if let Some(secret) = secret {
            self.secrets.keep_for_session(&server, secret.clone()).map_err(text)?;
            self.tell_remote(RemoteRequest::Keep { server, secret, secrets });
        }
        Ok(())
    }

    fn remove_server(&mut self, name: &str) {
        self.stop_remote();
        let Some(path) = self.remote_places.servers.clone() else { return };
        let mut servers = self.state.remote.servers.clone();
        let removed = servers.remove(name).and_then(|server| servers.save(&path).map(|()| server));
        match removed {
            Ok(server) => {
                self.state.remote.servers = servers;
                self.state.remote.draft = None;
                self.state.remote.forget_results();
                let secrets = self.secrets.clone();
                self.tell_remote(RemoteRequest::Forget { server, secrets });
            }
            Err(error) => self.state.remote.error = Some(error.to_string()),
        }
    }

    pub(super) fn take_in_remote(&mut self, ctx: &egui::Context, event: RemoteEvent) {
        match event {
            RemoteEvent::NotKept(why) => self.state.messages.say(Severity::Warning, why),
            RemoteEvent::Progress { request, what, share } => {
                let running = self.state.remote.running.as_mut();
                if let Some(running) = running.filter(|running| running.request == request) {
                    (running.what, running.share) = (what, share);
                }
            }
            RemoteEvent::Answer { request, result } => {
                let Some(running) = self.state.remote.running.take_if(|r| r.request == request) else {
                    return;
                };
                match result {
                    Ok(answer) => self.take_answer(ctx, answer),
                    Err(RemoteFailure::Cancelled) => {}
                    Err(RemoteFailure::Login(why)) => {
                        let (then, typed) = (running.action, Typed::default());
                        self.state.remote.login = Some(Login { why, then, typed, keep: true });
                    }
                    Err(RemoteFailure::Other(why)) => self.state.remote.error = Some(why),
                }
            }
        }
    }

    fn take_answer(&mut self, ctx: &egui::Context, answer: RemoteAnswer) {
        let remote = &mut self.state.remote;
        match answer {
            RemoteAnswer::Studies(studies) => remote.studies = Some(studies),
            RemoteAnswer::Series(study, series) if remote.study.as_ref() == Some(&study) => {
                remote.series = series;
            }
            RemoteAnswer::Series(..) => {}
            RemoteAnswer::Tested => remote.done = Some("The server answers".into()),
            RemoteAnswer::Fetched(folder) => {
                if let Dialog::OpenFromServer = self.state.dialog {
                    self.state.dialog = Dialog::None;
                }
                self.show_fetched(ctx, folder);
            }
            RemoteAnswer::Stored { session, state, corrected } => {
                let name = self.state.remote.server().map_or("", |server| server.name.as_str());
                let mut text = format!("Stored on \"{name}\", fetched again and compared");
                if !corrected.is_empty() {
                    text += &format!("; the server corrected {} to its own records", corrected.join(" "));
                }
                self.state.messages.say(Severity::Info, text.clone());
                self.state.remote.done = Some(text);
                let open = self.state.session.as_mut().filter(|open| open.id == session);
                // Work done meanwhile is not on the server.
                if let Some(open) = open.filter(|open| open.document.history().state() == state) {
                    open.document.mark_saved();
                }
            }
        }
    }

    /// Opens an image; labels go into the image that is open.
    fn show_fetched(&mut self, ctx: &egui::Context, folder: std::path::PathBuf) {
        let files = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut labels = files.filter(|path| hilum_core::io::dicom::holds_labels(path));
        match labels.next() {
            Some(path) if self.state.editable().is_some() => self.import_mask(path),
            Some(_) => {
                let text =
                    "These are labels. Open the images they belong to first, then fetch the labels again";
                self.state.messages.say(Severity::Warning, text);
            }
            None => self.guard(ctx, Guarded::Open { path: Some(folder), selection: Selection::default() }),
        }
    }
}

/// The settings as they are meant: without what a person types around them.
fn trimmed(server: &Server) -> Server {
    let text = |text: &String| text.trim().to_owned();
    let optional = |own: &Option<String>| own.as_ref().map(text).filter(|own| !own.is_empty());
    Server {
        name: text(&server.name),
        url: text(&server.url),
        qido: optional(&server.qido),
        wado: optional(&server.wado),
        stow: optional(&server.stow),
        ca_file: server.ca_file.clone().filter(|path| !path.as_os_str().is_empty()),
        ..server.clone()
    }
}

impl crate::state::AppState {
    /// Whether there are labels that a server could keep: of a DICOM image, with a voxel.
    pub(crate) fn can_store_labels(&self) -> bool {
        self.editable().is_some_and(|session| {
            matches!(session.volume().meta().source, Source::Dicom { .. })
                && (1..=u16::MAX).any(|label| session.document.labels().count(label) > 0)
        })
    }
}

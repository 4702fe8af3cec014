//! Setting servers up, listing, forgetting and trying them.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use hilum_dicomweb::{Auth, Query, Server, ServerList};
use serde::Serialize;

use super::super::output::{Console, Progress, Report, table};
use super::{SECRET_VARIABLE, ask_for_secret, client_of, secret_from_stdin, servers_file, system_secrets};

/// Arguments of `pacs add`.
#[derive(Debug, Args)]
pub struct Add {
    /// What to call the server.
    name: String,
    /// Address of its DICOMweb service, for instance <https://pacs.example/dicom-web>.
    url: String,
    /// User name, for a server that wants user name and password.
    #[arg(long, value_name = "NAME", conflicts_with = "token")]
    user: Option<String>,
    /// The server wants a token.
    #[arg(long)]
    token: bool,
    /// Read the password or token from the standard input instead of asking for it.
    #[arg(long)]
    secret_stdin: bool,
    /// The only certificate authorities to trust for this server (PEM), instead of those of the system.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Send patients' data and passwords unencrypted to another machine.
    #[arg(long)]
    allow_http: bool,
    /// Address for searching (QIDO-RS), if it is another one.
    #[arg(long, value_name = "URL")]
    qido: Option<String>,
    /// Address for fetching (WADO-RS), if it is another one.
    #[arg(long, value_name = "URL")]
    wado: Option<String>,
    /// Address for storing (STOW-RS), if it is another one.
    #[arg(long, value_name = "URL")]
    stow: Option<String>,
}

impl Add {
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let auth = match (&self.user, self.token) {
            (Some(user), _) => Auth::Basic { user: user.clone() },
            (None, true) => Auth::Bearer,
            (None, false) => Auth::None,
        };
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let server = Server {
            name: self.name.trim().to_owned(),
            url: self.url.trim().to_owned(),
            qido: self.qido.clone(),
            wado: self.wado.clone(),
            stow: self.stow.clone(),
            ca_file: self.ca_file.as_ref().map(absolute),
            allow_http: self.allow_http,
            auth,
        };
        server.check()?;
        let path = servers_file()?;
        let mut list = ServerList::load(&path)?;
        if server.auth != Auth::None {
            let secret = match self.secret_stdin {
                true => Some(secret_from_stdin()?),
                false if std::io::stdin().is_terminal() => Some(ask_for_secret(&server)?),
                false => None,
            };
            let kept = secret.map(|secret| system_secrets().keep(&server, secret));
            if let Some(Err(error)) = kept {
                console.warn(&format!(
                    "{error}; the password or token was not kept: it will be asked for each time, or taken from \
                     {SECRET_VARIABLE}"
                ));
            }
        }
        list.put(server)?;
        list.save(&path)?;
        console.report(&Listing { file: path, servers: list.servers })
    }
}

/// Arguments of `pacs list`.
#[derive(Debug, Args)]
pub struct List {}

impl List {
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let file = servers_file()?;
        let servers = ServerList::load(&file)?.servers;
        console.report(&Listing { file, servers })
    }
}

/// Arguments of `pacs remove`.
#[derive(Debug, Args)]
pub struct Remove {
    /// The server.
    name: String,
}

impl Remove {
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let file = servers_file()?;
        let mut list = ServerList::load(&file)?;
        let server = list.remove(&self.name)?;
        list.save(&file)?;
        if let Err(error) = system_secrets().forget(&server) {
            console.warn(&format!("{error}; a password or token kept there stays there"));
        }
        console.report(&Listing { file, servers: list.servers })
    }
}

/// Arguments of `pacs test`.
#[derive(Debug, Args)]
pub struct Test {
    /// The server.
    name: String,
}

impl Test {
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let list = ServerList::load(&servers_file()?)?;
        let server = list.find(&self.name)?;
        let client = client_of(server)?;
        let progress = Progress::start("asking the server");
        let found = client.studies(&Query { limit: 1, ..Query::default() }, &progress)?;
        drop(progress);
        console.report(&Tested { server: server.name.clone(), has_studies: !found.is_empty() })
    }
}

#[derive(Serialize)]
struct Listing {
    file: PathBuf,
    servers: Vec<Server>,
}

impl Report for Listing {
    fn text(&self) -> String {
        if self.servers.is_empty() {
            return "no server has been set up; do so with: hilum pacs add NAME URL".to_owned();
        }
        let row = |server: &Server| {
            let login = match &server.auth {
                Auth::None => "none".to_owned(),
                Auth::Basic { user } => format!("user {user}"),
                Auth::Bearer => "token".to_owned(),
            };
            vec![server.name.clone(), server.url.clone(), login]
        };
        table(&["server", "address", "login"], &self.servers.iter().map(row).collect::<Vec<_>>())
    }
}

#[derive(Serialize)]
struct Tested {
    server: String,
    has_studies: bool,
}

impl Report for Tested {
    fn text(&self) -> String {
        let studies = if self.has_studies { "has studies" } else { "shows this user no study" };
        format!("\"{}\" answers and {studies}", self.server)
    }
}

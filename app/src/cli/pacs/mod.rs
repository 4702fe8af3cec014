//! `hilum pacs`: servers that speak DICOMweb, what they hold, fetching it, storing on them.

mod find;
mod servers;
mod transfer;

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use hilum_dicomweb::{Client, Secret, Secrets, Server, ServerList, SystemKeyRing, WebError};
use zeroize::Zeroizing;

use super::output::Console;
use crate::jobs::RemotePlaces;

/// A password or token for machines without a key ring and without a terminal.
const SECRET_VARIABLE: &str = "HILUM_PACS_SECRET";
/// A token is a few kilobytes at most.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Arguments of `pacs`.
#[derive(Debug, Subcommand)]
pub enum Pacs {
    /// Set up a server, or change one. The password or token is asked for and kept in the system's key ring.
    Add(servers::Add),
    /// List the servers.
    List(servers::List),
    /// Forget a server and its password or token.
    Remove(servers::Remove),
    /// Ask a server for a study, to see that address, certificate and login are right.
    Test(servers::Test),
    /// Search for studies, or list the series of one.
    Find(find::Find),
    /// Fetch a series into a folder. Instances that are there already are not fetched again.
    Fetch(transfer::Fetch),
    /// Store DICOM files: segmentations, structure sets, images. Each is read back and compared.
    Store(transfer::Store),
}

impl Pacs {
    /// Does it.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        match self {
            Self::Add(command) => command.run(console),
            Self::List(command) => command.run(console),
            Self::Remove(command) => command.run(console),
            Self::Test(command) => command.run(console),
            Self::Find(command) => command.run(console),
            Self::Fetch(command) => command.run(console),
            Self::Store(command) => command.run(console),
        }
    }
}

/// Which server.
#[derive(Debug, clap::Args)]
struct Choice {
    /// The server; it need not be named if there is but one.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
}

impl Choice {
    /// A client for the server that is meant.
    fn client(&self) -> anyhow::Result<Client> {
        let list = ServerList::load(&servers_file()?)?;
        let server = match (&self.server, &list.servers[..]) {
            (Some(name), _) => list.find(name)?,
            (None, [one]) => one,
            (None, []) => bail!("no server has been set up; do so with: hilum pacs add NAME URL"),
            (None, several) => {
                let names: Vec<&str> = several.iter().map(|server| server.name.as_str()).collect();
                bail!("there are several servers; name one with --server: {}", names.join(", "))
            }
        };
        client_of(server)
    }
}

fn servers_file() -> anyhow::Result<PathBuf> {
    RemotePlaces::default().servers.context("the system names no folder for settings")
}

fn system_secrets() -> Secrets {
    Secrets::new(Arc::new(SystemKeyRing))
}

/// A client with the secret of the environment or the key ring, or with the one that a person now types.
fn client_of(server: &Server) -> anyhow::Result<Client> {
    let secrets = system_secrets();
    if let Ok(text) = std::env::var(SECRET_VARIABLE) {
        secrets.keep_for_session(server, Secret::new(text)?)?;
    }
    match Client::new(server, &secrets) {
        Err(WebError::SecretMissing(_)) if std::io::stdin().is_terminal() => {
            secrets.keep_for_session(server, ask_for_secret(server)?)?;
            Ok(Client::new(server, &secrets)?)
        }
        Err(error @ WebError::SecretMissing(_)) => {
            Err(anyhow::Error::new(error).context(format!(
                "the key ring has no password or token; keep one with `hilum pacs add`, or put it into {SECRET_VARIABLE}"
            )))
        }
        other => Ok(other?),
    }
}

/// What a person types at a terminal, which does not show it.
fn ask_for_secret(server: &Server) -> anyhow::Result<Secret> {
    let typed = rpassword::prompt_password(format!("Password or token for \"{}\": ", server.name));
    Ok(Secret::new(typed.context("the terminal cannot be read")?)?)
}

/// What comes through a pipe.
fn secret_from_stdin() -> anyhow::Result<Secret> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .take(MAX_SECRET_BYTES)
        .read_to_string(&mut text)
        .context("no text came through stdin")?;
    Ok(Secret::new(text.to_string())?)
}

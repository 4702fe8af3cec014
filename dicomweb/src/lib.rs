//! DICOMweb (PS3.18) for Hilum: searching with QIDO-RS, fetching with WADO-RS, storing with STOW-RS.
//!
//! A [`Server`] is what a person set up and a file keeps; its [`Secret`] lies in the key ring of the system ([`Secrets`]).
//! A [`Client`] asks one server: [`Client::studies`], [`Client::series`], [`Client::fetch_series`], [`Client::store`].
//! Calls wait, tell their [`Observer`](hilum_core::job::Observer) how far they are, and return within a fraction of a second
//! after it wants to stop. Nothing here opens a connection by itself.
//!
//! An answer is not trusted: its size is bounded before memory is taken, its parts are read as a stream, its UIDs are
//! checked before they become names of files, and redirects stay on the host. Errors and logs hold neither secrets nor
//! search terms nor anything that a server sent.

mod address;
mod client;
mod error;
mod fetch;
mod http;
mod json;
pub mod multipart;
mod query;
mod secret;
mod server;
mod store;
pub mod testing;
mod tls;

pub use address::Uid;
pub use client::Client;
pub use error::WebError;
pub use fetch::{Fetched, cache_folder};
pub use http::Patience;
pub use query::{Instance, Query, Series, Study};
pub use secret::{KeyRing, NoKeyRing, Secret, Secrets, SystemKeyRing};
pub use server::{Auth, Server, ServerList};
pub use store::{NotStored, StoreReport, Stored};

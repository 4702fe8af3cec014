//! Whom to trust: the authorities of the system, or the one file that a person named for a server.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::WebError;

/// Files of authorities have some hundred kilobytes.
const MAX_PEM_BYTES: u64 = 8 << 20;

/// How secure connections are made.
pub(crate) fn config(ca_file: Option<&Path>) -> Result<TlsConfig, WebError> {
    let roots = match ca_file {
        Some(path) => named(path)?,
        None => of_system(),
    };
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&roots))
        .build())
}

fn named(path: &Path) -> Result<Vec<Certificate<'static>>, WebError> {
    let mut pem = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_PEM_BYTES).read_to_end(&mut pem));
    read.map_err(|cause| WebError::file(cause, path))?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        let what = format!("there is no certificate in this file (PEM is wanted): {}", path.display());
        return Err(WebError::Setup(what));
    }
    Ok(certificates)
}

/// Without any, every server is refused, which says what to do.
fn of_system() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs();
    if !found.errors.is_empty() {
        tracing::info!("{} stores of certificates of the system cannot be read", found.errors.len());
    }
    found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
}

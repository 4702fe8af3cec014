//! TLS in front of a server on loopback that speaks none.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A certificate authority of our own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One with a new key.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Authority of a test");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// What a server needs that this authority calls `localhost`.
    fn config(&self) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap()
    }
}

/// Passes on what comes through TLS; it stops when dropped.
pub struct TlsProxy {
    port: u16,
    is_over: Arc<AtomicBool>,
}

impl TlsProxy {
    /// In front of a port of loopback, with a certificate of an authority. By number: what `localhost` means first, IPv4 or
    /// IPv6, differs between systems, and a client of that name tries both.
    pub fn start(to: u16, authority: &Authority) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (config, is_over) = (Arc::new(authority.config()), Arc::new(AtomicBool::new(false)));
        let over = Arc::clone(&is_over);
        let accept = move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (config, over) = (Arc::clone(&config), Arc::clone(&over));
                let talk = move || {
                    let server = ServerConnection::new(config).unwrap();
                    let upstream = TcpStream::connect(("127.0.0.1", to)).unwrap();
                    pass(StreamOwned::new(server, stream.unwrap()), &upstream, &over);
                };
                Builder::new().name("tls talk".into()).spawn(talk).unwrap();
            }
        };
        Builder::new().name("tls proxy".into()).spawn(accept).unwrap();
        Self { port, is_over }
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

/// Takes turns: a few milliseconds for each direction.
fn pass(mut tls: StreamOwned<ServerConnection, TcpStream>, upstream: &TcpStream, over: &AtomicBool) {
    let turn = Some(Duration::from_millis(2));
    tls.sock.set_read_timeout(turn).unwrap();
    upstream.set_read_timeout(turn).unwrap();
    let mut upstream = upstream;
    while !over.load(Ordering::Relaxed) && carry(&mut tls, &mut upstream) && carry(&mut upstream, &mut tls) {}
    tls.conn.send_close_notify();
    tls.flush().ok();
    tls.sock.shutdown(Shutdown::Both).ok();
}

/// Carries what is there; `false` at the end of either side.
fn carry(from: &mut impl Read, to: &mut impl Write) -> bool {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) if to.write_all(&buffer[..count]).and_then(|()| to.flush()).is_ok() => {}
            Ok(_) => return false,
            Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

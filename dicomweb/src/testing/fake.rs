//! A small HTTP server on loopback that answers as a test wants, also wrongly.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// GET or POST.
    pub method: String,
    /// Path and search terms.
    pub target: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The value of a header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// What the server answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers beside the length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Announce more than there is, and hang up: the connection breaks after the body.
    pub is_cut: bool,
    /// A pause before each kilobyte of the body.
    pub pause: Duration,
}

impl Answer {
    /// A body of a kind.
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        Self { status, headers, body: body.into(), is_cut: false, pause: Duration::ZERO }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self::new(status, "text/plain", "")
    }

    /// DICOM JSON.
    pub fn json(text: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "application/dicom+json", text)
    }

    /// The same with another header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// DICOM files as `multipart/related`.
    pub fn parts(parts: &[Vec<u8>]) -> Self {
        let mut body = Vec::new();
        for part in parts {
            body.extend(b"\r\n--fake\r\nContent-Type: application/dicom\r\n\r\n");
            body.extend(part);
        }
        body.extend(b"\r\n--fake--\r\n");
        Self::new(200, "multipart/related; type=\"application/dicom\"; boundary=fake", body)
    }
}

type Handler = dyn Fn(&Received) -> Answer + Send + Sync;

/// The server; it stops when dropped.
pub struct FakeServer {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeServer {
    /// Starts a server on a free port of loopback.
    ///
    /// # Panics
    /// If the system has no port or no thread left.
    pub fn start(handler: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound port has an address");
        let (received, is_over) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(AtomicBool::new(false)));
        let handler: Arc<Handler> = Arc::new(handler);
        let (kept, over) = (Arc::clone(&received), Arc::clone(&is_over));
        let accept = move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (handler, kept, over) = (Arc::clone(&handler), Arc::clone(&kept), Arc::clone(&over));
                let talk = move || {
                    // A client that hangs up is what some tests are about.
                    converse(&stream, &*handler, &kept, &over).ok();
                    stream.shutdown(Shutdown::Both).ok();
                };
                std::thread::Builder::new().name("fake talk".into()).spawn(talk).expect("a thread");
            }
        };
        let thread = std::thread::Builder::new().name("fake server".into()).spawn(accept).expect("a thread");
        Self { address, received, is_over, thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every request so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        TcpStream::connect(self.address).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn converse(
    stream: &TcpStream,
    handler: &Handler,
    kept: &Mutex<Vec<Received>>,
    over: &AtomicBool,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    while let Some(request) = read_request(&mut reader)? {
        let answer = handler(&request);
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let announced = answer.body.len() + if answer.is_cut { 1000 } else { 0 };
        let mut head = format!("HTTP/1.1 {} x\r\nContent-Length: {announced}\r\n", answer.status);
        for (name, value) in &answer.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        out.write_all(head.as_bytes())?;
        if answer.pause.is_zero() {
            out.write_all(&answer.body)?;
        } else {
            for chunk in answer.body.chunks(1024) {
                std::thread::sleep(answer.pause);
                if over.load(Ordering::Relaxed) {
                    return Ok(());
                }
                out.write_all(chunk)?;
            }
        }
        out.flush()?;
        if answer.is_cut {
            return Ok(());
        }
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Received>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Received {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        ..Received::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            None => break,
        }
    }
    let length: u64 = request.header("content-length").parse().unwrap_or(0);
    reader.take(length).read_to_end(&mut request.body)?;
    Ok(Some(request))
}

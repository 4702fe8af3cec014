//! One exchange with a server: on a thread of its own, watched from here, so that cancelling never waits for a network.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use hilum_core::job::{Cancelled, Observer};
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use ureq::{Agent, Proxy, SendBody, Timeout};
use zeroize::Zeroizing;

use crate::address::Prefix;
use crate::{Auth, Secret, Server, WebError, tls};

/// How often a watcher is asked.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const CHUNK: usize = 64 << 10;
/// Chunks that came and were not yet used.
const MAX_WAITING: usize = 16;
const MAX_HEADER_BYTES: usize = 64 << 10;
const MAX_REDIRECTS: usize = 3;
/// A server may ask for a longer pause than ours, but not for an hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the first byte of an answer.
    pub answer: Duration,
    /// Between bytes.
    pub idle: Duration,
    /// For all bytes of one answer; what is fetched in parts is fetched in several answers.
    pub whole: Duration,
    /// How often a server that is busy (429, 503) or a broken connection is tried again.
    pub retries: u32,
    /// Before the first new attempt; each further pause is twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(180),
            idle: Duration::from_secs(60),
            whole: Duration::from_secs(3600),
            retries: 4,
            pause: Duration::from_secs(1),
        }
    }
}

/// What is asked of a server.
pub(crate) struct Ask<'a> {
    /// For people: "the studies".
    pub what: &'a str,
    pub address: String,
    pub accept: &'a str,
    pub upload: Option<Upload<'a>>,
}

/// What is sent along; opened again for each attempt.
pub(crate) struct Upload<'a> {
    pub content_type: String,
    pub length: u64,
    pub open: &'a dyn Fn() -> Box<dyn Read + Send>,
}

/// An answer; the rest of it is read from `body`.
pub(crate) struct Reply<'a> {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Incoming<'a>,
}

/// Makes exchanges with one server.
#[derive(Debug)]
pub(crate) struct Http {
    agent: Agent,
    authorization: Option<HeaderValue>,
    patience: Patience,
}

impl Http {
    pub fn new(server: &Server, secret: Option<&Secret>, patience: Patience) -> Result<Self, WebError> {
        let services = server.services()?;
        let is_here = [&services.qido, &services.wado, &services.stow].iter().all(|p| p.is_loopback());
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(MAX_HEADER_BYTES)
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.answer))
            .timeout_send_body(Some(patience.whole))
            .timeout_recv_body(Some(patience.whole))
            .user_agent(concat!("Hilum/", env!("CARGO_PKG_VERSION")))
            .proxy(if is_here { None } else { Proxy::try_from_env() })
            .tls_config(tls::config(server.ca_file.as_deref())?)
            .build();
        let authorization = authorization(server, secret)?;
        Ok(Self { agent: config.into(), authorization, patience })
    }

    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Asks, follows the server within itself, and asks again while it is busy. Answers other than success become errors.
    pub fn ask<'a>(
        &self,
        prefix: &Prefix,
        mut ask: Ask<'_>,
        observer: &'a dyn Observer,
    ) -> Result<Reply<'a>, WebError> {
        let (mut busy, mut sent_on) = (0, 0);
        loop {
            let reply = self.once(&ask, observer)?;
            let status = reply.status.as_u16();
            match status {
                200..=299 => return Ok(reply),
                // STOW-RS tells in the body which objects were refused (PS3.18 10.5.3).
                409 if ask.upload.is_some() => return Ok(reply),
                429 | 503 if busy < self.patience.retries => {
                    let pause = asked_pause(&reply.headers).unwrap_or(self.patience.pause * 2_u32.pow(busy));
                    drop(reply);
                    rest(pause.min(LONGEST_PAUSE), observer)?;
                    busy += 1;
                }
                301 | 302 | 303 | 307 | 308 => {
                    let location = reply.headers.get(LOCATION).and_then(|l| l.to_str().ok()).unwrap_or("");
                    let target = prefix.follow(location)?;
                    if ask.upload.is_some() || sent_on == MAX_REDIRECTS {
                        return Err(WebError::Redirect("another address of its own".into()));
                    }
                    ask.address = target;
                    sent_on += 1;
                }
                401 | 403 | 407 => return Err(WebError::Refused { status }),
                404 | 410 => return Err(WebError::NotFound { what: ask.what.to_owned() }),
                _ => {
                    let meaning = reply.status.canonical_reason().unwrap_or("unknown").to_owned();
                    return Err(WebError::Status { what: ask.what.to_owned(), status, meaning });
                }
            }
        }
    }

    fn once<'a>(&self, ask: &Ask<'_>, observer: &'a dyn Observer) -> Result<Reply<'a>, WebError> {
        let method = if ask.upload.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::builder().method(method).uri(&ask.address).header(ACCEPT, ask.accept);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let sent = Arc::new(AtomicU64::new(0));
        if let Some(upload) = &ask.upload {
            request = request.header(CONTENT_TYPE, &upload.content_type);
            request = request.header(CONTENT_LENGTH, upload.length);
        }
        let upload = ask.upload.as_ref();
        let counted = upload.map(|upload| Counted { source: (upload.open)(), count: Arc::clone(&sent) });
        let request = request.body(()).map_err(|_| {
            WebError::Setup("the address of the server has characters that none may have".into())
        })?;
        let (sender, receiver) = sync_channel(MAX_WAITING);
        let (agent, patience) = (self.agent.clone(), self.patience);
        std::thread::Builder::new()
            .name("dicomweb".into())
            .spawn(move || pump(&agent, request, counted, patience, &sender))
            .map_err(|_| WebError::Unreachable("the system refuses another thread".into()))?;
        let body = Incoming { receiver, observer, patience, chunk: Vec::new(), used: 0, is_over: false };
        let length = upload.map_or(0, |upload| upload.length);
        match body.next(self.patience.answer + self.patience.connect, Some((&sent, length)))? {
            Message::Head(status, headers) => Ok(Reply { status, headers: *headers, body }),
            Message::Data(_) | Message::End => Err(WebError::Malformed("it has no status".into())),
        }
    }
}

/// The value of the header that logs in. It is marked so that no log shows it.
fn authorization(server: &Server, secret: Option<&Secret>) -> Result<Option<HeaderValue>, WebError> {
    let missing = || WebError::SecretMissing(server.name.clone());
    let text = match &server.auth {
        Auth::None => return Ok(None),
        Auth::Basic { user } => {
            let pair = Zeroizing::new(format!("{user}:{}", secret.ok_or_else(missing)?.reveal()));
            let coded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()));
            Zeroizing::new(format!("Basic {}", *coded))
        }
        Auth::Bearer => Zeroizing::new(format!("Bearer {}", secret.ok_or_else(missing)?.reveal())),
    };
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| WebError::Setup("the token has characters that none may have".into()))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// `Retry-After` in seconds; its other form, a date, is left to our own pauses.
fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Waits, unless the watcher wants to stop.
pub(crate) fn rest(pause: Duration, observer: &dyn Observer) -> Result<(), Cancelled> {
    let until = Instant::now() + pause;
    loop {
        if observer.is_cancelled() {
            return Err(Cancelled);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK_AGAIN));
    }
}

enum Message {
    Head(StatusCode, Box<HeaderMap>),
    Data(Vec<u8>),
    End,
}

/// The thread of an exchange. It ends when nobody listens, at the latest when its own limits of time are reached.
fn pump(
    agent: &Agent,
    request: Request<()>,
    upload: Option<Counted>,
    patience: Patience,
    sender: &SyncSender<Result<Message, WebError>>,
) {
    let body = upload.map_or_else(SendBody::none, SendBody::from_owned_reader);
    let response = match agent.run(request.map(|()| body)) {
        Ok(response) => response,
        Err(error) => {
            sender.send(Err(of_ureq(error, patience))).ok();
            return;
        }
    };
    let (head, body) = response.into_parts();
    if sender.send(Ok(Message::Head(head.status, Box::new(head.headers)))).is_err() {
        return;
    }
    let mut reader = body.into_reader();
    loop {
        let mut chunk = vec![0; CHUNK];
        let message = match reader.read(&mut chunk) {
            Ok(0) => Ok(Message::End),
            Ok(count) => {
                chunk.truncate(count);
                Ok(Message::Data(chunk))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(broken(&error)),
        };
        let is_last = !matches!(message, Ok(Message::Data(_)));
        if sender.send(message).is_err() || is_last {
            return;
        }
    }
}

fn broken(error: &io::Error) -> WebError {
    WebError::Broken(error.kind().to_string())
}

/// What went wrong, without the address, which may hold the name of a patient.
fn of_ureq(error: ureq::Error, patience: Patience) -> WebError {
    use io::ErrorKind as Kind;
    match error {
        ureq::Error::HostNotFound => WebError::Unreachable("no host of that name is known".into()),
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            WebError::Unreachable(format!("it did not answer within {} s", patience.connect.as_secs()))
        }
        ureq::Error::Timeout(Timeout::RecvResponse) => WebError::Stalled(patience.answer.as_secs()),
        ureq::Error::Timeout(_) => WebError::Stalled(patience.whole.as_secs()),
        ureq::Error::Rustls(error) => WebError::Tls(error.to_string()),
        ureq::Error::Tls(what) => WebError::Tls(what.to_owned()),
        ureq::Error::Io(error) => {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(error) => WebError::Tls(error.to_string()),
                None => match error.kind() {
                    Kind::ConnectionRefused => WebError::Unreachable("it refuses the connection".into()),
                    Kind::ConnectionReset
                    | Kind::ConnectionAborted
                    | Kind::BrokenPipe
                    | Kind::UnexpectedEof
                    | Kind::TimedOut
                    | Kind::WouldBlock
                    | Kind::InvalidData => broken(&error),
                    Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
                        WebError::Unreachable(error.kind().to_string())
                    }
                    // What systems say of names that nobody knows has no kind of its own.
                    _ => WebError::Unreachable("no host of that name can be found or reached".into()),
                },
            }
        }
        ureq::Error::Protocol(_) => WebError::Broken("this is no HTTP".into()),
        ureq::Error::ConnectionFailed => WebError::Unreachable("no connection could be made".into()),
        ureq::Error::InvalidProxyUrl | ureq::Error::ConnectProxyFailed(_) => {
            WebError::Unreachable("the proxy that the environment names does not let us through".into())
        }
        ureq::Error::LargeResponseHeader(..) => {
            WebError::TooLarge(format!("the headers of the answer exceed {MAX_HEADER_BYTES} bytes"))
        }
        _ => WebError::Broken("the request failed".into()),
    }
}

/// The body of an answer as it arrives. Its errors are [`WebError`]s within [`io::Error`]s.
pub(crate) struct Incoming<'a> {
    receiver: Receiver<Result<Message, WebError>>,
    observer: &'a dyn Observer,
    patience: Patience,
    chunk: Vec<u8>,
    used: usize,
    is_over: bool,
}

impl Incoming<'_> {
    /// The next message; gives up when nothing moved for `limit`. What was sent of how much counts as movement.
    fn next(&self, limit: Duration, upload: Option<(&AtomicU64, u64)>) -> Result<Message, WebError> {
        let (mut moved_at, mut seen) = (Instant::now(), 0);
        loop {
            match self.receiver.recv_timeout(LOOK_AGAIN) {
                Ok(message) => return message,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(WebError::Broken("the exchange ended without a word".into()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.observer.is_cancelled() {
                return Err(Cancelled.into());
            }
            if let Some((sent, length)) = upload.filter(|(_, length)| *length > 0) {
                let sent = sent.load(Ordering::Relaxed);
                if sent != seen {
                    (moved_at, seen) = (Instant::now(), sent);
                    self.observer.progress("sending", sent, length);
                }
            }
            if moved_at.elapsed() > limit {
                return Err(WebError::Stalled(limit.as_secs()));
            }
        }
    }

    /// All of it, if it is not longer than `limit` bytes.
    pub fn read_all(mut self, limit: u64, what: &str) -> Result<Vec<u8>, WebError> {
        let mut bytes = Vec::new();
        self.by_ref().take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            let mib = limit >> 20;
            return Err(WebError::TooLarge(format!(
                "the answer about {what} exceeds {mib} MiB; search for less"
            )));
        }
        Ok(bytes)
    }
}

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.observer.is_cancelled() {
            return Err(WebError::from(Cancelled).into());
        }
        while self.used == self.chunk.len() && !self.is_over {
            match self.next(self.patience.idle, None)? {
                Message::Data(chunk) => (self.chunk, self.used) = (chunk, 0),
                Message::Head(..) | Message::End => self.is_over = true,
            }
        }
        let count = buffer.len().min(self.chunk.len() - self.used);
        buffer[..count].copy_from_slice(&self.chunk[self.used..self.used + count]);
        self.used += count;
        Ok(count)
    }
}

/// Counts what is read, for whoever watches.
struct Counted {
    source: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

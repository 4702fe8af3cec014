//! What can go wrong between a client and a server, with a server on loopback that does it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hilum_core::io::dicom::identify;
use hilum_core::job::Observer;
use hilum_core::testing::shared_data;
use hilum_dicomweb::testing::{Answer, FakePacs, FakeServer, MemoryKeyRing};
use hilum_dicomweb::{Auth, Client, Patience, Query, Secret, Secrets, Server, Uid, WebError};

/// Short pauses, but limits that no busy machine reaches.
const QUICK: Patience = Patience {
    connect: Duration::from_secs(60),
    answer: Duration::from_secs(60),
    idle: Duration::from_secs(60),
    whole: Duration::from_secs(120),
    retries: 2,
    pause: Duration::from_millis(20),
};
/// For servers that stall.
const IMPATIENT: Patience = Patience { idle: Duration::from_secs(1), ..QUICK };

const STUDY: &str = r#"[{"0020000D": {"vr": "UI", "Value": ["1.2"]}}]"#;

fn secrets() -> Secrets {
    Secrets::new(Arc::new(MemoryKeyRing::default()))
}

fn client(url: &str) -> Client {
    client_with(QUICK, url)
}

fn client_with(patience: Patience, url: &str) -> Client {
    Client::with_patience(&Server::new("test", url), &secrets(), patience).unwrap()
}

fn studies(server: &FakeServer) -> Result<usize, WebError> {
    client(&server.url()).studies(&Query::default(), &()).map(|found| found.len())
}

fn once(json: &str, target: &str) -> Answer {
    Answer::json(if target.contains("offset=0") { json } else { "[]" })
}

#[test]
fn logins_are_sent_and_refusals_told_without_them() {
    for (auth, expected) in
        [(Auth::Basic { user: "eva".into() }, "Basic ZXZhOmh1bnRlcjI="), (Auth::Bearer, "Bearer hunter2")]
    {
        let server = FakeServer::start(move |request| match request.header("authorization") == expected {
            true => once(STUDY, &request.target),
            false => Answer::empty(401),
        });
        let settings = Server { auth, ..Server::new("test", server.url()) };
        let secrets = secrets();
        let missing = Client::with_patience(&settings, &secrets, QUICK).unwrap_err();
        assert!(matches!(missing, WebError::SecretMissing(_)), "{missing}");
        secrets.keep(&settings, Secret::new("wrong".into()).unwrap()).unwrap();
        let refused = Client::with_patience(&settings, &secrets, QUICK).unwrap();
        let error = refused.studies(&Query::default(), &()).unwrap_err();
        assert!(matches!(error, WebError::Refused { status: 401 }), "{error}");
        secrets.keep(&settings, Secret::new("hunter2".into()).unwrap()).unwrap();
        let client = Client::with_patience(&settings, &secrets, QUICK).unwrap();
        assert_eq!(client.studies(&Query::default(), &()).unwrap().len(), 1);
        let printed = format!("{client:?} {settings:?}");
        assert!(!printed.contains("hunter2") && !printed.contains("ZXZh"), "{printed}");
    }
}

#[test]
fn a_busy_server_is_asked_again_and_not_for_ever() {
    for status in [503, 429] {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        let server = FakeServer::start(move |request| match seen.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::empty(status).with("Retry-After", "0"),
            1 => Answer::empty(status),
            _ => once(STUDY, &request.target),
        });
        assert_eq!(studies(&server).unwrap(), 1);
        assert_eq!(count.load(Ordering::Relaxed), 4, "two refusals, the answer, and the end of the pages");
    }
    let server = FakeServer::start(|_| Answer::empty(503));
    assert!(matches!(studies(&server), Err(WebError::Status { status: 503, .. })));
    assert_eq!(server.received().len(), 3);
}

#[test]
fn answers_that_are_none_are_told_apart() {
    type Check = fn(&WebError) -> bool;
    let cases: [(Answer, Check); 8] = [
        (Answer::empty(404), |e| matches!(e, WebError::NotFound { .. })),
        (Answer::empty(500), |e| matches!(e, WebError::Status { status: 500, .. })),
        (Answer::empty(403), |e| matches!(e, WebError::Refused { status: 403 })),
        (Answer::new(200, "text/html", "<html>Doe^Jane"), |e| matches!(e, WebError::Malformed(_))),
        (Answer::json("[{"), |e| matches!(e, WebError::Malformed(_))),
        (Answer { is_cut: true, ..Answer::json("[{") }, |e| matches!(e, WebError::Broken(_))),
        (Answer::json(vec![b' '; (32 << 20) + 10]), |e| matches!(e, WebError::TooLarge(_))),
        (Answer::json(r#"[{"0020000D": {"Value": ["../../etc"]}}]"#), |e| {
            matches!(e, WebError::Malformed(_))
        }),
    ];
    for (answer, is_expected) in cases {
        let status = answer.status;
        let server = FakeServer::start(move |_| answer.clone());
        let query = Query { patient_name: "Doe".into(), ..Query::default() };
        let error = client(&server.url()).studies(&query, &()).unwrap_err();
        assert!(is_expected(&error), "{status}: {error:?}");
        assert!(!error.to_string().contains("Doe") && !format!("{error:?}").contains("Doe"), "{error:?}");
    }
}

#[test]
fn redirects_stay_on_the_host() {
    let server = FakeServer::start(|request| match request.target.starts_with("/new/") {
        true => once(STUDY, &request.target),
        false => Answer::empty(307).with("Location", &format!("/new{}", request.target)),
    });
    assert_eq!(studies(&server).unwrap(), 1);
    let elsewhere = FakeServer::start(|_| Answer::json(STUDY));
    let target = format!("{}/studies", elsewhere.url());
    let server = FakeServer::start(move |_| Answer::empty(302).with("Location", &target));
    assert!(matches!(studies(&server), Err(WebError::Redirect(_))));
    assert!(elsewhere.received().is_empty(), "the login would have gone there");
    let server = FakeServer::start(|request| Answer::empty(302).with("Location", &request.target));
    assert!(matches!(studies(&server), Err(WebError::Redirect(_))));
}

#[test]
fn pages_end_whatever_the_server_makes_of_limit_and_offset() {
    // It ignores both.
    let server = FakeServer::start(|_| Answer::json(STUDY));
    assert_eq!(studies(&server).unwrap(), 1);
    // It gives two at a time, however many are wanted.
    let server = FakeServer::start(|request| {
        let offset = request.target.split("offset=").nth(1).unwrap().parse::<usize>().unwrap();
        let page: Vec<String> = (offset..(offset + 2).min(7))
            .map(|i| format!(r#"{{"0020000D": {{"vr": "UI", "Value": ["1.{i}"]}}}}"#))
            .collect();
        Answer::json(format!("[{}]", page.join(",")))
    });
    assert_eq!(studies(&server).unwrap(), 7);
    let few = Query { limit: 3, ..Query::default() };
    assert_eq!(client(&server.url()).studies(&few, &()).unwrap().len(), 3);
    let server = FakeServer::start(|_| Answer::empty(204));
    assert_eq!(studies(&server).unwrap(), 0);
}

#[test]
fn nobody_there_is_said_at_once() {
    // No free port is handed out below 1024, so that no other test listens there.
    let error = client("http://127.0.0.1:1").studies(&Query::default(), &()).unwrap_err();
    assert!(matches!(error, WebError::Unreachable(_)), "{error:?}");
    // Too long for a name, which needs no answer of a resolver.
    let nobody = format!("https://{}.invalid", "n".repeat(64));
    let error = client(&nobody).studies(&Query::default(), &()).unwrap_err();
    assert!(matches!(error, WebError::Unreachable(_)), "{error:?}");
    // Plain HTTP where TLS is expected.
    let server = FakeServer::start(|_| Answer::json(STUDY));
    let secure = server.url().replace("http://", "https://");
    let error = client(&secure).studies(&Query::default(), &()).unwrap_err();
    assert!(matches!(error, WebError::Tls(_) | WebError::Broken(_)), "{error:?}");
}

/// Stops after so many instances, or at once.
struct Stop {
    after: u64,
    is_over: AtomicBool,
}

impl Stop {
    fn after(after: u64) -> Self {
        Self { after, is_over: AtomicBool::new(after == 0) }
    }
}

impl Observer for Stop {
    fn progress(&self, what: &str, done: u64, _: u64) {
        if what == "fetching" && done >= self.after {
            self.is_over.store(true, Ordering::Relaxed);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// Copies of a slice with other instance UIDs of the same length.
fn slices(folder: &Path, count: usize) -> Option<Vec<PathBuf>> {
    let path = shared_data("data/dicom/dcmqi/ct-3slice/01.dcm")?;
    let (bytes, uid) = (std::fs::read(&path).unwrap(), identify(&path).unwrap().instance_uid);
    let copy = |i: usize| {
        let other = format!("{}{:03}", &uid[..uid.len() - 3], i);
        let text = bytes.iter().map(|b| char::from(*b)).collect::<String>().replace(&uid, &other);
        let path = folder.join(format!("{i}.dcm"));
        std::fs::write(&path, text.chars().map(|c| c as u8).collect::<Vec<u8>>()).unwrap();
        path
    };
    Some((100..100 + count).map(copy).collect())
}

fn uids(path: &Path) -> (Uid, Uid) {
    let found = identify(path).unwrap();
    (Uid::new(&found.study_uid).unwrap(), Uid::new(&found.series_uid).unwrap())
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_series_is_fetched_and_not_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(paths) = slices(folder.path(), 5) else { return };
    let pacs = FakePacs::of(&paths);
    let (study, series) = uids(&paths[0]);
    let into = folder.path().join("new/cache");
    let fetched = client(&pacs.url()).fetch_series(&study, &series, &into, &()).unwrap();
    assert_eq!((fetched.instances, fetched.kept, files(&into)), (5, 0, 5));
    for path in &paths {
        let uid = identify(path).unwrap().instance_uid;
        assert_eq!(std::fs::read(into.join(format!("{uid}.dcm"))).unwrap(), std::fs::read(path).unwrap());
    }
    let before = pacs.received().len();
    let again = client(&pacs.url()).fetch_series(&study, &series, &into, &()).unwrap();
    assert_eq!((again.instances, again.kept), (5, 5));
    assert!(
        pacs.received()[before..].iter().all(|r| r.target.contains("instances?")),
        "only asked what there is"
    );
    let unknown = Uid::new("1.2.3").unwrap();
    let error = client(&pacs.url()).fetch_series(&study, &unknown, &into, &()).unwrap_err();
    assert!(matches!(error, WebError::NotFound { .. }), "{error}");
}

#[test]
fn a_connection_that_breaks_costs_one_instance_and_not_the_series() {
    let folder = tempfile::tempdir().unwrap();
    let Some(paths) = slices(folder.path(), 4) else { return };
    let contents: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let list: Vec<String> = paths
        .iter()
        .map(|p| format!(r#"{{"00080018": {{"Value": ["{}"]}}}}"#, identify(p).unwrap().instance_uid))
        .collect();
    let list = format!("[{}]", list.join(","));
    let all: Vec<(String, Vec<u8>)> =
        paths.iter().map(|p| identify(p).unwrap().instance_uid).zip(contents.clone()).collect();
    let works = Arc::new(AtomicBool::new(false));
    let is_working = Arc::clone(&works);
    let server = FakeServer::start(move |request| {
        if request.target.contains("instances?") {
            return once(&list, &request.target);
        }
        if let Some((_, bytes)) = all.iter().find(|(uid, _)| request.target.ends_with(uid)) {
            return match is_working.load(Ordering::Relaxed) {
                true => Answer::parts(std::slice::from_ref(bytes)),
                false => Answer::empty(500),
            };
        }
        // The whole series breaks off in the third instance.
        let mut answer = Answer::parts(&contents);
        answer.body.truncate(answer.body.len() * 5 / 8);
        Answer { is_cut: true, ..answer }
    });
    let (study, series) = uids(&paths[0]);
    let into = folder.path().join("cache");
    let error = client(&server.url()).fetch_series(&study, &series, &into, &()).unwrap_err();
    assert!(matches!(error, WebError::Incomplete { got: 2, wanted: 4, .. }), "{error}");
    assert_eq!(files(&into), 2, "half an instance is no file");
    works.store(true, Ordering::Relaxed);
    let fetched = client(&server.url()).fetch_series(&study, &series, &into, &()).unwrap();
    assert_eq!((fetched.instances, fetched.kept), (4, 2));
}

#[test]
fn what_was_not_asked_for_gets_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let Some(paths) = slices(folder.path(), 2) else { return };
    let Some(stranger) = shared_data("data/dicom/dcmqi/24x38x3/image") else { return };
    let stranger = std::fs::read_dir(stranger).unwrap().next().unwrap().unwrap().path();
    let uid = identify(&paths[0]).unwrap().instance_uid;
    let list = format!(r#"[{{"00080018": {{"Value": ["{uid}"]}}}}]"#);
    let parts = [std::fs::read(&stranger).unwrap(), b"no DICOM at all".to_vec()];
    let server = FakeServer::start(move |request| match request.target.contains("instances?") {
        true => once(&list, &request.target),
        false => Answer::parts(&parts),
    });
    let (study, series) = uids(&paths[0]);
    let into = folder.path().join("cache");
    let error = client(&server.url()).fetch_series(&study, &series, &into, &()).unwrap_err().to_string();
    assert!(error.contains("another series") || error.contains("no DICOM file"), "{error}");
    assert_eq!(files(&into), 0);
}

#[test]
fn stopping_does_not_wait_for_the_server_and_keeps_what_came() {
    let folder = tempfile::tempdir().unwrap();
    let Some(paths) = slices(folder.path(), 3) else { return };
    let pacs = FakePacs::of(&paths);
    let (study, series) = uids(&paths[0]);
    let into = folder.path().join("cache");
    pacs.slow_down(Duration::from_millis(2));
    let outcome = client(&pacs.url()).fetch_series(&study, &series, &into, &Stop::after(1));
    assert!(matches!(outcome, Err(WebError::Cancelled(_))), "{outcome:?}");
    assert!((1..3).contains(&files(&into)), "{}", files(&into));
    // A server that says nothing for longer than the client waits: without a look at the watcher it would be stalled.
    pacs.slow_down(Duration::from_secs(60));
    let client = client_with(IMPATIENT, &pacs.url());
    let outcome = client.studies(&Query::default(), &Stop::after(0));
    assert!(matches!(outcome, Err(WebError::Cancelled(_))), "{outcome:?}");
    let outcome = client.studies(&Query::default(), &());
    assert!(matches!(outcome, Err(WebError::Stalled(1))), "{outcome:?}");
}

#[test]
fn an_object_counts_as_stored_only_if_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(paths) = slices(folder.path(), 3) else { return };
    let pacs = FakePacs::of(&[]);
    let stored = client(&pacs.url()).store(&paths, &()).unwrap().check().unwrap();
    assert_eq!((stored.len(), pacs.objects().len()), (3, 3));
    let sent = pacs.received();
    assert_eq!(sent.iter().filter(|r| r.method == "POST").count(), 1);

    // It says yes and forgets.
    let server = FakeServer::start(|request| match request.method.as_str() {
        "POST" => Answer::json("{}"),
        _ => Answer::empty(404),
    });
    let error = client(&server.url()).store(&paths[..1], &()).unwrap().check().unwrap_err();
    assert!(matches!(&error, WebError::ReadBack { what, .. } if what.contains("does not find")), "{error}");

    // It keeps other pixels.
    let mut other = std::fs::read(&paths[0]).unwrap();
    let last = other.len() - 9;
    other[last] ^= 0x10;
    let uid = identify(&paths[0]).unwrap().instance_uid;
    let list = format!(r#"[{{"00080018": {{"Value": ["{uid}"]}}}}]"#);
    let server = FakeServer::start(move |request| match request.method.as_str() {
        "POST" => Answer::json("{}"),
        _ if request.target.contains("instances?") => once(&list, &request.target),
        _ => Answer::parts(std::slice::from_ref(&other)),
    });
    let error = client(&server.url()).store(&paths[..1], &()).unwrap().check().unwrap_err();
    assert!(matches!(&error, WebError::ReadBack { what, .. } if what.contains("pixels differ")), "{error}");

    // It refuses one of them, with its reason.
    let uid = identify(&paths[1]).unwrap().instance_uid;
    let server = FakeServer::start(move |request| match request.method.as_str() {
        "POST" => Answer::new(
            409,
            "application/dicom+json",
            format!(
                r#"{{"00081198": {{"Value": [{{"00081155": {{"Value": ["{uid}"]}}, "00081197": {{"Value": [42752]}}}}]}}}}"#
            ),
        ),
        _ => Answer::empty(404),
    });
    let report = client(&server.url()).store(&paths, &()).unwrap();
    assert_eq!((report.stored.len(), report.failed.len()), (0, 3));
    let text = report.failed[1].error.to_string();
    assert!(text.contains("out of space (A700)"), "{text}");
    assert!(report.check().unwrap_err().to_string().contains("3 of 3"));

    std::fs::write(folder.path().join("no.dcm"), "text").unwrap();
    let error = client(&server.url()).store(&[folder.path().join("no.dcm")], &()).unwrap_err();
    assert!(matches!(error, WebError::Open(_)), "{error}");
}

//! `hilum pacs` as a user runs it: a server is set up, searched, fetched from and stored on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use hilum_core::io::dicom::identify;
use hilum_core::testing::shared_data;
use hilum_dicomweb::testing::{Answer, FakeServer, Orthanc, OrthancOptions};
use serde_json::Value;

mod common;

use common::Ran;

/// Runs the program with folders of its own, so that it knows no server of whoever runs the test.
fn pacs(home: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hilum"));
    command.arg("pacs").args(arguments).env("HOME", home).env("HILUM_PACS_SECRET", "hunter2");
    // No key ring either.
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    for folder in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.env(folder, home.join(folder));
    }
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) };
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    let ran = pacs(home, &[arguments, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

fn refused(home: &Path, arguments: &[&str], words: &[&str]) {
    let ran = pacs(home, arguments);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    for word in words {
        assert!(ran.err.contains(word), "{word} is not in: {}", ran.err);
    }
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
}

#[test]
fn servers_are_set_up_and_nothing_secret_is_written() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    assert!(pacs(home, &["list"]).out.contains("no server has been set up"));
    refused(home, &["find"], &["no server has been set up"]);
    refused(home, &["add", "ward", "http://pacs.example/rs"], &["plain HTTP", "http://pacs.example"]);
    refused(home, &["add", "ward", "pacs.example"], &["https://host/dicom-web"]);
    json(home, &["add", "ward", "https://pacs.example/rs", "--user", "eva"]);
    json(home, &["add", "lab", "http://127.0.0.1:1/rs"]);
    let listed = json(home, &["list"]);
    assert_eq!(listed["servers"][0]["auth"]["user"], "eva");
    refused(home, &["find"], &["--server", "ward, lab"]);
    refused(home, &["test", "nobody"], &["no server is called \"nobody\"", "ward, lab"]);
    refused(home, &["test", "lab"], &["cannot be reached"]);
    refused(home, &["find", "--server", "lab", "--from", "31.1.2024"], &["no day"]);
    let text = std::fs::read_to_string(listed["file"].as_str().unwrap()).unwrap();
    assert!(text.contains("eva") && !text.contains("hunter2"), "{text}");
    json(home, &["remove", "ward"]);
    assert_eq!(json(home, &["list"])["servers"].as_array().unwrap().len(), 1);
}

#[test]
fn names_of_patients_stay_out_of_errors_and_logs() {
    let home = tempfile::tempdir().unwrap();
    let server = FakeServer::start(|_| Answer::new(500, "text/plain", "no patient Doe^Jane here"));
    json(home.path(), &["add", "lab", &server.url(), "--token"]);
    let ran = pacs(home.path(), &["find", "--name", "Doe^Jane", "-v"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("HTTP 500"), "{}", ran.err);
    for secret in ["Doe", "hunter2"] {
        assert!(!ran.err.contains(secret), "{}", ran.err);
    }
    let sent = server.received();
    assert!(sent.iter().all(|request| request.header("authorization") == "Bearer hunter2"));
    assert!(sent[0].target.contains("PatientName=Doe%5EJane"), "{}", sent[0].target);
}

#[test]
fn a_series_is_fetched_from_a_real_archive_and_its_labels_are_stored() {
    let Some(source) = shared_data("data/dicom/dcmqi/ct-3slice") else { return };
    let login = Some(("eva".to_owned(), "hunter2".to_owned()));
    let Some(orthanc) = Orthanc::start(&OrthancOptions { login }) else { return };
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    json(home, &["add", "orthanc", &orthanc.url(), "--user", "eva"]);
    assert!(pacs(home, &["test", "orthanc"]).out.contains("answers"));
    let mut slices: Vec<String> = std::fs::read_dir(&source)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| identify(path).is_ok())
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    slices.sort();
    let mut store = vec!["store"];
    store.extend(slices.iter().map(String::as_str));
    assert_eq!(json(home, &store)["stored"].as_array().unwrap().len(), slices.len());
    let found = json(home, &["find", "--modality", "CT"]);
    let study = found["studies"][0]["uid"].as_str().unwrap().to_owned();
    let listed = json(home, &["find", "--study", &study]);
    let series = listed["series"][0]["uid"].as_str().unwrap().to_owned();
    let out = home.join("fetched");
    let fetched = json(home, &["fetch", &series, "--out", out.to_str().unwrap()]);
    assert_eq!((&fetched["instances"], &fetched["kept"]), (&slices.len().into(), &0.into()));
    let again = json(home, &["fetch", &series, "--out", out.to_str().unwrap(), "--study", &study]);
    assert_eq!(again["kept"], slices.len());

    // A segmentation of dcmqi for this series, written anew by Hilum.
    let labels = source.join("../partial_overlaps.dcm");
    let seg = home.join("seg.dcm");
    let convert =
        ["convert", labels.to_str().unwrap(), seg.to_str().unwrap(), "--image", out.to_str().unwrap()];
    let ran = common::hilum(&convert);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = pacs(home, &["store", seg.to_str().unwrap()]);
    assert!(ran.out.contains("stored 1 object, fetched again and compared"), "{}{}", ran.out, ran.err);
    let listed = json(home, &["find", "--study", &study]);
    let modalities: Vec<&str> =
        listed["series"].as_array().unwrap().iter().map(|s| s["modality"].as_str().unwrap()).collect();
    assert!(modalities.contains(&"SEG"), "{modalities:?}");
    refused(home, &["fetch", "1.2.3", "--out", out.to_str().unwrap()], &["does not know the series 1.2.3"]);
    let wrong = home.join("no.dcm");
    std::fs::write(&wrong, "text").unwrap();
    refused(home, &["store", wrong.to_str().unwrap()], &["no DICOM file", "no.dcm"]);
}

/// Runs a script in a session of its own, whose key ring is that of GNOME.
fn in_session(home: &Path, script: &str) -> Ran {
    let unlock = "printf login | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; ";
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "bash", "-c", &format!("{unlock}{script}")]).env("HOME", home);
    command.env("HILUM", env!("CARGO_BIN_EXE_hilum")).env_remove("HILUM_PACS_SECRET");
    for folder in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"] {
        std::fs::create_dir_all(home.join(folder)).unwrap();
        command.env(folder, home.join(folder));
    }
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_token_survives_in_the_key_ring_of_the_system() {
    let is_there = |program| Command::new(program).arg("--version").output().is_ok();
    if !is_there("gnome-keyring-daemon") || !is_there("dbus-run-session") {
        hilum_core::testing::skip("a key ring (packages gnome-keyring, dbus)");
        return;
    }
    let server = FakeServer::start(|request| match request.header("authorization") {
        "Bearer from-the-ring" => Answer::json("[]"),
        _ => Answer::empty(401),
    });
    let home = tempfile::tempdir().unwrap();
    let add = format!(
        "printf from-the-ring | \"$HILUM\" pacs add lab {} --token --secret-stdin && \"$HILUM\" pacs find",
        server.url()
    );
    let ran = in_session(home.path(), &add);
    assert!(ran.code == 0 && ran.out.contains("no study was found"), "{}{}", ran.out, ran.err);
    let ran = in_session(home.path(), "\"$HILUM\" pacs find && \"$HILUM\" pacs remove lab");
    assert!(ran.code == 0 && ran.out.contains("no study was found"), "{}{}", ran.out, ran.err);
    // Removed with its server.
    let again = format!("\"$HILUM\" pacs add lab {} --token && \"$HILUM\" pacs find", server.url());
    let ran = in_session(home.path(), &again);
    assert!(
        ran.code == 1 && ran.err.contains("the key ring has no password or token"),
        "{}{}",
        ran.out,
        ran.err
    );
}

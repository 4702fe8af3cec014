//! Servers: setting one up, searching, fetching, drawing, storing, and a login that is missing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use hilum::command::UiCommand;
use hilum_core::io::dicom::identify;
use hilum_core::io::{LabelTarget, open_labels_for};
use hilum_core::testing::shared_data;
use hilum_dicomweb::ServerList;
use hilum_dicomweb::testing::{Answer, FakePacs, FakeServer};

fn send(window: &mut Window<'_>, command: UiCommand) {
    window.harness.state().send(command);
    window.harness.run_ok();
}

fn type_into(window: &mut Window<'_>, field: &str, text: &str) {
    let role = if field.starts_with("Password") { Role::PasswordInput } else { Role::TextInput };
    window.harness.get_by_role_and_label(role, field).focus();
    window.harness.run_ok();
    window.press(CTRL, Key::A);
    window.harness.event(Event::Text(text.to_owned()));
    window.harness.run_ok();
}

/// Sets a server up as a person does.
fn set_up(window: &mut Window<'_>, name: &str, url: &str) {
    send(window, UiCommand::Servers);
    window.button("New server");
    type_into(window, "Name", name);
    type_into(window, "Address", url);
}

fn slices() -> Option<Vec<PathBuf>> {
    let folder = shared_data("data/dicom/dcmqi/ct-3slice")?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| identify(path).is_ok());
    files.sort();
    Some(files)
}

fn idle(state: &AppState) -> bool {
    state.remote.running.is_none()
}

#[test]
fn a_series_comes_from_a_server_and_its_labels_go_back() {
    let Some(slices) = slices() else { return };
    let folder = tempfile::tempdir().unwrap();
    let pacs = FakePacs::of(&slices);
    let mut window = Window::open(folder.path(), Vec::new());
    send(&mut window, UiCommand::OpenFromServer);
    assert!(window.harness.query_by_label_contains("No server has been set up").is_some());
    assert!(pacs.received().is_empty(), "nobody was asked for anything");
    set_up(&mut window, "Archive", "http://pacs.example/dicom-web");
    window.button("Save");
    assert!(window.state().remote.error.as_ref().unwrap().contains("plain HTTP"));
    type_into(&mut window, "Address", &pacs.url());
    window.button("Save");
    assert_eq!(window.state().remote.error, None);
    assert_eq!(ServerList::load(&folder.path().join("servers.toml")).unwrap().servers.len(), 1);
    window.button("Test connection");
    window.until("the server answers", |s| s.remote.done.as_deref() == Some("The server answers"));

    send(&mut window, UiCommand::OpenFromServer);
    type_into(&mut window, "Patient name", "Nobody");
    window.button("Search");
    window.until("nothing is found", |s| s.remote.studies.as_ref().is_some_and(Vec::is_empty));
    type_into(&mut window, "Patient name", "Phantom");
    window.button("Search");
    window.until("the study is found", |s| s.remote.studies.as_ref().is_some_and(|found| found.len() == 1));
    window.harness.get_by_label("Phantom^Paula").click();
    window.until("its series is listed", |s| s.remote.series.len() == 1);
    // Slow enough to be stopped.
    pacs.slow_down(Duration::from_millis(20));
    window.button("Fetch");
    window.until("it is fetched", |s| !idle(s));
    window.button("Stop");
    assert!(idle(window.state()) && window.state().session.is_none());
    pacs.slow_down(Duration::ZERO);
    window.button("Fetch");
    window.until("the image is open", is_complete);
    assert!(matches!(window.state().dialog, Dialog::None));
    assert_eq!(window.session().volume().grid().dims()[2], slices.len());
    assert!(!window.state().is_enabled(UiCommand::StoreOnServer), "there are no labels yet");

    window.press(Modifiers::NONE, Key::B);
    let at = window.position(ViewId::PLANES[0], window.session().views.crosshair);
    window.click(at);
    window.harness.run_ok();
    assert!(window.labelled() > 0);
    send(&mut window, UiCommand::StoreOnServer);
    window.button("Store");
    window.until("the labels are stored", |s| s.remote.done.as_ref().is_some_and(|t| t.contains("compared")));
    assert!(!window.session().has_unsaved_work());
    let stored = pacs.objects().into_iter().find(|object| object.modality == "SEG").expect("a segmentation");
    assert_eq!(stored.study_uid, identify(&slices[0]).unwrap().study_uid);

    // Another day: the labels are fetched into the image.
    let painted = window.session().document.labels().to_voxels();
    window.button("Close");
    window.press(CTRL, Key::Z);
    assert_eq!(window.labelled(), 0);
    send(&mut window, UiCommand::OpenFromServer);
    window.harness.get_by_label("Phantom^Paula").click();
    window.until("both series are listed", |s| s.remote.series.len() == 2);
    let seg = window.state().remote.series.iter().find(|series| series.modality == "SEG").unwrap().clone();
    let fetch = hilum::command::RemoteAction::Fetch { study: seg.study_uid.clone(), series: seg.uid.clone() };
    window.harness.state().send(fetch);
    window.until("the labels are there again", |s| {
        s.session.as_ref().is_some_and(|session| session.document.labels().count(1) > 0)
    });
    assert!(window.session().document.labels().to_voxels() == painted);
    let session = window.session();
    let target = LabelTarget { grid: session.volume().grid(), source: &session.volume().meta().source };
    // The only server's folder.
    let server = std::fs::read_dir(folder.path().join("fetched")).unwrap().next().unwrap().unwrap().path();
    let file = server.join(seg.study_uid.as_str()).join(seg.uid.as_str());
    let file = file.join(format!("{}.dcm", stored.instance_uid));
    assert!(open_labels_for(&file, target).unwrap().labels == painted, "in patient coordinates");
}

#[test]
fn a_login_is_asked_for_and_what_was_wanted_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let server = FakeServer::start(|request| match request.header("authorization") {
        "Basic ZXZhOmh1bnRlcjI=" => Answer::json("[]"),
        _ => Answer::empty(401),
    });
    let mut window = Window::open(folder.path(), Vec::new());
    set_up(&mut window, "Ward", &server.url());
    window.harness.get_by_role_and_label(Role::RadioButton, "user name").click();
    window.harness.run_ok();
    type_into(&mut window, "User name", "eva");
    window.button("Save");
    send(&mut window, UiCommand::OpenFromServer);
    window.button("Search");
    window.until("a login is asked for", |s| s.remote.login.is_some());
    assert!(server.received().is_empty(), "nothing is sent without a password");
    type_into(&mut window, "Password or token", "wrong");
    window.button("Log in");
    window.until("it is refused", |s| s.remote.login.as_ref().is_some_and(|l| l.why.contains("HTTP 401")));
    type_into(&mut window, "Password or token", "hunter2");
    let printed = format!("{:?}", window.state());
    assert!(!printed.contains("hunter2"), "the state can be printed");
    window.button("Log in");
    window.until("the search is done", |s| s.remote.studies.as_ref().is_some_and(Vec::is_empty));
    let warnings: Vec<_> = window.state().messages.list().iter().map(|m| m.text.clone()).collect();
    assert!(warnings.iter().any(|text| text.contains("key ring")), "{warnings:?}");
    let file = std::fs::read_to_string(folder.path().join("servers.toml")).unwrap();
    assert!(file.contains("eva") && !file.contains("hunter2"), "{file}");
}

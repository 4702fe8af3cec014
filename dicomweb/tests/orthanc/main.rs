//! The way of an image and its labels to a real archive and back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hilum_core::io::dicom::{identify, list_series};
use hilum_core::io::{
    LabelExport, LabelFormat, LabelName, LabelTarget, OpenOptions, export, open, open_labels_for,
};
use hilum_core::testing::shared_data;
use hilum_core::volume::Volume;
use hilum_dicomweb::testing::{MemoryKeyRing, Orthanc, OrthancOptions};
use hilum_dicomweb::{Auth, Client, Patience, Query, Secret, Secrets, Server, Uid, WebError};
use tls::{Authority, TlsProxy};

const SERIES: [&str; 2] = ["data/dicom/ct_liver_series/image", "data/dicom/dcmqi/ct-3slice"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| identify(path).is_ok());
    files.sort();
    files
}

fn client(server: &Server, secrets: &Secrets) -> Client {
    let patience = Patience { pause: Duration::from_millis(200), ..Patience::default() };
    Client::with_patience(server, secrets, patience).unwrap()
}

fn no_secrets() -> Secrets {
    Secrets::new(Arc::new(MemoryKeyRing::default()))
}

fn volume(path: &Path) -> Volume {
    open(path, &OpenOptions::default(), &()).unwrap().volume
}

/// A ball and a box in the middle of the image, in patient coordinates of its own.
fn labels(volume: &Volume) -> Vec<u16> {
    let grid = volume.grid();
    let [x, y, z] = grid.dims();
    let middle = grid.world_of([x / 2, y / 2, z / 2]);
    let label = |index: usize| {
        let voxel = grid.voxel(index);
        if (grid.world_of(voxel) - middle).norm() < 22.0 {
            1
        } else {
            u16::from(voxel[0] < 40 && (30..60).contains(&voxel[1]) && voxel[2] % 7 < 3) * 2
        }
    };
    (0..grid.voxel_count()).map(label).collect()
}

/// Stores a series, finds and fetches it, and compares the voxels; then the same with labels drawn on it.
fn round_trip(client: &Client, source: &Path, format: LabelFormat) {
    let folder = tempfile::tempdir().unwrap();
    let original = files(source);
    let stored = client.store(&original, &()).unwrap().check().unwrap();
    assert_eq!(stored.len(), original.len());
    let identity = identify(&original[0]).unwrap();
    let (study, series) = (Uid::new(&identity.study_uid).unwrap(), Uid::new(&identity.series_uid).unwrap());

    let found = client.studies(&Query { modality: "ct".into(), ..Query::default() }, &()).unwrap();
    let one = found.iter().find(|found| found.uid == study).expect("the study is found by modality");
    assert!(one.modalities.contains(&"CT".to_owned()), "{one:?}");
    let by_name = Query { patient_name: one.patient_name.clone(), ..Query::default() };
    assert!(client.studies(&by_name, &()).unwrap().iter().any(|found| found.uid == study));
    let by_id = Query { patient_id: one.patient_id.clone(), ..Query::default() };
    assert!(client.studies(&by_id, &()).unwrap().iter().any(|found| found.uid == study));
    let nobody = Query { patient_id: "nobody-has-this-id".into(), ..Query::default() };
    assert_eq!(client.studies(&nobody, &()).unwrap(), []);
    if !one.date.is_empty() {
        let day = Query { from: one.date.clone(), until: one.date.clone(), ..Query::default() };
        assert!(client.studies(&day, &()).unwrap().iter().any(|found| found.uid == study));
        let before = Query { until: "1900-01-01".into(), ..Query::default() };
        assert_eq!(client.studies(&before, &()).unwrap(), []);
    }
    let listed = client.series(&study, &()).unwrap();
    let one = listed.iter().find(|found| found.uid == series).unwrap();
    assert_eq!((one.modality.as_str(), one.instances), ("CT", Some(original.len() as i64)));
    assert_eq!(client.find_series(&series, &()).unwrap().study_uid, study);

    let into = folder.path().join("series");
    let fetched = client.fetch_series(&study, &series, &into, &()).unwrap();
    assert_eq!((fetched.instances, fetched.kept), (original.len(), 0));
    let (want, got) = (volume(source), volume(&into));
    assert_eq!(got.grid(), want.grid());
    assert_eq!(got.voxels(), want.voxels());

    // Drawn on what was fetched, as a person would.
    let labels = labels(&got);
    assert!(labels.contains(&1) && labels.contains(&2));
    let names = [(1, "Lesion"), (2, "Box")].map(|(value, name)| LabelName {
        value,
        name: name.into(),
        color: [200, 30, 40],
    });
    let wanted = LabelExport {
        labels: &labels,
        grid: got.grid(),
        source: &got.meta().source,
        names: &names,
        covered: &[],
    };
    let file = folder.path().join("labels.dcm");
    export::save_labels(&file, &wanted, Some(format)).unwrap();
    client.store(std::slice::from_ref(&file), &()).unwrap().check().unwrap();
    let identity = identify(&file).unwrap();
    assert_eq!(identity.study_uid, study.as_str());
    let back = folder.path().join("back");
    let label_series = Uid::new(&identity.series_uid).unwrap();
    client.fetch_series(&study, &label_series, &back, &()).unwrap();
    // Against the original images, in patient coordinates.
    let target = LabelTarget { grid: want.grid(), source: &want.meta().source };
    let read = open_labels_for(&back.join(format!("{}.dcm", identity.instance_uid)), target).unwrap();
    assert!(read.grid.matches(want.grid()));
    for label in [1, 2] {
        let expected: Vec<bool> = labels.iter().map(|l| *l == label).collect();
        assert!(read.mask_of(label) == expected, "label {label} of {format:?}");
    }
    assert_eq!(read.names.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["Lesion", "Box"]);
    assert_eq!(client.series(&study, &()).unwrap().len(), listed.len() + 1);
}

#[test]
fn a_series_and_its_labels_go_to_orthanc_and_back() {
    let Some(orthanc) = Orthanc::start(&OrthancOptions::default()) else { return };
    let client = client(&Server::new("orthanc", orthanc.url()), &no_secrets());
    assert_eq!(client.studies(&Query::default(), &()).unwrap(), []);
    for (source, format) in SERIES.into_iter().zip([LabelFormat::DicomSeg, LabelFormat::RtStruct]) {
        let Some(source) = shared_data(source) else { return };
        assert_eq!(list_series(&source, &OpenOptions::default(), &()).unwrap().len(), 1);
        round_trip(&client, &source, format);
    }
    let unknown = client.find_series(&Uid::new("1.2.3").unwrap(), &()).unwrap_err();
    assert!(matches!(unknown, WebError::NotFound { .. }), "{unknown}");
}

/// A server that speaks TLS with a certificate of an authority of our own, and a login.
#[test]
fn with_tls_and_a_login_only_the_right_server_and_the_right_user_pass() {
    let login = Some(("eva".to_owned(), "pa ss:wörd".to_owned()));
    let Some(orthanc) = Orthanc::start(&OrthancOptions { login }) else { return };
    let (authority, other) = (Authority::new(), Authority::new());
    let proxy = TlsProxy::start(orthanc.port(), &authority);
    let folder = tempfile::tempdir().unwrap();
    let [ours, others] = [("ca.pem", &authority), ("other.pem", &other)].map(|(name, authority)| {
        let path = folder.path().join(name);
        std::fs::write(&path, authority.pem()).unwrap();
        path
    });
    let server = Server {
        auth: Auth::Basic { user: "eva".into() },
        ca_file: Some(ours),
        ..Server::new("orthanc", format!("https://localhost:{}/dicom-web", proxy.port()))
    };
    let secrets = no_secrets();
    let ask = |server: &Server, secret: &str| {
        secrets.keep(server, Secret::new(secret.into()).unwrap()).unwrap();
        client(server, &secrets).studies(&Query::default(), &())
    };
    assert_eq!(ask(&server, "pa ss:wörd").unwrap(), []);
    assert!(matches!(ask(&server, "wrong"), Err(WebError::Refused { status: 401 })));
    for ca_file in [None, Some(others)] {
        let error = ask(&Server { ca_file, ..server.clone() }, "pa ss:wörd").unwrap_err();
        assert!(matches!(error, WebError::Tls(_)), "{error:?}");
    }
    // The certificate is for another name.
    let other_name = Server { url: server.url.replace("localhost", "127.0.0.1"), ..server.clone() };
    let error = ask(&other_name, "pa ss:wörd").unwrap_err();
    assert!(matches!(error, WebError::Tls(_)), "{error:?}");
    let Some(source) = shared_data(SERIES[1]) else { return };
    secrets.keep(&server, Secret::new("pa ss:wörd".into()).unwrap()).unwrap();
    round_trip(&client(&server, &secrets), &source, LabelFormat::DicomSeg);
}

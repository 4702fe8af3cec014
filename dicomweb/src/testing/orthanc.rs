//! A real archive: Orthanc with its DICOMweb plugin (Debian: `orthanc`, `orthanc-dicomweb`), on loopback, with a storage
//! of its own that vanishes with it. It speaks plain HTTP: that of Debian 12 crashes at the first TLS connection.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

const PROGRAMS: [&str; 3] = ["/usr/sbin/Orthanc", "/usr/bin/Orthanc", "/usr/local/sbin/Orthanc"];
const PLUGINS: [&str; 3] = [
    "/usr/share/orthanc/plugins/libOrthancDicomWeb.so",
    "/usr/local/share/orthanc/plugins/libOrthancDicomWeb.so",
    "/usr/lib/orthanc/libOrthancDicomWeb.so",
];
/// A start takes a second or two, on a busy machine many times that.
const LONGEST_START: Duration = Duration::from_secs(120);

/// How Orthanc is to run.
#[derive(Clone, Debug, Default)]
pub struct OrthancOptions {
    /// User name and password that it wants.
    pub login: Option<(String, String)>,
}

/// A running Orthanc; it ends when dropped.
pub struct Orthanc {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Orthanc {
    /// Starts it, if it is installed; otherwise says loudly that a test is skipped.
    ///
    /// # Panics
    /// If it is installed and does not start, or is absent where everything must be there.
    pub fn start(options: &OrthancOptions) -> Option<Self> {
        let find = |places: &[&str]| places.iter().map(PathBuf::from).find(|path| path.exists());
        let (Some(program), Some(plugin)) = (find(&PROGRAMS), find(&PLUGINS)) else {
            hilum_core::testing::skip(
                "Orthanc with its DICOMweb plugin (packages orthanc, orthanc-dicomweb)",
            );
            return None;
        };
        // Another process may take the port before Orthanc does.
        (0..3)
            .find_map(|_| Self::try_start(&program, &plugin, options))
            .or_else(|| panic!("Orthanc does not start"))
    }

    fn try_start(program: &Path, plugin: &Path, options: &OrthancOptions) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        // By this name the test knows that it talks to the one that it started, not to another test's.
        let name = format!("Hilum test {} {port}", std::process::id());
        let users = options.login.iter().map(|(user, password)| (user.clone(), json!(password)));
        let config = json!({
            "Name": &name,
            "StorageDirectory": folder.path().join("storage"),
            "IndexDirectory": folder.path().join("index"),
            "HttpPort": port,
            "RemoteAccessAllowed": false,
            "DicomServerEnabled": false,
            "AuthenticationEnabled": options.login.is_some(),
            "RegisteredUsers": users.collect::<serde_json::Map<_, _>>(),
            "Plugins": [plugin],
            "DicomWeb": {"Enable": true, "Root": "/dicom-web/"},
        });
        let path = folder.path().join("orthanc.json");
        std::fs::write(&path, config.to_string()).expect("a temporary file");
        let log = std::fs::File::create(folder.path().join("log")).expect("a temporary file");
        let mut process = Command::new(program)
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("an installed program starts");
        let began = Instant::now();
        while began.elapsed() < LONGEST_START {
            if let Ok(Some(_)) = process.try_wait() {
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                eprintln!("Orthanc ended: {log}");
                return None;
            }
            if name_of(port, options.login.as_ref()).as_deref() == Some(&name) {
                return Some(Self { process, port, _folder: folder });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        process.kill().ok();
        process.wait().ok();
        None
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its services are.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/dicom-web", self.port)
    }
}

/// What the archive at a port calls itself, once it answers.
fn name_of(port: u16, login: Option<&(String, String)>) -> Option<String> {
    let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).proxy(None).build();
    let mut request = Agent::from(config).get(format!("http://127.0.0.1:{port}/system"));
    if let Some((user, password)) = login {
        let coded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        request = request.header("Authorization", format!("Basic {coded}"));
    }
    let text = request.call().ok()?.body_mut().read_to_string().ok()?;
    let system: Value = serde_json::from_str(&text).ok()?;
    Some(system["Name"].as_str()?.to_owned())
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

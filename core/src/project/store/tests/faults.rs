//! Disks that fill up, folders that vanish, file systems without locks.

use std::fs::TryLockError;
use std::io;
use std::sync::Mutex;

use super::*;

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Fault {
    #[default]
    None,
    /// So many more bytes fit.
    Full(u64),
    /// The folder is not there.
    Vanished,
}

/// The disk with faults.
#[derive(Clone, Debug, Default)]
struct Faulty {
    fault: Arc<Mutex<Fault>>,
    has_no_locks: bool,
}

impl Faulty {
    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// How many of some bytes fit before the fault.
    fn room(&self, wanted: usize) -> io::Result<usize> {
        let mut fault = self.fault.lock().unwrap();
        match &mut *fault {
            Fault::None => Ok(wanted),
            Fault::Vanished => Err(io::ErrorKind::NotFound.into()),
            Fault::Full(left) => {
                let fits = wanted.min(usize::try_from(*left).unwrap());
                *left -= fits as u64;
                Ok(fits)
            }
        }
    }
}

impl Files for Faulty {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.room(0)?;
        Disk.read(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.room(0)?;
        Disk.names(folder)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.room(bytes.len())? < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Disk.replace(path, bytes)
    }

    fn write_at(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let fits = self.room(bytes.len())?;
        Disk.write_at(path, at, &bytes[..fits])?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.room(0)?;
        Disk.remove(path)
    }

    fn try_lock(&self, file: &std::fs::File) -> Result<(), TryLockError> {
        match self.has_no_locks {
            true => Err(TryLockError::Error(io::ErrorKind::Unsupported.into())),
            false => Disk.try_lock(file),
        }
    }
}

fn create_faulty(folder: &Path, files: &Faulty, document: &mut Document) -> Store {
    document.start_journal();
    let image = ImageReference::of(document.image());
    Store::create_on(Box::new(files.clone()), folder, image, &document.snapshot()).unwrap()
}

#[test]
fn nothing_is_lost_when_the_disk_fills_up_at_any_byte_or_the_folder_vanishes() {
    let mut probe = document();
    probe.start_journal();
    probe.apply(click(1)).unwrap();
    let mut frame = Vec::new();
    push_frame(&mut frame, &probe.take_unsaved()[0]).unwrap();
    let full = (0..frame.len()).map(|left| Fault::Full(left as u64));
    for fault in full.chain([Fault::Vanished]) {
        let folder = tempfile::tempdir().unwrap();
        let (files, mut document) = (Faulty::default(), document());
        let mut store = create_faulty(folder.path(), &files, &mut document);
        document.apply(click(1)).unwrap();
        store.append(&document.take_unsaved()).unwrap();
        document.apply(click(2)).unwrap();
        let records = document.take_unsaved();
        files.set(fault);
        let error = store.append(&records).unwrap_err();
        assert!(error.is_temporary(), "{error}");
        let text = error.to_string();
        let remedy = if fault == Fault::Vanished { "folder still exists" } else { "free some space" };
        assert!(text.contains(remedy), "{text}");
        assert!(store.compact().is_err() || fault != Fault::Vanished);
        files.set(Fault::None);
        store.append(&records).unwrap();
        drop(store);
        let (_, state, warnings) = reopen(folder.path());
        assert_eq!((state.snapshot(), warnings), (document.snapshot(), vec![]), "{fault:?}");
    }
}

#[test]
fn compaction_on_a_full_disk_changes_nothing_and_succeeds_later() {
    let folder = tempfile::tempdir().unwrap();
    let (files, mut document) = (Faulty::default(), document());
    let mut store = create_faulty(folder.path(), &files, &mut document);
    for room in [0, 20, 100] {
        document.apply(click(1)).unwrap();
        store.append(&document.take_unsaved()).unwrap();
        files.set(Fault::Full(room));
        assert!(store.compact().unwrap_err().is_temporary());
        files.set(Fault::None);
    }
    document.apply(click(2)).unwrap();
    store.append(&document.take_unsaved()).unwrap();
    store.compact().unwrap();
    drop(store);
    let (_, state, warnings) = reopen(folder.path());
    assert_eq!((state.snapshot(), warnings), (document.snapshot(), vec![]));
}

#[test]
fn without_locks_a_living_owner_is_respected_and_a_dead_one_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let (files, mut document) = (Faulty { has_no_locks: true, ..Faulty::default() }, document());
    let store = create_faulty(folder.path(), &files, &mut document);
    assert!(!store.is_locked());
    let error = Store::open_on(Box::new(files.clone()), folder.path()).unwrap_err();
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(store);
    let (store, saved) = Store::open_on(Box::new(files.clone()), folder.path()).unwrap();
    assert_eq!(saved.warnings, [StoreWarning::NoLock]);
    drop(store);
    // A program that was killed leaves its name.
    let mut child =
        std::process::Command::new(std::env::current_exe().unwrap()).arg("--list").spawn().unwrap();
    child.wait().unwrap();
    let lock = folder.path().join("lock");
    std::fs::write(&lock, child.id().to_string()).unwrap();
    let opened = Store::open_on(Box::new(files.clone()), folder.path());
    assert!(opened.is_ok() || !Path::new("/proc/self").exists());
    drop(opened);
    let elsewhere = r#"{"process":1,"host":"another","user":"eva","since_unix_secs":60}"#;
    std::fs::write(&lock, elsewhere).unwrap();
    let error = Store::open_on(Box::new(files), folder.path()).unwrap_err();
    assert!(error.to_string().contains("eva, process 1 on another, since 1970"), "{error}");
    assert!(Store::open(folder.path()).is_ok(), "where there are locks, a name alone is stale");
}

/// A real full disk: a tmpfs of a few kilobytes. Needs the right to mount.
#[test]
fn a_real_full_disk_is_announced_and_the_work_is_kept_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(path)
        .stderr(std::process::Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        crate::testing::skip("the right to mount a small disk");
        return;
    }
    let outcome = std::panic::catch_unwind(|| fill_up(path));
    std::process::Command::new("umount").arg(path).status().ok();
    outcome.unwrap();
}

fn fill_up(disk: &Path) {
    let case = disk.join("case");
    let mut document = document();
    let mut store = create(&case, &mut document);
    let mut saved = 0;
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![0; 24 << 10]).unwrap();
    let error = loop {
        document.apply(click(saved % 7)).unwrap();
        let records = document.take_unsaved();
        match store.append(&records) {
            Ok(()) => saved += 1,
            Err(error) => break (error, records),
        }
    };
    assert!(error.0.to_string().contains("free some space"), "{}", error.0);
    std::fs::remove_file(ballast).unwrap();
    store.append(&error.1).unwrap();
    drop(store);
    let (_, state, warnings) = reopen(&case);
    assert_eq!((state.history().len(), warnings), (saved + 1, vec![]));
    assert_eq!(state.snapshot(), document.snapshot());
}

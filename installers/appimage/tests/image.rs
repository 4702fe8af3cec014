//! A whole AppImage, made of the runtime and a small file system, started as a user starts it.

use std::fs::{self, File};
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use backhand::compression::Compressor;
use backhand::{FilesystemCompressor, FilesystemWriter, NodeHeader};

/// An AppImage whose `AppRun` is a link to a script that tells what it was started with.
fn image(folder: &Path, says: &str) -> PathBuf {
    let header = |permissions| NodeHeader { permissions, uid: 0, gid: 0, mtime: 0 };
    let script = format!("#!/bin/sh\necho {says} \"$@\" $(basename \"$APPIMAGE\")\nexit 7\n");
    let mut system = FilesystemWriter::default();
    system.set_compressor(FilesystemCompressor::new(Compressor::Gzip, None).unwrap());
    system.push_dir_all("usr/bin", header(0o755)).unwrap();
    system.push_file(Cursor::new(script.into_bytes()), "usr/bin/run", header(0o755)).unwrap();
    system.push_symlink("usr/bin/run", "AppRun", header(0o777)).unwrap();

    let path = folder.join("Test.AppImage");
    fs::copy(env!("CARGO_BIN_EXE_hilum-appimage"), &path).unwrap();
    let mut file = File::options().append(true).open(&path).unwrap();
    let end = file.seek(SeekFrom::End(0)).unwrap();
    let mut squashed = Cursor::new(Vec::new());
    system.write(&mut squashed).unwrap();
    file.write_all(squashed.get_ref()).unwrap();
    drop(file);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run(&path, folder, &["--appimage-offset"]), (Some(0), format!("{end}\n"), String::new()));
    path
}

fn run(image: &Path, folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(image);
    command.args(arguments).current_dir(folder).env("XDG_CACHE_HOME", folder.join("cache"));
    let Output { status, stdout, stderr } = loop {
        match command.output() {
            // Another test started a process while this file was still open for writing, and that process has not yet
            // closed what it inherited.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            answer => break answer.unwrap(),
        }
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn unpacked(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("cache/appimage")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_program_in_it_is_started_with_its_arguments_and_unpacked_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let image = image(folder.path(), "one");
    let answer = (Some(7), "one a b c Test.AppImage\n".to_owned(), String::new());
    assert_eq!(run(&image, folder.path(), &["a", "b c"]), answer);
    let [root] = &unpacked(folder.path())[..] else { panic!("one folder") };
    fs::write(root.join("usr/bin/run"), "#!/bin/sh\necho changed\n").unwrap();
    assert_eq!(run(&image, folder.path(), &[]).1, "changed\n", "a second start uses what is there");
}

#[test]
fn another_version_under_the_same_name_is_unpacked_anew() {
    let folder = tempfile::tempdir().unwrap();
    let first = image(folder.path(), "one");
    assert!(run(&first, folder.path(), &[]).1.starts_with("one"));
    let second = image(folder.path(), "another");
    assert!(run(&second, folder.path(), &[]).1.starts_with("another"));
    assert_eq!(unpacked(folder.path()).len(), 2);
}

#[test]
fn it_can_be_unpacked_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let image = image(folder.path(), "one");
    assert_eq!(run(&image, folder.path(), &["--appimage-extract"]).0, Some(0));
    let script = folder.path().join("squashfs-root/usr/bin/run");
    assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_link(folder.path().join("squashfs-root/AppRun")).unwrap(), Path::new("usr/bin/run"));
}

#[test]
fn a_file_that_was_not_downloaded_to_its_end_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let image = image(folder.path(), "one");
    let length = fs::metadata(&image).unwrap().len();
    let offset: u64 = run(&image, folder.path(), &["--appimage-offset"]).1.trim().parse().unwrap();
    // The last 4 KiB may be padding.
    for cut in [length - 4200, offset + 96, offset + 50] {
        File::options().write(true).open(&image).unwrap().set_len(cut).unwrap();
        let (code, _, error) = run(&image, folder.path(), &[]);
        assert_eq!(code, Some(1));
        assert!(error.contains("Test.AppImage"), "{error}");
    }
    assert!(!folder.path().join("cache/appimage").exists() || unpacked(folder.path()).is_empty());
}

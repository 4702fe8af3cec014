//! The executable part of an AppImage of type 2 (AppImage specification, "Image format"): an ELF file with a SquashFS
//! behind it, in which `AppRun` is started.
//!
//! It unpacks the file system into the user's cache once instead of mounting it at every start: that needs neither
//! FUSE nor its setuid helper, which current distributions no longer install, and Hilum is a single file in it.

mod elf;
mod unpack;

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
AppImage options:
  --appimage-extract   unpack into ./squashfs-root and end
  --appimage-offset    print where the file system begins in this file
  --appimage-version   print the version of this runtime
  --appimage-help      print this text
Every other argument goes to the program. The program is unpacked once into $XDG_CACHE_HOME/appimage (or
~/.cache/appimage); folders there that were not used for 60 days are removed.";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let image = image()?;
    let mut arguments = std::env::args_os().skip(1).peekable();
    let option = arguments.peek().and_then(|first| first.to_str()).unwrap_or_default();
    match option {
        "--appimage-help" => println!("{HELP}"),
        "--appimage-version" => println!("hilum-appimage {}", env!("CARGO_PKG_VERSION")),
        "--appimage-offset" => println!("{}", offset(&image)?),
        "--appimage-extract" => {
            let root = Path::new("squashfs-root");
            unpack::into_folder(&image, offset(&image)?, root)?;
            println!("{}", root.display());
        }
        "--appimage-mount" => {
            return Err("this AppImage is not mounted; use --appimage-extract to see what is in it".into());
        }
        "--appimage-extract-and-run" => return start(&image, arguments.skip(1).collect()),
        _ => return start(&image, arguments.collect()),
    }
    Ok(ExitCode::SUCCESS)
}

/// This file; `TARGET_APPIMAGE` names another one, as in other runtimes.
fn image() -> Result<PathBuf, String> {
    match std::env::var_os("TARGET_APPIMAGE") {
        Some(path) => Ok(PathBuf::from(path)),
        None => std::env::current_exe().map_err(|error| format!("this file cannot be found: {error}")),
    }
}

fn offset(image: &Path) -> Result<u64, String> {
    let mut file = File::open(image).map_err(|error| format!("{}: {error}", image.display()))?;
    elf::end(&mut file).map_err(|error| format!("{}: {error}", image.display()))
}

/// Replaces this process by the program; comes back only if that fails.
fn start(image: &Path, arguments: Vec<OsString>) -> Result<ExitCode, String> {
    let root = unpack::once(image, offset(image)?, &cache()?)?;
    let program = root.join("AppRun");
    let mut command = Command::new(&program);
    command.args(arguments).env("APPIMAGE", image).env("APPDIR", &root);
    if let Some(called) = std::env::args_os().next() {
        command.env("ARGV0", called);
    }
    if let Ok(here) = std::env::current_dir() {
        command.env("OWD", here);
    }
    Err(format!("{}: {}", program.display(), command.exec()))
}

fn cache() -> Result<PathBuf, String> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    Ok(base.ok_or("neither XDG_CACHE_HOME nor HOME names a folder to unpack into")?.join("appimage"))
}

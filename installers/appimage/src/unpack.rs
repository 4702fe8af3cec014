//! Unpacking the file system, once a version, and forgetting versions that are no longer used.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use backhand::{FilesystemReader, InnerNode};

/// Written into a folder at every start; its age is that of the last start.
const USED: &str = ".last-start";
const FORGET_AFTER: Duration = Duration::from_secs(60 * 24 * 3600);
/// The superblock of a SquashFS 4.0: version, time, sizes (the bytes used at 40) and tables, different for any two images.
const SUPERBLOCK_BYTES: usize = 96;

/// The folder of `cache` in which `image` lies unpacked; unpacks it where it is not there yet.
///
/// A folder appears under its name only when it is whole: two starts at once, or a start that is killed, do no harm.
pub fn once(image: &Path, offset: u64, cache: &Path) -> Result<PathBuf, String> {
    let name = image.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let root = cache.join(format!("{name}-{:016x}", fingerprint(image, offset)?));
    if !root.join(USED).exists() {
        fs::create_dir_all(cache).map_err(|error| format!("{}: {error}", cache.display()))?;
        let partial = cache.join(format!(".{name}-{}", std::process::id()));
        let moved = into_folder(image, offset, &partial).and_then(|()| {
            touch(&partial)?;
            fs::rename(&partial, &root).or_else(|error| {
                // Another start was quicker: what it unpacked is the same.
                if root.join(USED).exists() { Ok(()) } else { Err(format!("{}: {error}", root.display())) }
            })
        });
        if moved.is_err() || partial.exists() {
            let _ = fs::remove_dir_all(&partial);
        }
        moved?;
    }
    touch(&root)?;
    forget_unused(cache);
    Ok(root)
}

fn touch(root: &Path) -> Result<(), String> {
    fs::write(root.join(USED), []).map_err(|error| format!("{}: {error}", root.display()))
}

fn fingerprint(image: &Path, offset: u64) -> Result<u64, String> {
    let read = || -> std::io::Result<(u64, [u8; SUPERBLOCK_BYTES])> {
        let mut file = File::open(image)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut superblock = [0; SUPERBLOCK_BYTES];
        file.read_exact(&mut superblock)?;
        Ok((length, superblock))
    };
    let shown = image.display();
    let found = read().map_err(|error| format!("{shown}: no file system behind the program: {error}"))?;
    let used = u64::from_le_bytes(found.1[40..48].try_into().expect("eight bytes"));
    let needed = offset.saturating_add(used);
    if found.0 < needed {
        return Err(format!("{shown}: {} of {needed} bytes are there; download the file again", found.0));
    }
    let mut hasher = DefaultHasher::new();
    found.hash(&mut hasher);
    Ok(hasher.finish())
}

/// Removes folders whose last start is long ago. What cannot be removed stays: that is no reason not to start.
fn forget_unused(cache: &Path) {
    let now = SystemTime::now();
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let used = fs::metadata(entry.path().join(USED)).and_then(|marker| marker.modified());
        if used.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > FORGET_AFTER)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Unpacks all files, folders and links of the SquashFS at `offset` of `image` into `root`.
pub fn into_folder(image: &Path, offset: u64, root: &Path) -> Result<(), String> {
    let shown = image.display();
    let file = File::open(image).map_err(|error| format!("{shown}: {error}"))?;
    let system = FilesystemReader::from_reader_with_offset(BufReader::new(file), offset)
        .map_err(|error| format!("{shown}: the file system behind the program is damaged: {error}"))?;
    fs::create_dir_all(root).map_err(|error| format!("{}: {error}", root.display()))?;
    for node in system.files() {
        let to = inside(root, &node.fullpath)?;
        let written = match &node.inner {
            InnerNode::Dir(_) => fs::create_dir_all(&to),
            InnerNode::Symlink(link) => symlink(&link.link, &to),
            InnerNode::File(content) => {
                let mut reader = system.file(content).reader();
                File::create(&to).and_then(|mut file| {
                    std::io::copy(&mut reader, &mut file)?;
                    file.set_permissions(fs::Permissions::from_mode(u32::from(node.header.permissions)))
                })
            }
            // Devices, pipes and sockets have no business in a program's folder.
            _ => continue,
        };
        written.map_err(|error| format!("{}: {error}", to.display()))?;
    }
    Ok(())
}

/// A path of the image below `root`, refused where it would lead out of it.
fn inside(root: &Path, path: &Path) -> Result<PathBuf, String> {
    let mut below = root.to_owned();
    for component in path.components() {
        match component {
            Component::Normal(name) => below.push(name),
            Component::RootDir | Component::CurDir => {}
            _ => return Err(format!("{}: the path leads out of the image", path.display())),
        }
    }
    Ok(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        let root = Path::new("/root");
        assert_eq!(inside(root, Path::new("/usr/bin/x")).unwrap(), Path::new("/root/usr/bin/x"));
        assert_eq!(inside(root, Path::new("/")).unwrap(), root);
        assert!(inside(root, Path::new("/../etc/passwd")).is_err());
    }

    #[test]
    fn only_what_was_not_used_for_long_is_forgotten() {
        let cache = tempfile::tempdir().unwrap();
        for name in ["old", "new", "of-others"] {
            fs::create_dir(cache.path().join(name)).unwrap();
        }
        touch(&cache.path().join("new")).unwrap();
        touch(&cache.path().join("old")).unwrap();
        let marker = File::options().write(true).open(cache.path().join("old").join(USED)).unwrap();
        marker.set_modified(SystemTime::now() - FORGET_AFTER - Duration::from_secs(60)).unwrap();
        forget_unused(cache.path());
        let left = |name: &str| cache.path().join(name).exists();
        assert!(!left("old") && left("new") && left("of-others"));
    }
}

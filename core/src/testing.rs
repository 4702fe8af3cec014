//! Help for tests of every crate: where real data lies, when it is there.

use std::path::{Path, PathBuf};

/// Variable that turns "skipped" into a failure, set where everything optional is known to be installed.
pub const REQUIRE_ALL: &str = "HILUM_REQUIRE_ALL";

/// The path of `relative` inside the folder of shared test data, or `None` with a loud line when it is absent.
///
/// The folder is `$HILUM_SHARED`, else `shared/` beside the checkout. A test that gets `None` returns.
///
/// # Panics
/// Where the folder is there and holds no such path: a mistyped name must not pass for data that is absent.
pub fn shared_data(relative: &str) -> Option<PathBuf> {
    let root = shared_root();
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    assert!(!root.is_dir(), "the shared test data lies in {}, which holds no {relative}", root.display());
    eprintln!("skipped: shared data not found ({relative})");
    None
}

fn shared_root() -> PathBuf {
    match std::env::var_os("HILUM_SHARED") {
        Some(root) => PathBuf::from(root),
        None => in_package("../../shared"),
    }
}

/// The path of `relative` inside the folder of the crate under test.
///
/// Cargo says where that is when it runs a test. What the compiler was told counts only without cargo: a build folder
/// that several checkouts share may hold what was compiled in another one.
pub fn in_package(relative: &str) -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).join(relative)
}

/// Reports that an optional tool is absent, and fails where [`REQUIRE_ALL`] is set.
///
/// # Panics
/// Where the environment promises that everything optional is installed.
pub fn skip(what: &str) {
    assert!(std::env::var_os(REQUIRE_ALL).is_none(), "{what} is absent although {REQUIRE_ALL} is set");
    eprintln!("skipped: {what} not found");
}

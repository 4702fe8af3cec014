//! The program: a window, or a command of the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    hilum::memory::keep_freed_blocks();
    let folders = directories::ProjectDirs::from("", "", "Hilum");
    hilum_models::device::pin_configuration(folders.map(|folders| folders.cache_dir().to_owned()));
    hilum::cli::main(hilum::window::run)
}

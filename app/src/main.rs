//! The program: a window, or a command of the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    hilum::memory::keep_freed_blocks();
    hilum::cli::main(hilum::window::run)
}

//! The program: a window, or a command of the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    hilum::cli::main(hilum::window::run)
}

//! Starts `hilum` beside it without a console: on Windows a menu entry would otherwise open an empty console window behind
//! the program, which is a console program so that its command line can print.

#![cfg_attr(windows, windows_subsystem = "windows")]

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let Ok(own) = std::env::current_exe() else { return ExitCode::FAILURE };
    let mut command =
        Command::new(own.with_file_name("hilum").with_extension(std::env::consts::EXE_EXTENSION));
    command.args(std::env::args_os().skip(1));
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt as _;
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        command.creation_flags(CREATE_NO_WINDOW);
    }
    match command.status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1).into(),
        Err(_) => ExitCode::FAILURE,
    }
}

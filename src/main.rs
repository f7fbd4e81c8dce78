//! The binary: parse the command line, run the command, say what went wrong, exit with its code.

use std::process::ExitCode;

use clap::Parser;
use custem::stages::guard;
use mimalloc::MiMalloc;

/// Pipelines are many small values, and tables few large ones made on several threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == guard::WORD) {
        return guard::watch();
    }
    guard::arm();
    custem::commands::quiet_panics();
    let cli = match custem::cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return custem::commands::refuse(&error),
    };
    match custem::commands::run(&cli) {
        Ok(code) => code,
        Err(error) => custem::commands::report(&error, &cli),
    }
}

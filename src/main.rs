//! The binary: parse the command line, run the command, say what went wrong, exit with its code.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

/// Pipelines are many small values, and tables few large ones made on several threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = custem::cli::Cli::parse();
    custem::commands::quiet_panics();
    match custem::commands::run(&cli) {
        Ok(code) => code,
        Err(error) => custem::commands::report(&error, &cli),
    }
}

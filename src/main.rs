//! The binary: parse the command line, run the command, say what went wrong, exit with its code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = custem::cli::Cli::parse();
    custem::commands::quiet_panics();
    match custem::commands::run(&cli) {
        Ok(code) => code,
        Err(error) => custem::commands::report(&error, &cli),
    }
}

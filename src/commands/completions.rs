//! `custem completions`: a completion script for a shell.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::Cli;

pub fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "custem", &mut script);
    anstream::print!("{}", String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

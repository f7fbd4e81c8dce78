//! `custem runs`: the recorded runs.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::engine::Project;
use crate::observe::runs::{self, Run};
use crate::present::terminal;

pub fn runs(command: &cli::Runs, project: &Project) -> Result<ExitCode> {
    let experiments = project.experiments();
    match command {
        cli::Runs::List { count, json } => {
            let names = runs::names(&experiments);
            let newest = names.iter().rev().take(*count);
            let overviews: Vec<_> = newest
                .filter_map(|name| Run::read(&experiments, name).ok())
                .map(|run| run.overview())
                .collect();
            if *json {
                for overview in &overviews {
                    anstream::println!("{}", serde_json::to_string(overview)?);
                }
            } else {
                anstream::print!("{}", terminal::runs(&overviews));
            }
        }
        cli::Runs::Show { run, json } => {
            let run = Run::read(&experiments, &runs::find(&experiments, run)?)?;
            if *json {
                run.events.iter().for_each(|event| anstream::println!("{event}"));
            } else {
                anstream::print!("{}", terminal::run(&run));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

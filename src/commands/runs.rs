//! `custem runs`: the recorded runs.

mod output;

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cli;
use crate::engine::{Project, disk};
use crate::observe::runs::{self, Overview, Run};
use crate::present::terminal::{self, print, tell};
use crate::present::trace;

pub fn runs(command: &cli::Runs, project: &Project) -> Result<ExitCode> {
    let experiments = project.experiments();
    match command {
        cli::Runs::List { count, variants, json } => list(&experiments, *count, *variants, *json)?,
        cli::Runs::Show { run, output, json } => {
            let run = Run::read(&experiments, &runs::find(&experiments, run)?)?;
            if let Some(stage) = output {
                output::show(&experiments, run, stage)?;
            } else if *json {
                for event in &run.events {
                    print(format_args!("{event}\n"))?;
                }
            } else {
                print(format_args!("{}", terminal::run(&run)))?;
            }
        }
        cli::Runs::Trace { run, output } => {
            let run = Run::read(&experiments, &runs::find(&experiments, run)?)?;
            write(&format!("{:#}\n", trace::trace(&run)?), output.as_deref())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a trace to a file, or prints it where none is named.
fn write(trace: &str, output: Option<&Path>) -> Result<()> {
    let Some(path) = output else { return print(format_args!("{trace}")) };
    disk::replace(path, &[trace.as_bytes()]).with_context(|| format!("can't write `{}`", path.display()))?;
    tell(format_args!("{}: open it at https://ui.perfetto.dev\n", path.display()));
    Ok(())
}

/// Prints the newest runs; a sweep is one of them, and its variants are more where they are wanted.
fn list(experiments: &Path, count: usize, variants: bool, json: bool) -> Result<()> {
    runs::readable(experiments)?;
    let names = runs::names(experiments);
    let mut of_sweep: HashMap<&str, usize> = HashMap::new();
    names
        .iter()
        .filter_map(|name| runs::sweep_of(name))
        .for_each(|sweep| *of_sweep.entry(sweep).or_default() += 1);
    let listed: Vec<_> =
        names.iter().rev().filter(|name| variants || runs::sweep_of(name).is_none()).collect();
    let overview = |name: &&String| {
        let run = Run::outline(experiments, name).ok()?;
        Some(Overview { variants: of_sweep.get(name.as_str()).copied().unwrap_or(0), ..run.overview() })
    };
    let overviews: Vec<_> = listed.iter().take(count).filter_map(overview).collect();
    if json {
        for overview in &overviews {
            print(format_args!("{}\n", serde_json::to_string(overview)?))?;
        }
        return Ok(());
    }
    print(format_args!("{}", terminal::runs(&overviews, listed.len().saturating_sub(count))))?;
    Ok(())
}

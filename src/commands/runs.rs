//! `custem runs`: the recorded runs.

mod attribute;
mod best;
mod bisect;
mod chosen;
mod diff;
mod export;
mod list;
mod output;
mod rerun;

pub use diff::Recorded;

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::cli;
use crate::diagnostic::{Diagnostic, Problems};
use crate::engine::events::Event;
use crate::engine::{Project, disk};
use crate::observe::journal;
use crate::observe::runs::{self, Run, Status};
use crate::present::terminal::{self, print, tell};
use crate::present::trace;

pub fn runs(command: &cli::Runs, project: &Project) -> Result<ExitCode> {
    let experiments = project.experiments();
    match command {
        cli::Runs::List(flags) => list::list(flags, &experiments)?,
        cli::Runs::Show { run, output, json } => show(&experiments, run, output.as_deref(), *json)?,
        cli::Runs::Diff(flags) => return diff::diff(flags, project),
        cli::Runs::Best(flags) => best::best(flags, &experiments)?,
        cli::Runs::Bisect(flags) => bisect::bisect(flags, project)?,
        cli::Runs::Rerun { run, json } => return rerun::rerun(run, *json, project),
        cli::Runs::Rm { runs, force } => remove(&experiments, runs, *force)?,
        cli::Runs::Export(flags) => export::export(flags, &experiments)?,
        cli::Runs::Note { run, text } => note(&experiments, run, &text.join(" "))?,
        cli::Runs::Trace { run, output } => {
            let run = Run::read(&experiments, &runs::find(&experiments, run)?)?;
            write(&format!("{:#}\n", trace::trace(&run)?), output.as_deref())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(experiments: &Path, run: &str, output: Option<&str>, json: bool) -> Result<()> {
    let run = Run::read(experiments, &runs::find(experiments, run)?)?;
    if let Some(stage) = output {
        return output::show(experiments, run, stage);
    }
    if !json {
        return print(format_args!("{}", terminal::run(&run)));
    }
    run.events.iter().try_for_each(|event| print(format_args!("{event}\n")))
}

/// Writes a trace to a file, or prints it where none is named.
fn write(trace: &str, output: Option<&Path>) -> Result<()> {
    let Some(path) = output else { return print(format_args!("{trace}")) };
    disk::deliver(path, &[trace.as_bytes()]).with_context(|| format!("can't write `{}`", path.display()))?;
    tell(format_args!("{}: open it at https://ui.perfetto.dev\n", path.display()));
    Ok(())
}

/// Adds a note to the record of a run.
fn note(experiments: &Path, run: &str, text: &str) -> Result<()> {
    let run = runs::find(experiments, run)?;
    if text.trim().is_empty() {
        let problem = Diagnostic::error("the note is empty");
        return Err(Problems::from(
            problem.hint("write what is to be said: `custem runs note last \"first try\"`"),
        )
        .into());
    }
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    journal::append_to(experiments, &run, &Event::RunNote { text: text.trim().to_owned(), time })?;
    tell(format_args!("run {run}: noted\n"));
    Ok(())
}

/// Removes the records of runs, and those of a sweep's variants with it; all of them or none.
fn remove(experiments: &Path, wanted: &[String], force: bool) -> Result<()> {
    let mut found = Vec::new();
    for run in wanted {
        let run = runs::find(experiments, run)?;
        if !force && may_go_on(experiments, &run) {
            let problem =
                Diagnostic::error(format!("run {run} isn't over: it was written to within the last minute"));
            return Err(Problems::from(
                problem.hint("wait for it, or remove it all the same with `--force`"),
            )
            .into());
        }
        if !found.contains(&run) {
            found.push(run);
        }
    }
    let all = runs::names(experiments);
    for run in &found {
        let variants: Vec<_> = all.iter().filter(|name| runs::sweep_of(name) == Some(run)).collect();
        journal::remove(experiments, run)?;
        variants.iter().try_for_each(|variant| journal::remove(experiments, variant))?;
        let more =
            if variants.is_empty() { String::new() } else { format!(" with {} variants", variants.len()) };
        tell(format_args!("run {run}: removed{more}\n"));
    }
    Ok(())
}

/// Whether a run has no end and was written to a short time ago.
fn may_go_on(experiments: &Path, run: &str) -> bool {
    const MOMENT: u64 = 60;
    let unfinished =
        Run::outline(experiments, run).is_ok_and(|run| run.overview().status == Status::Unfinished);
    let written = std::fs::metadata(journal::log_path(experiments, run)).and_then(|meta| meta.modified());
    unfinished && written.is_ok_and(|at| at.elapsed().is_ok_and(|since| since.as_secs() < MOMENT))
}

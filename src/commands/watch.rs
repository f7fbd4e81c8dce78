//! `custem watch`: runs a pipeline, and again whenever something that it rests on changes.

mod bell;
mod ground;
mod prints;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::explain::{Form, explain};
use super::run::{Wish, recorded, stop_on_ctrl_c};
use super::{INTERRUPTED, meant, wanted};
use crate::cli;
use crate::engine::Project;
use crate::pipeline::{self, Pipeline};
use crate::present::terminal::{self, Wave, tell};
use crate::stages::KINDS;
use ground::Ground;
use prints::Prints;

pub fn watch(flags: &cli::Watch, project: &Project) -> Result<ExitCode> {
    let file = meant(&flags.target, project)?;
    let path = pipeline::locate(&project.root, &file);
    if !path.is_file() {
        pipeline::load(&project.root, &file, &flags.target.set, KINDS)?;
    }
    let cancelled = stop_on_ctrl_c();
    tell(format_args!("watching {}; Ctrl-C ends it\n", file.display()));
    let watched = Watched { flags, project, file, path };
    while !cancelled.load(Ordering::Relaxed) {
        watched.wave(&cancelled)?.wait(&cancelled);
    }
    Ok(ExitCode::from(INTERRUPTED))
}

/// What is run again and again.
struct Watched<'a> {
    flags: &'a cli::Watch,
    project: &'a Project,
    /// The pipeline as the user spelled it, and where it is.
    file: PathBuf,
    path: PathBuf,
}

impl Watched<'_> {
    /// Reads and runs the pipeline once, whatever comes of it; what to wait on then.
    ///
    /// # Errors
    /// When nobody can be told any more.
    fn wave(&self, cancelled: &Arc<AtomicBool>) -> Result<Ground> {
        let (ground, loaded) = self.read();
        let (pipeline, wanted) = match loaded {
            Ok(both) => both,
            Err(error) => {
                self.say(format_args!("waiting for {} to be mended", self.file.display()), &error);
                return Ok(ground);
            }
        };
        let mut ground = ground.with(&pipeline, &wanted);
        let prints = Prints::of(&pipeline, &self.project.root);
        match self.run(&pipeline, &prints, cancelled) {
            Ok(told) => told?,
            Err(error) => self.say(format_args!("the run broke off"), &error),
        }
        ground.take(prints.left());
        Ok(ground)
    }

    /// The pipeline as it stands, and the ground that its files are. What `stat` says of them is asked before
    /// they are read, so that a change in between isn't missed.
    fn read(&self) -> (Ground, Result<(Pipeline, Vec<bool>)>) {
        loop {
            let layers = pipeline::files(&self.path);
            let ground = Ground::of(&self.project.root, layers.clone());
            let loaded = self.load();
            // Another base may have been named meanwhile.
            if pipeline::files(&self.path) == layers {
                return (ground, loaded);
            }
        }
    }

    fn load(&self) -> Result<(Pipeline, Vec<bool>)> {
        let pipeline = pipeline::load(&self.project.root, &self.file, &self.flags.target.set, KINDS)?;
        let wanted = wanted(&pipeline, &self.flags.until)?;
        Ok((pipeline, wanted))
    }

    /// Runs it; what comes back says whether it could be told.
    fn run(&self, pipeline: &Pipeline, prints: &Prints, cancelled: &Arc<AtomicBool>) -> Result<Result<()>> {
        let wish = Wish {
            until: &self.flags.until,
            force: &[],
            jobs: self.flags.jobs,
            keep_going: self.flags.keep_going,
            locked: false,
            shared: true,
            json: self.flags.json,
            asked: None,
            config: None,
        };
        let wave = || prints.taken_beside(Wave::new(self.flags.json));
        Ok(recorded(&wish, pipeline, self.project, cancelled, &|_| Box::new(wave()))?.told)
    }

    fn say(&self, what: std::fmt::Arguments<'_>, error: &anyhow::Error) {
        tell(format_args!("{}  {what}\n", terminal::clock()));
        explain(error, self.flags.json.then_some(Form::Event));
    }
}

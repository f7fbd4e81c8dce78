//! Waves: a sweep whose next variants depend on what came out before, or on the time, run one after another into
//! one record. An ordinary pipeline is one wave.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::run::Wish;
use super::unfold::{Unfolding, left_out};
use super::{forced, wanted};
use crate::engine::Project;
use crate::engine::events::{Event, Sink, StageDone};
use crate::engine::executor::{self, Ended, Options};
use crate::engine::plan::History;
use crate::pipeline::Pipeline;

/// What a run is made of, besides its pipeline.
pub struct Ground<'a> {
    /// What is wanted of it.
    pub wish: &'a Wish<'a>,
    /// The project that it runs in.
    pub project: &'a Project,
    /// Who hears of it.
    pub sink: &'a dyn Sink,
    /// The ends of stages that were heard of after so many.
    pub ends: &'a dyn Fn(usize) -> Vec<StageDone>,
    /// The past of the pipeline.
    pub history: &'a dyn History,
    /// Whether the user wants to stop.
    pub cancelled: &'a AtomicBool,
}

/// Runs a pipeline; the pipeline as it has grown, where it grew.
///
/// # Errors
/// When the cache can't be used.
pub fn run(pipeline: &Pipeline, options: Options, ground: &Ground<'_>) -> Result<(Ended, Option<Pipeline>)> {
    let Some(unfolding) = Unfolding::of(pipeline, &ground.project.root) else {
        return Ok((ground.run(pipeline, &options)?, None));
    };
    let board = pipeline.tasks.iter().position(|task| task.draft.name == "sweep");
    let ranks = board.is_some_and(|board| options.wanted[board]);
    let mut waves = Waves { unfolding, options, ground, ranks, heard: 0, pushed: 0 };
    waves.all()?;
    waves.unfolding.close()?;
    let mut ended = waves.wave()?;
    ended.pushed = waves.pushed;
    Ok((ended, Some(waves.unfolding.into_pipeline())))
}

impl Ground<'_> {
    fn run(&self, pipeline: &Pipeline, options: &Options) -> Result<Ended> {
        executor::run(pipeline, self.project, options, self.sink, self.history, self.cancelled)
    }
}

struct Waves<'a> {
    unfolding: Unfolding,
    options: Options,
    ground: &'a Ground<'a>,
    /// Whether the leaderboard is wanted, and so what it compares.
    ranks: bool,
    heard: usize,
    pushed: usize,
}

impl Waves<'_> {
    /// Runs wave after wave until nothing is left to try.
    fn all(&mut self) -> Result<()> {
        loop {
            let over = self.unfolding.limit().is_some_and(|limit| self.options.start.elapsed() >= limit);
            let failed = !self.options.keep_going && self.options.past.failed();
            // Something is tried however short the time is.
            let over = over && self.unfolding.begun();
            if over || failed || self.ground.cancelled.load(Ordering::Relaxed) {
                return Ok(());
            }
            let Some(problems) = self.unfolding.next_wave() else { return Ok(()) };
            problems.into_iter().for_each(|one| self.ground.sink.event(&Event::Warning(left_out(one))));
            self.wave()?;
        }
    }

    /// Runs what has been added.
    fn wave(&mut self) -> Result<Ended> {
        let pipeline = self.unfolding.pipeline();
        // A stage of a variant, and the leaderboard, can be named before they are there.
        let there = |names: &[String]| {
            let there = names.iter().filter(|name| pipeline.find(name).is_ok());
            there.cloned().collect::<Vec<_>>()
        };
        let (mut until, force) = (there(self.ground.wish.until), there(self.ground.wish.force));
        if self.ranks && !self.ground.wish.until.is_empty() {
            let aims = pipeline.sweep.iter().flat_map(|sweep| &sweep.aims);
            until.extend(there(&aims.map(|aim| aim.stage.clone()).collect::<Vec<_>>()));
        }
        self.options.wanted = wanted(pipeline, &until)?;
        if until.is_empty() && !self.ground.wish.until.is_empty() {
            self.options.wanted.fill(false);
        }
        self.options.forced = forced(pipeline, &force)?;
        let mut ended = self.ground.run(pipeline, &self.options)?;
        self.options.past = std::mem::take(&mut ended.past);
        self.pushed += ended.pushed;
        let ends = (self.ground.ends)(self.heard);
        self.heard += ends.len();
        ends.iter().for_each(|end| self.unfolding.learn(&end.stage, &end.metrics));
        Ok(ended)
    }
}

//! Waves: a sweep whose next variants depend on what came out before, or on the time, run one after another into
//! one record. An ordinary pipeline is one wave.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::run::Wish;
use super::unfold::{Unfolding, left_out};
use super::{forced, wanted};
use crate::diagnostic::plural;
use crate::engine::Project;
use crate::engine::events::{Event, Note, Sink, StageDone};
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
    ended.past = waves.options.past;
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
    /// Runs wave after wave until nothing is left to try, or the time is over: then a wave that the cache has counts
    /// as any other, and of the first one that it lacks nothing starts.
    fn all(&mut self) -> Result<()> {
        self.options.curfew = self.unfolding.limit().and_then(|limit| self.options.start.checked_add(limit));
        loop {
            let failed = !self.options.keep_going && self.options.past.failed();
            if failed || self.ground.cancelled.load(Ordering::Relaxed) {
                return Ok(());
            }
            if let Some(note) = self.late() {
                self.ground.sink.event(&Event::Warning(note));
                return Ok(());
            }
            let Some(problems) = self.unfolding.next_wave() else { return Ok(()) };
            problems.into_iter().for_each(|one| self.ground.sink.event(&Event::Warning(left_out(one))));
            self.wave()?;
        }
    }

    /// What there is to say where the time ended the sweep.
    fn late(&self) -> Option<Note> {
        let limit = self.unfolding.limit()?.as_secs_f64();
        let variants = &self.unfolding.pipeline().sweep.as_ref()?.variants;
        let was_late = |task: &usize| self.options.past.was_late(*task);
        let late = variants.iter().filter(|variant| variant.tasks.iter().any(was_late)).count();
        let (all, were) = (plural(variants.len(), "variant"), if late == 1 { "was" } else { "were" });
        let message = format!("`max_time` ({limit} s) is over: {late} of {all} {were} not started");
        let hint = "the same command goes on where it stopped: what has run comes from the cache";
        (late > 0).then(|| Note { hint: Some(hint.to_owned()), ..Note::new(message) })
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

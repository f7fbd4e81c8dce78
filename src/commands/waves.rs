//! Waves: a sweep whose next variants depend on what came out before, or on the time, run one after another into
//! one record. An ordinary pipeline is one wave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::run::Wish;
use super::search::{Search, Tried};
use super::{forced, wanted};
use crate::engine::Project;
use crate::engine::events::{Event, Note, Sink, StageDone};
use crate::engine::executor::{self, Ended, Options};
use crate::engine::plan::History;
use crate::pipeline::growing::Growing;
use crate::pipeline::{Goal, Pipeline};

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
    let Some(growing) = pipeline.growing() else { return Ok((ground.run(pipeline, &options)?, None)) };
    let mut waves = Waves { growing, options, ground, metrics: HashMap::new(), heard: 0, pushed: 0 };
    waves.all()?;
    waves.growing.close()?;
    let mut ended = waves.wave()?;
    ended.pushed = waves.pushed;
    Ok((ended, Some(waves.growing.pipeline)))
}

impl Ground<'_> {
    fn run(&self, pipeline: &Pipeline, options: &Options) -> Result<Ended> {
        executor::run(pipeline, self.project, options, self.sink, self.history, self.cancelled)
    }
}

struct Waves<'a> {
    growing: Growing,
    options: Options,
    ground: &'a Ground<'a>,
    /// What each stage measured, by its label.
    metrics: HashMap<String, StageDone>,
    heard: usize,
    pushed: usize,
}

impl Waves<'_> {
    /// Runs wave after wave until nothing is left to try.
    fn all(&mut self) -> Result<()> {
        let Some(axes) = self.growing.axes() else { return Ok(()) };
        let (limit, mut search) = (axes.time, Search::new(axes));
        loop {
            let over = limit.is_some_and(|limit| self.options.start.elapsed() >= limit);
            let failed = !self.options.keep_going && self.options.past.failed();
            // Something is tried however short the time is.
            let over = over && !search.asked().is_empty();
            if over || failed || self.ground.cancelled.load(Ordering::Relaxed) {
                return Ok(());
            }
            let tried = self.tried(&search);
            let Some(axes) = self.growing.axes() else { return Ok(()) };
            let points = search.next(axes, &tried);
            if points.is_empty() {
                return Ok(());
            }
            for point in points {
                for seeded in self.growing.axes().map(|axes| axes.repeated(&point)).unwrap_or_default() {
                    self.add(seeded);
                }
            }
            self.wave()?;
        }
    }

    /// Adds a variant; one that makes no pipeline is told and left out.
    fn add(&mut self, point: Vec<Option<usize>>) {
        let problems = self.growing.add(point).err().unwrap_or_default();
        for problem in problems {
            let message = format!("a variant was left out: {}", problem.message);
            let note = problem.at.as_ref().map(|at| Note::at(message.clone(), at));
            let note = note.unwrap_or_else(|| Note::new(message));
            self.ground.sink.event(&Event::Warning(Note { hint: problem.hint, ..note }));
        }
    }

    /// Runs what has been added.
    fn wave(&mut self) -> Result<Ended> {
        let pipeline = &self.growing.pipeline;
        // A stage that is named by a variant is there once the variant is.
        let none = || vec![false; pipeline.tasks.len()];
        self.options.wanted = wanted(pipeline, self.ground.wish.until).unwrap_or_else(|_| none());
        self.options.forced = forced(pipeline, self.ground.wish.force).unwrap_or_else(|_| none());
        let mut ended = self.ground.run(pipeline, &self.options)?;
        self.options.past = std::mem::take(&mut ended.past);
        self.pushed += ended.pushed;
        let ends = (self.ground.ends)(self.heard);
        self.heard += ends.len();
        self.metrics.extend(ends.into_iter().map(|end| (end.stage.clone(), end)));
        Ok(ended)
    }

    /// What has been tried, and what came of it: the mean over its seeds of everything that is compared, turned
    /// so that the smallest is best.
    fn tried(&self, search: &Search) -> Vec<Tried> {
        let Some(sweep) = &self.growing.pipeline.sweep else { return Vec::new() };
        let mut values: HashMap<Vec<Option<usize>>, Vec<Vec<f64>>> = HashMap::new();
        for variant in &sweep.variants {
            let mut point = variant.point.clone();
            sweep.repeat.into_iter().for_each(|axis| point[axis] = None);
            let measured = sweep.aims.iter().zip(&variant.objectives).map(|(aim, task)| {
                let end = self.metrics.get(&self.growing.pipeline.tasks[*task].label);
                let value = end.and_then(|end| end.metrics.get(&aim.metric)).copied().unwrap_or(f64::NAN);
                if aim.goal == Goal::Max { -value } else { value }
            });
            values.entry(point).or_default().push(measured.collect());
        }
        let mean = |found: &[Vec<f64>], aim: usize| {
            let finite: Vec<_> = found.iter().map(|one| one[aim]).filter(|value| value.is_finite()).collect();
            finite.iter().sum::<f64>() / finite.len() as f64
        };
        let of = |point: &Vec<Option<usize>>| {
            let found = values.get(point).map_or(&[][..], Vec::as_slice);
            Tried {
                point: point.clone(),
                losses: (0..sweep.aims.len()).map(|aim| mean(found, aim)).collect(),
            }
        };
        search.asked().iter().map(of).collect()
    }
}

//! A sweep whose variants come in waves, unfolded: what has been measured so far says what is tried next. Doesn't
//! know where measures come from: a run has them from its stages, a plan from the cache.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::search::{Search, Tried};
use crate::diagnostic::Diagnostic;
use crate::engine::events::Note;
use crate::pipeline::growing::Growing;
use crate::pipeline::{Goal, Pipeline, Point};

/// A sweep that is unfolded wave by wave.
pub struct Unfolding {
    growing: Growing,
    search: Search,
    /// What each stage measured, by its label.
    metrics: HashMap<String, BTreeMap<String, f64>>,
    /// After which time nothing more is tried.
    limit: Option<Duration>,
}

impl Unfolding {
    /// A sweep without variants yet; none where a pipeline has none that comes in waves. `root` is the project's.
    pub fn of(pipeline: &Pipeline, root: &Path) -> Option<Self> {
        let mut growing = pipeline.growing(root)?;
        let axes = growing.axes()?;
        let (limit, search) = (axes.time, Search::new(axes));
        Some(Self { growing, search, metrics: HashMap::new(), limit })
    }

    /// The pipeline so far.
    pub fn pipeline(&self) -> &Pipeline {
        &self.growing.pipeline
    }

    /// The pipeline so far, when no more is asked.
    pub fn into_pipeline(self) -> Pipeline {
        self.growing.pipeline
    }

    /// After which time nothing more is tried.
    pub fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// Whether what is tried next depends on what was measured so far.
    pub fn depends(&mut self) -> bool {
        self.growing.axes().is_some_and(|axes| self.search.depends(axes))
    }

    /// Takes in what a stage measured.
    pub fn learn(&mut self, stage: &str, metrics: &BTreeMap<String, f64>) {
        self.metrics.insert(stage.to_owned(), metrics.clone());
    }

    /// Adds the variants that are tried next: what is wrong with those that make no pipeline, which are left out.
    /// None when nothing is left to try.
    pub fn next_wave(&mut self) -> Option<Vec<Diagnostic>> {
        let tried = self.tried();
        let points = self.search.next(self.growing.axes()?, &tried);
        if points.is_empty() {
            return None;
        }
        let mut problems = Vec::new();
        for point in points {
            for seeded in self.growing.axes()?.repeated(&point) {
                problems.extend(self.growing.add(seeded).err().unwrap_or_default());
            }
        }
        Some(problems)
    }

    /// Adds the leaderboard, and what needs it.
    ///
    /// # Errors
    /// When a stage doesn't fit it.
    pub fn close(&mut self) -> Result<()> {
        Ok(self.growing.close()?)
    }

    /// What has been tried, and what came of it: the mean over its seeds of everything that is compared, turned
    /// so that the smallest is best.
    fn tried(&self) -> Vec<Tried> {
        let pipeline = &self.growing.pipeline;
        let Some(sweep) = &pipeline.sweep else { return Vec::new() };
        let mut values: HashMap<Point, Vec<Vec<f64>>> = HashMap::new();
        for variant in &sweep.variants {
            let mut point = variant.point.clone();
            sweep.repeat.into_iter().for_each(|axis| point[axis] = None);
            let measured = sweep.aims.iter().zip(&variant.objectives).map(|(aim, task)| {
                let metrics = self.metrics.get(&pipeline.tasks[*task].label);
                let value = metrics.and_then(|metrics| metrics.get(&aim.metric)).copied().unwrap_or(f64::NAN);
                if aim.goal == Goal::Max { -value } else { value }
            });
            values.entry(point).or_default().push(measured.collect());
        }
        let mean = |found: &[Vec<f64>], aim: usize| {
            let finite: Vec<_> = found.iter().map(|one| one[aim]).filter(|value| value.is_finite()).collect();
            finite.iter().sum::<f64>() / finite.len() as f64
        };
        let of = |point: &Point| {
            let found = values.get(point).map_or(&[][..], Vec::as_slice);
            Tried {
                point: point.clone(),
                losses: (0..sweep.aims.len()).map(|aim| mean(found, aim)).collect(),
            }
        };
        self.search.asked().iter().map(of).collect()
    }
}

/// A variant that makes no pipeline, for people.
pub fn left_out(problem: Diagnostic) -> Note {
    let message = format!("a variant was left out: {}", problem.message);
    let note = problem.at.as_ref().map(|at| Note::at(message.clone(), at));
    Note { hint: problem.hint, ..note.unwrap_or_else(|| Note::new(message)) }
}

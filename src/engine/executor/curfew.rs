//! The time of a sweep: once it is over, no variant starts that hasn't. One that has begun goes on to its end,
//! what the cache has counts whenever it comes, and what is no variant's isn't held up.

use std::time::Instant;

use crate::pipeline::Pipeline;

/// Why a stage was skipped.
pub const OVER: &str = "`max_time` is over";

/// After when nothing new of a sweep starts.
pub struct Curfew {
    at: Instant,
    /// The variants that each task is of.
    variants: Vec<Vec<usize>>,
    /// Per variant, how many share the task of it that the fewest share: with such a task it begins.
    fewest: Vec<usize>,
    begun: Vec<bool>,
    /// Whether anything has been tried: something is, however short the time is.
    any: bool,
}

impl Curfew {
    /// That of a pipeline; `tried` tells whether there were variants before it.
    pub fn new(pipeline: &Pipeline, at: Instant, tried: bool) -> Self {
        let all = pipeline.sweep.as_ref().map_or(&[][..], |sweep| &sweep.variants);
        let mut variants = vec![Vec::new(); pipeline.tasks.len()];
        for (number, variant) in all.iter().enumerate() {
            variant.tasks.iter().for_each(|task| variants[*task].push(number));
        }
        let fewest = |tasks: &[usize]| tasks.iter().map(|task| variants[*task].len()).min().unwrap_or(0);
        let fewest = all.iter().map(|variant| fewest(&variant.tasks)).collect();
        Self { at, fewest, variants, begun: vec![false; all.len()], any: tried }
    }

    /// The order in which tasks are started: all of the first variant, then what the second one has besides, so
    /// that few variants have begun at any time. What is no variant's comes last.
    pub fn ways(&self) -> Vec<f64> {
        let first = |variants: &Vec<usize>| variants.first().map_or(f64::MIN, |first| -(*first as f64));
        self.variants.iter().map(first).collect()
    }

    /// Whether a task may not start any more.
    pub fn forbids(&self, task: usize) -> bool {
        let own = &self.variants[task];
        let begun = || own.iter().any(|variant| self.begun[*variant]);
        self.any && !own.is_empty() && Instant::now() >= self.at && !begun()
    }

    /// A task has started, and with it perhaps the variants that it is of.
    pub fn begin(&mut self, task: usize) {
        let own = &self.variants[task];
        for variant in own.iter().copied().filter(|variant| self.fewest[*variant] == own.len()) {
            self.begun[variant] = true;
            self.any = true;
        }
    }
}

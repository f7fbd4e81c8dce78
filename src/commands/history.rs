//! The key, the metrics and the time that each task had when it last came out well, read from the logs
//! when they are asked for.

use std::path::PathBuf;
use std::sync::Mutex;

use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::plan::Last;
use crate::observe::ends::{End, Ends};
use crate::observe::runs;
use crate::present::terminal::Metrics;

/// How many runs back a task is looked for.
const DEPTH: usize = 50;

/// The past runs of a pipeline, newest first, read as far back as they are asked about.
pub struct History {
    experiments: PathBuf,
    pipeline: String,
    /// The run that is going on, which is no past.
    now: Option<String>,
    past: Mutex<Option<Past>>,
}

/// What has been taken in, and the runs that have not.
struct Past {
    /// Newest first.
    read: Vec<Ends>,
    /// Newest last.
    unread: Vec<String>,
}

impl History {
    /// The past of a pipeline by its name.
    pub fn new(project: &Project, pipeline: &str) -> Self {
        let (experiments, pipeline) = (project.experiments(), pipeline.to_owned());
        Self { experiments, pipeline, now: None, past: Mutex::default() }
    }

    /// The past as seen from a run that is being recorded.
    pub fn before(self, run: &str) -> Self {
        Self { now: Some(run.to_owned()), ..self }
    }

    /// A task as it last came out well.
    pub fn last(&self, label: &str) -> Option<Last> {
        let (key, end) = self.ended(label)?;
        Some(Last { key, seconds: end.seconds })
    }

    /// What a task measured when it last came out well.
    pub fn metrics(&self, label: &str) -> Option<Metrics> {
        self.ended(label).map(|(_, end)| end.metrics)
    }

    fn ended(&self, label: &str) -> Option<(Digest, End)> {
        let mut past = self.past.lock().ok()?;
        let past = past.get_or_insert_with(|| Past { read: Vec::new(), unread: self.runs() });
        for back in 0.. {
            if back == past.read.len() {
                let run = past.unread.pop()?;
                past.read.push(Ends::read(&self.experiments, &run, &self.pipeline).unwrap_or_default());
            }
            let end = past.read[back].of(label);
            if let Some(found) = end.and_then(|end| Some((end.key.parse().ok()?, end))) {
                return Some(found);
            }
        }
        None
    }

    /// The names of the runs that count, newest last.
    fn runs(&self) -> Vec<String> {
        let mut names = runs::names(&self.experiments);
        names.retain(|name| !name.contains('.') && self.now.as_ref() != Some(name));
        names.split_off(names.len().saturating_sub(DEPTH))
    }
}

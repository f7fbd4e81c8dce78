//! The key, the metrics and the time that each task had when it last came out well, and its parameters then,
//! read from the records when they are asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::plan::{self, Last};
use crate::observe::ends::{End, Ends};
use crate::observe::{journal, runs};
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
    /// Newest first, each with its run.
    read: Vec<(String, Ends)>,
    /// The stages of runs whose pipelines have been read.
    stages: HashMap<String, toml::Table>,
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

    /// What a task measured when it last came out well.
    pub fn metrics(&self, label: &str) -> Option<Metrics> {
        self.ended(label).map(|(.., end)| end.metrics)
    }

    /// The last run of the pipeline.
    pub fn run(&self) -> Option<String> {
        self.newest(|run, ends| ends.is_any().then(|| run.to_owned()))
    }

    fn ended(&self, label: &str) -> Option<(String, Digest, End)> {
        self.newest(|run, ends| {
            let end = ends.of(label)?;
            Some((run.to_owned(), end.key.parse().ok()?, end))
        })
    }

    /// What is found in the newest run that has it.
    fn newest<T>(&self, found: impl Fn(&str, &Ends) -> Option<T>) -> Option<T> {
        let mut past = self.past.lock().ok()?;
        let past = past.get_or_insert_with(|| self.unread());
        for back in 0.. {
            if back == past.read.len() {
                let run = past.unread.pop()?;
                let ends = Ends::read(&self.experiments, &run, &self.pipeline).unwrap_or_default();
                past.read.push((run, ends));
            }
            let (run, ends) = &past.read[back];
            if let Some(found) = found(run, ends) {
                return Some(found);
            }
        }
        None
    }

    fn unread(&self) -> Past {
        Past { read: Vec::new(), stages: HashMap::new(), unread: self.runs() }
    }

    /// The names of the runs that count, newest last.
    fn runs(&self) -> Vec<String> {
        let mut names = runs::names(&self.experiments);
        names.retain(|name| !name.contains('.') && self.now.as_ref() != Some(name));
        names.split_off(names.len().saturating_sub(DEPTH))
    }
}

impl plan::History for History {
    fn last(&self, label: &str) -> Option<Last> {
        let (_, key, end) = self.ended(label)?;
        Some(Last { key, seconds: end.seconds })
    }

    fn params(&self, label: &str) -> Option<toml::Table> {
        let (run, ..) = self.ended(label)?;
        let mut past = self.past.lock().ok()?;
        let stages = &mut past.as_mut()?.stages;
        let stages = stages.entry(run).or_insert_with_key(|run| stages_of(&self.experiments, run));
        stages.get(stage_of(label))?.as_table().cloned()
    }
}

/// The stages of the pipeline that a run ran, as it was recorded; none where it can't be read.
pub fn stages_of(experiments: &Path, run: &str) -> toml::Table {
    let text = fs_err::read_to_string(journal::config_path(experiments, run)).unwrap_or_default();
    let config = text.parse::<toml::Table>().unwrap_or_default();
    config.get("stages").and_then(toml::Value::as_table).cloned().unwrap_or_default()
}

/// The stage behind a task.
pub fn stage_of(label: &str) -> &str {
    label.split('[').next().unwrap_or(label)
}

//! The key, the metrics and the time that each task had when it last came out well, and its parameters then,
//! read from the records when they are asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use crate::engine::Project;
use crate::engine::plan::{self, Last};
use crate::observe::journal;
use crate::observe::runs::{self, Run};
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

/// What has been read, and the runs that have not.
struct Past {
    tasks: HashMap<String, Ended>,
    /// The stages of runs whose pipelines have been read.
    stages: HashMap<Arc<str>, toml::Table>,
    /// Newest last.
    unread: Vec<String>,
}

/// How a task came out.
struct Ended {
    run: Arc<str>,
    last: Last,
    metrics: Metrics,
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
        self.ended(label, |ended| ended.metrics.clone())
    }

    fn ended<T>(&self, label: &str, part: impl Fn(&Ended) -> T) -> Option<T> {
        let mut past = self.past.lock().ok()?;
        let past = past.get_or_insert_with(|| self.unread());
        while !past.tasks.contains_key(label) {
            let run = past.unread.pop()?;
            self.read(&run, &mut past.tasks);
        }
        past.tasks.get(label).map(part)
    }

    fn unread(&self) -> Past {
        Past { tasks: HashMap::new(), stages: HashMap::new(), unread: self.runs() }
    }

    /// The names of the runs that count, newest last.
    fn runs(&self) -> Vec<String> {
        let mut names = runs::names(&self.experiments);
        names.retain(|name| !name.contains('.') && self.now.as_ref() != Some(name));
        names.split_off(names.len().saturating_sub(DEPTH))
    }

    fn read(&self, run: &str, tasks: &mut HashMap<String, Ended>) {
        let Ok(run) = Run::outline(&self.experiments, run) else { return };
        if run.overview().pipeline != self.pipeline {
            return;
        }
        let name = Arc::from(run.name.as_str());
        for line in run.of("stage_done") {
            if let (Some(stage), Some("ran" | "hit")) = (line["stage"].as_str(), line["outcome"].as_str())
                && let Some(ended) = Ended::of(line, &name)
            {
                tasks.entry(stage.to_owned()).or_insert(ended);
            }
        }
    }
}

impl plan::History for History {
    fn last(&self, label: &str) -> Option<Last> {
        self.ended(label, |ended| ended.last)
    }

    fn params(&self, label: &str) -> Option<toml::Table> {
        let run = self.ended(label, |ended| Arc::clone(&ended.run))?;
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

impl Ended {
    fn of(line: &Json, run: &Arc<str>) -> Option<Self> {
        let metrics = line["metrics"].as_object().into_iter().flatten();
        let metrics = metrics.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
        let (key, seconds) = (line["key"].as_str()?.parse().ok()?, line["seconds"].as_f64()?);
        Some(Self { run: Arc::clone(run), last: Last { key, seconds }, metrics: metrics.collect() })
    }
}

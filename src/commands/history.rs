//! The key, the metrics and the time that each task had when it last came out well, read from the logs
//! when they are asked for.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::engine::Project;
use crate::engine::plan::Last;
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

/// What has been read, and the runs that have not.
struct Past {
    tasks: HashMap<String, Ended>,
    /// Newest last.
    unread: Vec<String>,
}

/// How a task came out.
struct Ended {
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

    /// A task as it last came out well.
    pub fn last(&self, label: &str) -> Option<Last> {
        self.ended(label, |ended| ended.last)
    }

    /// What a task measured when it last came out well.
    pub fn metrics(&self, label: &str) -> Option<Metrics> {
        self.ended(label, |ended| ended.metrics.clone())
    }

    fn ended<T>(&self, label: &str, part: impl Fn(&Ended) -> T) -> Option<T> {
        let mut past = self.past.lock().ok()?;
        let past = past.get_or_insert_with(|| Past { tasks: HashMap::new(), unread: self.runs() });
        while !past.tasks.contains_key(label) {
            let run = past.unread.pop()?;
            self.read(&run, &mut past.tasks);
        }
        past.tasks.get(label).map(part)
    }

    /// The names of the runs that count, newest last.
    fn runs(&self) -> Vec<String> {
        let mut names = runs::names(&self.experiments);
        names.retain(|name| !name.contains('.') && self.now.as_ref() != Some(name));
        names.split_off(names.len().saturating_sub(DEPTH))
    }

    fn read(&self, run: &str, tasks: &mut HashMap<String, Ended>) {
        for end in runs::ends(&self.experiments, run, &self.pipeline).into_iter().flatten() {
            if let Ok(key) = end.key.parse() {
                let last = Last { key, seconds: end.seconds };
                tasks.entry(end.stage).or_insert(Ended { last, metrics: end.metrics });
            }
        }
    }
}

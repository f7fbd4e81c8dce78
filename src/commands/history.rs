//! The key that each task had when it last came out well, read from the logs when it is asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;

use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::observe::runs::{self, Run};

/// How many runs back a task is looked for.
const DEPTH: usize = 50;

/// The past runs of a pipeline, newest first, read as far back as they are asked about.
pub struct History {
    experiments: PathBuf,
    pipeline: String,
    past: RefCell<Option<Past>>,
}

/// What has been read, and the runs that have not.
struct Past {
    keys: HashMap<String, Digest>,
    /// Newest last.
    unread: Vec<String>,
}

impl History {
    /// The past of a pipeline by its name.
    pub fn new(project: &Project, pipeline: &str) -> Self {
        let (experiments, pipeline) = (project.experiments(), pipeline.to_owned());
        Self { experiments, pipeline, past: RefCell::new(None) }
    }

    /// The key that a task had when it last came out well.
    pub fn key(&self, label: &str) -> Option<Digest> {
        let mut past = self.past.borrow_mut();
        let past = past.get_or_insert_with(|| Past { keys: HashMap::new(), unread: self.runs() });
        while !past.keys.contains_key(label) {
            let run = past.unread.pop()?;
            self.read(&run, &mut past.keys);
        }
        past.keys.get(label).copied()
    }

    /// The names of the runs that count, newest last.
    fn runs(&self) -> Vec<String> {
        let mut names = runs::names(&self.experiments);
        names.retain(|name| !name.contains('.'));
        names.split_off(names.len().saturating_sub(DEPTH))
    }

    fn read(&self, run: &str, keys: &mut HashMap<String, Digest>) {
        let Ok(run) = Run::read(&self.experiments, run) else { return };
        if run.overview().pipeline != self.pipeline {
            return;
        }
        for line in
            run.of("stage_done").filter(|line| matches!(line["outcome"].as_str(), Some("ran" | "hit")))
        {
            if let (Some(stage), Some(key)) = (line["stage"].as_str(), line["key"].as_str())
                && let Ok(key) = key.parse()
            {
                keys.entry(stage.to_owned()).or_insert(key);
            }
        }
    }
}

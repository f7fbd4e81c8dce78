//! The key that each task had when it last came out well, read from the logs when it is asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;

use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::observe::runs::{self, Run};

/// How many runs back a task is looked for.
const DEPTH: usize = 50;

/// The past runs of a pipeline, newest first.
pub struct History {
    experiments: PathBuf,
    pipeline: String,
    loaded: RefCell<Option<HashMap<String, Digest>>>,
}

impl History {
    /// The past of a pipeline by its name.
    pub fn new(project: &Project, pipeline: &str) -> Self {
        let (experiments, pipeline) = (project.experiments(), pipeline.to_owned());
        Self { experiments, pipeline, loaded: RefCell::new(None) }
    }

    /// The key that a task had when it last came out well.
    pub fn key(&self, label: &str) -> Option<Digest> {
        let mut loaded = self.loaded.borrow_mut();
        loaded.get_or_insert_with(|| self.load()).get(label).copied()
    }

    fn load(&self) -> HashMap<String, Digest> {
        let mut keys = HashMap::new();
        let names = runs::names(&self.experiments);
        let whole = names.iter().rev().filter(|name| !name.contains('.'));
        for run in whole.filter_map(|name| Run::read(&self.experiments, name).ok()).take(DEPTH) {
            if run.overview().pipeline != self.pipeline {
                continue;
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
        keys
    }
}

//! What a run's saved files were like when it had just left them: whatever differs later was somebody else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Result;

use super::ground::{Seen, stamped};
use crate::engine::events::{Event, Sink};
use crate::pipeline::Pipeline;

/// What the saved files of a run were like.
#[derive(Clone)]
pub struct Prints {
    /// Saved files, by the stage that saves them.
    saved: Arc<HashMap<String, Vec<PathBuf>>>,
    left: Arc<Mutex<Seen>>,
}

impl Prints {
    /// None yet of a pipeline's saved files.
    pub fn of(pipeline: &Pipeline, root: &Path) -> Self {
        let paths = |saves: &[(String, PathBuf)]| saves.iter().map(|(_, path)| root.join(path)).collect();
        let saved = pipeline.tasks.iter().map(|task| (task.label.clone(), paths(&task.saves)));
        Self { saved: Arc::new(saved.collect()), left: Arc::default() }
    }

    /// A sink that takes them when a stage ends, which is right after its files were put in place.
    pub fn taken_beside<S: Sink>(&self, shown: S) -> Taking<S> {
        Taking { prints: self.clone(), shown }
    }

    /// All that have been taken.
    pub fn left(&self) -> Seen {
        self.left.lock().map(|left| left.clone()).unwrap_or_default()
    }
}

/// Takes prints and passes every event on.
pub struct Taking<S> {
    prints: Prints,
    shown: S,
}

impl<S: Sink> Sink for Taking<S> {
    fn event(&self, event: &Event) {
        if let Event::StageDone(end) = event
            && let Some(saved) = self.prints.saved.get(&end.stage)
            && let Ok(mut left) = self.prints.left.lock()
        {
            left.extend(saved.iter().map(|path| stamped(path)));
        }
        self.shown.event(event);
    }

    fn finish(&self) -> Result<()> {
        self.shown.finish()
    }
}

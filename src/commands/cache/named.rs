//! What recorded runs name: the keys of stage runs and the digests of their outputs.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::engine::digest::Digest;
use crate::engine::store::Output;
use crate::observe::runs::{self, Run, Status};

/// A stage as a run has recorded its end.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name, with its variant in a sweep.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its key.
    pub key: Digest,
    /// Its outputs.
    pub outputs: Vec<Output>,
}

/// A recorded run with what it names.
#[derive(Clone, Debug)]
pub struct Named {
    /// The run's name.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// When it started, in seconds since 1970.
    pub time: f64,
    /// Whether it ended well.
    pub ended_well: bool,
    /// The stages that came out well.
    pub stages: Vec<Stage>,
}

impl Named {
    /// All runs, oldest first. The variants of a sweep name nothing that their sweep doesn't.
    pub fn all(experiments: &Path) -> Vec<Self> {
        let names = runs::names(experiments);
        let whole = names.iter().filter(|name| runs::sweep_of(name).is_none());
        whole.filter_map(|name| Some(Self::of(&Run::read(experiments, name).ok()?))).collect()
    }

    fn of(run: &Run) -> Self {
        let overview = run.overview();
        Self {
            run: run.name.clone(),
            pipeline: overview.pipeline,
            time: overview.time.unwrap_or(0.0),
            ended_well: overview.status == Status::Done,
            stages: run.of("stage_done").filter_map(stage).collect(),
        }
    }
}

fn stage(line: &Json) -> Option<Stage> {
    let text = |key: &str| line[key].as_str();
    let output = |output: &Json| serde_json::from_value(output.clone()).ok();
    Some(Stage {
        name: text("stage")?.to_owned(),
        kind: text("kind")?.to_owned(),
        key: text("key")?.parse().ok()?,
        outputs: line["outputs"].as_object()?.values().filter_map(output).collect(),
    })
}

/// What the newest run that names a key calls its stage.
pub fn labels(runs: &[Named]) -> HashMap<Digest, &str> {
    let stages = runs.iter().flat_map(|run| &run.stages);
    stages.map(|stage| (stage.key, stage.name.as_str())).collect()
}

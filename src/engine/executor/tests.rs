//! A kind that tells what it runs with, run by the executor.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Options, run};
use crate::engine::Project;
use crate::engine::budget::Budget;
use crate::engine::events::{Event, Sink};
use crate::pipeline::load;
use crate::stage::{Context, Kind, Layer, MetricName, Need, Outcome, Port, PortType, Stage};

/// Counts its threads.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Threads {}

impl Stage for Threads {
    const KIND: &'static str = "threads";
    const VERSION: u32 = 1;
    const LAYER: Layer = Layer::Data;

    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    fn gives(&self) -> Vec<Port> {
        vec![Port::new("nothing", PortType::File, "Nothing.")]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([("threads", "How many it has.")])
    }

    fn run(&self, _: &Context<'_>) -> Result<Outcome> {
        let threads = rayon::current_num_threads() as f64;
        Ok(Outcome::new("").bytes("nothing", Vec::new()).metric("threads", threads))
    }
}

static KINDS: [Kind; 1] = [Kind::of::<Threads>()];

#[derive(Default)]
struct Counts(Mutex<Vec<f64>>);

impl Sink for Counts {
    fn event(&self, event: &Event) {
        if let Event::StageDone(end) = event {
            self.0.lock().unwrap().push(end.metrics["threads"]);
        }
    }
}

/// The threads that a stage with a further line has.
fn threads(line: &str) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("p.toml"), format!("[stages.a]\nkind = \"threads\"\n{line}\n")).unwrap();
    let pipeline = load(folder.path(), Path::new("p.toml"), &[], &KINDS).unwrap();
    let budget = Budget { cores: 4, memory: 0 };
    let (wanted, forced) = (vec![true], vec![false]);
    let start = std::time::Instant::now();
    let options = Options { budget, keep_going: true, wanted, forced, locked: None, remote: None, start };
    let counts = Counts::default();
    let project = Project::new(folder.path());
    run(&pipeline, &project, &options, &counts, &|_| None, &AtomicBool::new(false)).unwrap();
    counts.0.into_inner().unwrap()[0]
}

#[test]
fn the_cores_of_a_stage_are_its_threads() {
    let all = rayon::current_num_threads() as f64;
    assert_eq!(threads(""), all);
    assert_eq!(threads("resources = { cores = 1 }"), 1.0);
    assert_eq!(threads("resources = { cores = 64 }"), all);
}

//! A kind that tells what it runs with, run by the executor.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{History, Options, Tally, run};
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

/// Counts how many of its kind compute at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Crowd {
    number: u64,
}

/// How many there are, and the most that there were.
static CROWD: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

impl Stage for Crowd {
    const KIND: &'static str = "crowd";
    const VERSION: u32 = 1;
    const LAYER: Layer = Layer::Data;

    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    fn gives(&self) -> Vec<Port> {
        vec![Port::new("number", PortType::File, "Its number.")]
    }

    fn metrics(&self) -> Vec<MetricName> {
        Vec::new()
    }

    fn run(&self, _: &Context<'_>) -> Result<Outcome> {
        CROWD[1].fetch_max(CROWD[0].fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::yield_now();
        CROWD[0].fetch_sub(1, Ordering::SeqCst);
        Ok(Outcome::new("").bytes("number", self.number.to_le_bytes().to_vec()))
    }
}

static KINDS: [Kind; 2] = [Kind::of::<Threads>(), Kind::of::<Crowd>()];

#[derive(Default)]
struct Counts(Mutex<Vec<f64>>);

impl Sink for Counts {
    fn event(&self, event: &Event) {
        if let Event::StageDone(end) = event {
            self.0.lock().unwrap().extend(end.metrics.get("threads"));
        }
    }
}

/// Runs all stages of a pipeline in a folder.
fn ran(folder: &Path, text: &str, sink: &dyn Sink, cancelled: &AtomicBool) -> Tally {
    ran_after(folder, text, sink, &|_: &str| None, cancelled)
}

fn ran_after(
    folder: &Path,
    text: &str,
    sink: &dyn Sink,
    history: &dyn History,
    cancelled: &AtomicBool,
) -> Tally {
    fs_err::write(folder.join("p.toml"), text).unwrap();
    let pipeline = load(folder, Path::new("p.toml"), &[], &KINDS).unwrap();
    let (budget, count) = (Budget { cores: 4, memory: 0 }, pipeline.tasks.len());
    let (wanted, forced) = (vec![true; count], vec![false; count]);
    let options = Options {
        past: super::Past::default(),
        budget,
        keep_going: true,
        wanted,
        forced,
        locked: None,
        remote: None,
        stop: std::sync::Arc::default(),
        start: std::time::Instant::now(),
        curfew: None,
    };
    run(&pipeline, &Project::new(folder), &options, sink, history, cancelled).unwrap().tally
}

/// The threads that a stage with a further line has.
fn threads(line: &str) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let counts = Counts::default();
    let text = format!("[stages.a]\nkind = \"threads\"\n{line}\n");
    ran(folder.path(), &text, &counts, &AtomicBool::new(false));
    counts.0.into_inner().unwrap()[0]
}

#[test]
fn the_cores_of_a_stage_are_its_threads() {
    let all = rayon::current_num_threads() as f64;
    assert_eq!(threads(""), all);
    assert_eq!(threads("resources = { cores = 1 }"), 1.0);
    assert_eq!(threads("resources = { cores = 64 }"), all);
}

/// Wants to stop as soon as a stage has come to its end.
#[derive(Default)]
struct Impatient(AtomicBool);

impl Sink for Impatient {
    fn event(&self, event: &Event) {
        if matches!(event, Event::StageDone(_)) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn who_wants_to_stop_is_heard_among_stages_that_come_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[stages.a]\nkind = \"threads\"\n[stages.b]\nkind = \"threads\"\n";
    ran(folder.path(), text, &Counts::default(), &AtomicBool::new(false));
    let impatient = Impatient::default();
    let tally = ran(folder.path(), text, &impatient, &impatient.0);
    assert_eq!(tally, Tally { hit: 1, skipped: 1, ..Tally::default() });
}

#[test]
fn no_more_compute_at_once_than_there_are_cores_however_many_wait_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let stage = |number: usize| format!("[stages.s{number}]\nkind = \"crowd\"\nnumber = {number}\n");
    let text: String = (0..200).map(stage).collect();
    let tally = ran(folder.path(), &text, &Counts::default(), &AtomicBool::new(false));
    assert_eq!(tally, Tally { ran: 200, ..Tally::default() });
    assert!(CROWD[1].load(Ordering::SeqCst) <= 4, "{CROWD:?}");
}

#[test]
fn the_past_is_asked_for_an_order_only_where_there_is_a_choice() {
    let asked = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let asked = Mutex::new(Vec::new());
        let history = |label: &str| {
            asked.lock().unwrap().push(label.to_owned());
            None
        };
        ran_after(folder.path(), text, &Counts::default(), &history, &AtomicBool::new(false));
        asked.into_inner().unwrap()
    };
    let (a, b) = ("[stages.a]\nkind = \"threads\"\n", "[stages.b]\nkind = \"threads\"\n");
    // Each that runs is asked for once, to say why.
    assert_eq!(asked(a), ["a"]);
    assert_eq!(asked(&format!("{a}{b}")), ["a", "b", "a", "b"]);
}

//! Trackers: other programs' records of runs, written from custem's own.
//!
//! What a tracker is told comes from a run's record alone: its resolved pipeline and its events (`feed`). So a run
//! that goes on, one that was killed and one of last year take the same way, and telling a tracker twice gives
//! what telling it once does: every id is made from the record. `writer` is the queue and the threads of a run that
//! goes on, `replay` tells what is recorded already. A tracker is one folder and one line in [`TRACKERS`].

mod feed;
mod http;
mod mlflow;
mod replay;
mod settings;
mod spec;
mod text;
mod trackio;
mod wandb;
mod writer;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

pub use replay::{Pushed, push};
pub use settings::Settings;
pub use writer::Tracking;

/// Every tracker by name, in the order in which they are listed.
pub const TRACKERS: [(&str, Open); 3] =
    [("trackio", trackio::open), ("wandb", wandb::open), ("mlflow", mlflow::open)];

/// Makes a tracker; it touches nothing before a run starts.
pub type Open = fn(&Settings, &Ground) -> Result<Box<dyn Tracker>>;

/// The folders of the project whose runs are mirrored.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Where relative paths start.
    pub root: PathBuf,
    /// Where runs are recorded.
    pub experiments: PathBuf,
}

impl Ground {
    /// A folder that the user named, or what a variable of the environment says, or one of ours.
    fn folder(&self, named: Option<&str>, variable: &str, own: impl FnOnce(&Path) -> PathBuf) -> PathBuf {
        let said = || std::env::var(variable).ok().filter(|text| !text.is_empty());
        named
            .map(str::to_owned)
            .or_else(said)
            .map_or_else(|| own(&self.experiments), |dir| self.root.join(dir))
    }
}

/// A run as a tracker starts it.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The project that it belongs to.
    pub project: String,
    /// Its name.
    pub name: String,
    /// 32 hexadecimal digits, always the same for the same record.
    pub id: String,
    /// What it belongs to.
    pub group: Option<String>,
    /// `run`, `sweep` or `variant`.
    pub job: &'static str,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What it is about.
    pub notes: Option<String>,
    /// Its parameters: `STAGE.param`.
    pub config: Map<String, Json>,
    /// What else is known at its start: the versions, the pipeline's file.
    pub about: Map<String, Json>,
    /// When it started, in seconds since 1970.
    pub time: f64,
    /// Whether it may have been told before.
    pub again: bool,
}

/// Values of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The stage that they are of.
    pub stage: String,
    /// The stage's own step. What it came to stands at 0, or at the last step of what it counted.
    pub step: u64,
    /// Whether the stage counts steps, and this is one of them.
    pub series: bool,
    /// When, in seconds since 1970.
    pub time: f64,
    /// The values by name: `STAGE.metric`.
    pub values: Vec<(String, Value)>,
}

/// A value that a tracker shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, finite or not.
    Number(f64),
    /// A picture in a file.
    Image(PathBuf),
    /// A small table.
    Grid(Grid),
    /// How numbers lie.
    Histogram(Histogram),
}

/// Numbers in bins.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Histogram {
    /// The ends of the bins, one more than there are bins.
    pub edges: Vec<f64>,
    /// How many numbers lie in each.
    pub counts: Vec<u64>,
}

/// A small table in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows, each as long as `columns`.
    pub rows: Vec<Vec<Json>>,
}

/// A saved output, named where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// `STAGE.port`.
    pub name: String,
    /// `table`, `model`, `page` and so on.
    pub kind: String,
    /// Where it was saved.
    pub path: PathBuf,
    /// Where the cache has its bytes, which nobody changes.
    pub object: PathBuf,
    /// The digest of its bytes.
    pub digest: String,
    /// Its size.
    pub bytes: u64,
}

/// How bad an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The run went on.
    Warn,
    /// A stage failed.
    Error,
}

/// Something that whoever looks at the run should know.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What it is about: a stage, or the run.
    pub title: String,
    /// What happened.
    pub text: String,
    /// How bad it is.
    pub level: Level,
    /// When, in seconds since 1970.
    pub time: f64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything is there.
    Done,
    /// A stage failed.
    Failed,
    /// The user interrupted it.
    Interrupted,
    /// It was killed: its record has no end.
    Killed,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
        }
    }

    /// The exit code that stands for it.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Interrupted => 130,
            Self::Killed => 255,
        }
    }
}

/// The end of a run.
#[derive(Clone, Debug)]
pub struct End {
    /// How it ended.
    pub state: State,
    /// When, in seconds since 1970.
    pub time: f64,
    /// The last value of each metric.
    pub summary: Map<String, Json>,
}

/// What a tracker does with a run. The calls come in order: `start`, then any others, then `finish`; the next run
/// may follow. After an error nothing more comes of that run.
pub trait Tracker: Send {
    /// A run is about to start: what takes its time and can be done before is done, where it leaves no trace.
    fn ready(&mut self) {}

    /// A run starts.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    fn start(&mut self, run: &Spec) -> Result<()>;

    /// Values of one moment.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    fn log(&mut self, row: &Row) -> Result<()>;

    /// A saved output.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    fn artifact(&mut self, artifact: &Artifact, time: f64) -> Result<()>;

    /// Something to know.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    fn alert(&mut self, alert: &Alert) -> Result<()>;

    /// Whoever looks should see all that was told so far.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    fn flush(&mut self) -> Result<()>;

    /// The run is over.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    fn finish(&mut self, end: &End) -> Result<()>;

    /// Where it is, for messages.
    fn place(&self) -> String;
}

/// Where the bytes of outputs are, and what is in them.
pub trait Shelf: Send + Sync {
    /// The file with the bytes of a digest, where they are still kept.
    fn file(&self, digest: &str) -> Option<PathBuf>;

    /// A table by its digest, where it is kept and small.
    fn grid(&self, digest: &str) -> Option<Grid>;

    /// The main port of a stage's outputs.
    fn main_port(&self, kind: &str, outputs: &Map<String, Json>) -> Option<String>;
}

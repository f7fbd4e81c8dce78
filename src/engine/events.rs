//! What the engine reports while it works; sinks show, print or record it.
//!
//! Serialised as it stands, this is what `run --json` prints (docs/json.md): fields are only added.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::cause::Cause;
use super::digest::Digest;
use super::provenance::Provenance;
use super::store::{Output, Parts};
use crate::diagnostic::{Location, Problem};
use crate::stage::{Histogram, Metrics, Stream, Usage};

/// How a stage came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It ran.
    Ran,
    /// Its result was in the cache.
    Hit,
    /// It failed.
    Failed,
    /// Something that it needs failed, or the run ended before it.
    Skipped,
}

/// Where a result came from that was not computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The remote cache.
    Remote,
}

/// Something to tell the user, with its place.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// A lowercase sentence without a full stop.
    pub message: String,
    /// `file:line` of what it is about.
    pub place: Option<String>,
    /// The file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The very place, for a terminal.
    #[serde(skip)]
    pub at: Option<Location>,
}

impl Note {
    /// A note without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// A note with its place.
    pub fn at(message: impl Into<String>, at: &Location) -> Self {
        let (line, column) = at.line_column();
        Self {
            place: Some(at.file_line()),
            file: Some(at.source.name.clone()),
            line: Some(line),
            column: Some(column),
            at: Some(at.clone()),
            ..Self::new(message)
        }
    }
}

/// The files from outside that a stage takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    /// The digest of all their names and bytes.
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: Digest,
    /// How many there are.
    pub files: usize,
    /// The digests of their bytes by name, of the first hundred.
    #[schemars(with = "BTreeMap<String, String>")]
    pub named: BTreeMap<String, Digest>,
}

/// The end of a stage.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StageDone {
    /// The stage, with its variant in a sweep.
    pub stage: String,
    /// Its kind.
    pub kind: String,
    /// How it came out.
    pub outcome: Outcome,
    /// Where its result came from, when that is not this cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Origin>,
    /// Its key, once its inputs were known.
    pub key: Option<String>,
    /// The keyed inputs: the digests of what it took, by parameter.
    pub inputs: BTreeMap<String, String>,
    /// The files from outside that it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Taken>,
    /// Its outputs by port.
    pub outputs: BTreeMap<String, Output>,
    /// The names of the columns of outputs that are tables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, Vec<String>>,
    /// How numbers that it computed lie, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub histograms: BTreeMap<String, Histogram>,
    /// Its named numbers.
    pub metrics: Metrics,
    /// The line for the terminal.
    pub summary: String,
    /// How long it took, now or when it ran.
    pub seconds: f64,
    /// What it took of the machine, now or when it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// When it ended, in seconds from the start of the run.
    pub time: f64,
    /// Why it ran.
    pub because: Vec<Cause>,
    /// How often it was tried in this run.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub attempts: u32,
    /// What the user should know.
    pub warnings: Vec<Note>,
    /// Of how many partial results it was put together, now or when it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// Why it failed or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Note>,
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks it so")]
fn is_once(attempts: &u32) -> bool {
    *attempts == 1
}

/// A variant on the leaderboard.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Ranked {
    /// Its values: `k=3, algorithm=kmeans`.
    pub variant: String,
    /// The number of its own record, behind the run's name.
    pub number: usize,
    /// The objective; nothing when the variant failed or doesn't have it.
    pub value: Option<f64>,
    /// How the stage came out that gives the objective.
    pub outcome: Option<Outcome>,
    /// Over how many seeds `value` is the mean, where points are repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<usize>,
    /// The lower end of the mean's 95% interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// The other objectives, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Option<f64>>,
    /// Whether no other variant is better in one objective and no worse in the others, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front: Option<bool>,
}

/// Something that happens in a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run starts.
    RunStarted {
        /// The run's name.
        run: String,
        /// The pipeline's name.
        pipeline: String,
        /// The pipeline's file.
        file: String,
        /// The version of custem.
        version: String,
        /// When, in seconds since 1970.
        time: f64,
        /// How many tasks there are.
        stages: usize,
        /// Which variant of a sweep it is, in the variant's own record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<String>,
    },
    /// What the run rests on besides its data. It comes second.
    Provenance(Box<Provenance>),
    /// What git says of the project's files, as soon as it has answered.
    WorkTree {
        /// Whether files that it knows differ from the commit.
        dirty: bool,
        /// How many.
        changed: usize,
    },
    /// What data the run was about.
    Data {
        /// The digest of all files from outside and, of stages that take nothing, of what they gave: equal for runs
        /// over the same data.
        #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
        version: Digest,
        /// How many files from outside there are.
        files: usize,
        /// The columns that stages of the kind `features` gave.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        features: BTreeMap<String, Vec<String>>,
    },
    /// What somebody had to say about the run, afterwards.
    RunNote {
        /// What.
        text: String,
        /// When, in seconds since 1970.
        time: f64,
    },
    /// A stage starts to compute.
    StageStarted {
        /// The stage.
        stage: String,
        /// Its kind.
        kind: String,
        /// Why it runs.
        because: Vec<Cause>,
        /// When, in seconds from the start of the run.
        time: f64,
        /// Which try it is, from 1.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        attempt: u32,
    },
    /// A stage says how far it is.
    StageProgress {
        /// The stage.
        stage: String,
        /// From 0 to 1.
        fraction: f64,
        /// What it is doing.
        doing: String,
    },
    /// A stage gives a metric's value at a step.
    StageStep {
        /// The stage.
        stage: String,
        /// The metric.
        metric: String,
        /// The step.
        step: u64,
        /// Its value.
        value: f64,
    },
    /// The program of a stage has printed lines.
    StageOutput {
        /// The stage.
        stage: String,
        /// Where it printed them.
        stream: Stream,
        /// One or more lines, without the last one's end. An endless line comes in pieces.
        text: String,
    },
    /// A stage ends.
    StageDone(Box<StageDone>),
    /// A saved output was put back.
    Restored {
        /// The stage.
        stage: String,
        /// The file.
        path: String,
        /// Why: missing or different.
        why: String,
        /// Where a file that stood there and isn't custem's was moved to.
        kept: Option<String>,
    },
    /// Something is amiss, but the run goes on.
    Warning(Note),
    /// All stages are over, and results are on their way to the remote cache.
    Pushing {
        /// How many are left.
        results: usize,
    },
    /// The variants of a sweep, best first.
    Leaderboard {
        /// The metric that they are compared by.
        objective: String,
        /// The metrics that they are compared by besides.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<String>,
        /// Where the best one stands as a pipeline that can be run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        best: Option<String>,
        /// The variants.
        rows: Vec<Ranked>,
    },
    /// The run ends.
    RunDone {
        /// The run's name.
        run: String,
        /// Whether everything that was asked for is there.
        ok: bool,
        /// Stages that ran.
        ran: usize,
        /// Stages from the cache.
        hit: usize,
        /// How many of these came from the remote cache.
        #[serde(default, skip_serializing_if = "none")]
        fetched: usize,
        /// Results that were given to the remote cache.
        #[serde(default, skip_serializing_if = "none")]
        pushed: usize,
        /// Stages that failed.
        failed: usize,
        /// Stages that were skipped.
        skipped: usize,
        /// Files from outside that were read to tell whether they changed.
        #[serde(default)]
        hashed: usize,
        /// Whether the user interrupted it.
        interrupted: bool,
        /// How long it took.
        seconds: f64,
    },
    /// The pipeline or the command line is wrong, and nothing runs. It isn't recorded.
    Problems {
        /// False.
        ok: bool,
        /// What is wrong.
        problems: Vec<Problem>,
    },
}

/// The JSON Schema of an event, as it is printed and recorded: one object a line.
pub fn schema() -> Json {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Event>();
    schema.insert("title".to_owned(), "A line of `custem run --json` and of a run's log".into());
    schema.to_value()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn none(count: &usize) -> bool {
    *count == 0
}

/// Where events go.
pub trait Sink: Sync {
    /// Takes one event.
    fn event(&self, event: &Event);

    /// No more events come.
    ///
    /// # Errors
    /// When some of them could not be passed on.
    fn finish(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

//! Recorded runs, found and read back. A damaged line is passed over; the others still count.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::journal::log_path;
use super::names;
use crate::diagnostic::{Diagnostic, Problems, did_you_mean, plural, quoted, remedy, shown};

/// A recorded run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// Its events in order.
    pub events: Vec<Json>,
}

/// What a run came to, in a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Its name.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file.
    pub file: String,
    /// When it started, in seconds since 1970.
    pub time: Option<f64>,
    /// How it ended.
    pub status: Status,
    /// Stages that ran.
    pub ran: u64,
    /// Stages from the cache.
    pub hit: u64,
    /// Stages that failed.
    pub failed: u64,
    /// How long it took.
    pub seconds: Option<f64>,
    /// How many variants of a sweep it has records of.
    pub variants: usize,
    /// Which variant of a sweep it is: `k=3`.
    pub variant: Option<String>,
    /// What was said about it last.
    pub note: Option<String>,
    /// The commit that was checked out.
    pub commit: Option<String>,
    /// Whether files differed from it.
    pub dirty: Option<bool>,
    /// The version of its data.
    pub data: Option<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything that was asked for is there.
    Done,
    /// A stage failed.
    Failed,
    /// The user ended it.
    Interrupted,
    /// It was killed, or goes on.
    #[default]
    Unfinished,
}

impl Status {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Unfinished => "unfinished",
        }
    }
}

/// What a run came to, with what its stages measured: read without taking all of its log apart.
pub struct Summary {
    /// The run in a line.
    pub overview: Overview,
    /// Metrics as `STAGE.metric`, of stages that came out well.
    pub metrics: BTreeMap<String, f64>,
}

/// The parts of events that a summary takes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    event: String,
    pipeline: String,
    file: String,
    time: Option<f64>,
    variant: Option<String>,
    stage: String,
    outcome: String,
    metrics: BTreeMap<String, Option<f64>>,
    ok: bool,
    interrupted: bool,
    seconds: Option<f64>,
    text: Option<String>,
    git: Option<Git>,
    dirty: Option<bool>,
    version: Option<String>,
}

#[derive(Deserialize)]
struct Git {
    commit: String,
}

impl Summary {
    /// Reads a run by its exact name.
    ///
    /// # Errors
    /// When its log can't be read.
    pub fn read(experiments: &Path, name: &str) -> Result<Self> {
        let bytes = fs_err::read(log_path(experiments, name))?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| Self::takes(line));
        Ok(Self::of(name, lines.filter_map(|line| serde_json::from_slice(line).ok())))
    }

    /// Whether a line matters.
    fn takes(line: &[u8]) -> bool {
        const EVENTS: [&[u8]; 6] =
            [b"run_started", b"run_done", b"run_note", b"work_tree", b"provenance", b"data"];
        let Some(event) = line.strip_prefix(br#"{"event":""#) else { return !line.is_empty() };
        event.starts_with(b"stage_done") || EVENTS.iter().any(|known| event.starts_with(known))
    }

    fn of(name: &str, lines: impl Iterator<Item = Line>) -> Self {
        let mut one = Overview { run: name.to_owned(), ..Overview::default() };
        let mut ends: BTreeMap<String, Line> = BTreeMap::new();
        for line in lines {
            match line.event.as_str() {
                "run_started" => {
                    (one.pipeline, one.file) = (line.pipeline, line.file);
                    (one.time, one.variant) = (line.time, line.variant);
                }
                "provenance" => one.commit = line.git.map(|git| git.commit),
                "work_tree" => one.dirty = line.dirty,
                "data" => one.data = line.version,
                "run_note" => one.note = line.text,
                "run_done" => {
                    one.status = match (line.interrupted, line.ok) {
                        (true, _) => Status::Interrupted,
                        (false, true) => Status::Done,
                        (false, false) => Status::Failed,
                    };
                    one.seconds = line.seconds;
                }
                "stage_done" => drop(ends.insert(line.stage.clone(), line)),
                _ => {}
            }
        }
        let count = |outcome: &str| ends.values().filter(|end| end.outcome == outcome).count() as u64;
        (one.ran, one.hit, one.failed) = (count("ran"), count("hit"), count("failed"));
        let well = ends.into_iter().filter(|(_, end)| matches!(end.outcome.as_str(), "ran" | "hit"));
        let of_stage = |(stage, end): (String, Line)| {
            let metrics = end.metrics.into_iter();
            metrics.filter_map(move |(metric, value)| Some((format!("{stage}.{metric}"), value?)))
        };
        Self { metrics: well.flat_map(of_stage).collect(), overview: one }
    }
}

impl Run {
    /// Reads a run by its exact name.
    ///
    /// # Errors
    /// When its log can't be read.
    pub fn read(experiments: &Path, name: &str) -> Result<Self> {
        Self::read_lines(experiments, name, &|_| true)
    }

    /// Reads a run without what its programs printed, which may be most of its log.
    ///
    /// # Errors
    /// When its log can't be read.
    pub fn outline(experiments: &Path, name: &str) -> Result<Self> {
        Self::read_lines(experiments, name, &|line| !super::ends::is_talk(line))
    }

    fn read_lines(experiments: &Path, name: &str, wanted: &dyn Fn(&[u8]) -> bool) -> Result<Self> {
        let bytes = fs_err::read(log_path(experiments, name))?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && wanted(line));
        let events = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        Ok(Self { name: name.to_owned(), events })
    }

    /// The events of one type.
    pub fn of<'a>(&'a self, event: &'a str) -> impl DoubleEndedIterator<Item = &'a Json> {
        self.events.iter().filter(move |line| line["event"] == event)
    }

    /// The end of a stage, the last one when it ended twice.
    pub fn stage(&self, label: &str) -> Option<&Json> {
        self.of("stage_done").rfind(|line| line["stage"] == label)
    }

    /// The run in a line.
    pub fn overview(&self) -> Overview {
        self.summary().overview
    }

    /// The run in a line, with what its stages measured.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.name, self.events.iter().filter_map(|event| Line::deserialize(event).ok()))
    }
}

/// The names of all runs, oldest first; the variants of a sweep follow it.
pub fn names(experiments: &Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(experiments.join("logs")) else { return Vec::new() };
    let name = |entry: fs_err::DirEntry| {
        let file = entry.file_name();
        let name = file.to_string_lossy().strip_suffix(".jsonl")?.to_owned();
        let variant = name.split_once('.').map(|(_, number)| number.parse::<u64>().ok());
        Some((names::number(&name)?, variant, name))
    };
    let mut found: Vec<_> = entries.flatten().filter_map(name).collect();
    let run = |name: &'_ String| name.len() - name.split_once('.').map_or(0, |(_, rest)| rest.len() + 1);
    found.sort_unstable_by(|(number, variant, name), (number_2, variant_2, name_2)| {
        let by_run = || name[..run(name)].cmp(&name_2[..run(name_2)]);
        number.cmp(number_2).then_with(by_run).then_with(|| (variant, name).cmp(&(variant_2, name_2)))
    });
    found.into_iter().map(|(.., name)| name).collect()
}

/// Looks whether the recorded runs can be listed at all.
///
/// # Errors
/// When they can't.
pub fn readable(experiments: &Path) -> Result<()> {
    match fs_err::read_dir(experiments.join("logs")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("can't list the recorded runs")
        }
        _ => Ok(()),
    }
}

/// The sweep that a run is a variant of, by its name.
pub fn sweep_of(name: &str) -> Option<&str> {
    name.split_once('.').map(|(sweep, _)| sweep)
}

/// A name as that of its run and the number of its variant.
fn parted(name: &str) -> (&str, Option<u64>) {
    match name.split_once('.') {
        Some((run, number)) => (run, number.parse().ok()),
        None => (name, None),
    }
}

/// The run that the user means: its name, its number, or the start of either, for a variant with its own number behind
/// a dot; `last` is the newest.
///
/// # Errors
/// When there is none or several.
pub fn find(experiments: &Path, wanted: &str) -> Result<String, Problems> {
    readable(experiments).map_err(|error| {
        Diagnostic::error(format!("{error:#}")).maybe_hint(remedy(&error).map(str::to_owned))
    })?;
    let all = names(experiments);
    let whole: Vec<_> = all.iter().filter(|name| sweep_of(name).is_none()).collect();
    let none = |message: String, hint: String| Err(Diagnostic::error(message).hint(hint).into());
    if wanted == "last" {
        return match whole.last() {
            Some(name) => Ok((*name).clone()),
            None => none("no run is recorded yet".to_owned(), "run a pipeline: `custem run FILE`".to_owned()),
        };
    }
    if all.iter().any(|name| name == wanted) {
        return Ok(wanted.to_owned());
    }
    let (run, variant) = parted(wanted);
    let like: Vec<_> = all.iter().filter(|name| parted(name).1 == variant).collect();
    let by_number = |name: &&&String| run.parse::<u64>().is_ok_and(|n| names::number(name) == Some(n));
    let mut fits: Vec<_> = like.iter().filter(by_number).collect();
    if fits.is_empty() {
        fits = like.iter().filter(|name| parted(name).0.starts_with(run)).collect();
    }
    match fits.as_slice() {
        [one] => Ok((**one).clone()),
        [] => {
            let near = did_you_mean(wanted, all.iter().map(String::as_str));
            let hint = near.map_or_else(
                || "`custem runs list` lists them".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            none(format!("there is no run `{}`", shown(wanted)), hint)
        }
        many => {
            let hint =
                format!("give more of the name: {}", quoted(many.iter().map(|name| name.as_str()), "or"));
            none(format!("`{}` could be {}", shown(wanted), plural(many.len(), "run")), hint)
        }
    }
}

/// The highest number of a run whose record was removed; 0 when there is none.
pub fn removed(experiments: &Path) -> u64 {
    let text = fs_err::read_to_string(experiments.join("removed")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// The number of the newest run; 0 when there is none.
pub fn last_number(experiments: &Path) -> u64 {
    let hint = fs_err::read_to_string(experiments.join("last")).ok();
    let hinted = hint.and_then(|name| {
        let name = name.trim();
        log_path(experiments, name).exists().then(|| names::number(name))?
    });
    let last =
        hinted.unwrap_or_else(|| names(experiments).last().and_then(|name| names::number(name)).unwrap_or(0));
    last.max(removed(experiments))
}

//! Recorded runs, found and read back. A damaged line is passed over; the others still count.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
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
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Its name.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file.
    pub file: String,
    /// When it started, in seconds since 1970.
    pub time: Option<f64>,
    /// `done`, `failed`, `interrupted`, or `unfinished` when it was killed.
    pub status: &'static str,
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
        let start = self.of("run_started").next().unwrap_or(&Json::Null);
        let end = self.of("run_done").next_back();
        let count =
            |outcome: &str| self.of("stage_done").filter(|line| line["outcome"] == outcome).count() as u64;
        let text = |key: &str| start[key].as_str().unwrap_or_default().to_owned();
        Overview {
            run: self.name.clone(),
            pipeline: text("pipeline"),
            file: text("file"),
            time: start["time"].as_f64(),
            status: status(end),
            ran: count("ran"),
            hit: count("hit"),
            failed: count("failed"),
            seconds: end.and_then(|end| end["seconds"].as_f64()),
            variants: 0,
            variant: start["variant"].as_str().map(str::to_owned),
        }
    }
}

fn status(end: Option<&Json>) -> &'static str {
    match end {
        None => "unfinished",
        Some(end) if end["interrupted"] == true => "interrupted",
        Some(end) if end["ok"] == true => "done",
        Some(_) => "failed",
    }
}

/// The names of all runs, oldest first; the variants of a sweep follow it.
pub fn names(experiments: &Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(experiments.join("logs")) else { return Vec::new() };
    let name = |entry: fs_err::DirEntry| {
        let name = entry.file_name().to_string_lossy().strip_suffix(".jsonl")?.to_owned();
        let variant = name.split_once('.').map(|(run, number)| (run.to_owned(), number.parse::<u64>().ok()));
        let run = variant.as_ref().map_or_else(|| name.clone(), |(run, _)| run.clone());
        Some((names::number(&name)?, run, variant.map(|(_, number)| number), name))
    };
    let mut found: Vec<_> = entries.flatten().filter_map(name).collect();
    found.sort();
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

/// The run that the user means: its name, its number, or the start of either; `last` is the newest.
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
    let by_number = |name: &&&String| wanted.parse::<u64>().is_ok_and(|n| names::number(name) == Some(n));
    let mut fits: Vec<_> = whole.iter().filter(by_number).collect();
    if fits.is_empty() {
        fits = whole.iter().filter(|name| name.starts_with(wanted)).collect();
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

/// The number of the newest run; 0 when there is none.
pub fn last_number(experiments: &Path) -> u64 {
    let hint = fs_err::read_to_string(experiments.join("last")).ok();
    let hinted = hint.and_then(|name| {
        let name = name.trim();
        log_path(experiments, name).exists().then(|| names::number(name))?
    });
    hinted.unwrap_or_else(|| names(experiments).last().and_then(|name| names::number(name)).unwrap_or(0))
}

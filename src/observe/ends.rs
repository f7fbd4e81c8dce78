//! How the stages of a recorded run came out: the log is taken in at once, each line of it read when it is asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::journal::log_path;
use crate::engine::disk;

/// How a stage came out that came out well.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// Its key.
    pub key: String,
    /// How long it took.
    pub seconds: f64,
    /// What it measured.
    pub metrics: BTreeMap<String, f64>,
}

/// The ends of the stages of a run.
#[derive(Debug, Default)]
pub struct Ends {
    log: Vec<u8>,
    /// The lines about the end of each stage.
    lines: HashMap<String, Vec<Range<usize>>>,
}

/// What a line may say of the start of the run and the ends of stages.
#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    event: Cow<'l, str>,
    pipeline: Option<String>,
    stage: Option<String>,
    #[serde(borrow)]
    outcome: Option<Cow<'l, str>>,
    key: Option<String>,
    seconds: Option<f64>,
    metrics: Option<Map<String, Json>>,
}

impl Ends {
    /// Takes in the log of a run; one of another pipeline counts as empty.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read(experiments: &Path, run: &str, pipeline: &str) -> Result<Self> {
        Ok(Self::of_log(disk::read(&log_path(experiments, run))?, pipeline))
    }

    fn of_log(log: Vec<u8>, pipeline: &str) -> Self {
        let mut lines: HashMap<String, Vec<_>> = HashMap::new();
        let (mut start, mut own) = (0, None);
        for end in memchr::memchr_iter(b'\n', &log).chain([log.len()]) {
            let line = &log[start..end];
            if own.is_none() {
                let first = read_line(line).filter(|line| line.event == "run_started");
                own = first.map(|first| first.pipeline.as_deref() == Some(pipeline));
            } else if let Some(stage) = stage_of(line) {
                lines.entry(stage.into_owned()).or_default().push(start..end);
            }
            if own == Some(false) {
                return Self::default();
            }
            start = end + 1;
        }
        Self { log, lines }
    }

    /// Whether the run was one of the pipeline.
    pub fn is_any(&self) -> bool {
        !self.log.is_empty()
    }

    /// How a stage came out, the first time that it came out well; lines that are damaged are passed over.
    pub fn of(&self, stage: &str) -> Option<End> {
        self.lines.get(stage)?.iter().find_map(|line| read_line(&self.log[line.clone()])?.end())
    }
}

impl Line<'_> {
    fn end(self) -> Option<End> {
        if !matches!(self.outcome.as_deref(), Some("ran" | "hit")) {
            return None;
        }
        let metrics = self.metrics.into_iter().flatten();
        let metrics = metrics.filter_map(|(name, value)| Some((name, value.as_f64()?))).collect();
        Some(End { key: self.key?, seconds: self.seconds?, metrics })
    }
}

/// Whether a line says what a program printed.
pub(super) fn is_talk(line: &[u8]) -> bool {
    line.starts_with(br#"{"event":"stage_output","#)
}

fn read_line(line: &[u8]) -> Option<Line<'_>> {
    serde_json::from_slice(line).ok()
}

/// The stage whose end a line tells: as events are written, their name and the stage stand in front.
fn stage_of(line: &[u8]) -> Option<Cow<'_, str>> {
    if let Some(name) = line.strip_prefix(br#"{"event":"stage_done","stage":""#) {
        let end = memchr::memchr2(b'"', b'\\', name)?;
        if name[end] == b'"' {
            return str::from_utf8(&name[..end]).ok().map(Cow::Borrowed);
        }
    } else if line.starts_with(br#"{"event":"#) {
        return None;
    }
    // A name with something in it that JSON writes otherwise, or a line that somebody else has written.
    read_line(line).filter(|line| line.event == "stage_done")?.stage.map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::{End, Ends};

    const LOG: &str = r#"
{"event":"run_started","run":"1","pipeline":"p"}
{"event":"stage_output","stage":"a","text":"{\"event\":\"stage_done\"}"}
{"event":"stage_done","stage":"a","outcome":"failed","key":"0","seconds":9}
{"event":"stage_done","stage":"a","outcome":"ran","key":"1","inputs":{"x":[1]},"seconds":0.5,"metrics":{"m":1,"n":null}}
{"event":"stage_done","stage":"a","outcome":"hit","key":"2","seconds":0.25}
{"event":"stage_done","stage":"b[k=\"x\"]","outcome":"hit","key":"3","seconds":1}
{"event":"stage_done","stage":"c","outcome":"ran","key":"4","sec
{"event":"stage_done","stage":"d","outcome":"ran","key":null,"seconds":1}
{"key": "5", "event": "stage_done", "outcome": "ran", "seconds": 3, "stage": "f"}
{"event":"run_done","ok":true,"seconds":2}
"#;

    #[test]
    fn of_each_stage_the_first_good_end_counts() {
        let ends = Ends::of_log(LOG.as_bytes().to_vec(), "p");
        let end = |key: &str, seconds: f64, metrics: &[(&str, f64)]| {
            let metrics = metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
            Some(End { key: key.to_owned(), seconds, metrics })
        };
        assert_eq!(ends.of("a"), end("1", 0.5, &[("m", 1.0)]));
        assert_eq!(ends.of("b[k=\"x\"]"), end("3", 1.0, &[]));
        assert_eq!(ends.of("f"), end("5", 3.0, &[]));
        for none in ["c", "d", "e", ""] {
            assert_eq!(ends.of(none), None, "{none}");
        }
    }

    #[test]
    fn a_run_of_another_pipeline_has_none() {
        assert_eq!(Ends::of_log(LOG.as_bytes().to_vec(), "q").of("a"), None);
        assert_eq!(Ends::of_log(Vec::new(), "p").of("a"), None);
        let is_any = |pipeline: &str| Ends::of_log(LOG.as_bytes().to_vec(), pipeline).is_any();
        assert!(is_any("p") && !is_any("q"));
    }
}

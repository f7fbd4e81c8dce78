//! A run that has nothing to do: answered at once, recorded and shown like any other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::provenance;
use super::run::{Shared, done, started};
use super::track;
use crate::cli;
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::events::{Event, Note, Outcome, Sink, StageDone};
use crate::engine::executor::Tally;
use crate::engine::provenance::Provenance;
use crate::engine::still::{self, Facts, Holds};
use crate::observe::journal::Journal;
use crate::observe::trackers::Tracking;
use crate::pipeline::{self, Pipeline};
use crate::present::terminal::print;
use crate::present::terminal::{self, Json, Plain};

/// What a run says when every stage comes from the cache.
#[derive(Serialize, Deserialize)]
struct Said<'n> {
    /// The resolved pipeline.
    config: &'n str,
    /// What the run rested on, an event.
    provenance: &'n str,
    /// The pipeline's name.
    name: &'n str,
    /// Its file as the user spelled it.
    file: &'n str,
    /// How many stages it has.
    stages: usize,
    /// How many warnings its stages have had.
    warnings: usize,
    /// Whether it is mirrored in trackers.
    tracked: bool,
    /// The reports that it saves.
    pages: Vec<String>,
    /// The end of each stage, an event a line.
    lines: &'n str,
}

/// What identifies the command, where a run of it may be answered at once: not with `--force` or `--locked`,
/// nor where the stages that came from the cache are to be listed.
pub fn asked(flags: &cli::Run, project: &Project) -> Option<Digest> {
    if !flags.force.is_empty() || flags.locked || flags.dry_run || flags.verbose || flags.check_incremental {
        return None;
    }
    let file = flags.target.pipeline.as_ref()?;
    let path = pipeline::locate(&project.root, file);
    let mut words = vec![path.to_str()?, file.to_str()?, "set"];
    words.extend(flags.target.set.iter().map(String::as_str));
    words.push("until");
    words.extend(flags.until.iter().map(String::as_str));
    still::asked(project, &words)
}

/// The resolved pipeline as the same command had it before, and the files that it was made of.
pub struct Before {
    config: String,
    layers: Vec<(PathBuf, Digest)>,
}

impl Before {
    /// The resolved pipeline, where the files still say the same.
    pub fn config(self, pipeline: &Pipeline) -> Option<String> {
        (self.layers == layers(pipeline)).then_some(self.config)
    }
}

/// What there was to answer.
pub enum Answer {
    /// All: the run is over.
    Given,
    /// Nothing yet.
    None(Option<Before>),
}

/// Answers a command that has nothing to do.
///
/// # Errors
/// When the run can't be recorded.
pub fn answer(asked: &Digest, flags: &cli::Run, project: &Project) -> Result<Answer> {
    let start = Instant::now();
    let Some(note) = still::note(project, asked) else { return Ok(Answer::None(None)) };
    let said = match still::said::<Said<'_>>(&note, project, asked) {
        None => return Ok(Answer::None(None)),
        Some(Holds::Pipeline(said, layers)) => {
            let config = said.config.to_owned();
            return Ok(Answer::None(Some(Before { config, layers })));
        }
        Some(Holds::All(said)) => said,
    };
    let journal = Journal::start(&project.experiments())?;
    // Trackers make ready meanwhile.
    let tracking = said.tracked.then(|| track::start_bare(&journal.run, said.config, project)).flatten();
    journal.config(said.config)?;
    let first = started(&journal.run, said.name, said.file, said.stages);
    let tally = Tally { hit: said.stages, ..Tally::default() };
    let last = done(&journal.run, tally, Shared::default(), false, start);
    let provenance = provenance::anew(said.provenance, project)?;
    journal.append(&first)?;
    journal.append_lines(provenance.as_bytes())?;
    journal.append_lines(said.lines.as_bytes())?;
    journal.append(&last)?;
    // The record is complete before anybody waits for trackers.
    let amiss = tracking.map_or_else(Vec::new, |tracking| mirror(&tracking, said.lines, [&first, &last]));
    for warning in &amiss {
        journal.append(warning)?;
    }
    let look = terminal::Look { verbose: false, quiet: flags.quiet };
    let json = Json::default();
    let shown: &dyn Sink = if flags.json { &json } else { &Plain::still(said.warnings, said.pages, look) };
    shown.event(&first);
    if flags.json {
        print(format_args!("{provenance}{}", said.lines))?;
    }
    amiss.iter().for_each(|warning| shown.event(warning));
    shown.event(&last);
    shown.finish()?;
    Ok(Answer::Given)
}

/// Tells the trackers of a run that had nothing to do; what they couldn't do.
fn mirror(tracking: &Tracking, lines: &str, [first, last]: [&Event; 2]) -> Vec<Event> {
    tracking.event(first);
    lines.lines().for_each(|line| tracking.line(line));
    tracking.finish(last).into_iter().map(|warning| Event::Warning(Note::new(warning))).collect()
}

/// Writes down that a run left nothing to do, for the next one.
///
/// # Errors
/// When the disk is full.
pub fn keep(
    asked: &Digest,
    project: &Project,
    pipeline: &Pipeline,
    (config, rests): (&str, &Provenance),
    facts: Facts<'_>,
    ends: &[StageDone],
) -> Result<()> {
    // A stage whose bytes were lost on the way ended twice; the last time counts.
    let last: BTreeMap<&str, usize> =
        ends.iter().enumerate().map(|(at, end)| (end.stage.as_str(), at)).collect();
    let mut lines = Vec::new();
    for (_, end) in ends.iter().enumerate().filter(|(at, end)| last.get(end.stage.as_str()) == Some(at)) {
        let hit = StageDone {
            outcome: Outcome::Hit,
            from: None,
            because: Vec::new(),
            attempts: 1,
            time: 0.0,
            ..end.clone()
        };
        serde_json::to_writer(&mut lines, &Event::StageDone(Box::new(hit)))?;
        lines.push(b'\n');
    }
    if let Some(data) = provenance::data(ends) {
        serde_json::to_writer(&mut lines, &data)?;
        lines.push(b'\n');
    }
    let rests = provenance::line(rests)?;
    let saved = |stage: &String| ends.iter().any(|end| end.stage == *stage);
    let said = Said {
        config,
        provenance: &rests,
        name: &pipeline.name,
        file: &pipeline.file,
        stages: last.len(),
        warnings: last.values().filter_map(|at| ends.get(*at)).map(|end| end.warnings.len()).sum(),
        tracked: pipeline.track.is_some(),
        pages: terminal::pages(pipeline).filter(|(stage, _)| saved(stage)).map(|(_, page)| page).collect(),
        lines: str::from_utf8(&lines)?,
    };
    still::keep(project, asked, &layers(pipeline), facts, said)
}

/// The files of a pipeline as they were read.
fn layers(pipeline: &Pipeline) -> Vec<(PathBuf, Digest)> {
    pipeline.layers.iter().map(|layer| (layer.path.clone(), Digest::of(&layer.bytes()))).collect()
}

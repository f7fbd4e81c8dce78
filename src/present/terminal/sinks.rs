//! Sinks for events: JSON lines, plain lines, and live bars on a terminal.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use anstream::adapter::strip_str;
use anstyle::AnsiColor;
use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::board::leaderboard;
use super::echo::{Unechoed, unechoed};
use super::out::{print, tell};
use super::was::{Metrics, was};
use super::{Look, seconds};
use crate::diagnostic::{Diagnostic, Severity, grouped, plural, render};
use crate::engine::cause::Cause;
use crate::engine::events::{Event, Note, Origin, Outcome, Sink, StageDone};
use crate::pipeline::{Pipeline, board};

/// The name of the bar for results on their way to the remote cache; no stage can have it.
const REMOTE: &str = "[remote]";

/// What came before a run.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    /// What a stage measured when it last came out well.
    pub metrics: &'a (dyn Fn(&str) -> Option<Metrics> + Sync),
    /// The last run of the same pipeline, where it can be compared with.
    pub run: &'a (dyn Fn() -> Option<String> + Sync),
}

/// One JSON object a line on standard output.
#[derive(Default)]
pub struct Json {
    /// Why standard output can't be written any more.
    failed: Mutex<Option<anyhow::Error>>,
}

impl Sink for Json {
    fn event(&self, event: &Event) {
        let Ok(mut failed) = self.failed.lock() else { return };
        if failed.is_none()
            && let Ok(line) = serde_json::to_string(event)
        {
            *failed = print(format_args!("{line}\n")).err();
        }
    }

    fn finish(&self) -> Result<()> {
        self.failed.lock().map_or(Ok(()), |mut failed| failed.take().map_or(Ok(()), Err))
    }
}

/// Plain lines on standard error.
pub struct Plain<'a> {
    lines: Lines<'a>,
}

impl<'a> Plain<'a> {
    /// Lines for a pipeline's stages, in columns.
    pub fn new(pipeline: &Pipeline, look: Look, past: Past<'a>) -> Self {
        Self { lines: Lines::new(pipeline, look, past) }
    }

    /// Lines for a run in which no stage has anything to say; `standing` is how many warnings its stages
    /// have had, `pages` are the reports that it keeps.
    pub fn still(standing: usize, pages: Vec<String>, look: Look) -> Self {
        let kept = Mutex::new(Kept { pages, standing, ..Kept::default() });
        let (again, pages) = (String::new(), HashMap::new());
        Self {
            lines: Lines {
                look,
                stage: 0,
                kind: 0,
                again,
                pages,
                past: Past { metrics: &|_| None, run: &|| None },
                kept,
            },
        }
    }

    /// The command that runs the pipeline once more.
    #[must_use]
    pub fn again(mut self, command: String) -> Self {
        self.lines.again = command;
        self
    }
}

impl Sink for Plain<'_> {
    fn event(&self, event: &Event) {
        for line in self.lines.of(event) {
            tell(format_args!("{line}\n"));
        }
    }
}

/// A bar for each running stage, and a line for each that is over.
pub struct Live<'a> {
    lines: Lines<'a>,
    all: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
    /// The last field, so that the terminal has its modes back when all bars are gone.
    _unechoed: Unechoed,
}

impl<'a> Live<'a> {
    /// Bars for a pipeline's stages.
    pub fn new(pipeline: &Pipeline, look: Look, past: Past<'a>) -> Self {
        let lines = Lines::new(pipeline, look, past);
        Self { lines, all: MultiProgress::new(), bars: Mutex::default(), _unechoed: unechoed() }
    }

    /// The command that runs the pipeline once more.
    #[must_use]
    pub fn again(mut self, command: String) -> Self {
        self.lines.again = command;
        self
    }

    fn start(&self, stage: &str, kind: &str) {
        let bar = self.all.add(ProgressBar::new(1000));
        let template = "  {prefix} {spinner} {wide_msg} {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(self.lines.columns(stage, kind));
        bar.enable_steady_tick(Duration::from_millis(120));
        if let Ok(mut bars) = self.bars.lock() {
            // One that is tried again has a bar already.
            bars.insert(stage.to_owned(), bar).iter().for_each(|old| self.take_away(old));
        }
    }

    fn progress(&self, stage: &str, fraction: f64, doing: &str) {
        if let Ok(bars) = self.bars.lock()
            && let Some(bar) = bars.get(stage)
        {
            bar.set_message(format!("{:3.0} %  {doing}", fraction.clamp(0.0, 1.0) * 100.0));
        }
    }

    /// Shows the last line that a program has printed.
    fn output(&self, stage: &str, text: &str) {
        if let Some(line) = printed(text).rfind(|line| !line.trim().is_empty())
            && let Ok(bars) = self.bars.lock()
            && let Some(bar) = bars.get(stage)
        {
            bar.set_message(line.trim().to_owned());
        }
    }

    fn pushing(&self, results: usize) {
        if self.bars.lock().is_ok_and(|bars| !bars.contains_key(REMOTE)) {
            self.start(REMOTE, "");
        }
        if let Ok(bars) = self.bars.lock()
            && let Some(bar) = bars.get(REMOTE)
        {
            bar.set_message(format!("{} left", plural(results, "result")));
        }
    }

    fn end(&self, stage: &str) {
        if let Ok(mut bars) = self.bars.lock()
            && let Some(bar) = bars.remove(stage)
        {
            self.take_away(&bar);
        }
    }

    /// Takes a bar off the screen for good: one that only ends is counted as a line until its last tick
    /// is over, and what stands above it would be cleared in its place.
    fn take_away(&self, bar: &ProgressBar) {
        bar.disable_steady_tick();
        bar.finish_and_clear();
        self.all.remove(bar);
    }
}

impl Sink for Live<'_> {
    fn event(&self, event: &Event) {
        match event {
            Event::StageStarted { stage, kind, .. } => self.start(stage, kind),
            Event::StageProgress { stage, fraction, doing } => self.progress(stage, *fraction, doing),
            Event::StageOutput { stage, text, .. } => self.output(stage, text),
            Event::StageDone(end) => self.end(&end.stage),
            Event::Pushing { results } => self.pushing(*results),
            Event::RunDone { .. } => self.end(REMOTE),
            _ => {}
        }
        let lines = self.lines.of(event);
        if !lines.is_empty() {
            self.all.suspend(|| lines.iter().for_each(|line| tell(format_args!("{line}\n"))));
        }
    }
}

/// The reports that a pipeline saves, with the stages that write them.
pub fn pages(pipeline: &Pipeline) -> impl Iterator<Item = (String, String)> {
    pipeline.tasks.iter().filter_map(|task| {
        let mut paths = task.saves.iter().map(|(_, path)| path.display().to_string());
        Some((task.label.clone(), paths.find(|path| path.ends_with(".html"))?))
    })
}

/// Turns events into lines.
struct Lines<'a> {
    look: Look,
    stage: usize,
    kind: usize,
    /// The command that runs the pipeline once more.
    again: String,
    pages: HashMap<String, String>,
    past: Past<'a>,
    kept: Mutex<Kept>,
}

/// What is said at the end.
#[derive(Default)]
struct Kept {
    warnings: Vec<Note>,
    /// Warnings of stages from the cache, which are not said again.
    standing: usize,
    errors: Vec<String>,
    pages: Vec<String>,
    /// Whether it has been said that results are on their way to the remote cache.
    waits: bool,
}

impl<'a> Lines<'a> {
    fn new(pipeline: &Pipeline, look: Look, past: Past<'a>) -> Self {
        let width = |text: &str| text.chars().count();
        Self {
            look,
            stage: pipeline.tasks.iter().map(|task| width(&task.label)).max().unwrap_or(0),
            kind: pipeline.tasks.iter().map(|task| width(task.draft.kind.name)).max().unwrap_or(0),
            again: format!("custem run {}", pipeline.file),
            pages: pages(pipeline).collect(),
            past,
            kept: Mutex::default(),
        }
    }

    fn columns(&self, stage: &str, kind: &str) -> String {
        format!("{stage:stage_width$}  {kind:kind_width$}", stage_width = self.stage, kind_width = self.kind)
    }

    fn of(&self, event: &Event) -> Vec<String> {
        match event {
            Event::StageDone(end) => self.stage_done(end),
            Event::StageOutput { stage, text, .. } if self.look.verbose => {
                printed(text).map(|line| format!("  {stage}: {line}").trim_end().to_owned()).collect()
            }
            Event::Restored { stage, path, why, kept } if !self.look.quiet => {
                vec![restored(stage, path, why, kept.as_deref())]
            }
            Event::Warning(note) => vec![warning(note)],
            Event::Leaderboard { objective, others, best, rows } if !self.look.quiet => {
                leaderboard(objective, others, best.as_deref(), rows)
            }
            Event::Pushing { results } if !self.look.quiet => self.pushing(*results),
            Event::RunDone { .. } => self.end(event),
            _ => Vec::new(),
        }
    }

    fn stage_done(&self, end: &StageDone) -> Vec<String> {
        let Ok(mut kept) = self.kept.lock() else { return Vec::new() };
        if end.outcome == Outcome::Hit && !self.look.verbose {
            kept.standing += end.warnings.len();
        } else if matches!(end.outcome, Outcome::Ran | Outcome::Hit) {
            let of_stage =
                |note: &Note| Note { message: format!("{}: {}", end.stage, note.message), ..note.clone() };
            kept.warnings.extend(end.warnings.iter().map(of_stage));
        }
        if let (Outcome::Failed, Some(error)) = (end.outcome, &end.error) {
            kept.errors.push(failure(end, error));
        }
        if let Some(page) = self.pages.get(&end.stage)
            && matches!(end.outcome, Outcome::Ran | Outcome::Hit)
        {
            kept.pages.push(page.clone());
        }
        let cached = end.outcome == Outcome::Hit && end.from.is_none();
        let quiet = self.look.quiet || (cached && !self.look.verbose);
        if quiet { Vec::new() } else { vec![self.line(end)] }
    }

    fn line(&self, end: &StageDone) -> String {
        let (word, time, said) = match end.outcome {
            Outcome::Ran => ("ran", seconds(end.seconds), self.said(end)),
            Outcome::Hit if end.from == Some(Origin::Remote) => ("fetched", String::new(), self.said(end)),
            Outcome::Hit => ("cached", String::new(), end.summary.clone()),
            Outcome::Failed => ("failed", seconds(end.seconds), String::new()),
            Outcome::Skipped => (
                "skipped",
                String::new(),
                end.error.as_ref().map_or(String::new(), |note| first_line(&note.message)),
            ),
        };
        format!("  {}  {word:7} {time:>9}   {said}", self.columns(&end.stage, &end.kind))
            .trim_end()
            .to_owned()
    }

    /// A stage's line with what its numbers were when it last came out well.
    fn said(&self, end: &StageDone) -> String {
        let before = (self.past.metrics)(&end.stage).unwrap_or_default();
        was(&end.summary, &end.metrics, &before) + &parts(end)
    }

    /// That results are still on their way, once.
    fn pushing(&self, results: usize) -> Vec<String> {
        let Ok(mut kept) = self.kept.lock() else { return Vec::new() };
        if std::mem::replace(&mut kept.waits, true) {
            return Vec::new();
        }
        vec![format!("  waiting for the remote cache to take {}", plural(results, "result"))]
    }

    fn end(&self, event: &Event) -> Vec<String> {
        let Event::RunDone {
            run,
            ran,
            hit,
            fetched,
            pushed,
            failed,
            skipped,
            seconds: time,
            interrupted,
            ..
        } = event
        else {
            return Vec::new();
        };
        let (ran, hit, failed, skipped) = (*ran, *hit, *failed, *skipped);
        let Ok(kept) = self.kept.lock() else { return Vec::new() };
        let mut lines = kept.errors.clone();
        if self.look.quiet {
            return lines;
        }
        let mut parts = format!("{ran} ran, {hit} from cache");
        if *fetched > 0 {
            parts += &format!(" ({fetched} of the remote one)");
        }
        for (count, word) in [(failed, "failed"), (skipped, "skipped"), (*pushed, "pushed")] {
            if count > 0 {
                parts += &format!(", {count} {word}");
            }
        }
        let total = plural(ran + hit + failed + skipped, "stage");
        lines.push(format!("{total}: {parts}, {}          run {run}", seconds(*time)));
        lines.extend(kept.warnings.iter().map(warning));
        if kept.standing > 0 {
            let stand = plural(kept.standing, "warning");
            lines.push(format!("{stand} of stages from the cache: custem runs show {run}"));
        }
        if *interrupted {
            lines.push(format!("interrupted; everything finished is cached: {}", self.again));
        } else if failed > 0 {
            let done = match ran + hit {
                0 => String::new(),
                1 => "1 finished stage stays cached; ".to_owned(),
                more => format!("{} stay cached; ", plural(more, "finished stage")),
            };
            lines.push(format!("{done}mend the cause, then: {}", self.again));
        }
        lines.extend(kept.pages.iter().map(|page| format!("report: {page}")));
        if ran > 0 && failed == 0 && !*interrupted {
            lines.extend(self.next(run, !kept.pages.is_empty()));
        }
        lines
    }

    /// What may be of use now: the report, and what has become of it since the last run.
    fn next(&self, run: &str, has_page: bool) -> Option<String> {
        let open = has_page.then(|| "open the report: custem open".to_owned());
        let number = |run: &str| run.split('-').next().unwrap_or_default().to_owned();
        let compare = (self.past.run)().map(|before| {
            let (before, run) = (number(&before), number(run));
            format!("compare with the last run: custem runs diff {before} {run}")
        });
        let hints: Vec<_> = open.into_iter().chain(compare).collect();
        (!hints.is_empty()).then(|| hints.join("        "))
    }
}

/// What a program printed, line by line, without what would move the cursor or colour what follows.
fn printed(text: &str) -> impl DoubleEndedIterator<Item = String> {
    let plain = |line: &str| {
        let line = strip_str(line).to_string().replace('\t', "    ");
        line.chars().filter(|letter| !letter.is_control()).collect()
    };
    text.split('\n').map(plain)
}

/// How many partial results were computed, where others were kept: `, 36 months, 1 computed`.
fn parts(end: &StageDone) -> String {
    let some = end.parts.as_ref().filter(|parts| parts.reused > 0);
    some.map_or_else(String::new, |parts| {
        let all = plural(parts.computed + parts.reused, &parts.unit);
        format!(", {all}, {} computed", grouped(parts.computed as u64))
    })
}

/// What else a message says is shown with the failure itself.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

/// That an output of the cache was saved, and where another one went that stood there.
pub(super) fn restored(stage: &str, path: &str, why: &str, kept: Option<&str>) -> String {
    match kept {
        Some(kept) => format!("  {stage}: saved {path}; the file that stood there is now {kept}"),
        None if why == "missing" => format!("  {stage}: saved {path}"),
        None => format!("  {stage}: saved {path} again, it was {why}"),
    }
}

pub(super) fn warning(note: &Note) -> String {
    let place = note.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
    let style = AnsiColor::Yellow.on_default().bold();
    // Colour is dropped by the stream where it isn't wanted; the word alone says it too.
    let (first, more) = note.message.split_once('\n').unwrap_or((&note.message, ""));
    let more: String = more.lines().map(|line| format!("\n    {line}")).collect();
    format!("{style}warning{style:#}: {first}{place}{more}")
}

pub(super) fn failure(end: &StageDone, note: &Note) -> String {
    let times = if end.attempts > 1 { format!(" {} times", end.attempts) } else { String::new() };
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        message: format!("stage `{}` failed{times}: {}", end.stage, note.message),
        at: note.at.clone(),
        hint: note.hint.clone(),
    };
    render(&diagnostic, true)
}

/// A cause in words, for `why` and `plan`: what, the change, where.
pub fn cause(stage: &str, cause: &Cause) -> String {
    let change = |old: &Option<String>, new: &Option<String>| {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        format!("{} -> {}", shown(old), shown(new))
    };
    let digests = |old: &Option<String>, new: &Option<String>| {
        let short = |value: &Option<String>| {
            value.as_ref().map_or("nothing".to_owned(), |value| crate::engine::cause::short(value).to_owned())
        };
        format!("{} -> {}", short(old), short(new))
    };
    match cause {
        Cause::New => "no earlier run of it is known".to_owned(),
        Cause::Forced => "--force named it".to_owned(),
        Cause::Forgotten => "nothing changed, but the cache has no record of it".to_owned(),
        Cause::Changed { name, of, old, new, place, overrides } => {
            let below = overrides.as_ref().map(|says| format!(" ({says})")).unwrap_or_default();
            let owner = of.as_deref().unwrap_or(stage);
            format!("{owner}.{name}  {}  {place}{below}", change(old, new))
        }
        Cause::Input { name, from, old, new } => {
            // The inputs of a leaderboard have no names that anybody wrote.
            let name = if stage == board::LABEL { String::new() } else { format!("{name}: ") };
            let what = if new.is_some() { "gave other bytes" } else { "gave nothing" };
            let from = if from.is_empty() { "its giver".to_owned() } else { format!("`{from}`") };
            format!("{name}{from} {what}  {}", digests(old, new))
        }
        Cause::Added { name, from, place } => format!("`{stage}.{name}` was added: `{from}`  {place}"),
        Cause::TakenOut { name, place } => format!("`{stage}.{name}` was taken out  {place}"),
        Cause::Source { name, old, new } => format!("file {name}  {}", digests(old, new)),
        Cause::Lost { port, loss } => format!("its output `{port}` was {} in the cache", loss.name()),
    }
}

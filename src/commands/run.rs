//! `custem run`: runs a pipeline, shows it, records it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use super::explain::Reported;
use super::history::History;
use super::still::Answer;
use super::variants::Variants;
use super::{
    FAILED, INTERRUPTED, forced, incremental, is_broken_pipe, load_swept, lock, plan, provenance, rivals,
    still, track, wanted, waves,
};
use crate::cli;
use crate::engine::Project;
use crate::engine::budget::Budget;
use crate::engine::digest::Digest;
use crate::engine::events::{Event, Note, Origin, Sink, StageDone};
use crate::engine::executor::{Ended, Options, Past as Earlier, Tally};
use crate::engine::machine::Machine;
use crate::engine::remote::Remote;
use crate::observe::journal::Journal;
use crate::observe::printed::Printed;
use crate::observe::trackers::Tracking;
use crate::pipeline::{Flag, Pipeline, resolved};
use crate::present::terminal::{self, Json, Live, Past, Plain};
use crate::stages::guard;

pub fn run(flags: &cli::Run, project: &Project) -> Result<ExitCode> {
    run_swept(flags, &[], project)
}

/// Runs a pipeline with what flags say of its sweep.
pub fn run_swept(flags: &cli::Run, sweep: &[Flag], project: &Project) -> Result<ExitCode> {
    let asked = if sweep.is_empty() { still::asked(flags, project) } else { None };
    let answer = asked.as_ref().map(|asked| still::answer(asked, flags, project)).transpose()?;
    let before = match answer {
        Some(Answer::Given) => return Ok(ExitCode::SUCCESS),
        Some(Answer::None(before)) => before,
        None => None,
    };
    let pipeline = load_swept(&flags.target, sweep, project)?;
    if flags.dry_run {
        let (until, force) = (&flags.until, &flags.force);
        let asked = plan::Asked { until, force, shared: !flags.no_remote, json: flags.json };
        return plan::show(pipeline, &asked, project);
    }
    let wish = Wish {
        until: &flags.until,
        force: &flags.force,
        jobs: flags.jobs,
        keep_going: flags.keep_going,
        locked: flags.locked,
        shared: !flags.no_remote,
        json: flags.json,
        asked,
        config: before.and_then(|before| before.config(&pipeline)),
    };
    let cancelled = stop_on_ctrl_c();
    let came = recorded(&wish, &pipeline, project, &cancelled, &|past| shown_by(flags, &pipeline, past))?;
    match came.told {
        // Whoever reads the events may stop early; the run is recorded all the same.
        Err(error) if !is_broken_pipe(&error) => return Err(error),
        _ => {}
    }
    if flags.check_incremental && !came.interrupted {
        incremental::check(&came.ends, &pipeline, project, &cancelled, flags.json || flags.quiet)?;
    }
    Ok(code(came.tally, cancelled.load(Ordering::Relaxed)))
}

/// What is wanted of a run.
pub struct Wish<'a> {
    /// Stages to run with all that they need; all when empty.
    pub until: &'a [String],
    /// Stages to run whatever the cache has.
    pub force: &'a [String],
    /// How many cores to use.
    pub jobs: Option<u16>,
    /// Whether to go on with other branches after a failure.
    pub keep_going: bool,
    /// Whether it must give what the lock says.
    pub locked: bool,
    /// Whether results are shared, where the pipeline says with whom.
    pub shared: bool,
    /// Whether a failure of the run itself is told as events.
    pub json: bool,
    /// What identifies the command, where a rerun of it may be answered at once.
    pub asked: Option<Digest>,
    /// The resolved pipeline, where it is known already.
    pub config: Option<String>,
}

/// Makes who shows a run, from what stages measured before.
pub type Shown<'s> = &'s dyn for<'a> Fn(Past<'a>) -> Box<dyn Sink + 'a>;

/// What became of a run.
pub struct Outcome {
    /// What it came to.
    pub tally: Tally,
    /// Whether the user interrupted it.
    pub interrupted: bool,
    /// Whether everything could be shown.
    pub told: Result<()>,
    /// The end of each stage.
    pub ends: Vec<StageDone>,
}

/// Runs a pipeline and records it.
///
/// # Errors
/// When the cache or the record can't be written.
pub fn recorded(
    wish: &Wish<'_>,
    pipeline: &Pipeline,
    project: &Project,
    cancelled: &Arc<AtomicBool>,
    shown: Shown<'_>,
) -> Result<Outcome> {
    rivals::refuse(pipeline, project)?;
    let machine = Machine::here();
    let budget = Budget::new(machine, pipeline.resources, wish.jobs.map(usize::from));
    threads(budget.cores);
    let remote = pipeline.remote.as_ref().filter(|_| wish.shared);
    let options = Options {
        budget,
        keep_going: wish.keep_going,
        wanted: wanted(pipeline, wish.until)?,
        forced: forced(pipeline, wish.force)?,
        locked: wish.locked.then(|| lock::read(pipeline, project)).transpose()?,
        remote: remote.map(|settings| Remote::new(settings, &project.root, cancelled)),
        stop: Arc::clone(cancelled),
        start: Instant::now(),
        curfew: None,
        past: Earlier::default(),
    };
    let journal = Journal::start(&project.experiments())?;
    let config = match &wish.config {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(resolved::text(pipeline, None)?),
    };
    journal.config(&config)?;
    let count = options.wanted.iter().filter(|wanted| **wanted).count();
    let history = History::new(project, &pipeline.name).before(&journal.run);
    let metrics = |label: &str| history.metrics(label);
    // Two sweeps are compared by their leaderboards.
    let before = || history.run().filter(|_| pipeline.sweep.is_none());
    let past = Past { metrics: &metrics, run: &before };
    let tracking = pipeline.track.as_ref().and_then(|_| track::start(&journal.run, &config, project));
    let sink = Recorder::new(&journal, tracking, shown(past));
    sink.event(&started(&journal.run, &pipeline.name, &pipeline.file, count));
    let rests = provenance::of(pipeline, machine, project);
    sink.event(&Event::Provenance(Box::new(rests.clone())));
    let start = options.start;
    let ground = waves::Ground {
        wish,
        project,
        sink: &sink,
        ends: &|heard| sink.ends_after(heard),
        history: &history,
        cancelled,
    };
    let ended = provenance::beside_git(&project.root, &sink, || waves::run(pipeline, options, &ground));
    let interrupted = cancelled.load(Ordering::Relaxed);
    let (Ended { tally, facts, pushed, past }, grown) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            let failed = Tally { failed: 1, ..Tally::default() };
            let warning = Event::Warning(Note::new(format!("{error:#}")));
            let last = done(&journal.run, failed, Shared::default(), interrupted, start);
            sink.mirror(&warning);
            // People get the error itself, from whoever called.
            if wish.json {
                sink.event(&warning);
                sink.last(&last);
                return Err(Reported(error).into());
            }
            drop(journal.append(&warning));
            drop(journal.append(&last));
            sink.mirrored(&last);
            return Err(error);
        }
    };
    let pipeline = grown.as_ref().unwrap_or(pipeline);
    let ends = sink.take_ends();
    if let Some(sweep) = &pipeline.sweep {
        let variants = Variants::new(pipeline, sweep, &ends, interrupted, &past);
        variants.record(&journal, &rests, sink.tree().as_ref())?;
        variants.leaderboard(&journal, project).iter().for_each(|event| sink.shown.event(event));
    }
    if let (Some(asked), Some(facts), None) = (&wish.asked, facts, &pipeline.sweep)
        && !interrupted
    {
        // A shortcut that can't be kept costs the next run some milliseconds and nothing else.
        let _ = still::keep(asked, project, pipeline, (&config, &rests), facts, &ends);
    }
    if let Some(reason) = guard::let_go() {
        let message = format!("programs would have gone on if custem had been killed: {reason}");
        sink.event(&Event::Warning(Note::new(message)));
    }
    if let Some(data) = provenance::data(&ends) {
        sink.event(&data);
    }
    let shared = Shared { fetched: fetched(&ends), pushed };
    let last = done(&journal.run, tally, shared, interrupted, start);
    sink.last(&last);
    Ok(Outcome { tally, interrupted, told: sink.shown.finish(), ends })
}

fn code(tally: Tally, interrupted: bool) -> ExitCode {
    match tally {
        _ if interrupted => ExitCode::from(INTERRUPTED),
        _ if tally.is_well() => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    }
}

/// Lets stages use so many threads inside them.
pub fn threads(count: usize) {
    // The pool can only be set once a process; a second call would find it as it is wanted anyway.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(count).build_global();
}

/// The first Ctrl-C ends the run cleanly, the second one at once.
pub fn stop_on_ctrl_c() -> Arc<AtomicBool> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            crate::stages::end_all();
            terminal::echo_again();
            std::process::exit(i32::from(INTERRUPTED));
        }
    };
    // Without a handler Ctrl-C ends the process at once, which the cache survives as well.
    let _ = ctrlc::set_handler(handler);
    cancelled
}

fn shown_by<'a>(flags: &cli::Run, pipeline: &Pipeline, past: Past<'a>) -> Box<dyn Sink + 'a> {
    let look = terminal::Look { verbose: flags.verbose, quiet: flags.quiet };
    if flags.json {
        Box::new(Json::default())
    } else if std::io::stderr().is_terminal() && !flags.quiet {
        Box::new(Live::new(pipeline, look, past).again(again()))
    } else {
        Box::new(Plain::new(pipeline, look, past).again(again()))
    }
}

/// The command as it was given, for people to give it once more.
fn again() -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "_-./=:,+@%".contains(letter);
    let quoted = |word: String| {
        let bare = !word.is_empty() && word.chars().all(plain);
        if bare { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    let words = std::env::args_os().skip(1).map(|word| quoted(word.to_string_lossy().into_owned()));
    std::iter::once("custem".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// The first event of a run.
pub fn started(run: &str, pipeline: &str, file: &str, stages: usize) -> Event {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Event::RunStarted {
        run: run.to_owned(),
        pipeline: pipeline.to_owned(),
        file: file.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time,
        stages,
        variant: None,
    }
}

/// Results that a run took from the remote cache, and those that it gave to it.
#[derive(Clone, Copy, Default)]
pub struct Shared {
    fetched: usize,
    pushed: usize,
}

/// How many stages took their result from the remote cache. One whose bytes were lost on the way ended twice; the
/// last time counts.
fn fetched(ends: &[StageDone]) -> usize {
    let last: BTreeMap<_, _> = ends.iter().map(|end| (end.stage.as_str(), end.from)).collect();
    last.values().filter(|from| **from == Some(Origin::Remote)).count()
}

/// The last event of a run.
pub fn done(run: &str, tally: Tally, shared: Shared, interrupted: bool, start: Instant) -> Event {
    Event::RunDone {
        run: run.to_owned(),
        ok: tally.is_well() && !interrupted,
        ran: tally.ran,
        hit: tally.hit,
        fetched: shared.fetched,
        pushed: shared.pushed,
        failed: tally.failed,
        skipped: tally.skipped,
        hashed: tally.hashed,
        interrupted,
        seconds: start.elapsed().as_secs_f64(),
    }
}

/// Records every event and passes it on to whoever shows it.
struct Recorder<'a> {
    journal: &'a Journal,
    printed: Printed,
    tracking: Option<Tracking>,
    shown: Box<dyn Sink + 'a>,
    ends: Mutex<Vec<StageDone>>,
    /// What git said of the project's files.
    tree: Mutex<Option<Event>>,
    /// Raised when an event could not be recorded: to say it once is enough.
    deaf: AtomicBool,
}

impl<'a> Recorder<'a> {
    fn new(journal: &'a Journal, tracking: Option<Tracking>, shown: Box<dyn Sink + 'a>) -> Self {
        let printed = Printed::of(journal);
        Self {
            journal,
            printed,
            tracking,
            shown,
            ends: Mutex::default(),
            tree: Mutex::default(),
            deaf: AtomicBool::new(false),
        }
    }

    /// What git said of the project's files, if it has.
    fn tree(&self) -> Option<Event> {
        self.tree.lock().ok()?.take()
    }

    fn record(&self, event: &Event) -> Result<()> {
        match event {
            // Progress comes many times a second and says nothing afterwards.
            Event::StageProgress { .. } => return Ok(()),
            Event::StageOutput { stage, text, .. } if !self.printed.take(stage, text)? => return Ok(()),
            Event::StageDone(end) => self.printed.end(&end.stage)?,
            _ => {}
        }
        self.mirror(event);
        self.journal.append(event)
    }

    /// The ends of stages after the first so many.
    fn ends_after(&self, count: usize) -> Vec<StageDone> {
        self.ends.lock().map(|ends| ends[count.min(ends.len())..].to_vec()).unwrap_or_default()
    }

    /// Tells the trackers; they hear of the end by itself.
    fn mirror(&self, event: &Event) {
        if let Some(tracking) = &self.tracking
            && !matches!(event, Event::RunDone { .. } | Event::StageOutput { .. })
        {
            tracking.event(event);
        }
    }

    /// The end of the run: its record is complete before anybody waits for trackers. Whoever watches hears it last.
    fn last(&self, last: &Event) {
        if let Err(error) = self.journal.append(last) {
            self.unrecorded(&error);
        }
        self.mirrored(last);
        self.shown.event(last);
    }

    /// Says that an event could not be recorded, once.
    fn unrecorded(&self, error: &anyhow::Error) {
        if !self.deaf.swap(true, Ordering::Relaxed) {
            self.shown.event(&Event::Warning(Note::new(format!("can't record the run: {error:#}"))));
        }
    }

    /// Waits for the trackers, and says what they couldn't do.
    fn mirrored(&self, last: &Event) {
        for warning in self.tracking.iter().flat_map(|tracking| tracking.finish(last)) {
            self.event(&Event::Warning(Note::new(warning)));
        }
    }

    /// The end of each stage, once there are no more to come.
    fn take_ends(&self) -> Vec<StageDone> {
        self.ends.lock().map(|mut ends| std::mem::take(&mut *ends)).unwrap_or_default()
    }
}

impl Sink for Recorder<'_> {
    fn event(&self, event: &Event) {
        if let Event::StageDone(end) = event
            && let Ok(mut ends) = self.ends.lock()
        {
            ends.push((**end).clone());
        }
        if matches!(event, Event::WorkTree { .. })
            && let Ok(mut tree) = self.tree.lock()
        {
            *tree = Some(event.clone());
        }
        if let Err(error) = self.record(event) {
            self.unrecorded(&error);
        }
        self.shown.event(event);
    }
}

//! `custem run`: runs a pipeline, shows it, records it.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use super::history::History;
use super::variants::Variants;
use super::{FAILED, INTERRUPTED, forced, incremental, is_broken_pipe, load, lock, plan, still, wanted};
use crate::cli;
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::events::{Event, Note, Sink, StageDone};
use crate::engine::executor::{self, Ended, Options, Tally};
use crate::observe::journal::Journal;
use crate::pipeline::{Pipeline, resolved};
use crate::present::terminal::{self, Json, Live, Past, Plain};

pub fn run(flags: &cli::Run, project: &Project) -> Result<ExitCode> {
    let asked = still::asked(flags, project);
    if let Some(asked) = &asked
        && still::answer(asked, flags, project)?
    {
        return Ok(ExitCode::SUCCESS);
    }
    let pipeline = load(&flags.target, project)?;
    if flags.dry_run {
        return plan::show(&pipeline, &flags.until, &flags.force, flags.json, project);
    }
    let wish = Wish {
        until: &flags.until,
        force: &flags.force,
        jobs: flags.jobs,
        keep_going: flags.keep_going,
        locked: flags.locked,
        json: flags.json,
        asked,
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
    /// Whether a failure of the run itself is told as events.
    pub json: bool,
    /// What identifies the command, where a rerun of it may be answered at once.
    pub asked: Option<Digest>,
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
    cancelled: &AtomicBool,
    shown: Shown<'_>,
) -> Result<Outcome> {
    let options = Options {
        jobs: cores(wish.jobs),
        keep_going: wish.keep_going,
        wanted: wanted(pipeline, wish.until)?,
        forced: forced(pipeline, wish.force)?,
        locked: wish.locked.then(|| lock::read(pipeline, project)).transpose()?,
        start: Instant::now(),
    };
    let journal = Journal::start(&project.experiments())?;
    let config = resolved::text(pipeline, None)?;
    journal.config(&config)?;
    let count = options.wanted.iter().filter(|wanted| **wanted).count();
    let history = History::new(project, &pipeline.name).before(&journal.run);
    let past = |label: &str| history.metrics(label);
    let sink = Recorder::new(&journal, shown(&past));
    sink.event(&started(&journal.run, &pipeline.name, &pipeline.file, count));
    let start = options.start;
    let ended = executor::run(pipeline, project, &options, &sink, &|label| history.key(label), cancelled);
    let interrupted = cancelled.load(Ordering::Relaxed);
    let Ended { tally, facts } = match ended {
        Ok(ended) => ended,
        Err(error) => {
            let failed = Tally { failed: 1, ..Tally::default() };
            let warning = Event::Warning(Note::new(format!("{error:#}")));
            for event in [warning, done(&journal.run, failed, interrupted, start)] {
                // People get the error itself, from whoever called.
                if wish.json { sink.event(&event) } else { drop(journal.append(&event)) }
            }
            return Err(error);
        }
    };
    if let Some(sweep) = &pipeline.sweep {
        let ends = sink.ends();
        let variants = Variants::new(pipeline, sweep, &ends, interrupted);
        variants.record(&journal)?;
        if let Some(board) = variants.leaderboard() {
            sink.shown.event(&board);
        }
    }
    if let (Some(asked), Some(facts), None) = (&wish.asked, facts, &pipeline.sweep)
        && !interrupted
    {
        // A shortcut that can't be kept costs the next run some milliseconds and nothing else.
        let _ = still::keep(asked, project, pipeline, &config, facts, &sink.ends());
    }
    sink.event(&done(&journal.run, tally, interrupted, start));
    Ok(Outcome { tally, interrupted, told: sink.shown.finish(), ends: sink.ends() })
}

fn code(tally: Tally, interrupted: bool) -> ExitCode {
    match tally {
        _ if interrupted => ExitCode::from(INTERRUPTED),
        Tally { failed: 0, skipped: 0, .. } => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    }
}

/// Cores to use, for stages at once and for the threads inside them.
pub fn cores(asked: Option<u16>) -> usize {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = asked.map_or(all, usize::from);
    // The pool can only be set once a process; a second call would find it as it is wanted anyway.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(cores).build_global();
    cores
}

/// The first Ctrl-C ends the run cleanly, the second one at once.
pub fn stop_on_ctrl_c() -> Arc<AtomicBool> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            crate::stages::end_all();
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
        Box::new(Live::new(pipeline, look, past))
    } else {
        Box::new(Plain::new(pipeline, look, past))
    }
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

/// The last event of a run.
pub fn done(run: &str, tally: Tally, interrupted: bool, start: Instant) -> Event {
    Event::RunDone {
        run: run.to_owned(),
        ok: tally.failed == 0 && tally.skipped == 0 && !interrupted,
        ran: tally.ran,
        hit: tally.hit,
        failed: tally.failed,
        skipped: tally.skipped,
        interrupted,
        seconds: start.elapsed().as_secs_f64(),
    }
}

/// Records every event and passes it on to whoever shows it.
struct Recorder<'a> {
    journal: &'a Journal,
    shown: Box<dyn Sink + 'a>,
    ends: Mutex<Vec<StageDone>>,
    /// Raised when an event could not be recorded: to say it once is enough.
    deaf: AtomicBool,
}

impl<'a> Recorder<'a> {
    fn new(journal: &'a Journal, shown: Box<dyn Sink + 'a>) -> Self {
        Self { journal, shown, ends: Mutex::default(), deaf: AtomicBool::new(false) }
    }

    /// The end of each stage so far.
    fn ends(&self) -> Vec<StageDone> {
        self.ends.lock().map(|ends| ends.clone()).unwrap_or_default()
    }
}

impl Sink for Recorder<'_> {
    fn event(&self, event: &Event) {
        if let Event::StageDone(end) = event
            && let Ok(mut ends) = self.ends.lock()
        {
            ends.push((**end).clone());
        }
        // Progress comes many times a second and says nothing afterwards.
        if !matches!(event, Event::StageProgress { .. })
            && let Err(error) = self.journal.append(event)
            && !self.deaf.swap(true, Ordering::Relaxed)
        {
            self.shown.event(&Event::Warning(Note::new(format!("can't record the run: {error:#}"))));
        }
        self.shown.event(event);
    }
}

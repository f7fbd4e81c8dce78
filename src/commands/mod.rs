//! The commands: one file a subcommand, and the only place where everything meets.

mod cache;
mod check;
mod completions;
mod ended;
mod explain;
mod foresee;
mod graph;
mod history;
mod incremental;
mod init;
mod kinds;
mod lock;
mod open;
mod plan;
mod provenance;
mod rivals;
mod run;
mod runs;
mod schema;
mod search;
mod show;
mod still;
mod sweep;
mod trace;
mod track;
mod unfold;
mod variants;
mod verify;
mod watch;
mod waves;
mod why;

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

pub use explain::refuse;
use explain::{explain, form};

use crate::cli::{Cli, Command, Target};
use crate::diagnostic::{self, Diagnostic, Problems};
use crate::engine::Project;
use crate::engine::events::{Event, Sink};
use crate::observe::runs::Run;
use crate::pipeline::{self, Flag, Pipeline, board};
use crate::present::terminal::tell;
use crate::stages::{KINDS, guard};

/// A stage or a check failed.
const FAILED: u8 = 1;
/// The pipeline or the command line is wrong.
const WRONG: u8 = 2;
/// `plan` found something to run.
const WOULD_RUN: u8 = 10;
/// The user interrupted the run.
const INTERRUPTED: u8 = 130;

/// Runs the command; the exit code is 0 when it did what was asked.
///
/// # Errors
/// When it can't: [`report`] turns the error into a message and an exit code.
pub fn run(cli: &Cli) -> Result<ExitCode> {
    let project = Project::new(&cli.root);
    // Only `init` may start a project in a new folder: elsewhere it is a misspelt one.
    if !matches!(cli.command, Command::Init(_)) && !project.root.is_dir() {
        let message = format!("there is no folder `{}`", project.root.display());
        let hint = "`--root` takes the project's folder; `custem init` starts a project in a new one";
        return Err(Problems::from(Diagnostic::error(message).hint(hint)).into());
    }
    let done = obey(&cli.command, &project);
    // Where a run hasn't said already why there was none, its programs are over now.
    let _ = guard::let_go();
    done
}

fn obey(command: &Command, project: &Project) -> Result<ExitCode> {
    match command {
        Command::Run(flags) => run::run(flags, project),
        Command::Sweep(flags) => sweep::sweep(flags, project),
        Command::Watch(flags) => watch::watch(flags, project),
        Command::Plan(flags) => plan::plan(flags, project),
        Command::Check(flags) => check::check(flags, project),
        Command::Why(flags) => why::why(flags, project),
        Command::Graph(flags) => graph::graph(flags, project),
        Command::Kinds(flags) => kinds::kinds(flags),
        Command::Schema { events } => schema::schema(*events),
        Command::Open(flags) => open::open(flags, project),
        Command::Show(flags) => show::show(flags, project),
        Command::Trace(flags) => trace::trace(flags, project),
        Command::Runs(command) => runs::runs(command, project),
        Command::Track(command) => track::track(command, project),
        Command::Verify(flags) => verify::verify(flags, project),
        Command::Lock(target) => lock::lock(target, project),
        Command::Cache(command) => cache::cache(command, project),
        Command::Init(flags) => init::init(flags, project),
        Command::Completions { shell } => completions::completions(*shell),
    }
}

/// Says what went wrong; the exit code tells a wrong pipeline from other failures.
pub fn report(error: &anyhow::Error, cli: &Cli) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    explain(error, form(&cli.command))
}

/// Whoever reads our output may stop early, as `head` does; that is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |io: &std::io::Error| io.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(broken))
}

/// A stage that breaks down is reported as its error; the standard library's own text would be noise
/// there, and is told as what it is elsewhere.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if std::thread::current().name() == Some("main") {
            tell(format_args!("error: custem broke down ({panic}): this is a defect, please report it\n"));
        }
    }));
}

/// Says what is wrong where a command has done what it could.
fn say(message: impl Into<String>, hint: Option<String>) {
    let shown = Diagnostic::error(message).maybe_hint(hint);
    tell(format_args!("{}\n", diagnostic::render(&shown, true)));
}

/// Shows warnings at once.
struct Told;

impl Sink for Told {
    fn event(&self, event: &Event) {
        if let Event::Warning(note) = event {
            let warning = Diagnostic::warning(note.message.clone());
            tell(format_args!("{}\n", diagnostic::render(&warning, true)));
        }
    }
}

/// Reads the pipeline that the user means. It stays until the process ends, because taking a large
/// one apart takes as long as ordering it.
fn load(target: &Target, project: &Project) -> Result<ManuallyDrop<Pipeline>> {
    load_swept(target, &[], project)
}

/// As [`load`], with what flags say of a sweep.
fn load_swept(target: &Target, sweep: &[Flag], project: &Project) -> Result<ManuallyDrop<Pipeline>> {
    let file = meant(target, project)?;
    Ok(ManuallyDrop::new(pipeline::load_swept(&project.root, &file, &target.set, sweep, KINDS)?))
}

/// The file of the pipeline that the user means.
fn meant(target: &Target, project: &Project) -> Result<PathBuf> {
    target.pipeline.clone().map_or_else(|| last_pipeline(project), Ok)
}

/// The pipeline of the last run.
fn last_pipeline(project: &Project) -> Result<PathBuf> {
    let experiments = project.experiments();
    let last = crate::observe::runs::find(&experiments, "last").ok();
    match last.and_then(|name| Run::outline(&experiments, &name).ok()) {
        Some(run) => Ok(PathBuf::from(run.overview().file)),
        None => Err(Problems::from(
            Diagnostic::error("no pipeline is named, and none has been run here yet").hint(first(project)),
        )
        .into()),
    }
}

/// What to do where no pipeline is known.
fn first(project: &Project) -> String {
    let files = fs_err::read_dir(project.root.join("pipelines")).into_iter().flatten().flatten();
    let name = |file: fs_err::DirEntry| format!("pipelines/{}", file.file_name().to_string_lossy());
    let is_pipeline = |name: &String| name.ends_with(".toml") && !name.ends_with(".lock.toml");
    let mut found: Vec<_> = files.map(name).filter(is_pipeline).collect();
    found.sort();
    if found.is_empty() {
        return "`custem init` makes a first one".to_owned();
    }
    format!("give its path: there is {}", diagnostic::quoted(found.iter().map(String::as_str), "and"))
}

/// Which tasks a run is about: those that the named stages need, or all. With what variants of a sweep are compared by
/// comes the leaderboard.
fn wanted(pipeline: &Pipeline, until: &[String]) -> Result<Vec<bool>> {
    let mut wanted = needed(pipeline, until)?;
    let mut variants = pipeline.sweep.iter().flat_map(|sweep| &sweep.variants);
    if pipeline.sweep.is_some() && variants.all(|variant| variant.objectives.iter().all(|task| wanted[*task]))
    {
        pipeline.tasks_of(board::LABEL).into_iter().for_each(|task| wanted[task] = true);
    }
    Ok(wanted)
}

/// The tasks that the named stages need, or all.
fn needed(pipeline: &Pipeline, until: &[String]) -> Result<Vec<bool>> {
    let mut wanted = vec![until.is_empty(); pipeline.tasks.len()];
    for stage in until {
        pipeline.find(stage)?.into_iter().for_each(|task| wanted[task] = true);
    }
    for at in (0..pipeline.tasks.len()).rev().filter(|_| !until.is_empty()) {
        if wanted[at] {
            pipeline.tasks[at].inputs.iter().for_each(|edge| wanted[edge.task] = true);
        }
    }
    Ok(wanted)
}

/// Which tasks run whatever the cache has.
fn forced(pipeline: &Pipeline, force: &[String]) -> Result<Vec<bool>> {
    let mut forced = vec![false; pipeline.tasks.len()];
    for stage in force {
        pipeline.find(stage)?.into_iter().for_each(|task| forced[task] = true);
    }
    Ok(forced)
}

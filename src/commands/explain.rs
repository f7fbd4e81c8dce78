//! What went wrong with a command, for people or, with `--json`, for programs: one rule for all commands.

use std::process::ExitCode;

use super::{FAILED, WRONG};
use crate::cli::{Cache, Command, ExportForm, Runs};
use crate::diagnostic::{self, Diagnostic, Failure, Problems};
use crate::engine::events::Event;
use crate::present::terminal::{print, tell};

/// How mistakes are printed for programs: as the last line on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As an object by itself.
    Object,
    /// As an event among others.
    Event,
}

/// An error that the events of a run tell already.
#[derive(Debug)]
pub struct Reported(pub anyhow::Error);

impl std::fmt::Display for Reported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Reported {}

/// How a command prints for programs, where it is asked to.
pub fn form(command: &Command) -> Option<Form> {
    let (json, form) = match command {
        Command::Run(flags) if flags.dry_run => (flags.json, Form::Object),
        Command::Run(flags) => (flags.json, Form::Event),
        Command::Sweep(flags) => (flags.run.json, Form::Event),
        Command::Watch(flags) => (flags.json, Form::Event),
        Command::Runs(Runs::Rerun { json, .. }) => (*json, Form::Event),
        Command::Plan(flags) => (flags.json, Form::Object),
        Command::Check(flags) => (flags.json, Form::Object),
        Command::Why(flags) => (flags.json, Form::Object),
        Command::Kinds(flags) => (flags.json, Form::Object),
        Command::Show(flags) => (flags.json, Form::Object),
        Command::Trace(flags) => (flags.json, Form::Object),
        Command::Verify(flags) => (flags.json, Form::Object),
        Command::Runs(runs) => (of_runs(runs), Form::Object),
        Command::Cache(cache) => (of_cache(cache), Form::Object),
        _ => return None,
    };
    json.then_some(form)
}

fn of_runs(command: &Runs) -> bool {
    match command {
        Runs::List(flags) => flags.json,
        Runs::Show { json, .. } => *json,
        Runs::Diff(flags) => flags.json,
        Runs::Best(flags) => flags.json,
        Runs::Bisect(flags) => flags.json,
        Runs::Export(flags) => flags.format == ExportForm::Json,
        Runs::Rerun { .. } | Runs::Rm { .. } | Runs::Note { .. } | Runs::Trace { .. } => false,
    }
}

fn of_cache(command: &Cache) -> bool {
    match command {
        Cache::Verify(flags) => flags.json,
        Cache::Du { json } => *json,
        Cache::Gc(flags) => flags.json,
        Cache::Push(flags) | Cache::Pull(flags) | Cache::Status(flags) => flags.json,
    }
}

/// Says what went wrong; the exit code tells a wrong pipeline from other failures.
pub fn explain(error: &anyhow::Error, form: Option<Form>) -> ExitCode {
    let Some(problems) = error.downcast_ref::<Problems>() else {
        let cause = error.downcast_ref::<Reported>().map_or(error, |told| &told.0);
        let advice = cause.downcast_ref::<Failure>().and_then(|failure| failure.hint.clone());
        let hint = advice.or_else(|| diagnostic::remedy(cause).map(str::to_owned));
        let shown = Diagnostic::error(format!("{error:#}")).maybe_hint(hint);
        match form.filter(|_| !error.is::<Reported>()) {
            Some(form) => for_programs(&[shown], form),
            None => tell(format_args!("{}\n", diagnostic::render(&shown, true))),
        }
        return ExitCode::from(FAILED);
    };
    if let Some(form) = form {
        for_programs(&problems.0, form);
        return ExitCode::from(WRONG);
    }
    for problem in &problems.0 {
        tell(format_args!("{}\n", diagnostic::render(problem, true)));
    }
    // A command line has one mistake; a file may have more, which are counted.
    if problems.0.len() > 1 || problems.0.iter().any(|problem| problem.at.is_some()) {
        tell(format_args!("{}\n", diagnostic::plural(problems.0.len(), "error")));
    }
    ExitCode::from(WRONG)
}

fn for_programs(found: &[Diagnostic], form: Form) {
    let problems: Vec<_> = found.iter().map(Diagnostic::problem).collect();
    let told = match form {
        Form::Event => serde_json::json!(Event::Problems { ok: false, problems }),
        Form::Object => serde_json::json!({ "ok": false, "problems": problems }),
    };
    if print(format_args!("{told}\n")).is_err() {
        // Programs can't be told; whoever started them can.
        found.iter().for_each(|problem| tell(format_args!("{}\n", diagnostic::render(problem, true))));
    }
}

/// Says that a command line is none, or prints the help that was asked for.
pub fn refuse(error: &clap::Error) -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if !error.use_stderr() || !words.iter().any(|word| word == "--json") {
        error.exit();
    }
    let text = error.render().to_string();
    let message = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let message = message.collect::<Vec<_>>().join(" ");
    let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let problem = Diagnostic::error(message.trim_start_matches("error: ")).maybe_hint(tip.map(str::to_owned));
    let events = ["run", "sweep", "watch", "rerun"];
    let is_event = words.iter().any(|word| events.contains(&word.as_str()));
    for_programs(&[problem], if is_event { Form::Event } else { Form::Object });
    ExitCode::from(WRONG)
}

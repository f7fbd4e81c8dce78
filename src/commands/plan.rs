//! `custem plan`: what a run would do, and why.

use std::collections::BTreeSet;
use std::mem::ManuallyDrop;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::foresee::{Foreseen, foresee};
use super::history::History;
use super::{Told, WOULD_RUN, forced, load, wanted};
use crate::cli;
use crate::engine::Project;
use crate::engine::events::{Event, Sink};
use crate::engine::plan::{Planned, Question, Verdict, plan as foretell};
use crate::engine::remote::session::Wanted;
use crate::engine::remote::{Remote, Session};
use crate::engine::store::Store;
use crate::pipeline::Pipeline;
use crate::present::terminal;
use crate::present::terminal::print;

pub fn plan(flags: &cli::Plan, project: &Project) -> Result<ExitCode> {
    let asked =
        Asked { until: &flags.until, force: &flags.force, shared: !flags.no_remote, json: flags.json };
    show(load(&flags.target, project)?, &asked, project)
}

/// Of what a plan is to be.
pub struct Asked<'a> {
    /// Stages to run with all that they need; all when empty.
    pub until: &'a [String],
    /// Stages to run whatever the cache has.
    pub force: &'a [String],
    /// Whether results are shared, where the pipeline says with whom.
    pub shared: bool,
    /// Whether it is printed as JSON.
    pub json: bool,
}

/// Prints the plan; exits with 10 when something would run, be fetched or be put back.
pub fn show(pipeline: ManuallyDrop<Pipeline>, asked: &Asked<'_>, project: &Project) -> Result<ExitCode> {
    let history = History::new(project, &pipeline.name);
    // Nothing is written, so Ctrl-C may end the process where it stands.
    let never = Arc::new(AtomicBool::new(false));
    let settings = pipeline.remote.as_ref().filter(|_| asked.shared);
    let remote = settings.map(|settings| Remote::new(settings, &project.root, &never));
    let Foreseen { pipeline, open, .. } = ahead(pipeline, project, remote.as_ref())?;
    let question = Question {
        pipeline: &pipeline,
        project,
        wanted: &wanted(&pipeline, asked.until)?,
        forced: &forced(&pipeline, asked.force)?,
        history: &history,
        remote: remote.as_ref(),
    };
    let planned = foretell(&question, &Told)?;
    if asked.json {
        print(format_args!("{}\n", to_json(&pipeline, &planned, &open)))?;
    } else {
        print(format_args!("{}", terminal::plan(&pipeline, &planned, &open)))?;
    }
    let idle =
        |planned: &Planned| matches!(planned.verdict, Verdict::UpToDate(_)) && planned.restore.is_empty();
    Ok(if planned.iter().all(idle) { ExitCode::SUCCESS } else { ExitCode::from(WOULD_RUN) })
}

/// The pipeline as far as the cache, and the remote where there is one, foretell it.
fn ahead(pipeline: ManuallyDrop<Pipeline>, project: &Project, remote: Option<&Remote>) -> Result<Foreseen> {
    let Some(remote) = remote.filter(|_| pipeline.comes_in_waves()) else {
        return foresee(pipeline, project, None);
    };
    let store = Store::look(&project.cache())?;
    // What is wrong with the remote the plan itself will say.
    let session = Session::looking(remote, &store, &Unheard);
    let ask = |wanted: Wanted<'_>| if session.pulls() { session.record(wanted) } else { Ok(None) };
    foresee(pipeline, project, Some(&ask))
}

struct Unheard;

impl Sink for Unheard {
    fn event(&self, _: &Event) {}
}

/// Each task once, however many of its ports are in use.
fn once(tasks: &[usize]) -> impl Iterator<Item = usize> {
    tasks.iter().copied().collect::<BTreeSet<_>>().into_iter()
}

fn to_json(pipeline: &Pipeline, planned: &[Planned], open: &[String]) -> Json {
    let label = |task: usize| pipeline.tasks[task].label.as_str();
    let stage = |planned: &Planned| {
        let (verdict, because) = match &planned.verdict {
            Verdict::UpToDate(_) => ("up_to_date", Json::Null),
            Verdict::MustRun(causes) => ("must_run", json!(causes)),
            Verdict::Fetch { .. } => ("fetch", Json::Null),
            Verdict::MayRun(on) | Verdict::MayFetch(on) => {
                ("may_run", json!(once(on).map(label).collect::<Vec<_>>()))
            }
            Verdict::Broken(message) => ("broken", json!(message)),
        };
        let restore: Vec<_> =
            planned.restore.iter().map(|(path, _, bytes)| json!({ "path": path, "bytes": bytes })).collect();
        let fetch = if let Verdict::Fetch { bytes, .. } = &planned.verdict { Some(*bytes) } else { None };
        json!({
            "stage": label(planned.task), "verdict": verdict, "because": because,
            "seconds": planned.seconds, "bytes": planned.bytes, "fetch": fetch, "restore": restore,
        })
    };
    let stages: Vec<_> = planned.iter().map(stage).collect();
    json!({ "pipeline": pipeline.name, "stages": stages, "later": open })
}

//! `custem verify`: stages computed again beside the cache, and whether they give the same bytes.

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::Result;
use serde_json::{Value as Json, json};
use unicode_width::UnicodeWidthStr;

use super::run::{stop_on_ctrl_c, threads};
use super::{FAILED, INTERRUPTED, foresee};
use crate::cli;
use crate::diagnostic::plural;
use crate::engine::Project;
use crate::engine::machine::Machine;
use crate::engine::proof::{Difference, Proof, Verdict, Ways, prove};
use crate::pipeline::Pipeline;
use crate::present::terminal::print;
use crate::present::terminal::seconds;

pub fn verify(flags: &cli::Verify, project: &Project) -> Result<ExitCode> {
    let target = cli::Target { pipeline: Some(flags.pipeline.clone()), set: flags.set.clone() };
    let pipeline = foresee::read(&target, project)?.pipeline;
    let mut wanted = vec![flags.stages.is_empty(); pipeline.tasks.len()];
    for stage in &flags.stages {
        pipeline.find(stage)?.into_iter().for_each(|task| wanted[task] = true);
    }
    threads(Machine::here().cores);
    let cancelled = stop_on_ctrl_c();
    let widths = widths(&pipeline, &wanted);
    let mut show = |proof: &Proof| {
        if !flags.json {
            // Where standard output can't be written, the last line fails as well and says so.
            let _ = print(format_args!("{}", text(&pipeline, proof, widths)));
        }
    };
    let proofs = prove(&pipeline, project, &wanted, &ways(flags), &cancelled, &mut show)?;
    let count = |is: fn(&Verdict) -> bool| proofs.iter().filter(|proof| is(&proof.verdict)).count();
    let differ = count(|verdict| matches!(verdict, Verdict::Differs(_)));
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let interrupted = cancelled.load(Ordering::Relaxed);
    let ok = differ + failed == 0 && !interrupted;
    if flags.json {
        let stages: Vec<_> = proofs.iter().map(|proof| to_json(&pipeline, proof)).collect();
        print(format_args!("{}\n", json!({ "ok": ok, "pipeline": pipeline.name, "stages": stages })))?;
    } else {
        let same = proofs.len() - differ - failed;
        let stages = plural(proofs.len(), "stage");
        print(format_args!("{stages}: {same} the same, {differ} with other bytes, {failed} failed\n"))?;
    }
    Ok(match (interrupted, ok) {
        (true, _) => ExitCode::from(INTERRUPTED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(FAILED),
    })
}

fn ways(flags: &cli::Verify) -> Ways {
    let threads = match flags.threads.as_slice() {
        [] => vec![None],
        counts => counts.iter().map(|count| Some(usize::from(*count))).collect(),
    };
    Ways { threads, twice: flags.twice }
}

/// How wide the columns of stages and kinds are.
fn widths(pipeline: &Pipeline, wanted: &[bool]) -> (usize, usize) {
    let tasks = || pipeline.tasks.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(task, _)| task);
    let stage = tasks().map(|task| task.label.width()).max().unwrap_or(0);
    (stage, tasks().map(|task| task.draft.kind.name.width()).max().unwrap_or(0))
}

fn text(pipeline: &Pipeline, proof: &Proof, (stage, kind): (usize, usize)) -> String {
    let task = &pipeline.tasks[proof.task];
    let took: Vec<_> = proof.executions.iter().map(|one| seconds(one.seconds)).collect();
    let with = if proof.recorded { "as in the cache" } else { "each time" };
    let said = match &proof.verdict {
        Verdict::Same => format!("the same {with}   {}", took.join(", ")),
        Verdict::Differs(_) => format!("other bytes   {}", took.join(", ")),
        Verdict::Failed(message) => format!("failed: {message}"),
    };
    let mut text = format!("  {:stage$}   {:kind$}   {said}\n", task.label, task.draft.kind.name);
    if let Verdict::Differs(differences) = &proof.verdict {
        text += &differences.iter().map(|one| line(one, proof)).collect::<String>();
    }
    text
}

/// Where a port first differs, and in which computation.
fn line(one: &Difference, proof: &Proof) -> String {
    let threads = match proof.executions.get(one.execution).and_then(|execution| execution.threads) {
        Some(count) => format!(" on {}", plural(count, "thread")),
        None => String::new(),
    };
    let number = match proof.executions.len() {
        1 => String::new(),
        _ => format!(", time {}", one.execution + 1),
    };
    let place = one.place.as_ref().map(|place| format!(": {place}")).unwrap_or_default();
    let (new, old) = (one.new.short(), one.old.short());
    format!("    `{}` is {new}, and was {old}{number}{threads}{place}\n", one.port)
}

fn to_json(pipeline: &Pipeline, proof: &Proof) -> Json {
    let task = &pipeline.tasks[proof.task];
    let (verdict, differences, error) = match &proof.verdict {
        Verdict::Same => ("same", [].as_slice(), None),
        Verdict::Differs(differences) => ("differs", differences.as_slice(), None),
        Verdict::Failed(message) => ("failed", [].as_slice(), Some(message)),
    };
    json!({
        "stage": task.label, "kind": task.draft.kind.name, "verdict": verdict, "recorded": proof.recorded,
        "executions": proof.executions, "differences": differences, "error": error,
    })
}

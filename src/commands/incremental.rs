//! `custem run --check-incremental`: stages put together of kept partial results, computed again without them.

use std::sync::atomic::AtomicBool;

use anyhow::Result;

use crate::diagnostic::{Failure, plural};
use crate::engine::Project;
use crate::engine::events::StageDone;
use crate::engine::proof::{Proof, Verdict, Ways, prove};
use crate::pipeline::Pipeline;
use crate::present::terminal::tell;

/// Computes the stages that reused partial results again, in a store that has none.
///
/// # Errors
/// When one gives other bytes: which stage and port, and where they first differ; or when it can't be computed.
pub fn check(
    ends: &[StageDone],
    pipeline: &Pipeline,
    project: &Project,
    cancelled: &AtomicBool,
    quiet: bool,
) -> Result<()> {
    let reused = |label: &str| {
        let end = ends.iter().rev().find(|end| end.stage == label);
        end.and_then(|end| end.parts.as_ref()).is_some_and(|parts| parts.reused > 0)
    };
    let wanted: Vec<_> = pipeline.tasks.iter().map(|task| reused(&task.label)).collect();
    let ways = Ways { threads: vec![None], twice: false };
    let proofs = prove(pipeline, project, &wanted, &ways, cancelled, &mut |_| {})?;
    let wrong: Vec<_> = proofs.iter().filter_map(|proof| complaint(proof, pipeline)).collect();
    if !wrong.is_empty() {
        let hint = "`custem run --force STAGE` computes it without them; please report it";
        return Err(Failure::new(wrong.join("\n")).hint(hint).into());
    }
    if !quiet {
        let stages = plural(proofs.len(), "stage");
        tell(format_args!("{stages} with kept partial results: computed without them the same\n"));
    }
    Ok(())
}

/// What is wrong with a stage, if anything is.
fn complaint(proof: &Proof, pipeline: &Pipeline) -> Option<String> {
    let label = &pipeline.tasks[proof.task].label;
    let differences = match &proof.verdict {
        Verdict::Same => return None,
        Verdict::Failed(message) => return Some(format!("`{label}` can't be computed again: {message}")),
        Verdict::Differs(differences) => differences,
    };
    let said = |place: &Option<String>| place.as_ref().map_or(String::new(), |place| format!(": {place}"));
    let ports = differences.iter().map(|one| {
        format!(
            "`{label}.{}` has other bytes than without kept partial results{}",
            one.port,
            said(&one.place)
        )
    });
    Some(ports.collect::<Vec<_>>().join("\n"))
}

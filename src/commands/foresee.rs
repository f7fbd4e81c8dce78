//! A pipeline as far as it can be foretold: of a sweep that comes in waves, all variants that follow from results
//! that are there. Nothing runs, nothing is written.

use std::mem::ManuallyDrop;

use anyhow::Result;
use indexmap::IndexSet;

use super::unfold::{Unfolding, left_out};
use super::{Told, load};
use crate::cli::Target;
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::events::{Event, Sink};
use crate::engine::remote::reach::{Ask, Reaching};
use crate::engine::store::Store;
use crate::pipeline::Pipeline;
use crate::stage::Metrics;

/// A pipeline as far as it can be foretold.
pub struct Foreseen {
    /// The pipeline; with a sweep, its variants so far and a leaderboard of these.
    pub pipeline: ManuallyDrop<Pipeline>,
    /// The stages whose results decide which variants come after, as far as they are lacking; none where there is
    /// nothing left to decide.
    pub open: Vec<String>,
    /// Whether time may end the sweep before all of these variants.
    pub timed: bool,
}

/// Reads the pipeline that the user means, as far as the cache foretells it.
pub fn read(target: &Target, project: &Project) -> Result<Foreseen> {
    foresee(load(target, project)?, project, None)
}

/// Goes on with a sweep wave by wave as long as everything that variants are compared by is in the cache, or in the
/// remote where that is asked.
///
/// # Errors
/// When the cache can't be read.
pub fn foresee(
    pipeline: ManuallyDrop<Pipeline>,
    project: &Project,
    ask: Option<Ask<'_>>,
) -> Result<Foreseen> {
    let Some(mut unfolding) = Unfolding::of(&pipeline, &project.root) else {
        return Ok(Foreseen { pipeline, open: Vec::new(), timed: false });
    };
    let store = Store::look(&project.cache())?;
    // What was measured counts also where the bytes have gone.
    let own = |key: &Digest| store.record(key);
    let mut reaching = Reaching::new(project, &store, &own, ask)?;
    let (mut lacking, mut heard) = (IndexSet::new(), 0);
    let open = loop {
        if !lacking.is_empty() && unfolding.depends() {
            break lacking.into_iter().collect();
        }
        let Some(problems) = unfolding.next_wave() else { break Vec::new() };
        problems.into_iter().for_each(|problem| Told.event(&Event::Warning(left_out(problem))));
        reaching.go_on(unfolding.pipeline());
        let measured = measured(unfolding.pipeline(), &reaching, heard);
        for (stage, metrics) in measured {
            match metrics {
                Some(metrics) => unfolding.learn(&stage, &metrics),
                None => drop(lacking.insert(stage)),
            }
        }
        heard = unfolding.pipeline().sweep.as_ref().map_or(0, |sweep| sweep.variants.len());
    };
    unfolding.close()?;
    let timed = unfolding.limit().is_some();
    Ok(Foreseen { pipeline: ManuallyDrop::new(unfolding.into_pipeline()), open, timed })
}

/// The metrics of each stage that variants from a number on are compared by; none where it has no result.
fn measured(pipeline: &Pipeline, reaching: &Reaching<'_>, from: usize) -> Vec<(String, Option<Metrics>)> {
    let variants = pipeline.sweep.iter().flat_map(|sweep| &sweep.variants[from..]);
    let tasks = variants.flat_map(|variant| variant.objectives.iter().copied());
    let metrics = |task| reaching.result(task).map(|record| record.metrics.clone());
    tasks.map(|task| (pipeline.tasks[task].label.clone(), metrics(task))).collect()
}

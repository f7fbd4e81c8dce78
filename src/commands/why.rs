//! `custem why`: why a stage ran in a run, or why it didn't.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::ended;
use super::history::{stage_of, stages_of};
use crate::cli;
use crate::engine::Project;
use crate::engine::cause::{self, Now, Seen};
use crate::engine::digest::Digest;
use crate::engine::store::Store;
use crate::observe::runs::{self, Run};
use crate::pipeline;
use crate::present::terminal::{self, Since, print};
use crate::stages::KINDS;

/// How many runs back a stage is looked for.
const DEPTH: usize = 50;

pub fn why(flags: &cli::Why, project: &Project) -> Result<ExitCode> {
    let experiments = project.experiments();
    let run = ended::run(&experiments, &flags.run, &[&flags.stage])?;
    for end in ends(&run, &flags.stage)? {
        let since = since(project, &run, end);
        if flags.json {
            let mut told = end.clone();
            if let Some(since) = &since {
                told["since"] = json!({ "run": since.run, "changed": since.changed });
            }
            print(format_args!("{told}\n"))?;
        } else {
            print(format_args!("{}", terminal::why(end, &run, since.as_ref())))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What has changed for a stage that didn't run, since the run before in which it came out well.
fn since(project: &Project, run: &Run, end: &Json) -> Option<Since> {
    if end["outcome"] != "hit" {
        return None;
    }
    let stage = end["stage"].as_str()?;
    let (earlier, before) = earlier(project, run, stage)?;
    let key = |end: &Json| end["key"].as_str()?.parse::<Digest>().ok();
    let (old, new) = (key(&before)?, key(end)?);
    if old == new {
        return Some(Since { run: earlier, changed: Vec::new() });
    }
    let store = Store::look(&project.cache()).ok()?;
    let (old, new) = (store.record(&old)?, store.record(&new)?);
    // The pipeline may have been changed since the run: then no place is better than a wrong one.
    let file = PathBuf::from(run.overview().file);
    let pipeline = pipeline::load(&project.root, &file, &[], KINDS).ok();
    let now = pipeline.as_ref().and_then(|pipeline| {
        let task = pipeline.tasks.iter().find(|task| task.label == stage)?;
        Some(Now { pipeline, task })
    });
    let params = |run: &str| {
        let stages = stages_of(&project.experiments(), run);
        stages.get(stage_of(stage)).and_then(|stage| stage.as_table().cloned())
    };
    let (then, there) = (params(&earlier), params(&run.name));
    let old = Seen { manifest: &old.manifest, params: then.as_ref(), takes: &[] };
    let new = Seen { manifest: &new.manifest, params: there.as_ref(), takes: &[] };
    let changed = cause::between(now, &givers(run, end), old, new);
    Some(Since { run: earlier, changed })
}

/// The run before of the same pipeline in which a stage came out well, and its end there.
fn earlier(project: &Project, run: &Run, stage: &str) -> Option<(String, Json)> {
    let experiments = project.experiments();
    let pipeline = run.overview().pipeline;
    let before = runs::names(&experiments).into_iter().rev().skip_while(|name| *name != run.name).skip(1);
    before.filter(|name| !name.contains('.')).take(DEPTH).find_map(|name| {
        let earlier = Run::read(&experiments, &name).ok()?;
        let end = earlier.stage(stage).filter(|end| end["outcome"] == "ran" || end["outcome"] == "hit")?;
        (earlier.overview().pipeline == pipeline).then(|| (name, end.clone()))
    })
}

/// Which stage of the run gave each input, found by its bytes.
fn givers(run: &Run, end: &Json) -> BTreeMap<String, String> {
    let gave = |digest: &Json| {
        let outputs = |end: &&Json| {
            end["outputs"]
                .as_object()
                .is_some_and(|ports| ports.values().any(|port| port["digest"] == *digest))
        };
        run.of("stage_done").find(outputs)?["stage"].as_str().map(str::to_owned)
    };
    let inputs = end["inputs"].as_object().into_iter().flatten();
    inputs.filter_map(|(name, digest)| Some((name.clone(), gave(digest)?))).collect()
}

/// The ends of a stage; all its variants in a sweep.
fn ends<'a>(run: &'a Run, stage: &str) -> Result<Vec<&'a Json>> {
    let of_stage = |line: &&Json| {
        let label = line["stage"].as_str().unwrap_or_default();
        label == stage || stage_of(label) == stage
    };
    let found: Vec<_> = run.of("stage_done").filter(of_stage).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    Err(ended::no_stage(run, stage).into())
}

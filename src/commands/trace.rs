//! `custem trace`: from a number or a saved file back to stages, keys, lines of the pipeline and source files.

mod row;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value as Json;

use super::FAILED;
use super::runs::Recorded;
use crate::cli;
use crate::diagnostic::{Diagnostic, Problems, did_you_mean, shown};
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::store::Store;
use crate::observe::compare::{ends, givers, stage_of};
use crate::observe::config;
use crate::observe::journal::{config_path, log_path};
use crate::observe::runs::{self, Run};
use crate::pipeline;
use crate::present::terminal::{self, Lineage, Step, print};
use crate::stages::KINDS;

/// Prints where something comes from; exits with 1 when a file's bytes are nobody's.
pub fn trace(flags: &cli::Trace, project: &Project) -> Result<ExitCode> {
    let found = match file(&flags.what, project) {
        Some((path, id)) => of_file(&path, id, project)?,
        None => of_metric(flags, project)?,
    };
    if flags.json {
        print(format_args!("{}\n", serde_json::to_value(&found)?))?;
    } else {
        print(format_args!("{}", terminal::lineage(&found)))?;
    }
    Ok(if found.amiss.is_some() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

/// The file that is meant, and the row of it; nothing when there is no such file.
fn file<'w>(what: &'w str, project: &Project) -> Option<(PathBuf, Option<&'w str>)> {
    let there =
        |name: &str| Some(pipeline::locate(&project.root, Path::new(name))).filter(|path| path.is_file());
    if let Some(path) = there(what) {
        return Some((path, None));
    }
    let (name, id) = what.rsplit_once('#')?;
    there(name).map(|path| (path, Some(id)))
}

fn of_metric(flags: &cli::Trace, project: &Project) -> Result<Lineage> {
    let experiments = project.experiments();
    let recorded = Recorded::find(&experiments, &flags.run)?;
    let metrics = recorded.run.summary().metrics;
    let Some(value) = metrics.get(&flags.what) else {
        return Err(unknown(&flags.what, &recorded.run, metrics.keys().map(String::as_str)).into());
    };
    let of_stage = |(stage, end): (String, &Json)| {
        let metric = flags.what.strip_prefix(end["stage"].as_str()?)?.strip_prefix('.')?;
        end["metrics"].get(metric).map(|_| stage)
    };
    let stage = ends(&recorded.run).into_iter().find_map(of_stage).unwrap_or_default();
    let title = format!("{} is {value} in run {}", flags.what, recorded.run.name);
    let steps = steps(&recorded, &stage, project);
    Ok(Lineage { title, amiss: None, run: recorded.run.name.clone(), artifact: None, steps, row: None })
}

fn unknown<'m>(what: &str, run: &Run, metrics: impl Iterator<Item = &'m str> + Clone) -> Problems {
    let message = format!("`{}` is no file, and no metric of run {}", shown(what), run.name);
    let saved: Vec<_> = what
        .contains('/')
        .then(|| format!("paths start at the project root: is `{}` there?", shown(what)))
        .into_iter()
        .collect();
    let near = did_you_mean(what, metrics).map(|near| format!("did you mean `{near}`?"));
    let otherwise =
        "give a metric as `STAGE.metric` (`custem runs show` lists them), or the path of a saved file";
    let hint = near.or(saved.into_iter().next()).unwrap_or_else(|| otherwise.to_owned());
    Diagnostic::error(message).hint(hint).into()
}

fn of_file(path: &Path, id: Option<&str>, project: &Project) -> Result<Lineage> {
    let experiments = project.experiments();
    let digest = Digest::of_file(fs_err::File::open(path)?.file())?;
    let name = project.within(path).display().to_string();
    let mut lineage = match gave(&experiments, &digest) {
        Some((run, stage, port)) => {
            let recorded = Recorded::read(&experiments, &run)?;
            let title =
                format!("{name} has the bytes of `{stage}.{port}` ({}), last in run {run}", digest.short());
            let steps = steps(&recorded, &stage, project);
            Lineage { title, amiss: None, run, artifact: Some(format!("{stage}.{port}")), steps, row: None }
        }
        None => changed(&name, &digest, project)?,
    };
    if let Some(id) = id {
        let store = Store::look(&project.cache())?;
        lineage.row = Some(row::of(path, &name, id, &lineage.steps, &store, project)?);
    }
    Ok(lineage)
}

/// Where a file was saved from before its bytes were changed.
fn changed(name: &str, digest: &Digest, project: &Project) -> Result<Lineage> {
    let experiments = project.experiments();
    let Some((run, stage, port, had)) = saved(project, name) else {
        let message = format!("`{name}` is nothing that a recorded run saved or gave");
        let hint = "trace follows files that stages `save`; a file that a stage reads is listed where its stage is traced";
        return Err(Problems::from(Diagnostic::error(message).hint(hint)).into());
    };
    let recorded = Recorded::read(&experiments, &run)?;
    let amiss = format!(
        "these bytes ({}) are not what any recorded run saved; {name} was last saved by `{stage}` in run {run}, with other bytes ({})",
        digest.short(),
        had.get(..8).unwrap_or(&had)
    );
    let steps = steps(&recorded, &stage, project);
    let title = format!("{name} as it was saved from `{stage}.{port}` in run {run}");
    Ok(Lineage {
        title,
        amiss: Some(amiss),
        run,
        artifact: Some(format!("{stage}.{port}")),
        steps,
        row: None,
    })
}

/// The newest run in which a stage gave some bytes, the stage and the port.
fn gave(experiments: &Path, digest: &Digest) -> Option<(String, String, String)> {
    let hex = digest.hex();
    whole(experiments).find_map(|name| {
        let bytes = fs_err::read(log_path(experiments, &name)).ok()?;
        memchr::memmem::find(&bytes, hex.as_bytes())?;
        let run = Run::outline(experiments, &name).ok()?;
        let of_stage = |(stage, end): (String, &Json)| {
            let port =
                end["outputs"].as_object()?.iter().find(|(_, output)| output["digest"] == hex.as_str())?.0;
            Some((name.clone(), stage, port.clone()))
        };
        ends(&run).into_iter().find_map(of_stage)
    })
}

/// The newest run that saved a file at a path, the stage, the port and the digest of what it saved.
fn saved(project: &Project, path: &str) -> Option<(String, String, String, String)> {
    let experiments = project.experiments();
    whole(&experiments).find_map(|name| {
        let config = config_path(&experiments, &name);
        // Most runs have the whole path in their text; in a sweep the variant is put into it.
        let stem = Path::new(path).file_stem()?.to_str()?.split('.').next()?;
        if !fs_err::read_to_string(&config).ok()?.contains(stem) {
            return None;
        }
        let pipeline = pipeline::load(&project.root, &config, &[], KINDS).ok()?;
        let run = Run::outline(&experiments, &name).ok()?;
        let saves = pipeline.tasks.iter().flat_map(|task| task.saves.iter().map(move |save| (task, save)));
        let mut here = saves.filter(|(_, (_, own))| own == Path::new(path));
        here.find_map(|(task, (port, _))| {
            let digest = run.stage(&task.label)?["outputs"].get(port)?["digest"].as_str()?.to_owned();
            Some((name.clone(), task.label.clone(), port.clone(), digest))
        })
    })
}

/// All runs but variants, newest first.
fn whole(experiments: &Path) -> impl Iterator<Item = String> {
    runs::names(experiments).into_iter().rev().filter(|name| runs::sweep_of(name).is_none())
}

/// The stages that something comes from: its own first, then all before it.
fn steps(recorded: &Recorded, stage: &str, project: &Project) -> Vec<Step> {
    let ends = ends(&recorded.run);
    let of_bytes = givers(&ends);
    let place: HashMap<&str, usize> =
        ends.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
    let mut names = vec![stage];
    let mut at = 0;
    while let Some(end) = names.get(at).and_then(|name| Some(ends.get(*place.get(name)?)?.1)) {
        at += 1;
        let inputs = end["inputs"].as_object().into_iter().flatten();
        let found = inputs.filter_map(|(_, digest)| of_bytes.get(digest.as_str()?)).flatten();
        for giver in found.copied().collect::<Vec<_>>() {
            if !names.contains(&giver) {
                names.push(giver);
            }
        }
    }
    // Each stage before all that it takes from: the order of their ends, turned round.
    names[1..].sort_by_key(|name| std::cmp::Reverse(place.get(name)));
    let of = |name: &&str| Some(step(recorded, name, ends.get(*place.get(name)?)?.1, project));
    names.iter().filter_map(of).collect()
}

fn step(recorded: &Recorded, stage: &str, end: &Json, project: &Project) -> Step {
    let text = |key: &str| end[key].as_str().unwrap_or_default().to_owned();
    let outputs = end["outputs"].as_object().into_iter().flatten();
    let digest =
        |(port, output): (&String, &Json)| Some((port.clone(), output["digest"].as_str()?.to_owned()));
    Step {
        stage: stage.to_owned(),
        kind: text("kind"),
        key: text("key"),
        computed_in: computed_in(&project.experiments(), &recorded.run, end),
        written: written(recorded, stage_of(stage), end),
        inputs: end["inputs"].clone(),
        outputs: outputs.filter_map(digest).collect(),
        files: end["sources"]["files"].as_u64().unwrap_or(0),
        sources: sources(end, project),
    }
}

/// The values that are written down for a stage, and the seed of the pipeline where its kind draws.
fn written(recorded: &Recorded, stage: &str, end: &Json) -> Vec<(String, String, String)> {
    let leaves = config::leaves(&recorded.config);
    let own = format!("{stage}.");
    let has_seed = leaves.iter().any(|(path, _)| *path == format!("{stage}.seed"));
    let draws = KINDS.iter().any(|kind| kind.seeded && Some(kind.name) == end["kind"].as_str());
    let counts = |path: &str| {
        (path.starts_with(&own) && recorded.is_written(path))
            || (path == "pipeline.seed" && draws && !has_seed)
    };
    let shown = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = |(path, value): &(String, toml::Value)| {
        (path.clone(), shown(value), recorded.place(path).unwrap_or_else(|| "default".to_owned()))
    };
    leaves.iter().filter(|(path, _)| counts(path)).map(line).collect()
}

/// The files that a stage read, with their digests, and whether they are as they were.
fn sources(end: &Json, project: &Project) -> BTreeMap<String, (String, String)> {
    let named = end["sources"]["named"].as_object().into_iter().flatten();
    let state = |name: &str, digest: &str| match fs_err::File::open(project.root.join(name))
        .and_then(|file| Digest::of_file(file.file()))
    {
        Ok(now) if now.hex() == digest => "as it was",
        Ok(_) => "changed since",
        Err(_) => "not there any more",
    };
    let source = |(name, digest): (&String, &Json)| {
        let digest = digest.as_str().unwrap_or_default();
        (name.clone(), (digest.to_owned(), state(name, digest).to_owned()))
    };
    named.map(source).collect()
}

/// The run in which a result was computed; nothing when no record tells.
fn computed_in(experiments: &Path, run: &Run, end: &Json) -> Option<String> {
    if end["outcome"] == "ran" {
        return Some(run.name.clone());
    }
    let key = end["key"].as_str()?;
    let earlier = whole(experiments).skip_while(|name| *name != run.name).skip(1);
    let ran = |name: &String| {
        let bytes = fs_err::read(log_path(experiments, name)).ok()?;
        memchr::memmem::find(&bytes, key.as_bytes())?;
        let run = Run::outline(experiments, name).ok()?;
        run.of("stage_done").any(|line| line["key"] == key && line["outcome"] == "ran").then_some(())
    };
    earlier.into_iter().find(|name| ran(name).is_some())
}

/// Nothing is known of a row.
fn no_row(name: &str, id: &str) -> Problems {
    let problem = Diagnostic::error(format!("`{name}` has no row `{}`", shown(id)));
    problem
        .hint("behind `#` stands a value of a column, such as a customer's: `data/scores.csv#C0017`")
        .into()
}

//! Which change did how much: the pipeline run with each change alone, everything else from the cache.
//!
//! A run's configuration is the earlier run's with some of the changes made. Nothing is recorded or saved, and what is
//! computed stays in the cache.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use toml::{Table, Value};

use super::diff::Recorded;
use crate::cli::Method;
use crate::commands::run::{stop_on_ctrl_c, threads};
use crate::diagnostic::{Diagnostic, Problems, plural, quoted};
use crate::engine::Project;
use crate::engine::budget::Budget;
use crate::engine::events::{Event, Sink, StageDone};
use crate::engine::executor::{self, Options};
use crate::engine::machine::Machine;
use crate::observe::compare::{self, Change, Difference, What, ends, stage_of};
use crate::pipeline::{self, Pipeline};
use crate::stages::KINDS;

/// So many changes are shared out over all their orders at most: 64 runs.
const MOST: usize = 6;

/// So many are made alone at most.
const MOST_ALONE: usize = 60;

/// How the difference of every metric is made up.
#[derive(Debug, Serialize)]
pub struct Attribution {
    /// How it was split.
    pub method: &'static str,
    /// What the parts are of: changes by their names, then what is left.
    pub parts: Vec<String>,
    /// By metric, each part's share of the difference; nothing where it can't be told.
    pub shares: BTreeMap<String, Vec<Option<f64>>>,
    /// How many configurations were run.
    pub runs: usize,
    /// How many stages were computed for it.
    pub computed: usize,
    /// Why some of them can't be run, by their changes.
    pub failures: BTreeMap<String, String>,
}

impl Attribution {
    /// How it was done, in a line for people.
    pub fn note(&self) -> String {
        let how = match self.method {
            "shapley" => "each change's share is its mean over all orders of making the changes",
            _ if self.parts.iter().any(|part| part == INTERACTION) => {
                "each change was made alone; interaction is what they do only together"
            }
            _ => "each change was made alone",
        };
        let failures =
            self.failures.iter().map(|(changes, why)| format!("\n{changes} alone can't be run: {why}"));
        let did = format!("{}, {} computed", plural(self.runs, "run"), plural(self.computed, "stage"));
        format!("{how} ({did}){}\n", failures.collect::<String>())
    }
}

const INTERACTION: &str = "interaction";

/// Changes that are made together.
struct Unit<'d> {
    name: String,
    changes: Vec<&'d Change>,
}

/// Splits the difference of every metric that moved; nothing when it was interrupted.
///
/// # Errors
/// When the runs can't be run again as they were.
pub fn attribute(
    method: Method,
    [old, new]: [&Recorded; 2],
    difference: &Difference,
    project: &Project,
) -> Result<Option<Attribution>> {
    if let Some(run) = [old, new].into_iter().find(|run| run.config.contains_key("sweep")) {
        let hint = format!("name two of its variants: `custem runs diff {0}.01 {0}.02`", run.run.name);
        return refuse(format!("run {} is a sweep", run.run.name), hint);
    }
    let units = units(difference);
    feasible(method, units.len())?;
    threads(Machine::here().cores);
    let cancelled = stop_on_ctrl_c();
    let moved: Vec<_> = difference
        .metrics
        .iter()
        .map(|metric| stage_of(&metric.metric).split('.').next().unwrap_or_default().to_owned())
        .collect();
    let mut lab = Lab {
        old,
        new,
        units: &units,
        moved,
        project,
        cancelled: &cancelled,
        known: BTreeMap::new(),
        computed: 0,
    };
    let all = (1_u64 << units.len()) - 1;
    let wanted: Vec<u64> = match method {
        Method::Shapley => (0..=all).collect(),
        Method::Alone => [0, all].into_iter().chain((0..units.len()).map(|unit| 1 << unit)).collect(),
    };
    for subset in wanted {
        lab.run(subset)?;
        if cancelled.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    lab.same_files()?;
    Ok(Some(lab.attribution(method, difference)))
}

/// Refuses more changes than can be made one by one, or in all combinations.
fn feasible(method: Method, count: usize) -> Result<()> {
    if method == Method::Shapley && count > MOST {
        let message = format!("{} would take {} runs", plural(count, "change"), 1_u64 << count.min(60));
        return refuse(message, format!("up to {MOST} are shared out; `--attribute` makes each alone"));
    }
    if count > MOST_ALONE {
        let message = format!("{} are too many to be made one by one", plural(count, "change"));
        return refuse(message, "compare runs that are nearer to each other: `custem runs list` lists them");
    }
    Ok(())
}

fn refuse<T>(message: String, hint: impl Into<String>) -> Result<T> {
    Err(Problems::from(Diagnostic::error(message).hint(hint)).into())
}

/// The changes of the pipeline; what makes or removes stages, and what refers to them, goes together.
fn units(difference: &Difference) -> Vec<Unit<'_>> {
    let values =
        || difference.changes.iter().filter(|change| matches!(change.what, What::Value | What::Stage));
    let structural: Vec<_> = values().filter(|change| change.what == What::Stage).collect();
    let refers = |change: &Change| {
        let named = [&change.old, &change.new]
            .into_iter()
            .flatten()
            .map(|value| value.split('.').next().unwrap_or(value));
        let stages: Vec<_> = named.collect();
        structural.iter().any(|stage| stages.contains(&stage.name.as_str()))
    };
    let mut units: Vec<Unit<'_>> = Vec::new();
    let together: Vec<_> = values()
        .filter(|change| !structural.is_empty() && (change.what == What::Stage || refers(change)))
        .collect();
    if !together.is_empty() {
        let name = together.iter().map(|change| change.name.as_str()).collect::<Vec<_>>().join(" + ");
        units.push(Unit { name, changes: together.clone() });
    }
    let alone = values().filter(|change| !together.iter().any(|other| std::ptr::eq(*other, *change)));
    // What no stage's key rests on changes no metric.
    let counts = |change: &&Change| !change.stages.is_empty();
    units
        .extend(alone.filter(counts).map(|change| Unit { name: change.name.clone(), changes: vec![change] }));
    units
}

/// What came of one configuration.
#[derive(Default)]
struct Came {
    metrics: BTreeMap<String, f64>,
    /// Digests of all files from outside, by stage.
    sources: BTreeMap<String, String>,
    failure: Option<String>,
}

struct Lab<'a> {
    old: &'a Recorded,
    new: &'a Recorded,
    units: &'a [Unit<'a>],
    /// Stages whose metrics moved.
    moved: Vec<String>,
    project: &'a Project,
    cancelled: &'a Arc<AtomicBool>,
    known: BTreeMap<u64, Came>,
    computed: usize,
}

impl Lab<'_> {
    /// Runs the earlier configuration with some of the changes, unless it has been.
    fn run(&mut self, subset: u64) -> Result<()> {
        if self.known.contains_key(&subset) || self.cancelled.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut config = self.old.config.clone();
        let made = self.units.iter().enumerate().filter(|(at, _)| subset >> at & 1 == 1);
        for change in made.flat_map(|(_, unit)| &unit.changes) {
            make(&mut config, &self.new.config, change);
        }
        let came = match self.loaded(config)? {
            Ok(pipeline) => self.executed(&pipeline)?,
            Err(problems) => {
                Came { failure: problems.0.first().map(|one| one.message.clone()), ..Came::default() }
            }
        };
        self.known.insert(subset, came);
        Ok(())
    }

    /// A configuration as a pipeline that saves nothing.
    fn loaded(&self, mut config: Table) -> Result<Result<Pipeline, Problems>> {
        for (_, stage) in config.get_mut("stages").and_then(Value::as_table_mut).into_iter().flatten() {
            stage.as_table_mut().into_iter().for_each(|stage| drop(stage.remove("save")));
        }
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("attribution.toml");
        fs_err::write(&path, toml::to_string(&config)?)?;
        Ok(pipeline::load(&self.project.root, &path, &[], KINDS))
    }

    fn executed(&mut self, pipeline: &Pipeline) -> Result<Came> {
        let stages: Vec<_> =
            self.moved.iter().filter(|stage| !pipeline.tasks_of(stage).is_empty()).cloned().collect();
        let wanted = if stages.is_empty() {
            vec![false; pipeline.tasks.len()]
        } else {
            crate::commands::needed(pipeline, &stages)?
        };
        let options = Options {
            budget: Budget::new(Machine::here(), pipeline.resources, None),
            keep_going: true,
            wanted,
            forced: vec![false; pipeline.tasks.len()],
            locked: None,
            remote: None,
            stop: Arc::clone(self.cancelled),
            start: Instant::now(),
            curfew: None,
            past: executor::Past::default(),
        };
        let sink = Ends::default();
        let ended = executor::run(pipeline, self.project, &options, &sink, &|_: &str| None, self.cancelled)?;
        self.computed += ended.tally.ran;
        let ends = sink.0.into_inner().unwrap_or_default();
        Ok(Came::of(&ends))
    }

    /// Refuses files from outside that are neither as the one run had them nor as the other.
    fn same_files(&self) -> Result<()> {
        let had = |run: &Recorded, stage: &str| {
            let ends = ends(&run.run);
            let (_, end) = ends.into_iter().find(|(name, _)| name == stage)?;
            end["sources"]["digest"].as_str().map(str::to_owned)
        };
        for (stage, now) in self.known.values().flat_map(|came| &came.sources) {
            let had = [had(self.old, stage), had(self.new, stage)];
            if had.iter().any(Option::is_some) && !had.contains(&Some(now.clone())) {
                let message = format!("the files that `{stage}` reads are others than in either run");
                let hint = "changes can be made anew only over the data of one of the two runs: put the files back as they were";
                return refuse(message, hint);
            }
        }
        Ok(())
    }

    fn value(&self, subset: u64, metric: &str) -> Option<f64> {
        self.known.get(&subset)?.metrics.get(metric).copied()
    }

    fn attribution(&self, method: Method, difference: &Difference) -> Attribution {
        let count = self.units.len();
        let all = (1_u64 << count) - 1;
        let mut parts: Vec<_> = self.units.iter().map(|unit| unit.name.clone()).collect();
        let besides = self.besides(difference);
        let interacts = method == Method::Alone && count > 1;
        parts.extend(interacts.then(|| INTERACTION.to_owned()));
        parts.extend(besides.clone());
        let mut shares = BTreeMap::new();
        for metric in &difference.metrics {
            let name = metric.metric.as_str();
            let (none, whole) = (self.value(0, name), self.value(all, name));
            let mut row: Vec<Option<f64>> = (0..count)
                .map(|unit| match method {
                    Method::Alone => Some(self.value(1 << unit, name)? - none?),
                    Method::Shapley => self.shapley(unit, name),
                })
                .collect();
            if interacts {
                let sum: Option<f64> = row.iter().copied().sum();
                row.push(
                    whole
                        .zip(none)
                        .zip(sum)
                        .map(|((whole, none), sum)| rest(whole - none, sum, whole.abs().max(none.abs()))),
                );
            }
            if besides.is_some() {
                let made = metric.new.zip(metric.old).map(|(new, old)| new - old);
                row.push(
                    made.zip(whole.zip(none))
                        .map(|(made, (whole, none))| rest(made, whole - none, whole.abs().max(none.abs()))),
                );
            }
            shares.insert(name.to_owned(), row);
        }
        let failed = |(subset, came): (&u64, &Came)| Some((self.named(*subset), came.failure.clone()?));
        Attribution {
            method: method.name(),
            parts,
            shares,
            runs: self.known.len(),
            computed: self.computed,
            failures: self.known.iter().filter_map(failed).collect(),
        }
    }

    /// What else may have moved a metric, where something else did.
    fn besides(&self, difference: &Difference) -> Option<String> {
        let others =
            difference.changes.iter().filter(|change| matches!(change.what, What::Source | What::Custem));
        let names: Vec<_> = others.map(|change| change.name.as_str()).collect();
        if !names.is_empty() {
            return Some(names.join(" + "));
        }
        let all = (1_u64 << self.units.len()) - 1;
        let off = |metric: &compare::Metric| {
            let again = [self.value(0, &metric.metric), self.value(all, &metric.metric)];
            again != [metric.old, metric.new]
        };
        difference.metrics.iter().any(off).then(|| "not reproduced".to_owned())
    }

    /// A change's share by Shapley: what it adds, averaged over all orders of making the changes.
    fn shapley(&self, unit: usize, metric: &str) -> Option<f64> {
        let count = self.units.len();
        let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
        let without = (0..1_u64 << count).filter(|subset| subset >> unit & 1 == 0);
        without
            .map(|subset| {
                let size = subset.count_ones() as usize;
                let weight = factorial(size) * factorial(count - size - 1) / factorial(count);
                Some(weight * (self.value(subset | 1 << unit, metric)? - self.value(subset, metric)?))
            })
            .sum()
    }

    fn named(&self, subset: u64) -> String {
        let made = self.units.iter().enumerate().filter(|(at, _)| subset >> at & 1 == 1);
        quoted(made.map(|(_, unit)| unit.name.as_str()), "and")
    }
}

impl Came {
    fn of(done: &[StageDone]) -> Self {
        let mut came = Self::default();
        for end in done {
            came.metrics
                .extend(end.metrics.iter().map(|(name, value)| (format!("{}.{name}", end.stage), *value)));
            came.sources.extend(end.sources.as_ref().map(|taken| (end.stage.clone(), taken.digest.hex())));
            if let Some(error) = &end.error {
                came.failure.get_or_insert_with(|| error.message.clone());
            }
        }
        came
    }
}

/// What a part leaves of a difference; nothing where that is only rounding of numbers of this size.
fn rest(whole: f64, part: f64, size: f64) -> f64 {
    let rest = whole - part;
    if rest.abs() <= 1e-12 * size { 0.0 } else { rest }
}

/// Takes a change over from the later configuration.
fn make(config: &mut Table, new: &Table, change: &Change) {
    let own = change.name.split('.').next().unwrap_or_default();
    let of_stage = |config: &Table| config.get("stages").is_some_and(|stages| stages.get(own).is_some());
    let below = change.what == What::Stage || of_stage(config) || of_stage(new);
    let steps: Vec<_> = below.then_some("stages").into_iter().chain(change.name.split('.')).collect();
    let value = steps.iter().try_fold(&Value::Table(new.clone()), |value, step| child(value, step)).cloned();
    let mut whole = Value::Table(std::mem::take(config));
    put(&mut whole, &steps, value);
    if let Value::Table(table) = whole {
        *config = table;
    }
}

fn child<'v>(value: &'v Value, step: &str) -> Option<&'v Value> {
    match value {
        Value::Table(table) => table.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Puts a value at a path, or removes what is there.
fn put(at: &mut Value, steps: &[&str], value: Option<Value>) {
    let Some((step, rest)) = steps.split_first() else { return };
    match at {
        Value::Table(table) if rest.is_empty() => match value {
            Some(value) => drop(table.insert((*step).to_owned(), value)),
            None => drop(table.remove(*step)),
        },
        Value::Table(table) => {
            let next = table.entry((*step).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            put(next, rest, value);
        }
        Value::Array(items) => {
            let item = step.parse::<usize>().ok().and_then(|at| items.get_mut(at));
            match (item, value) {
                (Some(item), Some(value)) if rest.is_empty() => *item = value,
                (Some(item), value) => put(item, rest, value),
                (None, _) => {}
            }
        }
        _ => {}
    }
}

/// Keeps the end of each stage.
#[derive(Default)]
struct Ends(Mutex<Vec<StageDone>>);

impl Sink for Ends {
    fn event(&self, event: &Event) {
        if let Event::StageDone(end) = event
            && let Ok(mut ends) = self.0.lock()
        {
            ends.push((**end).clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_changes_are_counted_and_refused() {
        let told = |method, count| feasible(method, count).map_err(|error| error.to_string());
        assert_eq!(told(Method::Shapley, 6), Ok(()));
        assert_eq!(told(Method::Alone, 60), Ok(()));
        assert!(told(Method::Shapley, 7).unwrap_err().starts_with("error: 7 changes would take 128 runs\n"));
        let many = told(Method::Alone, 61).unwrap_err();
        assert!(many.starts_with("error: 61 changes are too many to be made one by one\n"), "{many}");
    }

    #[test]
    fn a_change_is_taken_over_at_its_path() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let old = table(
            "[pipeline]\nseed = 1\n[stages.a]\nlist = [1, { x = 2 }]\ngone = 1\n[stages.b]\nkind = 'x'\n",
        );
        let new = table("[pipeline]\nseed = 2\n[stages.a]\nlist = [1, { x = 3 }]\n[stages.c]\nkind = 'y'\n");
        let made = |name: &str, what: What| {
            let mut config = old.clone();
            let name = name.to_owned();
            let change =
                Change { what, name, old: None, new: None, old_place: None, place: None, stages: Vec::new() };
            make(&mut config, &new, &change);
            toml::to_string(&config).unwrap()
        };
        let text = toml::to_string(&old).unwrap();
        assert_eq!(made("pipeline.seed", What::Value), text.replace("seed = 1", "seed = 2"));
        assert_eq!(made("a.list.1.x", What::Value), text.replace("x = 2", "x = 3"));
        assert_eq!(made("a.gone", What::Value), text.replace("gone = 1\n", ""));
        assert_eq!(made("b", What::Stage), text.replace("\n[stages.b]\nkind = \"x\"\n", ""));
        assert!(made("c", What::Stage).ends_with("[stages.c]\nkind = \"y\"\n"));
    }
}

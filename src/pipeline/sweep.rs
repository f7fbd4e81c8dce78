//! The axes of a sweep: which parameter takes which values, and the grid that they span.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::document::{Entry, Node, Value};
use super::draft::{self, Draft, Kinds};
use super::{head, layers, schedule};
use crate::diagnostic::{Diagnostic, Location, did_you_mean, quoted, shown};

/// Which end of a metric is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

/// The largest grid that is run.
const MOST_VARIANTS: usize = 10_000;

/// The axes and what they are judged by.
pub struct Axes {
    /// One a swept parameter, in the order in which they are written.
    pub axes: Vec<Axis>,
    /// The stage whose metric is compared, numbered as the drafts.
    pub stage: usize,
    /// The metric's name.
    pub metric: String,
    /// Which end of it is best.
    pub goal: Goal,
    /// Where the table `[sweep]` stands.
    pub at: Location,
    /// Where the objective stands.
    pub objective_at: Location,
}

/// A swept parameter and its values.
pub struct Axis {
    /// The parameter as written.
    pub name: String,
    /// What it changes.
    pub target: Target,
    /// Its values.
    pub values: Vec<Node>,
    /// Where its name stands.
    pub key: Location,
}

impl Axis {
    /// Whether a problem is one of this axis: of its name, or of a value.
    fn owns(&self, problem: &Diagnostic, value: &Node) -> bool {
        problem.at.as_ref().is_some_and(|at| at.lies_in(&self.key) || at.lies_in(&value.at))
    }
}

/// What an axis changes.
pub enum Target {
    /// A parameter of a stage: the stage's number and the path below it.
    Parameter(usize, Vec<String>),
    /// The seed of the pipeline.
    Seed,
}

impl Axes {
    /// The number of points in the grid.
    pub fn size(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }

    /// The position on each axis of a point; the last axis moves fastest.
    pub fn point(&self, mut at: usize) -> Vec<usize> {
        let mut point = vec![0; self.axes.len()];
        for (slot, axis) in point.iter_mut().zip(&self.axes).rev() {
            *slot = at % axis.values.len();
            at /= axis.values.len();
        }
        point
    }

    /// The short name of an axis: the last part of its path, unless two axes share it.
    pub fn short(&self, axis: usize) -> &str {
        let last = |name: &'_ str| name.rsplit('.').next().map_or(0, str::len);
        let name = self.axes[axis].name.as_str();
        let tail = &name[name.len() - last(name)..];
        let same = |other: &&Axis| other.name[other.name.len() - last(&other.name)..] == *tail;
        if self.axes.iter().filter(same).count() > 1 { name } else { tail }
    }

    /// `k=3` for the value at a position of an axis.
    pub fn shown(&self, axis: usize, position: usize) -> String {
        let value = match &self.axes[axis].values[position].value {
            Value::String(text) => text.clone(),
            _ => self.axes[axis].values[position].to_toml().to_string(),
        };
        format!("{}={value}", self.short(axis))
    }
}

/// Reads the table `[sweep]`.
pub fn read(
    entry: &Entry,
    document: &Node,
    base: &[Arc<Draft>],
    kinds: &Kinds,
    problems: &mut Vec<Diagnostic>,
) -> Option<Axes> {
    let before = problems.len();
    let table = entry.node.get("axes").and_then(Node::table);
    if table.is_some_and(|table| table.is_empty()) {
        let message = "this sweep has no axes";
        let hint = "give each parameter its values: `axes = { \"segments.k\" = [3, 4, 5] }`";
        problems.push(Diagnostic::error(message).at(&entry.key).hint(hint));
    }
    let written = table.into_iter().flatten();
    let axes: Vec<_> =
        written.filter_map(|(name, entry)| axis(name, entry, document, base, problems)).collect();
    let size = axes.iter().try_fold(1_usize, |size, axis| size.checked_mul(axis.values.len()));
    if size.is_none_or(|size| size > MOST_VARIANTS) {
        let count = size.map_or("more variants than can be counted".to_owned(), |n| format!("{n} variants"));
        let hint = format!("at most {MOST_VARIANTS} are run; take values out of an axis");
        problems.push(Diagnostic::error(format!("this grid has {count}")).at(&entry.key).hint(hint));
    }
    let tried = try_values(&axes, base, kinds, problems);
    let node = entry.node.get("objective")?;
    let (stage, metric) = objective(node, document, base, &tried, problems)?;
    let goal = match entry.node.get("goal").and_then(Node::text) {
        Some("min") => Goal::Min,
        _ => Goal::Max,
    };
    let (at, objective_at) = (entry.key.clone(), node.at.clone());
    (problems.len() == before).then_some(Axes { axes, stage, metric, goal, at, objective_at })
}

fn axis(
    name: &str,
    entry: &Entry,
    document: &Node,
    base: &[Arc<Draft>],
    problems: &mut Vec<Diagnostic>,
) -> Option<Axis> {
    let Value::Array(values) = &entry.node.value else { return None };
    let steps = match layers::resolve(document, name, &entry.key) {
        Ok(steps) => steps,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    problems.extend(twice(name, values));
    problems.extend(held(name, &steps, document));
    let Some(target) = target(&steps, base) else {
        // A stage whose kind isn't known is reported at its own place.
        let known = |stage: &String| base.iter().any(|draft| draft.name == *stage);
        if !matches!(steps.as_slice(), [table, stage, _, ..] if table == "stages" && !known(stage)) {
            let message = format!("`{}` can't be swept", shown(name));
            let hint = "sweep a stage's parameter (`segments.k`) or `pipeline.seed`";
            problems.push(Diagnostic::error(message).at(&entry.key).hint(hint));
        }
        return None;
    };
    if matches!(target, Target::Seed) {
        values.iter().for_each(|value| head::seed_problems(value, problems));
    }
    Some(Axis { name: name.to_owned(), target, values: values.clone(), key: entry.key.clone() })
}

/// Values that an axis has already.
fn twice(name: &str, values: &[Node]) -> Vec<Diagnostic> {
    let mut seen = BTreeSet::new();
    let again = values.iter().filter(|value| !seen.insert(plain(value)));
    let problem = |value: &Node| {
        let message = format!("`{}` has the value {} twice", shown(name), shown(value.at.text()));
        Diagnostic::error(message).at(&value.at).hint("take one of them out: both would be the same variant")
    };
    again.map(problem).collect()
}

/// A value as text, the same for `3` and `3.0`.
fn plain(value: &Node) -> String {
    match value.value {
        #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 the integers are told apart below")]
        Value::Integer(number) if number.unsigned_abs() < 1 << 53 => (number as f64).to_string(),
        Value::Float(number) => number.to_string(),
        _ => value.to_toml().to_string(),
    }
}

/// A flag that sets what is swept would do nothing.
fn held(name: &str, steps: &[String], document: &Node) -> Option<Diagnostic> {
    let set = document.get(&steps.join(".")).filter(|node| node.at.source.name == "--set")?;
    let value = set.to_toml();
    let message = format!("`{name}` is swept, so `--set` can't give it a value");
    let hint = format!("give the axis this one value: --set 'sweep.axes.\"{name}\"=[{value}]'");
    Some(Diagnostic::error(message).at(&set.at).hint(hint))
}

fn target(steps: &[String], base: &[Arc<Draft>]) -> Option<Target> {
    match steps {
        [table, key] if table == "pipeline" && key == "seed" => Some(Target::Seed),
        [table, stage, path @ ..] if table == "stages" && !path.is_empty() => {
            let at = base.iter().position(|draft| draft.name == *stage)?;
            // Variants that differ in how they are run would all give the same.
            let fixed = ["kind", "save"].into_iter().chain(schedule::KEYS);
            let sweepable = !fixed.into_iter().any(|key| path[0] == key);
            sweepable.then(|| Target::Parameter(at, path.to_vec()))
        }
        _ => None,
    }
}

/// A stage as a point of the grid has it.
type Tried = (usize, Draft);

/// Tries every value of every axis, the first of all others beside it: stages as they come out.
fn try_values(
    axes: &[Axis],
    base: &[Arc<Draft>],
    kinds: &Kinds,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Tried> {
    let mut tried = Vec::new();
    for axis in axes {
        let Target::Parameter(stage, path) = &axis.target else { continue };
        let mut first = base[*stage].node.clone();
        for other in axes {
            if let (Target::Parameter(at, path), Some(value)) = (&other.target, other.values.first())
                && at == stage
            {
                layers::put(&mut first, path, &other.key, value.clone());
            }
        }
        let mut told = BTreeSet::new();
        for value in &axis.values {
            let mut node = first.clone();
            layers::put(&mut node, path, &axis.key, value.clone());
            let (draft, found) = draft::stage(&base[*stage].name, &base[*stage].header, &node, kinds);
            tried.extend(draft.map(|draft| (*stage, draft)));
            let own = found.into_iter().filter(|problem| axis.owns(problem, value));
            problems.extend(own.filter(|problem| told.insert(problem.identity())));
        }
    }
    tried
}

fn objective(
    node: &Node,
    document: &Node,
    base: &[Arc<Draft>],
    tried: &[Tried],
    problems: &mut Vec<Diagnostic>,
) -> Option<(usize, String)> {
    let text = node.text()?;
    let problem = |message: String, hint: String| Diagnostic::error(message).at(&node.at).hint(hint);
    let Some((stage, metric)) = text.split_once('.') else {
        let message = format!("the objective `{}` names no metric", shown(text));
        problems.push(problem(message, "write `STAGE.metric`, such as `segments.silhouette`".to_owned()));
        return None;
    };
    let Some(at) = base.iter().position(|draft| draft.name == stage) else {
        let stages = document.get("stages").and_then(Node::table);
        if stages.is_some_and(|stages| stages.contains_key(stage)) {
            return None;
        }
        let names = || base.iter().map(|draft| draft.name.as_str());
        let hint = match did_you_mean(stage, names()) {
            Some(near) => format!("did you mean `{near}.{}`?", shown(metric)),
            None => format!("the stages are {}", quoted(names(), "and")),
        };
        problems
            .push(problem(format!("there is no stage `{}` to take the objective from", shown(stage)), hint));
        return None;
    };
    let own: Vec<_> = tried.iter().filter(|(stage, _)| *stage == at).map(|(_, draft)| draft).collect();
    let drafts = if own.is_empty() { vec![base[at].as_ref()] } else { own };
    if let Some((message, hint)) = no_metric(stage, metric, &drafts) {
        problems.push(problem(message, hint));
        return None;
    }
    Some((at, metric.to_owned()))
}

/// What is wrong with a metric that a stage gives at no point of the grid, and what to do about it.
fn no_metric(stage: &str, metric: &str, drafts: &[&Draft]) -> Option<(String, String)> {
    let metrics: Vec<_> = drafts.iter().flat_map(|draft| draft.body.metrics()).collect();
    let guessed = drafts.iter().any(|draft| !draft.outputs_known);
    if guessed || metrics.iter().any(|one| one.covers(metric)) {
        return None;
    }
    let names: BTreeSet<_> = metrics.iter().map(|one| one.name.as_str()).collect();
    let hint = match did_you_mean(metric, names.iter().copied()) {
        Some(near) => format!("did you mean `{stage}.{near}`?"),
        None if names.is_empty() => {
            "it gives none: a `command` gives those that it writes into an output `metrics`".to_owned()
        }
        None => format!("it gives {}", quoted(names, "and")),
    };
    Some((format!("stage `{stage}` gives no metric `{}`", shown(metric)), hint))
}

//! The axes of a sweep: which parameter takes which values, and the grid that they span.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::document::{Entry, Node, Value};
use super::draft::Draft;
use super::layers;
use crate::diagnostic::{Diagnostic, did_you_mean};

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
}

/// A swept parameter and its values.
pub struct Axis {
    /// The parameter as written.
    pub name: String,
    /// What it changes.
    pub target: Target,
    /// Its values.
    pub values: Vec<Node>,
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
    problems: &mut Vec<Diagnostic>,
) -> Option<Axes> {
    let before = problems.len();
    let table = entry.node.get("axes").and_then(Node::table)?;
    let axes: Vec<_> =
        table.iter().filter_map(|(name, entry)| axis(name, entry, document, base, problems)).collect();
    let size = axes.iter().try_fold(1_usize, |size, axis| size.checked_mul(axis.values.len()));
    if size.is_none_or(|size| size > MOST_VARIANTS) {
        let count = size.map_or("more variants than can be counted".to_owned(), |n| format!("{n} variants"));
        let hint = format!("at most {MOST_VARIANTS} are run; take values out of an axis");
        problems.push(Diagnostic::error(format!("this grid has {count}")).at(&entry.key).hint(hint));
    }
    let (stage, metric) = objective(entry.node.get("objective")?, base, problems)?;
    let goal = match entry.node.get("goal").and_then(Node::text) {
        Some("min") => Goal::Min,
        _ => Goal::Max,
    };
    (problems.len() == before).then_some(Axes { axes, stage, metric, goal })
}

fn axis(
    name: &str,
    entry: &Entry,
    document: &Node,
    base: &[Arc<Draft>],
    problems: &mut Vec<Diagnostic>,
) -> Option<Axis> {
    let Value::Array(values) = &entry.node.value else { return None };
    let target = match layers::resolve(document, name, &entry.key) {
        Ok(steps) => target(&steps, base),
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let Some(target) = target else {
        let message = format!("`{name}` can't be swept");
        let hint = "sweep a stage's parameter (`segments.k`) or `pipeline.seed`";
        problems.push(Diagnostic::error(message).at(&entry.key).hint(hint));
        return None;
    };
    Some(Axis { name: name.to_owned(), target, values: values.clone() })
}

fn target(steps: &[String], base: &[Arc<Draft>]) -> Option<Target> {
    match steps {
        [table, key] if table == "pipeline" && key == "seed" => Some(Target::Seed),
        [table, stage, path @ ..] if table == "stages" && !path.is_empty() => {
            let at = base.iter().position(|draft| draft.name == *stage)?;
            let sweepable = !matches!(path[0].as_str(), "kind" | "save");
            sweepable.then(|| Target::Parameter(at, path.to_vec()))
        }
        _ => None,
    }
}

fn objective(node: &Node, base: &[Arc<Draft>], problems: &mut Vec<Diagnostic>) -> Option<(usize, String)> {
    let text = node.text()?;
    let Some((stage, metric)) = text.split_once('.') else {
        problems.push(
            Diagnostic::error(format!("the objective `{text}` names no metric"))
                .at(&node.at)
                .hint("write `STAGE.metric`, such as `segments.silhouette`"),
        );
        return None;
    };
    let Some(at) = base.iter().position(|draft| draft.name == stage) else {
        let near = did_you_mean(stage, base.iter().map(|draft| draft.name.as_str()));
        problems.push(
            Diagnostic::error(format!("there is no stage `{stage}` to take the objective from"))
                .at(&node.at)
                .maybe_hint(near.map(|near| format!("did you mean `{near}.{metric}`?"))),
        );
        return None;
    };
    Some((at, metric.to_owned()))
}

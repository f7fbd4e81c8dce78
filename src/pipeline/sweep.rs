//! The table `[sweep]`: which parameters take which values, how variants are chosen among them, and what they
//! are judged by. Doesn't build stages out of it: that is `weave`.

mod axis;
mod cells;
pub mod flags;
mod links;
mod objective;
mod sample;
mod tried;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::document::{Entry, Node, Value};
use super::draft::{Draft, Kinds};
use super::quantity;
use crate::diagnostic::{Diagnostic, Location};

use axis::Ground;
pub use axis::{Axis, Target};
pub use sample::Freedom;

/// Which end of a metric is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

impl Goal {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
        }
    }
}

/// How variants are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// Every point of the grid.
    Grid,
    /// Points drawn at random.
    Random,
    /// Points of a scrambled Sobol sequence.
    Sobol,
    /// Successive halving: many with a small budget, the best of them with more.
    Halving {
        /// Of so many variants one goes on with so many times the budget.
        eta: f64,
    },
    /// A tree-structured Parzen estimator.
    Tpe {
        /// How many are drawn at random first.
        startup: usize,
        /// How many are suggested at once.
        wave: usize,
    },
}

/// The most variants that are run.
const MOST_VARIANTS: usize = 10_000;

/// How many variants are run where a strategy isn't told.
const USUAL_VARIANTS: usize = 32;

/// A position on each axis; none where the axis isn't there.
pub type Point = Vec<Option<usize>>;

/// The axes, how points on them are chosen, and what they are judged by.
#[derive(Clone)]
pub struct Axes {
    /// One a swept parameter in the order in which they are written, then the budget, then the seeds.
    pub axes: Vec<Axis>,
    /// Axes that move by themselves or together, in the order of the first of each.
    slots: Vec<Vec<usize>>,
    /// The slots in an order in which each comes after those that its conditions name.
    order: Vec<usize>,
    /// Points that are left out: axes with the values that they have there.
    excluded: Vec<Vec<(usize, Vec<String>)>>,
    /// The axis of a budget.
    pub budget: Option<usize>,
    /// The axis of seeds over which each point is repeated.
    pub repeat: Option<usize>,
    /// What variants are compared by; at least one.
    pub objectives: Vec<Objective>,
    /// How variants are chosen.
    pub strategy: Strategy,
    /// The most points that are tried, each of them once a seed.
    pub most: usize,
    /// After which time no more are started.
    pub time: Option<Duration>,
    /// Where the best variant is written to as a pipeline.
    pub best: Option<PathBuf>,
    /// The seed of what is drawn.
    pub seed: u64,
    /// The points that are known before anything has run, without seeds.
    pub first: Vec<Point>,
    /// Where the table `[sweep]` stands.
    pub at: Location,
}

/// A metric that variants are compared by.
#[derive(Clone)]
pub struct Objective {
    /// The stage that gives it, numbered as the drafts.
    pub stage: usize,
    /// Its name.
    pub metric: String,
    /// Which end of it is best.
    pub goal: Goal,
    /// Where it stands.
    pub at: Location,
}

impl Axes {
    /// The points of the first wave, once a seed.
    pub fn first(&self) -> Vec<Point> {
        self.first.iter().flat_map(|point| self.repeated(point)).collect()
    }

    /// A point with each of the seeds over which it is repeated.
    pub fn repeated(&self, point: &Point) -> Vec<Point> {
        let Some(axis) = self.repeat else { return vec![point.clone()] };
        let with = |at: usize| {
            let mut point = point.clone();
            point[axis] = Some(at);
            point
        };
        (0..self.axes[axis].values.len()).map(with).collect()
    }

    /// Whether what is tried depends on what came out before, or on the time that it took.
    pub fn comes_in_waves(&self) -> bool {
        self.time.is_some() || matches!(self.strategy, Strategy::Halving { .. } | Strategy::Tpe { .. })
    }

    /// The short name of an axis: the last part of its path, unless two axes share it.
    pub fn short(&self, axis: usize) -> &str {
        let last = |name: &'_ str| name.rsplit('.').next().map_or(0, str::len);
        let name = self.axes[axis].name.as_str();
        let tail = &name[name.len() - last(name)..];
        let same = |other: &&Axis| other.name[other.name.len() - last(&other.name)..] == *tail;
        if self.axes.iter().filter(same).count() > 1 { name } else { tail }
    }

    /// The value at a position of an axis, for people.
    pub fn value(&self, axis: usize, position: usize) -> String {
        match &self.axes[axis].values[position].value {
            Value::String(text) => text.clone(),
            _ => self.axes[axis].values[position].to_toml().to_string(),
        }
    }

    /// `k=3` for the value at a position of an axis.
    pub fn shown(&self, axis: usize, position: usize) -> String {
        format!("{}={}", self.short(axis), self.value(axis, position))
    }

    /// `k=3, algorithm=kmeans` for positions on axes.
    pub fn label(&self, positions: impl IntoIterator<Item = (usize, usize)>) -> String {
        let shown = positions.into_iter().map(|(axis, at)| self.shown(axis, at));
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// Where a point is, axis by axis, those that are there.
pub fn positions(point: &Point) -> impl Iterator<Item = (usize, usize)> + '_ {
    point.iter().enumerate().filter_map(|(axis, at)| Some((axis, (*at)?)))
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

/// Reads the table `[sweep]`.
pub fn read(
    entry: &Entry,
    document: &Node,
    base: &[Arc<Draft>],
    seed: u64,
    kinds: &Kinds,
    problems: &mut Vec<Diagnostic>,
) -> Option<Axes> {
    let before = problems.len();
    let node = &entry.node;
    let ground = Ground { document, base };
    let table = node.get("axes").and_then(Node::table);
    // Seeds alone are an axis too.
    if table.is_some_and(|table| table.iter().next().is_none()) && node.get("repeat").is_none() {
        let hint = "give each parameter its values: `axes = { \"segments.k\" = [3, 4, 5] }`";
        problems.push(Diagnostic::error("this sweep has no axes").at(&entry.key).hint(hint));
    }
    let written = table.into_iter().flatten();
    let axes: Vec<_> = written.filter_map(|(name, entry)| ground.axis(name, entry, problems)).collect();
    let strategy = strategy(node);
    let mut sweep = Axes {
        axes,
        slots: Vec::new(),
        order: Vec::new(),
        excluded: Vec::new(),
        budget: None,
        repeat: None,
        objectives: Vec::new(),
        strategy,
        most: whole(node, "max_variants").unwrap_or(if strategy == Strategy::Grid {
            MOST_VARIANTS
        } else {
            USUAL_VARIANTS
        }),
        time: node.get("max_time").and_then(Node::text).and_then(|text| quantity::span(text).ok()),
        best: links::best(node, problems),
        seed,
        first: Vec::new(),
        at: entry.key.clone(),
    };
    links::idle(&sweep, node, problems);
    links::link(&mut sweep, node, problems);
    links::budget(&mut sweep, node, &ground, problems);
    links::repeat(&mut sweep, node, &ground, seed, problems);
    cells::fill(&mut sweep, node.get("max_variants"), problems);
    let tried = tried::values(&sweep, base, kinds, problems);
    sweep.objectives = objective::read(entry, document, base, &tried, problems);
    if problems.len() > before || sweep.objectives.is_empty() {
        return None;
    }
    sweep.first = sample::first(&mut sweep);
    Some(sweep)
}

fn strategy(node: &Node) -> Strategy {
    match node.get("strategy").and_then(Node::text) {
        Some("random") => Strategy::Random,
        Some("sobol") => Strategy::Sobol,
        Some("halving") => Strategy::Halving {
            eta: match node.get("eta").map(|eta| &eta.value) {
                Some(Value::Float(eta)) => *eta,
                Some(Value::Integer(eta)) => *eta as f64,
                _ => 3.0,
            },
        },
        Some("tpe") => Strategy::Tpe {
            startup: whole(node, "startup").unwrap_or(10),
            wave: whole(node, "wave").unwrap_or(4),
        },
        _ => Strategy::Grid,
    }
}

/// A count that the table gives.
fn whole(node: &Node, key: &str) -> Option<usize> {
    match node.get(key)?.value {
        Value::Integer(number) => usize::try_from(number).ok().filter(|number| *number > 0),
        _ => None,
    }
}

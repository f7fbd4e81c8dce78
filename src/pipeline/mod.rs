//! The TOML language: from text to a checked pipeline, a graph of tasks.
//!
//! `parse` reads text, a large one in `pieces`, what is `plain` of them in one step, into a `document`, a tree with positions, of `table`s; `layers` lays `extends` and `--set` over each
//! other, `draft` checks a stage on its own, `schedule` says how it is to be run, `sweep` reads the axes and says which points on them are tried, `remote` where results are shared, `track` where runs are mirrored, `wire` holds references against each
//! other, `order` finds cycles, `board` reads back what a leaderboard was made from, `saves` looks where outputs go, `weave` makes the graph, `places` says where values stand. Nothing here runs,
//! hashes or opens anything but pipeline files.

pub mod board;
mod conform;
pub mod document;
mod draft;
pub mod growing;
mod head;
mod layers;
mod order;
mod parse;
mod pieces;
pub mod places;
mod plain;
pub mod quantity;
mod remote;
pub mod resolved;
mod saves;
pub mod schedule;
pub mod schema;
pub mod shape;
mod sweep;
mod table;
mod track;
mod weave;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use petgraph::graph::DiGraph;

use crate::abreast::{self, Parting};
use crate::diagnostic::{Diagnostic, Location, Problems, meant};
use crate::stage::Kind;

use saves::{Ground, Save};
use schedule::Resources;

pub use draft::{Draft, common_fields};
pub use layers::Layer;
pub use remote::{Remote, has_secret};
pub use sweep::flags::Flag;
pub use sweep::{Axes, Freedom, Goal, Point, Strategy};
pub use track::no_server;

/// A checked pipeline. Tasks stand in an order in which each comes after its inputs.
pub struct Pipeline {
    /// Its name, for records.
    pub name: String,
    /// The seed that its stages share.
    pub seed: u64,
    /// What its stages may take together, as far as it says.
    pub resources: Resources,
    /// The file as the user spelled it.
    pub file: String,
    /// What there is to do.
    pub tasks: Vec<Task>,
    /// Which task needs which: an edge from producer to consumer, nodes numbered as `tasks`.
    pub graph: DiGraph<(), ()>,
    /// The sweep, when it has one.
    pub sweep: Option<Sweep>,
    /// Where results are shared, when it says so; no part of what identifies them.
    pub remote: Option<Remote>,
    /// Where runs are mirrored, resolved, when it says so; no part of what identifies them.
    pub track: Option<toml::Table>,
    /// The stages as written, in their order: what `resolved` prints.
    pub base: Vec<Arc<Draft>>,
    /// The whole document.
    pub document: document::Node,
    /// The files that it came from: its own first, then what it extends.
    pub layers: Arc<[Layer]>,
    /// What a sweep is woven on from whose variants come in waves.
    loom: Option<weave::Loom>,
}

/// A stage of a variant; without a sweep, a stage.
#[derive(Clone)]
pub struct Task {
    /// The stage's name, with the axis values that make it differ: `segments[k=3]`.
    pub label: String,
    /// The stage behind it.
    pub draft: Arc<Draft>,
    /// The seed that it runs with.
    pub seed: u64,
    /// Its inputs, in the order in which the kind names them.
    pub inputs: Vec<Edge>,
    /// Copies to make of its outputs: port and path.
    pub saves: Vec<(String, PathBuf)>,
}

/// An input of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Where the reference stands among the parameters.
    pub key: String,
    /// The task that gives it.
    pub task: usize,
    /// The port that it comes from.
    pub port: String,
    /// Whether the task goes on without it when that task has failed.
    pub optional: bool,
}

/// A sweep over parameters.
#[derive(Clone)]
pub struct Sweep {
    /// The swept parameters, as written.
    pub axes: Vec<String>,
    /// Which of them takes the seeds over which points are repeated.
    pub repeat: Option<usize>,
    /// What variants are compared by; at least one.
    pub aims: Vec<Aim>,
    /// Where the best variant is written to as a pipeline.
    pub best: Option<PathBuf>,
    /// All variants.
    pub variants: Vec<Variant>,
}

/// A metric that variants are compared by.
#[derive(Clone)]
pub struct Aim {
    /// The stage that gives it.
    pub stage: String,
    /// Its name.
    pub metric: String,
    /// Which end of it is best.
    pub goal: Goal,
}

/// One variant of a sweep.
#[derive(Clone)]
pub struct Variant {
    /// Its values for people: `k=3, algorithm=kmeans`.
    pub label: String,
    /// The same without the seed over which it is repeated.
    pub of: String,
    /// Its value on each axis; none where the axis isn't there.
    pub values: Vec<Option<toml::Value>>,
    /// How far up the rungs of successive halving it is.
    pub tier: usize,
    /// Its position on each axis.
    pub point: Point,
    /// The tasks of its stages; not of those that need the leaderboard, which are about all variants.
    pub tasks: Vec<usize>,
    /// The tasks whose metrics are compared, one an aim.
    pub objectives: Vec<usize>,
}

impl Aim {
    /// `segments.silhouette`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.stage, self.metric)
    }
}

impl Pipeline {
    /// The tasks of a stage; several in a sweep.
    pub fn tasks_of(&self, stage: &str) -> Vec<usize> {
        let of_stage = |task: &Task| task.draft.name == stage || task.label == stage;
        self.tasks.iter().enumerate().filter(|(_, task)| of_stage(task)).map(|(at, _)| at).collect()
    }

    /// The tasks of a stage that the user named.
    ///
    /// # Errors
    /// When there is none, with the nearest name.
    pub fn find(&self, stage: &str) -> Result<Vec<usize>, Problems> {
        let found = self.tasks_of(stage);
        if !found.is_empty() {
            return Ok(found);
        }
        let names = self.base.iter().map(|draft| draft.name.as_str());
        let hint = meant(stage, names, "its stages are");
        let problem = Diagnostic::error(format!("there is no stage `{stage}` in {}", self.file));
        Err(problem.hint(hint).into())
    }
}

impl Task {
    /// The name of the stage behind it.
    pub fn stage(&self) -> &str {
        &self.draft.name
    }

    /// The main output's port.
    pub fn main_port(&self) -> &str {
        self.draft.gives.first().map_or("", |port| &port.name)
    }

    /// Where a parameter stands; the stage's header when it was left to its default.
    pub fn place(&self, key: &str) -> &Location {
        self.draft.node.get(key).map_or(&self.draft.header, |node| &node.at)
    }
}

/// Reads, checks and connects a pipeline; `sets` are the values of `--set` flags.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(
    root: &Path,
    file: &Path,
    sets: &[String],
    registry: &'static [Kind],
) -> Result<Pipeline, Problems> {
    load_swept(root, file, sets, &[], registry)
}

/// Reads, checks and connects a pipeline with what flags of `custem sweep` say of its sweep.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_swept(
    root: &Path,
    file: &Path,
    sets: &[String],
    sweep: &[Flag],
    registry: &'static [Kind],
) -> Result<Pipeline, Problems> {
    let shown = file.to_string_lossy().into_owned();
    let (mut document, layers) = layers::read(&locate(root, file), &shown)?;
    let layers: Arc<[Layer]> = layers.into();
    let mut flags = layers::set(&mut document, sets);
    flags.extend(sweep::flags::lay(&mut document, sweep));
    flags.extend(overwritten(root, &document, &layers));
    let (pipeline, mut problems) =
        match check(document, shown, registry, Ground::new(root, Arc::clone(&layers))) {
            Ok(pipeline) => (Some(pipeline), flags),
            Err(found) => (None, flags.into_iter().chain(found).collect()),
        };
    if let (Some(mut pipeline), []) = (pipeline, problems.as_slice()) {
        pipeline.layers = layers;
        return Ok(pipeline);
    }
    let file = file.to_string_lossy();
    // File by file, the user's own first and flags last; in each as it is written.
    problems.sort_by_cached_key(|problem| {
        problem.at.as_ref().map(|at| {
            let flag = sets.iter().position(|set| at.source.name == "--set" && *set == *at.source.text);
            (flag, at.source.name != file, at.source.name.clone(), at.start)
        })
    });
    Err(Problems(problems))
}

/// What a sweep's best variant would be written over.
fn overwritten(root: &Path, document: &document::Node, layers: &[Layer]) -> Option<Diagnostic> {
    let best = document.get("sweep.best")?;
    let path = fs_err::canonicalize(root).ok()?.join(best.text()?);
    let message =
        format!("the best variant would be written over `{}`, of which this pipeline is read", best.text()?);
    let found = layers.iter().any(|layer| layer.is_at(&path));
    found.then(|| {
        Diagnostic::error(message).at(&best.at).hint("name another file, such as `pipelines/best.toml`")
    })
}

/// The files that a pipeline is read from, its own first, as far as they can be followed.
pub fn files(path: &Path) -> Vec<PathBuf> {
    layers::files(path)
}

/// Where a pipeline is: from the current folder, else from the project's root.
pub fn locate(root: &Path, file: &Path) -> PathBuf {
    if file.is_absolute() || file.exists() { file.to_path_buf() } else { root.join(file) }
}

fn check(
    document: document::Node,
    file: String,
    registry: &'static [Kind],
    mut ground: Ground,
) -> Result<Pipeline, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let head = head::read(&document, &file, &mut problems);
    let kinds = draft::Kinds::new(registry);
    let base = drafts(head.stages, &kinds, &mut problems);
    let names = head.stages.keys().map(String::as_str);
    let numbers = order::numbers(&base);
    wire::references(&base, &numbers, names, head.sweep.is_some(), &mut problems);
    let order = order::order(&base, &numbers).unwrap_or_else(|cycles| {
        problems.extend(cycles);
        Vec::new()
    });
    let all = || base.iter().map(Arc::as_ref);
    problems.extend(ground.problems(all().flat_map(Save::of), all()));
    let swept = head.sweep.is_some();
    let read = |table| sweep::read(table, &document, &base, head.seed, &kinds, &mut problems);
    let sweep = head.sweep.and_then(read);
    if !problems.is_empty() {
        return Err(problems);
    }
    let (name, seed, resources) = (head.name, head.seed, head.resources);
    let (remote, track) = (head.remote, head.track);
    let stages = weave::Stages { base: &base, numbers: Arc::new(numbers), order };
    let weave::Wired { tasks, graph, sweep, loom } = weave::tasks(stages, sweep, seed, kinds)?;
    if swept {
        let drafts = tasks.iter().map(|task| task.draft.as_ref());
        let problems = ground.problems(tasks.iter().flat_map(Save::of_task), drafts);
        if !problems.is_empty() {
            return Err(problems);
        }
    }
    Ok(Pipeline {
        name,
        seed,
        resources,
        file,
        tasks,
        graph,
        sweep,
        remote,
        track,
        base,
        document,
        layers: Arc::default(),
        loom,
    })
}

/// How stages are parted that are looked at one by one.
const ONE_BY_ONE: Parting = Parting { worth: 2_000, block: 256 };

/// The stages as far as they are right, each looked at on its own.
fn drafts(stages: &document::Table, kinds: &draft::Kinds, problems: &mut Vec<Diagnostic>) -> Vec<Arc<Draft>> {
    let written: Vec<_> = stages.iter().collect();
    let looked_at = abreast::each(&written, ONE_BY_ONE, |(name, entry)| {
        let (draft, found) = draft::stage(name, &entry.key, &entry.node, kinds);
        (draft.map(Arc::new), found)
    });
    let mut drafts = Vec::with_capacity(written.len());
    for (draft, found) in looked_at {
        problems.extend(found);
        drafts.extend(draft);
    }
    drafts
}

//! The graph of tasks: stages connected, and in a sweep equal stages of all variants made one.
//!
//! Order comes from inputs alone; ties keep the order in which stages are written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use petgraph::graph::{DiGraph, NodeIndex};

use super::document::{Node, Value};
use super::draft::{self, Draft, Kinds};
use super::order::{self, Numbers};
use super::sweep::{Axes, Target};
use super::wire::LEADERBOARD;
use super::{Edge, Sweep, Task, Variant, document, layers, parse, wire};
use crate::diagnostic::{Diagnostic, Location, SourceText};

/// The result of weaving.
pub struct Wired {
    /// Tasks, each after its inputs.
    pub tasks: Vec<Task>,
    /// Who needs whom.
    pub graph: DiGraph<(), ()>,
    /// The sweep with its variants.
    pub sweep: Option<Sweep>,
}

/// What there is to weave.
pub struct Stages<'a> {
    /// The stages as written.
    pub base: &'a [Arc<Draft>],
    /// Their numbers by name.
    pub numbers: &'a Numbers<'a>,
    /// An order in which each comes after its inputs.
    pub order: Vec<usize>,
}

/// Connects stages, once for every variant, and merges what is equal.
///
/// # Errors
/// When stages form a cycle, or a variant is wrong.
pub fn tasks(
    stages: Stages<'_>,
    axes: Option<Axes>,
    seed: u64,
    kinds: &Kinds,
) -> Result<Wired, Vec<Diagnostic>> {
    let base = stages.base;
    let mut weaver = Weaver::new(stages, axes.as_ref(), seed, kinds);
    let mut variants = weaver.variants()?;
    weaver.weave_all(&mut variants)?;
    variants.iter_mut().for_each(|woven| woven.own = woven.tasks.iter().flatten().copied().collect());
    if let Some(axes) = &axes {
        weaver.leaderboard(axes, &variants)?;
        weaver.weave_all(&mut variants)?;
    }
    let sweep = axes.as_ref().map(|axes| sweep(base, axes, &variants));
    let tasks = weaver.tasks;
    Ok(Wired { graph: graph(&tasks), tasks, sweep })
}

fn graph(tasks: &[Task]) -> DiGraph<(), ()> {
    let inputs = tasks.iter().map(|task| task.inputs.len()).sum();
    let mut graph = DiGraph::with_capacity(tasks.len(), inputs);
    for (at, task) in tasks.iter().enumerate() {
        let node = graph.add_node(());
        debug_assert_eq!(node.index(), at, "nodes are numbered as tasks");
        for edge in &task.inputs {
            graph.add_edge(NodeIndex::new(edge.task), node, ());
        }
    }
    graph
}

fn sweep(base: &[Arc<Draft>], axes: &Axes, variants: &[Woven]) -> Sweep {
    let variant = |woven: &Woven| Variant {
        label: label(axes, woven.point.iter().copied().enumerate()),
        values: woven
            .point
            .iter()
            .enumerate()
            .map(|(axis, at)| axes.axes[axis].values[*at].to_toml())
            .collect(),
        tasks: woven.own.clone(),
        objective: woven.tasks[axes.stage].unwrap_or_default(),
    };
    Sweep {
        axes: axes.axes.iter().map(|axis| axis.name.clone()).collect(),
        stage: base[axes.stage].name.clone(),
        metric: axes.metric.clone(),
        goal: axes.goal,
        variants: variants.iter().map(variant).collect(),
    }
}

fn label(axes: &Axes, positions: impl Iterator<Item = (usize, usize)>) -> String {
    positions.map(|(axis, at)| axes.shown(axis, at)).collect::<Vec<_>>().join(", ")
}

/// A point of the grid with its stages.
struct Woven {
    /// The position on each axis.
    point: Vec<usize>,
    /// The stages as this variant has them.
    drafts: Vec<Arc<Draft>>,
    /// The stages in an order in which each comes after its inputs.
    order: Vec<usize>,
    /// The task of each stage, once it has one.
    tasks: Vec<Option<usize>>,
    /// The tasks that don't need the leaderboard.
    own: Vec<usize>,
}

/// What identifies a task: stage, positions on the axes that change it itself, tasks it takes from.
type Identity = (usize, Vec<usize>, Vec<usize>);

struct Weaver<'a> {
    base: &'a [Arc<Draft>],
    /// The order of the stages as written.
    order: Vec<usize>,
    axes: &'a [super::sweep::Axis],
    whole: Option<&'a Axes>,
    seed: u64,
    kinds: &'a Kinds,
    numbers: &'a Numbers<'a>,
    /// Per stage, the axes that change it itself.
    own: Vec<Vec<usize>>,
    built: HashMap<(usize, Vec<usize>), Arc<Draft>>,
    known: HashMap<Identity, usize>,
    tasks: Vec<Task>,
    /// Per task, the axes that it depends on and its position on each.
    traits: Vec<BTreeMap<usize, usize>>,
    leaderboard: Option<usize>,
}

impl<'a> Weaver<'a> {
    fn new(stages: Stages<'a>, whole: Option<&'a Axes>, seed: u64, kinds: &'a Kinds) -> Self {
        let Stages { base, numbers, order } = stages;
        let axes = whole.map_or(&[][..], |axes| &axes.axes);
        let own = base.iter().enumerate().map(|(stage, draft)| own_axes(axes, stage, draft)).collect();
        Self {
            base,
            order,
            axes,
            whole,
            seed,
            kinds,
            numbers,
            own,
            built: HashMap::new(),
            known: HashMap::new(),
            tasks: Vec::with_capacity(base.len()),
            traits: Vec::with_capacity(base.len()),
            leaderboard: None,
        }
    }

    /// Every point of the grid, its stages built and put in order.
    fn variants(&mut self) -> Result<Vec<Woven>, Vec<Diagnostic>> {
        let (mut variants, mut problems, mut told) = (Vec::new(), Vec::new(), BTreeSet::new());
        for at in 0..self.whole.map_or(1, Axes::size) {
            match self.variant(at) {
                Ok(variant) => variants.push(variant),
                Err(found) => {
                    problems.extend(found.into_iter().filter(|problem| told.insert(problem.identity())))
                }
            }
        }
        if problems.is_empty() { Ok(variants) } else { Err(problems) }
    }

    fn variant(&mut self, at: usize) -> Result<Woven, Vec<Diagnostic>> {
        let base = self.base;
        let Some(whole) = self.whole else {
            let (order, tasks) = (std::mem::take(&mut self.order), vec![None; base.len()]);
            return Ok(Woven { point: Vec::new(), drafts: base.to_vec(), order, tasks, own: Vec::new() });
        };
        let point = whole.point(at);
        let drafts = (0..base.len()).map(|stage| self.draft(stage, &point)).collect::<Result<Vec<_>, _>>()?;
        let order = order::order(&drafts, self.numbers)?;
        let tasks = vec![None; drafts.len()];
        Ok(Woven { point, drafts, order, tasks, own: Vec::new() })
    }

    /// A stage as a point of the grid has it.
    fn draft(&mut self, stage: usize, point: &[usize]) -> Result<Arc<Draft>, Vec<Diagnostic>> {
        let changed: Vec<_> = self.own[stage]
            .iter()
            .filter_map(|axis| match &self.axes[*axis].target {
                Target::Parameter(_, path) => Some((*axis, path)),
                Target::Seed => None,
            })
            .collect();
        let base = &self.base[stage];
        if changed.is_empty() {
            return Ok(Arc::clone(base));
        }
        let positions: Vec<_> = changed.iter().map(|(axis, _)| point[*axis]).collect();
        if let Some(draft) = self.built.get(&(stage, positions.clone())) {
            return Ok(Arc::clone(draft));
        }
        let mut node = base.node.clone();
        for (axis, path) in changed {
            let value = self.axes[axis].values[point[axis]].clone();
            layers::put(&mut node, path, &value.at.clone(), value);
        }
        let (draft, problems) = draft::stage(&base.name, &base.header, &node, self.kinds);
        let draft = match draft {
            Some(draft) if problems.is_empty() => Arc::new(draft),
            _ => return Err(problems),
        };
        self.check_references(&draft)?;
        self.built.insert((stage, positions), Arc::clone(&draft));
        Ok(draft)
    }

    fn check_references(&self, draft: &Arc<Draft>) -> Result<(), Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let names = self.base.iter().map(|draft| draft.name.as_str());
        let mut drafts = self.base.to_vec();
        if let Some(at) = self.numbers.get(draft.name.as_str()) {
            drafts[*at] = Arc::clone(draft);
        }
        wire::references(&drafts, self.numbers, names, true, &mut problems);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Makes every task that doesn't wait for the leaderboard.
    fn weave_all(&mut self, variants: &mut [Woven]) -> Result<(), Vec<Diagnostic>> {
        variants.iter_mut().try_for_each(|woven| self.weave(woven))
    }

    /// Makes every task of a variant whose inputs are all there.
    fn weave(&mut self, woven: &mut Woven) -> Result<(), Vec<Diagnostic>> {
        for stage in woven.order.clone() {
            if woven.tasks[stage].is_none()
                && let Some(inputs) = self.inputs(woven, stage)?
            {
                woven.tasks[stage] = Some(self.task(woven, stage, inputs));
            }
        }
        Ok(())
    }

    /// The inputs of a stage; `None` while one of them waits for the leaderboard.
    fn inputs(&self, woven: &Woven, stage: usize) -> Result<Option<Vec<Edge>>, Vec<Diagnostic>> {
        let draft = &woven.drafts[stage];
        let mut edges = Vec::with_capacity(draft.needs.len());
        for need in &draft.needs {
            let target = need.from.stage();
            let from = match self.numbers.get(target) {
                Some(number) => woven.tasks[*number],
                None => self.leaderboard.filter(|_| target == LEADERBOARD),
            };
            let Some(task) = from else { return Ok(None) };
            let port =
                wire::port_of(draft, need, &self.tasks[task].draft).map_err(|problem| vec![problem])?;
            edges.push(Edge { key: need.key.clone(), task, port, optional: need.optional });
        }
        Ok(Some(edges))
    }

    /// The task of a stage with these inputs: the one that another variant has already, or a new one.
    fn task(&mut self, woven: &Woven, stage: usize, inputs: Vec<Edge>) -> usize {
        // Without a sweep there is one variant, which needs no task twice.
        let identity = self.whole.map(|_| self.identity(woven, stage, &inputs));
        if let Some(known) = identity.as_ref().and_then(|identity| self.known.get(identity)) {
            return *known;
        }
        let mut traits: BTreeMap<_, _> =
            self.own[stage].iter().map(|axis| (*axis, woven.point[*axis])).collect();
        traits.extend(inputs.iter().flat_map(|edge| self.traits[edge.task].clone()));
        let draft = Arc::clone(&woven.drafts[stage]);
        let task = Task {
            label: self.label(&draft.name, &traits),
            seed: self.seed_of(&draft, woven),
            saves: self.saves(&draft, &traits),
            inputs,
            draft,
        };
        let at = self.add(task, traits);
        self.known.extend(identity.map(|identity| (identity, at)));
        at
    }

    fn identity(&self, woven: &Woven, stage: usize, inputs: &[Edge]) -> Identity {
        let positions = self.own[stage].iter().map(|axis| woven.point[*axis]).collect();
        (stage, positions, inputs.iter().map(|edge| edge.task).collect())
    }

    fn add(&mut self, task: Task, traits: BTreeMap<usize, usize>) -> usize {
        self.tasks.push(task);
        self.traits.push(traits);
        self.tasks.len() - 1
    }

    fn label(&self, name: &str, traits: &BTreeMap<usize, usize>) -> String {
        match self.whole {
            Some(axes) if !traits.is_empty() => {
                format!("{name}[{}]", label(axes, traits.iter().map(|(axis, at)| (*axis, *at))))
            }
            _ => name.to_owned(),
        }
    }

    fn seed_of(&self, draft: &Draft, woven: &Woven) -> u64 {
        let swept = self.axes.iter().zip(&woven.point).find_map(|(axis, at)| match axis.target {
            Target::Seed => match axis.values[*at].value {
                document::Value::Integer(seed) => u64::try_from(seed).ok(),
                _ => None,
            },
            Target::Parameter(..) => None,
        });
        draft.seed.or(swept).unwrap_or(self.seed)
    }

    /// In a sweep, outputs that differ between variants get the variant into their file names.
    fn saves(&self, draft: &Draft, traits: &BTreeMap<usize, usize>) -> Vec<(String, PathBuf)> {
        let tag = self.whole.filter(|_| !traits.is_empty()).map(|axes| {
            let parts: Vec<_> =
                traits.iter().map(|(axis, at)| file_name_safe(&axes.shown(*axis, *at))).collect();
            parts.join(".")
        });
        let place = |(port, path, _): &(String, PathBuf, Location)| match &tag {
            Some(tag) => (port.clone(), tagged(path, tag)),
            None => (port.clone(), path.clone()),
        };
        draft.saves.iter().map(place).collect()
    }

    /// Adds the stage that ranks the variants, made from the sweep's own table.
    fn leaderboard(&mut self, axes: &Axes, variants: &[Woven]) -> Result<(), Vec<Diagnostic>> {
        let mut rows = Vec::new();
        let mut inputs = Vec::new();
        for (at, woven) in variants.iter().enumerate() {
            let Some(task) = woven.tasks[axes.stage] else {
                let name = &self.base[axes.stage].name;
                let message = format!("the objective's stage `{name}` takes the leaderboard as its input");
                let hint = "compare variants by a stage that comes before the leaderboard";
                return Err(vec![Diagnostic::error(message).at(&axes.objective_at).hint(hint)]);
            };
            let values: Vec<_> =
                woven.point.iter().enumerate().map(|(axis, at)| axes.shown(axis, *at)).collect();
            let values =
                values.iter().map(|shown| shown.split_once('=').map_or("", |(_, value)| value).to_owned());
            let mut row = toml::Table::new();
            row.insert("label".into(), label(axes, woven.point.iter().copied().enumerate()).into());
            row.insert("values".into(), values.map(toml::Value::String).collect::<Vec<_>>().into());
            row.insert("metrics".into(), format!("{}.metrics", self.base[axes.stage].name).into());
            rows.push(toml::Value::Table(row));
            let (key, port) = (format!("variants.{at}.metrics"), "metrics".to_owned());
            inputs.push(Edge { key, task, port, optional: true });
        }
        let draft = self.leaderboard_draft(axes, rows)?;
        let task = Task {
            label: LEADERBOARD.to_owned(),
            seed: self.seed,
            inputs,
            saves: Vec::new(),
            draft: Arc::new(draft),
        };
        self.leaderboard = Some(self.add(task, BTreeMap::new()));
        Ok(())
    }

    fn leaderboard_draft(&mut self, axes: &Axes, rows: Vec<toml::Value>) -> Result<Draft, Vec<Diagnostic>> {
        let names: Vec<_> = axes.axes.iter().map(|axis| toml::Value::String(axis.name.clone())).collect();
        let objective = format!("{}.{}", self.base[axes.stage].name, axes.metric);
        let mut table = toml::Table::new();
        table.insert("kind".into(), "leaderboard".into());
        table.insert("axes".into(), names.into());
        table.insert("objective".into(), objective.into());
        table.insert("goal".into(), if axes.goal == super::Goal::Max { "max" } else { "min" }.into());
        table.insert("variants".into(), rows.into());
        let source = Arc::new(SourceText::new("[sweep]", table.to_string()));
        let mut node = parse::parse(&source)?;
        place_at(&mut node, axes);
        draft::generated(LEADERBOARD, &node, self.kinds)
    }
}

/// Gives what was made from `[sweep]` its places there.
fn place_at(node: &mut Node, axes: &Axes) {
    node.at = axes.at.clone();
    let Value::Table(table) = &mut node.value else { return };
    for (key, entry) in Arc::make_mut(table).iter_mut() {
        let at = if key == "objective" { &axes.objective_at } else { &axes.at };
        (entry.key, entry.node.at) = (at.clone(), at.clone());
        // Items have no places of their own: the list's is the nearest one.
        if key == "axes" || key == "variants" {
            place_items(&mut entry.node, at);
        }
    }
}

fn place_items(node: &mut Node, at: &Location) {
    node.at = at.clone();
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(|item| place_items(item, at)),
        Value::Table(table) => {
            Arc::make_mut(table).iter_mut().for_each(|(_, entry)| place_items(&mut entry.node, at))
        }
        _ => {}
    }
}

fn own_axes(axes: &[super::sweep::Axis], stage: usize, draft: &Draft) -> Vec<usize> {
    let touches = |axis: &super::sweep::Axis| match &axis.target {
        Target::Parameter(target, _) => *target == stage,
        Target::Seed => draft.kind.seeded && draft.seed.is_none(),
    };
    axes.iter().enumerate().filter(|(_, axis)| touches(axis)).map(|(at, _)| at).collect()
}

fn file_name_safe(text: &str) -> String {
    let safe = |letter: char| letter.is_alphanumeric() || "=-_.".contains(letter);
    text.chars().map(|letter| if safe(letter) { letter } else { '_' }).collect()
}

/// `report.html` with the tag `k=3`: `report.k=3.html`.
fn tagged(path: &Path, tag: &str) -> PathBuf {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = match path.extension() {
        Some(extension) => format!("{stem}.{tag}.{}", extension.to_string_lossy()),
        None => format!("{stem}.{tag}"),
    };
    path.with_file_name(name)
}

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
use super::sweep::{Axes, Axis, Point, Target, positions};
use super::wire::LEADERBOARD;
use super::{Aim, Edge, Sweep, Task, Variant, document, layers, parse, wire};
use crate::diagnostic::{Diagnostic, Location, SourceText};

/// The result of weaving.
pub struct Wired {
    /// Tasks, each after its inputs.
    pub tasks: Vec<Task>,
    /// Who needs whom.
    pub graph: DiGraph<(), ()>,
    /// The sweep with its variants.
    pub sweep: Option<Sweep>,
    /// What a sweep is woven on from whose variants come in waves.
    pub loom: Option<Loom>,
}

/// What there is to weave.
pub struct Stages<'a> {
    /// The stages as written.
    pub base: &'a [Arc<Draft>],
    /// Their numbers by name.
    pub numbers: Arc<Numbers>,
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
    kinds: Kinds,
) -> Result<Wired, Vec<Diagnostic>> {
    let points = axes.as_ref().map_or_else(|| vec![Vec::new()], Axes::first);
    let in_waves = axes.as_ref().is_some_and(Axes::comes_in_waves);
    let base = stages.base;
    let mut loom = Loom { weaver: Weaver::new(stages, axes, seed, kinds), woven: Vec::new() };
    let early = in_waves.then(|| loom.clone());
    loom.add_all(points)?;
    loom.close()?;
    let sweep = loom.weaver.whole.as_ref().map(|axes| Sweep {
        variants: loom.woven.iter().map(|woven| variant(axes, woven)).collect(),
        ..sweep(base, axes)
    });
    let tasks = loom.weaver.fresh;
    let mut graph = DiGraph::new();
    connect(&mut graph, &tasks);
    Ok(Wired { graph, tasks, sweep, loom: early })
}

/// Adds tasks to a graph whose nodes are numbered as tasks.
fn connect(graph: &mut DiGraph<(), ()>, tasks: &[Task]) {
    for task in tasks {
        let node = graph.add_node(());
        for edge in &task.inputs {
            graph.add_edge(NodeIndex::new(edge.task), node, ());
        }
    }
}

/// A sweep that has no variants yet.
fn sweep(base: &[Arc<Draft>], axes: &Axes) -> Sweep {
    let aim = |one: &super::sweep::Objective| Aim {
        stage: base[one.stage].name.clone(),
        metric: one.metric.clone(),
        goal: one.goal,
    };
    Sweep {
        axes: axes.axes.iter().map(|axis| axis.name.clone()).collect(),
        repeat: axes.repeat,
        aims: axes.objectives.iter().map(aim).collect(),
        best: axes.best.clone(),
        variants: Vec::new(),
    }
}

fn variant(axes: &Axes, woven: &Woven) -> Variant {
    let value = |(axis, at): (usize, &Option<usize>)| at.map(|at| axes.axes[axis].values[at].to_toml());
    Variant {
        label: axes.label(positions(&woven.point)),
        of: axes.label(positions(&woven.point).filter(|(axis, _)| Some(*axis) != axes.repeat)),
        values: woven.point.iter().enumerate().map(value).collect(),
        tier: axes.budget.and_then(|axis| woven.point[axis]).unwrap_or(0),
        point: woven.point.clone(),
        tasks: woven.own.clone(),
        objectives: axes.objectives.iter().map(|one| woven.tasks[one.stage].unwrap_or_default()).collect(),
    }
}

/// A sweep that is being woven: variants are added to it, and in the end the leaderboard.
#[derive(Clone)]
pub struct Loom {
    weaver: Weaver,
    woven: Vec<Woven>,
}

impl Loom {
    /// The axes, on which more values may be taken into use.
    pub fn axes(&mut self) -> Option<&mut Axes> {
        self.weaver.whole.as_mut()
    }

    /// A sweep without variants yet.
    pub fn sweep(&self) -> Option<Sweep> {
        Some(sweep(&self.weaver.base, self.weaver.whole.as_ref()?))
    }

    /// Adds a variant: what it is made of.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn add(&mut self, point: Point) -> Result<Option<Variant>, Vec<Diagnostic>> {
        let mut woven = self.weaver.variant(point)?;
        self.weaver.weave(&mut woven)?;
        woven.own = woven.tasks.iter().flatten().copied().collect();
        let made = self.weaver.whole.as_ref().map(|axes| variant(axes, &woven));
        self.woven.push(woven);
        Ok(made)
    }

    /// Adds variants, or says what is wrong with any of them.
    fn add_all(&mut self, points: Vec<Point>) -> Result<(), Vec<Diagnostic>> {
        let (mut problems, mut told) = (Vec::new(), BTreeSet::new());
        for point in points {
            if let Err(found) = self.add(point) {
                problems.extend(found.into_iter().filter(|problem| told.insert(problem.identity())));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Adds the leaderboard of all variants, and what needs it.
    ///
    /// # Errors
    /// When a stage doesn't fit it.
    pub fn close(&mut self) -> Result<(), Vec<Diagnostic>> {
        if self.weaver.whole.is_none() {
            return Ok(());
        }
        self.weaver.leaderboard(&self.woven)?;
        self.woven.iter_mut().try_for_each(|woven| self.weaver.weave(woven))
    }

    /// Where it stands, to come back to.
    pub fn mark(&self) -> Mark {
        Mark { tasks: self.weaver.drafts.len(), variants: self.woven.len() }
    }

    /// Undoes what was added since.
    pub fn back_to(&mut self, mark: Mark) {
        self.woven.truncate(mark.variants);
        self.weaver.forget(mark.tasks);
    }

    /// The tasks that were made since they were last moved.
    pub fn fresh(&self) -> &[Task] {
        &self.weaver.fresh
    }

    /// Moves the tasks that were made since the last time behind those that there are.
    pub fn drain(&mut self, tasks: &mut Vec<Task>, graph: &mut DiGraph<(), ()>) {
        connect(graph, &self.weaver.fresh);
        tasks.append(&mut self.weaver.fresh);
    }
}

/// How far a loom had come.
#[derive(Clone, Copy)]
pub struct Mark {
    tasks: usize,
    variants: usize,
}

/// A point of the sweep with its stages.
#[derive(Clone)]
struct Woven {
    /// The position on each axis.
    point: Point,
    /// The stages as this variant has them.
    drafts: Vec<Arc<Draft>>,
    /// The stages in an order in which each comes after its inputs.
    order: Vec<usize>,
    /// The task of each stage, once it has one.
    tasks: Vec<Option<usize>>,
    /// The tasks that don't need the leaderboard.
    own: Vec<usize>,
}

/// Positions on the axes that change a stage itself.
type Place = Vec<Option<usize>>;

/// What identifies a task: stage, positions on the axes that change it itself, tasks it takes from.
type Identity = (usize, Place, Vec<usize>);

#[derive(Clone)]
struct Weaver {
    base: Vec<Arc<Draft>>,
    whole: Option<Axes>,
    seed: u64,
    kinds: Kinds,
    numbers: Arc<Numbers>,
    /// The order of the stages as written.
    order: Vec<usize>,
    /// Per stage, the axes that change it itself.
    own: Vec<Vec<usize>>,
    built: HashMap<(usize, Place), Arc<Draft>>,
    known: HashMap<Identity, usize>,
    /// Tasks that nobody has taken yet; the last of those that there are.
    fresh: Vec<Task>,
    /// Per task, the stage behind it.
    drafts: Vec<Arc<Draft>>,
    /// Per task, the axes that it depends on and its position on each.
    traits: Vec<BTreeMap<usize, usize>>,
    leaderboard: Option<usize>,
}

impl Weaver {
    fn new(stages: Stages<'_>, whole: Option<Axes>, seed: u64, kinds: Kinds) -> Self {
        let Stages { base, numbers, order } = stages;
        let axes = whole.as_ref().map_or(&[][..], |axes| &axes.axes);
        let own = base.iter().enumerate().map(|(stage, draft)| own_axes(axes, stage, draft)).collect();
        Self {
            seed,
            kinds,
            numbers,
            order,
            own,
            built: HashMap::new(),
            known: HashMap::new(),
            fresh: Vec::with_capacity(base.len()),
            drafts: Vec::with_capacity(base.len()),
            traits: Vec::with_capacity(base.len()),
            leaderboard: None,
            base: base.to_vec(),
            whole,
        }
    }

    fn axes(&self) -> &[Axis] {
        self.whole.as_ref().map_or(&[], |axes| &axes.axes)
    }

    fn variant(&mut self, point: Point) -> Result<Woven, Vec<Diagnostic>> {
        if self.whole.is_none() {
            let (drafts, order) = (self.base.clone(), std::mem::take(&mut self.order));
            return Ok(Woven { point, tasks: vec![None; drafts.len()], drafts, order, own: Vec::new() });
        }
        let drafts =
            (0..self.base.len()).map(|stage| self.draft(stage, &point)).collect::<Result<Vec<_>, _>>()?;
        let order = order::order(&drafts, &self.numbers)?;
        let tasks = vec![None; drafts.len()];
        Ok(Woven { point, drafts, order, tasks, own: Vec::new() })
    }

    /// A stage as a point of the sweep has it.
    fn draft(&mut self, stage: usize, point: &Point) -> Result<Arc<Draft>, Vec<Diagnostic>> {
        let changes = |axis: &usize| matches!(self.axes()[*axis].target, Target::Parameter(..));
        let place: Place =
            self.own[stage].iter().filter(|axis| changes(axis)).map(|axis| point[*axis]).collect();
        let base = &self.base[stage];
        if place.iter().all(Option::is_none) {
            return Ok(Arc::clone(base));
        }
        if let Some(draft) = self.built.get(&(stage, place.clone())) {
            return Ok(Arc::clone(draft));
        }
        let mut node = base.node.clone();
        for axis in &self.own[stage] {
            let axes = self.axes();
            if let (Target::Parameter(_, path), Some(at)) = (&axes[*axis].target, point[*axis]) {
                let value = axes[*axis].values[at].clone();
                layers::put(&mut node, path, &value.at.clone(), value);
            }
        }
        let (name, header) = (base.name.clone(), base.header.clone());
        let (draft, problems) = draft::stage(&name, &header, &node, &self.kinds);
        let draft = match draft {
            Some(draft) if problems.is_empty() => Arc::new(draft),
            _ => return Err(problems),
        };
        self.check_references(&draft)?;
        self.built.insert((stage, place), Arc::clone(&draft));
        Ok(draft)
    }

    fn check_references(&self, draft: &Arc<Draft>) -> Result<(), Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let names = self.base.iter().map(|draft| draft.name.as_str());
        let mut drafts = self.base.clone();
        if let Some(at) = self.numbers.get(draft.name.as_str()) {
            drafts[*at] = Arc::clone(draft);
        }
        wire::references(&drafts, &self.numbers, names, true, &mut problems);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
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
            let port = wire::port_of(draft, need, &self.drafts[task]).map_err(|problem| vec![problem])?;
            edges.push(Edge { key: need.key.clone(), task, port, optional: need.optional });
        }
        Ok(Some(edges))
    }

    /// The task of a stage with these inputs: the one that another variant has already, or a new one.
    fn task(&mut self, woven: &Woven, stage: usize, inputs: Vec<Edge>) -> usize {
        // Without a sweep there is one variant, which needs no task twice.
        let identity = self.whole.as_ref().map(|_| self.identity(woven, stage, &inputs));
        if let Some(known) = identity.as_ref().and_then(|identity| self.known.get(identity)) {
            return *known;
        }
        let own = self.own[stage].iter().filter_map(|axis| Some((*axis, woven.point[*axis]?)));
        let mut traits: BTreeMap<_, _> = own.collect();
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
        self.drafts.push(Arc::clone(&task.draft));
        self.fresh.push(task);
        self.traits.push(traits);
        self.drafts.len() - 1
    }

    /// Forgets the tasks from a number on, which nobody has taken yet.
    fn forget(&mut self, from: usize) {
        let gone = self.drafts.len() - from;
        self.fresh.truncate(self.fresh.len().saturating_sub(gone));
        self.drafts.truncate(from);
        self.traits.truncate(from);
        self.known.retain(|_, task| *task < from);
    }

    fn label(&self, name: &str, traits: &BTreeMap<usize, usize>) -> String {
        match &self.whole {
            Some(axes) if !traits.is_empty() => {
                format!("{name}[{}]", axes.label(traits.iter().map(|(axis, at)| (*axis, *at))))
            }
            _ => name.to_owned(),
        }
    }

    fn seed_of(&self, draft: &Draft, woven: &Woven) -> u64 {
        let swept = self.axes().iter().zip(&woven.point).find_map(|(axis, at)| match axis.target {
            Target::Seed => match axis.values[(*at)?].value {
                document::Value::Integer(seed) => u64::try_from(seed).ok(),
                _ => None,
            },
            Target::Parameter(..) => None,
        });
        draft.seed.or(swept).unwrap_or(self.seed)
    }

    /// In a sweep, outputs that differ between variants get the variant into their file names.
    fn saves(&self, draft: &Draft, traits: &BTreeMap<usize, usize>) -> Vec<(String, PathBuf)> {
        let tag = self.whole.as_ref().filter(|_| !traits.is_empty()).map(|axes| {
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
    fn leaderboard(&mut self, variants: &[Woven]) -> Result<(), Vec<Diagnostic>> {
        let Some(axes) = &self.whole else { return Ok(()) };
        let mut rows = Vec::with_capacity(variants.len());
        let mut inputs = Vec::with_capacity(variants.len());
        for (at, woven) in variants.iter().enumerate() {
            for (number, one) in axes.objectives.iter().enumerate() {
                let Some(task) = woven.tasks[one.stage] else {
                    let name = &self.base[one.stage].name;
                    let message =
                        format!("the objective's stage `{name}` takes the leaderboard as its input");
                    let hint = "compare variants by a stage that comes before the leaderboard";
                    return Err(vec![Diagnostic::error(message).at(&one.at).hint(hint)]);
                };
                let key = match number {
                    0 => format!("variants.{at}.metrics"),
                    number => format!("variants.{at}.others.{}", number - 1),
                };
                inputs.push(Edge { key, task, port: "metrics".to_owned(), optional: true });
            }
            rows.push(toml::Value::Table(self.row(axes, woven)));
        }
        let node = leaderboard_node(axes, &self.base, rows)?;
        let draft = draft::generated(LEADERBOARD, &node, &self.kinds)?;
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

    /// A variant as the leaderboard knows it.
    fn row(&self, axes: &Axes, woven: &Woven) -> toml::Table {
        let own = || positions(&woven.point).filter(|(axis, _)| Some(*axis) != axes.repeat);
        let shown = |(axis, at): (usize, &Option<usize>)| {
            let shown = at.map(|at| axes.value(axis, at));
            (Some(axis) != axes.repeat).then(|| toml::Value::String(shown.unwrap_or_default()))
        };
        let metrics = |at: usize| format!("{}.metrics", self.base[axes.objectives[at].stage].name);
        let mut row = toml::Table::new();
        row.insert("label".into(), axes.label(positions(&woven.point)).into());
        row.insert(
            "values".into(),
            woven.point.iter().enumerate().filter_map(shown).collect::<Vec<_>>().into(),
        );
        row.insert("metrics".into(), metrics(0).into());
        if axes.objectives.len() > 1 {
            let others = (1..axes.objectives.len()).map(|at| metrics(at).into());
            row.insert("others".into(), toml::Value::Array(others.collect()));
        }
        if axes.repeat.is_some() {
            row.insert("of".into(), axes.label(own()).into());
        }
        if let Some(tier) = axes.budget.and_then(|axis| woven.point[axis]) {
            row.insert("tier".into(), i64::try_from(tier).unwrap_or(i64::MAX).into());
        }
        row
    }
}

/// The table of the leaderboard, with its places in `[sweep]`.
fn leaderboard_node(
    axes: &Axes,
    base: &[Arc<Draft>],
    rows: Vec<toml::Value>,
) -> Result<Node, Vec<Diagnostic>> {
    let names = axes.axes.iter().enumerate().filter(|(axis, _)| Some(*axis) != axes.repeat);
    let names: Vec<_> = names.map(|(_, axis)| toml::Value::String(axis.name.clone())).collect();
    let name = |at: usize| format!("{}.{}", base[axes.objectives[at].stage].name, axes.objectives[at].metric);
    let mut table = toml::Table::new();
    table.insert("kind".into(), "leaderboard".into());
    table.insert("axes".into(), names.into());
    table.insert("objective".into(), name(0).into());
    table.insert("goal".into(), axes.objectives[0].goal.word().into());
    if axes.objectives.len() > 1 {
        let other = |at: usize| {
            let mut aim = toml::Table::new();
            aim.insert("metric".into(), name(at).into());
            aim.insert("goal".into(), axes.objectives[at].goal.word().into());
            toml::Value::Table(aim)
        };
        table.insert("others".into(), (1..axes.objectives.len()).map(other).collect::<Vec<_>>().into());
    }
    table.insert("variants".into(), rows.into());
    let source = Arc::new(SourceText::new("[sweep]", table.to_string()));
    let mut node = parse::parse(&source)?;
    place_at(&mut node, axes);
    Ok(node)
}

/// Gives what was made from `[sweep]` its places there.
fn place_at(node: &mut Node, axes: &Axes) {
    node.at = axes.at.clone();
    let Value::Table(table) = &mut node.value else { return };
    for (key, entry) in Arc::make_mut(table).iter_mut() {
        let at = if key == "objective" { &axes.objectives[0].at } else { &axes.at };
        (entry.key, entry.node.at) = (at.clone(), at.clone());
        // Items have no places of their own: the list's is the nearest one.
        if key == "axes" || key == "variants" || key == "others" {
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

fn own_axes(axes: &[Axis], stage: usize, draft: &Draft) -> Vec<usize> {
    let touches = |axis: &Axis| match &axis.target {
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

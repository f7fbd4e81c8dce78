//! What ties axes to each other: those that move together, those that are there only beside some values of
//! others, points that are left out, budgets, and seeds over which points are repeated.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::super::document::{Entry, Node, Table, Value};
use super::axis::{Axis, Domain, Ground, Target};
use super::{Axes, Strategy, plain};
use crate::diagnostic::{Diagnostic, meant, quoted, shown};

/// Reads `zip`, the `when` of each axis, and `exclude`.
pub fn link(sweep: &mut Axes, node: &Node, problems: &mut Vec<Diagnostic>) {
    let axes = node.get("axes").and_then(Node::table).into_iter().flatten();
    for (name, entry) in axes {
        let Some(at) = sweep.axes.iter().position(|axis| axis.name == *name) else { continue };
        let Some(when) = entry.node.get("when").and_then(Node::table) else { continue };
        sweep.axes[at].when = conditions(&sweep.axes, when, "`when`", problems);
    }
    sweep.slots = slots(sweep, node, problems);
    match in_order(sweep) {
        Ok(order) => sweep.order = order,
        Err(at) => {
            let axis = &sweep.axes[at];
            let message = format!(
                "`{}` is there only beside values of an axis that needs it itself",
                shown(&axis.name)
            );
            let hint = "take one of these `when` out";
            problems.push(Diagnostic::error(message).at(&axis.at).hint(hint));
        }
    }
    let Some(Value::Array(points)) = node.get("exclude").map(|exclude| &exclude.value) else { return };
    for point in points {
        let Some(table) = point.table() else { continue };
        if table.is_empty() {
            let hint = "name the values of the points that are left out: `{ \"segments.k\" = 8 }`";
            problems.push(Diagnostic::error("an empty point excludes everything").at(&point.at).hint(hint));
        }
        let excluded = conditions(&sweep.axes, table, "`exclude`", problems);
        // A point that is wrong in a part is not what was meant.
        if excluded.len() == table.len() {
            sweep.excluded.push(excluded);
        }
    }
}

/// Axes with the values that they are to have one of.
fn conditions(
    axes: &[Axis],
    table: &Table,
    whose: &str,
    problems: &mut Vec<Diagnostic>,
) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (name, entry) in table {
        let Some(at) = axes.iter().position(|axis| same_axis(&axis.name, name)) else {
            problems.push(no_axis(axes, name, entry, whose));
            continue;
        };
        problems.extend(never(&axes[at], entry));
        let mut values = vec![plain(&entry.node)];
        if let Value::Array(items) = &entry.node.value {
            values.extend(items.iter().map(plain));
        }
        found.push((at, values));
    }
    found
}

/// Whether two spellings name one parameter.
fn same_axis(one: &str, other: &str) -> bool {
    let short = |name: &str| name.strip_prefix("stages.").unwrap_or(name).to_owned();
    short(one) == short(other)
}

fn no_axis(axes: &[Axis], name: &str, entry: &Entry, whose: &str) -> Diagnostic {
    let hint = meant(name, axes.iter().map(|axis| axis.name.as_str()), "the axes are");
    Diagnostic::error(format!("{whose} names `{}`, which is no axis", shown(name))).at(&entry.key).hint(hint)
}

/// A value that an axis with a list never has.
fn never(axis: &Axis, entry: &Entry) -> Option<Diagnostic> {
    let known = |value: &Node| axis.values.iter().any(|own| plain(own) == plain(value));
    if !matches!(axis.domain, Domain::List) || known(&entry.node) {
        return None;
    }
    let wrong = match &entry.node.value {
        Value::Array(items) if !items.is_empty() => items.iter().find(|item| !known(item))?,
        _ => &entry.node,
    };
    let own: Vec<_> = axis.values.iter().map(|value| value.to_toml().to_string()).collect();
    let said = wrong.to_toml().to_string();
    // Numbers are never misspelt.
    let hint = match wrong.text() {
        Some(_) => meant(&said, own.iter().map(String::as_str), "its values are"),
        None => format!("its values are {}", quoted(own.iter().map(String::as_str), "and")),
    };
    let message = format!("`{}` is never {}", shown(&axis.name), shown(&said));
    Some(Diagnostic::error(message).at(&wrong.at).hint(hint))
}

/// The axes that move by themselves, and those that move together.
fn slots(sweep: &Axes, node: &Node, problems: &mut Vec<Diagnostic>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let zip = match node.get("zip").map(|zip| &zip.value) {
        Some(Value::Array(groups)) => groups.as_slice(),
        _ => &[],
    };
    for names in zip {
        let Value::Array(names) = &names.value else { continue };
        let mut group = Vec::new();
        for name in names.iter().filter(|name| name.text().is_some()) {
            let text = name.text().unwrap_or_default();
            let Some(at) = sweep.axes.iter().position(|axis| same_axis(&axis.name, text)) else {
                let entry = Entry::new(name.at.clone(), name.clone());
                problems.push(no_axis(&sweep.axes, text, &entry, "`zip`"));
                continue;
            };
            if group.contains(&at) || groups.iter().any(|group| group.contains(&at)) {
                let message = format!("`{}` is in `zip` twice", shown(text));
                problems.push(Diagnostic::error(message).at(&name.at).hint("take one of them out"));
                continue;
            }
            group.push(at);
        }
        problems.extend(uneven(sweep, &group, names));
        groups.push(group);
    }
    let alone = (0..sweep.axes.len()).filter(|at| !groups.iter().any(|group| group.contains(at)));
    let mut slots: Vec<_> = alone.map(|at| vec![at]).collect();
    slots.extend(groups.into_iter().filter(|group| !group.is_empty()));
    slots.sort_by_key(|slot| slot.iter().min().copied());
    slots
}

/// Axes that are to move together but don't have as many values.
fn uneven(sweep: &Axes, group: &[usize], names: &[Node]) -> Option<Diagnostic> {
    let first = sweep.axes.get(*group.first()?)?;
    let other = group.iter().find(|at| sweep.axes[**at].size() != first.size())?;
    let size = |axis: &Axis| axis.size().map_or("any number of".to_owned(), |size| size.to_string());
    let (a, b) = (first, &sweep.axes[*other]);
    let message = format!(
        "`{}` has {} values and `{}` has {}, so they can't move together",
        shown(&a.name),
        size(a),
        shown(&b.name),
        size(b)
    );
    let at = names.last().map_or(&sweep.at, |name| &name.at);
    Some(
        Diagnostic::error(message)
            .at(at)
            .hint("axes in one `zip` need as many values, lists or ranges with a count"),
    )
}

/// The slots in an order in which each comes after those that its conditions name; an axis of a circle.
fn in_order(sweep: &Axes) -> Result<Vec<usize>, usize> {
    let mut order: Vec<usize> = Vec::new();
    let needs = |slot: usize| {
        let axes = sweep.slots[slot].iter();
        axes.flat_map(|axis| sweep.axes[*axis].when.iter().map(|(at, _)| *at)).collect::<BTreeSet<_>>()
    };
    while order.len() < sweep.slots.len() {
        let known: BTreeSet<_> = order.iter().flat_map(|slot| sweep.slots[*slot].iter().copied()).collect();
        let next =
            (0..sweep.slots.len()).find(|slot| !order.contains(slot) && needs(*slot).is_subset(&known));
        match next {
            Some(slot) => order.push(slot),
            None => {
                let left = (0..sweep.slots.len()).find(|slot| !order.contains(slot));
                return Err(left.map_or(0, |slot| sweep.slots[slot][0]));
            }
        }
    }
    Ok(order)
}

/// Keys that would do nothing beside the strategy.
pub fn idle(sweep: &Axes, node: &Node, problems: &mut Vec<Diagnostic>) {
    let halving = matches!(sweep.strategy, Strategy::Halving { .. });
    let tpe = matches!(sweep.strategy, Strategy::Tpe { .. });
    let keys = [
        ("budget", halving, "halving"),
        ("eta", halving, "halving"),
        ("startup", tpe, "tpe"),
        ("wave", tpe, "tpe"),
    ];
    for (key, used, strategy) in keys {
        if let Some(value) = node.get(key).filter(|_| !used) {
            let message = format!("`{key}` does nothing without `strategy = \"{strategy}\"`");
            problems.push(Diagnostic::error(message).at(&value.at).hint("remove it or choose that strategy"));
        }
    }
}

/// Reads `budget`: the parameter that grows from rung to rung of successive halving.
pub fn budget(sweep: &mut Axes, node: &Node, ground: &Ground<'_>, problems: &mut Vec<Diagnostic>) {
    let Strategy::Halving { eta } = sweep.strategy else { return };
    let Some(budget) = node.get("budget") else {
        let message = "`halving` lacks the key `budget`";
        let hint = "say which parameter grows: `budget = { \"segments.n_init\" = { from = 1, to = 27 } }`";
        problems.push(Diagnostic::error(message).at(&sweep.at).hint(hint));
        return;
    };
    let Some(table) = budget.table() else { return };
    let entries: Vec<_> = table.iter().collect();
    let [(name, entry)] = entries.as_slice() else {
        let hint = "such as `{ \"segments.n_init\" = { from = 1, to = 27 } }`";
        problems.push(Diagnostic::error("`budget` must name one parameter").at(&budget.at).hint(hint));
        return;
    };
    let Some(mut axis) = ground.axis(name, entry, problems) else { return };
    if is_taken(sweep, &axis, problems) {
        return;
    }
    match &axis.domain {
        Domain::Range(range) => {
            let rungs = range.rungs(eta);
            rungs.into_iter().for_each(|value| axis.take(value));
        }
        Domain::List => {
            let message = format!("the budget `{}` is a list", shown(name));
            let hint = "it grows from one end to the other: `{ from = 1, to = 27 }`";
            problems.push(Diagnostic::error(message).at(&axis.at).hint(hint));
        }
    }
    sweep.budget = Some(sweep.axes.len());
    sweep.axes.push(axis);
}

/// A parameter that is an axis already.
fn is_taken(sweep: &Axes, axis: &Axis, problems: &mut Vec<Diagnostic>) -> bool {
    let taken = sweep.axes.iter().any(|other| same_axis(&other.name, &axis.name));
    if taken {
        let message = format!("`{}` is an axis already", shown(&axis.name));
        problems.push(Diagnostic::error(message).at(&axis.key).hint("take one of them out"));
    }
    taken
}

/// Reads `repeat`: a number of seeds, their list, or the parameter that takes them.
pub fn repeat(sweep: &mut Axes, node: &Node, ground: &Ground<'_>, seed: u64, problems: &mut Vec<Diagnostic>) {
    let Some(repeat) = node.get("repeat") else { return };
    let named = |value: Node| ("pipeline.seed".to_owned(), Entry::new(repeat.at.clone(), value));
    let seeds = |count: i64| {
        let first = i64::try_from(seed).unwrap_or(i64::MAX);
        let seed =
            |more: i64| Node { at: repeat.at.clone(), value: Value::Integer(first.saturating_add(more)) };
        Value::Array((0..count.clamp(0, 1000)).map(seed).collect())
    };
    let (name, entry) = match &repeat.value {
        Value::Integer(count) => named(Node { at: repeat.at.clone(), value: seeds(*count) }),
        Value::Array(_) => named(repeat.clone()),
        Value::Table(table) => match table.iter().collect::<Vec<_>>()[..] {
            [(name, entry)] => (name.clone(), entry.clone()),
            _ => {
                let hint =
                    "such as `{ \"segments.seed\" = [1, 2, 3] }`; a number repeats over the pipeline's seed";
                problems
                    .push(Diagnostic::error("`repeat` must name one parameter").at(&repeat.at).hint(hint));
                return;
            }
        },
        _ => return,
    };
    let Some(mut axis) = ground.axis(&name, &entry, problems) else { return };
    if is_taken(sweep, &axis, problems) {
        return;
    }
    if axis.size().is_none_or(|size| size > 1000) {
        let message = "`repeat` takes at most 1000 seeds";
        problems.push(Diagnostic::error(message).at(&axis.at).hint("list the seeds: `[1, 2, 3]`"));
        return;
    }
    axis.fill();
    if matches!(axis.target, Target::Seed)
        && !ground.base.iter().any(|draft| draft.kind.seeded && draft.seed.is_none())
    {
        let message = "`repeat` does nothing: no stage takes the pipeline's seed";
        let hint = "name the parameter that takes the seeds: `{ \"segments.seed\" = [1, 2, 3] }`";
        problems.push(Diagnostic::error(message).at(&axis.at).hint(hint));
    }
    sweep.repeat = Some(sweep.axes.len());
    sweep.axes.push(axis);
}

/// Where the best variant is to be written: a TOML file within the project.
pub fn best(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<PathBuf> {
    let best = node.get("best")?;
    let text = best.text()?;
    let path: PathBuf = Path::new(text).components().filter(|part| *part != Component::CurDir).collect();
    let mut wrong = |message: String, hint: &str| {
        problems.push(Diagnostic::error(message).at(&best.at).hint(hint));
        None
    };
    if path.extension().is_none_or(|extension| extension != "toml") {
        return wrong(format!("`{}` is no TOML file", shown(text)), "name it as `pipelines/best.toml`");
    }
    if path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        let hint = "name a file below the project's folder, such as `pipelines/best.toml`";
        return wrong(format!("`{}` leaves the project's folder", shown(text)), hint);
    }
    Some(path)
}

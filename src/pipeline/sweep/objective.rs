//! What variants are compared by: metrics of stages.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::document::{Entry, Node, Value};
use super::super::draft::Draft;
use super::tried::Tried;
use super::{Goal, Objective};
use crate::diagnostic::{Diagnostic, meant_as, shown};

/// Reads `objective` with its `goal`, or `objectives`.
pub fn read(
    entry: &Entry,
    document: &Node,
    base: &[Arc<Draft>],
    tried: &[Tried],
    problems: &mut Vec<Diagnostic>,
) -> Vec<Objective> {
    let table = &entry.node;
    let mut wanted = Vec::new();
    match (table.get("objective"), table.get("objectives").map(|list| (list, &list.value))) {
        (Some(_), Some((list, _))) => {
            let hint = "`objective` is for one metric, `objectives` for several; remove one of them";
            problems.push(
                Diagnostic::error("`[sweep]` has `objective` and `objectives`").at(&list.at).hint(hint),
            );
        }
        (Some(node), None) => wanted.push((node, goal(table))),
        (None, Some((list, Value::Array(items)))) => {
            let of = |item| Some((Node::get(item, "metric")?, goal(item)));
            wanted.extend(items.iter().filter_map(of));
            if let Some(goal) = table.get("goal") {
                let hint = "give each of the `objectives` its own: `{ metric = \"segments.silhouette\", goal = \"max\" }`";
                problems.push(
                    Diagnostic::error("`goal` does nothing beside `objectives`").at(&goal.at).hint(hint),
                );
            }
            let (first, last) = (items.first(), list);
            if first.is_none() {
                problems
                    .push(Diagnostic::error("`objectives` names no metric").at(&last.at).hint("name one"));
            }
        }
        (None, Some(_)) => {}
        (None, None) => {
            let hint = "add `objective = \"STAGE.metric\"`, such as `segments.silhouette`, or `objectives` for several";
            problems.push(Diagnostic::error("`[sweep]` lacks the key `objective`").at(&entry.key).hint(hint));
        }
    }
    let mut found: Vec<Objective> = Vec::new();
    for (node, goal) in wanted {
        let Some((stage, metric)) = metric(node, document, base, tried, problems) else { continue };
        if found.iter().any(|one| one.stage == stage && one.metric == metric) {
            let message = format!("`{}` is an objective twice", shown(node.text().unwrap_or_default()));
            problems.push(Diagnostic::error(message).at(&node.at).hint("remove one of them"));
        }
        found.push(Objective { stage, metric, goal, at: node.at.clone() });
    }
    found
}

fn goal(table: &Node) -> Goal {
    match table.get("goal").and_then(Node::text) {
        Some("min") => Goal::Min,
        _ => Goal::Max,
    }
}

fn metric(
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
        let names = base.iter().map(|draft| draft.name.as_str());
        let hint = meant_as(stage, names, |near| format!("{near}.{}", shown(metric)), "the stages are");
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
    let hint = if names.is_empty() {
        "it gives none: a `command` gives those that it writes into an output `metrics`".to_owned()
    } else {
        meant_as(metric, names, |near| format!("{stage}.{near}"), "it gives")
    };
    Some((format!("stage `{stage}` gives no metric `{}`", shown(metric)), hint))
}

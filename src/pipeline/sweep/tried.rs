//! Every value of every axis, tried in its stage before anything is built.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::document::Node;
use super::super::draft::{self, Draft, Kinds};
use super::super::layers;
use super::axis::{Axis, Target};
use super::cells::is_there;
use super::{Axes, Point, plain, positions};
use crate::diagnostic::Diagnostic;

/// A stage as a point of the sweep has it.
pub type Tried = (usize, Draft);

/// Tries every value that is in use, the first of all others beside it: stages as they come out.
pub fn values(
    sweep: &Axes,
    base: &[Arc<Draft>],
    kinds: &Kinds,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Tried> {
    let mut sweep = sweep.clone();
    sweep.axes.iter_mut().for_each(Axis::take_ends);
    let mut tried = Vec::new();
    for (at, axis) in sweep.axes.iter().enumerate() {
        let Target::Parameter(stage, path) = &axis.target else { continue };
        let first = beside(&sweep, at, *stage, &base[*stage].node);
        let mut told = BTreeSet::new();
        for value in &axis.values {
            let mut node = first.clone();
            layers::put(&mut node, path, &axis.key, value.clone());
            let (draft, found) = draft::stage(&base[*stage].name, &base[*stage].header, &node, kinds);
            tried.extend(draft.map(|draft| (*stage, draft)));
            let own = found.into_iter().filter(|problem| owns(axis, problem, value));
            let found: Vec<_> = own.filter(|problem| told.insert(problem.identity())).collect();
            // What lies between two ends is wrong as an end is.
            let stop = !found.is_empty() && axis.is_ordered();
            problems.extend(found);
            if stop {
                break;
            }
        }
    }
    tried
}

/// Whether a problem is one of an axis: of its name, or of a value.
fn owns(axis: &Axis, problem: &Diagnostic, value: &Node) -> bool {
    problem.at.as_ref().is_some_and(|at| at.lies_in(&axis.key) || at.lies_in(&value.at))
}

/// A stage with the first value of every other axis that is there beside one.
fn beside(sweep: &Axes, axis: usize, stage: usize, node: &Node) -> Node {
    let mut point = vec![None; sweep.axes.len()];
    if sweep.order.len() == sweep.slots.len() {
        allow(sweep, axis, &mut point);
    }
    let lone = [sweep.budget, sweep.repeat].into_iter().flatten();
    let slots =
        sweep.order.iter().flat_map(|slot| sweep.slots[*slot].iter().map(|axis| (Some(*slot), *axis)));
    for (slot, other) in slots.chain(lone.map(|axis| (None, axis))).collect::<Vec<_>>() {
        let there = slot.is_none_or(|slot| is_there(sweep, slot, &point));
        if point[other].is_none() && there && !sweep.axes[other].values.is_empty() {
            point[other] = Some(0);
        }
    }
    let mut node = node.clone();
    for (other, at) in positions(&point) {
        if let Target::Parameter(whose, path) = &sweep.axes[other].target
            && *whose == stage
        {
            layers::put(&mut node, path, &sweep.axes[other].key, sweep.axes[other].values[at].clone());
        }
    }
    node
}

/// Puts the axes that an axis needs at values beside which it is there.
fn allow(sweep: &Axes, axis: usize, point: &mut Point) {
    for (on, values) in &sweep.axes[axis].when {
        allow(sweep, *on, point);
        point[*on] = sweep.axes[*on].values.iter().position(|value| values.contains(&plain(value)));
    }
}

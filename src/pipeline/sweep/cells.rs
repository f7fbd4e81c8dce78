//! The points of a grid: counted before anything is made of them, then listed.

use std::collections::BTreeSet;

use super::super::document::Node;
use super::{Axes, MOST_VARIANTS, Point, Strategy, plain};
use crate::diagnostic::{Diagnostic, shown};

/// Grids up to this size are listed, so that what is excluded can be taken off.
const LISTED: u128 = 1_000_000;

/// Combinations of values that conditions look at, up to which a grid is counted exactly.
const COMBINED: u128 = 100_000;

/// Says what a sweep is too large for, and takes the values of a grid into use.
pub fn fill(sweep: &mut Axes, most: Option<&Node>, problems: &mut Vec<Diagnostic>) {
    let seeds = sweep.repeat.map_or(1, |axis| sweep.axes[axis].values.len().max(1));
    if sweep.strategy != Strategy::Grid {
        if sweep.most.saturating_mul(seeds) > MOST_VARIANTS {
            let at = most.map_or(&sweep.at, |most| &most.at);
            let message = format!("this sweep has {} variants", sweep.most.saturating_mul(seeds));
            problems.push(too_many(message, MOST_VARIANTS).at(at));
            give_up(sweep);
        }
        return;
    }
    let endless = sweep.slots.iter().flatten().find(|axis| sweep.axes[**axis].size().is_none());
    if let Some(axis) = endless.map(|axis| &sweep.axes[*axis]) {
        let message = format!("a grid can't tell which values of `{}` to take", shown(&axis.name));
        let hint = "give the range a `step` or a `count`, or choose another strategy: `strategy = \"sobol\"`";
        problems.push(Diagnostic::error(message).at(&axis.at).hint(hint));
        give_up(sweep);
        return;
    }
    let count = count(sweep);
    let (count, what) = match count {
        Some(count) if count <= LISTED => {
            for axis in sweep.slots.iter().flatten().copied().collect::<Vec<_>>() {
                sweep.axes[axis].fill();
            }
            (Some(points(sweep).len() as u128), "")
        }
        count => (count, if sweep.excluded.is_empty() { "" } else { " before those that are excluded" }),
    };
    let count = count.and_then(|count| count.checked_mul(seeds as u128));
    let limit = sweep.most.saturating_mul(seeds).min(MOST_VARIANTS);
    if count.is_none_or(|count| count > limit as u128) {
        let count =
            count.map_or("more variants than can be counted".to_owned(), |n| format!("{n} variants{what}"));
        problems.push(too_many(format!("this grid has {count}"), limit).at(&sweep.at));
        give_up(sweep);
    } else if count == Some(0) {
        let message = "every point of this grid is excluded";
        problems.push(Diagnostic::error(message).at(&sweep.at).hint("take a point out of `exclude`"));
    }
}

/// Leaves nothing to be built of a sweep that isn't run anyway.
fn give_up(sweep: &mut Axes) {
    (sweep.slots, sweep.order) = (Vec::new(), Vec::new());
    let ranges = sweep.axes.iter_mut().filter(|axis| axis.is_ordered());
    ranges.for_each(|axis| axis.values.truncate(1));
}

fn too_many(message: String, limit: usize) -> Diagnostic {
    let hint = if limit < MOST_VARIANTS {
        format!(
            "`max_variants` lets {limit} run; take values out of an axis, or choose `strategy = \"sobol\"`"
        )
    } else {
        format!("at most {limit} are run; take values out of an axis")
    };
    Diagnostic::error(message).hint(hint)
}

/// How many points there are before any is excluded.
fn count(sweep: &Axes) -> Option<u128> {
    let looked_at: BTreeSet<usize> =
        sweep.axes.iter().flat_map(|axis| axis.when.iter().map(|(at, _)| *at)).collect();
    let is_looked_at = |slot: usize| sweep.slots[slot].iter().any(|axis| looked_at.contains(axis));
    let size = |slot: usize| u128::from(sweep.axes[sweep.slots[slot][0]].size().unwrap_or(0));
    let slots = 0..sweep.slots.len();
    let combined = slots
        .clone()
        .filter(|slot| is_looked_at(*slot))
        .try_fold(1_u128, |all, slot| all.checked_mul(size(slot)));
    if combined.is_none_or(|combined| combined > COMBINED) {
        return slots.into_iter().try_fold(1_u128, |all, slot| all.checked_mul(size(slot)));
    }
    let mut sweep = sweep.clone();
    for slot in slots.filter(|slot| is_looked_at(*slot)) {
        sweep.slots[slot].clone().into_iter().for_each(|axis| sweep.axes[axis].fill());
    }
    let mut point = vec![None; sweep.axes.len()];
    below(&sweep, 0, &is_looked_at_in(&sweep, &looked_at), &mut point)
}

fn is_looked_at_in(sweep: &Axes, looked_at: &BTreeSet<usize>) -> Vec<bool> {
    sweep.slots.iter().map(|slot| slot.iter().any(|axis| looked_at.contains(axis))).collect()
}

/// How many points there are below what has been chosen so far.
fn below(sweep: &Axes, depth: usize, looked_at: &[bool], point: &mut Point) -> Option<u128> {
    let Some(slot) = sweep.order.get(depth).copied() else { return Some(1) };
    let size = sweep.axes[sweep.slots[slot][0]].size().unwrap_or(0);
    if !is_there(sweep, slot, point) {
        return below(sweep, depth + 1, looked_at, point);
    }
    if !looked_at[slot] {
        return below(sweep, depth + 1, looked_at, point)?.checked_mul(u128::from(size));
    }
    let mut sum = 0_u128;
    for at in 0..usize::try_from(size).ok()? {
        put(sweep, slot, Some(at), point);
        sum = sum.checked_add(below(sweep, depth + 1, looked_at, point)?)?;
    }
    put(sweep, slot, None, point);
    Some(sum)
}

/// Puts the axes of a slot at a position.
pub fn put(sweep: &Axes, slot: usize, at: Option<usize>, point: &mut Point) {
    sweep.slots[slot].iter().for_each(|axis| point[*axis] = at);
}

/// Whether the conditions of a slot hold at a point.
pub fn is_there(sweep: &Axes, slot: usize, point: &Point) -> bool {
    sweep.slots[slot].iter().flat_map(|axis| &sweep.axes[*axis].when).all(|one| holds(sweep, one, point))
}

fn holds(sweep: &Axes, (axis, values): &(usize, Vec<String>), point: &Point) -> bool {
    point[*axis].is_some_and(|at| values.contains(&plain(&sweep.axes[*axis].values[at])))
}

/// Whether a point is left out.
pub fn is_excluded(sweep: &Axes, point: &Point) -> bool {
    sweep.excluded.iter().any(|one| one.iter().all(|condition| holds(sweep, condition, point)))
}

/// Every point of a grid; the last axis moves fastest.
pub fn points(sweep: &Axes) -> Vec<Point> {
    let mut found = Vec::new();
    collect(sweep, 0, &mut vec![None; sweep.axes.len()], &mut found);
    found.sort();
    found
}

fn collect(sweep: &Axes, depth: usize, point: &mut Point, found: &mut Vec<Point>) {
    let Some(slot) = sweep.order.get(depth).copied() else {
        if !is_excluded(sweep, point) {
            found.push(point.clone());
        }
        return;
    };
    if !is_there(sweep, slot, point) {
        return collect(sweep, depth + 1, point, found);
    }
    // Values of a range that round to the same count once.
    let sizes = sweep.slots[slot].iter().map(|axis| sweep.axes[*axis].values.len());
    for at in 0..sizes.min().unwrap_or(0) {
        put(sweep, slot, Some(at), point);
        collect(sweep, depth + 1, point, found);
    }
    put(sweep, slot, None, point);
}

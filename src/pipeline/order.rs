//! Stages in an order in which each comes after its inputs, and the cycles that leave none.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashMap;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::draft::Draft;
use crate::diagnostic::Diagnostic;

/// The numbers of stages by their names.
pub type Numbers = HashMap<Named, usize>;

/// A stage that is found by its name.
#[derive(Clone)]
pub struct Named(Arc<Draft>);

impl Borrow<str> for Named {
    fn borrow(&self) -> &str {
        &self.0.name
    }
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.as_str().hash(state);
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Named {}

/// The numbers of stages, which are also those of their variants.
pub fn numbers(drafts: &[Arc<Draft>]) -> Numbers {
    drafts.iter().enumerate().map(|(at, draft)| (Named(Arc::clone(draft)), at)).collect()
}

/// Stages so that each comes after its inputs; ties in the order in which they are written.
///
/// # Errors
/// Every cycle that they form, printed as a path.
pub fn order(drafts: &[Arc<Draft>], numbers: &Numbers) -> Result<Vec<usize>, Vec<Diagnostic>> {
    let consumers = consumers(drafts, numbers);
    let mut missing = vec![0_usize; drafts.len()];
    consumers.iter().flatten().for_each(|consumer| missing[*consumer] += 1);
    let mut ready: BinaryHeap<_> = (0..drafts.len()).filter(|at| missing[*at] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(drafts.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for consumer in &consumers[at] {
            missing[*consumer] -= 1;
            if missing[*consumer] == 0 {
                ready.push(Reverse(*consumer));
            }
        }
    }
    if order.len() == drafts.len() { Ok(order) } else { Err(cycles(drafts, &consumers)) }
}

/// Per stage, who takes from it, once an input.
fn consumers(drafts: &[Arc<Draft>], numbers: &Numbers) -> Vec<Vec<usize>> {
    let mut consumers = vec![Vec::new(); drafts.len()];
    for (at, draft) in drafts.iter().enumerate() {
        for from in draft.needs.iter().filter_map(|need| numbers.get(need.from.stage())) {
            consumers[*from].push(at);
        }
    }
    consumers
}

/// A cycle for each group of stages that need each other, in the order in which they are written.
fn cycles(drafts: &[Arc<Draft>], consumers: &[Vec<usize>]) -> Vec<Diagnostic> {
    let edges = consumers.iter().enumerate().flat_map(|(from, to)| to.iter().map(move |to| (from, *to)));
    let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let graph = DiGraph::<(), ()>::from_edges(edges.map(|(from, to)| (index(from), index(to))));
    let groups = kosaraju_scc(&graph).into_iter();
    let groups = groups.map(|group| group.into_iter().map(NodeIndex::index).collect::<BTreeSet<_>>());
    let mut rounds: Vec<_> = groups.filter_map(|group| round(&group, consumers)).collect();
    rounds.sort();
    rounds.iter().map(|round| cycle(drafts, round)).collect()
}

/// The shortest way from the first stage of a group back to itself; none when it doesn't need itself.
fn round(group: &BTreeSet<usize>, consumers: &[Vec<usize>]) -> Option<Vec<usize>> {
    let first = *group.first()?;
    let mut from: HashMap<usize, usize> = HashMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(at) = queue.pop_front() {
        for next in consumers[at].iter().filter(|next| group.contains(next)) {
            if from.contains_key(next) {
                continue;
            }
            from.insert(*next, at);
            queue.push_back(*next);
        }
    }
    let mut back = vec![first, *from.get(&first)?];
    while let Some(last) = back.last().copied().filter(|last| *last != first) {
        back.push(from[&last]);
    }
    back.reverse();
    Some(back)
}

fn cycle(drafts: &[Arc<Draft>], round: &[usize]) -> Diagnostic {
    let names: Vec<_> = round.iter().map(|at| drafts[*at].name.as_str()).collect();
    let entry = &drafts[round[0]];
    let need = entry.needs.iter().find(|need| need.from.stage() == names[names.len() - 2]);
    let at = need.map_or(&entry.header, |need| &entry.node.nearest(&need.key).at);
    Diagnostic::error(format!("stages form a cycle: {}", names.join(" -> ")))
        .at(at)
        .hint("take one of these inputs out")
}

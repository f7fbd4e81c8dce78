//! Tasks that could start, the most urgent first, as far as what they take is there.
//!
//! A task that is no longer ready is left where it is and passed over when its turn comes. Of tasks that
//! take the same only the first is looked at, so a choice costs as much as there are different demands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::engine::budget::Budget;

/// The task that comes first is on top: its place in the order, and its number.
type Lane = BinaryHeap<Reverse<(usize, usize)>>;

/// Tasks that could start.
pub struct Queue {
    tasks: Vec<Waiting>,
    lanes: BTreeMap<Budget, Lane>,
}

/// What counts of a task while it waits.
struct Waiting {
    priority: i64,
    takes: Budget,
    /// Its place in the order of all tasks.
    place: usize,
}

impl Queue {
    /// A queue for tasks with these priorities and demands, by number; those of one priority in this order.
    pub fn new(tasks: impl Iterator<Item = (i64, Budget)>) -> Self {
        let task = |(priority, takes)| Waiting { priority, takes, place: 0 };
        let mut queue = Self { tasks: tasks.map(task).collect(), lanes: BTreeMap::new() };
        queue.order(&vec![0.0; queue.tasks.len()]);
        queue
    }

    /// Puts tasks of one priority in another order: the longest way to the end first, else by number.
    pub fn order(&mut self, ways: &[f64]) {
        let mut order: Vec<usize> = (0..self.tasks.len()).collect();
        // Sorting keeps what is equal as it is.
        order.sort_by(|one, other| {
            let priority = self.tasks[*other].priority.cmp(&self.tasks[*one].priority);
            priority.then(ways[*other].total_cmp(&ways[*one]))
        });
        for (place, at) in order.into_iter().enumerate() {
            self.tasks[at].place = place;
        }
        let waiting = std::mem::take(&mut self.lanes).into_values().flatten();
        waiting.for_each(|Reverse((_, at))| self.push(at));
    }

    /// Adds a task.
    pub fn push(&mut self, at: usize) {
        let task = &self.tasks[at];
        self.lanes.entry(task.takes).or_default().push(Reverse((task.place, at)));
    }

    /// Whether there is no other task to choose.
    pub fn is_empty(&self) -> bool {
        self.lanes.values().all(BinaryHeap::is_empty)
    }

    /// What a task takes while it runs.
    pub fn takes(&self, at: usize) -> Budget {
        self.tasks[at].takes
    }

    /// The task to start next, taken out. One that doesn't fit lets others go before it, but none of a
    /// lower priority.
    pub fn pop(&mut self, left: Budget, is_ready: impl Fn(usize) -> bool) -> Option<usize> {
        let (mut first, mut best) = (None, None);
        for (takes, lane) in &mut self.lanes {
            let Some(top) = top(lane, &is_ready) else { continue };
            first = first.into_iter().chain([top]).min();
            if takes.fits(left) {
                best = best.into_iter().chain([top]).min();
            }
        }
        let ((_, first), (_, best)) = (first?, best?);
        if self.tasks[best].priority < self.tasks[first].priority {
            return None;
        }
        self.lanes.get_mut(&self.tasks[best].takes)?.pop();
        Some(best)
    }
}

/// The first of a lane that is still ready.
fn top(lane: &mut Lane, is_ready: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
    while let Some(Reverse(top)) = lane.peek() {
        if is_ready(top.1) {
            return Some(*top);
        }
        lane.pop();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Budget, Queue};

    const ALL: Budget = Budget { cores: 4, memory: 10 };

    fn queue(tasks: &[(i64, usize)]) -> Queue {
        let mut queue = Queue::new(
            tasks.iter().map(|(priority, cores)| (*priority, Budget { cores: *cores, memory: 0 })),
        );
        (0..tasks.len()).rev().for_each(|at| queue.push(at));
        queue
    }

    fn all(mut queue: Queue) -> Vec<usize> {
        std::iter::from_fn(|| queue.pop(ALL, |_| true)).collect()
    }

    #[test]
    fn priority_then_the_longest_way_then_the_number() {
        assert_eq!(all(queue(&[(0, 1), (5, 1), (0, 2), (-1, 1)])), [1, 0, 2, 3]);
        let mut queue = queue(&[(0, 1), (0, 2), (5, 1), (0, 1)]);
        queue.order(&[1.0, 7.0, 0.5, 7.0]);
        assert_eq!(all(queue), [2, 1, 3, 0]);
    }

    #[test]
    fn one_that_does_not_fit_is_overtaken_by_its_equals_only() {
        let left = Budget { cores: 2, memory: 10 };
        let mut equals = queue(&[(0, 3), (0, 2)]);
        assert_eq!(equals.pop(left, |_| true), Some(1));
        assert_eq!(equals.pop(left, |_| true), None);
        assert_eq!(equals.pop(ALL, |_| true), Some(0));
        let mut lower = queue(&[(1, 3), (0, 2)]);
        assert_eq!(lower.pop(left, |_| true), None);
        assert_eq!(lower.pop(ALL, |_| true), Some(0));
    }

    #[test]
    fn what_is_no_longer_ready_is_passed_over() {
        let mut queue = queue(&[(0, 1), (0, 1), (0, 2)]);
        assert_eq!(queue.pop(ALL, |at| at != 0), Some(1));
        queue.push(0);
        queue.push(0);
        assert_eq!(queue.pop(ALL, |_| true), Some(0));
    }
}

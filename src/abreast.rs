//! One question asked of many things, on several threads.
//!
//! Knows neither questions nor things. Not on the pool that stages compute on, which may be busy for long.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How work is parted.
#[derive(Clone, Copy, Debug)]
pub struct Parting {
    /// From so many things on, more threads pay.
    pub worth: usize,
    /// A thread takes so many at once.
    pub block: usize,
}

/// For what is mostly waiting for the file system.
pub const FILES: Parting = Parting { worth: 400, block: 64 };

/// More threads only wait for each other in the kernel.
const MOST: usize = 8;

/// The answers, in the order of the things.
pub fn each<T: Sync, A: Send>(things: &[T], parting: Parting, ask: impl Fn(&T) -> A + Sync) -> Vec<A> {
    let Parting { worth, block } = parting;
    if things.len() < worth {
        return things.iter().map(ask).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut answers = Vec::new();
        loop {
            let start = next.fetch_add(block, Ordering::Relaxed);
            let Some(rest) = things.get(start..).filter(|rest| !rest.is_empty()) else { return answers };
            answers.push((start, rest.iter().take(block).map(&ask).collect::<Vec<_>>()));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST);
    let mut answers = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut answers = work();
        for other in others {
            answers.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        answers
    });
    answers.sort_unstable_by_key(|(start, _)| *start);
    answers.into_iter().flat_map(|(_, block)| block).collect()
}

#[cfg(test)]
mod tests {
    use super::{FILES, each};

    #[test]
    fn every_thing_is_asked_once_and_answers_keep_their_order() {
        for count in [0, 1, FILES.worth - 1, FILES.worth, 12_345] {
            let things: Vec<usize> = (0..count).collect();
            assert_eq!(
                each(&things, FILES, |thing| thing * 2),
                (0..count).map(|thing| thing * 2).collect::<Vec<_>>()
            );
        }
    }
}

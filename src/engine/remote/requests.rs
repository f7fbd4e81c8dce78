//! Many requests to a remote: mostly waiting for it, so several are on their way at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Trouble;

/// Requests on their way at once.
const AT_ONCE: usize = 8;

/// Asks about each thing until one request fails: the answers in the order of the things, and how it ended.
pub fn each<T: Sync, A: Send>(
    things: &[T],
    ask: &(dyn Fn(&T) -> Result<A, Trouble> + Sync),
) -> (Vec<Option<A>>, Result<(), Trouble>) {
    let answers: Vec<Mutex<Option<A>>> = things.iter().map(|_| Mutex::new(None)).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let failure = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        while failure().is_none() {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(thing), Some(answer)) = (things.get(at), answers.get(at)) else { return };
            match ask(thing) {
                Ok(said) => *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(said),
                Err(trouble) => drop(failure().get_or_insert(trouble)),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(things.len()) {
            scope.spawn(work);
        }
    });
    let answer = |one: Mutex<Option<A>>| one.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ended = failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err);
    (answers.into_iter().map(answer).collect(), ended)
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, Trouble, each};

    #[test]
    fn answers_keep_the_order_of_the_things() {
        let things: Vec<usize> = (0..100).collect();
        let (answers, ended) = each(&things, &|thing| Ok(thing * 2));
        assert!(ended.is_ok());
        assert_eq!(answers, things.iter().map(|thing| Some(thing * 2)).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_failure_ends_it_and_what_was_said_before_stays() {
        let things: Vec<usize> = (0..1_000).collect();
        let ask = |thing: &usize| if *thing < 100 { Ok(*thing) } else { Err(Trouble::Missing) };
        let (answers, ended) = each(&things, &ask);
        assert!(matches!(ended, Err(Trouble::Missing)));
        assert!(answers[..100 - AT_ONCE].iter().all(Option::is_some));
        assert!(answers[100..].iter().all(Option::is_none));
    }
}

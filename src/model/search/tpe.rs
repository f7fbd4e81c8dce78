//! Suggestions of a tree-structured Parzen estimator: where good trials are dense and bad ones are not.
//!
//! Bergstra et al. (2011): trials are split into the best and the others, a density is fitted to each, and of
//! some draws from that of the best the one with the largest ratio `l(x) / g(x)` is tried next. Each parameter
//! has a density of its own, over those trials in which it was there.

use super::parzen::{Dimension, Parzen};
use crate::model::random::Streams;
use crate::model::rank;

/// Draws among which the best is taken.
const CANDIDATES: usize = 24;

/// A point that was tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its coordinates; none for a parameter that wasn't there.
    pub coordinates: Vec<Option<f64>>,
    /// What is to be small; all NaN where it failed or isn't known yet.
    pub losses: Vec<f64>,
}

/// A suggestion, a coordinate a dimension, after some trials. Equal arguments give equal suggestions; the
/// number tells those apart that are drawn after the same trials. O(trials · dimensions · candidates).
pub fn suggest(dimensions: &[Dimension], trials: &[Trial], seed: u64, number: u64) -> Vec<f64> {
    let good = good(trials);
    let mut random = Streams::new(seed, "tpe suggestion").of(number);
    let one = |(at, dimension): (usize, &Dimension)| {
        let of = |wanted: bool| {
            let those = trials.iter().zip(&good).filter(|(_, good)| **good == wanted);
            those.filter_map(|(trial, _)| trial.coordinates[at]).collect::<Vec<_>>()
        };
        let (best, others) = (Parzen::of(*dimension, &of(true)), Parzen::of(*dimension, &of(false)));
        let draws: Vec<_> = (0..CANDIDATES).map(|_| best.draw(&mut random)).collect();
        let gain = |x: &f64| best.log_density(*x) - others.log_density(*x);
        let gains: Vec<_> = draws.iter().map(gain).collect();
        rank::order(&gains, true).first().map_or(0.0, |first| draws[*first])
    };
    dimensions.iter().enumerate().map(one).collect()
}

/// Which trials are among the best: a tenth of them, at most 25. Of several losses those trials come first that
/// no other one beats in all of them.
fn good(trials: &[Trial]) -> Vec<bool> {
    let count = trials.len().div_ceil(10).min(25);
    let losses: Vec<_> = trials.iter().map(|trial| trial.losses.clone()).collect();
    let fronts = rank::fronts(&losses);
    let worth = |at: usize| (fronts[at], if losses[at][0].is_nan() { f64::INFINITY } else { losses[at][0] });
    let mut order: Vec<_> = (0..trials.len()).collect();
    order.sort_by(|a, b| worth(*a).0.cmp(&worth(*b).0).then(worth(*a).1.total_cmp(&worth(*b).1)));
    let mut good = vec![false; trials.len()];
    order.into_iter().take(count).for_each(|at| good[at] = true);
    good
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(x - 0.3)^2 + (y - 0.8)^2`, and a choice of which only one is good: smallest, 0, at (0.3, 0.8, 2).
    fn loss(x: &[f64]) -> f64 {
        (x[0] - 0.3).powi(2) + (x[1] / 20.0 - 0.8).powi(2) + if x[2] == 2.0 { 0.0 } else { 0.2 }
    }

    const SPACE: [Dimension; 3] = [Dimension::Interval, Dimension::Steps(21), Dimension::Choices(5)];

    fn trial(x: Vec<f64>) -> Trial {
        Trial { losses: vec![loss(&x)], coordinates: x.into_iter().map(Some).collect() }
    }

    /// The smallest loss of so many trials, and after how many a loss is first below a limit.
    fn searched(seed: u64, startup: usize, count: usize) -> f64 {
        let mut trials: Vec<Trial> = Vec::new();
        for number in 0..count {
            let known = if number < startup { &[][..] } else { &trials[..] };
            trials.push(trial(suggest(&SPACE, known, seed, number as u64)));
        }
        trials.iter().map(|trial| trial.losses[0]).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn it_finds_an_optimum_with_fewer_trials_than_chance() {
        let runs = 20;
        let better =
            (0..runs).filter(|seed| searched(*seed, 10, 60) < searched(*seed, usize::MAX, 180)).count();
        assert!(better >= 15, "60 trials were better than 180 at random in {better} of {runs}");
        let worst = (0..runs).map(|seed| searched(seed, 10, 60)).fold(0.0, f64::max);
        assert!(worst < 0.05, "{worst}");
    }

    #[test]
    fn a_suggestion_depends_on_seed_trials_and_number_alone() {
        let trials: Vec<_> = (0..12).map(|at| trial(suggest(&SPACE, &[], 5, at))).collect();
        let first = suggest(&SPACE, &trials, 5, 12);
        assert_eq!(first, suggest(&SPACE, &trials, 5, 12));
        assert_ne!(first, suggest(&SPACE, &trials, 6, 12));
        assert_ne!(first, suggest(&SPACE, &trials, 5, 13));
        assert_ne!(first, suggest(&SPACE, &trials[..4], 5, 12));
    }

    #[test]
    fn failures_are_among_the_worst() {
        let at = |x: f64, loss: f64| Trial { coordinates: vec![Some(x)], losses: vec![loss] };
        let trials: Vec<_> =
            (0..20).map(|n| at(f64::from(n) / 20.0, if n < 10 { f64::NAN } else { 1.0 })).collect();
        assert_eq!(good(&trials).iter().position(|good| *good), Some(10));
        assert_eq!(good(&trials).iter().filter(|good| **good).count(), 2);
        assert!(good(&[]).is_empty());
    }

    #[test]
    fn of_two_losses_the_front_is_good() {
        let trials: Vec<_> = [[3.0, 3.0], [1.0, 4.0], [4.0, 1.0], [5.0, 5.0]]
            .into_iter()
            .cycle()
            .take(20)
            .map(|losses| Trial { coordinates: vec![Some(0.5)], losses: losses.to_vec() })
            .collect();
        let best: Vec<_> = (0..20).filter(|at| good(&trials)[*at]).collect();
        assert_eq!(best, [1, 5], "of the front those with the smallest first loss, the oldest first");
    }
}

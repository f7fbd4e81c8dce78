//! Which variants of a sweep are tried next: a function of its axes, its seed, and what came of those before.

use std::collections::BTreeSet;

use crate::model::rank;
use crate::model::search::{Dimension, Trial, suggest};
use crate::pipeline::{Axes, Freedom, Point, Strategy};

/// Tries for a suggestion that hasn't been tried yet.
const TRIES: u64 = 64;

/// A point that has been tried, without its seed.
pub struct Tried {
    /// The point.
    pub point: Point,
    /// What it came to, the smallest best; NaN where it failed.
    pub losses: Vec<f64>,
}

/// A search that goes on.
pub struct Search {
    strategy: Strategy,
    /// Points that are known from the start and haven't been asked for.
    left: Vec<Point>,
    asked: Vec<Point>,
    /// How far up the rungs successive halving has come.
    rung: usize,
}

impl Search {
    /// A search that is to begin.
    pub fn new(axes: &Axes) -> Self {
        Self { strategy: axes.strategy, left: axes.first.clone(), asked: Vec::new(), rung: 0 }
    }

    /// The points that have been asked for, in their order.
    pub fn asked(&self) -> &[Point] {
        &self.asked
    }

    /// Whether what is tried next depends on what came out so far.
    pub fn depends(&self, axes: &Axes) -> bool {
        let rungs = || axes.budget.map_or(0, |budget| axes.axes[budget].values.len());
        match self.strategy {
            Strategy::Grid | Strategy::Random | Strategy::Sobol => false,
            _ if !self.left.is_empty() => false,
            Strategy::Halving { .. } => self.rung + 1 < rungs(),
            Strategy::Tpe { .. } => self.asked.len() < axes.most,
        }
    }

    /// The next points; none when the search is over.
    pub fn next(&mut self, axes: &mut Axes, tried: &[Tried]) -> Vec<Point> {
        let points = match self.strategy {
            Strategy::Grid | Strategy::Random | Strategy::Sobol => std::mem::take(&mut self.left),
            _ if !self.left.is_empty() => std::mem::take(&mut self.left),
            Strategy::Halving { eta } => self.halved(axes, tried, eta),
            Strategy::Tpe { wave, .. } => suggested(axes, tried, wave),
        };
        self.asked.extend(points.iter().cloned());
        points
    }

    /// The best part `1/eta` of the last rung, with the budget of the next one: successive halving, Jamieson and
    /// Talwalkar (2016).
    fn halved(&mut self, axes: &Axes, tried: &[Tried], eta: f64) -> Vec<Point> {
        let Some(budget) = axes.budget else { return Vec::new() };
        if self.rung + 1 >= axes.axes[budget].values.len() {
            return Vec::new();
        }
        let of_rung: Vec<_> = tried.iter().filter(|one| one.point[budget] == Some(self.rung)).collect();
        let losses: Vec<_> = of_rung.iter().map(|one| one.losses.clone()).collect();
        let order = rank::board(&vec![0; losses.len()], &losses).order;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count")]
        let most = ((of_rung.len() as f64 / eta) as usize).max(1);
        self.rung += 1;
        let well = |at: &&usize| losses[**at].iter().all(|loss| loss.is_finite());
        let grown = |at: &usize| {
            let mut point = of_rung[*at].point.clone();
            point[budget] = Some(self.rung);
            point
        };
        order.iter().filter(well).take(most).map(grown).collect()
    }
}

/// The next points of a tree-structured Parzen estimator. Those of one wave count as failed for each other, so
/// that they don't crowd.
fn suggested(axes: &mut Axes, tried: &[Tried], wave: usize) -> Vec<Point> {
    let dimensions: Vec<_> = axes.freedoms().into_iter().map(dimension).collect();
    let mut seen: BTreeSet<Point> = tried.iter().map(|one| one.point.clone()).collect();
    let trial = |axes: &Axes, one: &Tried| Trial {
        coordinates: axes.coordinates(&one.point),
        losses: one.losses.clone(),
    };
    let mut trials: Vec<_> = tried.iter().map(|one| trial(axes, one)).collect();
    let mut points = Vec::new();
    for _ in 0..wave.min(axes.most.saturating_sub(tried.len())) {
        let number = trials.len() as u64;
        let Some(point) = new_point(axes, &dimensions, &trials, number, &seen) else { break };
        seen.insert(point.clone());
        let pending = Tried { point: point.clone(), losses: vec![f64::NAN; axes.objectives.len()] };
        trials.push(trial(axes, &pending));
        points.push(point);
    }
    points
}

/// A suggestion that hasn't been tried, else a point at random; none where there seems to be no other.
fn new_point(
    axes: &mut Axes,
    dimensions: &[Dimension],
    trials: &[Trial],
    number: u64,
    seen: &BTreeSet<Point>,
) -> Option<Point> {
    let (seed, new) = (axes.seed, |point: &Point| !seen.contains(point));
    let suggestion = |attempt: u64| suggest(dimensions, trials, seed, number * TRIES + attempt);
    let found = (0..TRIES).find_map(|attempt| axes.at(&suggestion(attempt)).filter(new));
    found.or_else(|| (0..1000).find_map(|attempt| axes.draw((number + 1) * 1000 + attempt).filter(new)))
}

fn dimension(freedom: Freedom) -> Dimension {
    let count = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    match freedom {
        // A step of a long range is as good as any number of it.
        Freedom::Choices(size) => Dimension::Choices(count(size)),
        Freedom::Steps(size) => Dimension::Steps(count(size)),
        Freedom::Interval => Dimension::Interval,
    }
}

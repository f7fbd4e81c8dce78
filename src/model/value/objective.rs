//! The negative log-likelihood of all histories, with a penalty, and its derivatives.
//!
//! Knows the order of what is fitted: logarithms of parameters, then effects of covariates by link.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1, Axis};
use rayon::prelude::*;

use super::family::{Family, Rises, by_count, by_time};
use super::fit::Request;
use super::local::{Local, SLOTS};
use super::newton::Point;
use super::{CHUNK, History, Stop};
use crate::model::symmetric::Symmetric;

/// What is minimised.
pub struct Objective<'a> {
    family: Family,
    histories: Cow<'a, [History]>,
    covariates: Option<Array2<f64>>,
    /// How many customers made so many repeat purchases.
    counts: BTreeMap<u32, f64>,
    customers: f64,
    penalty: f64,
    oldest: f64,
    stop: Stop<'a>,
    /// The mean age of customers.
    pub mean_age: f64,
    /// The mean number of repeat purchases.
    pub mean_repeats: f64,
}

impl<'a> Objective<'a> {
    /// The objective of a request that has been checked.
    pub fn new(request: &Request<'a>) -> Self {
        let covariates = request.covariates.map(|all| all.to_owned()).filter(|all| all.ncols() > 0);
        let histories = if request.family.is_discrete() && covariates.is_none() {
            Cow::Owned(grouped(request.histories))
        } else {
            Cow::Borrowed(request.histories)
        };
        Self::over(request.family, histories, covariates, request.penalty, request.stop)
    }

    fn over(
        family: Family,
        histories: Cow<'a, [History]>,
        covariates: Option<Array2<f64>>,
        penalty: f64,
        stop: Stop<'a>,
    ) -> Self {
        let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
        histories.iter().for_each(|history| *counts.entry(history.repeats).or_default() += history.customers);
        let sum =
            |of: fn(&History) -> f64| histories.iter().map(|history| history.customers * of(history)).sum();
        let (customers, ages, repeats): (f64, f64, f64) =
            (sum(|_| 1.0), sum(|history| history.age), sum(|history| f64::from(history.repeats)));
        let oldest = histories.iter().map(|history| history.age).fold(0.0, f64::max);
        let (mean_age, mean_repeats) = (ages / customers, repeats / customers);
        Self {
            family,
            histories,
            covariates,
            counts,
            customers,
            penalty,
            oldest,
            stop,
            mean_age,
            mean_repeats,
        }
    }

    /// The same over about `count` histories, spread evenly; `None` where there are hardly more.
    pub fn sample(&self, count: usize) -> Option<Self> {
        let every = self.histories.len() / count;
        if every < 4 {
            return None;
        }
        let rows: Vec<usize> = (0..self.histories.len()).step_by(every).collect();
        let histories: Vec<History> = rows.iter().map(|row| self.histories[*row]).collect();
        let covariates = self.covariates.as_ref().map(|all| all.select(Axis(0), &rows));
        let sample = Self::over(self.family, Cow::Owned(histories), covariates, self.penalty, self.stop);
        (sample.mean_repeats > 0.0 && sample.mean_age > 0.0).then_some(sample)
    }

    /// The model.
    pub fn family(&self) -> Family {
        self.family
    }

    /// How many effects there are.
    pub fn effects(&self) -> usize {
        self.covariates.as_ref().map_or(0, |all| all.ncols() * self.family.links().len())
    }

    /// The value and its derivatives; `None` where it is time to stop. O(n), in parallel over chunks that
    /// are put together in order.
    pub fn at(&self, at: &[f64]) -> Option<Point> {
        if (self.stop)() {
            return None;
        }
        let mut p = [1.0; SLOTS];
        let count = self.family.parameters().len();
        p.iter_mut().zip(&at[..count]).for_each(|(parameter, log)| *parameter = libm::exp(*log));
        let mut point = match &self.covariates {
            Some(covariates) => self.with_covariates(&p, &at[count..], covariates),
            None => self.alike(&p),
        };
        self.penalise(at, &mut point);
        Some(point)
    }

    /// All customers have the same parameters.
    fn alike(&self, p: &[f64; SLOTS]) -> Point {
        let most = self.counts.last_key_value().map_or(0, |(most, _)| *most as usize);
        let longest = if self.family.is_discrete() { self.oldest as usize } else { most };
        let rises = Rises::tables(self.family, p, longest + 1);
        let chunk = |histories: &[History]| {
            let mut sum = Local::default();
            for history in histories {
                sum.add(&by_time(self.family, p, &rises, history), history.customers);
            }
            sum
        };
        let parts: Vec<Local> = self.histories.par_chunks(CHUNK).map(chunk).collect();
        let mut sum = Local::default();
        parts.iter().for_each(|part| sum.add(part, 1.0));
        for (repeats, customers) in &self.counts {
            sum.add(&by_count(self.family, p, &rises, *repeats), *customers);
        }
        let mut point = zero(self.family.parameters().len());
        add(&mut point, &sum.in_logs(p), -1.0);
        point
    }

    /// Customers with other covariates have other parameters.
    fn with_covariates(&self, p: &[f64; SLOTS], effects: &[f64], covariates: &Array2<f64>) -> Point {
        let size = self.family.parameters().len() + effects.len();
        let chunks: Vec<_> =
            self.histories.chunks(CHUNK).zip(covariates.axis_chunks_iter(Axis(0), CHUNK)).collect();
        let chunk = |(histories, rows): (&[History], ndarray::ArrayView2<'_, f64>)| {
            let mut point = zero(size);
            for (history, row) in histories.iter().zip(rows.axis_iter(Axis(0))) {
                self.add_customer(&mut point, p, effects, history, row);
            }
            point
        };
        let parts: Vec<Point> = chunks.into_par_iter().map(chunk).collect();
        let mut point = zero(size);
        for part in &parts {
            point.value += part.value;
            point.gradient.iter_mut().zip(&part.gradient).for_each(|(sum, part)| *sum += part);
            point.hessian.join(&part.hessian);
        }
        point
    }

    fn add_customer(
        &self,
        point: &mut Point,
        p: &[f64; SLOTS],
        effects: &[f64],
        history: &History,
        row: ArrayView1<'_, f64>,
    ) {
        let (mut own, links, width) = (*p, self.family.links(), row.len());
        for (link, effects) in links.iter().zip(effects.chunks(width)) {
            let shift: f64 = effects.iter().zip(&row).map(|(effect, value)| effect * value).sum();
            own[link.parameter] *= libm::exp(link.sign * shift);
        }
        let rises = Rises::direct(self.family, &own);
        let mut sum = by_time(self.family, &own, &rises, history);
        sum.add(&by_count(self.family, &own, &rises, history.repeats), 1.0);
        let sum = sum.in_logs(&own);
        // Which parameter each fitted number moves, and how far.
        let count = self.family.parameters().len();
        let of_links =
            links.iter().flat_map(|link| row.iter().map(|value| (link.parameter, link.sign * value)));
        let moves: Vec<(usize, f64)> = (0..count).map(|at| (at, 1.0)).chain(of_links).collect();
        point.value -= history.customers * sum.value;
        for (i, (one, far)) in moves.iter().enumerate() {
            point.gradient[i] -= history.customers * far * sum.slope[*one];
            for (j, (two, farther)) in moves.iter().enumerate() {
                point.hessian.add(i, j, -history.customers * far * farther * sum.curve[*one][*two]);
            }
        }
    }

    /// The size of parameters and effects that the penalty is on: times in units of the highest age.
    fn penalised(&self, at: &[f64], index: usize) -> f64 {
        let count = self.family.parameters().len();
        if index >= count {
            return at[index];
        }
        let size = libm::exp(at[index]);
        if self.family.in_time().contains(&index) { size / self.oldest } else { size }
    }

    /// The penalty at these logarithms and effects.
    pub fn penalty_at(&self, at: &[f64]) -> f64 {
        let squares: f64 = (0..at.len()).map(|index| self.penalised(at, index)).map(|size| size * size).sum();
        self.penalty * self.customers * squares
    }

    fn penalise(&self, at: &[f64], point: &mut Point) {
        if self.penalty <= 0.0 {
            return;
        }
        let (weight, count) = (self.penalty * self.customers, self.family.parameters().len());
        point.value += self.penalty_at(at);
        for index in 0..at.len() {
            let size = self.penalised(at, index);
            let (slope, curve) = if index < count { (size * size, 2.0 * size * size) } else { (size, 1.0) };
            point.gradient[index] += 2.0 * weight * slope;
            point.hessian.add(index, index, 2.0 * weight * curve);
        }
    }
}

/// Customers with equal histories put together; there are few different ones in discrete time.
fn grouped(histories: &[History]) -> Vec<History> {
    let mut groups: BTreeMap<(u32, u64, u64), f64> = BTreeMap::new();
    for history in histories {
        let key = (history.repeats, history.last as u64, history.age as u64);
        *groups.entry(key).or_default() += history.customers;
    }
    let one = |((repeats, last, age), customers)| History {
        repeats,
        last: last as f64,
        age: age as f64,
        customers,
    };
    groups.into_iter().map(one).collect()
}

fn zero(size: usize) -> Point {
    Point { value: 0.0, gradient: vec![0.0; size], hessian: Symmetric::zeros(size) }
}

fn add(point: &mut Point, local: &Local, weight: f64) {
    point.value += weight * local.value;
    let size = point.gradient.len();
    for i in 0..size {
        point.gradient[i] += weight * local.slope[i];
        for j in 0..size {
            point.hessian.add(i, j, weight * local.curve[i][j]);
        }
    }
}

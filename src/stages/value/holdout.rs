//! The last days of the history, on which models are judged that were fitted to the days before.
//!
//! Does not know how models are fitted.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray};

use rayon::prelude::*;

use super::Value;
use super::cohort::{Clock, Cohort, Known, shown};
use super::tried::Tried;
use crate::data::Table;
use crate::data::purchases::Purchases;
use crate::stage::Failure;

/// Customers with this many repeat purchases or more share a row of `calibration`.
const MOST: u32 = 7;

/// Tracking with covariates follows so many customers, spread evenly.
const FOLLOWED: usize = 200;

/// Customers before the holdout and what they did on it.
pub struct Holdout {
    /// Customers as of its start.
    pub before: Cohort,
    /// How long it is for each of them, in the unit of times.
    pub times: Vec<f64>,
    /// Their purchases on it; where opportunities count, those that they used.
    pub made: Vec<f64>,
}

/// How close a model was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Root of the mean squared error of a customer's purchases.
    pub rmse: f64,
    /// Mean absolute error of the same.
    pub mae: f64,
    /// Expected over made, less 1; `None` where none was made.
    pub bias: Option<f64>,
}

/// Splits the holdout off, where there is to be one.
///
/// # Errors
/// When the history is shorter than the holdout that is asked for.
pub fn split(stage: &Value, purchases: &Purchases, known: &Known, clock: Clock) -> Result<Option<Holdout>> {
    let first = purchases.first_day().unwrap_or(purchases.end);
    let days = purchases.end - first;
    let asked = stage.holdout_days.map(|days| i32::try_from(days).unwrap_or(i32::MAX));
    let horizon = i32::try_from(stage.horizon_days).unwrap_or(i32::MAX);
    let length = asked.unwrap_or_else(|| horizon.min(days / 2));
    if length == 0 {
        return Ok(None);
    }
    if length >= days {
        let message = format!(
            "the history is no longer than the holdout: {days} days from {} to {}, and `holdout_days` is {length}",
            shown(first),
            shown(purchases.end)
        );
        let hint = "choose fewer days, or 0 for no holdout";
        return Err(Failure::new(message).hint(hint).at("holdout_days").into());
    }
    let before = Cohort::new(purchases, known, clock, purchases.end - length);
    if asked.is_none() && before.histories.iter().all(|history| history.repeats == 0 || history.age <= 0.0) {
        return Ok(None);
    }
    let after = Cohort::new(purchases, known, clock, purchases.end);
    let mut later = after.members.iter().zip(&after.histories);
    let (mut times, mut made) = (Vec::new(), Vec::new());
    for (member, history) in before.members.iter().zip(&before.histories) {
        let Some((_, now)) = later.find(|(other, _)| *other == member) else { continue };
        made.push(f64::from(now.repeats - history.repeats));
        times.push(match clock {
            Clock::Weeks => before.time(length),
            // A customer who is gone renews nothing, however long one waits.
            Clock::Renewals(_) | Clock::Opportunities(_) => {
                let seen =
                    |end: i32| (f64::from(end - 1 - purchases.of(*member)[0].day) / clock.days()).floor();
                seen(purchases.end) - seen(before.end)
            }
        });
    }
    Ok(Some(Holdout { before, times, made }))
}

impl Holdout {
    /// How close expectations were.
    pub fn scores(&self, expected: &[f64]) -> Scores {
        let count = self.made.len() as f64;
        let sum = |of: fn(f64, f64) -> f64| -> f64 {
            expected.iter().zip(&self.made).map(|(expected, made)| of(*expected, *made)).sum()
        };
        let made = sum(|_, made| made);
        Scores {
            rmse: (sum(|expected, made| (expected - made) * (expected - made)) / count).sqrt(),
            mae: sum(|expected, made| (expected - made).abs()) / count,
            bias: (made > 0.0).then(|| sum(|expected, _| expected) / made - 1.0),
        }
    }

    /// What customers would do who went on at their past rate.
    pub fn past_rates(&self) -> Vec<f64> {
        let rate = |(history, time): (&crate::model::value::History, &f64)| {
            if history.age > 0.0 { f64::from(history.repeats) / history.age * time } else { 0.0 }
        };
        self.before.histories.iter().zip(&self.times).map(rate).collect()
    }
}

/// One row a model and number of repeat purchases: how many such customers there were, and what they bought on
/// the holdout and were expected to.
pub fn calibration(holdout: Option<&Holdout>, tried: &[Tried]) -> Result<Table> {
    let (mut models, mut bins) = (Vec::new(), Vec::new());
    let mut numbers: [Vec<f64>; 3] = Default::default();
    for one in tried {
        let (Some(holdout), Some(expected)) = (holdout, &one.expected) else { continue };
        let mut sums = [[0.0; 3]; MOST as usize + 1];
        for ((history, made), expected) in holdout.before.histories.iter().zip(&holdout.made).zip(expected) {
            let sum = &mut sums[history.repeats.min(MOST) as usize];
            sum.iter_mut().zip([1.0, *made, *expected]).for_each(|(sum, part)| *sum += part);
        }
        for (bin, [customers, made, expected]) in sums.into_iter().enumerate().filter(|(_, sum)| sum[0] > 0.0)
        {
            models.push(one.model.name());
            bins.push(if bin == MOST as usize { format!("{bin}+") } else { bin.to_string() });
            let row = [customers, made / customers, expected / customers];
            numbers.iter_mut().zip(row).for_each(|(column, number)| column.push(number));
        }
    }
    let [customers, made, expected] = numbers.map(|column| Arc::new(Float64Array::from(column)) as ArrayRef);
    Ok(Table::from_batch(RecordBatch::try_from_iter([
        ("model", Arc::new(StringArray::from_iter_values(models)) as ArrayRef),
        ("repeat_purchases", Arc::new(StringArray::from_iter_values(bins))),
        ("customers", customers),
        ("made", made),
        ("expected", expected),
    ])?))
}

/// Repeat purchases made and expected in a period.
struct Period {
    number: i32,
    day: Option<i32>,
    holdout: bool,
    made: f64,
    expected: f64,
}

/// One row a model and week (or opportunity): repeat purchases of customers won before the holdout, made and
/// expected of new customers by the models that were fitted before it.
pub fn tracking(
    purchases: &Purchases,
    everybody: &Cohort,
    holdout: Option<&Holdout>,
    tried: &[Tried],
) -> Result<Table> {
    let cohort = holdout.map_or(everybody, |holdout| &holdout.before);
    let mut rows: Vec<(&str, Period)> = Vec::new();
    for one in tried {
        let periods = match cohort.clock {
            Clock::Weeks => weeks(purchases, cohort, one),
            Clock::Opportunities(width) | Clock::Renewals(width) => {
                opportunities(purchases, cohort, one, width)
            }
        };
        rows.extend(periods.into_iter().map(|period| (one.model.name(), period)));
    }
    let running = |of: fn(&Period) -> f64| -> ArrayRef {
        let mut sum = 0.0;
        let total = rows.iter().map(|(_, period)| {
            sum = if period.number == 1 { 0.0 } else { sum } + of(period);
            sum
        });
        Arc::new(Float64Array::from_iter_values(total.collect::<Vec<_>>()))
    };
    let each = |of: fn(&Period) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|(_, period)| of(period))))
    };
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable([
        ("model", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef, false),
        ("period", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.1.number))), false),
        ("start", Arc::new(rows.iter().map(|row| row.1.day).collect::<Date32Array>()), true),
        ("holdout", Arc::new(rows.iter().map(|row| Some(row.1.holdout)).collect::<BooleanArray>()), false),
        ("made", each(|period| period.made), false),
        ("expected", each(|period| period.expected), false),
        ("made_total", running(|period| period.made), false),
        ("expected_total", running(|period| period.expected), false),
    ])?))
}

/// Expected repeat purchases of a new customer in the time after the first purchase; with covariates, the mean
/// over customers spread evenly.
fn expected_new(cohort: &Cohort, one: &Tried, time: f64) -> f64 {
    let fitted = one.before.as_ref().unwrap_or(&one.fitted);
    if cohort.covariates.ncols() == 0 {
        return fitted.expected_new(&[], time);
    }
    let every = cohort.members.len().div_ceil(FOLLOWED);
    let followed: Vec<usize> = (0..cohort.members.len()).step_by(every).collect();
    let sum: f64 = followed.iter().map(|at| fitted.expected_new(cohort.known(*at), time)).sum();
    sum / followed.len() as f64
}

/// [`expected_new`] after so many days; with covariates computed a week apart and drawn straight between.
fn curve(cohort: &Cohort, one: &Tried, days: usize) -> Vec<f64> {
    let step = if cohort.covariates.ncols() == 0 { 1 } else { 7 };
    let at = |day: usize| expected_new(cohort, one, cohort.time(day as i32));
    let known: Vec<f64> =
        (0..days.div_ceil(step) + 1).into_par_iter().map(|at_step| at(step * at_step)).collect();
    let between = |day: usize| {
        let (low, part) = (day / step, (day % step) as f64 / step as f64);
        known[low] + part * (known[low + 1] - known[low])
    };
    (0..days).map(between).collect()
}

/// Whole weeks from the first day that is known.
fn weeks(purchases: &Purchases, cohort: &Cohort, one: &Tried) -> Vec<Period> {
    let Some(first) = purchases.first_day() else { return Vec::new() };
    let days = (purchases.end - first).max(0) as usize;
    let curve = curve(cohort, one, days);
    let (mut starts, mut made) = (vec![0.0; days], vec![0.0; days]);
    for member in &cohort.members {
        let all = purchases.of(*member);
        starts[(all[0].day - first) as usize] += 1.0;
        all[1..].iter().for_each(|one| made[(one.day - first) as usize] += 1.0);
    }
    // What is expected by the end of the day before `day`.
    let by = |day: usize| -> f64 { (0..day).map(|start| starts[start] * curve[day - 1 - start]).sum() };
    let mut before = 0.0;
    let week = |number: usize| {
        let (from, to) = (7 * (number - 1), 7 * number);
        let total = by(to);
        let expected = total - before;
        before = total;
        let day = first + from as i32;
        Period {
            number: number as i32,
            day: Some(day),
            holdout: day + 7 > cohort.end,
            made: made[from..to].iter().sum(),
            expected,
        }
    };
    (1..=days / 7).map(week).collect()
}

/// Opportunities counted from each customer's first purchase, as far as they are known.
fn opportunities(purchases: &Purchases, cohort: &Cohort, one: &Tried, width: i32) -> Vec<Period> {
    let seen = |member: usize, end: i32| ((end - 1 - purchases.of(member)[0].day) / width) as usize;
    let most = cohort.members.iter().map(|member| seen(*member, purchases.end)).max().unwrap_or(0);
    let mut sums = vec![[0.0; 2]; most + 1];
    for member in &cohort.members {
        let (all, known) = (purchases.of(*member), seen(*member, purchases.end));
        sums[1..=known].iter_mut().for_each(|sum| sum[0] += 1.0);
        let mut used: Vec<usize> =
            all[1..].iter().map(|one| ((one.day - all[0].day + width - 1) / width) as usize).collect();
        used.dedup();
        if let Clock::Renewals(_) = cohort.clock {
            let renewed = used.iter().zip(1..).take_while(|(used, at)| **used == *at).count();
            used.truncate(renewed);
        }
        used.iter().filter(|at| **at <= known).for_each(|at| sums[*at][1] += 1.0);
    }
    let oldest = cohort.members.iter().map(|member| seen(*member, cohort.end)).max().unwrap_or(0);
    let mut before = 0.0;
    let period = |number: usize| {
        let now = expected_new(cohort, one, number as f64);
        let expected = sums[number][0] * (now - before);
        before = now;
        Period { number: number as i32, day: None, holdout: number > oldest, made: sums[number][1], expected }
    };
    (1..=most).map(period).collect()
}

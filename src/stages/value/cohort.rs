//! Customers as of a day, as models take them.
//!
//! Does not know which model will look at them.

use std::collections::BTreeMap;

use anyhow::Result;
use arrow::array::{Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use ndarray::Array2;
use rayon::prelude::*;

use super::Value;
use crate::data::columns::{self, Holds, Wanted};
use crate::data::dates;
use crate::data::purchases::{Purchase, Purchases};
use crate::diagnostic::{count, plural};
use crate::model::value::{Buyer, History};
use crate::stage::{Context, Failure, Outcome};

/// Days in a week.
const WEEK: f64 = 7.0;

/// How time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// In weeks, with fractions.
    Weeks,
    /// In opportunities of so many days from the first purchase, used or not.
    Opportunities(i32),
    /// The same, until the first one that isn't used.
    Renewals(i32),
}

impl Clock {
    /// Days in a unit.
    pub fn days(self) -> f64 {
        match self {
            Self::Weeks => WEEK,
            Self::Opportunities(width) | Self::Renewals(width) => f64::from(width),
        }
    }

    /// What repeat purchases before a day say of a customer; `None` where there is no purchase.
    pub fn history(self, purchases: &[Purchase], end: i32) -> Option<History> {
        let made = before(purchases, end);
        let first = made.first()?.day;
        let age = end - 1 - first;
        if self == Self::Weeks {
            let repeats = u32::try_from(made.len() - 1).unwrap_or(u32::MAX);
            let last = f64::from(made.last()?.day - first) / WEEK;
            return Some(History { repeats, last, age: f64::from(age) / WEEK, customers: 1.0 });
        }
        let used = self.used(made, first);
        let seen = (f64::from(age) / self.days()).floor();
        let used: Vec<i32> = used.into_iter().filter(|at| f64::from(*at) <= seen).collect();
        if let Self::Renewals(_) = self {
            let renewed = used.iter().zip(1..).take_while(|(used, at)| *used == at).count();
            let missed = (renewed as f64) < seen;
            let (repeats, last) = (u32::try_from(renewed).unwrap_or(u32::MAX), renewed as f64);
            return Some(History { repeats, last, age: last + f64::from(u8::from(missed)), customers: 1.0 });
        }
        let (repeats, last) =
            (u32::try_from(used.len()).unwrap_or(u32::MAX), used.last().copied().unwrap_or(0));
        Some(History { repeats, last: f64::from(last), age: seen, customers: 1.0 })
    }

    /// The opportunities at which a customer bought, from 1 on, each once.
    fn used(self, made: &[Purchase], first: i32) -> Vec<i32> {
        let width = self.days() as i32;
        let mut used: Vec<i32> = made[1..].iter().map(|one| (one.day - first + width - 1) / width).collect();
        used.dedup();
        used
    }
}

/// The purchases before a day.
fn before(purchases: &[Purchase], end: i32) -> &[Purchase] {
    &purchases[..purchases.partition_point(|one| one.day < end)]
}

/// Customers as of the start of a day.
pub struct Cohort {
    /// The day.
    pub end: i32,
    /// The unit of times.
    pub clock: Clock,
    /// Positions of the customers among all.
    pub members: Vec<usize>,
    /// When and how often they bought.
    pub histories: Vec<History>,
    /// Their repeat purchases: how many, and what they were worth on average.
    pub buyers: Vec<Buyer>,
    /// What else is known of them, shape `(n_customers, n_covariates)`, standardised.
    pub covariates: Array2<f64>,
}

impl Cohort {
    /// Customers whose first purchase lies before a day.
    pub fn new(purchases: &Purchases, covariates: &Known, clock: Clock, end: i32) -> Self {
        let one = |at: usize| {
            let all = purchases.of(at);
            Some((at, clock.history(all, end)?, buyer(before(all, end))))
        };
        let all: Vec<_> = (0..purchases.len()).into_par_iter().filter_map(one).collect();
        let members: Vec<usize> = all.iter().map(|one| one.0).collect();
        Self {
            end,
            clock,
            covariates: covariates.values.select(ndarray::Axis(0), &members),
            members,
            histories: all.iter().map(|one| one.1).collect(),
            buyers: all.iter().map(|one| one.2).collect(),
        }
    }

    /// The covariates of a customer.
    pub fn known(&self, at: usize) -> &[f64] {
        let width = self.covariates.ncols();
        self.covariates.as_slice().and_then(|all| all.get(at * width..(at + 1) * width)).unwrap_or_default()
    }

    /// A number of days in the unit of times.
    pub fn time(&self, days: i32) -> f64 {
        f64::from(days) / self.clock.days()
    }
}

/// Repeat purchases alone, as Gamma-Gamma takes them: the first one often differs.
fn buyer(made: &[Purchase]) -> Buyer {
    let repeats = made.get(1..).unwrap_or_default();
    let sum: f64 = repeats.iter().map(|one| one.amount).sum();
    let purchases = u32::try_from(repeats.len()).unwrap_or(u32::MAX);
    Buyer { purchases, mean: if repeats.is_empty() { 0.0 } else { sum / repeats.len() as f64 } }
}

/// What is known of customers besides their purchases.
pub struct Known {
    /// Shape `(n_customers, n_covariates)`: mean 0 and standard deviation 1 each, 0 where a value is missing.
    pub values: Array2<f64>,
    /// Values that are missing.
    missing: usize,
}

/// The covariates of all customers.
///
/// # Errors
/// When a column is missing or holds no numbers, or has one value for all.
pub fn covariates(stage: &Value, ctx: &Context<'_>, purchases: &Purchases) -> Result<Known> {
    let mut known = Known { values: Array2::zeros((purchases.len(), stage.covariates.len())), missing: 0 };
    if stage.covariates.is_empty() {
        return Ok(known);
    }
    let table = ctx.table("features")?;
    let keys: Vec<String> = (0..stage.covariates.len()).map(|at| format!("covariates.{at}")).collect();
    let wanted = keys.iter().zip(&stage.covariates).map(|(key, name)| Wanted::new(key, name, Holds::Numbers));
    columns::require(table.schema(), &wanted.collect::<Vec<_>>())?;
    let batch = table.to_batch()?;
    let ids = columns::strings(&batch, "customer_id")?;
    let rows: BTreeMap<&str, usize> =
        (0..ids.len()).filter(|row| ids.is_valid(*row)).map(|row| (ids.value(row), row)).collect();
    let customers: StringArray = cast(purchases.ids(), &DataType::Utf8)?.to_data().into();
    for (at, name) in stage.covariates.iter().enumerate() {
        let values = columns::float_vec(&batch, name)?;
        let of = |customer: usize| rows.get(customers.value(customer)).map_or(f64::NAN, |row| values[*row]);
        let column: Vec<f64> = (0..customers.len()).map(of).collect();
        let Some((mean, spread)) = spread(&column) else { return Err(constant(name, &keys[at]).into()) };
        for (row, value) in column.into_iter().enumerate() {
            known.missing += usize::from(!value.is_finite());
            known.values[[row, at]] = if value.is_finite() { (value - mean) / spread } else { 0.0 };
        }
    }
    Ok(known)
}

/// Mean and standard deviation of the finite values; `None` where they don't differ.
fn spread(values: &[f64]) -> Option<(f64, f64)> {
    let finite = values.iter().filter(|value| value.is_finite());
    let number = finite.clone().count() as f64;
    let mean = finite.clone().sum::<f64>() / number;
    let spread = (finite.map(|value| (value - mean) * (value - mean)).sum::<f64>() / number).sqrt();
    (spread > 0.0 && spread.is_finite()).then_some((mean, spread))
}

fn constant(name: &str, key: &str) -> Failure {
    Failure::new(format!("covariate `{name}` has no two different values"))
        .hint("take it out: what is the same for all customers tells nothing about any")
        .at(key)
}

/// Says what could not be used.
pub fn warned(mut outcome: Outcome, purchases: &Purchases, covariates: &Known) -> Outcome {
    let counts = &purchases.counts;
    for (number, what) in [
        (counts.without_id, "without a customer"),
        (counts.without_time, "without a time"),
        (counts.without_amount, "without an amount"),
    ] {
        if number > 0 {
            outcome = outcome.warn_at("input", format!("{} {what} left out", count(number, "row")));
        }
    }
    if covariates.missing > 0 {
        let missing = plural(covariates.missing, "missing value");
        outcome = outcome.warn_at("covariates", format!("{missing} of covariates taken for the mean"));
    }
    outcome
}

/// A day as people write it.
pub fn shown(day: i32) -> String {
    dates::show(i64::from(day) * dates::DAY)
}

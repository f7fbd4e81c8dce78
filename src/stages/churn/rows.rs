//! Customers as of a cutoff, as rows of numbers, and whether they stayed away after it.
//!
//! Does not know who learns from them.

use std::collections::HashSet;

use anyhow::Result;
use arrow::array::RecordBatch;
use ndarray::{Array2, Axis, concatenate};

use super::Churn;
use crate::data::features::{self, Columns, MAX_CATEGORIES, Request};
use crate::data::{Table, columns, dates};
use crate::diagnostic::{count, plural};
use crate::stage::{Context, Failure, Outcome};

/// What to do with data that says nothing about churn.
const LEAVE_OUT: &str = "churn needs several customers and more than two weeks of transactions: without them leave this stage out";

/// The column with the customer's id in a table of features.
pub const CUSTOMER: &str = "customer_id";

/// The transactions with the end of what counts.
pub struct History {
    table: Table,
    columns: Columns,
    last: i64,
    end: i64,
    horizon: i64,
}

/// Customers as of a cutoff.
pub struct Rows {
    /// One row a customer, sorted by id.
    pub features: RecordBatch,
    /// Who bought nothing within the horizon; empty where that isn't known yet.
    pub labels: Vec<bool>,
    cutoff: i64,
    horizon: i64,
}

impl History {
    /// Checks that two horizons, and something before them, lie before the end.
    pub fn new(table: Table, stage: &Churn) -> Result<Self> {
        let columns = Columns {
            customer: stage.customer.clone(),
            time: stage.time.clone(),
            amount: stage.amount.clone(),
            shares: stage.shares.clone(),
            flags: stage.flags.clone(),
        };
        let Some((first, last)) = features::span(&table, &columns)? else {
            let failure = Failure::new("there is no transaction with a time")
                .hint("look at what the stage behind `input` gives")
                .at("input");
            return Err(failure.into());
        };
        let given = stage.cutoff.as_ref().and_then(dates::day).map(|day| i64::from(day) * dates::DAY);
        let end = given.unwrap_or_else(|| (last.div_euclid(dates::DAY) + 1).saturating_mul(dates::DAY));
        let horizon = i64::from(stage.horizon_days) * dates::DAY;
        if end.saturating_sub(2 * horizon) <= first {
            return Err(too_short(first, end, stage).into());
        }
        Ok(Self { table, columns, last, end, horizon })
    }

    /// Customers as of so many horizons before the end, with what they did in the next horizon.
    pub fn labelled(&self, ctx: &Context<'_>, horizons: i64) -> Result<Rows> {
        let cutoff = self.end - horizons * self.horizon;
        let mut rows = self.rows(ctx, cutoff)?;
        let buyers = features::active(&self.table, &self.columns, cutoff, cutoff + self.horizon)?;
        let buyers = columns::strings(&buyers, CUSTOMER)?;
        let buyers: HashSet<&str> = buyers.iter().flatten().collect();
        let customers = columns::strings(&rows.features, CUSTOMER)?;
        rows.labels = customers.iter().map(|id| id.is_none_or(|id| !buyers.contains(id))).collect();
        if rows.labels.iter().all(|left| *left) || !rows.labels.iter().any(|left| *left) {
            return Err(one_class(&rows).into());
        }
        Ok(rows)
    }

    /// Everybody as of the end.
    pub fn everybody(&self, ctx: &Context<'_>) -> Result<Rows> {
        self.rows(ctx, self.end)
    }

    /// Says when the cutoff lies behind the transactions.
    pub fn warned(&self, outcome: Outcome) -> Outcome {
        if self.end - self.last <= 2 * dates::DAY {
            return outcome;
        }
        let message = format!(
            "the last transaction is of {}: whoever would have bought between that day and the cutoff \
             counts as staying away",
            dates::show(self.last)
        );
        outcome.warn_at("cutoff", message)
    }

    fn rows(&self, ctx: &Context<'_>, cutoff: i64) -> Result<Rows> {
        let alive = || ctx.alive();
        let request = Request { cutoff: Some(cutoff), max_categories: MAX_CATEGORIES, alive: &alive };
        let features = features::make(&self.table, &self.columns, &request)?.table;
        if features.num_rows() == 0 {
            let all = Request { cutoff: Some(self.end), max_categories: MAX_CATEGORIES, alive: &alive };
            if features::make(&self.table, &self.columns, &all)?.table.num_rows() == 0 {
                return Err(no_purchase(self.end).into());
            }
            let failure = Failure::new(format!("there is no purchase before {}", dates::show(cutoff)))
                .hint("choose fewer `horizon_days`: customers are learnt from two horizons before the end")
                .at("horizon_days");
            return Err(failure.into());
        }
        Ok(Rows { features, labels: Vec::new(), cutoff, horizon: self.horizon })
    }
}

impl Rows {
    /// The named features, shape `(n_customers, n_names)`: NaN for what is undefined, and 0 for a
    /// feature that nobody had by the cutoff, such as the share of a channel still to come.
    pub fn matrix(&self, names: &[String]) -> Result<Array2<f64>> {
        let mut x = Array2::zeros((self.features.num_rows(), names.len()));
        for (name, mut column) in names.iter().zip(x.axis_iter_mut(Axis(1))) {
            if self.features.column_by_name(name).is_some() {
                let values = columns::floats(&self.features, name)?;
                let values = values.iter().map(|value| value.unwrap_or(f64::NAN));
                column.iter_mut().zip(values).for_each(|(to, from)| *to = from);
            }
        }
        Ok(x)
    }
}

/// The features of either, in their order.
pub fn names(train: &Rows, holdout: &Rows) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for rows in [holdout, train] {
        for field in rows.features.schema_ref().fields() {
            if field.name() != CUSTOMER && !names.contains(field.name()) {
                names.push(field.name().clone());
            }
        }
    }
    names
}

/// The rows of both.
pub fn stacked(one: &Array2<f64>, two: &Array2<f64>) -> Result<Array2<f64>> {
    Ok(concatenate(Axis(0), &[one.view(), two.view()])?)
}

/// Nothing can be learnt from, nor judged by, customers who all did the same.
pub fn one_class(rows: &Rows) -> Failure {
    let all_left = rows.labels.first().copied().unwrap_or(true);
    let (did, hint) = if all_left {
        ("bought nothing", "choose more `horizon_days`, or an earlier `cutoff`")
    } else {
        ("bought again", "choose fewer `horizon_days`")
    };
    let (from, days) = (dates::show(rows.cutoff), rows.horizon / dates::DAY);
    let who = match rows.labels.len() {
        1 => "the only customer".to_owned(),
        many => format!("all {}", plural(many, "customer")),
    };
    let hint = if rows.labels.len() == 1 { LEAVE_OUT } else { hint };
    Failure::new(format!("{who} {did} in the {days} days from {from}")).hint(hint).at("horizon_days")
}

/// Refunds alone say nothing about who comes back.
fn no_purchase(end: i64) -> Failure {
    Failure::new(format!("there is no purchase before {}: no amount is above 0", dates::show(end)))
        .hint("look at the amounts that the stage behind `input` gives: are they refunds, or of the wrong sign?")
        .at("input")
}

fn too_short(first: i64, end: i64, stage: &Churn) -> Failure {
    let days = end.saturating_sub(first).max(0) / dates::DAY;
    let message = format!(
        "the history is shorter than two horizons: {} from {} to {}, and `horizon_days` is {}",
        count(days.unsigned_abs(), "day"),
        dates::show(first),
        dates::show(end),
        stage.horizon_days
    );
    let most = (days - 1) / 2;
    let hint =
        if most >= 7 { format!("choose at most {most} for `horizon_days`") } else { LEAVE_OUT.to_owned() };
    Failure::new(message).hint(hint).at("horizon_days")
}

//! Customers as of a cutoff, as rows of numbers, and whether they stayed away after it.
//!
//! Does not know who learns from them.

use anyhow::{Result, bail};
use arrow::array::{Array, Float64Array, RecordBatch, StringArray};
use ndarray::{Array2, Axis, concatenate};

use super::Churn;
use crate::data::features::{self, Columns};
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
    /// The day as of which they are, in microseconds.
    pub cutoff: i64,
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

    /// Customers as of two horizons before the end, as of one, and as of the end; the first two with
    /// what the customers did in the next horizon.
    pub fn rows(&self, ctx: &Context<'_>) -> Result<[Rows; 3]> {
        let cutoffs = [2, 1, 0].map(|horizons| self.end - horizons * self.horizon);
        let tables = features::at_each(&self.table, &self.columns, &cutoffs, &|| ctx.alive())?;
        let mut cutoffs = cutoffs.into_iter();
        let rows = tables.into_iter().zip(&mut cutoffs).map(|(features, cutoff)| Rows {
            features,
            labels: Vec::new(),
            cutoff,
            horizon: self.horizon,
        });
        let Ok([mut train, mut holdout, everybody]) = <[Rows; 3]>::try_from(rows.collect::<Vec<_>>()) else {
            bail!("features as of three cutoffs are three tables");
        };
        self.not_empty([&train, &holdout, &everybody])?;
        train.label(&holdout)?;
        holdout.label(&everybody)?;
        Ok([train, holdout, everybody])
    }

    /// There must be customers to learn from.
    fn not_empty(&self, [train, holdout, everybody]: [&Rows; 3]) -> Result<()> {
        if everybody.features.num_rows() == 0 {
            return Err(no_purchase(self.end).into());
        }
        let Some(empty) = [train, holdout].into_iter().find(|rows| rows.features.num_rows() == 0) else {
            return Ok(());
        };
        let failure = Failure::new(format!("there is no purchase before {}", dates::show(empty.cutoff)))
            .hint("choose fewer `horizon_days`: customers are learnt from two horizons before the end")
            .at("horizon_days");
        Err(failure.into())
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
}

impl Rows {
    /// Labels those who have not bought again by the cutoff of `later`. Both are sorted by id, and
    /// whoever had bought before one cutoff had so before a later one.
    fn label(&mut self, later: &Self) -> Result<()> {
        let (ids, later_ids) = (self.ids()?, later.ids()?);
        let (bought, bought_later) = (self.purchases()?, later.purchases()?);
        let mut rows = 0..later_ids.len();
        let left = |at: usize| {
            let found = rows.find(|row| later_ids.value(*row) == ids.value(at));
            found.is_none_or(|row| bought_later.value(row) <= bought.value(at))
        };
        self.labels = (0..ids.len()).map(left).collect();
        if self.labels.iter().all(|left| *left) || !self.labels.iter().any(|left| *left) {
            return Err(one_class(self).into());
        }
        Ok(())
    }

    fn ids(&self) -> Result<StringArray> {
        columns::strings(&self.features, CUSTOMER)
    }

    fn purchases(&self) -> Result<Float64Array> {
        columns::floats(&self.features, "frequency")
    }

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

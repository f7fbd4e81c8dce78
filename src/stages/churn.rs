//! The kind `churn`: how likely every customer is to stay away.
//!
//! Knows which past is learnt from and which one judges; features are `data::features`, classifiers
//! `model::predict`. Does not know what is done about those who leave.

mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use ndarray::Array2;
use rand::Rng;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use self::rows::{History, Rows};
use crate::data::columns::{self, Holds, Wanted};
use crate::data::features::Columns;
use crate::data::{Table, as_of, dates};
use crate::diagnostic::plural;
use crate::model::predict::reliability::reliability;
use crate::model::predict::scores::{Scores, scores};
use crate::model::predict::{self, Classifier, Method};
use crate::model::random::Streams;
use crate::stage::{Context, Failure, Layer, MetricName, Mistake, Need, Outcome, Port, Ref, Stage};

/// An area under the ROC curve from which a model tells customers apart.
const USEFUL: f64 = 0.55;

/// Below so many customers of the rarer kind scores are uncertain.
const FEW: usize = 30;

/// Parts of the range from 0 to 1 on the port `reliability`.
const BINS: usize = 10;

/// What is measured of the chosen model and of every model.
const MEASURES: [(&str, &str); 4] = [
    ("auc", "Area under the ROC curve of the chosen model: larger is better."),
    ("accuracy", "Share of customers whom the chosen model got right: larger is better."),
    ("brier", "Mean squared error of the chosen model's chances: smaller is better."),
    ("log_loss", "Mean logarithmic loss of the chosen model: smaller is better."),
];

/// How likely each customer is to buy nothing within the horizon
///
/// Customers as of two horizons before the end, and whether they bought within the horizon after
/// it, teach every model; customers as of one horizon before the end judge it on what it has not
/// seen. Of the models that tell customers apart there (AUC of 0.55 or more, where any does) the one
/// with the lowest log-loss is chosen, fitted again to both, and scores everybody as of the end. A
/// purchase is a row with an amount above zero. Bands: `low` below a third, `high` from two thirds,
/// `medium` between.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Churn {
    /// The transactions.
    pub input: Ref,
    /// A customer has churned who buys nothing for so many days.
    #[schemars(range(min = 7, max = 730))]
    pub horizon_days: u32,
    /// The models that compete.
    #[schemars(length(min = 1))]
    pub models: Vec<Model>,
    /// Customers are scored as of the start of this day, and nothing after it counts; the day after
    /// the last transaction when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub cutoff: Option<Datetime>,
    /// The column with the customer's id: integers or text.
    pub customer: String,
    /// The column with the date or timestamp.
    pub time: String,
    /// The column with the amount.
    pub amount: String,
    /// Columns whose values become shares of a customer's purchases.
    pub shares: Vec<String>,
    /// True/false columns that become a share of a customer's purchases.
    pub flags: Vec<String>,
}

/// A way to predict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Logistic regression: a weighted sum of the features.
    Logistic,
    /// Gradient boosted trees.
    Boosted,
}

impl Default for Churn {
    fn default() -> Self {
        let columns = Columns::default();
        Self {
            input: Ref::default(),
            horizon_days: 90,
            models: vec![Model::Logistic, Model::Boosted],
            cutoff: None,
            customer: columns.customer,
            time: columns.time,
            amount: columns.amount,
            shares: columns.shares,
            flags: columns.flags,
        }
    }
}

impl Stage for Churn {
    const KIND: &'static str = "churn";
    const VERSION: u32 = 4;
    const LAYER: Layer = Layer::Model;
    const SEEDED: bool = true;

    fn needs(&self) -> Vec<Need> {
        vec![Need::table("input", &self.input)]
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table("scores", "One row a customer: the chance that they stay away, and its band."),
            Port::table(
                "models",
                "One row a model: how good it was on the holdout, and which one was chosen.",
            ),
            Port::table(
                "importance",
                "One row a feature, the one that the chosen model rests on most first.",
            ),
            Port::table(
                "reliability",
                "What the chosen model predicted against what happened, in tenths of the range.",
            ),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        let mut metrics = MetricName::list([
            ("customers", "How many customers are scored."),
            ("train_rows", "Customers that models learnt from."),
            ("holdout_rows", "Customers that models were tried on."),
            ("base_rate", "Share of customers on the holdout who stayed away."),
        ]);
        for (name, doc) in MEASURES {
            metrics.push(MetricName::new(name, doc));
            let of = |model: &Model| {
                MetricName::new(format!("{name}.{}", model.name()), "The same of this model.")
            };
            metrics.extend(self.models.iter().map(of));
        }
        metrics
    }

    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.models.is_empty() {
            mistakes.push(
                Mistake::new("models", "there must be a model").hint("list `logistic`, `boosted` or both"),
            );
        }
        let mut seen = BTreeSet::new();
        for (at, model) in self.models.iter().enumerate().filter(|(_, model)| !seen.insert(**model)) {
            let message = format!("`{}` is listed twice", model.name());
            mistakes.push(Mistake::new(format!("models.{at}"), message).hint("take one of them out"));
        }
        if let Some(cutoff) = self.cutoff.as_ref().filter(|cutoff| dates::day(cutoff).is_none()) {
            let mistake = Mistake::new("cutoff", format!("`{cutoff}` is no date"));
            mistakes.push(mistake.hint("write a day, such as 2025-12-28"));
        }
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let table = ctx.table("input")?;
        columns::require(table.schema(), &self.needed())?;
        let history = History::new(table, self)?;
        let [train, holdout, everybody] = history.rows(ctx)?;
        let names = rows::names(&train, &holdout);
        let seed = Streams::new(ctx.seed, "churn models").of(0).next_u64();
        let tried = self.tried(ctx, &names, &train, &holdout, seed)?;
        let Some(best) = best(&tried) else { return Err(rows::one_class(&holdout).into()) };
        let x = rows::stacked(&train.matrix(&names)?, &holdout.matrix(&names)?)?;
        let labels = [train.labels.as_slice(), &holdout.labels].concat();
        let fitted = fit(best.model, &x, &labels, seed)?;
        ctx.alive()?;
        let chances = chances(&fitted, &everybody.matrix(&names)?)?;
        let summary =
            format!("{}: AUC {:.2}, Brier {:.2}", best.model.name(), best.scores.auc, best.scores.brier);
        let outcome = measured(Outcome::new(summary), &tried, best)
            .metric("customers", chances.len() as f64)
            .metric("train_rows", train.labels.len() as f64)
            .metric("holdout_rows", holdout.labels.len() as f64)
            .histogram("probability", &chances);
        let outcome = match rare(&holdout) {
            Some(warning) => outcome.warn_at("horizon_days", warning),
            None => outcome,
        };
        Ok(history
            .warned(outcome)
            .table("scores", as_of::noted(scores_table(&everybody, &chances)?, everybody.cutoff))
            .table("models", models_table(&tried, best)?)
            .table("importance", importance_table(&names, &fitted.importance())?)
            .table("reliability", reliability_table(&holdout.labels, &best.chances)?))
    }
}

impl Model {
    fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Boosted => "boosted",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Logistic => Method::Logistic,
            Self::Boosted => Method::Boosted,
        }
    }
}

/// A model with what it said about the holdout.
struct Tried {
    model: Model,
    chances: Vec<f64>,
    scores: Scores,
}

impl Churn {
    /// The columns that there must be, by parameter.
    fn needed(&self) -> [Wanted<'_>; 3] {
        [
            Wanted::new("customer", &self.customer, Holds::Anything),
            Wanted::new("time", &self.time, Holds::Moments),
            Wanted::new("amount", &self.amount, Holds::Numbers),
        ]
    }

    fn tried(
        &self,
        ctx: &Context<'_>,
        names: &[String],
        train: &Rows,
        holdout: &Rows,
        seed: u64,
    ) -> Result<Vec<Tried>> {
        let (x, new) = (train.matrix(names)?, holdout.matrix(names)?);
        let try_out = |model: &Model| -> Result<Tried> {
            ctx.alive()?;
            let fitted = fit(*model, &x, &train.labels, seed)?;
            let metric = format!("train_log_loss.{}", model.name());
            (1..).zip(fitted.losses()).for_each(|(step, loss)| ctx.step(&metric, step, *loss));
            let chances = chances(&fitted, &new)?;
            let scores = scores(&holdout.labels, &chances).ok_or_else(|| rows::one_class(holdout))?;
            Ok(Tried { model: *model, chances, scores })
        };
        let tried: Vec<Result<Tried>> = self.models.par_iter().map(try_out).collect();
        tried.into_iter().collect()
    }
}

/// The lowest log-loss among those that tell customers apart, else among all; of equals the one
/// listed first.
fn best(tried: &[Tried]) -> Option<&Tried> {
    let rank = |one: &Tried| (one.scores.auc < USEFUL, one.scores.log_loss);
    tried.iter().min_by(|one, two| {
        let (one, two) = (rank(one), rank(two));
        one.0.cmp(&two.0).then(one.1.total_cmp(&two.1))
    })
}

/// Where so few customers of the holdout stayed away, or came back, that scores are uncertain.
fn rare(holdout: &Rows) -> Option<String> {
    let left = holdout.labels.iter().filter(|left| **left).count();
    let stayed = holdout.labels.len() - left;
    let (few, what) = if left <= stayed { (left, "stayed away") } else { (stayed, "came back") };
    let of = plural(holdout.labels.len(), "customer");
    (few < FEW).then(|| {
        format!(
            "only {few} of {of} on the holdout {what}: scores of the models, and which is best, are uncertain"
        )
    })
}

fn fit(model: Model, x: &Array2<f64>, labels: &[bool], seed: u64) -> Result<Classifier> {
    let unfit = |why: predict::Unfit| {
        Failure::new(format!("`{}` can't be fitted: {why}", model.name()))
            .hint("look at the extremes of the amounts, or leave this model out of `models`")
            .at("models")
    };
    Ok(predict::fit(model.method(), x.view(), labels, seed).map_err(unfit)?)
}

fn chances(fitted: &Classifier, x: &Array2<f64>) -> Result<Vec<f64>> {
    let chances = fitted.probabilities(x.view());
    if chances.iter().any(|chance| !chance.is_finite()) {
        let failure = Failure::new("some amounts are too large or too small to compute with")
            .hint("check the amounts in the transactions")
            .at("input");
        return Err(failure.into());
    }
    Ok(chances)
}

/// Metrics of the chosen model under plain names and of every model with its name behind.
fn measured(outcome: Outcome, tried: &[Tried], best: &Tried) -> Outcome {
    let mut outcome = outcome.metric("base_rate", best.scores.base_rate);
    for one in tried {
        let scores = &one.scores;
        let values = [
            ("auc", scores.auc),
            ("accuracy", scores.accuracy),
            ("brier", scores.brier),
            ("log_loss", scores.log_loss),
        ];
        for (name, value) in values {
            outcome = outcome.metric(format!("{name}.{}", one.model.name()), value);
            if one.model == best.model {
                outcome = outcome.metric(name, value);
            }
        }
    }
    outcome
}

fn band(chance: f64) -> &'static str {
    match chance {
        chance if chance < 1.0 / 3.0 => "low",
        chance if chance < 2.0 / 3.0 => "medium",
        _ => "high",
    }
}

fn scores_table(everybody: &Rows, chances: &[f64]) -> Result<Table> {
    let batch = RecordBatch::try_from_iter([
        (rows::CUSTOMER, columns::column(&everybody.features, rows::CUSTOMER)?.clone()),
        ("probability", Arc::new(Float64Array::from(chances.to_vec())) as ArrayRef),
        ("band", Arc::new(StringArray::from_iter_values(chances.iter().map(|chance| band(*chance))))),
    ])?;
    Ok(Table::from_batch(batch))
}

fn models_table(tried: &[Tried], best: &Tried) -> Result<Table> {
    let column = |of: fn(&Scores) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(tried.iter().map(|one| of(&one.scores))))
    };
    let names = tried.iter().map(|one| one.model.name());
    let chosen = tried.iter().map(|one| Some(one.model == best.model));
    let batch = RecordBatch::try_from_iter([
        ("model", Arc::new(StringArray::from_iter_values(names)) as ArrayRef),
        ("auc", column(|scores| scores.auc)),
        ("accuracy", column(|scores| scores.accuracy)),
        ("brier", column(|scores| scores.brier)),
        ("log_loss", column(|scores| scores.log_loss)),
        ("chosen", Arc::new(chosen.collect::<BooleanArray>())),
    ])?;
    Ok(Table::from_batch(batch))
}

/// Features by descending importance, then by name.
fn importance_table(names: &[String], importance: &[f64]) -> Result<Table> {
    let mut rows: Vec<(&String, f64)> = names.iter().zip(importance.iter().copied()).collect();
    rows.sort_by(|one, two| two.1.total_cmp(&one.1).then_with(|| one.0.cmp(two.0)));
    let batch = RecordBatch::try_from_iter([
        ("feature", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef),
        ("importance", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.1)))),
    ])?;
    Ok(Table::from_batch(batch))
}

fn reliability_table(labels: &[bool], chances: &[f64]) -> Result<Table> {
    let bins = reliability(labels, chances, BINS);
    let numbers = bins.iter().map(|bin| i32::try_from(bin.number)).collect::<Result<Vec<_>, _>>()?;
    let rows = bins.iter().map(|bin| i64::try_from(bin.rows)).collect::<Result<Vec<_>, _>>()?;
    let batch = RecordBatch::try_from_iter([
        ("bin", Arc::new(Int32Array::from(numbers)) as ArrayRef),
        ("predicted", Arc::new(Float64Array::from_iter_values(bins.iter().map(|bin| bin.predicted)))),
        ("observed", Arc::new(Float64Array::from_iter_values(bins.iter().map(|bin| bin.observed)))),
        ("customers", Arc::new(Int64Array::from(rows))),
    ])?;
    Ok(Table::from_batch(batch))
}

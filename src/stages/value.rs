//! The kind `value`: what every customer is worth in the time ahead, and how sure that is.
//!
//! Knows which models compete, on which past they are judged and what is made of them; the models are
//! `model::value`, purchases `data::purchases`. Does not know what is done for valuable customers.

mod cohort;
mod holdout;
mod tables;
#[cfg(test)]
mod tests;
mod tried;
mod words;
mod worth;

use std::collections::BTreeSet;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use self::cohort::{Clock, Cohort};
use self::tried::Tried;
use crate::data::columns::{self, Holds, Wanted};
use crate::data::features::Columns;
use crate::data::purchases::Purchases;
use crate::data::{as_of, dates};
use crate::diagnostic::{grouped, plural};
use crate::model::value::Family;
use crate::stage::{Context, Failure, Layer, MetricName, Mistake, Need, Outcome, Port, Ref, Stage};

/// What is measured of the chosen model and of every model on the holdout.
const MEASURES: [(&str, &str); 3] = [
    (
        "holdout_rmse",
        "Root of the mean squared error of a customer's purchases on the holdout: smaller is better.",
    ),
    ("holdout_mae", "Mean absolute error of a customer's purchases on the holdout: smaller is better."),
    ("holdout_bias", "Expected purchases on the holdout over those made, less 1: closer to 0 is better."),
];

/// What customers are worth: purchases to come, spend, and how sure
///
/// Models of repeat purchases are fitted to how often, how lately and how long each customer has
/// bought; Gamma-Gamma says what a purchase to come is worth. One purchase counts a customer and
/// day; times run from a customer's first purchase to the last day that is known, in weeks. Without
/// `holdout_days = 0` every model is fitted to the time before a holdout, too, and judged on it. The
/// model with the lowest error there is chosen, of those that a likelihood ratio test holds better
/// than one in which nobody leaves (`nbd`); where there is none, `nbd` stands in and the port
/// `verdicts` says why.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Value {
    /// The transactions.
    pub input: Ref,
    /// The time ahead that purchases and value are for.
    #[schemars(range(min = 1, max = 3650))]
    pub horizon_days: u32,
    /// The models that compete. `bgbb` and `sbg` count opportunities and compete with nothing else.
    #[schemars(length(min = 1))]
    pub models: Vec<Model>,
    /// The last days, on which models are judged that were fitted to the days before: 0 for none; the
    /// horizon, but no more than half of the history, when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3650))]
    pub holdout_days: Option<u32>,
    /// By how much a year makes money worth less.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub discount: f64,
    /// The share of what customers spend that is gained.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub margin: f64,
    /// Draws parameters towards 0: times the sum of their squares, times in units of the longest one, added to
    /// the mean negative log-likelihood.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub penalty: f64,
    /// The days between two opportunities of `bgbb`, or two renewals of `sbg`, counted from the first purchase.
    #[schemars(range(min = 1, max = 3650))]
    pub opportunity_days: u32,
    /// A table with one row a customer whose columns may tell how often they buy and leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Ref>,
    /// Columns of `features`, numbers that do not change with a customer's purchases.
    pub covariates: Vec<String>,
    /// Customers are valued as of the start of this day, and nothing after it counts; the day after the last
    /// transaction when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub cutoff: Option<Datetime>,
    /// The column with the customer's id: integers or text.
    pub customer: String,
    /// The column with the date or timestamp.
    pub time: String,
    /// The column with the amount.
    pub amount: String,
}

/// A model of repeat purchases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Constant rates that differ between customers; nobody leaves.
    Nbd,
    /// BG/NBD: customers may leave after every repeat purchase.
    BgNbd,
    /// MBG/NBD: customers may leave after every purchase, the first one too.
    MbgNbd,
    /// Pareto/NBD: customers may leave at any time.
    ParetoNbd,
    /// BG/BB: customers buy at some opportunities, and may leave before each.
    BgBb,
    /// Shifted beta geometric: contracts that are renewed until they are not.
    Sbg,
}

impl Default for Value {
    fn default() -> Self {
        let columns = Columns::default();
        Self {
            input: Ref::default(),
            horizon_days: 365,
            models: vec![Model::BgNbd, Model::MbgNbd, Model::ParetoNbd],
            holdout_days: None,
            discount: 0.1,
            margin: 1.0,
            penalty: 0.0,
            opportunity_days: 30,
            features: None,
            covariates: Vec::new(),
            cutoff: None,
            customer: columns.customer,
            time: columns.time,
            amount: columns.amount,
        }
    }
}

impl Stage for Value {
    const KIND: &'static str = "value";
    const VERSION: u32 = 2;
    const LAYER: Layer = Layer::Model;

    fn needs(&self) -> Vec<Need> {
        let mut needs = vec![Need::table("input", &self.input)];
        needs.extend(self.features.as_ref().map(|from| Need::table("features", from)));
        needs
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table(
                "customers",
                "One row a customer: whether they are still one, what they will buy and are worth.",
            ),
            Port::table(
                "models",
                "One row a model: how well it fits, how it did on the holdout, and which one was chosen.",
            ),
            Port::table(
                "parameters",
                "One row a parameter of a model: its value, standard error and 95 % interval.",
            ),
            Port::table(
                "verdicts",
                "One row a check of a model: what the data can tell, and what they can't.",
            ),
            Port::table(
                "tracking",
                "One row a model and week: repeat purchases made and expected, each and in total.",
            ),
            Port::table(
                "calibration",
                "One row a model and number of repeat purchases: what such customers bought on the holdout.",
            ),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        let mut metrics = MetricName::list([
            ("customers", "How many customers are valued."),
            ("repeaters", "How many of them have bought again."),
            ("alive", "The mean chance of still being a customer."),
            ("expected_purchases", "Purchases expected of all customers in the time ahead."),
            ("value", "What all customers are worth in the time ahead."),
            ("value_low", "The lower end of its 95 % interval, for the uncertainty of the parameters."),
            ("value_high", "The upper end."),
            (
                "spend_correlation",
                "Correlation of how often and how much customers buy: the models suppose none.",
            ),
            ("log_likelihood", "Log-likelihood of the chosen model: larger is better."),
        ]);
        for (name, doc) in MEASURES {
            metrics.push(MetricName::new(name, doc));
            let of = |model: &Model| {
                MetricName::new(format!("{name}.{}", model.name()), "The same of this model.")
            };
            metrics.extend(Model::ALL.iter().map(of));
        }
        let of = |model: &Model| {
            MetricName::new(format!("log_likelihood.{}", model.name()), "The same of this model.")
        };
        metrics.extend(Model::ALL.iter().map(of));
        metrics
    }

    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.models.is_empty() {
            mistakes.push(Mistake::new("models", "there must be a model").hint("list `bgnbd`, say"));
        }
        let mut seen = BTreeSet::new();
        for (at, model) in self.models.iter().enumerate() {
            if !seen.insert(*model) {
                let message = format!("`{}` is listed twice", model.name());
                mistakes.push(Mistake::new(format!("models.{at}"), message).hint("take one of them out"));
            } else if model.family().is_discrete() && self.models.len() > 1 {
                let message =
                    format!("`{}` counts opportunities and can't compete with other models", model.name());
                let hint = "list it alone, in a stage of its own";
                mistakes.push(Mistake::new(format!("models.{at}"), message).hint(hint));
            }
        }
        if let Some(cutoff) = self.cutoff.as_ref().filter(|cutoff| dates::day(cutoff).is_none()) {
            let mistake = Mistake::new("cutoff", format!("`{cutoff}` is no date"));
            mistakes.push(mistake.hint("write a day, such as 2025-12-28"));
        }
        if !self.covariates.is_empty() && self.features.is_none() {
            let mistake =
                Mistake::new("covariates", "there is no table of `features` to take covariates from");
            mistakes.push(mistake.hint("name the stage that gives it with `features`"));
        }
        if self.features.is_some() && self.covariates.is_empty() {
            let mistake = Mistake::new("features", "no column of `features` is used");
            mistakes.push(mistake.hint("list columns with `covariates`, or take `features` out"));
        }
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let table = ctx.table("input")?;
        columns::require(table.schema(), &self.needed())?;
        let names = Columns { shares: Vec::new(), flags: Vec::new(), ..self.columns() };
        let end = self.cutoff.as_ref().and_then(dates::day);
        let purchases = Purchases::read(&table, &names, end, &|| ctx.alive())?;
        if purchases.is_empty() {
            return Err(no_purchase(end).into());
        }
        ctx.progress(0.2, "fitting")?;
        let clock = self.clock();
        let covariates = cohort::covariates(self, ctx, &purchases)?;
        let everybody = Cohort::new(&purchases, &covariates, clock, purchases.end);
        let judged = holdout::split(self, &purchases, &covariates, clock)?;
        let tried = tried::all(self, ctx, &everybody, judged.as_ref())?;
        let best = tried::best(&tried);
        ctx.progress(0.7, "valuing")?;
        let worth = worth::value(self, ctx, &everybody, &tried[best])?;
        let outcome = self.outcome(&everybody, &tried, best, &worth);
        let outcome = words::warned(outcome, self, &tried, best, &worth);
        let outcome = cohort::warned(outcome, &purchases, &covariates);
        let customers = tables::customers(purchases.ids(), &everybody, &worth)?;
        let known = i64::from(purchases.end) * dates::DAY;
        Ok(outcome
            .table("customers", as_of::noted(customers, known))
            .table("models", tables::models(self, &tried, best, judged.as_ref(), &worth)?)
            .table("parameters", tables::parameters(self, &tried, &worth)?)
            .table("verdicts", tables::verdicts(&tried, &worth)?)
            .table("tracking", holdout::tracking(&purchases, &everybody, judged.as_ref(), &tried)?)
            .table("calibration", holdout::calibration(judged.as_ref(), &tried)?))
    }
}

impl Model {
    const ALL: [Self; 6] = [Self::Nbd, Self::BgNbd, Self::MbgNbd, Self::ParetoNbd, Self::BgBb, Self::Sbg];

    fn name(self) -> &'static str {
        match self {
            Self::Nbd => "nbd",
            Self::BgNbd => "bgnbd",
            Self::MbgNbd => "mbgnbd",
            Self::ParetoNbd => "paretonbd",
            Self::BgBb => "bgbb",
            Self::Sbg => "sbg",
        }
    }

    fn family(self) -> Family {
        match self {
            Self::Nbd => Family::Nbd,
            Self::BgNbd => Family::BetaGeometric,
            Self::MbgNbd => Family::ModifiedBetaGeometric,
            Self::ParetoNbd => Family::Pareto,
            Self::BgBb => Family::BetaBinomial,
            Self::Sbg => Family::ShiftedGeometric,
        }
    }
}

impl Value {
    /// The columns that there must be, by parameter.
    fn needed(&self) -> [Wanted<'_>; 3] {
        [
            Wanted::new("customer", &self.customer, Holds::Anything),
            Wanted::new("time", &self.time, Holds::Moments),
            Wanted::new("amount", &self.amount, Holds::Numbers),
        ]
    }

    fn columns(&self) -> Columns {
        Columns {
            customer: self.customer.clone(),
            time: self.time.clone(),
            amount: self.amount.clone(),
            ..Columns::default()
        }
    }

    /// The models that are fitted: those that compete, and `nbd` to hold them against.
    fn all_models(&self) -> Vec<Model> {
        let mut all = self.models.clone();
        let discrete = all.iter().any(|model| model.family().is_discrete());
        if !discrete && !all.contains(&Model::Nbd) {
            all.push(Model::Nbd);
        }
        all
    }

    /// How time is counted.
    fn clock(&self) -> Clock {
        let width = i32::try_from(self.opportunity_days).unwrap_or(i32::MAX);
        match self.models.first() {
            Some(Model::BgBb) => Clock::Opportunities(width),
            Some(Model::Sbg) => Clock::Renewals(width),
            _ => Clock::Weeks,
        }
    }

    fn outcome(&self, everybody: &Cohort, tried: &[Tried], best: usize, worth: &worth::Worth) -> Outcome {
        let chosen = &tried[best];
        let customers = everybody.histories.len();
        let summary = format!(
            "{}: {}, {:.0} % still there, worth {}",
            chosen.model.name(),
            plural(customers, "customer"),
            100.0 * worth.alive,
            grouped(format!("{:.0}", worth.total.value))
        );
        let repeaters = everybody.histories.iter().filter(|history| history.repeats > 0).count();
        let mut outcome = Outcome::new(summary)
            .metric("customers", customers as f64)
            .metric("repeaters", repeaters as f64)
            .metric("alive", worth.alive)
            .metric("expected_purchases", worth.purchases)
            .metric("value", worth.total.value)
            .metric("value_low", worth.total.interval.map_or(f64::NAN, |interval| interval.0))
            .metric("value_high", worth.total.interval.map_or(f64::NAN, |interval| interval.1))
            .metric("spend_correlation", worth.spending.correlation.unwrap_or(f64::NAN));
        for (at, one) in tried.iter().enumerate() {
            let mut measures = vec![("log_likelihood", one.fitted.log_likelihood)];
            if let Some(scores) = &one.scores {
                measures.extend([
                    ("holdout_rmse", scores.rmse),
                    ("holdout_mae", scores.mae),
                    ("holdout_bias", scores.bias.unwrap_or(f64::NAN)),
                ]);
            }
            for (name, value) in measures {
                outcome = outcome.metric(format!("{name}.{}", one.model.name()), value);
                if at == best {
                    outcome = outcome.metric(name, value);
                }
            }
        }
        outcome
    }
}

/// Refunds alone say nothing about who comes back.
fn no_purchase(end: Option<i32>) -> Failure {
    let before =
        end.map_or_else(String::new, |end| format!(" before {}", dates::show(i64::from(end) * dates::DAY)));
    Failure::new(format!("there is no purchase{before}"))
        .hint("look at the amounts and days that the stage behind `input` gives")
        .at(if end.is_some() { "cutoff" } else { "input" })
}

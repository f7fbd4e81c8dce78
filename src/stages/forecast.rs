//! The kind `forecast`: weekly series continued, with intervals, and judged on their own past.
//!
//! Knows what methods are called; the methods and their back-test are `model::forecast`. Does not
//! know what the series are of.

#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::words::{first_three, stand_in, tested_otherwise, verdict};
use crate::data::Table;
use crate::data::columns::{self, Holds, Wanted};
use crate::data::series::{self, Member, Panel, TOTAL};
use crate::diagnostic::plural;
use crate::model::forecast::backtest::Plan;
use crate::model::forecast::contest::{Against, Contest, Entrant, Entry, contest};
use crate::model::forecast::ensemble::Way;
use crate::model::forecast::{Method, Series as Weekly};
use crate::stage::{Context, Failure, Layer, MetricName, Mistake, Need, Outcome, Port, Ref, Stage};

/// What is measured of the best method and of every method.
const MEASURES: [(&str, &str); 6] = [
    ("wape", "Sum of errors over the sum of values, of the best method: smaller is better."),
    ("rmse", "Root of the mean squared error of the best method: smaller is better."),
    ("mae", "Mean absolute error of the best method: smaller is better."),
    ("mase", "Mean absolute error against that of the naive forecast: smaller is better."),
    (
        "skill",
        "The part of the seasonal naive forecast's mean absolute error that the best method does without: larger is better.",
    ),
    (
        "coverage",
        "Share of weeks that lay in the interval that would have been given for them: `level` is best.",
    ),
];

/// Forecasts weekly series with intervals; back-tests every method
///
/// All methods are judged on the same past: in each fold they see what was known a horizon (or two,
/// three, ...) before the end and forecast the weeks after it. The method with the lowest mean
/// absolute error is the best one, for each series (`best` in the forecasts) and overall. Overall
/// means the series `all` where there is one, else all series pooled. Intervals come from the
/// errors in the back-test (split conformal): those of a week from errors of single weeks, those of
/// a total of weeks from errors of such totals. Ridge learns from all series together, so that
/// other segments change the forecast of the whole, too. A series with fewer than four weeks of
/// anything gets no forecast.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Forecast {
    /// Weekly series: a table with `series`, `period` and the target.
    pub input: Ref,
    /// The methods that compete.
    #[schemars(length(min = 1))]
    pub models: Vec<Model>,
    /// Weeks to forecast.
    #[schemars(range(min = 1, max = 260))]
    pub horizon: usize,
    /// How many times, at most, the past is forecast to judge the methods, a horizon apart.
    #[schemars(range(min = 1, max = 50))]
    pub folds: usize,
    /// How likely the interval is to hold what comes.
    #[schemars(range(min = 0.5, max = 0.999))]
    pub level: f64,
    /// The season's length in weeks.
    #[schemars(range(min = 1, max = 520))]
    pub season: usize,
    /// The column to forecast.
    pub target: String,
}

/// A way to forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// The last value stays.
    Naive,
    /// What was seen a season ago.
    SeasonalNaive,
    /// The line through the first and the last value goes on.
    Drift,
    /// The mean of the last four values.
    MovingAverage,
    /// Exponential smoothing; error, trend and season of the form with the smallest corrected Akaike criterion. A season of more than
    /// 24 weeks is left out.
    Ets,
    /// The theta method: the season that shows taken off, then smoothing and half of the long-run line.
    Theta,
    /// The same with the share of the line that suited the past best.
    OptimisedTheta,
    /// A trend whose slope changes now and then, and a year of sines and cosines added to it: the most probable parameters under Prophet's
    /// priors. The year is left out of histories of less than two.
    Prophet,
    /// The same with a year that multiplies the trend.
    ProphetMultiplicative,
    /// Croston's, for series that are 0 most of the time: smoothed amounts over smoothed gaps.
    Croston,
    /// That of Teunter, Syntetos and Babai: the same, but what has gone out of use fades.
    Tsb,
    /// One regression on past weeks and the calendar for all series.
    Ridge,
    /// The mean of all other models.
    EnsembleMean,
    /// The median of all other models.
    EnsembleMedian,
    /// A mean of all other models in which the one with smaller errors so far weighs more.
    EnsembleWeighted,
}

/// Weeks with another value than 0 that a series must have: from fewer, nothing can be told of what
/// comes, nor how far it may be off.
const LEAST: usize = 4;

impl Default for Forecast {
    fn default() -> Self {
        Self {
            input: Ref::default(),
            models: vec![Model::SeasonalNaive, Model::Ridge],
            horizon: 12,
            folds: 5,
            level: 0.9,
            season: 52,
            target: "revenue".to_owned(),
        }
    }
}

impl Stage for Forecast {
    const KIND: &'static str = "forecast";
    const VERSION: u32 = 4;
    const LAYER: Layer = Layer::Model;

    fn needs(&self) -> Vec<Need> {
        vec![Need::table("input", &self.input)]
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table(
                "forecast",
                "One row a series, model and week to come: mean and the ends of its interval, and the same of the total up to that week.",
            ),
            Port::table(
                "backtest",
                "One row for each week of the past that was forecast: what was predicted and what came.",
            ),
            Port::table("scores", "One row a model and series: its errors in the back-test."),
            Port::table(
                "horizons",
                "One row a model, series and number of weeks ahead: the same errors of those weeks.",
            ),
            Port::table(
                "comparison",
                "One row for each other model: whether it errs more than the best one, or no more than by chance (Diebold and Mariano).",
            ),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        let mut metrics = MetricName::list([("folds", "How many times the past was forecast.")]);
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
                Mistake::new("models", "there must be a model")
                    .hint("list at least one: `seasonal_naive`, `ets`, `theta`, `ridge`, ..."),
            );
        }
        let mut seen = BTreeSet::new();
        for (at, model) in self.models.iter().enumerate().filter(|(_, model)| !seen.insert(**model)) {
            let message = format!("`{}` is listed twice", model.name());
            mistakes.push(Mistake::new(format!("models.{at}"), message).hint("take one of them out"));
        }
        let alone = self.models.iter().filter(|model| !model.is_ensemble()).count();
        if let Some(at) = self.models.iter().position(|model| model.is_ensemble() && alone < 2) {
            let message = "an ensemble is made of at least two other models";
            mistakes.push(
                Mistake::new(format!("models.{at}"), message)
                    .hint("list the models that it is to be made of, too"),
            );
        }
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let (panel, scarce) = self.panel(&ctx.table("input")?)?.part(|series| weeks(series) >= LEAST);
        ctx.alive()?;
        let total = panel.names.iter().any(|name| name == TOTAL);
        let pooled: Vec<bool> = panel.names.iter().map(|name| !total || name == TOTAL).collect();
        let entrants: Vec<Entrant> = self.models.iter().map(|model| model.entrant()).collect();
        let found = contest(&entrants, &panel.series, &pooled, &self.plan(), self.level);
        let named = self.models.iter().zip(&found.entries);
        let members: Vec<_> = named.map(|(model, entry)| Member { model: model.name(), entry }).collect();
        let outcome = measured(Outcome::new(self.summary(&panel, &found)), &members, found.overall);
        let outcome =
            if scarce.names.is_empty() { outcome } else { outcome.warn_at("input", self.too_few(&scarce)) };
        let outcome = if panel.names.is_empty() { outcome } else { self.warned(outcome, &panel, &found) };
        Ok(outcome
            .table("forecast", series::forecast_table(&panel, &members, &found.best)?)
            .table("backtest", series::backtest_table(&panel, &members)?)
            .table("scores", series::scores_table(&panel, &members)?)
            .table("horizons", series::horizons_table(&panel, &members)?)
            .table("comparison", self.comparison(&members, &found)?))
    }
}

impl Model {
    fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::SeasonalNaive => "seasonal_naive",
            Self::Drift => "drift",
            Self::MovingAverage => "moving_average",
            Self::Ets => "ets",
            Self::Theta => "theta",
            Self::OptimisedTheta => "optimised_theta",
            Self::Prophet => "prophet",
            Self::ProphetMultiplicative => "prophet_multiplicative",
            Self::Croston => "croston",
            Self::Tsb => "tsb",
            Self::Ridge => "ridge",
            Self::EnsembleMean => "ensemble_mean",
            Self::EnsembleMedian => "ensemble_median",
            Self::EnsembleWeighted => "ensemble_weighted",
        }
    }

    fn entrant(self) -> Entrant {
        match self {
            Self::Naive => Entrant::Method(Method::Naive),
            Self::SeasonalNaive => Entrant::Method(Method::SeasonalNaive),
            Self::Drift => Entrant::Method(Method::Drift),
            Self::MovingAverage => Entrant::Method(Method::MovingAverage),
            Self::Ets => Entrant::Method(Method::Ets),
            Self::Theta => Entrant::Method(Method::Theta),
            Self::OptimisedTheta => Entrant::Method(Method::OptimisedTheta),
            Self::Prophet => Entrant::Method(Method::Prophet),
            Self::ProphetMultiplicative => Entrant::Method(Method::ProphetMultiplicative),
            Self::Croston => Entrant::Method(Method::Croston),
            Self::Tsb => Entrant::Method(Method::Tsb),
            Self::Ridge => Entrant::Method(Method::Ridge),
            Self::EnsembleMean => Entrant::Ensemble(Way::Mean),
            Self::EnsembleMedian => Entrant::Ensemble(Way::Median),
            Self::EnsembleWeighted => Entrant::Ensemble(Way::Weighted),
        }
    }

    fn is_ensemble(self) -> bool {
        matches!(self.entrant(), Entrant::Ensemble(_))
    }
}

impl Forecast {
    fn plan(&self) -> Plan {
        Plan {
            horizon: self.horizon,
            folds: self.folds,
            step: self.horizon,
            min_training: None,
            season: self.season,
        }
    }

    fn panel(&self, table: &Table) -> Result<Panel> {
        let own = ["series", "period"];
        if let Some(absent) = own.iter().find(|name| !table.has(name)) {
            let failure = Failure::new(format!("there is no column `{absent}`"))
                .hint("a forecast is made from what a `series` stage gives, or a table like it");
            return Err(failure.at("input").into());
        }
        let target = Wanted::new("target", &self.target, Holds::Numbers);
        let own = own.map(|name| Wanted::new("input", name, Holds::Anything));
        columns::require(table.schema(), &[&[target], &own[..]].concat())?;
        let panel = series::panel(table, &self.target)?;
        if panel.series.is_empty() {
            let failure = Failure::new("there is no series to forecast")
                .hint("the input has no rows: look at the stage that makes the series")
                .at("input");
            return Err(failure.into());
        }
        Ok(panel)
    }

    fn comparison(&self, members: &[Member<'_>], found: &Contest) -> Result<Table> {
        let best = members.get(found.overall).map_or("", |member| member.model);
        let own = members.get(found.overall).and_then(|member| member.entry.pooled).map(|scores| scores.mae);
        let verdict =
            |(member, against): (&Member<'_>, &Option<Against>)| match (against, own, member.entry.pooled) {
                (Some(against), Some(own), Some(scores)) => {
                    verdict(member.model, best, (scores.mae, own), against)
                }
                _ => String::new(),
            };
        let verdicts: Vec<String> = members.iter().zip(&found.against).map(verdict).collect();
        series::comparison_table(members, best, &found.against, &verdicts)
    }

    fn summary(&self, panel: &Panel, found: &Contest) -> String {
        let best = self.models.get(found.overall).map_or("", |model| model.name());
        let entry = found.entries.get(found.overall);
        let folds = entry.map_or(0, |entry| entry.backtest.folds);
        let scores = entry.and_then(|entry| entry.pooled);
        let weeks = plural(folds, "fold");
        if panel.names.is_empty() {
            return "no forecast: too little history".to_owned();
        }
        match scores.map(|scores| (scores.wape, scores.mae)) {
            Some((Some(wape), _)) if wape.is_finite() => {
                format!("{best} best: WAPE {:.1} % over {weeks}", 100.0 * wape)
            }
            Some((None, mae)) if mae.is_finite() => format!("{best} best: MAE {mae:.2} over {weeks}"),
            Some(_) => format!("{best}: its errors over {weeks} are too large to compute"),
            None => {
                let ahead = plural(self.horizon, "week");
                format!("{} series, {ahead} ahead by {best}, no back-test", panel.names.len())
            }
        }
    }

    /// Which series have no forecast, and why.
    fn too_few(&self, scarce: &Panel) -> String {
        let names: Vec<&str> = scarce.names.iter().map(String::as_str).collect();
        let (get, which) = if names.len() == 1 { ("gets", "it has") } else { ("get", "they have") };
        let than = format!("fewer than {LEAST} weeks with any `{}`", self.target);
        format!("{} {get} no forecast: {which} {than}", first_three(&names))
    }

    fn warned(&self, mut outcome: Outcome, panel: &Panel, found: &Contest) -> Outcome {
        let folds = found.entries.first().map_or(0, |entry| entry.backtest.folds);
        if folds < self.folds {
            let longest = panel.series.iter().map(|series| series.values.len()).max().unwrap_or(0);
            let allow = if longest == 1 { "allows" } else { "allow" };
            let (history, asked) = (plural(longest, "week"), plural(self.folds, "fold"));
            let each = plural(self.horizon, "week");
            let message = format!("{history} of history {allow} {folds} of {asked} of {each}");
            outcome = outcome.warn_at("folds", message);
        }
        if panel.filled > 0 {
            let (have, counts) = if panel.filled == 1 { ("has", "counts") } else { ("have", "count") };
            let weeks = plural(panel.filled, "week");
            let message = format!("{weeks} {have} no value of `{}` and {counts} as 0", self.target);
            outcome = outcome.warn_at("input", message);
        }
        for (model, entry) in self.models.iter().zip(&found.entries) {
            let short = short(panel, entry);
            if !short.is_empty() {
                outcome = outcome.warn_at("models", stand_in(*model, &short));
            } else if entry.backtest.fallbacks > 0 {
                outcome = outcome.warn_at("models", tested_otherwise(*model, entry.backtest.fallbacks));
            }
        }
        outcome
    }
}

/// Metrics of the best model under plain names and of every model with its name behind.
fn measured(mut outcome: Outcome, members: &[Member<'_>], overall: usize) -> Outcome {
    let folds = members.get(overall).map_or(0, |member| member.entry.backtest.folds);
    outcome = outcome.metric("folds", folds as f64);
    for (at, member) in members.iter().enumerate() {
        let Some(scores) = member.entry.pooled else { continue };
        let (wape, mase) = (scores.wape.unwrap_or(f64::NAN), scores.mase.unwrap_or(f64::NAN));
        let skill = member.entry.pooled_skill.unwrap_or(f64::NAN);
        let coverage = scores.coverage.unwrap_or(f64::NAN);
        let values = [
            ("wape", wape),
            ("rmse", scores.rmse),
            ("mae", scores.mae),
            ("mase", mase),
            ("skill", skill),
            ("coverage", coverage),
        ];
        for (name, value) in values {
            outcome = outcome.metric(format!("{name}.{}", member.model), value);
            if at == overall {
                outcome = outcome.metric(name, value);
            }
        }
    }
    outcome
}

/// The series that are too short for a method.
fn short<'a>(panel: &'a Panel, entry: &Entry) -> Vec<&'a str> {
    let outlooks = panel.names.iter().zip(&entry.outlooks);
    outlooks.filter(|(_, outlook)| outlook.path.fallback).map(|(name, _)| name.as_str()).collect()
}

/// Weeks with another value than 0.
fn weeks(series: &Weekly) -> usize {
    series.values.iter().filter(|value| **value != 0.0).count()
}

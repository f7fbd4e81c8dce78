//! The kind `report`: one HTML page from the tables of a pipeline.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::present::report::{self, Inputs, Options, Section};
use crate::stage::{Context, Failure, Layer, Mistake, Need, Outcome, Port, PortType, Ref, Stage};

/// Writes one self-contained HTML page: tables, charts, and what they say in words.
///
/// Every input is optional; a section without its tables is left out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// The report's title.
    pub title: String,
    /// The currency's symbol, such as `€`; empty when amounts have none.
    pub currency: String,
    /// The sections in order; all of them when none is named.
    pub sections: Vec<Section>,
    /// The findings of a check: `quality.findings`.
    pub quality: Option<Ref>,
    /// The features, one row a customer.
    pub features: Option<Ref>,
    /// Measures by number of segments: `segments.selection`.
    pub selection: Option<Ref>,
    /// The segment of each customer.
    pub segments: Option<Ref>,
    /// The profile, one row a segment.
    pub profile: Option<Ref>,
    /// How segments differ: `profile.differences`.
    pub differences: Option<Ref>,
    /// Revenue by segment and week.
    pub series: Option<Ref>,
    /// Expected revenue by segment and week.
    pub forecast: Option<Ref>,
    /// Predictions of weeks that are known: `forecast.backtest`.
    pub backtest: Option<Ref>,
    /// Errors of the forecast models: `forecast.scores`.
    pub scores: Option<Ref>,
    /// The probability of churn of each customer.
    pub churn: Option<Ref>,
    /// Scores of the churn models: `churn.models`.
    pub churn_models: Option<Ref>,
    /// Importance of features for churn: `churn.importance`.
    pub importance: Option<Ref>,
    /// Predicted against observed churn: `churn.reliability`.
    pub reliability: Option<Ref>,
    /// The variants of a sweep: `sweep`.
    pub leaderboard: Option<Ref>,
    /// Further charts.
    pub charts: Vec<Ref>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            title: "Customer report".to_owned(),
            currency: String::new(),
            sections: Vec::new(),
            quality: None,
            features: None,
            selection: None,
            segments: None,
            profile: None,
            differences: None,
            series: None,
            forecast: None,
            backtest: None,
            scores: None,
            churn: None,
            churn_models: None,
            importance: None,
            reliability: None,
            leaderboard: None,
            charts: Vec::new(),
        }
    }
}

impl Stage for Report {
    const KIND: &'static str = "report";
    const VERSION: u32 = 1;
    const LAYER: Layer = Layer::Present;

    fn needs(&self) -> Vec<Need> {
        let tables = self.tables().into_iter().filter_map(|(key, from)| Some(Need::table(key, from?)));
        let chart = |(at, from): (usize, &Ref)| Need::new(format!("charts.{at}"), from, &[PortType::Image]);
        tables.chain(self.charts.iter().enumerate().map(chart)).collect()
    }

    fn gives(&self) -> Vec<Port> {
        vec![Port::new("page", PortType::Page)]
    }

    fn check(&self) -> Vec<Mistake> {
        if !Stage::needs(self).is_empty() {
            return Vec::new();
        }
        let hint = "name at least one, such as `profile = \"profile\"`";
        vec![Mistake::new("kind", "a report without inputs would be empty").hint(hint)]
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let options = Options {
            title: self.title.clone(),
            currency: self.currency.clone(),
            sections: self.sections.clone(),
        };
        let inputs = self.inputs(ctx)?;
        let report = report::report(&inputs, &options)
            .map_err(|misfit| Failure::new(format!("{:#}", misfit.error)).at(misfit.input))?;
        let bytes = report.html.into_bytes();
        let summary = format!("{} sections, {} KB", report.sections, bytes.len().div_ceil(1000));
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
        let (sections, size) = (report.sections as f64, bytes.len() as f64);
        Ok(Outcome::new(summary).metric("sections", sections).metric("bytes", size).bytes("page", bytes))
    }
}

impl Report {
    fn tables(&self) -> [(&'static str, Option<&Ref>); 15] {
        [
            ("quality", self.quality.as_ref()),
            ("features", self.features.as_ref()),
            ("selection", self.selection.as_ref()),
            ("segments", self.segments.as_ref()),
            ("profile", self.profile.as_ref()),
            ("differences", self.differences.as_ref()),
            ("series", self.series.as_ref()),
            ("forecast", self.forecast.as_ref()),
            ("backtest", self.backtest.as_ref()),
            ("scores", self.scores.as_ref()),
            ("churn", self.churn.as_ref()),
            ("churn_models", self.churn_models.as_ref()),
            ("importance", self.importance.as_ref()),
            ("reliability", self.reliability.as_ref()),
            ("leaderboard", self.leaderboard.as_ref()),
        ]
    }

    fn inputs(&self, ctx: &Context<'_>) -> Result<Inputs> {
        let table = |key: &str| if ctx.has(key) { ctx.table(key).map(Some) } else { Ok(None) };
        let chart = |at: usize| ctx.bytes(&format!("charts.{at}"));
        Ok(Inputs {
            quality: table("quality")?,
            features: table("features")?,
            selection: table("selection")?,
            segments: table("segments")?,
            profile: table("profile")?,
            differences: table("differences")?,
            series: table("series")?,
            forecast: table("forecast")?,
            backtest: table("backtest")?,
            scores: table("scores")?,
            churn: table("churn")?,
            churn_models: table("churn_models")?,
            importance: table("importance")?,
            reliability: table("reliability")?,
            leaderboard: table("leaderboard")?,
            charts: (0..self.charts.len()).map(chart).collect::<Result<_>>()?,
        })
    }
}

//! The kind `report`: one page for people, from whatever tables a pipeline has.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Table;
use crate::diagnostic::{plural, quoted};
use crate::present::format::fixed;
use crate::present::report::{Inputs, Misfit, Options, Section, report};
use crate::stage::{Context, Failure, Layer, MetricName, Mistake, Need, Outcome, Port, PortType, Ref, Stage};

/// Bytes above which a page is slow to open and hard to send.
const LARGE: usize = 2 << 20;

/// Writes one HTML page for people: what the numbers say, drawn and told.
///
/// Every input is optional; a section whose input is missing is left out. The page needs nothing
/// but itself: no network, no scripts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// The findings of a `check` stage.
    pub quality: Option<Ref>,
    /// The features of customers.
    pub features: Option<Ref>,
    /// The port `selection` of a `segment` stage.
    pub selection: Option<Ref>,
    /// The assignments of a `segment` stage.
    pub segments: Option<Ref>,
    /// The main output of a `profile` stage.
    pub profile: Option<Ref>,
    /// The port `differences` of a `profile` stage.
    pub differences: Option<Ref>,
    /// The main output of a `series` stage.
    pub series: Option<Ref>,
    /// The main output of a `forecast` stage.
    pub forecast: Option<Ref>,
    /// The port `backtest` of a `forecast` stage.
    pub backtest: Option<Ref>,
    /// The port `scores` of a `forecast` stage.
    pub scores: Option<Ref>,
    /// The main output of a `churn` stage.
    pub churn: Option<Ref>,
    /// The port `models` of a `churn` stage.
    pub churn_models: Option<Ref>,
    /// The port `importance` of a `churn` stage.
    pub importance: Option<Ref>,
    /// The port `reliability` of a `churn` stage.
    pub reliability: Option<Ref>,
    /// The main output of a `value` stage.
    pub value: Option<Ref>,
    /// The port `models` of a `value` stage.
    pub value_models: Option<Ref>,
    /// The port `verdicts` of a `value` stage.
    pub value_verdicts: Option<Ref>,
    /// The variants of a sweep: `sweep`.
    pub leaderboard: Option<Ref>,
    /// Further pictures, from `chart` stages.
    pub charts: Vec<Ref>,
    /// The title.
    pub title: String,
    /// The currency's symbol.
    pub currency: String,
    /// The sections in their order; empty for all that there is data for.
    pub sections: Vec<Section>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
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
            value: None,
            value_models: None,
            value_verdicts: None,
            leaderboard: None,
            charts: Vec::new(),
            title: "Customer report".to_owned(),
            currency: String::new(),
            sections: Vec::new(),
        }
    }
}

impl Stage for Report {
    const KIND: &'static str = "report";
    const VERSION: u32 = 9;
    const LAYER: Layer = Layer::Present;

    fn needs(&self) -> Vec<Need> {
        let tables = self.tables().into_iter();
        let tables = tables.filter_map(|(key, from, _)| Some(Need::table(key, from.as_ref()?)));
        let picture = |(at, from)| Need::new(format!("charts.{at}"), from, &[PortType::Image]);
        tables.chain(self.charts.iter().enumerate().map(picture)).collect()
    }

    fn gives(&self) -> Vec<Port> {
        vec![Port::new("page", PortType::Page, "The page: one HTML file that needs nothing but itself.")]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("sections", "How many sections the page has."),
            ("bytes", "The size of the page."),
        ])
    }

    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.needs().is_empty() {
            let names = quoted(self.tables().iter().map(|(key, ..)| *key).chain(["charts"]), "and");
            let mistake = Mistake::new("kind", "a report needs at least one input");
            mistakes.push(mistake.hint(format!("its inputs are {names}")));
        }
        for (at, section) in self.sections.iter().enumerate() {
            if self.sections.iter().take(at).any(|other| other == section) {
                let mistake = Mistake::new(format!("sections.{at}"), "this section is listed twice");
                mistakes.push(mistake.hint("take one of them out"));
            }
        }
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let (title, currency) = (self.title.clone(), self.currency.clone());
        let options = Options { title, currency, sections: self.sections.clone() };
        let page = report(&self.inputs(ctx)?, &options, &|| ctx.alive());
        let page = page.map_err(|error| match error.downcast::<Misfit>() {
            Ok(misfit) => self.unfit(&misfit).into(),
            Err(error) => error,
        })?;
        let bytes = page.html.into_bytes();
        let size = fixed((bytes.len() as f64 / 1_000.0).ceil(), 0);
        let outcome = Outcome::new(format!("{}, {size} KB", plural(page.sections, "section")));
        let outcome = outcome.metric("sections", page.sections as f64).metric("bytes", bytes.len() as f64);
        let outcome = if bytes.len() > LARGE {
            outcome
                .warn_at("charts", format!("the page has {size} KB; leave out pictures or give them as SVG"))
        } else {
            outcome
        };
        let outcome = if page.sections == 0 {
            outcome.warn_at("sections", "the page is empty: no section listed has an input")
        } else {
            outcome
        };
        Ok(outcome.bytes("page", bytes))
    }
}

impl Report {
    /// Inputs by name, with the output that each one takes.
    fn tables(&self) -> [(&'static str, &Option<Ref>, &'static str); 18] {
        [
            ("quality", &self.quality, "the port `findings` of a `check` stage"),
            ("features", &self.features, "the main output of a `features` stage"),
            ("selection", &self.selection, "the port `selection` of a `segment` stage"),
            ("segments", &self.segments, "the main output of a `segment` stage"),
            ("profile", &self.profile, "the main output of a `profile` stage"),
            ("differences", &self.differences, "the port `differences` of a `profile` stage"),
            ("series", &self.series, "the main output of a `series` stage"),
            ("forecast", &self.forecast, "the main output of a `forecast` stage"),
            ("backtest", &self.backtest, "the port `backtest` of a `forecast` stage"),
            ("scores", &self.scores, "the port `scores` of a `forecast` stage"),
            ("churn", &self.churn, "the main output of a `churn` stage"),
            ("churn_models", &self.churn_models, "the port `models` of a `churn` stage"),
            ("importance", &self.importance, "the port `importance` of a `churn` stage"),
            ("reliability", &self.reliability, "the port `reliability` of a `churn` stage"),
            ("value", &self.value, "the main output of a `value` stage"),
            ("value_models", &self.value_models, "the port `models` of a `value` stage"),
            ("value_verdicts", &self.value_verdicts, "the port `verdicts` of a `value` stage"),
            ("leaderboard", &self.leaderboard, "the ranking of a sweep, `sweep`"),
        ]
    }

    fn inputs(&self, ctx: &Context<'_>) -> Result<Inputs> {
        let table = |key: &str| -> Result<Option<Table>> { ctx.has(key).then(|| ctx.table(key)).transpose() };
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
            value: table("value")?,
            value_models: table("value_models")?,
            value_verdicts: table("value_verdicts")?,
            leaderboard: table("leaderboard")?,
            charts: (0..self.charts.len())
                .map(|at| ctx.bytes(&format!("charts.{at}")))
                .collect::<Result<_>>()?,
        })
    }

    fn unfit(&self, misfit: &Misfit) -> Failure {
        let failure =
            Failure::new(format!("`{}` isn't what its section needs: {}", misfit.input, misfit.error));
        let takes = self.tables().into_iter().find(|(key, ..)| *key == misfit.input);
        let takes = takes.map_or("pictures from `chart` stages", |(_, _, takes)| takes);
        failure.hint(format!("`{}` takes {takes}", misfit.input)).at(misfit.input)
    }
}

#[cfg(test)]
mod tests;

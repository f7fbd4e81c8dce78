//! The kind `fidelity`: how like the real table a synthetic one is, how useful, and how safe.
//!
//! Parameters, ports and the verdict; what is measured is `model::fidelity`.

mod measured;
mod tables;
mod verdict;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::measured::Measured;
use crate::data::mixed::{self, Hints};
use crate::stage::{Context, Failure, Layer, MetricName, Mistake, Need, Outcome, Port, Ref, Stage};

/// Scores a synthetic table: likeness to the real one, use and privacy
///
/// Column shapes and pair trends are those of SDMetrics. Beside each score stand a floor (every column shuffled by itself) and a
/// ceiling (real rows drawn with replacement): only between them does a score say something. Usefulness: whether boosted trees can
/// tell synthetic rows from real ones, and whether trees that learnt from synthetic rows predict real ones as well. Privacy: whether
/// synthetic rows are nearer to the rows that were learnt from than to rows that were held out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fidelity {
    /// The real rows that were learnt from: `train` of a `synthesize` stage.
    pub real: Ref,
    /// The synthetic rows.
    pub synthetic: Ref,
    /// Real rows that were not learnt from: `holdout` of a `synthesize` stage. Privacy is judged by them.
    pub holdout: Option<Ref>,
    /// Pairs of numbers count whose real correlation is above this, sign apart; at 0 all do. SDMetrics' report has 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub correlation_threshold: f64,
    /// Other pairs count whose real association (Cramér's V) is above this; at 0 all do. SDMetrics' report has 0.3.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub association_threshold: f64,
    /// Rows of each table, at most, that classifiers learn from and that distances are measured of.
    #[schemars(range(min = 20, max = 1_000_000))]
    pub sample: usize,
    /// Columns whose numbers are names of categories.
    pub categories: Vec<String>,
    /// Columns that identify rows: they are not compared.
    pub ids: Vec<String>,
    /// Columns that are not compared.
    pub leave_out: Vec<String>,
}

impl Default for Fidelity {
    fn default() -> Self {
        Self {
            real: Ref::default(),
            synthetic: Ref::default(),
            holdout: None,
            correlation_threshold: 0.5,
            association_threshold: 0.3,
            sample: 5_000,
            categories: Vec::new(),
            ids: Vec::new(),
            leave_out: Vec::new(),
        }
    }
}

impl Stage for Fidelity {
    const KIND: &'static str = "fidelity";
    const VERSION: u32 = 1;
    const LAYER: Layer = Layer::Data;
    const SEEDED: bool = true;

    fn needs(&self) -> Vec<Need> {
        let holdout = self.holdout.as_ref().map(|holdout| Need::table("holdout", holdout));
        [Need::table("real", &self.real), Need::table("synthetic", &self.synthetic)]
            .into_iter()
            .chain(holdout)
            .collect()
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table("scores", "One row a measure: its value, what is best and worst, and a verdict."),
            Port::table("columns", "One row a column: how alike its distributions are."),
            Port::table("pairs", "One row a pair of columns: how alike their relation is."),
            Port::table(
                "utility",
                "One row a column: how well others predict it, learnt from real and from synthetic rows.",
            ),
            Port::table(
                "distances",
                "Quantiles of the distance from synthetic and held-out rows to rows learnt from.",
            ),
            Port::table("distributions", "One row a column and bin or category: its share in both tables."),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("column_shapes", "Mean likeness of columns' distributions: larger is better."),
            ("pair_trends", "Mean likeness of relations of the pairs that count: larger is better."),
            ("pair_trends_all", "The same over all pairs."),
            ("overall", "The mean of shapes and trends: larger is better."),
            ("overall_all", "The same with all pairs."),
            ("floor", "The overall score of columns shuffled one by one."),
            ("ceiling", "The overall score of real rows drawn with replacement."),
            ("position", "Where the overall score lies between floor (0) and ceiling (1)."),
            ("two_sample_auc", "How well trees tell synthetic rows from real ones: 0.5 is best."),
            ("utility_ratio", "AUC learnt from synthetic rows over AUC learnt from real ones: 1 is best."),
            (
                "closer_to_train",
                "Share of synthetic rows nearer to rows learnt from than to held-out ones: 0.5 is best.",
            ),
            ("distance", "Median distance of synthetic rows to the nearest row learnt from."),
            ("distance_holdout", "The same of held-out rows."),
            ("neighbour_ratio", "Median ratio of that distance to the second nearest's."),
            ("neighbour_ratio_holdout", "The same of held-out rows."),
            ("exact_matches", "Share of synthetic rows that are rows learnt from."),
            ("exact_matches_holdout", "The same of held-out rows."),
        ])
    }

    fn check(&self) -> Vec<Mistake> {
        let thresholds = [
            ("correlation_threshold", self.correlation_threshold),
            ("association_threshold", self.association_threshold),
        ];
        let infinite = thresholds.into_iter().filter(|(_, value)| !value.is_finite());
        infinite.map(|(key, _)| Mistake::new(key, format!("`{key}` must be a finite number"))).collect()
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let (mut keys, mut tables) = (vec!["real", "synthetic"], Vec::new());
        if ctx.has("holdout") && ctx.table("holdout")?.rows() > 0 {
            keys.push("holdout");
        }
        for key in &keys {
            let table = ctx.table(key)?.to_batch()?;
            if table.num_rows() == 0 {
                return Err(Failure::new(format!("`{key}` has no rows"))
                    .hint("there is nothing to compare")
                    .at(*key)
                    .into());
            }
            tables.push(table);
        }
        let hints = Hints { categories: &self.categories, ids: &self.ids, leave_out: &self.leave_out };
        let mixed = mixed::read(&tables, &keys, hints)?;
        if mixed.learnt.is_empty() {
            let failure = Failure::new("there is no column to compare: all of them are ids or left out");
            return Err(failure.hint("`categories` says which columns mean something").at("real").into());
        }
        let measured = Measured::of(self, ctx, &mixed)?;
        let outcome = measured.metrics(Outcome::new(verdict::summary(&measured)));
        let outcome = match &self.holdout {
            None => outcome.warn("privacy can't be judged without `holdout`"),
            Some(_) if keys.len() < 3 => {
                outcome.warn_at("holdout", "privacy can't be judged: `holdout` has no rows")
            }
            Some(_) => outcome,
        };
        Ok(outcome
            .table("scores", tables::scores(&measured)?)
            .table("columns", tables::columns(&mixed, &measured)?)
            .table("pairs", tables::pairs(&mixed, &measured)?)
            .table("utility", tables::utility(&mixed, &measured)?)
            .table("distances", tables::distances(&measured)?)
            .table("distributions", tables::distributions(&mixed)?))
    }
}

#[cfg(test)]
mod tests;

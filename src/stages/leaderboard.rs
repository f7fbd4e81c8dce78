//! The kind `leaderboard`: the variants of a sweep, ranked. A sweep makes it itself.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Table;
use crate::model::rank;
use crate::stage::{Context, Failure, Layer, Need, Outcome, Port, PortType, Ref, Stage};

/// Ranks the variants of a sweep; made by `[sweep]`, its name is `sweep`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Leaderboard {
    /// The swept parameters.
    pub axes: Vec<String>,
    /// The metric to compare by: `STAGE.metric`.
    #[schemars(extend("x-required" = true))]
    pub objective: String,
    /// Whether the largest or the smallest is best.
    pub goal: Goal,
    /// The variants.
    pub variants: Vec<Variant>,
}

/// Which end of the metric is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

/// One variant.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Variant {
    /// Its values for people.
    pub label: String,
    /// Its value on each axis.
    pub values: Vec<String>,
    /// The metrics of the stage that is compared.
    pub metrics: Ref,
}

impl Default for Leaderboard {
    fn default() -> Self {
        Self { axes: Vec::new(), objective: String::new(), goal: Goal::Max, variants: Vec::new() }
    }
}

impl Stage for Leaderboard {
    const KIND: &'static str = "leaderboard";
    const VERSION: u32 = 1;
    const LAYER: Layer = Layer::Model;

    fn needs(&self) -> Vec<Need> {
        let need = |(at, variant): (usize, &Variant)| {
            Need::new(format!("variants.{at}.metrics"), &variant.metrics, &[PortType::Metrics])
        };
        self.variants.iter().enumerate().map(need).collect()
    }

    fn gives(&self) -> Vec<Port> {
        vec![Port::table(
            "leaderboard",
            "One row a variant, best first: its values on the axes, and the objective.",
        )]
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let metric = self.objective.split_once('.').map_or("", |(_, metric)| metric);
        let mut values = Vec::with_capacity(self.variants.len());
        for at in 0..self.variants.len() {
            let metrics = ctx.metrics(&format!("variants.{at}.metrics"))?;
            let value = metrics.get(metric).ok_or_else(|| self.no_metric(metric, metrics.keys()))?;
            values.push(*value);
        }
        let order = rank::order(&values, self.goal == Goal::Max);
        let table = self.table(&order, &values)?;
        let best = order.first().map_or(String::new(), |best| {
            format!("best {}: {} {:.4}", self.variants[*best].label, self.objective, values[*best])
        });
        let outcome = Outcome::new(best).table("leaderboard", Table::from_batch(table));
        Ok(outcome.metric("variants", values.iter().map(|_| 1.0).sum()))
    }
}

impl Leaderboard {
    fn no_metric<'a>(&self, metric: &str, there: impl Iterator<Item = &'a String> + Clone) -> Failure {
        let near = crate::diagnostic::did_you_mean(metric, there.clone().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", crate::diagnostic::quoted(there.map(String::as_str), "and")),
        };
        Failure::new(format!("the objective's stage gives no metric `{metric}`")).hint(hint).at("objective")
    }

    fn table(&self, order: &[usize], values: &[f64]) -> Result<RecordBatch> {
        let ranks = (1_i32..).take(order.len());
        let mut fields =
            vec![Field::new("rank", DataType::Int32, false), Field::new("variant", DataType::Utf8, false)];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from_iter_values(ranks)),
            Arc::new(StringArray::from_iter_values(order.iter().map(|at| &self.variants[*at].label))),
        ];
        for (axis, name) in self.axes.iter().enumerate() {
            let value = |at: &usize| self.variants[*at].values.get(axis).map(String::as_str);
            fields.push(Field::new(name, DataType::Utf8, true));
            columns.push(Arc::new(order.iter().map(value).collect::<StringArray>()));
        }
        fields.push(Field::new(&self.objective, DataType::Float64, false));
        columns.push(Arc::new(Float64Array::from_iter_values(order.iter().map(|at| values[*at]))));
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }
}

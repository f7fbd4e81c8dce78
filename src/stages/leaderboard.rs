//! The kind `leaderboard`: the variants of a sweep, ranked. A sweep makes it itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Table;
use crate::diagnostic::{did_you_mean, quoted};
use crate::model::rank;
use crate::stage::{Context, Failure, Layer, MetricName, Need, Outcome, Port, PortType, Ref, Stage};

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
    const VERSION: u32 = 3;
    const LAYER: Layer = Layer::Model;

    fn needs(&self) -> Vec<Need> {
        let need = |(at, variant): (usize, &Variant)| {
            Need::new(format!("variants.{at}.metrics"), &variant.metrics, &[PortType::Metrics]).optional()
        };
        self.variants.iter().enumerate().map(need).collect()
    }

    fn gives(&self) -> Vec<Port> {
        vec![Port::table(
            "leaderboard",
            "One row a variant, best first: its rank (missing where it failed, as the objective), its values on the axes, and the objective.",
        )]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([("variants", "How many variants there are.")])
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let values = self.values(ctx)?;
        let order = rank::order(&values, self.goal == Goal::Max);
        let table = self.table(&order, &values)?;
        let lacking = values.iter().filter(|value| value.is_nan()).count();
        let best = order.first().map_or(String::new(), |best| {
            format!("best {}: {} {:.4}", self.variants[*best].label, self.objective, values[*best])
        });
        let best = if lacking == 0 {
            best
        } else {
            format!("{best}; {lacking} of {} without a value", values.len())
        };
        let outcome = Outcome::new(best).table("leaderboard", Table::from_batch(table));
        Ok(outcome.metric("variants", values.iter().map(|_| 1.0).sum()))
    }
}

impl Leaderboard {
    /// The objective of each variant; NaN where the variant failed or doesn't have it.
    fn values(&self, ctx: &Context<'_>) -> Result<Vec<f64>> {
        let metric = self.objective.split_once('.').map_or("", |(_, metric)| metric);
        let mut values = Vec::with_capacity(self.variants.len());
        let mut there = BTreeSet::new();
        for key in (0..self.variants.len()).map(|at| format!("variants.{at}.metrics")) {
            let metrics = if ctx.has(&key) { ctx.metrics(&key)? } else { BTreeMap::new() };
            values.push(metrics.get(metric).copied().unwrap_or(f64::NAN));
            there.extend(metrics.into_keys());
        }
        if values.iter().all(|value| value.is_nan()) && !values.is_empty() {
            return Err(no_metric(metric, &there).into());
        }
        Ok(values)
    }

    fn table(&self, order: &[usize], values: &[f64]) -> Result<RecordBatch> {
        // Variants without a value come last.
        let rank = |(rank, at): (i32, &usize)| Some(rank).filter(|_| !values[*at].is_nan());
        let mut fields =
            vec![Field::new("rank", DataType::Int32, true), Field::new("variant", DataType::Utf8, false)];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new((1_i32..).zip(order).map(rank).collect::<Int32Array>()),
            Arc::new(StringArray::from_iter_values(order.iter().map(|at| &self.variants[*at].label))),
        ];
        for (axis, name) in self.axes.iter().enumerate() {
            let value = |at: &usize| self.variants[*at].values.get(axis).map(String::as_str);
            let column = column(&order.iter().map(value).collect::<Vec<_>>());
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        }
        fields.push(Field::new(&self.objective, DataType::Float64, true));
        let value = |at: &usize| Some(values[*at]).filter(|value| !value.is_nan());
        columns.push(Arc::new(order.iter().map(value).collect::<Float64Array>()));
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }
}

/// Values on an axis: whole numbers or numbers where all of them are, else text.
fn column(values: &[Option<&str>]) -> ArrayRef {
    let whole = |text: &str| text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    // `nan`, `inf` and `1_000` may as well be words.
    let numeral = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| numeral(text) && number.is_finite());
    let all = |is: &dyn Fn(&str) -> bool| values.iter().flatten().all(|text| is(text));
    let decimal =
        |text: &str| whole(text).is_some() || text.contains(['.', 'e', 'E']) && number(text).is_some();
    let some = values.iter().any(Option::is_some);
    if some && all(&|text| whole(text).is_some()) {
        Arc::new(values.iter().map(|text| text.and_then(whole)).collect::<Int64Array>())
    } else if some && all(&decimal) {
        Arc::new(values.iter().map(|text| text.and_then(number)).collect::<Float64Array>())
    } else {
        Arc::new(values.iter().copied().collect::<StringArray>())
    }
}

fn no_metric(metric: &str, there: &BTreeSet<String>) -> Failure {
    let names = || there.iter().map(String::as_str);
    let hint = match did_you_mean(metric, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("they have {}", quoted(names(), "and")),
    };
    Failure::new(format!("no variant has the metric `{metric}`")).hint(hint).at("objective")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(axis: &[&str]) -> Leaderboard {
        let variant = |value: &&str| Variant {
            label: format!("a={value}"),
            values: vec![(*value).to_owned()],
            ..Variant::default()
        };
        Leaderboard {
            axes: vec!["s.a".to_owned()],
            objective: "s.score".to_owned(),
            variants: axis.iter().map(variant).collect(),
            ..Leaderboard::default()
        }
    }

    #[test]
    fn a_variant_without_a_value_has_no_rank() {
        let table = board(&["1", "2", "3"]).table(&[2, 0, 1], &[0.5, f64::NAN, 0.7]).unwrap();
        let ranks = crate::data::columns::integers(&table, "rank").unwrap();
        assert_eq!(ranks.iter().collect::<Vec<_>>(), [Some(1), Some(2), None]);
    }

    #[test]
    fn numbers_on_an_axis_are_numbers() {
        let types = [&["2", "10", "-3"], &["1", "0.5", "1e-6"], &["007", "1", "2"], &["1.0", "nan", "x"]];
        let found = types.map(|axis| {
            let table = board(axis).table(&[0, 1, 2], &[0.5; 3]).unwrap();
            table.column(2).data_type().clone()
        });
        assert_eq!(found, [DataType::Int64, DataType::Float64, DataType::Utf8, DataType::Utf8]);
    }
}

//! The kind `leaderboard`: the variants of a sweep, ranked. A sweep makes it itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Table;
use crate::diagnostic::{did_you_mean, quoted};
use crate::model::stats::{Estimate, estimate};
use crate::model::{rank, search};
use crate::present::chart::incomparable;
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
    /// Metrics to compare by besides.
    pub others: Vec<Aim>,
    /// The variants.
    pub variants: Vec<Variant>,
}

/// A metric to compare by.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Aim {
    /// The metric: `STAGE.metric`.
    #[schemars(extend("x-required" = true))]
    pub metric: String,
    /// Whether the largest or the smallest is best.
    pub goal: Goal,
}

impl Default for Aim {
    fn default() -> Self {
        Self { metric: String::new(), goal: Goal::Max }
    }
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
    /// Its value on each axis; nothing where the axis isn't there.
    pub values: Vec<String>,
    /// The metrics of the stage that is compared.
    pub metrics: Ref,
    /// Those of the stages that give the other metrics.
    pub others: Vec<Ref>,
    /// Its name without the seed, where it is one of several seeds.
    pub of: String,
    /// How far up the rungs of successive halving it is.
    pub tier: u32,
}

impl Default for Leaderboard {
    fn default() -> Self {
        Self {
            axes: Vec::new(),
            objective: String::new(),
            goal: Goal::Max,
            others: Vec::new(),
            variants: Vec::new(),
        }
    }
}

impl Stage for Leaderboard {
    const KIND: &'static str = "leaderboard";
    const VERSION: u32 = 4;
    const LAYER: Layer = Layer::Model;

    fn needs(&self) -> Vec<Need> {
        let need = |key: String, from: &Ref| Need::new(key, from, &[PortType::Metrics]).optional();
        let of = |(at, variant): (usize, &Variant)| {
            let others = variant.others.iter().enumerate();
            let others = others.map(|(other, from)| need(format!("variants.{at}.others.{other}"), from));
            std::iter::once(need(format!("variants.{at}.metrics"), &variant.metrics))
                .chain(others)
                .collect::<Vec<_>>()
        };
        self.variants.iter().enumerate().flat_map(of).collect()
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table(
                "leaderboard",
                "One row a variant, best first: its rank (missing where it failed, as the objective), its values on the axes, and the objective; over several seeds their mean, `.low` and `.high` (95%) and their number; of several objectives each, and whether no other variant is better all round (`front`).",
            ),
            Port::table(
                "importance",
                "One row a swept parameter, the most important first: the share of the objective's variance that it explains by itself; `together` is what only several explain.",
            ),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([("variants", "How many variants there are.")])
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let groups = self.groups();
        let standing = self.standing(&groups, ctx)?;
        let first = &standing.estimates[0];
        let lacking = first.iter().filter(|one| one.mean.is_nan()).count();
        let best = standing.board.order.first().map_or(String::new(), |best| {
            format!("best {}: {} {:.4}", self.name(&groups[*best]), self.objective, first[*best].mean)
        });
        let best = if lacking == 0 {
            best
        } else {
            format!("{best}; {lacking} of {} without a value", groups.len())
        };
        let varied: Vec<_> = self.varied().collect();
        let spaces = incomparable(&self.objective, varied);
        let mut outcome = Outcome::new(best);
        if !spaces.is_empty() {
            outcome = outcome.warn(format!(
                "`{}` is measured in other spaces along {}: a better one there means no better segments",
                self.objective,
                quoted(spaces, "and")
            ));
        }
        let outcome = outcome
            .table("leaderboard", Table::from_batch(self.table(&groups, &standing)?))
            .table("importance", Table::from_batch(self.importance(&groups, first, ctx.seed())?));
        Ok(outcome.metric("variants", self.variants.len() as f64))
    }
}

/// Variants that differ in their seed alone.
type Group = Vec<usize>;

/// How groups of variants came out.
struct Standing {
    /// By metric, then by group.
    estimates: Vec<Vec<Estimate>>,
    board: rank::Board,
}

impl Leaderboard {
    /// The variants in groups that differ in their seed alone, in the order of the first of each.
    fn groups(&self) -> Vec<Group> {
        let mut groups: IndexMap<&str, Group> = IndexMap::new();
        for (at, variant) in self.variants.iter().enumerate() {
            let name = if variant.of.is_empty() { &variant.label } else { &variant.of };
            groups.entry(name).or_default().push(at);
        }
        groups.into_values().collect()
    }

    /// The axes on which variants differ.
    fn varied(&self) -> impl Iterator<Item = &str> {
        let values = |axis: usize| self.variants.iter().map(move |variant| variant.values.get(axis));
        let differs = move |axis: usize| values(axis).any(|value| Some(value) != values(axis).next());
        self.axes.iter().enumerate().filter(move |(axis, _)| differs(*axis)).map(|(_, name)| name.as_str())
    }

    fn name(&self, group: &Group) -> &str {
        let variant = &self.variants[group[0]];
        if variant.of.is_empty() { &variant.label } else { &variant.of }
    }

    fn aims(&self) -> Vec<Aim> {
        let first = Aim { metric: self.objective.clone(), goal: self.goal };
        std::iter::once(first).chain(self.others.iter().cloned()).collect()
    }

    fn standing(&self, groups: &[Group], ctx: &Context<'_>) -> Result<Standing> {
        let aims = self.aims();
        let mut estimates = Vec::with_capacity(aims.len());
        for (number, aim) in aims.iter().enumerate() {
            let values = self.values(number, aim, ctx)?;
            let of = |group: &Group| {
                let finite = group.iter().map(|at| values[*at]).filter(|value| !value.is_nan());
                estimate(&finite.collect::<Vec<_>>())
            };
            estimates.push(groups.iter().map(of).collect::<Vec<_>>());
        }
        let loss = |aim: &Aim, one: &Estimate| if aim.goal == Goal::Max { -one.mean } else { one.mean };
        let losses = |group: usize| {
            aims.iter().zip(&estimates).map(|(aim, all)| loss(aim, &all[group])).collect::<Vec<_>>()
        };
        let losses: Vec<_> = (0..groups.len()).map(losses).collect();
        let tiers: Vec<_> = groups.iter().map(|group| self.variants[group[0]].tier as usize).collect();
        Ok(Standing { board: rank::board(&tiers, &losses), estimates })
    }

    /// A metric of each variant; NaN where the variant failed or doesn't have it.
    fn values(&self, number: usize, aim: &Aim, ctx: &Context<'_>) -> Result<Vec<f64>> {
        let metric = aim.metric.split_once('.').map_or("", |(_, metric)| metric);
        let mut values = Vec::with_capacity(self.variants.len());
        let mut there = BTreeSet::new();
        let key = |at: usize| match number {
            0 => format!("variants.{at}.metrics"),
            number => format!("variants.{at}.others.{}", number - 1),
        };
        for key in (0..self.variants.len()).map(key) {
            let metrics = if ctx.has(&key) { ctx.metrics(&key)? } else { BTreeMap::new() };
            values.push(metrics.get(metric).copied().unwrap_or(f64::NAN));
            there.extend(metrics.into_keys());
        }
        if values.iter().all(|value| value.is_nan()) && !values.is_empty() {
            return Err(no_metric(metric, &there).into());
        }
        Ok(values)
    }

    fn table(&self, groups: &[Group], standing: &Standing) -> Result<RecordBatch> {
        let order = &standing.board.order;
        let lacks = |at: usize| standing.estimates.iter().any(|all| all[at].mean.is_nan());
        // Variants without a value come last.
        let rank = |(rank, at): (i32, &usize)| Some(rank).filter(|_| !lacks(*at));
        let mut fields =
            vec![Field::new("rank", DataType::Int32, true), Field::new("variant", DataType::Utf8, false)];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new((1_i32..).zip(order).map(rank).collect::<Int32Array>()),
            Arc::new(StringArray::from_iter_values(order.iter().map(|at| self.name(&groups[*at])))),
        ];
        for (axis, name) in self.axes.iter().enumerate() {
            let column = column(&order.iter().map(|at| self.value(&groups[*at], axis)).collect::<Vec<_>>());
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        }
        if !self.others.is_empty() {
            let on_front = |at: &usize| Some(standing.board.fronts[*at] == 1 && !lacks(*at));
            fields.push(Field::new("front", DataType::Boolean, false));
            columns.push(Arc::new(order.iter().map(on_front).collect::<BooleanArray>()));
        }
        let repeated = self.variants.iter().any(|variant| !variant.of.is_empty());
        if repeated {
            let count = |at: &usize| i64::try_from(standing.estimates[0][*at].count).ok();
            fields.push(Field::new("seeds", DataType::Int64, false));
            columns.push(Arc::new(order.iter().map(count).collect::<Int64Array>()));
        }
        // The objective itself comes last: charts look for it there.
        let aims = self.aims();
        for (aim, all) in aims.iter().zip(&standing.estimates).rev() {
            let mut push = |name: String, of: fn(&Estimate) -> f64| {
                let value = |at: &usize| Some(of(&all[*at])).filter(|value| !value.is_nan());
                fields.push(Field::new(name, DataType::Float64, true));
                columns.push(Arc::new(order.iter().map(value).collect::<Float64Array>()) as ArrayRef);
            };
            if repeated {
                push(format!("{}.low", aim.metric), |one| one.low);
                push(format!("{}.high", aim.metric), |one| one.high);
            }
            push(aim.metric.clone(), |one| one.mean);
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    /// The value of a group on an axis, where the axis is there.
    fn value(&self, group: &Group, axis: usize) -> Option<&str> {
        self.variants[group[0]].values.get(axis).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What each swept parameter explains of the objective.
    fn importance(&self, groups: &[Group], results: &[Estimate], seed: u64) -> Result<RecordBatch> {
        let known: Vec<_> = (0..groups.len()).filter(|at| results[*at].mean.is_finite()).collect();
        let codes: Vec<_> = (0..self.axes.len())
            .map(|axis| coded(&known.iter().map(|at| self.value(&groups[*at], axis)).collect::<Vec<_>>()))
            .collect();
        let sizes: Vec<_> = codes.iter().map(|codes| codes.iter().max().map_or(0, |most| most + 1)).collect();
        let rows: Vec<_> =
            (0..known.len()).map(|row| codes.iter().map(|codes| codes[row]).collect()).collect();
        let values: Vec<_> = known.iter().map(|at| results[*at].mean).collect();
        let found = search::importance(&sizes, &rows, &values, seed);
        let shares: Vec<_> = found.as_ref().map_or(Vec::new(), |found| found.single.clone());
        let mut order = rank::order(&shares, true);
        order.truncate(shares.len());
        let mut names: Vec<_> = order.iter().map(|at| self.axes[*at].as_str()).collect();
        let mut shares: Vec<_> = order.iter().map(|at| shares[*at]).collect();
        if let Some(found) = found.filter(|_| self.axes.len() > 1) {
            names.push("together");
            shares.push(found.together);
        }
        let columns: [(&str, ArrayRef); 2] = [
            ("parameter", Arc::new(StringArray::from(names))),
            ("importance", Arc::new(Float64Array::from(shares))),
        ];
        Ok(RecordBatch::try_from_iter(columns)?)
    }
}

/// Values by their number among those that there are, numbers in their order; what isn't there is one of them.
fn coded(values: &[Option<&str>]) -> Vec<usize> {
    let number = |value: &Option<&str>| value.and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    let mut kinds = values.to_vec();
    kinds.sort_by(|a, b| number(a).total_cmp(&number(b)).then(a.cmp(b)));
    kinds.dedup();
    let place: HashMap<_, _> = kinds.iter().enumerate().map(|(at, value)| (*value, at)).collect();
    values.iter().map(|value| place[value]).collect()
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

    /// The table of variants with these results.
    fn table(board: &Leaderboard, results: &[f64]) -> RecordBatch {
        let estimates: Vec<_> = results.iter().map(|value| estimate(&[*value])).collect();
        let losses: Vec<_> = results.iter().map(|value| vec![-value]).collect();
        let order = rank::board(&vec![0; results.len()], &losses);
        board.table(&board.groups(), &Standing { estimates: vec![estimates], board: order }).unwrap()
    }

    #[test]
    fn values_are_numbered_in_their_order() {
        assert_eq!(coded(&[Some("10"), Some("2"), Some("10"), None]), [1, 0, 1, 2]);
        assert_eq!(coded(&[Some("b"), Some("a")]), [1, 0]);
    }

    #[test]
    fn a_variant_without_a_value_has_no_rank() {
        let table = table(&board(&["1", "2", "3"]), &[0.5, f64::NAN, 0.7]);
        let ranks = crate::data::columns::integers(&table, "rank").unwrap();
        assert_eq!(ranks.iter().collect::<Vec<_>>(), [Some(1), Some(2), None]);
    }

    #[test]
    fn numbers_on_an_axis_are_numbers() {
        let types = [&["2", "10", "-3"], &["1", "0.5", "1e-6"], &["007", "1", "2"], &["1.0", "nan", "x"]];
        let found = types.map(|axis| {
            let table = table(&board(axis), &[0.5; 3]);
            table.column(2).data_type().clone()
        });
        assert_eq!(found, [DataType::Int64, DataType::Float64, DataType::Utf8, DataType::Utf8]);
    }
}

//! The kind `profile`: what makes each segment different, and what it is called.
//!
//! Knows customers' features and their segments; knows nothing of how either was made.

mod members;
mod names;

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::members::{Feature, Members};
use self::names::Portrait;
use crate::data::Table;
use crate::diagnostic::{percent, plural};
use crate::model::cluster::{Preparation, Scale};
use crate::model::stats::Moments;
use crate::stage::{Context, Failure, Layer, MetricName, Need, Outcome, Port, Ref, Stage};

/// Describes and names segments: size, revenue, what sets them apart
///
/// Names come from the data, by rules: how recently, often and much a segment buys, and its channel.
/// Missing and infinite values count in no mean.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// The features of customers: a table with `customer_id` and numeric columns.
    pub features: Ref,
    /// Their segments: a table with `customer_id` and `segment`.
    pub segments: Ref,
    /// The column of `features` whose sum is the revenue of a segment.
    pub revenue: String,
}

impl Default for Profile {
    fn default() -> Self {
        Self { features: Ref::default(), segments: Ref::default(), revenue: "monetary".to_owned() }
    }
}

impl Stage for Profile {
    const KIND: &'static str = "profile";
    const VERSION: u32 = 4;
    const LAYER: Layer = Layer::Model;

    fn needs(&self) -> Vec<Need> {
        vec![Need::table("features", &self.features), Need::table("segments", &self.segments)]
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table("profile", "One row a segment: name, size, revenue, and the mean of every feature."),
            Port::table(
                "differences",
                "One row a segment and feature: how far its mean lies from that of all customers.",
            ),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("segments", "How many segments there are."),
            ("largest_share", "Share of customers in the largest segment."),
            ("smallest_share", "Share of customers in the smallest segment."),
            ("top_revenue_share", "Share of revenue that the segment with most of it brings."),
        ])
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let (features, segments) = (ctx.table("features")?, ctx.table("segments")?);
        let (features, segments) = rayon::join(|| features.to_batch(), || segments.to_batch());
        ctx.alive()?;
        let members = Members::join(&features?, &segments?)?;
        let revenue = Revenue::of(&members, &self.revenue)?;
        let contrast = |feature| ctx.alive().map(|()| Contrast::of(&members, feature));
        let contrasts: Vec<Contrast<'_>> =
            members.features.par_iter().map(contrast).collect::<Result<_>>()?;
        let names = names(&members, &contrasts);
        let outcome = summarise(&members, &revenue, &names);
        Ok(warn(outcome, &members, &revenue)
            .table("profile", profile(&members, &revenue, &names, &contrasts)?)
            .table("differences", differences(&members, &names, &contrasts)?))
    }
}

/// What each segment brings in.
struct Revenue {
    sums: Vec<f64>,
    /// The share of all revenue; none where revenue as a whole isn't positive.
    shares: Option<Vec<f64>>,
}

impl Revenue {
    fn of(members: &Members, column: &str) -> Result<Self> {
        let Some(feature) = members.feature(column) else {
            let there: Vec<String> =
                members.features.iter().map(|feature| format!("`{}`", feature.name)).collect();
            let failure = Failure::new(format!("`features` has no numeric column `{column}`"));
            return Err(failure.hint(format!("there are {}", there.join(", "))).at("revenue").into());
        };
        let sums: Vec<f64> = members.sums(feature.values.iter().copied()).iter().map(|sum| sum.0).collect();
        let total: f64 = sums.iter().sum();
        let shares = (total > 0.0).then(|| sums.iter().map(|sum| sum / total).collect());
        Ok(Self { sums, shares })
    }

    /// The segment with the largest share, the first one among equals.
    fn top(&self) -> Option<(usize, f64)> {
        let shares = self.shares.iter().flatten().copied().enumerate();
        shares.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }
}

/// A feature in each segment against all members.
struct Contrast<'a> {
    name: &'a str,
    overall: Option<f64>,
    means: Vec<Option<f64>>,
    /// `(mean - overall mean) / overall standard deviation`, 0 where that deviation is 0.
    differences: Vec<Option<f64>>,
    /// The same on the scale that names are decided on: skewed features after a logarithm, missing
    /// values at the median.
    scores: Vec<f64>,
}

impl<'a> Contrast<'a> {
    fn of(members: &Members, feature: &'a Feature) -> Self {
        let known: Vec<f64> = feature.values.iter().copied().filter(|value| !value.is_nan()).collect();
        let moments = Moments::of(&known);
        let means = members.means(feature.values.iter().copied());
        let difference = |mean: &Option<f64>| {
            let (mean, all) = (*mean.as_ref()?, moments?);
            Some(if all.std > 0.0 { (mean - all.mean) / all.std } else { 0.0 })
        };
        Self {
            name: &feature.name,
            overall: moments.map(|all| all.mean),
            differences: means.iter().map(difference).collect(),
            means,
            scores: scores(members, feature),
        }
    }
}

fn scores(members: &Members, feature: &Feature) -> Vec<f64> {
    let preparation = Preparation::fit([(feature.name.as_str(), feature.values.as_slice())], Scale::Standard);
    let Some(prepared) = preparation.features.first() else {
        return vec![0.0; members.segments.len()];
    };
    let means = members.means(feature.values.iter().map(|value| prepared.forward(*value)));
    means.into_iter().map(Option::unwrap_or_default).collect()
}

fn names(members: &Members, contrasts: &[Contrast<'_>]) -> Vec<String> {
    let features: Vec<String> = contrasts.iter().map(|contrast| contrast.name.to_owned()).collect();
    let contrast = |name: &str| contrasts.iter().find(|contrast| contrast.name == name);
    let [frequency, recency, gaps] = ["frequency", "recency_days", "mean_gap_days"].map(contrast);
    let known = members.feature("tenure_days").map(Feature::largest);
    let portrait = |segment: usize| Portrait {
        scores: contrasts.iter().map(|contrast| contrast.scores[segment]).collect(),
        frequency: frequency.and_then(|frequency| frequency.means[segment]),
        idle: recency.and_then(|recency| recency.means[segment]),
        gap: gaps.and_then(|gaps| gaps.means[segment]),
        known,
    };
    let portraits: Vec<Portrait> = (0..members.segments.len()).map(portrait).collect();
    names::names(&features, &portraits)
}

/// The line for the terminal and the metrics.
fn summarise(members: &Members, revenue: &Revenue, names: &[String]) -> Outcome {
    let count = names.len();
    let shares: Vec<f64> = members.sizes.iter().map(|size| *size as f64 / members.count() as f64).collect();
    let segments = plural(count, "segment");
    let summary = match revenue.top() {
        Some((top, share)) => {
            format!("{segments}, \"{}\" bring {} of revenue", names[top], percent(share))
        }
        None => segments,
    };
    Outcome::new(summary)
        .metric("segments", count as f64)
        .metric("largest_share", shares.iter().copied().fold(0.0, f64::max))
        .metric("smallest_share", shares.iter().copied().fold(1.0, f64::min))
        .metric("top_revenue_share", revenue.top().map_or(f64::NAN, |(_, share)| share))
}

fn warn(mut outcome: Outcome, members: &Members, revenue: &Revenue) -> Outcome {
    let customers = |count: usize| plural(count, "customer");
    if members.unassigned > 0 {
        let message = format!("{} with features but no segment left out", customers(members.unassigned));
        outcome = outcome.warn_at("segments", message);
    }
    if members.unknown > 0 {
        let message = format!("{} with a segment but no features left out", customers(members.unknown));
        outcome = outcome.warn_at("features", message);
    }
    for name in &members.hidden {
        let message = format!("column `{name}` left out: the profile has a column of that name");
        outcome = outcome.warn_at("features", message);
    }
    if revenue.shares.is_none() {
        outcome = outcome.warn_at("revenue", "revenue as a whole is not positive, so it has no shares");
    }
    outcome
}

fn profile(
    members: &Members,
    revenue: &Revenue,
    names: &[String],
    contrasts: &[Contrast<'_>],
) -> Result<Table> {
    let sizes = members.sizes.iter().map(|size| i64::try_from(*size)).collect::<Result<Vec<_>, _>>()?;
    let share = |size: &usize| *size as f64 / members.count() as f64;
    let count = members.segments.len();
    let revenue_shares: Float64Array =
        (0..count).map(|at| revenue.shares.as_ref().map(|shares| shares[at])).collect();
    let mut fields: Vec<(&str, ArrayRef, bool)> = vec![
        ("segment", Arc::new(Int32Array::from(members.segments.clone())), false),
        ("name", Arc::new(StringArray::from_iter_values(names)), false),
        ("customers", Arc::new(Int64Array::from(sizes)), false),
        ("customer_share", Arc::new(Float64Array::from_iter_values(members.sizes.iter().map(share))), false),
        ("revenue", Arc::new(Float64Array::from(revenue.sums.clone())), false),
        ("revenue_share", Arc::new(revenue_shares), true),
    ];
    for contrast in contrasts {
        fields.push((contrast.name, Arc::new(Float64Array::from(contrast.means.clone())), true));
    }
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(fields)?))
}

/// One row for each segment and feature, in the order of the segments and then of the features.
fn differences(members: &Members, names: &[String], contrasts: &[Contrast<'_>]) -> Result<Table> {
    let segments = 0..members.segments.len();
    let pairs: Vec<(usize, &Contrast<'_>)> =
        segments.flat_map(|at| contrasts.iter().map(move |contrast| (at, contrast))).collect();
    let column = |of: fn(&Contrast<'_>, usize) -> Option<f64>| -> ArrayRef {
        Arc::new(pairs.iter().map(|(at, contrast)| of(contrast, *at)).collect::<Float64Array>())
    };
    let text = |of: &dyn Fn(usize, &Contrast<'_>) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(pairs.iter().map(|(at, contrast)| of(*at, contrast))))
    };
    let numbers = Int32Array::from_iter_values(pairs.iter().map(|(at, _)| members.segments[*at]));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("segment", Arc::new(numbers) as ArrayRef, false),
        ("name", text(&|at, _| names[at].clone()), false),
        ("feature", text(&|_, contrast| contrast.name.to_owned()), false),
        ("mean", column(|contrast, at| contrast.means[at]), true),
        ("overall_mean", column(|contrast, _| contrast.overall), true),
        ("difference", column(|contrast, at| contrast.differences[at]), true),
        ("score", column(|contrast, at| Some(contrast.scores[at])), false),
    ])?;
    Ok(Table::from_batch(batch))
}

#[cfg(test)]
mod tests;

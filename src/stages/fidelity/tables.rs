//! The tables that `fidelity` gives.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};

use super::measured::Measured;
use super::verdict::{self, Grade};
use crate::data::mixed::{Mixed, Role, in_nanoseconds};
use crate::data::{Table, dates};
use crate::model::fidelity::privacy::quantile;
use crate::model::fidelity::trends::Trend;
use crate::model::mixed::{Column, MISSING};

/// Bins of numbers on the port `distributions`.
const BINS: usize = 20;

/// Categories on the port `distributions`, beside the others together.
const CATEGORIES: usize = 20;

fn text<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// Numbers; NaN is missing.
fn numbers(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(values.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect::<Float64Array>())
}

fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<Table> {
    let columns = columns.map(|(name, array)| {
        let nullable = array.data_type().is_floating();
        (name, array, nullable)
    });
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
}

/// A measure with its value, its worst and its best, and a grade.
type Score = (&'static str, f64, f64, f64, &'static str);

pub(super) fn scores(measured: &Measured) -> Result<Table> {
    let (made, floor, ceiling) = (&measured.synthetic, &measured.floor, &measured.ceiling);
    let privacy = &measured.privacy;
    let like = verdict::likeness(measured.position()).name();
    let held = |of: fn(&crate::model::fidelity::privacy::Nearest) -> &Vec<f64>| {
        privacy.holdout.as_ref().map_or(f64::NAN, |nearest| quantile(of(nearest), 0.5))
    };
    let (auc, shuffled) = measured.two_sample;
    let auc = auc.unwrap_or(f64::NAN);
    let closer = privacy.closer.unwrap_or(f64::NAN);
    let ratio = measured.utility();
    let (nan, none) = (f64::NAN, Grade::Unknown.name());
    let rows: [Score; 11] = [
        ("column_shapes", made.counted.shapes, floor.counted.shapes, ceiling.counted.shapes, like),
        ("pair_trends", made.counted.trends, floor.counted.trends, ceiling.counted.trends, like),
        ("pair_trends_all", made.all.trends, floor.all.trends, ceiling.all.trends, like),
        ("overall", made.counted.overall(), floor.counted.overall(), ceiling.counted.overall(), like),
        ("overall_all", made.all.overall(), floor.all.overall(), ceiling.all.overall(), like),
        ("two_sample_auc", auc, shuffled.unwrap_or(nan), 0.5, verdict::two_sample(auc).name()),
        ("utility_ratio", ratio, nan, 1.0, verdict::utility(ratio).name()),
        ("closer_to_train", closer, 1.0, 0.5, verdict::closer(closer).name()),
        ("distance", quantile(&privacy.synthetic.first, 0.5), 0.0, held(|nearest| &nearest.first), none),
        (
            "neighbour_ratio",
            quantile(&privacy.synthetic.ratio, 0.5),
            0.0,
            held(|nearest| &nearest.ratio),
            none,
        ),
        (
            "exact_matches",
            privacy.matches.0,
            1.0,
            privacy.matches.1.unwrap_or(nan),
            verdict::matches(privacy.matches.0, privacy.matches.1).name(),
        ),
    ];
    let sentence = verdict::sentence(measured);
    let names = rows.iter().map(|row| row.0).chain(["verdict"]);
    let grades = rows.iter().map(|row| row.4).chain([sentence.as_str()]);
    table([
        ("measure", text(names)),
        ("value", numbers(rows.iter().map(|row| row.1).chain([nan]))),
        ("worst", numbers(rows.iter().map(|row| row.2).chain([nan]))),
        ("best", numbers(rows.iter().map(|row| row.3).chain([nan]))),
        ("verdict", text(grades)),
    ])
}

/// The name of a learnt column.
fn name(mixed: &Mixed, column: usize) -> &str {
    mixed.described[mixed.learnt[column]].name()
}

pub(super) fn columns(mixed: &Mixed, measured: &Measured) -> Result<Table> {
    let count = mixed.learnt.len();
    let metric = |column: usize| match &mixed.tables[0][column] {
        Column::Numbers(_) => "KSComplement",
        Column::Levels { .. } => "TVComplement",
    };
    let missing = |table: usize| {
        mixed.tables[table].iter().map(|column| column.missing() as f64 / column.rows() as f64)
    };
    table([
        ("column", text((0..count).map(|column| name(mixed, column)))),
        ("metric", text((0..count).map(metric))),
        ("score", numbers(measured.synthetic.all.columns.iter().copied())),
        ("ceiling", numbers(measured.ceiling.all.columns.iter().copied())),
        ("missing_real", numbers(missing(0))),
        ("missing_synthetic", numbers(missing(1))),
    ])
}

pub(super) fn pairs(mixed: &Mixed, measured: &Measured) -> Result<Table> {
    let (all, counted) = (&measured.synthetic.all.pairs, &measured.synthetic.counted.pairs);
    let score = |of: &super::measured::Likeness| {
        of.all.pairs.iter().map(|pair| pair.trend.score()).collect::<Vec<_>>()
    };
    let metric = |trend: Trend| match trend {
        Trend::Correlation { .. } => ("CorrelationSimilarity", f64::NAN, f64::NAN, f64::NAN),
        Trend::Contingency { association, .. } => ("ContingencySimilarity", f64::NAN, f64::NAN, association),
    };
    let details = |trend: Trend| match trend {
        Trend::Correlation { real, synthetic, .. } => ("CorrelationSimilarity", real, synthetic, f64::NAN),
        other @ Trend::Contingency { .. } => metric(other),
    };
    let of = |pick: fn((&'static str, f64, f64, f64)) -> f64| {
        numbers(all.iter().map(|pair| pick(details(pair.trend))))
    };
    let counts: Vec<bool> = counted.iter().map(|pair| !pair.trend.score().is_nan()).collect();
    table([
        ("column_1", text(all.iter().map(|pair| name(mixed, pair.one)))),
        ("column_2", text(all.iter().map(|pair| name(mixed, pair.two)))),
        ("metric", text(all.iter().map(|pair| details(pair.trend).0))),
        ("score", numbers(score(&measured.synthetic))),
        ("floor", numbers(score(&measured.floor))),
        ("ceiling", numbers(score(&measured.ceiling))),
        ("real_correlation", of(|details| details.1)),
        ("synthetic_correlation", of(|details| details.2)),
        ("real_association", of(|details| details.3)),
        ("counts", Arc::new(arrow::array::BooleanArray::from(counts))),
    ])
}

pub(super) fn utility(mixed: &Mixed, measured: &Measured) -> Result<Table> {
    let tasks = &measured.tasks;
    table([
        ("column", text(tasks.iter().map(|task| name(mixed, task.column)))),
        ("auc_real", numbers(tasks.iter().map(|task| task.real))),
        ("auc_synthetic", numbers(tasks.iter().map(|task| task.synthetic))),
        ("ratio", numbers(tasks.iter().map(|task| task.ratio()))),
    ])
}

pub(super) fn distances(measured: &Measured) -> Result<Table> {
    let shares: Vec<f64> = (0..=20).map(|at| f64::from(at) / 20.0).collect();
    let of = |values: Option<&Vec<f64>>| {
        numbers(shares.iter().map(|share| values.map_or(f64::NAN, |values| quantile(values, *share))))
    };
    let privacy = &measured.privacy;
    table([
        ("quantile", numbers(shares.iter().copied())),
        ("synthetic", of(Some(&privacy.synthetic.first))),
        ("holdout", of(privacy.holdout.as_ref().map(|nearest| &nearest.first))),
        ("synthetic_ratio", of(Some(&privacy.synthetic.ratio))),
        ("holdout_ratio", of(privacy.holdout.as_ref().map(|nearest| &nearest.ratio))),
    ])
}

/// One bar of a picture of two distributions.
struct Bar {
    column: String,
    bin: i32,
    label: String,
    low: f64,
    shares: [f64; 2],
}

/// Shares by bin of equal width between the real first and last percent, the ends holding what lies beyond; by category the most
/// frequent first.
pub(super) fn distributions(mixed: &Mixed) -> Result<Table> {
    let exact = in_nanoseconds(mixed);
    let mut bars = Vec::new();
    for (at, (real, made)) in exact[0].iter().zip(&exact[1]).enumerate() {
        let one = &mixed.described[mixed.learnt[at]];
        let moments = matches!(one.role, Role::Moment { .. });
        match (real, made) {
            (Column::Numbers(real), Column::Numbers(made)) => {
                bins(one.name(), moments, [real, made], &mut bars)
            }
            (Column::Levels { codes: real, count }, Column::Levels { codes: made, .. }) => {
                levels(one.name(), &one.levels(), *count, [real, made], &mut bars);
            }
            _ => {}
        }
    }
    let share = |which: usize| numbers(bars.iter().map(|bar| bar.shares[which]));
    table([
        ("column", text(bars.iter().map(|bar| bar.column.as_str()))),
        ("bin", Arc::new(Int32Array::from_iter_values(bars.iter().map(|bar| bar.bin)))),
        ("value", text(bars.iter().map(|bar| bar.label.as_str()))),
        ("low", numbers(bars.iter().map(|bar| bar.low))),
        ("real_share", share(0)),
        ("synthetic_share", share(1)),
    ])
}

fn bins(column: &str, moments: bool, tables: [&Vec<f64>; 2], bars: &mut Vec<Bar>) {
    let (low, high) = (quantile(tables[0], 0.01), quantile(tables[0], 0.99));
    if low.is_nan() {
        return;
    }
    let width = ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
    let counts = tables.map(|values| {
        let mut counts = vec![0.0; BINS];
        for value in values.iter().filter(|value| !value.is_nan()) {
            let bin = ((value - low) / width).clamp(0.0, (BINS - 1) as f64);
            counts[bin as usize] += 1.0 / values.len() as f64;
        }
        counts
    });
    for (bin, (real, made)) in counts[0].iter().zip(&counts[1]).enumerate() {
        let from = low + width * bin as f64;
        let number = || format!("{from:.6}").trim_end_matches('0').trim_end_matches('.').to_owned();
        let label = if moments { dates::show((from / 1e3) as i64) } else { number() };
        let low = if moments { f64::NAN } else { from };
        bars.push(Bar { column: column.to_owned(), bin: bin as i32 + 1, label, low, shares: [*real, *made] });
    }
}

fn levels(column: &str, names: &[String], count: u32, tables: [&Vec<u32>; 2], bars: &mut Vec<Bar>) {
    let shares = tables.map(|codes| {
        let mut counts = vec![0.0; count as usize + 1];
        for code in codes {
            counts[if *code == MISSING { count } else { *code } as usize] += 1.0 / codes.len() as f64;
        }
        counts
    });
    let mut order: Vec<usize> = (0..count as usize).collect();
    order.sort_by(|one, two| shares[0][*two].total_cmp(&shares[0][*one]).then(one.cmp(two)));
    let mut add = |label: &str, shares: [f64; 2]| {
        let bin = bars.iter().filter(|bar| bar.column == column).count() as i32 + 1;
        bars.push(Bar { column: column.to_owned(), bin, label: label.to_owned(), low: f64::NAN, shares });
    };
    for level in order.iter().take(CATEGORIES) {
        add(&names[*level], [shares[0][*level], shares[1][*level]]);
    }
    let rest = |which: usize| order.iter().skip(CATEGORIES).map(|level| shares[which][*level]).sum::<f64>();
    if order.len() > CATEGORIES {
        add("other", [rest(0), rest(1)]);
    }
    let missing = [shares[0][count as usize], shares[1][count as usize]];
    if missing.iter().any(|share| *share > 0.0) {
        add("missing", missing);
    }
}

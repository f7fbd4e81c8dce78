//! What a forecast writes: tables of forecasts, back-tests and scores.
//!
//! Does not know how a forecast is made, nor which method ought to win.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray};

use super::panel::Panel;
use super::weekly::TOTAL;
use crate::data::Table;
use crate::model::forecast::backtest::Point;
use crate::model::forecast::contest::{Against, Entry};
use crate::model::forecast::scores::Scores;

/// One method of a contest with the name that tables call it by.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// What the method is called.
    pub model: &'a str,
    /// What it found, for the panel's series in their order.
    pub entry: &'a Entry,
}

/// Forecasts: `series`, `period`, `model`, `mean`, `lower`, `upper`, `total`, `total_lower`,
/// `total_upper`, `best`, `target`; sorted by series, then in the order of the members, then by period.
///
/// The totals are of the weeks from the first one to the row's, with intervals of their own. `best`
/// holds the position of the best member for each series, `target` the column that was forecast.
/// Numbers that aren't finite, and ends of intervals that can't be told, are null.
///
/// # Errors
/// When a week lies beyond what a date can say.
pub fn forecast_table(panel: &Panel, members: &[Member<'_>], best: &[usize]) -> Result<Table> {
    let mut rows = Vec::new();
    for (at, (name, series)) in panel.names.iter().zip(&panel.series).enumerate() {
        for (number, member) in members.iter().enumerate() {
            let Some(outlook) = member.entry.outlooks.get(at) else { continue };
            for (ahead, mean) in outlook.path.mean.iter().enumerate() {
                let of = |ends: &Option<Vec<(f64, f64)>>| ends.as_ref()?.get(ahead).copied();
                rows.push(Ahead {
                    series: name,
                    period: i32::try_from(series.day(series.values.len() + ahead))?,
                    model: member.model,
                    mean: *mean,
                    ends: of(&outlook.interval),
                    total: outlook.totals.get(ahead).copied(),
                    total_ends: of(&outlook.total_interval),
                    best: best.get(at) == Some(&number),
                });
            }
        }
    }
    let number = |of: fn(&Ahead<'_>) -> Option<f64>| floats(rows.iter().map(of));
    let columns: [(&str, ArrayRef, bool); 11] = [
        ("series", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.series))), false),
        ("period", Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.period))), false),
        ("model", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.model))), false),
        ("mean", number(|row| Some(row.mean)), true),
        ("lower", number(|row| row.ends.map(|ends| ends.0)), true),
        ("upper", number(|row| row.ends.map(|ends| ends.1)), true),
        ("total", number(|row| row.total), true),
        ("total_lower", number(|row| row.total_ends.map(|ends| ends.0)), true),
        ("total_upper", number(|row| row.total_ends.map(|ends| ends.1)), true),
        ("best", Arc::new(rows.iter().map(|row| Some(row.best)).collect::<BooleanArray>()), false),
        target(panel, rows.len()),
    ];
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
}

/// A row of the forecasts.
struct Ahead<'a> {
    series: &'a str,
    period: i32,
    model: &'a str,
    mean: f64,
    ends: Option<(f64, f64)>,
    total: Option<f64>,
    total_ends: Option<(f64, f64)>,
    best: bool,
}

/// Back-tests: `series`, `model`, `fold` (1 is the oldest), `horizon` (weeks ahead, from 1),
/// `period`, `actual`, `predicted`, `lower`, `upper`, `target`; sorted by series, then in the order of the members.
///
/// # Errors
/// When a number or a week is too large for its column.
pub fn backtest_table(panel: &Panel, members: &[Member<'_>]) -> Result<Table> {
    let mut rows = Vec::new();
    for (at, (name, series)) in panel.names.iter().zip(&panel.series).enumerate() {
        for member in members {
            for point in points(member.entry, at) {
                let period = i32::try_from(series.day(point.at))?;
                rows.push((name, member.model, point, period));
            }
        }
    }
    let counts = |of: fn(&Point) -> usize| -> Result<ArrayRef> {
        let numbers = rows.iter().map(|row| i32::try_from(of(row.2))).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(Int32Array::from(numbers)))
    };
    let end = |of: fn((f64, f64)) -> f64| floats(rows.iter().map(|row| row.2.pair.interval.map(of)));
    let columns: [(&str, ArrayRef, bool); 10] = [
        ("series", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))), false),
        ("model", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))), false),
        ("fold", counts(|point| point.fold)?, false),
        ("horizon", counts(|point| point.ahead)?, false),
        ("period", Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.3))), false),
        ("actual", floats(rows.iter().map(|row| Some(row.2.pair.actual))), true),
        ("predicted", floats(rows.iter().map(|row| Some(row.2.pair.predicted))), true),
        ("lower", end(|ends| ends.0), true),
        ("upper", end(|ends| ends.1), true),
        target(panel, rows.len()),
    ];
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
}

/// Scores: `model`, `series`, the [`ERRORS`], `skill`, `folds`, `target`; in the order of the members,
/// the pooled scores as series `all` first, then the other series by name.
///
/// Series and members without a fold have no row.
///
/// # Errors
/// When a number of folds is too large for its column.
pub fn scores_table(panel: &Panel, members: &[Member<'_>]) -> Result<Table> {
    let mut rows: Vec<(&str, &str, Scores, Option<f64>, i32)> = Vec::new();
    for Member { model, entry } in members {
        if let Some(scores) = entry.pooled {
            rows.push((model, TOTAL, scores, entry.pooled_skill, i32::try_from(entry.backtest.folds)?));
        }
        for (at, name) in panel.names.iter().enumerate().filter(|(_, name)| *name != TOTAL) {
            if let Some(scores) = entry.scores.get(at).copied().flatten() {
                let folds: BTreeSet<usize> = points(entry, at).map(|point| point.fold).collect();
                let skill = entry.skill.get(at).copied().flatten();
                rows.push((model, name, scores, skill, i32::try_from(folds.len())?));
            }
        }
    }
    let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("model", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))), false),
        ("series", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))), false),
    ];
    columns.extend(ERRORS.map(|(name, of)| (name, floats(rows.iter().map(|row| of(&row.2))), true)));
    columns.extend([
        ("skill", floats(rows.iter().map(|row| row.3)), true),
        ("folds", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.4))) as ArrayRef, false),
        target(panel, rows.len()),
    ]);
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
}

/// A number of scores, where there is one.
type Error = fn(&Scores) -> Option<f64>;

/// What tables of scores have a column for.
const ERRORS: [(&str, Error); 10] = [
    ("rmse", |scores| Some(scores.rmse)),
    ("mae", |scores| Some(scores.mae)),
    ("mase", |scores| scores.mase),
    ("rmsse", |scores| scores.rmsse),
    ("smape", |scores| scores.smape),
    ("wape", |scores| scores.wape),
    ("bias", |scores| scores.bias),
    ("coverage", |scores| scores.coverage),
    ("width", |scores| scores.width),
    ("pinball", |scores| scores.pinball),
];

/// Errors by weeks ahead: `model`, `series`, `horizon`, the [`ERRORS`], `target`; in the order of the members, then of the
/// series by name.
///
/// # Errors
/// When a number of weeks is too large for its column.
pub fn horizons_table(panel: &Panel, members: &[Member<'_>]) -> Result<Table> {
    let mut rows: Vec<(&str, &str, i32, &Scores)> = Vec::new();
    for Member { model, entry } in members {
        for (name, ahead) in panel.names.iter().zip(&entry.by_horizon) {
            for (weeks, scores) in ahead.iter().enumerate() {
                rows.push((model, name, i32::try_from(weeks + 1)?, scores));
            }
        }
    }
    let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("model", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))), false),
        ("series", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))), false),
        ("horizon", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.2))), false),
    ];
    columns.extend(ERRORS.map(|(name, of)| (name, floats(rows.iter().map(|row| of(row.3))), true)));
    columns.push(target(panel, rows.len()));
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
}

/// Every member against the best one: `model`, `best`, `difference` (how much more a week it errs), `statistic`, `p_value`,
/// `p_adjusted`, `verdict`; in the order of the members. `verdicts` are in that order too.
///
/// # Errors
/// None that could happen: columns have the same length.
pub fn comparison_table(
    members: &[Member<'_>],
    best: &str,
    against: &[Option<Against>],
    verdicts: &[String],
) -> Result<Table> {
    let rows: Vec<(&str, Against, &str)> = members
        .iter()
        .zip(against)
        .zip(verdicts)
        .filter_map(|((member, against), verdict)| Some((member.model, (*against)?, verdict.as_str())))
        .collect();
    let number = |of: fn(&Against) -> f64| floats(rows.iter().map(|row| Some(of(&row.1))));
    let columns: [(&str, ArrayRef, bool); 7] = [
        ("model", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))), false),
        ("best", Arc::new(StringArray::from_iter_values(rows.iter().map(|_| best))), false),
        ("difference", number(|against| against.test.difference), true),
        ("statistic", number(|against| against.test.statistic), true),
        ("p_value", number(|against| against.test.p), true),
        ("p_adjusted", number(|against| against.p_adjusted), true),
        ("verdict", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2))), false),
    ];
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
}

/// The column that says what the series are of.
fn target(panel: &Panel, rows: usize) -> (&'static str, ArrayRef, bool) {
    let names = std::iter::repeat_n(panel.target.as_str(), rows);
    ("target", Arc::new(StringArray::from_iter_values(names)), false)
}

fn points(entry: &Entry, series: usize) -> impl Iterator<Item = &Point> {
    entry.backtest.points.iter().filter(move |point| point.series == series)
}

/// Numbers, with null for those that aren't finite.
fn floats(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.map(|value| value.filter(|value| value.is_finite())).collect::<Float64Array>())
}

//! Charts from tables: which columns become what.
//!
//! Knows the columns that stages exchange, no stages. Tables with a row a customer are streamed;
//! those with a row a segment, week or model are read whole.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use arrow::array::{Array, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Schema};

use super::heat::MOST;
use super::scatter::Side;
use super::{
    Across, Bars, Bin, Curve, Fan, Group, Heat, Importance, Leaderboard, Lines, Measure, Panel, Reliability,
    Scatter, Selection, Series, Step, sample,
};
use crate::data::Table;
use crate::data::columns::{column, float_vec, strings, timestamps};
use crate::present::format::{Unit, words};

pub use super::counts::{histogram, of_customers, wants_log};

/// Microseconds in a day.
const DAY: i64 = 86_400_000_000;

/// Measures whose sum over segments is the whole.
const ADDITIVE: [&str; 5] = ["customers", "revenue", "orders", "customer_share", "revenue_share"];

/// Different series, rows or columns that a chart is made of at most.
const DIFFERENT: usize = 1_000;

/// Points of a scatter.
pub const SAMPLE: usize = 1_000;

/// Where the groups of a scatter come from.
#[derive(Clone, Copy, Debug)]
pub enum Groups<'a> {
    /// All points are alike.
    None,
    /// A column of the same table.
    Column(&'a str),
    /// The segment of the same customer in another table, with names of segments.
    Assigned(&'a Table, &'a HashMap<String, String>),
}

/// The named columns of a whole table.
///
/// # Errors
/// When a column doesn't exist or the table can't be read.
pub fn gather(table: &Table, columns: &[&str]) -> Result<RecordBatch> {
    let indices = columns.iter().map(|name| table.index_of(name)).collect::<Result<Vec<_>>>()?;
    let schema = Schema::new(table.schema().project(&indices)?.fields().clone());
    let batches = table.select(columns)?.collect::<Result<Vec<_>>>()?;
    Ok(concat_batches(&schema.into(), &batches)?)
}

/// A column as labels; numbers of segments become `segment 3`, missing values stay empty.
///
/// # Errors
/// When the column doesn't exist or has no text form.
pub fn labels(batch: &RecordBatch, name: &str) -> Result<Vec<String>> {
    let numbered = name == "segment" && column(batch, name)?.data_type().is_integer();
    let texts = strings(batch, name)?;
    let label = |text: &str| if numbered { format!("segment {text}") } else { text.to_owned() };
    Ok(texts.iter().map(|text| text.map_or_else(String::new, label)).collect())
}

/// A date column as days since 1970-01-01; `None` where it is missing.
///
/// # Errors
/// When the column doesn't exist or holds no dates.
pub fn days(batch: &RecordBatch, name: &str) -> Result<Vec<Option<i64>>> {
    let micros = timestamps(batch, name)?;
    Ok(micros.iter().map(|micros| micros.map(|micros| micros.div_euclid(DAY))).collect())
}

/// One bar a row.
///
/// # Errors
/// When a column doesn't exist or a measure isn't a number.
pub fn bars(
    table: &Table,
    name: &str,
    measures: &[(&str, Unit)],
    ends: Option<(&str, &str)>,
) -> Result<Bars> {
    let columns = std::iter::once(name).chain(measures.iter().map(|(column, _)| *column));
    let columns: Vec<_> = columns.chain(ends.into_iter().flat_map(|(low, high)| [low, high])).collect();
    let batch = gather(table, &columns)?;
    let measure = |(column, unit): &(&str, Unit)| {
        let (name, unit) = (share_of(column, unit), unit.clone());
        Ok(Measure { name, unit, values: float_vec(&batch, column)? })
    };
    Ok(Bars {
        title: None,
        names: labels(&batch, name)?,
        measures: measures.iter().map(measure).collect::<Result<_>>()?,
        additive: measures.iter().all(|(column, _)| ADDITIVE.contains(column)),
        focus: None,
        intervals: match ends {
            Some((low, high)) => float_vec(&batch, low)?.into_iter().zip(float_vec(&batch, high)?).collect(),
            None => Vec::new(),
        },
    })
}

/// One line a value of `series`, over dates or numbers.
///
/// # Errors
/// When a column doesn't exist or has the wrong type.
pub fn lines(table: &Table, x: &str, y: &str, series: Option<&str>, unit: Unit) -> Result<Lines> {
    let batch = gather(table, &[&[x, y], series.as_slice()].concat())?;
    let dated = is_date(column(&batch, x)?.data_type());
    let places: Vec<f64> = if dated {
        days(&batch, x)?.into_iter().map(|day| day.map_or(f64::NAN, |day| day as f64)).collect()
    } else {
        float_vec(&batch, x)?
    };
    let names =
        series.map_or_else(|| Ok(vec![words(y); batch.num_rows()]), |series| labels(&batch, series))?;
    let mut order = Names::default();
    let mut lines: Vec<Series> = Vec::new();
    let points = places.into_iter().zip(float_vec(&batch, y)?);
    for (name, point) in names.into_iter().zip(points).filter(|(_, point)| point.0.is_finite()) {
        let place = order.place(&name, series.unwrap_or(y))?;
        match lines.get_mut(place) {
            Some(line) => line.points.push(point),
            None => lines.push(Series { name, points: vec![point] }),
        }
    }
    lines.iter_mut().for_each(|line| line.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    let across = match (dated, x) {
        (true, "period") => Across::Dates("week beginning".to_owned()),
        (true, _) => Across::Dates(words(x)),
        (false, _) => Across::Numbers(words(x)),
    };
    let measure = if x == "period" { format!("{} a week", words(y)) } else { words(y) };
    Ok(Lines { title: None, measure, unit, across, series: lines, order: Vec::new() })
}

/// The named columns of a forecast's rows that come from the best model of each series; of all rows
/// where the table doesn't say which model is best.
///
/// # Errors
/// When a column doesn't exist or the table can't be read.
pub fn best(forecast: &Table, columns: &[&str]) -> Result<RecordBatch> {
    let batch = gather(forecast, columns)?;
    if !forecast.has("best") {
        return Ok(batch);
    }
    let best = float_vec(&gather(forecast, &["best"])?, "best")?;
    let kept: BooleanArray = best.into_iter().map(|best| Some(best > 0.0)).collect();
    Ok(filter_record_batch(&batch, &kept)?)
}

/// The column that a forecast, its scores or its back-test are of, where the table says so.
///
/// # Errors
/// When the column has no text form.
pub fn target(table: &Table) -> Result<Option<String>> {
    if !table.has("target") {
        return Ok(None);
    }
    let first = labels(&gather(table, &["target"])?, "target")?.into_iter().next();
    Ok(first.filter(|column| !column.is_empty()))
}

/// One panel a series: its history, and the best model's forecast of it.
///
/// # Errors
/// When a column doesn't exist or has the wrong type.
pub fn fan(forecast: &Table, history: Option<&Table>, measure: &str, unit: Unit) -> Result<Fan> {
    let past =
        history.map(|table| lines(table, "period", measure, Some("series"), unit.clone())).transpose()?;
    let mut panels = steps(forecast)?;
    for panel in &mut panels {
        let line = past.as_ref().and_then(|past| past.series.iter().find(|line| line.name == panel.name));
        let first = panel.steps.first().map_or(i64::MAX, |step| step.day);
        let points = line.into_iter().flat_map(|line| &line.points);
        #[expect(clippy::cast_possible_truncation, reason = "days of dates are whole")]
        let points = points.map(|(day, value)| (*day as i64, *value));
        panel.history = points.filter(|(day, _)| *day < first).collect();
    }
    panels.sort_by_key(|panel| panel.name != "all");
    Ok(Fan { title: None, measure: format!("{} a week", words(measure)), unit, panels })
}

/// Points by two measures, at most [`SAMPLE`] of them.
///
/// # Errors
/// When a column doesn't exist or isn't a number.
pub fn scatter(
    table: &Table,
    x: Side,
    y: Side,
    columns: (&str, &str),
    groups: Groups<'_>,
) -> Result<Scatter> {
    let key = match groups {
        Groups::None => None,
        Groups::Column(name) => Some(name),
        Groups::Assigned(..) => Some("customer_id"),
    };
    let (points, mut keys) = sampled(table, &[&[columns.0, columns.1], key.as_slice()].concat())?;
    if let Groups::Assigned(assignments, names) = groups {
        keys = assigned(assignments, names, &keys)?;
    }
    let mut grouped: Vec<Group> = Vec::new();
    for (name, point) in keys.into_iter().zip(points) {
        match grouped.iter_mut().find(|group| group.name == name) {
            Some(group) => group.points.push(point),
            None => grouped.push(Group { name, points: vec![point] }),
        }
    }
    grouped.sort_by(|a, b| b.points.len().cmp(&a.points.len()).then_with(|| a.name.cmp(&b.name)));
    Ok(Scatter { title: None, x, y, groups: grouped, of: table.rows() })
}

/// One cell a row of the table: `value` at row `y`, column `x`.
///
/// # Errors
/// When a column doesn't exist or the value isn't a number.
pub fn heat(table: &Table, x: &str, y: &str, value: &str) -> Result<Heat> {
    let batch = gather(table, &[x, y, value])?;
    let (across, down) = (labels(&batch, x)?, labels(&batch, y)?);
    let (mut columns, mut rows) = (Names::default(), Names::default());
    let mut cells = Vec::with_capacity(batch.num_rows());
    for ((column, row), value) in across.iter().zip(&down).zip(float_vec(&batch, value)?) {
        cells.push((columns.place(column, x)?, rows.place(row, y)?, value));
    }
    let mut values = vec![vec![f64::NAN; columns.list.len()]; rows.list.len()];
    for (column, row, value) in cells {
        if let Some(cell) = values.get_mut(row).and_then(|row| row.get_mut(column)) {
            *cell = value;
        }
    }
    let (columns, rows) = (columns.list, rows.list);
    Ok(Heat { title: None, rows: rows.iter().map(|row| words(row)).collect(), columns, values, most: MOST })
}

/// Measures over numbers of segments; those that the table lacks are left out.
///
/// # Errors
/// When there is no column `k` or a measure isn't a number.
pub fn selection(table: &Table, chosen: Option<f64>) -> Result<Selection> {
    let known = [
        ("silhouette", "silhouette (higher is better)"),
        ("davies_bouldin", "Davies-Bouldin (lower is better)"),
        ("inertia", "inertia (look for the bend)"),
    ];
    let present: Vec<_> = known.into_iter().filter(|(column, _)| table.has(column)).collect();
    let columns: Vec<_> = std::iter::once("k").chain(present.iter().map(|(column, _)| *column)).collect();
    let batch = gather(table, &columns)?;
    let curve = |(column, name): &(&str, &str)| {
        Ok(Curve { name: (*name).to_owned(), values: float_vec(&batch, column)? })
    };
    let curves = present.iter().map(curve).collect::<Result<_>>()?;
    Ok(Selection { title: None, numbers: float_vec(&batch, "k")?, curves, chosen })
}

/// Predictions against outcomes.
///
/// # Errors
/// When a column doesn't exist or isn't a number.
pub fn reliability(table: &Table) -> Result<Reliability> {
    let batch = gather(table, &["predicted", "observed", "customers"])?;
    let (predicted, observed) = (float_vec(&batch, "predicted")?, float_vec(&batch, "observed")?);
    let pairs = predicted.into_iter().zip(observed).zip(float_vec(&batch, "customers")?);
    let mut bins: Vec<_> =
        pairs.map(|((predicted, observed), customers)| Bin { predicted, observed, customers }).collect();
    bins.sort_by(|a, b| a.predicted.total_cmp(&b.predicted));
    Ok(Reliability { title: None, bins })
}

/// Features with their importance.
///
/// # Errors
/// When a column doesn't exist or isn't a number.
pub fn importance(table: &Table, name: &str, value: &str) -> Result<Importance> {
    let batch = gather(table, &[name, value])?;
    Ok(Importance {
        title: None,
        features: labels(&batch, name)?.into_iter().zip(float_vec(&batch, value)?).collect(),
    })
}

/// Variants by rank where the table has one, else in its order.
///
/// # Errors
/// When a column doesn't exist or isn't a number.
pub fn leaderboard(table: &Table, name: &str, objective: &str) -> Result<Leaderboard> {
    let batch = gather(table, &[name, objective])?;
    let ranks = if table.has("rank") { float_vec(&gather(table, &["rank"])?, "rank")? } else { Vec::new() };
    let ends = ["low", "high"].map(|end| format!("{objective}.{end}"));
    let intervals = if ends.iter().all(|end| table.has(end)) {
        let batch = gather(table, &[&ends[0], &ends[1]])?;
        float_vec(&batch, &ends[0])?.into_iter().zip(float_vec(&batch, &ends[1])?).collect()
    } else {
        vec![(f64::NAN, f64::NAN); batch.num_rows()]
    };
    let variants = labels(&batch, name)?.into_iter().zip(float_vec(&batch, objective)?).zip(intervals);
    let mut ranked: Vec<_> =
        variants.enumerate().map(|(at, v)| (ranks.get(at).copied().unwrap_or(0.0), v)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (variants, intervals) = ranked.into_iter().map(|(_, variant)| variant).unzip();
    Ok(Leaderboard { title: None, objective: objective.to_owned(), variants, intervals })
}

/// The column of a leaderboard's results: its last number, named as the objective.
///
/// # Errors
/// When there is no such column.
pub fn objective(table: &Table) -> Result<String> {
    let fields = table.schema().fields().iter();
    let mut numbers =
        fields.filter(|field| *field.data_type() == DataType::Float64 && field.name() != "rank");
    let last =
        numbers.next_back().context("there is no column of results: a number named as the objective")?;
    Ok(last.name().clone())
}

/// Whether a column's type is a date or a timestamp.
pub fn is_date(kind: &DataType) -> bool {
    matches!(kind, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

/// What a column of shares divides: `customer_share` is a share of customers.
fn share_of(column: &str, unit: &Unit) -> String {
    match (column, unit) {
        ("customer_share", Unit::Percent) => "customers".to_owned(),
        ("revenue_share", Unit::Percent) => "revenue".to_owned(),
        _ => words(column),
    }
}

fn steps(forecast: &Table) -> Result<Vec<Panel>> {
    let batch = best(forecast, &["series", "period", "model", "mean", "lower", "upper"])?;
    let (names, models, periods) =
        (labels(&batch, "series")?, labels(&batch, "model")?, days(&batch, "period")?);
    let (mean, lower) = (float_vec(&batch, "mean")?, float_vec(&batch, "lower")?);
    let values = mean.into_iter().zip(lower).zip(float_vec(&batch, "upper")?).zip(totals(forecast)?);
    let mut order = Names::default();
    let mut panels: Vec<(String, Panel)> = Vec::new();
    for (((name, model), day), (((mean, lower), upper), total)) in
        names.into_iter().zip(models).zip(periods).zip(values)
    {
        let Some(day) = day else { continue };
        let step = Step { day, mean, lower, upper, total };
        match panels.get_mut(order.place(&name, "series")?) {
            Some((of, panel)) if *of == model => panel.steps.push(step),
            Some(_) => {}
            None => panels.push((model, Panel { name, history: Vec::new(), steps: vec![step] })),
        }
    }
    panels.iter_mut().for_each(|(_, panel)| panel.steps.sort_by_key(|step| step.day));
    Ok(panels.into_iter().map(|(_, panel)| panel).collect())
}

/// The interval of the total up to each row; none where the table has none.
fn totals(forecast: &Table) -> Result<Vec<Option<(f64, f64)>>> {
    let ends = ["total_lower", "total_upper"];
    if !ends.iter().all(|end| forecast.has(end)) {
        return Ok(vec![None; forecast.rows()]);
    }
    let batch = best(forecast, &ends)?;
    let pairs = float_vec(&batch, ends[0])?.into_iter().zip(float_vec(&batch, ends[1])?);
    Ok(pairs
        .map(|(lower, upper)| (lower.is_finite() && upper.is_finite()).then_some((lower, upper)))
        .collect())
}

/// Points, and the key of each.
type Keyed = (Vec<(f64, f64)>, Vec<String>);

/// The two measures and the key of sampled rows.
fn sampled(table: &Table, columns: &[&str]) -> Result<Keyed> {
    let places = sample::places(table.rows(), SAMPLE);
    let (mut points, mut keys) = (Vec::new(), Vec::new());
    let mut before = 0;
    for batch in table.select(columns)? {
        let batch = batch?;
        let all = batch.num_rows();
        let wanted = places.iter().filter_map(|place| place.checked_sub(before));
        let batch = rows(&batch, wanted.filter(|row| *row < batch.num_rows()))?;
        before += all;
        let [x, y, key @ ..] = columns else { continue };
        points.extend(float_vec(&batch, x)?.into_iter().zip(float_vec(&batch, y)?));
        let names = key.first().map(|key| labels(&batch, key)).transpose()?;
        keys.extend(names.unwrap_or_else(|| vec![String::new(); batch.num_rows()]));
    }
    Ok((points, keys))
}

/// The segment's name for each customer; empty for one that has none.
fn assigned(
    assignments: &Table,
    names: &HashMap<String, String>,
    customers: &[String],
) -> Result<Vec<String>> {
    let places: hashbrown::HashMap<&str, usize> =
        customers.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
    let mut out = vec!["no segment".to_owned(); customers.len()];
    for batch in assignments.select(&["customer_id", "segment"])? {
        let batch = batch?;
        let ids = strings(&batch, "customer_id")?;
        let place = |(row, id): (usize, Option<&str>)| Some((row, *places.get(id?)?));
        let found: Vec<_> = ids.iter().enumerate().filter_map(place).collect();
        let segments = labels(&rows(&batch, found.iter().map(|(row, _)| *row))?, "segment")?;
        for ((_, place), segment) in found.into_iter().zip(segments) {
            if let Some(slot) = out.get_mut(place) {
                *slot = names.get(&segment).cloned().unwrap_or(segment);
            }
        }
    }
    Ok(out)
}

/// Some rows of a batch, in the order asked for.
fn rows(batch: &RecordBatch, wanted: impl Iterator<Item = usize>) -> Result<RecordBatch> {
    let wanted: UInt64Array = wanted.map(|row| row as u64).collect();
    Ok(take_record_batch(batch, &wanted)?)
}

/// Different names, in the order of their first appearance.
#[derive(Default)]
struct Names {
    list: Vec<String>,
    places: HashMap<String, usize>,
}

impl Names {
    /// The place of a name, a new one at the end.
    fn place(&mut self, name: &str, column: &str) -> Result<usize> {
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        if self.list.len() == DIFFERENT {
            bail!("column `{column}` has more than {DIFFERENT} different values");
        }
        self.places.insert(name.to_owned(), self.list.len());
        self.list.push(name.to_owned());
        Ok(self.list.len() - 1)
    }
}

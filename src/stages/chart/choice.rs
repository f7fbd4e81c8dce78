//! Which columns a chart is drawn from: those that are named, else the usual ones.

use anyhow::Result;

use super::{Chart, Format, Shape};
use crate::data::Table;
use crate::data::columns::{Holds, Wanted, require};
use crate::diagnostic::quoted;
use crate::present::format::Unit;
use crate::stage::Failure;

/// The usual columns of a type: for `x`, `y` and `color`, in order of preference.
fn usual(shape: Shape, key: &str) -> &'static [&'static str] {
    match (shape, key) {
        (Shape::Bars, "x") => {
            &["name", "segment", "model", "variant", "series", "band", "feature", "category"]
        }
        (Shape::Bars, "y") => &["customers", "revenue", "importance", "auc", "value"],
        (Shape::Lines, "x") => &["period", "k", "horizon"],
        (Shape::Lines, "y") => &["revenue", "silhouette"],
        (Shape::Lines, "color") => &["series"],
        (Shape::Forecast, "y") => &["revenue"],
        (Shape::Scatter, "x") => &["frequency"],
        (Shape::Scatter, "y") => &["monetary"],
        (Shape::Scatter, "color") => &["segment"],
        (Shape::Heatmap, "x") => &["name", "segment"],
        (Shape::Heatmap, "y") => &["feature"],
        (Shape::Importance, "x") => &["feature", "parameter"],
        (Shape::Heatmap, "color") => &["difference"],
        (Shape::Histogram, "x") => &["probability", "monetary"],
        (Shape::Histogram, "color") => &["band"],
        (Shape::Importance, "y") => &["importance"],
        (Shape::Leaderboard, "x") => &["variant"],
        _ => &[],
    }
}

/// The column for a key.
///
/// # Errors
/// When the column that is named doesn't exist, or none is named and no usual one exists.
pub fn required(chart: &Chart, table: &Table, key: &'static str, named: &str) -> Result<String> {
    if let Some(column) = optional(chart, table, key, named)? {
        return Ok(column);
    }
    let message = format!("`{key}` names no column, and `input` has none of the usual names");
    Err(Failure::new(message).hint(format!("there are {}", columns(table))).at(key).into())
}

/// The column for a key, where one is named or a usual one exists.
///
/// # Errors
/// When the column that is named doesn't exist.
pub fn optional(chart: &Chart, table: &Table, key: &'static str, named: &str) -> Result<Option<String>> {
    if named.is_empty() {
        let known = usual(chart.shape, key).iter().find(|column| table.has(column));
        return Ok(known.map(|column| (*column).to_owned()));
    }
    require(table.schema(), &[Wanted::new(key, named, holds(chart.shape, key))])?;
    Ok(Some(named.to_owned()))
}

/// What a column must hold that is named for a key.
fn holds(shape: Shape, key: &str) -> Holds {
    let lengths = matches!(shape, Shape::Bars | Shape::Lines | Shape::Forecast | Shape::Importance);
    match key {
        "y" if lengths => Holds::Numbers,
        "y2" | "low" | "high" => Holds::Numbers,
        _ => Holds::Anything,
    }
}

/// The columns of the ends of `y`'s intervals, where they are named or the table has them by their usual names.
///
/// # Errors
/// When a column that is named doesn't exist, or holds no numbers.
pub fn interval(chart: &Chart, table: &Table, y: &str) -> Result<Option<(String, String)>> {
    if !chart.low.is_empty() {
        let end = |key, named: &String| optional(chart, table, key, named);
        return Ok(end("low", &chart.low)?.zip(end("high", &chart.high)?));
    }
    let usual = ['.', '_'].map(|mark| (format!("{y}{mark}low"), format!("{y}{mark}high")));
    let numbers = |name: &String| {
        let field = table.schema().field_with_name(name);
        field.is_ok_and(|field| field.data_type().is_numeric())
    };
    Ok(usual.into_iter().find(|(low, high)| numbers(low) && numbers(high)))
}

/// How values of a column are written.
pub fn unit(chart: &Chart, column: &str) -> Unit {
    match chart.format {
        Format::Number => Unit::Number,
        Format::Percent => Unit::Percent,
        Format::Money => Unit::Money(chart.currency.clone()),
        Format::Auto => by_name(column, &chart.currency),
    }
}

/// How values of `y2` are written: what makes `y` money says nothing of it.
pub fn second_unit(chart: &Chart, column: &str) -> Unit {
    match chart.format {
        Format::Money => by_name(column, &chart.currency),
        _ => unit(chart, column),
    }
}

/// What a column's name says that it counts.
fn by_name(column: &str, currency: &str) -> Unit {
    const MONEY: [&str; 6] = ["revenue", "monetary", "amount", "spend", "value", "price"];
    const COUNTS: [&str; 6] = ["count", "counts", "n", "num", "number", "rank"];
    let counts = column.split('_').any(|word| COUNTS.contains(&word)) || column.contains("spender");
    match column {
        _ if column.ends_with("share") || column == "probability" => Unit::Percent,
        _ if !counts && MONEY.iter().any(|word| column.contains(word)) => Unit::Money(currency.to_owned()),
        _ => Unit::Number,
    }
}

fn columns(table: &Table) -> String {
    quoted(table.schema().fields().iter().map(|field| field.name().as_str()), "and")
}

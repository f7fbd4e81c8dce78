//! Which columns a chart is drawn from: those that are named, else the usual ones.

use anyhow::Result;

use super::{Chart, Format, Shape};
use crate::data::Table;
use crate::diagnostic::{did_you_mean, quoted};
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
    if table.has(named) {
        return Ok(Some(named.to_owned()));
    }
    let fields = table.schema().fields();
    let near = did_you_mean(named, fields.iter().map(|field| field.name().as_str()));
    let hint = near
        .map_or_else(|| format!("there are {}", columns(table)), |near| format!("did you mean `{near}`?"));
    Err(Failure::new(format!("`input` has no column `{named}`")).hint(hint).at(key).into())
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

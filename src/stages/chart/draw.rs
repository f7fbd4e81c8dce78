//! The chart of each type, from the chosen columns.

use std::collections::HashMap;

use anyhow::Result;

use super::choice::{interval, optional, required, second_unit, unit};
use super::{Chart, Shape, unfit};
use crate::data::Table;
use crate::present::chart::scatter::Side;
use crate::present::chart::{
    Bars, Chart as Picture, Fan, Heat, Histogram, Importance, Landscape, Leaderboard, Lines, Parallel,
    Reliability, Scatter, Selection, read, trials,
};
use crate::present::format::words;
use crate::stage::{Context, Failure};

/// Rows that make bars; a table with more is no summary.
const BARS: usize = 1_000;

/// The chart, ready to be drawn at any width.
///
/// # Errors
/// When a column is missing or has the wrong type, or the table has too many rows for bars.
pub fn chart(chart: &Chart, ctx: &Context<'_>, table: &Table) -> Result<Box<dyn Picture>> {
    match chart.shape {
        Shape::Bars => bars(chart, table),
        Shape::Lines => lines(chart, table),
        Shape::Forecast => forecast(chart, ctx, table),
        Shape::Scatter => scatter(chart, ctx, table),
        Shape::Heatmap => heatmap(chart, table),
        Shape::Histogram => histogram(chart, table),
        Shape::Importance => importance(chart, table),
        Shape::Leaderboard => leaderboard(chart, table),
        Shape::Parallel => parallel(chart, table),
        Shape::Landscape => landscape(chart, table),
        Shape::Selection => {
            let selection = fit(chart, read::selection(table, None))?;
            Ok(Box::new(Selection { title: title(chart), ..selection }))
        }
        Shape::Reliability => {
            let reliability = fit(chart, read::reliability(table))?;
            Ok(Box::new(Reliability { title: title(chart), ..reliability }))
        }
    }
}

fn title(chart: &Chart) -> Option<String> {
    (!chart.title.is_empty()).then(|| chart.title.clone())
}

fn fit<T>(chart: &Chart, read: Result<T>) -> Result<T> {
    read.map_err(|error| unfit(chart.shape, &error).into())
}

fn bars(chart: &Chart, table: &Table) -> Result<Box<dyn Picture>> {
    let (x, y) = (required(chart, table, "x", &chart.x)?, required(chart, table, "y", &chart.y)?);
    let second = if chart.y2.is_empty() { None } else { optional(chart, table, "y2", &chart.y2)? };
    if table.rows() > BARS {
        let message = format!("`input` has {} rows, and a chart has one bar a row", table.rows());
        return Err(Failure::new(message).hint("sum it up in a `sql` stage first").at("input").into());
    }
    let second = second.as_deref().map(|y2| (y2, second_unit(chart, y2)));
    let ends = interval(chart, table, &y)?;
    let ends = ends.as_ref().map(|(low, high)| (low.as_str(), high.as_str()));
    let measures: Vec<_> = std::iter::once((y.as_str(), unit(chart, &y))).chain(second).collect();
    let bars = fit(chart, read::bars(table, &x, &measures, ends))?;
    Ok(Box::new(Bars { title: title(chart), ..bars }))
}

fn lines(chart: &Chart, table: &Table) -> Result<Box<dyn Picture>> {
    let (x, y) = (required(chart, table, "x", &chart.x)?, required(chart, table, "y", &chart.y)?);
    let color = optional(chart, table, "color", &chart.color)?;
    let lines = fit(chart, read::lines(table, &x, &y, color.as_deref(), unit(chart, &y)))?;
    Ok(Box::new(Lines { title: title(chart), ..lines }))
}

fn forecast(chart: &Chart, ctx: &Context<'_>, table: &Table) -> Result<Box<dyn Picture>> {
    let history = chart.history.as_ref().map(|_| ctx.table("history")).transpose()?;
    let named = fit(chart, read::target(table))?.filter(|_| chart.y.is_empty());
    let y = match (&history, named) {
        (Some(history), Some(target)) if history.has(&target) => target,
        (Some(history), _) => required(chart, history, "y", &chart.y)?,
        (None, Some(target)) => target,
        (None, None) if chart.y.is_empty() => "revenue".to_owned(),
        (None, None) => chart.y.clone(),
    };
    let fan = fit(chart, read::fan(table, history.as_ref(), &y, unit(chart, &y)))?;
    Ok(Box::new(Fan { title: title(chart), ..fan }))
}

fn scatter(chart: &Chart, ctx: &Context<'_>, table: &Table) -> Result<Box<dyn Picture>> {
    let (x, y) = (required(chart, table, "x", &chart.x)?, required(chart, table, "y", &chart.y)?);
    let color = optional(chart, table, "color", &chart.color)?;
    let assignments = chart.segments.as_ref().map(|_| ctx.table("segments")).transpose()?;
    let names = HashMap::new();
    let groups = match (&assignments, &color) {
        (Some(assignments), _) => read::Groups::Assigned(assignments, &names),
        (None, Some(column)) => read::Groups::Column(column),
        (None, None) => read::Groups::None,
    };
    let side = |column: &str, log: bool| Side { name: words(column), unit: unit(chart, column), log };
    let sides = (side(&x, chart.log_x), side(&y, chart.log_y));
    let scatter = fit(chart, read::scatter(table, sides.0, sides.1, (&x, &y), groups))?;
    Ok(Box::new(Scatter { title: title(chart), ..scatter }))
}

fn heatmap(chart: &Chart, table: &Table) -> Result<Box<dyn Picture>> {
    let (x, y) = (required(chart, table, "x", &chart.x)?, required(chart, table, "y", &chart.y)?);
    let value = required(chart, table, "color", &chart.color)?;
    let heat = fit(chart, read::heat(table, &x, &y, &value))?;
    Ok(Box::new(Heat { title: title(chart), ..heat }))
}

fn histogram(chart: &Chart, table: &Table) -> Result<Box<dyn Picture>> {
    let x = required(chart, table, "x", &chart.x)?;
    let band = if x == "probability" || !chart.color.is_empty() {
        optional(chart, table, "color", &chart.color)?
    } else {
        None
    };
    let histogram = fit(chart, read::histogram(table, &x, band.as_deref(), unit(chart, &x), chart.bins))?;
    let counted = if fit(chart, read::of_customers(table))? { "customers" } else { "rows" };
    Ok(Box::new(Histogram { title: title(chart), counted: counted.to_owned(), ..histogram }))
}

fn importance(chart: &Chart, table: &Table) -> Result<Box<dyn Picture>> {
    let (x, y) = (required(chart, table, "x", &chart.x)?, required(chart, table, "y", &chart.y)?);
    let importance = fit(chart, read::importance(table, &x, &y))?;
    Ok(Box::new(Importance { title: title(chart), ..importance }))
}

fn parallel(chart: &Chart, table: &Table) -> Result<Box<dyn Picture>> {
    let objective = result(chart, table, "color", &chart.color)?;
    let parallel = fit(chart, trials::parallel(table, &objective))?;
    Ok(Box::new(Parallel { title: title(chart), ..parallel }))
}

fn landscape(chart: &Chart, table: &Table) -> Result<Box<dyn Picture>> {
    let objective = result(chart, table, "color", &chart.color)?;
    let swept = trials::swept(table, &objective);
    let side = |key: &'static str, named: &str, other: &str| {
        if !named.is_empty() {
            return required(chart, table, key, named);
        }
        let free = swept.iter().find(|name| **name != other);
        free.cloned().ok_or_else(|| {
            let message = "a landscape takes two swept parameters, and `input` has fewer";
            Failure::new(message)
                .hint("the types `leaderboard` and `parallel` take any number")
                .at("input")
                .into()
        })
    };
    let x = side("x", &chart.x, &chart.y)?;
    let y = side("y", &chart.y, &x)?;
    let landscape = fit(chart, trials::landscape(table, &x, &y, &objective))?;
    Ok(Box::new(Landscape { title: title(chart), ..landscape }))
}

/// The column of results: the named one, else the objective.
fn result(chart: &Chart, table: &Table, key: &'static str, named: &str) -> Result<String> {
    if named.is_empty() { fit(chart, read::objective(table)) } else { required(chart, table, key, named) }
}

fn leaderboard(chart: &Chart, table: &Table) -> Result<Box<dyn Picture>> {
    let x = required(chart, table, "x", &chart.x)?;
    let objective = result(chart, table, "y", &chart.y)?;
    let board = fit(chart, read::leaderboard(table, &x, &objective))?;
    Ok(Box::new(Leaderboard { title: title(chart), ..board }))
}

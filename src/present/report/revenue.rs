//! Section: revenue so far, by segment and week.

use anyhow::Result;
use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, Tile, care, figure, name, plain, signed};
use super::{Inputs, Misfit, of};
use crate::data::Table;
use crate::present::chart::trend::{Trend, is_weekly, trend};
use crate::present::chart::{Lines, Series, read};
use crate::present::format::{Unit, counted, percent};

/// Weeks below which a season can't be told from a trend.
const YEAR: usize = 52;

/// A last week below this part of the usual week is taken for an incomplete one.
const INCOMPLETE: f64 = 0.5;

/// The section, where series are given.
pub fn chapter(inputs: &Inputs, money: &Unit) -> Result<Option<Chapter>, Misfit> {
    let Some(table) = &inputs.series else { return Ok(None) };
    write(table, money).map(Some).map_err(of("series"))
}

/// The first and the last day of the series.
pub fn days(series: &Table) -> Result<Option<(i64, i64)>> {
    let days = read::days(&read::gather(series, &["period"])?, "period")?;
    let known = || days.iter().flatten().copied();
    Ok(known().min().zip(known().max()))
}

fn write(table: &Table, money: &Unit) -> Result<Chapter> {
    let mut lines = read::lines(table, "period", "revenue", Some("series"), money.clone())?;
    let total = lines.total();
    let values: Vec<_> = total.iter().map(|(_, value)| *value).collect();
    #[expect(clippy::cast_possible_truncation, reason = "days of dates are whole")]
    let weekly = is_weekly(total.iter().map(|(day, _)| *day as i64));
    let overall = trend(&values).filter(|_| weekly);
    let moves = if weekly { moves(&lines) } else { Vec::new() };
    let text = overall.map(|trend| sentence(&trend, money));
    let moved = movers(&moves, money);
    let grid = grid(&moves, money);
    let single = moves.len() < 2;
    lines.title = moved.or(lines.title);
    let body = html! {
        @match &text { Some(text) => { p { (text) } } None => { p { "There are too few weeks to speak of a trend." } } }
        (cautions(&values))
        (figure(&lines)?)
        @if !single { (grid.render()) }
    };
    let tiles = overall.map(|trend| tile(&trend, money)).into_iter().collect();
    Ok(Chapter { heading: "Revenue so far", tiles, brief: text.into_iter().collect(), body })
}

fn sentence(trend: &Trend, money: &Unit) -> Markup {
    let weeks = counted(trend.weeks, "week", "weeks");
    html! { "Revenue of the last " (weeks) " is " (money.short(trend.recent)) ", " (trend.words()) "." }
}

/// The trend of each segment; none where there is only the whole.
fn moves(lines: &Lines) -> Vec<(&Series, Trend)> {
    let parts = lines.series.iter().filter(|series| series.name != "all");
    let of = |series: &Series| trend(&series.points.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    parts.filter_map(|series| of(series).map(|trend| (series, trend))).collect()
}

/// The segments that gained and lost most money, as the chart's title.
fn movers(moves: &[(&Series, Trend)], money: &Unit) -> Option<String> {
    let gain = |trend: &Trend| trend.recent - trend.year_ago.unwrap_or(trend.before);
    let said = |verb: &str, (series, trend): &(&Series, Trend)| {
        format!("{} {verb} most ({})", series.name, money.short(gain(trend).abs()))
    };
    let up =
        moves.iter().max_by(|a, b| gain(&a.1).total_cmp(&gain(&b.1))).filter(|(_, trend)| gain(trend) > 0.0);
    let down =
        moves.iter().min_by(|a, b| gain(&a.1).total_cmp(&gain(&b.1))).filter(|(_, trend)| gain(trend) < 0.0);
    let parts: Vec<_> =
        up.map(|up| said("gained", up)).into_iter().chain(down.map(|down| said("lost", down))).collect();
    (moves.len() > 1 && !parts.is_empty()).then(|| parts.join(", "))
}

fn cautions(values: &[f64]) -> Markup {
    let usual: Vec<_> = values.iter().rev().skip(1).take(8).copied().collect();
    let usual = super::spend::quantile(&super::spend::sorted(&usual), 0.5).filter(|usual| *usual > 0.0);
    let last = values.last().copied().unwrap_or(0.0);
    html! {
        @if values.len() > 1 && values.len() <= YEAR {
            (care(&html! { (counted(values.len(), "week", "weeks")) " are less than a year: a season can't be told from a trend" }))
        }
        @if let Some(usual) = usual.filter(|usual| last < INCOMPLETE * usual) {
            (care(&html! { "the last week has " (percent((last / usual).max(0.0))) " of the usual revenue; its data may be incomplete" }))
        }
    }
}

fn grid(moves: &[(&Series, Trend)], money: &Unit) -> Grid {
    let total: f64 = moves.iter().map(|(_, trend)| trend.recent).sum();
    let row = |(series, trend): &(&Series, Trend)| {
        let base = trend.year_ago.unwrap_or(trend.before);
        vec![
            name(&series.name),
            plain(money.short(trend.recent)),
            plain(percent(trend.recent / total)),
            plain(money.short(base)),
            trend.change().map_or_else(|| plain("–"), signed),
        ]
    };
    let yearly = moves.iter().any(|(_, trend)| trend.year_ago.is_some());
    Grid {
        caption: "Revenue of the last weeks by segment",
        columns: vec![
            Column::Text("Segment"),
            Column::Number("Last weeks"),
            Column::Number("Share"),
            Column::Number(if yearly { "A year earlier" } else { "Weeks before" }),
            Column::Number("Change"),
        ],
        rows: moves.iter().map(row).collect(),
        marked: Vec::new(),
    }
}

fn tile(trend: &Trend, money: &Unit) -> Tile {
    let against = if trend.year_ago.is_some() { "on a year earlier" } else { "on the weeks before" };
    let note = html! { @if let Some(part) = trend.change() { (signed(part)) " " (against) } };
    Tile {
        label: format!("Revenue, last {}", counted(trend.weeks, "week", "weeks")),
        value: money.short(trend.recent),
        note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_last_week_is_a_caution() {
        let mut weeks = vec![100.0; 60];
        assert_eq!(cautions(&weeks).into_string(), "");
        weeks.push(30.0);
        assert!(cautions(&weeks).into_string().contains("30% of the usual revenue"));
        assert!(cautions(&[1.0; 10]).into_string().contains("less than a year"));
        assert_eq!(cautions(&[]).into_string(), "");
    }
}

//! Section: revenue to expect, and how far the forecast can be trusted.

use anyhow::Result;
use maud::{Markup, html};

use super::accuracy;
use super::parts::{Chapter, Column, Grid, Tile, care, figure, name, plain, signed};
use super::{Inputs, Misfit, of};
use crate::data::Table;
use crate::present::chart::fan::Outlook;
use crate::present::chart::trend::QUARTER;
use crate::present::chart::{Fan, read};
use crate::present::format::{Unit, change, counted};

/// The section, where a forecast, its scores or its backtest are given.
pub fn chapter(inputs: &Inputs, money: &Unit) -> Result<Option<Chapter>, Misfit> {
    if inputs.forecast.is_none() && inputs.scores.is_none() && inputs.backtest.is_none() {
        return Ok(None);
    }
    let fan = inputs
        .forecast
        .as_ref()
        .map(|table| read::fan(table, inputs.series.as_ref(), "revenue", money.clone()));
    let mut fan = fan.transpose().map_err(of("forecast"))?;
    if let Some(fan) = &mut fan {
        fan.title = Some("Revenue so far and revenue to expect".to_owned());
    }
    let used = inputs.forecast.as_ref().map(models).transpose().map_err(of("forecast"))?.unwrap_or_default();
    let scores =
        inputs.scores.as_ref().map(accuracy::scores).transpose().map_err(of("scores"))?.unwrap_or_default();
    let outlook = fan.as_ref().and_then(|fan| fan.outlook(QUARTER));
    let text = outlook.map(|outlook| sentence(&outlook, money));
    let verdict = accuracy::verdict(&scores, &used);
    let body = html! {
        @if let Some(text) = &text { p { (text) } }
        @else if fan.is_some() { p { "There is no forecast in the data." } }
        @if let Some(outlook) = &outlook { (seasonal(outlook)) }
        @if let Some(fan) = fan.as_ref().filter(|_| outlook.is_some()) { (figure(fan).map_err(of("forecast"))?) }
        @if let Some(outlook) = &outlook { (interval(outlook)) }
        @if let Some(fan) = fan.as_ref().filter(|_| outlook.is_some()) { (grid(fan, money).render()) }
        @if !scores.is_empty() { h3 { "How good it has been" } (verdict) (accuracy::grid(&scores, &used, money).render()) }
        (backtested(inputs, &used)?)
    };
    let tiles = outlook.map(|outlook| tile(&outlook, money)).into_iter().collect();
    let brief = text.into_iter().chain(accuracy::warning(&scores, &used)).collect();
    Ok(Some(Chapter { heading: "Revenue to expect", tiles, brief, body }))
}

/// The models that made the forecast, by first appearance.
fn models(forecast: &Table) -> Result<Vec<String>> {
    let mut models = read::labels(&read::gather(forecast, &["model"])?, "model")?;
    let mut seen = Vec::new();
    models.retain(|model| {
        !seen.contains(model) && {
            seen.push(model.clone());
            true
        }
    });
    Ok(models)
}

fn sentence(outlook: &Outlook, money: &Unit) -> Markup {
    let weeks = counted(outlook.steps, "week", "weeks");
    let (lower, upper) = (money.short(outlook.lower), money.short(outlook.upper));
    html! {
        "The next " (weeks) " should bring " (money.short(outlook.mean)) " (" (lower) " to " (upper) ")"
        @if let Some((mean, low, high)) = outlook.changes() {
            ", " (change(mean)) " on the last " (weeks) " (" (change(low)) " to " (change(high)) ")"
        }
        "."
    }
}

/// Whether the interval leaves the direction open.
fn interval(outlook: &Outlook) -> Markup {
    let open = outlook.changes().is_some_and(|(_, low, high)| low < 0.0 && high > 0.0);
    html! {
        p.under { "The interval adds up the ends of the single weeks, as if all of them erred to the same side; the sum will hardly fall outside." }
        @if open { (care(&plain("the interval includes no change at all: neither growth nor decline is certain"))) }
    }
}

/// The same weeks of the year before, as a fairer base where there is a season.
fn seasonal(outlook: &Outlook) -> Markup {
    let base = outlook.year_ago.filter(|base| *base > 0.0);
    html! { @if let Some(base) = base { p { "Against the same weeks a year earlier that is " (signed(outlook.mean / base - 1.0)) "." } } }
}

fn grid(fan: &Fan, money: &Unit) -> Grid {
    let row = |(panel, outlook): (&str, Outlook)| {
        let changes = outlook.changes();
        vec![
            name(panel),
            plain(money.short(outlook.before.unwrap_or(f64::NAN))),
            plain(money.short(outlook.mean)),
            changes.map_or_else(|| plain("–"), |(mean, ..)| signed(mean)),
            plain(format!("{} to {}", money.short(outlook.lower), money.short(outlook.upper))),
        ]
    };
    let outlooks = fan.panels.iter().filter_map(|panel| Some((panel.name.as_str(), panel.outlook(QUARTER)?)));
    Grid {
        caption: "Revenue to expect by segment",
        columns: vec![
            Column::Text("Segment"),
            Column::Number("Last weeks"),
            Column::Number("Next weeks"),
            Column::Number("Change"),
            Column::Number("Interval"),
        ],
        rows: outlooks.map(row).collect(),
        marked: Vec::new(),
    }
}

fn backtested(inputs: &Inputs, used: &[String]) -> Result<Markup, Misfit> {
    let Some(table) = &inputs.backtest else { return Ok(html! {}) };
    let backtest = accuracy::backtest(table).map_err(of("backtest"))?;
    let chart = accuracy::by_horizon(&backtest, used);
    let drawn = if chart.series.is_empty() {
        html! {}
    } else {
        figure(&chart).map_err(of("backtest"))?
    };
    Ok(html! { (drawn) (accuracy::bias(&backtest, used)) })
}

fn tile(outlook: &Outlook, money: &Unit) -> Tile {
    let note = html! {
        @if let Some((mean, low, high)) = outlook.changes() {
            (signed(mean)) " on the last ones (" (change(low)) " to " (change(high)) ")"
        }
    };
    let label = format!("Expected, next {}", counted(outlook.steps, "week", "weeks"));
    Tile { label, value: money.short(outlook.mean), note }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outlook_has_its_change_and_interval() {
        let outlook = Outlook {
            steps: 13,
            before: Some(1_000.0),
            year_ago: None,
            mean: 1_100.0,
            lower: 900.0,
            upper: 1_300.0,
        };
        let text = sentence(&outlook, &Unit::Money("€".to_owned())).into_string();
        assert_eq!(
            text,
            "The next 13 weeks should bring €1,100 (€900 to €1,300), +10% on the last 13 weeks (−10% to +30%)."
        );
        assert!(interval(&outlook).into_string().contains("neither growth nor decline"));
    }

    #[test]
    fn without_history_there_is_no_change() {
        let outlook = Outlook { steps: 1, before: None, year_ago: None, mean: 5.0, lower: 4.0, upper: 6.0 };
        let text = sentence(&outlook, &Unit::Number).into_string();
        assert_eq!(text, "The next 1 week should bring 5 (4 to 6).");
    }
}

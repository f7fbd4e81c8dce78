//! Section: revenue to expect, and how far the forecast can be trusted.

use anyhow::Result;
use maud::{Markup, html};

use super::accuracy;
use super::parts::{Chapter, Column, Grid, Tile, capital, care, figure, name, plain, signed, than};
use super::{Inputs, Misfit, of, segments};
use crate::data::Table;
use crate::present::chart::fan::Outlook;
use crate::present::chart::trend::{QUARTER, Trend, trend};
use crate::present::chart::{Fan, read};
use crate::present::format::{Unit, counted};

/// A change against the year before from which repeating that year leaves something out.
const GROWTH: f64 = 0.03;

/// An interval wider than this part of the forecast is too wide to plan on.
const WIDE: f64 = 1.0;

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
        let names = segments::named(inputs)?;
        let place = |name: &str| names.iter().position(|(_, known)| known == name).unwrap_or(usize::MAX);
        fan.panels.sort_by_key(|panel| (panel.name != "all", place(&panel.name)));
        fan.title = Some("Revenue so far and revenue to expect".to_owned());
    }
    let used = inputs.forecast.as_ref().map(models).transpose().map_err(of("forecast"))?.unwrap_or_default();
    let scores =
        inputs.scores.as_ref().map(accuracy::scores).transpose().map_err(of("scores"))?.unwrap_or_default();
    let outlook = fan.as_ref().and_then(|fan| fan.outlook(QUARTER));
    let text = outlook.map(|outlook| sentence(&outlook, money));
    let verdict = accuracy::verdict(&scores, &used);
    let lately = lately(inputs).map_err(of("series"))?.filter(|_| accuracy::repeats(&used));
    let left_out = outlook.zip(lately).and_then(|(outlook, lately)| growth(&outlook, &lately, money));
    let body = html! {
        @if let Some(text) = &text { p { (text) } }
        @else if fan.is_some() { p { "There is no forecast in the data." } }
        @if let Some(left_out) = &left_out { (care(left_out)) }
        @if let Some(fan) = fan.as_ref().filter(|_| outlook.is_some()) { (figure(fan).map_err(of("forecast"))?) }
        @if let Some(outlook) = &outlook { (interval(outlook)) }
        @if let Some(fan) = fan.as_ref().filter(|_| outlook.is_some()) { (grid(fan, money).render()) }
        @if !scores.is_empty() { h3 { "How good it has been" } (verdict) (accuracy::grid(&scores, &used, money).render()) }
        (backtested(inputs, &used)?)
    };
    let tiles = outlook.map(|outlook| tile(&outlook, money)).into_iter().collect();
    let left_out = left_out.map(|left_out| html! { (capital(&left_out)) "." });
    let warning = left_out.or_else(|| accuracy::warning(&scores, &used));
    let brief = text.map(|text| html! { (text) @if let Some(warning) = &warning { " " (warning) } });
    let advice = outlook.map(|outlook| advice(&outlook, money)).into_iter().collect();
    let brief = brief.into_iter().collect();
    Ok(Some(Chapter { heading: "Revenue to expect", tiles, brief, advice, body }))
}

/// The models that made the forecast of the series `all`, else of any series.
fn models(forecast: &Table) -> Result<Vec<String>> {
    let batch = read::best(forecast, &["series", "model"])?;
    let series = read::labels(&batch, "series")?;
    let whole = series.iter().any(|series| series == "all");
    let rows = series.into_iter().zip(read::labels(&batch, "model")?);
    let mut seen = Vec::new();
    for (_, model) in rows.filter(|(series, _)| !whole || series == "all") {
        if !seen.contains(&model) {
            seen.push(model);
        }
    }
    Ok(seen)
}

/// How the whole revenue has changed of late.
fn lately(inputs: &Inputs) -> Result<Option<Trend>> {
    let Some(table) = &inputs.series else { return Ok(None) };
    let total = read::lines(table, "period", "revenue", Some("series"), Unit::Number)?.total();
    Ok(trend(&total.iter().map(|(_, value)| *value).collect::<Vec<_>>()))
}

fn sentence(outlook: &Outlook, money: &Unit) -> Markup {
    let weeks = counted(outlook.steps, "week", "weeks");
    let (lower, upper) = (money.short(outlook.lower), money.short(outlook.upper));
    let before = outlook.changes().map(|(part, ..)| than(part, &format!("the last {weeks}")));
    let year = outlook.yearly().map(|part| than(part, "the same weeks a year earlier"));
    let against: Vec<_> = year.into_iter().chain(before).collect();
    html! {
        "The next " (weeks) " should bring " (money.short(outlook.mean)) " (" (lower) " to " (upper) ")"
        @if !against.is_empty() { ", " (against.join(" and ")) }
        "."
    }
}

/// What a forecast that repeats the year before leaves out.
fn growth(outlook: &Outlook, lately: &Trend, money: &Unit) -> Option<Markup> {
    let part = lately.year_ago.and(lately.change()).filter(|part| part.abs() >= GROWTH)?;
    let weeks = counted(lately.weeks, "week", "weeks");
    Some(html! {
        "the forecast repeats the year before, but the last " (weeks) " brought " (than(part, "a year earlier"))
        "; if that goes on, expect about " (money.short(outlook.mean * (1.0 + part))) " instead"
    })
}

fn advice(outlook: &Outlook, money: &Unit) -> Markup {
    let weeks = counted(outlook.steps, "week", "weeks");
    let range = format!("{} to {}", money.short(outlook.lower), money.short(outlook.upper));
    if outlook.upper - outlook.lower > WIDE * outlook.mean {
        return html! { "Commit little on the forecast: " (range) " over " (weeks) " is too wide to plan on." };
    }
    html! { "Plan the next " (weeks) " with a range, " (range) ", not with one number." }
}

/// What the interval means, and whether it leaves the direction open.
fn interval(outlook: &Outlook) -> Markup {
    let base = outlook.year_ago.or(outlook.before);
    let open = base.is_some_and(|base| outlook.lower < base && base < outlook.upper);
    let earlier = if outlook.year_ago.is_some() { "a year earlier" } else { "the weeks before" };
    html! {
        p.under { "The interval adds up the ends of the single weeks, as if all of them erred to the same side; the sum will hardly fall outside." }
        @if open { (care(&html! { "the interval holds more and less than " (earlier) ": neither growth nor decline is certain" })) }
    }
}

fn grid(fan: &Fan, money: &Unit) -> Grid {
    let outlooks: Vec<_> =
        fan.panels.iter().filter_map(|panel| Some((panel.name.as_str(), panel.outlook(QUARTER)?))).collect();
    let yearly = outlooks.iter().any(|(_, outlook)| outlook.year_ago.is_some());
    let row = |(panel, outlook): &(&str, Outlook)| {
        let change = if yearly { outlook.yearly() } else { outlook.changes().map(|(part, ..)| part) };
        let base = if yearly { outlook.year_ago } else { outlook.before };
        vec![
            name(panel),
            plain(money.short(base.unwrap_or(f64::NAN))),
            plain(money.short(outlook.mean)),
            change.map_or_else(|| plain("–"), signed),
            plain(format!("{} to {}", money.short(outlook.lower), money.short(outlook.upper))),
        ]
    };
    let steps = outlooks.iter().map(|(_, outlook)| outlook.steps).max().unwrap_or(0);
    Grid {
        caption: format!("Revenue to expect in {}, by segment", counted(steps, "week", "weeks")),
        columns: vec![
            Column::Text("Segment"),
            Column::Number(if yearly { "A year earlier" } else { "Last weeks" }),
            Column::Number("Next weeks"),
            Column::Number("Change"),
            Column::Number("Interval"),
        ],
        rows: outlooks.iter().map(row).collect(),
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
    let before = outlook.changes().map(|(part, ..)| part);
    let base = if outlook.year_ago.is_some() { "a year earlier" } else { "the weeks before" };
    let note = html! {
        @if let Some(part) = outlook.yearly().or(before) { (signed(part)) " on " (base) "; " }
        (money.short(outlook.lower)) " to " (money.short(outlook.upper))
    };
    let label = format!("Expected, next {}", counted(outlook.steps, "week", "weeks"));
    Tile { label, value: money.short(outlook.mean), note }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::report::example::{dates, flags, floats, table, texts};

    const OUTLOOK: Outlook = Outlook {
        steps: 13,
        before: Some(1_000.0),
        year_ago: None,
        mean: 1_100.0,
        lower: 900.0,
        upper: 1_300.0,
    };

    fn euro() -> Unit {
        Unit::Money("€".to_owned())
    }

    #[test]
    fn the_outlook_has_its_change_and_interval() {
        let text = sentence(&OUTLOOK, &euro()).into_string();
        assert_eq!(
            text,
            "The next 13 weeks should bring €1,100 (€900 to €1,300), 10% more than the last 13 weeks."
        );
        assert!(interval(&OUTLOOK).into_string().contains("neither growth nor decline"));
        let text = sentence(&Outlook { year_ago: Some(1_375.0), ..OUTLOOK }, &euro()).into_string();
        let against = "20% less than the same weeks a year earlier and 10% more than the last 13 weeks.";
        assert!(text.ends_with(against), "{text}");
    }

    #[test]
    fn without_history_there_is_no_change() {
        let outlook = Outlook { steps: 1, before: None, year_ago: None, mean: 5.0, lower: 4.0, upper: 6.0 };
        let text = sentence(&outlook, &Unit::Number).into_string();
        assert_eq!(text, "The next 1 week should bring 5 (4 to 6).");
    }

    #[test]
    fn a_wide_interval_is_nothing_to_plan_on() {
        assert!(advice(&OUTLOOK, &euro()).into_string().contains("Plan the next 13 weeks"));
        let wide = Outlook { lower: 100.0, ..OUTLOOK };
        assert!(advice(&wide, &euro()).into_string().contains("€100 to €1,300 over 13 weeks is too wide"));
    }

    #[test]
    fn growth_that_a_repeated_year_leaves_out_is_said() {
        let lately = Trend { weeks: 13, recent: 120.0, before: 90.0, year_ago: Some(100.0) };
        let text = growth(&OUTLOOK, &lately, &euro()).unwrap().into_string();
        assert!(text.contains("13 weeks brought 20% more than a year earlier"), "{text}");
        assert!(text.ends_with("expect about €1,320 instead"), "{text}");
        assert!(growth(&OUTLOOK, &Trend { recent: 102.0, ..lately }, &euro()).is_none());
        assert!(growth(&OUTLOOK, &Trend { year_ago: None, ..lately }, &euro()).is_none());
    }

    /// Every series is shown with its own best model, and the verdict is about the one of `all`.
    #[test]
    fn the_best_model_of_each_series_is_shown() {
        let forecast = table(vec![
            ("series", texts(["a", "a", "all", "all"])),
            ("period", dates([20_000; 4])),
            ("model", texts(["naive", "ridge", "naive", "ridge"])),
            ("mean", floats([1.0, 2.0, 10.0, 20.0])),
            ("lower", floats([0.0, 1.0, 9.0, 19.0])),
            ("upper", floats([2.0, 3.0, 11.0, 21.0])),
            ("best", flags([true, false, false, true])),
        ]);
        assert_eq!(models(&forecast).unwrap(), ["ridge"]);
        let inputs = Inputs { forecast: Some(forecast), ..Inputs::default() };
        let html = chapter(&inputs, &euro()).unwrap().unwrap().body.into_string();
        assert!(html.contains("The next 1 week should bring €20 (€19 to €21)."), "{html}");
        assert!(html.contains("€0 to €2") && !html.contains("€1 to €3"), "{html}");
    }
}

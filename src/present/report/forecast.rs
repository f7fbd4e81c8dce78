//! Section: revenue to expect, and how far the forecast can be trusted.

use anyhow::Result;
use maud::{Markup, html};

use super::accuracy::{self, Base, Used};
use super::parts::{Chapter, Column, Grid, Tile, capital, care, figure, listed, name, plain, signed, than};
use super::{Inputs, Misfit, of, segments};
use crate::data::Table;
use crate::present::chart::fan::Outlook;
use crate::present::chart::trend::{QUARTER, Trend, trend};
use crate::present::chart::{Fan, read};
use crate::present::format::{Unit, counted, percent};

/// A change against the year before from which repeating that year leaves something out.
const GROWTH: f64 = 0.03;

/// An interval wider than this part of the forecast is too wide to plan on.
const WIDE: f64 = 1.0;

/// A difference below this part is none.
const SAME: f64 = 0.0005;

/// Weeks below which there is no year before to repeat.
const YEAR: usize = 52;

/// The series of everybody.
const TOTAL: &str = "all";

/// What to know of a forecast without a score.
const UNTESTED: &str =
    "the history is too short to test the forecast on weeks that have passed; take it as a rough guess";

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
        fan.panels.sort_by_key(|panel| (panel.name != TOTAL, place(&panel.name)));
        fan.title = Some("Revenue so far and revenue to expect".to_owned());
    }
    let models =
        inputs.forecast.as_ref().map(models).transpose().map_err(of("forecast"))?.unwrap_or_default();
    let past = past(inputs).map_err(of("series"))?;
    let base = match past.as_ref().map(|past| past.weeks) {
        Some(weeks) if weeks < YEAR => Base::Week,
        Some(weeks) if tested(inputs)?.is_some_and(|tested| weeks < YEAR + tested) => Base::Either,
        _ => Base::Year,
    };
    let used = Used { models, base };
    let scores =
        inputs.scores.as_ref().map(accuracy::scores).transpose().map_err(of("scores"))?.unwrap_or_default();
    let outlook = fan.as_ref().and_then(|fan| fan.outlook(QUARTER));
    let lately = past.as_ref().and_then(|past| past.trend).filter(|_| used.repeats());
    let left_out = outlook.zip(lately).and_then(|(outlook, lately)| growth(&outlook, &lately, money));
    let untested = outlook.is_some() && inputs.scores.is_some() && scores.is_empty();
    let shown = fan.as_ref().filter(|_| outlook.is_some());
    let body = html! {
        @if let Some(outlook) = &outlook { p { (lead(outlook, money)) } }
        @else if fan.is_some() { p { (nothing(past.as_ref())) } }
        @if let Some(left_out) = &left_out { (care(left_out)) }
        @if untested { (care(&plain(UNTESTED))) }
        @if let Some(fan) = shown { (figure(fan).map_err(of("forecast"))?) }
        @if let Some(outlook) = &outlook { (interval(outlook)) }
        @if let Some(fan) = shown { (grid(fan, money).render()) (notes(fan, past.as_ref(), money)) }
        @if !scores.is_empty() { h3 { "How good it has been" } (accuracy::verdict(&scores, &used)) (accuracy::grid(&scores, &used, money).render()) }
        (backtested(inputs, &used)?)
    };
    let tiles = outlook.map(|outlook| tile(&outlook, money)).into_iter().collect();
    let left_out = left_out.map(|left_out| html! { (capital(&left_out)) "." });
    let untested = untested.then(|| html! { (capital(&plain(UNTESTED))) "." });
    let warning = left_out.or_else(|| accuracy::warning(&scores, &used)).or(untested);
    let text = outlook.map(|outlook| sentence(&outlook, money));
    let text = text.or_else(|| fan.as_ref().map(|_| nothing(past.as_ref())));
    let brief = text.map(|text| html! { (text) @if let Some(warning) = &warning { " " (warning) } });
    let advice = outlook.and_then(|outlook| advice(&outlook, money)).into_iter().collect();
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

/// The history that a forecast rests on.
struct Past {
    /// Weeks of the whole.
    weeks: usize,
    /// Those of them that brought anything.
    active: usize,
    /// How the whole has changed of late.
    trend: Option<Trend>,
    /// The names of all series.
    names: Vec<String>,
}

fn past(inputs: &Inputs) -> Result<Option<Past>> {
    let Some(table) = &inputs.series else { return Ok(None) };
    let lines = read::lines(table, "period", "revenue", Some("series"), Unit::Number)?;
    let total: Vec<_> = lines.total().into_iter().map(|(_, value)| value).collect();
    Ok(Some(Past {
        weeks: total.len(),
        active: total.iter().filter(|value| **value != 0.0).count(),
        trend: trend(&total),
        names: lines.series.into_iter().map(|series| series.name).collect(),
    }))
}

/// How many weeks of the past were forecast, from the first one to the last.
fn tested(inputs: &Inputs) -> Result<Option<usize>, Misfit> {
    let Some(table) = &inputs.backtest else { return Ok(None) };
    if !table.has("period") {
        return Ok(None);
    }
    let days = read::gather(table, &["period"]).and_then(|batch| read::days(&batch, "period"));
    let days = days.map_err(of("backtest"))?;
    let (first, last) = (days.iter().flatten().min(), days.iter().flatten().max());
    Ok(first.zip(last).and_then(|(first, last)| usize::try_from((last - first) / 7 + 1).ok()))
}

/// Why there is no forecast.
fn nothing(past: Option<&Past>) -> Markup {
    match past {
        Some(past) => html! {
            "There is no forecast: " (counted(past.active, "week", "weeks")) " with revenue "
            @if past.active == 1 { "is" } @else { "are" } " too few to tell from what the next ones will bring."
        },
        None => plain("There is no forecast in the data."),
    }
}

/// The forecast with what it is compared with, for the section.
fn lead(outlook: &Outlook, money: &Unit) -> Markup {
    let weeks = counted(outlook.steps, "week", "weeks");
    let earlier =
        outlook.year_ago.map(|sum| format!("{} in the same weeks a year earlier", money.short(sum)));
    let before = outlook.before.map(|sum| format!("{} in the last {weeks}", money.short(sum)));
    let past: Vec<_> = earlier.into_iter().chain(before).collect();
    html! {
        "Expected for the next " (weeks) ": " (money.short(outlook.mean))
        @match outlook.range() {
            Some((lower, upper)) => { ", probably between " (money.short(lower)) " and " (money.short(upper)) }
            None => { "; how far off that may be isn't known" }
        }
        @if !past.is_empty() { ". It was " (past.join(" and ")) }
        "."
    }
}

fn sentence(outlook: &Outlook, money: &Unit) -> Markup {
    let weeks = counted(outlook.steps, "week", "weeks");
    let before = outlook.changes().map(|(part, ..)| than(part, &format!("the last {weeks}")));
    let year = outlook.yearly().map(|part| than(part, "the same weeks a year earlier"));
    let against: Vec<_> = year.into_iter().chain(before).collect();
    html! {
        "The next " (weeks) " should bring " (money.short(outlook.mean))
        @if let Some(range) = range(outlook, money) { " (" (range) ")" }
        @if !against.is_empty() { ", " (against.join(" and ")) }
        "."
    }
}

/// The interval in words, where there is one.
fn range(outlook: &Outlook, money: &Unit) -> Option<String> {
    outlook.range().map(|(lower, upper)| format!("{} to {}", money.short(lower), money.short(upper)))
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

/// What to plan with, where the forecast has an interval.
fn advice(outlook: &Outlook, money: &Unit) -> Option<Markup> {
    let weeks = counted(outlook.steps, "week", "weeks");
    let range = range(outlook, money)?;
    if outlook.upper - outlook.lower > WIDE * outlook.mean {
        return Some(
            html! { "Commit little on the forecast: " (range) " over " (weeks) " is too wide to plan on." },
        );
    }
    Some(html! { "Plan the next " (weeks) " with a range, " (range) ", not with one number." })
}

/// What the interval means, and whether it leaves the direction open.
fn interval(outlook: &Outlook) -> Markup {
    let base = outlook.year_ago.or(outlook.before);
    let open = base.is_some_and(|base| outlook.lower < base && base < outlook.upper);
    let earlier = if outlook.year_ago.is_some() { "a year earlier" } else { "the weeks before" };
    html! {
        @if outlook.range().is_some() { p.under { "The interval adds up the ends of the single weeks, as if all of them erred to the same side; the sum will hardly fall outside." } }
        @if open { (care(&html! { "the interval holds more and less than " (earlier) ": neither growth nor decline is certain" })) }
    }
}

/// The panels that have a forecast, with it.
fn outlooks(fan: &Fan) -> Vec<(&str, Outlook)> {
    fan.panels.iter().filter_map(|panel| Some((panel.name.as_str(), panel.outlook(QUARTER)?))).collect()
}

/// Whether the segments add up to the whole, which have no forecast, and which err to one side.
fn notes(fan: &Fan, past: Option<&Past>, money: &Unit) -> Markup {
    let outlooks = outlooks(fan);
    let names = |of: fn(&Outlook) -> bool| {
        let there = outlooks.iter().filter(|(_, outlook)| of(outlook));
        there.map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>()
    };
    let (high, low) = (names(always_high), names(always_low));
    let known = past.into_iter().flat_map(|past| &past.names);
    let without: Vec<_> = known.filter(|name| outlooks.iter().all(|(of, _)| of != name)).cloned().collect();
    html! {
        @if let Some(sum) = sum(&outlooks, money) { p.under { (sum) } }
        @if !without.is_empty() { p.under { "Without a forecast, because too few of their weeks had any revenue: " (listed(&without)) "." } }
        @if !high.is_empty() { p.under { "Nearly all forecasts made for the past of " (listed(&high)) " were too high, so this one is the upper end of its interval: expect less." } }
        @if !low.is_empty() { p.under { "Nearly all forecasts made for the past of " (listed(&low)) " were too low, so this one is the lower end of its interval: expect more." } }
    }
}

/// What the forecasts by segment come to, beside that of the whole.
fn sum(outlooks: &[(&str, Outlook)], money: &Unit) -> Option<Markup> {
    let (_, whole) = outlooks.iter().find(|(name, _)| *name == TOTAL)?;
    let parts: Vec<_> = outlooks.iter().filter(|(name, _)| *name != TOTAL).collect();
    let sum: f64 = parts.iter().map(|(_, outlook)| outlook.mean).sum();
    let apart = sum - whole.mean;
    let part = apart.abs() / whole.mean;
    (!parts.is_empty() && whole.mean > 0.0).then(|| {
        html! {
            "Each series is forecast on its own: the segments add up to " (money.short(sum))
            @if part < SAME { ", as much as the forecast of all." }
            @else {
                ", " (money.short(apart.abs())) " (" (percent(part)) ") "
                @if apart > 0.0 { "more" } @else { "less" } " than the forecast of all."
            }
        }
    })
}

/// Whether a forecast is the upper end of its own interval.
fn always_high(outlook: &Outlook) -> bool {
    outlook.range().is_some_and(|(_, upper)| upper - outlook.mean <= SAME * outlook.mean.abs())
}

/// Whether a forecast is the lower end of its own interval, and not only because it is nothing.
fn always_low(outlook: &Outlook) -> bool {
    let low = |(lower, _): (f64, f64)| outlook.mean - lower <= SAME * outlook.mean.abs();
    outlook.mean > 0.0 && outlook.range().is_some_and(low)
}

fn grid(fan: &Fan, money: &Unit) -> Grid {
    let outlooks = outlooks(fan);
    let any = |has: fn(&Outlook) -> bool| outlooks.iter().any(|(_, outlook)| has(outlook));
    let yearly = any(|outlook| outlook.year_ago.is_some());
    let compared = yearly || any(|outlook| outlook.before.is_some());
    let ranged = any(|outlook| outlook.range().is_some());
    let row = |(panel, outlook): &(&str, Outlook)| {
        let change = if yearly { outlook.yearly() } else { outlook.changes().map(|(part, ..)| part) };
        let base = if yearly { outlook.year_ago } else { outlook.before };
        let base = plain(money.short(base.unwrap_or(f64::NAN)));
        let change = change.map_or_else(|| plain("–"), signed);
        let range = plain(range(outlook, money).unwrap_or_else(|| "–".to_owned()));
        let cells = std::iter::once(name(panel)).chain(compared.then_some(base));
        let cells = cells.chain([plain(money.short(outlook.mean))]).chain(compared.then_some(change));
        cells.chain(ranged.then_some(range)).collect()
    };
    let steps = outlooks.iter().map(|(_, outlook)| outlook.steps).max().unwrap_or(0);
    let base = Column::Number(if yearly { "A year earlier" } else { "Last weeks" });
    let columns = [Column::Text("Segment")].into_iter().chain(compared.then_some(base));
    let columns = columns.chain([Column::Number("Next weeks")]);
    let columns = columns.chain(compared.then_some(Column::Number("Change")));
    Grid {
        caption: format!("Revenue to expect in {}, by segment", counted(steps, "week", "weeks")),
        columns: columns.chain(ranged.then_some(Column::Number("Interval"))).collect(),
        rows: outlooks.iter().map(row).collect(),
        marked: Vec::new(),
    }
}

fn backtested(inputs: &Inputs, used: &Used) -> Result<Markup, Misfit> {
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
    let (part, range) = (outlook.yearly().or(before), range(outlook, money));
    let note = html! {
        @if let Some(part) = part { (signed(part)) " on " (base) }
        @if let Some(range) = range { @if part.is_some() { "; " } (range) }
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
        assert!(advice(&OUTLOOK, &euro()).unwrap().into_string().contains("Plan the next 13 weeks"));
        let wide = Outlook { lower: 100.0, ..OUTLOOK };
        let text = advice(&wide, &euro()).unwrap().into_string();
        assert!(text.contains("€100 to €1,300 over 13 weeks is too wide"));
    }

    #[test]
    fn without_an_interval_none_is_spoken_of() {
        let open = Outlook { lower: f64::NAN, upper: f64::NAN, before: None, ..OUTLOOK };
        let text = sentence(&open, &euro()).into_string();
        assert_eq!(text, "The next 13 weeks should bring €1,100.");
        let text = lead(&open, &euro()).into_string();
        let whole = "Expected for the next 13 weeks: €1,100; how far off that may be isn't known.";
        assert_eq!(text, whole);
        assert_eq!((tile(&open, &euro()).note.0.as_str(), interval(&open).0.as_str()), ("", ""));
        assert!(advice(&open, &euro()).is_none());
        // An interval without a width is none.
        let flat = Outlook { lower: 1_100.0, upper: 1_100.0, ..OUTLOOK };
        assert!(range(&flat, &euro()).is_none() && advice(&flat, &euro()).is_none());
    }

    fn panel(name: &str, weeks: i64, steps: &[(f64, f64, f64)]) -> crate::present::chart::Panel {
        let step = |(at, (mean, lower, upper)): (i64, &(f64, f64, f64))| crate::present::chart::Step {
            day: 20_000 + 7 * at,
            mean: *mean,
            lower: *lower,
            upper: *upper,
        };
        let history = (-weeks..0).map(|at| (20_000 + 7 * at, 1.0)).collect();
        crate::present::chart::Panel {
            name: name.to_owned(),
            history,
            steps: (0..).zip(steps).map(step).collect(),
        }
    }

    fn fan(panels: Vec<crate::present::chart::Panel>) -> Fan {
        Fan { title: None, measure: "revenue".to_owned(), unit: euro(), panels }
    }

    #[test]
    fn the_sum_of_the_segments_is_set_beside_the_whole() {
        let of = |mean: f64| [(mean, mean - 50.0, mean + 50.0)];
        let said = |all, a, b| {
            let fan = fan(vec![panel("all", 9, &of(all)), panel("a", 9, &of(a)), panel("b", 9, &of(b))]);
            notes(&fan, None, &euro()).into_string()
        };
        let own = "<p class=\"under\">Each series is forecast on its own: the segments add up to ";
        assert_eq!(
            said(1_000.0, 700.0, 350.0),
            format!("{own}€1,050, €50 (5.0%) more than the forecast of all.</p>")
        );
        assert_eq!(
            said(1_000.0, 700.0, 200.0),
            format!("{own}€900, €100 (10%) less than the forecast of all.</p>")
        );
        assert_eq!(said(1_000.0, 700.0, 300.0), format!("{own}€1,000, as much as the forecast of all.</p>"));
        assert_eq!(notes(&fan(vec![panel("all", 9, &of(5.0))]), None, &euro()).into_string(), "");
    }

    #[test]
    fn a_forecast_at_the_end_of_its_interval_and_a_series_without_one_are_explained() {
        let fan = fan(vec![
            panel("high", 9, &[(73.1, 0.0, 73.1)]),
            panel("low", 9, &[(50.0, 50.0, 90.0)]),
            panel("nothing", 9, &[(0.0, 0.0, 144.0)]),
        ]);
        let names = ["high", "low", "nothing", "few"].map(str::to_owned).to_vec();
        let past = Past { weeks: 9, active: 9, trend: None, names };
        let text = notes(&fan, Some(&past), &euro()).into_string().replace("</p>", "");
        let said: Vec<_> = text.split("<p class=\"under\">").skip(1).collect();
        assert_eq!(
            said,
            [
                "Without a forecast, because too few of their weeks had any revenue: <bdi>few</bdi>.",
                "Nearly all forecasts made for the past of <bdi>high</bdi> were too high, so this one is the upper end of its interval: expect less.",
                "Nearly all forecasts made for the past of <bdi>low</bdi> were too low, so this one is the lower end of its interval: expect more.",
            ]
        );
    }

    #[test]
    fn columns_without_a_value_are_left_out() {
        let open = [(5.0, f64::NAN, f64::NAN)];
        let columns = |weeks| grid(&fan(vec![panel("a", weeks, &open)]), &euro()).columns;
        assert_eq!(columns(0), [Column::Text("Segment"), Column::Number("Next weeks")]);
        assert_eq!(columns(9).len(), 4);
    }

    /// One week of history: no sentence, tile, chart or advice, but the reason in plain words.
    #[test]
    fn a_history_without_a_forecast_says_so() {
        let empty = |table: Table| Table::from_batch(table.to_batch().unwrap().slice(0, 0));
        use crate::present::report::example;
        let series =
            table(vec![("series", texts(["all"])), ("period", dates([20_000])), ("revenue", floats([5.0]))]);
        let inputs = Inputs {
            series: Some(series),
            forecast: Some(empty(example::forecast())),
            scores: Some(empty(example::scores())),
            backtest: Some(empty(example::backtest())),
            ..Inputs::default()
        };
        let chapter = chapter(&inputs, &euro()).unwrap().unwrap();
        let text = "There is no forecast: 1 week with revenue is too few to tell from what the next ones will bring.";
        assert_eq!(chapter.body.into_string(), format!("<p>{text}</p>"));
        assert_eq!(chapter.brief[0].0, text);
        assert!(chapter.tiles.is_empty() && chapter.advice.is_empty());
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
        assert!(html.contains("Expected for the next 1 week: €20, probably between €19 and €21."), "{html}");
        assert!(html.contains("€0 to €2") && !html.contains("€1 to €3"), "{html}");
    }
}

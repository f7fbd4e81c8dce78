//! Section: revenue to expect, and how far the forecast can be trusted.

use anyhow::Result;
use maud::{Markup, html};

use super::accuracy::{self, Base, Used};
use super::outlooks::{TOTAL, YEAR};
use super::parts::{Chapter, Tile, capital, care, figure, plain, signed, than};
use super::target::Target;
use super::{Inputs, Misfit, of, outlooks, segments};
use crate::data::Table;
use crate::present::chart::fan::Outlook;
use crate::present::chart::read;
use crate::present::chart::trend::{QUARTER, Trend, trend};
use crate::present::format::{Unit, counted, sentence as sentence_case};

/// A change against the year before from which repeating that year leaves something out.
const GROWTH: f64 = 0.03;

/// An interval wider than this part of the forecast is too wide to plan on.
const WIDE: f64 = 1.0;

/// What the interval of the sum rests on.
const OWN: &str = "The interval is the sum's own: as far off as sums over as many weeks were in the tests on \
    the past, from every week of theirs (split conformal). It holds as long as the next weeks are like those.";

/// What the interval is where the forecast has none of the sum.
const ADDED: &str = "The interval adds up the ends of the single weeks, as if all of them erred to the same \
    side; the sum will hardly fall outside.";

/// What the errors of the whole depend on besides it.
const TOGETHER: &str = "The ridge regression learns from all series together: the whole is forecast with the \
    segments, so that other segments change its errors, too.";

/// What to know of a forecast without a score.
const UNTESTED: &str =
    "the history is too short to test the forecast on weeks that have passed; take it as a rough guess";

/// The section, where a forecast, its scores or its backtest are given.
pub fn chapter(inputs: &Inputs, money: &Unit) -> Result<Option<Chapter>, Misfit> {
    if inputs.forecast.is_none() && inputs.scores.is_none() && inputs.backtest.is_none() {
        return Ok(None);
    }
    let target = Target::of(inputs, money)?;
    // A history of something else says nothing of the target.
    let history = inputs.series.as_ref().filter(|table| table.has(&target.column));
    let unit = || target.unit.clone();
    let fan = inputs.forecast.as_ref().map(|table| read::fan(table, history, &target.column, unit()));
    let mut fan = fan.transpose().map_err(of("forecast"))?;
    if let Some(fan) = &mut fan {
        let names = segments::named(inputs)?;
        let place = |name: &str| names.iter().position(|(_, known)| known == name).unwrap_or(usize::MAX);
        fan.panels.sort_by_key(|panel| (panel.name != TOTAL, place(&panel.name)));
        let words = target.words();
        fan.title = Some(sentence_case(&format!("{words} so far and {words} to expect")));
    }
    let models =
        inputs.forecast.as_ref().map(models).transpose().map_err(of("forecast"))?.unwrap_or_default();
    let past = past(history, &target).map_err(of("series"))?;
    let base = match past.as_ref().map(|past| past.weeks) {
        Some(weeks) if weeks < YEAR => Base::Week,
        Some(weeks) if tested(inputs)?.is_some_and(|tested| weeks < YEAR + tested) => Base::Either,
        _ => Base::Year,
    };
    let used = Used { models, base, target: target.words() };
    let scores =
        inputs.scores.as_ref().map(accuracy::scores).transpose().map_err(of("scores"))?.unwrap_or_default();
    let outlook = fan.as_ref().and_then(|fan| fan.outlook(QUARTER)).map(|outlook| target.told(outlook));
    let errors = outlooks::errors(inputs)?;
    let series = fan.as_ref().map(|fan| outlooks::all(fan, &errors, &target)).unwrap_or_default();
    let guess = series.iter().find(|ahead| ahead.name == TOTAL).and_then(outlooks::guess);
    let lately = past.as_ref().and_then(|past| past.trend).filter(|_| used.repeats());
    let left_out = outlook.zip(lately).and_then(|(outlook, lately)| growth(&outlook, &lately, &target));
    let untested = outlook.is_some() && inputs.scores.is_some() && scores.is_empty();
    let shown = fan.as_ref().filter(|_| outlook.is_some());
    let body = html! {
        @if let Some(outlook) = &outlook { p { (lead(outlook, &target)) } }
        @else if fan.is_some() { p { (nothing(past.as_ref(), &target)) } }
        @if let Some(left_out) = &left_out { (care(left_out)) }
        @if untested { (care(&plain(UNTESTED))) }
        @if let Some(fan) = shown { (figure(fan).map_err(of("forecast"))?) }
        @if let Some(outlook) = &outlook { (interval(outlook)) }
        @if shown.is_some() { (outlooks::grid(&series, &target).render()) (outlooks::notes(&series, &names(past.as_ref()), &target)) }
        @if !scores.is_empty() {
            h3 { "How good it has been" }
            (accuracy::verdict(&scores, &used)) (accuracy::grid(&scores, &used, &target).render())
            @if series.len() > 1 && scores.iter().any(|score| score.model == "ridge") { p.under { (TOGETHER) } }
        }
        (backtested(inputs, &used)?)
    };
    let tiles = outlook.map(|outlook| tile(&outlook, guess.is_some(), &target)).into_iter().collect();
    let left_out = left_out.map(|left_out| html! { (capital(&left_out)) "." });
    let untested = untested.then(|| html! { (capital(&plain(UNTESTED))) "." });
    let warning = left_out.or_else(|| accuracy::warning(&scores, &used)).or(untested);
    let text = outlook.map(|outlook| sentence(&outlook, guess.is_some(), &target));
    let warning = warning.or(guess);
    let text = text.or_else(|| fan.as_ref().map(|_| nothing(past.as_ref(), &target)));
    let brief = text.map(|text| html! { (text) @if let Some(warning) = &warning { " " (warning) } });
    let advice = outlook.and_then(|outlook| advice(&outlook, &target)).into_iter().collect();
    let brief = brief.into_iter().collect();
    Ok(Some(Chapter { heading: target.heading(), tiles, brief, advice, body }))
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

fn names(past: Option<&Past>) -> Vec<String> {
    past.map(|past| past.names.clone()).unwrap_or_default()
}

fn past(history: Option<&Table>, target: &Target) -> Result<Option<Past>> {
    let Some(table) = history else { return Ok(None) };
    let lines = read::lines(table, "period", &target.column, Some("series"), Unit::Number)?;
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
fn nothing(past: Option<&Past>, target: &Target) -> Markup {
    match past {
        Some(past) => html! {
            "There is no forecast: " (counted(past.active, "week", "weeks")) " with " (target.words()) " "
            @if past.active == 1 { "is" } @else { "are" } " too few to tell from what the next ones will bring."
        },
        None => plain("There is no forecast in the data."),
    }
}

/// The forecast with what it is compared with, for the section.
fn lead(outlook: &Outlook, target: &Target) -> Markup {
    let weeks = counted(outlook.steps, "week", "weeks");
    let earlier =
        outlook.year_ago.map(|sum| format!("{} in the same weeks a year earlier", target.short(sum)));
    let before = outlook.before.map(|sum| format!("{} in the last {weeks}", target.short(sum)));
    let past: Vec<_> = earlier.into_iter().chain(before).collect();
    html! {
        "Expected for the next " (weeks) ": " (target.full(outlook.mean))
        @match outlook.range() {
            Some((lower, upper)) => { ", probably between " (target.short(lower)) " and " (target.short(upper)) }
            None => { "; how far off that may be isn't known" }
        }
        @if !past.is_empty() { ". It was " (past.join(" and ")) }
        "."
    }
}

/// The forecast for the summary; a guess is compared with nothing.
fn sentence(outlook: &Outlook, guess: bool, target: &Target) -> Markup {
    let weeks = counted(outlook.steps, "week", "weeks");
    let before = outlook.changes().map(|(part, ..)| than(part, &format!("the last {weeks}")));
    let year = outlook.yearly().map(|part| than(part, "the same weeks a year earlier"));
    let against: Vec<_> = year.into_iter().chain(before).filter(|_| !guess).collect();
    html! {
        "The next " (weeks) " should bring " (target.full(outlook.mean))
        @if let Some(range) = range(outlook, target) { " (" (range) ")" }
        @if !against.is_empty() { ", " (against.join(" and ")) }
        "."
    }
}

/// The interval in words, where there is one.
fn range(outlook: &Outlook, target: &Target) -> Option<String> {
    outlook.range().map(|(lower, upper)| format!("{} to {}", target.short(lower), target.short(upper)))
}

/// What a forecast that repeats the year before leaves out.
fn growth(outlook: &Outlook, lately: &Trend, target: &Target) -> Option<Markup> {
    let part = lately.year_ago.and(lately.change()).filter(|part| part.abs() >= GROWTH)?;
    let weeks = counted(lately.weeks, "week", "weeks");
    Some(html! {
        "the forecast repeats the year before, but the last " (weeks) " brought " (than(part, "a year earlier"))
        "; if that goes on, expect about " (target.short(outlook.mean * (1.0 + part))) " instead"
    })
}

/// What to plan with, where the forecast has an interval.
fn advice(outlook: &Outlook, target: &Target) -> Option<Markup> {
    let weeks = counted(outlook.steps, "week", "weeks");
    let range = range(outlook, target)?;
    if outlook.upper - outlook.lower > WIDE * outlook.mean {
        // Ends of single weeks, added up, are too wide for any forecast.
        return outlook.own.then(|| {
            html! { "Commit little on the forecast: " (range) " over " (weeks) " is too wide to plan on." }
        });
    }
    Some(html! { "Plan the next " (weeks) " with a range, " (range) ", not with one number." })
}

/// What the interval means, and whether it leaves the direction open.
fn interval(outlook: &Outlook) -> Markup {
    let base = outlook.year_ago.or(outlook.before);
    let open = base.is_some_and(|base| outlook.lower < base && base < outlook.upper);
    let earlier = if outlook.year_ago.is_some() { "a year earlier" } else { "the weeks before" };
    html! {
        @if outlook.range().is_some() { p.under { (if outlook.own { OWN } else { ADDED }) } }
        @if open { (care(&html! { "the interval holds more and less than " (earlier) ": neither growth nor decline is certain" })) }
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

fn tile(outlook: &Outlook, guess: bool, target: &Target) -> Tile {
    let before = outlook.changes().map(|(part, ..)| part);
    let base = if outlook.year_ago.is_some() { "a year earlier" } else { "the weeks before" };
    let part = outlook.yearly().or(before).filter(|_| !guess);
    let range = range(outlook, target);
    let note = html! {
        @if let Some(part) = part { (signed(part)) " on " (base) }
        @if let Some(range) = range { @if part.is_some() { "; " } (range) }
    };
    let weeks = counted(outlook.steps, "week", "weeks");
    let label = match target.unit {
        Unit::Number => sentence_case(&format!("{} expected, next {weeks}", target.over_weeks())),
        _ => format!("Expected, next {weeks}"),
    };
    Tile { label, value: target.short(outlook.mean), note }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::report::example::{dates, flags, floats, table, texts};

    fn money() -> Unit {
        Unit::Money("€".to_owned())
    }

    const OUTLOOK: Outlook = Outlook {
        steps: 13,
        before: Some(1_000.0),
        year_ago: None,
        mean: 1_100.0,
        lower: 900.0,
        upper: 1_300.0,
        own: true,
    };

    fn euro() -> Target {
        Target::named("revenue", &money())
    }

    #[test]
    fn the_outlook_has_its_change_and_interval() {
        let text = sentence(&OUTLOOK, false, &euro()).into_string();
        assert_eq!(
            text,
            "The next 13 weeks should bring €1,100 (€900 to €1,300), 10% more than the last 13 weeks."
        );
        let guess = sentence(&OUTLOOK, true, &euro()).into_string();
        assert_eq!(guess, "The next 13 weeks should bring €1,100 (€900 to €1,300).");
        assert!(interval(&OUTLOOK).into_string().contains("neither growth nor decline"));
        let text = sentence(&Outlook { year_ago: Some(1_375.0), ..OUTLOOK }, false, &euro()).into_string();
        let against = "20% less than the same weeks a year earlier and 10% more than the last 13 weeks.";
        assert!(text.ends_with(against), "{text}");
    }

    #[test]
    fn without_history_there_is_no_change() {
        let outlook =
            Outlook { steps: 1, before: None, year_ago: None, mean: 5.0, lower: 4.0, upper: 6.0, own: true };
        let text = sentence(&outlook, false, &Target::named("orders", &Unit::Number)).into_string();
        assert_eq!(text, "The next 1 week should bring 5 orders (4 to 6).");
    }

    #[test]
    fn a_wide_interval_is_nothing_to_plan_on() {
        assert!(advice(&OUTLOOK, &euro()).unwrap().into_string().contains("Plan the next 13 weeks"));
        let wide = Outlook { lower: 100.0, ..OUTLOOK };
        let text = advice(&wide, &euro()).unwrap().into_string();
        assert!(text.contains("€100 to €1,300 over 13 weeks is too wide"));
        // Ends of single weeks that are added up are always wide.
        assert!(advice(&Outlook { own: false, ..wide }, &euro()).is_none());
        let said = |outlook: &Outlook| interval(outlook).into_string();
        assert!(
            said(&OUTLOOK).contains("The interval is the sum's own: as far off as sums over as many weeks")
        );
        assert!(said(&Outlook { own: false, ..OUTLOOK }).contains("adds up the ends of the single weeks"));
    }

    #[test]
    fn without_an_interval_none_is_spoken_of() {
        let open = Outlook { lower: f64::NAN, upper: f64::NAN, before: None, ..OUTLOOK };
        let text = sentence(&open, false, &euro()).into_string();
        assert_eq!(text, "The next 13 weeks should bring €1,100.");
        let text = lead(&open, &euro()).into_string();
        let whole = "Expected for the next 13 weeks: €1,100; how far off that may be isn't known.";
        assert_eq!(text, whole);
        assert_eq!((tile(&open, false, &euro()).note.0.as_str(), interval(&open).0.as_str()), ("", ""));
        assert!(advice(&open, &euro()).is_none());
        // An interval without a width is none.
        let flat = Outlook { lower: 1_100.0, upper: 1_100.0, ..OUTLOOK };
        assert!(range(&flat, &euro()).is_none() && advice(&flat, &euro()).is_none());
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
        let chapter = chapter(&inputs, &money()).unwrap().unwrap();
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
        let html = chapter(&inputs, &money()).unwrap().unwrap().body.into_string();
        assert!(html.contains("Expected for the next 1 week: €20, probably between €19 and €21."), "{html}");
        assert!(html.contains("€0 to €2") && !html.contains("€1 to €3"), "{html}");
    }

    /// A forecast of customers: no currency, compared with customers, and never added up over weeks.
    #[test]
    fn the_target_decides_what_is_compared_and_how_it_is_said() {
        let weeks = |target: &str, from: i32, count: i32, value: f64| {
            let count = usize::try_from(count).unwrap();
            let mut columns = vec![
                ("series", texts(vec!["all"; count])),
                ("period", dates((from..).take(count).map(|week| 20_000 + 7 * week))),
            ];
            if target.is_empty() {
                columns.push(("revenue", floats(vec![1e6; count])));
                columns.push(("customers", floats(vec![value; count])));
            } else {
                columns.push(("model", texts(vec!["ridge"; count])));
                columns.extend(["mean", "lower", "upper"].map(|name| (name, floats(vec![value; count]))));
                columns.push(("total_lower", floats((1..=count).map(|at| 0.9 * value * at as f64))));
                columns.push(("total_upper", floats((1..=count).map(|at| 1.1 * value * at as f64))));
                columns.push(("target", texts(vec![target; count])));
            }
            table(columns)
        };
        let inputs = Inputs {
            series: Some(weeks("", 0, 60, 400.0)),
            forecast: Some(weeks("customers", 60, 4, 500.0)),
            ..Inputs::default()
        };
        let chapter = chapter(&inputs, &money()).unwrap().unwrap();
        let body = chapter.body.into_string();
        assert_eq!(chapter.heading, "Customers to expect");
        let lead = "Expected for the next 4 weeks: 500 customers a week, probably between 450 and 550. \
                    It was 400 in the same weeks a year earlier and 400 in the last 4 weeks.";
        assert!(body.contains(lead), "{body}");
        assert!(body.contains("Customers a week to expect in 4 weeks, by segment"), "{body}");
        assert!(body.contains("Customers so far and customers to expect") && !body.contains('€'), "{body}");
        assert_eq!(chapter.tiles[0].label, "Customers a week expected, next 4 weeks");
        assert_eq!(chapter.tiles[0].value, "500");
        let brief = "The next 4 weeks should bring 500 customers a week (450 to 550), \
                     25% more than the same weeks a year earlier and 25% more than the last 4 weeks.";
        assert_eq!(chapter.brief[0].0, brief);
        let advice = "Plan the next 4 weeks with a range, 450 to 550, not with one number.";
        assert_eq!(chapter.advice[0].0, advice);
    }
}

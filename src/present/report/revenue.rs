//! Section: revenue so far, by segment and week.

use anyhow::Result;
use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, Tile, care, figure, listed, name, plain, signed, than};
use super::{Inputs, Misfit, of, segments};
use crate::data::Table;
use crate::present::chart::trend::{Trend, is_weekly, trend};
use crate::present::chart::{Lines, Series, read, text};
use crate::present::format::{Unit, counted, date, percent, sentence as sentence_case};

/// Weeks below which a season can't be told from a trend.
const YEAR: usize = 52;

/// The series of everybody, and that of those without a segment.
const TOTAL: &str = "all";
const REST: &str = "unsegmented";

/// A segment with less than this part of another year's revenue was or is as good as empty.
const EMPTY: f64 = 0.1;

/// A last week below this part of the usual week is taken for an incomplete one.
const INCOMPLETE: f64 = 0.5;

/// The section, where series are given.
pub fn chapter(inputs: &Inputs, money: &Unit) -> Result<Option<Chapter>, Misfit> {
    let Some(table) = &inputs.series else { return Ok(None) };
    let names = segments::named(inputs)?.into_iter().map(|(_, name)| name).collect();
    write(table, names, money).map(Some).map_err(of("series"))
}

/// The first and the last day of the series.
pub fn days(series: &Table) -> Result<Option<(i64, i64)>> {
    let days = read::days(&read::gather(series, &["period"])?, "period")?;
    let known = || days.iter().flatten().copied();
    Ok(known().min().zip(known().max()))
}

fn write(table: &Table, names: Vec<String>, money: &Unit) -> Result<Chapter> {
    let mut lines = read::lines(table, "period", "revenue", Some("series"), money.clone())?;
    lines
        .series
        .sort_by_key(|series| names.iter().position(|name| *name == series.name).unwrap_or(usize::MAX));
    lines.order = names;
    let total = lines.total();
    let values: Vec<_> = total.iter().map(|(_, value)| *value).collect();
    #[expect(clippy::cast_possible_truncation, reason = "days of dates are whole")]
    let weekly = is_weekly(total.iter().map(|(day, _)| *day as i64));
    let beyond = beyond(&values);
    let overall = trend(&values).filter(|_| weekly && beyond.is_none());
    let moves = if weekly { moves(&lines) } else { Vec::new() };
    let only = only(&total, money);
    let text = overall.map(|trend| sentence(&trend, money));
    let lead =
        overall.map(|trend| lead(&trend, money)).or_else(|| only.as_ref().map(|(text, _)| text.clone()));
    let lead = lead.or_else(|| beyond.clone());
    let rest = moves.iter().any(|(series, _)| series.name == REST);
    let moved = movers(&moves, money);
    let grid = grid(&moves, money);
    let (single, composition) = (moves.len() < 2, composition(&moves));
    lines.title = moved.or(lines.title);
    let body = html! {
        @match &lead { Some(lead) => { p { (lead) } } None => { p { "There are too few weeks to speak of a trend." } } }
        (cautions(&values))
        @if only.is_none() { (figure(&lines)?) }
        @if !single { (grid.render()) (composition) }
        @if rest { p.under { (name(REST)) ": purchases and refunds of customers without a segment, and rows without a customer." } }
    };
    let (only, only_tile) = only.unzip();
    let tiles = overall.map(|trend| tile(&trend, money)).or(only_tile).into_iter().collect();
    let brief = text.or(only).or(beyond).into_iter().collect();
    Ok(Chapter { heading: "Revenue so far", tiles, brief, advice: Vec::new(), body })
}

/// That weeks brought more than a number can say, where they did.
fn beyond(values: &[f64]) -> Option<Markup> {
    let weeks = values.iter().filter(|value| value.is_infinite()).count();
    (weeks > 0).then(|| {
        html! { "The revenue of " (counted(weeks, "week", "weeks")) " is too large to compute with: there is no trend to speak of." }
    })
}

/// What the only week brought, as a sentence and a tile, where there is no other.
fn only(total: &[(f64, f64)], money: &Unit) -> Option<(Markup, Tile)> {
    let [(day, value)] = total else { return None };
    #[expect(clippy::cast_possible_truncation, reason = "days of dates are whole")]
    let (day, value) = (date(*day as i64), money.short(*value));
    let text = html! { "There is one week only, beginning " (day) ": it brought " (value) ", with nothing to compare it to." };
    let note = html! { "beginning " (day) };
    Some((text, Tile { label: "Revenue, the only week".to_owned(), value, note }))
}

/// `week` or `13 weeks`, to go behind `the last`.
fn stretch(weeks: usize) -> String {
    if weeks == 1 { "week".to_owned() } else { counted(weeks, "week", "weeks") }
}

/// What the recent weeks are compared with, in words.
fn base(trend: &Trend) -> String {
    match (trend.year_ago, trend.weeks) {
        (Some(_), 1) => "the same week a year earlier".to_owned(),
        (Some(_), _) => "the same weeks a year earlier".to_owned(),
        (None, weeks) => format!("the {} before", stretch(weeks)),
    }
}

/// The trend with both sums, for the section.
fn lead(trend: &Trend, money: &Unit) -> Markup {
    let then = money.short(trend.year_ago.unwrap_or(trend.before));
    html! {
        (sentence_case(&base(trend))) " brought " (then) "; the last " (stretch(trend.weeks)) ", " (money.short(trend.recent))
        @if let Some(part) = trend.change() { ": " (than(part, "then")) }
        "."
    }
}

fn sentence(trend: &Trend, money: &Unit) -> Markup {
    let (weeks, base) = (stretch(trend.weeks), base(trend));
    html! {
        "The last " (weeks) " brought " (money.short(trend.recent))
        @match trend.change() { Some(part) => { ", " (than(part, &base)) } None => { "; there was none in " (base) } }
        "."
    }
}

/// The trend of each segment; none where there is only the whole.
fn moves(lines: &Lines) -> Vec<(&Series, Trend)> {
    let parts = lines.series.iter().filter(|series| series.name != TOTAL);
    let of = |series: &Series| trend(&series.points.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    parts.filter_map(|series| of(series).map(|trend| (series, trend))).collect()
}

/// The segments that gained and lost most money, as the chart's title; those that were or are as
/// good as empty can't gain or lose.
fn movers(moves: &[(&Series, Trend)], money: &Unit) -> Option<String> {
    let segments = || moves.iter().filter(|(series, _)| series.name != REST);
    let apart = match (segments().any(|(_, t)| begun(t)), segments().any(|(_, t)| ended(t))) {
        (true, true) => "Apart from new and lapsed segments, ",
        (true, false) => "Apart from new segments, ",
        (false, true) => "Apart from lapsed segments, ",
        (false, false) => "",
    };
    let moves: Vec<_> = segments().filter(|(_, trend)| !begun(trend) && !ended(trend)).collect();
    let gain = |trend: &Trend| trend.recent - trend.year_ago.unwrap_or(trend.before);
    let said = |verb: &str, (series, trend): &(&Series, Trend)| {
        format!("{} {verb} most ({})", text::brief(&series.name), money.short(gain(trend).abs()))
    };
    let up =
        moves.iter().max_by(|a, b| gain(&a.1).total_cmp(&gain(&b.1))).filter(|(_, trend)| gain(trend) > 0.0);
    let down =
        moves.iter().min_by(|a, b| gain(&a.1).total_cmp(&gain(&b.1))).filter(|(_, trend)| gain(trend) < 0.0);
    let parts: Vec<_> =
        up.map(|up| said("gained", up)).into_iter().chain(down.map(|down| said("lost", down))).collect();
    (moves.len() > 1 && !parts.is_empty()).then(|| format!("{apart}{}", parts.join(", ")))
}

/// Whether there was hardly any revenue a year ago.
fn begun(trend: &Trend) -> bool {
    trend.year_ago.is_some_and(|then| then < EMPTY * trend.recent)
}

/// Whether hardly any of the revenue of a year ago is left.
fn ended(trend: &Trend) -> bool {
    trend.year_ago.is_some_and(|then| trend.recent < EMPTY * then)
}

/// Segments whose change says more about how they are drawn than about success.
fn composition(moves: &[(&Series, Trend)]) -> Markup {
    let names = |of: fn(&Trend) -> bool| {
        moves.iter().filter(|(_, trend)| of(trend)).map(|(series, _)| series.name.clone()).collect::<Vec<_>>()
    };
    let (begun, ended) = (names(begun), names(ended));
    html! {
        @if begun.len() + ended.len() > 0 {
            (care(&html! {
                "segments are drawn by how customers behave today, so "
                @if !begun.is_empty() { (listed(&begun)) " had hardly any customers a year ago" }
                @if !begun.is_empty() && !ended.is_empty() { ", and " }
                @if !ended.is_empty() { "hardly anyone in " (listed(&ended)) " still buys" }
                "; their changes say nothing about success"
            }))
        }
    }
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
            trend.change().filter(|_| trend.recent >= 0.0).map_or_else(|| plain("–"), signed),
        ]
    };
    let weeks = moves.iter().map(|(_, trend)| trend.weeks).max().unwrap_or(0);
    let yearly = moves.iter().any(|(_, trend)| trend.year_ago.is_some());
    Grid {
        caption: format!("Revenue of the last {} by segment", stretch(weeks)),
        columns: vec![
            Column::Text("Segment"),
            Column::Number("Last weeks"),
            Column::Number("Of all"),
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
    Tile { label: format!("Revenue, last {}", stretch(trend.weeks)), value: money.short(trend.recent), note }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_keeps_its_numbers_on_a_telephone() {
        let long = |start: &str| Series {
            name: format!("{start} long-standing large-basket local big spenders with short gaps"),
            points: vec![(20_000.0, 1.0), (20_007.0, 2.0)],
        };
        let (up, down) = (long("Frequent"), long("Occasional"));
        let trend = |recent, then| Trend { weeks: 13, recent, before: then, year_ago: Some(then) };
        let new = Series { name: "new".to_owned(), points: Vec::new() };
        let moves = [(&up, trend(3e6, 1e6)), (&down, trend(1e6, 2.2e6)), (&new, trend(1e6, 0.0))];
        let title = movers(&moves, &Unit::Money("€".to_owned())).unwrap();
        let lines = Lines {
            title: Some(title),
            measure: "revenue a week".to_owned(),
            unit: Unit::Number,
            across: crate::present::chart::Across::Dates(String::new()),
            series: vec![up.clone(), down.clone()],
            order: Vec::new(),
        };
        use crate::present::chart::drawing::legible;
        use crate::present::chart::{Chart, NARROW};
        let drawing = lines.draw(NARROW);
        legible::check(&drawing);
        let words: Vec<_> = legible::labels(&drawing).iter().map(|label| label.text.as_str()).collect();
        let words = words.join(" ");
        assert!(words.contains("… gained most (€2.00M), Occasional long-standing"), "{words}");
        assert!(words.contains("… lost most (€1.20M)"), "{words}");
    }

    #[test]
    fn new_and_lapsed_segments_are_no_success_or_failure() {
        let series = |name: &str| Series { name: name.to_owned(), points: Vec::new() };
        let trend = |recent, year_ago| Trend { weeks: 13, recent, before: 1.0, year_ago: Some(year_ago) };
        let (new, lapsed, usual) = (series("new"), series("lapsed"), series("usual"));
        let moves = [(&new, trend(100.0, 9.0)), (&lapsed, trend(9.0, 100.0)), (&usual, trend(100.0, 11.0))];
        let text = composition(&moves).into_string();
        assert!(
            text.contains(
                "<bdi>new</bdi> had hardly any customers a year ago, and hardly anyone in <bdi>lapsed</bdi> still buys;"
            )
        );
        assert!(!text.contains("usual"));
        assert_eq!(composition(&moves[2..]).into_string(), "");
    }

    #[test]
    fn the_last_weeks_are_compared_in_words() {
        let euro = Unit::Money("€".to_owned());
        let trend = Trend { weeks: 13, recent: 120.0, before: 100.0, year_ago: None };
        let text = sentence(&trend, &euro).into_string();
        assert_eq!(text, "The last 13 weeks brought €120, 20% more than the 13 weeks before.");
        let text = sentence(&Trend { year_ago: Some(0.0), ..trend }, &euro).into_string();
        assert_eq!(text, "The last 13 weeks brought €120; there was none in the same weeks a year earlier.");
    }

    #[test]
    fn the_title_says_which_segments_it_leaves_out() {
        let series = |name: &str| Series { name: name.to_owned(), points: Vec::new() };
        let trend = |recent, year_ago| Trend { weeks: 13, recent, before: 1.0, year_ago: Some(year_ago) };
        let (new, lapsed, a, b, rest) =
            (series("new"), series("lapsed"), series("a"), series("b"), series(REST));
        let usual = [(&a, trend(110.0, 100.0)), (&b, trend(95.0, 100.0)), (&rest, trend(900.0, 800.0))];
        let with = |more: &[(&Series, Trend)]| movers(&[&usual[..], more].concat(), &Unit::Number).unwrap();
        let (begun, ended) = ((&new, trend(900.0, 9.0)), (&lapsed, trend(0.0, 50.0)));
        assert_eq!(with(&[]), "a gained most (10), b lost most (5)");
        assert_eq!(with(&[begun]), "Apart from new segments, a gained most (10), b lost most (5)");
        assert_eq!(with(&[ended]), "Apart from lapsed segments, a gained most (10), b lost most (5)");
        let both = "Apart from new and lapsed segments, a gained most (10), b lost most (5)";
        assert_eq!(with(&[begun, ended]), both);
    }

    #[test]
    fn one_week_is_no_trend() {
        use crate::present::report::example::{dates, floats, table, texts};
        let series = table(vec![
            ("series", texts(["all", "a"])),
            ("period", dates([19_723; 2])),
            ("revenue", floats([1_830.0, 1_830.0])),
        ]);
        let chapter = write(&series, Vec::new(), &Unit::Number).unwrap();
        let text =
            "There is one week only, beginning 1 Jan 2024: it brought 1,830, with nothing to compare it to.";
        assert_eq!(chapter.body.into_string(), format!("<p>{text}</p>"));
        assert_eq!((chapter.brief[0].0.as_str(), chapter.tiles[0].value.as_str()), (text, "1,830"));
        assert_eq!(
            sentence(&trend(&[5.0, 10.0]).unwrap(), &Unit::Number).into_string(),
            "The last week brought 10, 100% more than the week before."
        );
    }

    /// A sum below zero is no part of the one before.
    #[test]
    fn a_fall_below_zero_has_no_percentage() {
        let rest = Series { name: REST.to_owned(), points: Vec::new() };
        let trend = Trend { weeks: 13, recent: -76.8, before: 77.2, year_ago: None };
        let cells = grid(&[(&rest, trend)], &Unit::Number).rows.remove(0);
        assert_eq!(cells[4].0, "–");
    }

    #[test]
    fn an_incomplete_last_week_is_a_caution() {
        let mut weeks = vec![100.0; 60];
        assert_eq!(cautions(&weeks).into_string(), "");
        weeks.push(30.0);
        assert!(cautions(&weeks).into_string().contains("30% of the usual revenue"));
        assert!(cautions(&[1.0; 10]).into_string().contains("less than a year"));
        assert_eq!(cautions(&[]).into_string(), "");
    }

    /// Weeks of 1e308 and more are no weeks of nothing.
    #[test]
    fn revenue_beyond_all_numbers_is_not_called_nothing() {
        use crate::present::report::example::{dates, floats, table, texts};
        let weeks = |value: f64| {
            let days = (0..4).map(|week| 20_003 + 7 * week);
            let values = floats([5.0, value, 5.0, value]);
            let series =
                table(vec![("series", texts(["all"; 4])), ("period", dates(days)), ("revenue", values)]);
            let inputs = Inputs { series: Some(series), ..Inputs::default() };
            chapter(&inputs, &Unit::Money("€".to_owned())).unwrap().unwrap()
        };
        let chapter = weeks(f64::INFINITY);
        let text = "The revenue of 2 weeks is too large to compute with: there is no trend to speak of.";
        assert_eq!(chapter.brief[0].0, text);
        assert!(chapter.tiles.is_empty() && chapter.body.into_string().contains(text));
        assert!(weeks(6.0).brief[0].0.starts_with("The last 2 weeks brought €11"));
    }
}

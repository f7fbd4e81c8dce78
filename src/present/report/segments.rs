//! Section: the segments, how large and valuable they are and how they differ.

use std::collections::HashMap;

use anyhow::Result;
use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, Tile, care, figure, name, plain};
use super::portraits::portraits;
use super::risk::GONE;
use super::{Inputs, Misfit, of, separation};
use crate::data::Table;
use crate::data::columns::float_vec;
use crate::present::chart::bars::greatest;
use crate::present::chart::scatter::Side;
use crate::present::chart::{Bars, Measure, read};
use crate::present::format::{Unit, count, counted, fixed, percent, words};

/// Segments below this share of customers are too few to act on.
const SMALL: f64 = 0.03;

/// Features in the heat map: those that differ most.
const FEATURES: usize = 14;

/// A segment with more than this times its share of customers in revenue is worth looking after.
const VALUABLE: f64 = 1.25;

/// A segment in figures; what isn't known is NaN.
#[derive(Clone, Debug)]
struct Segment {
    key: String,
    name: String,
    customers: f64,
    share: f64,
    revenue: f64,
    revenue_share: f64,
    means: Vec<f64>,
}

/// Means that the table shows where the profile has them.
const MEANS: [&str; 3] = ["recency_days", "frequency", "mean_amount"];

/// The section, where segments, their profile, differences or measures are given.
pub fn chapter(inputs: &Inputs, money: &Unit) -> Result<Option<Chapter>, Misfit> {
    let given = [&inputs.profile, &inputs.segments, &inputs.differences, &inputs.selection];
    if given.iter().all(|table| table.is_none()) {
        return Ok(None);
    }
    let segments = segments(inputs)?;
    let text = sentences(&segments, money);
    let body = html! {
        @if !text.is_empty() { p { @for sentence in &text { (sentence) " " } } }
        (cautions(&segments))
        (sizes(&segments).map_err(of("profile"))?)
        @if !segments.is_empty() { (grid(&segments, money).render()) }
        (differences(inputs, money)?)
        (map(inputs, &segments, money).map_err(of("features"))?)
        @if let Some(table) = &inputs.selection { (separation::separation(table, segments.len()).map_err(of("selection"))?) }
    };
    let brief = brief(&segments).into_iter().collect();
    let advice = advice(&segments, inputs)?;
    Ok(Some(Chapter { heading: "Segments", tiles: tiles(&segments), brief, advice, body }))
}

/// Labels of segments with their names, largest segment first.
///
/// # Errors
/// When the profile or the assignments lack a column.
pub fn named(inputs: &Inputs) -> Result<Vec<(String, String)>, Misfit> {
    Ok(segments(inputs)?.into_iter().map(|segment| (segment.key, segment.name)).collect())
}

fn segments(inputs: &Inputs) -> Result<Vec<Segment>, Misfit> {
    match (&inputs.profile, &inputs.segments) {
        (Some(profile), _) => profiled(profile).map_err(of("profile")),
        (None, Some(assignments)) => tallied(assignments).map_err(of("segments")),
        (None, None) => Ok(Vec::new()),
    }
}

fn profiled(profile: &Table) -> Result<Vec<Segment>> {
    let known = ["segment", "name", "customers", "customer_share", "revenue", "revenue_share"];
    let means: Vec<_> = MEANS.into_iter().filter(|column| profile.has(column)).collect();
    let batch = read::gather(profile, &[&known[..], &means].concat())?;
    let columns =
        ["customers", "customer_share", "revenue", "revenue_share"].map(|column| float_vec(&batch, column));
    let [customers, shares, revenue, revenue_shares] = columns;
    let (customers, shares, revenue, revenue_shares) = (customers?, shares?, revenue?, revenue_shares?);
    let means =
        MEANS.map(|column| if profile.has(column) { float_vec(&batch, column) } else { Ok(Vec::new()) });
    let means = means.into_iter().collect::<Result<Vec<_>>>()?;
    let at = |values: &[f64], row: usize| values.get(row).copied().unwrap_or(f64::NAN);
    let labelled =
        read::labels(&batch, "segment")?.into_iter().zip(read::labels(&batch, "name")?).enumerate();
    let segment = |(row, (key, name)): (usize, (String, String))| Segment {
        name: if name.is_empty() { key.clone() } else { name },
        key,
        customers: at(&customers, row),
        share: at(&shares, row),
        revenue: at(&revenue, row),
        revenue_share: at(&revenue_shares, row),
        means: means.iter().map(|values| at(values, row)).collect(),
    };
    Ok(labelled.map(segment).collect())
}

/// Segments counted from the assignments of customers.
fn tallied(assignments: &Table) -> Result<Vec<Segment>> {
    let mut counts: Vec<(String, u64)> = Vec::new();
    for batch in assignments.select(&["segment"])? {
        for key in read::labels(&batch?, "segment")? {
            match counts.iter_mut().find(|(known, _)| *known == key) {
                Some((_, number)) => *number += 1,
                None => counts.push((key, 1)),
            }
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let total = assignments.rows().max(1) as f64;
    let segment = |(key, number): (String, u64)| {
        let (customers, unknown) = (number as f64, f64::NAN);
        let (name, share) = (key.clone(), customers / total);
        Segment {
            key,
            name,
            customers,
            share,
            revenue: unknown,
            revenue_share: unknown,
            means: vec![unknown; 3],
        }
    };
    Ok(counts.into_iter().map(segment).collect())
}

/// The segment for which a figure is greatest.
fn most(segments: &[Segment], figure: impl Fn(&Segment) -> f64) -> Option<&Segment> {
    let values: Vec<_> = segments.iter().map(figure).collect();
    greatest(&values).and_then(|(at, _)| segments.get(at))
}

fn worth(segment: &Segment) -> f64 {
    if segment.customers > 0.0 { segment.revenue / segment.customers } else { f64::NAN }
}

/// The most valuable segment, else the largest one, for the summary.
fn brief(segments: &[Segment]) -> Option<Markup> {
    let number = counted(segments.len(), "segment", "segments");
    let valuable = most(segments, |segment| segment.revenue_share).filter(|_| segments.len() > 1);
    if let Some(best) = valuable {
        return Some(html! {
            "Of " (number) ", " (name(&best.name)) " bring most: " (percent(best.revenue_share)) " of revenue from "
            (percent(best.share)) " of customers."
        });
    }
    let largest = most(segments, |segment| segment.customers)?;
    Some(
        html! { "Of " (number) ", " (name(&largest.name)) " has most customers: " (percent(largest.share)) "." },
    )
}

/// What the figures say, sentence by sentence.
fn sentences(segments: &[Segment], money: &Unit) -> Vec<Markup> {
    if let [only] = segments {
        return vec![
            html! { "All " (Unit::Number.long(only.customers)) " customers are in one segment, " (name(&only.name)) "." },
        ];
    }
    let mut out = Vec::new();
    let largest = most(segments, |segment| segment.customers);
    let valuable = most(segments, |segment| segment.revenue);
    if let Some(largest) = largest {
        let customers = Unit::Number.long(largest.customers);
        out.push(html! { "The largest of " (segments.len()) " segments is " (name(&largest.name)) ": " (customers) " customers, " (percent(largest.share)) " of all." });
    }
    if let Some(valuable) = valuable {
        let same = largest.is_some_and(|largest| largest.key == valuable.key);
        let also = if same { "It is also the most valuable" } else { "The most valuable" };
        out.push(html! {
            (also) @if !same { " is " (name(&valuable.name)) }
            ": " (percent(valuable.share)) " of customers bring " (percent(valuable.revenue_share)) " of revenue."
        });
    }
    if let Some((best, times)) = dearest(segments) {
        out.push(html! {
            "The best customers are in " (name(&best.name)) ": each has brought " (money.short(worth(best))) ", "
            (fixed(times, 1)) " times the average."
        });
    }
    out
}

/// The segment whose customers are worth most, and how many times the average that is.
fn dearest(segments: &[Segment]) -> Option<(&Segment, f64)> {
    let best = most(segments, worth)?;
    let sum =
        |figure: fn(&Segment) -> f64| segments.iter().map(figure).filter(|v| v.is_finite()).sum::<f64>();
    let average = sum(|segment| segment.revenue) / sum(|segment| segment.customers);
    (average.is_finite() && average > 0.0).then(|| (best, worth(best) / average))
}

/// Whom to look after, and which number of segments to try.
fn advice(segments: &[Segment], inputs: &Inputs) -> Result<Vec<Markup>, Misfit> {
    let buying: Vec<_> = segments.iter().filter(|segment| !has_left(segment)).cloned().collect();
    let best = most(&buying, |segment| segment.revenue);
    let gone = most(segments, |segment| segment.revenue).filter(|gone| has_left(gone)).map(|gone| {
        let days = fixed(gone.means.first().copied().unwrap_or(f64::NAN), 0);
        html! { (name(&gone.name)) " brought more, but last bought " (days) " days ago on average." }
    });
    let first = best.filter(|best| best.revenue_share > VALUABLE * best.share).map(|best| {
        html! {
            "Look after " (name(&best.name)) " first: " (percent(best.share)) " of customers, "
            (percent(best.revenue_share)) " of revenue."
            @if let Some(gone) = &gone { " " (gone) }
        }
    });
    let other = |table| separation::advice(table, segments.len()).map_err(of("selection"));
    let other = inputs.selection.as_ref().map(other).transpose()?.flatten();
    Ok(first.into_iter().chain(other).collect())
}

/// Whether the usual customer of a segment has most likely left: there is nobody to look after.
fn has_left(segment: &Segment) -> bool {
    segment.means.first().is_some_and(|days| *days > GONE)
}

fn cautions(segments: &[Segment]) -> Markup {
    let small: Vec<_> =
        segments.iter().filter(|segment| segment.share < SMALL).map(|segment| segment.name.clone()).collect();
    html! {
        @if segments.len() == 1 { (care(&plain("one segment tells nobody apart; nothing below compares customers"))) }
        @if !small.is_empty() && small.len() <= 5 {
            (care(&html! { "below " (percent(SMALL)) " of customers each: " (super::parts::listed(&small)) "; their figures rest on few" }))
        } @else if !small.is_empty() {
            (care(&html! { (counted(small.len(), "segment", "segments")) " of " (segments.len()) " have less than " (percent(SMALL)) " of customers each; fewer segments would be easier to act on" }))
        }
    }
}

fn sizes(segments: &[Segment]) -> Result<Markup> {
    if segments.len() < 2 {
        return Ok(html! {});
    }
    let measure = |name: &str, figure: fn(&Segment) -> f64| Measure {
        name: name.to_owned(),
        unit: Unit::Percent,
        values: segments.iter().map(figure).collect(),
    };
    let mut measures = vec![measure("customers", |s| s.share), measure("revenue", |s| s.revenue_share)];
    measures.retain(|measure| measure.values.iter().any(|value| value.is_finite()));
    let names = segments.iter().map(|segment| segment.name.clone()).collect();
    figure(&Bars { names, measures, ..Bars::default() })
}

fn grid(segments: &[Segment], money: &Unit) -> Grid {
    let column = |figure: &dyn Fn(&Segment) -> f64| segments.iter().map(figure).collect::<Vec<_>>();
    let mean = |place: usize| column(&|segment| segment.means.get(place).copied().unwrap_or(f64::NAN));
    let worths = money.alike(&column(&worth));
    let amounts = money.alike(&mean(2));
    let row = |(at, segment): (usize, &Segment)| {
        let text = |texts: &[String]| plain(texts.get(at).map_or("", String::as_str));
        let mean = |place: usize, decimals| {
            plain(fixed(segment.means.get(place).copied().unwrap_or(f64::NAN), decimals))
        };
        vec![
            name(&segment.name),
            plain(Unit::Number.long(segment.customers)),
            plain(percent(segment.share)),
            plain(money.short(segment.revenue)),
            plain(percent(segment.revenue_share)),
            text(&worths),
            mean(0, 0),
            mean(1, 1),
            text(&amounts),
        ]
    };
    let largest = most(segments, |segment| segment.revenue).map(|best| best.key.clone());
    Grid {
        caption: "Segments; the most valuable one is marked. Days, purchases and amounts are means"
            .to_owned(),
        columns: vec![
            Column::Text("Segment"),
            Column::Number("Customers"),
            Column::Number("Of all"),
            Column::Number("Revenue"),
            Column::Number("Of all"),
            Column::Number("Per customer"),
            Column::Number("Days since last"),
            Column::Number("Purchases"),
            Column::Number("A purchase"),
        ],
        rows: segments.iter().enumerate().map(row).collect(),
        marked: segments
            .iter()
            .position(|segment| Some(&segment.key) == largest.as_ref())
            .into_iter()
            .collect(),
    }
}

fn differences(inputs: &Inputs, money: &Unit) -> Result<Markup, Misfit> {
    let Some(table) = &inputs.differences else { return Ok(html! {}) };
    let column = if table.has("name") { "name" } else { "segment" };
    let mut heat = read::heat(table, column, "feature", "difference").map_err(of("differences"))?;
    heat.most = FEATURES;
    let drawn = figure(&heat).map_err(of("differences"))?;
    let portraits = portraits(table, column, money).map_err(of("differences"))?;
    Ok(html! { h3 { "How they differ" } (portraits) (drawn) })
}

/// Customers by purchases and spend, coloured by segment.
fn map(inputs: &Inputs, segments: &[Segment], money: &Unit) -> Result<Markup> {
    let (Some(features), Some(assignments)) = (&inputs.features, &inputs.segments) else {
        return Ok(html! {});
    };
    if !["customer_id", "frequency", "monetary"].iter().all(|column| features.has(column))
        || features.rows() == 0
    {
        return Ok(html! {});
    }
    let names: HashMap<_, _> =
        segments.iter().map(|segment| (segment.key.clone(), segment.name.clone())).collect();
    let values = |column: &str| float_vec(&read::gather(features, &[column])?, column);
    let (purchases, spend) = (values("frequency")?, values("monetary")?);
    if is_same(&purchases) || is_same(&spend) {
        let what = if is_same(&purchases) { "bought equally often" } else { "spent equally much" };
        return Ok(
            html! { p.under { "All customers " (what) ", so that a chart of purchases and spend would show nothing." } },
        );
    }
    let side =
        |column, unit, values: &[f64]| Side { name: words(column), unit, log: read::wants_log(values) };
    let (x, y) = (side("frequency", Unit::Number, &purchases), side("monetary", money.clone(), &spend));
    let groups = read::Groups::Assigned(assignments, &names);
    let mut scatter = read::scatter(features, x, y, ("frequency", "monetary"), groups)?;
    let place = |name: &str| segments.iter().position(|segment| segment.name == name);
    scatter.groups.sort_by_key(|group| place(&group.name).unwrap_or(usize::MAX));
    figure(&scatter)
}

/// Whether no two known values differ.
fn is_same(values: &[f64]) -> bool {
    let mut known = values.iter().filter(|value| value.is_finite());
    let first = known.next();
    known.all(|value| Some(value) == first)
}

fn tiles(segments: &[Segment]) -> Vec<Tile> {
    let best = most(segments, |segment| segment.revenue);
    let note =
        best.map(|best| html! { (percent(best.revenue_share)) " of revenue from " (name(&best.name)) });
    let tile = Tile {
        label: "Segments".to_owned(),
        value: count(segments.len() as u64),
        note: note.unwrap_or_default(),
    };
    if segments.is_empty() { Vec::new() } else { vec![tile] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(name: &str, customers: f64, revenue: f64) -> Segment {
        let (share, revenue_share) = (customers / 100.0, revenue / 1_000.0);
        Segment {
            key: name.to_owned(),
            name: name.to_owned(),
            customers,
            share,
            revenue,
            revenue_share,
            means: vec![],
        }
    }

    #[test]
    fn the_summary_has_one_sentence_of_its_own() {
        let said = |segments: &[Segment]| brief(segments).map(|text| text.0.replace("bdi>", "b>"));
        let rich = "Of 2 segments, <b>rich</b> bring most: 60% of revenue from 10% of customers.";
        let two = [segment("big", 90.0, 400.0), segment("rich", 10.0, 600.0)];
        assert_eq!(said(&two).as_deref(), Some(rich));
        let unknown = [segment("a", 60.0, f64::NAN), segment("b", 40.0, f64::NAN)];
        assert_eq!(said(&unknown).as_deref(), Some("Of 2 segments, <b>a</b> has most customers: 60%."));
        assert_eq!(said(&[]), None);
    }

    #[test]
    fn nobody_is_looked_after_who_has_left() {
        let with = |days: f64| {
            let rich = Segment { means: vec![days], ..segment("rich", 10.0, 600.0) };
            advice(&[segment("big", 90.0, 400.0), rich], &Inputs::default()).unwrap().len()
        };
        assert_eq!((with(182.0), with(183.0)), (1, 0));
        let gone = Segment { means: vec![224.4], ..segment("gone", 20.0, 500.0) };
        let said = advice(&[gone, segment("rich", 10.0, 400.0)], &Inputs::default()).unwrap();
        assert_eq!(
            said[0].0.replace("bdi>", "b>"),
            "Look after <b>rich</b> first: 10% of customers, 40% of revenue. \
             <b>gone</b> brought more, but last bought 224 days ago on average."
        );
    }

    #[test]
    fn a_map_of_equals_is_left_out() {
        assert!(is_same(&[1.0, f64::NAN, 1.0]) && is_same(&[]) && !is_same(&[1.0, 2.0]));
        use crate::present::report::example::{floats, table, texts};
        let features = table(vec![
            ("customer_id", texts(["a", "b"])),
            ("frequency", floats([1.0, 1.0])),
            ("monetary", floats([5.0, 9.0])),
        ]);
        let assignments = table(vec![("customer_id", texts(["a", "b"])), ("segment", texts(["x", "y"]))]);
        let inputs = Inputs { features: Some(features), segments: Some(assignments), ..Inputs::default() };
        assert_eq!(
            map(&inputs, &[], &Unit::Number).unwrap().0,
            "<p class=\"under\">All customers bought equally often, so that a chart of purchases and spend would show nothing.</p>"
        );
    }

    fn said(segments: &[Segment]) -> String {
        let text: Vec<_> =
            sentences(segments, &Unit::Money("€".to_owned())).into_iter().map(|s| s.into_string()).collect();
        text.join(" ").replace("<bdi>", "").replace("</bdi>", "")
    }

    #[test]
    fn the_largest_and_the_most_valuable_are_named() {
        let text = said(&[segment("big", 90.0, 400.0), segment("rich", 10.0, 600.0)]);
        assert!(text.contains("The largest of 2 segments is big: 90 customers, 90% of all."), "{text}");
        assert!(text.contains("The most valuable is rich: 10% of customers bring 60% of revenue."), "{text}");
        assert!(
            text.contains("The best customers are in rich: each has brought €60, 6.0 times the average."),
            "{text}"
        );
    }

    #[test]
    fn one_that_is_both_is_named_once() {
        let text = said(&[segment("a", 90.0, 900.0), segment("b", 10.0, 100.0)]);
        assert!(
            text.contains("It is also the most valuable: 90% of customers bring 90% of revenue."),
            "{text}"
        );
    }

    #[test]
    fn one_segment_is_no_comparison() {
        assert_eq!(said(&[segment("a", 100.0, 5.0)]), "All 100 customers are in one segment, a.");
        assert!(cautions(&[segment("a", 100.0, 5.0)]).into_string().contains("tells nobody apart"));
    }

    #[test]
    fn unknown_revenue_is_not_spoken_of() {
        let text = said(&[segment("a", 60.0, f64::NAN), segment("b", 40.0, f64::NAN)]);
        assert_eq!(text, "The largest of 2 segments is a: 60 customers, 60% of all.");
    }
}

//! Section: who the customers are, from their features.

use maud::{Markup, html};
use rayon::prelude::*;

use super::parts::{Chapter, Column, Grid, Tile, care, figure, plain};
use super::spend::{quantile, sorted, top_share};
use super::when::When;
use super::{Inputs, Misfit, of};
use crate::data::Table;
use crate::data::columns::float_vec;
use crate::present::chart::{Histogram, read};
use crate::present::format::{Unit, count, counted, date, percent, sentence, words};

/// Below this number single customers move the figures.
const FEW: usize = 100;

/// A feature over all customers.
#[derive(Clone, Debug)]
struct Spread {
    column: &'static str,
    unit: Unit,
    sorted: Vec<f64>,
}

/// Features that every reader understands, in the order of the table.
const SHOWN: [&str; 5] = ["recency_days", "frequency", "monetary", "mean_amount", "tenure_days"];

/// Days of data below which nobody can be seen to come back or to stay away.
const SHORT: f64 = 30.0;

/// Below this number a tenth of the customers isn't one of them, and quartiles are single ones.
const FEWEST: usize = 10;

/// The section, where features are given.
pub fn chapter(inputs: &Inputs, money: &Unit) -> Result<Option<Chapter>, Misfit> {
    let Some(features) = &inputs.features else { return Ok(None) };
    let spreads = spreads(features, money).map_err(of("features"))?;
    let customers = features.rows();
    let refunds = refunds(features).map_err(of("features"))?;
    let histogram = histogram(features, &spreads, money).map_err(of("features"))?;
    let day = When::of(inputs).features;
    let text = typical(customers, &spreads, day, money);
    let body = html! {
        @if customers == 0 { p { "There are no customers in the data." } }
        @else {
            p { @for sentence in &text { (sentence) " " } @if let Some(refunds) = &refunds { (refunds) } }
            @if let Some(day) = day { p.under { "Customers are described as of " (date(day)) ": nothing from that day on counts." } }
            @if let Some(days) = brief_history(&spreads) { (care(&html! { "the data cover " (days) " only; whether customers come back can't be told from that" })) }
            @if (2..FEW).contains(&customers) { (care(&html! { "there are only " (customers) " customers; single ones move every figure below" })) }
            (histogram)
            @if customers >= FEWEST { (grid(&spreads).render()) }
        }
    };
    let best = top_tenth(&spreads).map(|share| format!("the best tenth holds {} of spend", percent(share)));
    let note: Vec<_> = day.map(|day| format!("as of {}", date(day))).into_iter().chain(best).collect();
    let note = plain(note.join("; "));
    let tile = Tile { label: "Customers".to_owned(), value: count(customers as u64), note };
    let brief = brief(customers, &spreads, day).into_iter().collect();
    Ok(Some(Chapter { heading: "Customers", tiles: vec![tile], brief, advice: Vec::new(), body }))
}

fn spreads(features: &Table, money: &Unit) -> anyhow::Result<Vec<Spread>> {
    let columns: Vec<_> = SHOWN.into_iter().filter(|column| features.has(column)).collect();
    let batch = read::gather(features, &columns)?;
    let spread = |column: &'static str| {
        let unit = if matches!(column, "monetary" | "mean_amount") { money.clone() } else { Unit::Number };
        let whole = |value: f64| if column.ends_with("_days") { value.round() } else { value };
        let values: Vec<_> = float_vec(&batch, column)?.into_iter().map(whole).collect();
        Ok(Spread { column, unit, sorted: sorted(&values) })
    };
    columns.into_par_iter().map(spread).collect()
}

/// How spend is spread, where it differs.
fn histogram(features: &Table, spreads: &[Spread], money: &Unit) -> anyhow::Result<Markup> {
    let spend = find(spreads, "monetary").map(|spend| spend.sorted.as_slice());
    if spend.is_none_or(|sorted| sorted.first() == sorted.last()) {
        return Ok(html! {});
    }
    let histogram = read::histogram(features, "monetary", None, money.clone(), 24)?;
    figure(&Histogram { counted: "customers".to_owned(), ..histogram })
}

fn find<'a>(spreads: &'a [Spread], column: &str) -> Option<&'a Spread> {
    spreads.iter().find(|spread| spread.column == column && !spread.sorted.is_empty())
}

fn middle(spreads: &[Spread], column: &str) -> Option<f64> {
    find(spreads, column).and_then(|spread| quantile(&spread.sorted, 0.5))
}

fn top_tenth(spreads: &[Spread]) -> Option<f64> {
    let spend = find(spreads, "monetary").filter(|spend| spend.sorted.len() >= FEWEST)?;
    top_share(&spend.sorted, 0.1)
}

/// What the data cover, where that is too little to see customers come back.
fn brief_history(spreads: &[Spread]) -> Option<String> {
    let days = find(spreads, "tenure_days")?.sorted.last().copied()?;
    (days < SHORT).then(|| days_of(days))
}

fn days_of(days: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days of customers are few")]
    let days = days.round().max(0.0) as usize;
    counted(days, "day", "days")
}

/// How recently customers bought and what the best of them hold.
fn brief(customers: usize, spreads: &[Spread], day: Option<i64>) -> Option<Markup> {
    if customers == 1 {
        return Some(html! { "There is only one customer: nothing here tells customers apart." });
    }
    let recent = middle(spreads, "recency_days").map(|days| {
        let days = days_of(days);
        let within = if days.starts_with("1 ") { "day".to_owned() } else { days };
        match day {
            Some(day) => {
                html! { "Half of all customers bought within the " (within) " before " (date(day)) "." }
            }
            None => html! { "Half of all customers bought within the last " (within) "." },
        }
    });
    let best = top_tenth(spreads).map(|share| {
        html! { "The tenth of customers who spend most holds " (percent(share)) " of all spend." }
    });
    let said: Vec<_> = recent.into_iter().chain(best).collect();
    (!said.is_empty()).then(|| html! { @for sentence in &said { (sentence) " " } })
}

/// What a customer typically does, sentence by sentence.
fn typical(customers: usize, spreads: &[Spread], day: Option<i64>, money: &Unit) -> Vec<Markup> {
    let mut out = Vec::new();
    if let Some(orders) = find(spreads, "frequency") {
        let once = orders.sorted.iter().filter(|orders| **orders <= 1.0).count();
        out.push(html! { (bought_once(once, orders.sorted.len())) });
    }
    let times = middle(spreads, "frequency").map(|times| html! { "bought " (times_of(times)) });
    let spent = middle(spreads, "monetary").map(|spend| html! { "spent " (money.short(spend)) });
    let days = middle(spreads, "tenure_days")
        .map(|days| html! { "first bought " (days_of(days)) " before " (day.map_or_else(|| "the features' cutoff".to_owned(), date)) });
    let parts: Vec<_> = times.into_iter().chain(spent).chain(days).collect();
    if customers > 1 && !parts.is_empty() {
        let last = parts.len() - 1;
        out.push(html! {
            "The customer in the middle "
            @for (at, part) in parts.iter().enumerate() {
                @if at > 0 && at == last { " and " } @else if at > 0 { ", " }
                (part)
            }
            "."
        });
    }
    out
}

fn bought_once(once: usize, of: usize) -> String {
    match (once, of) {
        (1, 1) => "The customer bought once.".to_owned(),
        (0, 1) => "The customer bought more than once.".to_owned(),
        (0, _) => "Every customer bought more than once.".to_owned(),
        (once, of) if once == of => "Every customer bought only once.".to_owned(),
        _ => format!("{} of customers bought only once.", percent(once as f64 / of as f64)),
    }
}

fn times_of(times: f64) -> String {
    match times {
        1.0 => "once".to_owned(),
        2.0 => "twice".to_owned(),
        times => format!("{} times", Unit::Number.short(times)),
    }
}

/// How many returned something, where the features count refunds.
fn refunds(features: &Table) -> anyhow::Result<Option<Markup>> {
    if !features.has("returns") {
        return Ok(None);
    }
    let returns = float_vec(&read::gather(features, &["returns"])?, "returns")?;
    let who = returns.iter().filter(|number| **number > 0.0).count();
    let sum: f64 = returns.iter().filter(|number| number.is_finite()).sum();
    Ok((who > 0).then(|| {
        html! {
            (counted(who, "customer", "customers")) " (" (percent(who as f64 / returns.len() as f64)) ") had money back, "
            (times_of(sum)) " in all; spend is net of refunds."
        }
    }))
}

fn grid(spreads: &[Spread]) -> Grid {
    let parts = [0.25, 0.5, 0.75, 0.95];
    let row = |spread: &Spread| {
        let whole = |value: f64| if spread.column.ends_with("_days") { value.round() } else { value };
        let value = |part: &f64| quantile(&spread.sorted, *part).map_or(f64::NAN, whole);
        let texts = spread.unit.alike(&parts.iter().map(value).collect::<Vec<_>>());
        std::iter::once(sentence(&words(spread.column))).chain(texts).map(plain).collect()
    };
    Grid {
        caption: "So many customers lie below these values".to_owned(),
        columns: vec![
            Column::Text("Measure"),
            Column::Number("25%"),
            Column::Number("50%"),
            Column::Number("75%"),
            Column::Number("95%"),
        ],
        rows: spreads.iter().map(row).collect(),
        marked: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::report::example::{floats, table};

    fn page(rows: &[[f64; 4]]) -> (String, String) {
        written(rows, 300.0)
    }

    /// The summary and the section of customers that are all known for so many days.
    fn written(rows: &[[f64; 4]], tenure: f64) -> (String, String) {
        let column = |at: usize| floats(rows.iter().map(move |row| row[at]));
        let features = table(vec![
            ("recency_days", column(0)),
            ("frequency", column(1)),
            ("monetary", column(2)),
            ("returns", column(3)),
            ("tenure_days", floats(vec![tenure; rows.len()])),
        ]);
        let inputs = Inputs { features: Some(features), ..Inputs::default() };
        let chapter = chapter(&inputs, &Unit::Money("€".to_owned())).unwrap().unwrap();
        let brief: Vec<_> = chapter.brief.into_iter().map(|sentence| sentence.into_string()).collect();
        (brief.join(" "), chapter.body.into_string())
    }

    #[test]
    fn one_customer_is_no_crowd() {
        let (brief, body) = page(&[[1.0, 1.0, 25.5, 0.0]]);
        assert_eq!(brief, "There is only one customer: nothing here tells customers apart.");
        assert_eq!(body, "<p>The customer bought once. </p>");
    }

    /// The day is that of the features, not that of the last transaction.
    #[test]
    fn the_section_says_as_of_which_day_it_is() {
        let rows = vec![20.0; 12];
        let features = table(vec![
            ("recency_days", floats(rows.clone())),
            ("monetary", floats(rows.clone())),
            ("tenure_days", floats(rows)),
        ]);
        let features = crate::data::as_of::noted(features, 20_267 * crate::data::dates::DAY);
        let inputs = Inputs { features: Some(features), ..Inputs::default() };
        let chapter = chapter(&inputs.loaded().unwrap(), &Unit::Money("€".to_owned())).unwrap().unwrap();
        let body = chapter.body.into_string();
        assert!(body.contains("spent €20 and first bought 20 days before 28 Jun 2025."), "{body}");
        assert!(body.contains("Customers are described as of 28 Jun 2025: nothing from that day on counts."));
        assert!(
            chapter.brief[0]
                .0
                .starts_with("Half of all customers bought within the 20 days before 28 Jun 2025.")
        );
        let tile = &chapter.tiles[0];
        assert_eq!(
            (tile.value.as_str(), tile.note.0.as_str()),
            ("12", "as of 28 Jun 2025; the best tenth holds 8.3% of spend")
        );
    }

    #[test]
    fn a_few_customers_have_no_best_tenth_and_no_quartiles() {
        let (brief, body) = page(&[[1.0, 1.0, 20.0, 0.0], [1.0, 1.0, 30.0, 0.0], [1.0, 1.0, 40.0, 0.0]]);
        assert_eq!(brief, "Half of all customers bought within the last day. ");
        assert!(body.starts_with(
            "<p>Every customer bought only once. The customer in the middle bought once, spent €30 and first bought 300 days before the features' cutoff. </p>"
        ));
        assert!(body.contains("there are only 3 customers") && !body.contains("<table"));
    }

    #[test]
    fn a_week_of_data_shows_nobody_come_back() {
        let rows = [[1.0, 1.0, 20.0, 0.0], [2.0, 2.0, 30.0, 0.0]];
        let text = "the data cover 7 days only; whether customers come back can't be told from that";
        assert!(written(&rows, 7.0).1.contains(text) && !written(&rows, 30.0).1.contains(text));
    }

    #[test]
    fn refunds_are_spoken_of() {
        let (_, body) = page(&[[1.0, 2.0, 20.0, 2.0], [1.0, 2.0, 30.0, 0.0]]);
        let text = "1 customer (50%) had money back, twice in all; spend is net of refunds.";
        assert!(body.contains(text), "{body}");
        assert!(body.contains("Every customer bought more than once."));
    }
}

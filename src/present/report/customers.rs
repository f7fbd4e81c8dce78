//! Section: who the customers are, from their features.

use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, Tile, care, figure, plain};
use super::spend::{quantile, sorted, top_share};
use super::{Inputs, Misfit, of};
use crate::data::Table;
use crate::data::columns::float_vec;
use crate::present::chart::read;
use crate::present::format::{Unit, count, counted, percent, sentence, words};

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

/// The section, where features are given.
pub fn chapter(inputs: &Inputs, money: &Unit) -> Result<Option<Chapter>, Misfit> {
    let Some(features) = &inputs.features else { return Ok(None) };
    let spreads = spreads(features, money).map_err(of("features"))?;
    let customers = features.rows();
    let histogram = histogram(features, money).map_err(of("features"))?;
    let text = sentences(&spreads);
    let body = html! {
        @if customers == 0 { p { "There are no customers in the data." } }
        @else {
            p { @for sentence in &text { (sentence) " " } }
            @if customers < FEW { (care(&html! { "there are only " (counted(customers, "customer", "customers")) "; single ones move every figure below" })) }
            (histogram)
            (grid(&spreads).render())
        }
    };
    let note = top_tenth(&spreads)
        .map_or_else(String::new, |share| format!("the best tenth holds {} of spend", percent(share)));
    let tile = Tile { label: "Customers".to_owned(), value: count(customers as u64), note: plain(note) };
    let brief =
        if text.is_empty() { Vec::new() } else { vec![html! { @for sentence in &text { (sentence) " " } }] };
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
    columns.into_iter().map(spread).collect()
}

fn histogram(features: &Table, money: &Unit) -> anyhow::Result<Markup> {
    if !features.has("monetary") || features.rows() == 0 {
        return Ok(html! {});
    }
    figure(&read::histogram(features, "monetary", None, money.clone(), 24)?)
}

fn find<'a>(spreads: &'a [Spread], column: &str) -> Option<&'a Spread> {
    spreads.iter().find(|spread| spread.column == column && !spread.sorted.is_empty())
}

fn top_tenth(spreads: &[Spread]) -> Option<f64> {
    find(spreads, "monetary").and_then(|spend| top_share(&spend.sorted, 0.1))
}

/// What the figures say, sentence by sentence.
fn sentences(spreads: &[Spread]) -> Vec<Markup> {
    let mut out = Vec::new();
    if let Some(days) = find(spreads, "recency_days").and_then(|recency| quantile(&recency.sorted, 0.5)) {
        let days = Unit::Number.short(days.round());
        out.push(html! { "Half of all customers bought within the last " (days) " days." });
    }
    if let Some(orders) = find(spreads, "frequency") {
        let once = orders.sorted.iter().filter(|orders| **orders <= 1.0).count() as f64;
        let share = percent(once / orders.sorted.len() as f64);
        out.push(html! { (share) " bought only once." });
    }
    if let Some(share) = top_tenth(spreads) {
        out.push(html! { "The tenth of customers who spend most holds " (percent(share)) " of all spend." });
    }
    out
}

fn grid(spreads: &[Spread]) -> Grid {
    let parts = [0.25, 0.5, 0.75, 0.95];
    let row = |spread: &Spread| {
        let value = |part: &f64| quantile(&spread.sorted, *part).unwrap_or(f64::NAN);
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

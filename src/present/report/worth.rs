//! Section: what customers are worth in the time ahead, who of them, and how sure that is.

use anyhow::Result;
use arrow::array::{Array, AsArray};
use hashbrown::HashMap;
use maud::{Markup, html};

use super::assigned::{places, rows};
use super::parts::{Chapter, Column, Grid, Tile, care, figure, name, plain, ticked};
use super::spend::{sorted, top_share};
use super::{Inputs, Misfit, of, segments};
use crate::data::Table;
use crate::data::columns::{column, float_vec, strings};
use crate::present::chart::read;
use crate::present::format::{Unit, count, fixed, percent};

/// Parts that customers are put into by value.
const TENTHS: usize = 10;

/// A bias of the holdout that is worth a word.
const OFF: f64 = 0.1;

/// What customers come to together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum {
    customers: u64,
    alive: f64,
    purchases: f64,
    value: f64,
}

/// One customer's figures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Customer {
    alive: f64,
    purchases: f64,
    value: f64,
    segment: Option<usize>,
}

/// The model that was chosen.
#[derive(Clone, Debug, PartialEq)]
struct Chosen {
    name: String,
    days: f64,
    interval: (f64, f64),
    /// Mean absolute error of a customer's purchases on the holdout, that of a plain guess, and the bias.
    error: f64,
    guess: f64,
    bias: f64,
}

/// The section, where customers' value is given.
pub fn chapter(inputs: &Inputs, money: &Unit) -> Result<Option<Chapter>, Misfit> {
    if [&inputs.value, &inputs.value_models, &inputs.value_verdicts].iter().all(|table| table.is_none()) {
        return Ok(None);
    }
    let names = segments::named(inputs)?;
    let read = |table| customers(table, inputs.segments.as_ref(), &names);
    let mut customers = inputs.value.as_ref().map(read).transpose().map_err(of("value"))?.unwrap_or_default();
    customers.sort_by(|one, two| two.value.total_cmp(&one.value));
    let chosen = inputs.value_models.as_ref().map(chosen).transpose().map_err(of("value_models"))?.flatten();
    let doubts = inputs.value_verdicts.as_ref().map(|table| doubts(table, chosen.as_ref())).transpose();
    let doubts = doubts.map_err(of("value_verdicts"))?.unwrap_or_default();
    let all = sum(&customers);
    let ahead = chosen.as_ref().map_or_else(|| "the time ahead".to_owned(), ahead);
    let values = sorted(&customers.iter().map(|customer| customer.value).collect::<Vec<_>>());
    let best = top_share(&values, 1.0 / TENTHS as f64).filter(|_| customers.len() >= TENTHS);
    let first = html! {
        "All customers together are worth " (money.short(all.value)) " in " (ahead)
        @if let Some(chosen) = chosen.as_ref().filter(|chosen| chosen.interval.0.is_finite()) {
            ", with a 95% interval from " (money.short(chosen.interval.0)) " to " (money.short(chosen.interval.1))
        }
        "."
    };
    let alive = inputs.value.as_ref().map(alive).transpose().map_err(of("value"))?;
    let body = html! {
        @if customers.is_empty() && inputs.value.is_some() { p { "There are no customers with a value." } }
        @if !customers.is_empty() {
            p {
                (first) " " (count(all.purchases.round() as u64)) " purchases are to be expected of " (count(all.customers))
                " customers, " (percent(all.alive / all.customers as f64)) " of whom are likely still there. "
                @if let Some(best) = best { "The most valuable tenth holds " (percent(best)) " of the value to come." }
            }
        }
        @if let Some(chosen) = &chosen { (judged(chosen)) }
        @for doubt in &doubts { (care(&ticked(doubt))) }
        @if !customers.is_empty() {
            @if let Some(alive) = &alive { (alive) }
            @if customers.len() >= TENTHS { (tenths(&customers, money).render()) }
            @if names.len() > 1 && inputs.segments.is_some() { (by_segment(&customers, &names, money).render()) }
            p.under {
                "Value is what purchases to come are worth today: money that comes later counts less. An interval says how well the "
                "expectation is known, not how far a single customer may be off."
            }
        }
    };
    let advice = best.map(|best| {
        let tenth = customers.len().div_ceil(TENTHS) as u64;
        html! {
            "Look after the " (count(tenth)) " most valuable customers, who hold " (percent(best)) " of the value to come. The output of the "
            code { "value" } " stage names them; " code { "custem show STAGE --csv" } " prints it."
        }
    });
    let tile = (!customers.is_empty()).then(|| Tile {
        label: "Value to come".to_owned(),
        value: money.short(all.value),
        note: html! { "in " (ahead) },
    });
    let brief = (!customers.is_empty()).then(|| html! { (first) " " }).into_iter().collect();
    let (tiles, advice) = (tile.into_iter().collect(), advice.into_iter().collect());
    Ok(Some(Chapter { heading: "Customer value", tiles, brief, advice, body }))
}

fn customers(table: &Table, segments: Option<&Table>, names: &[(String, String)]) -> Result<Vec<Customer>> {
    let assigned = rows(segments, &["customer_id", "segment"])?;
    let mut segment_of: HashMap<&str, usize> = HashMap::new();
    for (ids, batch) in &assigned {
        let found = ids.iter().zip(places(batch, names)?);
        segment_of.extend(found.filter_map(|(id, place)| Some((id?, place?))));
    }
    let mut customers = Vec::with_capacity(table.rows());
    for batch in table.select(&["customer_id", "alive", "expected_purchases", "value"])? {
        let batch = batch?;
        let ids = strings(&batch, "customer_id")?;
        let [alive, purchases, value] =
            ["alive", "expected_purchases", "value"].map(|column| float_vec(&batch, column));
        let figures = alive?.into_iter().zip(purchases?).zip(value?);
        customers.extend(ids.iter().zip(figures).map(|(id, ((alive, purchases), value))| Customer {
            alive,
            purchases,
            value,
            segment: id.and_then(|id| segment_of.get(id)).copied(),
        }));
    }
    Ok(customers)
}

fn sum<'a>(customers: impl IntoIterator<Item = &'a Customer>) -> Sum {
    let known = |value: f64| if value.is_finite() { value } else { 0.0 };
    customers.into_iter().fold(Sum::default(), |sum, one| Sum {
        customers: sum.customers + 1,
        alive: sum.alive + known(one.alive),
        purchases: sum.purchases + known(one.purchases),
        value: sum.value + known(one.value),
    })
}

fn chosen(table: &Table) -> Result<Option<Chosen>> {
    let needed =
        ["model", "chosen", "horizon_days", "value_low", "value_high", "holdout_mae", "holdout_bias"];
    let batch = read::gather(table, &needed)?;
    let number = |name: &str| float_vec(&batch, name);
    let (days, low, high) = (number("horizon_days")?, number("value_low")?, number("value_high")?);
    let (error, bias) = (number("holdout_mae")?, number("holdout_bias")?);
    let flags = column(&batch, "chosen")?;
    let flags = flags.as_boolean_opt().ok_or_else(|| anyhow::anyhow!("column `chosen` is not true/false"))?;
    let models = read::labels(&batch, "model")?;
    let at = |values: &[f64], row: usize| values.get(row).copied().unwrap_or(f64::NAN);
    let guess = models.iter().position(|model| model == "past_rate").map_or(f64::NAN, |row| at(&error, row));
    let chosen = (0..models.len()).find(|row| flags.is_valid(*row) && flags.value(*row));
    Ok(chosen.zip(chosen.and_then(|row| models.get(row))).map(|(row, model)| Chosen {
        name: model.clone(),
        days: at(&days, row),
        interval: (at(&low, row), at(&high, row)),
        error: at(&error, row),
        guess,
        bias: at(&bias, row),
    }))
}

/// What the data can't tell of the chosen model and of spend.
fn doubts(table: &Table, chosen: Option<&Chosen>) -> Result<Vec<String>> {
    let batch = read::gather(table, &["model", "verdict", "reason"])?;
    let [models, verdicts, reasons] = ["model", "verdict", "reason"].map(|name| read::labels(&batch, name));
    let rows = models?.into_iter().zip(verdicts?).zip(reasons?);
    let about = |model: &str| model == "gamma_gamma" || chosen.is_none_or(|chosen| chosen.name == model);
    Ok(rows
        .filter(|((model, verdict), _)| verdict != "ok" && about(model))
        .map(|(_, reason)| reason)
        .collect())
}

fn ahead(chosen: &Chosen) -> String {
    format!("the next {} days", fixed(chosen.days, 0))
}

/// How the model did on days that it had not seen.
fn judged(chosen: &Chosen) -> Markup {
    let off = chosen.bias.abs() > OFF;
    html! {
        @if chosen.error.is_finite() {
            p {
                "On days that it had not seen, the model (" code { (chosen.name) } ") was off by " (fixed(chosen.error, 2)) " purchases a customer"
                @if chosen.guess.is_finite() { "; that everybody goes on as before would have been off by " (fixed(chosen.guess, 2)) }
                ". "
                @if chosen.bias.is_finite() {
                    "In total it expected " (percent(chosen.bias.abs())) @if chosen.bias < 0.0 { " fewer" } @else { " more" } " purchases than were made."
                }
            }
            @if off && chosen.bias > 0.0 { (care(&html! { "the model expected too many purchases; take the value to come as an upper end" })) }
            @if off && chosen.bias < 0.0 { (care(&html! { "the model expected too few purchases; take the value to come as a lower end" })) }
        }
    }
}

fn alive(table: &Table) -> Result<Markup> {
    let mut histogram = read::histogram(table, "alive", None, Unit::Percent, 20)?;
    histogram.measure = "chance of still being a customer".to_owned();
    histogram.counted = "customers".to_owned();
    figure(&histogram)
}

fn cells(sum: &Sum, all: &Sum, money: &Unit) -> Vec<Markup> {
    let share = if all.value > 0.0 { sum.value / all.value } else { f64::NAN };
    let mean = |total: f64| if sum.customers > 0 { total / sum.customers as f64 } else { f64::NAN };
    // Nobody counts in less than a hundredth.
    let money = |value: f64| money.short((100.0 * value).round() / 100.0);
    vec![
        plain(count(sum.customers)),
        plain(percent(mean(sum.alive))),
        plain(fixed(mean(sum.purchases), 1)),
        plain(money(sum.value)),
        plain(percent(share)),
        plain(money(mean(sum.value))),
    ]
}

fn columns(first: &'static str) -> Vec<Column> {
    vec![
        Column::Text(first),
        Column::Number("Customers"),
        Column::Number("Still there"),
        Column::Number("Purchases each"),
        Column::Number("Value"),
        Column::Number("Of all"),
        Column::Number("Value each"),
    ]
}

/// Customers, the most valuable ones first, in ten parts.
fn tenths(customers: &[Customer], money: &Unit) -> Grid {
    let all = sum(customers);
    let end = |part: usize| customers.len() * part / TENTHS;
    let row = |part: usize| {
        let own = sum(customers.get(end(part)..end(part + 1)).unwrap_or_default());
        let label = match part {
            0 => "Best tenth".to_owned(),
            part => format!("{}", part + 1),
        };
        std::iter::once(plain(label)).chain(cells(&own, &all, money)).collect()
    };
    Grid {
        caption: "Customers by what they are worth, in tenths".to_owned(),
        columns: columns("Tenth"),
        rows: (0..TENTHS).map(row).collect(),
        marked: vec![0],
    }
}

/// Customers by segment, in the order of the profile.
fn by_segment(customers: &[Customer], names: &[(String, String)], money: &Unit) -> Grid {
    let all = sum(customers);
    let of_segment = |at: Option<usize>| sum(customers.iter().filter(|customer| customer.segment == at));
    let row = |label: Markup, own: &Sum| std::iter::once(label).chain(cells(own, &all, money)).collect();
    let mut rows: Vec<Vec<Markup>> = names
        .iter()
        .enumerate()
        .map(|(at, (_, segment))| row(name(segment), &of_segment(Some(at))))
        .collect();
    let without = of_segment(None);
    if without.customers > 0 {
        rows.push(row(plain("without a segment"), &without));
    }
    Grid { caption: "Value by segment".to_owned(), columns: columns("Segment"), rows, marked: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::report::example::{self, flags, floats, table, texts};

    fn money() -> Unit {
        Unit::Money("€".to_owned())
    }

    /// Twenty customers: one is worth 81, the others 1 each.
    fn twenty() -> Table {
        let of = |first: f64, other: f64| floats((0..20).map(move |at| if at == 7 { first } else { other }));
        table(vec![
            ("customer_id", texts((0..20).map(|at| format!("c{at}")))),
            ("alive", of(0.95, 0.55)),
            ("expected_purchases", of(12.0, 2.0)),
            ("value", of(81.0, 1.0)),
        ])
    }

    fn models(bias: f64) -> Table {
        table(vec![
            ("model", texts(["bgnbd", "past_rate"])),
            ("horizon_days", floats([90.0, 90.0])),
            ("value_low", floats([80.0, f64::NAN])),
            ("value_high", floats([125.0, f64::NAN])),
            ("holdout_mae", floats([0.61, 0.94])),
            ("holdout_bias", floats([bias, 0.5])),
            ("chosen", flags([true, false])),
        ])
    }

    fn text(inputs: &Inputs) -> (Chapter, String) {
        let chapter = chapter(inputs, &money()).unwrap().unwrap();
        let text = chapter.body.0.clone();
        (chapter, text)
    }

    #[test]
    fn the_whole_and_its_best_tenth() {
        let inputs = Inputs { value: Some(twenty()), value_models: Some(models(0.03)), ..Inputs::default() };
        let (chapter, body) = text(&inputs);
        let whole = "All customers together are worth €100 in the next 90 days, with a 95% interval from €80 to €125.";
        assert!(body.contains(whole) && chapter.brief[0].0.contains(whole), "{body}");
        assert!(
            body.contains(
                "50 purchases are to be expected of 20 customers, 57% of whom are likely still there."
            ),
            "{body}"
        );
        assert!(body.contains("The most valuable tenth holds 82% of the value to come."), "{body}");
        assert!(body.contains("was off by 0.61 purchases a customer; that everybody goes on as before would have been off by 0.94."), "{body}");
        assert!(body.contains("In total it expected 3.0% more purchases than were made."), "{body}");
        assert!(!body.contains("Caution"), "{body}");
        assert!(chapter.advice[0].0.starts_with("Look after the 2 most valuable customers, who hold 82% "));
        assert_eq!(chapter.tiles[0].value, "€100");
    }

    #[test]
    fn what_can_not_be_told_is_a_caution() {
        let verdicts = table(vec![
            ("model", texts(["bgnbd", "paretonbd", "gamma_gamma"])),
            ("verdict", texts(["failed", "failed", "ok"])),
            ("reason", texts(["drop-out can't be told: `nbd` does as well", "another model", "no relation"])),
        ]);
        let inputs = Inputs {
            value: Some(twenty()),
            value_models: Some(models(-0.25)),
            value_verdicts: Some(verdicts),
            ..Inputs::default()
        };
        let (_, body) = text(&inputs);
        assert!(body.contains("drop-out can't be told: <code>nbd</code> does as well"), "{body}");
        assert!(!body.contains("another model") && !body.contains("no relation"), "{body}");
        assert!(body.contains("take the value to come as a lower end"), "{body}");
    }

    #[test]
    fn segments_add_up_to_the_whole() {
        let segments = table(vec![
            ("customer_id", texts((0..19).map(|at| format!("c{at}")))),
            ("segment", texts((0..19).map(|at| if at < 10 { "loyal" } else { "new" }))),
        ]);
        let inputs = Inputs { value: Some(twenty()), segments: Some(segments), ..Inputs::default() };
        let (_, body) = text(&inputs);
        let (_, grid) = body.split_once("Value by segment").unwrap();
        let cells: Vec<&str> =
            grid.split("data-head=\"Of all\">").skip(1).map(|cell| cell.split('<').next().unwrap()).collect();
        assert_eq!(cells, ["90%", "9.0%", "1.0%"]);
        assert!(grid.contains("without a segment"));
    }

    #[test]
    fn without_customers_there_is_nothing_to_say() {
        let empty = table(vec![
            ("customer_id", texts(Vec::<String>::new())),
            ("alive", floats([])),
            ("expected_purchases", floats([])),
            ("value", floats([])),
        ]);
        let (chapter, body) = text(&Inputs { value: Some(empty), ..Inputs::default() });
        assert!(body.contains("There are no customers with a value."), "{body}");
        assert!(chapter.tiles.is_empty() && chapter.brief.is_empty() && chapter.advice.is_empty());
        assert!(chapter_is_left_out());
    }

    fn chapter_is_left_out() -> bool {
        let inputs = Inputs { churn: Some(example::churn()), ..Inputs::default() };
        chapter(&inputs, &money()).unwrap().is_none()
    }
}

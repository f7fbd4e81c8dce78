//! Section: who is likely to leave, what they are worth, and how good the prediction is.

use std::collections::HashMap;

use anyhow::Result;
use arrow::array::{Array, AsArray};
use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, Tile, care, figure, name, plain};
use super::{Inputs, Misfit, of};
use crate::data::Table;
use crate::data::columns::{column, float_vec, strings};
use crate::present::chart::{Reliability, read};
use crate::present::format::{Unit, count, fixed, percent};

/// Below this area under the curve a model can't choose customers; above the next one it is too
/// good to be true.
const USELESS: f64 = 0.6;
const SUSPICIOUS: f64 = 0.99;

/// A mean distance of prediction and outcome beyond this is spoken of.
const MISCALIBRATED: f64 = 0.05;

/// Bands of risk, lowest first.
const BANDS: [&str; 3] = ["low", "medium", "high"];

/// Customers of a band.
#[derive(Clone, Copy, Debug, Default)]
struct Band {
    customers: u64,
    probability: f64,
    spend: f64,
}

/// A model's scores.
#[derive(Clone, Debug)]
struct Model {
    name: String,
    auc: f64,
    accuracy: f64,
    brier: f64,
    log_loss: f64,
    chosen: bool,
}

/// The section, where anything about churn is given.
pub fn chapter(inputs: &Inputs, money: &Unit) -> Result<Option<Chapter>, Misfit> {
    let given = [&inputs.churn, &inputs.churn_models, &inputs.importance, &inputs.reliability];
    if given.iter().all(|table| table.is_none()) {
        return Ok(None);
    }
    let bands =
        inputs.churn.as_ref().map(|table| bands(table, spend(inputs)?)).transpose().map_err(of("churn"))?;
    let models =
        inputs.churn_models.as_ref().map(models).transpose().map_err(of("churn_models"))?.unwrap_or_default();
    let reliability =
        inputs.reliability.as_ref().map(read::reliability).transpose().map_err(of("reliability"))?;
    let base = reliability.as_ref().and_then(Reliability::base_rate);
    let text = bands.as_ref().map(|bands| sentence(bands, money));
    let chosen = models.iter().find(|model| model.chosen).or_else(|| models.first());
    let body = html! {
        @if let Some(text) = &text { p { (text) } }
        @if let Some(chosen) = chosen { (verdict(chosen, base)) }
        @else if let Some(base) = base { p { (rate(base)) } }
        (probabilities(inputs, bands.as_ref(), money).map_err(of("churn"))?)
        @if !models.is_empty() { (grid(&models).render()) }
        (drivers(inputs).map_err(of("importance"))?)
        @if let Some(reliability) = &reliability { (calibration(reliability).map_err(of("reliability"))?) }
    };
    let brief = text.into_iter().chain(chosen.and_then(warning)).collect();
    let tiles = bands.as_ref().map(tile).into_iter().collect();
    Ok(Some(Chapter { heading: "Customers at risk", tiles, brief, body }))
}

/// What each customer has spent, where features say it.
fn spend(inputs: &Inputs) -> Result<Option<HashMap<String, f64>>> {
    let Some(features) =
        inputs.features.as_ref().filter(|table| table.has("monetary") && table.has("customer_id"))
    else {
        return Ok(None);
    };
    let mut spend = HashMap::with_capacity(features.rows());
    for batch in features.select(&["customer_id", "monetary"])? {
        let batch = batch?;
        let ids = strings(&batch, "customer_id")?;
        let values = float_vec(&batch, "monetary")?;
        let known = ids.iter().zip(values).filter_map(|(id, value)| Some((id?.to_owned(), value)));
        spend.extend(known.filter(|(_, value)| value.is_finite()));
    }
    Ok(Some(spend))
}

/// Sums by band; spend is NaN where it isn't known.
fn bands(churn: &Table, spend: Option<HashMap<String, f64>>) -> Result<[Band; 3]> {
    let mut bands = [Band { spend: if spend.is_some() { 0.0 } else { f64::NAN }, ..Band::default() }; 3];
    for batch in churn.select(&["customer_id", "probability", "band"])? {
        let batch = batch?;
        let (ids, names) = (strings(&batch, "customer_id")?, strings(&batch, "band")?);
        let probabilities = float_vec(&batch, "probability")?;
        for ((id, name), probability) in ids.iter().zip(&names).zip(probabilities) {
            let place = BANDS.iter().position(|band| name == Some(band));
            let Some(band) = place.and_then(|place| bands.get_mut(place)) else { continue };
            band.customers += 1;
            band.probability += if probability.is_finite() { probability } else { 0.0 };
            let own = id.zip(spend.as_ref()).and_then(|(id, spend)| spend.get(id));
            band.spend += own.copied().unwrap_or(0.0);
        }
    }
    Ok(bands)
}

fn models(table: &Table) -> Result<Vec<Model>> {
    let batch = read::gather(table, &["model", "auc", "accuracy", "brier", "log_loss", "chosen"])?;
    let columns = ["auc", "accuracy", "brier", "log_loss"].map(|column| float_vec(&batch, column));
    let columns = columns.into_iter().collect::<Result<Vec<_>>>()?;
    let chosen = column(&batch, "chosen")?;
    let chosen =
        chosen.as_boolean_opt().ok_or_else(|| anyhow::anyhow!("column `chosen` is not true/false"))?;
    let at =
        |column: usize, row: usize| columns.get(column).and_then(|c| c.get(row)).copied().unwrap_or(f64::NAN);
    let model = |(row, name)| Model {
        name,
        auc: at(0, row),
        accuracy: at(1, row),
        brier: at(2, row),
        log_loss: at(3, row),
        chosen: chosen.is_valid(row) && chosen.value(row),
    };
    let mut models: Vec<_> = read::labels(&batch, "model")?.into_iter().enumerate().map(model).collect();
    models.sort_by(|a, b| b.auc.total_cmp(&a.auc));
    Ok(models)
}

/// The share of customers and of spend that a band holds.
fn shares(bands: &[Band; 3], band: &Band) -> (f64, f64) {
    let customers: u64 = bands.iter().map(|band| band.customers).sum();
    let spend: f64 = bands.iter().map(|band| band.spend).sum();
    (band.customers as f64 / customers as f64, if spend > 0.0 { band.spend / spend } else { f64::NAN })
}

fn sentence(bands: &[Band; 3], money: &Unit) -> Markup {
    let [.., high] = bands;
    let (share, spent) = shares(bands, high);
    if !share.is_finite() {
        return html! { "There are no customers with a probability of churn." };
    }
    html! {
        (count(high.customers)) @if high.customers == 1 { " customer is" } @else { " customers are" }
        " at high risk of leaving, " (percent(share)) " of all"
        @if spent.is_finite() { "; they hold " (percent(spent)) " of past revenue (" (money.short(high.spend)) ")" }
        "."
    }
}

fn rate(base: f64) -> Markup {
    html! { "Of the customers that the model was tested on, " (percent(base)) " left." }
}

/// How good the model is, in words, against the base rate.
fn verdict(model: &Model, base: Option<f64>) -> Markup {
    let auc = fixed(model.auc, 2);
    let lazy = base.map(|base| base.max(1.0 - base));
    html! {
        @if model.auc < USELESS {
            (care(&html! { "the model (" (name(&model.name)) ") has an area under the curve of " (auc) ", below " (fixed(USELESS, 1)) ": it hardly beats drawing lots and isn't useful for choosing customers" }))
        } @else if model.auc > SUSPICIOUS {
            (care(&html! { "the model (" (name(&model.name)) ") has an area under the curve of " (auc) ", which is too good to be true; a feature may know the outcome" }))
        } @else if model.auc.is_finite() {
            p {
                "The model (" (name(&model.name)) ") ranks a customer who leaves above one who stays in " (percent(model.auc))
                " of all pairs (area under the curve " (auc) "; drawing lots has 0.50). "
                @if let Some(base) = base { (rate(base)) }
            }
        }
        @if let Some(lazy) = lazy.filter(|lazy| model.accuracy <= *lazy) {
            (care(&html! { "its accuracy of " (percent(model.accuracy)) " is no better than always giving the commoner answer (" (percent(lazy)) "); use the ranking, not yes or no" }))
        }
    }
}

/// The verdict for the summary, where it is a bad one.
fn warning(model: &Model) -> Option<Markup> {
    (model.auc < USELESS).then(|| html! { "The prediction of churn isn't useful for choosing customers (area under the curve " (fixed(model.auc, 2)) ")." })
}

fn probabilities(inputs: &Inputs, bands: Option<&[Band; 3]>, money: &Unit) -> Result<Markup> {
    let (Some(table), Some(bands)) = (&inputs.churn, bands) else { return Ok(html! {}) };
    let histogram = read::histogram(table, "probability", Some("band"), Unit::Percent, 20)?;
    let mut histogram = histogram;
    histogram.measure = "probability of churn".to_owned();
    let row = |(name, band): (&&str, &Band)| {
        let (share, spent) = shares(bands, band);
        let mean = band.probability / band.customers as f64;
        let spend = if spent.is_finite() { money.short(band.spend) } else { money.short(f64::NAN) };
        vec![
            plain(name),
            plain(count(band.customers)),
            plain(percent(share)),
            plain(percent(mean)),
            plain(spend),
            plain(percent(spent)),
        ]
    };
    let columns = vec![
        Column::Text("Risk"),
        Column::Number("Customers"),
        Column::Number("Share"),
        Column::Number("Mean probability"),
        Column::Number("Past revenue"),
        Column::Number("Share"),
    ];
    let rows = BANDS.iter().zip(bands).map(row).rev().collect();
    let grid = Grid { caption: "Customers by risk", columns, rows, marked: vec![0] };
    Ok(html! { (figure(&histogram)?) (grid.render()) })
}

fn grid(models: &[Model]) -> Grid {
    let row = |model: &Model| {
        let scores = [model.auc, model.accuracy, model.brier, model.log_loss];
        std::iter::once(name(&model.name)).chain(scores.iter().map(|score| plain(fixed(*score, 3)))).collect()
    };
    Grid {
        caption: "Models compared; the chosen one is marked",
        columns: vec![
            Column::Text("Model"),
            Column::Number("Area under curve"),
            Column::Number("Accuracy"),
            Column::Number("Brier score"),
            Column::Number("Log loss"),
        ],
        rows: models.iter().map(row).collect(),
        marked: models.iter().position(|model| model.chosen).into_iter().collect(),
    }
}

fn drivers(inputs: &Inputs) -> Result<Markup> {
    let Some(table) = &inputs.importance else { return Ok(html! {}) };
    let importance = read::importance(table, "feature", "importance")?;
    let drawn = figure(&importance)?;
    Ok(html! {
        h3 { "What the prediction rests on" }
        p { "Importance says what the model looks at, not what makes customers leave." }
        (drawn)
    })
}

fn calibration(reliability: &Reliability) -> Result<Markup> {
    let error = reliability.error();
    let drawn = figure(reliability)?;
    Ok(html! {
        h3 { "Can the probabilities be taken at their word?" }
        @match error {
            Some(error) if error > MISCALIBRATED => {
                (care(&html! { "probabilities miss what happened by " (fixed(100.0 * error, 1)) " points on average; trust the order of customers more than the percentages" }))
            }
            Some(error) => p { "Yes: they miss what happened by " (fixed(100.0 * error, 1)) " points on average." },
            None => p { "There are no predictions to compare." },
        }
        (drawn)
    })
}

fn tile(bands: &[Band; 3]) -> Tile {
    let [.., high] = bands;
    let (share, spent) = shares(bands, high);
    let note = html! { (percent(share)) " of customers" @if spent.is_finite() { ", " (percent(spent)) " of past revenue" } };
    Tile { label: "At high risk of leaving".to_owned(), value: count(high.customers), note }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::report::example::{floats, table, texts};

    fn model(auc: f64, accuracy: f64) -> Model {
        Model { name: "m".to_owned(), auc, accuracy, brier: 0.1, log_loss: 0.3, chosen: true }
    }

    #[test]
    fn bands_hold_customers_and_their_spend() {
        let churn = table(vec![
            ("customer_id", texts(["a", "b", "c", "d"])),
            ("probability", floats([0.9, 0.1, 0.8, f64::NAN])),
            ("band", texts(["high", "low", "high", "odd"])),
        ]);
        let spend = HashMap::from([("a".to_owned(), 30.0), ("b".to_owned(), 60.0), ("z".to_owned(), 1e9)]);
        let known = bands(&churn, Some(spend)).unwrap();
        let text = sentence(&known, &Unit::Money("€".to_owned())).into_string();
        assert_eq!(
            text,
            "2 customers are at high risk of leaving, 67% of all; they hold 33% of past revenue (€30)."
        );
        let unknown = sentence(&bands(&churn, None).unwrap(), &Unit::Number).into_string();
        assert_eq!(unknown, "2 customers are at high risk of leaving, 67% of all.");
    }

    #[test]
    fn no_customers_are_no_risk() {
        let text = sentence(&[Band::default(); 3], &Unit::Number).into_string();
        assert_eq!(text, "There are no customers with a probability of churn.");
    }

    #[test]
    fn bad_models_are_called_so() {
        assert!(verdict(&model(0.55, 0.9), None).into_string().contains("isn't useful"));
        assert!(verdict(&model(0.999, 0.9), None).into_string().contains("too good to be true"));
        assert!(verdict(&model(0.8, 0.7), Some(0.25)).into_string().contains("no better than always"));
        let good = verdict(&model(0.8, 0.8), Some(0.25)).into_string();
        assert!(good.contains("80% of all pairs") && good.contains("25% left") && !good.contains("Caution"));
        assert!(warning(&model(0.55, 0.9)).is_some() && warning(&model(0.6, 0.9)).is_none());
    }
}

//! Section: who is likely to leave, what they are worth, and how good the prediction is.

use anyhow::Result;
use arrow::array::{Array, AsArray};
use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, capital, care, figure, name, plain};
use super::reach::{advice, apart, brief, by_segment, easy, sentences, strangers, tile};
use super::risk::{BANDS, Count, Risk};
use super::when::When;
use super::{Inputs, Misfit, accuracy, calibration, of, segments};
use crate::data::Table;
use crate::data::columns::{column, float_vec};
use crate::present::chart::{Reliability, read};
use crate::present::format::{Unit, count, date, fixed, percent, sentence};

/// Below this area under the curve a model can't choose customers; above the next one it is too
/// good to be true.
const USELESS: f64 = 0.6;
const SUSPICIOUS: f64 = 0.99;

/// Fewer than this who left, or stayed, are too few to tell a good model from luck.
const FEW: f64 = 30.0;

/// The title of what a model looks at that doesn't tell who leaves.
const UNTOLD: &str = "What the model looks at, though it hardly tells who leaves";

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
    let names = segments::named(inputs)?;
    let when = When::of(inputs);
    let risk = |table| Risk::of(table, inputs.features.as_ref(), inputs.segments.as_ref(), &names, when);
    let risk = inputs.churn.as_ref().map(risk).transpose().map_err(of("churn"))?;
    let models =
        inputs.churn_models.as_ref().map(models).transpose().map_err(of("churn_models"))?.unwrap_or_default();
    let reliability =
        inputs.reliability.as_ref().map(read::reliability).transpose().map_err(of("reliability"))?;
    let base = reliability.as_ref().and_then(Reliability::base_rate);
    let text = risk.as_ref().map(|risk| sentences(risk, money)).unwrap_or_default();
    let easy = risk.as_ref().and_then(easy);
    let chosen = models.iter().find(|model| model.chosen).or_else(|| models.first());
    let poor = chosen.and_then(warning);
    let few = reliability.as_ref().and_then(few);
    let body = html! {
        @if !text.is_empty() { p { @for sentence in &text { (sentence) " " } } }
        @if let Some(apart) = apart(when) { (care(&apart)) }
        @if let Some(strangers) = risk.as_ref().and_then(strangers) { (care(&strangers)) }
        @if let Some(chosen) = chosen { (verdict(chosen, base)) }
        @else if let Some(base) = base { p { (rate(base)) } }
        @if let Some(few) = &few { (care(&html! { (few) ": how good the model is can't be told from so few" })) }
        @if let Some(easy) = easy.filter(|_| chosen.is_some()) { (care(&easy)) }
        p.under {
            "Leaving means: no purchase within the horizon that the churn model was given"
            @if let Some(day) = when.churn { ", from " (date(day)) " on" }
            "."
        }
        (probabilities(inputs, risk.as_ref(), money).map_err(of("churn"))?)
        @if let Some(risk) = risk.as_ref().filter(|risk| risk.segments.len() > 1) { (by_segment(risk, money).render()) }
        @if !models.is_empty() { (grid(&models).render()) }
        (drivers(inputs, chosen.is_some_and(|model| model.auc < USELESS)).map_err(of("importance"))?)
        @if let Some(reliability) = &reliability { (calibration::part(reliability).map_err(of("reliability"))?) }
    };
    let short = risk.as_ref().map(|risk| brief(risk, money));
    let few = few.map(|few| html! { (capital(&few)) "." });
    let said: Vec<_> = short.into_iter().chain(poor).chain(few).collect();
    let brief = (!said.is_empty()).then(|| html! { @for sentence in &said { (sentence) " " } });
    let brief = brief.into_iter().collect();
    let useful = chosen.is_none_or(|model| model.auc >= USELESS);
    let advice = risk.as_ref().filter(|_| useful).and_then(|risk| advice(risk, money)).into_iter().collect();
    let tiles = risk.as_ref().map(tile).into_iter().collect();
    Ok(Some(Chapter { heading: "Customers at risk", tiles, brief, advice, body }))
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

fn rate(base: f64) -> Markup {
    html! { "Of the customers that the model was tested on, " (percent(base)) " left." }
}

/// That the customers whom the model was tested on hold too few of one kind, where it is so.
fn few(reliability: &Reliability) -> Option<Markup> {
    let (left, stayed) = reliability.outcomes();
    let (number, what) = if left <= stayed { (left, "left") } else { (stayed, "stayed") };
    (number < FEW && left + stayed > 0.0).then(|| {
        html! { "the holdout had only " (fixed(number, 0)) " who " (what) }
    })
}

/// How good the model is, in words, against the base rate.
fn verdict(model: &Model, base: Option<f64>) -> Markup {
    let auc = fixed(model.auc, 2);
    let lazy = base.map(|base| base.max(1.0 - base));
    html! {
        @if model.auc < USELESS {
            (care(&html! { "the model (" (name(&accuracy::said(&model.name))) ") has an area under the curve of " (auc) ", below " (fixed(USELESS, 1)) ": it hardly beats drawing lots and isn't useful for choosing customers" }))
        } @else if model.auc > SUSPICIOUS {
            (care(&html! { "the model (" (name(&accuracy::said(&model.name))) ") has an area under the curve of " (auc) ", which is too good to be true; a feature may know the outcome" }))
        } @else if model.auc.is_finite() {
            p {
                "The model (" (name(&accuracy::said(&model.name))) ") ranks a customer who leaves above one who stays in " (percent(model.auc))
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

fn probabilities(inputs: &Inputs, risk: Option<&Risk>, money: &Unit) -> Result<Markup> {
    let (Some(table), Some(risk)) = (&inputs.churn, risk) else { return Ok(html! {}) };
    let mut histogram = read::histogram(table, "probability", Some("band"), Unit::Percent, 20)?;
    histogram.measure = "probability of churn".to_owned();
    histogram.counted = "customers".to_owned();
    let row = |(name, band): (&&str, &Count)| {
        let (share, spent) = risk.shares(band);
        let mean = band.probability / band.customers as f64;
        vec![
            plain(sentence(name)),
            plain(count(band.customers)),
            plain(percent(share)),
            plain(percent(mean)),
            plain(money.short(band.spend)),
            plain(percent(spent)),
        ]
    };
    let columns = vec![
        Column::Text("Risk"),
        Column::Number("Customers"),
        Column::Number("Of all"),
        Column::Number("Mean probability"),
        Column::Number("Past revenue"),
        Column::Number("Of revenue"),
    ];
    let rows = BANDS.iter().zip(&risk.bands).map(row).rev().collect();
    let grid = Grid { caption: "Customers by risk".to_owned(), columns, rows, marked: vec![0] };
    Ok(html! { (figure(&histogram)?) (grid.render()) })
}

fn grid(models: &[Model]) -> Grid {
    let row = |model: &Model| {
        let scores = [model.auc, model.accuracy, model.brier, model.log_loss];
        std::iter::once(name(&accuracy::said(&model.name)))
            .chain(scores.iter().map(|score| plain(fixed(*score, 3))))
            .collect()
    };
    Grid {
        caption: "Models compared on customers that they had not seen; the chosen one is marked".to_owned(),
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

fn drivers(inputs: &Inputs, useless: bool) -> Result<Markup> {
    let Some(table) = &inputs.importance else { return Ok(html! {}) };
    let mut importance = read::importance(table, "feature", "importance")?;
    if useless {
        importance.title = Some(UNTOLD.to_owned());
    }
    let drawn = figure(&importance)?;
    Ok(html! {
        h3 { "What the prediction rests on" }
        p {
            "Importance says what the model looks at, not what makes customers leave."
            @if useless { " This model hardly tells who leaves, so that says little about leaving." }
        }
        (drawn)
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::ArrayRef;

    use super::*;
    use crate::present::chart::Bin;
    use crate::present::report::example::{self, floats, table};

    fn model(auc: f64, accuracy: f64) -> Model {
        Model { name: "m".to_owned(), auc, accuracy, brier: 0.1, log_loss: 0.3, chosen: true }
    }

    fn euro() -> Unit {
        Unit::Money("€".to_owned())
    }

    fn tested(customers: f64, left: f64) -> Reliability {
        let bin = |predicted, observed, customers| Bin { predicted, observed, customers };
        let bins = vec![bin(0.02, left / customers, customers), bin(0.4, 0.0, 0.0)];
        Reliability { title: None, bins }
    }

    #[test]
    fn few_leavers_in_the_holdout_are_said() {
        let said = |customers, left| few(&tested(customers, left)).map(|few| few.0);
        assert_eq!(said(400.0, 6.0).unwrap(), "the holdout had only 6 who left");
        assert_eq!(said(400.0, 390.0).unwrap(), "the holdout had only 10 who stayed");
        assert!(said(400.0, 30.0).is_none() && said(0.0, 0.0).is_none());
        let mut inputs = example_of_churn();
        inputs.reliability = Some(table(vec![
            ("predicted", floats([0.1, 0.3])),
            ("observed", floats([0.01, 0.02])),
            ("customers", floats([300.0, 150.0])),
        ]));
        let chapter = chapter(&inputs, &euro()).unwrap().unwrap();
        let body = chapter.body.into_string();
        assert!(
            body.contains("the holdout had only 6 who left: how good the model is can't be told"),
            "{body}"
        );
        assert!(chapter.brief[0].0.ends_with(" The holdout had only 6 who left. "), "{}", chapter.brief[0].0);
    }

    fn example_of_churn() -> Inputs {
        let (churn_models, importance) = (Some(example::churn_models()), Some(example::importance()));
        let (churn, reliability) = (Some(example::churn()), Some(example::reliability()));
        Inputs { churn, churn_models, importance, reliability, ..Inputs::default() }
    }

    #[test]
    fn nothing_matters_to_a_model_that_tells_nobody() {
        let body = |inputs: &Inputs| chapter(inputs, &euro()).unwrap().unwrap().body.into_string();
        let mut inputs = example_of_churn();
        let rests = "The model rests most on days since last purchase: 41% of all importance";
        let html = body(&inputs);
        assert!(html.contains(rests) && !html.contains(UNTOLD));
        let blind = |name: &str, column: &ArrayRef| match name {
            "auc" => floats([0.51; 3]),
            _ => column.clone(),
        };
        inputs.churn_models = Some(example::mapped(&example::churn_models(), blind));
        let html = body(&inputs);
        assert!(!html.contains("rests most") && html.contains(&format!("aria-label=\"{UNTOLD}\"")));
        assert!(html.contains("This model hardly tells who leaves, so that says little about leaving."));
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

//! Section: who is likely to leave, what they are worth, and how good the prediction is.

use anyhow::Result;
use arrow::array::{Array, AsArray};
use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, Tile, capital, care, figure, name, plain};
use super::risk::{BANDS, Count, Part, Risk};
use super::{Inputs, Misfit, accuracy, calibration, of, segments};
use crate::data::Table;
use crate::data::columns::{column, float_vec};
use crate::present::chart::{Reliability, read};
use crate::present::format::{Unit, count, fixed, percent, sentence};

/// Below this area under the curve a model can't choose customers; above the next one it is too
/// good to be true.
const USELESS: f64 = 0.6;
const SUSPICIOUS: f64 = 0.99;

/// Beyond this share of customers at risk who have long gone, a model's scores flatter it.
const EASY: f64 = 0.8;

/// Fewer than this who left, or stayed, are too few to tell a good model from luck.
const FEW: f64 = 30.0;

/// The title of what a model looks at that doesn't tell who leaves.
const UNTOLD: &str = "What the model looks at, though it hardly tells who leaves";

/// What to say when nobody has a probability, or nobody a high one.
const UNKNOWN: &str = "There are no customers with a probability of churn.";
const NOBODY: &str = "No customer is at high risk of leaving.";

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
    let risk = |table| Risk::of(table, inputs.features.as_ref(), inputs.segments.as_ref(), &names);
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
        @if let Some(chosen) = chosen { (verdict(chosen, base)) }
        @else if let Some(base) = base { p { (rate(base)) } }
        @if let Some(few) = &few { (care(&html! { (few) ": how good the model is can't be told from so few" })) }
        @if let Some(easy) = easy.filter(|_| chosen.is_some()) { (care(&easy)) }
        p.under { "Leaving means: no purchase within the horizon that the churn model was given." }
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

/// Who can still be won back, else how many are at risk, for the summary.
fn brief(risk: &Risk, money: &Unit) -> Markup {
    let high = risk.high();
    let (share, _) = risk.shares(&high);
    let all = customers(high.customers);
    match risk.reachable {
        _ if !share.is_finite() => plain(UNKNOWN),
        _ if high.customers == 0 => plain(NOBODY),
        Some(near) if near.customers == 0 => html! {
            "Of the " (all) " at high risk of leaving nobody bought within half a year: they have most likely left."
        },
        Some(near) => html! {
            (count(near.customers)) " of the " (all) " at high risk of leaving can still be won back"
            @if near.spend.is_finite() {
                @if near.customers == 1 { "; this one has" } @else { "; they have" }
                " spent " (money.short(near.spend)) " so far"
            }
            "."
        },
        None => {
            html! { (percent(share)) " of all customers are at high risk of leaving (" (count(high.customers)) ")." }
        }
    }
}

/// How many are at risk, what they have spent, and how many of them can still be reached.
fn sentences(risk: &Risk, money: &Unit) -> Vec<Markup> {
    let high = risk.high();
    let (share, spent) = risk.shares(&high);
    if !share.is_finite() {
        return vec![plain(UNKNOWN)];
    }
    if high.customers == 0 {
        return vec![plain(NOBODY)];
    }
    let mut out = vec![html! {
        (customers(high.customers)) @if high.customers == 1 { " is" } @else { " are" } " at high risk of leaving, " (percent(share)) " of all"
        @if spent.is_finite() { "; they brought " (percent(spent)) " of past revenue (" (money.short(high.spend)) ")" }
        "."
    }];
    if let Some(near) = risk.reachable.filter(|_| high.customers > 0) {
        let gone = high.customers - near.customers;
        out.push(html! {
            @if gone > 0 { (count(gone)) " of them bought nothing for half a year and have most likely left already. " }
            @if near.customers == 0 { "Nobody at high risk bought within that time." }
            @else {
                (customers(near.customers)) " can still be won back"
                @if near.spend.is_finite() { ", with " (money.short(near.spend)) " of past revenue" }
                "."
            }
        });
    }
    out
}

/// That most of those at risk are easy to tell, where it is so.
fn easy(risk: &Risk) -> Option<Markup> {
    let (high, near) = (risk.high().customers, risk.reachable?.customers);
    let gone = (high - near) as f64 / high as f64;
    (gone > EASY).then(|| {
        html! {
            (percent(gone)) " of those at high risk have not bought for half a year, which any rule would find; "
            "how good the model is at telling who leaves next is less certain than its scores say"
        }
    })
}

/// Whom to win back first: those at high risk who bought within half a year, best segment named.
fn advice(risk: &Risk, money: &Unit) -> Option<Markup> {
    let near = risk.reachable.filter(|near| near.customers > 0)?;
    let spend = |part: &&Part| {
        if part.reachable.spend.is_finite() { part.reachable.spend } else { part.reachable.customers as f64 }
    };
    let first = risk
        .segments
        .iter()
        .filter(|part| part.reachable.customers > 0)
        .max_by(|a, b| spend(a).total_cmp(&spend(b)));
    Some(html! {
        "Win back the " (customers(near.customers)) " at high risk who bought within the last half year"
        @if let Some(first) = first.filter(|first| first.reachable.customers < near.customers) {
            ", beginning with the " (count(first.reachable.customers)) " of " (name(&first.name))
            @if first.reachable.spend.is_finite() { " (" (money.short(first.reachable.spend)) " so far)" }
        }
        ". The output of the " code { "churn" } " stage names them by customer; " code { "custem show STAGE --csv" } " prints it."
    })
}

fn customers(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "customer" } else { "customers" })
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

/// Where the customers at high risk are.
fn by_segment(risk: &Risk, money: &Unit) -> Grid {
    let row = |part: &Part| {
        let mut cells = vec![
            name(&part.name),
            plain(count(part.all.customers)),
            plain(count(part.high.customers)),
            plain(percent(part.high.customers as f64 / part.all.customers as f64)),
        ];
        if risk.reachable.is_some() {
            cells.extend([plain(count(part.reachable.customers)), plain(money.short(part.reachable.spend))]);
        }
        cells
    };
    let mut columns = vec![
        Column::Text("Segment"),
        Column::Number("Customers"),
        Column::Number("At high risk"),
        Column::Number("Of segment"),
    ];
    if risk.reachable.is_some() {
        columns.extend([Column::Number("Still in reach"), Column::Number("Their revenue")]);
    }
    Grid {
        caption: "Customers at high risk by segment; in reach are those who bought within half a year"
            .to_owned(),
        columns,
        rows: risk.segments.iter().map(row).collect(),
        marked: Vec::new(),
    }
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

fn tile(risk: &Risk) -> Tile {
    let high = risk.high();
    let (share, spent) = risk.shares(&high);
    if high.customers == 0 {
        let note = plain("nobody, as far as the model can tell");
        return Tile { label: "At high risk of leaving".to_owned(), value: count(0), note };
    }
    let note = html! {
        (percent(share)) " of customers" @if spent.is_finite() { ", " (percent(spent)) " of past revenue" }
        @if let Some(near) = risk.reachable { "; " (count(near.customers)) " still in reach" }
    };
    Tile { label: "At high risk of leaving".to_owned(), value: count(high.customers), note }
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

    fn risk(high: Count, reachable: Option<Count>) -> Risk {
        let low = Count { customers: 1, probability: 0.1, spend: 60.0 };
        Risk { bands: [low, Count::default(), high], reachable, segments: Vec::new() }
    }

    fn euro() -> Unit {
        Unit::Money("€".to_owned())
    }

    fn joined(risk: &Risk) -> String {
        sentences(risk, &euro())
            .into_iter()
            .map(|sentence| sentence.into_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn those_who_can_be_reached_are_told_from_those_who_left() {
        let high = Count { customers: 3, probability: 2.5, spend: 60.0 };
        let near = Count { customers: 1, probability: 0.9, spend: 30.0 };
        let known = risk(high, Some(near));
        assert_eq!(
            joined(&known),
            "3 customers are at high risk of leaving, 75% of all; they brought 50% of past revenue (€60). \
             2 of them bought nothing for half a year and have most likely left already. \
             1 customer can still be won back, with €30 of past revenue."
        );
        assert!(
            advice(&known, &euro())
                .unwrap()
                .into_string()
                .starts_with("Win back the 1 customer at high risk")
        );
        let unknown = risk(Count { spend: f64::NAN, ..high }, None);
        assert_eq!(joined(&unknown), "3 customers are at high risk of leaving, 75% of all.");
        assert!(advice(&unknown, &euro()).is_none());
        let nobody = risk(high, Some(Count::default()));
        assert!(joined(&nobody).ends_with("Nobody at high risk bought within that time."));
        assert!(advice(&nobody, &euro()).is_none());
    }

    #[test]
    fn nobody_at_risk_has_no_shares() {
        let nobody = risk(Count { customers: 0, probability: 0.0, spend: 0.0 }, Some(Count::default()));
        assert_eq!(joined(&nobody), "No customer is at high risk of leaving.");
        assert_eq!(brief(&nobody, &euro()).0, "No customer is at high risk of leaving.");
        assert_eq!(tile(&nobody).note.0, "nobody, as far as the model can tell");
        assert!(advice(&nobody, &euro()).is_none());
    }

    #[test]
    fn the_summary_does_not_repeat_the_section() {
        let high = Count { customers: 3, probability: 2.5, spend: 60.0 };
        let near = Count { customers: 1, probability: 0.9, spend: 30.0 };
        let said = |risk: &Risk| brief(risk, &euro()).0;
        assert_eq!(
            said(&risk(high, Some(near))),
            "1 of the 3 customers at high risk of leaving can still be won back; this one has spent €30 so far."
        );
        assert_eq!(
            said(&risk(high, Some(Count::default()))),
            "Of the 3 customers at high risk of leaving nobody bought within half a year: they have most likely left."
        );
        assert_eq!(said(&risk(high, None)), "75% of all customers are at high risk of leaving (3).");
    }

    #[test]
    fn scores_that_rest_on_the_long_gone_are_a_caution() {
        let count = |customers| Count { customers, probability: 1.0, spend: 1.0 };
        let text = easy(&risk(count(100), Some(count(19)))).unwrap().into_string();
        assert!(text.starts_with("81% of those at high risk have not bought for half a year"), "{text}");
        assert!(easy(&risk(count(100), Some(count(20)))).is_none());
        assert!(easy(&risk(count(0), Some(count(0)))).is_none());
        assert!(easy(&risk(count(100), None)).is_none());
    }

    #[test]
    fn the_segment_with_most_to_lose_is_named_first() {
        let near = |customers, spend| Count { customers, probability: 0.9, spend };
        let part = |name: &str, customers, spend| Part {
            name: name.to_owned(),
            all: near(9, 1e3),
            high: near(customers, spend),
            reachable: near(customers, spend),
        };
        let mut risk = risk(near(5, 90.0), Some(near(5, 90.0)));
        risk.segments = vec![part("many", 4, 20.0), part("rich", 1, 70.0)];
        let text = advice(&risk, &euro()).unwrap().into_string();
        assert!(text.contains("beginning with the 1 of <bdi>rich</bdi> (€70 so far)"), "{text}");
    }

    #[test]
    fn no_customers_are_no_risk() {
        let risk = Risk { bands: [Count::default(); 3], reachable: None, segments: Vec::new() };
        assert_eq!(joined(&risk), "There are no customers with a probability of churn.");
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

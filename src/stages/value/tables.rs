//! The tables that the kind gives.
//!
//! Does not compute what stands in them.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray, UInt32Array,
};

use super::Value;
use super::cohort::Cohort;
use super::holdout::Holdout;
use super::tried::Tried;
use super::words;
use super::worth::Worth;
use crate::data::Table;
use crate::model::value::{Estimate, Spend};

/// A next purchase that is farther away has no date.
const FARTHEST_DAYS: f64 = 3_652.0;

/// What the row of a plain guess is called: that customers go on at their past rate.
const PAST_RATE: &str = "past_rate";

fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

fn perhaps(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(values))
}

/// One row a customer, sorted by id.
pub fn customers(ids: &ArrayRef, cohort: &Cohort, worth: &Worth) -> Result<Table> {
    let (histories, outlooks) = (&cohort.histories, &worth.outlooks);
    let mean = cohort.buyers.iter().map(|buyer| (buyer.purchases > 0).then_some(buyer.mean));
    let next = outlooks.iter().map(|outlook| {
        let days = outlook.next? * cohort.clock.days();
        (days <= FARTHEST_DAYS).then(|| cohort.end - 1 + libm::ceil(days) as i32)
    });
    let low = worth.values.iter().map(|value| value.interval.map(|interval| interval.0));
    let high = worth.values.iter().map(|value| value.interval.map(|interval| interval.1));
    let counted = |of: fn(&crate::model::value::Outlook) -> u32| -> ArrayRef {
        Arc::new(UInt32Array::from_iter_values(outlooks.iter().map(of)))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("customer_id", ids.clone()),
        (
            "repeat_purchases",
            Arc::new(UInt32Array::from_iter_values(histories.iter().map(|one| one.repeats))),
        ),
        ("last_purchase", floats(histories.iter().map(|one| one.last))),
        ("age", floats(histories.iter().map(|one| one.age))),
        ("mean_spend", perhaps(mean)),
        ("alive", floats(outlooks.iter().map(|one| one.alive))),
        ("expected_purchases", floats(outlooks.iter().map(|one| one.expected))),
        ("purchases_low", counted(|one| one.range.0)),
        ("purchases_high", counted(|one| one.range.1)),
        ("next_purchase", Arc::new(next.collect::<Date32Array>())),
        ("expected_spend", floats(worth.spends.iter().copied())),
        ("value", floats(worth.values.iter().map(|value| value.value))),
        ("value_low", perhaps(low)),
        ("value_high", perhaps(high)),
    ];
    Ok(Table::from_batch(RecordBatch::try_from_iter(columns)?))
}

/// One row a model, and one for a plain guess; the chosen model's has what all customers are worth.
pub fn models(
    stage: &Value,
    tried: &[Tried],
    best: usize,
    holdout: Option<&Holdout>,
    worth: &Worth,
) -> Result<Table> {
    let guess = holdout.map(|holdout| holdout.scores(&holdout.past_rates()));
    let rows = tried.len() + usize::from(guess.is_some());
    let of = |value: &dyn Fn(&Tried) -> Option<f64>| -> ArrayRef {
        perhaps((0..rows).map(|at| tried.get(at).and_then(value)))
    };
    let total = |value: Option<f64>| perhaps((0..rows).map(|at| value.filter(|_| at == best)));
    let scores = |at: usize| tried.get(at).map_or(guess, |one| one.scores);
    let names = (0..rows).map(|at| tried.get(at).map_or(PAST_RATE, |one| one.model.name()));
    let degrees = (0..rows).map(|at| tried.get(at).and_then(|one| i32::try_from(one.fitted.degrees()).ok()));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("model", Arc::new(StringArray::from_iter_values(names))),
        ("parameters", Arc::new(degrees.collect::<Int32Array>())),
        ("log_likelihood", of(&|one| Some(one.fitted.log_likelihood))),
        ("aic", of(&|one| Some(one.fitted.aic()))),
        ("dropout_ratio", of(&|one| Some(one.no_dropout?.ratio))),
        ("dropout_p", of(&|one| Some(one.no_dropout?.p_value))),
        ("holdout_rmse", perhaps((0..rows).map(|at| Some(scores(at)?.rmse)))),
        ("holdout_mae", perhaps((0..rows).map(|at| Some(scores(at)?.mae)))),
        ("holdout_bias", perhaps((0..rows).map(|at| scores(at)?.bias))),
        ("horizon_days", Arc::new(UInt32Array::from_iter_values((0..rows).map(|_| stage.horizon_days)))),
        ("value", total(Some(worth.total.value))),
        ("value_low", total(worth.total.interval.map(|interval| interval.0))),
        ("value_high", total(worth.total.interval.map(|interval| interval.1))),
        ("chosen", Arc::new((0..rows).map(|at| Some(at == best)).collect::<BooleanArray>())),
    ];
    Ok(Table::from_batch(RecordBatch::try_from_iter(columns)?))
}

/// One row a parameter or effect of a model; those of spend come last.
pub fn parameters(stage: &Value, tried: &[Tried], worth: &Worth) -> Result<Table> {
    let mut rows: Vec<(&str, String, Estimate)> = Vec::new();
    for one in tried {
        let own = one.fitted.family.parameters().iter().map(|name| (*name).to_owned());
        let links = one.fitted.family.links().iter();
        let of_links =
            links.flat_map(|link| stage.covariates.iter().map(move |name| format!("{}.{name}", link.on)));
        let names = own.chain(of_links).zip(one.fitted.estimates());
        rows.extend(names.map(|(name, estimate)| (one.model.name(), name, estimate)));
    }
    if let Some(spend) = &worth.spending.model {
        let names = Spend::PARAMETERS.iter().zip(spend.estimates());
        rows.extend(names.map(|(name, estimate)| ("gamma_gamma", (*name).to_owned(), estimate)));
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("model", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)))),
        ("parameter", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1)))),
        ("value", floats(rows.iter().map(|row| row.2.value))),
        ("standard_error", perhaps(rows.iter().map(|row| row.2.error))),
        ("low", perhaps(rows.iter().map(|row| row.2.interval.map(|interval| interval.0)))),
        ("high", perhaps(rows.iter().map(|row| row.2.interval.map(|interval| interval.1)))),
    ];
    Ok(Table::from_batch(RecordBatch::try_from_iter(columns)?))
}

/// One row a check.
pub fn verdicts(tried: &[Tried], worth: &Worth) -> Result<Table> {
    let all = words::verdicts(tried, worth);
    let text = |of: fn(&words::Verdict) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(all.iter().map(of)))
    };
    let columns = [
        ("model", text(|one| one.model)),
        ("check", text(|one| one.check)),
        ("verdict", text(|one| one.verdict)),
        ("reason", text(|one| &one.reason)),
    ];
    Ok(Table::from_batch(RecordBatch::try_from_iter(columns)?))
}

//! The kind `churn` on small tables.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::TimestampMicrosecondArray;

use super::*;
use crate::stage::{Artifact, Input, Progress, Stop};

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}
    fn step(&self, _: &str, _: u64, _: f64) {}
}

fn run(stage: &Churn, rows: &[(i64, i64)]) -> Result<Outcome> {
    let times = rows.iter().map(|row| row.1 * dates::DAY);
    let batch = RecordBatch::try_from_iter([
        ("customer_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef),
        ("txn_timestamp", Arc::new(TimestampMicrosecondArray::from_iter_values(times))),
        ("amount", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| 10.0 + row.0 as f64)))),
    ])?;
    stage.run(&Context {
        inputs: BTreeMap::from([("input".to_owned(), Input::Table(Table::from_batch(batch)))]),
        sources: Vec::new(),
        seed: 7,
        scratch: Path::new("."),
        progress: &Silent,
        stop: Stop::never(),
        memos: None,
    })
}

fn failure(stage: &Churn, rows: &[(i64, i64)]) -> Failure {
    run(stage, rows).unwrap_err().downcast::<Failure>().unwrap()
}

fn port(outcome: &Outcome, name: &str) -> RecordBatch {
    match &outcome.artifacts.iter().find(|(port, _)| port == name).unwrap().1 {
        Artifact::Table(table) => table.to_batch().unwrap(),
        other => panic!("{name} is {other:?}"),
    }
}

/// Customer and day: 120 customers buy every ten days; each leaves for good on a day of its own.
fn shop() -> Vec<(i64, i64)> {
    let days = |customer: i64| (customer % 10..(customer * 37) % 400 + 40).step_by(10);
    let mut rows: Vec<_> =
        (0..120).flat_map(|customer| days(customer).map(move |day| (customer, day))).collect();
    rows.retain(|row| row.1 < 360);
    rows
}

#[test]
fn a_model_that_tells_customers_apart_is_chosen_over_one_that_does_not() {
    let tried = |model, auc, log_loss| {
        let scores = Scores { auc, log_loss, ..scores(&[true, false], &[0.5, 0.5]).unwrap() };
        Tried { model, chances: Vec::new(), scores }
    };
    let chosen = |tried: &[Tried]| best(tried).map(|best| best.model);
    let (constant, useful) = (tried(Model::Boosted, 0.5, 0.098), tried(Model::Logistic, 0.78, 0.099));
    assert_eq!(chosen(&[constant, useful]), Some(Model::Logistic));
    assert_eq!(
        chosen(&[tried(Model::Boosted, 0.7, 0.2), tried(Model::Logistic, 0.6, 0.3)]),
        Some(Model::Boosted)
    );
    assert_eq!(
        chosen(&[tried(Model::Boosted, 0.5, 0.3), tried(Model::Logistic, 0.5, 0.2)]),
        Some(Model::Logistic)
    );
    assert_eq!(chosen(&[]), None);
}

#[test]
fn few_of_one_kind_on_the_holdout_are_warned_of() {
    let few: Vec<_> = shop().into_iter().filter(|row| row.0 % 3 == 0).collect();
    let outcome = run(&Churn { horizon_days: 60, ..Churn::default() }, &few).unwrap();
    let warnings: Vec<_> = outcome.warnings.iter().map(|note| note.message.as_str()).collect();
    let end = ": scores of the models, and which is best, are uncertain";
    let warned = |warning: &&str| warning.starts_with("only ") && warning.ends_with(end);
    assert!(warnings.iter().any(warned), "{warnings:?}");
}

#[test]
fn whoever_was_away_for_long_stays_away() {
    let stage = Churn { horizon_days: 60, ..Churn::default() };
    let outcome = run(&stage, &shop()).unwrap();
    assert!(outcome.metrics["auc"] > 0.8, "{:?}", outcome.metrics);
    let chosen = outcome.metrics["log_loss.logistic"].min(outcome.metrics["log_loss.boosted"]);
    assert_eq!(outcome.metrics["log_loss"], chosen);
    let scores = port(&outcome, "scores");
    let chances = columns::float_vec(&scores, "probability").unwrap();
    assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
    // Customer 0 leaves on day 40 of 360; customer 10 has 410 days and is still there.
    let ids = columns::integers(&scores, "customer_id").unwrap();
    let chance = |id| chances[ids.values().iter().position(|other| *other == id).unwrap()];
    assert!(chance(0) > 2.0 / 3.0 && chance(0) > chance(10));
    assert_eq!(ids.values().to_vec(), (0..120).collect::<Vec<_>>());
    let reliability = columns::integers(&port(&outcome, "reliability"), "customers").unwrap();
    assert_eq!(reliability.values().iter().sum::<i64>() as f64, outcome.metrics["holdout_rows"]);
    let importance = columns::float_vec(&port(&outcome, "importance"), "importance").unwrap();
    assert!((importance.iter().sum::<f64>() - 1.0).abs() < 1e-9 && importance.is_sorted_by(|a, b| a >= b));
    assert_eq!(port(&outcome, "models").num_rows(), 2);
}

/// Rows from the cutoff on must not change a digit.
#[test]
fn what_happens_after_the_cutoff_leaves_no_trace() {
    let stage: Churn = toml::from_str("horizon_days = 60\ncutoff = 1970-11-01").unwrap();
    let mut cut = shop();
    cut.retain(|row| row.1 < 304);
    let outcome = run(&stage, &cut).unwrap();
    let Some((_, Artifact::Table(scores))) = outcome.artifacts.first() else { panic!("no table") };
    assert_eq!(crate::data::as_of::of(scores), Some(304));
    assert_eq!(port(&run(&stage, &shop()).unwrap(), "scores"), port(&run(&stage, &cut).unwrap(), "scores"));
}

#[test]
fn what_cannot_be_learnt_says_why() {
    let short = failure(&Churn::default(), &[(1, 0), (2, 100)]);
    assert!(short.message.starts_with("the history is shorter than two horizons: 101 days"));
    assert_eq!(short.hint.unwrap(), "choose at most 50 for `horizon_days`");
    let loyal: Vec<_> = (0..300).flat_map(|day| [(1, day), (2, day)]).collect();
    let one = failure(&Churn::default(), &loyal);
    assert_eq!(one.message, "all 2 customers bought again in the 90 days from 1970-05-01");
    assert_eq!(failure(&Churn::default(), &[]).key.unwrap(), "input");
}

#[test]
fn bands_are_thirds() {
    assert_eq!(
        [0.0, 0.33, 0.34, 0.66, 0.67, 1.0].map(band),
        ["low", "low", "medium", "medium", "high", "high"]
    );
}

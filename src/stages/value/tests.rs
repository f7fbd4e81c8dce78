//! The kind `value` on small tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch};

use super::*;
use crate::data::Table;
use crate::stage::{Artifact, Input, Progress, Stop};

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}
    fn step(&self, _: &str, _: u64, _: f64) {}
}

/// Customer, day and amount.
type Line = (i64, i32, f64);

fn table(lines: &[Line]) -> Table {
    let batch = RecordBatch::try_from_iter([
        ("customer_id", Arc::new(Int64Array::from_iter_values(lines.iter().map(|line| line.0))) as ArrayRef),
        ("txn_timestamp", Arc::new(Date32Array::from_iter_values(lines.iter().map(|line| line.1)))),
        ("amount", Arc::new(Float64Array::from_iter_values(lines.iter().map(|line| line.2)))),
    ]);
    Table::from_batch(batch.unwrap())
}

fn run_with(stage: &Value, inputs: &[(&str, Table)]) -> Result<Outcome> {
    let inputs = inputs.iter().map(|(name, table)| ((*name).to_owned(), Input::Table(table.clone())));
    stage.run(&Context {
        inputs: inputs.collect(),
        sources: Vec::new(),
        seed: 7,
        scratch: Path::new("."),
        progress: &Silent,
        stop: Stop::never(),
        memos: None,
    })
}

fn run(stage: &Value, lines: &[Line]) -> Result<Outcome> {
    run_with(stage, &[("input", table(lines))])
}

fn failure(stage: &Value, lines: &[Line]) -> Failure {
    run(stage, lines).unwrap_err().downcast::<Failure>().unwrap()
}

fn port(outcome: &Outcome, name: &str) -> RecordBatch {
    match &outcome.artifacts.iter().find(|(port, _)| port == name).unwrap().1 {
        Artifact::Table(table) => table.to_batch().unwrap(),
        other => panic!("{name} is {other:?}"),
    }
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<f64> {
    columns::float_vec(batch, name).unwrap()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    columns::strings(batch, name).unwrap().iter().map(|text| text.unwrap_or_default().to_owned()).collect()
}

fn stage(text: &str) -> Value {
    toml::from_str(text).unwrap()
}

/// A number from 0 to 1 that looks like chance, the same every time.
fn chance(customer: i64, at: i64) -> f64 {
    let mut mixed = (customer * 7_919 + at * 104_729 + 12_345) as u64;
    for _ in 0..3 {
        mixed ^= mixed >> 31;
        mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Customers come in the first 100 of 500 days, wait 5 to 60 days on average between purchases, spend 10 to 40,
/// and leave after each purchase with a chance of 20 %, or never.
fn shop(customers: i64, leave: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for customer in 0..customers {
        let wait = 5.0 + 55.0 * chance(customer, 1);
        let spend = 10.0 + 30.0 * chance(customer, 2);
        let (mut day, mut at) = (100.0 * chance(customer, 3), 10);
        while day < 500.0 {
            lines.push((customer, day as i32, spend * (0.5 + chance(customer, at))));
            if leave && chance(customer, at + 1) < 0.2 {
                break;
            }
            day += -wait * libm::log(1.0 - chance(customer, at + 2));
            at += 3;
        }
    }
    lines
}

#[test]
fn customers_are_valued_by_what_they_did() {
    let outcome = run(&stage("horizon_days = 200"), &shop(600, true)).unwrap();
    let customers = port(&outcome, "customers");
    assert_eq!((customers.num_rows(), outcome.metrics["customers"]), (600, 600.0));
    let alive = numbers(&customers, "alive");
    assert!(alive.iter().all(|chance| (0.0..=1.0).contains(chance)));
    let (repeats, last, age) = (
        numbers(&customers, "repeat_purchases"),
        numbers(&customers, "last_purchase"),
        numbers(&customers, "age"),
    );
    let silent = (0..600).find(|at| repeats[*at] > 5.0 && age[*at] - last[*at] > 40.0).unwrap();
    let busy = (0..600).find(|at| repeats[*at] > 5.0 && age[*at] - last[*at] < 1.0).unwrap();
    assert!(alive[silent] < 0.05 && alive[busy] > 0.7, "{} {}", alive[silent], alive[busy]);
    let (value, low, high) =
        (numbers(&customers, "value"), numbers(&customers, "value_low"), numbers(&customers, "value_high"));
    assert!((0..600).all(|at| low[at] <= value[at] && value[at] <= high[at]));
    assert!((value.iter().sum::<f64>() - outcome.metrics["value"]).abs() < 1e-6);
    let expected = numbers(&customers, "expected_purchases");
    assert!((expected.iter().sum::<f64>() - outcome.metrics["expected_purchases"]).abs() < 1e-6);
    // Discounting at 10 % a year takes less than 6 % off what comes within 200 days.
    let spend = numbers(&customers, "expected_spend");
    assert!(
        (0..600)
            .all(|at| value[at] < expected[at] * spend[at] && value[at] > 0.94 * expected[at] * spend[at])
    );
    let models = port(&outcome, "models");
    assert_eq!(texts(&models, "model"), ["bgnbd", "mbgnbd", "paretonbd", "nbd", "past_rate"]);
    let rmse = numbers(&models, "holdout_rmse");
    let worst = rmse[3].min(rmse[4]);
    assert!(rmse[..3].iter().all(|rmse| *rmse < worst), "{rmse:?}");
    assert!(outcome.metrics["holdout_bias"].abs() < 0.25, "{:?}", outcome.metrics);
}

#[test]
fn tracking_adds_up_to_what_was_bought() {
    let lines = shop(600, true);
    let outcome = run(&stage("models = [\"bgnbd\"]\nholdout_days = 203"), &lines).unwrap();
    let tracking = port(&outcome, "tracking");
    let models = texts(&tracking, "model");
    let rows: Vec<usize> = (0..models.len()).filter(|row| models[*row] == "bgnbd").collect();
    let (made, expected) = (numbers(&tracking, "made_total"), numbers(&tracking, "expected_total"));
    let last = *rows.last().unwrap();
    let days: std::collections::BTreeSet<(i64, i32)> =
        lines.iter().filter(|line| line.1 < 7 * rows.len() as i32).map(|line| (line.0, line.1)).collect();
    assert_eq!(made[last], days.len() as f64 - 600.0);
    assert!((expected[last] / made[last] - 1.0).abs() < 0.2, "{} {}", expected[last], made[last]);
    let calibration = port(&outcome, "calibration");
    let of_model: Vec<usize> =
        (0..calibration.num_rows()).filter(|row| texts(&calibration, "model")[*row] == "bgnbd").collect();
    let customers: f64 = of_model.iter().map(|row| numbers(&calibration, "customers")[*row]).sum();
    assert_eq!(customers, 600.0);
    let bought: f64 = of_model
        .iter()
        .map(|row| numbers(&calibration, "customers")[*row] * numbers(&calibration, "made")[*row])
        .sum();
    let after: std::collections::BTreeSet<_> =
        lines.iter().filter(|line| line.1 >= 500 - 203).map(|line| (line.0, line.1)).collect();
    assert!((bought - after.len() as f64).abs() < 1e-6, "{bought} {}", after.len());
}

#[test]
fn drop_out_that_is_not_there_is_not_made_up() {
    let outcome = run(&Value::default(), &shop(400, false)).unwrap();
    let chosen = outcome.summary.split(':').next().unwrap();
    assert_eq!((chosen, outcome.metrics["alive"]), ("nbd", 1.0));
    let warning = &outcome.warnings[0];
    assert_eq!(
        (warning.key.as_deref(), warning.message.as_str()),
        (
            Some("models"),
            "drop-out can't be told from these purchases by `bgnbd`, `mbgnbd` or `paretonbd`: `nbd` stands in, which takes everybody for a customer still"
        )
    );
    let verdicts = port(&outcome, "verdicts");
    let failed = texts(&verdicts, "verdict").iter().filter(|verdict| *verdict == "failed").count();
    assert_eq!(failed, 3, "{:?}", texts(&verdicts, "reason"));
}

/// Rows from the cutoff on must not change a digit.
#[test]
fn what_happens_after_the_cutoff_leaves_no_trace() {
    let with = stage("cutoff = 1971-01-01\nmodels = [\"mbgnbd\"]");
    let all = shop(300, true);
    let cut: Vec<Line> = all.iter().copied().filter(|line| line.1 < 365).collect();
    let (one, two) = (run(&with, &all).unwrap(), run(&with, &cut).unwrap());
    for name in ["customers", "models", "parameters", "verdicts", "tracking", "calibration"] {
        assert_eq!(port(&one, name), port(&two, name));
    }
    let Some((_, Artifact::Table(customers))) = one.artifacts.first() else { panic!("no table") };
    assert_eq!(as_of::of(customers), Some(365));
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let message = |stage: &Value, lines: &[Line]| {
        let failure = failure(stage, lines);
        (failure.message, failure.key.unwrap())
    };
    let any = Value::default();
    assert_eq!(message(&any, &[]), ("there is no purchase".to_owned(), "input".to_owned()));
    assert_eq!(message(&any, &[(1, 5, -3.0)]).0, "there is no purchase");
    let early = stage("cutoff = 1970-01-03");
    assert_eq!(
        message(&early, &[(1, 5, 3.0)]),
        ("there is no purchase before 1970-01-03".to_owned(), "cutoff".to_owned())
    );
    let once: Vec<Line> = (0..50).map(|customer| (customer, customer as i32, 9.0)).collect();
    assert_eq!(message(&any, &once).0, "`bgnbd` can't be fitted: no customer bought a second time");
    let today: Vec<Line> = (0..50).map(|customer| (customer, 3, 9.0)).collect();
    assert_eq!(message(&any, &today).0, "`bgnbd` can't be fitted: no customer bought a second time");
    let long = stage("holdout_days = 500");
    assert_eq!(
        message(&long, &shop(50, true)).0,
        "the history is no longer than the holdout: 471 days from 1970-01-03 to 1971-04-19, and `holdout_days` is 500"
    );
}

#[test]
fn one_customer_gets_numbers_and_a_warning() {
    let lines = [(1, 0, 5.0), (1, 10, 6.0), (1, 25, 7.0), (1, 30, 8.0)];
    let outcome = run(&Value::default(), &lines).unwrap();
    assert_eq!(outcome.metrics["customers"], 1.0);
    assert!(outcome.metrics["value"] > 0.0 && !outcome.warnings.is_empty(), "{:?}", outcome.warnings);
    let verdicts = texts(&port(&outcome, "verdicts"), "reason");
    assert!(
        verdicts.contains(&"only 1 customers have spent anything on repeat purchases: the mean of all repeat purchases stands in for each customer's own".to_owned()),
        "{verdicts:?}"
    );
}

/// Customers pay every 30 days, and stop with a chance of their own between 0 and 30 %.
fn contracts(customers: i64) -> Vec<Line> {
    let paid = |customer: i64| {
        let first = (90.0 * chance(customer, 1)) as i32;
        let ends = (0..17).find(|at| chance(customer, 10 + at) < 0.3 * chance(customer, 2)).unwrap_or(17);
        (0..=ends as i32).map(move |at| (customer, first + 30 * at, 12.0)).filter(|line| line.1 < 500)
    };
    (0..customers).flat_map(paid).collect()
}

#[test]
fn contracts_and_opportunities_have_tables_of_their_own() {
    for (model, lines) in [("bgbb", shop(500, true)), ("sbg", contracts(500))] {
        let text = format!("models = [\"{model}\"]\nopportunity_days = 30\nhorizon_days = 180");
        let outcome = run(&stage(&text), &lines).unwrap();
        assert_eq!(texts(&port(&outcome, "models"), "model"), [model, "past_rate"]);
        let customers = port(&outcome, "customers");
        let expected = numbers(&customers, "expected_purchases");
        assert!(expected.iter().all(|expected| (0.0..=6.0).contains(expected)), "{model}");
        assert!(outcome.metrics["holdout_bias"].abs() < 0.5, "{model} {:?}", outcome.metrics);
        let tracking = port(&outcome, "tracking");
        assert!(tracking.num_rows() >= 15 && tracking.column_by_name("start").unwrap().null_count() > 0);
    }
}

#[test]
fn covariates_tell_customers_apart() {
    // Even customers buy every 10 days, odd ones every 40.
    let mut lines = Vec::new();
    for customer in 0..400_i64 {
        let wait = if customer % 2 == 0 { 10.0 } else { 40.0 };
        let (mut day, mut at) = (50.0 * chance(customer, 3), 10);
        while day < 400.0 && (at == 10 || chance(customer, at + 1) > 0.1) {
            lines.push((customer, day as i32, 20.0));
            day += -wait * libm::log(1.0 - chance(customer, at + 2));
            at += 3;
        }
    }
    let ids = Int64Array::from_iter_values(0..399);
    let even = Float64Array::from_iter_values((0..399).map(|customer| f64::from(customer % 2 == 0)));
    let features = Table::from_batch(
        RecordBatch::try_from_iter([("customer_id", Arc::new(ids) as ArrayRef), ("even", Arc::new(even))])
            .unwrap(),
    );
    let with = stage("models = [\"bgnbd\"]\nfeatures = \"f\"\ncovariates = [\"even\"]");
    let outcome = run_with(&with, &[("input", table(&lines)), ("features", features)]).unwrap();
    let parameters = port(&outcome, "parameters");
    let names = texts(&parameters, "parameter");
    let at = names.iter().position(|name| name == "purchase.even").unwrap();
    assert!(numbers(&parameters, "low")[at] > 0.3 && names.contains(&"dropout.even".to_owned()));
    assert!(
        outcome
            .warnings
            .iter()
            .any(|warning| warning.message == "1 missing value of covariates taken for the mean")
    );
}

#[test]
fn mistakes_in_the_pipeline_are_found_before_it_runs() {
    let mistakes = |text: &str| -> Vec<(String, String)> {
        stage(text).check().into_iter().map(|mistake| (mistake.key, mistake.message)).collect()
    };
    assert!(mistakes("").is_empty());
    let own = |key: &str, message: &str| (key.to_owned(), message.to_owned());
    assert_eq!(mistakes("models = []"), [own("models", "there must be a model")]);
    assert_eq!(mistakes("models = [\"nbd\", \"nbd\"]"), [own("models.1", "`nbd` is listed twice")]);
    assert_eq!(
        mistakes("models = [\"nbd\", \"bgbb\"]"),
        [own("models.1", "`bgbb` counts opportunities and can't compete with other models")]
    );
    assert_eq!(
        mistakes("covariates = [\"x\"]"),
        [own("covariates", "there is no table of `features` to take covariates from")]
    );
    assert_eq!(mistakes("features = \"f\""), [own("features", "no column of `features` is used")]);
    let names: BTreeMap<String, ()> =
        Value::default().metrics().into_iter().map(|metric| (metric.name, ())).collect();
    assert!(names.contains_key("holdout_rmse.nbd") && names.contains_key("value_low"));
}

//! Verdicts on tables that are known: a fresh draw, a shuffle, a copy.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use rand::RngExt;

use super::*;
use crate::data::Table;
use crate::model::random::Streams;
use crate::stage::{Artifact, Input, Progress, Stop};

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}
    fn step(&self, _: &str, _: u64, _: f64) {}
}

/// Spend that goes with visits and channel.
fn drawn(rows: usize, seed: u64) -> RecordBatch {
    let mut rng = Streams::new(seed, "fidelity stage test").of(0);
    let (mut visits, mut spend, mut channel) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let (a, b): (f64, f64) = (rng.random(), rng.random());
        visits.push(a);
        spend.push(a + 0.4 * b);
        channel.push(if a + 0.2 * b > 0.6 { "web" } else { "store" });
    }
    RecordBatch::try_from_iter([
        ("visits", Arc::new(Float64Array::from(visits)) as ArrayRef),
        ("spend", Arc::new(Float64Array::from(spend))),
        ("channel", Arc::new(StringArray::from(channel))),
    ])
    .unwrap()
}

fn run(tables: Vec<(&str, RecordBatch)>) -> Result<Outcome> {
    let holdout = tables.iter().any(|(key, _)| *key == "holdout").then(|| Ref("h".into()));
    let stage = Fidelity { holdout, sample: 300, ..Fidelity::default() };
    let inputs: BTreeMap<String, Input> = tables
        .into_iter()
        .map(|(key, table)| (key.to_owned(), Input::Table(Table::from_batch(table))))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    stage.run(&Context {
        inputs,
        sources: Vec::new(),
        seed: 5,
        scratch: dir.path(),
        progress: &Silent,
        stop: Stop::never(),
        memos: None,
    })
}

fn table(outcome: &Outcome, port: &str) -> RecordBatch {
    let (_, artifact) = outcome.artifacts.iter().find(|(name, _)| name == port).unwrap();
    let Artifact::Table(table) = artifact else { panic!("no table") };
    table.to_batch().unwrap()
}

#[test]
fn a_fresh_draw_is_good_and_a_copy_is_not_to_be_shared() {
    let (real, holdout) = (drawn(300, 1), drawn(300, 2));
    let fresh = run(vec![("real", real.clone()), ("synthetic", drawn(300, 3)), ("holdout", holdout.clone())])
        .unwrap();
    assert!(fresh.metrics["position"] > 0.7, "{:?}", fresh.metrics);
    assert!((fresh.metrics["closer_to_train"] - 0.5).abs() < 0.06, "{:?}", fresh.metrics);
    assert!(fresh.metrics["two_sample_auc"] < 0.6 && fresh.metrics["utility_ratio"] > 0.95);
    assert!(
        fresh.summary.ends_with("hard to tell from real rows; no sign of copied rows"),
        "{}",
        fresh.summary
    );
    let copy = run(vec![("real", real.clone()), ("synthetic", real), ("holdout", holdout)]).unwrap();
    assert_eq!((copy.metrics["closer_to_train"], copy.metrics["exact_matches"]), (1.0, 1.0));
    assert!(copy.summary.ends_with("too near to the rows learnt from: not to be shared"), "{}", copy.summary);
}

#[test]
fn shuffled_columns_keep_shapes_and_nothing_else() {
    let real = drawn(300, 1);
    let turned = real.columns().iter().enumerate().map(|(at, column)| {
        let places: arrow::array::UInt32Array =
            (0..300_u32).map(|row| Some((row * 7 + 31 * at as u32) % 300)).collect();
        arrow::compute::take(column, &places, None).unwrap()
    });
    let shuffled = RecordBatch::try_new(real.schema(), turned.collect()).unwrap();
    let outcome = run(vec![("real", real), ("synthetic", shuffled)]).unwrap();
    assert_eq!(outcome.metrics["column_shapes"], 1.0);
    assert!(
        outcome.metrics["position"] < 0.2 && outcome.metrics["two_sample_auc"] > 0.75,
        "{:?}",
        outcome.metrics
    );
    assert_eq!(outcome.warnings[0].message, "privacy can't be judged without `holdout`");
    assert!(outcome.summary.ends_with("easy to tell from real rows; privacy unknown"), "{}", outcome.summary);
    let distributions = table(&outcome, "distributions");
    let shares = distributions.column_by_name("real_share").unwrap().as_primitive::<Float64Type>().clone();
    let total: f64 = shares.values().iter().sum();
    assert!((total - 3.0).abs() < 1e-9, "the shares of each of three columns sum to 1");
    assert_eq!(table(&outcome, "pairs").num_rows(), 3);
}

#[test]
fn tables_that_do_not_go_together_are_refused() {
    let real = drawn(30, 1);
    let less = real.project(&[0, 1]).unwrap();
    let error = run(vec![("real", real.clone()), ("synthetic", less)]).unwrap_err();
    assert_eq!(error.to_string(), "there is no column `channel`, which `real` has");
    let error = run(vec![("real", real.clone()), ("synthetic", real.slice(0, 0))]).unwrap_err();
    assert_eq!(error.to_string(), "`synthetic` has no rows");
    let one = run(vec![("real", real.slice(0, 1)), ("synthetic", real.slice(0, 1))]).unwrap();
    assert_eq!(one.metrics["column_shapes"], 1.0);
}

//! The kind `profile` on small tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use arrow::array::{
    Array, ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, UInt64Array,
};

use super::Profile;
use crate::data::{Table, columns};
use crate::stage::{Artifact, Context, Failure, Input, Kind, Outcome, Progress, Stage, Stop, Stopped};

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}
    fn step(&self, _: &str, _: u64, _: f64) {}
}

fn run_with(stage: &Profile, features: &RecordBatch, segments: &RecordBatch) -> Result<Outcome> {
    run_unless(Stop::never(), stage, features, segments)
}

fn run_unless(
    stop: Stop<'_>,
    stage: &Profile,
    features: &RecordBatch,
    segments: &RecordBatch,
) -> Result<Outcome> {
    let input = |batch: &RecordBatch| Input::Table(Table::from_batch(batch.clone()));
    stage.run(&Context {
        inputs: BTreeMap::from([
            ("features".to_owned(), input(features)),
            ("segments".to_owned(), input(segments)),
        ]),
        sources: Vec::new(),
        seed: 7,
        scratch: Path::new("."),
        progress: &Silent,
        stop,
        memos: None,
    })
}

fn run(features: &RecordBatch, segments: &RecordBatch) -> Result<Outcome> {
    run_with(&Profile::default(), features, segments)
}

fn failure(features: &RecordBatch, segments: &RecordBatch) -> Failure {
    run(features, segments).unwrap_err().downcast::<Failure>().unwrap()
}

fn port(outcome: &Outcome, at: usize) -> RecordBatch {
    match &outcome.artifacts[at].1 {
        Artifact::Table(table) => table.to_batch().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    columns::strings(batch, name).unwrap().iter().map(|text| text.unwrap().to_owned()).collect()
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<f64> {
    columns::float_vec(batch, name).unwrap()
}

fn column(values: &[f64]) -> ArrayRef {
    Arc::new(values.iter().map(|value| value.is_finite().then_some(*value)).collect::<Float64Array>())
}

fn ids(ids: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(ids.to_vec()))
}

fn table(fields: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(fields).unwrap()
}

const NONE: f64 = f64::NAN;

/// Two loyal customers, four who bought once long ago.
fn features() -> RecordBatch {
    table(vec![
        ("customer_id", ids(&[1, 2, 3, 4, 5, 6])),
        ("recency_days", column(&[10.0, 20.0, 300.0, 310.0, 320.0, 330.0])),
        ("frequency", column(&[12.0, 10.0, 1.0, 1.0, 1.0, 1.0])),
        ("monetary", column(&[700.0, 100.0, 50.0, 50.0, 60.0, 40.0])),
        ("std_gap_days", column(&[3.0, 5.0, NONE, NONE, NONE, NONE])),
        ("local_share", column(&[0.5; 6])),
    ])
}

fn segments() -> RecordBatch {
    assigned(&[6, 5, 4, 3, 2, 1], &[0, 0, 0, 0, 1, 1])
}

fn assigned(customers: &[i64], segments: &[i32]) -> RecordBatch {
    table(vec![("customer_id", ids(customers)), ("segment", Arc::new(Int32Array::from(segments.to_vec())))])
}

#[test]
fn sizes_revenue_and_means_by_hand() {
    let outcome = run(&features(), &segments()).unwrap();
    let profile = port(&outcome, 0);
    assert_eq!(texts(&profile, "segment"), ["0", "1"]);
    assert_eq!(texts(&profile, "name"), ["Lapsed one-timers", "Frequent big spenders"]);
    assert_eq!(floats(&profile, "customers"), [4.0, 2.0]);
    assert_eq!(floats(&profile, "customer_share"), [4.0 / 6.0, 2.0 / 6.0]);
    assert_eq!(floats(&profile, "revenue"), [200.0, 800.0]);
    assert_eq!(floats(&profile, "revenue_share"), [0.2, 0.8]);
    assert_eq!(floats(&profile, "recency_days"), [315.0, 15.0]);
    assert_eq!(floats(&profile, "frequency"), [1.0, 11.0]);
    assert_eq!(profile["std_gap_days"].null_count(), 1);
    assert_eq!(floats(&profile, "std_gap_days")[1], 4.0);
    assert_eq!(outcome.summary, "2 segments, \"Frequent big spenders\" bring 80 % of revenue");
    assert_eq!(
        outcome.metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect::<Vec<_>>(),
        [
            ("largest_share", 4.0 / 6.0),
            ("segments", 2.0),
            ("smallest_share", 2.0 / 6.0),
            ("top_revenue_share", 0.8)
        ]
    );
    assert!(outcome.warnings.is_empty());
}

#[test]
fn differences_by_hand() {
    let outcome = run(&features(), &segments()).unwrap();
    let table = port(&outcome, 1);
    let names = "`segment`, `name`, `feature`, `mean`, `overall_mean`, `difference` and `score`";
    assert_eq!(columns::names(table.schema_ref()), names);
    assert_eq!(
        texts(&table, "feature")[..5],
        ["recency_days", "frequency", "monetary", "std_gap_days", "local_share"]
    );
    assert_eq!(texts(&table, "segment"), ["0", "0", "0", "0", "0", "1", "1", "1", "1", "1"]);
    // Frequency 12 10 1 1 1 1: mean 26 / 6, mean of squares 248 / 6.
    let std = (248.0_f64 / 6.0 - (26.0_f64 / 6.0).powi(2)).sqrt();
    let difference = floats(&table, "difference");
    assert!((difference[1] - (1.0 - 26.0 / 6.0) / std).abs() < 1e-12);
    assert!((difference[6] - (11.0 - 26.0 / 6.0) / std).abs() < 1e-12);
    // No value in the segment: unknown. The same for all: no difference.
    assert!(table["difference"].is_null(3) && table["mean"].is_null(3));
    assert_eq!((difference[4], difference[8], difference[9]), (0.0, 0.0, 0.0));
    assert_eq!(table["score"].null_count(), 0);
    assert!(floats(&table, "score").iter().all(|score| score.is_finite()));
}

#[test]
fn shares_sum_to_one_and_scores_weighted_by_size_to_zero() {
    let outcome = run(&features(), &segments()).unwrap();
    let profile = port(&outcome, 0);
    for name in ["customer_share", "revenue_share"] {
        assert!((floats(&profile, name).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    let scores = floats(&port(&outcome, 1), "score");
    for feature in 0..5 {
        assert!((4.0 * scores[feature] + 2.0 * scores[feature + 5]).abs() < 1e-9);
    }
}

#[test]
fn text_ids_match_integer_ids() {
    let mut fields = segments().columns().to_vec();
    fields[0] = Arc::new(StringArray::from(vec!["6", "5", "4", "3", "2", "1"]));
    let text = table(vec![("customer_id", fields[0].clone()), ("segment", fields[1].clone())]);
    let (one, other) = (run(&features(), &text).unwrap(), run(&features(), &segments()).unwrap());
    assert_eq!(port(&one, 0), port(&other, 0));
}

#[test]
fn the_largest_ids_stay_apart() {
    let huge: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, u64::MAX - 1]));
    let features = table(vec![("customer_id", huge.clone()), ("monetary", column(&[5.0, 6.0]))]);
    let numbers = Arc::new(Int32Array::from(vec![0, 1])) as ArrayRef;
    let outcome = run(&features, &table(vec![("customer_id", huge), ("segment", numbers)])).unwrap();
    assert_eq!(floats(&port(&outcome, 0), "revenue"), [5.0, 6.0]);
}

#[test]
fn customers_in_one_table_only_are_left_out_with_a_warning() {
    let outcome = run(&features(), &assigned(&[1, 2, 3, 4, 8, 9], &[0, 0, 5, 5, 5, 0])).unwrap();
    let messages: Vec<&str> = outcome.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "2 customers with features but no segment left out",
            "2 customers with a segment but no features left out"
        ]
    );
    let profile = port(&outcome, 0);
    assert_eq!(texts(&profile, "segment"), ["0", "5"]);
    assert_eq!(floats(&profile, "revenue"), [800.0, 100.0]);
}

#[test]
fn tables_that_do_not_fit_fail() {
    let message = |features: &RecordBatch, segments: &RecordBatch| failure(features, segments).message;
    let (features, segments) = (features(), segments());
    let none = "no customer has both features and a segment";
    assert_eq!(message(&features, &assigned(&[7, 8], &[0, 1])), none);
    assert_eq!(message(&features.slice(0, 0), &segments), none);
    assert_eq!(message(&features, &segments.slice(0, 0)), none);
    assert_eq!(
        message(&features, &assigned(&[1, 1], &[0, 1])),
        "customer `1` has more than one row in `segments`"
    );
    let twice =
        arrow::compute::concat_batches(&features.schema(), [&features, &features.slice(2, 1)]).unwrap();
    assert_eq!(message(&twice, &segments), "customer `3` has more than one row in `features`");
    let lost = table(vec![
        ("customer_id", ids(&[1])),
        ("segment", Arc::new(Int32Array::from(vec![None])) as ArrayRef),
    ]);
    assert_eq!(message(&features, &lost), "customer `1` has no segment");
    let error = run(&features, &features).unwrap_err().to_string();
    assert!(error.starts_with("there is no column `segment`; there are `customer_id`"));
}

#[test]
fn threads_change_nothing() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let outcome = pool.install(|| run(&features(), &segments())).unwrap();
        (port(&outcome, 0), port(&outcome, 1))
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn revenue_must_be_a_numeric_column() {
    let stage = Profile { revenue: "spend".to_owned(), ..Profile::default() };
    let failure = run_with(&stage, &features(), &segments()).unwrap_err().downcast::<Failure>().unwrap();
    assert_eq!(failure.message, "`features` has no numeric column `spend`");
    assert_eq!(failure.key.as_deref(), Some("revenue"));
    assert!(failure.hint.unwrap().starts_with("there are `recency_days`, `frequency`"));
}

#[test]
fn refunds_above_purchases_leave_no_shares() {
    let features = table(vec![("customer_id", ids(&[1, 2, 3])), ("monetary", column(&[-50.0, 20.0, NONE]))]);
    let outcome = run(&features, &assigned(&[1, 2, 3], &[0, 1, 1])).unwrap();
    let profile = port(&outcome, 0);
    assert_eq!(floats(&profile, "revenue"), [-50.0, 20.0]);
    assert_eq!(profile["revenue_share"].null_count(), 2);
    assert_eq!(outcome.summary, "2 segments");
    assert!(!outcome.metrics.contains_key("top_revenue_share"));
    assert_eq!(outcome.warnings[0].key.as_deref(), Some("revenue"));
}

#[test]
fn one_customer_and_infinite_values() {
    let infinite: ArrayRef = Arc::new(Float64Array::from(vec![f64::INFINITY]));
    let features =
        table(vec![("customer_id", ids(&[1])), ("monetary", column(&[5.0])), ("mean_gap_days", infinite)]);
    let outcome = run(&features, &assigned(&[1], &[0])).unwrap();
    assert_eq!(outcome.summary, "1 segment, \"Regulars\" bring 100 % of revenue");
    assert_eq!(port(&outcome, 0)["mean_gap_days"].null_count(), 1);
}

#[test]
fn columns_of_the_profile_itself_and_text_are_no_features() {
    let features = table(vec![
        ("customer_id", ids(&[1, 2])),
        ("monetary", column(&[5.0, 6.0])),
        ("city", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("customers", column(&[1.0, 2.0])),
    ]);
    let outcome = run(&features, &assigned(&[1, 2], &[0, 1])).unwrap();
    assert_eq!(
        columns::names(port(&outcome, 0).schema_ref()),
        "`segment`, `name`, `customers`, `customer_share`, `revenue`, `revenue_share` and `monetary`"
    );
    let message = "column `customers` left out: the profile has a column of that name";
    assert_eq!(outcome.warnings[0].message, message);
}

#[test]
fn ports_and_parameters() {
    let kind = Kind::of::<Profile>();
    let params = toml::from_str("features = \"f\"\nsegments = \"s\"").unwrap();
    let stage = (kind.build)(params).unwrap();
    assert_eq!(
        stage.needs().iter().map(|need| need.key.as_str()).collect::<Vec<_>>(),
        ["features", "segments"]
    );
    assert_eq!(stage.gives()[0].name, "profile");
    assert_eq!(stage.params().unwrap()["revenue"].as_str(), Some("monetary"));
}

#[test]
fn one_that_is_stopped_ends() {
    let reason =
        |stop| Stopped::of(&run_unless(stop, &Profile::default(), &features(), &segments()).unwrap_err());
    let raised = AtomicBool::new(true);
    assert_eq!(reason(Stop::when(&raised)), Some(Stopped::Interrupted));
    assert_eq!(reason(Stop::never().after(Some(Duration::ZERO))), Some(Stopped::TimedOut));
}

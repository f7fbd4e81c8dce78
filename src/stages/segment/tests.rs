//! The kind `segment` on small tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::{concat, take_record_batch};

use super::{Gmm, Scan, Segment};
use crate::data::{Table, columns};
use crate::model::cluster::{Algorithm, Centroids};
use crate::stage::{Artifact, Context, Failure, Input, Kind, Outcome, Progress, Stage, Stop, Stopped};

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}
    fn step(&self, _: &str, _: u64, _: f64) {}
}

fn run_unless(stop: Stop<'_>, stage: &Segment, table: Table) -> Result<Outcome> {
    stage.run(&Context {
        inputs: BTreeMap::from([("input".to_owned(), Input::Table(table))]),
        sources: Vec::new(),
        seed: 7,
        scratch: Path::new("."),
        progress: &Silent,
        stop,
        memos: None,
    })
}

fn run(stage: &Segment, batch: &RecordBatch) -> Result<Outcome> {
    run_unless(Stop::never(), stage, Table::from_batch(batch.clone()))
}

fn failure(stage: &Segment, batch: &RecordBatch) -> Failure {
    run(stage, batch).unwrap_err().downcast::<Failure>().unwrap()
}

fn with(k: usize) -> Segment {
    Segment { k, ..Segment::default() }
}

fn port(outcome: &Outcome, name: &str) -> RecordBatch {
    match &outcome.artifacts.iter().find(|(port, _)| port == name).unwrap().1 {
        Artifact::Table(table) => table.to_batch().unwrap(),
        other => panic!("{name} is {other:?}"),
    }
}

fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

fn segments(outcome: &Outcome) -> Vec<i64> {
    columns::integers(&port(outcome, "assignments"), "segment").unwrap().values().to_vec()
}

/// 6 loyal, 5 new and 4 lapsed customers with ids from 100, loyal, new and lapsed in turn.
fn shop() -> RecordBatch {
    let kinds = [(5.0, 40.0, 4000.0), (8.0, 2.0, 60.0), (400.0, 3.0, 90.0)];
    let rows: Vec<(f64, f64, f64)> = (0..15)
        .map(|at| {
            let (recency, frequency, monetary) = kinds[if at == 14 { 0 } else { at % 3 }];
            let jitter = 1.0 + at as f64 / 100.0;
            (recency * jitter, frequency * jitter, monetary * jitter)
        })
        .collect();
    RecordBatch::try_from_iter([
        ("customer_id", Arc::new(Int64Array::from_iter_values(100..115)) as ArrayRef),
        ("recency_days", floats(rows.iter().map(|row| row.0))),
        ("frequency", floats(rows.iter().map(|row| row.1))),
        ("monetary", floats(rows.iter().map(|row| row.2))),
    ])
    .unwrap()
}

/// The expected segments of [`shop`]: by size, loyal before new before lapsed.
fn shop_segments() -> Vec<i64> {
    (0..15).map(|at| if at == 14 { 0 } else { at % 3 }).collect()
}

fn add(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let old = schema.fields().iter().map(|field| field.name().as_str()).zip(batch.columns().iter().cloned());
    RecordBatch::try_from_iter(old.chain([(name, column)])).unwrap()
}

#[test]
fn plain_groups_are_found_and_numbered_by_size() {
    let outcome = run(&with(3), &shop()).unwrap();
    assert_eq!(segments(&outcome), shop_segments());
    let assignments = port(&outcome, "assignments");
    let ids = columns::integers(&assignments, "customer_id").unwrap();
    assert_eq!(ids.values().to_vec(), (100..115).collect::<Vec<i64>>());
    let centers = port(&outcome, "centers");
    assert_eq!(columns::integers(&centers, "customers").unwrap().values().to_vec(), [6, 5, 4]);
    let monetary = columns::float_vec(&centers, "monetary").unwrap();
    assert!((4000.0..4600.0).contains(&monetary[0]) && (60.0..70.0).contains(&monetary[1]));
    assert!(outcome.warnings.is_empty());
    let silhouette = outcome.metrics["silhouette"];
    assert!(silhouette > 0.8);
    assert_eq!(outcome.summary, format!("k=3, silhouette {silhouette:.3}"));
    let names: Vec<&str> = outcome.metrics.keys().map(String::as_str).collect();
    assert_eq!(names, ["calinski_harabasz", "davies_bouldin", "inertia", "k", "silhouette"]);
}

#[test]
fn ports_come_in_their_order() {
    let outcome = run(&with(3), &shop()).unwrap();
    let given: Vec<String> = with(3).gives().into_iter().map(|port| port.name).collect();
    let made: Vec<String> = outcome.artifacts.iter().map(|(port, _)| port.clone()).collect();
    assert_eq!(given, made);
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let order = Int64Array::from_iter_values((0..15).map(|at| at * 7 % 15));
    let shuffled = take_record_batch(&shop(), &order).unwrap();
    let (one, other) = (run(&with(4), &shop()).unwrap(), run(&with(4), &shuffled).unwrap());
    for name in ["assignments", "centers", "selection"] {
        assert_eq!(port(&one, name), port(&other, name));
    }
}

#[test]
fn text_ids_work_too() {
    let ids: Vec<String> = (0..15).map(|at| format!("c-{:02}", 14 - at)).collect();
    let mut fields: Vec<ArrayRef> = shop().columns().to_vec();
    fields[0] = Arc::new(StringArray::from(ids));
    let names = ["customer_id", "recency_days", "frequency", "monetary"];
    let batch = RecordBatch::try_from_iter(names.into_iter().zip(fields)).unwrap();
    let outcome = run(&with(3), &batch).unwrap();
    let ids = columns::strings(&port(&outcome, "assignments"), "customer_id").unwrap();
    assert_eq!((ids.value(0), ids.value(14)), ("c-00", "c-14"));
    assert_eq!(segments(&outcome), shop_segments().into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn only_named_features_are_used() {
    let stage = Segment { features: vec!["recency_days".to_owned()], ..with(2) };
    let outcome = run(&stage, &shop()).unwrap();
    let centers = port(&outcome, "centers");
    assert_eq!(columns::names(centers.schema_ref()), "`segment`, `customers` and `recency_days`");
    assert_eq!(segments(&outcome).iter().filter(|segment| **segment == 1).count(), 4);
}

#[test]
fn wrong_features_are_named_with_advice() {
    let name = |name: &str| Segment { features: vec!["monetary".to_owned(), name.to_owned()], ..with(2) };
    let unknown = failure(&name("frequncy"), &shop());
    assert_eq!(unknown.message, "there is no column `frequncy`");
    assert_eq!(unknown.hint.as_deref(), Some("did you mean `frequency`?"));
    assert_eq!(unknown.key.as_deref(), Some("features.1"));
    let far = failure(&name("zzz"), &shop());
    assert!(far.hint.unwrap().starts_with("there are `customer_id`, `recency_days`"));
    let text = add(&shop(), "city", Arc::new(StringArray::from(vec!["x"; 15])));
    assert_eq!(failure(&name("city"), &text).message, "`city` is text, not a number");
    assert_eq!(
        failure(&name("customer_id"), &shop()).message,
        "`customer_id` names customers and is no feature"
    );
    let taken = add(&shop(), "segment", floats((0..15).map(f64::from)));
    assert_eq!(failure(&name("segment"), &taken).hint.as_deref(), Some("rename the column"));
}

#[test]
fn a_table_without_usual_features_says_which_there_are() {
    let batch = shop().project(&[0]).unwrap();
    let failure = failure(&with(2), &batch);
    assert_eq!(failure.hint.as_deref(), Some("name columns in `features`; there are `customer_id`"));
}

#[test]
fn too_few_customers_fail() {
    let message = |k, rows: &RecordBatch| failure(&with(k), rows).message;
    assert_eq!(message(2, &shop().slice(0, 0)), "there are no customers to segment");
    assert_eq!(message(2, &shop().slice(0, 1)), "`k` is 2, but there is only 1 customer");
    assert_eq!(message(16, &shop()), "`k` is 16, but there are only 15 customers");
    let equal = take_record_batch(&shop(), &Int64Array::from(vec![0, 0, 1, 1])).unwrap();
    let mut fields = equal.columns().to_vec();
    fields[0] = Arc::new(Int64Array::from_iter_values(0..4));
    let equal = RecordBatch::try_new(equal.schema(), fields).unwrap();
    let failure = failure(&with(3), &equal);
    assert_eq!(failure.message, "`k` is 3, but customers differ in only 2 ways");
    assert_eq!(failure.hint.as_deref(), Some("set `k` to at most 2"));
    assert_eq!(
        message(2, &equal.slice(0, 2)),
        "there is nothing to segment by: every feature has one value only"
    );
}

#[test]
fn customers_must_be_known_and_single() {
    let twice = take_record_batch(&shop(), &Int64Array::from(vec![0, 3, 3, 5])).unwrap();
    assert_eq!(failure(&with(2), &twice).message, "customer `103` has 2 rows");
    let mut fields = shop().columns().to_vec();
    fields[0] = concat(&[&Int64Array::from(vec![None]), &fields[0].slice(1, 14)]).unwrap();
    let names = ["customer_id", "recency_days", "frequency", "monetary"];
    let batch = RecordBatch::try_from_iter(names.into_iter().zip(fields)).unwrap();
    assert_eq!(failure(&with(2), &batch).message, "some rows have no `customer_id`");
}

#[test]
fn features_that_say_nothing_are_left_out_with_a_warning() {
    let batch = add(&shop(), "mean_amount", floats([3.0; 15]));
    let batch = add(&batch, "std_gap_days", Arc::new(Float64Array::from(vec![None; 15])));
    let outcome = run(&with(3), &batch).unwrap();
    let warnings: Vec<&str> = outcome.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "`mean_amount` is the same for all customers and was left out",
            "`std_gap_days` has no values and was left out"
        ]
    );
    assert_eq!(segments(&outcome), shop_segments());
}

/// Amounts of 1e308 are there, and no number that could be worked with.
#[test]
fn values_beyond_reckoning_are_not_called_missing() {
    let batch = add(&shop(), "mean_amount", floats([1e308; 15]));
    let outcome = run(&with(3), &batch).unwrap();
    let warnings: Vec<&str> = outcome.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(warnings, ["`mean_amount` is too large to compute with for all customers and was left out"]);
}

#[test]
fn missing_and_infinite_values_never_reach_an_output() {
    let values = (0..15).map(|at| match at {
        0..=7 => None,
        8 => Some(f64::NAN),
        9 => Some(f64::INFINITY),
        at => Some(f64::from(at)),
    });
    let batch = add(&shop(), "mean_gap_days", Arc::new(values.collect::<Float64Array>()));
    let outcome = run(&with(3), &batch).unwrap();
    let warnings: Vec<&str> = outcome.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "`mean_gap_days` is too large to compute with for 1 customer, which counts as missing",
            "`mean_gap_days` is missing for 10 of 15 customers; its median stands in"
        ]
    );
    let distances = columns::float_vec(&port(&outcome, "assignments"), "distance").unwrap();
    assert!(distances.iter().all(|distance| distance.is_finite()));
    let centers = columns::float_vec(&port(&outcome, "centers"), "mean_gap_days").unwrap();
    assert!(centers.iter().all(|center| (10.0..=14.0).contains(center)));
}

#[test]
fn as_many_segments_as_customers_have_no_separation() {
    let outcome = run(&with(15), &shop()).unwrap();
    assert_eq!(outcome.summary, "k=15");
    assert_eq!(outcome.metrics.keys().collect::<Vec<_>>(), ["inertia", "k"]);
    assert_eq!(outcome.warnings[0].message, "the silhouette of these segments is undefined");
    let selection = port(&outcome, "selection");
    assert_eq!(selection["silhouette"].null_count(), 1);
}

#[test]
fn a_scan_lists_every_k_and_changes_nothing_else() {
    let scan = Some(Scan { from: 2, to: 4 });
    let outcome = run(&Segment { scan, ..with(6) }, &shop()).unwrap();
    let selection = port(&outcome, "selection");
    assert_eq!(columns::integers(&selection, "k").unwrap().values().to_vec(), [2, 3, 4, 6]);
    let silhouettes = columns::float_vec(&selection, "silhouette").unwrap();
    assert!(silhouettes[1] > silhouettes[0] && silhouettes[1] > silhouettes[2]);
    assert_eq!(silhouettes[3], outcome.metrics["silhouette"]);
    let inertia = columns::float_vec(&selection, "inertia").unwrap();
    assert!(inertia.windows(2).all(|pair| pair[1] < pair[0]));
    let alone = run(&with(6), &shop()).unwrap();
    assert_eq!(port(&alone, "selection"), selection.slice(3, 1));
    for name in ["assignments", "centers"] {
        assert_eq!(port(&alone, name), port(&outcome, name));
    }
}

#[test]
fn a_scan_ends_where_customers_differ_no_more() {
    let outcome = run(&Segment { scan: Some(Scan { from: 14, to: 20 }), ..with(3) }, &shop()).unwrap();
    let selection = port(&outcome, "selection");
    assert_eq!(columns::integers(&selection, "k").unwrap().values().to_vec(), [3, 14, 15]);
    assert_eq!(outcome.warnings[0].key.as_deref(), Some("scan.to"));
}

#[test]
fn the_model_gives_the_same_segments_again() {
    let outcome = run(&with(4), &shop()).unwrap();
    let Artifact::Bytes(json) = &outcome.artifacts[3].1 else { panic!("no bytes") };
    let model: Centroids = serde_json::from_slice(json).unwrap();
    let points = model.preparation.apply(|name| columns::float_vec(&shop(), name)).unwrap();
    let found = model.assign(&points).unwrap();
    assert_eq!(found.labels.iter().map(|label| i64::from(*label)).collect::<Vec<_>>(), segments(&outcome));
    assert_eq!(found.distances, columns::float_vec(&port(&outcome, "assignments"), "distance").unwrap());
}

#[test]
fn a_start_that_was_cut_short_is_told() {
    let values = floats((0..400).map(|at| f64::from(at * at % 397)));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..400));
    let batch = RecordBatch::try_from_iter([("customer_id", ids), ("monetary", values)]).unwrap();
    let stage = Segment { max_iterations: 1, tolerance: 0.0, n_init: 1, ..with(9) };
    let outcome = run(&stage, &batch).unwrap();
    assert_eq!(outcome.warnings[0].key.as_deref(), Some("max_iterations"));
}

#[test]
fn a_mixture_is_kept_whole() {
    let stage = Segment { algorithm: Algorithm::Gmm, ..with(3) };
    let outcome = run(&stage, &shop()).unwrap();
    assert_eq!(segments(&outcome), shop_segments());
    let given: Vec<String> = stage.gives().into_iter().map(|port| port.name).collect();
    let made: Vec<String> = outcome.artifacts.iter().map(|(port, _)| port.clone()).collect();
    assert_eq!(given, made);
    let Artifact::Bytes(json) = &outcome.artifacts[3].1 else { panic!("no bytes") };
    let model: Centroids = serde_json::from_slice(json).unwrap();
    let points = model.preparation.apply(|name| columns::float_vec(&shop(), name)).unwrap();
    let found = model.assign(&points).unwrap();
    let assignments = port(&outcome, "assignments");
    assert_eq!(found.distances, columns::float_vec(&assignments, "distance").unwrap());
    assert_eq!(found.shares.unwrap(), columns::float_vec(&assignments, "share").unwrap());
    let declared = stage.metrics();
    let declared: Vec<&str> = declared.iter().map(|metric| &*metric.name).collect();
    assert!(outcome.metrics.keys().all(|name| declared.contains(&name.as_str())));
    assert!(outcome.metrics["icl"] >= outcome.metrics["bic"]);
}

/// The second feature is the first one doubled: its covariance has no inverse.
#[test]
fn flat_segments_are_told() {
    let monetary = columns::float_vec(&shop(), "monetary").unwrap();
    let batch = add(&shop(), "mean_amount", floats(monetary.iter().map(|value| value * 2.0)));
    let features = vec!["monetary".to_owned(), "mean_amount".to_owned()];
    let gmm = Gmm { regularisation: 1e-9, ..Gmm::default() };
    let stage = Segment { algorithm: Algorithm::Gmm, features, gmm, ..with(2) };
    let outcome = run(&stage, &batch).unwrap();
    let warnings: Vec<&str> = outcome.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "2 segments have next to no extent in some direction: the likelihood rests on `gmm.regularisation` there"
        ]
    );
}

#[test]
fn an_interrupted_run_ends() {
    let reason = |stop| {
        let error = run_unless(stop, &with(3), Table::from_batch(shop())).unwrap_err();
        (Stopped::of(&error), error.to_string())
    };
    let raised = AtomicBool::new(true);
    assert_eq!(reason(Stop::when(&raised)), (Some(Stopped::Interrupted), "interrupted".to_owned()));
    let over = Stop::never().after(Some(Duration::ZERO));
    assert_eq!(reason(over), (Some(Stopped::TimedOut), "timed out".to_owned()));
}

#[test]
fn contradicting_parameters_are_mistakes() {
    let twice = || "monetary".to_owned();
    let stage = Segment {
        scan: Some(Scan { from: 9, to: 3 }),
        tolerance: f64::NAN,
        features: vec![twice(), twice()],
        ..with(2)
    };
    let keys: Vec<String> = stage.check().into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(keys, ["scan.from", "tolerance", "features.1"]);
    assert!(with(2).check().is_empty());
}

#[test]
fn parameters_survive_toml() {
    let kind = Kind::of::<Segment>();
    let text = "input = \"features\"\nk = 4\nscale = \"robust\"\nscan = { to = 6 }\n";
    let stage = (kind.build)(toml::from_str(text).unwrap()).unwrap();
    let params = stage.params().unwrap();
    assert_eq!(params["scan"]["from"].as_integer(), Some(2));
    assert_eq!(params["algorithm"].as_str(), Some("kmeans"));
    assert_eq!((kind.build)(params.clone()).unwrap().params().unwrap(), params);
    assert!((kind.build)(toml::from_str("kk = 4").unwrap()).is_err());
    let schema = serde_json::to_value((kind.schema)()).unwrap();
    assert_eq!(schema["properties"]["k"]["maximum"], 1000);
}

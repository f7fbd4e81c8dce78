//! What goes and what stays, from small made-up caches.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::{Digest, Inventory, Object, Plan, Record, Uses, Why, plan};
use crate::engine::store::Output;
use crate::stage::PortType;

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn day(number: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(number * 24 * 60 * 60)
}

/// Objects by name, size and the day that they were made on.
fn inventory(objects: &[(&str, u64, u64)]) -> Inventory {
    let object = |(name, bytes, made): &(&str, u64, u64)| Object {
        digest: digest(name),
        bytes: *bytes,
        modified: day(*made),
    };
    Inventory { objects: objects.iter().map(object).collect(), strays: Vec::new() }
}

/// A record by the name of its key, its seconds, and its objects by name and size.
fn record(key: &str, seconds: f64, outputs: &[(&str, u64)]) -> (Digest, Record) {
    let output = |(name, bytes): &(&str, u64)| {
        let output = Output { digest: digest(name), bytes: *bytes, ty: PortType::File };
        ((*name).to_owned(), output)
    };
    let record = Record {
        kind: key.to_owned(),
        outputs: outputs.iter().map(output).collect(),
        summary: String::new(),
        metrics: BTreeMap::new(),
        warnings: Vec::new(),
        seconds,
        usage: None,
        columns: BTreeMap::new(),
        histograms: BTreeMap::new(),
        manifest: BTreeMap::new(),
        parts: None,
        memos: Vec::new(),
    };
    (digest(key), record)
}

fn named(keys: &[&str]) -> Uses {
    Uses { keys: keys.iter().map(|key| digest(key)).collect(), ..Uses::default() }
}

/// Kinds of records that go, with their reasons, sorted.
fn gone(plan: &Plan) -> Vec<(&str, Why)> {
    let mut gone: Vec<_> = plan.evicted.iter().map(|one| (one.kind.as_str(), one.why)).collect();
    gone.sort_unstable();
    gone
}

#[test]
fn what_no_kept_run_names_goes_and_shared_objects_stay() {
    let found = inventory(&[("x", 10, 0), ("y", 5, 0), ("shared", 100, 0), ("loose", 7, 0)]);
    let records =
        [record("a", 1.0, &[("x", 10), ("shared", 100)]), record("b", 1.0, &[("y", 5), ("shared", 100)])];
    let plan = plan(&found, &records, &named(&["a"]), None);
    assert_eq!(gone(&plan), [("b", Why::Unnamed)]);
    assert_eq!((plan.evicted[0].bytes, plan.loose.bytes, plan.kept.bytes, plan.kept.objects), (5, 7, 110, 2));
    let names: Vec<_> = plan.objects.iter().map(|object| object.digest).collect();
    assert_eq!(names, [digest("y"), digest("loose")]);
}

#[test]
fn an_object_that_a_kept_run_names_stays_without_its_record() {
    let found = inventory(&[("x", 10, 0)]);
    let uses = Uses { outputs: [digest("x")].into(), ..Uses::default() };
    assert_eq!(plan(&found, &[], &uses, None).kept.bytes, 10);
    assert_eq!(plan(&found, &[], &Uses::default(), None).kept.bytes, 0);
}

#[test]
fn a_record_with_a_lost_output_goes_though_a_run_names_it() {
    let found = inventory(&[("x", 10, 0)]);
    let missing = [record("a", 1.0, &[("x", 10), ("y", 1)])];
    assert_eq!(gone(&plan(&found, &missing, &named(&["a"]), None)), [("a", Why::Lost)]);
    let other_size = [record("a", 1.0, &[("x", 11)])];
    assert_eq!(gone(&plan(&found, &other_size, &named(&["a"]), None)), [("a", Why::Lost)]);
}

#[test]
fn what_was_made_lately_stays_unless_a_former_run_names_it() {
    let found = inventory(&[("old", 1, 1), ("new", 1, 9), ("loose", 1, 9), ("former", 1, 9)]);
    let records = [
        record("a", 1.0, &[("old", 1)]),
        record("b", 1.0, &[("new", 1)]),
        record("c", 1.0, &[("former", 1)]),
    ];
    let former = [digest("c")].into();
    let uses = Uses { since: Some(day(5)), former, ..Uses::default() };
    let plan = plan(&found, &records, &uses, None);
    assert_eq!(gone(&plan), [("a", Why::Unnamed), ("c", Why::Unnamed)]);
    assert_eq!(plan.kept.objects, 2);
}

#[test]
fn the_fewest_seconds_a_byte_go_first() {
    let found = inventory(&[("big", 1000, 0), ("small", 10, 0), ("dear", 1000, 0)]);
    let records = [
        record("big", 1.0, &[("big", 1000)]),
        record("small", 0.1, &[("small", 10)]),
        record("dear", 50.0, &[("dear", 1000)]),
    ];
    let keys = named(&["big", "small", "dear"]);
    let gone_within = |budget: u64| {
        gone(&plan(&found, &records, &keys, Some(budget)))
            .into_iter()
            .map(|(kind, _)| kind.to_owned())
            .collect::<Vec<_>>()
    };
    assert!(gone_within(2010).is_empty());
    assert_eq!(gone_within(2009), ["big"]);
    assert_eq!(gone_within(1005), ["big", "small"]);
    assert_eq!(gone_within(0), ["big", "dear", "small"]);
}

#[test]
fn a_record_whose_objects_others_hold_does_not_go_for_nothing() {
    // `pass` hands its input on: without its giver it would free nothing.
    let found = inventory(&[("rows", 1000, 0), ("own", 500, 0)]);
    let records = [
        record("give", 50.0, &[("rows", 1000)]),
        record("pass", 0.1, &[("rows", 1000)]),
        record("other", 5.0, &[("own", 500)]),
    ];
    let keys = named(&["give", "pass", "other"]);
    let within = plan(&found, &records, &keys, Some(1000));
    assert_eq!(gone(&within), [("other", Why::Budget)]);
    assert_eq!(within.kept.bytes, 1000);
}

#[test]
fn what_cannot_be_computed_again_goes_last() {
    let found = inventory(&[("x", 10, 0), ("once", 10, 0)]);
    let records = [record("a", 1000.0, &[("x", 10)])];
    let uses = Uses { outputs: [digest("once")].into(), ..named(&["a"]) };
    let plan = plan(&found, &records, &uses, Some(10));
    assert_eq!((gone(&plan), plan.objects[0].digest), (vec![("a", Why::Budget)], digest("x")));
}

//! Tests of the kind `report`: its inputs, its page, and tables that do not fit.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::*;
use crate::present::report::example;
use crate::stage::{Artifact, Input, Progress, Stop, Stopped};

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}
    fn step(&self, _: &str, _: u64, _: f64) {}
}

fn run(params: &str, inputs: Vec<(&str, Input)>) -> Result<Outcome> {
    run_unless(Stop::never(), params, inputs)
}

fn run_unless(stop: Stop<'_>, params: &str, inputs: Vec<(&str, Input)>) -> Result<Outcome> {
    let stage: Report = toml::from_str(params)?;
    let folder = tempfile::tempdir()?;
    let ctx = Context {
        inputs: inputs.into_iter().map(|(key, input)| (key.to_owned(), input)).collect(),
        sources: Vec::new(),
        seed: 0,
        scratch: folder.path(),
        progress: &Silent,
        stop,
        memos: None,
    };
    stage.run(&ctx)
}

fn page(outcome: &Outcome) -> String {
    match &outcome.artifacts[0] {
        (port, Artifact::Bytes(bytes)) if port == "page" => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sections_follow_the_inputs() {
    let inputs =
        vec![("profile", Input::Table(example::profile())), ("series", Input::Table(example::series()))];
    let outcome = run("profile = 'p'\nseries = 's'\ntitle = 'A & B'\ncurrency = '$'", inputs).unwrap();
    let page = page(&outcome);
    assert_eq!(outcome.metrics["sections"], 2.0);
    assert_eq!(outcome.metrics["bytes"], page.len() as f64);
    assert!(outcome.summary.starts_with("2 sections, ") && outcome.summary.ends_with(" KB"));
    assert!(page.contains("<title>A &amp; B</title>") && page.contains("$662k"));
    assert!(!page.contains("Customers at risk"));
}

#[test]
fn pictures_are_taken_as_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture");
    fs_err::write(&path, "<svg xmlns='http://www.w3.org/2000/svg'><title>Mine</title></svg>").unwrap();
    let outcome = run("charts = ['c']", vec![("charts.0", Input::Object(path))]).unwrap();
    assert!(page(&outcome).contains("alt=\"Mine\""));
}

#[test]
fn a_wrong_table_is_pointed_at_with_what_it_should_be() {
    let inputs = vec![("profile", Input::Table(example::features()))];
    let failure: Failure = run("profile = 'features'", inputs).unwrap_err().downcast().unwrap();
    assert_eq!(failure.key.as_deref(), Some("profile"));
    assert_eq!(failure.hint.as_deref(), Some("`profile` takes the main output of a `profile` stage"));
    assert!(failure.message.contains("there is no column `segment`"), "{}", failure.message);
}

#[test]
fn a_report_of_nothing_is_a_mistake() {
    let mistakes = Report::default().check();
    assert_eq!(mistakes[0].message, "a report needs at least one input");
    let twice: Report = toml::from_str("profile = 'p'\nsections = ['churn', 'churn']").unwrap();
    assert_eq!(twice.check()[0].key, "sections.1");
}

#[test]
fn needs_name_every_input_that_is_given() {
    let stage: Report = toml::from_str("churn = 'c'\ncharts = ['a', 'b.png']").unwrap();
    let keys: Vec<_> = stage.needs().into_iter().map(|need| need.key).collect();
    assert_eq!(keys, ["churn", "charts.0", "charts.1"]);
}

#[test]
fn a_section_without_its_input_warns_when_it_was_the_only_one() {
    let inputs = vec![("profile", Input::Table(example::profile()))];
    let outcome = run("profile = 'p'\nsections = ['churn']", inputs).unwrap();
    assert_eq!(outcome.metrics["sections"], 0.0);
    assert_eq!(outcome.warnings[0].key.as_deref(), Some("sections"));
}

#[test]
fn one_that_is_stopped_ends() {
    let reason = |stop| {
        Stopped::of(
            &run_unless(stop, "profile = 'p'", vec![("profile", Input::Table(example::profile()))])
                .unwrap_err(),
        )
    };
    let raised = AtomicBool::new(true);
    assert_eq!(reason(Stop::when(&raised)), Some(Stopped::Interrupted));
    assert_eq!(reason(Stop::never().after(Some(Duration::ZERO))), Some(Stopped::TimedOut));
}

//! Tests of the kind.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray};

use super::*;
use crate::data::columns;
use crate::stage::{Artifact, Input, Progress, Stop};

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}
    fn step(&self, _: &str, _: u64, _: f64) {}
}

fn weekly(names: &[&str], weeks: i32, value: fn(i32) -> f64) -> RecordBatch {
    let rows: Vec<(&str, i32)> =
        names.iter().flat_map(|name| (0..weeks).map(move |week| (*name, week))).collect();
    let periods = rows.iter().map(|row| 18_995 + 7 * row.1);
    RecordBatch::try_from_iter([
        ("series", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef),
        ("period", Arc::new(Date32Array::from_iter_values(periods))),
        ("revenue", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| value(row.1))))),
    ])
    .unwrap()
}

fn run(stage: &Forecast, batch: RecordBatch) -> Result<Outcome> {
    stage.run(&Context {
        inputs: BTreeMap::from([("input".to_owned(), Input::Table(Table::from_batch(batch)))]),
        sources: Vec::new(),
        seed: 0,
        scratch: Path::new("."),
        progress: &Silent,
        stop: Stop::never(),
        memos: None,
    })
}

fn port(outcome: &Outcome, name: &str) -> RecordBatch {
    match &outcome.artifacts.iter().find(|(port, _)| port == name).unwrap().1 {
        Artifact::Table(table) => table.to_batch().unwrap(),
        other => panic!("{name} is {other:?}"),
    }
}

fn wave(week: i32) -> f64 {
    f64::from(week % 4 * 10 + 10)
}

#[test]
fn a_pure_season_is_forecast_exactly_by_its_season() {
    let stage: Forecast = toml::from_str("input = 's'\nhorizon = 4\nfolds = 3\nseason = 4").unwrap();
    let outcome = run(&stage, weekly(&["all", "b"], 60, wave)).unwrap();
    assert_eq!(outcome.summary, "seasonal_naive best: WAPE 0.0 % over 3 folds");
    assert_eq!(outcome.metrics["wape.seasonal_naive"], 0.0);
    assert_eq!((outcome.metrics["mae"], outcome.metrics["folds"]), (0.0, 3.0));
    assert!(outcome.metrics.contains_key("wape.ridge") && outcome.warnings.is_empty());
    let forecast = port(&outcome, "forecast");
    assert_eq!(forecast.num_rows(), 2 * 2 * 4);
    assert_eq!(columns::float_vec(&forecast, "mean").unwrap()[..4], [10.0, 20.0, 30.0, 40.0]);
    // Both series with both methods, three folds of four weeks each.
    assert_eq!(port(&outcome, "backtest").num_rows(), 2 * 2 * 12);
    let scores = port(&outcome, "scores");
    let names = columns::strings(&scores, "series").unwrap();
    assert_eq!(names.iter().flatten().collect::<Vec<_>>(), ["all", "b", "all", "b"]);
}

fn warned(outcome: &Outcome) -> Vec<&str> {
    outcome.warnings.iter().map(|warning| warning.message.as_str()).collect()
}

#[test]
fn short_and_empty_histories() {
    let outcome = run(&Forecast::default(), weekly(&["all"], 5, wave)).unwrap();
    assert_eq!(outcome.summary, "1 series, 12 weeks ahead by seasonal_naive, no back-test");
    assert_eq!(outcome.warnings.len(), 3);
    let forecast = port(&outcome, "forecast");
    assert_eq!(columns::float_vec(&forecast, "mean").unwrap(), [10.0; 24]);
    assert_eq!(columns::floats(&forecast, "lower").unwrap().null_count(), 0);
    assert_eq!(port(&outcome, "scores").num_rows(), 0);
    let failure = run(&Forecast::default(), weekly(&[], 0, wave)).unwrap_err();
    assert!(failure.downcast::<Failure>().unwrap().hint.is_some());
}

#[test]
fn tables_name_their_target_and_have_totals() {
    let stage: Forecast =
        toml::from_str("input = 's'\nhorizon = 4\nfolds = 3\nseason = 4\ntarget = 'customers'").unwrap();
    let weeks = weekly(&["all"], 60, wave);
    let mut fields = weeks.schema().fields().to_vec();
    fields[2] = Arc::new(fields[2].as_ref().clone().with_name("customers"));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let outcome = run(&stage, RecordBatch::try_new(schema, weeks.columns().to_vec()).unwrap()).unwrap();
    for name in ["forecast", "backtest", "scores"] {
        let targets = columns::strings(&port(&outcome, name), "target").unwrap();
        assert!(targets.len() > 0 && targets.iter().all(|target| target == Some("customers")), "{name}");
    }
    let forecast = port(&outcome, "forecast");
    let first = |name: &str| columns::float_vec(&forecast, name).unwrap()[..4].to_vec();
    assert_eq!(first("total"), [10.0, 30.0, 60.0, 100.0]);
    // The seasonal forecast of a pure season has never erred.
    assert_eq!((first("total_lower"), first("total_upper")), (first("total"), first("total")));
}

#[test]
fn a_series_of_too_few_weeks_gets_no_forecast() {
    let outcome = run(&Forecast::default(), weekly(&["all", "a"], 3, wave)).unwrap();
    assert_eq!(outcome.summary, "no forecast: too little history");
    let why = "get no forecast: they have fewer than 4 weeks with any `revenue`";
    assert_eq!(warned(&outcome), [format!("`a`, `all` {why}")]);
    for name in ["forecast", "backtest", "scores"] {
        assert_eq!(port(&outcome, name).num_rows(), 0);
    }
    // Weeks in which nothing happened say nothing.
    let mostly = |week| if week < 57 { 0.0 } else { wave(week) };
    let long = arrow::compute::concat_batches(
        &weekly(&[], 0, wave).schema(),
        [&weekly(&["all"], 60, wave), &weekly(&["few"], 60, mostly)],
    );
    let stage: Forecast = toml::from_str("input = 's'\nhorizon = 4\nfolds = 3\nseason = 4").unwrap();
    let outcome = run(&stage, long.unwrap()).unwrap();
    let why = "`few` gets no forecast: it has fewer than 4 weeks with any `revenue`";
    assert_eq!(warned(&outcome), [why]);
    let series = columns::strings(&port(&outcome, "forecast"), "series").unwrap();
    assert!(series.iter().all(|series| series == Some("all")));
}

#[test]
fn errors_beyond_all_numbers_are_said_in_words() {
    let stage: Forecast =
        toml::from_str("input = 's'\nhorizon = 4\nfolds = 1\nseason = 4\nmodels = ['seasonal_naive']")
            .unwrap();
    let outcome = run(&stage, weekly(&["all"], 60, |week| f64::from(week % 3) * 8e307)).unwrap();
    assert_eq!(outcome.summary, "seasonal_naive: its errors over 1 fold are too large to compute");
}

#[test]
fn a_model_is_listed_once() {
    let stage: Forecast = toml::from_str("models = ['ridge', 'ridge']").unwrap();
    assert_eq!(stage.check()[0].message, "`ridge` is listed twice");
    assert_eq!(Forecast { models: Vec::new(), ..stage }.check()[0].key, "models");
}

/// Weeks that rise and wave: the seasonal naive forecast lags behind, ridge doesn't.
fn rising(week: i32) -> f64 {
    1_000.0 + 8.0 * f64::from(week) + wave(week) + f64::from(week * 37 % 11)
}

#[test]
fn the_past_is_told_by_weeks_ahead_with_intervals_and_a_verdict() {
    let stage: Forecast = toml::from_str(
        "input = 's'\nhorizon = 4\nfolds = 6\nseason = 4\nmodels = ['naive', 'drift', 'seasonal_naive']",
    )
    .unwrap();
    let outcome = run(&stage, weekly(&["all"], 80, rising)).unwrap();
    let scores = port(&outcome, "scores");
    let number = |batch: &RecordBatch, name: &str| columns::float_vec(batch, name).unwrap();
    // Skill is against the seasonal naive forecast, whose own is none.
    let (mae, skill) = (number(&scores, "mae"), number(&scores, "skill"));
    assert_eq!(skill[2], 0.0);
    assert!((skill[1] - (1.0 - mae[1] / mae[2])).abs() < 1e-12);
    assert_eq!(outcome.metrics["skill.drift"], skill[1]);
    // Means of the errors by weeks ahead are those of all weeks, each of them being as frequent.
    let horizons = port(&outcome, "horizons");
    assert_eq!(horizons.num_rows(), 3 * 4);
    let of_naive = &number(&horizons, "mae")[..4];
    assert!((of_naive.iter().sum::<f64>() / 4.0 - mae[0]).abs() < 1e-9);
    // The first fold knows no errors yet; coverage is counted over the others.
    let past = port(&outcome, "backtest");
    let (actual, lower, upper) = (number(&past, "actual"), number(&past, "lower"), number(&past, "upper"));
    let fold = columns::integers(&past, "fold").unwrap();
    let of_model = |from: usize| {
        let rows = from..from + 24;
        let known: Vec<usize> = rows.filter(|row| fold.value(*row) > 1).collect();
        let inside =
            known.iter().filter(|row| lower[**row] <= actual[**row] && actual[**row] <= upper[**row]);
        inside.count() as f64 / known.len() as f64
    };
    assert_eq!(number(&scores, "coverage"), [of_model(0), of_model(24), of_model(48)]);
    let comparison = port(&outcome, "comparison");
    let verdicts = columns::strings(&comparison, "verdict").unwrap();
    let best = columns::strings(&comparison, "best").unwrap();
    assert_eq!((comparison.num_rows(), best.value(0)), (2, "drift"));
    let more = 100.0 * (mae[0] / mae[1] - 1.0);
    assert!(verdicts.value(0).contains(&format!("`naive` errs {more:.1} % more")), "{}", verdicts.value(0));
    assert!(verdicts.iter().flatten().all(|words| words.contains("(p ")), "{verdicts:?}");
}

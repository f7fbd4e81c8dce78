//! Tests of the kind `chart`: every type with usual, empty and hostile tables.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrow::array::{Array, ArrayRef};

use super::*;
use crate::data::Table;
use crate::present::format::Unit;
use crate::present::report::example::{self, floats, mapped, table, texts};
use crate::stage::{Artifact, Input, Progress, Stop, Stopped};

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}
    fn step(&self, _: &str, _: u64, _: f64) {}
}

fn run(params: &str, inputs: &[(&str, Table)]) -> Result<Outcome> {
    run_unless(Stop::never(), params, inputs)
}

fn run_unless(stop: Stop<'_>, params: &str, inputs: &[(&str, Table)]) -> Result<Outcome> {
    let stage: Chart = toml::from_str(params)?;
    let folder = tempfile::tempdir()?;
    let inputs = inputs.iter().map(|(key, table)| ((*key).to_owned(), Input::Table(table.clone()))).collect();
    let ctx = Context {
        inputs,
        sources: Vec::new(),
        seed: 0,
        scratch: folder.path(),
        progress: &Silent,
        stop,
        memos: None,
    };
    stage.run(&ctx)
}

fn picture(outcome: &Outcome, port: &str) -> Vec<u8> {
    let artifact = outcome.artifacts.iter().find(|(name, _)| name == port);
    match artifact {
        Some((_, Artifact::Bytes(bytes))) => bytes.clone(),
        other => panic!("{other:?}"),
    }
}

fn svg_of(outcome: &Outcome) -> String {
    String::from_utf8(picture(outcome, "svg")).unwrap()
}

fn failure(params: &str, input: Table) -> Failure {
    run(params, &[("input", input)]).unwrap_err().downcast().unwrap()
}

fn every_type() -> Vec<(&'static str, Vec<(&'static str, Table)>)> {
    let series = ("history", example::series());
    vec![
        ("type = 'bars'", vec![("input", example::profile())]),
        ("type = 'lines'", vec![("input", example::series())]),
        ("type = 'forecast'\nhistory = 's'", vec![("input", example::forecast()), series]),
        ("type = 'forecast'", vec![("input", example::forecast())]),
        (
            "type = 'scatter'\nlog_x = true\nsegments = 's'",
            vec![("input", example::features()), ("segments", example::segments())],
        ),
        ("type = 'scatter'", vec![("input", example::features())]),
        ("type = 'heatmap'", vec![("input", example::differences())]),
        ("type = 'selection'", vec![("input", example::selection())]),
        ("type = 'histogram'", vec![("input", example::churn())]),
        ("type = 'reliability'", vec![("input", example::reliability())]),
        ("type = 'importance'", vec![("input", example::importance())]),
        ("type = 'leaderboard'", vec![("input", example::leaderboard())]),
    ]
}

#[test]
fn every_type_draws_its_table_with_the_usual_columns() {
    for (params, inputs) in every_type() {
        let outcome = run(params, &inputs).unwrap_or_else(|error| panic!("{params}: {error}"));
        assert!(outcome.warnings.is_empty(), "{params}: {:?}", outcome.warnings);
        assert!(svg_of(&outcome).starts_with("<svg"));
        assert!(picture(&outcome, "png").starts_with(b"\x89PNG"));
    }
}

#[test]
fn empty_tables_give_a_picture_and_a_warning() {
    for (params, inputs) in every_type() {
        let empty = |table: &Table| Table::from_batch(table.to_batch().unwrap().slice(0, 0));
        let inputs: Vec<_> = inputs.iter().map(|(key, table)| (*key, empty(table))).collect();
        let outcome = run(params, &inputs).unwrap_or_else(|error| panic!("{params}: {error}"));
        assert_eq!(outcome.warnings[0].message, "the table is empty, so the chart shows nothing", "{params}");
        assert!(svg_of(&outcome).contains("There "), "{params}");
    }
}

#[test]
fn every_type_survives_missing_values() {
    for (params, inputs) in every_type() {
        let blank = |_: &str, column: &ArrayRef| match column.data_type().is_floating() {
            true => floats(vec![f64::NAN; column.len()]),
            false => column.clone(),
        };
        let inputs: Vec<_> = inputs.iter().map(|(key, table)| (*key, mapped(table, blank))).collect();
        let svg = svg_of(&run(params, &inputs).unwrap_or_else(|error| panic!("{params}: {error}")));
        assert!(!svg.contains("NaN") && !svg.contains("inf,"), "{params}");
    }
}

/// The lines of a picture as wide as whiskers.
fn whiskers(svg: &str) -> usize {
    svg.matches("stroke=\"#1B2129\"").count()
}

#[test]
fn intervals_are_drawn_as_whiskers() {
    let rows = table(vec![
        ("name", texts(["a", "b"])),
        ("value", floats([3.0, 2.0])),
        ("value_low", floats([2.5, f64::NAN])),
        ("value_high", floats([4.0, f64::NAN])),
        ("from", floats([1.0, 1.0])),
        ("to", floats([5.0, 6.0])),
    ]);
    let drawn = |params: &str| {
        svg_of(&run(&format!("type = 'bars'\ny = 'value'\n{params}"), &[("input", rows.clone())]).unwrap())
    };
    let (usual, named) = (drawn(""), drawn("low = 'from'\nhigh = 'to'"));
    assert_eq!((whiskers(&usual), whiskers(&named)), (3, 6), "{usual}");
    assert!(usual.contains("with intervals"), "{usual}");
    assert_eq!(whiskers(&svg_of(&run("type = 'bars'\ny = 'from'", &[("input", rows.clone())]).unwrap())), 0);
    let text = failure("type = 'bars'\ny = 'value'\nlow = 'name'\nhigh = 'to'", rows);
    assert_eq!(
        (text.message.as_str(), text.key.as_deref()),
        ("column `name` is text, not a number", Some("low"))
    );
    let said = |params: &str| -> Vec<_> {
        let chart: Chart = toml::from_str(params).unwrap();
        Stage::check(&chart).into_iter().map(|mistake| (mistake.key, mistake.message, mistake.hint)).collect()
    };
    let lone = "`low` is one end of an interval, and the other one isn't named".to_owned();
    assert_eq!(
        said("type = 'bars'\nlow = 'a'"),
        [("low".to_owned(), lone, Some("name its column with `high`".to_owned()))]
    );
    let idle = "`high` does nothing for a chart of type `lines`".to_owned();
    assert_eq!(said("type = 'lines'\nhigh = 'a'")[0].1, idle);
}

#[test]
fn a_leaderboard_over_seeds_has_whiskers() {
    let rows = table(vec![
        ("variant", texts(["k=2", "k=3"])),
        ("s.x.low", floats([0.3, 0.1])),
        ("s.x.high", floats([0.5, 0.4])),
        ("s.x", floats([0.4, 0.25])),
    ]);
    assert_eq!(whiskers(&svg_of(&run("type = 'leaderboard'", &[("input", rows)]).unwrap())), 6);
}

#[test]
fn a_misspelt_column_is_pointed_at() {
    let failure = failure("type = 'bars'\ny = 'revenu'", example::profile());
    assert_eq!(failure.message, "there is no column `revenu`");
    assert_eq!(failure.hint.as_deref(), Some("did you mean `revenue`?"));
    assert_eq!(failure.key.as_deref(), Some("y"));
}

#[test]
fn a_table_without_usual_columns_asks_for_one() {
    let odd = || table(vec![("a", texts(["x"])), ("b", floats([1.0]))]);
    let failure = failure("type = 'bars'", odd());
    assert_eq!(failure.key.as_deref(), Some("x"));
    assert_eq!(failure.hint.as_deref(), Some("there are `a` and `b`"));
    assert!(run("type = 'bars'\nx = 'a'\ny = 'b'", &[("input", odd())]).is_ok());
}

#[test]
fn a_table_of_the_wrong_kind_is_pointed_at() {
    let failure = failure("type = 'reliability'", example::profile());
    assert_eq!(failure.key.as_deref(), Some("input"));
    assert!(failure.message.starts_with("`input` can't be drawn as `reliability`: there is no column"));
    let failure = super::tests::failure("type = 'bars'\ny = 'name'", example::profile());
    assert!(failure.message.contains("is text, not a number"), "{}", failure.message);
}

#[test]
fn a_table_of_customers_makes_no_bars() {
    let failure = failure("type = 'bars'\nx = 'customer_id'\ny = 'monetary'", example::features());
    assert_eq!(failure.message, "`input` has 2000 rows, and a chart has one bar a row");
}

#[test]
fn too_many_lines_are_refused() {
    let rows = 0..5_000;
    let many = table(vec![
        ("period", floats(rows.clone().map(f64::from))),
        ("revenue", floats(rows.clone().map(f64::from))),
        ("series", texts(rows.map(|at| at.to_string()))),
    ]);
    let failure = failure("type = 'lines'", many);
    assert!(failure.message.contains("more than 1000 different values"), "{}", failure.message);
}

#[test]
fn keys_that_do_nothing_are_mistakes() {
    let keys = |params: &str| {
        let stage: Chart = toml::from_str(params).unwrap();
        stage.check().into_iter().map(|mistake| mistake.key).collect::<Vec<_>>()
    };
    assert_eq!(keys("type = 'reliability'\nx = 'a'\nlog_x = true"), ["x", "log_x"]);
    assert_eq!(keys("type = 'lines'\ny2 = 'a'\nsegments = 'b'"), ["y2", "segments"]);
    assert!(keys("type = 'scatter'\nx = 'a'\ny = 'b'\ncolor = 'c'\nlog_y = true").is_empty());
}

#[test]
fn units_follow_the_format_or_the_name() {
    let profile = || [("input", example::profile())];
    let svg = |params: &str| svg_of(&run(params, &profile()).unwrap());
    assert!(svg("type = 'bars'\ny = 'revenue'\ncurrency = '€'").contains("€662k"));
    assert!(svg("type = 'bars'\ny = 'customer_share'\ny2 = 'revenue_share'").contains("49%"));
    assert!(svg("type = 'bars'\ny = 'revenue'\nformat = 'number'").contains(">\n662k"));
    assert!(svg("type = 'bars'\ntitle = 'Mine'").contains("<title>Mine</title>"));
}

#[test]
fn the_currency_stands_on_money_only() {
    let profile = || [("input", example::profile())];
    let svg = |params: &str| svg_of(&run(params, &profile()).unwrap());
    for format in ["auto", "money"] {
        let both = svg(&format!(
            "type = 'bars'\ny = 'revenue'\ny2 = 'customers'\ncurrency = '€'\nformat = '{format}'"
        ));
        assert!(both.contains(">\n€662k") && both.contains(">\n800\n"), "{both}");
        assert!(both.contains("Revenue (€) and customers, each on a scale of its own"), "{both}");
    }
    let stage: Chart = toml::from_str("type = 'bars'\ncurrency = '€'").unwrap();
    let units = ["mean_amount", "amount_count", "big_spenders", "revenue_share"];
    let euro = || Unit::Money("€".to_owned());
    let expected = [euro(), Unit::Number, Unit::Number, Unit::Percent];
    assert_eq!(units.map(|column| choice::unit(&stage, column)), expected);
}

#[test]
fn a_histogram_counts_customers_only_where_rows_are_customers() {
    let customers = svg_of(&run("type = 'histogram'", &[("input", example::features())]).unwrap());
    assert!(customers.contains(">\n2,000 customers\n"), "{customers}");
    let orders = table(vec![("customer_id", texts(["a", "b", "a"])), ("amount", floats([1.0, 2.0, 6.0]))]);
    let rows = svg_of(&run("type = 'histogram'\nx = 'amount'", &[("input", orders)]).unwrap());
    assert!(rows.contains("<title>Amount: half of all rows lie below 2</title>"), "{rows}");
    assert!(rows.contains(">\n3 rows\n") && !rows.contains("customers"), "{rows}");
}

#[test]
fn one_that_is_stopped_ends() {
    let reason =
        |stop| Stopped::of(&run_unless(stop, "type = 'bars'", &[("input", example::profile())]).unwrap_err());
    let raised = AtomicBool::new(true);
    assert_eq!(reason(Stop::when(&raised)), Some(Stopped::Interrupted));
    assert_eq!(reason(Stop::never().after(Some(Duration::ZERO))), Some(Stopped::TimedOut));
}

/// A forecast that names its target is drawn as that, without the currency of another one.
#[test]
fn a_forecast_is_drawn_as_its_target() {
    let forecast = example::forecast().to_batch().unwrap();
    let names = forecast.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let target = ("target".to_owned(), example::texts(vec!["customers"; forecast.num_rows()]));
    let columns = names.into_iter().zip(forecast.columns().iter().cloned()).chain([target]);
    let input = Table::from_batch(arrow::array::RecordBatch::try_from_iter(columns).unwrap());
    let svg = svg_of(&run("type = 'forecast'\ncurrency = '€'", &[("input", input)]).unwrap());
    assert!(svg.contains("Customers a week") && !svg.contains('€'), "{svg}");
}

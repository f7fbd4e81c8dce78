//! Rules against small tables; whole sentences are compared.

mod rules;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;

use super::*;
use crate::data::read::date::{Order, timestamp};
use crate::diagnostic::Failure;

fn times(days: &[&str]) -> ArrayRef {
    Arc::new(
        days.iter()
            .map(|day| timestamp(day, Order::Day).map(|stamp| stamp.micros))
            .collect::<TimestampMicrosecondArray>(),
    )
}

fn orders() -> Table {
    let channel: DictionaryArray<Int32Type> =
        vec![Some("web"), Some("store"), None, Some("fax"), Some("web"), Some("store")].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(3), None, Some(1), Some(2)]))),
        (
            "t",
            times(&[
                "2023-01-02",
                "2023-01-03 10:00",
                "2023-01-10",
                "2023-01-31 23:59:59",
                "2023-01-02",
                "2023-02-01",
            ]),
        ),
        (
            "amount",
            Arc::new(Float64Array::from(vec![
                Some(1.0),
                Some(-5.0),
                Some(f64::NAN),
                Some(2.5),
                Some(1.0),
                None,
            ])),
        ),
        ("channel", Arc::new(channel)),
        (
            "note",
            Arc::new(StringArray::from(vec![Some("a"), Some(" "), None, Some("b"), Some("a"), Some("c")])),
        ),
        (
            "local",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                Some(false),
                None,
                Some(true),
                Some(true),
                Some(true),
            ])),
        ),
    ];
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
}

fn rules(text: &str) -> Vec<Rule> {
    let table: toml::Table = toml::from_str(&format!("rules = [{text}]")).unwrap();
    table.get("rules").cloned().unwrap().try_into().unwrap()
}

fn examined(table: &Table, rules: &[Rule], ground: &Ground) -> Result<Vec<Finding>> {
    Ok(examine(table, rules, ground, false, &mut |_| Ok(()))?.findings)
}

fn found(table: &Table, text: &str) -> Vec<(bool, String)> {
    let findings = examined(table, &rules(text), &Ground::default()).unwrap();
    findings.into_iter().map(|finding| (finding.passed, finding.message)).collect()
}

fn one(text: &str) -> (bool, String) {
    let mut found = found(&orders(), text);
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[track_caller]
fn fails(rule: &str, message: &str) {
    assert_eq!(one(rule), (false, message.to_owned()));
}

#[track_caller]
fn passes(rule: &str, message: &str) {
    assert_eq!(one(rule), (true, message.to_owned()));
}

#[test]
fn missing_values() {
    fails("{ column = 'id', missing = 0 }", "1 of 6 values of `id` is missing (17 %): row 4");
    fails(
        "{ column = 'amount', missing = 0.1 }",
        "2 of 6 values of `amount` are missing (33 %, allowed 10 %): rows 3, 6",
    );
    passes(
        "{ column = 'amount', missing = 0.34 }",
        "2 of 6 values of `amount` are missing (33 %, allowed 34 %): rows 3, 6",
    );
    fails("{ column = 'channel', missing = 0 }", "1 of 6 values of `channel` is missing (17 %): row 3");
    fails("{ column = 'note', missing = 0 }", "2 of 6 values of `note` are missing (33 %): rows 2, 3");
    passes("{ column = 't', missing = 0 }", "0 of 6 values of `t` are missing");
}

#[test]
fn ranges() {
    fails(
        "{ column = 'amount', min = 0 }",
        "1 of 4 values of `amount` is below 0, such as `-5.0` (25 %): row 2",
    );
    passes("{ column = 'amount', max = 2.5 }", "0 of 4 values of `amount` are above 2.5");
    passes(
        "{ column = 'amount', min = 0, mostly = 0.75 }",
        "1 of 4 values of `amount` is below 0, such as `-5.0` (25 %, allowed 25 %): row 2",
    );
    fails("{ column = 'id', max = 2 }", "1 of 5 values of `id` is above 2, such as `3` (20 %): row 3");
    passes("{ column = 't', min = 2023-01-02 }", "0 of 6 values of `t` are before 2023-01-02");
    fails(
        "{ column = 't', max = 2023-01-31 }",
        "1 of 6 values of `t` is after 2023-01-31, such as `2023-02-01T00:00:00` (17 %): row 6",
    );
    fails(
        "{ column = 't', max = 2023-01-31T00:00:00 }",
        "2 of 6 values of `t` are after 2023-01-31T00:00:00, such as `2023-01-31T23:59:59` (33 %): rows 4, 6",
    );
}

#[test]
fn values_among_others() {
    fails(
        "{ column = 'channel', allowed = ['web', 'store'] }",
        "1 of 5 values of `channel` is not among `web` and `store`, such as `fax` (20 %): row 4",
    );
    passes(
        "{ column = 'local', allowed = [true, false] }",
        "0 of 5 values of `local` are not among `true` and `false`",
    );
    fails(
        "{ column = 'id', allowed = [1, 2] }",
        "1 of 5 values of `id` is not among `1` and `2`, such as `3` (20 %): row 3",
    );
    fails(
        "{ column = 'note', allowed = ['1', '2', '3', '4', '5', '6', '7'] }",
        "5 of 5 values of `note` are not among `1`, `2`, `3`, `4`, `5`, `6` and 1 more, such as `a` (100 %): rows 1, 2, 4, 5, 6",
    );
}

#[test]
fn repetitions() {
    fails("{ column = 'id', unique = true }", "2 of 5 values of `id` are repeated (40 %): rows 5, 6");
    fails("{ duplicates = 0 }", "1 of 6 rows is a copy of an earlier one (17 %): row 5");
    fails(
        "{ duplicates = 0.1, columns = ['id'] }",
        "2 of 6 rows are copies of earlier ones (33 %, allowed 10 %): rows 5, 6",
    );
    passes("{ duplicates = 0.2 }", "1 of 6 rows is a copy of an earlier one (17 %, allowed 20 %): row 5");
}

#[test]
fn types() {
    passes("{ column = 'amount', type = 'number' }", "`amount` is a number");
    fails("{ column = 'note', type = 'number' }", "`note` is text, not a number");
    fails(
        "{ column = 'amount', type = 'integer' }",
        "1 of 4 values of `amount` is not whole, such as `2.5` (25 %): row 4",
    );
    passes("{ column = 'id', type = 'integer' }", "`id` is an integer");
    fails("{ column = 'id', type = 'text' }", "`id` is an integer, not text");
    passes("{ column = 'channel', type = 'text' }", "`channel` is text");
    passes("{ column = 't', type = 'timestamp' }", "`t` is a timestamp");
    fails("{ column = 't', type = 'boolean' }", "`t` is a timestamp, not true/false");
}

#[test]
fn volume_and_coverage() {
    passes("{ rows = { min = 1, max = 6 } }", "the table has 6 rows");
    fails("{ rows = { min = 1_000 } }", "the table has 6 rows, fewer than 1,000");
    fails("{ rows = { max = 5 } }", "the table has 6 rows, more than 5");
    passes("{ column = 't', coverage = { max_gap_days = 20 } }", "`t` has no gap of more than 20 days");
    fails(
        "{ column = 't', coverage = { max_gap_days = 1 } }",
        "`t` has 2 gaps of more than 1 day, the longest of 20 from 2023-01-11",
    );
    fails(
        "{ column = 't', coverage = { min_weekly_rows = 1 } }",
        "2 of 4 whole weeks of `t` have no row, the first from 2023-01-16 (50 %)",
    );
}

#[test]
fn outliers_are_far_from_the_others() {
    let mut values: Vec<f64> = (0..99).map(f64::from).collect();
    values.push(1e6);
    let column: ArrayRef = Arc::new(Float64Array::from(values));
    let table = Table::from_batch(RecordBatch::try_from_iter([("x", column)]).unwrap());
    // Median 49.5, median distance 25: limits 49.5 -+ 6 * 1.4826 * 25.
    assert_eq!(
        found(&table, "{ column = 'x', outliers = 0 }, { column = 'x', outliers = 0.01 }"),
        [
            (false, "1 of 100 values of `x` is outside -172.9 to 271.9, such as `1000000` (1 %): row 100".to_owned()),
            (true, "1 of 100 values of `x` is outside -172.9 to 271.9, such as `1000000` (1 %, allowed 1 %): row 100".to_owned()),
        ]
    );
    let column: ArrayRef = Arc::new(Int64Array::from(vec![5; 9]));
    let table = Table::from_batch(RecordBatch::try_from_iter([("x", column)]).unwrap());
    let alike = "the values of `x` are too much alike to have outliers".to_owned();
    assert_eq!(found(&table, "{ column = 'x', outliers = 0 }"), [(true, alike)]);
}

#[test]
fn rules_that_do_not_go_with_the_table() {
    let problem = |text: &str| {
        examined(&orders(), &rules(text), &Ground::default()).unwrap_err().downcast::<Failure>().unwrap()
    };
    let hint = "compare numbers with numbers and timestamps with dates";
    assert_eq!(
        problem("{ column = 't', min = 1 }"),
        Failure::new("rule 1 (`rules.0`): `min` is a number, but `t` is a timestamp")
            .hint(hint)
            .at("rules.0.min")
    );
    assert_eq!(
        problem("{ column = 'channel', max = 2023-01-01 }"),
        Failure::new("rule 1 (`rules.0`): `max` is a date, but `channel` is text")
            .hint(hint)
            .at("rules.0.max")
    );
    assert_eq!(
        problem("{ column = 'amount', allowed = ['1'] }"),
        Failure::new(
            "rule 1 (`rules.0`): `allowed` lists other values than `amount` can have: it is a number"
        )
        .hint("list text in quotes, numbers and true or false without")
        .at("rules.0.allowed")
    );
    assert_eq!(
        problem("{ column = 'note', outliers = 0 }"),
        Failure::new("rule 1 (`rules.0`): `outliers` is for numbers, but `note` is text")
            .hint("take it off, or correct `column`")
            .at("rules.0.outliers")
    );
}

#[test]
fn an_empty_table_breaks_only_volume() {
    let batch = orders().to_batch().unwrap();
    let table = Table::from_batch(batch.slice(0, 0));
    let all = "{ column = 'amount', missing = 0, min = 0, outliers = 0, unique = true }, { duplicates = 0 },
        { column = 't', coverage = { max_gap_days = 1, min_weekly_rows = 1 } }, { rows = { min = 1 } }";
    let passed: Vec<bool> = found(&table, all).into_iter().map(|(passed, _)| passed).collect();
    assert_eq!(passed, [true, true, true, true, true, true, true, false]);
}

#[test]
fn batches_and_threads_change_nothing() {
    let rows = 300_000;
    let ids: ArrayRef = Arc::new((0..rows).map(|row| Some(row * 7 % 250_001)).collect::<Int64Array>());
    let amounts: ArrayRef = Arc::new(
        (0..rows)
            .map(|row| (row % 1000 != 999).then_some(f64::from(row as i32 % 97)))
            .collect::<Float64Array>(),
    );
    let table = Table::from_batch(RecordBatch::try_from_iter([("id", ids), ("amount", amounts)]).unwrap());
    let text = "{ column = 'id', unique = true }, { column = 'amount', missing = 0, max = 95, outliers = 0 }";
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| found(&table, text))
    };
    let expected = [
        "49,999 of 300,000 values of `id` are repeated (17 %): rows 250,002, 250,003, 250,004, 250,005, 250,006 and more",
        "300 of 300,000 values of `amount` are missing (0.1 %): rows 1,000, 2,000, 3,000, 4,000, 5,000 and more",
    ];
    let messages: Vec<String> = with(1).into_iter().map(|(_, message)| message).collect();
    assert_eq!(messages[..2], expected);
    assert_eq!(with(1), with(3));
}

#[test]
fn findings_are_a_table() {
    let text = "{ rows = { min = 1 } }, { column = 'id', missing = 0 }";
    let findings = examined(&orders(), &rules(text), &Ground::default()).unwrap();
    let table = finding::table(&findings).unwrap();
    let names: Vec<_> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(
        names,
        ["rule", "check", "column", "severity", "passed", "checked", "failing", "share", "message", "value"]
    );
    assert_eq!(table.rows(), 2);
    let second = &findings[1];
    assert_eq!((second.rule, second.check, second.checked, second.failing), (1, "missing", 6, 1));
}

#[test]
fn a_column_that_is_not_there_is_a_finding() {
    let text = "{ column = 'amout', min = 1, unique = true }, { duplicates = 0, columns = ['ids', 'day'] },
        { rows = { min = 1 } }";
    let all = examined(&orders(), &rules(text), &Ground::default()).unwrap();
    let told: Vec<_> =
        all.iter().map(|one| (one.rule, one.check, one.column.as_deref(), one.passed)).collect();
    assert_eq!(
        told,
        [
            (0, "column", Some("amout"), false),
            (1, "columns", Some("ids"), false),
            (1, "columns", Some("day"), false),
            (2, "rows", None, true)
        ]
    );
    assert_eq!(all[0].message, "there is no column `amout`; did you mean `amount`?");
    assert_eq!(all[1].message, "there is no column `ids`; did you mean `id`?");
    let there = "`id`, `t`, `amount`, `channel`, `note` and `local`";
    assert_eq!(all[2].message, format!("there is no column `day`; there are {there}"));
    assert_eq!((all[0].checked, all[0].failing, all[0].share), (6, 6, 1.0));
}

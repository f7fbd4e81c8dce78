//! Rules that look at more than one value: patterns, order, conditions, other tables, retail; and bad rows set apart.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};

use super::{Ground, Table, examine, fails, found, orders, passes, rules, times};
use crate::data::quality::{Examined, Finding, infer, sift};
use crate::diagnostic::Failure;

fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(values.iter().map(|text| (!text.is_empty()).then_some(*text)).collect::<StringArray>())
}

fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

#[test]
fn patterns_and_lengths() {
    passes("{ column = 'note', regex = '^[abc ]$' }", "0 of 5 values of `note` are not like `^[abc ]$`");
    fails(
        "{ column = 'channel', regex = 'w|s', mostly = 0.9 }",
        "1 of 5 values of `channel` is not like `w|s`, such as `fax` (20 %, allowed 10 %): row 4",
    );
    fails(
        "{ column = 'channel', length = { min = 4, max = 9 } }",
        "3 of 5 values of `channel` are not 4 to 9 letters long, such as `web` (60 %): rows 1, 4, 5",
    );
    passes(
        "{ column = 'channel', length = { max = 5 } }",
        "0 of 5 values of `channel` are not at most 5 letters long",
    );
}

#[test]
fn values_follow_each_other() {
    fails(
        "{ column = 't', monotone = 'increasing' }",
        "1 of 6 values of `t` is below the one before, such as `2023-01-02T00:00:00` (17 %): row 5",
    );
    fails(
        "{ column = 'amount', monotone = 'strictly_decreasing' }",
        "1 of 4 values of `amount` is not below the one before, such as `2.5` (25 %): row 4",
    );
    // The order holds across batches.
    let rows = 200_000;
    let numbers: ArrayRef =
        Arc::new((0..rows).map(|row| Some(if row == 65_536 { 0 } else { row })).collect::<Int64Array>());
    let text = "{ column = 'n', monotone = 'strictly_increasing' }";
    let message = "1 of 200,000 values of `n` is not above the one before (<0.01 %): row 65,537";
    let told = found(&table(vec![("n", numbers)]), text);
    assert_eq!((told[0].0, told[0].1.split(" (").next()), (false, message.split(" (").next()));
    assert!(told[0].1.ends_with(": row 65,537"), "{}", told[0].1);
}

#[test]
fn conditions_on_rows() {
    fails(
        "{ expression = \"amount > 0 or channel = 'web'\" }",
        "1 of 4 rows breaks `amount > 0 or channel = 'web'` (25 %): row 2",
    );
    passes("{ expression = \"id is null or id < 4\" }", "0 of 6 rows break `id is null or id < 4`");
    let problem = |text: &str| {
        let ground = Ground::default();
        let failed =
            examine(&orders(), &rules(text), &ground, false, &mut |_| Ok(())).map(|_| ()).unwrap_err();
        failed.downcast::<Failure>().unwrap()
    };
    assert_eq!(
        problem("{ expression = 'amount > 0 and chanel = 3' }"),
        Failure::new("rule 1 (`rules.0`): `expression`, character 16: there is no column `chanel`")
            .hint("did you mean `channel`?")
            .at("rules.0.expression")
    );
}

#[test]
fn values_of_another_table() {
    let customers = table(vec![("key", floats(&[1.0, 2.0]) as ArrayRef)]);
    let ground = Ground { others: [("customers".to_owned(), customers)].into(), ..Ground::default() };
    let told = |text: &str| {
        let mut found = examine(&orders(), &rules(text), &ground, false, &mut |_| Ok(())).unwrap().findings;
        found.remove(0).message
    };
    assert_eq!(
        told("{ column = 'id', references = { input = 'customers', column = 'key' } }"),
        "1 of 5 values of `id` is not in `key` of `customers`, such as `3` (20 %): row 3"
    );
    let text = "{ column = 'id', references = { input = 'customers' } }";
    let failed = examine(&orders(), &rules(text), &ground, false, &mut |_| Ok(())).map(|_| ()).unwrap_err();
    assert_eq!(
        failed.downcast::<Failure>().unwrap(),
        Failure::new("rule 1 (`rules.0`): input `customers` has no column `id`")
            .hint("there are `key`")
            .at("rules.0.references.column")
    );
}

#[test]
fn days_up_to_an_end() {
    let ground = Ground { as_of: Some(19_400), ..Ground::default() };
    let told = |text: &str| {
        let found = examine(&orders(), &rules(text), &ground, false, &mut |_| Ok(())).unwrap().findings;
        (found[0].passed, found[0].value, found[0].message.clone())
    };
    // Day 19,400 is 2023-02-12.
    assert_eq!(
        told("{ column = 't', freshness = 7 }"),
        (
            false,
            Some(11.0),
            "`t` ends on 2023-02-01, 11 days before 2023-02-12; 7 days are allowed".to_owned()
        )
    );
    assert_eq!(
        told("{ column = 't', freshness = 11 }"),
        (true, Some(11.0), "`t` ends on 2023-02-01, 11 days before 2023-02-12".to_owned())
    );
    fails(
        "{ column = 't', coverage = { whole_last_week = true } }",
        "the last week of `t`, from 2023-01-30, has 3 of 7 days",
    );
    let whole = table(vec![("t", times(&["2023-01-02", "2023-01-08 23:00"]))]);
    assert_eq!(
        found(&whole, "{ column = 't', coverage = { whole_last_week = true } }"),
        [(true, "the last week of `t`, from 2023-01-02, is whole".to_owned())]
    );
}

/// scipy 1.17.1: `ks_2samp([1, 2, 2, 3, 5], [2, 3, 4, 6]).statistic` is 0.35.
#[test]
fn distributions_that_have_moved() {
    let now = table(vec![("x", floats(&[2.0, 3.0, 4.0, 6.0])), ("c", texts(&["a", "a", "b", "b"]))]);
    let earlier =
        table(vec![("x", floats(&[1.0, 2.0, 2.0, 3.0, 5.0])), ("c", texts(&["a", "b", "b", "b", ""]))]);
    let ground = Ground { earlier: Some(earlier), ..Ground::default() };
    let text = "{ column = 'x', drift = { ks = 0.3 } }, { column = 'c', drift = { psi = 0.3 } }";
    let found = examine(&now, &rules(text), &ground, false, &mut |_| Ok(())).unwrap().findings;
    let told: Vec<_> = found.iter().map(|one| (one.check, one.passed, one.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (
                "ks",
                false,
                "the values of `x` have moved from the earlier ones by a distance of Kolmogorov and Smirnov of 0.350, more than 0.3"
            ),
            (
                "psi",
                true,
                "the texts of `c` have moved from the earlier ones by a population stability index of 0.275"
            ),
        ]
    );
    // (0.5 - 0.25) ln(0.5 / 0.25) + (0.5 - 0.75) ln(0.5 / 0.75)
    assert!(
        (found[1].value.unwrap() - 0.274_653).abs() < 1e-6 && (found[0].value.unwrap() - 0.35).abs() < 1e-12
    );
}

fn sales() -> Table {
    table(vec![
        (
            "customer_id",
            Arc::new(Int64Array::from(vec![Some(1), Some(1), Some(2), Some(1), None, Some(2)])) as ArrayRef,
        ),
        ("order_id", texts(&["536365", "C536366", "536367", "536368", "C536369", "A1"])),
        ("StockCode", texts(&["85123A", "85123A", "TEST001", "71053", "71053", "B"])),
        (
            "Description",
            texts(&["LANTERN", "LANTERN", "This is a test product.", "MUG", "MUG", "Adjust bad debt"]),
        ),
        ("Quantity", floats(&[6.0, -7.0, 5.0, -1.0, 2.0, 1.0])),
        ("UnitPrice", floats(&[2.5, 2.5, 4.5, 0.0, 1.0, -11.0])),
        ("amount", floats(&[15.0, -17.5, 22.5, 0.0, -2.0, -11.0])),
    ])
}

fn shop() -> Ground {
    let mut ground = Ground::default();
    ground.retail.product = "StockCode".to_owned();
    ground.retail.description = "Description".to_owned();
    ground.retail.quantity = "Quantity".to_owned();
    ground.retail.price = "UnitPrice".to_owned();
    ground
}

fn examined(text: &str, mark: bool) -> Examined {
    examine(&sales(), &rules(text), &shop(), mark, &mut |_| Ok(())).unwrap()
}

#[test]
fn habits_of_a_shop() {
    let told = |habit: &str| -> Vec<String> {
        let found = examined(&format!("{{ retail = '{habit}' }}"), false).findings;
        found.into_iter().map(|finding| finding.message).collect()
    };
    assert_eq!(told("zero_prices"), ["1 of 6 rows has a price of zero (17 %): row 4"]);
    assert_eq!(
        told("signs"),
        [
            "2 of 6 rows have a price below zero, or another sign in the quantity than in the amount (33 %): rows 5, 6"
        ]
    );
    assert_eq!(
        told("cancellations"),
        [
            "2 of 6 rows have `Quantity` below zero without being cancelled, or are cancelled without it (33 %): rows 4, 5"
        ]
    );
    assert_eq!(
        told("test_products"),
        [
            "1 of 6 values of `StockCode` is there for tests, such as `TEST001` (17 %): row 3",
            "1 of 6 values of `Description` is there for tests, such as `This is a test product.` (17 %): row 3",
        ]
    );
    // Customer 1 takes back 7 of 6, and 1 of a product that was never bought.
    assert_eq!(
        told("returns"),
        ["2 of 2 returns of `Quantity` take back more than was bought (100 %): rows 2, 4"]
    );
    let mut wrong = shop();
    wrong.retail.price = "Description".to_owned();
    let found =
        examine(&sales(), &rules("{ retail = 'zero_prices' }"), &wrong, false, &mut |_| Ok(())).unwrap();
    assert_eq!(
        found.findings[0].message,
        "the columns of `retail` don't go together: this compares text with a number, which never are equal"
    );
    let text = "{ retail = 'zero_prices' }";
    let found =
        examine(&orders(), &rules(text), &Ground::default(), false, &mut |_| Ok(())).unwrap().findings;
    assert_eq!(
        (found[0].is_absent(), found[0].message.as_str()),
        (
            true,
            "there is no column `price`; `zero_prices` needs it, or another one that `retail` of the stage names; there are `id`, `t`, `amount`, `channel`, `note` and `local`"
        )
    );
}

fn column(path: &std::path::Path, name: &str) -> ArrayRef {
    let batch = Table::open(path).unwrap().to_batch().unwrap();
    batch.column_by_name(name).unwrap().clone()
}

#[test]
fn bad_rows_are_set_apart_with_their_rules() {
    let text = "{ rows = { min = 1 } }, { retail = 'zero_prices', severity = 'warn' }, { retail = 'signs' },
        { column = 'customer_id', missing = 0 }, { column = 'Quantity', min = -6, mostly = 0.5 },
        { column = 'StockCode', unique = true }";
    let examined = examined(text, true);
    let folder = tempfile::tempdir().unwrap();
    let sifted = sift::sift(&sales(), &examined, folder.path()).unwrap();
    assert_eq!((sifted.good_rows, sifted.bad_rows), (3, 3));
    let ids = column(&sifted.good, "StockCode");
    let ids: Vec<_> = ids.as_string::<i32>().iter().flatten().collect();
    assert_eq!(ids, ["85123A", "TEST001", "71053"]);
    let rows = column(&sifted.bad, "broken_row");
    assert_eq!(rows.as_primitive::<Int64Type>().values(), &[2, 5, 6]);
    let rule = column(&sifted.bad, "broken_rule");
    assert_eq!(rule.as_primitive::<Int32Type>().values(), &[6, 3, 3]);
    let all = column(&sifted.bad, "broken");
    assert_eq!(
        all.as_string::<i32>().iter().flatten().collect::<Vec<_>>(),
        [
            "rule 6 (`rules.5`): `unique` of `StockCode`",
            "rule 3 (`rules.2`): `signs`, rule 4 (`rules.3`): `missing` of `customer_id` and rule 6 (`rules.5`): `unique` of `StockCode`",
            "rule 3 (`rules.2`): `signs`",
        ]
    );
}

#[test]
fn large_tables_lose_nothing() {
    let rows = 150_000;
    let numbers: ArrayRef = Arc::new((0..rows).map(Some).collect::<Int64Array>());
    let words: ArrayRef =
        Arc::new((0..rows).map(|row| Some(format!("w{}", row % 7))).collect::<StringArray>());
    let all = table(vec![("n", numbers), ("w", words)]);
    let examined =
        examine(&all, &rules("{ expression = 'n % 3 != 0' }"), &Ground::default(), true, &mut |_| Ok(()));
    let folder = tempfile::tempdir().unwrap();
    let sifted = sift::sift(&all, &examined.unwrap(), folder.path()).unwrap();
    assert_eq!((sifted.good_rows, sifted.bad_rows), (100_000, 50_000));
    let sum =
        |path: &std::path::Path| column(path, "n").as_primitive::<Int64Type>().values().iter().sum::<i64>();
    assert_eq!(sum(&sifted.good) + sum(&sifted.bad), (0..rows).sum::<i64>());
}

#[test]
fn rules_are_proposed_and_hold() {
    let rows = 400;
    let ids: ArrayRef = Arc::new((0..rows).map(Some).collect::<Int64Array>());
    let channel: Vec<&str> =
        (0..rows).map(|row| ["web", "store", ""][usize::try_from(row % 3).unwrap()]).collect();
    let codes: ArrayRef =
        Arc::new((0..rows).map(|row| Some(format!("A{:03}", row / 2))).collect::<StringArray>());
    let paid: Vec<f64> = (0..rows).map(|row| 0.5 + row as f64).collect();
    let days: Vec<String> = (0..rows).map(|row| format!("2023-01-{:02}", row % 28 + 1)).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    let all = table(vec![
        ("id", ids),
        ("channel", texts(&channel)),
        ("code", codes),
        ("paid", floats(&paid)),
        ("day", times(&days)),
    ]);
    let proposed = infer::infer(&all, &mut |_| Ok(())).unwrap();
    let text = infer::written(&proposed, 400).unwrap();
    assert_eq!(
        text,
        "# Proposed from 400 rows: keep what should stay so.\n\
         rules = [\n\
         \x20 { rows = { min = 200 } },\n\
         \x20 { column = \"id\", type = \"integer\", missing = 0, min = 0, unique = true },\n\
         \x20 { column = \"channel\", type = \"text\", missing = 0.34, allowed = [\"store\", \"web\"] },\n\
         \x20 { column = \"code\", type = \"text\", missing = 0, length = { max = 4, min = 4 } },\n\
         \x20 { column = \"paid\", type = \"number\", missing = 0, min = 0.5 },\n\
         \x20 { column = \"day\", type = \"timestamp\", missing = 0, coverage = { min_weekly_rows = 1 }, min = 2023-01-01 },\n\
         \x20 { duplicates = 0, severity = \"warn\" },\n\
         ]\n"
    );
    let parsed: toml::Table = toml::from_str(&text).unwrap();
    let again: Vec<crate::data::quality::Rule> = parsed["rules"].clone().try_into().unwrap();
    assert!(again.iter().enumerate().all(|(at, rule)| rule.mistakes(at).is_empty()));
    let found = examine(&all, &again, &Ground::default(), false, &mut |_| Ok(())).unwrap().findings;
    let failed: Vec<&Finding> = found.iter().filter(|finding| !finding.passed).collect();
    assert!(failed.is_empty() && found.len() > 15, "{failed:?}");
}

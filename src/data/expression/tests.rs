//! Expressions against rows that one can count on the fingers of a hand.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;

use super::*;

fn rows() -> RecordBatch {
    let channel: DictionaryArray<Int32Type> = vec![Some("web"), Some("Shop"), None].into_iter().collect();
    let day = 86_400_000_000;
    let columns: [(&str, ArrayRef); 6] = [
        ("amount", Arc::new(Float64Array::from(vec![Some(2.5), Some(-1.0), Some(f64::NAN)]))),
        ("n", Arc::new(Int64Array::from(vec![Some(1), Some(0), None]))),
        ("channel", Arc::new(channel)),
        ("Unit Price", Arc::new(Float64Array::from(vec![2.5, 1.0, 0.0]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(day), None]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// What an expression gives for each row: `t`, `f` or `-`.
fn gives(text: &str) -> String {
    let rows = rows();
    let bound = Bound::new(text, &rows.schema()).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
    let truths = bound.holds(&rows.project(bound.columns()).unwrap()).unwrap();
    truths.iter().map(|truth| truth.map_or('-', |truth| if truth { 't' } else { 'f' })).collect()
}

#[test]
fn comparisons_are_those_of_sql() {
    for (text, expected) in [
        ("amount > 0", "tf-"),
        ("0 < amount", "tf-"),
        ("amount = \"Unit Price\" * n", "tf-"),
        ("amount - `Unit Price` >= -2", "tt-"),
        ("ok", "tf-"),
        ("not ok", "ft-"),
        ("ok or amount < 0", "tt-"),
        ("ok and true", "tf-"),
        ("ok and false", "fff"),
        ("ok or true", "ttt"),
        ("amount is null", "fft"),
        ("amount IS NOT NULL", "ttf"),
        ("channel = 'web' or channel = 'Shop' and amount < -5", "tf-"),
        ("(channel = 'web' or channel = 'Shop') and amount < -5", "ff-"),
        ("channel in ('web', 'it''s')", "tf-"),
        ("channel not in ('web', 'phone')", "ft-"),
        ("lower(channel) = 'shop'", "ft-"),
        ("length(channel) > 3", "ft-"),
        ("starts_with(channel, 'S')", "ft-"),
        ("n between 0 and 0.5", "ft-"),
        ("n not between 0 and 0.5", "tf-"),
        ("abs(amount) % 2 = 1", "ft-"),
        ("n / n > 0", "t--"),
        ("1 + 2 * 3 = 7 and -n <= 0", "tt-"),
        ("-0.0 * n = 0", "tt-"),
        ("at >= '1970-01-02'", "ft-"),
        ("'1970-01-01 12:00' > at", "tf-"),
        ("n = null", "---"),
        ("1 = 1", "ttt"),
    ] {
        assert_eq!(gives(text), expected, "{text}");
    }
}

#[test]
fn mistakes_have_a_place() {
    let wrong = |text: &str| {
        let wrong = Bound::new(text, &rows().schema()).unwrap_err();
        (text[wrong.at].to_owned(), wrong.message, wrong.hint)
    };
    let told = |at: &str, message: &str, hint: Option<&str>| {
        (at.to_owned(), message.to_owned(), hint.map(str::to_owned))
    };
    let value = "a value, a column or a comparison is expected";
    assert_eq!(wrong("amount >"), told("", &format!("the end can't be read: {value}"), None));
    assert_eq!(wrong("amount > ) 3"), told(")", &format!("this can't be read: {value}"), None));
    assert_eq!(
        wrong("amount > 0 ok"),
        told("ok", "this can't be read: a comparison, `and`, `or` or the end is expected", None)
    );
    assert_eq!(wrong("(amount > 0"), told("", "the end can't be read: `)` is expected", None));
    assert_eq!(wrong("channel = 'web"), told("", "the end can't be read: a closing `'` is expected", None));
    assert_eq!(
        wrong("ok and amuont > 0"),
        told("amuont", "there is no column `amuont`", Some("did you mean `amount`?"))
    );
    assert_eq!(
        wrong("channel > 3 or ok"),
        told("channel > 3", "this compares text with a number, which never are equal", None)
    );
    assert_eq!(
        wrong("amount + 1"),
        told(
            "amount + 1",
            "this gives a number, not true or false",
            Some("write a comparison, such as `amount > 0`")
        )
    );
    assert_eq!(wrong("not amount"), told("amount", "this is a number, and true/false is needed here", None));
    assert_eq!(
        wrong("at > 'soon'"),
        told("'soon'", "`soon` is no time", Some("write it as `'2024-12-31'` or `'2024-12-31 14:05:06'`"))
    );
    assert_eq!(
        wrong("sqrt(amount) > 1"),
        told(
            "sqrt(amount)",
            "there is no function `sqrt`",
            Some("there are `abs`, `length`, `lower` and `starts_with`")
        )
    );
    assert_eq!(wrong("abs(1, 2) > 1"), told("abs(1, 2)", "`abs` takes 1 value, not 2", None));
    let deep = format!("{}ok{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(wrong(&deep).1, "this is nested too deeply");
}

//! Constraints and conditions on a small table, by a copula.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};

use super::*;
use crate::data::mixed::Hints;
use crate::model::synthesize::copula;

/// Orders of 400 customers: a last day after the first, a price per product, ids.
fn table() -> RecordBatch {
    let rows = 400_i64;
    let first = |row: i64| 19_000 + (row * 37 % 300) as i32;
    let columns: [(&str, ArrayRef); 7] = [
        ("customer_id", Arc::new(Int64Array::from_iter_values(500..500 + rows))),
        ("first", Arc::new(Date32Array::from_iter_values((0..rows).map(first)))),
        (
            "last",
            Arc::new(Date32Array::from_iter_values((0..rows).map(|row| first(row) + 1 + (row % 9) as i32))),
        ),
        (
            "product",
            Arc::new(StringArray::from_iter_values(
                (0..rows).map(|row| ["tea", "coffee", "cup"][(row % 3) as usize]),
            )),
        ),
        (
            "price",
            Arc::new(Float64Array::from_iter_values(
                (0..rows).map(|row| [2.5, 4.0, 9.9][(row % 3) as usize]),
            )),
        ),
        (
            "spend",
            Arc::new(Float64Array::from_iter(
                (0..rows).map(|row| (row % 10 > 0).then_some((row * 7 % 101) as f64 / 4.0)),
            )),
        ),
        ("local", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 4 == 0))))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn constraints(toml: &str) -> Vec<Constraint> {
    #[derive(serde::Deserialize)]
    struct All {
        all: Vec<Constraint>,
    }
    toml::from_str::<All>(&format!("all = [{toml}]")).unwrap().all
}

fn conditions(toml: &str) -> Vec<Condition> {
    #[derive(serde::Deserialize)]
    struct All {
        all: Vec<Condition>,
    }
    toml::from_str::<All>(&format!("all = [{toml}]")).unwrap().all
}

fn made(rows: usize, constrained: &str, conditioned: &str) -> Result<RecordBatch> {
    let learning = Learning::new(&table(), Hints::default(), &constraints(constrained))?;
    let model = Model::Copula(copula::fit(learning.columns()));
    let conditions = conditions(conditioned);
    learning.draw(&model, Request { rows, conditions: &conditions, seed: 1, alive: &|| Ok(()) })
}

fn refusal(constrained: &str, conditioned: &str) -> (String, String) {
    let error = made(50, constrained, conditioned).unwrap_err();
    let failure: &Failure = error.downcast_ref().unwrap();
    (failure.key.clone().unwrap_or_default(), failure.message.clone())
}

#[test]
fn all_constraints_hold_in_every_row() {
    let all = "{ column = 'last', above = 'first' }, { combination = ['product', 'price'] },
        { column = 'spend', min = 1.0, max = 20.0 }, { column = 'first', max = 2022-08-01 }, { unique = ['first', 'spend'] }, { unique = ['customer_id'] }";
    let rows = made(300, all, "").unwrap();
    assert_eq!((rows.num_rows(), rows.schema()), (300, table().schema()));
    let days = |name: &str| rows.column_by_name(name).unwrap().as_primitive::<Date32Type>().clone();
    let (first, last) = (days("first"), days("last"));
    let gaps: Vec<i32> = first.values().iter().zip(last.values()).map(|(first, last)| last - first).collect();
    assert!(gaps.iter().all(|gap| (1..=9).contains(gap)), "{gaps:?}");
    // 2022-08-01 is day 19,205.
    assert!(first.values().iter().all(|day| *day <= 19_205));
    let product = rows.column_by_name("product").unwrap().as_string::<i32>().clone();
    let price = rows.column_by_name("price").unwrap().as_primitive::<Float64Type>().clone();
    for (product, price) in product.iter().zip(price.values()) {
        let expected =
            [("tea", 2.5), ("coffee", 4.0), ("cup", 9.9)].into_iter().find(|pair| Some(pair.0) == product);
        assert_eq!(expected.unwrap().1, *price);
    }
    let spend = rows.column_by_name("spend").unwrap().as_primitive::<Float64Type>().clone();
    assert!(spend.null_count() > 0 && spend.iter().flatten().all(|spend| (1.0..=20.0).contains(&spend)));
    let keys: std::collections::BTreeSet<_> =
        first.values().iter().zip(spend.iter()).map(|(day, spend)| (*day, spend.map(f64::to_bits))).collect();
    assert_eq!(keys.len(), 300);
    let ids = rows.column_by_name("customer_id").unwrap().as_primitive::<Int64Type>().clone();
    assert_eq!(ids.values()[..3], [1, 2, 3]);
}

#[test]
fn conditions_come_first_and_hold() {
    let rows = made(
        10,
        "{ combination = ['product', 'price'] }",
        "{ rows = 20, where = { product = 'cup', local = true } }, { rows = 5, where = { spend = 3.25 } }",
    )
    .unwrap();
    assert_eq!(rows.num_rows(), 35);
    let product = rows.column_by_name("product").unwrap().as_string::<i32>().clone();
    assert!((0..20).all(|row| product.value(row) == "cup"));
    let local = rows.column_by_name("local").unwrap().as_boolean().clone();
    assert!((0..20).all(|row| local.value(row)));
    let spend = rows.column_by_name("spend").unwrap().as_primitive::<Float64Type>().clone();
    assert!((20..25).all(|row| spend.value(row) == 3.25));
}

#[test]
fn what_cannot_be_is_refused_where_it_stands() {
    let said = |key: &str, message: &str| (key.to_owned(), message.to_owned());
    assert_eq!(
        refusal("{ column = 'lst', above = 'first' }", ""),
        said("constraints.0.column", "there is no column `lst`")
    );
    assert_eq!(
        refusal("{ column = 'last', above = 'spend' }", ""),
        said("constraints.0.above", "column `last` is a date and `spend` is a number")
    );
    assert_eq!(
        refusal("{ column = 'last', above = 'first' }, { column = 'first', at_least = 'last' }", ""),
        said("constraints.0", "columns are at least each other in a circle")
    );
    assert_eq!(
        refusal("{ column = 'spend', min = 2020-01-01 }", ""),
        said("constraints.0.min", "column `spend` is a number, which `2020-01-01` isn't")
    );
    assert_eq!(
        refusal("", "{ rows = 3, where = { product = 'coffe' } }"),
        said("conditions.0.where.product", "column `product` never is `coffe`")
    );
    assert_eq!(
        refusal("{ unique = ['product'] }", ""),
        said("constraints", "only 3 of 50 rows wanted keep to all constraints, of 59,062 drawn")
    );
    assert_eq!(
        refusal("", "{ rows = 3, where = { customer_id = 7 } }").1,
        "column `customer_id` holds ids, which aren't learnt"
    );
}

#[test]
fn one_row_and_columns_without_values() {
    let one = table().slice(0, 1);
    let learning = Learning::new(&one, Hints::default(), &[]).unwrap();
    let model = Model::Copula(copula::fit(learning.columns()));
    let rows =
        learning.draw(&model, Request { rows: 3, conditions: &[], seed: 1, alive: &|| Ok(()) }).unwrap();
    assert_eq!(rows.num_rows(), 3);
    assert_eq!(rows.column_by_name("product").unwrap().as_string::<i32>().value(2), "tea");
    assert_eq!(rows.column_by_name("spend").unwrap().null_count(), 3);
}

//! Parquet files: mapped, typed, and broken.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, Time64MicrosecondArray,
};
use arrow::datatypes::Int32Type;

use super::super::Failure;
use super::super::options::{Keep, Options};
use super::{Folder, lines, mapped, problem, table};
use crate::data::parquet::Writer;

fn parquet_bytes(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = Writer::create(file.path(), batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    fs_err::read(file.path()).unwrap()
}

pub fn orders() -> Vec<u8> {
    parquet_bytes(vec![
        ("Customer", Arc::new(Float64Array::from(vec![Some(7.0), None, Some(8.0)]))),
        ("When", Arc::new(StringArray::from(vec!["2023-01-31", "2023-02-01 10:00", "soon"]))),
        ("Qty", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("Price", Arc::new(Float64Array::from(vec![1.5, f64::NAN, 2.0]))),
    ])
}

#[test]
fn parquet_is_mapped_and_typed() {
    let folder = Folder::with(&[("o.parquet", &orders())]);
    let options = Options {
        max_bad: 0.5,
        keep: Keep::These(vec!["Qty".into()]),
        ..mapped(&[("customer_id", "Customer"), ("txn_timestamp", "When"), ("amount", "Qty * Price")])
    };
    let ingested = folder.read(&["o.parquet"], &options).unwrap();
    assert_eq!(
        lines(table(&ingested)),
        [
            "customer_id:int|txn_timestamp:time|amount:float|Qty:int",
            "7|2023-01-31T00:00:00|1.5|1",
            "|2023-02-01T10:00:00||2",
        ]
    );
    assert_eq!(lines(&ingested.rejected)[1..], ["o.parquet|3|txn_timestamp|soon|not a date"]);
    assert_eq!(
        ingested.notes,
        ["1 of 3 rows (33 %) was left out: row 3 of `o.parquet`: `txn_timestamp` is `soon`, not a date"]
    );
    assert_eq!(
        problem(folder.read(&["o.parquet"], &mapped(&[("amount", "Prize")]))),
        Failure::new("`o.parquet` has no column `Prize`").hint("did you mean `Price`?").at("columns.amount")
    );
}

#[test]
fn parquet_that_can_not_be_read() {
    let whole = orders();
    let lists: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), Some(2)])]));
    let times: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![1, 2]));
    let mut swapped = whole.clone();
    let at = swapped.len() - 8;
    swapped[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
    let folder = Folder::with(&[
        ("half.parquet", &whole[..whole.len() / 2]),
        ("swapped.parquet", &swapped),
        ("nested.parquet", &parquet_bytes(vec![("items", lists)])),
        ("times.parquet", &parquet_bytes(vec![("at", times)])),
        ("none.parquet", &parquet_bytes(vec![("a", Arc::new(Int64Array::from(Vec::<i64>::new())))])),
        ("a.csv", b"a,b\n1,2\n"),
    ]);
    let of = |name: &str| problem(folder.read(&[name], &Options::default()));
    assert_eq!(
        of("half.parquet"),
        Failure::new("`half.parquet` is a Parquet file that has been cut off: its end is missing")
            .hint("make or copy it again")
            .at("path")
    );
    assert!(of("swapped.parquet").message.starts_with("`swapped.parquet` is not a whole Parquet file: "));
    assert_eq!(
        of("nested.parquet"),
        Failure::new("column `items` of `nested.parquet` holds lists")
            .hint("flatten it before, or name the columns to read with `keep` and `columns`")
            .at("path")
    );
    assert_eq!(
        of("times.parquet"),
        Failure::new("column `at` of `times.parquet` holds times without a day")
            .hint(
                "write it as a timestamp with its day, or name the columns to read with `keep` and `columns`"
            )
            .at("path")
    );
    assert_eq!(
        of("none.parquet"),
        Failure::new("`none.parquet` has no rows")
            .hint("export or copy it again, or name another file")
            .at("path")
    );
    assert_eq!(
        problem(folder.read(&["a.csv", "none.parquet"], &Options::default())),
        Failure::new("`a.csv` and `none.parquet` are of different formats")
            .hint("read them in two stages")
            .at("path")
    );
}

//! What `inspect` says of files.

use super::super::{Format, inspect};
use super::Folder;
use super::columnar::orders;

#[test]
fn an_inspection_proposes_a_mapping() {
    let mut text = "InvoiceNo;Quantity;InvoiceDate;UnitPrice;Customer ID\n".to_owned();
    for row in 0..60 {
        text.push_str(&format!(
            "{};{};{}.01.2023 10:00;{},50;{}\n",
            1000 + row / 2,
            row % 5,
            row % 28 + 1,
            row,
            row % 9
        ));
    }
    let folder = Folder::with(&[("shop.csv", text.as_bytes())]);
    let inspection = inspect(&folder.file("shop.csv")).unwrap();
    assert_eq!(inspection.delimiter.as_deref(), Some(";"));
    assert_eq!(inspection.encoding.as_deref(), Some("utf-8"));
    assert!(inspection.header);
    let kinds: Vec<_> = inspection.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("InvoiceNo", "integer"),
            ("Quantity", "integer"),
            ("InvoiceDate", "timestamp"),
            ("UnitPrice", "float"),
            ("Customer ID", "integer")
        ]
    );
    assert_eq!(inspection.columns[2].dates, ["dd.mm.yyyy hh:mm"]);
    assert_eq!(inspection.columns[2].samples, ["1.01.2023 10:00", "2.01.2023 10:00", "3.01.2023 10:00"]);
    let pairs: Vec<_> =
        inspection.mapping.iter().map(|p| format!("{} = {} ({})", p.ours, p.theirs, p.reason)).collect();
    assert_eq!(
        pairs,
        [
            "customer_id = Customer ID (its name speaks of a customer)",
            "txn_timestamp = InvoiceDate (it holds dates (dd.mm.yyyy hh:mm))",
            "amount = Quantity * UnitPrice (no column holds a total, but there are a quantity and a price)",
            "order_id = InvoiceNo (its name speaks of an order, whose rows are one purchase)",
        ]
    );
}

#[test]
fn an_inspection_of_parquet_and_of_a_file_without_a_header() {
    let folder = Folder::with(&[
        ("o.parquet", &orders()),
        ("cd.txt", b"00001  1 19970101  1  11.77\n00002 2 19970112 1   12.00\n00002 2 19970113 5 77.00\n"),
    ]);
    let inspection = inspect(&folder.file("o.parquet")).unwrap();
    assert_eq!(inspection.format, Format::Parquet);
    let kinds: Vec<_> = inspection.columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, ["float", "text", "integer", "float"]);
    let inspection = inspect(&folder.file("cd.txt")).unwrap();
    assert_eq!((inspection.delimiter.as_deref(), inspection.header), (Some("whitespace"), false));
    let kinds: Vec<_> = inspection.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("column_1", "text"),
            ("column_2", "integer"),
            ("column_3", "timestamp"),
            ("column_4", "integer"),
            ("column_5", "float")
        ]
    );
}

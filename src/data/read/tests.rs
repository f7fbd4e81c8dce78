//! Dirty files, read as a user would have them read; whole tables and whole messages are compared.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int32Type};
use arrow::util::display::array_value_to_string;
use tempfile::TempDir;

use super::options::{BadRows, Delimiter, Keep, Type};
use super::*;
use crate::data::parquet::Writer;

/// A folder with files, and what reading them gives.
struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs_err::write(folder.path().join(name), bytes).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, names: &[&str], options: &Options) -> Result<Ingested> {
        let file = |name: &&str| File { name: (*name).to_owned(), path: self.path().join(name) };
        let files: Vec<File> = names.iter().map(file).collect();
        read(&files, options, self.path(), &mut |_| Ok(()))
    }
}

fn read_text(text: impl AsRef<[u8]>, options: &Options) -> Result<Ingested> {
    Folder::with(&[("f.csv", text.as_ref())]).read(&["f.csv"], options)
}

fn good(text: impl AsRef<[u8]>, options: &Options) -> Ingested {
    read_text(text, options).unwrap()
}

fn problem(result: Result<Ingested>) -> Problem {
    result.map(|_| ()).unwrap_err().downcast::<Problem>().unwrap()
}

fn table(ingested: &Ingested) -> &Table {
    match &ingested.rows {
        Rows::Memory(table) => table,
        Rows::File(_) => panic!("small files stay in memory"),
    }
}

/// A table as lines of `a|b`, the header with types first.
fn lines(table: &Table) -> Vec<String> {
    let batch = table.to_batch().unwrap();
    let kind = |ty: &DataType| match ty {
        DataType::Int64 => "int",
        DataType::Float64 => "float",
        DataType::Utf8 => "text",
        DataType::Boolean => "bool",
        DataType::Timestamp(..) => "time",
        DataType::Dictionary(..) => "dict",
        _ => "other",
    };
    let header: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{}:{}", field.name(), kind(field.data_type())))
        .collect();
    let mut lines = vec![header.join("|")];
    for row in 0..batch.num_rows() {
        let cells: Vec<_> =
            batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect();
        lines.push(cells.join("|"));
    }
    lines
}

fn mapped(pairs: &[(&str, &str)]) -> Options {
    let columns: BTreeMap<_, _> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    Options { columns, ..Options::default() }
}

#[test]
fn a_spreadsheet_export_with_everything() {
    let text = "\u{feff} Customer ; Date ;Total;Note;Channel\r\n\
        7;31.01.2023 08:05;\"1.234,50 €\";\"says \"\"hi\"\"\nand goes\";web\r\n\
        \r\n\
        8;01.02.2023;-12,5;;store\r\n\
        9;2023-02-03T04:05:06Z;(3,00);x;web\r\n";
    let options = mapped(&[
        ("customer_id", "Customer"),
        ("txn_timestamp", "Date"),
        ("amount", "Total"),
        ("channel", "Channel"),
    ]);
    let ingested = good(text, &options);
    assert_eq!(
        lines(table(&ingested)),
        [
            "customer_id:int|txn_timestamp:time|amount:float|channel:dict|Note:text",
            "7|2023-01-31T08:05:00|1234.5|web|says \"hi\"\nand goes",
            "8|2023-02-01T00:00:00|-12.5|store|",
            "9|2023-02-03T04:05:06|-3.0|web|x",
        ]
    );
    assert_eq!((ingested.count, ingested.rejected.rows()), (3, 0));
    assert_eq!(ingested.notes, Vec::<String>::new());
}

#[test]
fn dates_of_mixed_orders_go_by_the_majority() {
    let text = "d,v\n13/01/2023,1\n14/01/2023,2\n02/03/2023,3\n01/25/2023,4\n2023-05-06,5\n";
    let ingested = good(text, &mapped(&[("txn_timestamp", "d")]));
    assert_eq!(
        lines(table(&ingested))[1..],
        [
            "2023-01-13T00:00:00|1",
            "2023-01-14T00:00:00|2",
            "2023-03-02T00:00:00|3",
            "2023-01-25T00:00:00|4",
            "2023-05-06T00:00:00|5",
        ]
    );
    assert_eq!(
        ingested.notes,
        [
            "`txn_timestamp` mixes date orders: 2 with the day first, 1 with the month first; 1 that could be either was read with the day first"
        ]
    );
}

#[test]
fn dates_without_evidence_are_reported() {
    let text = "d,v\n01/02/2023,1\n02/02/2023,2\n";
    let ingested = good(text, &mapped(&[("txn_timestamp", "d")]));
    assert_eq!(lines(table(&ingested))[1], "2023-02-01T00:00:00|1");
    assert_eq!(
        ingested.notes,
        [
            "`txn_timestamp` never says whether the day or the month comes first: `01/02/2023` was read with the day first; `dates` settles it"
        ]
    );
    let options = Options { dates: options::DateOrder::MonthFirst, ..mapped(&[("txn_timestamp", "d")]) };
    let ingested = good(text, &options);
    assert_eq!((lines(table(&ingested))[1].as_str(), ingested.notes.len()), ("2023-01-02T00:00:00|1", 0));
}

#[test]
fn thousands_or_decimals_go_by_the_column() {
    let text = "a;b;c\n1,234;1.234;1,234\n0,5;2,5;2,345\n";
    let options = Options { types: [("c".to_owned(), Type::Float)].into(), ..Options::default() };
    let ingested = good(text, &options);
    assert_eq!(lines(table(&ingested)), ["a:float|b:float|c:float", "1.234|1234.0|1.234", "0.5|2.5|2.345"]);
    assert_eq!(
        ingested.notes,
        [
            "`c` never says whether `1,234` has a decimal comma: it was read with a decimal comma; `decimal` settles it"
        ]
    );
}

#[test]
fn latin_1_is_found_out_and_reported() {
    let ingested = good(b"name,n\ncaf\xe9,1\nt\xfcr,2\n".as_slice(), &Options::default());
    assert_eq!(lines(table(&ingested)), ["name:text|n:int", "café|1", "tür|2"]);
    assert_eq!(ingested.notes, ["`f.csv` isn't UTF-8; it was read as windows-1252"]);
    let options = Options { encoding: Some("latin1".into()), ..Options::default() };
    assert_eq!(good(b"name,n\ncaf\xe9,1\n".as_slice(), &options).notes, Vec::<String>::new());
    let options = Options { encoding: Some("klingon".into()), ..Options::default() };
    assert_eq!(
        problem(read_text("a,b\n1,2\n", &options)),
        Problem::new("there is no encoding `klingon`")
            .hint("use `utf-8`, `windows-1252` or `utf-16le`")
            .at("encoding")
    );
}

#[test]
fn bytes_that_are_no_text_far_down_change_the_encoding() {
    let mut text = b"id,name\n".to_vec();
    for row in 0..60_000 {
        text.extend_from_slice(format!("{row},plain\n").as_bytes());
    }
    text.extend_from_slice(b"60000,caf\xe9\n");
    let ingested = good(&text, &Options::default());
    assert_eq!(lines(table(&ingested)).last().unwrap(), "60000|café");
    assert_eq!(ingested.notes, ["`f.csv` isn't UTF-8; it was read as windows-1252"]);
}

#[test]
fn bad_rows_are_rejected_with_their_lines() {
    let mut text = "customer_id,txn_timestamp,amount\n".to_owned();
    for row in 0..100 {
        text.push_str(&format!("{row},2023-01-{:02},{row}.5\n", row % 28 + 1));
    }
    text.push_str("200,2023-01-01,abc\n201,soon,\"x\ny\"\n202,2023-01-01\n\n203,2023-01-01,\n");
    let ingested = good(&text, &Options::default());
    assert_eq!(
        lines(&ingested.rejected),
        [
            "file:text|line:int|column:text|value:text|reason:text",
            "f.csv|102|amount|abc|not a number",
            "f.csv|103|txn_timestamp|soon|not a date",
            "f.csv|105|||2 fields instead of 3",
        ]
    );
    assert_eq!(ingested.count, 101);
    assert_eq!(
        ingested.notes,
        [
            "3 of 104 rows (2.9 %) were left out: lines 102, 103, 105 of `f.csv`: `amount` is `abc`, not a number"
        ]
    );
    let options = Options { max_bad: 0.01, ..Options::default() };
    assert_eq!(
        problem(read_text(&text, &options)),
        Problem::new(
            "3 of 104 rows (2.9 %) can't be read, more than `max_bad` allows (1 %): lines 102, 103, 105 of `f.csv`: `amount` is `abc`, not a number"
        )
        .hint("correct the file, `columns` or `types`, or raise `max_bad` to leave such rows out")
        .at("max_bad")
    );
    let options = Options { bad_rows: BadRows::Fail, ..Options::default() };
    assert_eq!(
        problem(read_text(&text, &options)),
        Problem::new("3 rows can't be read: lines 102, 103, 105 of `f.csv`: `amount` is `abc`, not a number")
            .hint("`bad_rows = \"reject\"` leaves such rows out")
            .at("bad_rows")
    );
}

#[test]
fn missing_values_stay_unless_they_are_required() {
    let text = "customer_id,amount\n,1\n2,\n3,NA\n4,4\n";
    let ingested = good(text, &Options::default());
    assert_eq!(lines(table(&ingested)), ["customer_id:int|amount:float", "|1.0", "2|", "3|", "4|4.0"]);
    let options = Options { require: vec!["customer_id".into()], max_bad: 0.5, ..Options::default() };
    let ingested = good(text, &options);
    assert_eq!(lines(&ingested.rejected)[1..], ["f.csv|2|customer_id||missing"]);
    assert_eq!(
        ingested.notes,
        ["1 of 4 rows (25 %) was left out: line 2 of `f.csv`: `customer_id` is missing"]
    );
}

#[test]
fn ids_are_integers_only_when_nothing_is_lost() {
    let ids = |text: &str| lines(table(&good(text, &Options::default())));
    assert_eq!(ids("customer_id,n\n1,1\n2,2\n"), ["customer_id:int|n:int", "1|1", "2|2"]);
    assert_eq!(ids("customer_id,n\n01,1\n2,2\n"), ["customer_id:text|n:int", "01|1", "2|2"]);
    assert_eq!(ids("customer_id,n\n17850.0,1\n,2\n"), ["customer_id:int|n:int", "17850|1", "|2"]);
    let uuid = "123e4567-e89b-12d3-a456-426614174000";
    assert_eq!(ids(&format!("customer_id,n\n{uuid},1\n{uuid},2\n"))[1], format!("{uuid}|1"));
    let forced = Options { types: [("customer_id".to_owned(), Type::Text)].into(), ..Options::default() };
    assert_eq!(lines(table(&good("customer_id,n\n1,1\n", &forced))), ["customer_id:text|n:int", "1|1"]);
}

#[test]
fn a_wrong_guess_is_corrected_further_down() {
    let mut text = "customer_id,count,code,price,d\n".to_owned();
    for row in 0..40_000 {
        if row == 39_000 {
            // A sample of the file doesn't have this row.
            text.push_str("A7,2.5,C12,1e3,25/02/2023\n");
        }
        text.push_str(&format!("{row},{row},{row},{row},01/02/2023\n"));
    }
    let ingested = good(&text, &Options::default());
    let lines = lines(table(&ingested));
    assert_eq!(lines[0], "customer_id:text|count:float|code:text|price:float|d:time");
    assert_eq!(lines[1], "0|0.0|0|0.0|2023-02-01T00:00:00");
    assert_eq!(lines[39_001], "A7|2.5|C12|1000.0|2023-02-25T00:00:00");
    assert_eq!((ingested.count, ingested.rejected.rows()), (40_001, 0));
}

#[test]
fn runs_of_blanks_and_no_header() {
    let text = " 00001  1 19970101  1  11.77\n 00002 2 19970112 1   12.00\n 00002 2 19970112 5 77.00\n";
    let options = Options {
        delimiter: Delimiter::Whitespace,
        header: false,
        names: ["master", "customer_id", "txn_timestamp", "cds", "amount"].map(str::to_owned).to_vec(),
        ..Options::default()
    };
    assert_eq!(
        lines(table(&good(text, &options))),
        [
            "customer_id:int|txn_timestamp:time|amount:float|master:text|cds:int",
            "1|1997-01-01T00:00:00|11.77|00001|1",
            "2|1997-01-12T00:00:00|12.0|00002|1",
            "2|1997-01-12T00:00:00|77.0|00002|5",
        ]
    );
    let options = Options { names: vec!["a".into()], ..options };
    assert_eq!(
        problem(read_text(text, &options)),
        Problem::new("`names` has 1 name, but `f.csv` has 5 columns").at("names")
    );
    assert_eq!(
        problem(read_text(text, &Options::default())),
        Problem::new(
            "the first line of `f.csv` looks like a row (`00001`, `1` and `19970101`), not a header"
        )
        .hint("`header = false` reads it as one")
        .at("header")
    );
    assert_eq!(
        good("1,2.5\n3,4\n", &Options::default()).notes,
        [
            "the first line of `f.csv` looks like a row (`1` and `2.5`), not a header; `header = false` reads it as one"
        ]
    );
}

#[test]
fn amounts_may_be_products() {
    let text = "id,qty,price\n1,2,1.50\n2,-1,4\n3,,1\n4,x,1\n";
    let options = Options {
        keep: Keep::None,
        max_bad: 0.5,
        ..mapped(&[("customer_id", "id"), ("amount", "qty * price")])
    };
    let ingested = good(text, &options);
    assert_eq!(lines(table(&ingested)), ["customer_id:int|amount:float", "1|3.0", "2|-4.0", "3|"]);
    assert_eq!(lines(&ingested.rejected)[1..], ["f.csv|5|qty|x|not a number"]);
}

#[test]
fn files_are_put_together_by_name() {
    let folder = Folder::with(&[
        ("b.csv", b"amount,customer_id,extra\n2,20,x\n"),
        ("a.csv", b"customer_id,amount\n10,1\n"),
        ("c.csv", b"customer_id,amont\n10,1\n"),
    ]);
    let ingested = folder.read(&["b.csv", "a.csv"], &Options::default()).unwrap();
    assert_eq!(lines(table(&ingested)), ["customer_id:int|amount:float", "10|1.0", "20|2.0"]);
    assert_eq!(ingested.notes, ["column `extra` of `b.csv` was left out: `a.csv` has no such column"]);
    assert_eq!(
        problem(folder.read(&["a.csv", "c.csv"], &Options::default())),
        Problem::new("`c.csv` has no column `amount`, which `a.csv` has")
            .hint("did you mean `amont`?")
            .at("path")
    );
}

#[test]
fn files_that_are_no_tables() {
    let folder = Folder::with(&[
        ("empty.csv", b""),
        ("blank.csv", b"\n\n"),
        ("header.csv", b"a,b\n"),
        ("twice.csv", b"id,amount,id\n1,2,3\n"),
        ("open.csv", b"a,b\n1,2\n3,\"x\n4,5\n"),
        ("book.csv", b"PK\x03\x04xxxx"),
        ("zip.csv", b"\x1f\x8b\x08"),
        ("text.parquet", b"a,b\n1,2\n"),
        ("magic.parquet", b"PAR1xxxxxxxxxxxxx"),
    ]);
    fs_err::create_dir(folder.path().join("sub")).unwrap();
    let of = |name: &str| problem(folder.read(&[name], &Options::default()));
    assert_eq!(of("empty.csv"), Problem::new("`empty.csv` is empty").at("path"));
    assert_eq!(of("blank.csv"), Problem::new("`blank.csv` is empty"));
    assert_eq!(of("header.csv"), Problem::new("`header.csv` has a header but no rows").at("path"));
    assert_eq!(
        of("twice.csv"),
        Problem::new("`twice.csv` has two columns named `id`: the 1st and the 3rd")
            .hint("rename one in the file, or name all columns with `names`")
    );
    assert_eq!(
        of("open.csv"),
        Problem::new("`open.csv` line 3: a quote is opened and never closed")
            .hint("close it, or double it where it is part of the text")
    );
    assert_eq!(
        of("book.csv"),
        Problem::new("`book.csv` is a zip archive or an Excel workbook")
            .hint("save it as CSV, or unpack it first")
            .at("path")
    );
    assert_eq!(
        of("zip.csv"),
        Problem::new("`zip.csv` is compressed with gzip").hint("unpack it first: `gunzip`").at("path")
    );
    assert_eq!(
        of("text.parquet"),
        Problem::new("`text.parquet` is no Parquet file")
            .hint("give a text file another ending, such as `.csv`")
            .at("path")
    );
    assert_eq!(
        of("magic.parquet"),
        Problem::new("`magic.parquet` is a Parquet file that has been cut off: its end is missing")
            .hint("make or copy it again")
            .at("path")
    );
    assert_eq!(
        of("sub"),
        Problem::new("`sub` is a folder, not a file").hint("name the files in it: `sub/*.csv`").at("path")
    );
    assert_eq!(of("none.csv"), Problem::new("there is no file `none.csv`").at("path"));
}

fn parquet_bytes(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = Writer::create(file.path(), batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    fs_err::read(file.path()).unwrap()
}

fn orders() -> Vec<u8> {
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
        Problem::new("`o.parquet` has no column `Prize`").hint("did you mean `Price`?").at("columns.amount")
    );
}

#[test]
fn parquet_that_can_not_be_read() {
    let whole = orders();
    let lists: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), Some(2)])]));
    let mut swapped = whole.clone();
    let at = swapped.len() - 8;
    swapped[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
    let folder = Folder::with(&[
        ("half.parquet", &whole[..whole.len() / 2]),
        ("swapped.parquet", &swapped),
        ("nested.parquet", &parquet_bytes(vec![("items", lists)])),
        ("none.parquet", &parquet_bytes(vec![("a", Arc::new(Int64Array::from(Vec::<i64>::new())))])),
        ("a.csv", b"a,b\n1,2\n"),
    ]);
    let of = |name: &str| problem(folder.read(&[name], &Options::default()));
    assert_eq!(
        of("half.parquet"),
        Problem::new("`half.parquet` is a Parquet file that has been cut off: its end is missing")
            .hint("make or copy it again")
            .at("path")
    );
    assert!(of("swapped.parquet").message.starts_with("`swapped.parquet` is not a whole Parquet file: "));
    assert_eq!(
        of("nested.parquet"),
        Problem::new("column `items` of `nested.parquet` holds lists")
            .hint("flatten it before, or name the columns to read with `keep` and `columns`")
            .at("path")
    );
    assert_eq!(of("none.parquet"), Problem::new("`none.parquet` has no rows").at("path"));
    assert_eq!(
        problem(folder.read(&["a.csv", "none.parquet"], &Options::default())),
        Problem::new("`a.csv` and `none.parquet` are of different formats")
            .hint("read them in two stages")
            .at("path")
    );
}

#[test]
fn large_files_give_the_bytes_of_the_table_in_memory() {
    let mut text = "customer_id,amount,channel,note\n".to_owned();
    for row in 0..150_000 {
        let broken = if row == 70_000 { "x" } else { "" };
        text.push_str(&format!("{},{broken}{}.25,c{},\"n,{}\"\n", row % 97, row % 13, row / 20_000, row));
    }
    let folder = Folder::with(&[("f.csv", text.as_bytes())]);
    let options = Options::default();
    let file = File { name: "f.csv".into(), path: folder.path().join("f.csv") };
    let spilled = folder.path().join("spilled.parquet");
    let (collector, _) = text::read(&[file], &options, Some(&spilled), &mut |_| Ok(())).unwrap();
    assert!(matches!(collector.finish().unwrap(), Collected::File(_)));
    let ingested = folder.read(&["f.csv"], &options).unwrap();
    let saved = folder.path().join("saved.parquet");
    table(&ingested).write(&saved).unwrap();
    assert_eq!(ingested.count, 149_999);
    assert_eq!(fs_err::read(saved).unwrap(), fs_err::read(spilled).unwrap());
}

#[test]
fn any_number_of_threads_gives_the_same_table() {
    let mut text = "id,name,when\n".to_owned();
    for row in 0..120_000 {
        text.push_str(&format!("{row},\"n {}\",{}/{}/2023\n", row % 300, row % 28 + 1, row % 12 + 1));
    }
    let bytes = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let ingested = pool.install(|| good(&text, &Options::default()));
        lines(table(&ingested))
    };
    assert_eq!(bytes(1), bytes(3));
}

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
    let inspection = inspect(&folder.path().join("shop.csv")).unwrap();
    assert_eq!(inspection.delimiter.as_deref(), Some(";"));
    assert_eq!(inspection.encoding.as_deref(), Some("utf-8"));
    assert_eq!((inspection.header, inspection.rows, inspection.estimated), (true, 60, false));
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
        ]
    );
}

#[test]
fn an_inspection_of_parquet_and_of_a_file_without_a_header() {
    let folder = Folder::with(&[
        ("o.parquet", &orders()),
        ("cd.txt", b"00001  1 19970101  1  11.77\n00002 2 19970112 1   12.00\n00002 2 19970113 5 77.00\n"),
    ]);
    let inspection = inspect(&folder.path().join("o.parquet")).unwrap();
    assert_eq!((inspection.format, inspection.rows), (Format::Parquet, 3));
    let kinds: Vec<_> = inspection.columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, ["float", "text", "integer", "float"]);
    let inspection = inspect(&folder.path().join("cd.txt")).unwrap();
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

//! Other formats than plain delimited text: JSON lines, Arrow, and what is compressed.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::Int32Type;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::options::{Keep, Options};
use super::super::{Failure, Format, inspect};
use super::{Folder, lines, mapped, problem, table};

const ORDERS: &str = "{\"id\": 7, \"when\": \"2023-01-31T10:00:00Z\", \"total\": \"12,50\", \"shop\": {\"city\": \"Köln\"}}\n\
    {\"id\": 8, \"total\": 3.5, \"when\": \"2023-02-01\", \"gift\": true}\n\
    not json\n\
    {\"id\": 9, \"when\": \"soon\", \"total\": null}\n";

#[test]
fn json_lines_are_rows() {
    let folder = Folder::with(&[("o.jsonl", ORDERS.as_bytes())]);
    let options = Options {
        max_bad: 0.5,
        ..mapped(&[("customer_id", "id"), ("txn_timestamp", "when"), ("amount", "total")])
    };
    let ingested = folder.read(&["o.jsonl"], &options).unwrap();
    assert_eq!(
        lines(table(&ingested)),
        [
            "customer_id:int|txn_timestamp:time|amount:float|shop.city:text|gift:bool",
            "7|2023-01-31T10:00:00|12.5|Köln|",
            "8|2023-02-01T00:00:00|3.5||true",
        ]
    );
    assert_eq!(
        lines(&ingested.rejected)[1..],
        ["o.jsonl|3|||not JSON at column 2", "o.jsonl|4|txn_timestamp|soon|not a date"]
    );
    assert_eq!(lines(&ingested.files)[1..], ["o.jsonl|JSON lines||utf-8|||2|2"]);
    let seen = inspect(&folder.file("o.jsonl")).unwrap();
    assert_eq!((seen.json, seen.delimiter, seen.encoding.as_deref()), (true, None, Some("utf-8")));
    let pairs: Vec<_> = seen.mapping.iter().map(|one| (one.ours, one.theirs.as_str())).collect();
    assert_eq!(pairs, [("amount", "total")]);
}

/// Names that no sample has are found all the same, whichever file has them.
#[test]
fn json_lines_may_lack_what_others_have() {
    let mut late: String = (0..30_000).map(|row| format!("{{\"id\":{row}}}\n")).collect();
    late.push_str("{\"id\":1,\"note\":\"here\"}\n");
    let folder = Folder::with(&[
        ("a.jsonl", late.as_bytes()),
        ("b.jsonl", b"{\"size\":1.5}\n"),
        ("c.csv", b"id\n1\n"),
    ]);
    let ingested = folder.read(&["a.jsonl", "b.jsonl"], &Options::default()).unwrap();
    let rows = lines(table(&ingested));
    assert_eq!([&rows[0], &rows[30_001], &rows[30_002]], ["id:int|size:float|note:dict", "1||here", "|1.5|"]);
    assert_eq!(
        problem(folder.read(&["b.jsonl", "c.csv"], &Options::default())),
        Failure::new("`b.jsonl` and `c.csv` are of different formats")
            .hint("read them in two stages")
            .at("path")
    );
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn compressed_files_are_read_like_others() {
    let csv = b"id,name\n1,caf\xe9\n2,b\n".as_slice();
    let (one, two) = csv.split_at(9);
    let members = [zipped(one), zipped(two)].concat();
    let zstd = zstd::encode_all(csv, 0).unwrap();
    let folder = Folder::with(&[
        ("a.csv.gz", &members),
        ("b.csv.zst", &zstd),
        ("c.csv", csv),
        ("half.csv.gz", &members[..members.len() - 12]),
        ("half.csv.zst", &zstd[..zstd.len() - 3]),
        ("odd.csv.gz", &[&members[..10], &[0xff; 40]].concat()),
    ]);
    let ingested = folder.read(&["a.csv.gz", "b.csv.zst", "c.csv"], &Options::default()).unwrap();
    assert_eq!(lines(table(&ingested))[1..], ["1|café", "2|b", "1|café", "2|b", "1|café", "2|b"]);
    assert_eq!(
        lines(&ingested.files)[1..],
        [
            "a.csv.gz|delimited text|gzip|windows-1252|,|true|2|0",
            "b.csv.zst|delimited text|zstd|windows-1252|,|true|2|0",
            "c.csv|delimited text||windows-1252|,|true|2|0",
        ]
    );
    assert_eq!(ingested.notes.len(), 3);
    let of = |name: &str| problem(folder.read(&[name], &Options::default()));
    let advice = |message: &str| Failure::new(message).hint("make or copy it again").at("path");
    assert_eq!(of("half.csv.gz"), advice("`half.csv.gz` has been cut off: its gzip data has no end"));
    assert_eq!(of("half.csv.zst"), advice("`half.csv.zst` has been cut off: its zstd data has no end"));
    assert_eq!(of("odd.csv.gz"), advice("`odd.csv.gz` can't be unpacked: its gzip data is damaged"));
}

fn batch() -> RecordBatch {
    let when = TimestampMillisecondArray::from(vec![Some(1_675_159_200_000), None]).with_timezone("+02:00");
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from(vec![7, 8]))),
        ("when", Arc::new(when)),
        ("total", Arc::new(StringArray::from(vec!["1.5", "2,50"]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn arrow_files_and_streams_are_read() {
    let (mut file, mut stream) = (Vec::new(), Vec::new());
    let mut writer = FileWriter::try_new(&mut file, &batch().schema()).unwrap();
    writer.write(&batch()).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let mut writer = StreamWriter::try_new(&mut stream, &batch().schema()).unwrap();
    writer.write(&batch()).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let lists: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)])]));
    let nested = RecordBatch::try_from_iter([("items", lists)]).unwrap();
    let mut odd = Vec::new();
    let mut writer = FileWriter::try_new(&mut odd, &nested.schema()).unwrap();
    writer.write(&nested).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let folder = Folder::with(&[
        ("a.arrow", &file),
        ("b.arrows", &stream),
        ("half.arrow", &file[..file.len() / 2]),
        ("odd.arrow", &odd),
    ]);
    let zone = super::super::zone::Zone::parse("Europe/Berlin");
    let options = Options {
        time_zone: zone,
        keep: Keep::None,
        ..mapped(&[("customer_id", "id"), ("txn_timestamp", "when"), ("amount", "total")])
    };
    let ingested = folder.read(&["a.arrow", "b.arrows"], &options).unwrap();
    let header = "customer_id:int|txn_timestamp:time|amount:float";
    let (first, second) = ("7|2023-01-31T11:00:00|1.5", "8||2.5");
    assert_eq!(lines(table(&ingested)), [header, first, second, first, second]);
    assert_eq!(lines(&ingested.columns)[2], "txn_timestamp|when|timestamp|2|2||||all");
    assert_eq!(lines(&ingested.files)[1], "a.arrow|Arrow|||||2|0");
    assert_eq!(inspect(&folder.file("b.arrows")).unwrap().format, Format::Arrow);
    let half = problem(folder.read(&["half.arrow"], &Options::default()));
    assert!(half.message.starts_with("`half.arrow` is not a whole Arrow file: "), "{}", half.message);
    assert_eq!(
        problem(folder.read(&["odd.arrow"], &Options::default())),
        Failure::new("column `items` of `odd.arrow` holds lists")
            .hint("flatten it before, or name the columns to read with `keep` and `columns`")
            .at("path")
    );
}

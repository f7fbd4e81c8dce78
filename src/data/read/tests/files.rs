//! Files as they come: encodings, bad rows, several at once, and what is no table at all.

use super::super::collect::Collected;
use super::super::options::{BadRows, Delimiter, Options};
use super::super::{Failure, File, text};
use super::{Folder, good, lines, problem, read_text, table};

#[test]
fn latin_1_is_found_out_and_reported() {
    let ingested = good(b"name,n\ncaf\xe9,1\nt\xfcr,2\n".as_slice(), &Options::default());
    assert_eq!(lines(table(&ingested)), ["name:text|n:int", "café|1", "tür|2"]);
    assert_eq!(
        ingested.notes,
        [
            "`f.csv` isn't UTF-8 (first in line 2); it was read as windows-1252: if that is wrong, set `encoding`"
        ]
    );
    let options = Options { encoding: Some("latin1".into()), ..Options::default() };
    assert_eq!(good(b"name,n\ncaf\xe9,1\n".as_slice(), &options).notes, Vec::<String>::new());
    let options = Options { encoding: Some("klingon".into()), ..Options::default() };
    assert_eq!(
        problem(read_text("a,b\n1,2\n", &options)),
        Failure::new("there is no encoding `klingon`")
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
    assert_eq!(
        ingested.notes,
        [
            "`f.csv` isn't UTF-8 (first in line 60,002); it was read as windows-1252: if that is wrong, set `encoding`"
        ]
    );
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
            "3 of 104 rows (2.9 %) were left out: line 102 of `f.csv`: `amount` is `abc`, not a number; line 103 of `f.csv`: `txn_timestamp` is `soon`, not a date; line 105 of `f.csv`: 2 fields instead of 3"
        ]
    );
    let options = Options { max_bad: 0.01, ..Options::default() };
    assert_eq!(
        problem(read_text(&text, &options)),
        Failure::new(
            "3 of 104 rows (2.9 %) can't be read, more than `max_bad` allows (1 %): line 102 of `f.csv`: `amount` is `abc`, not a number; line 103 of `f.csv`: `txn_timestamp` is `soon`, not a date; line 105 of `f.csv`: 2 fields instead of 3"
        )
        .hint("correct the file, `columns` or `types`, or raise `max_bad` to leave such rows out")
        .at("max_bad")
    );
    let options = Options { bad_rows: BadRows::Fail, ..Options::default() };
    assert_eq!(
        problem(read_text(&text, &options)),
        Failure::new("3 rows can't be read: line 102 of `f.csv`: `amount` is `abc`, not a number; line 103 of `f.csv`: `txn_timestamp` is `soon`, not a date; line 105 of `f.csv`: 2 fields instead of 3")
            .hint("`bad_rows = \"reject\"` leaves such rows out")
            .at("bad_rows")
    );
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
        Failure::new("`names` has 1 name, but `f.csv` has 5 columns").at("names")
    );
    assert_eq!(
        problem(read_text(text, &Options::default())),
        Failure::new(
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
        Failure::new("`c.csv` has no column `amount`, which `a.csv` has")
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
        ("image.csv", b"\x89PNG\r\n\0\0"),
        ("book.csv", b"PK\x03\x04xxxx"),
        ("zip.csv", b"\x1f\x8b\x08"),
        ("list.json", b"[{\"a\":1},{\"a\":2}]"),
        ("text.parquet", b"a,b\n1,2\n"),
        ("magic.parquet", b"PAR1xxxxxxxxxxxxx"),
    ]);
    fs_err::create_dir(folder.path().join("sub")).unwrap();
    let of = |name: &str| problem(folder.read(&[name], &Options::default()));
    assert_eq!(
        of("empty.csv"),
        Failure::new("`empty.csv` is empty").hint("export or copy it again, or name another file").at("path")
    );
    assert_eq!(
        of("blank.csv"),
        Failure::new("`blank.csv` is empty").hint("export or copy it again, or name another file").at("path")
    );
    assert_eq!(
        of("header.csv"),
        Failure::new("`header.csv` has a header but no rows")
            .hint("export or copy it again, or name another file")
            .at("path")
    );
    assert_eq!(
        of("twice.csv"),
        Failure::new("`twice.csv` has two columns named `id`: the 1st and the 3rd")
            .hint("rename one in the file, or name all columns with `names`")
            .at("path")
    );
    assert_eq!(
        of("open.csv"),
        Failure::new("`open.csv` line 3: a quote is opened and never closed")
            .hint("close it, or double it where it is part of the text")
            .at("path")
    );
    assert_eq!(
        of("image.csv"),
        Failure::new("`image.csv` is not a text file: it has NUL bytes")
            .hint("`read` takes delimited text, JSON lines, Parquet and Arrow files")
            .at("path")
    );
    assert_eq!(
        of("book.csv"),
        Failure::new("`book.csv` is a zip archive or an Excel workbook")
            .hint("save it as CSV, or unpack it first")
            .at("path")
    );
    assert_eq!(
        of("zip.csv"),
        Failure::new("`zip.csv` has been cut off: its gzip data has no end")
            .hint("make or copy it again")
            .at("path")
    );
    assert_eq!(
        of("list.json"),
        Failure::new("`list.json` is one JSON list")
            .hint("write one object a line: `jq -c '.[]'`")
            .at("path")
    );
    assert_eq!(
        of("text.parquet"),
        Failure::new("`text.parquet` is no Parquet file")
            .hint("give a text file another ending, such as `.csv`")
            .at("path")
    );
    assert_eq!(
        of("magic.parquet"),
        Failure::new("`magic.parquet` is a Parquet file that has been cut off: its end is missing")
            .hint("make or copy it again")
            .at("path")
    );
    assert_eq!(
        of("sub"),
        Failure::new("`sub` is a folder, not a file").hint("name the files in it: `sub/*.csv`").at("path")
    );
    let hint = "give its path from the current folder, or from the project's root";
    assert_eq!(of("none.csv"), Failure::new("there is no file `none.csv`").hint(hint).at("path"));
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
    let gathered = text::read(&[file], &options, Some(&spilled), None, &mut |_| Ok(())).unwrap();
    assert!(matches!(gathered.collector.finish().unwrap(), Collected::File(_)));
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
fn spreadsheets_declare_their_delimiter() {
    let ingested =
        good("sep=|\r\na|b\r\n1|x;y\r\n2|z\r\n3\r\n", &Options { max_bad: 0.5, ..Options::default() });
    assert_eq!(lines(table(&ingested)), ["a:int|b:text", "1|x;y", "2|z"]);
    assert_eq!(lines(&ingested.rejected)[1..], ["f.csv|5|||1 field instead of 2"]);
}

#[test]
fn old_line_ends() {
    assert_eq!(lines(table(&good("a,b\r1,2\r3,4\r", &Options::default()))), ["a:int|b:int", "1|2", "3|4"]);
    assert_eq!(lines(table(&good("a,b\n1,2", &Options::default()))), ["a:int|b:int", "1|2"]);
}

//! Values as people write them, through to the table.

use super::super::options::{DateOrder, Keep, Options, Type};
use super::{good, lines, mapped, table};

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
    assert_eq!(
        ingested.notes,
        [
            "`txn_timestamp` mixes times with and without a zone: 1 with one was turned into UTC, 2 without are taken to be UTC; `time_zone` names another clock"
        ]
    );
    assert_eq!(
        lines(&ingested.columns),
        [
            "column:text|from:text|type:text|values:int|missing:int|decimal:text|currency:text|dates:text|zoned:text",
            "customer_id|Customer|integer|3|0||||",
            "txn_timestamp|Date|timestamp|3|0|||dd.mm.yyyy 1, dd.mm.yyyy hh:mm 1, yyyy-mm-dd hh:mm:ss zone 1|1 of 3",
            "amount|Total|float|3|0|comma|€||",
            "channel|Channel|category|3|0||||",
            "Note|Note|text|2|1||||",
        ]
    );
    assert_eq!(
        lines(&ingested.files),
        [
            "file:text|format:text|compression:text|encoding:text|delimiter:text|header:bool|rows:int|rejected:int",
            "f.csv|delimited text||utf-8|;|true|3|0",
        ]
    );
}

#[test]
fn times_are_told_by_the_clock_of_a_zone() {
    let text = "when,n\n2023-07-01T10:00:00Z,1\n2023-01-01T10:00:00+02:00,2\n2023-07-01 10:00,3\n";
    let zone = super::super::zone::Zone::parse("Europe/Berlin");
    let ingested = good(text, &Options { time_zone: zone, ..Options::default() });
    assert_eq!(
        lines(table(&ingested)),
        ["when:time|n:int", "2023-07-01T12:00:00|1", "2023-01-01T09:00:00|2", "2023-07-01T10:00:00|3"]
    );
    assert_eq!(
        ingested.notes,
        [
            "`when` mixes times with and without a zone: 2 with one were turned into the time of `time_zone`, 1 without is taken to be such time"
        ]
    );
}

#[test]
fn dates_of_a_given_format() {
    let mut options = Options { max_bad: 0.5, ..Options::default() };
    options.date_formats.insert("when".to_owned(), "%Y week %W day %u".to_owned());
    let ingested = good("when,n\n2023 week 05 day 2,1\n2023-01-31,2\n", &options);
    assert_eq!(lines(table(&ingested))[1..], ["2023-01-31T00:00:00|1"]);
    assert_eq!(lines(&ingested.rejected)[1..], ["f.csv|3|when|2023-01-31|not a date"]);
    assert_eq!(lines(&ingested.columns)[1], "when|when|timestamp|2|0|||%Y week %W day %u|none");
}

#[test]
fn currencies_are_told_and_held_to() {
    let text = "id,paid\n1,£2.50\n2,£3.50\n3,4 EUR\n4,5\n";
    let ingested = good(text, &Options::default());
    assert_eq!(
        ingested.notes,
        [
            "`paid` mixes currencies: 1 in `EUR` and 2 in `£`; they were read as plain numbers, and `currency` leaves out those of others"
        ]
    );
    assert_eq!(lines(&ingested.columns)[2], "paid|paid|float|4|0|dot|£ 2, EUR 1||");
    let options = Options { currency: Some("£".to_owned()), max_bad: 0.5, ..Options::default() };
    let ingested = good(text, &options);
    assert_eq!(lines(table(&ingested))[1..], ["1|2.5", "2|3.5", "4|5.0"]);
    assert_eq!(lines(&ingested.rejected)[1..], ["f.csv|4|paid|4 EUR|of another currency"]);
}

#[test]
fn orders_are_text() {
    let text = "InvoiceNo,n\n536365,1\n536365,2\nC536366,3\n";
    let ingested = good(text, &mapped(&[("order_id", "InvoiceNo")]));
    assert_eq!(lines(table(&ingested)), ["order_id:text|n:int", "536365|1", "536365|2", "C536366|3"]);
    assert_eq!(lines(table(&good("n,order_id\n1,7\n", &Options::default()))), ["order_id:text|n:int", "7|1"]);
}

#[test]
fn columns_without_values_or_with_one_are_columns_all_the_same() {
    let ingested = good("id,none,same\n1,,x\n2,NULL,x\n3,,x\n", &Options::default());
    assert_eq!(lines(table(&ingested)), ["id:int|none:dict|same:dict", "1||x", "2||x", "3||x"]);
    assert_eq!(lines(&ingested.columns)[2..], ["none|none|category|0|3||||", "same|same|category|3|0||||"]);
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
    let options = Options { dates: DateOrder::MonthFirst, ..mapped(&[("txn_timestamp", "d")]) };
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

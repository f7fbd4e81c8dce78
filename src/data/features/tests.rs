//! Tests of features: oracles by hand, leaks, order and threads.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};

use super::*;
use crate::data::table::CHUNK;

/// One transaction: customer, hours since 1970-01-01, amount, channel, is_local.
type Row = (Option<i64>, Option<i64>, Option<f64>, Option<&'static str>, Option<bool>);

const HOUR: i64 = DAY / 24;

fn row(customer: i64, hours: i64, amount: f64, channel: &'static str, local: bool) -> Row {
    (Some(customer), Some(hours), Some(amount), Some(channel), Some(local))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let channels: DictionaryArray<Int32Type> = rows.iter().map(|row| row.3).collect();
    let times = rows.iter().map(|row| row.1.map(|hours| hours * HOUR));
    let columns: [(&str, ArrayRef); 5] = [
        ("customer_id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
        ("txn_timestamp", Arc::new(times.collect::<TimestampMicrosecondArray>())),
        ("amount", Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>())),
        ("channel", Arc::new(channels)),
        ("is_local", Arc::new(rows.iter().map(|row| row.4).collect::<BooleanArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn table(rows: &[Row]) -> Table {
    Table::from_batch(batch(rows))
}

fn make_with(table: &Table, cutoff: Option<i64>, max_categories: usize) -> Features {
    make(
        table,
        &Columns::default(),
        &Request { max_categories, audit: true, ..Request::plain(cutoff, &|| Ok(())) },
    )
    .unwrap()
}

fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn value(batch: &RecordBatch, name: &str, row: usize) -> Option<f64> {
    let column = batch.column_by_name(name).unwrap().as_primitive::<Float64Type>();
    column.is_valid(row).then(|| column.value(row))
}

fn integer_ids(batch: &RecordBatch) -> Vec<i64> {
    batch.column(0).as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn features_by_hand() {
    let rows = [
        row(2, 0, 10.0, "web", true),
        row(1, 24, 5.0, "store", false),
        row(2, 24, 20.0, "web", false),
        row(2, 72, 60.0, "store", true),
    ];
    let features = at(&table(&rows), &Columns::default(), 4 * DAY).unwrap();
    assert_eq!(
        names(&features),
        [
            "customer_id",
            "recency_days",
            "frequency",
            "monetary",
            "mean_amount",
            "std_amount",
            "tenure_days",
            "mean_gap_days",
            "std_gap_days",
            "local_share",
            "channel_store",
            "channel_web"
        ]
    );
    assert_eq!(integer_ids(&features), [1, 2]);
    let first: Vec<_> = names(&features)[1..].iter().map(|name| value(&features, name, 0)).collect();
    let (zero, one) = (Some(0.0), Some(1.0));
    let five = Some(5.0);
    assert_eq!(first, [Some(3.0), one, five, five, None, Some(3.0), None, None, zero, one, zero]);
    let second: Vec<_> = names(&features)[1..].iter().map(|name| value(&features, name, 1)).collect();
    // Amounts 10, 20, 60: variance (400 + 100 + 900) / 2; gaps of 1 and 2 days: variance 0.5.
    let expected =
        [1.0, 3.0, 90.0, 30.0, 700_f64.sqrt(), 4.0, 1.5, 0.5_f64.sqrt(), 2. / 3., 1. / 3., 2. / 3.];
    for (value, expected) in second.iter().zip(expected) {
        assert!((value.unwrap() - expected).abs() < 1e-14, "{value:?} {expected}");
    }
}

#[test]
fn refunds_are_netted_and_counted_but_are_no_purchases() {
    let rows = [
        row(1, 0, 10.0, "web", true),
        row(1, 24, -4.0, "store", false),
        row(1, 48, 0.0, "store", false),
        row(2, 48, -3.0, "store", false),
        row(3, 48, 8.0, "web", false),
    ];
    let made = make_with(&table(&rows), None, 50);
    let features = &made.table;
    assert_eq!((integer_ids(features), made.without_purchase), (vec![1, 3], 1));
    assert_eq!(made.cutoff, 3 * DAY);
    let first =
        ["recency_days", "frequency", "monetary", "mean_amount", "channel_web", "local_share", "returns"]
            .map(|name| value(features, name, 0).unwrap());
    assert_eq!(first, [3.0, 1.0, 6.0, 10.0, 1.0, 1.0, 1.0]);
    assert_eq!(value(features, "returns", 1), Some(0.0));
    assert!(features.column_by_name("channel_store").is_none());
}

#[test]
fn rows_that_cannot_count_are_skipped_and_counted() {
    let rows = [
        row(1, 0, 10.0, "web", true),
        (None, Some(1), Some(1.0), None, None),
        (Some(1), None, Some(1.0), None, None),
        (Some(1), Some(2), None, None, None),
        (Some(1), Some(3), Some(f64::NAN), None, None),
        (Some(1), Some(4), Some(f64::INFINITY), None, None),
        (Some(1), Some(5), Some(30.0), None, None),
        (None, Some(24), None, None, None),
    ];
    let made = make_with(&table(&rows), Some(DAY), 50);
    let counts = Counts { used: 2, outside: 1, without_time: 1, without_id: 1, without_amount: 3 };
    assert_eq!(made.counts, counts);
    assert_eq!(made.counts.skipped(), 5);
    assert_eq!(value(&made.table, "monetary", 0), Some(40.0));
    // Shares are among the purchases where the value is known.
    assert_eq!(value(&made.table, "channel_web", 0), Some(1.0));
    assert_eq!(value(&made.table, "local_share", 0), Some(1.0));
}

#[test]
fn nothing_to_count_gives_an_empty_table() {
    let late = [row(1, 48, 10.0, "web", true)];
    for (rows, cutoff) in [(&[][..], None), (&late[..], Some(DAY)), (&[(None, None, None, None, None)], None)]
    {
        let made = make_with(&table(rows), cutoff, 50);
        assert_eq!(made.table.num_rows(), 0);
        assert_eq!(names(&made.table)[8..], ["std_gap_days", "local_share"]);
    }
}

#[test]
fn text_ids_of_any_encoding_give_sorted_text() {
    let plain =
        batch(&[row(0, 0, 1.0, "web", true), row(0, 1, 2.0, "web", true), row(0, 2, 3.0, "web", true)]);
    let ids = ["b-2", "a-1", "b-2"];
    let coded: DictionaryArray<Int32Type> = ids.into_iter().collect();
    for column in [Arc::new(StringArray::from(ids.to_vec())) as ArrayRef, Arc::new(coded)] {
        let others = plain.schema_ref().fields().iter().skip(1).zip(plain.columns().iter().skip(1));
        let columns = std::iter::once(("customer_id", column))
            .chain(others.map(|(field, column)| (field.name().as_str(), column.clone())));
        let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
        let features = at(&table, &Columns::default(), DAY).unwrap();
        assert_eq!(features.column(0).as_string::<i32>(), &StringArray::from(vec!["a-1", "b-2"]));
        assert_eq!(value(&features, "monetary", 1), Some(4.0));
    }
}

/// A few thousand rows in no order at all, by a linear congruence.
fn scrambled(rows: i64) -> Vec<Row> {
    let channels = ["web", "app", "store", "phone"];
    let mut state = 12_345_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..rows)
        .map(|_| {
            let channel = channels[draw(4) as usize];
            let amount = draw(10_000) as f64 / 100.0 + 0.01;
            row(draw(40) as i64, draw(2_000) as i64, amount, channel, draw(2) == 0)
        })
        .collect()
}

/// What the features mean, said in the slowest way.
fn slow(rows: &[Row], customer: i64, cutoff: i64) -> [f64; 9] {
    let mut own: Vec<_> =
        rows.iter().filter(|row| row.0 == Some(customer) && row.1.unwrap() * HOUR < cutoff).collect();
    own.sort_by_key(|row| row.1);
    let amounts: Vec<f64> = own.iter().map(|row| row.2.unwrap()).collect();
    let hours: Vec<f64> = own.iter().map(|row| row.1.unwrap() as f64).collect();
    let gaps: Vec<f64> = hours.windows(2).map(|pair| (pair[1] - pair[0]) / 24.0).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let std = |values: &[f64]| {
        let center = mean(values);
        let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
        (squares / (values.len() - 1) as f64).sqrt()
    };
    let end = cutoff as f64 / HOUR as f64;
    let web = own.iter().filter(|row| row.3 == Some("web")).count() as f64;
    [
        (end - hours[hours.len() - 1]) / 24.0,
        own.len() as f64,
        amounts.iter().sum(),
        std(&amounts),
        (end - hours[0]) / 24.0,
        mean(&gaps),
        std(&gaps),
        web / own.len() as f64,
        mean(&amounts),
    ]
}

#[test]
fn unsorted_rows_equal_the_definition() {
    let rows = scrambled(3_000);
    let cutoff = 1_500 * HOUR;
    let features = at(&table(&rows), &Columns::default(), cutoff).unwrap();
    let compared = [
        "recency_days",
        "frequency",
        "monetary",
        "std_amount",
        "tenure_days",
        "mean_gap_days",
        "std_gap_days",
        "channel_web",
        "mean_amount",
    ];
    assert_eq!(features.num_rows(), 40);
    for (at, customer) in integer_ids(&features).into_iter().enumerate() {
        for (name, expected) in compared.iter().zip(slow(&rows, customer, cutoff)) {
            let value = value(&features, name, at).unwrap();
            assert!((value - expected).abs() <= 1e-11 * expected.abs(), "{name}: {value} {expected}");
        }
    }
}

#[test]
fn the_order_of_rows_cannot_change_a_gap() {
    let rows = scrambled(3_000);
    let mut sorted = rows.clone();
    sorted.sort_by_key(|row| row.1);
    let [one, other] = [rows, sorted].map(|rows| make_with(&table(&rows), None, 50).table);
    for name in ["recency_days", "tenure_days", "mean_gap_days", "std_gap_days", "channel_web", "local_share"]
    {
        assert_eq!(one.column_by_name(name), other.column_by_name(name), "{name}");
    }
}

#[test]
fn what_happens_from_the_cutoff_on_leaves_no_trace() {
    let rows = scrambled(3_000);
    let cutoff = 1_000 * HOUR;
    let honest = make_with(&table(&rows), Some(cutoff), 50);
    let mut scrambled = rows.clone();
    for (at, row) in scrambled.iter_mut().enumerate().filter(|(_, row)| row.1 >= Some(1_000)) {
        *row = match at % 4 {
            0 => (Some(-1), Some(1_000), Some(1e300), Some("leak"), None),
            1 => (None, Some(9_999_999), None, None, None),
            2 => (Some(at as i64), Some(1_001), Some(f64::NAN), Some(""), Some(true)),
            _ => (Some(3), Some(1_000), Some(-7.0), Some("web"), Some(false)),
        };
    }
    let leaky = make_with(&table(&scrambled), Some(cutoff), 50);
    assert_eq!(honest.table, leaky.table);
    let mut cut = rows;
    cut.retain(|row| row.1 < Some(1_000));
    assert_eq!(honest.table, make_with(&table(&cut), Some(cutoff), 50).table);
}

#[test]
fn threads_and_files_give_the_same_bytes() {
    let rows: Vec<Row> = scrambled(1_000).into_iter().cycle().take(5 * CHUNK + 3).collect();
    let table = table(&rows);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    table.write(&path).unwrap();
    let run = |threads, table: &Table| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| make_with(table, None, 2).table)
    };
    let one = run(1, &table);
    assert_eq!(one, run(2, &table));
    assert_eq!(one, run(3, &Table::open(&path).unwrap()));
}

#[test]
fn rare_values_are_counted_together() {
    let mut rows = vec![row(1, 0, 1.0, "c", true), row(1, 1, 1.0, "b", true), row(1, 2, 1.0, "a", true)];
    rows.extend([row(2, 3, 1.0, "b", true), row(2, 4, 1.0, "d", true), row(2, 5, -1.0, "z", true)]);
    let made = make_with(&table(&rows), None, 2);
    assert_eq!(made.folded, [Folded { column: "channel".to_owned(), distinct: 4 }]);
    // `b` is the most frequent; `a`, `c` and `d` come once each, and `a` is first by name.
    assert_eq!(names(&made.table)[10..13], ["channel_a", "channel_b", "channel_other"]);
    let shares =
        |row| ["channel_a", "channel_b", "channel_other"].map(|name| value(&made.table, name, row).unwrap());
    assert_eq!(shares(0), [1.0 / 3.0; 3]);
    assert_eq!(shares(1), [0.0, 0.5, 0.5]);
    let exact = make_with(&table(&rows), None, 4);
    assert!(exact.folded.is_empty());
}

#[test]
fn a_value_called_other_joins_the_rest() {
    let rows = ["other", "other", "x", "y"].map(|channel| row(1, 0, 1.0, channel, true));
    let made = make_with(&table(&rows), None, 1);
    assert_eq!(names(&made.table)[10..], ["channel_other"]);
    assert_eq!(value(&made.table, "channel_other", 0), Some(1.0));
}

#[test]
fn plain_text_and_numbers_work_as_shares() {
    let base = batch(&scrambled(200));
    let channel = columns::strings(&base, "channel").unwrap();
    let store = Int64Array::from_iter_values((0..200).map(|at| at % 3));
    let mut columns: Vec<(&str, ArrayRef)> = vec![("channel", Arc::new(channel)), ("store", Arc::new(store))];
    for name in ["customer_id", "txn_timestamp", "amount"] {
        columns.push((name, base.column_by_name(name).unwrap().clone()));
    }
    let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
    let wanted = Columns { shares: vec!["channel".to_owned(), "store".to_owned()], ..Columns::default() };
    let features = at(&table, &wanted, 9_999 * HOUR).unwrap();
    let expected = at(&Table::from_batch(base), &Columns::default(), 9_999 * HOUR).unwrap();
    for name in ["channel_app", "channel_phone", "channel_store", "channel_web"] {
        assert_eq!(features.column_by_name(name), expected.column_by_name(name));
    }
    let stores = |row| ["store_0", "store_1", "store_2"].map(|name| value(&features, name, row).unwrap());
    (0..features.num_rows()).for_each(|row| assert!((stores(row).iter().sum::<f64>() - 1.0).abs() < 1e-15));
}

#[test]
fn features_of_one_name_and_wrong_columns_are_errors() {
    let table = table(&[row(1, 0, 1.0, "web", true)]);
    let error = |columns: Columns| at(&table, &columns, DAY).unwrap_err().to_string();
    let twice = Columns { shares: vec!["channel".to_owned(); 2], ..Columns::default() };
    assert_eq!(error(twice), "two features would be called `channel_web`; leave one of their columns out");
    let missing = Columns { amount: "price".to_owned(), ..Columns::default() };
    assert!(error(missing).starts_with("there is no column `price`; there are `customer_id`,"));
    let textual = Columns { amount: "channel".to_owned(), ..Columns::default() };
    assert_eq!(error(textual), "column `channel` is text, not a number");
    let timeless = Columns { time: "amount".to_owned(), ..Columns::default() };
    assert_eq!(error(timeless), "column `amount` is a number, not a date or timestamp");
}

/// Purchases and refunds of 40 customers over 100 hours, in time order, over several batches.
fn long_table(order: impl Fn(usize) -> i64) -> Table {
    let rows: Vec<Row> = (0..CHUNK + 9_000)
        .map(|at| {
            let amount = if at % 11 == 0 { -1.5 } else { 0.1 * (at % 77) as f64 + 0.3 };
            let id = (at % 97 != 0).then_some((at * 7 % 40) as i64 + if at > CHUNK { 5 } else { 0 });
            let time = (at % 89 != 0).then(|| order(at));
            let channel = if at > CHUNK / 2 { "store" } else { "web" };
            (id, time, Some(amount), (at % 5 != 0).then_some(channel), Some(at % 3 == 0))
        })
        .collect();
    table(&rows)
}

#[test]
fn several_cutoffs_in_one_pass_are_each_of_them_alone() {
    let columns = Columns::default();
    let total = (CHUNK + 9_000) as i64;
    let in_order = |at: usize| at as i64 * 100 / total;
    let orders: [(&str, &dyn Fn(usize) -> i64); 3] = [
        ("in order", &in_order),
        ("one row late", &|at| if at == CHUNK + 8_000 { 1 } else { in_order(at) }),
        ("backwards", &|at| 100 - in_order(at)),
    ];
    for (name, order) in orders {
        let table = long_table(order);
        for cutoffs in [[20, 50, 90], [-1, 0, 200], [50, 50, 51]] {
            let cutoffs = cutoffs.map(|hours| hours * HOUR);
            let alone = cutoffs.map(|cutoff| at(&table, &columns, cutoff).unwrap());
            let each = at_each(&table, &columns, &cutoffs, &|| Ok(())).unwrap();
            assert_eq!(each, alone, "{name} {cutoffs:?}");
        }
    }
}

#[test]
fn cutoffs_see_columns_with_many_values_folded_as_alone() {
    let names: Vec<String> = (0..80).map(|at| format!("c{at}")).collect();
    let rows: Vec<Row> = (0..400).map(|at| (Some(at % 9), Some(at), Some(1.0), None, None)).collect();
    let batch = batch(&rows);
    let channels: DictionaryArray<Int32Type> =
        (0..400).map(|at| Some(names[(at / 5) as usize % 80].as_str())).collect();
    let mut columns = batch.columns().to_vec();
    columns[3] = Arc::new(channels);
    let table = Table::from_batch(RecordBatch::try_new(batch.schema(), columns).unwrap());
    let cutoffs = [100 * HOUR, 399 * HOUR, 400 * HOUR];
    let alone = cutoffs.map(|cutoff| at(&table, &Columns::default(), cutoff).unwrap());
    assert_eq!(at_each(&table, &Columns::default(), &cutoffs, &|| Ok(())).unwrap(), alone);
}

#[test]
fn the_span_is_that_of_the_times() {
    let rows = [
        row(5, 30, 1.0, "web", true),
        row(4, 10, 1.0, "web", true),
        row(3, 20, -1.0, "web", true),
        row(2, 20, 1.0, "web", true),
        (Some(9), None, Some(1.0), None, None),
    ];
    let table = table(&rows);
    let columns = Columns::default();
    assert_eq!(span(&table, &columns).unwrap(), Some((10 * HOUR, 30 * HOUR)));
    assert_eq!(span(&self::table(&[]), &columns).unwrap(), None);
}

#[test]
fn an_interrupted_run_ends() {
    let request = Request::plain(None, &|| anyhow::bail!("interrupted"));
    assert!(make(&table(&[row(1, 0, 1.0, "web", true)]), &Columns::default(), &request).is_err());
}

/// Rows of random customers, hours, amounts and channels, unsorted, with refunds, zero amounts and gaps.
fn random(seed: u64, count: usize) -> Vec<Row> {
    let mut state = seed;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let channels = ["web", "shop", "phone", "other", "fair", ""];
    let mut rows = Vec::new();
    for _ in 0..count {
        let amount = match draw(20) {
            0 => f64::NAN,
            1 => 0.0,
            2 | 3 => -(draw(5_000) as f64) / 100.0,
            _ => draw(100_000) as f64 / 100.0 + 0.01,
        };
        rows.push((
            (draw(25) > 0).then(|| draw(40) as i64 - 5),
            (draw(25) > 0).then(|| draw(24 * 200) as i64 - 24 * 40),
            (draw(25) > 0).then_some(amount),
            (draw(9) > 0).then(|| channels[draw(6) as usize]),
            (draw(9) > 0).then(|| draw(3) == 0),
        ));
    }
    rows
}

/// Features of a table in parts, with how many files were made.
fn in_parts(table: &Table, cutoff: Option<i64>, limit: usize, folder: &std::path::Path) -> (Features, usize) {
    let partitions = crate::data::partition::Partitions::of(table).unwrap();
    let made = std::sync::atomic::AtomicUsize::new(0);
    let keep = |parts: &[&str], make: crate::data::partial::Make<'_>| {
        let name = blake3::hash(format!("{parts:?}").as_bytes()).to_hex();
        let path = folder.join(name.as_str());
        if !path.exists() {
            made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            make(&path)?;
        }
        Ok(path)
    };
    let request = Request { max_categories: limit, audit: true, ..Request::plain(cutoff, &|| Ok(())) };
    let features = make_in_parts(table, &partitions, &Columns::default(), &request, &keep).unwrap();
    (features, made.into_inner())
}

/// Two tables of features: ids and counts alike, sums but for their last digits.
fn assert_close(one: &RecordBatch, two: &RecordBatch) {
    assert_eq!(names(one), names(two));
    assert_eq!(one.column(0), two.column(0));
    for name in names(one).iter().skip(1) {
        let is_sum = ["monetary", "mean_amount", "std_amount", "std_gap_days"].contains(&name.as_str());
        for row in 0..one.num_rows() {
            let (a, b) = (value(one, name, row), value(two, name, row));
            match (a, b) {
                (Some(a), Some(b)) if is_sum => {
                    assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{name} {row}: {a} {b}");
                }
                _ => assert_eq!(a, b, "{name} {row}"),
            }
        }
    }
}

#[test]
fn partitions_put_together_give_what_one_pass_gives() {
    use crate::data::partition::{Span, divide};
    for seed in 0..12 {
        let rows = random(seed, 900);
        let plain = table(&rows);
        for span in [Span::Day, Span::Month, Span::Year] {
            let divided = divide(&plain, span, "txn_timestamp").unwrap();
            let folder = tempfile::tempdir().unwrap();
            for (cutoff, limit) in
                [(None, 50), (Some(50 * DAY + 5 * HOUR), 50), (None, 2), (Some(31 * DAY), 3)]
            {
                let one = make_with(&plain, cutoff, limit);
                let (two, _) = in_parts(&divided, cutoff, limit, folder.path());
                assert_close(&two.table, &one.table);
                assert_eq!((two.cutoff, two.without_purchase), (one.cutoff, one.without_purchase));
                assert_eq!((two.counts, two.folded), (one.counts, one.folded));
                // Kept results give the very same.
                assert_eq!(in_parts(&divided, cutoff, limit, folder.path()).0.table, two.table);
            }
        }
    }
}

#[test]
fn only_the_partition_that_the_cutoff_lies_in_depends_on_it() {
    use crate::data::partition::{Span, divide};
    // A purchase in the middle of each of six months, and a later one in the last.
    let mut rows: Vec<_> = (0..6).map(|month| row(1, (month * 31 + 14) * 24, 1.0, "web", true)).collect();
    rows.push(row(1, 175 * 24, 1.0, "web", true));
    let divided = divide(&table(&rows), Span::Month, "txn_timestamp").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = |cutoff| in_parts(&divided, cutoff, 50, folder.path()).1;
    assert_eq!(made(Some(3 * 31 * DAY)), 3);
    assert_eq!(made(None), 3);
    assert_eq!(made(Some(169 * DAY)), 0);
    assert_eq!(made(Some(172 * DAY)), 1);
    assert_eq!(made(Some(172 * DAY)), 0);
    // At the time of the last row, that row doesn't count any more.
    assert_eq!(made(Some(175 * DAY)), 1);
    assert_eq!(made(Some(400 * DAY)), 0);
}

fn extra_of(table: &Table, cutoff: Option<i64>) -> Features {
    let extra = Extra { windows: vec![2, 5], patterns: true, entropy: true };
    make(table, &Columns::default(), &Request { extra, ..Request::plain(cutoff, &|| Ok(())) }).unwrap()
}

/// Purchases on 1970-01-01 (a Thursday), 01-03 (a Saturday) and 01-08, cutoff 01-09.
#[test]
fn windows_patterns_and_entropies_by_hand() {
    let rows = [
        row(1, 1, 10.0, "web", true),
        row(1, 2 * 24 + 13, 20.0, "store", true),
        row(1, 7 * 24 + 19, 30.0, "web", true),
        row(1, 7 * 24 + 20, -4.0, "web", true),
        row(1, 7 * 24 + 23, 5.0, "web", true),
    ];
    let features = extra_of(&table(&rows), Some(8 * DAY)).table;
    let of = |name: &str| value(&features, name, 0);
    assert_eq!((of("purchases_2d"), of("spend_2d"), of("trend_2d")), (Some(2.0), Some(31.0), Some(1.0)));
    // Five days back is 01-04; the purchases of 01-01 and 01-03 lie within the five before.
    assert_eq!((of("purchases_5d"), of("spend_5d"), of("trend_5d")), (Some(2.0), Some(31.0), Some(0.0)));
    let parts = ["weekend_share", "night_share", "morning_share", "afternoon_share", "evening_share"];
    assert_eq!(parts.map(of), [Some(0.25), Some(0.25), Some(0.0), Some(0.25), Some(0.5)]);
    // Three of four on Thursdays and on the web; four hours apart.
    let three = 0.562_335_144_618_808;
    for (name, expected) in
        [("weekday_entropy", three), ("channel_entropy", three), ("hour_entropy", 4_f64.ln())]
    {
        assert!((of(name).unwrap() - expected).abs() < 1e-14, "{name}");
    }
    assert_eq!(extra_of(&table(&rows), None).table, features);
}

#[test]
fn windows_see_their_first_moment_and_not_the_cutoff() {
    let rows = [row(1, 24, 1.0, "web", true), row(1, 72, 1.0, "web", true), row(2, 23, 1.0, "web", true)];
    let features = extra_of(&table(&rows), Some(3 * DAY)).table;
    let of = |row| ["purchases_2d", "spend_2d", "trend_2d"].map(|name| value(&features, name, row));
    assert_eq!(of(0), [Some(1.0), Some(1.0), Some(1.0)]);
    assert_eq!(of(1), [Some(0.0), Some(0.0), Some(-1.0)]);
}

#[test]
fn extra_features_leave_the_others_as_they_are() {
    let table = table(&scrambled(2_000));
    let (plain, more) = (make_with(&table, None, 50).table, extra_of(&table, None).table);
    for (field, column) in plain.schema().fields().iter().zip(plain.columns()) {
        assert_eq!(Some(column), more.column_by_name(field.name()), "{}", field.name());
    }
}

#[test]
fn a_cutoff_is_audited_and_its_absence_has_nothing_to_audit() {
    let table = table(&scrambled(2_000));
    assert_eq!(make_with(&table, Some(1_000 * HOUR), 50).audited, 2_000);
    assert_eq!(make_with(&table, None, 50).audited, 0);
    let plain = Request::plain(Some(1_000 * HOUR), &|| Ok(()));
    assert_eq!(make(&table, &Columns::default(), &plain).unwrap().audited, 0);
}

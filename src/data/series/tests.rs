//! Weekly series of a handful of purchases.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};

use super::*;
use crate::data::{Table, columns};

const DAY: i64 = 86_400_000_000;

/// 2024-01-01, a Monday.
const MONDAY: i64 = 19_723;

/// Customer, days after a Monday, amount.
fn purchases(rows: &[(i64, i64, f64)]) -> Table {
    let times = rows.iter().map(|row| (MONDAY + row.1) * DAY + 1);
    let columns: [(&str, ArrayRef); 3] = [
        ("customer_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("txn_timestamp", Arc::new(TimestampMicrosecondArray::from_iter_values(times))),
        ("amount", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2)))),
    ];
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
}

fn request(groups: Option<Groups>, partial: Partial) -> Request<'static> {
    let [customer, time, amount] = ["customer_id", "txn_timestamp", "amount"].map(str::to_owned);
    Request { columns: Columns { customer, time, amount }, groups, partial, alive: &|| Ok(()) }
}

/// Two whole weeks with an empty one between them, and a Monday of a fourth.
const ROWS: [(i64, i64, f64); 6] =
    [(1, 0, 10.0), (1, 3, 5.0), (2, 6, 20.0), (2, 14, 7.0), (1, 20, -2.0), (3, 21, 100.0)];

#[test]
fn weeks_by_hand_with_gaps_filled_and_the_half_week_dropped() {
    let made = weekly(&purchases(&ROWS), &request(None, Partial::Drop)).unwrap().unwrap();
    assert_eq!((made.series, made.weeks, made.dropped.clone()), (1, 3, vec![MONDAY + 21]));
    assert_eq!(columns::float_vec(&made.table, "revenue").unwrap(), [35.0, 0.0, 5.0]);
    assert_eq!(columns::integers(&made.table, "orders").unwrap().values().to_vec(), [3, 0, 1]);
    assert_eq!(columns::integers(&made.table, "customers").unwrap().values().to_vec(), [2, 0, 1]);
    let kept = weekly(&purchases(&ROWS), &request(None, Partial::Keep)).unwrap().unwrap();
    assert_eq!(columns::float_vec(&kept.table, "revenue").unwrap(), [35.0, 0.0, 5.0, 100.0]);
}

#[test]
fn segments_and_everybody_else_add_up_to_the_total() {
    let assignments = RecordBatch::try_from_iter([
        ("customer_id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
        ("segment", Arc::new(Int32Array::from(vec![1, 0]))),
    ]);
    let groups = Groups::new(&Table::from_batch(assignments.unwrap()), None, "customer_id").unwrap();
    let made = weekly(&purchases(&ROWS), &request(Some(groups), Partial::Keep)).unwrap().unwrap();
    let read = panel(&Table::from_batch(made.table), "revenue").unwrap();
    assert_eq!(read.names, ["all", "segment 0", "segment 1", "unsegmented"]);
    assert_eq!(read.series[1].values, [20.0, 0.0, 7.0, 0.0]);
    assert_eq!(read.series[2].values, [15.0, 0.0, -2.0, 0.0]);
    assert_eq!(read.series[3].values, [0.0, 0.0, 0.0, 100.0]);
    assert_eq!((made.unsegmented, i64::from(read.series[0].start)), (1, MONDAY));
}

#[test]
fn a_single_half_week_is_all_there_is() {
    let made = weekly(&purchases(&ROWS[1..2]), &request(None, Partial::Drop)).unwrap().unwrap();
    assert!(made.all_partial && made.dropped.is_empty() && made.weeks == 1);
    assert!(weekly(&purchases(&[]), &request(None, Partial::Drop)).unwrap().is_none());
}

/// A divided table gives the series that one pass gives, with segments and without.
#[test]
fn partitions_put_together_give_what_one_pass_gives() {
    use crate::data::partition::{Partitions, Span, divide};
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % below) as i64
    };
    let count = 3_000;
    let customers: Int64Array = (0..count).map(|_| (draw(30) > 0).then(|| draw(60))).collect();
    let times: TimestampMicrosecondArray =
        (0..count).map(|_| (draw(40) > 0).then(|| (MONDAY + draw(150)) * DAY + draw(1000))).collect();
    let amounts: Float64Array =
        (0..count).map(|_| (draw(40) > 0).then(|| draw(10_000) as f64 / 100.0 - 10.0)).collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("customer_id", Arc::new(customers)),
        ("txn_timestamp", Arc::new(times)),
        ("amount", Arc::new(amounts)),
    ];
    let plain = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
    let assignments = RecordBatch::try_from_iter([
        ("customer_id", Arc::new(Int64Array::from_iter_values(0..50)) as ArrayRef),
        ("segment", Arc::new(Int32Array::from_iter_values((0..50).map(|at| at % 3)))),
    ]);
    let assignments = Table::from_batch(assignments.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let keep = |parts: &[&str], make: crate::data::partial::Make<'_>| {
        let path = folder.path().join(blake3::hash(format!("{parts:?}").as_bytes()).to_hex().as_str());
        if !path.exists() {
            make(&path)?;
        }
        Ok(path)
    };
    for span in [Span::Day, Span::Month] {
        let divided = divide(&plain, span, "txn_timestamp").unwrap();
        let partitions = Partitions::of(&divided).unwrap();
        for grouped in [false, true] {
            let groups = || grouped.then(|| Groups::new(&assignments, None, "customer_id").unwrap());
            let one = weekly(&plain, &request(groups(), Partial::Drop)).unwrap().unwrap();
            let asked = request(groups(), Partial::Drop);
            let made = || weekly_in_parts(&divided, &partitions, &asked, &keep).unwrap().unwrap();
            let two = made();
            for name in ["series", "period", "orders", "customers"] {
                assert_eq!(one.table.column_by_name(name), two.table.column_by_name(name), "{name}");
            }
            let revenue = |made: &Weekly| columns::float_vec(&made.table, "revenue").unwrap();
            for (a, b) in revenue(&one).iter().zip(&revenue(&two)) {
                assert!((a - b).abs() <= 1e-12 * a.abs().max(1.0), "{a} {b}");
            }
            assert_eq!((one.skipped, one.unsegmented), (two.skipped, two.unsegmented));
            assert_eq!(
                (one.anonymous, one.rest, one.dropped),
                (two.anonymous, two.rest, two.dropped.clone())
            );
            assert_eq!(made().table, two.table);
        }
    }
}

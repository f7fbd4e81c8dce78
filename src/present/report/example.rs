//! Made-up tables as the stages give them, for the tests of charts and report.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use rand::RngExt;

use crate::data::Table;
use crate::model::random::Streams;

/// Names of five segments, largest first.
pub const NAMES: [&str; 5] = ["Occasional", "Loyal regulars", "Champions", "New and promising", "At risk"];

/// Customers.
pub const CUSTOMERS: usize = 2_000;

/// A table from columns.
pub fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
}

/// A table with each column passed through a function.
pub fn mapped(source: &Table, change: impl Fn(&str, &ArrayRef) -> ArrayRef) -> Table {
    let batch = source.to_batch().unwrap();
    let (schema, columns) = (batch.schema(), batch.columns());
    let names = schema.fields().iter().map(|field| field.name().as_str());
    table(names.zip(columns).map(|(name, column)| (name, change(name, column))).collect())
}

/// A text column.
pub fn texts<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> ArrayRef {
    Arc::new(values.into_iter().map(|value| Some(value.as_ref().to_owned())).collect::<StringArray>())
}

/// A column of numbers.
pub fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

/// A column of whole numbers.
pub fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

/// A column of small whole numbers.
pub fn small(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int32Array>())
}

/// A column of dates, in days since 1970-01-01.
pub fn dates(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values(values))
}

/// A column of true and false.
pub fn flags(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<BooleanArray>())
}

fn segment_of(customer: usize) -> usize {
    [0, 0, 0, 0, 1, 1, 1, 2, 3, 4][customer % 10]
}

/// What is random about a customer: three numbers around 1.
fn draws(customer: usize) -> [f64; 3] {
    let mut rng = Streams::new(7, "example").of(customer as u64);
    [(); 3].map(|()| {
        let sum: f64 = (0..6).map(|_| rng.random::<f64>()).sum();
        (sum - 3.0).exp().sqrt()
    })
}

fn id(customer: usize) -> String {
    format!("C{customer:05}")
}

/// One row a customer.
pub fn features() -> Table {
    let customers = || (0..CUSTOMERS).map(|at| (segment_of(at), draws(at)));
    let frequency = [3.0, 14.0, 38.0, 2.0, 9.0];
    let recency = [90.0, 25.0, 8.0, 15.0, 200.0];
    let amount = [40.0, 55.0, 85.0, 35.0, 60.0];
    let orders = |(segment, draw): (usize, [f64; 3])| (frequency[segment] * draw[0]).round().max(1.0);
    let spent = |(segment, draw): (usize, [f64; 3])| orders((segment, draw)) * amount[segment] * draw[1];
    table(vec![
        ("customer_id", texts((0..CUSTOMERS).map(id))),
        ("recency_days", floats(customers().map(|(s, d)| (recency[s] * d[2]).round()))),
        ("frequency", floats(customers().map(orders))),
        ("monetary", floats(customers().map(spent))),
        ("mean_amount", floats(customers().map(|(s, d)| amount[s] * d[1]))),
        ("tenure_days", floats(customers().map(|(s, d)| if s == 3 { 50.0 } else { 700.0 } * d[2]))),
        ("channel_online", floats(customers().map(|(_, d)| (d[0] / 3.0).min(1.0)))),
    ])
}

/// One row a customer.
pub fn segments() -> Table {
    table(vec![
        ("customer_id", texts((0..CUSTOMERS).map(id))),
        ("segment", small((0..CUSTOMERS).map(|at| segment_of(at) as i32))),
        ("distance", floats((0..CUSTOMERS).map(|at| draws(at)[2]))),
    ])
}

/// One row a segment.
pub fn profile() -> Table {
    let share = [0.4, 0.3, 0.1, 0.1, 0.1];
    let revenue = [98_112.0, 471_040.0, 662_377.0, 14_903.0, 108_995.0];
    let total: f64 = revenue.iter().sum();
    table(vec![
        ("segment", small(0..5)),
        ("name", texts(NAMES)),
        ("customers", ints(share.iter().map(|share| (share * CUSTOMERS as f64) as i64))),
        ("customer_share", floats(share)),
        ("revenue", floats(revenue)),
        ("revenue_share", floats(revenue.map(|value| value / total))),
        ("recency_days", floats([93.0, 26.0, 8.3, 15.4, 206.0])),
        ("frequency", floats([3.1, 14.2, 38.6, 2.1, 9.2])),
        ("monetary", floats([122.6, 785.1, 3_311.9, 74.5, 545.0])),
        ("mean_amount", floats([41.0, 56.0, 86.0, 36.0, 61.0])),
    ])
}

/// One row a segment and feature.
pub fn differences() -> Table {
    let features = ["recency_days", "frequency", "monetary", "mean_amount", "tenure_days", "channel_online"];
    let values = [
        [0.3, -0.6, -0.5, -0.4, 0.1, -0.1],
        [-0.5, 0.4, 0.2, 0.1, 0.2, 0.1],
        [-0.8, 2.3, 2.6, 1.4, 0.2, 0.5],
        [-0.7, -0.7, -0.6, -0.6, -2.1, 0.3],
        [2.4, 0.1, 0.0, 0.3, 0.2, -0.2],
    ];
    let cells = || (0..5).flat_map(|segment| (0..6).map(move |feature| (segment, feature)));
    table(vec![
        ("segment", small(cells().map(|(segment, _)| segment as i32))),
        ("name", texts(cells().map(|(segment, _)| NAMES[segment]))),
        ("feature", texts(cells().map(|(_, feature)| features[feature]))),
        ("mean", floats(cells().map(|(s, f)| values[s][f] + 5.0))),
        ("overall_mean", floats(cells().map(|_| 5.0))),
        ("difference", floats(cells().map(|(s, f)| values[s][f]))),
    ])
}

/// One row a number of segments.
pub fn selection() -> Table {
    table(vec![
        ("k", small(2..=9)),
        ("inertia", floats([11_390.0, 8_987.0, 7_524.0, 6_478.0, 5_909.0, 5_509.0, 5_148.0, 4_835.0])),
        ("silhouette", floats([0.249, 0.292, 0.3, 0.268, 0.263, 0.255, 0.26, 0.253])),
        ("davies_bouldin", floats([1.42, 1.25, 1.23, 1.23, 1.25, 1.21, 1.24, 1.27])),
    ])
}

const WEEKS: i32 = 156;
const AHEAD: i32 = 13;
/// Monday, 2 January 2023.
const START: i32 = 19_359;

fn revenue(segment: usize, week: i32) -> f64 {
    let level = [640.0, 3_020.0, 4_240.0, 95.0, 700.0][segment];
    let trend = [0.0, 0.001, 0.003, 0.02, -0.004][segment];
    let season = 1.0 + 0.25 * (std::f64::consts::TAU * f64::from(week - 48) / 52.0).cos().powi(5);
    let noise = 1.0 + 0.12 * (draws(segment * 1_000 + week as usize)[0] - 1.0);
    level * (1.0 + trend * f64::from(week)) * season * noise
}

/// One row a segment and week.
pub fn series() -> Table {
    let cells = || (0..5).flat_map(|segment| (0..WEEKS).map(move |week| (segment, week)));
    table(vec![
        ("series", texts(cells().map(|(segment, _)| NAMES[segment]))),
        ("period", dates(cells().map(|(_, week)| START + 7 * week))),
        ("revenue", floats(cells().map(|(segment, week)| revenue(segment, week)))),
        ("orders", ints(cells().map(|(segment, week)| (revenue(segment, week) / 50.0) as i64))),
        ("customers", ints(cells().map(|(segment, week)| (revenue(segment, week) / 60.0) as i64))),
    ])
}

/// One row a segment and week ahead.
pub fn forecast() -> Table {
    let cells = || (0..5).flat_map(|segment| (WEEKS..WEEKS + AHEAD).map(move |week| (segment, week)));
    let ends = |sign: f64| {
        move |(segment, week): (usize, i32)| {
            revenue(segment, week) * (1.0 + sign * (0.1 + 0.008 * f64::from(week - WEEKS)))
        }
    };
    table(vec![
        ("series", texts(cells().map(|(segment, _)| NAMES[segment]))),
        ("period", dates(cells().map(|(_, week)| START + 7 * week))),
        ("model", texts(cells().map(|_| "theta"))),
        ("mean", floats(cells().map(ends(0.0)))),
        ("lower", floats(cells().map(ends(-1.0)))),
        ("upper", floats(cells().map(ends(1.0)))),
    ])
}

/// One row a model, segment, fold and week ahead.
pub fn backtest() -> Table {
    let cells = || {
        (0..5).flat_map(|segment| {
            (0..4).flat_map(move |fold| {
                (0..AHEAD).map(move |week| (segment, fold, 100 + 13 * fold + week, week))
            })
        })
    };
    let predicted = |(segment, _, week, ahead): (usize, i32, i32, i32)| {
        revenue(segment, week) * (1.0 + 0.06 * (draws((week * 7 + ahead) as usize)[1] - 1.0))
    };
    table(vec![
        ("series", texts(cells().map(|(segment, ..)| NAMES[segment]))),
        ("model", texts(cells().map(|_| "theta"))),
        ("fold", small(cells().map(|(_, fold, ..)| fold))),
        ("horizon", small(cells().map(|(.., ahead)| ahead + 1))),
        ("period", dates(cells().map(|(_, _, week, _)| START + 7 * week))),
        ("actual", floats(cells().map(|(segment, _, week, _)| revenue(segment, week)))),
        ("predicted", floats(cells().map(predicted))),
    ])
}

/// One row a model.
pub fn scores() -> Table {
    table(vec![
        ("model", texts(["theta", "ets", "seasonal_naive", "mean"])),
        ("series", texts(["all"; 4])),
        ("rmse", floats([701.0, 752.0, 936.0, 1_402.0])),
        ("mae", floats([498.0, 541.0, 655.0, 1_120.0])),
        ("mase", floats([0.78, 0.85, 1.02, 1.74])),
        ("wape", floats([0.112, 0.121, 0.147, 0.251])),
        ("folds", ints([6; 4])),
    ])
}

/// One row a customer.
pub fn churn() -> Table {
    let risk = [0.5, 0.15, 0.05, 0.35, 0.85];
    let of = |at: usize| (risk[segment_of(at)] * draws(at)[2]).clamp(0.01, 0.99);
    let band = |p: f64| {
        if p < 0.33 {
            "low"
        } else if p < 0.66 {
            "medium"
        } else {
            "high"
        }
    };
    table(vec![
        ("customer_id", texts((0..CUSTOMERS).map(id))),
        ("probability", floats((0..CUSTOMERS).map(of))),
        ("band", texts((0..CUSTOMERS).map(|at| band(of(at))))),
    ])
}

/// One row a model.
pub fn churn_models() -> Table {
    table(vec![
        ("model", texts(["gradient boosting", "logistic", "recency rule"])),
        ("auc", floats([0.871, 0.846, 0.802])),
        ("accuracy", floats([0.812, 0.795, 0.761])),
        ("brier", floats([0.134, 0.147, 0.181])),
        ("log_loss", floats([0.412, 0.451, 0.588])),
        ("chosen", flags([true, false, false])),
    ])
}

/// One row a customer: what they are worth.
pub fn value() -> Table {
    let [alive, purchases, spend] =
        [[0.7, 0.9, 0.98, 0.6, 0.2], [1.0, 4.0, 11.0, 0.6, 0.8], [30.0, 40.0, 55.0, 28.0, 33.0]];
    let of = |values: [f64; 5], at: usize| values[segment_of(at)] * draws(at)[1];
    table(vec![
        ("customer_id", texts((0..CUSTOMERS).map(id))),
        ("alive", floats((0..CUSTOMERS).map(|at| of(alive, at).clamp(0.01, 0.999)))),
        ("expected_purchases", floats((0..CUSTOMERS).map(|at| of(purchases, at)))),
        ("value", floats((0..CUSTOMERS).map(|at| of(purchases, at) * spend[segment_of(at)]))),
    ])
}

/// One row a model of value, and one for a plain guess.
pub fn value_models() -> Table {
    table(vec![
        ("model", texts(["bgnbd", "mbgnbd", "past_rate"])),
        ("horizon_days", small([365; 3])),
        ("value", floats([412_000.0, f64::NAN, f64::NAN])),
        ("value_low", floats([398_000.0, f64::NAN, f64::NAN])),
        ("value_high", floats([427_000.0, f64::NAN, f64::NAN])),
        ("holdout_mae", floats([0.84, 0.86, 1.31])),
        ("holdout_bias", floats([0.03, 0.02, 0.41])),
        ("chosen", flags([true, false, false])),
    ])
}

/// One row a check of a model of value.
pub fn value_verdicts() -> Table {
    table(vec![
        ("model", texts(["bgnbd", "mbgnbd", "gamma_gamma"])),
        ("verdict", texts(["ok", "failed", "doubtful"])),
        (
            "reason",
            texts(["customers leave", "drop-out can't be told", "who buys more often spends more at a time"]),
        ),
    ])
}

/// One row a feature.
pub fn importance() -> Table {
    table(vec![
        (
            "feature",
            texts([
                "recency_days",
                "mean_gap_days",
                "frequency",
                "monetary",
                "tenure_days",
                "channel_online",
            ]),
        ),
        ("importance", floats([0.41, 0.22, 0.16, 0.1, 0.08, 0.03])),
    ])
}

/// One row a bin.
pub fn reliability() -> Table {
    let predicted = [0.04, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95];
    let observed = [0.05, 0.13, 0.27, 0.33, 0.49, 0.52, 0.68, 0.71, 0.88, 0.94];
    table(vec![
        ("bin", small(0..10)),
        ("predicted", floats(predicted)),
        ("observed", floats(observed)),
        ("customers", ints([412, 388, 260, 181, 143, 122, 118, 131, 140, 105])),
    ])
}

/// A sweep over three parameters, one row a variant.
pub fn sweep() -> Table {
    let mut rows: Vec<(f64, i64, f64, &str)> = Vec::new();
    for k in 2..10_i64 {
        for tolerance in [1e-5, 1e-4, 1e-3, 1e-2] {
            for scale in ["robust", "standard"] {
                let near = (k as f64 - 5.0).powi(2) / 60.0 + (libm::log10(tolerance) + 4.0).powi(2) / 40.0;
                rows.push((0.42 - near - if scale == "robust" { 0.0 } else { 0.05 }, k, tolerance, scale));
            }
        }
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let name = |row: &(f64, i64, f64, &str)| format!("k={}, tolerance={}, scale={}", row.1, row.2, row.3);
    table(vec![
        ("rank", small(1..=64)),
        ("variant", texts(rows.iter().map(name))),
        ("segments.k", ints(rows.iter().map(|row| row.1))),
        ("segments.tolerance", floats(rows.iter().map(|row| row.2))),
        ("segments.scale", texts(rows.iter().map(|row| row.3.to_owned()))),
        ("segments.silhouette", floats(rows.iter().map(|row| row.0))),
    ])
}

/// One row a variant.
pub fn leaderboard() -> Table {
    let ks = ["4", "3", "4", "5", "3", "6", "5", "6"];
    let algorithms = ["kmeans", "kmeans", "gmm", "kmeans", "gmm", "kmeans", "gmm", "gmm"];
    table(vec![
        ("rank", small(1..=8)),
        (
            "variant",
            texts(ks.iter().zip(algorithms).map(|(k, algorithm)| format!("k={k}, algorithm={algorithm}"))),
        ),
        ("segments.k", texts(ks)),
        ("segments.algorithm", texts(algorithms)),
        ("segments.silhouette", floats([0.3, 0.292, 0.281, 0.268, 0.266, 0.263, 0.241, 0.202])),
    ])
}

/// One row a check.
pub fn quality() -> Table {
    table(vec![
        ("rule", small([1, 1, 2, 3])),
        ("check", texts(["missing", "min", "allowed", "unique"])),
        ("column", texts(["amount", "amount", "channel", "transaction_id"])),
        ("severity", texts(["error", "warning", "error", "error"])),
        ("passed", flags([true, false, true, true])),
        ("checked", ints([1_204_118; 4])),
        ("failing", ints([0, 4_816, 0, 0])),
        ("share", floats([0.0, 0.004, 0.0, 0.0])),
        (
            "message",
            texts([
                "no value is missing",
                "0.4 % of amounts are below 0.01",
                "all values are allowed",
                "no row repeats",
            ]),
        ),
    ])
}

/// A folder for files to look at, beside the compiled tests.
pub fn folder() -> std::path::PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.ancestors().nth(2).unwrap().join("custem-present");
    fs_err::create_dir_all(&folder).unwrap();
    folder
}

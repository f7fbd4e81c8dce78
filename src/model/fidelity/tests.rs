//! Scores against those that SDMetrics prints, and what floors, ceilings and classifiers say of tables that are known.

use std::collections::BTreeMap;

use super::*;
use crate::model::mixed::MISSING;
use trends::Trend;

const REAL: &str = include_str!("sdmetrics/real.csv");
const SYNTHETIC: &str = include_str!("sdmetrics/synthetic.csv");

fn cells(csv: &str) -> Vec<Vec<&str>> {
    csv.lines().map(|line| line.split(',').collect()).collect()
}

/// Nanoseconds since 1970, as pandas counts.
fn nanoseconds(day: &str) -> f64 {
    let parts: Vec<i64> = day.split('-').map(|part| part.parse().unwrap()).collect();
    // Days of the civil calendar, by Hinnant's algorithm.
    let (month, day) = (parts[1], parts[2]);
    let year = if month <= 2 { parts[0] - 1 } else { parts[0] };
    let of_era = year % 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = year / 400 * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (days * 86_400_000_000_000) as f64
}

/// The demo's columns: dates and numbers as numbers, all else as categories that both tables share.
fn tables() -> (Vec<String>, Vec<Column>, Vec<Column>) {
    let (real, synthetic) = (cells(REAL), cells(SYNTHETIC));
    let names: Vec<String> = real[0].iter().map(|name| (*name).to_owned()).collect();
    let mut tables = (Vec::new(), Vec::new());
    for (at, name) in names.iter().enumerate() {
        let column = |table: &[Vec<&'static str>]| -> Vec<&'static str> {
            table[1..].iter().map(|row| row[at]).collect()
        };
        let (one, two) = (column(&real), column(&synthetic));
        let date = name.ends_with("_date");
        let number = |cell: &&str| if date { nanoseconds(cell) } else { cell.parse().unwrap() };
        if date || one.iter().all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok()) {
            let numbers = |cells: &[&str]| {
                Column::Numbers(
                    cells.iter().map(|cell| if cell.is_empty() { f64::NAN } else { number(cell) }).collect(),
                )
            };
            tables.0.push(numbers(&one));
            tables.1.push(numbers(&two));
            continue;
        }
        let mut known: BTreeMap<&str, u32> = BTreeMap::new();
        let mut codes = |cells: &[&'static str]| -> Vec<u32> {
            let code = |cell: &&'static str| {
                let next = known.len() as u32;
                if cell.is_empty() { MISSING } else { *known.entry(cell).or_insert(next) }
            };
            cells.iter().map(code).collect()
        };
        let (one, two) = (codes(&one), codes(&two));
        let count = known.len() as u32;
        tables.0.push(Column::Levels { codes: one, count });
        tables.1.push(Column::Levels { codes: two, count });
    }
    (names, tables.0, tables.1)
}

/// What a file of details says in a column; NaN where a cell is empty.
fn said(csv: &str, column: &str) -> Vec<f64> {
    let cells = cells(csv);
    let at = cells[0].iter().position(|name| *name == column).unwrap();
    cells[1..].iter().map(|row| row[at].parse().unwrap_or(f64::NAN)).collect()
}

fn same(what: &str, found: &[f64], said: &[f64]) {
    assert_eq!(found.len(), said.len(), "{what}");
    for (at, (found, said)) in found.iter().zip(said).enumerate() {
        assert!(
            (found - said).abs() < 1e-12 || (found.is_nan() && said.is_nan()),
            "{what} {at}: {found}, SDMetrics says {said}"
        );
    }
}

const NONE: Thresholds = Thresholds { correlation: 0.0, association: 0.0 };

/// SDMetrics 0.32.0 on its demo: every column and pair, and the scores that its report prints.
#[test]
fn agrees_with_sdmetrics() {
    let (names, real, synthetic) = tables();
    let names_said: Vec<&str> =
        cells(include_str!("sdmetrics/shapes.csv"))[1..].iter().map(|row| row[0]).collect();
    assert_eq!(names, names_said);
    let all = quality(&real, &synthetic, NONE);
    same("shapes", &all.columns, &said(include_str!("sdmetrics/shapes.csv"), "Score"));
    let details = include_str!("sdmetrics/pairs.csv");
    same(
        "pairs",
        &all.pairs.iter().map(|pair| pair.trend.score()).collect::<Vec<_>>(),
        &said(details, "Score"),
    );
    let correlations = |which: fn(f64, f64) -> f64, quality: &Quality| -> Vec<f64> {
        let value = |pair: &Pair| match pair.trend {
            Trend::Correlation { real, synthetic, .. } => which(real, synthetic),
            Trend::Contingency { .. } => f64::NAN,
        };
        quality.pairs.iter().map(value).collect()
    };
    same("real", &correlations(|real, _| real, &all), &said(details, "Real Correlation"));
    same("synthetic", &correlations(|_, synthetic| synthetic, &all), &said(details, "Synthetic Correlation"));
    same("report", &[all.overall()], &[0.838_042_498_377_066]);
    let counted = quality(&real, &synthetic, Thresholds { correlation: 0.5, association: 0.3 });
    let details = include_str!("sdmetrics/pairs_thresholds.csv");
    same(
        "counted",
        &counted.pairs.iter().map(|pair| pair.trend.score()).collect::<Vec<_>>(),
        &said(details, "Score"),
    );
    let association = |pair: &Pair| match pair.trend {
        Trend::Contingency { association, .. } => association,
        Trend::Correlation { .. } => f64::NAN,
    };
    same(
        "association",
        &counted.pairs.iter().map(association).collect::<Vec<_>>(),
        &said(details, "Real Association"),
    );
    same("report", &[counted.overall()], &[0.776_727_075_358_506_3]);
}

/// numpy 2.4.6: `np.digitize(x, np.histogram_bin_edges(x[~np.isnan(x)]))`.
#[test]
fn bins_are_numpys() {
    assert_eq!(trends::binned(&[0.0, 1.0, 2.5, 9.999, 10.0, f64::NAN]), [1, 2, 3, 10, 11, 11]);
    assert_eq!(trends::binned(&[3.0, 3.0]), [6, 6]);
    assert_eq!(trends::binned(&[f64::NAN]), [11]);
}

#[test]
fn a_copy_is_perfect_and_a_shuffle_keeps_shapes_only() {
    let (_, real, _) = tables();
    let same = quality(&real, &real, NONE);
    assert_eq!((same.shapes, same.trends), (1.0, 1.0));
    let floor = quality(&real, &shuffled(&real, 1), NONE);
    assert_eq!(floor.shapes, 1.0);
    let ceiling = quality(&real, &bootstrapped(&real, 215, 1), NONE);
    assert!(floor.trends < 0.9 && ceiling.trends > 0.92, "{} {}", floor.trends, ceiling.trends);
}

#[test]
fn what_has_no_values_has_no_score() {
    let gone = [Column::Numbers(vec![f64::NAN; 3]), Column::Levels { codes: vec![MISSING; 3], count: 0 }];
    let scores = quality(&gone, &gone, NONE);
    assert!(scores.columns.iter().all(|score| score.is_nan()) && scores.shapes.is_nan());
    let constant = [Column::Numbers(vec![1.0; 3]), Column::Numbers(vec![1.0, 2.0, 3.0])];
    let scores = quality(&constant, &constant, NONE);
    assert!(scores.trends.is_nan() && scores.overall() == 1.0, "the correlation is undefined");
    let category = [Column::Levels { codes: vec![0; 3], count: 1 }, constant[1].clone()];
    assert_eq!(quality(&category, &category, NONE).trends, 1.0);
}

/// Two related numbers and a category, drawn anew for each seed.
fn drawn(rows: usize, seed: u64) -> Vec<Column> {
    let mut rng = Streams::new(seed, "fidelity test").of(0);
    let (mut x, mut y, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let (a, b): (f64, f64) = (rng.random(), rng.random());
        x.push(a);
        y.push(a + 0.3 * b);
        codes.push(u32::from(a + b > 1.0));
    }
    vec![Column::Numbers(x), Column::Numbers(y), Column::Levels { codes, count: 2 }]
}

#[test]
fn trees_cannot_tell_like_from_like_but_find_a_shuffle() {
    let (one, two) = (drawn(600, 1), drawn(600, 2));
    let alike = utility::two_sample(&one, &two, 600, 0).unwrap();
    assert!((alike - 0.5).abs() < 0.08, "{alike}");
    let apart = utility::two_sample(&one, &shuffled(&two, 3), 600, 0).unwrap();
    assert!(apart > 0.8, "{apart}");
    assert_eq!(utility::two_sample(&drawn(1, 1), &two, 600, 0), None);
}

#[test]
fn learning_from_like_rows_is_as_good_and_from_shuffled_ones_is_not() {
    let (train, test, like) = (drawn(500, 1), drawn(500, 2), drawn(500, 3));
    let mean_ratio = |made: &[Column]| {
        let tasks = utility::tasks(&train, &test, made, &[0, 1, 2], 0);
        assert_eq!(tasks.len(), 3);
        mean(tasks.iter().map(|task| task.ratio()))
    };
    assert!((mean_ratio(&like) - 1.0).abs() < 0.02);
    assert!(mean_ratio(&shuffled(&like, 1)) < 0.75);
}

//! What a copula keeps of a table, and what it does with hardly any.

use rand::RngExt;

use super::*;

/// Rows with a half-zero amount that goes with a category, and a date-like number that is missing with the amount's zero.
fn table(rows: usize) -> Vec<Column> {
    let mut rng = Streams::new(4, "copula test").of(0);
    let (mut amounts, mut codes, mut days) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let z = draw(&mut rng);
        let code = u32::from(z + 0.5 * draw(&mut rng) > 0.4);
        let amount = if z > 0.0 { (libm::exp(z) * 100.0).round() / 100.0 } else { 0.0 };
        amounts.push(amount);
        codes.push(if rng.random::<f64>() < 0.05 { MISSING } else { code });
        let gone = z < 0.0 && rng.random::<f64>() < 0.6;
        days.push(if gone { f64::NAN } else { (100.0 * z + 20.0 * draw(&mut rng)).round() });
    }
    vec![Column::Numbers(amounts), Column::Levels { codes, count: 2 }, Column::Numbers(days)]
}

fn numbers(column: &Column) -> &[f64] {
    let Column::Numbers(values) = column else { panic!("no numbers") };
    values
}

fn codes(column: &Column) -> &[u32] {
    let Column::Levels { codes, .. } = column else { panic!("no levels") };
    codes
}

fn close(what: &str, one: f64, two: f64, tolerance: f64) {
    assert!((one - two).abs() < tolerance, "{what}: {one} and {two}");
}

#[test]
fn atoms_missing_shares_and_dependence_are_kept() {
    let real = table(20_000);
    let made = fit(&real).sample(20_000, 1, &[]).unwrap();
    let zeros = |columns: &[Column]| {
        numbers(&columns[0]).iter().filter(|value| **value == 0.0).count() as f64 / 20_000.0
    };
    close("zeros", zeros(&real), zeros(&made), 0.01);
    for column in 0..3 {
        let share = |columns: &[Column]| columns[column].missing() as f64 / 20_000.0;
        close("missing", share(&real), share(&made), 0.01);
    }
    // Days are missing where there is no amount, and categories go with amounts.
    let together = |columns: &[Column]| {
        let rows = numbers(&columns[0]).iter().zip(numbers(&columns[2]));
        rows.filter(|(amount, day)| **amount == 0.0 && day.is_nan()).count() as f64 / 20_000.0
    };
    close("missing with zero", together(&real), together(&made), 0.03);
    let with = |columns: &[Column]| {
        let rows = numbers(&columns[0]).iter().zip(codes(&columns[1]));
        rows.filter(|(amount, code)| **amount > 0.0 && **code == 1).count() as f64 / 20_000.0
    };
    close("category with amount", with(&real), with(&made), 0.03);
    assert!(numbers(&made[0]).iter().all(|value| (value * 100.0).round() / 100.0 == *value), "two decimals");
}

#[test]
fn rows_follow_from_the_seed_at_any_thread_count() {
    let fitted = || fit(&table(3_000)).sample(5_000, 7, &[]).unwrap();
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(fitted);
    let bits = |columns: Vec<Column>| -> Vec<u64> {
        let all = columns.into_iter().flat_map(|column| match column {
            Column::Numbers(values) => values.into_iter().map(f64::to_bits).collect::<Vec<_>>(),
            Column::Levels { codes, .. } => codes.into_iter().map(u64::from).collect(),
        });
        all.collect()
    };
    let (one, two) = (bits(on(1)), bits(on(2)));
    assert!(one == two, "other rows on two threads");
    let copula = fit(&table(3_000));
    let (few, more) = (copula.sample(100, 7, &[]).unwrap(), copula.sample(5_000, 7, &[]).unwrap());
    assert_eq!(numbers(&few[0]), &numbers(&more[0])[..100], "more rows begin with the same ones");
    assert_ne!(few[0], copula.sample(100, 8, &[]).unwrap()[0]);
}

#[test]
fn fixed_columns_condition_the_others() {
    let real = table(20_000);
    let copula = fit(&real);
    let mean = |columns: &[Column], keep: &dyn Fn(usize) -> bool| {
        let kept = numbers(&columns[0]).iter().enumerate().filter(|(row, _)| keep(*row));
        let values: Vec<f64> = kept.map(|(_, value)| *value).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    for level in 0..2 {
        let made = copula.sample(5_000, 3, &[(1, Given::Level(level))]).unwrap();
        assert!(codes(&made[1]).iter().all(|code| *code == level));
        let expected = mean(&real, &|row| codes(&real[1])[row] == level);
        close("amount of a level", expected, mean(&made, &|_| true), 0.15);
    }
    let given = [(1, Given::Level(1)), (2, Given::Missing)];
    let made = copula.sample(2_000, 3, &given).unwrap();
    assert!(codes(&made[1]).iter().all(|code| *code == 1) && made[2].missing() == 2_000);
    let whatever = copula.sample(2_000, 3, &given[..1]).unwrap();
    assert!(mean(&made, &|_| true) < 0.7 * mean(&whatever, &|_| true), "without a day amounts are smaller");
    let made = copula.sample(2_000, 3, &[(0, Given::Number(2.0))]).unwrap();
    assert!(numbers(&made[0]).iter().all(|value| *value == 2.0));
    let days: Vec<f64> = numbers(&made[2]).iter().copied().filter(|day| !day.is_nan()).collect();
    // An amount of 2 means a z of log 2 and a day around 69; that days are missing with zeros, a copula only nearly knows.
    close("day", 69.3, days.iter().sum::<f64>() / days.len() as f64, 12.0);
    assert_eq!(copula.sample(1, 3, &[(1, Given::Level(2))]), Err(Unable::Unseen { column: 1 }));
    assert_eq!(copula.sample(1, 3, &[(0, Given::Missing)]), Err(Unable::Unseen { column: 0 }));
}

#[test]
fn one_row_constants_and_nothing_at_all() {
    let one = [
        Column::Numbers(vec![3.5]),
        Column::Levels { codes: vec![0], count: 1 },
        Column::Numbers(vec![f64::NAN]),
        Column::Levels { codes: vec![MISSING], count: 0 },
    ];
    let made = fit(&one).sample(3, 0, &[]).unwrap();
    assert_eq!(made[0], Column::Numbers(vec![3.5; 3]));
    assert_eq!(codes(&made[1]), [0; 3]);
    assert_eq!(made[2].missing(), 3);
    assert_eq!(codes(&made[3]), [MISSING; 3]);
    assert_eq!(fit(&[]).sample(3, 0, &[]).unwrap(), []);
    assert_eq!(fit(&one).sample(0, 0, &[]).unwrap()[0], Column::Numbers(Vec::new()));
    let constant = [Column::Numbers(vec![1.0; 50]), Column::Numbers((0..50).map(f64::from).collect())];
    let made = fit(&constant).sample(50, 0, &[]).unwrap();
    assert_eq!(made[0], constant[0]);
}

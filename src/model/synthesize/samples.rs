//! A table to learn in tests.

use rand::RngExt;

use super::normal::draw;
use crate::model::mixed::{Column, MISSING};
use crate::model::random::Streams;

/// Rows of a number with two modes that go with a category, a category, a number with an atom and missing values, and a category of
/// three.
pub(super) fn table(rows: usize) -> Vec<Column> {
    let mut rng = Streams::new(11, "synthesize samples").of(0);
    let (mut x, mut plan, mut spend, mut region) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let pro = rng.random::<f64>() < 0.4;
        x.push(if pro { 100.0 + 5.0 * draw(&mut rng) } else { 20.0 + 8.0 * draw(&mut rng) });
        plan.push(if rng.random::<f64>() < 0.05 { MISSING } else { u32::from(pro) });
        let amount = if rng.random::<f64>() < 0.3 {
            0.0
        } else {
            (libm::exp(3.0 + 0.5 * draw(&mut rng)) * 100.0).round() / 100.0
        };
        spend.push(if rng.random::<f64>() < 0.1 { f64::NAN } else { amount });
        region.push(rng.random_range(0..3));
    }
    vec![
        Column::Numbers(x),
        Column::Levels { codes: plan, count: 2 },
        Column::Numbers(spend),
        Column::Levels { codes: region, count: 3 },
    ]
}

/// Holds shares of a made table against those of the real one: of the upper mode, of the category, of both together, of zeros, of
/// missing values.
pub(super) fn close_to(real: &[Column], made: &[Column], tolerance: f64) {
    let shares = |columns: &[Column]| -> Vec<f64> {
        let (Column::Numbers(x), Column::Levels { codes, .. }, Column::Numbers(spend)) =
            (&columns[0], &columns[1], &columns[2])
        else {
            panic!("other columns")
        };
        let count = x.len() as f64;
        let share = |of: &dyn Fn(usize) -> bool| (0..x.len()).filter(|row| of(*row)).count() as f64 / count;
        vec![
            share(&|row| x[row] > 60.0),
            share(&|row| codes[row] == 1),
            share(&|row| x[row] > 60.0 && codes[row] == 1),
            share(&|row| spend[row] == 0.0),
            share(&|row| spend[row].is_nan()),
        ]
    };
    let (real, made) = (shares(real), shares(made));
    for (at, (real, made)) in real.iter().zip(&made).enumerate() {
        assert!((real - made).abs() < tolerance, "share {at}: {real} and {made}");
    }
}

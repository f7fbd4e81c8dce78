//! Against Prophet's own tests, and Prophet with Newton's method, which ends at the most probable parameters (its L-BFGS stops
//! before).

use super::published::{DAYS, VALUES, WEEKS};
use super::{Growth, Options, Scaling, Seasons, WEEK, YEAR, design::Design, fit};

fn days() -> Vec<f64> {
    DAYS.iter().map(|day| f64::from(*day)).collect()
}

fn close(found: f64, published: f64, share: f64) {
    assert!((found / published - 1.0).abs() < share, "{found} is not {published}");
}

/// `test_fit_predict_newton` of prophet 1.5.0: 480 days, the 30 after them. The parameters are what it prints.
#[test]
fn the_most_probable_parameters_are_those_of_prophet() {
    let (known, after) = VALUES.split_at(VALUES.len() - 30);
    let days = days();
    for (scaling, rmse, slope, offset, sigma) in [
        (Scaling::AbsMax, 23.44, -1.0622433, 0.25096188, 0.04404367),
        (Scaling::MinMax, 11.29, -1.247292, 0.14452048, 0.06119557),
    ] {
        let options = Options { scaling, cycles: vec![WEEK], ..Options::default() };
        let found = fit(&days[..known.len()], known, &options).unwrap();
        let last = days[known.len() - 1];
        let ahead: Vec<f64> = (1..=30).map(|day| last + f64::from(day)).collect();
        let path = found.predict(&ahead);
        let squares: f64 = path.iter().zip(after).map(|(one, other)| (one - other) * (one - other)).sum();
        close((squares / 30.0).sqrt(), rmse, 1e-3);
        close(found.trend[0], slope, 1e-3);
        close(found.trend[1], offset, 1e-3);
        close(found.sigma, sigma, 1e-3);
    }
}

/// Prophet 1.5.0, `fit(algorithm="Newton")` on three years of weeks, the twelve weeks after them.
#[test]
fn years_of_weeks_added_and_multiplied() {
    let days: Vec<f64> = (0..156).map(|week| 19_359.0 + 7.0 * f64::from(week)).collect();
    let ahead: Vec<f64> = (1..=12).map(|week| days[155] + 7.0 * f64::from(week)).collect();
    let path = |seasons| {
        let options = Options { seasons, cycles: vec![YEAR], ..Options::default() };
        fit(&days, &WEEKS, &options).unwrap().predict(&ahead)
    };
    let added = [
        71184.445, 71987.958, 73331.009, 75113.856, 76570.411, 77175.312, 77072.952, 76681.337, 76134.13,
        75292.925, 74224.29, 73416.917,
    ];
    path(Seasons::Additive).iter().zip(added).for_each(|(one, other)| close(*one, other, 1e-4));
    let multiplied = [
        72606.503, 73861.7, 75560.705, 77575.459, 79198.326, 79962.072, 79973.841, 79544.364, 78760.137,
        77581.287, 76254.732, 75383.003,
    ];
    path(Seasons::Multiplicative).iter().zip(multiplied).for_each(|(one, other)| close(*one, other, 1e-3));
}

/// `test_fourier_series_weekly` of prophet 1.5.0: the columns of the first day.
#[test]
fn columns_of_a_week() {
    let options = Options { cycles: vec![WEEK], ..Options::default() };
    let design = Design::new(&days(), &VALUES, &options).unwrap();
    let published = [0.7818315, 0.6234898, 0.9749279, -0.2225209, 0.4338837, -0.9009689];
    for (one, other) in design.seasonal(f64::from(DAYS[0])).iter().zip(published) {
        assert!((one - other).abs() < 1e-6);
    }
    assert_eq!(design.changes(), 25);
}

/// What happens on some days alone is found, and foretold of the next such day.
#[test]
fn holidays() {
    let days: Vec<f64> = (0..200).map(f64::from).collect();
    let special: Vec<f64> = (0..21).map(|number| 10.0 * f64::from(number)).collect();
    let value = |day: &f64| 100.0 + if day % 10.0 == 0.0 { 30.0 } else { 0.0 };
    let values: Vec<f64> = days.iter().map(value).collect();
    let options = Options { holidays: vec![special], ..Options::default() };
    let path = fit(&days, &values, &options).unwrap().predict(&[200.0, 201.0]);
    close(path[0], 130.0, 1e-3);
    close(path[1], 100.0, 1e-3);
}

#[test]
fn values_that_say_little() {
    let options = Options { cycles: vec![WEEK], ..Options::default() };
    assert_eq!(fit(&[1.0], &[2.0], &options), None);
    assert_eq!(fit(&[1.0, 1.0], &[2.0, 3.0], &options), None);
    for seasons in [Seasons::Additive, Seasons::Multiplicative] {
        for growth in [Growth::Linear, Growth::Flat] {
            let options = Options { seasons, growth, ..options.clone() };
            for values in [[0.0; 12], [7.0; 12]] {
                let days: Vec<f64> = (0..12).map(f64::from).collect();
                let path = fit(&days, &values, &options).unwrap().predict(&[12.0, 13.0]);
                assert!(
                    path.iter().all(|value| (value - values[0]).abs() < 0.05),
                    "{seasons:?} {growth:?} {path:?}"
                );
            }
            let path = fit(&[0.0, 7.0], &[1.0, 2.0], &options).unwrap().predict(&[14.0]);
            assert!(path[0].is_finite());
        }
    }
}

//! What holds for every mixture, and what happens to points that are none.

use super::{Covariance, Fit, GaussianMixture, Init, gaussian_mixture};
use crate::model::cluster::draw::unit;
use crate::model::cluster::{Error, Partition, Points, adjusted_rand};
use crate::model::random::Streams;

const ALL: [Covariance; 4] =
    [Covariance::Full, Covariance::Tied, Covariance::Diagonal, Covariance::Spherical];

fn request(k: usize, covariance: Covariance) -> GaussianMixture {
    let (init, tolerance, regularisation) = (Init::Both, 1e-6, 1e-6);
    GaussianMixture {
        k,
        covariance,
        starts: 4,
        init,
        max_iterations: 500,
        tolerance,
        regularisation,
        seed: 3,
    }
}

fn fit(points: &Points, request: &GaussianMixture) -> Result<Fit, Error> {
    gaussian_mixture(points, request, &|| false, &|_| ())
}

/// Sums of three uniform numbers around three places, stretched along a diagonal in the last.
fn clouds(rows: usize) -> (Points, Vec<usize>) {
    let mut rng = Streams::new(5, "clouds").of(0);
    let mut bell = || (0..3).map(|_| unit(&mut rng)).sum::<f64>() - 1.5;
    let row = |at: usize| {
        let (a, b) = (bell(), bell());
        match at % 3 {
            0 => [a, b],
            1 => [8.0 + a, 0.3 * b],
            _ => [4.0 + 3.0 * a, 6.0 + 3.0 * a + 0.5 * b],
        }
    };
    let values: Vec<f64> = (0..rows).flat_map(row).collect();
    (Points::from_rows(2, &values).unwrap(), (0..rows).map(|at| at % 3).collect())
}

#[test]
fn likelihood_never_falls_and_memberships_are_shares() {
    let (points, _) = clouds(900);
    for covariance in ALL {
        let found = fit(&points, &request(4, covariance)).unwrap();
        assert!(found.curve.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9), "{:?}", found.curve);
        assert_eq!(found.sizes.iter().sum::<usize>(), 900);
        assert!(found.sizes.windows(2).all(|pair| pair[0] >= pair[1]));
        assert!((found.mixture.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let memberships = found.mixture.memberships(&points).unwrap();
        for (at, row) in memberships.chunks(4).enumerate() {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert_eq!(row[found.labels[at] as usize], found.shares[at]);
            assert!(row.iter().all(|share| *share <= found.shares[at]));
        }
        let assigned = found.mixture.assign(&points).unwrap();
        assert_eq!((assigned.labels, assigned.distances), (found.labels, found.distances));
        assert_eq!(assigned.shares, Some(found.shares));
    }
}

#[test]
fn clouds_are_told_apart() {
    let (points, truth) = clouds(1200);
    let found = fit(&points, &request(3, Covariance::Full)).unwrap();
    let agreement = adjusted_rand(&Partition::of(&found.labels), &Partition::of(&truth)).unwrap();
    assert!(agreement > 0.99, "{agreement}");
    assert!(found.flat.is_empty());
}

/// One component is the mean and covariance (divisor n) of all rows.
#[test]
fn one_component_by_hand() {
    let points = Points::from_rows(2, &[0.0, 0.0, 2.0, 2.0, 4.0, 0.0, 2.0, 2.0]).unwrap();
    let exact = GaussianMixture { regularisation: 0.0, ..request(1, Covariance::Full) };
    let found = fit(&points, &exact).unwrap();
    assert_eq!(found.mixture.means, [[2.0, 1.0]]);
    assert_eq!(found.mixture.covariances, [[2.0, 0.0, 1.0]]);
    assert_eq!(found.distances, [3.0_f64.sqrt(), 1.0, 3.0_f64.sqrt(), 1.0]);
    let log_density = 2.0 * libm::log(2.0 * std::f64::consts::PI) + libm::log(2.0);
    assert!((found.log_likelihood + 2.0 * log_density + 4.0).abs() < 1e-12);
    assert_eq!(found.parameters, 5);
    assert!((found.aic() - (10.0 - 2.0 * found.log_likelihood)).abs() < 1e-12);
}

#[test]
fn the_same_bits_at_any_thread_count() {
    for rows in [9_000, 300] {
        let (points, _) = clouds(rows);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let asked = GaussianMixture { max_iterations: 20, ..request(3, Covariance::Full) };
            pool.install(|| fit(&points, &asked).unwrap())
        };
        let one = with(1);
        assert_eq!(one, with(2));
        assert_eq!(one, with(5));
    }
}

#[test]
fn more_starts_are_never_worse() {
    let (points, _) = clouds(400);
    let likelihood = |starts| {
        let asked = GaussianMixture { starts, init: Init::Random, ..request(6, Covariance::Diagonal) };
        fit(&points, &asked).unwrap()
    };
    let all: Vec<(usize, f64)> =
        (1..8).map(likelihood).map(|fit| (fit.flat.len(), fit.log_likelihood)).collect();
    assert!(all.windows(2).all(|pair| pair[1].0 < pair[0].0 || pair[1].1 >= pair[0].1));
    assert!(all[6].1 > all[0].1, "other starts never led elsewhere: {all:?}");
}

#[test]
fn what_collapses_is_held_up_and_told() {
    // The second feature is twice the first one; half of all rows are equal.
    let values: Vec<f64> = (0..60)
        .flat_map(|at| {
            let x = f64::from(at.max(30));
            [x, 2.0 * x]
        })
        .collect();
    let points = Points::from_rows(2, &values).unwrap();
    for covariance in ALL {
        for regularisation in [0.0, 1e-6] {
            let found = fit(&points, &GaussianMixture { regularisation, ..request(3, covariance) }).unwrap();
            assert!(found.log_likelihood.is_finite() && found.shares.iter().all(|share| share.is_finite()));
            assert!(found.regularisation >= regularisation);
            if covariance == Covariance::Full {
                assert_eq!(found.flat.len(), 3);
            }
        }
    }
}

#[test]
fn requests_that_cannot_be_met() {
    let equal = Points::from_rows(1, &[1.0, 1.0, 2.0]).unwrap();
    for init in [Init::Kmeans, Init::Random] {
        let asked = |k| GaussianMixture { init, ..request(k, Covariance::Full) };
        assert_eq!(fit(&equal, &asked(3)).unwrap_err(), Error::TooFewDistinct { k: 3, distinct: 2 });
        assert_eq!(fit(&equal, &asked(0)).unwrap_err(), Error::NoClusters);
        assert_eq!(fit(&equal, &asked(2)).unwrap().sizes, [2, 1]);
    }
    let one = Points::from_rows(2, &[1.0, 5.0]).unwrap();
    assert_eq!(fit(&one, &request(1, Covariance::Tied)).unwrap().shares, [1.0]);
    let stopped = gaussian_mixture(&equal, &request(2, Covariance::Full), &|| true, &|_| ());
    assert_eq!(stopped.unwrap_err(), Error::Stopped);
    let (points, _) = clouds(60);
    let mixture = fit(&points, &request(2, Covariance::Tied)).unwrap().mixture;
    assert_eq!(mixture.assign(&equal).unwrap_err(), Error::Lengths { expected: 1, found: 2 });
}

#[test]
fn many_features_and_few_rows() {
    let mut rng = Streams::new(5, "wide").of(0);
    let values: Vec<f64> = (0..40 * 60).map(|_| unit(&mut rng)).collect();
    let points = Points::from_rows(60, &values).unwrap();
    let found = fit(&points, &GaussianMixture { starts: 2, ..request(2, Covariance::Full) }).unwrap();
    assert!(found.log_likelihood.is_finite());
    assert_eq!(found.flat.len(), 2);
}

#[test]
fn json_keeps_every_bit() {
    let (points, _) = clouds(90);
    let mixture = fit(&points, &request(2, Covariance::Full)).unwrap().mixture;
    let json = serde_json::to_string(&mixture).unwrap();
    assert_eq!(serde_json::from_str::<super::Mixture>(&json).unwrap(), mixture);
}

//! Mixtures against what scikit-learn 1.9.1 (BSD-3) and mclust print for the iris measurements.
//!
//! scikit-learn: the best of 180 starts with tolerance 1e-9 and its own regularisation of 1e-6; for three full
//! components the best of its starts from k-means, because one of the others falls upon 29 equal widths. mclust agrees
//! on the full and tied ones.

use super::{Covariance, Fit, GaussianMixture, Init, gaussian_mixture};
use crate::model::cluster::Points;
use crate::model::cluster::iris::IRIS;

fn best(k: usize, covariance: Covariance) -> Fit {
    let points = Points::from_rows(4, IRIS.as_flattened()).unwrap();
    let request = GaussianMixture {
        k,
        covariance,
        starts: 20,
        init: Init::Both,
        max_iterations: 2000,
        tolerance: 1e-9,
        regularisation: 1e-6,
        seed: 1,
    };
    gaussian_mixture(&points, &request, &|| false, &|_| ()).unwrap()
}

/// Log-likelihood, BIC, ICL, free parameters.
type Row = (f64, f64, f64, usize);

fn compare(covariance: Covariance, rows: &[Row]) {
    for (k, (log_likelihood, bic, icl, parameters)) in (1..).zip(rows) {
        let fit = best(k, covariance);
        assert_eq!(fit.parameters, *parameters);
        let found = [fit.log_likelihood, fit.bic(), fit.icl()];
        for (found, wanted) in found.into_iter().zip([log_likelihood, bic, icl]) {
            assert!(
                (found - wanted).abs() < 1e-6 * wanted.abs(),
                "{covariance:?} {k}: {found} is not {wanted}"
            );
        }
        assert!(fit.converged && fit.flat.is_empty());
    }
}

#[test]
fn full() {
    compare(
        Covariance::Full,
        &[(-379.914_630, 829.978_155, 829.978_155, 14), (-214.354_705, 574.017_833, 574.019_099, 29)],
    );
    let three = best(3, Covariance::Full);
    assert!((three.log_likelihood + 180.1855).abs() < 1e-3, "{}", three.log_likelihood);
    assert!((three.bic() - 580.8389).abs() < 1e-3, "{}", three.bic());
}

#[test]
fn tied() {
    compare(
        Covariance::Tied,
        &[
            (-379.914_630, 829.978_155, 829.978_155, 14),
            (-296.447_575, 688.097_220, 688.098_504, 19),
            (-256.354_043, 632.963_334, 637.794_837, 24),
            (-223.048_640, 591.405_703, 597.683_363, 29),
        ],
    );
}

#[test]
fn diagonal() {
    compare(
        Covariance::Diagonal,
        &[
            (-741.017_535, 1_522.120_153, 1_522.120_153, 8),
            (-386.185_347, 857.551_494, 857.551_520, 17),
            (-306.860_461, 743.997_440, 754.919_232, 26),
            (-264.847_566, 705.067_367, 713.622_787, 35),
        ],
    );
}

#[test]
fn spherical() {
    compare(
        Covariance::Spherical,
        &[
            (-889.516_131, 1_804.085_438, 1_804.085_438, 5),
            (-478.559_096, 1_012.235_180, 1_012.235_181, 11),
            (-384.314_095, 853.808_990, 860.900_720, 17),
            (-334.286_077, 783.816_766, 797.508_920, 23),
        ],
    );
}

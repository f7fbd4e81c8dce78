//! Whether derivatives are right, and whether true parameters are found again in customers drawn from them.

use ndarray::Array2;

use super::family::Family;
use super::local::SLOTS;
use super::objective::Objective;
use super::samples::{drawn, drawn_ahead, drawn_buyers};
use super::*;

const TRUE: [(Family, [f64; SLOTS], f64); 6] = [
    (Family::Nbd, [0.8, 6.0, 1.0, 1.0], 50.0),
    (Family::BetaGeometric, [0.6, 4.0, 0.8, 2.5], 60.0),
    (Family::ModifiedBetaGeometric, [0.8, 4.0, 0.9, 3.0], 60.0),
    (Family::Pareto, [0.9, 5.0, 0.7, 12.0], 60.0),
    (Family::BetaBinomial, [1.2, 0.8, 0.7, 2.8], 8.0),
    (Family::ShiftedGeometric, [0.7, 1.5, 1.0, 1.0], 7.0),
];

fn request<'a>(family: Family, histories: &'a [History]) -> Request<'a> {
    Request { family, histories, covariates: None, penalty: 0.0, stop: &|| false }
}

/// A covariate that is one thing for every other customer, and a wave.
fn covariates(customers: usize) -> Array2<f64> {
    Array2::from_shape_fn((customers, 2), |(row, column)| match column {
        0 => (row % 2) as f64 - 0.5,
        _ => libm::sin(row as f64),
    })
}

#[test]
fn derivatives_agree_with_differences() {
    for (family, p, age) in TRUE {
        let histories = drawn(family, p, 60, age, 3);
        let covariates = covariates(60);
        let links = family.links().len();
        for with in [false, true] {
            let mut asked = request(family, &histories);
            asked.penalty = 0.01;
            asked.covariates = with.then(|| covariates.view());
            let objective = Objective::new(&asked);
            let count = family.parameters().len();
            let mut at: Vec<f64> = p[..count].iter().map(|p| libm::log(*p) + 0.1).collect();
            at.extend((0..if with { 2 * links } else { 0 }).map(|effect| 0.2 - 0.1 * effect as f64));
            let here = objective.at(&at).unwrap();
            for index in 0..at.len() {
                let moved = |by: f64| {
                    let mut moved = at.clone();
                    moved[index] += by;
                    objective.at(&moved).unwrap()
                };
                let (low, high) = (moved(-1e-5), moved(1e-5));
                let close = |found: f64, wanted: f64, what: &str| {
                    assert!(
                        (found - wanted).abs() < 1e-4 * (1.0 + wanted.abs()),
                        "{family:?} {what} {index}: {found} is not {wanted}"
                    );
                };
                close(here.gradient[index], (high.value - low.value) / 2e-5, "gradient");
                for other in 0..at.len() {
                    let wanted = (high.gradient[other] - low.gradient[other]) / 2e-5;
                    close(here.hessian.at(index, other), wanted, "hessian");
                }
            }
        }
    }
}

/// How many of the true parameters lie in their 95 % intervals, and how many there are.
fn covered(estimates: &[Estimate], truth: &[f64]) -> (usize, usize) {
    let inside = |(estimate, truth): &(&Estimate, &f64)| {
        estimate.interval.is_some_and(|(low, high)| (low..=high).contains(*truth))
    };
    (estimates.iter().zip(truth).filter(inside).count(), truth.len())
}

/// How many times customers are drawn of each model: more where `CUSTEM_DRAWS` says so, as `tests/run` does.
fn draws() -> u64 {
    std::env::var("CUSTEM_DRAWS").ok().and_then(|draws| draws.parse().ok()).unwrap_or(6)
}

/// Intervals of 95 % should hold the truth in 95 % of all cases: here in 90 to 99 %.
#[test]
fn true_parameters_lie_in_their_intervals() {
    let (mut inside, mut all) = (0, 0);
    for (family, p, age) in TRUE {
        for seed in 0..draws() {
            let histories = drawn(family, p, CUSTOMERS, age, seed);
            let found = fit(&request(family, &histories)).unwrap();
            let (hits, cases) = covered(&found.estimates(), &p[..family.parameters().len()]);
            (inside, all) = (inside + hits, all + cases);
        }
    }
    for seed in 0..draws() {
        let truth = [5.0, 4.0, 16.0];
        let found = Spend::fit(&drawn_buyers(truth, CUSTOMERS, 6, seed), &|| false).unwrap();
        let (hits, cases) = covered(&found.estimates(), &truth);
        (inside, all) = (inside + hits, all + cases);
    }
    let share = inside as f64 / all as f64;
    assert!((0.90..=0.99).contains(&share), "{inside} of {all}");
}

const CUSTOMERS: usize = 800;

/// Customers of one half buy twice as often and leave half as readily; the effects are found.
#[test]
fn effects_of_covariates_are_found() {
    let family = Family::BetaGeometric;
    let (mut histories, mut rows) = (Vec::new(), Vec::new());
    let half = libm::exp(0.35);
    for (value, [alpha, a]) in [(0.5, [4.0 / half, 0.8 / half]), (-0.5, [4.0 * half, 0.8 * half])] {
        histories.extend(drawn(family, [0.6, alpha, a, 2.5], 4_000, 60.0, 9));
        rows.extend([value; 4_000]);
    }
    let covariates = Array2::from_shape_vec((8_000, 1), rows).unwrap();
    let mut asked = request(family, &histories);
    asked.covariates = Some(covariates.view());
    let found = fit(&asked).unwrap();
    let estimates = found.estimates();
    for (estimate, truth) in estimates[4..].iter().zip([0.7, -0.7]) {
        let (low, high) = estimate.interval.unwrap();
        assert!(low < truth && truth < high && high - low < 0.6, "{estimates:?}");
    }
    let without = fit(&request(family, &histories)).unwrap();
    assert!(found.log_likelihood > without.log_likelihood + 20.0);
    let new = |value: f64| found.expected_new(&[value], 52.0);
    assert!(new(0.5) > 1.5 * new(-0.5));
}

#[test]
fn customers_who_never_leave_are_told() {
    let histories = drawn(Family::Nbd, [0.8, 6.0, 1.0, 1.0], 2_000, 60.0, 1);
    let nbd = fit(&request(Family::Nbd, &histories)).unwrap();
    for family in [Family::BetaGeometric, Family::ModifiedBetaGeometric, Family::Pareto] {
        let found = fit(&request(family, &histories)).unwrap();
        let test = no_dropout(&found, &nbd).unwrap();
        assert!(test.p_value > 0.05 && !found.findings().is_empty(), "{test:?} {found:?}");
        assert!(found.parameters.iter().all(|p| p.is_finite()) && found.log_likelihood.is_finite());
    }
    let leaving = drawn(Family::BetaGeometric, [0.6, 4.0, 0.8, 2.5], 2_000, 60.0, 1);
    let nbd = fit(&request(Family::Nbd, &leaving)).unwrap();
    let found = fit(&request(Family::BetaGeometric, &leaving)).unwrap();
    assert!(no_dropout(&found, &nbd).unwrap().p_value < 1e-6 && found.findings().is_empty(), "{found:?}");
    assert_eq!(no_dropout(&nbd, &nbd), None);
}

/// A model with known parameters.
fn known(family: Family, parameters: [f64; SLOTS]) -> Fitted {
    Fitted {
        family,
        parameters,
        effects: Vec::new(),
        log_likelihood: 0.0,
        covariance: None,
        bound: vec![false; family.parameters().len()],
        converged: true,
        evaluations: 0,
    }
}

/// Drawn customers buy as often at first as their model says: totals within four standard errors.
#[test]
fn new_customers_buy_as_often_as_expected() {
    for (family, p, _) in TRUE.into_iter().filter(|(family, ..)| *family != Family::ShiftedGeometric) {
        let (found, histories) = (known(family, p), drawn(family, p, 4_000, 20.0, 5));
        let wanted: f64 = histories.iter().map(|history| found.expected_new(&[], history.age)).sum();
        let made: f64 = histories.iter().map(|history| f64::from(history.repeats)).sum();
        let squares: f64 = histories.iter().map(|history| f64::from(history.repeats).powi(2)).sum();
        assert!((made - wanted).abs() < 4.0 * squares.sqrt(), "{family:?}: {made} is not {wanted}");
    }
}

/// And later, given what they did at first; no more than 2.5 % of them (and chance) more or less often than their
/// ranges say.
#[test]
fn customers_go_on_as_expected() {
    for (family, p, _) in TRUE.into_iter().take(4) {
        let (found, ahead) = (known(family, p), Ahead { time: 30.0, discount: 0.0 });
        let drawn = drawn_ahead(family, p, 4_000, [25.0, 30.0]);
        let [mut wanted, mut made, mut squares, mut below, mut above] = [0.0; 5];
        for (history, later) in &drawn {
            let outlook = found.outlook(history, &[], &ahead);
            (wanted, made) = (wanted + outlook.expected, made + f64::from(*later));
            squares += (f64::from(*later) - outlook.expected).powi(2);
            below += f64::from(u8::from(*later < outlook.range.0));
            above += f64::from(u8::from(*later > outlook.range.1));
        }
        assert!((made - wanted).abs() < 4.0 * squares.sqrt(), "{family:?}: {made} is not {wanted}");
        assert!(
            below <= 0.032 * 4_000.0 && above <= 0.032 * 4_000.0,
            "{family:?}: {below} below, {above} above"
        );
        assert!(above >= 0.005 * 4_000.0, "{family:?}: {above} above");
    }
}

/// Purchases of nobody who leaves come at the time by which half have bought; leaving makes it later or never.
#[test]
fn half_have_bought_by_the_time_that_is_given() {
    let history = History { repeats: 2, last: 9.0, age: 10.0, customers: 1.0 };
    let ahead = Ahead { time: 10.0, discount: 0.0 };
    let next = |family, p| known(family, p).outlook(&history, &[], &ahead).next;
    let silent = next(Family::Nbd, [1.0, 5.0, 1.0, 1.0]).unwrap();
    // (15 / (15 + t))^3 = 1/2.
    assert!((silent - 15.0 * (libm::cbrt(2.0) - 1.0)).abs() < 1e-9);
    assert_eq!(next(Family::BetaGeometric, [1.0, 5.0, 1.0, 3.0]), Some(silent));
    let leaving = next(Family::Pareto, [1.0, 5.0, 1.0, 50.0]).unwrap();
    assert!(leaving > silent && leaving < 1.5 * silent, "{leaving}");
    assert_eq!(next(Family::Pareto, [1.0, 5.0, 50.0, 5.0]), None);
    let chance = pareto::again(&[1.0, 5.0, 1.0, 50.0], &history, leaving);
    assert!((chance - 0.5).abs() < 1e-7, "{chance}");
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let why = |histories: &[History]| fit(&request(Family::BetaGeometric, histories)).unwrap_err();
    let one = |repeats, last, age| History { repeats, last, age, customers: 1.0 };
    assert_eq!(why(&[]), Unfit::Nobody);
    assert_eq!(why(&[one(0, 0.0, 3.0), one(0, 0.0, 9.0)]), Unfit::NoRepeats);
    assert_eq!(why(&[one(2, 0.0, 0.0)]), Unfit::NoTime);
    assert_eq!(why(&[one(1, 1.0, 3.0), one(1, 4.0, 3.0)]), Unfit::Times { row: 1 });
    assert_eq!(why(&[one(1, f64::NAN, 3.0)]).to_string(), "history 0 has times that can't be");
    let buyer = [one(1, 1.0, 3.0)];
    let stopped = Request { stop: &|| true, ..request(Family::Nbd, &buyer) };
    assert_eq!(fit(&stopped).unwrap_err(), Unfit::Stopped);
    assert_eq!(Spend::fit(&[Buyer { purchases: 0, mean: 3.0 }], &|| false).unwrap_err(), Unfit::Nobody);
}

/// Few customers, or all alike: numbers all the same, and findings that say what they are worth.
#[test]
fn poor_data_give_findings_instead_of_numbers_out_of_thin_air() {
    let one = |repeats, last, age| History { repeats, last, age, customers: 1.0 };
    let alike = vec![one(3, 20.0, 30.0); 50];
    let once = [one(1, 5.0, 30.0), one(0, 0.0, 30.0), one(0, 0.0, 3.0)];
    let always: Vec<_> = (20..60).map(|age| one(age, f64::from(age), f64::from(age))).collect();
    let same_day = [one(1, 1.0, 1.0), one(5, 0.5, 700.0), one(0, 0.0, 0.0)];
    for histories in [&[one(2, 3.0, 10.0)][..], &alike, &once, &always, &same_day] {
        for family in [Family::Nbd, Family::BetaGeometric, Family::ModifiedBetaGeometric, Family::Pareto] {
            let found = fit(&request(family, histories)).unwrap();
            let telling = found.findings();
            assert!(!telling.is_empty() || family == Family::Nbd, "{family:?} {found:?}");
            for history in histories {
                let outlook = found.outlook(history, &[], &Ahead { time: 52.0, discount: 0.002 });
                assert!((0.0..=1.0).contains(&outlook.alive), "{family:?} {outlook:?}");
                assert!(
                    outlook.expected.is_finite() && outlook.discounted <= outlook.expected,
                    "{family:?} {outlook:?}"
                );
                assert!(outlook.slope.iter().all(|slope| slope.is_finite()), "{family:?} {outlook:?}");
            }
        }
    }
}

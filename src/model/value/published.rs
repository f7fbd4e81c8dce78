//! The kernels against numbers that others have published or computed.

use super::samples::{cdnow, cdnow_buyers, cdnow_histories};
use super::*;
use super::local::SLOTS;

fn fitted(family: Family, histories: &[History]) -> Fitted {
    fit(&Request { family, histories, covariates: None, penalty: 0.0, stop: &|| false }).unwrap()
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

fn near(found: f64, wanted: f64, relative: f64) {
    assert!((found / wanted - 1.0).abs() <= relative, "{found} is not {wanted}");
}

fn history(repeats: u32, last: f64, age: f64) -> History {
    History { repeats, last, age, customers: 1.0 }
}

/// Fader, Hardie and Lee (2005), table 2 (r .243, alpha 4.414, a .793, b 2.426, LL -9582.4; Pareto/NBD .553,
/// 10.578, .606, 11.669, -9595.0), with the digits that CLVTools and BTYD print for exact days.
#[test]
fn cdnow_has_the_published_maxima() {
    let histories = cdnow_histories();
    let all = [
        (Family::BetaGeometric, [0.242_594_5, 4.413_602_1, 0.792_922_0, 2.425_906_6], -9_582.429_2),
        (Family::Pareto, [0.553_277, 10.577_68, 0.606_240, 11.668_73], -9_594.976_2),
    ];
    for (family, parameters, log_likelihood) in all {
        let found = fitted(family, &histories);
        assert!((found.log_likelihood - log_likelihood).abs() < 1e-3, "{found:?}");
        found.parameters.iter().zip(parameters).for_each(|(found, wanted)| near(*found, wanted, 2e-4));
        assert!(found.converged && found.evaluations < 40 && found.findings().is_empty(), "{found:?}");
    }
}

/// The log-likelihood at fixed parameters, which needs no optimiser.
#[test]
fn cdnow_has_the_published_likelihood_off_the_maximum() {
    let p = [0.5, 6.0, 1.2, 3.3];
    let mut sum = 0.0;
    for history in cdnow_histories() {
        let rises = family::Rises::direct(Family::BetaGeometric, &p);
        let local = family::by_time(Family::BetaGeometric, &p, &rises, &history);
        let count = family::by_count(Family::BetaGeometric, &p, &rises, history.repeats);
        sum += history.customers * (local.value + count.value);
    }
    assert!((sum + 9_783.444_3).abs() < 1e-4, "{sum}");
}

/// The published formulas at the paper's parameters, computed with `hyp2f1` and `quad` of scipy 1.17.1.
#[test]
fn the_outlook_is_that_of_the_published_formulas() {
    let bg = known(Family::BetaGeometric, [0.243, 4.414, 0.793, 2.426]);
    near(bg.expected_new(&[], 52.0), 1.446_050_595_396_398, 1e-12);
    let customer = history(26, 30.857, 31.0);
    near(bg.expected(&customer, &[], 52.0), 25.756_406_936_513, 1e-12);
    near(bg.alive(&customer, &[]), 0.968_848_355_017_525_4, 1e-12);
    near(bg.alive(&history(10, 20.0, 39.0), &[]), 0.038_114_313_212_036_32, 1e-12);
    near(bg.expected(&history(10, 20.0, 39.0), &[], 52.0), 0.347_399_762_708_554_3, 1e-12);
    let pareto = known(Family::Pareto, [0.553, 10.578, 0.606, 11.669]);
    near(pareto.expected_new(&[], 52.0), 1.472_996_803_375_107_3, 1e-12);
    near(pareto.expected(&customer, &[], 52.0), 25.457_281_659_934, 1e-11);
    near(pareto.alive(&customer, &[]), 0.997_872_034_927_761_6, 1e-11);
    near(pareto.alive(&history(10, 20.0, 39.0), &[]), 0.080_434_553_160_704, 1e-9);
}

/// What the walkthrough of the R package BTYD prints for its own fit, which ends close to the maximum:
/// purchases in 52 weeks of a new customer, of customer 1516, and of one last seen in week 20 of 39.
#[test]
fn the_walkthrough_s_customers_have_the_published_outlook() {
    let histories = cdnow_histories();
    let customer = history(26, 216.0 / 7.0, 31.0);
    let later = |fitted: &Fitted, x: u32| fitted.expected(&history(x, 20.0, 39.0), &[], 52.0);
    let bg = fitted(Family::BetaGeometric, &histories);
    near(bg.expected_new(&[], 52.0), 1.444_004, 1e-5);
    near(bg.expected(&customer, &[], 52.0), 25.756_59, 5e-5);
    near(bg.alive(&customer, &[]), 0.968_852_3, 5e-6);
    let wanted = [(10, 0.347_460_6), (15, 0.042_833_91), (20, 0.004_158_973), (25, 0.000_358_368_5)];
    wanted.iter().for_each(|(x, wanted)| near(later(&bg, *x), *wanted, 1e-4));
    let pareto = fitted(Family::Pareto, &histories);
    near(pareto.expected_new(&[], 52.0), 1.473_434, 1e-5);
    near(pareto.expected(&customer, &[], 52.0), 25.456_47, 1e-4);
    near(pareto.alive(&customer, &[]), 0.997_874, 1e-5);
    let wanted = [(10, 0.706_228_9), (15, 0.144_239_6), (20, 0.022_506_58), (25, 0.003_092_67)];
    wanted.iter().for_each(|(x, wanted)| near(later(&pareto, *x), *wanted, 1.5e-3));
}

/// The same walkthrough: purchases in the 39 weeks after, by repeat purchases before (0 to 6, 7 and more).
#[test]
fn cdnow_buys_on_as_published() {
    let pareto = fitted(Family::Pareto, &cdnow_histories());
    let mut sums = [[0.0; 3]; 8];
    for customer in cdnow() {
        let (history, sum) = (customer.history, &mut sums[customer.history.repeats.min(7) as usize]);
        let parts = [1.0, customer.later, pareto.expected(&history, &[], 39.0)];
        sum.iter_mut().zip(parts).for_each(|(sum, part)| *sum += history.customers * part);
    }
    let wanted = [
        [1411.0, 0.237, 0.138],
        [439.0, 0.697, 0.600],
        [214.0, 1.393, 1.196],
        [100.0, 1.560, 1.714],
        [62.0, 2.532, 2.399],
        [38.0, 2.947, 2.907],
        [29.0, 3.862, 3.819],
        [64.0, 6.359, 6.403],
    ];
    for (sum, wanted) in sums.iter().zip(wanted) {
        let found = [sum[0], sum[1] / sum[0], sum[2] / sum[0]];
        assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-3), "{found:?} {wanted:?}");
    }
}

/// The R package BTYD's check that frequent customers don't underflow.
#[test]
fn frequent_customers_do_not_underflow() {
    let pareto = known(Family::Pareto, [0.55, 10.58, 0.61, 11.67]);
    near(pareto.expected(&history(132, 200.0, 200.0), &[], 10.0), 6.206_051_788_963_241_8, 1e-12);
    near(pareto.expected(&history(133, 200.0, 200.0), &[], 10.0), 6.252_872_247_574_811_3, 1e-12);
}

/// Fader, Hardie and Lee, "RFM and CLV" (2005): p 6.25, q 3.74, gamma 15.44; the log-likelihood of an
/// independent script; the correlation of frequency and spend of the same paper's customers.
#[test]
fn cdnow_spends_as_published() {
    let buyers = cdnow_buyers();
    let spend = Spend::fit(&buyers, &|| false).unwrap();
    spend.parameters.iter().zip([6.248_80, 3.744_59, 15.447_75]).for_each(|(found, wanted)| near(*found, wanted, 5e-4));
    assert!((spend.log_likelihood + 4_055.92).abs() < 0.01, "{}", spend.log_likelihood);
    let repeaters = buyers.iter().filter(|buyer| buyer.purchases > 0);
    let pairs: Vec<_> = repeaters.map(|buyer| (f64::from(buyer.purchases), buyer.mean)).collect();
    assert!((correlation(&pairs).unwrap() - 0.114).abs() < 5e-4, "{:?}", correlation(&pairs));
}

/// lifetimes 0.11.3's test of the paper's conditional spend, whose first customers made 2, 1, 0, 0, 0, 7 and
/// 1 repeat purchases of 22.35, 11.77, none, none, none, 73.74 and 11.77.
#[test]
fn conditional_spend_is_as_published() {
    let mut spend = Spend::fit(&cdnow_buyers(), &|| false).unwrap();
    spend.parameters = [6.25, 3.74, 15.44];
    let seen = [(2, 22.35), (1, 11.77), (0, 0.0), (0, 0.0), (0, 0.0), (7, 73.74), (1, 11.77)];
    let wanted = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91];
    for ((purchases, mean), wanted) in seen.into_iter().zip(wanted) {
        assert!((spend.expected(purchases, mean).unwrap() - wanted).abs() < 0.1);
    }
}

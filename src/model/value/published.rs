//! The kernels against numbers that others have published or computed.

use super::local::SLOTS;
use super::samples::{cdnow, cdnow_buyers, cdnow_histories};
use super::*;

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
        assert!(
            found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-3),
            "{found:?} {wanted:?}"
        );
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
    spend
        .parameters
        .iter()
        .zip([6.248_80, 3.744_59, 15.447_75])
        .for_each(|(found, wanted)| near(*found, wanted, 5e-4));
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

/// lifetimes 0.11.3: parameters to the digits where its optimiser ends, functions at fixed ones. (It leaves the
/// first purchase out of `r + x` nowhere, but its likelihood is off by a constant in the unit of time.)
#[test]
fn mbg_nbd_agrees_with_lifetimes() {
    let found = fitted(Family::ModifiedBetaGeometric, &cdnow_histories());
    let wanted = [0.524_843_118_6, 6.183_084_927, 0.891_359_396_3, 1.614_002_339];
    found.parameters.iter().zip(wanted).for_each(|(found, wanted)| near(*found, wanted, 1e-4));
    let model = known(Family::ModifiedBetaGeometric, [0.525, 6.183, 0.891, 1.614]);
    near(model.expected_new(&[], 52.0), 1.419_723_757_712_734_4, 1e-9);
    near(model.expected(&history(10, 20.0, 39.0), &[], 52.0), 0.351_841_393_386_484_96, 1e-9);
    near(model.alive(&history(10, 20.0, 39.0), &[]), 0.040_120_16, 1e-6);
    near(model.expected(&history(0, 0.0, 39.0), &[], 52.0), 0.196_986_074_124_964_66, 1e-9);
    near(model.alive(&history(0, 0.0, 39.0), &[]), 0.389_347_65, 1e-6);
}

/// lifetimes 0.11.3 with `penalizer_coef=0.01`, and its standard errors without.
#[test]
fn penalty_and_standard_errors_agree_with_lifetimes() {
    let histories = cdnow_histories();
    let request = Request {
        family: Family::BetaGeometric,
        histories: &histories,
        covariates: None,
        penalty: 0.01,
        stop: &|| false,
    };
    let wanted = [0.242_941_99, 4.432_506_3, 0.285_642_77, 0.658_459_24];
    fit(&request)
        .unwrap()
        .parameters
        .iter()
        .zip(wanted)
        .for_each(|(found, wanted)| near(*found, wanted, 1e-4));
    let wanted = [0.012_557_378, 0.378_224_06, 0.185_733_82, 0.705_414_24];
    let found = fitted(Family::BetaGeometric, &histories).estimates();
    found.iter().zip(wanted).for_each(|(found, wanted)| near(found.error.unwrap(), wanted, 1e-3));
}

/// Donors by repeat donations, the year of the last one and how many they are, in six years: Fader, Hardie and
/// Shang (2010), from lifetimes 0.11.3 (MIT), datasets/donations.csv.
const DONORS: [(u32, u32, u32); 22] = [
    (0, 0, 3464),
    (1, 1, 1091),
    (1, 2, 277),
    (1, 3, 129),
    (1, 4, 78),
    (1, 5, 119),
    (1, 6, 129),
    (2, 2, 613),
    (2, 3, 255),
    (2, 4, 155),
    (2, 5, 173),
    (2, 6, 234),
    (3, 3, 322),
    (3, 4, 181),
    (3, 5, 225),
    (3, 6, 357),
    (4, 4, 240),
    (4, 5, 284),
    (4, 6, 512),
    (5, 5, 335),
    (5, 6, 728),
    (6, 6, 1203),
];

/// The paper: alpha 1.204, beta .750, gamma .657, delta 2.783, LL -33225.6; the walkthrough of the R package BTYD:
/// donations in the next ten years of donors with none of six, and with four, the last in year 5.
#[test]
fn donors_give_as_published() {
    let donor = |(repeats, last, customers): (u32, u32, u32)| History {
        repeats,
        last: f64::from(last),
        age: 6.0,
        customers: f64::from(customers),
    };
    let donors: Vec<History> = DONORS.into_iter().map(donor).collect();
    let found = fitted(Family::BetaBinomial, &donors);
    assert!((found.log_likelihood + 33_225.58).abs() < 0.005, "{found:?}");
    let wanted = [1.203_522, 0.749_716, 0.656_718, 2.783_442];
    found.parameters.iter().zip(wanted).for_each(|(found, wanted)| near(*found, wanted, 5e-4));
    near(found.expected(&history(0, 0.0, 6.0), &[], 10.0), 0.130_216_9, 1e-4);
    near(found.expected(&history(4, 5.0, 6.0), &[], 10.0), 3.627_858, 1e-4);
}

/// Fader and Hardie (2007), tables 1 and 2: of 1,000 customers, how many were left after each of seven years;
/// alpha .668, beta 3.806 and LL -1611.2 for the high end, .704, 1.182 and -1680.3 for the regular ones; what the
/// model projects for year 12.
#[test]
fn contracts_are_renewed_as_published() {
    let high = ([869, 743, 653, 593, 551, 517, 491], [0.668, 3.806], -1_611.2, 0.375);
    let regular = ([631, 468, 382, 326, 289, 262, 241], [0.704, 1.182], -1_680.3, 0.17);
    for (left, parameters, log_likelihood, twelfth) in [high, regular] {
        let mut before = 1_000;
        let mut histories = Vec::new();
        for (year, left) in left.into_iter().enumerate() {
            let (repeats, customers) = (year as u32, f64::from(before - left));
            histories.push(History {
                repeats,
                last: f64::from(repeats),
                age: f64::from(repeats) + 1.0,
                customers,
            });
            before = left;
        }
        histories.push(History { repeats: 7, last: 7.0, age: 7.0, customers: f64::from(before) });
        let found = fitted(Family::ShiftedGeometric, &histories);
        assert!((found.log_likelihood - log_likelihood).abs() < 0.05, "{found:?}");
        found.parameters.iter().zip(parameters).for_each(|(found, wanted)| near(*found, wanted, 1e-3));
        let survives = found.expected_new(&[], 12.0) - found.expected_new(&[], 11.0);
        assert!((survives - twelfth).abs() < 0.01, "{survives}");
    }
}

/// lifetimes 0.11.3, `probability_of_n_purchases_up_to_time(39, n)`: what 0 to 4 purchases are the quantiles of.
#[test]
fn the_range_of_purchases_follows_the_published_distribution() {
    let chances = [0.573_786_352_1, 0.199_395_280_8, 0.085_429_759_5, 0.045_860_353_8, 0.027_671_449_3];
    let p = [0.243, 4.414, 0.793, 2.426];
    let mut below = 0.0;
    for (count, chance) in (0..).zip(chances) {
        let quantile =
            |at: f64| range::purchases(Family::BetaGeometric, &p, &History::NEW, 1.0, 39.0, [at, at]).1;
        assert_eq!((quantile(below + 1e-7), quantile(below + chance - 1e-7)), (count, count));
        below += chance;
    }
}

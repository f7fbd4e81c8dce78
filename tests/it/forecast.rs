//! The kind `forecast` through the real binary: models beside what others say, and verdicts on them.

use crate::project::Project;

/// Airline passengers a month, 1949 to 1960 (Box and Jenkins 1976, Series G), here as weeks with a season of twelve.
#[rustfmt::skip]
const PASSENGERS: [u32; 144] = [
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, 115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140,
    145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166, 171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194,
    196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201, 204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229,
    242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278, 284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306,
    315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336, 340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337,
    360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405, 417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432,
];

const PIPELINE: &str = "[stages.rows]\nkind = \"read\"\npath = \"x.csv\"\n\n[stages.ahead]\nkind = \"forecast\"\ninput = \"rows\"\n";

fn project(lines: &str, values: &[f64]) -> Project {
    let project = Project::with(&format!("{PIPELINE}{lines}"));
    let monday = chrono::NaiveDate::from_ymd_opt(2021, 1, 4).unwrap();
    let row =
        |(at, value): (usize, &f64)| format!("all,{},{value}\n", monday + chrono::Days::new(7 * at as u64));
    let rows: String = values.iter().enumerate().map(row).collect();
    project.write("x.csv", format!("series,period,revenue\n{rows}"));
    project
}

/// Rows of a port as CSV, without the head, split.
fn rows(project: &Project, port: &str) -> Vec<Vec<String>> {
    let csv = project.custem(&["show", port, "--csv"]).out;
    csv.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// statsforecast 2.1.1, six months ahead: `Theta(season_length=12)` and `OptimizedTheta(season_length=12)`, whose searches
/// stop a little elsewhere.
#[test]
fn models_say_what_those_of_statsforecast_say() {
    let lines =
        "models = [\"theta\", \"optimised_theta\", \"ets\", \"ensemble_median\"]\nhorizon = 6\nseason = 12\n";
    let project = project(lines, &PASSENGERS.map(f64::from));
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let found = rows(&project, "ahead.forecast");
    let means = |model: &str| -> Vec<f64> {
        found.iter().filter(|row| row[2] == model).map(|row| row[3].parse().unwrap()).collect()
    };
    for (model, wanted) in [
        ("theta", [440.969, 429.249, 490.693, 476.660, 480.631, 546.456]),
        ("optimised_theta", [442.943, 432.231, 495.308, 482.308, 487.495, 555.581]),
    ] {
        let found = means(model);
        assert_eq!(found.len(), 6);
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found / wanted - 1.0).abs() < 0.002, "{model}: {found} is not {wanted}");
        }
    }
    let middle = means("ensemble_median");
    for (at, found) in middle.iter().enumerate() {
        let mut said = [means("theta")[at], means("optimised_theta")[at], means("ets")[at]];
        said.sort_by(f64::total_cmp);
        assert_eq!(*found, said[1]);
    }
}

/// The last value against the season's: of a series that is nothing but its season nobody needs to be told twice.
#[test]
fn a_winner_is_one_by_more_than_chance() {
    let season: Vec<f64> = (0..120).map(|week| f64::from(20 + week % 12 * 10 + week * 37 % 5)).collect();
    let lines = "models = [\"naive\", \"seasonal_naive\"]\nhorizon = 6\nseason = 12\n";
    let project = project(lines, &season);
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    let told = rows(&project, "ahead.comparison");
    assert_eq!((told.len(), told[0][0].as_str(), told[0][1].as_str()), (1, "naive", "seasonal_naive"));
    let verdict = told[0][6..].join(",");
    assert!(verdict.contains("`seasonal_naive` is better: `naive` errs "), "{verdict}");
    assert!(verdict.contains("% more, which is hardly by chance (p < 0.001)"), "{verdict}");
    let shown = project.custem(&["show", "ahead.horizons"]).out;
    assert!(shown.contains("coverage") && shown.contains("rmsse"), "{shown}");
}

#[test]
fn an_ensemble_needs_members() {
    let project = project("models = [\"ensemble_mean\", \"ets\"]\n", &[1.0]);
    let ran = project.custem(&["check", "p.toml"]);
    assert_eq!(ran.code, 2);
    let told = "\
error: an ensemble is made of at least two other models
 --> p.toml:8:11
  |
8 | models = [\"ensemble_mean\", \"ets\"]
  |           ^^^^^^^^^^^^^^^
  |
hint: list the models that it is to be made of, too
";
    assert!(ran.err.contains(told), "{}", ran.err);
}

/// Every model gets through histories that say little, and no number is missing or beyond all bounds.
#[test]
fn histories_that_say_little() {
    let all = "models = [\"naive\", \"seasonal_naive\", \"drift\", \"moving_average\", \"ets\", \"theta\", \"optimised_theta\", \"prophet\", \"prophet_multiplicative\", \"croston\", \"tsb\", \"ridge\", \"ensemble_mean\", \"ensemble_weighted\"]\nhorizon = 3\nseason = 4\n";
    let spike: Vec<f64> = (0..40).map(|at| if (20..24).contains(&at) { 1e9 } else { 0.0 }).collect();
    let refunds: Vec<f64> = (0..40).map(|at| f64::from(at % 5) - 9.0).collect();
    for values in [vec![5.0; 4], vec![7.0; 60], spike, refunds] {
        let project = project(all, &values);
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let found = rows(&project, "ahead.forecast");
        assert_eq!(found.len(), 14 * 3);
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        for row in &found {
            let mean: f64 = row[3].parse().unwrap();
            assert!(mean.is_finite() && (least < 0.0 || mean >= 0.0), "{row:?}");
        }
        // The same value each week goes on.
        if least == 7.0 {
            assert!(found.iter().all(|row| (row[3].parse::<f64>().unwrap() - 7.0).abs() < 1e-6), "{found:?}");
        }
    }
}

//! The whole report: realistic, hostile and empty tables.

use super::example::*;
use super::*;

fn all() -> Inputs {
    let picture =
        crate::present::chart::svg(&crate::present::chart::Drawing::titled(300.0, "An own chart", ""))
            .unwrap();
    Inputs {
        quality: Some(quality()),
        features: Some(features()),
        selection: Some(selection()),
        segments: Some(segments()),
        profile: Some(profile()),
        differences: Some(differences()),
        series: Some(series()),
        forecast: Some(forecast()),
        backtest: Some(backtest()),
        scores: Some(scores()),
        churn: Some(churn()),
        churn_models: Some(churn_models()),
        importance: Some(importance()),
        reliability: Some(reliability()),
        leaderboard: Some(leaderboard()),
        charts: vec![picture.into_bytes()],
    }
}

fn options() -> Options {
    Options { title: "Customer report".to_owned(), currency: "€".to_owned(), sections: Vec::new() }
}

#[test]
fn a_full_report_has_all_sections_and_is_the_same_twice() {
    let first = report(&all(), &options()).unwrap();
    assert_eq!(first.sections, 8);
    assert_eq!(first.html, report(&all(), &options()).unwrap().html);
    assert!(first.html.len() < 2 << 20, "{} bytes", first.html.len());
    fs_err::write(folder().join("report.html"), first.html).unwrap();
}

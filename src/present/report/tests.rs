//! The whole report: realistic, hostile and empty tables.

use arrow::array::{Array, ArrayRef};

use super::example::*;
use super::*;

fn all() -> Inputs {
    let drawing = crate::present::chart::Drawing::titled(300.0, "An own chart", "");
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
        value: Some(value()),
        value_models: Some(value_models()),
        value_verdicts: Some(value_verdicts()),
        leaderboard: Some(leaderboard()),
        charts: vec![crate::present::chart::svg(&drawing).unwrap().into_bytes()],
    }
}

/// Every table of some inputs, changed.
fn changed(mut inputs: Inputs, change: impl Fn(&Table) -> Table) -> Inputs {
    for input in tables(&mut inputs) {
        *input.1 = input.1.as_ref().map(&change);
    }
    inputs
}

fn tables(inputs: &mut Inputs) -> [(&'static str, &mut Option<Table>); 18] {
    inputs.tables()
}

fn options() -> Options {
    Options { title: "Customer report".to_owned(), currency: "€".to_owned(), sections: Vec::new() }
}

fn written(inputs: &Inputs) -> Report {
    let report = report(inputs, &options(), &|| Ok(())).unwrap();
    for word in ["NaN", ">inf", "inf%", "<script"] {
        assert!(!report.html.contains(word), "{word} in the page");
    }
    assert!(report.html.len() < 2 << 20, "{} bytes", report.html.len());
    report
}

#[test]
fn a_full_report_has_all_sections_and_is_the_same_twice() {
    let first = written(&all());
    assert_eq!(first.sections, 9);
    assert_eq!(first.html, written(&all()).html);
    fs_err::write(folder().join("report.html"), first.html).unwrap();
}

/// What stands between each `start` and the next `end`.
fn between<'a>(html: &'a str, start: &str, end: char) -> Vec<&'a str> {
    html.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let mut inputs = all();
    inputs
        .charts
        .push(crate::present::chart::png(&crate::present::chart::Drawing::titled(300.0, "p", "")).unwrap());
    let html = written(&inputs).html;
    for tag in ["<link", "<script", "<iframe", "<object", "<embed", "<base", "<form", "@import", "srcset"] {
        assert!(!html.contains(tag), "{tag}");
    }
    // Every address: of pictures, in styles, behind links. Those with a host are names of formats.
    assert!(between(&html, "src=\"", '"').iter().all(|source| source.starts_with("data:image/")));
    assert_eq!(between(&html, "src=\"", '"').len(), 2);
    assert!(between(&html, "url(", ')').iter().all(|source| source.starts_with("data:")));
    assert!(between(&html, "href=\"", '"').iter().all(|source| source.starts_with('#')));
    for host in between(&html, "http", '"').into_iter().filter(|word| word.contains("://")) {
        let name = host.split_once("/svg").map(|(name, _)| name);
        assert_eq!(name, Some("://www.w3.org/2000"), "{host}");
    }
    let policy = between(&html, "Content-Security-Policy\" content=\"", '"');
    assert_eq!(policy, ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]);
}

#[test]
fn every_picture_has_words_and_every_table_a_name() {
    let html = written(&all()).html;
    let pictures = between(&html, "<svg", '>');
    assert!(pictures.len() > 20);
    for picture in pictures {
        let words = between(picture, "aria-label=\"", '"');
        assert!(picture.contains("role=\"img\"") && words.len() == 1 && words[0].len() > 5, "{picture}");
    }
    for picture in between(&html, "<img", '>') {
        assert!(between(picture, "alt=\"", '"').iter().any(|words| words.len() > 3));
    }
    assert_eq!(html.matches("<table").count(), html.matches("<caption>").count());
    assert!(!html.contains("<caption></caption>"));
}

/// Headings go down one step at a time and there is one `h1`, so that they make a table of contents.
#[test]
fn headings_make_an_outline() {
    let html = written(&all()).html;
    let levels: Vec<u8> = html
        .split("<h")
        .skip(1)
        .filter_map(|rest| rest.as_bytes().first().copied())
        .filter(u8::is_ascii_digit)
        .map(|digit| digit - b'0')
        .collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    let targets = between(&html, "href=\"#", '"');
    assert!(targets.len() >= 8);
    assert!(targets.iter().all(|target| html.contains(&format!(" id=\"{target}\""))));
}

#[test]
fn the_order_of_sections_can_be_chosen() {
    let sections = vec![Section::Quality, Section::Churn];
    let report = report(&all(), &Options { sections, ..options() }, &|| Ok(())).unwrap();
    assert_eq!(report.sections, 2);
    assert!(
        report.html.find("<h2>Data quality").unwrap() < report.html.find("<h2>Customers at risk").unwrap()
    );
}

#[test]
fn each_input_alone_makes_a_page() {
    let names: Vec<_> = tables(&mut all()).into_iter().map(|(name, _)| name).collect();
    for name in names {
        let mut inputs = all();
        inputs.charts.clear();
        tables(&mut inputs)
            .into_iter()
            .filter(|(other, _)| *other != name)
            .for_each(|(_, table)| *table = None);
        assert_eq!(written(&inputs).sections, 1, "{name}");
    }
}

#[test]
fn empty_tables_make_a_page() {
    let inputs = changed(all(), |table| Table::from_batch(table.to_batch().unwrap().slice(0, 0)));
    assert_eq!(written(&inputs).sections, 9);
}

#[test]
fn tables_of_one_row_make_a_page() {
    let inputs = changed(all(), |table| Table::from_batch(table.to_batch().unwrap().slice(0, 1)));
    assert_eq!(written(&inputs).sections, 9);
}

#[test]
fn numbers_that_are_none_never_show() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let spoil = |_: &str, column: &ArrayRef| {
            if column.data_type().is_floating() { floats(vec![odd; column.len()]) } else { column.clone() }
        };
        written(&changed(all(), |table| mapped(table, spoil)));
    }
}

#[test]
fn huge_amounts_stay_readable() {
    let grow = |name: &str, column: &ArrayRef| match name {
        "revenue" | "monetary" | "mean" | "lower" | "upper" => {
            let batch = arrow::array::RecordBatch::try_from_iter([("v", column.clone())]).unwrap();
            floats(crate::data::columns::float_vec(&batch, "v").unwrap().into_iter().map(|value| value * 1e9))
        }
        _ => column.clone(),
    };
    let html = written(&changed(all(), |table| mapped(table, grow))).html;
    assert!(html.contains("€165tn"));
}

#[test]
fn hostile_names_stay_names() {
    let hostile = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "\u{202e}right to left",
        "שלום עולם",
        "😀 emoji & \u{0}control\n",
    ];
    let rename = |name: &str, column: &ArrayRef| match name {
        "name" | "series" | "model" | "feature" | "variant" | "message" | "check" | "column" => {
            texts((0..column.len()).map(|row| hostile[row % hostile.len()]))
        }
        _ => column.clone(),
    };
    let report = written(&changed(all(), |table| mapped(table, rename)));
    assert!(report.html.contains("&lt;script&gt;alert(1)"));
    for word in ["<img src=x", "\u{202e}", "\u{0}"] {
        assert!(!report.html.contains(word), "{word:?}");
    }
    fs_err::write(folder().join("hostile.html"), report.html).unwrap();
}

#[test]
fn thirty_segments_fit() {
    let name = |at: usize| format!("Segment number {at} of many with a long and winding name");
    let cells = || (0..30).flat_map(|segment| (0..156).map(move |week| (segment, week)));
    let mut inputs = all();
    inputs.profile = Some(table(vec![
        ("segment", small(0..30)),
        ("name", texts((0..30).map(name))),
        ("customers", ints((0..30).map(|at| 600 / (at + 1)))),
        ("customer_share", floats((0..30).map(|at| 0.25 / f64::from(at + 1)))),
        ("revenue", floats((0..30).map(|at| f64::from(at) * 1e5))),
        ("revenue_share", floats((0..30).map(|at| f64::from(at) / 435.0))),
    ]));
    inputs.differences = Some(table(vec![
        ("name", texts(cells().map(|(segment, _)| name(segment)))),
        ("feature", texts(cells().map(|(_, week)| format!("share_of_category_{}", week % 50)))),
        ("mean", floats(cells().map(|(segment, _)| segment as f64))),
        ("overall_mean", floats(cells().map(|_| 15.0))),
        ("difference", floats(cells().map(|(segment, week)| ((segment * 7 + week) % 11) as f64 / 3.0 - 1.6))),
    ]));
    inputs.series = Some(table(vec![
        ("series", texts(cells().map(|(segment, _)| name(segment)))),
        ("period", dates(cells().map(|(_, week)| 19_359 + 7 * week as i32))),
        ("revenue", floats(cells().map(|(segment, week)| (segment * 1_000 + (week * 37) % 500) as f64))),
    ]));
    inputs.forecast = Some(table(vec![
        ("series", texts(cells().map(|(segment, _)| name(segment)))),
        ("period", dates(cells().map(|(_, week)| 19_359 + 7 * (156 + week as i32)))),
        ("model", texts(cells().map(|_| "theta"))),
        ("mean", floats(cells().map(|(segment, _)| segment as f64 * 1_000.0))),
        ("lower", floats(cells().map(|(segment, _)| segment as f64 * 900.0))),
        ("upper", floats(cells().map(|(segment, _)| segment as f64 * 1_100.0))),
    ]));
    let html = written(&inputs).html;
    assert!(html.contains("of 30 have less than 3.0% of customers each"));
    fs_err::write(folder().join("thirty.html"), html).unwrap();
}

#[test]
fn whole_numbers_name_customers_as_well() {
    let number = |name: &str, column: &ArrayRef| match name {
        "customer_id" => ints((0_i64..).take(column.len())),
        _ => column.clone(),
    };
    let html = written(&changed(all(), |table| mapped(table, number))).html;
    assert!(html.contains("of past revenue (€"));
}

#[test]
fn a_wrong_table_names_its_input() {
    for name in tables(&mut all()).into_iter().map(|(name, _)| name).collect::<Vec<_>>() {
        let mut inputs = all();
        inputs.charts.clear();
        for (other, input) in tables(&mut inputs) {
            *input = (other == name).then(|| table(vec![("odd", texts(["x"]))]));
        }
        // A selection or features without known columns has nothing to say, which isn't wrong.
        match report(&inputs, &options(), &|| Ok(())) {
            Err(error) => assert_eq!(error.downcast::<Misfit>().unwrap().input, name),
            Ok(_) => assert_eq!(name, "features"),
        }
    }
}

#[test]
fn nothing_given_is_an_empty_page() {
    assert_eq!(written(&Inputs::default()).sections, 0);
}

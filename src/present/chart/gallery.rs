//! Every chart from made-up tables: legible, the same bytes twice, and written out to be looked at.

use std::collections::HashMap;

use super::drawing::legible;
use super::scatter::Side;
use super::{Chart, NARROW, WIDE, png, read, svg, trials};
use crate::present::format::Unit;
use crate::present::report::example;

fn charts() -> Vec<(&'static str, Box<dyn Chart>)> {
    let euro = || Unit::Money("€".to_owned());
    let side = |name: &str, unit: Unit| Side { name: name.to_owned(), unit, log: true };
    let names: HashMap<_, _> = example::NAMES
        .iter()
        .enumerate()
        .map(|(at, name)| (format!("segment {at}"), (*name).to_owned()))
        .collect();
    let (features, segments, profile) = (example::features(), example::segments(), example::profile());
    let groups = read::Groups::Assigned(&segments, &names);
    let (x, y) = (side("frequency", Unit::Number), side("monetary", euro()));
    let scatter = read::scatter(&features, x, y, ("frequency", "monetary"), groups);
    let series = example::series();
    let shares = ["customer_share", "revenue_share"].map(|column| (column, Unit::Percent));
    let both = [("revenue", euro()), ("customers", Unit::Number)];
    vec![
        ("bars", Box::new(read::bars(&profile, "name", &[("revenue", euro())], None).unwrap())),
        ("shares", Box::new(read::bars(&profile, "name", &shares, None).unwrap())),
        ("both", Box::new(read::bars(&profile, "name", &both, None).unwrap())),
        ("lines", Box::new(read::lines(&series, "period", "revenue", Some("series"), euro()).unwrap())),
        ("fan", Box::new(read::fan(&example::forecast(), Some(&series), "revenue", euro()).unwrap())),
        ("scatter", Box::new(scatter.unwrap())),
        ("heat", Box::new(read::heat(&example::differences(), "name", "feature", "difference").unwrap())),
        ("selection", Box::new(read::selection(&example::selection(), Some(5.0)).unwrap())),
        (
            "churn",
            Box::new(
                read::histogram(&example::churn(), "probability", Some("band"), Unit::Percent, 20).unwrap(),
            ),
        ),
        ("spend", Box::new(read::histogram(&features, "monetary", None, euro(), 30).unwrap())),
        ("reliability", Box::new(read::reliability(&example::reliability()).unwrap())),
        ("importance", Box::new(read::importance(&example::importance(), "feature", "importance").unwrap())),
        (
            "leaderboard",
            Box::new(read::leaderboard(&example::leaderboard(), "variant", "segments.silhouette").unwrap()),
        ),
        ("parallel", Box::new(trials::parallel(&example::sweep(), "segments.silhouette").unwrap())),
        ("landscape", {
            let (x, y) = ("segments.tolerance", "segments.k");
            Box::new(trials::landscape(&example::sweep(), x, y, "segments.silhouette").unwrap())
        }),
    ]
}

#[test]
fn every_chart_is_legible_and_the_same_bytes_twice() {
    let folder = example::folder();
    for ((name, chart), (_, again)) in charts().into_iter().zip(charts()) {
        for (width, size) in [(WIDE, ""), (NARROW, "-narrow")] {
            let drawing = chart.draw(width);
            legible::check(&drawing);
            let (svg_bytes, png_bytes) = (svg(&drawing).unwrap(), png(&drawing).unwrap());
            assert_eq!(svg_bytes, svg(&again.draw(width)).unwrap());
            assert_eq!(png_bytes, png(&again.draw(width)).unwrap());
            fs_err::write(folder.join(format!("{name}{size}.svg")), svg_bytes).unwrap();
            fs_err::write(folder.join(format!("{name}{size}.png")), png_bytes).unwrap();
        }
    }
}

//! A shop's whole pipeline, purchases to feed it, and looks at what became of them.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::project::{Project, Ran, events};

/// Everything that a pipeline of one's own has; `outlook` and `short` need no segments.
pub const WHOLE: &str = r#"
[pipeline]
name = "own"
seed = 1

[stages.rows]
kind = "read"
path = "in.csv"
save = "rows.parquet"

[stages.quality]
kind = "check"
input = "rows"
on_error = "warn"

[stages.features]
kind = "features"
input = "quality"
save = "features.parquet"

[stages.segments]
kind = "segment"
input = "features"
k = 3

[stages.profile]
kind = "profile"
features = "features"
segments = "segments"

[stages.weekly]
kind = "series"
input = "quality"
segments = "segments"
profile = "profile"

[stages.total]
kind = "series"
input = "quality"

[stages.forecast]
kind = "forecast"
input = "weekly"
horizon = 4

[stages.outlook]
kind = "forecast"
input = "total"
horizon = 4

[stages.churn]
kind = "churn"
input = "quality"
horizon_days = 30

[stages.report]
kind = "report"
quality = "quality.findings"
features = "features"
segments = "segments"
profile = "profile"
series = "weekly"
forecast = "forecast"
churn = "churn"
save = "report.html"

[stages.short]
kind = "report"
quality = "quality.findings"
features = "features"
series = "total"
forecast = "outlook"
save = "short.html"
"#;

/// What becomes of every stage when segments and churn can't be computed.
pub const WITHOUT_SEGMENTS: [&str; 12] = [
    "churn failed",
    "features ran",
    "forecast skipped",
    "outlook ran",
    "profile skipped",
    "quality ran",
    "report skipped",
    "rows ran",
    "segments failed",
    "short ran",
    "total ran",
    "weekly skipped",
];

/// Day `days` after Monday, 2024-01-01, as year, month and day.
pub fn date(days: u32) -> (u32, u32, u32) {
    let (mut year, mut left) = (2024, days);
    loop {
        let leap = year % 4 == 0;
        for (month, length) in
            [31, 28 + u32::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].iter().enumerate()
        {
            if left < *length {
                return (year, u32::try_from(month).unwrap() + 1, left + 1);
            }
            left -= length;
        }
        year += 1;
    }
}

pub fn iso(days: u32) -> String {
    let (year, month, day) = date(days);
    format!("{year}-{month:02}-{day:02}")
}

/// A CSV of customers, days and amounts.
pub fn csv(rows: impl IntoIterator<Item = (u32, u32, u32)>) -> String {
    let mut csv = "customer_id,txn_timestamp,amount\n".to_owned();
    for (customer, day, amount) in rows {
        writeln!(csv, "{customer},{},{amount}", iso(day)).unwrap();
    }
    csv
}

/// Thirty customers over half a year, some of whom stay away.
pub fn good() -> String {
    csv((0..30).flat_map(|customer| {
        let last = if customer % 3 == 0 { 60 + customer } else { 200 };
        let every = 5 + usize::try_from(customer).unwrap() % 7;
        (0..last).step_by(every).map(move |day| (customer, day, 5 + (customer * 7 + day) % 20))
    }))
}

pub fn whole(input: impl AsRef<[u8]>) -> Project {
    let project = Project::with(WHOLE);
    project.write("in.csv", input);
    project
}

/// Runs it for people, with a look at what must never be seen.
pub fn calm(project: &Project) -> Ran {
    let ran = project.custem(&["run", "p.toml"]);
    for word in ["broke down", "panicked", "defect", "RUST_BACKTRACE"] {
        assert!(!ran.err.contains(word), "{}", ran.err);
    }
    ran
}

pub fn says(ran: &Ran, parts: &[&str]) {
    for part in parts {
        assert!(ran.err.contains(part), "expected `{part}` in:\n{}", ran.err);
    }
}

/// A metric of a stage in the project's last run.
pub fn metric(project: &Project, stage: &str, name: &str) -> f64 {
    let log = project.custem(&["runs", "show", "last", "--json"]).out;
    let events = events(&log);
    let end = events.iter().rfind(|event| event["event"] == "stage_done" && event["stage"] == stage).unwrap();
    end["metrics"][name].as_f64().unwrap_or_else(|| panic!("{stage} has no metric {name}: {end}"))
}

/// The rows of a table artifact.
pub fn rows(project: &Project, artifact: &str) -> Vec<Json> {
    let shown = project.custem(&["show", artifact, "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    events(&shown.out)
}

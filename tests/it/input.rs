//! Bad and odd input through whole pipelines: a message that helps, an exit code, and nothing lost.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value as Json;

use crate::project::{Project, Ran, binary, events, text};

/// Everything that a pipeline of one's own has; `outlook` and `short` need no segments.
const WHOLE: &str = r#"
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
const WITHOUT_SEGMENTS: [&str; 12] = [
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
fn date(days: u32) -> (u32, u32, u32) {
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

fn iso(days: u32) -> String {
    let (year, month, day) = date(days);
    format!("{year}-{month:02}-{day:02}")
}

/// A CSV of customers, days and amounts.
fn csv(rows: impl IntoIterator<Item = (u32, u32, u32)>) -> String {
    let mut csv = "customer_id,txn_timestamp,amount\n".to_owned();
    for (customer, day, amount) in rows {
        writeln!(csv, "{customer},{},{amount}", iso(day)).unwrap();
    }
    csv
}

/// Thirty customers over half a year, some of whom stay away.
fn good() -> String {
    csv((0..30).flat_map(|customer| {
        let last = if customer % 3 == 0 { 60 + customer } else { 200 };
        let every = 5 + usize::try_from(customer).unwrap() % 7;
        (0..last).step_by(every).map(move |day| (customer, day, 5 + (customer * 7 + day) % 20))
    }))
}

fn whole(input: impl AsRef<[u8]>) -> Project {
    let project = Project::with(WHOLE);
    project.write("in.csv", input);
    project
}

/// Runs it for people, with a look at what must never be seen.
fn calm(project: &Project) -> Ran {
    let ran = project.custem(&["run", "p.toml"]);
    for word in ["broke down", "panicked", "defect", "RUST_BACKTRACE"] {
        assert!(!ran.err.contains(word), "{}", ran.err);
    }
    ran
}

fn says(ran: &Ran, parts: &[&str]) {
    for part in parts {
        assert!(ran.err.contains(part), "expected `{part}` in:\n{}", ran.err);
    }
}

/// A metric of a stage in the project's last run.
fn metric(project: &Project, stage: &str, name: &str) -> f64 {
    let log = project.custem(&["runs", "show", "last", "--json"]).out;
    let events = events(&log);
    let end = events.iter().rfind(|event| event["event"] == "stage_done" && event["stage"] == stage).unwrap();
    end["metrics"][name].as_f64().unwrap_or_else(|| panic!("{stage} has no metric {name}: {end}"))
}

/// The rows of a table artifact.
fn rows(project: &Project, artifact: &str) -> Vec<Json> {
    let shown = project.custem(&["show", artifact, "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    events(&shown.out)
}

#[test]
fn bad_files_get_a_message_and_nothing_is_lost() {
    let project = whole(good());
    assert_eq!(calm(&project).code, 0);
    let saved = project
        .files("")
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|end| end == "parquet"));
    let saved: Vec<_> = saved.collect();
    assert_eq!(saved.len(), 2);
    let header = "customer_id,txn_timestamp,amount\n";
    let unclosed = format!("{header}1,2024-01-01,3\n2,2024-01-02,\"3\n3,2024-01-03,4\n");
    let cases: [(&[u8], &[&str]); 9] = [
        (b"", &["`in.csv` is empty", "hint: export or copy it again"]),
        (b"\n\r\n  \n", &["`in.csv` is empty", "hint: export or copy it again"]),
        (header.as_bytes(), &["`in.csv` has a header but no rows", "hint: export or copy it again"]),
        (&[0; 500], &["`in.csv` is not a text file: it has zero bytes", "hint: `read` takes delimited text"]),
        (b"\x1f\x8b\x08\x00\x00\x00", &["`in.csv` is compressed with gzip", "hint: unpack it first"]),
        (
            b"customer_id,txn_timestamp,amount\n1,2024-02-30,3\n2,2024-02-03,3\n3,soon,3\n",
            &[
                "2 of 3 rows",
                "lines 2, 4 of `in.csv`: `txn_timestamp` is `2024-02-30`, not a date",
                "raise `max_bad`",
            ],
        ),
        (
            b"customer_id,amount,amount\n1,2,3\n",
            &["two columns named `amount`", "hint: rename one in the file"],
        ),
        (unclosed.as_bytes(), &["line 3: a quote is opened and never closed", "hint: close it"]),
        (
            b"customer_id,when,amount\n1,2024-01-01,3\n2,2024-01-02,3\n",
            &[
                "there is no column `txn_timestamp`",
                "hint: say with `time` which of `customer_id`, `amount` and `when` it is",
            ],
        ),
    ];
    for (bytes, parts) in cases {
        project.write("in.csv", bytes);
        let ran = calm(&project);
        assert_eq!(ran.code, 1, "{}", ran.err);
        says(&ran, parts);
        says(&ran, &["--> p.toml:"]);
        for (path, before) in &saved {
            // Rows that lack a column are rows all the same.
            let new = path.ends_with("rows.parquet") && parts[0].contains("column `txn");
            assert!(new || std::fs::read(path).unwrap() == *before, "{} changed", path.display());
        }
    }
    std::fs::remove_file(project.path("in.csv")).unwrap();
    says(&calm(&project), &["there is no file `in.csv`"]);
    std::fs::create_dir(project.path("in.csv")).unwrap();
    says(
        &calm(&project),
        &[
            "`in.csv` is a folder, not a file",
            "--> p.toml:8:8",
            "hint: name the files in it, such as `in.csv/*.csv`",
        ],
    );
    std::fs::remove_dir(project.path("in.csv")).unwrap();
    project.write("in.csv", good());
    assert_eq!(project.what_ran(&[]), Vec::<String>::new(), "everything is still cached");
    assert!(saved.iter().all(|(path, before)| std::fs::read(path).unwrap() == *before));
}

#[test]
fn brackets_in_the_name_of_a_file_are_no_pattern() {
    let project = Project::with("[stages.rows]\nkind = \"read\"\npath = \"orders [1].csv\"\n");
    project.write("orders [1].csv", good());
    assert_eq!(calm(&project).code, 0);
    assert_eq!(project.what_ran(&[]), Vec::<String>::new());
    project.write("orders [1].csv", csv([(1, 0, 10)]));
    assert_eq!(project.what_ran(&[]), ["rows"]);
}

#[test]
fn a_parquet_file_cut_anywhere_is_refused() {
    let project = whole(good());
    assert_eq!(calm(&project).code, 0);
    let good = std::fs::read(project.path("rows.parquet")).unwrap();
    let cut = Project::with("[stages.rows]\nkind = \"read\"\npath = \"in.parquet\"\n");
    cut.write("in.parquet", &good);
    assert_eq!(calm(&cut).code, 0);
    let half = &good[..good.len() / 2];
    let joined = [half, &good[good.len() - 8..]].concat();
    let without_middle = [&good[..good.len() / 4], &good[good.len() / 2..]].concat();
    for bytes in [half, &good[..good.len() - 1], &good[..5], &joined, &without_middle] {
        cut.write("in.parquet", bytes);
        let ran = calm(&cut);
        assert_eq!(ran.code, 1, "{} of {} bytes", bytes.len(), good.len());
        says(&ran, &["`in.parquet`", "hint: "]);
    }
    cut.write("in.parquet", &good);
    assert_eq!(cut.what_ran(&[]), Vec::<String>::new());
}

#[test]
fn windows_1252_is_read_and_the_line_is_named() {
    let mut bytes = b"customer_id,txn_timestamp,amount,city\n1,2024-01-01,3,Bonn\n".to_vec();
    bytes.extend_from_slice(b"2,2024-01-02,4,K\xf6ln\n3,2024-01-03,5,\x80uro\n");
    let project = Project::with("[stages.rows]\nkind = \"read\"\npath = \"in.csv\"\n");
    project.write("in.csv", &bytes);
    let ran = calm(&project);
    assert_eq!(ran.code, 0, "{}", ran.err);
    says(&ran, &["`in.csv` isn't UTF-8 (first in line 3)", "windows-1252", "set `encoding`"]);
    let shown = project.custem(&["show", "rows", "--csv"]).out;
    assert!(shown.contains(",Köln") && shown.contains(",€uro"), "{shown}");
    project
        .write("p.toml", "[stages.rows]\nkind = \"read\"\npath = \"in.csv\"\nencoding = \"windows-1252\"\n");
    let told = calm(&project);
    assert!(told.code == 0 && !told.err.contains("warning"), "{}", told.err);
    assert_eq!(project.custem(&["show", "rows", "--csv"]).out, shown);
}

#[test]
fn one_customer_gets_features_a_forecast_and_a_report() {
    let project = whole(csv((0..60).map(|week| (1, 7 * week, 10 + week % 5))));
    assert_eq!(project.run(&[]), WITHOUT_SEGMENTS);
    let ran = calm(&project);
    assert_eq!(ran.code, 1);
    says(
        &ran,
        &[
            "`k` is 3, but there is only 1 customer",
            "hint: segments need several customers who differ: without them leave this stage out",
            "the only customer bought again in the 30 days from",
            "hint: churn needs several customers",
            "6 finished stages stay cached; mend the cause, then: custem run p.toml",
            "report: short.html",
        ],
    );
    assert!(project.read("short.html").contains("</html>"));
    assert!(!project.path("report.html").exists());
}

#[test]
fn one_row_is_enough_for_a_report() {
    let project = whole(csv([(1, 0, 10)]));
    assert_eq!(project.run(&[]), WITHOUT_SEGMENTS);
    let again = calm(&project);
    says(&again, &["the history is shorter than two horizons: 1 day from 2024-01-01 to 2024-01-02"]);
    assert!(rows(&project, "outlook").is_empty());
    let page = project.read("short.html");
    for text in [
        "There is only one customer: nothing here tells customers apart.",
        "There is one week only, beginning 1 Jan 2024: it brought 10, with nothing to compare it to.",
        "There is no forecast: 1 week with revenue is too few to tell from what the next ones will bring.",
    ] {
        assert!(page.contains(text), "expected `{text}` in:\n{page}");
    }
}

#[test]
fn one_week_gets_no_forecast_and_says_so() {
    let bought = (0..40).flat_map(|customer| {
        (0..=customer % 3).map(move |at| (customer, (customer * 3 + at) % 7, 10 + customer % 7))
    });
    let project = whole(csv(bought));
    let ran = calm(&project);
    assert_eq!(ran.code, 1);
    says(
        &ran,
        &[
            "stage `churn` failed: the history is shorter than two horizons: 7 days from 2024-01-01 to 2024-01-08",
            "hint: churn needs several customers and more than two weeks of transactions",
            "`all` gets no forecast: it has fewer than 4 weeks with any `revenue`",
            "12 stages: 10 ran, 0 from cache, 1 failed, 1 skipped",
        ],
    );
    // A single week tells neither what comes nor how far off that may be, and nobody has left yet.
    assert!(rows(&project, "outlook").is_empty());
    project.write("p.toml", WHOLE.replace("churn = \"churn\"\n", ""));
    says(&calm(&project), &["report: report.html"]);
    let page = project.read("report.html");
    for text in [
        "There is one week only, beginning 1 Jan 2024",
        "There is no forecast: 1 week with revenue is too few",
        "the data cover 7 days only; whether customers come back can't be told from that",
    ] {
        assert!(page.contains(text), "expected `{text}` in:\n{page}");
    }
    for nonsense in ["– to –", "±0.0%", "Lapsed", "Plan the next", "should bring", "Expected, next"] {
        assert!(!page.contains(nonsense), "`{nonsense}` in:\n{page}");
    }
}

#[test]
fn identical_customers_have_no_segments_and_the_rest_goes_on() {
    let project = whole(csv((0..30).flat_map(|customer| (0..50).map(move |week| (customer, 7 * week, 10)))));
    assert_eq!(project.run(&[]), WITHOUT_SEGMENTS);
    says(
        &calm(&project),
        &[
            "there is nothing to segment by: every feature has one value only",
            "hint: name columns in `features` that differ between customers",
            "all 30 customers bought again in the 30 days from",
            "hint: choose fewer `horizon_days`",
        ],
    );
}

#[test]
fn more_segments_than_customers_says_how_many_there_are() {
    let project = whole(good());
    let ran = project.custem(&["run", "p.toml", "--set", "segments.k=31"]);
    assert_eq!(ran.code, 1);
    says(
        &ran,
        &["`k` is 31, but there are only 30 customers", "hint: `k` must be far below", "--> --set:1:"],
    );
    assert!(project.read("short.html").contains("</html>"), "what needs no segments is there");
    // Twelve rows of three kinds of customers: no fourth segment can be found among them.
    let three = (0..12).flat_map(|customer| (0..=customer % 3).map(move |at| (customer, 30 * at, 10)));
    project.write("in.csv", csv(three));
    let ran = project.custem(&["run", "p.toml", "--set", "segments.k=4"]);
    says(&ran, &["`k` is 4, but customers differ in only 3 ways", "hint: set `k` to at most 3"]);
}

#[test]
fn a_wrong_pipeline_is_told_before_wrong_data_is_touched() {
    let project = whole(b"");
    let ran = project.custem(&["run", "p.toml", "--set", "segments.k=1"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(!project.path("cache").exists() && !project.path("experiments").exists());
}

#[test]
fn an_output_that_cannot_be_written_is_told_and_stays_cached() {
    // Nobody may make files in /proc, root included.
    let text = "[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"x\"]\nsave = \"PLACE\"\n\n[stages.b]\nkind = \"command\"\ncommand = [\"echo\", \"y\"]\nsave = \"b.txt\"\n";
    let project = Project::with(&text.replace("PLACE", "/proc/custem/a.txt"));
    let ran = calm(&project);
    assert_eq!(ran.code, 1);
    says(&ran, &["stage `a` failed: can't save `/proc/custem/a.txt`: ", "--> p.toml:4:8", "hint: "]);
    assert_eq!(project.read("b.txt"), "y\n", "other branches go on");
    project.write("folder/a.txt/taken", "");
    project.write("p.toml", text.replace("PLACE", "folder/a.txt"));
    let ran = calm(&project);
    assert_eq!(ran.code, 2, "what stands in the way is told before anything runs");
    says(&ran, &["error: `folder/a.txt` is a folder\n --> p.toml:4:8", "hint: name a file in it, such as "]);
    project.write("p.toml", text.replace("PLACE", "a.txt"));
    assert_eq!(project.run(&[]), ["a hit", "b hit"]);
    assert_eq!(project.read("a.txt"), "x\n");
}

#[test]
fn a_file_in_place_of_a_folder_of_custem_is_told() {
    for folder in ["cache", "experiments"] {
        let project = Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"x\"]\n");
        project.write(folder, "mine");
        let ran = calm(&project);
        assert_eq!(ran.code, 1);
        says(&ran, &[folder, "hint: a file stands where a folder should be", "`--root`"]);
        assert_eq!(project.read(folder), "mine");
    }
}

/// Runs custem where no file can grow beyond some blocks of 512 bytes: to the writer, a full disk.
fn cramped(project: &Project, blocks: u32, killed: bool) -> Ran {
    let trap = if killed { "" } else { "trap '' XFSZ; " };
    let script = format!("{trap}ulimit -c 0; ulimit -f {blocks}; exec \"$0\" run p.toml");
    let custem = binary();
    let mut shell = Command::new("sh");
    shell.env("NO_COLOR", "1").arg("-c").arg(script).arg(custem.get_program()).current_dir(project.path(""));
    let output = shell.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

const GROWING: &str = r#"
[pipeline]
seed = 3

[stages.small]
kind = "command"
command = ["echo", "small"]
save = "out/small.txt"

[stages.middle]
kind = "simulate"
customers = 30
start = 2024-01-01
end = 2024-03-31
save = "out/middle.parquet"

[stages.large]
kind = "simulate"
customers = 900
start = 2024-01-01
end = 2024-12-29
save = "out/large.parquet"

[stages.features]
kind = "features"
input = "large"
save = "out/features.parquet"
"#;

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let calm_project = Project::with(GROWING);
    assert_eq!(calm(&calm_project).code, 0);
    let named = |project: &Project, folder: &str| -> Vec<_> {
        let files = project.files(folder).into_iter();
        // A killed process can't take its temporary files with it.
        let temporary =
            |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().starts_with(".custem-");
        files
            .filter(|(path, _)| !temporary(path))
            .map(|(path, bytes)| (path.strip_prefix(project.path("")).unwrap().to_owned(), bytes))
            .collect()
    };
    let whole = named(&calm_project, "out");
    let objects = named(&calm_project, "cache/objects");
    assert_eq!(whole.len(), 4);
    let project = Project::with(GROWING);
    let (mut stopped, mut half) = (0, 0);
    for (blocks, killed) in
        [0, 1, 3, 8, 14, 18, 24, 60, 200].into_iter().flat_map(|at| [(at, false), (at, true)])
    {
        let ran = cramped(&project, blocks, killed);
        assert_ne!(ran.code, 0, "{blocks} blocks should not be enough: {}", ran.err);
        if !killed {
            assert_eq!(ran.code, 1, "{blocks}: {}", ran.err);
            says(&ran, &["File too large", "hint: files may not grow so large here"]);
            assert!(!ran.err.contains("broke down"), "{}", ran.err);
            stopped += 1;
            half += usize::from(ran.err.contains("stage `large` failed"));
            let logs = named(&project, "experiments/logs");
            assert!(logs.iter().all(|(_, bytes)| bytes.is_empty() || bytes.ends_with(b"\n")), "half a line");
            assert!(project.files("cache/tmp").is_empty(), "scratch left");
        }
        assert!(
            named(&project, "out").iter().all(|file| whole.contains(file)),
            "{blocks}: half a saved file"
        );
        assert!(
            named(&project, "cache/objects").iter().all(|object| objects.contains(object)),
            "{blocks}: half an object"
        );
        for (path, bytes) in named(&project, "experiments/configs") {
            let text = String::from_utf8(bytes).unwrap();
            let config: toml::Table =
                text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(config["stages"].as_table().unwrap().len(), 4, "{}", path.display());
        }
        assert_eq!(project.custem(&["runs", "list"]).code, 0);
    }
    assert!(stopped == 9 && half >= 2, "{stopped} {half}: the limits don't cut where they should");
    let healed = calm(&project);
    assert_eq!(healed.code, 0, "{}", healed.err);
    assert_eq!(named(&project, "out"), whole);
    assert_eq!(named(&project, "cache/objects"), objects);
}

/// The same purchases with other ids: whole numbers or text.
fn with_ids(ids: &str) -> Project {
    let source = Project::with(&format!(
        "[pipeline]\nseed = 9\n[stages.t]\nkind = \"simulate\"\ncustomers = 250\nstart = 2024-01-01\nend = 2025-06-29\nids = \"{ids}\"\n"
    ));
    assert_eq!(calm(&source).code, 0);
    let project = whole(source.custem(&["show", "t", "--csv"]).out);
    let ran = calm(&project);
    assert_eq!(ran.code, 0, "{}", ran.err);
    project
}

#[test]
fn text_ids_give_what_whole_numbers_give() {
    let (number, uuid) = (with_ids("integer"), with_ids("uuid"));
    let id = |project: &Project| rows(project, "features")[0]["customer_id"].clone();
    assert!(id(&number).is_number(), "{}", id(&number));
    assert_eq!(id(&uuid).as_str().map(str::len), Some(36), "{}", id(&uuid));
    let metrics = |project: &Project| {
        let log = project.custem(&["runs", "show", "last", "--json"]).out;
        let mut found = Vec::new();
        for end in events(&log).iter().filter(|event| event["event"] == "stage_done") {
            for (name, value) in end["metrics"].as_object().unwrap() {
                found.push((format!("{}.{name}", text(end, "stage")), value.as_f64().unwrap()));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    };
    let (of_numbers, of_uuids) = (metrics(&number), metrics(&uuid));
    assert!(of_numbers.len() > 40, "{of_numbers:?}");
    let names = |metrics: &[(String, f64)]| metrics.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&of_numbers), names(&of_uuids));
    for ((name, one), (_, two)) in of_numbers.iter().zip(&of_uuids) {
        // Customers come in another order, so sums may differ in their last digits, no more; the
        // length of a page depends on the length of its ids.
        assert!(
            (one - two).abs() <= 1e-6 * one.abs().max(1.0) || name.ends_with(".bytes"),
            "{name}: {one} {two}"
        );
    }
    let sizes = |project: &Project| -> Vec<Json> {
        rows(project, "profile").iter().map(|row| row["customers"].clone()).collect()
    };
    assert_eq!(sizes(&number), sizes(&uuid));
}

/// Twelve customers; customer `c` spends `c + 1` every week. Those below 8 do it for 27 weeks, from
/// day 0 to day 182, the others for `c + 3` weeks. On top: 5 rows without an amount, 3 refunds, 4
/// copies, 2 rows with a date that isn't one.
fn dirty() -> String {
    let id = |customer: u32| format!("7b0f5c1e-93a4-4d52-8f6b-0000000000{customer:02}");
    let mut rows = Vec::new();
    let add = |customer: u32, day: u32, amount: String, rows: &mut Vec<String>| {
        let (year, month, of_month) = date(day);
        let when = match rows.len() % 5 {
            0 => iso(day),
            1 => format!("{of_month:02}.{month:02}.{year}"),
            2 => format!("{} 00:00:00", iso(day)),
            3 => format!("{of_month:02}/{month:02}/{year}"),
            _ => format!("{}T00:00:00Z", iso(day)),
        };
        let note =
            if rows.len().is_multiple_of(4) { "\"two\r\nlines, and \"\"quotes\"\"\"" } else { "plain" };
        rows.push(format!("{},{when},{amount},{note}\r\n", id(customer)));
    };
    for customer in 0..12 {
        let weeks = if customer < 8 { 27 } else { customer + 3 };
        for week in 0..weeks {
            add(customer, 7 * week, format!("{}.00", customer + 1), &mut rows);
        }
    }
    for day in [3, 24, 45, 66, 87] {
        add(1, day, String::new(), &mut rows);
    }
    for (customer, day, amount) in [(2, 9, "-1.50"), (2, 16, "-1.50"), (5, 30, "-2.00")] {
        add(customer, day, amount.to_owned(), &mut rows);
    }
    let copies: Vec<_> = [2, 5, 8, 11].iter().map(|at: &usize| rows[*at].clone()).collect();
    rows.extend(copies);
    rows.push(format!("{},soon,1.00,plain\r\n", id(3)));
    rows.push(format!("{},2024-02-30,1.00,plain\r\n", id(3)));
    assert_eq!(rows.len(), 280);
    format!("\u{feff}customer_id,txn_timestamp,amount,note\r\n{}", rows.concat())
}

#[test]
fn a_dirty_file_comes_out_as_counted_by_hand() {
    let project = whole(dirty());
    let ran = calm(&project);
    assert_eq!(ran.code, 0, "{}", ran.err);
    // 8 x 27 + (11 + 12 + 13 + 14) weekly purchases, 5 + 3 + 4 rows on top, 2 that can't be read.
    says(
        &ran,
        &[
            "278 rows from 1 file, 2 rejected",
            "2 of 280 rows (0.71 %) were left out",
            "`txn_timestamp` is `soon`, not a date",
        ],
    );
    says(&ran, &["5 of 278 values of `amount` are missing", "4 of 278 rows are copies of earlier ones"]);
    assert_eq!((metric(&project, "rows", "rows"), metric(&project, "rows", "rejected")), (278.0, 2.0));
    says(&ran, &["5 of 278 rows are skipped: 5 without an amount"]);
    assert_eq!(metric(&project, "features", "customers"), 12.0);
    assert_eq!(metric(&project, "features", "rows_used"), 273.0);
    let rejected = rows(&project, "rows.rejected");
    assert_eq!(rejected.len(), 2);
    let features = rows(&project, "features");
    let of = |customer: usize| {
        let row = &features[customer];
        let number = |column: &str| row[column].as_f64().unwrap_or_else(|| panic!("{column}: {row}"));
        ["frequency", "monetary", "returns", "recency_days", "tenure_days"].map(number)
    };
    // As of day 183, the midnight after the last purchase: four copies count as purchases.
    assert_eq!(of(0), [31.0, 31.0, 0.0, 1.0, 183.0]);
    // 27 purchases of 2; the rows without an amount are none.
    assert_eq!(of(1), [27.0, 54.0, 0.0, 1.0, 183.0]);
    // 27 purchases of 3 less two refunds of 1.50.
    assert_eq!(of(2), [27.0, 78.0, 2.0, 1.0, 183.0]);
    assert_eq!(of(5), [27.0, 160.0, 1.0, 1.0, 183.0]);
    // 11 purchases of 9, the last one on day 70.
    assert_eq!(of(8), [11.0, 99.0, 0.0, 113.0, 183.0]);
    // 27 x (1 + .. + 8) + 9 x 11 + 10 x 12 + 11 x 13 + 12 x 14 + 4 - 5 = 1501, of which 1 + .. + 8
    // on Monday, day 182: a week that is covered only in part and left out.
    let total = rows(&project, "total");
    assert_eq!(total.len(), 26);
    let revenue: f64 = total.iter().map(|row| row["revenue"].as_f64().unwrap()).sum();
    assert_eq!(revenue, 1465.0);
    says(&ran, &["covered only in part: the week of 2024-07-01"]);
    assert_eq!(metric(&project, "churn", "customers"), 12.0);
    let chance = rows(&project, "churn");
    let chance = |customer: usize| chance[customer]["probability"].as_f64().unwrap();
    assert!(
        (0..8).all(|stays| (8..12).all(|left| chance(stays) < chance(left))),
        "who left is told from who stays"
    );
    let page = project.read("report.html");
    assert!(page.contains("</html>") && page.contains("12 customers"), "{}", &page[..2000.min(page.len())]);
}

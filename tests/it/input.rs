//! Bad and small input through whole pipelines: a message that helps, an exit code, and nothing lost.

use crate::project::Project;
use crate::shop::{WHOLE, WITHOUT_SEGMENTS, calm, csv, good, rows, says, whole};

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
        (&[0; 500], &["`in.csv` is not a text file: it has NUL bytes", "hint: `read` takes delimited text"]),
        (
            b"\x1f\x8b\x08\x00\x00\x00",
            &["`in.csv` has been cut off: its gzip data has no end", "hint: make or copy it again"],
        ),
        (
            b"customer_id,txn_timestamp,amount\n1,2024-02-30,3\n2,2024-02-03,3\n3,soon,3\n",
            &[
                "2 of 3 rows",
                "lines 2, 4 of `in.csv`: `txn_timestamp` is not a date, such as `2024-02-30`",
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
                "hint: say with `time` that it is `when`, or rename it with `columns` of a `read` stage",
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

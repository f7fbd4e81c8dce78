//! Wrong data: a message, exit code 1, and nothing lost.

use crate::project::{Project, Ran};

fn read(bytes: &[u8]) -> Ran {
    let project = Project::with(
        "[stages.rows]\nkind = \"read\"\npath = \"in.csv\"\n[stages.features]\nkind = \"features\"\ninput = \"rows\"\n",
    );
    project.write("in.csv", bytes);
    project.custem(&["run", "p.toml"])
}

fn fails(bytes: &[u8], message: &str) {
    let ran = read(bytes);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains(message), "expected `{message}` in:\n{}", ran.err);
    assert!(!ran.err.contains("defect") && !ran.err.contains("panicked"), "{}", ran.err);
}

#[test]
fn an_empty_file() {
    fails(b"", "empty");
}

#[test]
fn a_header_without_rows() {
    fails(b"customer_id,txn_timestamp,amount\n", "has a header but no rows");
}

#[test]
fn a_missing_column() {
    fails(b"customer_id,when,amount\n1,2025-01-01,2\n2,2025-01-02,3\n", "txn_timestamp");
}

#[test]
fn half_a_parquet_file() {
    fails(b"PAR1 and then nothing", "Parquet");
}

#[test]
fn a_folder_or_nothing_at_the_path() {
    let project = Project::with("[stages.rows]\nkind = \"read\"\npath = \"in.csv\"\n");
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("there is no file `in.csv`") && ran.err.contains("--> p.toml:3:8"),
        "{}",
        ran.err
    );
    std::fs::create_dir(project.path("in.csv")).unwrap();
    assert!(project.custem(&["run", "p.toml"]).err.contains("is a folder"));
}

#[test]
fn one_customer_goes_through() {
    let ran = read(b"customer_id,txn_timestamp,amount\n1,2025-01-01,2.5\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn dirty_text_is_read_and_what_is_bad_is_told() {
    let dirty = "\u{feff}customer_id;txn_timestamp;amount;note\r\n\
        7b0f5c1e-0001;2025-01-03;12,50;\"two\nlines\"\r\n\
        7b0f5c1e-0002;04.01.2025;-3,20;refund\r\n\
        7b0f5c1e-0001;2025-02-03;;missing\r\n\
        7b0f5c1e-0002;2025-02-05;1.234,00;\r\n\
        7b0f5c1e-0002;2025-02-05;1.234,00;\r\n";
    let project = Project::with(
        "[stages.rows]\nkind = \"read\"\npath = \"in.csv\"\nsave = { rejected = \"rejected.parquet\" }\n[stages.quality]\nkind = \"check\"\ninput = \"rows\"\non_error = \"warn\"\n[stages.features]\nkind = \"features\"\ninput = \"quality\"\n",
    );
    project.write("in.csv", dirty);
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let table = project.custem(&["show", "rows", "--csv"]).out;
    assert!(table.contains("7b0f5c1e-0002,2025-01-04T00:00:00,-3.2,refund"), "{table}");
    assert!(table.contains(",1234.0,"), "{table}");
    let features = project.custem(&["show", "features", "--csv"]).out;
    assert_eq!(features.lines().count(), 3, "{features}");
}

#[test]
fn a_failed_check_stops_what_needs_the_rows() {
    let project = Project::with(
        "[stages.rows]\nkind = \"read\"\npath = \"in.csv\"\n[stages.quality]\nkind = \"check\"\ninput = \"rows\"\nrules = [{ column = \"amount\", min = 0.0 }]\n[stages.features]\nkind = \"features\"\ninput = \"quality\"\n",
    );
    project.write("in.csv", "customer_id,txn_timestamp,amount\n1,2025-01-01,2\n2,2025-01-02,-3\n");
    assert_eq!(project.run(&[]), ["features skipped", "quality failed", "rows ran"]);
    let ran = project.custem(&["run", "p.toml"]);
    assert!(ran.code == 1 && ran.err.contains("--> p.toml:7:"), "{}", ran.err);
}

#[test]
fn a_check_without_rules_finds_missing_columns() {
    let text = "[stages.rows]\nkind = \"read\"\npath = \"in.csv\"\n[stages.quality]\nkind = \"check\"\ninput = \"rows\"\n";
    let project = Project::with(text);
    project.write("in.csv", "customer_id,when,amount\n1,2025-01-01,2\n,2025-01-02,3\n");
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let expected = "\
error: stage `quality` failed: 2 checks failed
 --> p.toml:5:8
  |
5 | kind = \"check\"
  |        ^^^^^^^
    - 1 of 2 values of `customer_id` is missing (50 %): row 2
    - there is no column `txn_timestamp`; there are `customer_id`, `amount` and `when`
hint: rename columns with `columns` of the stage that reads them, or write `rules` of your own; `on_error = \"warn\"` goes on nevertheless, and keeps `findings`
";
    assert!(ran.err.contains(expected), "{}", ran.err);
    project.write("p.toml", format!("{text}on_error = \"warn\"\n"));
    let ran = project.custem(&["run", "p.toml"]);
    assert!(ran.code == 0 && ran.err.contains("6 checks, 2 failed"), "{}", ran.err);
    let findings = project.custem(&["show", "quality.findings", "--csv"]).out;
    let absent = "3,column,txn_timestamp,error,false,2,2,1.0,\"there is no column `txn_timestamp`; there are `customer_id`, `amount` and `when`\",";
    assert!(findings.lines().any(|line| line == absent), "{findings}");
}

#[test]
fn more_segments_than_customers() {
    let project = Project::with(
        "[stages.rows]\nkind = \"simulate\"\ncustomers = 3\nstart = 2024-01-01\nend = 2024-12-29\n[stages.features]\nkind = \"features\"\ninput = \"rows\"\n[stages.segments]\nkind = \"segment\"\ninput = \"features\"\nk = 50\n",
    );
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("--> p.toml:12:5"), "{}", ran.err);
}

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let text = "[pipeline]\nseed = 5\n[stages.rows]\nkind = \"simulate\"\ncustomers = 300\nstart = 2024-01-01\nend = 2025-12-28\n[stages.features]\nkind = \"features\"\ninput = \"rows\"\n[stages.segments]\nkind = \"segment\"\ninput = \"features\"\n[stages.profile]\nkind = \"profile\"\nfeatures = \"features\"\nsegments = \"segments\"\n";
    let bytes = |jobs: &str| {
        let project = Project::with(text);
        assert_eq!(project.run(&["--jobs", jobs]).len(), 4);
        let objects = project.files("cache/objects");
        objects.into_iter().map(|(path, _)| path.file_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let one = bytes("1");
    assert!(!one.is_empty());
    assert_eq!(one, bytes("2"));
}

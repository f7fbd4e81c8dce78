//! Tables divided by month: appended and late rows cost only the files and months that they touch, and give
//! the bytes of a run in an empty cache.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde_json::{Value as Json, json};

use crate::project::{Project, binary, events, text};

const PIPELINE: &str = r#"
[stages.rows]
kind = "read"
path = "in/*.csv"
partition_by = "month"
types = { channel = "category" }
save = "rows.parquet"

[stages.features]
kind = "features"
input = "rows"
save = "features.parquet"

[stages.weekly]
kind = "series"
input = "rows"
save = "weekly.parquet"
"#;

const HEADER: &str = "customer_id,txn_timestamp,amount,channel,is_local\n";

fn line(text: &mut String, month: usize, row: usize) {
    let (year, customer) = (2023 + month / 12, (row * 7 + month * 3) % 23 + 1);
    let (day, hour) = (row * 5 % 28 + 1, row % 24);
    let amount = if row % 11 == 5 { -4.35 } else { (row * 37 % 901) as f64 / 10.0 + 0.1 };
    let channel = ["web", "shop", "phone"][(row + month) % 3];
    let month = month % 12 + 1;
    let _ = writeln!(
        text,
        "{customer},{year}-{month:02}-{day:02}T{hour:02}:30:00,{amount},{channel},{}",
        row % 2
    );
}

fn file_of(month: usize) -> String {
    let mut text = HEADER.to_owned();
    (0..60).for_each(|row| line(&mut text, month, row));
    text
}

/// 24 files of a month each.
fn shop() -> Project {
    let project = Project::with(PIPELINE);
    for month in 0..24 {
        project.write(&format!("in/{month:02}.csv"), file_of(month));
    }
    project
}

/// The `parts` of each stage that ran.
fn parts(out: &str) -> BTreeMap<String, Json> {
    let ran = |event: &Json| event["event"] == "stage_done" && event["outcome"] == "ran";
    let ends = events(out).into_iter().filter(ran);
    ends.map(|end| (text(&end, "stage").to_owned(), end["parts"].clone())).collect()
}

fn counted(unit: &str, computed: usize, reused: usize) -> Json {
    json!({ "unit": unit, "computed": computed, "reused": reused })
}

/// The `parts` of a run that is proved.
fn run(project: &Project) -> BTreeMap<String, Json> {
    let ran = project.custem(&["run", "p.toml", "--json", "--check-incremental"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    parts(&ran.out)
}

fn saved(project: &Project) -> Vec<Vec<u8>> {
    ["rows", "features", "weekly"]
        .map(|name| fs::read(project.path(&format!("{name}.parquet"))).unwrap())
        .into()
}

/// What a run over the same files gives in an empty cache, on so many cores.
fn anew(project: &Project, jobs: &str) -> Vec<Vec<u8>> {
    let other = Project::with(PIPELINE);
    for (path, bytes) in project.files("in") {
        other.write(&format!("in/{}", path.file_name().unwrap().to_str().unwrap()), bytes);
    }
    other.run(&["--jobs", jobs]);
    saved(&other)
}

fn expect(project: &Project, files: (usize, usize), months: (usize, usize)) {
    let (files, months) = (counted("file", files.0, files.1), counted("month", months.0, months.1));
    let wanted = [("features", months.clone()), ("rows", files), ("weekly", months)];
    assert_eq!(run(project), wanted.map(|(name, parts)| (name.to_owned(), parts)).into());
    let saved = saved(project);
    for jobs in ["1", "2"] {
        assert!(saved == anew(project, jobs), "{jobs}");
    }
}

#[test]
fn only_what_new_rows_touch_is_computed() {
    let project = shop();
    expect(&project, (24, 0), (24, 0));
    // A new month.
    project.write("in/24.csv", file_of(24));
    expect(&project, (1, 24), (1, 24));
    // Late rows of an old month.
    let mut late = HEADER.to_owned();
    (60..64).for_each(|row| line(&mut late, 7, row));
    project.write("in/late.csv", late);
    expect(&project, (1, 25), (1, 24));
    // A file is gone: what was known before is known again.
    fs::remove_file(project.path("in/late.csv")).unwrap();
    let ran = run(&project);
    assert!(ran.is_empty(), "{ran:?}");
    fs::remove_file(project.path("in/03.csv")).unwrap();
    expect(&project, (0, 24), (0, 24));
}

#[test]
fn the_terminal_says_what_was_computed() {
    let project = shop();
    let line = |name: &str| {
        let ran = project.custem(&["run", "p.toml"]);
        let line = ran.err.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.rsplit_once("   ").unwrap().1.to_owned()
    };
    assert_eq!(line("rows"), "1,440 rows from 24 files, 0 rejected");
    project.write("in/24.csv", file_of(24));
    assert_eq!(
        line("rows"),
        "1,500 rows (was 1,440) from 25 files (was 24), 0 rejected, 25 files, 1 computed"
    );
    let ran = project.custem(&["run", "p.toml", "--check-incremental"]);
    assert!(
        ran.err.ends_with("3 stages with kept partial results: computed without them the same\n"),
        "{}",
        ran.err
    );
}

#[test]
fn damaged_and_missing_parts_are_computed_anew() {
    let project = shop();
    run(&project);
    let before = saved(&project);
    let records = project.read("cache/records.log");
    let parts: Vec<String> = records
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line.get(82..)?).ok())
        .filter(|record| record["kind"] == "part of features")
        .map(|record| text(&record["outputs"]["part"], "digest").to_owned())
        .collect();
    assert_eq!(parts.len(), 24);
    let object = |digest: &str| project.path(&format!("cache/objects/{}/{}", &digest[..2], &digest[2..]));
    fs::remove_file(object(&parts[3])).unwrap();
    fs::remove_file(object(&parts[5])).unwrap();
    fs::write(object(&parts[5]), "no state").unwrap();
    // A cutoff behind the last row asks for all months again.
    project.write(
        "p.toml",
        PIPELINE.replace("input = \"rows\"\nsave = \"f", "input = \"rows\"\ncutoff = 2025-01-01\nsave = \"f"),
    );
    assert_eq!(run(&project)["features"], counted("month", 2, 22));
    assert_eq!(before[0], saved(&project)[0]);
    let verified = project.custem(&["cache", "verify"]);
    assert_eq!(verified.code, 0, "{}", verified.out);
}

#[test]
fn the_cache_commands_know_parts() {
    let project = shop();
    run(&project);
    let objects = project.files("cache/objects").len();
    let du = project.custem(&["cache", "du", "--json"]);
    let du: Json = serde_json::from_str(&du.out).unwrap();
    assert_eq!(du["unreachable"]["objects"], 0);
    let stage = du["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == "features").unwrap();
    // The features, their metrics, and what came of 24 months.
    assert_eq!(stage["objects"], 26);
    let gc = project.custem(&["cache", "gc", "--json"]);
    assert_eq!(serde_json::from_str::<Json>(&gc.out).unwrap()["objects"], 0);
    assert_eq!(project.files("cache/objects").len(), objects);
    project.write("in/24.csv", file_of(24));
    assert_eq!(run(&project)["features"], counted("month", 1, 24));
    // Parts of a run that isn't kept stay while a kept one has them.
    project.custem(&["cache", "gc", "--keep-runs", "1"]);
    project.write("in/25.csv", file_of(25));
    expect(&project, (1, 25), (1, 25));
    // Nothing kept: nothing of them is left.
    fs::remove_dir_all(project.path("experiments")).unwrap();
    project.custem(&["cache", "gc"]);
    assert!(project.files("cache/objects").is_empty());
}

#[test]
fn a_run_that_was_killed_leaves_parts_that_the_next_one_takes() {
    let project = shop();
    let wanted = anew(&project, "2");
    for stop in (1..40).map(|step| step * 23) {
        let mut killed = binary();
        killed
            .current_dir(project.path(""))
            .args(["run", "p.toml"])
            .env("CUSTEM_FAULT", format!("stop:{stop}"));
        if killed.output().unwrap().status.success() {
            break;
        }
    }
    run(&project);
    assert!(saved(&project) == wanted);
}

#[test]
fn a_forced_stage_takes_no_part() {
    let project = shop();
    run(&project);
    let ran = project.custem(&["run", "p.toml", "--json", "--force", "features"]);
    assert_eq!(parts(&ran.out)["features"], counted("month", 24, 0));
}

/// A part that isn't what the stage would compute, though its bytes are those of its digest.
#[test]
fn a_wrong_part_is_an_error_that_says_where() {
    let project = shop();
    run(&project);
    // Two months take each other's place: the records of their keys are exchanged.
    let log = project.read("cache/records.log");
    let is_part = |line: &&str| line.contains("\"part of features\"");
    let lines: Vec<&str> = log.lines().filter(is_part).collect();
    let forged = |key: &str, of: &str| {
        let body = &of[82..];
        let mut hasher = blake3::Hasher::new();
        let bytes: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).unwrap()).collect();
        hasher.update(&bytes);
        hasher.update(body.as_bytes());
        format!("\n{} {} {body}\n", &key[..64], &hasher.finalize().to_hex()[..16])
    };
    let appended = forged(lines[4], lines[9]);
    fs::write(project.path("cache/records.log"), log.clone() + &appended).unwrap();
    project.write("in/24.csv", file_of(24));
    let ran = project.custem(&["run", "p.toml", "--check-incremental"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let said =
        "error: `features.features` has other bytes than without kept partial results: row 1, column `";
    assert!(ran.err.contains(said), "{}", ran.err);
    assert!(
        ran.err.ends_with("hint: `custem run --force STAGE` computes it without them; please report it\n"),
        "{}",
        ran.err
    );
}

#[test]
fn the_parameters_are_checked() {
    let project =
        Project::with("[stages.rows]\nkind = \"read\"\npath = \"a.csv\"\npartition_by = \"month\"\n");
    project.write("a.csv", "customer_id,note\n1,x\n2,y\n");
    let said =
        |ran: crate::project::Ran| ran.err.lines().find(|line| line.contains("error: ")).unwrap().to_owned();
    assert_eq!(
        said(project.custem(&["run", "p.toml"])),
        "error: stage `rows` failed: there is no column `txn_timestamp`"
    );
    let named = "partition_by = \"month\"\npartition_time = \"note\"\n";
    project.write("p.toml", format!("[stages.rows]\nkind = \"read\"\npath = \"a.csv\"\n{named}"));
    assert_eq!(
        said(project.custem(&["run", "p.toml"])),
        "error: stage `rows` failed: column `note` is text, not a date or timestamp"
    );
    project.write("p.toml", "[stages.rows]\nkind = \"read\"\npath = \"a.csv\"\npartition_time = \"note\"\n");
    let checked = project.custem(&["check", "p.toml"]);
    assert_eq!(
        (checked.code, said(checked)),
        (2, "error: `partition_time` only says by which column, and there is no `partition_by`".to_owned())
    );
}

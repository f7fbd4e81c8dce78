//! From numbers, files and rows back to stages, lines of the pipeline and source files.

use std::fs;

use serde_json::Value as Json;

use crate::project::{Project, text};

const SHOP: &str = "[pipeline]\nname = \"shop\"\nseed = 3\n\n[stages.rows]\nkind = \"read\"\npath = \"in.csv\"\n\n[stages.features]\nkind = \"features\"\ninput = \"rows\"\n\n[stages.segments]\nkind = \"segment\"\ninput = \"features\"\nk = 3\nsave = \"out/segments.parquet\"\n";

/// A project that has run twice; the second run had nothing to do.
fn project() -> Project {
    let row = |at: u32| {
        format!("C{:03},2024-{:02}-{:02},{}.5\n", at % 40, 1 + at % 12, 1 + at % 28, 1 + (at * at) % 97)
    };
    let project = Project::with(SHOP);
    project.write(
        "in.csv",
        format!("customer_id,txn_timestamp,amount\n{}", (0..400).map(row).collect::<String>()),
    );
    for _ in 0..2 {
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    project
}

fn trace(project: &Project, what: &str) -> Json {
    let ran = project.custem(&["trace", what, "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{what}");
    serde_json::from_str(&ran.out).unwrap()
}

fn stages(found: &Json) -> Vec<&str> {
    found["steps"].as_array().unwrap().iter().map(|step| text(step, "stage")).collect()
}

#[test]
fn a_metric_leads_to_lines_and_files() {
    let project = project();
    let ran = project.custem(&["trace", "segments.silhouette"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(
        lines[0].starts_with("segments.silhouette is 0.") && lines[0].contains(" in run 0002-"),
        "{}",
        ran.out
    );
    assert!(
        lines[1].starts_with("  segments  segment      ") && lines[1].contains("computed in run 0001-"),
        "{}",
        ran.out
    );
    assert_eq!(lines[2], "      pipeline.seed   3                     p.toml:3");
    assert_eq!(lines[4], "      segments.k      3                     p.toml:16");
    assert!(
        lines.last().unwrap().starts_with("      reads in.csv  ") && ran.out.ends_with("  as it was\n"),
        "{}",
        ran.out
    );
    assert_eq!(stages(&trace(&project, "segments.silhouette")), ["segments", "features", "rows"]);
    let wrong = project.custem(&["trace", "segments.silhuette"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.starts_with("error: `segments.silhuette` is no file, and no metric of run 0002-"),
        "{}",
        wrong.err
    );
    assert!(wrong.err.ends_with("hint: did you mean `segments.silhouette`?\n"), "{}", wrong.err);
}

#[test]
fn a_file_is_known_by_its_bytes() {
    let project = project();
    let found = trace(&project, "out/segments.parquet");
    assert_eq!(
        (text(&found, "artifact"), stages(&found)),
        ("segments.assignments", vec!["segments", "features", "rows"])
    );
    // Under another name, too.
    fs::copy(project.path("out/segments.parquet"), project.path("mine.parquet")).unwrap();
    assert_eq!(text(&trace(&project, "mine.parquet"), "artifact"), "segments.assignments");
    // Changed since it was saved.
    project.write("out/segments.parquet", "mine");
    let ran = project.custem(&["trace", "out/segments.parquet"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.starts_with("these bytes ("), "{}", ran.out);
    assert!(ran.out.contains(") are not what any recorded run saved; out/segments.parquet was last saved by `segments` in run 0002-"), "{}", ran.out);
    // Nobody's.
    project.write("notes.txt", "hello");
    let ran = project.custem(&["trace", "notes.txt"]);
    let told = "error: `notes.txt` is nothing that a recorded run saved or gave\nhint: trace follows files that stages `save`; a file that a stage reads is listed where its stage is traced\n";
    assert_eq!((ran.code, ran.err.as_str()), (2, told));
}

#[test]
fn a_row_leads_to_the_rows_and_lines_before_it() {
    let project = project();
    let found = trace(&project, "out/segments.parquet#C007");
    let row = &found["row"];
    assert_eq!(
        (text(row, "column"), &row["values"][0]),
        ("customer_id", &serde_json::json!(["customer_id", "C007"]))
    );
    let before: Vec<_> = row["before"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(one, "what"), one["rows"].as_u64()))
        .collect();
    assert!(before.contains(&("features.features", Some(1))), "{before:?}");
    assert!(before.iter().any(|(what, rows)| what.starts_with("rows.") && *rows == Some(10)), "{before:?}");
    assert!(before.contains(&("in.csv", Some(10))), "{before:?}");
    let shown = project.custem(&["trace", "out/segments.parquet#C007"]).out;
    assert!(shown.contains("row with customer_id = C007\n"), "{shown}");
    assert!(shown.contains("10 rows  lines 9, 49, 89, 129, 169 and 5 more\n"), "{shown}");
    let wrong = project.custem(&["trace", "out/segments.parquet#C999"]);
    let told = "error: `out/segments.parquet` has no row `C999`\nhint: behind `#` stands a value of a column, such as a customer's: `data/scores.csv#C0017`\n";
    assert_eq!((wrong.code, wrong.err.as_str()), (2, told));
    // What is gone is said.
    project.write("in.csv", "customer_id,date,amount\n");
    let objects = project.files("cache/objects");
    let digest = found["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| text(step, "stage") == "features")
        .unwrap()["outputs"]["features"]
        .as_str()
        .unwrap()
        .to_owned();
    let object = objects.iter().find(|(path, _)| path.ends_with(&digest[2..])).unwrap();
    fs::remove_file(&object.0).unwrap();
    let shown = project.custem(&["trace", "out/segments.parquet#C007"]).out;
    assert!(shown.contains("in features.features     not in the cache any more\n"), "{shown}");
    assert!(shown.contains("changed since\n"), "{shown}");
}

/// `--output` writes into what is no file, and through a link; it puts no file in their place.
#[test]
fn outputs_keep_devices_pipes_and_links() {
    use std::os::unix::fs::FileTypeExt;
    let project = Project::with("[stages.x]\nkind = \"command\"\ncommand = [\"echo\", \"1\"]\n");
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    let pipe = project.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("behind.csv", project.path("link.csv")).unwrap();
    for form in ["csv", "json", "parquet"] {
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs_err::read(pipe).unwrap()
        });
        let told = project.custem(&["runs", "export", "--format", form, "--output", "pipe"]);
        assert_eq!(told.code, 0, "{}", told.err);
        let piped = reader.join().unwrap();
        assert!(fs_err::metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(project.custem(&["runs", "export", "--format", form, "--output", "link.csv"]).code, 0);
        assert_eq!(fs_err::read(project.path("behind.csv")).unwrap(), piped);
        assert!(project.path("link.csv").is_symlink() && !piped.is_empty());
    }
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs_err::read_to_string(pipe).unwrap()
    });
    assert_eq!(project.custem(&["runs", "trace", "last", "--output", "pipe"]).code, 0);
    assert!(reader.join().unwrap().contains("traceEvents"));
    // What can't be written stays as it is, and says so.
    fs_err::create_dir(project.path("folder")).unwrap();
    let told = project.custem(&["runs", "trace", "last", "--output", "folder"]);
    assert_eq!((told.code, told.err.contains("can't write `folder`")), (1, true), "{}", told.err);
}

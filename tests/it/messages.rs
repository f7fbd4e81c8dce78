//! What is said about runs, stages and artifacts that aren't what was asked for.

use std::process::Stdio;

use crate::project::{Project, binary, events, text};

const ONE: &str = "[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"hello\"]\n";

/// A few customers, their features, and a report of them.
const SMALL: &str = "[stages.t]\nkind = \"simulate\"\ncustomers = 60\nstart = 2024-01-01\nend = 2024-06-30\n[stages.f]\nkind = \"features\"\ninput = \"t\"\n[stages.r]\nkind = \"report\"\nfeatures = \"f\"\n";

fn told(project: &Project, args: &[&str]) -> (i32, String) {
    let ran = project.custem(args);
    assert_eq!(ran.out, "");
    (ran.code, ran.err)
}

#[test]
fn a_run_that_is_not_there_is_a_wrong_command_line() {
    let project = Project::with(ONE);
    let none = "error: no run is recorded yet\nhint: run a pipeline: `custem run FILE`\n".to_owned();
    assert_eq!(told(&project, &["show", "a"]), (2, none));
    project.run(&[]);
    let wrong = "error: there is no run `99`\nhint: `custem runs list` lists them\n".to_owned();
    for args in [&["why", "a", "--run", "99"][..], &["show", "a", "--run", "99"], &["runs", "show", "99"]] {
        assert_eq!(told(&project, args), (2, wrong.clone()), "{args:?}");
    }
    project.run(&[]);
    let (code, err) = told(&project, &["runs", "show", "00"]);
    assert_eq!(code, 2);
    assert!(err.starts_with("error: `00` could be 2 runs\nhint: give more of the name: `0001-"), "{err}");
}

#[test]
fn a_project_s_folder_that_is_not_there_is_not_made() {
    let project = Project::with(ONE);
    let wrong = "error: there is no folder `nope`\nhint: `--root` takes the project's folder; `custem init` starts a project in a new one\n";
    assert_eq!(told(&project, &["run", "p.toml", "--root", "nope"]), (2, wrong.to_owned()));
    assert_eq!(told(&project, &["runs", "list", "--root", "nope"]), (2, wrong.to_owned()));
    assert!(!project.path("nope").exists());
    assert_eq!(project.custem(&["init", "--root", "new"]).code, 0);
    assert!(project.path("new/pipelines/quickstart.toml").exists());
}

#[test]
fn only_tables_are_printed_as_csv() {
    let project = Project::with(SMALL);
    project.run(&[]);
    assert_eq!(
        told(&project, &["show", "r", "--csv"]),
        (2, "error: `r` is a page, and `--csv` prints tables\nhint: leave `--csv` out: custem show r > FILE\n".to_owned())
    );
    assert_eq!(told(&project, &["show", "r", "--json"]).0, 2);
    assert_eq!(told(&project, &["show", "f.metrics", "--csv"]).0, 2);
    let metrics = project.custem(&["show", "f.metrics", "--json"]);
    let metrics: serde_json::Value = serde_json::from_str(&metrics.out).unwrap();
    assert!(metrics["customers"].as_f64().unwrap() > 50.0, "{metrics}");
    assert_eq!(
        told(&project, &["show", "f.nope"]).1.lines().next().unwrap().split(" in run").next().unwrap(),
        "error: stage `f` gave no port `nope`"
    );
}

#[test]
fn what_a_failed_stage_gave_is_told() {
    let project = Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"false\"]\n");
    project.run(&[]);
    let (code, err) = told(&project, &["show", "a.stdout"]);
    assert_eq!(code, 2);
    let run = err.split(['`', ' ', ',']).find(|word| word.starts_with("0001-")).unwrap();
    assert_eq!(
        err,
        format!(
            "error: stage `a` failed in run {run}, so it gave nothing\nhint: `custem runs show {run}` says why\n"
        )
    );
}

/// `head` reads a few lines and goes; what is left to print is nobody's business.
#[test]
fn a_reader_that_goes_early_is_no_failure() {
    let project = Project::with(&SMALL.replace("customers = 60", "customers = 5000"));
    project.run(&["--until", "t"]);
    for flag in ["--csv", "--json"] {
        let mut child = binary()
            .current_dir(project.path(""))
            .args(["show", "t", flag])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{flag}");
    }
}

#[test]
fn older_runs_are_counted() {
    let project = Project::with(ONE);
    for _ in 0..3 {
        project.run(&[]);
    }
    let list = project.custem(&["runs", "list", "-n", "1"]).out;
    assert_eq!(list.lines().nth(1), Some("and 2 older runs: custem runs list -n 3"));
    assert_eq!(project.custem(&["runs", "list", "-n", "3"]).out.lines().count(), 3);
}

/// Skipped stages are listed as the pipeline has them: each after what it needs.
#[test]
fn skipped_stages_stand_in_the_order_of_the_pipeline() {
    let stage = |name: &str, inputs: &str| {
        format!("[stages.{name}]\nkind = \"command\"\ncommand = [\"true\"]\ninputs = {{ {inputs} }}\n")
    };
    let project = Project::with(&format!(
        "[stages.a]\nkind = \"command\"\ncommand = [\"false\"]\n{}{}{}{}",
        stage("report", "x = \"churn\", y = \"features\""),
        stage("features", "x = \"a\""),
        stage("churn", "x = \"features\""),
        stage("series", "x = \"a\""),
    ));
    let ran = project.custem(&["run", "p.toml", "--json"]);
    let events = events(&ran.out);
    let skipped: Vec<_> =
        events.iter().filter(|event| event["outcome"] == "skipped").map(|end| text(end, "stage")).collect();
    assert_eq!(skipped, ["features", "churn", "report", "series"]);
}

#[test]
fn machines_get_the_event_and_the_column() {
    let project = Project::with("[stages.a]\nkind = \"x\"\n");
    let wrong = events(&project.custem(&["run", "p.toml", "--json"]).out);
    assert_eq!((text(&wrong[0], "event"), &wrong[0]["ok"]), ("problems", &false.into()));
    let failing = Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"false\"]\n");
    let ran = events(&failing.custem(&["run", "p.toml", "--json"]).out);
    let error = &ran.iter().find(|event| event["outcome"] == "failed").unwrap()["error"];
    assert_eq!((text(error, "place"), text(error, "file")), ("p.toml:3", "p.toml"));
    assert_eq!((&error["line"], &error["column"]), (&3.into(), &11.into()));
}

#[test]
fn a_pattern_without_files_says_where_it_starts() {
    let project = Project::with(
        "[stages.r]\nkind = \"read\"\npath = \"no/*.csv\"\ncolumns = { customer_id = \"a\", txn_timestamp = \"b\", amount = \"c\" }\n",
    );
    let (code, err) = told(&project, &["run", "p.toml"]);
    assert_eq!(code, 1);
    assert!(err.contains("no file matches `no/*.csv`\n"), "{err}");
    assert!(
        err.contains("hint: paths start at the project root, which is the current folder or `--root`\n"),
        "{err}"
    );
}

#[test]
fn refunds_alone_are_no_purchases() {
    let project = Project::with(
        "[stages.r]\nkind = \"read\"\npath = \"x.csv\"\ncolumns = { customer_id = \"id\", txn_timestamp = \"day\", amount = \"sum\" }\n[stages.c]\nkind = \"churn\"\ninput = \"r\"\nhorizon_days = 30\n",
    );
    let row = |at: u32| format!("{},2024-{:02}-{:02},-5\n", at % 7, at % 12 + 1, at % 28 + 1);
    project.write("x.csv", format!("id,day,sum\n{}", (0..100).map(row).collect::<String>()));
    let (code, err) = told(&project, &["run", "p.toml"]);
    assert_eq!(code, 1);
    assert!(err.contains(": no amount is above 0\n"), "{err}");
    assert!(!err.contains("horizon_days`"), "{err}");
}

/// A bound may have a time, which a day of the calendar may not; the record spells both as dates.
#[test]
fn a_record_with_dates_in_rules_can_be_rerun() {
    let rules = "[stages.c]\nkind = \"check\"\ninput = \"t\"\nrules = [{ column = \"txn_timestamp\", min = 2020-01-01T10:00:00, max = 2030-01-01 }]\n";
    let project = Project::with(&format!("{SMALL}{rules}"));
    project.run(&[]);
    let (config, _) = project.files("experiments/configs").remove(0);
    let again = project.custem(&["run", config.to_str().unwrap()]);
    assert!(again.err.contains("4 stages: 0 ran, 4 from cache, "), "{}", again.err);
}

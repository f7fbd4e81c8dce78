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
    let json = problem(&project.custem(&["show", "r", "--json"]).out);
    let hint = "leave `--json` out: custem show r > FILE".to_owned();
    assert_eq!(json, ("`r` is a page, and `--json` prints tables".to_owned(), hint));
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

/// The line for programs, without the places that are known of none.
fn problem(out: &str) -> (String, String) {
    let lines = events(out);
    assert_eq!((lines.len(), &lines[0]["ok"]), (1, &false.into()), "{out}");
    let problem = &lines[0]["problems"][0];
    assert_eq!(problem["severity"], "error", "{out}");
    (text(problem, "message").to_owned(), problem["hint"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn every_command_tells_programs_what_is_wrong() {
    let project = Project::with(ONE);
    let none = ("no run is recorded yet", "run a pipeline: `custem run FILE`");
    let said = |args: &[&str], code: i32, (message, hint): (&str, &str)| {
        let ran = project.custem(args);
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{args:?}: {}", ran.out);
        assert_eq!(problem(&ran.out), (message.to_owned(), hint.to_owned()), "{args:?}");
    };
    for args in [
        &["why", "a", "--json"][..],
        &["show", "a", "--json"],
        &["trace", "a.x", "--json"],
        &["runs", "show", "--json"],
    ] {
        said(args, 2, none);
    }
    let bare = ("no run has a metric `a.x`", "run a pipeline first: `custem run FILE`");
    said(&["runs", "bisect", "a.x", "--json"], 2, bare);
    project.run(&[]);
    let nine = ("there is no run `99`", "`custem runs list` lists them");
    for args in [
        &["why", "a", "--run", "99", "--json"][..],
        &["show", "a", "--run", "99", "--json"],
        &["trace", "a.x", "--run", "99", "--json"],
        &["runs", "show", "99", "--json"],
        &["runs", "diff", "99", "1", "--json"],
        &["runs", "rerun", "99", "--json"],
    ] {
        said(args, 2, nine);
    }
    for args in [
        &["run", "no.toml", "--json"][..],
        &["run", "no.toml", "--dry-run", "--json"],
        &["sweep", "no.toml", "--json"],
        &["plan", "no.toml", "--json"],
        &["check", "no.toml", "--json"],
        &["verify", "no.toml", "--json"],
        &["cache", "push", "no.toml", "--json"],
        &["cache", "pull", "no.toml", "--json"],
        &["cache", "status", "no.toml", "--json"],
    ] {
        let ran = project.custem(args);
        assert_eq!((ran.code, ran.err.as_str()), (2, ""), "{args:?}");
        let event = events(&ran.out)[0]["event"].as_str().map(str::to_owned);
        let expected = (matches!(args[0], "run" | "sweep") && !args.contains(&"--dry-run"))
            .then(|| "problems".to_owned());
        assert_eq!(event, expected, "{args:?}");
        assert_eq!(problem(&ran.out).0, "there is no file `no.toml`", "{args:?}");
    }
    said(&["kinds", "segmnt", "--json"], 2, ("there is no kind `segmnt`", "did you mean `segment`?"));
    // The command line itself.
    said(
        &["runs", "diff", "1", "--json"],
        2,
        ("the following required arguments were not provided: <NEW>", ""),
    );
    let (message, hint) = problem(&project.custem(&["runs", "list", "--cout", "3", "--json"]).out);
    assert_eq!(message, "unexpected argument '--cout' found");
    assert_eq!(hint, "a similar argument exists: '--count'");
    for args in [&["runs", "list"][..], &["runs", "export", "--format"]] {
        let last: &[&str] = if args.len() == 2 { &["--json"] } else { &["json"] };
        let ran = project.custem(&[args, last, &["--where", "status is done"]].concat());
        assert_eq!((ran.code, ran.err.as_str()), (2, ""), "{}", ran.out);
        assert!(ran.out.contains("\"file\":\"--where\""), "{}", ran.out);
        assert!(problem(&ran.out).0.starts_with("this can't be read: "), "{}", ran.out);
    }
    // What isn't the command line's fault: a failure.
    project.write("cache/format", "99\n");
    let newer = project.custem(&["plan", "p.toml", "--json"]);
    assert_eq!((newer.code, newer.err.as_str()), (1, ""), "{}", newer.out);
    assert!(problem(&newer.out).0.starts_with("the cache `./cache` has format 99, "), "{}", newer.out);
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

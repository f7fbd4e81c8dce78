//! What is known of a sweep that comes in waves before it runs: plans, locks, results to share, places of saves.

use serde_json::Value as Json;

use crate::project::{Project, events};

/// A search over a stage whose loss is a function of two numbers: six points at random, then two at a time.
const SEARCH: &str = r#"
[pipeline]
seed = 5

[stages.f]
kind = "command"
command = ["sh", "-c", "awk -v x=$X -v y=$Y 'BEGIN { printf \"{\\\"loss\\\": %f}\", (x-30)*(x-30)+(y-8)*(y-8) }' > m.json"]
outputs = { metrics = "m.json" }
env = { X = "1", Y = "1" }

[sweep]
axes = { "f.env.X" = ["10", "15", "20", "25", "30", "35", "40"], "f.env.Y" = ["6", "7", "8", "9"] }
objective = "f.loss"
goal = "min"
strategy = "tpe"
startup = 6
wave = 2
max_variants = 12
"#;

/// The stages of a plan by their verdicts, and those that a sweep waits for.
fn planned(project: &Project, args: &[&str]) -> (usize, usize, Vec<String>) {
    let plan = project.custem(&[&["plan", "p.toml", "--json"], args].concat());
    let plan: Json = serde_json::from_str(&plan.out).unwrap();
    let stages = plan["stages"].as_array().unwrap();
    let idle = stages.iter().filter(|stage| stage["verdict"] == "up_to_date").count();
    let later = plan["later"].as_array().unwrap().iter().map(|stage| stage.as_str().unwrap().to_owned());
    (stages.len(), idle, later.collect())
}

#[test]
fn a_plan_goes_on_as_far_as_results_are_there() {
    let project = Project::with(SEARCH);
    let fresh = project.custem(&["plan", "p.toml"]);
    let lines: Vec<_> = fresh.out.lines().collect();
    assert_eq!((fresh.code, lines.len()), (10, 9), "six variants and the leaderboard: {}", fresh.out);
    let first = lines[0].split_whitespace().collect::<Vec<_>>()[2..4].join(" ");
    let waits = format!("  later      which variants come next depends on what `{first}`, ");
    assert!(lines[7].starts_with(&waits) && lines[7].ends_with(" and 3 more give"), "{}", fresh.out);
    let check = project.custem(&["check", "p.toml"]).out;
    let said =
        format!("p.toml: 7 stages so far, no errors; which variants come next depends on what `{first}`, ");
    assert!(check.starts_with(&said), "{check}");
    project.run(&[]);
    assert_eq!(planned(&project, &[]), (13, 13, vec![]));
    let whole = project.custem(&["plan", "p.toml"]);
    assert_eq!((whole.code, whole.out.as_str()), (0, "  up to date 13 stages\n"));
    assert_eq!(project.custem(&["check", "p.toml"]).out, "p.toml: 13 stages, no errors\n");
    assert_eq!(project.custem(&["graph", "p.toml"]).out.lines().count(), 13);
    // A longer search goes on from there: its next wave is known, and what comes after isn't.
    project.write("p.toml", SEARCH.replace("max_variants = 12", "max_variants = 20"));
    let (stages, idle, later) = planned(&project, &[]);
    assert_eq!((stages, idle, later.len()), (15, 12, 2), "{later:?}");
    let next = project.what_ran(&[]);
    assert!(later.iter().all(|stage| next.contains(stage)), "{later:?} are the next that run: {next:?}");
}

/// A wave that is the last one decides nothing, whatever has still to run.
#[test]
fn nothing_is_open_where_no_wave_is_left() {
    let project = Project::with(&SEARCH.replace("max_variants = 12", "max_variants = 6"));
    assert_eq!(planned(&project, &[]), (7, 0, vec![]));
    let timed =
        SEARCH.replace("\"tpe\"\nstartup = 6\nwave = 2\nmax_variants = 12", "\"grid\"\nmax_time = \"1h\"");
    project.write("p.toml", timed);
    assert_eq!(planned(&project, &[]), (29, 0, vec![]), "a grid is known whatever the time");
}

#[test]
fn a_lock_holds_all_that_a_search_ran() {
    let project = Project::with(SEARCH);
    let early = project.custem(&["lock", "p.toml"]);
    assert_eq!(early.code, 1);
    assert!(early.err.contains("error: the cache doesn't have the results of `f["), "{}", early.err);
    project.run(&[]);
    let locked = project.custem(&["lock", "p.toml"]);
    assert_eq!((locked.code, locked.err.as_str()), (0, "wrote p.lock.toml: 13 stages\n"));
    let again = project.custem(&["run", "p.toml", "--locked"]);
    assert_eq!(again.code, 0, "{}", again.err);
    std::fs::remove_dir_all(project.path("cache")).unwrap();
    let anew = project.custem(&["run", "p.toml", "--locked"]);
    assert_eq!(anew.code, 0, "wave by wave, from nothing: {}", anew.err);
    // One of the last wave gives something else.
    let lock = project.read("p.lock.toml");
    let last = events(&project.custem(&["run", "p.toml", "--json"]).out)
        .into_iter()
        .rfind(|event| event["event"] == "stage_done" && event["kind"] == "command")
        .unwrap();
    let digest = last["outputs"]["metrics"]["digest"].as_str().unwrap().to_owned();
    let other = format!("{:064}", 7);
    project.write("p.lock.toml", lock.replace(&digest, &other));
    let stage = last["stage"].as_str().unwrap();
    let refused = project.custem(&["run", "p.toml", "--locked"]);
    let message = format!(
        "error: stage `{stage}` failed: other bytes than in `p.lock.toml`: `{stage}.metrics` is {}, not {}\n",
        &digest[..8],
        &other[..8]
    );
    assert!(refused.code == 1 && refused.err.contains(&message), "{}", refused.err);
}

#[test]
fn a_lock_takes_no_sweep_that_time_has_cut() {
    let timed = SEARCH.replace("max_variants = 12", "max_variants = 12\nmax_time = \"1ms\"");
    let project = Project::with(&timed);
    project.run(&[]);
    let locked = project.custem(&["lock", "p.toml"]);
    let hint = "hint: `max_time` ended the sweep before them: a lock takes all variants; run it first: custem run p.toml\n";
    assert!(locked.code == 1 && locked.err.ends_with(hint), "{}", locked.err);
}

#[cfg(feature = "remote")]
#[test]
fn all_results_of_a_search_are_shared() {
    let shared = tempfile::tempdir().unwrap();
    let remote = format!("[remote]\nurl = \"{}\"\npush = false\n{SEARCH}", shared.path().display());
    let one = Project::with(&remote);
    one.run(&["--no-remote"]);
    let pushed = one.custem(&["cache", "push", "p.toml"]);
    assert!(
        pushed.code == 0 && pushed.out.starts_with("gave 13 results of 13 ("),
        "{}{}",
        pushed.out,
        pushed.err
    );
    let two = Project::with(&remote);
    // The plan reads the metrics of the remote's records.
    let plan: Json = serde_json::from_str(&two.custem(&["plan", "p.toml", "--json"]).out).unwrap();
    let fetch = plan["stages"].as_array().unwrap().iter().filter(|stage| stage["verdict"] == "fetch").count();
    assert_eq!((fetch, plan["later"].as_array().unwrap().len()), (13, 0), "{plan}");
    assert_eq!(planned(&two, &["--no-remote"]).0, 7);
    let status: Json =
        serde_json::from_str(&two.custem(&["cache", "status", "p.toml", "--json"]).out).unwrap();
    assert_eq!(status["remote"]["results"], 13, "{status}");
    let pulled = two.custem(&["cache", "pull", "p.toml"]);
    assert!(pulled.out.starts_with("took 13 results of 13 ("), "{}{}", pulled.out, pulled.err);
    assert_eq!(two.what_ran(&["--no-remote"]), Vec::<String>::new());
}

/// Two stages: one over texts whose file names are the same, one that saves where a variant would.
const SAVES: &str = r#"
[stages.f]
kind = "command"
command = ["sh", "-c", "echo '{\"loss\": 1}' > m.json"]
outputs = { metrics = "m.json" }
env = { X = "c" }
save = "out/m.json"

[stages.board]
kind = "chart"
input = "sweep"
type = "leaderboard"
save = "out/m.X=d.json.svg"

[sweep]
axes = { "f.env.X" = VALUES }
objective = "f.loss"
strategy = "tpe"
startup = 1
wave = 1
max_variants = 2
"#;

#[test]
fn places_of_saves_are_looked_at_before_a_later_wave_runs() {
    let project = Project::with(&SAVES.replace("VALUES", "[\"a b\", \"a_b\"]"));
    let ran = project.custem(&["run", "p.toml", "--json"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let told = events(&ran.out);
    let warning = told.iter().find(|event| event["event"] == "warning").unwrap();
    let first = told.iter().find(|event| event["event"] == "stage_done").unwrap()["stage"].as_str().unwrap();
    assert_eq!(
        warning["message"],
        format!("a variant was left out: `out/m.X=a_b.json` is already saved by stage `{first}`"),
    );
    let ends = told.iter().filter(|event| event["event"] == "stage_done" && event["kind"] == "command");
    assert_eq!(ends.count(), 1, "the other one never ran");
    let board = told.iter().find(|event| event["event"] == "leaderboard").unwrap();
    assert_eq!(board["rows"].as_array().unwrap().len(), 1);
    // What comes after all variants has its places before them.
    let beside = SAVES.replace("VALUES", "[\"c\", \"d\"]").replace("out/m.X=d.json.svg", "out/m.X=d.svg");
    let beside = beside.replace("save = \"out/m.json\"", "save = \"out/m.svg\"");
    for seed in 0..8 {
        let project = Project::with(&format!("[pipeline]\nseed = {seed}\n{beside}"));
        let ran = project.custem(&["run", "p.toml", "--json"]);
        let told = format!("{}{}", ran.out, ran.err);
        let refused = "`out/m.X=d.svg` is already saved by stage `";
        assert!(told.contains(refused), "{told}");
        assert!(project.path("out/m.X=c.svg").exists() || ran.code == 2, "{told}");
    }
}

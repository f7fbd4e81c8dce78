//! How stages are run: tried again, stopped in time, in which order, beside which others.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::project::{Project, binary, events, text};

/// A stage `a` that runs a shell script, with further lines; `DIR` is the project's folder.
fn script(script: &str, lines: &str) -> Project {
    let project = Project::new();
    project.write("p.toml", stage(&project, "a", script, lines));
    project
}

fn stage(project: &Project, name: &str, script: &str, lines: &str) -> String {
    let dir = project.path("");
    let dir = dir.to_str().unwrap().trim_end_matches('/');
    format!(
        "[stages.{name}]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", '''{script}''']\nenv = {{ DIR = \"{dir}\" }}\n{lines}\n"
    )
}

/// The events of one kind that a run gives.
fn of(project: &Project, event: &str, args: &[&str]) -> Vec<Json> {
    let ran = project.custem(&[&["run", "p.toml", "--json"], args].concat());
    events(&ran.out).into_iter().filter(|one| one["event"] == event).collect()
}

/// What `check` says of a pipeline: place, message, hint.
fn told(pipeline: &str) -> Vec<String> {
    let ran = Project::with(pipeline).custem(&["check", "p.toml", "--json"]);
    let said: Json = serde_json::from_str(&ran.out).unwrap();
    let line = |one: &Json| {
        format!("{}:{} {}; {}", one["line"], one["column"], text(one, "message"), text(one, "hint"))
    };
    said["problems"].as_array().unwrap().iter().map(line).collect()
}

/// Fails until it has left a mark outside of its folder.
const FLAKY: &str =
    "if test -e $DIR/been; then echo fine; else touch $DIR/been; echo not yet >&2; exit 3; fi";

#[test]
fn a_stage_that_fails_is_tried_again() {
    let project = script(FLAKY, "retries = 2");
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let warning = "warning: `a` failed on attempt 1 of 3, trying again: `sh` ended with exit status: 3 (p.toml:3)\n    not yet\n";
    assert!(ran.err.contains(warning), "{}", ran.err);
    assert_eq!(project.custem(&["show", "a"]).out, "fine\n");
}

#[test]
fn each_attempt_is_an_event_and_their_number_is_recorded() {
    let project = script(FLAKY, "retries = 2");
    let ran = project.custem(&["run", "p.toml", "--json"]);
    let all = events(&ran.out);
    let of = |event: &str| all.iter().filter(|one| one["event"] == event).collect::<Vec<_>>();
    let attempts: Vec<_> = of("stage_started").iter().map(|one| one["attempt"].clone()).collect();
    assert_eq!(attempts, [Json::Null, 2.into()]);
    let warnings = of("warning");
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        (text(warnings[0], "message"), &warnings[0]["line"], &warnings[0]["column"]),
        (
            "`a` failed on attempt 1 of 3, trying again: `sh` ended with exit status: 3\nnot yet",
            &3.into(),
            &11.into()
        )
    );
    let ends = of("stage_done");
    assert_eq!((ends.len(), text(ends[0], "outcome"), &ends[0]["attempts"]), (1, "ran", &2.into()));
    // It was an event of that run: who takes the result from the cache has tried nothing.
    for _ in 0..2 {
        let ends = self::of(&project, "stage_done", &[]);
        assert_eq!((text(&ends[0], "outcome"), &ends[0]["attempts"]), ("hit", &Json::Null));
    }
}

#[test]
fn after_the_last_attempt_it_has_failed() {
    let project = script("echo x >> $DIR/count; echo no luck >&2; exit 1", "retries = 1");
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!((ran.code, project.read("count").as_str()), (1, "x\nx\n"));
    let start = "error: stage `a` failed 2 times: `sh` ended with exit status: 1\n --> p.toml:3:11\n";
    assert!(ran.err.contains(start) && ran.err.contains("\n    no luck\n"), "{}", ran.err);
    let ends = of(&project, "stage_done", &[]);
    assert_eq!((text(&ends[0], "outcome"), &ends[0]["attempts"]), ("failed", &2.into()));
    assert_eq!(project.read("count"), "x\nx\nx\nx\n");
}

#[test]
fn what_another_attempt_cannot_mend_is_not_tried_again() {
    let project = script("true", "retries = 5\nfiles = [\"nope.txt\"]");
    let ran = project.custem(&["run", "p.toml", "--json"]);
    let all = events(&ran.out);
    assert!(all.iter().all(|one| one["event"] != "warning" && one["event"] != "stage_started"), "{all:?}");
    // Nor when the user doesn't want to go on.
    let project = script("echo x >> $DIR/count; kill -INT $PPID; sleep 60", "retries = 5");
    assert_eq!(project.custem(&["run", "p.toml"]).code, 130);
    assert_eq!(project.read("count"), "x\n");
}

/// Runs `p.toml` whose programs hold `alive` open to write; what it says when all of them are gone.
fn until_nobody_lives(project: &Project) -> String {
    assert!(Command::new("mkfifo").arg(project.path("alive")).status().unwrap().success());
    let mut run = binary();
    let run = run.current_dir(project.path("")).args(["run", "p.toml"]).stderr(Stdio::piped()).spawn();
    // Opens when a program has it open too, and ends when the last one has ended.
    fs::File::open(project.path("alive")).unwrap().read_to_end(&mut Vec::new()).unwrap();
    let ran = run.unwrap().wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    String::from_utf8(ran.stderr).unwrap()
}

#[test]
fn a_program_that_takes_too_long_ends_with_all_that_it_has_started() {
    let project = script("exec 3> $DIR/alive; (sleep 60; true) & wait", "timeout = \"300ms\"");
    let err = until_nobody_lives(&project);
    let wanted = "\
error: stage `a` failed: timed out after 0.3 s
 --> p.toml:5:11
  |
5 | timeout = \"300ms\"
  |           ^^^^^^^
  |
hint: raise `timeout` if it needs longer; with `retries` it is tried again
";
    assert!(err.contains(wanted), "{err}");
}

#[test]
fn a_kind_of_ones_own_is_stopped_where_it_asks() {
    let project = Project::with(
        "[stages.a]\nkind = \"simulate\"\ncustomers = 5_000_000\nstart = 2020-01-01\nend = 2025-12-28\ntimeout = \"50ms\"\n\n[stages.b]\nkind = \"features\"\ninput = \"a\"\n",
    );
    let ran = project.custem(&["run", "p.toml", "--json"]);
    let end = events(&ran.out).into_iter().find(|one| one["event"] == "stage_done").unwrap();
    assert_eq!((ran.code, text(&end, "outcome")), (1, "failed"));
    let error = &end["error"];
    assert_eq!(
        (text(error, "message"), &error["line"], &error["column"]),
        ("timed out after 0.05 s", &6.into(), &11.into())
    );
    assert_eq!(project.files("cache/tmp").len(), 0);
}

#[test]
fn a_stage_that_took_too_long_may_be_tried_again() {
    let project =
        script("test -e $DIR/been || { touch $DIR/been; sleep 60; }", "timeout = \"2s\"\nretries = 1");
    let warnings = of(&project, "warning", &[]);
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        text(&warnings[0], "message"),
        "`a` failed on attempt 1 of 2, trying again: timed out after 2 s"
    );
    assert_eq!(project.run(&[]), ["a hit"]);
}

#[test]
fn how_a_stage_is_run_is_recorded_and_reruns_nothing() {
    let chain = |name: &str, word: &str, lines: &str| {
        format!("[stages.{name}]\nkind = \"command\"\ncommand = [\"echo\", \"{word}\"]\n{lines}\n")
    };
    let project = Project::with(&chain("a", "x", ""));
    assert_eq!(project.what_ran(&[]), ["a"]);
    for line in [
        "priority = 7",
        "retries = 3",
        "timeout = \"90s\"",
        "resources = { cores = 1, memory = \"1MB\" }",
        "resources.memory = 4096",
    ] {
        project.write("p.toml", chain("a", "x", line));
        assert!(project.what_ran(&[]).is_empty(), "{line}");
    }
    let all = "priority = 7\nretries = 3\ntimeout = \"90s\"\n";
    project.write("p.toml", format!("[resources]\ncores = 1\nmemory = \"1GB\"\n\n{}", chain("a", "x", all)));
    assert!(project.what_ran(&[]).is_empty());
    let config = project.files("experiments/configs").pop().unwrap().1;
    let config: toml::Table = toml::from_str(std::str::from_utf8(&config).unwrap()).unwrap();
    let stage = &config["stages"]["a"];
    assert_eq!(stage["priority"], 7.into());
    assert_eq!(stage["retries"], 3.into());
    assert_eq!(stage["timeout"], "90s".into());
    assert_eq!(config["resources"]["memory"], "1GB".into());
    // A run of that record finds all of it in the cache.
    fs::write(project.path("p.toml"), toml::to_string(&config).unwrap()).unwrap();
    assert!(project.what_ran(&[]).is_empty());
    // What it does still counts beside them, and they may go again.
    project.write("p.toml", chain("a", "y", all));
    assert_eq!(project.what_ran(&[]), ["a"]);
    project.write("p.toml", chain("a", "y", ""));
    assert!(project.what_ran(&[]).is_empty());
}

#[test]
fn mistakes_in_how_a_stage_is_run_are_told_at_their_places() {
    let with = |line: &str| told(&format!("[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\n{line}\n"));
    let (about, all) = ("`custem kinds command` says what it does", "`custem kinds command` lists all keys");
    for (line, wanted) in [
        (
            "priorty = 1",
            format!("4:1 unknown key `priorty` in stage `a`; did you mean `priority`? {all}"),
        ),
        ("retires = 1", format!("4:1 unknown key `retires` in stage `a`; did you mean `retries`? {all}")),
        (
            "timeout = 90",
            "4:11 `a.timeout` must be a time such as \"90s\", not an integer; give it a unit: `timeout = \"90s\"`"
                .to_owned(),
        ),
        (
            "timeout = \"soon\"",
            format!("4:11 `a.timeout` must be a time such as \"90s\", not \"soon\"; {about}"),
        ),
        ("timeout = \"0s\"", format!("4:11 `a.timeout` must be a time such as \"90s\", not \"0s\"; {about}")),
        (
            "retries = -1",
            format!("4:11 `a.retries` must be between 0 and 1000, not -1; its default is 0; {about}"),
        ),
        (
            "priority = 1.5",
            format!("4:12 `a.priority` must be an integer, not a number; its default is 0; {about}"),
        ),
        (
            "resources = { cores = 0 }",
            format!("4:23 `a.resources.cores` must be between 1 and 65535, not 0; {about}"),
        ),
        (
            "resources = { memory = \"4 XB\" }",
            format!("4:24 `a.resources.memory` must be a size such as \"4GB\", not \"4 XB\"; {about}"),
        ),
        (
            "resources = { memory = true }",
            format!(
                "4:24 `a.resources.memory` must be a size such as \"4GB\" or an integer, not true/false; {about}"
            ),
        ),
        (
            "resources = { core = 1 }",
            format!("4:15 unknown key `core` in `a.resources`; did you mean `cores`? {all}"),
        ),
    ] {
        assert_eq!(with(line), [wanted], "{line}");
    }
    let one = "[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\n";
    let keys = "`[resources]` has the keys `cores` and `memory`";
    assert_eq!(
        told(&format!("[resources]\ncores = \"2\"\nmemry = 3\n{one}")),
        [
            "2:9 `resources.cores` must be an integer, not text; take the quotes away: `cores = 2`"
                .to_owned(),
            format!("3:1 unknown key `memry` in `[resources]`; did you mean `memory`? {keys}"),
        ]
    );
}

#[test]
fn how_stages_are_run_is_no_axis_of_a_sweep() {
    let sweep = |axis: &str| {
        told(&format!(
            "[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\noutputs = {{ metrics = \"m.json\" }}\n[sweep]\naxes = {{ \"{axis}\" = [1, 2] }}\nobjective = \"a.x\"\n"
        ))
    };
    let hint = "sweep a stage's parameter (`segments.k`) or `pipeline.seed`";
    for axis in ["a.priority", "a.retries", "a.timeout", "a.resources.cores", "resources.cores"] {
        assert_eq!(sweep(axis), [format!("6:10 `{axis}` can't be swept; {hint}")]);
    }
}

/// The stages in the order in which they started, how many files were read, and what went wrong.
fn started(project: &Project) -> (Vec<String>, u64, Vec<String>) {
    let ran = project.custem(&["run", "p.toml", "--json", "--jobs", "4"]);
    let told = events(&ran.out);
    let of = |event: &str| told.iter().filter(move |one| one["event"] == event).cloned().collect::<Vec<_>>();
    let errors = of("stage_done").into_iter().filter(|end| end["outcome"] == "failed");
    (
        of("stage_started").iter().map(|one| text(one, "stage").to_owned()).collect(),
        of("run_done")[0]["hashed"].as_u64().unwrap(),
        errors.map(|end| text(&end["error"], "message").to_owned()).collect(),
    )
}

#[test]
fn sources_that_take_long_to_read_hold_nobody_up() {
    let stage = |name: &str, files: &str| {
        format!("[stages.{name}]\nkind = \"command\"\ncommand = [\"echo\", \"{name}\"]\nfiles = [{files}]\n")
    };
    let all = stage("big", "\"big.bin\"") + &stage("many", "\"many/*\"") + &stage("small", "\"small.txt\"");
    let project = Project::with(&format!("{all}[stages.plain]\nkind = \"command\"\ncommand = [\"echo\"]\n"));
    project.write("small.txt", "small");
    fs::File::create(project.path("big.bin")).unwrap().set_len(2 << 20).unwrap();
    (0..65).for_each(|at| project.write(&format!("many/{at}.txt"), at.to_string()));
    assert_eq!(started(&project), (["small", "plain", "big", "many"].map(String::from).into(), 67, vec![]));
    assert_eq!(started(&project), (vec![], 0, vec![]));
    fs::File::create(project.path("big.bin")).unwrap().set_len(3 << 20).unwrap();
    project.write("many/7.txt", "other");
    assert_eq!(started(&project), (["many", "big"].map(String::from).into(), 2, vec![]));
}

#[test]
fn a_source_that_cannot_be_read_is_said_after_the_others_were() {
    let project = Project::with(
        "[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\nfiles = [\"big.bin\", \"pipe\"]\n",
    );
    fs::File::create(project.path("big.bin")).unwrap().set_len(2 << 20).unwrap();
    let pipe = project.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (began, hashed, errors) = started(&project);
    assert_eq!((began.len(), hashed), (0, 1));
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(error.ends_with("pipe` is no ordinary file"), "{error}");
}

#[test]
fn a_stage_that_waits_for_the_disk_holds_no_core() {
    let project = Project::new();
    let gate = project.path("gate").display().to_string();
    let echo =
        |name: &str| format!("[stages.{name}]\nkind = \"command\"\ncommand = [\"echo\", \"{name}\"]\n");
    let last = format!("[stages.c]\nkind = \"command\"\ncommand = [\"touch\", \"{gate}\"]\n");
    project.write("p.toml", echo("a") + &echo("b") + &last);
    let fault = format!("hold:{gate}");
    let ran = project.custem_with(&["run", "p.toml", "--json", "--jobs", "2"], &[("CUSTEM_FAULT", &fault)]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let started: Vec<_> =
        events(&ran.out).into_iter().filter(|one| one["event"] == "stage_started").collect();
    assert_eq!(started.iter().map(|one| text(one, "stage")).collect::<Vec<_>>(), ["a", "b", "c"]);
}

/// A plan says what stages took and gave the last time, each and together.
#[test]
fn a_plan_predicts_time_and_bytes() {
    let stage = |name: &str, more: &str| {
        format!(
            "[stages.{name}]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"sleep 0.2; head -c 300000 /dev/zero # {more}\"]\n"
        )
    };
    let project = Project::with(&format!("{}{}", stage("a", "1"), stage("b", "1")));
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    project.write("p.toml", format!("{}{}{}", stage("a", "2"), stage("b", "2"), stage("c", "2")));
    let planned = project.custem(&["plan", "p.toml"]);
    assert_eq!(planned.code, 10, "{}", planned.err);
    let line = |start: &str| {
        planned.out.lines().find(|line| line.trim_start().starts_with(start)).unwrap().to_owned()
    };
    assert!(
        line("must run   a").contains("   about 0.") && line("must run   a").ends_with(" s, 300 kB"),
        "{}",
        planned.out
    );
    assert!(line("to do").starts_with("  to do      3 stages, about 0."), "{}", planned.out);
    assert!(line("to do").ends_with(" s, 600 kB of work, and 1 stage never measured"), "{}", planned.out);
}

//! In which order stages start, and which may run beside which: told by what they do, not by the clock.

use std::fs;

use serde_json::Value as Json;

use crate::project::{Project, binary, events, text};

/// A stage that runs a shell script; `DIR` is the project's folder.
fn stage(project: &Project, name: &str, script: &str, lines: &str) -> String {
    let dir = project.path("");
    let dir = dir.to_str().unwrap().trim_end_matches('/');
    format!(
        "[stages.{name}]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", '''{script}''']\nenv = {{ DIR = \"{dir}\" }}\n{lines}\n"
    )
}

/// A project of stages by name, script and further lines.
fn project(top: &str, stages: &[(&str, &str, &str)]) -> Project {
    let project = Project::new();
    let stages = stages.iter().map(|(name, script, lines)| stage(&project, name, script, lines));
    project.write("p.toml", format!("{top}\n{}", stages.collect::<String>()));
    project
}

/// The stages in the order in which they start, one at a time.
fn started(project: &Project, args: &[&str]) -> Vec<String> {
    let ran = project.custem(&[&["run", "p.toml", "--jobs", "1", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let all = events(&ran.out);
    all.iter()
        .filter(|one| one["event"] == "stage_started")
        .map(|one| text(one, "stage").to_owned())
        .collect()
}

/// Four stages, `c` behind `b`.
const FOUR: [(&str, &str, &str); 4] = [
    ("a", "echo a", ""),
    ("b", "echo b", ""),
    ("c", "echo c", "inputs = { x = \"b\" }"),
    ("d", "echo d", ""),
];

/// Every stage again, whatever the cache has.
const AGAIN: [&str; 8] = ["--force", "a", "--force", "b", "--force", "c", "--force", "d"];

/// Makes runs on record have taken these times.
fn took(project: &Project, seconds: &[(&str, f64)]) {
    for (path, bytes) in project.files("experiments/logs") {
        let mut lines = events(std::str::from_utf8(&bytes).unwrap());
        for line in lines.iter_mut().filter(|line| line["event"] == "stage_done") {
            let found = seconds.iter().find(|(stage, _)| *stage == text(line, "stage"));
            line["seconds"] = found.unwrap().1.into();
        }
        fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
}

#[test]
fn without_a_past_the_longest_chain_comes_first_then_the_order_of_the_file() {
    assert_eq!(started(&project("", &FOUR), &[]), ["b", "a", "c", "d"]);
}

#[test]
fn with_a_past_the_critical_path_comes_first() {
    let project = project("", &FOUR);
    started(&project, &[]);
    took(&project, &[("a", 1.0), ("b", 1.0), ("c", 10.0), ("d", 5.0)]);
    assert_eq!(started(&project, &AGAIN), ["b", "c", "d", "a"]);
    took(&project, &[("a", 9.0), ("b", 1.0), ("c", 1.0), ("d", 8.0)]);
    assert_eq!(started(&project, &AGAIN), ["a", "d", "b", "c"]);
    // What came from the cache tells what it took when it ran.
    assert_eq!(project.run(&["--jobs", "1"]), ["a hit", "b hit", "c hit", "d hit"]);
    took(&project, &[("a", 9.0), ("b", 1.0), ("c", 1.0), ("d", 18.0)]);
    assert_eq!(started(&project, &AGAIN), ["d", "a", "b", "c"]);
}

#[test]
fn priority_comes_before_time() {
    let mut stages = FOUR;
    stages[3].2 = "priority = 1";
    stages[1].2 = "priority = -1";
    assert_eq!(started(&project("", &stages), &[]), ["d", "a", "b", "c"]);
}

/// Holds a folder that only one can hold at a time, and leaves a mark where another one holds it.
const ALONE: &str = "mkdir $DIR/held || touch $DIR/clash; sleep 0.3; rmdir $DIR/held";

/// Whether stages that can't bear each other ran one after the other.
fn ran_apart(top: &str, lines: [&str; 2], jobs: &str) -> bool {
    let project = project(top, &[("a", ALONE, lines[0]), ("b", ALONE, lines[1])]);
    project.run(&["--jobs", jobs]);
    !project.path("clash").exists()
}

#[test]
fn stages_that_take_all_cores_never_overlap() {
    let two = "resources = { cores = 2 }";
    assert!(ran_apart("", [two, two], "2"));
    assert!(ran_apart("", [two, two], "3"));
    assert!(ran_apart("", [two, ""], "2"));
    assert!(ran_apart("", ["", ""], "1"));
    assert!(ran_apart("[resources]\ncores = 1\n", ["", ""], "1"));
}

#[test]
fn nor_do_stages_that_take_more_than_half_of_the_memory() {
    let top = "[resources]\nmemory = \"100MB\"\n";
    assert!(ran_apart(top, ["resources = { memory = \"60MB\" }", "resources.memory = 60_000_000"], "4"));
}

/// Two stages that can only end together: one waits until the other reads what it writes.
fn meet(top: &str, lines: [&str; 2]) -> Vec<String> {
    let guard = |lines: &str| format!("timeout = \"60s\"\n{lines}");
    let (one, other) = (guard(lines[0]), guard(lines[1]));
    let stages = [("a", "echo here > $DIR/meet", &*one), ("b", "cat $DIR/meet", &*other)];
    let project = project(top, &stages);
    let pipe = std::process::Command::new("mkfifo").arg(project.path("meet")).status().unwrap();
    assert!(pipe.success());
    project.run(&["--jobs", "2"])
}

#[test]
fn what_fits_runs_side_by_side() {
    let both = ["a ran", "b ran"];
    assert_eq!(meet("", ["", ""]), both);
    let top = "[resources]\nmemory = \"100MB\"\n";
    assert_eq!(meet(top, ["resources.memory = \"60MB\"", "resources.memory = \"40MB\""]), both);
    // Who doesn't say takes no memory.
    assert_eq!(meet(top, ["resources.memory = \"100MB\"", "resources.cores = 1"]), both);
}

#[test]
fn a_stage_that_wants_more_than_there_is_runs_alone_and_says_so() {
    let alone = |top: &str, wants: &str| {
        let project = project(top, &[("a", ALONE, wants), ("b", ALONE, "")]);
        let mut run = binary();
        let run = run.current_dir(project.path("")).args(["run", "p.toml", "--jobs", "2"]);
        let ran = run.output().unwrap();
        let err = String::from_utf8(ran.stderr).unwrap();
        assert_eq!((ran.status.code(), project.path("clash").exists()), (Some(0), false), "{err}");
        err.lines().find(|line| line.starts_with("warning")).unwrap().to_owned()
    };
    assert_eq!(
        alone("", "resources = { cores = 3 }"),
        "warning: `a` wants 3 cores, and there are 2: it runs alone (p.toml:6)"
    );
    assert_eq!(
        alone("[resources]\nmemory = \"1.5GB\"", "resources = { memory = \"4GB\" }"),
        "warning: `a` wants 4 GB of memory, and there are 1.5 GB: it runs alone (p.toml:7)"
    );
}

#[test]
fn the_threads_of_a_stage_do_not_change_its_bytes() {
    let pipeline = |lines: &str| {
        format!(
            "[stages.t]\nkind = \"simulate\"\ncustomers = 3000\nstart = 2024-01-01\nend = 2024-12-28\n{lines}\n"
        )
    };
    let project = Project::new();
    let digest = |lines: &str| {
        project.write("p.toml", pipeline(lines));
        let ran = project.custem(&["run", "p.toml", "--jobs", "4", "--force", "t", "--json"]);
        let end: Json = events(&ran.out).into_iter().find(|one| one["event"] == "stage_done").unwrap();
        assert_eq!(text(&end, "outcome"), "ran");
        end["outputs"]["transactions"]["digest"].clone()
    };
    let usual = digest("");
    assert_eq!(usual, digest("resources = { cores = 1 }"));
    assert_eq!(usual, digest("resources = { cores = 3 }"));
}

//! A rerun that has nothing to do is answered from a note: it must say what the ordinary way says, and
//! any change to what it rests on must send the run the ordinary way.

use std::fs;

use serde_json::Value as Json;

use crate::project::{Project, events};

/// A pipeline with each thing that a run can rest on: a base file, a source, a pattern, a saved file.
fn project() -> Project {
    let project = Project::new();
    project.write("base.toml", "[pipeline]\nseed = 1\n\n[stages.tail]\nkind = \"command\"\ncommand = [\"wc\", \"-l\", \"{inputs.rows}\"]\ninputs = { rows = \"head\" }\nsave = \"tail.txt\"\n");
    project.write(
        "p.toml",
        "extends = \"base.toml\"\n\n[stages.head]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"cat one.txt parts/*\"]\nfiles = [\"one.txt\", \"parts/*.txt\"]\n",
    );
    project.write("one.txt", "1\n");
    project.write("parts/a.txt", "2\n");
    project.run(&[]);
    rest();
    project.run(&[]);
    assert_eq!(notes(&project), 1);
    project
}

/// Files that were changed only just now are read again; this lets them lie still.
fn rest() {
    std::thread::sleep(std::time::Duration::from_millis(60));
}

fn notes(project: &Project) -> usize {
    fs::read_dir(project.path("cache/still")).map_or(0, Iterator::count)
}

/// What `run --json` says, without what differs from run to run.
fn said(project: &Project) -> Vec<Json> {
    let ran = project.custem(&["run", "p.toml", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut events = events(&ran.out);
    for event in &mut events {
        for key in ["run", "time"] {
            event.as_object_mut().unwrap().remove(key);
        }
        if event["event"] == "run_done" {
            event.as_object_mut().unwrap().remove("seconds");
        }
    }
    events
}

fn record(project: &Project, number: &str) -> (String, Vec<String>) {
    let named = |folder: &str| {
        let mut files = project.files(folder);
        files.retain(|(path, _)| path.file_name().unwrap().to_string_lossy().starts_with(number));
        String::from_utf8(files.pop().unwrap().1).unwrap()
    };
    let log = named("experiments/logs");
    let untimed = |line: &str| {
        let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
        event.as_object_mut().unwrap().remove("time");
        event.to_string()
    };
    let lines: Vec<_> = log.lines().map(untimed).collect();
    (named("experiments/configs"), lines[1..lines.len() - 1].to_vec())
}

#[test]
fn the_note_says_what_the_ordinary_way_says() {
    let project = project();
    let by_note = said(&project);
    fs::remove_dir_all(project.path("cache/still")).unwrap();
    let ordinary = said(&project);
    assert_eq!(by_note, ordinary);
    assert_eq!(record(&project, "0003"), record(&project, "0004"));
    assert_eq!(by_note.len(), 6);
    let shown = project.custem(&["run", "p.toml"]);
    assert!(shown.err.starts_with("2 stages: 0 ran, 2 from cache"), "{}", shown.err);
    assert_eq!(project.custem(&["run", "p.toml", "--quiet"]).err, "");
    assert!(project.custem(&["run", "p.toml", "--verbose"]).err.contains("head  command  cached"));
}

#[test]
fn a_changed_base_file_or_source_runs() {
    let change = |name: &str, text: &str| {
        let project = project();
        project.write(name, text);
        project.what_ran(&[])
    };
    assert_eq!(change("one.txt", "3\n"), ["head", "tail"]);
    assert_eq!(change("parts/b.txt", "3\n"), ["head", "tail"]);
    let base = project().read("base.toml").replace("-l", "-c");
    assert_eq!(change("base.toml", &base), ["tail"]);
}

#[test]
fn another_pattern_match_an_override_and_another_goal_are_other_commands() {
    let project = project();
    fs::remove_file(project.path("parts/a.txt")).unwrap();
    project.write("parts/c.txt", "2\n");
    assert_eq!(project.what_ran(&[]), ["head"]);
    assert_eq!(project.what_ran(&["--set", "tail.command.1=-c"]), ["tail"]);
    assert_eq!(project.run(&["--until", "head"]), ["head hit"]);
    assert_eq!(project.run(&["--until", "head"]), ["head hit"]);
    assert_eq!(project.run(&[]), ["head hit", "tail hit"]);
    assert_eq!(project.what_ran(&["--force", "tail"]), ["tail"]);
}

#[test]
fn a_lost_object_and_a_saved_file_are_put_back() {
    let project = project();
    project.write("tail.txt", "mine");
    let ran = project.custem(&["run", "p.toml"]);
    assert!(ran.err.contains("tail.txt~"), "{}", ran.err);
    assert!(project.read("tail.txt").starts_with("2 "));
    for (path, _) in project.files("cache/objects") {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(project.what_ran(&[]), ["head", "tail"]);
}

#[test]
fn a_run_with_a_failure_leaves_no_note() {
    let project = Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"false\"]\n");
    project.run(&[]);
    assert_eq!(notes(&project), 0);
    assert_eq!(project.custem(&["run", "p.toml"]).code, 1);
}

#[test]
fn a_damaged_note_is_passed_over() {
    let project = project();
    let (path, good) = project.files("cache/still").pop().unwrap();
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        fs::write(&path, &bad).unwrap();
        assert_eq!(project.run(&[]), ["head hit", "tail hit"]);
    }
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert_eq!(project.run(&[]), ["head hit", "tail hit"]);
}

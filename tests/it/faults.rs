//! A run stopped, or failed by the disk, at every single place where the engine touches the disk: the next
//! run gives what an undisturbed one gives. The places are counted by `engine/disk.rs` (`CUSTEM_FAULT`).

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use crate::project::{Project, binary};

/// A source, a saved file, a table-like chain and a stage that takes from two others.
const PIPELINE: &str = r#"
[stages.a]
kind = "command"
command = ["cat", "in.txt"]
files = ["in.txt"]
save = "out/a.txt"

[stages.b]
kind = "command"
command = ["sh", "-c", "cat {inputs.x}; echo b"]
inputs = { x = "a" }

[stages.c]
kind = "command"
command = ["sh", "-c", "cat {inputs.x} {inputs.y} > {outputs.o}"]
inputs = { x = "a", y = "b" }
outputs = { o = "c.txt" }
save = "out/c.txt"
"#;

/// No pipeline of this size touches the disk more often.
const MOST: u32 = 400;

fn project() -> Project {
    let project = Project::with(PIPELINE);
    project.write("in.txt", "rows\n");
    project
}

/// Objects by name with their bytes, and saved files: all that must not depend on what went wrong before.
fn left(project: &Project) -> Vec<(PathBuf, Vec<u8>)> {
    let relative = |folder: &str| {
        let root = project.path("");
        project
            .files(folder)
            .into_iter()
            .map(move |(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes))
    };
    relative("cache/objects").chain(relative("out")).collect()
}

fn undisturbed() -> Vec<(PathBuf, Vec<u8>)> {
    let project = project();
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    left(&project)
}

/// Runs with a fault at the N-th call; whether it made a difference to how the run ended.
fn hit(project: &Project, fault: &str) -> bool {
    let ran = binary()
        .current_dir(project.path(""))
        .args(["run", "p.toml", "--jobs", "1"])
        .env("CUSTEM_FAULT", fault)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stderr);
    assert!(!text.contains("panicked") && !text.contains("defect in custem"), "{fault}: {text}");
    ran.status.signal().is_some() || !ran.status.success()
}

fn heals(project: &Project, fault: &str, good: &[(PathBuf, Vec<u8>)]) {
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "after {fault}: {}", ran.err);
    assert_eq!(left(project), good, "after {fault}: {}", ran.err);
    let again = project.custem(&["run", "p.toml"]);
    assert!(
        again.code == 0 && again.err.contains("3 stages: 0 ran, 3 from cache"),
        "after {fault}: {}",
        again.err
    );
}

/// Lets every call go wrong in turn, until none is left that the run comes to.
fn at_every_call(fault: &str, mut project: impl FnMut() -> Project) {
    let good = undisturbed();
    for number in 1..MOST {
        let project = project();
        let fault = format!("{fault}:{number}");
        if !hit(&project, &fault) && number > 40 {
            return;
        }
        heals(&project, &fault, &good);
    }
    panic!("the run has more than {MOST} calls");
}

#[test]
fn stopped_at_any_call_the_next_run_gives_the_undisturbed_bytes() {
    at_every_call("stop", project);
}

#[test]
fn torn_in_any_write_the_next_run_gives_the_undisturbed_bytes() {
    at_every_call("torn", project);
}

#[test]
fn stopped_at_any_call_of_a_rerun_after_a_change() {
    let good = undisturbed();
    for number in 1..MOST {
        let project = Project::with(&PIPELINE.replace("echo b", "echo x"));
        project.write("in.txt", "rows\n");
        assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
        let old = left(&project);
        project.write("p.toml", PIPELINE);
        let fault = format!("stop:{number}");
        if !hit(&project, &fault) && number > 20 {
            return;
        }
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 0, "after {fault}: {}", ran.err);
        let all = left(&project);
        for file in &good {
            assert!(all.contains(file), "after {fault}: {} is missing or wrong", file.0.display());
        }
        // What the earlier run left in the store is still there.
        for file in old.iter().filter(|(path, _)| path.starts_with("cache")) {
            assert!(all.contains(file), "after {fault}");
        }
    }
    panic!("the run has more than {MOST} calls");
}

#[test]
fn a_disk_that_is_full_from_any_call_on_fails_the_run_and_keeps_the_cache_sound() {
    at_every_call("full", project);
}

#[test]
fn an_error_of_the_disk_at_any_call_is_survived_or_said() {
    let good = undisturbed();
    for number in 1..MOST {
        let project = project();
        let fault = format!("io:{number}");
        let hit = hit(&project, &fault);
        heals(&project, &fault, &good);
        // A warm cache read back with errors is computed anew, or the run says what it can't read.
        fs::remove_dir_all(project.path("out")).unwrap();
        self::hit(&project, &fault);
        heals(&project, &fault, &good);
        if !hit && number > 60 {
            return;
        }
    }
    panic!("the run has more than {MOST} calls");
}

//! Stages that read many files: only what is new is read again.

use std::fs;
use std::time::Duration;

use crate::project::{Project, events};

const READ: &str = "[stages.rows]\nkind = \"read\"\npath = \"in/*/part-*.csv\"\n";

fn part(project: &Project, number: u32) {
    let name = format!("in/{}/part-{number:04}.csv", number % 3);
    project.write(&name, format!("customer_id,txn_timestamp,amount\n{number},2024-01-01,1.5\n"));
}

fn many() -> Project {
    let project = Project::with(READ);
    (0..600).for_each(|number| part(&project, number));
    project
}

/// How many files a run read for their digests, and whether the stage ran.
fn run(project: &Project) -> (u64, bool) {
    let out = project.custem(&["run", "p.toml", "--json"]).out;
    let last = events(&out).pop().unwrap();
    assert_eq!(last["ok"], true, "{out}");
    (last["hashed"].as_u64().unwrap(), last["ran"] == 1)
}

#[test]
fn adding_one_file_hashes_one_file() {
    let project = many();
    assert_eq!(run(&project), (600, true));
    assert_eq!(run(&project), (0, false));
    part(&project, 600);
    assert_eq!(run(&project), (1, true));
    fs::remove_file(project.path("in/0/part-0600.csv")).unwrap();
    assert_eq!(run(&project), (0, false));
}

/// The ways in which the set of files or a file's bytes can change, each seen by the next run.
#[test]
fn whatever_happens_to_the_files_is_seen() {
    let project = many();
    assert!(run(&project).1);
    // The folders lie still, so that from here on they are asked instead of the pattern.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(run(&project), (0, false));
    assert_eq!(run(&project), (0, false));
    project.write("in/1/other.csv", "not matched");
    assert_eq!(run(&project), (0, false));
    fs::create_dir(project.path("in/4")).unwrap();
    assert_eq!(run(&project), (0, false));
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(run(&project), (0, false));
    fs::rename(project.path("in/1/part-0001.csv"), project.path("in/4/part-0001.csv")).unwrap();
    assert_eq!(run(&project), (1, true));
    fs::rename(project.path("in/2/part-0002.csv"), project.path("in/2/old.csv")).unwrap();
    assert_eq!(run(&project), (0, true));
    project.write("in/0/part-0003.csv", "customer_id,txn_timestamp,amount\n3,2024-01-01,2.5\n");
    assert_eq!(run(&project), (1, true));
    fs::remove_dir_all(project.path("in/4")).unwrap();
    assert_eq!(run(&project), (0, true));
}

/// A link may come to lead elsewhere without a change of the folder that it is in.
#[test]
fn a_link_that_leads_to_a_file_only_later_is_seen() {
    let project = Project::with("[stages.rows]\nkind = \"read\"\npath = \"in/*.csv\"\n");
    let rows = "customer_id,txn_timestamp,amount\n1,2024-01-01,1.5\n";
    project.write("in/a.csv", rows);
    std::os::unix::fs::symlink("../elsewhere", project.path("in/b.csv")).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(run(&project), (1, true));
    assert_eq!(run(&project), (0, false));
    project.write("elsewhere", rows);
    assert_eq!(run(&project), (1, true));
}

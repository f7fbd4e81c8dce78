//! The cache looked through: every damage found and named, every byte counted once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::project::Project;

const TWO: &str = r#"
[stages.a]
kind = "command"
command = ["echo", "rows"]

[stages.b]
kind = "command"
command = ["sh", "-c", "cat {inputs.x}; echo more"]
inputs = { x = "a" }
save = "b.txt"
"#;

/// A project whose pipeline has run.
fn ran() -> Project {
    let project = Project::with(TWO);
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    project
}

/// The object that has these bytes.
fn object(project: &Project, bytes: &str) -> PathBuf {
    let objects = project.files("cache/objects");
    objects.into_iter().find(|(_, found)| found == bytes.as_bytes()).unwrap().0
}

fn write_over(path: &PathBuf, bytes: &str) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

fn digest(path: &std::path::Path) -> String {
    let part = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    part(path.parent().unwrap()) + &part(path)
}

#[test]
fn a_cache_that_is_well_is_said_to_be() {
    let project = ran();
    let verified = project.custem(&["cache", "verify"]);
    assert_eq!(
        (verified.code, verified.out.as_str(), verified.err.as_str()),
        (0, "3 objects (18 B) and 2 records: all are as they were written\n", "")
    );
    let empty = Project::new();
    let verified = empty.custem(&["cache", "verify"]);
    assert_eq!(verified.out, "0 objects (0 B) and 0 records: all are as they were written\n");
    assert!(!empty.path("cache").exists(), "to look makes nothing");
}

#[test]
fn damage_is_moved_away_named_and_healed() {
    let project = ran();
    let good = object(&project, "rows\n");
    write_over(&good, "bows\n");
    fs::remove_file(object(&project, "rows\nmore\n")).unwrap();
    project.write("cache/objects/ab/note", "mine");
    let verified = project.custem(&["cache", "verify"]);
    let short = &digest(&good)[..8];
    assert_eq!(verified.code, 1);
    let lines: Vec<_> = verified.out.lines().collect();
    assert_eq!(lines[0], format!("  damaged   {short}       5 B   moved to cache/damaged"));
    assert!(verified.out.contains(&format!("  lost      {short}   `a.stdout` is damaged (key ")));
    assert!(verified.out.contains("   `b.stdout` is missing (key "), "{}", verified.out);
    assert!(verified.out.contains("cache/objects/ab/note is no object: custem leaves it alone\n"));
    assert_eq!(lines[4], "2 objects (8 B) and 2 records: 1 damaged, 0 unread, 2 lost outputs");
    assert_eq!(
        verified.err,
        "error: the cache had damage\nhint: the next run computes anew what it needs of it: \
         `custem cache verify --heal PIPELINE` runs one\n"
    );
    assert_eq!(fs::read(project.path("cache/damaged").join(digest(&good))).unwrap(), b"bows\n");
    let healed = project.custem(&["cache", "verify", "--heal", "p.toml"]);
    assert_eq!(healed.code, 0, "{}{}", healed.out, healed.err);
    assert!(healed.err.contains("2 stages: 2 ran, 0 from cache"), "{}", healed.err);
    assert_eq!(project.custem(&["cache", "verify"]).code, 0);
    assert_eq!(fs::read(&good).unwrap(), b"rows\n");
}

#[test]
fn the_object_for_programs_has_everything() {
    let project = ran();
    let good = object(&project, "rows\n");
    write_over(&good, "bows\n");
    project.write("cache/objects/note", "mine");
    let mut log = fs::read(project.path("cache/files.log")).unwrap();
    log.truncate(log.len() - 3);
    project.write("cache/files.log", log);
    let verified = project.custem(&["cache", "verify", "--json"]);
    assert_eq!(verified.code, 1);
    let said: Json = serde_json::from_str(&verified.out).unwrap();
    assert_eq!((&said["ok"], &said["objects"], &said["records"]), (&false.into(), &3.into(), &2.into()));
    assert_eq!(said["damaged"][0]["digest"], digest(&good));
    let lost = &said["lost"][0];
    assert_eq!(
        (&lost["stage"], &lost["kind"], &lost["port"]),
        (&"a".into(), &"command".into(), &"stdout".into())
    );
    assert_eq!((&lost["loss"], &lost["digest"]), (&"damaged".into(), &digest(&good).into()));
    assert_eq!(said["stray"][0], "cache/objects/note");
    assert_eq!(said["damaged_lines"], serde_json::json!({ "records.log": 0, "files.log": 1 }));
    assert_eq!(said["dropped_lines"], true);
    let again: Json = serde_json::from_str(&project.custem(&["cache", "verify", "--json"]).out).unwrap();
    assert_eq!(again["damaged_lines"], serde_json::json!({ "records.log": 0, "files.log": 0 }));
}

#[test]
fn every_byte_of_an_object_is_looked_at() {
    let project = ran();
    for (path, good) in project.files("cache/objects") {
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&path);
            fs::write(&path, &bad).unwrap();
            assert_eq!(project.custem(&["cache", "verify"]).code, 1, "{} {at}", path.display());
        }
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(project.custem(&["cache", "verify"]).code, 0);
}

#[test]
fn every_byte_is_counted_once_where_it_belongs() {
    let project = ran();
    let du = project.custem(&["cache", "du"]);
    let run = "0001-";
    let lines: Vec<_> = du.out.lines().collect();
    assert!(lines[0].starts_with("stages of the last run, ") && lines[0].contains(run), "{}", du.out);
    assert_eq!(
        lines[1..lines.len() - 1],
        [
            "     10 B       1 object   b",
            "      8 B      2 objects   a",
            "  1 object (3 B) that several stages give: counted once, at the first",
            "all recorded runs, by kind",
            "     18 B      3 objects   command",
            "all objects",
            "     18 B      3 objects",
        ]
    );
    assert!(lines[lines.len() - 1].starts_with("besides: records.log "), "{}", du.out);
    // A record of the run gone, its objects are nobody's.
    for (log, _) in project.files("experiments/logs") {
        fs::remove_file(log).unwrap();
    }
    let said: Json = serde_json::from_str(&project.custem(&["cache", "du", "--json"]).out).unwrap();
    assert_eq!((&said["run"], &said["stages"]), (&Json::Null, &serde_json::json!([])));
    assert_eq!(said["unreachable"], serde_json::json!({ "objects": 3, "bytes": 18 }));
    assert_eq!(said["all"], said["unreachable"]);
    assert!(project.custem(&["cache", "du"]).out.contains("of them no recorded run names: custem cache gc"));
}

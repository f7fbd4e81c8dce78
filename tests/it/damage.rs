//! Damaged, missing and half-written things in the cache: a warning and the right answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::project::{Project, binary};

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

fn objects(project: &Project) -> Vec<std::path::PathBuf> {
    project.files("cache/objects").into_iter().map(|(path, _)| path).collect()
}

fn spoil(path: &std::path::Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 0x55;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn every_object_damaged_heals_with_a_warning() {
    let project = Project::with(TWO);
    project.run(&[]);
    objects(&project).iter().for_each(|path| spoil(path));
    fs::remove_file(project.path("b.txt")).unwrap();
    let ran = project.custem(&["run", "p.toml", "--force", "b"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.contains("warning: `a.stdout` is damaged in the cache, computing it anew"),
        "{}",
        ran.err
    );
    assert_eq!(project.read("b.txt"), "rows\nmore\n");
}

#[test]
fn a_damaged_object_that_is_only_restored_is_computed_anew() {
    let project = Project::with(TWO);
    project.run(&[]);
    let good = project.read("b.txt");
    objects(&project).iter().for_each(|path| spoil(path));
    fs::remove_file(project.path("b.txt")).unwrap();
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    assert_eq!(project.read("b.txt"), good);
}

#[test]
fn missing_objects_are_misses() {
    let project = Project::with(TWO);
    project.run(&[]);
    fs::remove_dir_all(project.path("cache/objects")).unwrap();
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("is missing in the cache, computing it anew"), "{}", ran.err);
    assert!(project.what_ran(&[]).is_empty());
}

#[test]
fn any_damaged_byte_of_the_index_gives_the_right_answer() {
    let project = Project::with(TWO);
    project.run(&[]);
    for log in ["cache/records.log", "cache/files.log", "cache/format"] {
        let good = fs::read(project.path(log)).unwrap();
        for at in (0..good.len()).step_by(good.len() / 12 + 1) {
            let mut bad = good.clone();
            bad[at] ^= 0x2a;
            fs::write(project.path(log), &bad).unwrap();
            fs::remove_file(project.path("b.txt")).unwrap();
            let ran = project.custem(&["run", "p.toml"]);
            assert_eq!(ran.code, 0, "{log} byte {at}: {}", ran.err);
            assert_eq!(project.read("b.txt"), "rows\nmore\n");
        }
    }
}

#[test]
fn a_cache_of_a_newer_custem_is_refused_and_left_alone() {
    let project = Project::with(TWO);
    project.write("cache/format", "99\n");
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("has format 99, but this custem knows formats up to 1"), "{}", ran.err);
    assert_eq!(project.read("cache/format"), "99\n");
}

#[test]
fn killed_at_random_moments_a_rerun_gives_the_undisturbed_bytes() {
    let chain: String = (0..12)
        .map(|at| {
            let input = if at == 0 { String::new() } else { format!("inputs = {{ x = \"s{}\" }}\n", at - 1) };
            let take = if at == 0 { "" } else { "cat {inputs.x}; " };
            format!("[stages.s{at}]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"{take}echo {at}\"]\nsave = \"out/{at}\"\n{input}")
        })
        .collect();
    let calm = Project::with(&chain);
    calm.run(&[]);
    let names = |project: &Project| -> Vec<_> {
        let files = project.files("out");
        files.into_iter().map(|(path, bytes)| (path.file_name().unwrap().to_owned(), bytes)).collect()
    };
    let hit = Project::with(&chain);
    for pause in [1_u64, 3, 5, 8, 12, 17, 23, 30] {
        let mut child = binary().current_dir(hit.path("")).args(["run", "p.toml", "-q"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(hit.custem(&["run", "p.toml"]).code, 0);
    assert_eq!(names(&hit), names(&calm));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let project = Project::with(
        "[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"x\"]\nsave = \"taken/a.txt\"\n",
    );
    project.write("taken", "a file stands where the folder should be");
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 2, "told before anything runs");
    let message = "error: `taken/a.txt` can't be saved: `taken` is a file, not a folder\n --> p.toml:4:8";
    assert!(ran.err.starts_with(message), "{}", ran.err);
    assert_eq!(project.read("taken"), "a file stands where the folder should be");
}

/// Four stages that take the same lost bytes at once.
const FAN: &str = r#"
[stages.a]
kind = "command"
command = ["echo", "rows"]

[stages.b]
kind = "command"
command = ["sh", "-c", "cat {inputs.x}; echo b"]
inputs = { x = "a" }

[stages.c]
kind = "command"
command = ["sh", "-c", "cat {inputs.x}; echo c"]
inputs = { x = "a" }

[stages.d]
kind = "command"
command = ["sh", "-c", "cat {inputs.x}; echo d"]
inputs = { x = "a" }
save = "d.txt"
"#;

#[test]
fn bytes_that_several_stages_find_lost_at_once_are_computed_anew_once() {
    for round in 0..5 {
        let project = Project::with(FAN);
        project.run(&[]);
        objects(&project)
            .iter()
            .filter(|path| fs::read(path).unwrap() == b"rows\n")
            .for_each(|path| spoil(path));
        let force = ["--force", "b", "--force", "c", "--force", "d", "--jobs", "4"];
        let ran = project.custem(&[&["run", "p.toml"], &force[..]].concat());
        assert_eq!(ran.code, 0, "round {round}: {}", ran.err);
        assert_eq!(ran.err.matches("is damaged in the cache, computing it anew").count(), 1, "{}", ran.err);
        assert!(ran.err.contains("4 stages: 4 ran, 0 from cache"), "{}", ran.err);
        assert_eq!(project.read("d.txt"), "rows\nd\n");
    }
}

/// `a` gives other bytes each time; `b` and `c` print what they took.
const CHANCE: &str = r#"
[stages.a]
kind = "command"
command = ["sh", "-c", "echo first; date +%N"]

[stages.b]
kind = "command"
command = ["sh", "-c", "cat {inputs.x}"]
inputs = { x = "a" }
save = "b.txt"

[stages.c]
kind = "command"
command = ["sh", "-c", "cat {inputs.x} {inputs.y}; echo c >&2"]
inputs = { x = "a", y = "b" }
save = "c.txt"
"#;

#[test]
fn what_was_made_of_bytes_that_came_out_otherwise_is_made_anew() {
    let project = Project::with(CHANCE);
    project.run(&[]);
    let bytes = project.read("b.txt");
    let of_a = objects(&project).into_iter().find(|path| fs::read_to_string(path).unwrap() == bytes).unwrap();
    spoil(&of_a);
    let ran = project.custem(&["run", "p.toml", "--force", "c"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let now = project.read("b.txt");
    assert_ne!(now, bytes);
    assert_eq!(project.read("c.txt"), format!("{now}{now}"), "{}", ran.err);
    let alarm =
        "warning: `a` isn't reproducible: `stdout` has other bytes than in an earlier run of the same key";
    assert!(ran.err.contains(alarm), "{}", ran.err);
}

#[test]
fn other_bytes_for_the_same_key_are_an_alarm_that_names_the_place() {
    let project = Project::with(CHANCE);
    project.run(&[]);
    let ran = project.custem(&["run", "p.toml", "--force", "a"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let alarm = "warning: `a` isn't reproducible: `stdout` has other bytes than in an earlier run of the same key: line 2 is `";
    assert!(ran.err.contains(alarm) && ran.err.contains("(p.toml:3)"), "{}", ran.err);
}

#[test]
fn an_object_of_another_size_is_damaged_and_not_missing() {
    let project = Project::with(TWO);
    project.run(&[]);
    for path in objects(&project) {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path, "longer than it was").unwrap();
    }
    let ran = project.custem(&["run", "p.toml", "--verbose"]);
    assert!(
        ran.err.contains("warning: `a.metrics` is damaged in the cache, computing it anew"),
        "{}",
        ran.err
    );
}

#[test]
fn a_damaged_record_is_said_and_why_knows_it() {
    let project = Project::with(TWO);
    project.run(&[]);
    let log = fs::read(project.path("cache/records.log")).unwrap();
    let at = log.windows(8).position(|part| part == b"\"stdout\"").unwrap();
    let mut bad = log.clone();
    bad[at + 2] ^= 0x55;
    fs::write(project.path("cache/records.log"), bad).unwrap();
    let ran = project.custem(&["run", "p.toml"]);
    let said = "warning: the record of `a` is damaged in the cache, computing it anew";
    assert!(ran.code == 0 && ran.err.contains(said), "{}", ran.err);
    let why = project.custem(&["why", "a"]);
    assert_eq!(
        why.out,
        "a ran in run 0002-fleet-bear because\n  nothing changed, but the cache has no record of it\n"
    );
}

#[test]
fn a_link_that_a_program_leaves_is_taken_as_the_file_that_it_leads_to() {
    for link in ["ln -s", "ln"] {
        let project = Project::new();
        project.write("mine.txt", "mine\n");
        let mine = project.path("mine.txt");
        project.write(
            "p.toml",
            format!(
                "[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"{link} {} out.txt\"]\noutputs = {{ x = \"out.txt\" }}\nsave = \"a.txt\"\n",
                mine.display()
            ),
        );
        assert_eq!(project.run(&[]), ["a ran"]);
        fs::write(&mine, "other\n").unwrap();
        fs::remove_file(project.path("a.txt")).unwrap();
        assert_eq!(project.run(&[]), ["a hit"]);
        assert_eq!(project.read("a.txt"), "mine\n");
    }
}

#[test]
fn a_saved_file_that_is_changed_while_the_run_goes_on_is_seen() {
    let project = Project::with(
        r#"
[stages.a]
kind = "command"
command = ["echo", "made"]
save = "a.txt"

[stages.slow]
kind = "command"
command = ["sh", "-c", "sleep 0.6; echo mine > $OUT; cat {inputs.x}"]
inputs = { x = "a" }
env = { OUT = "ROOT/a.txt" }
"#,
    );
    let root = project.path("").display().to_string();
    let text = project.read("p.toml").replace("ROOT/", &root);
    project.write("p.toml", text);
    project.run(&[]);
    assert_eq!(project.read("a.txt"), "mine\n");
    let plan = project.custem(&["plan", "p.toml"]);
    assert!(plan.code == 10 && plan.out.contains("restore    a.txt   different"), "{}", plan.out);
    project.run(&[]);
    assert_eq!((project.read("a.txt").as_str(), project.read("a.txt~").as_str()), ("made\n", "mine\n"));
}

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
fn two_processes_on_one_cache_do_not_disturb_each_other() {
    let project = Project::with(TWO);
    let start = || binary().current_dir(project.path("")).args(["run", "p.toml", "-q"]).spawn().unwrap();
    let children: Vec<_> = (0..6).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(project.read("b.txt"), "rows\nmore\n");
    assert!(project.what_ran(&[]).is_empty());
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

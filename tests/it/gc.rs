//! Room made in the cache: what goes, what stays, and that a run never misses what it relies on.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value as Json;

use crate::project::{Project, binary};

/// `big` gives much at once, `dear` little after a while, `end` takes from both.
const PIPELINE: &str = r#"
[stages.big]
kind = "command"
command = ["sh", "-c", "yes $TEXT | head -c 100000"]
env = { TEXT = "rows" }
save = "out/big.txt"

[stages.dear]
kind = "command"
command = ["sh", "-c", "sleep 0.2; echo dear $TEXT"]
env = { TEXT = "rows" }

[stages.end]
kind = "command"
command = ["sh", "-c", "wc -c < {inputs.big}; cat {inputs.dear}"]
inputs = { big = "big", dear = "dear" }
save = "out/end.txt"
"#;

fn ran() -> Project {
    let project = Project::with(PIPELINE);
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    project
}

fn gc(project: &Project, args: &[&str]) -> Json {
    let ran = project.custem(&[&["cache", "gc", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// The stages whose records went, with the reasons, sorted.
fn evicted(said: &Json) -> Vec<String> {
    let one =
        |one: &Json| format!("{} {}", one["stage"].as_str().unwrap_or("-"), one["why"].as_str().unwrap());
    let mut evicted: Vec<_> = said["evicted"].as_array().unwrap().iter().map(one).collect();
    evicted.sort();
    evicted
}

fn objects(project: &Project) -> Vec<PathBuf> {
    project.files("cache/objects").into_iter().map(|(path, _)| path).collect()
}

/// Runs and expects that nothing is said of damage, and no file moved aside.
fn runs_quietly(project: &Project, args: &[&str]) -> String {
    let ran = project.custem(&[&["run", "p.toml"], args].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    for word in ["warning", "damaged", "missing", "stood there"] {
        assert!(!ran.err.contains(word), "{}", ran.err);
    }
    ran.err
}

#[test]
fn without_rules_what_runs_name_stays() {
    let project = ran();
    project.custem(&["run", "p.toml", "--set", "big.env.TEXT=other"]);
    let before = objects(&project);
    assert!(evicted(&gc(&project, &[])).is_empty());
    assert_eq!(objects(&project), before);
    for (log, _) in project.files("experiments/logs") {
        fs::remove_file(log).unwrap();
    }
    assert_eq!(evicted(&gc(&project, &[])), ["- unnamed"; 5]);
    assert!(objects(&project).is_empty());
    assert!(runs_quietly(&project, &[]).contains("3 stages: 3 ran, 0 from cache"));
}

#[test]
fn what_only_earlier_runs_name_goes_and_is_computed_again() {
    let project = ran();
    project.custem(&["run", "p.toml", "--set", "big.env.TEXT=other"]);
    let shown = project.custem(&["cache", "gc", "--keep-runs", "1", "--dry-run"]).out;
    assert!(shown.contains("  100 kB   no kept run names it\n"), "{shown}");
    assert!(shown.contains("would free 100 kB: 2 stage runs, 1 object; "), "{shown}");
    let said = gc(&project, &["--keep-runs", "1"]);
    // `end` counts bytes, so it gives the same for both, and its record for the first is another key.
    assert_eq!(evicted(&said), ["big unnamed", "end unnamed"]);
    assert_eq!(said["freed"], 100_000);
    assert!(
        runs_quietly(&project, &["--set", "big.env.TEXT=other"]).contains("3 stages: 0 ran, 3 from cache")
    );
    assert!(runs_quietly(&project, &[]).contains("3 stages: 2 ran, 1 from cache"));
    assert_eq!(project.read("out/end.txt"), "100000\ndear rows\n");
}

#[test]
fn the_cheapest_for_its_size_goes_first() {
    let project = ran();
    let said = gc(&project, &["--max-size", "50kB"]);
    assert_eq!(evicted(&said), ["big budget"]);
    assert!(
        runs_quietly(&project, &[]).contains("3 stages: 0 ran, 3 from cache")
            || project.path("out/big.txt").exists()
    );
    let said = gc(&project, &["--max-size", "0"]);
    assert_eq!(said["kept"], serde_json::json!({ "objects": 0, "bytes": 0 }));
    assert!(objects(&project).is_empty());
    assert!(runs_quietly(&project, &[]).contains("3 ran, 0 from cache"));
}

#[test]
fn age_is_that_of_the_newest_run_that_names_it() {
    let project = ran();
    project.custem(&["run", "p.toml", "--set", "big.env.TEXT=other"]);
    let mut logs = project.files("experiments/logs");
    logs.retain(|(path, _)| path.extension().is_some_and(|ending| ending == "jsonl"));
    let (log, bytes) = logs.remove(0);
    let text = String::from_utf8(bytes).unwrap();
    let (start, rest) = text.split_once("\"time\":").unwrap();
    let end = rest.split_once(',').unwrap().1;
    fs::write(log, format!("{start}\"time\":1000.5,{end}")).unwrap();
    assert_eq!(evicted(&gc(&project, &["--older-than", "30d", "--dry-run"])), ["big unnamed", "end unnamed"]);
    assert!(evicted(&gc(&project, &["--older-than", "30d", "--keep-runs", "2"])).is_empty());
    assert_eq!(evicted(&gc(&project, &["--older-than", "30d"])), ["big unnamed", "end unnamed"]);
}

#[test]
fn a_dry_run_changes_nothing_and_a_wrong_amount_is_refused() {
    let project = ran();
    let before = project.files("cache");
    project.custem(&["cache", "gc", "--max-size", "0", "--dry-run"]);
    assert_eq!(project.files("cache"), before);
    let wrong = project.custem(&["cache", "gc", "--older-than", "30"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("give a time such as 30d, 12h, 90m or 2w"), "{}", wrong.err);
    let empty = Project::new();
    assert_eq!(
        empty.custem(&["cache", "gc"]).out,
        "would free 0 B: 0 stage runs, 0 objects; 0 objects (0 B) stay\n"
    );
    assert!(!empty.path("cache").exists());
}

#[test]
fn own_saved_files_are_written_over_and_the_users_are_kept() {
    let project = ran();
    gc(&project, &["--max-size", "0"]);
    runs_quietly(&project, &["--set", "big.env.TEXT=other"]);
    assert!(project.read("out/big.txt").starts_with("other\n"));
    assert_eq!(fs::read_dir(project.path("out")).unwrap().count(), 2);
    // An older one of its own, put back by hand, is its own too.
    gc(&project, &["--max-size", "0"]);
    project.write("out/big.txt", "rows\n".repeat(20_000));
    runs_quietly(&project, &["--set", "big.env.TEXT=third"]);
    gc(&project, &["--max-size", "0"]);
    project.write("out/big.txt", "my notes");
    let ran = project.custem(&["run", "p.toml"]);
    assert!(ran.err.contains("the file that stood there is now out/big.txt~"), "{}", ran.err);
    assert_eq!(project.read("out/big.txt~"), "my notes");
}

#[test]
fn lost_and_damaged_things_go() {
    let project = ran();
    let big = project.files("cache/objects").into_iter().find(|(_, bytes)| bytes.len() == 100_000).unwrap().0;
    fs::remove_file(big).unwrap();
    project.write("cache/damaged/x", "bad");
    project.write("cache/objects/ab/note", "mine");
    let mut log = fs::read(project.path("cache/records.log")).unwrap();
    log.extend_from_slice(b"torn");
    project.write("cache/records.log", log);
    let said = gc(&project, &[]);
    assert_eq!((evicted(&said), &said["damaged"]["bytes"]), (vec!["big lost".to_owned()], &3.into()));
    assert!(!project.path("cache/damaged/x").exists() && project.path("cache/objects/ab/note").exists());
    assert!(runs_quietly(&project, &[]).contains("3 stages: 1 ran, 2 from cache"));
    assert_eq!(project.custem(&["cache", "verify"]).code, 0);
}

/// All that a run has to give: saved files, and the objects of a pipeline that runs anew.
fn left(project: &Project) -> Vec<(PathBuf, Vec<u8>)> {
    let root = project.path("");
    let all = project.files("cache/objects").into_iter().chain(project.files("out"));
    all.map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes)).collect()
}

/// Lets gc go wrong at every call in turn; the next run must give the undisturbed bytes.
fn at_every_call(fault: &str) {
    let text = PIPELINE.replace("sleep 0.2; ", "");
    let project = || {
        let project = Project::with(&text);
        project.custem(&["run", "p.toml", "-q"]);
        project
    };
    let good = left(&project());
    for number in 1..200 {
        let project = project();
        let fault = format!("{fault}:{number}");
        let mut gc = binary();
        gc.current_dir(project.path("")).args(["cache", "gc", "--max-size", "0"]).env("CUSTEM_FAULT", &fault);
        let gc = gc.output().unwrap();
        let text = String::from_utf8_lossy(&gc.stderr).into_owned();
        assert!(!text.contains("panicked"), "{fault}: {text}");
        assert!(
            project.custem(&["cache", "verify"]).out.ends_with("all are as they were written\n"),
            "{fault}: {text}"
        );
        fs::remove_dir_all(project.path("out")).unwrap();
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 0, "after {fault}: {}", ran.err);
        assert!(!ran.err.contains("warning"), "after {fault}: {}", ran.err);
        assert_eq!(left(&project), good, "after {fault}");
        if gc.status.signal().is_none() && gc.status.success() && number > 10 {
            return;
        }
    }
    panic!("gc has more calls than that");
}

#[test]
fn stopped_at_any_call_the_next_run_gives_the_undisturbed_bytes() {
    at_every_call("stop");
}

#[test]
fn torn_at_any_write_the_next_run_gives_the_undisturbed_bytes() {
    at_every_call("torn");
}

#[test]
fn a_full_or_failing_disk_at_any_call_leaves_a_sound_cache() {
    at_every_call("full");
    at_every_call("io");
}

#[test]
fn a_run_that_goes_on_keeps_gc_out_until_it_has_ended() {
    let project = ran();
    let slow = r#"
[stages.slow]
kind = "command"
command = ["sh", "-c", "touch MARK; while ! test -e GO; do sleep 0.01; done; echo slow"]
"#;
    let at = |name: &str| project.path(name).display().to_string();
    project.write("q.toml", slow.replace("MARK", &at("mark")).replace("GO", &at("go")));
    let mut run = binary().current_dir(project.path("")).args(["run", "q.toml", "-q"]).spawn().unwrap();
    while !project.path("mark").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let refused = project.custem(&["cache", "gc", "--max-size", "0"]);
    assert_eq!(refused.code, 1);
    assert_eq!(
        refused.err,
        "error: runs that are going on use the cache\n\
         hint: `--wait` waits until they have ended, `--dry-run` only looks\n"
    );
    assert!(!objects(&project).is_empty());
    let dry = project.custem(&["cache", "gc", "--max-size", "0", "--dry-run"]);
    assert_eq!(dry.code, 0);
    let mut waiting = binary();
    let mut waiting = waiting
        .current_dir(project.path(""))
        .args(["cache", "gc", "--keep-runs", "0", "--wait"])
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(waiting.try_wait().unwrap().is_none());
    project.write("go", "");
    assert!(run.wait().unwrap().success() && waiting.wait().unwrap().success());
    assert!(objects(&project).is_empty());
}

#[test]
fn a_killed_run_does_not_keep_gc_out() {
    let project = Project::with(&PIPELINE.replace("sleep 0.2", "sleep 5"));
    let mut run = binary().current_dir(project.path("")).args(["run", "p.toml", "-q"]).spawn().unwrap();
    while !project.path("out/big.txt").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(gc(&project, &["--wait", "--keep-runs", "0"])["objects"], 2);
}

#[test]
fn runs_that_go_on_while_gc_loops_never_miss_anything() {
    let project = Project::new();
    let text = PIPELINE.replace("sleep 0.2; ", "");
    // Each saves to a place of its own; what they compute is partly the same.
    let runs = ["one", "two", "three"];
    for name in runs {
        let text = text.replacen("TEXT = \"rows\"", &format!("TEXT = \"{name}\""), 1);
        project.write(&format!("{name}.toml"), text.replace("out/", &format!("{name}/")));
    }
    let over = AtomicBool::new(false);
    let run = |name: &'static str| {
        for round in 0..25 {
            let ran = project.custem(&["run", &format!("{name}.toml")]);
            assert_eq!(ran.code, 0, "{name} {round}: {}", ran.err);
            for word in ["warning", "damaged", "is missing"] {
                assert!(!ran.err.contains(word), "{name} {round}: {}", ran.err);
            }
        }
    };
    let collect = || {
        let mut freed = 0;
        while !over.load(Ordering::Relaxed) {
            let wait: &[&str] = if freed % 2 == 0 { &["--wait"] } else { &[] };
            let ran = project.custem(&[&["cache", "gc", "--max-size", "0"], wait].concat());
            assert!(ran.code == 0 || ran.err.contains("use the cache"), "{}", ran.err);
            freed += usize::from(ran.code == 0 && !ran.out.contains("freed 0 B"));
        }
        freed
    };
    let freed = std::thread::scope(|scope| {
        let collecting = scope.spawn(collect);
        let running = runs.map(|name| scope.spawn(move || run(name)));
        let ended = running.map(|run| run.join());
        over.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|ended| ended.unwrap());
        collecting.join().unwrap()
    });
    assert!(freed > 0, "gc came to its turn");
    for name in runs {
        let ran = project.custem(&["run", &format!("{name}.toml")]);
        assert_eq!((ran.code, ran.err.contains("warning")), (0, false), "{}", ran.err);
        assert_eq!(project.read(&format!("{name}/big.txt")).lines().next(), Some(name));
        assert_eq!(project.read(&format!("{name}/end.txt")), "100000\ndear rows\n");
    }
    assert_eq!(project.custem(&["cache", "verify"]).code, 0);
}

//! Stages computed again beside the cache, and the lock that says what they should give.

use std::fs;

use serde_json::Value as Json;

use crate::project::Project;

/// `draw` gives other rows every time: it counts up in a file outside.
fn unsteady() -> Project {
    let project = Project::new();
    let counter = project.path("counter").display().to_string();
    project.write(
        "p.toml",
        format!(
            r#"
[stages.rows]
kind = "command"
command = ["sh", "-c", "echo a; echo b"]

[stages.draw]
kind = "command"
command = ["sh", "-c", "cat {{inputs.x}}; echo >> {counter}; wc -l < {counter}"]
inputs = {{ x = "rows" }}
save = "draw.txt"

[stages.end]
kind = "command"
command = ["sh", "-c", "cat {{inputs.x}}; echo end"]
inputs = {{ x = "draw" }}
"#
        ),
    );
    project
}

/// A line without the times at its end.
fn timeless(out: &str) -> Vec<String> {
    let cut = |line: &str| match line.rsplit_once("   ") {
        Some((start, took)) if took.ends_with(" s") => start.to_owned(),
        _ => line.to_owned(),
    };
    out.lines().map(cut).collect()
}

#[test]
fn a_stage_with_other_bytes_is_named_with_the_place() {
    let project = unsteady();
    project.run(&[]);
    let before = (project.files("cache"), project.files("experiments"), project.read("draw.txt"));
    let verified = project.custem(&["verify", "p.toml"]);
    assert_eq!(verified.code, 1, "{}", verified.err);
    let lines = timeless(&verified.out);
    assert_eq!(lines[0], "  rows   command   the same as in the cache");
    assert_eq!(lines[1], "  draw   command   other bytes");
    assert!(
        lines[2].starts_with("    `stdout` is ") && lines[2].ends_with(": line 3 is `2`, and was `1`"),
        "{}",
        lines[2]
    );
    assert_eq!(lines[3], "  end    command   the same as in the cache");
    assert_eq!(lines[4], "3 stages: 2 the same, 1 with other bytes, 0 failed");
    assert_eq!((project.files("cache"), project.files("experiments"), project.read("draw.txt")), before);
    let named = project.custem(&["verify", "p.toml", "end", "rows"]);
    assert_eq!(named.code, 0);
    assert_eq!(timeless(&named.out)[2], "2 stages: 2 the same, 0 with other bytes, 0 failed");
    assert!(project.what_ran(&[]).is_empty());
}

#[test]
fn without_a_record_stages_are_compared_with_themselves() {
    let project = unsteady();
    let verified = project.custem(&["verify", "p.toml", "--json"]);
    assert_eq!(verified.code, 1);
    let said: Json = serde_json::from_str(&verified.out).unwrap();
    assert_eq!((&said["ok"], &said["pipeline"]), (&false.into(), &"p".into()));
    let stages = said["stages"].as_array().unwrap();
    let verdicts: Vec<_> = stages.iter().map(|stage| (&stage["verdict"], &stage["recorded"])).collect();
    assert_eq!(
        verdicts,
        [
            (&"same".into(), &false.into()),
            (&"differs".into(), &false.into()),
            (&"same".into(), &false.into())
        ]
    );
    assert_eq!(stages[0]["executions"].as_array().unwrap().len(), 2);
    let difference = &stages[1]["differences"][0];
    assert_eq!((&difference["port"], &difference["execution"]), (&"stdout".into(), &1.into()));
    assert_eq!(difference["place"], "line 3 is `2`, and was `1`");
    assert!(project.files("cache/objects").is_empty() && !project.path("draw.txt").exists());
    // Only what the stage needs is computed, and nothing that it doesn't.
    let named = project.custem(&["verify", "p.toml", "rows"]);
    assert_eq!((named.code, named.out.lines().count()), (0, 2));
}

#[test]
fn tables_are_the_same_with_any_number_of_threads_and_each_time() {
    let project = Project::with(
        "[stages.a]\nkind = \"simulate\"\ncustomers = 300\nstart = 2024-01-01\nend = 2024-12-29\n\
         [stages.f]\nkind = \"features\"\ninput = \"a\"\n\
         [stages.s]\nkind = \"segment\"\ninput = \"f\"\nk = 3\n",
    );
    project.run(&[]);
    let verified = project.custem(&["verify", "p.toml", "--threads", "1,2", "--twice", "--json"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    let said: Json = serde_json::from_str(&verified.out).unwrap();
    for stage in said["stages"].as_array().unwrap() {
        let threads: Vec<_> = stage["executions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["threads"].as_u64().unwrap())
            .collect();
        assert_eq!((&stage["verdict"], threads), (&"same".into(), vec![1, 1, 2, 2]));
    }
}

#[test]
fn a_stage_that_cannot_be_computed_is_said_and_fails() {
    let project = Project::with(
        "[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"exit 3\"]\n\
         [stages.b]\nkind = \"command\"\ncommand = [\"cat\", \"{inputs.x}\"]\ninputs = { x = \"a\" }\n",
    );
    let verified = project.custem(&["verify", "p.toml"]);
    assert_eq!(verified.code, 1);
    assert_eq!(
        verified.out,
        "  a   command   failed: `sh` ended with exit status: 3\n  \
         b   command   failed: `a`, which it needs, has no result\n\
         2 stages: 0 the same, 0 with other bytes, 2 failed\n"
    );
    let wrong = project.custem(&["verify", "p.toml", "c"]);
    assert_eq!((wrong.code, wrong.err.contains("there is no stage `c` in p.toml")), (2, true));
}

const CHAIN: &str = r#"
[stages.b]
kind = "command"
command = ["sh", "-c", "wc -c < {inputs.rows}"]
inputs = { rows = "a" }
save = "b.txt"

[stages.a]
kind = "command"
command = ["sh", "-c", "echo $TEXT"]
env = { TEXT = "x" }
"#;

#[test]
fn a_lock_is_written_sorted_and_holds_while_bytes_are_equal() {
    let project = Project::with(CHAIN);
    let early = project.custem(&["lock", "p.toml"]);
    assert_eq!(early.code, 1);
    assert_eq!(
        early.err,
        "error: the cache doesn't have the results of `a` and `b`\nhint: run it first: custem run p.toml\n"
    );
    assert!(!project.path("p.lock.toml").exists());
    project.run(&[]);
    let locked = project.custem(&["lock", "p.toml"]);
    assert_eq!((locked.code, locked.err.as_str()), (0, "wrote p.lock.toml: 2 stages\n"));
    let text = project.read("p.lock.toml");
    let heads: Vec<_> = text.lines().map(|line| line.split(" = \"").next().unwrap()).collect();
    assert_eq!(
        heads[1..],
        [
            "format = 1",
            "",
            "[stages.a]",
            "kind",
            "version = 4",
            "outputs.metrics",
            "outputs.stdout",
            "",
            "[stages.b]",
            "kind",
            "version = 4",
            "outputs.metrics",
            "outputs.stdout",
        ]
        .map(|line| line.replace("version = 4", heads[5]))
    );
    assert_eq!(project.custem(&["lock", "p.toml"]).err, "p.lock.toml is as it was: 2 stages\n");
    // A change that gives equal bytes in the end fails only where bytes are others.
    let run = project.custem(&["run", "p.toml", "--locked"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(
        project.custem(&["run", "p.toml", "--locked", "--set", "b.command.2=wc -c < {inputs.rows} "]).code,
        0
    );
}

#[test]
fn a_locked_run_fails_where_bytes_differ_and_saves_nothing_over() {
    let project = Project::with(CHAIN);
    project.run(&[]);
    project.custem(&["lock", "p.toml"]);
    let lock = project.read("p.lock.toml");
    project.write("p.toml", CHAIN.replace("wc -c", "wc -l"));
    let run = project.custem(&["run", "p.toml", "--locked"]);
    assert_eq!(run.code, 1, "{}", run.err);
    let digest = |stage: &str| {
        let block = lock.split(&format!("[stages.{stage}]")).nth(1).unwrap();
        block.split("outputs.stdout = \"").nth(1).unwrap()[..8].to_owned()
    };
    let new = blake3::hash(b"1\n").to_hex()[..8].to_owned();
    let message = format!(
        "error: stage `b` failed: other bytes than in `p.lock.toml`: `b.stdout` is {new}, not {}\n",
        digest("b")
    );
    assert!(run.err.contains(&message), "{}", run.err);
    let hint = "hint: `custem why b` tells what changed; if it should be so, run without `--locked`, then: custem lock p.toml\n";
    assert!(run.err.contains(hint), "{}", run.err);
    assert_eq!(project.read("b.txt"), "2\n", "nothing is saved over");
    // From the cache it fails as well, and so it does after a run that has left a note.
    let again = project.custem(&["run", "p.toml", "--locked"]);
    assert!(again.code == 1 && again.err.contains(&message), "{}", again.err);
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    assert!(project.path("cache/still").exists());
    assert_eq!(project.custem(&["run", "p.toml", "--locked"]).code, 1);
    project.custem(&["lock", "p.toml"]);
    assert_eq!(project.custem(&["run", "p.toml", "--locked"]).code, 0);
}

#[test]
fn a_stage_that_the_lock_lacks_fails_before_it_runs() {
    let project = Project::with(CHAIN);
    project.run(&[]);
    project.custem(&["lock", "p.toml"]);
    let mark = project.path("mark").display().to_string();
    let more = format!("[stages.c]\nkind = \"command\"\ncommand = [\"touch\", \"{mark}\"]\n");
    project.write("p.toml", format!("{CHAIN}\n{more}"));
    let run = project.custem(&["run", "p.toml", "--locked"]);
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains("error: stage `c` failed: `p.lock.toml` doesn't have stage `c`\n"),
        "{}",
        run.err
    );
    assert!(!project.path("mark").exists());
    assert_eq!(project.custem(&["run", "p.toml", "--locked", "--until", "b"]).code, 0);
}

#[test]
fn a_lock_that_is_missing_or_none_is_said() {
    let project = Project::with(CHAIN);
    let missing = project.custem(&["run", "p.toml", "--locked"]);
    assert_eq!(missing.code, 2);
    assert_eq!(
        missing.err,
        "error: `--locked` compares with `p.lock.toml`, which isn't there\nhint: `custem lock p.toml` writes it\n"
    );
    project.write("p.lock.toml", "format = 1\n<<<<<<< ours\n");
    let broken = project.custem(&["run", "p.toml", "--locked"]);
    assert_eq!(broken.code, 2);
    assert!(broken.err.starts_with("error: `p.lock.toml:2` is no lock: "), "{}", broken.err);
    assert!(!project.path("experiments/logs").exists());
    fs::remove_file(project.path("p.lock.toml")).unwrap();
}

#[test]
fn a_sweep_is_locked_by_its_variants() {
    let project = Project::with(
        "[stages.a]\nkind = \"simulate\"\ncustomers = 200\nstart = 2024-01-01\nend = 2024-12-29\n\
         [stages.f]\nkind = \"features\"\ninput = \"a\"\n\
         [stages.s]\nkind = \"segment\"\ninput = \"f\"\nk = 3\n\
         [sweep]\naxes = { \"s.k\" = [2, 3] }\nobjective = \"s.silhouette\"\ngoal = \"max\"\n",
    );
    project.run(&[]);
    assert_eq!(project.custem(&["lock", "p.toml"]).code, 0);
    assert!(project.read("p.lock.toml").contains("\n[stages.\"s[k=2]\"]\n"));
    assert_eq!(project.custem(&["run", "p.toml", "--locked"]).code, 0);
    assert_eq!(project.custem(&["verify", "p.toml", "s[k=3]"]).code, 0);
}

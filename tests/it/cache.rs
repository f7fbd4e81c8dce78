//! What reruns and what doesn't, told as lists of what ran: each field of the manifest both ways.

use std::fs;

use crate::project::Project;

/// `a` writes a constant, `b` sorts it, `c` counts it: a change that `b` hides stops there.
const CHAIN: &str = r#"
[pipeline]
seed = 1

[stages.a]
kind = "command"
command = ["sh", "-c", "echo $TEXT"]
env = { TEXT = "x" }

[stages.b]
kind = "command"
command = ["sh", "-c", "wc -c < {inputs.rows}"]
inputs = { rows = "a" }

[stages.c]
kind = "command"
command = ["sh", "-c", "cat {inputs.rows}; echo end"]
inputs = { rows = "b" }
"#;

fn warm() -> Project {
    let project = Project::with(CHAIN);
    assert_eq!(project.what_ran(&[]), ["a", "b", "c"]);
    assert_eq!(project.what_ran(&[]), Vec::<String>::new());
    project
}

fn edited(from: &str, to: &str) -> Vec<String> {
    let project = warm();
    assert!(CHAIN.contains(from));
    project.write("p.toml", CHAIN.replace(from, to));
    project.what_ran(&[])
}

#[test]
fn a_parameter_reruns_its_stage_and_what_gets_other_bytes() {
    assert_eq!(edited("TEXT = \"x\"", "TEXT = \"longer\""), ["a", "b", "c"]);
}

#[test]
fn equal_bytes_stop_the_wave() {
    assert_eq!(edited("TEXT = \"x\"", "TEXT = \"y\""), ["a", "b"]);
}

#[test]
fn a_comment_the_order_and_the_spelling_do_not_rerun() {
    assert!(edited("[stages.b]", "# a word\n[stages.b]").is_empty());
    assert!(
        edited(
            "kind = \"command\"\ncommand = [\"sh\", \"-c\", \"echo $TEXT\"]\nenv = { TEXT = \"x\" }",
            "env.TEXT = 'x'\ncommand = ['sh', '-c', 'echo $TEXT']\nkind = 'command'"
        )
        .is_empty()
    );
    assert!(edited("[stages.a]", "[stages.a]\nfiles = []\noutputs = {}").is_empty());
}

#[test]
fn another_number_spelling_does_not_rerun_and_another_number_does() {
    let text = |share: &str| {
        format!(
            "[stages.a]\nkind = \"simulate\"\ncustomers = 20\nstart = 2024-01-01\nend = 2024-06-30\nduplicates = {share}\n"
        )
    };
    let project = Project::with(&text("0.1"));
    assert_eq!(project.what_ran(&[]), ["a"]);
    project.write("p.toml", text("1e-1"));
    assert!(project.what_ran(&[]).is_empty());
    project.write("p.toml", text("0.2"));
    assert_eq!(project.what_ran(&[]), ["a"]);
}

#[test]
fn a_renamed_stage_does_not_rerun() {
    let project = warm();
    project.write(
        "p.toml",
        CHAIN.replace("[stages.a]", "[stages.first]").replace("rows = \"a\"", "rows = \"first\""),
    );
    assert!(project.what_ran(&[]).is_empty());
}

#[test]
fn the_seed_reruns_only_what_draws() {
    let text = |seed: u32| {
        format!(
            "[pipeline]\nseed = {seed}\n[stages.a]\nkind = \"simulate\"\ncustomers = 20\nstart = 2024-01-01\nend = 2024-06-30\n[stages.b]\nkind = \"command\"\ncommand = [\"true\"]\n"
        )
    };
    let project = Project::with(&text(1));
    assert_eq!(project.what_ran(&[]), ["a", "b"]);
    project.write("p.toml", text(2));
    assert_eq!(project.what_ran(&[]), ["a"]);
    project.write("p.toml", text(1));
    assert!(project.what_ran(&[]).is_empty());
}

#[test]
fn threads_do_not_matter() {
    let project = warm();
    for jobs in ["1", "4"] {
        // Without its note the run computes every key.
        std::fs::remove_dir_all(project.path("cache/still")).unwrap();
        assert!(project.what_ran(&["--jobs", jobs]).is_empty());
    }
}

#[test]
fn the_environment_does_not_matter_unless_it_is_declared() {
    let project = Project::with(
        "[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"echo ${SECRET:-unset}\"]\n",
    );
    assert_eq!(project.what_ran(&[]), ["a"]);
    assert_eq!(project.custem(&["show", "a"]).out, "unset\n");
    project.write("p.toml", "[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"echo ${SECRET:-unset}\"]\nenv = { SECRET = \"s\" }\n");
    assert_eq!(project.what_ran(&[]), ["a"]);
    assert_eq!(project.custem(&["show", "a"]).out, "s\n");
}

#[test]
fn a_moved_project_does_not_rerun() {
    let project = warm();
    let moved = Project::new();
    for part in ["p.toml", "cache", "experiments"] {
        fs::rename(project.path(part), moved.path(part)).unwrap();
    }
    assert!(moved.what_ran(&[]).is_empty());
}

#[test]
fn a_source_file_counts_by_its_bytes() {
    let project = Project::with(
        "[stages.a]\nkind = \"command\"\ncommand = [\"cat\", \"in.txt\"]\nfiles = [\"in.txt\"]\n",
    );
    project.write("in.txt", "one");
    assert_eq!(project.what_ran(&[]), ["a"]);
    project.write("in.txt", "one");
    assert!(project.what_ran(&[]).is_empty(), "touched, but the same bytes");
    project.write("in.txt", "two");
    assert_eq!(project.what_ran(&[]), ["a"]);
    assert_eq!(project.custem(&["show", "a"]).out, "two");
}

#[test]
fn force_reruns_and_equal_bytes_stop_the_wave() {
    assert_eq!(warm().what_ran(&["--force", "a"]), ["a"]);
}

#[test]
fn until_runs_only_what_the_stage_needs() {
    let project = Project::with(CHAIN);
    assert_eq!(project.run(&["--until", "b"]), ["a ran", "b ran"]);
}

#[test]
fn a_failed_stage_stops_only_what_needs_it_and_the_rest_stays_cached() {
    let project = Project::with(&format!(
        "{CHAIN}\n[stages.bad]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"echo no luck >&2; exit 3\"]\n[stages.after]\nkind = \"command\"\ncommand = [\"true\"]\ninputs = {{ x = \"bad\" }}\n"
    ));
    assert_eq!(project.run(&[]), ["a ran", "after skipped", "b ran", "bad failed", "c ran"]);
    assert_eq!(project.run(&[]), ["a hit", "after skipped", "b hit", "bad failed", "c hit"]);
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("error: stage `bad` failed: `sh` ended with exit status: 3\n")
            && ran.err.contains("\n    no luck\n"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("--> p.toml:"), "{}", ran.err);
}

#[test]
fn plan_tells_what_would_run_and_exits_with_10() {
    let project = Project::with(CHAIN);
    let plan = project.custem(&["plan", "p.toml"]);
    assert_eq!(plan.code, 10);
    let never = |stage: &str| format!("  must run   {stage}   no earlier run of it is known\n");
    assert_eq!(plan.out, format!("{}{}{}  up to date 0 stages\n", never("a"), never("b"), never("c")));
    assert!(!project.path("cache").exists(), "a plan writes nothing");
    project.run(&[]);
    let plan = project.custem(&["plan", "p.toml"]);
    assert_eq!((plan.code, plan.out.as_str()), (0, "  up to date 3 stages\n"));
}

/// In `CHAIN`, `b` counts the bytes of what `a` prints and `c` prints them again.
#[test]
fn a_plan_neither_says_too_much_nor_too_little() {
    let project = warm();
    let plan = |args: &[&str]| project.custem(&[&["plan", "p.toml"], args].concat()).out;
    // The stage itself must run; those behind it have run with these parameters on other bytes.
    let changed = plan(&["--set", "a.env.TEXT=long"]);
    assert!(changed.starts_with("  must run   a   a.env.TEXT  x -> long"), "{changed}");
    assert!(changed.contains("\n  may run    b   if `a` gives other bytes"), "{changed}");
    // One with a parameter that it has never had must run, whatever it gets.
    let both = plan(&["--set", "a.env.TEXT=long", "--set", "b.command.2=wc -l < {inputs.rows}"]);
    assert!(
        both.contains("\n  must run   b   b.command.2  wc -c < {inputs.rows} -> wc -l < {inputs.rows}"),
        "{both}"
    );
    // A forced stage gives what its record says, so nothing behind it runs.
    let forced = plan(&["--force", "a"]);
    assert!(
        forced.starts_with("  must run   a   --force named it")
            && forced.ends_with("\n  up to date 2 stages\n"),
        "{forced}"
    );
    // Nor behind a stage whose bytes are lost.
    for (path, _) in project.files("cache/objects") {
        if std::fs::read(&path).unwrap() == b"x\n" {
            std::fs::remove_file(path).unwrap();
        }
    }
    let lost = plan(&[]);
    assert!(lost.starts_with("  must run   a   its output `stdout` was missing in the cache"), "{lost}");
}

#[test]
fn why_names_the_parameter_the_place_and_the_values() {
    let project = warm();
    project.run(&["--set", "a.env.TEXT=long"]);
    let why = project.custem(&["why", "a"]).out;
    assert!(why.contains("a.env.TEXT  x -> long  --set a.env.TEXT=long (p.toml:8 says \"x\")"), "{why}");
    assert!(project.custem(&["why", "b"]).out.contains("`a` gave other bytes"));
}

#[test]
fn why_tells_of_a_stage_that_did_not_run_what_changed_or_where_the_wave_stopped() {
    let project = warm();
    project.run(&["--set", "a.env.TEXT=long"]);
    // What `a` printed at first is in the cache, so nothing runs, but the line has changed.
    assert_eq!(project.what_ran(&[]), Vec::<String>::new());
    let why = project.custem(&["why", "a"]).out;
    let start = "a did not run in run 0004-clear-crow: the cache had its result for what has changed since run 0003-calm-mole\n  a.env.TEXT  long -> x  p.toml:8\n";
    assert!(why.starts_with(start), "{why}");
    let why = project.custem(&["why", "b"]).out;
    assert!(why.contains("\n  inputs.rows: `a` gave other bytes  "), "{why}");
    // A comment in the text that `a` runs changes its key, but not what it prints.
    assert_eq!(project.what_ran(&["--set", "a.command.2=echo $TEXT # again"]), ["a"]);
    let why = project.custem(&["why", "b"]).out;
    let start = "b did not run in run 0005-plain-jay: nothing that it depends on has changed since run 0004-clear-crow\n";
    assert!(why.starts_with(start), "{why}");
    assert!(why.ends_with("  unchanged: `a` ran and gave the same bytes\n"), "{why}");
    // Digests stand under each other, however long the names of inputs are.
    let mut lines = why.lines().skip(1);
    let (key, input) = (lines.next().unwrap(), lines.next().unwrap());
    let start = |line: &str| line.rfind("  unchanged").unwrap_or(line.len()) - 8;
    assert!(key.starts_with("  key         ") && input.starts_with("  inputs.rows "), "{why}");
    assert_eq!(start(key), start(input), "{why}");
}

#[test]
fn saved_outputs_are_put_back_and_a_file_of_the_users_is_kept() {
    let project = Project::with(
        "[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"made\"]\nsave = \"data/a.txt\"\n",
    );
    project.run(&[]);
    assert_eq!(project.read("data/a.txt"), "made\n");
    fs::remove_file(project.path("data/a.txt")).unwrap();
    let again = project.custem(&["run", "p.toml"]);
    assert!(again.err.contains("a: saved data/a.txt"), "{}", again.err);
    project.write("data/a.txt", "my notes");
    let again = project.custem(&["run", "p.toml"]);
    assert!(again.err.contains("the file that stood there is now data/a.txt~"), "{}", again.err);
    assert_eq!(
        (project.read("data/a.txt").as_str(), project.read("data/a.txt~").as_str()),
        ("made\n", "my notes")
    );
}

#[test]
fn a_saved_copy_can_be_edited_without_harm_to_the_cache() {
    let project =
        Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"made\"]\nsave = \"a.txt\"\n");
    project.run(&[]);
    fs::OpenOptions::new()
        .append(true)
        .open(project.path("a.txt"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"!"))
        .unwrap();
    assert_eq!(project.custem(&["show", "a"]).out, "made\n");
}

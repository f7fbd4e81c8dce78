//! What programs and people read: JSON events, run records, listings, completions.

use crate::project::{Project, binary, events, text};

const ONE: &str = "[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"hello\"]\n";

#[test]
fn run_json_prints_one_object_a_line_and_ends_with_run_done() {
    let project = Project::with(ONE);
    let ran = project.custem(&["run", "p.toml", "--json"]);
    let events = events(&ran.out);
    let last = events.last().unwrap();
    assert_eq!(
        (text(last, "event"), &last["ok"], &last["ran"], &last["hit"]),
        ("run_done", &true.into(), &1.into(), &0.into())
    );
    let done = events.iter().find(|event| event["event"] == "stage_done").unwrap();
    assert_eq!((text(done, "stage"), text(done, "kind"), text(done, "outcome")), ("a", "command", "ran"));
    assert_eq!(text(done, "key").len(), 64);
    assert_eq!(done["outputs"]["stdout"]["bytes"], 6);
    // blake3 of "hello\n" as the Python package blake3 1.0.11 prints it.
    assert_eq!(
        done["outputs"]["stdout"]["digest"],
        "8e4c7c1b99dbfd50e7a95185fead5ee1448fa904a2fdd778eaf5f2dbfd629a99"
    );
}

#[test]
fn every_run_is_recorded_and_can_be_rerun_from_its_record() {
    let project = Project::with(ONE);
    project.run(&[]);
    project.run(&[]);
    let list = project.custem(&["runs", "list"]).out;
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.lines().next().unwrap().starts_with("0002-"), "{list}");
    let show = project.custem(&["runs", "show", "1"]).out;
    assert!(show.contains("a") && show.contains("ran") && show.contains("hello"), "{show}");
    let (config, _) = project.files("experiments/configs").remove(0);
    let again = project.custem(&["run", config.to_str().unwrap(), "--json"]);
    assert!(again.out.contains("\"outcome\":\"hit\""), "{}", again.out);
}

#[test]
fn a_failed_run_is_recorded_too() {
    let project = Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"false\"]\n");
    assert_eq!(project.custem(&["run", "p.toml"]).code, 1);
    assert!(project.custem(&["runs", "list"]).out.contains("failed"));
}

#[test]
fn graphs_have_three_forms() {
    let project = Project::with(&format!(
        "{ONE}[stages.b]\nkind = \"command\"\ncommand = [\"true\"]\ninputs = {{ x = \"a\", y = \"a.metrics\" }}\n"
    ));
    assert_eq!(project.custem(&["graph", "p.toml"]).out, "a  command\nb  command  <- a\n");
    let dot = "digraph {\n  node [shape=box]\n  s0 [label=\"a\\ncommand\"]\n  s1 [label=\"b\\ncommand\"]\n  s0 -> s1\n}\n";
    assert_eq!(project.custem(&["graph", "p.toml", "--format", "dot"]).out, dot);
    let mermaid = "graph TD\n  s0[\"a<br/>command\"]\n  s1[\"b<br/>command\"]\n  s0 --> s1\n";
    assert_eq!(project.custem(&["graph", "p.toml", "--format", "mermaid"]).out, mermaid);
}

#[test]
fn kinds_are_listed_with_their_parameters() {
    let project = Project::new();
    let list = project.custem(&["kinds"]).out;
    for kind in ["simulate", "read", "check", "features", "segment", "profile", "command", "sql"] {
        assert!(list.contains(&format!("  {kind} ")), "{list}");
    }
    for line in list.lines() {
        assert!(line.len() <= 86 && !line.ends_with('.'), "{line}");
    }
    let one = project.custem(&["kinds", "segment"]).out;
    assert!(one.contains("k = 5   an integer, between 2 and 1000"), "{one}");
    let json: serde_json::Value = serde_json::from_str(&project.custem(&["kinds", "--json"]).out).unwrap();
    for kind in json.as_array().unwrap() {
        for parameter in kind["parameters"].as_array().unwrap() {
            assert!(!text(parameter, "doc").is_empty(), "{}.{} has no doc", kind["kind"], parameter["name"]);
        }
    }
    let wrong = project.custem(&["kinds", "segmnt"]);
    assert_eq!((wrong.code, wrong.err.contains("did you mean `segment`?")), (2, true));
}

#[test]
fn interrupted_it_ends_with_130_and_keeps_what_is_done() {
    let project =
        Project::with(&format!("{ONE}[stages.slow]\nkind = \"command\"\ncommand = [\"sleep\", \"30\"]\n"));
    let mut child =
        crate::project::binary().current_dir(project.path("")).args(["run", "p.toml", "-q"]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(project.run(&["--until", "a"]), ["a hit"]);
}

#[test]
fn completions_name_the_commands() {
    let script = Project::new().custem(&["completions", "bash"]).out;
    assert!(script.contains("runs") && script.contains("why"));
}

#[test]
fn init_writes_a_first_pipeline_that_checks() {
    let project = Project::new();
    let wrote =
        "wrote pipelines/quickstart.toml and .gitignore; run it: custem run pipelines/quickstart.toml\n";
    assert_eq!(project.custem(&["init"]).out, wrote);
    let ignored = "# Written by custem run\n/cache/\n/experiments/\n/data/raw/\n/data/processed/\n\
                   /data/*.html\n/data/*.svg\n/data/*.png\n";
    assert_eq!(project.read(".gitignore"), ignored);
    assert_eq!(project.custem(&["check", "pipelines/quickstart.toml"]).code, 0);
    assert_eq!(project.custem(&["init"]).code, 2, "it doesn't overwrite");
    // Rules that the project has are left alone.
    project.write(".gitignore", "mine\n");
    let wrote = "wrote pipelines/two.toml; run it: custem run pipelines/two.toml\n";
    assert_eq!(project.custem(&["init", "--to", "pipelines/two.toml"]).out, wrote);
    assert_eq!(project.read(".gitignore"), "mine\n");
}

/// The reader sees at once what a change did: each number of a stage that ran says what it was.
#[test]
fn a_metric_that_moved_says_what_it_was() {
    let project = Project::with(
        "[stages.t]\nkind = \"simulate\"\ncustomers = 60\nstart = 2024-01-01\nend = 2024-06-30\n[stages.f]\nkind = \"features\"\ninput = \"t\"\n[stages.s]\nkind = \"segment\"\ninput = \"f\"\nk = 3\n",
    );
    let line = |args: &[&str]| {
        let ran = project.custem(&[&["run", "p.toml"], args].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.err.lines().find(|line| line.starts_with("  s ")).unwrap_or_default().to_owned()
    };
    let first = line(&[]);
    assert!(first.contains("k=3, silhouette") && !first.contains("was"), "{first}");
    let value = first.rsplit(' ').next().unwrap();
    let moved = line(&["--set", "s.k=4"]);
    assert!(
        moved.contains("k=4 (was 3), silhouette ") && moved.ends_with(&format!("(was {value})")),
        "{moved}"
    );
    // The same again says nothing, and what failed in between is no past.
    assert!(!line(&["--set", "s.k=4", "--force", "s"]).contains("was"));
    assert_eq!(project.custem(&["run", "p.toml", "--set", "s.k=900"]).code, 1);
    assert!(!line(&["--set", "s.k=4", "--force", "s"]).contains("was"));
}

/// What stands beside a misspelt name is what there is, and a hint is never a riddle.
#[test]
fn a_name_that_is_not_there_is_answered_with_those_that_are() {
    let project = Project::with(ONE);
    let err = |args: &[&str]| {
        let ran = project.custem(args);
        assert_eq!(ran.code, 2, "{}", ran.err);
        ran.err
    };
    project.write("pipelines/first.toml", ONE);
    let none = "error: no pipeline is named, and none has been run here yet\nhint: give its path: there is `pipelines/first.toml`\n";
    assert_eq!(err(&["run"]), none);
    assert_eq!(
        err(&["run", "p.toml", "--until", "zzz"]),
        "error: there is no stage `zzz` in p.toml\nhint: its stages are `a`\n"
    );
    project.run(&[]);
    for command in ["why", "show"] {
        let text = err(&[command, "zzz"]);
        assert!(text.ends_with("had no stage `zzz`\nhint: the stages are `a`\n"), "{text}");
    }
    let kind = err(&["kinds", "zzz"]);
    assert_eq!(kind, "error: there is no kind `zzz`\nhint: `custem kinds` lists them all\n");
}

/// Colour is for terminals alone, and only where it is wanted.
#[test]
fn what_is_piped_has_no_colour_codes() {
    let project = Project::with(
        "[stages.a]\nkind = \"command\"\ncommand = [\"false\"]\n[stages.b]\nkind = \"segmnt\"\n",
    );
    for args in
        [&["check", "p.toml"][..], &["run", "p.toml"], &["kinds", "x"], &["--help"], &["run", "--help"]]
    {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_custem"));
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").current_dir(project.path("")).args(args);
        let output = command.output().unwrap();
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{args:?}");
    }
}

/// A stage that is needed for two of its ports is named once.
#[test]
fn a_plan_names_each_stage_once() {
    let two = format!(
        "{ONE}[stages.b]\nkind = \"command\"\ncommand = [\"true\"]\ninputs = {{ x = \"a\", y = \"a.metrics\" }}\n"
    );
    let project = Project::with(&two);
    project.run(&[]);
    project.write("p.toml", two.replace("\"hello\"", "\"hallo\""));
    let plan = project.custem(&["plan", "p.toml"]);
    assert_eq!(plan.code, 10, "{}", plan.err);
    let may = plan.out.lines().find(|line| line.starts_with("  may run")).unwrap_or_default();
    assert_eq!(may, "  may run    b   if `a` gives other bytes");
    let json: serde_json::Value =
        serde_json::from_str(&project.custem(&["plan", "p.toml", "--json"]).out).unwrap();
    assert_eq!(json["stages"][1]["because"], serde_json::json!(["a"]));
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_no_panic() {
    let project = Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"x\"]\n");
    project.run(&[]);
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let commands: [&[&str]; 11] = [
        &["kinds"],
        &["kinds", "segment"],
        &["graph", "p.toml"],
        &["plan", "p.toml"],
        &["check", "p.toml"],
        &["runs", "list"],
        &["runs", "show"],
        &["why", "a"],
        &["completions", "bash"],
        &["run", "p.toml", "--json"],
        &["run", "p.toml", "--json", "--force", "a"],
    ];
    for args in commands {
        let ran = binary().current_dir(project.path("")).args(args).stdout(full()).output().unwrap();
        let err = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{args:?}: {err}");
        assert!(err.starts_with("error: can't write to standard output: "), "{args:?}: {err}");
    }
    let ran = binary().current_dir(project.path("")).args(["run", "p.toml"]).stderr(full()).output().unwrap();
    assert_eq!(ran.status.code(), Some(0));
    let last = project.custem(&["runs", "list", "--json"]).out;
    assert!(!last.contains("unfinished"), "{last}");
}

#[test]
fn whoever_reads_only_the_beginning_is_no_failure() {
    let project = Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"x\"]\n");
    let shell = format!("{} run p.toml --json | true; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_custem"));
    let ran = std::process::Command::new("bash")
        .args(["-c", &shell])
        .current_dir(project.path(""))
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(project.run(&[]), ["a hit"]);
}

//! The pipeline language: every mistake is one message at its place, and all of them are told.

use crate::project::Project;

/// Checks a pipeline that is wrong and compares everything that is said.
pub fn says(pipeline: &str, expected: &str) {
    says_with(pipeline, &[], expected);
}

fn says_with(pipeline: &str, args: &[&str], expected: &str) {
    says_in(&Project::with(pipeline), args, expected);
}

fn says_in(project: &Project, args: &[&str], expected: &str) {
    let ran = project.custem(&[&["check", "p.toml"], args].concat());
    assert_eq!(ran.err, expected);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}

pub const ONE: &str = "[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\n";

#[test]
fn a_right_pipeline_is_right() {
    let ran = Project::with(ONE).custem(&["check", "p.toml"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "p.toml: 1 stage, no errors\n"));
}

#[test]
fn unknown_key() {
    says(
        "[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\ncomand = 1\n",
        "error: unknown key `comand` in stage `a`
 --> p.toml:4:1
  |
4 | comand = 1
  | ^^^^^^
  |
hint: did you mean `command`? `custem kinds command` lists all keys
1 error
",
    );
}

#[test]
fn missing_key() {
    says(
        "[stages.a]\nkind = \"command\"\n",
        "error: stage `a` lacks the key `command`
 --> p.toml:1:9
  |
1 | [stages.a]
  |         ^
  |
hint: add `command = ...`, a list; `custem kinds command` lists all keys
1 error
",
    );
}

#[test]
fn wrong_type() {
    says(
        "[stages.a]\nkind = \"simulate\"\ncustomers = \"many\"\n",
        "error: `a.customers` must be an integer, not text
 --> p.toml:3:13
  |
3 | customers = \"many\"
  |             ^^^^^^
  |
hint: its default is 20000; `custem kinds simulate` says what it does
1 error
",
    );
}

#[test]
fn out_of_range() {
    says(
        "[stages.a]\nkind = \"simulate\"\n[stages.f]\nkind = \"features\"\ninput = \"a\"\n[stages.s]\nkind = \"segment\"\ninput = \"f\"\nk = 1\n",
        "error: `s.k` must be between 2 and 1000, not 1
 --> p.toml:9:5
  |
9 | k = 1
  |     ^
  |
hint: its default is 5; `custem kinds segment` says what it does
1 error
",
    );
}

#[test]
fn unknown_kind() {
    says(
        "[stages.a]\nkind = \"segmnt\"\n",
        "error: there is no kind `segmnt`
 --> p.toml:2:8
  |
2 | kind = \"segmnt\"
  |        ^^^^^^^^
  |
hint: did you mean `segment`? `custem kinds` lists them all
1 error
",
    );
}

#[test]
fn unknown_table() {
    says(
        &format!("[pipelin]\nname = \"x\"\n{ONE}"),
        "error: unknown table `pipelin`
 --> p.toml:1:2
  |
1 | [pipelin]
  |  ^^^^^^^
  |
hint: did you mean `pipeline`?
1 error
",
    );
}

#[test]
fn unknown_stage_and_port() {
    says(
        &format!(
            "{ONE}[stages.b]\nkind = \"command\"\ncommand = [\"true\"]\ninputs = {{ x = \"aa\", y = \"a.stdot\" }}\n"
        ),
        "error: there is no stage `aa`
 --> p.toml:7:16
  |
7 | inputs = { x = \"aa\", y = \"a.stdot\" }
  |                ^^^^
  |
hint: did you mean `a`?
error: stage `a` has no port `stdot`
 --> p.toml:7:26
  |
7 | inputs = { x = \"aa\", y = \"a.stdot\" }
  |                          ^^^^^^^^^
  |
hint: did you mean `stdout`?
2 errors
",
    );
}

/// A stage with a mistake of its own still has its references looked at.
#[test]
fn references_of_a_wrong_stage() {
    says(
        &format!(
            "{ONE}[stages.f]\nkind = \"features\"\ninput = \"aa\"\ncuttoff = 1\n[stages.g]\nkind = \"features\"\ninput = \"f\"\n"
        ),
        "error: there is no stage `aa`
 --> p.toml:6:9
  |
6 | input = \"aa\"
  |         ^^^^
  |
hint: did you mean `a`?
error: unknown key `cuttoff` in stage `f`
 --> p.toml:7:1
  |
7 | cuttoff = 1
  | ^^^^^^^
  |
hint: did you mean `cutoff`? `custem kinds features` lists all keys
2 errors
",
    );
}

#[test]
fn port_of_the_wrong_type() {
    says(
        &format!("{ONE}[stages.b]\nkind = \"features\"\ninput = \"a\"\n"),
        "error: `b.input` takes a table, but `a.stdout` is a file
 --> p.toml:6:9
  |
6 | input = \"a\"
  |         ^^^
  |
hint: `a` gives `stdout` (file) and `metrics` (metrics): name another stage
1 error
",
    );
}

#[test]
fn a_cycle_is_printed_as_a_path() {
    says(
        "[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\ninputs = { x = \"b\" }\n[stages.b]\nkind = \"command\"\ncommand = [\"true\"]\ninputs = { x = \"a\" }\n",
        "error: stages form a cycle: a -> b -> a
 --> p.toml:4:16
  |
4 | inputs = { x = \"b\" }
  |                ^^^
  |
hint: take one of these inputs out
1 error
",
    );
}

#[test]
fn two_stages_that_save_to_one_path() {
    says(
        "[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\nsave = \"x\"\n[stages.b]\nkind = \"command\"\ncommand = [\"true\"]\nsave = \"./x\"\n",
        "error: `x` is already saved by stage `a`
 --> p.toml:8:8
  |
8 | save = \"./x\"
  |        ^^^^^
  |
hint: give each saved output its own path
1 error
",
    );
}

#[test]
fn an_empty_pipeline() {
    says(
        "[stages]\n",
        "error: this pipeline has no stages
 --> p.toml:1:2
  |
1 | [stages]
  |  ^^^^^^
  |
hint: add a table such as `[stages.transactions]` with `kind = \"simulate\"`; `custem kinds` lists all kinds
1 error
",
    );
}

#[test]
fn all_mistakes_of_a_file_are_told_in_its_order() {
    let text = "[stages.a]\nkind = \"simulate\"\ncustomers = 0\nstrat = 1\n[stages.b]\nkind = \"nothing\"\n";
    let ran = Project::with(text).custem(&["check", "p.toml"]);
    let errors: Vec<_> = ran.err.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(errors.len(), 3, "{}", ran.err);
    assert!(
        errors[0].contains("a.customers") && errors[1].contains("strat") && errors[2].contains("nothing")
    );
    assert!(ran.err.ends_with("3 errors\n"));
}

#[test]
fn text_that_is_no_toml() {
    let ran = Project::with("[stages.a\nkind = 1\n").custem(&["check", "p.toml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with("error: this isn't TOML: "), "{}", ran.err);
    assert!(ran.err.contains("--> p.toml:1:"), "{}", ran.err);
}

#[test]
fn set_is_typed_and_names_the_flag() {
    says_with(
        "[stages.a]\nkind = \"simulate\"\n",
        &["--set", "a.customers=none"],
        "error: `a.customers` must be an integer, not text
 --> --set:1:13
  |
1 | a.customers=none
  |             ^^^^
  |
hint: its default is 20000; `custem kinds simulate` says what it does
1 error
",
    );
}

#[test]
fn set_on_a_stage_that_is_not_there() {
    says_with(
        ONE,
        &["--set", "b.k=1"],
        "error: there is no stage `b`
 --> --set:1:1
  |
1 | b.k=1
  | ^^^
  |
hint: did you mean `a`?
1 error
",
    );
}

#[test]
fn files_that_extend_each_other() {
    let project = Project::with("extends = \"q.toml\"\n");
    project.write("q.toml", "extends = \"p.toml\"\n");
    let ran = project.custem(&["check", "p.toml"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.starts_with(
            "error: files extend each other: `p.toml` -> `q.toml` -> `p.toml`\n --> q.toml:1:11"
        ),
        "{}",
        ran.err
    );
}

#[test]
fn a_layer_on_top_changes_one_value_and_mistakes_name_the_right_file() {
    let project = Project::with("extends = \"base/b.toml\"\n[stages.a]\nenv = { X = \"2\" }\n");
    project.write(
        "base/b.toml",
        "[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"echo $X\"]\nenv = { X = \"1\" }\n",
    );
    assert_eq!(project.run(&[]), ["a ran"]);
    assert_eq!(project.custem(&["show", "a"]).out, "2\n");
    project.write("base/b.toml", "[stages.a]\nkind = \"command\"\ncommand = 3\n");
    assert!(project.custem(&["check", "p.toml"]).err.contains("--> base/b.toml:3:11"));
}

#[test]
fn a_pipeline_that_is_not_there_or_no_file() {
    let project = Project::new();
    assert!(project.custem(&["run", "no.toml"]).err.starts_with("error: there is no file `no.toml`\n"));
    let folder = project.custem(&["run", "."]);
    assert_eq!(folder.code, 2);
    assert!(folder.err.starts_with("error: `.` is a folder, not a pipeline file\n"), "{}", folder.err);
    project.write("latin.toml", b"# caf\xe9\n");
    assert!(project.custem(&["check", "latin.toml"]).err.starts_with("error: this isn't UTF-8 text: "));
}

#[test]
fn problems_as_json() {
    let ran = Project::with("[stages.a]\nkind = \"x\"\n").custem(&["check", "p.toml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &json["ok"]), (2, &false.into()));
    let problem = &json["problems"][0];
    assert_eq!(
        (&problem["file"], &problem["line"], &problem["column"]),
        (&"p.toml".into(), &2.into(), &8.into())
    );
}

/// The messages and hints that `check` gives, a pair a line.
pub fn told(project: &Project, args: &[&str]) -> Vec<String> {
    let ran = project.custem(&[&["check", "p.toml", "--json"], args].concat());
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let one = |problem: &serde_json::Value| {
        let text = |key: &str| problem[key].as_str().unwrap_or("no hint").to_owned();
        format!("{}:{} {}; {}", problem["line"], problem["column"], text("message"), text("hint"))
    };
    json["problems"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn a_stage_with_a_mistake_does_not_hide_those_of_stages_that_refer_to_it() {
    says(
        "[stages.s]
kind = \"simulate\"
[stages.b]
kind = \"features\"
input = \"s\"
cuttoff = 1
[stages.d]
kind = \"profile\"
features = \"b.nothing\"
segments = \"b.metrics\"
",
        "error: unknown key `cuttoff` in stage `b`
 --> p.toml:6:1
  |
6 | cuttoff = 1
  | ^^^^^^^
  |
hint: did you mean `cutoff`? `custem kinds features` lists all keys
error: stage `b` has no port `nothing`
 --> p.toml:9:12
  |
9 | features = \"b.nothing\"
  |            ^^^^^^^^^^^
  |
hint: it has `features` and `metrics`
error: `d.segments` takes a table, but `b.metrics` is metrics
  --> p.toml:10:12
   |
10 | segments = \"b.metrics\"
   |            ^^^^^^^^^^^
   |
hint: `b` also gives `b.features`
3 errors
",
    );
}

/// What a program gives follows from `outputs`: where that is wrong, nobody knows its ports.
#[test]
fn ports_that_follow_from_a_wrong_parameter_are_not_guessed() {
    let after =
        "[stages.b]\nkind = \"command\"\ncommand = [\"true\"]\ninputs = { x = \"a.note\", y = \"c\" }\n";
    for (wrong, line) in [("outputs = { note = 1 }", "4:20"), ("output = { note = \"n.txt\" }", "4:1")] {
        let found = told(&Project::with(&format!("{ONE}{wrong}\n{after}")), &[]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with(line), "{found:?}");
        assert!(found[1].contains("there is no stage `c`"), "{found:?}");
    }
    // Another mistake leaves them known.
    let found = told(&Project::with(&format!("{ONE}files = 3\n{after}")), &[]);
    assert_eq!(found[1], "8:16 stage `a` has no port `note`; it has `stdout` and `metrics`");
}

#[test]
fn every_cycle_is_told_even_beside_other_mistakes() {
    let stage = |name: &str, input: &str| {
        format!("[stages.{name}]\nkind = \"command\"\ncommand = [\"true\"]\ninputs = {{ x = \"{input}\" }}\n")
    };
    let stages = [("a", "b"), ("b", "a"), ("c", "e"), ("d", "c"), ("e", "d"), ("f", "f"), ("g", "a")];
    let text: String = stages.iter().map(|(name, input)| stage(name, input)).collect();
    let cycle =
        |line: &str, path: &str| format!("{line} stages form a cycle: {path}; take one of these inputs out");
    assert_eq!(
        told(&Project::with(&format!("{text}comand = 1\n")), &[]),
        [
            cycle("4:16", "a -> b -> a"),
            cycle("12:16", "c -> d -> e -> c"),
            cycle("24:16", "f -> f"),
            "29:1 unknown key `comand` in stage `g`; did you mean `command`? `custem kinds command` lists all keys"
                .to_owned(),
        ]
    );
}

#[test]
fn every_flag_that_is_wrong_is_told_beside_the_mistakes_of_the_file() {
    let pipeline =
        "[stages.t]\nkind = \"simulate\"\ncustomers = 0\n[stages.s]\nkind = \"features\"\ninput = \"t\"\n";
    let flags = ["--set", "s.cutoff=5", "--set", "u.k=1", "--set", "t.startt=2024-01-01", "--set", "seed"];
    assert_eq!(
        told(&Project::with(pipeline), &flags),
        [
            "3:13 `t.customers` must be between 1 and 50000000, not 0; its default is 20000; `custem kinds simulate` says what it does",
            "1:10 `s.cutoff` must be a date such as 2025-12-28 (without quotes), not an integer; `custem kinds features` says what it does",
            "1:1 there is no stage `u`; did you mean `s`?",
            "1:1 unknown key `startt` in stage `t`; did you mean `start`? `custem kinds simulate` lists all keys",
            "1:1 `--set seed` has no `=`; write `--set STAGE.parameter=value`, such as `--set segments.k=6`",
        ]
    );
}

/// A value of the wrong type that is only spelled wrongly is spelled out.
#[test]
fn a_value_that_is_only_spelled_wrongly_is_spelled_out() {
    let pipeline = |line: &str| {
        format!("[stages.t]\nkind = \"simulate\"\n{line}\n[stages.s]\nkind = \"segment\"\ninput = \"t\"\n")
    };
    let hint = |line: &str, args: &[&str]| {
        let found = told(&Project::with(&pipeline(line)), args);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].split_once("; ").unwrap().1.to_owned()
    };
    for (line, wanted) in [
        ("customers = \"10\"", "take the quotes away: `customers = 10`"),
        ("start = \"2024-01-01\"", "take the quotes away: `start = 2024-01-01`"),
        ("end = 2024-12-28T10:00:00", "leave the time away: `end = 2024-12-28`"),
        ("seed = 3.0", "leave the fraction away: `seed = 3`"),
        ("customers = [10]", "take the brackets away: `customers = 10`"),
        ("growth = \"fast\"", "its default is 0.04; `custem kinds simulate` says what it does"),
        ("start = 2026-01-01", "exchange them, or choose a later `end`"),
    ] {
        assert_eq!(hint(line, &[]), wanted);
    }
    for (flag, wanted) in [
        ("s.features=frequency", "put it in brackets: `--set 's.features=[\"frequency\"]'`"),
        ("t.customers=\"10\"", "take the quotes away: `--set t.customers=10`"),
        ("t.ids=uid", "did you mean `uuid`?"),
    ] {
        assert_eq!(hint("", &["--set", flag]), wanted);
    }
    let report = "[stages.r]\nkind = \"report\"\nfeatures = \"t\"\n";
    let found = told(&Project::with(&format!("{}{report}", pipeline(""))), &["--set", "r.title=5"]);
    assert_eq!(
        found,
        ["1:9 `r.title` must be text, not an integer; put it in quotes: `--set 'r.title=\"5\"'`"]
    );
}

#[test]
fn a_list_that_is_too_short_and_a_placeholder_that_stands_for_nothing() {
    assert_eq!(
        told(&Project::with("[stages.a]\nkind = \"command\"\ncommand = []\n"), &[]),
        ["3:11 `a.command` must have at least 1 item; `custem kinds command` says what it does"]
    );
    let with = |inputs: &str| {
        let text = format!(
            "{ONE}[stages.b]\nkind = \"command\"\ncommand = [\"cat\", \"{{inputs.rows}}\"]\n{inputs}"
        );
        told(&Project::with(&text), &[])
    };
    let message = "6:19 `{inputs.rows}` names nothing that is declared";
    assert_eq!(with(""), [format!("{message}; declare it: `inputs = {{ rows = \"...\" }}`")]);
    assert_eq!(with("inputs = { row = \"a\" }\n"), [format!("{message}; did you mean `{{inputs.row}}`?")]);
    assert_eq!(with("inputs = { model = \"a\" }\n"), [format!("{message}; `inputs` declares `model`")]);
}

#[test]
fn what_stands_at_the_top_is_told_from_what_should() {
    let check = |text: &str| told(&Project::with(text), &[]);
    assert_eq!(check("extend = \"base.toml\"\n"), ["1:1 unknown key `extend`; did you mean `extends`?"]);
    assert_eq!(
        check("[stage.a]\nkind = \"command\"\n"),
        ["1:2 unknown table `stage`; did you mean `stages`?"]
    );
    assert_eq!(
        check(&format!("title = 1\n{ONE}")),
        [
            "1:1 unknown key `title`; a pipeline has the tables `pipeline`, `resources`, `stages`, `sweep`, `remote` and `track`, and the key `extends`"
        ]
    );
    let single = "write `[stages.NAME]`, in single brackets, for each stage";
    assert_eq!(check("stages = 5\n"), [format!("1:1 `stages` must be a table, not an integer; {single}")]);
    assert_eq!(
        check("[[stages]]\nkind = \"command\"\n"),
        [format!("1:3 `stages` must be a table, not a list; {single}")]
    );
    assert_eq!(
        check("extends = \"nope.toml\"\n"),
        [
            "1:11 there is no file `nope.toml`; a path in `extends` starts at the folder of the file that names it"
        ]
    );
}

#[test]
fn mistakes_in_toml_say_how_it_is_written() {
    let hint = |line: &str| {
        let found = told(&Project::with(&format!("{ONE}{line}\n")), &[]);
        assert!(found[0].starts_with("4:") && found[0].contains(" this isn't TOML: "), "{found:?}");
        found[0].split_once("; ").unwrap().1.to_owned()
    };
    for (line, wanted) in [
        (
            "save = data.txt",
            "put text in quotes, as in `key = \"text\"`, and commas between the items of a list",
        ),
        ("env = { A = TRUE }", "write `true` or `false`, or put text in quotes"),
        ("start = 2024-13-01", "a date is written as 2025-12-28, and must be one of the calendar"),
        (
            "save = \"data",
            "text stands between two `\"` on one line; within, `\\\"` is a quote and `\\\\` a backslash",
        ),
        ("[stages.b", "a table's name stands in brackets on a line of its own: `[stages.segments]`"),
        ("files = [\"a\" \"b\"]", "a list stands in brackets, with commas: `[1, 2, 3]`"),
        ("env = { A = \"1\"", "a table on one line stands in braces, with commas: `{ a = 1, b = 2 }`"),
        ("command = 3", "each key stands once in a table, and each table once in a file"),
        ("seed = 007", "a number is written as 1000, 1_000 or 0.5; a date as 2025-12-28"),
        (
            "save",
            "a line is `key = value`, with text in quotes, lists in `[ ]` and dates bare: https://toml.io",
        ),
    ] {
        assert_eq!(hint(line), wanted, "{line}");
    }
}

#[test]
fn a_long_value_is_cut_in_the_headline() {
    let long = "x".repeat(5_000);
    let found = told(
        &Project::with(&format!(
            "[stages.a]\nkind = \"{long}\"\n[stages.b]\nkind = \"simulate\"\nids = \"{long}\"\n{long} = 1\n"
        )),
        &[],
    );
    assert_eq!(found.len(), 3);
    for message in found {
        assert!(message.contains(&format!("`{}…`", "x".repeat(60))) && message.len() < 300, "{message}");
    }
}

//! The pipeline language: every mistake is one message at its place, and all of them are told.

use crate::project::Project;

/// Checks a pipeline that is wrong and compares everything that is said.
fn says(pipeline: &str, expected: &str) {
    says_with(pipeline, &[], expected);
}

fn says_with(pipeline: &str, args: &[&str], expected: &str) {
    let ran = Project::with(pipeline).custem(&[&["check", "p.toml"], args].concat());
    assert_eq!(ran.err, expected);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}

const ONE: &str = "[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\n";

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
    assert!(project.custem(&["check", "latin.toml"]).err.starts_with("error: `latin.toml` isn't UTF-8 text"));
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

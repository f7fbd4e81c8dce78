//! Mistakes that name the flag, the very place, and what to write instead.

use crate::project::Project;

/// Everything that is wrong, a line each: place, message, hint.
fn told(project: &Project, args: &[&str]) -> Vec<String> {
    let ran = project.custem(&[&["check", "p.toml", "--json"], args].concat());
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    let one = |problem: &serde_json::Value| {
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        format!(
            "{}:{}:{} {}; {}",
            text("file"),
            problem["line"],
            problem["column"],
            text("message"),
            text("hint")
        )
    };
    json["problems"].as_array().into_iter().flatten().map(one).collect()
}

fn wrong(pipeline: &str, args: &[&str]) -> Vec<String> {
    told(&Project::with(pipeline), args)
}

const CHECKED: &str = r#"[stages.t]
kind = "simulate"
customers = 30

[stages.q]
kind = "check"
input = "t"
rules = [{ column = "amount", min = 0.01 }, { column = "channel", missing = 0.5 }]
"#;

#[test]
fn an_item_of_a_list_given_with_a_flag_has_its_caret_under_it() {
    let churn = format!("{CHECKED}[stages.churn]\nkind = \"churn\"\ninput = \"q\"\n");
    let ran = Project::with(&churn).custem(&["check", "p.toml", "--set", "churn.models=[\"logistc\"]"]);
    assert_eq!(
        ran.err,
        "error: `churn.models.0` must be `logistic` or `boosted`, not `logistc`
 --> --set:1:15
  |
1 | churn.models=[\"logistc\"]
  |               ^^^^^^^^^
  |
hint: did you mean `logistic`?
1 error
"
    );
    let flag = "q.rules=[{ column = \"amount\", mn = 1 }]";
    assert_eq!(
        wrong(CHECKED, &["--set", flag]),
        [
            "--set:1:31 unknown key `mn` in `q.rules.0`; did you mean `min`? `custem kinds check` lists all keys"
        ]
    );
}

#[test]
fn a_flag_for_an_item_that_is_not_there_says_how_many_there_are() {
    let items = "its items are `q.rules.0` to `q.rules.1`; for another one, give the list as a whole";
    for step in ["9", "min"] {
        assert_eq!(
            wrong(CHECKED, &["--set", &format!("q.rules.{step}.min=3")]),
            [format!("--set:1:1 `q.rules` has 2 items, and no `{step}`; {items}")]
        );
    }
    assert_eq!(
        wrong(CHECKED, &["--set", "t.customers.x=3"]),
        ["--set:1:1 `t.customers` is an integer, so there is no `x` in it; give `t.customers` as a whole"]
    );
    assert!(wrong(CHECKED, &["--set", "q.rules.1.missing=0.5"]).is_empty());
}

#[test]
fn a_kind_given_by_a_flag_is_named_where_its_keys_do_not_fit() {
    let why = "`custem kinds read` lists all keys; the kind was given by `--set t.kind=read`";
    assert_eq!(
        wrong("[stages.t]\nkind = \"simulate\"\ncustomers = 30\n", &["--set", "t.kind=read"]),
        [
            format!("p.toml:1:9 stage `t` lacks the key `path`; add `path = ...`, text or a list; {why}"),
            format!("p.toml:3:1 unknown key `customers` in stage `t`; {why}"),
        ]
    );
}

#[test]
fn a_byte_that_is_no_text_is_shown_where_it_stands() {
    let project = Project::new();
    for mark in ["", "\u{feff}"] {
        project.write("p.toml", [mark.as_bytes(), b"[pipeline]\nname = \"caf\xe9\"\n"].concat());
        assert_eq!(
            project.custem(&["check", "p.toml"]).err,
            "error: this isn't UTF-8 text: the byte 0xE9 belongs to no character
 --> p.toml:2:12
  |
2 | name = \"caf\u{fffd}\"
  |            ^
  |
hint: save the file as UTF-8
1 error
"
        );
    }
    project.write("q.toml", "extends = \"p.toml\"\n");
    assert!(project.custem(&["check", "q.toml"]).err.contains("\n --> p.toml:2:12\n"));
}

#[test]
fn an_integer_that_is_too_large_hides_no_other_mistake() {
    let text =
        "[stages.t]\nkind = \"simulate\"\ncustomers = 99_999_999_999_999_999_999\nstrat = 2024-01-01\n";
    let large = "this integer does not fit into 64 bits; integers go up to 9223372036854775807";
    assert_eq!(
        wrong(text, &["--set", "t.growth=99999999999999999999"]),
        [
            format!("p.toml:3:13 {large}"),
            "p.toml:4:1 unknown key `strat` in stage `t`; did you mean `start`? `custem kinds simulate` lists all keys".to_owned(),
            format!("--set:1:10 {large}"),
        ]
    );
}

#[test]
fn every_placeholder_that_stands_for_nothing_is_told() {
    let text = "[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"echo {inputs.zz} {outputs.q} {files.x} {inputs.zz}\"]\n";
    let named =
        |what: &str, hint: &str| format!("p.toml:3:24 `{{{what}}}` names nothing that is declared; {hint}");
    assert_eq!(
        wrong(text, &[]),
        [
            named("inputs.zz", "declare it: `inputs = { zz = \"...\" }`"),
            named("outputs.q", "declare it: `outputs = { q = \"...\" }`"),
            named("files.x", "files stand in the stage's folder under their own paths: write the path"),
        ]
    );
}

#[test]
fn a_mistake_between_parameters_is_told_beside_one_of_a_key() {
    let rules = "rules = [{ column = \"amount\", min = 2, max = 1 }]";
    let text = CHECKED.lines().filter(|line| !line.starts_with("rules")).collect::<Vec<_>>().join("\n");
    let told = wrong(&format!("{text}\non_eror = \"warn\"\n{rules}\n"), &[]);
    assert_eq!(
        told,
        [
            "p.toml:8:1 unknown key `on_eror` in stage `q`; did you mean `on_error`? `custem kinds check` lists all keys",
            "p.toml:9:46 rule 1 (`rules.0`): `min` 2 is above `max` 1; exchange them"
        ]
    );
    // One that rests on the key that is wrong may be none.
    let series = "[stages.s]\nkind = \"series\"\ninput = \"t\"\nsegmnts = \"t\"\nprofile = \"t\"\n";
    let told = wrong(&format!("{CHECKED}{series}"), &[]);
    assert!(told.iter().all(|line| !line.contains("only names segments")), "{told:?}");
}

#[test]
fn what_is_to_be_written_instead_is_right() {
    let hint = |text: &str| {
        let found = wrong(text, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].split_once("; ").unwrap().1.to_owned()
    };
    let command = |line: &str| hint(&format!("[stages.a]\nkind = \"command\"\ncommand = {line}\n"));
    assert_eq!(command("\"echo hi\""), "put its words in brackets: `command = [\"echo\", \"hi\"]`");
    assert_eq!(
        command("\"wc -l < x\""),
        "put its words in brackets: `command = [\"sh\", \"-c\", \"wc -l < x\"]`"
    );
    let swept = |axes: &str| {
        hint(&format!(
            "[stages.t]\nkind = \"simulate\"\n[stages.f]\nkind = \"features\"\ninput = \"t\"\n[stages.s]\nkind = \"segment\"\ninput = \"f\"\n[sweep]\naxes = {axes}\nobjective = \"s.silhouette\"\n"
        ))
    };
    assert_eq!(swept("{ \"s.k\" = 3 }"), "put it in brackets: `\"s.k\" = [3]`");
    assert_eq!(swept("{}"), "give each parameter its values: `axes = { \"segments.k\" = [3, 4, 5] }`");
    assert_eq!(
        hint("[pipeline]\nextends = \"base.toml\"\n[stages.t]\nkind = \"simulate\"\n"),
        "`extends` stands at the top of the file, before the first table"
    );
}

#[test]
fn the_file_below_is_called_by_its_shortest_name() {
    let project = Project::with("extends = \"sub/up.toml\"\n");
    project.write("sub/up.toml", "extends = \"../base.toml\"\n");
    project.write("base.toml", "[stages.a]\nkind = \"x\"\n");
    let told = told(&project, &[]);
    assert_eq!(told, ["base.toml:2:8 there is no kind `x`; `custem kinds` lists them all"]);
}

/// What a run says of the stage that fails: message, place, hint.
fn failed(project: &Project, args: &[&str]) -> String {
    let ran = project.custem(&[&["run", "p.toml"], args].concat());
    assert_eq!(ran.code, 1, "{}", ran.err);
    let kept = |line: &&str| {
        ["error: ", " --> ", "hint: "].iter().any(|start| line.trim_start().starts_with(start.trim_start()))
    };
    ran.err.lines().filter(kept).map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_column_that_a_key_names_is_told_at_the_key() {
    let project = Project::with(
        "[stages.t]\nkind = \"simulate\"\ncustomers = 30\n[stages.f]\nkind = \"features\"\ninput = \"t\"\n",
    );
    let numbers = "`amount`";
    let features = |flag: &str, place: &str, what: &str, hint: &str| {
        assert_eq!(
            failed(&project, &["--set", flag]),
            format!("error: stage `f` failed: {what}\n--> --set:1:{place}\nhint: {hint}")
        );
    };
    let rest = "or rename it with `columns` of a `read` stage";
    features(
        "f.amount=txn_timestamp",
        "10",
        "column `txn_timestamp` is a timestamp, not a number",
        &format!("say with `amount` that it is {numbers}, {rest}"),
    );
    features(
        "f.time=amount",
        "8",
        "column `amount` is a number, not a date or timestamp",
        &format!("say with `time` that it is `txn_timestamp`, {rest}"),
    );
    features(
        "f.flags=[\"channel\"]",
        "10",
        "column `channel` is text, not a number",
        &format!("say with `flags` that it is `is_local`, {rest}"),
    );
}

#[test]
fn a_forecast_of_a_column_that_is_not_there_is_told_at_the_key() {
    let project = Project::with(
        "[stages.t]\nkind = \"simulate\"\ncustomers = 30\n[stages.s]\nkind = \"series\"\ninput = \"t\"\n[stages.f]\nkind = \"forecast\"\ninput = \"s\"\n",
    );
    let told = failed(&project, &["--set", "f.target=nope"]);
    let start = "error: stage `f` failed: there is no column `nope`\n--> --set:1:10\nhint: say with `target` which of `revenue`";
    assert!(told.starts_with(start), "{told}");
    let told = failed(&project, &["--set", "f.input=t"]);
    assert_eq!(
        told,
        "error: stage `f` failed: there is no column `series`\n--> --set:1:9\nhint: a forecast is made from what a `series` stage gives, or a table like it"
    );
}

#[test]
fn a_file_of_the_examples_that_was_not_fetched_is_told_how_to_get() {
    let project = Project::with("[stages.r]\nkind = \"read\"\npath = \"data/raw/cdnow.csv\"\n");
    let told = |hint: &str| {
        format!(
            "error: stage `r` failed: there is no file `data/raw/cdnow.csv`\n--> p.toml:3:8\nhint: {hint}paths start at the project root, which is the current folder or `--root`"
        )
    };
    assert_eq!(failed(&project, &[]), told(""));
    project.write("data/fetch", "#!/bin/sh\n");
    assert_eq!(failed(&project, &[]), told("`data/fetch` brings the files of the examples; "));
}

#[test]
fn a_disk_without_room_is_told_of_a_table_too() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let project = Project::with("[stages.t]\nkind = \"simulate\"\ncustomers = 30\n");
    project.run(&[]);
    let mut command = crate::project::binary();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output =
        command.current_dir(project.path("")).args(["show", "t", "--csv"]).stdout(full).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let hint = "hint: make room on the disk and run again: everything finished is kept\n";
    assert_eq!(err, format!("error: No space left on device (os error 28)\n{hint}"));
}

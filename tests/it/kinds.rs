//! What every kind in the registry promises: docs, defaults, messages about keys, and its outputs.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::golden::{Fresh, fresh, kinds};
use crate::project::{Project, repository, text};

fn name(kind: &Json) -> &str {
    text(kind, "kind")
}

fn list<'a>(kind: &'a Json, of: &str) -> &'a [Json] {
    kind[of].as_array().unwrap()
}

/// A stage of a kind with some lines, checked; `sql` is refused as a whole where it isn't built in.
fn checked(kind: &str, lines: &str) -> (i32, Vec<Json>) {
    let project = Project::with(&format!("[pipeline]\nseed = 1\n\n[stages.it]\nkind = \"{kind}\"\n{lines}"));
    let ran = project.custem(&["check", "p.toml", "--json"]);
    let told: Json = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}{}", ran.out, ran.err));
    (ran.code, told["problems"].as_array().unwrap().clone())
}

#[test]
fn kinds_parameters_and_outputs_say_what_they_are() {
    let kinds = kinds();
    assert!(kinds.len() >= 14);
    for kind in &kinds {
        assert!(text(kind, "doc").len() > 20, "{} has no doc", name(kind));
        let parts = list(kind, "parameters").iter().chain(list(kind, "outputs"));
        for part in parts {
            assert!(text(part, "doc").ends_with('.'), "{}.{}: {}", name(kind), part["name"], part["doc"]);
        }
        let names: Vec<_> = list(kind, "outputs").iter().map(|port| text(port, "name")).collect();
        assert!(names.len() >= 2 && names.last() == Some(&"metrics"), "{}: {names:?}", name(kind));
    }
}

#[test]
fn the_listing_of_a_kind_shows_all_of_it() {
    for kind in kinds() {
        let shown = Project::new().custem(&["kinds", name(&kind)]);
        assert_eq!(shown.code, 0, "{}", shown.err);
        assert!(shown.out.starts_with(&format!(
            "kind = \"{}\" (version {})\n",
            name(&kind),
            kind["version"]
        )));
        assert!(!shown.out.contains("private_datetime") && !shown.out.contains("= null"), "{}", shown.out);
        for part in list(&kind, "parameters") {
            assert!(shown.out.contains(&format!("\n  {} = ", text(part, "name"))), "{part}\n{}", shown.out);
        }
        for part in list(&kind, "outputs") {
            let line = format!("\n  {}   {}\n", text(part, "name"), text(part, "type"));
            assert!(shown.out.contains(&line), "{part}\n{}", shown.out);
        }
    }
}

#[test]
fn a_date_is_listed_as_one_would_write_it() {
    let shown = Project::new().custem(&["kinds", "simulate"]).out;
    assert!(
        shown.contains("\n  start = 2023-01-02   a date such as 2025-12-28 (without quotes)\n"),
        "{shown}"
    );
    assert!(shown.contains("\n  prices = { beauty = 0.8, "), "{shown}");
    let kinds = kinds();
    let simulate = kinds.iter().find(|kind| name(kind) == "simulate").unwrap();
    let end = list(simulate, "parameters").iter().find(|part| text(part, "name") == "end").unwrap();
    assert_eq!(end["default"], "2025-12-28");
}

/// A default as a line of a pipeline.
fn spelled(parameter: &Json) -> Option<String> {
    let default = &parameter["default"];
    let value = match default {
        Json::Null => return None,
        Json::String(date) if text(parameter, "type").starts_with("a date") => date.clone(),
        other => toml::Value::try_from(other).unwrap().to_string(),
    };
    Some(format!("{} = {value}\n", text(parameter, "name")))
}

#[test]
fn defaults_pass_their_own_checks() {
    for kind in kinds() {
        let optional = list(&kind, "parameters").iter().filter(|part| part["required"] == false);
        let lines: String = optional.filter_map(spelled).collect();
        // Without these lines and with them: the same is missing and nothing else is wrong.
        assert_eq!(messages(name(&kind), &lines), messages(name(&kind), ""), "{lines}");
    }
}

fn messages(kind: &str, lines: &str) -> Vec<String> {
    checked(kind, lines).1.iter().map(|problem| text(problem, "message").to_owned()).collect()
}

#[test]
fn an_empty_stage_is_told_each_key_it_lacks_at_its_line() {
    for kind in kinds() {
        let required: Vec<_> =
            list(&kind, "parameters").iter().filter(|part| part["required"] == true).collect();
        let (code, problems) = checked(name(&kind), "");
        for part in &required {
            let message = format!("stage `it` lacks the key `{}`", text(part, "name"));
            let told = problems.iter().find(|problem| text(problem, "message") == message);
            let told = told.unwrap_or_else(|| panic!("{}: {message} isn't among {problems:?}", name(&kind)));
            assert_eq!((&told["line"], &told["column"]), (&4.into(), &9.into()));
            assert!(text(told, "hint").contains(&format!("`custem kinds {}` lists all keys", name(&kind))));
        }
        assert_eq!(code, if problems.is_empty() { 0 } else { 2 }, "{}", name(&kind));
        let sources = ["simulate", "report"];
        assert!(!required.is_empty() || sources.contains(&name(&kind)), "{} needs nothing", name(&kind));
    }
}

#[test]
fn a_misspelt_key_gets_the_right_one_suggested() {
    for kind in kinds() {
        let long: Vec<_> = list(&kind, "parameters")
            .iter()
            .map(|part| text(part, "name"))
            .filter(|name| name.len() > 3)
            .collect();
        assert!(!long.is_empty());
        let lines: String = long.iter().map(|name| format!("{name}q = 1\n")).collect();
        let (code, problems) = checked(name(&kind), &lines);
        assert_eq!(code, 2);
        for (at, key) in long.iter().enumerate() {
            let message = format!("unknown key `{key}q` in stage `it`");
            let told = problems.iter().find(|problem| text(problem, "message") == message);
            let told = told.unwrap_or_else(|| panic!("{message} isn't among {problems:?}"));
            assert_eq!(told["line"], at + 6);
            assert!(text(told, "hint").starts_with(&format!("did you mean `{key}`?")), "{told}");
        }
    }
}

#[test]
fn outputs_are_there_and_of_the_type_that_is_declared() {
    let Fresh { given, objects, .. } = fresh();
    for kind in kinds().iter().filter(|kind| cfg!(feature = "sql") || name(kind) != "sql") {
        let declared: BTreeMap<String, String> = list(kind, "outputs")
            .iter()
            .map(|port| (text(port, "name").to_owned(), text(port, "type").to_owned()))
            .collect();
        for (stage, given) in &given[name(kind)] {
            // A command's outputs follow from its parameters.
            assert!(
                given.types == declared || name(kind) == "command",
                "{stage}: {:?} {declared:?}",
                given.types
            );
            assert_eq!(given.types.keys().collect::<Vec<_>>(), given.outputs.keys().collect::<Vec<_>>());
            for (port, ty) in &given.types {
                let digest = &given.outputs[port];
                assert!(is_of_type(&objects[digest], ty), "{stage}.{port} is no {ty}");
            }
        }
    }
}

#[test]
fn metrics_are_among_those_that_are_declared() {
    let Fresh { given, .. } = fresh();
    for kind in kinds().iter().filter(|kind| cfg!(feature = "sql") || name(kind) != "sql") {
        let declared: Vec<_> = list(kind, "metrics").iter().map(|metric| text(metric, "name")).collect();
        for metric in list(kind, "metrics") {
            assert!(text(metric, "doc").ends_with('.'), "{}: {metric}", name(kind));
        }
        let gave: Vec<_> = given[name(kind)].values().flat_map(|given| &given.metrics).collect();
        for metric in &gave {
            assert!(declared.contains(&metric.as_str()), "{} gave the metric `{metric}`", name(kind));
        }
        // What is declared and never seen is a wrong name, or a stage is missing in the golden pipeline.
        for metric in declared {
            assert!(gave.iter().any(|seen| *seen == metric), "{}: nothing gave `{metric}`", name(kind));
        }
    }
}

/// What stands inside of tables is explained below them.
#[test]
fn nested_keys_are_listed_below_their_parameter() {
    let shown = |kind: &str| Project::new().custem(&["kinds", kind]).out;
    let check = shown("check");
    assert!(
        check.contains(
            "
  rules = []   a list
      The rules; without any, a table of transactions must have rows, ids, timestamps and finite amounts."
        ) || check.contains("\n  rules = []   a list\n"),
        "{check}"
    );
    for lines in [
        "      missing = ...   a number, between 0 and 1\n          Largest share of missing values; in numbers, NaN and infinity are missing too.\n",
        "      severity = \"error\"   `error`, `warn` or `info`\n          What it means when the rule is broken.\n",
        "          max_gap_days = ...   an integer, ",
        "      mostly = 1.0   a number, between 0 and 1\n",
    ] {
        assert!(check.contains(lines), "{lines}\n{check}");
    }
    let segment = shown("segment");
    assert!(
        segment.contains("      from = 2   an integer, between 2 and 1000\n          The smallest `k`.\n"),
        "{segment}"
    );
    let simulate = shown("simulate");
    assert!(simulate.contains("\n  personas = [ … ]   a list\n"), "{simulate}");
    assert!(simulate.contains("\n      share = "), "{simulate}");
    assert!(simulate.contains("\n  `custem kinds simulate --json` has the defaults in full\n"), "{simulate}");
    assert!(simulate.lines().all(|line| line.chars().count() <= 130), "{simulate}");
    // Texts are set to the width that there is, not as the source has them.
    let at = |columns: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_custem"));
        let shown = command.args(["kinds", "churn"]).env("COLUMNS", columns).output().unwrap();
        String::from_utf8(shown.stdout).unwrap()
    };
    for (columns, most) in [("60", 60), ("80", 80), ("", 100)] {
        let text = at(columns);
        let docs = text.lines().filter(|line| !line.contains(" = ") && !line.contains("https:"));
        let longest = docs.map(|line| line.chars().count()).max().unwrap();
        assert!((most - 12..=most).contains(&longest), "{longest} of {most}\n{text}");
    }
    let json = kinds();
    let rules = json.iter().find(|kind| name(kind) == "check").map(|kind| list(kind, "parameters")).unwrap();
    let rules = rules.iter().find(|part| text(part, "name") == "rules").unwrap();
    let severity = list(rules, "keys").iter().find(|key| text(key, "name") == "severity").unwrap();
    assert_eq!((text(severity, "type"), &severity["choices"][1]), ("text", &"warn".into()));
}

#[test]
fn only_kinds_with_chance_in_them_list_a_seed() {
    for kind in kinds() {
        let listed = list(&kind, "parameters").iter().any(|part| text(part, "name") == "seed");
        assert_eq!(kind["seeded"], listed, "{}", name(&kind));
        // One that is given anyway does nothing, as before.
        let (_, problems) = checked(name(&kind), "seed = 3\n");
        assert!(!problems.iter().any(|problem| text(problem, "message").contains("seed")), "{problems:?}");
    }
}

#[test]
fn the_listing_names_the_metrics() {
    let churn = Project::new().custem(&["kinds", "churn"]).out;
    let lines = "
metrics, numbers on the port `metrics`
  customers           How many customers are scored.
";
    assert!(churn.contains(lines), "{churn}");
    assert!(churn.contains("\n  log_loss.boosted    The same of this model.\n"), "{churn}");
    assert!(!Project::new().custem(&["kinds", "command"]).out.contains("\nmetrics, numbers"));
}

#[test]
fn the_page_of_kinds_is_what_the_registry_says() {
    let page = Project::new().custem(&["kinds", "--markdown"]);
    assert_eq!((page.code, page.err.as_str()), (0, ""));
    let written = std::fs::read_to_string(repository().join("docs/kinds.md")).unwrap_or_default();
    assert!(
        written == page.out,
        "docs/kinds.md is not up to date; make it anew: cargo run -- kinds --markdown > docs/kinds.md"
    );
    for kind in kinds() {
        assert!(written.contains(&format!("\n## {}\n\nVersion {}. ", name(&kind), kind["version"])));
        for part in list(&kind, "parameters").iter().chain(list(&kind, "outputs")) {
            assert!(written.contains(&format!("\n| `{}` | ", text(part, "name"))), "{part}");
        }
    }
    for row in written.lines().filter(|line| line.starts_with('|')) {
        let bars = row.replace("\\|", "").matches('|').count();
        assert!((3..=5).contains(&bars), "{row}");
    }
    for nested in
        ["\n| `rules[].column` | text |  | ", "\n| `scan.from` | an integer, between 2 and 1000 | `2` | "]
    {
        assert!(written.contains(nested), "{nested}");
    }
    let one = Project::new().custem(&["kinds", "segment", "--markdown"]).out;
    assert!(one.contains("\n## segment\n") && !one.contains("\n## churn\n"), "{one}");
}

/// Whether bytes are what a type stands for, by the marks of the formats.
fn is_of_type(bytes: &[u8], ty: &str) -> bool {
    match ty {
        "table" => bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"),
        "image" => bytes.starts_with(b"\x89PNG\r\n\x1a\n") || bytes.starts_with(b"<svg"),
        "page" => bytes.starts_with(b"<!DOCTYPE html>") && bytes.trim_ascii_end().ends_with(b"</html>"),
        "model" => serde_json::from_slice::<Json>(bytes).is_ok_and(|json| json.is_object()),
        "metrics" => serde_json::from_slice::<BTreeMap<String, f64>>(bytes).is_ok(),
        _ => !bytes.is_empty(),
    }
}

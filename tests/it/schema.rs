//! The JSON Schema of the language, held against a validator of its own: it takes what custem takes, and
//! refuses what is wrong within one stage.

use std::fs;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value as Json, json};

use crate::golden::kinds;
use crate::project::{Project, repository, text};

fn schema() -> &'static Json {
    static SCHEMA: OnceLock<Json> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let ran = Project::new().custem(&["schema"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        serde_json::from_str(&ran.out).unwrap()
    })
}

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| jsonschema::options().should_validate_formats(true).build(schema()).unwrap())
}

/// A TOML value as an editor's language server shows it to a validator: dates are text.
fn to_json(value: &toml::Value) -> Json {
    match value {
        toml::Value::Datetime(date) => json!(date.to_string()),
        toml::Value::Array(items) => items.iter().map(to_json).collect(),
        toml::Value::Table(table) => {
            Json::Object(table.iter().map(|(key, value)| (key.clone(), to_json(value))).collect())
        }
        other => json!(other),
    }
}

/// Where a pipeline doesn't fit the schema, and how.
fn errors(pipeline: &str) -> Vec<String> {
    let table: toml::Table = toml::from_str(pipeline).unwrap_or_else(|error| panic!("{error}\n{pipeline}"));
    let document = to_json(&toml::Value::Table(table));
    let said = |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    let mut errors: Vec<_> = validator().iter_errors(&document).map(said).collect();
    errors.sort();
    errors
}

#[test]
fn the_schema_is_one_of_its_draft() {
    assert_eq!(schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::meta::validate(schema()).unwrap();
    let text = schema().to_string();
    for own in ["x-ref", "x-required", "private_datetime", "\"null\"", ":null"] {
        assert!(!text.contains(own), "{own} is in the schema");
    }
}

#[test]
fn pipelines_that_run_fit() {
    let folders = ["pipelines", "tests/it/golden"].map(|folder| repository().join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    let files: Vec<_> =
        files.iter().filter(|file| file.extension().is_some_and(|end| end == "toml")).collect();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        assert_eq!(errors(&fs::read_to_string(file).unwrap()), [""; 0], "{}", file.display());
    }
}

#[test]
fn a_started_pipeline_fits() {
    let project = Project::new();
    project.write("orders.csv", "customer_id,date,amount\n1,2024-01-02,3.5\n2,2024-02-03,4.5\n");
    for args in [&["init"][..], &["init", "--from", "orders.csv", "--to", "pipelines/own.toml"]] {
        let ran = project.custem(args);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let made = project.files("pipelines");
    assert_eq!(made.len(), 2);
    for (path, text) in made {
        assert_eq!(errors(std::str::from_utf8(&text).unwrap()), [""; 0], "{}", path.display());
    }
}

/// A stage that is right, for mistakes to be put into.
const RIGHT: &str = "[stages.t]\nkind = \"simulate\"\nstart = 2023-01-02\n\n[stages.c]\nkind = \"check\"\ninput = \"t\"\nrules = [{ column = \"txn_timestamp\", min = 2023-01-02T00:00:00 }]\n\n[stages.f]\nkind = \"features\"\ninput = \"c\"\n\n[stages.s]\nkind = \"segment\"\ninput = \"f\"\nk = 5\nscan = { from = 2, to = 9 }\n";

#[test]
fn how_stages_are_run_fits_in_each_spelling() {
    let lines = "priority = -1\nretries = 2\n";
    for amounts in [
        "timeout = \"90s\"\nresources = { cores = 2, memory = \"1.5 GiB\" }\n",
        "timeout = \"0.5h\"\nresources.memory = 4096\n",
        "timeout = \"250 ms\"\nresources.memory = \"4096\"\n",
    ] {
        let text = RIGHT.replacen("k = 5\n", &format!("{lines}{amounts}"), 1);
        let text = format!("[resources]\ncores = 8\nmemory = \"16gb\"\n\n{text}");
        assert_eq!(errors(&text), [""; 0], "{text}");
        let checked = Project::with(&text).custem(&["check", "p.toml"]);
        assert_eq!(checked.code, 0, "{}", checked.err);
    }
}

#[test]
fn mistakes_are_refused_where_custem_refuses_them() {
    assert_eq!(errors(RIGHT), [""; 0]);
    let cases = [
        ("k = 5", "k = 1", "/stages/s/k: 1 is less than the minimum of 2"),
        ("k = 5", "k = 1001", "/stages/s/k: 1001 is greater than the maximum of 1000"),
        ("k = 5", "k = \"5\"", "/stages/s/k: \"5\" is not of type \"integer\""),
        ("k = 5", "k = 5.5", "/stages/s/k: 5.5 is not of type \"integer\""),
        ("k = 5", "seed = -1", "/stages/s/seed: -1 is less than the minimum of 0"),
        ("k = 5", "algorithm = \"kmean\"", "/stages/s/algorithm: \"kmean\" is not one of "),
        (
            "k = 5",
            "save = 5",
            "/stages/s/save: 5 is not valid under any of the schemas listed in the 'anyOf' keyword",
        ),
        ("k = 5", "timeout = 90", "/stages/s/timeout: 90 is not of type \"string\""),
        ("k = 5", "timeout = \"soon\"", "/stages/s/timeout: \"soon\" does not match "),
        ("k = 5", "retries = -1", "/stages/s/retries: -1 is less than the minimum of 0"),
        ("k = 5", "resources.cores = 0", "/stages/s/resources/cores: 0 is less than the minimum of 1"),
        (
            "k = 5",
            "resources.memory = \"4 XB\"",
            "/stages/s/resources/memory: \"4 XB\" is not valid under any of the schemas listed in the 'anyOf' keyword",
        ),
        (
            "[stages.t]",
            "[resources]\ngpus = 1\n\n[stages.t]",
            "/resources: Additional properties are not allowed ('gpus' was unexpected)",
        ),
        ("k = 5", "kk = 5", "/stages/s: Additional properties are not allowed ('kk' was unexpected)"),
        (
            "k = 5",
            "start = 2023-01-02",
            "/stages/s: Additional properties are not allowed ('start' was unexpected)",
        ),
        ("to = 9", "too = 9", "/stages/s/scan: Additional properties are not allowed ('too' was unexpected)"),
        ("from = 2", "from = 1", "/stages/s/scan/from: 1 is less than the minimum of 2"),
        ("input = \"f\"\n", "", "/stages/s: \"input\" is a required property"),
        ("kind = \"segment\"", "kind = \"segments\"", "/stages/s/kind: \"segments\" is not one of "),
        ("kind = \"segment\"\n", "", "/stages/s: \"kind\" is a required property"),
        ("start = 2023-01-02", "start = \"soon\"", "/stages/t/start: \"soon\" is not a \"date\""),
        ("start = 2023-01-02", "start = 20230102", "/stages/t/start: 20230102 is not of type \"string\""),
        (
            "column = \"txn_timestamp\"",
            "colum = \"x\"",
            "/stages/c/rules/0: Additional properties are not allowed ('colum' was unexpected)",
        ),
        (
            "min = 2023-01-02T00:00:00",
            "min = true",
            "/stages/c/rules/0/min: true is not valid under any of the schemas listed in the 'oneOf' keyword",
        ),
        (
            "min = 2023-01-02T00:00:00",
            "missing = 1.5",
            "/stages/c/rules/0/missing: 1.5 is greater than the maximum of 1.0",
        ),
        ("[stages.s]", "[stages.\"a.b\"]", "/stages: \"a.b\" does not match "),
        (
            "[stages.s]",
            "[stages.sweep]",
            "/stages: {\"enum\":[\"pipeline\",\"resources\",\"stages\",\"sweep\",\"remote\",\"track\"]} is not allowed for \"sweep\"",
        ),
        (
            "[stages.t]",
            "[stage.x]\nkind = \"simulate\"\n\n[stages.t]",
            ": Additional properties are not allowed ('stage' was unexpected)",
        ),
        (
            "[stages.t]",
            "[pipeline]\nsed = 1\n\n[stages.t]",
            "/pipeline: Additional properties are not allowed ('sed' was unexpected)",
        ),
        (
            "[stages.t]",
            "[sweep]\naxes = { \"s.k\" = [] }\nobjective = \"s.silhouette\"\n\n[stages.t]",
            "/sweep/axes/s.k: [] has less than 1 item",
        ),
        (
            "[stages.t]",
            "[sweep]\naxes = { \"s.k\" = [3, 3] }\nobjective = \"s.silhouette\"\n\n[stages.t]",
            "/sweep/axes/s.k: [3,3] has non-unique elements",
        ),
        (
            "[stages.t]",
            "[sweep]\naxes = { \"s.k\" = [3] }\n\n[stages.t]",
            "/sweep: \"objective\" is a required property",
        ),
        (
            "[stages.t]",
            "[sweep]\naxes = { \"s.k\" = [3] }\nobjective = \"silhouette\"\n\n[stages.t]",
            "/sweep/objective: \"silhouette\" does not match ",
        ),
        (
            "[stages.t]",
            "[sweep]\naxes = { \"s.k\" = [3] }\nobjective = \"s.silhouette\"\ngoal = \"most\"\n\n[stages.t]",
            "/sweep/goal: \"most\" is not one of ",
        ),
    ];
    for (right, wrong, said) in cases {
        let broken = RIGHT.replacen(right, wrong, 1);
        assert_ne!(broken, RIGHT);
        let told = errors(&broken);
        assert!(matches!(told.as_slice(), [one] if one.starts_with(said)), "{wrong}: {told:?}");
        let checked = Project::with(&broken).custem(&["check", "p.toml"]);
        assert_eq!(checked.code, 2, "custem takes {wrong}");
    }
    assert_eq!(errors("[pipeline]\nname = \"x\"\n"), [": \"stages\" is a required property"]);
    assert_eq!(errors("stages = {}\n"), ["/stages: {} has less than 1 property"]);
}

#[test]
fn a_table_of_trackers_is_checked() {
    let with = |track: &str| errors(&format!("{RIGHT}[track]\n{track}"));
    let all = "to = [\"trackio\", \"mlflow\"]\ntags = [\"a\"]\nwait = \"2s\"\ntrackio.store = \"jsonl\"\nmlflow.url = \"http://h:5000\"\n";
    assert_eq!(with(all), [""; 0]);
    assert_eq!(with("project = \"x\"\n"), ["/track: \"to\" is a required property"]);
    let said = with("to = [\"tracko\"]\n");
    assert!(said[0].starts_with("/track/to/0: \"tracko\" is not one of "), "{said:?}");
    let twice = ["/track/to: [\"wandb\",\"wandb\"] has non-unique elements"];
    assert_eq!(with("to = [\"wandb\", \"wandb\"]\n"), twice);
    let unknown = "/track/wandb: Additional properties are not allowed ('entty' was unexpected)";
    assert_eq!(with("to = []\nwandb.entty = \"x\"\n"), [unknown]);
    for wrong in [
        "to = []\nmlflow.url = \"ftp://h\"\n",
        "to = []\nmlflow.url = \"http://me@h\"\n",
        "to = []\ntags = [\"\"]\n",
    ] {
        assert_eq!(with(wrong).len(), 1, "{wrong}");
    }
}

#[test]
fn a_remote_is_a_place_without_secrets() {
    let with = |remote: &str| errors(&format!("{RIGHT}{remote}"));
    assert_eq!(with("[remote]\nurl = \"s3://b/p\"\npush = false\n"), [""; 0]);
    assert_eq!(with("[remote]\nurl = \"../shared\"\n"), [""; 0]);
    assert_eq!(with("[remote]\npush = false\n"), ["/remote: \"url\" is a required property"]);
    let unknown = "/remote: Additional properties are not allowed ('ulr' was unexpected)";
    assert_eq!(with("[remote]\nurl = \"x\"\nulr = \"x\"\n"), [unknown]);
    assert_eq!(with("[remote]\nurl = 5\n"), ["/remote/url: 5 is not of type \"string\""]);
    for secret in ["s3://id:key@b/p", "az://c/p?sig=x", ""] {
        let told = with(&format!("[remote]\nurl = \"{secret}\"\n"));
        assert!(matches!(told.as_slice(), [one] if one.starts_with("/remote/url: ")), "{told:?}");
    }
}

/// A file that extends another leaves out what that one has.
#[test]
fn a_layer_may_be_a_part() {
    for part in [
        "",
        "[stages.s]\nk = 6\n",
        "[stages.s]\nkind = \"segment\"\nk = 6\n",
        "[sweep]\naxes = { \"s.k\" = [3] }\n",
    ] {
        let layer = format!("extends = \"base.toml\"\n{part}");
        assert_eq!(errors(&layer), [""; 0], "{part}");
        assert!(part.is_empty() || !errors(part).is_empty(), "{part}");
    }
    let wrong = errors("extends = \"base.toml\"\n[stages.s]\nkind = \"segment\"\nk = 1\n");
    assert_eq!(wrong, ["/stages/s/k: 1 is less than the minimum of 2"]);
    assert_eq!(errors("extends = 1\n[stages.s]\nk = 1\n"), ["/extends: 1 is not of type \"string\""]);
}

/// A stage of a kind with everything that it must have.
fn stage(kind: &Json, without: &str) -> String {
    let mut lines = format!("[stages.it]\nkind = \"{}\"\n", text(kind, "kind"));
    for part in kind["parameters"].as_array().unwrap() {
        let name = text(part, "name");
        if part["required"] != true || name == without {
            continue;
        }
        let choice = part["choices"].as_array().and_then(|words| words.first());
        let value = match (choice, text(part, "type")) {
            (Some(word), _) => word.to_string(),
            (_, "a list") => "[\"x\"]".to_owned(),
            (_, "a table") => "{ x = \"y\" }".to_owned(),
            (_, "an integer" | "a number") => part["min"].to_string(),
            _ => "\"x\"".to_owned(),
        };
        lines += &format!("{name} = {value}\n");
    }
    lines
}

#[test]
fn every_kind_asks_for_what_it_lists() {
    for kind in kinds() {
        let whole = stage(&kind, "");
        assert_eq!(errors(&whole), [""; 0], "{whole}");
        for part in kind["parameters"].as_array().unwrap() {
            let name = text(part, "name");
            if part["required"] == true {
                let said = format!("/stages/it: \"{name}\" is a required property");
                assert_eq!(errors(&stage(&kind, name)), [said]);
            }
            let too_much = part["max"].as_f64().map(|max| max + 1.0);
            let too_little = part["min"].as_f64().map(|min| min - 1.0);
            for beyond in too_much.into_iter().chain(too_little) {
                let told = errors(&format!("{}{name} = {beyond}\n", stage(&kind, name)));
                assert!(told.len() == 1 && told[0].starts_with(&format!("/stages/it/{name}: ")), "{told:?}");
            }
            let doc = &schema()["$defs"][text(&kind, "kind")]["properties"][name]["description"];
            assert!(doc.as_str().unwrap().starts_with(text(part, "doc")), "{name}: {doc}");
        }
    }
}

#[test]
fn defaults_are_told_and_fit() {
    for kind in kinds() {
        let mut lines = stage(&kind, "");
        for part in kind["parameters"].as_array().unwrap() {
            let (name, default) = (text(part, "name"), &part["default"]);
            if part["required"] == true || default.is_null() {
                continue;
            }
            let told = &schema()["$defs"][text(&kind, "kind")]["properties"][name]["default"];
            assert_eq!(told, default, "{name}");
            let date = text(part, "type").starts_with("a date");
            let value = toml::Value::try_from(default).unwrap().to_string();
            lines += &format!("{name} = {}\n", if date { value.trim_matches('"') } else { &value });
        }
        assert_eq!(errors(&lines), [""; 0], "{lines}");
    }
}

#[test]
fn words_of_a_choice_are_explained() {
    let algorithm = &schema()["$defs"]["segment"]["properties"]["algorithm"];
    let doc = text(algorithm, "description");
    for word in algorithm["enum"].as_array().unwrap() {
        assert!(doc.contains(&format!("\n- `{}`: ", word.as_str().unwrap())), "{doc}");
    }
    let kind = text(&schema()["$defs"]["stage"]["properties"]["kind"], "description");
    assert!(kind.contains("\n- `segment`: Groups customers by their features into segments"), "{kind}");
}

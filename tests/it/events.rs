//! The events of a run: every line that is printed or recorded fits their schema, and the schema has no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value as Json, json};

use crate::project::{Project, repository, text};

fn schema() -> &'static Json {
    static SCHEMA: OnceLock<Json> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let ran = Project::new().custem(&["schema", "--events"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        serde_json::from_str(&ran.out).unwrap()
    })
}

/// The schema, with objects closed: readers take fields that come later, this test takes none that isn't said.
fn closed() -> Json {
    let mut schema = schema().clone();
    let close = |part: &mut Json| {
        if part.get("properties").is_some() || part.get("$ref").is_some() {
            part["unevaluatedProperties"] = false.into();
        }
        for branch in part.get_mut("oneOf").and_then(Json::as_array_mut).into_iter().flatten() {
            if branch.get("properties").is_some() {
                branch["unevaluatedProperties"] = false.into();
            }
        }
    };
    for branch in schema["oneOf"].as_array_mut().unwrap() {
        close(branch);
    }
    // What an event is made of is closed with the event itself; one of these is also a part of others.
    for (name, part) in schema["$defs"].as_object_mut().unwrap() {
        if !matches!(name.as_str(), "StageDone" | "Note" | "Provenance") {
            close(part);
        }
    }
    schema
}

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| jsonschema::draft202012::new(&closed()).unwrap())
}

/// Holds every line against the schema; which events there were.
fn fits(lines: &str) -> BTreeSet<String> {
    assert!(!lines.is_empty());
    let event = |line: &str| {
        let event: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let errors: Vec<_> = validator()
            .iter_errors(&event)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, [""; 0], "{line}");
        text(&event, "event").to_owned()
    };
    lines.lines().map(event).collect()
}

/// What a run prints and what all the runs of a project have recorded.
fn run(project: &Project, args: &[&str], code: i32) -> BTreeSet<String> {
    let ran = project.custem(&[&["run", "p.toml", "--json"], args].concat());
    assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
    let printed = fits(&ran.out);
    let logs = project.files("experiments/logs").into_iter();
    for (path, log) in logs.filter(|(path, _)| path.extension().is_some_and(|ending| ending == "jsonl")) {
        let recorded = fits(std::str::from_utf8(&log).unwrap());
        assert!(recorded.contains("run_started") && recorded.contains("run_done"), "{}", path.display());
    }
    printed
}

const SEGMENTS: &str = "[pipeline]\nseed = 3\n\n[stages.rows]\nkind = \"simulate\"\ncustomers = 60\nstart = 2024-01-01\nend = 2024-12-29\n\n[stages.features]\nkind = \"features\"\ninput = \"rows\"\n\n[stages.segments]\nkind = \"segment\"\ninput = \"features\"\nk = 2\nsave = \"out/segments.parquet\"\n";

#[test]
fn every_line_of_a_run_fits() {
    let mut seen = BTreeSet::new();
    // One that runs, with a file to read and a warning.
    let project = Project::with(SEGMENTS);
    project.write("in.csv", "customer_id,date,amount\n1,2024-01-02,3.5\n2,2024-02-03,4.5\n2,soon,1\n");
    let more = "scan = { from = 2, to = 4 }\n\n[stages.read]\nkind = \"read\"\npath = \"in.csv\"\nmax_bad = 0.5\n\n[stages.say]\nkind = \"command\"\ncommand = [\"echo\", \"hello\"]\n";
    project.write("p.toml", format!("{SEGMENTS}{more}"));
    seen.extend(run(&project, &[], 0));
    // One with nothing to do, answered at once, and one that goes the ordinary way.
    seen.extend(run(&project, &[], 0));
    seen.extend(run(&project, &["--verbose"], 0));
    // Saved files are put back, an output is lost, parameters and sources change.
    project.write("out/segments.parquet", "mine");
    seen.extend(run(&project, &[], 0));
    fs::remove_dir_all(project.path("cache/objects")).unwrap();
    project.write("in.csv", "customer_id,date,amount\n1,2024-01-02,3.5\n");
    seen.extend(run(&project, &["--set", "segments.k=3"], 0));
    seen.extend(run(&project, &["--force", "segments"], 0));
    // What fails and what is skipped, with a place and a hint.
    project.write("p.toml", SEGMENTS.replace("[stages.rows]", "[stages.lost]\nkind = \"read\"\npath = \"nowhere.csv\"\n\n[stages.also]\nkind = \"features\"\ninput = \"lost\"\n\n[stages.rows]"));
    seen.extend(run(&project, &[], 1));
    // A mistake, in the pipeline and on the command line.
    project.write("p.toml", SEGMENTS.replace("k = 2", "k = 1"));
    seen.extend(run(&project, &[], 2));
    seen.extend(run(&project, &["--set", "segments.k"], 2));
    // A sweep with its variants.
    let sweep = "[sweep]\naxes = { \"segments.k\" = [2, 3, 200] }\nobjective = \"segments.silhouette\"\n";
    project.write("p.toml", format!("{SEGMENTS}\n{sweep}"));
    seen.extend(run(&project, &[], 1));
    let of_variant = |path: &Path| path.file_name().unwrap().to_string_lossy().matches('.').count() == 2;
    let variants = project.files("experiments/logs").into_iter().filter(|(path, _)| of_variant(path)).count();
    assert_eq!(variants, 3);
    // A note on a run, and a project in a git repository.
    project.git(&["init", "--quiet"]);
    project.git(&["add", "p.toml"]);
    project.git(&["commit", "--quiet", "--message", "first"]);
    project.write("p.toml", SEGMENTS);
    seen.extend(run(&project, &["--force", "segments"], 0));
    assert_eq!(project.custem(&["runs", "note", "last", "better"]).code, 0);
    seen.extend(fits(&project.log("last")));
    // What there is with a remote cache only, and while results are on their way to it.
    seen.insert("pushing".to_owned());
    assert_eq!(seen, words());
}

/// All events that the schema has.
fn words() -> BTreeSet<String> {
    let branches = schema()["oneOf"].as_array().unwrap();
    branches.iter().map(|branch| text(&branch["properties"]["event"], "const").to_owned()).collect()
}

#[test]
fn the_schema_says_what_each_field_is() {
    assert_eq!(schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::meta::validate(schema()).unwrap();
    let words = [
        "data",
        "leaderboard",
        "problems",
        "provenance",
        "pushing",
        "restored",
        "run_done",
        "run_note",
        "run_started",
        "stage_done",
        "stage_output",
        "stage_progress",
        "stage_started",
        "stage_step",
        "warning",
        "work_tree",
    ];
    assert_eq!(words.map(str::to_owned), *self::words().into_iter().collect::<Vec<_>>());
    let parts =
        schema()["oneOf"].as_array().unwrap().iter().chain(schema()["$defs"].as_object().unwrap().values());
    for part in parts {
        for (name, field) in part["properties"].as_object().into_iter().flatten() {
            let said = !text(field, "description").is_empty() || field.get("const").is_some();
            assert!(said, "{name} of {part}");
        }
    }
    for wrong in [
        json!({ "event": "stage_done", "stage": "a" }),
        json!({ "event": "stage_ended" }),
        json!({ "event": "warning", "message": 5, "place": null }),
    ] {
        assert!(!validator().is_valid(&wrong), "{wrong}");
    }
}

/// docs/json.md has them as a table; a field that it doesn't name isn't documented.
#[test]
fn the_page_names_every_event_and_field() {
    let page = fs::read_to_string(repository().join("docs/json.md")).unwrap();
    assert!(page.contains("events.schema.json"));
    let row = |event: &str| {
        page.lines().find(|line| line.starts_with(&format!("| `{event}` |"))).map(str::to_owned)
    };
    for branch in schema()["oneOf"].as_array().unwrap() {
        let event = text(&branch["properties"]["event"], "const");
        let row = row(event).unwrap_or_else(|| panic!("docs/json.md has no `{event}`"));
        let definition = text(branch, "$ref").rsplit('/').next().unwrap_or_default();
        let fields = if definition.is_empty() { branch } else { &schema()["$defs"][definition] };
        for field in fields["properties"].as_object().unwrap().keys().filter(|field| *field != "event") {
            let named = row.contains(&format!("`{field}`")) || row.contains("a note's fields");
            assert!(named, "docs/json.md doesn't name `{field}` of `{event}`");
        }
    }
}

#[test]
fn the_schema_in_the_documentation_is_the_one_that_is_printed() {
    let printed = Project::new().custem(&["schema", "--events"]).out;
    let path = repository().join("docs/events.schema.json");
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        printed,
        "make it anew: custem schema --events > docs/events.schema.json"
    );
}

//! The tables around the stages: `[pipeline]`, `[resources]`, `[sweep]` and `[remote]`, and what else may stand at the top.

use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::conform::{self, Owner, Place};
use super::document::{Entry, Node, Table, Value};
use super::layers::TABLES;
use super::remote::{self, Remote};
use super::schedule::{self, Resources};
use super::shape::Shape;
use crate::diagnostic::{Diagnostic, did_you_mean, quoted, shown};

/// What stands at the top of a document.
pub struct Head<'a> {
    /// The pipeline's name; the file's name when none is given.
    pub name: String,
    /// The seed that the stages share.
    pub seed: u64,
    /// What the stages may take together.
    pub resources: Resources,
    /// The stages in the order in which they are written.
    pub stages: &'a Table,
    /// The table `[sweep]`.
    pub sweep: Option<&'a Entry>,
    /// The table `[remote]`, when it is right.
    pub remote: Option<Remote>,
}

static NO_STAGES: LazyLock<Table> = LazyLock::new(Table::new);

static PIPELINE: LazyLock<Shape> = LazyLock::new(|| Shape::of(&pipeline_schema()));

static RESOURCES: LazyLock<Shape> = LazyLock::new(|| Shape::of(&resources_schema()));

static SWEEP: LazyLock<Shape> = LazyLock::new(|| Shape::of(&sweep_schema()));

/// The schema of `[pipeline]`.
pub(super) fn pipeline_schema() -> Json {
    json!({ "type": "object", "properties": {
        "name": { "type": "string", "description": "The name in records; by default the file's." },
        "seed": { "type": "integer", "minimum": 0, "default": 0, "description": "The seed of all stages." },
    }})
}

/// The schema of `[resources]`.
pub(super) fn resources_schema() -> Json {
    schedule::resources_schema(
        "Cores that stages take together; by default the machine's, which are the most.",
        "Memory that they take together: \"16GB\", or a number of bytes; by default the machine's, which is the most.",
    )
}

/// The schema of `[sweep]`.
pub(super) fn sweep_schema() -> Json {
    let goal = json!({
        "type": "string", "enum": ["max", "min"], "default": "max",
        "description": "Whether the largest or the smallest is best.",
    });
    let count = |default: Json, doc: &str| json!({ "type": "integer", "minimum": 1, "default": default, "description": doc });
    json!({ "type": "object", "properties": {
        "axes": {
            "type": "object", "x-required": true,
            "additionalProperties": axis_schema(),
            "description": "Values to try by parameter: `\"segments.k\" = [3, 4, 5]`, or `{ from = 2, to = 10 }`.",
        },
        "zip": {
            "type": "array",
            "items": { "type": "array", "items": { "type": "string" }, "minItems": 2 },
            "description": "Axes that move together: `[[\"a.x\", \"b.y\"]]`; each is there with as many values.",
        },
        "exclude": {
            "type": "array", "items": { "type": "object" },
            "description": "Points to leave out, as values of some axes: `[{ \"segments.k\" = 8, \"segments.algorithm\" = \"gmm\" }]`.",
        },
        "repeat": {
            "anyOf": [
                { "type": "integer", "minimum": 2, "maximum": 1000 },
                { "type": "array", "minItems": 1 },
                { "type": "object", "additionalProperties": axis_schema() },
            ],
            "description": "Seeds over which each point is repeated: how many, which, or `{ \"segments.seed\" = [1, 2, 3] }`.",
        },
        "objective": {
            "type": "string",
            "description": "The metric to compare variants by: `STAGE.metric`.",
        },
        "goal": goal.clone(),
        "objectives": {
            "type": "array",
            "items": { "type": "object", "properties": {
                "metric": { "type": "string", "x-required": true, "description": "The metric: `STAGE.metric`." },
                "goal": goal,
            }},
            "description": "Several metrics to compare variants by; the leaderboard marks those that no other one beats.",
        },
        "strategy": {
            "type": "string", "enum": ["grid", "random", "sobol", "halving", "tpe"], "default": "grid",
            "description": "How variants are chosen: all of the grid, at random, evenly spread, by successive halving, or by what came out before.",
        },
        "max_variants": count(Json::Null, "The most points to try, each once a seed; 32 where the strategy isn't `grid`, which has at most 10,000."),
        "max_time": {
            "type": "string", "x-span": true,
            "description": "After this time no more variants are started: \"30m\".",
        },
        "budget": {
            "type": "object", "additionalProperties": axis_schema(),
            "description": "The parameter that grows from rung to rung (`halving`): `{ \"segments.n_init\" = { from = 1, to = 27 } }`.",
        },
        "eta": {
            "type": "number", "exclusiveMinimum": 1, "default": 3,
            "description": "Of so many variants one goes on, with so many times the budget (`halving`).",
        },
        "startup": count(json!(10), "How many variants are drawn at random before any is suggested (`tpe`)."),
        "wave": count(json!(4), "How many variants are suggested at once (`tpe`), whatever the number of cores."),
        "best": {
            "type": "string",
            "description": "Where to write the best variant as a pipeline: `pipelines/best.toml`.",
        },
    }})
}

/// The schema of an axis.
fn axis_schema() -> Json {
    json!({ "anyOf": [
        { "type": "array", "minItems": 1 },
        { "type": "object", "properties": {
            "values": { "type": "array", "minItems": 1, "description": "The values, where more than a list is to be said." },
            "from": { "type": "number", "description": "The first value." },
            "to": { "type": "number", "description": "The last value." },
            "step": { "type": "number", "exclusiveMinimum": 0, "description": "The distance between two values; 1 between whole numbers." },
            "count": { "type": "integer", "minimum": 2, "description": "How many values there are, equally far apart." },
            "scale": {
                "type": "string", "enum": ["linear", "log"], "default": "linear",
                "description": "Whether equal distances or equal factors lie between two values.",
            },
            "when": {
                "type": "object",
                "description": "Values of other axes beside which this one is there: `{ \"segments.algorithm\" = \"gmm\" }`.",
            },
        }},
    ]})
}

/// What is wrong with a seed for the pipeline that an axis of a sweep gives.
pub fn seed_problems(value: &Node, problems: &mut Vec<Diagnostic>) {
    let Some(seed) = PIPELINE.fields().iter().find(|field| field.name == "seed") else { return };
    let about = "`pipeline.seed` is the seed of all stages";
    let place = Place::new(Owner::Table("pipeline"), "pipeline.seed", about, about);
    conform::node(&seed.shape, value, &place.of(seed), problems);
}

/// Reads the top of a document.
pub fn read<'a>(document: &'a Node, file: &str, problems: &mut Vec<Diagnostic>) -> Head<'a> {
    let top = document.table().unwrap_or(&NO_STAGES);
    for (key, entry) in top.iter().filter(|(key, _)| !TABLES.contains(&key.as_str())) {
        problems.push(unknown(key, entry));
    }
    let pipeline = top.get("pipeline");
    if let Some(entry) = pipeline {
        known_keys("pipeline", &PIPELINE, entry, problems);
    }
    let resources = top.get("resources");
    if let Some(entry) = resources {
        known_keys("resources", &RESOURCES, entry, problems);
    }
    let sweep = top.get("sweep");
    if let Some(entry) = sweep {
        known_keys("sweep", &SWEEP, entry, problems);
    }
    let remote = top.get("remote").and_then(|entry| remote::read(entry, problems));
    let stages = stages(document, top, problems);
    let entry = |key: &str| pipeline.and_then(|entry| entry.node.get(key));
    let resources = resources.and_then(|entry| entry.node.table()).map(Resources::of).unwrap_or_default();
    let (name, seed) = (name(entry("name"), file), seed(entry("seed")));
    Head { name, seed, resources, stages, sweep, remote }
}

/// The name at the top of a document that a misspelt one is near to.
fn meant(key: &str) -> Option<&'static str> {
    did_you_mean(key, TABLES.into_iter().chain(["extends"]))
}

fn unknown(key: &str, entry: &Entry) -> Diagnostic {
    let what = if entry.node.table().is_some() { "table" } else { "key" };
    let hint = match meant(key) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("a pipeline has the tables {}, and the key `extends`", quoted(TABLES, "and")),
    };
    Diagnostic::error(format!("unknown {what} `{}`", shown(key))).at(&entry.key).hint(hint)
}

/// Holds a table against what it may have.
pub(super) fn known_keys(name: &str, shape: &Shape, entry: &Entry, problems: &mut Vec<Diagnostic>) {
    let keys: Vec<_> = shape.fields().iter().map(|field| field.name.as_str()).collect();
    let more = format!("`[{name}]` has the keys {}", quoted(keys, "and"));
    let Some(table) = entry.node.table() else {
        let message = format!("`{name}` must be a table, not {}", entry.node.type_name());
        problems.push(Diagnostic::error(message).at(&entry.node.at).hint(more));
        return;
    };
    let place = Place::new(Owner::Table(name), name, &more, &more);
    conform::table(shape.fields(), table, &entry.key, &place, problems);
}

fn stages<'a>(document: &Node, top: &'a Table, problems: &mut Vec<Diagnostic>) -> &'a Table {
    let entry = top.get("stages");
    if let Some(entry) = entry.filter(|entry| entry.node.table().is_none()) {
        let message = format!("`stages` must be a table, not {}", entry.node.type_name());
        let hint = "write `[stages.NAME]`, in single brackets, for each stage";
        problems.push(Diagnostic::error(message).at(&entry.key).hint(hint));
        return &NO_STAGES;
    }
    let stages = entry.and_then(|entry| entry.node.table()).unwrap_or(&NO_STAGES);
    let misspelt = |key: &String| matches!(meant(key), Some("stages" | "extends"));
    if stages.is_empty() && !top.keys().any(|key| !TABLES.contains(&key.as_str()) && misspelt(key)) {
        let at = entry.map_or_else(|| document.at.clone(), |entry| entry.key.clone());
        let hint = "add a table such as `[stages.transactions]` with `kind = \"simulate\"`; `custem kinds` lists all kinds";
        problems.push(Diagnostic::error("this pipeline has no stages").at(&at).hint(hint));
    }
    stages
}

fn name(node: Option<&Node>, file: &str) -> String {
    let stem = std::path::Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    node.and_then(Node::text).map(str::to_owned).or(stem).unwrap_or_default()
}

fn seed(node: Option<&Node>) -> u64 {
    match node.map(|node| &node.value) {
        Some(Value::Integer(seed)) => u64::try_from(*seed).unwrap_or_default(),
        _ => 0,
    }
}

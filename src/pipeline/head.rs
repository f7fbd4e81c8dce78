//! The tables around the stages: `[pipeline]` and `[sweep]`, and what else may stand at the top.

use std::sync::LazyLock;

use serde_json::json;

use super::conform::{self, Place};
use super::document::{Entry, Node, Table, Value};
use super::layers::TABLES;
use super::shape::Shape;
use crate::diagnostic::{Diagnostic, Location, did_you_mean, quoted};

/// What stands at the top of a document.
pub struct Head<'a> {
    /// The pipeline's name; the file's name when none is given.
    pub name: String,
    /// The seed that the stages share.
    pub seed: u64,
    /// The stages in the order in which they are written.
    pub stages: &'a Table,
    /// The table `[sweep]`.
    pub sweep: Option<&'a Entry>,
}

static NO_STAGES: LazyLock<Table> = LazyLock::new(Table::new);

static PIPELINE: LazyLock<Shape> = LazyLock::new(|| {
    Shape::of(&json!({ "type": "object", "properties": {
        "name": { "type": "string", "description": "The name in records; by default the file's." },
        "seed": { "type": "integer", "minimum": 0, "default": 0, "description": "The seed of all stages." },
    }}))
});

static SWEEP: LazyLock<Shape> = LazyLock::new(|| {
    Shape::of(&json!({ "type": "object", "properties": {
        "axes": {
            "type": "object", "x-required": true,
            "additionalProperties": { "type": "array", "minItems": 1 },
            "description": "Values to try by parameter: `\"segments.k\" = [3, 4, 5]`.",
        },
        "objective": {
            "type": "string", "x-required": true,
            "description": "The metric to compare variants by: `STAGE.metric`.",
        },
        "goal": {
            "type": "string", "enum": ["max", "min"], "default": "max",
            "description": "Whether the largest or the smallest is best.",
        },
    }}))
});

/// Reads the top of a document.
pub fn read<'a>(document: &'a Node, file: &str, problems: &mut Vec<Diagnostic>) -> Head<'a> {
    let top = document.table().unwrap_or(&NO_STAGES);
    for (key, entry) in top.iter().filter(|(key, _)| !TABLES.contains(&key.as_str())) {
        problems.push(unknown_table(key, &entry.key));
    }
    let pipeline = top.get("pipeline");
    if let Some(entry) = pipeline {
        known_keys("pipeline", &PIPELINE, entry, problems);
    }
    let sweep = top.get("sweep");
    if let Some(entry) = sweep {
        known_keys("sweep", &SWEEP, entry, problems);
    }
    let stages = stages(document, top, problems);
    let entry = |key: &str| pipeline.and_then(|entry| entry.node.get(key));
    Head { name: name(entry("name"), file), seed: seed(entry("seed")), stages, sweep }
}

fn unknown_table(key: &str, at: &Location) -> Diagnostic {
    let near = did_you_mean(key, TABLES).map(|near| format!("did you mean `{near}`?"));
    let hint = near.unwrap_or_else(|| format!("a pipeline has the tables {}", quoted(TABLES, "and")));
    Diagnostic::error(format!("unknown table `{key}`")).at(at).hint(hint)
}

fn known_keys(name: &str, shape: &Shape, entry: &Entry, problems: &mut Vec<Diagnostic>) {
    let Some(table) = entry.node.table() else {
        let message = format!("`{name}` must be a table, not {}", entry.node.type_name());
        problems.push(Diagnostic::error(message).at(&entry.node.at));
        return;
    };
    let keys: Vec<_> = shape.fields().iter().map(|field| field.name.as_str()).collect();
    let more = format!("`[{name}]` has the keys {}", quoted(keys, "and"));
    let place = Place { owner: &format!("`[{name}]`"), path: name.to_owned(), more: &more };
    conform::table(shape.fields(), table, &entry.key, &place, problems);
}

fn stages<'a>(document: &Node, top: &'a Table, problems: &mut Vec<Diagnostic>) -> &'a Table {
    let entry = top.get("stages");
    let stages = entry.and_then(|entry| entry.node.table()).unwrap_or(&NO_STAGES);
    if stages.is_empty() {
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

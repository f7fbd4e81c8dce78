//! How a stage is to be run: when, with what, how long, how often. Nothing of it identifies a result.
//!
//! Knows what the keys say, not who keeps to them.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::document::{Table, Value};
use super::quantity;

/// The keys of a stage that are about running it.
pub const KEYS: [&str; 4] = ["priority", "resources", "retries", "timeout"];

/// How a stage is to be run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Of stages that could start, those with the highest come first.
    pub priority: i64,
    /// What it takes while it runs.
    pub resources: Resources,
    /// How often it is tried again when it fails.
    pub retries: u32,
    /// How long it may take.
    pub timeout: Option<Duration>,
}

/// Cores and memory, as far as they are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Cores.
    pub cores: Option<usize>,
    /// Memory in bytes.
    pub memory: Option<u64>,
}

impl Schedule {
    /// What a stage's table says of it; keys that don't fit their schema count as left out.
    pub fn of(stage: &Table) -> Self {
        let resources = stage.get("resources").and_then(|entry| entry.node.table());
        let timeout = stage.get("timeout").and_then(|entry| entry.node.text());
        Self {
            priority: integer(stage, "priority").unwrap_or(0),
            resources: resources.map(Resources::of).unwrap_or_default(),
            retries: integer(stage, "retries").unwrap_or(0),
            timeout: timeout.and_then(|text| quantity::span(text).ok()),
        }
    }
}

impl Resources {
    /// What a table `resources` says.
    pub fn of(table: &Table) -> Self {
        let memory = match table.get("memory").map(|entry| &entry.node.value) {
            Some(Value::String(text)) => quantity::bytes(text).ok(),
            _ => integer(table, "memory"),
        };
        Self { cores: integer(table, "cores"), memory }
    }
}

fn integer<T: TryFrom<i64>>(table: &Table, key: &str) -> Option<T> {
    match table.get(key)?.node.value {
        Value::Integer(number) => T::try_from(number).ok(),
        _ => None,
    }
}

/// The schemas of [`KEYS`], by key.
pub(super) fn properties() -> Json {
    json!({
        "priority": {
            "type": "integer", "default": 0,
            "description": "Of stages that could start, those with the highest come first.",
        },
        "resources": with_doc(
            resources_schema("Cores that it keeps busy.", "Memory that it needs: \"4GB\", or a number of bytes."),
            "What it takes while it runs, held against what there is.",
        ),
        "retries": {
            "type": "integer", "minimum": 0, "maximum": 1000, "default": 0,
            "description": "How often it is tried again when it fails.",
        },
        "timeout": {
            "type": "string", "x-span": true, "default": null,
            "pattern": r"^\s*[0-9][0-9_.]*\s*(ms|s|m|min|h|d|w)\s*$",
            "description": "How long it may take: \"90s\", \"5m\", \"2h\"; then it is stopped and has failed.",
        },
    })
}

/// The schema of a table `resources`.
pub(super) fn resources_schema(cores: &str, memory: &str) -> Json {
    json!({ "type": "object", "additionalProperties": false, "default": null, "properties": {
        "cores": {
            "type": "integer", "minimum": 1, "maximum": 65_535, "default": null, "description": cores,
        },
        "memory": {
            "anyOf": [
                {
                    "type": "string", "x-size": true,
                    "pattern": r"^\s*[0-9][0-9_.]*\s*([bB]|[kKmMgGtT]([iI]?[bB])?)?\s*$",
                },
                { "type": "integer", "minimum": 1 },
            ],
            "default": null, "description": memory,
        },
    }})
}

fn with_doc(mut schema: Json, doc: &str) -> Json {
    schema["description"] = doc.into();
    schema
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Resources, Schedule};
    use crate::diagnostic::SourceText;
    use crate::pipeline::parse::parse;

    fn schedule(text: &str) -> Schedule {
        let source = Arc::new(SourceText::new("p.toml", text));
        Schedule::of(parse(&source).unwrap().table().unwrap())
    }

    #[test]
    fn what_is_not_said_is_left_to_the_engine() {
        assert_eq!(schedule(""), Schedule::default());
    }

    #[test]
    fn amounts_come_with_units_or_as_bytes() {
        let told =
            "priority = -3\nretries = 2\ntimeout = \"1.5m\"\nresources = { cores = 2, memory = \"4GB\" }\n";
        let resources = Resources { cores: Some(2), memory: Some(4_000_000_000) };
        let timeout = Some(Duration::from_secs(90));
        assert_eq!(schedule(told), Schedule { priority: -3, resources, retries: 2, timeout });
        assert_eq!(schedule("resources.memory = 4096").resources.memory, Some(4096));
    }
}

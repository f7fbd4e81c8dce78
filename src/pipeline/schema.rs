//! The language as a JSON Schema (draft 2020-12): what an editor needs to complete and check a pipeline.
//!
//! Made from the schemas that `shape` reads, so it asks for the same keys, types and ranges. Doesn't know
//! what goes beyond one stage: references, cycles, rules between parameters.

use serde_json::{Map, Value as Json, json};

use super::layers::TABLES;
use super::{draft, head, remote, shape};
use crate::stage::Kind;

/// The schema of the document format.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A date, with a time or without, as TOML writes them.
const MOMENT: &str = r"^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:\d{2})?)?$";

/// The schema of a pipeline file, with the kinds of a registry.
///
/// What a file must have is asked of those that extend no other; the file below may bring it.
pub fn language(registry: &[Kind]) -> Json {
    let mut definitions = Map::new();
    let stages: Vec<_> = registry.iter().map(|kind| (kind, stage_of(kind))).collect();
    definitions.insert("stage".to_owned(), stage(&stages));
    definitions.insert("whole_stage".to_owned(), whole_stage(&stages));
    for (kind, schema) in stages {
        definitions.insert(kind.name.to_owned(), without_required(schema));
    }
    let sweep = plain(&head::sweep_schema());
    let remote = plain(&remote::schema());
    let whole = open(json!({
        "required": ["stages"],
        "properties": {
            "stages": { "minProperties": 1, "additionalProperties": reference("whole_stage") },
            "sweep": open(json!({
                "required": sweep["required"],
                "if": { "required": ["objectives"] },
                "else": open(json!({ "required": ["objective"] })),
            })),
            "remote": open(json!({ "required": remote["required"] })),
        },
    }));
    json!({
        "$schema": DRAFT,
        "title": "A pipeline of custem",
        "type": "object",
        "properties": {
            "extends": {
                "type": "string", "minLength": 1,
                "description": "Another pipeline file that this one is laid over, from this file's folder.",
            },
            "pipeline": closed(plain(&head::pipeline_schema()), "The pipeline's name and seed."),
            "resources": closed(plain(&head::resources_schema()), "What the stages may take together."),
            "stages": {
                "type": "object",
                "description": "The stages by name, in any order.",
                "propertyNames": stage_names(),
                "additionalProperties": reference("stage"),
            },
            "sweep": swept(closed(without_required(sweep), "A grid of values that are all tried.")),
            "remote": shared(closed(without_required(remote), "Where results are shared.")),
        },
        "additionalProperties": false,
        "if": { "required": ["extends"] },
        "else": whole,
        "$defs": definitions,
    })
}

fn reference(definition: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{definition}") })
}

/// Names that a stage may have.
fn stage_names() -> Json {
    json!({ "pattern": r"^[\p{Alphabetic}\p{N}_-]+$", "not": { "enum": TABLES } })
}

/// A table that takes no other keys.
fn closed(mut table: Json, doc: &str) -> Json {
    table["description"] = doc.into();
    table["additionalProperties"] = false.into();
    table
}

/// A table of which other parts of the schema say what keys it takes. Left unsaid, some editors take it for
/// a table without keys.
fn open(mut table: Json) -> Json {
    table["additionalProperties"] = true.into();
    table
}

/// The table `[sweep]` with what its keys look like.
fn swept(mut sweep: Json) -> Json {
    let axes = &mut sweep["properties"]["axes"];
    axes["propertyNames"] = json!({ "pattern": r"^[^.]+\..+$" });
    let (mut list, range) =
        (axes["additionalProperties"]["anyOf"][0].take(), axes["additionalProperties"]["anyOf"][1].take());
    list["uniqueItems"] = true.into();
    // The conditions refuse what is wrong; `anyOf` is for editors, as in `stage`.
    axes["additionalProperties"] = json!({
        "type": ["array", "object"],
        "if": { "type": "array" }, "then": list, "else": range,
        "anyOf": [list, range, true],
    });
    sweep["properties"]["objective"]["pattern"] = r"^[^.]+\..+$".into();
    sweep
}

/// The table `[remote]`, whose URL has no user and no query.
fn shared(mut remote: Json) -> Json {
    remote["properties"]["url"]["minLength"] = 1.into();
    remote["properties"]["url"]["not"] = json!({ "type": "string", "pattern": r"://([^/]*@|.*\?)" });
    remote
}

/// The keys of a kind with those that every stage has.
fn stage_of(kind: &Kind) -> Json {
    let mut schema = plain((kind.schema)().as_value());
    let common = plain(&draft::common_schema());
    for (key, value) in common["properties"].as_object().into_iter().flatten() {
        schema["properties"][key] = value.clone();
    }
    schema["properties"]["kind"] = json!({ "const": kind.name, "description": schema["description"] });
    schema["title"] = format!("A stage of kind {}", kind.name).into();
    schema["additionalProperties"] = false.into();
    schema
}

/// A stage: its kind, and by that its keys.
///
/// The conditions refuse what is wrong, each at its place. `anyOf` refuses nothing: it is for editors, which
/// look for keys to complete and explain there and not behind conditions.
fn stage(stages: &[(&Kind, Json)]) -> Json {
    let kinds: Vec<_> = stages.iter().map(|(kind, _)| kind.name).collect();
    let lines = stages.iter().map(|(kind, schema)| line(kind.name, text(schema, "description")));
    let doc = format!("What the stage does.\n\n{}", lines.collect::<String>());
    let keys = stages.iter().map(|(kind, _)| when(kind, &reference(kind.name)));
    let any = kinds.iter().map(|kind| reference(kind)).chain([true.into()]);
    open(json!({
        "type": "object",
        "properties": { "kind": { "enum": kinds, "description": doc.trim_end() } },
        "allOf": keys.collect::<Vec<_>>(),
        "anyOf": any.collect::<Vec<_>>(),
    }))
}

/// What a stage must have that no other file brings.
fn whole_stage(stages: &[(&Kind, Json)]) -> Json {
    let needed = |(kind, schema): &(&Kind, Json)| {
        let keys = schema.get("required")?;
        Some(when(kind, &open(json!({ "required": keys }))))
    };
    open(json!({ "required": ["kind"], "allOf": stages.iter().filter_map(needed).collect::<Vec<_>>() }))
}

/// What holds for stages of one kind.
fn when(kind: &Kind, then: &Json) -> Json {
    json!({ "if": { "properties": { "kind": { "const": kind.name } }, "required": ["kind"] }, "then": then })
}

fn without_required(mut schema: Json) -> Json {
    schema.as_object_mut().map(|schema| schema.remove("required"));
    schema
}

fn text<'a>(schema: &'a Json, key: &str) -> &'a str {
    schema.get(key).and_then(Json::as_str).unwrap_or_default()
}

/// A word with the first line of what it means, as an item of a list.
fn line(word: &str, doc: &str) -> String {
    format!("- `{word}`: {}\n", doc.lines().next().unwrap_or_default())
}

/// The schema of a parameter struct as others understand it, without `null`, which TOML doesn't have.
fn plain(schema: &Json) -> Json {
    let Json::Object(schema) = schema else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in schema {
        match key.as_str() {
            "anyOf" | "oneOf" => options(key, value, &mut out),
            "type" => drop(out.insert(key.clone(), without_null(value))),
            "format" => bounds(value.as_str().unwrap_or_default(), &mut out),
            "properties" => properties(value, &mut out),
            "items" | "additionalProperties" => drop(out.insert(key.clone(), plain(value))),
            "default" if value.is_null() => {}
            "title" | "x-ref" | "x-required" | "x-span" | "x-size" => {}
            _ => drop(out.insert(key.clone(), value.clone())),
        }
    }
    if schema.contains_key("x-ref") {
        out.insert("minLength".to_owned(), 1.into());
    }
    let words = words(schema);
    // What it means where it is used says more than what its type means.
    if let Some(doc) = schema.get("description").and_then(Json::as_str) {
        out.insert("description".to_owned(), format!("{doc}\n\n{words}").trim_end().into());
    } else if !words.is_empty() && !out.contains_key("description") {
        out.insert("description".to_owned(), words.trim_end().into());
    }
    Json::Object(out)
}

/// What each word of a choice means, as a list.
fn words(schema: &Map<String, Json>) -> String {
    let options = schema.get("anyOf").or(schema.get("oneOf")).and_then(Json::as_array);
    let of_option = |option: &Json| match option.get("const").and_then(Json::as_str) {
        Some(word) => line(word, text(option, "description")),
        None => option.as_object().map(words).unwrap_or_default(),
    };
    options.into_iter().flatten().map(of_option).collect()
}

/// A type beside `null` is the type.
fn without_null(types: &Json) -> Json {
    let others: Vec<_> = types.as_array().into_iter().flatten().filter(|word| *word != "null").collect();
    if let [one] = others.as_slice() { (*one).clone() } else { types.clone() }
}

/// Formats of numbers are bounds; a TOML date is text when it is checked.
fn bounds(format: &str, out: &mut Map<String, Json>) {
    match format {
        "date" => drop(out.insert("format".to_owned(), format.into())),
        "date-time" => drop(out.insert("pattern".to_owned(), MOMENT.into())),
        _ => {
            let bound = shape::largest(format).filter(|_| !out.contains_key("maximum"));
            out.extend(bound.map(|bound| ("maximum".to_owned(), bound.into())));
        }
    }
}

fn properties(properties: &Json, out: &mut Map<String, Json>) {
    let mut keys = Map::new();
    let mut required: Vec<Json> =
        out.remove("required").and_then(|keys| keys.as_array().cloned()).unwrap_or_default();
    for (key, schema) in properties.as_object().into_iter().flatten() {
        let mut plain = plain(schema);
        if shape::is_required(schema) {
            required.push(key.clone().into());
            plain.as_object_mut().map(|schema| schema.remove("default"));
        }
        keys.insert(key.clone(), plain);
    }
    out.insert("properties".to_owned(), keys.into());
    if !required.is_empty() {
        out.insert("required".to_owned(), required.into());
    }
}

/// Options without `null`: a list of words, one option alone, or several.
fn options(key: &str, options: &Json, out: &mut Map<String, Json>) {
    let options = options.as_array().into_iter().flatten();
    let options: Vec<_> = options.filter(|option| text(option, "type") != "null").map(plain).collect();
    let words: Vec<_> = options.iter().filter_map(|option| option.get("const")).collect();
    if words.len() == options.len() {
        out.insert("enum".to_owned(), json!(words));
    } else if let [one] = options.as_slice() {
        out.extend(one.as_object().cloned().into_iter().flatten());
    } else {
        out.insert(key.to_owned(), options.into());
    }
}

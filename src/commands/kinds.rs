//! `custem kinds`: the kinds there are, and the parameters of one, from the registry.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::cli;
use crate::diagnostic::{Diagnostic, Problems, did_you_mean, plural};
use crate::pipeline::common_fields;
use crate::pipeline::shape::{Field, Shape};
use crate::stage::{Kind, Port};
use crate::stages::KINDS;

pub fn kinds(flags: &cli::Kinds) -> Result<ExitCode> {
    let chosen: Vec<&Kind> = match &flags.kind {
        None => KINDS.iter().collect(),
        Some(name) => vec![find(name)?],
    };
    if flags.json {
        let list: Vec<_> = chosen.iter().map(|kind| to_json(kind)).collect();
        anstream::println!("{:#}", Json::Array(list));
    } else if let (Some(_), [kind]) = (&flags.kind, chosen.as_slice()) {
        anstream::print!("{}", one(kind));
    } else {
        anstream::print!("{}", list(&chosen));
    }
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> Result<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let near = did_you_mean(name, KINDS.iter().map(|kind| kind.name));
        let hint =
            near.map_or("`custem kinds` lists them all".to_owned(), |near| format!("did you mean `{near}`?"));
        Problems::from(Diagnostic::error(format!("there is no kind `{name}`")).hint(hint)).into()
    })
}

fn doc(kind: &Kind) -> String {
    (kind.schema)().get("description").and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn fields(kind: &Kind) -> Vec<Field> {
    let mut fields = Shape::of((kind.schema)().as_value()).fields().to_vec();
    fields.extend(common_fields().into_iter().filter(|field| field.name != "kind"));
    fields
}

fn list(kinds: &[&Kind]) -> String {
    let line = |kind: &&Kind| {
        let doc = doc(kind);
        let first = doc.lines().next().unwrap_or_default().trim_end_matches('.');
        format!("  {:11}  {first}\n", kind.name)
    };
    let lines: String = kinds.iter().map(line).collect();
    format!("{}\n{lines}`custem kinds KIND` lists a kind's parameters\n", plural(kinds.len(), "kind"))
}

fn one(kind: &Kind) -> String {
    let mut text = format!("kind = \"{}\" (version {})\n{}\n\n", kind.name, kind.version, doc(kind));
    for field in fields(kind) {
        text += &format!("  {} = {}\n", field.name, value(&field));
        for line in field.doc.lines() {
            text += &format!("      {line}\n");
        }
    }
    text += "\noutputs, the main one first\n";
    for port in outputs(kind) {
        text += &format!("  {}   {}\n      {}\n", port.name, port.ty.name(), port.doc);
    }
    text
}

/// The outputs that a stage has as long as its parameters don't say otherwise.
fn outputs(kind: &Kind) -> Vec<Port> {
    let declared = (kind.build)(toml::Table::new()).map(|stage| stage.gives()).unwrap_or_default();
    declared.into_iter().chain([Port::metrics()]).collect()
}

/// A default as one would write it into a pipeline.
fn spelled(field: &Field) -> String {
    match (&field.shape, &field.default) {
        (Shape::Date, Json::String(date)) => date.clone(),
        (_, default) => {
            toml::Value::try_from(default).map_or_else(|_| default.to_string(), |value| value.to_string())
        }
    }
}

/// The default where there is one, then what is allowed.
fn value(field: &Field) -> String {
    let allowed = match &field.shape {
        Shape::Integer(bounds) | Shape::Number(bounds) if *bounds != Default::default() => {
            format!("{}, {}", field.shape.describe(), bounds.describe())
        }
        shape => shape.describe(),
    };
    match &field.default {
        _ if field.required => format!("...   required, {allowed}"),
        Json::Null => format!("...   {allowed}"),
        _ => format!("{}   {allowed}", spelled(field)),
    }
}

fn to_json(kind: &Kind) -> Json {
    let parameter = |field: &Field| {
        let (min, max) = match &field.shape {
            Shape::Integer(bounds) | Shape::Number(bounds) => (bounds.min, bounds.max),
            _ => (None, None),
        };
        let choices = match &field.shape {
            Shape::Choice(words) => json!(words),
            _ => Json::Null,
        };
        json!({
            "name": field.name, "type": field.shape.describe(), "required": field.required,
            "default": field.default, "min": min, "max": max, "choices": choices, "doc": field.doc,
        })
    };
    let output = |port: &Port| json!({ "name": port.name, "type": port.ty, "doc": port.doc });
    json!({
        "kind": kind.name, "version": kind.version, "layer": kind.layer, "seeded": kind.seeded, "doc": doc(kind),
        "parameters": fields(kind).iter().map(parameter).collect::<Vec<_>>(),
        "outputs": outputs(kind).iter().map(output).collect::<Vec<_>>(),
    })
}

//! `custem kinds`: the kinds there are, and the parameters of one, from the registry.

mod markdown;

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::cli;
use crate::diagnostic::{Diagnostic, Problems, did_you_mean, plural};
use crate::pipeline::shape::{Field, Shape};
use crate::pipeline::{common_fields, schedule};
use crate::present::terminal::{columns, print, wrap};
use crate::stage::{Kind, MetricName, Port};
use crate::stages::KINDS;

pub fn kinds(flags: &cli::Kinds) -> Result<ExitCode> {
    let chosen: Vec<&Kind> = match &flags.kind {
        None => KINDS.iter().collect(),
        Some(name) => vec![find(name)?],
    };
    if flags.json {
        let list: Vec<_> = chosen.iter().map(|kind| to_json(kind)).collect();
        print(format_args!("{:#}\n", Json::Array(list)))?;
    } else if flags.markdown {
        print(format_args!("{}", markdown::page(&chosen)))?;
    } else if let (Some(_), [kind]) = (&flags.kind, chosen.as_slice()) {
        print(format_args!("{}", one(kind, columns())))?;
    } else {
        print(format_args!("{}", list(&chosen)))?;
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
    let own = Shape::of((kind.schema)().as_value()).fields().to_vec();
    let common = common_fields().into_iter().filter(|field| !is_about_running(field));
    let common = common.filter(|field| field.name != "kind" && (field.name != "seed" || kind.seeded));
    own.into_iter().chain(common).collect()
}

/// The keys that say how any stage is run.
fn running() -> Vec<Field> {
    common_fields().into_iter().filter(is_about_running).collect()
}

fn is_about_running(field: &Field) -> bool {
    schedule::KEYS.contains(&field.name.as_str())
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

fn one(kind: &Kind, columns: usize) -> String {
    let mut text = format!("kind = \"{}\" (version {})\n", kind.name, kind.version);
    text += &set(&doc(kind), 0, columns);
    text.push('\n');
    let mut shortened = false;
    for field in fields(kind) {
        text += &parameter(&field, 2, columns, &mut shortened);
    }
    text += "\nhow it is run, which its outputs don't depend on\n";
    for field in running() {
        text += &parameter(&field, 2, columns, &mut shortened);
    }
    if shortened {
        text += &format!("\n  `custem kinds {} --json` has the defaults in full\n", kind.name);
    }
    text += "\noutputs, the main one first\n";
    for port in outputs(kind) {
        text += &format!("  {}   {}\n{}", port.name, port.ty.name(), set(port.doc, 6, columns));
    }
    text + &measures(kind, columns)
}

/// A text behind a margin, in lines that end before a column.
fn set(text: &str, margin: usize, columns: usize) -> String {
    let lines = wrap(text, columns.saturating_sub(margin)).into_iter();
    lines.map(|line| format!("{:margin$}{line}", "").trim_end().to_owned() + "\n").collect()
}

/// A parameter with what it takes and means, and the keys of the tables in it below.
fn parameter(field: &Field, indent: usize, columns: usize, shortened: &mut bool) -> String {
    let mut text = format!("{:indent$}{} = {}\n", "", field.name, value(field, shortened));
    text += &set(&field.doc, indent + 4, columns);
    for inner in field.shape.inner() {
        text += &parameter(inner, indent + 4, columns, shortened);
    }
    text
}

/// The metrics that a stage may give, for `[sweep]`, `runs show` and the port `metrics`.
fn measures(kind: &Kind, columns: usize) -> String {
    let metrics = metrics(kind);
    if metrics.is_empty() {
        return String::new();
    }
    let width = metrics.iter().map(|metric| metric.name.len()).max().unwrap_or(0);
    let line = |metric: &MetricName| {
        let doc = set(metric.doc, width + 5, columns);
        format!("  {:width$}   {}", metric.name, doc.trim_start())
    };
    let lines: String = metrics.iter().map(line).collect();
    format!("\nmetrics, numbers on the port `metrics`\n{lines}")
}

/// The metrics of a stage whose parameters are all left to their defaults.
fn metrics(kind: &Kind) -> Vec<MetricName> {
    (kind.build)(toml::Table::new()).map(|stage| stage.metrics()).unwrap_or_default()
}

/// The outputs that a stage has as long as its parameters don't say otherwise.
fn outputs(kind: &Kind) -> Vec<Port> {
    let declared = (kind.build)(toml::Table::new()).map(|stage| stage.gives()).unwrap_or_default();
    declared.into_iter().chain([Port::metrics()]).collect()
}

/// The longest default that is shown whole.
const LONGEST: usize = 72;

/// A default as one would write it; the start of a long one.
fn spelled(field: &Field, shortened: &mut bool) -> Option<String> {
    let whole = field.spelled()?;
    if whole.chars().count() <= LONGEST {
        return Some(whole);
    }
    *shortened = true;
    let (start, end) = match whole.chars().next() {
        Some('[') => ("[", "]"),
        _ => ("{", "}"),
    };
    // Whole entries up to the limit; of a list of tables, none.
    let cut: String = whole.chars().take(LONGEST).collect();
    let kept = cut.rsplit_once(", ").map_or("", |(kept, _)| kept);
    let whole_entries = kept.matches(['[', '{']).count() == 1 + kept.matches([']', '}']).count();
    Some(if whole_entries { format!("{kept}, … {end}") } else { format!("{start} … {end}") })
}

/// The default where there is one, then what is allowed.
fn value(field: &Field, shortened: &mut bool) -> String {
    let allowed = takes(field);
    match spelled(field, shortened) {
        _ if field.required => format!("...   required, {allowed}"),
        None => format!("...   {allowed}"),
        Some(default) => format!("{default}   {allowed}"),
    }
}

/// What is allowed, with its bounds.
fn takes(field: &Field) -> String {
    match &field.shape {
        Shape::Integer(bounds) | Shape::Number(bounds) if *bounds != Default::default() => {
            format!("{}, {}", field.shape.describe(), bounds.describe())
        }
        shape => shape.describe(),
    }
}

fn to_json(kind: &Kind) -> Json {
    let output = |port: &Port| json!({ "name": port.name, "type": port.ty, "doc": port.doc });
    let metric = |metric: &MetricName| json!({ "name": metric.name, "doc": metric.doc });
    json!({
        "kind": kind.name, "version": kind.version, "layer": kind.layer, "seeded": kind.seeded, "doc": doc(kind),
        "parameters": fields(kind).iter().chain(&running()).map(parameter_json).collect::<Vec<_>>(),
        "outputs": outputs(kind).iter().map(output).collect::<Vec<_>>(),
        "metrics": metrics(kind).iter().map(metric).collect::<Vec<_>>(),
    })
}

fn parameter_json(field: &Field) -> Json {
    let (min, max) = match &field.shape {
        Shape::Integer(bounds) | Shape::Number(bounds) => (bounds.min, bounds.max),
        _ => (None, None),
    };
    let choices = match &field.shape {
        Shape::Choice(words) => json!(words),
        _ => Json::Null,
    };
    // The words stand in `choices`.
    let ty = if choices.is_null() { field.shape.describe() } else { "text".to_owned() };
    json!({
        "name": field.name, "type": ty, "required": field.required,
        "default": field.default, "min": min, "max": max, "choices": choices, "doc": field.doc,
        "keys": field.shape.inner().into_iter().map(parameter_json).collect::<Vec<_>>(),
    })
}

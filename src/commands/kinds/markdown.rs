//! All kinds as one page of Markdown: `docs/kinds.md`.

use super::{doc, fields, metrics, outputs, running, spelled, takes};
use crate::pipeline::shape::{Field, Shape};
use crate::stage::Kind;

const START: &str = "# Kinds of stages\n\n\
    Made by `custem kinds --markdown` from the parameter structs; `custem kinds KIND` prints the same on a terminal.\n\
    Every stage has `kind`; `save` and, where chance plays a part, `seed` are listed with each kind. [Every\n\
    stage](#every-stage) takes those too that say how it is run. What is set off with a dot is a key of a table\n\
    (`scan.from`), with `[]` a key of each table in a list (`rules[].column`).\n\n";

const EVERY: &str =
    "\n## Every stage\n\nHow a stage is run, which its outputs don't depend on: docs/scheduling.md.\n\n";

const KEYS: &str = "| key | takes | default | what it means |\n|---|---|---|---|\n";

/// The page.
pub fn page(kinds: &[&Kind]) -> String {
    let line = |kind: &&Kind| {
        let first = doc(kind);
        let first = first.lines().next().unwrap_or_default().trim_end_matches('.');
        format!("| [`{0}`](#{0}) | {1} | {2} |\n", kind.name, layer(kind), cell(first))
    };
    let list: String = kinds.iter().map(line).collect();
    let sections: String = kinds.iter().map(|kind| section(kind)).collect();
    let running: String = running().iter().map(|field| rows(field, "")).collect();
    format!("{START}| kind | layer | what it does |\n|---|---|---|\n{list}{EVERY}{KEYS}{running}{sections}")
}

fn layer(kind: &Kind) -> String {
    serde_json::to_value(kind.layer)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn section(kind: &Kind) -> String {
    let mut text = format!("\n## {}\n\nVersion {}. {}\n\n", kind.name, kind.version, doc(kind));
    text += KEYS;
    for field in fields(kind) {
        text += &rows(&field, "");
    }
    text += "\n| output | type | what it holds |\n|---|---|---|\n";
    for port in outputs(kind) {
        text += &format!("| `{}` | {} | {} |\n", port.name, port.ty.name(), cell(port.doc));
    }
    let metrics = metrics(kind);
    if !metrics.is_empty() {
        text += "\n| metric | what it measures |\n|---|---|\n";
    }
    metrics.iter().for_each(|metric| text += &format!("| `{}` | {} |\n", metric.name, cell(metric.doc)));
    text
}

/// A key and, below it, those of the tables in it.
fn rows(field: &Field, above: &str) -> String {
    let name = format!("{above}{}", field.name);
    let default = match spelled(field, &mut false) {
        _ if field.required => "*required*".to_owned(),
        Some(default) => format!("`{}`", cell(&default)),
        None => String::new(),
    };
    let mut text = format!("| `{name}` | {} | {default} | {} |\n", cell(&takes(field)), cell(&field.doc));
    let step = if matches!(field.shape, Shape::List(..)) { "[]." } else { "." };
    for inner in field.shape.inner() {
        text += &rows(inner, &format!("{name}{step}"));
    }
    text
}

/// Text as it may stand in a table.
fn cell(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

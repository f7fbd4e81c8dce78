//! A sweep given on the command line: laid over the table `[sweep]` before it is read.

use std::sync::Arc;

use super::super::document::{Entry, Node, Table, Value};
use super::super::{layers, parse};
use crate::diagnostic::{Diagnostic, Location, SourceText, shown};

/// A flag of `custem sweep` with what was given to it.
#[derive(Clone, Debug)]
pub struct Flag {
    /// Its name: `--axis`.
    pub name: &'static str,
    /// What was given.
    pub text: String,
}

/// The keys of `[sweep]` that take text as it is given.
const TEXTS: [(&str, &str); 5] = [
    ("--objective", "objective"),
    ("--goal", "goal"),
    ("--strategy", "strategy"),
    ("--max-time", "max_time"),
    ("--best", "best"),
];

/// The keys of `[sweep]` that take a value of TOML.
const VALUES: [(&str, &str); 3] =
    [("--max-variants", "max_variants"), ("--repeat", "repeat"), ("--eta", "eta")];

/// Lays flags over the table `[sweep]`; what is wrong with any of them.
pub fn lay(document: &mut Node, flags: &[Flag]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let objectives = flags.iter().filter(|flag| flag.name == "--objective").count();
    for (number, flag) in flags.iter().enumerate() {
        let source = Arc::new(SourceText::new(flag.name, flag.text.clone()));
        let at = Location::new(&source, 0..flag.text.len());
        let text = Node { at: at.clone(), value: Value::String(flag.text.clone()) };
        let key = |keys: &[(&str, &'static str)]| {
            keys.iter().find(|(name, _)| *name == flag.name).map(|(_, key)| *key)
        };
        if matches!(flag.name, "--axis" | "--budget") {
            let table: &[&str] =
                if flag.name == "--axis" { &["sweep", "axes"] } else { &["sweep", "budget"] };
            problems.extend(axis(document, &source, table).err());
        } else if objectives > 1 && matches!(flag.name, "--objective" | "--goal") {
            if flag.name == "--objective" {
                objective(document, flags, number, &at, text);
            }
        } else if let Some(key) = key(&TEXTS) {
            drop_other(document, key);
            put(document, &["sweep", key], &at, text);
        } else if let Some(key) = key(&VALUES) {
            put(document, &["sweep", key], &at, parse::parse_value(&source, 0).unwrap_or(text));
        }
    }
    problems
}

/// One objective takes the place of several.
fn drop_other(document: &mut Node, key: &str) {
    if key == "objective"
        && let Value::Table(top) = &mut document.value
        && let Some(sweep) = Arc::make_mut(top).get_mut("sweep")
        && let Value::Table(sweep) = &mut sweep.node.value
    {
        Arc::make_mut(sweep).remove("objectives");
    }
}

/// Adds one of several objectives, with the goal that stands at its place among the goals.
fn objective(document: &mut Node, flags: &[Flag], number: usize, at: &Location, metric: Node) {
    let place = flags[..number].iter().filter(|flag| flag.name == "--objective").count();
    let goal = flags.iter().filter(|flag| flag.name == "--goal").nth(place);
    let mut table = Table::new();
    table.insert("metric".to_owned(), Entry::new(at.clone(), metric));
    if let Some(goal) = goal {
        let source = Arc::new(SourceText::new(goal.name, goal.text.clone()));
        let at = Location::new(&source, 0..goal.text.len());
        let node = Node { at: at.clone(), value: Value::String(goal.text.clone()) };
        table.insert("goal".to_owned(), Entry::new(at, node));
    }
    let mut items = match document.get("sweep.objectives").map(|list| &list.value) {
        Some(Value::Array(items)) if place > 0 => items.clone(),
        _ => Vec::new(),
    };
    items.push(Node { at: at.clone(), value: Value::Table(Arc::new(table)) });
    if let Value::Table(top) = &mut document.value
        && let Some(sweep) = Arc::make_mut(top).get_mut("sweep")
        && let Value::Table(sweep) = &mut sweep.node.value
    {
        Arc::make_mut(sweep).remove("objective");
        Arc::make_mut(sweep).remove("goal");
    }
    put(document, &["sweep", "objectives"], at, Node { at: at.clone(), value: Value::Array(items) });
}

fn put(document: &mut Node, steps: &[&str], key: &Location, value: Node) {
    let steps: Vec<_> = steps.iter().map(|step| (*step).to_owned()).collect();
    layers::put(document, &steps, key, value);
}

/// `STAGE.parameter=VALUES`: a range `2..10`, `2..10:2` or `0.001..1:log:5`, values with commas between them, or
/// what an axis is in a file.
fn axis(document: &mut Node, source: &Arc<SourceText>, table: &[&str]) -> Result<(), Diagnostic> {
    let text = &source.text;
    let name = &source.name;
    let Some((path, values)) = layers::assignment(text) else {
        return Err(Diagnostic::error(format!("`{name} {}` has no `=`", shown(text)))
            .at(&Location::new(source, 0..text.len()))
            .hint(format!("write `{name} STAGE.parameter=VALUES`, such as `{name} segments.k=2..10`")));
    };
    let start = text.len() - values.trim_start().len();
    let key = Location::new(source, 0..path.trim_end().len());
    let node = if text[start..].starts_with(['[', '{']) {
        parse::parse_value(source, start).ok_or_else(|| {
            Diagnostic::error(format!("`{}` isn't TOML", shown(&text[start..])))
                .at(&Location::new(source, start..text.len()))
                .hint("a list is `[2, 3, 4]`, a range `{ from = 2, to = 10 }`; the shell takes quotes away that aren't in quotes")
        })?
    } else {
        range(source, start).unwrap_or_else(|| list(source, start))
    };
    put(document, &[table, &[path.trim()]].concat(), &key, node);
    Ok(())
}

/// A stretch of a flag as a value: TOML where it is, else text.
fn item(source: &Arc<SourceText>, start: usize, end: usize) -> Node {
    let at = Location::new(source, start..end);
    let own = Arc::new(SourceText::new("", at.text().trim()));
    match parse::parse_value(&own, 0) {
        Some(node) => Node { at, value: node.value },
        None => Node { at, value: Value::String(own.text.to_string()) },
    }
}

/// `2..10`, `2..10:2` with a step, `0.001..1:log:5` with a count, `0..1:#5` with a count.
fn range(source: &Arc<SourceText>, start: usize) -> Option<Node> {
    let text = &source.text;
    let dots = start + text[start..].find("..")?;
    let end = text[dots..].find(':').map_or(text.len(), |colon| dots + colon);
    let (from, to) = (item(source, start, dots), item(source, dots + 2, end));
    let is_number = |node: &Node| matches!(node.value, Value::Integer(_) | Value::Float(_));
    if !is_number(&from) || !is_number(&to) {
        return None;
    }
    let mut table = Table::new();
    let mut insert = |key: &str, node: Node| table.insert(key.to_owned(), Entry::new(node.at.clone(), node));
    insert("from", from);
    insert("to", to);
    let (mut begin, mut log) = (end + 1, false);
    while begin <= text.len() {
        let stop = text[begin..].find(':').map_or(text.len(), |colon| begin + colon);
        match &text[begin..stop] {
            "log" => {
                log = true;
                insert("scale", item(source, begin, stop));
            }
            part if part.starts_with('#') => insert("count", item(source, begin + 1, stop)),
            _ => insert(if log { "count" } else { "step" }, item(source, begin, stop)),
        }
        begin = stop + 1;
    }
    Some(Node { at: Location::new(source, start..text.len()), value: Value::Table(Arc::new(table)) })
}

/// Values with commas between them.
fn list(source: &Arc<SourceText>, start: usize) -> Node {
    let text = &source.text;
    let mut items = Vec::new();
    let mut begin = start;
    for part in text[start..].split(',') {
        items.push(item(source, begin, begin + part.len()));
        begin += part.len() + 1;
    }
    Node { at: Location::new(source, start..text.len()), value: Value::Array(items) }
}

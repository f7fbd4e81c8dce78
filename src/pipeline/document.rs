//! A TOML document as a tree in which every key and value knows where it stands.
//!
//! Knows TOML and positions; doesn't know what any key means.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use crate::diagnostic::{Diagnostic, Location, SourceText};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// The stretch of text that it was read from.
    pub at: Location,
    /// The value.
    pub value: Value,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string.
    String(String),
    /// A 64-bit integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date, a time, or both.
    Datetime(Datetime),
    /// A list.
    Array(Vec<Node>),
    /// A table, in the order in which it is written; copies share it until one is changed.
    Table(Arc<Table>),
}

/// The entries of a table by key.
pub type Table = IndexMap<String, Entry>;

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key stands.
    pub key: Location,
    /// The value.
    pub node: Node,
    /// The value that it took the place of, when a flag or a file on top changed it.
    pub replaced: Option<Location>,
}

impl Entry {
    /// An entry that replaced nothing.
    pub fn new(key: Location, node: Node) -> Self {
        Self { key, node, replaced: None }
    }
}

impl Node {
    /// The entries, when this is a table.
    pub fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text, when this is a string.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The node at a dotted path (list items by number), or the nearest one above it.
    pub fn nearest(&self, path: &str) -> &Self {
        let mut node = self;
        for step in path.split('.') {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        node
    }

    /// The node at a dotted path.
    pub fn get(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, step| node.child(step))
    }

    fn child(&self, step: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(table) => table.get(step).map(|entry| &entry.node),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The kind of value for messages: `an integer`, `text`.
    pub fn type_name(&self) -> &'static str {
        match &self.value {
            Value::String(_) => "text",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "true/false",
            Value::Datetime(moment) => match (moment.date, moment.time) {
                (Some(_), None) => "a date",
                (Some(_), Some(_)) => "a date and time",
                (None, _) => "a time",
            },
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The plain TOML value, positions forgotten.
    pub fn to_toml(&self) -> toml::Value {
        match &self.value {
            Value::String(text) => toml::Value::String(text.clone()),
            Value::Integer(number) => toml::Value::Integer(*number),
            Value::Float(number) => toml::Value::Float(*number),
            Value::Boolean(truth) => toml::Value::Boolean(*truth),
            Value::Datetime(date) => toml::Value::Datetime(*date),
            Value::Array(items) => items.iter().map(Self::to_toml).collect::<Vec<_>>().into(),
            Value::Table(table) => toml::Value::Table(table_to_toml(table)),
        }
    }
}

/// The plain TOML table, positions forgotten.
pub fn table_to_toml(table: &Table) -> toml::Table {
    table.iter().map(|(key, entry)| (key.clone(), entry.node.to_toml())).collect()
}

/// Reads a text.
///
/// # Errors
/// Every syntax error in it.
pub fn parse(source: &Arc<SourceText>) -> Result<Node, Vec<Diagnostic>> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    let mut told = HashSet::new();
    let first = |error: &&toml::de::Error| told.insert((error.message().to_owned(), error.span()));
    let mut problems: Vec<_> = errors.iter().filter(first).map(|error| syntax(source, error)).collect();
    let node = Node {
        at: Location::new(source, 0..0),
        value: Value::Table(Arc::new(table(source, document.into_inner(), &mut problems))),
    };
    if problems.is_empty() { Ok(node) } else { Err(problems) }
}

/// Reads one value, such as the right side of `--set`; `None` when it isn't TOML.
pub fn parse_value(source: &Arc<SourceText>, start: usize) -> Option<Node> {
    let text = source.text.get(start..)?;
    let (value, errors) = DeValue::parse_recoverable(text);
    let mut problems = Vec::new();
    let mut node = convert(source, value, &mut problems);
    shift(&mut node, u32::try_from(start).unwrap_or(u32::MAX));
    node.at = Location::new(source, start..source.text.len());
    (errors.is_empty() && problems.is_empty()).then_some(node)
}

/// Moves a node with all in it: it was read from a part of its text.
fn shift(node: &mut Node, by: u32) {
    let shift_at = |at: &mut Location| (at.start, at.end) = (at.start + by, at.end + by);
    shift_at(&mut node.at);
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Value::Table(table) => {
            for entry in Arc::make_mut(table).values_mut() {
                shift_at(&mut entry.key);
                shift(&mut entry.node, by);
            }
        }
        _ => {}
    }
}

fn syntax(source: &Arc<SourceText>, error: &toml::de::Error) -> Diagnostic {
    let message = format!("this isn't TOML: {}", error.message());
    let problem = Diagnostic::error(message).hint(advice(error.message()));
    match error.span() {
        Some(span) => problem.at(&Location::new(source, span)),
        None => problem.at(&Location::new(source, 0..0)),
    }
}

/// What to do about a syntax error, by what the parser says of it.
fn advice(message: &str) -> &'static str {
    const LINE: &str =
        "a line is `key = value`, with text in quotes, lists in `[ ]` and dates bare: https://toml.io";
    const ADVICE: [(&[&str], &str); 10] = [
        (&["duplicate key"], "each key stands once in a table, and each table once in a file"),
        (
            &["values must be quoted"],
            "put text in quotes, as in `key = \"text\"`, and commas between the items of a list",
        ),
        (&["keys cannot", "unquoted key"], LINE),
        (
            &["unclosed table", "array table", "table open"],
            "a table's name stands in brackets on a line of its own: `[stages.segments]`",
        ),
        (
            &["inline table", "between key-value pairs"],
            "a table on one line stands in braces, with commas: `{ a = 1, b = 2 }`",
        ),
        (&["array"], "a list stands in brackets, with commas: `[1, 2, 3]`"),
        (&["boolean"], "write `true` or `false`, or put text in quotes"),
        (&["date", "time"], "a date is written as 2025-12-28, and must be one of the calendar"),
        (
            &["string", "quote", "escape", "unicode"],
            "text stands between two `\"` on one line; within, `\\\"` is a quote and `\\\\` a backslash",
        ),
        (
            &["radix", "zero", "sign", "digits", "number", "float", "mantissa"],
            "a number is written as 1000, 1_000 or 0.5; a date as 2025-12-28",
        ),
    ];
    let fits = |(words, _): &&(&[&str], &str)| words.iter().any(|word| message.contains(word));
    ADVICE.iter().find(fits).map_or(LINE, |(_, advice)| advice)
}

fn table(source: &Arc<SourceText>, table: DeTable<'_>, problems: &mut Vec<Diagnostic>) -> Table {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (Spanned<_>, _)| {
        let at = Location::new(source, key.span());
        let key: std::borrow::Cow<'_, str> = key.into_inner();
        (key.into_owned(), Entry::new(at, convert(source, value, problems)))
    };
    entries.into_iter().map(entry).collect()
}

fn convert(source: &Arc<SourceText>, value: Spanned<DeValue<'_>>, problems: &mut Vec<Diagnostic>) -> Node {
    let at = Location::new(source, value.span());
    let value = match value.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            // What it may be is known where its key is: `conform` refuses it there, among other mistakes.
            Err(_) => Value::Float(number.as_str().parse().unwrap_or(f64::INFINITY)),
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Boolean(truth),
        DeValue::Datetime(date) => Value::Datetime(date),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|item| convert(source, item, problems)).collect())
        }
        DeValue::Table(entries) => Value::Table(Arc::new(table(source, entries, problems))),
    };
    Node { at, value }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Value, parse};
    use crate::diagnostic::SourceText;

    fn source(text: &str) -> Arc<SourceText> {
        Arc::new(SourceText { name: "p.toml".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let source = source("[stages.a]\nk = 0x10\nlist = [1, 2.5]\n");
        let node = parse(&source).unwrap();
        let k = node.get("stages.a.k").unwrap();
        assert!(matches!(k.value, Value::Integer(16)));
        assert_eq!(k.at.line_column(), (2, 5));
        assert_eq!(node.get("stages.a.list.1").unwrap().at.line_column(), (3, 12));
        assert_eq!(node.nearest("stages.a.list.7").at.line_column(), (3, 8));
    }

    #[test]
    fn one_mistake_is_told_once() {
        let deep = format!("a = {}", "[".repeat(5000));
        let problems = parse(&source(&deep)).unwrap_err();
        let places: std::collections::BTreeSet<_> = problems
            .iter()
            .map(|problem| (problem.message.clone(), problem.at.as_ref().map(|at| at.start)))
            .collect();
        assert_eq!(places.len(), problems.len());
    }

    #[test]
    fn all_syntax_errors_are_reported() {
        let problems = parse(&source("a = \nb = 1\nc = [1,\n")).unwrap_err();
        assert!(problems.len() >= 2, "{problems:?}");
    }
}

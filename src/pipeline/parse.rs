//! From TOML text to a document, with every syntax error and what to do about it.
//!
//! Knows TOML; doesn't know what any key means.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Entry, Node, Table, Value};
use super::{pieces, plain};
use crate::diagnostic::{Diagnostic, Location, SourceText};

/// Reads a text.
///
/// # Errors
/// Every syntax error in it.
pub fn parse(source: &Arc<SourceText>) -> Result<Node, Vec<Diagnostic>> {
    let table = pieces::parse(source, pieces::LEAST).map_or_else(|| whole(source), Ok)?;
    Ok(Node { at: Location::new(source, 0..0), value: Value::Table(Arc::new(table)) })
}

/// Reads a text in one go.
///
/// # Errors
/// Every syntax error in it.
pub(super) fn whole(source: &Arc<SourceText>) -> Result<Table, Vec<Diagnostic>> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    let mut told = HashSet::new();
    let first = |error: &&toml::de::Error| told.insert((error.message().to_owned(), error.span()));
    let problems: Vec<_> = errors.iter().filter(first).map(|error| syntax(source, error)).collect();
    let reading = Reading { source, offset: 0 };
    let table = reading.table(document.into_inner());
    if problems.is_empty() { Ok(table) } else { Err(problems) }
}

/// Reads a text that is a piece of a source, from `offset` on; `None` when anything is wrong with it.
pub(super) fn piece(source: &Arc<SourceText>, text: &str, offset: usize) -> Option<Table> {
    if let Some(table) = plain::read(source, text, offset) {
        return Some(table);
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    let reading = Reading { source, offset };
    let table = reading.table(document.into_inner());
    errors.is_empty().then_some(table)
}

/// Reads one value, such as the right side of `--set`; `None` when it isn't TOML.
pub fn parse_value(source: &Arc<SourceText>, start: usize) -> Option<Node> {
    let text = source.text.get(start..)?;
    let (value, errors) = DeValue::parse_recoverable(text);
    let reading = Reading { source, offset: start };
    let mut node = reading.node(value);
    node.at = Location::new(source, start..source.text.len());
    errors.is_empty().then_some(node)
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

/// What the parser has read, on its way into a document.
struct Reading<'a> {
    source: &'a Arc<SourceText>,
    /// Where the text that was read starts in the source.
    offset: usize,
}

impl Reading<'_> {
    fn at(&self, span: std::ops::Range<usize>) -> Location {
        Location::new(self.source, span.start + self.offset..span.end + self.offset)
    }

    fn table(&self, table: DeTable<'_>) -> Table {
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries.into_iter().map(|(key, value)| self.entry(key, value)).collect()
    }

    fn entry(&self, key: Spanned<Cow<'_, str>>, value: Spanned<DeValue<'_>>) -> (String, Entry) {
        let at = self.at(key.span());
        (key.into_inner().into_owned(), Entry::new(at, self.node(value)))
    }

    fn node(&self, value: Spanned<DeValue<'_>>) -> Node {
        let at = self.at(value.span());
        let value = match value.into_inner() {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                // What it may be is known where its key is: `conform` refuses it there, among other mistakes.
                Err(_) => Value::Float(number.as_str().parse().unwrap_or(f64::INFINITY)),
            },
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(truth) => Value::Boolean(truth),
            DeValue::Datetime(date) => Value::Datetime(Box::new(date)),
            DeValue::Array(items) => Value::Array(items.into_iter().map(|item| self.node(item)).collect()),
            DeValue::Table(entries) => Value::Table(Arc::new(self.table(entries))),
        };
        Node { at, value }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::parse;
    use crate::diagnostic::SourceText;
    use crate::pipeline::document::Value;

    fn source(text: &str) -> Arc<SourceText> {
        Arc::new(SourceText::new("p.toml", text))
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

//! A TOML document as a tree in which every key and value knows where it stands.
//!
//! Knows positions; doesn't know how it came out of a text (`parse`), nor what any key means.

use std::sync::Arc;

use toml::value::Datetime;

pub use super::table::Table;
use crate::diagnostic::Location;

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
    Datetime(Box<Datetime>),
    /// A list.
    Array(Vec<Node>),
    /// A table, in the order in which it is written; copies share it until one is changed.
    Table(Arc<Table>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key stands.
    pub key: Location,
    /// The value.
    pub node: Node,
    /// The value that it took the place of, when a flag or a file on top changed it.
    pub replaced: Option<Box<Location>>,
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
            Value::Datetime(date) => toml::Value::Datetime(**date),
            Value::Array(items) => items.iter().map(Self::to_toml).collect::<Vec<_>>().into(),
            Value::Table(table) => toml::Value::Table(table_to_toml(table)),
        }
    }
}

/// Some entries of a table as a plain one; one after another, which for few is quicker than all at once.
pub fn plain<'a>(entries: impl Iterator<Item = (&'a String, &'a Entry)>) -> toml::Table {
    let mut plain = toml::Table::new();
    entries.for_each(|(key, entry)| drop(plain.insert(key.clone(), entry.node.to_toml())));
    plain
}

/// The plain TOML table, positions forgotten.
pub fn table_to_toml(table: &Table) -> toml::Table {
    plain(table.iter())
}

//! Holds a document against a shape and says everything that doesn't fit, each at its place.

use super::document::{Node, Table, Value};
use super::shape::{Bounds, Field, Shape};
use crate::diagnostic::{Diagnostic, Location, did_you_mean};

/// Where we are, for messages.
pub struct Place<'a> {
    /// What the table is called: ``stage `features` ``.
    pub owner: &'a str,
    /// The path so far: `features.rules.0`.
    pub path: String,
    /// Where to read on: `` `custem kinds features` lists all keys ``.
    pub more: &'a str,
}

impl Place<'_> {
    fn child(&self, step: impl std::fmt::Display) -> Self {
        let path = if self.path.is_empty() { step.to_string() } else { format!("{}.{step}", self.path) };
        Self { owner: self.owner, path, more: self.more }
    }
}

/// All that is wrong with a table of known keys.
pub fn table(
    fields: &[Field],
    table: &Table,
    header: &Location,
    place: &Place<'_>,
    problems: &mut Vec<Diagnostic>,
) {
    for (key, entry) in table {
        match fields.iter().find(|field| field.name == *key) {
            Some(field) => node(&field.shape, &entry.node, &place.child(key), problems),
            None => problems.push(unknown_key(key, &entry.key, fields, place)),
        }
    }
    for field in fields.iter().filter(|field| field.required && !table.contains_key(&field.name)) {
        let message = format!("{} lacks the key `{}`", place.owner, field.name);
        let hint = format!("add `{} = ...`, {}; {}", field.name, field.shape.describe(), place.more);
        problems.push(Diagnostic::error(message).at(header).hint(hint));
    }
}

fn unknown_key(key: &str, at: &Location, fields: &[Field], place: &Place<'_>) -> Diagnostic {
    let names = fields.iter().map(|field| field.name.as_str());
    let hint = match did_you_mean(key, names) {
        Some(near) => format!("did you mean `{near}`? {}", place.more),
        None => place.more.to_owned(),
    };
    Diagnostic::error(format!("unknown key `{key}` in {}", place.owner)).at(at).hint(hint)
}

/// All that is wrong with a value.
pub fn node(shape: &Shape, value: &Node, place: &Place<'_>, problems: &mut Vec<Diagnostic>) {
    match (shape, &value.value) {
        (Shape::Any, _)
        | (Shape::Boolean, Value::Boolean(_))
        | (Shape::Text | Shape::Reference, Value::String(_)) => {}
        (Shape::Date, Value::Datetime(date)) if date.date.is_some() => {}
        (Shape::Integer(bounds) | Shape::Number(bounds), Value::Integer(number)) => {
            #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
            within(*bounds, *number as f64, value, place, problems);
        }
        (Shape::Number(bounds), Value::Float(number)) => within(*bounds, *number, value, place, problems),
        (Shape::Choice(words), Value::String(word)) => choice(words, word, value, place, problems),
        (Shape::List(item, least), Value::Array(items)) => {
            if items.len() < *least {
                let message = format!("`{}` must have at least {least} items", place.path);
                problems.push(Diagnostic::error(message).at(&value.at));
            }
            for (at, child) in items.iter().enumerate() {
                node(item, child, &place.child(at), problems);
            }
        }
        (Shape::Map(item), Value::Table(entries)) => {
            for (key, entry) in entries {
                node(item, &entry.node, &place.child(key), problems);
            }
        }
        (Shape::Struct(fields), Value::Table(entries)) => {
            let owner = format!("`{}`", place.path);
            let inner = Place { owner: &owner, path: place.path.clone(), more: place.more };
            table(fields, entries, &value.at, &inner, problems);
        }
        (Shape::OneOf(shapes), _) => one_of(shapes, value, place, problems),
        _ => problems.push(wrong_type(&shape.describe(), value, place)),
    }
}

/// The references to stages in a value, as far as it fits its shape.
pub fn references<'a>(shape: &Shape, value: &'a Node, found: &mut Vec<&'a Node>) {
    match (shape, &value.value) {
        (Shape::Reference, Value::String(_)) => found.push(value),
        (Shape::List(item, _), Value::Array(items)) => {
            items.iter().for_each(|child| references(item, child, found));
        }
        (Shape::Map(item), Value::Table(entries)) => {
            entries.values().for_each(|entry| references(item, &entry.node, found));
        }
        (Shape::Struct(fields), Value::Table(entries)) => {
            for (key, entry) in entries {
                let field = fields.iter().find(|field| field.name == *key);
                field.into_iter().for_each(|field| references(&field.shape, &entry.node, found));
            }
        }
        (Shape::OneOf(shapes), _) => {
            shapes
                .iter()
                .filter(|shape| same_type(shape, value))
                .take(1)
                .for_each(|shape| references(shape, value, found));
        }
        _ => {}
    }
}

fn within(bounds: Bounds, number: f64, value: &Node, place: &Place<'_>, problems: &mut Vec<Diagnostic>) {
    if !bounds.hold(number) || number.is_nan() {
        let message = format!("`{}` must be {}, not {}", place.path, bounds.describe(), value.at.text());
        problems.push(Diagnostic::error(message).at(&value.at));
    }
}

fn choice(words: &[String], word: &str, value: &Node, place: &Place<'_>, problems: &mut Vec<Diagnostic>) {
    if words.iter().any(|known| known == word) {
        return;
    }
    let allowed = crate::diagnostic::quoted(words.iter().map(String::as_str), "or");
    let near = did_you_mean(word, words.iter().map(String::as_str));
    let message = format!("`{}` must be {allowed}, not `{word}`", place.path);
    let hint = near.map(|near| format!("did you mean `{near}`?"));
    problems.push(Diagnostic::error(message).at(&value.at).maybe_hint(hint));
}

/// The option of the value's own type explains best what is wrong with it.
fn one_of(shapes: &[Shape], value: &Node, place: &Place<'_>, problems: &mut Vec<Diagnostic>) {
    let mut nearest: Option<Vec<Diagnostic>> = None;
    for shape in shapes {
        let mut found = Vec::new();
        node(shape, value, place, &mut found);
        if found.is_empty() {
            return;
        }
        if same_type(shape, value) && nearest.is_none() {
            nearest = Some(found);
        }
    }
    let described = Shape::OneOf(shapes.to_vec()).describe();
    problems.extend(nearest.unwrap_or_else(|| vec![wrong_type(&described, value, place)]));
}

fn same_type(shape: &Shape, value: &Node) -> bool {
    matches!(
        (shape, &value.value),
        (Shape::Struct(_) | Shape::Map(_), Value::Table(_))
            | (Shape::List(..), Value::Array(_))
            | (Shape::Integer(_) | Shape::Number(_), Value::Integer(_) | Value::Float(_))
            | (Shape::Choice(_), Value::String(_))
    )
}

fn wrong_type(expected: &str, value: &Node, place: &Place<'_>) -> Diagnostic {
    let message = format!("`{}` must be {expected}, not {}", place.path, value.type_name());
    Diagnostic::error(message).at(&value.at)
}

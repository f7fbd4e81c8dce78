//! Holds a document against a shape and says everything that doesn't fit, each at its place.

use std::sync::Arc;

use super::document::{Node, Table, Value};
use super::parse;
use super::quantity;
use super::shape::{Bounds, Field, Shape};
use crate::diagnostic::{Diagnostic, Location, SourceText, did_you_mean, plural, shown};

/// Where we are, for messages: nothing of it is put into words before there is something to say.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// What the table is called; by its path where it has no other name.
    pub owner: Owner<'a>,
    /// The place above, where this is not the first one.
    above: Option<&'a Place<'a>>,
    /// The step from there: a key or the number of an item; all of the path in the first place.
    step: Step<'a>,
    /// Where to find other keys: `` `custem kinds features` lists all keys ``.
    pub more: &'a str,
    /// Where to read about a key: `` `custem kinds features` says what it does ``.
    pub about: &'a str,
    /// The key that we are at.
    pub field: Option<&'a Field>,
}

/// What a table is called.
#[derive(Clone, Copy)]
pub enum Owner<'a> {
    /// The stage of this name.
    Stage(&'a str),
    /// The table at the top with this name.
    Table(&'a str),
    /// Its path.
    Path,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

impl<'a> Place<'a> {
    /// The first place, at a path; `more` says where to find other keys, `about` where to read about a key.
    pub fn new(owner: Owner<'a>, path: &'a str, more: &'a str, about: &'a str) -> Self {
        Self { owner, above: None, step: Step::Key(path), more, about, field: None }
    }

    /// The same place, which is that of a key.
    pub fn of(self, field: &'a Field) -> Self {
        Self { field: Some(field), ..self }
    }

    fn child<'b>(&'b self, step: Step<'b>) -> Place<'b> {
        Place { above: Some(self), step, field: None, ..*self }
    }

    fn at<'b>(&'b self, field: &'b Field) -> Place<'b> {
        self.child(Step::Key(&field.name)).of(field)
    }

    /// The path so far: `features.rules.0`.
    fn path(&self) -> String {
        let mut path = self.above.map(Place::path).unwrap_or_default();
        if !path.is_empty() {
            path.push('.');
        }
        match self.step {
            Step::Key(key) if self.above.is_some() && key.contains('.') => {
                path.push_str(&format!("\"{key}\""))
            }
            Step::Key(key) => path.push_str(key),
            Step::Item(at) => path.push_str(&at.to_string()),
        }
        path
    }

    /// What the table is called: ``stage `features` ``.
    fn owner(&self) -> String {
        match self.owner {
            Owner::Stage(name) => format!("stage `{name}`"),
            Owner::Table(name) => format!("`[{name}]`"),
            Owner::Path => format!("`{}`", self.path()),
        }
    }

    /// What there is to do about a value that doesn't fit.
    fn advice(&self) -> String {
        let optional = self.field.filter(|field| !field.required);
        match optional.and_then(Field::spelled).filter(|default| default.len() <= 20) {
            Some(default) => format!("its default is {default}; {}", self.about),
            None => self.about.to_owned(),
        }
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
            Some(field) => node(&field.shape, &entry.node, &place.at(field), problems),
            None => problems.push(unknown_key(key, &entry.key, fields, place)),
        }
    }
    for field in fields.iter().filter(|field| field.required && !table.contains_key(&field.name)) {
        let message = format!("{} lacks the key `{}`", place.owner(), field.name);
        let hint = format!("add `{} = ...`, {}; {}", field.name, field.shape.describe(), place.more);
        problems.push(Diagnostic::error(message).at(header).hint(hint));
    }
}

fn unknown_key(key: &str, at: &Location, fields: &[Field], place: &Place<'_>) -> Diagnostic {
    let names = fields.iter().map(|field| field.name.as_str());
    let hint = match did_you_mean(key, names) {
        _ if key == "extends" => "`extends` stands at the top of the file, before the first table".to_owned(),
        Some(near) => format!("did you mean `{near}`? {}", place.more),
        None => place.more.to_owned(),
    };
    Diagnostic::error(format!("unknown key `{}` in {}", shown(key), place.owner())).at(at).hint(hint)
}

/// Whether nothing is wrong with a value.
pub fn fits(shape: &Shape, value: &Node) -> bool {
    let nowhere = Place::new(Owner::Path, "", "", "");
    let mut problems = Vec::new();
    node(shape, value, &nowhere, &mut problems);
    problems.is_empty()
}

/// All that is wrong with a value.
pub fn node(shape: &Shape, value: &Node, place: &Place<'_>, problems: &mut Vec<Diagnostic>) {
    match (shape, &value.value) {
        (_, Value::Float(number)) if is_large(*number) && is_whole(value.at.text()) => {
            let problem = Diagnostic::error("this integer does not fit into 64 bits").at(&value.at);
            problems.push(problem.hint("integers go up to 9223372036854775807"));
        }
        (Shape::Any, _)
        | (Shape::Boolean, Value::Boolean(_))
        | (Shape::Text | Shape::Reference, Value::String(_)) => {}
        (Shape::Date, Value::Datetime(date)) if date.date.is_some() && date.time.is_none() => {}
        (Shape::Moment, Value::Datetime(moment)) if moment.date.is_some() => {}
        (Shape::Integer(bounds) | Shape::Number(bounds), Value::Integer(number)) => {
            #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
            within(*bounds, *number as f64, value, place, problems);
        }
        (Shape::Number(bounds), Value::Float(number)) => within(*bounds, *number, value, place, problems),
        (Shape::Span, Value::String(text)) => {
            amount(quantity::span(text).is_ok_and(|span| !span.is_zero()), shape, value, place, problems);
        }
        (Shape::Size, Value::String(text)) => {
            amount(quantity::bytes(text).is_ok_and(|size| size > 0), shape, value, place, problems);
        }
        (Shape::Choice(words), Value::String(word)) => choice(words, word, value, place, problems),
        (Shape::List(item, least), Value::Array(items)) => {
            if items.len() < *least {
                let message = format!("`{}` must have at least {}", place.path(), plural(*least, "item"));
                problems.push(Diagnostic::error(message).at(&value.at).hint(place.advice()));
            }
            for (at, child) in items.iter().enumerate() {
                node(item, child, &place.child(Step::Item(at)), problems);
            }
        }
        (Shape::Map(item), Value::Table(entries)) => {
            for (key, entry) in entries.iter() {
                node(item, &entry.node, &place.child(Step::Key(key)), problems);
            }
        }
        (Shape::Struct(fields), Value::Table(entries)) => {
            let inner = Place { owner: Owner::Path, field: None, ..*place };
            table(fields, entries, &value.at, &inner, problems);
        }
        (Shape::OneOf(shapes), _) => one_of(shapes, value, place, problems),
        _ => problems.push(wrong_type(shape, value, place)),
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
            for (key, entry) in entries.iter() {
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
        let given = shown(value.at.text());
        let message = format!("`{}` must be {}, not {given}", place.path(), bounds.describe());
        problems.push(Diagnostic::error(message).at(&value.at).hint(place.advice()));
    }
}

/// Text that must be an amount above 0.
fn amount(fits: bool, shape: &Shape, value: &Node, place: &Place<'_>, problems: &mut Vec<Diagnostic>) {
    if !fits {
        let given = shown(value.at.text());
        let message = format!("`{}` must be {}, not {given}", place.path(), shape.describe());
        problems.push(Diagnostic::error(message).at(&value.at).hint(place.advice()));
    }
}

fn choice(words: &[String], word: &str, value: &Node, place: &Place<'_>, problems: &mut Vec<Diagnostic>) {
    if words.iter().any(|known| known == word) {
        return;
    }
    let allowed = crate::diagnostic::quoted(words.iter().map(String::as_str), "or");
    let near = did_you_mean(word, words.iter().map(String::as_str));
    let message = format!("`{}` must be {allowed}, not `{}`", place.path(), shown(word));
    let hint = near.map_or_else(|| place.advice(), |near| format!("did you mean `{near}`?"));
    problems.push(Diagnostic::error(message).at(&value.at).hint(hint));
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
    let all = Shape::OneOf(shapes.to_vec());
    problems.extend(nearest.unwrap_or_else(|| vec![wrong_type(&all, value, place)]));
}

fn same_type(shape: &Shape, value: &Node) -> bool {
    matches!(
        (shape, &value.value),
        (Shape::Struct(_) | Shape::Map(_), Value::Table(_))
            | (Shape::List(..), Value::Array(_))
            | (Shape::Integer(_) | Shape::Number(_), Value::Integer(_) | Value::Float(_))
            | (Shape::Choice(_) | Shape::Span | Shape::Size, Value::String(_))
    )
}

fn wrong_type(expected: &Shape, value: &Node, place: &Place<'_>) -> Diagnostic {
    let message = format!("`{}` must be {}, not {}", place.path(), expected.describe(), value.type_name());
    let hint = respelled(expected, value, place).unwrap_or_else(|| place.advice());
    Diagnostic::error(message).at(&value.at).hint(hint)
}

/// How to write a value that is only spelled wrongly.
fn respelled(expected: &Shape, value: &Node, place: &Place<'_>) -> Option<String> {
    let said = value.at.text();
    if said.len() > 60 {
        return None;
    }
    let line = |what: &str, written: &str| Some(format!("{what}: `{}`", assigned(written, value, place)));
    match (expected, &value.value) {
        (Shape::OneOf(shapes), _) => shapes.iter().find_map(|shape| respelled(shape, value, place)),
        (
            Shape::Integer(_) | Shape::Number(_) | Shape::Boolean | Shape::Date | Shape::Moment,
            Value::String(text),
        ) => unquoted(expected, text).then(|| line("take the quotes away", text.trim()))?,
        (Shape::Span, Value::Integer(_)) => line("give it a unit", &format!("\"{said}s\"")),
        (Shape::Integer(_), Value::Float(number)) if number.fract() == 0.0 && number.abs() < 1e15 => {
            line("leave the fraction away", &format!("{number:.0}"))
        }
        (Shape::Date, Value::Datetime(moment)) => line("leave the time away", &moment.date?.to_string()),
        (Shape::List(..), Value::String(text))
            if place.field.is_some_and(|field| field.name == "command") =>
        {
            line("put its words in brackets", &words(text))
        }
        (Shape::List(item, _), _) if fits(item, value) => {
            line("put it in brackets", &format!("[{}]", value.to_toml()))
        }
        (Shape::Choice(words), value) if is_plain(value) && words.iter().any(|word| word == said) => {
            line("put it in quotes", &format!("\"{said}\""))
        }
        (Shape::Text | Shape::Reference, value) if is_plain(value) => {
            line("put it in quotes", &format!("\"{said}\""))
        }
        (_, Value::Array(items)) if items.len() == 1 && fits(expected, &items[0]) => {
            line("take the brackets away", &items[0].to_toml().to_string())
        }
        _ => None,
    }
}

/// A value with its key in front, as a line of a file or as a flag.
fn assigned(written: &str, value: &Node, place: &Place<'_>) -> String {
    if value.at.source.name == "--set" {
        let key = value.at.source.text.split('=').next().unwrap_or_default().trim();
        let plain = !written.contains(['"', '[', ' ']);
        return if plain { format!("--set {key}={written}") } else { format!("--set '{key}={written}'") };
    }
    let path = place.path();
    match last_step(&path) {
        Some(key) if key.parse::<usize>().is_err() => format!("{key} = {written}"),
        _ => written.to_owned(),
    }
}

/// The last step of a path, in quotes where it stands in quotes.
fn last_step(path: &str) -> Option<&str> {
    match path.strip_suffix('"').and_then(|path| path.rfind('"')) {
        Some(start) => path.get(start..),
        None => path.rsplit('.').next(),
    }
}

/// A line for a shell as the list of words that a program is started with.
fn words(line: &str) -> String {
    let needs_shell = line.contains(['|', '<', '>', '&', ';', '$', '*', '`', '\'', '"', '\\']);
    let words: Vec<_> = match needs_shell {
        true => vec!["sh", "-c", line],
        false => line.split_whitespace().collect(),
    };
    toml::Value::from(words).to_string()
}

/// Whether a number is beyond the integers of 64 bits. One within may be written as an integer and yet be none:
/// an end of a range of a parameter that takes fractions.
fn is_large(number: f64) -> bool {
    number.abs() >= 9_223_372_036_854_775_808.0
}

/// Whether a number is written as an integer, of whatever length.
fn is_whole(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with("0x")
        || digits.starts_with(|c: char| c.is_ascii_digit()) && !digits.contains(['.', 'e', 'E'])
}

/// Whether text is a value of a type, but for its quotes.
fn unquoted(shape: &Shape, text: &str) -> bool {
    let source = Arc::new(SourceText::new("", text.trim()));
    parse::parse_value(&source, 0).is_some_and(|node| fits(shape, &node))
}

fn is_plain(value: &Value) -> bool {
    matches!(value, Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_))
}

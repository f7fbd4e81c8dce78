//! Plain TOML read straight into a table, as the parser comes upon it.
//!
//! Plain is what large pipelines are made of: tables with one or two names in their headers, each there once, and
//! keys without dots. Everything else, and everything that is wrong, is left to the library's own tree, through
//! which `parse` goes.

use std::borrow::Cow;
use std::sync::Arc;

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::{EventReceiver, parse_document};
use toml_parser::{ErrorSink, ParseError, Raw, Source, Span};

use super::document::{Entry, Node, Table, Value};
use crate::diagnostic::{Location, SourceText};

/// Deeper values are left to the library, which ends somewhere.
const DEPTH: usize = 32;

/// So are longer tables: here each key is held against all of its table's others.
const MANY: usize = 64;

/// Reads a text that stands in a source from `offset` on; `None` when it isn't plain.
pub fn read(source: &Arc<SourceText>, text: &str, offset: usize) -> Option<Table> {
    let text = Source::new(text);
    let mut builder = Builder {
        source,
        text,
        offset,
        plain: true,
        root: Table::new(),
        header: Vec::new(),
        start: None,
        at: None,
        entries: Vec::new(),
        items: Vec::new(),
        key: None,
        open: Vec::new(),
    };
    let mut wrong: Option<ParseError> = None;
    parse_document(&text.lex().into_vec(), &mut builder, &mut wrong);
    builder.end_table();
    (builder.plain && wrong.is_none() && builder.open.is_empty() && builder.key.is_none())
        .then_some(builder.root)
}

/// A key and where it stands.
type Key = (String, Location);

/// What has been read so far.
struct Builder<'a> {
    source: &'a Arc<SourceText>,
    text: Source<'a>,
    offset: usize,
    /// Whether all of it has been plain; what follows counts for nothing where it hasn't.
    plain: bool,
    root: Table,
    /// The names in the last header; none before the first one.
    header: Vec<Key>,
    /// Where a header starts that isn't closed yet.
    start: Option<usize>,
    /// Where the last header stands.
    at: Option<Location>,
    /// What has been read of the table below the last header and of tables in braces that aren't closed.
    entries: Vec<(String, Entry)>,
    /// What has been read of lists that aren't closed.
    items: Vec<Node>,
    /// The key whose value comes next.
    key: Option<Key>,
    /// Lists and tables in braces that aren't closed, the innermost last.
    open: Vec<Open>,
}

/// A list or a table in braces that isn't closed.
struct Open {
    key: Option<Key>,
    start: usize,
    value: Inside,
}

/// From where on what has been read last belongs to it.
#[derive(Clone, Copy)]
enum Inside {
    List(usize),
    Table(usize),
}

impl Builder<'_> {
    fn at(&self, start: usize, end: usize) -> Location {
        Location::new(self.source, start + self.offset..end + self.offset)
    }

    fn raw(&self, span: Span, encoding: Option<Encoding>) -> Raw<'_> {
        let text = self.text.input().get(span.start()..span.end()).unwrap_or_default();
        Raw::new_unchecked(text, encoding, span)
    }

    /// Puts the table below the last header where that says.
    fn end_table(&mut self) {
        // Nothing stays open beyond a table where all is right.
        self.plain &= self.open.is_empty();
        self.open.clear();
        let table = Table::from(self.entries.drain(..).collect::<Vec<_>>());
        let mut names = std::mem::take(&mut self.header).into_iter();
        let Some(at) = self.at.take() else {
            self.root = table;
            return;
        };
        let node = Node { at, value: Value::Table(Arc::new(table)) };
        self.plain &= match (names.next(), names.next(), names.next()) {
            (Some(name), None, _) => add(&mut self.root, name, node),
            (Some(outer), Some(name), None) => below(&mut self.root, outer, name, node),
            _ => false,
        };
    }

    /// Puts a value where it belongs.
    fn put(&mut self, key: Option<Key>, node: Node) {
        self.plain &= match (self.open.last().map(|open| open.value), key) {
            (Some(Inside::List(_)), None) => {
                self.items.push(node);
                true
            }
            (Some(Inside::Table(start)), Some(key)) => self.enter(start, key, node),
            (None, Some(key)) => self.enter(0, key, node),
            _ => false,
        };
    }

    /// Adds a value to the table that has been read from `start` on; whether that is plain.
    fn enter(&mut self, start: usize, (name, at): Key, node: Node) -> bool {
        let others = &self.entries[start..];
        let plain = others.len() < MANY && !others.iter().any(|(other, _)| *other == name);
        self.entries.push((name, Entry::new(at, node)));
        plain
    }

    /// Opens a list or a table in braces; whether it may be read.
    fn opens(&mut self, span: Span, value: Inside) -> bool {
        self.plain &= self.open.len() < DEPTH;
        let key = self.key.take();
        self.open.push(Open { key, start: span.start(), value });
        self.plain
    }

    fn closes(&mut self, span: Span) {
        let Some(Open { key, start, value }) = self.open.pop() else {
            self.plain = false;
            return;
        };
        let value = match value {
            Inside::List(start) => Value::Array(self.items.drain(start..).collect()),
            Inside::Table(start) => {
                Value::Table(Arc::new(self.entries.drain(start..).collect::<Vec<_>>().into()))
            }
        };
        let at = self.at(start, span.end());
        self.put(key, Node { at, value });
    }

    fn value(&self, span: Span, encoding: Option<Encoding>, wrong: &mut dyn ErrorSink) -> Option<Value> {
        let mut text = Cow::Borrowed("");
        Some(match self.raw(span, encoding).decode_scalar(&mut text, wrong) {
            ScalarKind::String => Value::String(text.into_owned()),
            ScalarKind::Boolean(truth) => Value::Boolean(truth),
            ScalarKind::DateTime => Value::Datetime(Box::new(text.parse().ok()?)),
            ScalarKind::Float => Value::Float(text.parse().unwrap_or(f64::NAN)),
            ScalarKind::Integer(radix) => Value::Integer(i64::from_str_radix(&text, radix.value()).ok()?),
        })
    }
}

/// Adds a value to a table; whether its key is a new one.
fn add(table: &mut Table, (name, at): Key, node: Node) -> bool {
    let new = !table.contains_key(&name);
    if new {
        table.insert(name, Entry::new(at, node));
    }
    new
}

/// Adds a value to a table in a table that headers made, or make now.
fn below(root: &mut Table, (outer, at): Key, name: Key, node: Node) -> bool {
    let made = || Entry::new(at.clone(), Node { at: at.clone(), value: Value::Table(Arc::default()) });
    let outer = &mut root.get_or_insert_with(&outer, made).node;
    let closed = outer.at.text().starts_with('{');
    match &mut outer.value {
        Value::Table(table) if !closed => add(Arc::make_mut(table), name, node),
        _ => false,
    }
}

impl EventReceiver for Builder<'_> {
    fn std_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.end_table();
        self.start = Some(span.start());
    }

    fn std_table_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.at = self.start.take().map(|start| self.at(start, span.end()));
    }

    fn array_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.plain = false;
    }

    fn inline_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.opens(span, Inside::Table(self.entries.len()))
    }

    fn inline_table_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.closes(span);
    }

    fn array_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.opens(span, Inside::List(self.items.len()))
    }

    fn array_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.closes(span);
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, wrong: &mut dyn ErrorSink) {
        let mut name = Cow::Borrowed("");
        self.raw(span, encoding).decode_key(&mut name, wrong);
        let key = (name.into_owned(), self.at(span.start(), span.end()));
        if self.start.is_some() {
            self.header.push(key);
        } else {
            self.plain &= self.key.replace(key).is_none();
        }
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, wrong: &mut dyn ErrorSink) {
        let key = self.key.take();
        match self.value(span, encoding, wrong) {
            Some(value) => self.put(key, Node { at: self.at(span.start(), span.end()), value }),
            None => self.plain = false,
        }
    }

    fn comment(&mut self, span: Span, wrong: &mut dyn ErrorSink) {
        self.raw(span, None).decode_comment(wrong);
    }

    fn newline(&mut self, span: Span, wrong: &mut dyn ErrorSink) {
        self.raw(span, None).decode_newline(wrong);
    }

    fn error(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.plain = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{SourceText, read};
    use crate::pipeline::parse;
    use crate::pipeline::pieces::tests::shown;

    /// Whether a text is plain; held against the library's tree.
    fn is_plain(text: &str) -> bool {
        let source = Arc::new(SourceText::new("p.toml", text));
        let Some(table) = read(&source, text, 0) else { return false };
        assert_eq!(shown(&table), shown(&parse::whole(&source).unwrap()), "{text}");
        true
    }

    #[test]
    fn what_is_plain_comes_out_as_the_library_has_it() {
        for text in [
            "",
            "# only a comment",
            "a = 1\r\n\"b c\" = 'd'\n'' = \"\\u00e9\\n\"\n",
            "[a]\nb = 0x1f\nc = 0o7\nd = 0b1\ne = -1_000\nf = +3\n",
            "[a]\nb = 1e3\nc = -inf\nd = nan\ne = 1_0.5\nf = true\ng = false\n",
            "[a]\nb = 2025-12-28\nc = 2025-12-28T18:30:00Z\nd = 18:30:00\ne = 2025-12-28 18:30:00.5\n",
            "[stages.a] # one\nk = [1, [2, 3,], { l = 4 }, ]\nt = { u = {}, v = [] }\n[stages.'b.c']\n",
            "[ stages . a ]\n  k = '''\n[stages.b]\n'''\n[stages.b]\n",
            "[stages]\nz = 1\n[stages.b]\nk = \"\"\"x\\\n   y\"\"\"\n[sweep]\n",
            "k = [\n  1, # one\n  2,\n]\n",
        ] {
            assert!(is_plain(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_or_wrong_is_left_to_the_library() {
        for text in [
            "a.b = 1\n",
            "[a]\nb = { c.d = 1 }\n",
            "[a.b.c]\nd = 1\n",
            "[[a]]\nb = 1\n",
            "[a]\n[a]\n",
            "[a.b]\n[a]\n",
            "[a.b]\n[a]\n[a.c]\n",
            "[a.b]\n[a.b]\n",
            "[a]\nb = 1\n[a.b]\n",
            "a = { b = 1 }\n[a.c]\n",
            "a = 1\n[a.c]\n",
            "a = [1]\n[a.c]\n",
            "a = 1\na = 2\n",
            "[a]\nb = { c = 1, c = 2 }\n",
            "a = 99999999999999999999\n",
            "a = 2025-02-30\n",
            "a = 1_\n",
            "a = \n",
            "a 1\n",
            "[a\nb = 1\n",
            "[]\n",
            "[a.]\n",
            "a = [1\n",
            "a = { b = 1\n",
            "a = 'b\n",
            "a = \"\\q\"\n",
            "a = 1 # \u{1}\n",
            "a = 1\rb = 2\n",
            "'''a''' = 1\n",
            "= 1\n",
            "a = [\n[b]\nc = 1\n]\n",
            "a = { b = [\n[c]\nd = 1\n}\n]\n",
            "a = }\nb = ]\n",
        ] {
            assert!(!is_plain(text), "{text}");
        }
        assert!(!is_plain(&format!("a = {}1{}\n", "[".repeat(40), "]".repeat(40))));
        assert!(is_plain(&format!("a = {}1{}\n", "[".repeat(30), "]".repeat(30))));
        let keys = |count: usize| (0..count).map(|at| format!("k{at} = {at}\n")).collect::<String>();
        assert!(is_plain(&keys(64)) && !is_plain(&keys(65)));
    }

    #[test]
    fn pipelines_of_the_repository_come_out_as_the_library_has_them() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
        let plain = fs_err::read_dir(folder).unwrap().filter(|file| {
            let path = file.as_ref().unwrap().path();
            path.extension().is_some_and(|ending| ending == "toml")
                && is_plain(&fs_err::read_to_string(path).unwrap())
        });
        assert!(plain.count() > 0);
    }

    #[test]
    fn a_text_cut_short_anywhere_is_never_taken_for_another_one() {
        let text = "a = 'x'\n[stages.b] # c\nk = { l = [1, \"\"\"m\n\"\"\"], n = 2025-12-28T18:30:00+01:00 }\nf = 1.5\n";
        for end in 0..text.len() {
            let source = Arc::new(SourceText::new("p.toml", &text[..end]));
            if let Some(table) = read(&source, &text[..end], 0) {
                assert_eq!(Ok(shown(&table)), parse::whole(&source).map(|table| shown(&table)).map_err(drop));
            }
        }
    }
}

//! A large text read in pieces, on several threads.
//!
//! A piece ends where a line opens the table of a stage. Pieces each of which is a whole document, and of which no
//! two say anything of the same key, make up what the text in one go would. Wherever that isn't so, nothing
//! comes of it: the text is then read in one go, which also finds what is wrong with it.

use std::ops::Range;
use std::sync::Arc;

use super::document::{Entry, Table, Value};
use super::parse;
use crate::abreast::{self, Parting};
use crate::diagnostic::SourceText;

/// A piece has at least so many bytes, which pays for what a piece costs.
pub const LEAST: usize = 1 << 16;

/// How a line starts that opens the table of a stage, with the end of the line before it.
const OPENING: &[u8] = b"\n[stages.";

/// The table of all stages.
const STAGES: &str = "stages";

/// Reads a text in pieces of at least so many bytes; `None` where it has to be read in one go.
pub fn parse(source: &Arc<SourceText>, least: usize) -> Option<Table> {
    let pieces = cut(&source.text, least);
    if pieces.len() < 2 {
        return None;
    }
    let tables = abreast::each(&pieces, Parting { worth: 2, block: 1 }, |piece| {
        // Places count who refers to their source; threads that count at once wait for each other.
        let own = Arc::new(SourceText::clone(source));
        parse::piece(&own, source.text.get(piece.clone())?, piece.start)
    });
    let mut tables = tables.into_iter();
    let mut all = tables.next()??;
    for table in tables {
        join(&mut all, table?)?;
    }
    Some(all)
}

/// The pieces of a text.
fn cut(text: &str, least: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let find = |from: usize| {
        let rest = text.as_bytes().get(from..)?;
        Some(memchr::memmem::find(rest, OPENING)? + from + 1)
    };
    while let Some(end) = find(start + least) {
        pieces.push(start..end);
        start = end;
    }
    pieces.push(start..text.len());
    pieces
}

/// Adds what a further piece says; `None` where one says something of a key that another has.
fn join(all: &mut Table, more: Table) -> Option<()> {
    for (key, entry) in more {
        match all.get_mut(&key) {
            None => all.insert(key, entry),
            Some(stages) if key == STAGES => add(stages, entry)?,
            Some(_) => return None,
        }
    }
    Some(())
}

/// Adds further stages.
fn add(stages: &mut Entry, more: Entry) -> Option<()> {
    // One line `[stages]` would say that the table starts there, and a table in braces is closed.
    let opened = (more.node.at.start, more.node.at.end) != (more.key.start, more.key.end);
    if opened || stages.node.at.text().starts_with('{') {
        return None;
    }
    let (Value::Table(all), Value::Table(more)) = (&mut stages.node.value, more.node.value) else {
        return None;
    };
    let all = Arc::make_mut(all);
    let more = Arc::unwrap_or_clone(more);
    all.reserve(more.len());
    for (name, stage) in more {
        if all.contains_key(&name) {
            return None;
        }
        all.insert(name, stage);
    }
    Some(())
}

#[cfg(test)]
pub mod tests {
    use std::sync::Arc;

    use super::{SourceText, Table, cut, parse};
    use crate::pipeline::document::{Node, Value};
    use crate::pipeline::parse::whole;

    /// A table as text, with every place.
    pub fn shown(table: &Table) -> String {
        let entry = |(key, entry): (&String, &crate::pipeline::document::Entry)| {
            format!("{key}@{}-{}={}", entry.key.start, entry.key.end, shown_node(&entry.node))
        };
        format!("{{{}}}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
    }

    fn shown_node(node: &Node) -> String {
        let value = match &node.value {
            Value::Table(table) => shown(table),
            Value::Array(items) => items.iter().map(shown_node).collect::<Vec<_>>().join(", "),
            value => format!("{value:?}"),
        };
        format!("{value}@{}-{}", node.at.start, node.at.end)
    }

    fn source(text: &str) -> Arc<SourceText> {
        Arc::new(SourceText::new("p.toml", text))
    }

    /// Whether a text can be read in pieces, however small; held against reading it in one go.
    fn in_pieces(text: &str) -> bool {
        let source = source(text);
        let Some(table) = parse(&source, 0) else { return false };
        assert_eq!(shown(&table), shown(&whole(&source).unwrap()), "{text}");
        true
    }

    #[test]
    fn pieces_make_up_the_whole() {
        let stage = |at: usize| format!("[stages.s{at}]\nk = {at}\nt = {{ a.b = 'x' }}\nl = [1,\n 2]\n");
        let stages: String = (0..40).map(stage).collect();
        for text in [
            format!("[pipeline]\nname = 'p'\n{stages}[sweep]\naxes.k = [1]\n"),
            format!("[stages]\n{stages}"),
            format!("extends = 'a'\r\nstages.z.k = 1\r\n{stages}"),
            format!(
                "{stages}[stages.t.inner]\na = 1\n[stages.\"q.r\"]\n[[stages.u.list]]\n[[stages.u.list]]\n"
            ),
            format!("{stages}[stages.'é'] # ü\nk = '''\n\n'''\n"),
            // An integer of any length is no mistake before it is known what it is for.
            format!("{stages}[stages.t]\nk = 99999999999999999999\n"),
        ] {
            assert!(in_pieces(&text), "{text}");
            assert_eq!(cut(&text, text.len()).len(), 1);
        }
    }

    #[test]
    fn what_pieces_cannot_tell_is_read_in_one_go() {
        for text in [
            // Nothing to cut.
            "a = 1\n",
            // Not the opening of a table, but text, or an item.
            "[stages.a]\nk = '''\n[stages.b]\n'''\n",
            "[stages.a]\nk = \"\"\"\n[stages.b]\nl = \"\"\" # \"\"\"\n",
            "[stages.a]\nk = [\n[stages.b]\n]\n",
            // A table in several places.
            "[stages.a.b]\nk = 1\n[stages.a]\nl = 1\n",
            "[stages.a]\nk = 1\n[stages.a.b]\nl = 1\n",
            "[[stages.a]]\nk = 1\n[stages.a.b]\nl = 1\n[stages.b]\n",
            "[stages.a]\n[stages.b]\n[stages]\n[stages.c]\n",
            // Mistakes.
            "[stages.a]\nk = 1\n[stages.a]\nl = 1\n",
            "stages = { a = 1 }\n[stages.b]\nk = 1\n",
            "stages = 1\n[stages.b]\nk = 1\n",
            "[[stages]]\n[stages.b]\nk = 1\n",
            "[stages]\n[stages.b]\nk = 1\n[stages]\n[stages.c]\n",
            "[stages.a]\nk = 1\n[pipeline]\n[stages.b]\n[pipeline]\n",
            "[stages.a]\nk = \n[stages.b]\nl = 1\n",
            "[stages.a]\nk = 1\n[stages.b\n",
            "a = '''\n[stages.b]\n",
        ] {
            assert!(!in_pieces(text), "{text}");
        }
    }
}

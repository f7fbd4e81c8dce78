//! JSON lines: one object a line, its members taken as the fields of a row.
//!
//! Objects within objects become columns with a dot (`customer.id`), lists stay the JSON that they are. What a
//! value holds is up to the column, as in text files: a number in quotes is a number. Knows nothing of types.

use std::borrow::Cow;
use std::fmt;

use anyhow::Result;
use indexmap::IndexSet;
use memchr::memchr_iter;
use rayon::prelude::*;
use serde::Deserializer;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::charset::{Blocks, Charset};
use super::fields::Fields;
use super::options::Delimiter;
use super::split;

/// Bytes of a block whose lines are looked at for names.
const BLOCK: usize = 16 * split::PART;

/// The delimiter by which blocks are cut: lines, whatever stands in them.
pub const LINES: Delimiter = Delimiter::Whitespace;

/// Whether text looks like JSON lines: its first line with anything in it is an object.
pub fn is_lines(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    first.is_some_and(|line| line.starts_with('{') && members(line, &mut |_, _| {}).is_ok())
}

/// The lines of a part as rows of `names`; members of other names are left out.
///
/// The part must be shorter than 4 GiB.
pub fn fields<'a>(part: &'a str, names: &[String]) -> Fields<'a> {
    let width = names.len();
    let (mut text, mut spans) = (String::with_capacity(part.len()), Vec::with_capacity(part.len() / 16));
    let (mut lines, mut unread) = (Vec::new(), Vec::new());
    for (line, object) in (0_u32..).zip(each_line(part)) {
        if object.trim().is_empty() {
            continue;
        }
        let row = spans.len();
        spans.resize(row + width, [0_u32; 2]);
        let mut next = 0;
        let read = members(object, &mut |name, value| {
            // Mostly the members of all lines have one order.
            let expected = names.get(next).is_some_and(|expected| expected == name);
            let at = if expected { Some(next) } else { names.iter().position(|known| known == name) };
            let Some(at) = at else { return };
            next = at + 1;
            let start = text.len();
            text.push_str(value);
            if let Some(span) = spans.get_mut(row + at) {
                // Parts are shorter than 4 GiB.
                *span = [start as u32, text.len() as u32];
            }
        });
        match read {
            Ok(()) => lines.push(line),
            Err(reason) => {
                spans.truncate(row);
                unread.push((line, reason));
            }
        }
    }
    Fields::made(Cow::Owned(text), spans, width, lines, unread)
}

/// Rows of some text, their fields in the order of `names`; names that come anew are added.
pub fn rows(text: &str, names: &mut IndexSet<String>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for line in each_line(text) {
        let mut row = vec![String::new(); names.len()];
        let read = members(line, &mut |name, value| {
            let at = names.get_index_of(name).unwrap_or_else(|| names.insert_full(name.to_owned()).0);
            row.resize(row.len().max(at + 1), String::new());
            if let Some(cell) = row.get_mut(at) {
                value.clone_into(cell);
            }
        });
        if read.is_ok() {
            rows.push(row);
        }
    }
    rows
}

/// The names of all members of a file, in the order in which they first come.
///
/// # Errors
/// When the file can't be read.
pub fn names(path: &std::path::Path, charset: Charset) -> Result<Vec<String>> {
    let mut names = IndexSet::new();
    let mut blocks = Blocks::open(path, charset, false)?;
    loop {
        blocks.fill(BLOCK)?;
        let cut = split::cut(blocks.pending(), LINES, blocks.ended(), split::PART);
        if cut.parts.is_empty() {
            // A line longer than a block is told by whoever reads all of it.
            return Ok(names.into_iter().collect());
        }
        let text = |part: &std::ops::Range<usize>| blocks.pending().get(part.clone()).unwrap_or_default();
        let found: Vec<IndexSet<String>> =
            cut.parts.par_iter().map(|part| names_of(&String::from_utf8_lossy(text(part)))).collect();
        names.extend(found.into_iter().flatten());
        blocks.consume(cut.rest);
    }
}

fn names_of(text: &str) -> IndexSet<String> {
    let mut names = IndexSet::new();
    for line in each_line(text) {
        let mut next = 0;
        // What is no object is told by whoever reads it.
        let _ = members(line, &mut |name, _| {
            let expected = names.get_index(next).is_some_and(|expected: &String| expected == name);
            if !expected && !names.contains(name) {
                names.insert(name.to_owned());
            }
            next = if expected { next + 1 } else { names.get_index_of(name).map_or(0, |at| at + 1) };
        });
    }
    names
}

fn each_line(text: &str) -> impl Iterator<Item = &str> {
    let ends = memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
    let mut start = 0;
    ends.filter_map(move |end| {
        let line = text.get(start..end);
        start = end + 1;
        line
    })
}

/// Shows the members of an object; `null` is nothing.
fn members(line: &str, take: &mut dyn FnMut(&str, &str)) -> Result<(), String> {
    let mut reader = serde_json::Deserializer::from_str(line);
    let object = Object { path: "", take };
    let read = reader.deserialize_map(object).and_then(|()| reader.end());
    read.map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "not a JSON object".to_owned(),
        _ => format!("not JSON at column {}", error.column().max(1)),
    })
}

/// An object whose members have names that begin with a path.
struct Object<'t> {
    path: &'t str,
    take: &'t mut dyn FnMut(&str, &str),
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<Name<'de>>()? {
            let path =
                if self.path.is_empty() { name.0 } else { Cow::Owned(format!("{}.{}", self.path, name.0)) };
            map.next_value_seed(Member { path: &path, take: &mut *self.take })?;
        }
        Ok(())
    }
}

/// A member's name, borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A member's value.
struct Member<'t> {
    path: &'t str,
    take: &'t mut dyn FnMut(&str, &str),
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl Member<'_> {
    fn take(self, value: &str) {
        (self.take)(self.path, value);
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.take(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.take(&value.to_string());
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.take(&value.to_string());
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.take(&value.to_string());
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.take(value);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.take("");
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, list: S) -> Result<(), S::Error> {
        let list: Json = serde::Deserialize::deserialize(SeqAccessDeserializer::new(list))?;
        self.take(&list.to_string());
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<(), M::Error> {
        Object { path: self.path, take: self.take }.visit_map(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> IndexSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const TEXT: &str = "{\"id\":1,\"who\":{\"name\":\"A\\n\\u00e9\",\"vip\":true}}\n\n\
                        {\"who\":{\"name\":null},\"id\":18446744073709551615,\"tags\":[1,\"x\"]}\n[1]\n{\"id\":\n{\"id\":1e3}";

    #[test]
    fn members_are_fields_by_their_names() {
        let mut names = set(&[]);
        assert_eq!(
            rows(TEXT, &mut names),
            [
                vec!["1", "A\né", "true"],
                vec!["18446744073709551615", "", "", "[1,\"x\"]"],
                vec!["1000", "", "", ""]
            ]
        );
        assert_eq!(names, set(&["id", "who.name", "who.vip", "tags"]));
        let fields = fields(TEXT, &["who.name", "id"].map(str::to_owned));
        let column = |at| fields.column(at).collect::<Vec<_>>();
        assert_eq!([column(0), column(1)], [["A\né", "", ""], ["1", "18446744073709551615", "1000"]]);
        assert_eq!(fields.lines, [0, 2, 5]);
        assert_eq!(
            fields.unread,
            [(3, "not a JSON object".to_owned()), (4, "not JSON at column 6".to_owned())]
        );
    }

    #[test]
    fn json_lines_are_told_from_other_text() {
        assert!(is_lines(TEXT) && is_lines("\n {} \n"));
        for text in ["", "[{\"a\":1}]", "{\n \"a\": 1\n}", "{a,b}\n1,2", "a,b\n{},{}"] {
            assert!(!is_lines(text), "{text}");
        }
    }

    #[test]
    fn names_of_a_file_come_in_their_order() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), TEXT).unwrap();
        let found = names(file.path(), Charset::utf8()).unwrap();
        assert_eq!(found, ["id", "who.name", "who.vip", "tags"]);
    }
}

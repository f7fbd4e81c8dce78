//! The entries of a TOML table in the order in which they are written, found by their keys.
//!
//! Most tables have a few keys, which are looked through; only one with many, such as that of all stages, has an
//! index. Doesn't know what any key means.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::document::Entry;

/// Up to so many keys are looked through.
const FEW: usize = 12;

/// The entries of a table by key.
#[derive(Clone, Debug, Default)]
pub struct Table {
    entries: Vec<(String, Entry)>,
    /// Where each key is among the entries, when there are many.
    index: Option<Box<Index>>,
}

#[derive(Clone, Debug, Default)]
struct Index {
    hashing: DefaultHashBuilder,
    places: HashTable<usize>,
}

impl Table {
    /// A table without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.place(key).map(|at| &self.entries[at].1)
    }

    /// The entry of a key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.place(key).map(|at| &mut self.entries[at].1)
    }

    /// Whether there is such a key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_some()
    }

    /// The entry of a key, made at the end where there is none.
    pub fn get_or_insert_with(&mut self, key: &str, make: impl FnOnce() -> Entry) -> &mut Entry {
        let at = self.place(key).unwrap_or_else(|| self.push(key.to_owned(), make()));
        &mut self.entries[at].1
    }

    /// Adds an entry at the end, or puts it in the place of that with the same key.
    pub fn insert(&mut self, key: String, entry: Entry) {
        match self.place(&key) {
            Some(at) => self.entries[at].1 = entry,
            None => drop(self.push(key, entry)),
        }
    }

    /// Takes an entry out; the others stay in their order.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let (_, entry) = self.entries.remove(self.place(key)?);
        self.index = None;
        self.index_if_many();
        Some(entry)
    }

    /// Keys and entries.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.into_iter()
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &String> + Clone {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The entries.
    pub fn values(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// Keys, and entries to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut Entry)> {
        self.entries.iter_mut().map(|(key, entry)| (&*key, entry))
    }

    /// Makes room for entries to come.
    pub fn reserve(&mut self, more: usize) {
        self.entries.reserve(more);
    }

    fn place(&self, key: &str) -> Option<usize> {
        match self.index.as_deref() {
            None => self.entries.iter().position(|(known, _)| known == key),
            Some(Index { hashing, places }) => {
                places.find(hashing.hash_one(key), |at| self.entries[*at].0 == key).copied()
            }
        }
    }

    /// Adds an entry whose key isn't there yet.
    fn push(&mut self, key: String, entry: Entry) -> usize {
        let at = self.entries.len();
        self.entries.push((key, entry));
        if self.index.is_some() {
            self.index_from(at)
        } else {
            self.index_if_many()
        }
        at
    }

    fn index_if_many(&mut self) {
        if self.entries.len() > FEW {
            self.index = Some(Box::default());
            self.index_from(0);
        }
    }

    /// Adds the entries from a place on to the index.
    fn index_from(&mut self, start: usize) {
        let Some(Index { hashing, places }) = self.index.as_deref_mut() else { return };
        let hash = |at: &usize| hashing.hash_one(self.entries[*at].0.as_str());
        for at in start..self.entries.len() {
            places.insert_unique(hash(&at), at, hash);
        }
    }
}

/// Entries no two of which have the same key.
impl From<Vec<(String, Entry)>> for Table {
    fn from(entries: Vec<(String, Entry)>) -> Self {
        let mut table = Self { entries, index: None };
        table.index_if_many();
        table
    }
}

impl FromIterator<(String, Entry)> for Table {
    fn from_iter<I: IntoIterator<Item = (String, Entry)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let mut table = Self { entries: Vec::with_capacity(entries.size_hint().0), index: None };
        entries.for_each(|(key, entry)| table.insert(key, entry));
        table
    }
}

impl IntoIterator for Table {
    type Item = (String, Entry);
    type IntoIter = std::vec::IntoIter<(String, Entry)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a> IntoIterator for &'a Table {
    type Item = (&'a String, &'a Entry);
    type IntoIter = std::iter::Map<
        std::slice::Iter<'a, (String, Entry)>,
        fn(&'a (String, Entry)) -> (&'a String, &'a Entry),
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter().map(|(key, entry)| (key, entry))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Entry, FEW, Table};
    use crate::diagnostic::{Location, SourceText};
    use crate::pipeline::document::{Node, Value};

    fn entry(number: usize) -> Entry {
        let at = Location::new(&Arc::new(SourceText::new("p.toml", "")), 0..0);
        let value = Value::Integer(i64::try_from(number).unwrap());
        Entry::new(at.clone(), Node { at, value })
    }

    fn number(entry: &Entry) -> i64 {
        if let Value::Integer(number) = entry.node.value { number } else { panic!("no number") }
    }

    #[test]
    fn few_and_many_keys_are_found_and_keep_their_order() {
        for count in [0, 1, FEW, FEW + 1, 1_000] {
            let mut table: Table = (0..count).map(|at| (format!("k{at}"), entry(at))).collect();
            let numbers = |table: &Table| table.values().map(number).collect::<Vec<_>>();
            let mut right: Vec<_> = (0..i64::try_from(count).unwrap()).collect();
            assert_eq!((numbers(&table), table.len()), (right.clone(), count));
            for known in &right {
                assert_eq!(table.get(&format!("k{known}")).map(number), Some(*known));
            }
            assert!(!table.contains_key("none"));
            table.insert("last".to_owned(), entry(7));
            right.push(7);
            table.insert("last".to_owned(), entry(8));
            right[count] = 8;
            *table.get_or_insert_with("last", || entry(0)) = entry(9);
            right[count] = 9;
            if count > 0 {
                assert_eq!(table.remove("k0").map(|entry| number(&entry)), Some(0));
                right.remove(0);
            }
            assert!(table.remove("k0").is_none());
            assert_eq!(numbers(&table), right);
            assert_eq!(table.get("last").map(number), Some(9));
        }
    }
}

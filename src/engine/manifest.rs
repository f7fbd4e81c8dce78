//! The manifest: everything that identifies a stage run, and the key that it hashes to.
//!
//! [`Manifest::walk`] is the only traversal. It feeds the hasher and the readable form alike, so the
//! two can't drift: what is hashed can be shown, and what is shown was hashed.

use std::collections::BTreeMap;

use super::digest::Digest;

/// Grows when the way of hashing changes; every key changes with it.
pub const FORMAT: u32 = 1;

/// Everything that identifies a stage run. Nothing else may influence its outputs: not the stage's
/// name, the clock, the environment, the thread count, or the order of a hash map.
pub struct Manifest<'a> {
    /// The kind's name.
    pub kind: &'a str,
    /// The kind's version: it grows when equal manifests could give other bytes than before.
    pub version: u32,
    /// All parameters, defaults filled in.
    pub params: &'a toml::Table,
    /// Parameters that are left out because inputs or sources stand for them.
    pub replaced: &'a [String],
    /// The seed, when the kind uses it.
    pub seed: Option<u64>,
    /// The content of each input, by the parameter that names it.
    pub inputs: &'a [(String, Digest)],
    /// The content of each file from outside, by its name relative to the project root.
    pub sources: &'a [(String, Digest)],
}

/// A value at a path of the manifest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Leaf<'a> {
    /// Text, also the text of a date.
    Text(&'a str),
    /// An integer.
    Integer(i64),
    /// A float, by its bits.
    Float(f64),
    /// A truth value.
    Boolean(bool),
    /// A list follows, of so many items.
    List(usize),
    /// A table follows, of so many entries.
    Table(usize),
    /// A digest.
    Digest(Digest),
}

impl Manifest<'_> {
    /// Visits every value with its path, in a fixed order.
    pub fn walk(&self, visit: &mut dyn FnMut(&str, Leaf<'_>)) {
        visit("format", Leaf::Integer(FORMAT.into()));
        visit("kind", Leaf::Text(self.kind));
        visit("version", Leaf::Integer(self.version.into()));
        if let Some(seed) = self.seed {
            visit("seed", Leaf::Integer(i64::from_ne_bytes(seed.to_ne_bytes())));
        }
        let mut path = String::from("params");
        self.table(self.params, &mut path, visit);
        for (prefix, content) in [("inputs", self.inputs), ("sources", self.sources)] {
            visit(prefix, Leaf::Table(content.len()));
            for (name, digest) in content {
                visit(&format!("{prefix}.{name}"), Leaf::Digest(*digest));
            }
        }
    }

    /// The key: blake3 over every path and value, framed by length and tagged by type.
    pub fn key(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("custem stage manifest");
        let mut frame = Vec::with_capacity(512);
        self.walk(&mut |path, leaf| put(&mut frame, path, leaf));
        hasher.update(&frame);
        Digest::from_hasher(&hasher)
    }

    /// The same values as text, for records and for `why`.
    pub fn readable(&self) -> BTreeMap<String, String> {
        let mut shown = BTreeMap::new();
        self.walk(&mut |path, leaf| {
            if let Some(text) = show(leaf) {
                shown.insert(path.to_owned(), text);
            }
        });
        shown
    }

    fn table(&self, table: &toml::Table, path: &mut String, visit: &mut dyn FnMut(&str, Leaf<'_>)) {
        visit(path, Leaf::Table(table.len()));
        let mut keys: Vec<_> = table.iter().collect();
        keys.sort_unstable_by(|a, b| a.0.cmp(b.0));
        for (key, value) in keys {
            self.step(key, value, path, visit);
        }
    }

    fn step(
        &self,
        step: &str,
        value: &toml::Value,
        path: &mut String,
        visit: &mut dyn FnMut(&str, Leaf<'_>),
    ) {
        let before = path.len();
        path.push('.');
        path.push_str(step);
        let own = &path["params.".len()..];
        if !self.replaced.iter().any(|key| key == own) {
            self.value(value, path, visit);
        }
        path.truncate(before);
    }

    fn value(&self, value: &toml::Value, path: &mut String, visit: &mut dyn FnMut(&str, Leaf<'_>)) {
        match value {
            toml::Value::String(text) => visit(path, Leaf::Text(text)),
            toml::Value::Integer(number) => visit(path, Leaf::Integer(*number)),
            toml::Value::Float(number) => visit(path, Leaf::Float(*number)),
            toml::Value::Boolean(truth) => visit(path, Leaf::Boolean(*truth)),
            toml::Value::Datetime(date) => visit(path, Leaf::Text(&date.to_string())),
            toml::Value::Table(table) => self.table(table, path, visit),
            toml::Value::Array(items) => {
                visit(path, Leaf::List(items.len()));
                for (at, item) in items.iter().enumerate() {
                    self.step(&at.to_string(), item, path, visit);
                }
            }
        }
    }
}

/// Appends a path and a value: each with its length in front, the value with a tag for its type.
fn put(frame: &mut Vec<u8>, path: &str, leaf: Leaf<'_>) {
    framed(frame, path.as_bytes());
    let (tag, number): (u8, u64) = match leaf {
        Leaf::Text(text) => {
            frame.push(b't');
            return framed(frame, text.as_bytes());
        }
        Leaf::Digest(digest) => {
            frame.push(b'd');
            return framed(frame, digest.as_bytes());
        }
        Leaf::Integer(number) => (b'i', u64::from_ne_bytes(number.to_ne_bytes())),
        Leaf::Float(number) => (b'f', number.to_bits()),
        Leaf::Boolean(truth) => (b'b', u64::from(truth)),
        Leaf::List(count) => (b'l', count as u64),
        Leaf::Table(count) => (b'm', count as u64),
    };
    frame.push(tag);
    frame.extend_from_slice(&number.to_le_bytes());
}

fn framed(frame: &mut Vec<u8>, bytes: &[u8]) {
    frame.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    frame.extend_from_slice(bytes);
}

fn show(leaf: Leaf<'_>) -> Option<String> {
    Some(match leaf {
        Leaf::Text(text) => text.to_owned(),
        Leaf::Integer(number) => number.to_string(),
        Leaf::Float(number) => number.to_string(),
        Leaf::Boolean(truth) => truth.to_string(),
        Leaf::Digest(digest) => digest.hex(),
        Leaf::List(0) | Leaf::Table(0) => "none".to_owned(),
        Leaf::List(_) | Leaf::Table(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Manifest;
    use crate::engine::digest::Digest;

    fn key(params: &str, seed: Option<u64>, inputs: &[(String, Digest)]) -> Digest {
        let params = params.parse::<toml::Table>().unwrap();
        let manifest =
            Manifest { kind: "k", version: 1, params: &params, replaced: &[], seed, inputs, sources: &[] };
        manifest.key()
    }

    #[test]
    fn framing_keeps_neighbours_apart() {
        assert_ne!(key("a = 'bc'\n", None, &[]), key("ab = 'c'\n", None, &[]));
        assert_ne!(key("a = ['b', 'c']", None, &[]), key("a = ['b,c']", None, &[]));
        assert_ne!(key("a = ''", None, &[]), key("", None, &[]));
        assert_ne!(key("a = 1", None, &[]), key("a = 1.0", None, &[]));
        assert_ne!(key("a = true", None, &[]), key("a = 1", None, &[]));
        assert_ne!(key("'a.b' = 1", None, &[]), key("[a]\nb = 1", None, &[]));
        assert_ne!(key("", Some(0), &[]), key("", None, &[]));
    }

    #[test]
    fn spelling_and_order_do_not_matter() {
        assert_eq!(key("a = 1_000\nb = 'x'", None, &[]), key("b = \"x\" # note\na = 1000", None, &[]));
        assert_eq!(key("a = 1e3", None, &[]), key("a = 1000.0", None, &[]));
    }

    #[test]
    fn inputs_and_parameters_do_not_mix() {
        let digest = Digest::of(b"x");
        let as_input = key("", None, &[("a".to_owned(), digest)]);
        let as_text = key(&format!("a = '{digest}'"), None, &[]);
        assert_ne!(as_input, as_text);
    }

    #[test]
    fn a_replaced_parameter_is_not_hashed() {
        let of = |text: &str| {
            let params = text.parse::<toml::Table>().unwrap();
            let replaced = ["path".to_owned(), "inputs.rows".to_owned()];
            let manifest = Manifest {
                kind: "k",
                version: 1,
                params: &params,
                replaced: &replaced,
                seed: None,
                inputs: &[],
                sources: &[],
            };
            manifest.key()
        };
        assert_eq!(of("path = 'a'\ninputs.rows = 'x'"), of("path = 'b'\ninputs.rows = 'y'"));
        assert_ne!(of("path = 'a'\ninputs.more = 'x'"), of("path = 'a'\ninputs.more = 'y'"));
    }

    #[test]
    fn the_key_of_a_known_manifest_never_changes() {
        let text = "k = 5\nscale = 'standard'\ntolerance = 0.0001\nfeatures = ['a', 'b']\nscan = { from = 2, to = 4 }";
        assert_eq!(
            key(text, Some(7), &[("input".to_owned(), Digest::of(b"rows"))]).hex(),
            "6813d99d8460e5fb63cc2eb35173d9d1f424822e14cb67f1782fcee218fb253a"
        );
    }
}

//! Where each value of a pipeline stands, in a form that outlives its files: for records.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::{Node, Value};
use crate::diagnostic::SourceText;

/// Where values stand. A value that is listed nowhere stands where the nearest one above it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Places {
    /// Lines of values by file and path (`segments.k`, `pipeline.seed`), from 1.
    pub lines: BTreeMap<String, BTreeMap<String, usize>>,
    /// Flags by the path of the value that they gave: `segments.k=6`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
}

/// Where the values of a document stand.
pub fn places(document: &Node) -> Places {
    let mut walk = Walk::default();
    let Some(tables) = document.table() else { return walk.found };
    for (name, entry) in tables {
        match entry.node.table() {
            Some(stages) if name == "stages" => {
                for (stage, entry) in stages {
                    walk.value(stage, &entry.node, None);
                }
            }
            _ => walk.value(name, &entry.node, None),
        }
    }
    walk.found
}

impl Places {
    /// Where a value stands: `pipelines/full.toml:31`, or the flag that gave it; nothing when it is a default.
    pub fn of(&self, path: &str) -> Option<String> {
        if let Some(flag) = self.flag(path) {
            return Some(format!("--set {flag}"));
        }
        self.line(path).map(|(file, line)| format!("{file}:{line}"))
    }

    /// The file and the line of a value, or of the nearest above it.
    fn line(&self, path: &str) -> Option<(&String, usize)> {
        let mut best: Option<(usize, &String, usize)> = None;
        for (file, lines) in &self.lines {
            let found = upwards(path).find_map(|path| Some((path.len(), *lines.get(path)?)));
            if let Some((depth, line)) = found
                && best.is_none_or(|(other, ..)| depth > other)
            {
                best = Some((depth, file, line));
            }
        }
        best.map(|(_, file, line)| (file, line))
    }

    /// Has a value stand where another one does, and nowhere else.
    pub fn stand(&mut self, path: &str, at: &str) {
        let flag = self.flag(at).map(str::to_owned);
        let line = self.line(at).map(|(file, line)| (file.clone(), line));
        self.set.remove(path);
        for lines in self.lines.values_mut() {
            lines.remove(path);
        }
        if let Some(flag) = flag {
            self.set.insert(path.to_owned(), flag);
        } else if let Some((file, line)) = line {
            self.lines.entry(file).or_default().insert(path.to_owned(), line);
        }
    }

    /// The flag that gave a value, or a table that it is in.
    pub fn flag(&self, path: &str) -> Option<&str> {
        upwards(path).find_map(|path| self.set.get(path)).map(String::as_str)
    }

    /// Whether a value has a place of its own.
    pub fn lists(&self, path: &str) -> bool {
        self.set.contains_key(path) || self.lines.values().any(|lines| lines.contains_key(path))
    }

    /// Whether a value is written down itself rather than left to its default.
    pub fn has(&self, path: &str) -> bool {
        // What is in a list or a table that is written down on one line stands there too.
        upwards(path).take_while(|above| above.contains('.')).any(|above| self.lists(above))
    }
}

/// A path and all above it: `a.b.c`, `a.b`, `a`.
fn upwards(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(above, _)| above))
}

#[derive(Default)]
struct Walk {
    found: Places,
    /// Where the lines of each text start.
    starts: Vec<(Arc<SourceText>, Vec<usize>)>,
}

/// The place of a value: the number of its text and its line.
type Place = (usize, usize);

impl Walk {
    fn value(&mut self, path: &str, node: &Node, above: Option<Place>) {
        let place = self.place(node);
        // A stage's own parameters are listed in any case, so that they are told from defaults; so are axes.
        let own = path.matches('.').count() <= 1 || path.starts_with("sweep.axes.");
        let listed = own || above != Some(place);
        if listed {
            self.note(path, node, place);
        }
        match &node.value {
            Value::Table(entries) => {
                for (key, entry) in entries.iter() {
                    self.value(&format!("{path}.{key}"), &entry.node, Some(place));
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.value(&format!("{path}.{at}"), item, Some(place));
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, path: &str, node: &Node, (_, line): Place) {
        let source = &node.at.source;
        if source.name == "--set" {
            self.found.set.insert(path.to_owned(), source.text.to_string());
        } else {
            let lines = match self.found.lines.get_mut(&source.name) {
                Some(lines) => lines,
                None => self.found.lines.entry(source.name.clone()).or_default(),
            };
            lines.insert(path.to_owned(), line);
        }
    }

    fn place(&mut self, node: &Node) -> Place {
        let source = &node.at.source;
        let known = self.starts.iter().rposition(|(known, _)| Arc::ptr_eq(known, source));
        let text = known.unwrap_or_else(|| {
            let ends = memchr::memchr_iter(b'\n', source.text.as_bytes());
            self.starts.push((Arc::clone(source), ends.map(|end| end + 1).collect()));
            self.starts.len() - 1
        });
        (text, self.starts[text].1.partition_point(|start| *start <= node.at.start as usize) + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::places;

    fn pipeline(set: &[&str]) -> super::Places {
        let folder = tempfile::tempdir().unwrap();
        let base = "[pipeline]\nseed = 3\n[stages.rows]\nkind = \"simulate\"\ncustomers = 50\n";
        fs_err::write(folder.path().join("base.toml"), base).unwrap();
        let text = "extends = \"base.toml\"\n[stages.rows]\ncustomers = 60\n\n[stages.f]\nkind = \"features\"\ninput = \"rows\"\n[stages.s]\nkind = \"segment\"\ninput = \"f\"\nscan = { from = 2,\n  to = 4 }\n";
        fs_err::write(folder.path().join("p.toml"), text).unwrap();
        let set: Vec<_> = set.iter().map(|flag| (*flag).to_owned()).collect();
        let kinds = crate::stages::KINDS;
        let pipeline = crate::pipeline::load(folder.path(), Path::new("p.toml"), &set, kinds).unwrap();
        places(&pipeline.document)
    }

    #[test]
    fn every_layer_and_flag_gives_places() {
        let places = pipeline(&["s.k=4"]);
        let of = |path: &str| places.of(path);
        assert_eq!(of("rows.customers").as_deref(), Some("p.toml:3"));
        assert_eq!(of("pipeline.seed").as_deref(), Some("base.toml:2"));
        assert_eq!(of("rows.kind").as_deref(), Some("base.toml:4"));
        assert_eq!(of("s.scan.from").as_deref(), Some("p.toml:11"));
        assert_eq!(of("s.scan.to").as_deref(), Some("p.toml:12"));
        assert_eq!(of("s.k").as_deref(), Some("--set s.k=4"));
        assert_eq!((places.flag("s.k"), places.flag("s.input")), (Some("s.k=4"), None));
        assert_eq!((of("nothing"), of("s.n_init").as_deref()), (None, Some("p.toml:8")));
        assert!(places.has("s.k") && places.has("s.scan.from") && !places.has("s.n_init"));
    }
}

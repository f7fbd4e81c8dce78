//! One stage on its own: its kind found, its table checked, its parameters built.
//!
//! Doesn't know the other stages: references are checked in `wire`.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::conform::{self, Place};
use super::document::{Node, Table, Value, table_to_toml};
use super::shape::{Field, Shape};
use crate::diagnostic::{Diagnostic, Location, did_you_mean};
use crate::stage::{AnyStage, Kind, Need, Port};

/// A stage that is right in itself.
pub struct Draft {
    /// Its name: the table `[stages.NAME]`.
    pub name: String,
    /// Where the name stands.
    pub header: Location,
    /// The table as written, for positions.
    pub node: Node,
    /// Its kind.
    pub kind: &'static Kind,
    /// Its parameters, built.
    pub body: Arc<dyn AnyStage>,
    /// Its parameters with every default filled in.
    pub params: toml::Table,
    /// Its inputs.
    pub needs: Vec<Need>,
    /// Its outputs, the implicit `metrics` last.
    pub gives: Vec<Port>,
    /// Where outputs are saved: port, path, place.
    pub saves: Vec<(String, PathBuf, Location)>,
    /// A seed of its own.
    pub seed: Option<u64>,
}

/// The kinds there are, with the keys of those in use.
pub struct Kinds {
    all: &'static [Kind],
    fields: HashMap<&'static str, Arc<Vec<Field>>>,
}

/// The keys that every stage takes besides those of its kind.
pub const COMMON: [&str; 3] = ["kind", "save", "seed"];

impl Kinds {
    /// The kinds of a registry.
    pub fn new(all: &'static [Kind]) -> Self {
        Self { all, fields: HashMap::new() }
    }

    fn find(&self, name: &str) -> Option<&'static Kind> {
        self.all.iter().find(|kind| kind.name == name)
    }

    fn fields(&mut self, kind: &'static Kind) -> Arc<Vec<Field>> {
        let fields = self.fields.entry(kind.name).or_insert_with(|| {
            let mut fields = Shape::of((kind.schema)().as_value()).fields().to_vec();
            fields.extend(common_fields());
            Arc::new(fields)
        });
        Arc::clone(fields)
    }
}

/// The schema of [`COMMON`].
pub fn common_fields() -> Vec<Field> {
    let schema = json!({ "type": "object", "properties": {
        "kind": { "type": "string", "x-required": true, "description": "What the stage does." },
        "save": {
            "anyOf": [{ "type": "string" }, { "type": "object", "additionalProperties": { "type": "string" } }],
            "default": null,
            "description": "Where a copy of the main output goes, or `{ port = \"path\" }`.",
        },
        "seed": {
            "type": "integer", "minimum": 0, "default": null,
            "description": "A seed of its own instead of the pipeline's.",
        },
    }});
    Shape::of(&schema).fields().to_vec()
}

/// Checks one stage's table.
///
/// # Errors
/// Everything that is wrong with it.
pub fn stage(
    name: &str,
    header: &Location,
    node: &Node,
    kinds: &mut Kinds,
) -> Result<Draft, Vec<Diagnostic>> {
    let Some(table) = node.table() else {
        let message = format!("`stages.{name}` must be a table, not {}", node.type_name());
        return Err(vec![Diagnostic::error(message).at(&node.at)]);
    };
    let kind = kind_of(name, header, table, kinds).map_err(|problem| vec![problem])?;
    let mut problems = name_problems(name, header);
    let place = Place {
        owner: &format!("stage `{name}`"),
        path: name.to_owned(),
        more: &format!("`custem kinds {}` lists all keys", kind.name),
    };
    conform::table(&kinds.fields(kind), table, header, &place, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    build(name, header, node, table, kind)
}

/// The references to other stages in a table that may be wrong otherwise.
pub fn references<'a>(node: &'a Node, kinds: &mut Kinds) -> Vec<&'a Node> {
    let Some(table) = node.table() else { return Vec::new() };
    let kind = table.get("kind").and_then(|entry| entry.node.text()).and_then(|name| kinds.find(name));
    let Some(kind) = kind else { return Vec::new() };
    let mut found = Vec::new();
    conform::references(&Shape::Struct(kinds.fields(kind).to_vec()), node, &mut found);
    found
}

/// A stage that custem makes itself, such as a sweep's leaderboard.
///
/// # Errors
/// When its table doesn't fit its kind.
pub fn generated(name: &str, node: &Node, kinds: &mut Kinds) -> Result<Draft, Vec<Diagnostic>> {
    let Some(table) = node.table() else { return Err(Vec::new()) };
    let kind = kind_of(name, &node.at, table, kinds).map_err(|problem| vec![problem])?;
    build(name, &node.at, node, table, kind)
}

fn kind_of(name: &str, header: &Location, table: &Table, kinds: &Kinds) -> Result<&'static Kind, Diagnostic> {
    let list = "`custem kinds` lists them all";
    let Some(entry) = table.get("kind") else {
        let message = format!("stage `{name}` lacks the key `kind`");
        let hint = format!("add `kind = \"...\"` to say what the stage does; {list}");
        return Err(Diagnostic::error(message).at(header).hint(hint));
    };
    let Some(word) = entry.node.text() else {
        let message = format!("`{name}.kind` must be text, not {}", entry.node.type_name());
        return Err(Diagnostic::error(message).at(&entry.node.at));
    };
    kinds.find(word).ok_or_else(|| {
        let hint = match did_you_mean(word, kinds.all.iter().map(|kind| kind.name)) {
            Some(near) => format!("did you mean `{near}`? {list}"),
            None => list.to_owned(),
        };
        Diagnostic::error(format!("there is no kind `{word}`")).at(&entry.node.at).hint(hint)
    })
}

/// A name stands in references, labels and paths, so it has no dots, blanks or slashes.
fn name_problems(name: &str, header: &Location) -> Vec<Diagnostic> {
    let fine = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    let mut problems = Vec::new();
    if name.is_empty() || !name.chars().all(fine) {
        problems.push(
            Diagnostic::error(format!("`{name}` can't be the name of a stage"))
                .at(header)
                .hint("use letters, digits, `_` and `-`"),
        );
    }
    if name == "sweep" || super::layers::TABLES.contains(&name) {
        problems.push(
            Diagnostic::error(format!("a stage can't be called `{name}`, which has a meaning of its own"))
                .at(header),
        );
    }
    problems
}

fn build(
    name: &str,
    header: &Location,
    node: &Node,
    table: &Table,
    kind: &'static Kind,
) -> Result<Draft, Vec<Diagnostic>> {
    let mut given = table_to_toml(table);
    given.retain(|key, _| !COMMON.contains(&key));
    let body = (kind.build)(given).map_err(|error| {
        let message = format!("stage `{name}`: {}", error.message());
        vec![Diagnostic::error(message).at(header)]
    })?;
    let params = body.params().map_err(|error| {
        vec![
            Diagnostic::error(format!("stage `{name}` has a value that TOML can't hold: {error}")).at(header),
        ]
    })?;
    let mut gives = body.gives();
    gives.push(Port::metrics());
    let (saves, mut problems) = saves(name, table, &gives);
    for mistake in body.check() {
        let place = node.nearest(&mistake.key);
        let at = if std::ptr::eq(place, node) { header } else { &place.at };
        problems.push(Diagnostic::error(mistake.message).at(at).maybe_hint(mistake.hint));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Draft {
        name: name.to_owned(),
        header: header.clone(),
        node: node.clone(),
        kind,
        needs: body.needs(),
        gives,
        params,
        saves,
        seed: own_seed(table),
        body: Arc::from(body),
    })
}

fn own_seed(table: &Table) -> Option<u64> {
    match table.get("seed")?.node.value {
        Value::Integer(seed) => u64::try_from(seed).ok(),
        _ => None,
    }
}

type Saves = Vec<(String, PathBuf, Location)>;

fn saves(name: &str, table: &Table, gives: &[Port]) -> (Saves, Vec<Diagnostic>) {
    let mut saves = Vec::new();
    let mut problems = Vec::new();
    let mut save = |port: &str, node: &Node| match save_path(node) {
        Ok(path) => saves.push((port.to_owned(), path, node.at.clone())),
        Err(problem) => problems.push(problem),
    };
    let mut unknown = Vec::new();
    match table.get("save").map(|entry| &entry.node) {
        Some(node) if node.text().is_some() => save(&gives[0].name, node),
        Some(node) => {
            for (port, entry) in node.table().into_iter().flatten() {
                match gives.iter().find(|give| give.name == *port) {
                    Some(_) => save(port, &entry.node),
                    None => unknown.push(unknown_port(name, port, &entry.key, gives)),
                }
            }
        }
        None => {}
    }
    problems.extend(unknown);
    (saves, problems)
}

/// The message for a port that a stage doesn't have.
pub fn unknown_port(stage: &str, port: &str, at: &Location, gives: &[Port]) -> Diagnostic {
    let names = || gives.iter().map(|give| give.name.as_str());
    let hint = match did_you_mean(port, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", crate::diagnostic::quoted(names(), "and")),
    };
    Diagnostic::error(format!("stage `{stage}` has no port `{port}`")).at(at).hint(hint)
}

/// A path to save under, cleaned of `.`; the engine's own folders are taken.
fn save_path(node: &Node) -> Result<PathBuf, Diagnostic> {
    let text = node.text().unwrap_or_default();
    let path: PathBuf = Path::new(text).components().filter(|part| *part != Component::CurDir).collect();
    let first = path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    if path.file_name().is_none() || text.ends_with('/') {
        return Err(Diagnostic::error(format!("`{text}` names no file to save to")).at(&node.at));
    }
    if matches!(first.as_deref(), Some("cache" | "experiments")) {
        let message = format!("`{text}` lies in a folder that custem keeps for itself");
        return Err(Diagnostic::error(message).at(&node.at).hint("save under `data/`, for example"));
    }
    Ok(path)
}

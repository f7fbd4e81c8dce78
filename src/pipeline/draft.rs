//! One stage on its own: its kind found, its table checked, its parameters built.
//!
//! Doesn't know the other stages: references are checked in `wire`.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use serde_json::{Value as Json, json};

use super::conform::{self, Owner, Place};
use super::document::{self, Node, Table, Value};
use super::schedule::{self, Schedule};
use super::shape::{Field, Shape};
use crate::diagnostic::{Diagnostic, Location, did_you_mean, meant, shown};
use crate::stage::{AnyStage, Kind, Mistake, Need, Port, PortType};

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
    /// Its inputs.
    pub needs: Vec<Need>,
    /// Its outputs, the implicit `metrics` last.
    pub gives: Vec<Port>,
    /// Where outputs are saved: port, path, place.
    pub saves: Vec<(String, PathBuf, Location)>,
    /// A seed of its own.
    pub seed: Option<u64>,
    /// How it is to be run.
    pub schedule: Schedule,
    /// Whether its outputs are known: not when a parameter is wrong from which they follow.
    pub outputs_known: bool,
    /// References inside values that are wrong in themselves.
    pub loose: Vec<Node>,
}

impl Draft {
    /// Its parameters with every default filled in: made anew each time, because a large pipeline has many.
    ///
    /// # Errors
    /// When a number doesn't fit TOML.
    pub fn params(&self) -> anyhow::Result<toml::Table> {
        let value = || format!("stage `{}` has a value that TOML can't hold", self.name);
        self.body.params().with_context(value)
    }

    /// How the name of a file with one of its outputs usually ends.
    pub fn ending(&self, port: &str) -> &'static str {
        self.gives.iter().find(|give| give.name == port).map_or("", |give| ending(give.ty))
    }
}

/// The kinds there are, with the keys of those in use.
#[derive(Clone)]
pub struct Kinds(Arc<[Known]>);

struct Known {
    kind: &'static Kind,
    keys: OnceLock<Keys>,
}

/// What a stage of a kind may have, and where to read about it.
struct Keys {
    fields: Vec<Field>,
    more: String,
    about: String,
}

/// The keys that every stage takes besides those of its kind and [`schedule::KEYS`].
const COMMON: [&str; 3] = ["kind", "save", "seed"];

/// Whether a key is none of the kind's own.
pub(super) fn is_common(key: &str) -> bool {
    COMMON.contains(&key) || schedule::KEYS.contains(&key)
}

impl Kinds {
    /// The kinds of a registry.
    pub fn new(all: &'static [Kind]) -> Self {
        Self(all.iter().map(|kind| Known { kind, keys: OnceLock::new() }).collect())
    }

    fn find(&self, name: &str) -> Option<&Known> {
        self.0.iter().find(|known| known.kind.name == name)
    }
}

impl Known {
    fn keys(&self) -> &Keys {
        self.keys.get_or_init(|| {
            let mut fields = Shape::of((self.kind.schema)().as_value()).fields().to_vec();
            fields.extend(common_fields());
            let command = format!("`custem kinds {}`", self.kind.name);
            Keys {
                fields,
                more: format!("{command} lists all keys"),
                about: format!("{command} says what it does"),
            }
        })
    }
}

/// The keys that every stage takes besides those of its kind.
pub fn common_fields() -> Vec<Field> {
    Shape::of(&common_schema()).fields().to_vec()
}

/// The schema of [`common_fields`].
pub(super) fn common_schema() -> Json {
    let mut schema = json!({ "type": "object", "properties": {
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
    if let (Some(all), Json::Object(more)) = (schema["properties"].as_object_mut(), schedule::properties()) {
        all.extend(more);
    }
    schema
}

/// Checks one stage's table: the stage as far as it is right, and everything that is wrong with it.
///
/// A stage with mistakes is only there for what refers to it and what it refers to.
pub fn stage(name: &str, header: &Location, node: &Node, kinds: &Kinds) -> (Option<Draft>, Vec<Diagnostic>) {
    let mut problems = name_problems(name, header);
    let Some(table) = node.table() else {
        problems.push(no_table(name, node));
        return (None, problems);
    };
    let known = match kind_of(name, header, table, kinds) {
        Ok(known) => known,
        Err(problem) => {
            problems.push(problem);
            return (None, problems);
        }
    };
    let Keys { fields, more, about } = known.keys();
    let by_flag = by_flag(table).map(|flag| format!("{more}; {flag}"));
    let more = by_flag.as_ref().unwrap_or(more);
    let before = problems.len();
    conform::table(fields, table, header, &Place::new(Owner::Stage(name), name, more, about), &mut problems);
    let written = Written { name, header, node, kind: known.kind };
    let draft = if problems.len() == before {
        written.whole(table, &mut problems)
    } else {
        written.right_part(table, fields, &mut problems)
    };
    (draft, problems)
}

/// That a flag gave a stage its kind, which explains that its keys don't fit.
fn by_flag(table: &Table) -> Option<String> {
    let kind = table.get("kind").map(|entry| &entry.node.at).filter(|at| at.source.name == "--set");
    kind.map(|at| format!("the kind was given by `{}`", at.file_line()))
}

fn no_table(name: &str, node: &Node) -> Diagnostic {
    Diagnostic::error(format!("`stages.{name}` must be a table, not {}", node.type_name()))
        .at(&node.at)
        .hint(format!("write `[stages.{name}]`, and its keys below it: `kind = \"...\"` first"))
}

/// A stage that custem makes itself, such as a sweep's leaderboard.
///
/// # Errors
/// When its table doesn't fit its kind.
pub fn generated(name: &str, node: &Node, kinds: &Kinds) -> Result<Draft, Vec<Diagnostic>> {
    let Some(table) = node.table() else { return Err(Vec::new()) };
    let kind = kind_of(name, &node.at, table, kinds).map_err(|problem| vec![problem])?.kind;
    let mut problems = Vec::new();
    let draft = Written { name, header: &node.at, node, kind }.whole(table, &mut problems);
    if problems.is_empty() { draft.ok_or_else(Vec::new) } else { Err(problems) }
}

fn kind_of<'k>(
    name: &str,
    header: &Location,
    table: &Table,
    kinds: &'k Kinds,
) -> Result<&'k Known, Diagnostic> {
    let list = "`custem kinds` lists them all";
    let Some(entry) = table.get("kind") else {
        let message = format!("stage `{name}` lacks the key `kind`");
        let hint = format!("add `kind = \"...\"` to say what the stage does; {list}");
        return Err(Diagnostic::error(message).at(header).hint(hint));
    };
    let Some(word) = entry.node.text() else {
        let message = format!("`{name}.kind` must be text, not {}", entry.node.type_name());
        let hint = format!("write `kind = \"simulate\"`, for example; {list}");
        return Err(Diagnostic::error(message).at(&entry.node.at).hint(hint));
    };
    kinds.find(word).ok_or_else(|| {
        let hint = match did_you_mean(word, kinds.0.iter().map(|known| known.kind.name)) {
            Some(near) => format!("did you mean `{near}`? {list}"),
            None => list.to_owned(),
        };
        Diagnostic::error(format!("there is no kind `{}`", shown(word))).at(&entry.node.at).hint(hint)
    })
}

/// A name stands in references, labels and paths, so it has no dots, blanks or slashes.
fn name_problems(name: &str, header: &Location) -> Vec<Diagnostic> {
    let fine = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    let mut problems = Vec::new();
    if name.is_empty() || !name.chars().all(fine) {
        problems.push(
            Diagnostic::error(format!("`{}` can't be the name of a stage", shown(name)))
                .at(header)
                .hint("use letters, digits, `_` and `-`"),
        );
    }
    if name == "sweep" || super::layers::TABLES.contains(&name) {
        problems.push(
            Diagnostic::error(format!("a stage can't be called `{name}`, which has a meaning of its own"))
                .at(header)
                .hint("choose another name"),
        );
    }
    problems
}

/// A stage as it is written, its kind found.
struct Written<'a> {
    name: &'a str,
    header: &'a Location,
    node: &'a Node,
    kind: &'static Kind,
}

impl Written<'_> {
    /// The stage of a table that conforms, with the rules between its parameters.
    fn whole(&self, table: &Table, problems: &mut Vec<Diagnostic>) -> Option<Draft> {
        let draft = match self.build(table) {
            Ok(draft) => draft,
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        };
        problems.extend(draft.body.check().into_iter().map(|mistake| self.told(mistake)));
        Some(self.saved(draft, table, problems))
    }

    /// A mistake that the kind found, at its place.
    fn told(&self, mistake: Mistake) -> Diagnostic {
        let place = self.node.nearest(&mistake.key);
        let at = if std::ptr::eq(place, self.node) { self.header } else { &place.at };
        Diagnostic::error(mistake.message).at(at).maybe_hint(mistake.hint)
    }

    /// What can be told of a stage although some of its keys are wrong.
    fn right_part(&self, table: &Table, fields: &[Field], problems: &mut Vec<Diagnostic>) -> Option<Draft> {
        let (mut right, mut loose, mut wrong) = (Table::new(), Vec::new(), Vec::new());
        let mut sure = true;
        for (key, entry) in table {
            let field = fields.iter().find(|field| field.name == *key);
            if field.is_some_and(|field| conform::fits(&field.shape, &entry.node)) {
                right.insert(key.clone(), entry.clone());
                continue;
            }
            // A key that isn't known is a known one misspelt.
            let names = fields.iter().map(|field| field.name.as_str());
            wrong.extend(field.map(|field| field.name.as_str()).or_else(|| did_you_mean(key, names)));
            let mut found = Vec::new();
            field.into_iter().for_each(|field| conform::references(&field.shape, &entry.node, &mut found));
            loose.extend(found.into_iter().cloned());
            // A key that isn't known may be meant for one from which the outputs follow.
            sure &= if field.is_none() {
                self.kind.outputs_from.is_empty()
            } else {
                !self.kind.outputs_from.contains(&key.as_str())
            };
        }
        let mut draft = self.build(&right).ok()?;
        draft.needs.retain(|need| !need.from.0.is_empty());
        let mistakes = draft.body.check().into_iter();
        let sure_of = mistakes.filter(|mistake| !wrong.iter().any(|key| rests_on(mistake, key)));
        problems.extend(
            sure_of.filter(|mistake| right.contains_key(first_step(&mistake.key))).map(|one| self.told(one)),
        );
        (draft.outputs_known, draft.loose) = (sure, loose);
        Some(if sure { self.saved(draft, &right, problems) } else { draft })
    }

    fn build(&self, table: &Table) -> Result<Draft, Diagnostic> {
        let name = self.name;
        let given = document::plain(table.iter().filter(|(key, _)| !is_common(key)));
        let body = (self.kind.build)(given).map_err(|error| {
            Diagnostic::error(format!("stage `{name}`: {}", error.message()))
                .at(self.header)
                .hint(format!("`custem kinds {}` says what each key takes", self.kind.name))
        })?;
        let mut gives = body.gives();
        gives.push(Port::metrics());
        Ok(Draft {
            name: name.to_owned(),
            header: self.header.clone(),
            node: self.node.clone(),
            kind: self.kind,
            needs: body.needs(),
            gives,
            saves: Vec::new(),
            seed: own_seed(table),
            schedule: Schedule::of(table),
            outputs_known: true,
            loose: Vec::new(),
            body: Arc::from(body),
        })
    }

    fn saved(&self, mut draft: Draft, table: &Table, problems: &mut Vec<Diagnostic>) -> Draft {
        let (saves, found) = saves(self.name, table, &draft.gives);
        problems.extend(found);
        draft.saves = saves;
        draft
    }
}

/// Whether a mistake tells of a key too that is wrong itself: then it may be none.
fn rests_on(mistake: &Mistake, key: &str) -> bool {
    let hint = mistake.hint.as_deref().unwrap_or_default();
    [mistake.key.as_str(), &mistake.message, hint].into_iter().any(|text| {
        let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.any(|word| word == key)
    })
}

fn first_step(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
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
    let mut save = |port: &Port, node: &Node| match save_path(name, port, node) {
        Ok(path) => saves.push((port.name.clone(), path, node.at.clone())),
        Err(problem) => problems.push(problem),
    };
    let mut unknown = Vec::new();
    match table.get("save").map(|entry| &entry.node) {
        Some(node) if node.text().is_some() => save(&gives[0], node),
        Some(node) => {
            for (port, entry) in node.table().into_iter().flatten() {
                match gives.iter().find(|give| give.name == *port) {
                    Some(give) => save(give, &entry.node),
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
    let names = gives.iter().map(|give| give.name.as_str());
    let hint = meant(port, names, "it has");
    Diagnostic::error(format!("stage `{stage}` has no port `{}`", shown(port))).at(at).hint(hint)
}

/// A path to save under, cleaned of `.`; where it leads is looked at in `saves`.
fn save_path(stage: &str, port: &Port, node: &Node) -> Result<PathBuf, Diagnostic> {
    let text = node.text().unwrap_or_default();
    let path: PathBuf = Path::new(text).components().filter(|part| *part != Component::CurDir).collect();
    let problem = |message: String| Diagnostic::error(message).at(&node.at);
    if path.file_name() != Some(last_name(text)) {
        let folder = text.trim_end_matches('/');
        let example = if folder.is_empty() || folder.ends_with('.') { "data" } else { folder };
        let hint = format!("name the file too, such as `{example}/{stage}{}`", ending(port.ty));
        return Err(problem(format!("`{}` names no file to save to", shown(text))).hint(hint));
    }
    if leaves(&path) {
        let hint = "save under `data/`, for example; a path that starts with `/` may lead anywhere";
        return Err(problem(format!("`{}` leaves the project's folder", shown(text))).hint(hint));
    }
    if port.ty == PortType::Table
        && let Some(other) = path.extension().and_then(OsStr::to_str).filter(|ending| OTHER.contains(ending))
    {
        let hint = format!(
            "name it `{}`; `custem show {stage}.{} --csv` writes CSV",
            path.with_extension("parquet").display(),
            port.name
        );
        return Err(problem(format!("a table is saved as Parquet, and not as `.{other}`")).hint(hint));
    }
    if let Some(other) = other_picture(port, &path) {
        let hint = match PICTURES[..2].contains(&other) {
            true => format!("the output `{other}` is one: `save = {{ {other} = \"{}\" }}`", path.display()),
            false => format!("name it `{}`", path.with_extension(&port.name).display()),
        };
        let is = port.name.to_uppercase();
        return Err(problem(format!("the output `{}` is {is}, and not `.{other}`", port.name)).hint(hint));
    }
    Ok(path)
}

/// Endings of pictures, those that there are first.
const PICTURES: [&str; 6] = ["svg", "png", "jpg", "jpeg", "pdf", "gif"];

/// The ending of another kind of picture than an output is.
fn other_picture<'p>(port: &Port, path: &'p Path) -> Option<&'p str> {
    let known = port.ty == PortType::Image && PICTURES[..2].contains(&port.name.as_str());
    let ending = path.extension().and_then(OsStr::to_str)?;
    (known && ending != port.name && PICTURES.contains(&ending)).then_some(ending)
}

/// Endings of formats that a table is not saved in.
const OTHER: [&str; 9] = ["csv", "tsv", "txt", "json", "jsonl", "xlsx", "xls", "feather", "arrow"];

/// How the name of a file with an output usually ends.
fn ending(ty: PortType) -> &'static str {
    match ty {
        PortType::Table => ".parquet",
        PortType::Image => ".svg",
        PortType::Page => ".html",
        PortType::Metrics | PortType::Model => ".json",
        PortType::File => ".txt",
    }
}

/// The last step of a path as it is written.
fn last_name(text: &str) -> &OsStr {
    OsStr::new(text.rsplit('/').next().unwrap_or_default())
}

/// Whether a relative path goes above where it starts.
fn leaves(path: &Path) -> bool {
    let mut depth = 0_i64;
    path.is_relative()
        && path.components().any(|part| {
            depth += if part == Component::ParentDir { -1 } else { 1 };
            depth < 0
        })
}

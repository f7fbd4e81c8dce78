//! One document out of several: the file, those that it extends, and `--set` flags on top.
//!
//! Knows files and merging; of the language only that stages stand under `stages`.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::document::{Entry, Node, Table, Value};
use super::parse;
use crate::diagnostic::{Diagnostic, Location, Problems, SourceText, meant, plural, shown};

/// The tables that a pipeline may have, besides the key `extends`.
pub const TABLES: [&str; 5] = ["pipeline", "resources", "stages", "sweep", "remote"];

/// The byte order mark.
const MARK: &str = "\u{feff}";

/// A file of a pipeline as it was read.
pub struct Layer {
    /// Where it was opened.
    pub path: PathBuf,
    text: Arc<String>,
    /// Whether a byte order mark stands before the text.
    marked: bool,
    identity: PathBuf,
    name: String,
}

impl Layer {
    /// Its bytes.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        let text = self.text.as_bytes();
        if self.marked { Cow::Owned([MARK.as_bytes(), text].concat()) } else { Cow::Borrowed(text) }
    }

    /// How messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a path, its folder's links followed, is that of this file.
    pub fn is_at(&self, path: &Path) -> bool {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = fs_err::canonicalize(folder.unwrap_or(Path::new("."))).unwrap_or_default();
        self.identity == path || path == folder.join(self.path.file_name().unwrap_or_default())
    }
}

/// Reads a pipeline file with everything it extends; `name` is how messages call it.
///
/// # Errors
/// When a file can't be read, isn't UTF-8 or TOML, or files extend each other in a circle.
pub fn read(path: &Path, name: &str) -> Result<(Node, Vec<Layer>), Problems> {
    let mut chain = Vec::new();
    let node = read_chain(path, name, None, &mut chain)?;
    Ok((node, chain))
}

/// The files that a pipeline is read from, its own first, as far as they can be followed: the last one may be
/// missing or broken.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_path_buf()];
    let mut last = path.to_path_buf();
    while let Some(base) = base_of(&last).filter(|base| !found.contains(base)) {
        found.push(base.clone());
        last = base;
    }
    found
}

/// The file that another one extends.
fn base_of(path: &Path) -> Option<PathBuf> {
    let (source, _) = source(fs_err::read(path).ok()?, "").ok()?;
    let base = take_extends(&mut parse::parse(&source).ok()?).ok()??;
    Some(path.parent().unwrap_or(Path::new("")).join(base.text()?))
}

fn read_chain(
    path: &Path,
    name: &str,
    wanted_by: Option<&Location>,
    chain: &mut Vec<Layer>,
) -> Result<Node, Problems> {
    let (source, marked) = source(bytes(path, name, wanted_by)?, name)?;
    let identity = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let seen = chain.iter().position(|other| other.identity == identity);
    let (text, name) = (Arc::clone(&source.text), name.to_owned());
    chain.push(Layer { path: path.to_path_buf(), text, marked, identity, name });
    if let Some(start) = seen {
        return Err(circle(&chain[start..], wanted_by).into());
    }
    let mut node = parse::parse(&source).map_err(Problems)?;
    let Some(base) = take_extends(&mut node)? else { return Ok(node) };
    let text = base.text().unwrap_or_default();
    let base_path = path.parent().unwrap_or(Path::new("")).join(text);
    let base_name = plain(&Path::new(&source.name).parent().unwrap_or(Path::new("")).join(text));
    let below = read_chain(&base_path, &base_name.to_string_lossy(), Some(&base.at), chain)?;
    Ok(merge(below, node))
}

/// A path without steps that lead nowhere: `sub/../base.toml` is `base.toml`. Only for messages, because a
/// folder may be a link.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components().filter(|part| *part != Component::CurDir) {
        let last = plain.components().next_back();
        match (part, last) {
            (Component::ParentDir, Some(Component::Normal(_))) => drop(plain.pop()),
            _ => plain.push(part),
        }
    }
    plain
}

fn problem(message: String, wanted_by: Option<&Location>) -> Diagnostic {
    match wanted_by {
        Some(at) => Diagnostic::error(message).at(at),
        None => Diagnostic::error(message),
    }
}

fn bytes(path: &Path, name: &str, wanted_by: Option<&Location>) -> Result<Vec<u8>, Problems> {
    fs_err::read(path).map_err(|error| {
        let message = match error.kind() {
            std::io::ErrorKind::NotFound => format!("there is no file `{name}`"),
            std::io::ErrorKind::IsADirectory => format!("`{name}` is a folder, not a pipeline file"),
            _ => format!("can't read `{name}`: {error}"),
        };
        let hint = match wanted_by {
            Some(_) => "a path in `extends` starts at the folder of the file that names it",
            None => {
                "give the path of a pipeline such as `pipelines/full.toml`, or make one with `custem init`"
            }
        };
        Problems::from(problem(message, wanted_by).hint(hint))
    })
}

/// The text of a pipeline file, and whether a byte order mark stands before it.
fn source(bytes: Vec<u8>, name: &str) -> Result<(Arc<SourceText>, bool), Problems> {
    let text = String::from_utf8(bytes).map_err(|error| no_text(&error, name))?;
    let rest = text.strip_prefix(MARK).map(str::to_owned);
    let marked = rest.is_some();
    Ok((Arc::new(SourceText::new(name, rest.unwrap_or(text))), marked))
}

/// The place of the first byte that is no text, in what can be read of the file.
fn no_text(error: &std::string::FromUtf8Error, name: &str) -> Problems {
    let lossy = String::from_utf8_lossy(error.as_bytes());
    let text = lossy.strip_prefix(MARK).unwrap_or(&lossy);
    let start = error.utf8_error().valid_up_to() + text.len() - lossy.len();
    let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
    let byte = error.as_bytes().get(error.utf8_error().valid_up_to()).copied().unwrap_or_default();
    let source = Arc::new(SourceText::new(name, text));
    let problem =
        Diagnostic::error(format!("this isn't UTF-8 text: the byte {byte:#04X} belongs to no character"));
    problem.at(&Location::new(&source, start..end)).hint("save the file as UTF-8").into()
}

fn circle(chain: &[Layer], wanted_by: Option<&Location>) -> Diagnostic {
    let names: Vec<_> = chain.iter().map(|layer| format!("`{}`", layer.name)).collect();
    problem(format!("files extend each other: {}", names.join(" -> ")), wanted_by)
        .hint("remove one of these `extends`")
}

fn take_extends(node: &mut Node) -> Result<Option<Node>, Problems> {
    let Value::Table(table) = &mut node.value else { return Ok(None) };
    match Arc::make_mut(table).remove("extends") {
        None => Ok(None),
        Some(entry) if entry.node.text().is_some() => Ok(Some(entry.node)),
        Some(entry) => Err(Diagnostic::error(format!(
            "`extends` must be the path of a pipeline file, not {}",
            entry.node.type_name()
        ))
        .at(&entry.node.at)
        .hint("write `extends = \"base.toml\"`; a file extends one other, which may extend another one")
        .into()),
    }
}

/// Lays one document over another: tables are merged, everything else is replaced.
fn merge(below: Node, above: Node) -> Node {
    match (below.value, above.value) {
        (Value::Table(mut base), Value::Table(top)) => {
            for (key, entry) in Arc::unwrap_or_clone(top) {
                lay(Arc::make_mut(&mut base), key, entry);
            }
            Node { at: above.at, value: Value::Table(base) }
        }
        (_, value) => Node { at: above.at, value },
    }
}

fn lay(base: &mut Table, key: String, above: Entry) {
    let Some(slot) = base.get_mut(&key) else {
        base.insert(key, above);
        return;
    };
    let old = slot.node.at.clone();
    let is_table = matches!((&slot.node.value, &above.node.value), (Value::Table(_), Value::Table(_)));
    let below = std::mem::replace(&mut slot.node, Node { at: old.clone(), value: Value::Boolean(false) });
    slot.node = merge(below, above.node);
    slot.key = above.key;
    if !is_table {
        slot.replaced = Some(Box::new(old));
    }
}

/// Applies `--set` flags (`segments.k=6`) in order; what is wrong with any of them.
pub fn set(document: &mut Node, flags: &[String]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for flag in flags {
        let source = Arc::new(SourceText::new("--set", flag));
        problems.extend(set_one(document, &source).err());
    }
    problems
}

fn set_one(document: &mut Node, source: &Arc<SourceText>) -> Result<(), Diagnostic> {
    let text = &source.text;
    let Some((path, value)) = assignment(text) else {
        return Err(Diagnostic::error(format!("`--set {}` has no `=`", shown(text)))
            .at(&Location::new(source, 0..text.len()))
            .hint("write `--set STAGE.parameter=value`, such as `--set segments.k=6`"));
    };
    let start = text.len() - value.trim_start().len();
    let node = parse::parse_value(source, start).unwrap_or_else(|| Node {
        at: Location::new(source, start..text.len()),
        value: Value::String(value.trim().to_owned()),
    });
    let at = Location::new(source, 0..path.trim_end().len());
    let steps = resolve(document, path.trim(), &at)?;
    put(document, &steps, &at, node);
    Ok(())
}

/// The path and the value of a flag; an `=` between quotes belongs to the path.
pub fn assignment(text: &str) -> Option<(&str, &str)> {
    let outside = |(at, _): &(usize, &str)| text[..*at].matches('"').count().is_multiple_of(2);
    let (at, _) = text.match_indices('=').find(outside)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The steps of a dotted path; a step in quotes may have dots: `sweep.axes."segments.k"`.
fn steps(path: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    let mut quoted = false;
    for letter in path.chars() {
        match letter {
            '"' => quoted = !quoted,
            '.' if !quoted => steps.push(String::new()),
            letter => steps.last_mut().into_iter().for_each(|step| step.push(letter)),
        }
    }
    steps
}

/// The full path of a parameter given as `STAGE.param` or as a full TOML path.
///
/// # Errors
/// When the path names no stage and no table, with the nearest name there is.
pub fn resolve(document: &Node, path: &str, at: &Location) -> Result<Vec<String>, Diagnostic> {
    let steps = steps(path);
    let (first, stage) = match steps.as_slice() {
        [first, second, ..] if TABLES.contains(&first.as_str()) => (first.as_str(), second.as_str()),
        [first, _, ..] => ("stages", first.as_str()),
        _ => {
            return Err(Diagnostic::error(format!("`{}` names no parameter", shown(path)))
                .at(at)
                .hint("write `STAGE.parameter`, such as `segments.k`, or `pipeline.seed`"));
        }
    };
    if first != "stages" {
        there(document, &steps, at)?;
        return Ok(steps);
    }
    let stages = document.get("stages").and_then(Node::table);
    if stages.is_some_and(|stages| stages.contains_key(stage)) {
        let given_in_full = steps.first().is_some_and(|step| step == "stages");
        let prefix = if given_in_full { None } else { Some("stages".to_owned()) };
        let steps: Vec<_> = prefix.into_iter().chain(steps).collect();
        there(document, &steps, at)?;
        return Ok(steps);
    }
    let names = stages.into_iter().flat_map(|stages| stages.keys().map(String::as_str));
    let hint = meant(stage, names, "the stages are");
    Err(Diagnostic::error(format!("there is no stage `{}`", shown(stage))).at(at).hint(hint))
}

/// Whether a path leads through tables and items that are there; keys on it may be new.
fn there(document: &Node, steps: &[String], at: &Location) -> Result<(), Diagnostic> {
    let mut node = document;
    for (depth, step) in steps.iter().enumerate() {
        let own = steps.iter().take(depth).skip(usize::from(steps[0] == "stages"));
        let name = own.map(String::as_str).collect::<Vec<_>>().join(".");
        let next = match &node.value {
            Value::Table(table) => table.get(step).map(|entry| &entry.node),
            Value::Array(items) => match step.parse::<usize>().ok().and_then(|item| items.get(item)) {
                None => return Err(no_item(&name, step, items.len()).at(at)),
                item => item,
            },
            _ => {
                let message =
                    format!("`{name}` is {}, so there is no `{}` in it", node.type_name(), shown(step));
                return Err(Diagnostic::error(message).at(at).hint(format!("give `{name}` as a whole")));
            }
        };
        let Some(next) = next else { return Ok(()) };
        node = next;
    }
    Ok(())
}

fn no_item(list: &str, step: &str, items: usize) -> Diagnostic {
    let message = format!("`{list}` has {}, and no `{}`", plural(items, "item"), shown(step));
    let hint = match items {
        0 => format!("give the list as a whole: `{list} = [...]`"),
        1 => format!("its only item is `{list}.0`; for another one, give the list as a whole"),
        _ => format!(
            "its items are `{list}.0` to `{list}.{}`; for another one, give the list as a whole",
            items - 1
        ),
    };
    Diagnostic::error(message).hint(hint)
}

/// Puts a value at a path, making tables on the way.
pub fn put(document: &mut Node, steps: &[String], key: &Location, value: Node) {
    let [step, rest @ ..] = steps else {
        *document = value;
        return;
    };
    if let Value::Array(items) = &mut document.value
        && let Some(item) = step.parse::<usize>().ok().and_then(|at| items.get_mut(at))
    {
        return put(item, rest, key, value);
    }
    if !matches!(document.value, Value::Table(_)) {
        document.value = Value::Table(Arc::default());
    }
    let Value::Table(table) = &mut document.value else { return };
    let slot = Arc::make_mut(table).get_or_insert_with(step, || {
        Entry::new(key.clone(), Node { at: key.clone(), value: Value::Table(Arc::default()) })
    });
    if rest.is_empty() {
        let old = slot.node.at.clone();
        slot.replaced = (old.source.name != key.source.name).then(|| Box::new(old));
        slot.key = key.clone();
        slot.node = value;
    } else {
        put(&mut slot.node, rest, key, value);
    }
}

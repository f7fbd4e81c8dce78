//! Why a stage ran: what its manifest has that the last run's had not.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::store::Loss;
use crate::diagnostic::{Location, plural};
use crate::pipeline::document::{Entry, Node};
use crate::pipeline::{Pipeline, Task, board};

/// One reason for a stage to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// No earlier run of it is known.
    New,
    /// `--force` named it.
    Forced,
    /// Everything is as in the last run, but the cache has no record of it any more.
    Forgotten,
    /// A parameter, the seed or the kind's version has another value.
    Changed {
        /// The parameter, without the stage's name: `k`.
        name: String,
        /// Whose it is where it isn't the stage's own: `pipeline`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<String>,
        /// What it was; nothing when it is new.
        old: Option<String>,
        /// What it is; nothing when it is gone.
        new: Option<String>,
        /// Where it stands: `pipelines/full.toml:31`, or the flag.
        place: String,
        /// Where the value stands that a flag or a layer on top replaced.
        overrides: Option<String>,
    },
    /// An input has other bytes.
    Input {
        /// The parameter that names it.
        name: String,
        /// The task that gave it.
        from: String,
        /// The digest that it had.
        old: Option<String>,
        /// The digest that it has.
        new: Option<String>,
    },
    /// An input that it hadn't before.
    Added {
        /// The parameter that names it.
        name: String,
        /// The output that it names.
        from: String,
        /// Where it stands.
        place: String,
    },
    /// An input that it hasn't any more.
    TakenOut {
        /// The parameter that named it.
        name: String,
        /// Where the stage stands.
        place: String,
    },
    /// A file from outside has other bytes, is new or is gone.
    Source {
        /// The file.
        name: String,
        /// The digest that it had.
        old: Option<String>,
        /// The digest that it has.
        new: Option<String>,
    },
    /// An output is no longer in the cache as it was.
    Lost {
        /// The output's port.
        port: String,
        /// What became of it.
        loss: Loss,
    },
}

/// What is known of a task at one time.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Its manifest in readable form.
    pub manifest: &'a BTreeMap<String, String>,
    /// Its parameters, which name the outputs that it takes; nothing where they aren't known.
    pub params: Option<&'a toml::Table>,
    /// The inputs that it has, also those whose bytes aren't known yet.
    pub takes: &'a [&'a str],
}

/// Where what has changed stands now.
#[derive(Clone, Copy)]
pub struct Now<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// The task in it.
    pub task: &'a Task,
}

impl Now<'_> {
    /// Where a parameter stands, and what stands below it where a layer replaced it.
    fn place(&self, name: &str) -> (String, Option<String>) {
        if self.task.label == board::LABEL {
            let axes = self.pipeline.document.get("sweep.axes").and_then(Node::table);
            let entry = board::axis(name).and_then(|axis| axes?.get(axis));
            return entry.map_or_else(|| (self.task.place(name).file_line(), None), written);
        }
        let node = &self.task.draft.node;
        let entry = |path: &str| match path.rsplit_once('.') {
            Some((above, key)) => node.get(above)?.table()?.get(key),
            None => node.table()?.get(path),
        };
        let replaced = prefixes(name).filter_map(|path| entry(path)?.replaced.as_ref()).last();
        (self.task.place(name).file_line(), replaced.map(|replaced| says(replaced)))
    }
}

/// All that differs in a task between two times, told by its manifests; without `now`, changes have no places.
pub fn between(
    now: Option<Now<'_>>,
    givers: &BTreeMap<String, String>,
    old: Seen<'_>,
    new: Seen<'_>,
) -> Vec<Cause> {
    let mut causes = head(now, old.manifest, new.manifest);
    let inputs = Inputs::of(old, new);
    let board = new.manifest.get("kind").is_some_and(|kind| kind == board::KIND);
    let params = |seen: Seen<'_>, named: &Flat| {
        let own = part(seen.manifest, "params");
        if board { board::axes(&own) } else { own.into_iter().chain(named.clone()).collect() }
    };
    let sources: Vec<_> = differing(&part(old.manifest, "sources"), &part(new.manifest, "sources")).collect();
    let mut changes = changes(&params(old, &inputs.old), &params(new, &inputs.new));
    // That a list of files is empty is told by the files that came or went.
    changes.retain(|change| sources.is_empty() || !change.is_about_nothing());
    causes.extend(changes.iter().map(|change| change.cause(now, &inputs)));
    // The inputs of a leaderboard are numbered by variant: where these aren't the same, they can't be compared.
    if !board || causes.is_empty() {
        let told = |name: &str| changes.iter().any(|change| change.covers(name));
        let others = inputs.differing.iter().filter(|(name, ..)| !told(name));
        causes.extend(others.map(|(name, old, new)| {
            let from = givers.get(name).cloned().unwrap_or_default();
            Cause::Input { name: name.clone(), from, old: old.clone(), new: new.clone() }
        }));
    }
    causes.extend(sources.into_iter().map(|(name, old, new)| Cause::Source { name, old, new }));
    causes
}

/// Values by path.
type Flat = BTreeMap<String, String>;

/// The values below a path, by the rest of theirs.
fn part(manifest: &Flat, path: &str) -> Flat {
    let below = |(key, value): (&String, &String)| {
        let rest = key.strip_prefix(path)?.strip_prefix('.')?;
        Some((rest.to_owned(), value.clone()))
    };
    manifest.iter().filter_map(below).collect()
}

/// What two sets of values don't have in common: name, what it was, what it is.
fn differing(old: &Flat, new: &Flat) -> impl Iterator<Item = (String, Option<String>, Option<String>)> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let pair = |name: &String| (name.clone(), old.get(name).cloned(), new.get(name).cloned());
    let pairs: Vec<_> = names.into_iter().map(pair).filter(|(_, old, new)| old != new).collect();
    pairs.into_iter()
}

/// Changes of the seed, the kind and its version.
fn head(now: Option<Now<'_>>, old: &Flat, new: &Flat) -> Vec<Cause> {
    let outside = |manifest: &Flat| -> Flat {
        let parts = ["params", "inputs", "sources"];
        let own = |path: &&String| !parts.contains(&path.split('.').next().unwrap_or_default());
        manifest
            .iter()
            .filter(|(path, _)| own(path))
            .map(|(path, value)| (path.clone(), value.clone()))
            .collect()
    };
    let cause = |(path, old, new): (String, _, _)| {
        let kind = now.map_or("its kind", |now| now.task.draft.kind.name);
        let name = if path == "version" { format!("version of `{kind}`") } else { path.clone() };
        let of =
            now.filter(|now| path == "seed" && now.task.draft.seed.is_none()).map(|_| "pipeline".to_owned());
        let (place, overrides) = match now {
            Some(now) if of.is_some() => seed_place(now.pipeline),
            Some(now) => now.place(&path),
            None => Default::default(),
        };
        Cause::Changed { name, of, old, new, place, overrides }
    };
    differing(&outside(old), &outside(new)).map(cause).collect()
}

/// Where the seed of the whole pipeline stands.
fn seed_place(pipeline: &Pipeline) -> (String, Option<String>) {
    let table = pipeline.document.table().and_then(|top| top.get("pipeline"));
    match table.and_then(|entry| entry.node.table()?.get("seed")) {
        Some(entry) => written(entry),
        None => (table.map_or_else(|| pipeline.file.clone(), |entry| entry.key.file_line()), None),
    }
}

/// Where a value stands, and the one that it replaced.
fn written(entry: &Entry) -> (String, Option<String>) {
    (entry.node.at.file_line(), entry.replaced.as_deref().map(says))
}

/// What a value says that was replaced.
fn says(replaced: &Location) -> String {
    format!("{} says {}", replaced.file_line(), replaced.text())
}

/// The inputs of a task at two times.
struct Inputs {
    /// What each named, as far as that differs or tells of inputs that came or went.
    old: Flat,
    new: Flat,
    /// Those with other bytes: name, digest before, digest now.
    differing: Vec<(String, Option<String>, Option<String>)>,
}

impl Inputs {
    fn of(old: Seen<'_>, new: Seen<'_>) -> Self {
        let (had, has) = (part(old.manifest, "inputs"), part(new.manifest, "inputs"));
        let taken = new.takes.iter().map(|name| (*name).to_owned());
        let names: BTreeSet<String> = had.keys().chain(has.keys()).cloned().chain(taken).collect();
        let mut inputs = Self { old: Flat::new(), new: Flat::new(), differing: Vec::new() };
        for name in names {
            let reference = |seen: Seen<'_>| seen.params.and_then(|params| text_at(params, &name));
            let there = has.contains_key(&name) || new.takes.contains(&name.as_str());
            let (then, now) = (had.get(&name), has.get(&name));
            let same = then.is_some() && then == now;
            let target = reference(new).unwrap_or_default();
            let before = match reference(old) {
                Some(_) if same => Some(target.clone()),
                // Which output it was isn't known: as far as can be told, the same.
                None if then.is_some() && there => Some(target.clone()),
                None if then.is_some() => Some(String::new()),
                reference => reference,
            };
            inputs.old.extend(before.map(|before| (name.clone(), before)));
            inputs.new.extend(there.then(|| (name.clone(), target)));
            if then != now {
                inputs.differing.push((name.clone(), then.cloned(), now.cloned()));
            }
        }
        inputs
    }
}

/// The text at a dotted path.
fn text_at(params: &toml::Table, path: &str) -> Option<String> {
    let mut steps = path.split('.');
    let first = params.get(steps.next()?)?;
    let value = steps.try_fold(first, |value, step| match value {
        toml::Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        value => value.get(step),
    })?;
    value.as_str().map(str::to_owned)
}

/// A parameter with another value.
struct Change {
    path: String,
    /// Whether it is a list as a whole.
    whole: bool,
    old: Option<String>,
    new: Option<String>,
}

impl Change {
    fn cause(&self, now: Option<Now<'_>>, inputs: &Inputs) -> Cause {
        let name = self.path.clone();
        let (place, overrides) = now.map(|now| now.place(&name)).unwrap_or_default();
        let is_input = inputs.old.contains_key(&name) || inputs.new.contains_key(&name);
        match (&self.old, &self.new) {
            (None, Some(from)) if is_input => Cause::Added { name, from: from.clone(), place },
            (Some(_), None) if is_input => Cause::TakenOut { name, place },
            (old, new) => {
                Cause::Changed { name, of: None, old: old.clone(), new: new.clone(), place, overrides }
            }
        }
    }

    /// Whether all it says is that a list or table was or is empty.
    fn is_about_nothing(&self) -> bool {
        let sides = (self.old.as_deref(), self.new.as_deref());
        matches!(sides, (None, Some("none")) | (Some("none"), None))
    }

    /// Whether it tells of a value at a path.
    fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.path.as_str());
        rest.is_some_and(|rest| rest.is_empty() || self.whole && rest.starts_with('.'))
    }
}

/// What differs between parameters. A list with more or fewer items than before is one value.
fn changes(old: &Flat, new: &Flat) -> Vec<Change> {
    let lengths = (lengths(old), lengths(new));
    let mut changes: Vec<Change> = Vec::new();
    for (path, before, after) in differing(old, new) {
        if changes.iter().any(|change| change.covers(&path)) {
            continue;
        }
        let list = prefixes(&path).find(|list| lengths.0.get(*list) != lengths.1.get(*list));
        changes.push(match list {
            Some(list) => {
                let (old, new) = (whole(old, list, &lengths.0), whole(new, list, &lengths.1));
                Change { path: list.to_owned(), whole: true, old, new }
            }
            // That a table is empty is told by what it had.
            None if [&before, &after].contains(&&None) && is_table(&path, old, new) => continue,
            None => Change { path, whole: false, old: before, new: after },
        });
    }
    changes
}

/// Whether there are values below a path, then or now.
fn is_table(path: &str, old: &Flat, new: &Flat) -> bool {
    let below = |values: &Flat| {
        values.keys().any(|key| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
    };
    below(old) || below(new)
}

/// A path, and all that lead to it, the shortest first.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('.').map(|(at, _)| &path[..at]).chain([path])
}

/// How many items each list has.
fn lengths(values: &Flat) -> BTreeMap<String, usize> {
    let mut lengths = BTreeMap::new();
    for path in values.keys() {
        for (at, _) in path.match_indices('.') {
            let step = path[at + 1..].split('.').next().unwrap_or_default();
            if let Ok(item) = step.parse::<usize>() {
                let length = lengths.entry(path[..at].to_owned()).or_insert(0);
                *length = (*length).max(item + 1);
            }
        }
    }
    lengths
}

/// The items of a list on one line, or how many there are where they are tables or lists themselves.
fn whole(values: &Flat, path: &str, lengths: &BTreeMap<String, usize>) -> Option<String> {
    let Some(length) = lengths.get(path) else {
        let value = values.get(path)?;
        return Some(if value == "none" { "[]".to_owned() } else { value.clone() });
    };
    let item = |at: usize| values.get(&format!("{path}.{at}")).cloned();
    let items: Option<Vec<_>> = (0..*length).map(item).collect();
    Some(items.map_or_else(|| plural(*length, "item"), |items| format!("[{}]", items.join(", "))))
}

/// A digest as text, short.
pub fn short(digest: &str) -> &str {
    digest.get(..8).unwrap_or(digest)
}

impl Cause {
    /// The cause that an output is lost.
    pub fn lost(port: &str, loss: Loss) -> Self {
        Self::Lost { port: port.to_owned(), loss }
    }
}

/// The digests of inputs or sources as the manifest shows them.
pub fn shown(digest: &Digest) -> String {
    digest.hex()
}

//! `custem cache du`: how much room artifacts take, each object counted once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Map, Value as Json, json};

use super::named::{Named, Stage};
use crate::diagnostic::plural;
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::gc::Total;
use crate::engine::inventory::Inventory;
use crate::engine::parts;
use crate::engine::store::Store;
use crate::present::terminal::bytes;
use crate::present::terminal::print;

/// What else lies in the cache.
const BESIDES: [&str; 5] = ["records.log", "files.log", "still", "damaged", "tmp"];

pub fn du(json: bool, project: &Project) -> Result<ExitCode> {
    let cache = project.cache();
    let store = Store::look(&cache)?;
    let mut runs = Named::all(&project.experiments());
    for stage in runs.iter_mut().flat_map(|run| &mut run.stages) {
        stage.outputs.extend(parts::of(&store, &stage.key));
    }
    let usage = Usage::of(&Inventory::of(&cache), &runs, &cache);
    if json {
        print(format_args!("{}\n", usage.to_json()))?;
    } else {
        print(format_args!("{}", usage.text()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Objects of one name.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    kind: String,
    total: Total,
}

/// How the room is used.
struct Usage {
    /// The last run.
    run: Option<String>,
    /// Its stages, the largest first.
    stages: Vec<Row>,
    /// What several of its stages give.
    shared: Total,
    /// All that runs name, by kind, the largest first.
    kinds: Vec<Row>,
    /// What no run names.
    unreachable: Total,
    all: Total,
    besides: Vec<(&'static str, u64)>,
}

impl Usage {
    fn of(inventory: &Inventory, runs: &[Named], cache: &Path) -> Self {
        let sizes: HashMap<_, _> = inventory.objects.iter().map(|one| (one.digest, one.bytes)).collect();
        let last = runs.last();
        let of_last = last.iter().flat_map(|run| &run.stages);
        let (stages, shared) = tally(of_last, &sizes, |stage| &stage.name);
        let stages_of_all = runs.iter().rev().flat_map(|run| &run.stages);
        let (kinds, _) = tally(stages_of_all.clone(), &sizes, |stage| &stage.kind);
        let named: HashSet<_> =
            stages_of_all.flat_map(|stage| &stage.outputs).map(|output| output.digest).collect();
        let (mut all, mut unreachable) = (Total::default(), Total::default());
        for object in &inventory.objects {
            all.add(object.bytes);
            if !named.contains(&object.digest) {
                unreachable.add(object.bytes);
            }
        }
        let besides = BESIDES.map(|name| (name, size(&cache.join(name)))).into();
        Self { run: last.map(|run| run.run.clone()), stages, shared, kinds, unreachable, all, besides }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(run) = &self.run {
            text += &format!("stages of the last run, {run}\n");
            text += &self.stages.iter().map(|row| line(row.total, &row.name)).collect::<String>();
        }
        if self.shared.objects > 0 {
            let (count, size) = (plural(self.shared.objects, "object"), bytes(self.shared.bytes));
            text += &format!("  {count} ({size}) that several stages give: counted once, at the first\n");
        }
        if !self.kinds.is_empty() {
            text += "all recorded runs, by kind\n";
        }
        text += &self.kinds.iter().map(|row| line(row.total, &row.name)).collect::<String>();
        text += "all objects\n";
        text += &line(self.all, "");
        if self.unreachable.objects > 0 {
            text += &line(self.unreachable, "of them no recorded run names: custem cache gc");
        }
        let besides = self.besides.iter().filter(|(_, size)| *size > 0);
        let besides: Vec<_> = besides.map(|(name, size)| format!("{name} {}", bytes(*size))).collect();
        if !besides.is_empty() {
            text += &format!("besides: {}\n", besides.join(", "));
        }
        text
    }

    fn to_json(&self) -> Json {
        let stage = |row: &Row| json!({ "stage": row.name, "kind": row.kind, "objects": row.total.objects, "bytes": row.total.bytes });
        let kind =
            |row: &Row| json!({ "kind": row.kind, "objects": row.total.objects, "bytes": row.total.bytes });
        let besides: Map<_, _> =
            self.besides.iter().map(|(name, size)| ((*name).to_owned(), (*size).into())).collect();
        json!({
            "run": self.run,
            "stages": self.stages.iter().map(stage).collect::<Vec<_>>(),
            "shared": self.shared,
            "kinds": self.kinds.iter().map(kind).collect::<Vec<_>>(),
            "unreachable": self.unreachable,
            "all": self.all,
            "besides": besides,
        })
    }
}

fn line(total: Total, name: &str) -> String {
    let line = format!("  {:>7}   {:>12}   {name}", bytes(total.bytes), plural(total.objects, "object"));
    line.trim_end().to_owned() + "\n"
}

/// The objects of stages by a name, each counted for the first that gives it, and what others give too.
fn tally<'a>(
    stages: impl Iterator<Item = &'a Stage>,
    sizes: &HashMap<Digest, u64>,
    name: fn(&Stage) -> &String,
) -> (Vec<Row>, Total) {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut owners: HashMap<Digest, &str> = HashMap::new();
    let mut shared = BTreeSet::new();
    for stage in stages {
        let name = name(stage);
        let fresh = || Row { name: name.clone(), kind: stage.kind.clone(), total: Total::default() };
        let row = rows.entry(name).or_insert_with(fresh);
        for output in &stage.outputs {
            let Some(bytes) = sizes.get(&output.digest) else { continue };
            match owners.insert(output.digest, name) {
                None => row.total.add(*bytes),
                Some(owner) if owner != name => drop(shared.insert(output.digest)),
                Some(_) => {}
            }
        }
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by(|one, two| (two.total.bytes, &one.name).cmp(&(one.total.bytes, &two.name)));
    let mut total = Total::default();
    shared.iter().filter_map(|digest| sizes.get(digest)).for_each(|bytes| total.add(*bytes));
    (rows, total)
}

/// The size of a file, or of all in a folder.
fn size(path: &Path) -> u64 {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => {
            let entries = fs_err::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| size(&entry.path())).sum()
        }
        Ok(meta) => meta.len(),
        Err(_) => 0,
    }
}

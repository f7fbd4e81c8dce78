//! `custem cache verify`: every object hashed anew, damaged ones moved away, and what that costs said.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};

use super::named::{Named, labels};
use crate::cli;
use crate::commands::{FAILED, run, say};
use crate::diagnostic::plural;
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::files::Files;
use crate::engine::gc;
use crate::engine::inventory::{self, Damage, Inventory, LostOutput};
use crate::engine::store::Store;
use crate::present::terminal::bytes;
use crate::present::terminal::print;

pub fn verify(flags: &cli::CacheVerify, project: &Project) -> Result<ExitCode> {
    let mut health = Health::of(project, flags.json)?;
    health.dropped = health.torn() > 0 && drop_lines(project);
    let runs = Named::all(&project.experiments());
    let labels = labels(&runs);
    if flags.json {
        print(format_args!("{}\n", health.to_json(&labels)))?;
    } else {
        print(format_args!("{}", health.text(&labels)))?;
    }
    if health.is_well() {
        return Ok(ExitCode::SUCCESS);
    }
    match &flags.heal {
        // What can't be read may be right, and no run would write it anew.
        Some(pipeline) if health.damage.unread.is_empty() => heal(pipeline.clone(), flags.json, project),
        _ => {
            say("the cache had damage", Some(health.advice()));
            Ok(ExitCode::from(FAILED))
        }
    }
}

/// Drops damaged lines of the logs, unless a run uses them; whether that was done.
fn drop_lines(project: &Project) -> bool {
    let store = Store::open_alone(&project.cache(), false);
    store.is_ok_and(|store| store.is_some_and(|store| gc::mend(&store).is_ok()))
}

/// Runs a pipeline, which computes what it has lost; the exit code is 1 when something is still lost.
fn heal(pipeline: PathBuf, json: bool, project: &Project) -> Result<ExitCode> {
    let target = cli::Target { pipeline: Some(pipeline), set: Vec::new() };
    let flags = cli::Run { json, ..cli::Run::of(target) };
    let code = run::run(&flags, project)?;
    if code != ExitCode::SUCCESS {
        return Ok(code);
    }
    let store = Store::look(&project.cache())?;
    match inventory::lost(&store, &Damage::default()).len() {
        0 => Ok(ExitCode::SUCCESS),
        left => {
            let message = format!("{} still lost: this pipeline doesn't need them", plural(left, "output"));
            let hint = "run the pipelines that they are of, or let `custem cache gc` drop their records";
            say(message, Some(hint.to_owned()));
            Ok(ExitCode::from(FAILED))
        }
    }
}

/// How a cache is.
struct Health {
    inventory: Inventory,
    damage: Damage,
    /// Outputs that records name and the store can't give.
    lost: Vec<LostOutput>,
    records: usize,
    /// Damaged lines by the file that they are in.
    lines: [(&'static str, usize); 2],
    /// Whether these have been dropped.
    dropped: bool,
}

impl Health {
    fn of(project: &Project, json: bool) -> Result<Self> {
        let cache = project.cache();
        // To look must not make a cache where there is none.
        let store = if cache.is_dir() { Store::open(&cache) } else { Store::look(&cache) }?;
        let mut inventory = Inventory::of(&cache);
        inventory.strays.iter_mut().for_each(|path| *path = project.within(path));
        let bar = bar(inventory.bytes(), json);
        let damage = inventory::verify(&store, &inventory, &|bytes| bar.inc(bytes));
        bar.finish_and_clear();
        let files = Files::look(&store.files_log())?;
        Ok(Self {
            lost: inventory::lost(&store, &damage),
            records: store.keyed_records().len(),
            lines: [("records.log", store.damaged_lines()), ("files.log", files.damaged_lines())],
            dropped: false,
            inventory,
            damage,
        })
    }

    /// Whether every answer that the cache gives is right; a stray file gives none.
    fn is_well(&self) -> bool {
        let Damage { damaged, unread } = &self.damage;
        damaged.is_empty() && unread.is_empty() && self.lost.is_empty() && self.torn() == 0
    }

    /// Lines of the logs that are damaged.
    fn torn(&self) -> usize {
        self.lines.iter().map(|(_, count)| count).sum()
    }

    fn advice(&self) -> String {
        if self.damage.unread.is_empty() {
            return "the next run computes anew what it needs of it: `custem cache verify --heal PIPELINE` runs one"
                .to_owned();
        }
        "make the files in `cache/objects` readable, and look again".to_owned()
    }

    fn text(&self, labels: &HashMap<Digest, &str>) -> String {
        let mut text = String::new();
        for object in &self.damage.damaged {
            let (name, size) = (object.digest.short(), bytes(object.bytes));
            text += &format!("  damaged   {name}   {size:>7}   moved to cache/damaged\n");
        }
        for (digest, reason) in &self.damage.unread {
            text += &format!("  unread    {}   {reason}\n", digest.short());
        }
        for lost in &self.lost {
            let (stage, key, word) = (stage_of(labels, lost), lost.key.short(), lost.loss.name());
            text += &format!(
                "  lost      {}   `{stage}.{}` is {word} (key {key})\n",
                lost.digest.short(),
                lost.port
            );
        }
        for path in &self.inventory.strays {
            text += &format!("  stray     {} is no object: custem leaves it alone\n", path.display());
        }
        for (file, count) in self.lines.iter().filter(|(_, count)| *count > 0) {
            text +=
                &format!("  torn      {} of cache/{file}: damaged or cut short\n", plural(*count, "line"));
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let objects = plural(self.inventory.objects.len(), "object");
        let size = bytes(self.inventory.bytes());
        let records = plural(self.records, "record");
        if self.is_well() {
            return format!("{objects} ({size}) and {records}: all are as they were written\n");
        }
        let (damaged, unread, lost) =
            (self.damage.damaged.len(), self.damage.unread.len(), plural(self.lost.len(), "lost output"));
        format!("{objects} ({size}) and {records}: {damaged} damaged, {unread} unread, {lost}\n")
    }

    fn to_json(&self, labels: &HashMap<Digest, &str>) -> Json {
        let lost = |lost: &LostOutput| {
            json!({
                "stage": labels.get(&lost.key), "kind": lost.kind, "key": lost.key, "port": lost.port,
                "digest": lost.digest, "loss": lost.loss,
            })
        };
        let damaged = self.damage.damaged.iter();
        let unread = self.damage.unread.iter();
        json!({
            "ok": self.is_well(),
            "objects": self.inventory.objects.len(),
            "bytes": self.inventory.bytes(),
            "records": self.records,
            "damaged": damaged.map(|one| json!({ "digest": one.digest, "bytes": one.bytes })).collect::<Vec<_>>(),
            "unread": unread.map(|(digest, why)| json!({ "digest": digest, "message": why })).collect::<Vec<_>>(),
            "lost": self.lost.iter().map(lost).collect::<Vec<_>>(),
            "stray": self.inventory.strays,
            "dropped_lines": self.dropped,
            "damaged_lines": self.lines.iter().copied().collect::<HashMap<_, _>>(),
        })
    }
}

/// The stage that a lost output is of; its kind where no recorded run names it.
fn stage_of<'a>(labels: &HashMap<Digest, &'a str>, lost: &'a LostOutput) -> &'a str {
    labels.get(&lost.key).copied().unwrap_or(&lost.kind)
}

/// How far it is, on a terminal.
fn bar(total: u64, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("  hashing {bar:40} {percent} %  {elapsed}") {
        bar.set_style(style);
    }
    bar
}

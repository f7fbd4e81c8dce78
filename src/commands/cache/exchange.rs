//! `custem cache push` and `pull`: results given to a pipeline's remote cache, and taken from it.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;

use crate::cli;
use crate::commands::run::stop_on_ctrl_c;
use crate::commands::{FAILED, INTERRUPTED, load, say};
use crate::diagnostic::{self, Diagnostic, Problems, plural, quoted};
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::events::{Event, Sink};
use crate::engine::files::Files;
use crate::engine::remote::reach::{here, reach};
use crate::engine::remote::session::{Amount, Wanted};
use crate::engine::remote::{Remote, Session, Trouble};
use crate::engine::store::{Record, Store};
use crate::pipeline::Pipeline;
use crate::present::terminal::{bytes, print, tell};
use crate::stage::Progress;

/// Requests on their way at once.
const AT_ONCE: usize = 8;

pub fn push(flags: &cli::Exchange, project: &Project) -> Result<ExitCode> {
    let (pipeline, remote) = sides(flags, project)?;
    let store = existing(project)?;
    let session = Session::asked(&remote, &store, &Told);
    let (results, lacking) = if flags.all {
        (whole(&store), Vec::new())
    } else {
        let mut files = Files::look(&store.files_log())?;
        let reach = reach(&pipeline, project, &mut files, &mut |one| here(&store, &one.key));
        let results = reach.found.into_iter().map(|(one, record)| (one.key, record)).collect();
        (results, reach.lacking)
    };
    let given = all_at_once(&results, &|(key, record)| session.give(key, record));
    let moved = Moved { verb: "gave", way: "to", amount: session.given(), of: results.len(), lacking };
    moved.tell(&remote, flags.json)?;
    Ok(code(&remote, given, "takes"))
}

pub fn pull(flags: &cli::Exchange, project: &Project) -> Result<ExitCode> {
    let (pipeline, remote) = sides(flags, project)?;
    let store = Store::open(&project.cache())?;
    let session = Session::asked(&remote, &store, &Told);
    let (taken, of, lacking) = if flags.all {
        pull_all(&session, &store)
    } else {
        pull_reached(&session, &store, &pipeline, project)?
    };
    store.sync()?;
    let moved = Moved { verb: "took", way: "from", amount: session.taken(), of, lacking };
    moved.tell(&remote, flags.json)?;
    Ok(code(&remote, taken, "gives"))
}

/// How it ended, how many results there are, and the stages that have none.
type Pulled<'a> = (Result<(), Trouble>, usize, Vec<&'a str>);

fn pull_all<'a>(session: &Session<'_>, store: &Store) -> Pulled<'a> {
    let (keys, _) = match session.list() {
        Ok(listed) => listed,
        Err(trouble) => return (Err(trouble), 0, Vec::new()),
    };
    let taken = all_at_once(&keys, &|key| match here(store, key) {
        Some(_) => Ok(()),
        None => take(session, store, key, &key.short(), None).map(drop),
    });
    (taken, keys.len(), Vec::new())
}

fn pull_reached<'a>(
    session: &Session<'_>,
    store: &Store,
    pipeline: &'a Pipeline,
    project: &Project,
) -> Result<Pulled<'a>> {
    let mut files = Files::look(&store.files_log())?;
    let mut ended = Ok(());
    let reach = reach(pipeline, project, &mut files, &mut |one| {
        let known = here(store, &one.key);
        if known.is_some() || ended.is_err() {
            return known;
        }
        match take(session, store, &one.key, &one.task.label, Some(&one.manifest)) {
            Ok(record) => record,
            Err(trouble) => {
                ended = Err(trouble);
                None
            }
        }
    });
    Ok((ended, reach.found.len(), reach.lacking))
}

fn take(
    session: &Session<'_>,
    store: &Store,
    key: &Digest,
    label: &str,
    manifest: Option<&BTreeMap<String, String>>,
) -> Result<Option<Record>, Trouble> {
    session.take(Wanted { key, manifest, label }, store.record(key), &Silent)
}

/// The pipeline and its remote cache.
pub fn sides(flags: &cli::Exchange, project: &Project) -> Result<(ManuallyDrop<Pipeline>, Remote)> {
    let pipeline = load(&flags.target, project)?;
    let Some(settings) = &pipeline.remote else {
        let message = format!("{} has no remote cache", pipeline.file);
        let hint = "add a table `[remote]` with `url = \"s3://BUCKET/PREFIX\"` (docs/remote.md)";
        return Err(Problems::from(Diagnostic::error(message).hint(hint)).into());
    };
    let remote = Remote::new(settings, &project.root, &stop_on_ctrl_c());
    Ok((pipeline, remote))
}

/// The cache, which is not made where there is none.
pub fn existing(project: &Project) -> Result<Store> {
    let cache = project.cache();
    if cache.is_dir() { Store::open(&cache) } else { Store::look(&cache) }
}

/// All results of a cache whose objects are there.
fn whole(store: &Store) -> Vec<(Digest, Record)> {
    let mut records = store.keyed_records();
    records.retain(|(_, record)| store.lost(record).is_none());
    records.sort_unstable_by_key(|(key, _)| *key);
    records
}

/// Does something for each item, several at once, until one fails.
pub fn all_at_once<T: Sync>(
    items: &[T],
    each: &(dyn Fn(&T) -> Result<(), Trouble> + Sync),
) -> Result<(), Trouble> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let failure = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        while failure().is_none()
            && let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed))
        {
            if let Err(trouble) = each(item) {
                failure().get_or_insert(trouble);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(items.len()) {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Says what went wrong with a remote cache, if anything did; `verb` is what it does not.
pub fn code(remote: &Remote, ended: Result<(), Trouble>, verb: &str) -> ExitCode {
    let Err(trouble) = ended else { return ExitCode::SUCCESS };
    let url = remote.url();
    match trouble {
        Trouble::Stopped => return ExitCode::from(INTERRUPTED),
        Trouble::Own(error) => say(format!("{error:#}"), diagnostic::remedy(&error).map(str::to_owned)),
        Trouble::Refused(why) => {
            let hint = "its credentials come from the environment (docs/remote.md)".to_owned();
            say(format!("the remote cache {url} {verb} nothing ({why})"), Some(hint));
        }
        Trouble::Missing | Trouble::Away(_) => {
            let hint = "what was moved before is whole: the same command goes on from there".to_owned();
            say(format!("the remote cache {url} can't be reached ({trouble})"), Some(hint));
        }
    }
    ExitCode::from(FAILED)
}

/// What was moved.
struct Moved<'a> {
    verb: &'static str,
    way: &'static str,
    amount: Amount,
    /// How many results there are.
    of: usize,
    /// Stages that have none.
    lacking: Vec<&'a str>,
}

impl Moved<'_> {
    fn tell(&self, remote: &Remote, json: bool) -> Result<()> {
        let Amount { results, objects, bytes: size } = self.amount;
        if json {
            return print(format_args!(
                "{}\n",
                json!({
                    "url": remote.url(), "results": results, "objects": objects, "bytes": size,
                    "of": self.of, "lacking": self.lacking,
                })
            ));
        }
        let (verb, way, url) = (self.verb, self.way, remote.url());
        let (results, objects, size) = (plural(results, "result"), plural(objects, "object"), bytes(size));
        print(format_args!("{verb} {results} of {} ({objects}, {size}) {way} {url}\n", self.of))?;
        print(format_args!("{}", lacking(&self.lacking, "no result")))
    }
}

/// The stages that lack something, as a line.
pub fn lacking(stages: &[&str], what: &str) -> String {
    match stages {
        [] => String::new(),
        [one] => format!("`{one}` has {what}\n"),
        more => format!("{} have {what}\n", quoted(more.iter().copied(), "and")),
    }
}

/// Shows warnings at once.
pub struct Told;

impl Sink for Told {
    fn event(&self, event: &Event) {
        if let Event::Warning(note) = event {
            let warning = Diagnostic::warning(note.message.clone());
            tell(format_args!("{}\n", diagnostic::render(&warning, true)));
        }
    }
}

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}

    fn step(&self, _: &str, _: u64, _: f64) {}
}

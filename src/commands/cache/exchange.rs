//! `custem cache push` and `pull`: results given to a pipeline's remote cache, and taken from it.

use std::mem::ManuallyDrop;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::cli;
use crate::commands::foresee::foresee;
use crate::commands::run::stop_on_ctrl_c;
use crate::commands::{INTERRUPTED, Told, load};
use crate::diagnostic::{Diagnostic, Failure, Problems, plural, quoted};
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::remote::reach::{here, reach};
use crate::engine::remote::requests;
use crate::engine::remote::session::{Amount, Wanted};
use crate::engine::remote::{Remote, Session, Trouble};
use crate::engine::store::{Record, Store};
use crate::pipeline::Pipeline;
use crate::present::terminal::{bytes, print};
use crate::stage::Progress;

pub fn push(flags: &cli::Exchange, project: &Project) -> Result<ExitCode> {
    let (mut pipeline, remote) = sides(flags, project)?;
    let store = existing(project)?;
    let session = Session::asked(&remote, &store, &Told);
    let (results, lacking) = if flags.all {
        (whole(&store), Vec::new())
    } else {
        pipeline = foresee(pipeline, project, None)?.pipeline;
        let reach = reach(&pipeline, project, &store, None)?;
        (reach.found, reach.lacking)
    };
    let (_, given) = requests::each(&results, &|(key, record)| session.give(key, record));
    let moved = Moved { verb: "gave", way: "to", amount: session.given(), of: results.len(), lacking };
    moved.tell(&remote, flags.json)?;
    code(&remote, given, "takes")
}

pub fn pull(flags: &cli::Exchange, project: &Project) -> Result<ExitCode> {
    let (mut pipeline, remote) = sides(flags, project)?;
    let store = Store::open(&project.cache())?;
    let session = Session::asked(&remote, &store, &Told);
    let (taken, of, lacking) = if flags.all {
        pull_all(&session, &store)
    } else {
        let take = |wanted: Wanted<'_>| session.take(wanted, store.record(wanted.key), &Silent);
        pipeline = foresee(pipeline, project, Some(&take))?.pipeline;
        let reach = reach(&pipeline, project, &store, Some(&take))?;
        (reach.ended, reach.found.len(), reach.lacking)
    };
    store.sync()?;
    let moved = Moved { verb: "took", way: "from", amount: session.taken(), of, lacking };
    moved.tell(&remote, flags.json)?;
    code(&remote, taken, "gives")
}

/// How it ended, how many results there are, and the stages that have none.
type Pulled<'a> = (Result<(), Trouble>, usize, Vec<&'a str>);

fn pull_all<'a>(session: &Session<'_>, store: &Store) -> Pulled<'a> {
    let (keys, _) = match session.list() {
        Ok(listed) => listed,
        Err(trouble) => return (Err(trouble), 0, Vec::new()),
    };
    let (_, taken) = requests::each(&keys, &|key| match here(store, key) {
        Some(_) => Ok(()),
        None => {
            let wanted = Wanted { key, manifest: None, label: &key.short() };
            session.take(wanted, store.record(key), &Silent).map(drop)
        }
    });
    (taken, keys.len(), Vec::new())
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

/// How it ended; `verb` is what a remote cache does not that something is wrong with.
pub fn code(remote: &Remote, ended: Result<(), Trouble>, verb: &str) -> Result<ExitCode> {
    let Err(trouble) = ended else { return Ok(ExitCode::SUCCESS) };
    let url = remote.url();
    let failure = match trouble {
        Trouble::Stopped => return Ok(ExitCode::from(INTERRUPTED)),
        Trouble::Own(error) => return Err(error),
        Trouble::Refused(why) => {
            let hint = "its credentials come from the environment (docs/remote.md)";
            Failure::new(format!("the remote cache {url} {verb} nothing ({why})")).hint(hint)
        }
        Trouble::Missing | Trouble::Away(_) => {
            let hint = "what was moved before is whole: the same command goes on from there";
            Failure::new(format!("the remote cache {url} can't be reached ({trouble})")).hint(hint)
        }
    };
    Err(failure.into())
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

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}

    fn step(&self, _: &str, _: u64, _: f64) {}
}

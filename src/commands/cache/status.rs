//! `custem cache status`: what is here, and what is in the remote cache.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;

use super::exchange::{code, existing, lacking, sides};
use crate::cli;
use crate::commands::Told;
use crate::commands::foresee::foresee;
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::inventory::Inventory;
use crate::engine::remote::reach::{here, reach};
use crate::engine::remote::session::Amount;
use crate::engine::remote::{Remote, Session, Trouble, requests};
use crate::engine::store::{Output, Record, Store};
use crate::pipeline::Pipeline;
use crate::present::terminal::{bytes, print};

pub fn status(flags: &cli::Exchange, project: &Project) -> Result<ExitCode> {
    let (mut pipeline, remote) = sides(flags, project)?;
    let store = existing(project)?;
    let session = Session::asked(&remote, &store, &Told);
    let found = if flags.all {
        of_all(&session, &store, project)
    } else {
        pipeline = foresee(pipeline, project, Some(&|wanted| session.record(wanted)))?.pipeline;
        of_plan(&session, &store, &pipeline, project)?
    };
    let (sides, without) = match found {
        Ok(found) => found,
        Err(trouble) => return code(&remote, Err(trouble), "gives"),
    };
    if flags.json {
        print(format_args!("{}\n", sides.to_json(&remote, &without)))?;
    } else {
        print(format_args!("{}{}", sides.text(), lacking(&without, "no result on either side")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What each side has.
#[derive(Debug, Default)]
struct Sides {
    here: Amount,
    remote: Amount,
    both: Amount,
}

impl Sides {
    /// The amounts that something counts for.
    fn of(&mut self, is_here: bool, is_there: bool) -> impl Iterator<Item = &mut Amount> {
        let all =
            [(is_here, &mut self.here), (is_there, &mut self.remote), (is_here && is_there, &mut self.both)];
        all.into_iter().filter(|(counts, _)| *counts).map(|(_, amount)| amount)
    }

    fn result(&mut self, is_here: bool, is_there: bool) {
        self.of(is_here, is_there).for_each(Amount::add_result);
    }

    fn object(&mut self, bytes: u64, is_here: bool, is_there: bool) {
        self.of(is_here, is_there).for_each(|amount| amount.add_object(bytes));
    }

    fn text(&self) -> String {
        let row = |name: &str, amount: &Amount| {
            format!("  {name:8} {:>9} {:>9} {:>9}\n", amount.results, amount.objects, bytes(amount.bytes))
        };
        let rows = [("here", &self.here), ("remote", &self.remote), ("both", &self.both)];
        let rows: String = rows.map(|(name, amount)| row(name, amount)).concat();
        format!("  {:8} {:>9} {:>9} {:>9}\n{rows}", "", "results", "objects", "bytes")
    }

    fn to_json(&self, remote: &Remote, without: &[&str]) -> serde_json::Value {
        json!({
            "url": remote.url(), "here": self.here, "remote": self.remote, "both": self.both, "lacking": without,
        })
    }
}

/// What each side has, and the stages that none has a result of.
type Found<'a> = Result<(Sides, Vec<&'a str>), Trouble>;

/// All that is in either cache.
fn of_all<'a>(session: &Session<'_>, store: &Store, project: &Project) -> Found<'a> {
    let (keys, objects) = session.list()?;
    let (keys, mut sides) = (BTreeSet::<Digest>::from_iter(keys), Sides::default());
    let own: BTreeSet<Digest> = store.keyed_records().into_iter().map(|(key, _)| key).collect();
    for key in own.union(&keys) {
        sides.result(own.contains(key), keys.contains(key));
    }
    let mine: BTreeMap<Digest, u64> =
        Inventory::of(&project.cache()).objects.iter().map(|object| (object.digest, object.bytes)).collect();
    let digests: BTreeSet<&Digest> = mine.keys().chain(objects.keys()).collect();
    for digest in digests {
        match (mine.get(digest), objects.get(digest)) {
            (Some(size), there) => sides.object(*size, true, there == Some(size)),
            (None, Some(size)) => sides.object(*size, false, true),
            (None, None) => {}
        }
    }
    Ok((sides, Vec::new()))
}

/// What a pipeline's plan names.
fn of_plan<'a>(
    session: &Session<'_>,
    store: &Store,
    pipeline: &'a Pipeline,
    project: &Project,
) -> Result<Found<'a>> {
    let reach = reach(pipeline, project, store, Some(&|wanted| session.record(wanted)))?;
    Ok(reach.ended.and_then(|()| Ok((compare(session, store, &reach.found)?, reach.lacking))))
}

/// Which of these results and their objects each side has.
fn compare(session: &Session<'_>, store: &Store, results: &[(Digest, Record)]) -> Result<Sides, Trouble> {
    let sides = Mutex::new(Sides::default());
    let counted = || sides.lock().unwrap_or_else(PoisonError::into_inner);
    let keys: BTreeMap<Digest, bool> =
        results.iter().map(|(key, _)| (*key, here(store, key).is_some())).collect();
    let keys: Vec<_> = keys.into_iter().collect();
    let (_, ended) = requests::each(&keys, &|(key, is_here)| {
        let is_there = session.has_record(key)?;
        counted().result(*is_here, is_there);
        Ok(())
    });
    ended?;
    let objects = results.iter().flat_map(|(_, record)| record.outputs.values());
    let objects: BTreeMap<Digest, Output> = objects.map(|output| (output.digest, *output)).collect();
    let objects: Vec<_> = objects.into_values().collect();
    let (_, ended) = requests::each(&objects, &|output| {
        let is_there = session.has(output)?;
        counted().object(output.bytes, store.loss(output).is_none(), is_there);
        Ok(())
    });
    ended?;
    Ok(sides.into_inner().unwrap_or_else(PoisonError::into_inner))
}

//! Mirroring runs in trackers: of a run that goes on, and `custem track push` for recorded ones.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Map, Value as Json};

use super::show;
use crate::cli;
use crate::data::Table;
use crate::diagnostic::{Problems, plural};
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::layout;
use crate::observe::runs;
use crate::observe::trackers::{self, Grid, Ground, Settings, Shelf, Tracking};
use crate::pipeline::{has_secret, no_server};
use crate::present::terminal::print;

/// Tables of more rows than this are data, not something to look at.
const ROWS: usize = 200;

pub fn track(command: &cli::Track, project: &Project) -> Result<ExitCode> {
    let cli::Track::Push(flags) = command;
    let ground = ground(project);
    // Its words may hold a secret, which isn't shown.
    let wrong = flags.url.as_deref().filter(|url| !has_secret(url)).and_then(|url| no_server("--url", url));
    if let Some(problem) = wrong {
        return Err(Problems::from(problem).into());
    }
    let found: Result<BTreeSet<_>, _> =
        flags.runs.iter().map(|run| runs::find(&ground.experiments, run)).collect();
    let (shelf, tracker) = (Cached { cache: project.cache() }, flags.to.name());
    let change = |settings: &mut Settings| {
        settings.project = flags.project.clone().unwrap_or_else(|| settings.project.clone());
        for (key, value) in [("url", &flags.url), ("dir", &flags.dir)] {
            value.iter().for_each(|value| settings.change(tracker, key, value));
        }
    };
    let (mut count, mut place) = (0, String::new());
    for run in found? {
        let pushed = trackers::push(tracker, &run, &ground, &shelf, &change);
        for one in pushed.with_context(|| format!("{tracker} doesn't have run {run}"))? {
            (count, place) = (count + 1, one.place);
        }
    }
    print(format_args!("{} in {tracker}: {place}\n", plural(count, "run")))?;
    Ok(ExitCode::SUCCESS)
}

/// Starts to mirror a run, where its resolved pipeline says so.
pub fn start(run: &str, config: &str, project: &Project) -> Option<Tracking> {
    let shelf: Arc<dyn Shelf> = Arc::new(Cached { cache: project.cache() });
    Tracking::start(run, config, &ground(project), &shelf)
}

/// Starts to mirror a run that had nothing to do: its numbers alone, since the same command has given the rest.
pub fn start_bare(run: &str, config: &str, project: &Project) -> Option<Tracking> {
    let shelf: Arc<dyn Shelf> = Arc::new(Bare);
    Tracking::start(run, config, &ground(project), &shelf)
}

fn ground(project: &Project) -> Ground {
    Ground { root: project.root.clone(), experiments: project.experiments() }
}

/// No outputs at all.
struct Bare;

impl Shelf for Bare {
    fn file(&self, _: &str) -> Option<PathBuf> {
        None
    }

    fn grid(&self, _: &str) -> Option<Grid> {
        None
    }

    fn main_port(&self, _: &str, _: &Map<String, Json>) -> Option<String> {
        None
    }
}

/// The bytes of outputs as the cache has them.
struct Cached {
    cache: PathBuf,
}

impl Shelf for Cached {
    fn file(&self, digest: &str) -> Option<PathBuf> {
        let digest: Digest = serde_json::from_value(digest.into()).ok()?;
        Some(layout::object_path(&self.cache, &digest)).filter(|path| path.exists())
    }

    fn grid(&self, digest: &str) -> Option<Grid> {
        let table = Table::open(&self.file(digest)?).ok().filter(|table| table.rows() <= ROWS)?;
        let columns = table.schema().fields().iter().map(|field| field.name().clone()).collect();
        Some(Grid { columns, rows: show::rows(&table).ok()? })
    }

    fn main_port(&self, kind: &str, outputs: &Map<String, Json>) -> Option<String> {
        crate::stages::main_port(kind, outputs)
    }
}

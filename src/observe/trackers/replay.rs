//! Tells trackers of runs that are recorded: old ones that the user names, and those that were killed.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err::File;
use serde_json::{Value as Json, json};

use super::feed::{Feed, Saves};
use super::{Ground, Settings, Shelf, Spec, TRACKERS, Tracker};
use crate::engine::disk;
use crate::observe::journal::config_path;
use crate::observe::runs::{self, Run, sweep_of};

/// What became of a run that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The run, or a variant of it.
    pub run: String,
    /// Where it is now.
    pub place: String,
}

/// Sends a run from its record, and the variants of a sweep with it; `change` may set other places and names than
/// the run has.
///
/// # Errors
/// When the record can't be read, or the tracker can't be written or reached.
pub fn push(
    tracker: &str,
    run: &str,
    ground: &Ground,
    shelf: &dyn Shelf,
    change: &dyn Fn(&mut Settings),
) -> Result<Vec<Pushed>> {
    let Some((_, open)) = TRACKERS.into_iter().find(|(name, _)| *name == tracker) else {
        return Ok(Vec::new());
    };
    let whole = Recorded::read(run, ground, change)?;
    let mut tracker = open(&whole.settings, ground)?;
    whole.tell(tracker.as_mut(), ground, shelf, None)?;
    let mut pushed = vec![Pushed { run: run.to_owned(), place: tracker.place() }];
    for run in variants(&ground.experiments, run) {
        Recorded::read(&run, ground, change)?.tell(tracker.as_mut(), ground, shelf, None)?;
        pushed.push(Pushed { run, place: tracker.place() });
    }
    Ok(pushed)
}

/// The variants of a sweep that have records of their own.
pub fn variants(experiments: &Path, run: &str) -> Vec<String> {
    let all = runs::names(experiments);
    all.into_iter().filter(|name| sweep_of(name) == Some(run)).collect()
}

/// A record as trackers are told of it.
pub struct Recorded {
    run: Run,
    config: toml::Table,
    /// What its pipeline says of trackers.
    pub settings: Settings,
}

impl Recorded {
    /// Reads a record.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(run: &str, ground: &Ground, change: &dyn Fn(&mut Settings)) -> Result<Self> {
        let path = config_path(&ground.experiments, run);
        let text = String::from_utf8(disk::read(&path)?)?;
        let config: toml::Table = text.parse().with_context(|| format!("`{}` is damaged", path.display()))?;
        let mut settings = Settings::of(&config);
        change(&mut settings);
        Ok(Self { run: Run::outline(&ground.experiments, run)?, config, settings })
    }

    /// Tells a tracker; `end` is the end of a run that isn't recorded yet.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    pub fn tell(
        &self,
        tracker: &mut dyn Tracker,
        ground: &Ground,
        shelf: &dyn Shelf,
        end: Option<&Json>,
    ) -> Result<()> {
        let nothing = json!({});
        let started = self.run.of("run_started").next().unwrap_or(&nothing);
        let spec = Spec { again: true, ..Spec::of(&self.run.name, &self.config, started, &self.settings) };
        let saves = Saves::of(&self.config, &ground.root);
        let mut feed = Feed::start(tracker, shelf, &spec, &saves)?;
        self.run.events.iter().chain(end).try_for_each(|event| feed.event(event))?;
        feed.finish()
    }
}

/// A file that says that a run is being told to a tracker. It is locked as long as the process lives; one that
/// stands there unlocked is of a run that was killed.
pub struct Marker {
    path: std::path::PathBuf,
    _lock: File,
}

impl Marker {
    /// Says it.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn set(experiments: &Path, run: &str, tracker: &str) -> Result<Self> {
        let folder = experiments.join("tracking");
        disk::make_folder(&folder)?;
        let name = format!("{tracker}-{run}");
        let (path, early) = (folder.join(&name), folder.join(format!(".{name}")));
        // Locked before it has its name, so that nobody takes it for one that was left behind.
        let lock = disk::open_to_lock(&early)?;
        lock.file().try_lock()?;
        disk::rename(&early, &path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The tracker has all of it.
    pub fn take_away(self) {
        // One that stays costs the next run a look.
        let _ = disk::remove(&self.path);
    }

    /// The runs that were killed while they were told to a tracker, held so that nobody else tells them.
    pub fn left_behind(experiments: &Path, tracker: &str) -> Vec<(String, Self)> {
        let of_tracker = |path: &std::path::PathBuf| {
            let name = path.file_name()?.to_str()?.strip_prefix(tracker)?.strip_prefix('-')?.to_owned();
            let lock = disk::open_to_lock(path).ok()?;
            lock.file().try_lock().ok()?;
            // Whoever held it may have taken it away meanwhile.
            path.exists().then(|| (name, Self { path: path.clone(), _lock: lock }))
        };
        disk::list(&experiments.join("tracking")).iter().filter_map(of_tracker).collect()
    }
}

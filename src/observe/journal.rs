//! The record of a run being written: its resolved pipeline first, then one line an event.
//!
//! Each line is one append, so a killed run's log is whole up to its last line.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use fs_err::File;
use serde::Serialize;

use super::{names, runs};
use crate::engine::disk;

/// The record of a run being written.
pub struct Journal {
    /// The run's name.
    pub run: String,
    /// Where runs are recorded.
    pub experiments: PathBuf,
    log: Mutex<Written>,
}

/// The log so far; nobody else writes it.
struct Written {
    file: File,
    bytes: u64,
}

impl Journal {
    /// Starts the record of the next run under `experiments`.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn start(experiments: &Path) -> Result<Self> {
        for part in ["configs", "logs"] {
            disk::make_folder(&experiments.join(part))?;
        }
        let mut number = runs::last_number(experiments) + 1;
        loop {
            let run = names::of(number);
            let path = log_path(experiments, &run);
            match disk::create_to_append(&path) {
                Ok(file) => {
                    // A hint for the next run, which looks itself when it is wrong.
                    let hint = disk::create(&experiments.join("last"));
                    let _ = hint.and_then(|mut hint| disk::write(&mut hint, format!("{run}\n").as_bytes()));
                    let log = Mutex::new(Written { file, bytes: 0 });
                    return Ok(Self { run, experiments: experiments.to_path_buf(), log });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error).context("can't record the run"),
            }
        }
    }

    /// Writes the resolved pipeline that can be rerun as it is.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn config(&self, text: &str) -> Result<()> {
        whole(&config_path(&self.experiments, &self.run), text.as_bytes()).inspect_err(|_| self.withdraw())
    }

    /// Takes back the record of a run that never began.
    fn withdraw(&self) {
        // What stays behind is an empty log, and readers pass over it.
        let _ = disk::remove(&log_path(&self.experiments, &self.run));
    }

    /// Appends one event.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn append(&self, event: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.append_lines(&line)
    }

    /// Appends whole lines in one write; when that fails, the log is as it was before.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn append_lines(&self, lines: &[u8]) -> Result<()> {
        let Ok(mut log) = self.log.lock() else { return Ok(()) };
        if let Err(error) = disk::write(&mut log.file, lines) {
            // The log is this run's own, so nobody else's line is cut off.
            let _ = log.file.set_len(log.bytes);
            return Err(error.into());
        }
        log.bytes += lines.len() as u64;
        Ok(())
    }

    /// The name of a variant's own record: the run's, and its number behind a dot.
    pub fn variant_name(&self, number: usize) -> String {
        format!("{}.{number:02}", self.run)
    }

    /// Writes the record of one variant of a sweep, a run of its own, from its events, one a line.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn variant(&self, number: usize, config: &str, lines: &[u8]) -> Result<()> {
        let run = self.variant_name(number);
        whole(&config_path(&self.experiments, &run), config.as_bytes())?;
        whole(&log_path(&self.experiments, &run), lines)
    }
}

/// Appends an event to the log of a run that is over. A torn last line stays one of its own.
///
/// # Errors
/// When the disk is full.
pub fn append_to(experiments: &Path, run: &str, event: &impl Serialize) -> Result<()> {
    let path = log_path(experiments, run);
    let torn = disk::read(&path)?.last().is_some_and(|last| *last != b'\n');
    let mut line = if torn { vec![b'\n'] } else { Vec::new() };
    serde_json::to_writer(&mut line, event)?;
    line.push(b'\n');
    Ok(disk::write(&mut disk::open_to_append(&path)?, &line)?)
}

/// Removes all that is recorded of a run, its log first. Its number isn't given to another one.
///
/// # Errors
/// When the folder can't be written.
pub fn remove(experiments: &Path, run: &str) -> Result<()> {
    if let Some(number) = names::number(run).filter(|number| *number > runs::removed(experiments)) {
        disk::replace(&experiments.join("removed"), &[format!("{number}\n").as_bytes()])?;
    }
    disk::remove(&log_path(experiments, run))?;
    disk::remove(&config_path(experiments, run))?;
    let printed = experiments.join("logs").join(run);
    for file in disk::list(&printed) {
        disk::remove(&file)?;
    }
    if printed.is_dir() {
        disk::remove_folder(&printed)?;
    }
    Ok(())
}

/// Writes a file whole or not at all.
fn whole(path: &Path, bytes: &[u8]) -> Result<()> {
    disk::replace(path, &[bytes]).with_context(|| format!("can't write `{}`", path.display()))
}

/// The log of a run.
pub fn log_path(experiments: &Path, run: &str) -> PathBuf {
    experiments.join("logs").join(format!("{run}.jsonl"))
}

/// The resolved pipeline of a run.
pub fn config_path(experiments: &Path, run: &str) -> PathBuf {
    experiments.join("configs").join(format!("{run}.toml"))
}

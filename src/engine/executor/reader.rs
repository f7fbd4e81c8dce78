//! Sources that must be read before a task's key is known: by a thread of their own, so that tasks which don't
//! need them go on meanwhile.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope};

use anyhow::Result;

use super::{Message, Run};
use crate::abreast;
use crate::engine::files::{self, Told};
use crate::engine::identify::{Identity, Sources};
use crate::engine::state::{State, Step};

/// So many bytes, or files, are read while others wait: it takes less than a millisecond.
const FEW_BYTES: u64 = 1 << 20;
const FEW_FILES: usize = 64;

/// What became of a file; nothing where it was not read any more.
type Found = (PathBuf, Option<Told>);

/// What became of a task's files.
pub type Reading = Vec<Found>;

/// The thread that reads, one task's files after the other's; it is started when there is something to read.
pub struct Reader<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    /// Raised when nothing more is to be read.
    over: &'env AtomicBool,
    done: Sender<Message>,
    jobs: Option<Sender<(usize, Vec<PathBuf>)>>,
}

impl<'scope, 'env> Reader<'scope, 'env> {
    /// Nobody yet; what was read goes through the channel, until the flag is raised.
    pub fn new(scope: &'scope Scope<'scope, 'env>, over: &'env AtomicBool, done: Sender<Message>) -> Self {
        Self { scope, over, done, jobs: None }
    }

    /// Lets the files of a task be read.
    ///
    /// # Errors
    /// When there can't be another thread.
    pub fn give(&mut self, at: usize, paths: Vec<PathBuf>) -> io::Result<()> {
        let jobs = match self.jobs.take() {
            Some(jobs) => jobs,
            None => {
                let (jobs, orders) = channel();
                let (over, done) = (self.over, self.done.clone());
                Builder::new().spawn_scoped(self.scope, move || serve(&orders, &done, over))?;
                jobs
            }
        };
        let given = jobs.send((at, paths)).map_err(|_| io::ErrorKind::BrokenPipe.into());
        self.jobs = Some(jobs);
        given
    }

    /// Reads nothing more.
    pub fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn serve(orders: &Receiver<(usize, Vec<PathBuf>)>, done: &Sender<Message>, over: &AtomicBool) {
    for (at, paths) in orders {
        // What can't be read is read once more when its task is decided on, and then says why.
        let read = |path: &PathBuf| if over.load(Ordering::Relaxed) { None } else { files::read(path).ok() };
        let told = abreast::each(&paths, abreast::FILES, read);
        // The receiver is only gone when the run broke off.
        let _ = done.send(Message::Read(at, paths.into_iter().zip(told).collect()));
    }
}

/// What there is to say of a task's key.
pub enum Look {
    /// What identifies it.
    Known(Box<Identity>),
    /// These files are to be read first.
    Unread(Vec<PathBuf>),
}

impl Run<'_> {
    /// Identifies a task whose inputs are known.
    pub(super) fn identify(&mut self, at: usize) -> Result<Look> {
        let task = self.task(at);
        let sources = Sources::fetched(task, &self.project.root, &self.options.stop)?;
        let paths = sources.paths();
        let known = self.files.by_stat(&paths);
        let read = self.read.remove(&at);
        if read.is_none() {
            let unread = paths.iter().zip(&known).filter(|(_, known)| known.is_none());
            let unread: Vec<_> = unread.map(|(path, _)| path.clone()).collect();
            if takes_long(&unread) {
                return Ok(Look::Unread(unread));
            }
        }
        let told = |(path, known): (&PathBuf, Option<Told>)| {
            let read = || read.as_ref()?.get(path).filter(|told| told.holds(path)).copied();
            known.or_else(read).map_or_else(|| files::read(path), Ok)
        };
        let told = paths.iter().zip(known).map(told).collect();
        let digests = self.files.take(&paths, told)?;
        let inputs = task.inputs.iter().filter_map(|edge| self.input(edge)).collect();
        Ok(Look::Known(Box::new(Identity::with(task, inputs, sources, digests)?)))
    }

    /// Sets a task aside until its sources have been read.
    pub(super) fn set_aside(&mut self, at: usize) {
        self.step(at, Step::Read);
        self.reading += 1;
    }

    /// Takes what was read for a task, which can be decided on then.
    pub(super) fn have_read(&mut self, at: usize, reading: Reading) {
        self.reading -= 1;
        let good: Vec<_> = reading.into_iter().filter_map(|(path, told)| Some((path, told?))).collect();
        self.files.remember_read(&good);
        // Those that had not lain still are only good for this task, now.
        self.read
            .insert(at, good.into_iter().map(|(path, told)| (path, told.taken())).collect::<HashMap<_, _>>());
        if self.states[at] == State::Reading {
            self.step(at, Step::HaveRead);
            self.ready.push(at);
        }
    }
}

fn takes_long(paths: &[PathBuf]) -> bool {
    let size = |path: &PathBuf| fs_err::metadata(path).map_or(0, |meta| meta.len());
    paths.len() > FEW_FILES || paths.iter().map(size).sum::<u64>() > FEW_BYTES
}

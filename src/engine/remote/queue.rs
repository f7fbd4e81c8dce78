//! Results on their way to the remote while the run goes on.
//!
//! One thread gives them in the order in which they came out. The queue is bounded: a stage whose result finds it
//! full waits, so that a run can't be further ahead than that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::Scope;
use std::time::Duration;

use super::Session;
use crate::engine::digest::Digest;
use crate::engine::store::Record;

/// So many results may wait.
const BOUND: usize = 256;

/// How often whoever waits for the end tells how much is left.
const TICK: Duration = Duration::from_millis(200);

/// A way into the queue, for a stage's thread.
#[derive(Clone)]
pub struct Entrance<'q> {
    sender: SyncSender<(Digest, Record)>,
    left: &'q AtomicUsize,
}

impl Entrance<'_> {
    /// Lets a result wait to be given.
    pub fn push(&self, key: &Digest, record: &Record) {
        self.left.fetch_add(1, Ordering::Relaxed);
        // The other end only goes when the run breaks off.
        let _ = self.sender.send((*key, record.clone()));
    }
}

/// The queue of a run.
pub struct Queue<'q> {
    entrance: Entrance<'q>,
    /// Nothing is ever sent here: it closes when all is given.
    over: Receiver<()>,
}

impl<'q> Queue<'q> {
    /// Starts the thread that gives results.
    ///
    /// # Errors
    /// When there can't be another thread.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        session: &'scope Session<'scope>,
        left: &'q AtomicUsize,
    ) -> std::io::Result<Self>
    where
        'q: 'scope,
    {
        let (sender, receiver) = sync_channel(BOUND);
        let (open, over) = channel();
        let work = move || work(session, &receiver, left, open);
        std::thread::Builder::new().spawn_scoped(scope, work)?;
        Ok(Self { entrance: Entrance { sender, left }, over })
    }

    /// A way into it.
    pub fn entrance(&self) -> Entrance<'q> {
        self.entrance.clone()
    }

    /// Waits until all is given; `tell` hears how many results are left, when there are any and when there are
    /// fewer.
    pub fn finish(self, tell: &dyn Fn(usize)) {
        let Self { entrance: Entrance { sender, left }, over } = self;
        drop(sender);
        let mut told = 0;
        loop {
            let now = left.load(Ordering::Relaxed);
            if now > 0 && now != told {
                tell(now);
                told = now;
            }
            match over.recv_timeout(TICK) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
        }
    }
}

fn work(session: &Session<'_>, receiver: &Receiver<(Digest, Record)>, left: &AtomicUsize, open: Sender<()>) {
    for (key, record) in receiver {
        session.push(&key, &record);
        left.fetch_sub(1, Ordering::Relaxed);
    }
    drop(open);
}

//! Threads that run stages: as many as have run at once, kept until the run is over.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender};
use std::thread::{Builder, Scope};

use anyhow::{Context, Result};

use super::Message;
use crate::engine::events::{Event, Sink};
use crate::engine::produce::{Bench, Job, Product, broke_down, produce};
use crate::engine::remote::Session;
use crate::engine::remote::queue::Entrance;
use crate::engine::store::Store;
use crate::pipeline::Pipeline;
use crate::stage::{Progress, Stream};

/// What every thread works with.
pub struct Shop<'a> {
    /// The pipeline whose tasks they run.
    pub pipeline: &'a Pipeline,
    /// Where objects and records are.
    pub store: &'a Store,
    /// Where others share theirs.
    pub remote: Option<&'a Session<'a>>,
    /// Where stages report to.
    pub sink: &'a dyn Sink,
    /// Raised when the run is interrupted.
    pub cancelled: &'a AtomicBool,
}

type Order = (usize, Job);

/// Threads that wait for something to do.
pub struct Crew<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    shop: &'env Shop<'env>,
    jobs: Sender<Order>,
    bench: &'env Mutex<Receiver<Order>>,
    done: Sender<Message>,
    push: Option<Entrance<'env>>,
    size: usize,
}

impl<'scope, 'env> Crew<'scope, 'env> {
    /// Nobody yet; jobs go through the one channel, what becomes of them through the other, and results to share
    /// by the entrance.
    pub fn new(
        scope: &'scope Scope<'scope, 'env>,
        shop: &'env Shop<'env>,
        jobs: Sender<Order>,
        bench: &'env Mutex<Receiver<Order>>,
        done: Sender<Message>,
        push: Option<Entrance<'env>>,
    ) -> Self {
        Self { scope, shop, jobs, bench, done, push, size: 0 }
    }

    /// Gives a job to a thread, so that this many are at work.
    ///
    /// # Errors
    /// When all threads have something to do and another one can't be started.
    pub fn give(&mut self, at: usize, job: Job, at_work: usize) -> io::Result<()> {
        if self.size < at_work {
            let (shop, bench, done, push) = (self.shop, self.bench, self.done.clone(), self.push.clone());
            Builder::new().spawn_scoped(self.scope, move || serve(shop, bench, &done, push.as_ref()))?;
            self.size += 1;
        }
        // The other end is there as long as the run is.
        self.jobs.send((at, job)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Does one job after the other, until no more can come.
fn serve(
    shop: &Shop<'_>,
    bench: &Mutex<Receiver<Order>>,
    done: &Sender<Message>,
    push: Option<&Entrance<'_>>,
) {
    let next = || bench.lock().ok()?.recv().ok();
    while let Some((at, job)) = next() {
        let key = job.identity.key;
        let product = work(shop, at, job, done);
        if let (Some(push), Ok(Product::Ran { record, .. })) = (push, &product) {
            push.push(&key, record);
        }
        // The receiver is only gone when the run broke off, and then nobody waits for this.
        let _ = done.send(Message::Product(at, product));
    }
}

fn work(shop: &Shop<'_>, at: usize, job: Job, done: &Sender<Message>) -> Result<Product> {
    let task = &shop.pipeline.tasks[at];
    let schedule = &task.draft.schedule;
    let progress = Reporter { label: &task.label, sink: shop.sink };
    let (cancelled, timeout) = (shop.cancelled, schedule.timeout);
    let (store, remote, progress) = (shop.store, shop.remote, &progress);
    let computed = &|| drop(done.send(Message::Computed(at)));
    let bench = Bench { task, store, remote, progress, cancelled, timeout, computed };
    let attempt = || {
        catch_unwind(AssertUnwindSafe(|| produce(&bench, job)))
            .unwrap_or_else(|panic| Err(broke_down(task.draft.kind.name, panic.as_ref())))
    };
    match schedule.resources.cores.filter(|cores| *cores < rayon::current_num_threads()) {
        None => attempt(),
        Some(cores) => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(cores).build();
            pool.context("can't start threads")?.install(attempt)
        }
    }
}

struct Reporter<'a> {
    label: &'a str,
    sink: &'a dyn Sink,
}

impl Progress for Reporter<'_> {
    fn progress(&self, fraction: f64, doing: &str) {
        let (stage, doing) = (self.label.to_owned(), doing.to_owned());
        self.sink.event(&Event::StageProgress { stage, fraction, doing });
    }

    fn step(&self, metric: &str, step: u64, value: f64) {
        let (stage, metric) = (self.label.to_owned(), metric.to_owned());
        self.sink.event(&Event::StageStep { stage, metric, step, value });
    }

    fn output(&self, stream: Stream, text: &str) {
        let (stage, text) = (self.label.to_owned(), text.to_owned());
        self.sink.event(&Event::StageOutput { stage, stream, text });
    }
}

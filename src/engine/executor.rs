//! The executor: takes tasks as their inputs become known, from the cache or by running them.
//!
//! One thread decides and keeps the states; each running stage has a thread of its own. This file
//! starts stages, [`finish`] takes what became of them, [`heal`] has lost bytes computed anew.

mod finish;
mod heal;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tempfile::TempDir;

use super::Project;
use super::cause::Cause;
use super::digest::Digest;
use super::events::{Event, Note, Outcome, Sink};
use super::files::Files;
use super::identify::Identity;
use super::locked::Locked;
use super::plan::{self, History};
use super::produce::{Bench, Job, Product, broke_down, produce};
use super::remote::queue::{Entrance, Queue};
use super::remote::{Remote, Session};
use super::state::{State, Step};
use super::still::{Facts, Ground};
use super::store::{Output, Record, Store};
use crate::data::Table;
use crate::pipeline::{Edge, Pipeline, Task};
use crate::stage::{Failure, Progress};
use heal::Healing;

/// How often the deciding thread looks whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(50);

/// How to run.
pub struct Options {
    /// Stages that run at once.
    pub jobs: usize,
    /// Whether to go on with other branches after a failure.
    pub keep_going: bool,
    /// Which tasks are wanted.
    pub wanted: Vec<bool>,
    /// Which tasks run whatever the cache has.
    pub forced: Vec<bool>,
    /// What the tasks must give.
    pub locked: Option<Locked>,
    /// Where results are shared.
    pub remote: Option<Remote>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stages that ran.
    pub ran: usize,
    /// Stages from the cache.
    pub hit: usize,
    /// Stages that failed.
    pub failed: usize,
    /// Stages that were skipped.
    pub skipped: usize,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// What it came to.
    pub tally: Tally,
    /// What must hold for there to be nothing left to do; none when something was left undone.
    pub facts: Option<Facts<'static>>,
    /// Results that were given to the remote.
    pub pushed: usize,
}

/// Runs the wanted tasks of a pipeline.
///
/// # Errors
/// When the cache can't be used at all; a stage's failure is reported as an event and counted.
pub fn run(
    pipeline: &Pipeline,
    project: &Project,
    options: &Options,
    sink: &dyn Sink,
    history: &History<'_>,
    cancelled: &AtomicBool,
) -> Result<Ended> {
    let store = Store::open(&project.cache())?;
    let files = Files::open(&store.files_log())?;
    let (sender, receiver) = channel();
    let session = options.remote.as_ref().map(|remote| Session::new(remote, &store, sink));
    let left = AtomicUsize::new(0);
    let (tally, ground, files) = std::thread::scope(|scope| {
        let mut run = Run::new(pipeline, project, options, sink, history, &store, files);
        let remote = session.as_ref();
        let queue = remote.filter(|remote| remote.pushes());
        let queue = queue.map(|remote| Queue::start(scope, remote, &left)).transpose()?;
        let spawn = |at: usize, job: Job| {
            let way = Way { remote, sender: sender.clone(), push: queue.as_ref().map(Queue::entrance) };
            let store = &store;
            let work = move || work(pipeline, at, job, store, sink, cancelled, &way);
            std::thread::Builder::new().spawn_scoped(scope, work).map(drop)
        };
        run.drive(&spawn, &receiver, cancelled)?;
        run.files.settle();
        if let Some(queue) = queue {
            queue.finish(&|results| sink.event(&Event::Pushing { results }));
        }
        Ok::<_, anyhow::Error>((run.tally, run.ground, run.files))
    })?;
    if tally.ran > 0 || session.as_ref().is_some_and(|session| session.taken().results > 0) {
        store.sync()?;
    }
    let whole = tally.failed == 0 && tally.skipped == 0;
    let facts = if whole { store.index().and_then(|index| ground.facts(&files, index)) } else { None };
    Ok(Ended { tally, facts, pushed: session.map_or(0, |session| session.given().results) })
}

type Message = (usize, Result<Product>);

/// What a stage's thread works with besides its task.
struct Way<'a> {
    remote: Option<&'a Session<'a>>,
    sender: Sender<Message>,
    push: Option<Entrance<'a>>,
}

fn work(
    pipeline: &Pipeline,
    at: usize,
    job: Job,
    store: &Store,
    sink: &dyn Sink,
    cancelled: &AtomicBool,
    way: &Way<'_>,
) {
    let task = &pipeline.tasks[at];
    let progress = Reporter { label: &task.label, sink };
    let bench = Bench { task, store, remote: way.remote, progress: &progress, cancelled };
    let key = job.identity.key;
    let product = catch_unwind(AssertUnwindSafe(|| produce(&bench, job)))
        .unwrap_or_else(|panic| Err(broke_down(task.draft.kind.name, panic.as_ref())));
    if let (Some(push), Ok(Product::Ran { record, .. })) = (&way.push, &product) {
        push.push(&key, record);
    }
    // The receiver is only gone when the run broke off, and then nobody waits for this.
    let _ = way.sender.send((at, product));
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
}

struct Run<'a> {
    pipeline: &'a Pipeline,
    project: &'a Project,
    options: &'a Options,
    sink: &'a dyn Sink,
    history: &'a History<'a>,
    store: &'a Store,
    files: Files,
    states: Vec<State>,
    /// Per task, how many of its inputs have no digest yet.
    missing: Vec<usize>,
    /// Per task, who takes from it, once an input.
    consumers: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    running: usize,
    /// Outputs of tasks that are done.
    outputs: Vec<Option<BTreeMap<String, Output>>>,
    /// How each task that is over came out.
    outcomes: Vec<Option<Outcome>>,
    healing: Healing,
    /// What identifies a running task, for its end: key, inputs, causes.
    under_way: HashMap<usize, UnderWay>,
    /// Tables in memory by the task that gave them, with their ports.
    memory: HashMap<usize, Vec<(String, Table)>>,
    /// Where copies of saved outputs are made.
    copies: Option<TempDir>,
    stopped: bool,
    tally: Tally,
    ground: Ground,
}

struct UnderWay {
    key: Digest,
    inputs: BTreeMap<String, String>,
    because: Vec<Cause>,
    start: Instant,
    /// Whether the remote had its result.
    fetched: bool,
    /// How many losses had been healed when it started.
    heals: usize,
}

impl<'a> Run<'a> {
    fn new(
        pipeline: &'a Pipeline,
        project: &'a Project,
        options: &'a Options,
        sink: &'a dyn Sink,
        history: &'a History<'a>,
        store: &'a Store,
        files: Files,
    ) -> Self {
        let count = pipeline.tasks.len();
        let mut consumers = vec![Vec::new(); count];
        let mut states = vec![State::Ready; count];
        let mut missing = vec![0; count];
        let mut ready = BTreeSet::new();
        for (at, task) in pipeline.tasks.iter().enumerate().filter(|(at, _)| options.wanted[*at]) {
            task.inputs.iter().for_each(|edge| consumers[edge.task].push(at));
            if task.inputs.is_empty() {
                ready.insert(at);
            } else {
                states[at] = State::Waiting;
                missing[at] = task.inputs.len();
            }
        }
        Self {
            pipeline,
            project,
            options,
            sink,
            history,
            store,
            files,
            states,
            missing,
            consumers,
            ready,
            running: 0,
            outputs: vec![None; count],
            outcomes: vec![None; count],
            healing: Healing::default(),
            under_way: HashMap::new(),
            memory: HashMap::new(),
            copies: None,
            stopped: false,
            tally: Tally::default(),
            ground: Ground::default(),
        }
    }

    /// Decides and waits until nothing is left to do.
    fn drive(
        &mut self,
        spawn: &dyn Fn(usize, Job) -> std::io::Result<()>,
        receiver: &Receiver<Message>,
        cancelled: &AtomicBool,
    ) -> Result<()> {
        loop {
            if cancelled.load(Ordering::Relaxed) {
                self.stopped = true;
            }
            while !self.stopped && self.running < self.options.jobs {
                let Some(at) = self.ready.pop_first() else { break };
                if let Some(job) = self.decide(at)
                    && let Err(error) = spawn(at, job)
                {
                    self.returned(at, Err(anyhow!("can't start a thread: {error}")));
                }
            }
            if self.running == 0 && (self.stopped || self.ready.is_empty()) {
                self.skip_rest();
                return Ok(());
            }
            match receiver.recv_timeout(LOOK) {
                Ok((at, product)) => self.returned(at, product),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("all stages went away")),
            }
        }
    }

    fn task(&self, at: usize) -> &'a Task {
        &self.pipeline.tasks[at]
    }

    fn step(&mut self, at: usize, step: Step) {
        let after = self.states[at].after(step);
        debug_assert!(after.is_some(), "{} can't {step:?} in {:?}", self.task(at).label, self.states[at]);
        if let Some(state) = after {
            self.states[at] = state;
        }
    }

    /// Takes a ready task from the cache, or gives the job of running it.
    fn decide(&mut self, at: usize) -> Option<Job> {
        let task = self.task(at);
        if let Some(failure) = self.unlocked(at) {
            self.fail(at, None, &failure.into());
            return None;
        }
        let inputs = task.inputs.iter().filter_map(|edge| self.input(edge)).collect();
        let identity = match Identity::of(task, inputs, &mut self.files, &self.project.root) {
            Ok(identity) => identity,
            Err(error) => {
                self.fail(at, None, &error);
                return None;
            }
        };
        for source in &identity.sources {
            self.ground.file(&source.path, source.digest);
        }
        for (pattern, found) in &identity.patterns {
            self.ground.pattern(pattern, found.clone());
        }
        let again = self.healing.lost.get(&at).cloned();
        let verdict = match &again {
            Some(cause) => Err(vec![cause.clone()]),
            None => plan::judge(&identity, self.store, self.options.forced[at]),
        };
        let causes = match verdict {
            Ok(record) => {
                self.hit(at, &identity, record);
                return None;
            }
            Err(causes) => causes,
        };
        Some(self.start(at, identity, causes))
    }

    /// What is wrong with a task that the lock doesn't have, where there is one.
    fn unlocked(&self, at: usize) -> Option<Failure> {
        self.options.locked.as_ref()?.lacks(&self.task(at).label, &self.pipeline.file)
    }

    fn input(&self, edge: &Edge) -> Option<(String, Digest)> {
        let output = self.outputs[edge.task].as_ref()?.get(&edge.port)?;
        Some((edge.key.clone(), output.digest))
    }

    fn start(&mut self, at: usize, identity: Identity, mut because: Vec<Cause>) -> Job {
        let task = self.task(at);
        if because.is_empty() {
            because = plan::causes_since(self.pipeline, task, &identity, self.store, self.history);
        }
        let message = match because.first() {
            Some(Cause::Lost { port, loss }) => {
                let remedy =
                    if self.options.remote.is_some() { "fetching or computing" } else { "computing" };
                Some(format!("`{}.{port}` is {} in the cache, {remedy} it anew", task.label, loss.name()))
            }
            Some(Cause::Forgotten) if self.store.index_is_damaged() => {
                Some(format!("the record of `{}` is damaged in the cache, computing it anew", task.label))
            }
            _ => None,
        };
        if let Some(message) = message {
            self.sink.event(&Event::Warning(Note::new(message)));
        }
        self.sink.event(&Event::StageStarted {
            stage: task.label.clone(),
            kind: task.draft.kind.name.to_owned(),
            because: because.clone(),
        });
        let under_way = self.under_way(&identity, because);
        self.under_way.insert(at, under_way);
        self.step(at, Step::Start);
        self.running += 1;
        let held = |edge: &Edge| {
            let (_, table) = self.memory.get(&edge.task)?.iter().find(|(port, _)| *port == edge.port)?;
            Some((edge.key.clone(), table.clone()))
        };
        let memory = task.inputs.iter().filter_map(held).collect();
        let (forced, lost) = (self.options.forced[at], self.healing.lost.contains_key(&at));
        Job { identity, memory, forced, lost }
    }

    fn hit(&mut self, at: usize, identity: &Identity, record: Record) {
        let under_way = self.under_way(identity, Vec::new());
        self.finish(at, under_way, record, Outcome::Hit);
    }

    fn under_way(&self, identity: &Identity, because: Vec<Cause>) -> UnderWay {
        UnderWay {
            key: identity.key,
            inputs: identity.input_digests(),
            because,
            start: Instant::now(),
            fetched: false,
            heals: self.healing.done,
        }
    }
}

//! The executor: takes tasks as their inputs become known, from the cache or by running them.
//!
//! One thread decides and keeps the states; each running stage has a thread of its own, kept for others
//! after it. This file starts stages as [`queue`] puts them in order by [`ways`], [`reader`] has their sources read,
//! [`finish`] takes what became of them, [`heal`] has lost bytes computed anew.

mod crew;
mod curfew;
mod finish;
mod heal;
mod queue;
mod reader;
#[cfg(test)]
mod tests;
mod ways;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::Project;
use super::budget::Budget;
use super::cause::Cause;
use super::digest::Digest;
use super::events::{Event, Note, Outcome, Sink, Taken};
use super::files::{Files, Told, owner};
use super::identify::Identity;
use super::locked::Locked;
use super::plan::{self, History};
use super::produce::{Job, Product};
use super::remote::queue::Queue as Pushing;
use super::remote::{Remote, Session};
use super::scratch::Room;
use super::state::{State, Step};
use super::still::{Facts, Ground};
use super::store::{Brief, Output, Store};
use crate::data::Table;
use crate::pipeline::{Edge, Pipeline, Task, locate};
use crate::stage::Failure;
use crew::{Crew, Shop};
use curfew::Curfew;
use heal::Healing;
use queue::Queue;
use reader::{Look, Reader, Reading};
use ways::ways;

/// How often the deciding thread looks whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(50);

/// How to run.
pub struct Options {
    /// What running stages may take together.
    pub budget: Budget,
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
    /// Ends what waits for a place outside.
    pub stop: Arc<AtomicBool>,
    /// When the run started.
    pub start: Instant,
    /// After when no variant of a sweep starts.
    pub curfew: Option<Instant>,
    /// What has become of tasks in earlier waves of this run.
    pub past: Past,
}

/// What has become of the first tasks of a pipeline that grows in waves: they are neither asked for nor run
/// again, unless their bytes are lost.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// How each task came out.
    outcomes: Vec<Option<Outcome>>,
    /// The outputs of those that came out well.
    outputs: Vec<Option<BTreeMap<String, Output>>>,
    /// Tasks that were skipped because the time of the sweep was over.
    late: HashSet<usize>,
    /// What the waves came to so far.
    tally: Tally,
}

impl Past {
    /// Whether a stage failed.
    pub fn failed(&self) -> bool {
        self.tally.failed > 0
    }

    /// Whether a task was skipped because the time of the sweep was over.
    pub fn was_late(&self, task: usize) -> bool {
        self.late.contains(&task)
    }
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
    /// Those of the skipped for which the time of the sweep was over.
    pub late: usize,
    /// Files outside that were read to tell whether they changed.
    pub hashed: usize,
}

impl Tally {
    /// Whether everything came out that was to come.
    pub fn is_well(&self) -> bool {
        self.failed == 0 && self.skipped == self.late
    }
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
    /// What has become of each task, for the next wave.
    pub past: Past,
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
    history: &dyn History,
    cancelled: &AtomicBool,
) -> Result<Ended> {
    let store = Store::open(&project.cache())?;
    let files = Files::open(&store.files_log())?;
    let session = options.remote.as_ref().map(|remote| Session::new(remote, &store, sink));
    let left = AtomicUsize::new(0);
    let shop = Shop { pipeline, store: &store, remote: session.as_ref(), sink, cancelled };
    let (sender, receiver) = channel();
    let (jobs, bench) = channel();
    let (bench, over) = (Mutex::new(bench), AtomicBool::new(false));
    let (tally, ground, files, past) = std::thread::scope(|scope| {
        let mut run = Run::new(pipeline, project, options, sink, history, &store, files);
        let remote = session.as_ref().filter(|remote| remote.pushes());
        let pushing = remote.map(|remote| Pushing::start(scope, remote, &left)).transpose()?;
        let push = pushing.as_ref().map(Pushing::entrance);
        let mut reader = Reader::new(scope, &over, sender.clone());
        let mut crew = Crew::new(scope, &shop, jobs, &bench, sender, push);
        run.drive(&mut crew, &mut reader, &receiver, cancelled)?;
        drop((crew, reader));
        run.tally.hashed = run.files.hashed();
        run.files.settle();
        if let Some(pushing) = pushing {
            pushing.finish(&|results| sink.event(&Event::Pushing { results }));
        }
        run.tally.late = run.late.len();
        let past = Past { outcomes: run.outcomes, outputs: run.outputs, late: run.late, tally: run.tally };
        Ok::<_, anyhow::Error>((run.tally, run.ground, run.files, past))
    })?;
    if tally.ran > 0 || session.as_ref().is_some_and(|session| session.taken().results > 0) {
        store.sync()?;
    }
    let whole = tally.failed == 0 && tally.skipped == 0;
    let facts = if whole { store.index().and_then(|index| ground.facts(&files, index)) } else { None };
    Ok(Ended { tally, facts, pushed: session.map_or(0, |session| session.given().results), past })
}

/// What a thread says to the one that decides.
enum Message {
    /// What became of a task.
    Product(usize, Box<Result<Product>>),
    /// It has computed, and waits for the disk.
    Computed(usize),
    /// What became of its sources.
    Read(usize, Reading),
}

/// What a thread is to do for a task.
enum Work {
    /// Run it.
    Stage(Box<Job>),
    /// Read these files.
    Read(Vec<PathBuf>),
}

struct Run<'a> {
    pipeline: &'a Pipeline,
    project: &'a Project,
    options: &'a Options,
    sink: &'a dyn Sink,
    history: &'a dyn History,
    store: &'a Store,
    files: Files,
    states: Vec<State>,
    /// Per task, how many of its inputs have no digest yet.
    missing: Vec<usize>,
    /// Per task, who takes from it, once an input.
    consumers: Vec<Vec<usize>>,
    ready: Queue,
    /// Whether the queue is in the order of critical paths.
    in_order: bool,
    running: usize,
    /// Running tasks that have given their cores back.
    settling: HashSet<usize>,
    /// How many tasks' sources are being read.
    reading: usize,
    /// What was read for tasks that are yet to be decided on.
    read: HashMap<usize, HashMap<PathBuf, Told>>,
    /// What running tasks leave of the budget.
    left: Budget,
    /// Outputs of tasks that are done.
    outputs: Vec<Option<BTreeMap<String, Output>>>,
    /// How each task that is over came out.
    outcomes: Vec<Option<Outcome>>,
    healing: Healing,
    /// How often tasks that are tried again have failed.
    failures: HashMap<usize, u32>,
    /// What identifies a running task, for its end: key, inputs, causes.
    under_way: HashMap<usize, UnderWay>,
    /// Tables in memory by the task that gave them, with their ports.
    memory: HashMap<usize, Vec<(String, Table)>>,
    /// Where copies of saved outputs are made.
    copies: Option<Room>,
    /// Whose they are.
    owner: Option<String>,
    stopped: bool,
    curfew: Option<Curfew>,
    /// Tasks that were skipped because the time of the sweep was over.
    late: HashSet<usize>,
    tally: Tally,
    ground: Ground,
}

struct UnderWay {
    key: Digest,
    inputs: BTreeMap<String, String>,
    sources: Option<Taken>,
    because: Vec<Cause>,
    start: Instant,
    /// Which try it is, from 1.
    attempt: u32,
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
        history: &'a dyn History,
        store: &'a Store,
        files: Files,
    ) -> Self {
        let count = pipeline.tasks.len();
        let mut consumers = vec![Vec::new(); count];
        let mut states = vec![State::Ready; count];
        let mut missing = vec![0; count];
        let demand = |task: &Task| {
            let schedule = &task.draft.schedule;
            (schedule.priority, options.budget.part(schedule.resources))
        };
        let mut ready = Queue::new(pipeline.tasks.iter().map(demand));
        let Past { mut outcomes, mut outputs, late, tally } = options.past.clone();
        let curfew = options.curfew.map(|at| Curfew::new(pipeline, at, !outcomes.is_empty()));
        outcomes.resize(count, None);
        outputs.resize(count, None);
        for (at, task) in pipeline.tasks.iter().enumerate().filter(|(at, _)| options.wanted[*at]) {
            task.inputs.iter().for_each(|edge| consumers[edge.task].push(at));
            missing[at] = task.inputs.iter().filter(|edge| outputs[edge.task].is_none()).count();
            match outcomes[at] {
                Some(outcome) => states[at] = State::of(outcome),
                None if missing[at] == 0 => ready.push(at),
                None => states[at] = State::Waiting,
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
            in_order: false,
            running: 0,
            settling: HashSet::new(),
            reading: 0,
            read: HashMap::new(),
            left: options.budget,
            outputs,
            outcomes,
            healing: Healing::default(),
            failures: HashMap::new(),
            under_way: HashMap::new(),
            memory: HashMap::new(),
            copies: None,
            owner: owner(&project.root, &locate(&project.root, Path::new(&pipeline.file))),
            stopped: false,
            curfew,
            late,
            tally,
            ground: Ground::default(),
        }
    }

    /// Decides and waits until nothing is left to do.
    fn drive(
        &mut self,
        crew: &mut Crew<'_, '_>,
        reader: &mut Reader<'_, '_>,
        receiver: &Receiver<Message>,
        cancelled: &AtomicBool,
    ) -> Result<()> {
        self.miss_what_fell();
        loop {
            while !self.is_stopped(cancelled) {
                let states = &self.states;
                let Some(at) = self.ready.pop(self.left, |at| states[at] == State::Ready) else { break };
                let given = match self.decide(at) {
                    None => continue,
                    Some(Work::Stage(job)) => crew.give(at, *job, self.running),
                    Some(Work::Read(paths)) => reader.give(at, paths),
                };
                if let Err(error) = given {
                    self.not_given(at, &error);
                }
            }
            if self.stopped {
                reader.stop();
            }
            // With nothing running everything fits, so nothing is ready.
            if self.running == 0 && (self.reading == 0 || self.stopped) {
                self.skip_rest();
                return Ok(());
            }
            match receiver.recv_timeout(LOOK) {
                Ok(Message::Product(at, product)) => self.returned(at, *product),
                Ok(Message::Computed(at)) => self.computed(at),
                Ok(Message::Read(at, reading)) => self.have_read(at, reading),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("all stages went away")),
            }
        }
    }

    /// There is no thread for a task.
    fn not_given(&mut self, at: usize, error: &std::io::Error) {
        if self.states[at] == State::Reading {
            // This thread reads, when the task is decided on.
            self.have_read(at, Reading::new());
        } else {
            self.returned(at, Err(anyhow!("can't start a thread: {error}")));
        }
    }

    /// Whether nothing more is to start.
    fn is_stopped(&mut self, cancelled: &AtomicBool) -> bool {
        self.stopped |= cancelled.load(Ordering::Relaxed);
        self.stopped
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

    /// Takes a ready task from the cache, or gives the job of running it, or of reading its sources first.
    fn decide(&mut self, at: usize) -> Option<Work> {
        if let Some(failure) = self.unlocked(at) {
            self.fail(at, None, &failure.into());
            return None;
        }
        let identity = match self.identify(at) {
            Ok(Look::Known(identity)) => *identity,
            Ok(Look::Unread(paths)) => {
                self.set_aside(at);
                return Some(Work::Read(paths));
            }
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
            // Where nothing else could start, there is nothing to choose.
            Err(_) if !self.in_order && !self.ready.is_empty() => {
                self.put_in_order();
                self.ready.push(at);
                return None;
            }
            // Bytes that are lost are those of a result that counts.
            Err(_) if again.is_none() && self.curfew.as_ref().is_some_and(|curfew| curfew.forbids(at)) => {
                self.come_late(at);
                return None;
            }
            Err(causes) => causes,
        };
        Some(Work::Stage(Box::new(self.start(at, identity, causes))))
    }

    /// Puts what is ready in the order of critical paths: once, when it turns out that something must run.
    fn put_in_order(&mut self) {
        let ways = match &self.curfew {
            Some(curfew) => curfew.ways(),
            None => ways(self.pipeline, &self.options.wanted, self.history),
        };
        self.ready.order(&ways);
        self.in_order = true;
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
        self.tell_if_alone(task);
        let under_way = self.under_way(at, &identity, because);
        self.sink.event(&Event::StageStarted {
            stage: task.label.clone(),
            kind: task.draft.kind.name.to_owned(),
            because: under_way.because.clone(),
            attempt: under_way.attempt,
            time: self.time(),
        });
        self.under_way.insert(at, under_way);
        self.step(at, Step::Start);
        self.curfew.iter_mut().for_each(|curfew| curfew.begin(at));
        self.running += 1;
        self.left = self.left.without(self.ready.takes(at));
        let held = |edge: &Edge| {
            let (_, table) = self.memory.get(&edge.task)?.iter().find(|(port, _)| *port == edge.port)?;
            Some((edge.key.clone(), table.clone()))
        };
        let memory = task.inputs.iter().filter_map(held).collect();
        let (forced, lost) = (self.options.forced[at], self.healing.lost.contains_key(&at));
        Job { identity, memory, forced, lost }
    }

    /// Says of a task that wants more than there is what that means for it.
    fn tell_if_alone(&self, task: &Task) {
        if let Some((key, amounts)) = self.options.budget.exceeded(task.draft.schedule.resources) {
            let message = format!("`{}` wants {amounts}: it runs alone", task.label);
            self.sink.event(&Event::Warning(Note::at(message, task.place(key))));
        }
    }

    fn hit(&mut self, at: usize, identity: &Identity, record: Brief) {
        let under_way = self.under_way(at, identity, Vec::new());
        self.finish(at, under_way, record, Outcome::Hit);
    }

    /// Seconds from the start of the run.
    fn time(&self) -> f64 {
        self.options.start.elapsed().as_secs_f64()
    }

    fn under_way(&self, at: usize, identity: &Identity, because: Vec<Cause>) -> UnderWay {
        UnderWay {
            key: identity.key,
            inputs: identity.input_digests(),
            sources: identity.taken(),
            because,
            start: Instant::now(),
            attempt: self.failures.get(&at).map_or(1, |failures| failures + 1),
            fetched: false,
            heals: self.healing.done,
        }
    }
}

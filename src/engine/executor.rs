//! The executor: takes tasks as their inputs become known, from the cache or by running them.
//!
//! One thread decides and keeps the states; each running stage has a thread of its own. A failure
//! stops only what needs the failed stage. Bytes that turn out to be lost are computed anew.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::Project;
use super::cause::Cause;
use super::digest::Digest;
use super::events::{Event, Note, Outcome, Sink, StageDone};
use super::files::Files;
use super::identify::Identity;
use super::plan::{self, History};
use super::produce::{Bench, Job, Product, produce};
use super::save::{self, Placed, Standing};
use super::state::{State, Step};
use super::still::{Facts, Ground};
use super::store::{Loss, Output, Record, Store};
use crate::data::Table;
use crate::diagnostic::remedy;
use crate::pipeline::{Edge, Pipeline, Task};
use crate::stage::{Failure, Progress};

/// Tables that wait in memory for the next stage take at most this much.
const MEMORY: usize = 1 << 30;

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
    pub facts: Option<Facts>,
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
    let (tally, ground, files) = std::thread::scope(|scope| {
        let mut run = Run::new(pipeline, project, options, sink, history, &store, files);
        let spawn = |at: usize, job: Job| {
            let sender = sender.clone();
            let store = &store;
            scope.spawn(move || work(pipeline, at, job, store, sink, cancelled, &sender));
        };
        run.drive(&spawn, &receiver, cancelled)?;
        // What isn't remembered is read again by the next run; everything is done nevertheless.
        let _ = run.files.settle();
        Ok::<_, anyhow::Error>((run.tally, run.ground, run.files))
    })?;
    if tally.ran > 0 {
        store.sync()?;
    }
    let whole = tally.failed == 0 && tally.skipped == 0;
    let facts = if whole { store.index().and_then(|index| ground.facts(&files, index)) } else { None };
    Ok(Ended { tally, facts })
}

type Message = (usize, Result<Product>);

fn work(
    pipeline: &Pipeline,
    at: usize,
    job: Job,
    store: &Store,
    sink: &dyn Sink,
    cancelled: &AtomicBool,
    sender: &Sender<Message>,
) {
    let task = &pipeline.tasks[at];
    let progress = Reporter { label: &task.label, sink };
    let product = produce(&Bench { task, store, progress: &progress, cancelled }, job);
    // The receiver is only gone when the run broke off, and then nobody waits for this.
    let _ = sender.send((at, product));
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
    /// Why a task must run although it has a record.
    lost: HashMap<usize, Cause>,
    /// Outputs that were computed anew in this run because their bytes were lost.
    healed: HashSet<(usize, String)>,
    /// What identifies a running task, for its end: key, inputs, causes.
    under_way: HashMap<usize, UnderWay>,
    memory: HashMap<(usize, String), Table>,
    stopped: bool,
    tally: Tally,
    ground: Ground,
}

struct UnderWay {
    key: Digest,
    inputs: BTreeMap<String, String>,
    because: Vec<Cause>,
    start: Instant,
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
            lost: HashMap::new(),
            healed: HashSet::new(),
            under_way: HashMap::new(),
            memory: HashMap::new(),
            stopped: false,
            tally: Tally::default(),
            ground: Ground::default(),
        }
    }

    /// Decides and waits until nothing is left to do.
    fn drive(
        &mut self,
        spawn: &dyn Fn(usize, Job),
        receiver: &Receiver<Message>,
        cancelled: &AtomicBool,
    ) -> Result<()> {
        loop {
            if cancelled.load(Ordering::Relaxed) {
                self.stopped = true;
            }
            while !self.stopped && self.running < self.options.jobs {
                let Some(at) = self.ready.pop_first() else { break };
                if let Some(job) = self.decide(at) {
                    spawn(at, job);
                }
            }
            if self.running == 0 && (self.stopped || self.ready.is_empty()) {
                self.skip_rest();
                return Ok(());
            }
            match receiver.recv_timeout(LOOK) {
                Ok((at, product)) => self.returned(at, product)?,
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
        let again = self.lost.get(&at).cloned();
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

    fn input(&self, edge: &Edge) -> Option<(String, Digest)> {
        let output = self.outputs[edge.task].as_ref()?.get(&edge.port)?;
        Some((edge.key.clone(), output.digest))
    }

    fn start(&mut self, at: usize, identity: Identity, mut because: Vec<Cause>) -> Job {
        let task = self.task(at);
        if because.is_empty() {
            let last = (self.history)(&task.label).and_then(|key| self.store.record(&key));
            because = plan::causes_since(self.pipeline, task, &identity, last.as_ref());
        }
        if let Some(Cause::Lost { port, loss }) = because.first() {
            let message =
                format!("`{}.{port}` is {} in the cache, computing it anew", task.label, loss.name());
            self.sink.event(&Event::Warning(Note::new(message)));
        }
        self.sink.event(&Event::StageStarted {
            stage: task.label.clone(),
            kind: task.draft.kind.name.to_owned(),
            because: because.clone(),
        });
        let under_way =
            UnderWay { key: identity.key, inputs: identity.input_digests(), because, start: Instant::now() };
        self.under_way.insert(at, under_way);
        self.step(at, Step::Start);
        self.running += 1;
        let held = |edge: &Edge| {
            let table = self.memory.get(&(edge.task, edge.port.clone()))?;
            Some((edge.key.clone(), table.clone()))
        };
        let memory = task.inputs.iter().filter_map(held).collect();
        let forced = self.options.forced[at] || self.lost.contains_key(&at);
        Job { identity, memory, forced }
    }

    fn hit(&mut self, at: usize, identity: &Identity, record: Record) {
        let under_way = UnderWay {
            key: identity.key,
            inputs: identity.input_digests(),
            because: Vec::new(),
            start: Instant::now(),
        };
        self.finish(at, under_way, record, Outcome::Hit);
    }

    fn returned(&mut self, at: usize, product: Result<Product>) -> Result<()> {
        self.running -= 1;
        let Some(under_way) = self.under_way.remove(&at) else { return Ok(()) };
        match product {
            Ok(Product::Ran(record, tables)) => {
                self.remember(at, tables);
                self.finish(at, under_way, record, Outcome::Ran);
            }
            Ok(Product::Taken(record)) => self.finish(at, under_way, record, Outcome::Hit),
            Ok(Product::InputLost(key, loss)) => self.input_lost(at, &under_way, &key, loss),
            Err(error) => self.fail(at, Some(&under_way), &error),
        }
        Ok(())
    }

    /// Keeps tables in memory for stages that need them next.
    fn remember(&mut self, at: usize, tables: Vec<(String, Table)>) {
        let waiting = self.consumers[at].iter().any(|consumer| !self.states[*consumer].is_over());
        let mut held: usize = self.memory.values().map(Table::bytes_in_memory).sum();
        for (port, table) in tables.into_iter().filter(|_| waiting) {
            held += table.bytes_in_memory();
            if held <= MEMORY {
                self.memory.insert((at, port), table);
            }
        }
    }

    /// Drops tables that nobody waits for any more.
    fn forget(&mut self, at: usize) {
        for edge in &self.task(at).inputs {
            let done = self.consumers[edge.task].iter().all(|consumer| self.states[*consumer].is_over());
            if done {
                self.memory.retain(|(task, _), _| *task != edge.task);
            }
        }
    }

    fn finish(&mut self, at: usize, under_way: UnderWay, record: Record, outcome: Outcome) {
        match self.save(at, &record, outcome) {
            Ok(None) => {}
            Ok(Some((port, loss))) => {
                self.lost.insert(at, Cause::lost(&port, loss));
                self.step(at, Step::Finish);
                self.step(at, Step::OutputLost);
                self.ready.insert(at);
                return;
            }
            Err(error) => return self.fail(at, Some(&under_way), &error),
        }
        self.step(at, Step::Finish);
        match outcome {
            Outcome::Ran => self.tally.ran += 1,
            _ => self.tally.hit += 1,
        }
        record.outputs.values().for_each(|output| self.ground.object(output));
        self.outputs[at] = Some(record.outputs.clone());
        self.report(at, under_way, record, outcome);
        self.lost.remove(&at);
        for consumer in self.consumers[at].clone() {
            self.inputs_settled(consumer, 1);
        }
        self.forget(at);
    }

    fn report(&self, at: usize, under_way: UnderWay, record: Record, outcome: Outcome) {
        let task = self.task(at);
        let note = |warning: &crate::stage::Warning| {
            Note::at(&warning.message, task.place(warning.key.as_deref().unwrap_or("kind")))
        };
        self.sink.event(&Event::StageDone(Box::new(StageDone {
            stage: task.label.clone(),
            kind: task.draft.kind.name.to_owned(),
            outcome,
            key: Some(under_way.key.hex()),
            inputs: under_way.inputs,
            warnings: record.warnings.iter().map(note).collect(),
            outputs: record.outputs,
            metrics: record.metrics,
            summary: record.summary,
            seconds: record.seconds,
            because: under_way.because,
            error: None,
        })));
    }

    /// Puts saved outputs in place; the port whose bytes are lost, if one is.
    fn save(&mut self, at: usize, record: &Record, outcome: Outcome) -> Result<Option<(String, Loss)>> {
        for (port, path) in &self.task(at).saves {
            let Some(output) = record.outputs.get(port) else { continue };
            let full = self.project.root.join(path);
            let standing = save::standing(&full, output, &mut self.files, self.store)
                .map_err(|error| unsaved(path, &error))?;
            self.ground.file(&full, output.digest);
            if standing == Standing::Same {
                continue;
            }
            let placed = save::place(&full, output, standing, &mut self.files, self.store);
            let kept = match placed.map_err(|error| unsaved(path, &error))? {
                Placed::Done(kept) => kept,
                Placed::Lost(loss) => return Ok(Some((port.clone(), loss))),
            };
            if outcome == Outcome::Hit || kept.is_some() {
                self.sink.event(&Event::Restored {
                    stage: self.task(at).label.clone(),
                    path: path.display().to_string(),
                    why: standing.name().to_owned(),
                    kept: kept.map(|kept| {
                        kept.strip_prefix(&self.project.root).unwrap_or(&kept).display().to_string()
                    }),
                });
            }
        }
        Ok(None)
    }

    /// Lets the task that gave the lost input run anew, once.
    fn input_lost(&mut self, at: usize, under_way: &UnderWay, key: &str, loss: Loss) {
        let Some(edge) = self.task(at).inputs.iter().find(|edge| edge.key == key) else { return };
        if !self.healed.insert((edge.task, edge.port.clone())) {
            let error =
                anyhow!("input `{key}` is {} again after it was computed anew: check the disk", loss.name());
            return self.fail(at, Some(under_way), &error);
        }
        let (giver, cause) = (edge.task, Cause::lost(&edge.port, loss));
        self.step(at, Step::InputLost);
        if self.outputs[giver].take().is_some() {
            self.output_lost(giver, cause);
        }
    }

    /// Takes a task's outputs back; whoever waits for them waits again.
    fn output_lost(&mut self, giver: usize, cause: Cause) {
        self.tally.hit = self.tally.hit.saturating_sub(1);
        self.lost.insert(giver, cause);
        self.step(giver, Step::OutputLost);
        self.ready.insert(giver);
        for consumer in self.consumers[giver].clone() {
            self.missing[consumer] += 1;
            if self.ready.remove(&consumer) {
                self.step(consumer, Step::InputLost);
            }
        }
    }

    fn fail(&mut self, at: usize, under_way: Option<&UnderWay>, error: &anyhow::Error) {
        let task = self.task(at);
        let failure = error.downcast_ref::<Failure>();
        let place = task.place(failure.and_then(|failure| failure.key.as_deref()).unwrap_or("kind"));
        let hint = failure.and_then(|failure| failure.hint.clone());
        let hint = hint.or_else(|| remedy(error).map(str::to_owned));
        let note = Note { hint, ..Note::at(format!("{error:#}"), place) };
        let interrupted = note.message == "interrupted";
        self.step(at, Step::Fail);
        let outcome = if interrupted { Outcome::Skipped } else { Outcome::Failed };
        if interrupted {
            self.tally.skipped += 1;
        } else {
            self.tally.failed += 1;
            self.stopped |= !self.options.keep_going;
        }
        self.sink.event(&ended(task, outcome, under_way, note));
        self.skip_consumers(at);
        self.forget(at);
    }

    /// Skips everything that needs a task, in the order of the pipeline; what can do without it goes on.
    fn skip_consumers(&mut self, at: usize) {
        let label = self.task(at).label.clone();
        let mut gone = BTreeSet::from([at]);
        // A task stands after all that it needs.
        for consumer in at + 1..self.states.len() {
            let inputs = &self.task(consumer).inputs;
            let lacking = inputs.iter().filter(|edge| gone.contains(&edge.task));
            let (count, needed) =
                lacking.fold((0, false), |(n, needed), edge| (n + 1, needed || !edge.optional));
            let waits = matches!(self.states[consumer], State::Waiting | State::Ready);
            if count == 0 || !waits || !self.options.wanted[consumer] {
                continue;
            }
            let fell = |task: usize| matches!(self.states[task], State::Failed | State::Skipped);
            if needed || inputs.iter().all(|edge| fell(edge.task)) {
                self.ready.remove(&consumer);
                self.skip(consumer, format!("needs `{label}`"));
                gone.insert(consumer);
            } else {
                self.inputs_settled(consumer, count);
            }
        }
    }

    /// So many more inputs of a task have come, or won't come.
    fn inputs_settled(&mut self, at: usize, count: usize) {
        self.missing[at] -= count;
        if self.missing[at] == 0 && self.states[at] == State::Waiting {
            self.step(at, Step::InputsKnown);
            self.ready.insert(at);
        }
    }

    fn skip(&mut self, at: usize, message: String) {
        self.step(at, Step::Skip);
        self.tally.skipped += 1;
        self.sink.event(&ended(self.task(at), Outcome::Skipped, None, Note::new(message)));
    }

    fn skip_rest(&mut self) {
        for at in 0..self.states.len() {
            if self.options.wanted[at] && !self.states[at].is_over() {
                self.skip(at, "the run ended before it".to_owned());
            }
        }
    }
}

/// Why a saved output is not at its path; the output itself is in the store.
fn unsaved(path: &Path, error: &anyhow::Error) -> Failure {
    let message = format!("can't save `{}`: {}", path.display(), error.root_cause());
    let hint = remedy(error).unwrap_or("`save` takes the path of a file in a folder that can be written");
    Failure::new(message).hint(hint).at("save")
}

fn ended(task: &Task, outcome: Outcome, under_way: Option<&UnderWay>, note: Note) -> Event {
    Event::StageDone(Box::new(StageDone {
        stage: task.label.clone(),
        kind: task.draft.kind.name.to_owned(),
        outcome,
        key: under_way.map(|under_way| under_way.key.hex()),
        inputs: under_way.map(|under_way| under_way.inputs.clone()).unwrap_or_default(),
        outputs: BTreeMap::new(),
        metrics: BTreeMap::new(),
        summary: String::new(),
        seconds: under_way.map_or(0.0, |under_way| under_way.start.elapsed().as_secs_f64()),
        because: under_way.map(|under_way| under_way.because.clone()).unwrap_or_default(),
        warnings: Vec::new(),
        error: Some(note),
    }))
}

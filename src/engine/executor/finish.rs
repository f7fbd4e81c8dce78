//! What became of a stage: its outputs saved and reported, whoever waits for them let go on, or skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::curfew::OVER;
use super::{Run, UnderWay};
use crate::data::Table;
use crate::diagnostic::remedy;
use crate::engine::cause::Cause;
use crate::engine::events::{Event, Note, Origin, Outcome, StageDone};
use crate::engine::produce::Product;
use crate::engine::save::{self, Placed, Standing};
use crate::engine::state::{State, Step};
use crate::engine::store::{Brief, Loss, Output};
use crate::pipeline::Task;
use crate::stage::{Failure, Stopped};

/// Tables that wait in memory for the next stage take at most this much.
const MEMORY: usize = 1 << 30;

/// So many tasks may wait for the disk without a core of theirs.
const SETTLING: usize = 16;

impl Run<'_> {
    /// A task has computed, and waits for the disk: its cores are free for another one meanwhile. Where there is one
    /// core, tasks run one after the other all the same.
    pub(super) fn computed(&mut self, at: usize) {
        if self.options.budget.cores > 1 && self.settling.len() < SETTLING && self.settling.insert(at) {
            self.left = self.left.with(self.ready.takes(at).cores_alone());
        }
    }

    /// Takes what a thread gives back.
    pub(super) fn returned(&mut self, at: usize, product: Result<Product>) {
        self.running -= 1;
        let takes = self.ready.takes(at);
        let held = if self.settling.remove(&at) { takes.memory_alone() } else { takes };
        self.left = self.left.with(held);
        let Some(mut under_way) = self.under_way.remove(&at) else { return };
        match product {
            Ok(Product::InputLost(key, loss)) => self.input_lost(at, &under_way, &key, loss),
            Ok(_) if !self.has_same_inputs(at, &under_way) => self.decide_anew(at),
            Ok(Product::Ran { record, tables, alarm }) => {
                if let Some(message) = alarm {
                    let place = self.task(at).place("kind");
                    self.sink.event(&Event::Warning(Note::at(message, place)));
                }
                self.remember(at, tables);
                self.finish(at, under_way, record.brief(), Outcome::Ran);
            }
            Ok(Product::Taken(record)) => self.finish(at, under_way, record.brief(), Outcome::Hit),
            Ok(Product::Fetched(record)) => {
                under_way.fetched = true;
                self.finish(at, under_way, record.brief(), Outcome::Hit);
            }
            Err(error) if self.may_try_again(at, &under_way, &error) => {
                self.try_again(at, &under_way, &error)
            }
            Err(error) => self.fail(at, Some(&under_way), &error),
        }
    }

    /// Whether a task that failed is to be run again: not where the user wants to stop.
    fn may_try_again(&self, at: usize, under_way: &UnderWay, error: &anyhow::Error) -> bool {
        let interrupted = Stopped::of(error) == Some(Stopped::Interrupted);
        !self.stopped && !interrupted && under_way.attempt <= self.task(at).draft.schedule.retries
    }

    /// Lets a task start again that failed, whose key is then computed anew.
    fn try_again(&mut self, at: usize, under_way: &UnderWay, error: &anyhow::Error) {
        let task = self.task(at);
        let (attempt, most) = (under_way.attempt, task.draft.schedule.retries.saturating_add(1));
        let note = note(task, error);
        let said = format!("`{}` failed on attempt {attempt} of {most}, trying again: ", task.label);
        self.sink.event(&Event::Warning(Note { message: said + &note.message, ..note }));
        self.failures.insert(at, attempt);
        self.step(at, Step::TryAgain);
        self.ready.push(at);
    }

    /// Keeps tables in memory for stages that need them next.
    fn remember(&mut self, at: usize, tables: Vec<(String, Table)>) {
        let waiting = self.consumers[at].iter().any(|consumer| !self.states[*consumer].is_over());
        if tables.is_empty() || !waiting {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "a sum of whole numbers")]
        let mut held: usize = self.memory.values().flatten().map(|(_, table)| table.bytes_in_memory()).sum();
        let fits = |(_, table): &(String, Table)| {
            held += table.bytes_in_memory();
            held <= MEMORY
        };
        self.memory.insert(at, tables.into_iter().filter(fits).collect());
    }

    /// Drops tables that nobody waits for any more.
    fn forget(&mut self, at: usize) {
        for giver in self.task(at).inputs.iter().map(|edge| edge.task) {
            let over = |consumer: &usize| self.states[*consumer].is_over();
            if self.memory.contains_key(&giver) && self.consumers[giver].iter().all(over) {
                self.memory.remove(&giver);
            }
        }
    }

    pub(super) fn finish(&mut self, at: usize, under_way: UnderWay, record: Brief, outcome: Outcome) {
        // Before anything is saved or handed on.
        if let Some(failure) = self.refused(at, &record) {
            return self.fail(at, Some(&under_way), &failure.into());
        }
        match self.save(at, &record, outcome == Outcome::Ran || under_way.fetched) {
            Ok(None) => {}
            Ok(Some((port, loss))) => {
                self.healing.lost.insert(at, Cause::lost(&port, loss));
                self.step(at, Step::Finish);
                self.step(at, Step::OutputLost);
                self.ready.push(at);
                return;
            }
            Err(error) => return self.fail(at, Some(&under_way), &error),
        }
        self.failures.remove(&at);
        self.step(at, Step::Finish);
        self.count(at, Some(outcome));
        record.outputs.values().for_each(|output| self.ground.object(output));
        self.outputs[at] = Some(record.outputs.clone());
        self.report(at, under_way, record, outcome);
        self.healed(at);
        for consumer in self.consumers[at].clone() {
            self.inputs_settled(consumer, 1);
        }
        self.forget(at);
    }

    /// What the lock has against a result, where there is one.
    fn refused(&self, at: usize, record: &Brief) -> Option<Failure> {
        let locked = self.options.locked.as_ref()?;
        locked.refuses(&self.task(at).label, &record.outputs, &self.pipeline.file)
    }

    /// Counts how a task came out, in place of how it came out before.
    pub(super) fn count(&mut self, at: usize, outcome: Option<Outcome>) {
        let before = std::mem::replace(&mut self.outcomes[at], outcome);
        for (outcome, step) in [(before, -1), (outcome, 1)] {
            let number = match outcome {
                Some(Outcome::Ran) => &mut self.tally.ran,
                Some(Outcome::Hit) => &mut self.tally.hit,
                Some(Outcome::Failed) => &mut self.tally.failed,
                Some(Outcome::Skipped) => &mut self.tally.skipped,
                None => continue,
            };
            *number = number.saturating_add_signed(step);
        }
    }

    fn report(&self, at: usize, under_way: UnderWay, record: Brief, outcome: Outcome) {
        let task = self.task(at);
        let note = |warning: &crate::stage::Warning| {
            Note::at(&warning.message, task.place(warning.key.as_deref().unwrap_or("kind")))
        };
        self.sink.event(&Event::StageDone(Box::new(StageDone {
            stage: task.label.clone(),
            kind: task.draft.kind.name.to_owned(),
            outcome,
            from: under_way.fetched.then_some(Origin::Remote),
            key: Some(under_way.key.hex()),
            inputs: under_way.inputs,
            sources: under_way.sources,
            warnings: record.warnings.iter().map(note).collect(),
            outputs: record.outputs,
            columns: record.columns,
            histograms: record.histograms,
            metrics: record.metrics,
            summary: record.summary,
            seconds: record.seconds,
            usage: record.usage,
            time: self.time(),
            because: under_way.because,
            attempts: if outcome == Outcome::Ran { under_way.attempt } else { 1 },
            parts: record.parts,
            error: None,
        })));
    }

    /// Puts saved outputs in place, and says so unless they are `new`; the port whose bytes are lost, if one is.
    fn save(&mut self, at: usize, record: &Brief, new: bool) -> Result<Option<(String, Loss)>> {
        for (port, path) in &self.task(at).saves {
            let Some(output) = record.outputs.get(port) else { continue };
            let full = self.project.root.join(path);
            let standing = save::standing(&full, output, &mut self.files, self.store)
                .map_err(|error| unsaved(path, &error))?;
            self.ground.file(&full, output.digest);
            if standing == Standing::Same {
                continue;
            }
            let placed = self.place(&full, output, standing);
            let kept = match placed.map_err(|error| unsaved(path, &error))? {
                Placed::Done(kept) => kept,
                Placed::Lost(loss) => return Ok(Some((port.clone(), loss))),
            };
            if !new || kept.is_some() {
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

    fn place(&mut self, path: &Path, output: &Output, standing: Standing) -> Result<Placed> {
        let within = match self.copies.take() {
            Some(within) => within,
            None => self.store.scratch()?,
        };
        let within = self.copies.insert(within).path();
        save::place(path, output, self.owner.as_deref(), standing, &mut self.files, self.store, within)
    }

    pub(super) fn fail(&mut self, at: usize, under_way: Option<&UnderWay>, error: &anyhow::Error) {
        let task = self.task(at);
        let note = note(task, error);
        let interrupted = Stopped::of(error) == Some(Stopped::Interrupted);
        self.failures.remove(&at);
        self.step(at, Step::Fail);
        let outcome = if interrupted { Outcome::Skipped } else { Outcome::Failed };
        self.count(at, Some(outcome));
        self.stopped |= !interrupted && !self.options.keep_going;
        self.sink.event(&ended(task, outcome, under_way, note, self.time()));
        self.skip_consumers(at);
        self.forget(at);
    }

    /// Skips everything that needs a task, in the order of the pipeline; what can do without it goes on.
    fn skip_consumers(&mut self, at: usize) {
        let label = self.task(at).label.clone();
        let mut gone = BTreeSet::from([at]);
        // A task stands after all that it needs, so whatever is missing to it is known when it is reached.
        let mut open: BTreeSet<usize> = self.consumers[at].iter().copied().collect();
        while let Some(consumer) = open.pop_first() {
            if !matches!(self.states[consumer], State::Waiting | State::Ready | State::Reading) {
                continue;
            }
            let inputs = &self.task(consumer).inputs;
            let lacking: Vec<_> = inputs.iter().filter(|edge| gone.contains(&edge.task)).collect();
            let fell = |task: usize| matches!(self.states[task], State::Failed | State::Skipped);
            if lacking.iter().any(|edge| !edge.optional) || inputs.iter().all(|edge| fell(edge.task)) {
                if self.late.contains(&at) {
                    self.late.insert(consumer);
                    self.skip(consumer, OVER.to_owned());
                } else {
                    self.skip(consumer, format!("needs `{label}`"));
                }
                gone.insert(consumer);
                open.extend(self.consumers[consumer].iter().copied());
            } else {
                self.inputs_settled(consumer, lacking.len());
            }
        }
    }

    /// Skips a task that would start a variant when the time of the sweep is over.
    pub(super) fn come_late(&mut self, at: usize) {
        self.late.insert(at);
        self.skip(at, OVER.to_owned());
        self.skip_consumers(at);
        self.forget(at);
    }

    /// Tasks that fell in an earlier wave don't give what new ones need.
    pub(super) fn miss_what_fell(&mut self) {
        for at in 0..self.states.len() {
            if matches!(self.states[at], State::Failed | State::Skipped) {
                self.skip_consumers(at);
            }
        }
    }

    /// So many more inputs of a task have come, or won't come.
    fn inputs_settled(&mut self, at: usize, count: usize) {
        self.missing[at] -= count;
        if self.missing[at] == 0 && self.states[at] == State::Waiting {
            self.step(at, Step::InputsKnown);
            self.ready.push(at);
        }
    }

    fn skip(&mut self, at: usize, message: String) {
        self.step(at, Step::Skip);
        self.count(at, Some(Outcome::Skipped));
        self.sink.event(&ended(self.task(at), Outcome::Skipped, None, Note::new(message), self.time()));
    }

    pub(super) fn skip_rest(&mut self) {
        for at in 0..self.states.len() {
            if self.options.wanted[at] && !self.states[at].is_over() {
                self.skip(at, "the run ended before it".to_owned());
            }
        }
    }
}

/// Why a saved output is not at its path; the output itself is in the store.
fn unsaved(path: &Path, error: &anyhow::Error) -> Failure {
    // In the system's own words, without the path of a temporary file.
    let code = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>()?.raw_os_error());
    let system = code.map(|code| std::io::Error::from_raw_os_error(code).to_string());
    let reason = system.unwrap_or_else(|| error.root_cause().to_string());
    let reason = reason.split(" (os error").next().unwrap_or_default();
    let message = format!("can't save `{}`: {reason}", path.display());
    let hint = remedy(error).unwrap_or("`save` takes the path of a file in a folder that can be written");
    Failure::new(message).hint(hint).at("save")
}

/// What there is to say of a task's failure, at its place.
fn note(task: &Task, error: &anyhow::Error) -> Note {
    let failure = error.downcast_ref::<Failure>();
    let place = task.place(failure.and_then(|failure| failure.key.as_deref()).unwrap_or("kind"));
    let hint = failure.and_then(|failure| failure.hint.clone());
    let hint = hint.or_else(|| remedy(error).map(str::to_owned));
    Note { hint, ..Note::at(format!("{error:#}"), place) }
}

fn ended(task: &Task, outcome: Outcome, under_way: Option<&UnderWay>, note: Note, time: f64) -> Event {
    Event::StageDone(Box::new(StageDone {
        stage: task.label.clone(),
        kind: task.draft.kind.name.to_owned(),
        outcome,
        from: None,
        key: under_way.map(|under_way| under_way.key.hex()),
        inputs: under_way.map(|under_way| under_way.inputs.clone()).unwrap_or_default(),
        sources: under_way.and_then(|under_way| under_way.sources.clone()),
        outputs: BTreeMap::new(),
        columns: BTreeMap::new(),
        histograms: BTreeMap::new(),
        metrics: BTreeMap::new(),
        summary: String::new(),
        seconds: under_way.map_or(0.0, |under_way| under_way.start.elapsed().as_secs_f64()),
        usage: None,
        time,
        because: under_way.map(|under_way| under_way.because.clone()).unwrap_or_default(),
        attempts: under_way.map_or(1, |under_way| under_way.attempt),
        warnings: Vec::new(),
        parts: None,
        error: Some(note),
    }))
}

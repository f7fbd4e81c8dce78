//! Lost bytes: the task that gave them runs anew, and whoever took them goes on from what it gives then.

use std::collections::{BTreeMap, HashMap};

use anyhow::anyhow;

use super::{Run, UnderWay};
use crate::engine::cause::Cause;
use crate::engine::state::{State, Step};
use crate::engine::store::{Loss, Output};

/// Which tasks run anew, and which have.
#[derive(Default)]
pub struct Healing {
    /// Why a task must run although it has a record.
    pub lost: HashMap<usize, Cause>,
    /// How many tasks have run anew.
    pub done: usize,
    /// Tasks whose outputs were lost, with what these were, and the number that running anew had.
    givers: HashMap<usize, Heal>,
}

struct Heal {
    before: BTreeMap<String, Output>,
    number: Option<usize>,
}

impl Run<'_> {
    /// Lets the task that gave the lost input run anew, once.
    pub(super) fn input_lost(&mut self, at: usize, under_way: &UnderWay, key: &str, loss: Loss) {
        let Some(edge) = self.task(at).inputs.iter().find(|edge| edge.key == key) else { return };
        let giver = edge.task;
        match self.healing.givers.get(&giver).map(|heal| heal.number) {
            None => {
                self.step(at, Step::InputLost);
                self.output_lost(giver, Cause::lost(&edge.port, loss));
            }
            // Somebody else has seen the loss: the giver runs, or has yet to.
            Some(None) => self.step(at, Step::InputLost),
            // It was seen before the giver had run anew.
            Some(Some(number)) if under_way.heals < number => self.decide_anew(at),
            Some(Some(_)) => {
                let error = anyhow!(
                    "input `{key}` is {} again after it was computed anew: check the disk",
                    loss.name()
                );
                self.fail(at, Some(under_way), &error);
            }
        }
    }

    /// Takes a running task back to where its key is computed.
    pub(super) fn decide_anew(&mut self, at: usize) {
        self.step(at, Step::InputLost);
        if self.missing[at] == 0 {
            self.step(at, Step::InputsKnown);
            self.ready.push(at);
        }
    }

    /// Whether the digests that a running task was given are still those of its inputs.
    pub(super) fn has_same_inputs(&self, at: usize, under_way: &UnderWay) -> bool {
        let same = |(key, digest): (String, crate::engine::digest::Digest)| {
            under_way.inputs.get(&key).is_some_and(|before| *before == digest.hex())
        };
        let known = self.task(at).inputs.iter().filter_map(|edge| self.input(edge));
        known.into_iter().all(same)
    }

    /// A task has come out well: if its bytes had been lost and are others now, whoever took them
    /// is decided on anew.
    pub(super) fn healed(&mut self, at: usize) {
        self.healing.lost.remove(&at);
        let number = self.healing.done + 1;
        let Some(heal) = self.healing.givers.get_mut(&at).filter(|heal| heal.number.is_none()) else {
            return;
        };
        heal.number = Some(number);
        self.healing.done = number;
        if self.outputs[at].as_ref() == Some(&heal.before) {
            return;
        }
        for consumer in self.consumers[at].clone() {
            if self.states[consumer] == State::Done {
                self.take_back(consumer);
            }
        }
    }

    /// Takes a task's outputs back, because they are lost or come of others than its inputs have now.
    fn take_back(&mut self, at: usize) {
        let before = self.outputs[at].take().unwrap_or_default();
        self.healing.givers.insert(at, Heal { before, number: None });
        self.count(at, None);
        self.step(at, Step::OutputLost);
        self.ready.push(at);
        for consumer in self.consumers[at].clone() {
            self.missing[consumer] += 1;
            if matches!(self.states[consumer], State::Ready | State::Reading) {
                self.step(consumer, Step::InputLost);
            }
        }
    }

    fn output_lost(&mut self, giver: usize, cause: Cause) {
        self.healing.lost.insert(giver, cause);
        self.take_back(giver);
    }
}

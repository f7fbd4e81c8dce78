//! The states of a task and every way from one to another (drawn in docs/scheduling.md).

use super::events::Outcome;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for inputs.
    Waiting,
    /// All inputs have digests: its key can be computed.
    Ready,
    /// Its sources are being read, for its key.
    Reading,
    /// Computes, in a thread of its own.
    Running,
    /// Its outputs are known, from the cache or because it ran.
    Done,
    /// It failed.
    Failed,
    /// Something that it needs failed, or the run was ended.
    Skipped,
}

/// What can happen to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The last of its inputs is known.
    InputsKnown,
    /// One of its inputs is to be computed anew, because its bytes are lost.
    InputLost,
    /// Its sources are to be read first.
    Read,
    /// Its sources have been read.
    HaveRead,
    /// It was given a thread.
    Start,
    /// Its outputs are known.
    Finish,
    /// Its own outputs are lost, and somebody needs them.
    OutputLost,
    /// It failed, and is run again.
    TryAgain,
    /// It can't be computed.
    Fail,
    /// Something that it needs can't be computed.
    Skip,
}

impl State {
    /// The state after a step; `None` when the step can't happen in this state.
    pub fn after(self, step: Step) -> Option<Self> {
        Some(match (self, step) {
            (Self::Waiting, Step::InputsKnown) => Self::Ready,
            (Self::Waiting | Self::Ready | Self::Reading | Self::Running, Step::InputLost) => Self::Waiting,
            (Self::Ready, Step::Read) => Self::Reading,
            (Self::Reading, Step::HaveRead) => Self::Ready,
            (Self::Ready, Step::Start) => Self::Running,
            (Self::Ready | Self::Running, Step::Finish) => Self::Done,
            (Self::Done, Step::OutputLost) => Self::Ready,
            (Self::Running, Step::TryAgain) => Self::Ready,
            (Self::Ready | Self::Running, Step::Fail) => Self::Failed,
            (Self::Waiting | Self::Ready | Self::Reading, Step::Skip) => Self::Skipped,
            _ => return None,
        })
    }

    /// The state of a task that came out so in an earlier wave.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ran | Outcome::Hit => Self::Done,
            Outcome::Failed => Self::Failed,
            Outcome::Skipped => Self::Skipped,
        }
    }

    /// Whether nothing more will happen to it by itself.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::{State, Step};

    #[test]
    fn a_task_goes_from_waiting_to_done() {
        let state = State::Waiting.after(Step::InputsKnown).unwrap();
        assert_eq!(state, State::Ready);
        let state = state.after(Step::Start).unwrap();
        assert_eq!(state.after(Step::Finish), Some(State::Done));
    }

    #[test]
    fn sources_are_read_before_a_task_starts() {
        let reading = State::Ready.after(Step::Read).unwrap();
        assert_eq!(reading.after(Step::HaveRead), Some(State::Ready));
        assert_eq!((reading.after(Step::Start), reading.is_over()), (None, false));
        assert_eq!(reading.after(Step::InputLost), Some(State::Waiting));
        assert_eq!(reading.after(Step::Skip), Some(State::Skipped));
        assert_eq!(State::Running.after(Step::Read), None);
    }

    #[test]
    fn a_failure_may_be_followed_by_another_try() {
        assert_eq!(State::Running.after(Step::TryAgain), Some(State::Ready));
        assert_eq!(State::Ready.after(Step::TryAgain), None);
    }

    #[test]
    fn what_is_over_only_comes_back_when_its_output_is_lost() {
        assert_eq!(State::Done.after(Step::OutputLost), Some(State::Ready));
        for step in [Step::InputsKnown, Step::Start, Step::Finish, Step::TryAgain, Step::Fail, Step::Skip] {
            assert_eq!(State::Done.after(step), None);
            assert_eq!(State::Failed.after(step), None);
        }
    }
}

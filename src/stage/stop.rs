//! Whether a stage goes on: not once the run is interrupted, nor when its own time is over.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What ends a stage from outside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stop<'a> {
    interrupted: Option<&'a AtomicBool>,
    deadline: Option<Instant>,
}

/// Why a stage was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The user ended the run.
    Interrupted,
    /// The stage took longer than it may.
    TimedOut,
}

impl<'a> Stop<'a> {
    /// Nothing ends the stage.
    pub fn never() -> Self {
        Self::default()
    }

    /// A raised flag ends the stage.
    pub fn when(interrupted: &'a AtomicBool) -> Self {
        Self { interrupted: Some(interrupted), deadline: None }
    }

    /// The same, and the end of a time from now on, where there is one.
    #[must_use]
    pub fn after(self, time: Option<Duration>) -> Self {
        // A time that is too long for the clock has no end.
        Self { deadline: time.and_then(|time| Instant::now().checked_add(time)), ..self }
    }

    /// Whether the stage goes on.
    ///
    /// # Errors
    /// When it doesn't: why.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.interrupted.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err(Stopped::Interrupted);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Stopped::TimedOut);
        }
        Ok(())
    }
}

impl Stopped {
    /// Why an error came about, where it is that a stage was stopped.
    pub fn of(error: &anyhow::Error) -> Option<Self> {
        error.chain().find_map(|cause| cause.downcast_ref().copied())
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::TimedOut => "timed out",
        })
    }
}

impl std::error::Error for Stopped {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use anyhow::Context;

    use super::{Stop, Stopped};

    #[test]
    fn a_flag_and_the_end_of_its_time_stop_a_stage() {
        let (low, high) = (AtomicBool::new(false), AtomicBool::new(true));
        let (now, ages) = (Some(Duration::ZERO), Some(Duration::MAX));
        assert_eq!(Stop::never().check(), Ok(()));
        assert_eq!(Stop::when(&low).after(ages).check(), Ok(()));
        assert_eq!(Stop::when(&low).after(now).check(), Err(Stopped::TimedOut));
        assert_eq!(Stop::when(&high).after(now).check(), Err(Stopped::Interrupted));
    }

    #[test]
    fn the_reason_is_found_below_what_others_add() {
        let error = Err::<(), _>(Stopped::TimedOut).context("can't read `a`").unwrap_err();
        assert_eq!(Stopped::of(&error), Some(Stopped::TimedOut));
        assert_eq!(Stopped::of(&anyhow::anyhow!("timed out")), None);
    }
}

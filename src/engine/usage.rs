//! What a stage run took of the machine, as the process that computes it can tell.
//!
//! Threads of several stages share one process, so the numbers are the process's: those that ran beside a stage are
//! counted with it. A program is a process of its own, and its kind gives what it took itself.

use std::collections::BTreeMap;
use std::sync::Mutex;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::stage::{Usage, Used};

/// Stages that compute now by number, each with how many others computed beside it.
static UNDER_WAY: Mutex<(u64, BTreeMap<u64, usize>)> = Mutex::new((0, BTreeMap::new()));

/// A stage that computes, from here until the value is dropped.
pub struct Meter {
    number: u64,
    cpu_seconds: f64,
}

impl Meter {
    /// Starts to count.
    pub fn start() -> Self {
        let number = UNDER_WAY.lock().map_or(0, |mut under_way| {
            let (last, stages) = &mut *under_way;
            *last += 1;
            stages.values_mut().for_each(|beside| *beside += 1);
            stages.insert(*last, stages.len());
            *last
        });
        Self { number, cpu_seconds: taken().map_or(0.0, |(cpu_seconds, _)| cpu_seconds) }
    }

    /// What the process has taken since; nothing where the system can't tell.
    pub fn read(&self) -> Option<Usage> {
        let (cpu_seconds, peak_memory) = taken()?;
        let beside = UNDER_WAY.lock().ok()?.1.get(&self.number).copied()?;
        let cpu_seconds = (cpu_seconds - self.cpu_seconds).max(0.0);
        Some(Usage { of: Used::Process, cpu_seconds, peak_memory, beside })
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Ok(mut under_way) = UNDER_WAY.lock() {
            under_way.1.remove(&self.number);
        }
    }
}

/// The CPU seconds of this process so far and its peak memory in bytes.
fn taken() -> Option<(f64, u64)> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let cpu_seconds = seconds(usage.user_time()) + seconds(usage.system_time());
    // Linux tells kilobytes.
    Some((cpu_seconds, u64::try_from(usage.max_rss()).ok()? * 1024))
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a process fit")]
fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::Meter;

    #[test]
    fn who_computes_beside_a_stage_is_counted_on_both_sides() {
        let one = Meter::start();
        let before = one.read().unwrap().beside;
        let two = Meter::start();
        assert!(two.read().unwrap().beside > before);
        drop(two);
        let usage = one.read().unwrap();
        assert!(usage.beside > before && usage.cpu_seconds >= 0.0 && usage.peak_memory > 1 << 20);
    }
}

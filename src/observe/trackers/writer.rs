//! The queue of a run that goes on, and a thread for each tracker: nothing that a tracker does holds a stage up.
//!
//! A tracker that fails is told nothing more, and says so at the end; the record has everything.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;
use serde_json::Value as Json;

use super::feed::{Feed, Saves};
use super::replay::{Marker, Recorded, variants};
use super::{Ground, Open, Settings, Shelf, Spec, TRACKERS, Tracker};

/// What was told is to be seen after so long.
const FLUSH: Duration = Duration::from_millis(500);

/// A run being told to its trackers.
pub struct Tracking {
    couriers: Vec<Courier>,
    wait: Duration,
    run: String,
}

/// The queue of one tracker.
struct Courier {
    tracker: &'static str,
    queue: Sender<Message>,
    said: Mutex<Receiver<Vec<String>>>,
}

enum Message {
    Event(Arc<Json>),
    /// The run's last event.
    End(Arc<Json>),
}

/// All that a tracker's thread works with.
struct Work {
    tracker: &'static str,
    open: Open,
    settings: Settings,
    ground: Ground,
    shelf: Arc<dyn Shelf>,
    run: String,
    config: Arc<toml::Table>,
}

impl Tracking {
    /// Starts a thread for each tracker that the resolved pipeline of a run names; nothing where it names none.
    pub fn start(run: &str, config: &str, ground: &Ground, shelf: &Arc<dyn Shelf>) -> Option<Self> {
        let config: Arc<toml::Table> = Arc::new(config.parse().ok()?);
        let settings = Settings::of(&config);
        let named = TRACKERS.into_iter().filter(|(name, _)| settings.to.iter().any(|to| to == name));
        let courier = |(tracker, open): (&'static str, Open)| {
            let work = Work {
                tracker,
                open,
                settings: settings.clone(),
                ground: ground.clone(),
                shelf: Arc::clone(shelf),
                run: run.to_owned(),
                config: Arc::clone(&config),
            };
            Courier::start(work)
        };
        let couriers: Vec<_> = named.filter_map(courier).collect();
        (!couriers.is_empty()).then(|| Self { couriers, wait: settings.wait, run: run.to_owned() })
    }

    /// Puts an event into the queues.
    pub fn event(&self, event: &impl Serialize) {
        if let Ok(event) = serde_json::to_value(event) {
            self.send(Message::Event, event);
        }
    }

    /// Puts an event into the queues that stands there as a line of a log.
    pub fn line(&self, line: &str) {
        if let Ok(event) = serde_json::from_str(line) {
            self.send(Message::Event, event);
        }
    }

    fn send(&self, message: impl Fn(Arc<Json>) -> Message, event: Json) {
        let event = Arc::new(event);
        for courier in &self.couriers {
            // A thread that is gone has said why.
            let _ = courier.queue.send(message(Arc::clone(&event)));
        }
    }

    /// The run is over: waits until the trackers have all of it, as long as the pipeline says. What they couldn't do
    /// comes back as warnings.
    pub fn finish(&self, end: &impl Serialize) -> Vec<String> {
        self.send(Message::End, serde_json::to_value(end).unwrap_or_default());
        let until = Instant::now() + self.wait;
        let mut said = Vec::new();
        for courier in &self.couriers {
            let left = until.saturating_duration_since(Instant::now());
            let told = courier.said.lock().ok().and_then(|inbox| inbox.recv_timeout(left).ok());
            match told {
                Some(warnings) => said.extend(warnings),
                None => said.push(format!(
                    "{} hasn't taken the whole run in {} s: the next run goes on with it, and so does `{}`",
                    courier.tracker,
                    self.wait.as_secs_f64(),
                    sends(&self.run, courier.tracker)
                )),
            }
        }
        said
    }
}

/// The command that sends a run from its record.
fn sends(run: &str, tracker: &str) -> String {
    format!("custem track push {run} --to {tracker}")
}

impl Courier {
    fn start(work: Work) -> Option<Self> {
        let ((queue, inbox), (tell, said)) = (channel(), channel());
        let tracker = work.tracker;
        let task = move || {
            let warnings = work.run(&inbox);
            // Whoever would have heard it may have given up waiting.
            let _ = tell.send(warnings);
        };
        std::thread::Builder::new().name(format!("track {tracker}")).spawn(task).ok()?;
        Some(Self { tracker, queue, said: Mutex::new(said) })
    }
}

impl Work {
    /// Tells the tracker of runs that were killed, then of this one; what went wrong.
    fn run(&self, inbox: &Receiver<Message>) -> Vec<String> {
        let mut said = self.mend();
        // Without a marker a kill isn't seen, and all else goes on.
        let marker = Marker::set(&self.ground.experiments, &self.run, self.tracker).ok();
        let mut end = None;
        let told = self.live(inbox, &mut end);
        if let Err(error) = told {
            let end = end.or_else(|| rest(inbox));
            said.push(self.fallen(&error, end.as_deref()));
        }
        if let Some(marker) = marker {
            marker.take_away();
        }
        said
    }

    /// Completes what killed runs left behind.
    fn mend(&self) -> Vec<String> {
        let left = Marker::left_behind(&self.ground.experiments, self.tracker);
        let mend = |(run, marker): (String, Marker)| {
            let told = self.replay(self.open, &run, None).map(drop);
            marker.take_away();
            let error = told.err().filter(|error| !is_gone(error))?;
            let again = sends(&run, self.tracker);
            Some(format!(
                "{} doesn't have the rest of run {run}: {error:#}; `{again}` sends it",
                self.tracker
            ))
        };
        left.into_iter().filter_map(mend).collect()
    }

    /// Tells the tracker what comes, until the run's last event.
    fn live(&self, inbox: &Receiver<Message>, end: &mut Option<Arc<Json>>) -> Result<()> {
        let mut tracker = (self.open)(&self.settings, &self.ground)?;
        tracker.ready();
        let started = match inbox.recv() {
            Ok(Message::Event(started)) => started,
            Ok(Message::End(last)) => {
                *end = Some(last);
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        let spec = Spec::of(&self.run, &self.config, &started, &self.settings);
        let saves = Saves::of(&self.config, &self.ground.root);
        let mut feed = Feed::start(tracker.as_mut(), self.shelf.as_ref(), &spec, &saves)?;
        let (mut fresh, mut flushed) = (true, Instant::now());
        loop {
            match inbox.recv_timeout(FLUSH) {
                Ok(Message::Event(event)) => {
                    feed.event(&event)?;
                    fresh = true;
                }
                Ok(Message::End(last)) => {
                    *end = Some(Arc::clone(&last));
                    feed.event(&last)?;
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if fresh && flushed.elapsed() >= FLUSH {
                feed.flush()?;
                (fresh, flushed) = (false, Instant::now());
            }
        }
        feed.finish()?;
        if self.config.contains_key("sweep") { self.variants(tracker.as_mut(), &self.run) } else { Ok(()) }
    }

    /// Tells a tracker of the variants of a sweep, which have records of their own.
    fn variants(&self, tracker: &mut dyn Tracker, run: &str) -> Result<()> {
        for run in variants(&self.ground.experiments, run) {
            let recorded = Recorded::read(&run, &self.ground, &|_| {})?;
            recorded.tell(tracker, &self.ground, self.shelf.as_ref(), None)?;
        }
        Ok(())
    }

    /// Tells a tracker of a run and its variants from their records; where they are.
    fn replay(&self, open: Open, run: &str, end: Option<&Json>) -> Result<String> {
        let recorded = Recorded::read(run, &self.ground, &|_| {})?;
        let mut tracker = open(&recorded.settings, &self.ground)?;
        recorded.tell(tracker.as_mut(), &self.ground, self.shelf.as_ref(), end)?;
        self.variants(tracker.as_mut(), run)?;
        Ok(tracker.place())
    }

    /// What to say of a tracker that failed. For Trackio, Weights & Biases takes over.
    fn fallen(&self, error: &anyhow::Error, end: Option<&Json>) -> String {
        let (tracker, run) = (self.tracker, &self.run);
        let taken =
            |place: &str| format!("{tracker} can't take the run ({error:#}): wandb takes over, in {place}");
        if tracker != "trackio" {
            return format!(
                "{tracker} doesn't have the run: {error:#}; `{}` sends it from the record",
                sends(run, tracker)
            );
        }
        if self.settings.to.iter().any(|to| to == "wandb") {
            return format!("{tracker} can't take the run ({error:#}): wandb has it");
        }
        match self.take_over(end) {
            Ok(place) => taken(&place),
            Err(other) => format!(
                "{tracker} can't take the run ({error:#}), and neither can wandb ({other:#}); `{}` sends it from the record",
                sends(run, tracker)
            ),
        }
    }

    /// Gives the run and its variants to Weights & Biases; where they are.
    fn take_over(&self, end: Option<&Json>) -> Result<String> {
        let Some((_, open)) = TRACKERS.into_iter().find(|(name, _)| *name == "wandb") else {
            bail!("there is none");
        };
        self.replay(open, &self.run, end)
    }
}

/// Passes over what comes, until the run's last event.
fn rest(inbox: &Receiver<Message>) -> Option<Arc<Json>> {
    inbox.iter().find_map(|message| match message {
        Message::End(last) => Some(last),
        Message::Event(_) => None,
    })
}

/// Whether a record isn't there any more: whoever removed it wants nothing of it.
fn is_gone(error: &anyhow::Error) -> bool {
    let missing = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(missing))
}

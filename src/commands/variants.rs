//! The variants of a sweep that ran: a record of its own for each, and the leaderboard for the terminal.
//!
//! Only variants whose objective was asked for count: `--until` may have stopped before it.

use std::collections::HashMap;

use anyhow::Result;
use serde_json::Value as Json;

use super::run::started;
use crate::engine::events::{Event, Outcome, Ranked, StageDone};
use crate::observe::journal::Journal;
use crate::pipeline::{Pipeline, Sweep, Variant, resolved};
use crate::present::terminal;

/// The variants of a sweep that ran.
pub struct Variants<'a> {
    pipeline: &'a Pipeline,
    sweep: &'a Sweep,
    /// The end of each stage, the last one when it ended twice.
    ends: HashMap<&'a str, &'a StageDone>,
    interrupted: bool,
}

impl<'a> Variants<'a> {
    /// The variants of a sweep by the ends of its stages.
    pub fn new(pipeline: &'a Pipeline, sweep: &'a Sweep, ends: &'a [StageDone], interrupted: bool) -> Self {
        let ends = ends.iter().map(|end| (end.stage.as_str(), end)).collect();
        Self { pipeline, sweep, ends, interrupted }
    }

    /// Writes the record of each variant: a run that can be listed, shown and run again.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn record(&self, journal: &Journal) -> Result<()> {
        for (at, variant) in self.reached() {
            let events = self.events(&journal.variant_name(at + 1), variant)?;
            journal.variant(at + 1, &resolved::text(self.pipeline, Some(variant))?, &events)?;
        }
        Ok(())
    }

    /// The ranking of the variants; none when no objective was asked for.
    pub fn leaderboard(&self) -> Option<Event> {
        let row = |(at, variant): (usize, &Variant)| {
            let end = self.end(variant.objective);
            Ranked {
                variant: variant.label.clone(),
                number: at + 1,
                value: end.and_then(|end| end.metrics.get(&self.sweep.metric).copied()),
                outcome: end.map(|end| end.outcome),
            }
        };
        let rows: Vec<_> = self.reached().map(row).collect();
        let objective = format!("{}.{}", self.sweep.stage, self.sweep.metric);
        (!rows.is_empty())
            .then(|| Event::Leaderboard { objective, rows: terminal::leaderboard(self.sweep, rows) })
    }

    /// Variants whose objective's stage ended somehow.
    fn reached(&self) -> impl Iterator<Item = (usize, &Variant)> {
        let variants = self.sweep.variants.iter().enumerate();
        variants.filter(|(_, variant)| self.end(variant.objective).is_some())
    }

    fn end(&self, task: usize) -> Option<&'a StageDone> {
        self.ends.get(self.pipeline.tasks[task].label.as_str()).copied()
    }

    /// What a run of this variant alone would have reported.
    fn events(&self, run: &str, variant: &Variant) -> Result<Vec<Json>> {
        let own: Vec<_> = variant.tasks.iter().filter_map(|task| self.end(*task)).collect();
        let mut first = started(run, &self.pipeline.name, &self.pipeline.file, own.len());
        if let Event::RunStarted { variant: which, .. } = &mut first {
            *which = Some(variant.label.clone());
        }
        let mut events = vec![serde_json::to_value(first)?];
        for end in &own {
            events.push(serde_json::to_value(Event::StageDone(Box::new((*end).clone())))?);
        }
        events.push(serde_json::to_value(self.done(run, &own))?);
        Ok(events)
    }

    fn done(&self, run: &str, own: &[&StageDone]) -> Event {
        let count = |outcome: Outcome| own.iter().filter(|end| end.outcome == outcome).count();
        let (failed, skipped) = (count(Outcome::Failed), count(Outcome::Skipped));
        let worked = own.iter().filter(|end| matches!(end.outcome, Outcome::Ran | Outcome::Failed));
        Event::RunDone {
            run: run.to_owned(),
            ok: failed == 0 && skipped == 0 && !self.interrupted,
            ran: count(Outcome::Ran),
            hit: count(Outcome::Hit),
            fetched: own.iter().filter(|end| end.from.is_some()).count(),
            pushed: 0,
            failed,
            skipped,
            hashed: 0,
            interrupted: self.interrupted,
            seconds: worked.map(|end| end.seconds).sum(),
        }
    }
}

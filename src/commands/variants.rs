//! The variants of a sweep that ran: a record of its own for each, and the leaderboard for the terminal.
//!
//! Only variants whose objective was asked for count: `--until` may have stopped before it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use anyhow::{Context, Result};
use indexmap::IndexMap;

use super::provenance;
use super::run::started;
use crate::engine::events::{Event, Note, Outcome, Ranked, StageDone};
use crate::engine::executor::Past;
use crate::engine::provenance::Provenance;
use crate::engine::{Project, disk};
use crate::model::rank;
use crate::model::stats::estimate;
use crate::observe::journal::{Journal, config_path};
use crate::pipeline::{Aim, Goal, Pipeline, Sweep, Variant, resolved};

/// The variants of a sweep that ran.
pub struct Variants<'a> {
    pipeline: &'a Pipeline,
    sweep: &'a Sweep,
    /// The end of each stage, the last one when it ended twice.
    ends: HashMap<&'a str, &'a StageDone>,
    interrupted: bool,
    /// What became of the tasks.
    past: &'a Past,
}

impl<'a> Variants<'a> {
    /// The variants of a sweep by the ends of its stages.
    pub fn new(
        pipeline: &'a Pipeline,
        sweep: &'a Sweep,
        ends: &'a [StageDone],
        interrupted: bool,
        past: &'a Past,
    ) -> Self {
        let ends = ends.iter().map(|end| (end.stage.as_str(), end)).collect();
        Self { pipeline, sweep, ends, interrupted, past }
    }

    /// Writes the record of each variant: a run that can be listed, shown and run again. `rests` is what the sweep
    /// rests on, `tree` what is known of the project's files.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn record(&self, journal: &Journal, rests: &Provenance, tree: Option<&Event>) -> Result<()> {
        let mut placed = HashMap::new();
        for (at, variant) in self.reached() {
            let there: Vec<bool> = variant.values.iter().map(Option::is_some).collect();
            let rests = match placed.entry(there) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let rests = self.placed(rests, new.key());
                    new.insert(Event::Provenance(Box::new(rests)))
                }
            };
            let lines = self.lines(&journal.variant_name(at + 1), variant, [Some(&*rests), tree])?;
            journal.variant(at + 1, &resolved::text(self.pipeline, Some(variant))?, &lines)?;
        }
        Ok(())
    }

    /// What the sweep rests on, with the values of these axes where they stand among the axes.
    fn placed(&self, rests: &Provenance, there: &[bool]) -> Provenance {
        let mut rests = rests.clone();
        for (at, axis) in self.sweep.axes.iter().enumerate().filter(|(at, _)| there[*at]) {
            let own = format!("sweep.axes.{axis}");
            let group = if self.sweep.repeat == Some(at) { "sweep.repeat" } else { "sweep.budget" };
            rests.places.stand(axis, if rests.places.lists(&own) { &own } else { group });
        }
        rests
    }

    /// The ranking of the variants, the best of them written as a pipeline; none when no objective was asked for.
    /// A note comes before it where that file can't be written.
    pub fn leaderboard(&self, journal: &Journal, project: &Project) -> Vec<Event> {
        let rows = self.ranked();
        let Some(first) = rows.first() else { return Vec::new() };
        let best = first.value.map(|_| self.best(first.number, journal, project)).transpose();
        let (best, note) = match best {
            Ok(best) => (best, None),
            Err(error) => (None, Some(Event::Warning(Note::new(format!("{error:#}"))))),
        };
        let mut names = self.sweep.aims.iter().map(Aim::name);
        let objective = names.next().unwrap_or_default();
        let board = Event::Leaderboard { objective, others: names.collect(), best, rows };
        note.into_iter().chain([board]).collect()
    }

    /// Where a variant stands as a pipeline: in its record, and where the sweep wants the best one.
    fn best(&self, number: usize, journal: &Journal, project: &Project) -> Result<String> {
        let record = config_path(&journal.experiments, &journal.variant_name(number));
        let Some(path) = &self.sweep.best else {
            return Ok(record.strip_prefix(&project.root).unwrap_or(&record).display().to_string());
        };
        let variant = &self.sweep.variants[number - 1];
        let place = project.root.join(path);
        let unwritten = || format!("can't write the best variant to `{}`", path.display());
        place.parent().map(disk::make_folder).transpose().with_context(unwritten)?;
        let head = format!("# The best variant of run {}: {}\n", journal.run, variant.of);
        let text = resolved::text(self.pipeline, Some(variant))?;
        disk::deliver(&place, &[head.as_bytes(), text.as_bytes()]).with_context(unwritten)?;
        Ok(path.display().to_string())
    }

    /// The points that were tried, the best first, each over all of its seeds.
    fn ranked(&self) -> Vec<Ranked> {
        let mut groups: IndexMap<&str, Vec<(usize, &Variant)>> = IndexMap::new();
        self.reached().for_each(|one| groups.entry(one.1.of.as_str()).or_default().push(one));
        let rows: Vec<_> = groups.iter().map(|(of, group)| self.row(of, group)).collect();
        let tiers: Vec<_> = groups.values().map(|group| group[0].1.tier).collect();
        let loss = |value: Option<f64>, aim: &Aim| match aim.goal {
            Goal::Max => -value.unwrap_or(f64::NAN),
            Goal::Min => value.unwrap_or(f64::NAN),
        };
        let losses = |row: &Ranked| {
            let values = std::iter::once(&row.value).chain(&row.others);
            values.zip(&self.sweep.aims).map(|(value, aim)| loss(*value, aim)).collect::<Vec<_>>()
        };
        let losses: Vec<_> = rows.iter().map(losses).collect();
        let board = rank::board(&tiers, &losses);
        let several = self.sweep.aims.len() > 1;
        let whole = |at: usize| losses[at].iter().all(|loss| !loss.is_nan());
        let row = |at: usize| Ranked {
            front: several.then(|| board.fronts[at] == 1 && whole(at)),
            ..rows[at].clone()
        };
        board.order.iter().map(|at| row(*at)).collect()
    }

    fn row(&self, of: &str, group: &[(usize, &Variant)]) -> Ranked {
        let value = |aim: usize| {
            let one = |(_, variant): &(usize, &Variant)| {
                let end = self.end(variant.objectives[aim])?;
                end.metrics.get(&self.sweep.aims[aim].metric).copied()
            };
            estimate(&group.iter().filter_map(one).collect::<Vec<_>>())
        };
        let known = |number: f64| Some(number).filter(|number| !number.is_nan());
        let first = value(0);
        let repeated = self.sweep.repeat.is_some();
        let ends: Vec<_> = group.iter().filter_map(|(_, variant)| self.end(variant.objectives[0])).collect();
        let worst = ends.iter().find(|end| end.outcome == Outcome::Failed).or(ends.first());
        Ranked {
            variant: of.to_owned(),
            number: group[0].0 + 1,
            value: known(first.mean),
            outcome: worst.map(|end| end.outcome),
            seeds: repeated.then_some(first.count),
            low: known(first.low).filter(|_| repeated),
            high: known(first.high).filter(|_| repeated),
            others: (1..self.sweep.aims.len()).map(|aim| known(value(aim).mean)).collect(),
            front: None,
        }
    }

    /// Variants whose objective's stage ended somehow.
    fn reached(&self) -> impl Iterator<Item = (usize, &Variant)> {
        let variants = self.sweep.variants.iter().enumerate();
        variants.filter(|(_, variant)| self.end(variant.objectives[0]).is_some())
    }

    fn end(&self, task: usize) -> Option<&'a StageDone> {
        self.ends.get(self.pipeline.tasks[task].label.as_str()).copied()
    }

    /// What a run of this variant alone would have reported.
    fn lines(&self, run: &str, variant: &Variant, rests: [Option<&Event>; 2]) -> Result<Vec<u8>> {
        let own: Vec<_> = variant.tasks.iter().filter_map(|task| self.end(*task)).collect();
        let mut first = started(run, &self.pipeline.name, &self.pipeline.file, own.len());
        if let Event::RunStarted { variant: which, .. } = &mut first {
            *which = Some(variant.label.clone());
        }
        let mut lines = Vec::new();
        let mut line = |event: &Event| -> Result<()> {
            serde_json::to_writer(&mut lines, event)?;
            lines.push(b'\n');
            Ok(())
        };
        line(&first)?;
        for event in rests.into_iter().flatten() {
            line(event)?;
        }
        for end in &own {
            line(&Event::StageDone(Box::new((*end).clone())))?;
        }
        if let Some(data) = provenance::data(own.iter().copied()) {
            line(&data)?;
        }
        let late = variant.tasks.iter().any(|task| self.past.was_late(*task));
        line(&done(run, &own, self.interrupted || late))?;
        Ok(lines)
    }
}

/// The last event of a variant's record.
fn done(run: &str, own: &[&StageDone], interrupted: bool) -> Event {
    let count = |outcome: Outcome| own.iter().filter(|end| end.outcome == outcome).count();
    let (failed, skipped) = (count(Outcome::Failed), count(Outcome::Skipped));
    let worked = own.iter().filter(|end| matches!(end.outcome, Outcome::Ran | Outcome::Failed));
    Event::RunDone {
        run: run.to_owned(),
        ok: failed == 0 && skipped == 0 && !interrupted,
        ran: count(Outcome::Ran),
        hit: count(Outcome::Hit),
        fetched: own.iter().filter(|end| end.from.is_some()).count(),
        pushed: 0,
        failed,
        skipped,
        hashed: 0,
        interrupted,
        // An empty `sum` would be -0.0.
        seconds: worked.fold(0.0, |sum, end| sum + end.seconds),
    }
}

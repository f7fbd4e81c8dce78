//! `custem cache gc`: what no kept run names goes, and what is cheap where that isn't enough.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;
use serde_json::{Value as Json, json};
use unicode_width::UnicodeWidthStr;

use super::named::{Named, labels};
use crate::cli;
use crate::diagnostic::{Failure, plural};
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::gc::{self, Evicted, Plan, Total, Uses, Why};
use crate::engine::inventory::Inventory;
use crate::engine::store::Store;
use crate::present::terminal::{bytes, seconds};
use crate::present::terminal::{print, tell};

pub fn gc(flags: &cli::Gc, project: &Project) -> Result<ExitCode> {
    let cache = project.cache();
    let look = flags.dry_run || !cache.is_dir();
    let store = if look { Some(Store::look(&cache)?) } else { alone(flags, project)? };
    let Some(store) = store else {
        let hint = "`--wait` waits until they have ended, `--dry-run` only looks";
        return Err(Failure::new("runs that are going on use the cache").hint(hint).into());
    };
    // What runs have recorded is read after they have ended.
    let runs = Named::all(&project.experiments());
    let uses = uses(&runs, flags);
    let plan = gc::plan(&Inventory::of(&cache), &store.keyed_records(), &uses, flags.max_size);
    let report = Report { labels: labels(&runs), damaged: gc::damaged(&store), dry: look, plan: &plan };
    if !look {
        gc::carry_out(&plan, &store)?;
    }
    if flags.json {
        print(format_args!("{}\n", report.to_json()))?;
    } else {
        print(format_args!("{}", report.text()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the cache alone; nothing when runs use it and the user doesn't want to wait.
fn alone(flags: &cli::Gc, project: &Project) -> Result<Option<Store>> {
    match Store::open_alone(&project.cache(), false)? {
        None if flags.wait => {
            tell(format_args!("waiting for runs that use the cache to end\n"));
            Store::open_alone(&project.cache(), true)
        }
        opened => Ok(opened),
    }
}

/// What kept and former runs name.
fn uses(runs: &[Named], flags: &cli::Gc) -> Uses {
    let since =
        flags.older_than.map(|age| SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH));
    let mut uses = Uses { since, ..Uses::default() };
    for (run, kept) in runs.iter().rev().zip(kept(runs, flags.keep_runs, since)) {
        for stage in &run.stages {
            let outputs = stage.outputs.iter().map(|output| output.digest);
            if kept {
                uses.keys.insert(stage.key);
                uses.outputs.extend(outputs);
            } else {
                uses.former.insert(stage.key);
                uses.former.extend(outputs);
            }
        }
    }
    uses
}

/// Whether each run is kept, the newest first: all of them where no rule is given, else those that one of
/// the rules keeps. Of each pipeline so many runs count as ended well; one that didn't keeps no other away.
fn kept(runs: &[Named], count: Option<usize>, since: Option<SystemTime>) -> Vec<bool> {
    let since = since.and_then(|since| since.duration_since(SystemTime::UNIX_EPOCH).ok());
    let mut well: HashMap<&str, usize> = HashMap::new();
    let mut kept = Vec::with_capacity(runs.len());
    for run in runs.iter().rev() {
        let newer = well.entry(&run.pipeline).or_default();
        let among = count.is_some_and(|count| *newer < count);
        let young = since.is_some_and(|since| run.time >= since.as_secs_f64());
        *newer += usize::from(run.ended_well);
        kept.push(among || young || count.is_none() && since.is_none());
    }
    kept
}

/// What is said of a plan.
struct Report<'a> {
    labels: HashMap<Digest, &'a str>,
    damaged: Total,
    /// Whether nothing is removed.
    dry: bool,
    plan: &'a Plan,
}

impl Report<'_> {
    fn stage<'s>(&'s self, evicted: &'s Evicted) -> &'s str {
        self.labels.get(&evicted.key).copied().unwrap_or("-")
    }

    fn freed(&self) -> u64 {
        self.plan.objects.iter().map(|object| object.bytes).sum::<u64>() + self.damaged.bytes
    }

    fn text(&self) -> String {
        let width =
            |text: fn(&Self, &Evicted) -> usize| self.plan.evicted.iter().map(|one| text(self, one)).max();
        let stage = width(|report, one| report.stage(one).width()).unwrap_or(0);
        let kind = width(|_, one| one.kind.width()).unwrap_or(0);
        let mut text = String::new();
        for one in &self.plan.evicted {
            let (name, size, why) = (self.stage(one), bytes(one.bytes), why(one));
            text +=
                &format!("  {name:stage$}   {:kind$}   {}   {size:>7}   {why}\n", one.kind, one.key.short());
        }
        for (total, why) in [(self.plan.loose, "no record has them"), (self.damaged, "they are damaged")] {
            if total.objects > 0 {
                text += &format!("  {}   {}   {why}\n", plural(total.objects, "object"), bytes(total.bytes));
            }
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let (freed, kept) = (bytes(self.freed()), self.plan.kept);
        let stays = format!("{} ({}) stay", plural(kept.objects, "object"), bytes(kept.bytes));
        let runs: HashSet<_> = self.plan.evicted.iter().map(|one| one.key).collect();
        let (verb, count) = (if self.dry { "would free" } else { "freed" }, plural(runs.len(), "stage run"));
        format!(
            "{verb} {freed}: {count}, {}; {stays}\n",
            plural(self.plan.objects.len() + self.damaged.objects, "object")
        )
    }

    fn to_json(&self) -> Json {
        let evicted = |one: &Evicted| {
            json!({
                "stage": self.labels.get(&one.key), "kind": one.kind, "key": one.key, "bytes": one.bytes,
                "seconds": one.seconds, "why": one.why,
            })
        };
        json!({
            "dry_run": self.dry,
            "freed": self.freed(),
            "objects": self.plan.objects.len() + self.damaged.objects,
            "evicted": self.plan.evicted.iter().map(evicted).collect::<Vec<_>>(),
            "loose": self.plan.loose,
            "damaged": self.damaged,
            "kept": self.plan.kept,
        })
    }
}

/// Why a record goes, for people.
fn why(one: &Evicted) -> String {
    match one.why {
        Why::Lost => "an output of it is lost".to_owned(),
        Why::Unnamed => "no kept run names it".to_owned(),
        Why::Budget => format!("cheap for its size: computed in {}", seconds(one.seconds)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Named, kept};

    fn run(pipeline: &str, time: u64, ended_well: bool) -> Named {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let time = time as f64;
        Named { run: String::new(), pipeline: pipeline.to_owned(), time, ended_well, stages: Vec::new() }
    }

    #[test]
    fn rules_keep_runs_of_each_pipeline() {
        let runs =
            [run("a", 1, true), run("b", 2, true), run("a", 3, true), run("a", 4, false), run("a", 5, true)];
        let since = |seconds: u64| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(kept(&runs, None, None), [true; 5]);
        assert_eq!(kept(&runs, Some(1), None), [true, false, false, true, false]);
        assert_eq!(kept(&runs, Some(2), None), [true, true, true, true, false]);
        assert_eq!(kept(&runs, None, since(4)), [true, true, false, false, false]);
        assert_eq!(kept(&runs, Some(1), since(4)), [true, true, false, true, false]);
        assert_eq!(kept(&runs, Some(0), None), [false; 5]);
    }
}

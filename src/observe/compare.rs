//! Two runs compared: values of the pipeline that differ, stages that have other keys because of each, artifacts with
//! other bytes, metrics that moved. Pure functions of two records.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::runs::Run;

/// Keys of a stage that are no part of what identifies its results.
const OUTSIDE: [&str; 5] = ["save", "timeout", "retries", "priority", "resources"];

/// The place of a value that is written nowhere.
pub const DEFAULT: &str = "default";

/// A run to compare.
pub struct Side<'a> {
    /// Its record.
    pub run: &'a Run,
    /// Its resolved pipeline.
    pub config: &'a Table,
    /// Where a value stands in it, or `default`; nothing where that isn't recorded.
    pub place: &'a dyn Fn(&str) -> Option<String>,
}

/// What two runs differ in.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Difference {
    /// What was changed.
    pub changes: Vec<Change>,
    /// Artifacts with other bytes.
    pub artifacts: Vec<Artifact>,
    /// Metrics that moved.
    pub metrics: Vec<Metric>,
    /// Stages with other keys whose cause isn't recorded.
    pub unexplained: Vec<String>,
}

/// What can be changed between two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A value of the pipeline.
    Value,
    /// A whole stage: it is new, gone, or of another kind.
    Stage,
    /// A file from outside.
    Source,
    /// custem itself.
    Custem,
}

/// A change, and what it led to.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// What was changed.
    pub what: What,
    /// The value's path, the stage, or the file.
    pub name: String,
    /// What it was; nothing when it is new.
    pub old: Option<String>,
    /// What it is; nothing when it is gone.
    pub new: Option<String>,
    /// Where it stood, or `default` where it was written nowhere; nothing where that isn't recorded.
    pub old_place: Option<String>,
    /// Where it stands, in the same words.
    pub place: Option<String>,
    /// Stages that have another key because of it.
    pub stages: Vec<String>,
}

/// An artifact with other bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Artifact {
    /// `STAGE.port`.
    pub artifact: String,
    /// The digest that it had.
    pub old: Option<String>,
    /// The digest that it has.
    pub new: Option<String>,
}

/// A metric that moved.
#[derive(Clone, Debug, Serialize)]
pub struct Metric {
    /// `STAGE.metric`.
    pub metric: String,
    /// What it was.
    pub old: Option<f64>,
    /// What it is.
    pub new: Option<f64>,
}

/// Compares two runs.
pub fn compare(old: &Side<'_>, new: &Side<'_>) -> Difference {
    let (before, after) = (ends(old.run), ends(new.run));
    let mut changes = values(old, new);
    changes.extend(sources(&before, &after));
    changes.extend(custem(old.run, new.run));
    let unexplained = blame(&mut changes, &before, &after);
    let (was, is) = (metrics(&before), metrics(&after));
    let names: BTreeSet<_> = was.keys().chain(is.keys()).collect();
    let moved = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
    let metric = |name: &String| Metric {
        metric: name.clone(),
        old: was.get(name).copied(),
        new: is.get(name).copied(),
    };
    Difference {
        artifacts: artifacts(&before, &after),
        metrics: moved.map(metric).collect(),
        changes,
        unexplained,
    }
}

/// The end of each stage, the last one when it ended twice, in the order in which they ended; those of a variant go by
/// the names of their stages.
pub fn ends(run: &Run) -> Vec<(String, &Json)> {
    let of_variant = run.of("run_started").any(|start| start["variant"].is_string());
    let name = |end: &Json| {
        let label = end["stage"].as_str().unwrap_or_default();
        if of_variant { stage_of(label).to_owned() } else { label.to_owned() }
    };
    let all: Vec<_> = run.of("stage_done").map(|end| (name(end), end)).collect();
    let last: HashMap<_, _> = all.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
    let counts = |(at, (name, _)): &(usize, (String, &Json))| last.get(name) == Some(at);
    all.into_iter().enumerate().filter(counts).map(|(_, end)| end).collect()
}

/// The stage of a task: `segments[k=3]` is one of `segments`.
pub fn stage_of(label: &str) -> &str {
    label.split('[').next().unwrap_or(label)
}

fn came_out_well(end: &Json) -> bool {
    matches!(end["outcome"].as_str(), Some("ran" | "hit"))
}

fn metrics(ends: &[(String, &Json)]) -> BTreeMap<String, f64> {
    let of_stage = |(stage, end): &(String, &Json)| {
        let metrics = end["metrics"].as_object().into_iter().flatten();
        let found: Vec<_> =
            metrics.filter_map(|(name, value)| Some((format!("{stage}.{name}"), value.as_f64()?))).collect();
        found
    };
    ends.iter().filter(|(_, end)| came_out_well(end)).flat_map(of_stage).collect()
}

/// Values of the pipeline that differ.
fn values(old: &Side<'_>, new: &Side<'_>) -> Vec<Change> {
    let mut walk = Walk { old, new, changes: Vec::new() };
    let keys: BTreeSet<_> = old.config.keys().chain(new.config.keys()).collect();
    for key in keys {
        let (before, after) = (old.config.get(key), new.config.get(key));
        if key == "stages" {
            walk.stages(before.and_then(Value::as_table), after.and_then(Value::as_table));
        } else {
            walk.value(key, before, after);
        }
    }
    walk.changes
}

struct Walk<'a> {
    old: &'a Side<'a>,
    new: &'a Side<'a>,
    changes: Vec<Change>,
}

impl Walk<'_> {
    fn stages(&mut self, old: Option<&Table>, new: Option<&Table>) {
        let names: BTreeSet<_> = old.into_iter().chain(new).flat_map(Table::keys).collect();
        for name in names {
            let of = |table: Option<&'_ Table>| table.and_then(|table| table.get(name)).cloned();
            let (before, after) = (of(old), of(new));
            let kind = |stage: &Option<Value>| Some(stage.as_ref()?.get("kind")?.as_str()?.to_owned());
            if kind(&before) == kind(&after) {
                self.value(name, before.as_ref(), after.as_ref());
            } else {
                self.push(What::Stage, name, kind(&before), kind(&after));
            }
        }
    }

    fn value(&mut self, path: &str, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (Some(Value::Table(before)), Some(Value::Table(after))) => {
                let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
                keys.into_iter().for_each(|key| {
                    self.value(&format!("{path}.{key}"), before.get(key), after.get(key));
                });
            }
            (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
                for (at, (before, after)) in before.iter().zip(after).enumerate() {
                    self.value(&format!("{path}.{at}"), Some(before), Some(after));
                }
            }
            _ => {
                let (before, after) = (old.map(shown), new.map(shown));
                if before != after {
                    self.push(What::Value, path, before, after);
                }
            }
        }
    }

    fn push(&mut self, what: What, name: &str, old: Option<String>, new: Option<String>) {
        let old_place = old.as_ref().and_then(|_| (self.old.place)(name));
        let place = new.as_ref().and_then(|_| (self.new.place)(name));
        self.changes.push(Change {
            what,
            name: name.to_owned(),
            old,
            new,
            old_place,
            place,
            stages: Vec::new(),
        });
    }
}

/// A value as people write it, text without its quotes.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

type Ends<'a, 'r> = &'a [(String, &'r Json)];

fn end<'r>(ends: Ends<'_, 'r>, stage: &str) -> Option<&'r Json> {
    ends.iter().find(|(name, _)| name == stage).map(|(_, end)| *end)
}

/// Files from outside that have other bytes, are new or gone.
fn sources(before: Ends<'_, '_>, after: Ends<'_, '_>) -> Vec<Change> {
    let named = |ends: Ends<'_, '_>| -> BTreeMap<String, String> {
        let of_stage = |(_, end): &(String, &Json)| {
            let named = end["sources"]["named"].as_object().into_iter().flatten();
            let text = |(name, digest): (&String, &Json)| Some((name.clone(), digest.as_str()?.to_owned()));
            named.filter_map(text).collect::<Vec<_>>()
        };
        ends.iter().flat_map(of_stage).collect()
    };
    let (was, is) = (named(before), named(after));
    let names: BTreeSet<_> = was.keys().chain(is.keys()).collect();
    let change = |name: &String| {
        let (old, new) = (was.get(name).cloned(), is.get(name).cloned());
        let (what, name) = (What::Source, name.clone());
        Change { what, name, old, new, old_place: None, place: None, stages: Vec::new() }
    };
    names.into_iter().filter(|name| was.get(*name) != is.get(*name)).map(change).collect()
}

/// That another custem ran.
fn custem(old: &Run, new: &Run) -> Option<Change> {
    let version = |run: &Run| run.of("run_started").next()?["version"].as_str().map(str::to_owned);
    let (old, new) = (version(old), version(new));
    let name = "custem".to_owned();
    (old != new).then(|| Change {
        what: What::Custem,
        name,
        old,
        new,
        old_place: None,
        place: None,
        stages: Vec::new(),
    })
}

/// Lists at each change the stages that have another key because of it; the stages that none explains.
fn blame(changes: &mut [Change], before: Ends<'_, '_>, after: Ends<'_, '_>) -> Vec<String> {
    let mut because: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let givers = givers(after);
    for (stage, now) in after.iter().filter(|(_, end)| end["key"].is_string()) {
        let was = end(before, stage).filter(|was| was["key"].is_string());
        if was.is_some_and(|was| was["key"] == now["key"]) {
            continue;
        }
        let mut causes = own_causes(changes, stage, was, now);
        for (input, digest) in now["inputs"].as_object().into_iter().flatten() {
            if was.is_none_or(|was| was["inputs"][input] != *digest) {
                let givers = digest.as_str().and_then(|digest| givers.get(digest)).into_iter().flatten();
                causes.extend(givers.flat_map(|giver| because.get(giver).into_iter().flatten()));
            }
        }
        if causes.is_empty() {
            causes.extend(everywhere(changes));
        }
        if causes.is_empty() {
            unexplained.push(stage.clone());
        }
        because.insert(stage, causes);
    }
    for (stage, causes) in because {
        causes.into_iter().for_each(|cause| changes[cause].stages.push(stage.to_owned()));
    }
    let order = |stage: &String| after.iter().position(|(name, _)| name == stage);
    changes.iter_mut().for_each(|change| change.stages.sort_by_key(order));
    unexplained
}

/// Changes of a stage itself and of the files that it reads.
fn own_causes(changes: &[Change], stage: &str, was: Option<&Json>, now: &Json) -> BTreeSet<usize> {
    let name = stage_of(stage);
    let reads = |end: &Json, file: &str| end["sources"]["named"].get(file).is_some();
    let own = |change: &Change| match change.what {
        What::Stage => change.name == name,
        What::Value => change
            .name
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|key| !OUTSIDE.contains(&key.split('.').next().unwrap_or(key))),
        What::Source => reads(now, &change.name) || was.is_some_and(|was| reads(was, &change.name)),
        What::Custem => false,
    };
    changes.iter().enumerate().filter(|(_, change)| own(change)).map(|(at, _)| at).collect()
}

/// Changes that may concern any stage.
fn everywhere(changes: &[Change]) -> impl Iterator<Item = usize> {
    let anywhere = |change: &Change| change.what == What::Custem || change.name == "pipeline.seed";
    changes.iter().enumerate().filter(move |(_, change)| anywhere(change)).map(|(at, _)| at)
}

/// The stages that gave some bytes, by their digest.
pub fn givers<'a>(ends: &'a [(String, &Json)]) -> HashMap<&'a str, Vec<&'a str>> {
    let mut givers: HashMap<_, Vec<_>> = HashMap::new();
    for (stage, end) in ends {
        for output in end["outputs"].as_object().into_iter().flatten().map(|(_, output)| output) {
            givers.entry(output["digest"].as_str().unwrap_or_default()).or_default().push(stage.as_str());
        }
    }
    givers
}

/// Artifacts with other bytes, but metrics, which are told by themselves.
fn artifacts(before: Ends<'_, '_>, after: Ends<'_, '_>) -> Vec<Artifact> {
    let outputs = |ends: Ends<'_, '_>| {
        let of_stage = |(stage, end): &(String, &Json)| {
            let ports = end["outputs"].as_object().into_iter().flatten();
            let output = |(port, output): (&String, &Json)| {
                Some((format!("{stage}.{port}"), output["digest"].as_str()?.to_owned()))
            };
            ports.filter(|(_, output)| output["type"] != "metrics").filter_map(output).collect::<Vec<_>>()
        };
        ends.iter().flat_map(of_stage).collect::<Vec<_>>()
    };
    let (was, is) = (outputs(before), outputs(after));
    let find = |all: &[(String, String)], name: &str| {
        all.iter().find(|(own, _)| own == name).map(|(_, digest)| digest.clone())
    };
    let mut names: Vec<_> = is.iter().map(|(name, _)| name.clone()).collect();
    names.extend(was.iter().map(|(name, _)| name.clone()).filter(|name| find(&is, name).is_none()));
    let artifact = |name: String| Artifact { old: find(&was, &name), new: find(&is, &name), artifact: name };
    names.into_iter().map(artifact).filter(|artifact| artifact.old != artifact.new).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(name: &str, events: Vec<Json>) -> Run {
        Run { name: name.to_owned(), events }
    }

    fn done(stage: &str, key: &str, inputs: Json, output: &str, metric: f64) -> Json {
        json!({ "event": "stage_done", "stage": stage, "outcome": "ran", "key": key, "inputs": inputs,
            "outputs": { "out": { "digest": output, "bytes": 1, "type": "table" } }, "metrics": { "m": metric } })
    }

    fn compared(old: (&Run, &str), new: (&Run, &str)) -> Difference {
        let configs = [old.1, new.1].map(|text| text.parse::<Table>().unwrap());
        let nowhere = |_: &str| None;
        let sides = [(old.0, &configs[0]), (new.0, &configs[1])];
        let [old, new] = sides.map(|(run, config)| Side { run, config, place: &nowhere });
        compare(&old, &new)
    }

    #[test]
    fn each_stage_is_blamed_on_what_reached_it() {
        let config = |k: u8, h: u8, seed: u8| {
            format!(
                "pipeline.seed = {seed}\n[stages.a]\nkind = 'x'\nk = {k}\n[stages.b]\nkind = 'y'\nh = {h}\nsave = 'f{h}'\n[stages.c]\nkind = 'z'\n"
            )
        };
        let record = |name, keys: [&str; 3], bytes: [&str; 3], metric| {
            run(
                name,
                vec![
                    done("a", keys[0], json!({}), bytes[0], 1.0),
                    done("b", keys[1], json!({}), bytes[1], metric),
                    done("c", keys[2], json!({ "one": bytes[0], "two": bytes[1] }), bytes[2], metric),
                ],
            )
        };
        let old = record("1", ["a1", "b1", "c1"], ["x1", "y1", "z1"], 1.0);
        let new = record("2", ["a2", "b2", "c2"], ["x1", "y2", "z2"], 2.0);
        let found = compared((&old, &config(1, 1, 1)), (&new, &config(2, 2, 1)));
        let stages: Vec<_> =
            found.changes.iter().map(|change| (change.name.as_str(), change.stages.join(","))).collect();
        // `a` ran to the same bytes, so its change stops there; where a file is saved concerns nobody.
        assert_eq!(stages, [("a.k", "a".into()), ("b.h", "b,c".into()), ("b.save", "b".replace('b', ""))]);
        let metrics: Vec<_> = found.metrics.iter().map(|metric| metric.metric.as_str()).collect();
        assert_eq!(metrics, ["b.m", "c.m"]);
        let artifacts: Vec<_> = found.artifacts.iter().map(|one| one.artifact.as_str()).collect();
        assert_eq!(artifacts, ["b.out", "c.out"]);
        let found = compared((&old, &config(1, 1, 1)), (&new, &config(1, 1, 9)));
        assert_eq!(found.changes[0].stages, ["a", "b", "c"]);
        let found = compared((&old, &config(1, 1, 1)), (&new, &config(1, 1, 1)));
        assert_eq!(found.unexplained, ["a", "b", "c"]);
    }

    #[test]
    fn stages_that_come_or_go_are_one_change_and_lists_are_compared_by_place() {
        let empty = run("1", Vec::new());
        let old = "[stages.a]\nkind = 'x'\nlist = [1, 2]\nmore = [1]\n[stages.b]\nkind = 'y'\nn = 1\n";
        let new = "[stages.a]\nkind = 'x'\nlist = [1, 3]\nmore = [1, 2]\n[stages.c]\nkind = 'y'\nn = 1\n";
        let found = compared((&empty, old), (&empty, new));
        let told: Vec<_> = found
            .changes
            .iter()
            .map(|change| format!("{:?} {} {:?} {:?}", change.what, change.name, change.old, change.new))
            .collect();
        assert_eq!(
            told,
            [
                "Value a.list.1 Some(\"2\") Some(\"3\")",
                "Value a.more Some(\"[1]\") Some(\"[1, 2]\")",
                "Stage b Some(\"y\") None",
                "Stage c None Some(\"y\")",
            ]
        );
    }
}

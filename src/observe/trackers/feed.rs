//! What a run's events mean to a tracker: metrics, pictures, small tables, saved outputs, alerts, an end.
//!
//! Knows the record's events, not where they come from: a run that goes on, or a file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Map, Value as Json};

use super::{Alert, Artifact, End, Grid, Level, Row, Shelf, Spec, State, Tracker, Value, text};
use crate::engine::disk;

/// How a PNG begins.
const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// Tables of more bytes than this are data, not something to look at.
const SMALL: u64 = 32 << 10;

/// A run being told to a tracker.
pub struct Feed<'a> {
    tracker: &'a mut dyn Tracker,
    shelf: &'a dyn Shelf,
    spec: &'a Spec,
    saves: &'a Saves,
    now: f64,
    series: BTreeMap<String, Series>,
    /// What stages from the cache gave: told at the end in one row, however many they are.
    cached: BTreeMap<String, Value>,
    summary: Map<String, Json>,
    state: Option<State>,
}

/// The steps of a stage.
#[derive(Default)]
struct Series {
    /// The step whose values are being gathered.
    step: u64,
    time: f64,
    values: Vec<(String, Value)>,
    /// What it counts.
    names: BTreeSet<String>,
}

/// Where outputs are saved, by stage: the port, nothing being the main one, and the file.
#[derive(Clone, Debug, Default)]
pub struct Saves(HashMap<String, Vec<(Option<String>, PathBuf)>>);

impl Saves {
    /// What a resolved pipeline says; paths start at `root`.
    pub fn of(config: &toml::Table, root: &Path) -> Self {
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
        let stages = config.get("stages").and_then(toml::Value::as_table);
        let file = |path: &toml::Value| Some(root.join(path.as_str()?));
        let of_stage = |(name, stage): (&String, &toml::Value)| {
            let saves = match stage.get("save")? {
                toml::Value::Table(ports) => {
                    ports.iter().filter_map(|(port, path)| Some((Some(port.clone()), file(path)?))).collect()
                }
                path => vec![(None, file(path)?)],
            };
            Some((name.clone(), saves))
        };
        Self(stages.into_iter().flatten().filter_map(of_stage).collect())
    }
}

impl<'a> Feed<'a> {
    /// Starts a run.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    pub fn start(
        tracker: &'a mut dyn Tracker,
        shelf: &'a dyn Shelf,
        spec: &'a Spec,
        saves: &'a Saves,
    ) -> Result<Self> {
        tracker.start(spec)?;
        let (series, cached, summary) = (BTreeMap::new(), BTreeMap::new(), Map::new());
        Ok(Self { tracker, shelf, spec, saves, now: spec.time, series, cached, summary, state: None })
    }

    /// Takes one event.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    pub fn event(&mut self, event: &Json) -> Result<()> {
        if let Some(time) = event["time"].as_f64().filter(|_| event["event"] != "run_started") {
            self.now = self.now.max(self.spec.time + time);
        }
        match event["event"].as_str().unwrap_or_default() {
            "stage_step" | "stage_metric" => self.step(event),
            "stage_done" => self.done(event),
            "warning" => self.alert("run", event, Level::Warn),
            "leaderboard" => self.leaderboard(event),
            "run_done" => {
                self.state = Some(state(event));
                self.now = self.now.max(self.spec.time + event["seconds"].as_f64().unwrap_or(0.0));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whoever looks should see all that was told so far.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    pub fn flush(&mut self) -> Result<()> {
        self.tracker.flush()
    }

    /// Ends the run; one whose events have no end was killed.
    ///
    /// # Errors
    /// When the tracker can't be written or reached.
    pub fn finish(mut self) -> Result<()> {
        let stages: Vec<_> = self.series.keys().cloned().collect();
        stages.iter().try_for_each(|stage| self.emit(stage))?;
        let values: Vec<_> = std::mem::take(&mut self.cached).into_iter().collect();
        if !values.is_empty() {
            self.tracker.log(&Row {
                stage: String::new(),
                step: 0,
                series: false,
                time: self.now,
                values,
            })?;
        }
        let state = self.state.unwrap_or(State::Killed);
        self.tracker.finish(&End { state, time: self.now, summary: self.summary })
    }

    /// A stage as it is called in the tracker. The variants of a sweep have stages of the same names; the sweep
    /// itself leaves those that are about one variant to it.
    fn stage<'e>(&self, event: &'e Json) -> Option<&'e str> {
        let label = event["stage"].as_str()?;
        match label.split_once('[') {
            Some((stage, _)) => (self.spec.job != "sweep").then_some(stage),
            None => Some(label),
        }
    }

    fn step(&mut self, event: &Json) -> Result<()> {
        let (Some(stage), Some(step)) = (self.stage(event), event["step"].as_u64()) else { return Ok(()) };
        let (Some(metric), Some(value)) = (event["metric"].as_str(), text::number(&event["value"])) else {
            return Ok(());
        };
        if self.series.get(stage).is_some_and(|series| series.step != step) {
            self.emit(stage)?;
        }
        let name = format!("{stage}.{metric}");
        self.summary.insert(name.clone(), json(value));
        let series = self.series.entry(stage.to_owned()).or_default();
        series.step = step;
        series.time = self.now;
        series.names.insert(name.clone());
        series.values.push((name, Value::Number(value)));
        Ok(())
    }

    /// Tells the step of a stage that is complete.
    fn emit(&mut self, stage: &str) -> Result<()> {
        let Some(series) = self.series.get_mut(stage) else { return Ok(()) };
        let values = std::mem::take(&mut series.values);
        if values.is_empty() {
            return Ok(());
        }
        let (step, time) = (series.step, series.time);
        self.tracker.log(&Row { stage: stage.to_owned(), step, series: true, time, values })
    }

    fn done(&mut self, event: &Json) -> Result<()> {
        let Some(stage) = self.stage(event) else { return Ok(()) };
        self.emit(stage)?;
        for warning in event["warnings"].as_array().into_iter().flatten() {
            self.alert(stage, warning, Level::Warn)?;
        }
        if event["outcome"] == "failed" {
            self.alert(stage, &event["error"], Level::Error)?;
        }
        if !matches!(event["outcome"].as_str(), Some("ran" | "hit")) {
            return Ok(());
        }
        let mut values = Vec::new();
        for (metric, value) in event["metrics"].as_object().into_iter().flatten() {
            let (name, value) = (format!("{stage}.{metric}"), text::number(value).unwrap_or(f64::NAN));
            self.summary.insert(name.clone(), json(value));
            values.push((name, Value::Number(value)));
        }
        for (name, histogram) in event["histograms"].as_object().into_iter().flatten() {
            let Ok(histogram) = serde_json::from_value(histogram.clone()) else { continue };
            let name = format!("{stage}.{name}");
            let taken = values.iter().any(|(other, _)| *other == name);
            let name = if taken { name + ".histogram" } else { name };
            values.push((name, Value::Histogram(histogram)));
        }
        self.look(stage, event, &mut values);
        if event["outcome"] == "hit" {
            self.cached.extend(values);
        } else if !values.is_empty() {
            // The end of what was counted stands behind it.
            let counted = |series: &&Series| values.iter().any(|(name, _)| series.names.contains(name));
            let step = self.series.get(stage).filter(counted).map_or(0, |series| series.step);
            self.tracker.log(&Row {
                stage: stage.to_owned(),
                step,
                series: false,
                time: self.now,
                values,
            })?;
        }
        self.saved(stage, event)
    }

    /// Pictures and small tables among a stage's outputs.
    fn look(&self, stage: &str, event: &Json, values: &mut Vec<(String, Value)>) {
        for (port, output) in event["outputs"].as_object().into_iter().flatten() {
            let Some(digest) = output["digest"].as_str() else { continue };
            let value = match output["type"].as_str() {
                Some("image") => self.shelf.file(digest).filter(|path| is_png(path)).map(Value::Image),
                Some("table") if output["bytes"].as_u64().is_some_and(|bytes| bytes <= SMALL) => {
                    self.shelf.grid(digest).map(Value::Grid)
                }
                _ => None,
            };
            let Some(value) = value else { continue };
            let name = format!("{stage}.{port}");
            // A metric may have the port's name.
            let taken = values.iter().any(|(other, _)| *other == name);
            let end = if matches!(value, Value::Image(_)) { ".image" } else { ".table" };
            values.push((if taken { name + end } else { name }, value));
        }
    }

    fn saved(&mut self, stage: &str, event: &Json) -> Result<()> {
        let Some(outputs) = event["outputs"].as_object() else { return Ok(()) };
        let kind = event["kind"].as_str().unwrap_or_default();
        for (port, path) in self.saves.0.get(stage).into_iter().flatten() {
            let main = || self.shelf.main_port(kind, outputs);
            let Some(port) = port.clone().or_else(main) else { continue };
            let Some(output) = outputs.get(&port) else { continue };
            let object = output["digest"].as_str().and_then(|digest| self.shelf.file(digest));
            let Some(object) = object else { continue };
            let artifact = Artifact {
                name: format!("{stage}.{port}"),
                kind: output["type"].as_str().unwrap_or("file").to_owned(),
                path: path.clone(),
                object,
                digest: output["digest"].as_str().unwrap_or_default().to_owned(),
                bytes: output["bytes"].as_u64().unwrap_or(0),
            };
            self.tracker.artifact(&artifact, self.now)?;
        }
        Ok(())
    }

    fn alert(&mut self, title: &str, note: &Json, level: Level) -> Result<()> {
        let message = note["message"].as_str().unwrap_or_default();
        let place = note["place"].as_str().map(|place| format!(" ({place})")).unwrap_or_default();
        let (title, text) = (title.to_owned(), format!("{message}{place}"));
        self.tracker.alert(&Alert { title, text, level, time: self.now })
    }

    fn leaderboard(&mut self, event: &Json) -> Result<()> {
        let objective = event["objective"].as_str().unwrap_or("value").to_owned();
        let row = |row: &Json| vec![row["variant"].clone(), row["value"].clone(), row["outcome"].clone()];
        let rows = event["rows"].as_array().into_iter().flatten().map(row).collect();
        let columns = vec!["variant".to_owned(), objective, "outcome".to_owned()];
        let values = vec![("sweep.leaderboard".to_owned(), Value::Grid(Grid { columns, rows }))];
        self.tracker.log(&Row { stage: "sweep".to_owned(), step: 0, series: false, time: self.now, values })
    }
}

/// A number for a summary: one that JSON lacks as its name.
fn json(value: f64) -> Json {
    text::unusual(value).map_or_else(|| value.into(), Json::from)
}

fn state(end: &Json) -> State {
    match end {
        end if end["interrupted"] == true => State::Interrupted,
        end if end["ok"] == true => State::Done,
        _ => State::Failed,
    }
}

fn is_png(path: &Path) -> bool {
    let mut start = [0; 8];
    disk::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == PNG
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    /// A tracker that writes down what it is told.
    struct Heard(Arc<Mutex<Vec<String>>>);

    impl Heard {
        fn say(&self, text: String) -> Result<()> {
            self.0.lock().unwrap().push(text);
            Ok(())
        }
    }

    impl Tracker for Heard {
        fn start(&mut self, run: &Spec) -> Result<()> {
            self.say(format!("start {}", run.name))
        }
        fn log(&mut self, row: &Row) -> Result<()> {
            let value = |(name, value): &(String, Value)| match value {
                Value::Number(number) => format!("{name}={number}"),
                Value::Image(_) => format!("{name}=image"),
                Value::Grid(grid) => format!("{name}={:?}", grid.rows),
                Value::Histogram(histogram) => format!("{name}={:?}", histogram.counts),
            };
            let values: Vec<_> = row.values.iter().map(value).collect();
            self.say(format!("log {} {} {} {}", row.step, row.series, row.time, values.join(" ")))
        }
        fn artifact(&mut self, artifact: &Artifact, _: f64) -> Result<()> {
            self.say(format!("artifact {} {} {}", artifact.name, artifact.kind, artifact.path.display()))
        }
        fn alert(&mut self, alert: &Alert) -> Result<()> {
            self.say(format!("alert {} {:?} {}", alert.title, alert.level, alert.text))
        }
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
        fn finish(&mut self, end: &End) -> Result<()> {
            self.say(format!("finish {:?} {} {}", end.state, end.time, Json::from(end.summary.clone())))
        }
        fn place(&self) -> String {
            String::new()
        }
    }

    /// A shelf with nothing on it but the names of main ports.
    struct Bare;

    impl Shelf for Bare {
        fn file(&self, digest: &str) -> Option<PathBuf> {
            (digest == "g").then(|| PathBuf::from("/g"))
        }
        fn grid(&self, digest: &str) -> Option<Grid> {
            (digest == "g").then(|| Grid { columns: vec!["a".to_owned()], rows: vec![vec![1.into()]] })
        }
        fn main_port(&self, _: &str, _: &Map<String, Json>) -> Option<String> {
            Some("out".to_owned())
        }
    }

    fn told(run: &str, config: &str, events: &[Json]) -> Vec<String> {
        let config: toml::Table = config.parse().unwrap();
        let settings = super::super::Settings::of(&config);
        let spec = Spec::of(run, &config, &json!({ "time": 100.0 }), &settings);
        let saves = Saves::of(&config, Path::new("/r"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut tracker = Heard(Arc::clone(&heard));
        let mut feed = Feed::start(&mut tracker, &Bare, &spec, &saves).unwrap();
        events.iter().for_each(|event| feed.event(event).unwrap());
        feed.finish().unwrap();
        heard.lock().unwrap().clone()
    }

    #[test]
    fn steps_are_told_together_and_ends_with_all_they_gave() {
        let step = |stage: &str, metric: &str, step: u64, value: Json| json!({ "event": "stage_step", "stage": stage, "metric": metric, "step": step, "value": value });
        let events = [
            json!({ "event": "stage_started", "stage": "s", "time": 1.0 }),
            step("s", "loss", 3, 0.5.into()),
            step("t", "x", 1, 9.into()),
            step("s", "gain", 3, Json::Null),
            step("s", "loss", 4, "Infinity".into()),
            json!({ "event": "warning", "message": "careful", "place": "p.toml:1" }),
            json!({
                "event": "stage_done", "stage": "s", "kind": "k", "outcome": "ran", "time": 2.0, "metrics": { "n": 7.0 },
                "histograms": { "p": { "edges": [0.0, 0.5, 1.0], "counts": [3, 4] }, "n": { "edges": [1.0, 2.0], "counts": [5] } },
                "warnings": [{ "message": "odd" }], "outputs": {
                    "out": { "digest": "g", "bytes": 5, "type": "table" },
                    "big": { "digest": "g", "bytes": 99_999, "type": "table" },
                    "n": { "digest": "g", "bytes": 5, "type": "table" },
                },
            }),
            json!({ "event": "stage_done", "stage": "f", "outcome": "failed", "error": { "message": "no" }, "metrics": {} }),
            json!({ "event": "run_done", "ok": false, "interrupted": false, "seconds": 3.0 }),
        ];
        let told = told("0001-a-b", "[stages.s]\nsave = \"x/s.parquet\"\n", &events);
        let expected = [
            "start 0001-a-b",
            "log 3 true 101 s.loss=0.5 s.gain=NaN",
            "alert run Warn careful (p.toml:1)",
            "log 4 true 101 s.loss=inf",
            "alert s Warn odd",
            "log 0 false 102 s.n=7 s.n.histogram=[5] s.p=[3, 4] s.n.table=[[Number(1)]] s.out=[[Number(1)]]",
            "artifact s.out table /r/x/s.parquet",
            "alert f Error no",
            "log 1 true 101 t.x=9",
            r#"finish Failed 103 {"s.gain":"NaN","s.loss":"Infinity","s.n":7.0,"t.x":9.0}"#,
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_record_without_an_end_is_of_a_run_that_was_killed() {
        let done = json!({ "event": "stage_done", "stage": "s[k=3]", "outcome": "ran", "time": 0.0, "metrics": { "n": 1.0 } });
        let variant = told("0001-a-b.01", "", std::slice::from_ref(&done));
        assert_eq!(
            variant,
            ["start 0001-a-b.01", "log 0 false 100 s.n=1", r#"finish Killed 100 {"s.n":1.0}"#]
        );
        let step = json!({ "event": "stage_step", "stage": "s", "metric": "n", "step": 8, "value": 2 });
        let counted = told("0001-a-b.01", "", &[step, done.clone()]);
        assert_eq!(counted[1..3], ["log 8 true 100 s.n=2", "log 8 false 100 s.n=1"]);
        let sweep = told("0001-a-b", "[sweep]\n", &[done]);
        assert_eq!(sweep, ["start 0001-a-b", "finish Killed 100 {}"]);
    }

    #[test]
    fn stages_from_the_cache_are_one_row_at_the_end() {
        let hit = |stage: &str| json!({ "event": "stage_done", "stage": stage, "outcome": "hit", "time": 1.0, "metrics": { "n": 1.0 } });
        let ran = json!({ "event": "stage_done", "stage": "c", "outcome": "ran", "time": 2.0, "metrics": { "n": 2.0 } });
        let told = told("0001-a-b", "", &[hit("b"), hit("a"), ran]);
        assert_eq!(told[1..3], ["log 0 false 102 c.n=2", "log 0 false 102 a.n=1 b.n=1"]);
    }
}

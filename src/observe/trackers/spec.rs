//! A run as trackers start it, made from its record: settings, resolved pipeline and first event.

use serde_json::{Map, Value as Json};

use super::{Settings, Spec, text};
use crate::observe::runs::sweep_of;

impl Spec {
    /// What a record says at its start. A variant belongs to the group of its sweep.
    pub fn of(run: &str, config: &toml::Table, started: &Json, settings: &Settings) -> Self {
        let time = started["time"].as_f64().unwrap_or(0.0);
        let sweep = sweep_of(run);
        let job = match sweep {
            Some(_) => "variant",
            None if config.contains_key("sweep") => "sweep",
            None => "run",
        };
        let group = match (sweep, &settings.group) {
            (Some(sweep), Some(group)) => Some(format!("{group}-{sweep}")),
            (Some(sweep), None) => Some(sweep.to_owned()),
            (None, group) => group.clone(),
        };
        Self {
            project: settings.project.clone(),
            name: run.to_owned(),
            id: text::id(&["run", run, &text::micros(time).to_string(), &settings.project]),
            group,
            job,
            tags: settings.tags.clone(),
            notes: settings.notes.clone(),
            config: flat(config),
            about: about(run, started),
            time,
            again: false,
        }
    }
}

/// What the first event says that isn't a parameter.
fn about(run: &str, started: &Json) -> Map<String, Json> {
    let mut about = Map::new();
    about.insert("run".to_owned(), run.into());
    for key in ["pipeline", "file", "version", "variant"] {
        about.extend(started.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    about
}

/// The parameters of a resolved pipeline: `STAGE.param`, and the seed as `pipeline.seed`.
fn flat(config: &toml::Table) -> Map<String, Json> {
    let mut found = Map::new();
    if let Some(seed) = config.get("pipeline").and_then(|head| head.get("seed")) {
        found.insert("pipeline.seed".to_owned(), json(seed));
    }
    let stages = config.get("stages").and_then(toml::Value::as_table);
    for (stage, table) in stages.into_iter().flatten() {
        flatten(stage, table, &mut found);
    }
    found
}

fn flatten(path: &str, value: &toml::Value, found: &mut Map<String, Json>) {
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            table.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, found));
        }
        value => drop(found.insert(path.to_owned(), json(value))),
    }
}

/// A TOML value as JSON: dates are texts, and so are numbers that JSON lacks.
fn json(value: &toml::Value) -> Json {
    match value {
        toml::Value::String(text) => text.clone().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => text::unusual(*number).map_or_else(|| (*number).into(), Json::from),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.iter().map(json).collect(),
        toml::Value::Table(table) => {
            Json::Object(table.iter().map(|(key, value)| (key.clone(), json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Settings, Spec};

    const CONFIG: &str = "[pipeline]\nname = \"p\"\nseed = 7\n[stages.s]\nkind = \"segment\"\nk = 5\nscan = { from = 2, to = 9 }\n[stages.t]\nkind = \"simulate\"\nstart = 2023-01-02\nlist = [{ a = inf }]\n[track]\nto = [\"wandb\"]\ntags = [\"x\"]\nwait = \"2.5s\"\n";

    fn spec(run: &str, config: &str) -> Spec {
        let config: toml::Table = config.parse().unwrap();
        let started = json!({ "time": 1.5, "pipeline": "p", "file": "p.toml", "version": "1" });
        Spec::of(run, &config, &started, &Settings::of(&config))
    }

    #[test]
    fn parameters_are_flat_and_dates_are_texts() {
        let spec = spec("0001-a-b", CONFIG);
        let expected = json!({
            "pipeline.seed": 7, "s.kind": "segment", "s.k": 5, "s.scan.from": 2, "s.scan.to": 9,
            "t.kind": "simulate", "t.start": "2023-01-02", "t.list": [{ "a": "Infinity" }],
        });
        assert_eq!(json!(spec.config), expected);
        assert_eq!(
            (spec.project.as_str(), spec.job, spec.group, spec.tags),
            ("p", "run", None, vec!["x".to_owned()])
        );
    }

    #[test]
    fn variants_are_a_group_and_the_same_record_has_the_same_id() {
        let (one, again, other) =
            (spec("0001-a-b.01", CONFIG), spec("0001-a-b.01", CONFIG), spec("0001-a-b.02", CONFIG));
        assert_eq!((one.job, one.group.as_deref()), ("variant", Some("0001-a-b")));
        assert_eq!(one.id, again.id);
        assert_ne!(one.id, other.id);
        let grouped = spec("0001-a-b.01", &CONFIG.replace("tags", "group = \"g\"\ntags"));
        assert_eq!(grouped.group.as_deref(), Some("g-0001-a-b"));
        assert_eq!(spec("0001-a-b", &format!("{CONFIG}[sweep]\n")).job, "sweep");
    }
}

//! MLflow: a tracking server, through its REST interface.
//!
//! A run's parameters can't change there and its metrics are kept once, so telling it twice changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value as Json, json};

use super::http::{Client, Refused};
use super::{
    Alert, Artifact, End, Grid, Ground, Histogram, Row, Settings, Spec, State, Tracker, Value, text,
};
use crate::engine::disk;

/// Where a server is when nothing says so.
const HERE: &str = "http://127.0.0.1:5000";

/// The most metrics, parameters and characters of a text that one request may hold.
const METRICS: usize = 1_000;
const PARAMS: usize = 100;
const LONGEST: usize = 5_000;

/// The tracker that a pipeline's settings describe; the tokens that it asks for come from the environment.
///
/// # Errors
/// When the address isn't one of a server.
pub fn open(settings: &Settings, _: &Ground) -> Result<Box<dyn Tracker>> {
    let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let url = settings.own("mlflow", "url").map(str::to_owned).or_else(|| said("MLFLOW_TRACKING_URI"));
    let url = url.unwrap_or_else(|| HERE.to_owned());
    if !url.starts_with("http://") && !url.starts_with("https://") {
        bail!(
            "MLFLOW_TRACKING_URI isn't the address of a server: it begins with neither `http://` nor `https://`"
        );
    }
    let bearer = said("MLFLOW_TRACKING_TOKEN").map(|token| format!("Bearer {token}"));
    let basic = || {
        let (user, password) = (said("MLFLOW_TRACKING_USERNAME")?, said("MLFLOW_TRACKING_PASSWORD")?);
        Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
    };
    let headers = bearer.or_else(basic).map(|value| ("Authorization", value));
    let client = Client::new(&url, settings.wait, headers.into_iter().collect());
    Ok(Box::new(Mlflow { client, run: None }))
}

struct Mlflow {
    client: Client,
    run: Option<Open>,
}

/// Larger outputs stay where they are, and only their places are told.
const LARGEST: u64 = 64 << 20;

/// A run on the server.
struct Open {
    id: String,
    /// Where its files are put, on a server that takes them.
    files: Option<String>,
    /// Metrics that are still to be sent.
    metrics: Vec<Json>,
    /// What is told as tags: saved outputs, warnings.
    tags: BTreeMap<String, String>,
    tables: Vec<Json>,
}

impl Mlflow {
    fn call(&self, path: &str, body: &Json) -> Result<Json> {
        self.client.post(&format!("/api/2.0/mlflow/{path}"), body)
    }

    fn open(&mut self) -> Result<&mut Open> {
        match &mut self.run {
            Some(open) => Ok(open),
            None => bail!("no run has started"),
        }
    }

    /// The id of an experiment, made where there is none.
    fn experiment(&self, name: &str) -> Result<String> {
        let made = self.call("experiments/create", &json!({ "name": name }));
        let made = match made {
            Err(error) if is_there(&error) => {
                let path =
                    format!("/api/2.0/mlflow/experiments/get-by-name?experiment_name={}", escaped(name));
                self.client.get(&path)?["experiment"]["experiment_id"].clone()
            }
            made => made?["experiment_id"].clone(),
        };
        made.as_str().map_or_else(
            || bail!("{} names no experiment: is it MLflow's?", self.client.base),
            |id| Ok(id.to_owned()),
        )
    }

    /// The run that was told before, found by the id that its record gives it.
    fn known(&self, experiment: &str, id: &str) -> Result<Option<Json>> {
        let filter = format!("tags.`custem.id` = '{id}'");
        let query = json!({ "experiment_ids": [experiment], "filter": filter, "max_results": 1 });
        Ok(self.call("runs/search", &query)?["runs"].get(0).cloned())
    }

    fn send(&mut self) -> Result<()> {
        let open = self.open()?;
        let (id, metrics) = (open.id.clone(), std::mem::take(&mut open.metrics));
        for metrics in metrics.chunks(METRICS) {
            self.call("runs/log-batch", &json!({ "run_id": id, "metrics": metrics }))?;
        }
        Ok(())
    }

    fn params(&self, id: &str, config: &Map<String, Json>) -> Result<()> {
        let param = |(name, value): (&String, &Json)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            json!({ "key": key(name), "value": short(&text) })
        };
        let params: Vec<_> = config.iter().map(param).collect();
        for params in params.chunks(PARAMS) {
            self.call("runs/log-batch", &json!({ "run_id": id, "params": params }))?;
        }
        Ok(())
    }

    fn put(&self, path: &str, content_type: &str, bytes: &[u8]) -> Result<()> {
        let Some(files) = self.run.as_ref().and_then(|open| open.files.as_ref()) else { return Ok(()) };
        self.client.put(&format!("/api/2.0/mlflow-artifacts/artifacts/{files}/{path}"), content_type, bytes)
    }

    /// Puts a saved output among the run's files, where the server takes them; why it isn't there.
    fn upload(&self, artifact: &Artifact) -> Result<Option<String>> {
        if artifact.bytes > LARGEST {
            return Ok(Some(format!("not uploaded: more than {} MiB", LARGEST >> 20)));
        }
        let ending = artifact.path.extension().and_then(|ending| ending.to_str());
        let ending = ending.map(|ending| format!(".{ending}")).unwrap_or_default();
        let path = format!("outputs/{}", text::file_name(&format!("{}{ending}", artifact.name)));
        match self.put(&path, "application/octet-stream", &disk::read(&artifact.object)?) {
            // What one server lets through may be too much for another; the run itself is taken.
            Err(error) if error.downcast_ref::<Refused>().is_some() => {
                Ok(Some(format!("not uploaded: {error:#}")))
            }
            put => put.map(|()| None),
        }
    }

    fn image(&self, name: &str, path: &Path) -> Result<()> {
        self.put(&format!("images/{}.png", text::file_name(name)), "image/png", &disk::read(path)?)
    }

    fn table(&mut self, name: &str, grid: &Grid) -> Result<()> {
        let path = format!("tables/{}.json", text::file_name(name));
        let body = json!({ "columns": grid.columns, "data": grid.rows }).to_string();
        self.put(&path, "application/json", body.as_bytes())?;
        let listed = json!({ "path": path, "type": "table" });
        let open = self.open()?;
        if open.files.is_some() && !open.tables.contains(&listed) {
            open.tables.push(listed);
        }
        Ok(())
    }
}

impl Tracker for Mlflow {
    fn start(&mut self, run: &Spec) -> Result<()> {
        let experiment = self.experiment(&run.project)?;
        let known = if run.again { self.known(&experiment, &run.id)? } else { None };
        let made = match known {
            Some(known) => known,
            None => {
                let body = json!({
                    "experiment_id": experiment, "run_name": run.name, "start_time": millis(run.time), "tags": tags(run),
                });
                self.call("runs/create", &body)?["run"].clone()
            }
        };
        let Some(id) = made["info"]["run_id"].as_str() else {
            bail!("{} names no run: is it MLflow's?", self.client.base);
        };
        self.params(id, &run.config)?;
        let files =
            made["info"]["artifact_uri"].as_str().and_then(|uri| uri.strip_prefix("mlflow-artifacts:/"));
        self.run = Some(Open {
            id: id.to_owned(),
            files: files.map(|path| path.trim_start_matches('/').to_owned()),
            metrics: Vec::new(),
            tags: BTreeMap::new(),
            tables: Vec::new(),
        });
        Ok(())
    }

    fn log(&mut self, row: &Row) -> Result<()> {
        for (name, value) in &row.values {
            match value {
                Value::Number(number) => {
                    let value = text::unusual(*number).map_or_else(|| (*number).into(), Json::from);
                    let metric = json!({ "key": key(name), "value": value, "timestamp": millis(row.time), "step": row.step });
                    self.open()?.metrics.push(metric);
                }
                Value::Image(path) => self.image(name, path)?,
                Value::Grid(grid) => self.table(name, grid)?,
                Value::Histogram(histogram) => self.table(name, &bins(histogram))?,
            }
        }
        if self.open()?.metrics.len() >= METRICS { self.send() } else { Ok(()) }
    }

    fn artifact(&mut self, artifact: &Artifact, _: f64) -> Result<()> {
        let mut what = format!("{} blake3:{}", text::address(&artifact.path), artifact.digest);
        if let Some(reason) = self.upload(artifact)? {
            what = format!("{what} ({reason})");
        }
        self.open()?.tags.insert(key(&format!("custem.saved.{}", artifact.name)), what);
        Ok(())
    }

    fn alert(&mut self, alert: &Alert) -> Result<()> {
        let said = self.open()?.tags.entry("custem.warnings".to_owned()).or_default();
        if said.len() < LONGEST {
            *said = format!("{said}{}: {}\n", alert.title, alert.text);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.send()
    }

    fn finish(&mut self, end: &End) -> Result<()> {
        self.send()?;
        let Some(mut open) = self.run.take() else { return Ok(()) };
        if !open.tables.is_empty() {
            open.tags.insert("mlflow.loggedArtifacts".to_owned(), Json::from(open.tables).to_string());
        }
        open.tags.insert("custem.state".to_owned(), end.state.name().to_owned());
        let tag = |(key, value): (&String, &String)| json!({ "key": key, "value": short(value) });
        let tags: Vec<_> = open.tags.iter().map(tag).collect();
        for tags in tags.chunks(PARAMS) {
            self.call("runs/log-batch", &json!({ "run_id": open.id, "tags": tags }))?;
        }
        let status = match end.state {
            State::Done => "FINISHED",
            State::Failed => "FAILED",
            State::Interrupted | State::Killed => "KILLED",
        };
        let body = json!({ "run_id": open.id, "status": status, "end_time": millis(end.time) });
        self.call("runs/update", &body).map(drop)
    }

    fn place(&self) -> String {
        self.client.base.clone()
    }
}

/// What a run is created with besides its name.
fn tags(run: &Spec) -> Vec<Json> {
    let mut tags =
        vec![("custem.id".to_owned(), run.id.clone()), ("custem.job".to_owned(), run.job.to_owned())];
    tags.extend(run.group.clone().map(|group| ("custem.group".to_owned(), group)));
    tags.extend(run.notes.clone().map(|notes| ("mlflow.note.content".to_owned(), notes)));
    tags.extend(run.tags.iter().map(|tag| (key(tag), "true".to_owned())));
    for (name, value) in &run.about {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        tags.push((format!("custem.{name}"), text));
    }
    tags.push(("mlflow.source.name".to_owned(), "custem".to_owned()));
    tags.iter().map(|(key, value)| json!({ "key": key, "value": short(value) })).collect()
}

/// A histogram as a table, which is all that MLflow has for one.
fn bins(histogram: &Histogram) -> Grid {
    let ends = histogram.edges.iter().zip(histogram.edges.iter().skip(1));
    let row = |((from, to), count): ((&f64, &f64), &u64)| vec![(*from).into(), (*to).into(), (*count).into()];
    Grid {
        columns: ["from", "to", "count"].map(str::to_owned).to_vec(),
        rows: ends.zip(&histogram.counts).map(row).collect(),
    }
}

/// A key that MLflow takes.
fn key(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || "_-. /:".contains(c);
    let key: String = name.chars().map(|c| if fits(c) { c } else { '_' }).take(250).collect();
    // A key is a path too: it must be one that stays where it begins.
    key.trim_start_matches('/').replace("..", "._").replace("//", "/_")
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

fn millis(seconds: f64) -> i64 {
    text::micros(seconds) / 1_000
}

/// Whether the server refused to make what is there.
fn is_there(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| refused.code.as_deref() == Some("RESOURCE_ALREADY_EXISTS"))
}

/// A text as a part of an address.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let letter = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::{escaped, key, millis, short};

    #[test]
    fn keys_and_texts_are_cut_to_what_mlflow_takes() {
        assert_eq!(
            (key("s.k"), key("s[k=3]"), key("../x"), key("ä b")),
            ("s.k".into(), "s_k_3_".into(), "._/x".into(), "ä b".into())
        );
        assert_eq!(short(&"ä".repeat(6_000)).chars().count(), 5_000);
        assert_eq!((millis(1.2345), escaped("a b/ä")), (1_234, "a%20b%2F%C3%A4".to_owned()));
    }
}

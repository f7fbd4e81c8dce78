//! Trackio: a project's database under TRACKIO_DIR, files for its server's inbox, or the server itself.
//!
//! It keeps no state, tags, notes or summary of a run: these stand in the run's config, under `custem`.

mod database;
mod inbox;
mod manifest;
mod schema;
mod server;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Map, Value as Json, json};

use super::{Alert, Artifact, End, Grid, Ground, Level, Row, Settings, Spec, Tracker, Value, text};
use crate::diagnostic::shown;
use crate::engine::disk;

use database::Database;
use inbox::Inbox;
use server::Server;

/// So many rows are written together.
const BATCH: usize = 5_000;

/// Keys that the client keeps for itself.
const RESERVED: [&str; 6] = ["project", "run", "timestamp", "step", "time", "metrics"];

/// The tracker that a pipeline's settings describe.
///
/// # Errors
/// When Trackio can't have a project of that name.
pub fn open(settings: &Settings, ground: &Ground) -> Result<Box<dyn Tracker>> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let project = &settings.project;
    if project.is_empty() || !project.chars().all(letter) {
        bail!(
            "its projects have names of letters, digits, `-` and `_`, unlike `{}`: name one with `--project`",
            shown(project)
        );
    }
    let own = |key: &str| settings.own("trackio", key);
    let folder = ground.folder(own("dir"), "TRACKIO_DIR", |experiments| experiments.join("trackio"));
    let said = std::env::var("TRACKIO_STORAGE_MODE").unwrap_or_default();
    let store = own("store").filter(|store| *store != "auto").unwrap_or(&said);
    let way = match (own("url"), store) {
        (Some(url), _) => Way::Server(Server::at(url, settings.wait)),
        (None, "sqlite") => Way::Database(Database::of(&folder, project)),
        (None, "jsonl") => Way::Inbox(Inbox::of(&folder)),
        (None, _) if inbox::is_shared(&folder) => Way::Inbox(Inbox::of(&folder)),
        (None, _) => Way::Database(Database::of(&folder, project)),
    };
    Ok(Box::new(Trackio { folder, way, run: None, entries: Vec::new() }))
}

/// How runs get there.
enum Way {
    Database(Database),
    Inbox(Inbox),
    Server(Server),
}

struct Trackio {
    folder: PathBuf,
    way: Way,
    run: Option<Spec>,
    entries: Vec<Entry>,
}

/// Something that was told. Its id is made of what it says, so that it is kept once.
enum Entry {
    Metrics { step: u64, time: f64, json: String, id: String },
    Alert { alert: Alert, id: String },
    Artifact { artifact: Artifact, time: f64 },
}

/// Entries that are written together.
struct Batch<'a> {
    entries: &'a [Entry],
    config: &'a Json,
    /// Whether no more follow of this run.
    last: bool,
}

impl Trackio {
    fn metrics(&mut self, row: &Row, metrics: Map<String, Json>) {
        let Some(run) = &self.run else { return };
        let json = Json::Object(metrics).to_string();
        let id = text::id(&[&run.id, &row.stage, &row.step.to_string(), &row.series.to_string(), &json]);
        self.entries.push(Entry::Metrics { step: row.step, time: row.time, json, id });
    }

    /// A picture, kept with the project's media; what stands for it among the metrics.
    fn image(&mut self, run: &Spec, row: &Row, name: &str, path: &Path) -> Result<Json> {
        let file = format!("{}.png", text::id(&[&run.id, name, &row.step.to_string()]));
        let place = format!("{}/{}/{}/{file}", run.project, run.name, row.step);
        match &mut self.way {
            Way::Server(server) => server.media(run, row.step, &file, &disk::read(path)?)?,
            _ => copy(path, &self.folder.join("media").join(&place))?,
        }
        Ok(json!({ "_type": "trackio.image", "file_path": place, "caption": name }))
    }

    fn write(&mut self, end: Option<&End>) -> Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        let config = config(run, end);
        let batch = Batch { entries: &self.entries, config: &config, last: end.is_some() };
        match &mut self.way {
            Way::Database(database) => database.write(run, &batch)?,
            Way::Inbox(inbox) => inbox.write(run, &batch)?,
            Way::Server(server) => server.write(run, &batch)?,
        }
        self.entries.clear();
        Ok(())
    }
}

impl Tracker for Trackio {
    fn ready(&mut self) {
        if let Way::Database(database) = &mut self.way {
            database.ready();
        }
    }

    fn start(&mut self, run: &Spec) -> Result<()> {
        self.run = Some(run.clone());
        self.entries.clear();
        // A run without a row isn't seen.
        let row = Row { stage: String::new(), step: 0, series: false, time: run.time, values: Vec::new() };
        self.metrics(&row, Map::new());
        Ok(())
    }

    fn log(&mut self, row: &Row) -> Result<()> {
        let Some(run) = self.run.clone() else { return Ok(()) };
        let mut metrics = Map::new();
        for (name, value) in &row.values {
            let value = match value {
                Value::Number(number) => self::number(*number),
                Value::Image(path) => self.image(&run, row, name, path)?,
                Value::Grid(grid) => table(grid),
                Value::Histogram(histogram) => {
                    json!({ "_type": "trackio.histogram", "bins": histogram.edges, "values": histogram.counts })
                }
            };
            metrics.insert(key(name), value);
        }
        self.metrics(row, metrics);
        if self.entries.len() >= BATCH { self.write(None) } else { Ok(()) }
    }

    fn artifact(&mut self, artifact: &Artifact, time: f64) -> Result<()> {
        self.entries.push(Entry::Artifact { artifact: artifact.clone(), time });
        Ok(())
    }

    fn alert(&mut self, alert: &Alert) -> Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        let id = text::id(&[&run.id, "alert", &alert.title, &alert.text]);
        self.entries.push(Entry::Alert { alert: alert.clone(), id });
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.entries.is_empty() { Ok(()) } else { self.write(None) }
    }

    fn finish(&mut self, end: &End) -> Result<()> {
        self.write(Some(end))?;
        self.run = None;
        Ok(())
    }

    fn place(&self) -> String {
        match &self.way {
            Way::Server(server) => server.place().to_owned(),
            _ => self.folder.display().to_string(),
        }
    }
}

/// A run's config: its parameters, what the client adds, and all that Trackio has no place for.
fn config(run: &Spec, end: Option<&End>) -> Json {
    let mut config: Map<String, Json> =
        run.config.iter().map(|(name, value)| (key(name.trim_start_matches('_')), value.clone())).collect();
    let mut own = run.about.clone();
    own.insert("job_type".to_owned(), run.job.into());
    own.insert("tags".to_owned(), run.tags.clone().into());
    own.insert("notes".to_owned(), run.notes.clone().into());
    own.insert("state".to_owned(), end.map_or("running", |end| end.state.name()).into());
    if let Some(end) = end {
        own.insert("exit_code".to_owned(), end.state.code().into());
        own.insert("seconds".to_owned(), (end.time - run.time).into());
        own.insert("summary".to_owned(), end.summary.clone().into());
    }
    config.insert("custem".to_owned(), own.into());
    config.insert("_Username".to_owned(), Json::Null);
    config.insert("_Created".to_owned(), text::moment(run.time).into());
    config.insert("_Group".to_owned(), run.group.clone().into());
    config.into()
}

/// A key of a row; those that the client keeps for itself begin with two underscores.
fn key(name: &str) -> String {
    if name.starts_with("__") || RESERVED.contains(&name) { format!("__{name}") } else { name.to_owned() }
}

/// A bare NaN would make the whole run unreadable.
fn number(number: f64) -> Json {
    text::unusual(number).map_or_else(|| number.into(), Json::from)
}

fn table(grid: &Grid) -> Json {
    let row = |row: &Vec<Json>| -> Json {
        let cells = grid.columns.iter().cloned().zip(row.iter().cloned());
        Json::Object(cells.collect())
    };
    json!({ "_type": "trackio.table", "_value": grid.rows.iter().map(row).collect::<Vec<_>>() })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// Copies a file whole under another name, then gives it its own.
fn copy(from: &Path, to: &Path) -> Result<()> {
    disk::make_folder(to.parent().unwrap_or(Path::new(".")))?;
    let part = to.with_extension("part");
    let file = disk::create(&part)?;
    disk::copy_into(from, file.file(), &part)?;
    Ok(disk::rename(&part, to)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Grid, key, number, table};

    #[test]
    fn rows_are_as_the_client_reads_them() {
        assert_eq!(
            (key("s.loss"), key("step"), key("__x")),
            ("s.loss".into(), "__step".into(), "____x".into())
        );
        let numbers = [number(f64::NAN), number(f64::INFINITY), number(f64::NEG_INFINITY), number(0.5)];
        assert_eq!(json!(numbers), json!(["NaN", "Infinity", "-Infinity", 0.5]));
        let grid = Grid { columns: vec!["a".into(), "b".into()], rows: vec![vec![1.into(), "x".into()]] };
        assert_eq!(table(&grid).to_string(), r#"{"_type":"trackio.table","_value":[{"a":1,"b":"x"}]}"#);
    }
}

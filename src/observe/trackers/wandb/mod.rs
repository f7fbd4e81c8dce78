//! Weights & Biases: runs in offline folders, which `wandb sync` uploads.
//!
//! A folder holds one log, `run-ID.wandb`, and the files that it names. One that has been uploaded is never changed.

mod log;
mod message;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use chrono::Local;
use md5::Md5;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::{Alert, Artifact, End, Grid, Ground, Level, Row, Settings, Spec, Tracker, Value, text};
use crate::diagnostic::shown;
use crate::engine::disk;

use log::Log;
use message::{Message, header, item, moment};

/// The tracker that a pipeline's settings describe.
///
/// # Errors
/// When W&B can't have a project of that name.
pub fn open(settings: &Settings, ground: &Ground) -> Result<Box<dyn Tracker>> {
    let project = &settings.project;
    if project.contains(['/', '\\', '#', '?', '%', ':']) || project.chars().count() > 128 {
        bail!(
            "its projects have names of at most 128 characters without `/ \\ # ? % :`, unlike `{}`: name one with `--project`",
            shown(project)
        );
    }
    let own = |key: &str| settings.own("wandb", key);
    let folder = ground.folder(own("dir"), "WANDB_DIR", Path::to_path_buf).join("wandb");
    Ok(Box::new(Wandb { folder, entity: own("entity").unwrap_or_default().to_owned(), open: None }))
}

struct Wandb {
    folder: PathBuf,
    entity: String,
    open: Option<Open>,
}

/// A run's folder being written.
struct Open {
    run: Spec,
    id: String,
    folder: PathBuf,
    log: Log,
    /// The log under the name that it has until it is whole, when it takes the place of one that isn't.
    part: Option<PathBuf>,
    records: u64,
    step: Option<u64>,
    time: f64,
    /// The latest values, and whether the log has them.
    latest: Map<String, Json>,
    unsaid: bool,
}

impl Wandb {
    fn open(&mut self) -> Result<&mut Open> {
        match &mut self.open {
            Some(open) => Ok(open),
            None => bail!("no run has started"),
        }
    }
}

impl Tracker for Wandb {
    fn start(&mut self, run: &Spec) -> Result<()> {
        let mut open = Open::start(&self.folder, run)?;
        let version = run.about.get("version").and_then(Json::as_str).unwrap_or_default().to_owned();
        let (field, body) = header(&version);
        open.append(field, &body)?;
        let record = run_record(run, &open.id, &self.entity);
        open.append(17, &record)?;
        self.open = Some(open);
        Ok(())
    }

    fn log(&mut self, row: &Row) -> Result<()> {
        self.open()?.row(row)
    }

    fn artifact(&mut self, artifact: &Artifact, _: f64) -> Result<()> {
        let entity = self.entity.clone();
        let open = self.open()?;
        let record = artifact_record(artifact, &open.run, &open.id, &entity)?;
        open.append(8, &record)
    }

    fn alert(&mut self, alert: &Alert) -> Result<()> {
        let level = match alert.level {
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        };
        let record =
            Message::new().text(1, &alert.title).text(2, &alert.text).text(3, level).number(4, 60_000);
        self.open()?.append(10, &record)
    }

    fn flush(&mut self) -> Result<()> {
        self.open()?.summary()
    }

    fn finish(&mut self, end: &End) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.time = end.time;
        open.latest.extend(end.summary.clone());
        open.unsaid = true;
        open.summary()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a run lasts some seconds"
        )]
        let runtime = (end.time - open.run.time).max(0.0) as u64;
        let exit = Message::new().number(1, end.state.code().into()).number(2, runtime);
        open.append(18, &exit)?;
        open.settle()
    }

    fn place(&self) -> String {
        self.folder.display().to_string()
    }
}

impl Open {
    fn start(base: &Path, run: &Spec) -> Result<Self> {
        let id = short(&run.id);
        let folder = folder(base, run, &id);
        let path = folder.join(format!("run-{id}.wandb"));
        if folder.join(format!("run-{id}.wandb.synced")).exists() {
            bail!("`{}` has been uploaded, and W&B takes a run once", folder.display());
        }
        disk::make_folder(&folder.join("files"))?;
        let part = path.exists().then(|| folder.join(format!("run-{id}.part")));
        let log = Log::create(part.as_ref().unwrap_or(&path))?;
        Ok(Self {
            run: run.clone(),
            id,
            folder,
            log,
            part,
            records: 0,
            step: None,
            time: run.time,
            latest: Map::new(),
            unsaid: false,
        })
    }

    fn append(&mut self, field: u32, body: &Message) -> Result<()> {
        self.records += 1;
        let record = Message::new().number(1, self.records).message(field, body);
        self.log.append(record.bytes())
    }

    /// A row of the history. Its steps grow, whatever stages run beside each other; a stage's own step stands beside.
    fn row(&mut self, row: &Row) -> Result<()> {
        let next = self.step.map_or(0, |step| step + 1);
        let step = if row.series { row.step.max(next) } else { next };
        (self.step, self.time) = (Some(step), row.time);
        let mut items = Vec::with_capacity(row.values.len() + 4);
        for (name, value) in &row.values {
            let json = match value {
                Value::Number(number) => self::number(*number),
                Value::Image(path) => self.image(name, step, path)?.to_string(),
                Value::Grid(grid) => self.table(name, step, grid)?.to_string(),
                Value::Histogram(histogram) => {
                    json!({ "_type": "histogram", "bins": histogram.edges, "values": histogram.counts })
                        .to_string()
                }
            };
            let value = serde_json::from_str(&json);
            self.latest.insert(name.clone(), value.unwrap_or_else(|_| Json::String(json.clone())));
            items.push((name.clone(), json));
        }
        if row.series {
            items.push((format!("{}.step", row.stage), row.step.to_string()));
        }
        items.push(("_step".to_owned(), step.to_string()));
        items.push(("_timestamp".to_owned(), number(row.time)));
        items.push(("_runtime".to_owned(), number(row.time - self.run.time)));
        let body =
            items.iter().fold(Message::new(), |body, (name, json)| body.message(1, &item(name, json, true)));
        let body = body.message(2, &Message::new().number(1, step));
        self.unsaid = true;
        self.append(2, &body)
    }

    /// The latest values, where the log doesn't have them yet.
    fn summary(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.unsaid) {
            return Ok(());
        }
        let mut body = Message::new();
        for (name, value) in &self.latest {
            body = body.message(1, &item(name, &plain(value), true));
        }
        let own = [
            ("_step", self.step.unwrap_or(0).to_string()),
            ("_timestamp", number(self.time)),
            ("_runtime", number(self.time - self.run.time)),
        ];
        for (name, json) in &own {
            body = body.message(1, &item(name, json, true));
        }
        self.append(3, &body)
    }

    fn image(&mut self, name: &str, step: u64, from: &Path) -> Result<Json> {
        let bytes = disk::read(from)?;
        let (path, sum) = self.file("media/images", name, step, "png", &bytes)?;
        let side =
            |at: usize| bytes.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        Ok(json!({
            "_type": "image-file", "path": path, "sha256": sum, "size": bytes.len(), "format": "png",
            "width": side(16), "height": side(20), "caption": name,
        }))
    }

    fn table(&mut self, name: &str, step: u64, grid: &Grid) -> Result<Json> {
        let bytes = json!({ "columns": grid.columns, "data": grid.rows }).to_string().into_bytes();
        let (path, sum) = self.file("media/table", name, step, "table.json", &bytes)?;
        Ok(json!({
            "_type": "table-file", "path": path, "ncols": grid.columns.len(), "nrows": grid.rows.len(), "sha256": sum,
            "size": bytes.len(), "log_mode": "IMMUTABLE",
        }))
    }

    /// Puts a file beside the log and announces it; where it is, and its digest.
    fn file(
        &mut self,
        kind: &str,
        name: &str,
        step: u64,
        end: &str,
        bytes: &[u8],
    ) -> Result<(String, String)> {
        let sum = hex(&Sha256::digest(bytes));
        let path = format!("{kind}/{}_{step}_{}.{end}", text::file_name(name), &sum[..20]);
        let whole = self.folder.join("files").join(&path);
        disk::make_folder(whole.parent().unwrap_or(Path::new(".")))?;
        disk::replace(&whole, &[bytes])?;
        let file = Message::new().text(1, &path).number(3, 2);
        self.append(6, &Message::new().message(1, &file))?;
        Ok((path, sum))
    }

    /// Gives the log its name, where it took the place of another one.
    fn settle(self) -> Result<()> {
        let Some(part) = &self.part else { return Ok(()) };
        let path = self.folder.join(format!("run-{}.wandb", self.id));
        Ok(disk::rename(part, &path)?)
    }
}

/// Eight letters and digits for a run, as W&B's own ids are.
fn short(id: &str) -> String {
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut number = u64::from_str_radix(&id[..12.min(id.len())], 16).unwrap_or(0);
    let mut short = String::with_capacity(8);
    for _ in 0..8 {
        short.push(char::from(LETTERS[usize::try_from(number % 36).unwrap_or(0)]));
        number /= 36;
    }
    short
}

/// The run's folder: the one that it has, or one named by its start in local time.
fn folder(base: &Path, run: &Spec, id: &str) -> PathBuf {
    let end = format!("-{id}");
    let own = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("offline-run-") && name.ends_with(&end)
    };
    let known = if run.again { disk::list(base).into_iter().find(own) } else { None };
    known.unwrap_or_else(|| {
        let start = text::date(run.time).with_timezone(&Local).format("%Y%m%d_%H%M%S");
        base.join(format!("offline-run-{start}{end}"))
    })
}

fn run_record(run: &Spec, id: &str, entity: &str) -> Message {
    let mut config = Message::new();
    for (name, value) in &run.config {
        config = config.message(1, &item(name, &value.to_string(), false));
    }
    config = config.message(1, &item("custem", &Json::Object(run.about.clone()).to_string(), false));
    let record = Message::new().text(1, id).text(2, entity).text(3, &run.project).message(4, &config);
    let record = record
        .text(6, run.group.as_deref().unwrap_or_default())
        .text(7, run.job)
        .text(8, &run.name)
        .text(9, run.notes.as_deref().unwrap_or_default());
    let record = run.tags.iter().fold(record, |record, tag| record.text(10, tag));
    record.message(17, &moment(run.time))
}

/// An artifact of one file that stays where it lies.
fn artifact_record(artifact: &Artifact, run: &Spec, id: &str, entity: &str) -> Result<Message> {
    let path = artifact.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let digest = format!("blake3:{}", artifact.digest);
    let listed = format!("wandb-artifact-manifest-v1\n{path}:{digest}\n");
    let contents = Message::new()
        .text(1, &path)
        .text(2, &digest)
        .text(3, &text::address(&artifact.path))
        .number(4, artifact.bytes);
    let layout = Message::new().text(1, "storageLayout").text(2, "\"V2\"");
    let manifest = Message::new().number(1, 1).text(2, "wandb-storage-policy-v1").message(3, &layout);
    Ok(Message::new()
        .text(1, id)
        .text(2, &run.project)
        .text(3, entity)
        .text(4, &artifact.kind)
        .text(5, &text::file_name(&artifact.name))
        .text(6, &hex(&Md5::digest(listed.as_bytes())))
        .text(11, "latest")
        .message(12, &manifest.message(4, &contents))
        .number(14, 1)
        .text(15, &random()?)
        .text(16, &random()?)
        .text(20, "MANIFEST_MD5"))
}

/// 128 letters and digits from the system's generator: the server refuses ids that it has seen.
fn random() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; 128];
    if getrandom::fill(&mut bytes).is_err() {
        bail!("the system gives no random numbers");
    }
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

/// A number as W&B writes it: what JSON lacks stands bare.
fn number(number: f64) -> String {
    text::unusual(number).map_or_else(|| Json::from(number).to_string(), str::to_owned)
}

/// A value of a summary: numbers that JSON lacks came as their names.
fn plain(value: &Json) -> String {
    match value.as_str() {
        Some(name @ ("NaN" | "Infinity" | "-Infinity")) => name.to_owned(),
        _ => value.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that W&B's readers and its sync take, made by hand: one run, one row, an exit.
    #[test]
    fn the_bytes_are_those_of_a_file_that_is_known_to_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run-abcd1234.wandb");
        let mut log = Log::create(&path).unwrap();
        let record =
            |number: u64, field: u32, body: &Message| Message::new().number(1, number).message(field, body);
        let (field, body) = header("0.1.0");
        log.append(record(1, field, &body).bytes()).unwrap();
        let config = Message::new().message(1, &item("lr", "0.001", false));
        let run = Message::new().text(1, "abcd1234").text(2, "e").text(3, "p").message(4, &config);
        let run = run.text(6, "g").text(8, "n").text(10, "t1").message(17, &moment(1_700_000_000.0));
        log.append(record(2, 17, &run).bytes()).unwrap();
        let items = [("loss", "0.5"), ("_step", "0"), ("_timestamp", "1700000001.5"), ("_runtime", "1.5")];
        let body =
            items.iter().fold(Message::new(), |body, (name, json)| body.message(1, &item(name, json, true)));
        log.append(record(3, 3, &body).bytes()).unwrap();
        // The step's message is there although its number is 0.
        log.append(record(4, 2, &body.message(2, &Message::new())).bytes()).unwrap();
        log.append(record(5, 18, &Message::new().number(2, 2)).bytes()).unwrap();
        let bytes = fs_err::read(&path).unwrap();
        assert_eq!(bytes.len(), 292);
        assert_eq!(
            hex(&Sha256::digest(&bytes)),
            "47eb908be48753ebd8298a0d7b0ffbf2eff98478c9bb5a826193e9108f8c8b32"
        );
    }

    #[test]
    fn ids_are_short_and_numbers_bare() {
        assert_eq!(short("0123456789ab4def8123456789abcdef").len(), 8);
        assert_ne!(short("0123456789ab4def"), short("0123456789ac4def"));
        assert_eq!([number(f64::NAN), number(0.5), plain(&"NaN".into())], ["NaN", "0.5", "NaN"]);
        assert_eq!(random().unwrap().len(), 128);
        assert_ne!(random().unwrap(), random().unwrap());
    }
}

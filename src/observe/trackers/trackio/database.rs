//! A Trackio project as its client keeps it: an SQLite file, and beside it the file that writers lock.
//!
//! A file that isn't whole, or isn't Trackio's, is refused before anything is written to it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err::File;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use super::{Batch, Entry, manifest, schema};
use crate::engine::disk;
use crate::observe::trackers::{Artifact, Spec, text};

/// How long another writer may hold the lock, as the client waits.
const LOCKED: Duration = Duration::from_secs(10);

/// How long a page may be held by another process.
const BUSY: Duration = Duration::from_secs(30);

/// Files up to this size are looked through before they are written to.
const LOOKED_THROUGH: u64 = 256 << 10;

/// The file beside a database is read whole by whoever opens it, so it isn't left to grow beyond this.
const BESIDE: u64 = 512 << 10;

/// How an SQLite file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A project's database.
pub struct Database {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Database {
    /// The database of a project; it is opened when something is written.
    pub fn of(folder: &Path, project: &str) -> Self {
        Self { path: folder.join(format!("{project}.db")), connection: None }
    }

    /// Opens one that is there and that nobody writes to right now. What is wrong with it is said when it is written.
    pub fn ready(&mut self) {
        if !fs_err::metadata(&self.path).is_ok_and(|meta| meta.len() > 0) {
            return;
        }
        let lock = disk::open_to_lock(&self.path.with_extension("lock"));
        if let Ok(lock) = lock
            && lock.file().try_lock().is_ok()
        {
            self.connection = open(&self.path).ok();
        }
    }

    /// Writes what has been told, all or nothing.
    ///
    /// # Errors
    /// When the folder can't be written, the file is damaged or another program's, or others hold it for long.
    pub fn write(&mut self, run: &Spec, batch: &Batch<'_>) -> Result<()> {
        disk::make_folder(self.path.parent().unwrap_or(Path::new(".")))?;
        let _lock = locked(&self.path.with_extension("lock"))?;
        let name = || format!("`{}`", self.path.display());
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open(&self.path).with_context(name)?,
        };
        let connection = self.connection.insert(connection);
        let mut put = || -> Result<()> {
            let transaction = connection.transaction()?;
            rows(&transaction, run, batch)?;
            Ok(transaction.commit()?)
        };
        put().with_context(name)?;
        if !batch.last {
            // Nobody waits now. The end of a run stays in the file beside, from which readers and later writers take it:
            // waiting for the disk would take longer than a run that has nothing to do.
            fold(connection);
        }
        Ok(())
    }
}

/// The lock that every writer of a project takes.
fn locked(path: &Path) -> Result<File> {
    let file = disk::open_to_lock(path)?;
    let start = Instant::now();
    while file.file().try_lock().is_err() {
        if start.elapsed() > LOCKED {
            bail!("`{}` is held by another writer", path.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(file)
}

fn open(path: &Path) -> Result<Connection> {
    let size = whole(path)?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if size > 0 && size <= LOOKED_THROUGH {
        let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if said != "ok" {
            bail!("it is damaged: {}", said.lines().next_back().unwrap_or_default());
        }
    }
    let complete = size > 0 && schema::is_complete(&connection)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = 0;",
    )?;
    if fs_err::metadata(path.with_extension("db-wal")).is_ok_and(|meta| meta.len() > BESIDE) {
        fold(&connection);
    }
    if !complete {
        let transaction = connection.transaction()?;
        transaction.execute_batch(schema::TABLES)?;
        let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version == 0 {
            transaction.pragma_update(None, "user_version", schema::VERSION)?;
        }
        transaction.commit()?;
    }
    Ok(connection)
}

/// Puts what stands in the file beside the database into it. A reader may hold it up; then it is for the next time.
fn fold(connection: &Connection) {
    let _ = connection.busy_timeout(Duration::from_millis(50));
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    let _ = connection.busy_timeout(BUSY);
}

/// The size of a file that begins as an SQLite file does and has as many pages as it says; 0 where there is none.
fn whole(path: &Path) -> Result<u64> {
    let Ok(mut file) = disk::open(path) else { return Ok(0) };
    let size = file.metadata()?.len();
    let mut head = [0; 100];
    if size == 0 {
        return Ok(0);
    }
    if file.read_exact(&mut head).is_err() || head[..16] != *MAGIC {
        bail!("it isn't an SQLite database; `trackio show` won't start either before it is moved away");
    }
    let number =
        |at: usize| u64::from(u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    let page = match u64::from(u16::from_be_bytes([head[16], head[17]])) {
        1 => 65_536,
        page => page,
    };
    // The number of pages counts only where the writer kept it, and where no page waits in the file beside.
    let wal = path.with_extension("db-wal");
    let settled = fs_err::metadata(&wal).map_or(true, |meta| meta.len() == 0);
    if settled && number(24) == number(92) && size < number(28) * page {
        bail!("it is damaged: {} of its {} bytes are there", size, number(28) * page);
    }
    Ok(size)
}

fn rows(transaction: &Transaction<'_>, run: &Spec, batch: &Batch<'_>) -> Result<()> {
    let mut metric = transaction.prepare(
        "INSERT OR IGNORE INTO metrics (timestamp, run_id, run_name, step, metrics, log_id, space_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)",
    )?;
    let mut alert = transaction.prepare(
        "INSERT OR IGNORE INTO alerts (run_id, timestamp, run_name, title, text, level, step, alert_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7)",
    )?;
    for entry in batch.entries {
        match entry {
            Entry::Metrics { step, time, json, id } => {
                let step = i64::try_from(*step).unwrap_or(i64::MAX);
                metric.execute(params![text::moment(*time), run.id, run.name, step, json, id])?;
            }
            Entry::Alert { alert: told, id } => {
                let (time, level) = (text::moment(told.time), super::level(told.level));
                alert.execute(params![run.id, time, run.name, told.title, told.text, level, id])?;
            }
            Entry::Artifact { artifact, time } => save(transaction, run, artifact, *time)?,
        }
    }
    let config = batch.config.to_string();
    transaction.execute(
        "INSERT OR REPLACE INTO configs (run_id, run_name, config, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![run.id, run.name, config, text::moment(run.time)],
    )?;
    Ok(())
}

/// An artifact, a version of it where its content is new, and the run that gave it.
fn save(transaction: &Transaction<'_>, run: &Spec, artifact: &Artifact, time: f64) -> Result<()> {
    let now = text::moment(time);
    let name = text::file_name(&artifact.name);
    transaction.execute(
        "INSERT OR IGNORE INTO artifacts (name, type, description, created_at) VALUES (?1, ?2, NULL, ?3)",
        params![name, artifact.kind, now],
    )?;
    let of_name = "SELECT id FROM artifacts WHERE name = ?1";
    let id: i64 = transaction.query_row(of_name, [&name], |row| row.get(0))?;
    let digest = manifest::digest(artifact);
    let of_digest = "SELECT id FROM artifact_versions WHERE artifact_id = ?1 AND manifest_digest = ?2";
    let known =
        transaction.query_row(of_digest, params![id, digest], |row| row.get::<_, i64>(0)).optional()?;
    let version = match known {
        Some(version) => version,
        None => new_version(transaction, run, artifact, id, &now)?,
    };
    transaction.execute(
        "INSERT INTO run_artifact_links (run_id, run_name, run_project, artifact_version_id, direction, created_at)
         SELECT ?1, ?2, NULL, ?3, 'output', ?4 WHERE NOT EXISTS (
           SELECT 1 FROM run_artifact_links WHERE run_id = ?1 AND artifact_version_id = ?3 AND direction = 'output')",
        params![run.id, run.name, version, now],
    )?;
    Ok(())
}

fn new_version(
    transaction: &Transaction<'_>,
    run: &Spec,
    artifact: &Artifact,
    id: i64,
    now: &str,
) -> Result<i64> {
    let size = i64::try_from(artifact.bytes).unwrap_or(i64::MAX);
    transaction.execute(
        "INSERT INTO artifact_versions (artifact_id, version, manifest_digest, manifest, metadata, size_bytes,
           producer_run_id, producer_run_name, created_at)
         SELECT ?1, COALESCE(MAX(version) + 1, 0), ?2, ?3, NULL, ?4, ?5, ?6, ?7
         FROM artifact_versions WHERE artifact_id = ?1",
        params![id, manifest::digest(artifact), manifest::text(artifact), size, run.id, run.name, now],
    )?;
    let version = transaction.last_insert_rowid();
    transaction.execute(
        "INSERT OR REPLACE INTO artifact_aliases (artifact_id, alias, artifact_version_id) VALUES (?1, 'latest', ?2)",
        params![id, version],
    )?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::{Connection, open, whole};

    fn said(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.db");
        fs_err::write(&path, bytes).unwrap();
        let error = format!("{:#}", open(&path).unwrap_err());
        assert_eq!(fs_err::read(&path).unwrap(), bytes, "it was written to");
        error
    }

    fn database(sql: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        fs_err::read(&path).unwrap()
    }

    #[test]
    fn files_that_are_broken_or_of_others_are_refused_as_they_are() {
        let text = "it isn't an SQLite database; `trackio show` won't start either before it is moved away";
        assert_eq!(said(b"hello"), text);
        assert_eq!(said(&[b'x'; 5_000]), text);
        let other = database("CREATE TABLE people (name TEXT);");
        assert_eq!(said(&other), "it is the database of another program: it has no table `metrics`");
        let half = &other[..other.len() / 2];
        assert_eq!(
            said(half),
            format!("it is damaged: {} of its {} bytes are there", half.len(), other.len())
        );
        let old = database(
            "CREATE TABLE metrics (id INTEGER, timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT);",
        );
        assert_eq!(
            said(&old),
            "its table `metrics` has no column `run_id`: it is of another Trackio; open it once with `trackio show`"
        );
        let new = super::schema::TABLES.replacen(
            "metrics TEXT NOT NULL,",
            "metrics TEXT NOT NULL, shape TEXT NOT NULL,",
            1,
        );
        assert_eq!(
            said(&database(&new)),
            "its table `metrics` demands a column `shape` that this custem doesn't know: it is of a newer Trackio"
        );
        let mut spoilt =
            database(&format!("{}INSERT INTO project_metadata VALUES ('a', 'b');", super::schema::TABLES));
        let at = 4096 * 2;
        spoilt[at..at + 2_000].fill(0xff);
        assert!(
            said(&spoilt).starts_with("it is damaged") || said(&spoilt).contains("malformed"),
            "{}",
            said(&spoilt)
        );
    }

    #[test]
    fn an_empty_file_becomes_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.db");
        fs_err::write(&path, b"").unwrap();
        drop(open(&path).unwrap());
        assert!(whole(&path).unwrap() > 0);
        let version = |connection: &Connection| {
            connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        };
        assert_eq!(version(&open(&path).unwrap()).unwrap(), 2);
    }

    /// A run with nothing to do, told to a database by itself.
    fn tell(path: &std::path::Path, number: u64) {
        let entry = super::Entry::Metrics { step: 0, time: 1.0, json: "{}".into(), id: number.to_string() };
        let config = serde_json::json!({ "text": "x".repeat(8_000) });
        let batch = super::Batch { entries: &[entry], config: &config, last: true };
        let run: toml::Table = toml::Table::new();
        let settings = crate::observe::trackers::Settings::of(&run);
        let run = super::Spec::of(
            &format!("{number:04}-a-b"),
            &run,
            &serde_json::json!({ "time": 1.0 }),
            &settings,
        );
        super::Database::of(path, "p").write(&run, &batch).unwrap();
    }

    #[test]
    fn the_file_beside_stays_small_and_no_row_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let mut largest = 0;
        for number in 0..60 {
            tell(folder.path(), number);
            largest = largest.max(fs_err::metadata(folder.path().join("p.db-wal")).unwrap().len());
        }
        assert!(largest < 2 * super::BESIDE, "{largest}");
        let connection = Connection::open(folder.path().join("p.db")).unwrap();
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!((count("metrics"), count("configs")), (60, 60));
    }
}

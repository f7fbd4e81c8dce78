//! Trackio's tables, as its own documentation has them (version 2), and what a file must have to be one of its.

use anyhow::{Result, bail};
use rusqlite::Connection;

/// The version that `PRAGMA user_version` says.
pub const VERSION: i64 = 2;

/// The columns that a row of each table is written to.
const NEEDED: [(&str, &[&str]); 7] = [
    ("metrics", &["run_id", "timestamp", "run_name", "step", "metrics", "log_id", "space_id"]),
    ("configs", &["run_id", "run_name", "config", "created_at"]),
    ("alerts", &["run_id", "timestamp", "run_name", "title", "text", "level", "step", "alert_id"]),
    ("artifacts", &["id", "name", "type", "description", "created_at"]),
    (
        "artifact_versions",
        &[
            "id",
            "artifact_id",
            "version",
            "manifest_digest",
            "manifest",
            "metadata",
            "size_bytes",
            "producer_run_id",
            "producer_run_name",
            "created_at",
        ],
    ),
    ("artifact_aliases", &["artifact_id", "alias", "artifact_version_id"]),
    (
        "run_artifact_links",
        &["id", "run_id", "run_name", "run_project", "artifact_version_id", "direction", "created_at"],
    ),
];

/// All tables and the indexes that a writer needs; those for reading the client makes itself.
pub const TABLES: &str = "
CREATE TABLE IF NOT EXISTS metrics (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
  run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT);
CREATE TABLE IF NOT EXISTS configs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL,
  config TEXT NOT NULL, created_at TEXT NOT NULL, UNIQUE(run_id));
CREATE TABLE IF NOT EXISTS system_metrics (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
  run_name TEXT NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT);
CREATE TABLE IF NOT EXISTS traces (
  id TEXT PRIMARY KEY, run_id TEXT NOT NULL, timestamp TEXT NOT NULL, run_name TEXT NOT NULL,
  step INTEGER NOT NULL, key TEXT NOT NULL, trace_index INTEGER, messages TEXT NOT NULL,
  metadata TEXT NOT NULL, search_text TEXT NOT NULL, log_id TEXT, space_id TEXT,
  spans TEXT NOT NULL DEFAULT '[]');
CREATE TABLE IF NOT EXISTS alerts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
  run_name TEXT NOT NULL, title TEXT NOT NULL, text TEXT, level TEXT NOT NULL DEFAULT 'warn',
  step INTEGER, alert_id TEXT);
CREATE TABLE IF NOT EXISTS project_metadata (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pending_uploads (
  id INTEGER PRIMARY KEY AUTOINCREMENT, space_id TEXT NOT NULL, run_id TEXT, run_name TEXT,
  step INTEGER, file_path TEXT NOT NULL, relative_path TEXT, created_at TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT 'media', digest TEXT);
CREATE TABLE IF NOT EXISTS artifacts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL,
  description TEXT, created_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS artifact_versions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, artifact_id INTEGER NOT NULL REFERENCES artifacts(id),
  version INTEGER NOT NULL, manifest_digest TEXT NOT NULL, manifest TEXT NOT NULL, metadata TEXT,
  size_bytes INTEGER NOT NULL, producer_run_id TEXT, producer_run_name TEXT,
  created_at TEXT NOT NULL, UNIQUE(artifact_id, version), UNIQUE(artifact_id, manifest_digest));
CREATE TABLE IF NOT EXISTS artifact_aliases (
  artifact_id INTEGER NOT NULL REFERENCES artifacts(id), alias TEXT NOT NULL,
  artifact_version_id INTEGER NOT NULL REFERENCES artifact_versions(id),
  PRIMARY KEY (artifact_id, alias));
CREATE TABLE IF NOT EXISTS run_artifact_links (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT, run_name TEXT, run_project TEXT,
  artifact_version_id INTEGER NOT NULL REFERENCES artifact_versions(id),
  direction TEXT NOT NULL CHECK(direction IN ('input', 'output')), created_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS external_run_artifact_links (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT, run_name TEXT, source_project TEXT NOT NULL,
  source_version_id INTEGER NOT NULL, source_artifact TEXT NOT NULL, source_type TEXT NOT NULL,
  source_version INTEGER NOT NULL, source_size_bytes INTEGER NOT NULL,
  direction TEXT NOT NULL CHECK(direction IN ('input', 'output')), created_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS idx_metrics_run_step ON metrics(run_id, step);
CREATE INDEX IF NOT EXISTS idx_metrics_run_timestamp ON metrics(run_id, timestamp);
CREATE INDEX IF NOT EXISTS idx_metrics_run_record ON metrics(run_id, run_name, timestamp);
CREATE UNIQUE INDEX IF NOT EXISTS idx_metrics_log_id ON metrics(log_id) WHERE log_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_metrics_pending ON metrics(space_id) WHERE space_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_configs_run_name ON configs(run_name);
CREATE INDEX IF NOT EXISTS idx_system_metrics_run_timestamp ON system_metrics(run_id, timestamp);
CREATE UNIQUE INDEX IF NOT EXISTS idx_system_metrics_log_id ON system_metrics(log_id) WHERE log_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_system_metrics_pending ON system_metrics(space_id) WHERE space_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_alerts_run ON alerts(run_id);
CREATE INDEX IF NOT EXISTS idx_alerts_timestamp ON alerts(timestamp);
CREATE UNIQUE INDEX IF NOT EXISTS idx_alerts_alert_id ON alerts(alert_id) WHERE alert_id IS NOT NULL;
";

/// Whether every table is there. Nothing is written: a file of another program's stays as it is.
///
/// # Errors
/// When the file is another program's, or its tables can't take our rows.
pub fn is_complete(connection: &Connection) -> Result<bool> {
    let tables = names(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")?;
    let is_there = |name: &str| tables.iter().any(|table| table == name);
    if !tables.is_empty() && !is_there("metrics") {
        bail!("it is the database of another program: it has no table `metrics`");
    }
    for (table, needed) in NEEDED.iter().filter(|(table, _)| is_there(table)) {
        let columns = names(connection, &format!("SELECT name FROM pragma_table_info('{table}')"))?;
        if let Some(lacks) = needed.iter().find(|name| !columns.iter().any(|column| column == *name)) {
            bail!(
                "its table `{table}` has no column `{lacks}`: it is of another Trackio; open it once with `trackio show`"
            );
        }
        let demands = format!(
            "SELECT name FROM pragma_table_info('{table}') WHERE \"notnull\" = 1 AND dflt_value IS NULL AND pk = 0"
        );
        if let Some(new) = names(connection, &demands)?.iter().find(|name| !needed.contains(&name.as_str())) {
            bail!(
                "its table `{table}` demands a column `{new}` that this custem doesn't know: it is of a newer Trackio"
            );
        }
    }
    Ok(NEEDED.iter().all(|(table, _)| is_there(table)))
}

fn names(connection: &Connection, sql: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

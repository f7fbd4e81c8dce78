//! Trackio's inbox: files of lines that its server imports, for disks on which a database can't be shared.
//!
//! Each file is written under another name and renamed, then never touched again. Saved outputs have no form there.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::{Batch, Entry};
use crate::engine::disk;
use crate::observe::trackers::{Spec, text};

/// What `statfs` says of file systems that are shared over a network: NFS, SMB, Lustre, Ceph, GPFS, BeeGFS, Weka.
const SHARED: [u64; 9] = [
    0x6969,
    0x517B,
    0xFF53_4D42,
    0xFE53_4D42,
    0x0BD0_0BD0,
    0x00C3_6400,
    0x4750_4653,
    0x1983_0326,
    0x1803_1977,
];

/// The inbox of a folder.
pub struct Inbox {
    folder: PathBuf,
}

impl Inbox {
    /// The inbox in Trackio's folder.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.join("inbox") }
    }

    /// Writes what has been told as one file of the run's own folder.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn write(&self, run: &Spec, batch: &Batch<'_>) -> Result<()> {
        let folder = self.folder.join(format!("custem-{}", run.id));
        disk::make_folder(&folder)?;
        let mut lines = String::new();
        for line in batch.entries.iter().filter_map(|entry| line(run, entry, batch.config)) {
            lines += &line.to_string();
            lines.push('\n');
        }
        if batch.last {
            // The import takes the last config of a run that it finds.
            lines += &metrics(run, batch.config, 0, run.time, &json!({}), &text::id(&[&run.id, "end"]))
                .to_string();
            lines.push('\n');
        }
        let taken = disk::list(&folder).iter().filter_map(|path| number(path)).max();
        let name = format!("{:08}.jsonl", taken.map_or(0, |last| last + 1));
        Ok(disk::replace(&folder.join(name), &[lines.as_bytes()])?)
    }
}

fn number(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

fn line(run: &Spec, entry: &Entry, config: &Json) -> Option<Json> {
    match entry {
        Entry::Metrics { step, time, json, id } => {
            let values = serde_json::from_str(json).unwrap_or_default();
            Some(metrics(run, config, *step, *time, &values, id))
        }
        Entry::Alert { alert, id } => Some(json!({
            "v": 1, "kind": "alert", "project": run.project, "run": run.name, "run_id": run.id, "title": alert.title,
            "text": alert.text, "level": super::level(alert.level), "step": null,
            "timestamp": text::moment(alert.time), "alert_id": id,
        })),
        Entry::Artifact { .. } => None,
    }
}

fn metrics(run: &Spec, config: &Json, step: u64, time: f64, values: &Json, id: &str) -> Json {
    json!({
        "v": 1, "kind": "metric", "project": run.project, "run": run.name, "run_id": run.id, "metrics": values,
        "step": step, "timestamp": text::moment(time), "config": config, "log_id": id,
    })
}

/// Whether a folder, or the nearest one above it that is there, lies on a disk that others share.
pub fn is_shared(folder: &Path) -> bool {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let there = absolute.ancestors().find(|path| path.exists());
    let kind =
        there.and_then(|path| nix::sys::statfs::statfs(path).ok()).map(|stat| stat.filesystem_type().0);
    #[allow(clippy::cast_sign_loss, reason = "the type is a pattern of bits, of other widths elsewhere")]
    kind.is_some_and(|kind| SHARED.contains(&(kind as u64 & 0xFFFF_FFFF)))
}

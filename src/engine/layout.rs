//! What lies where in a cache folder, and of which format it is. Knows nothing of what is in the files.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::digest::Digest;
use super::disk;

/// The layout of the cache folder; a newer one is refused.
const FORMAT: u32 = 1;

/// Where a cache folder has an object.
pub fn object_path(cache: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    let mut path = objects_path(cache);
    path.push(&hex[..2]);
    path.push(&hex[2..]);
    path
}

/// Where a cache folder has its objects.
pub fn objects_path(cache: &Path) -> PathBuf {
    cache.join("objects")
}

/// Where a cache folder has the objects whose digests start with that byte.
pub fn object_folder(cache: &Path, first: u8) -> PathBuf {
    objects_path(cache).join(format!("{first:02x}"))
}

/// The file of a cache folder whose bytes are locked.
pub fn lock_path(cache: &Path) -> PathBuf {
    cache.join("lock")
}

/// Where a cache folder has its records.
pub fn records_path(cache: &Path) -> PathBuf {
    cache.join("records.log")
}

/// Whether a cache folder is of the format that this custem writes.
pub fn is_known_format(cache: &Path) -> bool {
    disk::read_text(&cache.join("format")).is_ok_and(|text| text.trim() == FORMAT.to_string())
}

/// Refuses a cache that a newer custem made, by the file that says so.
///
/// # Errors
/// When it is one.
pub fn refuse_newer(path: &Path) -> Result<()> {
    let text = disk::read_text(path).unwrap_or_default();
    if let Some(format) = text.trim().parse::<u32>().ok().filter(|format| *format > FORMAT) {
        bail!(
            "the cache `{}` has format {format}, but this custem knows formats up to {FORMAT}: \
             use the custem that made it, or another `--root`",
            path.parent().unwrap_or(path).display()
        );
    }
    Ok(())
}

/// Refuses a newer format, and writes this one where there is none, or a damaged one: what an older
/// format may have been is read as this one, line by line and with checksums.
///
/// # Errors
/// When it is a newer one, or the file can't be read or written.
pub fn check_format(path: &Path) -> Result<()> {
    refuse_newer(path)?;
    match disk::read_text(path) {
        Ok(text) if text.trim() == FORMAT.to_string() => Ok(()),
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => {
            Err(error.into())
        }
        _ => Ok(disk::replace(path, &[format!("{FORMAT}\n").as_bytes()])?),
    }
}

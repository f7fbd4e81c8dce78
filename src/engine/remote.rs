//! The remote cache: results shared through object storage, a web server or a folder.
//!
//! It holds the same bytes as the cache: objects by digest and records by key, below a folder that names the
//! format. `storage` reaches it, `trouble` says what can go wrong, `session` takes results from it and gives
//! results to it, `outside` fetches source files behind URLs, `queue` does the giving in the background, `requests` has several on their way at once, `reach` knows
//! what a pipeline's plan names.
//! Whatever comes from there is held against its digest; what doesn't fit is as if it weren't there.

#[cfg(not(feature = "remote"))]
#[path = "remote/absent.rs"]
mod storage;
#[cfg(feature = "remote")]
mod storage;

pub mod outside;
pub mod queue;
pub mod reach;
pub mod requests;
pub mod session;
mod trouble;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::digest::Digest;
use crate::pipeline;
use storage::Storage;

pub use session::Session;
pub use trouble::Trouble;

/// The folder of what this custem writes and understands. Another format is another folder, so that old and new
/// custems can share a place.
const FORMAT: &str = "custem-1";

/// A place where results are shared; it is only spoken to when something is asked of it.
pub struct Remote {
    settings: pipeline::Remote,
    root: PathBuf,
    stop: Arc<AtomicBool>,
    storage: Mutex<Option<Arc<Storage>>>,
}

impl Remote {
    /// A place by its settings; a path starts at the project's root, and `stop` ends whatever waits for it.
    pub fn new(settings: &pipeline::Remote, root: &Path, stop: &Arc<AtomicBool>) -> Self {
        let (settings, root, stop) = (settings.clone(), root.to_path_buf(), Arc::clone(stop));
        Self { settings, root, stop, storage: Mutex::new(None) }
    }

    /// What the user calls it.
    pub fn url(&self) -> &str {
        &self.settings.url
    }

    /// The connection, made when it is first needed: to look for certificates takes a while.
    fn storage(&self) -> Result<Arc<Storage>, Trouble> {
        let mut storage = self.storage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(storage) = storage.as_ref() {
            return Ok(Arc::clone(storage));
        }
        let opened = Arc::new(Storage::open(&self.settings.url, &self.root, &self.stop)?);
        Ok(Arc::clone(storage.insert(opened)))
    }
}

/// The name of an object.
fn object_name(digest: &Digest) -> String {
    name("objects", digest)
}

/// The name of a record.
fn record_name(key: &Digest) -> String {
    name("records", key)
}

fn name(folder: &str, digest: &Digest) -> String {
    let hex = digest.hex();
    format!("{FORMAT}/{folder}/{}/{}", &hex[..2], &hex[2..])
}

/// The digests that a folder of the remote has, with sizes; what has another name is nobody's.
fn listed(storage: &Storage, folder: &str) -> Result<Vec<(Digest, u64)>, Trouble> {
    let names = storage.list(&format!("{FORMAT}/{folder}"))?;
    let digest = |(name, size): (String, u64)| {
        let (first, rest) = name.split_once('/')?;
        let fits = first.len() == 2 && rest.len() == 62;
        Some((format!("{first}{rest}").parse().ok().filter(|_| fits)?, size))
    };
    Ok(names.into_iter().filter_map(digest).collect())
}

//! The engine: what identifies a stage run, where its bytes are kept, what must run, and running it.
//!
//! `manifest` turns a task into a key, `log` and `store` keep records and bytes on the `disk`, `files`
//! remembers digests of files outside, `pattern` finds those that a pattern matches, `identify` finds each task's key and
//! record, `plan` foretells wave by wave (`waves`), `usage` tells what a stage took, `executor` runs within the `budget` that the `machine` allows, `still` knows when there is
//! nothing to do, `events` is what it reports, `inventory` looks through the cache, `gc` makes room in it, `parts` keeps
//! partial results, `remote` shares results with others, `proof` computes stages again, `locked` is what a pipeline should
//! give. The engine sees stages only through `stage`.

pub mod budget;
pub mod cause;
mod difference;
pub mod digest;
pub mod disk;
pub mod events;
pub mod executor;
pub mod files;
pub mod gc;
pub mod identify;
pub mod inventory;
mod lease;
pub mod locked;
mod log;
pub mod machine;
pub mod manifest;
pub mod parts;
pub mod pattern;
pub mod plan;
mod produce;
pub mod proof;
pub mod provenance;
pub mod remote;
mod save;
mod scratch;
mod share;
mod state;
pub mod still;
pub mod store;
mod usage;
mod waves;

use std::path::{Path, PathBuf};

/// The folders of a project.
#[derive(Clone, Debug)]
pub struct Project {
    /// Where paths in pipelines start.
    pub root: PathBuf,
}

impl Project {
    /// A project by its folder.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// A path as it is seen from the root, for messages.
    pub fn within(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_path_buf()
    }

    /// Where artifacts and their records are kept.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Where runs are recorded.
    pub fn experiments(&self) -> PathBuf {
        self.root.join("experiments")
    }
}

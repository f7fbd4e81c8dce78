//! What a stage sees while it runs: its inputs, its seed, a scratch folder, and a way to report.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Metrics, Stop};
use crate::data::Table;
use crate::engine::digest::Digest;

/// An artifact on an input port.
#[derive(Clone, Debug)]
pub enum Input {
    /// A table that the stage before handed over in memory.
    Table(Table),
    /// A verified file in the store: never to be changed.
    Object(PathBuf),
}

/// A file from outside the pipeline, hashed before the stage started.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The parameter that named it.
    pub key: String,
    /// Its path as the pipeline spells it, relative to the project root, for messages and outputs.
    pub name: String,
    /// Where to open it.
    pub path: PathBuf,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// Where a program prints to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// Where a stage reports to.
pub trait Progress: Sync {
    /// How far it is (0 to 1) and with what.
    fn progress(&self, fraction: f64, doing: &str);
    /// The value of a metric at a step, such as a training loss at an epoch.
    fn step(&self, metric: &str, step: u64, value: f64);
    /// Lines that its program has printed, without the last line's end.
    fn output(&self, _stream: Stream, _text: &str) {}
}

/// Writes a file at a path.
pub type Make<'m> = &'m mut dyn FnMut(&Path) -> Result<()>;

/// Keeps partial results of a stage for its next runs.
pub trait Memos: Sync {
    /// The file with these identifying parts, made within `scratch` where it isn't kept yet.
    ///
    /// # Errors
    /// When it can't be made or kept.
    fn memo(&self, unit: &str, parts: &[&str], scratch: &Path, make: Make<'_>) -> Result<PathBuf>;
}

/// What a stage sees while it runs.
pub struct Context<'a> {
    pub(crate) inputs: BTreeMap<String, Input>,
    pub(crate) sources: Vec<SourceFile>,
    pub(crate) seed: u64,
    pub(crate) scratch: &'a Path,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) stop: Stop<'a>,
    pub(crate) memos: Option<&'a dyn Memos>,
}

impl Context<'_> {
    /// Whether an input was given under that key.
    pub fn has(&self, key: &str) -> bool {
        self.inputs.contains_key(key)
    }

    /// The keys of all inputs, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.inputs.keys().map(String::as_str)
    }

    /// The table on an input.
    ///
    /// # Errors
    /// When there is no such input or it holds no table.
    pub fn table(&self, key: &str) -> Result<Table> {
        match self.input(key)? {
            Input::Table(table) => Ok(table.clone()),
            Input::Object(path) => Table::open(path),
        }
    }

    /// The bytes on an input that holds no table.
    ///
    /// # Errors
    /// When there is no such input or it can't be read.
    pub fn bytes(&self, key: &str) -> Result<Vec<u8>> {
        let path = self.path(key)?;
        Ok(fs_err::read(path)?)
    }

    /// The file of an input; a table in memory is written into the scratch folder first.
    ///
    /// # Errors
    /// When there is no such input or the scratch folder is full.
    pub fn path(&self, key: &str) -> Result<PathBuf> {
        match self.input(key)? {
            Input::Object(path) => Ok(path.clone()),
            Input::Table(table) => {
                let path = self.scratch.join(format!("input-{key}.parquet"));
                table.write(&path)?;
                Ok(path)
            }
        }
    }

    /// A copy of an input's file at a path, with the ending of its type: the stage's own, to do with as it
    /// likes.
    ///
    /// # Errors
    /// When there is no such input or the disk is full.
    pub fn place(&self, key: &str, path: &Path) -> Result<PathBuf> {
        if let Some(folder) = path.parent().filter(|folder| *folder != self.scratch) {
            fs_err::create_dir_all(folder)?;
        }
        match self.input(key)? {
            Input::Table(table) => {
                let path = path.with_added_extension("parquet");
                table.write(&path)?;
                Ok(path)
            }
            Input::Object(object) => {
                let mut object = fs_err::File::open(object)?.into_parts().0;
                let path = match ending(&object)? {
                    Some(ending) => path.with_added_extension(ending),
                    None => path.to_path_buf(),
                };
                let mut copy = fs_err::File::create(&path)?.into_parts().0;
                std::io::copy(&mut object, &mut copy)?;
                Ok(path)
            }
        }
    }

    /// The numbers on a metrics input.
    ///
    /// # Errors
    /// When there is no such input or it holds no metrics.
    pub fn metrics(&self, key: &str) -> Result<Metrics> {
        serde_json::from_slice(&self.bytes(key)?).with_context(|| format!("input `{key}` holds no metrics"))
    }

    /// The files of a source parameter, sorted by name.
    pub fn sources<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s SourceFile> {
        self.sources.iter().filter(move |source| source.key == key)
    }

    /// A partial result: a file that is made once and kept for later runs of the kind, whatever they take in
    /// besides. `unit` says what it is a result for (`file`, `month`); `parts` is all that it follows from
    /// besides the kind and its version. The file may be read, not changed.
    ///
    /// # Errors
    /// When it can't be made or kept.
    pub fn memo(&self, unit: &str, parts: &[&str], make: Make<'_>) -> Result<PathBuf> {
        if let Some(memos) = self.memos {
            return memos.memo(unit, parts, self.scratch, make);
        }
        let name = Digest::of(format!("{unit} {parts:?}").as_bytes()).hex();
        let path = self.scratch.join(format!(".custem-part-{name}"));
        make(&path)?;
        Ok(path)
    }

    /// The seed; only kinds that declare themselves seeded may use it.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A folder of the stage's own, removed when it is done.
    pub fn scratch(&self) -> &Path {
        self.scratch
    }

    /// Reports how far the stage is (0 to 1) and with what.
    ///
    /// # Errors
    /// See [`Context::alive`]: pass it on, so that the stage ends.
    pub fn progress(&self, fraction: f64, doing: &str) -> Result<()> {
        self.progress.progress(fraction, doing);
        self.alive()
    }

    /// Reports the value of a metric at a step.
    pub fn step(&self, metric: &str, step: u64, value: f64) {
        self.progress.step(metric, step, value);
    }

    /// Reports lines that a program has printed, without the last line's end.
    pub fn output(&self, stream: Stream, text: &str) {
        self.progress.output(stream, text);
    }

    /// Whether the stage goes on; a long computation asks now and then.
    ///
    /// # Errors
    /// A [`super::Stopped`] when the run has been interrupted or the stage's time is over.
    pub fn alive(&self) -> Result<()> {
        Ok(self.stop.check()?)
    }

    fn input(&self, key: &str) -> Result<&Input> {
        self.inputs.get(key).ok_or_else(|| anyhow!("there is no input `{key}`"))
    }
}

/// The ending that files of this content have, told by how it begins. The file stays at its start.
fn ending(object: &File) -> Result<Option<&'static str>> {
    let mut start = [0; 64];
    let count = object.read_at(&mut start, 0)?;
    let start = &start[..count];
    let known: [(&[u8], &str); 6] = [
        (b"PAR1", "parquet"),
        (b"\x89PNG", "png"),
        (b"<svg", "svg"),
        (b"<?xml", "svg"),
        (b"<!DOCTYPE html", "html"),
        (b"{", "json"),
    ];
    Ok(known.into_iter().find(|(begin, _)| start.starts_with(begin)).map(|(_, ending)| ending))
}

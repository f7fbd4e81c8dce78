//! An append-only log of small JSON records by key: the index of the store.
//!
//! One line a record: key, checksum, JSON. A line is written by a single append, so processes never
//! mix theirs; a torn or damaged line fails its checksum and is as if it had never been written. The
//! last good line of a key counts. Nobody ever waits for a lock.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err::File;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::digest::Digest;
use super::disk;
use super::files::Stamp;

/// Hex digits of a key, and of a checksum.
const KEY: usize = 64;
const SUM: usize = 16;
/// Where the JSON starts in a line: behind key, blank, checksum, blank.
const BODY: usize = KEY + 1 + SUM + 1;

/// The log of one kind of record.
pub struct Log {
    path: PathBuf,
    text: Vec<u8>,
    lines: HashMap<Digest, (usize, usize)>,
    /// Lines that are not as they were written.
    damaged: usize,
    writer: Option<File>,
}

impl Log {
    /// Reads a log; one that doesn't exist is empty.
    ///
    /// # Errors
    /// When the file is there but can't be read.
    pub fn open(path: &Path) -> Result<Self> {
        let mut log = Self {
            path: path.to_path_buf(),
            text: Vec::new(),
            lines: HashMap::new(),
            damaged: 0,
            writer: None,
        };
        log.refresh()?;
        Ok(log)
    }

    /// Takes in what other processes have appended since.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn refresh(&mut self) -> Result<()> {
        match std::fs::metadata(&self.path) {
            Ok(meta) if meta.len() == self.text.len() as u64 => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("can't read `{}`", self.path.display())),
        }
        let mut file = disk::open(&self.path)?;
        let start = self.text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.text.truncate(start);
        file.seek(SeekFrom::Start(start as u64))?;
        file.read_to_end(&mut self.text)?;
        self.take_lines(start);
        Ok(())
    }

    /// The record of a key, unless there is none or it is damaged.
    pub fn get<T: DeserializeOwned>(&self, key: &Digest) -> Option<T> {
        let (start, end) = *self.lines.get(key)?;
        serde_json::from_slice(self.text.get(start + BODY..end)?).ok()
    }

    /// How many lines are damaged: torn by a kill, or changed on the disk.
    pub fn damaged(&self) -> usize {
        let unfinished = self.text.last().is_some_and(|last| *last != b'\n');
        self.damaged + usize::from(unfinished)
    }

    /// All records that are whole.
    pub fn all<T: DeserializeOwned>(&self) -> impl Iterator<Item = (Digest, T)> {
        self.lines.keys().filter_map(|key| Some((*key, self.get(key)?)))
    }

    /// Appends a record in one write.
    ///
    /// # Errors
    /// When the disk is full or the folder can't be written.
    pub fn append<T: Serialize>(&mut self, key: &Digest, record: &T) -> Result<()> {
        let body = serde_json::to_string(record)?;
        // The blank line in front ends whatever a dying process may have left half-written.
        let line = format!("\n{key} {} {body}\n", checksum(key, body.as_bytes()));
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => disk::open_to_append(&self.path)?,
        };
        disk::write(&mut writer, line.as_bytes())?;
        let now = writer.metadata()?.len();
        self.writer = Some(writer);
        let start = self.text.len();
        if now != (start + line.len()) as u64 {
            return self.refresh();
        }
        // Nobody else has written meanwhile: the file is what is in memory and this line.
        self.text.extend_from_slice(line.as_bytes());
        self.take_lines(start);
        Ok(())
    }

    /// What `stat` says of the file, if no other process has added to what was read.
    pub fn stamp(&self) -> Option<Stamp> {
        let stamp = Stamp::of(&self.path).ok()?;
        (stamp.size == self.text.len() as u64).then_some(stamp)
    }

    /// Makes sure that what was appended survives a power cut.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&mut self) -> Result<()> {
        if let Some(writer) = &self.writer {
            disk::sync(writer)?;
        }
        Ok(())
    }

    /// Registers the whole lines from `start` on; a damaged one is passed over.
    fn take_lines(&mut self, mut start: usize) {
        let text = std::mem::take(&mut self.text);
        while let Some(length) = memchr::memchr(b'\n', &text[start..]) {
            let end = start + length;
            match key_of(&text[start..end]) {
                Some(key) => drop(self.lines.insert(key, (start, end))),
                None => self.damaged += usize::from(length > 0),
            }
            start = end + 1;
        }
        self.text = text;
    }
}

fn key_of(line: &[u8]) -> Option<Digest> {
    let key = std::str::from_utf8(line.get(..KEY)?).ok()?.parse().ok()?;
    let sum = line.get(KEY + 1..KEY + 1 + SUM)?;
    (checksum(&key, line.get(BODY..)?).as_bytes() == sum).then_some(key)
}

fn checksum(key: &Digest, body: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(body);
    Digest::from_hasher(&hasher).hex()[..SUM].to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Digest, Log};

    #[test]
    fn records_come_back_and_the_last_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let key = Digest::of(b"k");
        let mut log = Log::open(&path).unwrap();
        log.append(&key, &1).unwrap();
        log.append(&key, &2).unwrap();
        assert_eq!(log.get::<i32>(&key), Some(2));
        assert_eq!(Log::open(&path).unwrap().get::<i32>(&key), Some(2));
    }

    #[test]
    fn another_writer_is_seen_after_a_refresh() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut one, mut two) = (Log::open(&path).unwrap(), Log::open(&path).unwrap());
        one.append(&Digest::of(b"a"), &"a").unwrap();
        two.append(&Digest::of(b"b"), &"b").unwrap();
        one.refresh().unwrap();
        assert_eq!(one.get::<String>(&Digest::of(b"b")).as_deref(), Some("b"));
    }

    #[test]
    fn any_damaged_byte_loses_at_most_its_own_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let keys: Vec<_> = (0..3_u8).map(|at| Digest::of(&[at])).collect();
        let mut log = Log::open(&path).unwrap();
        for (at, key) in keys.iter().enumerate() {
            log.append(key, &at).unwrap();
        }
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            std::fs::write(&path, &bad).unwrap();
            let log = Log::open(&path).unwrap();
            let right =
                keys.iter().enumerate().filter(|(at, key)| log.get::<usize>(key) == Some(*at)).count();
            let wrong = keys
                .iter()
                .enumerate()
                .filter(|(at, key)| log.get::<usize>(key).is_some_and(|got| got != *at))
                .count();
            assert!(right >= 2 && wrong == 0, "byte {at}: {right} right, {wrong} wrong");
            assert_eq!(log.damaged() > 0, right < 3, "byte {at}");
        }
    }

    #[test]
    fn a_torn_tail_does_not_swallow_the_next_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::open(&path).unwrap();
        log.append(&Digest::of(b"a"), &1).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        let mut log = Log::open(&path).unwrap();
        log.append(&Digest::of(b"b"), &2).unwrap();
        let log = Log::open(&path).unwrap();
        assert_eq!(log.get::<i32>(&Digest::of(b"a")), None);
        assert_eq!(log.get::<i32>(&Digest::of(b"b")), Some(2));
    }
}

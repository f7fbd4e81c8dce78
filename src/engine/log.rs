//! An append-only log of small JSON records by key: the index of the store.
//!
//! One line a record: key, checksum, JSON. A line is written by a single append, so processes never
//! mix theirs; a torn or damaged line fails its checksum and is as if it had never been written. The
//! last good line of a key counts. Nobody ever waits for a lock.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
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

/// So many records are written at once.
const AT_ONCE: usize = 1_000;

/// The log of one kind of record.
pub struct Log {
    path: PathBuf,
    text: Vec<u8>,
    lines: HashMap<Digest, (usize, usize)>,
    /// The file that was read, by file system and inode: it may be replaced by another one.
    file: Option<(u64, u64)>,
    /// Lines that are whole, also those that a later one of the same key replaces.
    whole: usize,
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
        let mut log = Self { path: path.to_path_buf(), ..Self::empty() };
        log.refresh()?;
        Ok(log)
    }

    fn empty() -> Self {
        Self {
            path: PathBuf::new(),
            text: Vec::new(),
            lines: HashMap::new(),
            file: None,
            whole: 0,
            damaged: 0,
            writer: None,
        }
    }

    /// Takes in what other processes have appended since, or all of a file that has taken its place.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn refresh(&mut self) -> Result<()> {
        match std::fs::metadata(&self.path) {
            Ok(meta) if self.is_read(&meta) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("can't read `{}`", self.path.display())),
        }
        let mut file = disk::open(&self.path)?;
        let meta = file.metadata()?;
        if self.file != Some(identity(&meta)) || meta.len() < self.text.len() as u64 {
            self.forget();
            self.file = Some(identity(&meta));
        }
        let start = self.text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.text.truncate(start);
        file.seek(SeekFrom::Start(start as u64))?;
        file.read_to_end(&mut self.text)?;
        self.take_lines(start);
        Ok(())
    }

    /// Whether everything in a file has been read.
    fn is_read(&self, meta: &Metadata) -> bool {
        self.file == Some(identity(meta)) && meta.len() == self.text.len() as u64
    }

    /// Forgets everything that was read.
    fn forget(&mut self) {
        *self = Self { path: std::mem::take(&mut self.path), ..Self::empty() };
    }

    /// Writes the log anew: the last line of each key that is to be kept, and no damaged ones. It is
    /// written in the folder `scratch` and takes the old one's place at once. Only for who has the log alone.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn rewrite(&mut self, keep: &dyn Fn(&Digest) -> bool, scratch: &Path) -> Result<()> {
        #[expect(clippy::disallowed_methods, reason = "sorted by place")]
        let kept = self.lines.iter().filter(|(key, _)| keep(key));
        let mut spans: Vec<_> = kept.map(|(_, span)| *span).collect();
        spans.sort_unstable();
        let mut text = Vec::with_capacity(self.text.len());
        for (start, end) in spans {
            text.push(b'\n');
            text.extend_from_slice(&self.text[start..end]);
            text.push(b'\n');
        }
        let new = scratch.join(".custem-log");
        disk::write_synced(&new, &text)?;
        disk::rename(&new, &self.path)?;
        self.forget();
        self.refresh()
    }

    /// Whether it has more lines that count for nothing than lines that do.
    pub fn is_wasteful(&self) -> bool {
        self.damaged() + (self.whole - self.lines.len()) > self.lines.len()
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

    /// All records that are whole, in no order.
    #[expect(clippy::disallowed_methods, reason = "as it says")]
    pub fn all<T: DeserializeOwned>(&self) -> impl Iterator<Item = (Digest, T)> {
        self.lines.keys().filter_map(|key| Some((*key, self.get(key)?)))
    }

    /// Appends a record in one write.
    ///
    /// # Errors
    /// When the disk is full or the folder can't be written.
    pub fn append<T: Serialize>(&mut self, key: &Digest, record: &T) -> Result<()> {
        let line = line_of(key, record)?;
        self.write(&line)
    }

    /// Appends many records in a few writes.
    ///
    /// # Errors
    /// When the disk is full or the folder can't be written.
    pub fn append_all<T: Serialize>(&mut self, records: &[(Digest, T)]) -> Result<()> {
        for some in records.chunks(AT_ONCE) {
            let lines: String =
                some.iter().map(|(key, record)| line_of(key, record)).collect::<Result<_>>()?;
            self.write(&lines)?;
        }
        Ok(())
    }

    /// Appends whole lines in one write.
    fn write(&mut self, lines: &str) -> Result<()> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => disk::open_to_append(&self.path)?,
        };
        disk::write(&mut writer, lines.as_bytes())?;
        let now = writer.metadata()?;
        self.writer = Some(writer);
        let start = self.text.len();
        if start == 0 {
            self.file = Some(identity(&now));
        }
        if self.file != Some(identity(&now)) || now.len() != (start + lines.len()) as u64 {
            return self.refresh();
        }
        // Nobody else has written meanwhile: the file is what is in memory and these lines.
        self.text.extend_from_slice(lines.as_bytes());
        self.take_lines(start);
        Ok(())
    }

    /// What `stat` says of the file, if no other process has added to what was read.
    pub fn stamp(&self) -> Option<Stamp> {
        let meta = std::fs::metadata(&self.path).ok()?;
        self.is_read(&meta).then(|| Stamp::from(&meta))
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
                Some(key) => {
                    self.lines.insert(key, (start, end));
                    self.whole += 1;
                }
                None => self.damaged += usize::from(length > 0),
            }
            start = end + 1;
        }
        self.text = text;
    }
}

/// The line of a record.
///
/// # Errors
/// When the record can't be written as JSON.
pub fn line<T: Serialize>(key: &Digest, record: &T) -> Result<String> {
    let body = serde_json::to_string(record)?;
    Ok(format!("{key} {} {body}\n", checksum(key, body.as_bytes())))
}

/// What a line says.
#[derive(Debug, PartialEq)]
pub enum Line<T> {
    /// It is not as it was written.
    Damaged,
    /// It is whole, but says something that this custem doesn't understand.
    Strange,
    /// A record and its key.
    Whole(Digest, T),
}

/// Reads a line that stands alone.
pub fn read_line<T: DeserializeOwned>(line: &[u8]) -> Line<T> {
    let Some(line) = line.strip_suffix(b"\n") else { return Line::Damaged };
    let Some(key) = key_of(line) else { return Line::Damaged };
    serde_json::from_slice(&line[BODY..]).map_or(Line::Strange, |record| Line::Whole(key, record))
}

/// What tells a file from another one at the same path.
fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// A record as a line of a log. The blank line in front ends whatever a dying process may have left half-written.
fn line_of<T: Serialize>(key: &Digest, record: &T) -> Result<String> {
    Ok(format!("\n{}", line(key, record)?))
}

fn key_of(line: &[u8]) -> Option<Digest> {
    let key = std::str::from_utf8(line.get(..KEY)?).ok()?.parse().ok()?;
    let sum = line.get(KEY + 1..KEY + 1 + SUM)?;
    if line[KEY] != b' ' || line.get(BODY - 1) != Some(&b' ') {
        return None;
    }
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
    use super::{Digest, Line, Log, line, read_line};

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
    fn many_records_are_the_same_lines_as_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let (one, many) = (folder.path().join("one"), folder.path().join("many"));
        let records: Vec<_> = (0..2_500_u32).map(|at| (Digest::of(&at.to_le_bytes()), at)).collect();
        let mut log = Log::open(&one).unwrap();
        records.iter().for_each(|(key, at)| log.append(key, at).unwrap());
        let mut log = Log::open(&many).unwrap();
        log.append_all(&records).unwrap();
        assert!(records.iter().all(|(key, at)| log.get::<u32>(key) == Some(*at)));
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&many).unwrap());
    }

    #[test]
    fn a_line_alone_comes_back_and_any_change_of_it_is_seen() {
        let key = Digest::of(b"k");
        let good = line(&key, &7).unwrap().into_bytes();
        assert_eq!(read_line::<i32>(&good), Line::Whole(key, 7));
        assert_eq!(read_line::<String>(&good), Line::Strange);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(read_line::<i32>(&bad), Line::Damaged, "{at}");
            assert_eq!(read_line::<i32>(&good[..at]), Line::Damaged, "{at}");
        }
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

    #[test]
    fn a_log_written_anew_has_what_is_kept_and_is_seen_by_who_looks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let key = |name: &str| Digest::of(name.as_bytes());
        let mut log = Log::open(&path).unwrap();
        for (name, value) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            log.append(&key(name), &value).unwrap();
        }
        std::fs::write(&path, [std::fs::read(&path).unwrap(), b"torn".to_vec()].concat()).unwrap();
        let mut looking = Log::open(&path).unwrap();
        let mut log = Log::open(&path).unwrap();
        assert_eq!((log.damaged(), log.is_wasteful()), (1, false));
        log.rewrite(&|found| *found != key("b"), folder.path()).unwrap();
        log.append(&key("d"), &5).unwrap();
        looking.refresh().unwrap();
        for log in [&log, &looking, &Log::open(&path).unwrap()] {
            let values = ["a", "b", "c", "d"].map(|name| log.get::<i32>(&key(name)));
            assert_eq!((values, log.damaged()), ([Some(3), None, Some(4), Some(5)], 0));
        }
        assert!(looking.stamp().is_some());
    }

    #[test]
    fn a_file_of_the_same_length_in_its_place_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("log"), folder.path().join("other"));
        Log::open(&path).unwrap().append(&Digest::of(b"a"), &1).unwrap();
        Log::open(&other).unwrap().append(&Digest::of(b"a"), &2).unwrap();
        let mut looking = Log::open(&path).unwrap();
        std::fs::rename(other, &path).unwrap();
        assert!(looking.stamp().is_none());
        looking.refresh().unwrap();
        assert_eq!(looking.get::<i32>(&Digest::of(b"a")), Some(2));
    }
}

//! What the programs of a run printed: its beginning in the log, the rest in a file of each stage.
//!
//! Of very much output the beginning and the end are kept, so that neither a record nor the memory grows
//! with it.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Result;
use fs_err::File;

use super::journal::Journal;
use super::runs::Run;
use crate::diagnostic::plural;
use crate::engine::digest::Digest;
use crate::engine::disk;

/// So many bytes of a stage stand in the log, as events.
const IN_LOG: usize = 8 << 10;
/// So many follow in its file,
const HEAD: usize = 512 << 10;
/// and behind them at most so many, the last ones.
const TAIL: usize = 512 << 10;

/// A file's name has at most so many letters before its ending.
const LONGEST: usize = 200;

/// What the programs of a run print, being recorded.
pub struct Printed {
    folder: PathBuf,
    stages: Mutex<HashMap<String, Kept>>,
}

/// What one stage has printed so far.
#[derive(Default)]
struct Kept {
    in_log: usize,
    file: Option<File>,
    in_file: usize,
    tail: VecDeque<u8>,
    left_out: usize,
}

impl Printed {
    /// For the run that a journal records.
    pub fn of(journal: &Journal) -> Self {
        Self { folder: folder(&journal.experiments, &journal.run), stages: Mutex::default() }
    }

    /// Takes lines of a stage; whether they belong in the log.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn take(&self, stage: &str, lines: &str) -> Result<bool> {
        let Ok(mut stages) = self.stages.lock() else { return Ok(false) };
        let kept = stages.entry(stage.to_owned()).or_default();
        if kept.file.is_none() && kept.in_log + lines.len() < IN_LOG {
            kept.in_log += lines.len() + 1;
            return Ok(true);
        }
        let path = self.folder.join(file_name(stage));
        kept.take(&path, format!("{lines}\n").as_bytes())?;
        Ok(false)
    }

    /// Nothing more comes from a stage.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn end(&self, stage: &str) -> Result<()> {
        let Ok(mut stages) = self.stages.lock() else { return Ok(()) };
        stages.remove(stage).map_or(Ok(()), Kept::end)
    }
}

impl Kept {
    fn take(&mut self, path: &Path, lines: &[u8]) -> Result<()> {
        if self.in_file >= HEAD {
            self.tail.extend(lines);
            let over = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..over);
            self.left_out += over;
            return Ok(());
        }
        if self.file.is_none() {
            path.parent().map_or(Ok(()), disk::make_folder)?;
            self.file = Some(disk::create(path)?);
        }
        if let Some(file) = &mut self.file {
            disk::write(file, lines)?;
        }
        self.in_file += lines.len();
        Ok(())
    }

    /// Writes the last lines, and before them how much is missing.
    fn end(mut self) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut tail: Vec<u8> = self.tail.into();
        if self.left_out > 0 {
            let begun = tail.iter().position(|byte| *byte == b'\n').map_or(tail.len(), |at| at + 1);
            tail.drain(..begun);
            let missing = format!("... {} left out ...\n", plural(self.left_out + begun, "byte"));
            disk::write(file, missing.as_bytes())?;
        }
        Ok(disk::write(file, &tail)?)
    }
}

/// What a stage printed in a recorded run, as far as it was kept; nothing where it printed nothing.
///
/// # Errors
/// When its file can't be read.
pub fn of_stage(experiments: &Path, run: &Run, stage: &str) -> Result<String> {
    let mut text = String::new();
    for event in run.of("stage_output").filter(|event| event["stage"] == stage) {
        text += event["text"].as_str().unwrap_or_default();
        text.push('\n');
    }
    let path = folder(experiments, &run.name).join(file_name(stage));
    if path.is_file() {
        text += &String::from_utf8_lossy(&disk::read(&path)?);
    }
    Ok(text)
}

/// Where the files of a run are.
fn folder(experiments: &Path, run: &str) -> PathBuf {
    experiments.join("logs").join(run)
}

/// The name of a stage's file: the stage's, with what a file's name can't hold as `%` and its number.
fn file_name(stage: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let letter = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    let name: String = stage.bytes().map(letter).collect();
    if name.len() <= LONGEST {
        return format!("{name}.log");
    }
    format!("{}%{}.log", &name[..LONGEST - 40], &Digest::of(stage.as_bytes()).hex()[..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(lines: impl Iterator<Item = String>) -> (Vec<String>, String) {
        let project = tempfile::tempdir().unwrap();
        let journal = Journal::start(project.path()).unwrap();
        let printed = Printed::of(&journal);
        let in_log = lines.filter(|line| printed.take("a", line).unwrap()).collect();
        printed.end("a").unwrap();
        let run = Run::read(project.path(), &journal.run).unwrap();
        (in_log, of_stage(project.path(), &run, "a").unwrap())
    }

    #[test]
    fn little_stands_in_the_log_and_more_in_a_file() {
        let (in_log, file) = printed(["one".to_owned(), "two\nthree".to_owned()].into_iter());
        assert_eq!((in_log.join("\n").as_str(), file.as_str()), ("one\ntwo\nthree", ""));
        let (in_log, file) = printed((0..4_000).map(|line| format!("line {line}")));
        let all: String = (0..4_000).map(|line| format!("line {line}\n")).collect();
        assert_eq!(format!("{}\n{file}", in_log.join("\n")), all);
        assert!(in_log.join("\n").len() < IN_LOG && file.len() < HEAD);
    }

    #[test]
    fn of_very_much_the_beginning_and_the_end_are_kept_and_the_rest_counted() {
        let lines = || (0..200_000).map(|line| format!("line {line}"));
        let (in_log, file) = printed(lines());
        let all: String = lines().map(|line| line + "\n").collect();
        let kept = format!("{}\n{file}", in_log.join("\n"));
        let (head, rest) = kept.split_once("... ").unwrap();
        let (said, tail) = rest.split_once(" bytes left out ...\n").unwrap();
        assert!(all.starts_with(head) && all.ends_with(tail), "{said}");
        assert_eq!(said.replace(',', "").parse::<usize>().unwrap(), all.len() - head.len() - tail.len());
        assert!(tail.starts_with("line ") && head.ends_with('\n'));
        assert!((1_000_000..1_100_000).contains(&kept.len()), "{}", kept.len());
    }

    #[test]
    fn every_stage_has_a_file_of_its_own() {
        assert_eq!(file_name("my-stage_1"), "my-stage_1.log");
        assert_eq!(file_name("a[k=3, x=../b]"), "a%5bk%3d3%2c%20x%3d%2e%2e%2fb%5d.log");
        let (long, other) = ("ä".repeat(200), "ä".repeat(201));
        assert_ne!(file_name(&long), file_name(&other));
        assert!(file_name(&long).len() <= 204);
    }
}

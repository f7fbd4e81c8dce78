//! What comes out of a program on one stream: passed on in lines, its end kept, secrets masked.
//!
//! However much it is and whatever bytes they are, no more than a line's worth is held in memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use memchr::memrchr2;
use rustix::fs::{OFlags, fcntl_setfl};

use super::mask::Mask;

/// How much of what a program said a message shows.
const TAIL: usize = 2_000;

/// A longer line comes in pieces.
const LONGEST: usize = 64 << 10;

/// How much is read before somebody asks whether the run goes on: more than a pipe holds.
const BLOCKS: usize = 128;

/// One stream of a program.
pub struct Printed<'a> {
    /// None when it has ended.
    pub end: Option<File>,
    /// What keeps all of it, where something does.
    file: Option<File>,
    mask: Mask,
    lines: Lines,
    tail: Tail,
    report: &'a dyn Fn(&str),
}

impl<'a> Printed<'a> {
    /// A stream with the file that keeps it and whoever takes its lines.
    ///
    /// # Errors
    /// When it can't be read without waiting.
    pub fn new(
        end: Option<OwnedFd>,
        file: Option<File>,
        mask: Mask,
        report: &'a dyn Fn(&str),
    ) -> Result<Self> {
        if let Some(end) = &end {
            fcntl_setfl(end, OFlags::NONBLOCK)?;
        }
        let end = end.map(File::from);
        Ok(Self { end, file, mask, lines: Lines::default(), tail: Tail::default(), report })
    }

    /// Takes what has come so far.
    ///
    /// # Errors
    /// When it can't be read, or kept.
    pub fn drain(&mut self) -> Result<()> {
        let mut block = [0; 16_384];
        for _ in 0..BLOCKS {
            let Some(end) = &mut self.end else { break };
            match end.read(&mut block) {
                Ok(0) => self.end = None,
                Ok(count) => {
                    let passed = self.mask.take(&block[..count]).into_owned();
                    self.take(&passed)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes the rest; the end of all that came.
    ///
    /// # Errors
    /// When it can't be read, or kept.
    pub fn finish(mut self) -> Result<String> {
        self.drain()?;
        let rest = self.mask.finish();
        self.take(&rest)?;
        if let Some(text) = self.lines.rest() {
            (self.report)(&text);
        }
        Ok(self.tail.text())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).context("can't keep what the program prints")?;
        }
        self.tail.take(bytes);
        for text in self.lines.take(bytes) {
            (self.report)(&text);
        }
        Ok(())
    }
}

/// Bytes cut into lines. A carriage return ends one too: that is how a program paints its progress.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// The whole lines in what has come, in pieces of many lines each.
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        // A carriage return at the end has been waiting for what follows.
        let seen = self.begun.len().saturating_sub(1);
        self.begun.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        if let Some(end) = last_end(&self.begun[seen..]) {
            let rest = self.begun.split_off(seen + end);
            pieces.push(text(&std::mem::replace(&mut self.begun, rest)));
        }
        while self.begun.len() > LONGEST {
            // Not in the middle of a letter.
            let inner = (1..4).take_while(|back| self.begun[LONGEST - back + 1] & 0xC0 == 0x80).count();
            let rest = self.begun.split_off(LONGEST - inner);
            pieces.push(text(&std::mem::replace(&mut self.begun, rest)));
        }
        pieces
    }

    /// The last line, where nothing ends it.
    fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.begun);
        (!rest.is_empty()).then(|| text(&rest))
    }
}

/// Behind the last end of a line. Behind a carriage return something must stand, because a newline may follow.
fn last_end(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    memrchr2(b'\n', b'\r', bytes).map(|at| at + 1)
}

/// Lines as text, without the last one's end; bytes that are no text are shown as such.
fn text(lines: &[u8]) -> String {
    let lines = String::from_utf8_lossy(lines).replace("\r\n", "\n").replace('\r', "\n");
    lines.strip_suffix('\n').unwrap_or(&lines).to_owned()
}

/// The last bytes of a stream.
#[derive(Default)]
struct Tail {
    bytes: VecDeque<u8>,
    cut: bool,
}

impl Tail {
    fn take(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL + 1)..];
        self.bytes.extend(bytes);
        let over = self.bytes.len().saturating_sub(TAIL);
        self.cut |= over > 0;
        self.bytes.drain(..over);
    }

    /// Whole lines, where it has an end of one.
    fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let begun =
            bytes.iter().position(|byte| *byte == b'\n').filter(|at| self.cut && at + 1 < bytes.len());
        let start = begun.map_or(0, |at| at + 1);
        let before = if self.cut { "...\n" } else { "" };
        format!("{before}{}", String::from_utf8_lossy(&bytes[start..]))
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Lines, TAIL, Tail};

    fn pieces(blocks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut all: Vec<_> = blocks.iter().flat_map(|block| lines.take(block)).collect();
        all.extend(lines.rest());
        all
    }

    #[test]
    fn lines_come_whole_however_the_blocks_cut_them() {
        assert_eq!(pieces(&[b"on", b"e\ntwo\nth", b"ree"]), ["one\ntwo", "three"]);
        assert_eq!(pieces(&[b"\n\na\n"]), ["\n\na"]);
        assert_eq!(pieces(&[b"a\r", b"\nb\r\n"]), ["a\nb"]);
        assert_eq!(pieces(&[b"10 %\r", b"20 %\r", b"\n"]), ["10 %", "20 %"]);
        assert_eq!(pieces(&[b"bad \xff\xfe byte\n"]), ["bad \u{fffd}\u{fffd} byte"]);
    }

    #[test]
    fn an_endless_line_comes_in_pieces_that_cut_no_letter() {
        let long = "ä".repeat(LONGEST) + "x";
        let cut = pieces(&[b"-", long.as_bytes()]);
        assert_eq!(cut.concat(), format!("-{long}"));
        assert!(cut.len() == 3 && cut.iter().all(|piece| piece.len() <= LONGEST), "{}", cut.len());
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.take(&[0x80; 16_384]);
            assert!(lines.begun.len() <= LONGEST);
        }
    }

    #[test]
    fn the_tail_begins_with_a_whole_line() {
        let mut tail = Tail::default();
        (0..1_000).for_each(|line| tail.take(format!("line {line}\n").as_bytes()));
        let text = tail.text();
        assert!(
            text.starts_with("...\nline 77") && text.ends_with("\nline 999\n") && text.len() <= TAIL + 4,
            "{text}"
        );
        let mut line = Tail::default();
        line.take(&[b'x'; 3 * TAIL]);
        assert_eq!(line.text(), format!("...\n{}", "x".repeat(TAIL)));
    }
}

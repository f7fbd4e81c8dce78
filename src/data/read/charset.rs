//! The encoding of a text file: found out, and undone block by block with bounded memory.
//!
//! Knows bytes and characters; knows nothing of lines, quotes or columns.

use std::io::Read;
use std::path::Path;

use anyhow::Result;
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How the bytes of a file become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset {
    encoding: &'static Encoding,
    lossy: bool,
    broken: Option<u64>,
}

/// Advice for whoever named an encoding that doesn't exist.
pub const LABELS: &str = "use `utf-8`, `windows-1252` or `utf-16le`";

/// Whether an encoding has that label.
pub fn is_label(label: &str) -> bool {
    Charset::labelled(label).is_some()
}

/// Bytes read at once while a whole file is surveyed.
const SURVEY: usize = 1 << 20;

impl Charset {
    /// The encoding of that label, such as `utf-8` or `latin1`.
    pub fn labelled(label: &str) -> Option<Self> {
        // Bytes that an encoding doesn't have are replaced when the user insists on it.
        Encoding::for_label(label.as_bytes()).map(|encoding| Self { encoding, lossy: true, broken: None })
    }

    /// The encoding of a file of which only the beginning has been read.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn of_head(head: &[u8], path: &Path) -> Result<Self> {
        match Encoding::for_bom(head) {
            Some((encoding, _)) if encoding == UTF_16LE || encoding == UTF_16BE => {
                return Ok(Self { encoding, lossy: true, broken: None });
            }
            _ => {}
        }
        match std::str::from_utf8(head) {
            Ok(_) => Ok(Self::utf8()),
            // The head may end within a character.
            Err(error) if error.error_len().is_none() => Ok(Self::utf8()),
            Err(_) => Self::survey(path),
        }
    }

    /// UTF-8, as long as nothing speaks against it.
    pub fn utf8() -> Self {
        Self { encoding: UTF_8, lossy: false, broken: None }
    }

    /// The encoding of a file that isn't valid UTF-8: Windows-1252 (which Latin-1 is a part of), or
    /// UTF-8 with damage where more characters are whole than broken.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn survey(path: &Path) -> Result<Self> {
        let mut file = fs_err::File::open(path)?;
        let (mut whole, mut broken) = (0_u64, 0_u64);
        let (mut line, mut first) = (1, None);
        let mut block = Vec::with_capacity(SURVEY);
        let mut cut = Vec::new();
        loop {
            block.clear();
            block.append(&mut cut);
            let ended = file.by_ref().take(SURVEY as u64).read_to_end(&mut block)? == 0;
            for part in block.utf8_chunks() {
                whole += part.valid().chars().filter(|c| !c.is_ascii()).count() as u64;
                line += memchr::memchr_iter(b'\n', part.valid().as_bytes()).count() as u64;
                if !ended && is_begun(part.invalid()) && block.ends_with(part.invalid()) {
                    // The block may end within a character; nothing follows it here.
                    cut = part.invalid().to_vec();
                } else if !part.invalid().is_empty() {
                    broken += 1;
                    first.get_or_insert(line);
                }
            }
            if ended {
                break;
            }
        }
        let encoding = if whole > broken { UTF_8 } else { WINDOWS_1252 };
        Ok(Self { encoding, lossy: true, broken: first })
    }

    /// The first line with bytes that aren't UTF-8, where the whole file was surveyed for them.
    pub fn broken_line(self) -> Option<u64> {
        self.broken
    }

    /// The name for messages.
    pub fn name(self) -> &'static str {
        self.encoding.name()
    }

    /// Whether the bytes are text as they are, so that invalid ones must be looked for.
    pub fn is_plain(self) -> bool {
        self.encoding == UTF_8 && !self.lossy
    }

    /// Whether the file is UTF-8 with some broken characters.
    pub fn is_damaged_utf8(self) -> bool {
        self.encoding == UTF_8 && self.lossy
    }

    /// Whether every line end is one byte, so that a file can be entered in its middle.
    pub fn is_ascii_compatible(self) -> bool {
        self.encoding.is_ascii_compatible()
    }

    /// Text of bytes from the middle of a file.
    pub fn decode(self, bytes: &[u8]) -> String {
        self.encoding.decode_without_bom_handling(bytes).0.into_owned()
    }

    fn decoder(self) -> Option<Decoder> {
        (!self.is_plain()).then(|| self.encoding.new_decoder_with_bom_removal())
    }
}

/// Whether bytes are the beginning of a character whose end is missing.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// A file as a stream of text bytes; those that are read and not yet consumed are kept.
pub struct Blocks {
    file: fs_err::File,
    decoder: Option<Decoder>,
    old_mac: bool,
    raw: Vec<u8>,
    pending: Vec<u8>,
    start: bool,
    ended: bool,
}

impl Blocks {
    /// Opens a file; with `old_mac`, carriage returns alone end lines.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn open(path: &Path, charset: Charset, old_mac: bool) -> Result<Self> {
        Ok(Self {
            file: fs_err::File::open(path)?,
            decoder: charset.decoder(),
            old_mac,
            raw: Vec::new(),
            pending: Vec::new(),
            start: true,
            ended: false,
        })
    }

    /// Reads until `size` bytes are pending or the file ends.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn fill(&mut self, size: usize) -> Result<()> {
        while !self.ended && self.pending.len() < size {
            let want = (size - self.pending.len()) as u64;
            let before = self.pending.len();
            let got = match &mut self.decoder {
                None => self.file.by_ref().take(want).read_to_end(&mut self.pending)?,
                Some(decoder) => {
                    self.raw.clear();
                    let got = self.file.by_ref().take(want).read_to_end(&mut self.raw)?;
                    decode(decoder, &self.raw, got == 0, &mut self.pending);
                    got
                }
            };
            self.ended = got == 0;
            self.tidy(before);
        }
        Ok(())
    }

    /// The bytes that are read and not yet consumed.
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Whether nothing follows the pending bytes.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Drops bytes from the front.
    pub fn consume(&mut self, bytes: usize) {
        self.pending.drain(..bytes.min(self.pending.len()));
    }

    fn tidy(&mut self, from: usize) {
        if self.old_mac {
            for byte in self.pending.iter_mut().skip(from).filter(|byte| **byte == b'\r') {
                *byte = b'\n';
            }
        }
        if std::mem::take(&mut self.start) && self.pending.starts_with(b"\xef\xbb\xbf") {
            self.pending.drain(..3);
        }
    }
}

fn decode(decoder: &mut Decoder, raw: &[u8], last: bool, out: &mut Vec<u8>) {
    let room = decoder.max_utf8_buffer_length(raw.len()).unwrap_or(raw.len() * 3 + 16);
    let mut text = String::with_capacity(room);
    let _ = decoder.decode_to_string(raw, &mut text, last);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> (String, Charset) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), bytes).unwrap();
        let charset = Charset::of_head(bytes, file.path()).unwrap();
        let mut blocks = Blocks::open(file.path(), charset, false).unwrap();
        let mut all = Vec::new();
        while !blocks.ended() {
            blocks.fill(5).unwrap();
            all.extend_from_slice(blocks.pending());
            blocks.consume(usize::MAX);
        }
        (String::from_utf8(all).unwrap(), charset)
    }

    #[test]
    fn encodings_are_found_out_and_undone() {
        assert_eq!(text("a,é\n".as_bytes()), ("a,é\n".to_owned(), Charset::utf8()));
        assert_eq!(text(b"\xef\xbb\xbfid\n").0, "id\n");
        let (latin, charset) = text(b"caf\xe9,\x80\n");
        assert_eq!((latin.as_str(), charset.name()), ("café,€\n", "windows-1252"));
        let (wide, charset) = text(b"\xff\xfea\0,\0\xe9\0\n\0");
        assert_eq!((wide.as_str(), charset.name()), ("a,é\n", "UTF-16LE"));
        let (damaged, charset) =
            text("é ü \u{20ac} ".as_bytes().iter().chain(b"\xff!").copied().collect::<Vec<_>>().as_slice());
        assert_eq!(damaged, "é ü € \u{fffd}!");
        assert!(charset.is_damaged_utf8());
    }

    #[test]
    fn a_survey_names_the_first_line_that_is_no_utf8() {
        let line = |bytes: &[u8]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs_err::write(file.path(), bytes).unwrap();
            Charset::survey(file.path()).unwrap().broken_line()
        };
        assert_eq!(line(b"a\nb\nK\xf6ln\n\xf6\n"), Some(3));
        assert_eq!(line("a\nKöln\n".as_bytes()), None);
        // Characters of three bytes lie across the edges of blocks.
        let mut euros = "€".repeat(SURVEY).into_bytes();
        assert_eq!(line(&euros), None);
        euros.extend_from_slice(b"\n\xff\n\xe2\x82");
        assert_eq!(line(&euros), Some(2));
    }
}

//! The framing of a `.wandb` file: LevelDB's log format with a header of its own and plain CRC-32.

use std::path::Path;

use anyhow::Result;
use fs_err::File;

use crate::engine::disk;

/// Records are cut so that no piece crosses the end of a block, counted from the start of the file.
const BLOCK: usize = 32_768;

/// Checksum, length and type in front of each piece.
const HEAD: usize = 7;

/// How the file begins: its name, a magic number and version 0.
const FILE: [u8; 7] = [b':', b'W', b'&', b'B', 0xe1, 0xbe, 0];

/// A file being written. Each record is one write, so that a killed process loses at most its last one.
pub struct Log {
    file: File,
    at: usize,
}

impl Log {
    /// Starts a file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn create(path: &Path) -> Result<Self> {
        let mut file = disk::create(path)?;
        disk::write(&mut file, &FILE)?;
        Ok(Self { file, at: FILE.len() })
    }

    /// Appends a record.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn append(&mut self, record: &[u8]) -> Result<()> {
        let bytes = framed(self.at, record);
        disk::write(&mut self.file, &bytes)?;
        self.at += bytes.len();
        Ok(())
    }
}

/// A record in pieces, for a place in the file.
fn framed(at: usize, record: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(record.len() + 2 * HEAD);
    let mut rest = record;
    let mut first = true;
    while first || !rest.is_empty() {
        let mut left = BLOCK - (at + bytes.len()) % BLOCK;
        if left < HEAD {
            bytes.resize(bytes.len() + left, 0);
            left = BLOCK;
        }
        let (piece, later) = rest.split_at(rest.len().min(left - HEAD));
        let kind = match (first, later.is_empty()) {
            (true, true) => 1,
            (true, false) => 2,
            (false, false) => 3,
            (false, true) => 4,
        };
        push(&mut bytes, kind, piece);
        (rest, first) = (later, false);
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, kind: u8, piece: &[u8]) {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[kind]);
    sum.update(piece);
    bytes.extend_from_slice(&sum.finalize().to_le_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "a piece is shorter than a block")]
    bytes.extend_from_slice(&(piece.len() as u16).to_le_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, FILE, HEAD, framed};

    /// Reads framed records back, as LevelDB does.
    fn records(file: &[u8]) -> Vec<Vec<u8>> {
        let (mut at, mut found, mut open, mut inside) = (FILE.len(), Vec::new(), Vec::new(), false);
        while at < file.len() {
            let left = BLOCK - at % BLOCK;
            if left < HEAD {
                assert!(file[at..at + left].iter().all(|byte| *byte == 0));
                at += left;
                continue;
            }
            let length = usize::from(u16::from_le_bytes([file[at + 4], file[at + 5]]));
            let (kind, body) = (file[at + 6], &file[at + HEAD..at + HEAD + length]);
            let sum = crc32fast::hash(&[&[kind], body].concat());
            assert_eq!(file[at..at + 4], sum.to_le_bytes());
            assert!(HEAD + length <= left);
            assert_eq!(inside, kind > 2, "a piece in the middle of nothing");
            inside = matches!(kind, 2 | 3);
            open.extend_from_slice(body);
            if matches!(kind, 1 | 4) {
                found.push(std::mem::take(&mut open));
            }
            at += HEAD + length;
        }
        found
    }

    #[test]
    fn records_of_every_size_around_the_end_of_a_block_come_back() {
        for tail in 0..16 {
            let sizes = [BLOCK - FILE.len() - HEAD - tail, 40, 0, 3 * BLOCK, 1];
            let written: Vec<Vec<u8>> = sizes.iter().map(|size| vec![b'x'; (*size).max(1)]).collect();
            let mut file = FILE.to_vec();
            for record in &written {
                let bytes = framed(file.len(), record);
                file.extend_from_slice(&bytes);
            }
            assert_eq!(records(&file), written, "{tail}");
        }
    }
}

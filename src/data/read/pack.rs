//! Compressed files: found out by their first bytes, and unpacked into the scratch folder.
//!
//! What stands in it is up to whoever reads it; the file keeps its name in messages.

use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use flate2::read::MultiGzDecoder;
use rayon::prelude::*;

use super::source::File;
use crate::diagnostic::Failure;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// By `gzip`, in one or several members.
    Gzip,
    /// By `zstd`, in one or several frames.
    Zstd,
}

/// Bytes that are unpacked at once.
const BLOCK: usize = 1 << 20;

impl Packing {
    /// By the first bytes of a file.
    pub fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The packing of a file that is there; one that can't be read has none.
    fn of_file(path: &Path) -> Option<Self> {
        // A pipe would wait for whoever writes it.
        if !fs_err::metadata(path).is_ok_and(|meta| meta.is_file()) {
            return None;
        }
        let mut magic = Vec::new();
        fs_err::File::open(path).ok()?.take(4).read_to_end(&mut magic).ok()?;
        Self::of(&magic)
    }
}

/// Whether a file is compressed.
pub fn is_packed(file: &File) -> bool {
    Packing::of_file(&file.path).is_some()
}

/// Files as they can be read, and how each of them is packed outside.
///
/// Compressed ones are unpacked side by side; memory is bounded by a block a file, the scratch folder takes what
/// they hold.
///
/// # Errors
/// When one is cut off or damaged, or the disk is full.
pub fn unpacked(files: &[File], scratch: &Path) -> Result<Vec<(File, Option<Packing>)>> {
    files
        .par_iter()
        .enumerate()
        .map(|(at, file)| {
            let Some(packing) = Packing::of_file(&file.path) else { return Ok((file.clone(), None)) };
            let path = scratch.join(format!("unpacked-{at}"));
            unpack(file, packing, &path)?;
            Ok((File { name: file.name.clone(), path }, Some(packing)))
        })
        .collect()
}

fn unpack(file: &File, packing: Packing, to: &PathBuf) -> Result<()> {
    let packed = BufReader::with_capacity(BLOCK, fs_err::File::open(&file.path)?);
    let mut plain: Box<dyn Read> = match packing {
        Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
    };
    let mut out = BufWriter::with_capacity(BLOCK, fs_err::File::create(to)?);
    let mut block = vec![0; BLOCK];
    loop {
        let count = match plain.read(&mut block) {
            Ok(0) => return Ok(out.flush()?),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(file, packing, &error).into()),
        };
        out.write_all(block.get(..count).unwrap_or_default())?;
    }
}

fn damaged(file: &File, packing: Packing, error: &std::io::Error) -> Failure {
    let (name, how) = (&file.name, packing.name());
    let message = match error.kind() {
        std::io::ErrorKind::UnexpectedEof => format!("`{name}` has been cut off: its {how} data has no end"),
        _ => format!("`{name}` can't be unpacked: its {how} data is damaged"),
    };
    Failure::new(message).hint("make or copy it again").at("path")
}

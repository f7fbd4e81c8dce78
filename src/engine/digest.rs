//! Digests: blake3 of bytes, as a small value that prints as hex.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that are read at once: they stay in a core's own cache until they are hashed.
const PIECE: u64 = 256 << 10;

/// Bytes within which cores read beside each other, so that the whole is read from front to back.
const WINDOW: u64 = 64 << 20;

/// A blake3 digest of 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Files above this size are hashed with all cores.
const PARALLEL_FROM: u64 = 1 << 20;

impl Digest {
    /// The digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.len() as u64 > PARALLEL_FROM {
            Self(*Hasher::new().update_rayon(bytes).finalize().as_bytes())
        } else {
            Self(*blake3::hash(bytes).as_bytes())
        }
    }

    /// The digest of a file from its start to the length that it has now; a large one is read and
    /// hashed in pieces, on all cores. Files are not mapped, because one that shrinks meanwhile would
    /// end the process.
    ///
    /// # Errors
    /// When it can't be read, or ends before its length.
    pub fn of_file(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        if length <= PARALLEL_FROM {
            return Ok(Self(*Hasher::new().update_reader(file)?.finalize().as_bytes()));
        }
        let left = left_subtree_len(length);
        let (one, two) = halves(file, 0, left, length)?;
        Ok(Self(*merge_subtrees_root(&one, &two, Mode::Hash).as_bytes()))
    }

    /// A digest from a finished hasher.
    pub fn from_hasher(hasher: &blake3::Hasher) -> Self {
        Self(*hasher.finalize().as_bytes())
    }

    /// A digest from its raw bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// All 64 hex digits.
    pub fn hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// The first eight hex digits, for people.
    pub fn short(&self) -> String {
        self.hex()[..8].to_owned()
    }
}

/// The two sides of a stretch of a file: the left one is `left` long.
fn halves(file: &File, start: u64, left: u64, length: u64) -> io::Result<(ChainingValue, ChainingValue)> {
    let one = || subtree(file, start, left);
    let two = || subtree(file, start + left, length - left);
    if length > WINDOW {
        return Ok((one()?, two()?));
    }
    let (one, two) = rayon::join(one, two);
    Ok((one?, two?))
}

/// What blake3 makes of a stretch of a file that is a whole branch of its tree.
fn subtree(file: &File, start: u64, length: u64) -> io::Result<ChainingValue> {
    if length > PIECE {
        let (one, two) = halves(file, start, left_subtree_len(length), length)?;
        return Ok(merge_subtrees_non_root(&one, &two, Mode::Hash));
    }
    let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut piece, start)?;
    Ok(Hasher::new().set_input_offset(start).update(&piece).finalize_non_root())
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// The text is not 64 hex digits.
#[derive(Debug)]
pub struct NotADigest;

impl fmt::Display for NotADigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest has 64 hex digits")
    }
}

impl std::error::Error for NotADigest {}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| NotADigest)?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, PARALLEL_FROM, PIECE, WINDOW};

    #[test]
    fn pieces_do_not_show_in_the_digest() {
        let (large, dir) = (PARALLEL_FROM, tempfile::tempdir().unwrap());
        for size in
            [0, 1, PIECE + 1, large, large + 1, large + PIECE, 3 * large - 1, 4 * large, WINDOW + 1025]
        {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let path = dir.path().join("file");
            std::fs::write(&path, &bytes).unwrap();
            let file = std::fs::File::open(&path).unwrap();
            assert_eq!(Digest::of_file(&file).unwrap(), Digest::of(&bytes), "{size}");
            assert_eq!(Digest::of(&bytes).as_bytes(), blake3::hash(&bytes).as_bytes(), "{size}");
        }
    }
}

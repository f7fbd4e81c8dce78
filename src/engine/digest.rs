//! Digests: blake3 of bytes, as a small value that prints as hex.

use std::fmt;
use std::io::{self, Read as _};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes read at once.
const BLOCK: usize = 4 << 20;

/// Reads a block, or less at the end.
fn fill(reader: &mut impl io::Read, block: &mut Vec<u8>) -> io::Result<()> {
    block.clear();
    reader.take(BLOCK as u64).read_to_end(block).map(drop)
}

/// A blake3 digest of 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Files above this size are hashed with all cores.
const PARALLEL_FROM: u64 = 1 << 20;

impl Digest {
    /// The digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.len() as u64 > PARALLEL_FROM {
            Self(*blake3::Hasher::new().update_rayon(bytes).finalize().as_bytes())
        } else {
            Self(*blake3::hash(bytes).as_bytes())
        }
    }

    /// The digest of all that a reader gives: while one block is hashed, on all cores, the next one is
    /// read. Files are not mapped, because one that shrinks meanwhile would end the process.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn of_reader(mut reader: impl io::Read + Send) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let (mut block, mut next) = (Vec::new(), Vec::new());
        fill(&mut reader, &mut block)?;
        while block.len() == BLOCK {
            let (read, ()) = rayon::join(|| fill(&mut reader, &mut next), || _ = hasher.update_rayon(&block));
            read?;
            std::mem::swap(&mut block, &mut next);
        }
        if block.len() as u64 > PARALLEL_FROM {
            hasher.update_rayon(&block);
        } else {
            hasher.update(&block);
        }
        Ok(Self(*hasher.finalize().as_bytes()))
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
    use super::{BLOCK, Digest};

    #[test]
    fn blocks_do_not_show_in_the_digest() {
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 7] {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            assert_eq!(Digest::of_reader(bytes.as_slice()).unwrap(), Digest::of(&bytes), "{size}");
            assert_eq!(Digest::of(&bytes).as_bytes(), blake3::hash(&bytes).as_bytes(), "{size}");
        }
    }
}

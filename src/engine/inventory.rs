//! What lies in the cache: every object by its name, and whether its bytes are those that the name says.
//!
//! Knows records and objects; not which run or stage needs them.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;

use super::digest::Digest;
use super::disk;
use super::parts;
use super::store::{Amiss, Loss, Store, objects_path};

/// An object by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// The digest that its name says.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// When it was made.
    pub modified: SystemTime,
}

/// What is in the folder of objects.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The objects, sorted by digest.
    pub objects: Vec<Object>,
    /// What has no name of an object, sorted.
    pub strays: Vec<PathBuf>,
}

impl Inventory {
    /// Lists the objects of a cache; nothing where there is no cache.
    pub fn of(cache: &Path) -> Self {
        let mut found = Self::default();
        for folder in disk::list(&objects_path(cache)) {
            match name(&folder).filter(|name| is_hex(name, 2) && folder.is_dir()) {
                Some(first) => found.take_folder(&folder, first),
                None => found.strays.push(folder.clone()),
            }
        }
        found.objects.sort_unstable_by_key(|object| object.digest);
        found.strays.sort();
        found
    }

    fn take_folder(&mut self, folder: &Path, first: &str) {
        for path in disk::list(folder) {
            let rest = name(&path).filter(|rest| is_hex(rest, 62));
            let digest = rest.and_then(|rest| format!("{first}{rest}").parse().ok());
            match (digest, std::fs::metadata(&path)) {
                (Some(digest), Ok(meta)) => {
                    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    self.objects.push(Object { digest, bytes: meta.len(), modified });
                }
                // One that went away meanwhile, and a link that leads nowhere.
                (Some(_), Err(_)) if path.symlink_metadata().is_err() => {}
                _ => self.strays.push(path),
            }
        }
    }

    /// The size of all objects.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }
}

/// The name of a file, where it is text.
fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// Whether it is so many hex digits, as digests are written.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An output that a record names and the store can't give.
#[derive(Clone, Debug, PartialEq)]
pub struct LostOutput {
    /// The key of the record.
    pub key: Digest,
    /// The kind that gave it.
    pub kind: String,
    /// The port.
    pub port: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// What became of it.
    pub loss: Loss,
}

/// What is wrong with the objects of a cache.
#[derive(Debug, Default)]
pub struct Damage {
    /// Objects whose bytes were others: they have been moved away.
    pub damaged: Vec<Object>,
    /// Objects that can't be read, with the reason.
    pub unread: Vec<(Digest, String)>,
}

/// Hashes every object, on all cores; `done` is told the size of each. Damaged ones are moved away.
pub fn verify(store: &Store, inventory: &Inventory, done: &(dyn Fn(u64) + Sync)) -> Damage {
    let one = |object: &Object| {
        let found = store.verify(&object.digest);
        done(object.bytes);
        Some((*object, found.err()?))
    };
    let amiss: Vec<_> = inventory.objects.par_iter().filter_map(one).collect();
    let mut damage = Damage::default();
    for (object, amiss) in amiss {
        match amiss {
            Amiss::Lost(Loss::Damaged) => damage.damaged.push(object),
            // It was there when the folder was listed, and somebody took it away.
            Amiss::Lost(Loss::Missing) => {}
            Amiss::Unread(error) => damage.unread.push((object.digest, format!("{error:#}"))),
        }
    }
    damage
}

/// Outputs of records that the store can't give, sorted by key and port.
pub fn lost(store: &Store, damage: &Damage) -> Vec<LostOutput> {
    let of = |digest: &Digest| damage.damaged.iter().any(|object| object.digest == *digest);
    let mut lost = Vec::new();
    // A lost partial result is computed anew when it is next asked for: no output is lost with it.
    for (key, record) in store.keyed_records().into_iter().filter(|(_, record)| !parts::is_part(record)) {
        for (port, output) in &record.outputs {
            let Some(loss) = store.loss(output) else { continue };
            let loss = if of(&output.digest) { Loss::Damaged } else { loss };
            let (kind, port, digest) = (record.kind.clone(), port.clone(), output.digest);
            lost.push(LostOutput { key, kind, port, digest, loss });
        }
    }
    lost.sort_by(|one, two| (&one.key, &one.port).cmp(&(&two.key, &two.port)));
    lost
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Digest, Inventory, Store, verify};

    fn put(store: &Store, bytes: &[u8], scratch: &Path) -> Digest {
        let named = store.name_bytes(bytes, scratch).unwrap();
        store.put(&named).unwrap();
        named.digest
    }

    #[test]
    fn objects_are_told_from_strays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let scratch = store.scratch().unwrap();
        let digest = put(&store, b"rows", scratch.path());
        let stray = |name: &str| {
            let path = folder.path().join("objects").join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(&path, "x").unwrap();
            path
        };
        let mut strays: Vec<PathBuf> =
            ["note", "ab/short", &format!("AB/{}", "0".repeat(62)), &format!("ab/{}", "A".repeat(62))]
                .map(stray)
                .into();
        strays[2] = folder.path().join("objects/AB");
        strays.sort();
        let found = Inventory::of(folder.path());
        assert_eq!(found.objects.iter().map(|object| object.digest).collect::<Vec<_>>(), [digest]);
        assert_eq!((found.bytes(), found.strays), (4, strays));
        assert!(Inventory::of(&folder.path().join("none")).objects.is_empty());
    }

    #[test]
    fn damaged_objects_are_moved_away() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let scratch = store.scratch().unwrap();
        let good = put(&store, b"rows", scratch.path());
        let bad = Digest::of(b"other");
        let path = store.path(&bad);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, "wrong").unwrap();
        let damage = verify(&store, &Inventory::of(folder.path()), &|_| {});
        assert_eq!(damage.damaged.iter().map(|object| object.digest).collect::<Vec<_>>(), [bad]);
        assert!(damage.unread.is_empty() && store.has(&good) && !store.has(&bad));
        assert_eq!(fs_err::read(folder.path().join("damaged").join(bad.hex())).unwrap(), b"wrong");
    }
}

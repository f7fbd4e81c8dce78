//! Scratch folders of running stages, and the removal of those that a killed process left.
//!
//! A process that works holds the operating system's lock on a small file next to its folders, so
//! whoever gets that lock knows that the owner is no more, wherever it ran.
//!
//! What is little goes when all is done: to make files just after others were removed costs some file systems (ext4
//! among them) more than the files do.

use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::disk;
use crate::abreast;

/// Behind the owner's name: the file that it keeps locked.
const SIGN: &str = ".alive";

/// A folder with no more in it than this is removed later, as long as all of those aren't more than that.
const LITTLE: u64 = 64 << 10;
const ALL: u64 = 64 << 20;

/// Where stages work.
pub struct Scratch {
    folder: PathBuf,
    left: Arc<Mutex<Left>>,
    /// This process's name with its locked file, once it has needed a folder.
    owner: Mutex<Option<(String, std::fs::File)>>,
}

impl Scratch {
    /// Scratch folders in a folder that exists.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), left: Arc::default(), owner: Mutex::new(None) }
    }

    /// A new folder for a stage to work in; it goes when the value is dropped, or this one.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn make(&self) -> Result<Room> {
        let Ok(mut owner) = self.owner.lock() else { bail!("another stage broke down") };
        let name = match owner.as_ref() {
            Some((name, _)) => name.clone(),
            None => {
                self.sweep();
                let (name, file) = self.sign()?;
                owner.insert((name, file)).0.clone()
            }
        };
        let folder = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(&self.folder)
            .with_context(|| format!("can't make a scratch folder in `{}`", self.folder.display()))?;
        Ok(Room { path: folder.path().to_path_buf(), folder: Some(folder), left: Arc::downgrade(&self.left) })
    }

    /// Makes and locks this process's file.
    fn sign(&self) -> Result<(String, std::fs::File)> {
        for number in 0_u32.. {
            let name = format!("{}.{number}", std::process::id());
            let path = self.sign_of(&name);
            let file = open(&path)?;
            match file.try_lock() {
                // Somebody who was sweeping may have taken the file away meanwhile.
                Ok(()) if is_at(&file, &path) => return Ok((name, file)),
                // Another machine or container can have a process of the same number.
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("can't lock `{}`", path.display()));
                }
            }
        }
        bail!("no name is free in `{}`", self.folder.display())
    }

    /// Removes the folders of owners that are no more.
    fn sweep(&self) {
        let paths = disk::list(&self.folder);
        for path in paths.iter().filter(|path| path.is_dir()) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let owner = name.split('-').next().unwrap_or_default();
            if let Gone::Yes(_held) = gone(&self.sign_of(owner)) {
                // Somebody else may be sweeping too; whoever comes second finds nothing.
                let _ = disk::remove_folder(path);
            }
        }
        for sign in paths.iter().filter(|path| path.to_string_lossy().ends_with(SIGN)) {
            if let Gone::Yes(_held) = gone(sign) {
                let _ = disk::remove(sign);
            }
        }
    }

    fn sign_of(&self, owner: &str) -> PathBuf {
        self.folder.join(format!("{owner}{SIGN}"))
    }
}

/// Folders that are yet to be removed.
#[derive(Default)]
struct Left {
    folders: Vec<PathBuf>,
    bytes: u64,
}

/// A folder to work in.
pub struct Room {
    path: PathBuf,
    folder: Option<TempDir>,
    left: Weak<Mutex<Left>>,
}

impl Room {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets it be removed later, if there is little in it.
    fn leave(&self) -> Option<()> {
        let size = little(&self.path)?;
        let left = self.left.upgrade()?;
        let mut left = left.lock().ok().filter(|left| left.bytes + size <= ALL)?;
        left.bytes += size;
        left.folders.push(self.path.clone());
        Some(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.leave().is_some()
            && let Some(folder) = self.folder.take()
        {
            let _ = folder.keep();
        }
    }
}

/// The size of what is in a folder, where that is little and no folder.
fn little(folder: &Path) -> Option<u64> {
    let mut size = 0;
    for entry in disk::entries(folder).ok()? {
        let meta = entry.and_then(|entry| entry.metadata()).ok().filter(|meta| !meta.is_dir())?;
        size += meta.len();
    }
    (size <= LITTLE).then_some(size)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let left = self.left.lock().map(|mut left| std::mem::take(&mut left.folders)).unwrap_or_default();
        // One that stays is removed by the next process.
        abreast::each(&left, abreast::FILES, |folder| drop(disk::remove_folder(folder)));
        if let Some((name, _)) = self.owner.get_mut().ok().and_then(|owner| owner.take()) {
            // If it stays, the next process finds it unlocked and takes it away.
            let _ = disk::remove(&self.sign_of(&name));
        }
    }
}

/// Opens a file to lock, made where there is none.
fn open(path: &Path) -> Result<std::fs::File> {
    Ok(disk::create(path)?.into_parts().0)
}

/// Whether the open file is still the one at the path.
fn is_at(file: &std::fs::File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Whether an owner is no more; its lock is held meanwhile, so that nobody takes its name over.
enum Gone {
    No,
    Yes(Option<std::fs::File>),
}

/// Looks whether nobody holds the lock on an owner's file, which is made before any of its folders.
fn gone(sign: &Path) -> Gone {
    match disk::open(sign).map(|file| file.into_parts().0) {
        Ok(file) if file.try_lock().is_ok() => Gone::Yes(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Gone::Yes(None),
        _ => Gone::No,
    }
}

#[cfg(test)]
mod tests {
    use super::Scratch;

    #[test]
    fn folders_of_the_dead_go_and_those_of_the_living_stay() {
        let folder = tempfile::tempdir().unwrap();
        let dead = folder.path().join("99.0-abc");
        fs_err::create_dir(&dead).unwrap();
        fs_err::write(dead.join("half.parquet"), "half").unwrap();
        fs_err::write(folder.path().join("99.0.alive"), "").unwrap();
        let one = Scratch::new(folder.path());
        let mine = one.make().unwrap();
        assert!(!dead.exists() && !folder.path().join("99.0.alive").exists());
        // The same process number again, as another container would have it.
        let two = Scratch::new(folder.path());
        let other = two.make().unwrap();
        assert!(mine.path().exists() && other.path().exists());
        // As one that a killed process left.
        let left = other.path().to_path_buf();
        std::mem::forget(other);
        drop((mine, one, two));
        drop(Scratch::new(folder.path()).make().unwrap());
        assert!(!left.exists());
    }

    #[test]
    fn what_is_little_goes_at_the_end_and_what_is_much_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path());
        let write = |name: &str, size: u64| {
            let room = scratch.make().unwrap();
            let path = room.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::File::create(path).unwrap().set_len(size).unwrap();
            room.path().to_path_buf()
        };
        let (little, much, deep) = (write("a", 10), write("a", 1 << 20), write("sub/a", 1));
        assert_eq!([&little, &much, &deep].map(|path| path.exists()), [true, false, false]);
        let all: Vec<_> = (0..1_100).map(|_| write("a", 64 << 10)).collect();
        assert_eq!(all.iter().filter(|path| path.exists()).count(), 1_023, "64 MiB");
        let late = scratch.make().unwrap();
        drop(scratch);
        assert!(late.path().exists());
        drop(late);
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_stays_when_all_are_done() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path());
        drop((scratch.make().unwrap(), scratch.make().unwrap()));
        drop(scratch);
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
    }
}

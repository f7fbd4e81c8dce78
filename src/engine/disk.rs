//! The engine's file operations: one function each, every error with its path.
//!
//! In test builds each call is counted, and the variable `CUSTEM_FAULT` lets the N-th one go wrong:
//! `stop:N` ends the process before it, `torn:N` in the middle of what it writes, `full:N` finds the
//! disk full from there on, `io:N` fails that one call. So a test can stop a run at every place where
//! the disk changes. `hold:PATH` lets every wait for the disk last until there is a file at that path. Does not know
//! what the files are for.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err::{File, OpenOptions, ReadDir};

/// Makes a folder with those above it; one that is there is fine.
///
/// # Errors
/// When the disk is full, or something else stands there.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fault::before(path)?;
    fs_err::create_dir_all(path)
}

/// Creates a file, or empties the one that is there.
///
/// # Errors
/// When the folder can't be written.
pub fn create(path: &Path) -> io::Result<File> {
    fault::before(path)?;
    File::create(path)
}

/// Writes a new file and makes sure that its bytes survive a power cut.
///
/// # Errors
/// When the disk is full.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    write(&mut file, bytes)?;
    sync(&file)
}

/// Writes a small file whole under another name and renames it, without waiting for the disk.
///
/// # Errors
/// When the disk is full.
pub fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fault::before(path)?;
    let ordinary = Permissions::from_mode(0o644);
    let file = tempfile::Builder::new().prefix(".custem-").permissions(ordinary).tempfile_in(folder)?;
    let (mut file, temporary) = file.into_parts();
    for part in parts {
        fault::write(path, &mut file, part)?;
    }
    settle_as(temporary, path)
}

/// Writes a file at a path that the user named: an ordinary one whole or not at all, what a symbolic link leads to rather than
/// the link, and into what is no file, such as a device or a pipe, as it is.
///
/// # Errors
/// When the disk is full, or a folder stands there.
pub fn deliver(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    match fs_err::metadata(path) {
        Ok(meta) if !meta.is_file() && !meta.is_dir() => {
            fault::before(path)?;
            let mut file = OpenOptions::new().write(true).open(path)?;
            parts.iter().try_for_each(|part| fault::write(path, &mut file, part))
        }
        Ok(_) if path.is_symlink() => replace(&fs_err::canonicalize(path)?, parts),
        Err(_) if path.is_symlink() => {
            let to = fs_err::read_link(path)?;
            replace(&path.parent().map_or_else(|| to.clone(), |folder| folder.join(&to)), parts)
        }
        _ => replace(path, parts),
    }
}

/// Opens a file to append to, made where there is none.
///
/// # Errors
/// When it can't be written.
pub fn open_to_append(path: &Path) -> io::Result<File> {
    fault::before(path)?;
    OpenOptions::new().create(true).append(true).open(path)
}

/// Opens a file to lock parts of it, made where there is none.
///
/// # Errors
/// When it can't be read and written.
pub fn open_to_lock(path: &Path) -> io::Result<File> {
    fault::before(path)?;
    OpenOptions::new().read(true).create(true).append(true).open(path)
}

/// Makes a file that must not be there yet, to append to.
///
/// # Errors
/// When it is there, or the folder can't be written.
pub fn create_to_append(path: &Path) -> io::Result<File> {
    fault::before(path)?;
    OpenOptions::new().append(true).create_new(true).open(path)
}

/// Writes in one call.
///
/// # Errors
/// When the disk is full.
pub fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let path = file.path().to_path_buf();
    fault::write(&path, file, bytes)
}

/// Waits until the disk has the bytes of a file.
///
/// # Errors
/// When the disk fails.
pub fn sync(file: &File) -> io::Result<()> {
    fault::before(file.path())?;
    fault::held(file.path())?;
    file.sync_data()
}

/// Moves a file within a file system, over what is there.
///
/// # Errors
/// When the folder can't be written.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fault::before(to)?;
    fs_err::rename(from, to)
}

/// Copies the bytes of a file into an open one that is to become `to`; the kernel moves them, and shares
/// them where the file system can.
///
/// # Errors
/// When the disk is full.
pub fn copy_into(from: &Path, mut file: &std::fs::File, to: &Path) -> io::Result<()> {
    fault::before(to)?;
    io::copy(&mut File::open(from)?.into_parts().0, &mut file).map(drop)
}

/// Gives a temporary file its name, over what is there.
///
/// # Errors
/// When the folder can't be written.
pub fn settle_as(temporary: tempfile::TempPath, path: &Path) -> io::Result<()> {
    fault::before(path)?;
    temporary.persist(path).map_err(|error| error.error)
}

/// Takes away everybody's right to write a file.
///
/// # Errors
/// When it is somebody else's.
pub fn make_read_only(path: &Path) -> io::Result<()> {
    fault::before(path)?;
    fs_err::set_permissions(path, Permissions::from_mode(0o444))
}

/// Removes a file; one that isn't there is fine.
///
/// # Errors
/// When the folder can't be written.
pub fn remove(path: &Path) -> io::Result<()> {
    fault::before(path)?;
    match fs_err::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Opens a file to read.
///
/// # Errors
/// When it isn't there or may not be read.
pub fn open(path: &Path) -> io::Result<File> {
    fault::before(path)?;
    File::open(path)
}

/// Reads a file whole.
///
/// # Errors
/// When it isn't there or the disk fails.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    fault::before(path)?;
    fs_err::read(path)
}

/// Reads a file of text whole.
///
/// # Errors
/// When it isn't there, isn't UTF-8, or the disk fails.
pub fn read_text(path: &Path) -> io::Result<String> {
    fault::before(path)?;
    fs_err::read_to_string(path)
}

/// Starts to read what is in a folder.
///
/// # Errors
/// When it isn't there or may not be read.
pub fn entries(path: &Path) -> io::Result<ReadDir> {
    fault::before(path)?;
    fs_err::read_dir(path)
}

/// Removes a folder with all that is in it.
///
/// # Errors
/// When something in it can't be removed.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    fault::before(path)?;
    fs_err::remove_dir_all(path)
}

/// Makes a symbolic link to `to`.
///
/// # Errors
/// When something stands at its path, or the folder can't be written.
pub fn link(to: &Path, path: &Path) -> io::Result<()> {
    fault::before(path)?;
    fs_err::os::unix::fs::symlink(to, path)
}

/// What is in a folder; nothing where there is none.
pub fn list(path: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(not(debug_assertions))]
mod fault {
    use super::{Path, Write, io};

    pub fn before(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub fn held(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub fn write(_: &Path, file: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }
}

#[cfg(debug_assertions)]
mod fault {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    use super::{Path, Write, io};

    /// What goes wrong.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Fault {
        Stop,
        Torn,
        Full,
        Io,
    }

    /// Nobody is held for longer.
    const LONG: Duration = Duration::from_secs(20);

    static CALLS: AtomicU64 = AtomicU64::new(0);

    /// The fault that the environment asks for, and the call that it is for.
    fn planned() -> Option<(Fault, u64)> {
        static PLANNED: OnceLock<Option<(Fault, u64)>> = OnceLock::new();
        *PLANNED.get_or_init(|| {
            let text = std::env::var("CUSTEM_FAULT").ok()?;
            let (word, number) = text.split_once(':')?;
            let fault = match word {
                "stop" => Fault::Stop,
                "torn" => Fault::Torn,
                "full" => Fault::Full,
                "io" => Fault::Io,
                _ => return None,
            };
            Some((fault, number.parse().ok()?))
        })
    }

    /// Counts a call; the fault that hits it.
    fn hit() -> Option<Fault> {
        let (fault, number) = planned()?;
        let call = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
        (call == number || fault == Fault::Full && call > number).then_some(fault)
    }

    /// Ends the process as a kill would: nothing is cleaned up.
    fn stop() -> ! {
        std::process::abort()
    }

    pub fn before(path: &Path) -> io::Result<()> {
        match hit() {
            None => Ok(()),
            Some(Fault::Stop | Fault::Torn) => stop(),
            Some(fault) => Err(failed(fault, path)),
        }
    }

    /// Waits for the file that the environment names; one that doesn't come is a failure.
    pub fn held(path: &Path) -> io::Result<()> {
        let Some(gate) =
            std::env::var("CUSTEM_FAULT").ok().and_then(|text| Some(text.strip_prefix("hold:")?.to_owned()))
        else {
            return Ok(());
        };
        let start = Instant::now();
        while !Path::new(&gate).exists() {
            if start.elapsed() > LONG {
                return Err(failed(Fault::Io, path));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    pub fn write(path: &Path, file: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        match hit() {
            None => file.write_all(bytes),
            Some(Fault::Stop) => stop(),
            Some(Fault::Torn) => {
                // Whether even these bytes arrive makes no difference to a process that is killed.
                let _ = file.write_all(&bytes[..bytes.len() / 2]);
                stop()
            }
            Some(fault) => Err(failed(fault, path)),
        }
    }

    fn failed(fault: Fault, path: &Path) -> io::Error {
        let (kind, text) = match fault {
            Fault::Full => (io::ErrorKind::StorageFull, "no storage space"),
            _ => (io::ErrorKind::Other, "input/output error"),
        };
        io::Error::new(kind, format!("`{}`: {text}", path.display()))
    }
}

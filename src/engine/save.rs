//! Saved outputs: copies of artifacts at paths that the pipeline names.
//!
//! A copy is made in a scratch folder and renamed. A file of the user's that stands in the way is
//! moved aside, never overwritten.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::disk;
use super::files::{Files, Stamp};
use super::store::{Amiss, Loss, Output, Store};

/// From so many bytes on, a thread more pays.
const LARGE: u64 = 8 << 20;

/// How a saved file differs from what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is as it should be.
    Same,
    /// It isn't there.
    Missing,
    /// It has other bytes, which the store also has or custem has put there: an earlier output.
    Earlier,
    /// It has bytes that custem doesn't know: the user's.
    Foreign,
}

impl Standing {
    /// The word for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "up to date",
            Self::Missing => "missing",
            Self::Earlier | Self::Foreign => "different",
        }
    }
}

/// How the file at a path compares with an output.
///
/// # Errors
/// When it is there but can't be read.
pub fn standing(path: &Path, output: &Output, files: &mut Files, store: &Store) -> Result<Standing> {
    let stamp = match Stamp::of(path) {
        Ok(stamp) => stamp,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Standing::Missing),
        Err(error) => return Err(error).with_context(|| format!("can't read `{}`", path.display())),
    };
    if files.known(path, &stamp) == Some(output.digest) {
        return Ok(Standing::Same);
    }
    let (digest, _) = files.digest(path)?;
    Ok(match digest {
        same if same == output.digest => Standing::Same,
        other if store.has(&other) || files.has_placed(path, &other) => Standing::Earlier,
        _ => Standing::Foreign,
    })
}

/// What came of putting a copy in place.
pub enum Placed {
    /// It is there; where a file of the user's went, if one stood in the way.
    Done(Option<PathBuf>),
    /// The artifact's own bytes are lost.
    Lost(Loss),
}

/// Puts a copy of an output of a pipeline (see [`super::files::owner`]) at a path. It is made in the folder `within`, where a killed process leaves
/// nothing that stays, or beside the path where that folder is on another file system.
///
/// # Errors
/// When the folder can't be made or written.
pub fn place(
    path: &Path,
    output: &Output,
    pipeline: Option<&str>,
    found: Standing,
    files: &mut Files,
    store: &Store,
    within: &Path,
) -> Result<Placed> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk::make_folder(folder)?;
    let within = if device(within)? == device(folder)? { within } else { folder };
    // The copy is the user's to edit, while objects are read-only.
    let ordinary = std::fs::Permissions::from_mode(0o644);
    let temporary = tempfile::Builder::new().prefix(".custem-").permissions(ordinary).tempfile_in(within)?;
    let (file, temporary) = temporary.into_parts();
    if let Some(loss) = copy_verified(output, &file, path, store)? {
        return Ok(Placed::Lost(loss));
    }
    let copied = Stamp::from(&file.metadata()?);
    let kept = if found == Standing::Foreign { Some(move_aside(path)?) } else { None };
    files.will_place(path, output.digest, pipeline);
    disk::settle_as(temporary, path)?;
    // Renaming changed a time; that the bytes are still the copied ones shows by the others.
    let now = Stamp::from(&file.metadata()?);
    if now.same_content(&copied) {
        files.placed(path, now, output.digest);
    }
    Ok(Placed::Done(kept))
}

/// Copies an object into a file that is to become `path`; what became of its bytes where they aren't right. To read
/// a large one for its digest and to copy it go on beside each other.
fn copy_verified(output: &Output, file: &File, path: &Path, store: &Store) -> Result<Option<Loss>> {
    let verified = |found: Result<PathBuf, Amiss>| match found {
        Ok(object) => Ok(Ok(object)),
        Err(Amiss::Lost(loss)) => Ok(Err(loss)),
        Err(Amiss::Unread(error)) => Err(error),
    };
    if output.bytes < LARGE {
        return match verified(store.verify(&output.digest))? {
            Ok(object) => disk::copy_into(&object, file, path).map(|()| None).map_err(Into::into),
            Err(loss) => Ok(Some(loss)),
        };
    }
    let object = store.path(&output.digest);
    let (found, copied) = std::thread::scope(|scope| {
        let copy = scope.spawn(|| disk::copy_into(&object, file, path));
        (store.verify(&output.digest), copy.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    match verified(found)? {
        Ok(_) => copied.map(|()| None).map_err(Into::into),
        Err(loss) => Ok(Some(loss)),
    }
}

/// The file system that a folder is on.
fn device(folder: &Path) -> Result<u64> {
    Ok(fs_err::metadata(folder)?.dev())
}

/// Renames a file to its name with `~` behind it, and a number where that is taken.
fn move_aside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let free = (1_u32..)
        .map(|number| {
            path.with_file_name(if number == 1 { format!("{name}~") } else { format!("{name}~{number}") })
        })
        .find(|candidate| !candidate.exists());
    let to = free.unwrap_or_else(|| path.with_extension("kept"));
    disk::rename(path, &to)?;
    Ok(to)
}

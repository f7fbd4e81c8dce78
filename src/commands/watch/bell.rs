//! What rings when something happens in folders: the system's own events, or a clock where there are none.
//!
//! Says when to look, not what has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// How long a wait takes at most; without events, how often it rings.
const TICK: Duration = Duration::from_millis(200);

/// Folders, each with whether those below it count too.
pub type Folders = BTreeMap<PathBuf, bool>;

/// A bell over folders.
pub struct Bell {
    rung: Receiver<()>,
    /// Raised when a folder may have come or gone, which a bell hung up before it may not hear.
    loose: Arc<AtomicBool>,
    /// Listens as long as it is there; none where the system can't tell, or not of so many folders.
    watcher: Option<RecommendedWatcher>,
}

impl Bell {
    /// Listens to folders.
    pub fn over(folders: &Folders) -> Self {
        let (ring, rung) = sync_channel(1);
        let loose = Arc::new(AtomicBool::new(false));
        let loosened = Arc::clone(&loose);
        let heard = move |event: notify::Result<notify::Event>| {
            let kind = event.as_ref().map_or(EventKind::Any, |event| event.kind);
            if moves_folders(kind) {
                loosened.store(true, Ordering::Release);
            }
            if !is_a_look(kind) {
                // One ring that waits stands for all.
                let _ = ring.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(heard).and_then(|mut watcher| {
            folders.iter().try_for_each(|(folder, deep)| watch(&mut watcher, folder, *deep))?;
            Ok(watcher)
        });
        Self { rung, loose, watcher: watcher.ok() }
    }

    /// Waits for a while; whether it is time to look.
    pub fn wait(&self) -> bool {
        if self.watcher.is_none() {
            std::thread::sleep(TICK);
            return true;
        }
        match self.rung.recv_timeout(TICK) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(TICK);
                true
            }
        }
    }

    /// Whether it should be hung up anew.
    pub fn is_loose(&self) -> bool {
        self.loose.load(Ordering::Acquire)
    }
}

fn watch(watcher: &mut RecommendedWatcher, folder: &Path, deep: bool) -> notify::Result<()> {
    watcher.watch(folder, if deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive })
}

/// To look at files is no change; or every look would ring again.
fn is_a_look(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

/// Whether a folder may be another one afterwards. Of a file that is replaced, only its name is heard of.
fn moves_folders(kind: EventKind) -> bool {
    match kind {
        EventKind::Create(made) => made != CreateKind::File,
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => true,
        EventKind::Any | EventKind::Other => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, MetadataKind, RemoveKind, RenameMode};

    use super::*;

    #[test]
    fn without_the_systems_notices_it_rings_by_itself() {
        let nowhere = Bell::over(&Folders::from([(PathBuf::from("/nowhere/at/all"), false)]));
        assert!(nowhere.wait() && nowhere.wait() && !nowhere.is_loose());
    }

    #[test]
    fn it_hears_of_files_and_knows_when_folders_move() {
        let folder = tempfile::tempdir().unwrap();
        let bell = Bell::over(&Folders::from([(folder.path().to_path_buf(), false)]));
        assert!(!bell.wait());
        fs_err::write(folder.path().join("a"), "1").unwrap();
        while !bell.wait() {}
        assert!(!bell.is_loose());
        fs_err::create_dir(folder.path().join("b")).unwrap();
        while !bell.is_loose() {
            bell.wait();
        }
    }

    #[test]
    fn looking_is_no_change_and_renaming_may_move_a_folder() {
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let close = |mode| EventKind::Access(AccessKind::Close(mode));
        for (kind, look, moves) in [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), true, false),
            (close(AccessMode::Read), true, false),
            // What was written through a mapping is only told by this.
            (close(AccessMode::Write), false, false),
            (data, false, false),
            (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), false, false),
            (EventKind::Create(CreateKind::File), false, false),
            (EventKind::Create(CreateKind::Folder), false, true),
            (EventKind::Remove(RemoveKind::Folder), false, true),
            (EventKind::Modify(ModifyKind::Name(RenameMode::To)), false, true),
            // Notices were lost.
            (EventKind::Other, false, true),
        ] {
            assert_eq!((is_a_look(kind), moves_folders(kind)), (look, moves), "{kind:?}");
        }
    }
}

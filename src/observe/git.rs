//! What git knows of a project: the commit, read from its files, and whether files differ from it, asked of git.
//!
//! The commit costs a few small reads. Git itself may take long in a large repository, so nobody waits for it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often it is looked whether the run is over.
const LOOK: Duration = Duration::from_millis(10);

/// How long git may take at most,
const LONGEST: Duration = Duration::from_secs(30);

/// and how long once the run is over.
const AFTERWARDS: Duration = Duration::from_millis(100);

/// The commit that is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its hash.
    pub commit: String,
    /// The branch; nothing when none is checked out.
    pub branch: Option<String>,
}

/// The commit that is checked out where a folder is; nothing outside of a repository and before its first commit.
pub fn head(folder: &Path) -> Option<Head> {
    let folder = fs_err::canonicalize(folder).ok()?;
    let own = folder.ancestors().find_map(repository)?;
    let head = fs_err::read_to_string(own.join("HEAD")).ok()?;
    let Some(reference) = head.trim().strip_prefix("ref: ") else {
        return Some(Head { commit: hash(&head)?, branch: None });
    };
    let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference).to_owned();
    Some(Head { commit: commit(&own, reference)?, branch: Some(branch) })
}

/// The folder in which git keeps what belongs to the work tree at a path, where one starts there.
fn repository(path: &Path) -> Option<PathBuf> {
    let place = path.join(".git");
    let kind = std::fs::metadata(&place).ok()?;
    if kind.is_dir() {
        return Some(place);
    }
    // A second work tree or a submodule has its own folder elsewhere.
    let text = fs_err::read_to_string(&place).ok()?;
    Some(path.join(text.trim().strip_prefix("gitdir: ")?))
}

/// The commit of a branch: in a file of its own, or in the list of all.
fn commit(own: &Path, reference: &str) -> Option<String> {
    let common = fs_err::read_to_string(own.join("commondir")).ok();
    let shared = common.map(|path| own.join(path.trim()));
    let folders = || std::iter::once(own).chain(shared.as_deref());
    let alone = folders().find_map(|folder| fs_err::read_to_string(folder.join(reference)).ok());
    if let Some(found) = alone.and_then(|text| hash(&text)) {
        return Some(found);
    }
    let listed = |text: String| {
        let line = text.lines().find_map(|line| line.strip_suffix(reference)?.strip_suffix(' '))?;
        hash(line)
    };
    folders().find_map(|folder| listed(fs_err::read_to_string(folder.join("packed-refs")).ok()?))
}

/// A text that is a commit's hash.
fn hash(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| text.to_owned())
}

/// Git, asked which files differ from the commit.
pub struct Asked {
    child: Child,
    since: Instant,
}

impl Asked {
    /// Asks about the files of a folder; nothing where there is no repository, or no git.
    pub fn about(folder: &Path) -> Option<Self> {
        head(folder)?;
        let mut git = Command::new("git");
        git.args(["--no-optional-locks", "-c", "core.fsmonitor=false", "-C"]).arg(folder);
        git.args(["status", "--porcelain", "--untracked-files=no", "--", "."]);
        git.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Some(Self { child: git.spawn().ok()?, since: Instant::now() })
    }

    /// Waits for how many files differ, until the run has been over for a moment; nothing when git didn't answer.
    pub fn changed(mut self, over: &AtomicBool) -> Option<usize> {
        let text = self.told(over);
        if text.is_none() {
            // It may have ended meanwhile.
            let _ = self.child.kill();
        }
        let ended_well = self.child.wait().is_ok_and(|status| status.success());
        text.filter(|_| ended_well)
            .map(|text| text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count())
    }

    fn told(&mut self, over: &AtomicBool) -> Option<Vec<u8>> {
        let mut pipe = self.child.stdout.take()?;
        let (mut text, mut part, mut end) = (Vec::new(), [0; 4096], None);
        loop {
            if over.load(Ordering::Relaxed) {
                end.get_or_insert_with(|| Instant::now() + AFTERWARDS);
            }
            if self.since.elapsed() > LONGEST || end.is_some_and(|end| Instant::now() > end) {
                return None;
            }
            let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
            if poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&wait)).is_ok_and(|ready| ready > 0) {
                match pipe.read(&mut part).ok()? {
                    0 => return Some(text),
                    read => text.extend_from_slice(&part[..read]),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Head, head};

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn found(commit: &str, branch: Option<&str>) -> Option<Head> {
        Some(Head { commit: commit.to_owned(), branch: branch.map(str::to_owned) })
    }

    #[test]
    fn the_commit_is_found_wherever_git_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(head(folder), None);
        write(folder, ".git/HEAD", "ref: refs/heads/main\n");
        write(folder, "inner/place/file", "");
        assert_eq!(head(&folder.join("inner/place")), None);
        let packed =
            format!("# pack-refs with: peeled\n{TWO} refs/heads/other-main\n{ONE} refs/heads/main\n^{TWO}\n");
        write(folder, ".git/packed-refs", &packed);
        assert_eq!(head(&folder.join("inner/place")), found(ONE, Some("main")));
        write(folder, ".git/refs/heads/main", &format!("{TWO}\n"));
        assert_eq!(head(folder), found(TWO, Some("main")));
        write(folder, ".git/HEAD", &format!("{ONE}\n"));
        assert_eq!(head(folder), found(ONE, None));
        write(folder, ".git/HEAD", "damaged");
        assert_eq!(head(folder), None);
    }

    #[test]
    fn a_second_work_tree_shares_the_branches() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "first/.git/worktrees/second/HEAD", "ref: refs/heads/work\n");
        write(folder, "first/.git/worktrees/second/commondir", "../..\n");
        write(folder, "first/.git/refs/heads/work", ONE);
        write(folder, "second/.git", "gitdir: ../first/.git/worktrees/second\n");
        assert_eq!(head(&folder.join("second")), found(ONE, Some("work")));
    }
}

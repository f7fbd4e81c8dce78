//! A program that runs in a process group of its own: started, waited for, ended with all its children.
//!
//! Does not know what it is for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::stage::{Context, Failure};

/// How much of what a program said a message shows.
const TAIL: usize = 2_000;

/// How often it is asked whether the run goes on.
const LOOK: Duration = Duration::from_millis(20);

/// The process groups that run now.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// How a program ended and what it said last.
pub struct Ended {
    /// Whether it ended well.
    pub ok: bool,
    /// Its exit code or signal in words.
    pub status: String,
    printed: String,
    complained: String,
}

impl Ended {
    /// The last line that it printed, for the terminal.
    pub fn last_line(&self) -> String {
        let mut lines = self.printed.lines().rev().map(str::trim);
        lines.find(|line| !line.is_empty()).unwrap_or("").chars().take(80).collect()
    }

    /// The end of what it complained of, or else printed: behind a message, each line one of its own.
    pub fn said(&self) -> String {
        let text = if self.complained.trim().is_empty() { &self.printed } else { &self.complained };
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        lines.map(|line| format!("\n{line}")).collect()
    }
}

/// Runs a program in a folder to its end, with nothing but these variables, `PATH` and `HOME`. What it
/// prints goes into the file `stdout`, if one is given.
///
/// # Errors
/// When it can't be started, or the run is interrupted: then the program is ended.
pub fn execute(
    words: &[String],
    env: &BTreeMap<String, String>,
    folder: &Path,
    stdout: Option<&Path>,
    ctx: &Context<'_>,
) -> Result<Ended> {
    let path = env.get("PATH").map(Into::into).or_else(|| std::env::var_os("PATH"));
    // The full path lets the system start it without copying this process first.
    let found = path.as_deref().and_then(|path| in_path(&words[0], path));
    let mut program = Command::new(found.as_deref().unwrap_or(Path::new(&words[0])));
    program.arg0(&words[0]).args(&words[1..]).current_dir(folder).env_clear();
    for passed in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(passed) {
            program.env(passed, value);
        }
    }
    program.envs(env).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = program.spawn().map_err(|error| {
        Failure::new(format!("can't start `{}`: {error}", words[0]))
            .hint("is the program installed, and is its name spelled as in a terminal?")
            .at("command")
    })?;
    let file = stdout.map(fs_err::File::create).transpose()?.map(|file| file.into_parts().0);
    let printed = Pipe::new(child.stdout.take().map(Into::into), file)?;
    let complained = Pipe::new(child.stderr.take().map(Into::into), None)?;
    Group::of(child)?.wait(printed, complained, ctx)
}

/// Where a program of that name is found.
fn in_path(name: &str, path: &OsStr) -> Option<PathBuf> {
    if name.contains('/') {
        return None;
    }
    let runs = |file: &PathBuf| {
        file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(runs)
}

/// What comes out of a program: the last of it is kept, all of it goes into a file where there is one.
struct Pipe {
    /// None when it has ended.
    end: Option<File>,
    file: Option<File>,
    tail: VecDeque<u8>,
}

impl Pipe {
    fn new(end: Option<OwnedFd>, file: Option<File>) -> Result<Self> {
        if let Some(end) = &end {
            fcntl_setfl(end, OFlags::NONBLOCK)?;
        }
        Ok(Self { end: end.map(File::from), file, tail: VecDeque::new() })
    }

    /// Takes what has come so far.
    fn drain(&mut self) -> Result<()> {
        let mut block = [0; 16_384];
        while let Some(end) = &mut self.end {
            match end.read(&mut block) {
                Ok(0) => self.end = None,
                Ok(count) => self.take(&block[..count])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).context("can't keep what the program prints")?;
        }
        self.tail.extend(bytes);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        Ok(())
    }

    fn text(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A program with everything that it has started; all of it ends when the value is dropped.
struct Group {
    child: Child,
    pid: Pid,
    ended: OwnedFd,
}

impl Group {
    fn of(child: Child) -> Result<Self> {
        let pid =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a program without a number")?;
        if let Ok(mut groups) = GROUPS.lock() {
            groups.insert(pid.as_raw_nonzero().get());
        }
        let ended = pidfd_open(pid, PidfdFlags::empty()).context("can't wait for the program")?;
        Ok(Self { child, pid, ended })
    }

    /// Waits for the program's end; what it has left running in the background ends with it.
    fn wait(mut self, mut printed: Pipe, mut complained: Pipe, ctx: &Context<'_>) -> Result<Ended> {
        while !self.has_ended(&printed, &complained) {
            ctx.alive()?;
            printed.drain()?;
            complained.drain()?;
        }
        self.kill();
        let status: ExitStatus = self.child.wait().context("can't wait for the program")?;
        printed.drain()?;
        complained.drain()?;
        let (ok, status) = (status.success(), status.to_string());
        Ok(Ended { ok, status, printed: printed.text(), complained: complained.text() })
    }

    /// Waits a short time for something to happen; whether it is the program's end.
    fn has_ended(&self, printed: &Pipe, complained: &Pipe) -> bool {
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
        let mut fds = vec![PollFd::new(&self.ended, PollFlags::IN)];
        let pipes = [printed, complained].into_iter().filter_map(|pipe| pipe.end.as_ref());
        fds.extend(pipes.map(|end| PollFd::new(end, PollFlags::IN)));
        // An interrupted call is tried again.
        let ready = poll(&mut fds, Some(&wait)).is_ok_and(|ready| ready > 0);
        ready && !fds[0].revents().is_empty()
    }

    /// Ends what there still is of the group. Until the program's end has been taken in, its number,
    /// which is the group's, is nobody else's.
    fn kill(&self) {
        // If the group is gone already there is nothing left to end.
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
            let _ = self.child.wait();
        }
        if let Ok(mut groups) = GROUPS.lock() {
            groups.remove(&self.pid.as_raw_nonzero().get());
        }
    }
}

/// Ends all programs at once, because the process is about to end.
pub fn end_all() {
    let groups = GROUPS.lock().map(|groups| groups.clone()).unwrap_or_default();
    for group in groups.into_iter().filter_map(Pid::from_raw) {
        // Whatever is gone already needs no end.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

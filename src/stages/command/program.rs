//! A program that runs in a process group of its own: started, waited for, ended with all its children.
//!
//! Does not know what it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::stage::{Context, Failure};

/// How much of what a program said a message shows.
const TAIL: u64 = 2_000;

/// How often it is asked whether the run goes on.
const LOOK: Duration = Duration::from_millis(20);

/// The process groups that run now.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// How a program ended and where what it said is.
pub struct Ended {
    /// Whether it ended well.
    pub ok: bool,
    /// Its exit code or signal in words.
    pub status: String,
    /// The file with its standard output.
    pub stdout: PathBuf,
    stderr: PathBuf,
}

impl Ended {
    /// The last line that it printed, for the terminal.
    pub fn last_line(&self) -> String {
        let text = tail(&self.stdout);
        text.lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or("")
            .chars()
            .take(80)
            .collect()
    }

    /// The end of what it complained of, or else printed: behind a message, each line one of its own.
    pub fn said(&self) -> String {
        let complaint = tail(&self.stderr);
        let text = if complaint.trim().is_empty() { tail(&self.stdout) } else { complaint };
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        lines.map(|line| format!("\n{line}")).collect()
    }
}

/// The end of a file as text.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs_err::File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(TAIL);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// Runs a program in a folder to its end, with nothing but these variables, `PATH` and `HOME`.
///
/// # Errors
/// When it can't be started, or the run is interrupted: then the program is ended.
pub fn execute(
    words: &[String],
    env: &BTreeMap<String, String>,
    folder: &Path,
    ctx: &Context<'_>,
) -> Result<Ended> {
    let (stdout, stderr) = (ctx.scratch().join("stdout"), ctx.scratch().join("stderr"));
    let mut program = Command::new(&words[0]);
    program.args(&words[1..]).current_dir(folder).env_clear();
    for passed in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(passed) {
            program.env(passed, value);
        }
    }
    let file = |path: &Path| fs_err::File::create(path).map(|file| Stdio::from(file.into_parts().0));
    program.envs(env).stdin(Stdio::null()).stdout(file(&stdout)?).stderr(file(&stderr)?);
    let child = program.process_group(0).spawn().map_err(|error| {
        Failure::new(format!("can't start `{}`: {error}", words[0]))
            .hint("is the program installed, and is its name spelled as in a terminal?")
            .at("command")
    })?;
    let status = Group::of(child)?.wait(ctx)?;
    Ok(Ended { ok: status.success(), status: status.to_string(), stdout, stderr })
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
    fn wait(mut self, ctx: &Context<'_>) -> Result<ExitStatus> {
        while !self.has_ended() {
            ctx.alive()?;
        }
        self.kill();
        self.child.wait().context("can't wait for the program")
    }

    /// Whether it ends within a short time.
    fn has_ended(&self) -> bool {
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
        let mut fds = [PollFd::new(&self.ended, PollFlags::IN)];
        // An interrupted call is tried again.
        poll(&mut fds, Some(&wait)).is_ok_and(|ready| ready > 0)
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

//! The guard: a process of custem's own that ends programs when custem itself has been killed.
//!
//! It holds one end of a pipe and is told of each program that starts and ends. When the other end is
//! closed, however custem came to its end, the guard kills the process groups that are still there and
//! ends as well. It is started with the first program, and there is none without one.
//!
//! A program is announced before it starts, by the folder that it starts in, and its number is told
//! right after. If custem is killed between the two, the guard looks for who works in that folder. What
//! escapes it is a program that hasn't even changed to its folder [`LOOKS`] looks after custem's end.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpgid, getppid, kill_process, kill_process_group, pidfd_open,
};

/// The word that makes custem's binary a guard.
pub const WORD: &str = "__guard";

/// News that come within this time are taken in at once.
const LULL: Duration = Duration::from_millis(10);

/// How often the guard looks for a program that has only been announced, [`PAUSE`] apart.
const LOOKS: usize = 5;
const PAUSE: Duration = Duration::from_millis(3);

/// How long the end of a run may take because of the guard's.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Whether programs are guarded.
enum State {
    /// Nobody has said that this binary can be a guard.
    Off,
    /// The first program will start one.
    Ready,
    Up(Guard),
    /// It didn't start or is gone, for this reason.
    Failed(String),
}

static STATE: Mutex<State> = Mutex::new(State::Off);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Says that this binary becomes a guard when it is called with [`WORD`].
pub fn arm() {
    *state() = State::Ready;
}

/// Lets the guard go at the end of a run; why there was none, where there should have been one.
pub fn let_go() -> Option<String> {
    let before = {
        let mut state = state();
        let after = if matches!(*state, State::Off) { State::Off } else { State::Ready };
        std::mem::replace(&mut *state, after)
    };
    match before {
        State::Up(guard) => guard.end(),
        State::Failed(reason) => Some(reason),
        State::Off | State::Ready => None,
    }
}

/// A program by the folder that it starts in: file system and inode, which no two running ones share.
pub struct Place {
    name: Option<(u64, u64)>,
}

impl Place {
    /// Announces that a program is about to start in a folder.
    pub fn announce(folder: &Path) -> Self {
        let name = std::fs::metadata(folder).ok().map(|meta| (meta.dev(), meta.ino()));
        if let Some((device, inode)) = name {
            tell(format_args!("? {device} {inode}\n"));
        }
        Self { name }
    }

    /// It runs, under this number.
    pub fn started(&self, pid: Pid) {
        if let Some((device, inode)) = self.name {
            tell(format_args!("+ {device} {inode} {}\n", pid.as_raw_nonzero()));
        }
    }

    /// It is over. To be called while its number can't be anybody else's yet.
    pub fn over(&mut self) {
        if let Some((device, inode)) = self.name.take() {
            tell(format_args!("- {device} {inode}\n"));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.over();
    }
}

/// Tells the guard, which is started when it is first told something.
fn tell(news: std::fmt::Arguments<'_>) {
    let mut state = state();
    if matches!(*state, State::Ready) {
        *state = Guard::start().map_or_else(|error| failed(&error), State::Up);
    }
    if let State::Up(guard) = &mut *state
        && let Err(error) = guard.pipe.write_all(news.to_string().as_bytes())
        && let State::Up(guard) = std::mem::replace(&mut *state, failed(&error))
        && let Some(reason) = guard.end()
    {
        *state = State::Failed(reason);
    }
}

fn failed(error: &impl Display) -> State {
    State::Failed(error.to_string())
}

/// A guard as custem sees it.
struct Guard {
    child: Child,
    pipe: ChildStdin,
}

impl Guard {
    /// Starts one: in a process group of its own, so that Ctrl-C doesn't end it, and with nothing open that
    /// somebody could be waiting for.
    fn start() -> Result<Self> {
        let mut child = Command::new(binary()?)
            .arg0("custem")
            .arg(WORD)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let Some(pipe) = child.stdin.take() else { bail!("there is no pipe to it") };
        // One that doesn't listen any more must not hold the run.
        fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        Ok(Self { child, pipe })
    }

    /// Closes the pipe, which ends it; what was wrong with it.
    fn end(mut self) -> Option<String> {
        drop(self.pipe);
        let ended = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).ok()?;
        // If it takes longer, nobody waits for it.
        let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&PATIENCE));
        let status = self.child.try_wait().ok()??;
        (!status.success()).then(|| format!("the guard ended with {status}"))
    }
}

/// This binary: the very one that runs, also when the file has been replaced meanwhile.
fn binary() -> Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(running.to_path_buf());
    }
    std::env::current_exe().context("this binary can't be found")
}

/// Is the guard: listens until custem is gone, and ends what it has left running.
pub fn watch() -> ExitCode {
    // Only the end of custem ends it. Where the signals can't be caught they end it early, as any process.
    let _ = ctrlc::set_handler(|| {});
    let mut news = Vec::new();
    let mut programs = Programs::default();
    let mut block = vec![0; 1 << 16];
    loop {
        match std::io::stdin().lock().read(&mut block) {
            Ok(0) => break,
            Ok(count) => news.extend_from_slice(&block[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        }
        let whole = news.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = news.split_off(whole);
        String::from_utf8_lossy(&std::mem::replace(&mut news, rest))
            .lines()
            .for_each(|line| programs.take(line));
        std::thread::sleep(LULL);
    }
    // What custem leaves behind goes to the same process as the guard itself.
    programs.end(&|pid| parent_of(pid) == getppid());
    ExitCode::SUCCESS
}

/// The programs that the guard knows of, by their folders; those that have only been announced have no number.
#[derive(Default)]
struct Programs {
    running: HashMap<(u64, u64), Option<i32>>,
}

impl Programs {
    fn take(&mut self, line: &str) {
        let mut words = line.split(' ');
        let what = words.next();
        let mut number = || words.next()?.parse().ok();
        let (Some(device), Some(inode)) = (number(), number()) else { return };
        match what {
            Some("?") => drop(self.running.insert((device, inode), None)),
            Some("+") => {
                let group = number().and_then(|group| i32::try_from(group).ok());
                self.running.insert((device, inode), group);
            }
            _ => drop(self.running.remove(&(device, inode))),
        }
    }

    /// Kills them all; `ours` are the processes that custem may have started. A folder that is gone may have
    /// left its place to another one, where somebody else works.
    fn end(self, ours: &dyn Fn(Pid) -> bool) {
        #[expect(clippy::disallowed_methods, reason = "all are ended, in any order")]
        for group in self.running.values().flatten().copied().filter_map(Pid::from_raw) {
            // Whatever is gone already needs no end.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let mut announced = self.running;
        announced.retain(|_, group| group.is_none());
        for look in 0..LOOKS {
            if announced.is_empty() {
                return;
            }
            if look > 0 {
                std::thread::sleep(PAUSE);
            }
            for pid in working_in(&announced).into_iter().filter(|pid| ours(*pid)) {
                end_group_of(pid);
            }
        }
    }
}

/// The processes that work in one of these folders.
fn working_in(folders: &HashMap<(u64, u64), Option<i32>>) -> Vec<Pid> {
    let processes = fs_err::read_dir("/proc").into_iter().flatten().flatten();
    let found = processes.filter_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let meta = std::fs::metadata(process.path().join("cwd")).ok()?;
        folders.contains_key(&(meta.dev(), meta.ino())).then(|| Pid::from_raw(pid))?
    });
    found.collect()
}

/// The process that another one belongs to.
fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs_err::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // Behind the name, which stands in brackets and may have any letters: the state, then the parent.
    let (_, fields) = stat.rsplit_once(')')?;
    Pid::from_raw(fields.split_whitespace().nth(1)?.parse().ok()?)
}

/// Kills a process, with its group where it leads one.
fn end_group_of(pid: Pid) {
    let _ = match getpgid(Some(pid)) {
        Ok(group) if group == pid => kill_process_group(pid, Signal::KILL),
        _ => kill_process(pid, Signal::KILL),
    };
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::path::Path;
    use std::process::{Child, Command};

    use rustix::process::{getpid, getppid};

    use super::{Programs, parent_of};

    fn sleeper(folder: &Path) -> (Child, String) {
        let child = Command::new("sleep").arg("1000").current_dir(folder).process_group(0).spawn().unwrap();
        let meta = folder.metadata().unwrap();
        (child, format!("{} {}", meta.dev(), meta.ino()))
    }

    fn signal(mut child: Child) -> Option<i32> {
        child.wait().unwrap().signal()
    }

    #[test]
    fn programs_that_are_known_or_only_announced_are_ended_and_others_are_not() {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [(known, known_at), (mut announced, announced_at), (mut over, over_at)] =
            folders.each_ref().map(|folder| sleeper(folder.path()));
        // Somebody else works where a folder of ours has been.
        let mut elsewhere = Programs::default();
        elsewhere.take(&format!("? {announced_at}"));
        elsewhere.end(&|pid| parent_of(pid) == getppid());
        assert!(announced.try_wait().unwrap().is_none());
        let mut programs = Programs::default();
        for line in [
            format!("? {known_at}"),
            format!("? {over_at}"),
            format!("+ {known_at} {}", known.id()),
            format!("+ {over_at} {}", over.id()),
            format!("? {announced_at}"),
            format!("- {over_at}"),
            "nonsense".to_owned(),
        ] {
            programs.take(&line);
        }
        programs.end(&|pid| parent_of(pid) == Some(getpid()));
        assert_eq!((signal(known), signal(announced)), (Some(9), Some(9)));
        assert!(over.try_wait().unwrap().is_none());
        over.kill().unwrap();
        over.wait().unwrap();
    }
}

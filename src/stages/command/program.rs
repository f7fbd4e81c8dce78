//! A program that runs in a process group of its own: started, waited for, ended with all its children.
//!
//! Does not know what it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use wait4::{ResUse, Wait4};

use super::guard::Place;
use super::named::Named;
use super::printed::Printed;
use super::secrets::Secrets;
use crate::stage::{Context, Failure, Stream, Usage, Used};

/// How often it is asked whether the run goes on.
const LOOK: Duration = Duration::from_millis(20);

/// The process groups that run now.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A program and what it is given.
pub struct Program<'a> {
    /// Its name and arguments.
    pub words: &'a [String],
    /// Its environment, besides `PATH`, `HOME` and the secrets.
    pub env: &'a Named<String>,
    /// Variables whose values nobody else may see.
    pub secrets: &'a Secrets,
    /// The folder that it starts in.
    pub folder: &'a Path,
    /// The file that takes what it prints, if one does.
    pub stdout: Option<&'a Path>,
}

/// How a program ended and what it said last.
pub struct Ended {
    /// Whether it ended well.
    pub ok: bool,
    /// Its exit code or signal in words.
    pub status: String,
    /// What it took of the machine.
    pub usage: Usage,
    printed: String,
    complained: String,
}

impl Ended {
    /// The last line that it printed, for the terminal.
    pub fn last_line(&self) -> String {
        let mut lines = self.printed.lines().rev().map(str::trim);
        lines.find(|line| !line.is_empty()).unwrap_or("").chars().take(80).collect()
    }

    /// The end of what it said: behind a message, each line one of its own. Where it said something on
    /// both streams, each has its name above.
    pub fn said(&self) -> String {
        let (printed, complained) = (behind(&self.printed), behind(&self.complained));
        if printed.is_empty() || complained.is_empty() {
            return printed + &complained;
        }
        format!("\nstandard output:{printed}\nstandard error:{complained}")
    }
}

/// The lines of a text that say something, each on a line of its own.
fn behind(text: &str) -> String {
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    lines.map(|line| format!("\n{line}")).collect()
}

impl Program<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    /// When it can't be started, or the run is interrupted: then the program is ended.
    pub fn run(&self, ctx: &Context<'_>) -> Result<Ended> {
        let file = self.stdout.map(fs_err::File::create).transpose()?.map(|file| file.into_parts().0);
        let mut group = self.start()?;
        let (out, err) = group.streams();
        let told = |stream| move |text: &str| ctx.output(stream, text);
        let (told_out, told_err) = (told(Stream::Stdout), told(Stream::Stderr));
        let printed = Printed::new(out, file, self.secrets.mask(), &told_out)?;
        let complained = Printed::new(err, None, self.secrets.mask(), &told_err)?;
        group.wait(printed, complained, ctx)
    }

    fn start(&self) -> Result<Group> {
        let (name, arguments) = self.words.split_first().context("a command has no words")?;
        let path = self.env.get("PATH").map(Into::into).or_else(|| std::env::var_os("PATH"));
        // The full path lets the system start it without copying this process first.
        let found = path.as_deref().and_then(|path| in_path(name, path));
        let mut program = Command::new(found.as_deref().unwrap_or(Path::new(name)));
        program.arg0(name).args(arguments).current_dir(self.folder).env_clear();
        for passed in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(passed) {
                program.env(passed, value);
            }
        }
        program.envs(self.env).envs(self.secrets.variables.iter().map(|(name, value)| (name, value)));
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let place = Place::announce(self.folder);
        let child = program.spawn().map_err(|error| {
            Failure::new(format!("can't start `{name}`: {error}"))
                .hint("is the program installed, and is its name spelled as in a terminal?")
                .at("command")
        })?;
        Ok(Group::of(child, place))
    }
}

/// Where programs were found a short time ago, by name and search path.
static FOUND: Mutex<BTreeMap<(String, OsString), (Instant, PathBuf)>> = Mutex::new(BTreeMap::new());

/// For so long nobody looks whether another program of the name has come before the one that was found.
const FRESH: Duration = Duration::from_secs(1);

/// Where a program of that name is found.
fn in_path(name: &str, path: &OsStr) -> Option<PathBuf> {
    if name.contains('/') {
        return None;
    }
    let key = (name.to_owned(), path.to_owned());
    let known = FOUND.lock().ok().and_then(|found| found.get(&key).cloned());
    if let Some((_, file)) = known.filter(|(when, file)| when.elapsed() < FRESH && runs(file)) {
        return Some(file);
    }
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    let file = folders.map(|folder| folder.join(name)).find(runs)?;
    if let Ok(mut found) = FOUND.lock() {
        found.insert(key, (Instant::now(), file.clone()));
    }
    Some(file)
}

fn runs(file: &PathBuf) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A program with everything that it has started; all of it ends when the value is dropped.
struct Group {
    child: Child,
    pid: Pid,
    place: Place,
    ended: bool,
}

impl Group {
    fn of(child: Child, place: Place) -> Self {
        let pid = Pid::from_child(&child);
        place.started(pid);
        if let Ok(mut groups) = GROUPS.lock() {
            groups.insert(pid.as_raw_nonzero().get());
        }
        Self { child, pid, place, ended: false }
    }

    /// Standard output and standard error.
    fn streams(&mut self) -> (Option<OwnedFd>, Option<OwnedFd>) {
        (self.child.stdout.take().map(Into::into), self.child.stderr.take().map(Into::into))
    }

    /// Waits for the program's end; what it has left running in the background ends with it.
    fn wait(
        mut self,
        mut printed: Printed<'_>,
        mut complained: Printed<'_>,
        ctx: &Context<'_>,
    ) -> Result<Ended> {
        let end = pidfd_open(self.pid, PidfdFlags::empty()).context("can't wait for the program")?;
        while !has_ended(&end, &printed, &complained) {
            ctx.alive()?;
            printed.drain()?;
            complained.drain()?;
        }
        self.kill();
        let ResUse { status, rusage } = self.child.wait4().context("can't wait for the program")?;
        let cpu_seconds = (rusage.utime + rusage.stime).as_secs_f64();
        let usage = Usage { of: Used::Program, cpu_seconds, peak_memory: rusage.maxrss, beside: 0 };
        let (printed, complained) = (printed.finish()?, complained.finish()?);
        Ok(Ended { ok: status.success(), status: status.to_string(), usage, printed, complained })
    }

    /// Ends what there still is of the group. Until the program's end has been taken in, its number,
    /// which is the group's, is nobody else's.
    fn kill(&mut self) {
        // If the group is gone already there is nothing left to end.
        let _ = kill_process_group(self.pid, Signal::KILL);
        if let Ok(mut groups) = GROUPS.lock() {
            groups.remove(&self.pid.as_raw_nonzero().get());
        }
        self.place.over();
        self.ended = true;
    }
}

/// Waits a short time for something to happen; whether it is the program's end.
fn has_ended(end: &OwnedFd, printed: &Printed<'_>, complained: &Printed<'_>) -> bool {
    let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
    let mut fds = vec![PollFd::new(end, PollFlags::IN)];
    let pipes = [printed, complained].into_iter().filter_map(|pipe| pipe.end.as_ref());
    fds.extend(pipes.map(|end| PollFd::new(end, PollFlags::IN)));
    // An interrupted call is tried again.
    let ready = poll(&mut fds, Some(&wait)).is_ok_and(|ready| ready > 0);
    ready && !fds[0].revents().is_empty()
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
            let _ = self.child.wait();
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::in_path;

    fn program(path: &Path) {
        fs_err::write(path, "#!/bin/sh\n").unwrap();
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_program_is_the_first_of_its_name_also_when_one_has_gone() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let path = std::env::join_paths([one.path(), two.path()]).unwrap();
        assert_eq!(in_path("tool", &path), None);
        program(&two.path().join("tool"));
        assert_eq!(in_path("tool", &path), Some(two.path().join("tool")));
        fs_err::remove_file(two.path().join("tool")).unwrap();
        program(&one.path().join("tool"));
        assert_eq!(in_path("tool", &path), Some(one.path().join("tool")));
        assert_eq!(in_path("tool", two.path().as_os_str()), None);
        assert_eq!(in_path("./tool", &path), None);
    }
}

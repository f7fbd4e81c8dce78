//! `watch`: a wave for every change that matters, and none for others, told line by line by a real process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{fs, thread};

use crate::project::{Project, binary, events, text};

/// So long may a wave take on a machine under load.
const LONG: Duration = Duration::from_secs(30);

/// A running `custem watch`.
struct Watch {
    child: Child,
    lines: Receiver<String>,
    out: Option<Mutex<BufReader<ChildStdout>>>,
}

impl Watch {
    fn start(project: &Project, args: &[&str]) -> Self {
        Self::of(project, args[0], &args[1..])
    }

    fn of(project: &Project, file: &str, args: &[&str]) -> Self {
        let mut command = binary();
        command.current_dir(project.path("")).args(["watch", file]).args(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let said = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let out = Some(Mutex::new(BufReader::new(child.stdout.take().unwrap())));
        let watch = Self { child, lines, out };
        assert_eq!(watch.line(), format!("watching {file}; Ctrl-C ends it"));
        watch
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(LONG).unwrap()
    }

    /// The next wave's line without its times: `1 ran, 1 from cache   b`.
    fn wave(&self) -> String {
        let line = self.line();
        let (time, rest) = line.split_once("  ").unwrap();
        assert!(time.len() == 8 && time.matches(':').count() == 2, "{line}");
        let (counts, stages) = rest.split_once("   ").unwrap_or((rest, ""));
        let (counts, took) = counts.rsplit_once(", ").unwrap();
        assert!(took.ends_with(" s"), "{line}");
        if stages.is_empty() { counts.to_owned() } else { format!("{counts}   {stages}") }
    }

    /// Whether the next line on standard output is the end of a stage.
    fn told(&self, stage: &str) -> bool {
        let mut line = String::new();
        self.out.as_ref().unwrap().lock().unwrap().read_line(&mut line).unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        event["event"] == "stage_done" && event["stage"] == stage
    }

    fn quiet(&self) {
        let more = self.lines.recv_timeout(Duration::from_millis(700));
        assert_eq!(more, Err(RecvTimeoutError::Timeout));
    }

    /// Ctrl-C; the exit code and what stood on standard output.
    fn end(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let output = loop {
            match self.lines.recv_timeout(LONG) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("it doesn't end"),
            }
        };
        let mut out = String::new();
        self.out.as_ref().unwrap().lock().unwrap().read_to_string(&mut out).unwrap();
        (output.code(), out)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

const PIPELINE: &str = "extends = \"base.toml\"\n\n[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"cat one.txt parts/*.txt\"]\nfiles = [\"one.txt\", \"parts/*.txt\"]\n";
const BASE: &str = "[stages.b]\nkind = \"command\"\ncommand = [\"wc\", \"-l\", \"{inputs.rows}\"]\ninputs = { rows = \"a\" }\nsave = \"out/b.txt\"\n";

fn project() -> Project {
    let project = Project::with(PIPELINE);
    project.write("base.toml", BASE);
    project.write("one.txt", "1\n");
    project.write("parts/a.txt", "2\n");
    project
}

#[test]
fn every_change_that_matters_is_a_wave() {
    let project = project();
    let watch = Watch::start(&project, &["p.toml"]);
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    assert!(project.read("out/b.txt").starts_with("2 "));
    watch.quiet();
    // A source; the same number of lines stops at `b`, whose input differs.
    project.write("one.txt", "1\n1\n");
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    // A new file that a pattern matches.
    project.write("parts/b.txt", "3\n");
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    assert!(project.read("out/b.txt").starts_with("4 "));
    fs::remove_file(project.path("parts/b.txt")).unwrap();
    assert_eq!(watch.wave(), "0 ran, 2 from cache");
    // The pipeline below, then the pipeline itself, replaced as editors do.
    project.write("base.toml", BASE.replace("-l", "-c"));
    assert_eq!(watch.wave(), "1 ran, 1 from cache   b");
    project.write("p.toml.new", PIPELINE.replace("cat one.txt", "cat one.txt one.txt"));
    fs::rename(project.path("p.toml.new"), project.path("p.toml")).unwrap();
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    // What has nothing to do with it.
    project.write("other.txt", "x");
    project.write("parts/notes.md", "x");
    watch.quiet();
    // A saved file is put back, and the edit that stood there is kept.
    project.write("out/b.txt", "mine");
    assert_eq!(watch.line(), "  b: saved out/b.txt; the file that stood there is now out/b.txt~");
    assert_eq!(watch.wave(), "0 ran, 2 from cache");
    fs::remove_dir_all(project.path("out")).unwrap();
    assert_eq!(watch.wave(), "0 ran, 2 from cache");
    assert!(project.read("out/b.txt").starts_with("10 "));
    watch.quiet();
    assert_eq!(watch.end(), (Some(130), String::new()));
    assert_eq!(project.custem(&["runs", "list", "--json"]).out.lines().count(), 8);
}

/// However long the writing takes, what comes in a row doesn't start a wave each.
#[test]
fn changes_in_a_row_are_few_waves() {
    let project = project();
    let watch = Watch::start(&project, &["p.toml"]);
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    for at in 0..100 {
        project.write("one.txt", format!("{at}\n"));
        project.write(&format!("parts/{at:02}.txt"), "x\n");
    }
    let mut waves = 0;
    while waves == 0 || !project.read("out/b.txt").starts_with("102 ") {
        assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
        waves += 1;
    }
    assert!(waves < 20, "{waves}");
    watch.quiet();
    assert_eq!(watch.end().0, Some(130));
}

/// A stage that says that it has started by making `{root}/started`, and goes on once there is `{root}/go`.
fn held(project: &Project) -> String {
    let root = project.path("");
    format!("touch {root}/started; until test -e {root}/go; do sleep 0.01; done", root = root.display())
}

fn wait_for(project: &Project, name: &str) {
    let start = std::time::Instant::now();
    while !project.path(name).exists() {
        assert!(start.elapsed() < LONG, "{name} doesn't come");
        thread::yield_now();
    }
}

#[test]
fn a_change_while_it_runs_is_another_wave() {
    let project = project();
    project.write("p.toml", PIPELINE.replace("cat one", &format!("{}; cat one", held(&project))));
    project.write("out/b.txt", "");
    let watch = Watch::start(&project, &["p.toml"]);
    wait_for(&project, "started");
    project.write("parts/b.txt", "3\n");
    project.write("go", "");
    // The file that stood where it saves is nobody's of its own.
    assert!(watch.line().ends_with("; the file that stood there is now out/b.txt~"));
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    assert!(project.read("out/b.txt").starts_with("3 "));
    watch.quiet();
}

/// The run goes on for a while after it has saved a file; an edit of it then isn't taken for its own.
#[test]
fn an_edit_of_a_saved_file_while_it_runs_is_another_wave() {
    let project = Project::new();
    let late = format!("{}; cat early.txt", held(&project));
    project.write("early.txt", "1\n");
    project.write(
        "p.toml",
        format!(
            "[stages.early]\nkind = \"command\"\ncommand = [\"echo\", \"made\"]\nsave = \"out/early.txt\"\n\n[stages.late]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"{late}\"]\nfiles = [\"early.txt\"]\n"
        ),
    );
    let watch = Watch::start(&project, &["p.toml", "--json"]);
    wait_for(&project, "started");
    wait_for(&project, "out/early.txt");
    // The stage's end is told right after its file is there.
    while !watch.told("early") {}
    project.write("out/early.txt", "mine");
    project.write("go", "");
    let mut waves = vec![watch.wave()];
    assert!(watch.line().ends_with("; the file that stood there is now out/early.txt~"));
    waves.push(watch.wave());
    assert_eq!(waves, ["2 ran, 0 from cache   early, late", "0 ran, 2 from cache"]);
    assert_eq!(project.read("out/early.txt"), "made\n");
    watch.quiet();
}

#[test]
fn folders_come_and_go() {
    let project = project();
    let own = PIPELINE.replace("cat one.txt parts/*.txt", "cat one.txt $(find in -type f | sort)");
    project.write("p.toml", own.replace("\"parts/*.txt\"", "\"in/parts/**/*.txt\""));
    project.write("in/parts/a.txt", "2\n");
    let watch = Watch::start(&project, &["p.toml"]);
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    // The folder above the one that is watched goes, and comes back.
    fs::rename(project.path("in"), project.path("elsewhere")).unwrap();
    assert_eq!(watch.wave(), "0 ran, 0 from cache, 1 failed, 1 skipped");
    assert_eq!(watch.line(), "error: stage `a` failed: no file matches `in/parts/**/*.txt`");
    while !watch.line().starts_with("hint: ") {}
    fs::rename(project.path("elsewhere"), project.path("in")).unwrap();
    assert_eq!(watch.wave(), "0 ran, 2 from cache");
    // New folders, and files in them later.
    fs::create_dir_all(project.path("in/parts/x/y")).unwrap();
    watch.quiet();
    project.write("in/parts/x/y/b.txt", "3\n");
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    // One that was empty is replaced by another one.
    fs::create_dir(project.path("in/parts/z")).unwrap();
    watch.quiet();
    fs::remove_dir(project.path("in/parts/z")).unwrap();
    fs::create_dir(project.path("in/parts/z")).unwrap();
    watch.quiet();
    project.write("in/parts/z/c.txt", "4\n");
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    assert!(project.read("out/b.txt").starts_with("4 "));
    fs::remove_dir_all(project.path("in")).unwrap();
    assert_eq!(watch.wave(), "0 ran, 0 from cache, 1 failed, 1 skipped");
    assert_eq!(watch.end().0, Some(130));
}

/// A pattern that takes in what every run leaves behind would never come to rest.
#[test]
fn records_of_runs_are_not_waited_on() {
    let project = project();
    project.write("p.toml", PIPELINE.replace("\"parts/*.txt\"", "\"parts/*.txt\", \"**/*.toml\""));
    let watch = Watch::start(&project, &["p.toml"]);
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    watch.quiet();
    project.write("parts/new.toml", "");
    assert!(watch.wave().ends_with("   a"));
    watch.quiet();
}

/// A pipeline in a folder that is taken away and put back, as a checkout of another branch does.
#[test]
fn the_folder_of_the_pipeline_may_go() {
    let project = project();
    project.write("plans/p.toml", "extends = \"../p.toml\"\n");
    let watch = Watch::of(&project, "plans/p.toml", &[]);
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    fs::rename(project.path("plans"), project.path("away")).unwrap();
    assert!(watch.line().ends_with("  waiting for plans/p.toml to be mended"));
    assert_eq!(watch.line(), "error: there is no file `plans/p.toml`");
    assert!(watch.line().starts_with("hint: "));
    fs::rename(project.path("away"), project.path("plans")).unwrap();
    assert_eq!(watch.wave(), "0 ran, 2 from cache");
    // Another file below it, which is watched from then on.
    project.write("other.toml", PIPELINE.replace("cat one", "cat one.txt one"));
    project.write("plans/p.toml", "extends = \"../other.toml\"\n");
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    project.write("other.toml", PIPELINE);
    assert_eq!(watch.wave(), "0 ran, 2 from cache");
    project.write("p.toml", "nothing any more");
    watch.quiet();
    assert_eq!(watch.end().0, Some(130));
}

#[test]
fn a_broken_pipeline_and_a_failed_stage_are_told_and_waited_on() {
    let project = project();
    let watch = Watch::start(&project, &["p.toml"]);
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    project.write("p.toml", PIPELINE.replace("files =", "file ="));
    assert!(watch.line().ends_with("  waiting for p.toml to be mended"));
    assert_eq!(watch.line(), "error: unknown key `file` in stage `a`");
    assert_eq!(watch.line(), " --> p.toml:6:1");
    let rest: Vec<_> = (0..6).map(|_| watch.line()).collect();
    assert_eq!(rest[5], "1 error", "{rest:?}");
    // Below it, a file that isn't there any more, and comes back.
    fs::rename(project.path("base.toml"), project.path("elsewhere.toml")).unwrap();
    project.write("p.toml", PIPELINE);
    assert!(watch.line().ends_with("  waiting for p.toml to be mended"));
    assert_eq!(watch.line(), "error: there is no file `base.toml`");
    while watch.line() != "1 error" {}
    fs::rename(project.path("elsewhere.toml"), project.path("base.toml")).unwrap();
    assert_eq!(watch.wave(), "0 ran, 2 from cache");
    // A source that isn't there fails its stage.
    fs::remove_file(project.path("one.txt")).unwrap();
    assert_eq!(watch.wave(), "0 ran, 0 from cache, 1 failed, 1 skipped");
    assert_eq!(watch.line(), "error: stage `a` failed: there is no file `one.txt`");
    while !watch.line().starts_with("hint: ") {}
    project.write("one.txt", "1\n");
    assert_eq!(watch.wave(), "0 ran, 2 from cache");
    watch.quiet();
    assert_eq!(watch.end().0, Some(130));
}

#[test]
fn it_takes_the_flags_of_run() {
    let project = project();
    let watch =
        Watch::start(&project, &["p.toml", "--until", "a", "--json", "--set", "a.env.X=\"1\"", "-j", "1"]);
    assert_eq!(watch.wave(), "1 ran, 0 from cache   a");
    // Only what is wanted is waited on.
    project.write("out/b.txt", "mine");
    watch.quiet();
    project.write("one.txt", "3\n");
    assert_eq!(watch.wave(), "1 ran, 0 from cache   a");
    let (code, out) = watch.end();
    assert_eq!(code, Some(130));
    let ends: Vec<_> = events(&out).into_iter().filter(|event| event["event"] == "run_done").collect();
    assert_eq!(ends.len(), 2, "{out}");
    assert!(ends.iter().all(|end| end["ok"] == true && text(end, "run").starts_with("000")), "{ends:?}");
}

#[test]
fn ctrl_c_ends_a_run_too() {
    let project = Project::new();
    let command = format!("{}; sleep 60", held(&project));
    project.write(
        "p.toml",
        format!("[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"{command}\"]\n"),
    );
    let watch = Watch::start(&project, &["p.toml"]);
    wait_for(&project, "started");
    assert_eq!(watch.end().0, Some(130));
    assert_eq!(
        project.custem(&["runs", "list", "--json"]).out.matches("\"status\":\"interrupted\"").count(),
        1
    );
}

/// As `custem watch --json | head -1` does.
#[test]
fn it_ends_where_nobody_listens_any_more() {
    let project = project();
    let mut watch = Watch::start(&project, &["p.toml", "--json"]);
    assert_eq!(watch.wave(), "2 ran, 0 from cache   a, b");
    watch.out = None;
    project.write("one.txt", "3\n");
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_pipeline_that_is_not_there_is_refused() {
    let ran = Project::new().custem(&["watch", "nowhere.toml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with("error: there is no file `nowhere.toml`\n"), "{}", ran.err);
}

//! A temporary project and the real binary run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

/// A project in a folder of its own, removed at the end.
pub struct Project {
    folder: tempfile::TempDir,
}

/// What a command left behind.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Project {
    /// An empty project.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A project with one pipeline, `p.toml`.
    pub fn with(pipeline: &str) -> Self {
        let project = Self::new();
        project.write("p.toml", pipeline);
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs custem in the project's folder.
    pub fn custem(&self, args: &[&str]) -> Ran {
        self.custem_with(args, &[])
    }

    /// Runs custem in the project's folder, with some environment variables.
    pub fn custem_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
        let env = env.iter().copied();
        ran(binary().current_dir(self.folder.path()).args(args).envs(env).output().unwrap())
    }

    /// Runs git in the project's folder, as somebody.
    pub fn git(&self, args: &[&str]) {
        let somebody =
            ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"];
        let mut git = Command::new("git");
        git.current_dir(self.folder.path()).args(somebody).args(args);
        assert!(git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap().status.success(), "git {args:?}");
    }

    /// The log of a run.
    pub fn log(&self, run: &str) -> String {
        let name = match run {
            "last" => self.read("experiments/last").trim().to_owned(),
            other => other.to_owned(),
        };
        self.read(&format!("experiments/logs/{name}.jsonl"))
    }

    /// Runs `p.toml` and gives what became of each stage, sorted: `features ran`.
    pub fn run(&self, args: &[&str]) -> Vec<String> {
        let ran = self.custem(&[&["run", "p.toml", "--json"], args].concat());
        let mut ends: Vec<_> = events(&ran.out)
            .iter()
            .filter(|event| event["event"] == "stage_done")
            .map(|event| format!("{} {}", text(event, "stage"), text(event, "outcome")))
            .collect();
        assert!(!ends.is_empty(), "{}{}", ran.out, ran.err);
        ends.sort();
        ends
    }

    /// The stages that ran, sorted.
    pub fn what_ran(&self, args: &[&str]) -> Vec<String> {
        let ran = |end: &String| end.strip_suffix(" ran").map(str::to_owned);
        self.run(args).iter().filter_map(ran).collect()
    }

    /// Every file under a folder with its bytes, sorted by name.
    pub fn files(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.path(folder), &mut found);
        found.sort();
        found
    }
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), found);
        } else {
            // A run that goes on may have taken a file away meanwhile.
            match fs::read(entry.path()) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                bytes => found.push((entry.path(), bytes.unwrap())),
            }
        }
    }
}

/// The binary under test.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_custem"));
    command.env("NO_COLOR", "1");
    command
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The events of `run --json`.
pub fn events(out: &str) -> Vec<Json> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn text<'a>(event: &'a Json, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_default()
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

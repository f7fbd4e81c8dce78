//! Projects that share a remote cache, and what became of their stages.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::TWO;
use crate::project::{Project, events};

/// A folder with a remote cache, and projects beside it.
pub struct Team {
    pub folder: tempfile::TempDir,
    pub url: String,
}

impl Team {
    /// One that shares through a folder, given by its path from a project.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("shared").display().to_string();
        Self { folder, url }
    }

    pub fn with(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::new() }
    }

    /// A project with the pipeline that all share.
    pub fn project(&self) -> Project {
        self.project_with("")
    }

    pub fn project_with(&self, keys: &str) -> Project {
        let marks = self.folder.path().join("marks").display().to_string();
        let pipeline = TWO.replace("@MARKS@", &marks);
        Project::with(&format!("[remote]\nurl = \"{}\"\n{keys}{pipeline}", self.url))
    }

    /// Which stages were computed so far, by whomever.
    pub fn computed(&self) -> String {
        let marks = fs::read_to_string(self.folder.path().join("marks")).unwrap_or_default();
        marks.lines().collect()
    }

    pub fn shared(&self) -> PathBuf {
        self.folder.path().join("shared/custem-1")
    }

    /// Every file in the remote cache.
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.shared().join(folder), &mut found);
        found.sort();
        found
    }

    /// The file of the object with these bytes.
    pub fn object(&self, bytes: &str) -> PathBuf {
        self.files("objects").into_iter().find(|path| fs::read(path).unwrap() == bytes.as_bytes()).unwrap()
    }

    /// The file of a stage's record.
    pub fn record(&self, project: &Project, stage: &str) -> PathBuf {
        let why = project.custem(&["runs", "show", "--json"]).out;
        let is_it = |end: &Json| end["event"] == "stage_done" && end["stage"] == stage;
        let key = events(&why).into_iter().find(is_it).unwrap()["key"].as_str().unwrap().to_owned();
        self.shared().join("records").join(&key[..2]).join(&key[2..])
    }
}

pub fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
    }
}

/// Runs `p.toml`: what became of each stage, and the warnings.
pub fn run(project: &Project) -> (Vec<String>, Vec<String>) {
    run_with(project, &[])
}

pub fn run_with(project: &Project, args: &[&str]) -> (Vec<String>, Vec<String>) {
    let ran = project.custem_with(&[&["run", "p.toml", "--json"], args].concat(), &[("NO_PROXY", "*")]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let told = events(&ran.out);
    let text = |event: &Json, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let end =
        |event: &Json| format!("{} {} {}", text(event, "stage"), text(event, "outcome"), text(event, "from"));
    let ends = told.iter().filter(|event| event["event"] == "stage_done");
    let warnings = told.iter().filter(|event| event["event"] == "warning");
    let ends = ends.map(|event| end(event).trim_end().to_owned());
    (ends.collect(), warnings.map(|event| text(event, "message")).collect())
}

pub const NONE: [&str; 0] = [];
pub const FETCHED: [&str; 2] = ["a hit remote", "b hit remote"];
pub const RAN: [&str; 2] = ["a ran", "b ran"];

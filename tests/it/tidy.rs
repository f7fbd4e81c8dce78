//! The rules of the house: module docs, sizes, and who may import whom.

use std::fs;
use std::path::{Path, PathBuf};

use crate::project::repository;

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(&repository().join("src"), &mut found);
    found.sort();
    let relative =
        |path: PathBuf| path.strip_prefix(repository().join("src")).unwrap().to_string_lossy().into_owned();
    found.into_iter().map(|path| (relative(path.clone()), fs::read_to_string(path).unwrap())).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_module_opens_with_what_it_is() {
    for (name, text) in sources() {
        assert!(text.starts_with("//! "), "{name} has no module doc");
    }
}

#[test]
fn no_file_grows_beyond_800_lines() {
    for (name, text) in sources() {
        assert!(text.lines().count() <= 800, "{name} has {} lines", text.lines().count());
    }
}

/// Who may use whom, by the first part of the path below `crate::`; see ARCHITECTURE.md.
fn allowed(module: &str) -> &'static [&'static str] {
    match module {
        "diagnostic" | "model" => &[],
        "stage" => &["diagnostic", "engine::digest", "data", "stage"],
        "pipeline" => &["diagnostic", "stage"],
        "engine" => &["pipeline", "stage", "diagnostic", "data"],
        "data" => &["model", "diagnostic"],
        "observe" => &["engine::digest", "diagnostic"],
        "present" => &["observe", "data", "engine", "model", "pipeline", "diagnostic"],
        "stages" => &["stage", "data", "model", "present", "diagnostic"],
        _ => &[
            "cli",
            "commands",
            "data",
            "diagnostic",
            "engine",
            "model",
            "observe",
            "pipeline",
            "present",
            "stage",
            "stages",
        ],
    }
}

#[test]
fn imports_run_one_way() {
    for (name, text) in sources() {
        let module = name.split(['/', '.']).next().unwrap();
        if name.contains("tests") {
            continue;
        }
        let digest = name == "engine/digest.rs";
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in text.lines().filter(|line| line.trim_start().starts_with("use crate::")) {
            let path = line.trim_start().trim_start_matches("use crate::");
            let own = path.starts_with(module) && !digest;
            let fine = own || allowed(module).iter().any(|allowed| path.starts_with(allowed));
            assert!(fine, "{name} may not `{}`", line.trim());
        }
    }
}

#[test]
fn the_version_is_in_the_changelog() {
    let changelog = fs::read_to_string(repository().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(&format!("## {}", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn no_work_is_left_for_later_in_the_code() {
    for (name, text) in sources() {
        for word in ["todo!(", "unimplemented!(", "dbg!(", "TODO", "FIXME"] {
            assert!(!text.contains(word), "{name} has {word}");
        }
    }
}

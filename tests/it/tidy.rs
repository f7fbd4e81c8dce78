//! The rules of the house: module docs, sizes, formatting, and who may import whom.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// What a file may use besides what lies in its own module, as paths below `crate::`; see ARCHITECTURE.md.
fn allowed(file: &str) -> &'static [&'static str] {
    if matches!(file, "engine/digest.rs" | "engine/disk.rs") {
        return &[];
    }
    match first_part(file) {
        "abreast" | "diagnostic" | "model" => &[],
        "stage" => &["diagnostic", "engine::digest", "data"],
        "pipeline" => &["abreast", "diagnostic", "stage"],
        "engine" => &["abreast", "pipeline", "stage", "diagnostic", "data"],
        "data" => &["model", "diagnostic"],
        "observe" => &["engine::digest", "engine::disk", "diagnostic"],
        "present" => &["observe", "data", "engine", "model", "pipeline", "diagnostic", "stage"],
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

fn first_part(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// The module that a file belongs to: its folder's, but every kind is a module of its own, and so are the
/// parts of the engine that others may use.
fn own(file: &str) -> String {
    let parts: Vec<_> = file.trim_end_matches(".rs").split('/').collect();
    match parts.as_slice() {
        ["engine", "digest" | "disk"] | ["stages", _] => parts.join("::"),
        ["stages", kind, ..] => format!("stages::{kind}"),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    }
}

/// Every path below `crate::` in a text, those in braces one by one.
fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).unwrap_or(rest.len());
        let path = rest[..end].trim_end_matches(':');
        if rest[end..].starts_with('{') {
            let items = rest[end + 1..].split('}').next().unwrap_or_default();
            let items = items.split(',').map(str::trim).filter(|item| !item.is_empty());
            found.extend(items.map(|item| format!("{path}::{}", item.split("::{").next().unwrap_or(item))));
        } else {
            found.push(path.to_owned());
        }
    }
    found
}

/// Whether a path is a module or lies in it.
fn lies_in(path: &str, module: &str) -> bool {
    path == module || path.strip_prefix(module).is_some_and(|rest| rest.starts_with("::"))
}

#[test]
fn imports_run_one_way() {
    for (name, text) in sources() {
        if name.contains("tests") {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for path in paths(&code) {
            let fine =
                lies_in(&path, &own(&name)) || allowed(&name).iter().any(|allowed| lies_in(&path, allowed));
            assert!(fine, "{name} may not use `crate::{path}`");
        }
    }
}

/// Crates that only one place may know, with what it is.
const ALONE: [(&str, &[&str]); 6] = [
    ("datafusion", &["data/relational.rs"]),
    ("object_store", &["engine/remote/storage.rs"]),
    ("futures_util", &["engine/remote/storage.rs"]),
    ("tokio", &["data/relational.rs", "engine/remote/storage.rs"]),
    ("rusqlite", &["observe/trackers/trackio/database.rs", "observe/trackers/trackio/schema.rs"]),
    ("ureq", &["observe/trackers/http.rs"]),
];

/// Whether a text names a crate in code, outside comments.
fn names_crate(text: &str, name: &str) -> bool {
    let code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    code.into_iter().any(|line| {
        line.match_indices(&format!("{name}::")).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':')
        })
    })
}

#[test]
fn a_crate_with_a_runtime_is_known_in_one_place() {
    for (name, text) in sources() {
        for (alone, places) in ALONE {
            let fine = places.contains(&name.as_str()) || !names_crate(&text, alone);
            assert!(fine, "{name} may not use the crate `{alone}`: only {places:?} may");
        }
    }
    for (alone, places) in ALONE {
        for place in places {
            let text = fs::read_to_string(repository().join("src").join(place)).unwrap();
            assert!(names_crate(&text, alone), "{place} doesn't use `{alone}` any more");
        }
    }
}

#[test]
fn an_import_against_the_table_is_found() {
    let refused = |file: &str, path: &str| {
        !lies_in(path, &own(file)) && !allowed(file).iter().any(|allowed| lies_in(path, allowed))
    };
    assert!(refused("engine/plan.rs", "stages::KINDS"));
    assert!(refused("stages/churn/rows.rs", "stages::features::Features"));
    assert!(refused("engine/digest.rs", "engine::store"));
    assert!(refused("observe/runs.rs", "engine::store::Store"));
    assert!(!refused("stages/churn/rows.rs", "stages::churn::Churn"));
    let code = "use crate::engine::{digest::Digest, store::{Loss, Store}}; fn f() { crate::stages::KINDS }";
    assert_eq!(paths(code)[..2], ["engine::digest::Digest", "engine::store"]);
    assert!(paths(code).contains(&"stages::KINDS".to_owned()));
}

/// Files of the engine and the run record that read by themselves; ARCHITECTURE.md says why.
const READ_BY_THEMSELVES: [&str; 5] = [
    "engine/machine.rs",
    "engine/provenance.rs",
    "engine/remote/storage.rs",
    "observe/git.rs",
    "observe/runs.rs",
];

/// Operations on files in code that isn't for tests, but for questions that `stat` answers.
fn file_operations(text: &str) -> Vec<String> {
    const ASKS: [&str; 4] = ["metadata", "symlink_metadata", "canonicalize", "Permissions::from_mode"];
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let code: String = code.flat_map(|line| [line, "\n"]).collect();
    let mut found = Vec::new();
    for start in ["fs_err::", "std::fs::", "File::", "OpenOptions::"] {
        for (at, _) in code.match_indices(start) {
            let whole_name = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let rest = &code[at + start.len()..];
            let called =
                rest.split(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).next().unwrap_or_default();
            let is_call = rest[called.len()..].starts_with('(');
            if is_call && (whole_name || start.ends_with("fs_err::")) && !ASKS.contains(&called) {
                found.push(format!("{start}{called}"));
            }
        }
    }
    found
}

#[test]
fn the_disk_is_touched_in_one_place() {
    let architecture = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    for (name, text) in sources() {
        let kept = ["engine/", "observe/"].iter().any(|folder| name.starts_with(folder));
        if !kept || name.contains("tests") || name == "engine/disk.rs" {
            continue;
        }
        let found = file_operations(&text);
        if READ_BY_THEMSELVES.contains(&name.as_str()) {
            assert!(!found.is_empty(), "{name} needs no exception any more");
            assert!(architecture.contains(&format!("`{name}`")), "ARCHITECTURE.md doesn't name {name}");
        } else {
            assert!(found.is_empty(), "{name} may not use {found:?}: `engine/disk.rs` has what it needs");
        }
    }
    let code = "use fs_err::File; fn f() { fs_err::read(x); std::fs::metadata(y); File::open(z); fs_err::File::open(z) }";
    assert_eq!(file_operations(code), ["fs_err::read", "fs_err::File::open", "File::open"]);
}

/// All texts that are part of the repository, with what they hold; those in its folders where it isn't one of git's.
fn tracked() -> Vec<(String, String)> {
    let root = repository();
    let list = ["-c", "safe.directory=*", "ls-files", "-z"];
    let listed = Command::new("git").args(list).current_dir(root).output().unwrap();
    let names: Vec<String> = if listed.status.success() {
        String::from_utf8(listed.stdout).unwrap().split_terminator('\0').map(str::to_owned).collect()
    } else {
        let pattern = |folder| format!("{}/{folder}/**/*", root.display());
        let found = ["src", "tests", "docs", "pipelines", "benches"].map(pattern);
        let paths = found.iter().flat_map(|pattern| glob::glob(pattern).unwrap().flatten());
        paths.map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
    };
    let text = |name: String| Some((name.clone(), fs::read_to_string(root.join(name)).ok()?));
    names.into_iter().filter_map(text).collect()
}

/// What is untidy about a text.
fn untidy(name: &str, text: &str) -> Option<&'static str> {
    let tabs = name == "justfile" || name.ends_with(".tsv");
    match text {
        _ if text.contains('\r') => Some("a carriage return"),
        _ if !tabs && text.contains('\t') => Some("a tab"),
        _ if text.lines().any(|line| line.ends_with(' ')) => Some("a blank at the end of a line"),
        _ if !text.is_empty() && !text.ends_with('\n') => Some("no line break at its end"),
        _ if text.ends_with("\n\n") => Some("an empty line at its end"),
        _ => None,
    }
}

#[test]
fn every_text_is_formatted() {
    let all = tracked();
    assert!(all.iter().any(|(name, _)| name == "tests/run") && all.len() > 300, "{} files", all.len());
    for (name, text) in all {
        assert_eq!(untidy(&name, &text), None, "{name}");
        if name.ends_with(".toml") {
            assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{name} isn't TOML");
        }
    }
    assert_eq!(untidy("a", "b \nc\n"), Some("a blank at the end of a line"));
    assert_eq!(untidy("a", "b"), Some("no line break at its end"));
}

#[test]
fn every_source_is_formatted() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(cargo)
        .args(["fmt", "--all", "--", "--check"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
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

//! Which files a pattern matches, and the folders whose times tell that it still matches the same ones.

use std::collections::{HashSet, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use glob::Pattern;
use serde::{Deserialize, Serialize};

use super::disk;
use super::files::Stamp;
use crate::stage::Failure;

/// What a pattern matches.
#[derive(Clone, Debug, Default)]
pub struct Matched {
    /// The files, sorted.
    pub files: Vec<PathBuf>,
    /// What can be asked instead of matching again.
    pub looked: Looked,
}

/// The folders that were looked into. While none of them changes, nothing comes or goes that the
/// pattern could match; there are none where that can't be told by them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked(Vec<(PathBuf, Stamp)>);

impl Looked {
    /// Whether the pattern surely matches what it did.
    pub fn is_unchanged(&self) -> bool {
        let as_before = |(path, stamp): &(PathBuf, Stamp)| Stamp::of(path).is_ok_and(|now| now == *stamp);
        !self.0.is_empty() && self.0.iter().all(as_before)
    }
}

/// Whether text stands for several files.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The files that a pattern matches below a folder.
///
/// # Errors
/// When it is no pattern, or a folder can't be read.
pub fn matched(pattern: &str, root: &Path) -> Result<Matched, Failure> {
    let parts: Vec<_> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let checked = Pattern::new(pattern).and_then(|_| parts.iter().map(|part| Pattern::new(part)).collect());
    let checked: Vec<Pattern> = checked.map_err(|error| no_pattern(pattern, &error))?;
    // What ends with a slash is a folder, and no file.
    if pattern.ends_with('/') {
        return Ok(Matched::default());
    }
    let literal =
        parts.iter().take_while(|part| !is_pattern(part)).count().min(parts.len().saturating_sub(1));
    let start = if pattern.starts_with('/') { Path::new("/") } else { root };
    let folder = parts[..literal].iter().fold(start.to_path_buf(), |folder, part| folder.join(part));
    let mut walk = Walk { files: Vec::new(), looked: Vec::new(), steady: true };
    walk.folder(&folder, &checked[literal..])?;
    walk.files.sort();
    walk.files.dedup();
    Ok(Matched { files: walk.files, looked: Looked(if walk.steady { walk.looked } else { Vec::new() }) })
}

fn no_pattern(pattern: &str, error: &glob::PatternError) -> Failure {
    Failure::new(format!("`{pattern}` is no pattern: {}", error.msg))
        .hint("`*` stands for any letters, `**` for any folders, `[*]` for a star itself")
}

/// A walk through the folders that a pattern leads to.
struct Walk {
    files: Vec<PathBuf>,
    looked: Vec<(PathBuf, Stamp)>,
    /// Whether what was seen can only change together with a folder's times: not so behind a link, nor in a
    /// folder that has changed so lately that its next change may leave the same time.
    steady: bool,
}

impl Walk {
    /// Looks into a folder for what fits the first part of a pattern, and further for the others.
    fn folder(&mut self, folder: &Path, parts: &[Pattern]) -> Result<(), Failure> {
        let Some((first, rest)) = parts.split_first() else { return Ok(()) };
        if first.as_str() == "**" {
            return self.anywhere(folder, rest);
        }
        let seen = SystemTime::now();
        // What isn't there, or is no folder, has nothing in it.
        let Ok(stamp) = Stamp::of(folder) else { return Ok(()) };
        if !folder.is_dir() {
            return Ok(());
        }
        self.steady &= stamp.settled(seen);
        self.looked.push((folder.to_path_buf(), stamp));
        if !is_pattern(first.as_str()) {
            let path = folder.join(first.as_str());
            let is_link = path.is_symlink();
            return self.entry(path, is_link, rest);
        }
        for entry in disk::entries(folder).map_err(|error| unreadable(folder, &error))? {
            let entry = entry.map_err(|error| unreadable(folder, &error))?;
            // A name that is no text fits nothing, as no pattern can spell it.
            if entry.file_name().to_str().is_some_and(|name| first.matches(name)) {
                let Ok(ty) = entry.file_type() else { continue };
                match rest {
                    [] if ty.is_file() => self.files.push(folder.join(entry.file_name())),
                    [] if ty.is_dir() => {}
                    [_, ..] if ty.is_file() => {}
                    _ => self.entry(folder.join(entry.file_name()), ty.is_symlink(), rest)?,
                }
            }
        }
        Ok(())
    }

    /// Looks for the rest of a pattern in a folder and in all below it, each of them once: those behind links come last, and
    /// what a link leads back to isn't entered again.
    fn anywhere(&mut self, folder: &Path, rest: &[Pattern]) -> Result<(), Failure> {
        self.steady = false;
        let (mut folders, mut links) = (vec![folder.to_path_buf()], VecDeque::new());
        let mut entered = HashSet::new();
        let every: Vec<Pattern> = Pattern::new("*").into_iter().collect();
        while let Some(folder) = folders.pop().or_else(|| links.pop_front()) {
            let Ok(meta) = std::fs::metadata(&folder) else { continue };
            if !meta.is_dir() || !entered.insert((meta.dev(), meta.ino())) {
                continue;
            }
            let mut below = Vec::new();
            for entry in disk::entries(&folder).map_err(|error| unreadable(&folder, &error))? {
                let entry = entry.map_err(|error| unreadable(&folder, &error))?;
                let Ok(ty) = entry.file_type() else { continue };
                if ty.is_dir() {
                    below.push(entry.path());
                } else if ty.is_symlink() {
                    links.push_back(entry.path());
                }
            }
            below.sort_by(|one, two| two.cmp(one));
            folders.append(&mut below);
            links.make_contiguous().sort();
            self.folder(&folder, if rest.is_empty() { &every } else { rest })?;
        }
        Ok(())
    }

    fn entry(&mut self, path: PathBuf, is_link: bool, rest: &[Pattern]) -> Result<(), Failure> {
        self.steady &= !is_link;
        if !rest.is_empty() {
            return self.folder(&path, rest);
        }
        if path.is_file() {
            self.files.push(path);
        }
        Ok(())
    }
}

fn unreadable(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("can't look into `{}`: {}", folder.display(), error.kind()))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use glob::Pattern;

    use super::{Looked, Matched, matched, no_pattern};
    use crate::stage::Failure;

    /// The files that the crate finds.
    fn anywhere_below(pattern: &str, root: &Path) -> Result<Matched, Failure> {
        // A pattern that is a path from the top has no root before it, and a root may have brackets in its name.
        let root = if Path::new(pattern).is_absolute() { String::new() } else { literally(root) };
        let mut files = Vec::new();
        for path in glob::glob(&format!("{root}{pattern}")).map_err(|error| no_pattern(pattern, &error))? {
            let path = path.map_err(|error| Failure::new(error.to_string()))?;
            if path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        Ok(Matched { files, looked: Looked::default() })
    }

    /// A folder as the beginning of a pattern that means it and nothing else.
    fn literally(folder: &Path) -> String {
        let text = Pattern::escape(&folder.to_string_lossy());
        if text.is_empty() || text.ends_with('/') { text } else { text + "/" }
    }

    const FILES: [&str; 9] = [
        "a.csv",
        "b.csv",
        ".hidden.csv",
        "x/a.csv",
        "x/b.txt",
        "y/a.csv",
        "y/deep/a.csv",
        "odd[1]/a.csv",
        "odd[1]/*.csv",
    ];

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in FILES {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, name).unwrap();
        }
        std::fs::create_dir(folder.path().join("folder.csv")).unwrap();
        std::os::unix::fs::symlink("x", folder.path().join("z")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("gone.csv")).unwrap();
        folder
    }

    fn files(matched: &Matched, root: &Path) -> Vec<PathBuf> {
        matched.files.iter().map(|path| path.strip_prefix(root).unwrap().to_path_buf()).collect()
    }

    #[test]
    fn a_walk_finds_what_the_crate_finds() {
        let folder = tree();
        for root in [folder.path().to_path_buf(), folder.path().join("odd[1]")] {
            for pattern in [
                "*.csv",
                "*",
                "?.csv",
                "[ab].csv",
                "[!a].csv",
                "x/*",
                "*/a.csv",
                "*/*",
                "*/deep/*.csv",
                "y/*/a.csv",
                "./*.csv",
                "x/../*.csv",
                "x//*.csv",
                "odd[[]1]/*",
                "[*].csv",
                "nowhere/*",
                "a.csv/*",
                "*/nothing",
                "**/a.csv",
                "y/**/*.csv",
                ".*",
            ] {
                let ours = files(&matched(pattern, &root).unwrap(), &root);
                let theirs = anywhere_below(pattern, &root).unwrap();
                // The crate leaves out steps that lead nowhere, which are the same file.
                let same = |path: &PathBuf| root.join(path).canonicalize().unwrap();
                let mut theirs: Vec<_> = theirs.files.iter().map(same).collect();
                if pattern.contains("**") {
                    // The crate enters a folder once more behind a link.
                    let mut seen = std::collections::HashSet::new();
                    theirs.retain(|path| seen.insert(path.clone()));
                }
                assert_eq!(
                    ours.iter().map(same).collect::<Vec<_>>(),
                    theirs,
                    "{pattern} in {}",
                    root.display()
                );
            }
        }
        for wrong in ["a**", "[a.csv", "x/***"] {
            let said = |result: Result<Matched, Failure>| result.unwrap_err().to_string();
            assert_eq!(said(matched(wrong, folder.path())), said(anywhere_below(wrong, folder.path())));
        }
    }

    /// A link that leads back to a folder above would make forty of each file.
    #[test]
    fn a_loop_of_links_is_walked_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("in/sub/deep")).unwrap();
        for name in ["in/a.csv", "in/sub/b.csv", "in/sub/deep/c.csv"] {
            std::fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("..", root.join("in/sub/loop")).unwrap();
        std::os::unix::fs::symlink("../sub/deep", root.join("in/again")).unwrap();
        std::fs::create_dir(root.join("apart")).unwrap();
        std::fs::write(root.join("apart/d.csv"), "d").unwrap();
        std::os::unix::fs::symlink("../apart", root.join("in/elsewhere")).unwrap();
        let found = |pattern: &str| files(&matched(pattern, root).unwrap(), root);
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let all = paths(&["in/a.csv", "in/elsewhere/d.csv", "in/sub/b.csv", "in/sub/deep/c.csv"]);
        assert_eq!(found("in/**/*.csv"), all);
        assert_eq!(found("in/**"), all);
        assert_eq!(found("in/**/deep/*.csv"), paths(&["in/sub/deep/c.csv"]));
        assert_eq!(found("**/sub/**/c.csv"), paths(&["in/sub/deep/c.csv"]));
        assert!(found("in/**/").is_empty() && found("nowhere/**").is_empty());
    }

    #[test]
    fn folders_tell_when_something_came_or_went() {
        let folder = tree();
        std::thread::sleep(Duration::from_millis(30));
        let looked = |pattern: &str| matched(pattern, folder.path()).unwrap().looked;
        let (flat, deep) = (looked("x/*.csv"), looked("y/*/*.csv"));
        assert!(flat.is_unchanged() && deep.is_unchanged());
        std::fs::write(folder.path().join("x/a.csv"), "other bytes").unwrap();
        assert!(flat.is_unchanged());
        std::fs::write(folder.path().join("x/new.csv"), "").unwrap();
        std::fs::remove_file(folder.path().join("y/deep/a.csv")).unwrap();
        assert!(!flat.is_unchanged() && !deep.is_unchanged());
        // Just now changed: it could change again without a trace.
        assert!(!looked("x/*.csv").is_unchanged());
        // A link may lead elsewhere one day, and `**` into any folder.
        std::thread::sleep(Duration::from_millis(30));
        assert!(!looked("*/*.csv").is_unchanged() && !looked("**/*.csv").is_unchanged());
    }
}

//! Files that a program leaves in its folder and that nobody has asked for: they go with the folder.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::diagnostic::{listing, plural, shown};

/// So many are named.
const NAMED: usize = 5;

/// Folders whose files nobody expects to be kept; the first only at the top.
const SCRATCH: &str = "tmp";
const PYTHON: &str = "__pycache__";

/// What is said of the files in a folder beside those that are known, if there are any. Hidden ones
/// are the program's own business; names are shown as `masked` gives them.
pub fn warning(folder: &Path, known: &BTreeSet<PathBuf>, masked: &dyn Fn(&str) -> String) -> Option<String> {
    // The same path may be spelled with `./`.
    let known: BTreeSet<PathBuf> = known.iter().map(|path| plain(path)).collect();
    let folder = plain(folder);
    let mut found = Vec::new();
    collect(&folder, true, &known, &mut found);
    found.sort();
    let name = |path: &PathBuf| {
        let name = path.strip_prefix(&folder).unwrap_or(path).to_string_lossy();
        format!("`{}`", shown(&masked(&name)))
    };
    let mut names: Vec<_> = found.iter().take(NAMED).map(name).collect();
    if found.len() > NAMED {
        names.push(format!("{} more", found.len() - NAMED));
    }
    let listed = listing(&names, "and");
    (!found.is_empty()).then(|| {
        let files = plural(found.len(), "file");
        let them = if found.len() == 1 { "it" } else { "them" };
        format!(
            "the program left {files} that no output declares: {listed}; declare {them} in `outputs`, \
             or let the program write {them} below `{SCRATCH}`"
        )
    })
}

fn collect(folder: &Path, top: bool, known: &BTreeSet<PathBuf>, found: &mut Vec<PathBuf>) {
    // What can't be listed can't be told of either.
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let is_folder = entry.file_type().is_ok_and(|ty| ty.is_dir());
        let expected = is_folder && (name == PYTHON || (top && name == SCRATCH));
        if expected || name.as_encoded_bytes().starts_with(b".") || known.contains(&path) {
            continue;
        }
        if is_folder {
            collect(&path, false, known, found);
        } else {
            found.push(path);
        }
    }
}

/// A path without the steps that lead nowhere.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::warning;

    #[test]
    fn files_that_nobody_asked_for_are_counted_and_the_first_ones_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let known = BTreeSet::from([write("in/rows.csv"), folder.path().join("./out.txt")]);
        for quiet in ["out.txt", "tmp/a", ".hidden", ".cache/b", "lib/__pycache__/c.pyc"] {
            write(quiet);
        }
        assert_eq!(warning(folder.path(), &known, &str::to_owned), None);
        write("model.bin");
        assert_eq!(
            warning(folder.path(), &known, &str::to_owned).unwrap(),
            "the program left 1 file that no output declares: `model.bin`; declare it in `outputs`, or let the \
             program write it below `tmp`"
        );
        for name in ["in/more.csv", "lib/tmp/x", "a", "b", "c"] {
            write(name);
        }
        assert_eq!(
            warning(folder.path(), &known, &str::to_owned).unwrap(),
            "the program left 6 files that no output declares: `a`, `b`, `c`, `in/more.csv`, `lib/tmp/x` and 1 \
             more; declare them in `outputs`, or let the program write them below `tmp`"
        );
    }
}

//! Where saved outputs lead: each to a file of its own, none onto a file of the pipeline, none out of
//! the project, and none into what another stage reads from outside.
//!
//! Paths are compared by where they lead, not by how they are spelled, so the file system is asked for
//! links and folders. Nothing is written.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};

use super::layers::Layer;
use super::{Draft, Task};
use crate::diagnostic::{Diagnostic, Location};
use crate::stage::Source;

/// The folders that custem keeps for itself.
const OWN: [&str; 2] = ["cache", "experiments"];

/// What to do about two outputs in one place.
const APART: &str = "give each saved output its own path";

/// A place that an output is saved to.
pub struct Save {
    stage: String,
    path: PathBuf,
    at: Location,
    /// How the names of such files usually end.
    ending: &'static str,
}

impl Save {
    /// The saves of a stage.
    pub fn of(draft: &Draft) -> impl Iterator<Item = Self> {
        draft.saves.iter().map(|(port, path, at)| Self {
            stage: draft.name.clone(),
            path: path.clone(),
            at: at.clone(),
            ending: draft.ending(port),
        })
    }

    /// The saves of a task: in a sweep, those of a stage with the variant in their names.
    pub fn of_task(task: &Task) -> impl Iterator<Item = Self> {
        let places = task.draft.saves.iter().map(|(.., at)| at);
        task.saves.iter().zip(places).map(|((port, path), at)| Self {
            stage: task.label.clone(),
            path: path.clone(),
            at: at.clone(),
            ending: task.draft.ending(port),
        })
    }
}

/// Saves by where they lead.
type Places = BTreeMap<PathBuf, Arc<Save>>;

/// Saves and what is read from outside, so far, of a pipeline that grows.
#[derive(Default)]
pub struct Taken {
    saves: Places,
    read: Vec<Reading>,
}

/// What a stage reads from outside.
struct Reading {
    stage: String,
    source: Source,
    at: Location,
}

impl Reading {
    fn of(draft: &Draft) -> impl Iterator<Item = Self> {
        draft.body.sources().into_iter().map(|source| {
            let at = draft.node.nearest(&source.key).at.clone();
            Self { stage: draft.name.clone(), source, at }
        })
    }
}

/// A project's root and the files of a pipeline in it.
pub struct Ground {
    root: PathBuf,
    layers: Arc<[Layer]>,
    known: HashMap<PathBuf, PathBuf>,
}

impl Ground {
    /// The ground under a pipeline.
    pub fn new(root: &Path, layers: Arc<[Layer]>) -> Self {
        let whole = fs_err::canonicalize(root).or_else(|_| std::path::absolute(root));
        Self { root: whole.unwrap_or_else(|_| root.to_path_buf()), layers, known: HashMap::new() }
    }

    /// All that is wrong with saves, and with stages that read what is saved.
    pub fn problems<'b>(
        &mut self,
        saves: impl Iterator<Item = Save>,
        drafts: impl Iterator<Item = &'b Draft>,
    ) -> Vec<Diagnostic> {
        let mut taken = BTreeMap::new();
        let mut problems = Vec::new();
        for save in saves {
            let to = self.file(&save.path);
            problems.extend(self.place(to, save, &mut taken));
        }
        if taken.is_empty() {
            return problems;
        }
        for reading in drafts.flat_map(Reading::of) {
            problems.extend(self.reads_saved(&reading, &taken));
        }
        problems
    }

    /// All that is wrong with what tasks add to a pipeline that grows; where nothing is, they are taken in.
    pub fn take(&mut self, tasks: &[Task], taken: &mut Taken) -> Vec<Diagnostic> {
        let (mut fresh, mut problems) = (Places::new(), Vec::new());
        for save in tasks.iter().flat_map(Save::of_task) {
            let to = self.file(&save.path);
            // A stage that needs the leaderboard had its places from the start.
            let same = |held: &Arc<Save>| held.stage == save.stage && held.path == save.path;
            if fresh.contains_key(&to) || !taken.saves.get(&to).is_some_and(same) {
                problems.extend(self.place(to.clone(), save, &mut taken.saves));
                fresh.extend(taken.saves.get(&to).map(|save| (to, Arc::clone(save))));
            }
        }
        let read: Vec<_> = tasks.iter().flat_map(|task| Reading::of(&task.draft)).collect();
        problems.extend(read.iter().filter_map(|reading| self.reads_saved(reading, &taken.saves)));
        problems.extend(taken.read.iter().filter_map(|reading| self.reads_saved(reading, &fresh)));
        if problems.is_empty() {
            taken.read.extend(read);
        } else {
            // The place of another save, which was there before, is that one's still.
            let added = fresh.iter().filter(|(_, save)| tasks.iter().any(|task| task.label == save.stage));
            added.for_each(|(to, _)| drop(taken.saves.remove(to)));
        }
        problems
    }

    /// Takes a place for a save, or says why it can't be had.
    fn place(&mut self, to: PathBuf, save: Save, taken: &mut Places) -> Option<Diagnostic> {
        let problem = self.reserved(&to, &save).or_else(|| in_the_way(&to, &save, taken));
        let problem = problem.or_else(|| self.blocked(&to, &save));
        if problem.is_none() {
            taken.insert(to, Arc::new(save));
        }
        problem
    }

    /// The file that a path leads to. The last step is not followed: a save replaces a link that stands there.
    fn file(&mut self, path: &Path) -> PathBuf {
        let folder = self.folder(path.parent().unwrap_or(Path::new("")));
        folder.join(path.file_name().unwrap_or_default())
    }

    /// The folder that a path leads to: links followed as far as there are any, `..` taken from there.
    fn folder(&mut self, path: &Path) -> PathBuf {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let mut to = self.root.clone();
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => drop(to.pop()),
                step => {
                    to.push(step);
                    to = fs_err::canonicalize(&to).unwrap_or(to);
                }
            }
        }
        self.known.insert(path.to_path_buf(), to.clone());
        to
    }

    /// A place that isn't for outputs.
    fn reserved(&mut self, to: &Path, save: &Save) -> Option<Diagnostic> {
        let path = save.path.display();
        if OWN
            .iter()
            .any(|own| to.starts_with(self.root.join(own)) || to.starts_with(self.folder(own.as_ref())))
        {
            let message = format!("`{path}` lies in a folder that custem keeps for itself");
            return Some(save.problem(message).hint("save under `data/`, for example"));
        }
        let own = self.layers.iter().any(|layer| layer.is_at(to));
        own.then(|| {
            let message = format!("`{path}` is a file of this pipeline, which saving would replace");
            save.problem(message).hint("save under `data/`, for example")
        })
    }

    /// A folder where the file should go, or a file where one of its folders should be.
    fn blocked(&self, to: &Path, save: &Save) -> Option<Diagnostic> {
        let path = save.path.display();
        if to.is_dir() {
            let hint = format!("name a file in it, such as `{path}/{}{}`", save.stage, save.ending);
            return Some(save.problem(format!("`{path}` is a folder")).hint(hint));
        }
        let standing = to.ancestors().skip(1).find(|folder| folder.exists())?;
        let named = standing.strip_prefix(&self.root).unwrap_or(standing).display();
        (!standing.is_dir()).then(|| {
            let message = format!("`{path}` can't be saved: `{named}` is a file, not a folder");
            save.problem(message).hint("move that file away, or save elsewhere")
        })
    }

    /// A stage that reads from outside what another one saves.
    fn reads_saved(&mut self, reading: &Reading, taken: &Places) -> Option<Diagnostic> {
        let Reading { stage: name, source, at } = reading;
        let pattern = &source.pattern;
        let real = fs_err::canonicalize(self.root.join(pattern)).unwrap_or_default();
        if let Some(other) = taken.get(&self.file(Path::new(pattern))).or_else(|| taken.get(&real)) {
            let message = format!("stage `{name}` reads `{pattern}`, which stage `{}` saves", other.stage);
            let hint = format!(
                "order comes from inputs alone: use the stage's output, `input = \"{}\"`",
                other.stage
            );
            return Some(Diagnostic::error(message).at(at).hint(hint));
        }
        let pattern = self.pattern(pattern)?;
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        let (_, other) = taken.iter().find(|(to, _)| pattern.matches_path_with(to, options))?;
        let message = format!(
            "stage `{name}` reads `{}`, which takes in `{}` that stage `{}` saves",
            source.pattern,
            other.path.display(),
            other.stage
        );
        let hint = "the next run would read one file more: save it elsewhere, or narrow the pattern";
        Some(Diagnostic::error(message).at(at).hint(hint))
    }

    /// A pattern from where its folders without wildcards lead; none where the path is no pattern.
    fn pattern(&mut self, text: &str) -> Option<Pattern> {
        let wild = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        let parts: Vec<_> = Path::new(text).components().collect();
        let (plain, rest) = parts.split_at(parts.iter().position(wild)?);
        let folder = self.folder(&plain.iter().collect::<PathBuf>());
        let rest: PathBuf = rest.iter().collect();
        let folder = Pattern::escape(&folder.to_string_lossy());
        Pattern::new(&format!("{}/{}", folder.trim_end_matches('/'), rest.display())).ok()
    }
}

impl Save {
    fn problem(&self, message: String) -> Diagnostic {
        Diagnostic::error(message).at(&self.at)
    }
}

/// Another save at the same file, below it, or above it.
fn in_the_way(to: &Path, save: &Save, taken: &Places) -> Option<Diagnostic> {
    let path = save.path.display();
    if let Some(other) = taken.get(to) {
        let message = if other.path == save.path {
            format!("`{path}` is already saved by stage `{}`", other.stage)
        } else {
            let named = other.path.display();
            format!("`{path}` is the same file as `{named}`, which stage `{}` saves", other.stage)
        };
        return Some(save.problem(message).hint(APART));
    }
    let above = to.ancestors().skip(1).find_map(|folder| taken.get(folder));
    if let Some(other) = above {
        let (named, stage) = (other.path.display(), &other.stage);
        let message = format!("`{path}` lies below `{named}`, a file that stage `{stage}` saves");
        return Some(save.problem(message).hint(APART));
    }
    let (_, other) = taken.range(to.to_path_buf()..).next().filter(|(other, _)| other.starts_with(to))?;
    let (named, stage) = (other.path.display(), &other.stage);
    let message = format!("`{path}` can't be a file: stage `{stage}` saves `{named}` below it");
    Some(save.problem(message).hint(APART))
}

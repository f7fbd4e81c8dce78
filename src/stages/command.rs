//! The kind `command`: any program, run in a scratch folder of its own.
//!
//! The program sees its declared inputs, files and environment and nothing else; what it leaves in
//! the folder under the declared names are its outputs.

pub mod guard;
mod leftover;
mod mask;
mod named;
mod printed;
mod program;
mod secrets;

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Table;
use crate::diagnostic::{did_you_mean, quoted, shown};
use crate::stage::{
    Artifact, Context, Failure, Layer, MetricName, Metrics, Mistake, Need, Outcome, Port, PortType, Ref,
    Source, Stage,
};
use named::Named;
use program::{Ended, Program};
use secrets::Secrets;

pub use program::end_all;

/// Runs any program on its inputs, in a scratch folder of its own.
///
/// In `command`, `{inputs.NAME}` stands for the path of an input and `{outputs.NAME}` for the path
/// where the program must leave an output. Standard output is the main output where none is declared.
/// Files that it leaves beside them are reported, but for those below `tmp` or `__pycache__` and hidden ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Command {
    /// The program and its arguments, each a word of its own; no shell is involved.
    #[schemars(extend("x-required" = true), length(min = 1))]
    pub command: Vec<String>,
    /// Inputs by name.
    pub inputs: Named<Ref>,
    /// Outputs by name: the file that the program writes. Parquet files are tables; one called
    /// `metrics` is JSON with numbers by name, which a sweep can compare.
    pub outputs: Named<String>,
    /// Source files that it reads, relative to the project root: hashed, and placed in the folder.
    pub files: Vec<String>,
    /// Environment variables. Nothing else is passed on but `PATH` and `HOME`.
    pub env: Named<String>,
    /// Names of variables that the program gets from the environment of custem. A value is never recorded:
    /// what the program prints shows `***` for it, and an output that holds it is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = []))]
    pub secrets: Vec<String>,
    /// The folder that the program starts in, below the stage's own: inputs lie there, and outputs are
    /// expected there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
}

/// The port of standard output, when no outputs are declared.
const STDOUT: &str = "stdout";

/// The file that takes standard output, when it is the output.
const PRINTED: &str = ".custem-stdout";

/// The output that holds a program's own numbers.
const METRICS: &str = "metrics";

impl Stage for Command {
    const KIND: &'static str = "command";
    const VERSION: u32 = 2;
    const LAYER: Layer = Layer::Data;
    const OUTPUTS_FROM: &'static [&'static str] = &["outputs"];

    fn needs(&self) -> Vec<Need> {
        const ANY: &[PortType] = &[
            PortType::Table,
            PortType::Model,
            PortType::Image,
            PortType::Page,
            PortType::Metrics,
            PortType::File,
        ];
        self.inputs.iter().map(|(name, from)| Need::new(format!("inputs.{name}"), from, ANY)).collect()
    }

    fn gives(&self) -> Vec<Port> {
        if self.outputs.is_empty() {
            let doc = "What the program prints, where no `outputs` are declared; else these are its outputs.";
            return vec![Port::new(STDOUT, PortType::File, doc)];
        }
        let port =
            |(name, file): (&String, &String)| Port::new(name, type_of(file), "A file that it writes.");
        // Every stage has `metrics` anyway.
        self.outputs.iter().filter(|(name, _)| *name != METRICS).map(port).collect()
    }

    /// None of its own: a program writes its numbers into an output called `metrics`.
    fn metrics(&self) -> Vec<MetricName> {
        let any = || {
            MetricName::any("What the program writes into its output `metrics`: numbers by name, as JSON.")
        };
        self.outputs.contains_key(METRICS).then(any).into_iter().collect()
    }

    fn sources(&self) -> Vec<Source> {
        let source =
            |(at, pattern): (usize, &String)| Source { key: format!("files.{at}"), pattern: pattern.clone() };
        self.files.iter().enumerate().map(source).collect()
    }

    fn check(&self) -> Vec<Mistake> {
        let mut mistakes: Vec<_> = self
            .outputs
            .iter()
            .filter(|(_, file)| !stays_inside(file))
            .map(|(name, file)| {
                Mistake::new(
                    format!("outputs.{name}"),
                    format!("`{file}` is not a file inside the stage's folder"),
                )
                .hint("give a relative path without `..`; use `save` to copy the output elsewhere")
            })
            .collect();
        for (at, word) in self.command.iter().enumerate() {
            let unknown = self.unknown_placeholders(word).into_iter();
            mistakes.extend(
                unknown.map(|(message, hint)| Mistake::new(format!("command.{at}"), message).hint(hint)),
            );
        }
        mistakes.extend(self.dir.iter().filter(|dir| !stays_inside(dir)).map(|dir| {
            Mistake::new("dir", format!("`{}` is no folder inside the stage's folder", shown(dir)))
                .hint("give a relative path without `..`")
        }));
        mistakes.extend(self.secrets.iter().enumerate().filter_map(|(at, name)| self.no_secret(at, name)));
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let secrets = Secrets::read(&self.secrets)?;
        let folder = self.folder(ctx);
        let mut known = self.place_files(ctx, &folder)?;
        let words = self.words(ctx, &folder, &mut known)?;
        // Where outputs are declared, what it prints is only talk.
        let stdout = self.outputs.is_empty().then(|| folder.join(PRINTED));
        let program = Program {
            words: &words,
            env: &self.env,
            secrets: &secrets,
            folder: &folder,
            stdout: stdout.as_deref(),
        };
        let ended = program.run(ctx)?;
        if !ended.ok {
            let message = format!("`{}` ended with {}{}", self.command[0], ended.status, ended.said());
            return Err(Failure::new(message).at("command").into());
        }
        self.refuse_secrets(&folder, &secrets)?;
        let outcome = Outcome { usage: Some(ended.usage), ..self.collect(&folder, &ended)? };
        known.extend(self.outputs.values().map(|file| folder.join(file)));
        Ok(self.warned(outcome, ctx.scratch(), &known, &secrets))
    }
}

impl Command {
    /// The folder that the program starts in.
    fn folder(&self, ctx: &Context<'_>) -> PathBuf {
        self.dir.as_ref().map_or_else(|| ctx.scratch().to_path_buf(), |dir| ctx.scratch().join(dir))
    }

    /// What is wrong with the name of a secret.
    fn no_secret(&self, at: usize, name: &str) -> Option<Mistake> {
        let wrong = |message: String| Mistake::new(format!("secrets.{at}"), message);
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("`{}` is no name of an environment variable", shown(name));
            return Some(
                wrong(message).hint("give the name; the value is taken from the environment of custem"),
            );
        }
        self.env.contains_key(name).then(|| {
            wrong(format!("`{}` is in `env` too", shown(name)))
                .hint("what is in `env` is recorded: take it out there")
        })
    }

    /// Puts files where the program expects them, and makes folders for its outputs; the files.
    fn place_files(&self, ctx: &Context<'_>, folder: &Path) -> Result<BTreeSet<PathBuf>> {
        let mut placed = BTreeSet::new();
        for at in 0..self.files.len() {
            for source in ctx.sources(&format!("files.{at}")) {
                let to = ctx.scratch().join(inside(&source.name));
                if let Some(parent) = to.parent() {
                    fs_err::create_dir_all(parent)?;
                }
                fs_err::copy(&source.path, &to)?;
                placed.insert(to);
            }
        }
        if self.dir.is_some() {
            fs_err::create_dir_all(folder)?;
        }
        for parent in self.outputs.values().filter_map(|file| Path::new(file).parent()) {
            if !parent.as_os_str().is_empty() {
                fs_err::create_dir_all(folder.join(parent))?;
            }
        }
        Ok(placed)
    }

    /// Refuses outputs that hold the value of a secret: they are kept in the cache, and shown and shared.
    fn refuse_secrets(&self, folder: &Path, secrets: &Secrets) -> Result<()> {
        for (name, file) in &self.outputs {
            let path = folder.join(file);
            if path.is_file()
                && let Some(secret) = secrets.found_in(&path)?
            {
                return Err(Failure::new(format!("`{file}` holds the value of the secret `{secret}`"))
                    .hint("outputs are kept in the cache as they are: let the program leave the value out")
                    .at(format!("outputs.{name}"))
                    .into());
            }
        }
        Ok(())
    }

    /// Adds what is said of secrets that can't be masked, and of files that nobody will find again.
    fn warned(
        &self,
        mut outcome: Outcome,
        scratch: &Path,
        known: &BTreeSet<PathBuf>,
        secrets: &Secrets,
    ) -> Outcome {
        for (at, name) in secrets.too_short() {
            let message = format!(
                "the value of `{name}` has fewer than {} characters: it is not masked in what the program prints",
                secrets::SHORTEST
            );
            outcome = outcome.warn_at(format!("secrets.{at}"), message);
        }
        match leftover::warning(scratch, known, &|name| secrets.masked(name)) {
            Some(message) => outcome.warn_at("outputs", message),
            None => outcome,
        }
    }

    /// The words of the command, placeholders replaced by paths: those of inputs are in the folder and
    /// the same whatever the cache looks like, so that a program may print them.
    fn words(&self, ctx: &Context<'_>, folder: &Path, placed: &mut BTreeSet<PathBuf>) -> Result<Vec<String>> {
        let mut words = self.command.clone();
        for name in self.inputs.keys() {
            let placeholder = format!("{{inputs.{name}}}");
            if words.iter().any(|word| word.contains(&placeholder)) {
                let path = ctx.place(&format!("inputs.{name}"), &folder.join(format!("inputs.{name}")))?;
                let named = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                words.iter_mut().for_each(|word| *word = word.replace(&placeholder, &named));
                placed.insert(path);
            }
        }
        for (name, file) in &self.outputs {
            let placeholder = format!("{{outputs.{name}}}");
            words.iter_mut().for_each(|word| *word = word.replace(&placeholder, file));
        }
        Ok(words)
    }

    /// The placeholders in a word that stand for nothing: the message, and what to do about it.
    fn unknown_placeholders(&self, word: &str) -> Vec<(String, String)> {
        let mut unknown = Vec::new();
        for (start, _) in word.match_indices('{') {
            let inner = word[start + 1..].split('}').next().unwrap_or_default();
            let hint = match inner.split_once('.') {
                Some(("inputs", name)) => undeclared("inputs", name, self.inputs.keys()),
                Some(("outputs", name)) => undeclared("outputs", name, self.outputs.keys()),
                Some(("files", _)) => {
                    Some("files stand in the stage's folder under their own paths: write the path".to_owned())
                }
                _ => None,
            };
            let message = || format!("`{{{}}}` names nothing that is declared", shown(inner));
            unknown.extend(hint.map(|hint| (message(), hint)));
        }
        let mut told = BTreeSet::new();
        unknown.retain(|(message, _)| told.insert(message.clone()));
        unknown
    }

    fn collect(&self, folder: &Path, ended: &Ended) -> Result<Outcome> {
        let mut outcome = Outcome::new(ended.last_line());
        if self.outputs.is_empty() {
            return Ok(outcome.with(STDOUT, Artifact::File(folder.join(PRINTED))));
        }
        for (name, file) in &self.outputs {
            let path = folder.join(file);
            if !path.is_file() {
                return Err(Failure::new(format!("the program didn't write `{file}`{}", ended.said()))
                    .hint("the file is expected in the folder that the program starts in")
                    .at(format!("outputs.{name}"))
                    .into());
            }
            if type_of(file) == PortType::Table && Table::open(&path).is_err() {
                return Err(Failure::new(format!("what the program wrote to `{file}` is not a Parquet file"))
                    .hint("a file whose name ends in `.parquet` is a table for other stages: name it otherwise if it is none")
                    .at(format!("outputs.{name}"))
                    .into());
            }
            if name == METRICS {
                outcome.metrics = metrics(file, &path)?;
            } else {
                outcome = outcome.with(name, Artifact::File(path));
            }
        }
        Ok(outcome)
    }
}

/// What to do about a name that a table of inputs or outputs doesn't have.
fn undeclared<'a>(
    table: &str,
    name: &str,
    mut declared: impl Iterator<Item = &'a String> + Clone,
) -> Option<String> {
    let known = declared.clone().map(String::as_str);
    if known.clone().any(|known| known == name) {
        return None;
    }
    Some(match did_you_mean(name, known.clone()) {
        Some(near) => format!("did you mean `{{{table}.{near}}}`?"),
        None if declared.next().is_none() => format!("declare it: `{table} = {{ {name} = \"...\" }}`"),
        None => format!("`{table}` declares {}", quoted(known, "and")),
    })
}

/// The numbers that a program wrote.
fn metrics(named: &str, path: &Path) -> Result<Metrics> {
    serde_json::from_slice(&fs_err::read(path)?).map_err(|error| {
        let hint = "write JSON such as `{\"loss\": 0.25, \"auc\": 0.9}`";
        let message = format!("`{named}` doesn't hold numbers by name: {error}");
        Failure::new(message).hint(hint).at(format!("outputs.{METRICS}")).into()
    })
}

fn type_of(file: &str) -> PortType {
    match Path::new(file).extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => PortType::Table,
        Some("svg" | "png") => PortType::Image,
        Some("html") => PortType::Page,
        _ => PortType::File,
    }
}

fn stays_inside(file: &str) -> bool {
    let path = Path::new(file);
    !file.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Where a source file goes inside the folder: its own relative path, with `up` for each upward step.
fn inside(name: &str) -> PathBuf {
    let step = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("up".into()),
        _ => None,
    };
    Path::new(name).components().filter_map(step).collect()
}

//! The kind `command`: any program, run in a scratch folder of its own.
//!
//! The program sees its declared inputs, files and environment and nothing else; what it leaves in
//! the folder under the declared names are its outputs.

mod program;

use std::collections::BTreeMap;
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
use program::Ended;

pub use program::end_all;

/// Runs any program on its inputs, in a scratch folder of its own.
///
/// In `command`, `{inputs.NAME}` stands for the path of an input and `{outputs.NAME}` for the path
/// where the program must leave an output. Standard output is the main output where none is declared.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Command {
    /// The program and its arguments, each a word of its own; no shell is involved.
    #[schemars(extend("x-required" = true), length(min = 1))]
    pub command: Vec<String>,
    /// Inputs by name.
    pub inputs: BTreeMap<String, Ref>,
    /// Outputs by name: the file that the program writes. Parquet files are tables; one called
    /// `metrics` is JSON with numbers by name, which a sweep can compare.
    pub outputs: BTreeMap<String, String>,
    /// Source files that it reads, relative to the project root: hashed, and placed in the folder.
    pub files: Vec<String>,
    /// Environment variables. Nothing else is passed on but `PATH` and `HOME`.
    pub env: BTreeMap<String, String>,
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
            let unknown = self.unknown_placeholder(word);
            mistakes.extend(
                unknown.map(|(message, hint)| Mistake::new(format!("command.{at}"), message).hint(hint)),
            );
        }
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let folder = ctx.scratch();
        self.place_files(ctx, folder)?;
        let words = self.words(ctx, folder)?;
        // Where outputs are declared, what it prints is only talk.
        let stdout = self.outputs.is_empty().then(|| folder.join(PRINTED));
        let ended = program::execute(&words, &self.env, folder, stdout.as_deref(), ctx)?;
        if !ended.ok {
            let program = &self.command[0];
            let message = format!("`{program}` ended with {}{}", ended.status, ended.said());
            return Err(Failure::new(message).at("command").into());
        }
        self.collect(folder, &ended)
    }
}

impl Command {
    fn place_files(&self, ctx: &Context<'_>, folder: &Path) -> Result<()> {
        for at in 0..self.files.len() {
            for source in ctx.sources(&format!("files.{at}")) {
                let to = folder.join(inside(&source.name));
                if let Some(parent) = to.parent() {
                    fs_err::create_dir_all(parent)?;
                }
                fs_err::copy(&source.path, &to)?;
            }
        }
        for file in self.outputs.values() {
            if let Some(parent) = folder.join(file).parent() {
                fs_err::create_dir_all(parent)?;
            }
        }
        Ok(())
    }

    /// The words of the command, placeholders replaced by paths: those of inputs are in the folder and
    /// the same whatever the cache looks like, so that a program may print them.
    fn words(&self, ctx: &Context<'_>, folder: &Path) -> Result<Vec<String>> {
        let mut words = self.command.clone();
        for name in self.inputs.keys() {
            let placeholder = format!("{{inputs.{name}}}");
            if words.iter().any(|word| word.contains(&placeholder)) {
                let path = ctx.place(&format!("inputs.{name}"), &folder.join(format!("inputs.{name}")))?;
                let path = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                words.iter_mut().for_each(|word| *word = word.replace(&placeholder, &path));
            }
        }
        for (name, file) in &self.outputs {
            let placeholder = format!("{{outputs.{name}}}");
            words.iter_mut().for_each(|word| *word = word.replace(&placeholder, file));
        }
        Ok(words)
    }

    /// A placeholder in a word that stands for nothing: the message, and what to do about it.
    fn unknown_placeholder(&self, word: &str) -> Option<(String, String)> {
        let inputs: Vec<_> = self.inputs.keys().map(String::as_str).collect();
        let outputs: Vec<_> = self.outputs.keys().map(String::as_str).collect();
        for (table, known) in [("inputs", inputs), ("outputs", outputs)] {
            let open = format!("{{{table}.");
            for (start, _) in word.match_indices(&open) {
                let name = word[start + open.len()..].split('}').next().unwrap_or_default();
                if known.contains(&name) {
                    continue;
                }
                let hint = match did_you_mean(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{open}{near}}}`?"),
                    None if known.is_empty() => format!("declare it: `{table} = {{ {name} = \"...\" }}`"),
                    None => format!("`{table}` declares {}", quoted(known.iter().copied(), "and")),
                };
                return Some((format!("`{open}{}}}` names nothing that is declared", shown(name)), hint));
            }
        }
        None
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

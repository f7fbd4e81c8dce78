//! The lock of a pipeline: the digest of every output that it should give, in a file beside it.
//!
//! One block a stage, sorted, nothing of times or machines: equal results give equal files, and changes of
//! different stages merge by themselves.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;

use super::Project;
use super::digest::Digest;
use super::disk;
use super::files::Files;
use super::identify::{Identity, inputs};
use super::store::{Output, Store};
use crate::diagnostic::{Diagnostic, Problems, quoted};
use crate::pipeline::Pipeline;
use crate::stage::Failure;

/// The form of the file; a newer one is refused.
const FORMAT: u32 = 1;

/// What a pipeline should give.
#[derive(Debug, PartialEq)]
pub struct Locked {
    /// The file, as it is named in messages.
    name: String,
    stages: BTreeMap<String, Block>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: u32,
    #[serde(default)]
    stages: BTreeMap<String, Block>,
}

/// What a stage should give.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    kind: String,
    version: u32,
    #[serde(default)]
    outputs: BTreeMap<String, Digest>,
}

/// Where the lock of a pipeline is: `full.lock.toml` for `full.toml`.
pub fn path(pipeline: &Path) -> PathBuf {
    pipeline.with_extension("lock.toml")
}

impl Locked {
    /// What the cache says that a pipeline gives; `name` is how messages call the file.
    ///
    /// # Errors
    /// When the cache doesn't have the result of a stage.
    pub fn of(pipeline: &Pipeline, project: &Project, name: &str) -> Result<Self> {
        let store = Store::look(&project.cache())?;
        let mut files = Files::look(&store.files_log())?;
        let mut outputs: Vec<Option<BTreeMap<String, Output>>> = vec![None; pipeline.tasks.len()];
        let mut stages = BTreeMap::new();
        let mut lacking = Vec::new();
        for (at, task) in pipeline.tasks.iter().enumerate() {
            let known = task.inputs.iter().all(|edge| outputs[edge.task].is_some());
            let record = if known {
                let identity = Identity::of(task, inputs(task, &outputs), &mut files, &project.root)?;
                store.record(&identity.key)
            } else {
                None
            };
            let Some(record) = record else {
                lacking.push(task.label.as_str());
                continue;
            };
            let digests = record.outputs.iter().map(|(port, output)| (port.clone(), output.digest)).collect();
            let kind = task.draft.kind;
            let block = Block { kind: kind.name.to_owned(), version: kind.version, outputs: digests };
            stages.insert(task.label.clone(), block);
            outputs[at] = Some(record.outputs);
        }
        if lacking.is_empty() {
            return Ok(Self { name: name.to_owned(), stages });
        }
        let message = format!("the cache doesn't have the results of {}", quoted(lacking, "and"));
        Err(Failure::new(message).hint(format!("run it first: custem run {}", pipeline.file)).into())
    }

    /// Reads a lock.
    ///
    /// # Errors
    /// When it isn't there, or is none.
    pub fn read(path: &Path, name: &str, pipeline: &str) -> Result<Self, Problems> {
        let problem = |message: String, hint: String| Problems::from(Diagnostic::error(message).hint(hint));
        let anew = format!("`custem lock {pipeline}` writes it anew");
        let bytes = disk::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => problem(
                format!("`--locked` compares with `{name}`, which isn't there"),
                format!("`custem lock {pipeline}` writes it"),
            ),
            _ => problem(format!("can't read `{name}`: {error}"), anew.clone()),
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let Text { format, stages } = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let place = line.map(|line| format!(":{line}")).unwrap_or_default();
            problem(format!("`{name}{place}` is no lock: {}", error.message()), anew.clone())
        })?;
        if format > FORMAT {
            let message =
                format!("`{name}` has format {format}, but this custem knows formats up to {FORMAT}");
            return Err(problem(message, "use the custem that wrote it".to_owned()));
        }
        Ok(Self { name: name.to_owned(), stages })
    }

    /// How many stages it has.
    pub fn len(&self) -> usize {
        self.stages.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = format!(
            "# What this pipeline gives; `custem lock` writes it, `custem run --locked` compares.\nformat = {FORMAT}\n"
        );
        for (stage, block) in &self.stages {
            let kind = toml::Value::from(block.kind.as_str());
            // Writing to a text never fails.
            let _ = writeln!(text, "\n[stages.{}]\nkind = {kind}\nversion = {}", key(stage), block.version);
            for (port, digest) in &block.outputs {
                let _ = writeln!(text, "outputs.{} = \"{digest}\"", key(port));
            }
        }
        text
    }

    /// What is wrong with a stage that the lock doesn't have.
    pub fn lacks(&self, stage: &str, pipeline: &str) -> Option<Failure> {
        let failure = || Failure::new(format!("`{}` doesn't have stage `{stage}`", self.name));
        (!self.stages.contains_key(stage)).then(|| failure().hint(advice(stage, pipeline)))
    }

    /// What is wrong with the outputs of a stage: ports with other digests.
    pub fn refuses(
        &self,
        stage: &str,
        outputs: &BTreeMap<String, Output>,
        pipeline: &str,
    ) -> Option<Failure> {
        let Some(block) = self.stages.get(stage) else { return self.lacks(stage, pipeline) };
        let ports = block.outputs.keys().chain(outputs.keys()).collect::<std::collections::BTreeSet<_>>();
        let differences: Vec<_> = ports
            .into_iter()
            .filter_map(|port| {
                let (wanted, found) =
                    (block.outputs.get(port), outputs.get(port).map(|output| &output.digest));
                let short = |digest: Option<&Digest>| digest.map_or("nothing".to_owned(), Digest::short);
                (wanted != found)
                    .then(|| format!("`{stage}.{port}` is {}, not {}", short(found), short(wanted)))
            })
            .collect();
        let message = format!("other bytes than in `{}`: {}", self.name, differences.join(", "));
        (!differences.is_empty()).then(|| Failure::new(message).hint(advice(stage, pipeline)))
    }
}

fn advice(stage: &str, pipeline: &str) -> String {
    format!(
        "`custem why {stage}` tells what changed; if it should be so, run without `--locked`, then: custem lock {pipeline}"
    )
}

/// A key as TOML writes it, in quotes only where it must be.
fn key(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    // Always on one line, unlike what the library makes of a text with quotes.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use super::{Block, Digest, Locked, Output, path};
    use crate::stage::PortType;

    fn locked() -> Locked {
        let block = |ports: &[&str]| Block {
            kind: "segment".to_owned(),
            version: 3,
            outputs: ports.iter().map(|port| ((*port).to_owned(), Digest::of(port.as_bytes()))).collect(),
        };
        let stages = [("b[k=3, s=\"x\"]", block(&["rows"])), ("a", block(&["table", "metrics", "a.b"]))];
        let stages = stages.into_iter().map(|(name, block)| (name.to_owned(), block)).collect();
        Locked { name: "p.lock.toml".to_owned(), stages }
    }

    #[test]
    fn the_text_reads_back_sorted_and_quoted_where_needed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.lock.toml");
        let text = locked().text();
        fs_err::write(&file, &text).unwrap();
        assert_eq!(Locked::read(&file, "p.lock.toml", "p.toml").unwrap(), locked());
        let heads: Vec<_> =
            text.lines().filter(|line| !line.contains('#') && !line.contains("\" = ")).collect();
        assert_eq!(heads[..4], ["format = 1", "", "[stages.a]", "kind = \"segment\""]);
        assert!(
            text.contains("\n[stages.\"b[k=3, s=\\\"x\\\"]\"]\n") && text.contains("\noutputs.\"a.b\" = \"")
        );
    }

    #[test]
    fn a_difference_names_stage_port_and_both_digests() {
        let output = |bytes: &[u8]| Output { digest: Digest::of(bytes), bytes: 1, ty: PortType::File };
        let outputs = |ports: &[(&str, &[u8])]| -> BTreeMap<_, _> {
            ports.iter().map(|(port, bytes)| ((*port).to_owned(), output(bytes))).collect()
        };
        let locked = locked();
        let same = outputs(&[("table", b"table"), ("metrics", b"metrics"), ("a.b", b"a.b")]);
        assert_eq!(locked.refuses("a", &same, "p.toml"), None);
        let other = outputs(&[("table", b"x"), ("metrics", b"metrics"), ("new", b"n")]);
        let said = locked.refuses("a", &other, "p.toml").unwrap();
        let short = |text: &[u8]| Digest::of(text).short();
        let expected = format!(
            "other bytes than in `p.lock.toml`: `a.a.b` is nothing, not {}, `a.new` is {}, not nothing, `a.table` is {}, not {}",
            short(b"a.b"),
            short(b"n"),
            short(b"x"),
            short(b"table")
        );
        assert_eq!(said.message, expected);
        assert_eq!(
            locked.refuses("c", &same, "p.toml").unwrap().message,
            "`p.lock.toml` doesn't have stage `c`"
        );
    }

    #[test]
    fn what_is_no_lock_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.lock.toml");
        let said = |text: &str| {
            fs_err::write(&file, text).unwrap();
            Locked::read(&file, "p.lock.toml", "p.toml").unwrap_err().0.remove(0).message
        };
        assert!(said("format = 1\n<<<<<<< ours\n").starts_with("`p.lock.toml:2` is no lock: "));
        assert_eq!(said("format = 9\n"), "`p.lock.toml` has format 9, but this custem knows formats up to 1");
        let gone = Locked::read(&folder.path().join("none"), "none", "p.toml").unwrap_err();
        assert_eq!(gone.0[0].message, "`--locked` compares with `none`, which isn't there");
    }

    #[test]
    fn the_lock_lies_beside_its_pipeline() {
        assert_eq!(path(Path::new("pipelines/full.toml")), PathBuf::from("pipelines/full.lock.toml"));
        assert_eq!(path(Path::new("a/my.v2.toml")), PathBuf::from("a/my.v2.lock.toml"));
    }
}

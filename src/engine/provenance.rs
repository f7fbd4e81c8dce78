//! What a run rests on besides its data: the pipeline as it was written, this custem, the commit, the machine.
//!
//! Says it in the form in which it is recorded; finds none of it out but the machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::machine::Machine;
use crate::pipeline::Pipeline;
use crate::pipeline::places::{self, Places};

/// The version of the form of a run's log. Fields and events are added without another one.
pub const SCHEMA: u32 = 1;

/// What a run rests on besides its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The version of the form of the log: docs/events.schema.json describes it. Fields and events are added without
    /// another one.
    pub schema: u32,
    /// The digest of the pipeline as it was written: the bytes of its files, and the flags that change it.
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
    pub text: Digest,
    /// The digests of its files, its own first and then those that it extends.
    pub files: Vec<PipelineFile>,
    /// Where each value stands.
    #[serde(flatten)]
    pub places: Places,
    /// The machine.
    pub machine: Computer,
    /// The commit, where the project is in a git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Commit>,
}

/// A file of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PipelineFile {
    /// Its path as it was given.
    pub file: String,
    /// The digest of its bytes.
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: Digest,
}

/// The machine that a run took place on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Computer {
    /// Cores that custem may use.
    pub cores: usize,
    /// Bytes of memory that it may use.
    pub memory: Option<u64>,
    /// The operating system, with its version where it tells one.
    pub os: String,
    /// The architecture.
    pub architecture: String,
    /// The processor's model.
    pub cpu: Option<String>,
}

/// A commit of the repository that a project is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Commit {
    /// Its hash.
    pub commit: String,
    /// The branch; nothing when none is checked out.
    pub branch: Option<String>,
}

impl Provenance {
    /// What a run of a pipeline rests on.
    pub fn of(pipeline: &Pipeline, machine: Machine, git: Option<Commit>) -> Self {
        let file = |layer: &crate::pipeline::Layer| PipelineFile {
            file: layer.name().to_owned(),
            digest: Digest::of(&layer.bytes()),
        };
        let files: Vec<_> = pipeline.layers.iter().map(file).collect();
        let places = places::places(&pipeline.document);
        let mut hasher = blake3::Hasher::new_derive_key("custem pipeline text");
        for file in &files {
            hasher.update(file.digest.as_bytes());
        }
        for flag in places.set.values() {
            hasher.update(Digest::of(flag.as_bytes()).as_bytes());
        }
        let text = Digest::from_hasher(&hasher);
        Self { schema: SCHEMA, text, files, places, machine: Computer::of(machine), git }
    }
}

impl Computer {
    fn of(machine: Machine) -> Self {
        let release = fs_err::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cores: machine.cores,
            memory: machine.memory,
            os: format!("{} {}", std::env::consts::OS, release.trim()).trim().to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            cpu: fs_err::read_to_string("/proc/cpuinfo").ok().and_then(|text| model(&text)),
        }
    }
}

/// The processor's model as Linux describes it.
fn model(text: &str) -> Option<String> {
    let named = |line: &str| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    };
    text.lines().find_map(named).filter(|model| !model.is_empty())
}

#[cfg(test)]
mod tests {
    use super::model;

    #[test]
    fn the_model_is_that_of_the_first_processor() {
        let text = "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Some CPU @ 2.00GHz\n\nprocessor\t: 1\nmodel name\t: other\n";
        assert_eq!(model(text).as_deref(), Some("Some CPU @ 2.00GHz"));
        assert_eq!(model("processor : 0\nBogoMIPS : 50.00\n"), None);
    }
}

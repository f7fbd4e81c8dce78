//! The bytes that each kind gives, written down in `tests/golden.toml`.
//!
//! A key stands for everything that a stage's outputs depend on, the kind's version included. So equal
//! keys with other bytes mean that caches in the field would give wrong answers: the version must grow.
//!
//! Which bytes are portable: kernels add in a fixed order and take exponentials and logarithms from
//! the crate `libm` (`clippy.toml` forbids the C library's, whose last digit depends on whether the
//! processor has FMA). What the crate `rand_distr` computes inside still calls the C
//! library; a last digit there only shows where it tips a draw or a split.
//! `a_processor_without_fma_gives_the_same` holds all of it against glibc without FMA and AVX2.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::project::{Project, events, repository, text};

/// A small pipeline with every kind; the name of a stage starts with `the_`, then its kind.
pub const ALL: &str = include_str!("golden/all.toml");

/// Joined to it where SQL is built in.
pub const SQL: &str = include_str!("golden/sql.toml");

/// A file for `read`: two spellings of a date, a comma as decimal sign, one row that can't be read.
const ORDERS: &str = "\u{feff}Customer;Day;Total;City\r\n7;2024-01-05;12,50;Köln\r\n8;06.01.2024;3,20;\"Bad\r\nEms\"\r\n7;2024-02-01;;Köln\r\n9;never;1,00;Trier\r\n9;2024-02-03;1.234,00;Trier\r\n";

/// What one stage gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The key of the run.
    pub key: String,
    /// The digest on each port.
    pub outputs: BTreeMap<String, String>,
    /// The type that each port was declared with.
    #[serde(skip)]
    pub types: BTreeMap<String, String>,
    /// The names of the metrics that it gave.
    #[serde(skip)]
    pub metrics: BTreeSet<String>,
}

/// What a kind gave, by stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Golden {
    version: u64,
    #[serde(flatten)]
    stages: BTreeMap<String, Given>,
}

/// What stages gave, by kind and stage.
pub type ByKind = BTreeMap<String, BTreeMap<String, Given>>;

/// The pipeline, with SQL where it is built in.
pub fn pipeline() -> String {
    if cfg!(feature = "sql") { format!("{ALL}\n{SQL}") } else { ALL.to_owned() }
}

/// A project with a pipeline and the file that it reads.
pub fn project(pipeline: &str) -> Project {
    let project = Project::with(pipeline);
    project.write("orders.csv", ORDERS);
    project
}

/// Runs a project and gives what each stage gave, by kind and stage.
pub fn gave(project: &Project, args: &[&str], env: &[(&str, &str)]) -> ByKind {
    let ran = project.custem_with(&[&["run", "p.toml", "--json"], args].concat(), env);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let mut kinds: ByKind = BTreeMap::new();
    for end in events(&ran.out).iter().filter(|event| event["event"] == "stage_done") {
        let of = |part: &str| -> BTreeMap<String, String> {
            let ports = end["outputs"].as_object().unwrap().iter();
            ports.map(|(port, output)| (port.clone(), text(output, part).to_owned())).collect()
        };
        let metrics = end["metrics"].as_object().unwrap().keys().cloned().collect();
        let key = text(end, "key").to_owned();
        let given = Given { key, outputs: of("digest"), types: of("type"), metrics };
        kinds.entry(text(end, "kind").to_owned()).or_default().insert(text(end, "stage").to_owned(), given);
    }
    kinds
}

/// A run of the pipeline in a fresh project with two cores.
pub struct Fresh {
    pub given: ByKind,
    /// The pipeline with every default spelled out, as the run recorded it.
    resolved: String,
    /// The bytes of every object, by digest.
    pub objects: BTreeMap<String, Vec<u8>>,
}

/// The fresh run, made once for all tests.
pub fn fresh() -> &'static Fresh {
    static FRESH: OnceLock<Fresh> = OnceLock::new();
    FRESH.get_or_init(|| {
        let project = project(&pipeline());
        let given = gave(&project, &["--jobs", "2"], &[]);
        let (_, resolved) = project.files("experiments/configs").remove(0);
        let digest = |path: &Path| -> String {
            path.strip_prefix(project.path("cache/objects")).unwrap().to_string_lossy().replace('/', "")
        };
        let objects = project.files("cache/objects").into_iter();
        let objects = objects.map(|(path, bytes)| (digest(&path), bytes)).collect();
        Fresh { given, resolved: String::from_utf8(resolved).unwrap(), objects }
    })
}

/// The kinds, as `custem kinds --json` lists them.
pub fn kinds() -> Vec<Json> {
    let json: Json = serde_json::from_str(&Project::new().custem(&["kinds", "--json"]).out).unwrap();
    json.as_array().unwrap().clone()
}

fn file() -> PathBuf {
    repository().join("tests/golden.toml")
}

fn written() -> BTreeMap<String, Golden> {
    toml::from_str(&fs::read_to_string(file()).unwrap_or_default()).unwrap()
}

/// What runs give now; of kinds that aren't built in, what is written down.
fn now(written: &BTreeMap<String, Golden>) -> BTreeMap<String, Golden> {
    let given = &fresh().given;
    let mut now = BTreeMap::new();
    for kind in kinds() {
        let name = text(&kind, "kind").to_owned();
        if name == "sql" && !cfg!(feature = "sql") {
            now.extend(written.get(&name).map(|golden| (name, golden.clone())));
            continue;
        }
        let stages = given.get(&name).unwrap_or_else(|| {
            panic!("kind `{name}` has no stage in tests/it/golden/all.toml: add one, so that its bytes are watched")
        });
        let stages = stages.clone().into_iter().map(|(stage, given)| {
            (stage, Given { types: BTreeMap::new(), metrics: BTreeSet::new(), ..given })
        });
        now.insert(name, Golden { version: kind["version"].as_u64().unwrap(), stages: stages.collect() });
    }
    now
}

/// The differences in words, and whether one of them is other bytes under an equal key.
fn differences(written: &BTreeMap<String, Golden>, now: &BTreeMap<String, Golden>) -> (Vec<String>, bool) {
    let (mut lines, mut broken) = (Vec::new(), false);
    for (kind, golden) in now {
        for (stage, given) in &golden.stages {
            let before = written.get(kind).and_then(|golden| golden.stages.get(stage));
            match before {
                Some(before) if before == given => {}
                Some(before) if before.key == given.key => {
                    let other = |(port, digest): (&String, &String)| {
                        (before.outputs.get(port) != Some(digest)).then(|| port.clone())
                    };
                    let ports: Vec<_> = given.outputs.iter().filter_map(other).collect();
                    let version = golden.version;
                    lines.push(format!("{kind}: `{stage}` has the same key, but gives other bytes on {}: raise VERSION (now {version}) in src/stages/{kind}.rs", ports.join(", ")));
                    broken = true;
                }
                Some(_) => lines.push(format!(
                    "{kind}: `{stage}` has another key: its parameters, inputs or version changed"
                )),
                None => lines.push(format!("{kind}: `{stage}` is new")),
            }
        }
    }
    for (kind, golden) in written {
        let there = now.get(kind).map(|golden| &golden.stages);
        let gone = golden.stages.keys().filter(|stage| there.is_none_or(|there| !there.contains_key(*stage)));
        lines.extend(gone.map(|stage| format!("{kind}: `{stage}` is gone")));
    }
    (lines, broken)
}

#[test]
fn every_kind_gives_the_bytes_that_are_written_down() {
    let written = written();
    let now = now(&written);
    let (lines, broken) = differences(&written, &now);
    let wanted = std::env::var("CUSTEM_GOLDEN").unwrap_or_default();
    match wanted.as_str() {
        "write" | "write-same-version" if !lines.is_empty() => {
            assert!(
                !broken || wanted == "write-same-version",
                "{}\nor say in the commit why not, and write with CUSTEM_GOLDEN=write-same-version",
                lines.join("\n")
            );
            let head = "# What each kind gives in tests/it/golden/all.toml: CUSTEM_GOLDEN=write cargo test --test it golden\n";
            fs::write(file(), format!("{head}\n{}", toml::to_string(&now).unwrap())).unwrap();
        }
        _ => assert!(
            lines.is_empty(),
            "{}\nwhen that is meant, write it down: CUSTEM_GOLDEN=write cargo test --test it golden",
            lines.join("\n")
        ),
    }
}

/// Asserts that two runs gave the same, and says where they did not.
fn same(one: &ByKind, two: &ByKind, prefix: &str) {
    let flat = |given: &ByKind| -> BTreeMap<String, String> {
        let stages = given.values().flatten();
        let all = stages.flat_map(|(stage, given)| {
            let name = stage.trim_start_matches("the_").trim_start_matches(prefix).to_owned();
            let ports = given.outputs.iter().map(|(port, digest)| (format!("{name}.{port}"), digest.clone()));
            ports.chain([(name.clone(), given.key.clone())]).collect::<Vec<_>>()
        });
        all.collect()
    };
    let (one, two) = (flat(one), flat(two));
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    let other: Vec<_> =
        one.iter().filter(|(name, digest)| two.get(*name) != Some(digest)).map(|(name, _)| name).collect();
    assert!(other.is_empty(), "other keys or bytes: {other:?}");
}

#[test]
fn one_core_gives_the_same() {
    same(&gave(&project(&pipeline()), &["--jobs", "1"], &[]), &fresh().given, "the_");
}

#[test]
fn a_processor_without_fma_gives_the_same() {
    // So many customers that last digits show: in segments, forecasts and churn they did before the
    // crate `libm`. Other C libraries and processors ignore the variable.
    let large = pipeline().replace("customers = 150", "customers = 1500");
    let plain = [("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-FMA,-AVX2,-AVX512F,-FMA4")];
    same(&gave(&project(&large), &[], &plain), &gave(&project(&large), &[], &[]), "the_");
}

#[test]
fn other_names_and_defaults_spelled_out_give_the_same() {
    let renamed = gave(&project(&pipeline().replace("the_", "our_")), &[], &[]);
    assert!(renamed.values().flatten().all(|(stage, _)| stage.starts_with("our_")));
    same(&renamed, &fresh().given, "our_");
    let resolved = &fresh().resolved;
    assert!(resolved.len() > 2 * pipeline().len(), "every default is spelled out:\n{resolved}");
    same(&gave(&project(resolved), &[], &[]), &fresh().given, "the_");
}

#[test]
fn equal_keys_with_other_bytes_are_told_from_other_keys() {
    let given = |key: &str, digest: &str| Given {
        key: key.to_owned(),
        outputs: BTreeMap::from([("rows".to_owned(), digest.to_owned())]),
        types: BTreeMap::new(),
        metrics: BTreeSet::new(),
    };
    let golden = |given: Given| {
        BTreeMap::from([(
            "read".to_owned(),
            Golden { version: 3, stages: BTreeMap::from([("s".to_owned(), given)]) },
        )])
    };
    let before = golden(given("k", "a"));
    assert_eq!(differences(&before, &before), (Vec::new(), false));
    let (lines, broken) = differences(&before, &golden(given("k", "b")));
    assert!(broken && lines[0].contains("raise VERSION (now 3) in src/stages/read.rs"), "{lines:?}");
    let (lines, broken) = differences(&before, &golden(given("l", "b")));
    assert!(!broken && lines[0].contains("has another key"), "{lines:?}");
    assert!(differences(&before, &BTreeMap::new()).0[0].contains("is gone"));
}

//! Every pipeline in `pipelines/` checks, and runs on less data; so does the README's.

use std::fs;
use std::path::PathBuf;

use crate::project::{Project, repository};

fn pipelines() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join("pipelines")).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    found.sort();
    found
}

#[test]
fn all_of_them_check() {
    assert!(pipelines().len() >= 3);
    for path in pipelines() {
        let ran = Project::new().custem(&["check", path.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}: {}", path.display(), ran.err);
    }
}

#[test]
fn those_that_simulate_run() {
    for path in pipelines() {
        let text = fs::read_to_string(&path).unwrap();
        if !text.contains("kind = \"simulate\"") {
            continue;
        }
        let project = Project::new();
        let fewer = ["run", path.to_str().unwrap(), "--set", "transactions.customers=1500"];
        let ran = project.custem(&fewer);
        assert_eq!(ran.code, 0, "{}: {}", path.display(), ran.err);
        let again = project.custem(&fewer);
        assert!(again.err.contains(" 0 ran,"), "{}: {}", path.display(), again.err);
    }
}

/// The benchmark reads a file that a script makes; a simulated one has the same columns.
#[test]
fn the_benchmark_runs_on_fewer_purchases() {
    let purchases = "[pipeline]\nname = \"purchases\"\n[stages.transactions]\nkind = \"simulate\"\n\
                     customers = 1500\nstart = 2023-01-02\nend = 2025-12-28\n\
                     save = \"data/raw/txn_1m.parquet\"\n";
    let project = Project::with(purchases);
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    let path = repository().join("pipelines/bench-1m.toml");
    let run = ["run", path.to_str().unwrap()];
    let ran = project.custem(&run);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let again = project.custem(&run);
    assert!(again.err.contains(" 0 ran,"), "{}", again.err);
}

#[test]
fn blocks_in_the_readme_that_are_pipelines_check() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let blocks: Vec<_> =
        readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let ran = Project::with(block).custem(&["check", "p.toml"]);
        assert_eq!(ran.code, 0, "{block}\n{}", ran.err);
    }
}

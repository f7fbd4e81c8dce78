//! Every pipeline in `pipelines/` checks, and runs on less data; so do those of the pages.

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

/// The pipelines among the blocks of a page.
fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(page)).unwrap();
    let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.starts_with("[pipeline]")).map(str::to_owned).collect()
}

#[test]
fn pipelines_in_the_readme_and_on_the_page_of_the_language_check() {
    for page in ["README.md", "docs/language.md", "docs/synthetic.md"] {
        assert!(!blocks(page).is_empty(), "{page}");
        for block in blocks(page) {
            let ran = Project::with(&block).custem(&["check", "p.toml"]);
            assert_eq!(ran.code, 0, "{page}:\n{block}\n{}", ran.err);
        }
    }
}

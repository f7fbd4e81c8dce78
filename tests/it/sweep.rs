//! Sweeps: what is equal is computed once, every variant has a record, the best comes first.

use std::fs;

use crate::project::Project;

const SWEEP: &str = r#"
[pipeline]
seed = 3

[stages.rows]
kind = "simulate"
customers = 60
start = 2024-01-01
end = 2024-12-29

[stages.features]
kind = "features"
input = "rows"

[stages.segments]
kind = "segment"
input = "features"
k = 2
save = "out/segments.parquet"

[sweep]
axes = { "segments.k" = [2, 3, 4], "segments.n_init" = [1, 2] }
objective = "segments.silhouette"
"#;

#[test]
fn the_prefix_is_shared_and_the_leaderboard_is_sorted() {
    let project = Project::with(SWEEP);
    let ran = project.what_ran(&[]);
    assert_eq!(ran.iter().filter(|stage| stage.starts_with("segments[")).count(), 6);
    assert_eq!(ran.iter().filter(|stage| *stage == "rows" || *stage == "features").count(), 2);
    let again = project.custem(&["run", "p.toml"]);
    let values: Vec<f64> = again
        .err
        .lines()
        .filter(|line| line.contains("n_init="))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(values.len(), 6, "{}", again.err);
    assert!(values.windows(2).all(|pair| pair[0] >= pair[1]), "{}", again.err);
}

#[test]
fn variants_have_rerunnable_records_and_saves_of_their_own() {
    let project = Project::with(SWEEP);
    project.run(&[]);
    let configs: Vec<_> = project.files("experiments/configs").into_iter().map(|(path, _)| path).collect();
    assert_eq!(configs.len(), 7);
    assert!(project.path("out/segments.k=3.n_init=2.parquet").exists());
    let variant = configs.iter().find(|path| path.to_string_lossy().ends_with(".03.toml")).unwrap();
    fs::copy(variant, project.path("p.toml")).unwrap();
    assert!(project.what_ran(&[]).is_empty(), "a variant's own config finds everything in the cache");
}

#[test]
fn the_leaderboard_is_an_input_by_the_name_sweep() {
    let project = Project::with(&format!(
        "{SWEEP}\n[stages.board]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"wc -c < {{inputs.board}}\"]\ninputs = {{ board = \"sweep\" }}\n"
    ));
    let ends = project.run(&[]);
    assert!(ends.contains(&"board ran".to_owned()) && ends.contains(&"sweep ran".to_owned()), "{ends:?}");
    let table = project.custem(&["show", "sweep", "--csv"]).out;
    assert!(table.starts_with("rank,variant,segments.k,segments.n_init,segments.silhouette\n1,"), "{table}");
    assert_eq!(table.lines().count(), 7);
}

#[test]
fn a_new_value_runs_only_the_new_cells() {
    let project = Project::with(SWEEP);
    project.run(&[]);
    project.write("p.toml", SWEEP.replace("[2, 3, 4]", "[2, 3, 4, 5]"));
    let ran = project.what_ran(&[]);
    assert_eq!(ran, ["segments[k=5, n_init=1]", "segments[k=5, n_init=2]", "sweep"]);
}

#[test]
fn mistakes_in_axes_are_told_at_their_place() {
    let wrong = |from: &str, to: &str| Project::with(&SWEEP.replace(from, to)).custem(&["check", "p.toml"]);
    let stage = wrong("\"segments.k\"", "\"segmnts.k\"");
    assert!(
        stage.err.contains("there is no stage `segmnts`") && stage.err.contains("did you mean `segments`?"),
        "{}",
        stage.err
    );
    let value = wrong("[2, 3, 4]", "[2, 1]");
    assert!(value.err.contains("`segments.k` must be between 2 and 1000, not 1"), "{}", value.err);
    assert!(value.err.contains("--> p.toml:22:29"), "{}", value.err);
    let metric =
        Project::with(&SWEEP.replace("segments.silhouette", "segmnts.x")).custem(&["check", "p.toml"]);
    assert!(metric.err.contains("there is no stage `segmnts` to take the objective from"), "{}", metric.err);
}

#[test]
fn a_grid_that_is_too_large_is_counted_and_refused() {
    let many: Vec<_> = (2..202).map(|k| k.to_string()).collect();
    let ran = Project::with(
        &SWEEP
            .replace("[2, 3, 4]", &format!("[{}]", many.join(", ")))
            .replace("[1, 2]", &format!("[{}]", many.join(", "))),
    )
    .custem(&["check", "p.toml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("this grid has 40000 variants"), "{}", ran.err);
}

//! Sweeps: what is equal is computed once, every variant has a record, the best comes first.

use std::fs;

use crate::project::{Project, events, text};

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
fn until_a_compared_stage_the_leaderboard_is_made() {
    let project =
        Project::with(&SWEEP.replace(
            "\"segments.n_init\" = [1, 2]",
            "\"segments.tolerance\" = [0.000035319123, 0.0077093917]",
        ));
    let ran = project.custem(&["run", "p.toml", "--until", "segments"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let shown = project.custem(&["show", "sweep"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    // Small values keep their digits.
    let tolerances: Vec<_> = shown
        .out
        .lines()
        .skip(1)
        .take(6)
        .filter(|line| line.contains(" 3.532e-5 ") || line.contains(" 0.007709 "))
        .collect();
    assert_eq!(tolerances.len(), 6, "{}", shown.out);
    let matters = project.custem(&["show", "sweep.importance"]);
    assert!(matters.code == 0 && matters.out.contains("segments.k"), "{}{}", matters.out, matters.err);
    // What comes before needs none.
    let early = project.what_ran(&["--until", "features"]);
    assert!(early.is_empty(), "{early:?}");
    let last = project.custem(&["run", "p.toml", "--until", "features", "--json"]);
    assert!(!last.out.contains("\"leaderboard\""), "{}", last.out);
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

/// Everything that is wrong with a sweep, a message and a hint a line.
fn told(pipeline: &str, args: &[&str]) -> Vec<String> {
    let ran = Project::with(pipeline).custem(&[&["check", "p.toml", "--json"], args].concat());
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let one = |problem: &serde_json::Value| {
        format!(
            "{}:{} {}; {}",
            problem["line"],
            problem["column"],
            text(problem, "message"),
            text(problem, "hint")
        )
    };
    json["problems"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn all_mistakes_of_a_sweep_are_told() {
    let axes = "{ \"segments.kk\" = [3, 4], \"x.k\" = [1], \"segments.k\" = [1, 3, \"a\", 3] }";
    let wrong = SWEEP
        .replace("{ \"segments.k\" = [2, 3, 4], \"segments.n_init\" = [1, 2] }", axes)
        .replace("segments.silhouette", "segments.silhouete");
    let about = "its default is 5; `custem kinds segment` says what it does";
    assert_eq!(
        told(&wrong, &[]),
        [
            "22:10 unknown key `kk` in stage `segments`; did you mean `k`? `custem kinds segment` lists all keys".to_owned(),
            "22:34 there is no stage `x`; the stages are `rows`, `features` and `segments`".to_owned(),
            format!("22:63 `segments.k` must be between 2 and 1000, not 1; {about}"),
            format!("22:69 `segments.k` must be an integer, not text; {about}"),
            "22:74 `segments.k` has the value 3 twice; take one of them out: both would be the same variant".to_owned(),
            "23:13 stage `segments` gives no metric `silhouete`; did you mean `segments.silhouette`?".to_owned(),
        ]
    );
}

#[test]
fn a_flag_can_not_hold_what_is_swept() {
    let hint = "give the axis this one value: --set 'sweep.axes.\"segments.k\"=[4]'";
    assert_eq!(
        told(SWEEP, &["--set", "segments.k=4"]),
        [format!("1:12 `segments.k` is swept, so `--set` can't give it a value; {hint}")]
    );
    let project = Project::with(SWEEP);
    let ran = project.what_ran(&["--set", "sweep.axes.\"segments.k\"=[4]"]);
    assert_eq!(
        ran,
        ["features", "rows", "segments[k=4, n_init=1]", "segments[k=4, n_init=2]", "sweep"],
        "the advice works"
    );
    let seeds = SWEEP.replace("\"segments.n_init\" = [1, 2]", "\"pipeline.seed\" = [1, -1]");
    assert_eq!(
        told(&seeds, &[]),
        [
            "22:58 `pipeline.seed` must be at least 0, not -1; its default is 0; `pipeline.seed` is the seed of all stages"
        ]
    );
}

#[test]
fn a_metric_that_only_some_values_of_an_axis_give_is_fine() {
    let churn = "[stages.rows]\nkind = \"simulate\"\n[stages.c]\nkind = \"churn\"\ninput = \"rows\"\n[sweep]\naxes = { \"c.models\" = [[\"boosted\"], [\"logistic\"]] }\nobjective = \"c.METRIC\"\n";
    assert!(told(&churn.replace("METRIC", "auc.logistic"), &[]).is_empty());
    let without = churn.replace("[[\"boosted\"], [\"logistic\"]]", "[[\"boosted\"]]");
    assert_eq!(
        told(&without.replace("METRIC", "auc.logistic"), &[])[0],
        "8:13 stage `c` gives no metric `auc.logistic`; it gives `accuracy`, `accuracy.boosted`, `auc`, `auc.boosted`, `base_rate`, `brier`, `brier.boosted`, `customers`, `holdout_rows`, `log_loss`, `log_loss.boosted` and `train_rows`"
    );
    let command = "[stages.c]\nkind = \"command\"\ncommand = [\"true\"]\n[sweep]\naxes = { \"c.env\" = [{}] }\nobjective = \"c.loss\"\n";
    assert_eq!(
        told(command, &[]),
        [
            "6:13 stage `c` gives no metric `loss`; it gives none: a `command` gives those that it writes into an output `metrics`"
        ]
    );
    let written = command.replace("[\"true\"]", "[\"true\"]\noutputs = { metrics = \"m.json\" }");
    assert!(told(&written, &[]).is_empty());
}

const BOARD: &str = r#"
[stages.board]
kind = "report"
leaderboard = "sweep"
"#;

/// One variant that can't be computed costs its own row a value, and nobody else anything.
#[test]
fn a_failed_variant_leaves_the_leaderboard_and_the_report() {
    let axes = "{ \"segments.k\" = [2, 900, 3] }";
    let pipeline = SWEEP.replace("{ \"segments.k\" = [2, 3, 4], \"segments.n_init\" = [1, 2] }", axes);
    let project = Project::with(&format!("{pipeline}{BOARD}"));
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("7 stages: 6 ran, 0 from cache, 1 failed, "), "{}", ran.err);
    let table = project.custem(&["show", "sweep", "--csv"]).out;
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 4, "{table}");
    assert_eq!(rows[3], ",k=900,900,", "{table}");
    assert!(ran.err.contains("     -  k=900    failed\n"), "{}", ran.err);
    // Another variant that fails makes another leaderboard, and mended it is as if nothing had been.
    project.write("p.toml", format!("{}{BOARD}", pipeline.replace("900", "4")));
    assert_eq!(project.what_ran(&[]), ["board", "segments[k=4]", "sweep"]);
}

#[test]
fn a_sweep_of_failures_has_no_leaderboard() {
    let axes = "{ \"segments.k\" = [800, 900] }";
    let pipeline = SWEEP.replace("{ \"segments.k\" = [2, 3, 4], \"segments.n_init\" = [1, 2] }", axes);
    let project = Project::with(&format!("{pipeline}{BOARD}"));
    let ends = project.run(&[]);
    assert_eq!(
        ends,
        [
            "board skipped",
            "features ran",
            "rows ran",
            "segments[k=800] failed",
            "segments[k=900] failed",
            "sweep skipped"
        ]
    );
}

#[test]
fn a_run_that_stops_before_the_objective_ranks_nothing() {
    let project = Project::with(SWEEP);
    let ran = project.custem(&["run", "p.toml", "--until", "features"]);
    assert_eq!((ran.code, ran.err.contains("rank")), (0, false), "{}", ran.err);
    assert_eq!(project.files("experiments/logs").len(), 1);
    let one = project.custem(&["run", "p.toml", "--until", "segments[k=3, n_init=2]"]);
    let ranked: Vec<_> = one.err.lines().filter(|line| line.contains("k=3, n_init=2  ")).collect();
    assert_eq!((one.code, ranked.len(), one.err.contains("k=2, ")), (0, 1, false), "{}", one.err);
    let records: Vec<_> = project.files("experiments/logs").into_iter().map(|(path, _)| path).collect();
    assert_eq!(records.len(), 3, "{records:?}");
    assert!(records.iter().any(|path| path.to_string_lossy().ends_with(".04.jsonl")), "{records:?}");
}

#[test]
fn a_variant_s_record_is_whole_and_its_own() {
    let project = Project::with(&format!("{SWEEP}{BOARD}"));
    project.run(&[]);
    project.run(&[]);
    let shown = project.custem(&["runs", "list", "--variants", "--json"]);
    let runs = events(&shown.out);
    let variant =
        runs.iter().find(|run| text(run, "run").starts_with("0001-") && text(run, "run").ends_with(".03"));
    let variant = variant.unwrap();
    assert_eq!((text(variant, "status"), text(variant, "variant")), ("done", "k=3, n_init=1"));
    assert_eq!((&variant["ran"], &variant["hit"]), (&3.into(), &0.into()), "no board, no leaderboard");
    let log = events(&project.custem(&["runs", "show", text(variant, "run"), "--json"]).out);
    let (first, last) = (&log[0], log.last().unwrap());
    assert_eq!((text(first, "run"), &first["stages"]), (text(variant, "run"), &3.into()));
    assert_eq!((text(last, "event"), &last["ok"], &last["ran"]), ("run_done", &true.into(), &3.into()));
    assert!(last["seconds"].as_f64().unwrap() > 0.0);
    assert!(runs.iter().all(|run| run["seconds"].as_f64().unwrap().is_sign_positive()), "{}", shown.out);
    for name in ["1.3", "0001.03", &text(variant, "run").replace(".03", ".3")] {
        let found = project.custem(&["runs", "show", name]);
        assert!(found.out.starts_with(&format!("run {}  ", text(variant, "run"))), "{name}: {}", found.out);
    }
    // What a plain run rests on a variant rests on: a run of its own pipeline says the same of its data.
    let of = |log: &[serde_json::Value], event: &str| {
        log.iter().find(|line| line["event"] == event).unwrap_or_else(|| panic!("no {event}")).clone()
    };
    let rests = of(&log, "provenance");
    let whole = events(&project.custem(&["runs", "show", "1", "--json"]).out);
    assert_eq!(
        (&rests["text"], &rests["machine"]),
        (&of(&whole, "provenance")["text"], &of(&whole, "provenance")["machine"])
    );
    let lines = &rests["lines"]["p.toml"];
    assert_eq!(
        (&lines["segments.k"], &lines["segments.n_init"]),
        (&22.into(), &22.into()),
        "where the axes stand"
    );
    assert_eq!(of(&whole, "provenance")["lines"]["p.toml"]["segments.k"], 18);
    let config = format!("experiments/configs/{}.toml", text(variant, "run"));
    project.write("alone.toml", project.read(&config));
    assert_eq!(project.custem(&["run", "alone.toml"]).code, 0);
    let alone = events(&project.custem(&["runs", "show", "last", "--json"]).out);
    assert_eq!(of(&log, "data"), of(&alone, "data"));
    assert!(of(&log, "data")["features"]["features"].as_array().unwrap().len() > 5);
    let none = project.custem(&["runs", "show", "1.33"]);
    assert_eq!((none.code, none.err.lines().next()), (2, Some("error: there is no run `1.33`")));
}

#[test]
fn a_sweep_is_one_line_of_the_list() {
    let project = Project::with(SWEEP);
    project.run(&[]);
    project.run(&[]);
    let list = project.custem(&["runs", "list"]).out;
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(lines[0].starts_with("0002-") && lines[0].ends_with("   6 variants"), "{list}");
    assert!(lines[1].starts_with("0001-") && lines[1].ends_with("   6 variants"), "{list}");
    assert_eq!(lines[2], "the variants of sweeps are listed with --variants");
    let newest = project.custem(&["runs", "list", "-n", "1"]).out;
    assert_eq!(newest.lines().nth(1).unwrap(), "and 1 older run: custem runs list -n 2");
    let all = project.custem(&["runs", "list", "--variants"]).out;
    assert_eq!(all.lines().count(), 14, "{all}");
    assert!(all.lines().next().unwrap().ends_with("   k=4, n_init=2"), "{all}");
}

/// A program's own numbers are compared as any stage's; a message about what `[sweep]` made points there.
#[test]
fn a_program_s_metrics_are_an_objective() {
    let pipeline = r#"
[stages.c]
kind = "command"
command = ["sh", "-c", "echo \"{\\\"loss\\\": $A}\" > m.json"]
outputs = { metrics = "m.json" }

[sweep]
axes = { "c.env" = [{ A = "2" }, { A = "1" }] }
objective = "c.loss"
goal = "min"
"#;
    let project = Project::with(pipeline);
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.contains("     1  env={ A = \"1\" }  1.0000\n     2  env={ A = \"2\" }  2.0000\n"),
        "{}",
        ran.err
    );
    project.write("p.toml", pipeline.replace("loss\\", "lost\\"));
    let message = "error: stage `sweep` failed: no variant has the metric `loss`
 --> p.toml:9:13
  |
9 | objective = \"c.loss\"
  |             ^^^^^^^^
  |
hint: did you mean `lost`?
";
    let ran = project.custem(&["run", "p.toml"]);
    assert!(ran.err.contains(message), "{}", ran.err);
    assert!(ran.err.contains("     -  env={ A = \"1\" }  no value\n"), "{}", ran.err);
    project.write("p.toml", pipeline.replace("$A", "x"));
    let ran = project.custem(&["run", "p.toml"]);
    assert!(ran.err.contains("failed: `m.json` doesn't hold numbers by name: "), "{}", ran.err);
}

/// A silhouette is measured among scaled features: along scalings it can't be compared.
#[test]
fn silhouettes_of_other_scalings_are_compared_with_a_warning() {
    let scaled =
        SWEEP.replace("\"segments.n_init\" = [1, 2]", "\"segments.scale\" = [\"robust\", \"standard\"]");
    let project = Project::with(&scaled);
    let ran = project.custem(&["run", "p.toml"]);
    let warning = "warning: sweep: `segments.silhouette` is measured in other spaces along `segments.scale`: a better one there means no better segments (p.toml:21)\n";
    assert!(ran.err.contains(warning), "{}", ran.err);
    let plain = Project::with(SWEEP);
    assert!(!plain.custem(&["run", "p.toml"]).err.contains("warning"), "along `k` they can");
}

//! Weights & Biases: what its own reader makes of the folders, and what `wandb sync` uploads of them.

use serde_json::{Value as Json, json};

use super::{custem, done, folder, newest, record, run, seen, steps, tracked};
use crate::project::Project;

fn runs(project: &Project, args: &[&str]) -> Vec<Json> {
    let seen = seen("check_wandb.py", &[&[folder(project, "experiments").as_str()], args].concat());
    seen["runs"].as_array().unwrap().clone()
}

#[test]
fn a_run_is_read_and_uploaded_with_all_that_it_gave() {
    let project = Project::with(&tracked("wandb"));
    run(&project, &[]);
    let runs = runs(&project, &["--sync"]);
    let [one] = runs.as_slice() else { panic!("{runs:?}") };
    assert_eq!(
        (&one["name"], &one["group"], &one["project"]),
        (&newest(&project).into(), &"g1".into(), &"shop".into())
    );
    assert_eq!(
        (&one["tags"], &one["notes"], &one["exit_code"]),
        (&json!(["nightly", "für ä"]), &"first try".into(), &0.into())
    );
    assert_eq!((&one["job_type"], &one["config"]["segments.k"]), (&"run".into(), &3.into()));
    assert!(one["summary"]["segments.silhouette"].is_f64(), "{one:#}");
    assert_eq!(one["summary"]["curves.png"]["_type"], "image-file");
    let table = &one["summary"]["profile.profile"];
    assert_eq!((&table["_type"], &table["nrows"]), (&"table-file".into(), &3.into()));
    assert_eq!(one["artifacts"][0]["type"], "table", "{one:#}");
    assert_eq!((&one["alerts"][0]["title"], &one["alerts"][0]["level"]), (&"quality".into(), &"WARN".into()));
    let sync = &one["sync"];
    assert_eq!((&sync["marked_synced"], &sync["exitcode"]), (&true.into(), &0.into()));
    let uploads = sync["uploads"].to_string();
    assert!(uploads.contains("media/images/curves.png_") && uploads.contains("media/table/"), "{uploads}");
}

#[test]
fn a_hundred_thousand_steps_and_odd_numbers_are_uploaded() {
    let project = Project::new();
    let config =
        "[pipeline]\nname = \"steps\"\nseed = 0\n[stages.fit]\nkind = \"command\"\nnote = \"ünïcode 🐝\"\n";
    record(&project, "0001-a-b", config, &steps(100_000, Some(done(false))));
    for _ in 0..2 {
        let pushed = custem(&project, &["track", "push", "1", "--to", "wandb"]);
        assert_eq!(
            (pushed.code, pushed.out.as_str()),
            (0, "1 run in wandb: ./experiments/wandb\n"),
            "{}",
            pushed.err
        );
    }
    let runs = runs(&project, &["--sync"]);
    let [one] = runs.as_slice() else { panic!("{}", runs.len()) };
    assert_eq!((&one["rows"], &one["exit_code"]), (&100_001.into(), &1.into()));
    assert_eq!(one["sync"]["rows_received"], 100_001);
    assert_eq!(one["metrics"]["fit.loss"]["count"], 100_000);
    assert_eq!(one["summary"]["fit.größe"], 1.5);
    let drawn = json!({ "_type": "histogram", "bins": [0, 0.5, 1], "values": [3, 4] });
    assert_eq!(one["summary"]["fit.score"], drawn);
    assert_eq!(one["config"]["fit.note"], "ünïcode 🐝");
}

#[test]
fn a_run_that_has_been_uploaded_stays_as_it_is() {
    let project = Project::new();
    record(&project, "0001-a-b", "[pipeline]\nname = \"steps\"\n", &steps(3, Some(done(true))));
    let push = || custem(&project, &["track", "push", "1", "--to", "wandb"]);
    assert_eq!(push().code, 0);
    let (log, bytes) = project.files("experiments/wandb").pop().unwrap();
    let mark = format!("{}.synced", log.file_name().unwrap().to_string_lossy());
    fs_err::write(log.with_file_name(mark), "").unwrap();
    let again = push();
    assert_eq!(again.code, 1);
    assert!(
        again.err.starts_with("error: wandb doesn't have run 0001-a-b: `./experiments/wandb/offline-run-"),
        "{}",
        again.err
    );
    assert!(again.err.trim_end().ends_with("has been uploaded, and W&B takes a run once"), "{}", again.err);
    assert_eq!(fs_err::read(&log).unwrap(), bytes);
}

#[test]
fn stages_beside_each_other_have_steps_that_grow() {
    let project = Project::new();
    let step = |stage: &str, step: u64| json!({ "event": "stage_step", "stage": stage, "metric": "m", "step": step, "value": step });
    let mut events = steps(0, None);
    let rest = events.split_off(1);
    for at in 0..5 {
        events.extend([step("a", at * 10), step("b", at)]);
    }
    events.extend(rest);
    events.push(done(true));
    record(&project, "0001-a-b", "[pipeline]\nname = \"steps\"\n", &events);
    assert_eq!(custem(&project, &["track", "push", "1", "--to", "wandb"]).code, 0);
    let runs = runs(&project, &["--steps"]);
    assert_eq!(runs[0]["metrics"]["a.step"]["last"][1], 40);
    assert_eq!(runs[0]["metrics"]["b.step"]["last"][1], 4);
    assert_eq!(runs[0]["metrics"]["b.m"]["count"], 5);
}

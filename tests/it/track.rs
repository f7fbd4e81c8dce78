//! Trackers: what is refused of the table `[track]` here; in the modules below what the real clients see.

mod hard;
mod mlflow;
mod trackio;
mod wandb;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;

use crate::project::{Project, Ran, repository};

/// A pipeline with each thing that a tracker shows: numbers, a picture, a small table, a saved output, a warning.
const SHOP: &str = r#"
[pipeline]
name = "shop"
seed = 7

[stages.transactions]
kind = "simulate"
customers = 150
start = 2024-01-01
end = 2025-06-29
save = "data/raw/t x.parquet"

[stages.quality]
kind = "check"
input = "transactions"
on_error = "warn"
rules = [{ column = "amount", min = 1e9 }]

[stages.features]
kind = "features"
input = "quality"

[stages.segments]
kind = "segment"
input = "features"
k = 3
scan = { from = 2, to = 4 }

[stages.profile]
kind = "profile"
features = "features"
segments = "segments"

[stages.curves]
kind = "chart"
input = "segments.selection"
type = "selection"
"#;

/// The table for one tracker.
fn tracked(to: &str) -> String {
    format!(
        "{SHOP}\n[track]\nto = [\"{to}\"]\ngroup = \"g1\"\ntags = [\"nightly\", \"für ä\"]\nnotes = \"first try\"\n"
    )
}

/// A program of the real clients: where `tests/run` installs them.
fn client(name: &str) -> Command {
    let target = PathBuf::from(env!("CARGO_BIN_EXE_custem"));
    let program = target.ancestors().nth(2).unwrap().join("interop/bin").join(name);
    assert!(
        program.exists(),
        "the trackers' clients aren't there (`{}`): tests/run installs them",
        program.display()
    );
    let mut command = Command::new(program);
    for name in ["TRACKIO_DIR", "WANDB_DIR", "MLFLOW_TRACKING_URI"] {
        command.env_remove(name);
    }
    command
}

/// What one of the scripts in tests/interop sees; it must find nothing wrong.
fn seen(script: &str, args: &[&str]) -> Json {
    let (code, json, err) = looked(script, args);
    assert_eq!(code, 0, "{json:#}\n{err}");
    json
}

/// What one of the scripts sees, right or wrong.
fn looked(script: &str, args: &[&str]) -> (i32, Json, String) {
    let script = repository().join("tests/interop").join(script);
    let done = client("python").arg(script).args(args).output().unwrap();
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    let json = serde_json::from_slice(&done.stdout).unwrap_or(Json::Null);
    (done.status.code().unwrap_or(-1), json, err)
}

/// Runs custem where no tracker of the machine's own is set.
fn custem(project: &Project, args: &[&str]) -> Ran {
    let none =
        ["TRACKIO_DIR", "TRACKIO_STORAGE_MODE", "WANDB_DIR", "MLFLOW_TRACKING_URI"].map(|name| (name, ""));
    project.custem_with(args, &none)
}

/// A run that must go well and say nothing else.
fn run(project: &Project, args: &[&str]) -> Ran {
    let ran = custem(project, &[&["run", "p.toml"], args].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran
}

fn folder(project: &Project, name: &str) -> String {
    project.path(name).to_string_lossy().into_owned()
}

/// A record that no run has left behind: its resolved pipeline and its log.
fn record(project: &Project, run: &str, config: &str, events: &[Json]) {
    project.write(&format!("experiments/configs/{run}.toml"), config);
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    project.write(&format!("experiments/logs/{run}.jsonl"), lines);
}

/// The lines of a log of a run with steps, `end` being its last.
fn steps(count: u64, end: Option<Json>) -> Vec<Json> {
    let started = serde_json::json!({ "event": "run_started", "run": "r", "pipeline": "steps", "file": "p.toml", "version": "0.1.0", "time": 1_700_000_000.5, "stages": 1 });
    let step = |step: u64| {
        let value = match step {
            1 => Json::from("NaN"),
            2 => "Infinity".into(),
            3 => "-Infinity".into(),
            4 => Json::Null,
            _ => (1.0 / (step + 1) as f64).into(),
        };
        serde_json::json!({ "event": "stage_step", "stage": "fit", "metric": "loss", "step": step, "value": value })
    };
    let done = serde_json::json!({ "event": "stage_done", "stage": "fit", "kind": "command", "outcome": "ran", "key": null, "inputs": {}, "outputs": {}, "metrics": { "größe": 1.5 }, "histograms": { "score": { "edges": [0.0, 0.5, 1.0], "counts": [3, 4] } }, "summary": "", "seconds": 2.0, "time": 2.0, "because": [], "warnings": [] });
    std::iter::once(started).chain((0..count).map(step)).chain([done]).chain(end).collect()
}

fn done(ok: bool) -> Json {
    serde_json::json!({ "event": "run_done", "run": "r", "ok": ok, "ran": 1, "hit": 0, "failed": 0, "skipped": 0, "hashed": 0, "interrupted": false, "seconds": 2.5 })
}

fn check(track: &str) -> (i32, String) {
    let ran = Project::with(&format!("{track}{SHOP}")).custem(&["check", "p.toml"]);
    (ran.code, ran.err)
}

#[test]
fn a_table_that_is_right_is_taken_and_changes_no_key() {
    let all = "[track]\nto = [\"trackio\", \"wandb\", \"mlflow\"]\nproject = \"p\"\ngroup = \"g\"\ntags = [\"a\"]\nnotes = \"n\"\nwait = \"2s\"\n[track.trackio]\ndir = \"t\"\nstore = \"sqlite\"\n[track.wandb]\ndir = \"w\"\nentity = \"me\"\n[track.mlflow]\nurl = \"http://127.0.0.1:5000\"\n";
    assert_eq!(check(all), (0, String::new()));
    assert_eq!(check("[track]\nto = []\n"), (0, String::new()));
    let project = Project::with(SHOP);
    assert!(project.what_ran(&[]).len() == 6);
    project.write("p.toml", tracked("wandb"));
    assert_eq!(project.what_ran(&[]), [""; 0]);
    let config = project.read(&format!("experiments/configs/{}.toml", newest(&project)));
    assert!(config.contains("[track]\n") && config.contains("project = \"shop\"\n"), "{config}");
}

/// The name of the newest run.
fn newest(project: &Project) -> String {
    project.read("experiments/last").trim().to_owned()
}

#[test]
fn mistakes_are_told_at_their_places() {
    let said = |track: &str| {
        let (code, err) = check(track);
        assert_eq!(code, 2, "{err}");
        let words = |line: &&str| ["error: ", "hint: ", " --> "].iter().any(|word| line.starts_with(word));
        err.lines().filter(words).map(str::to_owned).collect::<Vec<_>>()
    };
    let cases: [(&str, [&str; 3]); 11] = [
        (
            "[track]\nto = [\"tracko\"]\n",
            [
                "error: `track.to.0` must be `trackio`, `wandb` or `mlflow`, not `tracko`",
                " --> p.toml:2:7",
                "hint: did you mean `trackio`?",
            ],
        ),
        (
            "[track]\nto = [\"wandb\"]\n[track.wandb]\nentty = \"x\"\n",
            [
                "error: unknown key `entty` in `track.wandb`",
                " --> p.toml:4:1",
                "hint: did you mean `entity`? `[track]` has the keys `group`, `mlflow`, `notes`, `project`, `tags`, `to`, `trackio`, `wait` and `wandb`",
            ],
        ),
        (
            "[track]\nto = [\"wandb\", \"wandb\"]\n",
            [
                "error: `track.to` names `wandb` twice",
                " --> p.toml:2:16",
                "hint: take one of them out: a run is mirrored once",
            ],
        ),
        (
            "[track]\nto = [\"trackio\"]\nproject = \"my shop\"\n",
            [
                "error: `track.project` can't be `my shop`: trackio takes letters, digits, `-` and `_`",
                " --> p.toml:3:11",
                "hint: write `project = \"my-shop\"`",
            ],
        ),
        (
            "[track]\nto = [\"wandb\"]\nproject = \"a/b\"\n",
            [
                "error: `track.project` can't be `a/b`: wandb takes none of `/ \\ # ? % :`",
                " --> p.toml:3:11",
                "hint: write `project = \"a-b\"`",
            ],
        ),
        (
            "[track]\nto = [\"trackio\"]\nproject = \"x_system\"\n",
            [
                "error: `track.project` can't be `x_system`: trackio keeps names that end in `_system`",
                " --> p.toml:3:11",
                "hint: write `project = \"x\"`",
            ],
        ),
        (
            "[track]\nto = [\"mlflow\"]\nmlflow.url = \"ftp://h\"\n",
            [
                "error: `track.mlflow.url` must start with `http://` or `https://`, not `ftp://h`",
                " --> p.toml:3:14",
                "hint: write the address of a server, such as `http://127.0.0.1:5000`",
            ],
        ),
        (
            "[track]\nto = [\"mlflow\"]\nmlflow.url = \"http://127.0.0.1:99999\"\n",
            [
                "error: `track.mlflow.url` has the port `99999`",
                " --> p.toml:3:14",
                "hint: a port is a number from 1 to 65535",
            ],
        ),
        (
            "[track]\nto = [\"trackio\"]\ntrackio = { dir = \"x\", url = \"http://h\" }\n",
            [
                "error: `track.trackio` has both a `dir` and a `url`",
                " --> p.toml:3:30",
                "hint: runs are written into a folder or sent to a server: keep one",
            ],
        ),
        (
            "[track]\nto = [\"wandb\"]\ntags = [\"\"]\n",
            [
                "error: a tag has 1 to 64 characters, and not only blanks: this one has 0",
                " --> p.toml:3:9",
                "hint: what takes more words goes into `notes`",
            ],
        ),
        (
            "[track]\nproject = \"x\"\n",
            [
                "error: `[track]` lacks the key `to`",
                " --> p.toml:1:2",
                "hint: add `to = ...`, a list; `[track]` has the keys `group`, `mlflow`, `notes`, `project`, `tags`, `to`, `trackio`, `wait` and `wandb`",
            ],
        ),
    ];
    for (track, expected) in cases {
        assert_eq!(said(track), expected, "{track}");
    }
    let unnamed =
        format!("{}\n[track]\nto = [\"trackio\"]\n", SHOP.replace("name = \"shop\"", "name = \"my shop\""));
    let err = Project::with(&unnamed).custem(&["check", "p.toml"]).err;
    let said = "error: the pipeline's name, which is its project, can't be `my shop`: trackio takes letters, digits, `-` and `_`\n";
    assert!(err.starts_with(said) && err.contains("hint: write `project = \"my-shop\"`"), "{err}");
}

#[test]
fn an_address_that_is_none_is_refused_before_anything_is_sent() {
    let project = Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\n");
    project.run(&[]);
    let said = |url: &str| {
        let pushed = custem(&project, &["track", "push", "last", "--to", "mlflow", "--url", url]);
        (pushed.code, pushed.err)
    };
    let port = "error: `--url` has the port `99999`\nhint: a port is a number from 1 to 65535\n".to_owned();
    assert_eq!(said("http://127.0.0.1:99999"), (2, port));
    let scheme = "error: `--url` must start with `http://` or `https://`, not `ftp://h`\nhint: write the address of a server, such as `http://127.0.0.1:5000`\n".to_owned();
    assert_eq!(said("ftp://h"), (2, scheme));
}

#[test]
fn an_old_run_whose_name_no_tracker_takes_needs_another_one() {
    let project = Project::new();
    record(&project, "0001-a-b", "[pipeline]\nname = \"a b/c\"\n", &steps(1, Some(done(true))));
    let said = [
        (
            "trackio",
            "its projects have names of letters, digits, `-` and `_`, unlike `a b/c`: name one with `--project`",
        ),
        (
            "wandb",
            "its projects have names of at most 128 characters without `/ \\ # ? % :`, unlike `a b/c`: name one with `--project`",
        ),
    ];
    for (tracker, why) in said {
        let pushed = custem(&project, &["track", "push", "1", "--to", tracker]);
        assert_eq!(
            (pushed.code, pushed.err),
            (1, format!("error: {tracker} doesn't have run 0001-a-b: {why}\n"))
        );
        let pushed = custem(&project, &["track", "push", "1", "--to", tracker, "--project", "c"]);
        assert_eq!(pushed.code, 0, "{}", pushed.err);
    }
    let none = custem(&project, &["track", "push", "99", "--to", "wandb"]);
    assert_eq!(none.code, 2, "{}", none.err);
    assert!(none.err.starts_with("error: there is no run `99`\n"), "{}", none.err);
}

#[test]
fn a_secret_in_an_address_is_refused_and_never_shown() {
    for url in ["http://me:S3CRET@h:5000", "http://h/?write_token=S3CRET"] {
        for tracker in ["mlflow", "trackio"] {
            let (code, err) =
                check(&format!("[track]\nto = []\n[track.{tracker}]\nurl = \"{url}\"\nx = 1\n"));
            let said = format!(
                "error: `track.{tracker}.url` (p.toml:4) must not hold a user, a password or a key\nhint: tokens and passwords come from the environment (docs/trackers.md) and are never written down\n"
            );
            assert_eq!((code, err), (2, said));
        }
    }
}

#[cfg(not(feature = "https"))]
#[test]
fn https_is_refused_where_it_is_not_built_in() {
    let (code, err) = check("[track]\nto = [\"mlflow\"]\nmlflow.url = \"https://h\"\n");
    assert_eq!(code, 2);
    assert!(
        err.starts_with("error: this custem was built without https for trackers\n --> p.toml:3:14\n"),
        "{err}"
    );
    let hint = "hint: build it with `cargo build --release --features https`, or name an `http://` address\n";
    assert!(err.contains(hint), "{err}");
}

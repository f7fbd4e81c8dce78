//! Trackio: what its own client and its dashboard's server make of the folder.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{custem, done, folder, newest, record, run, seen, steps, tracked};
use crate::project::Project;

const FOLDER: &str = "experiments/trackio";

fn runs(project: &Project, args: &[&str]) -> Vec<Json> {
    let seen = seen("check_trackio.py", &[&[folder(project, FOLDER).as_str()], args].concat());
    seen["projects"].as_object().unwrap().values().flat_map(|runs| runs.as_array().unwrap().clone()).collect()
}

#[test]
fn a_run_is_seen_with_all_that_it_gave() {
    let project = Project::with(&tracked("trackio"));
    let ran = run(&project, &[]);
    assert!(!ran.err.contains("warning: trackio"), "{}", ran.err);
    let runs = runs(&project, &["--http"]);
    let [one] = runs.as_slice() else { panic!("{runs:?}") };
    assert_eq!((&one["name"], &one["group"]), (&newest(&project).into(), &"g1".into()));
    let config = &one["config"];
    assert_eq!((&config["segments.k"], &config["pipeline.seed"]), (&3.into(), &7.into()));
    assert_eq!(config["transactions.start"], "2024-01-01");
    let own = &config["custem"];
    assert_eq!(own["tags"], json!(["nightly", "für ä"]));
    assert_eq!(
        (&own["notes"], &own["state"], &own["exit_code"]),
        (&"first try".into(), &"done".into(), &0.into())
    );
    assert!(own["summary"]["segments.silhouette"].is_f64(), "{own}");
    let metrics = &one["metrics"];
    assert_eq!(metrics["segments.silhouette"]["last"][1], own["summary"]["segments.silhouette"]);
    assert_eq!(metrics["curves.png"]["last"][1]["_type"], "trackio.image");
    let table = &metrics["profile.profile"]["last"][1];
    assert_eq!(
        (&table["_type"], table["_value"].as_array().map(Vec::len)),
        (&"trackio.table".into(), Some(3)),
        "{metrics:#}"
    );
    let artifacts = one["artifacts"].to_string();
    assert!(artifacts.contains("transactions."), "{artifacts}");
    let alerts = one["alerts"].as_array().unwrap();
    assert!(alerts.iter().any(|alert| alert["title"] == "quality" && alert["level"] == "warn"), "{alerts:?}");
}

#[test]
fn a_run_with_nothing_to_do_is_a_run_too() {
    let project = Project::with(&tracked("trackio"));
    run(&project, &[]);
    let first = newest(&project);
    for _ in 0..3 {
        run(&project, &[]);
        std::thread::sleep(std::time::Duration::from_millis(60));
    }
    let runs = runs(&project, &[]);
    assert_eq!(runs.len(), 4);
    let of = |name: &str| runs.iter().find(|run| run["name"] == name).unwrap();
    let (first, last) = (of(&first), of(&newest(&project)));
    let (mut before, mut after) = (first["metrics"].clone(), last["metrics"].clone());
    for metrics in [&mut before, &mut after] {
        let metrics = metrics.as_object_mut().unwrap();
        // A stage that doesn't run counts no steps.
        metrics.retain(|name, _| !name.starts_with("segments.scan_"));
    }
    // The same command has given pictures and tables.
    let looks =
        |metrics: &Json| metrics.as_object().unwrap().values().filter(|m| m["last"][1].is_object()).count();
    assert!(looks(&before) > 2 && looks(&after) == 0, "{after:#}");
    before.as_object_mut().unwrap().retain(|_, metric| !metric["last"][1].is_object());
    // Steps are those of the run that computed them; what they ended in is the same.
    let ends = |metrics: &Json| -> BTreeMap<String, Json> {
        let metrics = metrics.as_object().unwrap().iter();
        metrics.map(|(name, metric)| (name.clone(), metric["last"][1].clone())).collect()
    };
    assert_eq!(ends(&before), ends(&after));
    assert!(after["segments.silhouette"]["last"][1].is_f64(), "{after:#}");
}

#[test]
fn eight_runs_at_once_are_all_there() {
    let project = Project::with(&tracked("trackio"));
    run(&project, &[]);
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let project = &project;
            scope.spawn(move || run(project, &["--set", &format!("segments.seed={seed}")]));
        }
    });
    let runs = runs(&project, &["--http"]);
    assert_eq!(runs.len(), 9);
    assert!(runs.iter().all(|run| run["config"]["custem"]["state"] == "done"), "{runs:#?}");
}

#[test]
fn a_hundred_thousand_steps_and_odd_numbers_come_over_and_twice_is_once() {
    let project = Project::new();
    let config =
        "[pipeline]\nname = \"steps\"\nseed = 0\n[stages.fit]\nkind = \"command\"\nnote = \"ünïcode 🐝\"\n";
    record(&project, "0001-a-b", config, &steps(100_000, Some(done(true))));
    for _ in 0..2 {
        let pushed = custem(&project, &["track", "push", "0001", "--to", "trackio"]);
        assert_eq!(pushed.code, 0, "{}", pushed.err);
        assert!(
            pushed.out.starts_with("1 run in trackio: ") && pushed.out.ends_with("experiments/trackio\n"),
            "{}",
            pushed.out
        );
    }
    let runs = runs(&project, &["--http", "--points", "5"]);
    let one = &runs[0];
    // One row at the start, the steps, and what it came to.
    assert_eq!((&one["rows"], &one["last_step"]), (&100_002.into(), &99_999.into()));
    let loss = &one["metrics"]["fit.loss"];
    assert_eq!(loss["points"], json!([[0, 1.0], [1, "NaN"], [2, "Infinity"], [3, "-Infinity"], [4, "NaN"]]));
    assert_eq!(one["metrics"]["fit.größe"]["last"], json!([0, 1.5]));
    let drawn = json!({ "_type": "trackio.histogram", "bins": [0.0, 0.5, 1.0], "values": [3, 4] });
    assert_eq!(one["metrics"]["fit.score"]["last"], json!([0, drawn]));
    assert_eq!(one["config"]["fit.note"], "ünïcode 🐝");
}

#[test]
fn a_run_without_an_end_is_shown_as_killed() {
    let project = Project::new();
    record(&project, "0001-a-b", "[pipeline]\nname = \"steps\"\n", &steps(3, None));
    let pushed = custem(&project, &["track", "push", "last", "--to", "trackio", "--project", "other"]);
    assert_eq!(pushed.code, 0, "{}", pushed.err);
    let seen = seen("check_trackio.py", &[&folder(&project, FOLDER)]);
    assert_eq!(seen["projects"]["other"][0]["config"]["custem"]["state"], "killed");
}

#[test]
fn files_for_the_inbox_are_imported_whole() {
    let project = Project::with(&format!("{}[track.trackio]\nstore = \"jsonl\"\n", tracked("trackio")));
    run(&project, &[]);
    let runs = runs(&project, &["--inbox", "--http"]);
    let [one] = runs.as_slice() else { panic!("{runs:?}") };
    assert_eq!((&one["name"], &one["config"]["custem"]["state"]), (&newest(&project).into(), &"done".into()));
    assert_eq!(one["metrics"]["curves.png"]["last"][1]["_type"], "trackio.image");
    assert_eq!(one["alerts"][0]["title"], "quality");
}

#[test]
fn variants_of_a_sweep_are_one_group_and_a_run_each() {
    let sweep = "[sweep]\nobjective = \"segments.silhouette\"\naxes = { \"segments.k\" = [2, 3, 4] }\n";
    let project = Project::with(&format!("{}{sweep}", tracked("trackio").replace("group = \"g1\"\n", "")));
    run(&project, &[]);
    let runs = runs(&project, &[]);
    let name = newest(&project);
    let group: Vec<_> = runs.iter().filter(|run| run["group"] == name.as_str()).collect();
    assert_eq!((runs.len(), group.len()), (4, 3));
    let mut ks: Vec<_> = group.iter().map(|run| run["config"]["segments.k"].as_u64().unwrap()).collect();
    ks.sort_unstable();
    assert_eq!(ks, [2, 3, 4]);
    assert!(group.iter().all(|run| run["metrics"]["segments.silhouette"]["count"] == 1), "{group:#?}");
}

/// A dashboard of its own, which takes what is sent to it.
struct Dashboard {
    child: std::process::Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Dashboard {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = super::client("trackio");
        command.args(["show", "--host", "127.0.0.1"]).env("TRACKIO_DIR", folder.path());
        command.env("HF_HUB_OFFLINE", "1").env("BROWSER", "/bin/true").env("TRACKIO_WRITE_TOKEN", "t0ken");
        command.env("GRADIO_SERVER_PORT", port.to_string());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let dashboard = Self { child: command.spawn().unwrap(), port, folder };
        let start = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed().as_secs() < 120, "`trackio show` doesn't come up");
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        dashboard
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_running_server_takes_a_run_whole() {
    let dashboard = Dashboard::start();
    let url = format!("http://127.0.0.1:{}", dashboard.port);
    let project =
        Project::with(&format!("{}wait = \"60s\"\n[track.trackio]\nurl = \"{url}\"\n", tracked("trackio")));
    let refused = custem(&project, &["run", "p.toml"]);
    assert_eq!(refused.code, 0, "{}", refused.err);
    let words = "A write_token is required to log metrics or upload to this server. Use the write-access URL from trackio.show(), set TRACKIO_WRITE_TOKEN, or send header X-Trackio-Write-Token.";
    let why = format!(
        "the server at {url} answers with status 400: \"{words}\"; TRACKIO_WRITE_TOKEN isn't set: `trackio show` prints it"
    );
    let said =
        format!("warning: trackio can't take the run ({why}): wandb takes over, in ./experiments/wandb\n");
    assert!(refused.err.contains(&said), "{}", refused.err);
    let wrong = project.custem_with(
        &["track", "push", "last", "--to", "trackio"],
        &[("TRACKIO_WRITE_TOKEN", "wr0ng"), ("TRACKIO_DIR", "")],
    );
    let words = words.replace("log metrics or upload to", "upload files to");
    let why = format!("the server at {url} answers with status 400: \"{words}\"");
    let run = newest(&project);
    assert_eq!((wrong.code, wrong.err), (1, format!("error: trackio doesn't have run {run}: {why}\n")));
    let env = [("TRACKIO_WRITE_TOKEN", "t0ken"), ("TRACKIO_DIR", "")];
    let pushed = project.custem_with(&["track", "push", "last", "--to", "trackio"], &env);
    assert_eq!((pushed.code, pushed.out), (0, format!("1 run in trackio: {url}\n")), "{}", pushed.err);
    let seen = seen("check_trackio.py", &[&dashboard.folder.path().to_string_lossy()]);
    let one = &seen["projects"]["shop"][0];
    assert_eq!((&one["name"], &one["config"]["custem"]["state"]), (&newest(&project).into(), &"done".into()));
    assert_eq!(one["metrics"]["curves.png"]["last"][1]["_type"], "trackio.image");
    let alerts = one["alerts"].as_array().unwrap();
    assert!(alerts.iter().any(|alert| alert["title"] == "quality"), "{alerts:?}");
    assert!(one["artifacts"].to_string().contains("transactions."), "{one:#}");
}

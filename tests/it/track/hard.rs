//! What goes wrong with trackers: folders, files and servers that fail, and runs that are killed. The run itself is
//! never the worse for it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{custem, folder, looked, newest, run, seen, tracked};
use crate::project::{Project, binary};

/// The warnings of a run that must go well.
fn warnings(project: &Project, args: &[&str]) -> Vec<String> {
    let ran = run(project, args);
    let log = project.read(&format!("experiments/logs/{}.jsonl", newest(project)));
    let end = log.lines().find(|line| line.starts_with("{\"event\":\"run_done\""));
    assert!(end.is_some_and(|end| end.contains("\"ok\":true")), "{log}");
    let lines = ran.err.lines().filter_map(|line| line.strip_prefix("warning: "));
    lines.filter(|line| !line.starts_with("quality")).map(str::to_owned).collect()
}

#[test]
fn a_broken_database_of_someone_else_s_is_left_alone_and_wandb_takes_over() {
    let project = Project::with(&tracked("trackio"));
    project.write("experiments/trackio/shop.db", "not a database\n");
    let said = warnings(&project, &[]);
    assert_eq!(
        said,
        [
            "trackio can't take the run (`./experiments/trackio/shop.db`: it isn't an SQLite database; `trackio show` won't start either before it is moved away): wandb takes over, in ./experiments/wandb"
        ]
    );
    assert_eq!(project.read("experiments/trackio/shop.db"), "not a database\n");
    let seen = seen("check_wandb.py", &[&folder(&project, "experiments"), "--sync"]);
    assert_eq!(
        (&seen["runs"][0]["name"], &seen["runs"][0]["exit_code"]),
        (&newest(&project).into(), &0.into())
    );
    assert!(seen["runs"][0]["summary"]["segments.silhouette"].is_f64());
}

#[test]
fn a_folder_that_is_a_file_is_told() {
    let project = Project::with(&tracked("wandb"));
    project.write("taken", "x");
    let said = warnings(&project, &["--set", "track.wandb.dir=taken"]);
    let [said] = said.as_slice() else { panic!("{said:?}") };
    assert!(said.starts_with("wandb doesn't have the run: "), "{said}");
    let again = format!("; `custem track push {} --to wandb` sends it from the record", newest(&project));
    assert!(said.contains("taken/wandb") && said.ends_with(&again), "{said}");
    assert_eq!(project.read("taken"), "x");
    let pushed = custem(&project, &["track", "push", "last", "--to", "wandb", "--dir", "other"]);
    assert_eq!((pushed.code, pushed.out.as_str()), (0, "1 run in wandb: ./other/wandb\n"), "{}", pushed.err);
}

#[test]
fn a_folder_that_may_not_be_written_is_told() {
    let project = Project::with(&tracked("trackio"));
    let place = project.path("closed");
    fs_err::create_dir(&place).unwrap();
    fs_err::set_permissions(&place, PermissionsExt::from_mode(0o555)).unwrap();
    if fs_err::write(place.join("x"), "").is_ok() {
        // Whoever may write everything can't be refused; a file where the folder should be does as well.
        fs_err::remove_file(place.join("x")).unwrap();
        fs_err::remove_dir(&place).unwrap();
        fs_err::write(&place, "").unwrap();
    }
    let said = warnings(&project, &["--set", "track.trackio.dir=closed/t"]);
    let [said] = said.as_slice() else { panic!("{said:?}") };
    assert!(
        said.starts_with("trackio can't take the run (")
            && said.ends_with("): wandb takes over, in ./experiments/wandb"),
        "{said}"
    );
}

#[test]
fn a_server_that_nobody_started_and_one_that_hangs_are_told_in_time() {
    let project = Project::with(&tracked("mlflow"));
    run(&project, &["--set", "track.to=[]"]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said = warnings(&project, &["--set", &format!("track.mlflow.url=http://127.0.0.1:{port}")]);
    assert_eq!(
        said,
        [format!(
            "mlflow doesn't have the run: the server at http://127.0.0.1:{port} can't be reached: nobody listens there; `custem track push {} --to mlflow` sends it from the record",
            newest(&project)
        )]
    );
    // It takes connections and never answers.
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("track.mlflow.url=http://{}", hung.local_addr().unwrap());
    let start = Instant::now();
    let said = warnings(&project, &["--set", &url, "--set", "track.wait=500ms"]);
    assert!(start.elapsed() < Duration::from_secs(30));
    let name = newest(&project);
    assert_eq!(
        said,
        [format!(
            "mlflow hasn't taken the whole run in 0.5 s: the next run goes on with it, and so does `custem track push {name} --to mlflow`"
        )]
    );
    assert!(project.path(&format!("experiments/tracking/mlflow-{name}")).exists());
    let server = url.trim_start_matches("track.mlflow.url=");
    let late = format!("the server at {server} doesn't answer within 5 s");
    let nobody = format!("track.mlflow.url=http://127.0.0.1:{port}");
    let said = warnings(&project, &["--set", &nobody, "--set", "track.wait=60s"]);
    assert_eq!(
        said,
        [
            format!(
                "mlflow doesn't have the rest of run {name}: {late}; `custem track push {name} --to mlflow` sends it"
            ),
            format!(
                "mlflow doesn't have the run: the server at http://127.0.0.1:{port} can't be reached: nobody listens there; `custem track push {} --to mlflow` sends it from the record",
                newest(&project)
            ),
        ]
    );
    assert_eq!(project.files("experiments/tracking").len(), 0);
}

#[test]
fn a_run_that_was_killed_is_completed_by_the_next_one() {
    let table = tracked("trackio").replace("[\"trackio\"]", "[\"trackio\", \"wandb\"]");
    let slow =
        "\n[stages.slow]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"echo started; exec sleep 600\"]\n";
    let project = Project::with(&format!("{slow}{table}"));
    let mut command = binary();
    command.current_dir(project.path("")).args(["run", "p.toml", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("stage_done") && line.contains("\"profile\"")));
    // Both trackers have begun with it.
    let start = Instant::now();
    let begun = || {
        let wandb = project
            .files("experiments/wandb")
            .iter()
            .any(|(path, _)| path.to_string_lossy().ends_with(".wandb"));
        wandb && project.path("experiments/trackio/shop.db").exists()
    };
    while !begun() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = newest(&project);
    // The last record of the log was cut off.
    let (log, bytes) = project
        .files("experiments/wandb")
        .into_iter()
        .find(|(path, _)| path.to_string_lossy().ends_with(".wandb"))
        .unwrap();
    fs_err::write(&log, &bytes[..bytes.len() - 3]).unwrap();
    let (code, broken, _) = looked("check_wandb.py", &[&folder(&project, "experiments")]);
    assert_eq!(code, 2, "{broken:#}");
    project.write("p.toml", table);
    assert_eq!(warnings(&project, &[]), [""; 0]);
    assert_eq!(project.files("experiments/tracking").len(), 0);
    let seen_of = |script: &str, folder: &str, flag: &str| seen(script, &[folder, flag]);
    let wandb = seen_of("check_wandb.py", &folder(&project, "experiments"), "--sync");
    let runs = wandb["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    let one = runs.iter().find(|run| run["name"] == killed.as_str()).unwrap();
    assert_eq!(one["exit_code"], 255);
    assert!(one["summary"]["segments.silhouette"].is_f64(), "{one:#}");
    let trackio = seen_of("check_trackio.py", &folder(&project, "experiments/trackio"), "--http");
    let runs = trackio["projects"]["shop"].as_array().unwrap();
    let states: Vec<_> =
        runs.iter().map(|run| (run["name"].clone(), run["config"]["custem"]["state"].clone())).collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&(killed.as_str().into(), "killed".into())), "{states:?}");
    assert!(states.contains(&(newest(&project).into(), "done".into())), "{states:?}");
}

/// The newest log has a line of an event.
fn has_event(project: &Project, number: &str, event: &str) -> bool {
    let logs = project.files("experiments/logs");
    let own = logs.iter().find(|(path, _)| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(number) && name.matches('.').count() == 1
    });
    own.is_some_and(|(_, bytes)| String::from_utf8_lossy(bytes).contains(&format!("{{\"event\":\"{event}\"")))
}

/// The record of a run is complete as soon as the run is over, however long its trackers take.
#[test]
fn a_record_does_not_wait_for_trackers() {
    let project = Project::with(&tracked("mlflow"));
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("track.mlflow.url=http://{}", hung.local_addr().unwrap());
    let mut command = binary();
    command.current_dir(project.path("")).args(["run", "p.toml", "--set", &url, "--set", "track.wait=30s"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !has_event(&project, "0001", "run_done") {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(child.try_wait().unwrap().is_none(), "it still waits for the server");
    child.kill().unwrap();
    child.wait().unwrap();
    let list = project.custem(&["runs", "list", "--json"]).out;
    assert!(list.contains("\"status\":\"done\""), "{list}");
    assert!(project.path(&format!("experiments/tracking/mlflow-{}", newest(&project))).exists());
}

/// A sweep whose stage takes a moment, mirrored in two trackers.
const SWEPT: &str = r#"
[pipeline]
name = "swept"

[stages.f]
kind = "command"
command = ["sh", "-c", "sleep 0.05; printf '{\"loss\": %s}' $X > m.json"]
outputs = { metrics = "m.json" }
env = { X = "1" }

[sweep]
axes = { "f.env.X" = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"] }
objective = "f.loss"

[track]
to = ["trackio", "wandb"]
"#;

#[test]
fn a_sweep_that_was_killed_is_told_once() {
    let project = Project::with(SWEPT);
    let begin = || {
        let mut command = binary();
        command.current_dir(project.path("")).args(["run", "p.toml", "--json", "--jobs", "1"]);
        for name in ["TRACKIO_DIR", "WANDB_DIR"] {
            command.env_remove(name);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    // Once among its variants,
    let mut child = begin();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.filter(|line| line.contains("\"stage_done\"")).take(5).count(), 5);
    child.kill().unwrap();
    child.wait().unwrap();
    // and once when all is computed and the trackers are being told.
    let mut child = begin();
    let start = Instant::now();
    while !has_event(&project, "0002", "run_done") {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(warnings(&project, &[]), [""; 0]);
    assert_eq!(project.files("experiments/tracking").len(), 0);

    // Of the first one there are no variants' records: it has one run. The others have one more a variant.
    let logs: Vec<_> = project.files("experiments/logs").into_iter().map(|(path, _)| path).collect();
    let mut recorded: Vec<_> =
        logs.iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    recorded.sort();
    assert_eq!(recorded.len(), 1 + 13 + 13, "{recorded:?}");
    let names = |runs: &[serde_json::Value]| {
        let name = |run: &serde_json::Value| run["name"].as_str().unwrap().to_owned();
        let mut names: Vec<_> = runs.iter().map(name).collect();
        names.sort();
        names
    };
    let trackio = seen("check_trackio.py", &[&folder(&project, "experiments/trackio"), "--http"]);
    let runs = trackio["projects"]["swept"].as_array().unwrap();
    assert_eq!(names(runs), recorded, "each once");
    let state = |run: &serde_json::Value| run["config"]["custem"]["state"].as_str().unwrap().to_owned();
    for run in runs {
        let name = run["name"].as_str().unwrap();
        assert_eq!(state(run), if name.starts_with("0001") { "killed" } else { "done" }, "{name}");
        if name.contains('.') {
            assert_eq!(run["metrics"]["f.loss"]["count"], 1, "{name}");
            assert!(name.starts_with(run["group"].as_str().unwrap()), "{name}");
        }
    }
    let wandb = seen("check_wandb.py", &[&folder(&project, "experiments"), "--sync"]);
    let runs = wandb["runs"].as_array().unwrap();
    assert_eq!(names(runs), recorded, "each once");
    for run in runs {
        let name = run["name"].as_str().unwrap();
        assert_eq!(run["exit_code"], if name.starts_with("0001") { 255 } else { 0 }, "{name}");
        assert_eq!(run["summary"]["f.loss"].is_number(), name.contains('.'), "{name}");
        assert_eq!(run["sync"]["marked_synced"], true, "{name}");
    }
}

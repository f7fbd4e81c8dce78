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
    assert!(log.trim_end().lines().next_back().unwrap().contains("\"ok\":true"), "{log}");
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
                "run {name} was killed and mlflow doesn't have the rest: {late}; `custem track push {name} --to mlflow` sends it"
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

//! MLflow: a real tracking server on this machine, and what its client reads from it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::{client, custem, done, newest, record, run, seen, steps, tracked};
use crate::project::Project;

/// A server in a folder of its own.
struct Server {
    child: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let store = format!("sqlite:///{}/m.db", folder.path().display());
        let mut command = client("mlflow");
        command.args(["server", "--host", "127.0.0.1", "--port", &port.to_string(), "--workers", "1"]);
        command.args(["--backend-store-uri", &store, "--serve-artifacts", "--artifacts-destination"]);
        command.arg(folder.path().join("files")).current_dir(folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        use std::os::unix::process::CommandExt;
        let child = command.process_group(0).spawn().unwrap();
        let server = Self { child, url: format!("http://127.0.0.1:{port}"), folder };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(180), "`mlflow server` doesn't come up");
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    fn runs(&self, project: &str) -> Json {
        seen("check_mlflow.py", &[&self.url, project])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its workers are processes of their own, in its group.
        let group = format!("-{}", self.child.id());
        let _ = std::process::Command::new("kill").args(["-9", "--", &group]).status();
        let _ = self.child.wait();
    }
}

#[test]
fn runs_are_on_the_server_with_all_that_they_gave() {
    let server = Server::start();
    let project = Project::with(&format!("{}[track.mlflow]\nurl = \"{}\"\n", tracked("mlflow"), server.url));
    let ran = run(&project, &["--set", "track.wait=60s"]);
    assert!(!ran.err.contains("mlflow"), "{}", ran.err);
    let runs = server.runs("shop");
    let one = &runs[newest(&project)][0];
    assert_eq!((&one["status"], &one["params"]["segments.k"]), (&"FINISHED".into(), &"3".into()));
    assert!(one["metrics"]["segments.silhouette"].is_f64(), "{one:#}");
    let tags = &one["tags"];
    assert_eq!(
        (&tags["nightly"], &tags["mlflow.note.content"], &tags["custem.group"]),
        (&"true".into(), &"first try".into(), &"g1".into())
    );
    assert!(tags["custem.warnings"].as_str().unwrap().starts_with("quality: "), "{tags}");
    assert!(
        tags["custem.saved.transactions.transactions"].as_str().unwrap().starts_with("file:///"),
        "{tags}"
    );
    let files = one["files"].to_string();
    assert!(
        files.contains("images/curves.png.png") && files.contains("tables/profile.profile.json"),
        "{files}"
    );
    // What was saved is there whole.
    let output = "outputs/transactions.transactions.parquet";
    assert!(files.contains(&format!("\"{output}\"")), "{files}");
    let stored = walk(&server.folder.path().join("files"));
    let stored = stored.iter().find(|path| path.ends_with(output)).unwrap();
    assert_eq!(fs_err::read(stored).unwrap(), fs_err::read(project.path("data/raw/t x.parquet")).unwrap());

    // Old runs, twice: nothing is there twice.
    let config = "[pipeline]\nname = \"steps\"\nseed = 0\n[stages.fit]\nnote = \"ünïcode 🐝\"\n";
    record(&project, "0007-a-b", config, &steps(2_500, None));
    for _ in 0..2 {
        let pushed = custem(&project, &["track", "push", "7", "--to", "mlflow", "--url", &server.url]);
        assert_eq!(
            (pushed.code, pushed.out),
            (0, format!("1 run in mlflow: {}\n", server.url)),
            "{}",
            pushed.err
        );
    }
    let runs = server.runs("steps");
    let [one] = runs["0007-a-b"].as_array().unwrap().as_slice() else { panic!("{runs}") };
    assert_eq!((&one["status"], &one["params"]["fit.note"]), (&"KILLED".into(), &"ünïcode 🐝".into()));
    let loss = one["history"]["fit.loss"].as_array().unwrap();
    assert_eq!((&loss[0], &loss[1], loss.len()), (&json!([0, 1.0]), &json!([1, "NaN"]), 1_000));

    record(&project, "0008-a-b", config, &steps(2, Some(done(false))));
    assert_eq!(custem(&project, &["track", "push", "8", "--to", "mlflow", "--url", &server.url]).code, 0);
    let failed = &server.runs("steps")["0008-a-b"][0];
    assert_eq!(failed["status"], "FAILED");
    assert!(failed["files"].to_string().contains("tables/fit.score.json"), "{failed:#}");
}

/// All files below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() { found.extend(walk(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}

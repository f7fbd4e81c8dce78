//! A plan asks the remote cache what it has, and then is right about what runs.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

use super::network::Server;
use super::team::{FETCHED, RAN, Team, run, run_with};
use crate::project::{Project, Ran};

const FETCH: &str = "  fetch      a   8 B from the remote cache\n  fetch      b   10 B from the remote cache\n  up to date 0 stages\n";
const LOCAL: &str = "  must run   a   no earlier run of it is known\n  must run   b   no earlier run of it is known\n  up to date 0 stages\n";
const UNLESS: &str = "unless the remote cache has its result for what `a` gives";

fn plan(project: &Project, args: &[&str]) -> Ran {
    project.custem_with(&[&["plan", "p.toml"], args].concat(), &[("NO_PROXY", "*")])
}

/// A team whose remote cache has the results of both stages.
fn filled() -> Team {
    let team = Team::new();
    assert_eq!(run(&team.project()).0, RAN);
    team
}

#[test]
fn what_the_remote_has_is_fetched_and_does_not_run() {
    let team = filled();
    let project = team.project();
    let planned = plan(&project, &[]);
    assert_eq!((planned.code, planned.out.as_str(), planned.err.as_str()), (10, FETCH, ""));
    assert!(!project.path("cache").exists(), "to look makes nothing");
    let dry = project.custem(&["run", "p.toml", "--dry-run"]);
    assert_eq!((dry.code, dry.out.as_str()), (10, FETCH));
    let told: Json = serde_json::from_str(&plan(&project, &["--json"]).out).unwrap();
    let stage = |stage: &str, fetch: u64| {
        json!({
            "stage": stage, "verdict": "fetch", "because": null, "seconds": null, "bytes": null,
            "fetch": fetch, "restore": [],
        })
    };
    assert_eq!(told["stages"], json!([stage("a", 8), stage("b", 10)]));
    assert_eq!(run(&project).0, FETCHED);
    let planned = plan(&project, &[]);
    assert_eq!((planned.code, planned.out.as_str()), (0, "  up to date 2 stages\n"));
}

#[test]
fn a_plan_without_the_remote_is_one_of_what_is_here() {
    let team = filled();
    let project = team.project();
    assert_eq!(plan(&project, &["--no-remote"]).out, LOCAL);
    assert_eq!(project.custem(&["run", "p.toml", "--dry-run", "--no-remote"]).out, LOCAL);
    assert_eq!(plan(&team.project_with("pull = false\n"), &[]).out, LOCAL);
    assert_eq!(plan(&team.project_with("push = false\n"), &[]).out, FETCH);
}

/// What a plan says after the remote cache was spoilt, what it warns of, and what a run then does.
fn spoilt(spoil: impl Fn(&Team, &Project), args: &[&str]) -> (Vec<String>, String, Vec<String>) {
    let team = Team::new();
    let first = team.project();
    run(&first);
    spoil(&team, &first);
    let second = team.project();
    let planned = plan(&second, args);
    assert_eq!(planned.code, 10);
    let lines = planned.out.lines().map(|line| line.trim_start().to_owned()).collect();
    (lines, planned.err, run_with(&second, args).0)
}

#[test]
fn what_the_remote_lacks_must_run_and_what_hangs_on_it_may() {
    let a = "fetch      a   8 B from the remote cache";
    let (lines, err, ends) = spoilt(|team, first| fs::remove_file(team.record(first, "b")).unwrap(), &[]);
    assert_eq!(lines, [a, "must run   b   no earlier run of it is known", "up to date 0 stages"]);
    assert_eq!((err.as_str(), ends), ("", ["a hit remote", "b ran"].map(String::from).into()));
    let (lines, ..) = spoilt(|team, _| fs::remove_file(team.object("rows\nmore\n")).unwrap(), &[]);
    assert_eq!(lines[1], "must run   b   no earlier run of it is known");
    let cut = |path: &Path| fs::write(path, "row").unwrap();
    let (lines, err, ends) = spoilt(|team, _| cut(&team.object("rows\n")), &[]);
    let may = format!("may run    b   {UNLESS}");
    assert_eq!(lines, ["must run   a   no earlier run of it is known", &may, "up to date 0 stages"]);
    assert_eq!((err.as_str(), ends), ("", ["a ran", "b hit remote"].map(String::from).into()));
    let (lines, err, _) = spoilt(|team, first| cut(&team.record(first, "a")), &[]);
    assert_eq!(lines[1], may);
    assert_eq!(err, "warning: the record of `a` is damaged in the remote cache\n");
    let (lines, err, ends) = spoilt(|_, _| (), &["--force", "a"]);
    assert_eq!(lines, ["must run   a   --force named it", &may, "up to date 0 stages"]);
    assert_eq!((err.as_str(), ends), ("", ["a ran", "b hit remote"].map(String::from).into()));
}

#[test]
fn bytes_that_were_lost_here_are_fetched() {
    let team = filled();
    let project = team.project();
    run(&project);
    let objects = project.files("cache/objects");
    let (path, _) = objects.iter().find(|(_, bytes)| bytes == b"rows\n").unwrap();
    fs::remove_file(path).unwrap();
    let lost = "  fetch      a   5 B from the remote cache\n  up to date 1 stage\n";
    assert_eq!(plan(&project, &[]).out, lost);
    assert_eq!(run(&project).0, ["a hit remote", "b hit"]);
    fs::remove_file(path).unwrap();
    fs::remove_file(team.object("rows\n")).unwrap();
    let lost = "  must run   a   its output `stdout` was missing in the cache\n  up to date 1 stage\n";
    assert_eq!(plan(&project, &[]).out, lost);
    assert_eq!(run(&project).0, ["a ran", "b hit"]);
}

#[test]
fn bytes_that_two_stages_share_are_counted_once() {
    let team = Team::new();
    let pipeline =
        |name: &str| format!("[stages.{name}]\nkind = \"command\"\ncommand = [\"echo\", \"rows\"]\n");
    let text = format!("[remote]\nurl = \"{}\"\n{}{}", team.url, pipeline("a"), pipeline("b"));
    run(&Project::with(&text));
    let project = Project::with(&text);
    let lines = "  fetch      a   8 B from the remote cache\n  fetch      b   0 B from the remote cache\n";
    assert_eq!(plan(&project, &[]).out, format!("{lines}  up to date 0 stages\n"));
    let pulled = project.custem(&["cache", "pull", "p.toml"]).out;
    assert_eq!(pulled, format!("took 1 result of 2 (2 objects, 8 B) from {}\n", team.url));
}

#[test]
fn where_nobody_answers_there_is_a_warning_and_the_plan_of_what_is_here() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let team = Team::with(&format!("http://127.0.0.1:{port}/cache"));
    let project = team.project();
    let planned = plan(&project, &[]);
    let said = format!(
        "warning: the remote cache {} can't be reached (nobody answers there): this plan does without it\n",
        team.url
    );
    assert_eq!((planned.code, planned.out.as_str(), planned.err), (10, LOCAL, said));
    assert_eq!(plan(&project, &["--no-remote"]).err, "");
}

/// A web server over a folder that breaks down when it is asked for one of its files.
const FRAIL: &str = "import functools, http.server as h, sys
class Frail(h.SimpleHTTPRequestHandler):
    def send_head(self):
        if not self.path.endswith(sys.argv[2]): return super().send_head()
        self.send_response(int(sys.argv[3]))
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *any): pass
server = h.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Frail, directory=sys.argv[1]))
print('127.0.0.1:%d' % server.server_port, flush=True)
server.serve_forever()";

#[test]
fn half_an_answer_is_none() {
    let team = Team::new();
    let first = team.project();
    run(&first);
    let record = team.record(&first, "b");
    let record = record.strip_prefix(team.folder.path()).unwrap().to_str().unwrap();
    let reasons = [
        ("500", "can't be reached (it answers with status 500): this plan does without it"),
        ("403", "gives nothing (access is denied): this plan does without it"),
    ];
    for (status, said) in reasons {
        let mut command = Command::new("python3");
        command.args(["-c", FRAIL, team.folder.path().to_str().unwrap(), record, status]);
        let server = Server::start(&mut command).unwrap();
        let url = format!("http://127.0.0.1:{}/shared", server.port);
        let planned = plan(&team.project(), &["--set", &format!("remote.url={url}")]);
        assert_eq!(planned.out, LOCAL, "{}", planned.err);
        assert_eq!(planned.err, format!("warning: the remote cache {url} {said}\n"));
    }
}

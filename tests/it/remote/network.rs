//! Servers: one that nobody has started, slow ones, and a web server that only gives.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::team::{FETCHED, NONE, RAN, Team, run, run_with};
use crate::project::binary;

/// The port of a server that nobody has started.
fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn where_nobody_answers_there_is_one_warning_and_the_run_goes_on() {
    let team = Team::with(&format!("http://127.0.0.1:{}/cache", nobody()));
    let project = team.project();
    let (ends, warnings) = run(&project);
    assert_eq!(ends, RAN);
    let said = format!("the remote cache {} can't be reached (nobody answers there)", team.url);
    assert_eq!(warnings, [format!("{said}: this run goes on without it")]);
    for (command, verb) in [("push", "gave"), ("pull", "took")] {
        let ran = project.custem_with(&["cache", command], &[("NO_PROXY", "*")]);
        let expected = if command == "pull" { 0 } else { 1 };
        assert_eq!(ran.code, expected, "{}{}", ran.out, ran.err);
        assert!(ran.out.starts_with(&format!("{verb} 0 results of 2 ")), "{}", ran.out);
        assert_eq!(ran.err.contains(&format!("error: {said}\n")), command == "push", "{}", ran.err);
    }
}

/// A web server that has nothing, and takes what it is given when a file is there.
const PATIENT: &str = "import http.server as h, os, sys, time
class Patient(h.BaseHTTPRequestHandler):
    def say(self, status):
        self.send_response(status)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def do_GET(self): self.say(404)
    do_HEAD = do_GET
    def do_PUT(self):
        self.rfile.read(int(self.headers['Content-Length']))
        while not os.path.exists(sys.argv[1]): time.sleep(0.01)
        self.say(201)
    def log_message(self, *any): pass
server = h.ThreadingHTTPServer(('127.0.0.1', 0), Patient)
print('127.0.0.1:%d' % server.server_port, flush=True)
server.serve_forever()";

#[test]
fn a_run_waits_for_the_remote_cache_and_says_so() {
    for (json, sign) in
        [(true, "{\"event\":\"pushing\",\"results\":"), (false, "  waiting for the remote cache to take ")]
    {
        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        let server = Server::start(Command::new("python3").args(["-c", PATIENT]).arg(&gate)).unwrap();
        let team = Team::with(&format!("http://127.0.0.1:{}/cache", server.port));
        let project = team.project();
        let mut command = binary();
        command.current_dir(project.path("")).args(["run", "p.toml"]).args(json.then_some("--json"));
        command.env("NO_PROXY", "*").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let said: Box<dyn std::io::Read> = if json { Box::new(out) } else { Box::new(err) };
        let mut lines = BufReader::new(said).lines().map(|line| line.unwrap());
        assert!(lines.any(|line| line.starts_with(sign)));
        fs::write(&gate, "").unwrap();
        let last = lines.find(|line| line.contains("run_done") || line.contains("2 stages: ")).unwrap();
        let pushed = if json { "\"pushed\":2," } else { "2 stages: 2 ran, 0 from cache, 2 pushed, " };
        assert!(last.contains(pushed), "{last}");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_record_never_comes_before_its_objects() {
    let team = Team::new();
    fs::create_dir_all(team.shared()).unwrap();
    fs::write(team.shared().join("objects"), "in the way").unwrap();
    let (ends, warnings) = run(&team.project());
    assert_eq!(ends, RAN);
    let said = format!("the remote cache {} can't be reached (not a directory)", team.url);
    assert_eq!(warnings, [format!("{said}: this run goes on without it")]);
    assert_eq!(team.files(""), [team.shared().join("objects")]);
}

#[test]
fn an_interrupt_ends_the_wait_for_a_server_that_says_nothing() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let team = Team::with(&format!("http://127.0.0.1:{}/cache", deaf.local_addr().unwrap().port()));
    let project = team.project();
    let mut command = binary();
    command.current_dir(project.path("")).args(["run", "p.toml", "--json"]).env("NO_PROXY", "*");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"stage_started\"")));
    // It asks before it computes.
    drop(deaf.accept().map(|(stream, _)| std::mem::forget(stream)));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest: Vec<_> = lines.map(|line| line.unwrap()).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert_eq!(team.computed(), "");
}

/// A program that serves until the test is over.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// Starts a program that says its port on one of its first lines; an error where there is none such.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let said = child.stderr.take().map(BufReader::new).unwrap();
        let also = child.stdout.take().map(BufReader::new).unwrap();
        let (sender, ports) = std::sync::mpsc::channel();
        for mut lines in [Box::new(said) as Box<dyn BufRead + Send>, Box::new(also)] {
            let sender = sender.clone();
            // Read to the end, or the program would stop where the pipe is full.
            std::thread::spawn(move || {
                let mut line = String::new();
                while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
                    let port = port(&line);
                    line.clear();
                    if let Some(port) = port {
                        let _ = sender.send(port);
                    }
                }
            });
        }
        drop(sender);
        let port = ports.recv().expect("the server ended before it said its port");
        Ok(Self { child, port })
    }
}

/// The port in a line such as `Running on http://127.0.0.1:5000` or `port 5000`.
fn port(line: &str) -> Option<u16> {
    let rest = line.split("127.0.0.1:").nth(1).or_else(|| line.split(" port ").nth(1))?;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_web_server_gives_what_a_folder_has() {
    let team = Team::new();
    run(&team.project());
    let mut command = Command::new("python3");
    command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]).current_dir(team.folder.path());
    let server = Server::start(&mut command).unwrap();
    let url = format!("http://127.0.0.1:{}/shared", server.port);
    let project = team.project();
    let set = format!("remote.url={url}");
    let (ends, warnings) = run_with(&project, &["--set", &set]);
    assert_eq!((ends, warnings), (FETCHED.map(String::from).into(), vec![]));
    assert_eq!(team.computed(), "ab");
    // It takes nothing, and says so once.
    let (ends, warnings) = run_with(
        &project,
        &["--set", &set, "--set", "a.command.2=echo other", "--set", "b.command.2=echo x"],
    );
    assert_eq!(ends, RAN);
    let said =
        format!("the remote cache {url} takes nothing (it can't do what is asked of it): results stay here");
    assert_eq!(warnings, [said]);
    let none = NONE;
    assert_eq!(run_with(&project, &["--set", &set, "--set", "remote.push=false"]).1, none);
}

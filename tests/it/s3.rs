//! The remote cache on a real S3 server: moto, started by the tests.

use std::path::PathBuf;
use std::process::Command;

use crate::project::{Project, Ran};
use crate::remote::Server;

const SECRET: &str = "S3CRETS3CRETS3CRETS3CRETS3CRETS3CRET4242";

/// The server's program: where `tests/run` installs it, or on the path.
fn moto() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_BIN_EXE_custem"));
    let installed = target.ancestors().nth(2).unwrap().join("moto/bin/moto_server");
    if installed.exists() { installed } else { PathBuf::from("moto_server") }
}

struct Bucket {
    server: Server,
}

impl Bucket {
    fn new() -> Self {
        let program = moto();
        let mut command = Command::new(&program);
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        let server = Server::start(&mut command).unwrap_or_else(|error| {
            panic!(
                "the S3 server `{}` can't be started ({error}): tests/run installs it, or do \
                 `python3 -m venv target/moto && target/moto/bin/pip install 'moto[s3]' flask flask-cors`",
                program.display()
            )
        });
        let bucket = Self { server };
        let made = Command::new("python3").args(["-c", MAKE, &bucket.endpoint()]).status().unwrap();
        assert!(made.success());
        bucket
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    fn custem(&self, project: &Project, args: &[&str]) -> Ran {
        let endpoint = self.endpoint();
        project.custem_with(
            args,
            &[
                ("AWS_ENDPOINT_URL", &endpoint),
                ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", SECRET),
                ("AWS_REGION", "eu-central-1"),
                ("NO_PROXY", "*"),
            ],
        )
    }

    /// Sends a request; the server asks for a signature, but doesn't look at it.
    fn send(&self, method: &str, path: &str, body: &str) {
        let address = format!("{}{path}", self.endpoint());
        let sent = Command::new("python3").args(["-c", SEND, method, &address, body]).status().unwrap();
        assert!(sent.success());
    }
}

const MAKE: &str = "import sys, urllib.request as r
r.urlopen(r.Request(sys.argv[1] + '/team', method='PUT', data=b'<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>'))";

const SEND: &str = "import sys, urllib.request as r
r.urlopen(r.Request(sys.argv[2], method=sys.argv[1], data=sys.argv[3].encode(), headers={'Authorization': 'AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=00'}))";

const PIPELINE: &str = r#"
[remote]
url = "s3://team/some/prefix"

[stages.a]
kind = "command"
command = ["head", "-c", "20000001", "/dev/zero"]

[stages.b]
kind = "command"
command = ["sh", "-c", "wc -c < {inputs.x}"]
inputs = { x = "a" }
"#;

/// What no file and no output may hold.
fn has_no_secret(project: &Project, ran: &Ran) {
    let said = format!("{}{}", ran.out, ran.err);
    assert!(!said.contains(SECRET) && !said.contains("AKIDEXAMPLE"), "{said}");
    for folder in ["experiments", "cache"] {
        for (path, bytes) in project.files(folder) {
            let found = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn results_are_shared_through_a_bucket() {
    let bucket = Bucket::new();
    let (one, two) = (Project::with(PIPELINE), Project::with(PIPELINE));
    let ran = bucket.custem(&one, &["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("2 stages: 2 ran, 0 from cache, 2 pushed, "), "{}", ran.err);
    has_no_secret(&one, &ran);
    let plan = bucket.custem(&two, &["plan", "p.toml"]);
    let fetched =
        "  fetch      a   20 MB from the remote cache\n  fetch      b   9 B from the remote cache\n";
    assert_eq!((plan.code, plan.out), (10, format!("{fetched}  up to date 0 stages\n")));
    let ran = bucket.custem(&two, &["run", "p.toml"]);
    assert!(ran.err.contains("2 stages: 0 ran, 2 from cache (2 of the remote one), "), "{}", ran.err);
    has_no_secret(&two, &ran);
    assert_eq!(two.custem(&["cache", "verify"]).code, 0);
    assert_eq!(two.custem(&["show", "b"]).out.trim(), "20000001");

    let status = bucket.custem(&two, &["cache", "status", "--all"]);
    let line = "  both             2         3     20 MB\n";
    assert!(status.out.ends_with(line), "{}{}", status.out, status.err);
    let gone = Project::with(PIPELINE);
    let pulled = bucket.custem(&gone, &["cache", "pull", "p.toml", "--all"]);
    assert_eq!(pulled.out, "took 2 results of 2 (3 objects, 20 MB) from s3://team/some/prefix\n");
    let pushed = bucket.custem(&gone, &["cache", "push", "p.toml"]);
    assert_eq!(pushed.out, "gave 0 results of 2 (0 objects, 0 B) to s3://team/some/prefix\n");
}

#[test]
fn damage_in_a_bucket_is_a_miss_and_mended() {
    let bucket = Bucket::new();
    let (one, two, three) = (Project::with(PIPELINE), Project::with(PIPELINE), Project::with(PIPELINE));
    assert_eq!(bucket.custem(&one, &["run", "p.toml"]).code, 0);
    let digest = blake3::hash(b"20000001\n").to_hex().to_string();
    let name = format!("/team/some/prefix/custem-1/objects/{}/{}", &digest[..2], &digest[2..]);
    bucket.send("PUT", &name, "20000002\n");
    let ran = bucket.custem(&two, &["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let said = format!("warning: object {} of `b` is damaged in the remote cache\n", &digest[..8]);
    assert!(ran.err.contains(&said), "{}", ran.err);
    assert!(
        ran.err.contains("2 stages: 1 ran, 1 from cache (1 of the remote one), 1 pushed, "),
        "{}",
        ran.err
    );
    assert_eq!(two.custem(&["show", "b"]).out, "20000001\n");
    let ran = bucket.custem(&three, &["run", "p.toml"]);
    assert!(ran.err.contains("2 stages: 0 ran, 2 from cache (2 of the remote one), "), "{}", ran.err);
}

/// A server that says no and repeats all that it was sent.
const ECHO: &str = "import http.server as h
class Echo(h.BaseHTTPRequestHandler):
    def answer(self):
        text = (self.path + str(self.headers)).encode()
        self.send_response(int(self.server.status))
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        if self.command != 'HEAD': self.wfile.write(text)
    do_GET = do_PUT = do_HEAD = do_POST = answer
    def log_message(self, *any): pass
import sys
server = h.ThreadingHTTPServer(('127.0.0.1', 0), Echo)
server.status = sys.argv[1]
print('127.0.0.1:%d' % server.server_port, flush=True)
server.serve_forever()";

#[test]
fn what_a_server_says_is_not_repeated() {
    let reasons = [
        ("403", "gives nothing (access is denied): this run computes what it needs"),
        ("401", "gives nothing (the credentials are not accepted): this run computes what it needs"),
        ("500", "can't be reached (it answers with status 500): this run goes on without it"),
    ];
    for (status, said) in reasons {
        let bucket =
            Bucket { server: Server::start(Command::new("python3").args(["-c", ECHO, status])).unwrap() };
        let project = Project::with(PIPELINE);
        let ran = bucket.custem(&project, &["run", "p.toml"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let said = format!("warning: the remote cache s3://team/some/prefix {said}\n");
        assert!(ran.err.contains(&said), "{}", ran.err);
        has_no_secret(&project, &ran);
        let ran = bucket.custem(&project, &["cache", "push", "p.toml"]);
        assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
        has_no_secret(&project, &ran);
    }
}

#[test]
fn a_bucket_that_is_not_there_is_a_warning() {
    let bucket = Bucket::new();
    let project = Project::with(&PIPELINE.replace("s3://team", "s3://nobody"));
    let ran = bucket.custem(&project, &["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let warnings: Vec<_> = ran.err.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(
        warnings,
        [
            "warning: the remote cache s3://nobody/some/prefix can't be reached (nothing is there): this run goes on without it"
        ]
    );
    has_no_secret(&project, &ran);
}

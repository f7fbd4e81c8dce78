//! The remote cache: what is refused of its table here; in [`shared`] and [`network`] what it gives and takes, in
//! [`plan`] what a plan says of it.

#[cfg(feature = "remote")]
mod network;
#[cfg(feature = "remote")]
mod outside;
#[cfg(feature = "remote")]
mod plan;
#[cfg(feature = "remote")]
mod shared;
#[cfg(feature = "remote")]
mod team;

use crate::project::{Project, Ran};

#[cfg(feature = "remote")]
pub use network::Server;

const TWO: &str = r#"
[stages.a]
kind = "command"
command = ["sh", "-c", "echo rows; echo a >> $MARKS"]
env = { MARKS = "@MARKS@" }

[stages.b]
kind = "command"
command = ["sh", "-c", "cat {inputs.x}; echo more; echo b >> $MARKS"]
env = { MARKS = "@MARKS@" }
inputs = { x = "a" }
save = "b.txt"
"#;

fn check(remote: &str) -> (i32, String) {
    let project = Project::with(&format!("{remote}{TWO}"));
    let ran: Ran = project.custem(&["check", "p.toml"]);
    (ran.code, ran.err)
}

#[cfg(not(feature = "remote"))]
#[test]
fn without_it_a_run_says_so_and_is_local() {
    let table = "[remote]\nurl = \"../shared\"\n";
    assert_eq!(check(table).0, 0);
    let project = Project::with(&format!("{table}{}", TWO.replace("@MARKS@", "/dev/zero")));
    let ran = project.custem(&["run", "p.toml", "--no-remote"]);
    assert_eq!((ran.code, ran.err.contains("remote")), (0, false), "{}", ran.err);
    let ran = project.custem(&["run", "p.toml", "--force", "a"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.contains("can't be reached (this custem was built without the cargo feature `remote`): "),
        "{}",
        ran.err
    );
    assert_eq!(project.custem(&["plan", "p.toml"]).code, 0);
}

#[test]
fn a_secret_in_the_url_is_refused_and_never_shown() {
    for url in ["s3://KEYID:S3CRET@bucket/p", "https://me:S3CRET@host/p", "az://c/p?sig=S3CRET"] {
        for table in
            [format!("[remote]\nurl = \"{url}\"\n"), format!("remote = {{ url = \"{url}\", pul = 1 }}\n")]
        {
            let project = Project::with(&format!("{table}{TWO}"));
            for command in [&["check", "p.toml"][..], &["run", "p.toml"], &["check", "p.toml", "--json"]] {
                let ran = project.custem(command);
                assert_eq!(ran.code, 2);
                assert!(!format!("{}{}", ran.out, ran.err).contains("S3CRET"), "{}{}", ran.out, ran.err);
            }
            let line = table.lines().position(|line| line.contains("url")).unwrap() + 1;
            let said = format!(
                "error: `remote.url` (p.toml:{line}) must not hold a user, a password or a key\nhint: keys and passwords come from the environment (docs/remote.md) and are never written down\n"
            );
            assert_eq!(project.custem(&["check", "p.toml"]).err, said);
            let files = project.files("experiments");
            assert!(files.iter().all(|(_, bytes)| !String::from_utf8_lossy(bytes).contains("S3CRET")));
        }
    }
    let set = "remote.url=s3://me:S3CRET@b/p";
    let ran = Project::with(TWO).custem(&["check", "p.toml", "--set", set]);
    assert!(ran.code == 2 && ran.err.starts_with("error: `remote.url` (--set) must not"), "{}", ran.err);
    assert!(!ran.err.contains("S3CRET"), "{}", ran.err);
}

#[test]
fn a_place_that_is_none_is_refused_with_the_nearest() {
    let said = |remote: &str| {
        let (code, err) = check(remote);
        assert_eq!(code, 2);
        let lines = err.lines().filter(|line| line.starts_with("error: ") || line.starts_with("hint: "));
        // What is said of the feature, where it isn't built in, has a test of its own.
        let lines =
            lines.filter(|line| !line.contains("built without") && !line.contains("--features remote"));
        lines.take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        said("[remote]\nurl = \"s33://bucket/p\"\n"),
        [
            "error: `remote.url` starts with `s33://`, which custem doesn't know",
            "hint: did you mean `s3://`?"
        ]
    );
    let (_, err) = check("[remote]\nulr = \"../shared\"\n");
    assert!(err.contains("error: unknown key `ulr` in `[remote]`\n"), "{err}");
    assert!(
        err.contains("hint: did you mean `url`? `[remote]` has the keys `pull`, `push` and `url`\n"),
        "{err}"
    );
    assert_eq!(said("[remote]\npush = false\n")[..1], ["error: `[remote]` lacks the key `url`"]);
    assert_eq!(
        said("[remot]\nurl = \"x\"\n"),
        ["error: unknown table `remot`", "hint: did you mean `remote`?"]
    );
    assert_eq!(said("remote = 1\n")[..1], ["error: `remote` must be a table, not an integer"]);
}

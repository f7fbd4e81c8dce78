//! Many processes on one cache: every key is computed once, nobody fails, nobody sees half an object.

use std::fmt::Write;
use std::fs;

use crate::project::{Project, binary};

/// Stages 0 to `count`, each printing what the one before printed and its number, and leaving a mark outside
/// when it is really computed.
fn chain(project: &Project, name: &str, count: usize, marks: &str) -> String {
    let mut text = format!("[pipeline]\nname = \"{name}\"\n");
    for at in 0..count {
        let (take, inputs) = match at {
            0 => (String::new(), String::new()),
            _ => ("cat {inputs.x}; ".to_owned(), format!("inputs = {{ x = \"s{}\" }}\n", at - 1)),
        };
        let mark = project.path(marks).display().to_string();
        let _ = write!(
            text,
            "[stages.s{at}]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"{take}echo {at}; echo {at} >> {mark}; sleep 0.002\"]\n{inputs}"
        );
    }
    text
}

#[test]
fn eight_processes_compute_every_key_once() {
    const ROUNDS: usize = 50;
    for round in 0..ROUNDS {
        let project = Project::new();
        // The second pipeline is the beginning of the first: the same keys.
        project.write("p.toml", chain(&project, "long", 8, "marks"));
        project.write("q.toml", chain(&project, "short", 5, "marks"));
        let start = |file: &str| binary().current_dir(project.path("")).args(["run", file, "-q"]).output();
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..8)
                .map(|at| scope.spawn(move || start(if at % 2 == 0 { "p.toml" } else { "q.toml" })))
                .collect();
            for run in runs {
                let ran = run.join().unwrap().unwrap();
                assert!(ran.status.success(), "round {round}: {}", String::from_utf8_lossy(&ran.stderr));
            }
        });
        let marks = fs::read_to_string(project.path("marks")).unwrap();
        let mut done: Vec<&str> = marks.lines().collect();
        done.sort_unstable();
        assert_eq!(done, ["0", "1", "2", "3", "4", "5", "6", "7"], "round {round}");
        let shown = project.custem(&["show", "s7", "--run", "last"]);
        assert!(shown.code != 0 || shown.out == "0\n1\n2\n3\n4\n5\n6\n7\n", "{}", shown.out);
        assert!(project.what_ran(&[]).is_empty());
        let runs = fs::read_dir(project.path("experiments/logs")).unwrap().count();
        assert_eq!(runs, 9, "every run has a record of its own");
    }
}

#[test]
fn a_killed_holder_does_not_keep_others_waiting() {
    let project = Project::new();
    project.write(
        "p.toml",
        format!(
            "[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"echo x >> {}; test -e {} || sleep 20\"]\n",
            project.path("marks").display(),
            project.path("go").display()
        ),
    );
    let mut first = binary().current_dir(project.path("")).args(["run", "p.toml", "-q"]).spawn().unwrap();
    while !project.path("marks").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut second = binary().current_dir(project.path("")).args(["run", "p.toml", "-q"]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(second.try_wait().unwrap().is_none(), "it waits for the first one's result");
    project.write("go", "");
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(second.wait().unwrap().success());
    assert_eq!(project.read("marks"), "x\nx\n");
}

//! What a run says to do next, and the report that `custem open` opens.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::project::{Project, Ran};

const PAGE: &str = r#"
[stages.page]
kind = "command"
command = ["sh", "-c", "echo $TEXT > page.html; echo '{\"loss\": 0.5}' > m.json"]
outputs = { page = "page.html", metrics = "m.json" }
env = { TEXT = "one" }
save = { page = "data/page.html" }
"#;

/// Nothing that opens pages: no screen.
const BLIND: [(&str, &str); 3] = [("DISPLAY", ""), ("WAYLAND_DISPLAY", ""), ("BROWSER", "")];

fn open(project: &Project, args: &[&str]) -> Ran {
    project.custem_with(&[&["open"], args].concat(), &BLIND)
}

#[test]
fn a_run_says_what_to_do_next() {
    let project = Project::with(PAGE);
    let last = |ran: Ran| {
        ran.err
            .lines()
            .skip_while(|line| !line.contains(" from cache"))
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let first = last(project.custem(&["run", "p.toml"]));
    assert_eq!(first, ["report: data/page.html", "open the report: custem open"]);
    let set = ["run", "p.toml", "--set", "page.env.TEXT=two"];
    let second = last(project.custem(&set));
    let hints = "open the report: custem open        compare with the last run: custem runs diff 0001 0002";
    assert_eq!(second, ["report: data/page.html", hints]);
    // With nothing done there is nothing to compare.
    assert_eq!(last(project.custem(&set)), ["report: data/page.html"]);
    assert!(last(project.custem(&["run", "p.toml", "--quiet"])).is_empty());
    project.write("q.toml", "[stages.q]\nkind = \"command\"\ncommand = [\"echo\", \"q\"]\n");
    assert!(last(project.custem(&["run", "q.toml"])).is_empty(), "the last run was of another pipeline");
    let forced = last(project.custem(&["run", "q.toml", "--force", "q"]));
    assert_eq!(forced, ["compare with the last run: custem runs diff 0005 0006"]);
    let diff = project.custem(&["runs", "diff", "0001", "0002"]);
    assert_eq!(diff.code, 0, "{}", diff.err);
}

#[test]
fn the_report_of_a_run_is_found() {
    let project = Project::with(PAGE);
    let none = open(&project, &[]);
    assert_eq!((none.code, none.err.lines().next()), (2, Some("error: no run is recorded yet")));
    project.run(&[]);
    let shown = open(&project, &[]);
    assert_eq!((shown.code, shown.out.as_str()), (0, "data/page.html\n"), "{}", shown.err);
    // The newest run that has one, whatever ran since.
    project.write("q.toml", "[stages.q]\nkind = \"command\"\ncommand = [\"echo\", \"q\"]\n");
    project.custem(&["run", "q.toml"]);
    for of in ["last", "p.toml", "./p.toml", "1", "0001"] {
        assert_eq!(open(&project, &[of]).out, "data/page.html\n", "{of}");
    }
    let hint = "hint: a stage of the kind `report` with `save = \"data/report.html\"` saves one when the pipeline runs\n";
    let said = |args: &[&str]| (open(&project, args).code, open(&project, args).err);
    let other = said(&["2"]);
    let name = fs::read_to_string(project.path("experiments/last")).unwrap().trim().to_owned();
    assert_eq!(other, (2, format!("error: run {name} saved no report\n{hint}")));
    assert_eq!(said(&["q.toml"]), (2, format!("error: no recorded run of `q.toml` saved a report\n{hint}")));
    // A later run has saved over it.
    project.run(&["--set", "page.env.TEXT=two"]);
    let (code, old) = said(&["1"]);
    assert!(code == 2 && old.starts_with("error: `data/page.html` has other bytes than run 0001-"), "{old}");
    let own = old.split("cache has it: custem ").nth(1).unwrap().split(" > ").next().unwrap().to_owned();
    let shown = project.custem(&own.split(' ').collect::<Vec<_>>());
    assert_eq!(shown.out, "one\n");
    fs::remove_file(project.path("data/page.html")).unwrap();
    let (_, gone) = said(&["last"]);
    assert!(
        gone.contains("isn't there any more\nhint: `custem run p.toml` saves what it gives now; "),
        "{gone}"
    );
}

#[test]
fn the_desktop_opens_it_where_it_can() {
    let project = Project::with(PAGE);
    project.run(&[]);
    let opener = |script: &str| {
        project.write("bin/xdg-open", format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(project.path("bin/xdg-open"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").unwrap());
    let env = [("DISPLAY", ":7"), ("PATH", path.as_str())];
    opener("echo \"$1\" > \"$(dirname \"$0\")/opened\"");
    let ran = project.custem_with(&["open"], &env);
    assert!(
        ran.out.is_empty() && ran.err.starts_with("opened data/page.html of run 0001-"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(project.read("bin/opened").trim_end().ends_with("data/page.html"));
    let path_only = project.custem_with(&["open", "--path"], &env);
    assert!(path_only.out.ends_with("data/page.html\n") && path_only.err.is_empty());
    opener("exit 3");
    let failed = project.custem_with(&["open"], &env);
    assert!(failed.code == 0 && failed.out.ends_with("data/page.html\n"), "{}{}", failed.out, failed.err);
}

//! Programs of `command` stages: what they print, what they are given and leave, and how they end.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value as Json;

use crate::project::{Project, Ran, binary, events, text};

/// A pipeline of one stage `a` that runs a shell script.
fn shell(script: &str, more: &str) -> String {
    let word = toml::Value::String(script.to_owned());
    format!("[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", {word}]\n{more}")
}

fn printing(script: &str) -> Project {
    Project::with(&shell(script, "outputs = { x = \"x\" }\n"))
}

fn output(project: &Project, run: &str, stage: &str) -> Ran {
    project.custem(&["runs", "show", run, "--output", stage])
}

/// What the last run reported of the end of `a`.
fn end(ran: &Ran) -> Json {
    events(&ran.out).into_iter().rfind(|event| event["event"] == "stage_done").unwrap()
}

/// What the stage `a` printed, by stream.
fn streamed(ran: &Ran, stream: &str) -> String {
    let of_stream = |event: &&Json| {
        event["event"] == "stage_output" && event["stage"] == "a" && event["stream"] == stream
    };
    events(&ran.out).iter().filter(of_stream).map(|event| text(event, "text").to_owned() + "\n").collect()
}

#[test]
fn lines_are_reported_while_the_program_runs() {
    let project = Project::new();
    let script = format!(
        "echo one; echo err >&2; while ! test -e {}; do sleep 0.01; done; echo x > x; printf last",
        project.path("go").display()
    );
    project.write("p.toml", shell(&script, "outputs = { x = \"x\" }\n"));
    let mut run = binary()
        .current_dir(project.path(""))
        .args(["run", "p.toml", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut seen = Vec::new();
    let mut until = |count: usize| {
        for line in lines.by_ref() {
            let event: Json = serde_json::from_str(&line).unwrap();
            if event["event"] == "stage_output" {
                seen.push((text(&event, "stream").to_owned(), event["text"].clone()));
            }
            if seen.len() == count {
                break;
            }
        }
        let mut seen = seen.clone();
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        seen
    };
    // Both come while the program still waits.
    let both = vec![("stderr".to_owned(), Json::from("err")), ("stdout".to_owned(), Json::from("one"))];
    assert_eq!(until(2), both);
    project.write("go", "");
    assert_eq!(until(3).last().unwrap(), &("stdout".to_owned(), Json::from("last")));
    assert!(run.wait().unwrap().success());
}

#[test]
fn what_a_program_printed_is_in_the_record_also_of_a_run_that_took_it_from_the_cache() {
    let project = printing("echo one; echo two; echo oops >&2; printf end; echo x > x");
    let ran = project.custem(&["run", "p.toml", "--json"]);
    assert_eq!(
        (streamed(&ran, "stdout"), streamed(&ran, "stderr")),
        ("one\ntwo\nend\n".into(), "oops\n".into())
    );
    let mut lines: Vec<_> = output(&project, "last", "a").out.lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["end", "one", "oops", "two"]);
    let first = text(&events(&ran.out)[0], "run").to_owned();
    project.custem(&["run", "p.toml"]);
    let last = project.custem(&["runs", "list", "--json", "-n", "1"]).out;
    let last = text(&events(&last)[0], "run").to_owned();
    let shown = output(&project, "last", "a");
    assert_eq!(shown.err, format!("`a` came from the cache in run {last}; it ran in {first}\n"));
    assert_eq!(shown.out.lines().count(), 4);
    let wrong = output(&project, "1", "b");
    assert_eq!(wrong.code, 2);
    assert_eq!(wrong.err, format!("error: run {first} has no stage `b`\nhint: did you mean `a`?\n"));
}

#[test]
fn a_program_that_says_nothing_and_one_that_did_not_run() {
    let project = Project::with(&format!(
        "{}[stages.b]\nkind = \"command\"\ncommand = [\"true\"]\ninputs = {{ x = \"a\" }}\n",
        shell("exit 1", "")
    ));
    let ran = project.custem(&["run", "p.toml", "--json"]);
    let run = text(&events(&ran.out)[0], "run").to_owned();
    assert_eq!(output(&project, "last", "a").err, format!("`a` printed nothing in run {run}\n"));
    assert_eq!(output(&project, "last", "b").err, format!("`b` did not run in run {run}: needs `a`\n"));
}

#[test]
fn people_see_what_is_printed_when_they_ask_for_it() {
    let project = printing("printf '\\033[31mred\\033[0m\\tand\\n'; echo err >&2; echo x > x");
    let plain = project.custem(&["run", "p.toml"]);
    assert!(!plain.err.contains("  a: "), "{}", plain.err);
    let verbose = project.custem(&["run", "p.toml", "--verbose", "--force", "a"]);
    let mut lines: Vec<_> = verbose.err.lines().filter(|line| line.starts_with("  a: ")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["  a: err", "  a: red    and"]);
}

#[test]
fn much_output_is_kept_at_both_ends_and_says_what_is_missing() {
    let project = printing("seq 1 400000; echo x > x");
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    let all: String = (1..=400_000).map(|line| format!("{line}\n")).collect();
    let kept = output(&project, "last", "a").out;
    let (head, rest) = kept.split_once("... ").unwrap();
    let (missing, tail) = rest.split_once(" bytes left out ...\n").unwrap();
    assert!(all.starts_with(head) && all.ends_with(tail));
    assert_eq!(missing.replace(',', ""), (all.len() - head.len() - tail.len()).to_string());
    assert!((1_000_000..1_200_000).contains(&kept.len()), "{}", kept.len());
    for (path, bytes) in project.files("experiments") {
        assert!(bytes.len() < 1_200_000, "{} has {}", path.display(), bytes.len());
    }
}

#[test]
fn bytes_that_are_no_text_and_lines_without_an_end_do_no_harm() {
    let project =
        printing("head -c 3000000 /dev/zero | tr '\\0' x; printf '\\377\\376\\000\\n' >&2; echo x > x");
    let ran = project.custem(&["run", "p.toml", "--json"]);
    assert_eq!(text(&end(&ran), "outcome"), "ran");
    assert_eq!(streamed(&ran, "stdout").replace('\n', ""), "x".repeat(3_000_000));
    assert_eq!(streamed(&ran, "stderr"), "\u{fffd}\u{fffd}\0\n");
    let kept = output(&project, "last", "a").out;
    assert!(kept.contains("\u{fffd}\u{fffd}") && kept.contains(" bytes left out ...\n"));
    assert!(kept.len() < 1_300_000, "{}", kept.len());
}

#[test]
fn a_failure_shows_the_end_of_both_streams() {
    let project = Project::with(&shell("seq 1 2000; echo lost >&2; exit 7", ""));
    let ran = project.custem(&["run", "p.toml", "--json"]);
    let message = text(&end(&ran)["error"], "message").to_owned();
    let first = "`sh` ended with exit status: 7\nstandard output:\n...\n";
    let tail: String = (1602..=2000).map(|line| format!("{line}\n")).collect();
    assert!(message.starts_with(first), "{message}");
    assert!(message.ends_with(&format!("{}standard error:\nlost", &tail[..])), "{message}");
    let one = Project::with(&shell("echo lost >&2; exit 7", "")).custem(&["run", "p.toml", "--json"]);
    assert_eq!(end(&one)["error"]["message"], "`sh` ended with exit status: 7\nlost");
}

#[test]
fn files_that_no_output_declares_are_reported() {
    let project = Project::with(&shell(
        "cat in.txt lib/b.py > out/x; mkdir tmp __pycache__; touch tmp/a __pycache__/b .c left lib/more",
        "files = [\"in.txt\", \"lib/b.py\"]\noutputs = { x = \"out/x\" }\n",
    ));
    project.write("in.txt", "in\n");
    project.write("lib/b.py", "b\n");
    let ran = project.custem(&["run", "p.toml", "--json"]);
    let warnings = end(&ran)["warnings"].clone();
    assert_eq!(
        warnings[0]["message"],
        "the program left 2 files that no output declares: `left` and `lib/more`; declare them in `outputs`, or \
         let the program write them below `tmp`"
    );
    assert_eq!((warnings.as_array().unwrap().len(), &warnings[0]["place"]), (1, &Json::from("p.toml:5")));
}

const SECRET: &str = "hunter2-hunter3";

fn with_secret(project: &Project, args: &[&str], value: &str) -> Ran {
    project.custem_with(&[&["run", "p.toml", "--json"], args].concat(), &[("API_TOKEN", value)])
}

/// No file of the project holds the value.
fn nothing_holds(project: &Project, value: &str) {
    for (path, bytes) in project.files("") {
        assert!(memchr::memmem::find(&bytes, value.as_bytes()).is_none(), "{} holds it", path.display());
    }
}

#[test]
fn a_secret_is_passed_and_never_recorded() {
    let script = "test ${#API_TOKEN} = 15 || exit 9; echo \"out $API_TOKEN out\"; echo \"err $API_TOKEN\" >&2; \
                  printf %s \"$API_TOKEN\" | head -c 9; sleep 0.05; printf %s \"$API_TOKEN\" | tail -c 6; \
                  touch \"left-$API_TOKEN\"";
    // Also where standard output is the output.
    for outputs in ["", "outputs = { x = \"x\" }\n"] {
        let project = Project::with(&shell(
            &format!("{script}; echo x > x; echo \", $API_TOKEN\""),
            &format!("secrets = [\"API_TOKEN\"]\n{outputs}"),
        ));
        let ran = with_secret(&project, &[], SECRET);
        assert_eq!(text(&end(&ran), "outcome"), "ran", "{}", ran.out);
        assert!(!ran.out.contains(SECRET) && !ran.err.contains(SECRET), "{}", ran.out);
        assert_eq!(streamed(&ran, "stdout"), "out *** out\n***, ***\n");
        assert_eq!(streamed(&ran, "stderr"), "err ***\n");
        let said = text(&end(&ran)["warnings"][0], "message").to_owned();
        assert!(said.contains("`left-***`"), "{said}");
        nothing_holds(&project, SECRET);
        // The value is no part of the key, and a result in the cache needs none.
        assert_eq!(text(&end(&with_secret(&project, &[], "another-one")), "outcome"), "hit");
        assert_eq!(project.run(&[]), ["a hit"]);
        // The name is.
        let renamed = project.read("p.toml").replace("[\"API_TOKEN\"]", "[\"API_TOKEN\", \"MORE\"]");
        project.write("p.toml", renamed);
        assert_eq!(project.run(&[]), ["a failed"]);
    }
}

#[test]
fn a_failure_masks_secrets() {
    let project = Project::with(&shell(
        "echo $API_TOKEN; echo $API_TOKEN >&2; exit 1",
        "secrets = [\"API_TOKEN\"]\noutputs = { x = \"x\" }\n",
    ));
    let ran = with_secret(&project, &[], SECRET);
    assert_eq!(
        end(&ran)["error"]["message"],
        "`sh` ended with exit status: 1\nstandard output:\n***\nstandard error:\n***"
    );
    nothing_holds(&project, SECRET);
}

#[test]
fn an_output_that_holds_a_secret_is_refused() {
    let project = Project::with(&shell(
        "echo \"a $API_TOKEN\" > x",
        "secrets = [\"API_TOKEN\"]\noutputs = { x = \"x\" }\n",
    ));
    let error = end(&with_secret(&project, &[], SECRET))["error"].clone();
    assert_eq!(error["message"], "`x` holds the value of the secret `API_TOKEN`");
    assert_eq!(
        error["hint"],
        "outputs are kept in the cache as they are: let the program leave the value out"
    );
    assert_eq!(error["place"], "p.toml:5");
    nothing_holds(&project, SECRET);
}

#[test]
fn a_secret_that_is_not_set_or_too_short_is_said() {
    let project = Project::with(&shell("echo $API_TOKEN", "secrets = [\"API_TOKEN\"]\n"));
    let error = end(&project.custem(&["run", "p.toml", "--json"]))["error"].clone();
    assert_eq!(error["message"], "the secret `API_TOKEN` is not set");
    assert_eq!(
        error["hint"],
        "it is taken from the environment that custem is started in, and an empty one counts as none"
    );
    assert_eq!((&error["place"], &error["column"]), (&Json::from("p.toml:4"), &Json::from(12)));
    let short = end(&with_secret(&project, &[], "123"));
    assert_eq!(
        short["warnings"][0]["message"],
        "the value of `API_TOKEN` has fewer than 4 characters: it is not masked in what the program prints"
    );
    let both = Project::with(&shell("true", "env = { A = \"1\" }\nsecrets = [\"A\", \"B=2\"]\n"));
    let check = both.custem(&["check", "p.toml"]).err;
    assert!(check.contains("error: `A` is in `env` too\n"), "{check}");
    assert!(check.contains("error: `B=2` is no name of an environment variable\n"), "{check}");
}

#[test]
fn a_program_starts_in_the_folder_that_is_declared() {
    let more = "dir = \"scripts/deep\"\nfiles = [\"scripts/deep/one.txt\"]\ninputs = { rows = \"first\" }\n\
                outputs = { x = \"made/x\" }\n[stages.first]\nkind = \"command\"\ncommand = [\"echo\", \"rows\"]\n";
    let project =
        Project::with(&shell("cat one.txt {inputs.rows} > {outputs.x}; ls ..; echo {inputs.rows}", more));
    project.write("scripts/deep/one.txt", "one\n");
    let ran = project.custem(&["run", "p.toml", "--json"]);
    assert_eq!(streamed(&ran, "stdout"), "deep\ninputs.rows\n", "{}", ran.out);
    assert_eq!(end(&ran)["warnings"], Json::Array(Vec::new()));
    assert_eq!(project.custem(&["show", "a"]).out, "one\nrows\n");
    let outside = Project::with(&shell("true", "dir = \"../x\"\n")).custem(&["check", "p.toml"]);
    assert!(
        outside.err.starts_with("error: `../x` is no folder inside the stage's folder\n --> p.toml:4:7\n"),
        "{}",
        outside.err
    );
}

/// A program with a child, both of which would stay for ever; it tells their numbers in a file.
fn endless(project: &Project) -> String {
    let pids = project.path("pids").display().to_string();
    shell(
        &format!(
            "trap '' TERM INT HUP; sleep 100000 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait; sleep 100000"
        ),
        "",
    )
}

fn started(project: &Project, custem: &mut Command) -> Child {
    let quiet = custem.current_dir(project.path("")).args(["run", "p.toml", "-q"]);
    quiet.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits for the program and its child to run; then `act` ends custem, and both must end.
fn both_end_after(project: &Project, act: impl FnOnce()) {
    while !project.path("pids").exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let pids = project.read("pids");
    let open =
        |pid: &str| pidfd_open(Pid::from_raw(pid.parse().unwrap()).unwrap(), PidfdFlags::empty()).unwrap();
    let both: Vec<_> = pids.split_whitespace().map(open).collect();
    assert_eq!(both.len(), 2);
    act();
    for one in &both {
        let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(one, PollFlags::IN)], Some(&patience)).unwrap();
        assert_eq!(ended, 1, "one of {pids} still runs");
    }
}

#[test]
fn programs_end_when_custem_is_killed() {
    let project = Project::new();
    project.write("p.toml", endless(&project));
    let mut run = started(&project, &mut binary());
    both_end_after(&project, || {
        run.kill().unwrap();
        run.wait().unwrap();
    });
}

#[test]
fn the_guard_is_the_running_binary_also_when_its_file_is_gone() {
    let project = Project::new();
    project.write("p.toml", endless(&project));
    let copy = project.path("custem-copy");
    fs::copy(env!("CARGO_BIN_EXE_custem"), &copy).unwrap();
    // A full pipe holds the run at its first event.
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b'\n'; 65_536]).unwrap();
    let mut run = Command::new(&copy)
        .current_dir(project.path(""))
        .args(["run", "p.toml", "--json"])
        .stdout(writer)
        .spawn()
        .unwrap();
    while !project.path("experiments/last").exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    fs::remove_file(&copy).unwrap();
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    both_end_after(&project, || {
        run.kill().unwrap();
        run.wait().unwrap();
    });
}

#[test]
fn a_run_whose_programs_can_not_be_guarded_says_so_and_goes_on() {
    let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
    if !loader.exists() {
        return;
    }
    let project = Project::with(&shell("echo fine", ""));
    // Called this way, the running binary is the loader, which is no guard.
    let mut run = Command::new(loader);
    let run =
        run.arg(env!("CARGO_BIN_EXE_custem")).current_dir(project.path("")).args(["run", "p.toml", "--json"]);
    let out = String::from_utf8(run.output().unwrap().stdout).unwrap();
    let events = events(&out);
    let warning = events.iter().find(|event| event["event"] == "warning").unwrap();
    assert_eq!(
        text(warning, "message"),
        "programs would have gone on if custem had been killed: the guard ended with exit status: 127"
    );
    assert_eq!(events.last().unwrap()["ok"], true);
}

#[test]
fn a_guard_is_started_only_with_a_program_and_ends_with_the_run() {
    let guards = |children: &str| {
        let pids = children.split_whitespace();
        let line = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        pids.filter(|pid| line(pid).contains("__guard")).count()
    };
    let project = Project::new();
    // The program looks at the children of custem, which is its parent.
    project.write(
        "p.toml",
        "[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"cat /proc/$PPID/task/*/children\"]\n",
    );
    assert_eq!(project.run(&[]), ["a ran"]);
    let children = project.custem(&["show", "a"]).out;
    assert_eq!((children.split_whitespace().count(), guards(&children)), (2, 0), "{children}");
    let mut guard = binary().arg("__guard").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(guard.stdin.take());
    let mut said = String::new();
    guard.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((guard.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}
